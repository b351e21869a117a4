/*
 * Dials: wishes for a link, and the handshakes that try to fulfil them.
 *
 * A dial goes in rounds. In a round each address is tried over UDP at once, over TCP as well after
 * `tcp_after`, and under the previous admission epoch a little later still (the peer may have been
 * off while the epoch changed): an attempt each, a handshake each, all at the same time. The first
 * answer that is good ends the others when its session is proved. A round in which nobody answers
 * is followed by a pause, 1 s doubling to 60 s, with jitter.
 *
 * What a good answer meets:
 *
 * 1. A link to that peer in the same boot that can be reached: nothing is begun, the dial has found
 *    what it wanted.
 * 2. The same, but out of reach: the answer shows that the peer is back, so the old session is
 *    probably back too; FINISH waits `hold` for it, since a new session would cost the lanes.
 * 3. A half-open session that the peer began meanwhile, and that we let in: it wins; ours waits
 *    `hold` in case it comes to nothing. (answer.c has the other half: once our FINISH is out, the
 *    peer's is let in only where its id is the smaller. So the smaller id alone decides, and it
 *    decides once. A FINISH that nobody has answered for 2 s decides nothing any more: the peer
 *    that it went to has moved or restarted, and calls from where it is now.)
 * 4. Otherwise FINISH goes out, and the link is up when its first packet has come.
 *
 * An answer from an authentic node that is not acceptable (another node, ourselves, a revoked one)
 * ends the attempts at that address; when every address has ended like this the dial is refused.
 * Anything else that comes is dropped and changes nothing.
 */
#include <stdlib.h>

#include "transport/link/endpoint_internal.h"

#define DIALS_MAX    1024u
#define BLOCKED_WAIT (10 * TL_MS)
#define FINISH_LIFE  (2 * TL_S) /* nine FINISHes: at 30 % loss each way, one in 400 is in vain */

/* ---- Attempts ---- */

static struct attempt *attempt_new(struct dial *d, unsigned address, bool over_tcp,
                                   bool use_previous) {
  struct attempt *a = calloc(1, sizeof(*a));
  if (!a) return NULL;
  *a = (struct attempt){.dial = d,
                        .address = address,
                        .to = d->wish.addresses[address],
                        .over_tcp = over_tcp,
                        .use_previous = use_previous};
  if (tl_due_join(d->ep, &a->due, DUE_ATTEMPT) < 0) {
    free(a);
    return NULL;
  }
  a->index.attempt = a;
  tl_list_init(&a->ready);
  tl_call_init(&a->call, a, NULL);
  tl_list_push_back(&d->attempts, &a->list);
  return a;
}

static void handshake_end(struct attempt *a) {
  if (!a->handshake) return;
  tl_refusals_add(&a->dial->ep->ended, tl_handshake_refusals(a->handshake));
  a->handshake = tl_handshake_free(a->handshake);
}

/* Stops all of it, but for what the dial will ask when the round is over. */
void tl_attempt_end(struct attempt *a) {
  struct tl_endpoint *ep = a->dial->ep;
  struct tl_link *link = a->link;
  a->state = ATTEMPT_OVER;
  a->link = NULL;
  tl_call_end(&a->call);
  tl_list_remove(&a->ready);
  tl_due_set(&ep->due, &a->due, TL_NEVER);
  tl_index_remove(ep, &a->index);
  handshake_end(a);
  if (a->connection) tl_connection_drop(a->connection);
  if (link) {
    link->attempt = NULL;
    if (link->state == LINK_FRESH) tl_link_end(link, ep->now, TL_REASON_SILENT, 0, false);
  }
}

static void attempt_free(struct attempt *a) {
  tl_attempt_end(a);
  tl_due_leave(a->dial->ep, &a->due);
  tl_list_remove(&a->list);
  free(a);
}

static void attempt_ready(struct attempt *a) {
  if (tl_list_is_empty(&a->ready)) tl_list_push_back(&a->dial->ep->ready_attempts, &a->ready);
}

