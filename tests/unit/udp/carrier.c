/* The UDP carrier on loopback, with and without the kernel's offloads, and with every refusal we
 * can provoke. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "transport/udp/udp.h"

#define PACKETS_MAX 1024

/* The system calls of the carrier pass through here, so that they can fail on demand. */
static struct {
  int error; /* of the next `count` calls */
  int count;
  bool only_gso; /* ... of those with a control message */
} fault;

static int fault_take(bool has_control) {
  if (fault.count <= 0 || (fault.only_gso && !has_control)) return 0;
  fault.count--;
  errno = fault.error;
  return -1;
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags) {
  if (fault_take(m->msg_control != NULL) < 0) return -1;
  return syscall(SYS_sendmsg, fd, m, flags);
}

ssize_t sendto(int fd, const void *bytes, size_t size, int flags, const struct sockaddr *to,
               socklen_t to_size) {
  if (fault_take(false) < 0) return -1;
  return syscall(SYS_sendto, fd, bytes, size, flags, to, to_size);
}

int sendmmsg(int fd, struct mmsghdr *m, unsigned count, int flags) {
  if (fault_take(false) < 0) return -1;
  return (int)syscall(SYS_sendmmsg, fd, m, count, flags);
}

/* One end: a carrier and what it heard. */
struct end {
  struct tl_udp *udp;
  size_t packets, batches, writables;
  size_t sizes[PACKETS_MAX];
  uint8_t firsts[PACKETS_MAX];
  struct tl_path last;
  struct tl_udp *close_on_packet;
};

static void on_packet(void *context, const struct tl_path *path, uint8_t *packet, size_t size) {
  struct end *e = context;
  if (e->packets < PACKETS_MAX) {
    e->sizes[e->packets] = size;
    e->firsts[e->packets] = packet[0];
  }
  memset(packet, 0, size); /* allowed: it is decrypted in place */
  e->packets++;
  e->last = *path;
  tl_udp_close(e->close_on_packet);
}

static void on_batch_end(void *context) {
  ((struct end *)context)->batches++;
}

static void on_writable(void *context, const struct tl_path *path) {
  assert_int_equal(path->carrier, TL_CARRIER_UDP);
  ((struct end *)context)->writables++;
}

static void end_open(struct tl_poller *loop, struct end *e, const char *address, bool no_offload) {
  struct tl_udp_config config = {.no_offload = no_offload};
  struct tl_carrier_sink sink = {
      .context = e, .packet = on_packet, .batch_end = on_batch_end, .writable = on_writable};
  memset(e, 0, sizeof(*e));
  if (address) assert_int_equal(tl_address_parse(address, 0, &config.listen), 0);
  assert_int_equal(tl_udp_open(loop, &config, &sink, &e->udp), 0);
  assert_int_not_equal(tl_udp_local(e->udp)->port, 0);
}

static struct tl_path path_to(const struct end *e, const char *ip) {
  struct tl_path p = {.carrier = TL_CARRIER_UDP};
  assert_int_equal(tl_address_parse(ip, tl_udp_local(e->udp)->port, &p.remote), 0);
  return p;
}

static void run_once(struct tl_poller *loop) {
  tl_poller_wait(loop, TL_NEVER);
  tl_poller_dispatch(loop);
}

static void run_until(struct tl_poller *loop, const size_t *counter, size_t wanted) {
  while (*counter < wanted) run_once(loop);
}

static void loop_end(struct tl_poller *loop) {
  tl_poller_deinit(loop);
}

static void burst_through(bool offload_sender, bool offload_receiver, const char *ip) {
  struct tl_poller loop;
  struct end a, b;
  uint8_t bytes[20 * 1200 + 77];
  assert_int_equal(tl_poller_init(&loop), 0);
  end_open(&loop, &a, NULL, !offload_sender);
  end_open(&loop, &b, NULL, !offload_receiver);
  for (size_t i = 0; i < sizeof(bytes); i++) bytes[i] = (uint8_t)(i / 1200);
  struct tl_burst burst = {path_to(&b, ip), bytes, sizeof(bytes), 1200};
  assert_int_equal(tl_udp_send(a.udp, &burst), 0);
  run_until(&loop, &b.packets, 21);
  for (size_t i = 0; i < 21; i++) {
    assert_int_equal(b.sizes[i], i < 20 ? 1200 : 77);
    assert_int_equal(b.firsts[i], i);
  }
  assert_true(b.batches >= 1);
  assert_int_equal(b.last.remote.port, tl_udp_local(a.udp)->port);
  assert_int_equal(b.last.connection, 0);
  /* The address that was heard is one that can be answered. */
  struct tl_burst answer = {b.last, bytes, 64, 1200};
  assert_int_equal(tl_udp_send(b.udp, &answer), 0);
  run_until(&loop, &a.packets, 1);
  assert_int_equal(a.sizes[0], 64);
  struct tl_udp_counters c;
  tl_udp_counters(b.udp, &c);
  assert_int_equal(c.packets_received, 21);
  assert_int_equal(c.bytes_received, sizeof(bytes));
  tl_udp_counters(a.udp, &c);
  assert_int_equal(c.packets_sent, 21);
  assert_int_equal(c.bytes_sent, sizeof(bytes));
  if (offload_sender && c.has_segmentation) assert_int_equal(c.sends, 1);
  tl_udp_close(a.udp);
  tl_udp_close(b.udp);
  loop_end(&loop);
}

