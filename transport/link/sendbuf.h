/*
 * Bytes that must arrive: kept from when they are written until the peer has acknowledged them.
 *
 *     kept          acked           sent           span.end
 *      |--- acked ----|--- in flight --|--- not yet sent ---|
 *                        lost: to send again
 *                        done: acknowledged out of order
 *
 * The bytes of ordered records and those of reliable messages each form such a row; what a byte
 * means is the user's matter, who also decides from where on bytes are still wanted
 * (tl_sendbuf_keep).
 */
#ifndef TL_LINK_SENDBUF_H
#define TL_LINK_SENDBUF_H

#include "transport/link/ranges.h"
#include "transport/link/span.h"

#define TL_SENDBUF_RANGES_MAX 512u

struct tl_sendbuf {
  struct tl_span span; /* [kept, written) */
  uint64_t acked;      /* everything below has been acknowledged */
  uint64_t sent;       /* nothing from here on was ever sent */
  struct tl_ranges done;
  struct tl_ranges lost;
};

void tl_sendbuf_init(struct tl_sendbuf *b);
void tl_sendbuf_deinit(struct tl_sendbuf *b, struct tl_account *account);

static inline uint64_t tl_sendbuf_written(const struct tl_sendbuf *b) {
  return b->span.end;
}

static inline uint64_t tl_sendbuf_unsent(const struct tl_sendbuf *b) {
  return b->span.end - b->sent;
}

/* Bytes held. */
static inline uint64_t tl_sendbuf_size(const struct tl_sendbuf *b) {
  return b->span.end - b->span.base;
}

static inline bool tl_sendbuf_is_settled(const struct tl_sendbuf *b) {
  return b->acked == b->span.end;
}

/* Room for `size` bytes at the end, to be filled at once; NULL: no memory. */
static inline uint8_t *tl_sendbuf_append(struct tl_sendbuf *b, struct tl_account *account,
                                         size_t size) {
  uint64_t at = b->span.end;
  if (tl_span_reserve(&b->span, account, at + size) < 0) return NULL;
  return tl_span_at(&b->span, at);
}

/* The lowest bytes that have to be sent again; false: none. */
static inline bool tl_sendbuf_next_lost(const struct tl_sendbuf *b, struct tl_range *out) {
  if (b->lost.count == 0) return false;
  *out = b->lost.at[0];
  return true;
}

/* [start, start + size) has been put in a packet: either the next new bytes or the lowest lost
 * ones. */
void tl_sendbuf_sent(struct tl_sendbuf *b, uint64_t start, size_t size);

/* The packet with [start, start + size) was acknowledged. Returns true if `acked` moved. */
bool tl_sendbuf_acked(struct tl_sendbuf *b, uint64_t start, size_t size);

/* It was lost, or may have been: what of it is not acknowledged is to be sent again. Returns how
 * many bytes that are. */
size_t tl_sendbuf_lost(struct tl_sendbuf *b, uint64_t start, size_t size);

/* Bytes below `from` (at most `acked`) are not asked for again. */
static inline void tl_sendbuf_keep(struct tl_sendbuf *b, struct tl_account *account,
                                   uint64_t from) {
  if (from > b->span.base) tl_span_drop(&b->span, account, from);
}

void tl_sendbuf_trim(struct tl_sendbuf *b, struct tl_account *account);

#endif
