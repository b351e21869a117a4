/*
 * The driver: one libuv loop that hands the kernel's events to the objects below and waits.
 *
 * It owns no rule. Who may do what, when something is due, and what happens then, is asked of the objects.
 */
#ifndef TL_NODE_LOOP_H
#define TL_NODE_LOOP_H

#include "node/host/host.h"
#include "node/state/node.h"

/* Serves until the node wants its end, or SIGTERM or SIGINT comes. 0, or -errno of what could not be set up. */
int tl_loop_run(struct tl_node *node, struct tl_host *host);

#endif
