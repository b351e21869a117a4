/*
 * Node and client library together, as processes: local calls that the node does not see, and nodes that die while
 * programs work.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/time.h"
#include "tests/unit/node/started.h"
#include "tests/unit/test.h"
#include "tulle/tulle.h"

#define CALLS            1000000
#define CALLS_IN_FLIGHT  32
#define SWITCHES_ALLOWED 20 /* whatever timers do; far from one for a thousand calls */
#define NODE_DEATHS      50
#define NUMBERS          (1 << 20)

/* What the service has run, in memory that it shares with the test: how often each number came. */
static uint8_t *ran;

static uint64_t switches_of(pid_t pid) {
  char path[64], line[256];
  uint64_t sum = 0;
  snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
  FILE *f = fopen(path, "r");
  assert_non_null(f);
  while (fgets(line, sizeof line, f)) {
    const char *count = strstr(line, "ctxt_switches:");
    if (count) sum += strtoull(count + strlen("ctxt_switches:"), NULL, 10);
  }
  fclose(f);
  return sum;
}

/* ---- the service ---- */

static int do_run(struct tulle_call_context *call, void *userdata) {
  struct tulle_unpack r = tulle_call_arguments(call);
  uint64_t number = tulle_unpack_uint(&r);
  (void)userdata;
  if (r.failed || number >= NUMBERS) return TULLE_E_INVALID;
  if (ran[number] < 255) ran[number]++;
  if (number % 4 == 1)
    nanosleep(&(struct timespec){0, 200000}, NULL); /* it is at work when the node dies */
  return tulle_reply(call, "\xc0", 1);
}

static pid_t serve(const struct place *p) {
  static const struct tulle_procedure procedures[] = {{"run", do_run, NULL}};
  const struct tulle_offer offer = {
      .name = "counter", .procedures = procedures, .procedure_count = 1};
  const struct tulle_options options = {
      .runtime_dir = p->runtime, .program = "counter", .no_autostart = true};
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid > 0) return pid;
  struct tulle *t;
  struct tulle_service *s;
  if (tulle_attach(&options, &t) || tulle_offer(t, &offer, &s)) _exit(1);
  _exit(tulle_serve(t, 1) ? 2 : 0);
}

static void kill_and_wait(pid_t pid) {
  int status;
  kill(pid, SIGKILL);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFSIGNALED(status));
}

static struct tulle *attach(const struct place *p) {
  const struct tulle_options options = {
      .runtime_dir = p->runtime, .program = "client", .no_autostart = true};
  struct tulle *t;
  assert_int_equal(tulle_attach(&options, &t), 0);
  return t;
}

/* ---- unseen ---- */

struct flight {
  uint64_t begun, ended, in_flight;
};

static void landed(void *userdata, int status, const struct tulle_result *result) {
  struct flight *f = userdata;
  (void)result;
  assert_int_equal(status, 0);
  f->ended++;
  f->in_flight--;
}

static void make_calls(struct tulle *t, struct tulle_channel *c, uint64_t count) {
  struct flight f = {0};
  while (f.ended < count) {
    while (f.begun < count && f.in_flight < CALLS_IN_FLIGHT) {
      int r = tulle_call_async(c, "run", "\x07", 1, 0, landed, &f, NULL);
      if (r == TULLE_E_AGAIN) break;
      assert_int_equal(r, 0);
      f.begun++;
      f.in_flight++;
    }
    assert_true(tulle_dispatch_wait(t, 20 * TL_S) >= 0);
  }
}

