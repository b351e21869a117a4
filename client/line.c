#include "client/line.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

_Static_assert(TL_CONTROL_FDS_MAX == TL_SEQPACKET_FDS_MAX, "a control message is one packet");

void tl_line_init(struct tl_line *l) {
  *l = (struct tl_line){.fd = -1, .watcher = -1};
  tl_seqpacket_init(&l->socket, -1, SIZE_MAX);
}

static void look_whether_behind(struct tl_line *l) {
  __atomic_store_n(&l->is_behind, tl_seqpacket_is_queued(&l->socket), __ATOMIC_RELAXED);
}

void tl_line_close(struct tl_line *l) {
  __atomic_store_n(&l->fd, -1, __ATOMIC_RELAXED);
  tl_lock_take(&l->lock);
  tl_seqpacket_deinit(&l->socket);
  look_whether_behind(l);
  tl_lock_give(&l->lock);
}

static void watch(struct tl_line *l) {
  struct epoll_event e = {.events = EPOLLIN, .data.u64 = l->told};
  if (l->watcher >= 0 && l->fd >= 0) (void)epoll_ctl(l->watcher, EPOLL_CTL_ADD, l->fd, &e);
}

void tl_line_watch(struct tl_line *l, int epoll_fd, uint64_t told) {
  l->watcher = epoll_fd;
  l->told = told;
  watch(l);
}

int tl_line_connect(struct tl_line *l, const struct sockaddr_un *address) {
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  if (connect(fd, (const struct sockaddr *)(const void *)address, sizeof *address) != 0) {
    int code = errno;
    close(fd);
    bool is_nobody = code == ENOENT || code == ECONNREFUSED || code == ENOTDIR;
    return is_nobody ? TULLE_E_NO_NODE : -code;
  }
  tl_lock_take(&l->lock);
  tl_seqpacket_init(&l->socket, fd, SIZE_MAX);
  l->number++;
  tl_lock_give(&l->lock);
  __atomic_store_n(&l->fd, fd, __ATOMIC_RELAXED);
  watch(l);
  return 0;
}

/* A lost message would leave the two sides with different ideas; the end of the connection is one
 * that both understand. */
static void check_sent(struct tl_line *l, int r) {
  if (r < 0 && r != TULLE_E_PEER_GONE) shutdown(l->socket.fd, SHUT_RDWR);
  look_whether_behind(l);
}

void tl_line_say(struct tl_line *l, uint64_t number, const struct tl_control *m) {
  uint8_t bytes[TL_CONTROL_BYTES_MAX];
  size_t size = tl_control_encode(m, bytes);
  tl_lock_take(&l->lock);
  if (l->socket.fd >= 0 && l->number == number) {
    int r = tl_seqpacket_flush(&l->socket);
    if (!r) r = tl_seqpacket_send(&l->socket, bytes, size, NULL, 0);
    check_sent(l, r);
  }
  tl_lock_give(&l->lock);
}

void tl_line_flush(struct tl_line *l) {
  if (!tl_line_is_behind(l)) return;
  tl_lock_take(&l->lock);
  if (l->socket.fd >= 0) check_sent(l, tl_seqpacket_flush(&l->socket));
  tl_lock_give(&l->lock);
}

int tl_line_hear(struct tl_line *l, struct tl_control *out, int out_fds[TL_CONTROL_FDS_MAX]) {
  uint8_t bytes[TL_CONTROL_BYTES_MAX];
  size_t size, count;
  int r = tl_seqpacket_receive(&l->socket, bytes, sizeof bytes, &size, out_fds, &count);
  if (r && r != TULLE_E_LIMIT) return r == TULLE_E_BAD_MESSAGE ? TULLE_E_PROTOCOL : r;
  bool is_message = tl_control_decode(bytes, size, out) == 0;
  if (is_message && (r || tl_control_fds(out) == count)) return r;
  tl_seqpacket_close_fds(out_fds, count);
  return TULLE_E_PROTOCOL;
}
