/* Classes of delivery: what may be lost, what may be overtaken, and that all of it is accounted for. */
#include <signal.h>

#include "tests/conformance/suite.h"

static struct tulle_channel *open_as(const struct subject *s, enum tulle_delivery delivery) {
  struct tulle_target target = {.delivery = delivery};
  struct tulle_channel *c;
  assert_ok(tulle_channel_open(NULL, s->name, &target, &c));
  return c;
}

/* The arguments of `note`: a number, and bytes that are its own. */
static size_t pack_note(unsigned char out[600], uint64_t n) {
  unsigned char filling[512];
  struct tulle_pack w = tulle_pack_on(out, 600);
  memset(filling, (int)(n & 0xff), sizeof filling);
  tulle_pack_array(&w, 2);
  tulle_pack_uint(&w, n);
  tulle_pack_bytes(&w, filling, n % sizeof filling);
  return tulle_pack_size(&w);
}

static void unordered_calls_run_once_each(void **state) {
  (void)state;
  enum { CALLS = 3000 };
  struct subject s = subject_start(1);
  struct tulle_channel *c = open_as(&s, TULLE_UNORDERED);
  struct flight f = {0};
  unsigned char args[600];
  for (unsigned i = 0; i < CALLS;) {
    size_t size = pack_note(args, i);
    int r = tulle_call_async(c, "note", args, size, 60 * TL_S, landed, &f, NULL);
    if (r == 0) i++;
    if (r == TULLE_E_AGAIN) r = tulle_dispatch_wait(NULL, 30 * TL_S) < 0 ? TULLE_E_IO : 0;
    assert_ok(r);
  }
  dispatch_until(&f, CALLS, 60 * TL_S);
  assert_int_equal(f.wrong, 0);
  struct notes n = subject_notes(&s);
  assert_true(n.noted == CALLS && !n.twice && !n.wrong);
  tulle_channel_close(c);
  subject_stop(&s);
}

/* What was accepted arrives, although the channel is closed behind it. */
static void accepted_calls_outlive_their_channel(void **state) {
  (void)state;
  enum { CALLS = 500 };
  for (int delivery = TULLE_ORDERED; delivery <= TULLE_UNORDERED; delivery++) {
    struct subject s = subject_start(1);
    struct tulle_channel *c = open_as(&s, (enum tulle_delivery)delivery);
    unsigned char args[600];
    for (unsigned i = 0; i < CALLS; i++)
      assert_ok(tulle_call_one_way(c, "note", args, pack_note(args, i)));
    tulle_channel_close(c);
    for (uint64_t end = 0; subject_notes(&s).noted < CALLS;) patience(&end, 20 * TL_S);
    struct notes n = subject_notes(&s);
    assert_true(n.noted == CALLS && !n.twice && !n.wrong);
    if (delivery == TULLE_ORDERED) assert_true(n.late == 0);
    subject_stop(&s);
  }
}

/* ---- best effort ---- */

static void best_effort_calls_are_answered_or_late(void **state) {
  (void)state;
  enum { CALLS = 300 };
  struct subject s = subject_start(1);
  struct tulle_channel *c = open_as(&s, TULLE_BEST_EFFORT);
  unsigned answered = 0;
  for (uint64_t i = 0; i < CALLS; i++) {
    struct tulle_result result;
    unsigned char args[600];
    int r = tulle_call(c, "note", args, pack_note(args, i), 5 * TL_S, &result);
    if (r == 0) {
      struct tulle_unpack answer = tulle_unpack_on(result.data, result.size);
      assert_true(tulle_unpack_uint(&answer) == i);
      answered++;
    } else {
      assert_code(r, TULLE_E_DEADLINE);
    }
    tulle_result_clear(&result);
  }
  struct notes n = subject_notes(&s);
  assert_true(n.noted >= answered && n.noted <= CALLS && !n.twice && !n.wrong);
  assert_true(answered > CALLS / 2);
  if (suite_is_local()) assert_int_equal(answered, CALLS);
  tulle_channel_close(c);
  subject_stop(&s);
}

