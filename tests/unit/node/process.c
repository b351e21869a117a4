/*
 * The node as a process: starting, ending, one node in one place, taking over, and death at any moment of either side.
 *
 * Waiting is for what the kernel tells: a line of text, the end of a process, a hang-up.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/time.h"
#include "core/wire/rpc.h"
#include "tests/unit/node/program.h"
#include "tests/unit/node/started.h"
#include "tests/unit/test.h"

#define STORM_PROGRAMS   6
#define STORM_DEFAULT    500
#define NODE_KILLS       8
#define PATIENCE_MS      20000
#define CALLS_IN_FLIGHT  32
#define SWITCHES_ALLOWED 3 /* whatever a timer of the machine does; not one for a thousand calls */

static bool exists(const char *path) {
  struct stat s;
  return stat(path, &s) == 0;
}

static size_t entries(pid_t pid, const char *what) {
  char path[64];
  size_t count = 0;
  snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, what);
  DIR *d = opendir(path);
  while (d && readdir(d)) count++;
  if (d) closedir(d);
  return count;
}

static uint64_t reply_uint(const char *key) {
  struct tulle_unpack body = tulle_unpack_on(program_reply, program_reply_size);
  struct tulle_unpack value = tulle_unpack_key(&body, key);
  uint64_t v = tulle_unpack_uint(&value);
  assert_true(tulle_unpack_is_ok(&value));
  return v;
}

/* ---- starting and ending ---- */

static void it_starts_serves_and_ends(void **state) {
  const struct place *p = *state;
  static struct program a;
  struct process node;
  started_ready(p, &node);
  assert_non_null(strstr(node.line, p->socket));
  memset(&a, 0, sizeof a);
  assert_true(program_attach(&a, p->socket, "a"));
  assert_string_equal(a.self.node_name, "osprey");
  assert_int_equal(a.self.incarnation, 1);
  uint64_t before = tl_time_now();
  started_end(&node);
  assert_true(tl_time_now() - before <
              10 * TL_S); /* it is two at most, and this machine may be busy */
  while (!a.is_hung_up) program_step(&a);
  program_detach(&a);
  assert_false(exists(p->socket));
}

static void a_program_with_the_right_can_end_it(void **state) {
  const struct place *p = *state;
  static struct program a;
  struct process node;
  started_ready(p, &node);
  memset(&a, 0, sizeof a);
  assert_true(program_attach(&a, p->socket, "a"));
  assert_int_equal(program_call(&a, "shutdown", NULL, 0), 0); /* answered before it ends */
  assert_int_equal(started_wait_end(&node), 0);
  program_detach(&a);
}

/* systemd hears READY=1 no earlier than programs can attach. */
static void a_service_manager_is_told(void **state) {
  const struct place *p = *state;
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  struct process node;
  char text[32] = "";
  snprintf(a.sun_path, sizeof a.sun_path, "%s/notify", p->folder);
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
  setenv("NOTIFY_SOCKET", a.sun_path, 1);
  started_start(p, &node, NULL);
  unsetenv("NOTIFY_SOCKET");
  struct pollfd f = {.fd = fd, .events = POLLIN};
  assert_int_equal(poll(&f, 1, PATIENCE_MS), 1);
  assert_int_equal(recv(fd, text, sizeof text - 1, 0), 7);
  assert_string_equal(text, "READY=1");
  assert_true(exists(p->socket));
  started_end(&node);
  close(fd);
  unlink(a.sun_path);
}

static int be_another_user(const char *socket) {
  static struct program a;
  if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534)) return 1;
  if (!program_attach(&a, socket, "other")) return 2;
  if (a.self.uid != 65534 || a.self.gid != 65534) return 3;
  if (program_call_text(&a, "register", "service", "echo") != TULLE_E_EXISTS) return 4;
  if (program_call(&a, "shutdown", NULL, 0) != TULLE_E_REFUSED) return 5;
  program_detach(&a);
  return 0;
}

