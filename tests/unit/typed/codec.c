/* Encoding and decoding as generated: what comes back, what is refused, and in which words. */
#include "store.tulle.c"

#include <stdlib.h>

#include "core/wire/msgpack.h"
#include "tests/unit/test.h"
#include "tests/unit/typed/values.h"

static struct store_values values;
static struct tulle_memory memory;
static unsigned char bytes[8192];
static size_t size;
static char said[256];

static int set_up(void **state) {
  (void)state;
  fill_values(&values);
  memory = (struct tulle_memory)TULLE_MEMORY;
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  tulle_memory_clear(&memory);
  return 0;
}

/* ---- writing by hand ---- */

static struct tulle_pack pack_on_bytes(void) {
  return tulle_pack_on(bytes, sizeof bytes);
}

static void packed(const struct tulle_pack *w) {
  size = tulle_pack_size(w);
  assert_int_not_equal(size, 0);
}

/* ---- encoding ---- */

static void encode(const struct store_entry *v) {
  struct tulle_measure m = tulle_measure_from(1000);
  measure_entry(&m, v);
  assert_null(m.why);
  struct tulle_pack w = pack_on_bytes();
  encode_entry(&w, v);
  packed(&w);
  assert_true(size <= m.size);
}

/* ---- decoding ---- */

/* A copy of exactly that size lets the address sanitizer see a read of one byte too many. */
static int decode_entry_of(const void *data, size_t data_size, bool is_newer,
                           struct store_entry *out) {
  struct tulle_decoder d;
  unsigned char *copy = malloc(data_size ? data_size : 1);
  assert_non_null(copy);
  memcpy(copy, data, data_size);
  tulle_decode_begin(&d, copy, data_size, &memory);
  d.is_newer = is_newer;
  decode_entry(&d, "value", out);
  if (!d.status && d.in.at != d.in.end) d.status = TULLE_E_BAD_MESSAGE;
  if (d.status) tulle_decode_explain(&d, "store.put", "argument", said, sizeof said);
  free(copy);
  return d.status;
}

static int decode(struct store_entry *out) {
  said[0] = 0;
  return decode_entry_of(bytes, size, false, out);
}

static void refused(const char *text) {
  struct store_entry e;
  assert_int_equal(decode(&e), TULLE_E_BAD_MESSAGE);
  assert_string_equal(said, text);
}

static void same_entry(const struct store_entry *a, const struct store_entry *b) {
  assert_string_equal(a->name, b->name);
  assert_memory_equal(a->key, b->key, sizeof a->key);
  assert_int_equal(a->figures_count, b->figures_count);
  assert_int_equal(a->counts_count, b->counts_count);
  for (size_t i = 0; i < a->counts_count; i++) {
    assert_string_equal(a->counts[i].key, b->counts[i].key);
    assert_true(a->counts[i].value == b->counts[i].value);
  }
  assert_int_equal(a->one.is, b->one.is);
  assert_int_equal(!a->tint, !b->tint);
  assert_int_equal(!a->note, !b->note);
  assert_int_equal(!a->raw, !b->raw);
  assert_int_equal(!a->numbers, !b->numbers);
  assert_int_equal(a->numbers_count, b->numbers_count);
  for (size_t i = 0; i < a->numbers_count; i++) assert_int_equal(a->numbers[i], b->numbers[i]);
  assert_int_equal(!a->digest, !b->digest);
  assert_int_equal(!a->extent, !b->extent);
}

/* What was decoded encodes to the same bytes. */
static void same_again(const struct store_entry *v) {
  static unsigned char again[sizeof bytes];
  struct tulle_pack w = tulle_pack_on(again, sizeof again);
  encode_entry(&w, v);
  assert_int_equal(tulle_pack_size(&w), size);
  assert_memory_equal(again, bytes, size);
}

static void entries_come_back(void **state) {
  (void)state;
  struct store_entry e;
  const struct store_entry *const all[] = {&values.full, &values.bare};
  for (int i = 0; i < 2; i++) {
    encode(all[i]);
    assert_int_equal(tl_msgpack_check(bytes, size), 0);
    assert_int_equal(decode(&e), 0);
    same_entry(&e, all[i]);
    same_again(&e);
  }
}

