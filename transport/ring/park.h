/*
 * Waiting for the other party, and waking it: the one protocol behind every wait on a ring.
 *
 * The one who waits                          The one who wakes
 *   reads the waker's bell                     publishes its position, full barrier
 *   sets its own parked word (seq_cst)         looks at the parked word (seq_cst)
 *   looks again at the position (seq_cst)      if set, and not rung for this generation yet:
 *   sleeps while the bell is as read             counts its bell up and wakes the futex
 *   clears its parked word                       or the eventfd
 *
 * Either the second look sees the position, or the look at the parked word sees it set; the bell, a
 * counter, closes the gap between the look and the sleep. tests/model proves it and shows what goes
 * wrong without each part. A parked word carries a generation, so a waker that publishes a hundred
 * times before the sleeper gets a processor wakes it once.
 *
 * Before it sleeps, a waiter spins while that is likely to be shorter than a sleep: see struct
 * tl_parking.
 *
 * A sleep also ends by the node's events word, by the own cancel object, at the deadline, and once
 * a second: a hostile peer can steal a wake, and a dead node rings for nobody, so no sleep relies
 * on being woken.
 */
#ifndef TL_TRANSPORT_RING_PARK_H
#define TL_TRANSPORT_RING_PARK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/time.h"
#include "transport/ring/layout.h"

/* ---- what else ends a wait ---- */

/*
 * Something in the own process that ends the wait of one thread: any thread rings it. The word is
 * private to the process; the descriptor exists only where the kernel cannot wait on several
 * futexes.
 */
struct tl_cancel {
  uint32_t word;
  int fd; /* eventfd, or -1 */
};

/* Errors: -errno of eventfd(). */
int tl_cancel_init(struct tl_cancel *c);
void tl_cancel_deinit(struct tl_cancel *c);

/* Ends the wait that began with the present value of tl_cancel_seen(). Any thread. */
void tl_cancel_ring(struct tl_cancel *c);

/* To be read before the decision to wait, so that a ring in between is not lost. */
static inline uint32_t tl_cancel_seen(const struct tl_cancel *c) {
  return __atomic_load_n(&c->word, __ATOMIC_ACQUIRE);
}

/* One wait: when it ends besides success. Zeroed apart from `deadline` and `events_fd` it is a
 * plain one. */
struct tl_wait {
  uint64_t deadline;        /* CLOCK_MONOTONIC, ns; TL_NEVER: none; in the past: look once */
  const uint32_t *events;   /* the node's events word, or NULL */
  uint32_t events_seen;     /* its value when the caller last acted on it */
  int events_fd;            /* becomes readable with it (the control socket), or -1 */
  struct tl_cancel *cancel; /* or NULL */
  uint32_t cancel_seen;
};

/* A wait for records or room until `deadline` and nothing else. */
static inline struct tl_wait tl_wait_until(uint64_t deadline) {
  return (struct tl_wait){.deadline = deadline, .events_fd = -1};
}

/* Why a wait ended when there was nothing to take. Conditions: the caller acts on them and waits
 * again. */
enum tl_wait_end {
  TL_WAIT_EVENT = 32,  /* the events word moved */
  TL_WAIT_CANCEL = 33, /* the cancel object was rung */
  TL_WAIT_TICK = 34,   /* a second has passed: see whether node and peer are alive */
};

/* ---- how to wait ---- */

enum tl_parking_mode {
  TL_PARKING_DEFAULT, /* spin, or hand the processor over, while that pays; then sleep */
  TL_PARKING_SPIN,    /* never sleep */
  TL_PARKING_SLEEP,   /* never spin: hand over, or sleep */
};

/*
 * The policy of a channel. By default a waiter spins up to 50 us, but only while the other party was
 * last seen on another processor. Where it was last seen on this one, the waiter hands the processor
 * over to it (sched_yield). Both only while it has paid lately; then it sleeps.
 */
struct tl_parking {
  enum tl_parking_mode mode;
  uint32_t spin_ns; /* 0: the default */
};

/* True when this kernel, and what it permits us, can wait on several futexes. Asked once per
 * process. */
