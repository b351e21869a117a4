/*
 * The driver: waits in one epoll set, hands the kernel's events to the objects below, and lets all act once a turn.
 *
 * A call crosses the node twice, and each time the node sleeps before and after, so what a turn costs is what a remote
 * call costs. Programs and sockets therefore stand in the set directly. What no call waits for, signals and child
 * processes, is libuv's: its own set is inside ours, and it runs when something of it is ready (uv_backend_fd).
 *
 * It owns no rule. Who may do what, when something is due, and what happens then, is asked of the objects.
 */
#ifndef TL_NODE_LOOP_H
#define TL_NODE_LOOP_H

#include "node/network/network.h"
#include "node/state/node.h"

struct tl_loop;

/* Sets everything up. `listen_fd` is taken; `network` NULL: programs of this machine only. -errno, TULLE_E_NO_MEMORY. */
int tl_loop_open(struct tl_node *node, int listen_fd, const struct tl_network_config *network,
                 struct tl_loop **out_loop);

/* Serves until the node wants its end, or SIGTERM or SIGINT comes. */
void tl_loop_run(struct tl_loop *loop);

/* Ends all attachments and links; returns NULL. */
struct tl_loop *tl_loop_close(struct tl_loop *loop);

#endif
