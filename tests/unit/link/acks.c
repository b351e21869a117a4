/* Acknowledgements: what is told, when, and on which channel. */
#include "transport/link/acks.h"

#include "tests/unit/test.h"

#define FULL 1200u

static struct tl_account account;

static void came(struct tl_acks *a, uint64_t now, uint32_t channel, uint64_t counter, size_t bytes,
                 bool is_eliciting) {
  struct tl_flow_packet packet = {.channel = channel, .counter = counter, .bytes = bytes};
  assert_int_equal(tl_acks_received(a, now, &packet, is_eliciting), 0);
}

static void a_single_packet_waits_for_company(void **state) {
  (void)state;
  struct tl_acks a;
  struct tl_frame_ack ack;
  tl_acks_init(&a, &account);
  assert_int_equal(tl_acks_deadline(&a), TL_NEVER);
  came(&a, TL_S, 0, 7, 100, true);
  assert_int_equal(tl_acks_deadline(&a), TL_S + TL_FLOW_ACK_DELAY_NS);
  came(&a, TL_S + 50 * TL_US, 0, 8, 100, true);
  assert_int_equal(tl_acks_deadline(&a), TL_S + TL_FLOW_ACK_DELAY_NS); /* counted from the first */
  struct tl_ack_space *s = tl_acks_waiting(&a, 0, 0);
  tl_acks_frame(s, TL_S + TL_MS, &ack);
  assert_int_equal(ack.range_count, 1);
  assert_int_equal(ack.ranges[0].first, 7);
  assert_int_equal(ack.ranges[0].last, 8);
  assert_int_equal(ack.delay_us, 950);
  tl_acks_told(s);
  assert_int_equal(tl_acks_deadline(&a), TL_NEVER);
  assert_null(tl_acks_waiting(&a, 0, 0));
  tl_acks_deinit(&a);
}

static void what_asks_for_nothing_gets_nothing(void **state) {
  (void)state;
  struct tl_acks a;
  tl_acks_init(&a, &account);
  for (uint64_t n = 0; n < 100; n++) came(&a, TL_S, 0, n, FULL, false);
  came(&a, TL_S, 0, 200, FULL, false); /* nor does a hole among those */
  assert_int_equal(tl_acks_deadline(&a), TL_NEVER);
  tl_acks_deinit(&a);
}

static void bulk_is_told_after_four_full_packets(void **state) {
  (void)state;
  struct tl_acks a;
  tl_acks_init(&a, &account);
  for (uint64_t n = 0; n < 4; n++) {
    assert_true(tl_acks_deadline(&a) > TL_S);
    came(&a, TL_S, 0, n, FULL, true);
  }
  assert_int_equal(tl_acks_deadline(&a), TL_S);
  tl_acks_told(tl_acks_waiting(&a, 0, 0));
  for (uint64_t n = 4; n < 40; n++) came(&a, TL_S, 0, n, 130, true); /* many small ones: later */
  assert_true(tl_acks_deadline(&a) > TL_S);
  tl_acks_deinit(&a);
}

static void disorder_is_told_at_once(void **state) {
  (void)state;
  struct tl_acks a;
  tl_acks_init(&a, &account);
  came(&a, TL_S, 0, 0, 100, true);
  tl_acks_told(tl_acks_waiting(&a, 0, 0));
  came(&a, 2 * TL_S, 0, 2, 100, true); /* one is missing */
  assert_int_equal(tl_acks_deadline(&a), 2 * TL_S);
  tl_acks_told(tl_acks_waiting(&a, 0, 0));
  came(&a, 3 * TL_S, 0, 1, 100, true); /* it came late */
  assert_int_equal(tl_acks_deadline(&a), 3 * TL_S);
  tl_acks_told(tl_acks_waiting(&a, 0, 0));
  came(&a, 4 * TL_S, 0, 3, 100, true);
  assert_true(tl_acks_deadline(&a) > 4 * TL_S);
  tl_acks_deinit(&a);
}

