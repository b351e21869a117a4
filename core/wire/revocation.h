/*
 * The revocation list, signed by the authority as a whole; the newest version is the only one that
 * counts.
 *
 *   0  4 magic "TULR"      4  1 version = 1   5  3 zero
 *   8 16 fabric_id        24  4 list version  28  4 authority_epoch
 *  32  4 count            36  4 zero
 *  40 40 x count          key (32), serial (8)
 *     64 Ed25519 signature over "tul1 revocations\0" and the BLAKE2b-512 of all before it
 *
 * Integers are little-endian. An entry names a key and a serial, never a certificate's fingerprint:
 * a signature can be written in more than one way, a key cannot.
 */
#ifndef TL_CORE_WIRE_REVOCATION_H
#define TL_CORE_WIRE_REVOCATION_H

#include <stddef.h>
#include <stdint.h>

#define TL_REVOCATIONS_MAX       768 /* so that a list goes in one message between nodes */
#define TL_REVOCATION_HEAD_BYTES 40
#define TL_REVOCATION_BYTES      40
#define TL_REVOCATION_LIST_BYTES(count)                                                            \
  (TL_REVOCATION_HEAD_BYTES + (count)*TL_REVOCATION_BYTES + 64)
#define TL_REVOCATION_LIST_BYTES_MAX TL_REVOCATION_LIST_BYTES((size_t)TL_REVOCATIONS_MAX)

struct tl_revocation_list {
  uint8_t fabric_id[16];
  uint32_t version;
  uint32_t authority_epoch;
  uint32_t count;
  const uint8_t *entries;   /* count times 40 bytes, borrowed */
  const uint8_t *signature; /* 64 bytes, borrowed */
};

/* Writes all but the signature, which is left zero; returns the size of the whole list. `out` has
 * room for it. */
size_t tl_revocation_list_encode(const struct tl_revocation_list *l, uint8_t *out);

/* 0 or TULLE_E_BAD_MESSAGE. `out` points into `data`. */
int tl_revocation_list_decode(const uint8_t *data, size_t size, struct tl_revocation_list *out);

/* One entry; `i` is below count. */
void tl_revocation_at(const struct tl_revocation_list *l, uint32_t i, const uint8_t **out_key,
                      uint64_t *out_serial);

#endif
