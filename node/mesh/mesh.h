/*
 * The mesh: this node among the others of its fabric.
 *
 * It joins three state machines that know nothing of each other: the endpoint (links and keys), discovery (whom to
 * dial) and the node (programs and services). Like them it has no socket, clock or thread: the host pushes
 * packets into the endpoint and lines into discovery, calls tl_mesh_turn(), and then sends what the endpoint gives.
 *
 *   peer.h     one linked node: hello, catalogues both ways
 *   proxy.h    channels of programs over lanes
 *   describe.h interfaces of services of other nodes
 *   invite.h   invitations, made here or by the authority for this node
 *   join.h     joining, and what changes in the trust store told to others
 *   service.c  the procedures of channel 0 that are about other nodes
 */
#ifndef TL_NODE_MESH_MESH_H
#define TL_NODE_MESH_MESH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/trust.h"
#include "discovery/discovery.h"
#include "node/mesh/describe.h"
#include "node/mesh/invite.h"
#include "node/mesh/join.h"
#include "node/mesh/peer.h"
#include "node/state/node.h"
#include "transport/link/endpoint.h"

/* Dials for discovery that are under way: its own bound, and those of joins. */
#define TL_MESH_DIALS_MAX (TL_DISCOVERY_DIALS_AT_ONCE_MAX + TL_DISCOVERY_STATIC_MAX)

struct tl_mesh_config {
  struct tl_node *node; /* all are borrowed and outlive the mesh */
  struct tl_identity *identity;
  struct tl_trust *trust;
  struct tl_endpoint *endpoint;
  struct tl_discovery *discovery;
  enum tl_carrier_choice carrier;
  uint16_t port; /* where this node listens */
  tl_label_hash *label_hash;
  /* This machine's addresses for a token, the most useful first; returns how many. */
  size_t (*own_addresses)(void *context, struct tl_address *out, size_t max);
  void *own_context;
};

struct tl_mesh_dial {
  struct tl_discovery_dial wish;
  uint64_t number; /* of the endpoint's dial; 0: free */
};

struct tl_mesh {
  struct tl_mesh_config config;
  struct tl_list peers;        /* tl_mesh_peer.in_mesh: links that are up, between members */
  struct tl_accounts accounts; /* of remote nodes */
  uint32_t last_peer;
  struct tl_mesh_dial dials[TL_MESH_DIALS_MAX];
  size_t dial_count;
  uint64_t
      slow_at; /* when discovery, joins and dials have something to do, as tl_mesh_deadline() found */
  struct tl_join join;
  struct tl_invite invite;
  struct tl_describe describe;
  struct tl_newcomer newcomers[TL_INVITATIONS_MAX];
  uint64_t expire_at; /* not before this: the disk had refused */
  bool has_to_tell;   /* some peer is owed something on lane 0 that it may take now, ... */
  uint64_t told_upto; /* ... or the registry has changed since this generation */
  uint64_t published; /* generation of the registry that was announced, plus one */
  /* Set here, cleared by the host, which starts `tulle bench echo` unless it runs. */
  bool wants_echo;
  uint64_t protocol_faults;
};

/* What the host shall do about TCP connections. */
struct tl_mesh_action {
  bool is_connect; /* else disconnect */
  struct tl_path path;
};

/* Registers the mesh with the node: remote opens and its procedures. TULLE_E_NO_MEMORY. */
int tl_mesh_new(const struct tl_mesh_config *config, struct tl_mesh **out_mesh);
struct tl_mesh *tl_mesh_free(struct tl_mesh *mesh, uint64_t now);

/* Does what endpoint, discovery and node have for each other, until nothing moves, or until the host has to act on a TCP
 * connection: then it returns 0 with the action and wants to be called again. TL_EMPTY: done. */
int tl_mesh_turn(struct tl_mesh *mesh, uint64_t now, struct tl_mesh_action *out_action);

/* When tl_mesh_turn() is due although nothing happened, endpoint and discovery included. To be asked after each turn: what
 * only time brings about is looked at in the turn that this has announced. */
uint64_t tl_mesh_deadline(struct tl_mesh *mesh);

/* Announces this node, its fabric and its capabilities anew. */
void tl_mesh_publish(struct tl_mesh *mesh);

/* The trust store has changed: links that no longer hold end, the others are told. */
void tl_mesh_trust_changed(struct tl_mesh *mesh, uint64_t now);

/* This node is in another fabric, or its fabric has another name. */
void tl_mesh_renamed(struct tl_mesh *mesh, uint64_t now);

#endif
