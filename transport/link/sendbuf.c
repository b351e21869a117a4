/*
 * When a set of ranges is full, this object sends more than needed, never less: bytes between two
 * lost ranges are sent again, and bytes acknowledged out of order that cannot be noted are sent
 * again.
 */
#include "transport/link/sendbuf.h"

void tl_sendbuf_init(struct tl_sendbuf *b) {
  tl_span_init(&b->span, 0);
  b->acked = b->sent = 0;
  tl_ranges_init(&b->done, TL_SENDBUF_RANGES_MAX);
  tl_ranges_init(&b->lost, TL_SENDBUF_RANGES_MAX);
}

void tl_sendbuf_deinit(struct tl_sendbuf *b, struct tl_account *account) {
  tl_span_deinit(&b->span, account);
  tl_ranges_deinit(&b->done);
  tl_ranges_deinit(&b->lost);
}

void tl_sendbuf_sent(struct tl_sendbuf *b, uint64_t start, size_t size) {
  if (start == b->sent)
    b->sent += size;
  else /* it begins with the lowest range, so nothing can be split */
    (void)tl_ranges_subtract(&b->lost, start, start + size);
}

bool tl_sendbuf_acked(struct tl_sendbuf *b, uint64_t start, size_t size) {
  uint64_t end = start + size;
  if (end <= b->acked) return false;
  if (b->lost.count) (void)tl_ranges_subtract(&b->lost, start, end);
  if (start > b->acked) {
    if (tl_ranges_add(&b->done, start, end)) tl_ranges_cover(&b->lost, start, end);
    return false;
  }
  b->acked = b->done.count ? tl_ranges_advance(&b->done, end) : end;
  if (b->lost.count) tl_ranges_drop_below(&b->lost, b->acked);
  return true;
}

size_t tl_sendbuf_lost(struct tl_sendbuf *b, uint64_t start, size_t size) {
  uint64_t end = start + size;
  if (start < b->acked) start = b->acked;
  size_t again = 0;
  for (uint32_t i = 0; i < b->done.count && start < end; i++) {
    const struct tl_range *done = b->done.at + i;
    if (done->end <= start) continue;
    if (done->start >= end) break;
    if (done->start > start) {
      tl_ranges_cover(&b->lost, start, done->start);
      again += done->start - start;
    }
    start = done->end;
  }
  if (start >= end) return again;
  tl_ranges_cover(&b->lost, start, end);
  return again + (end - start);
}

void tl_sendbuf_trim(struct tl_sendbuf *b, struct tl_account *account) {
  tl_span_trim(&b->span, account);
  if (b->done.count == 0) tl_ranges_clear(&b->done);
  if (b->lost.count == 0) tl_ranges_clear(&b->lost);
}
