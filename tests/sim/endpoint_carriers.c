/*
 * Which carrier a link uses, whether its peer is there, and what an idle link costs: T-41, T-42,
 * T-55 in virtual time.
 *
 *     test_sim_endpoint_carriers [ROUNDS [HOURS]]
 *
 * The tests' full size is 100 rounds and 1 hour; CI takes 20 rounds and a tenth of an hour.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/world.h"
#include "tests/unit/test.h"

static struct world w;
static size_t rounds_wanted = 20;
static double hours_wanted = 0.1;

static bool is_connected(struct world *world) {
  return world_is_connected(world, 0, 1);
}

static struct tl_link_info info_of(unsigned from) {
  struct tl_link_info info = {0};
  struct world_link *l = world_link_between(&w, from, 1 - from);
  WORLD_CHECK(&w, l);
  tl_link_info(l->link, tl_sim_port_now(w.nodes[from].port), &info);
  return info;
}

static bool is_on_tcp(struct world *world) {
  (void)world;
  return info_of(0).path.carrier == TL_CARRIER_TCP && info_of(1).path.carrier == TL_CARRIER_TCP;
}

static bool is_on_udp(struct world *world) {
  (void)world;
  return info_of(0).path.carrier == TL_CARRIER_UDP && info_of(1).path.carrier == TL_CARRIER_UDP;
}

static void start_two(uint64_t seed, const struct tl_sim_faults *faults) {
  world_init(&w, seed, 2);
  tl_sim_set_faults(w.sim, faults);
  world_start(&w);
  world_dial(&w, 0, 1);
  WORLD_CHECK(&w, world_run_until(&w, 30 * TL_S, is_connected));
}

static void check_nobody_noticed(void) {
  for (unsigned i = 0; i < 2; i++) {
    WORLD_CHECK(&w, w.nodes[i].ups == 1 && w.nodes[i].downs == 0);
    WORLD_CHECK(&w, w.nodes[i].unreachables == 0);
  }
}

static void settle(void) {
  w.traffic_each = 0;
  WORLD_CHECK(&w, world_run_until(&w, 30 * TL_S, world_all_settled));
}

/* T-41: on TCP within 3 s, back on UDP within 10 s, and the lanes notice nothing. */
static void test_udp_blocked_and_back(void **state) {
  (void)state;
  struct tl_sim_faults good = {.delay = 2 * TL_MS}, blocked = {.delay = 2 * TL_MS, .no_udp = true};
  start_two(41, &good);
  w.traffic_each = 10 * TL_MS;
  for (size_t i = 0; i < rounds_wanted; i++) {
    tl_sim_set_faults(w.sim, &blocked);
    uint64_t begin = world_now(&w);
    WORLD_CHECK(&w, world_run_until(&w, 3 * TL_S, is_on_tcp));
    uint64_t to_tcp = world_now(&w) - begin;
    tl_sim_run(w.sim, tl_sim_draw_below(&w.random, 20 * TL_S));
    tl_sim_set_faults(w.sim, &good);
    begin = world_now(&w);
    WORLD_CHECK(&w, world_run_until(&w, 10 * TL_S, is_on_udp));
    if (i == 0)
      print_message("on TCP after %.3f s, on UDP again after %.3f s\n", (double)to_tcp / 1e9,
                    (double)(world_now(&w) - begin) / 1e9);
    tl_sim_run(w.sim, tl_sim_draw_below(&w.random, 5 * TL_S));
  }
  settle();
  check_nobody_noticed();
  world_deinit(&w);
}

/* Only one direction of UDP is blocked: both have to notice. */
static bool drop_all(void *context, const struct tl_address *from, const struct tl_address *to,
                     const uint8_t *packet, size_t size) {
  (void)to, (void)packet, (void)size;
  return tl_address_is_equal(from, context);
}

