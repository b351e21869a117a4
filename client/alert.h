/*
 * What any thread tells whoever waits inside the library: that something has happened, that the loop
 * has to look at a channel, until when it may sleep.
 *
 * Waits on rings end by `cancel`, waits in epoll by `wake_fd`. Raising costs two system calls at
 * most, and may be done anywhere, also in a signal handler.
 */
#ifndef TL_CLIENT_ALERT_H
#define TL_CLIENT_ALERT_H

#include "client/lock.h"
#include "core/list.h"
#include "transport/ring/park.h"

struct tl_alert {
  struct tl_cancel cancel;
  int wake_fd; /* atomic; the loop's, -1: it has none yet */

  struct tl_lock lock;      /* a leaf: guards the list */
  struct tl_list attention; /* links of channels that the loop shall look at */
  bool has_attention;       /* atomic */

  bool is_stopped;         /* atomic: tulle_stop() */
  uint32_t stopping;       /* atomic, a futex: threads inside of it */
  uint64_t async_deadline; /* atomic: not after the first of all asynchronous calls */
  uint64_t planned;        /* atomic: when the loop wakes by itself; 0: it is awake */
};

/* -errno. */
int tl_alert_init(struct tl_alert *a);

/* Waits until no thread is inside tl_alert_stop(): a signal's handler on another thread may still be
 * there when what it has stopped is over. */
void tl_alert_deinit(struct tl_alert *a);

/* Asks those who serve to stop, and raises the alert. Any thread; async-signal-safe. */
void tl_alert_stop(struct tl_alert *a);

/* Tells all to look around. Any thread, any lock; async-signal-safe. */
void tl_alert_raise(struct tl_alert *a);

/* The part of it that wakes an epoll. */
void tl_alert_wake_epoll(struct tl_alert *a);

/* Puts a link that is in no list on the list of attention; takes one off it (false: it is not there
 * any more); the next one, or NULL. */
void tl_alert_attend(struct tl_alert *a, struct tl_list *link);
bool tl_alert_unattend(struct tl_alert *a, struct tl_list *link);
struct tl_list *tl_alert_next(struct tl_alert *a);

/* An asynchronous call ends then at the latest. True: the loop plans to sleep for longer. */
bool tl_alert_is_late_for(struct tl_alert *a, uint64_t deadline);

#endif
