/*
 * Strangers: they know what everybody can see (addresses, ids, the format of packets) and no secret.
 *
 *   flood udp ADDRESS PORT FABRIC_ID NODE_ID RATE SECONDS SEED     RATE packets a second: noise, and what is nearly right; 0
 *                                                                  keeps a processor as busy without sending anything
 *   flood tcp ADDRESS PORT FABRIC_ID NODE_ID COUNT PREFIX SOURCES  COUNT connections from PREFIX.100 and on, which say nothing,
 *                                                                  a byte a second, or a HELLO with a wrong mac
 *
 * Both print how many bytes came back. That is more than none: exit code 1.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/text.h"
#include "core/wire/packet.h"
#include "crypto/identity.h"

#define SECOND    UINT64_C(1000000000)
#define SOCKETS   8
#define BATCH     32
#define CALLS_MAX 4096

static struct sockaddr_in target;
static uint8_t fabric_id[16], node_id[16];
static uint64_t random_state, bytes_back;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static uint64_t draw(void) { /* SplitMix64 */
  uint64_t z = random_state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static void draw_bytes(uint8_t *out, size_t size) {
  for (size_t i = 0; i < size; i++) out[i] = (uint8_t)draw();
}

static void die(const char *what) {
  fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
  exit(2);
}

/* ---- what they send ---- */

static void hello_without_mac(uint8_t out[TL_HANDSHAKE_BYTES]) {
  uint8_t noise[TL_HELLO_NOISE_BYTES], epoch[8] = {1};
  struct tl_packet_hello hello = {.sender_index = (uint32_t)draw(),
                                  .fabric_tag = fabric_id,
                                  .psk_id = epoch,
                                  .responder_id = node_id,
                                  .noise = noise};
  draw_bytes(noise, sizeof noise);
  tl_packet_hello_encode(&hello, out);
  draw_bytes(out + TL_HELLO_MAC1_AT, 16);
  if (draw() % 2) draw_bytes(out + TL_HELLO_MAC2_AT, 16);
}

/* Of one packet in eight nothing is right; of the others the type, the size and the fields that anybody can know are. */
static size_t packet_draw(uint8_t *out) {
  static const uint8_t types[] = {0x01, 0x02, 0x03, 0x04, 0x10, 0x11, 0x12};
  size_t size = TL_HANDSHAKE_BYTES;
  switch (draw() % 8) {
  case 0:
    size = 1 + draw() % 1400;
    draw_bytes(out, size < 64 ? size : 64);
    return size;
  case 1:
  case 2:
  case 3:
    hello_without_mac(out);
    return size;
  default:
    draw_bytes(out, 64);
    out[0] = types[draw() % sizeof types];
    out[1] = out[0] < 0x10;
    out[2] = out[3] = 0;
    if (out[0] == 0x02) size = TL_COOKIE_BYTES;
    if (out[0] >= 0x10) size = 33 + draw() % 1300;
    return size;
  }
}

/* ---- UDP ---- */

static void hear(int fd) {
  uint8_t buffer[2048];
  ssize_t got;
  while ((got = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT)) > 0) bytes_back += (uint64_t)got;
}

static void send_batch(int fd, size_t count) {
  static uint8_t packets[BATCH][1500];
  struct mmsghdr messages[BATCH] = {0};
  struct iovec pieces[BATCH];
  for (size_t i = 0; i < count; i++) {
    pieces[i] = (struct iovec){packets[i], packet_draw(packets[i])};
    messages[i].msg_hdr = (struct msghdr){
        .msg_name = &target, .msg_namelen = sizeof target, .msg_iov = &pieces[i], .msg_iovlen = 1};
  }
  (void)sendmmsg(fd, messages, (unsigned)count, 0); /* a full queue of the interface loses some */
}

static int flood_udp(uint64_t rate, double seconds) {
  int sockets[SOCKETS];
  for (int i = 0; i < SOCKETS; i++)
    if ((sockets[i] = socket(AF_INET, SOCK_DGRAM, 0)) < 0) die("socket");
  uint64_t begin = now_ns(), end = begin + (uint64_t)(seconds * 1e9), sent = 0;
  for (uint64_t now; (now = now_ns()) < end;) {
    uint64_t due = (now - begin) / 1000 * rate / 1000000;
    if (sent >= due) continue; /* with a rate of 0 this is all: a core that is busy */
    size_t count = due - sent < BATCH ? (size_t)(due - sent) : BATCH;
    int fd = sockets[draw() % SOCKETS];
    send_batch(fd, count);
    hear(fd);
    sent += count;
  }
  poll(NULL, 0, 200);
  for (int i = 0; i < SOCKETS; i++) hear(sockets[i]);
  printf("%llu packets in %.1f s, %llu bytes back\n", (unsigned long long)sent, seconds,
         (unsigned long long)bytes_back);
  return bytes_back ? 1 : 0;
}

