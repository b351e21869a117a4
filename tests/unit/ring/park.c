/*
 * Waiting and waking. Run without arguments it sleeps on futexes, with `descriptors` as on a kernel that
 * lacks futex_waitv.
 *
 * A lost wake does not hang a wait for ever: the clock ends it. So what counts is late_count, the sleeps that
 * the clock ended though something was there and nobody had rung. A waker that loses its processor between
 * publishing and ringing makes one of these too, now and then; nobody_was_forgotten() tells the two apart.
 */
#include "transport/ring/park.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "tests/unit/ring/ring_test.h"

#define ROUNDS 300000

/* Other threads than the test's own must not use cmocka. */
#define must(x)                                                                                    \
  do {                                                                                             \
    if (!(x)) {                                                                                    \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                                      \
      abort();                                                                                     \
    }                                                                                              \
  } while (0)

static struct tl_channel a, b;

static int setup(void **state) {
  (void)remember_descriptors(state);
  return tl_channel_pair(TL_RING_BYTES_MIN, 1u << 20, &a, &b);
}

static int teardown(void **state) {
  tl_channel_deinit(&a);
  tl_channel_deinit(&b);
  return check_descriptors(state);
}

static pthread_t start(void *(*run)(void *), void *argument) {
  pthread_t t;
  must(!pthread_create(&t, NULL, run, argument));
  return t;
}

/* Half of the sleeps are long ones from the start: on all words, or on descriptors. */
static void change_sleep(struct tl_parker *p, struct random *random) {
  p->was_long = random_below(random, 2);
}

/* ---- ping-pong ---- */

/* Sleeps at once, or after a spin that is about as long as a round trip, or much longer. */
static void change_parking(struct tl_channel *c, struct random *random) {
  static const uint32_t spins[] = {1, 300, 1000, 5000, 50000};
  struct tl_parking p = {.mode = random_below(random, 4) ? TL_PARKING_DEFAULT : TL_PARKING_SLEEP};
  p.spin_ns = spins[random_below(random, 5)];
  tl_channel_set_parking(c, &p);
}

static void send_number(struct tl_channel *c, uint64_t number) {
  void *body;
  must(!tl_channel_reserve(c, sizeof number, &body));
  memcpy(body, &number, sizeof number);
  tl_channel_commit(c, 1, sizeof number);
  tl_channel_publish(c);
}

/* A few of the first kind may happen where it is not worth telling. */
#define LATE_MAX 5

/* After a late wake: the peer, who now waits for us, has rung by then, or has forgotten us. */
static bool nobody_was_forgotten(const struct tl_channel *c, uint32_t late_before) {
  const struct tl_parker *p = &c->rx_parker;
  if (p->late_count == late_before) return true;
  while (!__atomic_load_n(&c->peer.page->reader_parked, __ATOMIC_SEQ_CST)) sched_yield();
  return __atomic_load_n(p->bell, __ATOMIC_SEQ_CST) != p->heard;
}

static uint64_t receive_number(struct tl_channel *c, const struct tl_wait *wait) {
  struct tl_message m;
  uint64_t number;
  int r;
  while ((r = tl_channel_peek(c, &m))) {
    must(r == TL_EMPTY);
    must(tl_channel_wait(c, wait) == 0);
  }
  must(m.length == sizeof number);
  memcpy(&number, m.body, sizeof number);
  tl_channel_release(c);
  return number;
}

/* Up to about a round trip, so that the steps of the two meet in every order. */
static void dawdle(struct random *random) {
  for (uint32_t n = random_below(random, 200); n; n--) __asm__ volatile("");
}

static void *answer(void *unused) {
  struct random random = {2};
  struct tl_wait wait = tl_wait_until(TL_NEVER);
  for (uint64_t i = 0; i < ROUNDS; i++) {
    if (i % 4 == 0) change_parking(&b, &random);
    change_sleep(&b.rx_parker, &random);
    uint32_t late = b.rx_parker.late_count;
    dawdle(&random);
    must(receive_number(&b, &wait) == i);
    must(nobody_was_forgotten(&b, late));
    dawdle(&random);
    send_number(&b, ~i);
  }
  return unused;
}

