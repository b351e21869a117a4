/*
 * Everything that changes the table marks the deadline as stale; it is worked out anew, by a walk
 * through all peers, when it is asked for. So a burst of facts costs one walk, and poll_dial()
 * costs nothing before its time.
 *
 * Whom to dial is one walk, too: of all that is due and may be dialled within the budget
 * (dials.h), known peers go before strangers, and then who has been due longest. An address to
 * which a dial is under way is passed over, whoever it belongs to.
 *
 * A dial is found again by its id and address, because the peer that it was begun for may have
 * been forgotten, or an address without an id may have got one, before it ends.
 */
#include "discovery/peers.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "discovery/peer.h"

#define DISCONNECT_JITTER_NS                                                                       \
  (500 * TL_MS) /* both ends saw the link end; they need not dial at once */
#define RETRY_NS TL_S

/* The set */

static uint64_t random_of(struct tl_peers *ps) {
  return ps->random(ps->random_context);
}

static struct tl_peer *peer_of(struct tl_list *l) {
  return tl_container_of(l, struct tl_peer, link);
}

static struct tl_peer *peer_find(const struct tl_peers *ps, const uint8_t *id) {
  return tl_table_find(&ps->by_id, id, TL_DISCOVERY_ID_SIZE);
}

static bool is_foreign(const struct tl_peers *ps, const struct tl_peer *p) {
  return ps->has_tag && p->until[TL_PEER_MDNS] && !tl_peer_is_known(p) &&
         memcmp(p->advert.tag, ps->own_tag, sizeof ps->own_tag) != 0;
}

void tl_peers_init(struct tl_peers *ps, const struct tl_discovery_config *config) {
  uint64_t secret[2];
  *ps = (struct tl_peers){
      .random = config->random, .random_context = config->random_context, .is_stale = true};
  memcpy(ps->own_id, config->id, sizeof ps->own_id);
  secret[0] = random_of(ps);
  secret[1] = random_of(ps);
  tl_table_init(&ps->by_id, (const uint8_t *)secret);
  tl_list_init(&ps->all);
  tl_dials_init(&ps->dials);
}

static void peer_remove(struct tl_peers *ps, struct tl_peer *p) {
  tl_table_remove(&ps->by_id, p->advert.id, TL_DISCOVERY_ID_SIZE);
  tl_list_remove(&p->link);
  free(p);
}

void tl_peers_deinit(struct tl_peers *ps) {
  TL_LIST_FOR_EACH(l, &ps->all) peer_remove(ps, peer_of(l));
  tl_table_deinit(&ps->by_id);
}

void tl_peers_set_tag(struct tl_peers *ps, const uint8_t tag[TL_DISCOVERY_TAG_SIZE]) {
  memcpy(ps->own_tag, tag, sizeof ps->own_tag);
  ps->has_tag = true;
  ps->is_stale = true;
}

/* How willingly a peer is given up for a newcomer; 0: not at all. */
static unsigned peer_expendable(const struct tl_peers *ps, const struct tl_peer *p) {
  if (tl_peer_is_known(p) || p->is_connected || p->round.under_way) return 0;
  return p->round.failures + (is_foreign(ps, p) ? 10000 : 0);
}

static bool make_room(struct tl_peers *ps) {
  struct tl_peer *victim = NULL;
  unsigned best = 0;
  if (ps->by_id.used - ps->with_static < TL_DISCOVERY_ENTRIES_MAX) return true;
  TL_LIST_FOR_EACH(l, &ps->all) {
    unsigned expendable = peer_expendable(ps, peer_of(l));
    if (expendable <= best) continue;
    best = expendable;
    victim = peer_of(l);
  }
  if (!victim) return false;
  peer_remove(ps, victim);
  ps->evicted++;
  return true;
}

/* The side with the smaller id dials at once: if both did, its handshake would win. */
static uint64_t first_due(const struct tl_peers *ps, uint64_t now, const uint8_t *id) {
  bool is_ours_smaller = memcmp(ps->own_id, id, TL_DISCOVERY_ID_SIZE) < 0;
  return is_ours_smaller ? now : tl_time_add(now, TL_PEERS_YIELD_NS);
}

static struct tl_peer *peer_insert(struct tl_peers *ps, uint64_t now, const uint8_t *id) {
  struct tl_peer *p = calloc(1, sizeof *p);
  if (!p) return NULL;
  memcpy(p->advert.id, id, sizeof p->advert.id);
  if (tl_table_insert(&ps->by_id, p->advert.id, sizeof p->advert.id, p) < 0) return free(p), NULL;
  p->first_heard_at = p->last_heard_at = now;
  tl_round_init(&p->round, first_due(ps, now, id));
  tl_list_push_back(&ps->all, &p->link);
  return p;
}

