/* Ordered reassembly: pieces in any order, records in order; ends, holes and nonsense. */
#include "transport/link/reassembly.h"

#include <string.h>

#include "tests/unit/test.h"

static struct tl_account account;

/* A row of records of the sizes given; returns its length. */
static size_t build(uint8_t *row, const size_t *sizes, size_t count) {
  uint8_t *at = row;
  for (size_t i = 0; i < count; i++) {
    at = tl_record_write_head(at, sizes[i], (uint8_t)i, 0);
    for (size_t j = 0; j < sizes[i]; j++) *at++ = (uint8_t)(i * 11 + j);
  }
  return (size_t)(at - row);
}

static int push(struct tl_reassembly *r, const uint8_t *row, uint64_t offset, size_t size) {
  return tl_reassembly_push(r, &account, offset, row + offset, size);
}

static void expect_record(struct tl_reassembly *r, size_t index, size_t size) {
  struct tl_reassembly_record record;
  assert_int_equal(tl_reassembly_next(r, false, &record), 0);
  assert_int_equal(record.kind, index);
  assert_int_equal(record.size, size);
  assert_false(record.has_more);
  for (size_t j = 0; j < size; j++) assert_int_equal(record.bytes[j], (uint8_t)(index * 11 + j));
  tl_reassembly_release(r, &account, size);
}

static void every_order_of_four_pieces(void **state) {
  (void)state;
  static const size_t sizes[] = {5, 0, 70, 3};
  uint8_t row[128];
  size_t total = build(row, sizes, 4);
  for (unsigned order = 0; order < 256; order++) {
    struct tl_reassembly r;
    struct tl_reassembly_record record;
    tl_reassembly_init(&r);
    unsigned seen = 0;
    for (unsigned i = 0; i < 4; i++) { /* with repetitions: what is missing comes at the end */
      unsigned piece = order >> 2 * i & 3;
      seen |= 1u << piece;
      size_t at = piece * total / 4;
      assert_int_equal(push(&r, row, at, (piece + 1) * total / 4 - at), 0);
    }
    if (seen != 15) assert_int_equal(push(&r, row, 0, total), 0);
    for (size_t i = 0; i < 4; i++) expect_record(&r, i, sizes[i]);
    assert_int_equal(tl_reassembly_next(&r, false, &record), TL_EMPTY);
    assert_false(tl_reassembly_is_readable(&r, true));
    tl_reassembly_deinit(&r, &account);
  }
}

static void a_record_waits_for_its_last_byte(void **state) {
  (void)state;
  static const size_t sizes[] = {300};
  uint8_t row[320];
  size_t total = build(row, sizes, 1);
  struct tl_reassembly r;
  struct tl_reassembly_record record;
  tl_reassembly_init(&r);
  for (size_t i = 0; i + 1 < total; i++) {
    assert_int_equal(push(&r, row, i, 1), 0);
    assert_int_equal(tl_reassembly_next(&r, false, &record), TL_EMPTY);
    assert_false(tl_reassembly_is_readable(&r, false));
  }
  assert_int_equal(push(&r, row, total - 1, 1), 0);
  assert_true(tl_reassembly_is_readable(&r, false));
  expect_record(&r, 0, 300);
  tl_reassembly_deinit(&r, &account);
}

static void under_pressure_a_record_comes_in_pieces(void **state) {
  (void)state;
  static const size_t sizes[] = {1000, 10};
  uint8_t row[1100], out[1000];
  size_t total = build(row, sizes, 2), got = 0;
  struct tl_reassembly r;
  struct tl_reassembly_record record;
  tl_reassembly_init(&r);
  assert_int_equal(push(&r, row, 0, 3), 0); /* not even the head */
  assert_int_equal(tl_reassembly_next(&r, true, &record), TL_EMPTY);
  assert_int_equal(push(&r, row, 3, 401), 0);
  for (int pieces = 0; got < 1000; pieces++) {
    bool is_pressed = pieces < 2;
    if (tl_reassembly_next(&r, is_pressed, &record)) {
      assert_int_equal(push(&r, row, 4 + got, pieces < 2 ? 300 : total - 4 - got), 0);
      continue;
    }
    assert_int_equal(record.kind, 0);
    memcpy(out + got, record.bytes, record.size);
    got += record.size;
    assert_int_equal(record.has_more, got < 1000);
    tl_reassembly_release(&r, &account, record.size);
  }
  assert_memory_equal(out, row + 4, 1000);
  if (r.available < total) assert_int_equal(push(&r, row, r.available, total - r.available), 0);
  expect_record(&r, 1, 10);
  tl_reassembly_deinit(&r, &account);
}

static void ends(void **state) {
  (void)state;
  static const size_t sizes[] = {20, 20};
  uint8_t row[64];
  size_t total = build(row, sizes, 2);
  struct tl_reassembly r;
  tl_reassembly_init(&r);
  assert_int_equal(push(&r, row, 0, 10), 0);
  assert_int_equal(tl_reassembly_end(&r, 5), TULLE_E_PROTOCOL); /* bytes came beyond */
  assert_int_equal(tl_reassembly_end(&r, total), 0);
  assert_int_equal(tl_reassembly_end(&r, total), 0); /* the same once more */
  assert_int_equal(tl_reassembly_end(&r, total + 1), TULLE_E_PROTOCOL);
  row[total] = 0;
  assert_int_equal(push(&r, row, total, 1), TULLE_E_PROTOCOL); /* bytes after the end */
  assert_false(tl_reassembly_is_complete(&r));
  assert_int_equal(push(&r, row, 10, total - 10), 0);
  assert_true(tl_reassembly_is_complete(&r));
  assert_false(tl_reassembly_is_read(&r));
  expect_record(&r, 0, 20);
  expect_record(&r, 1, 20);
  assert_true(tl_reassembly_is_read(&r));
  tl_reassembly_deinit(&r, &account);
}

