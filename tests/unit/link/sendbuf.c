/* Send buffer: what is lost goes again, what is acknowledged does not, in any order of news. */
#include "transport/link/sendbuf.h"

#include <string.h>

#include "tests/unit/test.h"

static struct tl_account account;

static void write_bytes(struct tl_sendbuf *b, size_t size) {
  uint8_t *at = tl_sendbuf_append(b, &account, size);
  assert_non_null(at);
  memset(at, 1, size);
}

static void news_in_order(void **state) {
  (void)state;
  struct tl_sendbuf b;
  tl_sendbuf_init(&b);
  write_bytes(&b, 100);
  assert_int_equal(tl_sendbuf_unsent(&b), 100);
  tl_sendbuf_sent(&b, 0, 60);
  assert_int_equal(tl_sendbuf_unsent(&b), 40);
  assert_true(tl_sendbuf_acked(&b, 0, 60));
  assert_int_equal(b.acked, 60);
  assert_false(tl_sendbuf_is_settled(&b));
  tl_sendbuf_keep(&b, &account, 60);
  assert_int_equal(tl_sendbuf_size(&b), 40);
  tl_sendbuf_sent(&b, 60, 40);
  assert_true(tl_sendbuf_acked(&b, 60, 40));
  assert_true(tl_sendbuf_is_settled(&b));
  tl_sendbuf_deinit(&b, &account);
}

static void a_loss_goes_again_but_for_what_came(void **state) {
  (void)state;
  struct tl_sendbuf b;
  struct tl_range lost = {0};
  tl_sendbuf_init(&b);
  write_bytes(&b, 100);
  for (uint64_t at = 0; at < 100; at += 10) tl_sendbuf_sent(&b, at, 10);
  assert_false(tl_sendbuf_acked(&b, 30, 10));
  assert_false(tl_sendbuf_acked(&b, 50, 10));
  /* A packet that had [20, 70) is lost: [30, 40) and [50, 60) came otherwise. */
  assert_int_equal(tl_sendbuf_lost(&b, 20, 50), 30);
  assert_true(tl_sendbuf_next_lost(&b, &lost));
  assert_true(lost.start == 20 && lost.end == 30);
  tl_sendbuf_sent(&b, 20, 10);
  assert_true(tl_sendbuf_next_lost(&b, &lost));
  assert_true(lost.start == 40 && lost.end == 50);
  /* A late acknowledgement takes back what waits to go again. */
  assert_false(tl_sendbuf_acked(&b, 40, 10));
  assert_true(tl_sendbuf_next_lost(&b, &lost));
  assert_true(lost.start == 60 && lost.end == 70);
  tl_sendbuf_sent(&b, 60, 5);
  assert_true(tl_sendbuf_next_lost(&b, &lost));
  assert_true(lost.start == 65 && lost.end == 70);
  assert_true(tl_sendbuf_acked(&b, 0, 30));
  assert_int_equal(b.acked, 60);
  tl_sendbuf_deinit(&b, &account);
}

static void old_news_change_nothing(void **state) {
  (void)state;
  struct tl_sendbuf b;
  struct tl_range lost = {0};
  tl_sendbuf_init(&b);
  write_bytes(&b, 50);
  tl_sendbuf_sent(&b, 0, 50);
  assert_true(tl_sendbuf_acked(&b, 0, 40));
  assert_false(tl_sendbuf_acked(&b, 0, 40));
  assert_false(tl_sendbuf_acked(&b, 10, 10));
  assert_int_equal(tl_sendbuf_lost(&b, 0, 40), 0);
  assert_false(tl_sendbuf_next_lost(&b, &lost));
  assert_int_equal(tl_sendbuf_lost(&b, 30, 20), 10);
  assert_true(tl_sendbuf_next_lost(&b, &lost));
  assert_true(lost.start == 40 && lost.end == 50);
  tl_sendbuf_deinit(&b, &account);
}

