#include "tools/json_read.h"

#include "core/limits.h"
#include "core/wire/msgpack.h"
#include "tests/unit/test.h"
#include "tools/json.h"

static void check(const char *json, const char *wanted, size_t wanted_size) {
  struct tl_buffer out = {0};
  struct tl_json_error error = {0};
  int r = tl_json_read(json, strlen(json), &out, &error);
  if (r) print_message("%s: %s\n", json, error.text);
  assert_int_equal(r, 0);
  assert_int_equal(out.size, wanted_size);
  assert_memory_equal(out.data, wanted, wanted_size);
  assert_int_equal(tl_msgpack_check(out.data, out.size), 0);
  tl_buffer_deinit(&out);
}

#define CHECK(json, bytes) check(json, bytes, sizeof(bytes) - 1)

static void test_scalars(void **state) {
  (void)state;
  CHECK("null", "\xc0");
  CHECK(" true\n", "\xc3");
  CHECK("false", "\xc2");
  CHECK("0", "\x00");
  CHECK("-0", "\x00");
  CHECK("127", "\x7f");
  CHECK("128", "\xcc\x80");
  CHECK("-1", "\xff");
  CHECK("-129", "\xd1\xff\x7f");
  CHECK("9007199254740993", "\xcf\x00\x20\x00\x00\x00\x00\x00\x01");
  CHECK("18446744073709551615", "\xcf\xff\xff\xff\xff\xff\xff\xff\xff");
  CHECK("-9223372036854775808", "\xd3\x80\x00\x00\x00\x00\x00\x00\x00");
  CHECK("1.5", "\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00");
  CHECK("1e0", "\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00");
  CHECK("-2.5E+1", "\xcb\xc0\x39\x00\x00\x00\x00\x00\x00");
}

