#include "discovery/mdns/poll.h"

#include <avahi-common/timeval.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* avahi declares these two and leaves it to the loop's author what they are. */
struct AvahiWatch {
  uv_poll_t handle;
  AvahiWatchCallback callback;
  void *userdata;
  int fd;     /* the caller's */
  int own_fd; /* its duplicate, which the handle polls */
  AvahiWatchEvent events;
};

struct AvahiTimeout {
  uv_timer_t handle;
  AvahiTimeoutCallback callback;
  void *userdata;
};

static const struct {
  int uv;
  unsigned avahi;
} event_pairs[] = {
    {UV_READABLE, AVAHI_WATCH_IN},
    {UV_WRITABLE, AVAHI_WATCH_OUT},
    {UV_DISCONNECT, AVAHI_WATCH_HUP},
};

#define EVENT_PAIRS (sizeof event_pairs / sizeof *event_pairs)

static int events_to_uv(AvahiWatchEvent events) {
  int result = 0;
  for (size_t i = 0; i < EVENT_PAIRS; i++)
    if ((unsigned)events & event_pairs[i].avahi) result |= event_pairs[i].uv;
  return result;
}

static AvahiWatchEvent events_from_uv(int events) {
  unsigned result = 0;
  for (size_t i = 0; i < EVENT_PAIRS; i++)
    if (events & event_pairs[i].uv) result |= event_pairs[i].avahi;
  return (AvahiWatchEvent)result;
}

/* The callback may free the watch; uv_close() keeps the memory until the loop has turned. */
static void on_poll(uv_poll_t *handle, int status, int events) {
  AvahiWatch *w = handle->data;
  w->events = status < 0 ? AVAHI_WATCH_ERR : events_from_uv(events);
  w->callback(w, w->fd, w->events, w->userdata);
}

static void watch_update(AvahiWatch *w, AvahiWatchEvent events) {
  if (events)
    uv_poll_start(&w->handle, events_to_uv(events), on_poll);
  else
    uv_poll_stop(&w->handle);
}

static AvahiWatch *watch_new(const AvahiPoll *api, int fd, AvahiWatchEvent events,
                             AvahiWatchCallback callback, void *userdata) {
  AvahiWatch *w = calloc(1, sizeof *w);
  if (!w) return NULL;
  w->callback = callback;
  w->userdata = userdata;
  w->fd = fd;
  w->own_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (w->own_fd < 0) goto free_watch;
  if (uv_poll_init(api->userdata, &w->handle, w->own_fd) < 0) goto close_fd;
  w->handle.data = w;
  watch_update(w, events);
  return w;
close_fd:
  close(w->own_fd);
free_watch:
  free(w);
  return NULL;
}

static AvahiWatchEvent watch_get_events(AvahiWatch *w) {
  return w->events;
}

static void on_watch_closed(uv_handle_t *handle) {
  AvahiWatch *w = handle->data;
  close(w->own_fd);
  free(w);
}

static void watch_free(AvahiWatch *w) {
  uv_poll_stop(&w->handle);
  uv_close((uv_handle_t *)&w->handle, on_watch_closed);
}

static void on_timer(uv_timer_t *handle) {
  AvahiTimeout *t = handle->data;
  t->callback(t, t->userdata);
}

static void timeout_update(AvahiTimeout *t, const struct timeval *tv) {
  uv_timer_stop(&t->handle);
  if (!tv) return;
  AvahiUsec left_us = -avahi_age(tv);
  uint64_t left_ms =
      left_us > 0 ? ((uint64_t)left_us + 999) / 1000 : 0; /* rounded down, it would spin */
  uv_update_time(t->handle.loop);
  uv_timer_start(&t->handle, on_timer, left_ms, 0);
}

static AvahiTimeout *timeout_new(const AvahiPoll *api, const struct timeval *tv,
                                 AvahiTimeoutCallback callback, void *userdata) {
  AvahiTimeout *t = calloc(1, sizeof *t);
  if (!t) return NULL;
  t->callback = callback;
  t->userdata = userdata;
  uv_timer_init(api->userdata, &t->handle);
  t->handle.data = t;
  timeout_update(t, tv);
  return t;
}

static void on_timeout_closed(uv_handle_t *handle) {
  free(handle->data);
}

static void timeout_free(AvahiTimeout *t) {
  uv_timer_stop(&t->handle);
  uv_close((uv_handle_t *)&t->handle, on_timeout_closed);
}

AvahiPoll tl_mdns_poll_on(uv_loop_t *loop) {
  return (AvahiPoll){
      .userdata = loop,
      .watch_new = watch_new,
      .watch_update = watch_update,
      .watch_get_events = watch_get_events,
      .watch_free = watch_free,
      .timeout_new = timeout_new,
      .timeout_update = timeout_update,
      .timeout_free = timeout_free,
  };
}
