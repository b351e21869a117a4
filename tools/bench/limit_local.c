/*
 * Limits on one machine. The far side does the same as the near side, backwards.
 */
#include "tools/bench/bare.h"
#include "tools/bench/helper.h"
#include "tools/bench/limit.h"

#include <stdlib.h>
#include <sys/mman.h>

struct shared {
  uint64_t line_there __attribute__((aligned(BARE_LINE)));
  uint64_t line_back __attribute__((aligned(BARE_LINE)));
  uint32_t word_there __attribute__((aligned(BARE_LINE)));
  uint32_t word_back __attribute__((aligned(BARE_LINE)));
  uint64_t there_at; /* where both rings stand when a turn begins */
  uint64_t back_at;
  struct bare_ring there;
  struct bare_ring back;
};

struct tl_limit_local {
  struct shared *shared;
  struct tl_helper helper;
  uint64_t line;
  uint32_t word;
  struct bare_end to;
  struct bare_end from;
};

const char *tl_limit_name(enum tl_limit_kind kind) {
  static const char *const names[] = {
      [TL_LIMIT_NONE] = "",
      [TL_LIMIT_LINES] = "two cache lines, spinning",
      [TL_LIMIT_SPIN] = "a bare pair of rings, spinning",
      [TL_LIMIT_SLEEP] = "a bare pair of rings, sleeping, same core",
      [TL_LIMIT_FUTEX] = "futex ping-pong",
      [TL_LIMIT_UDP] = "app, ring, process, sealed UDP, process, ring, app",
      [TL_LIMIT_TCP] = "app, ring, process, sealed TCP, process, ring, app",
  };
  return names[kind];
}

/* ---- far side ---- */

static bool is_set(const uint32_t *stop) {
  return __atomic_load_n(stop, __ATOMIC_RELAXED);
}

static void echo_lines(struct shared *s, const uint32_t *stop) {
  uint64_t seen = __atomic_load_n(&s->line_back, __ATOMIC_RELAXED);
  while (!is_set(stop)) {
    uint64_t now = __atomic_load_n(&s->line_there, __ATOMIC_ACQUIRE);
    if (now == seen)
      bare_relax();
    else
      __atomic_store_n(&s->line_back, seen = now, __ATOMIC_RELEASE);
  }
}

static void echo_futex(struct shared *s, const uint32_t *stop) {
  uint32_t seen = __atomic_load_n(&s->word_back, __ATOMIC_RELAXED);
  while (!is_set(stop)) {
    uint32_t now = __atomic_load_n(&s->word_there, __ATOMIC_ACQUIRE);
    if (now == seen) {
      bare_sleep(&s->word_there, seen);
      continue;
    }
    __atomic_store_n(&s->word_back, seen = now, __ATOMIC_RELEASE);
    bare_wake(&s->word_back);
  }
}

static void echo_rings(struct bare_end *from, struct bare_end *to, bool sleeps,
                       const uint32_t *stop) {
  uint8_t data[BARE_RECORD_BYTES_MAX];
  while (!is_set(stop)) {
    if (!bare_has(from)) {
      if (sleeps)
        bare_park(from);
      else
        bare_relax();
      continue;
    }
    while (bare_has(from)) {
      uint32_t size = bare_read(from, data);
      bare_write(to, data, size);
    }
    if (sleeps)
      bare_publish_and_wake(to);
    else
      bare_publish(to);
  }
}

static void work(void *context, int job, const uint32_t *stop) {
  struct shared *s = context;
  struct bare_end from = {.ring = &s->there, .at = s->there_at},
                  to = {.ring = &s->back, .at = s->back_at, .tail = s->back_at};
  switch (job) {
  case TL_LIMIT_LINES:
    echo_lines(s, stop);
    break;
  case TL_LIMIT_FUTEX:
    echo_futex(s, stop);
    break;
  default:
    echo_rings(&from, &to, job == TL_LIMIT_SLEEP, stop);
  }
}

/* ---- near side ---- */

int tl_limit_local_open(struct tl_limit_local **out) {
  struct tl_limit_local *l = calloc(1, sizeof *l);
  TL_ASSERT(l);
  l->shared = tl_helper_memory(sizeof *l->shared);
  int r = tl_helper_fork(work, l->shared, &l->helper);
  if (r) {
    tl_limit_local_close(l);
    return r;
  }
  l->to.ring = &l->shared->there;
  l->from.ring = &l->shared->back;
  *out = l;
  return 0;
}

struct tl_limit_local *tl_limit_local_close(struct tl_limit_local *l) {
  if (!l) return NULL;
  tl_helper_end(&l->helper);
  munmap(l->shared, sizeof *l->shared);
  free(l);
  return NULL;
}

/* Nobody hangs on a far side that has died: about four seconds of spinning, or two of sleeping. */
#define SPINS_MAX  (1u << 28)
#define SLEEPS_MAX 20

