/*
 * Strangers and attackers: T-12, T-20, T-21, T-22, T-24 in virtual time, where every byte is counted.
 *
 *     test_sim_endpoint_strangers [SECONDS [TEST]]
 *
 * How long the floods last (CI: 2 s of virtual time at full rate).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/wire/packet.h"
#include "tests/sim/world.h"
#include "tests/unit/test.h"

static struct world w;
static uint64_t seconds_wanted = 2;

static bool is_connected(struct world *world) {
  return world_is_connected(world, 0, 1);
}

static uint64_t draw(uint64_t limit) {
  return tl_sim_draw_below(&w.random, limit);
}

static void start_two(uint64_t seed, enum tl_carrier_choice carrier) {
  world_init(&w, seed, 3);
  tl_sim_set_faults(w.sim, &(struct tl_sim_faults){.delay = 2 * TL_MS});
  w.config.carrier = carrier;
  world_start(&w);
}

static void connect_two(void) {
  world_dial(&w, 0, 1);
  WORLD_CHECK(&w, world_run_until(&w, 30 * TL_S, is_connected));
}

static void settle(void) {
  w.traffic_each = 0;
  WORLD_CHECK(&w, world_run_until(&w, 30 * TL_S, world_all_settled));
}

static void check_nobody_noticed(void) {
  for (unsigned i = 0; i < 2; i++)
    WORLD_CHECK(&w, w.nodes[i].ups == 1 && w.nodes[i].downs == 0 && w.nodes[i].unreachables == 0);
}

static struct tl_address random_address(void) {
  struct tl_address a = w.nodes[0].address;
  tl_sim_draw_bytes(&w.random, a.ip + 12, 4);
  a.port = (uint16_t)(1 + draw(65535));
  return a;
}

static uint64_t refused(unsigned node, int reason) {
  return world_counters(&w, node).dropped.count[reason - TL_REFUSED_SIZE];
}

/* ---- T-20: noise, and what is nearly right ---- */

/* A HELLO that anyone on the wire could copy, but for its macs. */
static void hello_without_mac(uint8_t out[TL_HANDSHAKE_BYTES], unsigned to) {
  uint8_t noise[TL_HELLO_NOISE_BYTES], epoch[8];
  const struct tl_trust_state *trust = tl_trust_state_of(world_member(to)->trust);
  struct tl_packet_hello hello = {.sender_index = (uint32_t)draw(UINT32_MAX),
                                  .fabric_tag = trust->fabric_id,
                                  .psk_id = epoch,
                                  .responder_id = world_member(to)->identity->node_id,
                                  .noise = noise};
  tl_store_le(epoch, trust->admission_epoch, 8);
  tl_sim_draw_bytes(&w.random, noise, sizeof(noise));
  tl_packet_hello_encode(&hello, out);
  if (draw(2)) tl_sim_draw_bytes(&w.random, out + TL_HELLO_MAC1_AT, 16);
  if (draw(2)) tl_sim_draw_bytes(&w.random, out + TL_HELLO_MAC2_AT, 16);
}

static size_t nearly_valid(uint8_t *out, unsigned to) {
  static const uint8_t types[] = {0x01, 0x02, 0x03, 0x04, 0x10, 0x11, 0x12};
  size_t size = TL_HANDSHAKE_BYTES;
  switch (draw(4)) {
  case 0:
    size = (size_t)draw(1500);
    tl_sim_draw_bytes(&w.random, out, size);
    return size;
  case 1:
    hello_without_mac(out, to);
    return size;
  default:
    break;
  }
  tl_sim_draw_bytes(&w.random, out, size);
  out[0] = types[draw(sizeof(types))];
  out[1] = out[0] < 0x10;
  out[2] = out[3] = 0;
  if (out[0] == 0x02) size = TL_COOKIE_BYTES;
  if (out[0] >= 0x10) size = 33 + (size_t)draw(1300);
  if (draw(4) == 0) size += (size_t)draw(64);
  return size;
}

