/*
 * Programs in memory behind the node's contract (node/state/port.h): a test hands their calls to the node and looks at what
 * the node wrote, closed or asked for. Nothing happens by itself.
 */
#ifndef TESTS_UNIT_NODE_MEMORY_H
#define TESTS_UNIT_NODE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/state/node.h"

#define MEMORY_REPLIES_MAX 600

struct memory_reply {
  uint64_t id;
  int32_t status;
  size_t size;
  uint8_t *body; /* with a zero behind it */
};

struct tl_port {
  struct tl_program *program;
  struct tl_party self;
  /* what the node said */
  struct memory_reply replies[MEMORY_REPLIES_MAX];
  size_t reply_count;
  size_t welcomes, introductions, connections, closes, forgets, resumes;
  struct tl_end *client, *server, *connected; /* of the last introduce or connect */
  uint32_t closed_channel;
  int closed_code;
  uint64_t closed_begun;
  uint64_t begun_by_node;
  const char *cut;
  /* how it behaves */
  int introduce_result, connect_result;
  uint32_t piece_max; /* 0: large */
  size_t room;        /* writes until TL_FULL */
  bool is_broken;     /* every write fails */
  uint64_t begun;     /* what its page would say */
  uint64_t budget_ns; /* of each call; 0: 5 s */
  uint64_t next_id;
  /* a message under way */
  uint8_t parts[1 << 17];
  size_t parts_size;
  size_t records;
  struct tl_piece last; /* without its bytes, which are in `last_bytes` as far as they fit */
  uint8_t last_bytes[64];
};

extern const struct tl_port_ops memory_ops;

/* A node with usual limits; `limit` NULL: those of a machine with 1 GiB. */
struct tl_node *memory_node(const struct tl_charge *limit);
/* Detaches all of `ports` that are attached, asserts that nothing is charged any more, frees. */
void memory_node_free(struct tl_node *node, struct tl_port *ports, size_t count);

/* Attaches as `uid` and opens channel 0. The result of tl_node_attach(). */
int memory_attach(struct tl_node *node, struct tl_port *port, uint32_t uid);
void memory_detach(struct tl_port *port, uint64_t now);
void memory_port_clear(struct tl_port *port); /* frees what it collected */

/* Sends a call with a map of `args`; the id. */
uint64_t memory_send(struct tl_port *port, uint64_t now, const char *procedure, const void *args,
                     size_t size);
/* The reply to `id`, or NULL. */
const struct memory_reply *memory_reply_to(const struct tl_port *port, uint64_t id);
/* Sends and expects the answer at once: its status. */
int memory_call(struct tl_port *port, uint64_t now, const char *procedure, const void *args,
                size_t size);
/* The same with one text argument. */
int memory_call_text(struct tl_port *port, uint64_t now, const char *procedure, const char *key,
                     const char *value);
uint64_t memory_send_text(struct tl_port *port, uint64_t now, const char *procedure,
                          const char *key, const char *value);
/* The text or body of the last reply. */
const char *memory_text(const struct tl_port *port);

#endif
