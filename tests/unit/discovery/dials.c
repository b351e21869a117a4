/* The budget of dials and the rhythm of one peer, on virtual time. */
#include "discovery/dials.h"

#include "discovery/round.h"
#include "tests/unit/discovery/test.h"

static struct tl_discovery_dial dial_number(uint32_t number, uint64_t give_up_at) {
  struct tl_discovery_dial d = {
      .address = test_address_number(number), .has_id = true, .give_up_at = give_up_at};
  memcpy(d.id, test_id(number).bytes, sizeof d.id);
  return d;
}

static void begin(struct tl_dials *d, uint64_t now, uint32_t number, bool stranger) {
  struct tl_discovery_dial dial = dial_number(number, TL_NEVER);
  assert_true(tl_dials_ready_at(d, stranger) <= now);
  tl_dials_begin(d, now, &dial, stranger);
}

static void ten_in_a_second(void **state) {
  (void)state;
  struct tl_dials d;
  tl_dials_init(&d);
  uint64_t now = 5 * TL_S;
  for (uint32_t i = 0; i < 10; i++) {
    begin(&d, now + i, i, false);
    struct tl_discovery_dial done = dial_number(i, 0);
    assert_int_equal(tl_dials_end(&d, &done), 0);
  }
  assert_true(tl_dials_ready_at(&d, false) == now + TL_S);
  begin(&d, now + TL_S, 99, false);
  assert_true(tl_dials_ready_at(&d, false) == now + 1 + TL_S);
}

static void strangers_leave_places_free(void **state) {
  (void)state;
  struct tl_dials d;
  tl_dials_init(&d);
  uint64_t now = 0;
  for (uint32_t i = 0; i < TL_DIALS_STRANGERS_MAX; i++) begin(&d, now += TL_S, i, true);
  assert_true(tl_dials_ready_at(&d, true) == TL_NEVER);
  for (uint32_t i = 50; d.under_way < TL_DISCOVERY_DIALS_AT_ONCE_MAX; i++)
    begin(&d, now += TL_S, i, false);
  assert_true(tl_dials_ready_at(&d, false) == TL_NEVER);
  struct tl_discovery_dial one = dial_number(3, 0);
  assert_int_equal(tl_dials_end(&d, &one), 0);
  assert_int_equal(tl_dials_end(&d, &one), TL_EMPTY);
  assert_true(tl_dials_ready_at(&d, true) <= now + TL_S);
}

static void a_dial_is_its_id_and_address(void **state) {
  (void)state;
  struct tl_dials d;
  tl_dials_init(&d);
  begin(&d, 0, 1, true);
  struct tl_discovery_dial other = dial_number(1, 0);
  other.has_id = false;
  assert_int_equal(tl_dials_end(&d, &other), TL_EMPTY);
  other = dial_number(2, 0);
  other.address = test_address_number(1);
  assert_int_equal(tl_dials_end(&d, &other), TL_EMPTY);
  assert_true(tl_dials_has_address(&d, &other.address));
  assert_int_equal(tl_dials_take_id(&d, test_id(2).bytes, &other), TL_EMPTY);
  assert_int_equal(tl_dials_take_id(&d, test_id(1).bytes, &other), 0);
  assert_false(tl_dials_has_address(&d, &other.address));
  assert_int_equal(d.strangers, 0);
}

static void late_dials_give_their_place_back(void **state) {
  (void)state;
  struct tl_dials d;
  struct tl_discovery_dial out, a = dial_number(1, 100), b = dial_number(2, 50);
  tl_dials_init(&d);
  assert_true(tl_dials_deadline(&d) == TL_NEVER);
  tl_dials_begin(&d, 0, &a, false);
  tl_dials_begin(&d, 0, &b, false);
  assert_true(tl_dials_deadline(&d) == 50);
  assert_int_equal(tl_dials_take_late(&d, 49, &out), TL_EMPTY);
  assert_int_equal(tl_dials_take_late(&d, 50, &out), 0);
  assert_memory_equal(out.id, b.id, sizeof b.id);
  assert_int_equal(tl_dials_take_late(&d, 50, &out), TL_EMPTY);
  assert_true(tl_dials_deadline(&d) == 100);
}

