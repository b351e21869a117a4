/*
 * Records in a lane's ordered bytes: size (varint, of the body), kind, flags, body.
 */
#ifndef TL_LINK_RECORDS_H
#define TL_LINK_RECORDS_H

#include "core/bytes.h"
#include "core/wire/frame.h"
#include "transport/link/span.h"

#define TL_RECORD_HEAD_BYTES_MAX 6u /* a size of 4 bytes, kind, flags */

struct tl_record_head {
  uint32_t head_size;
  uint32_t body_size;
  uint8_t kind;
  uint8_t flags;
};

static inline size_t tl_record_head_size(size_t body_size) {
  return (body_size < 64 ? 1u : body_size < 16384 ? 2u : 4u) + TL_FRAME_RECORD_HEAD_BYTES;
}

/* Writes a head at `at`, where there is room for it, and returns its end. */
uint8_t *tl_record_write_head(uint8_t *at, size_t body_size, uint8_t kind, uint8_t flags);

/* Reads the head at `start` of bytes known up to `end`. 0; TL_MORE: it is not whole yet;
 * TULLE_E_PROTOCOL: too large. */
int tl_record_read_head(const struct tl_span *span, uint64_t start, uint64_t end,
                        struct tl_record_head *out_head);

/* Where records end: counts whole ones, for both directions. */
struct tl_record_walk {
  uint64_t at; /* start of the first record not counted */
  uint64_t count;
};

/* Counts every record that lies whole below `end`. 0 or TULLE_E_PROTOCOL. */
int tl_record_walk(struct tl_record_walk *walk, const struct tl_span *span, uint64_t end);

#endif
