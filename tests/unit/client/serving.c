/* The serving side: order, threads, late answers, slow and hostile clients, event loops. */
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/wire/rpc.h"
#include "tests/unit/client/fixture.h"

static struct fixture f;

static int open_serial(void **state) {
  (void)state;
  fixture_open(&f, 1, 4096);
  return 0;
}

static int open_threads(void **state) {
  (void)state;
  fixture_open(&f, 4, 4096);
  return 0;
}

static int open_idle(void **state) {
  (void)state;
  fixture_open(&f, 0, 65536);
  return 0;
}

static int close_it(void **state) {
  (void)state;
  fixture_close(&f);
  return 0;
}

static unsigned done, wrong;
static int last_status;

static void completed(void *userdata, int status, const struct tulle_result *result) {
  (void)userdata, (void)result;
  done++;
  last_status = status;
  wrong += status != 0;
}

static void reset_counts(void) {
  done = wrong = 0;
  last_status = 1;
}

static void dispatch_until(unsigned wanted) {
  while (done < wanted) assert_true(tulle_dispatch_wait(f.client, TL_S) >= 0);
}

/* ---- one at a time, or several ---- */

static void one_thread_is_serial(void **state) {
  (void)state;
  struct tulle_channel *other;
  reset_counts();
  fixture_release(true);
  assert_ok(tulle_channel_open(f.client, "test", NULL, &other));
  for (int i = 0; i < 20; i++) {
    assert_ok(tulle_call_async(f.channel, "hold", NULL, 0, 0, completed, NULL, NULL));
    assert_ok(tulle_call_async(other, "hold", NULL, 0, 0, completed, NULL, NULL));
  }
  dispatch_until(40);
  assert_int_equal(wrong, 0);
  assert_int_equal(atomic_load(&fixture_overlaps), 0);
  tulle_channel_close(other);
}

static void four_threads_run_four_at_once(void **state) {
  (void)state;
  reset_counts();
  for (int i = 0; i < 6; i++)
    assert_ok(tulle_call_async(f.channel, "hold", NULL, 0, 0, completed, NULL, NULL));
  fixture_until(&fixture_running, 4);
  assert_int_equal(done, 0);
  fixture_release(true);
  dispatch_until(6);
  assert_int_equal(wrong, 0);
}

static void threads_share_the_work(void **state) {
  (void)state;
  reset_counts();
  for (unsigned i = 0; i < 2000;) {
    int r = tulle_call_async(f.channel, "count", NULL, 0, 0, completed, NULL, NULL);
    if (r == TULLE_E_AGAIN) assert_true(tulle_dispatch_wait(f.client, TL_S) >= 0);
    i += r == 0;
  }
  dispatch_until(2000);
  assert_int_equal(atomic_load(&fixture_calls), 2000);
  assert_int_equal(wrong, 0);
}

static void the_free_threads_go_on_beside_a_held_one(void **state) {
  (void)state;
  reset_counts();
  assert_ok(tulle_call_async(f.channel, "hold", NULL, 0, 0, completed, NULL, NULL));
  fixture_until(&fixture_running, 1);
  for (int i = 0; i < 50; i++) fixture_echo(f.channel, 100);
  assert_int_equal(done, 0);
  fixture_release(true);
  dispatch_until(1);
}

static void a_busy_server_hears_of_a_cancel(void **state) {
  (void)state;
  struct tulle_pending *p;
  reset_counts();
  assert_ok(tulle_call_async(f.channel, "hold", NULL, 0, 0, completed, NULL, &p));
  fixture_until(&fixture_running, 1);
  tulle_cancel(p);
  fixture_until(&fixture_abandoned, 1);
  dispatch_until(1);
}

/* ---- late answers ---- */

static unsigned order[8], order_count;

static void note_order(void *userdata, int status, const struct tulle_result *result) {
  struct tulle_unpack r = tulle_unpack_on(result->data, result->size);
  completed(userdata, status, result);
  order[order_count++] = (unsigned)tulle_unpack_uint(&r);
}

