/*
 * One ring: records of any size from one writer to one reader, in memory that the reader cannot
 * write.
 *
 * Each side keeps its own position and a copy of the other one's in private memory and looks at the
 * shared word only when the copy says full or empty. The shared words are publications: nothing is
 * ever read back from the own page, and every word of the other page is loaded once, checked
 * against the private copies, and then used from the local variable. A word that cannot be true
 * ends the ring with TULLE_E_PROTOCOL, for good (quarantine): positions move forward only, never by
 * more than the data area holds, and a record lies within what has been published.
 *
 * Invariants, with tail <= next <= head <= limit all in 64 bits:
 *   writer: published <= head <= limit = tail + capacity      (tail: the reader's last known
 * position) reader: tail <= next <= head, head - tail <= size          (head: the writer's last
 * known position)
 *
 * A side belongs to one thread at a time (the caller's lock); the two sides of a party are
 * independent. Nothing here allocates, sleeps or makes a system call.
 */
#ifndef TL_TRANSPORT_RING_RING_H
#define TL_TRANSPORT_RING_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "transport/ring/layout.h"
#include "transport/ring/segment.h"

/* Brings a cache line here, for this processor alone. gcc's prefetch for writing is one for reading
 * where the processor may be as old as x86-64 itself; there the instruction does nothing. */
static inline void tl_prefetch_to_write(const void *at) {
#if defined(__x86_64__)
  __asm__ volatile("prefetchw %0" : : "m"(*(const char *)at));
#else
  __builtin_prefetch(at, 1);
#endif
}

/* A condition of a reader beside those of core/error.h. */
enum tl_ring_condition {
  TL_RING_SWITCH = 16, /* what follows is in another data area: tl_ring_attach() it */
};

/* ---- writing ---- */

struct tl_ring_writer {
  uint8_t *data;
  uint64_t mask;
  uint64_t head;     /* where the next record goes */
  uint64_t limit;    /* how far it may go without looking at the reader */
  uint64_t sequence; /* of the next record */
  uint64_t reserved; /* bytes of the open reservation, header included; 0: none */
  struct tl_ring_page *own;
  const struct tl_ring_page *peer;
  uint64_t published;
  uint64_t tail;     /* the reader's position, as last read */
  uint64_t capacity; /* limit - tail: below the size while the reader is still in a smaller area */
  uint64_t switched; /* where the current data area begins */
  uint32_t size;     /* of the current data area */
  bool is_broken;
};

/* `own` is the writer's party segment, `peer` the position page of its reader. Both are borrowed.
 */
void tl_ring_writer_init(struct tl_ring_writer *w, const struct tl_segment *own,
                         const struct tl_ring_page *peer);

/* Slow part of tl_ring_reserve(). */
int tl_ring_find_room(struct tl_ring_writer *w, uint64_t bytes);

/* The largest body that one record can have. */
static inline uint32_t tl_ring_body_bytes_max(const struct tl_ring_writer *w) {
  return w->size - TL_RECORD_HEADER_BYTES;
}

/*
 * Makes room for a record with a body of up to `length` bytes and says where to write the body. One
 * reservation at a time. TL_FULL; TULLE_E_TOO_BIG (never fits); TULLE_E_PROTOCOL.
 */
static inline int tl_ring_reserve(struct tl_ring_writer *w, uint32_t length, void **out_body) {
  TL_ASSERT(w->reserved == 0);
  uint64_t bytes = tl_record_bytes(length);
  if (tl_unlikely(bytes > w->limit - w->head)) {
    int r = tl_ring_find_room(w, bytes);
    if (r) return r;
  }
  w->reserved = bytes;
  *out_body = w->data + (w->head & w->mask) + TL_RECORD_HEADER_BYTES;
  return 0;
}

/* Ends the reservation with a record of `length` bytes, at most what was reserved. Not visible
 * before tl_ring_publish(). Returns its sequence. */
static inline uint64_t tl_ring_commit(struct tl_ring_writer *w, uint16_t kind, uint16_t flags,
                                      uint32_t length) {
  uint64_t bytes = tl_record_bytes(length);
  TL_ASSERT(bytes <= w->reserved);
  struct tl_record_header *h = (void *)(w->data + (w->head & w->mask));
  *h = (struct tl_record_header){length, kind, flags, w->sequence};
  w->head += bytes;
  w->reserved = 0;
  return w->sequence++;
}

/* Ends the reservation without a record. */
static inline void tl_ring_abort(struct tl_ring_writer *w) {
  w->reserved = 0;
}

/*
 * Makes all committed records visible, as a full barrier: after it, a look at the reader's parked
 * word cannot miss a reader that missed the records. A store and a fence, where an exchange would do:
 * a processor asks for the line of an exchange when all stores before have found theirs, for that of
 * a store together with them. ThreadSanitizer does not know fences.
 */
