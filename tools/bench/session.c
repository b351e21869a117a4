#include "tools/bench/session.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/limits.h"
#include "tools/ask.h"
#include "tools/human.h"

#define START_NS (5 * TL_S)
#define LINK_NS  (10 * TL_S)
#define WAIT_NS  (100 * TL_MS)
#define RETRY_NS (20 * TL_MS)

extern char **environ;

/* ---- opening ---- */

static int attach(const struct tl_command *c, const char *mode, struct tl_bench_session *s) {
  struct tl_ask ask;
  struct tulle_result status;
  setenv("TULLE_WAIT", mode, 1);
  *s = (struct tl_bench_session){.command = c};
  int r = tl_ask_open_or_start(c, &ask);
  s->tulle = ask.tulle;
  s->node = ask.node;
  if (r) return r;
  r = tl_ask(&ask, "ask the node how it is", "status", NULL, c->timeout_ns, &status);
  if (r) return r;
  struct tulle_unpack u = tulle_unpack_on(status.data, status.size);
  s->node_pid = (pid_t)tl_ask_uint(&u, "pid", 0);
  tulle_result_clear(&status);
  return 0;
}

static int spawn_echo(struct tl_bench_session *s) {
  char path[] = "/proc/self/exe";
  snprintf(s->service, sizeof s->service, "tulle.bench-%d", (int)getpid());
  char *argv[] = {"tulle", "bench", "echo", "--local", "--service", s->service, NULL};
  int r = posix_spawn(&s->echo_pid, path, NULL, NULL, argv, environ);
  if (r) s->echo_pid = 0;
  return -r;
}

/* The echo program of another node is only just being started there: it is tried until then. */
static int open_echo(struct tl_bench_session *s, const char *node) {
  struct tulle_target target = {.node = node, .timeout_ns = START_NS};
  uint64_t deadline = tl_time_now() + START_NS;
  int r;
  while ((r = tulle_channel_open(s->tulle, s->service, &target, &s->echo)) == TULLE_E_NO_SERVICE &&
         tl_time_now() < deadline && !tl_bench_interrupted)
    nanosleep(&(struct timespec){.tv_nsec = RETRY_NS}, NULL);
  return r ? tl_command_fail(s->command, r, NULL, NULL,
                             "cannot open a channel to the echo program: %s", tulle_error_text(r))
           : 0;
}

int tl_bench_open_local(const struct tl_command *c, const char *mode,
                        struct tl_bench_session *out) {
  int r = attach(c, mode, out);
  if (r) return r;
  r = spawn_echo(out);
  if (!r) r = tulle_wait(out->tulle, out->service, START_NS);
  if (r)
    return tl_command_fail(c, r, NULL, NULL, "cannot start the echo program: %s",
                           tulle_error_text(r));
  return open_echo(out, NULL);
}

static int ask_for_echo(struct tl_bench_session *s, const char *to) {
  unsigned char bytes[128];
  struct tulle_pack args = tulle_pack_on(bytes, sizeof bytes);
  struct tl_ask ask = {s->command, s->tulle, s->node};
  struct tulle_result result;
  tulle_pack_map(&args, 1);
  tulle_pack_text(&args, "node");
  tulle_pack_text(&args, to);
  int r = tl_ask(&ask, "start the echo program there", "bench_echo", &args, START_NS, &result);
  if (r) return r;
  struct tulle_unpack u = tulle_unpack_on(result.data, result.size);
  tl_ask_text(&u, "service", s->service, sizeof s->service);
  tulle_result_clear(&result);
  return 0;
}

int tl_bench_open_remote(const struct tl_command *c, const char *to, struct tl_bench_session *out,
                         struct tl_chain_place *out_place) {
  struct tulle_result result;
  struct tulle_unpack u;
  *out_place = (struct tl_chain_place){0};
  int r = attach(c, "default", out);
  out->is_remote = true;
  if (!r) r = ask_for_echo(out, to);
  if (!r) r = open_echo(out, to);
  if (r) return r;
  if (!tl_bench_ask(out, "info", &result, &u)) {
    struct tulle_unpack at = tulle_unpack_key(&u, "key");
    size_t size;
    const void *key = tulle_unpack_bytes(&at, &size);
    if (size == sizeof out_place->key) {
      memcpy(out_place->key, key, size);
      out_place->udp_port = (uint16_t)tl_ask_uint(&u, "udp_port", 0);
      out_place->tcp_port = (uint16_t)tl_ask_uint(&u, "tcp_port", 0);
    }
  }
  tulle_result_clear(&result);
  return 0;
}

