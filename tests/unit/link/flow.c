/* What a flow promises its user, one promise a test, over a channel that behaves as the test
 * says. */
#include <string.h>

#include "tests/unit/link/flow_pair.h"
#include "tests/unit/test.h"
#include "transport/link/lane.h"

static struct pair p;

static int setup(void **state) {
  (void)state;
  pair_init(&p, 1, 0);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  assert_int_equal(p.side[0].error, 0);
  assert_int_equal(p.side[1].error, 0);
  pair_deinit(&p);
  return 0;
}

/* ---- Helpers ---- */

static struct tl_flow *flow(unsigned side) {
  return p.side[side].flow;
}

static int send_bytes(struct tl_lane *lane, enum tl_class class, uint8_t kind, size_t size) {
  static uint8_t body[TL_LANE_RECORD_BYTES_MAX + 1];
  struct iovec piece = {body, size};
  return tl_lane_send(lane, class, kind, 0, &piece, 1);
}

static struct tl_lane *open_lane(unsigned side) {
  struct tl_lane *lane;
  assert_int_equal(tl_flow_open(flow(side), &lane), 0);
  return lane;
}

static void settle(void) {
  pair_run(&p, p.now + 100 * TL_MS);
}

static void expect_event(unsigned side, enum tl_flow_event_type type, const struct tl_lane *lane) {
  struct tl_flow_event e;
  assert_int_equal(tl_flow_event(flow(side), &e), 0);
  assert_int_equal(e.type, type);
  if (lane) assert_ptr_equal(e.lane, lane);
}

static void expect_no_event(unsigned side) {
  struct tl_flow_event e;
  assert_int_equal(tl_flow_event(flow(side), &e), TL_EMPTY);
}

static void drop_events(unsigned side) {
  struct tl_flow_event e;
  while (tl_flow_event(flow(side), &e) == 0) {
  }
}

/* The same lane at the other end. */
static struct tl_lane *other_end(const struct tl_lane *lane, unsigned side) {
  struct tl_lane *other = tl_flow_lane(flow(side), tl_lane_number(lane));
  assert_non_null(other);
  return other;
}

static void expect_record(struct tl_lane *lane, enum tl_class class, uint8_t kind, size_t size) {
  struct tl_lane_record record;
  assert_int_equal(tl_lane_receive(lane, &record), 0);
  assert_int_equal(record.class, class);
  assert_int_equal(record.kind, kind);
  assert_int_equal(record.size, size);
  tl_lane_release(lane);
}

static void expect_nothing(struct tl_lane *lane, int condition) {
  struct tl_lane_record record;
  assert_int_equal(tl_lane_receive(lane, &record), condition);
}

static size_t read_all(struct tl_lane *lane) {
  struct tl_lane_record record;
  size_t bytes = 0;
  while (tl_lane_receive(lane, &record) == 0) {
    bytes += record.size;
    tl_lane_release(lane);
  }
  return bytes;
}

static struct tl_flow_stats stats_of(unsigned side) {
  struct tl_flow_stats stats;
  tl_flow_stats(flow(side), &stats);
  return stats;
}

/* ---- Lanes ---- */

static void lanes_are_numbered_by_side(void **state) {
  (void)state;
  assert_int_equal(tl_lane_number(tl_flow_lane(flow(0), 0)), 0);
  assert_int_equal(tl_lane_number(tl_flow_lane(flow(0), 1)), 1);
  assert_non_null(tl_flow_lane(flow(1), 0));
  assert_null(tl_flow_lane(flow(0), 2));
  assert_int_equal(tl_lane_number(open_lane(0)), 2);
  assert_int_equal(tl_lane_number(open_lane(0)), 4);
  assert_int_equal(tl_lane_number(open_lane(1)), 3);
  size_t count = 0;
  for (struct tl_lane *l = NULL; (l = tl_flow_next_lane(flow(0), l)); count++)
    assert_ptr_equal(tl_lane_flow(l), flow(0));
  assert_int_equal(count, 4);
}

static void the_first_record_opens_the_lane_at_the_peer(void **state) {
  (void)state;
  struct tl_lane *a = open_lane(0), *b = open_lane(0);
  assert_int_equal(send_bytes(b, TL_CLASS_ORDERED, 9, 10), 0);
  settle();
  expect_event(1, TL_FLOW_LANE_OPENED, other_end(b, 1));
  expect_event(1, TL_FLOW_READABLE, other_end(b, 1));
  expect_no_event(1); /* the lower lane is there, but nothing came on it */
  expect_record(other_end(b, 1), TL_CLASS_ORDERED, 9, 10);
  assert_int_equal(send_bytes(a, TL_CLASS_BEST_EFFORT, 1, 0), 0);
  settle();
  expect_event(1, TL_FLOW_LANE_OPENED, other_end(a, 1));
}

static void control_lanes_need_no_opening(void **state) {
  (void)state;
  for (uint64_t number = 0; number < 2; number++)
    for (unsigned side = 0; side < 2; side++) {
      struct tl_lane *lane = tl_flow_lane(flow(side), number);
      assert_int_equal(send_bytes(lane, TL_CLASS_ORDERED, 3, 5), 0);
      settle();
      expect_event(1 - side, TL_FLOW_READABLE, other_end(lane, 1 - side));
      expect_record(other_end(lane, 1 - side), TL_CLASS_ORDERED, 3, 5);
    }
}

