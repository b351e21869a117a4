/* Frames: whatever decodes encodes and decodes to the same. */
#include <string.h>

#include "core/wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void encode(struct tl_writer *w, const struct tl_frame *f) {
  switch (f->type) {
  case TL_FRAME_PAD:
    tl_frame_write_pad(w, 1);
    break;
  case TL_FRAME_PING:
    tl_frame_write_ping(w);
    break;
  case TL_FRAME_ACK:
    tl_frame_write_ack(w, &f->ack);
    break;
  case TL_FRAME_RESET:
    tl_frame_write_reset(w, &f->reset);
    break;
  case TL_FRAME_CREDIT:
    tl_frame_write_credit(w, f->credit.lane, f->credit.max);
    break;
  case TL_FRAME_LINK_CREDIT:
    tl_frame_write_link_credit(w, f->credit.max);
    break;
  case TL_FRAME_LANES:
    tl_frame_write_lanes(w, f->credit.max);
    break;
  case TL_FRAME_PATH_CHALLENGE:
  case TL_FRAME_PATH_RESPONSE:
    tl_frame_write_path(w, f->type, f->path);
    break;
  case TL_FRAME_REKEY1:
  case TL_FRAME_REKEY2:
    tl_frame_write_rekey(w, f->type, f->rekey.bytes, f->rekey.size);
    break;
  case TL_FRAME_CLOSE:
    tl_frame_write_close(w, f->reason);
    break;
  case TL_FRAME_STREAM:
    tl_frame_write_stream(w, &f->stream);
    break;
  case TL_FRAME_MSG:
    tl_frame_write_msg(w, &f->msg);
    break;
  }
}

/* A canonical encoding decodes and encodes to itself, byte for byte. */
static void check(const struct tl_frame *frame) {
  static uint8_t first[1 << 17], second[1 << 17];
  struct tl_writer w = tl_writer_on(first, sizeof first);
  encode(&w, frame);
  TL_ASSERT(!w.failed);
  size_t size = tl_writer_size(&w);
  struct tl_reader r = tl_reader_on(first, size);
  struct tl_frame again;
  int e = tl_frame_next(&r, &again);
  TL_ASSERT(e == 0 && tl_reader_done(&r) && again.type == frame->type);
  w = tl_writer_on(second, sizeof second);
  encode(&w, &again);
  TL_ASSERT(tl_writer_size(&w) == size && memcmp(first, second, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct tl_reader r = tl_reader_on(data, size);
  struct tl_frame frame;
  int e;
  if (size > 65535) return 0;
  while ((e = tl_frame_next(&r, &frame)) == 0) check(&frame);
  TL_ASSERT(e == TL_END || e == TULLE_E_PROTOCOL);
  return 0;
}
