/*
 * Handshakes over bad networks, replayed, and begun from both sides at once.
 *
 *     test_sim_endpoint_handshakes [COUNT [TEST]]
 *
 * T-32 and T-33 ask for 10,000 handshakes; COUNT scales them, and is 300 where sanitizers watch.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/world.h"
#include "tests/unit/test.h"

static struct world w;
static size_t count_wanted = 300;

static uint64_t draw(uint64_t limit) {
  return tl_sim_draw_below(&w.random, limit);
}

static bool is_connected(struct world *world) {
  return world_is_connected(world, 0, 1);
}

static bool has_no_links(struct world *world) {
  return !world_link_between(world, 0, 1) && !world_link_between(world, 1, 0);
}

static int compare(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

static void start_two(uint64_t seed, const struct tl_sim_faults *faults) {
  world_init(&w, seed, 2);
  tl_sim_set_faults(w.sim, faults);
  w.config.carrier = TL_CARRIER_ONLY_UDP;
}

/* Dials, waits for both ends, closes; `count` times. */
static void run_handshakes(uint64_t seed, const struct tl_sim_faults *faults, uint64_t p99_max,
                           uint64_t worst_max) {
  uint64_t *times = calloc(count_wanted, sizeof(uint64_t));
  start_two(seed, faults);
  world_start(&w);
  for (size_t i = 0; i < count_wanted; i++) {
    unsigned from = (unsigned)draw(2);
    uint64_t begin = world_now(&w);
    world_dial(&w, from, 1 - from);
    if (!world_run_until(&w, 60 * TL_S, is_connected))
      world_fail(&w, "handshake %zu of %zu", i, count_wanted);
    times[i] = world_now(&w) - begin;
    w.nodes[from].dials[1 - from] = false;
    world_close(&w.nodes[from], world_link_between(&w, from, 1 - from));
    tl_sim_kick(w.nodes[from].port);
    if (!world_run_until(&w, 10 * TL_S, has_no_links) && world_link_between(&w, 1 - from, from))
      world_close(&w.nodes[1 - from], world_link_between(&w, 1 - from, from)); /* CLOSE was lost */
    tl_sim_run(w.sim, TL_S + draw(TL_S));
  }
  qsort(times, count_wanted, sizeof(uint64_t), compare);
  print_message("%zu handshakes: p50 %.3f s, p99 %.3f s, worst %.3f s\n", count_wanted,
                (double)times[count_wanted / 2] / 1e9, (double)times[count_wanted * 99 / 100] / 1e9,
                (double)times[count_wanted - 1] / 1e9);
  assert_true(times[count_wanted * 99 / 100] <= p99_max);
  assert_true(times[count_wanted - 1] <= worst_max);
  free(times);
  world_deinit(&w);
}

/* T-32. Runs of three begin at 12.5 % of the packets, so that 30 % are lost. */
static void test_handshakes_at_loss(void **state) {
  (void)state;
  run_handshakes(32, &(struct tl_sim_faults){.delay = 15 * TL_MS, .loss = 0.125, .loss_burst = 3},
                 4 * TL_S, 15 * TL_S);
}

/* T-33 */
static void test_handshakes_at_loss_and_corruption(void **state) {
  (void)state;
  run_handshakes(
      33,
      &(struct tl_sim_faults){.delay = 15 * TL_MS, .loss = 0.125, .loss_burst = 3, .corrupt = 0.3},
      10 * TL_S, 30 * TL_S);
}

/* Both sides dial at the same moment, or nearly: one link, told once at each end, and what is sent
 * on it from the first moment on arrives. */
static void test_simultaneous_open(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 200; seed++) {
    start_two(seed, &(struct tl_sim_faults){.delay = TL_MS * (1 + seed % 20),
                                            .loss = seed % 2 ? 0.2 : 0,
                                            .jitter = 30 * TL_MS,
                                            .reorder = 0.3});
    w.traffic_each = 2 * TL_MS;
    world_start(&w);
    world_dial(&w, 0, 1);
    tl_sim_run(w.sim, draw(80 * TL_MS));
    world_dial(&w, 1, 0);
    WORLD_CHECK(&w, world_run_until(&w, 30 * TL_S, is_connected));
    tl_sim_run(w.sim, 2 * TL_S);
    w.traffic_each = 0;
    WORLD_CHECK(&w, world_run_until(&w, 30 * TL_S, world_all_settled));
    for (unsigned i = 0; i < 2; i++) {
      WORLD_CHECK(&w, w.nodes[i].ups == 1);
      WORLD_CHECK(&w, w.nodes[i].downs == 0);
    }
    world_deinit(&w);
  }
}

