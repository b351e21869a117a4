/*
 * TCP connections: who may stay, what each is for, and calls for new ones.
 *
 *     accepted: STRANGER --valid HELLO--> GUEST --FINISH, ATTACH--> CHANNEL
 *               STRANGER ------------------------ATTACH-----------> CHANNEL
 *     dialled:  CALLER (of an attempt) --FINISH sent--> CHANNEL; for a link: CHANNEL at once
 *
 * A stranger has two seconds and one chance: the first packet that is no valid HELLO or ATTACH ends
 * the connection, and no byte is sent before one. At most 64 strangers are there at a time and four
 * of one source; a newcomer beyond that takes the place of the oldest (of its source), because an
 * honest one speaks at once.
 *
 * A connection becomes a link's channel by ATTACH, numbered n by its opener, strictly rising. In the
 * flow it is called 2n where the session's initiator opened it and 2n + 1 otherwise, which is the
 * same at both ends.
 */
#include <stdlib.h>

#include "transport/link/endpoint_internal.h"

#define CALL_WAIT_FIRST (500 * TL_MS)
#define CALL_WAIT_MAX   (4 * TL_S)

/* ---- Calls ---- */

void tl_call_init(struct call *call, struct attempt *attempt, struct tl_link *link) {
  *call = (struct call){.attempt = attempt, .link = link, .wait = CALL_WAIT_FIRST};
  tl_list_init(&call->list);
  tl_note_init(&call->note, NOTE_CALL);
}

void tl_call_make(struct tl_endpoint *ep, struct call *call, const struct tl_address *to) {
  call->to = *to;
  tl_list_push_back(&ep->calls, &call->list);
  tl_note_raise(ep, &call->note);
}

void tl_call_end(struct call *call) {
  tl_list_remove(&call->list);
  tl_list_remove(&call->note.list);
}

bool tl_call_is_waiting(const struct call *call) {
  return !tl_list_is_empty(&call->list);
}

void tl_call_failed(struct call *call, uint64_t now) {
  call->at = tl_time_add(now, call->wait);
  call->wait = tl_time_min(2 * call->wait, CALL_WAIT_MAX);
}

/* The oldest call for that address that has been told. */
static struct call *call_find(struct tl_endpoint *ep, const struct tl_address *to) {
  TL_LIST_FOR_EACH(l, &ep->calls) {
    struct call *call = tl_container_of(l, struct call, list);
    if (tl_list_is_empty(&call->note.list) && tl_address_is_equal(&call->to, to)) return call;
  }
  return NULL;
}

static void call_failed(struct tl_endpoint *ep, uint64_t now, const struct tl_address *to) {
  struct call *call = call_find(ep, to);
  if (!call) return;
  tl_call_end(call);
  tl_call_failed(call, now);
  if (call->attempt) tl_attempt_disconnected(call->attempt, now);
  if (call->link) tl_link_touch(call->link);
}

/* ---- Connections ---- */

struct connection *tl_connection_find(const struct tl_endpoint *ep, uint32_t number) {
  return tl_table_find(&ep->by_connection, &number, sizeof(number));
}

void tl_connection_admit(struct connection *c, uint64_t now) {
  c->role = CONNECTION_GUEST;
  tl_due_set(&c->ep->due, &c->due, tl_time_add(now, c->ep->self.parameters->half_open_ns));
}

static struct connection *connection_new(struct tl_endpoint *ep, const struct tl_path *path,
                                         bool is_accepted) {
  struct connection *c = calloc(1, sizeof(*c));
  if (!c) return NULL;
  *c = (struct connection){
      .ep = ep, .path = *path, .is_accepted = is_accepted, .role = CONNECTION_OVER};
  tl_list_init(&c->of_link);
  tl_note_init(&c->note, NOTE_DISCONNECT);
  if (tl_due_join(ep, &c->due, DUE_CONNECTION) < 0) goto free_connection;
  if (tl_table_insert(&ep->by_connection, &c->path.connection, sizeof(c->path.connection), c) < 0)
    goto leave;
  tl_list_push_back(&ep->connections, &c->list);
  return c;

leave:
  tl_due_leave(ep, &c->due);
free_connection:
  free(c);
  return NULL;
}

/* Takes it away from whom it served. */
static void connection_detach(struct connection *c) {
  if (c->attempt) c->attempt->connection = NULL;
  c->attempt = NULL;
  if (c->link && c->slot) tl_session_detach(c->link->session, c->slot);
  c->slot = 0;
  tl_list_remove(&c->of_link);
  c->link = NULL;
  c->role = CONNECTION_OVER;
}

