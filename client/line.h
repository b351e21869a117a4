/*
 * The line to the node: the program's end of the control socket, never blocking.
 *
 * What the node does not take at once waits, because a slow node is not a dead one. Hearing belongs
 * to one thread at a time (the attachment's lock); saying may happen anywhere, also under a
 * channel's lock: it has a lock of its own.
 */
#ifndef TL_CLIENT_LINE_H
#define TL_CLIENT_LINE_H

#include <sys/un.h>

#include "client/lock.h"
#include "core/seqpacket.h"
#include "core/wire/control.h"

struct tl_line {
  struct tl_seqpacket socket;
  int fd;              /* atomic: its descriptor, for those who wait; -1: none */
  uint64_t number;     /* of the connection, rising; what is said for an older one is dropped */
  int watcher;         /* an epoll that each connection is put into, or -1 */
  uint64_t told;       /* what that one says of it */
  struct tl_lock lock; /* a leaf: guards sending */
  bool is_behind;      /* atomic: something waits to be sent */
};

void tl_line_init(struct tl_line *l);

/* Closes, forgets what was not sent. */
void tl_line_close(struct tl_line *l);

/* Connects. Errors: NO_NODE (nobody listens there), AGAIN (its queue is full), -errno. */
int tl_line_connect(struct tl_line *l, const struct sockaddr_un *address);

/* Has an epoll say `told` of this connection and all that follow. */
void tl_line_watch(struct tl_line *l, int epoll_fd, uint64_t told);

/* Says it in the connection of that number. A failure shows at the next hearing. Any thread. */
void tl_line_say(struct tl_line *l, uint64_t number, const struct tl_control *m);

/* Sends what waits. */
void tl_line_flush(struct tl_line *l);

/* True while something waits to be sent. Any thread. */
static inline bool tl_line_is_behind(const struct tl_line *l) {
  return __atomic_load_n(&l->is_behind, __ATOMIC_RELAXED);
}

/* The next message with its descriptors, tl_control_fds() of them, which are the caller's. TL_EMPTY;
 * TL_END: the node hung up; LIMIT: a message whose descriptors are lost, because this process has no
 * room for them; PROTOCOL. */
int tl_line_hear(struct tl_line *l, struct tl_control *out, int out_fds[TL_CONTROL_FDS_MAX]);

#endif
