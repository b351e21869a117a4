/* Memory that ends at any moment of reading: it is said, and nothing is left behind. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/schema/schema.h"
#include "tests/unit/schema/golden.h"
#include "tests/unit/test.h"

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

static unsigned left; /* allocations that succeed before one fails; the next ones succeed again */
static bool is_armed;

void *__wrap_malloc(size_t size) {
  if (is_armed && !left--) {
    is_armed = false;
    return NULL;
  }
  return __real_malloc(size);
}

/* Returns how many allocations it takes. */
static unsigned read_with_failures(const struct text *text, int wanted) {
  static struct tl_schema_problems problems;
  for (unsigned first = 0;; first++) {
    struct tl_schema *schema = NULL;
    left = first;
    is_armed = true;
    int r = tl_schema_read(text->data, text->size, &problems, &schema);
    bool is_over = is_armed;
    is_armed = false;
    if (is_over) {
      assert_int_equal(r, wanted);
      tl_schema_free(schema);
      return first;
    }
    assert_int_equal(r, TULLE_E_NO_MEMORY);
    assert_null(schema);
  }
}

static struct text large(bool is_right) {
  struct text t = {NULL, 0};
  FILE *f = open_memstream(&t.data, &t.size);
  fputs("interface large 1 { error late;\n", f);
  for (unsigned i = 0; i < 60; i++)
    fprintf(f,
            "/** Documented. */ struct s%u { u8 a, b; map<e%u, list<string>> c; }\n"
            "enum e%u { x, y, z, ... }\nf%u(s%u a, callback_of b) -> (e%u c) fails late;\n",
            i, i, i, i, i, i);
  fputs("callback callback_of(bytes<3> a); interface object_of { f(); } union u { void a; }\n", f);
  fputs(is_right ? "}" : "strct a {} g(strng b); h(); h(); }", f);
  fclose(f);
  return t;
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  struct text right = large(true), wrong = large(false);
  assert_true(read_with_failures(&right, 0) > 10);
  assert_true(read_with_failures(&wrong, TULLE_E_INVALID) > 10);
  text_free(&right);
  text_free(&wrong);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
