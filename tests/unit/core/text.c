#include "core/text.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "tests/unit/test.h"

/* RFC 4648, section 10; base32 here is lower case and without padding. */
static void encodings_match_the_rfc(void **state) {
  (void)state;
  static const struct {
    const char *plain, *base64, *base32, *hex;
  } cases[] = {
      {"", "", "", ""},
      {"f", "Zg==", "my", "66"},
      {"fo", "Zm8=", "mzxq", "666f"},
      {"foo", "Zm9v", "mzxw6", "666f6f"},
      {"foob", "Zm9vYg==", "mzxw6yq", "666f6f62"},
      {"fooba", "Zm9vYmE=", "mzxw6ytb", "666f6f6261"},
      {"foobar", "Zm9vYmFy", "mzxw6ytboi", "666f6f626172"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[32], back[8];
    int size = (int)strlen(cases[i].plain);
    tl_base64_encode(cases[i].plain, (size_t)size, text);
    assert_string_equal(text, cases[i].base64);
    assert_int_equal(tl_base64_decode(text, strlen(text), back, sizeof back), size);
    assert_memory_equal(back, cases[i].plain, (size_t)size);
    tl_base32_encode(cases[i].plain, (size_t)size, text);
    assert_string_equal(text, cases[i].base32);
    assert_int_equal(tl_base32_decode(text, strlen(text), back, sizeof back), size);
    tl_hex_encode(cases[i].plain, (size_t)size, text);
    assert_string_equal(text, cases[i].hex);
    assert_int_equal(tl_hex_decode(text, strlen(text), back, sizeof back), size);
  }
}

static void wrong_texts_are_refused(void **state) {
  (void)state;
  char out[8];
  assert_int_equal(tl_base64_decode("Zg=", 3, out, sizeof out), TULLE_E_BAD_MESSAGE); /* length */
  assert_int_equal(tl_base64_decode("Zh==", 4, out, sizeof out),
                   TULLE_E_BAD_MESSAGE); /* stray bits */
  assert_int_equal(tl_base64_decode("Z===", 4, out, sizeof out),
                   TULLE_E_BAD_MESSAGE); /* too much padding */
  assert_int_equal(tl_base64_decode("Zm8\0", 4, out, sizeof out),
                   TULLE_E_BAD_MESSAGE); /* a zero is no digit */
  assert_int_equal(tl_base32_decode("m", 1, out, sizeof out), TULLE_E_BAD_MESSAGE);
  assert_int_equal(tl_base32_decode("mz", 2, out, sizeof out),
                   TULLE_E_BAD_MESSAGE); /* stray bits */
  assert_int_equal(tl_base32_decode("m1", 2, out, sizeof out), TULLE_E_BAD_MESSAGE);
  assert_int_equal(tl_hex_decode("6", 1, out, sizeof out), TULLE_E_BAD_MESSAGE);
  assert_int_equal(tl_hex_decode("0123456789abcdef01", 18, out, sizeof out), TULLE_E_TOO_BIG);
  assert_int_equal(tl_base32_decode("MZXW6", 5, out, sizeof out), 3); /* case does not matter */
}

static void names(void **state) {
  (void)state;
  assert_true(tl_name_is_valid("textstat", 8, 63));
  assert_true(tl_name_is_valid("a.b-c_9", 7, 63));
  assert_false(tl_name_is_valid("", 0, 63));
  assert_false(tl_name_is_valid(".hidden", 7, 63));
  assert_false(tl_name_is_valid("a/b", 3, 63));
  assert_false(tl_name_is_valid("a b", 3, 63));
  assert_false(tl_name_is_valid("a\0b", 3, 63));
  assert_false(tl_name_is_valid("abcd", 4, 3));
  assert_true(tl_capability_is_valid("image/decode", 12));
  assert_false(tl_capability_is_valid("/image", 6));
}

static void distances(void **state) {
  (void)state;
  assert_int_equal(tl_text_distance("greet", "greet"), 0);
  assert_int_equal(tl_text_distance("gret", "greet"), 1);
  assert_int_equal(tl_text_distance("geret", "greet"), 1); /* neighbours swapped */
  assert_int_equal(tl_text_distance("", "abc"), 3);
  assert_int_equal(tl_text_distance("kitten", "sitting"), 3);
  char longer[200];
  memset(longer, 'a', sizeof longer - 1);
  longer[sizeof longer - 1] = 0;
  assert_int_equal(tl_text_distance(longer, "a"), 64);
}

static void utf8_is_told_from_other_bytes(void **state) {
  (void)state;
  static const char *const good[] = {"",
                                     "a",
                                     "\xc2\x80",
                                     "\xdf\xbf",
                                     "\xe0\xa0\x80",
                                     "\xed\x9f\xbf",
                                     "\xf0\x90\x80\x80",
                                     "\xf4\x8f\xbf\xbf"};
  static const char *const bad[] = {"\x80",
                                    "\xc0\x80",
                                    "\xc1\xbf",
                                    "\xc2",
                                    "\xc2z",
                                    "\xe0\x9f\xbf",
                                    "\xe2\x82",
                                    "\xed\xa0\x80",
                                    "\xf0\x8f\xbf\xbf",
                                    "\xf4\x90\x80\x80",
                                    "\xf8\x88\x80\x80\x80",
                                    "\xff",
                                    "a\xfe"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++)
    assert_true(tl_utf8_is_valid(good[i], strlen(good[i])));
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_false(tl_utf8_is_valid(bad[i], strlen(bad[i])));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(encodings_match_the_rfc),
      cmocka_unit_test(wrong_texts_are_refused),
      cmocka_unit_test(names),
      cmocka_unit_test(distances),
      cmocka_unit_test(utf8_is_told_from_other_bytes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
