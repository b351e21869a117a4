#include "transport/ring/channel.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/ring/ring_test.h"

#define MESSAGE_BYTES_MAX (8u << 20)

static struct tl_channel a, b;

static int setup(void **state) {
  (void)remember_descriptors(state);
  return tl_channel_pair(TL_RING_BYTES_MIN, MESSAGE_BYTES_MAX, &a, &b);
}

static int teardown(void **state) {
  tl_channel_deinit(&a);
  tl_channel_deinit(&b);
  return check_descriptors(state);
}

static uint8_t bytes[MESSAGE_BYTES_MAX + 1];

static int fill_bytes(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 31 >> 3);
  return 0;
}

static struct tl_send message_of(struct iovec *piece, uint16_t kind, size_t length) {
  *piece = (struct iovec){bytes, length};
  return tl_send_init(kind, piece, 1);
}

static void send_text(struct tl_channel *c, uint16_t kind, const char *text) {
  void *body;
  assert_int_equal(tl_channel_reserve(c, (uint32_t)strlen(text), &body), 0);
  memcpy(body, text, strlen(text));
  tl_channel_commit(c, kind, (uint32_t)strlen(text));
  tl_channel_publish(c);
}

static void expect_text(struct tl_channel *c, uint16_t kind, const char *text) {
  struct tl_message m;
  assert_int_equal(tl_channel_peek(c, &m), 0);
  assert_int_equal(m.kind, kind);
  assert_int_equal(m.length, strlen(text));
  assert_memory_equal(m.body, text, m.length);
  tl_channel_release(c);
}

static void expect_nothing(struct tl_channel *c) {
  struct tl_message m;
  assert_int_equal(tl_channel_peek(c, &m), TL_EMPTY);
}

/* ---- messages in place ---- */

static void a_message_arrives_in_place(void **state) {
  (void)state;
  struct tl_message m;
  expect_nothing(&b);
  send_text(&a, 7, "hello");
  assert_int_equal(tl_channel_peek(&b, &m), 0);
  assert_true(m.is_in_place);
  assert_int_equal(m.sequence, 0);
  expect_text(&b, 7, "hello");
  expect_nothing(&b);
}

static void two_of_the_largest_fit(void **state) {
  (void)state;
  void *body;
  uint32_t most = tl_channel_body_bytes_max(&a);
  assert_int_equal(tl_channel_reserve(&a, most + 1, &body), TULLE_E_TOO_BIG);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(tl_channel_reserve(&a, most, &body), 0);
    tl_channel_commit(&a, 1, most);
  }
  assert_int_equal(tl_channel_reserve(&a, 0, &body), TL_FULL);
  assert_int_equal(a.full_count, 1);
}

static void a_cancelled_reservation_leaves_nothing(void **state) {
  (void)state;
  void *body;
  assert_int_equal(tl_channel_reserve(&a, 100, &body), 0);
  tl_channel_cancel(&a);
  tl_channel_publish(&a);
  expect_nothing(&b);
  send_text(&a, 1, "next");
  expect_text(&b, 1, "next");
}

/* ---- messages in several records ---- */

/* Moves what `a` sends to `b` without a second thread: 0 when a whole message is there. */
static int pump(struct tl_send *s, struct tl_message *out_message) {
  bool is_sent = false;
  for (;;) {
    int r = is_sent ? 0 : tl_channel_push(&a, s);
    if (r && r != TL_FULL) return r;
    is_sent = r == 0;
    tl_channel_publish(&a);
    r = tl_channel_peek(&b, out_message);
    if (r != TL_EMPTY && r != TL_MORE) return r;
  }
}

