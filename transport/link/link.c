/*
 * One link: its making, its proof, its end, and what its owner may ask.
 *
 *     FRESH --a packet of the session was opened--> UP --end--> OVER --told, lingered--> gone
 *
 * A link is proved by the first packet of its session that opens: it shows each side that the other
 * holds the keys, which a replayed FINISH does not. Only then is it told, only then does it take the
 * place of an older link to the same node, and only then can lanes be opened, so no data of a lane
 * is ever lost to the choice between two handshakes.
 *
 * An ended link keeps its session for a second to repeat CLOSE, in case the first was lost, and its
 * flow until its owner has heard of the end.
 */
#include <stdlib.h>

#include "transport/link/endpoint_internal.h"

#define LINGER TL_S
#define CLOSES 3

/* ---- Making ---- */

static void link_lists_init(struct tl_link *link) {
  tl_list_init(&link->list);
  tl_list_init(&link->ready);
  tl_list_init(&link->channels);
  for (int i = 0; i < NOTE_LINK_COUNT; i++) tl_note_init(&link->notes[i], (enum note_kind)i);
  tl_call_init(&link->call, NULL, link);
}

static int link_make_session(struct tl_link *link, uint64_t now, const struct link_make *make) {
  struct tl_endpoint *ep = link->ep;
  struct tl_session_config session = {.parameters = ep->self.parameters,
                                      .random = ep->self.random,
                                      .is_initiator = make->is_initiator};
  struct tl_flow_config flow = {
      .is_initiator = make->is_initiator, .rtt_ns = make->rtt, .packet_bytes = TL_MTU_BASE};
  tl_endpoint_draw(ep, flow.secret, sizeof(flow.secret));
  link->session =
      tl_session_new(&session, now, make->secrets, make->local_index, make->remote_index);
  link->flow = tl_flow_new(&flow, now);
  if (!link->session || !link->flow) return TULLE_E_NO_MEMORY;
  return tl_link_index_add(link, make->local_index) ? 0 : TULLE_E_NO_MEMORY;
}

int tl_link_new(struct tl_endpoint *ep, uint64_t now, const struct link_make *make,
                struct tl_link **out_link) {
  if (ep->link_count >= ep->sessions_max) return TULLE_E_LIMIT;
  struct tl_link *link = calloc(1, sizeof(*link));
  if (!link) return TULLE_E_NO_MEMORY;
  *link = (struct tl_link){.ep = ep,
                           .is_initiator = make->is_initiator,
                           .peer = *make->peer,
                           .choice = make->choice,
                           .made_at = now,
                           .key_since = now,
                           .fresh_until = tl_time_add(now, ep->self.parameters->half_open_ns)};
  link_lists_init(link);
  if (tl_due_join(ep, &link->due, DUE_LINK) < 0) {
    free(link);
    return TULLE_E_NO_MEMORY;
  }
  ep->link_count++;
  tl_list_push_back(&ep->links, &link->list);
  int r = link_make_session(link, now, make);
  if (r < 0) {
    tl_link_free(link);
    return r;
  }
  tl_link_steer_init(link, now, &make->path);
  tl_link_touch(link);
  *out_link = link;
  return 0;
}

struct local_index *tl_link_index_add(struct tl_link *link, uint32_t value) {
  for (size_t i = 0; i < LINK_INDICES_MAX; i++) {
    struct local_index *index = &link->indices[i];
    if (index->value) continue;
    index->link = link;
    return tl_index_add(link->ep, index, value) == 0 ? index : NULL;
  }
  return NULL;
}

void tl_link_index_remove(struct tl_link *link, uint32_t value) {
  for (size_t i = 0; i < LINK_INDICES_MAX; i++)
    if (link->indices[i].value == value) tl_index_remove(link->ep, &link->indices[i]);
}

