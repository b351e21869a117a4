/*
 * ChaCha20-Poly1305 with an explicit 64-bit counter as nonce (4 zero bytes, then the counter,
 * little-endian): the one cipher of the project. Every encryption passes through tl_aead_seal(), so
 * that tests can watch for a pair of key and counter that comes twice.
 */
#ifndef TL_CRYPTO_AEAD_H
#define TL_CRYPTO_AEAD_H

#include <stddef.h>
#include <stdint.h>

#define TL_AEAD_TAG_BYTES 16

/* Seals in place: `data` holds `size` bytes and room for the tag behind them. */
void tl_aead_seal(const uint8_t key[32], uint64_t counter, const uint8_t *ad, size_t ad_size,
                  uint8_t *data, size_t size);

/* Opens in place: `size` counts the tag. 0, or -1 and `data` is worth nothing any more. */
int tl_aead_open(const uint8_t key[32], uint64_t counter, const uint8_t *ad, size_t ad_size,
                 uint8_t *data, size_t size);

/* NULL in a node. Tests set it to keep a ledger of every (key, counter) that encrypts. */
extern void (*tl_aead_observer)(const uint8_t key[32], uint64_t counter);

#endif
