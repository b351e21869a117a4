/*
 * `tulle bench echo`: the far side of every measurement, as a program of its own.
 *
 *   echo   its argument, as it came
 *   info   {pid, node_pid, udp_port, tcp_port, key}: of the limit's far half, 0 and nothing with --local
 *   place  {placement: text, side: uint}: moves itself, its node and the limit's far half (placement.h). {why: text} if it could not
 *   stamp  {now_ns}: CLOCK_MONOTONIC of its machine when the handler began
 *   usage  {wakes, pages}: what idling costs it and its node: context switches so far, bytes of shared memory (proportional)
 *
 * A node starts it for a member that asks (docs/protocol-node.md), a benchmark for itself. It ends when nobody has called it for
 * ten seconds.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "core/time.h"
#include "tools/ask.h"
#include "tools/bench/idle.h"
#include "tools/bench/limit.h"
#include "tools/verbs.h"

#define IDLE_SECONDS 10

static struct {
  struct tulle *tulle;
  struct tl_chain_far *far;
  struct tl_chain_place place;
  pid_t node_pid;
  volatile bool is_used; /* since the last alarm */
} echo;

static int do_echo(struct tulle_call_context *call, void *userdata) {
  (void)userdata;
  struct tulle_unpack arguments = tulle_call_arguments(call);
  echo.is_used = true;
  return tulle_reply(call, arguments.at, (size_t)(arguments.end - arguments.at));
}

static void put(struct tulle_pack *w, const char *key, uint64_t value) {
  tulle_pack_text(w, key);
  tulle_pack_uint(w, value);
}

static int do_info(struct tulle_call_context *call, void *userdata) {
  unsigned char buffer[256];
  struct tulle_pack w = tulle_pack_on(buffer, sizeof buffer);
  (void)userdata;
  echo.is_used = true;
  tulle_pack_map(&w, 5);
  put(&w, "pid", (uint64_t)getpid());
  put(&w, "node_pid", (uint64_t)echo.node_pid);
  put(&w, "udp_port", echo.place.udp_port);
  put(&w, "tcp_port", echo.place.tcp_port);
  tulle_pack_text(&w, "key");
  tulle_pack_bytes(&w, echo.place.key, echo.far ? sizeof echo.place.key : 0);
  return tulle_reply(call, buffer, tulle_pack_size(&w));
}

static int do_place(struct tulle_call_context *call, void *userdata) {
  unsigned char buffer[256];
  struct tulle_pack w = tulle_pack_on(buffer, sizeof buffer);
  struct tulle_unpack arguments = tulle_call_arguments(call);
  struct tulle_unpack at = tulle_unpack_key(&arguments, "side");
  uint64_t side = tulle_unpack_uint(&at);
  at = tulle_unpack_key(&arguments, "placement");
  char name[16];
  tulle_unpack_string(&at, name, sizeof name);
  enum tl_placement p = tl_placement_parse(name);
  (void)userdata;
  echo.is_used = true;
  if (!tulle_unpack_is_ok(&at) || p == TL_PLACEMENTS || side > 1) return TULLE_E_INVALID;
  int cpu = tl_placement_cpu(p, (int)side);
  int r = tl_placement_pin(0, cpu);
  if (!r && echo.node_pid) r = tl_placement_pin(echo.node_pid, cpu);
  if (echo.far) tl_chain_far_pin(echo.far, cpu);
  tulle_pack_map(&w, r ? 1 : 0);
  if (r) {
    tulle_pack_text(&w, "why");
    tulle_pack_text(&w, tulle_error_text(r));
  }
  return tulle_reply(call, buffer, tulle_pack_size(&w));
}

static int do_stamp(struct tulle_call_context *call, void *userdata) {
  unsigned char buffer[16];
  struct tulle_pack w = tulle_pack_on(buffer, sizeof buffer);
  (void)userdata;
  echo.is_used = true;
  tulle_pack_uint(&w, tl_time_now());
  return tulle_reply(call, buffer, tulle_pack_size(&w));
}

static int do_usage(struct tulle_call_context *call, void *userdata) {
  unsigned char buffer[64];
  struct tulle_pack w = tulle_pack_on(buffer, sizeof buffer);
  struct tl_usage own = tl_usage_of(0), node = tl_usage_of(echo.node_pid);
  (void)userdata;
  echo.is_used = true;
  tulle_pack_map(&w, 2);
  put(&w, "wakes", own.wakes + node.wakes);
  put(&w, "pages", own.shared_bytes + node.shared_bytes);
  return tulle_reply(call, buffer, tulle_pack_size(&w));
}

/* One alarm per ten seconds: the program must not wake more often than that while it is measured idle. */
static void look_whether_used(int signal_number) {
  (void)signal_number;
  if (!echo.is_used) tulle_stop(echo.tulle);
  echo.is_used = false;
  alarm(IDLE_SECONDS);
}

static void stop(int signal_number) {
  (void)signal_number;
  tulle_stop(echo.tulle);
}

static pid_t pid_of_node(struct tulle *t) {
  struct tulle_channel *node = NULL;
  struct tulle_result status = {0};
  pid_t pid = 0;
  if (!tulle_channel_open(t, TL_NODE_SERVICE, NULL, &node) &&
      !tulle_call(node, "status", NULL, 0, 0, &status)) {
    struct tulle_unpack u = tulle_unpack_on(status.data, status.size);
    pid = (pid_t)tl_ask_uint(&u, "pid", 0);
  }
  tulle_result_clear(&status);
  tulle_channel_close(node);
  return pid;
}

static int serve(const char *service) {
  static const struct tulle_procedure procedures[] = {
      {"echo", do_echo, NULL},   {"info", do_info, NULL},   {"place", do_place, NULL},
      {"stamp", do_stamp, NULL}, {"usage", do_usage, NULL},
  };
  struct tulle_offer offer = {.name = service,
                              .procedures = procedures,
                              .procedure_count = sizeof procedures / sizeof *procedures,
                              .hidden = true};
  struct tulle_service *handle = NULL;
  struct tulle_options options = {.program = "tulle-bench", .no_autostart = true};
  int r = tulle_attach(&options, &echo.tulle);
  if (r) return r;
  echo.node_pid = pid_of_node(echo.tulle);
  r = tulle_offer(echo.tulle, &offer, &handle);
  if (!r) {
    signal(SIGALRM, look_whether_used);
    signal(SIGTERM, stop);
    echo.is_used = true;
    alarm(IDLE_SECONDS);
    r = tulle_serve(echo.tulle, 1);
    alarm(0);
  }
  tulle_withdraw(handle);
  echo.tulle = tulle_detach(echo.tulle);
  return r;
}

int tl_verb_bench_echo(struct tl_command *c) {
  const char *service = tl_command_text(c, "service");
  signal(SIGINT, SIG_IGN); /* whoever started it says when it is over */
  if (!tl_command_has(c, "local") && tl_chain_far_open(&echo.far, &echo.place)) echo.far = NULL;
  int r = serve(service ? service : "tulle.bench");
  tl_placement_restore();
  echo.far = tl_chain_far_close(echo.far);
  return r ? tl_command_fail(c, r, NULL, NULL, "bench echo: %s", tulle_error_text(r)) : 0;
}
