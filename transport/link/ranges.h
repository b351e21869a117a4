/*
 * A set of 64-bit numbers, kept as ranges in rising order.
 *
 * The set is bounded: each holds at most `max` ranges, since who makes the holes in it is the peer
 * or the path. What to do when it is full is the user's to say, so a change that would take one
 * range too many is refused whole. The first few ranges stand in the set itself, so they never lack
 * memory, and the set must not be moved or copied.
 */
#ifndef TL_LINK_RANGES_H
#define TL_LINK_RANGES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"

/* start <= x < end */
struct tl_range {
  uint64_t start;
  uint64_t end;
};

#define TL_RANGES_FEW 2u

struct tl_ranges {
  struct tl_range *at; /* rising, never touching or empty */
  uint32_t count;
  uint32_t capacity;
  uint32_t max;
  struct tl_range few[TL_RANGES_FEW];
};

/* `max` is at least TL_RANGES_FEW. */
void tl_ranges_init(struct tl_ranges *r, uint32_t max);
void tl_ranges_deinit(struct tl_ranges *r);

/* Empties the set and frees its memory. */
void tl_ranges_clear(struct tl_ranges *r);

/* Both accept start == end, which changes nothing. 0, or TL_FULL (also for lack of memory) and
 * nothing is changed. */
int tl_ranges_add(struct tl_ranges *r, uint64_t start, uint64_t end);
int tl_ranges_subtract(struct tl_ranges *r, uint64_t start, uint64_t end);

/* Adds [start, end) and, where that takes one range too many, what lies between it and its nearest
 * neighbour. */
void tl_ranges_cover(struct tl_ranges *r, uint64_t start, uint64_t end);

/* Takes out everything below `limit`. Always possible. */
void tl_ranges_drop_below(struct tl_ranges *r, uint64_t limit);

/* All below `reached` is done: takes that out, and what follows on it without a hole as well.
 * Returns up to where it is done now. */
uint64_t tl_ranges_advance(struct tl_ranges *r, uint64_t reached);

/* Takes out the lowest range; there must be one. */
void tl_ranges_drop_first(struct tl_ranges *r);

bool tl_ranges_contains(const struct tl_ranges *r, uint64_t x);

/* True when all of [start, end) is in the set. */
bool tl_ranges_covers(const struct tl_ranges *r, uint64_t start, uint64_t end);

#endif
