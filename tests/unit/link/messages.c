/* Messages: parts into wholes, each number once, queues on both sides. */
#include <string.h>

#include "tests/unit/test.h"
#include "transport/link/inbox.h"
#include "transport/link/outbox.h"

static struct tl_account account;

static struct tl_frame_msg part_of(const uint8_t *bytes, uint32_t total, uint32_t offset,
                                   size_t size) {
  return (struct tl_frame_msg){
      .total = total, .offset = offset, .bytes = bytes + offset, .size = size, .is_part = true};
}

static void parts_in_any_order_make_a_whole(void **state) {
  (void)state;
  uint8_t bytes[300];
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)i;
  for (uint32_t seed = 0; seed < 200; seed++) {
    struct tl_assembly *a = tl_assembly_new(&account, NULL, 1, sizeof bytes);
    uint32_t x = seed;
    int r = 0, steps = 0;
    while (r == 0) {
      x = x * 1664525 + 1013904223;
      uint32_t at = (x >> 8) % 300, size = 1 + (x >> 20) % 100;
      if (size > 300 - at) size = 300 - at;
      struct tl_frame_msg part = part_of(bytes, 300, at, size);
      r = tl_assembly_push(a, &part);
      assert_true(++steps < 2000);
    }
    assert_int_equal(r, TL_END);
    assert_memory_equal(a->bytes, bytes, sizeof bytes);
    tl_assembly_free(a, &account);
  }
  assert_int_equal(account.bytes, 0);
}

static void parts_that_do_not_agree_or_are_too_many(void **state) {
  (void)state;
  static uint8_t bytes[1000];
  struct tl_assembly *a = tl_assembly_new(&account, NULL, 1, 1000);
  struct tl_frame_msg part = part_of(bytes, 999, 0, 10);
  assert_int_equal(tl_assembly_push(a, &part), TULLE_E_PROTOCOL);
  uint32_t taken = 0;
  for (uint32_t at = 1; at < 1000; at += 2) {
    part = part_of(bytes, 1000, at, 1);
    int r = tl_assembly_push(a, &part);
    assert_true(r == 0 || r == TL_FULL);
    taken += r == 0;
  }
  assert_int_equal(taken, TL_ASSEMBLY_RANGES_MAX);
  part = part_of(bytes, 1000, 0, 1000);
  assert_int_equal(tl_assembly_push(a, &part), TL_END);
  assert_int_equal(tl_assembly_push(a, &part), TL_END); /* still whole, when nobody could take it */
  tl_assembly_free(a, &account);
}

static void each_number_once_in_a_window(void **state) {
  (void)state;
  struct tl_reliable_in *in = tl_reliable_in_new(&account);
  static bool seen[5000];
  uint32_t x = 5;
  memset(seen, 0, sizeof seen);
  while (in->first < 4000) {
    x = x * 1664525 + 1013904223;
    uint64_t id = in->first + (x >> 8) % 1200;
    if ((x & 7) == 0) id = in->first;
    if ((x & 7) == 1) id = (x >> 8) % (in->first + 1);
    int r = tl_reliable_in_judge(in, id);
    if (id >= in->first + TL_INBOX_WINDOW) {
      assert_int_equal(r, TULLE_E_PROTOCOL);
      continue;
    }
    assert_int_equal(r, seen[id] ? TL_END : 0);
    if (r == 0) tl_reliable_in_mark(in, id);
    seen[id] = true;
  }
  assert_int_equal(tl_reliable_in_judge(in, UINT64_MAX >> 2), TULLE_E_PROTOCOL);
  tl_reliable_in_free(in, &account);
}

static void partial_messages_are_found_by_number(void **state) {
  (void)state;
  struct tl_reliable_in *in = tl_reliable_in_new(&account);
  for (uint64_t id = 0; id < 300; id++)
    tl_reliable_in_add(in, tl_assembly_new(&account, NULL, id, 100));
  for (uint64_t id = 0; id < 300; id += 3)
    tl_reliable_in_remove(in, &account, tl_reliable_in_find(in, id));
  for (uint64_t id = 0; id < 300; id++) {
    const struct tl_assembly *a = tl_reliable_in_find(in, id);
    assert_int_equal(a != NULL, id % 3 != 0);
    if (a) assert_int_equal(a->id, id);
  }
  assert_null(tl_reliable_in_find(in, 1000));
  tl_reliable_in_free(in, &account);
  assert_int_equal(account.bytes, 0);
}

