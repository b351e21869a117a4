/*
 * tl_sights_poll() finds what to tell by comparing `now` with `told` in each slot, and forgets a
 * sight when nothing is left on either side. A flag says whether a walk is worth it at all.
 */
#include "discovery/mdns/sights.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"

static struct tl_sight *sight_of(struct tl_list *l) {
  return tl_container_of(l, struct tl_sight, link);
}

static struct tl_sight_key key_of(const uint8_t *id, uint32_t interface) {
  struct tl_sight_key key = {.interface = interface};
  memcpy(key.id, id, sizeof key.id);
  return key;
}

_Static_assert(sizeof(struct tl_sight_key) == 20, "the key is hashed as it lies, without padding");

void tl_sights_init(struct tl_sights *s) {
  *s = (struct tl_sights){0};
  tl_table_init(&s->by_key, NULL);
  tl_list_init(&s->all);
}

static void sight_remove(struct tl_sights *s, struct tl_sight *sight) {
  tl_table_remove(&s->by_key, &sight->key, sizeof sight->key);
  tl_list_remove(&sight->link);
  free(sight);
}

void tl_sights_deinit(struct tl_sights *s) {
  TL_LIST_FOR_EACH(l, &s->all) sight_remove(s, sight_of(l));
  tl_table_deinit(&s->by_key);
}

static struct tl_sight *sight_find(const struct tl_sights *s, const struct tl_sight_key *key) {
  return tl_table_find(&s->by_key, key, sizeof *key);
}

static struct tl_sight *sight_insert(struct tl_sights *s, const struct tl_sight_key *key) {
  if (s->by_key.used == TL_SIGHTS_MAX) return NULL;
  struct tl_sight *sight = calloc(1, sizeof *sight);
  if (!sight) return NULL;
  sight->key = *key;
  if (tl_table_insert(&s->by_key, &sight->key, sizeof sight->key, sight) < 0)
    return free(sight), NULL;
  tl_list_push_back(&s->all, &sight->link);
  return sight;
}

struct tl_sight *tl_sights_seen(struct tl_sights *s, const uint8_t id[TL_DISCOVERY_ID_SIZE],
                                uint32_t interface, unsigned protocol) {
  struct tl_sight_key key = key_of(id, interface);
  struct tl_sight *sight = sight_find(s, &key);
  if (!sight) sight = sight_insert(s, &key);
  if (!sight) {
    s->has_dropped = true;
    return NULL;
  }
  sight->protocols |= 1u << protocol;
  sight->orphan_until = 0;
  return sight;
}

struct tl_sight *tl_sights_unseen(struct tl_sights *s, const uint8_t id[TL_DISCOVERY_ID_SIZE],
                                  uint32_t interface, unsigned protocol) {
  struct tl_sight_key key = key_of(id, interface);
  struct tl_sight *sight = sight_find(s, &key);
  if (!sight || !(sight->protocols & 1u << protocol)) return NULL;
  sight->protocols &= ~(1u << protocol);
  return sight->protocols ? NULL : sight;
}

/* A sight is forgotten when it says nothing and the node knows that. */
static bool is_over(const struct tl_sight *sight) {
  if (sight->protocols || sight->orphan_until || sight->is_resolving) return false;
  for (int f = 0; f < TL_SIGHT_FAMILIES; f++)
    if (sight->slots[f].told.is_there || sight->slots[f].has_old) return false;
  return true;
}

void tl_sights_clear(struct tl_sights *s, struct tl_sight *sight) {
  sight->protocols = 0;
  sight->orphan_until = 0;
  for (int f = 0; f < TL_SIGHT_FAMILIES; f++) sight->slots[f].now.is_there = false;
  s->is_dirty = true;
}

/* Boot numbers */

static void clone_note(struct tl_sights *s, struct tl_sight *sight, uint64_t one, uint64_t other) {
  sight->is_cloned = true;
  sight->cloned_boots[0] = one;
  sight->cloned_boots[1] = other;
  s->is_dirty = true;
}

static struct tl_sight_boot *boot_find(struct tl_sight *sight, uint64_t number) {
  for (size_t i = 0; i < sight->boot_count; i++)
    if (sight->boots[i].number == number) return &sight->boots[i];
  return NULL;
}

