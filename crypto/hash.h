/* BLAKE2b over several pieces: every hash of the project. */
#ifndef TL_CRYPTO_HASH_H
#define TL_CRYPTO_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tl_bytes {
  const void *data;
  size_t size;
};

#define TL_BYTES_NONE       ((struct tl_bytes){NULL, 0})
#define TL_BYTES_TEXT(text) ((struct tl_bytes){(text), sizeof(text) - 1}) /* without the zero */

/* `out_size` 16 to 64; key empty or 16 to 64 bytes. `out` may be one of the parts. */
void tl_hash(struct tl_bytes key, const struct tl_bytes *parts, size_t count, uint8_t *out,
             size_t out_size);

/* H(key, a || b) of the key schedule: keyed BLAKE2b-256. */
void tl_hash_pair(const uint8_t key[32], struct tl_bytes a, struct tl_bytes b, uint8_t out[32]);

/* True when `mac` is the keyed BLAKE2b-128 of `data`; takes the same time whatever it finds. */
bool tl_mac_is_valid(struct tl_bytes key, const uint8_t *data, size_t size, const uint8_t mac[16]);
void tl_mac(struct tl_bytes key, const uint8_t *data, size_t size, uint8_t out[16]);

#endif
