/* Spans: bytes stay what they are while the memory under them moves, grows and goes. */
#include "transport/link/span.h"

#include <string.h>

#include "tests/unit/test.h"

static uint8_t byte_at(uint64_t offset) {
  return (uint8_t)(offset * 37 + (offset >> 8));
}

static void put(struct tl_span *s, struct tl_account *a, size_t size) {
  uint64_t at = s->end;
  assert_int_equal(tl_span_reserve(s, a, at + size), 0);
  for (size_t i = 0; i < size; i++) tl_span_at(s, at)[i] = byte_at(at + i);
}

static void check(const struct tl_span *s) {
  for (uint64_t o = s->base; o < s->end; o++) assert_int_equal(*tl_span_at(s, o), byte_at(o));
}

static void bytes_survive_moves_and_growth(void **state) {
  (void)state;
  struct tl_account a = {0};
  struct tl_span s;
  uint32_t x = 7;
  tl_span_init(&s, 1000);
  for (int step = 0; step < 3000; step++) {
    x = x * 1103515245 + 12345;
    put(&s, &a, x >> 16 & 511);
    check(&s);
    x = x * 1103515245 + 12345;
    uint64_t alive = s.end - s.base;
    if (alive) tl_span_drop(&s, &a, s.base + (x >> 16) % (alive + 1));
    check(&s);
    assert_int_equal(a.bytes, s.capacity);
  }
  tl_span_deinit(&s, &a);
  assert_int_equal(a.bytes, 0);
}

/* A steady flow through a small buffer must not move its bytes again and again. */
static void moving_is_paid_for(void **state) {
  (void)state;
  struct tl_account a = {0};
  struct tl_span s;
  tl_span_init(&s, 0);
  uint64_t moved = 0, written = 0;
  for (int step = 0; step < 100000; step++) {
    uint64_t origin = s.origin;
    size_t alive = s.end - s.base;
    put(&s, &a, 67);
    written += 67;
    if (s.origin != origin) moved += alive;
    if (s.end - s.base > 6000) tl_span_drop(&s, &a, s.end - 5000);
  }
  assert_true(moved <= written);
  assert_true(s.capacity <= 16384);
  tl_span_deinit(&s, &a);
}

static void large_spans_hold_at_most_twice_their_bytes(void **state) {
  (void)state;
  struct tl_account a = {0};
  struct tl_span s;
  tl_span_init(&s, 0);
  for (int step = 0; step < 20000; step++) {
    assert_int_equal(tl_span_reserve(&s, &a, s.end + 1000), 0);
    if (s.end - s.base > (1u << 20)) tl_span_drop(&s, &a, s.base + 1000);
  }
  assert_true(s.capacity <= 2u << 20);
  tl_span_deinit(&s, &a);
}

static void an_empty_span_keeps_little(void **state) {
  (void)state;
  struct tl_account a = {0};
  struct tl_span s;
  tl_span_init(&s, 0);
  put(&s, &a, 100);
  tl_span_drop(&s, &a, s.end);
  assert_true(s.capacity > 0); /* for the next burst */
  assert_int_equal(tl_span_reserve(&s, &a, s.end + 100000), 0);
  a.bytes += 64 << 20; /* others hold much */
  tl_span_drop(&s, &a, s.end);
  assert_int_equal(s.capacity, 0);
  assert_int_equal(a.bytes, 64 << 20);
  put(&s, &a, 5);
  check(&s);
  tl_span_deinit(&s, &a);
}

static void trim_leaves_what_is_alive(void **state) {
  (void)state;
  struct tl_account a = {0};
  struct tl_span s;
  tl_span_init(&s, 50);
  put(&s, &a, 10);
  tl_span_trim(&s, &a);
  check(&s);
  tl_span_drop(&s, &a, 60);
  tl_span_trim(&s, &a);
  assert_int_equal(a.bytes, 0);
  assert_int_equal(s.base, 60);
  put(&s, &a, 10);
  check(&s);
  tl_span_deinit(&s, &a);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bytes_survive_moves_and_growth),
      cmocka_unit_test(moving_is_paid_for),
      cmocka_unit_test(large_spans_hold_at_most_twice_their_bytes),
      cmocka_unit_test(an_empty_span_keeps_little),
      cmocka_unit_test(trim_leaves_what_is_alive),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