static void the_owner_stays(void **state) {
  (void)state;
  int word;
  struct tl_lane *lane = open_lane(0);
  assert_null(tl_lane_owner(lane));
  tl_lane_set_owner(lane, &word);
  assert_ptr_equal(tl_lane_owner(lane), &word);
}

static void open_and_end(struct tl_lane *lane) {
  assert_int_equal(tl_lane_finish(lane), 0);
  settle();
  struct tl_lane *other = other_end(lane, 1);
  assert_int_equal(tl_lane_finish(other), 0);
  tl_lane_close(other, 0);
  tl_lane_close(lane, 0);
}

static void lanes_are_limited_and_ended_ones_make_room(void **state) {
  (void)state;
  static struct tl_lane *lanes[TL_FLOW_LANES_MAX];
  for (unsigned i = 1; i < TL_FLOW_LANES_MAX; i++) lanes[i] = open_lane(0);
  struct tl_lane *more;
  assert_int_equal(tl_flow_open(flow(0), &more), TL_FULL);
  for (unsigned i = 1; i <= TL_FLOW_LANES_MAX / 4; i++) {
    assert_int_equal(tl_lane_finish(lanes[i]), 0);
    if (i % 256 == 0) settle();
  }
  settle();
  for (unsigned i = 1; i <= TL_FLOW_LANES_MAX / 4; i++) {
    struct tl_lane *other = other_end(lanes[i], 1);
    assert_int_equal(tl_lane_finish(other), 0);
    tl_lane_close(other, 0);
    tl_lane_close(lanes[i], 0);
  }
  while (flow(1)->peer_max == TL_FLOW_LANES_MAX) assert_true(pair_step(&p, p.now + TL_S));
  pair_lose_all(&p); /* the grant as well: it has to come again */
  assert_int_equal(tl_flow_open(flow(0), &more), TL_FULL);
  pair_run(&p, p.now + TL_S);
  assert_int_equal(tl_flow_open(flow(0), &more), 0);
}

/* Lanes with much to send share the path alike, and a small message waits for none of them. */
static void lanes_share_the_path(void **state) {
  (void)state;
  struct tl_lane *lanes[5], *small = open_lane(0);
  size_t got[5] = {0};
  p.weather.delay = TL_MS;
  for (int i = 0; i < 5; i++) lanes[i] = open_lane(0);
  for (int round = 0; round < 300; round++) {
    for (int i = 0; i < 5; i++)
      while (send_bytes(lanes[i], TL_CLASS_ORDERED, 0, i % 2 ? 20000 : 700) == 0) {
      }
    pair_run(&p, p.now + 500 * TL_US);
    for (int i = 0; i < 5; i++) {
      struct tl_lane *other = tl_flow_lane(flow(1), tl_lane_number(lanes[i]));
      if (other) got[i] += read_all(other);
    }
  }
  for (int i = 1; i < 5; i++) assert_in_range(got[i], got[0] * 3 / 4, got[0] * 5 / 4);
  uint64_t before = p.now;
  assert_int_equal(send_bytes(small, TL_CLASS_ORDERED, 0, 64), 0);
  while (!tl_flow_lane(flow(1), tl_lane_number(small)) || read_all(other_end(small, 1)) == 0)
    assert_true(pair_step(&p, p.now + TL_S));
  assert_true(p.now - before <= 3 * p.weather.delay);
}

/* ---- Sending ---- */

static void what_cannot_be_sent(void **state) {
  (void)state;
  struct tl_lane *lane = open_lane(0);
  struct iovec piece = {NULL, 0}, halves[2] = {{(void *)"", 1}, {NULL, SIZE_MAX}};
  assert_int_equal(send_bytes(lane, TL_CLASS_ORDERED, 0, TL_LANE_RECORD_BYTES_MAX + 1),
                   TULLE_E_TOO_BIG);
  assert_int_equal(tl_lane_send(lane, TL_CLASS_ORDERED, 0, 0, halves, 2), TULLE_E_TOO_BIG);
  assert_int_equal(tl_lane_send(lane, TL_CLASS_RELIABLE, 0, TL_LANE_MORE, &piece, 1),
                   TULLE_E_INVALID);
  assert_int_equal(tl_lane_send(lane, TL_CLASS_BEST_EFFORT, 0, TL_LANE_MORE, &piece, 1),
                   TULLE_E_INVALID);
  assert_int_equal(tl_lane_send(lane, TL_CLASS_ORDERED, 0, TL_LANE_MORE, NULL, 0), 0);
  assert_int_equal(tl_lane_finish(lane), 0);
  assert_int_equal(send_bytes(lane, TL_CLASS_ORDERED, 0, 1), TULLE_E_CLOSED);
  assert_int_equal(tl_lane_finish(lane), TULLE_E_CLOSED);
}

static void the_largest_and_the_smallest_of_each_class(void **state) {
  (void)state;
  struct tl_lane *lane = open_lane(0);
  for (int class = 0; class < 3; class ++)
    for (int round = 0; round < 3; round++) {
      size_t size = round == 1 ? 0 : TL_LANE_RECORD_BYTES_MAX;
      assert_int_equal(send_bytes(lane, (enum tl_class) class, 77, size), 0);
      settle();
      expect_record(other_end(lane, 1), (enum tl_class) class, 77, size);
      expect_nothing(other_end(lane, 1), TL_EMPTY);
      settle();
    }
}

