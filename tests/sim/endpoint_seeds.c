/*
 * T-30, T-31, T-06, T-37: seeds of everything at once.
 *
 *     test_sim_endpoint_seeds [COUNT [FIRST [twice]]]
 *
 * Each seed draws the number of nodes, the network's faults, tiny limits of the keys, and a row of
 * misfortunes (partitions, rebinding, pauses, crashes, cut streams, clocks that run wrong, blocked
 * carriers) for the first half of a simulated minute. The second half is quiet: then every link has
 * to be up within 15 s and everything reliable that was sent on it has to arrive. `twice` runs each
 * seed again and compares the traces. A seed that fails is printed and reproduces alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/world.h"

#define HALF        (30 * TL_S)
#define REBOOTS_MAX 2 /* a third boot id within a minute is taken for a cloned machine */

enum misfortune {
  PART_TWO,
  PART_ONE_WAY,
  PART_ONE_NODE,
  HEAL,
  REBIND,
  PAUSE,
  LONG_PAUSE,
  CRASH,
  CUT_STREAM,
  NO_UDP,
  NO_TCP,
  CARRIERS_BACK,
  SMALL_MTU,
  FORCE_CARRIER,
  CLOCK_RATE,
  CLOSE_LINK,
  KINDS,
};

static const char *const NAMES[KINDS] = {"partition of two",
                                         "one-way partition",
                                         "node cut off",
                                         "heal",
                                         "rebinding",
                                         "pause",
                                         "long pause",
                                         "crash",
                                         "cut",
                                         "UDP blocked",
                                         "TCP blocked",
                                         "carriers back",
                                         "MTU",
                                         "carrier",
                                         "clock rate",
                                         "close"};

static uint64_t happened[KINDS];
static struct tl_sim_counters totals;
static struct tl_endpoint_counters endpoint_totals;
static uint64_t ups, delivered, ledger;

static uint64_t draw(struct world *w, uint64_t limit) {
  return tl_sim_draw_below(&w->random, limit);
}

static double draw_part(struct world *w, double most) {
  return most * (double)draw(w, 1001) / 1000;
}

/* ---- What a seed is like ---- */

static struct tl_sim_faults draw_faults(struct world *w) {
  struct tl_sim_faults f = {.delay = TL_US * (100 + draw(w, 40000))};
  if (draw(w, 4)) f.loss = draw_part(w, 0.3);
  if (draw(w, 3) == 0) f.loss_burst = 3;
  if (f.loss_burst) f.loss /= 3;
  if (draw(w, 2)) f.duplicate = draw_part(w, 0.5);
  if (draw(w, 2)) f.corrupt = draw_part(w, 0.3);
  if (draw(w, 2)) {
    f.reorder = draw_part(w, 0.5);
    f.jitter = TL_MS * (1 + draw(w, 500));
  }
  if (draw(w, 4) == 0) f.bandwidth = 1000000 + draw(w, 10000000);
  return f;
}

static void draw_limits(struct world *w) {
  if (draw(w, 3) == 0) {
    w->parameters.rekey_after_ns = TL_S + draw(w, 10 * TL_S);
    w->parameters.rekey_jitter_ns = w->parameters.rekey_after_ns / 4;
    w->parameters.end_after_ns = 5 * w->parameters.rekey_after_ns + 20 * TL_S;
  }
  if (draw(w, 4) == 0) w->parameters.rekey_after_packets = 50 + draw(w, 1000);
  w->config.carrier = draw(w, 6) == 0 ? TL_CARRIER_ONLY_TCP : TL_CARRIER_AUTO;
}

/* ---- Misfortunes ---- */

static struct world_node *draw_node(struct world *w) {
  return &w->nodes[draw(w, w->count)];
}

static void rebind(struct world *w, struct world_node *n) {
  struct tl_address a = n->address;
  a.ip[14] = (uint8_t)(1 + draw(w, 250));
  a.port = (uint16_t)(1024 + draw(w, 60000));
  world_rebind(w, n->number, &a);
}

