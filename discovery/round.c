#include "discovery/round.h"

#include "core/error.h"

/* The longest wait before jitter: half of it may be added. */
#define BACKOFF_BASE_MAX_NS (TL_ROUND_BACKOFF_MAX_NS / 3 * 2)

void tl_round_init(struct tl_round *r, uint64_t due) {
  *r = (struct tl_round){.due = due};
}

uint64_t tl_round_due(const struct tl_round *r, size_t count) {
  return r->next < count && r->under_way < TL_ROUND_AT_ONCE_MAX ? r->due : TL_NEVER;
}

size_t tl_round_begin(struct tl_round *r, uint64_t now) {
  if (!r->next) r->began_at = now;
  r->under_way++;
  r->due = tl_time_add(now, TL_ROUND_STAGGER_NS);
  return r->next++;
}

static uint64_t backoff_ns(unsigned failures, uint64_t random) {
  uint64_t base = TL_ROUND_BACKOFF_MIN_NS;
  while (--failures && base < BACKOFF_BASE_MAX_NS) base *= 2;
  if (base > BACKOFF_BASE_MAX_NS) base = BACKOFF_BASE_MAX_NS;
  return base + random % (base / 2);
}

static void round_end(struct tl_round *r, uint64_t now, uint64_t random) {
  r->failures += r->failures < 1000;
  r->next = 0;
  r->due = tl_time_add(now, backoff_ns(r->failures, random));
}

void tl_round_fail(struct tl_round *r, size_t count, uint64_t now, uint64_t random) {
  TL_ASSERT(r->under_way);
  r->under_way--;
  if (r->next < count)
    r->due = tl_time_min(r->due, now);
  else if (!r->under_way)
    round_end(r, now, random);
}

void tl_round_cancel(struct tl_round *r, uint64_t now, uint64_t delay_ns) {
  TL_ASSERT(r->under_way);
  if (--r->under_way) return;
  r->next = 0;
  r->due = tl_time_add(now, delay_ns);
}

void tl_round_settle(struct tl_round *r, uint64_t now, uint64_t delay_ns) {
  r->next = r->under_way = 0;
  r->due = tl_time_add(now, delay_ns);
}

void tl_round_succeed(struct tl_round *r, uint64_t now, uint64_t delay_ns) {
  tl_round_settle(r, now, delay_ns);
  r->failures = 0;
}

void tl_round_penalise(struct tl_round *r, uint64_t now, uint64_t random) {
  round_end(r, now, random);
}

void tl_round_hurry(struct tl_round *r, uint64_t now) {
  uint64_t soonest = tl_time_add(r->began_at, TL_ROUND_BACKOFF_MIN_NS);
  if (r->next || r->under_way || !r->began_at) return;
  if (soonest < now) soonest = now;
  r->due = tl_time_min(r->due, soonest);
}

void tl_round_drop(struct tl_round *r, size_t index, size_t count, uint64_t now, uint64_t random) {
  if (index < r->next) r->next--;
  if (r->next && r->next >= count && !r->under_way) round_end(r, now, random);
}
