#include "transport/ring/channel.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/test.h"

#define MESSAGE_BYTES_MAX (8u << 20)

static struct tl_channel a, b;

static int setup(void **state) {
  (void)state;
  return tl_channel_pair(TL_RING_BYTES_MIN, MESSAGE_BYTES_MAX, &a, &b);
}

static int teardown(void **state) {
  (void)state;
  tl_channel_deinit(&a);
  tl_channel_deinit(&b);
  return 0;
}

/* ---- one thread ---- */

static void send_text(struct tl_channel *c, uint16_t kind, const char *text) {
  void *body;
  assert_int_equal(tl_channel_reserve(c, (uint32_t)strlen(text), &body), 0);
  memcpy(body, text, strlen(text));
  tl_channel_commit(c, kind, (uint32_t)strlen(text));
  tl_channel_publish(c);
}

static void a_message_arrives_in_place(void **state) {
  (void)state;
  struct tl_message m;
  assert_int_equal(tl_channel_peek(&b, &m), TL_EMPTY);
  send_text(&a, 7, "hello");
  assert_int_equal(tl_channel_peek(&b, &m), 0);
  assert_int_equal(m.kind, 7);
  assert_int_equal(m.length, 5);
  assert_true(m.is_in_place);
  assert_memory_equal(m.body, "hello", 5);
  tl_channel_release(&b);
  assert_int_equal(tl_channel_peek(&b, &m), TL_EMPTY);
}

/* ---- two threads ---- */

static void *echo_thread(void *unused) {
  (void)unused;
  struct tl_wait wait = tl_wait_until(TL_NEVER);
  struct tl_message m;
  for (;;) {
    int r = tl_channel_peek(&b, &m);
    if (r == TL_EMPTY || r == TL_MORE) {
      if (r == TL_EMPTY) (void)tl_channel_wait(&b, &wait);
      continue;
    }
    assert_int_equal(r, 0);
    struct iovec piece = {(void *)(uintptr_t)m.body, m.length};
    struct tl_send s = tl_send_init(m.kind, &piece, 1);
    assert_int_equal(tl_channel_send(&b, &s, &wait), 0);
    bool is_last = m.kind == 99;
    tl_channel_release(&b);
    if (is_last) return NULL;
  }
}

static void expect_echo(const struct tl_wait *wait, const uint8_t *bytes, size_t size,
                        uint16_t kind) {
  struct tl_message m;
  int r;
  while ((r = tl_channel_peek(&a, &m)))
    if (r == TL_EMPTY) assert_int_equal(tl_channel_wait(&a, wait), 0);
  assert_int_equal(m.kind, kind);
  assert_int_equal(m.length, size);
  assert_memory_equal(m.body, bytes, size);
  tl_channel_release(&a);
}

static void messages_of_all_sizes_come_back(void **state) {
  (void)state;
  static uint8_t bytes[5u << 20];
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 31 >> 3);
  pthread_t echo;
  assert_int_equal(pthread_create(&echo, NULL, echo_thread, NULL), 0);
  struct tl_wait wait = tl_wait_until(tl_time_now() + 30 * TL_S);
  const size_t sizes[] = {0, 1, 64, 2032, 2033, 4096, 100000, sizeof bytes, 3};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    uint16_t kind = i + 1 == sizeof sizes / sizeof *sizes ? 99 : 1;
    struct iovec pieces[2] = {{bytes, sizes[i] / 3},
                              {bytes + sizes[i] / 3, sizes[i] - sizes[i] / 3}};
    struct tl_send s = tl_send_init(kind, pieces, 2);
    assert_int_equal(tl_channel_send(&a, &s, &wait), 0);
    expect_echo(&wait, bytes, sizes[i], kind);
  }
  pthread_join(echo, NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(a_message_arrives_in_place, setup, teardown),
      cmocka_unit_test_setup_teardown(messages_of_all_sizes_come_back, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
