/*
 * A member that breaks the protocol, and one that stays within it and wants too much (T-23).
 *
 * Breaches end the link with TULLE_E_PROTOCOL. Floods within the protocol stay within the account,
 * and no single packet costs more than a bounded amount of work.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/test.h"
#include "transport/link/flow.h"
#include "transport/link/lane.h"

/* The victim is the responder: the hostile initiator opens even lanes. */
static struct tl_flow *victim;
static uint64_t now = TL_S;
static uint64_t sent, arrived;

static int setup(void **state) {
  (void)state;
  struct tl_flow_config config = {.rtt_ns = TL_MS, .packet_bytes = 1200};
  victim = tl_flow_new(&config, now);
  sent = arrived = 0;
  return victim ? 0 : -1;
}

static int teardown(void **state) {
  (void)state;
  victim = tl_flow_free(victim);
  return 0;
}

/* ---- Frames ---- */

static uint8_t bytes[TL_FRAME_BODY_BYTES_MAX + 64];

static int give(const struct tl_frame *frame) {
  return tl_flow_frame(victim, now, frame);
}

static int give_stream(uint64_t lane, uint64_t offset, size_t size, bool is_fin,
                       uint64_t messages) {
  return give(&(struct tl_frame){.type = TL_FRAME_STREAM,
                                 .stream = {.lane = lane,
                                            .offset = offset,
                                            .bytes = bytes,
                                            .size = size,
                                            .is_fin = is_fin,
                                            .messages = messages}});
}

static int give_msg(uint64_t lane, uint64_t id, uint32_t total, uint32_t offset, size_t size) {
  return give(&(struct tl_frame){.type = TL_FRAME_MSG,
                                 .msg = {.lane = lane,
                                         .id = id,
                                         .total = total,
                                         .offset = offset,
                                         .bytes = bytes,
                                         .size = size,
                                         .is_reliable = true,
                                         .is_part = size != total}});
}

static int give_best_effort(uint64_t lane, uint64_t id, uint32_t total, size_t size) {
  return give(&(struct tl_frame){.type = TL_FRAME_MSG,
                                 .msg = {.lane = lane,
                                         .id = id,
                                         .total = total,
                                         .bytes = bytes,
                                         .size = size,
                                         .is_part = size != total}});
}

static int give_ack(uint32_t epoch, uint32_t channel, uint64_t first, uint64_t last) {
  struct tl_frame frame = {
      .type = TL_FRAME_ACK,
      .ack = {.epoch = epoch, .channel = channel, .range_count = 1, .ranges = {{first, last}}}};
  return give(&frame);
}

static int give_reset(uint64_t lane, uint64_t charged) {
  return give(
      &(struct tl_frame){.type = TL_FRAME_RESET, .reset = {.lane = lane, .charged = charged}});
}

static int give_credit(enum tl_frame_type type, uint64_t lane, uint64_t max) {
  return give(&(struct tl_frame){.type = type, .credit = {.lane = lane, .max = max}});
}

static void end_packet(void) {
  struct tl_flow_packet packet = {.counter = arrived++, .bytes = 1200};
  assert_int_equal(tl_flow_received(victim, now, &packet), 0);
}

/* The victim sends what it has; returns the packets. */
static unsigned poll_all(void) {
  uint8_t out[1200];
  unsigned packets = 0;
  for (;; packets++) {
    struct tl_flow_packet packet = {.counter = sent, .bytes = 32};
    if (tl_flow_poll(victim, now, &packet, out, 1168) == 0) return packets;
    sent++;
  }
}

static uint64_t memory(void) {
  struct tl_flow_stats stats;
  tl_flow_stats(victim, &stats);
  return stats.memory_bytes;
}

static void victim_sends(struct tl_lane *lane, size_t size) {
  struct iovec piece = {bytes, size};
  assert_int_equal(tl_lane_send(lane, TL_CLASS_ORDERED, 0, 0, &piece, 1), 0);
}

/* ---- Breaches ---- */