static void an_end_inside_a_record_is_found_out(void **state) {
  (void)state;
  static const size_t sizes[] = {20, 20};
  uint8_t row[64];
  build(row, sizes, 2);
  for (size_t cut = 1; cut < 46; cut++) {
    struct tl_reassembly r;
    tl_reassembly_init(&r);
    int first = tl_reassembly_end(&r, cut);
    int second = first ? first : push(&r, row, 0, cut);
    assert_int_equal(second, cut == 23 ? 0 : TULLE_E_PROTOCOL);
    tl_reassembly_deinit(&r, &account);
    tl_reassembly_init(&r);
    assert_int_equal(push(&r, row, 0, cut), 0);
    assert_int_equal(tl_reassembly_end(&r, cut), cut == 23 ? 0 : TULLE_E_PROTOCOL);
    tl_reassembly_deinit(&r, &account);
  }
}

static void records_too_large_are_refused(void **state) {
  (void)state;
  static const uint8_t heads[][10] = {
      {0x80, 0x00, 0x80, 0x01, 1, 0},       /* 32,769 */
      {0xbf, 0xff, 0xff, 0xff, 1, 0},       /* 2^30-1 */
      {0xc0, 0, 0, 0, 0, 0, 0x00, 5, 1, 0}, /* 5, in eight bytes */
      {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0},
  };
  for (size_t i = 0; i < 4; i++) {
    struct tl_reassembly r;
    int e = 0;
    tl_reassembly_init(&r);
    for (size_t at = 0; at < 10 && e == 0; at++) e = push(&r, heads[i], at, 1);
    assert_int_equal(e, TULLE_E_PROTOCOL);
    tl_reassembly_deinit(&r, &account);
  }
}

static void too_many_holes_are_refused_without_a_trace(void **state) {
  (void)state;
  static uint8_t row[8192];
  struct tl_reassembly r;
  size_t sizes[] = {4000, 4000};
  size_t total = build(row, sizes, 2), refused = 0;
  tl_reassembly_init(&r);
  for (size_t at = 1; at < total; at += 2) {
    uint64_t high = tl_reassembly_high(&r);
    int e = push(&r, row, at, 1);
    assert_true(e == 0 || e == TL_FULL);
    if (e == TL_FULL) assert_int_equal(tl_reassembly_high(&r), high);
    if (e == TL_FULL) refused++;
  }
  assert_true(refused > 0);
  assert_int_equal(r.far.count, TL_REASSEMBLY_RANGES_MAX);
  /* The first hole can always be filled. */
  assert_int_equal(push(&r, row, 0, total), 0);
  expect_record(&r, 0, 4000);
  expect_record(&r, 1, 4000);
  tl_reassembly_deinit(&r, &account);
}

static void other_bytes_for_the_same_place_do_not_count(void **state) {
  (void)state;
  static const size_t sizes[] = {20};
  uint8_t row[64], other[64];
  size_t total = build(row, sizes, 1);
  struct tl_reassembly r;
  tl_reassembly_init(&r);
  memset(other, 0xaa, sizeof other);
  assert_int_equal(push(&r, row, 0, 10), 0);
  assert_int_equal(push(&r, row, 15, total - 15), 0);
  assert_int_equal(push(&r, other, 0, 10), 0);
  assert_int_equal(push(&r, other, 16, 3), 0);
  assert_int_equal(push(&r, row, 8, 7), 0);
  expect_record(&r, 0, 20);
  tl_reassembly_deinit(&r, &account);
  assert_int_equal(account.bytes, 0);
}

static void random_pieces_of_a_long_row(void **state) {
  (void)state;
  static uint8_t row[70000];
  size_t sizes[120];
  for (uint32_t seed = 1; seed <= 60; seed++) {
    uint32_t x = seed;
    for (size_t i = 0; i < 120; i++) x = x * 1664525 + 1013904223, sizes[i] = x >> 8 & 511;
    size_t total = build(row, sizes, 120), next = 0;
    struct tl_reassembly r;
    struct tl_reassembly_record record;
    tl_reassembly_init(&r);
    while (next < 120) {
      x = x * 1664525 + 1013904223;
      size_t base = (size_t)r.available;
      size_t at = base + (x >> 4) % 2000, size = 1 + (x >> 16) % 900;
      if ((x & 3) == 0) at = base;
      if (at >= total) continue;
      if (size > total - at) size = total - at;
      assert_int_equal(push(&r, row, at, size), 0);
      while (tl_reassembly_next(&r, false, &record) == 0) {
        expect_record(&r, next, sizes[next]);
        next++;
      }
    }
    tl_reassembly_deinit(&r, &account);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_order_of_four_pieces),
      cmocka_unit_test(a_record_waits_for_its_last_byte),
      cmocka_unit_test(under_pressure_a_record_comes_in_pieces),
      cmocka_unit_test(ends),
      cmocka_unit_test(an_end_inside_a_record_is_found_out),
      cmocka_unit_test(records_too_large_are_refused),
      cmocka_unit_test(too_many_holes_are_refused_without_a_trace),
      cmocka_unit_test(other_bytes_for_the_same_place_do_not_count),
      cmocka_unit_test(random_pieces_of_a_long_row),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
