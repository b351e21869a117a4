#include "tests/unit/link/flow_pair.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/test.h"

#define SEEN_MAX      (1u << 20)
#define HEADER_BYTES  32u
#define TCP_ROOM      65000u
#define BURST_PACKETS 64u

/* ---- Chance: xorshift64* ---- */

uint64_t pair_random(struct pair *p) {
  p->random ^= p->random >> 12;
  p->random ^= p->random << 25;
  p->random ^= p->random >> 27;
  return p->random * UINT64_C(0x2545f4914f6cdd1d);
}

uint64_t pair_below(struct pair *p, uint64_t n) {
  return n ? (pair_random(p) >> 11) % n : 0;
}

bool pair_chance(struct pair *p, double share) {
  return (double)(pair_random(p) >> 11) < share * (double)(UINT64_C(1) << 53);
}

/* ---- The queue ---- */

static bool is_before(const struct pair_packet *a, const struct pair_packet *b) {
  return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void heap_up(struct pair *p, size_t i) {
  for (; i && is_before(p->queue[i], p->queue[(i - 1) / 2]); i = (i - 1) / 2) {
    struct pair_packet *t = p->queue[i];
    p->queue[i] = p->queue[(i - 1) / 2];
    p->queue[(i - 1) / 2] = t;
  }
}

static void heap_down(struct pair *p) {
  for (size_t i = 0;;) {
    size_t child = 2 * i + 1;
    if (child >= p->queue_count) return;
    if (child + 1 < p->queue_count && is_before(p->queue[child + 1], p->queue[child])) child++;
    if (!is_before(p->queue[child], p->queue[i])) return;
    struct pair_packet *t = p->queue[i];
    p->queue[i] = p->queue[child];
    p->queue[child] = t;
    i = child;
  }
}

static void queue_push(struct pair *p, struct pair_packet *packet) {
  if (p->queue_count == p->queue_capacity) {
    p->queue_capacity = p->queue_capacity ? 2 * p->queue_capacity : 64;
    p->queue = realloc(p->queue, p->queue_capacity * sizeof *p->queue);
    assert_non_null(p->queue);
  }
  packet->order = p->order++;
  p->queue[p->queue_count++] = packet;
  heap_up(p, p->queue_count - 1);
}

static struct pair_packet *queue_pop(struct pair *p) {
  struct pair_packet *first = p->queue[0];
  p->queue[0] = p->queue[--p->queue_count];
  heap_down(p);
  return first;
}

static void packet_free(struct pair_packet *packet) {
  free(packet->bytes);
  free(packet);
}

/* ---- Life ---- */

static void side_init(struct pair *p, unsigned i, uint32_t credit_bytes) {
  struct tl_flow_config config = {
      .is_initiator = i == 0, .rtt_ns = TL_MS, .packet_bytes = 1200, .credit_bytes = credit_bytes};
  memset(config.secret, (int)i + 1, sizeof config.secret);
  p->side[i].flow = tl_flow_new(&config, p->now);
  p->side[i].seen = calloc(1, SEEN_MAX);
  assert_non_null(p->side[i].flow);
  assert_non_null(p->side[i].seen);
}

void pair_init(struct pair *p, uint64_t seed, uint32_t credit_bytes) {
  memset(p, 0, sizeof *p);
  p->random = seed * 2 + 1;
  for (int i = 0; i < 8; i++) pair_random(p);
  p->now = TL_S;
  p->packet_bytes = 1200;
  p->weather.delay = 100 * TL_US;
  side_init(p, 0, credit_bytes);
  side_init(p, 1, credit_bytes);
}

void pair_deinit(struct pair *p) {
  for (size_t i = 0; i < p->queue_count; i++) packet_free(p->queue[i]);
  free(p->queue);
  for (unsigned i = 0; i < 2; i++) {
    p->side[i].flow = tl_flow_free(p->side[i].flow);
    free(p->side[i].seen);
  }
}

static void arm(const struct pair *p, bool on) {
  if (p->arm) p->arm(on);
}

/* ---- Sending ---- */

static void trace(struct pair *p, const void *data, size_t size) {
  const uint8_t *at = data;
  for (size_t i = 0; i < size; i++) p->trace = (p->trace ^ at[i]) * UINT64_C(0x100000001b3);
}

static void launch(struct pair *p, unsigned from, const struct tl_flow_packet *name,
                   const uint8_t *bytes, size_t size) {
  const struct pair_weather *w = &p->weather;
  struct pair_packet *packet = calloc(1, sizeof *packet);
  assert_non_null(packet);
  packet->bytes = malloc(size ? size : 1);
  assert_non_null(packet->bytes);
  memcpy(packet->bytes, bytes, size);
  packet->size = size;
  packet->name = *name;
  packet->to = 1 - from;
  packet->at = p->now + w->delay;
  if (name->channel == 0 && pair_chance(p, w->reorder))
    packet->at += pair_below(p, w->extra_max + 1);
  queue_push(p, packet);
}

static void transmit(struct pair *p, unsigned from, const struct tl_flow_packet *name,
                     const uint8_t *bytes, size_t size) {
  p->side[from].packets++;
  p->side[from].bytes += size;
  trace(p, &p->now, sizeof p->now);
  trace(p, bytes, size);
  if (name->channel == 0 && (p->cut || pair_chance(p, p->weather.loss))) {
    p->lost++;
    return;
  }
  launch(p, from, name, bytes, size);
  if (name->channel == 0 && pair_chance(p, p->weather.duplication))
    launch(p, from, name, bytes, size);
}

static bool poll_one(struct pair *p, unsigned i, uint32_t channel) {
  static uint8_t out[TCP_ROOM];
  struct pair_side *s = p->side + i;
  if (p->skips && channel == 0 && pair_below(p, 256) == 0) s->next[0]++;
  struct tl_flow_packet name = {.epoch = s->epoch,
                                .channel = channel,
                                .counter = s->next[channel],
                                .is_spare = channel != s->channel,
                                .bytes = HEADER_BYTES};
  size_t room = channel ? TCP_ROOM : p->packet_bytes - HEADER_BYTES;
  arm(p, true);
  size_t size = tl_flow_poll(s->flow, p->now, &name, out, room);
  arm(p, false);
  if (size == 0) return false;
  assert_true(size <= room);
  s->next[channel]++;
  name.bytes = size + HEADER_BYTES;
  transmit(p, i, &name, out, size);
  return true;
}

static bool is_open(const struct pair *p, uint32_t channel) {
  return channel == 0 || p->is_open[channel];
}

void pair_poll(struct pair *p) {
  for (unsigned i = 0; i < 2; i++)
    for (uint32_t channel = 0; channel < PAIR_CHANNELS; channel++)
      if (channel == p->side[i].channel || is_open(p, channel))
        while (poll_one(p, i, channel)) {
        }
}

/* ---- Arriving ---- */

static bool is_replay(struct pair_side *s, const struct tl_flow_packet *name) {
  if (name->channel) return false;
  uint64_t at = name->counter + name->epoch * UINT64_C(65536);
  assert_true(at < SEEN_MAX);
  return s->seen[at]++ != 0;
}

static int take(struct pair *p, struct pair_side *s, struct pair_packet *packet) {
  struct tl_reader r = tl_reader_on(packet->bytes, packet->size);
  struct tl_frame frame;
  int e;
  packet->name.is_eliciting = false;
  while ((e = tl_frame_next(&r, &frame)) == 0) {
    if (frame.type == TL_FRAME_PING) packet->name.is_eliciting = true;
    e = tl_flow_frame(s->flow, p->now, &frame);
    if (e) return e;
  }
  assert_int_equal(e, TL_END);
  return tl_flow_received(s->flow, p->now, &packet->name);
}

static void arrive(struct pair *p, struct pair_packet *packet) {
  struct pair_side *s = p->side + packet->to;
  if (is_replay(s, &packet->name)) return;
  arm(p, true);
  int e = take(p, s, packet);
  arm(p, false);
  if (e < 0) s->error = e;
}

static uint64_t deadline_of(const struct pair *p) {
  return tl_time_min(tl_flow_deadline(p->side[0].flow), tl_flow_deadline(p->side[1].flow));
}

bool pair_step(struct pair *p, uint64_t until) {
  pair_poll(p);
  uint64_t at = p->queue_count ? p->queue[0]->at : TL_NEVER;
  at = tl_time_min(at, deadline_of(p));
  if (at > until) {
    p->now = until;
    return false;
  }
  if (at > p->now) p->now = at;
  while (p->queue_count && p->queue[0]->at <= p->now) {
    struct pair_packet *packet = queue_pop(p);
    arrive(p, packet);
    packet_free(packet);
  }
  for (unsigned i = 0; i < 2; i++)
    if (tl_flow_deadline(p->side[i].flow) <= p->now) tl_flow_timeout(p->side[i].flow, p->now);
  pair_poll(p);
  return true;
}

void pair_run(struct pair *p, uint64_t until) {
  while (pair_step(p, until)) {
  }
}

void pair_lose_all(struct pair *p) {
  while (p->queue_count) packet_free(queue_pop(p));
}

/* ---- Paths and keys ---- */

void pair_rekey(struct pair *p, unsigned side) {
  struct pair_side *s = p->side + side;
  s->epoch++;
  memset(s->next, 0, sizeof s->next);
}

void pair_use_channel(struct pair *p, unsigned side, uint32_t channel) {
  p->side[side].channel = channel;
  p->is_open[channel] = true;
}

void pair_break_channel(struct pair *p, uint32_t channel) {
  size_t kept = 0;
  p->is_open[channel] = false;
  for (size_t i = 0; i < p->queue_count; i++) {
    if (p->queue[i]->name.channel == channel)
      packet_free(p->queue[i]);
    else
      p->queue[kept++] = p->queue[i];
  }
  p->queue_count = kept;
  for (size_t i = 0; i < kept; i++) heap_up(p, i);
  for (unsigned i = 0; i < 2; i++) {
    tl_flow_channel_lost(p->side[i].flow, p->now, channel);
    if (p->side[i].channel == channel) p->side[i].channel = 0;
  }
}