static void keep_until(unsigned kept) {
  while (fixture_kept() < kept) sched_yield();
}

static void late_answers_come_in_any_order(void **state) {
  (void)state;
  unsigned char args[16];
  reset_counts();
  order_count = 0;
  for (unsigned i = 0; i < 5; i++)
    assert_ok(tulle_call_async(f.channel, "keep", args, fixture_pack_uint(args, i), 0, note_order,
                               NULL, NULL));
  keep_until(5);
  assert_int_equal(fixture_answer_kept(), 5);
  dispatch_until(5);
  for (unsigned i = 0; i < 5; i++) assert_int_equal(order[i], 4 - i);
}

static void a_late_answer_to_nobody_is_no_error(void **state) {
  (void)state;
  struct tulle_channel *c;
  reset_counts();
  assert_ok(tulle_channel_open(f.client, "test", NULL, &c));
  assert_ok(tulle_call_async(c, "keep", NULL, 0, 0, completed, NULL, NULL));
  keep_until(1);
  tulle_channel_close(c);
  fixture_echo(f.channel, 10);
  assert_int_equal(fixture_answer_kept(), 1);
  fixture_echo(f.channel, 10);
}

static void a_late_answer_outlives_its_service_and_attachment(void **state) {
  (void)state;
  reset_counts();
  assert_ok(tulle_call_async(f.channel, "keep", NULL, 0, 0, completed, NULL, NULL));
  keep_until(1);
  f.service = tulle_withdraw(f.service);
  dispatch_until(1);
  assert_true(last_status == TULLE_E_OUTCOME_UNKNOWN);
  fixture_stop_serving(&f);
  f.server = tulle_detach(f.server);
  assert_int_equal(fixture_answer_kept(), 1);
}

static int answer_twice(struct tulle_call_context *call, void *userdata) {
  atomic_uint *refused = userdata;
  int r = tulle_reply(call, NULL, 0);
  if (tulle_reply(call, NULL, 0) == TULLE_E_INVALID) atomic_fetch_add(refused, 1);
  return r;
}

static int answer_too_much(struct tulle_call_context *call, void *userdata) {
  (void)userdata;
  int r = tulle_reply(call, call, (size_t)65 << 20);
  return r == TULLE_E_TOO_BIG ? 7 : 0;
}

static int answer_nothing(struct tulle_call_context *call, void *userdata) {
  (void)call, (void)userdata;
  return 0;
}

static void answers_are_checked(void **state) {
  (void)state;
  atomic_uint refused = 0;
  struct tulle_result result;
  const struct tulle_procedure procedures[] = {{"twice", answer_twice, &refused},
                                               {"much", answer_too_much, NULL},
                                               {"nothing", answer_nothing, NULL}};
  struct tulle_offer offer = {.name = "odd", .procedures = procedures, .procedure_count = 3};
  struct tulle_service *s;
  struct tulle_channel *c;
  assert_ok(tulle_offer(f.server, &offer, &s));
  assert_ok(tulle_channel_open(f.client, "odd", NULL, &c));
  assert_ok(tulle_call(c, "twice", NULL, 0, 0, NULL));
  assert_code(tulle_call(c, "much", NULL, 0, 0, &result), TULLE_E_REMOTE);
  assert_int_equal(result.code, 7);
  tulle_result_clear(&result);
  assert_ok(tulle_call(c, "nothing", NULL, 0, 0, NULL));
  fixture_until(&refused, 1);
  tulle_channel_close(c);
  tulle_withdraw(s);
}

/* ---- offering ---- */

