/* The procedures of channel 0, by name (docs/protocol-node.md). */
#ifndef TL_NODE_STATE_PROCEDURES_H
#define TL_NODE_STATE_PROCEDURES_H

#include "node/state/service.h"

struct tl_procedure_entry {
  const char *name;
  tl_procedure *run;
  bool is_admin; /* for the node's own user and for root */
};

/* Runs the procedure of that name, if there is one and the caller may. What it returns is the
 * answer: 0, a code, or TL_LATER. */
int tl_procedure_run(struct tl_request *q, const char *name);

#endif