/* The system's node serves all users, and each is who the kernel says. */
static void another_user_has_its_own_rights(void **state) {
  const struct place *p = *state;
  static struct program mine;
  struct process node;
  int status;
  if (geteuid() != 0) skip(); /* nobody else to be */
  assert_int_equal(chmod(p->folder, 0755), 0);
  started_ready(p, &node);
  memset(&mine, 0, sizeof mine);
  assert_true(program_attach(&mine, p->socket, "mine"));
  assert_int_equal(program_call_text(&mine, "register", "service", "echo"), 0);
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) _exit(be_another_user(p->socket));
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 0);
  program_detach(&mine);
  started_end(&node);
}

static void wrong_usage_is_2(void **state) {
  const struct place *p = *state;
  static const char *const wrong[][3] = {{"--nonsense"},
                                         {"stray"},
                                         {"--name", "a b"},
                                         {"--name"},
                                         {"--listen", "here"},
                                         {"--peer", "example.org:1"},
                                         {"--peer", "1.2.3.4:99999"}};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    struct process node;
    started_start(p, &node, wrong[i]);
    assert_true(started_read_line(&node));
    assert_int_equal(started_wait_end(&node), 2);
  }
  assert_false(exists(p->state));
}

static void a_damaged_state_is_not_made_anew(void **state) {
  const struct place *p = *state;
  char path[128];
  struct process node;
  started_ready(p, &node);
  started_end(&node);
  snprintf(path, sizeof path, "%s/incarnation", p->state);
  FILE *f = fopen(path, "w");
  fputs("many\n", f);
  fclose(f);
  started_start(p, &node, NULL);
  assert_true(started_read_line(&node));
  assert_non_null(strstr(node.line, "incarnation is damaged"));
  while (started_read_line(&node)) continue;
  assert_int_equal(started_wait_end(&node), 2);
  unlink(path);
  snprintf(path, sizeof path, "%s/identity.key", p->state);
  assert_int_equal(truncate(path, 20), 0);
  started_start(p, &node, NULL);
  while (started_read_line(&node)) continue;
  assert_int_equal(started_wait_end(&node), 2);
}

/* ---- one node in one place ---- */

static void a_second_node_is_refused(void **state) {
  const struct place *p = *state;
  struct place same_state = *p, same_runtime = *p;
  struct process node, second;
  char pid[32];
  started_ready(p, &node);
  snprintf(pid, sizeof pid, "pid %d", (int)node.pid);
  snprintf(same_state.runtime, sizeof same_state.runtime, "%s/other", p->folder);
  snprintf(same_runtime.state, sizeof same_runtime.state, "%s/other", p->folder);
  const struct place *places[] = {p, &same_state, &same_runtime};
  for (int i = 0; i < 3; i++) {
    started_start(places[i], &second, NULL);
    assert_true(started_read_line(&second));
    assert_non_null(strstr(second.line, pid));
    assert_int_equal(started_wait_end(&second), 2);
    started_remove(same_state.runtime);
  }
  started_end(&node);
}

static void racing_starts_yield_one(void **state) {
  const struct place *p = *state;
  static const char *const args[] = {"--autostarted", NULL};
  struct process node[4];
  int winner = -1;
  for (int i = 0; i < 4; i++) started_start(p, &node[i], args);
  for (int i = 0; i < 4; i++) { /* each says one thing, and until then the winner stays */
    assert_true(started_read_line(&node[i]));
    if (strncmp(node[i].line, "ready", 5) != 0) continue;
    assert_int_equal(winner, -1);
    winner = i;
  }
  assert_int_not_equal(winner, -1);
  for (int i = 0; i < 4; i++)
    if (i != winner) assert_int_equal(started_wait_end(&node[i]), 2);
  started_end(&node[winner]);
}

static void an_autostarted_node_gives_way(void **state) {
  const struct place *p = *state;
  static const char *const args[] = {"--autostarted", NULL};
  static struct program a;
  struct process first, second;
  started_start(p, &first, args);
  started_wait_ready(&first);
  memset(&a, 0, sizeof a);
  assert_true(program_attach(&a, p->socket, "a"));
  started_ready(p, &second);
  assert_int_equal(started_wait_end(&first), 0);
  while (!a.is_hung_up) program_step(&a);
  program_detach(&a);
  assert_true(program_attach(&a, p->socket, "a")); /* the same socket leads to the new one */
  assert_int_equal(a.self.incarnation, 2);
  program_detach(&a);
  started_end(&second);
}

