/* The virtual network: what it promises to those who test with it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/time.h"
#include "transport/sim/sim.h"

#define HEARD_MAX 4096

struct heard {
  uint64_t at;
  size_t size;
  uint32_t number;
  struct tl_path path;
};

/* A user that notes all and answers nothing. */
struct user {
  struct tl_sim *sim;
  struct tl_sim_port *port;
  size_t count, batches, timeouts, opened, accepted, closed, writables;
  struct heard heard[HEARD_MAX];
  uint64_t deadline, timeout_at;
  struct tl_path last;
  int last_error;
  bool hang_up_in_turn;
};

static void on_packet(void *context, const struct tl_path *path, uint8_t *packet, size_t size) {
  struct user *u = context;
  assert_true(u->count < HEARD_MAX);
  u->heard[u->count++] = (struct heard){tl_sim_now(u->sim), size,
                                        size >= 8 ? (uint32_t)tl_load_le(packet + 4, 4) : 0, *path};
  memset(packet, 0, size);
}

static void on_batch_end(void *context) {
  struct user *u = context;
  u->batches++;
  if (u->hang_up_in_turn && u->opened) tl_sim_hang_up(u->port, u->last.connection);
}

static void on_opened(void *context, const struct tl_path *path, bool accepted) {
  struct user *u = context;
  u->opened++;
  u->accepted += accepted;
  u->last = *path;
}

static void on_closed(void *context, const struct tl_path *path, int error) {
  struct user *u = context;
  u->closed++;
  u->last = *path;
  u->last_error = error;
}

static void on_writable(void *context, const struct tl_path *path) {
  struct user *u = context;
  u->writables++;
  u->last = *path;
}

static uint64_t on_deadline(void *context) {
  return ((struct user *)context)->deadline;
}

static void on_timeout(void *context, uint64_t now) {
  struct user *u = context;
  u->timeouts++;
  u->timeout_at = now;
  u->deadline = TL_NEVER;
}

static struct tl_address address(const char *text) {
  struct tl_address a;
  assert_int_equal(tl_address_parse(text, 1000, &a), 0);
  return a;
}

static void user_open(struct tl_sim *sim, struct user *u, const char *at) {
  struct tl_address a = address(at);
  struct tl_sim_user user = {
      {u, on_packet, on_batch_end, on_opened, on_closed, on_writable}, on_deadline, on_timeout};
  memset(u, 0, sizeof(*u));
  u->sim = sim;
  u->deadline = TL_NEVER;
  assert_int_equal(tl_sim_open(sim, &a, &user, &u->port), 0);
}

struct world {
  struct tl_sim *sim;
  struct user a, b;
};

static void world_open(struct world *w, uint64_t seed, const struct tl_sim_faults *faults) {
  assert_int_equal(tl_sim_new(seed, &w->sim), 0);
  user_open(w->sim, &w->a, "10.0.0.1");
  user_open(w->sim, &w->b, "10.0.0.2");
  if (faults) tl_sim_set_faults(w->sim, faults);
}

static void world_close(struct world *w) {
  w->sim = tl_sim_free(w->sim);
  assert_null(w->sim);
}

/* A packet that begins like a RECORD (so that a stream can be cut) and carries a number. */
static size_t packet_make(uint8_t *out, size_t size, uint32_t number) {
  memset(out, (int)number, size);
  out[0] = 0x11;
  out[1] = 0;
  tl_store_le(out + 2, size - 16, 2);
  tl_store_le(out + 4, number, 4);
  return size;
}

static void send_udp(struct user *from, const struct tl_address *to, size_t size, uint32_t number) {
  uint8_t bytes[2000];
  struct tl_burst burst = {{*to, TL_CARRIER_UDP, 0}, bytes, packet_make(bytes, size, number), 2000};
  assert_int_equal(tl_sim_send(from->port, &burst), 0);
}

static const struct tl_address *address_of(const struct user *u) {
  return tl_sim_port_address(u->port);
}

