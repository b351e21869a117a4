/*
 * Which packet numbers have been seen: a ring of 8,192 bits, up to the highest one.
 *
 * Numbers up to 8,128 below the highest are usable; the word that the ring reuses next is not. A
 * number is looked up before its packet is opened and marked after that succeeded, so a forged
 * packet cannot move the window.
 */
#ifndef TL_CRYPTO_REPLAY_H
#define TL_CRYPTO_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#define TL_REPLAY_BITS   8192
#define TL_REPLAY_WINDOW (TL_REPLAY_BITS - 64)
#define TL_REPLAY_COUNTER_END                                                                      \
  (UINT64_MAX - TL_REPLAY_WINDOW) /* from here on every number is refused */

struct tl_replay {
  uint64_t next; /* one above the highest number marked */
  uint64_t bits[TL_REPLAY_BITS / 64];
};

void tl_replay_init(struct tl_replay *replay);

/* True when the number is inside or ahead of the window and has not been marked. Changes nothing.
 */
bool tl_replay_is_new(const struct tl_replay *replay, uint64_t counter);

/* Marks a number for which is_new() is true. */
void tl_replay_mark(struct tl_replay *replay, uint64_t counter);

#endif