static void acknowledging_what_was_never_sent(void **state) {
  (void)state;
  assert_int_equal(give_ack(0, 0, 0, 0), TULLE_E_PROTOCOL);
  victim_sends(tl_flow_lane(victim, 1), 3000);
  poll_all();
  assert_int_equal(give_ack(0, 0, 0, sent), TULLE_E_PROTOCOL);
  assert_int_equal(give_ack(0, 0, sent + 1000, sent + 1000), TULLE_E_PROTOCOL);
  assert_int_equal(give_ack(1, 0, 0, 0), TULLE_E_PROTOCOL);
  assert_int_equal(give_ack(0, 5, 0, 0), TULLE_E_PROTOCOL); /* no such channel */
  assert_int_equal(give_ack(0, 0, 0, sent - 1), 0);
  assert_int_equal(give_ack(0, 0, 0, sent - 1), 0); /* once more is no news */
}

static void acknowledging_a_number_left_out(void **state) {
  (void)state;
  victim_sends(tl_flow_lane(victim, 1), 1000);
  poll_all();
  sent++;
  victim_sends(tl_flow_lane(victim, 1), 1000);
  poll_all();
  assert_int_equal(give_ack(0, 0, 0, 2), TULLE_E_PROTOCOL);
  assert_int_equal(give_ack(0, 0, 1, 1), TULLE_E_PROTOCOL);
  assert_int_equal(give_ack(0, 0, 2, 2), 0);
}

static void lanes_that_nobody_opened(void **state) {
  (void)state;
  assert_int_equal(give_stream(3, 0, 1, false, 0), TULLE_E_PROTOCOL); /* the victim's to open */
  assert_int_equal(give_credit(TL_FRAME_CREDIT, 3, 1), TULLE_E_PROTOCOL);
  assert_int_equal(give_reset(3, 0), TULLE_E_PROTOCOL);
  assert_int_equal(give_stream(2 * TL_FLOW_LANES_MAX, 0, 1, false, 0), TULLE_E_PROTOCOL);
  assert_int_equal(give_stream(UINT64_C(1) << 61, 0, 1, false, 0), TULLE_E_PROTOCOL);
  assert_int_equal(give_stream(2 * TL_FLOW_LANES_MAX - 2, 0, 1, false, 0), 0);
}

static void more_than_the_lanes_credit(void **state) {
  (void)state;
  assert_int_equal(give_stream(0, TL_CREDIT_LANE_BYTES, 1, false, 0), TULLE_E_PROTOCOL);
  assert_int_equal(give_stream(0, UINT64_C(1) << 61, 1, false, 0), TULLE_E_PROTOCOL);
  assert_int_equal(give_stream(0, TL_CREDIT_LANE_BYTES - 1, 1, false, 0), 0);
  assert_int_equal(give_msg(0, 0, 2, 0, 2), TULLE_E_PROTOCOL); /* both classes share it */
}

static void messages_count_their_keeping(void **state) {
  (void)state;
  uint64_t id = 0;
  while (give_msg(0, id, 2, 0, 2) == 0) id++;
  assert_int_equal(id, TL_CREDIT_LANE_BYTES / (2 + TL_CREDIT_MSG_BYTES));
}

static void more_than_the_links_credit(void **state) {
  (void)state;
  uint64_t lane = 0;
  while (give_stream(lane, TL_CREDIT_LANE_BYTES - 1, 1, false, 0) == 0) lane += 2;
  assert_int_equal(lane / 2, TL_FLOW_CREDIT_BYTES / TL_CREDIT_LANE_BYTES);
  assert_true(memory() < TL_FLOW_MEMORY_BYTES_MAX);
}

static void ends_that_contradict(void **state) {
  (void)state;
  bytes[0] = 0; /* a record of nothing: 3 bytes */
  assert_int_equal(give_stream(0, 0, 3, true, 0), 0);
  assert_int_equal(give_stream(0, 3, 3, false, 0), TULLE_E_PROTOCOL);
  assert_int_equal(give_stream(0, 0, 3, true, 1), TULLE_E_PROTOCOL);
  assert_int_equal(give_stream(0, 3, 0, true, 0), 0);
  assert_int_equal(give_stream(0, 0, 0, true, 0), TULLE_E_PROTOCOL);
  assert_int_equal(give_msg(0, 0, 2, 0, 2), TULLE_E_PROTOCOL);
  assert_int_equal(give_stream(2, 2, 0, true, 0), 0);
  assert_int_equal(give_stream(2, 0, 2, false, 0), TULLE_E_PROTOCOL); /* ends inside a record */
  assert_int_equal(give_msg(4, 5, 2, 0, 2), 0);
  assert_int_equal(give_stream(4, 0, 0, true, 5), TULLE_E_PROTOCOL); /* number 5 came already */
}

