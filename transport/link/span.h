/*
 * A stretch of bytes addressed by 64-bit offsets, whose lower end moves up.
 *
 * Buffers of a lane are such stretches: bytes enter at the top and leave at the bottom. They lie in
 * one piece of memory, so that a record is always read and written in place; what is alive moves to
 * the front of the memory now and then, never more often than as many bytes have gone as are moved.
 * An empty span keeps its memory for the next burst unless that is much, or tl_span_trim() asks.
 */
#ifndef TL_LINK_SPAN_H
#define TL_LINK_SPAN_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

/* All memory of one flow's buffers. */
struct tl_account {
  size_t bytes;
};

struct tl_span {
  uint8_t *memory;
  size_t capacity;
  uint64_t origin; /* offset of memory[0] */
  uint64_t base;   /* lowest offset alive */
  uint64_t end;    /* one past the highest offset in use */
};

void tl_span_init(struct tl_span *s, uint64_t base);
void tl_span_deinit(struct tl_span *s, struct tl_account *account);

/* Makes all offsets up to `end` usable. Moves what was there: pointers die. 0 or
 * TULLE_E_NO_MEMORY. */
int tl_span_reserve_slow(struct tl_span *s, struct tl_account *account, uint64_t end);

static inline int tl_span_reserve(struct tl_span *s, struct tl_account *account, uint64_t end) {
  if (end - s->origin > s->capacity) return tl_span_reserve_slow(s, account, end);
  if (end > s->end) s->end = end;
  return 0;
}

/* Where that offset is; it must be reserved. Valid until the next reserve, drop or trim. */
static inline uint8_t *tl_span_at(const struct tl_span *s, uint64_t offset) {
  return s->memory + (offset - s->origin);
}

/* Everything below `base` is of no more use; base <= end. */
void tl_span_drop_empty(struct tl_span *s, struct tl_account *account);

static inline void tl_span_drop(struct tl_span *s, struct tl_account *account, uint64_t base) {
  s->base = base;
  if (base == s->end) tl_span_drop_empty(s, account);
}

/* Frees the memory if nothing is alive. */
void tl_span_trim(struct tl_span *s, struct tl_account *account);

#endif
