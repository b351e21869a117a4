/* What people see: results, tables, and nothing that could steer their terminal. */
#include "tools/show.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/test.h"
#include "tools/columns.h"
#include "tools/json_read.h"

static void check(const char *json, bool is_terminal, const char *wanted) {
  struct tl_buffer value = {0};
  char *text = NULL;
  size_t size = 0;
  assert_int_equal(tl_json_read(json, strlen(json), &value, NULL), 0);
  FILE *out = open_memstream(&text, &size);
  tl_show_value(out, is_terminal, value.data, value.size);
  fclose(out);
  assert_string_equal(text, wanted);
  free(text);
  tl_buffer_deinit(&value);
}

static void test_values(void **state) {
  (void)state;
  check("null", true, "");
  check("5", true, "5\n");
  check("-5", true, "-5\n");
  check("true", true, "true\n");
  check("\"Hello\"", true, "Hello\n");
  check("{\"text\":\"Hello world\",\"n\":5}", true, "text: Hello world\nn: 5\n");
  check("{\"a\":{\"b\":[1,2]}}", true, "a: {\"b\":[1,2]}\n");
  check("[1,\"two\",[3]]", true, "1\ntwo\n[3]\n");
  check("[]", true, "");
}

static void test_bytes(void **state) {
  (void)state;
  check("{\"$b64\":\"AEGA/w==\"}", true,
        "00000000  00 41 80 ff                                       |.A..|\n");
  check("{\"$b64\":\"SGVsbG8K\"}", false, "Hello\n");
  check("{\"x\":{\"$b64\":\"AA==\"}}", false, "x: {\"$b64\":\"AA==\"}\n");
}

static void test_control_characters(void **state) {
  (void)state;
  check("\"a\\u001b[2Jb\\u0007\\u009bc\"", true,
        "a\\x1b[2Jb\\x07\\xc2\x9b"
        "c\n");
  check("\"a\\u001b[2J\"", false, "a\x1b[2J\n");
  check("{\"k\\u001b\":\"v\\u001b\"}", true, "k\\x1b: v\\x1b\n");
}

static void test_columns(void **state) {
  (void)state;
  char *text = NULL;
  size_t size = 0;
  struct tl_columns t = tl_columns_new("NAME >SIZE LAST");
  tl_columns_add(&t, "a");
  tl_columns_add_count(&t, 1234567);
  tl_columns_add(&t, NULL);
  tl_columns_add(&t, "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4");
  tl_columns_add_duration(&t, 86000);
  tl_columns_add(&t, "x\x1b[1m\n");
  FILE *out = open_memstream(&text, &size);
  tl_columns_print(&t, out);
  fclose(out);
  assert_string_equal(text, "NAME        SIZE  LAST\n"
                            "a      1,234,567  -\n"
                            "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4      86 us  x?[1m?\n");
  free(text);
  tl_columns_free(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_values),
      cmocka_unit_test(test_bytes),
      cmocka_unit_test(test_control_characters),
      cmocka_unit_test(test_columns),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