static void test_delivers(void **state) {
  (void)state;
  struct world w;
  world_open(&w, 1, &(struct tl_sim_faults){.delay = 3 * TL_MS});
  uint64_t start = tl_sim_now(w.sim);
  uint8_t bytes[2500] = {0};
  struct tl_burst burst = {{*address_of(&w.b), TL_CARRIER_UDP, 0}, bytes, 2500, 1000};
  assert_int_equal(tl_sim_send(w.a.port, &burst), 0);
  tl_sim_run(w.sim, TL_S);
  assert_int_equal(tl_sim_now(w.sim), start + TL_S);
  assert_int_equal(w.b.count, 3);
  assert_int_equal(w.b.heard[1].size, 1000);
  assert_int_equal(w.b.heard[2].size, 500);
  assert_int_equal(w.b.heard[2].at, start + 3 * TL_MS);
  assert_int_equal(w.b.batches, 1);
  assert_true(tl_address_is_equal(&w.b.heard[0].path.remote, address_of(&w.a)));
  assert_int_equal(w.a.count, 0);
  world_close(&w);
}

static void test_address_is_taken_or_nobodys(void **state) {
  (void)state;
  struct world w;
  struct tl_sim_port *port = NULL;
  struct tl_sim_user user = {{0}, on_deadline, on_timeout};
  struct tl_sim_counters c;
  struct tl_address nobody = address("10.0.0.9");
  world_open(&w, 1, NULL);
  assert_int_equal(tl_sim_open(w.sim, address_of(&w.a), &user, &port), TULLE_E_EXISTS);
  assert_null(port);
  assert_int_equal(tl_sim_rebind(w.a.port, address_of(&w.b)), TULLE_E_EXISTS);
  send_udp(&w.a, &nobody, 100, 1);
  tl_sim_run(w.sim, TL_S);
  tl_sim_counters(w.sim, &c);
  assert_int_equal(c.unrouted, 1);
  world_close(&w);
}

static void test_loss_and_duplication(void **state) {
  (void)state;
  struct world w;
  struct tl_sim_counters c;
  world_open(&w, 2, &(struct tl_sim_faults){.loss = 0.3, .duplicate = 0.5});
  for (uint32_t i = 0; i < 2000; i++) send_udp(&w.a, address_of(&w.b), 100, i);
  tl_sim_run(w.sim, TL_S);
  tl_sim_counters(w.sim, &c);
  assert_int_equal(c.sent, 2000);
  assert_in_range(c.lost, 500, 700);
  assert_in_range(c.duplicated, 600, 800);
  assert_int_equal(w.b.count, c.sent - c.lost + c.duplicated);
  world_close(&w);
}

static void test_loss_in_bursts(void **state) {
  (void)state;
  struct world w;
  world_open(&w, 3, &(struct tl_sim_faults){.loss = 0.05, .loss_burst = 3});
  for (uint32_t i = 0; i < 2000; i++) send_udp(&w.a, address_of(&w.b), 100, i);
  tl_sim_run(w.sim, TL_S);
  for (size_t i = 1; i < w.b.count; i++) {
    uint32_t gap = w.b.heard[i].number - w.b.heard[i - 1].number;
    assert_true(gap == 1 || gap > 3);
  }
  assert_true(w.b.count < 1900);
  world_close(&w);
}

static void test_reordering(void **state) {
  (void)state;
  struct world w;
  size_t late = 0;
  world_open(&w, 4, &(struct tl_sim_faults){.delay = TL_MS, .jitter = 100 * TL_MS, .reorder = 0.5});
  for (uint32_t i = 0; i < 500; i++) send_udp(&w.a, address_of(&w.b), 100, i);
  tl_sim_run(w.sim, 60 * TL_S);
  assert_int_equal(w.b.count, 500);
  for (size_t i = 1; i < w.b.count; i++) late += w.b.heard[i].number < w.b.heard[i - 1].number;
  assert_true(late > 50);
  world_close(&w);
}

static void test_corruption(void **state) {
  (void)state;
  struct world w;
  struct tl_sim_counters c;
  size_t shorter = 0;
  world_open(&w, 5, &(struct tl_sim_faults){.corrupt = 1.0});
  for (uint32_t i = 0; i < 500; i++) send_udp(&w.a, address_of(&w.b), 100, i);
  tl_sim_run(w.sim, TL_S);
  tl_sim_counters(w.sim, &c);
  assert_int_equal(c.corrupted, 500);
  assert_int_equal(w.b.count, 500);
  for (size_t i = 0; i < w.b.count; i++) shorter += w.b.heard[i].size < 100;
  assert_in_range(shorter, 60, 200);
  world_close(&w);
}

