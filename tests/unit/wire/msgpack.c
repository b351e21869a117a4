/* Reading and writing msgpack (include/tulle/pack.h) and the check that comes before any decoding.
 */
#include "core/wire/msgpack.h"

#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "tests/unit/test.h"
#include "tulle/pack.h"

#define SUITE "tests/vectors/msgpack/suite.txt"

static bool number_equals(const struct tulle_value *v, const char *text) {
  double wanted = strtod(text, NULL);
  if (v->type == TULLE_DOUBLE) return v->d == wanted;
  if (strpbrk(text, ".e")) return (v->type == TULLE_INT ? (double)v->i : (double)v->u) == wanted;
  if (v->type == TULLE_INT) return v->i == strtoll(text, NULL, 10);
  return v->type == TULLE_UINT && v->u == strtoull(text, NULL, 10);
}

static bool hex_equals(const struct tulle_value *v, enum tulle_type type, const char *hex) {
  char text[1024];
  tl_hex_encode(v->data, v->size, text);
  return v->type == type && strcmp(text, strcmp(hex, "-") == 0 ? "" : hex) == 0;
}

static bool extension_equals(const struct tulle_value *v, const char *text) {
  const char *comma = strchr(text, ',');
  return v->extension == atoi(text) && hex_equals(v, TULLE_EXTENSION, comma + 1);
}

static bool value_equals(const struct tulle_value *v, const char *type, const char *text) {
  if (strcmp(type, "nil") == 0) return v->type == TULLE_NIL;
  if (strcmp(type, "bool") == 0) return v->type == TULLE_BOOL && v->boolean == (text[0] == 't');
  if (strcmp(type, "binary") == 0) return hex_equals(v, TULLE_BYTES, text);
  if (strcmp(type, "string") == 0) return hex_equals(v, TULLE_TEXT, text);
  if (strcmp(type, "array") == 0)
    return v->type == TULLE_ARRAY && v->count == strtoul(text, NULL, 10);
  if (strcmp(type, "map") == 0) return v->type == TULLE_MAP && v->count == strtoul(text, NULL, 10);
  if (strcmp(type, "ext") == 0) return extension_equals(v, text);
  if (strcmp(type, "timestamp") == 0) return v->type == TULLE_EXTENSION && v->extension == -1;
  return number_equals(v, text);
}

static void write_value(struct tulle_pack *w, const struct tulle_value *v) {
  switch (v->type) {
  case TULLE_NIL:
    tulle_pack_nil(w);
    break;
  case TULLE_BOOL:
    tulle_pack_bool(w, v->boolean);
    break;
  case TULLE_UINT:
    tulle_pack_uint(w, v->u);
    break;
  case TULLE_INT:
    tulle_pack_int(w, v->i);
    break;
  case TULLE_DOUBLE:
    tulle_pack_double(w, v->d);
    break;
  case TULLE_TEXT:
    tulle_pack_text_of(w, (const char *)v->data, v->size);
    break;
  case TULLE_BYTES:
    tulle_pack_bytes(w, v->data, v->size);
    break;
  case TULLE_ARRAY:
    tulle_pack_array(w, v->count);
    break;
  case TULLE_MAP:
    tulle_pack_map(w, v->count);
    break;
  case TULLE_EXTENSION:
    w->failed = true;
    break;
  }
}

/* True if what the writer makes of `v` begins this encoding (an array's or map's members follow its
 * header). */
static bool writes_as(const struct tulle_value *v, const uint8_t *encoding, size_t size) {
  uint8_t out[512];
  struct tulle_pack w = tulle_pack_on(out, sizeof out);
  write_value(&w, v);
  size_t written = tulle_pack_size(&w);
  return v->type == TULLE_EXTENSION ||
         (written && written <= size && memcmp(out, encoding, written) == 0);
}

