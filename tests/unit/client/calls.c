/* Calls that go well, and calls that end otherwise while both sides live. */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "client/channel.h"
#include "tests/unit/client/fixture.h"

static struct fixture f;

static int open_small(void **state) {
  (void)state;
  fixture_open(&f, 1, 4096);
  return 0;
}

static int close_it(void **state) {
  (void)state;
  fixture_close(&f);
  return 0;
}

static void what_is_sent_comes_back(void **state) {
  (void)state;
  static const size_t sizes[] = {0,    1,    64,   235,  237,  238,   239,    240,    1000,
                                 2000, 2040, 4000, 4096, 5000, 65536, 300000, 1 << 20};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) fixture_echo(f.channel, sizes[i]);
}

static void ten_mebibytes_pass_a_ring_of_one_page(void **state) {
  (void)state;
  fixture_echo(f.channel, 10 << 20);
  fixture_echo(f.channel, 64);
}

static void a_call_without_arguments_or_result(void **state) {
  (void)state;
  struct tulle_result result;
  assert_ok(tulle_call(f.channel, "count", NULL, 0, 0, &result));
  assert_int_equal(result.size, 0);
  assert_null(result.data);
  tulle_result_clear(&result);
  assert_ok(tulle_call(f.channel, "count", NULL, 0, 0, NULL));
  assert_int_equal(atomic_load(&fixture_calls), 2);
}

static void twenty_thousand_calls_one_after_another(void **state) {
  (void)state;
  unsigned char args[16];
  for (uint64_t i = 0; i < 20000; i++) {
    struct tulle_result result;
    assert_ok(tulle_call(f.channel, "echo", args, fixture_pack_uint(args, i), 0, &result));
    struct tulle_unpack r = tulle_unpack_on(result.data, result.size);
    assert_true(tulle_unpack_uint(&r) == i);
    tulle_result_clear(&result);
  }
}

static void errors_carry_code_and_text(void **state) {
  (void)state;
  struct tulle_result result;
  assert_code(tulle_call(f.channel, "fail", NULL, 0, 0, &result), TULLE_E_REMOTE);
  assert_int_equal(result.code, 42);
  assert_string_equal(result.text, "no");
  assert_null(result.data);
  tulle_result_clear(&result);
  assert_null(result.text);
  assert_code(tulle_call(f.channel, "fail", NULL, 0, 0, NULL), TULLE_E_REMOTE);
  assert_code(tulle_call(f.channel, "refuse", NULL, 0, 0, &result), TULLE_E_REFUSED);
  assert_int_equal(result.code, 0);
  tulle_result_clear(&result);
}

static void a_wrong_procedure_is_told_with_the_nearest(void **state) {
  (void)state;
  struct tulle_result result;
  assert_code(tulle_call(f.channel, "ecko", NULL, 0, 0, &result), TULLE_E_NO_PROCEDURE);
  assert_string_equal(result.text, "test has no procedure 'ecko'; did you mean 'echo'?");
  tulle_result_clear(&result);
  assert_code(tulle_call(f.channel, "xxxxxxxxxxx", NULL, 0, 0, NULL), TULLE_E_NO_PROCEDURE);
  fixture_echo(f.channel, 10);
}

static void nonsense_is_refused_before_it_is_sent(void **state) {
  (void)state;
  char longer[80];
  struct tulle_channel *c = NULL;
  struct tulle_pending *p;
  memset(longer, 'p', sizeof longer - 1);
  longer[sizeof longer - 1] = 0;
  assert_code(tulle_call(f.channel, "", NULL, 0, 0, NULL), TULLE_E_INVALID);
  assert_code(tulle_call(f.channel, NULL, NULL, 0, 0, NULL), TULLE_E_INVALID);
  assert_code(tulle_call(f.channel, longer, NULL, 0, 0, NULL), TULLE_E_INVALID);
  assert_code(tulle_call(f.channel, "echo", NULL, 7, 0, NULL), TULLE_E_INVALID);
  assert_code(tulle_call(f.channel, "echo", longer, 65u << 20, 0, NULL), TULLE_E_TOO_BIG);
  assert_code(tulle_call_async(f.channel, "echo", NULL, 0, 0, NULL, NULL, &p), TULLE_E_INVALID);
  assert_code(tulle_channel_open(f.client, "../x", NULL, &c), TULLE_E_INVALID);
  assert_code(tulle_channel_open(f.client, longer, NULL, &c), TULLE_E_INVALID);
  assert_code(tulle_channel_open(f.client, NULL, NULL, &c), TULLE_E_INVALID);
  assert_code(tulle_serve(f.server, 0), TULLE_E_INVALID);
  assert_null(c);
}

