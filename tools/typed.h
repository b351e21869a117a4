/*
 * Messages as people write and read them: by the names of an interface, where the wire has positions
 * (docs/interface-language.md, "On the wire").
 *
 *   named                                wire
 *   {"text": ..., "limit": 5}     <-->   [..., 5]         arguments, results, structs
 *   "green"                       <-->   1                enums
 *   {"circle": 1.5}               <-->   [0, 1.5]         unions; {"nothing": null} and "nothing" are alternatives without a value
 *
 * Both are msgpack. What is on the wire already passes as it is, so a caller may mix them; whether the whole is right is
 * judged by tl_schema_judge().
 */
#ifndef TL_TOOLS_TYPED_H
#define TL_TOOLS_TYPED_H

#include "core/schema/schema.h"
#include "tools/buffer.h"

#define TL_TYPED_TEXT_BYTES 400

/* What was given is text that only looks like a number: its value as it was written, or NULL. */
typedef const char *tl_typed_raw(const void *context, const char *name);

/*
 * Arguments for a call: `size` bytes at `data` (0: none), by name, by position, or the value of the only parameter.
 * `raw` may be NULL. 0 and `out`; INVALID and why, UNSUPPORTED, NO_MEMORY.
 */
int tl_typed_arguments(const struct tl_schema_procedure *procedure, const void *data, size_t size,
                       tl_typed_raw *raw, const void *context, struct tl_buffer *out,
                       char why[TL_TYPED_TEXT_BYTES]);

/* Results by their names. BAD_MESSAGE and why: they are not what the interface says. */
int tl_typed_results(const struct tl_schema_procedure *procedure, const void *data, size_t size,
                     struct tl_buffer *out, char why[TL_TYPED_TEXT_BYTES]);

/* The procedure of that name; else NULL, and the nearest name in `out_near`, or NULL. */
const struct tl_schema_procedure *tl_typed_procedure(const struct tl_schema *schema,
                                                     const char *name, const char **out_near);

#endif
