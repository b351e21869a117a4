/* The procedures of channel 0, by name (docs/protocol-node.md). */
#ifndef TL_NODE_STATE_PROCEDURES_H
#define TL_NODE_STATE_PROCEDURES_H

#include "node/state/service.h"

struct tl_procedure_entry {
  const char *name;
  tl_procedure *run;
  bool is_admin; /* for the node's own user and for root */
};

/* What an offer costs the account of whoever made it: a program's user, or another node. */
struct tl_charge tl_offer_charge(size_t capability_count, size_t interface_bytes);

/* Runs the procedure of that name, if there is one and the caller may. What it returns is the
 * answer: 0, a code, or TL_LATER. */
int tl_procedure_run(struct tl_request *q, const char *name);

#endif
