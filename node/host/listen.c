#include "node/host/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/wire/control.h"

#define NAME_NEW TL_LISTEN_NAME ".new"
#define BACKLOG  128

static int address_of(const char *path, const char *name, struct sockaddr_un *out) {
  *out = (struct sockaddr_un){.sun_family = AF_UNIX};
  int n = snprintf(out->sun_path, sizeof out->sun_path, "%s/%s", path, name);
  return n < 0 || (size_t)n >= sizeof out->sun_path ? TULLE_E_TOO_BIG : 0;
}

/* Under a name that nobody looks for, so that it is seen only when all is right with it. */
static int bind_new(int fd, int directory_fd, const char *path, unsigned mode) {
  struct sockaddr_un a;
  int r = address_of(path, NAME_NEW, &a);
  if (r < 0) return r;
  unlinkat(directory_fd, NAME_NEW, 0);
  if (bind(fd, (struct sockaddr *)&a, sizeof a) || fchmodat(directory_fd, NAME_NEW, mode, 0) ||
      listen(fd, BACKLOG) || renameat(directory_fd, NAME_NEW, directory_fd, TL_LISTEN_NAME))
    return -errno;
  return 0;
}

int tl_listener_open(int directory_fd, const char *path, unsigned mode, struct tl_listener *out) {
  struct stat s;
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  int r = bind_new(fd, directory_fd, path, mode);
  if (r == 0 && fstatat(directory_fd, TL_LISTEN_NAME, &s, AT_SYMLINK_NOFOLLOW)) r = -errno;
  if (r < 0) {
    close(fd);
    return r;
  }
  *out = (struct tl_listener){fd, directory_fd, s.st_ino};
  return 0;
}

void tl_listener_remove(const struct tl_listener *l) {
  struct stat s;
  if (fstatat(l->directory_fd, TL_LISTEN_NAME, &s, AT_SYMLINK_NOFOLLOW) == 0 &&
      s.st_ino == l->inode)
    unlinkat(l->directory_fd, TL_LISTEN_NAME, 0);
}

/* ---- taking over ---- */

static int connect_to(const char *path, int timeout_ms, uint32_t *out_pid) {
  struct timeval patience = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
  struct sockaddr_un a;
  struct ucred c;
  socklen_t size = sizeof c;
  if (address_of(path, TL_LISTEN_NAME, &a) < 0) return -1;
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (connect(fd, (struct sockaddr *)&a, sizeof a)) {
    close(fd);
    return -1;
  }
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &size) == 0) *out_pid = (uint32_t)c.pid;
  return fd;
}

bool tl_listener_answers(const char *path) {
  uint32_t pid;
  int fd = connect_to(path, 0, &pid);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

enum tl_takeover tl_listener_take_over(const char *path, int timeout_ms, uint32_t *out_pid) {
  static const struct tl_control ask = {.type = TL_CONTROL_TAKEOVER,
                                        .version_min = TL_CONTROL_VERSION_MIN,
                                        .version_max = TL_CONTROL_VERSION_MAX};
  uint8_t bytes[TL_CONTROL_BYTES_MAX];
  *out_pid = 0;
  int fd = connect_to(path, timeout_ms, out_pid);
  if (fd < 0) return TL_TAKEOVER_NOBODY;
  struct pollfd p = {.fd = fd, .events = POLLIN};
  ssize_t n = send(fd, bytes, tl_control_encode(&ask, bytes), MSG_NOSIGNAL);
  if (n > 0)
    n = poll(&p, 1, timeout_ms) == 1 ? recv(fd, bytes, sizeof bytes, MSG_DONTWAIT)
                                     : 1; /* it is there and says nothing */
  close(fd);
  return n > 0 ? TL_TAKEOVER_REFUSED : TL_TAKEOVER_GIVEN;
}
