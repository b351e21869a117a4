/*
 * Invitations: made here, or by the authority for a member that may invite.
 *
 * Only the authority's node can admit somebody, so a token always leads to it. A member whose certificate says that it may
 * invite asks it, over their link, to make one:
 *
 *   member                                  authority
 *     | invite_request {generation, life}     |
 *     |-------------------------------------->| has its certificate the flag? then one more invitation
 *     |   invitation {generation, code, text, blob: the token}
 *     |<--------------------------------------|
 *
 * `generation` is the member's number for the request; an answer to another one is too late and is dropped. One request
 * of a node is under way at a time.
 */
#ifndef TL_NODE_MESH_INVITE_H
#define TL_NODE_MESH_INVITE_H

#include <stddef.h>
#include <stdint.h>

#include "core/wire/mesh.h"
#include "crypto/trust.h"
#include "node/state/service.h"
#include "transport/link/endpoint.h"

struct tl_invite {
  struct tl_trust *trust; /* borrowed */
  /* This machine's addresses for a token, the most useful first; returns how many. */
  size_t (*own_addresses)(void *context, struct tl_address *out, size_t max);
  void *own_context;
  struct tl_link *asked;      /* the authority's; NULL: nobody was asked */
  struct tl_pending *pending; /* the call of `invite` that waits for it */
  uint64_t number;            /* of the last request, ... */
  uint64_t life_ns;           /* ... and what it asked for */
};

/* The procedure `invite`. `authority`: the link to its node, or NULL. */
int tl_invite_procedure(struct tl_invite *i, struct tl_request *q, struct tl_link *authority);

/* invite_request and invitation on lane 0 of a link between members. */
void tl_invite_take_request(struct tl_invite *i, struct tl_link *link,
                            const struct tl_mesh_message *m, uint64_t now);
void tl_invite_take_answer(struct tl_invite *i, const struct tl_link *link,
                           const struct tl_mesh_message *m);

/* The link is gone. */
void tl_invite_link_gone(struct tl_invite *i, const struct tl_link *link);

#endif
