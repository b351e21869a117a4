/*
 * Packets: what goes into the next one, and what became of those that left.
 *
 * A packet begins with the acknowledgements that wait. Then the link's own grants, then lanes in
 * turn: each writes what fits and goes to the end of the row. Acknowledgements alone make a packet
 * only when they are due; otherwise they wait for company.
 */
#include <stdlib.h>

#include "transport/link/lane.h"

/* Less than this left in a packet is not worth asking further lanes. */
#define ROOM_LEFT_MIN 24u
/* Lanes that found no room for what they have, in one packet. */
#define MISFITS_MAX     32u
#define ITEMS_FIRST     16u
#define GRANT_BYTES_MAX 9u

/* ---- Maps ---- */

static struct tl_channel *find_channel(const struct tl_flow *f, uint32_t number) {
  for (uint32_t i = 0; i < f->tcp_count; i++)
    if (f->tcp[i]->number == number) return f->tcp[i];
  return NULL;
}

static struct tl_sentmap *add_channel(struct tl_flow *f, uint32_t number) {
  if (f->tcp_count == TL_FLOW_TCP_MAPS_MAX) return NULL;
  struct tl_channel *c = malloc(sizeof *c);
  if (!c) return NULL;
  c->number = number;
  tl_sentmap_init(&c->map, &f->account);
  f->account.bytes += sizeof *c;
  f->tcp[f->tcp_count++] = c;
  if (number > f->channel_high) f->channel_high = number;
  return &c->map;
}

static void drop_channel(struct tl_flow *f, struct tl_channel *c) {
  for (uint32_t i = 0; i < f->tcp_count; i++)
    if (f->tcp[i] == c) f->tcp[i] = f->tcp[--f->tcp_count];
  tl_sentmap_deinit(&c->map);
  f->account.bytes -= sizeof *c;
  free(c);
}

void tl_flow_drop_channels(struct tl_flow *f) {
  while (f->tcp_count) drop_channel(f, f->tcp[0]);
}

static struct tl_sentmap *map_of(struct tl_flow *f, uint32_t channel) {
  if (channel == TL_FLOW_CHANNEL_UDP) return &f->udp.map;
  struct tl_channel *c = find_channel(f, channel);
  return c ? &c->map : add_channel(f, channel);
}

/* ---- Items ---- */

static bool is_lane_item(const struct tl_sent_item *item) {
  return item->kind <= TL_SENT_CREDIT;
}

/* The packet's items are of no more use: their lanes may be free to go. */
static void release_items(const struct tl_sentmap *m, const struct tl_sent_packet *p) {
  for (uint32_t i = 0; i < p->item_count; i++) {
    struct tl_sent_item *item = tl_sentmap_item(m, p, i);
    if (!is_lane_item(item)) continue;
    struct tl_lane *lane = item->lane;
    lane->items--;
    if (lane->is_closed) tl_lane_forget(lane);
  }
}

/* Packets leave their map from the front. */
static void pop_done(struct tl_sentmap *m, uint64_t forget_before) {
  while (tl_sentmap_is_front_done(m, forget_before)) {
    struct tl_sent_packet *p = tl_sentmap_packet(m, m->first);
    if (p->state == TL_SENT_LOST) release_items(m, p);
    tl_sentmap_pop(m);
  }
}

static void item_lost(struct tl_flow *f, const struct tl_sent_item *item) {
  if (is_lane_item(item)) tl_lane_lost(item->lane, item);
  if (item->kind == TL_SENT_LINK_CREDIT) f->is_link_credit_due = true;
  if (item->kind == TL_SENT_LANES) f->is_lanes_due = true;
}

static void send_again(struct tl_flow *f, const struct tl_sentmap *m,
                       const struct tl_sent_packet *p) {
  for (uint32_t i = 0; i < p->item_count; i++) item_lost(f, tl_sentmap_item(m, p, i));
}

static void packet_lost(struct tl_flow *f, const struct tl_sentmap *m,
                        const struct tl_sent_packet *p) {
  f->stats.packets_lost += !p->is_probe; /* one that was too large met no loss */
  f->stats.best_effort_lost += p->best_effort_count;
  tl_flow_note_mark(f, p->mark, false);
  send_again(f, m, p);
}

/* ---- Acknowledgements that arrive ---- */

static void item_acked(struct tl_flow *f, const struct tl_sent_item *item) {
  if (is_lane_item(item))
    tl_lane_acked(item->lane, item);
  else if (item->kind == TL_SENT_ACK)
    tl_acks_confirmed(&f->acks, item->space, item->at);
}

