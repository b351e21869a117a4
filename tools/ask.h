/*
 * Asking the node: attaching, and calls to the node's own service (docs/protocol-node.md), with the complaints
 * that people need when it does not work.
 */
#ifndef TL_TOOLS_ASK_H
#define TL_TOOLS_ASK_H

#include "tools/command.h"
#include "tulle/tulle.h"

/* The name under which every program reaches its own node. */
#define TL_NODE_SERVICE "node"

struct tl_ask {
  const struct tl_command *command;
  struct tulle *tulle;
  struct tulle_channel *node;
};

/* Attaches to the node of this machine and opens the way to its service. 0, or the exit code after a
 * complaint; tl_ask_close() is harmless in both cases. No node is started: that is for programs. */
int tl_ask_open(const struct tl_command *c, struct tl_ask *out);

/* The same, but starts a node where none runs, as a program would. */
int tl_ask_open_or_start(const struct tl_command *c, struct tl_ask *out);
void tl_ask_close(struct tl_ask *a);

/* Calls a procedure of the node; `args` may be NULL. 0 and the result, to be cleared; or the exit code
 * after a complaint that begins with "cannot <what>". */
int tl_ask(struct tl_ask *a, const char *what, const char *procedure, const struct tulle_pack *args,
           uint64_t timeout_ns, struct tulle_result *out);

/* ---- reading results ---- */

/* The text under `key` of the map at `r`, cut to fit; "" if there is none. Returns `out`. */
const char *tl_ask_text(const struct tulle_unpack *r, const char *key, char *out, size_t size);

/* The number, or boolean, under `key`; `otherwise` if there is none. */
uint64_t tl_ask_uint(const struct tulle_unpack *r, const char *key, uint64_t otherwise);
bool tl_ask_bool(const struct tulle_unpack *r, const char *key);

/* An id under `key`, whether it stands there as bytes or as text, for people. Returns `out`. */
const char *tl_ask_id(const struct tulle_unpack *r, const char *key, char *out, size_t size);

#endif
