/*
 * Traffic between programs that proves itself: what arrives is compared with what was sent.
 *
 *   traffic serve NAME                            serves NAME until it is killed
 *   traffic run NAME CALLS BYTES NOTES            CALLS with an answer each, BYTES in large calls, NOTES without answers; each
 *                                                 has to be right and to have run exactly once
 *   traffic hammer NAME                           calls NAME in circles, every way there is, until it is killed
 *   traffic rate NAME SECONDS                     how many calls a second, 16 at a time
 *
 * Everything goes through the public library, so a line of it does not know on which machine the other side is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tulle/tulle.h"

#define SECOND    UINT64_C(1000000000)
#define PATIENCE  (120 * SECOND)
#define NOTES_MAX 100000u
#define CHUNK     65536u
#define AT_ONCE   16u

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static void fail(const char *what, int code) {
  fprintf(stderr, "traffic: %s: %s\n", what, tulle_error_text(code));
  exit(1);
}

/* Bytes that only this number gives. */
static void fill(unsigned char *out, size_t size, uint64_t number) {
  uint64_t x = number * 0x9e3779b97f4a7c15u + 1;
  for (size_t i = 0; i < size; i++) {
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    out[i] = (unsigned char)x;
  }
}

static uint64_t sum_of(const void *data, size_t size) { /* FNV-1a */
  const unsigned char *p = data;
  uint64_t h = 0xcbf29ce484222325u;
  for (size_t i = 0; i < size; i++) h = (h ^ p[i]) * 0x100000001b3u;
  return h;
}

/* ---- the service ---- */

static unsigned char noted[NOTES_MAX];
static uint64_t noted_once, noted_again;

static int echo(struct tulle_call_context *call, void *userdata) {
  (void)userdata;
  struct tulle_unpack args = tulle_call_arguments(call);
  return tulle_reply(call, args.at, (size_t)(args.end - args.at));
}

static int sum(struct tulle_call_context *call, void *userdata) {
  (void)userdata;
  unsigned char out[16];
  struct tulle_unpack args = tulle_call_arguments(call);
  struct tulle_pack w = tulle_pack_on(out, sizeof out);
  tulle_pack_uint(&w, sum_of(args.at, (size_t)(args.end - args.at)));
  return tulle_reply(call, out, tulle_pack_size(&w));
}

static int note(struct tulle_call_context *call, void *userdata) {
  (void)userdata;
  struct tulle_unpack args = tulle_call_arguments(call);
  uint64_t number = tulle_unpack_uint(&args);
  if (args.failed || number >= NOTES_MAX) return TULLE_E_INVALID;
  if (noted[number]++)
    noted_again++;
  else
    noted_once++;
  return tulle_reply(call, NULL, 0);
}

static int notes(struct tulle_call_context *call, void *userdata) {
  (void)userdata;
  unsigned char out[32];
  struct tulle_pack w = tulle_pack_on(out, sizeof out);
  tulle_pack_array(&w, 2);
  tulle_pack_uint(&w, noted_once);
  tulle_pack_uint(&w, noted_again);
  return tulle_reply(call, out, tulle_pack_size(&w));
}

static int hang(struct tulle_call_context *call, void *userdata) {
  (void)call, (void)userdata;
  return TULLE_LATER;
}

static int serve(const char *name) {
  static const struct tulle_procedure procedures[] = {{"echo", echo, NULL},
                                                      {"sum", sum, NULL},
                                                      {"note", note, NULL},
                                                      {"notes", notes, NULL},
                                                      {"hang", hang, NULL}};
  struct tulle_offer offer = {.name = name, .procedures = procedures, .procedure_count = 5};
  int r = tulle_offer(NULL, &offer, NULL);
  if (r == 0) r = tulle_serve(NULL, 1);
  return tulle_error_exit(r);
}

/* ---- the caller ---- */

static struct tulle_channel *channel;
static unsigned in_flight;
static uint64_t wrong, done;

static void open_channel(const char *name) {
  struct tulle_target target = {.timeout_ns = PATIENCE};
  int r = tulle_wait(NULL, name, PATIENCE);
  if (r == 0) r = tulle_channel_open(NULL, name, &target, &channel);
  if (r < 0) fail("open", r);
}

static size_t pack_chunk(unsigned char *out, size_t out_size, size_t size, uint64_t number) {
  static unsigned char bytes[CHUNK];
  struct tulle_pack w = tulle_pack_on(out, out_size);
  fill(bytes, size, number);
  tulle_pack_bytes(&w, bytes, size);
  return tulle_pack_size(&w);
}

struct asked {
  bool is_sum;
  uint64_t number;
  size_t size;
};

static void answered(void *userdata, int status, const struct tulle_result *result) {
  static unsigned char wanted[CHUNK + 16];
  struct asked *a = userdata;
  in_flight--;
  done++;
  size_t size = pack_chunk(wanted, sizeof wanted, a->size, a->number);
  bool is_right = status == 0;
  if (is_right && a->is_sum) {
    struct tulle_unpack u = tulle_unpack_on(result->data, result->size);
    is_right = tulle_unpack_uint(&u) == sum_of(wanted, size) && !u.failed;
  } else if (is_right) {
    is_right = result->size == size && memcmp(result->data, wanted, size) == 0;
  }
  if (!is_right) {
    wrong++;
    fprintf(stderr, "traffic: call %llu: %s\n", (unsigned long long)a->number,
            status ? tulle_error_text(status) : "another answer than was due");
  }
  free(a);
}

static void dispatch(uint64_t until) {
  uint64_t now = now_ns();
  int r = tulle_dispatch_wait(NULL, now < until ? until - now : 0);
  if (r < 0) fail("dispatch", r);
}

