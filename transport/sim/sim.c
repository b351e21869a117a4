/*
 * The clock of the virtual network, its ports, and who is called when.
 *
 * There are two kinds of moments: events of the network, in a heap, and deadlines of the users, one
 * a port, asked for again after each call to that user. The earlier one runs; among equals the
 * network goes first, then the port with the lowest number, so that a run depends on the seed
 * alone.
 */
#include "transport/sim/sim.h"

#include <stdlib.h>

#include "core/time.h"
#include "transport/sim/sim_internal.h"

#define TIME_BEGIN (UINT64_C(3600) * TL_S)

static const uint8_t TRACE_KEY[16] = "virtual network";

/* ---- Events ---- */

struct sim_event *sim_event_new(uint64_t time, enum sim_event_kind kind, size_t size) {
  struct sim_event *e = calloc(1, sizeof(*e) + size);
  TL_ASSERT(e);
  e->time = time;
  e->kind = kind;
  e->size = size;
  return e;
}

static bool event_is_before(const struct sim_event *a, const struct sim_event *b) {
  return a->time != b->time ? a->time < b->time : a->order < b->order;
}

void sim_event_add(struct tl_sim *sim, struct sim_event *event) {
  if (sim->heap_size == sim->heap_room) {
    sim->heap_room = sim->heap_room ? 2 * sim->heap_room : 256;
    sim->heap = realloc(sim->heap, sim->heap_room * sizeof(struct sim_event *));
    TL_ASSERT(sim->heap);
  }
  if (event->time < sim->now) event->time = sim->now; /* what was put off may be overdue */
  event->order = ++sim->last_order;
  size_t i = sim->heap_size++;
  for (; i > 0 && event_is_before(event, sim->heap[(i - 1) / 2]); i = (i - 1) / 2)
    sim->heap[i] = sim->heap[(i - 1) / 2];
  sim->heap[i] = event;
}

static struct sim_event *event_take(struct tl_sim *sim) {
  struct sim_event *first = sim->heap[0], *last = sim->heap[--sim->heap_size];
  size_t i = 0, child;
  while ((child = 2 * i + 1) < sim->heap_size) {
    if (child + 1 < sim->heap_size && event_is_before(sim->heap[child + 1], sim->heap[child]))
      child++;
    if (!event_is_before(sim->heap[child], last)) break;
    sim->heap[i] = sim->heap[child];
    i = child;
  }
  if (sim->heap_size > 0) sim->heap[i] = last;
  return first;
}

void sim_trace(struct tl_sim *sim, uint64_t port, const void *bytes, size_t size) {
  uint64_t mix[4] = {sim->trace, sim->now, port, tl_siphash(TRACE_KEY, bytes, size)};
  sim->trace = tl_siphash(TRACE_KEY, mix, sizeof(mix));
}

/* ---- Ports and their clocks ---- */

struct tl_sim_port *sim_port_at(const struct tl_sim *sim, const struct tl_address *address) {
  return tl_table_find(&sim->by_address, address, sizeof(*address));
}

uint64_t tl_sim_port_now(const struct tl_sim_port *port) {
  uint64_t elapsed = port->sim->now - port->rate_since;
  if (port->rate == 1.0) return port->rate_local + elapsed;
  return port->rate_local + (uint64_t)((double)elapsed * port->rate);
}

/* The first moment of the simulation at which the port's clock shows at least `local`. */
static uint64_t port_time_of(const struct tl_sim_port *port, uint64_t local) {
  if (local == TL_NEVER) return TL_NEVER;
  if (local <= tl_sim_port_now(port)) return port->sim->now;
  uint64_t ahead = local - port->rate_local;
  if (port->rate == 1.0) return tl_time_add(port->rate_since, ahead);
  uint64_t time = port->rate_since + (uint64_t)((double)ahead / port->rate) + 2;
  return time > port->sim->now ? time : port->sim->now + 1;
}

static void port_refresh(struct tl_sim_port *port) {
  port->due = port_time_of(port, port->user.deadline(port->user.sink.context));
  if (port->paused_until && port->due < port->paused_until) port->due = port->paused_until;
}

void sim_port_turn(struct tl_sim_port *port) {
  port->user.sink.batch_end(port->user.sink.context);
  port_refresh(port);
}

void tl_sim_kick(struct tl_sim_port *port) {
  if (!port->paused_until) sim_port_turn(port);
}

