/* Death and the truth about it: of a peer, of the node, of a process; closing, detaching, forking. */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/wire/rpc.h"
#include "tests/unit/client/fixture.h"

static struct fixture f;

static int open_it(void **state) {
  (void)state;
  fixture_open(&f, 1, 4096);
  return 0;
}

static int close_it(void **state) {
  (void)state;
  fixture_close(&f);
  return 0;
}

struct outcome {
  unsigned done;
  int status[8];
};

static void note(void *userdata, int status, const struct tulle_result *result) {
  struct outcome *o = userdata;
  (void)result;
  if (o->done < 8) o->status[o->done] = status;
  o->done++;
}

static void dispatch_until(struct outcome *o, unsigned wanted) {
  while (o->done < wanted) assert_true(tulle_dispatch_wait(f.client, TL_S) >= 0);
}

/* A channel to a service that the test plays itself. */
static struct tulle_channel *open_played(struct tl_channel **out_end) {
  struct tulle_channel *c;
  static unsigned number;
  char name[32];
  snprintf(name, sizeof name, "played%u", number++);
  fake_node_offer(f.node, name);
  assert_ok(tulle_channel_open(f.client, name, NULL, &c));
  *out_end = fake_node_take(f.node);
  return c;
}

/* Takes `count` calls as a server, and answers them with nothing if `answers`. */
static void play(struct tl_channel *end, unsigned count, bool begins, bool answers) {
  struct tl_wait wait = tl_wait_until(TL_NEVER);
  struct tl_message m;
  while (count) {
    struct tl_call_head head = {0};
    void *body;
    if (tl_channel_peek(end, &m) == TL_EMPTY) {
      assert_ok(tl_channel_wait(end, &wait));
      continue;
    }
    struct tl_reader r = tl_reader_on(m.body, m.length);
    assert_int_equal(m.kind, TL_KIND_CALL);
    assert_ok(tl_call_decode(&r, &head));
    if (begins) tl_channel_begin(end, head.id);
    tl_channel_release(end);
    count--;
    if (!answers) continue;
    assert_ok(tl_channel_reserve(end, TL_REPLY_HEAD_BYTES, &body));
    struct tl_writer w = tl_writer_on(body, TL_REPLY_HEAD_BYTES);
    tl_reply_encode(&w, &(struct tl_reply_head){.id = head.id});
    tl_channel_commit(end, TL_KIND_REPLY, TL_REPLY_HEAD_BYTES);
    tl_channel_publish(end);
  }
}

/* ---- death of the peer ---- */

static void the_page_tells_what_had_begun(void **state) {
  (void)state;
  struct outcome o = {0};
  struct tl_channel *end;
  struct tulle_channel *c = open_played(&end);
  for (int i = 0; i < 3; i++) assert_ok(tulle_call_async(c, "x", NULL, 0, 0, note, &o, NULL));
  play(end, 1, true, true);  /* answered */
  play(end, 1, true, false); /* begun */
  play(end, 1, false, false);
  fake_node_close(f.node, end, TULLE_E_PEER_GONE, UINT64_MAX);
  dispatch_until(&o, 3);
  int sum = o.status[0] + o.status[1] + o.status[2];
  assert_int_equal(o.status[0], 0); /* it came before the end was known */
  assert_int_equal(sum, TULLE_E_OUTCOME_UNKNOWN + TULLE_E_PEER_GONE);
  assert_code(tulle_call(c, "x", NULL, 0, 0, NULL), TULLE_E_PEER_GONE);
  assert_code(tulle_call_one_way(c, "x", NULL, 0), TULLE_E_PEER_GONE);
  assert_code(tulle_call_async(c, "x", NULL, 0, 0, note, &o, NULL), TULLE_E_PEER_GONE);
  tulle_channel_close(c);
}

