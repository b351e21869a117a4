/*
 * The least that two processes need to talk through shared memory: what the limits are made of.
 *
 * Not tulle's ring: no checks, no distrust, nothing that a second version would need. What tulle adds to this is
 * the cost that the benchmark shows. Each direction is a `struct bare_ring`: records of a length and bytes, copied in and
 * out; a head that the writer moves, a tail that the reader moves and the writer looks at only when it knows of no
 * room; and for those who sleep a parked word and a bell. Records are never empty.
 */
#ifndef TL_TOOLS_BENCH_BARE_H
#define TL_TOOLS_BENCH_BARE_H

#include <linux/futex.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/time.h"

#define BARE_LINE             128
#define BARE_RING_BYTES       65536u
#define BARE_HEAD_BYTES       16
#define BARE_RECORD_BYTES_MAX 64
#define BARE_SPIN_NS          (50 * TL_US)

struct bare_ring {
  uint64_t head __attribute__((aligned(BARE_LINE)));
  uint64_t tail __attribute__((aligned(BARE_LINE)));
  uint32_t parked __attribute__((aligned(BARE_LINE)));
  uint32_t bell __attribute__((aligned(BARE_LINE)));
  uint32_t writer_cpu; /* where the writer ran last */
  uint8_t data[BARE_RING_BYTES] __attribute__((aligned(4096)));
};

static inline void bare_relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static inline long bare_futex(uint32_t *word, int op, uint32_t value,
                              const struct timespec *timeout) {
  return syscall(SYS_futex, word, op, value, timeout, NULL, 0);
}

/* Sleeps while *word is `value`, at most 100 ms: nobody hangs if the other side has died. */
static inline void bare_sleep(uint32_t *word, uint32_t value) {
  static const struct timespec limit = {.tv_nsec = 100000000};
  bare_futex(word, FUTEX_WAIT, value, &limit);
}

static inline void bare_wake(uint32_t *word) {
  bare_futex(word, FUTEX_WAKE, 1, NULL);
}

/* One side's view of one ring: its own position, which it alone moves, and (writer) the other's as last seen. */
struct bare_end {
  struct bare_ring *ring;
  uint64_t at;
  uint64_t tail;
};

/* Makes room, spinning while there is none. */
static inline void bare_reserve(struct bare_end *w, uint32_t step) {
  while (w->at + step - w->tail > BARE_RING_BYTES)
    w->tail = __atomic_load_n(&w->ring->tail, __ATOMIC_ACQUIRE);
}

static inline void bare_write(struct bare_end *w, const void *data, uint32_t size) {
  uint32_t step = (BARE_HEAD_BYTES + size + 7) & ~7u;
  uint64_t offset = w->at % BARE_RING_BYTES;
  if (offset + step > BARE_RING_BYTES) { /* the rest is left out: length 0 says so */
    bare_reserve(w, sizeof size);
    memset(w->ring->data + offset, 0, sizeof size);
    w->at += BARE_RING_BYTES - offset;
    offset = 0;
  }
  bare_reserve(w, step);
  memcpy(w->ring->data + offset, &size, sizeof size);
  memcpy(w->ring->data + offset + BARE_HEAD_BYTES, data, size);
  w->at += step;
}

static inline void bare_publish(struct bare_end *w) {
  __atomic_store_n(&w->ring->head, w->at, __ATOMIC_RELEASE);
}

/* Publishes, and wakes the reader if it sleeps. */
static inline void bare_publish_and_wake(struct bare_end *w) {
  __atomic_store_n(&w->ring->writer_cpu, (uint32_t)sched_getcpu(), __ATOMIC_RELAXED);
  __atomic_store_n(&w->ring->head, w->at, __ATOMIC_SEQ_CST);
  if (!__atomic_load_n(&w->ring->parked, __ATOMIC_SEQ_CST)) return;
  __atomic_store_n(&w->ring->parked, 0, __ATOMIC_RELAXED);
  __atomic_fetch_add(&w->ring->bell, 1, __ATOMIC_SEQ_CST);
  bare_wake(&w->ring->bell);
}

static inline bool bare_has(const struct bare_end *r) {
  return __atomic_load_n(&r->ring->head, __ATOMIC_ACQUIRE) != r->at;
}

/* Copies the next record, of which bare_has() says that it is there, and gives its room back. Returns its size. */
static inline uint32_t bare_read(struct bare_end *r, uint8_t out[BARE_RECORD_BYTES_MAX]) {
  uint64_t offset = r->at % BARE_RING_BYTES;
  uint32_t size = 0;
  memcpy(&size, r->ring->data + offset, sizeof size);
  if (!size) {
    r->at += BARE_RING_BYTES - offset;
    offset = 0;
    memcpy(&size, r->ring->data, sizeof size);
  }
  memcpy(out, r->ring->data + offset + BARE_HEAD_BYTES, size);
  r->at += (BARE_HEAD_BYTES + size + 7) & ~7u;
  __atomic_store_n(&r->ring->tail, r->at, __ATOMIC_RELEASE);
  return size;
}

/* Sleeps until there is a record, or for 100 ms. */
static inline void bare_park(struct bare_end *r) {
  uint32_t bell = __atomic_load_n(&r->ring->bell, __ATOMIC_ACQUIRE);
  __atomic_store_n(&r->ring->parked, 1, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(&r->ring->head, __ATOMIC_SEQ_CST) == r->at) bare_sleep(&r->ring->bell, bell);
  __atomic_store_n(&r->ring->parked, 0, __ATOMIC_RELAXED);
}

/* The best way to wait that is known: spin for a while, but only if the writer is on another CPU, then sleep. */
static inline void bare_wait(struct bare_end *r) {
  uint64_t start = tl_time_now();
  bool spins = __atomic_load_n(&r->ring->writer_cpu, __ATOMIC_RELAXED) != (uint32_t)sched_getcpu();
  while (spins && !bare_has(r) && tl_time_now() - start < BARE_SPIN_NS) bare_relax();
  if (!bare_has(r)) bare_park(r);
}

#endif
