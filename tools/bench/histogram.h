/*
 * A histogram of durations, exact to three digits: log-linear buckets, no allocation while recording, and two of them can be
 * merged.
 *
 * Values below 2,048 have a bucket each; above, every doubling is cut into 1,024 equal parts. Values beyond 2^42
 * (73 minutes, in ns) count as the largest.
 */
#ifndef TL_TOOLS_BENCH_HISTOGRAM_H
#define TL_TOOLS_BENCH_HISTOGRAM_H

#include <stdint.h>

#include "core/error.h"

struct tl_histogram;

struct tl_histogram *tl_histogram_new(void); /* stops the program if memory is short */
struct tl_histogram *tl_histogram_free(struct tl_histogram *h);

void tl_histogram_clear(struct tl_histogram *h);
void tl_histogram_record(struct tl_histogram *h, uint64_t value);
void tl_histogram_merge(struct tl_histogram *into, const struct tl_histogram *from);

uint64_t tl_histogram_count(const struct tl_histogram *h);
uint64_t tl_histogram_max(const struct tl_histogram *h);

/* The value that `part` (0 to 1) of all are not above; 0 for an empty one. */
uint64_t tl_histogram_at(const struct tl_histogram *h, double part);

#endif
