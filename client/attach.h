/* Attaching: making a `struct tulle`, and making sure that it is at a node. */
#ifndef TL_CLIENT_ATTACH_H
#define TL_CLIENT_ATTACH_H

#include "client/attachment.h"

/* The attachment meant by `t`: itself, or for NULL that of the whole process, made now if need be.
 * FORKED, and what tulle_attach() yields. */
int tl_attachment_of(struct tulle *t, struct tulle **out);

/* Makes sure that there is a node, attaching again if need be (and starting one, where that is
 * allowed). DEADLINE, NO_NODE, and what the node refuses with. No lock is held. */
int tl_attachment_ready(struct tulle *t, uint64_t deadline);

/* Frees it, when nothing can use it any more. */
void tl_attachment_free(struct tulle *t);

#endif
