/*
 * The ring is indexed by the word of the number, so moving ahead clears the words in between and
 * shifts nothing (RFC 6479).
 */
#include "crypto/replay.h"

#include <string.h>

#define WORDS (TL_REPLAY_BITS / 64)

void tl_replay_init(struct tl_replay *replay) {
  memset(replay, 0, sizeof *replay);
}

static uint64_t bit_of(uint64_t counter) {
  return UINT64_C(1) << (counter % 64);
}

bool tl_replay_is_new(const struct tl_replay *replay, uint64_t counter) {
  if (counter >= TL_REPLAY_COUNTER_END) return false;
  if (counter >= replay->next) return true;
  if (replay->next - 1 - counter > TL_REPLAY_WINDOW) return false;
  return !(replay->bits[counter / 64 % WORDS] & bit_of(counter));
}

void tl_replay_mark(struct tl_replay *replay, uint64_t counter) {
  if (counter >= replay->next) {
    /* next - 1 is the highest so far; its word holds valid bits, those after it do not yet. */
    uint64_t word = (replay->next + 63) / 64, last = counter / 64;
    if (last - word >= WORDS && last >= word) word = last - WORDS + 1;
    for (; word <= last; word++) replay->bits[word % WORDS] = 0;
    replay->next = counter + 1;
  }
  replay->bits[counter / 64 % WORDS] |= bit_of(counter);
}
