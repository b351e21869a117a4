/* The TCP carrier on loopback: streams cut at every byte, back pressure, orderly and rude ends. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "transport/tcp/tcp.h"

/* One end: a carrier and what it heard. */
struct end {
  struct tl_tcp *tcp;
  size_t packets, bytes, batches, writables, opened, accepted, closed;
  uint64_t sum; /* over all bytes of all packets, in order */
  int last_error;
  struct tl_path last;
  bool hang_up_on_packet;
};

static uint64_t sum_add(uint64_t sum, const uint8_t *bytes, size_t size) {
  for (size_t i = 0; i < size; i++) sum = sum * 31 + bytes[i];
  return sum;
}

static void on_packet(void *context, const struct tl_path *path, uint8_t *packet, size_t size) {
  struct end *e = context;
  e->packets++;
  e->bytes += size;
  e->sum = sum_add(e->sum, packet, size);
  e->last = *path;
  memset(packet, 0xff, size); /* allowed: it is decrypted in place */
  if (e->hang_up_on_packet) tl_tcp_hang_up(e->tcp, path->connection);
}

static void on_batch_end(void *context) {
  ((struct end *)context)->batches++;
}

static void on_opened(void *context, const struct tl_path *path, bool accepted) {
  struct end *e = context;
  e->opened++;
  e->accepted += accepted;
  e->last = *path;
}

static void on_closed(void *context, const struct tl_path *path, int error) {
  struct end *e = context;
  e->closed++;
  e->last_error = error;
  e->last = *path;
}

static void on_writable(void *context, const struct tl_path *path) {
  struct end *e = context;
  e->writables++;
  e->last = *path;
}

static void end_open(struct tl_poller *loop, struct end *e) {
  struct tl_tcp_config config = {0};
  struct tl_carrier_sink sink = {e, on_packet, on_batch_end, on_opened, on_closed, on_writable};
  memset(e, 0, sizeof(*e));
  assert_int_equal(tl_address_parse("127.0.0.1:0", 0, &config.listen), 0);
  assert_int_equal(tl_tcp_open(loop, &config, &sink, &e->tcp), 0);
  assert_int_not_equal(tl_tcp_local(e->tcp)->port, 0);
}

static void loop_turn(struct tl_poller *loop, uint64_t deadline) {
  tl_poller_wait(loop, deadline);
  tl_poller_dispatch(loop);
}

static void run_until(struct tl_poller *loop, const size_t *counter, size_t wanted) {
  while (*counter < wanted) loop_turn(loop, TL_NEVER);
}

struct pair {
  struct tl_poller loop;
  struct end a, b;
  struct tl_path ab, ba; /* how each end names the connection that a has dialled */
};

static void pair_open(struct pair *p) {
  uint32_t number = 0;
  assert_int_equal(tl_poller_init(&p->loop), 0);
  end_open(&p->loop, &p->a);
  end_open(&p->loop, &p->b);
  assert_int_equal(tl_tcp_dial(p->a.tcp, tl_tcp_local(p->b.tcp), &number), 0);
  run_until(&p->loop, &p->a.opened, 1);
  run_until(&p->loop, &p->b.opened, 1);
  assert_int_equal(p->a.accepted, 0);
  assert_int_equal(p->b.accepted, 1);
  assert_int_equal(p->a.last.connection, number);
  assert_true(tl_address_is_equal(&p->a.last.remote, tl_tcp_local(p->b.tcp)));
  p->ab = p->a.last;
  p->ba = p->b.last;
}

static void pair_close(struct pair *p) {
  tl_tcp_close(p->a.tcp);
  tl_tcp_close(p->b.tcp);
  tl_poller_deinit(&p->loop);
}