/* ---- local data ---- */

/* How often the process has been put on or off a processor. */
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

static void echo_all(struct tl_channel *c) {
  struct tl_message m;
  void *body;
  while (tl_channel_peek(c, &m) == 0) {
    if (tl_channel_reserve(c, (uint32_t)m.length, &body) == TL_FULL) break;
    memcpy(body, m.body, m.length);
    tl_channel_commit(c, TL_KIND_REPLY, (uint32_t)m.length);
    tl_channel_release(c);
  }
  tl_channel_publish(c);
}

static void echo_program(const char *socket) {
  static struct program a;
  struct conversation *c;
  assert_true(program_attach(&a, socket, "echo"));
  assert_int_equal(program_call_text(&a, "register", "service", "echo"), 0);
  while (!(c = program_conversation(&a, 1))) {
    struct pollfd f = {.fd = a.fd, .events = POLLIN};
    poll(&f, 1, -1);
    program_step(&a);
  }
  for (;;) { /* until it is killed */
    struct tl_wait wait = tl_wait_until(tl_time_now() + TL_S);
    echo_all(&c->channel);
    (void)tl_channel_wait(&c->channel, &wait);
  }
}

/* Sends `count` messages, several at a time, and takes as many back. */
static void exchange(struct tl_channel *c, uint64_t count) {
  uint64_t sent = 0, heard = 0;
  struct tl_message m;
  void *body;
  while (heard < count) {
    while (sent < count && sent - heard < CALLS_IN_FLIGHT && tl_channel_reserve(c, 8, &body) == 0) {
      memcpy(body, &sent, sizeof sent);
      tl_channel_commit(c, TL_KIND_CALL, 8);
      sent++;
    }
    tl_channel_publish(c);
    while (tl_channel_peek(c, &m) == 0) {
      assert_int_equal(m.length, 8);
      assert_memory_equal(m.body, &heard, 8);
      tl_channel_release(c);
      heard++;
    }
    struct tl_wait wait = tl_wait_until(tl_time_now() + 20 * TL_S);
    if (heard < sent) assert_int_not_equal(tl_channel_wait(c, &wait), TULLE_E_DEADLINE);
  }
}

/* Two programs exchange a million calls, and their node is not scheduled once for them. */
static void local_data_never_reaches_the_node(void **state) {
  const struct place *p = *state;
  static struct program client;
  struct conversation *c;
  struct process node;
  int status;
  started_ready(p, &node);
  pid_t echo = fork();
  assert_true(echo >= 0);
  if (echo == 0) {
    setenv("CMOCKA_TEST_ABORT", "1", 1);
    echo_program(p->socket);
  }
  memset(&client, 0, sizeof client);
  assert_true(program_attach(&client, p->socket, "client"));
  assert_int_equal(program_call_text(&client, "wait", "service", "echo"), 0);
  assert_int_equal(program_open(&client, "echo", &c), 0);
  exchange(&c->channel, 1000);
  uint64_t before = switches_of(node.pid);
  exchange(&c->channel, 1000000);
  assert_true(switches_of(node.pid) - before <= SWITCHES_ALLOWED);
  kill(echo, SIGKILL);
  assert_int_equal(waitpid(echo, &status, 0), echo);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  program_detach(&client);
  started_end(&node);
}

/* ---- death ---- */

static void a_killed_node_leaves_nothing_in_the_way(void **state) {
  const struct place *p = *state;
  static struct program a;
  struct process node;
  for (int i = 1; i <= NODE_KILLS; i++) {
    started_ready(p, &node);
    memset(&a, 0, sizeof a);
    assert_true(program_attach(&a, p->socket, "a"));
    assert_int_equal(a.self.incarnation, i);
    assert_int_equal(program_call_text(&a, "register", "service", "echo"), 0);
    kill(node.pid, SIGKILL);
    assert_int_equal(started_wait_end(&node), 128 + SIGKILL);
    while (!a.is_hung_up) program_step(&a);
    program_detach(&a);
  }
  started_ready(p, &node);
  started_end(&node);
}