bool tl_park_has_waitv(void);

/* From now on as on a kernel that cannot: for tests, before any other use. */
void tl_park_forbid_waitv(void);

/* ---- waiting ---- */

/* A place to wait at: one direction of one channel. One thread at a time. */
struct tl_parker {
  const uint64_t *watch; /* the foreign position */
  uint64_t target;       /* which it has to reach */
  uint64_t *parked;      /* own parked word */
  uint32_t *cpu;         /* own processor word */
  const uint32_t *bell;  /* the peer's bell */
  const uint32_t *peer_cpu;
  const struct tl_parker *sibling; /* the other direction, which shares the descriptor */
  uint64_t generation;             /* multiple of TL_PARKED_GENERATION */
  int fd;                          /* the eventfd that the peer writes */
  uint8_t credit;                  /* how well trying before a sleep has paid, see park.c */
  uint8_t skipped;                 /* waits since the last try */
  uint16_t yield_rest;             /* waits still to come without yielding */
  uint16_t yield_pause;            /* how many there were when yielding last went wrong */
  bool was_long;                   /* the last wait was */
  bool was_ready;                  /* the last wait ended with this place ready */
  uint32_t heard;                  /* the bell, when the parked word was last set */
  uint32_t late_count;             /* sleeps that the clock ended, ready but not rung for */
};

/*
 * `watch` is the foreign position, `parked` the own word of this direction; `own` and `peer` are
 * the two position pages. All are borrowed. The target is set before each wait.
 */
void tl_parker_init(struct tl_parker *p, const uint64_t *watch, uint64_t *parked,
                    struct tl_ring_page *own, const struct tl_ring_page *peer, int fd,
                    const struct tl_parker *sibling);

/* At most this many places for one thread; beyond, arm descriptors and use epoll (channel.h). */
#define TL_PARK_MANY_MAX 126

static inline bool tl_parker_is_ready(const struct tl_parker *p) {
  return __atomic_load_n(p->watch, __ATOMIC_ACQUIRE) >=
         __atomic_load_n(&p->target, __ATOMIC_RELAXED);
}

/*
 * Waits until one of the places is ready, or something of `wait` happens. Being ready is a hint
 * from memory that the peer writes: the caller looks at its ring, and may have to wait again. 0
 * (ready); TL_WAIT_*; TULLE_E_DEADLINE; -errno of an unforeseen failure of the kernel.
 */
int tl_park(struct tl_parker *const *places, size_t count, const struct tl_parking *parking,
            const struct tl_wait *wait);

/* For event loops: sets the parked word so that the peer will write the eventfd, once. True when
 * the place is ready already; then it is not armed. */
bool tl_parker_arm(struct tl_parker *p);

/* Clears the parked word. The eventfd keeps what was written to it. */
static inline void tl_parker_disarm(struct tl_parker *p) {
  __atomic_store_n(p->parked, 0, __ATOMIC_RELAXED);
}

/* Reads the eventfd empty. What was meant for the sibling is handed on to it. */
void tl_parker_drain(struct tl_parker *p);

/* ---- waking ---- */

/* The other side of a parker: what the one who publishes looks at. */
struct tl_waker {
  const uint64_t *parked; /* the peer's parked word */
  uint64_t rung;          /* its last value that was rung for */
  uint32_t *bell;         /* own bell; the two wakers of a party share it */
  int fd;                 /* the eventfd that wakes the peer */
};

/* Slow part of tl_waker_look(). */
void tl_waker_ring(struct tl_waker *w, uint64_t parked);

/* To be called after the position that the peer may be waiting for was stored, and a full barrier.
 * Wakes it if it sleeps. */
static inline void tl_waker_look(struct tl_waker *w) {
  uint64_t parked = __atomic_load_n(w->parked, __ATOMIC_SEQ_CST);
  if (__builtin_expect(parked != 0, 0) && parked != w->rung) tl_waker_ring(w, parked);
}

/* Counts the events word of the own page up and wakes all who sleep on it (the node's side). Any
 * thread. */
void tl_events_ring(uint32_t *events);

#endif
