/*
 * The timeline of a call has four marks that a program can see: before its arguments are encoded, before the call, when the
 * handler begins (the handler says when; on another machine that clock is another one, and the two ways are shown as
 * one), and after the call. What lies between two marks is made of steps, each of which is measured alone, in a
 * loop; what the steps do not explain is shown as the rest: locks, dispatch, and waiting for a processor.
 */
#include "tools/bench/stages.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/wire/msgpack.h"
#include "core/wire/rpc.h"
#include "crypto/aead.h"
#include "tools/bench/report.h"
#include "tools/human.h"
#include "tools/json.h"
#include "transport/ring/channel.h"

#define CALLS        2001
#define LOOPS        128
#define BATCHES      33
#define STEPS_MAX    16
#define PACKET_BYTES 160 /* a call of 64 bytes, its heads and the tag */
#define WAKE_NS      (50 * TL_MS)

struct step {
  const char *name;
  double ns;    /* once */
  double times; /* a call */
};

struct timeline {
  double encode, there, back, both, decode, total;
  bool is_split; /* the handler's clock is ours */
};

struct stages {
  bool is_remote;
  struct timeline line;
  struct step steps[STEPS_MAX];
  size_t count;
};

/* ---- the timeline ---- */

static int compare(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

static double median_of(uint64_t *values) {
  qsort(values, CALLS, sizeof *values, compare);
  return (double)values[CALLS / 2];
}

struct marks {
  uint64_t encode[CALLS], there[CALLS], back[CALLS], both[CALLS], decode[CALLS], total[CALLS];
};

static bool mark_call(struct tl_bench_session *s, struct marks *m, int i, bool *is_split) {
  static const uint8_t payload[TL_BENCH_PAYLOAD_BYTES] = {1};
  unsigned char args[TL_BENCH_PAYLOAD_BYTES + 8];
  struct tulle_result result;
  uint64_t start = tl_time_now();
  struct tulle_pack w = tulle_pack_on(args, sizeof args);
  tulle_pack_bytes(&w, payload, sizeof payload);
  uint64_t encoded = tl_time_now();
  if (tulle_call(s->echo, "stamp", args, tulle_pack_size(&w), 0, &result)) return false;
  uint64_t returned = tl_time_now();
  struct tulle_unpack u = tulle_unpack_on(result.data, result.size);
  uint64_t begun = tulle_unpack_uint(&u);
  tulle_result_clear(&result);
  uint64_t end = tl_time_now();
  if (begun < encoded || begun > returned) *is_split = false;
  m->encode[i] = encoded - start;
  m->there[i] = begun - encoded;
  m->back[i] = returned - begun;
  m->both[i] = returned - encoded;
  m->decode[i] = end - returned;
  m->total[i] = end - start;
  return true;
}

static bool measure_timeline(struct tl_bench_session *s, struct timeline *out) {
  struct marks *m = calloc(1, sizeof *m);
  TL_ASSERT(m);
  bool is_split = true, is_good = true;
  for (int i = 0; i < CALLS && is_good; i++) is_good = mark_call(s, m, 0, &is_split);
  for (int i = 0; i < CALLS && is_good && !tl_bench_interrupted; i++)
    is_good = mark_call(s, m, i, &is_split);
  if (is_good)
    *out = (struct timeline){.encode = median_of(m->encode),
                             .there = median_of(m->there),
                             .back = median_of(m->back),
                             .both = median_of(m->both),
                             .decode = median_of(m->decode),
                             .total = median_of(m->total),
                             .is_split = is_split};
  free(m);
  return is_good && !tl_bench_interrupted;
}

/* ---- the steps ---- */

static void add(struct stages *s, const char *name, double ns, double times) {
  if (s->count < STEPS_MAX && ns > 0) s->steps[s->count++] = (struct step){name, ns, times};
}

static int compare_times(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

/* Time of one pass of a statement: the median of batches, so that what interrupts one does not count. The barrier
 * keeps the compiler from taking the statement out of the loop. */
#define TIME_OF(statement)                                                                         \
  ({                                                                                               \
    double batches_[BATCHES];                                                                      \
    for (int batch_ = 0; batch_ < BATCHES; batch_++) {                                             \
      uint64_t start_ = tl_time_now();                                                             \
      for (int loop_ = 0; loop_ < LOOPS; loop_++) {                                                \
        statement;                                                                                 \
        __asm__ volatile("" ::: "memory");                                                         \
      }                                                                                            \
      batches_[batch_] = (double)(tl_time_now() - start_) / LOOPS;                                 \
    }                                                                                              \
    qsort(batches_, BATCHES, sizeof *batches_, compare_times);                                     \
    batches_[BATCHES / 2];                                                                         \
  })

static void measure_codec(struct stages *s) {
  static const uint8_t payload[TL_BENCH_PAYLOAD_BYTES] = {1};
  uint8_t bytes[256];
  struct tulle_pack w = tulle_pack_on(bytes, sizeof bytes);
  tulle_pack_bytes(&w, payload, sizeof payload);
  size_t size = tulle_pack_size(&w);
  add(s, "check msgpack", TIME_OF((void)!tl_msgpack_check(bytes, size)), 2);
  uint8_t head[TL_CALL_HEAD_BYTES_MAX];
  struct tl_call_head call = {.id = 1, .budget_ns = 1, .name = "stamp", .name_size = 5}, decoded;
  add(s, "write and read a call's head", TIME_OF({
        struct tl_writer out = tl_writer_on(head, sizeof head);
        tl_call_encode(&out, &call);
        struct tl_reader in = tl_reader_on(head, tl_writer_size(&out));
        (void)!tl_call_decode(&in, &decoded);
      }),
      1);
}

static void ring_trip(struct tl_channel *a, struct tl_channel *b) {
  void *body;
  struct tl_message m;
  if (tl_channel_reserve(a, TL_BENCH_PAYLOAD_BYTES + TL_CALL_HEAD_BYTES, &body)) return;
  memset(body, 1, TL_BENCH_PAYLOAD_BYTES + TL_CALL_HEAD_BYTES);
  tl_channel_commit(a, TL_KIND_CALL, TL_BENCH_PAYLOAD_BYTES + TL_CALL_HEAD_BYTES);
  tl_channel_publish(a);
  if (!tl_channel_peek(b, &m)) tl_channel_release(b);
}

static void measure_ring(struct stages *s, double times) {
  static struct tl_channel a, b;
  if (tl_channel_pair(TL_RING_BYTES_MIN, TL_MESSAGE_BYTES_MAX, &a, &b)) return;
  add(s, "ring: write, show, read, release", TIME_OF(ring_trip(&a, &b)), times);
  tl_channel_deinit(&a);
  tl_channel_deinit(&b);
}

/* What it takes to tell the other side: a cache line that moves, or a wake and a switch. */
static void measure_wake(struct stages *s, struct tl_limit_local *limit,
                         enum tl_placement placement, double times) {
  bool spins = placement == TL_PLACE_SPLIT;
  enum tl_limit_kind kind = spins ? TL_LIMIT_LINES : TL_LIMIT_FUTEX;
  struct tl_turn t = {.placement = placement == TL_PLACE_FREE ? TL_PLACE_SAME : placement,
                      .in_flight = 1,
                      .duration_ns = WAKE_NS,
                      .histogram = tl_histogram_new()};
  if (!tl_limit_local_turn(limit, kind, &t))
    add(s, spins ? "cache line to the other core" : "futex wake and switch, one core",
        (double)tl_histogram_at(t.histogram, 0.5) / 2, times);
  tl_histogram_free(t.histogram);
}

static void measure_seal(struct stages *s) {
  static const uint8_t key[32] = {1};
  uint8_t packet[PACKET_BYTES] = {0}, sealed[PACKET_BYTES] = {0};
  uint64_t counter = 1;
  size_t size = sizeof packet - TL_AEAD_TAG_BYTES;
  tl_aead_seal(key, 0, NULL, 0, sealed, size);
  add(s, "seal a packet", TIME_OF(tl_aead_seal(key, counter++, NULL, 0, packet, size)), 2);
  add(s, "open a packet", TIME_OF({
        memcpy(packet, sealed, sizeof packet);
        (void)!tl_aead_open(key, 0, NULL, 0, packet, sizeof packet);
      }),
      2);
}

/* Over loopback: the system calls and the way through the network stack, without a wake. */
static void measure_socket(struct stages *s) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  uint8_t packet[PACKET_BYTES] = {0};
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && !bind(fd, (struct sockaddr *)&address, size) &&
      !getsockname(fd, (struct sockaddr *)&address, &size) &&
      !connect(fd, (struct sockaddr *)&address, size))
    add(s, "send and receive a UDP packet", TIME_OF({
          (void)!send(fd, packet, sizeof packet, 0);
          (void)!recv(fd, packet, sizeof packet, MSG_DONTWAIT);
        }),
        2);
  if (fd >= 0) close(fd);
}

