/*
 * Encode and decode frames.
 *
 * The decoder reads each frame's fields straight through, checks every bound on locals and writes
 * the result last, so nobody sees half a frame. What a field means in its flow (is this lane open,
 * was that packet ever sent) is not judged here.
 */
#include "core/wire/frame.h"

#define FIN_BIT       0x01u
#define RELIABLE_BIT  0x01u
#define PART_BIT      0x02u
#define OFFSET_MAX    ((UINT64_C(1) << 62) - 1)
#define MSG_BYTES_MAX (TL_FRAME_RECORD_HEAD_BYTES + TL_FRAME_BODY_BYTES_MAX)

/* ---- Decode ---- */

static int result(const struct tl_reader *r) {
  return r->failed ? TULLE_E_PROTOCOL : 0;
}

static int read_u32(struct tl_reader *r, uint32_t max, uint32_t *out) {
  uint64_t v = tl_read_varint(r);
  if (r->failed || v > max) return TULLE_E_PROTOCOL;
  *out = (uint32_t)v;
  return 0;
}

/* Ranges go downwards: each next one begins below the last one's first number, past a gap. */
static int read_ack_ranges(struct tl_reader *r, uint64_t largest, uint32_t more,
                           struct tl_frame_ack *ack) {
  uint64_t length = tl_read_varint(r);
  if (r->failed || length > largest) return TULLE_E_PROTOCOL;
  ack->ranges[0] = (struct tl_frame_range){largest - length, largest};
  for (uint32_t i = 1; i <= more; i++) {
    uint64_t gap = tl_read_varint(r);
    length = tl_read_varint(r);
    uint64_t above = ack->ranges[i - 1].first;
    if (r->failed || gap + 2 > above || length > above - gap - 2) return TULLE_E_PROTOCOL;
    uint64_t last = above - gap - 2;
    ack->ranges[i] = (struct tl_frame_range){last - length, last};
  }
  ack->range_count = more + 1;
  return 0;
}

static int read_ack(struct tl_reader *r, struct tl_frame_ack *ack) {
  if (read_u32(r, UINT32_MAX, &ack->epoch) || read_u32(r, UINT32_MAX, &ack->channel))
    return TULLE_E_PROTOCOL;
  uint64_t largest = tl_read_varint(r);
  ack->delay_us = tl_read_varint(r);
  uint32_t more;
  if (read_u32(r, TL_FRAME_ACK_RANGES_MAX - 1, &more)) return TULLE_E_PROTOCOL;
  return read_ack_ranges(r, largest, more, ack);
}

static int read_reset(struct tl_reader *r, struct tl_frame_reset *reset) {
  reset->lane = tl_read_varint(r);
  if (read_u32(r, TL_FRAME_REASON_MAX, &reset->reason)) return TULLE_E_PROTOCOL;
  reset->charged = tl_read_varint(r);
  return result(r);
}

static int read_credit(struct tl_reader *r, bool has_lane, struct tl_frame_credit *credit) {
  credit->lane = has_lane ? tl_read_varint(r) : 0;
  credit->max = tl_read_varint(r);
  return result(r);
}

static int read_stream(struct tl_reader *r, bool is_fin, struct tl_frame_stream *stream) {
  stream->is_fin = is_fin;
  stream->lane = tl_read_varint(r);
  stream->offset = tl_read_varint(r);
  stream->messages = is_fin ? tl_read_varint(r) : 0;
  uint64_t size = tl_read_varint(r);
  if (r->failed || size > tl_reader_left(r) || size > OFFSET_MAX - stream->offset)
    return TULLE_E_PROTOCOL;
  if (size == 0 && !is_fin) return TULLE_E_PROTOCOL; /* says nothing, costs work */
  stream->size = (size_t)size;
  stream->bytes = tl_read_bytes(r, stream->size);
  return 0;
}