static void test_burst_with_offload(void **state) {
  (void)state;
  burst_through(true, true, "127.0.0.1");
}

static void test_burst_without_offload(void **state) {
  (void)state;
  burst_through(false, false, "127.0.0.1");
}

static void test_burst_mixed(void **state) {
  (void)state;
  burst_through(true, false, "127.0.0.1");
  burst_through(false, true, "127.0.0.1");
}

static void test_burst_ipv6(void **state) {
  (void)state;
  struct tl_poller loop;
  struct end probe;
  struct tl_udp_counters c;
  assert_int_equal(tl_poller_init(&loop), 0);
  end_open(&loop, &probe, NULL, false);
  tl_udp_counters(probe.udp, &c);
  tl_udp_close(probe.udp);
  loop_end(&loop);
  if (!c.is_dual_stack) skip();
  burst_through(true, true, "::1");
}

static void test_ipv4_socket(void **state) {
  (void)state;
  struct tl_poller loop;
  struct end a, b;
  uint8_t byte = 7;
  assert_int_equal(tl_poller_init(&loop), 0);
  end_open(&loop, &a, "127.0.0.1:0", false);
  end_open(&loop, &b, "127.0.0.1:0", false);
  struct tl_burst burst = {path_to(&b, "127.0.0.1"), &byte, 1, 1200};
  assert_int_equal(tl_udp_send(a.udp, &burst), 0);
  run_until(&loop, &b.packets, 1);
  assert_int_equal(b.firsts[0], 7);
  assert_true(tl_address_is_v4(&b.last.remote));
  tl_udp_close(a.udp);
  tl_udp_close(b.udp);
  loop_end(&loop);
}

static void test_port_is_taken(void **state) {
  (void)state;
  struct tl_poller loop;
  struct end a;
  struct tl_udp *other = NULL;
  assert_int_equal(tl_poller_init(&loop), 0);
  end_open(&loop, &a, NULL, false);
  struct tl_udp_config config = {.listen = *tl_udp_local(a.udp)};
  struct tl_carrier_sink sink = {.packet = on_packet, .batch_end = on_batch_end};
  assert_int_equal(tl_udp_open(&loop, &config, &sink, &other), -EADDRINUSE);
  assert_null(other);
  tl_udp_close(a.udp);
  tl_udp_close(NULL);
  loop_end(&loop);
}

/* Errors of a send are counters: the next packet leaves as if nothing had been. */
static void test_errors_are_survived(void **state) {
  (void)state;
  struct tl_poller loop;
  struct end a, b;
  static uint8_t bytes[65000];
  struct tl_udp_counters c;
  assert_int_equal(tl_poller_init(&loop), 0);
  end_open(&loop, &a, "127.0.0.1:0", false);
  end_open(&loop, &b, "127.0.0.1:0", false);
  struct tl_path good = path_to(&b, "127.0.0.1"), bad = good;

  /* Larger than any device takes: segmentation is refused, then each packet alone. */
  int broadcast_refused = 0;
  assert_int_equal(tl_address_parse("255.255.255.255", 9, &bad.remote), 0);
  assert_int_equal(tl_udp_send(a.udp, &(struct tl_burst){bad, bytes, 2400, 1200}), 0);
  tl_udp_counters(a.udp, &c);
  broadcast_refused = (int)(c.send_refused + c.send_unreachable + c.send_other);
  assert_int_equal(broadcast_refused, 2);

  /* Nobody listens there: the kernel answers with ICMP, which must not end anything. */
  struct tl_path nobody = good;
  nobody.remote.port = 1;
  for (int i = 0; i < 3; i++)
    assert_int_equal(tl_udp_send(a.udp, &(struct tl_burst){nobody, bytes, 64, 1200}), 0);

  /* An IPv6 goal from an IPv4 socket is no address of its family. */
  struct tl_path six = good;
  assert_int_equal(tl_address_parse("[2001:db8::1]:9", 9, &six.remote), 0);
  assert_int_equal(tl_udp_send(a.udp, &(struct tl_burst){six, bytes, 64, 1200}), 0);

  bytes[0] = 42;
  assert_int_equal(tl_udp_send(a.udp, &(struct tl_burst){good, bytes, 1200, 1200}), 0);
  run_until(&loop, &b.packets, 1);
  assert_int_equal(b.firsts[0], 42);
  tl_udp_counters(a.udp, &c);
  assert_true(
      c.send_too_big + c.send_refused + c.send_unreachable + c.send_no_buffer + c.send_other >= 3);
  tl_udp_close(a.udp);
  tl_udp_close(b.udp);
  loop_end(&loop);
}