/* A FIN that overtakes the last bytes must not count them: they count when they come. */
static void a_bare_end_uses_no_credit(void **state) {
  (void)state;
  bytes[0] = 1, bytes[1] = bytes[2] = bytes[3] = 0;
  assert_int_equal(give_stream(2, 4, 0, true, 0), 0);
  assert_int_equal(give_stream(2, 0, 4, false, 0), 0);
  assert_int_equal(give_reset(2, 4), 0);
}

static void messages_out_of_their_window_or_of_two_sizes(void **state) {
  (void)state;
  assert_int_equal(give_msg(0, TL_INBOX_WINDOW, 2, 0, 2), TULLE_E_PROTOCOL);
  assert_int_equal(give_msg(0, UINT64_C(1) << 61, 2, 0, 2), TULLE_E_PROTOCOL);
  assert_int_equal(give_msg(0, 3, 100, 0, 50), 0);
  assert_int_equal(give_msg(0, 3, 101, 50, 50), TULLE_E_PROTOCOL);
  assert_int_equal(give_best_effort(0, 3, 100, 50), 0);
  assert_int_equal(give_best_effort(0, 3, 101, 50), TULLE_E_PROTOCOL);
}

static void resets_that_lie_about_credit(void **state) {
  (void)state;
  assert_int_equal(give_stream(2, 0, 100, false, 0), 0);
  assert_int_equal(give_reset(2, 99), TULLE_E_PROTOCOL);
  assert_int_equal(give_reset(2, TL_CREDIT_LANE_BYTES + 1), TULLE_E_PROTOCOL);
  assert_int_equal(give_reset(2, 200), 0);
  assert_int_equal(give_reset(2, 200), 0); /* a copy */
  assert_int_equal(give_reset(2, 201), TULLE_E_PROTOCOL);
  assert_int_equal(give_stream(2, 100, 50, false, 0), 0); /* under way when it was reset */
  bytes[0] = 0;
  assert_int_equal(give_stream(4, 0, 3, true, 0), 0);
  assert_int_equal(give_reset(4, 4), TULLE_E_PROTOCOL);
}

static void grants_beyond_reason(void **state) {
  (void)state;
  assert_int_equal(give_credit(TL_FRAME_LANES, 0, TL_FLOW_LANES_MAX + 2), TULLE_E_PROTOCOL);
  assert_int_equal(give_credit(TL_FRAME_LANES, 0, TL_FLOW_LANES_MAX + 1), 0);
  /* Credit may be any: how much is buffered is not the peer's to say. */
  assert_int_equal(give_credit(TL_FRAME_LINK_CREDIT, 0, UINT64_MAX >> 2), 0);
  assert_int_equal(give_credit(TL_FRAME_CREDIT, 1, UINT64_MAX >> 2), 0);
  struct iovec piece = {bytes, 10000};
  size_t accepted = 0;
  for (int round = 0; round < 1000; round++) {
    while (tl_lane_send(tl_flow_lane(victim, 1), TL_CLASS_ORDERED, 0, 0, &piece, 1) == 0)
      accepted += 10000;
    poll_all();
    now += TL_MS;
    tl_flow_timeout(victim, now);
  }
  assert_true(accepted <= TL_LANE_HELD_BYTES_MAX);
}

static void too_many_acknowledgements_in_a_packet(void **state) {
  (void)state;
  victim_sends(tl_flow_lane(victim, 1), 100);
  poll_all();
  for (unsigned i = 0; i < TL_ACKS_SPACES_MAX; i++) assert_int_equal(give_ack(0, 0, 0, 0), 0);
  assert_int_equal(give_ack(0, 0, 0, 0), TULLE_E_PROTOCOL);
}