static void a_long_message_is_a_row_of_records(void **state) {
  (void)state;
  struct tl_lane *lane = open_lane(0);
  struct iovec piece = {(void *)"abcd", 4};
  assert_int_equal(tl_lane_send(lane, TL_CLASS_ORDERED, 5, 1 | TL_LANE_MORE, &piece, 1), 0);
  assert_int_equal(tl_lane_send(lane, TL_CLASS_ORDERED, 5, 1, &piece, 1), 0);
  settle();
  struct tl_lane_record record;
  assert_int_equal(tl_lane_receive(other_end(lane, 1), &record), 0);
  assert_int_equal(record.flags, 1 | TL_LANE_MORE);
  tl_lane_release(other_end(lane, 1));
  assert_int_equal(tl_lane_receive(other_end(lane, 1), &record), 0);
  assert_int_equal(record.flags, 1);
  assert_memory_equal(record.bytes, "abcd", 4);
  tl_lane_release(other_end(lane, 1));
}

static void a_stalled_reader_fills_the_sender_and_wakes_it_later(void **state) {
  (void)state;
  struct tl_lane *lane = open_lane(0);
  size_t sent = 0;
  for (int r = 0; r == 0; settle())
    while ((r = send_bytes(lane, TL_CLASS_ORDERED, 0, 1000)) == 0) sent++;
  assert_in_range(sent, 120, 135); /* the peer's 64 KiB and ours */
  assert_true(tl_lane_room(lane) < 1000);
  drop_events(0);
  settle();
  expect_no_event(0);
  assert_true(read_all(other_end(lane, 1)) >= 60000);
  settle();
  expect_event(0, TL_FLOW_WRITABLE, lane);
  assert_int_equal(send_bytes(lane, TL_CLASS_ORDERED, 0, 1000), 0);
}

static void a_stalled_lane_stops_no_other(void **state) {
  (void)state;
  struct tl_lane *stalled[100], *free_lane = open_lane(0);
  for (int i = 0; i < 100; i++) {
    stalled[i] = open_lane(0);
    while (send_bytes(stalled[i], i % 2 ? TL_CLASS_ORDERED : TL_CLASS_RELIABLE, 0, 3000) == 0) {
    }
  }
  settle();
  for (int i = 0; i < 50; i++) {
    uint64_t before = p.now;
    assert_int_equal(send_bytes(free_lane, TL_CLASS_ORDERED, 0, 2000), 0);
    while (!tl_flow_lane(flow(1), tl_lane_number(free_lane)) ||
           read_all(other_end(free_lane, 1)) == 0)
      assert_true(pair_step(&p, p.now + TL_S));
    assert_true(p.now - before <= 2 * p.weather.delay);
  }
}

/* Reads all there is; counts bytes, and pieces of records. */
static size_t read_pieces(struct tl_lane *lane, size_t *pieces) {
  struct tl_lane_record record;
  size_t bytes = 0;
  while (tl_lane_receive(lane, &record) == 0) {
    bytes += record.size;
    *pieces += (record.flags & TL_LANE_MORE) != 0;
    tl_lane_release(lane);
  }
  return bytes;
}

/* Many lanes, each with a part of a large record at the peer, must not lock each other out. */
static void many_half_records_do_not_hold_all_credit(void **state) {
  (void)state;
  enum { COUNT = 700 };
  static struct tl_lane *lanes[COUNT];
  size_t accepted = 0, got = 0, pieces = 0, before;
  pair_use_channel(&p, 0, 1);
  for (int i = 0; i < COUNT; i++) lanes[i] = open_lane(0);
  do { /* until the link's credit is used up: nobody reads */
    before = accepted;
    for (int i = 0; i < COUNT; i++)
      if (send_bytes(lanes[i], i % 5 ? TL_CLASS_ORDERED : TL_CLASS_RELIABLE, 0, 32000) == 0)
        accepted++;
    settle();
  } while (accepted > before);
  assert_true(accepted * 32000 > TL_FLOW_CREDIT_BYTES);
  for (int round = 0; round < 100 && got < accepted * 32000; round++) {
    for (int i = 0; i < COUNT; i++) {
      struct tl_lane *other = tl_flow_lane(flow(1), tl_lane_number(lanes[i]));
      if (other) got += read_pieces(other, &pieces);
    }
    assert_true(stats_of(1).memory_bytes < TL_FLOW_MEMORY_BYTES_MAX);
    settle();
  }
  assert_int_equal(got, accepted * 32000);
  assert_true(pieces > 0);
}

static void best_effort_is_dropped_and_counted(void **state) {
  (void)state;
  struct tl_lane *lane = open_lane(0);
  size_t sent = 0;
  for (int round = 0; round < 20; round++) {
    while (sent < 3000 && send_bytes(lane, TL_CLASS_BEST_EFFORT, 0, 500) == 0) sent++;
    settle();
  }
  struct tl_lane_record record;
  size_t came = 0;
  while (tl_lane_receive(other_end(lane, 1), &record) == 0) {
    came++;
    tl_lane_release(other_end(lane, 1));
  }
  assert_int_equal(came + stats_of(1).best_effort_dropped, sent);
  assert_true(came < sent);
  p.cut = true;
  assert_int_equal(send_bytes(lane, TL_CLASS_BEST_EFFORT, 0, 500), 0);
  pair_run(&p, p.now + 10 * TL_MS);
  p.cut = false;
  pair_run(&p, p.now + TL_S);
  expect_nothing(other_end(lane, 1), TL_EMPTY);
  assert_int_equal(stats_of(0).best_effort_lost, 1);
}

/* ---- Order and loss ---- */

