/* Golden lines in both directions; then every truncation and every changed byte of them. */
#include "discovery/line.h"

#include <stdio.h>

#include "tests/unit/discovery/test.h"

#define ID "aaaqeayeaudaocajbifqydiob4"

static const char *const golden[] = {
    "hello 1",
    "publish " ID " 0102030405060708 8855 00000000deadbeef 42",
    "publish " ID " ffffffffffffffff 65535 ffffffffffffffff 18446744073709551615",
    "label image--decode",
    "label h-0123456789abcdef",
    "commit",
    "browse",
    "found " ID " 0102030405060708 1 42 00000000deadbeef 10.0.0.1:8855",
    "found " ID " 0102030405060708 65535 0 0000000000000000 [fe80::1%4294967295]:1",
    "found " ID " 0102030405060708 1 42 00000000deadbeef [2001:db8::1]:8855",
    "lost " ID " 127.0.0.1:9",
    "gone " ID,
    "cloned " ID " 0000000000000001 0000000000000002",
    "status embedded no avahi-daemon runs",
    "status avahi-daemon ",
    "status none ~!",
};

static void golden_lines_survive_both_ways(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
    struct tl_line line;
    char again[TL_LINE_BYTES_MAX];
    assert_int_equal(tl_line_decode(golden[i], strlen(golden[i]), &line), 0);
    size_t n = tl_line_encode(&line, again);
    assert_int_equal(n, strlen(golden[i]) + 1);
    assert_memory_equal(again, golden[i], n - 1);
    assert_int_equal(again[n - 1], '\n');
  }
}

static void fields_mean_what_the_page_says(void **state) {
  (void)state;
  struct tl_line l;
  assert_int_equal(tl_line_decode(golden[7], strlen(golden[7]), &l), 0);
  assert_int_equal(l.kind, TL_LINE_FOUND);
  for (uint8_t i = 0; i < 16; i++) assert_int_equal(l.id[i], i);
  for (uint8_t i = 0; i < 8; i++) assert_int_equal(l.tag[i], i + 1);
  assert_int_equal(l.version, 1);
  assert_int_equal(l.generation, 42);
  assert_true(l.boot == 0xdeadbeef);
  struct tl_address a = test_address("10.0.0.1:8855");
  assert_true(tl_address_is_equal(&l.address, &a));
}

/* Whatever still decodes says the same when it is written again, so there is one text per fact. */
static void decode_or_refuse(const char *text, size_t length) {
  struct tl_line line;
  char again[TL_LINE_BYTES_MAX];
  char *copy = malloc(length ? length : 1); /* the address sanitizer sees a read past the end */
  assert_non_null(copy);
  memcpy(copy, text, length);
  int r = tl_line_decode(copy, length, &line);
  if (r == 0) {
    assert_int_equal(tl_line_encode(&line, again), length + 1);
    assert_memory_equal(again, text, length);
  } else {
    assert_int_equal(r, TULLE_E_BAD_MESSAGE);
  }
  free(copy);
}

static void every_truncation(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof golden / sizeof *golden; i++)
    for (size_t n = 0; n < strlen(golden[i]); n++) decode_or_refuse(golden[i], n);
}

static void every_changed_byte(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
    char text[TL_LINE_BYTES_MAX];
    size_t length = strlen(golden[i]);
    for (size_t at = 0; at < length; at++)
      for (int c = 0; c < 256; c++) {
        memcpy(text, golden[i], length);
        text[at] = (char)c;
        decode_or_refuse(text, length);
      }
  }
}

static void every_inserted_byte(void **state) {
  (void)state;
  static const char inserted[] = {' ', '0', '-', ':', 'a', '\n', '\0', '+'};
  for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
    char text[TL_LINE_BYTES_MAX];
    size_t length = strlen(golden[i]);
    for (size_t at = 0; at <= length; at++)
      for (size_t c = 0; c < sizeof inserted; c++) {
        memcpy(text, golden[i], at);
        text[at] = inserted[c];
        memcpy(text + at + 1, golden[i] + at, length - at);
        decode_or_refuse(text, length + 1);
      }
  }
}

