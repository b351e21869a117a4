/* The heap of deadlines against a sorted list. */
#include "transport/link/due.h"

#include <stdlib.h>

#include "core/error.h"
#include "core/time.h"
#include "tests/unit/test.h"

#define ITEMS 100

static uint64_t earliest(const struct tl_due *items) {
  uint64_t at = TL_NEVER;
  for (int i = 0; i < ITEMS; i++)
    if (items[i].place) at = tl_time_min(at, items[i].at);
  return at;
}

static void test_against_a_list(void **state) {
  (void)state;
  struct tl_due_heap heap;
  static struct tl_due items[ITEMS];
  tl_due_heap_init(&heap);
  assert_null(tl_due_first(&heap));
  assert_int_equal(tl_due_reserve(&heap, ITEMS), 0);
  srand(1);
  for (int step = 0; step < 20000; step++) {
    struct tl_due *item = &items[rand() % ITEMS];
    tl_due_set(&heap, item, rand() % 4 ? (uint64_t)(rand() % 1000) : TL_NEVER);
    const struct tl_due *first = tl_due_first(&heap);
    assert_int_equal(first ? first->at : TL_NEVER, earliest(items));
  }
  uint64_t last = 0;
  for (struct tl_due *first; (first = tl_due_first(&heap));) {
    assert_true(first->at >= last);
    last = first->at;
    tl_due_set(&heap, first, TL_NEVER);
    assert_int_equal(first->place, 0);
  }
  assert_int_equal(heap.count, 0);
  tl_due_heap_deinit(&heap);
}

static void test_never_is_not_in_it(void **state) {
  (void)state;
  struct tl_due_heap heap;
  struct tl_due item = {0};
  tl_due_heap_init(&heap);
  assert_int_equal(tl_due_reserve(&heap, 1), 0);
  tl_due_set(&heap, &item, TL_NEVER);
  assert_null(tl_due_first(&heap));
  tl_due_set(&heap, &item, 0); /* the past is a deadline like any other */
  assert_ptr_equal(tl_due_first(&heap), &item);
  tl_due_set(&heap, &item, 0);
  assert_int_equal(heap.count, 1);
  tl_due_heap_deinit(&heap);
  tl_due_heap_deinit(&heap);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_against_a_list),
      cmocka_unit_test(test_never_is_not_in_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
