/*
 * The bytes of an invitation token, before they become the text that a person pastes
 * (crypto/token.h).
 *
 *   0  1 version = 1
 *   1  8 invitation id     9 32 secret
 *  41 16 fabric_id        57 16 inviter's node id (a hash of its static key)
 *  73  1 count of addresses, 0 to 3
 *  74    each: 1 family (4 or 6), 4 or 16 address, 2 port (little-endian)
 *      4 checksum: the first bytes of BLAKE2b-256 over "tul1 token" and everything before it
 *
 * The checksum finds a slip of the hand; it protects nothing.
 */
#ifndef TL_CORE_WIRE_TOKEN_H
#define TL_CORE_WIRE_TOKEN_H

#include <stddef.h>
#include <stdint.h>

#include "core/address.h"

#define TL_TOKEN_ADDRESSES_MAX  3
#define TL_TOKEN_CHECKSUM_BYTES 4
#define TL_TOKEN_BYTES_MIN      (74 + TL_TOKEN_CHECKSUM_BYTES)
#define TL_TOKEN_BYTES_MAX      (TL_TOKEN_BYTES_MIN + TL_TOKEN_ADDRESSES_MAX * 19)

struct tl_token {
  uint8_t invitation_id[8];
  uint8_t secret[32];
  uint8_t fabric_id[16];
  uint8_t inviter_id[16];
  uint8_t address_count;
  struct tl_address
      addresses[TL_TOKEN_ADDRESSES_MAX]; /* scope is not carried: it means nothing elsewhere */
};

/* Returns the size, checksum included; its bytes, the last four, are left zero. */
size_t tl_token_encode(const struct tl_token *t, uint8_t out[TL_TOKEN_BYTES_MAX]);

/* 0, TULLE_E_BAD_MESSAGE or TULLE_E_VERSION. Does not look at the checksum. */
int tl_token_decode(const uint8_t *data, size_t size, struct tl_token *out);

#endif
