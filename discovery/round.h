/*
 * The rhythm in which one peer is dialled.
 *
 * A round tries the peer's addresses in order: the next one starts 250 ms after the last, or at
 * once when that one failed, with at most two under way. When all have failed the round is over
 * and the next one waits: 1 s, 2 s, 4 s ... with up to half as much jitter on top, never more than
 * 60 s. News about the peer (a new address, a new boot) shortens that wait, but rounds begin at
 * least a second apart.
 *
 *   timers: TL_ROUND_STAGGER_NS between addresses; TL_ROUND_BACKOFF_*_NS between rounds
 */
#ifndef TL_DISCOVERY_ROUND_H
#define TL_DISCOVERY_ROUND_H

#include <stddef.h>
#include <stdint.h>

#include "core/time.h"

#define TL_ROUND_STAGGER_NS     (250 * TL_MS) /* RFC 8305's connection attempt delay */
#define TL_ROUND_BACKOFF_MIN_NS TL_S
#define TL_ROUND_BACKOFF_MAX_NS (60 * TL_S)
#define TL_ROUND_AT_ONCE_MAX    2

struct tl_round {
  size_t next;       /* the address to dial next; the number of addresses: all are tried */
  size_t under_way;  /* dials */
  unsigned failures; /* rounds since the last success */
  uint64_t due;      /* when to dial `next`, if there is one */
  uint64_t began_at;
};

void tl_round_init(struct tl_round *r, uint64_t due);

/* When address r->next of `count` may be dialled, or TL_NEVER: all are tried or two are under way.
 */
uint64_t tl_round_due(const struct tl_round *r, size_t count);

/* A dial to address r->next begins. Returns its index. */
size_t tl_round_begin(struct tl_round *r, uint64_t now);

/* A dial ended badly. `random`: 64 uniform bits for the jitter. */
void tl_round_fail(struct tl_round *r, size_t count, uint64_t now, uint64_t random);

/* A dial ended without a verdict: the round starts anew after `delay_ns` once none is under way. */
void tl_round_cancel(struct tl_round *r, uint64_t now, uint64_t delay_ns);

/* The peer is reached: its dials are over. That it counts as a success is not yet said: the
 * failures stay until the link has lasted. */
void tl_round_settle(struct tl_round *r, uint64_t now, uint64_t delay_ns);

/* The link lasted. The next round, when one is needed, is due after `delay_ns`. */
void tl_round_succeed(struct tl_round *r, uint64_t now, uint64_t delay_ns);

/* The link lasted too short to count as a success. */
void tl_round_penalise(struct tl_round *r, uint64_t now, uint64_t random);

/* Something about the peer changed: try soon. A first round that has not begun is soon enough. */
void tl_round_hurry(struct tl_round *r, uint64_t now);

/* Address `index` is no longer there, `count` are left. */
void tl_round_drop(struct tl_round *r, size_t index, size_t count, uint64_t now, uint64_t random);

#endif
