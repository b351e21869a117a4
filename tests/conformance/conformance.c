/*
 * The one conformance suite: what the contract promises of a call, wherever the other side is.
 *
 *   conformance PATH
 *
 * runs in the network of one node, while an agent named `agent` (subject.c) is served by the same node, by another
 * node on this host, or by a node in another network namespace. PATH is what every channel must travel over: ring, udp or
 * tcp. Nothing else in here knows which of them it is. settings.sh makes the settings.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/time.h"
#include "tests/unit/test.h"
#include "tulle/tulle.h"

static const char *expected_path;
static struct tulle_channel *agent;

/* ---- helpers ---- */

#define assert_code(expression, code)                                                              \
  do {                                                                                             \
    int got_ = (expression);                                                                       \
    if (got_ != (code))                                                                            \
      fail_msg("%s: %d (%s), expected %d (%s)", #expression, got_, tulle_error_text(got_), (code), \
               tulle_error_text(code));                                                            \
  } while (0)

#define assert_ok(expression) assert_code(expression, 0)

struct subject {
  char name[32];
  uint64_t pid;
  struct tulle_channel *channel;
};

static size_t pack_uint(unsigned char out[16], uint64_t v) {
  struct tulle_pack w = tulle_pack_on(out, 16);
  tulle_pack_uint(&w, v);
  return tulle_pack_size(&w);
}

static uint64_t call_agent_start(const char *name, unsigned threads) {
  unsigned char args[128];
  struct tulle_pack w = tulle_pack_on(args, sizeof args);
  struct tulle_result result;
  tulle_pack_map(&w, 2);
  tulle_pack_text(&w, "name"), tulle_pack_text(&w, name);
  tulle_pack_text(&w, "threads"), tulle_pack_uint(&w, threads);
  assert_ok(tulle_call(agent, "start", args, tulle_pack_size(&w), 0, &result));
  struct tulle_unpack r = tulle_unpack_on(result.data, result.size);
  uint64_t pid = tulle_unpack_uint(&r);
  tulle_result_clear(&result);
  assert_true(pid > 1);
  return pid;
}

static int call_agent_kill(uint64_t pid, int number) {
  unsigned char args[64];
  struct tulle_pack w = tulle_pack_on(args, sizeof args);
  tulle_pack_map(&w, 2);
  tulle_pack_text(&w, "pid"), tulle_pack_uint(&w, pid);
  tulle_pack_text(&w, "signal"), tulle_pack_uint(&w, (uint64_t)number);
  return tulle_call(agent, "kill", args, tulle_pack_size(&w), 0, NULL);
}

/* A fresh subject with a channel to it. */
static struct subject subject_start(unsigned threads) {
  static unsigned number;
  struct subject s = {0};
  snprintf(s.name, sizeof s.name, "subject-%d-%u", (int)getpid(), number++);
  s.pid = call_agent_start(s.name, threads);
  assert_ok(tulle_wait(NULL, s.name, 10 * TL_S));
  assert_ok(tulle_channel_open(NULL, s.name, NULL, &s.channel));
  return s;
}

static void subject_stop(struct subject *s) {
  s->channel = tulle_channel_close(s->channel);
  assert_ok(call_agent_kill(s->pid, SIGKILL));
}

static void subject_counters(const struct subject *s, uint64_t out[3]) {
  struct tulle_result result;
  assert_ok(tulle_call(s->channel, "counters", NULL, 0, 0, &result));
  struct tulle_unpack r = tulle_unpack_on(result.data, result.size);
  assert_int_equal(tulle_unpack_array(&r), 3);
  for (int i = 0; i < 3; i++) out[i] = tulle_unpack_uint(&r);
  tulle_result_clear(&result);
}

/* ---- calls ---- */

static void echo_of(const struct subject *s, const void *data, size_t size) {
  unsigned char *args = malloc(size + 8);
  assert_non_null(args);
  struct tulle_pack w = tulle_pack_on(args, size + 8);
  tulle_pack_bytes(&w, data, size);
  struct tulle_result result;
  assert_ok(tulle_call(s->channel, "echo", args, tulle_pack_size(&w), 20 * TL_S, &result));
  struct tulle_unpack r = tulle_unpack_on(result.data, result.size);
  size_t got;
  const void *back = tulle_unpack_bytes(&r, &got);
  assert_int_equal(got, size);
  if (size) assert_memory_equal(back, data, size);
  tulle_result_clear(&result);
  free(args);
}

