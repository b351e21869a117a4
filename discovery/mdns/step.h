/*
 * Notices that the wall clock was set back. avahi-daemon lives by the wall clock and answers
 * nothing until it has caught up; this process does not (clock.c), so then its own engine takes
 * over.
 */
#ifndef TL_DISCOVERY_MDNS_STEP_H
#define TL_DISCOVERY_MDNS_STEP_H

#include <uv.h>

struct tl_step_watch {
  uv_poll_t handle;
  int fd;
  int64_t offset_ns; /* wall clock minus time since boot */
  void (*set_back)(void *context, int64_t seconds);
  void *context;
};

/* Calls `set_back` when the clock was set back by two seconds or more. A negative errno. */
int tl_step_watch_open(struct tl_step_watch *w, uv_loop_t *loop,
                       void (*set_back)(void *context, int64_t seconds), void *context);
/* The structure must live until the loop has turned. */
void tl_step_watch_close(struct tl_step_watch *w);

#endif
