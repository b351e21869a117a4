/*
 * What a link does by the clock: is the peer there, over which carrier, on which path, how large.
 *
 * Carriers. A link prefers UDP. When nothing valid has come for `tcp_after`, TCP is called; once a
 * channel is attached, both ends send there (the one because it asked, the other because it was
 * asked), and what was in flight over UDP is sent again. From then on each end probes UDP every
 * `path_retry` with a PATH_CHALLENGE, and goes back when it is answered. A channel stays attached
 * then, as a second way that needs no new connection: next time the one who misses UDP sends on it,
 * and the other follows. A channel that has gone silent as well is dropped and another one called.
 * A forced carrier does only its part of this.
 *
 * The side that began the session calls first; the other follows a little later, so that normally
 * one connection is made.
 *
 *   timers: alive.h, route.h, mtu.h, and of this file: tcp_after, call.at, fresh_until, linger_until
 */
#include "transport/link/endpoint_internal.h"

#define IDLE_AFTER   TL_S          /* nothing on any lane for so long: buffers are given back */
#define CALL_LATER   (250 * TL_MS) /* the responder's patience */
#define BLOCKED_WAIT (10 * TL_MS)
#define STUCK_UDP    (500 * TL_MS)
#define STUCK_SPARE  (2 * TL_S) /* a channel that was left, with records that nobody acknowledges */
#define STUCK_MAIN   (10 * TL_S) /* one in use: its records may wait in a slow socket */

struct tl_path tl_link_path(const struct tl_link *link) {
  if (link->on_tcp && link->main) return link->main->path;
  return (struct tl_path){.remote = link->route.address, .carrier = TL_CARRIER_UDP};
}

void tl_link_steer_init(struct tl_link *link, uint64_t now, const struct tl_path *path) {
  struct tl_endpoint *ep = link->ep;
  struct tl_alive_times alive = {ep->times.silence, ep->times.keep_alive, ep->times.ping,
                                 ep->times.unreachable};
  struct tl_route_times route = {ep->times.path_moves, ep->times.path_life, ep->times.path_retry};
  struct tl_address udp = path->remote;
  link->on_tcp = path->carrier == TL_CARRIER_TCP;
  link->tcp_address = path->remote;
  if (link->peer.tcp_port) link->tcp_address.port = link->peer.tcp_port;
  if (link->on_tcp) udp.port = link->peer.udp_port;
  tl_alive_init(&link->alive, &alive, !link->is_initiator, now);
  tl_route_init(&link->route, &route, udp.port ? &udp : NULL);
  tl_mtu_init(&link->mtu, ep->mtu_max, ep->times.mtu_retry, now);
  link->rekey.again_at = TL_NEVER;
}

/* ---- Carriers ---- */

bool tl_link_is_silent(const struct tl_link *link, uint64_t now) {
  return now >= tl_time_add(link->alive.heard_at, link->ep->times.tcp_after);
}

static void path_has_changed(struct tl_link *link) {
  link->moves++;
  tl_link_raise(link, NOTE_LINK_PATH);
  tl_link_touch(link);
}

static void probe_udp(struct tl_link *link, uint64_t now) {
  uint8_t challenge[TL_ROUTE_CHALLENGE_BYTES];
  if (link->choice != TL_CARRIER_AUTO || link->route.probe.is_on) return;
  tl_endpoint_draw(link->ep, challenge, sizeof(challenge));
  tl_route_probe(&link->route, now, challenge);
}

static void use_udp(struct tl_link *link) {
  if (!link->on_tcp || !link->route.is_known) return;
  link->on_tcp = false;
  link->main = NULL;
  link->ep->counters.carrier_moves++;
  tl_route_probe_end(&link->route);
  path_has_changed(link);
}

void tl_link_use_channel(struct tl_link *link, uint64_t now, struct connection *c) {
  if (link->state == LINK_OVER || link->main == c) return;
  if (!link->on_tcp) {
    tl_flow_channel_lost(link->flow, now, TL_FLOW_CHANNEL_UDP);
    link->ep->counters.carrier_moves++;
  }
  link->on_tcp = true;
  link->main = c;
  link->main_since = now;
  probe_udp(link, now);
  path_has_changed(link);
}

/* The peer has gone over to a channel that stands, which it does for want of UDP: we go with it, for
 * what we send by UDP may not arrive. Not when UDP was heard lately; then it has just come back
 * from there, and this record was under way. */
