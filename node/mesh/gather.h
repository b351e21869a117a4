/*
 * Messages of nodes on a lane, one by one. They leave whole. They may come in pieces, when the link's credit ran short: those are
 * put together, within a bound. Where a message comes whole, which is nearly always, nothing is copied.
 */
#ifndef TL_NODE_MESH_GATHER_H
#define TL_NODE_MESH_GATHER_H

#include <stddef.h>
#include <stdint.h>

#include "core/wire/mesh.h"
#include "transport/link/endpoint.h"

struct tl_gather {
  uint8_t *bytes; /* NULL: nothing begun; never more than has come */
  size_t size;
};

/* Takes a record. 0 with the whole message, borrowed until the next call; TL_MORE; TULLE_E_TOO_BIG (over `bytes_max`);
 * TULLE_E_BAD_MESSAGE; TULLE_E_NO_MEMORY. */
int tl_gather_push(struct tl_gather *g, size_t bytes_max, const struct tl_lane_record *record,
                   struct tl_mesh_message *out_message);

void tl_gather_deinit(struct tl_gather *g);

/* Sends one message. TL_FULL: try again when the lane is writable. TULLE_E_TOO_BIG; errors of tl_link_send(). */
int tl_mesh_send(struct tl_link *link, struct tl_lane *lane, uint8_t kind,
                 const struct tl_mesh_message *message);

#endif
