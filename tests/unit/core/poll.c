/* Descriptors and one timer in an epoll set, and watches that end while events are handed out. */
#include "core/poll.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/list.h"
#include "tests/unit/test.h"

/* An eventfd, how often it was ready, and whom it ends then. */
struct bell {
  struct tl_watch watch;
  int fd;
  unsigned rung;
  struct tl_poller *poller;
  struct bell *ends;
};

static void bell_remove(struct bell *b) {
  tl_poller_remove(b->poller, b->fd, &b->watch);
}

static void bell_ready(struct tl_watch *watch, uint32_t events) {
  struct bell *b = tl_container_of(watch, struct bell, watch);
  assert_true(events & EPOLLIN);
  b->rung++;
  if (b->ends) bell_remove(b->ends);
}

static void bell_add(struct tl_poller *p, struct bell *b, uint32_t events) {
  *b = (struct bell){.watch = {bell_ready}, .poller = p};
  b->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  assert_true(b->fd >= 0);
  assert_int_equal(tl_poller_add(p, b->fd, events, &b->watch), 0);
}

static void ring(struct bell *b) {
  uint64_t one = 1;
  assert_int_equal(write(b->fd, &one, sizeof one), sizeof one);
}

static void turn(struct tl_poller *p, uint64_t deadline) {
  tl_poller_wait(p, deadline);
  tl_poller_dispatch(p);
}

static void test_an_event_leads_to_its_watch(void **state) {
  struct tl_poller p;
  struct bell a, b;
  (void)state;
  assert_int_equal(tl_poller_init(&p), 0);
  bell_add(&p, &a, EPOLLIN);
  bell_add(&p, &b, EPOLLIN | EPOLLET);
  turn(&p, 0);
  assert_int_equal(a.rung + b.rung, 0);
  ring(&a), ring(&b);
  turn(&p, TL_NEVER);
  turn(&p, 0);
  assert_int_equal(a.rung, 2); /* it is still readable, ... */
  assert_int_equal(b.rung, 1); /* ... but this one tells news only */
  close(a.fd), close(b.fd);
  tl_poller_deinit(&p);
}

static void test_nothing_is_waited_for_before_all_is_handed_out(void **state) {
  struct tl_poller p;
  struct bell a;
  (void)state;
  assert_int_equal(tl_poller_init(&p), 0);
  bell_add(&p, &a, EPOLLIN | EPOLLET);
  ring(&a);
  tl_poller_wait(&p, TL_NEVER);
  tl_poller_wait(&p, TL_NEVER); /* returns */
  tl_poller_dispatch(&p);
  tl_poller_dispatch(&p);
  assert_int_equal(a.rung, 1);
  close(a.fd);
  tl_poller_deinit(&p);
}

/* Whichever comes first ends the other one, whose event is there already. */
static void test_a_watch_that_was_removed_hears_nothing(void **state) {
  struct tl_poller p;
  struct bell a, b;
  (void)state;
  assert_int_equal(tl_poller_init(&p), 0);
  bell_add(&p, &a, EPOLLIN);
  bell_add(&p, &b, EPOLLIN);
  a.ends = &b, b.ends = &a;
  ring(&a), ring(&b);
  turn(&p, TL_NEVER);
  assert_int_equal(a.rung + b.rung, 1);
  close(a.fd), close(b.fd);
  tl_poller_deinit(&p);
}

static void test_a_watch_may_end_itself(void **state) {
  struct tl_poller p;
  struct bell a;
  (void)state;
  assert_int_equal(tl_poller_init(&p), 0);
  bell_add(&p, &a, EPOLLIN);
  a.ends = &a;
  ring(&a);
  turn(&p, TL_NEVER);
  turn(&p, 0);
  assert_int_equal(a.rung, 1);
  close(a.fd);
  tl_poller_deinit(&p);
}

static void test_other_events_from_now_on(void **state) {
  struct tl_poller p;
  struct bell a;
  (void)state;
  assert_int_equal(tl_poller_init(&p), 0);
  bell_add(&p, &a, 0);
  ring(&a);
  turn(&p, 0);
  assert_int_equal(a.rung, 0);
  tl_poller_change(&p, a.fd, EPOLLIN, &a.watch);
  turn(&p, TL_NEVER);
  assert_int_equal(a.rung, 1);
  close(a.fd);
  tl_poller_deinit(&p);
}

static void wait_until(struct tl_poller *p, uint64_t deadline) {
  while (tl_time_boot() < deadline) turn(p, deadline);
}

/* A deadline ends a sleep; one that has passed ends it at once; one that moves away is kept to later. */
static void test_deadlines(void **state) {
  struct tl_poller p;
  (void)state;
  assert_int_equal(tl_poller_init(&p), 0);
  uint64_t start = tl_time_boot();
  turn(&p, 1);
  wait_until(&p, start + 2 * TL_MS);
  wait_until(&p, start + 4 * TL_MS);
  tl_poller_wait(&p, 0);
  tl_poller_dispatch(&p);
  wait_until(&p, start + 6 * TL_MS);
  tl_poller_deinit(&p);
}

/* The timer stands at a far deadline: a nearer one takes its place, and stays when the deadline moves away again. */
static void test_a_nearer_deadline(void **state) {
  struct tl_poller p;
  struct bell a;
  (void)state;
  assert_int_equal(tl_poller_init(&p), 0);
  bell_add(&p, &a, EPOLLIN | EPOLLET);
  uint64_t start = tl_time_boot();
  ring(&a);
  turn(&p, start + 3600 * TL_S);
  assert_int_equal(p.set_to, start + 3600 * TL_S);
  ring(&a);
  turn(&p, start + 1800 * TL_S);
  ring(&a);
  turn(&p, start + 3600 * TL_S);
  assert_int_equal(p.set_to, start + 1800 * TL_S);
  assert_int_equal(a.rung, 3);
  wait_until(&p, start + 2 * TL_MS);
  close(a.fd);
  tl_poller_deinit(&p);
}

static void test_what_cannot_be_watched(void **state) {
  struct tl_poller p;
  struct tl_watch watch = {bell_ready};
  (void)state;
  assert_int_equal(tl_poller_init(&p), 0);
  assert_int_equal(tl_poller_add(&p, -1, EPOLLIN, &watch), -EBADF);
  assert_int_equal(tl_poller_add(&p, p.timer_fd, EPOLLIN, &watch), -EEXIST);
  tl_poller_remove(&p, -1, &watch);
  tl_poller_deinit(&p);
  tl_poller_deinit(&p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_an_event_leads_to_its_watch),
      cmocka_unit_test(test_nothing_is_waited_for_before_all_is_handed_out),
      cmocka_unit_test(test_a_watch_that_was_removed_hears_nothing),
      cmocka_unit_test(test_a_watch_may_end_itself),
      cmocka_unit_test(test_other_events_from_now_on),
      cmocka_unit_test(test_deadlines),
      cmocka_unit_test(test_a_nearer_deadline),
      cmocka_unit_test(test_what_cannot_be_watched),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
