#include "crypto/random.h"

#include <sodium.h>

static void fill_from_system(void *context, void *out, size_t size) {
  (void)context;
  randombytes_buf(out, size);
}

const struct tl_random tl_random_system = {fill_from_system, NULL};

/* Values of the incomplete last stretch of 2^64 are drawn again, so that none is more likely. */
uint64_t tl_random_below(const struct tl_random *r, uint64_t bound) {
  uint64_t excess = -bound % bound, v;
  do tl_random_fill(r, &v, sizeof v);
  while (v < excess);
  return v % bound;
}