void tl_bench_close(struct tl_bench_session *s) {
  tl_bench_pause(s, false);
  tl_placement_restore();
  s->echo = tulle_channel_close(s->echo);
  s->node = tulle_channel_close(s->node);
  s->tulle = tulle_detach(s->tulle);
  if (s->echo_pid) {
    kill(s->echo_pid, SIGKILL);
    waitpid(s->echo_pid, NULL, 0);
    s->echo_pid = 0;
  }
}

/* ---- asking ---- */

int tl_bench_ask(struct tl_bench_session *s, const char *procedure, struct tulle_result *result,
                 struct tulle_unpack *out) {
  *result = (struct tulle_result){0};
  int r = tulle_call(s->echo, procedure, NULL, 0, s->command->timeout_ns, result);
  *out = tulle_unpack_on(result->data, result->size);
  return r;
}

int tl_bench_carrier(struct tl_bench_session *s, const char *to, const char *carrier) {
  unsigned char bytes[256];
  struct tulle_pack args = tulle_pack_on(bytes, sizeof bytes);
  struct tl_ask ask = {s->command, s->tulle, s->node};
  struct tulle_result result;
  char what[64];
  snprintf(what, sizeof what, "have the link use %s", carrier);
  tulle_pack_map(&args, 2);
  tulle_pack_text(&args, "node");
  tulle_pack_text(&args, to);
  tulle_pack_text(&args, "carrier");
  tulle_pack_text(&args, carrier);
  int r = tl_ask(&ask, what, "link_carrier", &args, s->command->timeout_ns, &result);
  if (r) return r;
  tulle_result_clear(&result);
  if (!strcmp(carrier, "auto")) return 0;
  uint64_t deadline = tl_time_now() + LINK_NS;
  while (strcmp(tulle_channel_path(s->echo), carrier)) {
    if (tl_bench_interrupted) return TL_EXIT_INTERRUPTED;
    if (tl_time_now() > deadline)
      return tl_command_fail(s->command, TULLE_E_UNREACHABLE, NULL, NULL,
                             "the link does not come to use %s", carrier);
    nanosleep(&(struct timespec){.tv_nsec = RETRY_NS}, NULL);
  }
  return 0;
}

int tl_bench_address(struct tl_bench_session *s, const char *to, struct tl_address *out) {
  struct tulle_result result = {0};
  char node[TL_NODE_NAME_BYTES_MAX + 1], remote[TL_ADDRESS_TEXT_SIZE];
  int r = tulle_call(s->node, "links", NULL, 0, s->command->timeout_ns, &result);
  struct tulle_unpack u = tulle_unpack_on(result.data, result.size);
  size_t count = r ? 0 : tulle_unpack_array(&u);
  r = TULLE_E_NOT_FOUND;
  for (size_t i = 0; i < count && r; i++) {
    if (!strcmp(tl_ask_text(&u, "node", node, sizeof node), to))
      r = tl_address_parse(tl_ask_text(&u, "remote", remote, sizeof remote), TL_PORT_DEFAULT, out);
    tulle_unpack_skip(&u);
  }
  tulle_result_clear(&result);
  return r;
}

/* ---- placing ---- */

static int place_far(struct tl_bench_session *s, enum tl_placement placement) {
  unsigned char bytes[64];
  struct tulle_pack args = tulle_pack_on(bytes, sizeof bytes);
  struct tulle_result result = {0};
  tulle_pack_map(&args, 2);
  tulle_pack_text(&args, "placement");
  tulle_pack_text(&args, tl_placement_name(placement));
  tulle_pack_text(&args, "side");
  tulle_pack_uint(&args, 1);
  int r =
      tulle_call(s->echo, "place", bytes, tulle_pack_size(&args), s->command->timeout_ns, &result);
  struct tulle_unpack u = tulle_unpack_on(result.data, result.size),
                      at = tulle_unpack_key(&u, "why");
  if (!r && tulle_unpack_is_ok(&at)) r = TULLE_E_REFUSED;
  tulle_result_clear(&result);
  return r;
}

/* Between machines each node stands beside its program; on one machine no call passes the node. */
int tl_bench_place(struct tl_bench_session *s, enum tl_placement placement) {
  int cpu = tl_placement_cpu(placement, 0);
  int r = tl_placement_pin(0, cpu);
  if (!r && s->is_remote) r = tl_placement_pin(s->node_pid, cpu);
  if (!r && s->is_remote) r = place_far(s, placement);
  if (!r && !s->is_remote) r = tl_placement_pin(s->echo_pid, tl_placement_cpu(placement, 1));
  return r;
}