void tl_link_free(struct tl_link *link) {
  struct tl_endpoint *ep = link->ep;
  tl_link_rekey_end(link);
  tl_dial_end_redial(link);
  tl_call_end(&link->call);
  TL_LIST_FOR_EACH(l, &link->channels) {
    tl_connection_drop(tl_container_of(l, struct connection, of_link));
  }
  for (size_t i = 0; i < LINK_INDICES_MAX; i++) tl_index_remove(ep, &link->indices[i]);
  for (int i = 0; i < NOTE_LINK_COUNT; i++) tl_list_remove(&link->notes[i].list);
  if (tl_endpoint_find(ep, link->peer.node_id) == link)
    tl_table_remove(&ep->by_node, link->peer.node_id, sizeof(link->peer.node_id));
  if (link->session) tl_refusals_add(&ep->ended, &tl_session_stats(link->session)->refusals);
  link->session = tl_session_free(link->session);
  link->flow = tl_flow_free(link->flow);
  tl_due_leave(ep, &link->due);
  tl_list_remove(&link->ready);
  tl_list_remove(&link->list);
  ep->link_count--;
  free(link);
}

/* ---- Being used ---- */

void tl_link_touch(struct tl_link *link) {
  if (tl_list_is_empty(&link->ready)) tl_list_push_back(&link->ep->ready_links, &link->ready);
}

void tl_link_raise(struct tl_link *link, enum note_kind kind) {
  if (link->state == LINK_UP) tl_note_raise(link->ep, &link->notes[kind]);
}

bool tl_link_is_joining(const struct tl_link *link) {
  return link->peer.joining || link->peer.is_inviter;
}

static bool is_same_peer(const struct tl_link *a, const struct tl_link *b) {
  return !memcmp(a->peer.key, b->peer.key, sizeof(a->peer.key));
}

/* Other sessions with that peer that were not proved: this one was, so nobody will prove them. */
static void end_rivals(struct tl_link *link, uint64_t now) {
  TL_LIST_FOR_EACH(l, &link->ep->links) {
    struct tl_link *other = tl_container_of(l, struct tl_link, list);
    if (other != link && other->state == LINK_FRESH && !other->attempt && is_same_peer(link, other))
      tl_link_end(other, now, TL_REASON_REPLACED, 0, false);
  }
}

void tl_link_prove(struct tl_link *link, uint64_t now) {
  struct tl_endpoint *ep = link->ep;
  if (link->state != LINK_FRESH) return;
  link->dial = tl_dials_fulfilled(ep, link);
  end_rivals(link, now);
  struct tl_link *old = tl_endpoint_find(ep, link->peer.node_id);
  if (old) {
    bool is_restart = memcmp(old->peer.boot_id, link->peer.boot_id, sizeof(old->peer.boot_id)) != 0;
    tl_link_end(old, now, is_restart ? TL_REASON_RESTARTED : TL_REASON_REPLACED, 0, false);
  }
  if (tl_table_insert(&ep->by_node, link->peer.node_id, sizeof(link->peer.node_id), link) < 0) {
    tl_link_end(link, now, TL_REASON_LIMIT, 0, true);
    return;
  }
  link->state = LINK_UP;
  link->up_at = now;
  ep->counters.links++;
  tl_link_raise(link, NOTE_LINK_UP);
}

/* ---- Ending ---- */

static bool has_lingered(const struct tl_link *link) {
  return link->linger_until == 0;
}

void tl_link_release_handle(struct tl_link *link) {
  struct tl_endpoint *ep = link->ep;
  link->is_handle_dead = true;
  TL_LIST_FOR_EACH(l, &ep->dials) {
    struct dial *d = tl_container_of(l, struct dial, list);
    if (d->found == link) d->found = NULL;
  }
  if (ep->told_down == link) ep->told_down = NULL;
  for (int i = 0; i < NOTE_LINK_COUNT; i++) tl_list_remove(&link->notes[i].list);
  if (has_lingered(link)) tl_link_free(link);
}

void tl_link_end(struct tl_link *link, uint64_t now, int reason, uint32_t code, bool tell_peer) {
  struct tl_endpoint *ep = link->ep;
  if (link->state == LINK_OVER) return;
  bool was_up = link->state == LINK_UP;
  struct attempt *attempt = link->attempt;
  if (was_up) tl_link_raise(link, NOTE_LINK_DOWN);
  link->state = LINK_OVER;
  link->reason = reason;
  link->code = code;
  link->attempt = NULL;
  if (attempt) attempt->link = NULL;
  tl_link_rekey_end(link);
  tl_dial_end_redial(link);
  tl_call_end(&link->call);
  if (tl_endpoint_find(ep, link->peer.node_id) == link)
    tl_table_remove(&ep->by_node, link->peer.node_id, sizeof(link->peer.node_id));
  if (tell_peer) {
    link->closes_left = CLOSES;
    link->close_at = now;
    link->linger_until = tl_time_add(now, LINGER);
    tl_link_touch(link);
  } else {
    TL_LIST_FOR_EACH(l, &link->channels) {
      tl_connection_drop(tl_container_of(l, struct connection, of_link));
    }
    link->main = NULL;
  }
  if (!was_up) link->is_handle_dead = true;
  if (attempt) tl_attempt_end(attempt);
  if (link->is_handle_dead && has_lingered(link)) tl_due_set(&ep->due, &link->due, now);
}

