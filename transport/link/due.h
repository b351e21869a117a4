/*
 * Deadlines of many objects in a binary heap, so that asking for the first one costs nothing.
 *
 * An item is part of its owner; `kind` tells whoever takes it out what the owner is. Room is made
 * when an owner is made, so setting a deadline never fails.
 */
#ifndef TL_LINK_DUE_H
#define TL_LINK_DUE_H

#include <stddef.h>
#include <stdint.h>

struct tl_due {
  uint64_t at;
  size_t place; /* in the heap, from 1; 0: not in it */
  int kind;
};

struct tl_due_heap {
  struct tl_due **items;
  size_t count, room;
};

void tl_due_heap_init(struct tl_due_heap *heap);
void tl_due_heap_deinit(struct tl_due_heap *heap);

/* Makes room for `count` items in all. 0 or TULLE_E_NO_MEMORY. */
int tl_due_reserve(struct tl_due_heap *heap, size_t count);

/* Sets, moves or, with TL_NEVER, removes. */
void tl_due_set(struct tl_due_heap *heap, struct tl_due *item, uint64_t at);

/* The earliest, or NULL. */
struct tl_due *tl_due_first(const struct tl_due_heap *heap);

#endif
