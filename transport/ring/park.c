/*
 * Spinning, handing over, sleeping and waking.
 *
 * When to spin. Waking an idle processor costs 25 to 35 us each way, so a waiter spins when the other
 * party was last seen elsewhere. It spins only while that pays: a wait that ended within the spin time
 * earns credit, one that lasted longer costs some; without credit only one wait in PROBE_EVERY tries,
 * to learn when times have changed.
 *
 * When to hand over. Where both parties share a processor, spinning would only keep the other one
 * from running. sched_yield() lets it run; when it has answered it does the same. That is two
 * switches in a round trip and nothing else, half of what sleeping costs (2.3 against 4.9 us). But one
 * who yields stands at the end of the queue, while one who sleeps is put at its head when woken: a
 * third program that wants this processor gets it for milliseconds. A yield that took that long stops
 * yielding for a number of waits, and for twice as many each time it happens again.
 *
 * Of many peers those count whose records ended the last wait: a peer that has long been silent, on
 * whatever processor, says nothing about the next one.
 *
 * How to sleep. On the bells, the events word and the cancel word, with futex_waitv. Each word costs
 * four hundredths of the shortest round trip and the longer call a tenth, so a place whose last wait
 * was short sleeps for the first FIRST_SLEEP_NS on bells alone; that delays an event by so much, at
 * most. Where the kernel lacks futex_waitv or a sandbox forbids it, the parked word asks for the
 * eventfd instead, and ppoll() waits.
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

#define SPIN_DEFAULT_NS UINT32_C(50000)
#define SPIN_LOOKS      64 /* looks between two readings of the clock: 1 to 3 us */

#define CREDIT_MAX   8
#define CREDIT_FIRST 4
#define CREDIT_EARN  2
#define PROBE_EVERY  16

#define YIELDS_MAX      4
#define YIELD_ALONE_NS  800           /* it came back at once: nobody else wants the processor */
#define YIELD_LOST_NS   (200 * TL_US) /* it went to somebody who keeps it */
#define YIELD_PAUSE_MIN 64            /* waits without yielding after that */
#define YIELD_PAUSE_MAX 16384

/* Longer than a tick of most systems: a time-out before the next tick sets the processor's timer anew,
 * and again when the sleep ends, which made a sleeping round trip half as long again. */
#define FIRST_SLEEP_NS (5 * TL_MS)
#define TICK_NS        TL_S

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
  __atomic_fetch_add(w->bell, 1, __ATOMIC_SEQ_CST);
  switch (parked & TL_PARKED_MODE_MASK) {
  case TL_PARKED_FUTEX:
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
      .credit = CREDIT_FIRST,
  };
}

static bool any_is_ready(struct tl_parker *const *places, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (tl_parker_is_ready(places[i])) return true;
  return false;
}

static void parker_set(struct tl_parker *p, enum tl_parked_mode mode) {
  p->heard = __atomic_load_n(p->bell, __ATOMIC_ACQUIRE);
  p->generation += TL_PARKED_GENERATION;
  __atomic_store_n(p->parked, p->generation | (uint64_t)mode, __ATOMIC_SEQ_CST);
}

/* The second look has to be ordered after the parked word, which acquire is not. */
static bool parker_second_look(const struct tl_parker *p) {
  return __atomic_load_n(p->watch, __ATOMIC_SEQ_CST) >=
         __atomic_load_n(&p->target, __ATOMIC_RELAXED);
}

/* Tells the peers where we run, and returns it. 0: the system does not know. */
static uint32_t note_processor(struct tl_parker *const *places, size_t count) {
  uint32_t here = (uint32_t)(sched_getcpu() + 1);
  for (size_t i = 0; i < count; i++)
    if (__atomic_load_n(places[i]->cpu, __ATOMIC_RELAXED) != here)
      __atomic_store_n(places[i]->cpu, here, __ATOMIC_RELAXED);
  return here;
}