static inline void tl_ring_publish(struct tl_ring_writer *w) {
  w->published = w->head;
#if defined(__SANITIZE_THREAD__)
  __atomic_store_n(&w->own->write_position, w->head, __ATOMIC_SEQ_CST);
#else
  __atomic_store_n(&w->own->write_position, w->head, __ATOMIC_RELEASE);
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/* Two lines hold a call with short arguments. */
#define TL_RING_FETCH_BYTES 128u

/* Asks for the lines that the next record will be written to, which the reader had last, so that
 * they are here by then. Not beyond the room that is known: the reader still needs those. */
static inline void tl_ring_fetch_room(const struct tl_ring_writer *w) {
  const uint8_t *at = w->data + (w->head & w->mask);
  if (tl_unlikely(w->limit - w->head < TL_RING_FETCH_BYTES)) return;
  tl_prefetch_to_write(at);
  tl_prefetch_to_write(at + TL_RECORD_ALIGN);
}

/* What to wait for after TL_FULL: before the reader has reached this position, another look for
 * `length` bytes cannot find more. */
uint64_t tl_ring_room_target(const struct tl_ring_writer *w, uint32_t length);

/* Whether the reader has taken all that was published, as far as a look now can tell.
 * TULLE_E_PROTOCOL. */
int tl_ring_is_drained(struct tl_ring_writer *w, bool *out_is_drained);

/*
 * Ends the current data area with a SWITCH record and goes on in `data` (mapped writable, borrowed
 * until the next switch is drained), which both sides know by `number`. Going on in a smaller area
 * needs a drained ring. TL_FULL (no room for the record yet, or not drained: try again later);
 * TULLE_E_PROTOCOL. The record still has to be published.
 */
int tl_ring_switch(struct tl_ring_writer *w, const struct tl_segment *data, uint32_t number);

/* True once the reader has left the area before the current one, which may then be unmapped. */
static inline bool tl_ring_has_left(const struct tl_ring_writer *w) {
  return w->tail >= w->switched;
}

/* ---- reading ---- */

struct tl_record {
  const void *body; /* in the ring: the writer may still change it */
  uint32_t length;
  uint16_t kind;
  uint16_t flags;
  uint64_t sequence;
};

struct tl_ring_reader {
  const uint8_t *data;
  uint64_t mask;
  uint64_t next;     /* the record to look at */
  uint64_t head;     /* how far the writer has published, as last read */
  uint64_t sequence; /* that record's */
  uint64_t peeked;   /* bytes of the record at `next`, once looked at; else 0 */
  struct tl_ring_page *own;
  const struct tl_ring_page *peer;
  uint64_t tail;   /* what the own page says */
  uint64_t looked; /* the tail at the last look for a waiting writer (channel.h) */
  uint32_t size;
  struct tl_switch_body asked; /* of the SWITCH record that was peeked */
  bool is_broken;
};

/* `own` is the reader's position page, `peer` the party segment of the writer. Both are borrowed.
 */
void tl_ring_reader_init(struct tl_ring_reader *r, struct tl_ring_page *own,
                         const struct tl_segment *peer);

/* Slow parts of tl_ring_peek(). */
int tl_ring_find_head(struct tl_ring_reader *r);
int tl_ring_refuse(struct tl_ring_reader *r);
int tl_ring_check_own_kind(struct tl_ring_reader *r, const struct tl_record *record);

/*
 * The next record, in place. Peeking twice gives the same record.
 * TL_EMPTY; TL_RING_SWITCH (`asked` says which area: map it and tl_ring_attach() it);
 * TULLE_E_PROTOCOL.
 */
static inline int tl_ring_peek(struct tl_ring_reader *r, struct tl_record *out_record) {
  if (tl_unlikely(r->next == r->head)) {
    int e = tl_ring_find_head(r);
    if (e) return e;
  }
  const uint8_t *at = r->data + (r->next & r->mask);
  uint64_t first = __atomic_load_n((const uint64_t *)(const void *)at, __ATOMIC_RELAXED);
  uint64_t sequence = __atomic_load_n((const uint64_t *)(const void *)(at + 8), __ATOMIC_RELAXED);
  uint32_t length = (uint32_t)first;
  uint16_t kind = (uint16_t)(first >> 32), flags = (uint16_t)(first >> 48);
  uint64_t bytes = tl_record_bytes(length);
  if (tl_unlikely(bytes > r->head - r->next || sequence != r->sequence ||
                  flags & ~TL_RECORD_FLAGS_KNOWN))
    return tl_ring_refuse(r);
  r->peeked = bytes;
  *out_record = (struct tl_record){at + TL_RECORD_HEADER_BYTES, length, kind, flags, sequence};
  return tl_unlikely(kind >= TL_RECORD_KIND_RESERVED) ? tl_ring_check_own_kind(r, out_record) : 0;
}

/* Done with the peeked record; the next peek gives the one after it. Its bytes stay until released.
 */
static inline void tl_ring_pass(struct tl_ring_reader *r) {
  TL_ASSERT(r->peeked);
  r->next += r->peeked;
  r->peeked = 0;
  r->sequence++;
}

/* Gives the room of all passed records back to the writer. */
static inline void tl_ring_release(struct tl_ring_reader *r) {
  r->tail = r->next;
  __atomic_store_n(&r->own->read_position, r->tail, __ATOMIC_RELEASE);
}

/* Goes on in `data` after TL_RING_SWITCH; the old area may then be unmapped. TULLE_E_INVALID (not
 * the area that the record names); TULLE_E_PROTOCOL. */
int tl_ring_attach(struct tl_ring_reader *r, const struct tl_segment *data, uint32_t number);

#endif
