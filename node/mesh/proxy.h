/*
 * Channels between a program here and a program on another node: a ring on one side, a lane of a
 * link on the other, and nothing in between but this.
 *
 *     ring --piece--> tl_link_send        the program writes; TL_FULL leaves the record in its ring
 *     ring <--write-- tl_lane_receive     the peer writes; a full ring leaves the record in the lane
 *
 * No record is queued here. A record that does not fit the other side goes in several, all but the last with MORE;
 * how far the present one has come, in each direction, is all the state there is. The class of delivery stands in the kind
 * of each record (core/wire/rpc.h); best effort never waits: what finds no room is dropped and counted.
 *
 * The life of a client's side:  open() sends OPEN -> OPENED -> the program gets its channel -> records -> CLOSED
 * The life of a server's side:  OPEN -> the program gets its channel -> OPENED goes back -> records -> CLOSED
 *
 * Calls that were handed to the link may have run once the link fails: `handed` keeps the highest id of them.
 */
#ifndef TL_NODE_MESH_PROXY_H
#define TL_NODE_MESH_PROXY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/list.h"
#include "node/mesh/gather.h"
#include "node/state/service.h"
#include "transport/link/endpoint.h"

struct tl_mesh_peer;

/* What the peer said at the end. Messages that need not be in order may still be on their way then. */
struct tl_proxy_closing {
  int code; /* 0: it has not said it */
  uint64_t begun;
  char text[128];
};

struct tl_proxy {
  struct tl_mesh_peer *peer;
  struct tl_lane *lane;
  struct tl_end *end;         /* NULL until it is connected */
  struct tl_pending *pending; /* a client's: the call of `open` that waits */
  struct tl_program *program; /* a client's: who waits */
  bool is_client;
  bool is_open;        /* records may pass */
  bool is_inside;      /* the program's next piece continues a message */
  uint32_t out_offset; /* of the program's present piece: handed to the lane */
  uint32_t in_offset;  /* of the lane's present record: written to the ring */
  uint64_t handed;     /* one more than the id of the last call given to the link */
  char service[TL_SERVICE_NAME_BYTES_MAX + 1];
  struct tl_gather gather;
  struct tl_proxy_closing closing;
  struct tl_list in_peer;
};

/* The procedure `open` for an offer of another node: keeps the call and answers it when the channel stands. Returns as
 * tl_procedure: TL_LATER or an error with text. `fingerprint` (may be NULL): of the interface that the service must have. */
int tl_proxy_open(struct tl_request *q, struct tl_mesh_peer *peer, const char *service,
                  const uint8_t *fingerprint);

/* The same for a call that is kept already; it is answered now or later. */
void tl_proxy_go_on(struct tl_pending *pending, struct tl_mesh_peer *peer, const char *service,
                    const uint8_t *fingerprint);

/* The peer opened a lane: its first record will say what for. TULLE_E_NO_MEMORY. */
int tl_proxy_accept(struct tl_mesh_peer *peer, struct tl_lane *lane);

/* What the link says about a proxy's lane. */
void tl_proxy_readable(struct tl_proxy *p, uint64_t now);
void tl_proxy_writable(struct tl_proxy *p, uint64_t now);
void tl_proxy_reset(struct tl_proxy *p, uint64_t now);

/* The link is gone, or silent for too long: ends the channel truthfully. `p` is freed. */
void tl_proxy_lost(struct tl_proxy *p, uint64_t now, int code);

#endif
