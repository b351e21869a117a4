/*
 * A hostile program on the control socket, with real memfds and rings: a byte program sends packets in any order, maps
 * what it is given or does not, and writes into its own pages while the node reads them. A second, honest connection must
 * still be served at the end, and nothing may be left.
 *
 *   op, argument, then the op's own bytes
 */
#include <dirent.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/log.h"
#include "core/wire/control.h"
#include "node/host/host.h"
#include "transport/ring/layout.h"

#define MAPS_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct hostile {
  int fd;
  int bell; /* wakes the node; -1 */
  struct {
    void *at;
    size_t size;
  } maps[MAPS_MAX];
  size_t map_count;
};

static int listen_anywhere(void) {
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  TL_ASSERT(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(sa_family_t)) == 0);
  TL_ASSERT(listen(fd, 1) == 0);
  return fd;
}

static void send_control(int fd, const struct tl_control *m) {
  uint8_t bytes[TL_CONTROL_BYTES_MAX];
  size_t size = tl_control_encode(m, bytes);
  (void)!send(fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void keep(struct hostile *h, const struct tl_control *m, const int *fds, size_t count) {
  if (m->type == TL_CONTROL_SEGMENT && count == 1 && h->map_count < MAPS_MAX) {
    size_t size = m->bytes + (m->is_data ? 0 : TL_RING_PAGE_BYTES);
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0);
    if (at != MAP_FAILED) {
      h->maps[h->map_count].at = at;
      h->maps[h->map_count++].size = size;
    }
  }
  if (m->type == TL_CONTROL_CHANNEL && m->channel == 0 && count == 3 && h->bell < 0)
    h->bell = dup(fds[2]);
  for (size_t i = 0; i < count; i++) close(fds[i]);
}

/* Takes what the node says. */
static void receive_all(struct hostile *h) {
  for (;;) {
    uint8_t bytes[TL_CONTROL_BYTES_MAX];
    union {
      struct cmsghdr header;
      char bytes[CMSG_SPACE(TL_CONTROL_FDS_MAX * sizeof(int))];
    } control;
    int fds[TL_CONTROL_FDS_MAX];
    size_t count = 0;
    struct tl_control m;
    struct iovec iov = {bytes, sizeof bytes};
    struct msghdr x = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof control};
    ssize_t n = recvmsg(h->fd, &x, MSG_DONTWAIT);
    if (n <= 0) return;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&x); c; c = CMSG_NXTHDR(&x, c)) {
      count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      memcpy(fds, CMSG_DATA(c), count * sizeof(int));
    }
    TL_ASSERT(tl_control_decode(bytes, (size_t)n, &m) == 0);
    keep(h, &m, fds, count);
  }
}

/* Writes anywhere in what it has mapped, and rings. */
static void poke(struct hostile *h, uint8_t argument, struct tl_reader *r) {
  uint16_t offset = tl_read_u16(r);
  uint8_t bytes[32];
  size_t size = argument % sizeof bytes;
  uint64_t one = 1;
  tl_read_copy(r, bytes, size);
  if (h->map_count == 0) return;
  size_t which = argument / sizeof bytes % h->map_count;
  if (offset + size > h->maps[which].size) return;
  memcpy((uint8_t *)h->maps[which].at + offset, bytes, size);
  if (h->bell >= 0) (void)!write(h->bell, &one, sizeof one);
}

static void step(struct hostile *h, struct tl_reader *r) {
  static uint8_t raw[256];
  uint8_t op = tl_read_u8(r), argument = tl_read_u8(r);
  struct tl_control m = {.segment = argument, .channel = argument >> 4};
  switch (op % 10) {
  case 0:
    tl_read_copy(r, raw, argument);
    (void)!send(h->fd, raw, argument, MSG_NOSIGNAL | MSG_DONTWAIT);
    return;
  case 1:
    m.type = TL_CONTROL_HELLO;
    m.version_min = argument >> 6, m.version_max = argument & 3;
    break;
  case 2:
    m.type = TL_CONTROL_MAPPED;
    break;
  case 3:
    m.type = TL_CONTROL_GROW;
    m.bytes = UINT64_C(1) << (argument & 31);
    break;
  case 4:
    m.type = TL_CONTROL_ATTACHED;
    m.segment = argument & 15;
    break;
  case 5:
    m.type = TL_CONTROL_CLOSE;
    break;
  case 6:
    receive_all(h);
    return;
  default:
    poke(h, argument, r);
    return;
  }
  send_control(h->fd, &m);
}

static void hostile_start(struct hostile *h, struct tl_host *host) {
  int ends[2];
  TL_ASSERT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
  *h = (struct hostile){.fd = ends[0], .bell = -1};
  tl_host_admit(host, ends[1], 0);
}

static void hostile_end(struct hostile *h) {
  close(h->fd);
  if (h->bell >= 0) close(h->bell);
  for (size_t i = 0; i < h->map_count; i++) munmap(h->maps[i].at, h->maps[i].size);
}

static void turn(struct tl_host *host, uint64_t now) {
  for (int i = 0; i < 3; i++) tl_host_dispatch(host, now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const struct tl_control hello = {
      .type = TL_CONTROL_HELLO, .version_min = 1, .version_max = 1};
  static const struct tl_control mapped = {.type = TL_CONTROL_MAPPED, .segment = 1};
  struct tl_node_config config = {.limit = tl_node_limit(UINT64_C(1) << 26, 256)};
  struct tl_reader r = tl_reader_on(data, size);
  struct hostile bad, good;
  struct tl_node *node;
  struct tl_host *host;
  tl_log_set_level((enum tl_log_level)0);
  TL_ASSERT(tl_node_new(&config, 0, &node) == 0);
  TL_ASSERT(tl_host_new(node, listen_anywhere(), &host) == 0);
  hostile_start(&bad, host), hostile_start(&good, host);
  send_control(good.fd, &hello);
  turn(host, 1);
  send_control(good.fd, &mapped);
  for (uint64_t now = 2; tl_reader_left(&r) >= 2 && now < 100; now++) {
    step(&bad, &r);
    turn(host, now);
  }
  turn(host, 1000);
  TL_ASSERT(node->program_count >= 1); /* the good one is */
  receive_all(&good);
  TL_ASSERT(good.bell >= 0);
  hostile_end(&bad), hostile_end(&good);
  turn(host, 2000);
  for (int i = 0; i < TL_RESOURCES; i++) TL_ASSERT(node->accounts.used.amount[i] == 0);
  tl_host_free(host, 3000);
  tl_node_free(node);
  return 0;
}
