#include "client/pending.h"

#include <stdlib.h>

#include "client/lock.h"

#define BLOCK_CALLS 64

struct block {
  struct block *next;
  struct tulle_pending calls[BLOCK_CALLS];
};

void tl_pendings_init(struct tl_pendings *t) {
  *t = (struct tl_pendings){.mask = TL_PENDINGS_FIRST - 1};
  t->chains = t->first;
}

void tl_pendings_deinit(struct tl_pendings *t) {
  for (struct block *b = t->blocks, *next; b; b = next) {
    next = b->next;
    free(b);
  }
  if (t->chains != t->first) free(t->chains);
}

struct tulle_pending *tl_pendings_grow_pool(struct tl_pendings *t) {
  struct block *b = malloc(sizeof *b);
  if (!b) return NULL;
  b->next = t->blocks;
  t->blocks = b;
  for (size_t i = 1; i < BLOCK_CALLS; i++) tl_pendings_give(t, &b->calls[i]);
  return &b->calls[0];
}

/* Without memory the chains only get longer. */
void tl_pendings_double(struct tl_pendings *t) {
  size_t old_size = (size_t)t->mask + 1;
  struct tulle_pending **old = t->chains, **chains = calloc(2 * old_size, sizeof *chains);
  if (!chains) return;
  t->chains = chains;
  t->mask = 2 * old_size - 1;
  for (size_t i = 0; i < old_size; i++) {
    for (struct tulle_pending *p = old[i], *next; p; p = next) {
      next = p->next;
      p->next = chains[p->id & t->mask];
      chains[p->id & t->mask] = p;
    }
  }
  if (old != t->first) free(old);
}

void tl_pending_finish(struct tulle_pending *p, int status) {
  tl_list_remove(&p->link);
  p->status = status;
  __atomic_store_n(&p->word, TL_PENDING_DONE, __ATOMIC_RELEASE);
  tl_futex_wake(&p->word);
}

struct tulle_pending *tl_pendings_remove_all(struct tl_pendings *t) {
  struct tulle_pending *all = NULL;
  for (size_t i = 0; i <= t->mask; i++) {
    for (struct tulle_pending *p; (p = t->chains[i]);) {
      tl_pendings_remove(t, p);
      p->next = all;
      all = p;
    }
  }
  return all;
}

struct tulle_pending *tl_pendings_remove_late(struct tl_pendings *t, uint64_t now,
                                              uint64_t *out_next) {
  struct tulle_pending *late = NULL;
  uint64_t first = UINT64_MAX;
  for (size_t i = 0; i <= t->mask; i++) {
    for (struct tulle_pending *p = t->chains[i], *next; p; p = next) {
      next = p->next;
      if (!p->completion) continue;
      if (p->deadline > now) {
        first = p->deadline < first ? p->deadline : first;
        continue;
      }
      tl_pendings_remove(t, p);
      p->next = late;
      late = p;
    }
  }
  *out_next = first;
  return late;
}
