#include "tools/bench/histogram.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PART_BITS  10
#define PARTS      (1u << PART_BITS)
#define VALUE_BITS 42
#define VALUE_MAX  ((UINT64_C(1) << VALUE_BITS) - 1)
#define BUCKETS    (2 * PARTS + (VALUE_BITS - PART_BITS - 1) * PARTS)

struct tl_histogram {
  uint64_t count;
  uint64_t max;
  uint64_t buckets[BUCKETS];
};

struct tl_histogram *tl_histogram_new(void) {
  struct tl_histogram *h = calloc(1, sizeof *h);
  TL_ASSERT(h);
  return h;
}

struct tl_histogram *tl_histogram_free(struct tl_histogram *h) {
  free(h);
  return NULL;
}

void tl_histogram_clear(struct tl_histogram *h) {
  memset(h, 0, sizeof *h);
}

static unsigned bucket_of(uint64_t value) {
  if (value < 2 * PARTS) return (unsigned)value;
  unsigned shift = 63 - PART_BITS - (unsigned)__builtin_clzll(value);
  return shift * PARTS + (unsigned)(value >> shift);
}

/* The middle of a bucket. */
static uint64_t value_of(unsigned bucket) {
  if (bucket < 2 * PARTS) return bucket;
  unsigned shift = bucket / PARTS - 1;
  uint64_t low = (uint64_t)(bucket - shift * PARTS) << shift;
  return low + (UINT64_C(1) << shift) / 2;
}

void tl_histogram_record(struct tl_histogram *h, uint64_t value) {
  h->count++;
  if (value > h->max) h->max = value;
  h->buckets[bucket_of(value < VALUE_MAX ? value : VALUE_MAX)]++;
}

void tl_histogram_merge(struct tl_histogram *into, const struct tl_histogram *from) {
  into->count += from->count;
  if (from->max > into->max) into->max = from->max;
  for (unsigned i = 0; i < BUCKETS; i++) into->buckets[i] += from->buckets[i];
}

uint64_t tl_histogram_count(const struct tl_histogram *h) {
  return h->count;
}

uint64_t tl_histogram_max(const struct tl_histogram *h) {
  return h->max;
}

uint64_t tl_histogram_at(const struct tl_histogram *h, double part) {
  uint64_t rank = (uint64_t)ceil(part * (double)h->count), seen = 0;
  if (rank < 1) rank = 1;
  for (unsigned i = 0; i < BUCKETS; i++) {
    seen += h->buckets[i];
    if (seen >= rank) return value_of(i) < h->max ? value_of(i) : h->max;
  }
  return h->max;
}
