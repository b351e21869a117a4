#include "crypto/keyfile.h"

#include <sodium.h>
#include <string.h>

#include "core/bytes.h"
#include "core/error.h"
#include "crypto/hash.h"

#define VERSION      1
#define HASHED_BYTES 40

static void check_of(const uint8_t *data, uint8_t out[32]) {
  tl_hash(TL_BYTES_NONE, &(struct tl_bytes){data, HASHED_BYTES}, 1, out, 32);
}

void tl_keyfile_encode(const char magic[4], const uint8_t secret[32],
                       uint8_t out[TL_KEYFILE_BYTES]) {
  struct tl_writer w = tl_writer_on(out, TL_KEYFILE_BYTES);
  tl_write_bytes(&w, magic, 4);
  tl_write_u8(&w, VERSION);
  tl_write_zeros(&w, 3);
  tl_write_bytes(&w, secret, 32);
  check_of(out, tl_write_room(&w, 32));
}

int tl_keyfile_decode(const uint8_t *data, size_t size, const char magic[4],
                      uint8_t out_secret[32]) {
  uint8_t head[8] = {0}, check[32];
  if (size != TL_KEYFILE_BYTES) return TULLE_E_BAD_MESSAGE;
  check_of(data, check);
  if (sodium_memcmp(data + HASHED_BYTES, check, sizeof check) != 0) return TULLE_E_BAD_MESSAGE;
  memcpy(head, magic, 4);
  head[4] = VERSION;
  if (memcmp(data, head, sizeof head) != 0) return TULLE_E_BAD_MESSAGE;
  memcpy(out_secret, data + sizeof head, 32);
  return 0;
}

int tl_keyfile_read(const struct tl_disk *disk, const char *name, const char magic[4],
                    uint8_t out_secret[32]) {
  uint8_t data[TL_KEYFILE_BYTES];
  size_t size;
  int r = disk->read(disk->context, name, data, sizeof data, &size);
  if (r == TULLE_E_TOO_BIG) r = TULLE_E_BAD_MESSAGE;
  if (r == 0) r = tl_keyfile_decode(data, size, magic, out_secret);
  sodium_memzero(data, sizeof data);
  return r;
}