static void no_wake_is_lost(void **state) {
  (void)state;
  struct random random = {1};
  struct tl_wait wait = tl_wait_until(TL_NEVER);
  pthread_t other = start(answer, NULL);
  for (uint64_t i = 0; i < ROUNDS; i++) {
    if (i % 4 == 0) change_parking(&a, &random);
    change_sleep(&a.rx_parker, &random);
    dawdle(&random);
    send_number(&a, i);
    uint32_t late = a.rx_parker.late_count;
    dawdle(&random);
    assert_true(receive_number(&a, &wait) == ~i);
    /* The last time it has nobody to wait for. */
    assert_true(i == ROUNDS - 1 || nobody_was_forgotten(&a, late));
  }
  pthread_join(other, NULL);
}

/* ---- a full ring ---- */

#define STREAM_BYTES (24u << 20)

static void *drain(void *unused) {
  struct random random = {3};
  struct tl_wait wait = tl_wait_until(TL_NEVER);
  uint64_t bytes = 0;
  for (uint64_t n = 0; bytes < STREAM_BYTES; n++) {
    struct tl_message m;
    int r = tl_channel_peek(&b, &m);
    if (r == TL_EMPTY) {
      change_parking(&b, &random);
      change_sleep(&b.rx_parker, &random);
      must(tl_channel_wait(&b, &wait) == 0);
      continue;
    }
    must(r == 0 && m.length >= 8 && !memcmp(m.body, &bytes, 8));
    bytes += m.length;
    tl_channel_release(&b);
  }
  tl_channel_flush(&b);
  return unused;
}

static void both_directions_of_waiting_work_together(void **state) {
  (void)state;
  struct random random = {4};
  struct tl_wait wait = tl_wait_until(TL_NEVER);
  pthread_t other = start(drain, NULL);
  for (uint64_t bytes = 0; bytes < STREAM_BYTES;) {
    uint32_t length = 8 + random_below(&random, random_below(&random, 4) ? 200 : 2000);
    void *body;
    int r = tl_channel_reserve(&a, length, &body);
    if (r == TL_FULL) {
      change_parking(&a, &random);
      change_sleep(&a.tx_parker, &random);
      assert_int_equal(tl_channel_wait_room(&a, length, &wait), 0);
      continue;
    }
    assert_int_equal(r, 0);
    memcpy(body, &bytes, 8);
    tl_channel_commit(&a, 1, length);
    if (random_below(&random, 3)) tl_channel_publish(&a);
    bytes += length;
  }
  tl_channel_publish(&a);
  pthread_join(other, NULL);
  assert_true(b.rx_parker.late_count <= LATE_MAX);
}

/* ---- both directions of one party at once: two threads share the descriptor ---- */

static void *echo_all(void *unused) {
  struct random random = {6};
  struct tl_wait wait = tl_wait_until(TL_NEVER);
  for (uint64_t i = 0; i < ROUNDS / 10; i++) {
    struct tl_message m;
    change_sleep(&b.rx_parker, &random);
    while (tl_channel_peek(&b, &m)) must(tl_channel_wait(&b, &wait) == 0);
    struct iovec piece = {(void *)(uintptr_t)m.body, m.length};
    struct tl_send s = tl_send_init(1, &piece, 1);
    must(tl_channel_send(&b, &s, &wait) == 0);
    tl_channel_release(&b);
  }
  tl_channel_flush(&b);
  return unused;
}

static void *send_all(void *unused) {
  struct random random = {7};
  struct tl_wait wait = tl_wait_until(TL_NEVER);
  uint8_t bytes[200] = {0};
  for (uint64_t i = 0; i < ROUNDS / 10; i++) {
    memcpy(bytes, &i, sizeof i);
    struct iovec piece = {bytes, 8 + i % 190};
    struct tl_send s = tl_send_init(1, &piece, 1);
    change_sleep(&a.tx_parker, &random);
    must(tl_channel_send(&a, &s, &wait) == 0);
  }
  return unused;
}

