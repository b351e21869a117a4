/*
 * Interfaces of services of other nodes. A catalogue has their fingerprints; a text is fetched when somebody wants to read
 * it, or to open a channel with another one.
 *
 *   asker                                       provider
 *     | describe {generation, name, from: 0}       |
 *     |------------------------------------------->| looks the service up, keeps nothing
 *     |   description {generation, from, size, blob: a piece}
 *     |<-------------------------------------------|
 *     | describe {generation, name, from: 16384}   | until it is whole
 *
 * `generation` is the asker's number of the fetch. What came is believed when it is an interface with the fingerprint of the
 * catalogue: whoever sends another one has told nothing. It is then kept by that fingerprint, whoever has sent it.
 *
 * Bounds: a fetch is charged to the program that asked, with all that it may bring; so many are under way for one
 * peer; the texts that are kept have TL_DESCRIBE_KEPT_BYTES_MAX together, the ones longest unused go.
 */
#ifndef TL_NODE_MESH_DESCRIBE_H
#define TL_NODE_MESH_DESCRIBE_H

#include <stddef.h>
#include <stdint.h>

#include "core/list.h"
#include "core/wire/mesh.h"
#include "node/state/interface.h"
#include "node/state/service.h"

struct tl_mesh;
struct tl_mesh_peer;
struct tl_offer;

#define TL_DESCRIBE_KEPT_MAX       32
#define TL_DESCRIBE_KEPT_BYTES_MAX (1u << 20)
#define TL_DESCRIBE_FETCHES_MAX    16 /* of one peer */

struct tl_kept_interface {
  uint8_t fingerprint[TL_FINGERPRINT_BYTES];
  char *text; /* NULL: free */
  size_t size;
  uint64_t used; /* when, in uses */
};

struct tl_describe {
  struct tl_list fetches; /* tl_fetch.in_mesh */
  struct tl_kept_interface kept[TL_DESCRIBE_KEPT_MAX];
  uint64_t uses;
  uint64_t number; /* of the last fetch */
};

void tl_describe_init(struct tl_describe *d);
/* All peers are gone. */
void tl_describe_deinit(struct tl_describe *d);

/* The procedures `describe`, and `open` with another fingerprint than the offer's. As tl_procedure. */
int tl_describe_procedure(struct tl_mesh *mesh, struct tl_request *q, struct tl_offer *offer,
                          uint64_t from);
int tl_describe_open(struct tl_mesh *mesh, struct tl_request *q, struct tl_offer *offer,
                     const struct tl_claim *claim);

/* What came on lane 0 of a link between members. */
void tl_describe_take_request(struct tl_mesh_peer *peer, const struct tl_mesh_message *m);
void tl_describe_take_answer(struct tl_mesh_peer *peer, const struct tl_mesh_message *m);

/* The peer's link is gone. */
void tl_describe_peer_gone(struct tl_mesh_peer *peer);

#endif
