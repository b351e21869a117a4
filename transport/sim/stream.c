/*
 * Virtual TCP: bytes in order, cut into pieces of any size, late where packets would be lost.
 *
 * A direction is a queue of chunks at its receiving end with one event for the first of them, so
 * nothing can overtake. A partition does not lose bytes, it puts the first chunk off, as a
 * retransmission would. An end that hung up stays until its last chunk has been delivered; ends
 * find each other by id, so either may go first.
 */
#include <errno.h>
#include <stdlib.h>

#include "core/time.h"
#include "transport/sim/sim_internal.h"

#define RETRANSMIT    (200 * TL_MS)
#define DIAL_GIVEN_UP (5 * TL_S)
#define PIECE_MAX     4096u
#define PORT_DYNAMIC  40000u

/* ---- Ends ---- */

static struct sim_end *end_find(const struct tl_sim *sim, uint64_t id) {
  return id ? tl_table_find(&sim->ends, &id, sizeof(id)) : NULL;
}

static struct sim_end *end_new(struct tl_sim_port *port, const struct tl_address *remote) {
  struct sim_end *end = calloc(1, sizeof(*end));
  TL_ASSERT(end);
  end->id = ++port->sim->last_end;
  end->port = port;
  end->path = (struct tl_path){*remote, TL_CARRIER_TCP, ++port->last_connection};
  end->local = port->address;
  tl_list_init(&end->chunks);
  tl_list_push_back(&port->ends, &end->link);
  TL_ASSERT(tl_table_insert(&port->sim->ends, &end->id, sizeof(end->id), end) == 0);
  return end;
}

static void end_free(struct sim_end *end) {
  struct tl_list *l;
  while ((l = tl_list_pop_front(&end->chunks))) free(tl_container_of(l, struct sim_chunk, link));
  tl_list_remove(&end->link);
  tl_table_remove(&end->port->sim->ends, &end->id, sizeof(end->id));
  free(end->torn);
  free(end);
}

static struct sim_end *end_of_connection(struct tl_sim_port *port, uint32_t connection) {
  TL_LIST_FOR_EACH(l, &port->ends) {
    struct sim_end *end = tl_container_of(l, struct sim_end, link);
    if (end->path.connection == connection && !end->is_left) return end;
  }
  return NULL;
}

static void end_wake(struct sim_end *end) {
  if (end->is_queued || tl_list_is_empty(&end->chunks)) return;
  struct sim_chunk *first = tl_container_of(end->chunks.next, struct sim_chunk, link);
  struct sim_event *e = sim_event_new(first->time, SIM_STREAM, 0);
  e->end = end->id;
  end->is_queued = true;
  sim_event_add(end->port->sim, e);
}

/* Puts a chunk, a FIN (size 0) or a reset (error) on its way to `end`. */
static void end_enqueue(struct sim_end *end, uint64_t time, const uint8_t *bytes, size_t size,
                        int error) {
  struct sim_chunk *c = calloc(1, sizeof(*c) + size);
  TL_ASSERT(c);
  if (size) memcpy(c->bytes, bytes, size);
  c->size = size;
  c->error = error;
  c->time = time > end->last_time ? time : end->last_time;
  end->last_time = c->time;
  end->chunk_bytes += size;
  tl_list_push_back(&end->chunks, &c->link);
  end_wake(end);
}

/* ---- Sending ---- */

int sim_stream_send(struct tl_sim_port *port, const struct tl_burst *burst) {
  struct tl_sim *sim = port->sim;
  struct sim_end *from = end_of_connection(port, burst->path.connection);
  struct sim_end *to = from ? end_find(sim, from->peer) : NULL;
  if (!from || !from->is_open) return TULLE_E_CLOSED;
  if (!to || from->is_dead) return 0;
  for (size_t at = 0; at < burst->size;) {
    size_t n = 1 + (size_t)tl_sim_draw_below(&sim->random, PIECE_MAX);
    if (n > burst->size - at) n = burst->size - at;
    uint64_t time = sim_arrival(sim, port, n);
    if (time == TL_NEVER) time = sim->now + sim->faults.delay + RETRANSMIT;
    while (tl_sim_draw_chance(&sim->random, sim->faults.loss)) time += RETRANSMIT;
    end_enqueue(to, time, burst->bytes + at, n, 0);
    at += n;
  }
  if (to->chunk_bytes < SIM_STREAM_BYTES) return 0;
  from->is_blocked = true;
  return TL_FULL;
}

/* ---- Arriving ---- */

/* This end is over; an end that had left only waited for that, any other hears of it in its
 * turn. */
