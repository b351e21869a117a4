/*
 * How a node comes into a fabric: the inviter's side and the joiner's.
 *
 *   joiner                                  inviter
 *     | XXpsk3 with the token's secret        |
 *     | join_request {name}                   |
 *     |-------------------------------------->| marks the invitation used, on disk
 *     |                   join_grant {blob}   |
 *     |<--------------------------------------|
 *     | stores it, on disk                    |
 *     | join_done                             |
 *     |-------------------------------------->| closes the link
 *     | dials again, as a member              |
 *
 * A link made by an invitation carries these messages and nothing else. One join at a time runs on a node; its caller
 * waits for the link between members, with a deadline of its own.
 *
 * Whoever has a token has a link, until it is admitted: so the inviter keeps one such link for each invitation, the
 * newest, and none for longer than TL_NEWCOMER_NS.
 */
#ifndef TL_NODE_MESH_JOIN_H
#define TL_NODE_MESH_JOIN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/wire/mesh.h"
#include "core/wire/token.h"
#include "node/mesh/gather.h"
#include "node/state/service.h"
#include "transport/link/endpoint.h"

struct tl_mesh;

/* How long a newcomer may take, from its link to `join_done`. */
#define TL_NEWCOMER_NS (30 * TL_S)

/* A newcomer's link, at the inviter. */
struct tl_newcomer {
  struct tl_link *link; /* NULL: free */
  uint64_t until;
};

enum tl_join_phase {
  TL_JOIN_NONE,
  TL_JOIN_DIALLING, /* with the token */
  TL_JOIN_ASKING,   /* the request is sent */
  TL_JOIN_LINKING,  /* a member now: dialling the inviter again */
};

struct tl_join {
  enum tl_join_phase phase;
  struct tl_pending *pending; /* the call of `join`; NULL when its caller stopped waiting */
  struct tl_token token;
  struct tl_address addresses[TL_DIAL_ADDRESSES_MAX];
  size_t address_count;
  uint64_t dial;
  struct tl_link *link;
  struct tl_gather gather; /* of the inviter's words */
  uint64_t began;
  uint64_t deadline;
  uint64_t leave_at; /* the link of the invitation is closed by then, whoever does it */
  bool leave;
};

/* The procedure `join`, with its arguments read. As tl_procedure. */
int tl_join_begin(struct tl_mesh *mesh, struct tl_request *q, const struct tl_token *token,
                  const struct tl_address *addresses, size_t address_count, bool leave);

/* A link of an invitation is up: as the joiner, ask; as the inviter, wait to be asked. */
void tl_join_link_up(struct tl_mesh *mesh, struct tl_link *link, uint64_t now);
void tl_join_link_down(struct tl_mesh *mesh, struct tl_link *link, uint64_t now);

/* Lane 0 of such a link has something. */
void tl_join_readable(struct tl_mesh *mesh, struct tl_link *link, uint64_t now);

/* A dial of a join came to nothing. True if it was one. */
bool tl_join_refused(struct tl_mesh *mesh, uint64_t dial, int reason, uint64_t now);

/* A link between members is up: a join may have waited for it. */
void tl_join_member_up(struct tl_mesh *mesh, struct tl_link *link, uint64_t now);

/* The node ends: whoever waits for a join is told. */
void tl_join_end(struct tl_mesh *mesh, uint64_t now);

void tl_join_timeout(struct tl_mesh *mesh, uint64_t now);
uint64_t tl_join_deadline(const struct tl_mesh *mesh);

#endif
