/*
 * msgpack against an interface. Each case is the bytes of an array in hexadecimal and what is said about
 * it: nothing, or the place and the fault.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/schema/value.h"
#include "core/text.h"
#include "tests/unit/test.h"

static const char interface[] =
    "interface v 1 {\n"
    "  enum closed { a = 1, b = -2 }  enum open { x, ... }\n"
    "  struct point { u8 x; optional i8 y; optional closed z; }\n"
    "  union either { u8 a; void b; point c; }  union more { u8 a; void b; ... }\n"
    "  callback done();\n"
    "  integers(u8 a, i8 b);     u64s(u64 a);            i64s(i64 a);\n"
    "  bools(bool a);            floats(f32 a, f64 b);   strings(string<3> a);\n"
    "  buffers(bytes<2> a, u8 b[2]);\n"
    "  lists(list<u16, 2> a);     arrays(u16 a[2]);       points(list<point> a);\n"
    "  maps(map<string, u8, 2> a);  numbers(map<i8, bool> a);  flags(map<bool, closed> a);\n"
    "  enums(closed a, open b);  unions(either a);       open_unions(more a);\n"
    "  nothing();                results(u8 a, inout u8 b) -> (optional u8 c);\n"
    "  waits(done d);            deep(list<map<open, point>> a);\n"
    "}\n";

static struct tl_schema *schema;

static const struct tl_schema_procedure *procedure(const char *name) {
  const struct tl_schema_procedure *p = schema->self.procedures.first;
  while (strcmp(p->name, name)) p = p->next;
  return p;
}

static int judge(const char *name, enum tl_schema_direction side, bool is_newer, const char *hex,
                 struct tl_schema_fault *fault) {
  uint8_t bytes[256];
  int size = tl_hex_decode(hex, strlen(hex), bytes, sizeof bytes);
  assert_true(size >= 0);
  uint8_t *exact = malloc(size ? (size_t)size : 1);
  memcpy(exact, bytes, (size_t)size);
  memset(fault, 0x55, sizeof *fault);
  int r = tl_schema_judge(procedure(name), side, is_newer, exact, (size_t)size, fault);
  free(exact);
  return r;
}

/* Cut anywhere, what is right is not; a byte more is too much. */
static void assert_no_other_length(const char *name, const char *hex) {
  struct tl_schema_fault fault;
  char cut[512];
  for (size_t i = 0; i + 2 < strlen(hex); i += 2) {
    snprintf(cut, sizeof cut, "%.*s", (int)i + 2, hex);
    assert_int_equal(judge(name, TL_SCHEMA_IN, false, cut, &fault), TULLE_E_BAD_MESSAGE);
    assert_int_equal(judge(name, TL_SCHEMA_IN, true, cut, &fault), TULLE_E_BAD_MESSAGE);
  }
  snprintf(cut, sizeof cut, "%sc0", hex);
  assert_int_equal(judge(name, TL_SCHEMA_IN, true, cut, &fault), TULLE_E_BAD_MESSAGE);
}