int tl_sim_open(struct tl_sim *sim, const struct tl_address *address,
                const struct tl_sim_user *user, struct tl_sim_port **out_port) {
  if (sim_port_at(sim, address)) return TULLE_E_EXISTS;
  struct tl_sim_port *port = calloc(1, sizeof(*port));
  if (!port) return TULLE_E_NO_MEMORY;
  *port = (struct tl_sim_port){.sim = sim, .address = *address, .user = *user};
  port->number = ++sim->last_port;
  port->rate = 1.0;
  port->rate_since = port->rate_local = sim->now;
  port->due = TL_NEVER;
  tl_list_init(&port->ends);
  int r = tl_table_insert(&sim->by_address, &port->address, sizeof(port->address), port);
  if (r < 0) {
    free(port);
    return r;
  }
  tl_list_push_back(&sim->ports, &port->link);
  *out_port = port;
  return 0;
}

struct tl_sim_port *tl_sim_close(struct tl_sim_port *port) {
  if (!port) return NULL;
  sim_streams_reset(port);
  tl_table_remove(&port->sim->by_address, &port->address, sizeof(port->address));
  tl_list_remove(&port->link);
  free(port);
  return NULL;
}

const struct tl_address *tl_sim_port_address(const struct tl_sim_port *port) {
  return &port->address;
}

int tl_sim_send(struct tl_sim_port *port, const struct tl_burst *burst) {
  struct tl_sim *sim = port->sim;
  if (burst->path.carrier == TL_CARRIER_TCP) return sim_stream_send(port, burst);
  for (size_t at = 0; at < burst->size; at += burst->packet_bytes) {
    size_t n = burst->size - at < burst->packet_bytes ? burst->size - at : burst->packet_bytes;
    if (sim->tap.packet && sim->tap.packet(sim->tap.context, &port->address, &burst->path.remote,
                                           burst->bytes + at, n))
      continue;
    sim_packet_send(sim, port, &port->address, &burst->path.remote, burst->bytes + at, n);
  }
  return 0;
}

/* ---- Misfortunes ---- */

int tl_sim_rebind(struct tl_sim_port *port, const struct tl_address *address) {
  if (sim_port_at(port->sim, address)) return TULLE_E_EXISTS;
  tl_table_remove(&port->sim->by_address, &port->address, sizeof(port->address));
  port->address = *address;
  int r = tl_table_insert(&port->sim->by_address, &port->address, sizeof(port->address), port);
  TL_ASSERT(r == 0);
  sim_streams_abandon(port);
  port->sim->counters.rebinds++;
  return 0;
}

bool sim_is_parted(const struct tl_sim *sim, uint64_t from, uint64_t to) {
  for (size_t i = 0; i < sim->partition_count; i++) {
    const struct sim_partition *p = &sim->partitions[i];
    if ((!p->from || p->from == from) && (!p->to || p->to == to)) return true;
  }
  return false;
}

void tl_sim_partition(struct tl_sim *sim, struct tl_sim_port *from, struct tl_sim_port *to,
                      bool both) {
  TL_ASSERT(sim->partition_count < SIM_PARTITIONS_MAX);
  sim->partitions[sim->partition_count++] =
      (struct sim_partition){from ? from->number : 0, to ? to->number : 0};
  if (both) tl_sim_partition(sim, to, from, false);
}

void tl_sim_heal(struct tl_sim *sim) {
  sim->partition_count = 0;
}

void tl_sim_pause(struct tl_sim_port *port, uint64_t duration) {
  uint64_t until = port->sim->now + duration;
  if (duration == 0 || until <= port->paused_until) return;
  struct sim_event *e = sim_event_new(until, SIM_RESUME, 0);
  e->port_number = port->number;
  port->paused_until = until;
  port_refresh(port);
  sim_event_add(port->sim, e);
  port->sim->counters.pauses++;
}

bool tl_sim_is_paused(const struct tl_sim_port *port) {
  return port->paused_until != 0;
}

static void pause_over(struct tl_sim *sim, const struct sim_event *event) {
  TL_LIST_FOR_EACH(l, &sim->ports) {
    struct tl_sim_port *port = tl_container_of(l, struct tl_sim_port, link);
    if (port->number != event->port_number || port->paused_until != event->time) continue;
    port->paused_until = 0;
    port->paused_bytes = 0;
    sim_port_turn(port);
    return;
  }
}