void tl_link_peer_sends_on(struct tl_link *link, uint64_t now, uint32_t channel) {
  if (channel == TL_FLOW_CHANNEL_UDP || link->main || link->choice == TL_CARRIER_ONLY_UDP ||
      now < tl_time_add(link->udp_heard_at, link->ep->times.silence))
    return;
  TL_LIST_FOR_EACH(l, &link->channels) {
    struct connection *c = tl_container_of(l, struct connection, of_link);
    if (c->name != channel || c->must_answer) continue;
    tl_link_use_channel(link, now, c);
    return;
  }
}

/* The session goes on without it; a session that was not proved yet does not. */
void tl_link_channel_gone(struct tl_link *link, uint64_t now, struct connection *c) {
  bool was_main = link->main == c;
  if (link->state == LINK_OVER) return;
  if (was_main) link->main = NULL;
  if (!c->has_attached) tl_call_failed(&link->call, now);
  if (c->name) tl_flow_channel_lost(link->flow, now, c->name);
  if (link->state == LINK_FRESH && link->on_tcp) {
    if (link->attempt)
      tl_attempt_disconnected(link->attempt, now);
    else
      tl_link_end(link, now, TL_REASON_SILENT, 0, false);
    return;
  }
  if (was_main && link->choice == TL_CARRIER_AUTO) use_udp(link);
  tl_link_touch(link);
}

static struct connection *other_channel(const struct tl_link *link) {
  for (struct tl_list *l = link->channels.prev; l != &link->channels; l = l->prev) {
    struct connection *c = tl_container_of(l, struct connection, of_link);
    if (c != link->main && c->has_attached && !c->must_answer) return c;
  }
  return NULL;
}

static bool is_attaching(const struct tl_link *link) {
  TL_LIST_FOR_EACH(l, &link->channels) {
    if (!tl_container_of(l, struct connection, of_link)->has_attached) return true;
  }
  return false;
}

static bool may_call(const struct tl_link *link) {
  return link->state == LINK_UP && link->choice != TL_CARRIER_ONLY_UDP && link->peer.tcp_port &&
         !tl_call_is_waiting(&link->call) && !is_attaching(link);
}

/* True while a channel is wanted and none is in use. */
static bool wants_channel(const struct tl_link *link, uint64_t now) {
  if (link->choice == TL_CARRIER_ONLY_TCP) return !link->main;
  return link->choice == TL_CARRIER_AUTO && !link->main &&
         (link->on_tcp || tl_link_is_silent(link, now));
}

static void drop_silent_channel(struct tl_link *link, uint64_t now) {
  struct connection *c = link->main;
  if (!c || !tl_link_is_silent(link, now) ||
      now < tl_time_add(link->main_since, link->ep->times.tcp_after))
    return;
  link->main = NULL;
  tl_flow_channel_lost(link->flow, now, c->name);
  tl_connection_drop(c);
}

/* A connection can die without a word, and what was sent on it would wait for ever. True: this one
 * has not got an answer for too long. */
static bool is_stuck(const struct tl_link *link, uint64_t now, struct connection *c) {
  uint64_t oldest, patience = c == link->main ? STUCK_MAIN : STUCK_SPARE;
  bool is_waiting = tl_flow_oldest(link->flow, c->name, &oldest);
  if (!is_waiting || !c->is_waiting || oldest != c->oldest) c->oldest_since = now;
  c->is_waiting = is_waiting;
  c->oldest = is_waiting ? oldest : 0;
  return is_waiting && now >= tl_time_add(c->oldest_since, patience);
}

static void drop_stuck_channels(struct tl_link *link, uint64_t now) {
  TL_LIST_FOR_EACH(l, &link->channels) {
    struct connection *c = tl_container_of(l, struct connection, of_link);
    if (!c->has_attached || !is_stuck(link, now, c)) continue;
    tl_link_channel_gone(link, now, c);
    tl_connection_drop(c);
  }
}

static void steer(struct tl_link *link, uint64_t now) {
  if (link->state != LINK_UP) return;
  drop_silent_channel(link, now);
  drop_stuck_channels(link, now);
  if (link->on_tcp) {
    probe_udp(link, now);
    if (tl_link_is_silent(link, now)) tl_route_probe_now(&link->route, now);
  }
  if (!wants_channel(link, now)) {
    link->call_from = 0;
    return;
  }
  struct connection *other = other_channel(link);
  if (other) {
    tl_link_use_channel(link, now, other);
    return;
  }
  if (!link->call_from) link->call_from = tl_time_add(now, link->is_initiator ? 0 : CALL_LATER);
  if (now >= link->call_from && now >= link->call.at && may_call(link))
    tl_call_make(link->ep, &link->call, &link->tcp_address);
}

