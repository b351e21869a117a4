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
 * All of a node's descriptors that matter to a call stand in one epoll set, tl_host_poller(), so that a turn costs one
 * system call however many of them have something. Its driver waits there; then, once a turn,
 *
 *     tl_host_turn()    takes what the set has: what belongs to others goes to them
 *     tl_host_flush()   when all have acted: what was written is shown, and who sleeps is woken
 */
#ifndef TL_NODE_HOST_HOST_H
#define TL_NODE_HOST_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "core/poll.h"
#include "node/state/node.h"

struct tl_host;

/* `listen_fd`: a listening SEQPACKET socket, taken. The node is borrowed and outlives the host. NO_MEMORY, -errno. */
int tl_host_new(struct tl_node *node, int listen_fd, struct tl_host **out_host);

/* Ends all attachments. Accepts NULL; returns NULL. */
struct tl_host *tl_host_free(struct tl_host *host, uint64_t now);

/* A connection that stands already, as if it had been accepted. Taken. */
void tl_host_admit(struct tl_host *host, int fd, uint64_t now);

/* Where the host's descriptors are watched, and others may be. Lives as long as the host. */
struct tl_poller *tl_host_poller(struct tl_host *host);

/* When something is due though nothing happens; TL_NEVER: not before something does. */
uint64_t tl_host_deadline(const struct tl_host *host);

/* Does what is due, and hands out what the last wait of the poller has found: a bounded amount of work. */
void tl_host_turn(struct tl_host *host, uint64_t now);

/* The end of a turn, and of everything else that called the node: what was written goes out. True if a program has
 * ended over it: others have not acted on that yet. */
bool tl_host_flush(struct tl_host *host, uint64_t now);

/* A whole turn without waiting, for who drives a host alone. */
void tl_host_dispatch(struct tl_host *host, uint64_t now);

#endif
