/* Issuing and checking membership certificates (core/wire/certificate.h has the bytes). */
#ifndef TL_CRYPTO_CERTIFICATE_H
#define TL_CRYPTO_CERTIFICATE_H

#include "core/wire/certificate.h"
#include "crypto/authority.h"
#include "crypto/refusal.h"

/* Fills fabric_id, node_id and signature from the authority and the key; the other fields are the
 * caller's. */
void tl_certificate_issue(const struct tl_authority *authority, const struct tl_certificate *fields,
                          uint8_t out[TL_CERTIFICATE_BYTES]);

/* Checks form, fabric, key, node id, validity and last the signature. `key` is the static key that
 * the peer has proved to own. `wall_s`: seconds of the wall clock, 0 when it is not to be trusted
 * (no bound is checked then). 0 or a refusal (TL_REFUSED_CERTIFICATE...). Epoch and revocation are
 * tl_trust_check()'s. */
int tl_certificate_verify(const uint8_t *data, size_t size, const uint8_t authority_key[32],
                          const uint8_t key[32], uint64_t wall_s, struct tl_certificate *out);

#endif
