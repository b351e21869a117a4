/*
 * What becomes of calls that wait when the other side dies.
 *
 *   waiting NAME ROUNDS SEED LIMIT_MS MEND BREAK
 *
 * Each round runs the shell command MEND, waits until NAME is served, begins calls that nobody answers and calls that are
 * answered, runs the shell command BREAK after a random moment of up to 30 ms, and waits until all calls have ended. A call
 * that has no answer has to end with PEER_GONE, UNREACHABLE or OUTCOME_UNKNOWN; one that was answered, with its answer or one
 * of these. LIMIT_MS is against hanging: the time from BREAK to the last end is printed, as the median and the worst.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tulle/tulle.h"

#define MS         UINT64_C(1000000)
#define HANGING    8
#define ECHOES     8
#define ROUNDS_MAX 10000

static unsigned waiting;
static uint64_t answered, gone, unreachable, unknown, wrong;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000 * MS + (uint64_t)t.tv_nsec;
}

static void ended(void *userdata, int status, const struct tulle_result *result) {
  (void)result;
  const char *procedure = userdata;
  waiting--;
  if (status == TULLE_E_PEER_GONE) {
    gone++;
  } else if (status == TULLE_E_UNREACHABLE) {
    unreachable++;
  } else if (status == TULLE_E_OUTCOME_UNKNOWN) {
    unknown++;
  } else if (status == 0 && procedure[0] == 'e') {
    answered++;
  } else {
    wrong++;
    fprintf(stderr, "waiting: %s ended with: %s\n", procedure, tulle_error_text(status));
  }
}

static void begin(struct tulle_channel *c, const char *procedure, unsigned count) {
  unsigned char args[16];
  struct tulle_pack w = tulle_pack_on(args, sizeof args);
  tulle_pack_uint(&w, 7);
  for (unsigned i = 0; i < count; i++)
    waiting += tulle_call_async(c, procedure, args, tulle_pack_size(&w), TULLE_FOREVER, ended,
                                (void *)(uintptr_t)procedure, NULL) == 0;
}

/* The service may be listed for a moment after its end: open until it is the living one. */
static struct tulle_channel *open_living(const char *name) {
  uint64_t end = now_ns() + 60000 * MS;
  const char *step = "wait";
  int r = 0;
  while (now_ns() < end) {
    struct tulle_channel *c = NULL;
    step = "wait";
    r = tulle_wait(NULL, name, 1000 * MS);
    if (r == 0) step = "open", r = tulle_channel_open(NULL, name, NULL, &c);
    if (r == 0) step = "call", r = tulle_call(c, "echo", NULL, 0, 1000 * MS, NULL);
    if (r == 0) return c;
    tulle_channel_close(c);
  }
  fprintf(stderr, "waiting: '%s' does not come back: %s: %s\n", name, step, tulle_error_text(r));
  exit(1);
}

static void shell(const char *command) {
  if (system(command) == 0) return;
  fprintf(stderr, "waiting: failed: %s\n", command);
  exit(1);
}

static void let_pass(uint64_t ns) {
  for (uint64_t end = now_ns() + ns, now; (now = now_ns()) < end;)
    (void)tulle_dispatch_wait(NULL, end - now);
}

/* How long the last call took to end. */
static uint64_t round_run(const char *name, const char *mend, const char *break_it,
                          uint64_t limit) {
  shell(mend);
  struct tulle_channel *c = open_living(name);
  begin(c, "hang", HANGING);
  begin(c, "echo", ECHOES);
  let_pass((uint64_t)rand() % (30 * MS));
  uint64_t broken = now_ns();
  shell(break_it);
  while (waiting && now_ns() < broken + limit) let_pass(MS);
  if (waiting) {
    fprintf(stderr, "waiting: %u calls still wait\n", waiting);
    exit(1);
  }
  uint64_t took = now_ns() - broken;
  tulle_channel_close(c);
  return took;
}

static int compare(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

int main(int argc, char **argv) {
  static uint64_t times[ROUNDS_MAX];
  size_t rounds = argc == 7 ? strtoul(argv[2], NULL, 10) : 0;
  if (rounds < 1 || rounds > ROUNDS_MAX) return 2;
  srand((unsigned)strtoul(argv[3], NULL, 10));
  for (size_t i = 0; i < rounds; i++)
    times[i] = round_run(argv[1], argv[5], argv[6], strtoull(argv[4], NULL, 10) * MS);
  qsort(times, rounds, sizeof times[0], compare);
  printf("%zu rounds: ended after %.0f ms, at worst %.0f ms; %llu answered, %llu gone, %llu "
         "unreachable, %llu unknown, %llu wrong\n",
         rounds, (double)times[rounds / 2] / 1e6, (double)times[rounds - 1] / 1e6,
         (unsigned long long)answered, (unsigned long long)gone, (unsigned long long)unreachable,
         (unsigned long long)unknown, (unsigned long long)wrong);
  return wrong ? 1 : 0;
}
