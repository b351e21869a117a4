/*
 * Time is a 64-bit count of nanoseconds. State machines are handed it; only drivers ask for it.
 *
 * tl_time_now() is CLOCK_MONOTONIC, the time of deadlines. tl_time_boot() is CLOCK_BOOTTIME, which
 * goes on while the machine sleeps: the time of keys, invitations and leases.
 */
#ifndef TL_CORE_TIME_H
#define TL_CORE_TIME_H

#include <stdint.h>
#include <time.h>

#define TL_US    UINT64_C(1000)
#define TL_MS    UINT64_C(1000000)
#define TL_S     UINT64_C(1000000000)
#define TL_NEVER UINT64_MAX

static inline uint64_t tl_time_of(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (uint64_t)t.tv_sec * TL_S + (uint64_t)t.tv_nsec;
}

static inline uint64_t tl_time_now(void) {
  return tl_time_of(CLOCK_MONOTONIC);
}
/* tl_time_now() at the last tick of the system, for a quarter of the price. It is behind by no more than
 * TL_TIME_COARSE_NS (a system that ticks a hundred times a second). */
#define TL_TIME_COARSE_NS (10 * TL_MS)
static inline uint64_t tl_time_coarse(void) {
  return tl_time_of(CLOCK_MONOTONIC_COARSE);
}
static inline uint64_t tl_time_boot(void) {
  return tl_time_of(CLOCK_BOOTTIME);
}

/* a + b, never past TL_NEVER. */
static inline uint64_t tl_time_add(uint64_t a, uint64_t b) {
  return a > TL_NEVER - b ? TL_NEVER : a + b;
}

static inline uint64_t tl_time_min(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

#endif