void tl_link_set_carrier(struct tl_link *link, uint64_t now, enum tl_carrier_choice choice) {
  link->ep->now = now;
  if (link->state == LINK_OVER || choice == link->choice) return;
  link->choice = choice;
  if (choice == TL_CARRIER_ONLY_TCP) tl_route_probe_end(&link->route);
  if (choice == TL_CARRIER_ONLY_UDP) {
    tl_call_end(&link->call);
    use_udp(link);
    TL_LIST_FOR_EACH(l, &link->channels) {
      struct connection *c = tl_container_of(l, struct connection, of_link);
      tl_flow_channel_lost(link->flow, now, c->name);
      tl_connection_drop(c);
    }
  }
  steer(link, now);
  tl_link_touch(link);
}

/* ---- Paths and sizes ---- */

/* After a silence that long (a pause of either machine, a cut) what was in flight is gone, and the
 * time that its acknowledgement took, should one come, says nothing about the path. */
static void begin_path_anew(struct tl_link *link, uint64_t now) {
  struct tl_flow_stats flow;
  tl_flow_stats(link->flow, &flow);
  tl_flow_channel_lost(link->flow, now, TL_FLOW_CHANNEL_UDP);
  tl_flow_path_changed(link->flow, now, flow.rtt_min_ns);
}

void tl_link_heard(struct tl_link *link, uint64_t now) {
  if (now >= tl_time_add(link->alive.heard_at, link->ep->times.unreachable))
    begin_path_anew(link, now);
  if (!tl_alive_heard(&link->alive, now)) return;
  tl_link_raise(link, NOTE_LINK_REACH);
  tl_dial_link_is_back(link);
}

void tl_link_heard_from(struct tl_link *link, uint64_t now, const struct tl_address *from,
                        size_t size, bool is_highest) {
  uint8_t challenge[TL_ROUTE_CHALLENGE_BYTES];
  if (link->route.is_known && tl_address_is_equal(from, &link->route.address)) return;
  tl_endpoint_draw(link->ep, challenge, sizeof(challenge));
  tl_route_received(&link->route, now, from, size, is_highest, challenge);
}

void tl_link_path_response(struct tl_link *link, uint64_t now, const uint8_t *response) {
  switch (tl_route_response(&link->route, now, response)) {
  case TL_ROUTE_NOTHING:
    return;
  case TL_ROUTE_PASSES:
    use_udp(link);
    return;
  case TL_ROUTE_MOVED:
    break;
  }
  memcpy(link->tcp_address.ip, link->route.address.ip, sizeof(link->tcp_address.ip));
  link->tcp_address.scope = link->route.address.scope;
  link->ep->counters.path_moves++;
  tl_mtu_reset(&link->mtu, now);
  tl_flow_set_packet_bytes(link->flow, tl_mtu_size(&link->mtu));
  tl_flow_channel_lost(link->flow, now, TL_FLOW_CHANNEL_UDP);
  tl_flow_path_changed(link->flow, now, 0);
  path_has_changed(link);
}

void tl_link_mtu_mark(struct tl_link *link, uint64_t now, uint32_t mark, bool is_acked) {
  if (mark != link->mtu_mark) return;
  bool has_changed = is_acked ? tl_mtu_passed(&link->mtu, now) : tl_mtu_lost(&link->mtu, now);
  tl_link_touch(link);
  if (!has_changed) return;
  link->ep->counters.mtu_raised += is_acked;
  link->ep->counters.mtu_fallbacks += !is_acked;
  tl_flow_set_packet_bytes(link->flow, tl_mtu_size(&link->mtu));
}

/* True when the oldest packet in flight has been the same for long. */
static bool is_udp_stuck(struct tl_link *link, uint64_t now) {
  uint64_t oldest;
  if (!tl_flow_oldest(link->flow, TL_FLOW_CHANNEL_UDP, &oldest)) oldest = TL_NEVER;
  if (oldest != link->udp_oldest) link->udp_oldest_since = now;
  link->udp_oldest = oldest;
  return oldest != TL_NEVER && now >= tl_time_add(link->udp_oldest_since, STUCK_UDP);
}

/* Losses may mean that the path takes smaller packets than it did. */
static void doubt_size(struct tl_link *link, uint64_t now) {
  struct tl_flow_stats flow;
  bool is_stuck = is_udp_stuck(link, now);
  if (link->mtu.level == 0 || link->on_tcp) return;
  tl_flow_stats(link->flow, &flow);
  if (flow.packets_lost == link->lost_seen && !is_stuck) return;
  link->lost_seen = flow.packets_lost;
  tl_mtu_doubt(&link->mtu, now, is_stuck);
  tl_flow_set_packet_bytes(link->flow, tl_mtu_size(&link->mtu));
}

/* ---- Time ---- */

