#include "client/lock.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/time.h"

#define SPINS 100 /* about the length of a section, before sleeping for it */

void tl_futex_wait(const uint32_t *word, uint32_t expected, uint64_t deadline) {
  struct timespec until = {.tv_sec = (time_t)(deadline / TL_S), .tv_nsec = (long)(deadline % TL_S)};
  syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected,
          deadline == TL_NEVER ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY);
}

static void wake(const uint32_t *word, int count) {
  syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, count, NULL, NULL, 0);
}

void tl_futex_wake(const uint32_t *word) {
  wake(word, INT_MAX);
}

void tl_lock_wait(struct tl_lock *l) {
  for (int i = 0; i < SPINS; i++) {
    uint32_t is_free = 0;
    if (__atomic_compare_exchange_n(&l->word, &is_free, 1, false, __ATOMIC_ACQUIRE,
                                    __ATOMIC_RELAXED))
      return;
    __builtin_ia32_pause();
  }
  while (__atomic_exchange_n(&l->word, 2, __ATOMIC_ACQUIRE) != 0)
    tl_futex_wait(&l->word, 2, TL_NEVER);
}

void tl_lock_wake(struct tl_lock *l) {
  wake(&l->word, 1);
}

__thread char tl_thread_mark;
