#include "core/seqpacket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Room for one descriptor more than allowed, so that too many of them differ from a full table. */
#define CONTROL_FDS (TL_SEQPACKET_FDS_MAX + 1)

struct packet {
  struct tl_list link;
  size_t size;
  size_t fd_count;
  int fds[TL_SEQPACKET_FDS_MAX];
  uint8_t bytes[];
};

union control {
  struct cmsghdr header;
  char bytes[CMSG_SPACE(CONTROL_FDS * sizeof(int))];
};

void tl_seqpacket_close_fds(const int *fds, size_t count) {
  for (size_t i = 0; i < count; i++) close(fds[i]);
}

static void packet_free(struct packet *p) {
  tl_seqpacket_close_fds(p->fds, p->fd_count);
  free(p);
}

void tl_seqpacket_init(struct tl_seqpacket *s, int fd, size_t queue_max) {
  *s = (struct tl_seqpacket){.fd = fd, .queue_max = queue_max};
  tl_list_init(&s->queue);
}

void tl_seqpacket_deinit(struct tl_seqpacket *s) {
  for (struct tl_list *l; (l = tl_list_pop_front(&s->queue));)
    packet_free(tl_container_of(l, struct packet, link));
  s->queued = s->queued_fds = 0;
  if (s->fd >= 0) close(s->fd);
  s->fd = -1;
}

/* ---- sending ---- */

static void add_fds(struct msghdr *m, union control *control, const int *fds, size_t count) {
  if (!count) return;
  m->msg_control = control;
  m->msg_controllen = CMSG_SPACE(count * sizeof(int));
  struct cmsghdr *c = CMSG_FIRSTHDR(m);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(count * sizeof(int));
  memcpy(CMSG_DATA(c), fds, count * sizeof(int));
}

/* 0, TL_FULL, or why it can never be sent. */
static int send_now(int socket, const void *bytes, size_t size, const int *fds, size_t fd_count) {
  union control control = {0};
  struct iovec piece = {(void *)(uintptr_t)bytes, size};
  struct msghdr m = {.msg_iov = &piece, .msg_iovlen = 1};
  add_fds(&m, &control, fds, fd_count);
  for (;;) {
    if (sendmsg(socket, &m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return 0;
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) return TL_FULL;
    return errno == ETOOMANYREFS ? TULLE_E_LIMIT : TULLE_E_PEER_GONE;
  }
}

static int packet_new(const void *bytes, size_t size, const int *fds, size_t fd_count,
                      struct packet **out) {
  struct packet *p = malloc(sizeof *p + size);
  if (!p) return TULLE_E_NO_MEMORY;
  p->size = size;
  p->fd_count = 0;
  memcpy(p->bytes, bytes, size);
  for (size_t i = 0; i < fd_count; i++) {
    int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
    if (fd < 0) {
      packet_free(p);
      return TULLE_E_LIMIT;
    }
    p->fds[p->fd_count++] = fd;
  }
  *out = p;
  return 0;
}

int tl_seqpacket_send(struct tl_seqpacket *s, const void *bytes, size_t size, const int *fds,
                      size_t fd_count) {
  struct packet *p;
  TL_ASSERT(fd_count <= TL_SEQPACKET_FDS_MAX);
  int r = s->queued ? TL_FULL : send_now(s->fd, bytes, size, fds, fd_count);
  if (r != TL_FULL) return r;
  if (s->queued >= s->queue_max) return TULLE_E_LIMIT;
  r = packet_new(bytes, size, fds, fd_count, &p);
  if (r < 0) return r;
  tl_list_push_back(&s->queue, &p->link);
  s->queued++;
  s->queued_fds += p->fd_count;
  return 0;
}

int tl_seqpacket_flush(struct tl_seqpacket *s) {
  while (!tl_list_is_empty(&s->queue)) {
    struct packet *p = tl_container_of(s->queue.next, struct packet, link);
    int r = send_now(s->fd, p->bytes, p->size, p->fds, p->fd_count);
    if (r) return r == TL_FULL ? 0 : r;
    tl_list_remove(&p->link);
    s->queued--;
    s->queued_fds -= p->fd_count;
    packet_free(p);
  }
  return 0;
}

/* ---- receiving ---- */

/* Nothing larger than `union control` came. */
static size_t take_fds(struct msghdr *m, int *out) {
  size_t count = 0;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    size_t here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(out + count, CMSG_DATA(c), here * sizeof(int));
    count += here;
  }
  return count;
}

int tl_seqpacket_receive(struct tl_seqpacket *s, void *bytes, size_t room, size_t *out_size,
                         int out_fds[TL_SEQPACKET_FDS_MAX], size_t *out_fd_count) {
  union control control;
  int fds[sizeof control / sizeof(int)]; /* the padding holds descriptors, too */
  struct iovec piece = {bytes, room};
  struct msghdr m = {.msg_iov = &piece,
                     .msg_iovlen = 1,
                     .msg_control = &control,
                     .msg_controllen = sizeof control};
  ssize_t n;
  do n = recvmsg(s->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  while (n < 0 && errno == EINTR);
  if (n < 0) return errno == EAGAIN || errno == EWOULDBLOCK ? TL_EMPTY : TL_END;
  size_t count = take_fds(&m, fds);
  bool is_bad = m.msg_flags & MSG_TRUNC || count > TL_SEQPACKET_FDS_MAX;
  bool is_cut = m.msg_flags & MSG_CTRUNC;
  if (is_bad || is_cut) {
    tl_seqpacket_close_fds(fds, count);
    count = 0;
  }
  if (is_bad) return TULLE_E_BAD_MESSAGE;
  if (n == 0 && count == 0 && !is_cut) return TL_END;
  if (count) memcpy(out_fds, fds, count * sizeof(int));
  *out_size = (size_t)n;
  *out_fd_count = count;
  return is_cut ? TULLE_E_LIMIT : 0;
}
