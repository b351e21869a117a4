/* The slow parts of a ring: looking at the other party's words, and believing none of them. */
#include "transport/ring/ring.h"

#include <string.h>

/* Five lines hold a call with its arguments; of longer bodies the processor fetches the rest ahead by
 * itself. */
#define FETCH_LINE_BYTES 64
#define FETCH_BYTES_MAX  (4 * FETCH_LINE_BYTES)

/* ---- writing ---- */

void tl_ring_writer_init(struct tl_ring_writer *w, const struct tl_segment *own,
                         const struct tl_ring_page *peer) {
  *w = (struct tl_ring_writer){
      .data = own->data,
      .mask = own->data_bytes - 1,
      .limit = own->data_bytes,
      .capacity = own->data_bytes,
      .size = own->data_bytes,
      .own = own->page,
      .peer = peer,
  };
}

/* With no room left and no look allowed, every later reserve comes here again. */
static int writer_quarantine(struct tl_ring_writer *w) {
  w->is_broken = true;
  w->limit = w->head;
  return TULLE_E_PROTOCOL;
}

static int writer_look(struct tl_ring_writer *w) {
  if (w->is_broken) return TULLE_E_PROTOCOL;
  uint64_t tail = __atomic_load_n(&w->peer->read_position, __ATOMIC_ACQUIRE);
  if (tail < w->tail || tail > w->published) return writer_quarantine(w);
  w->tail = tail;
  if (tl_ring_has_left(w)) w->capacity = w->size;
  w->limit = tail + w->capacity;
  return 0;
}

int tl_ring_find_room(struct tl_ring_writer *w, uint64_t bytes) {
  if (bytes > w->size) return TULLE_E_TOO_BIG;
  int r = writer_look(w);
  if (r) return r;
  return bytes > w->limit - w->head ? TL_FULL : 0;
}

uint64_t tl_ring_room_target(const struct tl_ring_writer *w, uint32_t length) {
  uint64_t end = w->head + tl_record_bytes(length);
  uint64_t target = end > w->capacity ? end - w->capacity : 0;
  /* When the reader leaves the old area the capacity changes, so that alone is worth a look. */
  return !tl_ring_has_left(w) && target > w->switched ? w->switched : target;
}

int tl_ring_is_drained(struct tl_ring_writer *w, bool *out_is_drained) {
  int r = writer_look(w);
  if (r) return r;
  *out_is_drained = w->tail == w->head;
  return 0;
}

int tl_ring_switch(struct tl_ring_writer *w, const struct tl_segment *data, uint32_t number) {
  struct tl_switch_body body = {data->data_bytes, number};
  void *at;
  int r = writer_look(w);
  if (r) return r;
  if (!tl_ring_has_left(w) || (data->data_bytes < w->size && w->tail != w->head)) return TL_FULL;
  r = tl_ring_reserve(w, sizeof body, &at);
  if (r) return r;
  memcpy(at, &body, sizeof body);
  (void)tl_ring_commit(w, TL_RECORD_KIND_SWITCH, 0, sizeof body);
  /* Until the reader is across it checks against the old size, and the records ahead lie in the new
   * area. */
  w->capacity = w->size < data->data_bytes ? w->size : data->data_bytes;
  w->limit = w->tail + w->capacity;
  w->switched = w->head;
  w->data = data->data;
  w->size = data->data_bytes;
  w->mask = data->data_bytes - 1;
  return 0;
}

/* ---- reading ---- */

void tl_ring_reader_init(struct tl_ring_reader *r, struct tl_ring_page *own,
                         const struct tl_segment *peer) {
  *r = (struct tl_ring_reader){
      .data = peer->data,
      .mask = peer->data_bytes - 1,
      .size = peer->data_bytes,
      .own = own,
      .peer = peer->page,
  };
}

/* With nothing left to peek at and no look allowed, every later peek comes here again. */
int tl_ring_refuse(struct tl_ring_reader *r) {
  r->is_broken = true;
  r->head = r->next;
  return TULLE_E_PROTOCOL;
}

/*
 * A record is parsed from its front: without this, each of its lines would come over from the other
 * processor only when the one before it has been read. Never past what is published: those lines are
 * the writer's. Inlined by force, because gcc takes a function that only fetches for one that does
 * nothing, and drops the call.
 */
__attribute__((always_inline)) static inline void fetch_ahead(const struct tl_ring_reader *r,
                                                              uint64_t head) {
  const uint8_t *at = r->data + (r->next & r->mask);
  uint64_t bytes = head - r->next < FETCH_BYTES_MAX ? head - r->next : FETCH_BYTES_MAX;
  __builtin_prefetch(at);
  if (bytes > FETCH_LINE_BYTES) __builtin_prefetch(at + FETCH_LINE_BYTES);
  if (bytes > 2 * FETCH_LINE_BYTES) __builtin_prefetch(at + 2 * FETCH_LINE_BYTES);
  if (bytes > 3 * FETCH_LINE_BYTES) __builtin_prefetch(at + 3 * FETCH_LINE_BYTES);
  __builtin_prefetch(at + bytes - 1);
}

int tl_ring_find_head(struct tl_ring_reader *r) {
  if (r->is_broken) return TULLE_E_PROTOCOL;
  uint64_t head = __atomic_load_n(&r->peer->write_position, __ATOMIC_ACQUIRE);
  if (head == r->head) return TL_EMPTY;
  if (head < r->head || head - r->tail > r->size || head % TL_RECORD_ALIGN)
    return tl_ring_refuse(r);
  fetch_ahead(r, head);
  r->head = head;
  return 0;
}

int tl_ring_check_own_kind(struct tl_ring_reader *r, const struct tl_record *record) {
  if (record->kind != TL_RECORD_KIND_SWITCH || record->flags || record->length != sizeof r->asked)
    return tl_ring_refuse(r);
  memcpy(&r->asked, record->body, sizeof r->asked);
  return tl_segment_is_size(r->asked.data_bytes) ? TL_RING_SWITCH : tl_ring_refuse(r);
}

int tl_ring_attach(struct tl_ring_reader *r, const struct tl_segment *data, uint32_t number) {
  if (!r->peeked || data->data_bytes != r->asked.data_bytes || number != r->asked.number)
    return TULLE_E_INVALID;
  /* What was within the bounds of the old area has to be within those of the new one. */
  if (r->head - r->next - r->peeked > data->data_bytes) return tl_ring_refuse(r);
  tl_ring_pass(r);
  r->data = data->data;
  r->size = data->data_bytes;
  r->mask = data->data_bytes - 1;
  r->asked = (struct tl_switch_body){0};
  tl_ring_release(r);
  return 0;
}