static int read_msg(struct tl_reader *r, unsigned bits, struct tl_frame_msg *msg) {
  msg->is_reliable = bits & RELIABLE_BIT;
  msg->is_part = bits & PART_BIT;
  msg->lane = tl_read_varint(r);
  msg->id = bits ? tl_read_varint(r) : 0;
  msg->total = msg->offset = 0;
  if (msg->is_part &&
      (read_u32(r, MSG_BYTES_MAX, &msg->total) || read_u32(r, MSG_BYTES_MAX, &msg->offset)))
    return TULLE_E_PROTOCOL;
  uint32_t size;
  if (read_u32(r, MSG_BYTES_MAX, &size) || size > tl_reader_left(r)) return TULLE_E_PROTOCOL;
  if (!msg->is_part) msg->total = size;
  if (msg->total < TL_FRAME_RECORD_HEAD_BYTES || size == 0 || msg->offset > msg->total ||
      size > msg->total - msg->offset)
    return TULLE_E_PROTOCOL;
  msg->size = size;
  msg->bytes = tl_read_bytes(r, size);
  return 0;
}

static int read_rekey(struct tl_reader *r, struct tl_frame_rekey *rekey) {
  uint32_t size;
  if (read_u32(r, TL_FRAME_REKEY_BYTES_MAX, &size) || size == 0) return TULLE_E_PROTOCOL;
  rekey->size = size;
  rekey->bytes = tl_read_bytes(r, size);
  return result(r);
}

static void skip_pad(struct tl_reader *r) {
  while (r->at < r->end && *r->at == TL_FRAME_PAD) r->at++;
}

int tl_frame_next(struct tl_reader *r, struct tl_frame *out_frame) {
  if (tl_reader_left(r) == 0) return TL_END;
  unsigned type = tl_read_u8(r);
  out_frame->type = (enum tl_frame_type)type;
  switch (type) {
  case TL_FRAME_PAD:
    skip_pad(r);
    return 0;
  case TL_FRAME_PING:
    return 0;
  case TL_FRAME_ACK:
    return read_ack(r, &out_frame->ack);
  case TL_FRAME_RESET:
    return read_reset(r, &out_frame->reset);
  case TL_FRAME_CREDIT:
  case TL_FRAME_LINK_CREDIT:
  case TL_FRAME_LANES:
    return read_credit(r, type == TL_FRAME_CREDIT, &out_frame->credit);
  case TL_FRAME_PATH_CHALLENGE:
  case TL_FRAME_PATH_RESPONSE:
    out_frame->path = tl_read_bytes(r, TL_FRAME_PATH_BYTES);
    return result(r);
  case TL_FRAME_REKEY1:
  case TL_FRAME_REKEY2:
    return read_rekey(r, &out_frame->rekey);
  case TL_FRAME_CLOSE:
    return read_u32(r, TL_FRAME_REASON_MAX, &out_frame->reason);
  case TL_FRAME_STREAM:
  case TL_FRAME_STREAM | FIN_BIT:
    out_frame->type = TL_FRAME_STREAM;
    return read_stream(r, type & FIN_BIT, &out_frame->stream);
  case TL_FRAME_MSG:
  case TL_FRAME_MSG | RELIABLE_BIT:
  case TL_FRAME_MSG | PART_BIT:
  case TL_FRAME_MSG | PART_BIT | RELIABLE_BIT:
    out_frame->type = TL_FRAME_MSG;
    return read_msg(r, type & (RELIABLE_BIT | PART_BIT), &out_frame->msg);
  default:
    return TULLE_E_PROTOCOL;
  }
}

/* ---- Encode ---- */

void tl_frame_write_pad(struct tl_writer *w, size_t size) {
  tl_write_zeros(w, size); /* TL_FRAME_PAD is zero */
}

void tl_frame_write_ping(struct tl_writer *w) {
  tl_write_u8(w, TL_FRAME_PING);
}

void tl_frame_write_ack(struct tl_writer *w, const struct tl_frame_ack *ack) {
  const struct tl_frame_range *range = ack->ranges;
  tl_write_u8(w, TL_FRAME_ACK);
  tl_write_varint(w, ack->epoch);
  tl_write_varint(w, ack->channel);
  tl_write_varint(w, range->last);
  tl_write_varint(w, ack->delay_us);
  tl_write_varint(w, ack->range_count - 1);
  tl_write_varint(w, range->last - range->first);
  for (uint32_t i = 1; i < ack->range_count; i++, range++) {
    tl_write_varint(w, range[0].first - range[1].last - 2);
    tl_write_varint(w, range[1].last - range[1].first);
  }
}