/* C34: a lost packet delays what was in it, and no other reliable message. */
static void a_lost_packet_delays_only_its_own(void **state) {
  (void)state;
  struct tl_lane *lane = open_lane(0);
  assert_int_equal(send_bytes(lane, TL_CLASS_RELIABLE, 0, 100), 0);
  settle();
  read_all(other_end(lane, 1));
  assert_int_equal(send_bytes(lane, TL_CLASS_RELIABLE, 1, 100), 0);
  p.cut = true;
  pair_poll(&p);
  p.cut = false;
  for (uint8_t kind = 2; kind < 20; kind++) {
    uint64_t sent_at = p.now;
    assert_int_equal(send_bytes(lane, TL_CLASS_RELIABLE, kind, 100), 0);
    pair_poll(&p);
    pair_run(&p, sent_at + p.weather.delay);
    struct tl_lane_record record;
    bool came = false;
    while (tl_lane_receive(other_end(lane, 1), &record) == 0) {
      came |= record.kind == kind;
      tl_lane_release(other_end(lane, 1));
    }
    assert_true(came);
  }
}

static void an_ordered_lane_waits_for_what_is_missing(void **state) {
  (void)state;
  struct tl_lane *lane = open_lane(0);
  assert_int_equal(send_bytes(lane, TL_CLASS_ORDERED, 1, 100), 0);
  p.cut = true;
  pair_poll(&p);
  p.cut = false;
  assert_int_equal(send_bytes(lane, TL_CLASS_ORDERED, 2, 100), 0);
  pair_poll(&p);
  pair_run(&p, p.now + p.weather.delay);
  expect_nothing(other_end(lane, 1), TL_EMPTY);
  settle();
  expect_record(other_end(lane, 1), TL_CLASS_ORDERED, 1, 100);
  expect_record(other_end(lane, 1), TL_CLASS_ORDERED, 2, 100);
}

static void a_bulk_transfer_fills_the_path(void **state) {
  (void)state;
  struct tl_lane *lane = open_lane(0);
  size_t sent = 0, got = 0;
  uint64_t begin = p.now;
  p.weather.delay = TL_MS;
  while (got < 20u << 20) {
    while (sent < 20u << 20 && send_bytes(lane, TL_CLASS_ORDERED, 0, 16384) == 0) sent += 16384;
    assert_true(pair_step(&p, p.now + TL_S));
    if (tl_flow_lane(flow(1), tl_lane_number(lane))) got += read_all(other_end(lane, 1));
  }
  assert_int_equal(stats_of(0).packets_lost, 0);
  /* A window of 1 MiB each 2 ms is 500 MiB a second: slow start costs the rest. */
  assert_true(p.now - begin < 200 * TL_MS);
}

/* ---- Ends ---- */

static void finish_comes_after_everything(void **state) {
  (void)state;
  struct tl_lane *lane = open_lane(0);
  p.weather.loss = 0.3;
  for (uint8_t i = 0; i < 40; i++)
    assert_int_equal(send_bytes(lane, i % 2 ? TL_CLASS_ORDERED : TL_CLASS_RELIABLE, i, 900), 0);
  assert_int_equal(tl_lane_finish(lane), 0);
  pair_run(&p, p.now + 3 * TL_S);
  struct tl_lane *other = other_end(lane, 1);
  expect_event(1, TL_FLOW_LANE_OPENED, other);
  expect_event(1, TL_FLOW_READABLE, other);
  expect_event(1, TL_FLOW_FINISHED, other);
  assert_int_equal(read_all(other), 40 * 900);
  expect_nothing(other, TL_END);
  assert_int_equal(send_bytes(other, TL_CLASS_ORDERED, 0, 10), 0); /* its own direction is open */
  pair_run(&p, p.now + 3 * TL_S);
  expect_record(lane, TL_CLASS_ORDERED, 0, 10);
}

static void both_finish_and_the_lane_is_gone(void **state) {
  (void)state;
  struct tl_lane *lane = open_lane(0);
  assert_int_equal(send_bytes(lane, TL_CLASS_ORDERED, 0, 10), 0);
  open_and_end(lane);
  settle();
  assert_int_equal(stats_of(0).lanes, 2);
  assert_int_equal(stats_of(1).lanes, 2);
  assert_null(tl_flow_lane(flow(0), 2));
  assert_int_equal(tl_flow_deadline(flow(0)), TL_NEVER);
}

static void close_without_finish_resets(void **state) {
  (void)state;
  struct tl_lane *lane = open_lane(0);
  assert_int_equal(send_bytes(lane, TL_CLASS_ORDERED, 0, 10), 0);
  settle();
  struct tl_lane *other = other_end(lane, 1);
  drop_events(1);
  assert_int_equal(send_bytes(other, TL_CLASS_ORDERED, 0, 5000), 0);
  tl_lane_close(lane, 125);
  settle();
  struct tl_flow_event e;
  assert_int_equal(tl_flow_event(flow(1), &e), 0);
  assert_int_equal(e.type, TL_FLOW_RESET);
  assert_int_equal(e.reason, 125);
  assert_ptr_equal(e.lane, other);
  expect_nothing(other, TULLE_E_CLOSED);
  assert_int_equal(send_bytes(other, TL_CLASS_ORDERED, 0, 1), TULLE_E_CLOSED);
  tl_lane_close(other, 0);
  settle();
  assert_int_equal(stats_of(0).lanes, 2);
  assert_int_equal(stats_of(1).lanes, 2);
}

