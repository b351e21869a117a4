#include "discovery/label.h"

#include "core/limits.h"
#include "core/text.h"
#include "tests/unit/discovery/test.h"

static unsigned hashed;
static char hashed_text[128];

static void hash_seen(const void *data, size_t size, uint8_t out[8]) {
  memcpy(hashed_text, data, size);
  hashed_text[size] = 0;
  memcpy(out, "\x01\x23\x45\x67\x89\xab\xcd\xef", 8);
  hashed++;
}

static const char *label_of(const char *capability) {
  static char label[TL_LABEL_SIZE];
  hashed = 0;
  tl_label_make(capability, strlen(capability), hash_seen, label);
  return label;
}

static void plain_capabilities_stay_readable(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {"print", "print"},     {"image/decode", "image--decode"}, {"GPU", "gpu"}, {"a-b", "a-b"},
      {"a/b/c9", "a--b--c9"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_string_equal(label_of(cases[i][0]), cases[i][1]);
    assert_int_equal(hashed, 0);
    assert_true(tl_label_is_valid(cases[i][1], strlen(cases[i][1])));
  }
}

static void what_no_label_can_hold_is_hashed(void **state) {
  (void)state;
  static const char *const cases[] = {"a.b", "a_b", "a-", "a/", "A.b"};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_true(tl_capability_is_valid(cases[i], strlen(cases[i])));
    assert_string_equal(label_of(cases[i]), "h-0123456789abcdef");
    assert_int_equal(hashed, 1);
  }
  assert_string_equal(hashed_text, "a.b"); /* in lower case, so that both spellings meet */
}

static void length_counts_after_replacement(void **state) {
  (void)state;
  char capability[TL_CAPABILITY_BYTES_MAX + 1];
  memset(capability, 'a', sizeof capability);
  capability[62] = 0;
  assert_int_equal(strlen(label_of(capability)), 62);
  assert_int_equal(hashed, 0);
  capability[30] = '/';
  assert_string_equal(label_of(capability), "h-0123456789abcdef");
  capability[30] = 'a', capability[62] = 'a', capability[63] = 0;
  assert_string_equal(label_of(capability), "h-0123456789abcdef");
}

static void invalid_labels_are_refused(void **state) {
  (void)state;
  static const char *const cases[] = {"",    "-",   "-a",  "a-",  "A",
                                      "a b", "a.b", "a_b", "a/b", "\xc3\xa4"};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    assert_false(tl_label_is_valid(cases[i], strlen(cases[i])));
  char longest[TL_LABEL_BYTES_MAX + 1];
  memset(longest, 'a', sizeof longest);
  assert_true(tl_label_is_valid(longest, TL_LABEL_BYTES_MAX));
  assert_false(tl_label_is_valid(longest, TL_LABEL_BYTES_MAX + 1));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(plain_capabilities_stay_readable),
      cmocka_unit_test(what_no_label_can_hold_is_hashed),
      cmocka_unit_test(length_counts_after_replacement),
      cmocka_unit_test(invalid_labels_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
