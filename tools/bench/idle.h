/*
 * What idling costs: how often a process was woken, and how much shared memory it has touched.
 */
#ifndef TL_TOOLS_BENCH_IDLE_H
#define TL_TOOLS_BENCH_IDLE_H

#include <stdint.h>
#include <sys/types.h>

struct tl_usage {
  uint64_t
      wakes; /* voluntary context switches of all its threads so far: each is a sleep that ended */
  uint64_t
      shared_bytes; /* of memfds, what is mapped and touched, divided by the number of those who map it */
};

/* `pid` 0: this process. Zeros where it is not ours to see. */
struct tl_usage tl_usage_of(pid_t pid);

#endif