void tl_frame_write_reset(struct tl_writer *w, const struct tl_frame_reset *reset) {
  tl_write_u8(w, TL_FRAME_RESET);
  tl_write_varint(w, reset->lane);
  tl_write_varint(w, reset->reason);
  tl_write_varint(w, reset->charged);
}

void tl_frame_write_credit(struct tl_writer *w, uint64_t lane, uint64_t bytes_max) {
  tl_write_u8(w, TL_FRAME_CREDIT);
  tl_write_varint(w, lane);
  tl_write_varint(w, bytes_max);
}

void tl_frame_write_link_credit(struct tl_writer *w, uint64_t bytes_max) {
  tl_write_u8(w, TL_FRAME_LINK_CREDIT);
  tl_write_varint(w, bytes_max);
}

void tl_frame_write_lanes(struct tl_writer *w, uint64_t lanes_max) {
  tl_write_u8(w, TL_FRAME_LANES);
  tl_write_varint(w, lanes_max);
}

void tl_frame_write_path(struct tl_writer *w, enum tl_frame_type type,
                         const uint8_t bytes[TL_FRAME_PATH_BYTES]) {
  tl_write_u8(w, (uint8_t)type);
  tl_write_bytes(w, bytes, TL_FRAME_PATH_BYTES);
}

void tl_frame_write_rekey(struct tl_writer *w, enum tl_frame_type type, const void *bytes,
                          size_t size) {
  tl_write_u8(w, (uint8_t)type);
  tl_write_varint(w, size);
  tl_write_bytes(w, bytes, size);
}

void tl_frame_write_close(struct tl_writer *w, uint32_t reason) {
  tl_write_u8(w, TL_FRAME_CLOSE);
  tl_write_varint(w, reason);
}

static void write_body(struct tl_writer *w, const uint8_t *bytes, size_t size) {
  tl_write_varint(w, size);
  if (bytes)
    tl_write_bytes(w, bytes, size);
  else
    (void)tl_write_room(w, size);
}

void tl_frame_write_stream(struct tl_writer *w, const struct tl_frame_stream *stream) {
  tl_write_u8(w, (uint8_t)(TL_FRAME_STREAM | (stream->is_fin ? FIN_BIT : 0)));
  tl_write_varint(w, stream->lane);
  tl_write_varint(w, stream->offset);
  if (stream->is_fin) tl_write_varint(w, stream->messages);
  write_body(w, stream->bytes, stream->size);
}

void tl_frame_write_msg(struct tl_writer *w, const struct tl_frame_msg *msg) {
  unsigned bits = (msg->is_reliable ? RELIABLE_BIT : 0) | (msg->is_part ? PART_BIT : 0);
  tl_write_u8(w, (uint8_t)(TL_FRAME_MSG | bits));
  tl_write_varint(w, msg->lane);
  if (bits) tl_write_varint(w, msg->id);
  if (msg->is_part) {
    tl_write_varint(w, msg->total);
    tl_write_varint(w, msg->offset);
  }
  write_body(w, msg->bytes, msg->size);
}

/* A size field never takes more than 4 bytes: no packet holds 2^30. */
#define SIZE_FIELD_MAX 4u
#define FIN_FIELD_MAX  8u

size_t tl_frame_stream_head_size(uint64_t lane, uint64_t offset, bool is_fin) {
  return 1 + tl_varint_size(lane) + tl_varint_size(offset) + (is_fin ? FIN_FIELD_MAX : 0) +
         SIZE_FIELD_MAX;
}

size_t tl_frame_msg_head_size(const struct tl_frame_msg *msg) {
  size_t size = 1 + tl_varint_size(msg->lane) + SIZE_FIELD_MAX;
  if (msg->is_reliable || msg->is_part) size += tl_varint_size(msg->id);
  if (msg->is_part) size += tl_varint_size(msg->total) + tl_varint_size(msg->offset);
  return size;
}
