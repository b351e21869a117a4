#include "discovery/mdns/step.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "core/time.h"

#define STEP_MIN_S INT64_C(2)

static int64_t offset_ns(void) {
  return (int64_t)tl_time_of(CLOCK_REALTIME) - (int64_t)tl_time_boot();
}

/* A timer that never fires and is cancelled by the kernel whenever the clock jumps. */
static int arm(int fd) {
  struct itimerspec never = {.it_value = {.tv_sec = INT64_C(1) << 40}};
  return timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL) < 0 ? -errno
                                                                                            : 0;
}

static void on_poll(uv_poll_t *handle, int status, int events) {
  struct tl_step_watch *w = handle->data;
  uint64_t count;
  (void)status, (void)events;
  if (read(w->fd, &count, sizeof count) >= 0 || errno != ECANCELED) return;
  int64_t before_ns = w->offset_ns;
  w->offset_ns = offset_ns();
  (void)arm(w->fd);
  int64_t back_s = (before_ns - w->offset_ns) / (int64_t)TL_S;
  if (back_s >= STEP_MIN_S) w->set_back(w->context, back_s);
}

int tl_step_watch_open(struct tl_step_watch *w, uv_loop_t *loop,
                       void (*set_back)(void *context, int64_t seconds), void *context) {
  *w = (struct tl_step_watch){.offset_ns = offset_ns(), .set_back = set_back, .context = context};
  w->fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  if (w->fd < 0) return -errno;
  int r = arm(w->fd);
  if (r == 0) r = uv_poll_init(loop, &w->handle, w->fd);
  if (r < 0) {
    close(w->fd);
    return r;
  }
  w->handle.data = w;
  return uv_poll_start(&w->handle, UV_READABLE, on_poll);
}

static void on_closed(uv_handle_t *handle) {
  struct tl_step_watch *w = handle->data;
  close(w->fd);
}

void tl_step_watch_close(struct tl_step_watch *w) {
  uv_poll_stop(&w->handle);
  uv_close((uv_handle_t *)&w->handle, on_closed);
}
