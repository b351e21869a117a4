/*
 * `tulle bench rpc`: the cases, each in turns with its limit.
 *
 * Times are medians and percentiles of all turns together, rates the median of the turns' rates. So a turn in which something
 * else took the processor, which is one with few round trips, counts for little. The ratio is the median of the turns' ratios: a
 * virtual machine changes its pace from second to second, and the two of a turn have the same. The limits' far sides are forked first,
 * before this program attaches to anything.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "tools/ask.h"
#include "tools/bench/idle.h"
#include "tools/bench/limit.h"
#include "tools/bench/report.h"
#include "tools/bench/session.h"
#include "tools/bench/stages.h"
#include "tools/human.h"
#include "tools/verbs.h"

#define TURNS          9
#define DURATION_NS    (500 * TL_MS)
#define MACHINE_NS     (50 * TL_MS)
#define IDLE_CHANNEL   "idle-channel"
#define IDLE_LINK      "idle-link"
#define IDLE_PEER      "idle-peer"
#define IDLE_CHANNELS  64
#define IDLE_BYTES_MAX 16384.0
#define IDLE_NS        (1500 * TL_MS)
/* Buffers of a link go back when nothing was said for a second, with the next keep-alive. */
#define SETTLE_NS           (1500 * TL_MS)
#define IDLE_LINK_NS        (3 * TL_S)
#define IDLE_PEER_BYTES_MAX 65536.0

volatile int tl_bench_interrupted;

struct bench_case {
  const char *name;
  const char *carrier; /* NULL: on this machine */
  enum tl_placement placement;
  const char *mode;
  unsigned in_flight;
  enum tl_limit_kind limit;
  enum tl_placement limit_placement;
  bool is_extra; /* only when its placement is asked for */
};

static const struct bench_case cases[] = {
    {"local-spin", NULL, TL_PLACE_SPLIT, "spin", 1, TL_LIMIT_SPIN, TL_PLACE_SPLIT, false},
    {"local-sleep", NULL, TL_PLACE_SAME, "sleep", 1, TL_LIMIT_FUTEX, TL_PLACE_SAME, false},
    {"local-default", NULL, TL_PLACE_FREE, "default", 1, TL_LIMIT_SLEEP, TL_PLACE_SAME, false},
    {"local-default", NULL, TL_PLACE_SAME, "default", 1, TL_LIMIT_SLEEP, TL_PLACE_SAME, true},
    {"local-default", NULL, TL_PLACE_SPLIT, "default", 1, TL_LIMIT_SPIN, TL_PLACE_SPLIT, true},
    {"local-64-in-flight", NULL, TL_PLACE_SPLIT, "spin", 64, TL_LIMIT_SPIN, TL_PLACE_SPLIT, false},
    {"remote-udp", "udp", TL_PLACE_FREE, "default", 1, TL_LIMIT_UDP, TL_PLACE_FREE, false},
    {"remote-udp", "udp", TL_PLACE_SAME, "default", 1, TL_LIMIT_UDP, TL_PLACE_SAME, false},
    {"remote-udp", "udp", TL_PLACE_SPLIT, "default", 1, TL_LIMIT_UDP, TL_PLACE_SPLIT, true},
    {"remote-udp-64-in-flight", "udp", TL_PLACE_FREE, "default", 64, TL_LIMIT_UDP, TL_PLACE_FREE,
     false},
    {"remote-tcp", "tcp", TL_PLACE_FREE, "default", 1, TL_LIMIT_TCP, TL_PLACE_FREE, false},
    {"remote-tcp", "tcp", TL_PLACE_SAME, "default", 1, TL_LIMIT_TCP, TL_PLACE_SAME, false},
    {"remote-tcp", "tcp", TL_PLACE_SPLIT, "default", 1, TL_LIMIT_TCP, TL_PLACE_SPLIT, true},
};

struct bench {
  struct tl_command *command;
  const char *to;
  const char *carrier;
  const char *filter;
  enum tl_placement placement; /* TL_PLACEMENTS: all */
  uint64_t turn_ns;
  struct tl_limit_local *local;
  struct tl_chain *chain;
  bool has_chain; /* its far half is known */
  uint64_t local_p50, remote_p50;
};

/* What one side of a case yields: all of it, and turn by turn (0: no round trip). */
struct figures {
  struct tl_histogram *all;
  double rate[TURNS];
  double p50[TURNS];
};

static void interrupted(int signal_number) {
  (void)signal_number;
  tl_bench_interrupted = 1;
}