void tl_bench_pause(struct tl_bench_session *s, bool is_paused) {
  if (s->echo_pid) kill(s->echo_pid, is_paused ? SIGSTOP : SIGCONT);
}

/* ---- measuring ---- */

static size_t pack_payload(unsigned char *buffer, size_t size) {
  static const uint8_t payload[TL_BENCH_PAYLOAD_BYTES] = {1};
  struct tulle_pack w = tulle_pack_on(buffer, size);
  tulle_pack_bytes(&w, payload, sizeof payload);
  return tulle_pack_size(&w);
}

/* 0 if `result` is the payload. */
static int unpack_payload(const struct tulle_result *result) {
  struct tulle_unpack u = tulle_unpack_on(result->data, result->size);
  size_t size;
  tulle_unpack_bytes(&u, &size);
  return size == TL_BENCH_PAYLOAD_BYTES ? 0 : TULLE_E_BAD_MESSAGE;
}

static int trip(struct tl_bench_session *s) {
  unsigned char args[TL_BENCH_PAYLOAD_BYTES + 8];
  struct tulle_result result;
  int r = tulle_call(s->echo, "echo", args, pack_payload(args, sizeof args), 0, &result);
  if (r) return r;
  r = unpack_payload(&result);
  tulle_result_clear(&result);
  return r;
}

static int measure_single(struct tl_bench_session *s, struct tl_turn *t) {
  uint64_t start = tl_time_now(), warm = start + TL_BENCH_WARM_UP_NS, now = start;
  int r = 0;
  for (; now < warm && !r; now = tl_time_now()) r = trip(s);
  start = now;
  while (!r && now - start < t->duration_ns && !tl_bench_interrupted) {
    r = trip(s);
    uint64_t then = now;
    now = tl_time_now();
    tl_histogram_record(t->histogram, now - then);
    t->trips++;
  }
  t->elapsed_ns += now - start;
  return r;
}

/* Many at once: each call that is free is made, each completion frees one. */
struct flight {
  struct tl_turn *turn;
  struct tl_bench_session *session;
  bool is_warm;
  unsigned in_flight;
  uint64_t now; /* when the completions of this turn of the loop began to run, 0: none has */
  int error;
  struct slot {
    struct flight *flight;
    uint64_t begun;
    struct slot *next_free;
  } slots[TL_BENCH_FLIGHT_MAX], *free;
};

static void call_done(void *userdata, int status, const struct tulle_result *result) {
  struct slot *slot = userdata;
  struct flight *f = slot->flight;
  if (!status) status = unpack_payload(result);
  if (status && !f->error) f->error = status;
  if (f->is_warm) {
    if (!f->now) f->now = tl_time_now();
    tl_histogram_record(f->turn->histogram, f->now - slot->begun);
    f->turn->trips++;
  }
  slot->next_free = f->free;
  f->free = slot;
  f->in_flight--;
}

static void make_calls(struct flight *f) {
  unsigned char args[TL_BENCH_PAYLOAD_BYTES + 8];
  uint64_t now = tl_time_now();
  while (f->free && f->in_flight < f->turn->in_flight) {
    struct slot *slot = f->free;
    slot->begun = now;
    int r = tulle_call_async(f->session->echo, "echo", args, pack_payload(args, sizeof args), 0,
                             call_done, slot, NULL);
    if (r == TULLE_E_AGAIN) return;
    if (r) {
      f->error = r;
      return;
    }
    f->free = slot->next_free;
    f->in_flight++;
  }
}

static int measure_flight(struct tl_bench_session *s, struct tl_turn *t) {
  struct flight f = {.turn = t, .session = s};
  bool is_over = false;
  uint64_t start = tl_time_now(), now = start;
  for (size_t i = 0; i < TL_BENCH_FLIGHT_MAX; i++) {
    f.slots[i] = (struct slot){.flight = &f, .next_free = f.free};
    f.free = &f.slots[i];
  }
  while (!is_over || f.in_flight) {
    now = tl_time_now();
    if (!f.is_warm && now - start >= TL_BENCH_WARM_UP_NS) {
      f.is_warm = true;
      start = now;
    }
    is_over = f.error || tl_bench_interrupted || (f.is_warm && now - start >= t->duration_ns);
    if (!is_over) make_calls(&f);
    f.now = 0;
    int r = tulle_dispatch_wait(s->tulle, WAIT_NS);
    if (r < 0 && !f.error) f.error = r;
  }
  t->elapsed_ns += now - start;
  return f.error;
}

int tl_bench_turn(struct tl_bench_session *s, struct tl_turn *t) {
  return t->in_flight > 1 ? measure_flight(s, t) : measure_single(s, t);
}