static void test_strangers(void **state) {
  (void)state;
  uint8_t packet[2000];
  start_two(20, TL_CARRIER_AUTO);
  struct tl_endpoint_counters before, c;
  tl_sim_run(w.sim, 100 * TL_MS);
  before = world_counters(&w, 2);
  for (uint64_t i = 0; i < seconds_wanted * 20000; i++) {
    struct tl_address from = random_address();
    tl_sim_inject(w.sim, &from, &w.nodes[2].address, packet, nearly_valid(packet, 2));
    if (i % 100 == 0) tl_sim_run(w.sim, TL_MS);
  }
  tl_sim_run(w.sim, TL_S);
  c = world_counters(&w, 2);
  assert_int_equal(c.packets_sent, before.packets_sent);
  assert_int_equal(c.bytes_sent, 0);
  assert_int_equal(c.dh_operations, 0);
  assert_int_equal(c.packets_received - before.packets_received, seconds_wanted * 20000);
  /* Each was counted, once, for what was wrong with it. */
  uint64_t sum = c.drop_carrier + c.drop_late;
  for (size_t i = 0; i < TL_REFUSAL_COUNT; i++) sum += c.dropped.count[i];
  assert_int_equal(sum, c.packets_received);
  assert_true(refused(2, TL_REFUSED_MAC1) > 1000);
  assert_true(refused(2, TL_REFUSED_INDEX) > 1000);
  assert_true(refused(2, TL_REFUSED_TYPE) > 1000);
  assert_true(refused(2, TL_REFUSED_SIZE) > 100);
  world_deinit(&w);
}

/* The same against nodes that talk to each other. */
static void test_strangers_disturb_nobody(void **state) {
  (void)state;
  uint8_t packet[2000];
  start_two(21, TL_CARRIER_AUTO);
  connect_two();
  w.traffic_each = 5 * TL_MS;
  tl_sim_kick(w.nodes[0].port);
  for (uint64_t i = 0; i < seconds_wanted * 20000; i++) {
    struct tl_address from = draw(2) ? random_address() : w.nodes[1].address;
    tl_sim_inject(w.sim, &from, &w.nodes[0].address, packet, nearly_valid(packet, 0));
    if (i % 20 == 0) tl_sim_run(w.sim, TL_MS);
  }
  settle();
  check_nobody_noticed();
  assert_true(w.nodes[0].delivered + w.nodes[1].delivered > 100);
  world_deinit(&w);
}

/* ---- T-24: forged packets with the right index ---- */

static uint8_t last_head[16];

static bool note_head(void *context, const struct tl_address *from, const struct tl_address *to,
                      const uint8_t *packet, size_t size) {
  (void)context, (void)from;
  if (packet[0] == TL_PACKET_DATA && size > 32 && tl_address_is_equal(to, &w.nodes[1].address))
    memcpy(last_head, packet, sizeof(last_head));
  return false;
}

static void test_forged_packets(void **state) {
  (void)state;
  uint8_t packet[1400];
  start_two(24, TL_CARRIER_ONLY_UDP);
  connect_two();
  w.traffic_each = 5 * TL_MS;
  tl_sim_kick(w.nodes[0].port);
  tl_sim_set_tap(w.sim, &(struct tl_sim_tap){NULL, note_head, NULL});
  tl_sim_run(w.sim, 100 * TL_MS);
  for (uint64_t i = 0; i < seconds_wanted * 20000; i++) {
    struct tl_address from = draw(2) ? random_address() : w.nodes[0].address;
    size_t size = 32 + (size_t)draw(1300);
    tl_sim_draw_bytes(&w.random, packet, size);
    memcpy(packet, last_head, sizeof(last_head));
    tl_store_le(packet + 8, tl_load_le(last_head + 8, 8) + draw(1000), 8);
    tl_sim_inject(w.sim, &from, &w.nodes[1].address, packet, size);
    if (i % 200 == 0) tl_sim_run(w.sim, TL_MS);
  }
  tl_sim_set_tap(w.sim, NULL);
  settle();
  check_nobody_noticed();
  assert_true(refused(1, TL_REFUSED_TAG) > seconds_wanted * 10000);
  assert_int_equal(world_counters(&w, 1).path_challenges, 0); /* no forged packet proposes a path */
  world_deinit(&w);
}

