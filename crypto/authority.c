#include "crypto/authority.h"

#include <sodium.h>
#include <string.h>

#include "core/error.h"
#include "crypto/hash.h"
#include "crypto/keyfile.h"

#define SIGNED_BYTES_MAX 256

_Static_assert(crypto_sign_SECRETKEYBYTES == 64 && crypto_sign_PUBLICKEYBYTES == 32, "Ed25519");

struct tl_authority *tl_authority_new(const uint8_t seed[32]) {
  struct tl_authority *authority = sodium_malloc(sizeof *authority);
  if (!authority) return NULL;
  crypto_sign_seed_keypair(authority->key, authority->secret, seed);
  tl_fabric_id_of(authority->key, authority->fabric_id);
  return authority;
}

struct tl_authority *tl_authority_free(struct tl_authority *authority) {
  sodium_free(authority);
  return NULL;
}

int tl_authority_save(const struct tl_authority *authority, const struct tl_disk *disk,
                      const char *name) {
  uint8_t file[TL_KEYFILE_BYTES];
  tl_keyfile_encode(TL_KEYFILE_AUTHORITY, authority->secret, file); /* it begins with the seed */
  int r = tl_disk_replace(disk, name, file, sizeof file);
  sodium_memzero(file, sizeof file);
  return r;
}

int tl_authority_load(const struct tl_disk *disk, const char *name, struct tl_authority **out) {
  uint8_t seed[32];
  int r = tl_keyfile_read(disk, name, TL_KEYFILE_AUTHORITY, seed);
  if (r < 0) return r;
  struct tl_authority *authority = tl_authority_new(seed);
  sodium_memzero(seed, sizeof seed);
  if (!authority) return TULLE_E_NO_MEMORY;
  *out = authority;
  return 0;
}

void tl_fabric_id_of(const uint8_t authority_key[32], uint8_t out[16]) {
  uint8_t hash[32];
  tl_hash(TL_BYTES_NONE, (struct tl_bytes[]){TL_BYTES_TEXT("tul1 fabric id"), {authority_key, 32}},
          2, hash, sizeof hash);
  memcpy(out, hash, 16);
}

/* context, zero, data: what is really signed. */
static size_t signed_message(const char *context, const uint8_t *data, size_t size,
                             uint8_t out[SIGNED_BYTES_MAX]) {
  size_t context_size = strlen(context) + 1;
  TL_ASSERT(context_size + size <= SIGNED_BYTES_MAX);
  memcpy(out, context, context_size);
  memcpy(out + context_size, data, size);
  return context_size + size;
}

void tl_authority_sign(const struct tl_authority *authority, const char *context,
                       const uint8_t *data, size_t size, uint8_t out_signature[64]) {
  uint8_t message[SIGNED_BYTES_MAX];
  size_t message_size = signed_message(context, data, size, message);
  crypto_sign_detached(out_signature, NULL, message, message_size, authority->secret);
}

int tl_authority_verify(const uint8_t key[32], const char *context, const uint8_t *data,
                        size_t size, const uint8_t signature[64]) {
  uint8_t message[SIGNED_BYTES_MAX];
  size_t message_size = signed_message(context, data, size, message);
  int r = crypto_sign_verify_detached(signature, message, message_size, key);
  return r == 0 ? 0 : TULLE_E_UNTRUSTED;
}
