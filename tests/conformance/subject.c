/*
 * The program under test on the far side: a service with one procedure for each thing that a call can meet.
 *
 *   subject serve NAME [THREADS]   serves NAME until it is killed
 *   subject agent NAME             serves NAME: starts and kills subjects on behalf of the suite
 *   subject VISIT ...              comes, does something, and goes: visitor.c says what
 *
 * The suite talks to the agents through tulle as well, so it can direct programs on another machine.
 */
#include "tests/conformance/subject.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- helpers ---- */

uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void sleep_ns(uint64_t ns) {
  struct timespec t = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
  while (nanosleep(&t, &t) < 0 && errno == EINTR) continue;
}

int reply_uint(struct tulle_call_context *call, uint64_t v) {
  unsigned char buffer[16];
  struct tulle_pack w = tulle_pack_on(buffer, sizeof buffer);
  tulle_pack_uint(&w, v);
  return tulle_reply(call, buffer, tulle_pack_size(&w));
}

int reply_int(struct tulle_call_context *call, int64_t v) {
  unsigned char buffer[16];
  struct tulle_pack w = tulle_pack_on(buffer, sizeof buffer);
  tulle_pack_int(&w, v);
  return tulle_reply(call, buffer, tulle_pack_size(&w));
}

int text_argument(struct tulle_call_context *call, char *out, size_t out_size) {
  struct tulle_unpack args = tulle_call_arguments(call);
  tulle_unpack_string(&args, out, out_size);
  return args.failed ? TULLE_E_BAD_MESSAGE : 0;
}

/* ---- answering ---- */

static atomic_uint running, overlaps, calls, abandoned;

static int ping(struct tulle_call_context *call, void *userdata) {
  (void)userdata;
  return tulle_reply(call, NULL, 0);
}

static int echo(struct tulle_call_context *call, void *userdata) {
  (void)userdata;
  struct tulle_unpack args = tulle_call_arguments(call);
  return tulle_reply(call, args.at, (size_t)(args.end - args.at));
}

static int fail_own(struct tulle_call_context *call, void *userdata) {
  (void)userdata;
  return tulle_reply_error(call, 42, "the paper is out");
}

/* Fails with the code that it is told, without a word. */
static int fail_with(struct tulle_call_context *call, void *userdata) {
  (void)userdata;
  struct tulle_unpack args = tulle_call_arguments(call);
  int64_t code = tulle_unpack_int(&args);
  return args.failed ? TULLE_E_REFUSED : (int)code;
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
  uint64_t one = 1;
  if (write(SUBJECT_BELL_FD, &one, sizeof one) < 0) return TULLE_E_IO;
  while (pause()) continue;
  return 0;
}

static int die(struct tulle_call_context *call, void *userdata) {
  (void)call, (void)userdata;
  _exit(1);
}

/* ---- counting ---- */

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

/* Numbers as they come: how many, of those how many twice, how many after a higher one. */
#define NOTED_MAX 100000
static atomic_uint noted, noted_twice, noted_late, noted_next, noted_wrong;
static atomic_uchar noted_times[NOTED_MAX];

/* [number, bytes]: each of the bytes is the number's low byte. */
static int note(struct tulle_call_context *call, void *userdata) {
  (void)userdata;
  struct tulle_unpack args = tulle_call_arguments(call);
  size_t size = 0;
  tulle_unpack_array(&args);
  uint64_t n = tulle_unpack_uint(&args);
  const unsigned char *filling = tulle_unpack_bytes(&args, &size);
  if (args.failed || n >= NOTED_MAX) {
    atomic_fetch_add(&noted_wrong, 1);
    return TULLE_E_BAD_MESSAGE;
  }
  for (size_t i = 0; i < size; i++)
    if (filling[i] != (unsigned char)n) atomic_fetch_add(&noted_wrong, 1);
  atomic_fetch_add(&noted, 1);
  if (atomic_fetch_add(&noted_times[n], 1)) atomic_fetch_add(&noted_twice, 1);
  if (n < atomic_load(&noted_next)) atomic_fetch_add(&noted_late, 1);
  atomic_store(&noted_next, (unsigned)n + 1);
  return reply_uint(call, n);
}

