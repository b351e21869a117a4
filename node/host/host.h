/*
 * The host of local programs: stands between the node (node/state) and the kernel.
 *
 * It accepts programs on the control socket, takes their credentials from the kernel, makes and
 * seals segments, hands descriptors over, reads and writes the rings of channels whose other end is
 * the node, and notices death. Rules of who may do what are the node's; here is only how.
 *
 *   host.c     the epoll set, accepting, turns
 *   port.c     one program: its socket, its control messages, its death
 *   seat.c     a program's end of a channel: introductions, growth, the node's own channels
 *
 * A host is driven like any other object with a descriptor: tl_host_dispatch() when tl_host_fd() polls readable,
 * tl_host_timeout() when tl_host_deadline() has come. Each is one bounded turn and never waits.
 */
#ifndef TL_NODE_HOST_HOST_H
#define TL_NODE_HOST_HOST_H

#include <stdint.h>

#include "node/state/node.h"

struct tl_host;

/* `listen_fd`: a listening SEQPACKET socket, taken. The node is borrowed and outlives the host. NO_MEMORY, -errno. */
int tl_host_new(struct tl_node *node, int listen_fd, struct tl_host **out_host);

/* Ends all attachments. Accepts NULL; returns NULL. */
struct tl_host *tl_host_free(struct tl_host *host, uint64_t now);

/* A connection that stands already, as if it had been accepted. Taken. */
void tl_host_admit(struct tl_host *host, int fd, uint64_t now);

int tl_host_fd(const struct tl_host *host);

/* When something is due though nothing polls readable; TL_NEVER: not before something does. */
uint64_t tl_host_deadline(const struct tl_host *host);

/* Does what is due, and takes what the descriptor has. */
void tl_host_dispatch(struct tl_host *host, uint64_t now);

/* The first half alone: does not ask the kernel. */
void tl_host_timeout(struct tl_host *host, uint64_t now);

/* What the node wrote outside of a dispatch goes out: call it after anything else has called the node. */
void tl_host_flush(struct tl_host *host, uint64_t now);

#endif
