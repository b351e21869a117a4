/*
 * One turn of a measurement: for a while, a number of round trips at once, each one timed.
 */
#ifndef TL_TOOLS_BENCH_TURN_H
#define TL_TOOLS_BENCH_TURN_H

#include <stdint.h>

#include "core/time.h"
#include "tools/bench/histogram.h"
#include "tools/bench/placement.h"

#define TL_BENCH_PAYLOAD_BYTES 64
#define TL_BENCH_FLIGHT_MAX    64

/* Each turn begins with round trips that do not count, so that caches, clocks and the scheduler settle. */
#define TL_BENCH_WARM_UP_NS (5 * TL_MS)

struct tl_turn {
  enum tl_placement placement;
  unsigned in_flight;
  uint64_t duration_ns;
  struct tl_histogram *histogram; /* of this turn: added to, not cleared */

  /* results */
  uint64_t trips;
  uint64_t elapsed_ns;
};

/* Set by an interrupt: whoever measures looks at it and ends soon, with what there is. */
extern volatile int tl_bench_interrupted;

/* When round trips begin and end that are many at once: the first in is the first out. */
struct tl_flight {
  uint64_t times[TL_BENCH_FLIGHT_MAX];
  uint64_t sent;
  uint64_t back;
};

static inline unsigned tl_flight_room(const struct tl_flight *f, const struct tl_turn *t) {
  return t->in_flight - (unsigned)(f->sent - f->back);
}

static inline void tl_flight_send(struct tl_flight *f, uint64_t now) {
  f->times[f->sent++ % TL_BENCH_FLIGHT_MAX] = now;
}

static inline void tl_flight_back(struct tl_flight *f, struct tl_turn *t, uint64_t now) {
  tl_histogram_record(t->histogram, now - f->times[f->back++ % TL_BENCH_FLIGHT_MAX]);
}

#endif