static void messages_of_all_sizes_arrive_whole(void **state) {
  (void)state;
  const size_t sizes[] = {0, 1, 2031, 2032, 2033, 4096, 4097, 65536, 1000003, MESSAGE_BYTES_MAX, 5};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    struct tl_message m;
    struct iovec pieces[4] = {{bytes, 0},
                              {bytes, sizes[i] / 3},
                              {NULL, 0},
                              {bytes + sizes[i] / 3, sizes[i] - sizes[i] / 3}};
    struct tl_send s = tl_send_init((uint16_t)i, pieces, 4);
    assert_int_equal(pump(&s, &m), 0);
    assert_int_equal(m.kind, i);
    assert_int_equal(m.length, sizes[i]);
    assert_int_equal(m.sequence, s.sequence);
    assert_true(m.is_in_place == (sizes[i] <= 2032));
    if (m.length) assert_memory_equal(m.body, bytes, m.length);
    tl_channel_release(&b);
    expect_nothing(&b);
  }
  tl_channel_trim(&b);
  assert_null(b.message.bytes);
}

static void a_message_of_parts_is_peeked_twice_alike(void **state) {
  (void)state;
  struct iovec piece;
  struct tl_message m, again;
  struct tl_send s = message_of(&piece, 3, 10000);
  assert_int_equal(pump(&s, &m), 0);
  assert_int_equal(tl_channel_peek(&b, &again), 0);
  assert_ptr_equal(m.body, again.body);
  assert_int_equal(m.sequence, again.sequence);
  tl_channel_trim(&b); /* not while it is in use */
  assert_memory_equal(m.body, bytes, m.length);
  tl_channel_release(&b);
}

static void one_message_at_a_time(void **state) {
  (void)state;
  void *body;
  struct iovec piece, other_piece;
  struct tl_send s = message_of(&piece, 3, 10000), other = message_of(&other_piece, 3, 10);
  assert_int_equal(tl_channel_push(&a, &s), TL_FULL);
  assert_int_equal(tl_channel_push(&a, &other), TULLE_E_BUSY);
  assert_int_equal(tl_channel_reserve(&a, 10, &body), TULLE_E_BUSY);
  struct tl_message m;
  assert_int_equal(pump(&s, &m), 0);
  tl_channel_release(&b);
  assert_int_equal(pump(&other, &m), 0);
  tl_channel_release(&b);
}

static void too_big_a_message_is_not_begun(void **state) {
  (void)state;
  struct iovec pieces[2] = {{bytes, TL_MESSAGE_BYTES_MAX}, {bytes, 1}};
  struct tl_send s = tl_send_init(1, pieces, 2);
  assert_int_equal(tl_channel_push(&a, &s), TULLE_E_TOO_BIG);
  tl_channel_publish(&a);
  expect_nothing(&b);
}

static void a_wait_for_room_can_be_taken_up_again(void **state) {
  (void)state;
  struct iovec piece;
  struct tl_message m;
  struct tl_wait past = tl_wait_until(0);
  struct tl_send s = message_of(&piece, 3, 100000);
  int r, rounds = 0;
  do {
    r = tl_channel_send(&a, &s, &past);
    assert_true(r == 0 || r == TULLE_E_DEADLINE);
    int p = tl_channel_peek(&b, &m);
    assert_true(p == 0 || p == TL_EMPTY);
    rounds++;
  } while (r);
  assert_true(rounds > 20);
  assert_int_equal(m.length, 100000);
  assert_memory_equal(m.body, bytes, m.length);
  tl_channel_release(&b);
}