static void crash(struct world *w, struct world_node *n) {
  bool is_reboot = draw(w, 4) == 0 && n->reboots < REBOOTS_MAX;
  n->reboots += is_reboot;
  world_node_crash(n);
  if (is_reboot) tl_sim_draw_bytes(&n->random, n->boot_id, sizeof(n->boot_id));
  tl_sim_run(w->sim, draw(w, 2 * TL_S));
  world_node_start(n);
}

static struct world_link *draw_link(struct world_node *n) {
  for (unsigned i = 0; i < WORLD_LINKS_MAX; i++)
    if (n->links[i].link) return &n->links[i];
  return NULL;
}

static void change_link(struct world *w, struct world_node *n, bool close) {
  struct world_link *l = draw_link(n);
  if (!l) return;
  if (close)
    world_close(n, l);
  else
    tl_link_set_carrier(l->link, tl_sim_port_now(n->port), (enum tl_carrier_choice)draw(w, 3));
  tl_sim_kick(n->port);
}

static void befall(struct world *w, struct tl_sim_faults *f) {
  struct world_node *n = draw_node(w), *other = draw_node(w);
  enum misfortune kind = (enum misfortune)draw(w, KINDS);
  happened[kind]++;
  switch (kind) {
  case PART_TWO:
    tl_sim_partition(w->sim, n->port, other->port, true);
    break;
  case PART_ONE_WAY:
    tl_sim_partition(w->sim, n->port, other->port, false);
    break;
  case PART_ONE_NODE:
    tl_sim_partition(w->sim, n->port, NULL, true);
    break;
  case HEAL:
    tl_sim_heal(w->sim);
    break;
  case REBIND:
    rebind(w, n);
    break;
  case PAUSE:
    tl_sim_pause(n->port, 1 + draw(w, 3 * TL_S));
    break;
  case LONG_PAUSE:
    if (draw(w, 10) == 0) tl_sim_pause(n->port, draw(w, 600 * TL_S));
    break;
  case CRASH:
    crash(w, n);
    break;
  case CUT_STREAM:
    tl_sim_cut(n->port, 1 + (uint32_t)draw(w, 4), draw(w, 2));
    break;
  case NO_UDP:
    f->no_udp = true;
    break;
  case NO_TCP:
    f->no_tcp = true;
    break;
  case CARRIERS_BACK:
    f->no_udp = f->no_tcp = false;
    break;
  case SMALL_MTU:
    f->mtu = draw(w, 2) ? 1200 + (uint32_t)draw(w, 400) : 0;
    break;
  case FORCE_CARRIER:
    change_link(w, n, false);
    break;
  case CLOCK_RATE:
    tl_sim_set_clock_rate(n->port, 0.9 + draw_part(w, 0.2));
    break;
  case CLOSE_LINK:
    change_link(w, n, true);
    break;
  case KINDS:
    break;
  }
  tl_sim_set_faults(w->sim, f);
}

static void be_quiet(struct world *w) {
  tl_sim_heal(w->sim);
  tl_sim_set_faults(w->sim, &(struct tl_sim_faults){.delay = TL_MS});
  for (unsigned i = 0; i < w->count; i++) {
    struct world_node *n = &w->nodes[i];
    tl_sim_set_clock_rate(n->port, 1.0);
    for (unsigned k = 0; k < WORLD_LINKS_MAX; k++)
      if (n->links[k].link)
        tl_link_set_carrier(n->links[k].link, tl_sim_port_now(n->port), w->config.carrier);
    tl_sim_kick(n->port);
  }
}

/* ---- One seed ---- */

static void add(uint64_t *sum, const uint64_t *more, size_t size) {
  for (size_t i = 0; i < size / sizeof(uint64_t); i++) sum[i] += more[i];
}