static void bad_lines_are_refused(void **state) {
  (void)state;
  static const char *const bad[] = {
      "",
      " ",
      "hello",
      "hello ",
      "hello 0",
      "hello 01",
      "hello 65536",
      "hello -1",
      "hello +1",
      "hello 1 ",
      "hello  1",
      " hello 1",
      "Hello 1",
      "hello 99999999999999999999",
      "commit x",
      "browse ",
      "label ",
      "label -a",
      "label a.b",
      "gone " ID "a",
      "gone AAAQEAYEAUDAOCAJBIFQYDIOB4",
      "gone aaaqeayeaudaocajbifqydiob",
      "gone 0123",
      "lost " ID " 10.0.0.1:0",
      "lost " ID " 10.0.0.1",
      "lost " ID " host:1",
      "lost " ID " [::ffff:10.0.0.1]:1",
      "lost " ID " [fe80:0::1]:1",
      "lost " ID " 10.0.0.1:08",
      "publish " ID " 0102030405060708 0 00000000deadbeef 42",
      "publish " ID " 010203040506070 1 00000000deadbeef 42",
      "publish " ID " 0102030405060708 1 deadbeef 42",
      "publish " ID " 0102030405060708 1 00000000deadbeef 18446744073709551616",
      "found " ID " 0102030405060708 0 42 00000000deadbeef 10.0.0.1:8855",
      "status maybe x",
      "status",
      "status none",
      "status none \x1b[2J",
      "status none tab\there",
      "cloned " ID " 0000000000000001",
      "nonsense 1",
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct tl_line l;
    if (tl_line_decode(bad[i], strlen(bad[i]), &l) != TULLE_E_BAD_MESSAGE)
      fail_msg("accepted: '%s'", bad[i]);
  }
}

static void status_text_is_bounded_and_printable(void **state) {
  (void)state;
  struct tl_line l = {.kind = TL_LINE_STATUS, .engine = TL_DISCOVERY_ENGINE_DAEMON}, back;
  char text[TL_LINE_BYTES_MAX];
  memset(l.text, '\x1b', sizeof l.text - 1);
  size_t n = tl_line_encode(&l, text);
  assert_int_equal(tl_line_decode(text, n - 1, &back), 0);
  assert_int_equal(strlen(back.text), TL_DISCOVERY_REASON_SIZE - 1);
  assert_int_equal(back.text[0], '?');
}

/* Feeds `bytes` in pieces of `step` and returns how many lines came out. */
static size_t feed(struct tl_line_splitter *s, const char *bytes, size_t size, size_t step) {
  size_t lines = 0;
  for (size_t i = 0; i < size; i += step) {
    const char *at = bytes + i, *end = bytes + (i + step < size ? i + step : size);
    struct tl_line l;
    while (tl_line_split(s, &at, end, &l) == 0) lines++;
    assert_ptr_equal(at, end);
  }
  return lines;
}

static void cuts_do_not_matter(void **state) {
  (void)state;
  static const char stream[] = "hello 1\ngarbage\n\ncommit\nbrowse\ngone " ID "\n";
  for (size_t step = 1; step < sizeof stream; step++) {
    struct tl_line_splitter s = {0};
    assert_int_equal(feed(&s, stream, sizeof stream - 1, step), 4);
    assert_int_equal(s.lines, 4);
    assert_int_equal(s.garbled, 2);
  }
}

static void a_line_too_long_is_one_garbled_line(void **state) {
  (void)state;
  for (size_t n = TL_LINE_BYTES_MAX - 2; n < TL_LINE_BYTES_MAX + 3; n++) {
    char stream[TL_LINE_BYTES_MAX * 2];
    struct tl_line_splitter s = {0};
    memset(stream, 'x', n);
    memcpy(stream + n, "\ncommit\n", 8);
    assert_int_equal(feed(&s, stream, n + 8, 7), 1);
    assert_int_equal(s.garbled, 1);
  }
}

static void megabytes_without_an_end_use_no_memory(void **state) {
  (void)state;
  char block[4096];
  struct tl_line_splitter s = {0};
  memset(block, 'y', sizeof block);
  for (int i = 0; i < 1000; i++) assert_int_equal(feed(&s, block, sizeof block, sizeof block), 0);
  assert_int_equal(feed(&s, "\nhello 1\n", 9, 9), 1);
  assert_int_equal(s.garbled, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(golden_lines_survive_both_ways),
      cmocka_unit_test(fields_mean_what_the_page_says),
      cmocka_unit_test(every_truncation),
      cmocka_unit_test(every_changed_byte),
      cmocka_unit_test(every_inserted_byte),
      cmocka_unit_test(bad_lines_are_refused),
      cmocka_unit_test(status_text_is_bounded_and_printable),
      cmocka_unit_test(cuts_do_not_matter),
      cmocka_unit_test(a_line_too_long_is_one_garbled_line),
      cmocka_unit_test(megabytes_without_an_end_use_no_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
