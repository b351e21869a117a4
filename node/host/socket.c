#include "node/host/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct packet {
  struct tl_list link;
  size_t size;
  size_t fd_count;
  int fds[TL_CONTROL_FDS_MAX];
  uint8_t bytes[];
};

void tl_socket_init(struct tl_socket *s, int fd) {
  *s = (struct tl_socket){.fd = fd};
  tl_list_init(&s->queue);
}

static void packet_free(struct packet *p) {
  for (size_t i = 0; i < p->fd_count; i++) close(p->fds[i]);
  free(p);
}

void tl_socket_deinit(struct tl_socket *s) {
  struct tl_list *l;
  while ((l = tl_list_pop_front(&s->queue))) packet_free(tl_container_of(l, struct packet, link));
  s->queued = s->queued_fds = 0;
  if (s->fd >= 0) close(s->fd);
  s->fd = -1;
}

/* ---- sending ---- */

/* 0, TL_FULL, or why it can never be sent. */
static int send_now(int socket, const uint8_t *bytes, size_t size, const int *fds,
                    size_t fd_count) {
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(TL_CONTROL_FDS_MAX * sizeof(int))];
  } control = {0};
  struct iovec iov = {(void *)(uintptr_t)bytes, size};
  struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
  if (fd_count > 0) {
    m.msg_control = &control;
    m.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
    memcpy(CMSG_DATA(c), fds, fd_count * sizeof(int));
  }
  for (;;) {
    if (sendmsg(socket, &m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return 0;
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) return TL_FULL;
    return errno == ETOOMANYREFS ? TULLE_E_LIMIT : TULLE_E_PEER_GONE;
  }
}

static int packet_new(const uint8_t *bytes, size_t size, const int *fds, size_t fd_count,
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

int tl_socket_send(struct tl_socket *s, const struct tl_control *m, const int *fds) {
  uint8_t bytes[TL_CONTROL_BYTES_MAX];
  size_t size = tl_control_encode(m, bytes), fd_count = tl_control_fds(m);
  struct packet *p;
  int r = s->queued ? TL_FULL : send_now(s->fd, bytes, size, fds, fd_count);
  if (r != TL_FULL) return r;
  if (s->queued == TL_SOCKET_QUEUE_MAX) return TULLE_E_LIMIT;
  r = packet_new(bytes, size, fds, fd_count, &p);
  if (r < 0) return r;
  tl_list_push_back(&s->queue, &p->link);
  s->queued++;
  s->queued_fds += p->fd_count;
  return 0;
}

int tl_socket_flush(struct tl_socket *s) {
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

/* Closes whatever descriptors came; true when there were any. */
static bool close_received(struct msghdr *m) {
  bool any = false;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
      int fd;
      memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
      close(fd);
      any = true;
    }
  }
  return any;
}

int tl_socket_receive(struct tl_socket *s, struct tl_control *out_message) {
  uint8_t bytes[TL_CONTROL_BYTES_MAX];
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(TL_CONTROL_FDS_MAX * sizeof(int))];
  } control;
  struct iovec iov = {bytes, sizeof bytes};
  struct msghdr m = {
      .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  ssize_t n;
  do n = recvmsg(s->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  while (n < 0 && errno == EINTR);
  if (n < 0) return errno == EAGAIN || errno == EWOULDBLOCK ? TL_EMPTY : TL_END;
  bool has_fds = close_received(&m);
  if (n == 0 && !has_fds) return TL_END;
  if (has_fds || m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) return TULLE_E_BAD_MESSAGE;
  return tl_control_decode(bytes, (size_t)n, out_message);
}
