/* Sets of ranges: against a bitmap as reference, and full ones. */
#include "transport/link/ranges.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/test.h"

#define SPACE 200u

static uint64_t random_state;

static uint32_t draw(uint32_t below) {
  random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407;
  return (uint32_t)(random_state >> 33) % below;
}

/* Order, no touching, no emptiness, and the same members as the bitmap. */
static void check(const struct tl_ranges *r, const bool *set) {
  for (uint32_t i = 0; i < r->count; i++) {
    assert_true(r->at[i].start < r->at[i].end);
    if (i) assert_true(r->at[i - 1].end < r->at[i].start);
  }
  for (uint64_t x = 0; x < SPACE; x++) assert_int_equal(tl_ranges_contains(r, x), set[x]);
}

static void fill(bool *set, uint64_t start, uint64_t end, bool value) {
  for (uint64_t x = start; x < end; x++) set[x] = value;
}

static void random_steps_against_a_bitmap(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 200; seed++) {
    random_state = seed;
    struct tl_ranges r;
    bool set[SPACE] = {false};
    tl_ranges_init(&r, 1000);
    for (int step = 0; step < 200; step++) {
      uint64_t start = draw(SPACE), end = start + draw(SPACE - (uint32_t)start < 20 ? 1 : 20);
      switch (draw(8)) {
      case 0:
        tl_ranges_drop_below(&r, start);
        fill(set, 0, start, false);
        break;
      case 1:
      case 2:
        assert_int_equal(tl_ranges_subtract(&r, start, end), 0);
        fill(set, start, end, false);
        break;
      default:
        assert_int_equal(tl_ranges_add(&r, start, end), 0);
        fill(set, start, end, true);
      }
      check(&r, set);
    }
    tl_ranges_deinit(&r);
  }
}

static void a_full_set_refuses_whole(void **state) {
  (void)state;
  struct tl_ranges r;
  tl_ranges_init(&r, 3);
  for (uint64_t i = 0; i < 3; i++) assert_int_equal(tl_ranges_add(&r, 10 * i, 10 * i + 5), 0);
  assert_int_equal(tl_ranges_add(&r, 100, 101), TL_FULL);
  assert_int_equal(tl_ranges_add(&r, 6, 7), TL_FULL);
  assert_int_equal(tl_ranges_subtract(&r, 2, 3), TL_FULL);
  assert_int_equal(r.count, 3);
  assert_true(tl_ranges_contains(&r, 2));
  /* Melting, trimming and growing take no range more. */
  assert_int_equal(tl_ranges_add(&r, 5, 10), 0);
  assert_int_equal(r.count, 2);
  assert_int_equal(tl_ranges_subtract(&r, 20, 22), 0);
  assert_int_equal(tl_ranges_add(&r, 100, 101), 0);
  assert_int_equal(tl_ranges_subtract(&r, 0, 200), 0);
  assert_int_equal(r.count, 0);
  tl_ranges_deinit(&r);
}

static void covering_a_full_set_takes_the_nearest(void **state) {
  (void)state;
  struct tl_ranges r;
  tl_ranges_init(&r, 2);
  tl_ranges_cover(&r, 10, 20);
  tl_ranges_cover(&r, 50, 60);
  tl_ranges_cover(&r, 45, 46); /* nearer to the one above */
  assert_int_equal(r.at[1].start, 45);
  tl_ranges_cover(&r, 25, 26); /* nearer to the one below */
  assert_int_equal(r.at[0].end, 26);
  tl_ranges_cover(&r, 2, 3); /* nothing below */
  assert_int_equal(r.at[0].start, 2);
  tl_ranges_cover(&r, 90, 95); /* nothing above */
  assert_int_equal(r.at[1].end, 95);
  assert_int_equal(r.count, 2);
  tl_ranges_deinit(&r);
}

static void nothing_is_nothing(void **state) {
  (void)state;
  struct tl_ranges r;
  tl_ranges_init(&r, 2);
  assert_int_equal(tl_ranges_add(&r, 5, 5), 0);
  assert_int_equal(tl_ranges_subtract(&r, 5, 5), 0);
  assert_int_equal(r.count, 0);
  assert_true(tl_ranges_covers(&r, 7, 7));
  assert_false(tl_ranges_covers(&r, 7, 8));
  tl_ranges_drop_below(&r, 100);
  assert_int_equal(tl_ranges_advance(&r, 9), 9);
  tl_ranges_deinit(&r);
}

static void covers_only_without_a_hole(void **state) {
  (void)state;
  struct tl_ranges r;
  tl_ranges_init(&r, 8);
  tl_ranges_add(&r, 10, 20);
  tl_ranges_add(&r, 21, 30);
  assert_true(tl_ranges_covers(&r, 10, 20));
  assert_true(tl_ranges_covers(&r, 12, 13));
  assert_false(tl_ranges_covers(&r, 9, 11));
  assert_false(tl_ranges_covers(&r, 19, 22));
  assert_false(tl_ranges_covers(&r, 20, 21));
  tl_ranges_deinit(&r);
}

/* The end of what is done may swallow whole ranges and touch the next one. */
static void advancing_goes_on_where_ranges_touch(void **state) {
  (void)state;
  struct tl_ranges r;
  tl_ranges_init(&r, 8);
  tl_ranges_add(&r, 10, 20);
  tl_ranges_add(&r, 30, 40);
  tl_ranges_add(&r, 50, 60);
  assert_int_equal(tl_ranges_advance(&r, 5), 5);
  assert_int_equal(tl_ranges_advance(&r, 30), 40); /* over the first, up to the second */
  assert_int_equal(r.count, 1);
  assert_int_equal(tl_ranges_advance(&r, 55), 60);
  assert_int_equal(r.count, 0);
  tl_ranges_deinit(&r);
}

static void clearing_gives_memory_back(void **state) {
  (void)state;
  struct tl_ranges r;
  tl_ranges_init(&r, 100);
  for (uint64_t i = 0; i < 50; i++) tl_ranges_add(&r, 2 * i, 2 * i + 1);
  assert_true(r.capacity >= 50);
  tl_ranges_clear(&r);
  assert_int_equal(r.capacity, TL_RANGES_FEW);
  assert_int_equal(r.count, 0);
  assert_int_equal(r.max, 100);
  tl_ranges_deinit(&r);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(random_steps_against_a_bitmap),
      cmocka_unit_test(a_full_set_refuses_whole),
      cmocka_unit_test(covering_a_full_set_takes_the_nearest),
      cmocka_unit_test(nothing_is_nothing),
      cmocka_unit_test(covers_only_without_a_hole),
      cmocka_unit_test(advancing_goes_on_where_ranges_touch),
      cmocka_unit_test(clearing_gives_memory_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
