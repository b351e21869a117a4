/*
 * The control protocol: what program and node say to each other on the Unix SEQPACKET socket.
 *
 * One packet is one message: a msgpack map with the text key "t" for its type, within
 * TL_CONTROL_BYTES_MAX, and the descriptors named below as one SCM_RIGHTS. It carries attaching,
 * descriptors and death, nothing else; everything else is a call on channel 0, whose other end is
 * the node (docs/protocol-node.md). A malformed message, one that does not fit the state it
 * arrives in, or a wrong number of descriptors ends the attachment. docs/protocol-control.md has
 * each byte.
 *
 *   direction  type      fields                              descriptors
 *   P -> N     hello     min max name                        -
 *   N -> P     welcome   max (chosen) fabric + own identity  -
 *   N -> P     refused   code min max text                   -
 *   N -> P     segment   segment channel bytes data          memfd, to be mapped for writing
 *   P -> N     mapped    segment                             -
 *   N -> P     channel   channel segment bytes role name     peer's memfd, the eventfd that wakes me,
 *                        + the peer's identity               the eventfd that wakes the peer
 *   P -> N     grow      channel bytes                       -
 *   N -> P     grown     channel segment bytes peer          peer: memfd of the peer's new data
 *   P -> N     attached  channel segment                     -
 *   N -> P     closed    channel code begun                  -
 *   P -> N     close     channel                             -
 *   N -> N     takeover  min max                             -
 *
 * Numbers. Channels are numbered for each program, from 0 (its node), rising; segments for each
 * program that writes them, from 1, rising. No number is used twice in one attachment. A data
 * segment's number is the one that a SWITCH record names (docs/protocol-ring.md).
 *
 * Opening a channel: each party gets `segment` for its own writing, maps it, says `mapped`; the
 * node seals both against further writers and sends each party `channel` with the other's segment.
 * Channel 0 is opened so after `welcome`. A party may be told `closed` at any point of it.
 *
 * Growth: a writer asks `grow`; it gets `segment` (data = true), says `mapped`; the node seals and
 * sends the reader `grown` (peer = true) with the new memory; the reader maps it and says
 * `attached`; the node tells the writer `grown` (peer = false), and only now the writer's next
 * record may be a SWITCH to it. A refusal is `grown` with segment 0: the channel stays as it is.
 * One growth at a time for each writer.
 *
 * Closing: whoever wants to, says `close` and is done with the channel; the other party is told
 * `closed`, unmaps and answers `close`, which gives the number and the memory back. Until then the
 * channel counts in the accounts of those who have not said `close`. A `close` for a channel that
 * is not there any more is passed over, because the two may cross.
 *
 * A node that is started while one that a program started (autostarted) holds the socket says
 * `takeover` instead of `hello`: the old node gives way, which its hang-up tells, or answers `refused` (BUSY).
 */
#ifndef TL_CORE_WIRE_CONTROL_H
#define TL_CORE_WIRE_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/limits.h"
#include "core/wire/party.h"

#define TL_CONTROL_VERSION_MIN 1
#define TL_CONTROL_VERSION_MAX 1

enum tl_control_type {
  TL_CONTROL_HELLO,
  TL_CONTROL_WELCOME,
  TL_CONTROL_REFUSED,
  TL_CONTROL_SEGMENT,
  TL_CONTROL_MAPPED,
  TL_CONTROL_CHANNEL,
  TL_CONTROL_GROW,
  TL_CONTROL_GROWN,
  TL_CONTROL_ATTACHED,
  TL_CONTROL_CLOSED,
  TL_CONTROL_CLOSE,
  TL_CONTROL_TAKEOVER,
  TL_CONTROL_TYPES,
};

enum tl_channel_role { TL_ROLE_CLIENT = 0, TL_ROLE_SERVER = 1 };

/* One message; only the fields that its type names (see the table above) mean anything. */
struct tl_control {
  enum tl_control_type type;
  uint16_t version_min; /* hello, refused */
  uint16_t version_max; /* hello, refused; welcome: the version chosen */
  int32_t code;         /* refused, closed: a TULLE_E_* code */
  uint32_t channel;
  uint32_t segment; /* the node's number for a segment; in `channel`: the receiver's own segment */
  uint64_t bytes;   /* segment: size of the data area; grow: wanted size; channel: data area of the
                       peer's segment */
  bool is_data;     /* segment: a data segment without position page */
  bool is_peer;     /* grown: descriptor attached, the receiver reads from it */
  enum tl_channel_role role;
  uint64_t
      begun; /* closed: calls of the receiver with ids below it had been begun; 2^64-1: only the peer's page knows */
  char name[TL_SERVICE_NAME_BYTES_MAX + 1]; /* hello: program; channel: service */
  char fabric[TL_NODE_NAME_BYTES_MAX + 1];  /* welcome */
  char text[128];                           /* refused: for people */
  struct tl_party party; /* welcome: the program itself; channel: the other side */
};

/* How many descriptors go with a message. */
size_t tl_control_fds(const struct tl_control *m);

/* Returns the size of the packet (never above TL_CONTROL_BYTES_MAX). */
size_t tl_control_encode(const struct tl_control *m, uint8_t out[TL_CONTROL_BYTES_MAX]);

/* 0 or TULLE_E_BAD_MESSAGE. `data` is private memory. Unknown keys are passed over, unknown types
 * refused. */
int tl_control_decode(const void *data, size_t size, struct tl_control *out);

#endif