static void a_bomb_is_answered_and_the_channel_lives(void **state) {
  (void)state;
  static const unsigned char bomb[] = {0xdd, 0x0f, 0xff, 0xff, 0xff};
  static const unsigned char deep[] = {0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91,
                                       0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0xc0};
  static const unsigned char two[] = {0xc0, 0xc0};
  assert_code(tulle_call(f.channel, "echo", bomb, sizeof bomb, 0, NULL), TULLE_E_BAD_MESSAGE);
  assert_code(tulle_call(f.channel, "echo", deep, sizeof deep, 0, NULL), TULLE_E_LIMIT);
  assert_code(tulle_call(f.channel, "echo", two, sizeof two, 0, NULL), TULLE_E_BAD_MESSAGE);
  fixture_echo(f.channel, 10);
}

static void nobody_serves_it(void **state) {
  (void)state;
  struct tulle_channel *c = NULL;
  assert_code(tulle_channel_open(f.client, "nobody", NULL, &c), TULLE_E_NO_SERVICE);
  assert_null(c);
}

/* A service that gets no processor in time is told of the cancel together with the call, which does
 * not run then. So the time is doubled until it ran. */
static void a_held_call_ends_at_its_deadline(void **state) {
  (void)state;
  for (uint64_t ns = 20 * TL_MS; !atomic_load(&fixture_abandoned); ns *= 2) {
    uint64_t begun = tl_time_now();
    assert_code(tulle_call(f.channel, "hold", NULL, 0, ns, NULL), TULLE_E_DEADLINE);
    assert_true(tl_time_now() - begun >= ns);
    fixture_echo(f.channel, 10);
    assert_int_equal(atomic_load(&fixture_calls), atomic_load(&fixture_abandoned));
  }
}

static void the_deadline_goes_with_the_call(void **state) {
  (void)state;
  struct tulle_result result;
  assert_ok(tulle_call(f.channel, "left", NULL, 0, 3 * TL_S, &result));
  struct tulle_unpack r = tulle_unpack_on(result.data, result.size);
  uint64_t left = tulle_unpack_uint(&r);
  assert_true(left <= 3 * TL_S && left > TL_S);
  tulle_result_clear(&result);
  assert_ok(tulle_call(f.channel, "left", NULL, 0, TULLE_FOREVER, &result));
  r = tulle_unpack_on(result.data, result.size);
  assert_true(tulle_unpack_uint(&r) == TULLE_FOREVER);
  tulle_result_clear(&result);
}

/* ---- asynchronous ---- */

static unsigned done, wrong;
static int last_status;

static void completed(void *userdata, int status, const struct tulle_result *result) {
  (void)userdata, (void)result;
  done++;
  last_status = status;
  wrong += status != 0;
}

static void dispatch_until(unsigned wanted) {
  while (done < wanted) assert_true(tulle_dispatch_wait(f.client, TL_S) >= 0);
}

static void reset_counts(void) {
  done = wrong = 0;
  last_status = 1;
}

static void ten_thousand_calls_in_flight_at_once(void **state) {
  (void)state;
  enum { CALLS = 10000 };
  unsigned char args[16];
  reset_counts();
  for (unsigned i = 0; i < CALLS;) {
    int r = tulle_call_async(f.channel, "keep", args, fixture_pack_uint(args, i), 30 * TL_S,
                             completed, NULL, NULL);
    if (r == TULLE_E_AGAIN)
      assert_true(tulle_dispatch(f.client) >= 0);
    else
      assert_ok(r);
    i += r == 0;
  }
  while (fixture_kept() < CALLS) assert_true(tulle_dispatch(f.client) >= 0);
  assert_int_equal(done, 0);
  assert_int_equal(fixture_answer_kept(), CALLS);
  dispatch_until(CALLS);
  assert_int_equal(wrong, 0);
}

/* A service may wait for the room of what was taken, and a program that looks again and again never waits itself. */
static void a_look_that_found_nothing_more_has_looked_for_a_waiting_writer(void **state) {
  (void)state;
  reset_counts();
  assert_ok(tulle_call_async(f.channel, "echo", NULL, 0, 0, completed, NULL, NULL));
  while (done < 1) {
    assert_true(tulle_dispatch(f.client) >= 0);
    sched_yield();
  }
  assert_true(f.channel->ring.rx.tail > 0);
  assert_true(f.channel->ring.rx.looked == f.channel->ring.rx.tail);
}

