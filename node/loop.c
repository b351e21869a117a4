#include "node/loop.h"

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "node/host/host.h"

struct tl_loop {
  uv_loop_t uv;
  uv_poll_t host_poll;
  uv_timer_t timer;
  uv_signal_t terminate;
  uv_signal_t interrupt;
  struct tl_node *node;
  struct tl_host *host;
  struct tl_network *network; /* NULL: this machine only */
  uint64_t wall_at;           /* when to look at the wall's clock again */
};

/* Texts for people name local times of the day. */
static int64_t wall_offset(uint64_t now) {
  struct tm local;
  time_t seconds = (time_t)(tl_time_of(CLOCK_REALTIME) / TL_S);
  localtime_r(&seconds, &local);
  return ((int64_t)seconds + local.tm_gmtoff) * (int64_t)TL_S - (int64_t)now;
}

static void note_wall(struct tl_loop *l, uint64_t now) {
  l->node->wall_offset = wall_offset(now);
  l->wall_at = now + TL_S;
}

static void on_timer(uv_timer_t *timer);

static void schedule(struct tl_loop *l, uint64_t now) {
  uint64_t at = tl_time_min(tl_host_deadline(l->host), tl_node_deadline(l->node));
  if (at == TL_NEVER)
    uv_timer_stop(&l->timer);
  else
    uv_timer_start(&l->timer, on_timer, at <= now ? 0 : (at - now + TL_MS - 1) / TL_MS, 0);
}

/* What the node has for its programs leaves; what is due next is noted. */
static void programs_flush(struct tl_loop *l, uint64_t now) {
  tl_host_flush(l->host, now);
  if (tl_node_wants_end(l->node))
    uv_stop(&l->uv);
  else
    schedule(l, now);
}

/* Programs first, then links: what programs wrote leaves in the same turn, and what links answered at once as well. */
static void turn(struct tl_loop *l, uint64_t now, bool is_readable) {
  if (is_readable)
    tl_host_dispatch(l->host, now);
  else
    tl_host_timeout(l->host, now);
  tl_node_timeout(l->node, now);
  if (l->network) tl_network_turn(l->network, now);
  programs_flush(l, now);
}

static void on_network(void *context, uint64_t now) {
  programs_flush(context, now);
}

static void on_timer(uv_timer_t *timer) {
  struct tl_loop *l = timer->data;
  uint64_t now = tl_time_boot();
  if (now >= l->wall_at) note_wall(l, now);
  turn(l, now, false);
}

static void on_host(uv_poll_t *poll, int status, int events) {
  (void)status, (void)events;
  turn(poll->data, tl_time_boot(), true);
}

static void on_signal(uv_signal_t *signal, int number) {
  struct tl_loop *l = signal->data;
  (void)number;
  uv_stop(&l->uv);
}

static int watch(struct tl_loop *l) {
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

static int open_network(struct tl_loop *l, const struct tl_network_config *config) {
  if (!config) return 0;
  struct tl_network_config c = *config;
  c.turned = on_network;
  c.turned_context = l;
  return tl_network_open(&l->uv, &c, &l->network);
}

int tl_loop_open(struct tl_node *node, int listen_fd, const struct tl_network_config *network,
                 struct tl_loop **out_loop) {
  struct tl_loop *l = calloc(1, sizeof *l);
  if (!l || uv_loop_init(&l->uv) < 0) {
    free(l);
    close(listen_fd);
    return TULLE_E_NO_MEMORY;
  }
  l->node = node;
  note_wall(l, tl_time_boot());
  int r = tl_host_new(node, listen_fd, &l->host);
  if (r < 0) close(listen_fd);
  if (r == 0) r = watch(l);
  if (r == 0) r = open_network(l, network);
  if (r < 0) {
    tl_loop_close(l);
    return r;
  }
  *out_loop = l;
  return 0;
}

void tl_loop_run(struct tl_loop *l) {
  turn(l, tl_time_boot(), true);
  uv_run(&l->uv, UV_RUN_DEFAULT);
}

static void close_handle(uv_handle_t *handle, void *unused) {
  (void)unused;
  if (!uv_is_closing(handle)) uv_close(handle, NULL);
}

struct tl_loop *tl_loop_close(struct tl_loop *l) {
  tl_network_close(l->network);
  l->host = tl_host_free(l->host, tl_time_boot());
  uv_walk(&l->uv, close_handle, NULL);
  uv_run(&l->uv, UV_RUN_DEFAULT);
  uv_loop_close(&l->uv);
  free(l);
  return NULL;
}
