/*
 * Spinning, sleeping and waking.
 *
 * When to spin. A sleep costs two switches (2.5 us in a round trip) where both parties share a
 * processor and spinning would only keep the other one from running; across processors it costs the
 * wake of an idle one, 25 to 35 us each way. So a waiter spins when the other party was last seen
 * elsewhere. And it spins only while that pays: a wait that ended within the spin time, slept or
 * not, earns credit; one that lasted longer costs some; without credit only one wait in
 * SPIN_PROBE_EVERY spins, to learn when times have changed.
 *
 * How to sleep. futex_waitv on the bells, the events word and the cancel word. Where the kernel
 * lacks it or a sandbox forbids it, the parked word asks for the eventfd instead, and poll() waits
 * on descriptors.
 */
#include "transport/ring/park.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SPIN_DEFAULT_NS   UINT32_C(50000)
#define SPIN_LOOKS        64 /* looks between two readings of the clock: 1 to 3 us */
#define SPIN_CREDIT_MAX   8
#define SPIN_CREDIT_FIRST 4
#define SPIN_CREDIT_EARN  2
#define SPIN_PROBE_EVERY  16

#define TICK_NS TL_S

/* ---- what the kernel can ---- */

enum { WAITV_UNKNOWN, WAITV_YES, WAITV_NO };
static int waitv_state = WAITV_UNKNOWN;

static long sys_futex_waitv(struct futex_waitv *words, unsigned count,
                            const struct timespec *until) {
  return syscall(SYS_futex_waitv, words, count, 0, until, CLOCK_MONOTONIC);
}

bool tl_park_has_waitv(void) {
  int state = __atomic_load_n(&waitv_state, __ATOMIC_RELAXED);
  if (state == WAITV_UNKNOWN) {
    /* A call that waits for nothing is invalid where it exists. */
    state = sys_futex_waitv(NULL, 0, NULL) < 0 && errno == EINVAL ? WAITV_YES : WAITV_NO;
    __atomic_store_n(&waitv_state, state, __ATOMIC_RELAXED);
  }
  return state == WAITV_YES;
}

void tl_park_forbid_waitv(void) {
  __atomic_store_n(&waitv_state, WAITV_NO, __ATOMIC_RELAXED);
}

static void futex_wake_all(uint32_t *word, int flags) {
  syscall(SYS_futex, word, FUTEX_WAKE | flags, INT_MAX, NULL, NULL, 0);
}

/* A full counter is readable as well, so a refused write has done its work. */
static void eventfd_ring(int fd) {
  uint64_t one = 1;
  ssize_t ignored = write(fd, &one, sizeof one);
  (void)ignored;
}

static void eventfd_drain(int fd) {
  uint64_t count;
  ssize_t ignored = read(fd, &count, sizeof count);
  (void)ignored;
}

/* ---- cancel, events ---- */

int tl_cancel_init(struct tl_cancel *c) {
  *c = (struct tl_cancel){.fd = -1};
  if (tl_park_has_waitv()) return 0;
  c->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return c->fd < 0 ? -errno : 0;
}

void tl_cancel_deinit(struct tl_cancel *c) {
  if (c->fd >= 0) close(c->fd);
  c->fd = -1;
}

void tl_cancel_ring(struct tl_cancel *c) {
  __atomic_fetch_add(&c->word, 1, __ATOMIC_SEQ_CST);
  futex_wake_all(&c->word, FUTEX_PRIVATE_FLAG);
  if (c->fd >= 0) eventfd_ring(c->fd);
}

void tl_events_ring(uint32_t *events) {
  __atomic_fetch_add(events, 1, __ATOMIC_SEQ_CST);
  futex_wake_all(events, 0);
}

/* ---- waking ---- */

void tl_waker_ring(struct tl_waker *w, uint64_t parked) {
  w->rung = parked;
  switch (parked & TL_PARKED_MODE_MASK) {
  case TL_PARKED_FUTEX:
    __atomic_fetch_add(w->bell, 1, __ATOMIC_SEQ_CST);
    futex_wake_all(w->bell, 0);
    break;
  case TL_PARKED_DESCRIPTOR:
    eventfd_ring(w->fd);
    break;
  default: /* the peer wrote nonsense into its own word: it gets no wake */
    break;
  }
}

/* ---- the places ---- */

void tl_parker_init(struct tl_parker *p, const uint64_t *watch, uint64_t *parked,
                    struct tl_ring_page *own, const struct tl_ring_page *peer, int fd,
                    const struct tl_parker *sibling) {
  *p = (struct tl_parker){
      .watch = watch,
      .target = UINT64_MAX,
      .parked = parked,
      .cpu = &own->cpu,
      .bell = &peer->bell,
      .peer_cpu = &peer->cpu,
      .sibling = sibling,
      .fd = fd,
      .credit = SPIN_CREDIT_FIRST,
  };
}

