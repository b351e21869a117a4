/*
 * Where randomness comes from: the system in a node, a seeded generator in the simulator and in
 * tests.
 *
 * A state machine draws only from the source that it was given, so the same seed gives the same
 * bytes.
 */
#ifndef TL_CRYPTO_RANDOM_H
#define TL_CRYPTO_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct tl_random {
  void (*fill)(void *context, void *out, size_t size);
  void *context;
};

/* The kernel's generator. */
extern const struct tl_random tl_random_system;

static inline void tl_random_fill(const struct tl_random *r, void *out, size_t size) {
  r->fill(r->context, out, size);
}

/* Uniform in 0 to bound - 1; bound is not 0. */
uint64_t tl_random_below(const struct tl_random *r, uint64_t bound);

#endif