/* Of the turns that have a value; 0 if none has. */
static double median(const double values[TURNS]) {
  double sorted[TURNS];
  size_t count = 0;
  for (size_t i = 0; i < TURNS; i++) {
    if (values[i] <= 0) continue;
    size_t at = count++;
    for (; at > 0 && sorted[at - 1] > values[i]; at--) sorted[at] = sorted[at - 1];
    sorted[at] = values[i];
  }
  return !count      ? 0
         : count % 2 ? sorted[count / 2]
                     : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

static double median_ratio(const double values[TURNS], const double limits[TURNS]) {
  double ratios[TURNS];
  for (size_t i = 0; i < TURNS; i++) ratios[i] = limits[i] > 0 ? values[i] / limits[i] : 0;
  return median(ratios);
}

static void figures_add(struct figures *f, size_t turn, const struct tl_turn *t) {
  if (!t->trips) return;
  f->rate[turn] = (double)t->trips * 1e9 / (double)t->elapsed_ns;
  f->p50[turn] = (double)tl_histogram_at(t->histogram, 0.5);
  tl_histogram_merge(f->all, t->histogram);
}

/* ---- one case ---- */

static int limit_part(struct bench *b, struct tl_bench_session *s, const struct bench_case *k,
                      struct tl_turn *t) {
  if (!k->carrier) return tl_limit_local_turn(b->local, k->limit, t);
  int r = tl_bench_place(s, t->placement); /* the limit's far half as well */
  return r ? r : tl_chain_turn(b->chain, k->limit, t);
}

static int limit_turn(struct bench *b, struct tl_bench_session *s, const struct bench_case *k,
                      size_t turn, struct figures *out) {
  struct tl_turn t = {.placement = k->limit_placement,
                      .in_flight = k->in_flight,
                      .duration_ns = b->turn_ns,
                      .histogram = tl_histogram_new()};
  int r = limit_part(b, s, k, &t);
  if (!r) figures_add(out, turn, &t);
  tl_histogram_free(t.histogram);
  return r;
}

static int call_turn(struct bench *b, struct tl_bench_session *s, const struct bench_case *k,
                     size_t turn, struct figures *out) {
  struct tl_turn t = {.placement = k->placement,
                      .in_flight = k->in_flight,
                      .duration_ns = b->turn_ns,
                      .histogram = tl_histogram_new()};
  int r = tl_bench_place(s, k->placement);
  if (!r) r = tl_bench_turn(s, &t);
  if (!r) figures_add(out, turn, &t);
  tl_histogram_free(t.histogram);
  return r;
}

static void report(struct bench *b, const struct bench_case *k, const char *path,
                   const struct figures *calls, const struct figures *limit) {
  bool is_rate = k->in_flight > 1;
  struct tl_bench_row row = {.name = k->name,
                             .path = path,
                             .placement = tl_placement_name(k->placement),
                             .mode = k->mode,
                             .payload_bytes = TL_BENCH_PAYLOAD_BYTES,
                             .in_flight = k->in_flight,
                             .p50_ns = tl_histogram_at(calls->all, 0.5),
                             .p99_ns = tl_histogram_at(calls->all, 0.99),
                             .p999_ns = tl_histogram_at(calls->all, 0.999),
                             .per_second = median(calls->rate),
                             .is_rate = is_rate};
  if (median(limit->rate) > 0) {
    row.limit = tl_limit_name(k->limit);
    row.limit_value = is_rate ? median(limit->rate) : (double)tl_histogram_at(limit->all, 0.5);
    row.ratio =
        is_rate ? median_ratio(calls->rate, limit->rate) : median_ratio(calls->p50, limit->p50);
  }
  tl_report_row(b->command, &row);
  if (!strcmp(k->name, "local-default") && k->placement == TL_PLACE_FREE) b->local_p50 = row.p50_ns;
  if (k->carrier && k->in_flight == 1 && k->placement == TL_PLACE_FREE && !b->remote_p50)
    b->remote_p50 = row.p50_ns;
}

static int run_turns(struct bench *b, struct tl_bench_session *s, const struct bench_case *k) {
  struct figures calls = {.all = tl_histogram_new()}, limit = {.all = tl_histogram_new()};
  bool has_limit = !k->carrier || b->has_chain;
  int r = 0;
  for (size_t i = 0; i < TURNS && !r && !tl_bench_interrupted; i++) {
    tl_bench_pause(s, true);
    if (has_limit && limit_turn(b, s, k, i, &limit)) has_limit = false;
    tl_bench_pause(s, false);
    r = call_turn(b, s, k, i, &calls);
  }
  tl_placement_restore();
  if (median(calls.rate) > 0) report(b, k, tulle_channel_path(s->echo), &calls, &limit);
  tl_histogram_free(calls.all);
  tl_histogram_free(limit.all);
  return r;
}

/* A case that cannot be placed is left out with a word; any other failure ends the benchmark. */
static int run_case(struct bench *b, struct tl_bench_session *s, const struct bench_case *k) {
  int r = run_turns(b, s, k);
  if (r == -EPERM || r == TULLE_E_REFUSED) {
    tl_command_say(b->command,
                   "%s, %s: left out, a process of it may not be moved to another CPU by this user",
                   k->name, tl_placement_name(k->placement));
    return 0;
  }
  return r ? tl_command_fail(b->command, r, NULL, NULL, "%s: %s", k->name, tulle_error_text(r)) : 0;
}

static const char *const idle_names[] = {IDLE_CHANNEL, IDLE_LINK, IDLE_PEER};

static bool is_named(const struct bench *b, const char *name) {
  return !b->filter || strstr(name, b->filter);
}

static bool is_wanted(const struct bench *b, const struct bench_case *k) {
  if (tl_bench_interrupted) return false;
  if (!is_named(b, k->name)) return false;
  if (k->carrier && b->carrier && strcmp(k->carrier, b->carrier)) return false;
  if (b->placement == TL_PLACEMENTS ? k->is_extra : k->placement != b->placement) return false;
  if (k->placement == TL_PLACE_SPLIT && !tl_placement_can_split()) {
    tl_command_say(b->command, "%s: left out, there is one CPU only", k->name);
    return false;
  }
  return true;
}

static bool names_a_case(const struct bench *b) {
  bool found = false;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) found |= is_named(b, cases[i].name);
  for (size_t i = 0; i < sizeof idle_names / sizeof *idle_names; i++)
    found |= is_named(b, idle_names[i]);
  return found;
}

