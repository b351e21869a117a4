/*
 * Spreads packets over the round-trip time (RFC 9002, section 7.7): a bucket of bytes that fills at
 * 5/4 (in slow start 2 times) of window per round trip.
 *
 * The bucket holds what flows in 2 ms, and at least 16 packets; it is filled when it is empty, so
 * twice as much may leave at once. Timers wake no finer than a millisecond, so less would slow a
 * path down; and where the round trip is shorter than the bucket, as on a LAN, nothing ever waits
 * here.
 */
#ifndef TL_LINK_PACER_H
#define TL_LINK_PACER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/time.h"

#define TL_PACER_BURST_NS      (2 * TL_MS)
#define TL_PACER_BURST_PACKETS 16u

struct tl_pacer {
  uint64_t filled_at;
  size_t bytes; /* in the bucket; the last packet may overdraw it */
  size_t overdraft;
};

/* What the pacer has to know of the path, each time. */
struct tl_pacer_path {
  size_t window;
  size_t packet_bytes;
  uint64_t rtt;
  bool is_slow_start;
};

void tl_pacer_init(struct tl_pacer *p);

/* When the next packet may leave: now or earlier means at once. */
uint64_t tl_pacer_next(struct tl_pacer *p, uint64_t now, const struct tl_pacer_path *path);

void tl_pacer_sent(struct tl_pacer *p, size_t bytes);

#endif