static void bad_offers_are_refused(void **state) {
  (void)state;
  const struct tulle_procedure same[] = {{"a", answer_nothing, NULL}, {"a", answer_nothing, NULL}};
  const struct tulle_procedure none[] = {{"a", NULL, NULL}};
  const struct tulle_procedure odd[] = {{"a b", answer_nothing, NULL}};
  const struct tulle_capability capability[] = {{"no good", 1, NULL}};
  struct tulle_offer offers[] = {
      {.name = "x y"},
      {.name = "s", .procedures = same, .procedure_count = 2},
      {.name = "s", .procedures = none, .procedure_count = 1},
      {.name = "s", .procedures = odd, .procedure_count = 1},
      {.name = "s", .capabilities = capability, .capability_count = 1},
  };
  struct tulle_service *s = NULL;
  for (size_t i = 0; i < sizeof offers / sizeof *offers; i++)
    assert_code(tulle_offer(f.server, &offers[i], &s), TULLE_E_INVALID);
  struct tulle_offer taken = {.name = "test"};
  assert_code(tulle_offer(f.server, &taken, &s), TULLE_E_EXISTS);
  assert_code(tulle_offer(f.client, &taken, &s), TULLE_E_EXISTS);
  taken.name = "node";
  assert_code(tulle_offer(f.client, &taken, &s), TULLE_E_EXISTS);
  assert_null(s);
}

static void many_procedures_are_found(void **state) {
  (void)state;
  enum { COUNT = 200 };
  static char names[COUNT][16];
  static struct tulle_procedure procedures[COUNT];
  struct tulle_offer offer = {.name = "many", .procedures = procedures, .procedure_count = COUNT};
  struct tulle_service *s;
  struct tulle_channel *c;
  for (int i = 0; i < COUNT; i++) {
    snprintf(names[i], sizeof names[i], "p%d", i);
    procedures[i] = (struct tulle_procedure){names[i], answer_nothing, NULL};
  }
  assert_ok(tulle_offer(f.server, &offer, &s));
  assert_ok(tulle_channel_open(f.client, "many", NULL, &c));
  for (int i = 0; i < COUNT; i++) assert_ok(tulle_call(c, names[i], NULL, 0, 0, NULL));
  assert_code(tulle_call(c, "p200", NULL, 0, 0, NULL), TULLE_E_NO_PROCEDURE);
  tulle_channel_close(c);
  tulle_withdraw(s);
}

static void withdrawing_ends_channels(void **state) {
  (void)state;
  struct tulle_channel *c;
  fixture_echo(f.channel, 1);
  f.service = tulle_withdraw(f.service);
  assert_code(tulle_channel_open(f.client, "test", NULL, &c), TULLE_E_NO_SERVICE);
  int r = tulle_call(f.channel, "echo", NULL, 0, 0, NULL);
  assert_true(r == TULLE_E_PEER_GONE);
  f.service = fixture_offer(f.server, "test");
  assert_ok(tulle_channel_open(f.client, "test", NULL, &c));
  fixture_echo(c, 1);
  tulle_channel_close(c);
}

static void *release_soon(void *argument) {
  (void)argument;
  fixture_release(true);
  return NULL;
}

static void withdrawing_waits_for_handlers(void **state) {
  (void)state;
  pthread_t thread;
  reset_counts();
  assert_ok(tulle_call_async(f.channel, "hold", NULL, 0, 0, completed, NULL, NULL));
  fixture_until(&fixture_running, 1);
  assert_int_equal(pthread_create(&thread, NULL, release_soon, NULL), 0);
  f.service = tulle_withdraw(f.service);
  assert_int_equal(atomic_load(&fixture_running), 0);
  pthread_join(thread, NULL);
  dispatch_until(1);
}

/* ---- calls within calls ---- */

static void *serve_far(void *far) {
  return (void *)(intptr_t)tulle_serve(far, 1);
}

static void handlers_may_call(void **state) {
  (void)state;
  struct tulle *far = fixture_attach(&f, "far");
  struct tulle_service *s = fixture_offer(far, "far");
  struct tulle_result result;
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, serve_far, far), 0);
  assert_ok(tulle_call(f.channel, "relay", "\x2a", 1, 0, &result));
  assert_int_equal(result.size, 1);
  tulle_result_clear(&result);
  /* "for ever" becomes what the first caller has left */
  assert_ok(tulle_call(f.channel, "relay", NULL, 0, 2 * TL_S, &result));
  struct tulle_unpack r = tulle_unpack_on(result.data, result.size);
  assert_true(tulle_unpack_uint(&r) <= 2 * TL_S);
  tulle_result_clear(&result);
  tulle_withdraw(s);
  tulle_stop(far);
  pthread_join(thread, NULL);
  tulle_detach(far);
}

