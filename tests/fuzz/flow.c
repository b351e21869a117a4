/*
 * Frames after decryption into a live flow.
 *
 * An input is a row of steps: a packet's payload, something that the user does, time that passes,
 * or a packet that leaves. Whatever it is, the flow stays within its memory and says nothing but 0,
 * TL_FULL or TULLE_E_PROTOCOL, which ends the run as it ends a link.
 */
#include <string.h>

#include "core/bytes.h"
#include "transport/link/flow.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
  struct tl_reader in;
  struct tl_flow *flow;
  uint64_t now;
  uint64_t sent[2], came[2]; /* by channel */
  uint32_t epoch;
};

/* False: the link is over. */
static bool give_packet(struct run *r, uint32_t channel) {
  size_t size = tl_read_u16(&r->in);
  if (size > tl_reader_left(&r->in)) size = tl_reader_left(&r->in);
  const uint8_t *bytes = tl_read_bytes(&r->in, size);
  if (!bytes) return false;
  struct tl_reader payload = tl_reader_on(bytes, size);
  struct tl_flow_packet packet = {
      .epoch = r->epoch, .channel = channel, .counter = r->came[channel]++, .bytes = size + 32};
  for (;;) {
    struct tl_frame frame;
    int e = tl_frame_next(&payload, &frame);
    if (e == TL_END) break;
    if (e == 0) e = tl_flow_frame(r->flow, r->now, &frame);
    TL_ASSERT(e == 0 || e == TL_FULL || e == TULLE_E_PROTOCOL);
    if (e) return e == TL_FULL;
  }
  int e = tl_flow_received(r->flow, r->now, &packet);
  TL_ASSERT(e == 0 || e == TL_FULL || e == TULLE_E_PROTOCOL);
  return e != TULLE_E_PROTOCOL;
}

static void leave(struct run *r, uint32_t channel) {
  static uint8_t out[1168];
  struct tl_flow_packet packet = {
      .epoch = r->epoch, .channel = channel, .counter = r->sent[channel], .bytes = 32};
  size_t size = tl_flow_poll(r->flow, r->now, &packet, out, sizeof out);
  TL_ASSERT(size <= sizeof out);
  if (size == 0) return;
  r->sent[channel]++;
  struct tl_reader payload = tl_reader_on(out, size);
  struct tl_frame frame;
  int e;
  while ((e = tl_frame_next(&payload, &frame)) == 0) {
  }
  TL_ASSERT(e == TL_END);
}

/* The n-th lane there is, or a new one. */
static struct tl_lane *pick_lane(struct run *r) {
  unsigned n = tl_read_u8(&r->in);
  struct tl_lane *lane = NULL;
  if (n & 0x80) {
    (void)tl_flow_open(r->flow, &lane);
    return lane;
  }
  do {
    lane = tl_flow_next_lane(r->flow, lane);
  } while (lane && n--);
  return lane;
}

static void send_record(struct run *r, struct tl_lane *lane, unsigned what) {
  static uint8_t body[TL_LANE_RECORD_BYTES_MAX];
  struct iovec piece = {body, tl_read_u16(&r->in) % sizeof body};
  (void)tl_lane_send(lane, (enum tl_class)(what % 3), 1, 2, &piece, 1);
}

static void read_records(struct tl_lane *lane) {
  struct tl_lane_record record;
  uint8_t sum = 0;
  while (tl_lane_receive(lane, &record) == 0) {
    for (size_t i = 0; i < record.size; i++) sum ^= record.bytes[i];
    tl_lane_release(lane);
  }
  (void)sum;
}

static void act(struct run *r) {
  unsigned what = tl_read_u8(&r->in);
  struct tl_lane *lane = pick_lane(r);
  struct tl_lane_progress progress;
  if (!lane) return;
  switch (what & 7) {
  case 0:
    tl_lane_close(lane, what >> 3);
    break;
  case 1:
    (void)tl_lane_finish(lane);
    break;
  case 2:
  case 3:
    read_records(lane);
    break;
  case 4:
    tl_lane_progress(lane, &progress);
    TL_ASSERT(progress.acknowledged <= progress.begun && progress.begun <= progress.accepted);
    break;
  default:
    send_record(r, lane, what >> 3);
  }
}

static void pass_time(struct run *r) {
  r->now += (uint64_t)tl_read_u8(&r->in) * 200 * TL_US;
  if (tl_flow_deadline(r->flow) <= r->now) tl_flow_timeout(r->flow, r->now);
  struct tl_flow_event e;
  while (tl_flow_event(r->flow, &e) == 0) {
  }
}

static void change(struct run *r) {
  switch (tl_read_u8(&r->in) & 3) {
  case 0:
    r->epoch++;
    memset(r->sent, 0, sizeof r->sent);
    memset(r->came, 0, sizeof r->came);
    break;
  case 1:
    tl_flow_channel_lost(r->flow, r->now, 0);
    break;
  case 2:
    tl_flow_trim(r->flow);
    break;
  default:
    tl_flow_path_changed(r->flow, r->now, TL_MS);
  }
}

static bool step(struct run *r) {
  unsigned kind = tl_read_u8(&r->in);
  switch (kind & 7) {
  case 4:
    act(r);
    return true;
  case 5:
    pass_time(r);
    return true;
  case 6:
    leave(r, kind >> 7);
    return true;
  case 7:
    change(r);
    return true;
  default:
    return give_packet(r, kind >> 7);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct tl_flow_config config = {.rtt_ns = TL_MS, .packet_bytes = 1200};
  struct run r = {.in = tl_reader_on(data, size), .now = TL_S, .flow = tl_flow_new(&config, TL_S)};
  TL_ASSERT(r.flow);
  while (!r.in.failed && tl_reader_left(&r.in) && step(&r)) {
  }
  struct tl_flow_stats stats;
  tl_flow_stats(r.flow, &stats);
  TL_ASSERT(stats.memory_bytes < TL_FLOW_MEMORY_BYTES_MAX);
  tl_flow_free(r.flow);
  return 0;
}
