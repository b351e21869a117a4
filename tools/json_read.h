/*
 * JSON in: a text becomes msgpack, at most one value of TL_MSGPACK_DEPTH_MAX levels and
 * TL_MSGPACK_OBJECTS_MAX values in all.
 *
 * RFC 8259, nothing more and nothing less, and a few things said: integers keep their 64 bits and one that does not
 * fit is an error; a key that stands twice in an object is an error; an object whose only key is "$b64" means bytes, one
 * of "$ext" and "$b64" an extension (tools/json.h writes them so).
 */
#ifndef TL_TOOLS_JSON_READ_H
#define TL_TOOLS_JSON_READ_H

#include <stddef.h>

#include "core/error.h"
#include "tools/buffer.h"

/* Where and why a text was refused, for people. */
struct tl_json_error {
  size_t line;   /* from 1 */
  size_t column; /* from 1, in bytes */
  char text[96];
};

/* Appends the value to `out`. 0; TULLE_E_BAD_MESSAGE; TULLE_E_LIMIT (depth, values); TULLE_E_TOO_BIG,
 * TULLE_E_NO_MEMORY from `out`, whose new bytes are then worth nothing. `out_error` may be NULL. */
int tl_json_read(const char *text, size_t size, struct tl_buffer *out,
                 struct tl_json_error *out_error);

#endif
