/* A binary heap whose items know their place in it, so that they can be moved and taken out. */
#include "transport/link/due.h"

#include <stdlib.h>

#include "core/error.h"
#include "core/time.h"

void tl_due_heap_init(struct tl_due_heap *heap) {
  *heap = (struct tl_due_heap){0};
}

void tl_due_heap_deinit(struct tl_due_heap *heap) {
  free(heap->items);
  *heap = (struct tl_due_heap){0};
}

int tl_due_reserve(struct tl_due_heap *heap, size_t count) {
  if (count <= heap->room) return 0;
  size_t room = heap->room ? heap->room : 16;
  while (room < count) room *= 2;
  struct tl_due **items = realloc(heap->items, room * sizeof(struct tl_due *));
  if (!items) return TULLE_E_NO_MEMORY;
  heap->items = items;
  heap->room = room;
  return 0;
}

static void place_at(struct tl_due_heap *heap, struct tl_due *item, size_t i) {
  heap->items[i] = item;
  item->place = i + 1;
}

static void sift_up(struct tl_due_heap *heap, struct tl_due *item, size_t i) {
  for (; i > 0 && item->at < heap->items[(i - 1) / 2]->at; i = (i - 1) / 2)
    place_at(heap, heap->items[(i - 1) / 2], i);
  place_at(heap, item, i);
}

static void sift_down(struct tl_due_heap *heap, struct tl_due *item, size_t i) {
  size_t child;
  while ((child = 2 * i + 1) < heap->count) {
    if (child + 1 < heap->count && heap->items[child + 1]->at < heap->items[child]->at) child++;
    if (heap->items[child]->at >= item->at) break;
    place_at(heap, heap->items[child], i);
    i = child;
  }
  place_at(heap, item, i);
}

static void take_out(struct tl_due_heap *heap, struct tl_due *item) {
  size_t i = item->place - 1;
  struct tl_due *last = heap->items[--heap->count];
  item->place = 0;
  if (last == item) return;
  sift_up(heap, last, i);
  sift_down(heap, last, last->place - 1);
}

void tl_due_set(struct tl_due_heap *heap, struct tl_due *item, uint64_t at) {
  if (item->place && item->at == at) return;
  if (item->place) take_out(heap, item);
  item->at = at;
  if (at == TL_NEVER) return;
  TL_ASSERT(heap->count < heap->room);
  sift_up(heap, item, heap->count++);
}

struct tl_due *tl_due_first(const struct tl_due_heap *heap) {
  return heap->count > 0 ? heap->items[0] : NULL;
}