static void suite(void **state) {
  (void)state;
  FILE *f = fopen(SUITE, "r");
  assert_non_null(f);
  char type[16], text[512], hex[1024];
  int first, count = 0;
  bool written = true; /* the value before was written as one of its encodings */
  while (fscanf(f, "%15s %511s %1023s %d", type, text, hex, &first) == 4) {
    uint8_t encoding[512];
    int size = tl_hex_decode(hex, strlen(hex), encoding, sizeof encoding);
    assert_true(size > 0);
    assert_int_equal(tl_msgpack_check(encoding, (size_t)size), 0);
    struct tulle_unpack r = tulle_unpack_on(encoding, (size_t)size);
    struct tulle_value v = tulle_unpack_any(&r);
    assert_true(tulle_unpack_is_ok(&r));
    if (!value_equals(&v, type, text)) fail_msg("%s %s %s", type, text, hex);
    if (first) assert_true(written);
    written = (!first && written) || writes_as(&v, encoding, (size_t)size);
    for (int cut = 0; cut < size; cut++)
      assert_int_not_equal(tl_msgpack_check(encoding, (size_t)cut), 0);
    count++;
  }
  fclose(f);
  assert_true(written);
  assert_int_equal(count, 233);
}

static void bombs_are_refused(void **state) {
  (void)state;
  static const struct {
    uint8_t bytes[8];
    size_t size;
    int result;
  } cases[] = {
      {{0xdd, 0x0f, 0xff, 0xff, 0xff},
       5,
       TULLE_E_BAD_MESSAGE}, /* 268 million values in five bytes */
      {{0xdf, 0x0f, 0xff, 0xff, 0xff}, 5, TULLE_E_BAD_MESSAGE},
      {{0xdf, 0xff, 0xff, 0xff, 0xff}, 5, TULLE_E_BAD_MESSAGE},
      {{0xc6, 0xff, 0xff, 0xff, 0xff}, 5, TULLE_E_BAD_MESSAGE},
      {{0xdb, 0xff, 0xff, 0xff, 0xff}, 5, TULLE_E_BAD_MESSAGE},
      {{0xc1}, 1, TULLE_E_BAD_MESSAGE},       /* never used */
      {{0xc0, 0xc0}, 2, TULLE_E_BAD_MESSAGE}, /* two values */
      {{0x92, 0xc0}, 2, TULLE_E_BAD_MESSAGE},
      {{0}, 0, TULLE_E_BAD_MESSAGE},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    assert_int_equal(tl_msgpack_check(cases[i].bytes, cases[i].size), cases[i].result);
}

static void depth_and_count_have_limits(void **state) {
  (void)state;
  uint8_t nested[TL_MSGPACK_DEPTH_MAX + 2];
  memset(nested, 0x91, sizeof nested);
  nested[TL_MSGPACK_DEPTH_MAX] = 0xc0;
  assert_int_equal(tl_msgpack_check(nested, TL_MSGPACK_DEPTH_MAX + 1), 0);
  nested[TL_MSGPACK_DEPTH_MAX] = 0x91;
  nested[TL_MSGPACK_DEPTH_MAX + 1] = 0xc0;
  assert_int_equal(tl_msgpack_check(nested, sizeof nested), TULLE_E_LIMIT);
  static uint8_t wide[TL_MSGPACK_OBJECTS_MAX + 3];
  memset(wide, 0xc0, sizeof wide);
  struct tulle_pack w = tulle_pack_on(wide, 3);
  tulle_pack_array(&w, TL_MSGPACK_OBJECTS_MAX - 1);
  assert_int_equal(tl_msgpack_check(wide, 3 + TL_MSGPACK_OBJECTS_MAX - 1), 0);
  w = tulle_pack_on(wide, 3);
  tulle_pack_array(&w, TL_MSGPACK_OBJECTS_MAX);
  assert_int_equal(tl_msgpack_check(wide, 3 + TL_MSGPACK_OBJECTS_MAX), TULLE_E_LIMIT);
}

static size_t sample(uint8_t *out, size_t size) {
  struct tulle_pack w = tulle_pack_on(out, size);
  tulle_pack_map(&w, 4);
  tulle_pack_text(&w, "name"), tulle_pack_text(&w, "world");
  tulle_pack_text(&w, "list"), tulle_pack_array(&w, 2), tulle_pack_int(&w, -7),
      tulle_pack_double(&w, 0.5);
  tulle_pack_text(&w, "raw"), tulle_pack_bytes(&w, "\0\1", 2);
  tulle_pack_text(&w, "count"), tulle_pack_uint(&w, 3);
  return tulle_pack_size(&w);
}

static void keys_are_found_in_any_order(void **state) {
  (void)state;
  uint8_t buffer[64];
  char name[16];
  size_t bytes, size = sample(buffer, sizeof buffer);
  struct tulle_unpack map = tulle_unpack_on(buffer, size);
  struct tulle_unpack r = tulle_unpack_key(&map, "count");
  assert_int_equal(tulle_unpack_uint(&r), 3);
  r = tulle_unpack_key(&map, "name");
  tulle_unpack_string(&r, name, sizeof name);
  assert_string_equal(name, "world");
  r = tulle_unpack_key(&map, "raw");
  assert_memory_equal(tulle_unpack_bytes(&r, &bytes), "\0\1", 2);
  r = tulle_unpack_key(&map, "list");
  assert_int_equal(tulle_unpack_array(&r), 2);
  assert_int_equal(tulle_unpack_int(&r), -7);
  assert_true(tulle_unpack_double(&r) == 0.5);
  r = tulle_unpack_key(&map, "nam");
  assert_false(tulle_unpack_is_ok(&r));
}

static void wrong_types_fail_and_stay_failed(void **state) {
  (void)state;
  uint8_t buffer[64];
  size_t bytes, size = sample(buffer, sizeof buffer);
  struct tulle_unpack map = tulle_unpack_on(buffer, size);
  struct tulle_unpack r = tulle_unpack_key(&map, "name");
  assert_int_equal(tulle_unpack_uint(&r), 0);
  assert_false(tulle_unpack_is_ok(&r));
  assert_null(tulle_unpack_text(&r, &bytes));
  r = tulle_unpack_key(&map, "name");
  char small[5];
  tulle_unpack_string(&r, small, sizeof small); /* "world" takes six with its zero */
  assert_false(tulle_unpack_is_ok(&r));
  assert_string_equal(small, "");
}

static void a_full_writer_reports_nothing_written(void **state) {
  (void)state;
  uint8_t buffer[64];
  size_t size = sample(buffer, sizeof buffer);
  assert_true(size > 0);
  for (size_t room = 0; room < size; room++) assert_int_equal(sample(buffer, room), 0);
}

/* Another library reads what we write. */
static void msgpack_c_agrees(void **state) {
  (void)state;
  uint8_t buffer[64];
  size_t size = sample(buffer, sizeof buffer);
  msgpack_unpacked u;
  msgpack_unpacked_init(&u);
  assert_int_equal(msgpack_unpack_next(&u, (const char *)buffer, size, NULL),
                   MSGPACK_UNPACK_SUCCESS);
  assert_int_equal(u.data.type, MSGPACK_OBJECT_MAP);
  assert_int_equal(u.data.via.map.size, 4);
  assert_int_equal(u.data.via.map.ptr[3].val.via.u64, 3);
  msgpack_unpacked_destroy(&u);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(suite),
      cmocka_unit_test(bombs_are_refused),
      cmocka_unit_test(depth_and_count_have_limits),
      cmocka_unit_test(keys_are_found_in_any_order),
      cmocka_unit_test(wrong_types_fail_and_stay_failed),
      cmocka_unit_test(a_full_writer_reports_nothing_written),
      cmocka_unit_test(msgpack_c_agrees),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
