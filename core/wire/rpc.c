#include "core/wire/rpc.h"

void tl_call_encode(struct tl_writer *w, const struct tl_call_head *head) {
  tl_write_u64(w, head->id);
  tl_write_u64(w, head->budget_ns);
  tl_write_u8(w, head->name_size);
  tl_write_u8(w, head->flags);
  tl_write_zeros(w, 6);
  tl_write_bytes(w, head->name, head->name_size);
}

int tl_call_decode(struct tl_reader *r, struct tl_call_head *out) {
  struct tl_call_head h;
  h.id = tl_read_u64(r);
  h.budget_ns = tl_read_u64(r);
  h.name_size = tl_read_u8(r);
  h.flags = tl_read_u8(r);
  uint64_t zero = tl_read_le(r, 6);
  h.name = (const char *)tl_read_bytes(r, h.name_size);
  if (r->failed || zero || (h.flags & ~TL_CALL_ONE_WAY)) return TULLE_E_BAD_MESSAGE;
  if (!h.name_size || h.name_size > TL_PROCEDURE_NAME_BYTES_MAX) return TULLE_E_BAD_MESSAGE;
  *out = h;
  return 0;
}

void tl_reply_encode(struct tl_writer *w, const struct tl_reply_head *head) {
  tl_write_u64(w, head->id);
  tl_write_u32(w, (uint32_t)head->status);
  tl_write_u32(w, 0);
}

int tl_reply_decode(struct tl_reader *r, struct tl_reply_head *out) {
  struct tl_reply_head h = {.id = tl_read_u64(r)};
  h.status = (int32_t)tl_read_u32(r);
  uint32_t zero = tl_read_u32(r);
  if (r->failed || zero) return TULLE_E_BAD_MESSAGE;
  *out = h;
  return 0;
}

void tl_cancel_encode(struct tl_writer *w, uint64_t id) {
  tl_write_u64(w, id);
}

int tl_cancel_decode(struct tl_reader *r, uint64_t *out_id) {
  uint64_t id = tl_read_u64(r);
  if (!tl_reader_done(r)) return TULLE_E_BAD_MESSAGE;
  *out_id = id;
  return 0;
}