/* ---- clients that do not take their answers ---- */

#define GREEDY 40

static void ask_until_full(struct tl_channel *c) {
  unsigned char bytes[64];
  void *body;
  for (uint64_t id = 1;; id++) {
    unsigned char args[16];
    size_t size = fixture_pack_uint(args, 1500);
    struct tl_writer w = tl_writer_on(bytes, sizeof bytes);
    tl_call_encode(&w, &(struct tl_call_head){
                           .id = id, .budget_ns = UINT64_MAX, .name_size = 7, .name = "produce"});
    tl_write_bytes(&w, args, size);
    if (tl_channel_reserve(c, (uint32_t)tl_writer_size(&w), &body) != 0) break;
    memcpy(body, bytes, tl_writer_size(&w));
    tl_channel_commit(c, TL_KIND_CALL, (uint32_t)tl_writer_size(&w));
  }
  tl_channel_publish(c);
}

static void those_who_take_no_answers_hurt_nobody_else(void **state) {
  (void)state;
  struct tl_channel *greedy[GREEDY];
  for (int i = 0; i < GREEDY; i++) {
    greedy[i] = fake_node_open(f.node, "test");
    ask_until_full(greedy[i]);
  }
  for (int i = 0; i < 300; i++) fixture_echo(f.channel, 64);
  /* Two answers of 1,500 bytes fit, one more of each thread is kept, and no further call is taken.
   */
  for (int i = 0; i < GREEDY; i++)
    assert_true(__atomic_load_n(&greedy[i]->peer.page->begun, __ATOMIC_ACQUIRE) <= 4 + f.threads);
  for (int i = 0; i < GREEDY; i++)
    fake_node_close(f.node, greedy[i], TULLE_E_PEER_GONE, UINT64_MAX);
  fixture_echo(f.channel, 64);
}

static void what_waited_for_room_goes_on(void **state) {
  (void)state;
  struct tl_channel *c = fake_node_open(f.node, "test");
  struct tl_wait wait = tl_wait_until(TL_NEVER);
  struct tl_message m;
  ask_until_full(c);
  uint64_t asked = c->tx.sequence;
  for (uint64_t answers = 0; answers < asked;) {
    int r = tl_channel_peek(c, &m);
    if (r == 0) {
      assert_int_equal(m.kind, TL_KIND_REPLY);
      assert_int_equal(m.length, TL_REPLY_HEAD_BYTES + 1503);
      tl_channel_release(c);
      answers++;
    } else if (r == TL_EMPTY) {
      assert_ok(tl_channel_wait(c, &wait));
    } else {
      assert_int_equal(r, TL_MORE);
    }
  }
  fake_node_close(f.node, c, TULLE_E_PEER_GONE, UINT64_MAX);
  fixture_echo(f.channel, 64);
}

/* ---- many clients ---- */

static void more_clients_than_one_thread_can_park_on(void **state) {
  (void)state;
  enum { CLIENTS = 50 };
  struct tulle_channel *channels[CLIENTS];
  for (int i = 0; i < CLIENTS; i++)
    assert_ok(tulle_channel_open(f.client, "test", NULL, &channels[i]));
  reset_counts();
  for (int round = 0; round < 20; round++)
    for (int i = 0; i < CLIENTS; i++)
      assert_ok(tulle_call_async(channels[i], "echo", NULL, 0, 0, completed, NULL, NULL));
  dispatch_until(20 * CLIENTS);
  assert_int_equal(wrong, 0);
  fixture_echo(channels[CLIENTS - 1], 5000);
  for (int i = 0; i < CLIENTS; i++) tulle_channel_close(channels[i]);
  for (int i = 0; i < 10; i++) fixture_echo(f.channel, 100);
}

