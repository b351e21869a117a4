/*
 * T-34 and T-35: bulk over bad and wandering paths, and keys that change all the time.
 *
 *     test_sim_endpoint_transfers [TRANSFERS [REKEYS]]
 *
 * The tests' full size is 1,000 transfers and 10,000 rekeys; CI takes 15 and 1,000.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/world.h"
#include "tests/unit/test.h"

#define TRANSFER_BYTES (2u << 20)
#define MESSAGE_BYTES  16384u

static struct world w;
static size_t transfers_wanted = 15, rekeys_wanted = 1000;

static bool is_connected(struct world *world) {
  return world_is_connected(world, 0, 1);
}

static void start_two(uint64_t seed, const struct tl_sim_faults *faults,
                      enum tl_carrier_choice carrier) {
  world_init(&w, seed, 2);
  tl_sim_set_faults(w.sim, faults);
  w.config.carrier = carrier;
  world_start(&w);
  world_dial(&w, 0, 1);
  WORLD_CHECK(&w, world_run_until(&w, 30 * TL_S, is_connected));
}

static void check_one_session(void) {
  for (unsigned i = 0; i < 2; i++) {
    WORLD_CHECK(&w, w.nodes[i].ups == 1);
    WORLD_CHECK(&w, w.nodes[i].downs == 0);
    WORLD_CHECK(&w, world_counters(&w, i).handshakes_done == 1);
  }
}

static void rebind(unsigned node) {
  struct tl_address a = w.nodes[node].address;
  a.port = (uint16_t)(1024 + tl_sim_draw_below(&w.random, 60000));
  a.ip[14] = (uint8_t)(1 + tl_sim_draw_below(&w.random, 250));
  world_rebind(&w, node, &a);
}

/* Sends `size` bytes as ordered messages, and wanders every `rebind_each`. Returns the time it
 * took. */
static uint64_t transfer(size_t size, uint64_t rebind_each) {
  uint64_t begin = world_now(&w), next = begin + rebind_each, limit = begin + 600 * TL_S;
  size_t sent = 0;
  while (sent < size || !world_all_delivered(&w)) {
    while (sent < size && world_send(&w, 0, 1, MESSAGE_BYTES) == 0) sent += MESSAGE_BYTES;
    if (rebind_each && world_now(&w) >= next) {
      rebind((unsigned)tl_sim_draw_below(&w.random, 2));
      next += rebind_each;
    }
    WORLD_CHECK(&w, world_now(&w) < limit);
    tl_sim_run(w.sim, 10 * TL_MS);
  }
  return world_now(&w) - begin;
}

static void transfers(const char *name, const struct tl_sim_faults *faults, uint64_t rebind_each) {
  uint64_t longest = 0, sum = 0, moves = 0;
  for (size_t i = 0; i < transfers_wanted; i++) {
    start_two(i + 1, faults, TL_CARRIER_ONLY_UDP);
    uint64_t took = transfer(TRANSFER_BYTES, rebind_each);
    check_one_session();
    sum += took;
    moves += world_counters(&w, 0).path_moves + world_counters(&w, 1).path_moves;
    if (took > longest) longest = took;
    world_deinit(&w);
  }
  print_message("%s: %zu transfers, mean %.2f s, longest %.2f s, %llu moves\n", name,
                transfers_wanted, (double)sum / 1e9 / (double)transfers_wanted,
                (double)longest / 1e9, (unsigned long long)moves);
  if (rebind_each) assert_true(moves >= transfers_wanted);
}

static void test_transfer_at_loss(void **state) {
  (void)state;
  transfers("2 % loss",
            &(struct tl_sim_faults){.delay = 5 * TL_MS, .loss = 0.02, .bandwidth = 10000000}, 0);
}

static void test_transfer_at_corruption(void **state) {
  (void)state;
  transfers("2 % corruption",
            &(struct tl_sim_faults){.delay = 5 * TL_MS, .corrupt = 0.02, .bandwidth = 10000000}, 0);
}

static void test_transfer_while_wandering(void **state) {
  (void)state;
  transfers("rebinding every 5 s", &(struct tl_sim_faults){.delay = 5 * TL_MS, .bandwidth = 200000},
            5 * TL_S);
}

