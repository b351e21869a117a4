/* Every code has a name, a text and an exit code in the documented range; unknown codes are not
 * fatal. */
#include "core/error.h"

#include "tests/unit/test.h"

static const int codes[] = {
    TULLE_E_NOT_FOUND,   TULLE_E_IO,
    TULLE_E_NO_MEMORY,   TULLE_E_REFUSED,
    TULLE_E_BUSY,        TULLE_E_EXISTS,
    TULLE_E_INVALID,     TULLE_E_AGAIN,
    TULLE_E_DEADLOCK,    TULLE_E_PROTOCOL,
    TULLE_E_BAD_MESSAGE, TULLE_E_TOO_BIG,
    TULLE_E_VERSION,     TULLE_E_UNSUPPORTED,
    TULLE_E_PEER_GONE,   TULLE_E_CLOSED,
    TULLE_E_DEADLINE,    TULLE_E_UNREACHABLE,
    TULLE_E_LIMIT,       TULLE_E_CANCELLED,
    TULLE_E_UNTRUSTED,   TULLE_E_NO_NODE,
    TULLE_E_NO_SERVICE,  TULLE_E_NO_PROCEDURE,
    TULLE_E_NO_PEER,     TULLE_E_OUTCOME_UNKNOWN,
    TULLE_E_REMOTE,      TULLE_E_FORKED,
    TULLE_E_INTERFACE,
};

static void every_code_is_described(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
    assert_non_null(tulle_error_name(codes[i]));
    assert_string_not_equal(tulle_error_text(codes[i]), "unknown error");
    int exit_code = tulle_error_exit(codes[i]);
    assert_true(exit_code >= 1 && exit_code <= 12);
  }
}

static void the_documented_exit_codes(void **state) {
  (void)state;
  assert_int_equal(tulle_error_exit(0), 0);
  assert_int_equal(tulle_error_exit(TULLE_E_REMOTE), 1);
  assert_int_equal(tulle_error_exit(TULLE_E_INVALID), 2);
  assert_int_equal(tulle_error_exit(TULLE_E_NO_NODE), 3);
  assert_int_equal(tulle_error_exit(TULLE_E_NO_SERVICE), 4);
  assert_int_equal(tulle_error_exit(TULLE_E_DEADLINE), 5);
  assert_int_equal(tulle_error_exit(TULLE_E_UNTRUSTED), 6);
  assert_int_equal(tulle_error_exit(TULLE_E_UNREACHABLE), 7);
  assert_int_equal(tulle_error_exit(TULLE_E_VERSION), 8);
  assert_int_equal(tulle_error_exit(TULLE_E_LIMIT), 9);
  assert_int_equal(tulle_error_exit(TULLE_E_OUTCOME_UNKNOWN), 10);
  assert_int_equal(tulle_error_exit(TULLE_E_CANCELLED), 11);
  assert_int_equal(tulle_error_exit(TULLE_E_DEADLOCK), 12);
}

static void other_codes_are_errnos(void **state) {
  (void)state;
  assert_string_equal(tulle_error_text(-28), "No space left on device");
  assert_string_equal(tulle_error_text(-999999), "unknown error");
  assert_string_equal(tulle_error_text(5), "unknown error");
  assert_null(tulle_error_name(-28));
  assert_null(tulle_error_hint(-28));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_code_is_described),
      cmocka_unit_test(the_documented_exit_codes),
      cmocka_unit_test(other_codes_are_errnos),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
