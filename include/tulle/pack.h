/*
 * Arguments and results: msgpack, written into and read from plain buffers.
 *
 * A call carries one msgpack value; by convention a map from parameter names to values, or a single
 * binary for raw bytes. Both cursors below follow one rule: an operation that does not fit, or
 * meets another type, does nothing, yields zeros and is remembered, so code reads straight through
 * and asks once at the end (tulle_pack_size, tulle_unpack_is_ok). Nothing allocates; strings are
 * read in place.
 *
 * The bytes are plain msgpack (https://github.com/msgpack/msgpack/blob/master/spec.md): any msgpack
 * library can stand in for this header. What arrives in a call or a result has been checked for
 * depth and counts before a program sees it.
 *
 * Thread rule: a cursor belongs to one thread at a time. Cost: a few nanoseconds a value.
 */
#ifndef TULLE_PACK_H
#define TULLE_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tulle/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- writing ---- */

struct tulle_pack {
  unsigned char *start;
  unsigned char *at;
  unsigned char *end;
  bool failed;
};

/* A cursor that writes into `buffer` (borrowed). */
static inline struct tulle_pack tulle_pack_on(void *buffer, size_t size) {
  unsigned char *p = (unsigned char *)buffer;
  struct tulle_pack w = {p, p, p + size, false};
  return w;
}

/* How many bytes were written, or 0 if anything did not fit (a value is never empty). */
static inline size_t tulle_pack_size(const struct tulle_pack *w) {
  return w->failed ? 0 : (size_t)(w->at - w->start);
}

static inline unsigned char *tulle_pack_room_(struct tulle_pack *w, size_t size) {
  if (w->failed || size > (size_t)(w->end - w->at)) {
    w->failed = true;
    return NULL;
  }
  unsigned char *p = w->at;
  w->at += size;
  return p;
}

/* A type byte followed by the `size` lowest bytes of `v`, big-endian. `size` is 0, 1, 2, 4 or 8. */
static inline void tulle_pack_tagged_(struct tulle_pack *w, unsigned tag, uint64_t v, size_t size) {
  unsigned char *p = tulle_pack_room_(w, 1 + size);
  if (!p) return;
  p[0] = (unsigned char)tag;
  if (!size) return;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  v = __builtin_bswap64(v << (64 - 8 * size));
#else
  v <<= 64 - 8 * size;
#endif
  memcpy(p + 1, &v, size);
}

static inline void tulle_pack_nil(struct tulle_pack *w) {
  tulle_pack_tagged_(w, 0xc0, 0, 0);
}
static inline void tulle_pack_bool(struct tulle_pack *w, bool v) {
  tulle_pack_tagged_(w, v ? 0xc3 : 0xc2, 0, 0);
}

static inline void tulle_pack_uint(struct tulle_pack *w, uint64_t v) {
  if (v < 0x80)
    tulle_pack_tagged_(w, (unsigned)v, 0, 0);
  else if (v <= UINT8_MAX)
    tulle_pack_tagged_(w, 0xcc, v, 1);
  else if (v <= UINT16_MAX)
    tulle_pack_tagged_(w, 0xcd, v, 2);
  else if (v <= UINT32_MAX)
    tulle_pack_tagged_(w, 0xce, v, 4);
  else
    tulle_pack_tagged_(w, 0xcf, v, 8);
}

static inline void tulle_pack_int(struct tulle_pack *w, int64_t v) {
  if (v >= 0)
    tulle_pack_uint(w, (uint64_t)v);
  else if (v >= -32)
    tulle_pack_tagged_(w, (unsigned)v & 0xff, 0, 0);
  else if (v >= INT8_MIN)
    tulle_pack_tagged_(w, 0xd0, (uint64_t)v, 1);
  else if (v >= INT16_MIN)
    tulle_pack_tagged_(w, 0xd1, (uint64_t)v, 2);
  else if (v >= INT32_MIN)
    tulle_pack_tagged_(w, 0xd2, (uint64_t)v, 4);
  else
    tulle_pack_tagged_(w, 0xd3, (uint64_t)v, 8);
}

static inline void tulle_pack_double(struct tulle_pack *w, double v) {
  uint64_t bits;
  memcpy(&bits, &v, sizeof bits);
  tulle_pack_tagged_(w, 0xcb, bits, 8);
}

static inline void tulle_pack_float(struct tulle_pack *w, float v) {
  uint32_t bits;
  memcpy(&bits, &v, sizeof bits);
  tulle_pack_tagged_(w, 0xca, bits, 4);
}

/* A header for `size` counted things: one of the short forms below `fix_end`, else 8, 16 or 32 bits
 * of length. */
