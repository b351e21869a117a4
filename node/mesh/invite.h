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

#include <stdint.h>

#include "core/wire/mesh.h"
#include "node/state/service.h"

struct tl_mesh;
struct tl_mesh_peer;

struct tl_invite {
  struct tl_mesh_peer *peer;  /* who was asked; NULL: nobody */
  struct tl_pending *pending; /* the call of `invite`; NULL when its caller stopped waiting */
  uint64_t number;            /* of the last request */
};

/* The procedure `invite`. */
int tl_invite_procedure(struct tl_request *q);

/* invite_request and invitation on lane 0 of a link between members. */
void tl_invite_take_request(struct tl_mesh_peer *peer, const struct tl_mesh_message *m,
                            uint64_t now);
void tl_invite_take_answer(struct tl_mesh_peer *peer, const struct tl_mesh_message *m);

/* The peer's link is gone. */
void tl_invite_peer_gone(struct tl_mesh_peer *peer);

#endif
