/*
 * Sixteen places in an array and the times of the last ten beginnings in a ring: the budget is
 * small enough that walking through it is the simplest thing that is also fast.
 */
#include "discovery/dials.h"

#include <string.h>

#include "core/error.h"
#include "core/time.h"

void tl_dials_init(struct tl_dials *d) {
  *d = (struct tl_dials){0};
}

uint64_t tl_dials_ready_at(const struct tl_dials *d, bool stranger) {
  if (d->under_way == TL_DISCOVERY_DIALS_AT_ONCE_MAX) return TL_NEVER;
  if (stranger && d->strangers == TL_DIALS_STRANGERS_MAX) return TL_NEVER;
  if (d->total < TL_DISCOVERY_DIALS_PER_S_MAX) return 0;
  return d->begun[d->oldest] + TL_S;
}

bool tl_dials_has_address(const struct tl_dials *d, const struct tl_address *address) {
  for (size_t i = 0; i < TL_DISCOVERY_DIALS_AT_ONCE_MAX; i++)
    if (d->slots[i].is_used && tl_address_is_equal(&d->slots[i].dial.address, address)) return true;
  return false;
}

void tl_dials_begin(struct tl_dials *d, uint64_t now, const struct tl_discovery_dial *dial,
                    bool stranger) {
  size_t i = 0;
  while (i < TL_DISCOVERY_DIALS_AT_ONCE_MAX && d->slots[i].is_used) i++;
  TL_ASSERT(i < TL_DISCOVERY_DIALS_AT_ONCE_MAX);
  d->slots[i] = (struct tl_dials_slot){*dial, true, stranger};
  d->under_way++;
  d->strangers += stranger;
  d->begun[d->oldest] = now;
  d->oldest = (d->oldest + 1) % TL_DISCOVERY_DIALS_PER_S_MAX;
  d->total++;
}

static void slot_free(struct tl_dials *d, struct tl_dials_slot *s) {
  s->is_used = false;
  d->under_way--;
  d->strangers -= s->is_stranger;
}

static bool is_same_dial(const struct tl_discovery_dial *a, const struct tl_discovery_dial *b) {
  return a->has_id == b->has_id && tl_address_is_equal(&a->address, &b->address) &&
         (!a->has_id || !memcmp(a->id, b->id, sizeof a->id));
}

int tl_dials_end(struct tl_dials *d, const struct tl_discovery_dial *dial) {
  for (size_t i = 0; i < TL_DISCOVERY_DIALS_AT_ONCE_MAX; i++) {
    if (!d->slots[i].is_used || !is_same_dial(&d->slots[i].dial, dial)) continue;
    slot_free(d, &d->slots[i]);
    return 0;
  }
  return TL_EMPTY;
}

int tl_dials_take_late(struct tl_dials *d, uint64_t now, struct tl_discovery_dial *out_dial) {
  for (size_t i = 0; i < TL_DISCOVERY_DIALS_AT_ONCE_MAX; i++) {
    if (!d->slots[i].is_used || d->slots[i].dial.give_up_at > now) continue;
    *out_dial = d->slots[i].dial;
    slot_free(d, &d->slots[i]);
    return 0;
  }
  return TL_EMPTY;
}

int tl_dials_take_id(struct tl_dials *d, const uint8_t id[TL_DISCOVERY_ID_SIZE],
                     struct tl_discovery_dial *out_dial) {
  for (size_t i = 0; i < TL_DISCOVERY_DIALS_AT_ONCE_MAX; i++) {
    const struct tl_discovery_dial *dial = &d->slots[i].dial;
    if (!d->slots[i].is_used || !dial->has_id || memcmp(dial->id, id, sizeof dial->id) != 0)
      continue;
    *out_dial = *dial;
    slot_free(d, &d->slots[i]);
    return 0;
  }
  return TL_EMPTY;
}

uint64_t tl_dials_deadline(const struct tl_dials *d) {
  uint64_t at = TL_NEVER;
  for (size_t i = 0; i < TL_DISCOVERY_DIALS_AT_ONCE_MAX; i++)
    if (d->slots[i].is_used) at = tl_time_min(at, d->slots[i].dial.give_up_at);
  return at;
}
