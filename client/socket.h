/*
 * The program's end of the control socket: whole messages with their descriptors, never blocking.
 *
 * What the node does not take at once waits in an outbox, because a slow node is not a dead one.
 * Receiving belongs to one thread at a time (the attachment's lock); saying may happen anywhere,
 * also under a channel's lock: the outbox has a lock of its own.
 */
#ifndef TL_CLIENT_SOCKET_H
#define TL_CLIENT_SOCKET_H

#include <sys/un.h>

#include "client/lock.h"
#include "core/list.h"
#include "core/wire/control.h"

struct tl_socket {
  int fd;          /* -1: none */
  uint64_t number; /* of the attachment, rising; what is said for an older one is dropped */
  struct tl_lock lock;
  struct tl_list outbox;
  bool is_behind; /* atomic: something is in it */
};

void tl_socket_init(struct tl_socket *s);

/* Closes, forgets the outbox. */
void tl_socket_close(struct tl_socket *s);

/* Connects. Errors: NO_NODE (nobody listens there), AGAIN (its queue is full), -errno. */
int tl_socket_connect(struct tl_socket *s, const struct sockaddr_un *address);

/* Says it in the attachment `number`. A failure shows at the next receive. Any thread. */
void tl_socket_say(struct tl_socket *s, uint64_t number, const struct tl_control *m);

/* Sends what waits. */
void tl_socket_flush(struct tl_socket *s);

/* True while something waits to be sent. Any thread. */
static inline bool tl_socket_is_behind(const struct tl_socket *s) {
  return __atomic_load_n(&s->is_behind, __ATOMIC_RELAXED);
}

/* The next message with its descriptors, tl_control_fds() of them, which are the caller's. TL_EMPTY;
 * TL_END: the node hung up; PROTOCOL; NO_MEMORY. */
int tl_socket_receive(struct tl_socket *s, struct tl_control *out, int out_fds[TL_CONTROL_FDS_MAX]);

#endif
