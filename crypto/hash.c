#include "crypto/hash.h"

#include <sodium.h>

void tl_hash(struct tl_bytes key, const struct tl_bytes *parts, size_t count, uint8_t *out,
             size_t out_size) {
  crypto_generichash_state state;
  crypto_generichash_init(&state, key.data, key.size, out_size);
  for (size_t i = 0; i < count; i++)
    crypto_generichash_update(&state, parts[i].data, parts[i].size);
  crypto_generichash_final(&state, out, out_size);
  sodium_memzero(&state, sizeof state);
}

void tl_hash_pair(const uint8_t key[32], struct tl_bytes a, struct tl_bytes b, uint8_t out[32]) {
  tl_hash((struct tl_bytes){key, 32}, (struct tl_bytes[]){a, b}, 2, out, 32);
}

void tl_mac(struct tl_bytes key, const uint8_t *data, size_t size, uint8_t out[16]) {
  tl_hash(key, &(struct tl_bytes){data, size}, 1, out, 16);
}

bool tl_mac_is_valid(struct tl_bytes key, const uint8_t *data, size_t size, const uint8_t mac[16]) {
  uint8_t right[16];
  tl_mac(key, data, size, right);
  return sodium_memcmp(right, mac, sizeof right) == 0;
}
