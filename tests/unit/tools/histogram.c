#include "tools/bench/histogram.h"

#include <stdlib.h>

#include "tests/unit/test.h"

static void test_small_values_are_exact(void **state) {
  (void)state;
  struct tl_histogram *h = tl_histogram_new();
  assert_int_equal(tl_histogram_at(h, 0.5), 0);
  for (uint64_t i = 1; i <= 1000; i++) tl_histogram_record(h, i);
  assert_int_equal(tl_histogram_count(h), 1000);
  assert_int_equal(tl_histogram_at(h, 0.5), 500);
  assert_int_equal(tl_histogram_at(h, 0.99), 990);
  assert_int_equal(tl_histogram_at(h, 0.999), 999);
  assert_int_equal(tl_histogram_at(h, 1), 1000);
  assert_int_equal(tl_histogram_at(h, 0), 1);
  assert_int_equal(tl_histogram_max(h), 1000);
  tl_histogram_free(h);
}

/* Whatever the value, what is read back differs by less than one in a thousand. */
static void test_three_digits(void **state) {
  (void)state;
  struct tl_histogram *h = tl_histogram_new();
  for (uint64_t v = 1; v < UINT64_C(1) << 41; v += v / 7 + 1) {
    tl_histogram_clear(h);
    tl_histogram_record(h, v);
    tl_histogram_record(h, UINT64_C(1) << 41);
    uint64_t read = tl_histogram_at(h, 0.5);
    uint64_t off = read > v ? read - v : v - read;
    assert_true(off * 1000 <= v);
  }
  tl_histogram_free(h);
}

static void test_limits_of_range(void **state) {
  (void)state;
  struct tl_histogram *h = tl_histogram_new();
  tl_histogram_record(h, 0);
  tl_histogram_record(h, UINT64_MAX);
  tl_histogram_record(h, (UINT64_C(1) << 42) - 1);
  tl_histogram_record(h, UINT64_C(1) << 42);
  assert_int_equal(tl_histogram_count(h), 4);
  assert_int_equal(tl_histogram_at(h, 0.25), 0);
  assert_true(tl_histogram_max(h) == UINT64_MAX);
  tl_histogram_free(h);
}

/* A merged histogram says what one of all values would say. */
static void test_merge(void **state) {
  (void)state;
  struct tl_histogram *a = tl_histogram_new(), *b = tl_histogram_new(), *all = tl_histogram_new();
  uint64_t x = 12345;
  for (int i = 0; i < 20000; i++) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    uint64_t v = x >> (24 + x % 24);
    tl_histogram_record(i % 3 ? a : b, v);
    tl_histogram_record(all, v);
  }
  tl_histogram_merge(a, b);
  assert_int_equal(tl_histogram_count(a), 20000);
  assert_int_equal(tl_histogram_max(a), tl_histogram_max(all));
  for (int i = 0; i <= 1000; i++)
    assert_int_equal(tl_histogram_at(a, i / 1000.0), tl_histogram_at(all, i / 1000.0));
  tl_histogram_free(a);
  tl_histogram_free(b);
  assert_null(tl_histogram_free(all));
  assert_null(tl_histogram_free(NULL));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_small_values_are_exact),
      cmocka_unit_test(test_three_digits),
      cmocka_unit_test(test_limits_of_range),
      cmocka_unit_test(test_merge),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