/* The handshake begins. False: it cannot. */
static bool attempt_run(struct attempt *a, uint64_t now) {
  struct tl_endpoint *ep = a->dial->ep;
  struct tl_handshake_target target = {.over_tcp = a->over_tcp,
                                       .use_previous_admission = a->use_previous,
                                       .token = a->dial->wish.token};
  memcpy(target.responder_id, a->dial->wish.node_id, sizeof(target.responder_id));
  a->handshake = tl_handshake_new(&ep->self);
  if (!a->handshake || tl_index_add(ep, &a->index, tl_self_draw_index(&ep->self)) < 0 ||
      tl_handshake_begin(a->handshake, now, &target, a->index.value) < 0)
    return false;
  a->state = ATTEMPT_RUNNING;
  attempt_ready(a);
  return true;
}

/* ---- Rounds ---- */

static void add_attempt(struct dial *d, unsigned address, bool over_tcp, bool use_previous,
                        uint64_t at) {
  struct attempt *a = attempt_new(d, address, over_tcp, use_previous);
  if (a) tl_due_set(&d->ep->due, &a->due, at);
}

static void attempts_free(struct dial *d) {
  TL_LIST_FOR_EACH(l, &d->attempts) {
    attempt_free(tl_container_of(l, struct attempt, list));
  }
}

static void round_begin(struct dial *d, uint64_t now) {
  struct tl_endpoint *ep = d->ep;
  enum tl_carrier_choice carrier = d->wish.carrier;
  uint64_t tcp_after = carrier == TL_CARRIER_ONLY_TCP ? 0 : ep->times.tcp_after;
  uint64_t later = tcp_after + ep->times.tcp_after;
  bool has_previous = !d->wish.token && tl_trust_own_gate(ep->self.trust, now, true) != NULL;
  attempts_free(d);
  d->is_pausing = d->is_stale = false;
  d->refused = 0;
  d->refusal = 0;
  for (unsigned i = 0; i < d->wish.address_count; i++) {
    uint64_t at = now + i * ep->times.stagger;
    for (unsigned previous = 0; previous <= has_previous; previous++) {
      uint64_t wait = previous ? later : 0;
      if (carrier != TL_CARRIER_ONLY_TCP) add_attempt(d, i, false, previous, at + wait);
      if (carrier != TL_CARRIER_ONLY_UDP) add_attempt(d, i, true, previous, at + tcp_after + wait);
    }
  }
  ep->counters.dials++;
  tl_due_set(&ep->due, &d->due, now + ep->self.parameters->give_up_ns + later);
}

/* The best that can be said of a round in which no link came up. */
static int round_reason(const struct dial *d) {
  int reason = TL_REASON_SILENT;
  TL_LIST_FOR_EACH(l, &d->attempts) {
    const struct attempt *a = tl_container_of(l, struct attempt, list);
    if (a->refusal) reason = a->refusal;
    if (a->has_answer) return TL_REASON_IGNORED;
  }
  return reason;
}

static void dial_tell(struct dial *d, enum tl_endpoint_event_type outcome, int reason) {
  d->outcome = outcome;
  d->reason = reason;
  if (d->number) tl_note_raise(d->ep, &d->note);
}

static void round_end(struct dial *d, uint64_t now) {
  uint8_t jitter;
  dial_tell(d, TL_EVENT_SILENT, round_reason(d));
  attempts_free(d);
  d->is_pausing = true;
  tl_endpoint_draw(d->ep, &jitter, sizeof(jitter));
  tl_due_set(&d->ep->due, &d->due, now + d->pause / 2 + d->pause * jitter / 256);
  d->pause = tl_time_min(2 * d->pause, d->ep->times.retry_max);
}

void tl_dial_timeout(struct dial *d, uint64_t now) {
  if (d->is_over) return;
  if (d->is_pausing)
    round_begin(d, now);
  else
    round_end(d, now);
}

/* No more is tried; the owner is told, or, where there is none, the dial goes at once. */
static void dial_over(struct dial *d, enum tl_endpoint_event_type outcome, int reason,
                      struct tl_link *found) {
  attempts_free(d);
  tl_due_set(&d->ep->due, &d->due, TL_NEVER);
  d->is_over = true;
  d->found = found;
  if (d->redials) {
    tl_dial_free(d);
    return;
  }
  dial_tell(d, outcome, reason);
}

