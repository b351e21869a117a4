/*
 * The echo program of the benchmarks, as a child of the node (docs/protocol-node.md): started when a member or
 * a program asks for it, one at a time. It ends by itself when nobody calls it.
 */
#ifndef TL_NODE_NETWORK_ECHO_H
#define TL_NODE_NETWORK_ECHO_H

#include <uv.h>

struct tl_echo;

/* Starts `tulle bench echo` ($TULLE_BIN, else this program) unless *slot runs already. *slot is NULL when none runs;
 * it is set to NULL when the child ends. A child that cannot be started is logged. */
void tl_echo_start(uv_loop_t *loop, struct tl_echo **slot);

/* Ends it; its handle closes in the loop's next turns. NULL does nothing. */
void tl_echo_stop(struct tl_echo **slot);

#endif
