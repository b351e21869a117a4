/*
 * Programs of simulated nodes: endpoints in memory behind the node's contract (node/state/port.h).
 *
 * An actor is a server, which answers each call with its argument and notes that it ran, or a client, which opens channels to
 * services anywhere, calls, and checks every outcome against what the servers noted:
 *
 *   done              it ran exactly once
 *   PEER_GONE         it did not run
 *   OUTCOME_UNKNOWN   it ran once or not at all
 *   anything else     it ran at most once
 *
 * Operations of the node's contract never call back, so they note what is to do; actor_settle() does it.
 */
#ifndef TL_TESTS_SIM_ACTOR_H
#define TL_TESTS_SIM_ACTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/state/node.h"
#include "transport/sim/sim.h"

#define ACTOR_ENDS_MAX   32
#define ACTOR_QUEUE_MAX  16 /* records towards a program before its ring is full */
#define ACTOR_RECORD_MAX 200
#define ACTOR_CALLS_MAX  8
#define LEDGER_MAX       200000

/* How often each call of a run was executed, by its number. */
struct ledger {
  uint8_t runs[LEDGER_MAX];
  uint32_t calls;
  uint64_t done, gone, unknown, other, violations;
};

struct actor_record {
  uint16_t kind, flags;
  uint32_t size;
  uint8_t bytes[ACTOR_RECORD_MAX];
};

/* One channel of an actor. */
struct actor_end {
  struct tl_end *end;     /* NULL: free */
  struct actor_end *peer; /* introduced: the other program's side, in the same node */
  bool is_introduced;
  bool is_new;     /* tl_node_introduced() is due */
  bool is_closed;  /* `close` was said by the node, and is to be answered */
  bool was_full;   /* the node had TL_FULL and waits for writable */
  bool is_blocked; /* the node takes no more for now */
  int closed_code;
  uint64_t closed_begun;
  uint64_t begun; /* as in a position page */
  struct actor_record queue[ACTOR_QUEUE_MAX];
  size_t queued;
  uint8_t message[4096]; /* of several records */
  size_t message_size;
  struct actor_record out; /* a record that the node did not take yet */
  bool has_out;
};

struct actor_call {
  bool is_used;
  uint32_t number; /* in the ledger */
  uint64_t id;
  uint64_t deadline;
};

struct tl_port {
  struct ledger *ledger;
  struct tl_node *node;
  struct tl_program *program;
  struct tl_sim_random *random;
  bool is_server;
  char service[32];
  struct actor_end ends[ACTOR_ENDS_MAX];
  /* a client's */
  unsigned services; /* "echo-0" .. */
  bool is_opening;
  uint64_t open_deadline;
  uint64_t next_control_id;
  uint64_t next_call_id;
  struct actor_end *channel;
  struct actor_call calls[ACTOR_CALLS_MAX];
  unsigned calls_left; /* on this channel before it is closed */
  uint64_t next_at;
  bool is_stopped; /* begins nothing new */
};

/* Attaches to `node`. */
void actor_start(struct tl_port *a, struct tl_node *node, struct ledger *ledger,
                 struct tl_sim_random *random, uint64_t now);

/* The program dies, or its node does: what was under way ends by what it can know. */
void actor_end(struct tl_port *a, uint64_t now, bool with_node);

/* Does what is due, until nothing moves. True if anything did. */
bool actor_settle(struct tl_port *a, uint64_t now);

uint64_t actor_deadline(const struct tl_port *a);

/* Calls that have no outcome yet. */
unsigned actor_pending(const struct tl_port *a);

#endif