static void test_mtu_and_blocked_udp(void **state) {
  (void)state;
  struct world w;
  struct tl_sim_counters c;
  world_open(&w, 6, &(struct tl_sim_faults){.mtu = 1200});
  send_udp(&w.a, address_of(&w.b), 1200, 1);
  send_udp(&w.a, address_of(&w.b), 1201, 2);
  tl_sim_set_faults(w.sim, &(struct tl_sim_faults){.no_udp = true});
  send_udp(&w.a, address_of(&w.b), 64, 3);
  tl_sim_run(w.sim, TL_S);
  tl_sim_counters(w.sim, &c);
  assert_int_equal(w.b.count, 1);
  assert_int_equal(c.too_big, 1);
  assert_int_equal(c.partitioned, 1);
  world_close(&w);
}

static void test_bottleneck(void **state) {
  (void)state;
  struct world w;
  struct tl_sim_counters c;
  world_open(&w, 7, &(struct tl_sim_faults){.bandwidth = 1000000, .queue_bytes = 50000});
  uint64_t start = tl_sim_now(w.sim);
  for (uint32_t i = 0; i < 100; i++) send_udp(&w.a, address_of(&w.b), 1000, i);
  tl_sim_run(w.sim, TL_S);
  tl_sim_counters(w.sim, &c);
  assert_in_range(w.b.count, 49, 53);
  assert_int_equal(c.overflowed, 100 - w.b.count);
  assert_int_equal(w.b.heard[0].at, start + TL_MS);
  assert_int_equal(w.b.heard[9].at, start + 10 * TL_MS);
  world_close(&w);
}

static void test_partition_and_rebinding(void **state) {
  (void)state;
  struct world w;
  struct tl_address old, fresh = address("10.0.0.7");
  world_open(&w, 8, NULL);
  tl_sim_partition(w.sim, w.a.port, w.b.port, false);
  send_udp(&w.a, address_of(&w.b), 64, 1);
  send_udp(&w.b, address_of(&w.a), 64, 2);
  tl_sim_run(w.sim, TL_S);
  assert_int_equal(w.b.count, 0);
  assert_int_equal(w.a.count, 1);
  tl_sim_heal(w.sim);
  tl_sim_partition(w.sim, w.b.port, NULL, true);
  send_udp(&w.a, address_of(&w.b), 64, 3);
  send_udp(&w.b, address_of(&w.a), 64, 4);
  tl_sim_run(w.sim, TL_S);
  assert_int_equal(w.a.count + w.b.count, 1);
  tl_sim_heal(w.sim);
  old = *address_of(&w.a);
  assert_int_equal(tl_sim_rebind(w.a.port, &fresh), 0);
  send_udp(&w.b, &old, 64, 5);
  send_udp(&w.a, address_of(&w.b), 64, 6);
  tl_sim_run(w.sim, TL_S);
  assert_int_equal(w.a.count, 1);
  assert_int_equal(w.b.count, 1);
  assert_true(tl_address_is_equal(&w.b.heard[0].path.remote, &fresh));
  world_close(&w);
}

static void test_deadlines(void **state) {
  (void)state;
  struct world w;
  world_open(&w, 9, NULL);
  uint64_t start = tl_sim_now(w.sim);
  w.a.deadline = start + 10 * TL_MS;
  w.b.deadline = start + 20 * TL_MS;
  tl_sim_kick(w.a.port);
  tl_sim_kick(w.b.port);
  tl_sim_run(w.sim, 15 * TL_MS);
  assert_int_equal(w.a.timeouts, 1);
  assert_int_equal(w.a.timeout_at, start + 10 * TL_MS);
  assert_int_equal(w.b.timeouts, 0);
  tl_sim_run(w.sim, 15 * TL_MS);
  assert_int_equal(w.b.timeouts, 1);
  assert_int_equal(tl_sim_step(w.sim, TL_NEVER), TL_EMPTY);
  world_close(&w);
}

/* A fast clock reaches its deadline early, a slow one late; neither is called before its own
 * time. */
static void test_clock_rates(void **state) {
  (void)state;
  struct world w;
  world_open(&w, 10, NULL);
  uint64_t start = tl_sim_now(w.sim);
  tl_sim_set_clock_rate(w.a.port, 1.1);
  tl_sim_set_clock_rate(w.b.port, 0.9);
  w.a.deadline = w.b.deadline = start + 990 * TL_MS;
  tl_sim_kick(w.a.port);
  tl_sim_kick(w.b.port);
  tl_sim_run(w.sim, TL_S);
  assert_int_equal(w.a.timeouts, 1);
  assert_in_range(w.a.timeout_at, start + 990 * TL_MS, start + 990 * TL_MS + TL_US);
  assert_int_equal(w.b.timeouts, 0);
  assert_in_range(tl_sim_port_now(w.a.port), start + 1099 * TL_MS, start + 1101 * TL_MS);
  tl_sim_run(w.sim, TL_S);
  assert_int_equal(w.b.timeouts, 1);
  world_close(&w);
}