/* The peer of that id, made if there is room for one more hint; NULL counts as dropped. */
static struct tl_peer *peer_ensure(struct tl_peers *ps, uint64_t now, const uint8_t *id) {
  struct tl_peer *p = peer_find(ps, id);
  if (!p && make_room(ps)) p = peer_insert(ps, now, id);
  if (!p) ps->dropped_full++;
  return p;
}

/* Drops a peer of which nobody speaks any more. */
static void peer_settle(struct tl_peers *ps, struct tl_peer *p) {
  ps->is_stale = true;
  if (!tl_peer_sources(p)) peer_remove(ps, p);
}

static bool is_ours(const struct tl_peers *ps, const uint8_t *id) {
  return !memcmp(ps->own_id, id, TL_DISCOVERY_ID_SIZE);
}

static bool is_dialable(const struct tl_address *a) {
  static const struct tl_address none = {0};
  static const uint8_t v4_prefix[12] = {[10] = 0xff, [11] = 0xff};
  if (!a->port || !memcmp(a->ip, none.ip, sizeof none.ip)) return false;
  if (memcmp(a->ip, v4_prefix, sizeof v4_prefix) != 0) return a->ip[0] != 0xff;
  return a->ip[12] != 0 && a->ip[12] < 224;
}

/* What the sources say */

static void peer_learn(struct tl_peers *ps, struct tl_peer *p, uint64_t now,
                       enum tl_peer_source source, uint64_t until,
                       const struct tl_address *address) {
  if (tl_peer_learn(p, now, source, until, address)) tl_round_hurry(&p->round, now);
  ps->is_stale = true;
}

void tl_peers_found(struct tl_peers *ps, uint64_t now, const struct tl_advert *advert,
                    const struct tl_address *address) {
  if (is_ours(ps, advert->id) || !is_dialable(address)) return;
  struct tl_peer *p = peer_ensure(ps, now, advert->id);
  if (!p) return;
  bool is_restarted = p->until[TL_PEER_MDNS] && p->advert.boot != advert->boot;
  p->advert = *advert;
  if (is_restarted) tl_round_hurry(&p->round, now);
  peer_learn(ps, p, now, TL_PEER_MDNS, tl_time_add(now, TL_PEERS_HOLD_NS), address);
}

void tl_peers_lost(struct tl_peers *ps, uint64_t now, const uint8_t *id,
                   const struct tl_address *address) {
  struct tl_peer *p = peer_find(ps, id);
  if (!p) return;
  tl_peer_unlearn_address(p, now, TL_PEER_MDNS, address, random_of(ps));
  peer_settle(ps, p);
}

void tl_peers_gone(struct tl_peers *ps, uint64_t now, const uint8_t *id) {
  struct tl_peer *p = peer_find(ps, id);
  if (!p) return;
  tl_peer_unlearn(p, now, TL_PEER_MDNS, random_of(ps));
  peer_settle(ps, p);
}

void tl_peers_cloned(struct tl_peers *ps, uint64_t now, const uint8_t *id) {
  struct tl_peer *p = peer_find(ps, id);
  ps->clone_alarms++;
  if (!p) return;
  p->cloned_until = tl_time_add(now, TL_PEERS_HOLD_NS);
  ps->is_stale = true;
}

void tl_peers_confirm_mdns(struct tl_peers *ps, uint64_t now) {
  TL_LIST_FOR_EACH(l, &ps->all) {
    uint64_t *until = &peer_of(l)->until[TL_PEER_MDNS];
    if (*until) *until = tl_time_min(*until, tl_time_add(now, TL_PEERS_CONFIRM_NS));
  }
  ps->is_stale = true;
}

int tl_peers_heard(struct tl_peers *ps, uint64_t now, const uint8_t *id,
                   const struct tl_address *address) {
  if (is_ours(ps, id) || !is_dialable(address)) return 0;
  struct tl_peer *p = peer_ensure(ps, now, id);
  if (!p) return TL_FULL;
  peer_learn(ps, p, now, TL_PEER_PEER, tl_time_add(now, TL_PEERS_HOLD_NS), address);
  return 0;
}

static void peers_expire(struct tl_peers *ps, uint64_t now) {
  TL_LIST_FOR_EACH(l, &ps->all) {
    struct tl_peer *p = peer_of(l);
    if (tl_peer_expires_at(p) > now) continue;
    tl_peer_expire(p, now, random_of(ps));
    peer_settle(ps, p);
  }
}

/* Static peers */