/* ---- on this machine ---- */

static int run_local(struct bench *b) {
  int r = 0;
  for (size_t i = 0; i < sizeof cases / sizeof *cases && !r; i++) {
    struct tl_bench_session s;
    if (cases[i].carrier || !is_wanted(b, &cases[i])) continue;
    r = tl_bench_open_local(b->command, cases[i].mode, &s);
    if (!r) r = run_case(b, &s, &cases[i]);
    if (!r && cases[i].in_flight == 1 && tl_command_has(b->command, "stages"))
      tl_stages_report(b->command, &s, b->local, cases[i].placement, cases[i].name);
    tl_bench_close(&s);
  }
  return r;
}

static bool usage_of_echo(struct tl_bench_session *s, struct tl_usage *out) {
  struct tulle_result result;
  struct tulle_unpack u;
  int r = tl_bench_ask(s, "usage", &result, &u);
  if (!r) {
    struct tulle_unpack at = tulle_unpack_key(&u, "wakes");
    out->wakes = tulle_unpack_uint(&at);
    at = tulle_unpack_key(&u, "pages");
    out->shared_bytes = tulle_unpack_uint(&at);
  }
  tulle_result_clear(&result);
  return !r;
}

/* Of all who take part: this program, the echo program, and the node. */
static struct tl_usage usage_of_all(struct tl_bench_session *s) {
  struct tl_usage own, all = {0};
  usage_of_echo(s, &all);
  own = tl_usage_of(0);
  all.wakes += own.wakes;
  all.shared_bytes += own.shared_bytes;
  return all;
}

static void let_lie(uint64_t ns) {
  nanosleep(&(struct timespec){(time_t)(ns / TL_S), (long)(ns % TL_S)}, NULL);
}

static double wakes_while_idle(struct tl_bench_session *s) {
  struct tl_usage before = usage_of_all(s);
  let_lie(IDLE_NS);
  struct tl_usage after = usage_of_all(s);
  return (double)(after.wakes - before.wakes) * 1e9 / (double)IDLE_NS;
}