static void figures_come_back(void **state) {
  (void)state;
  struct store_entry e;
  encode(&values.full);
  assert_int_equal(decode(&e), 0);
  assert_true(e.figures[0].circle == 1.5);
  assert_int_equal(e.figures[1].box.height, UINT32_MAX);
  assert_int_equal(e.figures[2].is, STORE_FIGURE_NOTHING);
  assert_int_equal(e.figures[3].path_count, 2);
  assert_int_equal(e.figures[3].path[1].height, 300);
  assert_memory_equal(e.figures[4].blob, "x\0y", 3);
  assert_true(e.figures[5].m[1] == -1);
  assert_int_equal(e.one.m[0].key, 255);
  assert_string_equal(e.one.m[1].value, "first");
  assert_int_equal(*e.tint, STORE_COLOR_BLUE);
  assert_string_equal(e.note, "");
  assert_int_equal(e.raw_size, 0);
  assert_memory_equal(e.digest->value, "abcd", 4);
  assert_int_equal(e.extent->height, 300);
}

static void deep_values_come_back(void **state) {
  (void)state;
  struct tulle_decoder d;
  struct store_deep deep;
  struct tulle_measure m = tulle_measure_from(1000);
  measure_deep(&m, &values.deep);
  struct tulle_pack w = pack_on_bytes(), again;
  encode_deep(&w, &values.deep);
  packed(&w);
  assert_true(size <= m.size);
  tulle_decode_begin(&d, bytes, size, &memory);
  decode_deep(&d, "d", &deep);
  assert_int_equal(d.status, 0);
  assert_int_equal(deep.cube[0].value[1].value[0], 7);
  assert_int_equal(deep.maps[1].value[0].key, 5);
  assert_string_equal(deep.maps[1].value[0].value[0], "alpha");
  assert_int_equal(deep.odd->value_count[1], 3);
  assert_true(deep.matrix[1][2] == -1);
  static unsigned char second[sizeof bytes];
  again = tulle_pack_on(second, sizeof second);
  encode_deep(&again, &deep);
  assert_int_equal(tulle_pack_size(&again), size);
  assert_memory_equal(second, bytes, size);
}

static void every_number_comes_back(void **state) {
  (void)state;
  struct tulle_decoder d;
  struct store_all a;
  for (int i = 0; i < 2; i++) {
    struct tulle_pack w = pack_on_bytes();
    encode_all(&w, &values.all);
    packed(&w);
    tulle_decode_begin(&d, bytes, size, NULL);
    decode_all(&d, "a", &a);
    assert_int_equal(d.status, 0);
    assert_true(a.b == values.all.b && a.u1 == values.all.u1 && a.u2 == values.all.u2);
    assert_true(a.u4 == values.all.u4 && a.u8 == values.all.u8 && a.i1 == values.all.i1);
    assert_true(a.i2 == values.all.i2 && a.i4 == values.all.i4 && a.i8 == values.all.i8);
    assert_true(a.f4 == values.all.f4 && a.f8 == values.all.f8 && a.p == values.all.p);
    assert_int_equal(a.s, values.all.s);
    values.all = (struct store_all){0};
    values.all.i8 = INT64_MAX, values.all.i1 = INT8_MAX, values.all.s = (enum store_shade)77;
  }
}

/* ---- what leaves ---- */

static void no_padding_leaves(void **state) {
  (void)state;
  encode(&values.full);
  assert_null(memchr(bytes, PATTERN, size));
  struct tulle_pack w = pack_on_bytes();
  encode_deep(&w, &values.deep);
  encode_all(&w, &values.all);
  packed(&w);
  assert_null(memchr(bytes, PATTERN, size));
}

static void refuses_to_send(const struct store_entry *e, const char *name, const char *why) {
  struct tulle_measure m = tulle_measure_from(1);
  measure_entry(&m, e);
  assert_non_null(m.why);
  assert_string_equal(m.name, name);
  assert_string_equal(m.why, why);
}

static void what_is_no_value_is_not_sent(void **state) {
  (void)state;
  char text[66];
  memset(text, 'x', 65);
  text[65] = 0;
  struct store_entry e = values.full;
  e.name = text;
  refuses_to_send(&e, "name", "is too long");
  e.name = text + 1;
  encode(&e);
  e.name = NULL;
  refuses_to_send(&e, "name", "is NULL");
  e = values.full, e.figures = NULL;
  refuses_to_send(&e, "figures", "is NULL and has a count");
  e = values.full, e.counts_count = 17;
  refuses_to_send(&e, "counts", "has too many elements");
  e = values.full, e.raw = "", e.raw_size = SIZE_MAX;
  refuses_to_send(&e, "raw", "is too big for a message");
  e = values.full, e.numbers_count = SIZE_MAX / 2;
  refuses_to_send(&e, "numbers", "is too big for a message");
  e = values.full, values.figures[4].blob = NULL;
  refuses_to_send(&e, "blob", "is NULL and has a size");
}

