/*
 * The endpoint itself: tables, lists, the fork in the road for each packet, events, deadlines.
 *
 * It owns no rule of the protocol: it finds whom a packet is for, by the packet's type and
 * receiver_index over UDP and by the connection over TCP, and hands it on.
 */
#include "transport/link/endpoint.h"

#include <stdlib.h>

#include "transport/link/endpoint_internal.h"

/* ---- Notes, dues, indices, randomness ---- */

void tl_note_init(struct note *note, enum note_kind kind) {
  tl_list_init(&note->list);
  note->kind = kind;
}

void tl_note_raise(struct tl_endpoint *ep, struct note *note) {
  if (tl_list_is_empty(&note->list)) tl_list_push_back(&ep->notes, &note->list);
}

int tl_due_join(struct tl_endpoint *ep, struct tl_due *due, enum due_kind kind) {
  int r = tl_due_reserve(&ep->due, ep->due_owners + 1);
  if (r < 0) return r;
  ep->due_owners++;
  *due = (struct tl_due){.at = TL_NEVER, .kind = (int)kind};
  return 0;
}

void tl_due_leave(struct tl_endpoint *ep, struct tl_due *due) {
  tl_due_set(&ep->due, due, TL_NEVER);
  ep->due_owners--;
}

int tl_index_add(struct tl_endpoint *ep, struct local_index *index, uint32_t value) {
  index->value = value;
  int r = tl_table_insert(&ep->by_index, &index->value, sizeof(index->value), index);
  if (r < 0) index->value = 0;
  return r;
}

void tl_index_remove(struct tl_endpoint *ep, struct local_index *index) {
  if (index->value) tl_table_remove(&ep->by_index, &index->value, sizeof(index->value));
  index->value = 0;
}

static struct local_index *index_find(const struct tl_endpoint *ep, uint32_t value) {
  return tl_table_find(&ep->by_index, &value, sizeof(value));
}

static bool index_is_taken(void *context, uint32_t value) {
  struct tl_endpoint *ep = context;
  return index_find(ep, value) || tl_responder_has_index(ep->responder, value);
}

void tl_endpoint_draw(struct tl_endpoint *ep, void *out, size_t size) {
  tl_random_fill(ep->self.random, out, size);
}

void tl_refusals_add(struct tl_refusals *sum, const struct tl_refusals *more) {
  for (size_t i = 0; i < TL_REFUSAL_COUNT; i++) sum->count[i] += more->count[i];
}

/* ---- Life ---- */

void tl_endpoint_config_init(struct tl_endpoint_config *config) {
  *config = (struct tl_endpoint_config){
      .times =
          {
              .retry = TL_S,
              .retry_max = 60 * TL_S,
              .stagger = 50 * TL_MS,
              .tcp_after = TL_S,
              .silence = 500 * TL_MS,
              .keep_alive = 750 * TL_MS,
              .ping = 100 * TL_MS,
              .unreachable = 1500 * TL_MS,
              .hold = TL_S,
              .path_retry = 2 * TL_S,
              .path_life = 3 * TL_S,
              .path_moves = TL_S,
              .mtu_retry = 60 * TL_S,
              .stranger = 2 * TL_S,
          },
      .carrier = TL_CARRIER_AUTO,
      .sessions_max = TL_ENDPOINT_SESSIONS_MAX,
      .mtu_max = 8932,
  };
}

static bool config_is_valid(const struct tl_endpoint_config *c) {
  return c->self.identity && c->self.trust && c->self.random && c->self.parameters &&
         c->times.ping > 0 && c->times.unreachable > 0 && c->sessions_max > 0 &&
         c->mtu_max >= TL_MTU_BASE;
}

static void lists_init(struct tl_endpoint *ep) {
  struct tl_list *lists[] = {&ep->links,          &ep->dials,       &ep->connections, &ep->calls,
                             &ep->ready_attempts, &ep->ready_links, &ep->notes};
  for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) tl_list_init(lists[i]);
}

static void tables_init(struct tl_endpoint *ep) {
  struct tl_table *tables[] = {&ep->by_index, &ep->by_node, &ep->by_connection};
  uint8_t secret[16];
  for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
    tl_endpoint_draw(ep, secret, sizeof(secret));
    tl_table_init(tables[i], secret);
  }
}

