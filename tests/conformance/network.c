/* Nodes that die, stop and come back, and cables that are cut: what waits ends, and what was there is found again. */
#include <pthread.h>
#include <signal.h>

#include "tests/conformance/suite.h"

/* More than a node is waited for before it counts as gone. */
#define TOLERANCE_NS (10 * TL_S)

/* Opens anew, once the service can be reached again. */
static void open_anew(struct subject *s) {
  for (uint64_t end = 0;; patience(&end, 30 * TL_S)) {
    s->channel = tulle_channel_close(s->channel);
    int r = tulle_channel_open(NULL, s->name, NULL, &s->channel);
    if (r == 0) r = tulle_call(s->channel, "ping", NULL, 0, 0, NULL);
    if (r == 0) return;
  }
}

/* All that can wait for the far side. */
struct waits {
  struct subject stopped; /* it does not take the channel that is opened to it */
  struct flight begun;    /* a call that runs */
  pthread_t opener;
  int opened;
};

static void *open_stopped(void *userdata) {
  struct waits *w = userdata;
  struct tulle_target target = {.timeout_ns = 4 * TL_S};
  struct tulle_channel *c = NULL;
  w->opened = tulle_channel_open(NULL, w->stopped.name, &target, &c);
  tulle_channel_close(c);
  return NULL;
}

static void begin_to_wait(struct waits *w, struct subject *s) {
  *w = (struct waits){.stopped = subject_start(1)};
  assert_ok(agent_kill(w->stopped.agent, w->stopped.pid, SIGSTOP));
  hang(s, &w->begun);
  assert_int_equal(pthread_create(&w->opener, NULL, open_stopped, w), 0);
}

static void all_waits_end(struct waits *w) {
  dispatch_until(&w->begun, 1, TOLERANCE_NS);
  assert_int_equal(w->begun.last, TULLE_E_OUTCOME_UNKNOWN);
  assert_int_equal(pthread_join(w->opener, NULL), 0);
  assert_true(w->opened < 0);
}

static void forget_waits(struct waits *w) {
  subject_stop(&w->stopped);
}

static void find_everything_again(struct subject *s) {
  struct subject fresh;
  suite_find_agents();
  s->agent = suite_far;
  assert_ok(agent_kill(s->agent, s->pid, SIGKILL)); /* it hangs */
  tulle_channel_close(s->channel);
  fresh = subject_start(1);
  assert_string_equal(tulle_channel_path(fresh.channel), suite_path);
  assert_true(ask_uint(fresh.channel, "echo", 9) == 9);
  subject_stop(&fresh);
}

static void a_dead_node_ends_what_waits(void **state) {
  (void)state;
  struct subject s = subject_start(1), idle = subject_start(1);
  struct tulle_target soon = {.timeout_ns = 300 * TL_MS};
  struct tulle_channel *c = NULL;
  struct waits w;
  begin_to_wait(&w, &s);
  suite_control("kill far");
  all_waits_end(&w);
  assert_true(tulle_channel_open(NULL, s.name, &soon, &c) < 0);
  assert_null(c);
  suite_control("start far");
  find_everything_again(&s);
  w.stopped.agent = idle.agent = suite_far;
  forget_waits(&w);
  open_anew(&idle); /* it has offered its service to the new node by itself */
  assert_true(ask(idle.channel, "pid") == idle.pid);
  subject_stop(&idle);
}

static void a_node_that_comes_back_elsewhere_is_found(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  const char *const starts[] = {"start far moved", "start far"};
  for (int i = 0; i < 2; i++) {
    suite_control("kill far");
    suite_control(starts[i]);
    suite_find_agents();
    s.agent = suite_far;
    open_anew(&s);
    assert_true(ask(s.channel, "pid") == s.pid);
    assert_string_equal(tulle_channel_path(s.channel), suite_path);
  }
  subject_stop(&s);
}

/* Local data does not pass through the node: a node that stands still holds nobody up. */
static void local_calls_need_no_node(void **state) {
  (void)state;
  struct subject s = subject_start_at(suite_near, 1);
  assert_string_equal(tulle_channel_path(s.channel), "ring");
  suite_control("stop near");
  for (uint64_t i = 0; i < 1000; i++) {
    unsigned char args[16];
    int r = tulle_call(s.channel, "echo", args, pack_uint(args, i), 0, NULL);
    if (r != 0) suite_control("cont near");
    assert_ok(r);
  }
  suite_control("cont near");
  suite_find_agents();
  s.agent = suite_near;
  subject_stop(&s);
}

static void a_silent_node_ends_what_waits(void **state) {
  (void)state;
  if (suite_is_local()) skip(); /* local_calls_need_no_node */
  struct subject s = subject_start(1);
  struct waits w;
  begin_to_wait(&w, &s);
  suite_control("stop far");
  all_waits_end(&w);
  suite_control("cont far");
  find_everything_again(&s);
  w.stopped.agent = suite_far;
  forget_waits(&w);
}

static void a_cut_cable_ends_what_waits(void **state) {
  (void)state;
  if (!suite_may_control("mend")) skip(); /* there is no cable in this setting */
  struct subject s = subject_start(1);
  struct waits w;
  begin_to_wait(&w, &s);
  suite_control("cut");
  all_waits_end(&w);
  suite_control("mend");
  find_everything_again(&s);
  w.stopped.agent = suite_far;
  forget_waits(&w);
}

SUITE_TOPIC(network, cmocka_unit_test(a_dead_node_ends_what_waits),
            cmocka_unit_test(a_node_that_comes_back_elsewhere_is_found),
            cmocka_unit_test(local_calls_need_no_node),
            cmocka_unit_test(a_silent_node_ends_what_waits),
            cmocka_unit_test(a_cut_cable_ends_what_waits));
