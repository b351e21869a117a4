/*
 * Whether msgpack is what an interface declares: the part "On the wire" of docs/interface-language.md, for whoever has
 * the interface at run time only. Generated code does the same at once with decoding.
 */
#ifndef TL_CORE_SCHEMA_VALUE_H
#define TL_CORE_SCHEMA_VALUE_H

#include "core/schema/schema.h"

#define TL_SCHEMA_FAULT_BYTES_MAX 192

/* What is wrong with a value: "entry.figures[2].box", "a u32 is wanted, here is a text". */
struct tl_schema_fault {
  char place[TL_SCHEMA_FAULT_BYTES_MAX]; /* cut at its beginning where it is longer */
  char text[TL_SCHEMA_FAULT_BYTES_MAX];
};

/*
 * Judges the arguments of a call (`side` TL_SCHEMA_IN) or its results (TL_SCHEMA_OUT): `size` bytes of msgpack at `data`, private
 * memory, 0 for nothing. `is_newer`: they come from a program with a newer interface, so what is unknown behind the
 * known is passed over. 0; TULLE_E_BAD_MESSAGE and *out; TULLE_E_UNSUPPORTED: there are references among the parameters;
 * TULLE_E_NO_MEMORY.
 *
 * Nests no deeper than the interface does; allocates only for the keys of a map.
 */
int tl_schema_judge(const struct tl_schema_procedure *procedure, enum tl_schema_direction side,
                    bool is_newer, const void *data, size_t size, struct tl_schema_fault *out);

#endif