void tl_sim_set_clock_rate(struct tl_sim_port *port, double rate) {
  port->rate_local = tl_sim_port_now(port);
  port->rate_since = port->sim->now;
  port->rate = rate;
  port_refresh(port);
}

void tl_sim_set_tap(struct tl_sim *sim, const struct tl_sim_tap *tap) {
  sim->tap = tap ? *tap : (struct tl_sim_tap){0};
}

void tl_sim_inject(struct tl_sim *sim, const struct tl_address *from, const struct tl_address *to,
                   const void *packet, size_t size) {
  sim_packet_send(sim, NULL, from, to, packet, size);
}

/* ---- Running ---- */

/* Packets of one instant for one port are one batch, as recvmmsg would find them. */
static void packets_run(struct tl_sim *sim, struct sim_event *e) {
  struct tl_address to = e->to;
  for (;;) {
    sim_packet_arrive(sim, e);
    free(e);
    if (sim->heap_size == 0 || sim->heap[0]->time > sim->now || sim->heap[0]->kind != SIM_PACKET ||
        !tl_address_is_equal(&sim->heap[0]->to, &to))
      break;
    e = event_take(sim);
  }
  struct tl_sim_port *port = sim_port_at(sim, &to);
  if (port && !port->paused_until) sim_port_turn(port);
}

static void event_run(struct tl_sim *sim) {
  struct sim_event *e = event_take(sim);
  sim->now = e->time;
  if (e->kind == SIM_PACKET) {
    packets_run(sim, e);
    return;
  }
  if (e->kind == SIM_RESUME)
    pause_over(sim, e);
  else
    sim_stream_event(sim, e);
  free(e);
}

static struct tl_sim_port *port_due_first(const struct tl_sim *sim) {
  struct tl_sim_port *first = NULL;
  TL_LIST_FOR_EACH(l, &sim->ports) {
    struct tl_sim_port *port = tl_container_of(l, struct tl_sim_port, link);
    if (!first || port->due < first->due) first = port;
  }
  return first;
}

int tl_sim_step(struct tl_sim *sim, uint64_t until) {
  struct tl_sim_port *port = port_due_first(sim);
  uint64_t due = port ? port->due : TL_NEVER;
  uint64_t next = sim->heap_size > 0 ? sim->heap[0]->time : TL_NEVER;
  if (tl_time_min(due, next) > until || tl_time_min(due, next) == TL_NEVER) {
    if (until != TL_NEVER && until > sim->now) sim->now = until;
    return TL_EMPTY;
  }
  if (next <= due) {
    event_run(sim);
    return 0;
  }
  if (due > sim->now) sim->now = due;
  port->user.timeout(port->user.sink.context, tl_sim_port_now(port));
  sim_port_turn(port);
  return 0;
}

void tl_sim_run(struct tl_sim *sim, uint64_t duration) {
  uint64_t until = sim->now + duration;
  while (tl_sim_step(sim, until) != TL_EMPTY) {
  }
}

/* ---- Life ---- */

int tl_sim_new(uint64_t seed, struct tl_sim **out_sim) {
  struct tl_sim *sim = calloc(1, sizeof(*sim));
  if (!sim) return TULLE_E_NO_MEMORY;
  sim->now = TIME_BEGIN;
  sim->random.state = seed;
  tl_list_init(&sim->ports);
  tl_table_init(&sim->by_address, TRACE_KEY);
  tl_table_init(&sim->ends, TRACE_KEY);
  *out_sim = sim;
  return 0;
}

struct tl_sim *tl_sim_free(struct tl_sim *sim) {
  if (!sim) return NULL;
  TL_LIST_FOR_EACH(l, &sim->ports) {
    tl_sim_close(tl_container_of(l, struct tl_sim_port, link));
  }
  while (sim->heap_size > 0) free(event_take(sim));
  tl_table_deinit(&sim->by_address);
  tl_table_deinit(&sim->ends);
  free(sim->heap);
  free(sim);
  return NULL;
}

uint64_t tl_sim_now(const struct tl_sim *sim) {
  return sim->now;
}

struct tl_sim_random *tl_sim_random(struct tl_sim *sim) {
  return &sim->random;
}

void tl_sim_set_faults(struct tl_sim *sim, const struct tl_sim_faults *faults) {
  sim->faults = *faults;
}

void tl_sim_counters(const struct tl_sim *sim, struct tl_sim_counters *out_counters) {
  *out_counters = sim->counters;
}

uint64_t tl_sim_trace(const struct tl_sim *sim) {
  return sim->trace;
}
