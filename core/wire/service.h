/*
 * What a program offers, as a msgpack map: in `register` (docs/protocol-node.md) and in a node's
 * catalogue (docs/protocol-mesh.md).
 *
 *   {service: text, hidden: bool, capabilities: [{name: text, version: uint, attributes: text}]}
 */
#ifndef TL_CORE_WIRE_SERVICE_H
#define TL_CORE_WIRE_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/limits.h"
#include "tulle/pack.h"

struct tl_capability_info {
  char name[TL_CAPABILITY_BYTES_MAX + 1];
  uint32_t version;
  char attributes[TL_ATTRIBUTE_BYTES_MAX + 1]; /* "key=value key=value" */
};

struct tl_service_info {
  char name[TL_SERVICE_NAME_BYTES_MAX + 1];
  bool is_hidden; /* not announced over mDNS; in the catalogue of members it stands */
  size_t capability_count;
  struct tl_capability_info capabilities[TL_CAPABILITIES_MAX];
};

/* Keys and values of the map, without its header, so that a message can have keys beside them. */
#define TL_SERVICE_KEYS 3

/* No service encodes to more. */
#define TL_SERVICE_BYTES_MAX 16384u

void tl_service_encode(struct tulle_pack *w, const struct tl_service_info *info);

/* Reads the keys from the map next in `map`. `hidden` and `capabilities` may be missing. 0; TULLE_E_BAD_MESSAGE;
 * TULLE_E_INVALID: a name that may not be one; TULLE_E_LIMIT: too many capabilities. */
int tl_service_decode(const struct tulle_unpack *map, struct tl_service_info *out);

/* One capability's map with its header; alone where listings need it. */
void tl_capability_encode(struct tulle_pack *w, const struct tl_capability_info *capability);

#endif