static void a_union_of_nothing_is_not_sent(void **state) {
  (void)state;
  struct tulle_pack w = pack_on_bytes();
  values.full.one.is = (enum store_strict_is)3;
  encode_entry(&w, &values.full);
  assert_int_equal(tulle_pack_size(&w), 0);
}

/* ---- what arrives ---- */

static void every_truncation_is_refused(void **state) {
  (void)state;
  struct store_entry e;
  encode(&values.full);
  for (size_t cut = 0; cut < size; cut++) {
    assert_int_equal(decode_entry_of(bytes, cut, false, &e), TULLE_E_BAD_MESSAGE);
    assert_int_equal(strncmp(said, "store.put: argument 'value'", 27), 0);
    assert_true(strstr(said, " is missing") || strstr(said, " ends too early"));
  }
}

/* Another type in the place of each byte either is a value as well or is refused by name. */
static void every_wrong_byte_is_judged(void **state) {
  (void)state;
  static const unsigned char others[] = {0x00, 0x7f, 0x80, 0x81, 0x90, 0x91, 0xa0, 0xa1, 0xc0,
                                         0xc1, 0xc3, 0xc4, 0xc6, 0xc7, 0xca, 0xcb, 0xcf, 0xd3,
                                         0xd4, 0xd9, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0xff};
  encode(&values.full);
  for (size_t i = 0; i < size; i++)
    for (size_t j = 0; j < sizeof others; j++) {
      struct store_entry e;
      unsigned char was = bytes[i];
      bytes[i] = others[j];
      int r = decode(&e);
      assert_true(r == 0 || r == TULLE_E_BAD_MESSAGE);
      if (r) assert_non_null(strstr(said, "store.put: "));
      bytes[i] = was;
      tulle_memory_clear(&memory);
    }
}

/* An entry that is right but for its name. */
static void pack_named(const char *name, size_t name_size) {
  static const uint8_t key[32];
  struct tulle_pack w = pack_on_bytes();
  tulle_pack_array(&w, 5);
  tulle_pack_text_of(&w, name, name_size);
  tulle_pack_bytes(&w, key, 32);
  tulle_pack_array(&w, 0);
  tulle_pack_map(&w, 0);
  tulle_pack_array(&w, 2);
  tulle_pack_uint(&w, 0);
  tulle_pack_uint(&w, 1);
  packed(&w);
}

static void texts_are_judged(void **state) {
  (void)state;
  static const char *const wrong[] = {"\xff",          "12345678\x80",     "\xc0\x80",
                                      "a\xed\xa0\x80", "\xf4\x90\x80\x80", "1234567\xc3"};
  struct store_entry e;
  char text[66];
  memset(text, 'x', sizeof text);
  pack_named(text, 64);
  assert_int_equal(decode(&e), 0);
  pack_named(text, 65);
  refused("store.put: argument 'value': member 'name' is longer than 64 bytes");
  for (size_t at = 0; at < 20; at++) {
    memset(text, 'x', sizeof text);
    text[at] = 0;
    pack_named(text, 20);
    refused("store.put: argument 'value': member 'name' is not UTF-8 without zero bytes");
  }
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    pack_named(wrong[i], strlen(wrong[i]));
    refused("store.put: argument 'value': member 'name' is not UTF-8 without zero bytes");
  }
  pack_named("12345678\xf0\x9f\x98\x80", 12);
  assert_int_equal(decode(&e), 0);
}

/* Encodes the full entry with another value at a field. */
static void pack_with(size_t field, void (*value)(struct tulle_pack *w)) {
  struct tulle_unpack r;
  encode(&values.full);
  r = tulle_unpack_on(bytes, size);
  assert_int_equal(tulle_unpack_array(&r), 11);
  for (size_t i = 0; i < field; i++) tulle_unpack_skip(&r);
  size_t before = (size_t)(r.at - bytes);
  tulle_unpack_skip(&r);
  static unsigned char rest[sizeof bytes];
  size_t rest_size = (size_t)(r.end - r.at);
  memcpy(rest, r.at, rest_size);
  struct tulle_pack w = pack_on_bytes();
  w.at += before;
  value(&w);
  tulle_pack_raw_(&w, rest, rest_size);
  packed(&w);
}

