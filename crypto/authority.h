/*
 * The authority of a fabric: an Ed25519 key pair that signs certificates and revocation lists.
 *
 * The fabric's id is a hash of its public key, so the authority proves itself. The private key lies
 * in the file `authority.key` of the one node that is the authority.
 */
#ifndef TL_CRYPTO_AUTHORITY_H
#define TL_CRYPTO_AUTHORITY_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/disk.h"
#include "crypto/random.h"

#define TL_AUTHORITY_FILE "authority.key"
#define TL_AUTHORITY_FILE_NEW                                                                      \
  "authority.key.new" /* a new fabric's, until its trust file is in place */

struct tl_authority {
  uint8_t secret[64]; /* seed and public key, as libsodium wants it */
  uint8_t key[32];
  uint8_t fabric_id[16];
};

/* In memory only; NULL: out of memory. */
struct tl_authority *tl_authority_new(const uint8_t seed[32]);
struct tl_authority *tl_authority_free(struct tl_authority *authority);

/* Replaces the file `name`, durably. */
int tl_authority_save(const struct tl_authority *authority, const struct tl_disk *disk,
                      const char *name);

/* Errors as tl_identity_load(). */
int tl_authority_load(const struct tl_disk *disk, const char *name, struct tl_authority **out);

/* The first 16 bytes of BLAKE2b-256("tul1 fabric id" || key). */
void tl_fabric_id_of(const uint8_t authority_key[32], uint8_t out[16]);

/* Ed25519 over `context`, its terminating zero, and at most 200 bytes of data. */
void tl_authority_sign(const struct tl_authority *authority, const char *context,
                       const uint8_t *data, size_t size, uint8_t out_signature[64]);

/* 0, or TULLE_E_UNTRUSTED. */
int tl_authority_verify(const uint8_t key[32], const char *context, const uint8_t *data,
                        size_t size, const uint8_t signature[64]);

#endif
