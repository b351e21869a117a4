/*
 * The driver: one libuv loop that hands the kernel's events to the objects below and waits.
 *
 * It owns no rule. Who may do what, when something is due, and what happens then, is asked of the objects.
 */
#ifndef TL_NODE_LOOP_H
#define TL_NODE_LOOP_H

#include "node/host/host.h"
#include "node/state/node.h"

struct tl_loop;

/* From now on SIGTERM and SIGINT end the loop and not the process. Node and host are borrowed. NO_MEMORY, -errno. */
int tl_loop_new(struct tl_node *node, struct tl_host *host, struct tl_loop **out_loop);
struct tl_loop *tl_loop_free(struct tl_loop *loop);

/* Serves until the node wants its end, or a signal says so. */
void tl_loop_run(struct tl_loop *loop);

#endif
