#include "tools/constraint.h"

#include "tests/unit/test.h"

static bool holds(const char *condition, uint64_t version, const char *attributes) {
  struct tl_constraint c;
  assert_int_equal(tl_constraint_parse(condition, &c), 0);
  return tl_constraint_holds(&c, version, attributes);
}

static void test_text(void **state) {
  (void)state;
  assert_true(holds("arch=arm64", 1, "mem=8G arch=arm64"));
  assert_false(holds("arch=arm64", 1, "mem=8G arch=x86"));
  assert_true(holds("arch!=arm64", 1, "arch=x86"));
  assert_true(holds("colour>blue", 1, "colour=red"));
  assert_false(holds("arch=arm64", 1, ""));
  assert_false(holds("arch=arm64", 1, "march=arm64"));
  assert_false(holds("arch=arm64", 1, "arch"));
  assert_true(holds("arch!=arm64", 1, ""));
}

static void test_numbers(void **state) {
  (void)state;
  assert_true(holds("mem>=8G", 1, "mem=8G"));
  assert_true(holds("mem>=8G", 1, "mem=16000M"));
  assert_false(holds("mem>=8G", 1, "mem=7.9G"));
  assert_true(holds("mem>8G", 1, "mem=8Gi"));
  assert_false(holds("mem>10", 1, "mem=9"));
  assert_true(holds("mem<=1e", 1, "mem=1d"));
  assert_true(holds("t<-1", 1, "t=-2"));
}

static void test_version(void **state) {
  (void)state;
  assert_true(holds("version>=2", 3, ""));
  assert_false(holds("version>=2", 1, ""));
  assert_true(holds("version=10", 10, "version=9"));
}

static void test_refusals(void **state) {
  (void)state;
  static const char *const bad[] = {
      "",       "=",      "=1",
      "mem",    "mem=",   "mem>=",
      "mem==1", "mem=>1", "mem<>1",
      "a=b=c",  "!=1",    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn=1"};
  struct tl_constraint c;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    int r = tl_constraint_parse(bad[i], &c);
    if (!r) print_message("%s\n", bad[i]);
    assert_int_equal(r, TULLE_E_INVALID);
  }
  static const char *const no_numbers[] = {"",    "-",   ".",   "1x",  "1Gx", "1Gib", "k",
                                           "1e5", "inf", "nan", "0x1", "--1", "1.2.3"};
  double v;
  for (size_t i = 0; i < sizeof no_numbers / sizeof *no_numbers; i++) {
    int r = tl_quantity_parse(no_numbers[i], &v);
    if (!r) print_message("%s\n", no_numbers[i]);
    assert_int_equal(r, TULLE_E_INVALID);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_text),
      cmocka_unit_test(test_numbers),
      cmocka_unit_test(test_version),
      cmocka_unit_test(test_refusals),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