static void chain(void *userdata, int status, const struct tulle_result *result) {
  unsigned *left = userdata;
  completed(NULL, status, result);
  if (*left && --*left)
    assert_ok(tulle_call_async(f.channel, "echo", "\x01", 1, 0, chain, left, NULL));
}

static void completions_make_further_calls(void **state) {
  (void)state;
  unsigned left[8];
  reset_counts();
  for (unsigned i = 0; i < 8; i++) {
    left[i] = 500;
    assert_ok(tulle_call_async(f.channel, "echo", "\x01", 1, 0, chain, &left[i], NULL));
  }
  dispatch_until(8 * 500);
  assert_int_equal(wrong, 0);
}

static void a_synchronous_call_completes_others(void **state) {
  (void)state;
  reset_counts();
  for (int i = 0; i < 5; i++)
    assert_ok(tulle_call_async(f.channel, "echo", NULL, 0, 0, completed, NULL, NULL));
  fixture_echo(f.channel, 64);
  assert_int_equal(done, 5);
  assert_int_equal(wrong, 0);
}

static void call_within(void *userdata, int status, const struct tulle_result *result) {
  int *code = userdata;
  completed(NULL, status, result);
  *code = tulle_call(f.channel, "echo", NULL, 0, 0, NULL);
}

static void a_completion_may_not_wait_on_its_own_channel(void **state) {
  (void)state;
  int code = 0;
  reset_counts();
  assert_ok(tulle_call_async(f.channel, "echo", NULL, 0, 0, call_within, &code, NULL));
  dispatch_until(1);
  assert_code(code, TULLE_E_DEADLOCK);
}

static void asynchronous_calls_have_deadlines(void **state) {
  (void)state;
  for (uint64_t ns = 20 * TL_MS; !atomic_load(&fixture_abandoned); ns *= 2) {
    reset_counts();
    assert_ok(tulle_call_async(f.channel, "hold", NULL, 0, ns, completed, NULL, NULL));
    assert_ok(tulle_call_async(f.channel, "echo", NULL, 0, 20 * TL_S, completed, NULL, NULL));
    dispatch_until(1);
    assert_int_equal(wrong, 1);
    dispatch_until(2);
    assert_int_equal(wrong, 1);
    assert_int_equal(atomic_load(&fixture_calls), atomic_load(&fixture_abandoned));
  }
}

static void cancelling_ends_a_call_and_tells_the_service(void **state) {
  (void)state;
  struct tulle_pending *p;
  reset_counts();
  assert_ok(tulle_call_async(f.channel, "hold", NULL, 0, 30 * TL_S, completed, NULL, &p));
  fixture_until(&fixture_running, 1);
  tulle_cancel(p);
  dispatch_until(1);
  assert_code(last_status, TULLE_E_CANCELLED);
  fixture_until(&fixture_abandoned, 1);
}

/* The service has taken all that was sent. */
static void until_taken(struct tulle_channel *c) {
  bool is_drained = false;
  while (!is_drained) {
    sched_yield();
    assert_int_equal(tl_ring_is_drained(&c->ring.tx, &is_drained), 0);
  }
}

static void a_cancelled_call_that_has_not_begun_does_not_run(void **state) {
  (void)state;
  struct tulle_pending *p;
  reset_counts();
  assert_ok(tulle_call_async(f.channel, "hold", NULL, 0, 30 * TL_S, completed, NULL, NULL));
  fixture_until(&fixture_running, 1);
  assert_ok(tulle_call_async(f.channel, "count", NULL, 0, 30 * TL_S, completed, NULL, &p));
  tulle_cancel(p);
  dispatch_until(1);
  assert_code(last_status, TULLE_E_CANCELLED);
  /* The held handler asks again and again whether it is abandoned, which takes what stands behind it. */
  until_taken(f.channel);
  fixture_release(true);
  dispatch_until(2);
  fixture_echo(f.channel, 1);
  assert_int_equal(atomic_load(&fixture_calls), 1); /* the held one */
}

