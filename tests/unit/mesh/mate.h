/*
 * A node under test and its mates: members (or newcomers) of its fabric that say on a link whatever a test wants.
 *
 * The node is whole: state, mesh, endpoint, discovery and trust store, with programs in memory. A mate is an endpoint and a
 * trust store, and the test is its owner: it holds real keys and completes real handshakes, and lies above them. Both
 * stand on a network of virtual time without faults.
 */
#ifndef TESTS_UNIT_MESH_MATE_H
#define TESTS_UNIT_MESH_MATE_H

#include "core/wire/mesh.h"
#include "node/mesh/mesh.h"
#include "node/mesh/proxy.h"
#include "tests/support/node_fixture.h"
#include "tests/unit/node/memory.h"
#include "transport/sim/sim.h"

#define MATES    3
#define PROGRAMS 3

#define MATES_BUDGET_NS (20 * TL_S) /* of each call of a program */

struct mates;

struct mate {
  struct mates *world;
  struct node_fixture fixture;
  struct tl_sim_port *port;
  struct tl_address address;
  struct tl_endpoint *endpoint;
  struct tl_link *link; /* to the node; NULL: none */
  unsigned ups, downs, refusals;
  int down_reason;
  struct tl_lane *opened; /* by the node, the newest; NULL: none, or over */
  unsigned opens, resets;
  uint32_t reset_code;
};

struct mates {
  struct tl_sim *sim;
  struct node_fixture fixture; /* the node's; it is the authority unless a mate is */
  struct tl_sim_port *port;
  struct tl_address address;
  struct tl_node *node;
  struct tl_endpoint *endpoint;
  struct tl_discovery *discovery;
  struct tl_mesh *mesh;
  struct tl_port *programs; /* of the node: memory.h */
  struct mate mates[MATES];
};

/* The node, its programs attached, and mates who are nobody yet. */
void mates_init(struct mates *w);
void mates_deinit(struct mates *w);

/* A cmocka test's state is a `struct mates`. */
int mates_setup(void **state);
int mates_teardown(void **state);

uint64_t mates_now(const struct mates *w);
void mates_run(struct mates *w, uint64_t duration);

/* The mate is a member now, and has a link to the node; both have said hello. */
struct mate *mate_link(struct mates *w, unsigned number);
/* The same without a word of the mate's on it. */
struct mate *mate_link_silent(struct mates *w, unsigned number);
/* With a token, as a newcomer. */
struct mate *mate_knock(struct mates *w, unsigned number, const struct tl_token *token);

/* The mate's endpoint does what it has to. */
void mate_turn(struct mate *m);

/* On lane 0. */
void mate_say(struct mate *m, const struct tl_mesh_message *message);
void mate_hello(struct mate *m);
void mate_offer(struct mate *m, const char *service);
/* Bytes as they are on any lane; 0 or TL_FULL. */
int mate_write(struct mate *m, struct tl_lane *lane, uint8_t kind, uint8_t flags, const void *bytes,
               size_t size);
int mate_write_message(struct mate *m, struct tl_lane *lane, uint8_t kind,
                       const struct tl_mesh_message *message);
struct tl_lane *mate_lane(struct mate *m, uint64_t number);
/* A lane of the mate's, with OPEN said on it where `service` is not NULL. */
struct tl_lane *mate_open(struct mate *m, const char *service);

/* The next record on a lane, released at once; its kind, or -1 for none, -2 for the end. */
int mate_read(struct mate *m, struct tl_lane *lane, uint8_t *out, size_t *out_size);
/* Reads until a message of that type is there. False: it is not. */
bool mate_hear(struct mate *m, struct tl_lane *lane, enum tl_mesh_type type,
               struct tl_mesh_message *out);

/* The node's programs. */
void program_serve(struct mates *w, unsigned program, const char *service);
/* What the registry has: NULL, or the mate's offer. */
struct tl_offer *mates_offer(const struct mates *w, const char *service);
size_t mates_proxies(const struct mates *w);

#endif
