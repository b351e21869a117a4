/* Those who take too much, or nothing, harm nobody but themselves. And nobody sees what was not sent. */
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "tests/conformance/poison.h"
#include "tests/conformance/suite.h"

/* ---- callers that take nothing ---- */

struct greedy {
  struct tulle *t;
  struct tulle_channel *channel;
  struct flight flight;
};

static void greedy_open(struct greedy *g, const char *service) {
  *g = (struct greedy){0};
  assert_ok(tulle_attach(NULL, &g->t));
  struct tulle_target patient = {.timeout_ns = 30 * TL_S};
  assert_ok(tulle_channel_open(g->t, service, &patient, &g->channel));
}

/* Wants `count` answers of `bytes` and never looks at one. */
static void greedy_ask(struct greedy *g, unsigned count, uint64_t bytes) {
  unsigned char args[16];
  int r = 0;
  for (unsigned i = 0; i < count && r == 0; i++)
    r = tulle_call_async(g->channel, "produce", args, pack_uint(args, bytes), 60 * TL_S, landed,
                         &g->flight, NULL);
  assert_true(r == 0 || r == TULLE_E_AGAIN);
}

static void greedy_close(struct greedy *g) {
  tulle_channel_close(g->channel);
  tulle_detach(g->t);
}

static void others_are_served(const struct subject *s, unsigned count) {
  for (unsigned i = 0; i < count; i++) assert_true(ask_uint(s->channel, "echo", i) == i);
}

static void a_caller_that_takes_nothing(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  struct greedy g;
  greedy_open(&g, s.name);
  greedy_ask(&g, 2000, 8192);
  others_are_served(&s, 100);
  greedy_close(&g);
  others_are_served(&s, 100);
  subject_stop(&s);
}

static void may_open_many_files(void) {
  struct rlimit limit;
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = limit.rlim_max;
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* A thousand programs, each with more answers than its ring holds. The one who takes its answers gets each of them. */
static void a_thousand_callers_that_take_nothing(void **state) {
  (void)state;
  enum { CALLERS = 1000 };
  struct subject s = subject_start(1);
  struct greedy *all = calloc(CALLERS, sizeof *all);
  assert_non_null(all);
  may_open_many_files();
  for (unsigned i = 0; i < CALLERS; i++) {
    greedy_open(&all[i], s.name);
    greedy_ask(&all[i], 8, 2000);
    if (i % 100 == 0) others_are_served(&s, 10);
  }
  others_are_served(&s, 1000);
  for (unsigned i = 0; i < CALLERS; i++) {
    assert_int_equal(all[i].flight.done, 0); /* nobody took anything */
    greedy_close(&all[i]);
  }
  free(all);
  others_are_served(&s, 100);
  subject_stop(&s);
}

/* ---- a service that takes nothing ---- */

/* Calls with 4,000 bytes each, as many as are taken; true when none was for a second. */
static unsigned send_until_full(struct tulle_channel *c, struct flight *f, unsigned most) {
  static unsigned char args[4096];
  static const unsigned char zeros[4000];
  struct tulle_pack w = tulle_pack_on(args, sizeof args);
  unsigned sent = 0;
  tulle_pack_bytes(&w, zeros, 4000);
  while (sent < most) {
    int r = tulle_call_async(c, "count", args, tulle_pack_size(&w), 120 * TL_S, landed, f, NULL);
    if (r == 0) {
      sent++;
      continue;
    }
    assert_code(r, TULLE_E_AGAIN);
    unsigned refused = 0; /* rings may still grow, and what is on its way makes room */
    while (refused < 20 && r == TULLE_E_AGAIN) {
      assert_true(tulle_dispatch_wait(NULL, 50 * TL_MS) >= 0);
      r = tulle_call_async(c, "count", args, tulle_pack_size(&w), 120 * TL_S, landed, f, NULL);
      refused++;
    }
    if (r == TULLE_E_AGAIN) return sent;
    assert_ok(r);
    sent++;
  }
  return sent;
}

static void a_stopped_service_bounds_every_queue(void **state) {
  (void)state;
  enum { MOST = 16384 }; /* 64 MiB: more than rings, lanes and nodes on the way may hold */
  struct subject s = subject_start(1), other = subject_start(1);
  struct flight f = {0};
  assert_ok(agent_kill(s.agent, s.pid, SIGSTOP));
  unsigned sent = send_until_full(s.channel, &f, MOST);
  assert_in_range(sent, 1, MOST - 1);
  print_message("%u calls of 4,000 bytes were on their way\n", sent);
  others_are_served(&other, 100);
  assert_int_equal(f.done, 0);
  assert_ok(agent_kill(s.agent, s.pid, SIGCONT));
  dispatch_until(&f, sent, 60 * TL_S);
  assert_int_equal(f.wrong, 0);
  assert_true(subject_counts(&s).calls == sent);
  subject_stop(&s);
  subject_stop(&other);
}

/* ---- quotas ---- */

/* Attachments until the user's account has no more: the error is LIMIT, those that are there go on, and what goes gives its
 * place back. */
static void a_greedy_user_meets_its_quota(void **state) {
  (void)state;
  enum { MOST = 2000 };
  struct subject s = subject_start(1);
  struct tulle *all[MOST], *one_more;
  unsigned count = 0;
  int r = 0;
  may_open_many_files();
  while (count < MOST && (r = tulle_attach(NULL, &all[count])) == 0) count++;
  assert_code(r, TULLE_E_LIMIT);
  others_are_served(&s, 10);
  all[count - 1] = tulle_detach(all[count - 1]);
  for (uint64_t end = 0; tulle_attach(NULL, &one_more) != 0;) patience(&end, 10 * TL_S);
  tulle_detach(one_more);
  for (unsigned i = 0; i + 1 < count; i++) tulle_detach(all[i]);
  subject_stop(&s);
}

/* ---- what nobody sent ---- */

#define MARK_FAR  UINT64_C(0x1f2e3d4c5b6a7988)
#define MARK_NEAR UINT64_C(0x8091a2b3c4d5e6f7)

static int64_t scan_of(struct subject *s, uint64_t mark) {
  struct tulle_result result;
  unsigned char args[16];
  assert_ok(tulle_call(s->channel, "scan", args, pack_uint(args, mark), 60 * TL_S, &result));
  struct tulle_unpack r = tulle_unpack_on(result.data, result.size);
  int64_t found = tulle_unpack_int(&r);
  assert_true(tulle_unpack_is_ok(&r));
  tulle_result_clear(&result);
  return found;
}

/* Both sides leave a mark all over their memory, talk, and look for the other one's in what they share. */
static void nothing_is_seen_that_was_not_sent(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  unsigned char args[16], data[400] = {0};
  assert_ok(tulle_call(s.channel, "spread", args, pack_uint(args, MARK_FAR), 0, NULL));
  poison_spread(MARK_NEAR);
  for (size_t size = 1; size < sizeof data; size += 7) {
    unsigned char message[512];
    struct tulle_pack w = tulle_pack_on(message, sizeof message);
    tulle_pack_bytes(&w, data, size);
    assert_ok(tulle_call(s.channel, "echo", message, tulle_pack_size(&w), 0, NULL));
    assert_code(tulle_call(s.channel, "fail", NULL, 0, 0, NULL), TULLE_E_REMOTE);
    assert_ok(tulle_call(s.channel, "produce", args, pack_uint(args, size), 0, NULL));
  }
  assert_true(poison_scan(MARK_FAR) == 0);
  assert_true(scan_of(&s, MARK_NEAR) == 0);
  subject_stop(&s);
}

/* ---- what is changed after it was sent ---- */

struct rewriting {
  volatile unsigned char *place;
  size_t size;
  atomic_bool is_over;
  atomic_uint times;
};

static void *rewrite(void *userdata) {
  struct rewriting *w = userdata;
  while (!atomic_load(&w->is_over)) {
    for (size_t i = 0; i < w->size; i++) w->place[i] ^= 1;
    atomic_fetch_add(&w->times, 1);
  }
  return NULL;
}

/* The same bytes through a mapping of their own, which stays when the ring moves to another area. */
static volatile unsigned char *mapped_again(volatile unsigned char *place, size_t size) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), offset = (uintptr_t)place % page;
  unsigned char *again =
      mremap((unsigned char *)(uintptr_t)place - offset, 0, offset + size, MREMAP_MAYMOVE);
  assert_true(again != MAP_FAILED);
  return again + offset;
}