/* A row of packets of every kind; returns its size. */
static size_t packets_make(uint8_t *out, size_t *out_count) {
  static const uint16_t lengths[] = {16, 17, 1000, 48, 16, 60000};
  size_t at = 0, count = 0;
  for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++, count += 2) {
    memset(out + at, (int)(0x20 + i), 1200);
    out[at] = i % 3 == 0 ? 0x01 : i % 3 == 1 ? 0x03 : 0x04;
    at += 1200;
    memset(out + at, (int)(0x40 + i), 16u + lengths[i]);
    out[at] = i % 2 ? 0x11 : 0x12;
    out[at + 1] = 0;
    tl_store_le(out + at + 2, lengths[i], 2);
    at += 16u + lengths[i];
  }
  *out_count = count;
  return at;
}

static uint8_t row[128 * 1024];

static void test_packets_in_one_write(void **state) {
  (void)state;
  struct pair p;
  size_t count, size = packets_make(row, &count);
  struct tl_tcp_counters c;
  pair_open(&p);
  int r = tl_tcp_send(p.a.tcp, &(struct tl_burst){p.ab, row, size, size});
  assert_true(r == 0 || r == TL_FULL);
  run_until(&p.loop, &p.b.packets, count);
  assert_int_equal(p.b.bytes, size);
  assert_int_equal(p.b.sum, sum_add(0, row, size));
  assert_int_equal(p.b.last.connection, p.ba.connection);
  tl_tcp_counters(p.b.tcp, &c);
  assert_int_equal(c.packets_received, count);
  assert_int_equal(c.bytes_received, size);
  pair_close(&p);
}

/* A raw socket to a carrier, to send what no carrier would. */
static int raw_dial(struct pair *p) {
  struct sockaddr_storage s;
  socklen_t size = tl_address_to_sockaddr(tl_tcp_local(p->b.tcp), false, &s);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  size_t before = p->b.opened;
  assert_int_equal(connect(fd, (struct sockaddr *)&s, size), 0);
  run_until(&p->loop, &p->b.opened, before + 1);
  return fd;
}

static void test_stream_cut_anywhere(void **state) {
  (void)state;
  struct pair p;
  size_t count, size = packets_make(row, &count);
  pair_open(&p);
  int fd = raw_dial(&p);
  for (size_t at = 0, n = 1; at < size; at += n, n = n * 7 % 4093 + 1) {
    if (n > size - at) n = size - at;
    assert_int_equal(send(fd, row + at, n, 0), (ssize_t)n);
    loop_turn(&p.loop, 0);
  }
  run_until(&p.loop, &p.b.packets, count);
  assert_int_equal(p.b.sum, sum_add(0, row, size));
  close(fd);
  run_until(&p.loop, &p.b.closed, 1);
  assert_int_equal(p.b.last_error, 0);
  pair_close(&p);
}

static void test_no_packet_begins_like_this(void **state) {
  (void)state;
  struct pair p;
  struct tl_tcp_counters c;
  size_t bad = 0;
  pair_open(&p);
  for (unsigned type = 0; type < 256; type++) {
    if (type == 0x01 || type == 0x03 || type == 0x04 || type == 0x11 || type == 0x12) continue;
    if (type > 0x20 && type % 16) continue;
    uint8_t byte = (uint8_t)type;
    int fd = raw_dial(&p);
    assert_int_equal(send(fd, &byte, 1, 0), 1);
    run_until(&p.loop, &p.b.closed, ++bad);
    assert_int_equal(p.b.last_error, TULLE_E_PROTOCOL);
    assert_int_equal(recv(fd, &byte, 1, 0), 0); /* not a byte comes back */
    close(fd);
  }
  tl_tcp_counters(p.b.tcp, &c);
  assert_int_equal(c.bad_streams, bad);
  assert_int_equal(c.bytes_sent, 0);
  assert_int_equal(c.connections, 1);
  assert_int_equal(p.b.packets, 0);
  pair_close(&p);
}

/* What a stranger leaves behind is torn off with his connection. */
static void test_torn_packet_and_gone(void **state) {
  (void)state;
  struct pair p;
  uint8_t head[4] = {0x11, 0, 0xff, 0xff};
  pair_open(&p);
  for (size_t n = 1; n <= sizeof(head); n++) {
    int fd = raw_dial(&p);
    assert_int_equal(send(fd, head, n, 0), (ssize_t)n);
    close(fd);
    run_until(&p.loop, &p.b.closed, n);
  }
  assert_int_equal(p.b.packets, 0);
  pair_close(&p);
}

