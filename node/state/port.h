/*
 * The contract between the node and a program: what the node asks of whoever keeps a program's
 * end, and what that one tells the node.
 *
 * The node (node.h) never sees a socket, a segment or a clock. In the daemon node/host stands behind this contract, with a
 * socket, memfds and rings; in the simulator and in tests programs are endpoints in memory. Both
 * directions obey one rule: an operation never calls back. The host calls the node with events;
 * inside such a call the node may use the operations below; they only note, send or queue.
 *
 * A channel has an end at each party, `struct tl_end` (router.h). Two kinds of other ends exist:
 * another program's, and then the node sees no byte of it (`introduce`); and the node itself, for
 * its own service and for channels to other nodes (`connect`, `write`).
 */
#ifndef TL_NODE_STATE_PORT_H
#define TL_NODE_STATE_PORT_H

#include <stdint.h>

#include "core/wire/control.h"

struct tl_end;
struct tl_port; /* a program as its host keeps it */

/* What a ring carries: one record, or, towards the node on channel 0, one whole message. */
struct tl_piece {
  uint64_t sequence; /* of the record; when written: ignored */
  const void *data;  /* borrowed for the call; what a program wrote may still change */
  uint32_t size;
  uint16_t kind;
  uint16_t flags; /* enum tl_record_flag */
};

struct tl_port_ops {
  /* The program is in; `self` is who it is. Comes once, after `connect` of channel 0 has succeeded; the program is told
   * in the other order. */
  void (*welcome)(struct tl_port *port, const struct tl_party *self);

  /* The attachment is over, for the reason given (for the log). The host stops listening to the program and
   * calls tl_node_detach() later, never from inside. */
  void (*cut)(struct tl_port *port, const char *reason);

  /* Makes a channel between two programs. Answered once by tl_node_introduced(client), unless one
   * of the ends is closed or forgotten before. NO_MEMORY, LIMIT, IO, BUSY (the server's program has much to take
   * already): then there is no answer. */
  int (*introduce)(struct tl_end *client, struct tl_end *server);

  /* Makes a channel between a program and the node. Answered by tl_node_introduced(end). */
  int (*connect)(struct tl_end *end);

  /* The channel is over: tells the program. `begun`: its calls with ids below it had been begun, or
   * UINT64_MAX where the other side's page says it. The end is answered for by
   * tl_node_close_said() or the program's death; nothing but `forget` is asked of it any more. */
  void (*close)(struct tl_end *end, int code, uint64_t begun);

  /* The end does not exist any more. Says nothing to the program. */
  void (*forget)(struct tl_end *end);

  /* ---- ends made by `connect` ---- */

  /* The largest piece that fits in one record. */
  uint32_t (*piece_bytes_max)(const struct tl_end *end);

  /* Writes one record. TL_FULL: tl_node_writable() follows. Below 0: the program broke the ring, its end of the attachment follows. */
  int (*write)(struct tl_end *end, const struct tl_piece *piece);

  /* The node takes pieces again, after it had answered TL_FULL. */
  void (*resume)(struct tl_end *end);

  /* The program has closed the channel: passes on what it had written before, then tl_node_left(). NULL: nothing is ever
   * left to be passed on. */
  void (*leave)(struct tl_end *end);

  /* The node begins the call with that id: publishes it, so that the program knows what may have run should the node die. */
  void (*begin)(struct tl_end *end, uint64_t id);

  /* The program says that it has begun all calls with ids below this one. */
  uint64_t (*begun)(const struct tl_end *end);
};

#endif