/* An attempt has come to nothing: perhaps the round has. */
static void attempt_failed(struct attempt *a, uint64_t now) {
  struct dial *d = a->dial;
  tl_attempt_end(a);
  if (d->is_stale) {
    round_begin(d, now);
    return;
  }
  TL_LIST_FOR_EACH(l, &d->attempts) {
    if (tl_container_of(l, struct attempt, list)->state != ATTEMPT_OVER) return;
  }
  round_end(d, now);
}

static void address_refused(struct attempt *a, uint64_t now, int refusal) {
  struct dial *d = a->dial;
  unsigned address = a->address;
  d->refused |= 1u << address;
  d->refusal = refusal;
  if (d->refused == (1u << d->wish.address_count) - 1) {
    dial_over(d, TL_EVENT_REFUSED, refusal, NULL);
    return;
  }
  TL_LIST_FOR_EACH(l, &d->attempts) {
    struct attempt *other = tl_container_of(l, struct attempt, list);
    if (other->address == address && other != a) tl_attempt_end(other);
  }
  attempt_failed(a, now);
}

/* ---- An answer ---- */

static bool is_authentic_refusal(int r) {
  return r >= TL_REFUSED_SELF && r <= TL_REFUSED_CLONE;
}

/* The link that is up with the peer of that answer, in the same boot, or NULL. */
static struct tl_link *link_of_same_boot(const struct tl_endpoint *ep,
                                         const struct tl_peer_info *peer) {
  struct tl_link *link = tl_endpoint_find(ep, peer->node_id);
  if (!link || tl_link_is_joining(link)) return NULL;
  if (memcmp(link->peer.key, peer->key, sizeof(peer->key)) != 0) return NULL;
  return memcmp(link->peer.boot_id, peer->boot_id, sizeof(peer->boot_id)) ? NULL : link;
}

/* True where we have let the peer's own handshake in already. */
static bool peer_is_first(const struct tl_endpoint *ep, const struct tl_peer_info *peer) {
  TL_LIST_FOR_EACH(l, &ep->links) {
    const struct tl_link *link = tl_container_of(l, struct tl_link, list);
    if (link->state == LINK_FRESH && !link->is_initiator &&
        !memcmp(link->peer.key, peer->key, sizeof(peer->key)))
      return true;
  }
  return false;
}

/* Makes the session of a good answer. 0 or an error. */
static int answer_take(struct attempt *a, uint64_t now) {
  struct tl_endpoint *ep = a->dial->ep;
  struct tl_secrets secrets;
  struct tl_peer_info peer;
  struct link_make make = {.secrets = &secrets,
                           .peer = &peer,
                           .is_initiator = true,
                           .choice = a->dial->wish.carrier,
                           .rtt = now - a->sent_at};
  make.path.remote = a->to;
  make.path.carrier = a->over_tcp ? TL_CARRIER_TCP : TL_CARRIER_UDP;
  int r = tl_handshake_take(a->handshake, &secrets, &peer, &make.local_index, &make.remote_index);
  if (r != 0) return r;
  struct tl_link *up = a->dial->wish.token ? NULL : link_of_same_boot(ep, &peer);
  if (up && !up->alive.is_unreachable) {
    tl_secrets_wipe(&secrets);
    dial_over(a->dial, TL_EVENT_DIALLED, TL_REASON_NONE, up);
    return 0;
  }
  bool is_held = up || peer_is_first(ep, &peer);
  tl_index_remove(ep, &a->index); /* it is the session's from now on */
  r = tl_link_new(ep, now, &make, &a->link);
  tl_secrets_wipe(&secrets);
  if (r < 0) return r;
  a->link->attempt = a;
  a->has_answer = true;
  if (!is_held) {
    a->finish_at = now;
    attempt_ready(a);
    return 0;
  }
  a->state = ATTEMPT_HELD;
  tl_list_remove(&a->ready);
  tl_due_set(&ep->due, &a->due, tl_time_add(now, ep->times.hold));
  return 0;
}

