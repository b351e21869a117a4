/*
 * A lane's ordered bytes on the receiving side: pieces in any order become records in order.
 *
 *     read          whole       available                      span.end
 *      |--- records ---|--- part ---|   hole   |--- far ---|  hole ...
 *
 * Pieces go to their place in a span; `far` says where bytes lie beyond the first hole. Bytes that
 * came twice are recognised by their place and are not looked at: the first ones stand.
 */
#ifndef TL_LINK_REASSEMBLY_H
#define TL_LINK_REASSEMBLY_H

#include "transport/link/ranges.h"
#include "transport/link/records.h"
#include "transport/link/span.h"

/* Holes at a time. Past that a packet that would make another hole is refused, hence sent again. */
#define TL_REASSEMBLY_RANGES_MAX 512u

struct tl_reassembly {
  struct tl_span span; /* base: read */
  struct tl_ranges far;
  struct tl_record_walk whole;
  uint64_t available;
  uint64_t final; /* length of the whole row, once its end is known; UINT64_MAX before */
  /* A record that is handed out in pieces. */
  uint32_t piece_left;
  struct tl_record_head piece;
};

void tl_reassembly_init(struct tl_reassembly *r);
void tl_reassembly_deinit(struct tl_reassembly *r, struct tl_account *account);

/* One past the highest byte that any piece so far had: what the peer has used of its credit. */
static inline uint64_t tl_reassembly_high(const struct tl_reassembly *r) {
  return r->span.end;
}

/* The row ends at `final`. 0, or TULLE_E_PROTOCOL: it was said to end elsewhere, or bytes beyond
 * came. */
int tl_reassembly_end(struct tl_reassembly *r, uint64_t final);

/* A piece came; its credit has been judged. 0; TL_FULL: no memory or too many holes, nothing
 * happened; TULLE_E_PROTOCOL: past the end, or no records. */
int tl_reassembly_push(struct tl_reassembly *r, struct tl_account *account, uint64_t offset,
                       const uint8_t *bytes, size_t size);

/* True if tl_reassembly_next() gives something; `is_pressed` as there. */
bool tl_reassembly_is_readable(const struct tl_reassembly *r, bool is_pressed);

/* True when all bytes up to the end have been read. */
static inline bool tl_reassembly_is_read(const struct tl_reassembly *r) {
  return r->span.base == r->final;
}

/* True when all bytes up to the end are here. */
static inline bool tl_reassembly_is_complete(const struct tl_reassembly *r) {
  return r->available == r->final;
}

struct tl_reassembly_record {
  uint8_t kind;
  uint8_t flags;
  bool has_more; /* a piece of a record, not its last */
  const uint8_t *bytes;
  size_t size;
};

/* The next record, in place; the same one until tl_reassembly_release(). `is_pressed`: memory is
 * short, give a part of a record too. 0 or TL_EMPTY. */
int tl_reassembly_next(struct tl_reassembly *r, bool is_pressed,
                       struct tl_reassembly_record *out_record);

/* The record that was given with `size` bytes has been dealt with. Returns how many bytes of the
 * row that were. */
uint64_t tl_reassembly_release(struct tl_reassembly *r, struct tl_account *account, size_t size);

/* Throws away what is here. Its numbers stay, but only one that was empty can be pushed to
 * afterwards. */
void tl_reassembly_clear(struct tl_reassembly *r, struct tl_account *account);

/* Frees what an empty reassembly holds. */
void tl_reassembly_trim(struct tl_reassembly *r, struct tl_account *account);

#endif