static void test_reset_is_an_error(void **state) {
  (void)state;
  struct pair p;
  struct linger hard = {1, 0};
  pair_open(&p);
  int fd = raw_dial(&p);
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
  close(fd);
  run_until(&p.loop, &p.b.closed, 1);
  assert_int_equal(p.b.last_error, -ECONNRESET);
  pair_close(&p);
}

static void test_dial_refused(void **state) {
  (void)state;
  struct pair p;
  uint32_t number = 0;
  struct tl_address nobody;
  pair_open(&p);
  nobody = *tl_tcp_local(p.b.tcp);
  tl_tcp_close(p.b.tcp);
  loop_turn(&p.loop, 0);
  size_t closed = p.a.closed;
  int r = tl_tcp_dial(p.a.tcp, &nobody, &number);
  if (r == 0) { /* loopback may answer at once */
    while (p.a.last.connection != number || p.a.closed == closed) loop_turn(&p.loop, TL_NEVER);
    assert_int_equal(p.a.last_error, -ECONNREFUSED);
  } else {
    assert_int_equal(r, -ECONNREFUSED);
  }
  assert_int_equal(p.a.opened, 1);
  p.b.tcp = NULL;
  pair_close(&p);
}

/* Bursts are always taken; TL_FULL asks for a pause, `writable` ends it, and nothing is lost. */
static void test_back_pressure(void **state) {
  (void)state;
  struct pair p;
  static uint8_t burst[64000];
  size_t sent = 0;
  uint64_t sum = 0;
  pair_open(&p);
  memset(burst, 0x5a, sizeof(burst));
  for (int round = 0; round < 3; round++) {
    int r = 0;
    for (int i = 0; i < 4096 && r == 0; i++) {
      memset(burst, 0x60 + (i & 7), sizeof(burst));
      burst[0] = 0x11;
      burst[1] = 0;
      tl_store_le(burst + 2, sizeof(burst) - 16, 2);
      r = tl_tcp_send(p.a.tcp, &(struct tl_burst){p.ab, burst, sizeof(burst), sizeof(burst)});
      sent++;
      sum = sum_add(sum, burst, sizeof(burst));
    }
    assert_int_equal(r, TL_FULL);
    memset(burst, 0, sizeof(burst));
    run_until(&p.loop, &p.a.writables, (size_t)round + 1);
  }
  run_until(&p.loop, &p.b.packets, sent);
  assert_int_equal(p.b.sum, sum);
  pair_close(&p);
}

/* A hang-up lets what was sent leave first, also behind a full socket. */
static void test_hang_up_flushes(void **state) {
  (void)state;
  struct pair p;
  static uint8_t burst[64000];
  struct tl_tcp_counters c;
  size_t sent = 0;
  int r = 0;
  pair_open(&p);
  burst[0] = 0x11;
  tl_store_le(burst + 2, sizeof(burst) - 16, 2);
  while (r == 0) {
    r = tl_tcp_send(p.a.tcp, &(struct tl_burst){p.ab, burst, sizeof(burst), sizeof(burst)});
    sent++;
  }
  assert_int_equal(r, TL_FULL);
  tl_tcp_hang_up(p.a.tcp, p.ab.connection);
  tl_tcp_hang_up(p.a.tcp, p.ab.connection); /* twice is nothing */
  assert_int_equal(tl_tcp_send(p.a.tcp, &(struct tl_burst){p.ab, burst, 64000, 64000}),
                   TULLE_E_CLOSED);
  run_until(&p.loop, &p.b.closed, 1);
  assert_int_equal(p.b.packets, sent);
  assert_int_equal(p.b.last_error, 0);
  do {
    loop_turn(&p.loop, 0);
    tl_tcp_counters(p.a.tcp, &c);
  } while (c.connections > 0);
  assert_int_equal(p.a.closed, 0); /* he who hung up hears no more of it */
  assert_int_equal(p.a.writables, 0);
  pair_close(&p);
}

