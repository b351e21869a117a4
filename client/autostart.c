#include "client/autostart.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/place.h"
#include "core/error.h"
#include "core/time.h"

#define RUNTIME_DIR "TULLE_RUNTIME_DIR="

struct start {
  char program[PATH_MAX];
  char runtime_dir[sizeof RUNTIME_DIR + PATH_MAX];
  char **environment;
  char ready_fd[16]; /* `report` as the node reads it */
  int report;        /* a pipe: a byte when the node serves; its end when there will be none */
};

/* The environment with TULLE_RUNTIME_DIR set, so that the node listens where we will look. */
static char **environment_with(char *runtime_dir) {
  size_t count = 0, kept = 0;
  while (environ[count]) count++;
  char **out = calloc(count + 2, sizeof *out);
  if (!out) return NULL;
  for (size_t i = 0; i < count; i++)
    if (strncmp(environ[i], RUNTIME_DIR, sizeof RUNTIME_DIR - 1) != 0) out[kept++] = environ[i];
  out[kept] = runtime_dir;
  return out;
}

/* From fork to exec only async-signal-safe functions: other threads may have held any lock. */

static void close_all_but(int kept) {
  if (kept > 3) (void)syscall(SYS_close_range, 3u, (unsigned)kept - 1, 0u);
  if (syscall(SYS_close_range, (unsigned)kept + 1, UINT_MAX, 0u) == 0) return;
  for (int fd = 3; fd < 4096; fd++)
    if (fd != kept) close(fd);
}

static void reset_signals(void) {
  sigset_t none;
  sigemptyset(&none);
  for (int i = 1; i < NSIG; i++) signal(i, SIG_DFL);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

static void say(const char *text) {
  (void)!write(STDERR_FILENO, text, strlen(text));
}

/* Standard error stays the program's until the node serves: a node that cannot start says there why. */
static void become_node(const struct start *s) {
  char *const argv[] = {(char *)"tulle",      (char *)"node",      (char *)"--autostarted",
                        (char *)"--ready-fd", (char *)s->ready_fd, NULL};
  int null = open("/dev/null", O_RDWR);
  for (int fd = 0; fd < 3; fd++)
    if (null >= 0 && null != fd && (fd != 2 || fcntl(fd, F_GETFD) < 0)) dup2(null, fd);
  close_all_but(s->report);
  reset_signals();
  if (fcntl(s->report, F_SETFD, 0) == 0 && chdir("/") == 0)
    execve(s->program, argv, s->environment);
  say("error: no node can be started: "), say(s->program), say(": ");
  say(strerrordesc_np(errno)), say("\n");
  _exit(127);
}

/* Fork without a signal for the parent at the end: SIGCHLD is the program's own affair. */
static pid_t fork_silently(void) {
  return (pid_t)syscall(SYS_clone, 0, NULL, NULL, NULL, 0);
}

/* Twice forked, the node's parent is init. */
static int spawn(const struct start *s) {
  pid_t middle = fork_silently();
  if (middle < 0) return -errno;
  if (middle == 0) {
    setsid();
    pid_t node = fork_silently();
    if (node == 0) become_node(s);
    _exit(node < 0 ? 1 : 0);
  }
  int status = 0;
  while (waitpid(middle, &status, __WALL) < 0)
    if (errno != EINTR) return 0; /* somebody else waits for every child; the pipe will tell */
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : TULLE_E_NO_MEMORY;
}

/* A byte says that a node serves, or that another one is about to. */
static int hear(int fd, uint64_t deadline) {
  struct pollfd p = {.fd = fd, .events = POLLIN};
  unsigned char said = 0;
  for (;;) {
    uint64_t now = tl_time_now();
    if (now >= deadline) return 0; /* it may yet come; who waits no longer sees that for himself */
    uint64_t ns = tl_time_min(deadline - now, TL_S);
    if (poll(&p, 1, (int)((ns + TL_MS - 1) / TL_MS)) > 0) break;
  }
  return read(fd, &said, 1) == 1 ? 0 : TULLE_E_NO_NODE;
}

static int spawn_and_hear(struct start *s, uint64_t deadline) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return -errno;
  s->report = fcntl(ends[1], F_DUPFD_CLOEXEC, 3); /* out of the way of the standard three */
  close(ends[1]);
  snprintf(s->ready_fd, sizeof s->ready_fd, "%d", s->report);
  int r = s->report < 0 ? -errno : spawn(s);
  if (s->report >= 0) close(s->report);
  if (!r) r = hear(ends[0], deadline);
  close(ends[0]);
  return r;
}

int tl_autostart(const char *runtime_dir, uint64_t deadline) {
  struct start s;
  memcpy(s.runtime_dir, RUNTIME_DIR, sizeof RUNTIME_DIR);
  if (tl_place_of_program(s.program, sizeof s.program) != 0) return TULLE_E_NO_NODE;
  if (tl_place_to_start(runtime_dir, s.runtime_dir + sizeof RUNTIME_DIR - 1, PATH_MAX) != 0)
    return TULLE_E_NO_NODE;
  s.environment = environment_with(s.runtime_dir);
  if (!s.environment) return TULLE_E_NO_MEMORY;
  int r = spawn_and_hear(&s, deadline);
  free(s.environment);
  return r;
}
