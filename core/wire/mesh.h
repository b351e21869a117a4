/*
 * What two nodes say to each other on lanes (docs/protocol-mesh.md has each byte).
 *
 * Lane 0 is the nodes' own. Each of its messages has kind TL_MESH_NODE and is one msgpack map with the text
 * key "t" for its type. Every other lane is one channel between two programs; its opener sends OPEN, the other
 * side OPENED or CLOSED, then records of the programs' rings pass both ways as they are, until CLOSED.
 *
 *   lane     kind          body
 *   0        NODE          a map: hello, service, service_gone, catalogue_end, join_request, join_grant,
 *                          join_refused, join_done, trust, bench, member, invite_request, invitation,
 *                          describe, description
 *   channel  1 .. 0x7f     a record of a ring, its kind; flag TL_LANE_MORE as in the ring
 *   channel  OPEN          a map: service, node (of the opener), caller's identity, fingerprint
 *   channel  OPENED        a map: server's identity
 *   channel  CLOSED        a map: code, begun, text; then the sender finishes the lane
 */
#ifndef TL_CORE_WIRE_MESH_H
#define TL_CORE_WIRE_MESH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/limits.h"
#include "core/wire/party.h"
#include "core/wire/service.h"

#define TL_MESH_NODE   0x80
#define TL_MESH_OPEN   0x81
#define TL_MESH_OPENED 0x82
#define TL_MESH_CLOSED 0x83

#define TL_MESH_BYTES_MAX 32768u /* one record of a lane (transport/link/flow.h) */

/* OPEN, OPENED and CLOSED: there may be one under way on each of very many lanes. */
#define TL_MESH_CHANNEL_BYTES_MAX 2048u

/* So much of an interface's text in one description. */
#define TL_MESH_PIECE_BYTES_MAX 16384u

enum tl_mesh_type {
  TL_MESH_HELLO,        /* first in each direction: version range, incarnation, catalogue follows */
  TL_MESH_SERVICE,      /* a service of the sender: new, or changed */
  TL_MESH_SERVICE_GONE, /* it is offered no more */
  TL_MESH_CATALOGUE_END, /* the sender's catalogue is complete up to `generation` */
  TL_MESH_JOIN_REQUEST,  /* joiner: let me in under this name */
  TL_MESH_JOIN_GRANT,    /* inviter: certificate, authority, admission, revocations, in `blob` */
  TL_MESH_JOIN_REFUSED,
  TL_MESH_JOIN_DONE, /* joiner: it is stored */
  TL_MESH_TRUST, /* a newer revocation list (generation 0) or admission secret (of epoch `generation`), in `blob` */
  TL_MESH_BENCH,          /* start your echo program of the benchmarks, unless it runs */
  TL_MESH_MEMBER,         /* the sender knows this member at these addresses */
  TL_MESH_INVITE_REQUEST, /* to the authority: make an invitation for me to hand on */
  TL_MESH_INVITATION,     /* the answer: its token's text in `blob`, or `code` and `text` */
  TL_MESH_DESCRIBE,       /* tell me the interface of your service `name`, from byte `from` on */
  TL_MESH_DESCRIPTION,    /* the answer: a piece of its text in `blob`, or `code` and `text` */
  TL_MESH_CHANNEL_OPEN,   /* body of OPEN */
  TL_MESH_CHANNEL_OPENED,
  TL_MESH_CHANNEL_CLOSED,
  TL_MESH_TYPES,
};

/* One message; only the fields that its type names mean anything. `blob` is borrowed. */
struct tl_mesh_message {
  enum tl_mesh_type type;
  uint16_t version_min; /* hello */
  uint16_t version_max;
  uint64_t incarnation; /* hello: of the sender */
  uint64_t
      generation; /* catalogue_end; trust: admission epoch; requests and their answers: their number */
  uint64_t life;  /* invite_request: ns; 0: the default */
  uint64_t from;  /* describe, description: bytes of the text before it */
  uint64_t size;  /* description: of the whole text */
  int32_t code;   /* join_refused, channel_closed; invitation, description: 0, or why not */
  uint64_t begun; /* channel_closed: calls with ids below it had been begun */
  char name[TL_SERVICE_NAME_BYTES_MAX +
            1];         /* service_gone, channel_open, describe; join_request: the node's */
  char text[128];       /* join_refused, channel_closed: for people */
  uint8_t node[16];     /* member */
  char addresses[512];  /* member: "10.0.0.1:8855 [fe80::1]:8855" */
  bool has_fingerprint; /* channel_open: of the interface that the service must have */
  uint8_t fingerprint[TL_FINGERPRINT_BYTES];
  const uint8_t *blob; /* join_grant, trust, invitation, description */
  size_t blob_size;
  struct tl_service_info service; /* service */
  struct tl_party party;          /* channel_open, channel_opened */
};

/* Returns the size, or 0 if `out` is too small (never with TL_MESH_BYTES_MAX and a blob of at most TL_GRANT_BYTES_MAX). */
size_t tl_mesh_encode(const struct tl_mesh_message *m, uint8_t *out, size_t out_size);

/* 0 or TULLE_E_BAD_MESSAGE. `data` is private memory and outlives `out`. */
int tl_mesh_decode(const void *data, size_t size, struct tl_mesh_message *out);

#endif