static void the_nodes_word_goes_before_the_page(void **state) {
  (void)state;
  struct outcome o = {0};
  struct tl_channel *end;
  struct tulle_channel *c = open_played(&end);
  for (int i = 0; i < 2; i++) assert_ok(tulle_call_async(c, "x", NULL, 0, 0, note, &o, NULL));
  fake_node_close(f.node, end, TULLE_E_UNREACHABLE, 2);
  dispatch_until(&o, 2);
  assert_int_equal(o.status[0] + o.status[1], TULLE_E_OUTCOME_UNKNOWN + TULLE_E_UNREACHABLE);
  assert_code(tulle_call(c, "x", NULL, 0, 0, NULL), TULLE_E_UNREACHABLE);
  tulle_channel_close(c);
}

struct closing {
  struct tl_channel *end;
  unsigned takes;
  bool begins;
};

static void *take_and_close(void *argument) {
  struct closing *k = argument;
  play(k->end, k->takes, k->begins, false);
  fake_node_close(f.node, k->end, TULLE_E_PEER_GONE, UINT64_MAX);
  return NULL;
}

static int call_while_it_dies(bool begins) {
  struct closing k = {.takes = 1, .begins = begins};
  struct tulle_channel *c = open_played(&k.end);
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, take_and_close, &k), 0);
  int r = tulle_call(c, "x", NULL, 0, TULLE_FOREVER, NULL);
  pthread_join(thread, NULL);
  tulle_channel_close(c);
  return r;
}

static void a_waiting_thread_is_told(void **state) {
  (void)state;
  assert_code(call_while_it_dies(true), TULLE_E_OUTCOME_UNKNOWN);
  assert_code(call_while_it_dies(false), TULLE_E_PEER_GONE);
}

static void a_call_that_is_not_sent_in_full_did_not_run(void **state) {
  (void)state;
  enum { SIZE = 100000 };
  struct closing k = {.takes = 0};
  struct tulle_channel *c = open_played(&k.end);
  unsigned char *args = calloc(1, SIZE);
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, take_and_close, &k), 0);
  assert_code(tulle_call(c, "x", args, SIZE, TULLE_FOREVER, NULL), TULLE_E_PEER_GONE);
  pthread_join(thread, NULL);
  tulle_channel_close(c);
  free(args);
}

static void full_rings_cost_the_deadline(void **state) {
  (void)state;
  struct tl_channel *end;
  struct tulle_channel *c = open_played(&end);
  unsigned char args[1500] = {0xc5, 0x05, 0xd9};
  while (tl_channel_peek(end, &(struct tl_message){0}) == TL_EMPTY ||
         end->rx.head - end->rx.next < 3000) {
    assert_code(tulle_call(c, "x", args, sizeof args, TL_MS, NULL), TULLE_E_DEADLINE);
    (void)tl_ring_find_head(&end->rx);
  }
  assert_code(tulle_call(c, "x", args, sizeof args, TL_MS, NULL), TULLE_E_DEADLINE);
  assert_code(tulle_call(c, "x", args, sizeof args, TL_MS, NULL), TULLE_E_DEADLINE);
  fake_node_close(f.node, end, TULLE_E_PEER_GONE, UINT64_MAX);
  tulle_channel_close(c);
}

/* A server in a process of its own, which can be killed. Returns when it serves. */
static pid_t fork_server(const char *name) {
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) {
    struct tulle *t = fixture_attach(&f, "victim");
    fixture_offer(t, name);
    tulle_serve(t, 1);
    _exit(0);
  }
  assert_ok(tulle_wait(f.client, name, 20 * TL_S));
  return pid;
}

static void *kill_soon(void *pid) {
  usleep(20000); /* time for the call to begin; if it has not, the answer is another, also true */
  kill((pid_t)(intptr_t)pid, SIGKILL);
  return NULL;
}

static void a_killed_process_ends_the_call(void **state) {
  (void)state;
  pid_t pid = fork_server("victim");
  struct tulle_channel *c;
  pthread_t thread;
  assert_ok(tulle_channel_open(f.client, "victim", NULL, &c));
  fixture_echo(c, 10);
  assert_int_equal(pthread_create(&thread, NULL, kill_soon, (void *)(intptr_t)pid), 0);
  int r = tulle_call(c, "hold", NULL, 0, TULLE_FOREVER, NULL);
  assert_true(r == TULLE_E_OUTCOME_UNKNOWN || r == TULLE_E_PEER_GONE);
  pthread_join(thread, NULL);
  assert_int_equal(waitpid(pid, NULL, 0), pid);
  tulle_channel_close(c);
}

