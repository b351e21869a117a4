/*
 * What a program offers, as a msgpack map: in `register` (docs/protocol-node.md) and in a node's
 * catalogue (docs/protocol-mesh.md).
 *
 *   {service: text, hidden: bool, capabilities: [{name: text, version: uint, attributes: text}],
 *    fingerprint: 32 bytes or nil}
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
  bool has_interface;
  uint8_t fingerprint[TL_FINGERPRINT_BYTES];
  /* Its text, borrowed, where it is known: `register` has it as one more key, a catalogue has not. */
  const char *interface;
  size_t interface_size;
};

/* Keys and values of the map, without its header, so that a message can have keys beside them. */
#define TL_SERVICE_KEYS 4

/* No service encodes to more. */
#define TL_SERVICE_BYTES_MAX 16384u

void tl_service_encode(struct tulle_pack *w, const struct tl_service_info *info);

/* Reads the keys from the map next in `map`. All but `service` may be missing. 0; TULLE_E_BAD_MESSAGE;
 * TULLE_E_INVALID: a name that may not be one; TULLE_E_LIMIT: too many capabilities. */
int tl_service_decode(const struct tulle_unpack *map, struct tl_service_info *out);

/* An optional fingerprint under the key `fingerprint`. `out_has`: it is there, and not nil. 0 or TULLE_E_BAD_MESSAGE. */
int tl_fingerprint_decode(const struct tulle_unpack *map, bool *out_has,
                          uint8_t out[TL_FINGERPRINT_BYTES]);
/* Its key and value. */
void tl_fingerprint_encode(struct tulle_pack *w, bool has,
                           const uint8_t value[TL_FINGERPRINT_BYTES]);

/* One capability's map with its header; alone where listings need it. */
void tl_capability_encode(struct tulle_pack *w, const struct tl_capability_info *capability);

#endif
