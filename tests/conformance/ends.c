/* Every wait ends, and says what is known: deadlines, cancelling, death. */
#include <signal.h>

#include "tests/conformance/suite.h"

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
  for (uint64_t end = 0; subject_counts(&s).abandoned == 0;) patience(&end, 10 * TL_S);
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
  assert_int_equal(f.last, TULLE_E_CANCELLED);
  subject_stop(&s);
}

/* Calls `procedure` of `service` by way of `s`, in time `timeout_ns` for all of it: what came of the inner call. */
static int through(const struct subject *s, const char *service, const char *procedure,
                   uint64_t timeout_ns, uint64_t inner_ns, uint64_t *out_number, int *out_inner) {
  unsigned char args[160];
  struct tulle_result result;
  struct tulle_pack w = tulle_pack_on(args, sizeof args);
  tulle_pack_array(&w, 3);
  tulle_pack_text(&w, service), tulle_pack_text(&w, procedure), tulle_pack_uint(&w, inner_ns);
  int status = tulle_call(s->channel, "pass_on", args, tulle_pack_size(&w), timeout_ns, &result);
  if (status == 0) {
    struct tulle_unpack r = tulle_unpack_on(result.data, result.size);
    assert_int_equal(tulle_unpack_array(&r), 2);
    *out_inner = (int)tulle_unpack_int(&r);
    *out_number = tulle_unpack_uint(&r);
    assert_true(tulle_unpack_is_ok(&r));
  }
  tulle_result_clear(&result);
  return status;
}

/* The inner call asks for an hour and gets what is left of the outer one's two seconds. */
static void a_call_within_a_call_has_the_time_that_is_left(void **state) {
  (void)state;
  struct subject outer = subject_start(1), inner = subject_start_at(suite_near, 1);
  uint64_t left = 0;
  int code = -1;
  for (uint64_t end = 0;;) { /* the other node hears of the name a moment later */
    int r = through(&outer, inner.name, "left", 2 * TL_S, 3600 * TL_S, &left, &code);
    if (r == 0) break;
    assert_code(r, TULLE_E_NO_SERVICE);
    patience(&end, 10 * TL_S);
  }
  assert_code(code, 0);
  assert_true(left > 0 && left <= 2 * TL_S);
  /* Both end at the same time: one hears of its own deadline, or of the other one's. */
  int r = through(&outer, inner.name, "hang", 300 * TL_MS, 3600 * TL_S, &left, &code);
  assert_code(r == 0 ? code : r, TULLE_E_DEADLINE);
  assert_ok(tulle_call(outer.channel, "ping", NULL, 0, 0, NULL)); /* it does not hang with it */
  subject_stop(&inner);
  subject_stop(&outer);
}

static void no_time_at_all(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  assert_code(tulle_call(s.channel, "hang", NULL, 0, 1, NULL), TULLE_E_DEADLINE);
  assert_code(tulle_wait(NULL, "nobody.serves.this", 0), TULLE_E_DEADLINE);
  assert_code(tulle_wait(NULL, "nobody.serves.this", 50 * TL_MS), TULLE_E_DEADLINE);
  subject_stop(&s);
}

/* ---- death ---- */

static void a_killed_service_ends_every_call_truthfully(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  struct flight begun = {0}, behind = {0};
  assert_ok(tulle_call(s.channel, "count", NULL, 0, 0, NULL));
  hang(&s, &begun);
  assert_ok(tulle_call_async(s.channel, "count", NULL, 0, 30 * TL_S, landed, &behind, NULL));
  assert_ok(agent_kill(s.agent, s.pid, SIGKILL));
  dispatch_until(&begun, 1, 5 * TL_S);
  dispatch_until(&behind, 1, 5 * TL_S);
  assert_int_equal(begun.last, TULLE_E_OUTCOME_UNKNOWN); /* it had begun */
  assert_int_equal(behind.last, TULLE_E_PEER_GONE);      /* it had not */
  int r = tulle_call(s.channel, "count", NULL, 0, 0, NULL);
  assert_true(r == TULLE_E_PEER_GONE || r == TULLE_E_CLOSED);
  tulle_channel_close(s.channel);
}

static void a_service_that_dies_of_a_call(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  assert_code(tulle_call(s.channel, "die", NULL, 0, 20 * TL_S, NULL), TULLE_E_OUTCOME_UNKNOWN);
  tulle_channel_close(s.channel);
  (void)agent_kill(s.agent, s.pid, SIGKILL);
}

/* Calls of a caller that is gone are answered all the same, into nothing. */
static void a_late_answer_to_a_dead_caller(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  const char *words[] = {"subject", "die", "4", s.name, NULL};
  assert_int_equal(agent_run(suite_near, words), 128 + SIGKILL);
  assert_true(ask(s.channel, "kept") == 10);
  assert_ok(tulle_call(s.channel, "release", NULL, 0, 0, NULL));
  for (uint64_t end = 0; ask(s.channel, "kept") > 0;) patience(&end, 10 * TL_S);
  assert_ok(tulle_call(s.channel, "ping", NULL, 0, 0, NULL));
  subject_stop(&s);
}