/* ---- TCP ---- */

struct caller {
  int fd; /* -1: closed */
  bool has_spoken, is_late;
  uint64_t opened_at, spoke_at;
};

static struct caller callers[CALLS_MAX];
static uint64_t longest;

static void caller_open(struct caller *c, const char *prefix, unsigned source) {
  struct sockaddr_in from = {.sin_family = AF_INET};
  char text[32];
  snprintf(text, sizeof text, "%s.%u", prefix, 100 + source);
  inet_pton(AF_INET, text, &from.sin_addr);
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (c->fd < 0 || bind(c->fd, (struct sockaddr *)&from, sizeof from) < 0) die(text);
  if (connect(c->fd, (struct sockaddr *)&target, sizeof target) < 0 && errno != EINPROGRESS)
    die("connect");
  c->opened_at = now_ns();
}

static void caller_close(struct caller *c) {
  uint64_t took = now_ns() - c->opened_at;
  if (took > longest && !c->is_late) longest = took;
  close(c->fd);
  c->fd = -1;
}

/* A listener whose queue is full never hears of a connection that its caller takes for open: a byte tells. */
static void caller_turn(struct caller *c, unsigned kind) {
  uint8_t hello[TL_HANDSHAKE_BYTES], buffer[2048];
  uint64_t now = now_ns();
  if (kind == 0 && !c->is_late && now - c->opened_at > 5 * SECOND) {
    c->is_late = true;
    (void)send(c->fd, "\x01", 1, MSG_NOSIGNAL);
  } else if (kind == 1 && now - c->spoke_at > SECOND) {
    (void)send(c->fd, "\x01", 1, MSG_NOSIGNAL);
    c->spoke_at = now;
  } else if (kind == 2 && !c->has_spoken) {
    hello_without_mac(hello);
    c->has_spoken = send(c->fd, hello, sizeof hello, MSG_NOSIGNAL) > 0;
  }
  ssize_t got = recv(c->fd, buffer, sizeof buffer, 0);
  if (got > 0) bytes_back += (uint64_t)got;
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != ENOTCONN)) caller_close(c);
}

static int flood_tcp(unsigned count, const char *prefix, unsigned sources) {
  unsigned open_now = count;
  if (count > CALLS_MAX || !sources) return 2;
  for (unsigned i = 0; i < count; i++) caller_open(&callers[i], prefix, i % sources);
  printf("open\n");
  fflush(stdout);
  for (uint64_t end = now_ns() + 30 * SECOND; open_now && now_ns() < end;) {
    open_now = 0;
    for (unsigned i = 0; i < count; i++) {
      if (callers[i].fd >= 0) caller_turn(&callers[i], i / sources % 3);
      open_now += callers[i].fd >= 0;
    }
    poll(NULL, 0, 10);
  }
  printf("%u connections, %llu bytes back, %u still open, the last closed after %.2f s\n", count,
         (unsigned long long)bytes_back, open_now, (double)longest / 1e9);
  return bytes_back || open_now ? 1 : 0;
}

int main(int argc, char **argv) {
  if (argc != 9) return 2;
  target = (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)strtoul(argv[3], NULL, 10))};
  if (inet_pton(AF_INET, argv[2], &target.sin_addr) != 1) return 2;
  if (tl_base32_decode(argv[4], strlen(argv[4]), fabric_id, sizeof fabric_id) < 0 ||
      tl_node_id_parse(argv[5], strlen(argv[5]), node_id) < 0)
    return 2;
  if (!strcmp(argv[1], "tcp"))
    return flood_tcp((unsigned)strtoul(argv[6], NULL, 10), argv[7],
                     (unsigned)strtoul(argv[8], NULL, 10));
  random_state = strtoull(argv[8], NULL, 10);
  return flood_udp(strtoull(argv[6], NULL, 10), strtod(argv[7], NULL));
}
