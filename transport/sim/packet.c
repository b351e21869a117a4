/* The way of a UDP packet through the virtual network, and all that may happen to it there. */
#include <stdlib.h>

#include "core/time.h"
#include "transport/sim/sim_internal.h"

#define QUEUE_BYTES_DEFAULT (256u << 10)

uint64_t sim_arrival(struct tl_sim *sim, struct tl_sim_port *port, size_t size) {
  const struct tl_sim_faults *f = &sim->faults;
  uint64_t leaves = sim->now;
  if (port && f->bandwidth) {
    uint64_t limit = f->queue_bytes ? f->queue_bytes : QUEUE_BYTES_DEFAULT;
    uint64_t start = port->busy_until > sim->now ? port->busy_until : sim->now;
    if ((start - sim->now) / TL_US * f->bandwidth / (TL_S / TL_US) > limit) return TL_NEVER;
    leaves = port->busy_until = start + size * TL_S / f->bandwidth;
  }
  return leaves + f->delay;
}

/* Bit flips, a truncation, or the head of this packet with the tail of the one before. */
static size_t packet_corrupt(struct tl_sim *sim, uint8_t *bytes, size_t size) {
  struct tl_sim_random *r = &sim->random;
  switch (tl_sim_draw_below(r, 4)) {
  case 0:
    return (size_t)tl_sim_draw_below(r, size);
  case 1:
    for (size_t i = (size_t)tl_sim_draw_below(r, size); i < size && i < sim->last_packet_size; i++)
      bytes[i] = sim->last_packet[i];
    return size;
  default:
    for (uint64_t flips = 1 + tl_sim_draw_below(r, 3); flips > 0; flips--)
      bytes[tl_sim_draw_below(r, size)] ^= (uint8_t)(1u << tl_sim_draw_below(r, 8));
    return size;
  }
}

static void packet_schedule(struct tl_sim *sim, struct tl_sim_port *port,
                            const struct tl_address *from, const struct tl_address *to,
                            const uint8_t *bytes, size_t size) {
  uint64_t time = sim_arrival(sim, port, size);
  if (time == TL_NEVER) {
    sim->counters.overflowed++;
    return;
  }
  if (tl_sim_draw_chance(&sim->random, sim->faults.reorder)) {
    time += tl_sim_draw_exponential(&sim->random, sim->faults.jitter);
    sim->counters.reordered++;
  }
  struct sim_event *e = sim_event_new(time, SIM_PACKET, size);
  memcpy(e->bytes, bytes, size);
  e->from = *from;
  e->to = *to;
  if (size > 0 && tl_sim_draw_chance(&sim->random, sim->faults.corrupt)) {
    e->size = packet_corrupt(sim, e->bytes, size);
    sim->counters.corrupted++;
  }
  sim_event_add(sim, e);
}

/* True where the network swallows the packet, and counts why. */
static bool packet_is_lost(struct tl_sim *sim, struct tl_sim_port *port,
                           const struct tl_address *to, size_t size) {
  const struct tl_sim_faults *f = &sim->faults;
  struct tl_sim_port *goal = sim_port_at(sim, to);
  if (f->mtu && size > f->mtu) {
    sim->counters.too_big++;
    return true;
  }
  if (f->no_udp || sim_is_parted(sim, port ? port->number : 0, goal ? goal->number : 0)) {
    sim->counters.partitioned++;
    return true;
  }
  bool is_hit = tl_sim_draw_chance(&sim->random, f->loss);
  if (port && port->burst_left > 0) {
    port->burst_left--;
    is_hit = true;
  } else if (port && is_hit && f->loss_burst > 1) {
    port->burst_left = f->loss_burst - 1;
  }
  sim->counters.lost += is_hit;
  return is_hit;
}

void sim_packet_send(struct tl_sim *sim, struct tl_sim_port *port, const struct tl_address *from,
                     const struct tl_address *to, const uint8_t *bytes, size_t size) {
  sim->counters.sent++;
  sim->counters.bytes_sent += size;
  if (packet_is_lost(sim, port, to, size)) return;
  packet_schedule(sim, port, from, to, bytes, size);
  if (tl_sim_draw_chance(&sim->random, sim->faults.duplicate)) {
    sim->counters.duplicated++;
    packet_schedule(sim, port, from, to, bytes, size);
  }
  sim->last_packet_size = size < sizeof(sim->last_packet) ? size : sizeof(sim->last_packet);
  memcpy(sim->last_packet, bytes, sim->last_packet_size);
}

void sim_packet_arrive(struct tl_sim *sim, struct sim_event *event) {
  struct tl_sim_port *port = sim_port_at(sim, &event->to);
  struct tl_path path = {.remote = event->from, .carrier = TL_CARRIER_UDP};
  if (!port) {
    sim->counters.unrouted++;
    return;
  }
  if (port->paused_until) {
    if (port->paused_bytes + event->size > SIM_SOCKET_BYTES) {
      sim->counters.overflowed++;
      return;
    }
    struct sim_event *later = sim_event_new(port->paused_until, SIM_PACKET, event->size);
    later->from = event->from;
    later->to = event->to;
    memcpy(later->bytes, event->bytes, event->size);
    port->paused_bytes += event->size;
    sim_event_add(sim, later);
    return;
  }
  sim->counters.delivered++;
  sim->counters.bytes_delivered += event->size;
  sim_trace(sim, port->number, event->bytes, event->size);
  port->user.sink.packet(port->user.sink.context, &path, event->bytes, event->size);
}
