/* Signing, checking and asking revocation lists (core/wire/revocation.h has the bytes). */
#ifndef TL_CRYPTO_REVOCATION_H
#define TL_CRYPTO_REVOCATION_H

#include <stdbool.h>

#include "core/wire/revocation.h"
#include "crypto/authority.h"

/* A signed list with `entries` (count times key and serial, as on the wire). Returns its size;
 * `out` has room for TL_REVOCATION_LIST_BYTES(count). */
size_t tl_revocations_sign(const struct tl_authority *authority, uint32_t version,
                           uint32_t authority_epoch, const uint8_t *entries, uint32_t count,
                           uint8_t *out);

/* 0, TULLE_E_BAD_MESSAGE or TULLE_E_UNTRUSTED (other fabric, wrong signature). `out` points into
 * `data`. */
int tl_revocations_verify(const uint8_t *data, size_t size, const uint8_t authority_key[32],
                          struct tl_revocation_list *out);

/* True when the key OR the serial is on the list: a revoked member with a new key, or a re-signed
 * certificate, gains nothing. */
bool tl_revocations_has(const struct tl_revocation_list *list, const uint8_t key[32],
                        uint64_t serial);

#endif
