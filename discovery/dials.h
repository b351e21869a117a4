/*
 * The budget of dials: at most 10 begun in any second, at most 16 under way, of which at most 12 to
 * strangers, so that whoever floods the network with invented names cannot use up the places of
 * peers that are known.
 *
 * A dial has a time by which it must have ended. One that has not gives its place back then,
 * because a place that leaked would be lost for ever.
 */
#ifndef TL_DISCOVERY_DIALS_H
#define TL_DISCOVERY_DIALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "discovery/discovery.h"

#define TL_DIALS_STRANGERS_MAX 12

struct tl_dials_slot {
  struct tl_discovery_dial dial;
  bool is_used;
  bool is_stranger;
};

struct tl_dials {
  struct tl_dials_slot slots[TL_DISCOVERY_DIALS_AT_ONCE_MAX];
  size_t under_way;
  size_t strangers;
  uint64_t begun[TL_DISCOVERY_DIALS_PER_S_MAX]; /* when the last ten began; `oldest` is the next to
                                                   be overwritten */
  size_t oldest;
  uint64_t total;
};

void tl_dials_init(struct tl_dials *d);

/* When the next dial may begin as far as rate and places go: a time, possibly past, or TL_NEVER
 * while all places are taken. */
uint64_t tl_dials_ready_at(const struct tl_dials *d, bool stranger);

/* True when a dial to that address is under way. */
bool tl_dials_has_address(const struct tl_dials *d, const struct tl_address *address);

/* The caller has seen that it may begin now. */
void tl_dials_begin(struct tl_dials *d, uint64_t now, const struct tl_discovery_dial *dial,
                    bool stranger);

/* Frees the place. TL_EMPTY: no such dial is under way. */
int tl_dials_end(struct tl_dials *d, const struct tl_discovery_dial *dial);

/* Takes out one dial whose time has passed, or one to `id`: 0 and the dial, or TL_EMPTY. */
int tl_dials_take_late(struct tl_dials *d, uint64_t now, struct tl_discovery_dial *out_dial);
int tl_dials_take_id(struct tl_dials *d, const uint8_t id[TL_DISCOVERY_ID_SIZE],
                     struct tl_discovery_dial *out_dial);

/* The earliest time at which take_late() finds something, or TL_NEVER. */
uint64_t tl_dials_deadline(const struct tl_dials *d);

#endif
