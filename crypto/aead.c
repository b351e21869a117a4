#include "crypto/aead.h"

#include <sodium.h>
#include <string.h>

#include "core/bytes.h"

void (*tl_aead_observer)(const uint8_t key[32], uint64_t counter);

_Static_assert(crypto_aead_chacha20poly1305_ietf_KEYBYTES == 32, "key");
_Static_assert(crypto_aead_chacha20poly1305_ietf_NPUBBYTES == 12, "nonce");
_Static_assert(crypto_aead_chacha20poly1305_ietf_ABYTES == TL_AEAD_TAG_BYTES, "tag");

static void nonce_of(uint64_t counter, uint8_t out[12]) {
  memset(out, 0, 4);
  tl_store_le(out + 4, counter, 8);
}

void tl_aead_seal(const uint8_t key[32], uint64_t counter, const uint8_t *ad, size_t ad_size,
                  uint8_t *data, size_t size) {
  uint8_t nonce[12];
  nonce_of(counter, nonce);
  if (tl_aead_observer) tl_aead_observer(key, counter);
  crypto_aead_chacha20poly1305_ietf_encrypt(data, NULL, data, size, ad, ad_size, NULL, nonce, key);
}

int tl_aead_open(const uint8_t key[32], uint64_t counter, const uint8_t *ad, size_t ad_size,
                 uint8_t *data, size_t size) {
  uint8_t nonce[12];
  if (size < TL_AEAD_TAG_BYTES) return -1;
  nonce_of(counter, nonce);
  size -= TL_AEAD_TAG_BYTES;
  return crypto_aead_chacha20poly1305_ietf_decrypt_detached(data, NULL, data, size, data + size, ad,
                                                            ad_size, nonce, key);
}