static void close_after_finish_lets_everything_arrive(void **state) {
  (void)state;
  struct tl_lane *lane = open_lane(0);
  p.weather.loss = 0.3;
  for (int i = 0; i < 30; i++) assert_int_equal(send_bytes(lane, TL_CLASS_ORDERED, 0, 1000), 0);
  assert_int_equal(tl_lane_finish(lane), 0);
  uint64_t number = tl_lane_number(lane);
  tl_lane_close(lane, 0);
  assert_null(tl_flow_lane(flow(0), number));
  pair_run(&p, p.now + 3 * TL_S);
  struct tl_lane *other = tl_flow_lane(flow(1), number);
  assert_int_equal(read_all(other), 30000);
  expect_nothing(other, TL_END);
  /* What the peer still says is thrown away, and its end ends the lane. */
  for (int i = 0; i < 200; i++) {
    assert_int_equal(send_bytes(other, i % 2 ? TL_CLASS_ORDERED : TL_CLASS_RELIABLE, 0, 3000), 0);
    pair_run(&p, p.now + 100 * TL_MS);
  }
  assert_int_equal(tl_lane_finish(other), 0);
  tl_lane_close(other, 0);
  p.weather.loss = 0;
  pair_run(&p, p.now + 3 * TL_S);
  tl_flow_trim(flow(0));
  tl_flow_trim(flow(1));
  assert_int_equal(stats_of(0).lanes, 2);
  assert_int_equal(stats_of(1).lanes, 2);
}

static void a_reason_resets_even_after_finish(void **state) {
  (void)state;
  struct tl_lane *lane = open_lane(0);
  assert_int_equal(send_bytes(lane, TL_CLASS_ORDERED, 0, 10), 0);
  assert_int_equal(tl_lane_finish(lane), 0);
  settle();
  struct tl_lane *other = other_end(lane, 1);
  drop_events(1);
  tl_lane_close(lane, 7);
  settle();
  struct tl_flow_event e;
  assert_int_equal(tl_flow_event(flow(1), &e), 0);
  assert_int_equal(e.type, TL_FLOW_RESET);
  assert_int_equal(e.reason, 7);
  tl_lane_close(other, 0);
  settle();
  assert_int_equal(stats_of(0).lanes + stats_of(1).lanes, 4);
}

static void resets_from_both_sides_cross(void **state) {
  (void)state;
  for (int i = 0; i < 50; i++) {
    struct tl_lane *lane = open_lane(0);
    assert_int_equal(send_bytes(lane, TL_CLASS_ORDERED, 0, 3000), 0);
    settle();
    struct tl_lane *other = other_end(lane, 1);
    p.weather.loss = 0.4;
    assert_int_equal(send_bytes(lane, TL_CLASS_RELIABLE, 0, 3000), 0);
    assert_int_equal(send_bytes(other, TL_CLASS_RELIABLE, 0, 3000), 0);
    pair_poll(&p);
    tl_lane_close(lane, 1);
    tl_lane_close(other, 2);
    pair_run(&p, p.now + TL_S);
    p.weather.loss = 0;
    pair_run(&p, p.now + TL_S);
    tl_flow_trim(flow(0));
    tl_flow_trim(flow(1));
    assert_int_equal(stats_of(0).lanes, 2);
    assert_int_equal(stats_of(1).lanes, 2);
  }
}

/* Whatever resets do in mid-transfer, both ends go on agreeing on the link's credit. */
static void resets_lose_no_link_credit(void **state) {
  (void)state;
  struct tl_lane *steady = open_lane(0);
  p.weather.loss = 0.1;
  for (int i = 0; i < 400; i++) { /* 400 times 64 KiB is more than the link's 16 MiB */
    struct tl_lane *lane = open_lane(0);
    while (send_bytes(lane, i % 2 ? TL_CLASS_ORDERED : TL_CLASS_RELIABLE, 0, 10000) == 0) {
    }
    pair_run(&p, p.now + pair_below(&p, 20 * TL_MS));
    struct tl_lane *other = tl_flow_lane(flow(1), tl_lane_number(lane));
    if (other && i % 3 == 0) read_all(other);
    tl_lane_close(i % 5 == 0 && other ? other : lane, 1);
    pair_run(&p, p.now + 50 * TL_MS);
    for (unsigned side = 0; side < 2; side++) {
      struct tl_flow_event e;
      while (tl_flow_event(flow(side), &e) == 0)
        if (e.type == TL_FLOW_RESET) tl_lane_close(e.lane, 0);
    }
  }
  assert_int_equal(send_bytes(steady, TL_CLASS_ORDERED, 0, 10000), 0);
  p.weather.loss = 0;
  pair_run(&p, p.now + TL_S);
  assert_int_equal(read_all(other_end(steady, 1)), 10000);
}

/* ---- What is known after the end ---- */

static void progress_tells_what_left_this_machine(void **state) {
  (void)state;
  struct tl_lane *lane = open_lane(0);
  struct tl_lane_progress progress;
  for (int i = 0; i < 200; i++) (void)send_bytes(lane, TL_CLASS_ORDERED, 0, 600);
  tl_lane_progress(lane, &progress);
  assert_int_equal(progress.accepted, 200);
  assert_int_equal(progress.begun, 0);
  assert_int_equal(progress.acknowledged, 0);
  settle(); /* 64 KiB of credit */
  tl_lane_progress(lane, &progress);
  assert_int_equal(progress.acknowledged, 65792 / 604);
  assert_int_equal(progress.begun, 65792 / 604 + 1);
  read_all(other_end(lane, 1));
  p.cut = true;
  settle();
  tl_lane_progress(lane, &progress);
  assert_int_equal(progress.acknowledged, 65792 / 604);
  p.cut = false;
  pair_run(&p, p.now + TL_S);
  tl_lane_progress(lane, &progress);
  assert_int_equal(progress.acknowledged, 200);
  assert_int_equal(progress.begun, 200);
}

