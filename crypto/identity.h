/*
 * Who this node is: an X25519 key pair, made here once and used with Noise and BLAKE2b only.
 *
 * The key lives in guarded, locked memory and in the file `identity.key`. It is never made anew by
 * itself: a damaged file is an error that a person must see, because a new key is a new node.
 */
#ifndef TL_CRYPTO_IDENTITY_H
#define TL_CRYPTO_IDENTITY_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/disk.h"
#include "crypto/random.h"

#define TL_IDENTITY_FILE "identity.key"

/* 26 characters of base32, two check characters, in groups of four: "k3j5-abcd-...". */
#define TL_NODE_ID_TEXT_SIZE 35

struct tl_identity {
  uint8_t secret[32];
  uint8_t key[32];
  uint8_t node_id[16];
};

/* Must be called before anything else of this folder; repeated calls are free. 0 or
 * TULLE_E_UNSUPPORTED. */
int tl_crypto_start(void);

/* Makes a key pair and the file, durably. TULLE_E_EXISTS when there is one. Free with
 * tl_identity_free(). */
int tl_identity_create(const struct tl_disk *disk, const struct tl_random *random,
                       struct tl_identity **out);

/* TULLE_E_NOT_FOUND; TULLE_E_BAD_MESSAGE (damaged); TULLE_E_REFUSED (others may read it);
 * TULLE_E_NO_MEMORY. */
int tl_identity_load(const struct tl_disk *disk, struct tl_identity **out);

/* A pair that lives in memory only. NULL: out of memory. */
struct tl_identity *tl_identity_new(const uint8_t secret[32]);

struct tl_identity *tl_identity_free(struct tl_identity *identity);

/* The first 16 bytes of BLAKE2b-256("tul1 node id" || key). A label: decisions are made on keys. */
void tl_node_id_of(const uint8_t key[32], uint8_t out[16]);

void tl_node_id_format(const uint8_t id[16], char out[TL_NODE_ID_TEXT_SIZE]);

/* Any case, dashes anywhere. TULLE_E_INVALID: not an id, or its check characters are wrong. */
int tl_node_id_parse(const char *text, size_t length, uint8_t out[16]);

#endif
