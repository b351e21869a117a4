#include "node/host/host.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/log.h"
#include "node/host/port.h"
#include "node/host/seat.h"

#define ACCEPTS_MAX        16            /* connections taken in one turn */
#define STRANGERS_MAX      256           /* connections without a hello, of all users */
#define STRANGERS_MAX_EACH 32            /* and of one */
#define STRANGER_NS        (5 * TL_S)    /* after which they are closed */
#define ACCEPT_REST_NS     (100 * TL_MS) /* without descriptors, trying again at once would spin */

static void listen_ready(struct tl_watch *watch, uint32_t events);

int tl_host_new(struct tl_node *node, int listen_fd, struct tl_host **out_host) {
  struct tl_host *h = calloc(1, sizeof *h);
  if (!h) return TULLE_E_NO_MEMORY;
  h->node = node;
  h->listen_fd = listen_fd;
  h->listen_watch = (struct tl_watch){listen_ready};
  tl_list_init(&h->strangers), tl_list_init(&h->ports), tl_list_init(&h->doomed);
  tl_list_init(&h->buried), tl_list_init(&h->touched), tl_list_init(&h->busy);
  tl_list_init(&h->gone);
  int r = tl_poller_init(&h->poller);
  if (r == 0) r = tl_poller_add(&h->poller, listen_fd, EPOLLIN, &h->listen_watch);
  if (r < 0) {
    tl_poller_deinit(&h->poller);
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
  tl_poller_change(&h->poller, h->listen_fd, 0, &h->listen_watch);
  h->accept_at = h->now + ACCEPT_REST_NS;
}

static void accept_again(struct tl_host *h) {
  tl_poller_change(&h->poller, h->listen_fd, EPOLLIN, &h->listen_watch);
  h->accept_at = 0;
}

static void listen_ready(struct tl_watch *watch, uint32_t events) {
  struct tl_host *h = tl_container_of(watch, struct tl_host, listen_watch);
  (void)events;
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

/* True if a program has ended. */
static bool end_doomed(struct tl_host *h) {
  if (tl_list_is_empty(&h->doomed)) return false;
  tl_port_end(tl_container_of(h->doomed.next, struct tl_port, doom));
  return true;
}

/* Shows what was written, ends what is to end, until nothing of both is left; then frees. True if a program has ended. */
static bool turn_finish(struct tl_host *h) {
  struct tl_list *l;
  bool has_ended = false, is_doomed = false;
  do {
    while ((l = tl_list_pop_front(&h->touched)))
      tl_seat_settle(tl_container_of(l, struct tl_seat, link));
    is_doomed = end_doomed(h);
    has_ended |= is_doomed;
  } while (is_doomed);
  while ((l = tl_list_pop_front(&h->gone))) tl_seat_free(tl_container_of(l, struct tl_seat, link));
  while ((l = tl_list_pop_front(&h->buried)))
    tl_port_free(tl_container_of(l, struct tl_port, link));
  return has_ended;
}

struct tl_poller *tl_host_poller(struct tl_host *h) {
  return &h->poller;
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

void tl_host_turn(struct tl_host *h, uint64_t now) {
  h->now = now;
  turn_busy(h);
  tl_poller_dispatch(&h->poller);
  if (h->accept_at && h->accept_at <= now) accept_again(h);
  end_old_strangers(h);
  while (end_doomed(h)) continue;
}

void tl_host_dispatch(struct tl_host *h, uint64_t now) {
  tl_poller_wait(&h->poller, 0);
  tl_host_turn(h, now);
  (void)turn_finish(h);
}

bool tl_host_flush(struct tl_host *h, uint64_t now) {
  h->now = now;
  return turn_finish(h);
}

struct tl_host *tl_host_free(struct tl_host *h, uint64_t now) {
  if (!h) return NULL;
  h->now = now;
  TL_LIST_FOR_EACH(l, &h->strangers) tl_port_doom(tl_container_of(l, struct tl_port, link), NULL);
  TL_LIST_FOR_EACH(m, &h->ports) tl_port_doom(tl_container_of(m, struct tl_port, link), NULL);
  (void)turn_finish(h);
  TL_ASSERT(h->stranger_count == 0 && tl_list_is_empty(&h->ports));
  close(h->listen_fd);
  tl_poller_deinit(&h->poller);
  free(h);
  return NULL;
}