/* The oldest is forgotten when there are too many. */
static struct tl_sight_boot *boot_add(struct tl_sight *sight, uint64_t number) {
  if (sight->boot_count == TL_SIGHTS_BOOTS)
    memmove(&sight->boots[0], &sight->boots[1], --sight->boot_count * sizeof *sight->boots);
  sight->boots[sight->boot_count] = (struct tl_sight_boot){.number = number};
  return &sight->boots[sight->boot_count++];
}

/* Two boots that are there now, if there are two. */
static bool boots_overlap(const struct tl_sight *sight, uint64_t out[2]) {
  size_t n = 0;
  for (size_t i = 0; i < sight->boot_count && n < 2; i++)
    if (sight->boots[i].protocols) out[n++] = sight->boots[i].number;
  return n == 2;
}

void tl_sights_boot(struct tl_sights *s, struct tl_sight *sight, uint64_t now, bool is_there,
                    unsigned protocol, uint64_t number) {
  struct tl_sight_boot *boot = boot_find(sight, number);
  uint64_t both[2];
  if (!boot && is_there) boot = boot_add(sight, number);
  if (!boot) return;
  const struct tl_sight_boot *newest = &sight->boots[sight->boot_count - 1];
  if (is_there && !boot->protocols && boot != newest) clone_note(s, sight, number, newest->number);
  boot->protocols =
      is_there ? boot->protocols | 1u << protocol : boot->protocols & ~(1u << protocol);
  if (!boots_overlap(sight, both))
    sight->overlap_since = 0;
  else if (!sight->overlap_since)
    sight->overlap_since = now;
}

static uint64_t overlap_expire(struct tl_sights *s, struct tl_sight *sight, uint64_t now) {
  uint64_t both[2], at = sight->overlap_since
                             ? tl_time_add(sight->overlap_since, TL_SIGHTS_OVERLAP_NS)
                             : TL_NEVER;
  if (at > now || !boots_overlap(sight, both)) return at;
  clone_note(s, sight, both[0], both[1]);
  sight->overlap_since = tl_time_add(now, TL_SIGHTS_ALARM_NS); /* the next alarm, if it goes on */
  return tl_time_add(sight->overlap_since, TL_SIGHTS_OVERLAP_NS);
}

void tl_sights_resolved(struct tl_sights *s, struct tl_sight *sight, int family,
                        const struct tl_advert *advert, const struct tl_address *address) {
  struct tl_sight_slot *slot = &sight->slots[family];
  if (memcmp(advert->id, sight->key.id, sizeof advert->id) != 0) {
    tl_sights_failed(s, sight, family);
    return;
  }
  slot->now = (struct tl_sight_fact){true, *advert, *address};
  slot->has_failed = false;
  s->is_dirty = true;
}

void tl_sights_failed(struct tl_sights *s, struct tl_sight *sight, int family) {
  sight->slots[family].now.is_there = false;
  sight->slots[family].has_failed = true;
  s->is_dirty = true;
}

/* Engines come and go */

/* Nobody watches any more; a new watch reports what is there from the beginning. */
static void boots_forget(struct tl_sight *sight) {
  sight->boot_count = 0;
  sight->overlap_since = 0;
}

void tl_sights_orphan(struct tl_sights *s, uint64_t now) {
  TL_LIST_FOR_EACH(l, &s->all) {
    struct tl_sight *sight = sight_of(l);
    if (!sight->orphan_until) sight->orphan_until = tl_time_add(now, TL_SIGHTS_ORPHAN_NS);
    sight->protocols = 0;
    boots_forget(sight);
  }
  s->has_dropped = false;
}

uint64_t tl_sights_expire(struct tl_sights *s, uint64_t now) {
  uint64_t next = TL_NEVER;
  TL_LIST_FOR_EACH(l, &s->all) {
    struct tl_sight *sight = sight_of(l);
    if (sight->orphan_until && sight->orphan_until <= now) tl_sights_clear(s, sight);
    if (sight->orphan_until) next = tl_time_min(next, sight->orphan_until);
    next = tl_time_min(next, overlap_expire(s, sight, now));
  }
  return next;
}

void tl_sights_repeat(struct tl_sights *s) {
  TL_LIST_FOR_EACH(l, &s->all) {
    for (int f = 0; f < TL_SIGHT_FAMILIES; f++) sight_of(l)->slots[f].must_tell = true;
  }
  s->is_dirty = true;
}