static void test_udp_blocked_one_way(void **state) {
  (void)state;
  for (unsigned mute = 0; mute < 2; mute++) {
    start_two(42 + mute, &(struct tl_sim_faults){.delay = 2 * TL_MS});
    w.traffic_each = 10 * TL_MS;
    tl_sim_kick(w.nodes[0].port);
    tl_sim_kick(w.nodes[1].port);
    tl_sim_set_tap(w.sim, &(struct tl_sim_tap){&w.nodes[mute].address, drop_all, NULL});
    WORLD_CHECK(&w, world_run_until(&w, 3 * TL_S, is_on_tcp));
    tl_sim_run(w.sim, 20 * TL_S);
    WORLD_CHECK(&w, is_on_tcp(&w));
    tl_sim_set_tap(w.sim, NULL);
    WORLD_CHECK(&w, world_run_until(&w, 10 * TL_S, is_on_udp));
    settle();
    check_nobody_noticed();
    world_deinit(&w);
  }
}

/* UDP never works: the first link comes over TCP, about as fast as `tcp_after` allows. */
static void test_first_link_over_tcp(void **state) {
  (void)state;
  world_init(&w, 43, 2);
  tl_sim_set_faults(w.sim, &(struct tl_sim_faults){.delay = 2 * TL_MS, .no_udp = true});
  world_start(&w);
  uint64_t begin = world_now(&w);
  world_dial(&w, 0, 1);
  WORLD_CHECK(&w, world_run_until(&w, 2 * TL_S, is_connected));
  print_message("connected over TCP after %.3f s\n", (double)(world_now(&w) - begin) / 1e9);
  WORLD_CHECK(&w, is_on_tcp(&w));
  tl_sim_set_faults(w.sim, &(struct tl_sim_faults){.delay = 2 * TL_MS});
  WORLD_CHECK(&w, world_run_until(&w, 10 * TL_S, is_on_udp));
  check_nobody_noticed();
  world_deinit(&w);
}

static void force(unsigned node, enum tl_carrier_choice choice) {
  tl_link_set_carrier(world_link_between(&w, node, 1 - node)->link, world_now(&w), choice);
  tl_sim_kick(w.nodes[node].port);
}

static void test_forced_carrier(void **state) {
  (void)state;
  start_two(44, &(struct tl_sim_faults){.delay = 2 * TL_MS});
  w.traffic_each = 10 * TL_MS;
  for (unsigned who = 0; who < 2; who++) {
    force(who, TL_CARRIER_ONLY_TCP);
    WORLD_CHECK(&w, world_run_until(&w, 2 * TL_S, is_on_tcp));
    tl_sim_run(w.sim, 30 * TL_S);
    WORLD_CHECK(&w, is_on_tcp(&w)); /* the other side follows, and does not go back */
    force(who, TL_CARRIER_AUTO);
    WORLD_CHECK(&w, world_run_until(&w, 5 * TL_S, is_on_udp));
    force(who, TL_CARRIER_ONLY_UDP);
    tl_sim_set_faults(w.sim, &(struct tl_sim_faults){.delay = 2 * TL_MS, .no_udp = true});
    tl_sim_run(w.sim, 2 * TL_S); /* the other side calls, and is not let in */
    WORLD_CHECK(&w, info_of(who).path.carrier == TL_CARRIER_UDP);
    WORLD_CHECK(&w, !is_connected(&w));
    tl_sim_set_faults(w.sim, &(struct tl_sim_faults){.delay = 2 * TL_MS});
    WORLD_CHECK(&w, world_run_until(&w, 5 * TL_S, is_connected));
    force(who, TL_CARRIER_AUTO);
    tl_sim_run(w.sim, 5 * TL_S);
  }
  settle();
  WORLD_CHECK(&w, w.nodes[0].downs == 0 && w.nodes[1].downs == 0);
  world_deinit(&w);
}