/* ---- T-07: everything that was ever sent comes again ---- */

#define KEPT_MAX 4096

struct kept {
  struct tl_address from, to;
  size_t size;
  uint8_t bytes[1500];
};

static struct {
  struct kept kept[KEPT_MAX];
  size_t count;
  bool is_on;
} recorder;

static bool record(void *context, const struct tl_address *from, const struct tl_address *to,
                   const uint8_t *packet, size_t size) {
  (void)context;
  if (!recorder.is_on || size > sizeof(recorder.kept[0].bytes)) return false;
  struct kept *k = &recorder.kept[recorder.count++ % KEPT_MAX];
  k->from = *from;
  k->to = *to;
  k->size = size;
  memcpy(k->bytes, packet, size);
  return false;
}

static void replay_some(size_t n) {
  recorder.is_on = false;
  for (size_t i = 0; i < n && recorder.count > 0; i++) {
    size_t room = recorder.count < KEPT_MAX ? recorder.count : KEPT_MAX;
    const struct kept *k = &recorder.kept[draw(room)];
    struct tl_address from = k->from;
    if (draw(3) == 0) from.port = (uint16_t)(1 + draw(60000));
    for (uint64_t times = 1 + draw(10); times > 0; times--)
      tl_sim_inject(w.sim, &from, &k->to, k->bytes, k->size);
  }
  recorder.is_on = true;
}

static void test_replays(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 20; seed++) {
    start_two(seed, &(struct tl_sim_faults){.delay = 5 * TL_MS, .loss = 0.1});
    w.parameters.rekey_after_ns = TL_S;
    w.parameters.rekey_jitter_ns = TL_S / 10;
    w.traffic_each = 20 * TL_MS;
    recorder.count = 0;
    recorder.is_on = true;
    tl_sim_set_tap(w.sim, &(struct tl_sim_tap){.packet = record});
    world_start(&w);
    world_dial(&w, 0, 1);
    for (int i = 0; i < 200; i++) {
      tl_sim_run(w.sim, draw(100 * TL_MS));
      replay_some(10);
    }
    w.traffic_each = 0;
    WORLD_CHECK(&w, world_run_until(&w, 30 * TL_S, world_all_settled));
    for (unsigned i = 0; i < 2; i++) {
      struct tl_endpoint_counters c = world_counters(&w, i);
      WORLD_CHECK(&w, w.nodes[i].ups == 1 && w.nodes[i].downs == 0);
      WORLD_CHECK(&w, c.handshakes_done <= 1);
      WORLD_CHECK(&w, c.path_moves == 0); /* replayed packets from elsewhere lead nobody away */
      WORLD_CHECK(&w, c.rekeys >= 5);
    }
    world_deinit(&w);
  }
}

/* ---- Those who must not come in ---- */

static uint64_t last_dial;

/* Dials something of ours from node 0 and runs until the first event about that dial. */
static struct tl_endpoint_event dial_and_wait(const struct tl_dial *wish) {
  struct world_node *n = &w.nodes[0];
  struct tl_endpoint_event e = {0};
  n->keep_events = true;
  n->event_count = 0;
  assert_int_equal(tl_endpoint_dial(n->endpoint, tl_sim_port_now(n->port), wish, &last_dial), 0);
  tl_sim_kick(n->port);
  for (uint64_t end = world_now(&w) + 100 * TL_S; world_now(&w) < end;) {
    while (world_take_event(n, &e) == 0)
      if (e.dial == last_dial) return e;
    if (tl_sim_step(w.sim, end) == TL_EMPTY) break;
  }
  fail_msg("nothing came of the dial");
  return e;
}

static struct tl_dial wish_for(unsigned node) {
  struct tl_dial wish = {.address_count = 1, .addresses = {w.nodes[node].address}};
  memcpy(wish.node_id, world_member(node)->identity->node_id, sizeof(wish.node_id));
  return wish;
}

static void test_dial_without_id(void **state) {
  (void)state;
  start_two(1, &(struct tl_sim_faults){.delay = TL_MS});
  world_start(&w);
  struct tl_dial wish = wish_for(1);
  memset(wish.node_id, 0, sizeof(wish.node_id));
  struct tl_endpoint_event e = dial_and_wait(&wish);
  assert_int_equal(e.type, TL_EVENT_LINK_UP);
  assert_memory_equal(tl_link_peer(e.link)->node_id, world_member(1)->identity->node_id, 16);
  assert_true(tl_link_is_initiator(e.link));
  /* Once more: the link that is up is found, and nothing is begun. */
  struct tl_link *link = e.link;
  e = dial_and_wait(&wish);
  assert_int_equal(e.type, TL_EVENT_DIALLED);
  assert_ptr_equal(e.link, link);
  assert_int_equal(w.nodes[1].ups, 1);
  assert_int_equal(w.nodes[1].downs, 0);
  world_deinit(&w);
}