/* While a process is stopped nothing is called; what its socket kept comes in order, what did
 * not fit is gone. */
static void test_pause(void **state) {
  (void)state;
  struct world w;
  struct tl_sim_counters c;
  world_open(&w, 11, NULL);
  uint64_t start = tl_sim_now(w.sim);
  w.b.deadline = start + TL_MS;
  tl_sim_kick(w.b.port);
  size_t batches = w.b.batches;
  tl_sim_pause(w.b.port, TL_S);
  for (uint32_t i = 0; i < 300; i++) send_udp(&w.a, address_of(&w.b), 1000, i);
  tl_sim_run(w.sim, 999 * TL_MS);
  assert_int_equal(w.b.count, 0);
  assert_int_equal(w.b.timeouts, 0);
  assert_int_equal(w.b.batches, batches);
  tl_sim_run(w.sim, 2 * TL_MS);
  tl_sim_counters(w.sim, &c);
  assert_in_range(w.b.count, 255, 265);
  assert_int_equal(c.overflowed, 300 - w.b.count);
  assert_int_equal(w.b.timeouts, 1);
  assert_int_equal(w.b.timeout_at, start + TL_S);
  for (uint32_t i = 0; i < w.b.count; i++) assert_int_equal(w.b.heard[i].number, i);
  world_close(&w);
}

/* ---- Streams ---- */

struct stream {
  struct world w;
  struct tl_path ab, ba;
};

static void stream_open(struct stream *s, uint64_t seed, const struct tl_sim_faults *faults) {
  uint32_t number = 0;
  world_open(&s->w, seed, faults);
  assert_int_equal(tl_sim_dial(s->w.a.port, address_of(&s->w.b), &number), 0);
  tl_sim_run(s->w.sim, 10 * TL_S);
  assert_int_equal(s->w.a.opened, 1);
  assert_int_equal(s->w.b.accepted, 1);
  s->ab = s->w.a.last;
  s->ba = s->w.b.last;
  assert_int_equal(s->ab.connection, number);
}

static int stream_send(struct user *from, const struct tl_path *path, size_t size,
                       uint32_t number) {
  static uint8_t bytes[65000];
  struct tl_burst burst = {*path, bytes, packet_make(bytes, size, number), size};
  return tl_sim_send(from->port, &burst);
}

static void test_stream_keeps_order_and_bytes(void **state) {
  (void)state;
  struct stream s;
  stream_open(&s, 12, &(struct tl_sim_faults){.delay = TL_MS, .loss = 0.3, .corrupt = 0.5});
  for (uint32_t i = 0; i < 20; i++) assert_int_equal(stream_send(&s.w.a, &s.ab, 16 + 97 * i, i), 0);
  assert_int_equal(stream_send(&s.w.b, &s.ba, 500, 77), 0);
  tl_sim_run(s.w.sim, 600 * TL_S);
  assert_int_equal(s.w.b.count, 20);
  for (uint32_t i = 0; i < 20; i++) {
    assert_int_equal(s.w.b.heard[i].number, i);
    assert_int_equal(s.w.b.heard[i].size, 16 + 97 * i);
    assert_int_equal(s.w.b.heard[i].path.connection, s.ba.connection);
  }
  assert_int_equal(s.w.a.count, 1);
  assert_int_equal(s.w.a.heard[0].number, 77);
  world_close(&s.w);
}

static void test_stream_back_pressure(void **state) {
  (void)state;
  struct stream s;
  uint32_t sent = 0;
  int r = 0;
  stream_open(&s, 13, &(struct tl_sim_faults){.delay = TL_MS});
  while (r == 0) r = stream_send(&s.w.a, &s.ab, 60000, sent++);
  assert_int_equal(r, TL_FULL);
  assert_int_equal(sent, 5);
  assert_int_equal(s.w.a.writables, 0);
  tl_sim_run(s.w.sim, TL_S);
  assert_int_equal(s.w.a.writables, 1);
  assert_int_equal(s.w.b.count, sent);
  world_close(&s.w);
}

