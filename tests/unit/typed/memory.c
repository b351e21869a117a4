/* The arena: what is taken, given back and refused. */
#include "tulle/memory.h"

#include <string.h>

#include "tests/unit/test.h"

static void begins_in_the_buffer(void **state) {
  (void)state;
  unsigned char buffer[64];
  struct tulle_memory m = TULLE_MEMORY_ON(buffer);
  unsigned char *p = tulle_memory_take(&m, 10, 1), *q = tulle_memory_take(&m, 8, 8);
  assert_ptr_equal(p, buffer);
  assert_int_equal((uintptr_t)q % 8, 0);
  assert_true(q >= p + 10 && q + 8 <= buffer + sizeof buffer);
  assert_null(m.blocks);
  assert_non_null(tulle_memory_take(&m, 64, 1));
  assert_non_null(m.blocks);
  tulle_memory_clear(&m);
  assert_ptr_equal(tulle_memory_take(&m, 1, 1), buffer);
  tulle_memory_clear(&m);
}

static void begins_with_nothing(void **state) {
  (void)state;
  struct tulle_memory m = TULLE_MEMORY;
  assert_non_null(tulle_memory_take(&m, 0, 1));
  for (size_t align = 1; align <= 4096; align *= 2)
    assert_int_equal((uintptr_t)tulle_memory_take(&m, 3, align) % align, 0);
  memset(tulle_memory_take(&m, 1 << 20, 16), 1, 1 << 20);
  assert_non_null(tulle_memory_take(&m, 5, 1));
  tulle_memory_clear(&m);
  assert_null(m.blocks);
  tulle_memory_clear(&m);
}

static void absurd_sizes_are_refused(void **state) {
  (void)state;
  unsigned char buffer[16];
  struct tulle_memory m = TULLE_MEMORY_ON(buffer);
  assert_null(tulle_memory_take(&m, SIZE_MAX, 1));
  assert_null(tulle_memory_take(&m, SIZE_MAX - 8, 8));
  assert_null(tulle_memory_take(&m, SIZE_MAX / 2, 4096));
  assert_ptr_equal(tulle_memory_take(&m, 16, 1), buffer);
  tulle_memory_clear(&m);
}

static void goes_back(void **state) {
  (void)state;
  unsigned char buffer[32];
  struct tulle_memory m = TULLE_MEMORY_ON(buffer);
  assert_non_null(tulle_memory_take(&m, 8, 1));
  struct tulle_memory before = m;
  for (int i = 0; i < 5; i++) assert_non_null(tulle_memory_take(&m, 5000, 1));
  tulle_memory_back(&m, &before);
  assert_memory_equal(&m, &before, sizeof m);
  for (int i = 0; i < 5; i++) assert_non_null(tulle_memory_take(&m, 5000, 1));
  before = m;
  void *p = tulle_memory_take(&m, 100, 1);
  tulle_memory_back(&m, &before);
  assert_ptr_equal(tulle_memory_take(&m, 100, 1), p);
  tulle_memory_clear(&m);
}

static void prints(void **state) {
  (void)state;
  char buffer[8];
  struct tulle_memory m = TULLE_MEMORY_ON(buffer);
  assert_ptr_equal(tulle_printf(&m, "%d", 7), buffer);
  const char *exact = tulle_printf(&m, "%s", "12345");
  assert_ptr_equal(exact, buffer + 2);
  assert_null(m.blocks);
  assert_string_equal(tulle_printf(&m, "%s and %s", "this one", "that one"),
                      "this one and that one");
  assert_string_equal(exact, "12345");
  assert_string_equal(buffer, "7");
  assert_string_equal(tulle_memory_copy(&m, "copied", 7), "copied");
  assert_non_null(tulle_memory_copy(&m, NULL, 0));
  tulle_memory_clear(&m);
  struct tulle_memory none = TULLE_MEMORY;
  assert_string_equal(tulle_printf(&none, "%s", ""), "");
  tulle_memory_clear(&none);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(begins_in_the_buffer),
      cmocka_unit_test(begins_with_nothing),
      cmocka_unit_test(absurd_sizes_are_refused),
      cmocka_unit_test(goes_back),
      cmocka_unit_test(prints),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
