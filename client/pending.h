/*
 * Calls that wait for their reply: found by id, kept in a pool.
 *
 * Ids rise by one, so a table of chains indexed by the id's low bits has hardly any chain. It
 * starts inside the channel and doubles when there are more calls than places. Asynchronous calls
 * come from a pool that grows and is not given back before the channel ends: after its first
 * moments a channel allocates nothing. Synchronous ones live on their callers' stacks.
 */
#ifndef TL_CLIENT_PENDING_H
#define TL_CLIENT_PENDING_H

#include "core/error.h"
#include "core/list.h"
#include "tulle/call.h"

struct tl_out;

enum tl_pending_word {
  TL_PENDING_WAITS,  /* somebody else drives the channel */
  TL_PENDING_DRIVES, /* this call's thread shall drive it */
  TL_PENDING_DONE,
};

struct tulle_pending {
  struct tulle_pending *next; /* in its chain, or in the pool */
  uint64_t id;
  uint64_t deadline;
  struct tulle_channel *channel;
  struct tl_out *out; /* what of it is not in the ring yet, or NULL */
  int status;
  uint32_t word;                /* enum tl_pending_word: a futex of the thread that waits */
  bool is_listed;               /* in the table */
  bool is_one_way;              /* done when it is sent */
  struct tulle_result *result;  /* of a synchronous call, or NULL */
  tulle_completion *completion; /* of an asynchronous call; NULL: a synchronous one */
  void *userdata;
  struct tl_list link; /* waiters, or ended */
};

#define TL_PENDINGS_FIRST 64u

struct tl_pendings {
  struct tulle_pending **chains;
  uint64_t mask;
  size_t count;
  struct tulle_pending *pool;
  void *blocks; /* what the pool was cut from */
  struct tulle_pending *first[TL_PENDINGS_FIRST];
};

void tl_pendings_init(struct tl_pendings *t);
void tl_pendings_deinit(struct tl_pendings *t);

/* Slow parts. */
struct tulle_pending *tl_pendings_grow_pool(struct tl_pendings *t);
void tl_pendings_double(struct tl_pendings *t);

/* From the pool, not initialised; NULL: no memory. */
static inline struct tulle_pending *tl_pendings_take(struct tl_pendings *t) {
  struct tulle_pending *p = t->pool;
  if (__builtin_expect(!p, 0)) return tl_pendings_grow_pool(t);
  t->pool = p->next;
  return p;
}

static inline void tl_pendings_give(struct tl_pendings *t, struct tulle_pending *p) {
  p->next = t->pool;
  t->pool = p;
}

static inline void tl_pendings_insert(struct tl_pendings *t, struct tulle_pending *p) {
  struct tulle_pending **chain = &t->chains[p->id & t->mask];
  p->next = *chain;
  *chain = p;
  p->is_listed = true;
  if (__builtin_expect(++t->count > t->mask, 0)) tl_pendings_double(t);
}

/* The call of that id, or NULL; it is not taken out. */
static inline struct tulle_pending *tl_pendings_find(const struct tl_pendings *t, uint64_t id) {
  struct tulle_pending *p = t->chains[id & t->mask];
  while (p && p->id != id) p = p->next;
  return p;
}

static inline void tl_pendings_remove(struct tl_pendings *t, struct tulle_pending *p) {
  struct tulle_pending **at = &t->chains[p->id & t->mask];
  while (*at != p) at = &(*at)->next;
  *at = p->next;
  p->is_listed = false;
  t->count--;
}

/* Tells the thread of a synchronous call how it ended. The call may be gone when this returns. */
void tl_pending_finish(struct tulle_pending *p, int status);

/* Takes all out, linked by `next`. */
struct tulle_pending *tl_pendings_remove_all(struct tl_pendings *t);

/* Takes the asynchronous calls out whose deadline is not after `now`, linked by `next`, and says
 * when to ask again. Cost: linear in the calls. */
struct tulle_pending *tl_pendings_remove_late(struct tl_pendings *t, uint64_t now,
                                              uint64_t *out_next);

#endif
