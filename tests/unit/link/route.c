/* Who may lead a link's UDP packets elsewhere, and how. */
#include "transport/link/route.h"

#include <string.h>

#include "core/time.h"
#include "tests/unit/test.h"

#define START TL_S

static const struct tl_route_times times = {.moves = TL_S, .life = 3 * TL_S, .retry = 2 * TL_S};
static const uint8_t question[8] = "question", other[8] = "another?";
static struct tl_address home, abroad, elsewhere;

static int setup(void **state) {
  (void)state;
  assert_int_equal(tl_address_parse("10.0.0.1:1", 0, &home), 0);
  assert_int_equal(tl_address_parse("10.0.0.2:2", 0, &abroad), 0);
  assert_int_equal(tl_address_parse("10.0.0.3:3", 0, &elsewhere), 0);
  return 0;
}

static bool polls(struct tl_route *r, uint64_t now, const struct tl_address *to) {
  uint8_t challenge[8];
  struct tl_address a;
  if (!tl_route_poll(r, now, 41, challenge, &a)) return false;
  assert_true(tl_address_is_equal(&a, to));
  assert_memory_equal(challenge, question, 8);
  return true;
}

static void test_moves_after_the_answer(void **state) {
  (void)state;
  struct tl_route r;
  tl_route_init(&r, &times, &home);
  assert_int_equal(tl_route_deadline(&r), TL_NEVER);
  assert_true(tl_route_received(&r, START, &abroad, 100, true, question));
  assert_true(tl_address_is_equal(&r.address, &home)); /* in use until the answer */
  assert_int_equal(tl_route_deadline(&r), START);
  assert_true(polls(&r, START, &abroad));
  assert_int_equal(tl_route_response(&r, START, other), TL_ROUTE_NOTHING);
  assert_true(tl_address_is_equal(&r.address, &home));
  assert_int_equal(tl_route_response(&r, START + TL_MS, question), TL_ROUTE_MOVED);
  assert_true(tl_address_is_equal(&r.address, &abroad));
  assert_int_equal(tl_route_response(&r, START + TL_MS, question), TL_ROUTE_NOTHING);
  assert_int_equal(tl_route_deadline(&r), TL_NEVER);
}

static void test_home_proposes_nothing(void **state) {
  (void)state;
  struct tl_route r;
  tl_route_init(&r, &times, &home);
  assert_false(tl_route_received(&r, START, &home, 100, true, question));
  assert_false(polls(&r, START, &home));
}

static void test_an_old_packet_proposes_nothing(void **state) {
  (void)state;
  struct tl_route r;
  tl_route_init(&r, &times, &home);
  assert_false(tl_route_received(&r, START, &abroad, 100, false, question));
  assert_int_equal(tl_route_response(&r, START, question), TL_ROUTE_NOTHING);
}

static void test_one_candidate_at_a_time(void **state) {
  (void)state;
  struct tl_route r;
  tl_route_init(&r, &times, &home);
  assert_true(tl_route_received(&r, START, &abroad, 100, true, question));
  assert_false(tl_route_received(&r, START + TL_S, &elsewhere, 100, true, other));
  /* ... until the first has had its time. */
  assert_true(tl_route_received(&r, START + 3 * TL_S, &elsewhere, 100, true, question));
  assert_true(polls(&r, START + 3 * TL_S, &elsewhere));
}

static void test_three_times_the_bytes(void **state) {
  (void)state;
  struct tl_route r;
  int sent = 0;
  tl_route_init(&r, &times, &home);
  assert_true(tl_route_received(&r, START, &abroad, 33, true, question));
  for (uint64_t now = START; now < START + 3 * TL_S; now += 10 * TL_MS)
    sent += polls(&r, now, &abroad);
  assert_int_equal(sent, 2); /* 82 of 99 bytes */
  tl_route_init(&r, &times, &home);
  assert_true(tl_route_received(&r, START, &abroad, 10, true, question));
  assert_false(polls(&r, START, &abroad));
  assert_false(tl_route_received(&r, START, &abroad, 1000, false, other)); /* more from there */
  assert_true(polls(&r, START + TL_S, &abroad));
}

static void test_one_move_a_second(void **state) {
  (void)state;
  struct tl_route r;
  tl_route_init(&r, &times, &home);
  assert_true(tl_route_received(&r, START, &abroad, 100, true, question));
  assert_int_equal(tl_route_response(&r, START, question), TL_ROUTE_MOVED);
  assert_false(tl_route_received(&r, START + 999 * TL_MS, &home, 100, true, question));
  assert_true(tl_route_received(&r, START + TL_S, &home, 100, true, question));
}

static void test_a_candidate_that_never_answers(void **state) {
  (void)state;
  struct tl_route r;
  tl_route_init(&r, &times, &home);
  assert_true(tl_route_received(&r, START, &abroad, 100000, true, question));
  while (tl_route_deadline(&r) != TL_NEVER) {
    assert_true(tl_route_deadline(&r) < START + 4 * TL_S);
    polls(&r, tl_route_deadline(&r), &abroad);
  }
  assert_int_equal(tl_route_response(&r, START + 4 * TL_S, question), TL_ROUTE_NOTHING);
  assert_true(tl_address_is_equal(&r.address, &home));
}

static void test_probes_of_the_present_address(void **state) {
  (void)state;
  struct tl_route r;
  tl_route_init(&r, &times, &home);
  tl_route_probe(&r, START, question);
  tl_route_probe(&r, START, other); /* on already: the first question stands */
  assert_true(polls(&r, START, &home));
  assert_false(polls(&r, START + 2 * TL_S - 1, &home));
  assert_true(polls(&r, START + 2 * TL_S, &home));
  tl_route_probe_now(&r, START + 3 * TL_S);
  assert_true(polls(&r, START + 3 * TL_S, &home));
  assert_int_equal(tl_route_response(&r, START + 3 * TL_S, question), TL_ROUTE_PASSES);
  assert_int_equal(tl_route_deadline(&r), TL_NEVER);
  tl_route_probe(&r, START, question);
  tl_route_probe_end(&r);
  assert_int_equal(tl_route_response(&r, START, question), TL_ROUTE_NOTHING);
}

static void test_no_address_yet(void **state) {
  (void)state;
  struct tl_route r;
  tl_route_init(&r, &times, NULL);
  tl_route_probe(&r, START, question);
  assert_int_equal(tl_route_deadline(&r), TL_NEVER);
  assert_true(tl_route_received(&r, START, &abroad, 100, true, question));
  assert_int_equal(tl_route_response(&r, START, question), TL_ROUTE_MOVED);
  assert_true(r.is_known);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_moves_after_the_answer),
      cmocka_unit_test(test_home_proposes_nothing),
      cmocka_unit_test(test_an_old_packet_proposes_nothing),
      cmocka_unit_test(test_one_candidate_at_a_time),
      cmocka_unit_test(test_three_times_the_bytes),
      cmocka_unit_test(test_one_move_a_second),
      cmocka_unit_test(test_a_candidate_that_never_answers),
      cmocka_unit_test(test_probes_of_the_present_address),
      cmocka_unit_test(test_no_address_yet),
  };
  return cmocka_run_group_tests(tests, setup, NULL);
}
