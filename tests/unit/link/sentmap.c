/* The sent map: names, epochs, numbers left out, and who acknowledges what was never sent. */
#include "transport/link/sentmap.h"

#include "tests/unit/test.h"

static struct tl_account account;

static void sent(struct tl_sentmap *m, uint32_t epoch, uint64_t counter, uint32_t items) {
  assert_int_equal(tl_sentmap_reserve(m, items), 0);
  for (uint32_t i = 0; i < items; i++)
    tl_sentmap_add(m, &(struct tl_sent_item){.at = counter * 100 + i});
  tl_sentmap_number(m, epoch, counter);
  tl_sentmap_commit(m, &(struct tl_sent_packet){.epoch = epoch, .counter = counter});
}

static void packets_are_found_by_name(void **state) {
  (void)state;
  struct tl_sentmap m;
  tl_sentmap_init(&m, &account);
  for (uint64_t n = 0; n < 500; n++) sent(&m, 0, 2 * n, (uint32_t)n % 5);
  for (uint64_t n = 0; n < 500; n++) sent(&m, 1, n, 1);
  for (uint64_t n = 0; n < 500; n++) {
    assert_int_equal(tl_sentmap_find(&m, 0, 2 * n), n);
    assert_int_equal(tl_sentmap_find(&m, 0, 2 * n + 1), n + 1); /* the next one */
    assert_int_equal(tl_sentmap_find(&m, 1, n), 500 + n);
  }
  assert_int_equal(tl_sentmap_find(&m, 0, 5000), 500);
  assert_int_equal(tl_sentmap_find(&m, 2, 0), 1000);
  tl_sentmap_deinit(&m);
}

static void items_stay_with_their_packets_while_arrays_grow(void **state) {
  (void)state;
  struct tl_sentmap m;
  tl_sentmap_init(&m, &account);
  for (uint64_t n = 0; n < 3000; n++) {
    sent(&m, 0, n, (uint32_t)(n % 7));
    if (n % 3) { /* the map's front moves on while it grows */
      tl_sentmap_set_state(&m, tl_sentmap_packet(&m, m.first), TL_SENT_SETTLED);
      tl_sentmap_pop(&m);
    }
  }
  for (uint64_t i = m.first; i < m.last; i++) {
    const struct tl_sent_packet *p = tl_sentmap_packet(&m, i);
    assert_int_equal(p->item_count, p->counter % 7);
    for (uint32_t k = 0; k < p->item_count; k++)
      assert_int_equal(tl_sentmap_item(&m, p, k)->at, p->counter * 100 + k);
  }
  tl_sentmap_deinit(&m);
  assert_int_equal(account.bytes, 0);
}

static void an_abandoned_packet_leaves_nothing(void **state) {
  (void)state;
  struct tl_sentmap m;
  tl_sentmap_init(&m, &account);
  sent(&m, 0, 0, 3);
  assert_int_equal(tl_sentmap_reserve(&m, 2), 0);
  tl_sentmap_add(&m, &(struct tl_sent_item){.at = 1});
  assert_int_equal(tl_sentmap_building(&m), 1);
  tl_sentmap_abandon(&m);
  assert_int_equal(tl_sentmap_building(&m), 0);
  sent(&m, 0, 1, 1);
  assert_int_equal(tl_sentmap_item(&m, tl_sentmap_packet(&m, 1), 0)->at, 100);
  tl_sentmap_deinit(&m);
}

static void the_map_is_bounded(void **state) {
  (void)state;
  struct tl_sentmap m;
  tl_sentmap_init(&m, &account);
  uint64_t n = 0;
  for (; tl_sentmap_reserve(&m, 1) == 0; n++) sent(&m, 0, n, 1);
  assert_int_equal(n, TL_SENTMAP_PACKETS_MAX);
  tl_sentmap_set_state(&m, tl_sentmap_packet(&m, m.first), TL_SENT_SETTLED);
  tl_sentmap_pop(&m);
  assert_int_equal(tl_sentmap_reserve(&m, 1), 0);
  assert_int_equal(tl_sentmap_reserve(&m, TL_SENTMAP_ITEMS_MAX + 1), TL_FULL);
  tl_sentmap_deinit(&m);
}

