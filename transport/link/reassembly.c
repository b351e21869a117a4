#include "transport/link/reassembly.h"

#define NO_END UINT64_MAX

void tl_reassembly_init(struct tl_reassembly *r) {
  tl_span_init(&r->span, 0);
  tl_ranges_init(&r->far, TL_REASSEMBLY_RANGES_MAX);
  r->whole = (struct tl_record_walk){0, 0};
  r->available = 0;
  r->final = NO_END;
  r->piece_left = 0;
}

void tl_reassembly_deinit(struct tl_reassembly *r, struct tl_account *account) {
  tl_span_deinit(&r->span, account);
  tl_ranges_deinit(&r->far);
}

/* An end inside a record is found out when the bytes up to it are there. */
static int judge_end(const struct tl_reassembly *r) {
  return tl_reassembly_is_complete(r) && r->whole.at != r->final ? TULLE_E_PROTOCOL : 0;
}

int tl_reassembly_end(struct tl_reassembly *r, uint64_t final) {
  if (r->final != NO_END) return r->final == final ? 0 : TULLE_E_PROTOCOL;
  if (final < r->span.end) return TULLE_E_PROTOCOL;
  r->final = final;
  return judge_end(r);
}

/* A part of the first record that is not whole has been read already, and its head with it. */
static bool is_whole_behind(const struct tl_reassembly *r) {
  return r->whole.at < r->span.base;
}

/* The first hole may have closed. */
static int advance(struct tl_reassembly *r, uint64_t end) {
  r->available = r->far.count ? tl_ranges_advance(&r->far, end) : end;
  if (is_whole_behind(r)) {
    uint64_t piece_end = r->span.base + r->piece_left;
    if (r->available < piece_end) return judge_end(r);
    r->whole.at = piece_end;
    r->whole.count++;
  }
  int e = tl_record_walk(&r->whole, &r->span, r->available);
  return e < 0 ? e : judge_end(r);
}

int tl_reassembly_push(struct tl_reassembly *r, struct tl_account *account, uint64_t offset,
                       const uint8_t *bytes, size_t size) {
  uint64_t end = offset + size;
  if (end > r->final) return TULLE_E_PROTOCOL;
  if (end <= r->available) return 0;
  if (offset < r->available) {
    bytes += r->available - offset;
    offset = r->available;
  }
  if (offset > r->available && tl_ranges_covers(&r->far, offset, end)) return 0;
  uint64_t high = r->span.end;
  if (tl_span_reserve(&r->span, account, end) < 0) return TL_FULL;
  if (offset > r->available && tl_ranges_add(&r->far, offset, end)) {
    r->span.end = high;
    return TL_FULL;
  }
  memcpy(tl_span_at(&r->span, offset), bytes, end - offset);
  return offset == r->available ? advance(r, end) : 0;
}

/* Bytes of the record at the front, beyond its head, that are here already. */
static uint64_t front_bytes(const struct tl_reassembly *r) {
  if (r->piece_left) return r->available - r->span.base;
  struct tl_record_head head;
  if (tl_record_read_head(&r->span, r->span.base, r->available, &head)) return 0;
  return r->available - r->span.base - head.head_size;
}

bool tl_reassembly_is_readable(const struct tl_reassembly *r, bool is_pressed) {
  if (r->span.base < r->whole.at) return true;
  return is_pressed && r->available > r->span.base && front_bytes(r) > 0;
}

static void give_piece(struct tl_reassembly *r, const uint8_t *bytes, uint64_t here,
                       struct tl_reassembly_record *out) {
  size_t size = here < r->piece_left ? (size_t)here : r->piece_left;
  *out = (struct tl_reassembly_record){.kind = r->piece.kind,
                                       .flags = r->piece.flags,
                                       .has_more = size < r->piece_left,
                                       .bytes = bytes,
                                       .size = size};
}

/* A record in pieces: its head is forgotten with the first piece, what is left counts down. */
static int next_piece(struct tl_reassembly *r, bool is_pressed, struct tl_reassembly_record *out) {
  uint64_t here = r->available - r->span.base;
  if (here == 0 || (here < r->piece_left && !is_pressed)) return TL_EMPTY;
  give_piece(r, tl_span_at(&r->span, r->span.base), here, out);
  return 0;
}

int tl_reassembly_next(struct tl_reassembly *r, bool is_pressed,
                       struct tl_reassembly_record *out_record) {
  if (r->piece_left) return next_piece(r, is_pressed, out_record);
  struct tl_record_head head;
  if (tl_record_read_head(&r->span, r->span.base, r->available, &head)) return TL_EMPTY;
  uint64_t here = r->available - r->span.base - head.head_size;
  if (here < head.body_size && (!is_pressed || here == 0)) return TL_EMPTY;
  if (here > head.body_size) here = head.body_size;
  *out_record =
      (struct tl_reassembly_record){.kind = head.kind,
                                    .flags = head.flags,
                                    .has_more = here < head.body_size,
                                    .bytes = tl_span_at(&r->span, r->span.base + head.head_size),
                                    .size = (size_t)here};
  return 0;
}

uint64_t tl_reassembly_release(struct tl_reassembly *r, struct tl_account *account, size_t size) {
  uint64_t bytes = size;
  if (r->piece_left) {
    r->piece_left -= (uint32_t)size;
  } else {
    struct tl_record_head head;
    int known = tl_record_read_head(&r->span, r->span.base, r->available, &head);
    TL_ASSERT(known == 0);
    bytes += head.head_size;
    r->piece_left = head.body_size - (uint32_t)size;
    r->piece = head;
  }
  tl_span_drop(&r->span, account, r->span.base + bytes);
  return bytes;
}

void tl_reassembly_clear(struct tl_reassembly *r, struct tl_account *account) {
  tl_span_drop(&r->span, account, r->span.end);
  tl_span_trim(&r->span, account);
  tl_ranges_clear(&r->far);
}

void tl_reassembly_trim(struct tl_reassembly *r, struct tl_account *account) {
  tl_span_trim(&r->span, account);
  if (r->far.count == 0) tl_ranges_clear(&r->far);
}
