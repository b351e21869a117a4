/* The limits of the benchmark: every kind goes round, at every placement, alone and many at once. */
#include "tools/bench/limit.h"

#include "tests/unit/test.h"

volatile int tl_bench_interrupted;

static void check(int r, struct tl_turn *t) {
  assert_int_equal(r, 0);
  assert_true(t->trips > 0);
  assert_true(t->elapsed_ns >= t->duration_ns);
  assert_true(tl_histogram_count(t->histogram) > 0);
  assert_true(tl_histogram_at(t->histogram, 0.5) <= tl_histogram_max(t->histogram));
  tl_histogram_clear(t->histogram);
}

static struct tl_turn turn_of(enum tl_placement placement, unsigned in_flight,
                              struct tl_histogram *h) {
  return (struct tl_turn){
      .placement = placement, .in_flight = in_flight, .duration_ns = 2 * TL_MS, .histogram = h};
}

static void test_local(void **state) {
  (void)state;
  static const enum tl_limit_kind kinds[] = {TL_LIMIT_LINES, TL_LIMIT_SPIN, TL_LIMIT_SLEEP,
                                             TL_LIMIT_FUTEX};
  struct tl_histogram *h = tl_histogram_new();
  struct tl_limit_local *l;
  assert_int_equal(tl_limit_local_open(&l), 0);
  for (int round = 0; round < 2; round++)
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
      for (int p = 0; p < TL_PLACEMENTS; p++) {
        bool spins = kinds[i] == TL_LIMIT_LINES || kinds[i] == TL_LIMIT_SPIN;
        if (p == TL_PLACE_SPLIT ? !tl_placement_can_split() : spins) continue;
        struct tl_turn t = turn_of((enum tl_placement)p, 1, h);
        check(tl_limit_local_turn(l, kinds[i], &t), &t);
      }
  if (tl_placement_can_split()) {
    struct tl_turn t = turn_of(TL_PLACE_SPLIT, TL_BENCH_FLIGHT_MAX, h);
    check(tl_limit_local_turn(l, TL_LIMIT_SPIN, &t), &t);
  }
  tl_placement_restore();
  assert_null(tl_limit_local_close(l));
  tl_histogram_free(h);
}

static void test_chain(void **state) {
  (void)state;
  static const enum tl_limit_kind kinds[] = {TL_LIMIT_UDP, TL_LIMIT_TCP};
  struct tl_histogram *h = tl_histogram_new();
  struct tl_chain_place place;
  struct tl_chain_far *far;
  struct tl_chain *near;
  struct tl_address address;
  assert_int_equal(tl_chain_far_open(&far, &place), 0);
  assert_int_equal(tl_chain_open(&near), 0);
  assert_int_equal(tl_address_parse("127.0.0.1:1", 1, &address), 0);
  tl_chain_connect(near, &address, &place);
  for (size_t i = 0; i < 2; i++)
    for (unsigned in_flight = 1; in_flight <= TL_BENCH_FLIGHT_MAX; in_flight *= 8) {
      struct tl_turn t = turn_of(TL_PLACE_FREE, in_flight, h);
      check(tl_chain_turn(near, kinds[i], &t), &t);
    }
  tl_chain_far_pin(far, tl_placement_cpu(TL_PLACE_SAME, 1));
  struct tl_turn t = turn_of(TL_PLACE_SAME, 1, h);
  check(tl_chain_turn(near, TL_LIMIT_UDP, &t), &t);
  tl_placement_restore();

  /* Nobody answers: an end, not a hang. */
  place.key[0] ^= 1;
  tl_chain_connect(near, &address, &place);
  t = turn_of(TL_PLACE_FREE, 1, h);
  assert_int_equal(tl_chain_turn(near, TL_LIMIT_UDP, &t), TULLE_E_UNREACHABLE);
  assert_null(tl_chain_close(near));
  assert_null(tl_chain_far_close(far));
  tl_histogram_free(h);
}

static void test_placement(void **state) {
  (void)state;
  assert_int_equal(tl_placement_parse("same"), TL_PLACE_SAME);
  assert_int_equal(tl_placement_parse("sam"), TL_PLACEMENTS);
  assert_int_equal(tl_placement_cpu(TL_PLACE_FREE, 0), -1);
  assert_int_equal(tl_placement_cpu(TL_PLACE_SAME, 0), tl_placement_cpu(TL_PLACE_SAME, 1));
  int cpu = tl_placement_cpu(TL_PLACE_SPLIT, 1);
  if (cpu >= 0) {
    assert_int_equal(tl_placement_pin(0, cpu), 0);
    assert_int_equal(tl_placement_cpu(TL_PLACE_SPLIT, 1), cpu);
    assert_true(tl_placement_can_split());
  }
  assert_int_equal(tl_placement_pin(0, -1), 0);
  assert_true(tl_placement_pin(0x3fffffff, 0) < 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_placement),
      cmocka_unit_test(test_local),
      cmocka_unit_test(test_chain),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