/* ---- event loops ---- */

static void both_sides_in_one_thread_with_poll(void **state) {
  (void)state;
  struct pollfd fds[2] = {{.fd = tulle_fd(f.server), .events = POLLIN},
                          {.fd = tulle_fd(f.client), .events = POLLIN}};
  assert_true(fds[0].fd >= 0 && fds[1].fd >= 0);
  reset_counts();
  for (unsigned sent = 0; done < 3000;) {
    while (sent < 3000 && sent - done < 200) {
      int r = tulle_call_async(f.channel, "count", NULL, 0, 0, completed, NULL, NULL);
      if (r == TULLE_E_AGAIN) break;
      assert_ok(r);
      sent++;
    }
    assert_true(poll(fds, 2, 10000) > 0);
    if (fds[0].revents) assert_true(tulle_dispatch(f.server) >= 0);
    if (fds[1].revents) assert_true(tulle_dispatch(f.client) >= 0);
  }
  assert_int_equal(wrong, 0);
  assert_int_equal(atomic_load(&fixture_calls), 3000);
}

static void one_turn_is_bounded_and_the_descriptor_stays_readable(void **state) {
  (void)state;
  struct pollfd p = {.fd = tulle_fd(f.server), .events = POLLIN};
  for (int i = 0; i < 320; i++) {
    int r = tulle_call_one_way(f.channel, "count", NULL, 0);
    assert_ok(r);
    if (i == 0) assert_int_equal(poll(&p, 1, 10000), 1);
  }
  int first = tulle_dispatch(f.server);
  assert_true(first > 0 && first <= 256);
  while (atomic_load(&fixture_calls) < 320) {
    assert_int_equal(poll(&p, 1, 10000), 1);
    assert_true(tulle_dispatch(f.server) >= 0);
  }
}

static void the_descriptor_tells_of_deadlines(void **state) {
  (void)state;
  struct pollfd p = {.fd = tulle_fd(f.client), .events = POLLIN};
  reset_counts();
  assert_ok(tulle_call_async(f.channel, "count", NULL, 0, 30 * TL_MS, completed, NULL, NULL));
  while (done == 0) {
    assert_int_equal(poll(&p, 1, 10000), 1);
    assert_true(tulle_dispatch(f.client) >= 0);
  }
  assert_code(last_status, TULLE_E_DEADLINE);
}

static void the_descriptor_tells_of_room(void **state) {
  (void)state;
  struct pollfd p = {.fd = tulle_fd(f.client), .events = POLLIN};
  int r;
  reset_counts();
  unsigned sent = 0;
  while ((r = tulle_call_async(f.channel, "echo", NULL, 0, 0, completed, NULL, NULL)) == 0) sent++;
  assert_code(r, TULLE_E_AGAIN);
  fixture_serve(&f, 1);
  while ((r = tulle_call_async(f.channel, "echo", NULL, 0, 0, completed, NULL, NULL)) != 0) {
    assert_code(r, TULLE_E_AGAIN);
    assert_int_equal(poll(&p, 1, 10000), 1);
    assert_true(tulle_dispatch(f.client) >= 0);
  }
  while (done < sent + 1) {
    assert_int_equal(poll(&p, 1, 10000), 1);
    assert_true(tulle_dispatch(f.client) >= 0);
  }
  assert_int_equal(wrong, 0);
}

static void a_synchronous_call_does_not_silence_the_descriptor(void **state) {
  (void)state;
  struct pollfd p = {.fd = tulle_fd(f.client), .events = POLLIN};
  fixture_serve(&f, 1);
  reset_counts();
  for (unsigned i = 0; i < 100; i++) {
    assert_ok(tulle_call_async(f.channel, "keep", NULL, 0, 0, completed, NULL, NULL));
    fixture_echo(f.channel, 10);
    keep_until(1);
    fixture_answer_kept();
    while (done < i + 1) {
      assert_int_equal(poll(&p, 1, 10000), 1);
      assert_true(tulle_dispatch(f.client) >= 0);
    }
  }
  assert_int_equal(wrong, 0);
}

