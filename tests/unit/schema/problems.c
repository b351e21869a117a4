/* Every message about a wrong file, as a person sees it: problems/NAME.tulle gives problems/NAME.txt. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/schema/schema.h"
#include "tests/unit/schema/golden.h"
#include "tests/unit/test.h"

static struct text show(const char *name, const struct text *input) {
  static struct tl_schema_problems problems;
  struct tl_schema *schema = NULL;
  struct text out = {NULL, 0};
  FILE *f = open_memstream(&out.data, &out.size);
  /* A copy of exactly this size: the sanitizer sees whoever reads on behind it. */
  char *exact = malloc(input->size ? input->size : 1);
  memcpy(exact, input->data, input->size);
  int r = tl_schema_read(exact, input->size, &problems, &schema);
  assert_int_equal(r, TULLE_E_INVALID);
  assert_null(schema);
  for (size_t i = 0; i < problems.count; i++) {
    char shown[TL_SCHEMA_PROBLEM_SHOWN_SIZE];
    tl_schema_problem_show(&problems.items[i], name, exact, input->size, shown, sizeof shown);
    fputs(shown, f);
  }
  if (problems.more) fputs("and more\n", f);
  assert_int_equal(tl_schema_read(exact, input->size, NULL, &schema), TULLE_E_INVALID);
  free(exact);
  fclose(f);
  return out;
}

static void messages_are_as_they_were(void **state) {
  (void)state;
  golden_run("tests/unit/schema/problems", "txt", show);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(messages_are_as_they_were),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
