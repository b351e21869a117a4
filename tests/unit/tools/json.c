#include "tools/json.h"

#include "tests/unit/test.h"
#include <math.h>
#include <stdlib.h>

/* What `write` produces, without the last newline. */
struct text {
  char *bytes;
  size_t size;
  struct tl_json json;
};

static struct text text_open(void) {
  return (struct text){0};
}

static void begin(struct text *t) {
  t->json = tl_json_on(open_memstream(&t->bytes, &t->size));
}

static void check(struct text *t, const char *wanted) {
  tl_json_finish(&t->json);
  fclose(t->json.out);
  t->bytes[t->size - 1] = 0;
  assert_string_equal(t->bytes, wanted);
  free(t->bytes);
}

static void test_nesting(void **state) {
  (void)state;
  struct text t = text_open();
  begin(&t);
  tl_json_object(&t.json);
  tl_json_put_text(&t.json, "a", "x\"y\\z\n\x01");
  tl_json_put_text(&t.json, "none", NULL);
  tl_json_key(&t.json, "b");
  tl_json_array(&t.json);
  tl_json_uint(&t.json, UINT64_MAX);
  tl_json_int(&t.json, INT64_MIN);
  tl_json_bool(&t.json, true);
  tl_json_null(&t.json);
  tl_json_array(&t.json);
  tl_json_end(&t.json);
  tl_json_object(&t.json);
  tl_json_end(&t.json);
  tl_json_end(&t.json);
  tl_json_put_uint(&t.json, "c", 9007199254740993);
  tl_json_end(&t.json);
  check(&t, "{\"a\":\"x\\\"y\\\\z\\n\\u0001\",\"none\":null,"
            "\"b\":[18446744073709551615,-9223372036854775808,true,null,[],{}],"
            "\"c\":9007199254740993}");
}

static void test_numbers(void **state) {
  (void)state;
  struct text t = text_open();
  begin(&t);
  tl_json_array(&t.json);
  tl_json_number(&t.json, 1.0, 17);
  tl_json_number(&t.json, 0.1, 17);
  tl_json_number(&t.json, 1.0 / 3, 17);
  tl_json_number(&t.json, 1e300, 17);
  tl_json_number(&t.json, 1.23456, 2);
  tl_json_number(&t.json, (double)NAN, 17);
  tl_json_number(&t.json, (double)-INFINITY, 2);
  tl_json_end(&t.json);
  check(&t, "[1.0,0.1,0.3333333333333333,1e+300,1.23,null,null]");
}

static void test_bytes(void **state) {
  (void)state;
  struct text t = text_open();
  begin(&t);
  tl_json_array(&t.json);
  tl_json_bytes(&t.json, "\0\xff\x80", 3);
  tl_json_bytes(&t.json, "", 0);
  tl_json_text_of(&t.json, "\xff", 1);
  tl_json_text(&t.json, "\xc3\xa4\xf0\x9f\x98\x80");
  tl_json_end(&t.json);
  check(&t,
        "[{\"$b64\":\"AP+A\"},{\"$b64\":\"\"},{\"$b64\":\"/w==\"},\"\xc3\xa4\xf0\x9f\x98\x80\"]");
}

/* Long bytes go out in pieces; the pieces must join without padding between them. */
static void test_long_bytes(void **state) {
  (void)state;
  uint8_t data[2000];
  for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)i;
  struct text t = text_open();
  begin(&t);
  tl_json_bytes(&t.json, data, sizeof data);
  tl_json_finish(&t.json);
  fclose(t.json.out);
  assert_int_equal(t.size, strlen("{\"$b64\":\"\"}\n") + (sizeof data + 2) / 3 * 4);
  assert_ptr_equal(strchr(t.bytes, '='), t.bytes + t.size - 4);
  free(t.bytes);
}

static void check_value(const void *data, size_t size, const char *wanted) {
  struct text t = text_open();
  begin(&t);
  struct tulle_unpack r = tulle_unpack_on(data, size);
  tl_json_value(&t.json, &r);
  check(&t, wanted);
}

static void test_values(void **state) {
  (void)state;
  check_value("\x83\xa1"
              "a\x01\x05\x02\xc4\x01z\x93\xc0\xc3\xff",
              13, "{\"a\":1,\"5\":2,\"{\\\"$b64\\\":\\\"eg==\\\"}\":[null,true,-1]}");
  check_value("\xd4\x05z", 3, "{\"$ext\":5,\"$b64\":\"eg==\"}");
  check_value("\xcb\x7f\xf8\0\0\0\0\0\0", 9, "null");
  check_value("\xd3\x80\0\0\0\0\0\0\0", 9, "-9223372036854775808");
  check_value("\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9, "18446744073709551615");
  check_value("\x81\x90\x01", 3, "{\"[]\":1}");
}

/* What is cut off or too deep becomes null, never broken JSON. */
static void test_bad_values(void **state) {
  (void)state;
  check_value("", 0, "null");
  check_value("\x92\x01", 2, "[1,null]");
  check_value("\x82\xa1"
              "a\x01",
              4, "{\"a\":1,\"null\":null}");
  check_value("\xdd\xff\xff\xff\xff", 5, "[null]");
  uint8_t deep[TL_JSON_DEPTH_MAX + 8];
  memset(deep, 0x91, sizeof deep);
  deep[sizeof deep - 1] = 0xc0;
  struct text t = text_open();
  begin(&t);
  struct tulle_unpack r = tulle_unpack_on(deep, sizeof deep);
  tl_json_value(&t.json, &r);
  assert_true(tulle_unpack_is_ok(&r));
  tl_json_finish(&t.json);
  fclose(t.json.out);
  assert_non_null(strstr(t.bytes, "[null]"));
  free(t.bytes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_nesting), cmocka_unit_test(test_numbers),
      cmocka_unit_test(test_bytes),   cmocka_unit_test(test_long_bytes),
      cmocka_unit_test(test_values),  cmocka_unit_test(test_bad_values),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
