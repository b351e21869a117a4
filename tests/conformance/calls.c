/* What is called comes back: sizes, types, order, one way. */
#include "tests/conformance/suite.h"

static void echo_of(const struct subject *s, const void *data, size_t size) {
  unsigned char *args = malloc(size + 8);
  assert_non_null(args);
  struct tulle_pack w = tulle_pack_on(args, size + 8);
  tulle_pack_bytes(&w, data, size);
  struct tulle_result result;
  assert_ok(tulle_call(s->channel, "echo", args, tulle_pack_size(&w), 20 * TL_S, &result));
  struct tulle_unpack r = tulle_unpack_on(result.data, result.size);
  size_t got;
  const void *back = tulle_unpack_bytes(&r, &got);
  assert_int_equal(got, size);
  if (size) assert_memory_equal(back, data, size);
  tulle_result_clear(&result);
  free(args);
}

static void sizes_and_contents_come_back(void **state) {
  (void)state;
  static const size_t sizes[] = {0,    1,    63,   64,   235,   236,     237,     238,
                                 1000, 4000, 4096, 5000, 65536, 1 << 20, 10 << 20};
  struct subject s = subject_start(1);
  unsigned char *data = malloc(sizes[sizeof sizes / sizeof *sizes - 1]);
  assert_non_null(data);
  for (size_t i = 0; i < (10u << 20); i++) data[i] = (unsigned char)(i + (i >> 8) * 31);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) echo_of(&s, data, sizes[i]);
  assert_string_equal(tulle_channel_path(s.channel), suite_path);
  free(data);
  subject_stop(&s);
}

static void a_result_may_be_larger_than_its_call(void **state) {
  (void)state;
  enum { SIZE = 3 << 20 };
  struct subject s = subject_start(1);
  struct tulle_result result;
  unsigned char args[16];
  assert_ok(tulle_call(s.channel, "produce", args, pack_uint(args, SIZE), 20 * TL_S, &result));
  struct tulle_unpack r = tulle_unpack_on(result.data, result.size);
  size_t size;
  const unsigned char *bytes = tulle_unpack_bytes(&r, &size);
  assert_int_equal(size, SIZE);
  for (size_t i = 0; i < SIZE; i++)
    if (bytes[i] != (unsigned char)(i * 7 + (i >> 8))) fail_msg("byte %zu is wrong", i);
  tulle_result_clear(&result);
  subject_stop(&s);
}

static void no_arguments_and_no_result(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  struct tulle_result result;
  assert_ok(tulle_call(s.channel, "echo", NULL, 0, 0, &result));
  assert_int_equal(result.size, 0);
  tulle_result_clear(&result);
  subject_stop(&s);
}

static void pack_some_of_everything(struct tulle_pack *w, const unsigned char *bytes) {
  tulle_pack_array(w, 16);
  tulle_pack_nil(w);
  tulle_pack_bool(w, true), tulle_pack_bool(w, false);
  tulle_pack_uint(w, 0), tulle_pack_uint(w, 127), tulle_pack_uint(w, UINT64_MAX);
  tulle_pack_int(w, -1), tulle_pack_int(w, -33), tulle_pack_int(w, INT64_MIN);
  tulle_pack_double(w, -1.5e-300);
  tulle_pack_text(w, ""), tulle_pack_text(w, "f\xc3\xbcnf");
  tulle_pack_text_of(w, "a\0b", 3);
  tulle_pack_bytes(w, bytes, 256);
  tulle_pack_map(w, 2);
  tulle_pack_text(w, "in"), tulle_pack_array(w, 0);
  tulle_pack_text(w, "out"), tulle_pack_map(w, 0);
  tulle_pack_array(w, 3);
  tulle_pack_uint(w, 256), tulle_pack_uint(w, 65536), tulle_pack_uint(w, UINT64_C(1) << 32);
}