static void test_strings(void **state) {
  (void)state;
  CHECK("\"\"", "\xa0");
  CHECK("\"a\\n\\\"\\\\\\/\"", "\xa5"
                               "a\n\"\\/");
  CHECK("\"\\u0041\\u00e4\\u20ac\\ud83d\\ude00\"", "\xaa"
                                                   "A\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
  CHECK("\"\\u0000\"", "\xa1\x00");
  CHECK("\"\xc3\xa4\"", "\xa2\xc3\xa4");
}

static void test_containers(void **state) {
  (void)state;
  CHECK("[]", "\x90");
  CHECK("{}", "\x80");
  CHECK("[1,[2,{}],3]", "\x93\x01\x92\x02\x80\x03");
  CHECK("{\"a\":{\"b\":[1]}}", "\x81\xa1"
                               "a\x81\xa1"
                               "b\x91\x01");
  CHECK("{\"$b64\":\"AP+A\"}", "\xc4\x03\x00\xff\x80");
  CHECK("{\"x\":{\"$b64\":\"\"}}", "\x81\xa1x\xc4\x00");
  CHECK("{\"$ext\":5,\"$b64\":\"eg==\"}", "\xc9\x00\x00\x00\x01\x05z");
  CHECK("{\"$b64\":1}", "\x81\xa4$b64\x01");
  CHECK("{\"$b64\":\"eg==\",\"more\":1}", "\x82\xa4$b64\xa4"
                                          "eg==\xa4more\x01");
}

static void test_many_members(void **state) {
  (void)state;
  char json[200] = "[0";
  for (int i = 1; i < 20; i++) strcat(json, ",0");
  strcat(json, "]");
  struct tl_buffer out = {0};
  assert_int_equal(tl_json_read(json, strlen(json), &out, NULL), 0);
  assert_int_equal(out.size, 23);
  assert_memory_equal(out.data, "\xdc\x00\x14\x00", 4);
  tl_buffer_deinit(&out);
}

static void refuse(const char *json, size_t size, int code, size_t line, size_t column) {
  struct tl_buffer out = {0};
  struct tl_json_error error = {0};
  int r = tl_json_read(json, size, &out, &error);
  if (r != code || error.line != line || error.column != column)
    print_message("%.*s: %d at %zu:%zu: %s\n", (int)size, json, r, error.line, error.column,
                  error.text);
  assert_int_equal(r, code);
  assert_int_equal(error.line, line);
  assert_int_equal(error.column, column);
  assert_true(error.text[0]);
  tl_buffer_deinit(&out);
}

static void test_refusals(void **state) {
  (void)state;
  static const struct {
    const char *json;
    size_t line, column;
  } bad[] = {
      {"", 1, 1},
      {" ", 1, 2},
      {"tru", 1, 1},
      {"{\n  \"a\": tru\n}", 2, 8},
      {"nulls", 1, 5},
      {"1 2", 1, 3},
      {"01", 1, 1},
      {"-", 1, 1},
      {"1.", 1, 1},
      {".5", 1, 1},
      {"1e", 1, 1},
      {"+1", 1, 1},
      {"NaN", 1, 1},
      {"1e999", 1, 1},
      {"18446744073709551616", 1, 1},
      {"-9223372036854775809", 1, 1},
      {"00000000000000000000000000000000000000000000000000000000000000000000", 1, 1},
      {"0.00000000000000000000000000000000000000000000000000000000000000000001", 1, 1},
      {"\"abc", 1, 1},
      {"\"a\nb\"", 1, 3},
      {"\"\\x\"", 1, 2},
      {"\"\\", 1, 3},
      {"\"\\u12\"", 1, 4},
      {"\"\\ud800\"", 1, 2},
      {"\"\\ud800\\u0041\"", 1, 2},
      {"\"\\udc00\"", 1, 2},
      {"\"\xff\"", 1, 1},
      {"[1,]", 1, 4},
      {"[1", 1, 3},
      {"[1 2]", 1, 4},
      {"{1:2}", 1, 2},
      {"{\"a\" 1}", 1, 6},
      {"{\"a\":}", 1, 6},
      {"{\"a\":1,}", 1, 8},
      {"{\"a\":1 \"b\":2}", 1, 8},
      {"{\"a\":1,\"a\":2}", 1, 8},
      {"{a:1}", 1, 2},
      {"{'a':1}", 1, 2},
      {"[1]]", 1, 4},
      {"{\"$b64\":\"=\"}", 1, 1},
      {"{\"$b64\":\"AB\"}", 1, 1},
      {"{\"$ext\":300,\"$b64\":\"\"}", 1, 1},
      {"// 1\n1", 1, 1},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    refuse(bad[i].json, strlen(bad[i].json), TULLE_E_BAD_MESSAGE, bad[i].line, bad[i].column);
  refuse("\"a\0b\"", 5, TULLE_E_BAD_MESSAGE, 1, 3);
}

static void test_limits(void **state) {
  (void)state;
  char deep[TL_MSGPACK_DEPTH_MAX * 2 + 3];
  memset(deep, '[', sizeof deep);
  for (size_t i = 0; i < TL_MSGPACK_DEPTH_MAX; i++) deep[TL_MSGPACK_DEPTH_MAX + i] = ']';
  struct tl_buffer out = {0};
  assert_int_equal(tl_json_read(deep, TL_MSGPACK_DEPTH_MAX * 2, &out, NULL), 0);
  assert_int_equal(tl_msgpack_check(out.data, out.size), 0);
  tl_buffer_deinit(&out);
  memset(deep, '[', TL_MSGPACK_DEPTH_MAX + 1);
  refuse(deep, TL_MSGPACK_DEPTH_MAX + 1, TULLE_E_LIMIT, 1, TL_MSGPACK_DEPTH_MAX + 1);

  size_t size = 2 * TL_MSGPACK_OBJECTS_MAX + 2;
  char *wide = malloc(size);
  for (size_t i = 0; i < size; i++) wide[i] = i % 2 ? '1' : ',';
  wide[0] = '[';
  wide[2 * TL_MSGPACK_OBJECTS_MAX - 1] = ']';
  wide[2 * TL_MSGPACK_OBJECTS_MAX - 2] = ' ';
  assert_int_equal(tl_json_read(wide, 2 * TL_MSGPACK_OBJECTS_MAX, &out, NULL), 0);
  assert_int_equal(tl_msgpack_check(out.data, out.size), 0);
  tl_buffer_deinit(&out);
  wide[2 * TL_MSGPACK_OBJECTS_MAX - 2] = ',';
  wide[2 * TL_MSGPACK_OBJECTS_MAX - 1] = '1';
  wide[2 * TL_MSGPACK_OBJECTS_MAX] = ']';
  refuse(wide, 2 * TL_MSGPACK_OBJECTS_MAX + 1, TULLE_E_LIMIT, 1, 2 * TL_MSGPACK_OBJECTS_MAX);
  free(wide);

  out.size_max = 16;
  assert_int_equal(tl_json_read("\"0123456789abcdef\"", 18, &out, NULL), TULLE_E_TOO_BIG);
  tl_buffer_deinit(&out);
}

/* Whatever is cut off is refused; whatever is accepted reads the same after being written again. */
static void test_truncation_and_round_trip(void **state) {
  (void)state;
  static const char json[] =
      "{\"a\":[1,-2,3.25,true,null,\"x\\u20ac\"],\"b\":{\"$b64\":\"AP+A\"},\"c\":{}}";
  for (size_t i = 0; i < sizeof json - 1; i++) {
    struct tl_buffer out = {0};
    assert_int_equal(tl_json_read(json, i, &out, NULL), TULLE_E_BAD_MESSAGE);
    tl_buffer_deinit(&out);
  }
  struct tl_buffer out = {0};
  assert_int_equal(tl_json_read(json, sizeof json - 1, &out, NULL), 0);
  char *text = NULL;
  size_t size = 0;
  struct tl_json j = tl_json_on(open_memstream(&text, &size));
  struct tulle_unpack r = tulle_unpack_on(out.data, out.size);
  tl_json_value(&j, &r);
  fclose(j.out);
  assert_string_equal(
      text, "{\"a\":[1,-2,3.25,true,null,\"x\xe2\x82\xac\"],\"b\":{\"$b64\":\"AP+A\"},\"c\":{}}");
  free(text);
  tl_buffer_deinit(&out);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_scalars),
      cmocka_unit_test(test_strings),
      cmocka_unit_test(test_containers),
      cmocka_unit_test(test_many_members),
      cmocka_unit_test(test_refusals),
      cmocka_unit_test(test_limits),
      cmocka_unit_test(test_truncation_and_round_trip),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
