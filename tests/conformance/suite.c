/*
 * The one conformance suite: what the contract promises of a call, wherever the other side is.
 *
 *   conformance PATH [CASE]      runs all cases, or those that match a pattern with * and ?
 *   conformance --list           prints their names
 *
 * runs in the network of one node. An agent named `far` (subject.c) is served by the same node, by another node on
 * this host, or by a node in another network namespace; an agent named `near` always by the same one. PATH is what
 * every channel to the far side must travel over: ring, udp or tcp. Nothing else in here knows which of them it is.
 * settings.sh makes the settings.
 */
#include "tests/conformance/suite.h"

#include <sys/wait.h>
#include <time.h>

const char *suite_path;
struct tulle_channel *suite_far, *suite_near;

static const struct topic *const topics[] = {
    &calls_topic,    &flight_topic, &errors_topic, &ends_topic,     &serving_topic,
    &identity_topic, &naming_topic, &limits_topic, &delivery_topic, &network_topic,
};
#define TOPICS (sizeof topics / sizeof *topics)

/* ---- the place ---- */

bool suite_may_control(const char *command) {
  char line[512];
  const char *control = getenv("TULLE_SUITE_CONTROL");
  assert_non_null(control);
  snprintf(line, sizeof line, "%s %s", control, command);
  int status = system(line);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 3) return false;
  if (status != 0) fail_msg("'%s' ended with %d", command, status);
  return true;
}

void suite_control(const char *command) {
  assert_true(suite_may_control(command));
}

static struct tulle_channel *open_surely(const char *service) {
  struct tulle_channel *c = NULL;
  for (uint64_t end = 0;;) {
    int r = tulle_wait(NULL, service, 10 * TL_S);
    if (r == 0) r = tulle_channel_open(NULL, service, NULL, &c);
    if (r == 0) r = tulle_call(c, "ping", NULL, 0, 0, NULL);
    if (r == 0) return c;
    c = tulle_channel_close(c);
    patience(&end, 30 * TL_S);
  }
}

void suite_find_agents(void) {
  suite_far = tulle_channel_close(suite_far);
  suite_near = tulle_channel_close(suite_near);
  suite_far = open_surely("far");
  suite_near = open_surely("near");
}

/* ---- programs under test ---- */

void subject_name(char out[32]) {
  static unsigned number;
  snprintf(out, 32, "subject-%d-%u", (int)getpid(), number++);
}

/* Calls an agent with a list of words, and wants a number back. */
static int64_t call_agent(struct tulle_channel *at, const char *procedure,
                          const char *const *words) {
  unsigned char args[512];
  size_t count = 0;
  while (words[count]) count++;
  struct tulle_pack w = tulle_pack_on(args, sizeof args);
  tulle_pack_array(&w, count);
  for (size_t i = 0; i < count; i++) tulle_pack_text(&w, words[i]);
  struct tulle_result result;
  assert_ok(tulle_call(at, procedure, args, tulle_pack_size(&w), 60 * TL_S, &result));
  struct tulle_unpack r = tulle_unpack_on(result.data, result.size);
  int64_t n = tulle_unpack_int(&r);
  assert_true(tulle_unpack_is_ok(&r));
  tulle_result_clear(&result);
  return n;
}

static uint64_t start(struct tulle_channel *at, const char *const *words) {
  int64_t pid = call_agent(at, "start", words);
  assert_true(pid > 1);
  assert_ok(tulle_wait(NULL, words[0], 10 * TL_S));
  return (uint64_t)pid;
}

uint64_t agent_start(struct tulle_channel *at, const char *name, unsigned threads) {
  char text[16];
  snprintf(text, sizeof text, "%u", threads);
  return start(at, (const char *const[]){name, text, NULL});
}

uint64_t agent_start_as(struct tulle_channel *at, const char *name, const char *file) {
  return start(at, (const char *const[]){name, "1", file, NULL});
}

int agent_kill(struct tulle_channel *at, uint64_t pid, int number) {
  unsigned char args[64];
  struct tulle_pack w = tulle_pack_on(args, sizeof args);
  tulle_pack_array(&w, 2);
  tulle_pack_uint(&w, pid);
  tulle_pack_uint(&w, (uint64_t)number);
  return tulle_call(at, "kill", args, tulle_pack_size(&w), 0, NULL);
}

int agent_run(struct tulle_channel *at, const char *const *words) {
  return (int)call_agent(at, "run", words);
}

struct subject subject_start_at(struct tulle_channel *at, unsigned threads) {
  struct subject s = {.agent = at};
  subject_name(s.name);
  s.pid = agent_start(at, s.name, threads);
  assert_ok(tulle_channel_open(NULL, s.name, NULL, &s.channel));
  return s;
}

struct subject subject_start(unsigned threads) {
  return subject_start_at(suite_far, threads);
}

void subject_stop(struct subject *s) {
  s->channel = tulle_channel_close(s->channel);
  assert_ok(agent_kill(s->agent, s->pid, SIGKILL));
}

/* An array of `count` numbers. */
static void ask_array(struct tulle_channel *c, const char *procedure, const void *args, size_t size,
                      uint64_t *out, size_t count) {
  struct tulle_result result;
  assert_ok(tulle_call(c, procedure, args, size, 30 * TL_S, &result));
  struct tulle_unpack r = tulle_unpack_on(result.data, result.size);
  assert_int_equal(tulle_unpack_array(&r), count);
  for (size_t i = 0; i < count; i++) out[i] = tulle_unpack_uint(&r);
  assert_true(tulle_unpack_is_ok(&r));
  tulle_result_clear(&result);
}

