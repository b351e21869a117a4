/* The agent: starts, kills and runs programs beside a node on behalf of the suite. */
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/conformance/subject.h"

#define WORDS_MAX    8
#define WORD_BYTES   64
#define CHILDREN_MAX 4096

extern char **environ;

struct words {
  size_t count;
  char text[WORDS_MAX][WORD_BYTES];
};

struct child {
  char name[WORD_BYTES];
  pid_t pid;
  int bell_fd;
  uint64_t seen;
};

static struct child children[CHILDREN_MAX];
static size_t child_count;

static int read_words(struct tulle_call_context *call, struct words *out) {
  struct tulle_unpack args = tulle_call_arguments(call);
  out->count = tulle_unpack_array(&args);
  if (!out->count || out->count > WORDS_MAX) return TULLE_E_BAD_MESSAGE;
  for (size_t i = 0; i < out->count; i++)
    tulle_unpack_string(&args, out->text[i], sizeof out->text[i]);
  return args.failed ? TULLE_E_BAD_MESSAGE : 0;
}

/* The path of a program beside this one. */
static int path_of(const char *program, char *out, size_t out_size) {
  char self[4096];
  ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
  if (n < 0) return TULLE_E_IO;
  self[n] = 0;
  *strrchr(self, '/') = 0;
  return snprintf(out, out_size, "%s/%s", self, program) < (int)out_size ? 0 : TULLE_E_TOO_BIG;
}

/* `bell_fd`: what the child finds as SUBJECT_BELL_FD, or -1. */
static int spawn(char *const argv[], int bell_fd, pid_t *out_pid) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (bell_fd >= 0) posix_spawn_file_actions_adddup2(&actions, bell_fd, SUBJECT_BELL_FD);
  int r = posix_spawn(out_pid, argv[0], &actions, NULL, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  return r ? TULLE_E_IO : 0;
}

/* Above the number that children know it by, so that it is always copied there. */
static int bell_open(void) {
  int low = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  int high = low < 0 ? -1 : fcntl(low, F_DUPFD_CLOEXEC, SUBJECT_BELL_FD + 1);
  if (low >= 0) close(low);
  return high;
}

static int copy_of(const char *from, const char *to) {
  char bytes[65536];
  int in = open(from, O_RDONLY | O_CLOEXEC);
  int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
  ssize_t n = in < 0 || out < 0 ? -1 : 1;
  while (n > 0 && (n = read(in, bytes, sizeof bytes)) > 0)
    if (write(out, bytes, (size_t)n) != n) n = -1;
  if (in >= 0) close(in);
  if (out >= 0) close(out);
  return n < 0 ? TULLE_E_IO : 0;
}

/* [service, threads, name of a copy of the program]: a subject -> its pid */
static int start(struct tulle_call_context *call, void *userdata) {
  struct words words;
  char path[4096], copy[4200] = "";
  (void)userdata;
  int r = read_words(call, &words);
  if (r == 0) r = path_of("subject", path, sizeof path);
  if (r < 0 || words.count < 2) return r < 0 ? r : TULLE_E_BAD_MESSAGE;
  if (child_count == CHILDREN_MAX) return TULLE_E_LIMIT;
  if (words.count > 2) {
    snprintf(copy, sizeof copy, "%s.%s", path, words.text[2]);
    r = copy_of(path, copy);
    if (r < 0) return r;
  }
  struct child *child = &children[child_count];
  *child = (struct child){.bell_fd = bell_open()};
  memcpy(child->name, words.text[0], sizeof child->name);
  char *argv[] = {*copy ? copy : path, "serve", words.text[0], words.text[1], NULL};
  if (child->bell_fd < 0 || spawn(argv, child->bell_fd, &child->pid) < 0) return TULLE_E_IO;
  child_count++;
  return reply_uint(call, (uint64_t)child->pid);
}

static int seen(struct tulle_call_context *call, void *userdata) {
  char name[WORD_BYTES];
  uint64_t more;
  (void)userdata;
  int r = text_argument(call, name, sizeof name);
  if (r < 0) return r;
  for (size_t i = child_count; i > 0; i--) {
    struct child *c = &children[i - 1];
    if (strcmp(c->name, name) != 0) continue;
    if (c->bell_fd >= 0 && read(c->bell_fd, &more, sizeof more) == sizeof more) c->seen += more;
    return reply_uint(call, c->seen);
  }
  return TULLE_E_NOT_FOUND;
}

static void forget_child(pid_t pid) {
  for (size_t i = 0; i < child_count; i++) {
    if (children[i].pid != pid || children[i].bell_fd < 0) continue;
    close(children[i].bell_fd);
    children[i].bell_fd = -1;
  }
}

/* [pid, signal]; SIGKILL and SIGTERM wait for the end of it. */
static int kill_child(struct tulle_call_context *call, void *userdata) {
  struct tulle_unpack args = tulle_call_arguments(call);
  (void)userdata;
  tulle_unpack_array(&args);
  pid_t target = (pid_t)tulle_unpack_uint(&args);
  int number = (int)tulle_unpack_uint(&args);
  if (args.failed || target <= 1) return TULLE_E_BAD_MESSAGE;
  if (kill(target, number) != 0) return TULLE_E_NOT_FOUND;
  if (number == SIGKILL || number == SIGTERM) {
    waitpid(target, NULL, 0);
    forget_child(target);
  }
  return tulle_reply(call, NULL, 0);
}

/* [program, words...]: runs it to its end -> its exit code, or 128 and the signal */
static int run(struct tulle_call_context *call, void *userdata) {
  struct words words;
  char path[4096], *argv[WORDS_MAX + 1] = {path};
  pid_t pid;
  int status;
  (void)userdata;
  int r = read_words(call, &words);
  if (r == 0) r = path_of(words.text[0], path, sizeof path);
  for (size_t i = 1; r == 0 && i < words.count; i++) argv[i] = words.text[i];
  if (r == 0) r = spawn(argv, -1, &pid);
  if (r < 0) return r;
  if (waitpid(pid, &status, 0) != pid) return TULLE_E_IO;
  return reply_int(call, WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

static int ping(struct tulle_call_context *call, void *userdata) {
  (void)userdata;
  return tulle_reply(call, NULL, 0);
}

int run_agent(const char *name) {
  static const struct tulle_procedure procedures[] = {{"start", start, NULL},
                                                      {"seen", seen, NULL},
                                                      {"kill", kill_child, NULL},
                                                      {"run", run, NULL},
                                                      {"ping", ping, NULL}};
  struct tulle_offer offer = {.name = name,
                              .procedures = procedures,
                              .procedure_count = sizeof procedures / sizeof *procedures};
  int r = tulle_offer(NULL, &offer, NULL);
  if (r == 0) r = tulle_serve(NULL, 1);
  fprintf(stderr, "agent %s: %s\n", name, tulle_error_text(r));
  return tulle_error_exit(r);
}
