/* An intrusive doubly linked ring list. An element is in at most one list per link; a fresh link is
 * a list of itself. */
#ifndef TL_CORE_LIST_H
#define TL_CORE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct tl_list {
  struct tl_list *next;
  struct tl_list *prev;
};

#define tl_container_of(pointer, type, member)                                                     \
  ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static inline void tl_list_init(struct tl_list *l) {
  l->next = l->prev = l;
}
static inline bool tl_list_is_empty(const struct tl_list *l) {
  return l->next == l;
}

static inline void tl_list_insert_before(struct tl_list *place, struct tl_list *l) {
  l->prev = place->prev;
  l->next = place;
  place->prev->next = l;
  place->prev = l;
}

static inline void tl_list_push_back(struct tl_list *head, struct tl_list *l) {
  tl_list_insert_before(head, l);
}
static inline void tl_list_push_front(struct tl_list *head, struct tl_list *l) {
  tl_list_insert_before(head->next, l);
}

/* Takes `l` out of whatever list it is in; it may be called twice. */
static inline void tl_list_remove(struct tl_list *l) {
  l->prev->next = l->next;
  l->next->prev = l->prev;
  tl_list_init(l);
}

static inline struct tl_list *tl_list_pop_front(struct tl_list *head) {
  struct tl_list *l = head->next;
  if (l == head) return NULL;
  tl_list_remove(l);
  return l;
}

/* Moves all elements of `from` to the end of `head`; `from` is empty then. */
static inline void tl_list_splice_back(struct tl_list *head, struct tl_list *from) {
  if (tl_list_is_empty(from)) return;
  from->next->prev = head->prev;
  head->prev->next = from->next;
  from->prev->next = head;
  head->prev = from->prev;
  tl_list_init(from);
}

/* The element under `l` may be removed inside the loop, others may not. */
#define TL_LIST_FOR_EACH(l, head)                                                                  \
  for (struct tl_list *l = (head)->next, *l##_next = l->next; l != (head);                         \
       l = l##_next, l##_next = l->next)

#endif