/* A packet that is too large for the device is dropped alone; those around it arrive. */
static void test_too_big(void **state) {
  (void)state;
  struct tl_poller loop;
  struct end a, b;
  static uint8_t bytes[65500];
  struct tl_udp_counters c;
  assert_int_equal(tl_poller_init(&loop), 0);
  end_open(&loop, &a, "127.0.0.1:0", false);
  end_open(&loop, &b, "127.0.0.1:0", false);
  struct tl_path good = path_to(&b, "127.0.0.1");
  /* Loopback's MTU is 65,536, so with 28 bytes of headers and DF this does not fit. */
  assert_int_equal(tl_udp_send(a.udp, &(struct tl_burst){good, bytes, 65500, 65500}), 0);
  tl_udp_counters(a.udp, &c);
  if (c.send_too_big == 0) run_until(&loop, &b.packets, 1); /* a larger MTU here */
  size_t before = b.packets;
  bytes[0] = 9;
  assert_int_equal(tl_udp_send(a.udp, &(struct tl_burst){good, bytes, 1200, 1200}), 0);
  run_until(&loop, &b.packets, before + 1);
  assert_int_equal(b.firsts[before], 9);
  tl_udp_close(a.udp);
  tl_udp_close(b.udp);
  loop_end(&loop);
}

static void test_empty_datagram_is_nothing(void **state) {
  (void)state;
  struct tl_poller loop;
  struct end a;
  assert_int_equal(tl_poller_init(&loop), 0);
  end_open(&loop, &a, "127.0.0.1:0", false);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct sockaddr_storage s;
  socklen_t size = tl_address_to_sockaddr(tl_udp_local(a.udp), false, &s);
  assert_int_equal(sendto(fd, "", 0, 0, (struct sockaddr *)&s, size), 0);
  assert_int_equal(sendto(fd, "x", 1, 0, (struct sockaddr *)&s, size), 1);
  run_until(&loop, &a.packets, 1);
  assert_int_equal(a.packets, 1);
  assert_int_equal(a.firsts[0], 'x');
  close(fd);
  tl_udp_close(a.udp);
  loop_end(&loop);
}

/* One wake-up takes a bounded number of packets, however many wait. */
static void test_turn_is_bounded(void **state) {
  (void)state;
  struct tl_poller loop;
  struct end a, b;
  uint8_t byte[8] = {1};
  assert_int_equal(tl_poller_init(&loop), 0);
  end_open(&loop, &a, "127.0.0.1:0", true);
  end_open(&loop, &b, "127.0.0.1:0", true);
  struct tl_path to = path_to(&b, "127.0.0.1");
  for (size_t i = 0; i < 500; i++)
    assert_int_equal(tl_udp_send(a.udp, &(struct tl_burst){to, byte, 8, 1200}), 0);
  while (b.batches == 0) run_once(&loop);
  assert_true(b.packets <= 256 + 16);
  tl_udp_close(a.udp);
  tl_udp_close(b.udp);
  loop_end(&loop);
}

static void test_close_inside_a_packet(void **state) {
  (void)state;
  struct tl_poller loop;
  struct end a, b;
  uint8_t bytes[4800] = {0};
  assert_int_equal(tl_poller_init(&loop), 0);
  end_open(&loop, &a, "127.0.0.1:0", false);
  end_open(&loop, &b, "127.0.0.1:0", false);
  b.close_on_packet = b.udp;
  assert_int_equal(
      tl_udp_send(a.udp, &(struct tl_burst){path_to(&b, "127.0.0.1"), bytes, 4800, 1200}), 0);
  run_until(&loop, &b.packets, 1);
  assert_int_equal(b.packets, 1);
  assert_int_equal(b.batches, 0);
  tl_udp_close(a.udp);
  loop_end(&loop);
}