static void end_lost(struct sim_end *end, int error) {
  struct tl_sim_port *port = end->port;
  struct sim_end *peer = end_find(port->sim, end->peer);
  struct tl_path path = end->path;
  bool is_told = !end->is_left;
  end_free(end);
  if (peer && peer->is_left) {
    end_free(peer);
  } else if (peer) {
    peer->peer = 0;
    end_enqueue(peer, port->sim->now + port->sim->faults.delay, NULL, 0, error);
  }
  if (!is_told) return;
  port->user.sink.closed(port->user.sink.context, &path, error);
  sim_port_turn(port);
}

/* Takes `bytes` behind what was torn; the packets that are whole go up. 0, or TULLE_E_PROTOCOL. */
static int end_take(struct sim_end *end, const uint8_t *bytes, size_t size) {
  struct tl_sim_port *port = end->port;
  uint64_t id = end->id;
  uint8_t *all = malloc(end->torn_size + size);
  TL_ASSERT(all);
  if (end->torn_size) memcpy(all, end->torn, end->torn_size);
  memcpy(all + end->torn_size, bytes, size);
  size += end->torn_size;
  size_t at = 0, n = 0;
  int r = 0;
  while (at < size && (r = tl_carrier_packet_size(all + at, size - at, &n)) == 0 &&
         n <= size - at) {
    port->sim->counters.delivered++;
    sim_trace(port->sim, port->number, all + at, n);
    port->user.sink.packet(port->user.sink.context, &end->path, all + at, n);
    at += n;
    end = end_find(port->sim, id);
    if (!end || end->is_left) break;
  }
  if (!end) {
    free(all);
    return 0;
  }
  free(end->torn);
  memmove(all, all + at, size - at);
  end->torn = all;
  end->torn_size = size - at;
  return r < 0 ? r : 0;
}

static void sender_unblock(struct tl_sim *sim, struct sim_end *to) {
  struct sim_end *from = end_find(sim, to->peer);
  if (!from || !from->is_blocked || to->chunk_bytes > SIM_STREAM_BYTES / 2) return;
  struct sim_event *e = sim_event_new(sim->now + sim->faults.delay, SIM_WRITABLE, 0);
  e->end = from->id;
  from->is_blocked = false;
  sim_event_add(sim, e);
}

/* True: the first chunk has to wait, and its time was put off. */
static bool end_is_stalled(struct tl_sim *sim, struct sim_end *end, struct sim_chunk *first) {
  struct sim_end *from = end_find(sim, end->peer);
  uint64_t from_port = from ? from->port->number : 0;
  if (end->port->paused_until) {
    first->time = end->port->paused_until;
    return true;
  }
  if (!sim->faults.no_tcp && !sim_is_parted(sim, from_port, end->port->number)) return false;
  first->time = sim->now + RETRANSMIT;
  return true;
}

static void stream_arrive(struct tl_sim *sim, struct sim_end *end) {
  end->is_queued = false;
  if (tl_list_is_empty(&end->chunks) || end->is_dead) return;
  struct sim_chunk *c = tl_container_of(end->chunks.next, struct sim_chunk, link);
  if (c->time > sim->now || end_is_stalled(sim, end, c)) {
    end_wake(end);
    return;
  }
  tl_list_remove(&c->link);
  end->chunk_bytes -= c->size;
  sender_unblock(sim, end);
  uint64_t id = end->id;
  struct tl_sim_port *port = end->port;
  bool is_end = c->size == 0, is_gone = end->is_left && !is_end;
  if (!is_end && sim->tap.stream &&
      sim->tap.stream(sim->tap.context, &end->path.remote, &end->local, c->bytes, c->size))
    is_gone = true;
  if (is_end) {
    end_lost(end, c->error);
  } else if (!is_gone) {
    if (end_take(end, c->bytes, c->size) < 0 && (end = end_find(sim, id))) end_lost(end, -EPROTO);
    sim_port_turn(port);
  }
  free(c);
  end = end_find(sim, id);
  if (end) end_wake(end);
}

/* ---- Dialling ---- */

int tl_sim_dial(struct tl_sim_port *port, const struct tl_address *remote,
                uint32_t *out_connection) {
  struct tl_sim *sim = port->sim;
  struct sim_end *end = end_new(port, remote);
  struct sim_event *e = sim_event_new(sim->now + sim->faults.delay, SIM_SYN, 0);
  end->local.port = (uint16_t)(PORT_DYNAMIC + end->id % 20000);
  e->end = end->id;
  sim_event_add(sim, e);
  *out_connection = end->path.connection;
  return 0;
}

static void dial_answer(struct tl_sim *sim, struct sim_end *end, uint64_t time, int error) {
  struct sim_event *e = sim_event_new(time, SIM_DIALLED, 0);
  e->end = end->id;
  e->error = error;
  sim_event_add(sim, e);
}