void tl_connection_free(struct connection *c) {
  connection_detach(c);
  tl_table_remove(&c->ep->by_connection, &c->path.connection, sizeof(c->path.connection));
  tl_due_leave(c->ep, &c->due);
  tl_list_remove(&c->note.list);
  tl_list_remove(&c->list);
  free(c);
}

void tl_connection_drop(struct connection *c) {
  if (c->role == CONNECTION_STRANGER) c->ep->counters.strangers_closed++;
  connection_detach(c);
  tl_due_set(&c->ep->due, &c->due, TL_NEVER);
  tl_table_remove(&c->ep->by_connection, &c->path.connection, sizeof(c->path.connection));
  tl_note_raise(c->ep, &c->note);
}

void tl_connection_join(struct connection *c, struct tl_link *link, bool attach) {
  if (c->attempt) c->attempt->connection = NULL;
  c->attempt = NULL;
  c->link = link;
  c->must_attach = attach;
  c->role = CONNECTION_CHANNEL;
  tl_list_push_back(&link->channels, &c->of_link);
  tl_due_set(&c->ep->due, &c->due,
             tl_time_add(c->ep->now, link->ep->self.parameters->half_open_ns));
  tl_link_touch(link);
}

/* ---- Opened and closed ---- */

static struct connection *oldest_stranger(struct tl_endpoint *ep, const struct tl_address *source,
                                          size_t *out_count) {
  struct connection *oldest = NULL;
  *out_count = 0;
  TL_LIST_FOR_EACH(l, &ep->connections) {
    struct connection *c = tl_container_of(l, struct connection, list);
    if (c->role != CONNECTION_STRANGER) continue;
    if (source && memcmp(c->path.remote.ip, source->ip, sizeof(source->ip)) != 0) continue;
    if (!oldest) oldest = c;
    ++*out_count;
  }
  return oldest;
}

static void make_room(struct tl_endpoint *ep, const struct tl_address *source) {
  size_t count;
  struct connection *c = oldest_stranger(ep, source, &count);
  if (count >= TL_ENDPOINT_STRANGERS_EACH) tl_connection_drop(c);
  c = oldest_stranger(ep, NULL, &count);
  if (count >= TL_ENDPOINT_STRANGERS_MAX) tl_connection_drop(c);
}

static void opened_by_call(struct tl_endpoint *ep, uint64_t now, struct connection *c) {
  struct call *call = call_find(ep, &c->path.remote);
  if (!call) { /* whoever wanted it has gone meanwhile */
    tl_connection_drop(c);
    return;
  }
  tl_call_end(call);
  if (call->attempt) {
    c->role = CONNECTION_CALLER;
    tl_attempt_connected(call->attempt, now, c);
  } else {
    tl_connection_join(c, call->link, true);
  }
}

void tl_endpoint_opened(struct tl_endpoint *ep, uint64_t now, const struct tl_path *path,
                        bool accepted) {
  ep->now = now;
  if (tl_connection_find(ep, path->connection)) return;
  if (accepted) make_room(ep, &path->remote);
  struct connection *c = connection_new(ep, path, accepted);
  if (!c) return;
  if (!accepted) {
    opened_by_call(ep, now, c);
    return;
  }
  ep->counters.strangers++;
  c->role = CONNECTION_STRANGER;
  tl_due_set(&ep->due, &c->due, tl_time_add(now, ep->times.stranger));
  if (ep->carrier == TL_CARRIER_ONLY_UDP) tl_connection_drop(c);
}

void tl_endpoint_closed(struct tl_endpoint *ep, uint64_t now, const struct tl_path *path,
                        int error) {
  ep->now = now;
  struct connection *c = tl_connection_find(ep, path->connection);
  if (!c) {
    call_failed(ep, now, &path->remote);
    return;
  }
  struct attempt *attempt = c->attempt;
  struct tl_link *link = c->link;
  if (c->role == CONNECTION_STRANGER) ep->counters.strangers_closed++;
  if (link && link->state != LINK_OVER) {
    ep->counters.truncations += error == 0;
    tl_link_channel_gone(link, now, c);
  }
  tl_connection_free(c);
  if (attempt) tl_attempt_disconnected(attempt, now);
}

void tl_connection_timeout(struct connection *c, uint64_t now) {
  struct attempt *attempt = c->attempt;
  if (c->role == CONNECTION_CHANNEL && c->has_attached) return;
  if (c->link) tl_link_channel_gone(c->link, now, c);
  tl_connection_drop(c);
  if (attempt) tl_attempt_disconnected(attempt, now);
}

/* ---- ATTACH ---- */

static bool name_channel(struct connection *c, const uint8_t *packet, bool by_initiator) {
  uint64_t number = tl_load_le(packet + 8, 8);
  if (number > UINT32_MAX / 2 - 1) return false;
  c->name = (uint32_t)(2 * number + !by_initiator);
  return true;
}