static void a_text(struct tulle_pack *w) {
  tulle_pack_text(w, "x");
}
static void nothing(struct tulle_pack *w) {
  tulle_pack_nil(w);
}
static void a_short_key(struct tulle_pack *w) {
  tulle_pack_bytes(w, "short", 5);
}
static void a_wrong_color(struct tulle_pack *w) {
  tulle_pack_uint(w, 2);
}
static void a_huge_list(struct tulle_pack *w) {
  tulle_pack_array(w, UINT32_MAX);
}
static void a_huge_map(struct tulle_pack *w) {
  tulle_pack_map(w, UINT32_MAX);
}
static void a_key_twice(struct tulle_pack *w) {
  static const char *const keys[] = {"c", "a", "b", "c"};
  tulle_pack_map(w, 4);
  for (unsigned i = 0; i < 4; i++) {
    tulle_pack_text(w, keys[i]);
    tulle_pack_uint(w, i);
  }
}
static void seventeen_pairs(struct tulle_pack *w) {
  tulle_pack_map(w, 17);
  for (char i = 'a'; i < 'a' + 17; i++) {
    tulle_pack_text_of(w, &i, 1);
    tulle_pack_uint(w, 0);
  }
}
static void no_alternative(struct tulle_pack *w) {
  tulle_pack_array(w, 2);
  tulle_pack_uint(w, 3);
  tulle_pack_uint(w, 3);
}
static void an_alternative_alone(struct tulle_pack *w) {
  tulle_pack_array(w, 1);
  tulle_pack_uint(w, 0);
}
static void a_number_twice(struct tulle_pack *w) {
  tulle_pack_array(w, 2);
  tulle_pack_uint(w, 2);
  tulle_pack_map(w, 2);
  for (int i = 0; i < 2; i++) {
    tulle_pack_uint(w, 200);
    tulle_pack_text(w, "");
  }
}
static void a_negative(struct tulle_pack *w) {
  tulle_pack_array(w, 2);
  tulle_pack_uint(w, 0);
  tulle_pack_int(w, -1);
}
static void a_bad_extent(struct tulle_pack *w) {
  tulle_pack_array(w, 2);
  tulle_pack_uint(w, 1);
  tulle_pack_uint(w, UINT64_C(1) << 32);
}
static void half_an_extent(struct tulle_pack *w) {
  tulle_pack_array(w, 1);
  tulle_pack_uint(w, 1);
}