static void the_queue_keeps_order_and_bytes(void **state) {
  (void)state;
  struct tl_inbox q;
  struct tl_inbox_message m;
  uint8_t bytes[302];
  uint32_t in = 0, out = 0, x = 9;
  tl_inbox_init(&q);
  while (out < 2000) {
    x = x * 1664525 + 1013904223;
    if (in - out < 50 && (x & 0x100)) {
      memset(bytes, (int)in, sizeof bytes);
      bytes[1] = 3;
      assert_int_equal(tl_inbox_push(&q, &account, in % 2, bytes, 2 + in % 300), 0);
      in++;
    } else if (tl_inbox_next(&q, &m) == 0) {
      assert_int_equal(m.kind, (uint8_t)out);
      assert_int_equal(m.flags, 3);
      assert_int_equal(m.is_reliable, out % 2);
      assert_int_equal(m.size, out % 300);
      for (size_t i = 0; i < m.size; i++) assert_int_equal(m.bytes[i], (uint8_t)out);
      tl_inbox_pop(&q, &account);
      out++;
    }
  }
  tl_inbox_clear(&q, &account);
  assert_int_equal(q.best_effort_bytes, 0);
  assert_int_equal(tl_inbox_next(&q, &m), TL_EMPTY);
  assert_int_equal(account.bytes, 0);
}

static void best_effort_is_bounded_and_reliable_is_not(void **state) {
  (void)state;
  static uint8_t bytes[1002];
  struct tl_inbox q;
  tl_inbox_init(&q);
  int taken = 0;
  while (tl_inbox_push(&q, &account, false, bytes, sizeof bytes) == 0) taken++;
  assert_in_range(taken, 60, 66);
  assert_int_equal(tl_inbox_push(&q, &account, true, bytes, sizeof bytes), 0); /* credit's matter */
  tl_inbox_pop(&q, &account);
  assert_int_equal(tl_inbox_push(&q, &account, false, bytes, sizeof bytes), 0);
  tl_inbox_clear(&q, &account);
}

static void the_row_knows_its_messages(void **state) {
  (void)state;
  struct tl_outbox *o = tl_outbox_new(&account);
  uint64_t at = 0;
  for (uint32_t i = 0; i < 100; i++) {
    assert_non_null(tl_outbox_append(o, &account, 1 + i));
    for (uint64_t b = at; b <= at + i; b++) {
      struct tl_outbox_message m = tl_outbox_find(o, b);
      assert_true(m.id == i && m.start == at && m.end == at + i + 1);
    }
    at += i + 1;
  }
  tl_sendbuf_sent(&o->bytes, 0, at);
  assert_true(tl_sendbuf_acked(&o->bytes, 0, 12)); /* messages 0 to 3 and part of 4 */
  tl_outbox_settle(o, &account);
  assert_int_equal(o->first, 4);
  assert_int_equal(o->bytes.span.base, 10);
  struct tl_outbox_message m = tl_outbox_find(o, 12);
  assert_true(m.id == 4 && m.start == 10 && m.end == 15);
  assert_true(tl_sendbuf_acked(&o->bytes, 12, at - 12));
  tl_outbox_settle(o, &account);
  assert_int_equal(o->first, o->last);
  assert_int_equal(tl_sendbuf_size(&o->bytes), 0);
  tl_outbox_free(o, &account);
  assert_int_equal(account.bytes, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(parts_in_any_order_make_a_whole),
      cmocka_unit_test(parts_that_do_not_agree_or_are_too_many),
      cmocka_unit_test(each_number_once_in_a_window),
      cmocka_unit_test(partial_messages_are_found_by_number),
      cmocka_unit_test(the_queue_keeps_order_and_bytes),
      cmocka_unit_test(best_effort_is_bounded_and_reliable_is_not),
      cmocka_unit_test(the_row_knows_its_messages),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
