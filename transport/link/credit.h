/*
 * Credit: how many bytes a sender may still send, on one lane or on the whole link.
 *
 * Both ends count alike, from 0 and never down: what was sent against what may be sent in all.
 * Ordered bytes count by their offset, a reliable message counts its bytes and TL_CREDIT_MSG_BYTES
 * (what keeping it costs, so that many small ones cost as much as they take), best effort counts
 * nothing.
 *
 * The receiver's window is what it is ready to hold. A lane's begins small and doubles while its
 * reader empties half a window within four round trips.
 */
#ifndef TL_LINK_CREDIT_H
#define TL_LINK_CREDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"

#define TL_CREDIT_MSG_BYTES 64u
/* 64 KiB, and room for the heads of two records of the largest size, one of them always half. */
#define TL_CREDIT_LANE_BYTES     (65536u + 256u)
#define TL_CREDIT_LANE_BYTES_MAX (1u << 20)

/* The sender's side. */
struct tl_credit_out {
  uint64_t used;
  uint64_t max;
};

static inline uint64_t tl_credit_left(const struct tl_credit_out *c) {
  return c->max - c->used;
}

/* What the peer says it grants; it never takes back. Returns true if that is more than before. */
static inline bool tl_credit_raise(struct tl_credit_out *c, uint64_t max) {
  if (max <= c->max) return false;
  c->max = max;
  return true;
}

/* The receiver's side. */
struct tl_credit_in {
  uint64_t used;     /* arrived */
  uint64_t released; /* of that, no longer held */
  uint64_t granted;  /* told the peer */
  uint64_t granted_at;
  uint32_t window;
  uint32_t window_max;
};

void tl_credit_in_init(struct tl_credit_in *c, uint32_t window, uint32_t window_max, uint64_t now);

/* 0, or TULLE_E_PROTOCOL: more than was granted. */
int tl_credit_take(struct tl_credit_in *c, uint64_t bytes);

static inline void tl_credit_release(struct tl_credit_in *c, uint64_t bytes) {
  c->released += bytes;
}

/* True when it is time to grant more. */
static inline bool tl_credit_is_due(const struct tl_credit_in *c) {
  return c->released + c->window - c->granted >= c->window / 2;
}

/* Raises the grant, and the window where that pays. Returns the new grant, to be told the peer. */
uint64_t tl_credit_grant(struct tl_credit_in *c, uint64_t now, uint64_t rtt);

#endif
