#include "node/loop.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <uv.h>

struct tl_loop {
  uv_loop_t uv;
  uv_poll_t host_poll;
  uv_timer_t timer;
  uv_signal_t terminate;
  uv_signal_t interrupt;
  struct tl_node *node;
  struct tl_host *host;
};

/* Texts for people name local times of the day. */
static int64_t wall_offset(uint64_t now) {
  struct tm local;
  time_t seconds = (time_t)(tl_time_of(CLOCK_REALTIME) / TL_S);
  localtime_r(&seconds, &local);
  return ((int64_t)seconds + local.tm_gmtoff) * (int64_t)TL_S - (int64_t)now;
}

static void on_timer(uv_timer_t *timer);

static void schedule(struct tl_loop *l, uint64_t now) {
  uint64_t at = tl_time_min(tl_host_deadline(l->host), tl_node_deadline(l->node));
  if (at == TL_NEVER)
    uv_timer_stop(&l->timer);
  else
    uv_timer_start(&l->timer, on_timer, at <= now ? 0 : (at - now + TL_MS - 1) / TL_MS, 0);
}

static void turn(struct tl_loop *l) {
  uint64_t now = tl_time_boot();
  l->node->wall_offset = wall_offset(now);
  tl_host_dispatch(l->host, now);
  tl_node_timeout(l->node, now);
  tl_host_flush(l->host, now);
  if (tl_node_wants_end(l->node))
    uv_stop(&l->uv);
  else
    schedule(l, now);
}

static void on_timer(uv_timer_t *timer) {
  turn(timer->data);
}

static void on_host(uv_poll_t *poll, int status, int events) {
  (void)status, (void)events;
  turn(poll->data);
}

static void on_signal(uv_signal_t *signal, int number) {
  struct tl_loop *l = signal->data;
  (void)number;
  uv_stop(&l->uv);
}

static int loop_start(struct tl_loop *l) {
  int r = uv_poll_init(&l->uv, &l->host_poll, tl_host_fd(l->host));
  if (r == 0) r = uv_timer_init(&l->uv, &l->timer);
  if (r == 0) r = uv_signal_init(&l->uv, &l->terminate);
  if (r == 0) r = uv_signal_init(&l->uv, &l->interrupt);
  l->host_poll.data = l->timer.data = l->terminate.data = l->interrupt.data = l;
  if (r == 0) r = uv_poll_start(&l->host_poll, UV_READABLE, on_host);
  if (r == 0) r = uv_signal_start(&l->terminate, on_signal, SIGTERM);
  if (r == 0) r = uv_signal_start(&l->interrupt, on_signal, SIGINT);
  return r;
}

static void close_handle(uv_handle_t *handle, void *unused) {
  (void)unused;
  if (!uv_is_closing(handle)) uv_close(handle, NULL);
}

struct tl_loop *tl_loop_free(struct tl_loop *l) {
  if (!l) return NULL;
  uv_walk(&l->uv, close_handle, NULL);
  uv_run(&l->uv, UV_RUN_DEFAULT);
  uv_loop_close(&l->uv);
  free(l);
  return NULL;
}

int tl_loop_new(struct tl_node *node, struct tl_host *host, struct tl_loop **out_loop) {
  struct tl_loop *l = calloc(1, sizeof *l);
  if (!l) return TULLE_E_NO_MEMORY;
  l->node = node;
  l->host = host;
  int r = uv_loop_init(&l->uv);
  if (r < 0) {
    free(l);
    return r;
  }
  r = loop_start(l);
  if (r < 0) {
    tl_loop_free(l);
    return r;
  }
  *out_loop = l;
  return 0;
}

void tl_loop_run(struct tl_loop *l) {
  turn(l);
  uv_run(&l->uv, UV_RUN_DEFAULT);
}