static void sum_up(struct world *w) {
  struct tl_sim_counters c;
  tl_sim_counters(w->sim, &c);
  add((uint64_t *)&totals, (uint64_t *)&c, sizeof(c));
  for (unsigned i = 0; i < w->count; i++) {
    struct tl_endpoint_counters e = world_counters(w, i);
    add((uint64_t *)&endpoint_totals, (uint64_t *)&e, sizeof(e));
    ups += w->nodes[i].ups;
    delivered += w->nodes[i].delivered;
  }
  ledger += world_ledger_size();
}

static void check_bounds(struct world *w) {
  for (unsigned i = 0; i < w->count; i++) {
    struct tl_endpoint_counters c = world_counters(w, i);
    WORLD_CHECK(w, c.drop_frames == 0); /* all are honest, so nobody may break the protocol */
    WORLD_CHECK(w, w->nodes[i].downs_by[TL_REASON_PROTOCOL] == 0);
    WORLD_CHECK(w, w->nodes[i].clones == 0);
  }
}

static uint64_t run_seed(uint64_t seed) {
  static struct world w;
  world_init(&w, seed, 2 + (unsigned)(seed % 7 == 0 ? seed / 7 % 7 : seed % 3));
  struct tl_sim_faults f = draw_faults(&w);
  draw_limits(&w);
  w.traffic_each = TL_MS * (5 + draw(&w, 50));
  tl_sim_set_faults(w.sim, &f);
  world_start(&w);
  world_dial_all(&w);
  uint64_t end = world_now(&w) + HALF;
  while (world_now(&w) < end) {
    tl_sim_run(w.sim, draw(&w, 4 * TL_S));
    befall(&w, &f);
    check_bounds(&w);
  }
  be_quiet(&w);
  while (world_paused(&w)) tl_sim_run(w.sim, TL_S);
  if (!world_run_until(&w, 15 * TL_S, world_all_connected)) {
    world_print(&w);
    world_fail(&w, "not all connected after 15 s of quiet");
  }
  tl_sim_run(w.sim, 5 * TL_S);
  w.traffic_each = 0;
  if (!world_run_until(&w, 10 * TL_S, world_all_settled)) {
    world_print(&w);
    world_fail(&w, "not all delivered after 10 s of quiet");
  }
  check_bounds(&w);
  uint64_t trace = tl_sim_trace(w.sim);
  sum_up(&w);
  world_deinit(&w);
  return trace;
}

static void print_totals(uint64_t count) {
  printf("%llu seeds: %llu packets, %llu encryptions, %llu links up, %llu messages delivered\n",
         (unsigned long long)count, (unsigned long long)totals.sent, (unsigned long long)ledger,
         (unsigned long long)ups, (unsigned long long)delivered);
  printf("lost %llu, doubled %llu, reordered %llu, corrupted %llu, too big %llu, parted %llu\n",
         (unsigned long long)totals.lost, (unsigned long long)totals.duplicated,
         (unsigned long long)totals.reordered, (unsigned long long)totals.corrupted,
         (unsigned long long)totals.too_big, (unsigned long long)totals.partitioned);
  printf(
      "rekeys %llu, path moves %llu, carrier moves %llu, streams opened %llu, truncations %llu\n",
      (unsigned long long)endpoint_totals.rekeys, (unsigned long long)endpoint_totals.path_moves,
      (unsigned long long)endpoint_totals.carrier_moves, (unsigned long long)totals.tcp_opened,
      (unsigned long long)endpoint_totals.truncations);
  for (int i = 0; i < KINDS; i++)
    printf("%s%s %llu", i ? ", " : "", NAMES[i], (unsigned long long)happened[i]);
  printf("\n");
}

int main(int argc, char **argv) {
  uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 20;
  uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
  bool twice = argc > 3 && !strcmp(argv[3], "twice");
  world_fabric_make();
  for (uint64_t seed = first; seed < first + count; seed++) {
    uint64_t trace = run_seed(seed);
    if (twice && trace != run_seed(seed)) {
      fprintf(stderr, "seed %llu: two runs, two traces\n", (unsigned long long)seed);
      return 1;
    }
  }
  print_totals(count);
  world_fabric_free();
  return 0;
}