static void test_wrong_node(void **state) {
  (void)state;
  world_init(&w, 1, 3);
  tl_sim_set_faults(w.sim, &(struct tl_sim_faults){.delay = TL_MS});
  world_start(&w);
  struct tl_dial wish = wish_for(1);
  wish.addresses[0] = w.nodes[2].address; /* another member is there: the HELLO dies at its mac1 */
  struct tl_endpoint_event e = dial_and_wait(&wish);
  assert_int_equal(e.type, TL_EVENT_SILENT);
  assert_int_equal(e.reason, TL_REASON_SILENT);
  struct tl_endpoint_counters c = world_counters(&w, 2);
  assert_int_equal(c.dh_operations, 0);
  assert_int_equal(c.bytes_sent, 0);
  assert_true(c.dropped.count[TL_REFUSED_MAC1 - TL_REFUSED_SIZE] > 10);
  world_deinit(&w);
}

static void test_ourselves(void **state) {
  (void)state;
  start_two(1, &(struct tl_sim_faults){.delay = TL_MS});
  world_start(&w);
  struct tl_dial wish = wish_for(0);
  uint64_t number;
  assert_int_equal(tl_endpoint_dial(w.nodes[0].endpoint, world_now(&w), &wish, &number),
                   TULLE_E_REFUSED);
  memset(wish.node_id, 0, sizeof(wish.node_id));
  struct tl_endpoint_event e = dial_and_wait(&wish);
  assert_int_equal(e.type, TL_EVENT_REFUSED);
  assert_int_equal(e.reason, TL_REFUSED_SELF);
  world_deinit(&w);
}

static void test_nobody_there(void **state) {
  (void)state;
  start_two(1, &(struct tl_sim_faults){.delay = TL_MS});
  w.config.carrier = TL_CARRIER_AUTO;
  world_start(&w);
  struct tl_dial wish = wish_for(1);
  assert_int_equal(tl_address_parse("10.9.9.9", 8855, &wish.addresses[0]), 0);
  struct tl_endpoint_event e = dial_and_wait(&wish);
  assert_int_equal(e.type, TL_EVENT_SILENT);
  assert_int_equal(e.reason, TL_REASON_SILENT);
  /* An advert brings the right address: the dial goes on at once. */
  struct world_node *n = &w.nodes[0];
  assert_int_equal(
      tl_endpoint_dial_update(n->endpoint, world_now(&w), last_dial, &w.nodes[1].address, 1), 0);
  tl_sim_kick(n->port);
  assert_true(world_run_until(&w, TL_S, is_connected));
  assert_int_equal(
      tl_endpoint_dial_update(n->endpoint, world_now(&w), last_dial, &w.nodes[1].address, 1),
      TULLE_E_NOT_FOUND);
  world_deinit(&w);
}

/* Of several addresses, one is dead, one is our own, one is right. */
static void test_many_addresses(void **state) {
  (void)state;
  start_two(1, &(struct tl_sim_faults){.delay = TL_MS});
  world_start(&w);
  struct tl_dial wish = wish_for(1);
  assert_int_equal(tl_address_parse("10.9.9.9", 8855, &wish.addresses[0]), 0);
  wish.addresses[1] = w.nodes[0].address;
  wish.addresses[2] = w.nodes[1].address;
  wish.address_count = 3;
  struct tl_endpoint_event e = dial_and_wait(&wish);
  assert_int_equal(e.type, TL_EVENT_LINK_UP);
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
  if (argc > 1) count_wanted = strtoul(argv[1], NULL, 10);
  if (argc > 2) cmocka_set_test_filter(argv[2]);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_handshakes_at_loss),
      cmocka_unit_test(test_handshakes_at_loss_and_corruption),
      cmocka_unit_test(test_simultaneous_open),
      cmocka_unit_test(test_replays),
      cmocka_unit_test(test_dial_without_id),
      cmocka_unit_test(test_wrong_node),
      cmocka_unit_test(test_ourselves),
      cmocka_unit_test(test_nobody_there),
      cmocka_unit_test(test_many_addresses),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