/* Telling */

/* Whether a slot stands by having told the node of that id (and, unless NULL, of that address). */
static bool is_told(const struct tl_sights *s, const uint8_t *id,
                    const struct tl_address *address) {
  TL_LIST_FOR_EACH(l, &s->all) {
    const struct tl_sight *sight = sight_of(l);
    if (memcmp(sight->key.id, id, sizeof sight->key.id) != 0) continue;
    for (int f = 0; f < TL_SIGHT_FAMILIES; f++) {
      const struct tl_sight_slot *slot = &sight->slots[f];
      if (!slot->told.is_there) continue;
      if (!address || tl_address_is_equal(&slot->told.address, address)) return true;
    }
  }
  return false;
}

static bool advert_is_equal(const struct tl_advert *a, const struct tl_advert *b) {
  return a->version == b->version && a->generation == b->generation && a->boot == b->boot &&
         !memcmp(a->tag, b->tag, sizeof a->tag);
}

static void line_about(const struct tl_sight *sight, enum tl_line_kind kind, struct tl_line *out) {
  *out = (struct tl_line){.kind = kind};
  memcpy(out->id, sight->key.id, sizeof out->id);
}

static void tell(struct tl_sight *sight, struct tl_sight_slot *slot, struct tl_line *out) {
  const struct tl_advert *a = &slot->now.advert;
  slot->told = slot->now;
  slot->must_tell = false;
  line_about(sight, TL_LINE_FOUND, out);
  out->version = a->version;
  out->generation = a->generation;
  out->boot = a->boot;
  out->address = slot->now.address;
  memcpy(out->tag, a->tag, sizeof out->tag);
}

/* Takes back the slot's old address: 0 and a line, or TL_EMPTY when others still say the same. */
static int take_back(struct tl_sights *s, struct tl_sight *sight, struct tl_sight_slot *slot,
                     struct tl_line *out) {
  slot->has_old = false;
  if (is_told(s, sight->key.id, &slot->old)) return TL_EMPTY;
  bool is_last = !is_told(s, sight->key.id, NULL);
  line_about(sight, is_last ? TL_LINE_GONE : TL_LINE_LOST, out);
  out->address = slot->old;
  return 0;
}

/* The next line of one slot, or TL_EMPTY. A new address is told before the old one is taken back,
 * so that the node never loses a peer that only moved. */
static int slot_poll(struct tl_sights *s, struct tl_sight *sight, struct tl_sight_slot *slot,
                     struct tl_line *out) {
  bool is_same = slot->now.is_there && slot->told.is_there &&
                 tl_address_is_equal(&slot->told.address, &slot->now.address);
  if (slot->has_old && take_back(s, sight, slot, out) == 0) return 0;
  if (slot->told.is_there && !is_same) {
    slot->old = slot->told.address;
    slot->has_old = true;
    slot->told.is_there = false;
  }
  if (slot->now.is_there &&
      (!is_same || slot->must_tell || !advert_is_equal(&slot->told.advert, &slot->now.advert))) {
    tell(sight, slot, out);
    return 0;
  }
  return slot->has_old ? take_back(s, sight, slot, out) : TL_EMPTY;
}

static int clone_poll(struct tl_sight *sight, uint64_t now, struct tl_line *out) {
  bool was_told = sight->clone_told_at && now - sight->clone_told_at < TL_SIGHTS_ALARM_NS;
  if (!sight->is_cloned || was_told) return TL_EMPTY;
  sight->is_cloned = false;
  sight->clone_told_at = now;
  line_about(sight, TL_LINE_CLONED, out);
  out->boot = sight->cloned_boots[0];
  out->boot_other = sight->cloned_boots[1];
  return 0;
}

int tl_sights_poll(struct tl_sights *s, uint64_t now, struct tl_line *out_line) {
  if (!s->is_dirty) return TL_EMPTY;
  TL_LIST_FOR_EACH(l, &s->all) {
    struct tl_sight *sight = sight_of(l);
    for (int f = 0; f < TL_SIGHT_FAMILIES; f++)
      if (slot_poll(s, sight, &sight->slots[f], out_line) == 0) return 0;
    if (clone_poll(sight, now, out_line) == 0) return 0;
    if (is_over(sight)) sight_remove(s, sight);
  }
  s->is_dirty = false;
  return TL_EMPTY;
}