static void sender_and_receiver_may_wait_at_once(void **state) {
  (void)state;
  const struct tl_parking sleep = {.mode = TL_PARKING_SLEEP};
  struct random random = {8};
  struct tl_wait wait = tl_wait_until(TL_NEVER);
  tl_channel_set_parking(&a, &sleep);
  pthread_t echo = start(echo_all, NULL), sender = start(send_all, NULL);
  for (uint64_t i = 0; i < ROUNDS / 10; i++) {
    struct tl_message m;
    change_sleep(&a.rx_parker, &random);
    while (tl_channel_peek(&a, &m)) assert_int_equal(tl_channel_wait(&a, &wait), 0);
    assert_int_equal(m.length, 8 + i % 190);
    assert_memory_equal(m.body, &i, sizeof i);
    tl_channel_release(&a);
  }
  pthread_join(sender, NULL);
  pthread_join(echo, NULL);
  assert_true(a.rx_parker.late_count <= LATE_MAX);
  assert_true(b.rx_parker.late_count <= LATE_MAX);
}

/* ---- many places ---- */

#define CHANNELS 40

static struct tl_channel many[CHANNELS], far[CHANNELS];

static void *answer_many(void *unused) {
  struct tl_channel_wish list[CHANNELS];
  struct tl_wait wait = tl_wait_until(TL_NEVER);
  for (int i = 0; i < CHANNELS; i++)
    list[i] = (struct tl_channel_wish){.channel = &far[i], .records = true};
  for (uint64_t answered = 0; answered < ROUNDS / 10;) {
    must(tl_channel_wait_any(list, CHANNELS, &wait) == 0);
    for (int i = 0; i < CHANNELS; i++) {
      struct tl_message m;
      if (tl_channel_peek(&far[i], &m)) continue;
      tl_channel_release(&far[i]);
      send_number(&far[i], answered++);
    }
  }
  return unused;
}

static void one_thread_may_wait_at_many(void **state) {
  (void)state;
  struct random random = {5};
  struct tl_wait wait = tl_wait_until(TL_NEVER);
  for (int i = 0; i < CHANNELS; i++)
    assert_int_equal(tl_channel_pair(TL_RING_BYTES_MIN, 0, &many[i], &far[i]), 0);
  pthread_t other = start(answer_many, NULL);
  for (uint64_t i = 0; i < ROUNDS / 10; i++) {
    struct tl_channel *c = &many[random_below(&random, CHANNELS)];
    send_number(c, i);
    assert_int_equal(receive_number(c, &wait), i);
  }
  pthread_join(other, NULL);
  for (int i = 0; i < CHANNELS; i++) {
    assert_true(far[i].rx_parker.late_count <= LATE_MAX);
    assert_true(many[i].rx_parker.late_count <= LATE_MAX);
    tl_channel_deinit(&many[i]);
    tl_channel_deinit(&far[i]);
  }
}

/* Both parties want to send more than fits, so each has to read while it waits for room. */
static void exchange(struct tl_channel *c) {
  struct tl_wait wait = tl_wait_until(TL_NEVER);
  uint64_t sent = 0, received = 0;
  while (sent < ROUNDS / 10 || received < ROUNDS / 10) {
    struct tl_channel_wish wish = {.channel = c, .records = received < ROUNDS / 10};
    struct tl_message m;
    void *body;
    while (sent < ROUNDS / 10 && tl_channel_reserve(c, 100, &body) == 0) {
      memcpy(body, &sent, sizeof sent);
      tl_channel_commit(c, 1, 100);
      sent++;
    }
    tl_channel_publish(c);
    if (tl_channel_peek(c, &m) == 0) {
      must(!memcmp(m.body, &received, sizeof received));
      received++;
      tl_channel_release(c);
      continue;
    }
    if (sent < ROUNDS / 10) {
      int r = tl_channel_await_room(c, 100);
      must(r == 0 || r == TL_FULL);
      wish.room = r == TL_FULL;
      if (!wish.room) continue;
    }
    if (wish.records || wish.room) must(tl_channel_wait_any(&wish, 1, &wait) == 0);
  }
  tl_channel_flush(c);
}

static void *exchange_far(void *unused) {
  exchange(&b);
  return unused;
}

static void records_and_room_are_waited_for_at_once(void **state) {
  (void)state;
  pthread_t other = start(exchange_far, NULL);
  exchange(&a);
  pthread_join(other, NULL);
  assert_true(a.rx_parker.late_count <= LATE_MAX);
  assert_true(b.rx_parker.late_count <= LATE_MAX);
  assert_int_equal(tl_channel_await_room(&a, 100), 0);
  assert_int_equal(tl_channel_await_room(&a, TL_RING_BYTES_MIN), TULLE_E_TOO_BIG);
}