static void test_hang_up_inside_a_packet(void **state) {
  (void)state;
  struct pair p;
  size_t count, size = packets_make(row, &count);
  pair_open(&p);
  p.b.hang_up_on_packet = true;
  int r = tl_tcp_send(p.a.tcp, &(struct tl_burst){p.ab, row, size, size});
  assert_true(r == 0 || r == TL_FULL);
  run_until(&p.loop, &p.a.closed, 1);
  assert_int_equal(p.b.packets, 1);
  assert_int_equal(p.b.closed, 0);
  pair_close(&p);
}

static void test_unknown_connection(void **state) {
  (void)state;
  struct pair p;
  struct tl_path nobody;
  pair_open(&p);
  nobody = p.ab;
  nobody.connection = 4711;
  assert_int_equal(tl_tcp_send(p.a.tcp, &(struct tl_burst){nobody, row, 1200, 1200}),
                   TULLE_E_CLOSED);
  tl_tcp_hang_up(p.a.tcp, 4711);
  tl_tcp_hang_up(p.a.tcp, 0);
  pair_close(&p);
}

static void test_numbers_are_never_used_again(void **state) {
  (void)state;
  struct pair p;
  uint32_t last = 0;
  pair_open(&p);
  for (size_t i = 0; i < 20; i++) {
    int fd = raw_dial(&p);
    assert_true(p.b.last.connection > last);
    last = p.b.last.connection;
    close(fd);
    run_until(&p.loop, &p.b.closed, i + 1);
  }
  pair_close(&p);
}

/* Without descriptors the listener turns people away instead of spinning, and recovers. */
static void test_out_of_descriptors(void **state) {
  (void)state;
  struct pair p;
  struct rlimit before, now;
  struct tl_tcp_counters c;
  struct sockaddr_storage s;
  int fds[64];
  size_t count = 0;
  pair_open(&p);
  socklen_t size = tl_address_to_sockaddr(tl_tcp_local(p.b.tcp), false, &s);
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
  int stranger = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal(connect(stranger, (struct sockaddr *)&s, size), 0);
  now = before;
  now.rlim_cur = 64;
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
  while (count < 64 && (fds[count] = dup(0)) >= 0) count++;
  do {
    loop_turn(&p.loop, 0);
    tl_tcp_counters(p.b.tcp, &c);
  } while (c.no_descriptors == 0);
  assert_int_equal(p.b.opened, 1);
  while (count > 0) close(fds[--count]);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
  close(stranger);
  close(raw_dial(&p));
  run_until(&p.loop, &p.b.closed, 1);
  pair_close(&p);
}

static void test_close_with_everything_open(void **state) {
  (void)state;
  struct pair p;
  uint32_t number;
  pair_open(&p);
  int fd = raw_dial(&p);
  struct tl_address nowhere;
  assert_int_equal(tl_address_parse("192.0.2.1:9", 9, &nowhere), 0);
  (void)tl_tcp_dial(p.a.tcp, &nowhere, &number); /* under way, or refused at once */
  pair_close(&p);
  close(fd);
  tl_tcp_close(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_packets_in_one_write),
      cmocka_unit_test(test_stream_cut_anywhere),
      cmocka_unit_test(test_no_packet_begins_like_this),
      cmocka_unit_test(test_torn_packet_and_gone),
      cmocka_unit_test(test_reset_is_an_error),
      cmocka_unit_test(test_dial_refused),
      cmocka_unit_test(test_back_pressure),
      cmocka_unit_test(test_hang_up_flushes),
      cmocka_unit_test(test_hang_up_inside_a_packet),
      cmocka_unit_test(test_unknown_connection),
      cmocka_unit_test(test_numbers_are_never_used_again),
      cmocka_unit_test(test_out_of_descriptors),
      cmocka_unit_test(test_close_with_everything_open),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
