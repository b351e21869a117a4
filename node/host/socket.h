/*
 * The control socket of one program: packets with descriptors, both ways, never waiting.
 *
 * What the program does not take is queued, with the descriptors, up to TL_SOCKET_QUEUE_MAX
 * packets; more than that says that it does not read, and ends it. What it sends is read whole or
 * refused: no packet of a program carries a descriptor, so any that comes is closed and refused.
 */
#ifndef TL_NODE_HOST_SOCKET_H
#define TL_NODE_HOST_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/limits.h"
#include "core/list.h"
#include "core/wire/control.h"

#define TL_SOCKET_QUEUE_MAX 64

struct tl_socket {
  int fd; /* SEQPACKET, non-blocking */
  struct tl_list queue;
  size_t queued;
  size_t queued_fds; /* held for packets in the queue */
};

/* Takes `fd`. */
void tl_socket_init(struct tl_socket *s, int fd);
void tl_socket_deinit(struct tl_socket *s);

/*
 * Sends or queues one message with its descriptors, which stay the caller's. TULLE_E_LIMIT: the
 * queue is full, or the kernel holds too many descriptors on their way; TULLE_E_PEER_GONE;
 * NO_MEMORY.
 */
int tl_socket_send(struct tl_socket *s, const struct tl_control *m, const int *fds);

/* The socket is writable again. 0 or as above. */
int tl_socket_flush(struct tl_socket *s);

static inline bool tl_socket_is_queued(const struct tl_socket *s) {
  return s->queued > 0;
}

/* The next message. TL_EMPTY; TL_END (hung up); BAD_MESSAGE (not a message, too long, or with descriptors). */
int tl_socket_receive(struct tl_socket *s, struct tl_control *out_message);

#endif