static void sizes_and_contents_come_back(void **state) {
  (void)state;
  static const size_t sizes[] = {0,    1,    63,   64,   235,   236,     237,     238,
                                 1000, 4000, 4096, 5000, 65536, 1 << 20, 10 << 20};
  struct subject s = subject_start(1);
  unsigned char *data = malloc(sizes[sizeof sizes / sizeof *sizes - 1]);
  assert_non_null(data);
  for (size_t i = 0; i < (10u << 20); i++) data[i] = (unsigned char)(i + (i >> 8) * 31);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) echo_of(&s, data, sizes[i]);
  assert_string_equal(tulle_channel_path(s.channel), expected_path);
  free(data);
  subject_stop(&s);
}

static void no_arguments_and_no_result(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  struct tulle_result result;
  assert_ok(tulle_call(s.channel, "echo", NULL, 0, 0, &result));
  assert_int_equal(result.size, 0);
  tulle_result_clear(&result);
  subject_stop(&s);
}

static void ten_thousand_calls_one_after_another(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  unsigned char args[16];
  for (uint64_t i = 0; i < 10000; i++) {
    struct tulle_result result;
    assert_ok(tulle_call(s.channel, "echo", args, pack_uint(args, i), 0, &result));
    struct tulle_unpack r = tulle_unpack_on(result.data, result.size);
    assert_true(tulle_unpack_uint(&r) == i);
    tulle_result_clear(&result);
  }
  subject_stop(&s);
}

/* ---- many in flight ---- */

struct flight {
  atomic_uint done, wrong;
  unsigned wanted;
};

static void landed(void *userdata, int status, const struct tulle_result *result) {
  struct flight *f = userdata;
  (void)result;
  atomic_fetch_add(&f->done, 1);
  if (status != 0) atomic_fetch_add(&f->wrong, 1);
}

static void dispatch_until(struct flight *f, unsigned wanted, uint64_t timeout_ns) {
  uint64_t end = tl_time_now() + timeout_ns;
  while (atomic_load(&f->done) < wanted && tl_time_now() < end) {
    int r = tulle_dispatch(NULL);
    assert_true(r >= 0);
    if (r == 0) {
      struct timespec t = {0, 200000};
      nanosleep(&t, NULL);
    }
  }
  assert_int_equal(atomic_load(&f->done), wanted);
}

static void ten_thousand_calls_in_flight(void **state) {
  (void)state;
  enum { CALLS = 10000 };
  struct subject s = subject_start(1);
  struct flight f = {.wanted = CALLS};
  unsigned char args[16];
  for (unsigned i = 0; i < CALLS;) {
    int r =
        tulle_call_async(s.channel, "count", args, pack_uint(args, i), 30 * TL_S, landed, &f, NULL);
    if (r == 0) i++;
    if (r == TULLE_E_AGAIN) r = tulle_dispatch(NULL) < 0 ? TULLE_E_IO : 0;
    assert_ok(r);
  }
  dispatch_until(&f, CALLS, 30 * TL_S);
  assert_int_equal(f.wrong, 0);
  uint64_t counts[3];
  subject_counters(&s, counts);
  assert_true(counts[0] == CALLS); /* each ran, once */
  subject_stop(&s);
}

/* ---- errors ---- */

static void nobody_serves_it(void **state) {
  (void)state;
  struct tulle_channel *c = NULL;
  assert_code(tulle_channel_open(NULL, "nobody.serves.this", NULL, &c), TULLE_E_NO_SERVICE);
  assert_null(c);
}

static void no_such_node(void **state) {
  (void)state;
  struct tulle_channel *c = NULL;
  struct tulle_target target = {.node = "no-such-node"};
  assert_code(tulle_channel_open(NULL, "agent", &target, &c), TULLE_E_NO_PEER);
}

static void no_such_procedure(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  assert_code(tulle_call(s.channel, "ecko", NULL, 0, 0, NULL), TULLE_E_NO_PROCEDURE);
  assert_ok(tulle_call(s.channel, "echo", NULL, 0, 0, NULL)); /* the channel lives on */
  subject_stop(&s);
}

static void errors_of_the_procedure(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  struct tulle_result result;
  assert_code(tulle_call(s.channel, "fail", NULL, 0, 0, &result), TULLE_E_REMOTE);
  assert_int_equal(result.code, 42);
  assert_string_equal(result.text, "the paper is out");
  tulle_result_clear(&result);
  assert_code(tulle_call(s.channel, "refuse", NULL, 0, 0, NULL), TULLE_E_REFUSED);
  subject_stop(&s);
}

