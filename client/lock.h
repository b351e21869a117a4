/*
 * A lock for sections of tens of nanoseconds, and the futex under it.
 *
 * A pthread mutex costs 20 ns uncontended, and a call takes four of its steps; this one costs
 * nothing in a process that has one thread (nothing runs between the flag and the section that it
 * guards, and no section creates a thread), and one atomic exchange a step otherwise.
 *
 * Order of the locks of this folder: attachment (struct tulle), then channel, then the leaves (those
 * of the alert, the line, the list of channels). Nobody holds one while user code runs or while
 * sleeping.
 */
#ifndef TL_CLIENT_LOCK_H
#define TL_CLIENT_LOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/single_threaded.h>

struct tl_lock {
  uint32_t word; /* 0 free, 1 taken, 2 taken and somebody may be waiting */
};

/* Sleeps while *word is `expected`, at most until `deadline` (CLOCK_MONOTONIC, ns). Spurious
 * returns happen. */
void tl_futex_wait(const uint32_t *word, uint32_t expected, uint64_t deadline);

/* Wakes all who sleep on `word`, which may be gone by now. */
void tl_futex_wake(const uint32_t *word);

/* Slow parts of take and give. */
void tl_lock_wait(struct tl_lock *l);
void tl_lock_wake(struct tl_lock *l);

static inline void tl_lock_take(struct tl_lock *l) {
  if (__libc_single_threaded) {
    l->word = 1;
    return;
  }
  uint32_t is_free = 0;
  if (!__atomic_compare_exchange_n(&l->word, &is_free, 1, false, __ATOMIC_ACQUIRE,
                                   __ATOMIC_RELAXED))
    tl_lock_wait(l);
}

static inline void tl_lock_give(struct tl_lock *l) {
  if (__libc_single_threaded) {
    l->word = 0;
    return;
  }
  if (__atomic_exchange_n(&l->word, 0, __ATOMIC_RELEASE) == 2) tl_lock_wake(l);
}

/* What tells threads apart: an address that only the calling thread has. */
extern __thread char tl_thread_mark __attribute__((tls_model("initial-exec")));
static inline const void *tl_thread_self(void) {
  return &tl_thread_mark;
}

#endif
