/*
 * Structures as msgpack maps, by a table: a field cannot be written and forgotten to be read.
 *
 * A format lists its fields once (key, kind, place in its structure); a message is a set of them.
 * Encoding and decoding are one loop each. Unknown keys are passed over when reading; a missing
 * key, a wrong type or a number out of range fails.
 */
#ifndef TL_CORE_WIRE_FIELDS_H
#define TL_CORE_WIRE_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tulle/pack.h"

enum tl_field_kind {
  TL_FIELD_U16,
  TL_FIELD_U32,
  TL_FIELD_U64,
  TL_FIELD_I32,
  TL_FIELD_BOOL,
  TL_FIELD_STRING, /* char[size], with a terminating zero */
  TL_FIELD_BYTES,  /* uint8_t[size], always all of them */
};

struct tl_field {
  const char *key;
  enum tl_field_kind kind;
  size_t offset;
  size_t size;
};

#define TL_FIELD_AT(key, kind, type, member)                                                       \
  { key, kind, offsetof(type, member), sizeof(((type *)0)->member) }

/* A set of fields is a bit mask over their indices, so a format has at most 32. */
#define TL_FIELD_BIT(index) (UINT32_C(1) << (index))

/* Writes key and value of each field in `set`, in the table's order. The caller writes the map's
 * header. */
void tl_fields_encode(struct tulle_pack *w, const struct tl_field *fields, uint32_t set,
                      const void *structure);

/* Reads the fields in `set` from the map next in `map` into `structure`; a failure fails `map` and
 * leaves the rest of the structure as it was. */
void tl_fields_decode(struct tulle_unpack *map, const struct tl_field *fields, uint32_t set,
                      void *structure);

#endif
