/* How large a packet passes. */
#include "transport/link/mtu.h"

#include "core/time.h"
#include "tests/unit/test.h"

#define START TL_S
#define RETRY (60 * TL_S)

/* Probes until nothing is due on a path that takes `limit` bytes; returns how many probes it took. */
static int climb(struct tl_mtu *m, uint64_t now, uint32_t limit) {
  int probes = 0;
  uint32_t size;
  while ((size = tl_mtu_poll(m, now))) {
    assert_int_equal(tl_mtu_poll(m, now), 0); /* one at a time */
    probes++;
    if (size <= limit)
      tl_mtu_passed(m, now);
    else
      tl_mtu_lost(m, now);
  }
  return probes;
}

static void test_climbs(void **state) {
  (void)state;
  static const struct {
    uint32_t limit, found;
    int probes;
  } cases[] = {{1200, 1200, 3}, {1300, 1200, 3}, {1372, 1372, 4}, {1500, 1452, 5}, {9000, 8932, 3}};
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct tl_mtu m;
    tl_mtu_init(&m, 8932, RETRY, START);
    assert_int_equal(tl_mtu_size(&m), 1200);
    assert_int_equal(climb(&m, START, cases[i].limit), cases[i].probes);
    assert_int_equal(tl_mtu_size(&m), cases[i].found);
  }
}

static void test_a_bound_from_above(void **state) {
  (void)state;
  struct tl_mtu m;
  tl_mtu_init(&m, 1452, RETRY, START);
  assert_int_equal(climb(&m, START, 65535), 2);
  assert_int_equal(tl_mtu_size(&m), 1452);
  assert_int_equal(tl_mtu_deadline(&m), TL_NEVER);
  tl_mtu_init(&m, 1200, RETRY, START);
  assert_int_equal(tl_mtu_poll(&m, START), 0);
  assert_int_equal(tl_mtu_deadline(&m), TL_NEVER);
}

static void test_tries_again_later(void **state) {
  (void)state;
  struct tl_mtu m;
  tl_mtu_init(&m, 8932, RETRY, START);
  climb(&m, START, 1200);
  assert_int_equal(tl_mtu_deadline(&m), START + RETRY);
  assert_int_equal(tl_mtu_poll(&m, START + RETRY - 1), 0);
  climb(&m, START + RETRY, 1400);
  assert_int_equal(tl_mtu_size(&m), 1372);
}

static void test_one_loss_is_nothing(void **state) {
  (void)state;
  struct tl_mtu m;
  tl_mtu_init(&m, 8932, RETRY, START);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(tl_mtu_poll(&m, START), 1372);
    assert_false(tl_mtu_lost(&m, START));
  }
  assert_int_equal(tl_mtu_poll(&m, START), 1372);
  assert_true(tl_mtu_passed(&m, START));
  assert_int_equal(tl_mtu_size(&m), 1372);
}

static void test_a_path_that_shrinks(void **state) {
  (void)state;
  struct tl_mtu m;
  tl_mtu_init(&m, 8932, RETRY, START);
  climb(&m, START, 1500);
  tl_mtu_doubt(&m, START, false);
  assert_int_equal(tl_mtu_size(&m), 1452); /* a doubt alone changes nothing */
  assert_int_equal(climb(&m, START, 1300), 3);
  assert_int_equal(tl_mtu_size(&m), 1200);
  assert_int_equal(tl_mtu_deadline(&m), START + RETRY);
}

static void test_an_unfounded_doubt(void **state) {
  (void)state;
  struct tl_mtu m;
  tl_mtu_init(&m, 8932, RETRY, START);
  climb(&m, START, 1500);
  tl_mtu_doubt(&m, START, false);
  assert_int_equal(tl_mtu_poll(&m, START), 1452);
  tl_mtu_doubt(&m, START, false); /* again, while it is being looked into */
  assert_false(tl_mtu_passed(&m, START));
  assert_int_equal(tl_mtu_size(&m), 1452);
  assert_int_equal(tl_mtu_poll(&m, START), 0);
}

static void test_a_suspended_size(void **state) {
  (void)state;
  struct tl_mtu m;
  tl_mtu_init(&m, 8932, RETRY, START);
  climb(&m, START, 1500);
  tl_mtu_doubt(&m, START, true);
  assert_int_equal(tl_mtu_size(&m), 1200);
  assert_int_equal(tl_mtu_poll(&m, START), 1452);
  assert_true(tl_mtu_passed(&m, START));
  assert_int_equal(tl_mtu_size(&m), 1452);
  tl_mtu_doubt(&m, START, true);
  climb(&m, START, 1300);
  assert_int_equal(tl_mtu_size(&m), 1200);
}

static void test_the_base_is_beyond_doubt(void **state) {
  (void)state;
  struct tl_mtu m;
  tl_mtu_init(&m, 8932, RETRY, START);
  climb(&m, START, 1200);
  tl_mtu_doubt(&m, START, true);
  assert_int_equal(tl_mtu_poll(&m, START), 0);
  assert_int_equal(tl_mtu_size(&m), 1200);
}

/* A mark that comes late, after the path has changed, belongs to no probe. */
static void test_late_marks(void **state) {
  (void)state;
  struct tl_mtu m;
  tl_mtu_init(&m, 8932, RETRY, START);
  assert_int_equal(tl_mtu_poll(&m, START), 1372);
  tl_mtu_reset(&m, START);
  assert_false(tl_mtu_passed(&m, START));
  assert_false(tl_mtu_lost(&m, START));
  assert_int_equal(tl_mtu_size(&m), 1200);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_climbs),
      cmocka_unit_test(test_a_bound_from_above),
      cmocka_unit_test(test_tries_again_later),
      cmocka_unit_test(test_one_loss_is_nothing),
      cmocka_unit_test(test_a_path_that_shrinks),
      cmocka_unit_test(test_an_unfounded_doubt),
      cmocka_unit_test(test_a_suspended_size),
      cmocka_unit_test(test_the_base_is_beyond_doubt),
      cmocka_unit_test(test_late_marks),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