static void check_some_of_everything(struct tulle_unpack *r, const unsigned char *bytes) {
  size_t size;
  char text[16];
  assert_int_equal(tulle_unpack_array(r), 16);
  tulle_unpack_skip(r);
  assert_true(tulle_unpack_bool(r));
  assert_false(tulle_unpack_bool(r));
  assert_true(tulle_unpack_uint(r) == 0 && tulle_unpack_uint(r) == 127);
  assert_true(tulle_unpack_uint(r) == UINT64_MAX);
  assert_true(tulle_unpack_int(r) == -1 && tulle_unpack_int(r) == -33);
  assert_true(tulle_unpack_int(r) == INT64_MIN);
  assert_true(tulle_unpack_double(r) == -1.5e-300);
  tulle_unpack_string(r, text, sizeof text);
  assert_string_equal(text, "");
  tulle_unpack_string(r, text, sizeof text);
  assert_string_equal(text, "f\xc3\xbcnf");
  const char *with_zero = tulle_unpack_text(r, &size);
  assert_int_equal(size, 3);
  assert_memory_equal(with_zero, "a\0b", 3);
  const void *back = tulle_unpack_bytes(r, &size);
  assert_int_equal(size, 256);
  assert_memory_equal(back, bytes, 256);
  struct tulle_unpack out = tulle_unpack_key(r, "out");
  assert_int_equal(tulle_unpack_map(&out), 0);
  assert_true(tulle_unpack_is_ok(&out));
  struct tulle_value v = tulle_unpack_any(r);
  assert_true(v.type == TULLE_MAP && v.count == 2);
  for (size_t i = 0; i < 2 * v.count; i++) tulle_unpack_skip(r);
  assert_int_equal(tulle_unpack_array(r), 3);
  assert_true(tulle_unpack_uint(r) == 256 && tulle_unpack_uint(r) == 65536);
  assert_true(tulle_unpack_uint(r) == UINT64_C(1) << 32);
  assert_true(tulle_unpack_is_ok(r) && r->at == r->end);
}

static void every_type_comes_back(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  unsigned char bytes[256], args[1024];
  struct tulle_result result;
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)i;
  struct tulle_pack w = tulle_pack_on(args, sizeof args);
  pack_some_of_everything(&w, bytes);
  assert_true(tulle_pack_size(&w) > 0);
  assert_ok(tulle_call(s.channel, "echo", args, tulle_pack_size(&w), 0, &result));
  struct tulle_unpack r = tulle_unpack_on(result.data, result.size);
  check_some_of_everything(&r, bytes);
  tulle_result_clear(&result);
  subject_stop(&s);
}

/* How many handshakes the suite's node has completed. */
static uint64_t handshakes(void) {
  struct tulle_channel *node;
  struct tulle_result result;
  assert_ok(tulle_channel_open(NULL, "node", NULL, &node));
  assert_ok(tulle_call(node, "status", NULL, 0, 0, &result));
  struct tulle_unpack r = tulle_unpack_on(result.data, result.size);
  struct tulle_unpack value = tulle_unpack_key(&r, "handshakes");
  uint64_t count = tulle_unpack_uint(&value);
  assert_true(tulle_unpack_is_ok(&value));
  tulle_result_clear(&result);
  tulle_channel_close(node);
  return count;
}

static void ten_thousand_calls_share_one_session(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  uint64_t before = handshakes();
  assert_true(suite_is_local() ? before == 0 : before >= 1);
  for (uint64_t i = 0; i < 10000; i++) assert_true(ask_uint(s.channel, "echo", i) == i);
  assert_true(handshakes() == before);
  subject_stop(&s);
}

static void one_way_calls_run_in_order(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  for (uint64_t i = 0; i < 1000; i++) {
    unsigned char args[32];
    struct tulle_pack w = tulle_pack_on(args, sizeof args);
    tulle_pack_array(&w, 2);
    tulle_pack_uint(&w, i);
    tulle_pack_bytes(&w, &(unsigned char){(unsigned char)i}, 1);
    assert_ok(tulle_call_one_way(s.channel, "note", args, tulle_pack_size(&w)));
  }
  struct notes n = subject_notes(&s); /* behind them on the same channel */
  assert_true(n.noted == 1000 && !n.twice && !n.late && !n.wrong);
  subject_stop(&s);
}

SUITE_TOPIC(calls, cmocka_unit_test(sizes_and_contents_come_back),
            cmocka_unit_test(a_result_may_be_larger_than_its_call),
            cmocka_unit_test(no_arguments_and_no_result), cmocka_unit_test(every_type_comes_back),
            cmocka_unit_test(ten_thousand_calls_share_one_session),
            cmocka_unit_test(one_way_calls_run_in_order));