/* ---- Floods within the protocol ---- */

static void all_lanes_with_a_byte_each(void **state) {
  (void)state;
  struct tl_flow_event e;
  size_t opened = 0;
  for (uint64_t i = 0; i < TL_FLOW_LANES_MAX; i++) {
    assert_int_equal(give_stream(2 * i, 0, 1, false, 0), 0);
    assert_int_equal(give_msg(2 * i, 1, 200, 0, 100), 0);
    end_packet();
  }
  assert_true(memory() < TL_FLOW_MEMORY_BYTES_MAX);
  while (tl_flow_event(victim, &e) == 0) opened += e.type == TL_FLOW_LANE_OPENED;
  assert_int_equal(opened, TL_FLOW_LANES_MAX - 1); /* lane 0 was there */
  poll_all();
  for (struct tl_lane *lane; (lane = tl_flow_next_lane(victim, NULL));) tl_lane_close(lane, 1);
  for (uint64_t i = 0; i < TL_FLOW_LANES_MAX; i++)
    assert_int_equal(give_reset(2 * i, TL_CREDIT_LANE_BYTES / 100), 0);
  assert_true(memory() < TL_FLOW_MEMORY_BYTES_MAX);
}

/* All credit in pieces that make no record, of messages that never end, and far offsets. */
static void all_credit_and_nothing_to_read(void **state) {
  (void)state;
  bytes[0] = 0x80, bytes[1] = 0, bytes[2] = 0x7f, bytes[3] = 0xff; /* a record of 32,767 */
  for (uint64_t lane = 0; give_stream(lane, 0, 1, false, 0) == 0; lane += 2) {
    (void)give_stream(lane, 20000, 1, false, 0);
    (void)give_stream(lane, 10000, 1, false, 0);
    (void)give_msg(lane, 0, 30000, 100, 1);
    if (lane > 2 * 2000) break;
  }
  end_packet();
  assert_true(memory() < TL_FLOW_MEMORY_BYTES_MAX);
}

static void unfinished_best_effort_messages(void **state) {
  (void)state;
  for (uint64_t i = 0; i < 20000; i++)
    assert_int_equal(give_best_effort(2 * (i % 100), i, 32770, 1), 0);
  struct tl_flow_stats stats;
  tl_flow_stats(victim, &stats);
  assert_true(stats.memory_bytes < 2u << 20);
  assert_true(stats.best_effort_dropped >= 19000);
  tl_flow_trim(victim);
  tl_flow_stats(victim, &stats);
  assert_int_equal(stats.best_effort_dropped, 20000);
}

static void best_effort_that_nobody_reads(void **state) {
  (void)state;
  for (uint64_t i = 0; i < 40000; i++)
    assert_int_equal(give_best_effort(2 * (i % 5000), i, 1000, 1000), 0);
  assert_true(memory() < 3 * TL_FLOW_BEST_EFFORT_BYTES_MAX + (8u << 20));
}

/* Holes as many as can be: the work for a packet stays small, and TL_FULL says so. */
static void islands_of_one_byte(void **state) {
  (void)state;
  unsigned refused = 0;
  for (uint64_t offset = 1; offset < TL_CREDIT_LANE_BYTES; offset += 2) {
    int r = give_stream(0, offset, 1, false, 0);
    assert_true(r == 0 || r == TL_FULL);
    refused += r == TL_FULL;
  }
  assert_true(refused > 30000);
  refused = 0;
  for (uint32_t offset = 1; offset < 30000; offset += 2)
    refused += give_msg(2, 0, 32770, offset, 1) == TL_FULL;
  assert_true(refused > 14000);
  assert_true(memory() < 1u << 20);
}

static void numbers_in_disorder(void **state) {
  (void)state;
  uint32_t x = 3;
  for (int i = 0; i < 200000; i++) {
    x = x * 1664525 + 1013904223;
    struct tl_flow_packet packet = {.epoch = x & 3, .counter = x >> 4 & 0xfffff, .bytes = 100};
    packet.is_eliciting = true;
    assert_int_equal(tl_flow_received(victim, now, &packet), 0);
  }
  uint8_t out[1200];
  struct tl_flow_packet packet = {.bytes = 32};
  size_t size = tl_flow_poll(victim, now, &packet, out, 1168);
  assert_true(size > 0 && size <= 4 * 200);
  assert_true(memory() < 65536);
}