int tl_connection_poll_attach(struct connection *c, uint64_t now, struct tl_burst *out_burst) {
  struct tl_link *link = c->link;
  uint8_t *packet = c->ep->out;
  size_t size = 0;
  int r;
  if (!c->must_attach && !c->must_answer) return TL_EMPTY;
  if (c->must_attach)
    r = tl_session_attach(link->session, now, packet, 0, &size, &c->slot);
  else
    r = tl_session_attach_answer(link->session, now, c->slot, packet, 0, &size);
  if (r != 0) {
    tl_link_channel_gone(link, now, c);
    tl_connection_drop(c);
    return TL_EMPTY;
  }
  bool is_answer = c->must_answer;
  c->must_attach = c->must_answer = false;
  *out_burst = (struct tl_burst){c->path, packet, size, size};
  if (is_answer)
    tl_link_use_channel(link, now, c);
  else if (!name_channel(c, packet, link->is_initiator))
    tl_connection_drop(c);
  return 0;
}

/* The peer's ATTACH. False: the connection is of no use. */
static bool attach_accept(struct connection *c, uint64_t now, uint8_t *packet, size_t size) {
  struct tl_endpoint *ep = c->ep;
  struct tl_opened opened;
  uint32_t value = 0;
  struct local_index *index = NULL;
  if (tl_packet_receiver_index(packet, size, &value) == 0)
    index = tl_table_find(&ep->by_index, &value, sizeof(value));
  if (!index || !index->link || index->link->state == LINK_OVER) {
    tl_refuse(&ep->counters.dropped, TL_REFUSED_INDEX);
    return false;
  }
  struct tl_link *link = index->link;
  if (link->choice == TL_CARRIER_ONLY_UDP) {
    ep->counters.drop_carrier++;
    return false;
  }
  unsigned slot = 0;
  if (tl_session_attach_accept(link->session, now, packet, size, &opened, &slot) != 0) return false;
  tl_connection_join(c, link, false);
  c->slot = slot;
  c->has_attached = c->must_answer = true;
  if (!name_channel(c, packet, !link->is_initiator)) return false;
  tl_link_take_attach(link, now, &opened);
  return true;
}

/* The answer to ours. */
static bool attach_confirm(struct connection *c, uint64_t now, uint8_t *packet, size_t size) {
  struct tl_opened opened;
  struct tl_link *link = c->link;
  if (tl_session_attach_confirm(link->session, now, c->slot, packet, size, &opened) != 0)
    return false;
  c->has_attached = true;
  link->call.wait = CALL_WAIT_FIRST;
  tl_link_use_channel(link, now, c);
  tl_link_take_attach(link, now, &opened);
  return true;
}

/* ---- Packets ---- */

static bool push_attach(struct connection *c, uint64_t now, uint8_t *packet, size_t size) {
  if (c->role == CONNECTION_STRANGER || c->role == CONNECTION_GUEST)
    return attach_accept(c, now, packet, size);
  if (c->role == CONNECTION_CHANNEL && c->slot && !c->is_accepted && !c->has_attached)
    return attach_confirm(c, now, packet, size);
  c->ep->counters.drop_carrier++;
  return false;
}

/* False: nobody honest sends this here. */
static bool push_by_type(struct connection *c, uint64_t now, uint8_t *packet, size_t size) {
  bool is_outside = c->role == CONNECTION_STRANGER || c->role == CONNECTION_GUEST;
  switch (tl_packet_type_of(packet, size)) {
  case TL_PACKET_HELLO:
  case TL_PACKET_FINISH:
    if (!is_outside) break;
    tl_answer_push(c->ep, now, &c->path, c, packet, size);
    return true;
  case TL_PACKET_REPLY:
    if (c->role != CONNECTION_CALLER) break;
    tl_attempt_push(c->attempt, now, &c->path, packet, size);
    return true;
  case TL_PACKET_ATTACH:
    return push_attach(c, now, packet, size);
  case TL_PACKET_RECORD:
    if (c->role != CONNECTION_CHANNEL || !c->has_attached) break;
    return tl_link_push_record(c->link, now, c, packet, size);
  default:
    break;
  }
  c->ep->counters.drop_carrier++;
  return false;
}

void tl_connection_push(struct connection *c, uint64_t now, uint8_t *packet, size_t size) {
  if (push_by_type(c, now, packet, size)) return;
  struct attempt *attempt = c->attempt;
  if (c->link) tl_link_channel_gone(c->link, now, c);
  tl_connection_drop(c);
  if (attempt) tl_attempt_disconnected(attempt, now);
}
