#include "core/address.h"

#include "core/error.h"
#include "tests/unit/test.h"

static void texts_come_back(void **state) {
  (void)state;
  static const char *const texts[] = {"10.0.0.1:8855", "[fe80::1%2]:8855", "[::1]:1",
                                      "255.255.255.255:65535"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    struct tl_address a, b;
    char text[TL_ADDRESS_TEXT_SIZE];
    struct sockaddr_storage s;
    assert_int_equal(tl_address_parse(texts[i], 9, &a), 0);
    tl_address_format(&a, text);
    assert_string_equal(text, texts[i]);
    for (int dual = 0; dual < 2; dual++) {
      tl_address_to_sockaddr(&a, dual, &s);
      assert_int_equal(tl_address_from_sockaddr((struct sockaddr *)&s, &b), 0);
      assert_true(tl_address_is_equal(&a, &b));
    }
  }
}

static void ports_default(void **state) {
  (void)state;
  struct tl_address a;
  assert_int_equal(tl_address_parse("10.0.0.1", 77, &a), 0);
  assert_int_equal(a.port, 77);
  assert_true(tl_address_is_v4(&a));
  assert_int_equal(tl_address_parse("fe80::1", 78, &a), 0);
  assert_int_equal(a.port, 78);
  assert_false(tl_address_is_v4(&a));
}

static void nonsense_is_refused(void **state) {
  (void)state;
  static const char *const texts[] = {"",
                                      ":",
                                      "host:1",
                                      "10.0.0.1:",
                                      "10.0.0.1:65536",
                                      "10.0.0.1:-1",
                                      "10.0.0.1: 1",
                                      "[::1",
                                      "[::1]x",
                                      "[::1]:",
                                      "10.0.0.256",
                                      "10.0.0.1:1:2x",
                                      "fe80::1%eth0",
                                      "::1%4294967296",
                                      "1.2.3.4 ",
                                      "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                                      "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"};
  struct tl_address a;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    assert_int_equal(tl_address_parse(texts[i], 1, &a), TULLE_E_INVALID);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(texts_come_back),
      cmocka_unit_test(ports_default),
      cmocka_unit_test(nonsense_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
