#include "node/host/host.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/log.h"
#include "node/host/port.h"
#include "node/host/seat.h"

#define EVENTS_MAX         64            /* taken from the kernel in one turn */
#define ACCEPTS_MAX        16            /* connections taken in one turn */
#define STRANGERS_MAX      256           /* connections without a hello, of all users */
#define STRANGERS_MAX_EACH 32            /* and of one */
#define STRANGER_NS        (5 * TL_S)    /* after which they are closed */
#define ACCEPT_REST_NS     (100 * TL_MS) /* without descriptors, trying again at once would spin */

int tl_host_watch(struct tl_host *h, int fd, uint32_t events, struct tl_watch *watch) {
  struct epoll_event e = {.events = events, .data.ptr = watch};
  return epoll_ctl(h->epoll_fd, EPOLL_CTL_ADD, fd, &e) ? -errno : 0;
}

int tl_host_new(struct tl_node *node, int listen_fd, struct tl_host **out_host) {
  struct tl_host *h = calloc(1, sizeof *h);
  if (!h) return TULLE_E_NO_MEMORY;
  h->node = node;
  h->listen_fd = listen_fd;
  h->listen_watch = (struct tl_watch){TL_WATCH_LISTEN, h};
  tl_list_init(&h->strangers), tl_list_init(&h->ports), tl_list_init(&h->doomed);
  tl_list_init(&h->buried), tl_list_init(&h->touched), tl_list_init(&h->busy);
  tl_list_init(&h->gone);
  h->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  int r = h->epoll_fd < 0 ? -errno : tl_host_watch(h, listen_fd, EPOLLIN, &h->listen_watch);
  if (r < 0) {
    if (h->epoll_fd >= 0) close(h->epoll_fd);
    free(h);
    return r;
  }
  *out_host = h;
  return 0;
}

/* ---- accepting ---- */

/* Too many who say nothing: of this user, or of all. */
static bool is_crowded(const struct tl_host *h, const struct tl_port *newcomer) {
  size_t same = 0;
  if (h->stranger_count >= STRANGERS_MAX) return true;
  TL_LIST_FOR_EACH(l, &h->strangers) {
    const struct tl_port *p = tl_container_of(l, struct tl_port, link);
    same += p->credentials.uid == newcomer->credentials.uid;
  }
  return same >= STRANGERS_MAX_EACH;
}

static void accept_one(struct tl_host *h, int fd) {
  struct tl_port *p;
  if (tl_port_new(h, fd, &p) < 0) return; /* it is gone already, or there is no memory */
  if (is_crowded(h, p)) {
    h->node->counters.refused++;
    p->is_over = true;
    tl_port_free(p);
    return;
  }
  tl_list_push_back(&h->strangers, &p->link);
  h->stranger_count++;
}

void tl_host_admit(struct tl_host *h, int fd, uint64_t now) {
  h->now = now;
  accept_one(h, fd);
}

static void accept_rest(struct tl_host *h) {
  struct epoll_event e = {.data.ptr = &h->listen_watch};
  epoll_ctl(h->epoll_fd, EPOLL_CTL_MOD, h->listen_fd, &e);
  h->accept_at = h->now + ACCEPT_REST_NS;
}

static void accept_again(struct tl_host *h) {
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = &h->listen_watch};
  epoll_ctl(h->epoll_fd, EPOLL_CTL_MOD, h->listen_fd, &e);
  h->accept_at = 0;
}

