/*
 * The array is short and mostly changed at its end (what arrives now is mostly the newest), so a
 * binary search and a memmove beat any tree.
 */
#include "transport/link/ranges.h"

#include <stdlib.h>
#include <string.h>

void tl_ranges_init(struct tl_ranges *r, uint32_t max) {
  r->at = r->few;
  r->count = 0;
  r->capacity = TL_RANGES_FEW;
  r->max = max;
}

void tl_ranges_deinit(struct tl_ranges *r) {
  tl_ranges_clear(r);
}

void tl_ranges_clear(struct tl_ranges *r) {
  if (r->at != r->few) free(r->at);
  tl_ranges_init(r, r->max);
}

/* Index of the first range that ends at or after `x` (touching counts), or `count`. */
static uint32_t first_reaching(const struct tl_ranges *r, uint64_t x) {
  uint32_t low = 0, high = r->count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (r->at[middle].end < x)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static int grow(struct tl_ranges *r) {
  if (r->count < r->capacity) return 0;
  if (r->count >= r->max) return TL_FULL;
  uint32_t capacity = 4 * r->capacity < r->max ? 4 * r->capacity : r->max;
  struct tl_range *old = r->at == r->few ? NULL : r->at;
  struct tl_range *at = realloc(old, capacity * sizeof *at);
  if (!at) return TL_FULL;
  if (!old) memcpy(at, r->few, sizeof r->few);
  r->at = at;
  r->capacity = capacity;
  return 0;
}

static int insert(struct tl_ranges *r, uint32_t index, struct tl_range range) {
  if (grow(r)) return TL_FULL;
  memmove(r->at + index + 1, r->at + index, (r->count - index) * sizeof *r->at);
  r->at[index] = range;
  r->count++;
  return 0;
}

static void erase(struct tl_ranges *r, uint32_t first, uint32_t last) {
  memmove(r->at + first, r->at + last, (r->count - last) * sizeof *r->at);
  r->count -= last - first;
}

int tl_ranges_add(struct tl_ranges *r, uint64_t start, uint64_t end) {
  if (start >= end) return 0;
  uint32_t first = first_reaching(r, start);
  if (first == r->count || r->at[first].start > end)
    return insert(r, first, (struct tl_range){start, end});
  uint32_t last = first + 1; /* [first, last) melt into one */
  while (last < r->count && r->at[last].start <= end) last++;
  if (start < r->at[first].start) r->at[first].start = start;
  if (end < r->at[last - 1].end) end = r->at[last - 1].end;
  r->at[first].end = end;
  erase(r, first + 1, last);
  return 0;
}

/* Refused by `add`, the new range touches none, and there are neighbours. */
void tl_ranges_cover(struct tl_ranges *r, uint64_t start, uint64_t end) {
  if (tl_ranges_add(r, start, end) == 0) return;
  uint32_t next = first_reaching(r, start);
  bool is_below_next =
      next < r->count && (next == 0 || r->at[next].start - end < start - r->at[next - 1].end);
  if (is_below_next)
    r->at[next].start = start;
  else
    r->at[next - 1].end = end;
}

int tl_ranges_subtract(struct tl_ranges *r, uint64_t start, uint64_t end) {
  if (start >= end || r->count == 0) return 0;
  uint32_t first = first_reaching(r, start + 1); /* the first that holds anything from start on */
  if (first == r->count || r->at[first].start >= end) return 0;
  struct tl_range *range = r->at + first;
  if (range->start < start && range->end > end) {
    struct tl_range above = {end, range->end};
    int full = insert(r, first + 1, above);
    if (full) return full;
    r->at[first].end = start;
    return 0;
  }
  if (range->start < start) {
    range->end = start;
    first++;
  }
  uint32_t last = first;
  while (last < r->count && r->at[last].end <= end) last++;
  if (last < r->count && r->at[last].start < end) r->at[last].start = end;
  erase(r, first, last);
  return 0;
}

void tl_ranges_drop_below(struct tl_ranges *r, uint64_t limit) {
  uint32_t gone = 0;
  while (gone < r->count && r->at[gone].end <= limit) gone++;
  if (gone) erase(r, 0, gone);
  if (r->count && r->at[0].start < limit) r->at[0].start = limit;
}

uint64_t tl_ranges_advance(struct tl_ranges *r, uint64_t reached) {
  tl_ranges_drop_below(r, reached);
  if (r->count == 0 || r->at[0].start > reached) return reached;
  reached = r->at[0].end;
  tl_ranges_drop_first(r);
  return reached;
}

void tl_ranges_drop_first(struct tl_ranges *r) {
  erase(r, 0, 1);
}

bool tl_ranges_covers(const struct tl_ranges *r, uint64_t start, uint64_t end) {
  if (start >= end) return true;
  uint32_t i = first_reaching(r, start + 1);
  return i < r->count && r->at[i].start <= start && end <= r->at[i].end;
}

bool tl_ranges_contains(const struct tl_ranges *r, uint64_t x) {
  return tl_ranges_covers(r, x, x + 1);
}