static void progress_survives_a_reset(void **state) {
  (void)state;
  struct tl_lane *lane = open_lane(0);
  struct tl_lane_progress progress;
  assert_int_equal(send_bytes(lane, TL_CLASS_ORDERED, 0, 100), 0);
  settle();
  p.cut = true;
  assert_int_equal(send_bytes(lane, TL_CLASS_ORDERED, 0, 100), 0);
  pair_poll(&p);
  p.cut = false;
  for (int i = 0; i < 200; i++) (void)send_bytes(lane, TL_CLASS_ORDERED, 0, 600);
  tl_lane_close(other_end(lane, 1), 5);
  pair_poll(&p);
  pair_run(&p, p.now + p.weather.delay);
  tl_lane_progress(lane, &progress);
  assert_int_equal(progress.acknowledged, 1);
  assert_true(progress.begun >= 2 && progress.begun < progress.accepted);
}

/* ---- Acknowledgements and idleness ---- */

static void calls_need_no_lonely_acknowledgement(void **state) {
  (void)state;
  struct tl_lane *lane = open_lane(0);
  assert_int_equal(send_bytes(lane, TL_CLASS_ORDERED, 0, 64), 0);
  settle();
  read_all(other_end(lane, 1));
  uint64_t alone = stats_of(0).acks_alone + stats_of(1).acks_alone;
  uint64_t packets = p.side[0].packets + p.side[1].packets;
  for (int i = 0; i < 100; i++) {
    assert_int_equal(send_bytes(lane, TL_CLASS_ORDERED, 0, 64), 0);
    pair_poll(&p);
    pair_run(&p, p.now + p.weather.delay + 30 * TL_US);
    assert_int_equal(read_all(other_end(lane, 1)), 64);
    assert_int_equal(send_bytes(other_end(lane, 1), TL_CLASS_ORDERED, 0, 64), 0);
    pair_poll(&p);
    pair_run(&p, p.now + p.weather.delay + 30 * TL_US);
    assert_int_equal(read_all(lane), 64);
  }
  assert_int_equal(stats_of(0).acks_alone + stats_of(1).acks_alone, alone);
  assert_int_equal(p.side[0].packets + p.side[1].packets, packets + 200);
}

static void small_messages_share_a_packet(void **state) {
  (void)state;
  struct tl_lane *lanes[10];
  for (int i = 0; i < 10; i++) lanes[i] = open_lane(0);
  for (int i = 0; i < 100; i++)
    assert_int_equal(send_bytes(lanes[i % 10], (enum tl_class)(i % 3), 0, 64), 0);
  uint64_t before = p.side[0].packets;
  pair_poll(&p);
  assert_in_range(p.side[0].packets - before, 6, 8);
}

static void an_idle_link_has_no_timer_and_little_memory(void **state) {
  (void)state;
  struct tl_lane *lanes[50];
  for (int i = 0; i < 50; i++) {
    lanes[i] = open_lane(0);
    for (int k = 0; k < 6; k++)
      assert_int_equal(send_bytes(lanes[i], (enum tl_class)(k % 3), 0, 20000), 0);
  }
  for (int k = 0; k < 50; k++) {
    settle();
    for (int i = 0; i < 50; i++) {
      struct tl_lane *other = tl_flow_lane(flow(1), tl_lane_number(lanes[i]));
      if (other) read_all(other);
    }
  }
  settle();
  for (unsigned side = 0; side < 2; side++) {
    assert_int_equal(tl_flow_deadline(flow(side)), TL_NEVER);
    assert_false(tl_flow_has_output(flow(side), p.now, 0));
    tl_flow_trim(flow(side));
    assert_in_range(stats_of(side).memory_bytes, 0, 50 * 2500);
  }
}

static void the_memory_of_an_idle_peer_is_small(void **state) {
  (void)state;
  struct tl_lane *lane = open_lane(0);
  assert_int_equal(send_bytes(lane, TL_CLASS_ORDERED, 0, 64), 0);
  settle();
  read_all(other_end(lane, 1));
  settle();
  tl_flow_trim(flow(0));
  assert_in_range(stats_of(0).memory_bytes, 0, 8192);
}

/* ---- Paths ---- */

static void on_tcp_packets_are_large_and_acknowledgements_few(void **state) {
  (void)state;
  struct tl_lane *lane = open_lane(0);
  size_t sent = 0, got = 0;
  pair_use_channel(&p, 0, 1);
  pair_use_channel(&p, 1, 1);
  while (got < 8u << 20) {
    while (sent < 8u << 20 && send_bytes(lane, TL_CLASS_ORDERED, 0, 32768) == 0) sent += 32768;
    assert_true(pair_step(&p, p.now + TL_S));
    if (tl_flow_lane(flow(1), tl_lane_number(lane))) got += read_all(other_end(lane, 1));
  }
  assert_int_equal(got, sent);
  assert_true(p.side[0].packets < 400);
  assert_true(p.side[1].packets < 200);
  settle();
  assert_int_equal(tl_flow_deadline(flow(0)), TL_NEVER);
  assert_int_equal(tl_flow_deadline(flow(1)), TL_NEVER);
}

