/* When a silent peer is asked, and when it is called unreachable. */
#include "transport/link/alive.h"

#include "core/time.h"
#include "tests/unit/test.h"

static const struct tl_alive_times times = {500 * TL_MS, 750 * TL_MS, 100 * TL_MS, 1500 * TL_MS};

#define START TL_S

static void test_asks_after_silence(void **state) {
  (void)state;
  struct tl_alive a;
  tl_alive_init(&a, &times, false, START);
  assert_int_equal(tl_alive_deadline(&a, true), START + 500 * TL_MS);
  assert_int_equal(tl_alive_timeout(&a, START + 499 * TL_MS, true), TL_ALIVE_QUIET);
  assert_int_equal(tl_alive_timeout(&a, START + 500 * TL_MS, true), TL_ALIVE_ASK);
  assert_int_equal(tl_alive_deadline(&a, true), START + 600 * TL_MS);
  assert_int_equal(tl_alive_timeout(&a, START + 599 * TL_MS, true), TL_ALIVE_QUIET);
  assert_int_equal(tl_alive_timeout(&a, START + 600 * TL_MS, true), TL_ALIVE_ASK);
}

static void test_an_idle_link_waits_longer(void **state) {
  (void)state;
  struct tl_alive a;
  tl_alive_init(&a, &times, false, START);
  assert_int_equal(tl_alive_deadline(&a, false), START + 750 * TL_MS);
  assert_int_equal(tl_alive_timeout(&a, START + 749 * TL_MS, false), TL_ALIVE_QUIET);
  assert_int_equal(tl_alive_timeout(&a, START + 750 * TL_MS, false), TL_ALIVE_ASK);
}

/* The responder's turn comes only when the initiator's question was lost. */
static void test_the_responder_is_patient(void **state) {
  (void)state;
  struct tl_alive a;
  tl_alive_init(&a, &times, true, START);
  assert_int_equal(tl_alive_deadline(&a, true), START + 600 * TL_MS);
  assert_int_equal(tl_alive_deadline(&a, false), START + 850 * TL_MS);
}

static void test_a_sign_of_life_begins_anew(void **state) {
  (void)state;
  struct tl_alive a;
  tl_alive_init(&a, &times, false, START);
  assert_int_equal(tl_alive_timeout(&a, START + 500 * TL_MS, true), TL_ALIVE_ASK);
  assert_false(tl_alive_heard(&a, START + 510 * TL_MS));
  assert_int_equal(tl_alive_deadline(&a, true), START + 1010 * TL_MS);
}

static void test_unreachable_is_said_once(void **state) {
  (void)state;
  struct tl_alive a;
  int asked = 0, said = 0;
  uint64_t said_at = 0;
  tl_alive_init(&a, &times, false, START);
  for (uint64_t now = START; now < START + 5 * TL_S;) {
    now = tl_alive_deadline(&a, true);
    enum tl_alive_verdict v = tl_alive_timeout(&a, now, true);
    assert_int_not_equal(v, TL_ALIVE_QUIET); /* a deadline is never for nothing */
    if (v == TL_ALIVE_UNREACHABLE) {
      said++;
      said_at = now;
    }
    asked += said == 0;
  }
  assert_int_equal(said, 1);
  assert_int_equal(said_at, START + 1500 * TL_MS);
  assert_int_equal(asked, 10); /* enough for 30 % loss each way */
  assert_true(tl_alive_heard(&a, START + 6 * TL_S));
  assert_false(tl_alive_heard(&a, START + 6 * TL_S));
  assert_false(a.is_unreachable);
}

/* After a pause of the whole machine the verdict comes at once, without a question before it. */
static void test_late_wakeup(void **state) {
  (void)state;
  struct tl_alive a;
  tl_alive_init(&a, &times, false, START);
  assert_int_equal(tl_alive_timeout(&a, START + 60 * TL_S, true), TL_ALIVE_UNREACHABLE);
  assert_int_equal(tl_alive_timeout(&a, START + 60 * TL_S, true), TL_ALIVE_QUIET);
  assert_int_equal(tl_alive_deadline(&a, true), START + 60 * TL_S + 100 * TL_MS);
}

/* The tolerance can be anything from 50 ms to 30 s; questions adapt to what they are told. */
static void test_small_tolerance(void **state) {
  (void)state;
  struct tl_alive a;
  struct tl_alive_times small = {500 * TL_MS, 750 * TL_MS, 100 * TL_MS, 50 * TL_MS};
  tl_alive_init(&a, &small, false, START);
  assert_int_equal(tl_alive_deadline(&a, true), START + 50 * TL_MS);
  assert_int_equal(tl_alive_timeout(&a, START + 50 * TL_MS, true), TL_ALIVE_UNREACHABLE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_asks_after_silence),
      cmocka_unit_test(test_an_idle_link_waits_longer),
      cmocka_unit_test(test_the_responder_is_patient),
      cmocka_unit_test(test_a_sign_of_life_begins_anew),
      cmocka_unit_test(test_unreachable_is_said_once),
      cmocka_unit_test(test_late_wakeup),
      cmocka_unit_test(test_small_tolerance),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