bool tl_parker_arm(struct tl_parker *p) {
  note_processor(&p, 1);
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

/* ---- one wait ---- */

struct park {
  struct tl_parker *const *places;
  size_t count;
  const struct tl_wait *wait;
  uint64_t now;   /* when the clock was last read; 0: never */
  uint64_t begun; /* when it was first read */
  uint64_t tick;
};

static void read_clock(struct park *p) {
  p->now = tl_time_now();
  if (p->begun) return;
  p->begun = p->now;
  p->tick = tl_time_add(p->now, TICK_NS);
}

/* Why the wait is over without success, or 0. */
static int reason_to_end(const struct park *p) {
  const struct tl_wait *w = p->wait;
  if (w->cancel && tl_cancel_seen(w->cancel) != w->cancel_seen) return TL_WAIT_CANCEL;
  if (w->events && __atomic_load_n(w->events, __ATOMIC_ACQUIRE) != w->events_seen)
    return TL_WAIT_EVENT;
  if (p->now >= w->deadline) return TULLE_E_DEADLINE;
  return p->now >= p->tick ? TL_WAIT_TICK : 0;
}

/* Tells the processor that this is a loop of looks. */
static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/* 0: ready; TL_EMPTY: the spin time has passed; else why the wait is over. */
static int spin(struct park *p, uint64_t spin_ns) {
  for (;;) {
    for (int i = 0; i < SPIN_LOOKS; i++) {
      if (any_is_ready(p->places, p->count)) return 0;
      relax();
    }
    read_clock(p);
    int r = reason_to_end(p);
    if (r) return r;
    if (p->now - p->begun >= spin_ns) return TL_EMPTY;
  }
}

/* ---- handing the processor over ---- */

static void pause_yielding(struct tl_parker *p) {
  uint32_t pause = p->yield_pause ? 2u * p->yield_pause : YIELD_PAUSE_MIN;
  p->yield_pause = (uint16_t)(pause < YIELD_PAUSE_MAX ? pause : YIELD_PAUSE_MAX);
  p->yield_rest = p->yield_pause;
}

/* 0: ready; TL_EMPTY: not, or not now; else why the wait is over. */
static int hand_over(struct park *p) {
  struct tl_parker *first = p->places[0];
  if (first->yield_rest) {
    first->yield_rest--;
    return TL_EMPTY;
  }
  read_clock(p);
  for (int i = 0; i < YIELDS_MAX; i++) {
    int r = reason_to_end(p);
    if (r) return r;
    uint64_t before = p->now;
    sched_yield();
    bool is_ready = any_is_ready(p->places, p->count);
    read_clock(p);
    if (p->now - before >= YIELD_LOST_NS) pause_yielding(first);
    if (is_ready) return 0;
    if (p->now - before >= YIELD_LOST_NS || p->now - before < YIELD_ALONE_NS) break;
  }
  return TL_EMPTY;
}

/* ---- sleeping ---- */

/* What ended a sleep; below 0, -errno. */
enum { SLEEP_WOKEN, SLEEP_TIMED_OUT };

static struct timespec timespec_of(uint64_t ns) {
  return (struct timespec){.tv_sec = (time_t)(ns / TL_S), .tv_nsec = (long)(ns % TL_S)};
}

static int sleep_result(long returned) {
  if (returned >= 0 || errno == EAGAIN || errno == EINTR) return SLEEP_WOKEN;
  return errno == ETIMEDOUT ? SLEEP_TIMED_OUT : -errno;
}

static struct futex_waitv futex_word(const uint32_t *word, uint32_t value, uint32_t flags) {
  return (struct futex_waitv){.val = value, .uaddr = (uintptr_t)word, .flags = FUTEX_32 | flags};
}

static int sleep_on_one_bell(struct park *p, uint64_t until) {
  const struct tl_parker *place = p->places[0];
  struct timespec t = timespec_of(until);
  if (park_all(p->places, 1, TL_PARKED_FUTEX)) return SLEEP_WOKEN;
  return sleep_result(syscall(SYS_futex, place->bell, FUTEX_WAIT_BITSET, place->heard, &t, NULL,
                              FUTEX_BITSET_MATCH_ANY));
}

static int sleep_on_words(struct park *p, uint64_t until, bool is_bells_only) {
  struct futex_waitv words[TL_PARK_MANY_MAX + 2];
  const struct tl_wait *w = p->wait;
  struct timespec t = timespec_of(until);
  unsigned n = 0;
  if (park_all(p->places, p->count, TL_PARKED_FUTEX)) return SLEEP_WOKEN;
  for (size_t i = 0; i < p->count; i++)
    words[n++] = futex_word(p->places[i]->bell, p->places[i]->heard, 0);
  if (w->events && !is_bells_only) words[n++] = futex_word(w->events, w->events_seen, 0);
  if (w->cancel && !is_bells_only)
    words[n++] = futex_word(&w->cancel->word, w->cancel_seen, FUTEX_PRIVATE_FLAG);
  return sleep_result(sys_futex_waitv(words, n, &t));
}

/* The same by descriptors. A wake object is read before the looks that decide, so none is lost. */
static int sleep_on_descriptors(struct park *p, uint64_t until) {
  struct pollfd fds[TL_PARK_MANY_MAX + 2];
  struct timespec t = timespec_of(until - p->now);
  nfds_t n = 0;
  for (size_t i = 0; i < p->count; i++) {
    tl_parker_drain(p->places[i]);
    fds[n++] = (struct pollfd){.fd = p->places[i]->fd, .events = POLLIN};
  }
  if (p->wait->cancel) {
    eventfd_drain(p->wait->cancel->fd);
    fds[n++] = (struct pollfd){.fd = p->wait->cancel->fd, .events = POLLIN};
  }
  fds[n] = (struct pollfd){.fd = p->wait->events_fd, .events = POLLIN};
  if (reason_to_end(p) || park_all(p->places, p->count, TL_PARKED_DESCRIPTOR)) return SLEEP_WOKEN;
  int ready = ppoll(fds, n + 1, &t, NULL);
  if (ready > 0 && fds[n].revents) return TL_WAIT_EVENT;
  return ready ? sleep_result(ready) : SLEEP_TIMED_OUT;
}

static int sleep_by_means(struct park *p) {
  uint64_t until = tl_time_min(p->wait->deadline, p->tick);
  bool is_first = !p->places[0]->was_long && p->now - p->begun < FIRST_SLEEP_NS;
  if (is_first) until = tl_time_min(until, p->begun + FIRST_SLEEP_NS);
  if (is_first && p->count == 1) return sleep_on_one_bell(p, until);
  if (tl_park_has_waitv()) return sleep_on_words(p, until, is_first);
  return sleep_on_descriptors(p, until);
}

/* A place that is ready, still parked, and whose bell is silent: nobody has woken it. */
static void count_late(struct park *p) {
  for (size_t i = 0; i < p->count; i++) {
    struct tl_parker *place = p->places[i];
    bool is_silent = __atomic_load_n(place->bell, __ATOMIC_ACQUIRE) == place->heard;
    if (is_silent && tl_parker_is_ready(place)) place->late_count++;
  }
}

static int sleep_once(struct park *p) {
  int r = sleep_by_means(p);
  if (r == SLEEP_TIMED_OUT) count_late(p);
  unpark_all(p->places, p->count);
  note_processor(p->places, p->count);
  read_clock(p);
  return r;
}

static int sleep_until_ready(struct park *p) {
  read_clock(p);
  for (;;) {
    int r = reason_to_end(p);
    if (r) return r;
    r = sleep_once(p);
    if (r < 0) return r;
    if (any_is_ready(p->places, p->count)) return 0;
    if (r == TL_WAIT_EVENT) return r;
  }
}

/* ---- how to wait, learnt from how it went ---- */

enum whereabouts { PEERS_UNKNOWN, PEERS_HERE, PEERS_ELSEWHERE };

static enum whereabouts find_peers_of(const struct park *p, uint32_t here, bool is_recent) {
  enum whereabouts found = PEERS_UNKNOWN;
  for (size_t i = 0; i < p->count && here; i++) {
    if (is_recent && !p->places[i]->was_ready) continue;
    uint32_t there = __atomic_load_n(p->places[i]->peer_cpu, __ATOMIC_RELAXED);
    if (there && there != here) return PEERS_ELSEWHERE;
    if (there) found = PEERS_HERE;
  }
  return found;
}

static enum whereabouts find_peers(const struct park *p) {
  uint32_t here = note_processor(p->places, p->count);
  enum whereabouts found = find_peers_of(p, here, true);
  return found == PEERS_UNKNOWN ? find_peers_of(p, here, false) : found;
}

/* The first place keeps the account of a wait at many. */
static bool pays_to_try(struct tl_parker *p) {
  if (p->credit) return true;
  if (++p->skipped < PROBE_EVERY) return false;
  p->skipped = 0;
  return true;
}

static void keep_account(const struct park *p, uint64_t spin_ns) {
  struct tl_parker *first = p->places[0];
  uint64_t waited = p->now - p->begun;
  unsigned credit = first->credit;
  if (waited >= spin_ns)
    credit -= credit > 0;
  else
    credit = credit + CREDIT_EARN < CREDIT_MAX ? credit + CREDIT_EARN : CREDIT_MAX;
  first->credit = (uint8_t)credit;
  first->was_long = waited >= FIRST_SLEEP_NS;
  for (size_t i = 0; i < p->count; i++) p->places[i]->was_ready = tl_parker_is_ready(p->places[i]);
}

static int try_before_sleep(struct park *p, enum tl_parking_mode mode, uint64_t spin_ns) {
  enum whereabouts peers = find_peers(p);
  if (peers == PEERS_UNKNOWN || (peers == PEERS_ELSEWHERE && mode == TL_PARKING_SLEEP))
    return TL_EMPTY;
  if (!pays_to_try(p->places[0])) return TL_EMPTY;
  return peers == PEERS_HERE ? hand_over(p) : spin(p, spin_ns);
}

int tl_park(struct tl_parker *const *places, size_t count, const struct tl_parking *parking,
            const struct tl_wait *wait) {
  struct park p = {.places = places, .count = count, .wait = wait};
  TL_ASSERT(count > 0 && count <= TL_PARK_MANY_MAX);
  if (any_is_ready(places, count)) return 0;
  if (parking->mode == TL_PARKING_SPIN) return spin(&p, TL_NEVER);
  uint64_t spin_ns = parking->spin_ns ? parking->spin_ns : SPIN_DEFAULT_NS;
  int r = try_before_sleep(&p, parking->mode, spin_ns);
  if (r == TL_EMPTY) r = sleep_until_ready(&p);
  keep_account(&p, spin_ns);
  return r;
}
