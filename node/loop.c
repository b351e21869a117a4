#include "node/loop.h"

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "core/list.h"
#include "core/poll.h"
#include "node/host/host.h"

struct tl_loop {
  uv_loop_t uv;
  uv_signal_t terminate;
  uv_signal_t interrupt;
  struct tl_watch uv_watch;
  bool is_uv_due;
  bool is_turn_due;
  bool is_stopped;
  struct tl_node *node;
  struct tl_host *host;
  struct tl_poller *poller;   /* the host's */
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

/* ---- turns ---- */

static uint64_t deadline(const struct tl_loop *l) {
  uint64_t at = tl_time_min(tl_host_deadline(l->host), tl_node_deadline(l->node));
  if (l->network) at = tl_time_min(at, tl_network_deadline(l->network));
  return l->is_uv_due || l->is_turn_due || l->is_stopped ? 0 : at;
}

/* Programs and packets first, then what follows from them: all that they led to leaves in the same turn. */
static void turn(struct tl_loop *l, uint64_t now) {
  if (now >= l->wall_at) note_wall(l, now);
  if (l->network) tl_network_begin(l->network, now);
  tl_host_turn(l->host, now);
  if (l->is_uv_due) uv_run(&l->uv, UV_RUN_NOWAIT);
  l->is_uv_due = false;
  tl_node_timeout(l->node, now);
  if (l->network) l->is_uv_due = tl_network_turn(l->network, now);
  l->is_turn_due = tl_host_flush(l->host, now);
  if (tl_node_wants_end(l->node)) l->is_stopped = true;
}

static void uv_ready(struct tl_watch *watch, uint32_t events) {
  (void)events;
  tl_container_of(watch, struct tl_loop, uv_watch)->is_uv_due = true;
}

static void on_signal(uv_signal_t *signal, int number) {
  struct tl_loop *l = signal->data;
  (void)number;
  l->is_stopped = true;
}

static int watch(struct tl_loop *l) {
  l->uv_watch = (struct tl_watch){uv_ready};
  l->is_uv_due = true; /* it asks the kernel for what it was told to watch only when it runs */
  l->poller = tl_host_poller(l->host);
  int r = tl_poller_add(l->poller, uv_backend_fd(&l->uv), EPOLLIN, &l->uv_watch);
  if (r == 0) r = uv_signal_init(&l->uv, &l->terminate);
  if (r == 0) r = uv_signal_init(&l->uv, &l->interrupt);
  l->terminate.data = l->interrupt.data = l;
  if (r == 0) r = uv_signal_start(&l->terminate, on_signal, SIGTERM);
  if (r == 0) r = uv_signal_start(&l->interrupt, on_signal, SIGINT);
  return r;
}

static int open_network(struct tl_loop *l, const struct tl_network_config *config) {
  if (!config) return 0;
  struct tl_network_config c = *config;
  c.poller = l->poller;
  c.loop = &l->uv;
  return tl_network_open(&c, &l->network);
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
  uint64_t now = tl_time_boot();
  for (turn(l, now); !l->is_stopped; turn(l, now)) {
    uint64_t at = deadline(l);
    tl_poller_wait(l->poller, at <= now ? 0 : at);
    now = tl_time_boot();
  }
}

static void close_handle(uv_handle_t *handle, void *unused) {
  (void)unused;
  if (!uv_is_closing(handle)) uv_close(handle, NULL);
}

struct tl_loop *tl_loop_close(struct tl_loop *l) {
  tl_network_close(l->network);
  if (l->poller) tl_poller_remove(l->poller, uv_backend_fd(&l->uv), &l->uv_watch);
  l->host = tl_host_free(l->host, tl_time_boot());
  uv_walk(&l->uv, close_handle, NULL);
  uv_run(&l->uv, UV_RUN_DEFAULT);
  uv_loop_close(&l->uv);
  free(l);
  return NULL;
}