/* Over TCP the same bytes, with a stream that is cut again and again. */
static void test_transfer_over_cut_streams(void **state) {
  (void)state;
  for (size_t i = 0; i < transfers_wanted; i++) {
    size_t sent = 0;
    start_two(i + 1, &(struct tl_sim_faults){.delay = 5 * TL_MS, .bandwidth = 1000000},
              TL_CARRIER_ONLY_TCP);
    uint64_t limit = world_now(&w) + 600 * TL_S;
    while (sent < TRANSFER_BYTES || !world_all_delivered(&w)) {
      while (sent < TRANSFER_BYTES && world_send(&w, 0, 1, MESSAGE_BYTES) == 0)
        sent += MESSAGE_BYTES;
      if (tl_sim_draw_below(&w.random, 40) == 0)
        for (uint32_t c = 1; c < 64; c++) tl_sim_cut(w.nodes[0].port, c, c % 2);
      WORLD_CHECK(&w, world_now(&w) < limit);
      tl_sim_run(w.sim, 20 * TL_MS);
    }
    WORLD_CHECK(&w, w.nodes[0].downs == 0 && w.nodes[1].downs == 0);
    WORLD_CHECK(&w, w.nodes[0].ups == 1 && w.nodes[1].ups == 1);
    world_deinit(&w);
  }
}

static bool has_rekeyed(struct world *world) {
  return world_counters(world, 0).rekeys >= rekeys_wanted;
}

/* T-35 */
static void rekey_storm(enum tl_carrier_choice carrier) {
  world_init(&w, 35, 2);
  tl_sim_set_faults(w.sim,
                    &(struct tl_sim_faults){
                        .delay = 2 * TL_MS, .loss = 0.1, .reorder = 0.3, .jitter = 10 * TL_MS});
  w.parameters.rekey_after_ns = 50 * TL_MS;
  w.parameters.rekey_jitter_ns = 5 * TL_MS;
  w.parameters.end_after_ns = 10 * TL_S;
  w.config.carrier = carrier;
  w.traffic_each = 5 * TL_MS;
  world_start(&w);
  world_dial(&w, 0, 1);
  WORLD_CHECK(&w, world_run_until(&w, (uint64_t)rekeys_wanted * TL_S, has_rekeyed));
  w.traffic_each = 0;
  WORLD_CHECK(&w, world_run_until(&w, 30 * TL_S, world_all_settled));
  check_one_session();
  print_message("%llu rekeys in %.1f s, %llu messages\n",
                (unsigned long long)world_counters(&w, 0).rekeys,
                (double)(world_now(&w) - 3600 * TL_S) / 1e9,
                (unsigned long long)(w.nodes[0].delivered + w.nodes[1].delivered));
  world_deinit(&w);
}

static void test_rekey_storm(void **state) {
  (void)state;
  rekey_storm(TL_CARRIER_ONLY_UDP);
}

static void test_rekey_storm_over_tcp(void **state) {
  (void)state;
  rekey_storm(TL_CARRIER_ONLY_TCP);
}

/* Keys that are not changed in time are not used any longer than they may be. */
static void test_hard_stop(void **state) {
  (void)state;
  world_init(&w, 36, 2);
  tl_sim_set_faults(w.sim, &(struct tl_sim_faults){.delay = TL_MS});
  w.parameters.end_after_ns = 20 * TL_S;
  w.parameters.rekey_after_ns = 60 * TL_S; /* too late on purpose */
  w.parameters.rekey_jitter_ns = 0;
  w.traffic_each = 50 * TL_MS;
  world_start(&w);
  world_dial(&w, 0, 1);
  tl_sim_run(w.sim, 100 * TL_S);
  for (unsigned i = 0; i < 2; i++) {
    WORLD_CHECK(&w, w.nodes[i].downs >= 4 && w.nodes[i].downs <= 6);
    WORLD_CHECK(&w, w.nodes[i].ups == w.nodes[i].downs + 1);
    WORLD_CHECK(&w,
                w.nodes[i].downs_by[TL_REASON_EXPIRED] + w.nodes[i].downs_by[TL_REASON_REPLACED] ==
                    w.nodes[i].downs);
  }
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
  if (argc > 1) transfers_wanted = strtoul(argv[1], NULL, 10);
  if (argc > 2) rekeys_wanted = strtoul(argv[2], NULL, 10);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_transfer_at_loss),
      cmocka_unit_test(test_transfer_at_corruption),
      cmocka_unit_test(test_transfer_while_wandering),
      cmocka_unit_test(test_transfer_over_cut_streams),
      cmocka_unit_test(test_rekey_storm),
      cmocka_unit_test(test_rekey_storm_over_tcp),
      cmocka_unit_test(test_hard_stop),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