static void large_asynchronous_calls_wait_their_turn(void **state) {
  (void)state;
  enum { SIZE = 300000 };
  unsigned char *args = calloc(1, SIZE + 8);
  struct tulle_pack w = tulle_pack_on(args, SIZE + 8);
  tulle_pack_counted_(&w, SIZE, 0, 0, 0xc4, 0xc5);
  w.at += SIZE;
  reset_counts();
  for (unsigned i = 0; i < 4;) {
    int r =
        tulle_call_async(f.channel, "echo", args, tulle_pack_size(&w), 0, completed, NULL, NULL);
    if (r == 0) i++;
    if (r == TULLE_E_AGAIN)
      assert_true(tulle_dispatch_wait(f.client, TL_S) >= 0);
    else
      assert_ok(r);
  }
  dispatch_until(4);
  assert_int_equal(wrong, 0);
  free(args);
}

static void one_way_calls_run_in_order(void **state) {
  (void)state;
  for (int i = 0; i < 1000; i++) assert_ok(tulle_call_one_way(f.channel, "count", NULL, 0));
  fixture_echo(f.channel, 1); /* behind them */
  assert_int_equal(atomic_load(&fixture_calls), 1000);
}

static void one_way_calls_outlive_their_channel(void **state) {
  (void)state;
  struct tulle_channel *c;
  assert_ok(tulle_channel_open(f.client, "test", NULL, &c));
  for (int i = 0; i < 10; i++) assert_ok(tulle_call_one_way(c, "count", NULL, 0));
  tulle_channel_close(c);
  fixture_until(&fixture_calls, 10);
}

static void closing_cancels(void **state) {
  (void)state;
  struct tulle_channel *c;
  reset_counts();
  assert_ok(tulle_channel_open(f.client, "test", NULL, &c));
  assert_ok(tulle_call_async(c, "hold", NULL, 0, 0, completed, NULL, NULL));
  fixture_until(&fixture_running, 1);
  tulle_channel_close(c);
  assert_int_equal(done, 1);
  assert_code(last_status, TULLE_E_CANCELLED);
  fixture_until(&fixture_abandoned, 1);
  fixture_echo(f.channel, 1);
}

/* ---- threads ---- */

static void *call_many(void *argument) {
  struct tulle_channel *c = argument;
  unsigned char args[16];
  intptr_t bad = 0;
  for (uint64_t i = 0; i < 500; i++) {
    struct tulle_result result;
    int r = tulle_call(c, "echo", args, fixture_pack_uint(args, i), 0, &result);
    struct tulle_unpack u = tulle_unpack_on(result.data, result.size);
    bad += r != 0 || tulle_unpack_uint(&u) != i;
    tulle_result_clear(&result);
  }
  return (void *)bad;
}

static void many_threads_share_a_channel(void **state) {
  (void)state;
  enum { THREADS = 8 };
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, call_many, f.channel), 0);
  for (int i = 0; i < THREADS; i++) {
    void *bad;
    pthread_join(threads[i], &bad);
    assert_true(bad == NULL);
  }
}

static void *call_and_time_out(void *argument) {
  struct tulle_channel *c = argument;
  intptr_t bad = 0;
  for (int i = 0; i < 20; i++) {
    int r = tulle_call(c, "keep", NULL, 0, TL_MS, NULL);
    bad += r != TULLE_E_DEADLINE;
  }
  return (void *)bad;
}

