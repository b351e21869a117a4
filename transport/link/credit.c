#include "transport/link/credit.h"

#define FAST_ROUND_TRIPS 4u

void tl_credit_in_init(struct tl_credit_in *c, uint32_t window, uint32_t window_max, uint64_t now) {
  *c = (struct tl_credit_in){
      .granted = window, .window = window, .window_max = window_max, .granted_at = now};
}

int tl_credit_take(struct tl_credit_in *c, uint64_t bytes) {
  if (bytes > c->granted - c->used) return TULLE_E_PROTOCOL;
  c->used += bytes;
  return 0;
}

uint64_t tl_credit_grant(struct tl_credit_in *c, uint64_t now, uint64_t rtt) {
  if (now - c->granted_at < FAST_ROUND_TRIPS * rtt && c->window < c->window_max)
    c->window = 2 * c->window < c->window_max ? 2 * c->window : c->window_max;
  c->granted = c->released + c->window;
  c->granted_at = now;
  return c->granted;
}
