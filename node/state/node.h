/*
 * The node as a state machine: programs, services, channels, accounts; no socket, clock, thread or
 * system call.
 *
 * Its host (node/host in the daemon, the simulator, a test) tells it what happens by the functions
 * below and does what it asks through struct tl_port_ops. `now` is nanoseconds of a clock that
 * never goes back. After each turn the host asks tl_node_deadline() and tl_node_wants_end().
 *
 *   registry.h   who serves what, here and elsewhere
 *   router.h     programs, ends of channels, and what happens when one side goes
 *   service.h    the procedures of channel 0
 *   account.h    what each user may have
 *   outbox.h     messages of the node that wait for room in a ring
 */
#ifndef TL_NODE_STATE_NODE_H
#define TL_NODE_STATE_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/list.h"
#include "core/time.h"
#include "node/state/account.h"
#include "node/state/interface.h"
#include "node/state/port.h"
#include "node/state/registry.h"
#include "node/state/router.h"
#include "node/state/service.h"

/* How long an autostarted node stays without a program. */
#define TL_NODE_IDLE_NS (60 * TL_S)

struct tl_node_config {
  struct tl_party self; /* node id, name, incarnation, the daemon's uid, gid and pid; client 0 */
  char node_id_text[48];
  char fabric[TL_NODE_NAME_BYTES_MAX + 1];
  char fabric_id_text[48];
  char version[32];
  uint8_t secret[16];     /* random: the key of the hash tables */
  struct tl_charge limit; /* of one user */
  bool is_local_only;
  bool is_autostarted;
};

/* Counters only grow. */
struct tl_node_counters {
  uint64_t programs; /* attached, ever */
  uint64_t refused;  /* at attach, for their account's sake */
  uint64_t cut;      /* attachments ended because of what the program did */
  uint64_t calls;    /* on channel 0 */
  uint64_t opens;    /* channels between programs */
  uint64_t limits;   /* refusals by an account */
};

#define TL_REMOTE_STATUS_KEYS 9

/* The other nodes, as this one reaches them (node/mesh). Without it every service is here. */
struct tl_remote {
  void *context;
  /* The procedure `open` for an offer of another node. As tl_procedure. */
  int (*open)(void *context, struct tl_request *q, struct tl_offer *offer,
              const struct tl_claim *claim);
  /* The procedure `describe` for one that has an interface: tl_interface_pack() of its text. */
  int (*describe)(void *context, struct tl_request *q, struct tl_offer *offer, uint64_t from);
  /* Writes TL_REMOTE_STATUS_KEYS more keys and values of the procedure `status`. */
  void (*status)(void *context, struct tulle_pack *w);
  const struct tl_procedure_entry *procedures; /* of channel 0, beside the node's own */
  size_t procedure_count;
};

struct tl_node {
  struct tl_remote remote;
  struct tl_node_config config;
  struct tl_accounts accounts;
  struct tl_registry registry;
  struct tl_list programs;
  struct tl_list pending; /* all calls that wait: tl_pending.in_node */
  struct tl_node_counters counters;
  size_t program_count;
  size_t end_count;
  uint64_t started;
  uint64_t last_client; /* number of the youngest program */
  uint64_t deadline;    /* of the next look at `pending` */
  uint64_t idle_at;     /* when an autostarted node ends; TL_NEVER while it has programs */
  int64_t wall_offset;  /* ns from `now` to local wall time, for texts */
  bool wants_end;
  uint8_t call[TL_SERVICE_CALL_BYTES_MAX];   /* the call being handled */
  uint8_t reply[TL_SERVICE_REPLY_BYTES_MAX]; /* and its reply */
};

/* The limits of SECURITY-minded defaults: `memory_bytes` is the machine's memory, `descriptors` what the process may have. */
struct tl_charge tl_node_limit(uint64_t memory_bytes, uint64_t descriptors);

int tl_node_new(const struct tl_node_config *config, uint64_t now, struct tl_node **out_node);
/* All programs are detached. Accepts NULL; returns NULL. */
struct tl_node *tl_node_free(struct tl_node *node);

/* ---- programs ---- */

/* A program wants in: welcomes it and begins its channel 0. `name` is what it calls itself; a text that is no name becomes
 * "?". LIMIT, NO_MEMORY, errors of the port: then it is not in. */
int tl_node_attach(struct tl_node *node, uint64_t now, struct tl_port *port,
                   const struct tl_port_ops *ops, const struct tl_credentials *credentials,
                   const char *name, struct tl_program **out_program);

/* The program is dead, or has been cut: everything of it ends and is given back in this call. Returns NULL. */
struct tl_program *tl_node_detach(struct tl_program *program, uint64_t now);

/* For the host and for far sides: ends the attachment for what the program did. `reason` is a literal. */
void tl_program_cut(struct tl_program *program, const char *reason);

/* ---- channels ---- */

/* Both parties of an introduction, or the party of a connected end, have the channel. */
void tl_node_introduced(struct tl_end *end, uint64_t now);

/* The program says `close` for that number. */
void tl_node_close_said(struct tl_program *program, uint64_t now, uint32_t number);

/* The program wrote a piece for the node. TL_FULL: not taken, it comes again after resume(). */
int tl_node_piece(struct tl_end *end, uint64_t now, const struct tl_piece *piece);

/* What write() refused with TL_FULL fits now. */
void tl_node_writable(struct tl_end *end, uint64_t now);

/* What the program had written before it closed the channel has been passed on. */
void tl_node_left(struct tl_end *end, uint64_t now);

/* The program broke the ring of a connected end: the channel is over. */
void tl_node_broken(struct tl_end *end, uint64_t now);

/* ---- time ---- */

uint64_t tl_node_deadline(const struct tl_node *node); /* TL_NEVER: none */
void tl_node_timeout(struct tl_node *node, uint64_t now);

/* A program with the right to has asked for the node's end. */
static inline bool tl_node_wants_end(const struct tl_node *node) {
  return node->wants_end;
}

#endif