static void malformed_arguments_are_refused(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  static const unsigned char bomb[] = {0xdd, 0x0f, 0xff, 0xff, 0xff};
  int r = tulle_call(s.channel, "echo", bomb, sizeof bomb, 0, NULL);
  assert_true(r == TULLE_E_BAD_MESSAGE || r == TULLE_E_INVALID);
  assert_ok(tulle_call(s.channel, "echo", NULL, 0, 0, NULL));
  subject_stop(&s);
}

static void names_that_are_none(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  char longer[80];
  memset(longer, 'p', sizeof longer - 1);
  longer[sizeof longer - 1] = 0;
  assert_code(tulle_call(s.channel, "", NULL, 0, 0, NULL), TULLE_E_INVALID);
  assert_code(tulle_call(s.channel, longer, NULL, 0, 0, NULL), TULLE_E_INVALID);
  struct tulle_channel *c;
  assert_code(tulle_channel_open(NULL, "../x", NULL, &c), TULLE_E_INVALID);
  subject_stop(&s);
}

/* ---- time ---- */

static void a_hung_service_costs_the_deadline_only(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  uint64_t begun = tl_time_now();
  assert_code(tulle_call(s.channel, "hang", NULL, 0, 200 * TL_MS, NULL), TULLE_E_DEADLINE);
  assert_true(tl_time_now() - begun >= 200 * TL_MS);
  subject_stop(&s);
}

static void the_service_hears_of_a_passed_deadline(void **state) {
  (void)state;
  struct subject s = subject_start(2);
  unsigned char args[16];
  assert_code(tulle_call(s.channel, "hold", args, pack_uint(args, 20 * TL_S), 100 * TL_MS, NULL),
              TULLE_E_DEADLINE);
  uint64_t counts[3] = {0};
  for (int i = 0; i < 200 && counts[2] == 0; i++) {
    struct timespec t = {0, 10000000};
    nanosleep(&t, NULL);
    subject_counters(&s, counts);
  }
  assert_true(counts[2] == 1);
  subject_stop(&s);
}

static void cancelling_ends_a_call(void **state) {
  (void)state;
  struct subject s = subject_start(2);
  struct flight f = {0};
  struct tulle_pending *pending;
  unsigned char args[16];
  assert_ok(tulle_call_async(s.channel, "hold", args, pack_uint(args, 20 * TL_S), 30 * TL_S, landed,
                             &f, &pending));
  tulle_cancel(pending);
  dispatch_until(&f, 1, 5 * TL_S);
  assert_int_equal(f.wrong, 1);
  subject_stop(&s);
}

/* ---- order and overlap ---- */

static void serial_by_default(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  struct flight f = {0};
  unsigned char args[16];
  for (int i = 0; i < 20; i++)
    assert_ok(tulle_call_async(s.channel, "hold", args, pack_uint(args, TL_MS), 10 * TL_S, landed,
                               &f, NULL));
  dispatch_until(&f, 20, 10 * TL_S);
  uint64_t counts[3];
  subject_counters(&s, counts);
  assert_true(counts[0] == 20 && counts[1] == 0);
  subject_stop(&s);
}

static void several_at_once_on_request(void **state) {
  (void)state;
  struct subject s = subject_start(4);
  struct flight f = {0};
  unsigned char args[16];
  for (int i = 0; i < 8; i++)
    assert_ok(tulle_call_async(s.channel, "hold", args, pack_uint(args, 30 * TL_MS), 10 * TL_S,
                               landed, &f, NULL));
  dispatch_until(&f, 8, 10 * TL_S);
  uint64_t counts[3];
  subject_counters(&s, counts);
  assert_true(counts[0] == 8 && counts[1] > 0);
  subject_stop(&s);
}

static unsigned order[8], order_count;

static void note_order(void *userdata, int status, const struct tulle_result *result) {
  (void)userdata;
  assert_int_equal(status, 0);
  struct tulle_unpack r = tulle_unpack_on(result->data, result->size);
  order[order_count++] = (unsigned)tulle_unpack_uint(&r);
}

static void replies_may_come_later_in_any_order(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  unsigned char args[16];
  order_count = 0;
  for (unsigned i = 0; i < 5; i++)
    assert_ok(tulle_call_async(s.channel, "keep", args, pack_uint(args, i), 10 * TL_S, note_order,
                               NULL, NULL));
  assert_ok(tulle_call(s.channel, "release", NULL, 0, 0, NULL));
  uint64_t end = tl_time_now() + 10 * TL_S;
  while (order_count < 5 && tl_time_now() < end) assert_true(tulle_dispatch(NULL) >= 0);
  assert_int_equal(order_count, 5);
  for (unsigned i = 0; i < 5; i++) assert_int_equal(order[i], 4 - i);
  subject_stop(&s);
}

