/*
 * Frames: what stands inside an authenticated packet (docs/protocol-frames.md).
 *
 * A packet's payload is a row of frames without gaps. Each begins with one type byte, then come
 * varints (v, RFC 9000 section 16) and bytes:
 *
 *   0x00 PAD             (nothing)                     one byte of filling
 *   0x01 PING            (nothing)                     asks for an acknowledgement
 *   0x02 ACK             epoch v, channel v, largest v, delay_us v, more v, first v,
 *                        then `more` times: gap v, length v
 *   0x03 RESET           lane v, reason v, charged v   both directions of the lane end now
 *   0x04 CREDIT          lane v, bytes_max v           the lane's sender may go up to this, in all
 *   0x05 LINK_CREDIT     bytes_max v                   the same for all lanes together
 *   0x06 LANES           lanes_max v                   the peer may open this many lanes, in all
 *   0x07 PATH_CHALLENGE  8 bytes
 *   0x08 PATH_RESPONSE   8 bytes
 *   0x09 REKEY1          size v, bytes                 Noise message 1 of a rekey and its
 * particulars 0x0a REKEY2          size v, bytes 0x0b CLOSE           reason v the link ends 0x10
 * STREAM          lane v, offset v, size v, bytes 0x11 STREAM + FIN    lane v, offset v, messages
 * v, size v, bytes 0x20 MSG             lane v, size v, bytes                              best
 * effort, whole 0x21 MSG reliable    lane v, id v, size v, bytes                        whole 0x22
 * MSG part        lane v, id v, total v, offset v, size v, bytes     best effort 0x23 MSG part rel.
 * lane v, id v, total v, offset v, size v, bytes
 *
 * ACK: `largest` and the `first` numbers below it have arrived, then `gap` + 1 numbers have not,
 * then `length` + 1 have, and so on downwards. Numbers are those of one channel (0 UDP, n a TCP
 * channel) in one epoch (0 after the handshake, one more with each rekey).
 *
 * STREAM bytes are a row of records: size v (of the body), kind 1, flags 1, body. FIN's `messages`
 * is the number of reliable MSGs sent on the lane. The bytes of a MSG are kind 1, flags 1, body;
 * `total` counts them all.
 *
 * Anything else (an unknown type, a truncated frame, a field past its bound) is TULLE_E_PROTOCOL.
 * Decoded bytes stay where they are: a frame points into its packet.
 */
#ifndef TL_CORE_WIRE_FRAME_H
#define TL_CORE_WIRE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/error.h"

enum tl_frame_type {
  TL_FRAME_PAD = 0x00,
  TL_FRAME_PING = 0x01,
  TL_FRAME_ACK = 0x02,
  TL_FRAME_RESET = 0x03,
  TL_FRAME_CREDIT = 0x04,
  TL_FRAME_LINK_CREDIT = 0x05,
  TL_FRAME_LANES = 0x06,
  TL_FRAME_PATH_CHALLENGE = 0x07,
  TL_FRAME_PATH_RESPONSE = 0x08,
  TL_FRAME_REKEY1 = 0x09,
  TL_FRAME_REKEY2 = 0x0a,
  TL_FRAME_CLOSE = 0x0b,
  TL_FRAME_STREAM = 0x10, /* 0x11 on the wire with FIN */
  TL_FRAME_MSG = 0x20,    /* 0x21 to 0x23 on the wire: reliable, part */
};

#define TL_FRAME_ACK_RANGES_MAX  32u /* a receiver keeps no more, and drops its lowest */
#define TL_FRAME_PATH_BYTES      8u
#define TL_FRAME_REKEY_BYTES_MAX 512u /* a Noise message of KKpsk0 with a small payload */
#define TL_FRAME_REASON_MAX      65535u

/* A record's kind and flags byte, which stand before the body in STREAM (after the size) and
 * MSG. */
#define TL_FRAME_RECORD_HEAD_BYTES 2u
/* The largest body of a record or MSG. A message of any size is a row of records. */
#define TL_FRAME_BODY_BYTES_MAX 32768u

/* first <= last, both have arrived. */
struct tl_frame_range {
  uint64_t first;
  uint64_t last;
};