/* What a node does to hear a program that writes to its ring. */
static void measure_eventfd(struct stages *s) {
  uint64_t one = 1;
  struct epoll_event event = {.events = EPOLLIN};
  int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), epoll = epoll_create1(EPOLL_CLOEXEC);
  if (fd >= 0 && epoll >= 0 && !epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
    add(s, "eventfd: write, epoll_wait, read", TIME_OF({
          (void)!write(fd, &one, sizeof one);
          (void)!epoll_wait(epoll, &event, 1, 0);
          (void)!read(fd, &one, sizeof one);
        }),
        2);
  if (fd >= 0) close(fd);
  if (epoll >= 0) close(epoll);
}

/* ---- the report ---- */

static void print_line(const char *name, double ns, double total) {
  char text[TL_HUMAN_SIZE];
  printf("    %-38s %9s %5.0f %%\n", name, tl_human_duration((uint64_t)(ns + 0.5), text),
         ns * 100 / total);
}

static double explained(const struct stages *s) {
  double sum = 0;
  for (size_t i = 0; i < s->count; i++) sum += s->steps[i].ns * s->steps[i].times;
  return sum;
}

static void print_text(const struct stages *s, const char *name) {
  const struct timeline *l = &s->line;
  char text[TL_HUMAN_SIZE];
  printf("  stages of %s: %s in all\n", name, tl_human_duration((uint64_t)l->total, text));
  print_line("encode arguments", l->encode, l->total);
  if (l->is_split) {
    print_line("from the call to the handler", l->there, l->total);
    print_line("from the handler to the return", l->back, l->total);
  } else {
    print_line("there, handler, and back", l->both, l->total);
  }
  print_line("decode result", l->decode, l->total);
  printf("  of which\n");
  for (size_t i = 0; i < s->count; i++) {
    char line[64];
    snprintf(line, sizeof line, "%.0f x %s", s->steps[i].times, s->steps[i].name);
    print_line(line, s->steps[i].ns * s->steps[i].times, l->total);
  }
  print_line(s->is_remote ? "rest: nodes, dispatch, waiting" : "rest: locks, dispatch, waiting",
             l->both - explained(s), l->total);
}

