/* Bounded cursors: reading and writing past the end does nothing and is remembered. */
#include "core/bytes.h"

#include "tests/unit/test.h"

static void integers_are_little_endian(void **state) {
  (void)state;
  uint8_t buffer[15];
  struct tl_writer w = tl_writer_on(buffer, sizeof buffer);
  tl_write_u8(&w, 0x01);
  tl_write_u16(&w, 0x0203);
  tl_write_u32(&w, 0x04050607);
  tl_write_u64(&w, 0x08090a0b0c0d0e0f);
  assert_false(w.failed);
  static const uint8_t golden[15] = {1, 3, 2, 7, 6, 5, 4, 15, 14, 13, 12, 11, 10, 9, 8};
  assert_memory_equal(buffer, golden, sizeof golden);
  struct tl_reader r = tl_reader_on(buffer, sizeof buffer);
  assert_int_equal(tl_read_u8(&r), 0x01);
  assert_int_equal(tl_read_u16(&r), 0x0203);
  assert_int_equal(tl_read_u32(&r), 0x04050607);
  assert_true(tl_read_u64(&r) == 0x08090a0b0c0d0e0f);
  assert_true(tl_reader_done(&r));
}

static void reading_past_the_end_yields_zeros(void **state) {
  (void)state;
  const uint8_t buffer[3] = {1, 2, 3};
  struct tl_reader r = tl_reader_on(buffer, sizeof buffer);
  assert_int_equal(tl_read_u32(&r), 0);
  assert_true(r.failed);
  assert_int_equal(tl_read_u8(&r), 0); /* a failed cursor stays failed */
  uint8_t copy[2] = {9, 9};
  tl_read_copy(&r, copy, sizeof copy);
  assert_int_equal(copy[0] | copy[1], 0);
  assert_null(tl_read_bytes(&r, SIZE_MAX));
}

static void writing_past_the_end_writes_nothing(void **state) {
  (void)state;
  uint8_t buffer[4] = {7, 7, 7, 7};
  struct tl_writer w = tl_writer_on(buffer, 3);
  tl_write_u32(&w, 0);
  tl_write_u8(&w, 0);
  assert_true(w.failed);
  assert_int_equal(tl_writer_size(&w), 0);
  for (int i = 0; i < 4; i++) assert_int_equal(buffer[i], 7);
}

/* The four examples of RFC 9000, appendix A.1. */
static void varints_match_the_rfc(void **state) {
  (void)state;
  static const struct {
    uint64_t value;
    size_t size;
    uint8_t bytes[8];
  } cases[] = {
      {151288809941952652, 8, {0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c}},
      {494878333, 4, {0x9d, 0x7f, 0x3e, 0x7d}},
      {15293, 2, {0x7b, 0xbd}},
      {37, 1, {0x25}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    uint8_t out[8];
    struct tl_writer w = tl_writer_on(out, sizeof out);
    tl_write_varint(&w, cases[i].value);
    assert_int_equal(tl_writer_size(&w), cases[i].size);
    assert_memory_equal(out, cases[i].bytes, cases[i].size);
    for (size_t cut = 0; cut < cases[i].size; cut++) {
      struct tl_reader r = tl_reader_on(out, cut);
      assert_true(tl_read_varint(&r) == 0);
      assert_true(r.failed);
    }
    struct tl_reader r = tl_reader_on(out, cases[i].size);
    assert_true(tl_read_varint(&r) == cases[i].value);
    assert_true(tl_reader_done(&r));
  }
}

static void varint_bounds(void **state) {
  (void)state;
  static const uint64_t edges[] = {
      0, 63, 64, 16383, 16384, (1u << 30) - 1, 1u << 30, (UINT64_C(1) << 62) - 1};
  for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
    uint8_t out[8];
    struct tl_writer w = tl_writer_on(out, sizeof out);
    tl_write_varint(&w, edges[i]);
    assert_int_equal(tl_writer_size(&w), tl_varint_size(edges[i]));
    struct tl_reader r = tl_reader_on(out, tl_writer_size(&w));
    assert_true(tl_read_varint(&r) == edges[i]);
  }
  uint8_t out[8];
  struct tl_writer w = tl_writer_on(out, sizeof out);
  tl_write_varint(&w, UINT64_C(1) << 62);
  assert_true(w.failed);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(integers_are_little_endian),
      cmocka_unit_test(reading_past_the_end_yields_zeros),
      cmocka_unit_test(writing_past_the_end_writes_nothing),
      cmocka_unit_test(varints_match_the_rfc),
      cmocka_unit_test(varint_bounds),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
