/*
 * Telling a forked child from its parent.
 *
 * Rings are not mapped in a child (MADV_DONTFORK), so a handle of the parent must be refused before
 * anything touches one. A page that the kernel wipes on fork holds the number of this process; a
 * handle remembers the number under which it was made. It costs one load and no hook into fork, and
 * a fork by any means counts.
 */
#ifndef TL_CLIENT_PROCESS_H
#define TL_CLIENT_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

/* The page's word: 0 in a child that has made no handle of its own, and before tl_process_enter().
 */
extern const uint64_t *tl_process_page;

/* Gives this process a number if it has none yet, and says which. Any thread. Errors: NO_MEMORY. */
int tl_process_enter(uint64_t *out_number);

static inline bool tl_process_is_other(uint64_t number) {
  return __atomic_load_n(tl_process_page, __ATOMIC_RELAXED) != number;
}

#endif