static void put(struct tl_json *j, const char *key, double ns) {
  tl_json_key(j, key);
  tl_json_number(j, ns, 0);
}

static void print_json(const struct stages *s, const char *name, enum tl_placement placement) {
  const struct timeline *l = &s->line;
  struct tl_json j = tl_json_on(stdout);
  tl_json_object(&j);
  tl_json_put_text(&j, "event", "stages");
  tl_json_put_text(&j, "case", name);
  tl_json_put_text(&j, "placement", tl_placement_name(placement));
  put(&j, "total_ns", l->total);
  put(&j, "encode_ns", l->encode);
  put(&j, "there_and_back_ns", l->both);
  if (l->is_split) put(&j, "there_ns", l->there);
  if (l->is_split) put(&j, "back_ns", l->back);
  put(&j, "decode_ns", l->decode);
  tl_json_key(&j, "steps");
  tl_json_array(&j);
  for (size_t i = 0; i < s->count; i++) {
    tl_json_object(&j);
    tl_json_put_text(&j, "step", s->steps[i].name);
    tl_json_key(&j, "ns");
    tl_json_number(&j, s->steps[i].ns, 1);
    put(&j, "times", s->steps[i].times);
    tl_json_end(&j);
  }
  tl_json_end(&j);
  put(&j, "rest_ns", l->both - explained(s));
  tl_json_end(&j);
  tl_json_finish(&j);
}

void tl_stages_report(const struct tl_command *c, struct tl_bench_session *s,
                      struct tl_limit_local *limit, enum tl_placement placement, const char *name) {
  struct stages stages = {.is_remote = s->is_remote};
  double hops = s->is_remote ? 4 : 2, wakes = s->is_remote ? 6 : 2;
  if (tl_bench_place(s, placement) || !measure_timeline(s, &stages.line)) return;
  measure_codec(&stages);
  measure_ring(&stages, hops);
  if (s->is_remote) {
    measure_seal(&stages);
    measure_socket(&stages);
    measure_eventfd(&stages);
  }
  tl_bench_pause(s, true);
  measure_wake(&stages, limit, placement, wakes);
  tl_bench_pause(s, false);
  if (c->json)
    print_json(&stages, name, placement);
  else
    print_text(&stages, name);
}
