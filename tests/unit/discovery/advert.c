/* The TXT record: a golden record, each field spoilt in turn, every truncation and every changed
 * byte. */
#include "discovery/advert.h"

#include "tests/unit/discovery/test.h"

static const uint8_t golden[] = "\x03v=1"
                                "\x12"
                                "f=0102030405060708"
                                "\x1cn=aaaqeayeaudaocajbifqydiob4"
                                "\x04g=42"
                                "\x12"
                                "b=00000000deadbeef";
#define GOLDEN_SIZE (sizeof golden - 1)

static void golden_record(void **state) {
  (void)state;
  struct tl_advert a;
  uint8_t again[TL_ADVERT_TXT_BYTES_MAX];
  assert_int_equal(tl_advert_decode(golden, GOLDEN_SIZE, &a), 0);
  assert_int_equal(a.version, 1);
  assert_int_equal(a.generation, 42);
  assert_true(a.boot == 0xdeadbeef);
  for (uint8_t i = 0; i < 16; i++) assert_int_equal(a.id[i], i);
  for (uint8_t i = 0; i < 8; i++) assert_int_equal(a.tag[i], i + 1);
  assert_int_equal(tl_advert_encode(&a, again), GOLDEN_SIZE);
  assert_memory_equal(again, golden, GOLDEN_SIZE);
}

static void every_truncation_is_refused(void **state) {
  (void)state;
  for (size_t n = 0; n < GOLDEN_SIZE; n++) {
    uint8_t *exact = malloc(n ? n : 1);
    struct tl_advert a;
    memcpy(exact, golden, n);
    assert_int_equal(tl_advert_decode(exact, n, &a), TULLE_E_BAD_MESSAGE);
    free(exact);
  }
}

static void every_changed_byte_is_refused_or_well_formed(void **state) {
  (void)state;
  for (size_t at = 0; at < GOLDEN_SIZE; at++)
    for (int c = 0; c < 256; c++) {
      uint8_t data[GOLDEN_SIZE];
      struct tl_advert a = {0};
      memcpy(data, golden, sizeof data);
      data[at] = (uint8_t)c;
      int r = tl_advert_decode(data, sizeof data, &a);
      assert_true(r == 0 || r == TULLE_E_BAD_MESSAGE);
      assert_true(r < 0 || a.version > 0);
    }
}

/* Builds a record of strings; NULL ends the list. */
static int decode_strings(const char *const *strings) {
  uint8_t data[TL_ADVERT_TXT_BYTES_MAX];
  size_t size = 0;
  struct tl_advert a;
  for (; *strings; strings++) {
    size_t n = strlen(*strings);
    data[size++] = (uint8_t)n;
    memcpy(data + size, *strings, n);
    size += n;
  }
  return tl_advert_decode(data, size, &a);
}

#define V "v=1"
#define F "f=0102030405060708"
#define N "n=aaaqeayeaudaocajbifqydiob4"
#define G "g=42"
#define B "b=00000000deadbeef"

static void order_and_strangers_do_not_matter(void **state) {
  (void)state;
  assert_int_equal(decode_strings((const char *const[]){B, "x=1", G, "", "flag", N, "=", F, V,
                                                        "longer=key", NULL}),
                   0);
  assert_int_equal(decode_strings((const char *const[]){V, "v=garbage", F, N, G, B, "b=", NULL}),
                   0);
}

static void missing_or_malformed_fields_are_refused(void **state) {
  (void)state;
  static const char *const cases[][8] = {
      {F, N, G, B, NULL},
      {V, N, G, B, NULL},
      {V, F, G, B, NULL},
      {V, F, N, B, NULL},
      {V, F, N, G, NULL},
      {"v=0", F, N, G, B, NULL},
      {"v=", F, N, G, B, NULL},
      {"v=65536", F, N, G, B, NULL},
      {"v=-1", F, N, G, B, NULL},
      {"v", F, N, G, B, NULL},
      {V, "f=01", N, G, B, NULL},
      {V, "f=010203040506070g", N, G, B, NULL},
      {V, F, "n=", G, B, NULL},
      {V, F, "n=AAAQEAYEAUDAOCAJBIFQYDIOB4", G, B, NULL},
      {V, F, N "a", G, B, NULL},
      {V, F, N, "g=18446744073709551616", B, NULL},
      {V, F, N, "g=1 ", B, NULL},
      {V, F, N, "g=", B, NULL},
      {V, F, N, G, "b=deadbeef", NULL},
      {V, F, N, G, "b=00000000deadbeef0", NULL},
      {V, F, N, "g=99999999999999999999999999999999999999", B, NULL},
      {NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    if (decode_strings(cases[i]) != TULLE_E_BAD_MESSAGE) fail_msg("case %zu was accepted", i);
}

static void too_big_is_refused(void **state) {
  (void)state;
  uint8_t data[TL_ADVERT_TXT_BYTES_MAX + 1] = {0};
  struct tl_advert a;
  assert_int_equal(tl_advert_decode(data, sizeof data, &a), TULLE_E_TOO_BIG);
}

static void names(void **state) {
  (void)state;
  char name[TL_ADVERT_NAME_SIZE];
  uint8_t id[TL_DISCOVERY_ID_SIZE];
  tl_advert_name(test_id(77).bytes, name);
  assert_int_equal(strlen(name), 26);
  assert_int_equal(tl_advert_name_decode(name, id), 0);
  assert_memory_equal(id, test_id(77).bytes, sizeof id);
  static const char *const bad[] = {"",
                                    "a",
                                    "AAAQEAYEAUDAOCAJBIFQYDIOB4",
                                    "aaaqeayeaudaocajbifqydiob5",
                                    "my printer",
                                    "aaaqeayeaudaocajbifqydiob4-2",
                                    "aaaqeayeaudaocajbifqydiob44"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_int_equal(tl_advert_name_decode(bad[i], id), TULLE_E_BAD_MESSAGE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(golden_record),
      cmocka_unit_test(every_truncation_is_refused),
      cmocka_unit_test(every_changed_byte_is_refused_or_well_formed),
      cmocka_unit_test(order_and_strangers_do_not_matter),
      cmocka_unit_test(missing_or_malformed_fields_are_refused),
      cmocka_unit_test(too_big_is_refused),
      cmocka_unit_test(names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