/* Opens channels and lets them lie: what they add to what is there without them is theirs. */
static int run_idle(struct bench *b) {
  struct tulle_channel *channels[IDLE_CHANNELS] = {0};
  struct tl_bench_session s;
  size_t count = 0;
  int r = tl_bench_open_local(b->command, "default", &s);
  if (!r) {
    double wakes = wakes_while_idle(&s);
    uint64_t bytes = usage_of_all(&s).shared_bytes;
    while (count < IDLE_CHANNELS && !tulle_channel_open(s.tulle, s.service, NULL, &channels[count]))
      count++;
    double more_wakes = wakes_while_idle(&s) - wakes;
    uint64_t more_bytes = usage_of_all(&s).shared_bytes - bytes;
    struct tl_bench_idle idle = {.name = IDLE_CHANNEL,
                                 .path = "ring",
                                 .what = "wakes",
                                 .per_second =
                                     more_wakes < 0 ? 0 : more_wakes / (double)(count + !count),
                                 .touched_bytes = (double)more_bytes / (double)(count + !count),
                                 .limit = "no wakes, 16 KiB of touched memory",
                                 .limit_bytes = IDLE_BYTES_MAX};
    if (count) tl_report_idle(b->command, &idle);
    while (count) tulle_channel_close(channels[--count]);
  }
  tl_bench_close(&s);
  return r;
}

/* ---- to another node ---- */

/* What this node says of its link to `to`. */
struct link_figures {
  uint64_t sent_packets;
  uint64_t memory_bytes;
};

static struct link_figures link_figures_of(struct tl_bench_session *s, const char *to) {
  struct tulle_result result = {0};
  struct link_figures f = {0};
  if (!tulle_call(s->node, "links", NULL, 0, s->command->timeout_ns, &result)) {
    struct tulle_unpack u = tulle_unpack_on(result.data, result.size);
    size_t count = tulle_unpack_array(&u);
    for (size_t i = 0; i < count; i++) {
      char node[64] = "";
      struct tulle_unpack at = tulle_unpack_key(&u, "node");
      tulle_unpack_string(&at, node, sizeof node);
      if (!strcmp(node, to))
        f = (struct link_figures){tl_ask_uint(&u, "sent_packets", 0),
                                  tl_ask_uint(&u, "memory_bytes", 0)};
      tulle_unpack_skip(&u);
    }
  }
  tulle_result_clear(&result);
  return f;
}

/* The link has just changed its carrier, and finds out what its path takes: that passes first. */
static void run_idle_link(struct bench *b, struct tl_bench_session *s) {
  let_lie(SETTLE_NS);
  struct link_figures before = link_figures_of(s, b->to);
  let_lie(IDLE_LINK_NS);
  struct link_figures after = link_figures_of(s, b->to);
  uint64_t sent = after.sent_packets - before.sent_packets;
  struct tl_bench_idle idle = {.name = IDLE_LINK,
                               .path = tulle_channel_path(s->echo),
                               .what = "packets",
                               .per_second = (double)sent * 1e9 / (double)IDLE_LINK_NS,
                               .limit = "one keep-alive sent each half second",
                               .limit_per_second = 2};
  tl_report_idle(b->command, &idle);
  idle.name = IDLE_PEER;
  idle.touched_bytes = (double)after.memory_bytes;
  idle.limit = "64 KiB held for a peer";
  idle.limit_bytes = IDLE_PEER_BYTES_MAX;
  idle.limit_per_second = 0;
  tl_report_idle(b->command, &idle);
}

static void find_chain(struct bench *b, struct tl_bench_session *s,
                       const struct tl_chain_place *place) {
  struct tl_address address;
  if (!place->udp_port || tl_bench_address(s, b->to, &address)) {
    tl_command_say(b->command,
                   "no limits beside the remote cases: the other node offers no far half");
    return;
  }
  tl_chain_connect(b->chain, &address, place);
  b->has_chain = true;
}

static int run_remote(struct bench *b) {
  struct tl_bench_session s;
  struct tl_chain_place place;
  const char *carrier = NULL;
  int r = tl_bench_open_remote(b->command, b->to, &s, &place);
  if (!r) find_chain(b, &s, &place);
  for (size_t i = 0; i < sizeof cases / sizeof *cases && !r; i++) {
    if (!cases[i].carrier || !is_wanted(b, &cases[i])) continue;
    if (!carrier || strcmp(carrier, cases[i].carrier))
      r = tl_bench_carrier(&s, b->to, carrier = cases[i].carrier);
    if (!r) r = run_case(b, &s, &cases[i]);
    if (!r && cases[i].in_flight == 1 && tl_command_has(b->command, "stages"))
      tl_stages_report(b->command, &s, b->local, cases[i].placement, cases[i].name);
  }
  if (s.node && carrier) tl_bench_carrier(&s, b->to, "auto");
  if (!r && (is_named(b, IDLE_LINK) || is_named(b, IDLE_PEER)) && !tl_bench_interrupted)
    run_idle_link(b, &s);
  tl_bench_close(&s);
  return r;
}