/* Many lanes that wait for the link's credit, which comes a byte at a time. */
static void credit_in_crumbs(void **state) {
  (void)state;
  static struct tl_lane *lanes[2000];
  struct iovec piece = {bytes, 4000};
  for (int i = 0; i < 2000; i++) {
    assert_int_equal(tl_flow_open(victim, lanes + i), 0);
    (void)tl_lane_send(lanes[i], TL_CLASS_ORDERED, 0, 0, &piece, 1);
  }
  victim->credit_out.max = victim->credit_out.used; /* as if all were used up */
  for (uint64_t i = 0; i < 2000; i++) {
    assert_int_equal(give_credit(TL_FRAME_LINK_CREDIT, 0, victim->credit_out.max + 1), 0);
    end_packet();
    poll_all();
    (void)give_ack(0, 0, 0, sent - 1);
  }
  assert_true(memory() < TL_FLOW_MEMORY_BYTES_MAX);
}

static void a_peer_that_never_acknowledges(void **state) {
  (void)state;
  struct iovec piece = {bytes, 100};
  uint64_t packets = 0;
  (void)give_credit(TL_FRAME_CREDIT, 1, UINT64_MAX >> 2);
  (void)give_credit(TL_FRAME_LINK_CREDIT, 0, UINT64_MAX >> 2);
  for (int i = 0; i < 20000; i++) { /* 20 s */
    (void)tl_lane_send(tl_flow_lane(victim, 1), TL_CLASS_ORDERED, 0, 0, &piece, 1);
    packets += poll_all();
    now += TL_MS;
    if (tl_flow_deadline(victim) <= now) tl_flow_timeout(victim, now);
  }
  assert_true(packets < 400); /* a window, then probes that back off */
  assert_true(memory() < 4u << 20);
}

/* On TCP nothing holds packets back but the map and the lanes' buffers. */
static void a_peer_that_never_acknowledges_on_tcp(void **state) {
  (void)state;
  uint8_t out[1200];
  struct iovec piece = {bytes, 1};
  uint64_t counter = 0;
  (void)give_credit(TL_FRAME_CREDIT, 1, UINT64_MAX >> 2);
  for (int i = 0; i < 50000; i++) {
    (void)tl_lane_send(tl_flow_lane(victim, 1), TL_CLASS_ORDERED, 0, 0, &piece, 1);
    struct tl_flow_packet packet = {.channel = 1, .counter = counter, .bytes = 32};
    if (tl_flow_poll(victim, now, &packet, out, 1168)) counter++;
  }
  assert_int_equal(counter, TL_SENTMAP_PACKETS_MAX);
  assert_true(memory() < 8u << 20);
}

/* What is under way stays within the window that a receiver remembers, however much credit there
 * is. */
static void reliable_messages_under_way_are_counted(void **state) {
  (void)state;
  static uint8_t out[65000];
  struct iovec piece = {bytes, 1};
  unsigned messages = 0;
  (void)give_credit(TL_FRAME_CREDIT, 1, UINT64_MAX >> 2);
  for (int i = 0; i < 2000; i++) {
    (void)tl_lane_send(tl_flow_lane(victim, 1), TL_CLASS_RELIABLE, 0, 0, &piece, 1);
    struct tl_flow_packet packet = {.channel = 1, .counter = sent, .bytes = 32};
    size_t size = tl_flow_poll(victim, now, &packet, out, sizeof out);
    if (size) sent++;
    struct tl_reader r = tl_reader_on(out, size);
    struct tl_frame frame;
    while (tl_frame_next(&r, &frame) == 0) messages += frame.type == TL_FRAME_MSG;
  }
  assert_int_equal(messages, TL_INBOX_WINDOW);
}

/* ---- Chance ---- */

/* Valid and invalid frames at random: nothing but 0, TL_FULL and TULLE_E_PROTOCOL, and bounded
 * memory. */