void tl_attempt_push(struct attempt *a, uint64_t now, const struct tl_path *path,
                     const uint8_t *packet, size_t size) {
  struct tl_endpoint *ep = a->dial->ep;
  if (a->state != ATTEMPT_RUNNING || (path->carrier == TL_CARRIER_TCP) != a->over_tcp) {
    ep->counters.drop_late++;
    return;
  }
  int r = tl_handshake_push(a->handshake, now, packet, size);
  tl_endpoint_check_clones(ep, now);
  if (r != 0) {
    a->refusal = r;
    if (is_authentic_refusal(r)) address_refused(a, now, r);
    return;
  }
  if (!tl_handshake_is_established(a->handshake) || a->link) {
    attempt_ready(a); /* a COOKIE, or the REPLY again: FINISH goes out once more */
    return;
  }
  ep->counters.handshakes_done++;
  if (answer_take(a, now) != 0) attempt_failed(a, now);
}

/* ---- Time and output ---- */

void tl_attempt_timeout(struct attempt *a, uint64_t now) {
  struct tl_link *up;
  switch (a->state) {
  case ATTEMPT_WAITING:
    if (a->over_tcp) {
      a->state = ATTEMPT_CONNECTING;
      tl_call_make(a->dial->ep, &a->call, &a->to);
    } else if (!attempt_run(a, now)) {
      attempt_failed(a, now);
    }
    return;
  case ATTEMPT_HELD:
    up = link_of_same_boot(a->dial->ep, &a->link->peer);
    if (up && !up->alive.is_unreachable) {
      dial_over(a->dial, TL_EVENT_DIALLED, TL_REASON_NONE, up);
      return;
    }
    a->state = ATTEMPT_RUNNING;
    a->finish_at = now;
    attempt_ready(a);
    return;
  case ATTEMPT_RUNNING:
    attempt_ready(a);
    return;
  default:
    return;
  }
}

void tl_attempt_connected(struct attempt *a, uint64_t now, struct connection *c) {
  a->connection = c;
  c->attempt = a;
  if (!attempt_run(a, now)) attempt_failed(a, now);
}

/* The connection failed, or broke before the session had it: another one, while the round lasts. */
void tl_attempt_disconnected(struct attempt *a, uint64_t now) {
  struct tl_endpoint *ep = a->dial->ep;
  if (a->state == ATTEMPT_OVER) return;
  uint64_t at = a->call.at > now ? a->call.at : tl_time_add(now, a->call.wait);
  a->connection = NULL;
  tl_attempt_end(a);
  if (a->dial->is_stale) {
    round_begin(a->dial, now);
    return;
  }
  a->state = ATTEMPT_WAITING;
  tl_due_set(&ep->due, &a->due, at);
}

/* FINISH is out: over TCP the connection becomes the session's first channel; over UDP a packet
 * of the session follows, so that one round trip proves the keys to both. */
static void finish_sent(struct attempt *a) {
  struct connection *c = a->connection;
  if (c) tl_connection_join(c, a->link, true);
  a->link->must_ping = !a->over_tcp;
  tl_link_touch(a->link);
}

int tl_attempt_poll(struct attempt *a, uint64_t now, struct tl_burst *out_burst) {
  struct tl_endpoint *ep = a->dial->ep;
  struct tl_path path = {.remote = a->to, .carrier = TL_CARRIER_UDP};
  size_t size = 0;
  if (!a->over_tcp && ep->is_udp_blocked) {
    tl_due_set(&ep->due, &a->due, tl_time_add(now, BLOCKED_WAIT));
    return TL_EMPTY;
  }
  int r = tl_handshake_poll(a->handshake, now, ep->out, &size);
  if (r == TL_EMPTY) {
    tl_due_set(&ep->due, &a->due, tl_handshake_deadline(a->handshake));
    return TL_EMPTY;
  }
  if (r < 0) {
    attempt_failed(a, now);
    return TL_EMPTY;
  }
  if (a->over_tcp && !a->connection) return TL_EMPTY; /* it is a channel now: no repetition */
  if (a->connection) path = a->connection->path;
  a->sent_at = now;
  *out_burst = (struct tl_burst){path, ep->out, size, size};
  if (a->link) finish_sent(a);
  return 0;
}

/* ---- Dials ---- */

