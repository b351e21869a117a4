/*
 * Who leads: the one thread that runs the loop (loop.h) at the moment.
 *
 * Those who want to serve take turns. Somebody urgent, who has to do one thing as the leader, goes
 * before them, and makes the present leader give the lead soon.
 */
#ifndef TL_CLIENT_LEAD_H
#define TL_CLIENT_LEAD_H

#include <pthread.h>

#include "client/alert.h"

struct tl_lead {
  pthread_mutex_t mutex;
  pthread_cond_t is_free;   /* for those who wait to serve */
  pthread_cond_t is_urgent; /* for those who wait to do something once */
  const void *leader;
  unsigned urgent; /* atomic: how many of those */
};

/* NO_MEMORY. */
int tl_lead_init(struct tl_lead *l);
void tl_lead_deinit(struct tl_lead *l);

/* Waits until nobody else leads. */
void tl_lead_take(struct tl_lead *l);

/* The same, urgently: raises the alert that the present leader hears. */
void tl_lead_take_soon(struct tl_lead *l, struct tl_alert *alert);

/* False: somebody else leads, or is about to. */
bool tl_lead_try(struct tl_lead *l);

void tl_lead_give(struct tl_lead *l);
bool tl_lead_is_mine(struct tl_lead *l);

/* (leader) Somebody urgent waits. */
static inline bool tl_lead_is_wanted(const struct tl_lead *l) {
  return __atomic_load_n(&l->urgent, __ATOMIC_RELAXED);
}

#endif