struct counts subject_counts(const struct subject *s) {
  uint64_t n[3];
  ask_array(s->channel, "counters", NULL, 0, n, 3);
  return (struct counts){n[0], n[1], n[2]};
}

struct notes subject_notes(const struct subject *s) {
  uint64_t n[4];
  ask_array(s->channel, "notes", NULL, 0, n, 4);
  return (struct notes){n[0], n[1], n[2], n[3]};
}

struct node_counts subject_node_counts(const struct subject *s) {
  uint64_t n[3];
  ask_array(s->channel, "node_counts", NULL, 0, n, 3);
  return (struct node_counts){n[0], n[1], n[2]};
}

struct link_counts subject_link_counts(const struct subject *s) {
  uint64_t n[2];
  ask_array(s->channel, "link_counts", NULL, 0, n, 2);
  return (struct link_counts){n[0], n[1]};
}

struct visit subject_visit(const struct subject *s, const char *service, uint64_t times) {
  unsigned char args[128];
  uint64_t n[3];
  struct tulle_pack w = tulle_pack_on(args, sizeof args);
  tulle_pack_array(&w, 2);
  tulle_pack_text(&w, service), tulle_pack_uint(&w, times);
  ask_array(s->channel, "visit", args, tulle_pack_size(&w), n, 3);
  return (struct visit){n[0], n[1], n[2]};
}

/* ---- calls ---- */

size_t pack_uint(unsigned char out[16], uint64_t v) {
  struct tulle_pack w = tulle_pack_on(out, 16);
  tulle_pack_uint(&w, v);
  return tulle_pack_size(&w);
}

static uint64_t ask_with(struct tulle_channel *c, const char *procedure, const void *args,
                         size_t size) {
  struct tulle_result result;
  int status = tulle_call(c, procedure, args, size, 20 * TL_S, &result);
  if (status != 0)
    fail_msg("%s: %d (%s)", procedure, status,
             result.text ? result.text : tulle_error_text(status));
  struct tulle_unpack r = tulle_unpack_on(result.data, result.size);
  uint64_t n = tulle_unpack_uint(&r);
  assert_true(tulle_unpack_is_ok(&r));
  tulle_result_clear(&result);
  return n;
}

uint64_t ask(struct tulle_channel *c, const char *procedure) {
  return ask_with(c, procedure, NULL, 0);
}

uint64_t ask_uint(struct tulle_channel *c, const char *procedure, uint64_t argument) {
  unsigned char args[16];
  return ask_with(c, procedure, args, pack_uint(args, argument));
}

uint64_t ask_text(struct tulle_channel *c, const char *procedure, const char *argument) {
  unsigned char args[128];
  struct tulle_pack w = tulle_pack_on(args, sizeof args);
  tulle_pack_text(&w, argument);
  return ask_with(c, procedure, args, tulle_pack_size(&w));
}

/* ---- asynchronous calls ---- */

void landed(void *userdata, int status, const struct tulle_result *result) {
  struct flight *f = userdata;
  (void)result;
  f->last = status;
  if (status != 0) atomic_fetch_add(&f->wrong, 1);
  atomic_fetch_add(&f->done, 1);
}

void dispatch_until(struct flight *f, unsigned wanted, uint64_t timeout_ns) {
  uint64_t now = tl_time_now(), end = now + timeout_ns;
  while (atomic_load(&f->done) < wanted && now < end) {
    assert_true(tulle_dispatch_wait(NULL, end - now) >= 0);
    now = tl_time_now();
  }
  assert_int_equal(atomic_load(&f->done), wanted);
}

void hang(struct subject *s, struct flight *f) {
  uint64_t before = ask_text(s->agent, "seen", s->name);
  assert_ok(tulle_call_async(s->channel, "hang", NULL, 0, 60 * TL_S, landed, f, NULL));
  for (uint64_t end = 0; ask_text(s->agent, "seen", s->name) == before;) patience(&end, 10 * TL_S);
}

void patience(uint64_t *end, uint64_t timeout_ns) {
  struct timespec t = {0, 5000000};
  if (!*end) *end = tl_time_now() + timeout_ns;
  if (tl_time_now() > *end) fail_msg("waited for %u ms in vain", (unsigned)(timeout_ns / TL_MS));
  nanosleep(&t, NULL);
}

/* ---- running ---- */

static int open_agents(void **state) {
  (void)state;
  suite_find_agents();
  return 0;
}

static int close_agents(void **state) {
  (void)state;
  suite_far = tulle_channel_close(suite_far);
  suite_near = tulle_channel_close(suite_near);
  return 0;
}

int main(int argc, char **argv) {
  static struct CMUnitTest tests[256];
  size_t count = 0;
  for (size_t i = 0; i < TOPICS; i++)
    for (size_t k = 0; k < topics[i]->count; k++) tests[count++] = topics[i]->cases[k];
  if (argc == 2 && strcmp(argv[1], "--list") == 0) {
    for (size_t i = 0; i < count; i++) printf("%s\n", tests[i].name);
    return 0;
  }
  if (argc != 2 && argc != 3) {
    fprintf(stderr, "usage: conformance ring|udp|tcp [CASE] | --list\n");
    return 2;
  }
  suite_path = argv[1];
  if (argc == 3) cmocka_set_test_filter(argv[2]);
  return _cmocka_run_group_tests("conformance", tests, count, open_agents, close_agents);
}
