#include "tests/unit/node/started.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/test.h"

#define PATIENCE_MS    20000
#define START_ARGS_MAX 8

const char *started_daemon;

int started_setup(void **state) {
  struct place *p = calloc(1, sizeof *p);
  snprintf(p->folder, sizeof p->folder, "/tmp/tulle-test-XXXXXX");
  assert_non_null(mkdtemp(p->folder));
  snprintf(p->runtime, sizeof p->runtime, "%s/run", p->folder);
  snprintf(p->state, sizeof p->state, "%s/state", p->folder);
  snprintf(p->socket, sizeof p->socket, "%s/node.sock", p->runtime);
  *state = p;
  return 0;
}

void started_remove(const char *path) {
  DIR *d = opendir(path);
  for (const struct dirent *e; d && (e = readdir(d));) unlinkat(dirfd(d), e->d_name, 0);
  if (d) closedir(d);
  rmdir(path);
}

int started_teardown(void **state) {
  struct place *p = *state;
  started_remove(p->runtime);
  started_remove(p->state);
  assert_int_equal(rmdir(p->folder), 0);
  free(p);
  return 0;
}

/* ---- processes ---- */

void started_start(const struct place *p, struct process *out, const char *const *args) {
  static const char *const usual[] = {"--name",      "osprey",    "--listen",
                                      "127.0.0.1:0", "--no-mdns", NULL};
  const char *argv[START_ARGS_MAX + 2] = {"node"};
  int ends[2];
  if (!args) args = usual;
  for (int i = 0; i < START_ARGS_MAX && args[i]; i++) argv[i + 1] = args[i];
  assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
  out->pid = fork();
  assert_true(out->pid >= 0);
  if (out->pid == 0) {
    setenv("TULLE_RUNTIME_DIR", p->runtime, 1);
    setenv("TULLE_STATE_DIR", p->state, 1);
    dup2(ends[1], STDERR_FILENO);
    execv(started_daemon, (char *const *)(uintptr_t)argv);
    _exit(99);
  }
  close(ends[1]);
  out->text = ends[0];
  out->line[0] = 0;
}

/* The next line of its standard error; false at the end. */
bool started_read_line(struct process *x) {
  size_t size = 0;
  while (size < sizeof x->line - 1) {
    struct pollfd f = {.fd = x->text, .events = POLLIN};
    assert_int_equal(poll(&f, 1, PATIENCE_MS), 1);
    ssize_t n = read(x->text, x->line + size, 1);
    if (n <= 0) return false;
    if (x->line[size++] == '\n') break;
  }
  x->line[size] = 0;
  return true;
}

void started_wait_ready(struct process *x) {
  while (started_read_line(x))
    if (strncmp(x->line, "ready", 5) == 0) return;
  fail_msg("it ended before it was ready");
}

int started_wait_end(struct process *x) {
  int status;
  assert_int_equal(waitpid(x->pid, &status, 0), x->pid);
  close(x->text);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void started_ready(const struct place *p, struct process *out) {
  started_start(p, out, NULL);
  started_wait_ready(out);
}

void started_end(struct process *x) {
  kill(x->pid, SIGTERM);
  assert_int_equal(started_wait_end(x), 0);
}