static inline void tulle_pack_counted_(struct tulle_pack *w, size_t size, unsigned fix,
                                       size_t fix_end, unsigned tag8, unsigned tag16) {
  if (size < fix_end)
    tulle_pack_tagged_(w, fix | (unsigned)size, 0, 0);
  else if (tag8 && size <= UINT8_MAX)
    tulle_pack_tagged_(w, tag8, size, 1);
  else if (size <= UINT16_MAX)
    tulle_pack_tagged_(w, tag16, size, 2);
  else if (size <= UINT32_MAX)
    tulle_pack_tagged_(w, tag16 + 1, size, 4);
  else
    w->failed = true;
}

static inline void tulle_pack_raw_(struct tulle_pack *w, const void *data, size_t size) {
  unsigned char *p = tulle_pack_room_(w, size);
  if (p && size) memcpy(p, data, size);
}

/* UTF-8 text of `size` bytes, without a terminating zero. */
static inline void tulle_pack_text_of(struct tulle_pack *w, const char *text, size_t size) {
  tulle_pack_counted_(w, size, 0xa0, 32, 0xd9, 0xda);
  tulle_pack_raw_(w, text, size);
}

static inline void tulle_pack_text(struct tulle_pack *w, const char *text) {
  tulle_pack_text_of(w, text, strlen(text));
}

static inline void tulle_pack_bytes(struct tulle_pack *w, const void *data, size_t size) {
  tulle_pack_counted_(w, size, 0, 0, 0xc4, 0xc5);
  tulle_pack_raw_(w, data, size);
}

/* `count` values, or `count` pairs of key and value, must follow. */
static inline void tulle_pack_array(struct tulle_pack *w, size_t count) {
  tulle_pack_counted_(w, count, 0x90, 16, 0, 0xdc);
}
static inline void tulle_pack_map(struct tulle_pack *w, size_t count) {
  tulle_pack_counted_(w, count, 0x80, 16, 0, 0xde);
}

/* ---- reading ---- */

struct tulle_unpack {
  const unsigned char *at;
  const unsigned char *end;
  bool failed;
};

enum tulle_type {
  TULLE_NIL,
  TULLE_BOOL,
  TULLE_UINT,
  TULLE_INT, /* negative */
  TULLE_DOUBLE,
  TULLE_TEXT,
  TULLE_BYTES,
  TULLE_ARRAY,
  TULLE_MAP,
  TULLE_EXTENSION,
};

/* One value of any type, as tulle_unpack_any() reads it. */
struct tulle_value {
  enum tulle_type type;
  union {
    bool boolean;
    uint64_t u;
    int64_t i;
    double d;
    size_t count; /* of an array's values, or a map's pairs, which follow */
  };
  const unsigned char *data; /* of text, bytes and extensions: in place, no terminating zero */
  size_t size;
  int8_t extension;
};

/* A cursor that reads `size` bytes at `data` (borrowed; what it yields points into them). */
static inline struct tulle_unpack tulle_unpack_on(const void *data, size_t size) {
  const unsigned char *p = (const unsigned char *)data;
  struct tulle_unpack r = {p, p + size, false};
  return r;
}

static inline bool tulle_unpack_is_ok(const struct tulle_unpack *r) {
  return !r->failed;
}

/* Reads the next value: the whole of a scalar, the header of an array or map. On failure the type
 * is TULLE_NIL. */
TULLE_PUBLIC struct tulle_value tulle_unpack_any(struct tulle_unpack *r);

/* Passes over the next value with all that is in it. */
TULLE_PUBLIC void tulle_unpack_skip(struct tulle_unpack *r);

/* Reads the next value as the type named; another type, or a number out of range, fails the cursor.
 */
TULLE_PUBLIC bool tulle_unpack_bool(struct tulle_unpack *r);
TULLE_PUBLIC uint64_t tulle_unpack_uint(struct tulle_unpack *r);
TULLE_PUBLIC int64_t tulle_unpack_int(struct tulle_unpack *r);
TULLE_PUBLIC double tulle_unpack_double(struct tulle_unpack *r); /* integers are taken as well */
TULLE_PUBLIC size_t tulle_unpack_array(struct tulle_unpack *r);
TULLE_PUBLIC size_t tulle_unpack_map(struct tulle_unpack *r);

/* Text or bytes in place; NULL and size 0 on failure. */
TULLE_PUBLIC const char *tulle_unpack_text(struct tulle_unpack *r, size_t *out_size);
TULLE_PUBLIC const void *tulle_unpack_bytes(struct tulle_unpack *r, size_t *out_size);

/* Copies text into `out` with a terminating zero; longer text than `out_size` - 1 fails and leaves
 * "". */
TULLE_PUBLIC void tulle_unpack_string(struct tulle_unpack *r, char *out, size_t out_size);

/* A cursor at the value under `key` in the map that is next in `r`. `r` itself does not move. The
 * cursor is failed if there is no such map or key. Cost: linear in the map. */
TULLE_PUBLIC struct tulle_unpack tulle_unpack_key(const struct tulle_unpack *r, const char *key);

#ifdef __cplusplus
}
#endif
#endif
