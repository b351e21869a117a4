/* The canonical form: as it was, and read again as the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/schema/schema.h"
#include "tests/unit/schema/golden.h"
#include "tests/unit/test.h"

static struct tl_schema *read_or_fail(const struct text *input) {
  static struct tl_schema_problems problems;
  char shown[TL_SCHEMA_PROBLEM_SHOWN_SIZE];
  struct tl_schema *schema = NULL;
  if (tl_schema_read(input->data, input->size, &problems, &schema)) {
    tl_schema_problem_show(&problems.items[0], "input", input->data, input->size, shown,
                           sizeof shown);
    fail_msg("%s", shown);
  }
  return schema;
}

static struct text write_as(const struct tl_schema *schema, enum tl_schema_form form) {
  struct text out = {NULL, tl_schema_write(schema, form, NULL, 0)};
  out.data = malloc(out.size + 1);
  assert_int_equal(tl_schema_write(schema, form, out.data, out.size + 1), out.size);
  assert_int_equal(strlen(out.data), out.size);
  return out;
}

/* Reading what was written and writing it again. */
static void assert_is_fixed(const struct text *written, enum tl_schema_form form) {
  struct tl_schema *schema = read_or_fail(written);
  struct text again = write_as(schema, form);
  assert_string_equal(again.data, written->data);
  text_free(&again);
  tl_schema_free(schema);
}

static struct text both_forms(const char *name, const struct text *input) {
  (void)name;
  struct text out = {NULL, 0};
  struct tl_schema *schema = read_or_fail(input);
  struct text canonical = write_as(schema, TL_SCHEMA_CANONICAL),
              documented = write_as(schema, TL_SCHEMA_DOCUMENTED);
  assert_is_fixed(&canonical, TL_SCHEMA_CANONICAL);
  assert_is_fixed(&documented, TL_SCHEMA_DOCUMENTED);
  struct tl_schema *from_documented = read_or_fail(&documented);
  struct text the_same = write_as(from_documented, TL_SCHEMA_CANONICAL);
  assert_string_equal(the_same.data, canonical.data);
  FILE *f = open_memstream(&out.data, &out.size);
  fprintf(f, "%s---\n%s", canonical.data, documented.data);
  fclose(f);
  text_free(&the_same);
  text_free(&canonical);
  text_free(&documented);
  tl_schema_free(from_documented);
  tl_schema_free(schema);
  return out;
}

static void forms_are_as_they_were(void **state) {
  (void)state;
  golden_run("tests/unit/schema/canonical", "txt", both_forms);
}

static void what_does_not_fit_is_cut(void **state) {
  (void)state;
  struct text input = text_read("tests/unit/schema/canonical/textstat.tulle");
  struct tl_schema *schema = read_or_fail(&input);
  struct text whole = write_as(schema, TL_SCHEMA_DOCUMENTED);
  for (size_t size = 0; size <= whole.size + 1; size++) {
    char *out = malloc(size ? size : 1);
    assert_int_equal(tl_schema_write(schema, TL_SCHEMA_DOCUMENTED, out, size), whole.size);
    if (size) assert_int_equal(strlen(out), size - 1);
    if (size) assert_memory_equal(out, whole.data, size - 1);
    free(out);
  }
  char line[128];
  tl_schema_write_procedure(schema->self.procedures.first, line, sizeof line);
  assert_string_equal(line, "count(bytes text) -> (u64 lines, u64 words, u64 bytes)");
  text_free(&whole);
  text_free(&input);
  tl_schema_free(schema);
}

static void types_are_written_alone(void **state) {
  (void)state;
  struct text input = text_read("tests/unit/schema/canonical/kinds.tulle");
  struct tl_schema *schema = read_or_fail(&input);
  const struct tl_schema_member *m = schema->first->members.first;
  char got[64];
  for (; strcmp(m->name, "s"); m = m->next)
    ;
  tl_schema_write_type(m->type, got, sizeof got);
  assert_string_equal(got, "list<list<bool[1][2][3]>, 65536>");
  for (; strcmp(m->name, "x"); m = m->next)
    ;
  tl_schema_write_type(m->type, got, sizeof got);
  assert_string_equal(got, "f32[2][3]");
  text_free(&input);
  tl_schema_free(schema);
}

/* ---- any interface at all ---- */

static uint64_t seed;

static unsigned pick(unsigned below) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (unsigned)(seed >> 33) % below;
}

static void some_space(FILE *f) {
  static const char *const spaces[] = {
      " ", "\n", "\t ", "  /* of no account */ ", " // so\n", "\r\n /***/\n", " ////// \n", " "};
  fputs(spaces[pick(8)], f);
}