static void packet_acked(struct tl_flow *f, struct tl_sentmap *m, uint64_t index) {
  struct tl_sent_packet *p = tl_sentmap_packet(m, index);
  f->stats.packets_acked++;
  if (p->state == TL_SENT_LOST) {
    f->stats.packets_spurious += !p->is_probe;
    f->stats.best_effort_lost -= p->best_effort_count;
  }
  for (uint32_t i = 0; i < p->item_count; i++) item_acked(f, tl_sentmap_item(m, p, i));
  release_items(m, p);
  tl_flow_note_mark(f, p->mark, true);
  if (m == &f->udp.map)
    tl_recovery_acked(&f->udp, index);
  else
    tl_sentmap_set_state(m, p, TL_SENT_SETTLED);
}

static void range_acked(struct tl_flow *f, struct tl_sentmap *m, uint32_t epoch,
                        const struct tl_frame_range *range) {
  for (uint64_t i = tl_sentmap_find(m, epoch, range->first); i < m->last; i++) {
    const struct tl_sent_packet *p = tl_sentmap_packet(m, i);
    if (p->epoch != epoch || p->counter > range->last) return;
    if (p->state != TL_SENT_SETTLED) packet_acked(f, m, i);
  }
}

static void find_losses(struct tl_flow *f, uint64_t now) {
  struct tl_sent_packet *p;
  while ((p = tl_recovery_next_lost(&f->udp, now))) packet_lost(f, &f->udp.map, p);
  tl_recovery_losses_done(&f->udp, now);
}

int tl_flow_take_ack(struct tl_flow *f, uint64_t now, const struct tl_frame_ack *ack) {
  bool is_udp = ack->channel == TL_FLOW_CHANNEL_UDP;
  struct tl_channel *c = is_udp ? NULL : find_channel(f, ack->channel);
  /* A closed channel's last acknowledgements come late; a channel never used has none. */
  if (!is_udp && !c) return ack->channel > f->channel_high ? TULLE_E_PROTOCOL : 0;
  struct tl_sentmap *m = is_udp ? &f->udp.map : &c->map;
  for (uint32_t i = 0; i < ack->range_count; i++) {
    int r = tl_sentmap_judge(m, ack->epoch, ack->ranges[i].first, ack->ranges[i].last);
    if (r) return r;
  }
  for (uint32_t i = 0; i < ack->range_count; i++) range_acked(f, m, ack->epoch, ack->ranges + i);
  if (is_udp) {
    uint64_t delay = ack->delay_us < TL_S / TL_US ? ack->delay_us * TL_US : TL_S;
    tl_recovery_ack_done(&f->udp, now, delay);
    find_losses(f, now);
  }
  pop_done(m, tl_recovery_forget_before(&f->udp, now));
  return 0;
}

/* ---- Filling a packet ---- */

/* Bit i of the result: the space at index i has an acknowledgement in the packet. */
static uint32_t write_acks(struct tl_flow *f, struct tl_builder *b, uint32_t channel) {
  uint32_t told = 0;
  for (uint32_t i = 0; i < f->acks.count; i++) {
    const struct tl_ack_space *s = tl_acks_waiting(&f->acks, i, channel);
    if (!s) continue;
    struct tl_frame_ack ack;
    tl_acks_frame(s, b->now, &ack);
    struct tl_writer w = b->w;
    tl_frame_write_ack(&w, &ack);
    if (w.failed) break;
    b->w = w;
    struct tl_sent_item item = {.space = s->name, .at = ack.ranges[0].last, .kind = TL_SENT_ACK};
    if (tl_builder_has_item(b)) tl_builder_add(b, &item); /* without, it is only told again */
    told |= 1u << i;
  }
  return told;
}

static void settle_acks(struct tl_flow *f, uint32_t told) {
  for (uint32_t i = 0; told; i++, told >>= 1)
    if (told & 1) {
      tl_acks_told(f->acks.spaces[i]);
      f->stats.acks_sent++;
    }
}

static bool has_room_for_grant(struct tl_builder *b) {
  return tl_writer_left(&b->w) >= GRANT_BYTES_MAX && tl_builder_has_item(b);
}