static struct tl_static *static_find(struct tl_peers *ps, const struct tl_address *address) {
  for (size_t i = 0; i < ps->static_count; i++)
    if (tl_address_is_equal(&ps->statics[i].address, address)) return &ps->statics[i];
  return NULL;
}

/* The address leaves the id that it led to. */
static void static_unbind(struct tl_peers *ps, uint64_t now, struct tl_static *s) {
  struct tl_peer *p = s->has_id ? peer_find(ps, s->id) : NULL;
  s->has_id = false;
  if (!p) return;
  tl_peer_unlearn_address(p, now, TL_PEER_STATIC, &s->address, random_of(ps));
  if (!p->until[TL_PEER_STATIC]) ps->with_static--;
  peer_settle(ps, p);
}

/* The address leads to that id from now on. Static peers have room of their own. */
static int static_bind(struct tl_peers *ps, uint64_t now, struct tl_static *s, const uint8_t *id) {
  if (s->has_id && !memcmp(s->id, id, sizeof s->id)) return 0;
  static_unbind(ps, now, s);
  struct tl_peer *p = peer_find(ps, id);
  if (!p) p = peer_insert(ps, now, id);
  if (!p) return TULLE_E_NO_MEMORY;
  ps->with_static += !p->until[TL_PEER_STATIC];
  peer_learn(ps, p, now, TL_PEER_STATIC, TL_NEVER, &s->address);
  s->has_id = true;
  memcpy(s->id, id, sizeof s->id);
  return 0;
}

int tl_peers_add_static(struct tl_peers *ps, uint64_t now, const uint8_t *id,
                        const struct tl_address *address) {
  if (!is_dialable(address) || (id && is_ours(ps, id))) return TULLE_E_INVALID;
  if (static_find(ps, address)) return TULLE_E_EXISTS;
  if (ps->static_count == TL_DISCOVERY_STATIC_MAX) return TULLE_E_LIMIT;
  struct tl_static *s = &ps->statics[ps->static_count];
  *s = (struct tl_static){.address = *address, .added_at = now};
  tl_round_init(&s->round, now);
  int r = id ? static_bind(ps, now, s, id) : 0;
  if (r < 0) return r;
  ps->static_count++;
  ps->is_stale = true;
  return 0;
}

/* Dialling */

/* One of the two kinds of things that are dialled, and when. */
struct candidate {
  struct tl_peer *peer;
  struct tl_static *address_only;
  uint64_t due;
  bool is_stranger;
};

static struct candidate candidate_peer(struct tl_peers *ps, struct tl_peer *p) {
  struct candidate c = {p, NULL, TL_NEVER, !tl_peer_is_known(p)};
  if (!p->is_connected && !is_foreign(ps, p)) c.due = tl_round_due(&p->round, p->address_count);
  return c;
}

static struct candidate candidate_static(struct tl_static *s) {
  struct candidate c = {NULL, s, TL_NEVER, false};
  if (!s->has_id && !s->is_self) c.due = tl_round_due(&s->round, 1);
  return c;
}

static const struct tl_address *candidate_address(const struct candidate *c) {
  return c->peer ? &c->peer->addresses[c->peer->round.next].address : &c->address_only->address;
}

static bool candidate_is_better(const struct candidate *a, const struct candidate *b) {
  if (a->is_stranger != b->is_stranger) return b->is_stranger;
  return a->due < b->due;
}

/* Keeps the better of two, of those that may be dialled now. */
static void candidate_offer(struct tl_peers *ps, uint64_t now, struct candidate *best,
                            struct candidate c) {
  if (c.due > now || tl_dials_ready_at(&ps->dials, c.is_stranger) > now) return;
  if (best->due != TL_NEVER && !candidate_is_better(&c, best)) return;
  if (!tl_dials_has_address(&ps->dials, candidate_address(&c))) *best = c;
}

static struct candidate candidate_best(struct tl_peers *ps, uint64_t now) {
  struct candidate best = {.due = TL_NEVER};
  for (size_t i = 0; i < ps->static_count; i++)
    candidate_offer(ps, now, &best, candidate_static(&ps->statics[i]));
  TL_LIST_FOR_EACH(l, &ps->all) candidate_offer(ps, now, &best, candidate_peer(ps, peer_of(l)));
  return best;
}

/* Who a dial belongs to now: the peer may have been forgotten meanwhile, the address may have got
 * an id. */
static struct tl_round *round_of(struct tl_peers *ps, const struct tl_discovery_dial *dial,
                                 size_t *out_count) {
  struct tl_peer *p = dial->has_id ? peer_find(ps, dial->id) : NULL;
  struct tl_static *s = dial->has_id ? NULL : static_find(ps, &dial->address);
  *out_count = p ? p->address_count : 1;
  struct tl_round *r = p ? &p->round : s ? &s->round : NULL;
  return r && r->under_way ? r : NULL;
}

