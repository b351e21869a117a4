/*
 * The loop: one thread at a time, the leader, looks after all channels of an attachment that have
 * something for it: calls to serve, replies to asynchronous calls, queued messages, ends.
 *
 * tulle_serve() leads until it is stopped, and passes the lead on before it runs a handler when it
 * has several threads; tulle_dispatch() leads for one turn.
 *
 * Members are the channels the loop looks after. The ready ones may have something now; each gives
 * one call and goes to the end of the list, so that calls of many clients are served in the order
 * in which they came, nearly. The others wait in one of two ways:
 *
 *   on futexes   few members: the leader parks on their rings, spinning first where that pays
 *   in epoll     many members, none, or a program that asked for a descriptor: each ring is armed
 *                to write its eventfd
 *
 * Other threads put a channel on the list of attention and kick.
 */
#ifndef TL_CLIENT_LOOP_H
#define TL_CLIENT_LOOP_H

#include <pthread.h>

#include "client/lock.h"
#include "core/list.h"

struct tulle;
struct tulle_channel;
struct tulle_service;
struct tulle_call_context;

struct tl_loop {
  /* who leads */
  pthread_mutex_t mutex;
  pthread_cond_t is_free;   /* for those who wait to serve */
  pthread_cond_t is_urgent; /* for those who wait to do something once */
  const void *leader;
  unsigned urgent; /* atomic: how many of those */

  struct tl_lock lock; /* a leaf: guards the list of attention */
  struct tl_list attention;
  bool has_attention; /* atomic */

  bool is_stopped;         /* atomic */
  uint64_t async_deadline; /* atomic: not after the first of all asynchronous calls */
  uint64_t planned;        /* atomic: when the loop wakes by itself; 0: it is awake */

  /* the leader's */
  struct tl_list members;
  size_t member_count;
  struct tl_list ready;
  unsigned steps;    /* since all members were looked at */
  uint64_t taken_at; /* when the last call was taken off a ring, by the coarse clock */
  struct tl_list spares;
  size_t spare_count;

  /* descriptors, made when first needed */
  int epoll_fd; /* -1: none */
  int timer_fd;
  int wake_fd; /* atomic */
  bool is_in_epoll;
  bool uses_fd;      /* the program has asked for the descriptor */
  uint64_t timer_at; /* what the timer is set to */
};

int tl_loop_init(struct tl_loop *l);

/* (leader) Lets go of all members; nothing may be used afterwards but deinit. */
void tl_loop_leave_all(struct tulle *t);
void tl_loop_deinit(struct tl_loop *l);

/* ---- leading ---- */

/* Waits until nobody else leads. An urgent one makes the present leader give the lead soon. */
void tl_loop_lead(struct tulle *t, bool is_urgent);
bool tl_loop_try_lead(struct tl_loop *l);
void tl_loop_give(struct tl_loop *l);
bool tl_loop_is_led_by_me(struct tl_loop *l);

/* (leader) Somebody urgent waits. */
static inline bool tl_loop_is_wanted(const struct tl_loop *l) {
  return __atomic_load_n(&l->urgent, __ATOMIC_RELAXED);
}

/* ---- what the leader does ---- */

/*
 * One step, without waiting. 0: a call to run, with tl_served_run(); TL_MORE: something was done,
 * or may be; TL_EMPTY: nothing is to be done now. Counts the completions that ran.
 */
int tl_loop_step(struct tulle *t, struct tulle_call_context **out_call, unsigned *ran);

/* Waits until something may be to be done, at most until `deadline`. */
void tl_loop_wait(struct tulle *t, uint64_t deadline);

/* Looks at the clock: late calls, and a node that may have died. For those who never wait. */
void tl_loop_look_around(struct tulle *t);

/* Prepares the descriptor for tulle_fd(), and sees that it tells what is to be told. */
int tl_loop_use_fd(struct tulle *t);
void tl_loop_rest(struct tulle *t);

/* All channels of a service end. */
void tl_loop_end_service(struct tulle *t, const struct tulle_service *s);

/* ---- what others tell it ---- */

/* (channel's lock) Takes a holder of the channel. */
void tl_loop_attend(struct tl_loop *l, struct tulle_channel *c);

/* (channel's lock) The opposite. True: the holder is the caller's again. */
bool tl_loop_unattend(struct tl_loop *l, struct tulle_channel *c);

/* An asynchronous call ends then at the latest. True: the loop plans to sleep for longer. */
bool tl_loop_is_late_for(struct tl_loop *l, uint64_t deadline);

/* There is a new control socket. */
void tl_loop_watch_socket(struct tl_loop *l, int fd);

/* The part of tl_attachment_kick() that wakes an epoll. Async-signal-safe. */
void tl_loop_kick(struct tl_loop *l);

#endif