static void test_stream_hang_up(void **state) {
  (void)state;
  struct stream s;
  stream_open(&s, 14, NULL);
  assert_int_equal(stream_send(&s.w.a, &s.ab, 500, 1), 0);
  tl_sim_hang_up(s.w.a.port, s.ab.connection);
  tl_sim_hang_up(s.w.a.port, s.ab.connection);
  tl_sim_hang_up(s.w.a.port, 99);
  assert_int_equal(stream_send(&s.w.a, &s.ab, 500, 2), TULLE_E_CLOSED);
  tl_sim_run(s.w.sim, TL_S);
  assert_int_equal(s.w.b.count, 1);
  assert_int_equal(s.w.b.closed, 1);
  assert_int_equal(s.w.b.last_error, 0);
  assert_int_equal(s.w.a.closed, 0);
  world_close(&s.w);
}

static void test_stream_hang_up_in_turn(void **state) {
  (void)state;
  struct stream s;
  stream_open(&s, 15, NULL);
  s.w.b.hang_up_in_turn = true;
  assert_int_equal(stream_send(&s.w.a, &s.ab, 500, 1), 0);
  tl_sim_run(s.w.sim, TL_S);
  assert_int_equal(s.w.a.closed, 1);
  assert_int_equal(s.w.b.closed, 0);
  world_close(&s.w);
}

static void test_stream_cut(void **state) {
  (void)state;
  for (uint64_t seed = 0; seed < 50; seed++) {
    struct stream s;
    stream_open(&s, seed, &(struct tl_sim_faults){.delay = TL_MS});
    for (uint32_t i = 0; i < 10; i++) assert_int_equal(stream_send(&s.w.a, &s.ab, 1000, i), 0);
    tl_sim_cut(s.w.b.port, s.ba.connection, seed % 2);
    tl_sim_run(s.w.sim, TL_S);
    assert_true(s.w.b.count <= 10);
    assert_int_equal(s.w.b.closed, 1);
    assert_int_equal(s.w.a.closed, 1);
    assert_int_equal(s.w.b.last_error, seed % 2 ? -ECONNRESET : 0);
    world_close(&s.w);
  }
}

static void test_stream_dials_that_fail(void **state) {
  (void)state;
  struct world w;
  uint32_t number;
  struct tl_address nobody = address("10.0.0.9");
  world_open(&w, 16, NULL);
  assert_int_equal(tl_sim_dial(w.a.port, &nobody, &number), 0);
  tl_sim_run(w.sim, TL_S);
  assert_int_equal(w.a.last_error, -ECONNREFUSED);
  assert_int_equal(w.a.last.connection, number);
  tl_sim_partition(w.sim, w.a.port, w.b.port, true);
  assert_int_equal(tl_sim_dial(w.a.port, address_of(&w.b), &number), 0);
  tl_sim_run(w.sim, 10 * TL_S);
  assert_int_equal(w.a.last_error, -ETIMEDOUT);
  tl_sim_heal(w.sim);
  /* Hung up while it was under way: nobody hears of it, and the other end is told. */
  assert_int_equal(tl_sim_dial(w.a.port, address_of(&w.b), &number), 0);
  tl_sim_hang_up(w.a.port, number);
  tl_sim_run(w.sim, TL_S);
  assert_int_equal(w.a.closed, 2);
  assert_int_equal(w.a.opened, 0);
  assert_int_equal(w.b.opened, w.b.closed);
  world_close(&w);
}

static void test_stream_partition_delays(void **state) {
  (void)state;
  struct stream s;
  stream_open(&s, 17, NULL);
  tl_sim_partition(s.w.sim, s.w.a.port, s.w.b.port, true);
  assert_int_equal(stream_send(&s.w.a, &s.ab, 500, 1), 0);
  tl_sim_run(s.w.sim, 10 * TL_S);
  assert_int_equal(s.w.b.count, 0);
  tl_sim_heal(s.w.sim);
  tl_sim_run(s.w.sim, TL_S);
  assert_int_equal(s.w.b.count, 1);
  world_close(&s.w);
}

static void test_stream_crash_and_rebinding(void **state) {
  (void)state;
  struct stream s;
  struct tl_address fresh = address("10.0.0.7");
  stream_open(&s, 18, NULL);
  assert_int_equal(tl_sim_rebind(s.w.a.port, &fresh), 0);
  assert_int_equal(stream_send(&s.w.a, &s.ab, 500, 1), 0); /* as a socket would take it */
  tl_sim_run(s.w.sim, TL_S);
  assert_int_equal(s.w.b.count, 0);
  assert_int_equal(s.w.a.closed + s.w.b.closed, 0);
  world_close(&s.w);

  stream_open(&s, 19, NULL);
  s.w.a.port = tl_sim_close(s.w.a.port);
  assert_null(s.w.a.port);
  tl_sim_run(s.w.sim, TL_S);
  assert_int_equal(s.w.b.closed, 1);
  assert_int_equal(s.w.b.last_error, -ECONNRESET);
  world_close(&s.w);
}

