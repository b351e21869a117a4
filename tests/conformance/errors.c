/* What goes wrong is told in the same words, wherever it went wrong. */
#include "tests/conformance/suite.h"

static void nobody_serves_it(void **state) {
  (void)state;
  struct tulle_channel *c = NULL;
  assert_code(tulle_channel_open(NULL, "nobody.serves.this", NULL, &c), TULLE_E_NO_SERVICE);
  assert_null(c);
}

static void no_such_node(void **state) {
  (void)state;
  struct tulle_channel *c = NULL;
  struct tulle_target target = {.node = "no-such-node"};
  assert_code(tulle_channel_open(NULL, "far", &target, &c), TULLE_E_NO_PEER);
  assert_null(c);
  assert_non_null(strstr(tulle_error_detail(), target.node));
}

static void no_such_procedure(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  assert_code(tulle_call(s.channel, "ecko", NULL, 0, 0, NULL), TULLE_E_NO_PROCEDURE);
  assert_ok(tulle_call(s.channel, "echo", NULL, 0, 0, NULL)); /* the channel lives on */
  subject_stop(&s);
}

static void errors_of_the_procedure(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  struct tulle_result result;
  assert_code(tulle_call(s.channel, "fail", NULL, 0, 0, &result), TULLE_E_REMOTE);
  assert_int_equal(result.code, 42);
  assert_string_equal(result.text, "the paper is out");
  tulle_result_clear(&result);
  assert_code(tulle_call(s.channel, "fail_with", NULL, 0, 0, NULL), TULLE_E_REFUSED);
  subject_stop(&s);
}

/* Every code that there is: known by name, with a text, and the same at the other side. */
static void every_code_arrives_as_it_was_sent(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  unsigned known = 0;
  for (int code = -1; code >= -1100; code--) {
    unsigned char args[16];
    struct tulle_pack w = tulle_pack_on(args, sizeof args);
    if (!tulle_error_name(code)) continue;
    known++;
    assert_true(strlen(tulle_error_text(code)) > 0);
    assert_true(!tulle_error_hint(code) || strlen(tulle_error_hint(code)) > 0);
    assert_in_range(tulle_error_exit(code), 1, 12);
    tulle_pack_int(&w, code);
    assert_code(tulle_call(s.channel, "fail_with", args, tulle_pack_size(&w), 0, NULL), code);
  }
  assert_in_range(known, 20, 100);
  subject_stop(&s);
}

static void malformed_arguments_are_refused(void **state) {
  (void)state;
  static const struct {
    const char *bytes;
    size_t size;
    int code;
  } bad[] = {
      {"\xdd\x0f\xff\xff\xff", 5, TULLE_E_BAD_MESSAGE}, /* claims 268 million values */
      {"\xdf\xff\xff\xff\xff", 5, TULLE_E_BAD_MESSAGE},
      {"\xc6\xff\xff\xff\xff", 5, TULLE_E_BAD_MESSAGE},
      {"\xc1", 1, TULLE_E_BAD_MESSAGE},
      {"\x01\x02", 2, TULLE_E_BAD_MESSAGE}, /* two values */
      {"\x92\x01", 2, TULLE_E_BAD_MESSAGE},
      {"\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x01", 19,
       TULLE_E_LIMIT}, /* too deep */
  };
  struct subject s = subject_start(1);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_code(tulle_call(s.channel, "echo", bad[i].bytes, bad[i].size, 0, NULL), bad[i].code);
    assert_ok(tulle_call(s.channel, "echo", NULL, 0, 0, NULL));
  }
  static unsigned char many[8192];
  struct tulle_pack w = tulle_pack_on(many, sizeof many);
  tulle_pack_array(&w, 5000);
  for (int i = 0; i < 5000; i++) tulle_pack_nil(&w);
  assert_code(tulle_call(s.channel, "echo", many, tulle_pack_size(&w), 0, NULL), TULLE_E_LIMIT);
  subject_stop(&s);
}

static void names_that_are_none(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  struct tulle_channel *c;
  struct tulle_found found;
  char longer[80];
  memset(longer, 'p', sizeof longer - 1);
  longer[sizeof longer - 1] = 0;
  assert_code(tulle_call(s.channel, "", NULL, 0, 0, NULL), TULLE_E_INVALID);
  assert_code(tulle_call(s.channel, longer, NULL, 0, 0, NULL), TULLE_E_INVALID);
  assert_code(tulle_call(s.channel, NULL, NULL, 0, 0, NULL), TULLE_E_INVALID);
  assert_code(tulle_channel_open(NULL, "../x", NULL, &c), TULLE_E_INVALID);
  assert_code(tulle_channel_open(NULL, longer, NULL, &c), TULLE_E_INVALID);
  assert_code(tulle_wait(NULL, "a b", TL_S), TULLE_E_INVALID);
  assert_code(tulle_find(NULL, "a b", &found, 1), TULLE_E_INVALID);
  subject_stop(&s);
}

static void more_than_a_message_holds(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  size_t size = (64u << 20) + 1;
  unsigned char *bytes = calloc(1, size);
  assert_non_null(bytes);
  assert_code(tulle_call(s.channel, "echo", bytes, size, 0, NULL), TULLE_E_TOO_BIG);
  free(bytes);
  assert_ok(tulle_call(s.channel, "echo", NULL, 0, 0, NULL));
  subject_stop(&s);
}

SUITE_TOPIC(errors, cmocka_unit_test(nobody_serves_it), cmocka_unit_test(no_such_node),
            cmocka_unit_test(no_such_procedure), cmocka_unit_test(errors_of_the_procedure),
            cmocka_unit_test(every_code_arrives_as_it_was_sent),
            cmocka_unit_test(malformed_arguments_are_refused),
            cmocka_unit_test(names_that_are_none), cmocka_unit_test(more_than_a_message_holds));
