#include "transport/link/records.h"

uint8_t *tl_record_write_head(uint8_t *at, size_t body_size, uint8_t kind, uint8_t flags) {
  struct tl_writer w = tl_writer_on(at, TL_RECORD_HEAD_BYTES_MAX);
  tl_write_varint(&w, body_size);
  tl_write_u8(&w, kind);
  tl_write_u8(&w, flags);
  return w.at;
}

int tl_record_read_head(const struct tl_span *span, uint64_t start, uint64_t end,
                        struct tl_record_head *out_head) {
  uint64_t known = end - start;
  if (known == 0) return TL_MORE;
  if (known > TL_RECORD_HEAD_BYTES_MAX) known = TL_RECORD_HEAD_BYTES_MAX;
  struct tl_reader r = tl_reader_on(tl_span_at(span, start), known);
  uint64_t size = tl_read_varint(&r);
  if (!r.failed && size > TL_FRAME_BODY_BYTES_MAX) return TULLE_E_PROTOCOL;
  uint8_t kind = tl_read_u8(&r);
  uint8_t flags = tl_read_u8(&r);
  if (r.failed) return *tl_span_at(span, start) >= 0xc0 ? TULLE_E_PROTOCOL : TL_MORE;
  *out_head = (struct tl_record_head){.head_size = (uint32_t)(r.at - tl_span_at(span, start)),
                                      .body_size = (uint32_t)size,
                                      .kind = kind,
                                      .flags = flags};
  return 0;
}

int tl_record_walk(struct tl_record_walk *walk, const struct tl_span *span, uint64_t end) {
  while (walk->at < end) {
    struct tl_record_head head;
    int r = tl_record_read_head(span, walk->at, end, &head);
    if (r == TL_MORE) return 0;
    if (r < 0) return r;
    uint64_t next = walk->at + head.head_size + head.body_size;
    if (next > end) return 0;
    walk->at = next;
    walk->count++;
  }
  return 0;
}