int tl_endpoint_new(const struct tl_endpoint_config *config, uint64_t now,
                    struct tl_endpoint **out_endpoint) {
  if (!config_is_valid(config)) return TULLE_E_INVALID;
  struct tl_endpoint *ep = calloc(1, sizeof(*ep));
  if (!ep) return TULLE_E_NO_MEMORY;
  ep->self = config->self;
  ep->self.clones = &ep->clones;
  ep->self.index_is_taken = index_is_taken;
  ep->self.index_context = ep;
  ep->times = config->times;
  ep->carrier = config->carrier;
  ep->sessions_max = config->sessions_max;
  ep->mtu_max = config->mtu_max;
  ep->now = now;
  tl_clone_watch_init(&ep->clones);
  tl_note_init(&ep->cloned, NOTE_CLONED);
  lists_init(ep);
  tables_init(ep);
  tl_due_heap_init(&ep->due);
  ep->answers = calloc(ANSWERS_MAX, sizeof(struct answer));
  ep->out = malloc(TL_BURST_BYTES_MAX);
  ep->responder = tl_responder_new(&ep->self);
  if (!ep->answers || !ep->out || !ep->responder) {
    tl_endpoint_free(ep);
    return TULLE_E_NO_MEMORY;
  }
  *out_endpoint = ep;
  return 0;
}

struct tl_endpoint *tl_endpoint_free(struct tl_endpoint *ep) {
  if (!ep) return NULL;
  TL_LIST_FOR_EACH(l, &ep->dials) {
    tl_dial_free(tl_container_of(l, struct dial, list));
  }
  TL_LIST_FOR_EACH(l, &ep->connections) {
    tl_connection_free(tl_container_of(l, struct connection, list));
  }
  TL_LIST_FOR_EACH(l, &ep->links) {
    tl_link_free(tl_container_of(l, struct tl_link, list));
  }
  ep->responder = tl_responder_free(ep->responder);
  tl_table_deinit(&ep->by_index);
  tl_table_deinit(&ep->by_node);
  tl_table_deinit(&ep->by_connection);
  tl_due_heap_deinit(&ep->due);
  free(ep->answers);
  free(ep->out);
  free(ep);
  return NULL;
}

struct tl_self *tl_endpoint_self(struct tl_endpoint *ep) {
  return &ep->self;
}

/* ---- In ---- */

static void push_udp(struct tl_endpoint *ep, uint64_t now, const struct tl_path *path,
                     uint8_t *packet, size_t size) {
  uint32_t value = 0;
  struct local_index *index;
  switch (tl_packet_type_of(packet, size)) {
  case TL_PACKET_HELLO:
  case TL_PACKET_FINISH:
    tl_answer_push(ep, now, path, NULL, packet, size);
    return;
  case TL_PACKET_DATA:
  case TL_PACKET_COOKIE:
  case TL_PACKET_REPLY:
    break;
  case TL_PACKET_RECORD:
  case TL_PACKET_ATTACH:
    ep->counters.drop_carrier++;
    return;
  default:
    tl_refuse(&ep->counters.dropped, size ? TL_REFUSED_TYPE : TL_REFUSED_SIZE);
    return;
  }
  if (tl_packet_receiver_index(packet, size, &value) < 0) {
    tl_refuse(&ep->counters.dropped, TL_REFUSED_SIZE);
    return;
  }
  index = index_find(ep, value);
  if (index && index->link && packet[0] == TL_PACKET_DATA)
    tl_link_push_data(index->link, now, path, packet, size);
  else if (index && index->attempt && packet[0] != TL_PACKET_DATA)
    tl_attempt_push(index->attempt, now, path, packet, size);
  else
    tl_refuse(&ep->counters.dropped, TL_REFUSED_INDEX);
}

void tl_endpoint_push(struct tl_endpoint *ep, uint64_t now, const struct tl_path *path,
                      uint8_t *packet, size_t size) {
  ep->now = now;
  ep->counters.packets_received++;
  ep->counters.bytes_received += size;
  if (path->carrier == TL_CARRIER_UDP) {
    push_udp(ep, now, path, packet, size);
    return;
  }
  struct connection *c = tl_connection_find(ep, path->connection);
  if (c)
    tl_connection_push(c, now, packet, size);
  else
    ep->counters.drop_late++;
}