static void syn_arrive(struct tl_sim *sim, struct sim_end *end) {
  if (end->is_left) {
    end_free(end);
    return;
  }
  struct tl_sim_port *goal = sim_port_at(sim, &end->path.remote);
  uint64_t goal_number = goal ? goal->number : 0;
  if (sim->faults.no_tcp || sim_is_parted(sim, end->port->number, goal_number) ||
      sim_is_parted(sim, goal_number, end->port->number)) {
    dial_answer(sim, end, sim->now + DIAL_GIVEN_UP, -ETIMEDOUT);
    return;
  }
  if (!goal) {
    sim->counters.tcp_refused++;
    dial_answer(sim, end, sim->now + sim->faults.delay, -ECONNREFUSED);
    return;
  }
  struct sim_end *other = end_new(goal, &end->local);
  other->peer = end->id;
  end->peer = other->id;
  other->is_open = true;
  sim->counters.tcp_opened++;
  dial_answer(sim, end, sim->now + sim->faults.delay, 0);
  goal->user.sink.opened(goal->user.sink.context, &other->path, true);
  sim_port_turn(goal);
}

static void dial_arrive(struct sim_end *end, int error) {
  struct tl_sim_port *port = end->port;
  struct sim_end *peer = end_find(port->sim, end->peer);
  if (error || (end->is_left && !peer)) {
    end_lost(end, error);
    return;
  }
  if (end->is_left) {
    end_enqueue(peer, port->sim->now + port->sim->faults.delay, NULL, 0, 0);
    return;
  }
  end->is_open = true;
  port->user.sink.opened(port->user.sink.context, &end->path, false);
  sim_port_turn(port);
}

void sim_stream_event(struct tl_sim *sim, const struct sim_event *event) {
  struct sim_end *end = end_find(sim, event->end);
  if (!end) return;
  switch (event->kind) {
  case SIM_STREAM:
    stream_arrive(sim, end);
    return;
  case SIM_SYN:
    syn_arrive(sim, end);
    return;
  case SIM_DIALLED:
    dial_arrive(end, event->error);
    return;
  default:
    break;
  }
  struct tl_sim_port *port = end->port;
  if (!end->is_open || end->is_left) return;
  port->user.sink.writable(port->user.sink.context, &end->path);
  sim_port_turn(port);
}

/* ---- Ending ---- */

void tl_sim_hang_up(struct tl_sim_port *port, uint32_t connection) {
  struct tl_sim *sim = port->sim;
  struct sim_end *end = end_of_connection(port, connection);
  struct sim_end *peer = end ? end_find(sim, end->peer) : NULL;
  if (!end) return;
  end->is_left = true;
  if (!end->is_open) return; /* a dial under way goes with its answer */
  if (peer)
    end_enqueue(peer, sim->now + sim->faults.delay, NULL, 0, 0);
  else
    end_free(end);
}

/* Drops what is under way towards `end` from a random byte on and ends the stream there. */
static void end_cut(struct tl_sim *sim, struct sim_end *end, int error) {
  uint64_t keep = tl_sim_draw_below(&sim->random, end->chunk_bytes + 1);
  TL_LIST_FOR_EACH(l, &end->chunks) {
    struct sim_chunk *c = tl_container_of(l, struct sim_chunk, link);
    if (c->size > 0 && c->size <= keep) {
      keep -= c->size;
      continue;
    }
    end->chunk_bytes -= c->size - (size_t)keep;
    c->size = (size_t)keep;
    keep = 0;
    if (c->size > 0) continue;
    tl_list_remove(&c->link);
    free(c);
  }
  end_enqueue(end, sim->now, NULL, 0, error);
}

void tl_sim_cut(struct tl_sim_port *port, uint32_t connection, bool reset) {
  struct sim_end *end = end_of_connection(port, connection);
  struct sim_end *peer = end ? end_find(port->sim, end->peer) : NULL;
  int error = reset ? -ECONNRESET : 0;
  if (!end) return;
  port->sim->counters.tcp_cut++;
  end->peer = 0;
  end_cut(port->sim, end, error);
  if (!peer) return;
  peer->peer = 0;
  end_cut(port->sim, peer, error);
}

void sim_streams_abandon(struct tl_sim_port *port) {
  TL_LIST_FOR_EACH(l, &port->ends) {
    struct sim_end *end = tl_container_of(l, struct sim_end, link);
    struct sim_end *peer = end_find(port->sim, end->peer);
    end->is_dead = true;
    if (peer) peer->is_dead = true;
  }
}

void sim_streams_reset(struct tl_sim_port *port) {
  TL_LIST_FOR_EACH(l, &port->ends) {
    struct sim_end *end = tl_container_of(l, struct sim_end, link);
    struct sim_end *peer = end_find(port->sim, end->peer);
    if (peer) {
      peer->peer = 0;
      end_enqueue(peer, port->sim->now + port->sim->faults.delay, NULL, 0, -ECONNRESET);
    }
    end_free(end);
  }
}