static bool is_busy(const struct tl_link *link) {
  for (struct tl_lane *lane = tl_flow_next_lane(link->flow, NULL); lane;
       lane = tl_flow_next_lane(link->flow, lane))
    if (tl_lane_number(lane) > 1) return true;
  return false;
}

/* Buffers that grew while the link was used are given back when it no longer is. */
static void trim_if_idle(struct tl_link *link, uint64_t now) {
  if (!link->used_at || now < tl_time_add(link->used_at, IDLE_AFTER)) return;
  link->used_at = 0;
  tl_flow_trim(link->flow);
}

static void check_alive(struct tl_link *link, uint64_t now) {
  if (link->attempt && link->attempt->state == ATTEMPT_HELD) return;
  switch (tl_alive_timeout(&link->alive, now, link->is_busy)) {
  case TL_ALIVE_QUIET:
    return;
  case TL_ALIVE_ASK:
    break;
  case TL_ALIVE_UNREACHABLE:
    tl_link_raise(link, NOTE_LINK_REACH);
    if (link->state == LINK_UP) tl_dial_begin_redial(link, now);
    break;
  }
  link->must_ping = true;
}

/* What the session has to say; false: the link is over. */
static bool poll_session(struct tl_link *link, uint64_t now) {
  struct tl_session_event e;
  while (tl_session_poll(link->session, now, &e) == 0) {
    switch (e.kind) {
    case TL_SESSION_REKEY:
      tl_link_rekey_event(link, now);
      break;
    case TL_SESSION_RETIRED:
      tl_link_index_remove(link, e.index);
      break;
    case TL_SESSION_OVER:
      tl_link_end(link, now, link->alive.is_unreachable ? TL_REASON_LOST : TL_REASON_EXPIRED, 0,
                  false);
      break;
    }
  }
  return link->state != LINK_OVER;
}

static void timeout_over(struct tl_link *link, uint64_t now) {
  if (link->linger_until && now >= link->linger_until) link->linger_until = 0;
  if (!link->linger_until && link->is_handle_dead)
    tl_link_free(link);
  else
    tl_link_touch(link);
}

void tl_link_timeout(struct tl_link *link, uint64_t now) {
  if (link->state != LINK_OVER && poll_session(link, now) && link->state == LINK_FRESH &&
      !link->attempt && now >= link->fresh_until)
    tl_link_end(link, now, TL_REASON_SILENT, 0, false);
  if (link->state == LINK_OVER) {
    timeout_over(link, now);
    return;
  }
  link->is_busy = is_busy(link);
  check_alive(link, now);
  steer(link, now);
  doubt_size(link, now);
  trim_if_idle(link, now);
  tl_link_rekey_timeout(link, now);
  tl_flow_timeout(link->flow, now);
  tl_link_raise(link, NOTE_LINK_LANES);
  tl_link_touch(link);
}

static uint64_t deadline_over(const struct tl_link *link) {
  if (!link->linger_until) return link->is_handle_dead ? 0 : TL_NEVER;
  uint64_t close = link->closes_left > 0 ? link->close_at : TL_NEVER;
  return tl_time_min(close, link->linger_until);
}

/* All that could leave has left, so what is due still waits for its path: look again later. */
static uint64_t flow_deadline(const struct tl_link *link, uint64_t now) {
  uint64_t at = tl_flow_deadline(link->flow);
  return at > now ? at : tl_time_add(now, BLOCKED_WAIT);
}

static uint64_t deadline_live(const struct tl_link *link, uint64_t now) {
  uint64_t at = tl_time_min(tl_session_deadline(link->session), flow_deadline(link, now));
  at = tl_time_min(at, link->rekey.again_at);
  if (link->state == LINK_FRESH && !link->attempt) at = tl_time_min(at, link->fresh_until);
  if (link->attempt && link->attempt->state == ATTEMPT_HELD) return at;
  at = tl_time_min(at, tl_alive_deadline(&link->alive, link->is_busy));
  if (link->state != LINK_UP) return at;
  at = tl_time_min(at, tl_route_deadline(&link->route));
  if (!link->on_tcp) at = tl_time_min(at, tl_mtu_deadline(&link->mtu));
  if (link->call_from && may_call(link))
    at = tl_time_min(at, link->call.at > link->call_from ? link->call.at : link->call_from);
  return at;
}

void tl_link_settle(struct tl_link *link, uint64_t now) {
  uint64_t at;
  if (link->state != LINK_OVER) poll_session(link, now);
  at = link->state == LINK_OVER ? deadline_over(link) : deadline_live(link, now);
  if (link->ep->is_udp_blocked && at < now + BLOCKED_WAIT) at = now + BLOCKED_WAIT;
  tl_due_set(&link->ep->due, &link->due, at);
}