void tl_endpoint_check_clones(struct tl_endpoint *ep, uint64_t now) {
  if (ep->clones.alarms == ep->counters.clone_alarms) return;
  ep->counters.clone_alarms = ep->clones.alarms;
  const struct tl_clone_entry *worst = NULL;
  for (size_t i = 0; i < TL_CLONE_KEYS_MAX; i++) {
    const struct tl_clone_entry *e = &ep->clones.entries[i];
    if (e->seen_ns && e->refused_until_ns > now && (!worst || e->seen_ns > worst->seen_ns))
      worst = e;
  }
  if (!worst) return;
  tl_node_id_of(worst->key, ep->cloned_id);
  tl_note_raise(ep, &ep->cloned);
  struct tl_link *link = tl_endpoint_find(ep, ep->cloned_id);
  if (link) tl_link_end(link, now, TL_REFUSED_CLONE, TL_REASON_NONE, true);
}

void tl_endpoint_refresh_trust(struct tl_endpoint *ep, uint64_t now) {
  struct tl_certificate certificate;
  ep->now = now;
  TL_LIST_FOR_EACH(l, &ep->links) {
    struct tl_link *link = tl_container_of(l, struct tl_link, list);
    if (link->state == LINK_OVER || !link->peer.has_certificate || link->peer.is_inviter) continue;
    int r = tl_trust_check(ep->self.trust, link->peer.certificate_bytes,
                           sizeof(link->peer.certificate_bytes), link->peer.key, ep->self.wall_s,
                           &certificate);
    if (r != 0) tl_link_end(link, now, r, TL_REASON_NONE, true);
  }
}

/* ---- Out ---- */

static int poll_attempts(struct tl_endpoint *ep, uint64_t now, struct tl_burst *out_burst) {
  struct tl_list *l;
  while ((l = tl_list_pop_front(&ep->ready_attempts))) {
    struct attempt *a = tl_container_of(l, struct attempt, ready);
    if (tl_attempt_poll(a, now, out_burst) != 0) continue;
    tl_list_remove(&a->ready);
    tl_list_push_back(&ep->ready_attempts, &a->ready);
    return 0;
  }
  return TL_EMPTY;
}

/* A link that may have more goes to the back, so that all have their turn. */
static int poll_links(struct tl_endpoint *ep, uint64_t now, struct tl_burst *out_burst) {
  struct tl_list *l;
  while ((l = tl_list_pop_front(&ep->ready_links))) {
    struct tl_link *link = tl_container_of(l, struct tl_link, ready);
    if (tl_link_poll(link, now, out_burst) != 0) continue;
    link->packets_out += (out_burst->size + out_burst->packet_bytes - 1) / out_burst->packet_bytes;
    link->bytes_out += out_burst->size;
    if (tl_link_is_drained(link, now))
      tl_link_settle(link, now);
    else
      tl_link_touch(link);
    return 0;
  }
  return TL_EMPTY;
}

int tl_endpoint_poll(struct tl_endpoint *ep, uint64_t now, struct tl_burst *out_burst) {
  struct tl_burst burst;
  ep->now = now;
  int r = tl_answer_poll(ep, &burst);
  if (r == TL_EMPTY) r = poll_attempts(ep, now, &burst);
  if (r == TL_EMPTY) r = poll_links(ep, now, &burst);
  if (r != 0) return TL_EMPTY;
  ep->counters.packets_sent += (burst.size + burst.packet_bytes - 1) / burst.packet_bytes;
  ep->counters.bytes_sent += burst.size;
  *out_burst = burst;
  return 0;
}

uint64_t tl_endpoint_deadline(const struct tl_endpoint *ep) {
  const struct tl_due *first = tl_due_first(&ep->due);
  if (!tl_list_is_empty(&ep->ready_links) || !tl_list_is_empty(&ep->ready_attempts)) return ep->now;
  return first ? first->at : TL_NEVER;
}