/* ---- event loops ---- */

static void *answer_by_poll(void *unused) {
  struct pollfd p = {.fd = tl_channel_fd(&b), .events = POLLIN};
  for (uint64_t expected = 0; expected < ROUNDS / 10;) {
    struct tl_message m;
    if (tl_channel_peek(&b, &m) == 0) {
      tl_channel_release(&b);
      send_number(&b, expected++);
    } else if (!tl_channel_arm(&b)) {
      must(poll(&p, 1, 1000) == 1);
      tl_channel_disarm(&b);
    }
  }
  return unused;
}

static void a_descriptor_tells_of_records(void **state) {
  (void)state;
  struct tl_wait wait = tl_wait_until(TL_NEVER);
  pthread_t other = start(answer_by_poll, NULL);
  for (uint64_t i = 0; i < ROUNDS / 10; i++) {
    send_number(&a, i);
    assert_int_equal(receive_number(&a, &wait), i);
  }
  pthread_join(other, NULL);
}

static uint64_t descriptor_count(int fd) {
  uint64_t count = 0;
  return read(fd, &count, sizeof count) == sizeof count ? count : 0;
}

static void a_sleeper_is_woken_once(void **state) {
  (void)state;
  struct tl_message m;
  assert_false(tl_channel_arm(&b));
  for (uint64_t i = 0; i < 20; i++) send_number(&a, i);
  assert_int_equal(descriptor_count(tl_channel_fd(&b)), 1);
  for (uint64_t i = 0; i < 20; i++) {
    assert_int_equal(tl_channel_peek(&b, &m), 0);
    tl_channel_release(&b);
  }
  /* Armed and served: silent until armed anew, then once more. */
  send_number(&a, 0);
  assert_int_equal(descriptor_count(tl_channel_fd(&b)), 0);
  assert_true(tl_channel_arm(&b));
  assert_int_equal(tl_channel_peek(&b, &m), 0);
  tl_channel_release(&b);
  assert_false(tl_channel_arm(&b));
  send_number(&a, 0);
  assert_int_equal(descriptor_count(tl_channel_fd(&b)), 1);
  tl_channel_disarm(&b);
  send_number(&a, 0);
  assert_int_equal(descriptor_count(tl_channel_fd(&b)), 0);
}

static void a_descriptor_tells_of_room(void **state) {
  (void)state;
  void *body;
  struct tl_message m;
  assert_true(tl_channel_arm_room(&a, 500));
  while (!tl_channel_reserve(&a, 500, &body)) tl_channel_commit(&a, 1, 500);
  assert_false(tl_channel_arm_room(&a, 500));
  assert_int_equal(tl_channel_peek(&b, &m), 0);
  tl_channel_release(&b);
  tl_channel_flush(&b);
  /* A record's worth, but for less than a quarter of the ring nobody is woken. */
  assert_int_equal(descriptor_count(tl_channel_fd(&a)), 0);
  assert_int_equal(tl_channel_peek(&b, &m), 0);
  tl_channel_release(&b);
  tl_channel_flush(&b);
  assert_int_equal(descriptor_count(tl_channel_fd(&a)), 1);
  tl_channel_disarm_room(&a);
  assert_int_equal(tl_channel_reserve(&a, 500, &body), 0);
}

/* ---- ends of waits ---- */

static const enum tl_parking_mode modes[] = {TL_PARKING_DEFAULT, TL_PARKING_SPIN, TL_PARKING_SLEEP};

static void set_mode(struct tl_channel *c, int i) {
  const struct tl_parking p = {.mode = modes[i]};
  tl_channel_set_parking(c, &p);
}