/* ---- stopping ---- */

static void a_stop_before_serving_counts(void **state) {
  (void)state;
  tulle_stop(f.server);
  assert_ok(tulle_serve(f.server, 1));
  tulle_stop(f.server);
  assert_ok(tulle_serve(f.server, 3));
}

static void on_signal(int number) {
  (void)number;
  tulle_stop(f.server);
}

static void a_signal_handler_may_stop(void **state) {
  (void)state;
  struct sigaction a = {.sa_handler = on_signal}, old;
  sigaction(SIGALRM, &a, &old);
  ualarm(20000, 0);
  assert_ok(tulle_serve(f.server, 2));
  sigaction(SIGALRM, &old, NULL);
}

static void *stop_and_leave(void *argument) {
  tulle_stop(argument);
  return NULL;
}

/* Who has been stopped may detach, however far the one is who stopped it. */
static void detaching_waits_for_the_one_who_stops(void **state) {
  (void)state;
  for (int i = 0; i < 200; i++) {
    pthread_t thread;
    struct tulle *t = fixture_attach(&f, "stopped");
    assert_int_equal(pthread_create(&thread, NULL, stop_and_leave, t), 0);
    assert_ok(tulle_serve(t, 1));
    tulle_detach(t);
    pthread_join(thread, NULL);
  }
}

static void dispatching_beside_serving_is_refused(void **state) {
  (void)state;
  fixture_echo(f.channel, 1);
  assert_code(tulle_dispatch(f.server), TULLE_E_BUSY);
  assert_code(tulle_fd(f.server), TULLE_E_BUSY);
}

int main(void) {
#define CASE(open, name) cmocka_unit_test_setup_teardown(name, open, close_it)
  const struct CMUnitTest tests[] = {
      CASE(open_serial, one_thread_is_serial),
      CASE(open_threads, four_threads_run_four_at_once),
      CASE(open_threads, threads_share_the_work),
      CASE(open_threads, the_free_threads_go_on_beside_a_held_one),
      CASE(open_threads, a_busy_server_hears_of_a_cancel),
      CASE(open_serial, late_answers_come_in_any_order),
      CASE(open_serial, a_late_answer_to_nobody_is_no_error),
      CASE(open_serial, a_late_answer_outlives_its_service_and_attachment),
      CASE(open_serial, answers_are_checked),
      CASE(open_threads, answers_are_checked),
      CASE(open_serial, bad_offers_are_refused),
      CASE(open_serial, many_procedures_are_found),
      CASE(open_serial, withdrawing_ends_channels),
      CASE(open_threads, withdrawing_waits_for_handlers),
      CASE(open_serial, withdrawing_waits_for_handlers),
      CASE(open_serial, handlers_may_call),
      CASE(open_threads, handlers_may_call),
      CASE(open_serial, those_who_take_no_answers_hurt_nobody_else),
      CASE(open_threads, those_who_take_no_answers_hurt_nobody_else),
      CASE(open_serial, what_waited_for_room_goes_on),
      CASE(open_serial, more_clients_than_one_thread_can_park_on),
      CASE(open_threads, more_clients_than_one_thread_can_park_on),
      CASE(open_idle, both_sides_in_one_thread_with_poll),
      CASE(open_idle, one_turn_is_bounded_and_the_descriptor_stays_readable),
      CASE(open_idle, the_descriptor_tells_of_deadlines),
      CASE(open_idle, the_descriptor_tells_of_room),
      CASE(open_idle, a_synchronous_call_does_not_silence_the_descriptor),
      CASE(open_idle, a_stop_before_serving_counts),
      CASE(open_idle, a_signal_handler_may_stop),
      CASE(open_idle, detaching_waits_for_the_one_who_stops),
      CASE(open_serial, dispatching_beside_serving_is_refused),
  };
  if (getenv("ONLY")) cmocka_set_test_filter(getenv("ONLY"));
  return cmocka_run_group_tests_name("client serving", tests, NULL, NULL);
}