static void what_a_broken_connection_held_goes_again_elsewhere(void **state) {
  (void)state;
  struct tl_lane *lane = open_lane(0);
  pair_use_channel(&p, 0, 1);
  pair_use_channel(&p, 1, 1);
  for (uint8_t i = 0; i < 60; i++)
    assert_int_equal(send_bytes(lane, i % 2 ? TL_CLASS_ORDERED : TL_CLASS_RELIABLE, i, 1000), 0);
  pair_poll(&p);
  pair_break_channel(&p, 1);
  settle();
  assert_int_equal(read_all(other_end(lane, 1)), 60000);
  settle();
  assert_int_equal(tl_flow_deadline(flow(0)), TL_NEVER);
  assert_int_equal(tl_flow_deadline(flow(1)), TL_NEVER);
}

static void changes_of_carrier_repeat_nothing(void **state) {
  (void)state;
  struct tl_lane *lane = open_lane(0);
  for (uint32_t i = 0; i < 200; i++) {
    assert_int_equal(send_bytes(lane, i % 2 ? TL_CLASS_ORDERED : TL_CLASS_RELIABLE, 1, 100), 0);
    pair_use_channel(&p, 0, i % 3);
    pair_use_channel(&p, 1, i % 2);
    pair_run(&p, p.now + pair_below(&p, 300 * TL_US));
  }
  settle();
  assert_int_equal(read_all(other_end(lane, 1)), 200 * 100);
}

static void a_dead_udp_path_is_given_up(void **state) {
  (void)state;
  struct tl_lane *lane = open_lane(0);
  p.cut = true;
  for (int i = 0; i < 20; i++) assert_int_equal(send_bytes(lane, TL_CLASS_ORDERED, 0, 1000), 0);
  settle();
  uint64_t window = stats_of(0).window_bytes;
  tl_flow_channel_lost(flow(0), p.now, TL_FLOW_CHANNEL_UDP);
  assert_int_equal(stats_of(0).window_bytes, window);
  assert_int_equal(stats_of(0).flight_bytes, 0);
  pair_use_channel(&p, 0, 1);
  settle();
  assert_int_equal(read_all(other_end(lane, 1)), 20000);
}

static void keys_change_in_mid_flight(void **state) {
  (void)state;
  struct tl_lane *lane = open_lane(0);
  for (int i = 0; i < 50; i++) {
    for (int k = 0; k < 5; k++) assert_int_equal(send_bytes(lane, TL_CLASS_ORDERED, 0, 1000), 0);
    pair_poll(&p);
    pair_run(&p, p.now + 50 * TL_US);
    if (i % 10 == 3) pair_rekey(&p, 0);
    if (i % 10 == 7) pair_rekey(&p, 1);
    pair_run(&p, p.now + TL_MS);
    read_all(other_end(lane, 1));
  }
  settle();
  assert_int_equal(stats_of(0).packets_lost, 0);
  assert_int_equal(stats_of(0).flight_bytes, 0);
}

/* ---- The endpoint's own frames ---- */

static struct tl_flow_packet own_packet(uint32_t mark) {
  return (struct tl_flow_packet){
      .counter = p.side[0].next[0]++, .bytes = 100, .is_eliciting = true, .mark = mark};
}

static void marks_tell_what_became_of_a_packet(void **state) {
  (void)state;
  struct tl_flow_packet packet = own_packet(11);
  struct tl_flow_event e;
  tl_flow_sent(flow(0), p.now, &packet);
  packet.bytes = 132;
  assert_int_equal(tl_flow_received(flow(1), p.now, &packet), 0);
  settle();
  assert_int_equal(tl_flow_event(flow(0), &e), 0);
  assert_int_equal(e.type, TL_FLOW_MARK_ACKED);
  assert_int_equal(e.mark, 11);
  struct tl_flow_packet lost = own_packet(12);
  tl_flow_sent(flow(0), p.now, &lost);
  for (int i = 0; i < 4; i++) {
    assert_int_equal(send_bytes(tl_flow_lane(flow(0), 0), TL_CLASS_ORDERED, 0, 5), 0);
    settle();
  }
  bool is_lost = false;
  while (tl_flow_event(flow(0), &e) == 0) is_lost |= e.type == TL_FLOW_MARK_LOST && e.mark == 12;
  assert_true(is_lost);
}

/* One that tries a size goes under where the path does not take it; other packets lose nothing there. */
static void a_lost_size_probe_is_no_loss(void **state) {
  (void)state;
  for (int is_probe = 0; is_probe < 2; is_probe++) {
    uint64_t before = stats_of(0).packets_lost;
    struct tl_flow_packet lost = own_packet(13);
    struct tl_flow_event e;
    lost.is_probe = is_probe;
    tl_flow_sent(flow(0), p.now, &lost);
    for (int i = 0; i < 4; i++) {
      assert_int_equal(send_bytes(tl_flow_lane(flow(0), 0), TL_CLASS_ORDERED, 0, 5), 0);
      settle();
    }
    assert_int_equal(tl_flow_event(flow(0), &e), 0);
    assert_int_equal(e.type, TL_FLOW_MARK_LOST);
    assert_int_equal(stats_of(0).packets_lost - before, !is_probe);
  }
}

static void the_endpoints_frames_and_the_flows_share_a_packet(void **state) {
  (void)state;
  uint8_t out[1200];
  struct tl_flow_packet packet = own_packet(0);
  packet.is_eliciting = false;
  assert_int_equal(tl_flow_poll(flow(0), p.now, &packet, out, 1000), 0);
  packet.is_eliciting = true; /* a PING: recorded although the flow adds nothing */
  assert_int_equal(tl_flow_poll(flow(0), p.now, &packet, out, 1000), 0);
  assert_int_equal(stats_of(0).flight_bytes, 100);
  assert_int_equal(send_bytes(tl_flow_lane(flow(0), 0), TL_CLASS_ORDERED, 0, 5), 0);
  packet = own_packet(0);
  assert_true(tl_flow_poll(flow(0), p.now, &packet, out, 1000) > 0);
}

