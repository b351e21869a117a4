/* Accounts: all or nothing, the limit of one user, and half of what the others leave. */
#include "node/state/account.h"

#include "tests/unit/test.h"

static const struct tl_charge limit = {{8, 1000, 100, 100}};
static const uint8_t secret[16];

static struct tl_charge memory(uint64_t bytes) {
  return (struct tl_charge){{[TL_RESOURCE_MEMORY] = bytes}};
}

static int charge_memory(struct tl_account *a, uint64_t bytes) {
  struct tl_charge c = memory(bytes);
  return tl_account_charge(a, &c);
}

static void release_memory(struct tl_account *a, uint64_t bytes) {
  struct tl_charge c = memory(bytes);
  tl_account_release(a, &c);
}

static void one_user_has_its_limit_and_no_more(void **state) {
  (void)state;
  struct tl_accounts all;
  struct tl_account *a;
  tl_accounts_init(&all, &limit, secret);
  assert_int_equal(tl_account_open(&all, 5, &a), 0);
  assert_int_equal(charge_memory(a, 1001), TULLE_E_LIMIT);
  assert_int_equal(charge_memory(a, UINT64_MAX), TULLE_E_LIMIT);
  assert_int_equal(charge_memory(a, 1000), 0);
  assert_int_equal(charge_memory(a, 1), TULLE_E_LIMIT);
  assert_int_equal(charge_memory(a, 0), 0);
  release_memory(a, 1000);
  tl_account_close(a);
  tl_accounts_deinit(&all);
}

static void the_next_ones_get_half_of_what_is_left(void **state) {
  (void)state;
  struct tl_accounts all;
  struct tl_account *a, *b, *c;
  tl_accounts_init(&all, &limit, secret);
  tl_account_open(&all, 1, &a), tl_account_open(&all, 2, &b), tl_account_open(&all, 3, &c);
  assert_int_equal(charge_memory(a, 1000), 0);
  assert_int_equal(charge_memory(b, 501), TULLE_E_LIMIT);
  assert_int_equal(charge_memory(b, 500), 0);
  assert_int_equal(charge_memory(c, 251), TULLE_E_LIMIT);
  assert_int_equal(charge_memory(c, 250), 0);
  release_memory(a, 1000);
  assert_int_equal(charge_memory(c, 500), 0); /* 750 of 1,500 */
  assert_int_equal(charge_memory(c, 1), TULLE_E_LIMIT);
  release_memory(b, 500), release_memory(c, 750);
  tl_account_close(a), tl_account_close(b), tl_account_close(c);
  tl_accounts_deinit(&all);
}

static void a_charge_is_taken_whole_or_not_at_all(void **state) {
  (void)state;
  struct tl_accounts all;
  struct tl_account *a;
  struct tl_charge much = {{1, 10, 101, 1}};
  tl_accounts_init(&all, &limit, secret);
  tl_account_open(&all, 1, &a);
  assert_int_equal(tl_account_short_of(a, &much), TL_RESOURCE_DESCRIPTORS);
  assert_string_equal(tl_resource_name(tl_account_short_of(a, &much)), "descriptors");
  assert_int_equal(tl_account_charge(a, &much), TULLE_E_LIMIT);
  for (int i = 0; i < TL_RESOURCES; i++) assert_int_equal(a->used.amount[i], 0);
  tl_account_close(a);
  tl_accounts_deinit(&all);
}

static void a_move_asks_nobody(void **state) {
  (void)state;
  struct tl_accounts all;
  struct tl_account *a, *b;
  struct tl_charge c = memory(900);
  tl_accounts_init(&all, &limit, secret);
  tl_account_open(&all, 1, &a), tl_account_open(&all, 2, &b);
  assert_int_equal(charge_memory(a, 900), 0);
  assert_int_equal(charge_memory(b, 500), 0);
  tl_account_move(a, b, &c);
  assert_int_equal(b->used.amount[TL_RESOURCE_MEMORY], 1400);
  assert_int_equal(all.used.amount[TL_RESOURCE_MEMORY], 1400);
  assert_int_equal(charge_memory(b, 1), TULLE_E_LIMIT); /* over its limit, and stays so */
  assert_int_equal(charge_memory(a, 301), TULLE_E_LIMIT);
  assert_int_equal(charge_memory(a, 300), 0);
  release_memory(b, 1400), release_memory(a, 300);
  tl_account_close(a), tl_account_close(b);
  tl_accounts_deinit(&all);
}

static void an_account_lives_as_long_as_its_holders(void **state) {
  (void)state;
  struct tl_accounts all;
  struct tl_account *a, *same;
  tl_accounts_init(&all, &limit, secret);
  tl_account_open(&all, 7, &a), tl_account_open(&all, 7, &same);
  assert_ptr_equal(a, same);
  tl_account_close(a);
  assert_int_equal(all.by_uid.used, 1);
  tl_account_close(same);
  assert_int_equal(all.by_uid.used, 0);
  tl_accounts_deinit(&all);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_user_has_its_limit_and_no_more),
      cmocka_unit_test(the_next_ones_get_half_of_what_is_left),
      cmocka_unit_test(a_charge_is_taken_whole_or_not_at_all),
      cmocka_unit_test(a_move_asks_nobody),
      cmocka_unit_test(an_account_lives_as_long_as_its_holders),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