void tl_endpoint_timeout(struct tl_endpoint *ep, uint64_t now) {
  struct tl_due *due;
  ep->now = now;
  while ((due = tl_due_first(&ep->due)) && due->at <= now) {
    tl_due_set(&ep->due, due, TL_NEVER);
    switch ((enum due_kind)due->kind) {
    case DUE_LINK:
      tl_link_timeout(tl_container_of(due, struct tl_link, due), now);
      break;
    case DUE_DIAL:
      tl_dial_timeout(tl_container_of(due, struct dial, due), now);
      break;
    case DUE_ATTEMPT:
      tl_attempt_timeout(tl_container_of(due, struct attempt, due), now);
      break;
    case DUE_CONNECTION:
      tl_connection_timeout(tl_container_of(due, struct connection, due), now);
      break;
    }
  }
}

void tl_endpoint_blocked(struct tl_endpoint *ep, const struct tl_path *path) {
  if (path->carrier == TL_CARRIER_UDP) {
    ep->is_udp_blocked = true;
    return;
  }
  struct connection *c = tl_connection_find(ep, path->connection);
  if (c) c->is_blocked = true;
}

void tl_endpoint_writable(struct tl_endpoint *ep, const struct tl_path *path) {
  if (path->carrier == TL_CARRIER_UDP) {
    ep->is_udp_blocked = false;
    TL_LIST_FOR_EACH(l, &ep->links) {
      tl_link_touch(tl_container_of(l, struct tl_link, list));
    }
    return;
  }
  struct connection *c = tl_connection_find(ep, path->connection);
  if (!c) return;
  c->is_blocked = false;
  if (c->link) tl_link_touch(c->link);
}

/* ---- Events ---- */

static const enum tl_endpoint_event_type LANE_EVENTS[] = {
    [TL_FLOW_LANE_OPENED] = TL_EVENT_LANE_OPENED, [TL_FLOW_READABLE] = TL_EVENT_LANE_READABLE,
    [TL_FLOW_WRITABLE] = TL_EVENT_LANE_WRITABLE,  [TL_FLOW_FINISHED] = TL_EVENT_LANE_FINISHED,
    [TL_FLOW_RESET] = TL_EVENT_LANE_RESET,
};

/* The next of a link's lanes; marks are for us alone. */
static int event_of_lanes(struct tl_link *link, struct tl_endpoint_event *out) {
  struct tl_flow_event e;
  while (tl_flow_event(link->flow, &e) == 0) {
    if (e.type == TL_FLOW_MARK_ACKED || e.type == TL_FLOW_MARK_LOST) {
      tl_link_mtu_mark(link, link->ep->now, e.mark, e.type == TL_FLOW_MARK_ACKED);
      continue;
    }
    *out = (struct tl_endpoint_event){
        .type = LANE_EVENTS[e.type], .link = link, .lane = e.lane, .code = e.reason};
    return 0;
  }
  return TL_EMPTY;
}

static void event_of_link(struct tl_link *link, enum note_kind kind,
                          struct tl_endpoint_event *out) {
  *out = (struct tl_endpoint_event){.link = link, .path = tl_link_path(link)};
  switch (kind) {
  case NOTE_LINK_UP:
    out->type = TL_EVENT_LINK_UP;
    out->dial = link->dial;
    return;
  case NOTE_LINK_REACH:
    out->type = link->alive.is_unreachable ? TL_EVENT_LINK_UNREACHABLE : TL_EVENT_LINK_REACHABLE;
    return;
  case NOTE_LINK_PATH:
    out->type = TL_EVENT_LINK_PATH;
    return;
  default:
    break;
  }
  out->type = TL_EVENT_LINK_DOWN;
  out->reason = link->reason;
  out->code = link->code;
  link->ep->told_down = link;
}

static void event_of_dial(struct dial *d, struct tl_endpoint_event *out) {
  *out = (struct tl_endpoint_event){
      .type = d->outcome, .dial = d->number, .reason = d->reason, .link = d->found};
  if (d->is_over) tl_dial_free(d);
}

static void event_of_connection(struct connection *c, struct tl_endpoint_event *out) {
  *out = (struct tl_endpoint_event){.type = TL_EVENT_DISCONNECT, .path = c->path};
  tl_connection_free(c);
}

static void event_of_call(struct call *call, struct tl_endpoint_event *out) {
  *out = (struct tl_endpoint_event){.type = TL_EVENT_CONNECT,
                                    .path = {.remote = call->to, .carrier = TL_CARRIER_TCP}};
}

