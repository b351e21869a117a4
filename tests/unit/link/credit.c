/* Credit on both sides: never more than granted, never less than promised, larger for fast
 * readers. */
#include "transport/link/credit.h"

#include "core/time.h"
#include "tests/unit/test.h"

static void more_than_granted_is_a_breach(void **state) {
  (void)state;
  struct tl_credit_in in;
  tl_credit_in_init(&in, 1000, 4000, 0);
  assert_int_equal(tl_credit_take(&in, 999), 0);
  assert_int_equal(tl_credit_take(&in, 2), TULLE_E_PROTOCOL);
  assert_int_equal(tl_credit_take(&in, UINT64_MAX), TULLE_E_PROTOCOL);
  assert_int_equal(in.used, 999);
  assert_int_equal(tl_credit_take(&in, 1), 0);
  assert_int_equal(tl_credit_take(&in, 1), TULLE_E_PROTOCOL);
}

static void grants_come_by_halves_of_the_window(void **state) {
  (void)state;
  struct tl_credit_in in;
  tl_credit_in_init(&in, 1000, 1000, 0);
  assert_false(tl_credit_is_due(&in));
  assert_int_equal(tl_credit_take(&in, 1000), 0);
  tl_credit_release(&in, 499);
  assert_false(tl_credit_is_due(&in));
  tl_credit_release(&in, 1);
  assert_true(tl_credit_is_due(&in));
  assert_int_equal(tl_credit_grant(&in, TL_S, TL_MS), 1500);
  assert_false(tl_credit_is_due(&in));
  /* Told again after a loss: no less than before. */
  assert_int_equal(tl_credit_grant(&in, 2 * TL_S, TL_MS), 1500);
}

static void a_fast_reader_gets_a_larger_window(void **state) {
  (void)state;
  struct tl_credit_in in;
  uint64_t now = TL_S;
  tl_credit_in_init(&in, 1000, 3000, now);
  for (int i = 0; i < 10; i++) {
    assert_int_equal(tl_credit_take(&in, in.window / 2), 0);
    tl_credit_release(&in, in.window / 2);
    assert_true(tl_credit_is_due(&in));
    now += TL_MS;
    (void)tl_credit_grant(&in, now, TL_MS);
  }
  assert_int_equal(in.window, 3000);
  assert_int_equal(in.granted, in.released + 3000);
}

static void a_slow_reader_does_not(void **state) {
  (void)state;
  struct tl_credit_in in;
  uint64_t now = TL_S;
  tl_credit_in_init(&in, 1000, 3000, now);
  for (int i = 0; i < 10; i++) {
    assert_int_equal(tl_credit_take(&in, 500), 0);
    tl_credit_release(&in, 500);
    now += 5 * TL_MS;
    (void)tl_credit_grant(&in, now, TL_MS);
  }
  assert_int_equal(in.window, 1000);
}

static void a_grant_is_never_taken_back(void **state) {
  (void)state;
  struct tl_credit_out out = {.used = 10, .max = 100};
  assert_false(tl_credit_raise(&out, 100));
  assert_false(tl_credit_raise(&out, 5));
  assert_int_equal(out.max, 100);
  assert_true(tl_credit_raise(&out, 101));
  assert_int_equal(tl_credit_left(&out), 91);
}

/* The largest message fits into half of the smallest window, so it is never waited for in vain. */
static void the_largest_message_always_gets_its_turn(void **state) {
  (void)state;
  assert_true(32768 + 2 + TL_CREDIT_MSG_BYTES <= TL_CREDIT_LANE_BYTES / 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(more_than_granted_is_a_breach),
      cmocka_unit_test(grants_come_by_halves_of_the_window),
      cmocka_unit_test(a_fast_reader_gets_a_larger_window),
      cmocka_unit_test(a_slow_reader_does_not),
      cmocka_unit_test(a_grant_is_never_taken_back),
      cmocka_unit_test(the_largest_message_always_gets_its_turn),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