static int notes(struct tulle_call_context *call, void *userdata) {
  (void)userdata;
  unsigned char buffer[64];
  struct tulle_pack w = tulle_pack_on(buffer, sizeof buffer);
  tulle_pack_array(&w, 4);
  tulle_pack_uint(&w, atomic_load(&noted));
  tulle_pack_uint(&w, atomic_load(&noted_twice));
  tulle_pack_uint(&w, atomic_load(&noted_late));
  tulle_pack_uint(&w, atomic_load(&noted_wrong));
  return tulle_reply(call, buffer, tulle_pack_size(&w));
}

/* ---- who ---- */

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
  return reply_uint(call, (uint64_t)getpid());
}

/* How many nanoseconds its caller still waits. */
static int time_left(struct tulle_call_context *call, void *userdata) {
  (void)userdata;
  uint64_t deadline = tulle_call_deadline(call), now = now_ns();
  return reply_uint(call, deadline == TULLE_FOREVER ? deadline
                          : deadline > now          ? deadline - now
                                                    : 0);
}

/* ---- answering later ---- */

/* Keeps calls and answers them, last first, when told to. */
#define KEPT_MAX 16384
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

static int how_many_kept(struct tulle_call_context *call, void *userdata) {
  (void)userdata;
  pthread_mutex_lock(&kept_lock);
  size_t n = kept_count;
  pthread_mutex_unlock(&kept_lock);
  return reply_uint(call, n);
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
  unsigned char *bytes = malloc(size + 1), *buffer = malloc(size + 17);
  int r = bytes && buffer ? 0 : TULLE_E_NO_MEMORY;
  if (r == 0) {
    for (size_t i = 0; i < size; i++) bytes[i] = (unsigned char)(i * 7 + (i >> 8));
    struct tulle_pack w = tulle_pack_on(buffer, size + 17);
    tulle_pack_bytes(&w, bytes, size);
    r = tulle_reply(call, buffer, tulle_pack_size(&w));
  }
  free(bytes);
  free(buffer);
  return r;
}

/* ---- running ---- */

static int run_subject(const char *name, unsigned threads) {
  static const struct tulle_procedure own[] = {
      {"ping", ping, NULL},         {"echo", echo, NULL},
      {"fail", fail_own, NULL},     {"fail_with", fail_with, NULL},
      {"hold", hold, NULL},         {"hang", hang, NULL},
      {"die", die, NULL},           {"count", count, NULL},
      {"counters", counters, NULL}, {"note", note, NULL},
      {"notes", notes, NULL},       {"whoami", whoami, NULL},
      {"pid", my_pid, NULL},        {"left", time_left, NULL},
      {"keep", keep, NULL},         {"kept", how_many_kept, NULL},
      {"release", release, NULL},   {"produce", produce, NULL},
  };
  enum { OWN = sizeof own / sizeof *own };
  static const struct tulle_capability capabilities[] = {
      {"test/subject", 3, "colour=green size=2"}};
  struct tulle_procedure procedures[64];
  memcpy(procedures, own, sizeof own);
  memcpy(procedures + OWN, more_procedures, more_procedure_count * sizeof *procedures);
  struct tulle_offer offer = {.name = name,
                              .procedures = procedures,
                              .procedure_count = OWN + more_procedure_count,
                              .capabilities = capabilities,
                              .capability_count = 1};
  int r = tulle_offer(NULL, &offer, NULL);
  if (r == 0) r = tulle_serve(NULL, threads);
  fprintf(stderr, "subject %s: %s\n", name, tulle_error_text(r));
  return tulle_error_exit(r);
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "agent") == 0) return run_agent(argv[2]);
  if ((argc == 3 || argc == 4) && strcmp(argv[1], "serve") == 0)
    return run_subject(argv[2], argc == 4 ? (unsigned)atoi(argv[3]) : 1);
  return run_visitor(argc - 1, argv + 1);
}
