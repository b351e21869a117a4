/*
 * One linked node, as a place of the registry: what it offers, and what it has been told of our offers.
 *
 * Lane 0 carries messages of core/wire/mesh.h in both directions. Telling is pulled, not queued: `told` is the
 * generation of our registry up to which the peer knows; as long as the lane takes messages and `told` is behind, the
 * next change is looked up and sent. So a peer that does not read costs nothing but its place.
 */
#ifndef TL_NODE_MESH_PEER_H
#define TL_NODE_MESH_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/list.h"
#include "core/wire/mesh.h"
#include "node/mesh/gather.h"
#include "node/state/registry.h"
#include "transport/link/endpoint.h"

struct tl_mesh;
struct tl_account;

struct tl_mesh_peer {
  struct tl_mesh *mesh;
  struct tl_link *link;
  struct tl_lane *lane; /* lane 0 */
  struct tl_place place;
  struct tl_account *account; /* what its channels take of this node */
  struct tl_list in_mesh;
  struct tl_list proxies;  /* tl_proxy.in_peer */
  struct tl_gather gather; /* of lane 0 */
  uint64_t incarnation;    /* as it says */
  uint64_t up_since;
  uint64_t told;          /* our generation that it knows */
  uint64_t told_from;     /* our generation at the hello: what had ended before need not be told */
  uint64_t loose_dropped; /* best-effort messages that found no room here */
  bool is_over_full;      /* it offers more than its account holds, and that was logged */
  bool has_hello;         /* came */
  bool has_said_hello;
  bool owes_end;       /* `catalogue_end` is to be sent */
  bool owes_trust;     /* the revocation list is to be sent */
  bool owes_admission; /* and the admission secret */
  bool owes_members;   /* the addresses of the others */
  char path[8];
};

/* A link between members is up. TULLE_E_NO_MEMORY. */
int tl_mesh_peer_new(struct tl_mesh *mesh, struct tl_link *link, uint64_t now,
                     struct tl_mesh_peer **out_peer);

/* Its services are gone, its channels end with `code`. Returns NULL. */
struct tl_mesh_peer *tl_mesh_peer_free(struct tl_mesh_peer *peer, uint64_t now, int code,
                                       const char *reason);

/* Sends what is owed, as far as lane 0 takes it. TL_EMPTY: nothing is owed any more; TL_FULL: the rest when there is
 * something of lane 0 to hear; TULLE_E_NO_MEMORY and the like: the rest another time. */
int tl_mesh_peer_tell(struct tl_mesh_peer *peer, uint64_t now);

/* Takes what came on lane 0. TULLE_E_PROTOCOL: the link must end. */
int tl_mesh_peer_readable(struct tl_mesh_peer *peer, uint64_t now);

/* The link is silent, or heard again: its services cannot, or can, be called. */
void tl_mesh_peer_set_reachable(struct tl_mesh_peer *peer, uint64_t now, bool is_reachable);

/* Path and round-trip time, for listings and nearness. */
void tl_mesh_peer_refresh(struct tl_mesh_peer *peer, uint64_t now);

#endif
