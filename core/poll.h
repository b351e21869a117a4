/*
 * Who waits for which descriptor: an epoll set whose events lead straight to the objects that asked.
 *
 * A watch is part of its object, so watching needs no memory of ours. One thread. Waiting and handing out are two
 * steps, so that the driver can look at the clock once between them:
 *
 *     tl_poller_wait(p, deadline);
 *     now = ...;
 *     tl_poller_dispatch(p);
 *
 * Deadlines of a busy node move on with each packet, and a timer that is set for each sleep costs a part of what a
 * packet costs. So the timer, a descriptor in the set, is left as it is while the deadline only moves away: it then
 * wakes its sleeper once too early, finds nothing due, and is set anew.
 *
 * An object may end any watch, its own included, while events are handed out: what was still to come for it is
 * dropped.
 */
#ifndef TL_CORE_POLL_H
#define TL_CORE_POLL_H

#include <stdint.h>
#include <sys/epoll.h>

#include "core/time.h"

#define TL_POLLER_EVENTS_MAX 64 /* taken from the kernel at a time */

struct tl_watch {
  void (*ready)(struct tl_watch *watch, uint32_t events); /* EPOLLIN and so on */
};

struct tl_poller {
  int fd;
  int timer_fd;
  uint64_t set_to; /* when the timer will ring; TL_NEVER: not before it is set */
  struct tl_watch timer;
  int at, count; /* of `events`: the next to be handed out, and the end */
  struct epoll_event events[TL_POLLER_EVENTS_MAX];
};

/* -errno. */
int tl_poller_init(struct tl_poller *p);
void tl_poller_deinit(struct tl_poller *p);

/* The watch is borrowed until it is removed. 0 or -errno. */
int tl_poller_add(struct tl_poller *p, int fd, uint32_t events, struct tl_watch *watch);

/* Other events from now on. */
void tl_poller_change(struct tl_poller *p, int fd, uint32_t events, struct tl_watch *watch);

/* Before the descriptor is closed. */
void tl_poller_remove(struct tl_poller *p, int fd, const struct tl_watch *watch);

/* Sleeps until there is an event or a signal, or until the deadline (CLOCK_BOOTTIME), perhaps not quite so long. TL_NEVER:
 * no deadline; 0: does not sleep. What was not handed out yet is kept, and nothing is waited for. */
void tl_poller_wait(struct tl_poller *p, uint64_t deadline);

/* Hands out what the last wait found. */
void tl_poller_dispatch(struct tl_poller *p);

#endif