static void one_way_calls_run(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  for (int i = 0; i < 100; i++) assert_ok(tulle_call_one_way(s.channel, "count", NULL, 0));
  uint64_t counts[3];
  subject_counters(&s, counts); /* behind them on the same channel */
  assert_true(counts[0] == 100);
  subject_stop(&s);
}

/* ---- death ---- */

static int last_status;

static void note_status(void *userdata, int status, const struct tulle_result *result) {
  (void)result;
  last_status = status;
  landed(userdata, status, result);
}

static void a_killed_service_ends_every_call_truthfully(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  struct flight begun = {0}, waiting = {0};
  assert_ok(tulle_call(s.channel, "count", NULL, 0, 0, NULL));
  assert_ok(tulle_call_async(s.channel, "hang", NULL, 0, 30 * TL_S, note_status, &begun, NULL));
  struct timespec t = {0, 200000000};
  nanosleep(&t,
            NULL); /* time for it to begin; if it has not, the answer below is another, also true */
  assert_ok(call_agent_kill(s.pid, SIGKILL));
  dispatch_until(&begun, 1, 5 * TL_S);
  assert_int_equal(last_status, TULLE_E_OUTCOME_UNKNOWN);
  int r = tulle_call(s.channel, "count", NULL, 0, 0, NULL);
  assert_true(r == TULLE_E_PEER_GONE || r == TULLE_E_CLOSED);
  (void)waiting;
  tulle_channel_close(s.channel);
}

static void calls_behind_a_hung_one_did_not_run(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  struct flight f = {0}, hung = {0};
  assert_ok(tulle_call_async(s.channel, "hang", NULL, 0, 30 * TL_S, landed, &hung, NULL));
  struct timespec t = {0, 200000000};
  nanosleep(&t, NULL);
  assert_ok(tulle_call_async(s.channel, "count", NULL, 0, 30 * TL_S, note_status, &f, NULL));
  nanosleep(&t, NULL);
  assert_ok(call_agent_kill(s.pid, SIGKILL));
  dispatch_until(&f, 1, 5 * TL_S);
  dispatch_until(&hung, 1, 5 * TL_S);
  assert_int_equal(last_status, TULLE_E_PEER_GONE);
  tulle_channel_close(s.channel);
}

static void a_service_that_returns_is_found_again(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  assert_ok(call_agent_kill(s.pid, SIGKILL));
  s.channel = tulle_channel_close(s.channel);
  s.pid = call_agent_start(s.name, 1);
  assert_ok(tulle_wait(NULL, s.name, 10 * TL_S));
  int r = TULLE_E_NO_SERVICE;
  for (int i = 0; i < 100 && r != 0; i++) { /* the old entry may still be on its way out */
    r = tulle_channel_open(NULL, s.name, NULL, &s.channel);
    if (r == 0) r = tulle_call(s.channel, "count", NULL, 0, 0, NULL);
    if (r == 0) break;
    s.channel = tulle_channel_close(s.channel);
    struct timespec t = {0, 20000000};
    nanosleep(&t, NULL);
  }
  assert_int_equal(r, 0);
  subject_stop(&s);
}

/* ---- who and what ---- */

static void the_caller_is_stamped(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  struct tulle_identity me;
  struct tulle_result result;
  assert_ok(tulle_self(NULL, &me));
  assert_ok(tulle_call(s.channel, "whoami", NULL, 0, 0, &result));
  struct tulle_unpack r = tulle_unpack_on(result.data, result.size);
  size_t size;
  assert_int_equal(tulle_unpack_array(&r), 6);
  assert_memory_equal(tulle_unpack_bytes(&r, &size), me.node, 16);
  assert_true(tulle_unpack_uint(&r) == me.client);
  assert_true(tulle_unpack_uint(&r) == getuid());
  assert_true(tulle_unpack_uint(&r) == (uint64_t)getpid());
  assert_int_equal(tulle_unpack_bool(&r), strcmp(expected_path, "ring") == 0);
  tulle_result_clear(&result);
  const struct tulle_identity *peer = tulle_channel_peer(s.channel);
  assert_int_equal(peer->is_local, strcmp(expected_path, "ring") == 0);
  assert_true(peer->pid == s.pid);
  subject_stop(&s);
}