/* T-42: the wire is pulled and put back; the address changes. No new handshake either way. */
static void test_wire_pulled(void **state) {
  (void)state;
  uint64_t worst = 0;
  start_two(45, &(struct tl_sim_faults){.delay = 2 * TL_MS});
  w.traffic_each = 10 * TL_MS;
  for (size_t i = 0; i < rounds_wanted; i++) {
    tl_sim_partition(w.sim, w.nodes[0].port, w.nodes[1].port, true);
    tl_sim_run(w.sim, tl_sim_draw_below(&w.random, 60 * TL_S));
    tl_sim_heal(w.sim);
    uint64_t begin = world_now(&w);
    WORLD_CHECK(&w, world_run_until(&w, 3 * TL_S, is_connected));
    if (world_now(&w) - begin > worst) worst = world_now(&w) - begin;
    tl_sim_run(w.sim, 5 * TL_S);
  }
  settle();
  print_message("back after %.3f s at worst\n", (double)worst / 1e9);
  WORLD_CHECK(&w, w.nodes[0].downs == 0 && w.nodes[1].downs == 0);
  WORLD_CHECK(&w, world_counters(&w, 0).handshakes_done <= 1 + rounds_wanted / 4);
  world_deinit(&w);
}

static void test_address_changes(void **state) {
  (void)state;
  start_two(46, &(struct tl_sim_faults){.delay = 2 * TL_MS});
  w.traffic_each = 10 * TL_MS;
  for (size_t i = 0; i < rounds_wanted; i++) {
    unsigned node = (unsigned)tl_sim_draw_below(&w.random, 2);
    struct tl_address a = w.nodes[node].address;
    a.port = (uint16_t)(1024 + tl_sim_draw_below(&w.random, 60000));
    world_rebind(&w, node, &a);
    tl_sim_run(w.sim, 3 * TL_S);
    WORLD_CHECK(&w, is_connected(&w) && is_on_udp(&w));
    struct tl_link_info info = info_of(1 - node);
    WORLD_CHECK(&w, tl_address_is_equal(&info.path.remote, &a));
  }
  settle();
  check_nobody_noticed();
  WORLD_CHECK(&w, world_counters(&w, 0).handshakes_done == 1);
  world_deinit(&w);
}

/* An attacker sends copies of genuine packets from an address of his own, faster than the
 * original: he is asked to prove it, cannot, and gets little. */
static struct tl_address thief;

static bool steal(void *context, const struct tl_address *from, const struct tl_address *to,
                  const uint8_t *packet, size_t size) {
  (void)context;
  if (!tl_address_is_equal(from, &w.nodes[0].address)) return false;
  tl_sim_inject(w.sim, &thief, to, packet, size);
  return true; /* and the original never arrives */
}

static void test_stolen_packets_do_not_move_a_link(void **state) {
  (void)state;
  assert_int_equal(tl_address_parse("10.66.6.6", 666, &thief), 0);
  start_two(47, &(struct tl_sim_faults){.delay = 2 * TL_MS});
  w.traffic_each = 10 * TL_MS;
  tl_sim_kick(w.nodes[0].port);
  struct tl_address before = info_of(1).path.remote;
  tl_sim_set_tap(w.sim, &(struct tl_sim_tap){NULL, steal, NULL});
  for (int i = 0; i < 50; i++) {
    tl_sim_run(w.sim, 20 * TL_MS);
    struct tl_link_info info = info_of(1);
    WORLD_CHECK(&w, tl_address_is_equal(&info.path.remote, &before));
  }
  WORLD_CHECK(&w, world_counters(&w, 1).path_challenges >= 1);
  WORLD_CHECK(&w, world_counters(&w, 1).path_moves == 0);
  tl_sim_set_tap(w.sim, NULL);
  settle();
  check_nobody_noticed();
  world_deinit(&w);
}

/* A path that carries 1,200 bytes and no more, from the beginning or all of a sudden. */
static void test_mtu(void **state) {
  (void)state;
  static const uint32_t mtus[] = {1200, 1380, 1460, 9000, 0},
                        found[] = {1200, 1372, 1452, 8932, 8932};
  for (size_t i = 0; i < sizeof(mtus) / sizeof(mtus[0]); i++) {
    start_two(48 + i, &(struct tl_sim_faults){.delay = 2 * TL_MS, .mtu = mtus[i]});
    tl_sim_run(w.sim, 5 * TL_S);
    assert_int_equal(info_of(0).mtu, found[i]);
    assert_int_equal(info_of(1).mtu, found[i]);
    w.traffic_each = 2 * TL_MS;
    tl_sim_kick(w.nodes[0].port);
    tl_sim_run(w.sim, 2 * TL_S);
    tl_sim_set_faults(w.sim, &(struct tl_sim_faults){.delay = 2 * TL_MS, .mtu = 1200});
    tl_sim_run(w.sim, 10 * TL_S);
    assert_int_equal(info_of(0).mtu, 1200);
    settle();
    check_nobody_noticed();
    world_deinit(&w);
  }
}