/* ---- T-21: a genuine HELLO, again and again ---- */

static struct {
  uint8_t hello[TL_HANDSHAKE_BYTES]; /* with a valid cookie */
  struct tl_address from;
  bool has_hello;
  struct tl_address watched; /* packets to it are counted */
  uint64_t bytes_back, bytes_elsewhere;
} thief;

static bool steal_hello(void *context, const struct tl_address *from, const struct tl_address *to,
                        const uint8_t *packet, size_t size) {
  (void)context;
  static const uint8_t zero[16];
  if (size == TL_HANDSHAKE_BYTES && packet[0] == TL_PACKET_HELLO &&
      memcmp(packet + TL_HELLO_MAC2_AT, zero, 16) != 0) {
    memcpy(thief.hello, packet, size);
    thief.from = *from;
    thief.has_hello = true;
  }
  if (tl_address_is_equal(from, &w.nodes[1].address)) {
    if (tl_address_is_equal(to, &thief.from))
      thief.bytes_back += size;
    else
      thief.bytes_elsewhere += size;
  }
  return packet[0] == TL_PACKET_REPLY; /* the handshake that he listened to never ends */
}

static void test_replayed_hello(void **state) {
  (void)state;
  struct tl_endpoint_counters c;
  memset(&thief, 0, sizeof(thief));
  start_two(210, TL_CARRIER_ONLY_UDP);
  tl_sim_set_tap(w.sim, &(struct tl_sim_tap){NULL, steal_hello, NULL});
  world_dial(&w, 0, 1);
  tl_sim_run(w.sim, 200 * TL_MS);
  assert_true(thief.has_hello);
  world_node_crash(&w.nodes[0]); /* whoever was copied is silent now */
  tl_sim_run(w.sim, 20 * TL_S);
  uint64_t before = world_counters(&w, 1).dh_operations;
  for (uint64_t i = 0; i < 10000; i++) { /* one second, from the address of the cookie */
    tl_sim_inject(w.sim, &thief.from, &w.nodes[1].address, thief.hello, sizeof(thief.hello));
    if (i % 10 == 9) tl_sim_run(w.sim, TL_MS);
  }
  tl_sim_run(w.sim, 100 * TL_MS);
  c = world_counters(&w, 1);
  assert_true(c.dh_operations - before <= 25);
  before = c.dh_operations;
  thief.bytes_elsewhere = 0;
  uint64_t bytes_in = c.bytes_received;
  for (uint64_t i = 0; i < 10000; i++) { /* and from addresses that have no cookie */
    struct tl_address from = random_address();
    tl_sim_inject(w.sim, &from, &w.nodes[1].address, thief.hello, sizeof(thief.hello));
    if (i % 10 == 9) tl_sim_run(w.sim, TL_MS);
  }
  tl_sim_run(w.sim, 100 * TL_MS);
  c = world_counters(&w, 1);
  assert_int_equal(c.dh_operations, before);
  assert_true((double)thief.bytes_elsewhere <= 0.06 * (double)(c.bytes_received - bytes_in));
  assert_true(thief.bytes_elsewhere > 0); /* a COOKIE each, that is all */
  /* And a member gets in all the same. */
  tl_sim_set_tap(w.sim, NULL);
  world_dial(&w, 2, 1);
  tl_sim_run(w.sim, TL_S);
  assert_true(world_is_connected(&w, 2, 1));
  world_deinit(&w);
}

/* ---- T-22: TCP connections that are no member's ---- */

#define CALLERS 1000

struct caller {
  struct tl_sim_port *port;
  uint32_t connection;
  bool is_open, is_closed;
  uint64_t opened_at, closed_at, bytes_back;
};

static struct caller callers[CALLERS];
static size_t open_now, open_most;

static void caller_packet(void *context, const struct tl_path *path, uint8_t *packet, size_t size) {
  (void)path, (void)packet;
  ((struct caller *)context)->bytes_back += size;
}

static void caller_turn(void *context) {
  (void)context;
}

