/*
 * What is left of the time of the call that this thread handles: what it asks others for meanwhile
 * may not take longer.
 */
#ifndef TL_CLIENT_BUDGET_H
#define TL_CLIENT_BUDGET_H

#include "core/error.h"
#include "core/time.h"

/* The deadline of that call, TL_NEVER where there is none; 0: the thread handles no call. */
extern __thread uint64_t tl_budget_deadline __attribute__((tls_model("initial-exec")));

/* A time-out, cut to what is left. 0: nothing. */
static inline uint64_t tl_budget_cut(uint64_t timeout_ns) {
  uint64_t deadline = tl_budget_deadline;
  if (tl_likely(!deadline) || deadline == TL_NEVER) return timeout_ns;
  uint64_t now = tl_time_now();
  return now >= deadline ? 0 : tl_time_min(timeout_ns, deadline - now);
}

#endif
