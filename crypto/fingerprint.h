/* The fingerprint of an interface: the hash of its canonical form (docs/interface-language.md). */
#ifndef TL_CRYPTO_FINGERPRINT_H
#define TL_CRYPTO_FINGERPRINT_H

#include "core/schema/schema.h"

/* 0 or TULLE_E_NO_MEMORY. */
int tl_fingerprint(const struct tl_schema *schema, uint8_t out[TL_SCHEMA_FINGERPRINT_BYTES]);

#endif
