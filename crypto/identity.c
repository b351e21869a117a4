#include "crypto/identity.h"

#include <sodium.h>
#include <string.h>

#include "core/error.h"
#include "core/text.h"
#include "crypto/hash.h"
#include "crypto/keyfile.h"

#define ID_DIGITS    26 /* of base32 for 16 bytes */
#define CHECK_DIGITS 2
#define GROUP        4

int tl_crypto_start(void) {
  return sodium_init() < 0 ? TULLE_E_UNSUPPORTED : 0;
}

struct tl_identity *tl_identity_new(const uint8_t secret[32]) {
  struct tl_identity *identity = sodium_malloc(sizeof *identity);
  if (!identity) return NULL;
  memcpy(identity->secret, secret, 32);
  crypto_scalarmult_base(identity->key, secret);
  tl_node_id_of(identity->key, identity->node_id);
  return identity;
}

struct tl_identity *tl_identity_free(struct tl_identity *identity) {
  sodium_free(identity);
  return NULL;
}

int tl_identity_create(const struct tl_disk *disk, const struct tl_random *random,
                       struct tl_identity **out) {
  uint8_t secret[32], file[TL_KEYFILE_BYTES];
  tl_random_fill(random, secret, sizeof secret);
  struct tl_identity *identity = tl_identity_new(secret);
  tl_keyfile_encode(TL_KEYFILE_NODE, secret, file);
  int r = identity ? tl_disk_create(disk, TL_IDENTITY_FILE, file, sizeof file) : TULLE_E_NO_MEMORY;
  sodium_memzero(secret, sizeof secret);
  sodium_memzero(file, sizeof file);
  if (r < 0) {
    tl_identity_free(identity);
    return r;
  }
  *out = identity;
  return 0;
}

int tl_identity_load(const struct tl_disk *disk, struct tl_identity **out) {
  uint8_t secret[32];
  int r = tl_keyfile_read(disk, TL_IDENTITY_FILE, TL_KEYFILE_NODE, secret);
  if (r < 0) return r;
  struct tl_identity *identity = tl_identity_new(secret);
  sodium_memzero(secret, sizeof secret);
  if (!identity) return TULLE_E_NO_MEMORY;
  *out = identity;
  return 0;
}

void tl_node_id_of(const uint8_t key[32], uint8_t out[16]) {
  uint8_t hash[32];
  tl_hash(TL_BYTES_NONE, (struct tl_bytes[]){TL_BYTES_TEXT("tul1 node id"), {key, 32}}, 2, hash,
          sizeof hash);
  memcpy(out, hash, 16);
}

/* 28 digits without dashes. */
static void id_digits(const uint8_t id[16], char out[ID_DIGITS + CHECK_DIGITS + 1]) {
  uint8_t hash[16];
  char check[TL_BASE32_SIZE(16)];
  tl_hash(TL_BYTES_NONE, (struct tl_bytes[]){TL_BYTES_TEXT("tul1 id check"), {id, 16}}, 2, hash,
          sizeof hash);
  tl_base32_encode(hash, sizeof hash, check);
  tl_base32_encode(id, 16, out);
  memcpy(out + ID_DIGITS, check, CHECK_DIGITS);
  out[ID_DIGITS + CHECK_DIGITS] = 0;
}

void tl_node_id_format(const uint8_t id[16], char out[TL_NODE_ID_TEXT_SIZE]) {
  char digits[ID_DIGITS + CHECK_DIGITS + 1];
  id_digits(id, digits);
  for (size_t i = 0; digits[i]; i++) {
    if (i && i % GROUP == 0) *out++ = '-';
    *out++ = digits[i];
  }
  *out = 0;
}

int tl_node_id_parse(const char *text, size_t length, uint8_t out[16]) {
  char given[ID_DIGITS + CHECK_DIGITS + 1] = {0}, right[ID_DIGITS + CHECK_DIGITS + 1];
  uint8_t id[16];
  size_t count = 0;
  for (size_t i = 0; i < length; i++) {
    if (text[i] == '-') continue;
    if (count == ID_DIGITS + CHECK_DIGITS) return TULLE_E_INVALID;
    given[count++] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] - 'A' + 'a' : text[i]);
  }
  if (count != ID_DIGITS + CHECK_DIGITS) return TULLE_E_INVALID;
  if (tl_base32_decode(given, ID_DIGITS, id, sizeof id) != (int)sizeof id) return TULLE_E_INVALID;
  id_digits(id, right);
  if (strcmp(given, right) != 0) return TULLE_E_INVALID;
  memcpy(out, id, sizeof id);
  return 0;
}
