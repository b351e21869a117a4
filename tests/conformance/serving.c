/* The serving side: one at a time or several, offered or not, by anybody. */
#include <pthread.h>

#include "tests/conformance/suite.h"

static void serial_by_default(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  struct flight f = {0};
  unsigned char args[16];
  for (int i = 0; i < 20; i++)
    assert_ok(tulle_call_async(s.channel, "hold", args, pack_uint(args, TL_MS), 10 * TL_S, landed,
                               &f, NULL));
  dispatch_until(&f, 20, 10 * TL_S);
  struct counts n = subject_counts(&s);
  assert_true(n.calls == 20 && n.overlaps == 0);
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
  struct counts n = subject_counts(&s);
  assert_true(n.calls == 8 && n.overlaps > 0);
  subject_stop(&s);
}

/* ---- offered, and no more ---- */

static void offer_second(const struct subject *s, const char *name) {
  unsigned char args[64];
  struct tulle_pack w = tulle_pack_on(args, sizeof args);
  tulle_pack_text(&w, name);
  assert_ok(tulle_call(s->channel, "second", args, tulle_pack_size(&w), 0, NULL));
}

/* Calls until it ends with `code`. */
static void call_until(struct tulle_channel *c, int code) {
  for (uint64_t end = 0; tulle_call(c, "ping", NULL, 0, 0, NULL) != code;)
    patience(&end, 10 * TL_S);
}

static void only_what_is_offered_is_served(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  struct tulle_channel *c = NULL;
  char name[32];
  subject_name(name);
  assert_code(tulle_channel_open(NULL, name, NULL, &c), TULLE_E_NO_SERVICE);
  offer_second(&s, name);
  assert_ok(tulle_wait(NULL, name, 10 * TL_S));
  assert_ok(tulle_channel_open(NULL, name, NULL, &c));
  assert_ok(tulle_call(c, "ping", NULL, 0, 0, NULL));
  assert_code(tulle_call(c, "echo", NULL, 0, 0, NULL), TULLE_E_NO_PROCEDURE); /* the other one's */
  offer_second(&s, "");
  call_until(c, TULLE_E_PEER_GONE);
  c = tulle_channel_close(c);
  for (uint64_t end = 0; tulle_channel_open(NULL, name, NULL, &c) != TULLE_E_NO_SERVICE;) {
    c = tulle_channel_close(c);
    patience(&end, 10 * TL_S);
  }
  assert_ok(tulle_call(s.channel, "ping", NULL, 0, 0, NULL));
  subject_stop(&s);
}

/* ---- a program that was only a client ---- */

static int answer_seven(struct tulle_call_context *call, void *userdata) {
  unsigned char buffer[16];
  (void)userdata;
  return tulle_reply(call, buffer, pack_uint(buffer, 7));
}

static void note_answer(void *userdata, int status, const struct tulle_result *result) {
  struct flight *f = userdata;
  struct tulle_unpack r = tulle_unpack_on(result->data, result->size);
  if (status == 0 &&
      (tulle_unpack_array(&r) != 2 || tulle_unpack_int(&r) != 0 || tulle_unpack_uint(&r) != 7))
    status = TULLE_E_BAD_MESSAGE;
  landed(f, status, result);
}

static void a_client_can_serve_as_well(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  struct tulle_procedure procedure = {"seven", answer_seven, NULL};
  struct tulle_offer offer = {.procedures = &procedure, .procedure_count = 1};
  struct tulle_service *service;
  unsigned char args[128];
  char name[32];
  subject_name(name);
  offer.name = name;
  assert_ok(tulle_offer(NULL, &offer, &service));
  struct tulle_pack w = tulle_pack_on(args, sizeof args);
  tulle_pack_array(&w, 3);
  tulle_pack_text(&w, name), tulle_pack_text(&w, "seven"), tulle_pack_uint(&w, 10 * TL_S);
  for (uint64_t end = 0;;) { /* the far node hears of the name a moment later */
    struct flight f = {0};
    assert_ok(tulle_call_async(s.channel, "pass_on", args, tulle_pack_size(&w), 20 * TL_S,
                               note_answer, &f, NULL));
    dispatch_until(&f, 1, 20 * TL_S);
    if (f.last == 0) break;
    assert_int_equal(f.last, TULLE_E_NO_SERVICE);
    patience(&end, 10 * TL_S);
  }
  tulle_withdraw(service);
  subject_stop(&s);
}

static void *serve_until_stopped(void *t) {
  return (void *)(intptr_t)tulle_serve(t, 2);
}

/* tulle_serve() is a loop of its own, until it is told to stop. */
static void serving_ends_when_told(void **state) {
  (void)state;
  struct tulle_procedure procedure = {"seven", answer_seven, NULL};
  struct tulle_offer offer = {.procedures = &procedure, .procedure_count = 1};
  struct subject s = subject_start(1);
  struct tulle *t;
  pthread_t thread;
  void *code;
  unsigned char args[128];
  char name[32];
  subject_name(name);
  offer.name = name;
  assert_ok(tulle_attach(NULL, &t));
  assert_ok(tulle_offer(t, &offer, NULL));
  assert_int_equal(pthread_create(&thread, NULL, serve_until_stopped, t), 0);
  struct tulle_pack w = tulle_pack_on(args, sizeof args);
  tulle_pack_array(&w, 3);
  tulle_pack_text(&w, name), tulle_pack_text(&w, "seven"), tulle_pack_uint(&w, 10 * TL_S);
  for (uint64_t end = 0;;) {
    int r = tulle_call(s.channel, "pass_on", args, tulle_pack_size(&w), 20 * TL_S, NULL);
    if (r == 0) break;
    assert_code(r, TULLE_E_NO_SERVICE);
    patience(&end, 10 * TL_S);
  }
  tulle_stop(t);
  assert_int_equal(pthread_join(thread, &code), 0);
  assert_null(code);
  tulle_detach(t);
  subject_stop(&s);
}

SUITE_TOPIC(serving, cmocka_unit_test(serial_by_default),
            cmocka_unit_test(several_at_once_on_request),
            cmocka_unit_test(only_what_is_offered_is_served),
            cmocka_unit_test(a_client_can_serve_as_well), cmocka_unit_test(serving_ends_when_told));