static bool trip_lines(struct tl_limit_local *l) {
  __atomic_store_n(&l->shared->line_there, ++l->line, __ATOMIC_RELEASE);
  for (unsigned n = 0; n < SPINS_MAX; n++) {
    if (__atomic_load_n(&l->shared->line_back, __ATOMIC_ACQUIRE) == l->line) return true;
    bare_relax();
  }
  return false;
}

static bool trip_futex(struct tl_limit_local *l) {
  uint32_t before = l->word++;
  __atomic_store_n(&l->shared->word_there, l->word, __ATOMIC_RELEASE);
  bare_wake(&l->shared->word_there);
  for (unsigned n = 0; n < SLEEPS_MAX; n++) {
    if (__atomic_load_n(&l->shared->word_back, __ATOMIC_ACQUIRE) != before) return true;
    bare_sleep(&l->shared->word_back, before);
  }
  return false;
}

static bool wait_for_record(struct tl_limit_local *l, bool sleeps) {
  unsigned n_max = sleeps ? SLEEPS_MAX : SPINS_MAX;
  for (unsigned n = 0; n < n_max; n++) {
    if (bare_has(&l->from)) return true;
    if (sleeps)
      bare_park(&l->from);
    else
      bare_relax();
  }
  return false;
}

static bool trip_rings(struct tl_limit_local *l, bool sleeps) {
  static const uint8_t payload[TL_BENCH_PAYLOAD_BYTES] = {1};
  uint8_t back[BARE_RECORD_BYTES_MAX];
  bare_write(&l->to, payload, sizeof payload);
  if (sleeps)
    bare_publish_and_wake(&l->to);
  else
    bare_publish(&l->to);
  if (!wait_for_record(l, sleeps)) return false;
  bare_read(&l->from, back);
  return true;
}

static bool trip(struct tl_limit_local *l, enum tl_limit_kind kind) {
  switch (kind) {
  case TL_LIMIT_LINES:
    return trip_lines(l);
  case TL_LIMIT_FUTEX:
    return trip_futex(l);
  default:
    return trip_rings(l, kind == TL_LIMIT_SLEEP);
  }
}

static int measure_single(struct tl_limit_local *l, enum tl_limit_kind kind, struct tl_turn *t) {
  uint64_t start = tl_time_now(), warm = start + TL_BENCH_WARM_UP_NS, now = start;
  while (now < warm) {
    if (!trip(l, kind)) return TULLE_E_IO;
    now = tl_time_now();
  }
  start = now;
  while (now - start < t->duration_ns && !tl_bench_interrupted) {
    if (!trip(l, kind)) return TULLE_E_IO;
    uint64_t then = now;
    now = tl_time_now();
    tl_histogram_record(t->histogram, now - then);
    t->trips++;
  }
  t->elapsed_ns += now - start;
  return 0;
}

/* Many at once, spinning: as many as there is room for are written and shown together. */
static int measure_flight(struct tl_limit_local *l, struct tl_turn *t) {
  static const uint8_t payload[TL_BENCH_PAYLOAD_BYTES] = {1};
  struct tl_flight f = {0};
  uint64_t start = tl_time_now(), now = start;
  bool is_over = false;
  while (!is_over || f.back < f.sent) {
    now = tl_time_now();
    is_over = now - start >= t->duration_ns || tl_bench_interrupted;
    if (is_over && f.back == f.sent) break;
    for (unsigned room = tl_flight_room(&f, t); room && !is_over; room--) {
      bare_write(&l->to, payload, sizeof payload);
      tl_flight_send(&f, now);
    }
    bare_publish(&l->to);
    if (!wait_for_record(l, false)) return TULLE_E_IO;
    now = tl_time_now();
    while (bare_has(&l->from)) {
      uint8_t back[BARE_RECORD_BYTES_MAX];
      bare_read(&l->from, back);
      tl_flight_back(&f, t, now);
    }
  }
  t->trips += f.back;
  t->elapsed_ns += now - start;
  return 0;
}

int tl_limit_local_turn(struct tl_limit_local *l, enum tl_limit_kind kind, struct tl_turn *t) {
  l->shared->there_at = l->to.at;
  l->shared->back_at = l->from.at;
  int r = tl_helper_start(&l->helper, (int)kind, tl_placement_cpu(t->placement, 1));
  if (r) return r;
  tl_placement_pin(0, tl_placement_cpu(t->placement, 0));
  r = t->in_flight > 1 ? measure_flight(l, t) : measure_single(l, kind, t);
  tl_helper_stop(&l->helper);
  bare_wake(&l->shared->word_there);
  bare_wake(&l->shared->there.bell);
  int joined = tl_helper_join(&l->helper);
  l->to.at = l->shared->there.head;
  l->from.at = l->shared->back.head;
  return r ? r : joined;
}