static void found_by_capability(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  struct tulle_found found[16];
  int n = tulle_find(NULL, "test/subject", found, 16);
  assert_true(n >= 1 && n <= 16);
  bool seen = false;
  for (int i = 0; i < n; i++) {
    if (strcmp(found[i].service, s.name) != 0) continue;
    seen = true;
    assert_string_equal(found[i].path, expected_path);
    assert_non_null(strstr(found[i].capabilities, "test/subject"));
  }
  assert_true(seen);
  assert_int_equal(tulle_find(NULL, "test/nothing", found, 16), 0);
  struct tulle_target target = {.capability = "test/subject"};
  struct tulle_channel *c;
  assert_ok(tulle_channel_open(NULL, s.name, &target, &c));
  tulle_channel_close(c);
  subject_stop(&s);
}

static void two_instances_are_two(void **state) {
  (void)state;
  struct subject a = subject_start(1), b = subject_start(1);
  struct tulle_result result;
  uint64_t pids[2];
  struct tulle_channel *channels[2] = {a.channel, b.channel};
  for (int i = 0; i < 2; i++) {
    assert_ok(tulle_call(channels[i], "pid", NULL, 0, 0, &result));
    struct tulle_unpack r = tulle_unpack_on(result.data, result.size);
    pids[i] = tulle_unpack_uint(&r);
    tulle_result_clear(&result);
  }
  assert_true(pids[0] == a.pid && pids[1] == b.pid);
  subject_stop(&a);
  subject_stop(&b);
}

static void waiting_for_a_service_has_a_deadline(void **state) {
  (void)state;
  assert_code(tulle_wait(NULL, "nobody.serves.this", 50 * TL_MS), TULLE_E_DEADLINE);
}

/* ---- clients that misbehave ---- */

/* A caller that takes no reply hurts only itself. */
static void a_caller_that_takes_nothing(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  struct tulle *greedy;
  struct tulle_channel *c;
  struct flight f = {0};
  unsigned char args[16];
  assert_ok(tulle_attach(NULL, &greedy));
  assert_ok(tulle_channel_open(greedy, s.name, NULL, &c));
  int r = 0;
  for (int i = 0; i < 2000 && r == 0; i++) /* replies of 8 KiB that nobody reads */
    r = tulle_call_async(c, "produce", args, pack_uint(args, 8192), 30 * TL_S, landed, &f, NULL);
  assert_true(r == 0 || r == TULLE_E_AGAIN);
  for (int i = 0; i < 100; i++) assert_ok(tulle_call(s.channel, "echo", NULL, 0, 0, NULL));
  tulle_channel_close(c);
  tulle_detach(greedy);
  for (int i = 0; i < 100; i++) assert_ok(tulle_call(s.channel, "echo", NULL, 0, 0, NULL));
  subject_stop(&s);
}

static int open_agent(void **state) {
  (void)state;
  if (tulle_wait(NULL, "agent", 20 * TL_S) != 0) return -1;
  return tulle_channel_open(NULL, "agent", NULL, &agent);
}

static int close_agent(void **state) {
  (void)state;
  agent = tulle_channel_close(agent);
  return 0;
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: conformance ring|udp|tcp\n");
    return 2;
  }
  expected_path = argv[1];
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sizes_and_contents_come_back),
      cmocka_unit_test(no_arguments_and_no_result),
      cmocka_unit_test(ten_thousand_calls_one_after_another),
      cmocka_unit_test(ten_thousand_calls_in_flight),
      cmocka_unit_test(nobody_serves_it),
      cmocka_unit_test(no_such_node),
      cmocka_unit_test(no_such_procedure),
      cmocka_unit_test(errors_of_the_procedure),
      cmocka_unit_test(malformed_arguments_are_refused),
      cmocka_unit_test(names_that_are_none),
      cmocka_unit_test(a_hung_service_costs_the_deadline_only),
      cmocka_unit_test(the_service_hears_of_a_passed_deadline),
      cmocka_unit_test(cancelling_ends_a_call),
      cmocka_unit_test(serial_by_default),
      cmocka_unit_test(several_at_once_on_request),
      cmocka_unit_test(replies_may_come_later_in_any_order),
      cmocka_unit_test(one_way_calls_run),
      cmocka_unit_test(a_killed_service_ends_every_call_truthfully),
      cmocka_unit_test(calls_behind_a_hung_one_did_not_run),
      cmocka_unit_test(a_service_that_returns_is_found_again),
      cmocka_unit_test(the_caller_is_stamped),
      cmocka_unit_test(found_by_capability),
      cmocka_unit_test(two_instances_are_two),
      cmocka_unit_test(waiting_for_a_service_has_a_deadline),
      cmocka_unit_test(a_caller_that_takes_nothing),
  };
  return cmocka_run_group_tests(tests, open_agent, close_agent);
}
