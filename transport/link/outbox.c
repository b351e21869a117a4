#include "transport/link/outbox.h"

#include <stdlib.h>

#define CAPACITY_FIRST 16u

struct tl_outbox *tl_outbox_new(struct tl_account *account) {
  struct tl_outbox *o = calloc(1, sizeof *o);
  if (!o) return NULL;
  tl_sendbuf_init(&o->bytes);
  account->bytes += sizeof *o;
  return o;
}

struct tl_outbox *tl_outbox_free(struct tl_outbox *o, struct tl_account *account) {
  if (!o) return NULL;
  tl_sendbuf_deinit(&o->bytes, account);
  account->bytes -= sizeof *o + o->capacity * sizeof *o->ends;
  free(o->ends);
  free(o);
  return NULL;
}

static bool grow(struct tl_outbox *o, struct tl_account *account) {
  TL_ASSERT(o->capacity < TL_OUTBOX_MESSAGES_MAX);
  uint32_t capacity = o->capacity ? 2 * o->capacity : CAPACITY_FIRST;
  uint64_t *ends = malloc(capacity * sizeof *ends);
  if (!ends) return false;
  for (uint64_t id = o->first; id < o->last; id++) ends[id % capacity] = o->ends[id % o->capacity];
  free(o->ends);
  account->bytes += (capacity - o->capacity) * sizeof *ends;
  o->ends = ends;
  o->capacity = capacity;
  return true;
}

uint8_t *tl_outbox_append(struct tl_outbox *o, struct tl_account *account, size_t size) {
  if (o->last - o->first == o->capacity && !grow(o, account)) return NULL;
  uint8_t *at = tl_sendbuf_append(&o->bytes, account, size);
  if (at) o->ends[o->last++ % o->capacity] = tl_sendbuf_written(&o->bytes);
  return at;
}

static uint64_t end_of(const struct tl_outbox *o, uint64_t id) {
  return o->ends[id % o->capacity];
}

struct tl_outbox_message tl_outbox_find(const struct tl_outbox *o, uint64_t offset) {
  uint64_t low = o->first, high = o->last - 1; /* the first whose end lies beyond */
  while (low < high) {
    uint64_t middle = low + (high - low) / 2;
    if (end_of(o, middle) <= offset)
      low = middle + 1;
    else
      high = middle;
  }
  uint64_t start = low == o->first ? o->bytes.span.base : end_of(o, low - 1);
  return (struct tl_outbox_message){.id = low, .start = start, .end = end_of(o, low)};
}

void tl_outbox_settle(struct tl_outbox *o, struct tl_account *account) {
  uint64_t keep = o->bytes.span.base;
  while (o->first < o->last && end_of(o, o->first) <= o->bytes.acked) keep = end_of(o, o->first++);
  tl_sendbuf_keep(&o->bytes, account, keep);
}
