/*
 * JSON out: a writer that cannot produce anything but well-formed JSON, and msgpack shown as JSON.
 *
 * Integers keep their 64 bits. What JSON cannot say is said so, and read back by tools/json_read.h:
 *
 *   bytes                  {"$b64": "..."}
 *   text that is not UTF-8 {"$b64": "..."}
 *   extension              {"$ext": TYPE, "$b64": "..."}
 *   NaN, infinities        null
 *   keys that are no text  their JSON as text: {"1": ...}
 *
 * Misuse of the writer (a value where a key must stand, unbalanced ends) is a bug of the caller and stops
 * the program.
 */
#ifndef TL_TOOLS_JSON_H
#define TL_TOOLS_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tulle/pack.h"

#define TL_JSON_DEPTH_MAX 32

struct tl_json {
  FILE *out; /* borrowed */
  unsigned depth;
  bool is_object[TL_JSON_DEPTH_MAX];
  bool has_value[TL_JSON_DEPTH_MAX]; /* something stands before: a comma is due */
  bool has_key;                      /* a key stands, its value is due */
};

struct tl_json tl_json_on(FILE *out);

void tl_json_object(struct tl_json *j);
void tl_json_array(struct tl_json *j);

/* Ends the innermost object or array. */
void tl_json_end(struct tl_json *j);

/* Ends the whole: everything must be closed. Writes a newline and flushes. */
void tl_json_finish(struct tl_json *j);

void tl_json_key(struct tl_json *j, const char *key);
void tl_json_null(struct tl_json *j);
void tl_json_bool(struct tl_json *j, bool v);
void tl_json_uint(struct tl_json *j, uint64_t v);
void tl_json_int(struct tl_json *j, int64_t v);

/* With up to `digits` digits after the point; 17 or more: as many as it takes to read it back. */
void tl_json_number(struct tl_json *j, double v, int digits);
void tl_json_text(struct tl_json *j, const char *text);
void tl_json_text_of(struct tl_json *j, const char *text, size_t size);
void tl_json_bytes(struct tl_json *j, const void *data, size_t size);

/* key and value in one */
void tl_json_put_text(struct tl_json *j, const char *key, const char *text); /* NULL: null */
void tl_json_put_uint(struct tl_json *j, const char *key, uint64_t v);

/* The next value of `r`, whole. A value too deep, or a failed cursor, is written as null. */
void tl_json_value(struct tl_json *j, struct tulle_unpack *r);

#endif
