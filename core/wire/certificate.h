/*
 * The membership certificate: 232 bytes, every one of them fixed, so that a parser has no freedom.
 *
 *   0  4 magic "TULC"       4  1 version = 1   5  1 flags (bit 0: may invite)   6  1 name_len   7
 * 1 zero 8 16 fabric_id         24 32 node's static public key 56  8 serial            64  4
 * authority_epoch   68  4 roles (bit mask) 72  8 not_before        80  8 not_after (seconds of the
 * wall clock; 0: no bound) 88 64 name, 1 to 63 bytes, zeros behind it 152 16 node_id           168
 * 64 Ed25519 signature over "tul1 member cert\0" and bytes 0 to 167
 *
 * Integers are little-endian. The signature is opaque here; crypto/certificate.h makes and checks
 * it.
 */
#ifndef TL_CORE_WIRE_CERTIFICATE_H
#define TL_CORE_WIRE_CERTIFICATE_H

#include <stddef.h>
#include <stdint.h>

#include "core/limits.h"

#define TL_CERTIFICATE_BYTES        232
#define TL_CERTIFICATE_SIGNED_BYTES 168

#define TL_CERTIFICATE_MAY_INVITE 0x01

struct tl_certificate {
  uint8_t flags;
  uint8_t fabric_id[16];
  uint8_t key[32];
  uint64_t serial;
  uint32_t authority_epoch;
  uint32_t roles;
  uint64_t not_before_s;
  uint64_t not_after_s;
  char name[TL_NODE_NAME_BYTES_MAX + 1]; /* zero-terminated, a valid node name */
  uint8_t node_id[16];
  uint8_t signature[64];
};

void tl_certificate_encode(const struct tl_certificate *c, uint8_t out[TL_CERTIFICATE_BYTES]);

/* 0 or TULLE_E_BAD_MESSAGE: magic, version, unknown flag, zeros, name, size. Checks no signature.
 */
int tl_certificate_decode(const uint8_t *data, size_t size, struct tl_certificate *out);

#endif