static void late_threads_hand_the_channel_on(void **state) {
  (void)state;
  enum { THREADS = 4 };
  pthread_t late[THREADS], good[THREADS];
  for (int i = 0; i < THREADS; i++) {
    assert_int_equal(pthread_create(&late[i], NULL, call_and_time_out, f.channel), 0);
    assert_int_equal(pthread_create(&good[i], NULL, call_many, f.channel), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    void *bad_late, *bad_good;
    pthread_join(late[i], &bad_late);
    pthread_join(good[i], &bad_good);
    assert_true(bad_late == NULL && bad_good == NULL);
  }
}

static void *close_when_running(void *argument) {
  fixture_until(&fixture_running, 1);
  tulle_channel_close(argument);
  return NULL;
}

static void closing_ends_the_calls_of_other_threads(void **state) {
  (void)state;
  struct tulle_channel *c;
  pthread_t thread;
  assert_ok(tulle_channel_open(f.client, "test", NULL, &c));
  assert_int_equal(pthread_create(&thread, NULL, close_when_running, c), 0);
  assert_code(tulle_call(c, "hold", NULL, 0, TULLE_FOREVER, NULL), TULLE_E_CANCELLED);
  pthread_join(thread, NULL);
}

/* ---- who and where ---- */

static void identities_are_the_nodes_word(void **state) {
  (void)state;
  struct tulle_identity self;
  assert_ok(tulle_self(f.client, &self));
  assert_string_equal(self.program, "client");
  assert_true(self.is_local);
  const struct tulle_identity *peer = tulle_channel_peer(f.channel);
  assert_string_equal(peer->program, "server");
  assert_true(peer->client != self.client);
  assert_string_equal(tulle_channel_path(f.channel), "ring");
}

static void finding_reads_all_pages(void **state) {
  (void)state;
  struct tulle_found found[4];
  struct tulle_service *more[4];
  char name[16];
  for (int i = 0; i < 4; i++) {
    snprintf(name, sizeof name, "more%d", i);
    more[i] = fixture_offer(f.client, name);
  }
  assert_int_equal(tulle_find(f.client, NULL, found, 4), 5);
  assert_string_equal(found[0].service, "test");
  assert_string_equal(found[0].node, "fake");
  assert_string_equal(found[0].path, "ring");
  assert_string_equal(found[0].capabilities, "test/thing/10 test/thing/20");
  assert_int_equal(tulle_find(f.client, NULL, NULL, 0), 5);
  assert_code(tulle_find(f.client, "no good/", NULL, 0), TULLE_E_INVALID);
  for (int i = 0; i < 4; i++) tulle_withdraw(more[i]);
  assert_int_equal(tulle_find(f.client, NULL, NULL, 0), 1);
}

static void *offer_late(void *argument) {
  (void)argument;
  return fixture_offer(f.client, "late");
}

static void waiting_for_a_service(void **state) {
  (void)state;
  pthread_t thread;
  void *service;
  assert_ok(tulle_wait(f.client, "test", 0));
  assert_code(tulle_wait(f.client, "late", 10 * TL_MS), TULLE_E_DEADLINE);
  assert_int_equal(pthread_create(&thread, NULL, offer_late, NULL), 0);
  assert_ok(tulle_wait(f.client, "late", 20 * TL_S));
  pthread_join(thread, &service);
  tulle_withdraw(service);
}

static void the_node_is_a_service(void **state) {
  (void)state;
  struct tulle_channel *node, *again;
  struct tulle_result result;
  assert_ok(tulle_channel_open(f.client, "node", NULL, &node));
  assert_ok(tulle_channel_open(f.client, "node", NULL, &again));
  static const unsigned char args[] = "\x81\xa4"
                                      "from"
                                      "\x00";
  assert_ok(tulle_call(node, "list", args, sizeof args - 1, 0, &result));
  assert_true(result.size > 0);
  tulle_result_clear(&result);
  tulle_channel_close(node);
  assert_code(tulle_call(again, "nothing", NULL, 0, 0, NULL), TULLE_E_NO_PROCEDURE);
  tulle_channel_close(again);
  fixture_echo(f.channel, 3);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_small, close_it)
  const struct CMUnitTest tests[] = {
      CASE(what_is_sent_comes_back),
      CASE(ten_mebibytes_pass_a_ring_of_one_page),
      CASE(a_call_without_arguments_or_result),
      CASE(twenty_thousand_calls_one_after_another),
      CASE(errors_carry_code_and_text),
      CASE(a_wrong_procedure_is_told_with_the_nearest),
      CASE(nonsense_is_refused_before_it_is_sent),
      CASE(a_bomb_is_answered_and_the_channel_lives),
      CASE(nobody_serves_it),
      CASE(a_held_call_ends_at_its_deadline),
      CASE(the_deadline_goes_with_the_call),
      CASE(ten_thousand_calls_in_flight_at_once),
      CASE(a_look_that_found_nothing_more_has_looked_for_a_waiting_writer),
      CASE(completions_make_further_calls),
      CASE(a_synchronous_call_completes_others),
      CASE(a_completion_may_not_wait_on_its_own_channel),
      CASE(asynchronous_calls_have_deadlines),
      CASE(cancelling_ends_a_call_and_tells_the_service),
      CASE(a_cancelled_call_that_has_not_begun_does_not_run),
      CASE(large_asynchronous_calls_wait_their_turn),
      CASE(one_way_calls_run_in_order),
      CASE(one_way_calls_outlive_their_channel),
      CASE(closing_cancels),
      CASE(many_threads_share_a_channel),
      CASE(late_threads_hand_the_channel_on),
      CASE(closing_ends_the_calls_of_other_threads),
      CASE(identities_are_the_nodes_word),
      CASE(finding_reads_all_pages),
      CASE(waiting_for_a_service),
      CASE(the_node_is_a_service),
  };
  if (getenv("ONLY")) cmocka_set_test_filter(getenv("ONLY"));
  return cmocka_run_group_tests_name("client calls", tests, NULL, NULL);
}