static void what_is_declared_is_right(void **state) {
  (void)state;
  static const struct {
    const char *name, *hex;
  } cases[] = {
      {"integers", "9200d080"},
      {"integers", "92d300000000000000ff7f"},
      {"integers", "92ce00000001ff"},
      {"u64s", "91cfffffffffffffffff"},
      {"i64s", "91d38000000000000000"},
      {"i64s", "91cf7fffffffffffffff"},
      {"bools", "91c2"},
      {"bools", "91c3"},
      {"floats", "92ca3f800000cb3ff0000000000000"},
      {"floats", "92cb3ff0000000000000ca3f800000"},
      {"floats", "9201ff"},
      {"strings", "91a0"},
      {"strings", "91a3616263"},
      {"strings", "91da0003e282ac"},
      {"buffers", "92c400c4020000"},
      {"buffers", "92c50002ffffc600000002ffff"},
      {"lists", "9190"},
      {"lists", "91920102"},
      {"lists", "91dd0000000105"},
      {"arrays", "91920102"},
      {"points", "919391019201029105"},
      {"points", "919291019301ffc0"},
      {"maps", "9180"},
      {"maps", "9182a16101a16202"},
      {"numbers", "918201c2ffc3"},
      {"flags", "9182c201c3fe"},
      {"enums", "920100"},
      {"enums", "92fed280000000"},
      {"unions", "91920007"},
      {"unions", "919101"},
      {"unions", "9192029301ff01"},
      {"open_unions", "91920007"},
      {"nothing", ""},
      {"nothing", "90"},
      {"results", "920102"},
      {"deep", "91918101930102fe"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct tl_schema_fault fault;
    int r = judge(cases[i].name, TL_SCHEMA_IN, false, cases[i].hex, &fault);
    if (r) fail_msg("%s %s: %s: %s", cases[i].name, cases[i].hex, fault.place, fault.text);
    if (*cases[i].hex) assert_no_other_length(cases[i].name, cases[i].hex);
  }
}

static void what_is_not_declared_is_named(void **state) {
  (void)state;
  static const struct {
    const char *name, *hex, *place, *text;
  } cases[] = {
      {"integers", "", "a", "it is missing"},
      {"integers", "90", "a", "it is missing"},
      {"integers", "9101", "b", "it is missing"},
      {"integers", "93010203", "", "1 more than declared"},
      {"integers", "80", "", "an array is wanted, here is a map"},
      {"integers", "c1", "", "it ends where an array is wanted"},
      {"integers", "92cd010000", "a", "256 is beyond a u8, which ends at 255"},
      {"integers", "92ff00", "a", "-1 is below a u8, which begins at 0"},
      {"integers", "9200cc80", "b", "128 is beyond an i8, which ends at 127"},
      {"integers", "9200d1ff7f", "b", "-129 is below an i8, which begins at -128"},
      {"integers", "92c000", "a", "a u8 is wanted, here is nil"},
      {"integers", "92a13100", "a", "a u8 is wanted, here is text"},
      {"integers", "92ca3f80000000", "a", "a u8 is wanted, here is a float"},
      {"integers", "92c300", "a", "a u8 is wanted, here is a bool"},
      {"integers", "92d4000000", "a", "a u8 is wanted, here is an extension"},
      {"u64s", "91ff", "a", "-1 is below a u64, which begins at 0"},
      {"i64s", "91cf8000000000000000", "a",
       "9223372036854775808 is beyond an i64, which ends at 9223372036854775807"},
      {"bools", "9101", "a", "a bool is wanted, here is an integer"},
      {"floats", "92a13100", "a", "an f32 is wanted, here is text"},
      {"strings", "91a461626364", "a", "4 bytes, at most 3 are allowed"},
      {"strings", "91a100", "a", "a string cannot hold a zero byte"},
      {"strings", "91a1ff", "a", "a string is UTF-8, this is not"},
      {"strings", "91c40161", "a", "a string is wanted, here is bytes"},
      {"buffers", "92c403000000c4020000", "a", "3 bytes, at most 2 are allowed"},
      {"buffers", "92c400c40100", "b", "1 bytes, exactly 2 are wanted"},
      {"buffers", "92a0c4020000", "a", "bytes is wanted, here is text"},
      {"lists", "9193010203", "a", "3 elements, at most 2 are allowed"},
      {"lists", "919201c0", "a[1]", "a u16 is wanted, here is nil"},
      {"lists", "91ddffffffff", "a", "4294967295 elements, at most 2 are allowed"},
      {"lists", "9180", "a", "a list is wanted, here is a map"},
      {"arrays", "919101", "a", "1 elements, exactly 2 are wanted"},
      {"arrays", "91c4020000", "a", "an array is wanted, here is bytes"},
      {"points", "91919401c0c0c0", "a[0]", "1 more than declared"},
      {"points", "919190", "a[0].x", "it is missing"},
      {"points", "919191c0", "a[0].x", "a u8 is wanted, here is nil"},
      {"points", "91919301c003", "a[0].z", "3 is no value of closed"},
      {"points", "9191a0", "a[0]", "the array of a struct is wanted, here is text"},
      {"points", "91ddffffffff", "a[0]", "it ends where a struct is wanted"},
      {"maps", "9182a16101a16102", "a", "a key comes twice"},
      {"maps", "9182a16101d9016102", "a", "a key comes twice"},
      {"maps", "9183a16101a16202a16303", "a", "3 pairs, at most 2 are allowed"},
      {"maps", "91810101", "a{0}", "a string is wanted, here is an integer"},
      {"maps", "9181a161c0", "a{0}", "a u8 is wanted, here is nil"},
      {"numbers", "918201c2cc01c3", "a", "a key comes twice"},
      {"numbers", "91dfffffffff01c2", "a", "it ends before its 4294967295 pairs do"},
      {"flags", "9182c201c201", "a", "a key comes twice"},
      {"enums", "920000", "a", "0 is no value of closed"},
      {"enums", "9201ce80000000", "b", "2147483648 is beyond an i32, which ends at 2147483647"},
      {"enums", "92a16100", "a", "an i32 is wanted, here is text"},
      {"unions", "9190", "a", "an array of a number and a value is wanted"},
      {"unions", "9193000000", "a", "an array of a number and a value is wanted"},
      {"unions", "9100", "a", "an array of a number and a value is wanted"},
      {"unions", "9192c000", "a", "the number of an alternative is wanted"},
      {"unions", "91920300", "a", "3 is no alternative of either"},
      {"unions", "919100", "a", "'a' has a value"},
      {"unions", "919201c0", "a", "'b' has no value"},
      {"unions", "91920290", "a.c.x", "it is missing"},
      {"open_unions", "91920500", "a", "5 is no alternative of more"},
      {"nothing", "9101", "", "1 more than declared"},
      {"deep", "91918101930102ff", "a[0]{0}.z", "-1 is no value of closed"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct tl_schema_fault fault;
    int r = judge(cases[i].name, TL_SCHEMA_IN, false, cases[i].hex, &fault);
    if (r != TULLE_E_BAD_MESSAGE || strcmp(fault.place, cases[i].place) ||
        strcmp(fault.text, cases[i].text))
      fail_msg("%s %s: %d, '%s', '%s'", cases[i].name, cases[i].hex, r, fault.place, fault.text);
  }
}

static void newer_programs_may_say_more(void **state) {
  (void)state;
  static const struct {
    const char *name, *hex;
    int older, newer;
  } cases[] = {
      {"nothing", "92c001", TULLE_E_BAD_MESSAGE, 0},
      {"integers", "94010293a1618001c0", TULLE_E_BAD_MESSAGE, 0},
      {"points", "91919501c0c081a16190c3", TULLE_E_BAD_MESSAGE, 0},
      {"open_unions", "91920593c0c0c0", TULLE_E_BAD_MESSAGE, 0},
      {"open_unions", "919105", TULLE_E_BAD_MESSAGE, 0},
      {"open_unions", "919305c0c0", TULLE_E_BAD_MESSAGE, TULLE_E_BAD_MESSAGE},
      {"unions", "919205c0", TULLE_E_BAD_MESSAGE, TULLE_E_BAD_MESSAGE},
      {"lists", "9193010203", TULLE_E_BAD_MESSAGE, TULLE_E_BAD_MESSAGE},
      {"integers", "93010293c0c0", TULLE_E_BAD_MESSAGE, TULLE_E_BAD_MESSAGE},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct tl_schema_fault fault;
    const char *name = cases[i].name, *hex = cases[i].hex;
    assert_int_equal(judge(name, TL_SCHEMA_IN, false, hex, &fault), cases[i].older);
    assert_int_equal(judge(name, TL_SCHEMA_IN, true, hex, &fault), cases[i].newer);
  }
}

static void each_side_has_its_own(void **state) {
  (void)state;
  struct tl_schema_fault fault;
  assert_int_equal(judge("results", TL_SCHEMA_OUT, false, "920203", &fault), 0);
  assert_int_equal(judge("results", TL_SCHEMA_OUT, false, "9202c0", &fault), 0);
  assert_int_equal(judge("results", TL_SCHEMA_OUT, false, "9102", &fault), 0);
  assert_int_equal(judge("results", TL_SCHEMA_OUT, false, "", &fault), TULLE_E_BAD_MESSAGE);
  assert_string_equal(fault.place, "b");
  assert_int_equal(judge("integers", TL_SCHEMA_OUT, false, "", &fault), 0);
  assert_int_equal(judge("waits", TL_SCHEMA_IN, false, "9101", &fault), TULLE_E_UNSUPPORTED);
}

static int open_schema(void **state) {
  (void)state;
  static struct tl_schema_problems problems;
  int r = tl_schema_read(interface, sizeof interface - 1, &problems, &schema);
  if (r) print_error("line %u: %s\n", problems.items[0].line, problems.items[0].text);
  return r;
}

static int close_schema(void **state) {
  (void)state;
  schema = tl_schema_free(schema);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_declared_is_right),
      cmocka_unit_test(what_is_not_declared_is_named),
      cmocka_unit_test(newer_programs_may_say_more),
      cmocka_unit_test(each_side_has_its_own),
  };
  return cmocka_run_group_tests(tests, open_schema, close_schema);
}