void tl_link_close(struct tl_link *link, uint64_t now, uint32_t code) {
  link->ep->now = now;
  link->code = code;
  tl_link_end(link, now, TL_REASON_CLOSED, code, true);
  tl_link_release_handle(link);
}

/* ---- Asking ---- */

const struct tl_peer_info *tl_link_peer(const struct tl_link *link) {
  return &link->peer;
}

bool tl_link_is_initiator(const struct tl_link *link) {
  return link->is_initiator;
}

void tl_link_set_owner(struct tl_link *link, void *owner) {
  link->owner = owner;
}

void *tl_link_owner(const struct tl_link *link) {
  return link->owner;
}

struct tl_flow *tl_link_flow(struct tl_link *link) {
  return link->flow;
}

void tl_link_info(const struct tl_link *link, uint64_t now, struct tl_link_info *out_info) {
  struct tl_flow_stats flow;
  const struct tl_session_stats *session = tl_session_stats(link->session);
  tl_flow_stats(link->flow, &flow);
  *out_info = (struct tl_link_info){
      .path = tl_link_path(link),
      .is_reachable = link->state == LINK_UP && !link->alive.is_unreachable,
      .rtt = flow.rtt_ns,
      .rtt_min = flow.rtt_min_ns,
      .up_since = link->up_at,
      .heard_at = link->alive.heard_at,
      .key_age = now - link->key_since,
      .rekeys = link->rekeys,
      .moves = link->moves,
      .packets_sent = link->packets_out,
      .packets_received = link->packets_in,
      .bytes_sent = link->bytes_out,
      .bytes_received = link->bytes_in,
      .packets_lost = flow.packets_lost - flow.packets_spurious,
      .bytes_resent = flow.bytes_resent,
      .replays = session->refusals.count[TL_REFUSED_REPLAY - TL_REFUSED_SIZE],
      .forgeries = session->refusals.count[TL_REFUSED_TAG - TL_REFUSED_SIZE],
      .flight_bytes = flow.flight_bytes,
      .window_bytes = flow.window_bytes,
      .memory_bytes = sizeof *link + tl_session_memory_bytes() + flow.memory_bytes,
      .mtu = tl_mtu_size(&link->mtu),
      .lanes = (uint32_t)flow.lanes,
  };
  TL_LIST_FOR_EACH(l, &link->channels) {
    out_info->tcp_channels++;
  }
}

/* ---- Lanes ---- */

int tl_link_open_lane(struct tl_link *link, struct tl_lane **out_lane) {
  if (link->state != LINK_UP) return TULLE_E_CLOSED;
  tl_link_touch(link);
  return tl_flow_open(link->flow, out_lane);
}

int tl_link_send(struct tl_link *link, struct tl_lane *lane, enum tl_class class, uint8_t kind,
                 uint8_t flags, const struct iovec *pieces, size_t count) {
  if (link->state != LINK_UP) return TULLE_E_CLOSED;
  tl_link_touch(link);
  link->used_at = link->ep->now;
  return tl_lane_send(lane, class, kind, flags, pieces, count);
}

void tl_link_release(struct tl_link *link, struct tl_lane *lane) {
  tl_lane_release(lane);
  tl_link_touch(link);
}

int tl_link_finish(struct tl_link *link, struct tl_lane *lane) {
  tl_link_touch(link);
  return tl_lane_finish(lane);
}

void tl_link_close_lane(struct tl_link *link, struct tl_lane *lane, uint32_t reason) {
  tl_link_touch(link);
  tl_lane_close(lane, reason);
}