static void a_deadline_ends_a_wait(void **state) {
  (void)state;
  for (int i = 0; i < 3; i++) {
    set_mode(&b, i);
    struct tl_wait past = tl_wait_until(0), soon = tl_wait_until(tl_time_now() + 2 * TL_MS);
    assert_int_equal(tl_channel_wait(&b, &past), TULLE_E_DEADLINE);
    assert_int_equal(tl_channel_wait(&b, &soon), TULLE_E_DEADLINE);
    assert_true(tl_time_now() >= soon.deadline);
    assert_int_equal(b.own.page->reader_parked, 0);
    send_number(&a, 1);
    assert_int_equal(tl_channel_wait(&b, &past), 0);
    assert_int_equal(receive_number(&b, &past), 1);
  }
}

static void a_deadline_ends_a_wait_for_room(void **state) {
  (void)state;
  void *body;
  while (!tl_channel_reserve(&a, 1000, &body)) tl_channel_commit(&a, 1, 1000);
  for (int i = 0; i < 3; i++) {
    set_mode(&a, i);
    struct tl_wait soon = tl_wait_until(tl_time_now() + 2 * TL_MS);
    assert_int_equal(tl_channel_wait_room(&a, 1000, &soon), TULLE_E_DEADLINE);
    assert_int_equal(a.own.page->writer_parked, 0);
  }
  struct tl_wait soon = tl_wait_until(tl_time_now() + 2 * TL_MS);
  assert_int_equal(tl_channel_wait_room(&a, TL_RING_BYTES_MIN, &soon), TULLE_E_TOO_BIG);
}

static void a_second_ends_a_wait(void **state) {
  (void)state;
  struct tl_wait wait = tl_wait_until(TL_NEVER);
  assert_int_equal(tl_channel_wait(&b, &wait), TL_WAIT_TICK);
}

struct ender {
  struct tl_cancel *cancel;
  uint32_t *events;
  int events_fd;
};

/* Ends the wait of `b` once it can be seen asleep. */
static void *end_wait(void *argument) {
  struct ender *e = argument;
  while (!__atomic_load_n(&b.own.page->reader_parked, __ATOMIC_SEQ_CST)) sched_yield();
  if (e->cancel) tl_cancel_ring(e->cancel);
  if (e->events) tl_events_ring(e->events);
  if (e->events_fd >= 0) eventfd_write(e->events_fd, 1);
  return NULL;
}

/* The first wait may be a short one on the bell alone, the second is not. */
static void wait_is_ended(struct ender *e, struct tl_wait *wait, int expected) {
  const struct tl_parking sleep = {.mode = TL_PARKING_SLEEP};
  tl_channel_set_parking(&b, &sleep);
  for (int i = 0; i < 2; i++) {
    b.rx_parker.was_long = i;
    if (wait->cancel) wait->cancel_seen = tl_cancel_seen(wait->cancel);
    if (wait->events) wait->events_seen = __atomic_load_n(wait->events, __ATOMIC_ACQUIRE);
    pthread_t other = start(end_wait, e);
    assert_int_equal(tl_channel_wait(&b, wait), expected);
    pthread_join(other, NULL);
    /* What happened before the wait ends it as well. */
    assert_int_equal(tl_channel_wait(&b, wait), expected);
    if (e->events_fd >= 0) assert_int_equal(descriptor_count(e->events_fd), 1);
  }
}

static void cancelling_ends_a_wait(void **state) {
  (void)state;
  struct tl_cancel cancel;
  assert_int_equal(tl_cancel_init(&cancel), 0);
  struct tl_wait wait = tl_wait_until(TL_NEVER);
  wait.cancel = &cancel;
  struct ender e = {&cancel, NULL, -1};
  wait_is_ended(&e, &wait, TL_WAIT_CANCEL);
  tl_cancel_deinit(&cancel);
}

static void an_event_ends_a_wait(void **state) {
  (void)state;
  struct tl_wait wait = tl_wait_until(TL_NEVER);
  wait.events = &b.peer.page->events;
  wait.events_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  struct ender e = {NULL, &a.own.page->events, wait.events_fd};
  wait_is_ended(&e, &wait, TL_WAIT_EVENT);
  close(wait.events_fd);
}

/* A record comes before whatever else has happened. */
static void success_goes_first(void **state) {
  (void)state;
  struct tl_cancel cancel;
  assert_int_equal(tl_cancel_init(&cancel), 0);
  struct tl_wait wait = tl_wait_until(0);
  wait.cancel = &cancel;
  tl_cancel_ring(&cancel);
  send_number(&a, 1);
  assert_int_equal(tl_channel_wait(&b, &wait), 0);
  assert_int_equal(receive_number(&b, &wait), 1);
  assert_int_equal(tl_channel_wait(&b, &wait), TL_WAIT_CANCEL);
  tl_cancel_deinit(&cancel);
}