/* Before anything is measured: whether there is a node here, and the other one, and whether it can take part. */
static int look_for_node(struct bench *b) {
  struct tl_bench_session s = {0};
  struct tl_chain_place place;
  struct tl_ask ask;
  if (b->to) {
    int r = tl_bench_open_remote(b->command, b->to, &s, &place);
    tl_bench_close(&s);
    return r;
  }
  int r = tl_ask_open_or_start(b->command, &ask);
  tl_ask_close(&ask);
  return r;
}

/* ---- all ---- */

static uint64_t machine_figure(struct bench *b, enum tl_limit_kind kind,
                               enum tl_placement placement) {
  struct tl_turn t = {.placement = placement,
                      .in_flight = 1,
                      .duration_ns = MACHINE_NS,
                      .histogram = tl_histogram_new()};
  uint64_t p50 = tl_limit_local_turn(b->local, kind, &t) ? 0 : tl_histogram_at(t.histogram, 0.5);
  tl_histogram_free(t.histogram);
  return p50;
}

static void describe_machine(struct bench *b) {
  char lines[TL_HUMAN_SIZE] = "-", same[TL_HUMAN_SIZE], split[TL_HUMAN_SIZE] = "-";
  struct utsname names;
  if (b->command->json || tl_bench_interrupted) return;
  uname(&names);
  tl_human_duration(machine_figure(b, TL_LIMIT_FUTEX, TL_PLACE_SAME), same);
  if (tl_placement_can_split()) {
    tl_human_duration(machine_figure(b, TL_LIMIT_LINES, TL_PLACE_SPLIT), lines);
    tl_human_duration(machine_figure(b, TL_LIMIT_FUTEX, TL_PLACE_SPLIT), split);
  }
  tl_placement_restore();
  tl_report_note(
      b->command,
      "machine: %ld CPUs, Linux %s; two cache lines %s; futex ping-pong %s on one core, %s across",
      sysconf(_SC_NPROCESSORS_ONLN), names.release, lines, same, split);
  if (b->local_p50 && b->remote_p50)
    tl_report_note(b->command, "remote costs %.0f x local",
                   (double)b->remote_p50 / (double)b->local_p50);
}

static int run_all(struct bench *b) {
  int r = tl_limit_local_open(&b->local);
  if (!r && b->to) r = tl_chain_open(&b->chain);
  if (r)
    return tl_command_fail(b->command, r, NULL, NULL, "cannot start the limits: %s",
                           tulle_error_text(r));
  r = look_for_node(b);
  if (r) return r;
  tl_report_note(b->command, "echo of %d bytes; each case and its limit in %d turns, %d ms in all",
                 TL_BENCH_PAYLOAD_BYTES, TURNS, (int)(b->turn_ns * TURNS / TL_MS));
  tl_report_begin(b->command);
  r = run_local(b);
  if (!r && b->to && !tl_bench_interrupted) r = run_remote(b);
  if (!r && is_named(b, IDLE_CHANNEL) && b->placement == TL_PLACEMENTS && !tl_bench_interrupted)
    r = run_idle(b);
  if (!r) describe_machine(b);
  return r;
}

int tl_verb_bench_rpc(struct tl_command *c) {
  const char *placement = tl_command_text(c, "placement"), *carrier = tl_command_text(c, "carrier");
  struct bench b = {.command = c,
                    .to = tl_command_text(c, "to"),
                    .carrier = carrier && strcmp(carrier, "auto") ? carrier : NULL,
                    .filter = tl_command_text(c, "case"),
                    .placement = placement ? tl_placement_parse(placement) : TL_PLACEMENTS,
                    .turn_ns = tl_command_duration(c, "duration", DURATION_NS) / TURNS};
  if (!b.turn_ns)
    return tl_command_fail(c, TULLE_E_INVALID, "5 ns or more", NULL, "--duration is too short");
  if (!names_a_case(&b))
    return tl_command_fail(c, TULLE_E_INVALID, NULL, "tulle bench rpc prints all there are",
                           "no case has '%s' in its name", b.filter);
  signal(SIGINT, interrupted);
  signal(SIGTERM, interrupted);
  int r = run_all(&b);
  tl_placement_restore();
  tl_chain_close(b.chain);
  tl_limit_local_close(b.local);
  return tl_bench_interrupted ? TL_EXIT_INTERRUPTED : r;
}