/* To a service that stands still: nothing waits, others go on, and what did not arrive was refused or is counted. */
static void best_effort_never_waits_and_every_drop_is_counted(void **state) {
  (void)state;
  enum { CALLS = 20000 };
  struct subject s = subject_start(1), other = subject_start(1),
                 here = subject_start_at(suite_near, 1);
  struct tulle_channel *c = open_as(&s, TULLE_BEST_EFFORT);
  struct link_counts before[2] = {subject_link_counts(&here), subject_link_counts(&other)};
  unsigned accepted = 0, refused = 0;
  assert_ok(agent_kill(s.agent, s.pid, SIGSTOP));
  for (unsigned i = 0; i < CALLS; i++) {
    unsigned char args[600];
    int r = tulle_call_one_way(c, "note", args, pack_note(args, i));
    accepted += r == 0;
    refused += r == TULLE_E_AGAIN;
    assert_true(r == 0 || r == TULLE_E_AGAIN);
    if (i % 1000 == 0) assert_ok(tulle_call(other.channel, "ping", NULL, 0, 0, NULL));
  }
  assert_ok(agent_kill(s.agent, s.pid, SIGCONT));
  uint64_t seen = 0;
  for (uint64_t end = 0;;) {
    struct notes n = subject_notes(&s);
    struct link_counts after[2] = {subject_link_counts(&here), subject_link_counts(&other)};
    assert_true(n.noted <= accepted && !n.twice && !n.wrong);
    seen = n.noted;
    for (int i = 0; !suite_is_local() && i < 2; i++)
      seen += after[i].dropped - before[i].dropped + after[i].lost - before[i].lost;
    if (seen >= accepted) break;
    patience(&end, 20 * TL_S);
  }
  print_message("%u accepted, %u refused, %u arrived\n", accepted, refused,
                (unsigned)subject_notes(&s).noted);
  assert_true(subject_notes(&s).noted < CALLS);
  tulle_channel_close(c);
  subject_stop(&here);
  subject_stop(&other);
  subject_stop(&s);
}

static void what_need_not_be_in_order_is_small_and_ends(void **state) {
  (void)state;
  static unsigned char args[TULLE_LOOSE_BYTES_MAX + 1];
  static const unsigned char zeros[sizeof args];
  struct subject s = subject_start(1);
  struct tulle_target nothing = {.delivery = (enum tulle_delivery)7};
  struct tulle_target node = {.delivery = TULLE_UNORDERED};
  struct tulle_channel *c;
  assert_code(tulle_channel_open(NULL, s.name, &nothing, &c), TULLE_E_INVALID);
  assert_code(tulle_channel_open(NULL, "node", &node, &c), TULLE_E_INVALID);
  for (int i = TULLE_UNORDERED; i <= TULLE_BEST_EFFORT; i++) {
    unsigned char number[16];
    c = open_as(&s, (enum tulle_delivery)i);
    struct tulle_pack w = tulle_pack_on(args, sizeof args);
    tulle_pack_bytes(&w, zeros, sizeof args - 3);
    assert_code(tulle_call(c, "echo", args, sizeof args, 0, NULL), TULLE_E_TOO_BIG);
    w = tulle_pack_on(args, sizeof args);
    tulle_pack_bytes(&w, zeros, sizeof args - 4);
    assert_int_equal(tulle_pack_size(&w), TULLE_LOOSE_BYTES_MAX);
    assert_ok(tulle_call(c, "echo", args, tulle_pack_size(&w), 0, NULL));
    assert_code(tulle_call(c, "produce", number, pack_uint(number, 3000), 0, NULL),
                TULLE_E_TOO_BIG);
    assert_code(tulle_call(c, "ecko", NULL, 0, 0, NULL), TULLE_E_NO_PROCEDURE);
    int r = tulle_call(c, "ping", NULL, 0, TULLE_FOREVER, NULL);
    assert_code(r, i == TULLE_BEST_EFFORT ? TULLE_E_INVALID : 0);
    tulle_channel_close(c);
  }
  subject_stop(&s);
}

/* Four programs on two nodes ask each other, by messages that may be lost; each answer goes to whom the nodes say it came from. */
static void four_programs_exchange_datagrams(void **state) {
  (void)state;
  enum { PROGRAMS = 4, TIMES = 20 };
  struct subject s[PROGRAMS];
  for (int i = 0; i < PROGRAMS; i++) s[i] = subject_start_at(i % 2 ? suite_near : suite_far, 2);
  for (int i = 0; i < PROGRAMS; i++) {
    for (int k = 0; k < PROGRAMS; k++) {
      if (k == i) continue;
      struct visit v = {0};
      for (uint64_t end = 0; !(v = subject_visit(&s[i], s[k].name, TIMES)).answered;)
        patience(&end, 20 * TL_S); /* it may not have heard of the name yet */
      assert_true(v.wrong == 0 && v.answered + v.late == TIMES);
      assert_true(v.answered > TIMES / 2);
    }
  }
  for (int i = 0; i < PROGRAMS; i++) subject_stop(&s[i]);
}

SUITE_TOPIC(delivery, cmocka_unit_test(unordered_calls_run_once_each),
            cmocka_unit_test(accepted_calls_outlive_their_channel),
            cmocka_unit_test(best_effort_calls_are_answered_or_late),
            cmocka_unit_test(best_effort_never_waits_and_every_drop_is_counted),
            cmocka_unit_test(what_need_not_be_in_order_is_small_and_ends),
            cmocka_unit_test(four_programs_exchange_datagrams));