static void host_accept(struct tl_host *h) {
  for (int i = 0; i < ACCEPTS_MAX; i++) {
    int fd = accept4(h->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
      accept_one(h, fd);
    else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
      accept_rest(h);
    if (fd < 0) return;
  }
}

static void end_old_strangers(struct tl_host *h) {
  TL_LIST_FOR_EACH(l, &h->strangers) {
    struct tl_port *p = tl_container_of(l, struct tl_port, link);
    if (h->now - p->since < STRANGER_NS) return;
    if (!h->node->wants_end) tl_port_doom(p, NULL);
  }
}

/* ---- turns ---- */

static void turn_busy(struct tl_host *h) {
  struct tl_list now, *l;
  tl_list_init(&now);
  while ((l = tl_list_pop_front(&h->busy))) tl_list_push_back(&now, l);
  while ((l = tl_list_pop_front(&now))) tl_seat_turn(tl_container_of(l, struct tl_seat, link));
}

static void turn_event(struct tl_host *h, const struct epoll_event *e) {
  const struct tl_watch *w = e->data.ptr;
  switch (w->kind) {
  case TL_WATCH_LISTEN:
    host_accept(h);
    break;
  case TL_WATCH_SOCKET:
    tl_port_ready(w->owner, e->events);
    break;
  case TL_WATCH_PIDFD:
    tl_port_doom(w->owner, NULL);
    break;
  case TL_WATCH_BELL:
    tl_seat_turn(w->owner);
    break;
  }
}

/* Shows what was written, ends what is to end, until nothing of both is left; then frees. */
static void turn_finish(struct tl_host *h) {
  struct tl_list *l;
  for (;;) {
    if ((l = tl_list_pop_front(&h->touched)))
      tl_seat_settle(tl_container_of(l, struct tl_seat, link));
    else if (!tl_list_is_empty(&h->doomed))
      tl_port_end(tl_container_of(h->doomed.next, struct tl_port, doom));
    else
      break;
  }
  while ((l = tl_list_pop_front(&h->gone))) tl_seat_free(tl_container_of(l, struct tl_seat, link));
  while ((l = tl_list_pop_front(&h->buried)))
    tl_port_free(tl_container_of(l, struct tl_port, link));
}

int tl_host_fd(const struct tl_host *h) {
  return h->epoll_fd;
}

uint64_t tl_host_deadline(const struct tl_host *h) {
  uint64_t at = h->accept_at ? h->accept_at : TL_NEVER;
  if (!tl_list_is_empty(&h->busy)) return 0;
  if (!tl_list_is_empty(&h->strangers)) {
    const struct tl_port *oldest = tl_container_of(h->strangers.next, struct tl_port, link);
    at = tl_time_min(at, oldest->since + STRANGER_NS);
  }
  return at;
}

static void turn_events(struct tl_host *h) {
  struct epoll_event events[EVENTS_MAX];
  int n = epoll_wait(h->epoll_fd, events, EVENTS_MAX, 0);
  for (int i = 0; i < n; i++) turn_event(h, &events[i]);
}

static void host_turn(struct tl_host *h, uint64_t now, bool takes_events) {
  h->now = now;
  turn_busy(h);
  if (takes_events) turn_events(h);
  if (h->accept_at && h->accept_at <= now) accept_again(h);
  end_old_strangers(h);
  turn_finish(h);
}

void tl_host_dispatch(struct tl_host *h, uint64_t now) {
  host_turn(h, now, true);
}

void tl_host_timeout(struct tl_host *h, uint64_t now) {
  host_turn(h, now, false);
}

void tl_host_flush(struct tl_host *h, uint64_t now) {
  h->now = now;
  turn_finish(h);
}

struct tl_host *tl_host_free(struct tl_host *h, uint64_t now) {
  if (!h) return NULL;
  h->now = now;
  TL_LIST_FOR_EACH(l, &h->strangers) tl_port_doom(tl_container_of(l, struct tl_port, link), NULL);
  TL_LIST_FOR_EACH(m, &h->ports) tl_port_doom(tl_container_of(m, struct tl_port, link), NULL);
  turn_finish(h);
  TL_ASSERT(h->stranger_count == 0 && tl_list_is_empty(&h->ports));
  close(h->listen_fd);
  close(h->epoll_fd);
  free(h);
  return NULL;
}