static void a_million_calls_are_unseen_by_the_node(void **state) {
  const struct place *p = *state;
  struct process node;
  struct tulle_channel *c;
  started_ready(p, &node);
  pid_t service = serve(p);
  struct tulle *t = attach(p);
  assert_int_equal(tulle_wait(t, "counter", 20 * TL_S), 0);
  assert_int_equal(tulle_channel_open(t, "counter", NULL, &c), 0);
  assert_string_equal(tulle_channel_path(c), "ring");
  make_calls(t, c, 10000); /* until the rings have the size that they need */
  uint64_t before = switches_of(node.pid);
  make_calls(t, c, CALLS);
  assert_true(switches_of(node.pid) - before <= SWITCHES_ALLOWED);
  tulle_channel_close(c);
  tulle_detach(t);
  kill_and_wait(service);
  started_end(&node);
}

/* ---- nodes that die ---- */

#define BATCH 12

/* Many calls, each with a number of its own that is never used again. */
struct caller {
  struct tulle *t;
  struct tulle_channel *channel;
  uint64_t number, in_flight;
  uint64_t answered, before_it_ran, unknown;
};

struct one_call {
  struct caller *caller;
  uint64_t number;
};

static void one_ended(void *userdata, int status, const struct tulle_result *result) {
  struct one_call *call = userdata;
  struct caller *x = call->caller;
  uint8_t times = ran[call->number];
  (void)result;
  x->in_flight--;
  if (status == 0) {
    assert_int_equal(times, 1);
    x->answered++;
  } else if (status == TULLE_E_OUTCOME_UNKNOWN) {
    assert_true(times <= 1);
    x->unknown++;
  } else { /* safe to repeat, it says */
    if (status != TULLE_E_PEER_GONE && status != TULLE_E_NO_NODE)
      fail_msg("%d (%s)", status, tulle_error_text(status));
    assert_int_equal(times, 0);
    x->before_it_ran++;
  }
  free(call);
}

static void begin_batch(struct caller *x) {
  if (!x->channel && tulle_channel_open(x->t, "counter", NULL, &x->channel) < 0) return;
  for (int i = 0; i < BATCH; i++) {
    unsigned char args[16];
    struct tulle_pack w = tulle_pack_on(args, sizeof args);
    struct one_call *call = malloc(sizeof *call);
    assert_non_null(call);
    *call = (struct one_call){x, x->number++};
    tulle_pack_uint(&w, call->number);
    int r =
        tulle_call_async(x->channel, "run", args, tulle_pack_size(&w), 0, one_ended, call, NULL);
    if (r == 0)
      x->in_flight++;
    else
      free(call);
  }
}

/* All that were begun end. A channel that is over makes room for another one. */
static void end_batch(struct caller *x) {
  uint64_t lost = x->before_it_ran + x->unknown, until = tl_time_now() + 20 * TL_S;
  while (x->in_flight > 0) {
    assert_true(tl_time_now() < until);
    assert_true(tulle_dispatch_wait(x->t, TL_S) >= 0);
  }
  if (x->before_it_ran + x->unknown > lost) x->channel = tulle_channel_close(x->channel);
}

static void wait_answered(struct caller *x) {
  uint64_t before = x->answered, until = tl_time_now() + 20 * TL_S;
  while (x->answered == before) {
    assert_true(tl_time_now() < until);
    begin_batch(x);
    if (!x->in_flight) x->channel = tulle_channel_close(x->channel);
    end_batch(x);
  }
}

static void nodes_die_and_programs_go_on(void **state) {
  const struct place *p = *state;
  struct process node;
  unsigned seed = 11;
  started_ready(p, &node);
  pid_t service = serve(p);
  struct caller x = {.t = attach(p)};
  for (int i = 0; i < NODE_DEATHS; i++) {
    struct timespec moment = {0, rand_r(&seed) % 500000};
    wait_answered(&x);
    begin_batch(&x);
    nanosleep(&moment, NULL);
    kill(node.pid, SIGKILL);
    if (i % 10 == 9) kill_and_wait(service); /* and nobody is left to tell of it */
    assert_int_equal(started_wait_end(&node), 128 + SIGKILL);
    end_batch(&x);
    started_ready(p, &node);
    if (i % 10 == 9) service = serve(p);
  }
  wait_answered(&x);
  for (uint64_t i = 0; i < x.number; i++) assert_true(ran[i] <= 1);
  print_message("%llu answered, %llu not begun, %llu unknown\n", (unsigned long long)x.answered,
                (unsigned long long)x.before_it_ran, (unsigned long long)x.unknown);
  tulle_channel_close(x.channel);
  tulle_detach(x.t);
  kill_and_wait(service);
  started_end(&node);
}