/* ---- Taps, injection, determinism ---- */

static bool tap_packet(void *context, const struct tl_address *from, const struct tl_address *to,
                       const uint8_t *packet, size_t size) {
  (void)from, (void)to, (void)size;
  ++*(size_t *)context;
  return tl_load_le(packet + 4, 4) % 2;
}

static bool tap_stream(void *context, const struct tl_address *from, const struct tl_address *to,
                       uint8_t *bytes, size_t size) {
  (void)from, (void)to;
  ++*(size_t *)context;
  memset(bytes, 0xee, size);
  return false;
}

static void test_tap_and_injection(void **state) {
  (void)state;
  struct stream s;
  size_t taps = 0;
  uint8_t bytes[64];
  stream_open(&s, 20, NULL);
  tl_sim_set_tap(s.w.sim, &(struct tl_sim_tap){&taps, tap_packet, tap_stream});
  for (uint32_t i = 0; i < 10; i++) send_udp(&s.w.a, address_of(&s.w.b), 64, i);
  tl_sim_inject(s.w.sim, address_of(&s.w.a), address_of(&s.w.b), bytes,
                packet_make(bytes, 64, 101));
  tl_sim_run(s.w.sim, TL_S);
  assert_int_equal(taps, 10);
  assert_int_equal(s.w.b.count, 6);
  assert_int_equal(stream_send(&s.w.a, &s.ab, 500, 1), 0);
  tl_sim_run(s.w.sim, TL_S);
  assert_int_equal(s.w.b.closed, 1); /* what came was no packet */
  assert_int_equal(s.w.b.last_error, -EPROTO);
  assert_int_equal(s.w.a.closed, 1);
  tl_sim_set_tap(s.w.sim, NULL);
  world_close(&s.w);
}

static uint64_t trace_of(uint64_t seed) {
  struct stream s;
  stream_open(&s, seed,
              &(struct tl_sim_faults){.delay = TL_MS,
                                      .jitter = 50 * TL_MS,
                                      .reorder = 0.4,
                                      .loss = 0.2,
                                      .duplicate = 0.2,
                                      .corrupt = 0.2,
                                      .bandwidth = 10000000});
  for (uint32_t i = 0; i < 200; i++) {
    send_udp(&s.w.a, address_of(&s.w.b), 64 + i, i);
    if (i % 10 == 0) (void)stream_send(&s.w.b, &s.ba, 3000, i);
    tl_sim_run(s.w.sim, TL_MS);
  }
  tl_sim_run(s.w.sim, 100 * TL_S);
  uint64_t trace = tl_sim_trace(s.w.sim);
  world_close(&s.w);
  return trace;
}

static void test_same_seed_same_trace(void **state) {
  (void)state;
  for (uint64_t seed = 0; seed < 20; seed++) {
    uint64_t trace = trace_of(seed);
    assert_true(trace == trace_of(seed));
    assert_true(trace != trace_of(seed + 1000));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_delivers),
      cmocka_unit_test(test_address_is_taken_or_nobodys),
      cmocka_unit_test(test_loss_and_duplication),
      cmocka_unit_test(test_loss_in_bursts),
      cmocka_unit_test(test_reordering),
      cmocka_unit_test(test_corruption),
      cmocka_unit_test(test_mtu_and_blocked_udp),
      cmocka_unit_test(test_bottleneck),
      cmocka_unit_test(test_partition_and_rebinding),
      cmocka_unit_test(test_deadlines),
      cmocka_unit_test(test_clock_rates),
      cmocka_unit_test(test_pause),
      cmocka_unit_test(test_stream_keeps_order_and_bytes),
      cmocka_unit_test(test_stream_back_pressure),
      cmocka_unit_test(test_stream_hang_up),
      cmocka_unit_test(test_stream_hang_up_in_turn),
      cmocka_unit_test(test_stream_cut),
      cmocka_unit_test(test_stream_dials_that_fail),
      cmocka_unit_test(test_stream_partition_delays),
      cmocka_unit_test(test_stream_crash_and_rebinding),
      cmocka_unit_test(test_tap_and_injection),
      cmocka_unit_test(test_same_seed_same_trace),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