static void only_the_highest_ranges_are_kept(void **state) {
  (void)state;
  struct tl_acks a;
  struct tl_frame_ack ack;
  tl_acks_init(&a, &account);
  for (uint64_t n = 0; n < 100; n++) came(&a, TL_S, 0, 2 * n, 100, true);
  came(&a, TL_S, 0, 1, 100, true); /* too old to be told, and no harm */
  tl_acks_frame(tl_acks_waiting(&a, 0, 0), TL_S, &ack);
  assert_int_equal(ack.range_count, TL_FRAME_ACK_RANGES_MAX);
  assert_int_equal(ack.ranges[0].last, 198);
  assert_int_equal(ack.ranges[31].first, 198 - 62);
  tl_acks_deinit(&a);
}

static void what_the_peer_knows_is_not_repeated(void **state) {
  (void)state;
  struct tl_acks a;
  struct tl_frame_ack ack;
  tl_acks_init(&a, &account);
  for (uint64_t n = 0; n < 50; n++) came(&a, TL_S, 0, 3 * n, 100, true);
  tl_acks_confirmed(&a, (struct tl_space_name){0, 0}, 3 * 48);
  tl_acks_frame(tl_acks_waiting(&a, 0, 0), TL_S, &ack);
  assert_int_equal(ack.range_count, 2);
  tl_acks_confirmed(&a, (struct tl_space_name){0, 0}, 1000);
  tl_acks_frame(tl_acks_waiting(&a, 0, 0), TL_S, &ack);
  assert_int_equal(ack.range_count, 1);
  assert_int_equal(ack.ranges[0].last, 147);
  tl_acks_confirmed(&a, (struct tl_space_name){9, 9}, 5); /* of a space nobody knows */
  tl_acks_deinit(&a);
}

static void tcp_is_told_seldom_and_only_on_itself(void **state) {
  (void)state;
  struct tl_acks a;
  tl_acks_init(&a, &account);
  came(&a, TL_S, 3, 0, 100, true);
  assert_int_equal(tl_acks_deadline(&a), TL_S + TL_FLOW_ACK_DELAY_TCP_NS);
  assert_int_equal(tl_acks_deadline_on(&a, 0), TL_NEVER);
  assert_int_equal(tl_acks_deadline_on(&a, 4), TL_NEVER);
  assert_null(tl_acks_waiting(&a, 0, 0));
  assert_non_null(tl_acks_waiting(&a, 0, 3));
  for (uint64_t n = 1; n < TL_ACKS_PACKETS_MAX_TCP; n++) came(&a, TL_S, 3, n, 100, true);
  assert_int_equal(tl_acks_deadline_on(&a, 3), TL_S);
  came(&a, TL_S, 0, 0, 100, true);
  assert_non_null(tl_acks_waiting(&a, 1, 3)); /* UDP's may go anywhere */
  tl_acks_channel_lost(&a, 3);
  assert_int_equal(tl_acks_deadline_on(&a, 3), TL_S + TL_FLOW_ACK_DELAY_NS);
  tl_acks_deinit(&a);
}

static void spaces_are_bounded_and_the_oldest_goes(void **state) {
  (void)state;
  struct tl_acks a;
  tl_acks_init(&a, &account);
  for (uint32_t epoch = 0; epoch < 100; epoch++) {
    struct tl_flow_packet packet = {.epoch = epoch, .counter = 1, .bytes = 100};
    assert_int_equal(tl_acks_received(&a, TL_S, &packet, true), 0);
    assert_true(a.count <= TL_ACKS_SPACES_MAX);
  }
  uint32_t lowest = UINT32_MAX;
  for (uint32_t i = 0; i < a.count; i++)
    if (a.spaces[i]->name.epoch < lowest) lowest = a.spaces[i]->name.epoch;
  assert_int_equal(lowest, 100 - TL_ACKS_SPACES_MAX);
  tl_acks_deinit(&a);
  assert_int_equal(account.bytes, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_single_packet_waits_for_company),
      cmocka_unit_test(what_asks_for_nothing_gets_nothing),
      cmocka_unit_test(bulk_is_told_after_four_full_packets),
      cmocka_unit_test(disorder_is_told_at_once),
      cmocka_unit_test(only_the_highest_ranges_are_kept),
      cmocka_unit_test(what_the_peer_knows_is_not_repeated),
      cmocka_unit_test(tcp_is_told_seldom_and_only_on_itself),
      cmocka_unit_test(spaces_are_bounded_and_the_oldest_goes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