static void a_spare_channel_carries_nothing_new(void **state) {
  (void)state;
  uint8_t out[1200];
  assert_int_equal(send_bytes(tl_flow_lane(flow(0), 0), TL_CLASS_ORDERED, 0, 5), 0);
  struct tl_flow_packet packet = own_packet(0);
  packet.is_eliciting = false;
  packet.is_spare = true;
  assert_int_equal(tl_flow_poll(flow(0), p.now, &packet, out, 1000), 0);
  packet.is_spare = false;
  assert_true(tl_flow_poll(flow(0), p.now, &packet, out, 1000) > 0);
}

/* ---- Reading ---- */

static void a_record_comes_again_until_it_is_released(void **state) {
  (void)state;
  struct tl_lane *lane = open_lane(0);
  struct tl_lane_record one, two;
  assert_int_equal(send_bytes(lane, TL_CLASS_RELIABLE, 1, 10), 0);
  assert_int_equal(send_bytes(lane, TL_CLASS_ORDERED, 2, 10), 0);
  settle();
  struct tl_lane *other = other_end(lane, 1);
  assert_int_equal(tl_lane_receive(other, &one), 0);
  assert_int_equal(send_bytes(lane, TL_CLASS_ORDERED, 3, 2000), 0);
  assert_int_equal(send_bytes(lane, TL_CLASS_RELIABLE, 3, 2000), 0);
  settle(); /* memory may have moved meanwhile, the record is the same */
  assert_int_equal(tl_lane_receive(other, &two), 0);
  assert_int_equal(one.kind, two.kind);
  assert_int_equal(one.size, two.size);
  tl_lane_release(other);
  assert_int_equal(read_all(other), 10 + 2000 + 2000);
}

static void readable_comes_once_until_all_was_read(void **state) {
  (void)state;
  struct tl_lane *lane = open_lane(0);
  assert_int_equal(send_bytes(lane, TL_CLASS_ORDERED, 1, 10), 0);
  settle();
  drop_events(1);
  assert_int_equal(send_bytes(lane, TL_CLASS_ORDERED, 1, 10), 0);
  settle();
  expect_no_event(1);
  assert_int_equal(read_all(other_end(lane, 1)), 20);
  assert_int_equal(send_bytes(lane, TL_CLASS_ORDERED, 1, 10), 0);
  settle();
  expect_event(1, TL_FLOW_READABLE, other_end(lane, 1));
}

#define PAIR_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      PAIR_TEST(lanes_are_numbered_by_side),
      PAIR_TEST(the_first_record_opens_the_lane_at_the_peer),
      PAIR_TEST(control_lanes_need_no_opening),
      PAIR_TEST(the_owner_stays),
      PAIR_TEST(lanes_are_limited_and_ended_ones_make_room),
      PAIR_TEST(lanes_share_the_path),
      PAIR_TEST(what_cannot_be_sent),
      PAIR_TEST(the_largest_and_the_smallest_of_each_class),
      PAIR_TEST(a_long_message_is_a_row_of_records),
      PAIR_TEST(a_stalled_reader_fills_the_sender_and_wakes_it_later),
      PAIR_TEST(a_stalled_lane_stops_no_other),
      PAIR_TEST(many_half_records_do_not_hold_all_credit),
      PAIR_TEST(best_effort_is_dropped_and_counted),
      PAIR_TEST(a_lost_packet_delays_only_its_own),
      PAIR_TEST(an_ordered_lane_waits_for_what_is_missing),
      PAIR_TEST(a_bulk_transfer_fills_the_path),
      PAIR_TEST(finish_comes_after_everything),
      PAIR_TEST(both_finish_and_the_lane_is_gone),
      PAIR_TEST(close_without_finish_resets),
      PAIR_TEST(close_after_finish_lets_everything_arrive),
      PAIR_TEST(a_reason_resets_even_after_finish),
      PAIR_TEST(resets_from_both_sides_cross),
      PAIR_TEST(resets_lose_no_link_credit),
      PAIR_TEST(progress_tells_what_left_this_machine),
      PAIR_TEST(progress_survives_a_reset),
      PAIR_TEST(calls_need_no_lonely_acknowledgement),
      PAIR_TEST(small_messages_share_a_packet),
      PAIR_TEST(an_idle_link_has_no_timer_and_little_memory),
      PAIR_TEST(the_memory_of_an_idle_peer_is_small),
      PAIR_TEST(on_tcp_packets_are_large_and_acknowledgements_few),
      PAIR_TEST(what_a_broken_connection_held_goes_again_elsewhere),
      PAIR_TEST(changes_of_carrier_repeat_nothing),
      PAIR_TEST(a_dead_udp_path_is_given_up),
      PAIR_TEST(keys_change_in_mid_flight),
      PAIR_TEST(marks_tell_what_became_of_a_packet),
      PAIR_TEST(a_lost_size_probe_is_no_loss),
      PAIR_TEST(the_endpoints_frames_and_the_flows_share_a_packet),
      PAIR_TEST(a_spare_channel_carries_nothing_new),
      PAIR_TEST(a_record_comes_again_until_it_is_released),
      PAIR_TEST(readable_comes_once_until_all_was_read),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