static void ask(const char *procedure, size_t size, uint64_t number) {
  static unsigned char args[CHUNK + 16];
  struct asked *a = malloc(sizeof *a);
  if (!a) exit(1);
  *a = (struct asked){procedure[0] == 's', number, size};
  size_t args_size = pack_chunk(args, sizeof args, size, number);
  int r;
  while ((r = tulle_call_async(channel, procedure, args, args_size, PATIENCE, answered, a, NULL)) ==
         TULLE_E_AGAIN)
    dispatch(now_ns() + SECOND / 100);
  if (r < 0) fail("call", r);
  in_flight++;
}

static void ask_many(const char *procedure, uint64_t count, size_t size_max, unsigned at_once) {
  for (uint64_t i = 0; i < count; i++) {
    ask(procedure, 1 + (size_t)(i * 7919 % size_max), i);
    while (in_flight >= at_once) dispatch(now_ns() + SECOND);
  }
  while (in_flight) dispatch(now_ns() + SECOND);
}

/* AGAIN and DEADLINE say that there was no room, for this moment or for as long as a call waits: it was not accepted. */
static void send_notes(uint64_t count) {
  uint64_t end = now_ns() + PATIENCE;
  for (uint64_t i = 0; i < count; i++) {
    unsigned char args[16];
    struct tulle_pack w = tulle_pack_on(args, sizeof args);
    tulle_pack_uint(&w, i);
    int r;
    while ((r = tulle_call_one_way(channel, "note", args, tulle_pack_size(&w))) == TULLE_E_AGAIN ||
           (r == TULLE_E_DEADLINE && now_ns() < end))
      dispatch(now_ns() + SECOND / 100);
    if (r < 0) fail("note", r);
  }
}

/* All that were accepted have run, once. Calls are handled in order, so an answer behind them is enough. */
static void check_notes(uint64_t count) {
  struct tulle_result result;
  int r = tulle_call(channel, "notes", NULL, 0, PATIENCE, &result);
  if (r < 0) fail("notes", r);
  struct tulle_unpack u = tulle_unpack_on(result.data, result.size);
  tulle_unpack_array(&u);
  uint64_t once = tulle_unpack_uint(&u), again = tulle_unpack_uint(&u);
  tulle_result_clear(&result);
  if (once != count || again) {
    fprintf(stderr, "traffic: %llu notes of %llu arrived, %llu again\n", (unsigned long long)once,
            (unsigned long long)count, (unsigned long long)again);
    exit(1);
  }
}

static double stage(const char *what, uint64_t count, uint64_t *begin) {
  uint64_t now = now_ns();
  double seconds = (double)(now - *begin) / 1e9;
  printf("%s %llu in %.1f s\n", what, (unsigned long long)count, seconds);
  fflush(stdout);
  *begin = now;
  return seconds;
}

static int run(const char *name, uint64_t calls, uint64_t bytes, uint64_t note_count) {
  open_channel(name);
  uint64_t begin = now_ns();
  ask_many("echo", calls, 300, 64);
  stage("calls", calls, &begin);
  send_notes(note_count);
  check_notes(note_count);
  stage("notes", note_count, &begin);
  uint64_t chunks = (bytes + CHUNK - 1) / CHUNK;
  for (uint64_t i = 0; i < chunks; i++) {
    ask("sum", CHUNK, i);
    while (in_flight >= 4) dispatch(now_ns() + SECOND);
  }
  while (in_flight) dispatch(now_ns() + SECOND);
  stage("bytes", chunks * CHUNK, &begin);
  printf("%llu wrong\n", (unsigned long long)wrong);
  return wrong ? 1 : 0;
}

static void ignore(void *userdata, int status, const struct tulle_result *result) {
  (void)userdata, (void)status, (void)result;
}

static void hammer(const char *name) {
  static unsigned char args[CHUNK + 16];
  for (uint64_t i = 0;; i++) {
    if (tulle_channel_open(NULL, name, NULL, &channel) < 0) continue;
    size_t size = pack_chunk(args, sizeof args, i % 5 ? 100 : CHUNK, i);
    for (int k = 0; k < 20; k++)
      (void)tulle_call_async(channel, k % 4 ? "sum" : "hang", args, size, SECOND, ignore, NULL,
                             NULL);
    (void)tulle_call(channel, "sum", args, size, SECOND, NULL);
    channel = tulle_channel_close(channel);
  }
}

static int rate(const char *name, double seconds) {
  open_channel(name);
  uint64_t begin = now_ns(), end = begin + (uint64_t)(seconds * 1e9);
  for (uint64_t i = 0; now_ns() < end; i++) {
    ask("echo", 64, i);
    while (in_flight >= AT_ONCE) dispatch(now_ns() + SECOND);
  }
  uint64_t counted = done;
  while (in_flight) dispatch(now_ns() + SECOND);
  printf("%.0f calls a second, %llu wrong\n", (double)counted / seconds, (unsigned long long)wrong);
  return wrong ? 1 : 0;
}

int main(int argc, char **argv) {
  if (argc == 3 && !strcmp(argv[1], "serve")) return serve(argv[2]);
  if (argc == 6 && !strcmp(argv[1], "run"))
    return run(argv[2], strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10),
               strtoull(argv[5], NULL, 10));
  if (argc == 3 && !strcmp(argv[1], "hammer")) hammer(argv[2]);
  if (argc == 4 && !strcmp(argv[1], "rate")) return rate(argv[2], strtod(argv[3], NULL));
  fprintf(stderr, "usage: the head of traffic.c has it\n");
  return 2;
}