/* A reader never spends more than a turn on a writer that keeps up with it. */
static void putting_together_takes_turns(void **state) {
  (void)state;
  struct tl_segment w, r;
  int fd;
  assert_int_equal(tl_segment_create(TL_SEGMENT_DATA, 8u << 20, &fd), 0);
  assert_int_equal(tl_segment_map(fd, TL_SEGMENT_DATA, TL_SEGMENT_WRITER, 8u << 20, &w), 0);
  assert_int_equal(tl_segment_seal(fd), 0);
  assert_int_equal(tl_segment_map(fd, TL_SEGMENT_DATA, TL_SEGMENT_READER, 8u << 20, &r), 0);
  close(fd);
  assert_int_equal(tl_channel_switch(&a, &w, 1), 0);
  struct tl_message m;
  assert_int_equal(tl_channel_peek(&b, &m), TL_RING_SWITCH);
  assert_int_equal(tl_channel_attach(&b, &r, 1), 0);
  void *body = NULL;
  for (int i = 0; i < 3000; i++) {
    assert_int_equal(tl_ring_reserve(&a.tx, 1000, &body), 0);
    memset(body, 1, 1000);
    tl_ring_commit(&a.tx, 9, i < 2999 ? TL_RECORD_MORE : 0, 1000);
  }
  tl_channel_publish(&a);
  int turns = 0, result;
  while ((result = tl_channel_peek(&b, &m)) == TL_MORE) turns++;
  assert_int_equal(result, 0);
  assert_int_equal(turns, 3000 / TL_TURN_RECORDS_MAX);
  assert_int_equal(m.length, 3000000);
  tl_channel_release(&b);
}

/* ---- abandoning a message ---- */

static void an_abandoned_message_is_dropped(void **state) {
  (void)state;
  struct iovec piece;
  struct tl_message m;
  for (int drained = 0; drained < 2; drained++) {
    struct tl_send s = message_of(&piece, 3, 10000);
    assert_int_equal(tl_channel_push(&a, &s), TL_FULL);
    if (drained) expect_nothing(&b);
    tl_channel_abort(&a, &s);
    tl_channel_abort(&a, &s);
    /* Where the ring was full the ABORT record is still due. */
    assert_int_equal(a.is_abort_due, !drained);
    expect_nothing(&b);
    send_text(&a, 4, "after");
    assert_false(a.is_abort_due);
    expect_text(&b, 4, "after");
  }
  struct tl_send never_begun = message_of(&piece, 3, 10);
  tl_channel_abort(&a, &never_begun);
  expect_nothing(&b);
  struct tl_send s = message_of(&piece, 5, 50000);
  assert_int_equal(pump(&s, &m), 0);
  tl_channel_release(&b);
}

static void a_message_may_follow_a_due_abort(void **state) {
  (void)state;
  struct iovec piece;
  struct tl_message m;
  struct tl_send s = message_of(&piece, 3, 10000);
  assert_int_equal(tl_channel_push(&a, &s), TL_FULL);
  tl_channel_abort(&a, &s);
  struct tl_send next = message_of(&piece, 6, 20000);
  assert_int_equal(tl_channel_push(&a, &next), TL_FULL);
  assert_int_equal(pump(&next, &m), 0);
  assert_int_equal(m.kind, 6);
  assert_int_equal(m.length, 20000);
  assert_memory_equal(m.body, bytes, m.length);
  tl_channel_release(&b);
}

/* ---- a hostile sender ---- */

static void raw(struct tl_channel *c, uint16_t kind, uint16_t flags, uint32_t length) {
  void *body = NULL;
  assert_int_equal(tl_ring_reserve(&c->tx, length, &body), 0);
  memset(body, 0x55, length);
  tl_ring_commit(&c->tx, kind, flags, length);
  tl_channel_publish(c);
}

static void expect_quarantine(struct tl_channel *c) {
  struct tl_message m;
  struct tl_record record;
  struct tl_wait wait = tl_wait_until(TL_NEVER);
  assert_int_equal(tl_channel_peek(c, &m), TULLE_E_PROTOCOL);
  assert_int_equal(tl_channel_peek(c, &m), TULLE_E_PROTOCOL);
  assert_int_equal(tl_channel_peek_record(c, &record), TULLE_E_PROTOCOL);
  assert_int_equal(tl_channel_wait(c, &wait), TULLE_E_PROTOCOL);
  assert_true(tl_channel_arm(c));
}

