/* Bodies of calls, replies and cancels: golden bytes, every truncation, every field that must be
 * zero. */
#include "core/wire/rpc.h"

#include "tests/unit/test.h"

static const uint8_t golden_call[] = {
    0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01, /* id */
    0x00, 0xf2, 0x05, 0x2a, 0x01, 0x00, 0x00, 0x00, /* budget: 5 s */
    5,    1,    0,    0,    0,    0,    0,    0,    /* name size, one-way, zeros */
    'c',  'o',  'u',  'n',  't',  0xc0};
static const uint8_t golden_reply[] = {1,    0,    0,    0, 0, 0, 0, 0,   0x92,
                                       0xff, 0xff, 0xff, 0, 0, 0, 0, 0xc0};

static void call_golden(void **state) {
  (void)state;
  uint8_t out[64];
  struct tl_writer w = tl_writer_on(out, sizeof out);
  struct tl_call_head head = {.id = 0x0102030405060708,
                              .budget_ns = UINT64_C(5000000000),
                              .flags = TL_CALL_ONE_WAY,
                              .name_size = 5,
                              .name = "count"};
  tl_call_encode(&w, &head);
  tl_write_u8(&w, 0xc0);
  assert_int_equal(tl_writer_size(&w), sizeof golden_call);
  assert_memory_equal(out, golden_call, sizeof golden_call);
  struct tl_reader r = tl_reader_on(out, tl_writer_size(&w));
  struct tl_call_head back = {0};
  assert_int_equal(tl_call_decode(&r, &back), 0);
  assert_true(back.id == head.id && back.budget_ns == head.budget_ns && back.flags == head.flags);
  assert_memory_equal(back.name, "count", 5);
  assert_int_equal(tl_reader_left(&r), 1);
}

static void calls_that_are_refused(void **state) {
  (void)state;
  struct tl_call_head head;
  uint8_t bytes[sizeof golden_call];
  for (size_t cut = 0; cut < sizeof golden_call - 1; cut++) {
    struct tl_reader r = tl_reader_on(golden_call, cut);
    assert_int_equal(tl_call_decode(&r, &head), TULLE_E_BAD_MESSAGE);
  }
  static const struct {
    size_t at;
    uint8_t value;
  } faults[] = {{16, 0}, {16, 64}, {16, 255}, {17, 2},   {17, 0x81},
                {18, 1}, {19, 1},  {20, 1},   {23, 0x80}};
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
    memcpy(bytes, golden_call, sizeof bytes);
    bytes[faults[i].at] = faults[i].value;
    struct tl_reader r = tl_reader_on(bytes, sizeof bytes);
    assert_int_equal(tl_call_decode(&r, &head), TULLE_E_BAD_MESSAGE);
  }
}

static void reply_golden(void **state) {
  (void)state;
  uint8_t out[32];
  struct tl_writer w = tl_writer_on(out, sizeof out);
  tl_reply_encode(&w, &(struct tl_reply_head){.id = 1, .status = -110});
  tl_write_u8(&w, 0xc0);
  assert_int_equal(tl_writer_size(&w), sizeof golden_reply);
  assert_memory_equal(out, golden_reply, sizeof golden_reply);
  struct tl_reply_head back = {0};
  struct tl_reader r = tl_reader_on(out, sizeof golden_reply);
  assert_int_equal(tl_reply_decode(&r, &back), 0);
  assert_int_equal(back.status, -110);
  for (size_t cut = 0; cut < TL_REPLY_HEAD_BYTES; cut++) {
    r = tl_reader_on(out, cut);
    assert_int_equal(tl_reply_decode(&r, &back), TULLE_E_BAD_MESSAGE);
  }
  out[13] = 1;
  r = tl_reader_on(out, sizeof golden_reply);
  assert_int_equal(tl_reply_decode(&r, &back), TULLE_E_BAD_MESSAGE);
}

static void cancel_has_exactly_its_size(void **state) {
  (void)state;
  uint8_t out[9] = {0};
  uint64_t id = 99;
  struct tl_writer w = tl_writer_on(out, sizeof out);
  tl_cancel_encode(&w, 7);
  for (size_t size = 0; size <= sizeof out; size++) {
    struct tl_reader r = tl_reader_on(out, size);
    assert_int_equal(tl_cancel_decode(&r, &id), size == TL_CANCEL_BYTES ? 0 : TULLE_E_BAD_MESSAGE);
    assert_int_equal(id, size < TL_CANCEL_BYTES ? 99 : 7);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(call_golden),
      cmocka_unit_test(calls_that_are_refused),
      cmocka_unit_test(reply_golden),
      cmocka_unit_test(cancel_has_exactly_its_size),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