/* An acknowledged piece that swallows one range and ends where the next begins. */
static void a_wide_piece_joins_ranges_that_touch(void **state) {
  (void)state;
  struct tl_sendbuf b;
  tl_sendbuf_init(&b);
  write_bytes(&b, 100);
  tl_sendbuf_sent(&b, 0, 100);
  assert_false(tl_sendbuf_acked(&b, 20, 10));
  assert_false(tl_sendbuf_acked(&b, 50, 50));
  assert_true(tl_sendbuf_acked(&b, 0, 50));
  assert_int_equal(b.acked, 100);
  tl_sendbuf_deinit(&b, &account);
}

/* Thousands of holes: everything is still sent and settled, only some of it twice. */
static void too_many_holes_cost_only_repetition(void **state) {
  (void)state;
  struct tl_sendbuf b;
  struct tl_range lost = {0};
  uint64_t total = 8 * TL_SENDBUF_RANGES_MAX;
  tl_sendbuf_init(&b);
  write_bytes(&b, total);
  tl_sendbuf_sent(&b, 0, total);
  for (uint64_t at = 1; at < total; at += 2) (void)tl_sendbuf_acked(&b, at, 1);
  assert_true(b.done.count <= TL_SENDBUF_RANGES_MAX);
  for (uint64_t at = 0; at < total; at += 2) (void)tl_sendbuf_lost(&b, at, 1);
  assert_true(b.lost.count <= TL_SENDBUF_RANGES_MAX);
  for (int rounds = 0; tl_sendbuf_next_lost(&b, &lost); rounds++) {
    assert_true(rounds < 10000);
    tl_sendbuf_sent(&b, lost.start, lost.end - lost.start);
    (void)tl_sendbuf_acked(&b, lost.start, lost.end - lost.start);
  }
  assert_true(tl_sendbuf_is_settled(&b));
  tl_sendbuf_deinit(&b, &account);
}

static void random_news_settle_everything(void **state) {
  (void)state;
  for (uint32_t seed = 1; seed <= 300; seed++) {
    struct tl_sendbuf b;
    struct tl_range pieces[400], lost;
    uint32_t x = seed, count = 0;
    tl_sendbuf_init(&b);
    write_bytes(&b, 3000);
    while (!tl_sendbuf_is_settled(&b)) {
      x = x * 1664525 + 1013904223;
      if (count < 400 && tl_sendbuf_next_lost(&b, &lost)) {
        uint64_t size = lost.end - lost.start < 50 ? lost.end - lost.start : 50;
        tl_sendbuf_sent(&b, lost.start, size);
        pieces[count++] = (struct tl_range){lost.start, lost.start + size};
      } else if (count < 400 && tl_sendbuf_unsent(&b)) {
        uint64_t size = tl_sendbuf_unsent(&b) < 37 ? tl_sendbuf_unsent(&b) : 37;
        pieces[count++] = (struct tl_range){b.sent, b.sent + size};
        tl_sendbuf_sent(&b, b.sent, size);
      }
      assert_true(count > 0);
      uint32_t pick = (x >> 8) % count;
      struct tl_range p = pieces[pick];
      if (x >> 28 < 5)
        (void)tl_sendbuf_lost(&b, p.start, p.end - p.start);
      else
        (void)tl_sendbuf_acked(&b, p.start, p.end - p.start);
      pieces[pick] = pieces[--count];
    }
    assert_int_equal(b.acked, 3000);
    assert_false(tl_sendbuf_next_lost(&b, &lost));
    tl_sendbuf_deinit(&b, &account);
  }
  assert_int_equal(account.bytes, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(news_in_order),
      cmocka_unit_test(a_loss_goes_again_but_for_what_came),
      cmocka_unit_test(old_news_change_nothing),
      cmocka_unit_test(a_wide_piece_joins_ranges_that_touch),
      cmocka_unit_test(too_many_holes_cost_only_repetition),
      cmocka_unit_test(random_news_settle_everything),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
