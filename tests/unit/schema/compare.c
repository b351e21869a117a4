/* Every row of the table "Evolution": changes/NAME.tulle is two interfaces with a line --- between them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/schema/compare.h"
#include "tests/unit/schema/golden.h"
#include "tests/unit/test.h"

#define CHANGES_MAX 64

static struct tl_schema *schema_of(const char *name, const char *text, size_t size) {
  static struct tl_schema_problems problems;
  struct tl_schema *schema = NULL;
  if (tl_schema_read(text, size, &problems, &schema))
    fail_msg("%s: line %u: %s", name, problems.items[0].line, problems.items[0].text);
  return schema;
}

static void print_changes(FILE *f, const struct tl_schema *before, const struct tl_schema *after) {
  static struct tl_schema_change changes[CHANGES_MAX];
  struct tl_schema_verdict v = tl_schema_compare(before, after, changes, CHANGES_MAX);
  assert_true(v.change_count <= CHANGES_MAX);
  size_t incompatible = 0;
  for (size_t i = 0; i < v.change_count; i++) {
    incompatible += !changes[i].is_compatible;
    fprintf(f, "%s %s: %s (%s)\n", changes[i].is_compatible ? "ok " : "NOT", changes[i].place,
            changes[i].text, changes[i].reason);
  }
  assert_int_equal(incompatible, v.incompatible_count);
  struct tl_schema_verdict counted = tl_schema_compare(before, after, NULL, 0);
  assert_memory_equal(&counted, &v, sizeof v);
}

static struct text forth_and_back(const char *name, const struct text *input) {
  struct text out = {NULL, 0};
  const char *line = strstr(input->data, "\n---\n");
  assert_non_null(line);
  size_t first = (size_t)(line - input->data) + 1, second = first + 4;
  struct tl_schema *before = schema_of(name, input->data, first),
                   *after = schema_of(name, input->data + second, input->size - second);
  FILE *f = open_memstream(&out.data, &out.size);
  print_changes(f, before, after);
  fputs("--- and back\n", f);
  print_changes(f, after, before);
  fclose(f);
  struct tl_schema_verdict none = tl_schema_compare(before, before, NULL, 0);
  assert_int_equal(none.change_count, 0);
  tl_schema_free(before);
  tl_schema_free(after);
  return out;
}

static void changes_are_judged_as_the_page_says(void **state) {
  (void)state;
  golden_run("tests/unit/schema/changes", "txt", forth_and_back);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(changes_are_judged_as_the_page_says),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
