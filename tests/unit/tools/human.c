#include "tools/human.h"

#include "tests/unit/test.h"
static void check_duration(uint64_t ns, const char *wanted) {
  char text[TL_HUMAN_SIZE];
  assert_string_equal(tl_human_duration(ns, text), wanted);
}

static void test_durations(void **state) {
  (void)state;
  check_duration(0, "0 ns");
  check_duration(999, "999 ns");
  check_duration(1000, "1 us");
  check_duration(1920, "1.92 us");
  check_duration(86123, "86.1 us");
  check_duration(999960, "1000 us");
  check_duration(1100000, "1.10 ms");
  check_duration(41000000000u, "41 s");
  check_duration(125000000000u, "2 m");
  check_duration(7300000000000u, "2 h");
  check_duration(UINT64_MAX, "213503 d");
}

static void test_counts_and_sizes(void **state) {
  (void)state;
  char text[TL_HUMAN_SIZE];
  assert_string_equal(tl_human_count(0, text), "0");
  assert_string_equal(tl_human_count(999, text), "999");
  assert_string_equal(tl_human_count(1000, text), "1,000");
  assert_string_equal(tl_human_count(1234567, text), "1,234,567");
  assert_string_equal(tl_human_count(UINT64_MAX, text), "18,446,744,073,709,551,615");
  assert_string_equal(tl_human_bytes(512, text), "512 B");
  assert_string_equal(tl_human_bytes(16384, text), "16 KiB");
  assert_string_equal(tl_human_bytes(1572864, text), "1.50 MiB");
}

static void test_durations_are_read(void **state) {
  (void)state;
  static const struct {
    const char *text;
    uint64_t ns;
  } good[] = {{"0", 0},
              {"5", 5000000000u},
              {"5s", 5000000000u},
              {"1.5s", 1500000000u},
              {"250ms", 250000000},
              {"40us", 40000},
              {"90ns", 90},
              {"2m", 120000000000u},
              {"1h", 3600000000000u},
              {"1d", 86400000000000u},
              {"0.0000000001s", 0}};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    uint64_t ns = 7;
    assert_int_equal(tl_human_duration_parse(good[i].text, &ns), 0);
    assert_int_equal(ns, good[i].ns);
  }
  static const char *const bad[] = {"",
                                    "s",
                                    "-1",
                                    "+1",
                                    " 1",
                                    "1 s",
                                    "1x",
                                    "1.s",
                                    ".5",
                                    "1e3",
                                    "1s ",
                                    "ms",
                                    "1,5s",
                                    "18446744073709551616",
                                    "99999999999d",
                                    "0x10",
                                    "1.5.5s",
                                    "nan",
                                    "inf"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    uint64_t ns = 7;
    assert_int_equal(tl_human_duration_parse(bad[i], &ns), TULLE_E_INVALID);
    assert_int_equal(ns, 7);
  }
}

static void test_counts_are_read(void **state) {
  (void)state;
  uint64_t n = 7;
  assert_int_equal(tl_human_count_parse("18446744073709551615", &n), 0);
  assert_true(n == UINT64_MAX);
  static const char *const bad[] = {"",    "-1",   "1.0", "1k", " 1", "18446744073709551616",
                                    "0x1", "1,000"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_int_equal(tl_human_count_parse(bad[i], &n), TULLE_E_INVALID);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_durations),
      cmocka_unit_test(test_counts_and_sizes),
      cmocka_unit_test(test_durations_are_read),
      cmocka_unit_test(test_counts_are_read),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