static void the_kind_may_not_change_inside_a_message(void **state) {
  (void)state;
  raw(&a, 3, TL_RECORD_MORE, 10);
  raw(&a, 4, 0, 10);
  expect_quarantine(&b);
}

static void an_abort_without_a_message_ends_the_channel(void **state) {
  (void)state;
  raw(&a, 0, TL_RECORD_ABORT, 0);
  expect_quarantine(&b);
}

static void an_abort_with_a_body_ends_the_channel(void **state) {
  (void)state;
  raw(&a, 3, TL_RECORD_MORE, 10);
  raw(&a, 3, TL_RECORD_ABORT, 8);
  expect_quarantine(&b);
}

static void an_abort_that_goes_on_ends_the_channel(void **state) {
  (void)state;
  raw(&a, 3, TL_RECORD_MORE, 10);
  raw(&a, 3, TL_RECORD_ABORT | TL_RECORD_MORE, 0);
  expect_quarantine(&b);
}

static void a_message_beyond_the_bound_ends_the_channel(void **state) {
  (void)state;
  struct iovec piece;
  struct tl_message m;
  struct tl_send s = message_of(&piece, 1, MESSAGE_BYTES_MAX + 1);
  assert_int_equal(pump(&s, &m), TULLE_E_PROTOCOL);
  expect_quarantine(&b);
  assert_true(b.message.capacity <= MESSAGE_BYTES_MAX);
}

/* An endless message of empty records costs its sender, not its reader. */
static void empty_parts_take_no_memory(void **state) {
  (void)state;
  struct tl_message m;
  for (int i = 0; i < 100000; i++) {
    raw(&a, 3, TL_RECORD_MORE, 0);
    int r = tl_channel_peek(&b, &m);
    assert_true(r == TL_EMPTY || r == TL_MORE);
  }
  assert_true(b.message.capacity <= 65536);
}

static void a_switch_to_nowhere_waits_for_ever(void **state) {
  (void)state;
  struct tl_message m;
  const struct tl_switch_body body = {8192, 77};
  void *at = NULL;
  assert_int_equal(tl_ring_reserve(&a.tx, sizeof body, &at), 0);
  memcpy(at, &body, sizeof body);
  tl_ring_commit(&a.tx, TL_RECORD_KIND_SWITCH, 0, sizeof body);
  tl_channel_publish(&a);
  for (int i = 0; i < 3; i++) assert_int_equal(tl_channel_peek(&b, &m), TL_RING_SWITCH);
  assert_int_equal(tl_channel_switch_asked(&b).number, 77);
  assert_int_equal(tl_channel_switch_asked(&b).data_bytes, 8192);
}

static void a_switch_home_of_the_wrong_size_ends_the_channel(void **state) {
  (void)state;
  const struct tl_switch_body body = {8192, 0};
  void *at = NULL;
  assert_int_equal(tl_ring_reserve(&a.tx, sizeof body, &at), 0);
  memcpy(at, &body, sizeof body);
  tl_ring_commit(&a.tx, TL_RECORD_KIND_SWITCH, 0, sizeof body);
  tl_channel_publish(&a);
  expect_quarantine(&b);
}

/* ---- what was begun ---- */

static void the_survivor_sees_what_was_begun(void **state) {
  (void)state;
  struct tl_message m;
  send_text(&a, 1, "first");
  send_text(&a, 1, "second");
  assert_false(tl_channel_has_begun(&a, 0));
  assert_int_equal(tl_channel_peek(&b, &m), 0);
  assert_false(tl_channel_has_begun(&a, 0));
  tl_channel_begin(&b, m.sequence);
  assert_true(tl_channel_has_begun(&a, 0));
  assert_false(tl_channel_has_begun(&a, 1));
  tl_channel_release(&b);
  assert_false(tl_channel_has_begun(&a, 1));
}

/* ---- growing and shrinking under traffic ---- */

