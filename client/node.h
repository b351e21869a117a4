/* Calls to the node itself, on channel 0 (docs/protocol-node.md). */
#ifndef TL_CLIENT_NODE_H
#define TL_CLIENT_NODE_H

#include "client/attachment.h"
#include "tulle/call.h"

/*
 * Calls until the node has answered or the deadline has passed: when the node dies meanwhile, the
 * call goes to the next one. So it is for what may be asked twice. Errors: NO_NODE, DEADLINE, the
 * node's.
 */
int tl_node_call(struct tulle *t, const char *procedure, const void *args, size_t args_size,
                 uint64_t deadline, struct tulle_result *out);

/* The same only if there is a node at this moment, and once. */
int tl_node_call_now(struct tulle *t, const char *procedure, const void *args, size_t args_size);

#endif
