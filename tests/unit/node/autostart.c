/*
 * A program that finds no node starts one: where the program for it is looked for, several at once, and what is
 * said when none can start. No wait here has an end of its own: a start that nobody hears of hangs the test.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/node/started.h"
#include "tests/unit/test.h"
#include "tulle/tulle.h"

#define PROGRAMS 8

static const char *program; /* tulle */

/* The environment is that of a shell in which nothing runs yet. */
static int setup(void **state) {
  int r = started_setup(state);
  const struct place *p = *state;
  setenv("TULLE_RUNTIME_DIR", p->runtime, 1);
  setenv("TULLE_STATE_DIR", p->state, 1);
  setenv("TULLE_BIN", program, 1);
  unsetenv("TULLE_AUTOSTART");
  return r;
}

static int attach_for_ever(struct tulle **out) {
  const struct tulle_options o = {.program = "starter", .timeout_ns = TULLE_FOREVER};
  return tulle_attach(&o, out);
}

static uint32_t pid_of_node(struct tulle *t) {
  struct tulle_channel *c;
  assert_int_equal(tulle_channel_open(t, "node", NULL, &c), 0);
  uint32_t pid = tulle_channel_peer(c)->pid;
  tulle_channel_close(c);
  return pid;
}

static void wait_until_gone(uint32_t pid) {
  while (kill((pid_t)pid, 0) == 0) usleep(1000);
}

static void end_node(uint32_t pid) {
  assert_int_equal(kill((pid_t)pid, SIGTERM), 0);
  wait_until_gone(pid);
}

/* What is written to standard error from here to error_end(). */
static int error_begin(int *out_saved) {
  int ends[2];
  assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
  *out_saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
  dup2(ends[1], STDERR_FILENO);
  close(ends[1]);
  return ends[0];
}

/* To the end of the pipe: nobody may keep it. */
static void error_end(int fd, int saved, char *out, size_t out_size) {
  size_t size = 0;
  dup2(saved, STDERR_FILENO);
  close(saved);
  for (ssize_t n; size < out_size - 1 && (n = read(fd, out + size, out_size - 1 - size)) > 0;)
    size += (size_t)n;
  out[size] = 0;
  close(fd);
}

static void a_program_starts_a_node_that_says_nothing(void **state) {
  struct tulle *t;
  char text[512];
  int saved, fd = error_begin(&saved);
  (void)state;
  assert_int_equal(attach_for_ever(&t), 0);
  error_end(fd, saved, text, sizeof text);
  assert_string_equal(text, "");
  uint32_t pid = pid_of_node(t);
  tulle_detach(t);
  end_node(pid);
}

static void be_one_of_many(int report, int go) {
  struct tulle *t;
  char one;
  (void)!read(go, &one, 1);
  if (attach_for_ever(&t)) _exit(1);
  uint32_t pid = pid_of_node(t);
  (void)!write(report, &pid, sizeof pid);
  _exit(0);
}

static void programs_that_start_at_once_share_a_node(void **state) {
  int report[2], go[2], status;
  pid_t children[PROGRAMS];
  uint32_t pid[PROGRAMS];
  (void)state;
  assert_int_equal(pipe2(report, O_CLOEXEC) | pipe2(go, O_CLOEXEC), 0);
  for (int i = 0; i < PROGRAMS; i++) {
    children[i] = fork();
    assert_true(children[i] >= 0);
    if (children[i] == 0) {
      close(go[1]);
      be_one_of_many(report[1], go[0]);
    }
  }
  close(go[1]); /* now */
  for (int i = 0; i < PROGRAMS; i++) {
    assert_int_equal(read(report[0], &pid[i], sizeof pid[i]), sizeof pid[i]);
    assert_int_equal(pid[i], pid[0]);
  }
  for (int i = 0; i < PROGRAMS; i++) {
    assert_int_equal(waitpid(children[i], &status, 0), children[i]);
    assert_int_equal(status, 0);
  }
  close(go[0]);
  close(report[0]);
  close(report[1]);
  end_node(pid[0]);
}

static void a_node_that_cannot_start_says_why(void **state) {
  const struct place *p = *state;
  struct tulle *t;
  char text[512];
  int saved;
  assert_int_equal(mkdir(p->state, 0755), 0);
  int fd = error_begin(&saved);
  assert_int_equal(attach_for_ever(&t), TULLE_E_NO_NODE);
  error_end(fd, saved, text, sizeof text);
  assert_non_null(strstr(text, "chmod 700"));
}

static void a_node_elsewhere_on_the_same_state_is_named(void **state) {
  const struct place *p = *state;
  struct tulle *t;
  char text[512], number[32], other[128];
  int saved;
  assert_int_equal(attach_for_ever(&t), 0);
  uint32_t pid = pid_of_node(t);
  tulle_detach(t);
  snprintf(other, sizeof other, "%s/other", p->folder);
  setenv("TULLE_RUNTIME_DIR", other, 1);
  int fd = error_begin(&saved);
  assert_int_equal(attach_for_ever(&t), TULLE_E_NO_NODE);
  error_end(fd, saved, text, sizeof text);
  snprintf(number, sizeof number, "pid %u", pid);
  assert_non_null(strstr(text, number));
  started_remove(other);
  end_node(pid);
}

static void what_is_no_program_starts_nothing(void **state) {
  static const char *const wrong[] = {"/nonexistent/tulle", "/dev/null", "/tmp", "/bin/true"};
  struct tulle *t;
  (void)state;
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    setenv("TULLE_BIN", wrong[i], 1);
    assert_int_equal(attach_for_ever(&t), TULLE_E_NO_NODE);
  }
}

/* Without it a program says no more than that there is no node. */
static void a_program_that_cannot_be_run_is_named(void **state) {
  char said[512] = "";
  struct tulle *t;
  int ends[2], own = dup(STDERR_FILENO);
  (void)state;
  assert_int_equal(pipe(ends), 0);
  setenv("TULLE_BIN", "/dev/null", 1);
  dup2(ends[1], STDERR_FILENO);
  int r = attach_for_ever(&t);
  dup2(own, STDERR_FILENO);
  close(own), close(ends[1]);
  assert_int_equal(r, TULLE_E_NO_NODE);
  assert_true(read(ends[0], said, sizeof said - 1) > 0);
  close(ends[0]);
  assert_non_null(strstr(said, "no node can be started: /dev/null: Permission denied"));
}

/* This test lies beside no `tulle`, and PATH leads to none. */
static void without_a_program_there_is_no_node(void **state) {
  struct tulle *t;
  (void)state;
  char *path = strdup(getenv("PATH"));
  unsetenv("TULLE_BIN");
  setenv("PATH", "/nonexistent:.:", 1);
  assert_int_equal(attach_for_ever(&t), TULLE_E_NO_NODE);
  setenv("PATH", path, 1);
  free(path);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, started_teardown)

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      TEST(a_program_starts_a_node_that_says_nothing),
      TEST(programs_that_start_at_once_share_a_node),
      TEST(a_node_that_cannot_start_says_why),
      TEST(a_node_elsewhere_on_the_same_state_is_named),
      TEST(what_is_no_program_starts_nothing),
      TEST(a_program_that_cannot_be_run_is_named),
      TEST(without_a_program_there_is_no_node),
  };
  if (argc < 2) return 2;
  program = argv[1];
  return cmocka_run_group_tests(tests, NULL, NULL);
}