static void make_area(uint32_t data_bytes, struct tl_segment *out_writer,
                      struct tl_segment *out_reader) {
  int fd;
  if (tl_segment_create(TL_SEGMENT_DATA, data_bytes, &fd)) abort();
  if (tl_segment_map(fd, TL_SEGMENT_DATA, TL_SEGMENT_WRITER, data_bytes, out_writer)) abort();
  if (tl_segment_seal(fd)) abort();
  if (tl_segment_map(fd, TL_SEGMENT_DATA, TL_SEGMENT_READER, data_bytes, out_reader)) abort();
  close(fd);
}

/* What the node does, in a box: the areas that a writer made and its reader has not fetched yet. */
static struct tl_segment offered[4];
static pthread_mutex_t offered_lock = PTHREAD_MUTEX_INITIALIZER;

static void try_to_switch(struct random *random, uint32_t *number) {
  struct tl_segment w, r;
  uint32_t wanted = random_below(random, 3) ? TL_RING_BYTES_MIN << random_below(random, 6) : 0;
  if (!wanted) {
    (void)tl_channel_switch(&a, NULL, 0);
    return;
  }
  make_area(wanted, &w, &r);
  pthread_mutex_lock(&offered_lock);
  tl_segment_unmap(&offered[(*number + 1) % 4]);
  offered[(*number + 1) % 4] = r;
  pthread_mutex_unlock(&offered_lock);
  if (tl_channel_switch(&a, &w, *number + 1) == 0)
    ++*number;
  else
    tl_segment_unmap(&w);
}

#define GROWTH_MESSAGES 20000

/* So many messages are sent at most before an attempt to switch that cannot fail. */
#define GROWTH_SURE 500

static atomic_uint_fast64_t read_count;

static void *read_across_areas(void *unused) {
  struct tl_wait wait = tl_wait_until(TL_NEVER);
  for (uint64_t expected = 0; expected < GROWTH_MESSAGES;) {
    struct tl_message m;
    int r = tl_channel_peek(&b, &m);
    if (r == TL_EMPTY) {
      r = tl_channel_wait(&b, &wait);
    } else if (r == TL_RING_SWITCH) {
      uint32_t number = tl_channel_switch_asked(&b).number;
      pthread_mutex_lock(&offered_lock);
      r = tl_channel_attach(&b, &offered[number % 4], number);
      offered[number % 4] = (struct tl_segment){0};
      pthread_mutex_unlock(&offered_lock);
    } else if (r == 0) {
      uint64_t number;
      memcpy(&number, m.body, sizeof number);
      if (number != expected++) abort();
      tl_channel_release(&b);
      atomic_store(&read_count, expected);
    }
    if (r && r != TL_MORE) abort();
  }
  return unused;
}

/* Most attempts find a reader that is somewhere: they may succeed. But how often is a matter of who
 * runs when, and a smaller area always needs a drained ring: so some attempts wait for one. */
static void areas_change_under_traffic(void **state) {
  (void)state;
  struct random random = {9};
  struct tl_wait wait = tl_wait_until(TL_NEVER);
  uint32_t number = 0;
  pthread_t reader;
  atomic_store(&read_count, 0);
  assert_int_equal(pthread_create(&reader, NULL, read_across_areas, NULL), 0);
  for (uint64_t i = 0; i < GROWTH_MESSAGES; i++) {
    struct iovec pieces[2] = {
        {&i, sizeof i}, {bytes, random_below(&random, random_below(&random, 50) ? 300 : 30000)}};
    struct tl_send s = tl_send_init(1, pieces, 2);
    assert_int_equal(tl_channel_send(&a, &s, &wait), 0);
    bool is_sure = i % GROWTH_SURE == GROWTH_SURE - 1;
    while (is_sure && atomic_load(&read_count) <= i) sched_yield();
    if (is_sure || !random_below(&random, 100)) try_to_switch(&random, &number);
  }
  pthread_join(reader, NULL);
  assert_true(number > 20);
  for (int i = 0; i < 4; i++) tl_segment_unmap(&offered[i]);
}

