/*
 * JOIN_GRANT: what a newcomer gets from its inviter, inside the session of its invitation.
 *
 *   0  1 version = 1        1  3 zero
 *   4 232 certificate     236 32 authority's public key
 * 268  8 admission epoch  276 32 admission secret
 * 308  1 fabric name_len  309 63 fabric name, zeros behind it
 * 372  4 size of the revocation list     376 .. the list (core/wire/revocation.h)
 *      2 count of members, each 108 bytes:
 *        0 32 key   32 8 serial   40 4 roles   44 1 name_len   45 63 name, zeros behind it
 *
 * Integers are little-endian. The members are information only: what a member may do stands in the
 * certificate that it shows at each handshake.
 */
#ifndef TL_CORE_WIRE_GRANT_H
#define TL_CORE_WIRE_GRANT_H

#include <stddef.h>
#include <stdint.h>

#include "core/limits.h"
#include "core/wire/certificate.h"
#include "core/wire/revocation.h"

#define TL_MEMBERS_MAX        1024 /* of a fabric */
#define TL_GRANT_MEMBER_BYTES 108
#define TL_GRANT_FIXED_BYTES  378   /* all but the list and the members */
#define TL_GRANT_BYTES_MAX    32640 /* one message between nodes (core/wire/mesh.h) carries it */
_Static_assert(TL_GRANT_FIXED_BYTES + TL_REVOCATION_LIST_BYTES_MAX + TL_GRANT_MEMBER_BYTES <=
                   TL_GRANT_BYTES_MAX,
               "the longest list leaves room for the authority's own record");

struct tl_member {
  uint8_t node_id[16]; /* not in the grant: computed from the key */
  uint8_t key[32];
  uint64_t serial;
  uint32_t roles;
  char name[TL_NODE_NAME_BYTES_MAX + 1];
};

struct tl_grant {
  const uint8_t *certificate;   /* 232 bytes, borrowed, as all pointers here */
  const uint8_t *authority_key; /* 32 bytes */
  uint64_t admission_epoch;
  const uint8_t *admission_secret; /* 32 bytes */
  char fabric_name[TL_NODE_NAME_BYTES_MAX + 1];
  const uint8_t *revocations; /* a signed list */
  size_t revocations_bytes;
  const uint8_t *members; /* member_count records, back to back */
  uint16_t member_count;
};

/* How many members a grant with a list of that size has room for. The others are met soon enough. */
size_t tl_grant_members_max(size_t revocations_bytes);

/* The size of the encoded grant, at most TL_GRANT_BYTES_MAX; encode needs as much room and returns
 * it too. */
size_t tl_grant_size(const struct tl_grant *g);
size_t tl_grant_encode(const struct tl_grant *g, uint8_t *out);

void tl_grant_member_encode(const struct tl_member *m, uint8_t out[TL_GRANT_MEMBER_BYTES]);

/* 0, TULLE_E_BAD_MESSAGE or TULLE_E_VERSION. `out` points into `data`. */
int tl_grant_decode(const uint8_t *data, size_t size, struct tl_grant *out);

/* Member `i`, below member_count; node_id is left zero. 0 or TULLE_E_BAD_MESSAGE. */
int tl_grant_member_at(const struct tl_grant *g, uint16_t i, struct tl_member *out);

#endif