/* ---- no descriptor left ---- */

static int count_descriptors(void) {
  int n = 0;
  for (int fd = 0; fd < 1024; fd++) n += fcntl(fd, F_GETFD) >= 0;
  return n;
}

/* Leaves room for so many descriptors more. Returns the limit before. */
static struct rlimit leave_room(unsigned count) {
  struct rlimit before, few;
  getrlimit(RLIMIT_NOFILE, &before);
  int fd = dup(0);
  close(fd);
  few = (struct rlimit){(rlim_t)fd + count, before.rlim_max};
  setrlimit(RLIMIT_NOFILE, &few);
  return before;
}

static void a_full_table_of_descriptors_costs_one_channel(void **state) {
  const struct place *p = *state;
  struct process node;
  struct tulle_channel *c, *more[8];
  started_ready(p, &node);
  pid_t service = serve(p);
  struct tulle *t = attach(p);
  assert_int_equal(tulle_wait(t, "counter", 20 * TL_S), 0);
  assert_int_equal(tulle_channel_open(t, "counter", NULL, &c), 0);
  int before = count_descriptors();
  for (unsigned room = 0; room < 8; room++) {
    int r, count = 0;
    struct rlimit limit = leave_room(room);
    while ((r = tulle_channel_open(t, "counter", NULL, &more[count])) == 0) count++;
    assert_int_equal(r, -EMFILE);
    assert_non_null(tulle_error_hint(r));
    assert_int_equal(tulle_call(c, "run", "\x07", 1, 20 * TL_S, NULL), 0);
    setrlimit(RLIMIT_NOFILE, &limit);
    while (count) tulle_channel_close(more[--count]);
    assert_int_equal(count_descriptors(), before);
  }
  assert_int_equal(tulle_channel_open(t, "counter", NULL, &more[0]), 0);
  assert_int_equal(tulle_call(more[0], "run", "\x07", 1, 20 * TL_S, NULL), 0);
  tulle_channel_close(more[0]);
  tulle_channel_close(c);
  tulle_detach(t);
  kill_and_wait(service);
  started_end(&node);
}

static void attaching_without_descriptors_says_so(void **state) {
  const struct place *p = *state;
  const struct tulle_options options = {.runtime_dir = p->runtime, .no_autostart = true};
  struct process node;
  started_ready(p, &node);
  int before = count_descriptors();
  for (unsigned room = 0; room < 4; room++) {
    struct tulle *t = NULL;
    struct rlimit limit = leave_room(room);
    int r = tulle_attach(&options, &t);
    setrlimit(RLIMIT_NOFILE, &limit);
    assert_int_equal(r, -EMFILE);
    assert_null(t);
    assert_int_equal(count_descriptors(), before);
  }
  tulle_detach(attach(p));
  started_end(&node);
}

static int setup(void **state) {
  ran = mmap(NULL, NUMBERS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  assert_true(ran != MAP_FAILED);
  return started_setup(state);
}

static int teardown(void **state) {
  munmap(ran, NUMBERS);
  return started_teardown(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      TEST(a_million_calls_are_unseen_by_the_node),
      TEST(nodes_die_and_programs_go_on),
      TEST(a_full_table_of_descriptors_costs_one_channel),
      TEST(attaching_without_descriptors_says_so),
  };
  if (argc < 2) return 2;
  started_daemon = argv[1];
  if (getenv("ONLY")) cmocka_set_test_filter(getenv("ONLY"));
  return cmocka_run_group_tests(tests, NULL, NULL);
}
