/* Who somebody is, as nodes tell it: the keys node, incarnation, client, uid, gid, pid, roles,
 * local, node_name, program. */
#ifndef TL_CORE_WIRE_PARTY_H
#define TL_CORE_WIRE_PARTY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/limits.h"
#include "tulle/pack.h"

/* Who a party is: stamped by its node, never by itself. uid, gid and pid are its node's word. */
struct tl_party {
  uint8_t node[16];
  uint64_t incarnation;
  uint64_t client;
  uint32_t uid;
  uint32_t gid;
  uint32_t pid;
  uint32_t roles; /* of its node in the fabric; 0 on this node */
  bool local;     /* on this node */
  char node_name[TL_NODE_NAME_BYTES_MAX + 1];
  char program[TL_SERVICE_NAME_BYTES_MAX +
               1]; /* the name it gave itself at attach; information only */
};

#define TL_PARTY_FIELDS 10

/* Writes its TL_PARTY_FIELDS keys and values; the map's header is the caller's. */
void tl_party_encode(struct tulle_pack *w, const struct tl_party *party);

/* Reads them from the map next in `map`; a failure fails `map`. */
void tl_party_decode(struct tulle_unpack *map, struct tl_party *out);

#endif