static void write_grants(struct tl_flow *f, struct tl_builder *b) {
  if (f->is_link_credit_due && has_room_for_grant(b)) {
    f->is_link_credit_due = false;
    tl_frame_write_link_credit(&b->w, tl_credit_grant(&f->credit_in, b->now, 0));
    tl_builder_add(b, &(struct tl_sent_item){.kind = TL_SENT_LINK_CREDIT});
  }
  if (f->is_lanes_due && has_room_for_grant(b)) {
    f->is_lanes_due = false;
    f->peer_max = f->peer_forgotten + TL_FLOW_LANES_MAX;
    tl_frame_write_lanes(&b->w, f->peer_max);
    tl_builder_add(b, &(struct tl_sent_item){.kind = TL_SENT_LANES});
  }
}

/* Lanes in turn. Who wrote goes to the end; who found no room stays in front for the next
 * packet. */
static void write_lanes(struct tl_flow *f, struct tl_builder *b) {
  struct tl_list misfits, served;
  tl_list_init(&misfits);
  tl_list_init(&served);
  uint32_t misfit_count = 0;
  while (tl_writer_left(&b->w) >= ROOM_LEFT_MIN && misfit_count < MISFITS_MAX) {
    struct tl_list *l = tl_list_pop_front(&f->ready);
    if (!l) break;
    struct tl_lane *lane = tl_container_of(l, struct tl_lane, ready);
    size_t before = tl_writer_size(&b->w);
    tl_lane_fill(lane, b);
    enum tl_wish wish = tl_lane_wish(lane);
    bool wrote = tl_writer_size(&b->w) > before;
    lane->is_starved = wish == TL_WISH_LINK_CREDIT;
    if (lane->is_starved) tl_list_push_back(&f->starved, l);
    if (wish == TL_WISH_SEND) tl_list_push_back(wrote ? &served : &misfits, l);
    if (wish == TL_WISH_SEND && !wrote) misfit_count++;
  }
  tl_list_splice_back(&misfits, &f->ready);
  tl_list_splice_back(&misfits, &served);
  tl_list_splice_back(&f->ready, &misfits);
}

static bool may_send(struct tl_flow *f, uint64_t now, const struct tl_flow_packet *packet,
                     size_t room) {
  return packet->channel != TL_FLOW_CHANNEL_UDP ||
         tl_recovery_may_send(&f->udp, now, packet->bytes + room);
}

static bool is_probe_due(const struct tl_flow *f, const struct tl_flow_packet *packet) {
  return packet->channel == TL_FLOW_CHANNEL_UDP && f->udp.probes_due;
}

/* The packet leaves: every number is noted, and those that will be acknowledged are kept. Where
 * there is no room to keep one, only an acknowledgement or the endpoint's own frames can be in
 * it. */
static void commit(struct tl_flow *f, const struct tl_builder *b,
                   const struct tl_flow_packet *packet, size_t written) {
  bool is_eliciting = b->is_eliciting || packet->is_eliciting || packet->mark;
  tl_sentmap_number(b->map, packet->epoch, packet->counter);
  f->stats.packets_sent++;
  if (!is_eliciting || !b->is_kept) {
    tl_sentmap_abandon(b->map);
    tl_flow_note_mark(f, packet->mark, false);
    return;
  }
  struct tl_sent_packet p = {.counter = packet->counter,
                             .epoch = packet->epoch,
                             .mark = packet->mark,
                             .best_effort_count = b->best_effort_count,
                             .is_probe = packet->is_probe};
  if (packet->channel == TL_FLOW_CHANNEL_UDP)
    tl_recovery_sent(&f->udp, b->now, &p, packet->bytes + written);
  else
    tl_sentmap_commit(b->map, &p);
}

static void write_content(struct tl_flow *f, struct tl_builder *b,
                          const struct tl_flow_packet *packet) {
  if (!packet->is_spare || is_probe_due(f, packet)) {
    write_grants(f, b);
    write_lanes(f, b);
  }
  if (b->is_eliciting || !is_probe_due(f, packet)) return;
  f->stats.probes++;
  tl_frame_write_ping(&b->w);
  b->is_eliciting = true;
}

size_t tl_flow_poll(struct tl_flow *f, uint64_t now, const struct tl_flow_packet *packet,
                    uint8_t *out, size_t room) {
  struct tl_builder b = {
      .now = now, .w = tl_writer_on(out, room), .map = map_of(f, packet->channel)};
  if (!b.map) return 0;
  b.is_kept = tl_sentmap_reserve(b.map, ITEMS_FIRST) == 0;
  uint64_t ack_due = tl_acks_deadline_on(&f->acks, packet->channel);
  uint32_t told = write_acks(f, &b, packet->channel);
  if (b.is_kept && may_send(f, now, packet, room)) write_content(f, &b, packet);
  bool is_company = b.is_eliciting || packet->is_eliciting || packet->mark;
  if (!is_company && (!told || ack_due > now)) {
    tl_sentmap_abandon(b.map);
    return 0;
  }
  if (!is_company) f->stats.acks_alone++;
  settle_acks(f, told);
  commit(f, &b, packet, tl_writer_size(&b.w));
  tl_flow_check_waiting(f);
  return tl_writer_size(&b.w);
}