/* A full socket keeps the burst, asks for a pause, and says when that is over. */
static void full_socket(bool no_offload) {
  struct tl_poller loop;
  struct end a, b;
  uint8_t bytes[3600] = {1};
  struct tl_udp_counters c;
  assert_int_equal(tl_poller_init(&loop), 0);
  end_open(&loop, &a, "127.0.0.1:0", no_offload);
  end_open(&loop, &b, "127.0.0.1:0", no_offload);
  struct tl_burst burst = {path_to(&b, "127.0.0.1"), bytes, sizeof(bytes), 1200};
  fault.error = EAGAIN;
  fault.count = 2; /* the send, and the first flush */
  assert_int_equal(tl_udp_send(a.udp, &burst), TL_FULL);
  memset(bytes, 0, sizeof(bytes)); /* the buffer is the caller's again */
  assert_int_equal(a.writables, 0);
  run_until(&loop, &a.writables, 1);
  run_until(&loop, &b.packets, 3);
  assert_int_equal(b.firsts[0], 1);
  tl_udp_counters(a.udp, &c);
  assert_int_equal(c.packets_sent, 3);
  assert_int_equal(tl_udp_send(a.udp, &burst), 0);
  tl_udp_close(a.udp);
  tl_udp_close(b.udp);
  loop_end(&loop);
}

static void test_full_socket(void **state) {
  (void)state;
  full_socket(false);
  full_socket(true);
}

/* Each error of a send: counted, survived, and the packets around it arrive. */
static void test_every_error(void **state) {
  (void)state;
  static const int errors[] = {EMSGSIZE, EPERM,  EACCES,       ENETUNREACH, EHOSTUNREACH, ENETDOWN,
                               ENOBUFS,  ENOMEM, ECONNREFUSED, EIO,         EINTR,        EINVAL};
  struct tl_poller loop;
  struct end a, b;
  uint8_t bytes[3600] = {0};
  struct tl_udp_counters c;
  assert_int_equal(tl_poller_init(&loop), 0);
  end_open(&loop, &a, "127.0.0.1:0", true);
  end_open(&loop, &b, "127.0.0.1:0", true);
  struct tl_path to = path_to(&b, "127.0.0.1");
  for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
    size_t before = b.packets;
    fault.error = errors[i];
    fault.count = 1;
    assert_int_equal(tl_udp_send(a.udp, &(struct tl_burst){to, bytes, 3600, 1200}), 0);
    run_until(&loop, &b.packets, before + 2); /* the first of three was refused */
    fault.count = 1;
    assert_int_equal(tl_udp_send(a.udp, &(struct tl_burst){to, bytes, 64, 1200}), 0);
    assert_int_equal(tl_udp_send(a.udp, &(struct tl_burst){to, bytes, 64, 1200}), 0);
    run_until(&loop, &b.packets, before + 3);
  }
  tl_udp_counters(a.udp, &c);
  assert_int_equal(c.send_too_big, 2);
  assert_int_equal(c.send_refused, 4);
  assert_int_equal(c.send_unreachable, 8);
  assert_int_equal(c.send_no_buffer, 4);
  assert_int_equal(c.send_other, 6);
  tl_udp_close(a.udp);
  tl_udp_close(b.udp);
  loop_end(&loop);
}

/* A device that cannot checksum: segmentation is given up, for good, and nothing is lost. */
static void test_segmentation_refused(void **state) {
  (void)state;
  static const int errors[] = {EINVAL, EMSGSIZE, EIO};
  struct tl_poller loop;
  struct end a, b;
  uint8_t bytes[3600] = {0};
  struct tl_udp_counters c;
  assert_int_equal(tl_poller_init(&loop), 0);
  end_open(&loop, &a, "127.0.0.1:0", false);
  end_open(&loop, &b, "127.0.0.1:0", false);
  tl_udp_counters(a.udp, &c);
  struct tl_path to = path_to(&b, "127.0.0.1");
  for (size_t i = 0; c.has_segmentation && i < 3; i++) {
    fault.error = errors[i];
    fault.count = 1;
    fault.only_gso = true;
    assert_int_equal(tl_udp_send(a.udp, &(struct tl_burst){to, bytes, 3600, 1200}), 0);
    run_until(&loop, &b.packets, 3 * (i + 1));
  }
  fault.only_gso = false;
  tl_udp_counters(a.udp, &c);
  assert_false(c.has_segmentation);
  tl_udp_close(a.udp);
  tl_udp_close(b.udp);
  loop_end(&loop);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_burst_with_offload),
      cmocka_unit_test(test_burst_without_offload),
      cmocka_unit_test(test_burst_mixed),
      cmocka_unit_test(test_burst_ipv6),
      cmocka_unit_test(test_ipv4_socket),
      cmocka_unit_test(test_port_is_taken),
      cmocka_unit_test(test_errors_are_survived),
      cmocka_unit_test(test_too_big),
      cmocka_unit_test(test_empty_datagram_is_nothing),
      cmocka_unit_test(test_turn_is_bounded),
      cmocka_unit_test(test_close_inside_a_packet),
      cmocka_unit_test(test_full_socket),
      cmocka_unit_test(test_every_error),
      cmocka_unit_test(test_segmentation_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