struct tl_frame_ack {
  uint32_t epoch;
  uint32_t channel;
  uint64_t delay_us;
  uint32_t range_count;                                  /* at least 1 */
  struct tl_frame_range ranges[TL_FRAME_ACK_RANGES_MAX]; /* from the highest down, never touching */
};

struct tl_frame_reset {
  uint64_t lane;
  uint32_t reason;  /* at most TL_FRAME_REASON_MAX */
  uint64_t charged; /* credit that the sender of the frame has used on the lane */
};

struct tl_frame_credit {
  uint64_t lane; /* CREDIT only */
  uint64_t max;  /* bytes_max or lanes_max */
};

struct tl_frame_stream {
  uint64_t lane;
  uint64_t offset;   /* offset + size never passes 2^62-1 */
  uint64_t messages; /* with is_fin only */
  const uint8_t *bytes;
  size_t size;
  bool is_fin;
};

struct tl_frame_msg {
  uint64_t lane;
  uint64_t id;     /* 0 where the frame has none */
  uint32_t total;  /* 2 to TL_FRAME_BODY_BYTES_MAX + 2 */
  uint32_t offset; /* offset + size <= total, size > 0 */
  const uint8_t *bytes;
  size_t size;
  bool is_reliable;
  bool is_part;
};

struct tl_frame_rekey {
  const uint8_t *bytes;
  size_t size; /* 1 to TL_FRAME_REKEY_BYTES_MAX */
};

struct tl_frame {
  enum tl_frame_type type;
  union {
    struct tl_frame_ack ack;
    struct tl_frame_reset reset;
    struct tl_frame_credit credit; /* CREDIT, LINK_CREDIT, LANES */
    struct tl_frame_stream stream;
    struct tl_frame_msg msg;
    struct tl_frame_rekey rekey; /* REKEY1, REKEY2 */
    const uint8_t *path;         /* PATH_CHALLENGE, PATH_RESPONSE: 8 bytes */
    uint32_t reason;             /* CLOSE */
  };
};

/*
 * The next frame of a payload, in place. A run of PAD is one frame. 0; TL_END when all is read;
 * TULLE_E_PROTOCOL, after which the reader is of no more use.
 */
int tl_frame_next(struct tl_reader *r, struct tl_frame *out_frame);

/* True for frames that their receiver must acknowledge: all but PAD, ACK and CLOSE. */
static inline bool tl_frame_is_eliciting(enum tl_frame_type type) {
  return type != TL_FRAME_PAD && type != TL_FRAME_ACK && type != TL_FRAME_CLOSE;
}

/*
 * Each writes one frame whole, or marks the writer as failed where it has no room. Fields beyond
 * the bounds above are the caller's bug.
 */
void tl_frame_write_pad(struct tl_writer *w, size_t size);
void tl_frame_write_ping(struct tl_writer *w);
void tl_frame_write_ack(struct tl_writer *w, const struct tl_frame_ack *ack);
void tl_frame_write_reset(struct tl_writer *w, const struct tl_frame_reset *reset);
void tl_frame_write_credit(struct tl_writer *w, uint64_t lane, uint64_t bytes_max);
void tl_frame_write_link_credit(struct tl_writer *w, uint64_t bytes_max);
void tl_frame_write_lanes(struct tl_writer *w, uint64_t lanes_max);
void tl_frame_write_path(struct tl_writer *w, enum tl_frame_type type,
                         const uint8_t bytes[TL_FRAME_PATH_BYTES]);
void tl_frame_write_rekey(struct tl_writer *w, enum tl_frame_type type, const void *bytes,
                          size_t size);
void tl_frame_write_close(struct tl_writer *w, uint32_t reason);

/* `bytes` may be NULL: the room for them is then left for the caller to fill, at w->at - size. */
void tl_frame_write_stream(struct tl_writer *w, const struct tl_frame_stream *stream);
void tl_frame_write_msg(struct tl_writer *w, const struct tl_frame_msg *msg);

/* Sizes of everything but the bytes, at most, so that a builder can cut them to fit. */
size_t tl_frame_stream_head_size(uint64_t lane, uint64_t offset, bool is_fin);
size_t tl_frame_msg_head_size(const struct tl_frame_msg *msg);

#endif