static void caller_opened(void *context, const struct tl_path *path, bool accepted) {
  struct caller *c = context;
  (void)path, (void)accepted;
  c->is_open = true;
  c->opened_at = world_now(&w);
  if (++open_now > open_most) open_most = open_now;
}

static void caller_closed(void *context, const struct tl_path *path, int error) {
  struct caller *c = context;
  (void)path, (void)error;
  if (c->is_open && !c->is_closed) open_now--;
  c->is_closed = true;
  c->closed_at = world_now(&w);
}

static uint64_t caller_deadline(void *context) {
  (void)context;
  return TL_NEVER;
}

static void caller_timeout(void *context, uint64_t now) {
  (void)context, (void)now;
}

static void caller_dial(size_t i, const struct tl_address *to) {
  struct tl_sim_user user = {
      {&callers[i], caller_packet, caller_turn, caller_opened, caller_closed, NULL},
      caller_deadline,
      caller_timeout};
  struct tl_address a = w.nodes[0].address;
  a.ip[13] = 77;
  tl_store_le(a.ip + 14, i, 2);
  if (i % 4 == 0) a.ip[14] = a.ip[15] = 0; /* a quarter of them from one source */
  a.port = (uint16_t)(1000 + i);
  callers[i] = (struct caller){0};
  assert_int_equal(tl_sim_open(w.sim, &a, &user, &callers[i].port), 0);
  assert_int_equal(tl_sim_dial(callers[i].port, to, &callers[i].connection), 0);
}

static void caller_send(size_t i, const uint8_t *bytes, size_t size) {
  struct tl_burst burst = {{.remote = w.nodes[1].address,
                            .carrier = TL_CARRIER_TCP,
                            .connection = callers[i].connection},
                           bytes,
                           size,
                           size};
  (void)tl_sim_send(callers[i].port, &burst);
}

static void test_connections_of_strangers(void **state) {
  (void)state;
  uint8_t hello[TL_HANDSHAKE_BYTES];
  start_two(22, TL_CARRIER_ONLY_TCP);
  open_now = open_most = 0;
  uint64_t begin = world_now(&w);
  for (size_t i = 0; i < CALLERS; i++) {
    caller_dial(i, &w.nodes[1].address);
    if (i % 50 == 49) tl_sim_run(w.sim, 10 * TL_MS);
    if (i == CALLERS / 2) world_dial(&w, 0, 1); /* a member in the middle of it */
  }
  for (size_t i = 0; i < CALLERS; i++) {
    hello_without_mac(hello, 1);
    if (i % 3 == 1) caller_send(i, hello, 1);             /* a byte ... */
    if (i % 3 == 2) caller_send(i, hello, sizeof(hello)); /* ... or a HELLO with a wrong mac */
  }
  assert_true(world_run_until(&w, TL_S, is_connected));
  print_message("the member was in after %.3f s, %zu strangers at most\n",
                (double)(world_now(&w) - begin) / 1e9, open_most);
  tl_sim_run(w.sim, 3 * TL_S);
  struct tl_endpoint_counters c = world_counters(&w, 1);
  assert_true(open_most <=
              TL_ENDPOINT_STRANGERS_MAX + 60); /* what closes is on its way for a while */
  assert_int_equal(open_now, 0);
  for (size_t i = 0; i < CALLERS; i++) {
    assert_int_equal(callers[i].bytes_back, 0);
    assert_true(callers[i].is_closed);
    if (callers[i].is_open) assert_true(callers[i].closed_at - callers[i].opened_at <= 3 * TL_S);
    callers[i].port = tl_sim_close(callers[i].port);
  }
  assert_int_equal(c.strangers_closed, CALLERS);
  assert_int_equal(c.dh_operations, 1);
  check_nobody_noticed();
  world_deinit(&w);
}

/* ---- T-12: pieces of a TCP stream are taken out or changed, the stream is cut anywhere ---- */

static uint64_t tamper_rate;