static bool any_is_ready(struct tl_parker *const *places, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (tl_parker_is_ready(places[i])) return true;
  return false;
}

static void parker_set(struct tl_parker *p, enum tl_parked_mode mode) {
  p->generation += TL_PARKED_GENERATION;
  __atomic_store_n(p->parked, p->generation | (uint64_t)mode, __ATOMIC_SEQ_CST);
}

/* The second look has to be ordered after the parked word, which acquire is not. */
static bool parker_second_look(const struct tl_parker *p) {
  return __atomic_load_n(p->watch, __ATOMIC_SEQ_CST) >= p->target;
}

bool tl_parker_arm(struct tl_parker *p) {
  parker_set(p, TL_PARKED_DESCRIPTOR);
  if (!parker_second_look(p)) return false;
  tl_parker_disarm(p);
  return true;
}

void tl_parker_drain(struct tl_parker *p) {
  eventfd_drain(p->fd);
  /* Our look at the sibling comes after the read: a wake that was for it and got lost in that read
   * was written after the position that makes the sibling ready. */
  uint64_t parked = __atomic_load_n(p->sibling->parked, __ATOMIC_SEQ_CST);
  if ((parked & TL_PARKED_MODE_MASK) == TL_PARKED_DESCRIPTOR && tl_parker_is_ready(p->sibling))
    eventfd_ring(p->fd);
}

static void unpark_all(struct tl_parker *const *places, size_t count) {
  for (size_t i = 0; i < count; i++) tl_parker_disarm(places[i]);
}

/* Sets all parked words, then looks at all positions again. True when one is ready. */
static bool park_all(struct tl_parker *const *places, size_t count, enum tl_parked_mode mode) {
  bool is_ready = false;
  for (size_t i = 0; i < count; i++) parker_set(places[i], mode);
  for (size_t i = 0; i < count; i++) is_ready |= parker_second_look(places[i]);
  return is_ready;
}

/* Tells the peers where we run, and returns it. 0: the system does not know. */
static uint32_t note_processor(struct tl_parker *const *places, size_t count) {
  uint32_t here = (uint32_t)(sched_getcpu() + 1);
  for (size_t i = 0; i < count; i++)
    if (__atomic_load_n(places[i]->cpu, __ATOMIC_RELAXED) != here)
      __atomic_store_n(places[i]->cpu, here, __ATOMIC_RELAXED);
  return here;
}

/* ---- one wait ---- */

struct park {
  struct tl_parker *const *places;
  size_t count;
  const struct tl_wait *wait;
  uint64_t begun; /* when it began, once the clock was read; else 0 */
  uint64_t tick;
};

/* What else has happened: TL_WAIT_* or 0. */
static int interruption(const struct tl_wait *w) {
  if (w->cancel && tl_cancel_seen(w->cancel) != w->cancel_seen) return TL_WAIT_CANCEL;
  if (w->events && __atomic_load_n(w->events, __ATOMIC_ACQUIRE) != w->events_seen)
    return TL_WAIT_EVENT;
  return 0;
}

static int time_is_up(struct park *p, uint64_t now) {
  if (!p->begun) p->begun = now, p->tick = tl_time_add(now, TICK_NS);
  if (now >= p->wait->deadline) return TULLE_E_DEADLINE;
  return now >= p->tick ? TL_WAIT_TICK : 0;
}

/* 0: ready; TL_EMPTY: the spin time has passed; else why the wait is over. */
static int spin(struct park *p, uint64_t spin_ns) {
  for (;;) {
    for (int i = 0; i < SPIN_LOOKS; i++) {
      if (any_is_ready(p->places, p->count)) return 0;
      __builtin_ia32_pause();
    }
    uint64_t now = tl_time_now();
    int r = interruption(p->wait);
    if (!r) r = time_is_up(p, now);
    if (r) return r;
    if (now - p->begun >= spin_ns) return TL_EMPTY;
  }
}

/* ---- sleeping ---- */

static struct timespec timespec_of(uint64_t ns) {
  return (struct timespec){.tv_sec = (time_t)(ns / TL_S), .tv_nsec = (long)(ns % TL_S)};
}

static struct futex_waitv futex_word(const uint32_t *word, uint32_t value, uint32_t flags) {
  return (struct futex_waitv){.val = value, .uaddr = (uintptr_t)word, .flags = FUTEX_32 | flags};
}

/* 0: something may have happened; below 0: an errno. */
static int sleep_on_futexes(struct park *p, uint64_t until) {
  struct futex_waitv words[TL_PARK_MANY_MAX + 2];
  unsigned n = 0;
  for (size_t i = 0; i < p->count; i++) {
    const uint32_t *bell = p->places[i]->bell;
    words[n++] = futex_word(bell, __atomic_load_n(bell, __ATOMIC_ACQUIRE), 0);
  }
  if (p->wait->events) words[n++] = futex_word(p->wait->events, p->wait->events_seen, 0);
  if (p->wait->cancel)
    words[n++] = futex_word(&p->wait->cancel->word, p->wait->cancel_seen, FUTEX_PRIVATE_FLAG);
  struct timespec t = timespec_of(until);
  if (park_all(p->places, p->count, TL_PARKED_FUTEX)) return 0;
  if (sys_futex_waitv(words, n, &t) >= 0) return 0;
  return errno == EAGAIN || errno == EINTR || errno == ETIMEDOUT ? 0 : -errno;
}

