/*
 * The rings between two threads over one mapping, for the thread sanitizer.
 *
 * It knows memory by its address, so it sees what a writer and a reader do to each other only when both use
 * the same one; two mappings of one segment, as everywhere else, would hide every race. Bodies are plain
 * memory here: that they are never touched by both at once is what the positions promise.
 */
#include <pthread.h>
#include <string.h>

#include "tests/unit/ring/ring_test.h"

#define MESSAGES 20000

/* Two ends that share both mappings. */
struct twins {
  struct tl_channel a, b;
  struct tl_segment of_a, of_b, area;
};

static struct twins twins;

static struct tl_segment map_once(enum tl_segment_kind kind, uint32_t data_bytes) {
  struct tl_segment s;
  int fd;
  if (tl_segment_create(kind, data_bytes, &fd)) abort();
  if (tl_segment_map(fd, kind, TL_SEGMENT_WRITER, data_bytes, &s)) abort();
  close(fd);
  return s;
}

static int setup(void **state) {
  (void)remember_descriptors(state);
  twins = (struct twins){.of_a = map_once(TL_SEGMENT_PARTY, TL_RING_BYTES_MIN),
                         .of_b = map_once(TL_SEGMENT_PARTY, TL_RING_BYTES_MIN),
                         .area = map_once(TL_SEGMENT_DATA, 4 * TL_RING_BYTES_MIN)};
  int wakes_a = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
      wakes_b = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  tl_channel_init(&twins.a, &twins.of_a, &twins.of_b, wakes_a, dup(wakes_b), 1u << 20);
  tl_channel_init(&twins.b, &twins.of_b, &twins.of_a, wakes_b, dup(wakes_a), 1u << 20);
  return 0;
}

/* Each mapping is unmapped once. */
static int teardown(void **state) {
  twins.b.own.data = twins.b.peer.data = NULL;
  twins.b.peer_data = (struct tl_segment){0};
  tl_channel_deinit(&twins.a);
  tl_channel_deinit(&twins.b);
  return check_descriptors(state);
}

static void change_waits(struct tl_channel *c, struct random *random) {
  const struct tl_parking p = {
      .mode = random_below(random, 2) ? TL_PARKING_DEFAULT : TL_PARKING_SLEEP, .spin_ns = 3000};
  if (random_below(random, 16)) return;
  tl_channel_set_parking(c, &p);
}

/* ---- messages one way, records and parts mixed, each byte looked at ---- */

static uint32_t length_of(uint64_t number) {
  struct random random = {number};
  return 8 + random_below(&random, number % 64 ? 500 : 9000);
}

static void *write_all(void *unused) {
  static uint8_t bytes[10000];
  struct random random = {1};
  struct tl_wait wait = tl_wait_until(TL_NEVER);
  for (uint64_t i = 0; i < MESSAGES; i++) {
    memset(bytes, (int)i, sizeof bytes);
    memcpy(bytes, &i, sizeof i);
    struct iovec piece = {bytes, length_of(i)};
    struct tl_send s = tl_send_init(1, &piece, 1);
    change_waits(&twins.a, &random);
    if (tl_channel_send(&twins.a, &s, &wait)) abort();
    if (i == MESSAGES / 2) {
      /* Not in one step: the ring may be full. */
      while (tl_channel_switch(&twins.a, &twins.area, 1) == TL_FULL)
        if (tl_channel_wait_room(&twins.a, 1000, &wait)) abort();
    }
  }
  return unused;
}

static void messages_one_way(void **state) {
  (void)state;
  struct random random = {2};
  struct tl_wait wait = tl_wait_until(TL_NEVER);
  pthread_t writer;
  assert_int_equal(pthread_create(&writer, NULL, write_all, NULL), 0);
  for (uint64_t i = 0; i < MESSAGES;) {
    struct tl_message m;
    int r = tl_channel_peek(&twins.b, &m);
    change_waits(&twins.b, &random);
    if (r == TL_EMPTY)
      r = tl_channel_wait(&twins.b, &wait);
    else if (r == TL_RING_SWITCH)
      r = tl_channel_attach(&twins.b, &twins.area, 1);
    else if (r == 0) {
      uint64_t number;
      memcpy(&number, m.body, sizeof number);
      assert_int_equal(number, i);
      assert_int_equal(m.length, length_of(i));
      for (size_t k = 8; k < m.length; k++)
        assert_int_equal(((const uint8_t *)m.body)[k], (uint8_t)i);
      tl_channel_begin(&twins.b, m.sequence);
      tl_channel_release(&twins.b);
      i++;
    }
    assert_int_equal(r, 0);
  }
  pthread_join(writer, NULL);
}

