#include "core/table.h"

#include <stdbool.h>
#include <stdlib.h>

#include "core/error.h"
#include "tests/unit/test.h"

/* The reference vectors of SipHash-2-4: key 00..0f, messages of 0, 1, 7, 8 and 15 bytes 00 01 02
 * ... */
static void siphash_reference(void **state) {
  (void)state;
  uint8_t key[16], message[15];
  for (uint8_t i = 0; i < 16; i++) key[i] = i;
  for (uint8_t i = 0; i < 15; i++) message[i] = i;
  assert_true(tl_siphash(key, message, 0) == 0x726fdb47dd0e0e31);
  assert_true(tl_siphash(key, message, 1) == 0x74f839c593dc67fd);
  assert_true(tl_siphash(key, message, 7) == 0xab0200f58b01d137);
  assert_true(tl_siphash(key, message, 8) == 0x93f5f5799a932462);
  assert_true(tl_siphash(key, message, 15) == 0xa129ca6149be45e5);
}

#define KEYS 1000

/* Random insertions and removals against a plain array, under the worst secret: none. */
static void behaves_like_an_array(void **state) {
  (void)state;
  static uint32_t keys[KEYS];
  static bool present[KEYS];
  const uint8_t secret[16] = {0};
  struct tl_table t;
  tl_table_init(&t, secret);
  size_t used = 0;
  srand(1);
  for (uint32_t i = 0; i < KEYS; i++) keys[i] = i * 2654435761u;
  for (int step = 0; step < 200000; step++) {
    size_t i = (size_t)rand() % KEYS;
    uint32_t *key = &keys[i];
    assert_ptr_equal(tl_table_find(&t, key, sizeof *key), present[i] ? key : NULL);
    if (rand() % 2) {
      assert_int_equal(tl_table_insert(&t, key, sizeof *key, key), present[i] ? TULLE_E_EXISTS : 0);
      if (!present[i]) used++;
      present[i] = true;
    } else {
      assert_ptr_equal(tl_table_remove(&t, key, sizeof *key), present[i] ? key : NULL);
      if (present[i]) used--;
      present[i] = false;
    }
    assert_int_equal(t.used, used);
  }
  size_t cursor = 0, seen = 0;
  while (tl_table_next(&t, &cursor)) seen++;
  assert_int_equal(seen, used);
  tl_table_deinit(&t);
}

static void an_empty_table_finds_nothing(void **state) {
  (void)state;
  struct tl_table t;
  tl_table_init(&t, NULL);
  size_t cursor = 0;
  assert_null(tl_table_find(&t, "a", 1));
  assert_null(tl_table_remove(&t, "a", 1));
  assert_null(tl_table_next(&t, &cursor));
  tl_table_deinit(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(siphash_reference),
      cmocka_unit_test(behaves_like_an_array),
      cmocka_unit_test(an_empty_table_finds_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
