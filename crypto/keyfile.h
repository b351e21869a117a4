/*
 * The file of a secret key: 72 bytes.
 *
 *   0  4 magic ("TULK": a node's X25519 key; "TULA": an authority's Ed25519 seed)
 *   4  1 version = 1        5  3 zero
 *   8 32 secret            40 32 BLAKE2b-256 of bytes 0 to 39
 *
 * The hash tells damage, so that a damaged key is an error and not another node.
 */
#ifndef TL_CRYPTO_KEYFILE_H
#define TL_CRYPTO_KEYFILE_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/disk.h"

#define TL_KEYFILE_BYTES     72
#define TL_KEYFILE_NODE      "TULK"
#define TL_KEYFILE_AUTHORITY "TULA"

void tl_keyfile_encode(const char magic[4], const uint8_t secret[32],
                       uint8_t out[TL_KEYFILE_BYTES]);

/* 0 or TULLE_E_BAD_MESSAGE. */
int tl_keyfile_decode(const uint8_t *data, size_t size, const char magic[4],
                      uint8_t out_secret[32]);

/* Reads and decodes; the disk's errors, or TULLE_E_BAD_MESSAGE. */
int tl_keyfile_read(const struct tl_disk *disk, const char *name, const char magic[4],
                    uint8_t out_secret[32]);

#endif
