/* Messages by names and by positions. */
#include "tools/typed.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/test.h"
#include "tools/json.h"
#include "tools/json_read.h"

static const char text[] =
    "interface store 1 {\n"
    "  enum color { red, green, blue = 7 }\n"
    "  struct size { u32 width, height; optional color tint; }\n"
    "  union figure { f64 circle; size box; void nothing; }\n"
    "  interface cursor { next(); }\n"
    "  count(bytes text) -> (u64 lines, u64 words);\n"
    "  put(string key, size s, optional figure f) -> (color old, figure f2);\n"
    "  names(map<u32, color> m, list<size> l, u8 id[2]);\n"
    "  stop();\n"
    "  watch(cursor c);\n"
    "}\n";

static struct tl_schema *schema;

static int setup(void **state) {
  (void)state;
  return tl_schema_read(text, sizeof text - 1, NULL, &schema);
}

static int teardown(void **state) {
  (void)state;
  schema = tl_schema_free(schema);
  return 0;
}

static const struct tl_schema_procedure *procedure(const char *name) {
  const char *near;
  const struct tl_schema_procedure *p = tl_typed_procedure(schema, name, &near);
  assert_non_null(p);
  return p;
}

static void show(const struct tl_buffer *b, char *out, size_t size) {
  FILE *file = fmemopen(out, size, "w");
  struct tl_json j = tl_json_on(file);
  struct tulle_unpack r = tulle_unpack_on(b->data, b->size);
  if (b->size) tl_json_value(&j, &r);
  fclose(file);
}

static char why[TL_TYPED_TEXT_BYTES];

/* Both directions as JSON; NULL: no arguments. */
static int run(const char *name, const char *json, bool is_result, char *out, size_t size) {
  struct tl_buffer in = {0}, made = {0};
  why[0] = out[0] = 0;
  if (json) assert_int_equal(tl_json_read(json, strlen(json), &in, NULL), 0);
  int r = is_result ? tl_typed_results(procedure(name), in.data, in.size, &made, why)
                    : tl_typed_arguments(procedure(name), in.data, in.size, NULL, NULL, &made, why);
  if (!r) show(&made, out, size);
  tl_buffer_deinit(&in), tl_buffer_deinit(&made);
  return r;
}

static void expect(const char *name, const char *json, bool is_result, const char *wanted) {
  char out[512];
  if (run(name, json, is_result, out, sizeof out)) fail_msg("%s: %s", json, why);
  assert_string_equal(out, wanted);
}

static void refused(const char *name, const char *json, const char *because) {
  char out[512];
  assert_int_equal(run(name, json, false, out, sizeof out), TULLE_E_INVALID);
  if (!strstr(why, because)) fail_msg("%s: %s", json, why);
}

static void names_become_positions(void **state) {
  (void)state;
  expect("count", "{\"text\":\"abc\"}", false, "[{\"$b64\":\"YWJj\"}]");
  expect("count", "{\"$b64\":\"YWJj\"}", false, "[{\"$b64\":\"YWJj\"}]"); /* the only one */
  expect("count", "[\"abc\"]", false, "[{\"$b64\":\"YWJj\"}]");
  expect("put", "{\"s\":{\"height\":2,\"width\":1},\"key\":\"k\"}", false,
         "[\"k\",[1,2,null],null]");
  expect("put", "[\"k\",[1,2],{\"circle\":1.5}]", false, "[\"k\",[1,2],[0,1.5]]");
  expect("put", "[\"k\",{\"width\":1,\"height\":2,\"tint\":\"blue\"},\"nothing\"]", false,
         "[\"k\",[1,2,7],[2]]");
  expect("put", "[\"k\",[1,2,0],{\"box\":{\"width\":3,\"height\":4}}]", false,
         "[\"k\",[1,2,0],[1,[3,4,null]]]");
  expect("names", "{\"m\":{\"5\":\"green\"},\"l\":[{\"width\":1,\"height\":2}],\"id\":\"ab\"}",
         false, "[{\"5\":1},[[1,2,null]],{\"$b64\":\"YWI=\"}]");
  expect("stop", NULL, false, "");
  expect("stop", "{}", false, "");
}

static void what_is_wrong_is_named(void **state) {
  (void)state;
  refused("count", NULL, "wants the parameter 'text', a bytes");
  refused("count", "{\"txt\":\"abc\"}", "did you mean 'text'?");
  refused("count", "{\"lines\":1}", "no parameter 'lines'"); /* that is a result */
  refused("count", "5", "text");
  refused("count", "[]", "");
  refused("count", "[\"a\",\"b\"]", "");
  refused("put", "5", "give them by name");
  refused("put", "{\"key\":\"k\"}", "wants the parameter 's', a size");
  refused("put", "[\"k\",{\"width\":1}]", "wants the field 'height', a u32");
  refused("put", "[\"k\",{\"width\":1,\"hight\":2}]", "'size' has no field 'hight'; did you mean");
  refused("put", "[\"k\",[-1,2]]", "width");
  refused("put", "[\"k\",[1,2,\"gren\"]]", "did you mean 'green'?");
  refused("put", "[\"k\",[1,2],\"circle\"]", "circle");
  refused("put", "[\"k\",[1,2],{\"sphere\":1}]", "no alternative 'sphere'");
  refused("put", "[\"k\",[1,2],{\"circle\":1,\"nothing\":null}]", "exactly one");
  refused("names", "{\"m\":{\"x\":\"green\"},\"l\":[],\"id\":\"ab\"}", "m");
  refused("names", "{\"m\":{},\"l\":[],\"id\":\"abc\"}", "id");
  refused("stop", "{\"now\":true}", "no parameter 'now'");
  refused("stop", "5", "0 parameters");
}

static void references_are_for_programs(void **state) {
  (void)state;
  char out[64];
  assert_int_equal(run("watch", "[1]", false, out, sizeof out), TULLE_E_UNSUPPORTED);
}

static void results_have_their_names(void **state) {
  (void)state;
  char out[512];
  expect("count", "[3,4]", true, "{\"lines\":3,\"words\":4}");
  expect("put", "[7,[1,[1,2]]]", true,
         "{\"old\":\"blue\",\"f2\":{\"box\":{\"width\":1,\"height\":2,\"tint\":null}}}");
  expect("put", "[0,[2]]", true, "{\"old\":\"red\",\"f2\":{\"nothing\":null}}");
  expect("stop", NULL, true, "{}");
  assert_int_equal(run("count", "[3]", true, out, sizeof out), TULLE_E_BAD_MESSAGE);
  assert_int_equal(run("count", "[3,\"x\"]", true, out, sizeof out), TULLE_E_BAD_MESSAGE);
  assert_int_equal(run("put", "[3,[0,1]]", true, out, sizeof out), TULLE_E_BAD_MESSAGE);
}

static void procedures_are_found_or_corrected(void **state) {
  (void)state;
  const char *near;
  assert_null(tl_typed_procedure(schema, "cuont", &near));
  assert_string_equal(near, "count");
  assert_null(tl_typed_procedure(schema, "nothing_like_it", &near));
  assert_null(near);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(names_become_positions),
      cmocka_unit_test(what_is_wrong_is_named),
      cmocka_unit_test(references_are_for_programs),
      cmocka_unit_test(results_have_their_names),
      cmocka_unit_test(procedures_are_found_or_corrected),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