static bool tamper(void *context, const struct tl_address *from, const struct tl_address *to,
                   uint8_t *bytes, size_t size) {
  (void)context, (void)from, (void)to;
  if (draw(tamper_rate)) return false;
  if (draw(2)) return true;
  bytes[draw(size)] ^= (uint8_t)(1u << draw(8));
  return false;
}

static void test_streams_tampered_with(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 10; seed++) {
    start_two(1200 + seed, TL_CARRIER_ONLY_TCP);
    connect_two();
    tamper_rate = 20;
    w.traffic_each = 5 * TL_MS;
    tl_sim_kick(w.nodes[0].port);
    tl_sim_set_tap(w.sim, &(struct tl_sim_tap){NULL, NULL, tamper});
    for (int i = 0; i < 20; i++) {
      tl_sim_run(w.sim, draw(TL_S));
      for (uint32_t c = 1; c < 40; c++) tl_sim_cut(w.nodes[0].port, c, false);
    }
    tl_sim_set_tap(w.sim, NULL);
    tl_sim_run(w.sim, 5 * TL_S);
    settle();
    for (unsigned i = 0; i < 2; i++) {
      WORLD_CHECK(&w, w.nodes[i].downs_by[TL_REASON_CLOSED] == 0); /* no clean end was believed */
      WORLD_CHECK(&w, w.nodes[i].downs_by[TL_REASON_PROTOCOL] == 0);
    }
    WORLD_CHECK(&w, world_counters(&w, 0).truncations + world_counters(&w, 1).truncations > 0);
    world_deinit(&w);
  }
}

/* Each piece of the stream is taken out once, in a run of its own, and everything behind it as well: neither end may take
 * what is left for a whole. */
static struct {
  uint64_t seen, at;
  bool and_all_behind;
} scissors;

static bool cut_out(void *context, const struct tl_address *from, const struct tl_address *to,
                    uint8_t *bytes, size_t size) {
  (void)context, (void)from, (void)to, (void)bytes, (void)size;
  uint64_t number = scissors.seen++;
  return number == scissors.at || (scissors.and_all_behind && number > scissors.at);
}

static void test_each_piece_cut_out(void **state) {
  (void)state;
  uint64_t pieces = 1;
  for (uint64_t run = 0; run < 2 * pieces; run++) {
    start_two(1250, TL_CARRIER_ONLY_TCP);
    scissors.seen = 0;
    scissors.at = run / 2;
    scissors.and_all_behind = run % 2;
    if (run == 0) scissors.at = UINT64_MAX; /* the first run counts */
    tl_sim_set_tap(w.sim, &(struct tl_sim_tap){NULL, NULL, cut_out});
    world_dial(&w, 0, 1);
    w.traffic_each = 20 * TL_MS;
    tl_sim_run(w.sim, 2 * TL_S);
    for (uint32_t c = 1; c < 10; c++) tl_sim_cut(w.nodes[0].port, c, false); /* and a FIN */
    tl_sim_run(w.sim, TL_S);
    uint64_t most = 25 * seconds_wanted;
    if (run == 0) pieces = scissors.seen < most ? scissors.seen : most;
    tl_sim_set_tap(w.sim, NULL);
    WORLD_CHECK(&w, world_run_until(&w, 60 * TL_S, is_connected));
    settle();
    for (unsigned i = 0; i < 2; i++) {
      WORLD_CHECK(&w, w.nodes[i].downs_by[TL_REASON_CLOSED] == 0);
      WORLD_CHECK(&w, w.nodes[i].downs_by[TL_REASON_PROTOCOL] == 0);
    }
    world_deinit(&w);
  }
  print_message("%llu pieces\n", (unsigned long long)pieces);
  assert_true(pieces >= 50);
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
  if (argc > 1) seconds_wanted = strtoull(argv[1], NULL, 10);
  if (argc > 2) cmocka_set_test_filter(argv[2]);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_strangers),
      cmocka_unit_test(test_strangers_disturb_nobody),
      cmocka_unit_test(test_forged_packets),
      cmocka_unit_test(test_replayed_hello),
      cmocka_unit_test(test_connections_of_strangers),
      cmocka_unit_test(test_streams_tampered_with),
      cmocka_unit_test(test_each_piece_cut_out),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
