/*
 * The program under test on the far side: a service with one procedure for each thing that a call can meet.
 *
 *   subject NAME [THREADS]      serves NAME until it is killed
 *   subject --agent NAME        serves NAME: starts and kills subjects on behalf of the suite
 *
 * The suite talks to the agent through tulle as well, so it can direct programs on another machine.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tulle/tulle.h"

extern char **environ;

static void sleep_ns(uint64_t ns) {
  struct timespec t = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
  while (nanosleep(&t, &t) < 0 && errno == EINTR) continue;
}

/* ---- the subject ---- */

static atomic_uint running, overlaps, calls, abandoned;

static int echo(struct tulle_call_context *call, void *userdata) {
  (void)userdata;
  struct tulle_unpack args = tulle_call_arguments(call);
  return tulle_reply(call, args.at, (size_t)(args.end - args.at));
}

static int fail_own(struct tulle_call_context *call, void *userdata) {
  (void)userdata;
  return tulle_reply_error(call, 42, "the paper is out");
}

static int fail_silently(struct tulle_call_context *call, void *userdata) {
  (void)call, (void)userdata;
  return TULLE_E_REFUSED;
}

/* Holds the thread for as many nanoseconds as told, or until nobody waits any more. Reports overlap with other calls. */
static int hold(struct tulle_call_context *call, void *userdata) {
  (void)userdata;
  struct tulle_unpack args = tulle_call_arguments(call);
  uint64_t ns = tulle_unpack_uint(&args), step = 1000000;
  if (atomic_fetch_add(&running, 1) > 0) atomic_fetch_add(&overlaps, 1);
  atomic_fetch_add(&calls, 1);
  bool gone = false;
  for (; ns && !gone; ns -= ns < step ? ns : step) {
    sleep_ns(ns < step ? ns : step);
    gone = tulle_call_is_abandoned(call);
  }
  if (gone) atomic_fetch_add(&abandoned, 1);
  atomic_fetch_sub(&running, 1);
  return tulle_reply(call, NULL, 0);
}

/* Holds the thread for ever, whatever the caller does. */
static int hang(struct tulle_call_context *call, void *userdata) {
  (void)call, (void)userdata;
  while (pause()) continue;
  return 0;
}

static int count(struct tulle_call_context *call, void *userdata) {
  (void)userdata;
  atomic_fetch_add(&calls, 1);
  return tulle_reply(call, NULL, 0);
}

static int counters(struct tulle_call_context *call, void *userdata) {
  (void)userdata;
  unsigned char buffer[64];
  struct tulle_pack w = tulle_pack_on(buffer, sizeof buffer);
  tulle_pack_array(&w, 3);
  tulle_pack_uint(&w, atomic_load(&calls));
  tulle_pack_uint(&w, atomic_load(&overlaps));
  tulle_pack_uint(&w, atomic_load(&abandoned));
  return tulle_reply(call, buffer, tulle_pack_size(&w));
}

static int whoami(struct tulle_call_context *call, void *userdata) {
  (void)userdata;
  const struct tulle_identity *who = tulle_call_caller(call);
  unsigned char buffer[256];
  struct tulle_pack w = tulle_pack_on(buffer, sizeof buffer);
  tulle_pack_array(&w, 6);
  tulle_pack_bytes(&w, who->node, sizeof who->node);
  tulle_pack_uint(&w, who->client);
  tulle_pack_uint(&w, who->uid);
  tulle_pack_uint(&w, who->pid);
  tulle_pack_bool(&w, who->is_local);
  tulle_pack_text(&w, who->program);
  return tulle_reply(call, buffer, tulle_pack_size(&w));
}

static int my_pid(struct tulle_call_context *call, void *userdata) {
  (void)userdata;
  unsigned char buffer[16];
  struct tulle_pack w = tulle_pack_on(buffer, sizeof buffer);
  tulle_pack_uint(&w, (uint64_t)getpid());
  return tulle_reply(call, buffer, tulle_pack_size(&w));
}

/* Keeps calls and answers them, last first, when told to. */
#define KEPT_MAX 64
static struct tulle_call_context *kept[KEPT_MAX];
static size_t kept_count;
static pthread_mutex_t kept_lock = PTHREAD_MUTEX_INITIALIZER;

static int keep(struct tulle_call_context *call, void *userdata) {
  (void)userdata;
  pthread_mutex_lock(&kept_lock);
  int r = kept_count < KEPT_MAX ? TULLE_LATER : TULLE_E_LIMIT;
  if (r == TULLE_LATER) kept[kept_count++] = call;
  pthread_mutex_unlock(&kept_lock);
  return r;
}

static void *answer_kept(void *unused) {
  (void)unused;
  pthread_mutex_lock(&kept_lock);
  while (kept_count) {
    struct tulle_unpack args = tulle_call_arguments(kept[--kept_count]);
    (void)tulle_reply(kept[kept_count], args.at, (size_t)(args.end - args.at));
  }
  pthread_mutex_unlock(&kept_lock);
  return NULL;
}

