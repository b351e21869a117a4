/*
 * Internal results: 0 done; below 0 an error, forwarded unchanged (include/tulle/error.h); above 0
 * a condition of the object asked, which its caller handles and never forwards.
 */
#ifndef TL_CORE_ERROR_H
#define TL_CORE_ERROR_H

#include <stdio.h>
#include <stdlib.h>

#include "tulle/error.h"

enum tl_condition {
  TL_EMPTY = 1, /* nothing to take now */
  TL_FULL = 2,  /* no room now */
  TL_MORE = 3,  /* incomplete: feed more and ask again */
  TL_END = 4,   /* an orderly end */
};

/* For the branches of hot paths. */
#define tl_likely(x)   __builtin_expect(!!(x), 1)
#define tl_unlikely(x) __builtin_expect(!!(x), 0)

/* For our own mistakes only, never for bytes that came from outside; stays on in release builds. */
#define TL_ASSERT(x)                                                                               \
  do {                                                                                             \
    if (__builtin_expect(!(x), 0)) {                                                               \
      fprintf(stderr, "tulle: assertion failed: %s (%s:%d)\n", #x, __FILE__, __LINE__);            \
      abort();                                                                                     \
    }                                                                                              \
  } while (0)

#endif
