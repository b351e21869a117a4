/*
 * Bounded cursors: the only code that touches the bytes of a format.
 *
 * A reader or writer that runs past its end does nothing, returns zeros and remembers it, so a
 * decoder reads all its fields straight through and asks once, at the end, with tl_reader_done() or
 * `failed`. Integers are little-endian.
 */
#ifndef TL_CORE_BYTES_H
#define TL_CORE_BYTES_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct tl_reader {
  const uint8_t *at;
  const uint8_t *end;
  bool failed;
};

struct tl_writer {
  uint8_t *start;
  uint8_t *at;
  uint8_t *end;
  bool failed;
};

static inline struct tl_reader tl_reader_on(const void *data, size_t size) {
  const uint8_t *p = data;
  return (struct tl_reader){p, p + size, false};
}

static inline size_t tl_reader_left(const struct tl_reader *r) {
  return (size_t)(r->end - r->at);
}

/* True when all was read, exactly, and nothing failed. */
static inline bool tl_reader_done(const struct tl_reader *r) {
  return !r->failed && r->at == r->end;
}

/* `size` bytes in place, or NULL past the end. */
static inline const uint8_t *tl_read_bytes(struct tl_reader *r, size_t size) {
  if (r->failed || size > tl_reader_left(r)) {
    r->failed = true;
    return NULL;
  }
  const uint8_t *p = r->at;
  r->at += size;
  return p;
}

static inline void tl_read_copy(struct tl_reader *r, void *out, size_t size) {
  const uint8_t *p = tl_read_bytes(r, size);
  if (p)
    memcpy(out, p, size);
  else
    memset(out, 0, size);
}

/* `size` is at most 8. Copied as a whole and not byte by byte: one load where the size is known. */
static inline uint64_t tl_load_le(const uint8_t *p, size_t size) {
  uint64_t v = 0;
  memcpy(&v, p, size);
  return le64toh(v);
}

static inline uint64_t tl_read_le(struct tl_reader *r, size_t size) {
  const uint8_t *p = tl_read_bytes(r, size);
  return p ? tl_load_le(p, size) : 0;
}

static inline uint8_t tl_read_u8(struct tl_reader *r) {
  return (uint8_t)tl_read_le(r, 1);
}
static inline uint16_t tl_read_u16(struct tl_reader *r) {
  return (uint16_t)tl_read_le(r, 2);
}
static inline uint32_t tl_read_u32(struct tl_reader *r) {
  return (uint32_t)tl_read_le(r, 4);
}
static inline uint64_t tl_read_u64(struct tl_reader *r) {
  return tl_read_le(r, 8);
}

/* A QUIC variable-length integer (RFC 9000, section 16): 1, 2, 4 or 8 bytes, at most 2^62-1. */
uint64_t tl_read_varint_long(struct tl_reader *r);

static inline uint64_t tl_read_varint(struct tl_reader *r) {
  if (!r->failed && r->at < r->end && *r->at < 64) return *r->at++;
  return tl_read_varint_long(r);
}

static inline struct tl_writer tl_writer_on(void *data, size_t size) {
  uint8_t *p = data;
  return (struct tl_writer){p, p, p + size, false};
}

static inline size_t tl_writer_left(const struct tl_writer *w) {
  return (size_t)(w->end - w->at);
}
static inline size_t tl_writer_size(const struct tl_writer *w) {
  return (size_t)(w->at - w->start);
}

/* Room for `size` bytes, to be filled by the caller, or NULL past the end. */
static inline uint8_t *tl_write_room(struct tl_writer *w, size_t size) {
  if (w->failed || size > tl_writer_left(w)) {
    w->failed = true;
    return NULL;
  }
  uint8_t *p = w->at;
  w->at += size;
  return p;
}

/* gcc 12 does not see that tl_write_room() has looked, and warns of overflows. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#pragma GCC diagnostic ignored "-Warray-bounds"
#endif

static inline void tl_write_bytes(struct tl_writer *w, const void *data, size_t size) {
  uint8_t *p = tl_write_room(w, size);
  if (p && size) memcpy(p, data, size);
}

static inline void tl_write_zeros(struct tl_writer *w, size_t size) {
  uint8_t *p = tl_write_room(w, size);
  if (p && size) memset(p, 0, size);
}

static inline void tl_store_le(uint8_t *p, uint64_t v, size_t size) {
  v = htole64(v);
  memcpy(p, &v, size);
}

static inline void tl_write_le(struct tl_writer *w, uint64_t v, size_t size) {
  uint8_t *p = tl_write_room(w, size);
  if (p) tl_store_le(p, v, size);
}

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

static inline void tl_write_u8(struct tl_writer *w, uint8_t v) {
  tl_write_le(w, v, 1);
}
static inline void tl_write_u16(struct tl_writer *w, uint16_t v) {
  tl_write_le(w, v, 2);
}
static inline void tl_write_u32(struct tl_writer *w, uint32_t v) {
  tl_write_le(w, v, 4);
}
static inline void tl_write_u64(struct tl_writer *w, uint64_t v) {
  tl_write_le(w, v, 8);
}

/* Writes `v` in as few bytes as it takes; 2^62 and above fail. */
void tl_write_varint_long(struct tl_writer *w, uint64_t v);

static inline void tl_write_varint(struct tl_writer *w, uint64_t v) {
  if (v < 64 && !w->failed && w->at < w->end)
    *w->at++ = (uint8_t)v;
  else
    tl_write_varint_long(w, v);
}

/* How many bytes tl_write_varint() takes for `v`. */
size_t tl_varint_size(uint64_t v);

#endif
