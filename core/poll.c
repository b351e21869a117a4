#include "core/poll.h"

#include <errno.h>
#include <stddef.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "core/list.h"

/* Edge-triggered: nobody needs to read it. */
static void timer_ready(struct tl_watch *watch, uint32_t events) {
  (void)events;
  tl_container_of(watch, struct tl_poller, timer)->set_to = TL_NEVER;
}

int tl_poller_init(struct tl_poller *p) {
  p->at = p->count = 0;
  p->set_to = TL_NEVER;
  p->timer = (struct tl_watch){timer_ready};
  p->fd = epoll_create1(EPOLL_CLOEXEC);
  p->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  int r = p->fd < 0 || p->timer_fd < 0 ? -errno : 0;
  if (r == 0) r = tl_poller_add(p, p->timer_fd, EPOLLIN | EPOLLET, &p->timer);
  if (r < 0) tl_poller_deinit(p);
  return r;
}

void tl_poller_deinit(struct tl_poller *p) {
  if (p->fd >= 0) close(p->fd);
  if (p->timer_fd >= 0) close(p->timer_fd);
  p->fd = p->timer_fd = -1;
  p->at = p->count = 0;
}

int tl_poller_add(struct tl_poller *p, int fd, uint32_t events, struct tl_watch *watch) {
  struct epoll_event e = {.events = events, .data.ptr = watch};
  return epoll_ctl(p->fd, EPOLL_CTL_ADD, fd, &e) ? -errno : 0;
}

void tl_poller_change(struct tl_poller *p, int fd, uint32_t events, struct tl_watch *watch) {
  struct epoll_event e = {.events = events, .data.ptr = watch};
  epoll_ctl(p->fd, EPOLL_CTL_MOD, fd, &e);
}

void tl_poller_remove(struct tl_poller *p, int fd, const struct tl_watch *watch) {
  epoll_ctl(p->fd, EPOLL_CTL_DEL, fd, NULL);
  for (int i = p->at; i < p->count; i++)
    if (p->events[i].data.ptr == watch) p->events[i].data.ptr = NULL;
}

/* A time that has passed rings at once. */
static void timer_set(struct tl_poller *p, uint64_t at) {
  struct itimerspec t = {.it_value = {(time_t)(at / TL_S), (long)(at % TL_S)}};
  if (timerfd_settime(p->timer_fd, TFD_TIMER_ABSTIME, &t, NULL) == 0) p->set_to = at;
}

void tl_poller_wait(struct tl_poller *p, uint64_t deadline) {
  if (p->at < p->count) return;
  if (deadline && deadline < p->set_to) timer_set(p, deadline);
  int n = epoll_wait(p->fd, p->events, TL_POLLER_EVENTS_MAX, deadline ? -1 : 0);
  p->at = 0;
  p->count = n > 0 ? n : 0;
}

void tl_poller_dispatch(struct tl_poller *p) {
  while (p->at < p->count) {
    const struct epoll_event *e = &p->events[p->at++];
    struct tl_watch *watch = e->data.ptr;
    if (watch) watch->ready(watch, e->events);
  }
}
