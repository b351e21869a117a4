/* The interface of a running service, as the node tells it. */
#ifndef TL_TOOLS_DESCRIBED_H
#define TL_TOOLS_DESCRIBED_H

#include "core/limits.h"
#include "core/schema/schema.h"
#include "tools/ask.h"

struct tl_described {
  struct tl_schema *schema; /* NULL: the service has no interface */
  char *text;               /* its documented canonical form, with a zero behind it */
  uint8_t fingerprint[TL_SCHEMA_FINGERPRINT_BYTES];
  char node[TL_NODE_NAME_BYTES_MAX + 1];
};

/* Asks for the interface of `service`; `node` "" is any. 0, to be deinited; or a code, with what the node says about it in
 * `why`. A node that is too old to know of interfaces counts as a service without one. */
int tl_described_get(struct tl_ask *a, const char *service, const char *node,
                     struct tl_described *out, char *why, size_t why_size);
void tl_described_deinit(struct tl_described *d);

#endif