static void a_service_that_returns_is_found_again(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  assert_ok(agent_kill(s.agent, s.pid, SIGKILL));
  s.channel = tulle_channel_close(s.channel);
  s.pid = agent_start(s.agent, s.name, 1);
  int r = TULLE_E_NO_SERVICE;
  for (uint64_t end = 0; r != 0;) { /* the old entry may still be on its way out */
    r = tulle_channel_open(NULL, s.name, NULL, &s.channel);
    if (r == 0) r = tulle_call(s.channel, "count", NULL, 0, 0, NULL);
    if (r == 0) break;
    s.channel = tulle_channel_close(s.channel);
    patience(&end, 10 * TL_S);
  }
  assert_true(subject_counts(&s).calls == 1);
  subject_stop(&s);
}

static void closing_ends_what_waits(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  struct flight f = {0};
  hang(&s, &f);
  s.channel = tulle_channel_close(s.channel);
  assert_int_equal(f.done, 1);
  assert_int_equal(f.last, TULLE_E_CANCELLED);
  subject_stop(&s);
}

/* kill -9 of a program at every step of its life, while it talks to `s`: the node of `s` forgets all of it, and nobody else
 * notices. */
static void kill_at_every_step(struct subject *s) {
  struct node_counts before = subject_node_counts(s);
  int code = 128 + SIGKILL;
  for (int step = 0; code == 128 + SIGKILL; step++) {
    char text[16];
    snprintf(text, sizeof text, "%d", step);
    code = agent_run(suite_near, (const char *const[]){"subject", "die", text, s->name, NULL});
    assert_ok(tulle_call(s->channel, "release", NULL, 0, 0, NULL));
  }
  assert_int_equal(code, 0);
  for (uint64_t end = 0;;) {
    struct node_counts after = subject_node_counts(s);
    if (memcmp(&after, &before, sizeof after) == 0) break;
    patience(&end, 10 * TL_S);
  }
}

/* What a node counts follows what is done there, up and down. */
static void the_counters_follow_what_is_done(void **state) {
  (void)state;
  struct subject s = subject_start_at(suite_near, 1);
  struct node_counts before = subject_node_counts(&s), now;
  struct tulle_channel *channels[5];
  struct tulle_procedure procedure = {"none", NULL, NULL};
  struct tulle_offer offer = {.procedures = &procedure};
  struct tulle_service *service;
  struct tulle *t;
  char name[32];
  subject_name(name);
  offer.name = name;
  assert_ok(tulle_attach(NULL, &t));
  assert_ok(tulle_offer(t, &offer, &service));
  for (int i = 0; i < 5; i++) assert_ok(tulle_channel_open(t, s.name, NULL, &channels[i]));
  now = subject_node_counts(&s);
  assert_true(now.programs == before.programs + 1 && now.services == before.services + 1);
  assert_true(now.channels == before.channels + 10); /* an end at each program */
  for (int i = 0; i < 5; i++) tulle_channel_close(channels[i]);
  tulle_withdraw(service);
  tulle_detach(t);
  for (uint64_t end = 0;; patience(&end, 10 * TL_S)) {
    now = subject_node_counts(&s);
    if (memcmp(&now, &before, sizeof now) == 0) break;
  }
  subject_stop(&s);
}

static void a_program_killed_at_every_step(void **state) {
  (void)state;
  struct subject s = subject_start_at(suite_near, 1);
  kill_at_every_step(&s);
  subject_stop(&s);
}

static void a_far_caller_killed_at_every_step(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  kill_at_every_step(&s);
  subject_stop(&s);
}

SUITE_TOPIC(ends, cmocka_unit_test(a_hung_service_costs_the_deadline_only),
            cmocka_unit_test(the_service_hears_of_a_passed_deadline),
            cmocka_unit_test(cancelling_ends_a_call),
            cmocka_unit_test(a_call_within_a_call_has_the_time_that_is_left),
            cmocka_unit_test(no_time_at_all),
            cmocka_unit_test(a_killed_service_ends_every_call_truthfully),
            cmocka_unit_test(a_service_that_dies_of_a_call),
            cmocka_unit_test(a_late_answer_to_a_dead_caller),
            cmocka_unit_test(a_service_that_returns_is_found_again),
            cmocka_unit_test(closing_ends_what_waits),
            cmocka_unit_test(the_counters_follow_what_is_done),
            cmocka_unit_test(a_program_killed_at_every_step),
            cmocka_unit_test(a_far_caller_killed_at_every_step));