static void frames_at_random(void **state) {
  (void)state;
  uint32_t x = 1;
  for (int i = 0; i < 200000; i++) {
    x = x * 1664525 + 1013904223;
    uint64_t lane = x >> 28 ? (x >> 8) % 40 : x >> 4;
    uint32_t a = x >> 20, b = (x >> 12) & 255;
    int r = 0;
    for (size_t k = 0; k < 8; k++) bytes[k] = (uint8_t)(a + k * b);
    switch (x >> 5 & 15) {
    case 0:
      r = give_ack(b & 1, b >> 7, a % 20, a % 20 + b % 20);
      break;
    case 1:
      r = give_reset(lane, a);
      break;
    case 2:
      r = give_credit(b & 1 ? TL_FRAME_CREDIT : TL_FRAME_LINK_CREDIT, lane, (uint64_t)a << b % 40);
      break;
    case 3:
    case 4:
    case 5:
      r = give_msg(lane, a % 8, 2 + b, 0, 2 + b);
      break;
    case 6:
      r = give_msg(lane, a % 8, 300, b, 40);
      break;
    case 7:
      r = give_best_effort(lane, a, 400, b + 1);
      break;
    case 8:
      r = give_stream(lane, a % 100, b, true, a % 4);
      break;
    default:
      r = give_stream(lane, a % 1000, b + 1, false, 0);
    }
    assert_true(r == 0 || r == TL_FULL || r == TULLE_E_PROTOCOL);
    if (r == TULLE_E_PROTOCOL && i % 100 == 0) { /* the link ends, another begins */
      (void)teardown(NULL);
      assert_int_equal(setup(NULL), 0);
    }
    if (i % 3 == 0) end_packet();
    struct tl_flow_event e;
    if (i % 7 == 0)
      while (tl_flow_event(victim, &e) == 0)
        if (e.lane && (a & 7) == 0) tl_lane_close(e.lane, b);
    for (struct tl_lane *l = NULL; i % 11 == 0 && (l = tl_flow_next_lane(victim, l));) {
      struct tl_lane_record record;
      if (tl_lane_receive(l, &record) == 0) tl_lane_release(l);
      struct iovec piece = {bytes, b};
      (void)tl_lane_send(l, (enum tl_class)(a % 3), 1, 1, &piece, 1);
    }
    if (i % 13 == 0) poll_all();
    now += x & 0xffff;
    if (tl_flow_deadline(victim) <= now) tl_flow_timeout(victim, now);
    if (i % 1000 == 0) tl_flow_trim(victim);
  }
  assert_true(memory() < TL_FLOW_MEMORY_BYTES_MAX);
}

#define HOSTILE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      HOSTILE_TEST(acknowledging_what_was_never_sent),
      HOSTILE_TEST(acknowledging_a_number_left_out),
      HOSTILE_TEST(lanes_that_nobody_opened),
      HOSTILE_TEST(more_than_the_lanes_credit),
      HOSTILE_TEST(messages_count_their_keeping),
      HOSTILE_TEST(more_than_the_links_credit),
      HOSTILE_TEST(ends_that_contradict),
      HOSTILE_TEST(a_bare_end_uses_no_credit),
      HOSTILE_TEST(messages_out_of_their_window_or_of_two_sizes),
      HOSTILE_TEST(resets_that_lie_about_credit),
      HOSTILE_TEST(grants_beyond_reason),
      HOSTILE_TEST(too_many_acknowledgements_in_a_packet),
      HOSTILE_TEST(all_lanes_with_a_byte_each),
      HOSTILE_TEST(all_credit_and_nothing_to_read),
      HOSTILE_TEST(unfinished_best_effort_messages),
      HOSTILE_TEST(best_effort_that_nobody_reads),
      HOSTILE_TEST(islands_of_one_byte),
      HOSTILE_TEST(numbers_in_disorder),
      HOSTILE_TEST(credit_in_crumbs),
      HOSTILE_TEST(a_peer_that_never_acknowledges),
      HOSTILE_TEST(a_peer_that_never_acknowledges_on_tcp),
      HOSTILE_TEST(reliable_messages_under_way_are_counted),
      HOSTILE_TEST(frames_at_random),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