static void dial_failed(struct tl_peers *ps, uint64_t now, const struct tl_discovery_dial *dial) {
  size_t count;
  struct tl_round *r = round_of(ps, dial, &count);
  if (r) tl_round_fail(r, count, now, random_of(ps));
}

static void dials_expire(struct tl_peers *ps, uint64_t now) {
  struct tl_discovery_dial late;
  while (tl_dials_take_late(&ps->dials, now, &late) == 0) dial_failed(ps, now, &late);
}

int tl_peers_poll_dial(struct tl_peers *ps, uint64_t now, struct tl_discovery_dial *out_dial) {
  if (now < tl_peers_deadline(ps)) return TL_EMPTY;
  ps->is_stale = true;
  dials_expire(ps, now);
  peers_expire(ps, now);
  struct candidate c = candidate_best(ps, now);
  if (c.due == TL_NEVER) return TL_EMPTY;
  struct tl_discovery_dial dial = {.address = *candidate_address(&c), .has_id = c.peer != NULL};
  if (c.peer) memcpy(dial.id, c.peer->advert.id, sizeof dial.id);
  dial.give_up_at =
      tl_time_add(now, c.is_stranger ? TL_PEERS_DIAL_STRANGER_NS : TL_PEERS_DIAL_KNOWN_NS);
  tl_round_begin(c.peer ? &c.peer->round : &c.address_only->round, now);
  tl_dials_begin(&ps->dials, now, &dial, c.is_stranger);
  *out_dial = dial;
  return 0;
}

/* We are what answers there. */
static void dial_reached_self(struct tl_peers *ps, uint64_t now,
                              const struct tl_discovery_dial *dial) {
  struct tl_static *s = static_find(ps, &dial->address);
  struct tl_peer *p = dial->has_id ? peer_find(ps, dial->id) : NULL;
  if (s) {
    static_unbind(ps, now, s);
    s->is_self = true;
    p = dial->has_id ? peer_find(ps, dial->id) : NULL;
  }
  if (p) tl_peer_drop_address(p, now, &dial->address, random_of(ps));
}

/* Somebody else than expected answers at the peer's address. */
static void dial_reached_other(struct tl_peers *ps, uint64_t now,
                               const struct tl_discovery_dial *dial) {
  struct tl_peer *p = dial->has_id ? peer_find(ps, dial->id) : NULL;
  if (p) tl_peer_drop_address(p, now, &dial->address, random_of(ps));
}

static void dial_succeeded(struct tl_peers *ps, uint64_t now, const struct tl_discovery_dial *dial,
                           const uint8_t *id) {
  struct tl_static *s = static_find(ps, &dial->address);
  bool is_expected = dial->has_id && !memcmp(dial->id, id, TL_DISCOVERY_ID_SIZE);
  size_t count;
  struct tl_round *r = round_of(ps, dial, &count);
  if (dial->has_id && !is_expected) {
    dial_failed(ps, now, dial);
    dial_reached_other(ps, now, dial);
  } else if (r) {
    tl_round_settle(r, now, RETRY_NS);
  }
  if (s)
    (void)static_bind(ps, now, s, id); /* without memory it stays an address and is dialled again */
}

void tl_peers_dialled(struct tl_peers *ps, uint64_t now, const struct tl_discovery_dial *dial,
                      int result, const uint8_t *id) {
  size_t count;
  if (tl_dials_end(&ps->dials, dial) != 0) return;
  ps->is_stale = true;
  struct tl_round *r = round_of(ps, dial, &count);
  if (result == 0) {
    TL_ASSERT(id);
    dial_succeeded(ps, now, dial, id);
  } else if (result == TULLE_E_CANCELLED) {
    if (r) tl_round_cancel(r, now, RETRY_NS);
  } else {
    dial_failed(ps, now, dial);
    if (result == TULLE_E_EXISTS) dial_reached_self(ps, now, dial);
  }
}

/* Links */

