#include "transport/link/acks.h"

#include <stdlib.h>

void tl_acks_init(struct tl_acks *a, struct tl_account *account) {
  *a = (struct tl_acks){.account = account};
}

static void free_space(struct tl_acks *a, struct tl_ack_space *s) {
  tl_ranges_deinit(&s->came);
  a->account->bytes -= sizeof *s;
  free(s);
}

void tl_acks_deinit(struct tl_acks *a) {
  for (uint32_t i = 0; i < a->count; i++) free_space(a, a->spaces[i]);
  a->count = 0;
}

static struct tl_ack_space *find(const struct tl_acks *a, struct tl_space_name name) {
  for (uint32_t i = 0; i < a->count; i++) {
    struct tl_ack_space *s = a->spaces[i];
    if (s->name.epoch == name.epoch && s->name.channel == name.channel) return s;
  }
  return NULL;
}

/* Takes the place of the space that was used longest ago: of a closed channel or an old epoch. */
static uint32_t place_of_new(struct tl_acks *a) {
  if (a->count < TL_ACKS_SPACES_MAX) return a->count++;
  uint32_t oldest = 0;
  for (uint32_t i = 1; i < a->count; i++)
    if (a->spaces[i]->used_at < a->spaces[oldest]->used_at) oldest = i;
  free_space(a, a->spaces[oldest]);
  return oldest;
}

static struct tl_ack_space *add(struct tl_acks *a, struct tl_space_name name) {
  struct tl_ack_space *s = calloc(1, sizeof *s);
  if (!s) return NULL;
  s->name = name;
  s->due_at = TL_NEVER;
  tl_ranges_init(&s->came, TL_FRAME_ACK_RANGES_MAX);
  a->account->bytes += sizeof *s;
  a->spaces[place_of_new(a)] = s;
  return s;
}

/* Only the highest ranges are kept: what is too old to be told, the sender has given up. */
static int note(struct tl_ack_space *s, uint64_t counter) {
  if (tl_ranges_add(&s->came, counter, counter + 1) == 0) return 0;
  if (s->came.count < TL_FRAME_ACK_RANGES_MAX) return TL_FULL;
  if (counter < s->came.at[0].start) return 0;
  tl_ranges_drop_first(&s->came);
  return tl_ranges_add(&s->came, counter, counter + 1);
}

static uint64_t highest(const struct tl_ack_space *s) {
  return s->came.at[s->came.count - 1].end;
}

static bool is_enough(const struct tl_ack_space *s) {
  if (s->name.channel == TL_FLOW_CHANNEL_UDP)
    return s->packets >= TL_ACKS_PACKETS_MAX && s->bytes >= TL_ACKS_BYTES_MAX;
  return s->packets >= TL_ACKS_PACKETS_MAX_TCP || s->bytes >= TL_ACKS_BYTES_MAX_TCP;
}

static void schedule(struct tl_ack_space *s, uint64_t now, bool is_disordered) {
  uint64_t delay =
      s->name.channel == TL_FLOW_CHANNEL_UDP ? TL_FLOW_ACK_DELAY_NS : TL_FLOW_ACK_DELAY_TCP_NS;
  if (s->due_at == TL_NEVER) s->due_at = now + delay;
  if (is_disordered || is_enough(s)) s->due_at = tl_time_min(s->due_at, now);
}

int tl_acks_received(struct tl_acks *a, uint64_t now, const struct tl_flow_packet *packet,
                     bool is_eliciting) {
  struct tl_space_name name = {packet->epoch, packet->channel};
  struct tl_ack_space *s = find(a, name);
  if (!s && !(s = add(a, name))) return TL_FULL;
  s->used_at = ++a->uses;
  uint64_t before = s->came.count ? highest(s) : packet->counter;
  if (note(s, packet->counter)) return TL_FULL;
  if (packet->counter >= before) s->newest_at = now;
  if (!is_eliciting) return 0;
  s->packets++;
  s->bytes += (uint32_t)packet->bytes;
  schedule(s, now, packet->counter != before);
  return 0;
}

uint64_t tl_acks_deadline(const struct tl_acks *a) {
  uint64_t at = TL_NEVER;
  for (uint32_t i = 0; i < a->count; i++) at = tl_time_min(at, a->spaces[i]->due_at);
  return at;
}

struct tl_ack_space *tl_acks_waiting(const struct tl_acks *a, uint32_t index, uint32_t channel) {
  struct tl_ack_space *s = a->spaces[index];
  bool may_go = s->name.channel == TL_FLOW_CHANNEL_UDP || s->name.channel == channel;
  return may_go && s->due_at != TL_NEVER ? s : NULL;
}

uint64_t tl_acks_deadline_on(const struct tl_acks *a, uint32_t channel) {
  uint64_t at = TL_NEVER;
  for (uint32_t i = 0; i < a->count; i++) {
    const struct tl_ack_space *s = tl_acks_waiting(a, i, channel);
    if (s) at = tl_time_min(at, s->due_at);
  }
  return at;
}

void tl_acks_frame(const struct tl_ack_space *s, uint64_t now, struct tl_frame_ack *out_ack) {
  out_ack->epoch = s->name.epoch;
  out_ack->channel = s->name.channel;
  out_ack->delay_us = (now - s->newest_at) / TL_US;
  out_ack->range_count = s->came.count;
  for (uint32_t i = 0; i < s->came.count; i++) {
    const struct tl_range *range = s->came.at + s->came.count - 1 - i;
    out_ack->ranges[i] = (struct tl_frame_range){range->start, range->end - 1};
  }
}

void tl_acks_told(struct tl_ack_space *s) {
  s->due_at = TL_NEVER;
  s->packets = s->bytes = 0;
}

/* The highest range stays, shortened, so that the order of what comes next can still be told. */
void tl_acks_confirmed(struct tl_acks *a, struct tl_space_name name, uint64_t largest) {
  struct tl_ack_space *s = find(a, name);
  if (!s || s->came.count == 0) return;
  uint64_t limit = highest(s) - 1;
  tl_ranges_drop_below(&s->came, largest < limit ? largest : limit);
}

void tl_acks_channel_lost(struct tl_acks *a, uint32_t channel) {
  for (uint32_t i = 0; i < a->count; i++)
    if (a->spaces[i]->name.channel == channel) tl_acks_told(a->spaces[i]);
}