/* ---- death of the node ---- */

static void *die_soon(void *unused) {
  (void)unused;
  fixture_until(&fixture_running, 1);
  fake_node_die(f.node);
  return NULL;
}

static void the_nodes_death_ends_calls(void **state) {
  (void)state;
  struct outcome o = {0};
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, die_soon, NULL), 0);
  assert_code(tulle_call(f.channel, "hold", NULL, 0, TULLE_FOREVER, NULL), TULLE_E_OUTCOME_UNKNOWN);
  pthread_join(thread, NULL);
  assert_code(tulle_call(f.channel, "echo", NULL, 0, 0, NULL), TULLE_E_PEER_GONE);
  assert_code(tulle_call_async(f.channel, "echo", NULL, 0, 0, note, &o, NULL), TULLE_E_PEER_GONE);
  fixture_until(&fixture_abandoned, 1); /* the server has heard of it as well */
  fake_node_return(f.node);
}

static void both_attach_again_and_the_service_is_back(void **state) {
  (void)state;
  struct tulle_channel *c;
  for (int i = 0; i < 3; i++) {
    fixture_echo(f.channel, 10);
    fake_node_die(f.node);
    fake_node_return(f.node);
    assert_ok(tulle_wait(f.client, "test", 20 * TL_S));
    assert_ok(tulle_channel_open(f.client, "test", NULL, &c));
    tulle_channel_close(f.channel);
    f.channel = c;
  }
  fixture_echo(f.channel, 10);
  assert_int_equal(fake_node_registrations(f.node), 4);
}

static void asynchronous_calls_end_with_the_node(void **state) {
  (void)state;
  struct outcome o = {0};
  assert_ok(tulle_call_async(f.channel, "keep", NULL, 0, TULLE_FOREVER, note, &o, NULL));
  while (fixture_kept() == 0) sched_yield();
  fake_node_die(f.node);
  dispatch_until(&o, 1);
  assert_code(o.status[0], TULLE_E_OUTCOME_UNKNOWN);
  assert_int_equal(fixture_answer_kept(), 1);
  fake_node_return(f.node);
}

static void the_descriptor_tells_of_the_nodes_death_and_return(void **state) {
  (void)state;
  struct outcome o = {0};
  struct pollfd p = {.fd = tulle_fd(f.client), .events = POLLIN};
  struct tulle_identity before, after;
  assert_ok(tulle_self(f.client, &before));
  assert_ok(tulle_call_async(f.channel, "keep", NULL, 0, TULLE_FOREVER, note, &o, NULL));
  while (fixture_kept() == 0) sched_yield();
  fake_node_die(f.node);
  while (o.done == 0) {
    assert_int_equal(poll(&p, 1, 10000), 1);
    assert_true(tulle_dispatch(f.client) >= 0);
  }
  fake_node_return(f.node);
  do {
    assert_int_equal(poll(&p, 1, 10000), 1);
    assert_true(tulle_dispatch(f.client) >= 0);
    assert_ok(tulle_self(f.client, &after));
  } while (after.client == before.client);
  fixture_answer_kept();
}

static void without_a_node_asking_fails_in_time(void **state) {
  (void)state;
  struct tulle_channel *c;
  struct tulle_target soon = {.timeout_ns = 50 * TL_MS};
  fake_node_die(f.node);
  int r = tulle_channel_open(f.client, "test", &soon, &c);
  assert_true(r == TULLE_E_NO_NODE);
  r = tulle_wait(f.client, "test", 50 * TL_MS);
  assert_true(r == TULLE_E_NO_NODE);
  fake_node_return(f.node);
}

/* ---- attaching ---- */

static int attach(const char *dir, uint64_t timeout_ns) {
  struct tulle_options o = {.runtime_dir = dir, .no_autostart = true, .timeout_ns = timeout_ns};
  struct tulle *t = NULL;
  int r = tulle_attach(&o, &t);
  assert_true((r == 0) == (t != NULL));
  tulle_detach(t);
  return r;
}