/* What a program of the storm does until it is killed: everything, in circles. */
static void storm_program(const char *socket, unsigned number) {
  static struct program a;
  char service[32], other[32];
  for (unsigned round = 0;; round++) {
    struct conversation *c = NULL;
    memset(&a, 0, sizeof a);
    if (!program_attach(&a, socket, "storm")) _exit(0);
    snprintf(service, sizeof service, "storm-%u", number);
    snprintf(other, sizeof other, "storm-%u", (number + round) % STORM_PROGRAMS);
    (void)program_call_text(&a, "register", "service", service);
    for (int i = 0; i < 4 && !a.is_hung_up; i++)
      if (program_open(&a, other, &c) == 0) (void)program_call(&a, "list", NULL, 0);
    (void)program_call_text(&a, "unregister", "service", service);
    program_detach(&a);
  }
}

static pid_t storm_start(const char *socket, unsigned number) {
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) {
    setenv("CMOCKA_TEST_ABORT", "1", 1); /* what it asserts ends it, and is seen by storm_end() */
    storm_program(socket, number);
  }
  return pid;
}

static void storm_end(pid_t pid) {
  int status;
  kill(pid, SIGKILL);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* After any number of deaths the node holds what it held before: no program, channel, descriptor or mapping more. */
static void a_storm_of_deaths_leaves_nothing(void **state) {
  const struct place *p = *state;
  const char *count = getenv("TULLE_TEST_KILLS");
  int kills = count ? atoi(count) : STORM_DEFAULT;
  static struct program watcher;
  struct process node;
  pid_t pids[STORM_PROGRAMS];
  unsigned seed = 7;
  started_ready(p, &node);
  memset(&watcher, 0, sizeof watcher);
  assert_true(program_attach(&watcher, p->socket, "watcher"));
  assert_int_equal(program_call(&watcher, "status", NULL, 0), 0);
  size_t fds = entries(node.pid, "fd");
  for (unsigned i = 0; i < STORM_PROGRAMS; i++) pids[i] = storm_start(p->socket, i);
  for (int i = 0; i < kills; i++) {
    unsigned victim = (unsigned)rand_r(&seed) % STORM_PROGRAMS;
    struct timespec moment = {0, rand_r(&seed) % 8000000};
    nanosleep(&moment, NULL);
    storm_end(pids[victim]);
    pids[victim] = storm_start(p->socket, victim);
  }
  for (unsigned i = 0; i < STORM_PROGRAMS; i++) storm_end(pids[i]);
  uint64_t until = tl_time_now() + 20 * TL_S;
  do assert_int_equal(program_call(&watcher, "status", NULL, 0), 0);
  while (reply_uint("programs") > 1 && tl_time_now() < until);
  assert_int_equal(reply_uint("programs"), 1);
  assert_int_equal(reply_uint("services"), 0);
  assert_int_equal(reply_uint("channels"), 0);
  assert_int_equal(entries(node.pid, "fd"), fds);
  program_detach(&watcher);
  started_end(&node); /* whose accounts are zero, or it would not end well */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, started_setup, started_teardown)

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      TEST(it_starts_serves_and_ends),
      TEST(a_program_with_the_right_can_end_it),
      TEST(a_service_manager_is_told),
      TEST(another_user_has_its_own_rights),
      TEST(wrong_usage_is_2),
      TEST(a_damaged_state_is_not_made_anew),
      TEST(a_second_node_is_refused),
      TEST(racing_starts_yield_one),
      TEST(an_autostarted_node_gives_way),
      TEST(local_data_never_reaches_the_node),
      TEST(a_killed_node_leaves_nothing_in_the_way),
      TEST(a_storm_of_deaths_leaves_nothing),
  };
  if (argc < 2) return 2;
  started_daemon = argv[1];
  signal(SIGPIPE, SIG_IGN);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