int tl_endpoint_event(struct tl_endpoint *ep, struct tl_endpoint_event *out_event) {
  if (ep->told_down) tl_link_release_handle(ep->told_down);
  ep->told_down = NULL;
  while (!tl_list_is_empty(&ep->notes)) {
    struct note *note = tl_container_of(ep->notes.next, struct note, list);
    enum note_kind kind = note->kind;
    if (kind == NOTE_LINK_LANES) {
      struct tl_link *link = tl_container_of(note, struct tl_link, notes[NOTE_LINK_LANES]);
      if (event_of_lanes(link, out_event) == 0) return 0;
      tl_list_remove(&note->list);
      continue;
    }
    tl_list_remove(&note->list);
    switch (kind) {
    case NOTE_DIAL:
      event_of_dial(tl_container_of(note, struct dial, note), out_event);
      break;
    case NOTE_CALL:
      event_of_call(tl_container_of(note, struct call, note), out_event);
      break;
    case NOTE_DISCONNECT:
      event_of_connection(tl_container_of(note, struct connection, note), out_event);
      break;
    case NOTE_CLONED:
      *out_event = (struct tl_endpoint_event){.type = TL_EVENT_CLONED};
      memcpy(out_event->node_id, ep->cloned_id, sizeof(out_event->node_id));
      break;
    default: /* notes of a link lie in one array, in the order of their kinds */
      event_of_link(tl_container_of(note - kind, struct tl_link, notes[0]), kind, out_event);
      break;
    }
    return 0;
  }
  return TL_EMPTY;
}

/* ---- Asking ---- */

struct tl_link *tl_endpoint_find(const struct tl_endpoint *ep, const uint8_t node_id[16]) {
  return tl_table_find(&ep->by_node, node_id, 16);
}

struct tl_link *tl_endpoint_next_link(const struct tl_endpoint *ep, size_t *cursor) {
  return tl_table_next(&ep->by_node, cursor);
}

/* What crypto counts of live handshakes and sessions is added to what those that are over left. */
void tl_endpoint_counters(const struct tl_endpoint *ep, struct tl_endpoint_counters *out_counters) {
  const struct tl_responder_stats *responder = tl_responder_stats(ep->responder);
  struct tl_endpoint_counters c = ep->counters;
  tl_refusals_add(&c.dropped, &ep->ended);
  tl_refusals_add(&c.dropped, &responder->refusals);
  TL_LIST_FOR_EACH(l, &ep->links) {
    struct tl_link *link = tl_container_of(l, struct tl_link, list);
    tl_refusals_add(&c.dropped, &tl_session_stats(link->session)->refusals);
  }
  TL_LIST_FOR_EACH(l, &ep->dials) {
    struct dial *d = tl_container_of(l, struct dial, list);
    TL_LIST_FOR_EACH(m, &d->attempts) {
      struct attempt *a = tl_container_of(m, struct attempt, list);
      if (a->handshake) tl_refusals_add(&c.dropped, tl_handshake_refusals(a->handshake));
    }
  }
  c.cookies_sent = responder->cookies;
  c.replies_sent = c.dh_operations = responder->replies;
  c.replies_resent = responder->resent;
  *out_counters = c;
}

static const char *const REASONS[] = {
    [TL_REASON_NONE] = "none",
    [TL_REASON_CLOSED] = "closed by the peer",
    [TL_REASON_LOST] = "lost: no word from the peer until its keys expired",
    [TL_REASON_EXPIRED] = "the keys reached a hard limit",
    [TL_REASON_RESTARTED] = "the peer's machine has restarted",
    [TL_REASON_REPLACED] = "replaced by a new session of the peer",
    [TL_REASON_PROTOCOL] = "the peer broke the protocol",
    [TL_REASON_SILENT] = "nobody answers",
    [TL_REASON_IGNORED] = "the peer answers and does not let this node in",
    [TL_REASON_LIMIT] = "too many sessions, or out of memory",
};

const char *tl_link_reason_text(int reason) {
  if (reason >= 0 && (size_t)reason < sizeof(REASONS) / sizeof(REASONS[0])) return REASONS[reason];
  const char *name = tl_refusal_name(reason);
  return name ? name : "unknown";
}