void tl_peers_connected(struct tl_peers *ps, uint64_t now, const uint8_t *id,
                        const struct tl_address *address) {
  struct tl_discovery_dial dial;
  struct tl_static *s = address ? static_find(ps, address) : NULL;
  ps->is_stale = true;
  while (tl_dials_take_id(&ps->dials, id, &dial) == 0) continue;
  if (s) (void)static_bind(ps, now, s, id);
  struct tl_peer *p = peer_ensure(ps, now, id);
  if (!p) return;
  tl_peer_unlearn(p, now, TL_PEER_LINK,
                  random_of(ps)); /* where it was before does not count any more */
  (void)tl_peer_learn(p, now, TL_PEER_LINK, TL_NEVER,
                      address && is_dialable(address) ? address : NULL);
  if (address) tl_peer_prefer(p, address);
  tl_round_settle(&p->round, now, RETRY_NS);
  if (!p->is_connected) p->connected_at = now;
  p->is_connected = true;
}

void tl_peers_disconnected(struct tl_peers *ps, uint64_t now, const uint8_t *id) {
  struct tl_peer *p = peer_find(ps, id);
  if (!p || !p->is_connected) return;
  ps->is_stale = true;
  p->is_connected = false;
  p->until[TL_PEER_LINK] = tl_time_add(now, TL_PEERS_HOLD_NS);
  uint64_t random = random_of(ps);
  if (now - p->connected_at < TL_PEERS_LINK_MIN_NS)
    tl_round_penalise(&p->round, now, random);
  else
    tl_round_succeed(&p->round, now, random % DISCONNECT_JITTER_NS);
}

/* Timers and listing */

static uint64_t candidate_time(struct tl_peers *ps, struct candidate c) {
  uint64_t ready;
  if (c.due == TL_NEVER || tl_dials_has_address(&ps->dials, candidate_address(&c))) return TL_NEVER;
  ready = tl_dials_ready_at(&ps->dials, c.is_stranger);
  return c.due > ready ? c.due : ready;
}

static uint64_t deadline_compute(struct tl_peers *ps) {
  uint64_t at = tl_dials_deadline(&ps->dials);
  for (size_t i = 0; i < ps->static_count; i++)
    at = tl_time_min(at, candidate_time(ps, candidate_static(&ps->statics[i])));
  TL_LIST_FOR_EACH(l, &ps->all) {
    at = tl_time_min(at, tl_peer_expires_at(peer_of(l)));
    at = tl_time_min(at, candidate_time(ps, candidate_peer(ps, peer_of(l))));
  }
  return at;
}

uint64_t tl_peers_deadline(struct tl_peers *ps) {
  if (ps->is_stale) ps->deadline = deadline_compute(ps);
  ps->is_stale = false;
  return ps->deadline;
}

static void entry_of_peer(const struct tl_peers *ps, const struct tl_peer *p,
                          struct tl_discovery_entry *out) {
  bool is_advertised = p->until[TL_PEER_MDNS] != 0;
  bool is_foreigner = is_foreign(ps, p);
  *out = (struct tl_discovery_entry){
      .has_id = true,
      .is_connected = p->is_connected,
      .is_cloned = p->cloned_until != 0,
      .is_foreign = is_foreigner,
      .sources = tl_peer_sources(p),
      .version = is_advertised ? p->advert.version : 0,
      .generation = is_advertised ? p->advert.generation : 0,
      .boot = is_advertised ? p->advert.boot : 0,
      .first_heard_at = p->first_heard_at,
      .last_heard_at = p->last_heard_at,
      .next_dial_at =
          p->is_connected || is_foreigner ? TL_NEVER : tl_round_due(&p->round, p->address_count),
      .failures = p->round.failures,
      .address_count = p->address_count,
  };
  memcpy(out->id, p->advert.id, sizeof out->id);
  if (is_advertised) memcpy(out->fabric_tag, p->advert.tag, sizeof out->fabric_tag);
  for (size_t i = 0; i < p->address_count; i++) out->addresses[i] = p->addresses[i].address;
}

static void entry_of_static(const struct tl_static *s, struct tl_discovery_entry *out) {
  *out = (struct tl_discovery_entry){
      .sources = TL_DISCOVERY_BY_STATIC,
      .first_heard_at = s->added_at,
      .last_heard_at = s->added_at,
      .next_dial_at = s->is_self ? TL_NEVER : tl_round_due(&s->round, 1),
      .failures = s->round.failures,
      .address_count = 1,
      .addresses = {s->address},
  };
}

int tl_peers_next(const struct tl_peers *ps, size_t *cursor, struct tl_discovery_entry *out_entry) {
  const struct tl_peer *p = tl_table_next(&ps->by_id, cursor);
  if (p) {
    entry_of_peer(ps, p, out_entry);
    return 0;
  }
  for (size_t i; (i = *cursor - ps->by_id.slot_count) < ps->static_count;) {
    (*cursor)++;
    if (ps->statics[i].has_id) continue;
    entry_of_static(&ps->statics[i], out_entry);
    return 0;
  }
  return TL_END;
}
