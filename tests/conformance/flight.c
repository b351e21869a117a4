/* Many calls at once, and one loop for everything. */
#include <poll.h>

#include "tests/conformance/suite.h"

static void ten_thousand_calls_in_flight(void **state) {
  (void)state;
  enum { CALLS = 10000 };
  struct subject s = subject_start(1);
  struct flight f = {0};
  unsigned char args[16];
  for (unsigned i = 0; i < CALLS;) {
    int r =
        tulle_call_async(s.channel, "count", args, pack_uint(args, i), 30 * TL_S, landed, &f, NULL);
    if (r == 0) i++;
    if (r == TULLE_E_AGAIN) r = tulle_dispatch_wait(NULL, TL_S) < 0 ? TULLE_E_IO : 0;
    assert_ok(r);
  }
  dispatch_until(&f, CALLS, 30 * TL_S);
  assert_int_equal(f.wrong, 0);
  assert_true(subject_counts(&s).calls == CALLS); /* each ran, once */
  subject_stop(&s);
}

/* All of them wait at the same time: none is answered before the last has been taken. */
static void ten_thousand_calls_wait_for_one_thread(void **state) {
  (void)state;
  enum { CALLS = 10000 };
  struct subject s = subject_start(1);
  struct flight f = {0};
  unsigned char args[16];
  for (unsigned i = 0; i < CALLS;) {
    int r =
        tulle_call_async(s.channel, "keep", args, pack_uint(args, i), 60 * TL_S, landed, &f, NULL);
    if (r == 0) i++;
    if (r == TULLE_E_AGAIN) r = tulle_dispatch_wait(NULL, 30 * TL_S); /* until there is room */
    assert_ok(r);
  }
  assert_true(ask(s.channel, "kept") == CALLS); /* behind them */
  assert_int_equal(f.done, 0);
  assert_ok(tulle_call(s.channel, "release", NULL, 0, 20 * TL_S, NULL));
  dispatch_until(&f, CALLS, 30 * TL_S);
  assert_int_equal(f.wrong, 0);
  subject_stop(&s);
}

static unsigned order[8], order_count;

static void note_order(void *userdata, int status, const struct tulle_result *result) {
  struct tulle_unpack r = tulle_unpack_on(result->data, result->size);
  order[order_count++] = (unsigned)tulle_unpack_uint(&r);
  landed(userdata, status, result);
}

static void replies_may_come_later_in_any_order(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  struct flight f = {0};
  unsigned char args[16];
  order_count = 0;
  for (unsigned i = 0; i < 5; i++)
    assert_ok(tulle_call_async(s.channel, "keep", args, pack_uint(args, i), 20 * TL_S, note_order,
                               &f, NULL));
  assert_ok(tulle_call(s.channel, "release", NULL, 0, 0, NULL));
  dispatch_until(&f, 5, 20 * TL_S);
  assert_int_equal(f.wrong, 0);
  for (unsigned i = 0; i < 5; i++) assert_int_equal(order[i], 4 - i);
  subject_stop(&s);
}

/* ---- one loop ---- */

static unsigned pings;

static int on_ping(struct tulle_call_context *call, void *userdata) {
  (void)userdata;
  pings++;
  return tulle_reply(call, NULL, 0);
}

static void poll_until(struct tulle *t, struct flight *f, unsigned wanted) {
  struct pollfd p = {.fd = tulle_fd(t), .events = POLLIN};
  assert_true(p.fd >= 0);
  for (uint64_t end = tl_time_now() + 20 * TL_S; atomic_load(&f->done) < wanted;) {
    assert_true(tl_time_now() < end);
    assert_true(poll(&p, 1, 1000) >= 0);
    assert_true(tulle_dispatch(t) >= 0);
  }
}

/* One thread, one descriptor: calls made, calls served, and time, all at once. The far program calls back. */
static void one_descriptor_drives_it_all(void **state) {
  (void)state;
  struct subject s = subject_start(4);
  struct tulle_procedure procedure = {"ping", on_ping, NULL};
  struct tulle_offer offer = {.procedures = &procedure, .procedure_count = 1};
  struct tulle_service *service;
  struct tulle_channel *c;
  struct tulle *t;
  struct flight back = {0}, late = {0};
  unsigned char args[128];
  char name[32];
  subject_name(name);
  offer.name = name;
  assert_ok(tulle_attach(NULL, &t));
  assert_true(tulle_fd(t) >= 0);
  assert_ok(tulle_offer(t, &offer, &service));
  assert_ok(tulle_channel_open(t, s.name, NULL, &c));
  struct tulle_pack w = tulle_pack_on(args, sizeof args);
  tulle_pack_array(&w, 3);
  tulle_pack_text(&w, name), tulle_pack_text(&w, "ping"), tulle_pack_uint(&w, 10 * TL_S);
  pings = 0;
  poll_until(t, &back, 0);
  for (uint64_t end = 0;;) { /* the far node hears of the name a moment later */
    struct flight first = {0};
    assert_ok(
        tulle_call_async(c, "pass_on", args, tulle_pack_size(&w), 20 * TL_S, landed, &first, NULL));
    poll_until(t, &first, 1);
    if (!first.wrong) break;
    assert_int_equal(first.last, TULLE_E_NO_SERVICE);
    patience(&end, 10 * TL_S);
  }
  for (int i = 0; i < 3; i++)
    assert_ok(
        tulle_call_async(c, "pass_on", args, tulle_pack_size(&w), 20 * TL_S, landed, &back, NULL));
  assert_ok(tulle_call_async(c, "keep", NULL, 0, 50 * TL_MS, landed, &late, NULL));
  poll_until(t, &back, 3);
  poll_until(t, &late, 1);
  assert_int_equal(back.wrong, 0);
  assert_int_equal(late.last, TULLE_E_DEADLINE);
  assert_int_equal(pings, 4);
  tulle_channel_close(c);
  assert_null(tulle_withdraw(service));
  assert_null(tulle_detach(t));
  subject_stop(&s);
}

SUITE_TOPIC(flight, cmocka_unit_test(ten_thousand_calls_in_flight),
            cmocka_unit_test(ten_thousand_calls_wait_for_one_thread),
            cmocka_unit_test(replies_may_come_later_in_any_order),
            cmocka_unit_test(one_descriptor_drives_it_all));