static void some_documentation(FILE *f) {
  static const char *const texts[] = {"/** One. */", "/// One.\n///\n///  Three.\n",
                                      "/**\n * A\n *\n *   b\n */", "///\n",
                                      "/** \xc3\xa9\t< * / */"};
  some_space(f);
  if (!pick(3)) fputs(texts[pick(5)], f);
}

/* Structs and enums are named by their number and contain only those before them, at most six deep. */
struct made {
  unsigned enums, structs, level[64];
};

static unsigned some_type(FILE *f, const struct made *made, unsigned level) {
  static const char *const plain[] = {"bool", "u8",        "u16",   "u32",    "u64",
                                      "i8",   "i16",       "i32",   "i64",    "f32",
                                      "f64",  "string<9>", "bytes", "string", "bytes<3>"};
  unsigned inner = 0, kind = pick(level < 2 ? 20 : 17);
  if (kind == 15 && made->enums) {
    fprintf(f, "e%u", pick(made->enums));
  } else if (kind == 16 && made->structs) {
    unsigned i = pick(made->structs);
    inner = made->level[i] < 6 ? made->level[i] : 0;
    inner ? fprintf(f, "s%u", i) : fputs("u16", f);
  } else if (kind == 17) {
    fputs("list<", f);
    fputs("string", f);
    fputs(pick(2) ? ", 7>" : ">", f);
    inner = 1;
  } else if (kind >= 18) {
    fputs(kind == 18 ? "list<list<" : "map<i16,", f);
    some_space(f);
    inner = 2 + some_type(f, made, level + 1);
    fputs(kind == 18 ? "[2]>, 3>" : "[2]>", f);
  } else {
    fputs(plain[kind % 15], f);
  }
  return inner;
}

static void some_members(FILE *f, struct made *made, char kind) {
  unsigned deepest = 0, count = 1 + pick(5);
  for (unsigned i = 0; i < count; i++) {
    some_documentation(f);
    if (kind == 's' && !pick(3)) fputs("optional ", f);
    unsigned level = some_type(f, made, 1);
    if (level > deepest) deepest = level;
    fprintf(f, " m%u%s", i, pick(4) ? "" : "[2]");
    some_space(f);
    fputs(";", f);
  }
  if (kind == 's') made->level[made->structs++] = deepest + 1;
}

static void some_call(FILE *f, const struct made *made, bool is_oneway) {
  static const char *const directions[] = {"", "in ", "out ", "inout "};
  unsigned count = pick(4);
  fputs("(", f);
  for (unsigned i = 0; i < count; i++) {
    fputs(i ? "," : "", f);
    some_space(f);
    fputs(directions[is_oneway ? pick(2) : pick(4)], f);
    if (!pick(4)) fputs("optional ", f);
    some_type(f, made, 1);
    fprintf(f, " p%u", i);
  }
  fputs(")", f);
  if (!is_oneway && pick(2)) fputs("->(u8 result, optional string<5> more)", f);
  if (!is_oneway && pick(2)) fputs(" fails x0", f);
  fputs(";", f);
}

static void some_interface(FILE *f) {
  struct made made = {0};
  some_documentation(f);
  fprintf(f, "interface any%u %u {error x0;", pick(9), 1 + pick(9));
  unsigned count = pick(20);
  for (unsigned i = 0; i < count; i++) {
    some_documentation(f);
    switch (pick(7)) {
    case 0:
      fprintf(f, "enum e%u { a = %d, b, %s }", made.enums++, (int)pick(9) - 4,
              pick(2) ? "..." : "c");
      break;
    case 1:
    case 2:
      fprintf(f, "struct s%u {", made.structs);
      some_members(f, &made, 's');
      fputs("}", f);
      break;
    case 3:
      fprintf(f, "error x%u = %u;", i + 1, 100 + i);
      break;
    case 4:
      fprintf(f, "callback c%u", i);
      some_call(f, &made, false);
      break;
    default: {
      bool is_oneway = pick(4) == 0;
      fprintf(f, "%s f%u", is_oneway ? "oneway" : "", i);
      some_call(f, &made, is_oneway);
    }
    }
  }
  fputs("}", f);
}

static void any_interface_is_read_as_it_is_written(void **state) {
  (void)state;
  for (seed = 1; seed < 400; seed++) {
    uint64_t this_seed = seed;
    struct text input = {NULL, 0};
    FILE *f = open_memstream(&input.data, &input.size);
    some_interface(f);
    fclose(f);
    struct text forms = both_forms("any", &input);
    text_free(&forms);
    text_free(&input);
    seed = this_seed;
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(forms_are_as_they_were),
      cmocka_unit_test(what_does_not_fit_is_cut),
      cmocka_unit_test(types_are_written_alone),
      cmocka_unit_test(any_interface_is_read_as_it_is_written),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