static void traffic_asks_for_room(void **state) {
  (void)state;
  struct iovec piece;
  struct tl_message m;
  void *body;
  assert_int_equal(tl_channel_wanted_bytes(&a), 0);
  struct tl_send s = message_of(&piece, 1, 30000);
  assert_int_equal(pump(&s, &m), 0);
  tl_channel_release(&b);
  assert_int_equal(tl_channel_wanted_bytes(&a), 65536);
  s = message_of(&piece, 1, MESSAGE_BYTES_MAX);
  assert_int_equal(pump(&s, &m), 0);
  tl_channel_release(&b);
  assert_int_equal(tl_channel_wanted_bytes(&a), 4u << 20);
  a.full_count = 0, a.largest_bytes = 0;
  for (int i = 0; i < 16; i++) {
    assert_int_equal(tl_channel_wanted_bytes(&a), 0);
    while (!tl_channel_reserve(&a, 100, &body)) tl_channel_commit(&a, 1, 100);
  }
  assert_int_equal(tl_channel_wanted_bytes(&a), 4 * TL_RING_BYTES_MIN);
}

static void a_reservation_forbids_a_switch(void **state) {
  (void)state;
  void *body;
  assert_int_equal(tl_channel_reserve(&a, 10, &body), 0);
  assert_int_equal(tl_channel_switch(&a, NULL, 0), TULLE_E_BUSY);
  tl_channel_cancel(&a);
}

/* ---- life ---- */

static void ends_can_be_made_and_unmade(void **state) {
  (void)state;
  struct tl_channel c = {0}, x, y;
  tl_channel_deinit(&c);
  assert_int_equal(tl_channel_pair(5000, 0, &x, &y), TULLE_E_INVALID);
  for (int i = 0; i < 100; i++) {
    assert_int_equal(tl_channel_pair(TL_RING_BYTES_MIN << i % 5, 0, &x, &y), 0);
    send_text(&x, 1, "in");
    send_text(&y, 1, "out");
    expect_text(&x, 1, "out");
    expect_text(&y, 1, "in");
    tl_channel_deinit(&x);
    tl_channel_deinit(&y);
    tl_channel_deinit(&y);
  }
}

#define pair_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      pair_test(a_message_arrives_in_place),
      pair_test(two_of_the_largest_fit),
      pair_test(a_cancelled_reservation_leaves_nothing),
      pair_test(messages_of_all_sizes_arrive_whole),
      pair_test(a_message_of_parts_is_peeked_twice_alike),
      pair_test(one_message_at_a_time),
      pair_test(too_big_a_message_is_not_begun),
      pair_test(a_wait_for_room_can_be_taken_up_again),
      pair_test(putting_together_takes_turns),
      pair_test(an_abandoned_message_is_dropped),
      pair_test(a_message_may_follow_a_due_abort),
      pair_test(the_kind_may_not_change_inside_a_message),
      pair_test(an_abort_without_a_message_ends_the_channel),
      pair_test(an_abort_with_a_body_ends_the_channel),
      pair_test(an_abort_that_goes_on_ends_the_channel),
      pair_test(a_message_beyond_the_bound_ends_the_channel),
      pair_test(empty_parts_take_no_memory),
      pair_test(a_switch_to_nowhere_waits_for_ever),
      pair_test(a_switch_home_of_the_wrong_size_ends_the_channel),
      pair_test(the_survivor_sees_what_was_begun),
      pair_test(areas_change_under_traffic),
      pair_test(traffic_asks_for_room),
      pair_test(a_reservation_forbids_a_switch),
      leak_checked(ends_can_be_made_and_unmade),
  };
  return cmocka_run_group_tests(tests, fill_bytes, NULL);
}