/* The same by descriptors. A wake object is read before the look that decides, so none is lost. */
static int sleep_on_descriptors(struct park *p, uint64_t now, uint64_t until) {
  struct pollfd fds[TL_PARK_MANY_MAX + 2];
  nfds_t n = 0;
  struct timespec t = timespec_of(until - now);
  for (size_t i = 0; i < p->count; i++) {
    tl_parker_drain(p->places[i]);
    fds[n++] = (struct pollfd){.fd = p->places[i]->fd, .events = POLLIN};
  }
  if (p->wait->cancel) {
    eventfd_drain(p->wait->cancel->fd);
    fds[n++] = (struct pollfd){.fd = p->wait->cancel->fd, .events = POLLIN};
  }
  fds[n] = (struct pollfd){.fd = p->wait->events_fd, .events = POLLIN};
  if (interruption(p->wait) || park_all(p->places, p->count, TL_PARKED_DESCRIPTOR)) return 0;
  if (ppoll(fds, n + 1, &t, NULL) < 0) return errno == EINTR ? 0 : -errno;
  return fds[n].revents ? TL_WAIT_EVENT : 0;
}

static int sleep_once(struct park *p, uint64_t now) {
  uint64_t until = tl_time_min(p->wait->deadline, p->tick);
  int r = tl_park_has_waitv() ? sleep_on_futexes(p, until) : sleep_on_descriptors(p, now, until);
  unpark_all(p->places, p->count);
  note_processor(p->places, p->count);
  return r;
}

static void count_late(struct park *p) {
  for (size_t i = 0; i < p->count; i++)
    if (tl_parker_is_ready(p->places[i])) p->places[i]->late_count++;
}

static int sleep_until_ready(struct park *p) {
  uint64_t now = tl_time_now();
  for (;;) {
    int r = interruption(p->wait);
    if (!r) r = time_is_up(p, now);
    if (r) return r;
    uint64_t until = tl_time_min(p->wait->deadline, p->tick);
    r = sleep_once(p, now);
    if (r < 0) return r;
    now = tl_time_now();
    if (any_is_ready(p->places, p->count)) {
      if (now >= until) count_late(p);
      return 0;
    }
    if (r) return r;
  }
}

/* ---- whether to spin ---- */

static bool is_elsewhere(const struct park *p, uint32_t here) {
  for (size_t i = 0; i < p->count; i++) {
    uint32_t there = __atomic_load_n(p->places[i]->peer_cpu, __ATOMIC_RELAXED);
    if (there && here && there != here) return true;
  }
  return false;
}

/* The first place keeps the account of a wait at many. */
static bool pays_to_spin(struct tl_parker *p) {
  if (p->credit) return true;
  if (++p->skipped < SPIN_PROBE_EVERY) return false;
  p->skipped = 0;
  return true;
}

static void keep_account(struct tl_parker *p, bool has_paid) {
  if (!has_paid)
    p->credit = (uint8_t)(p->credit ? p->credit - 1 : 0);
  else
    p->credit =
        (uint8_t)(p->credit + SPIN_CREDIT_EARN < SPIN_CREDIT_MAX ? p->credit + SPIN_CREDIT_EARN
                                                                 : SPIN_CREDIT_MAX);
}

static int park_by_default(struct park *p, uint32_t spin_ns) {
  uint32_t here = note_processor(p->places, p->count);
  int r = TL_EMPTY;
  if (is_elsewhere(p, here) && pays_to_spin(p->places[0])) r = spin(p, spin_ns);
  if (r == TL_EMPTY) r = sleep_until_ready(p);
  if (r == 0) keep_account(p->places[0], !p->begun || tl_time_now() - p->begun < spin_ns);
  return r;
}

int tl_park(struct tl_parker *const *places, size_t count, const struct tl_parking *parking,
            const struct tl_wait *wait) {
  struct park p = {.places = places, .count = count, .wait = wait};
  TL_ASSERT(count > 0 && count <= TL_PARK_MANY_MAX);
  if (any_is_ready(places, count)) return 0;
  switch (parking->mode) {
  case TL_PARKING_SPIN:
    return spin(&p, TL_NEVER);
  case TL_PARKING_SLEEP:
    note_processor(places, count);
    return sleep_until_ready(&p);
  default:
    return park_by_default(&p, parking->spin_ns ? parking->spin_ns : SPIN_DEFAULT_NS);
  }
}