static struct dial *dial_find(const struct tl_endpoint *ep, uint64_t number) {
  TL_LIST_FOR_EACH(l, &ep->dials) {
    struct dial *d = tl_container_of(l, struct dial, list);
    if (d->number == number && !d->is_over && !d->redials) return d;
  }
  return NULL;
}

static bool id_is_none(const uint8_t id[16]) {
  static const uint8_t none[16];
  return !memcmp(id, none, sizeof(none));
}

static bool addresses_are_valid(const struct tl_address *addresses, size_t count) {
  if (count < 1 || count > TL_DIAL_ADDRESSES_MAX) return false;
  for (size_t i = 0; i < count; i++)
    if (addresses[i].port == 0) return false;
  return true;
}

static int wish_check(const struct tl_endpoint *ep, const struct tl_dial *wish) {
  size_t count = 0;
  if (!addresses_are_valid(wish->addresses, wish->address_count) ||
      wish->carrier > TL_CARRIER_ONLY_TCP)
    return TULLE_E_INVALID;
  if (!memcmp(wish->node_id, ep->self.identity->node_id, 16)) return TULLE_E_REFUSED;
  const struct tl_link *up = tl_endpoint_find(ep, wish->node_id);
  if (up && !up->alive.is_unreachable && !wish->token && !tl_link_is_joining(up))
    return TULLE_E_EXISTS;
  TL_LIST_FOR_EACH(l, &ep->dials) {
    const struct dial *d = tl_container_of(l, struct dial, list);
    if (!d->is_over && !d->redials && !id_is_none(wish->node_id) && !wish->token &&
        !d->wish.token && !memcmp(d->wish.node_id, wish->node_id, 16))
      return TULLE_E_EXISTS;
    count++;
  }
  return count < DIALS_MAX ? 0 : TULLE_E_LIMIT;
}

static int dial_new(struct tl_endpoint *ep, uint64_t now, const struct tl_dial *wish,
                    struct dial **out_dial) {
  struct dial *d = calloc(1, sizeof(*d));
  if (!d) return TULLE_E_NO_MEMORY;
  *d = (struct dial){.ep = ep, .wish = *wish, .pause = ep->times.retry};
  if (wish->token) {
    d->token = *wish->token;
    d->wish.token = &d->token;
  }
  tl_note_init(&d->note, NOTE_DIAL);
  tl_list_init(&d->attempts);
  int r = tl_due_join(ep, &d->due, DUE_DIAL);
  if (r < 0) {
    free(d);
    return r;
  }
  tl_list_push_back(&ep->dials, &d->list);
  round_begin(d, now);
  *out_dial = d;
  return 0;
}

void tl_dial_free(struct dial *d) {
  attempts_free(d);
  if (d->redials) d->redials->redial = NULL;
  tl_due_leave(d->ep, &d->due);
  tl_list_remove(&d->note.list);
  tl_list_remove(&d->list);
  free(d);
}

int tl_endpoint_dial(struct tl_endpoint *ep, uint64_t now, const struct tl_dial *dial,
                     uint64_t *out_dial) {
  struct tl_dial wish = *dial;
  struct dial *d;
  ep->now = now;
  if (wish.token) memcpy(wish.node_id, wish.token->inviter_id, sizeof(wish.node_id));
  int r = wish_check(ep, &wish);
  if (r == 0) r = dial_new(ep, now, &wish, &d);
  if (r < 0) return r;
  d->number = ++ep->last_dial;
  *out_dial = d->number;
  return 0;
}

/* A session may be about to be proved: beginning again waits until it comes to nothing. */
static bool has_session(const struct dial *d) {
  TL_LIST_FOR_EACH(l, &d->attempts) {
    if (tl_container_of(l, struct attempt, list)->link) return true;
  }
  return false;
}

int tl_endpoint_dial_update(struct tl_endpoint *ep, uint64_t now, uint64_t dial,
                            const struct tl_address *addresses, size_t address_count) {
  struct dial *d = dial_find(ep, dial);
  ep->now = now;
  if (!d) return TULLE_E_NOT_FOUND;
  if (!addresses_are_valid(addresses, address_count)) return TULLE_E_INVALID;
  bool is_same = address_count == d->wish.address_count &&
                 !memcmp(addresses, d->wish.addresses, address_count * sizeof(*addresses));
  if (is_same && !d->is_pausing) return 0;
  memcpy(d->wish.addresses, addresses, address_count * sizeof(*addresses));
  d->wish.address_count = address_count;
  d->pause = ep->times.retry;
  if (has_session(d))
    d->is_stale = true;
  else
    round_begin(d, now);
  return 0;
}