static void attaching_says_why_not(void **state) {
  (void)state;
  char longer[200];
  memset(longer, 'd', sizeof longer - 1);
  longer[0] = '/';
  longer[sizeof longer - 1] = 0;
  assert_code(attach("/nonexistent", 0), TULLE_E_NO_NODE);
  assert_code(attach("/dev/null", 0), TULLE_E_NO_NODE);
  assert_code(attach(longer, 0), TULLE_E_INVALID);
  fake_node_refuse(f.node, TULLE_E_VERSION);
  assert_code(attach(fake_node_dir(f.node), 0), TULLE_E_VERSION);
  fake_node_refuse(f.node, TULLE_E_LIMIT);
  assert_code(attach(fake_node_dir(f.node), 0), TULLE_E_LIMIT);
  fake_node_refuse(f.node, 0);
  fake_node_ignore(f.node, "hello");
  assert_code(attach(fake_node_dir(f.node), 20 * TL_MS), TULLE_E_DEADLINE);
  fake_node_ignore(f.node, NULL);
  assert_ok(attach(fake_node_dir(f.node), 0));
}

static void an_open_that_is_late_leaves_nothing(void **state) {
  (void)state;
  struct tulle_channel *c = NULL;
  struct tulle_target soon = {.timeout_ns = 20 * TL_MS};
  unsigned before = fake_node_channels(f.node);
  fake_node_ignore(f.node, "open");
  assert_code(tulle_channel_open(f.client, "test", &soon, &c), TULLE_E_DEADLINE);
  fake_node_ignore(f.node, "open-reply");
  assert_code(tulle_channel_open(f.client, "test", &soon, &c), TULLE_E_DEADLINE);
  fake_node_ignore(f.node, NULL);
  assert_null(c);
  fixture_echo(f.channel, 10);
  while (fake_node_channels(f.node) > before) fixture_echo(f.channel, 10);
}

/* ---- detaching, closing ---- */

static void detaching_ends_everything(void **state) {
  (void)state;
  struct outcome o = {0};
  struct tulle_channel *c;
  struct tulle *t = fixture_attach(&f, "short");
  assert_ok(tulle_channel_open(t, "test", NULL, &c));
  for (int i = 0; i < 3; i++) assert_ok(tulle_call_async(c, "keep", NULL, 0, 0, note, &o, NULL));
  while (fixture_kept() < 3) sched_yield();
  tulle_detach(t);
  assert_int_equal(o.done, 3);
  for (int i = 0; i < 3; i++) assert_code(o.status[i], TULLE_E_CANCELLED);
  fixture_answer_kept();
  assert_null(tulle_detach(NULL));
  assert_null(tulle_channel_close(NULL));
  assert_null(tulle_withdraw(NULL));
}

static void close_other(void *userdata, int status, const struct tulle_result *result) {
  struct tulle_channel **other = userdata;
  (void)status, (void)result;
  *other = tulle_channel_close(*other);
}

static void completions_may_close_channels(void **state) {
  (void)state;
  struct tulle_channel *a, *b;
  assert_ok(tulle_channel_open(f.client, "test", NULL, &a));
  assert_ok(tulle_channel_open(f.client, "test", NULL, &b));
  assert_ok(tulle_call_async(a, "echo", NULL, 0, 0, close_other, &a, NULL));
  while (a) assert_true(tulle_dispatch_wait(f.client, TL_S) >= 0);
  assert_ok(tulle_channel_open(f.client, "test", NULL, &a));
  assert_ok(tulle_call_async(a, "keep", NULL, 0, 0, close_other, &b, NULL));
  tulle_channel_close(a);
  assert_null(b);
}

static void closed_channels_are_given_back(void **state) {
  (void)state;
  struct tulle_channel *c;
  unsigned before = fake_node_channels(f.node);
  for (int i = 0; i < 100; i++) {
    assert_ok(tulle_channel_open(f.client, "test", NULL, &c));
    fixture_echo(c, 100);
    tulle_channel_close(c);
  }
  while (fake_node_channels(f.node) > before) fixture_echo(f.channel, 10);
}

