/*
 * Endpoints on the virtual network, with the real cryptography, and an oracle that watches them.
 *
 * Every node of a world dials others, keeps dialling them when links end, and (where `traffic` says
 * so) sends numbered messages of all three classes on a lane of each link. The oracle checks at
 * every delivery that a message is one that this peer has sent in this very link, byte for byte,
 * in the order and number that its class promises; and that no key and counter encrypt twice.
 *
 * The members of the fabric are made once a process: what differs from seed to seed is the network,
 * the keys of sessions and everything else that is drawn.
 */
#ifndef TL_TESTS_SIM_WORLD_H
#define TL_TESTS_SIM_WORLD_H

#include "core/time.h"
#include "tests/support/node_fixture.h"
#include "transport/link/endpoint.h"
#include "transport/sim/sim.h"

#define WORLD_NODES_MAX 8
#define WORLD_LINKS_MAX 64 /* live and lately dead ones of one node */

struct world_node;

/* One end of a link, as its owner sees it. What it sends bears its `name`, and nobody else's. */
struct world_link {
  struct tl_link *link; /* NULL: free */
  unsigned peer;
  uint64_t name;
  uint64_t peer_name;  /* what the other end calls itself; 0: nothing has come yet */
  struct tl_lane *out; /* opened by us */
  uint64_t sent[3];    /* by class */
  uint64_t got[3];
  uint8_t *seen[2]; /* a byte for each number of the two classes without order */
  size_t seen_room[2];
};

struct world_node {
  struct world *world;
  unsigned number;
  struct tl_endpoint *endpoint; /* NULL: crashed */
  struct tl_sim_port *port;
  struct tl_address address;
  struct tl_sim_random random;
  uint8_t boot_id[16];
  unsigned reboots;
  struct node_fixture *plays; /* somebody else than the member of this number; NULL: the member */
  bool dials[WORLD_NODES_MAX];
  uint64_t dial_numbers[WORLD_NODES_MAX];
  struct world_link links[WORLD_LINKS_MAX];

  uint64_t ups, downs, unreachables, reachables, refusals, silents, clones, paths;
  uint64_t downs_by[64]; /* by reason */
  int last_reason;
  uint64_t delivered, delivered_bytes;
  uint64_t next_send;
  uint64_t next_dial;

  /* A test that wants to see events itself: they are kept here as well, the newest ones. */
  bool keep_events;
  struct tl_endpoint_event events[64];
  size_t event_count;
};

struct world {
  struct tl_sim *sim;
  struct tl_sim_random random; /* for what happens, apart from the network's own */
  unsigned count;
  struct tl_endpoint_config config; /* of every node; times may be changed before world_start() */
  struct tl_parameters parameters;
  uint64_t traffic_each; /* pause between two messages of a node; 0: none */
  uint64_t last_name;
  struct world_node nodes[WORLD_NODES_MAX];
  uint64_t seed;
};

/* Makes the members of the fabric; call once, and world_fabric_free() at the end. */
void world_fabric_make(void);
void world_fabric_free(void);
struct node_fixture *world_member(unsigned number);

/* `count` nodes at 10.0.0.1 and on, not yet started. */
void world_init(struct world *w, uint64_t seed, unsigned count);
void world_start(struct world *w); /* all nodes */
void world_deinit(struct world *w);

void world_node_start(struct world_node *n);
void world_node_crash(struct world_node *n);

/* From now on `from` wants a link to `to`, and dials again whenever it has none. */
void world_dial(struct world *w, unsigned from, unsigned to);
void world_dial_all(struct world *w);

/* The node moves to another address; those who dial it hear of that, as by an advert. */
void world_rebind(struct world *w, unsigned node, const struct tl_address *address);

/* The live link between two nodes as the first sees it, or NULL. */
struct world_link *world_link_between(struct world *w, unsigned from, unsigned to);
bool world_is_connected(struct world *w, unsigned a, unsigned b);
bool world_all_connected(struct world *w);

/* Runs until `done` or for at most `limit`; true: done. */
bool world_run_until(struct world *w, uint64_t limit, bool (*done)(struct world *w));

/* Sends an ordered message of `size` bytes now; 0 or TL_FULL. */
int world_send(struct world *w, unsigned from, unsigned to, size_t size);

/* True when everything reliable that was sent on live links has arrived. */
bool world_all_delivered(struct world *w);
/* The same, and all are connected. */
bool world_all_settled(struct world *w);

/* The owner closes a link. */
void world_close(struct world_node *n, struct world_link *l);

bool world_paused(const struct world *w); /* somebody is */

/* What each node has, for a person who looks into a seed. */
void world_print(struct world *w);

struct tl_endpoint_counters world_counters(struct world *w, unsigned node);
uint64_t world_now(const struct world *w);

/* The next event kept; 0 or TL_EMPTY. */
int world_take_event(struct world_node *n, struct tl_endpoint_event *out_event);

/* T-06: how many pairs of key and counter have encrypted so far; two of a kind fail the test at once. */
size_t world_ledger_size(void);

/* Fails the run with its seed: for use inside and outside of cmocka. */
void world_fail(const struct world *w, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn));

#define WORLD_CHECK(w, x)                                                                          \
  do {                                                                                             \
    if (!(x)) world_fail((w), "%s:%d: %s", __FILE__, __LINE__, #x);                                \
  } while (0)

#endif