void tl_endpoint_dial_cancel(struct tl_endpoint *ep, uint64_t now, uint64_t dial) {
  struct dial *d = dial_find(ep, dial);
  ep->now = now;
  if (d) tl_dial_free(d);
}

int tl_endpoint_dial_reason(const struct tl_endpoint *ep, uint64_t dial) {
  const struct dial *d = dial_find(ep, dial);
  return d ? round_reason(d) : TL_REASON_NONE;
}

/* ---- What links ask of dials ---- */

static bool dial_wants(const struct dial *d, const struct tl_link *link) {
  if (link->attempt && link->attempt->dial == d) return true;
  if ((d->wish.token != NULL) != link->peer.is_inviter || link->peer.joining) return false;
  if (!memcmp(d->wish.node_id, link->peer.node_id, 16)) return true;
  TL_LIST_FOR_EACH(l, &d->attempts) {
    const struct attempt *a = tl_container_of(l, struct attempt, list);
    if (a->link && !memcmp(a->link->peer.key, link->peer.key, sizeof(link->peer.key))) return true;
  }
  return false;
}

uint64_t tl_dials_fulfilled(struct tl_endpoint *ep, struct tl_link *link) {
  uint64_t number = 0;
  struct dial *own = link->attempt ? link->attempt->dial : NULL;
  if (link->attempt) { /* the handshake has done its work, and lets its session go */
    tl_handshake_confirm(link->attempt->handshake);
    link->attempt->link = NULL;
    link->attempt = NULL;
  }
  TL_LIST_FOR_EACH(l, &ep->dials) {
    struct dial *d = tl_container_of(l, struct dial, list);
    if (d->is_over || (d != own && !dial_wants(d, link))) continue;
    if (d->number && !number) {
      number = d->number;
      tl_dial_free(d);
    } else {
      dial_over(d, TL_EVENT_DIALLED, TL_REASON_NONE, link);
    }
  }
  return number;
}

/* A FINISH that is older went to a peer that has moved or restarted since, and decides nothing. */
static bool has_finish(const struct dial *d, const uint8_t key[32]) {
  TL_LIST_FOR_EACH(l, &d->attempts) {
    const struct attempt *a = tl_container_of(l, struct attempt, list);
    if (a->link && a->state == ATTEMPT_RUNNING && !memcmp(a->link->peer.key, key, 32) &&
        d->ep->now < tl_time_add(a->finish_at, FINISH_LIFE))
      return true;
  }
  return false;
}

bool tl_dials_have_finish(const struct tl_endpoint *ep, const uint8_t key[32]) {
  TL_LIST_FOR_EACH(l, &ep->dials) {
    if (has_finish(tl_container_of(l, struct dial, list), key)) return true;
  }
  return false;
}

void tl_dial_begin_redial(struct tl_link *link, uint64_t now) {
  struct tl_dial wish = {.address_count = 1, .carrier = link->choice};
  if (link->redial || tl_link_is_joining(link)) return;
  memcpy(wish.node_id, link->peer.node_id, sizeof(wish.node_id));
  wish.addresses[0] = link->route.is_known ? link->route.address : link->tcp_address;
  if (wish.addresses[0].port == 0) return;
  if (dial_new(link->ep, now, &wish, &link->redial) == 0) link->redial->redials = link;
}

void tl_dial_end_redial(struct tl_link *link) {
  if (link->redial) tl_dial_free(link->redial);
}

void tl_dial_link_is_back(struct tl_link *link) {
  TL_LIST_FOR_EACH(l, &link->ep->dials) {
    struct dial *d = tl_container_of(l, struct dial, list);
    if (d->is_over || d->wish.token || has_finish(d, link->peer.key)) continue;
    if (!memcmp(d->wish.node_id, link->peer.node_id, 16))
      dial_over(d, TL_EVENT_DIALLED, TL_REASON_NONE, link);
  }
}