/* ---- fork ---- */

static int in_child(void) {
  struct tulle_identity self;
  struct tulle_channel *c;
  struct tulle_result result;
  struct tulle_pending *p;
  struct tulle *t;
  if (tulle_self(f.client, &self) != TULLE_E_FORKED) return 1;
  if (tulle_call(f.channel, "echo", NULL, 0, 0, &result) != TULLE_E_FORKED) return 2;
  if (tulle_call_one_way(f.channel, "echo", NULL, 0) != TULLE_E_FORKED) return 3;
  if (tulle_call_async(f.channel, "echo", NULL, 0, 0, note, NULL, &p) != TULLE_E_FORKED) return 4;
  if (tulle_dispatch(f.client) != TULLE_E_FORKED) return 5;
  if (tulle_channel_open(f.client, "test", NULL, &c) != TULLE_E_FORKED) return 6;
  if (tulle_fd(f.client) != TULLE_E_FORKED) return 7;
  if (tulle_wait(f.client, "test", 0) != TULLE_E_FORKED) return 8;
  if (tulle_find(f.client, NULL, NULL, 0) != TULLE_E_FORKED) return 9;
  if (tulle_serve(f.server, 1) != TULLE_E_FORKED) return 10;
  tulle_stop(f.server);
  if (tulle_channel_close(f.channel) || tulle_withdraw(f.service) || tulle_detach(f.client))
    return 11;
  struct tulle_options o = {.runtime_dir = fake_node_dir(f.node), .no_autostart = true};
  if (tulle_attach(&o, &t) != 0) return 12;
  if (tulle_channel_open(t, "test", NULL, &c) != 0) return 13;
  if (tulle_call(c, "echo", "\x07", 1, 0, &result) != 0 || result.size != 1) return 14;
  tulle_result_clear(&result);
  setenv("TULLE_RUNTIME_DIR", fake_node_dir(f.node), 1);
  if (tulle_wait(NULL, "test", TL_S) != 0) return 15;
  tulle_channel_close(c);
  tulle_detach(t);
  return 0;
}

static void a_forked_child_starts_afresh(void **state) {
  (void)state;
  int status;
  fixture_echo(f.channel, 10);
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) _exit(in_child());
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 0);
  fixture_echo(f.channel, 10);
}

/* ---- without futex_waitv ---- */

static void descriptors_do_as_well(void **state) {
  (void)state;
  fixture_close(&f);
  tl_park_forbid_waitv(); /* the rest of this process */
  fixture_open(&f, 2, 4096);
  for (int i = 0; i < 200; i++) fixture_echo(f.channel, 100);
  fixture_echo(f.channel, 1 << 20);
  assert_code(tulle_call(f.channel, "hold", NULL, 0, 10 * TL_MS, NULL), TULLE_E_DEADLINE);
  assert_code(call_while_it_dies(true), TULLE_E_OUTCOME_UNKNOWN);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_it, close_it)
  const struct CMUnitTest tests[] = {
      CASE(the_page_tells_what_had_begun),
      CASE(the_nodes_word_goes_before_the_page),
      CASE(a_waiting_thread_is_told),
      CASE(a_call_that_is_not_sent_in_full_did_not_run),
      CASE(full_rings_cost_the_deadline),
      CASE(a_killed_process_ends_the_call),
      CASE(the_nodes_death_ends_calls),
      CASE(both_attach_again_and_the_service_is_back),
      CASE(asynchronous_calls_end_with_the_node),
      CASE(the_descriptor_tells_of_the_nodes_death_and_return),
      CASE(without_a_node_asking_fails_in_time),
      CASE(attaching_says_why_not),
      CASE(an_open_that_is_late_leaves_nothing),
      CASE(detaching_ends_everything),
      CASE(completions_may_close_channels),
      CASE(closed_channels_are_given_back),
      CASE(a_forked_child_starts_afresh),
      CASE(descriptors_do_as_well),
  };
  if (getenv("ONLY")) cmocka_set_test_filter(getenv("ONLY"));
  return cmocka_run_group_tests_name("client ending", tests, NULL, NULL);
}