/* T-55: no false alarm at 20 % loss each way, idle or busy; a cut is noticed in 1.5 s. */
static void test_liveness(void **state) {
  (void)state;
  for (unsigned busy = 0; busy < 2; busy++) {
    start_two(55 + busy, &(struct tl_sim_faults){.delay = 2 * TL_MS, .loss = 0.2});
    w.traffic_each = busy ? 200 * TL_MS : 0;
    tl_sim_run(w.sim, (uint64_t)(hours_wanted * 3600e9));
    check_nobody_noticed();
    for (size_t i = 0; i < rounds_wanted; i++) {
      uint64_t before = w.nodes[0].unreachables;
      tl_sim_set_faults(w.sim, &(struct tl_sim_faults){.delay = 2 * TL_MS});
      WORLD_CHECK(&w, world_run_until(&w, 5 * TL_S, is_connected));
      tl_sim_run(w.sim, TL_S + tl_sim_draw_below(&w.random, 2 * TL_S));
      tl_sim_partition(w.sim, w.nodes[1].port, NULL, true);
      tl_sim_run(w.sim, 700 * TL_MS);
      WORLD_CHECK(&w, w.nodes[0].unreachables == before);
      tl_sim_run(w.sim, 1000 * TL_MS);
      WORLD_CHECK(&w, w.nodes[0].unreachables == before + 1);
      tl_sim_heal(w.sim);
    }
    WORLD_CHECK(&w, w.nodes[0].downs == 0 && w.nodes[1].downs == 0);
    world_deinit(&w);
  }
}

/* What an idle link costs: one question and one answer an interval. */
static void test_idle_cost(void **state) {
  (void)state;
  struct tl_sim_counters before, after;
  start_two(60, &(struct tl_sim_faults){.delay = 2 * TL_MS});
  for (unsigned i = 0; i < 2; i++) { /* the world's own lanes would count as use */
    struct world_link *l = world_link_between(&w, i, 1 - i);
    tl_link_close_lane(l->link, l->out, 0);
    l->out = NULL;
    tl_sim_kick(w.nodes[i].port);
  }
  tl_sim_run(w.sim, 10 * TL_S);
  tl_sim_counters(w.sim, &before);
  tl_sim_run(w.sim, 75 * TL_S);
  tl_sim_counters(w.sim, &after);
  uint64_t packets = after.sent - before.sent;
  print_message("an idle link: %.2f packets/s\n", (double)packets / 75);
  assert_in_range(packets, 150, 210); /* 100 intervals of 750 ms, and a rekey now and then */
  world_deinit(&w);
}

static int setup(void **state) {
  (void)state;
  world_fabric_make();
  return 0;
}

static int teardown(void **state) {
  (void)state;
  world_fabric_free();
  return 0;
}

int main(int argc, char **argv) {
  if (argc > 1) rounds_wanted = strtoul(argv[1], NULL, 10);
  if (argc > 2) hours_wanted = strtod(argv[2], NULL);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_udp_blocked_and_back),
      cmocka_unit_test(test_udp_blocked_one_way),
      cmocka_unit_test(test_first_link_over_tcp),
      cmocka_unit_test(test_forced_carrier),
      cmocka_unit_test(test_wire_pulled),
      cmocka_unit_test(test_address_changes),
      cmocka_unit_test(test_stolen_packets_do_not_move_a_link),
      cmocka_unit_test(test_mtu),
      cmocka_unit_test(test_liveness),
      cmocka_unit_test(test_idle_cost),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