/* ---- a peer that steals and forges wakes ---- */

static struct siege siege;
static bool is_over;

static void *steal(void *unused) {
  static uint32_t elsewhere;
  uint32_t *bell = &siege.own.page->bell;
  while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
    syscall(SYS_futex, bell, FUTEX_REQUEUE, 0, (void *)(uintptr_t)INT32_MAX, &elsewhere, 0);
    (void)descriptor_count(siege.fd_out);
    sched_yield();
  }
  return unused;
}

static void stolen_wakes_delay_but_do_not_lose(void **state) {
  (void)state;
  siege_begin(&siege, TL_RING_BYTES_MIN);
  const struct tl_parking sleep = {.mode = TL_PARKING_SLEEP};
  tl_channel_set_parking(&siege.victim, &sleep);
  __atomic_store_n(&is_over, false, __ATOMIC_RELAXED);
  pthread_t thief = start(steal, NULL);
  for (int i = 0; i < 10; i++) {
    struct tl_wait wait = tl_wait_until(tl_time_now() + 5 * TL_MS);
    assert_int_equal(tl_channel_wait(&siege.victim, &wait), TULLE_E_DEADLINE);
  }
  __atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
  pthread_join(thief, NULL);
  siege_end(&siege);
}

static void *forge(void *unused) {
  struct tl_ring_page *page = siege.own.page;
  for (uint64_t i = 0; !__atomic_load_n(&is_over, __ATOMIC_RELAXED); i++) {
    __atomic_store_n(&page->reader_parked, i, __ATOMIC_RELAXED);
    __atomic_store_n(&page->writer_parked, i, __ATOMIC_RELAXED);
    __atomic_store_n(&page->room_wanted, i << (i % 64), __ATOMIC_RELAXED);
    __atomic_store_n(&page->cpu, (uint32_t)i, __ATOMIC_RELAXED);
    __atomic_fetch_add(&page->bell, 1, __ATOMIC_RELAXED);
    syscall(SYS_futex, &page->bell, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
    eventfd_write(siege.fd_out, UINT64_MAX - 1);
  }
  return unused;
}

static void forged_wakes_end_no_wait_early(void **state) {
  (void)state;
  siege_begin(&siege, TL_RING_BYTES_MIN);
  __atomic_store_n(&is_over, false, __ATOMIC_RELAXED);
  pthread_t forger = start(forge, NULL);
  for (int i = 0; i < 30; i++) {
    set_mode(&siege.victim, i % 3);
    struct tl_wait wait = tl_wait_until(tl_time_now() + 2 * TL_MS);
    assert_int_equal(tl_channel_wait(&siege.victim, &wait), TULLE_E_DEADLINE);
    assert_true(tl_time_now() >= wait.deadline);
    if (i < 20) send_number(&siege.victim, (uint64_t)i);
  }
  __atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
  pthread_join(forger, NULL);
  siege_end(&siege);
}

#define pair_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(int argc, char **argv) {
  if (argc > 1 && !strcmp(argv[1], "descriptors")) tl_park_forbid_waitv();
  const struct CMUnitTest tests[] = {
      pair_test(no_wake_is_lost),
      pair_test(both_directions_of_waiting_work_together),
      pair_test(sender_and_receiver_may_wait_at_once),
      leak_checked(one_thread_may_wait_at_many),
      pair_test(records_and_room_are_waited_for_at_once),
      pair_test(a_descriptor_tells_of_records),
      pair_test(a_sleeper_is_woken_once),
      pair_test(a_descriptor_tells_of_room),
      pair_test(a_deadline_ends_a_wait),
      pair_test(a_deadline_ends_a_wait_for_room),
      pair_test(a_second_ends_a_wait),
      pair_test(cancelling_ends_a_wait),
      pair_test(an_event_ends_a_wait),
      pair_test(success_goes_first),
      leak_checked(stolen_wakes_delay_but_do_not_lose),
      leak_checked(forged_wakes_end_no_wait_early),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