static void wrong_values_are_named(void **state) {
  (void)state;
  static const struct {
    size_t field;
    void (*value)(struct tulle_pack *w);
    const char *said;
  } cases[] = {
      {0, nothing, "name' is not text"},
      {1, a_text, "key' is not bytes"},
      {1, a_short_key, "key' has 5 bytes, not 32"},
      {2, a_text, "figures' is not an array"},
      {2, a_huge_list, "figures' ends too early"},
      {3, a_huge_map, "counts' ends too early"},
      {3, a_key_twice, "counts' has a key twice"},
      {3, seventeen_pairs, "counts' has more than 16 elements"},
      {4, no_alternative, "one' is not within 0 to 2"},
      {4, an_alternative_alone, "one' has no value"},
      {4, a_number_twice, "one.m' has a key twice"},
      {4, a_negative, "one.a' is not within 0 to 255"},
      {5, a_wrong_color, "tint' is no 'color': 2"},
      {8, a_huge_list, "numbers' ends too early"},
      {9, a_short_key, "digest' has 5 bytes, not 4"},
      {10, a_bad_extent, "extent.height' is not within 0 to 4294967295"},
      {10, half_an_extent, "extent' has 1 values of at least 2"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[128];
    pack_with(cases[i].field, cases[i].value);
    snprintf(text, sizeof text, "store.put: argument 'value': member '%s", cases[i].said);
    if (cases[i].value == an_alternative_alone) {
      /* what stands behind it was taken for its value */
      struct store_entry e;
      assert_int_equal(decode(&e), TULLE_E_BAD_MESSAGE);
      continue;
    }
    refused(text);
  }
}

/* ---- other versions ---- */

static void absent_fields_at_the_end_are_none(void **state) {
  (void)state;
  struct store_entry e;
  pack_named("short", 5);
  assert_int_equal(decode(&e), 0);
  assert_true(!e.tint && !e.note && !e.raw && !e.numbers && !e.digest && !e.extent);
  bytes[0] = 0x94;
  refused("store.put: argument 'value' has 4 values of at least 5");
}

static void newer_peers_are_understood_on_request(void **state) {
  (void)state;
  struct store_entry e;
  encode(&values.full);
  struct tulle_pack w = pack_on_bytes();
  w.at += size;
  tulle_pack_array(&w, 2);
  tulle_pack_text(&w, "unknown");
  tulle_pack_map(&w, 0);
  packed(&w);
  bytes[0]++;
  refused("store.put: argument 'value' has 12 values, of which 11 are known");
  assert_int_equal(decode_entry_of(bytes, size, true, &e), 0);
  same_entry(&e, &values.full);
}

static void other_alternatives_of_open_unions_are_another_one(void **state) {
  (void)state;
  struct tulle_decoder d;
  struct store_figure f;
  struct tulle_pack w = pack_on_bytes();
  tulle_pack_array(&w, 2);
  tulle_pack_uint(&w, 4000);
  tulle_pack_map(&w, 1);
  tulle_pack_text(&w, "deep");
  tulle_pack_array(&w, 0);
  packed(&w);
  tulle_decode_begin(&d, bytes, size, &memory);
  decode_figure(&d, "f", &f);
  assert_int_equal(d.status, 0);
  assert_int_equal(f.is, STORE_FIGURE_ANOTHER_);
  assert_ptr_equal(d.in.at, d.in.end);
}

/* ---- memory ---- */

/* 10 optional members, none of which is there, take one byte and many times that in memory. */
static void memory_is_bounded(void **state) {
  (void)state;
  struct tulle_decoder d;
  struct store_search_values v;
  memset(bytes, 0x90, sizeof bytes);
  struct tulle_pack w = pack_on_bytes();
  tulle_pack_array(&w, 2);
  tulle_pack_array(&w, 4000);
  tulle_decode_begin(&d, bytes, sizeof bytes, &memory);
  assert_int_equal(decode_results_of_search(&d, &v), TULLE_E_LIMIT);
  assert_null(memory.blocks);
  tulle_decode_explain(&d, "store.search", "result", said, sizeof said);
  assert_string_equal(said,
                      "store.search: result 'results' takes more memory than its message allows");
}

static void many_keys_cost_little(void **state) {
  (void)state;
  enum { KEYS = 20000 };
  static unsigned char large[KEYS * 8];
  struct tulle_decoder d;
  struct store_unusual_values v;
  struct tulle_pack w = tulle_pack_on(large, sizeof large);
  tulle_pack_array(&w, 1);
  tulle_pack_map(&w, 3000);
  for (unsigned i = 3000; i > 0; i--) {
    char key[8];
    snprintf(key, sizeof key, "%u", i);
    tulle_pack_text(&w, key);
    tulle_pack_uint(&w, i);
  }
  tulle_decode_begin(&d, large, tulle_pack_size(&w), &memory);
  assert_int_equal(decode_arguments_of_unusual(&d, &v), 0);
  assert_int_equal(v.in_counts_count, 3000);
}

/* ---- parameters ---- */

static int decode_nothing_of(const void *data, size_t data_size) {
  struct tulle_decoder d;
  tulle_decode_begin(&d, data, data_size, NULL);
  int r = tulle_decode_nothing(&d);
  if (r) tulle_decode_explain(&d, "store.ping", "argument", said, sizeof said);
  return r;
}

static void where_nothing_is_wanted_nothing_comes(void **state) {
  (void)state;
  assert_int_equal(decode_nothing_of("", 0), 0);
  assert_int_equal(decode_nothing_of("\x90", 1), 0);
  assert_int_equal(decode_nothing_of("\x91\xc0", 2), TULLE_E_BAD_MESSAGE);
  assert_string_equal(said, "store.ping: the argument list has 1 values, of which 0 are known");
  assert_int_equal(decode_nothing_of("\xc0", 1), TULLE_E_BAD_MESSAGE);
  assert_int_equal(decode_nothing_of("\x90\x90", 2), TULLE_E_BAD_MESSAGE);
  assert_string_equal(said, "store.ping: the argument list is followed by something else");
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
      CASE(entries_come_back),
      CASE(figures_come_back),
      CASE(deep_values_come_back),
      CASE(every_number_comes_back),
      CASE(no_padding_leaves),
      CASE(what_is_no_value_is_not_sent),
      CASE(a_union_of_nothing_is_not_sent),
      CASE(every_truncation_is_refused),
      CASE(every_wrong_byte_is_judged),
      CASE(texts_are_judged),
      CASE(wrong_values_are_named),
      CASE(absent_fields_at_the_end_are_none),
      CASE(newer_peers_are_understood_on_request),
      CASE(other_alternatives_of_open_unions_are_another_one),
      CASE(memory_is_bounded),
      CASE(many_keys_cost_little),
      CASE(where_nothing_is_wanted_nothing_comes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