/* ---- calls and answers, in place ---- */

static void send_number(struct tl_channel *c, uint64_t number) {
  void *body;
  if (tl_channel_reserve(c, sizeof number, &body)) abort();
  memcpy(body, &number, sizeof number);
  tl_channel_commit(c, 1, sizeof number);
  tl_channel_publish(c);
}

static uint64_t receive_number(struct tl_channel *c) {
  struct tl_message m;
  uint64_t number;
  struct tl_wait wait = tl_wait_until(TL_NEVER);
  while (tl_channel_peek(c, &m))
    if (tl_channel_wait(c, &wait)) abort();
  memcpy(&number, m.body, sizeof number);
  tl_channel_release(c);
  return number;
}

static void *answer_all(void *unused) {
  struct random random = {3};
  for (uint64_t i = 0; i < MESSAGES; i++) {
    change_waits(&twins.b, &random);
    send_number(&twins.b, ~receive_number(&twins.b));
  }
  return unused;
}

static void calls_and_answers(void **state) {
  (void)state;
  struct random random = {4};
  pthread_t server;
  assert_int_equal(pthread_create(&server, NULL, answer_all, NULL), 0);
  for (uint64_t i = 0; i < MESSAGES; i++) {
    change_waits(&twins.a, &random);
    send_number(&twins.a, i);
    assert_true(receive_number(&twins.a) == ~i);
  }
  pthread_join(server, NULL);
}

/* ---- one end, its two sides in two threads ---- */

static void *echo_all(void *unused) {
  struct tl_wait wait = tl_wait_until(TL_NEVER);
  for (uint64_t i = 0; i < MESSAGES; i++) {
    struct tl_message m;
    while (tl_channel_peek(&twins.b, &m))
      if (tl_channel_wait(&twins.b, &wait)) abort();
    struct iovec piece = {(void *)(uintptr_t)m.body, m.length};
    struct tl_send s = tl_send_init(1, &piece, 1);
    if (tl_channel_send(&twins.b, &s, &wait)) abort();
    tl_channel_release(&twins.b);
  }
  tl_channel_flush(&twins.b);
  return unused;
}

static void *send_all(void *unused) {
  struct tl_wait wait = tl_wait_until(TL_NEVER);
  for (uint64_t i = 0; i < MESSAGES; i++) {
    struct iovec piece = {&i, sizeof i};
    struct tl_send s = tl_send_init(1, &piece, 1);
    if (tl_channel_send(&twins.a, &s, &wait)) abort();
  }
  return unused;
}

static void sending_and_receiving_are_independent(void **state) {
  (void)state;
  pthread_t echo, sender;
  assert_int_equal(pthread_create(&echo, NULL, echo_all, NULL), 0);
  assert_int_equal(pthread_create(&sender, NULL, send_all, NULL), 0);
  for (uint64_t i = 0; i < MESSAGES; i++) assert_int_equal(receive_number(&twins.a), i);
  pthread_join(sender, NULL);
  pthread_join(echo, NULL);
}

/* ---- cancelling ---- */

static struct tl_cancel cancel;

static void *cancel_often(void *unused) {
  for (int i = 0; i < 1000; i++) tl_cancel_ring(&cancel);
  return unused;
}

static void cancelling_from_another_thread(void **state) {
  (void)state;
  assert_int_equal(tl_cancel_init(&cancel), 0);
  pthread_t other;
  assert_int_equal(pthread_create(&other, NULL, cancel_often, NULL), 0);
  struct tl_wait wait = {.deadline = TL_NEVER, .events_fd = -1, .cancel = &cancel};
  while (wait.cancel_seen < 1000) {
    assert_int_equal(tl_channel_wait(&twins.a, &wait), TL_WAIT_CANCEL);
    wait.cancel_seen = tl_cancel_seen(&cancel);
  }
  pthread_join(other, NULL);
  tl_cancel_deinit(&cancel);
}

#define twins_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      twins_test(messages_one_way),
      twins_test(calls_and_answers),
      twins_test(sending_and_receiving_are_independent),
      twins_test(cancelling_from_another_thread),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