void tl_flow_sent(struct tl_flow *f, uint64_t now, const struct tl_flow_packet *packet) {
  struct tl_builder b = {.now = now, .map = map_of(f, packet->channel)};
  if (!b.map) return;
  b.is_kept = tl_sentmap_reserve(b.map, 0) == 0;
  commit(f, &b, packet, 0);
}

/* ---- Time ---- */

bool tl_flow_has_output(const struct tl_flow *f, uint64_t now, uint32_t channel) {
  if (tl_acks_deadline_on(&f->acks, channel) <= now) return true;
  bool is_udp = channel == TL_FLOW_CHANNEL_UDP;
  if (is_udp && f->udp.probes_due) return true;
  bool is_blocked =
      is_udp && (f->udp.pace_until > now ||
                 !tl_congestion_has_room(&f->udp.congestion, f->udp.congestion.packet_bytes));
  return !is_blocked && (f->is_link_credit_due || f->is_lanes_due || !tl_list_is_empty(&f->ready));
}

uint64_t tl_flow_deadline(const struct tl_flow *f) {
  return tl_time_min(tl_acks_deadline(&f->acks), tl_recovery_deadline(&f->udp));
}

/* What the oldest packets carried goes again, in case it is only the acknowledgement that is
 * missing. */
static void probe(struct tl_flow *f) {
  struct tl_sentmap *m = &f->udp.map;
  uint32_t left = TL_RECOVERY_PROBES;
  for (uint64_t i = tl_sentmap_oldest(m); i < m->last && left; i++) {
    const struct tl_sent_packet *p = tl_sentmap_packet(m, i);
    if (p->state != TL_SENT_IN_FLIGHT) continue;
    send_again(f, m, p);
    left--;
  }
}

void tl_flow_timeout(struct tl_flow *f, uint64_t now) {
  if (f->udp.loss_at <= now) find_losses(f, now);
  if (tl_recovery_timeout(&f->udp, now)) probe(f);
}

/* ---- Paths ---- */

static void lose_udp(struct tl_flow *f) {
  struct tl_sent_packet *p;
  while ((p = tl_recovery_give_up(&f->udp))) packet_lost(f, &f->udp.map, p);
}

void tl_flow_channel_lost(struct tl_flow *f, uint64_t now, uint32_t channel) {
  (void)now;
  tl_acks_channel_lost(&f->acks, channel);
  if (channel == TL_FLOW_CHANNEL_UDP) {
    lose_udp(f);
    return;
  }
  struct tl_channel *c = find_channel(f, channel);
  if (!c) return;
  for (uint64_t i = c->map.first; i < c->map.last; i++) {
    struct tl_sent_packet *p = tl_sentmap_packet(&c->map, i);
    if (p->state != TL_SENT_IN_FLIGHT) continue;
    tl_sentmap_set_state(&c->map, p, TL_SENT_LOST);
    packet_lost(f, &c->map, p);
  }
  pop_done(&c->map, TL_NEVER);
  drop_channel(f, c);
}

bool tl_flow_oldest(struct tl_flow *f, uint32_t channel, uint64_t *out_counter) {
  struct tl_channel *c = find_channel(f, channel);
  struct tl_sentmap *m = c ? &c->map : &f->udp.map;
  if ((!c && channel != TL_FLOW_CHANNEL_UDP) || m->in_flight_count == 0) return false;
  *out_counter = tl_sentmap_packet(m, tl_sentmap_oldest(m))->counter;
  return true;
}

void tl_flow_path_changed(struct tl_flow *f, uint64_t now, uint64_t rtt_ns) {
  (void)now;
  tl_recovery_restart(&f->udp, rtt_ns);
}

void tl_flow_set_packet_bytes(struct tl_flow *f, size_t packet_bytes) {
  tl_congestion_set_packet_bytes(&f->udp.congestion, packet_bytes);
}

void tl_flow_trim_maps(struct tl_flow *f) {
  pop_done(&f->udp.map, TL_NEVER);
  tl_sentmap_trim(&f->udp.map);
  for (uint32_t i = 0; i < f->tcp_count; i++) tl_sentmap_trim(&f->tcp[i]->map);
}
