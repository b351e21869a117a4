/*
 * One end of a SEQPACKET socket: whole packets with their descriptors, both ways, never waiting.
 *
 * What the other side does not take at once is queued, with duplicates of the descriptors. Every
 * descriptor that comes is either handed to the caller or closed. Not for two threads at once.
 */
#ifndef TL_CORE_SEQPACKET_H
#define TL_CORE_SEQPACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/list.h"

/* Descriptors of one packet. */
#define TL_SEQPACKET_FDS_MAX 4

struct tl_seqpacket {
  int fd; /* non-blocking; -1: none */
  size_t queue_max;
  struct tl_list queue;
  size_t queued;
  size_t queued_fds; /* held for packets in the queue */
};

/* Takes `fd`, which may be -1. More than `queue_max` packets are never queued. */
void tl_seqpacket_init(struct tl_seqpacket *s, int fd, size_t queue_max);

/* Closes, and forgets the queue. May be called twice. */
void tl_seqpacket_deinit(struct tl_seqpacket *s);

/*
 * Sends or queues one packet; the descriptors stay the caller's. TULLE_E_LIMIT: the queue is full, or
 * this process or the kernel holds too many descriptors; TULLE_E_PEER_GONE; NO_MEMORY.
 */
int tl_seqpacket_send(struct tl_seqpacket *s, const void *bytes, size_t size, const int *fds,
                      size_t fd_count);

/* Sends what is queued, as far as it goes. 0, or as above. */
int tl_seqpacket_flush(struct tl_seqpacket *s);

static inline bool tl_seqpacket_is_queued(const struct tl_seqpacket *s) {
  return s->queued > 0;
}

/*
 * The next packet, of at most `room` bytes; its descriptors are the caller's. TL_EMPTY; TL_END: hung
 * up; BAD_MESSAGE: longer than `room`, or more descriptors than there may be; LIMIT: a packet whose
 * descriptors are lost, because this process has no room for them.
 */
int tl_seqpacket_receive(struct tl_seqpacket *s, void *bytes, size_t room, size_t *out_size,
                         int out_fds[TL_SEQPACKET_FDS_MAX], size_t *out_fd_count);

/* Closes descriptors. */
void tl_seqpacket_close_fds(const int *fds, size_t count);

#endif
