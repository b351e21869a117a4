/* SplitMix64: one 64-bit word of state, every seed as good as any other. */
#include <math.h>

#include "transport/sim/sim.h"

uint64_t tl_sim_draw(struct tl_sim_random *r) {
  uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

uint64_t tl_sim_draw_below(struct tl_sim_random *r, uint64_t limit) {
  TL_ASSERT(limit > 0);
  return tl_sim_draw(r) % limit;
}

/* 0 to 1, without 1. */
static double draw_unit(struct tl_sim_random *r) {
  return (double)(tl_sim_draw(r) >> 11) * 0x1p-53;
}

bool tl_sim_draw_chance(struct tl_sim_random *r, double probability) {
  return probability > 0 && draw_unit(r) < probability;
}

uint64_t tl_sim_draw_exponential(struct tl_sim_random *r, uint64_t mean) {
  return (uint64_t)(-log(1.0 - draw_unit(r)) * (double)mean);
}

void tl_sim_draw_bytes(void *context, void *out, size_t size) {
  uint8_t *p = out;
  for (size_t i = 0; i < size; i += 8) {
    uint64_t v = tl_sim_draw(context);
    memcpy(p + i, &v, size - i < 8 ? size - i : 8);
  }
}
