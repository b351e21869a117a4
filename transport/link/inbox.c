#include "transport/link/inbox.h"

#include <stdlib.h>
#include <string.h>

/* ---- One message in parts ---- */

static size_t assembly_size(uint32_t total) {
  return sizeof(struct tl_assembly) + total;
}

struct tl_assembly *tl_assembly_new(struct tl_account *account, void *lane, uint64_t id,
                                    uint32_t total) {
  struct tl_assembly *a = malloc(assembly_size(total));
  if (!a) return NULL;
  tl_list_init(&a->link);
  a->lane = lane;
  a->id = id;
  a->total = total;
  tl_ranges_init(&a->parts, TL_ASSEMBLY_RANGES_MAX);
  account->bytes += assembly_size(total);
  return a;
}

struct tl_assembly *tl_assembly_free(struct tl_assembly *a, struct tl_account *account) {
  if (!a) return NULL;
  account->bytes -= assembly_size(a->total);
  tl_list_remove(&a->link);
  tl_ranges_deinit(&a->parts);
  free(a);
  return NULL;
}

int tl_assembly_push(struct tl_assembly *a, const struct tl_frame_msg *part) {
  if (part->total != a->total) return TULLE_E_PROTOCOL;
  if (tl_ranges_add(&a->parts, part->offset, part->offset + part->size)) return TL_FULL;
  memcpy(a->bytes + part->offset, part->bytes, part->size);
  return tl_ranges_covers(&a->parts, 0, a->total) ? TL_END : 0;
}

/* ---- Which reliable messages came ---- */

struct tl_reliable_in *tl_reliable_in_new(struct tl_account *account) {
  struct tl_reliable_in *r = calloc(1, sizeof *r);
  if (!r) return NULL;
  for (size_t i = 0; i < TL_ASSEMBLY_BUCKETS; i++) tl_list_init(r->partial + i);
  account->bytes += sizeof *r;
  return r;
}

void tl_reliable_in_clear(struct tl_reliable_in *r, struct tl_account *account) {
  for (size_t i = 0; i < TL_ASSEMBLY_BUCKETS; i++)
    for (struct tl_list *l; (l = r->partial[i].next) != r->partial + i;)
      tl_assembly_free(tl_container_of(l, struct tl_assembly, link), account);
  r->partial_count = 0;
}

struct tl_reliable_in *tl_reliable_in_free(struct tl_reliable_in *r, struct tl_account *account) {
  if (!r) return NULL;
  tl_reliable_in_clear(r, account);
  account->bytes -= sizeof *r;
  free(r);
  return NULL;
}

static uint64_t bit_of(uint64_t id) {
  return UINT64_C(1) << (id % 64);
}

static uint64_t *word_of(struct tl_reliable_in *r, uint64_t id) {
  return r->came + id % TL_INBOX_WINDOW / 64;
}

int tl_reliable_in_judge(const struct tl_reliable_in *r, uint64_t id) {
  if (id < r->first) return TL_END;
  if (id - r->first >= TL_INBOX_WINDOW) return TULLE_E_PROTOCOL;
  return r->came[id % TL_INBOX_WINDOW / 64] & bit_of(id) ? TL_END : 0;
}

void tl_reliable_in_mark(struct tl_reliable_in *r, uint64_t id) {
  *word_of(r, id) |= bit_of(id);
  while (*word_of(r, r->first) & bit_of(r->first)) {
    *word_of(r, r->first) &= ~bit_of(r->first);
    r->first++;
  }
}

struct tl_assembly *tl_reliable_in_find(const struct tl_reliable_in *r, uint64_t id) {
  if (r->partial_count == 0) return NULL;
  const struct tl_list *bucket = r->partial + id % TL_ASSEMBLY_BUCKETS;
  for (struct tl_list *l = bucket->next; l != bucket; l = l->next) {
    struct tl_assembly *a = tl_container_of(l, struct tl_assembly, link);
    if (a->id == id) return a;
  }
  return NULL;
}

void tl_reliable_in_add(struct tl_reliable_in *r, struct tl_assembly *a) {
  tl_list_push_back(r->partial + a->id % TL_ASSEMBLY_BUCKETS, &a->link);
  r->partial_count++;
}

void tl_reliable_in_remove(struct tl_reliable_in *r, struct tl_account *account,
                           struct tl_assembly *a) {
  r->partial_count--;
  tl_assembly_free(a, account);
}

/* ---- Whole messages ---- */

/* Before each message in the queue. Messages are padded to 8 bytes, so heads are aligned. */
struct head {
  uint32_t size; /* of the body */
  uint8_t kind;
  uint8_t flags;
  bool is_reliable;
  uint8_t zero;
};

static size_t padded(size_t size) {
  return (size + 7) & ~(size_t)7;
}

void tl_inbox_init(struct tl_inbox *q) {
  tl_span_init(&q->span, 0);
  q->best_effort_bytes = 0;
}

void tl_inbox_clear(struct tl_inbox *q, struct tl_account *account) {
  tl_span_deinit(&q->span, account);
  tl_inbox_init(q);
}

int tl_inbox_push(struct tl_inbox *q, struct tl_account *account, bool is_reliable,
                  const uint8_t *bytes, size_t size) {
  size_t body_size = size - TL_FRAME_RECORD_HEAD_BYTES;
  uint32_t cost = (uint32_t)(sizeof(struct head) + padded(body_size));
  if (!is_reliable && q->best_effort_bytes + cost > TL_INBOX_BEST_EFFORT_BYTES_MAX) return TL_FULL;
  uint64_t at = q->span.end;
  if (tl_span_reserve(&q->span, account, at + cost) < 0) return TL_FULL;
  struct head head = {
      .size = (uint32_t)body_size, .kind = bytes[0], .flags = bytes[1], .is_reliable = is_reliable};
  memcpy(tl_span_at(&q->span, at), &head, sizeof head);
  memcpy(tl_span_at(&q->span, at) + sizeof head, bytes + TL_FRAME_RECORD_HEAD_BYTES, body_size);
  if (!is_reliable) q->best_effort_bytes += cost;
  return 0;
}

int tl_inbox_next(const struct tl_inbox *q, struct tl_inbox_message *out_message) {
  if (tl_inbox_is_empty(q)) return TL_EMPTY;
  struct head head;
  const uint8_t *at = tl_span_at(&q->span, q->span.base);
  memcpy(&head, at, sizeof head);
  *out_message = (struct tl_inbox_message){.is_reliable = head.is_reliable,
                                           .kind = head.kind,
                                           .flags = head.flags,
                                           .bytes = at + sizeof head,
                                           .size = head.size};
  return 0;
}

void tl_inbox_pop(struct tl_inbox *q, struct tl_account *account) {
  struct head head;
  memcpy(&head, tl_span_at(&q->span, q->span.base), sizeof head);
  uint32_t cost = (uint32_t)(sizeof head + padded(head.size));
  if (!head.is_reliable) q->best_effort_bytes -= cost;
  tl_span_drop(&q->span, account, q->span.base + cost);
}