static void backoff_doubles_with_jitter(void **state) {
  (void)state;
  static const uint64_t base_s[] = {1, 2, 4, 8, 16, 32, 40, 40, 40};
  uint64_t seed = 1, now = 0;
  struct tl_round r;
  tl_round_init(&r, 0);
  for (size_t i = 0; i < sizeof base_s / sizeof *base_s; i++) {
    assert_int_equal(tl_round_begin(&r, now), 0);
    tl_round_fail(&r, 1, now, test_random(&seed));
    uint64_t wait = tl_round_due(&r, 1) - now;
    assert_in_range(wait, base_s[i] * TL_S, base_s[i] * TL_S * 3 / 2 - 1);
    assert_in_range(wait, TL_ROUND_BACKOFF_MIN_NS, TL_ROUND_BACKOFF_MAX_NS);
    now += wait;
  }
  for (int i = 0; i < 5000; i++) {
    tl_round_begin(&r, now);
    tl_round_fail(&r, 1, now, UINT64_MAX);
    assert_in_range(tl_round_due(&r, 1) - now, TL_ROUND_BACKOFF_MIN_NS, TL_ROUND_BACKOFF_MAX_NS);
  }
}

static void addresses_are_staggered_two_at_once(void **state) {
  (void)state;
  struct tl_round r;
  tl_round_init(&r, 0);
  assert_int_equal(tl_round_begin(&r, 0), 0);
  assert_true(tl_round_due(&r, 4) == TL_ROUND_STAGGER_NS);
  assert_int_equal(tl_round_begin(&r, TL_ROUND_STAGGER_NS), 1);
  assert_true(tl_round_due(&r, 4) == TL_NEVER);
  tl_round_fail(&r, 4, 300 * TL_MS, 0);
  assert_true(tl_round_due(&r, 4) == 300 * TL_MS); /* a failure makes way at once */
  assert_int_equal(tl_round_begin(&r, 300 * TL_MS), 2);
  tl_round_fail(&r, 3, 400 * TL_MS, 0); /* one address has gone: all are tried, one is under way */
  assert_true(tl_round_due(&r, 3) == TL_NEVER);
  assert_int_equal(r.failures, 0);
  tl_round_fail(&r, 3, 500 * TL_MS, 0);
  assert_int_equal(r.failures, 1);
  assert_true(tl_round_due(&r, 3) == 1500 * TL_MS);
}

static void news_shorten_the_wait_but_not_below_a_second(void **state) {
  (void)state;
  struct tl_round r;
  tl_round_init(&r, 0);
  uint64_t now = 10 * TL_S;
  for (int i = 0; i < 8; i++) {
    tl_round_begin(&r, now);
    tl_round_fail(&r, 1, now, 0);
  }
  assert_true(tl_round_due(&r, 1) == now + 40 * TL_S);
  tl_round_hurry(&r, now + TL_MS);
  assert_true(tl_round_due(&r, 1) == now + TL_S);
  tl_round_hurry(&r, now + 5 * TL_S);
  assert_true(tl_round_due(&r, 1) == now + TL_S);
}

static void addresses_may_vanish_in_mid_round(void **state) {
  (void)state;
  struct tl_round r;
  tl_round_init(&r, 0);
  tl_round_begin(&r, 0);
  tl_round_fail(&r, 2, 0, 0);
  tl_round_drop(&r, 1, 1, 0, 0); /* the one still to be tried */
  assert_int_equal(r.failures, 1);
  assert_int_equal(r.next, 0);
  assert_true(tl_round_due(&r, 0) == TL_NEVER);
  assert_true(tl_round_due(&r, 1) == TL_S);
}

static void a_cancelled_dial_is_no_failure(void **state) {
  (void)state;
  struct tl_round r;
  tl_round_init(&r, 0);
  tl_round_begin(&r, 0);
  tl_round_cancel(&r, 0, TL_S);
  assert_int_equal(r.failures, 0);
  assert_true(tl_round_due(&r, 1) == TL_S);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ten_in_a_second),
      cmocka_unit_test(strangers_leave_places_free),
      cmocka_unit_test(a_dial_is_its_id_and_address),
      cmocka_unit_test(late_dials_give_their_place_back),
      cmocka_unit_test(backoff_doubles_with_jitter),
      cmocka_unit_test(addresses_are_staggered_two_at_once),
      cmocka_unit_test(news_shorten_the_wait_but_not_below_a_second),
      cmocka_unit_test(addresses_may_vanish_in_mid_round),
      cmocka_unit_test(a_cancelled_dial_is_no_failure),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