static void what_was_never_sent_cannot_be_acknowledged(void **state) {
  (void)state;
  struct tl_sentmap m;
  tl_sentmap_init(&m, &account);
  assert_int_equal(tl_sentmap_judge(&m, 0, 0, 0), TULLE_E_PROTOCOL);
  for (uint64_t n = 0; n < 100; n++) sent(&m, 0, n + (n >= 40) + (n >= 70), 1);
  assert_int_equal(tl_sentmap_judge(&m, 0, 0, 39), 0);
  assert_int_equal(tl_sentmap_judge(&m, 0, 41, 70), 0);
  assert_int_equal(tl_sentmap_judge(&m, 0, 72, 101), 0);
  assert_int_equal(tl_sentmap_judge(&m, 0, 40, 40), TULLE_E_PROTOCOL);
  assert_int_equal(tl_sentmap_judge(&m, 0, 0, 50), TULLE_E_PROTOCOL);
  assert_int_equal(tl_sentmap_judge(&m, 0, 60, 90), TULLE_E_PROTOCOL);
  assert_int_equal(tl_sentmap_judge(&m, 0, 101, 102), TULLE_E_PROTOCOL);
  assert_int_equal(tl_sentmap_judge(&m, 1, 0, 0), TULLE_E_PROTOCOL);
  tl_sentmap_deinit(&m);
}

static void old_epochs_are_remembered_for_a_while(void **state) {
  (void)state;
  struct tl_sentmap m;
  tl_sentmap_init(&m, &account);
  for (uint64_t n = 0; n < 10; n++) sent(&m, 0, n, 0);
  for (uint64_t n = 0; n < 5; n++) sent(&m, 1, n, 0);
  assert_int_equal(tl_sentmap_judge(&m, 0, 0, 9), 0);
  assert_int_equal(tl_sentmap_judge(&m, 0, 0, 10), TULLE_E_PROTOCOL);
  sent(&m, 3, 0, 0); /* nothing was sent in epoch 2 */
  assert_int_equal(tl_sentmap_judge(&m, 2, 0, 0), TULLE_E_PROTOCOL);
  assert_int_equal(tl_sentmap_judge(&m, 1, 0, 4), 0);
  assert_int_equal(tl_sentmap_judge(&m, 1, 0, 5), TULLE_E_PROTOCOL);
  assert_int_equal(tl_sentmap_judge(&m, 0, 0, 9), 0);
  tl_sentmap_deinit(&m);
}

static void the_front_leaves_when_it_is_done(void **state) {
  (void)state;
  struct tl_sentmap m;
  tl_sentmap_init(&m, &account);
  assert_false(tl_sentmap_is_front_done(&m, TL_NEVER));
  for (uint64_t n = 0; n < 3; n++) sent(&m, 0, n, 1);
  tl_sentmap_packet(&m, 0)->sent_at = 50;
  assert_false(tl_sentmap_is_front_done(&m, TL_NEVER));
  tl_sentmap_set_state(&m, tl_sentmap_packet(&m, 0), TL_SENT_LOST);
  assert_int_equal(m.in_flight_count, 2);
  assert_int_equal(tl_sentmap_oldest(&m), 1);
  assert_false(tl_sentmap_is_front_done(&m, 50));
  assert_true(tl_sentmap_is_front_done(&m, 51));
  tl_sentmap_set_state(&m, tl_sentmap_packet(&m, 0), TL_SENT_SETTLED);
  assert_int_equal(m.in_flight_count, 2);
  assert_true(tl_sentmap_is_front_done(&m, 0));
  tl_sentmap_pop(&m);
  assert_int_equal(m.first, 1);
  tl_sentmap_deinit(&m);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(packets_are_found_by_name),
      cmocka_unit_test(items_stay_with_their_packets_while_arrays_grow),
      cmocka_unit_test(an_abandoned_packet_leaves_nothing),
      cmocka_unit_test(the_map_is_bounded),
      cmocka_unit_test(what_was_never_sent_cannot_be_acknowledged),
      cmocka_unit_test(old_epochs_are_remembered_for_a_while),
      cmocka_unit_test(the_front_leaves_when_it_is_done),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