static void unmap(volatile unsigned char *place, size_t size) {
  size_t offset = (uintptr_t)place % (size_t)sysconf(_SC_PAGESIZE);
  assert_int_equal(munmap((unsigned char *)(uintptr_t)place - offset, offset + size), 0);
}

/* Sends bytes, and goes on changing them in the ring while the service looks at them twice. */
static void send_and_rewrite(struct subject *s, unsigned round) {
  struct rewriting w = {.size = 64};
  struct flight held = {0}, looked = {0};
  struct timespec moment = {0, 1000000};
  unsigned char bytes[64], args[128], number[16];
  pthread_t thread;
  memset(bytes, 'A' + (int)round, sizeof bytes);
  struct tulle_pack pack = tulle_pack_on(args, sizeof args);
  tulle_pack_bytes(&pack, bytes, sizeof bytes);
  assert_ok(tulle_call_async(s->channel, "hold", number, pack_uint(number, 20 * TL_MS), 20 * TL_S,
                             landed, &held, NULL));
  assert_ok(tulle_call_async(s->channel, "steady", args, tulle_pack_size(&pack), 20 * TL_S, landed,
                             &looked, NULL));
  volatile unsigned char *place = poison_find(bytes, sizeof bytes);
  assert_non_null(place);
  w.place = mapped_again(place, w.size);
  assert_int_equal(pthread_create(&thread, NULL, rewrite, &w), 0);
  nanosleep(&moment, NULL);
  dispatch_until(&looked, 1, 20 * TL_S);
  atomic_store(&w.is_over, true);
  assert_int_equal(pthread_join(thread, NULL), 0);
  unmap(w.place, w.size);
  assert_true(w.times > 0);
  assert_code(looked.last, 0);
  dispatch_until(&held, 1, 20 * TL_S);
}

static void nothing_changes_after_it_was_checked(void **state) {
  (void)state;
  for (unsigned round = 0; round < 10; round++) {
    struct subject s = subject_start(1);
    send_and_rewrite(&s, round);
    subject_stop(&s);
  }
}

SUITE_TOPIC(limits, cmocka_unit_test(a_caller_that_takes_nothing),
            cmocka_unit_test(a_thousand_callers_that_take_nothing),
            cmocka_unit_test(a_stopped_service_bounds_every_queue),
            cmocka_unit_test(a_greedy_user_meets_its_quota),
            cmocka_unit_test(nothing_is_seen_that_was_not_sent),
            cmocka_unit_test(nothing_changes_after_it_was_checked));