/* From another thread, to show that it may be one. */
static int release(struct tulle_call_context *call, void *userdata) {
  (void)userdata;
  pthread_t thread;
  int r = tulle_reply(call, NULL, 0);
  if (pthread_create(&thread, NULL, answer_kept, NULL) != 0) return TULLE_E_NO_MEMORY;
  pthread_detach(thread);
  return r;
}

/* A result of as many bytes as told. */
static int produce(struct tulle_call_context *call, void *userdata) {
  (void)userdata;
  struct tulle_unpack args = tulle_call_arguments(call);
  size_t size = (size_t)tulle_unpack_uint(&args);
  unsigned char *buffer = malloc(size + 16);
  if (!buffer) return TULLE_E_NO_MEMORY;
  struct tulle_pack w = tulle_pack_on(buffer, size + 16);
  tulle_pack_counted_(&w, size, 0, 0, 0xc4, 0xc5);
  for (size_t i = 0; i < size; i++) w.at[i] = (unsigned char)(i * 7 + (i >> 8));
  w.at += size;
  int r = tulle_reply(call, buffer, tulle_pack_size(&w));
  free(buffer);
  return r;
}

static int run_subject(const char *name, unsigned threads) {
  static const struct tulle_procedure procedures[] = {
      {"echo", echo, NULL},         {"fail", fail_own, NULL},   {"refuse", fail_silently, NULL},
      {"hold", hold, NULL},         {"hang", hang, NULL},       {"count", count, NULL},
      {"counters", counters, NULL}, {"whoami", whoami, NULL},   {"pid", my_pid, NULL},
      {"keep", keep, NULL},         {"release", release, NULL}, {"produce", produce, NULL},
  };
  static const struct tulle_capability capabilities[] = {
      {"test/subject", 3, "colour=green size=2"}};
  struct tulle_offer offer = {.name = name,
                              .procedures = procedures,
                              .procedure_count = sizeof procedures / sizeof *procedures,
                              .capabilities = capabilities,
                              .capability_count = 1};
  struct tulle_service *service;
  int r = tulle_offer(NULL, &offer, &service);
  if (r == 0) r = tulle_serve(NULL, threads);
  fprintf(stderr, "subject %s: %s\n", name, tulle_error_text(r));
  return tulle_error_exit(r);
}

/* ---- the agent ---- */

static const char *own_path;

/* {name: text, threads: uint} -> pid */
static int agent_start(struct tulle_call_context *call, void *userdata) {
  (void)userdata;
  struct tulle_unpack args = tulle_call_arguments(call), name = tulle_unpack_key(&args, "name"),
                      threads = tulle_unpack_key(&args, "threads");
  char name_text[64], threads_text[16];
  tulle_unpack_string(&name, name_text, sizeof name_text);
  snprintf(threads_text, sizeof threads_text, "%u", (unsigned)tulle_unpack_uint(&threads));
  if (name.failed || threads.failed) return TULLE_E_BAD_MESSAGE;
  char path[4096], *const argv[] = {path, name_text, threads_text, NULL};
  snprintf(path, sizeof path, "%s", own_path);
  pid_t pid;
  if (posix_spawn(&pid, path, NULL, NULL, argv, environ) != 0) return TULLE_E_IO;
  unsigned char buffer[16];
  struct tulle_pack w = tulle_pack_on(buffer, sizeof buffer);
  tulle_pack_uint(&w, (uint64_t)pid);
  return tulle_reply(call, buffer, tulle_pack_size(&w));
}

/* {pid: uint, signal: uint}; SIGKILL and SIGTERM wait for the end of it. */
static int agent_kill(struct tulle_call_context *call, void *userdata) {
  (void)userdata;
  struct tulle_unpack args = tulle_call_arguments(call), pid = tulle_unpack_key(&args, "pid"),
                      number = tulle_unpack_key(&args, "signal");
  pid_t target = (pid_t)tulle_unpack_uint(&pid);
  int sent = (int)tulle_unpack_uint(&number);
  if (pid.failed || number.failed || target <= 1) return TULLE_E_BAD_MESSAGE;
  if (kill(target, sent) != 0) return TULLE_E_NOT_FOUND;
  if (sent == SIGKILL || sent == SIGTERM) waitpid(target, NULL, 0);
  return tulle_reply(call, NULL, 0);
}

static int run_agent(const char *name) {
  static const struct tulle_procedure procedures[] = {{"start", agent_start, NULL},
                                                      {"kill", agent_kill, NULL}};
  struct tulle_offer offer = {.name = name, .procedures = procedures, .procedure_count = 2};
  struct tulle_service *service;
  int r = tulle_offer(NULL, &offer, &service);
  if (r == 0) r = tulle_serve(NULL, 1);
  fprintf(stderr, "agent %s: %s\n", name, tulle_error_text(r));
  return tulle_error_exit(r);
}

int main(int argc, char **argv) {
  own_path = "/proc/self/exe";
  if (argc == 3 && strcmp(argv[1], "--agent") == 0) return run_agent(argv[2]);
  if (argc == 2 || argc == 3) return run_subject(argv[1], argc == 3 ? (unsigned)atoi(argv[2]) : 1);
  fprintf(stderr, "usage: subject NAME [THREADS] | subject --agent NAME\n");
  return 2;
}
