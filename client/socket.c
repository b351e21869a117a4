#include "client/socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct packet {
  struct tl_list link;
  size_t size;
  uint8_t bytes[];
};

void tl_socket_init(struct tl_socket *s) {
  *s = (struct tl_socket){.fd = -1};
  tl_list_init(&s->outbox);
}

void tl_socket_close(struct tl_socket *s) {
  tl_lock_take(&s->lock);
  if (s->fd >= 0) close(s->fd);
  s->fd = -1;
  for (struct tl_list *l; (l = tl_list_pop_front(&s->outbox));)
    free(tl_container_of(l, struct packet, link));
  __atomic_store_n(&s->is_behind, false, __ATOMIC_RELAXED);
  tl_lock_give(&s->lock);
}

int tl_socket_connect(struct tl_socket *s, const struct sockaddr_un *address) {
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  if (connect(fd, (const struct sockaddr *)(const void *)address, sizeof *address) != 0) {
    int code = errno;
    close(fd);
    bool is_nobody = code == ENOENT || code == ECONNREFUSED || code == ENOTDIR;
    return is_nobody ? TULLE_E_NO_NODE : -code;
  }
  tl_lock_take(&s->lock);
  s->fd = fd;
  s->number++;
  tl_lock_give(&s->lock);
  return 0;
}

/* ---- sending ---- */

static bool is_sent(struct tl_socket *s, const void *bytes, size_t size) {
  ssize_t n;
  do n = send(s->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  /* On any other error the connection is over, which receiving tells. */
  return n >= 0 || (errno != EAGAIN && errno != ENOBUFS);
}

static void flush(struct tl_socket *s) {
  while (!tl_list_is_empty(&s->outbox)) {
    struct packet *p = tl_container_of(s->outbox.next, struct packet, link);
    if (!is_sent(s, p->bytes, p->size)) return;
    tl_list_remove(&p->link);
    free(p);
  }
  __atomic_store_n(&s->is_behind, false, __ATOMIC_RELAXED);
}

static void keep(struct tl_socket *s, const void *bytes, size_t size) {
  struct packet *p = malloc(sizeof *p + size);
  if (!p) {
    /* A lost message would leave the two sides with different ideas; the end of the attachment is
     * one that both understand. */
    shutdown(s->fd, SHUT_RDWR);
    return;
  }
  p->size = size;
  memcpy(p->bytes, bytes, size);
  tl_list_push_back(&s->outbox, &p->link);
  __atomic_store_n(&s->is_behind, true, __ATOMIC_RELAXED);
}

void tl_socket_say(struct tl_socket *s, uint64_t number, const struct tl_control *m) {
  uint8_t bytes[TL_CONTROL_BYTES_MAX];
  size_t size = tl_control_encode(m, bytes);
  tl_lock_take(&s->lock);
  if (s->fd >= 0 && s->number == number) {
    flush(s);
    if (!tl_list_is_empty(&s->outbox) || !is_sent(s, bytes, size)) keep(s, bytes, size);
  }
  tl_lock_give(&s->lock);
}

void tl_socket_flush(struct tl_socket *s) {
  tl_lock_take(&s->lock);
  if (s->fd >= 0) flush(s);
  tl_lock_give(&s->lock);
}

/* ---- receiving ---- */

static size_t take_descriptors(struct msghdr *h, int out_fds[TL_CONTROL_FDS_MAX]) {
  size_t count = 0;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    size_t here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    /* The buffer holds no more than the maximum, so neither does a message. */
    memcpy(out_fds + count, CMSG_DATA(c), here * sizeof(int));
    count += here;
  }
  return count;
}

static void close_descriptors(int *fds, size_t count) {
  for (size_t i = 0; i < count; i++) close(fds[i]);
}

int tl_socket_receive(struct tl_socket *s, struct tl_control *out,
                      int out_fds[TL_CONTROL_FDS_MAX]) {
  uint8_t bytes[TL_CONTROL_BYTES_MAX];
  _Alignas(struct cmsghdr) char control[CMSG_SPACE(TL_CONTROL_FDS_MAX * sizeof(int))];
  struct iovec piece = {bytes, sizeof bytes};
  struct msghdr h = {
      .msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  ssize_t n;
  do n = recvmsg(s->fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  while (n < 0 && errno == EINTR);
  if (n < 0) return errno == EAGAIN ? TL_EMPTY : TL_END;
  size_t count = take_descriptors(&h, out_fds);
  if (n == 0 && count == 0) return TL_END;
  bool is_cut = h.msg_flags & (MSG_TRUNC | MSG_CTRUNC);
  if (!is_cut && tl_control_decode(bytes, (size_t)n, out) == 0 && tl_control_fds(out) == count)
    return 0;
  close_descriptors(out_fds, count);
  return TULLE_E_PROTOCOL;
}
