#include "node/host/port.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/log.h"
#include "node/host/seat.h"
#include "transport/ring/park.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

_Static_assert(TL_CONTROL_FDS_MAX <= TL_SEQPACKET_FDS_MAX, "a control message is one packet");

#define QUEUE_MAX         64    /* packets that a program may cause by what it says */
#define QUEUE_MAX_OF_END  4     /* and that each of its channels may cause without it */
#define QUEUE_BEHIND      32    /* no new channel for a program that has so many to take first */
#define TURN_MESSAGES_MAX 32    /* of one program, in one turn */
#define SEND_BUFFER_BYTES 32768 /* bounds what a program that does not read keeps in the kernel */
#define LOG_EVERY_NS                                                                               \
  (100 * TL_MS) /* a program that breaks things in a circle does not fill a disk */

/* ---- who is it ---- */

static int peer_pidfd(int socket, uint32_t pid) {
  int fd;
  socklen_t size = sizeof fd;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &fd, &size) == 0) return fd;
  fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
  if (fd < 0) return -errno;
  /* Had the process ended and its number gone to another one, its socket would be hung up. */
  struct pollfd p = {.fd = socket};
  if (poll(&p, 1, 0) < 0 || p.revents & POLLHUP) {
    close(fd);
    return TULLE_E_PEER_GONE;
  }
  return fd;
}

static int read_credentials(int socket, struct tl_credentials *out) {
  struct ucred c;
  socklen_t size = sizeof c;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &c, &size)) return -errno;
  *out = (struct tl_credentials){.uid = c.uid, .gid = c.gid, .pid = (uint32_t)c.pid};
  return 0;
}

/* ---- life ---- */

static void socket_ready(struct tl_watch *watch, uint32_t events);

static void pidfd_ready(struct tl_watch *watch, uint32_t events) {
  (void)events;
  tl_port_doom(tl_container_of(watch, struct tl_port, pidfd_watch), NULL);
}

static int port_watch(struct tl_port *p) {
  struct tl_poller *poller = &p->host->poller;
  int r = tl_poller_add(poller, p->socket.fd, EPOLLIN | EPOLLRDHUP, &p->socket_watch);
  return r < 0 ? r : tl_poller_add(poller, p->pidfd, EPOLLIN, &p->pidfd_watch);
}

int tl_port_new(struct tl_host *host, int fd, struct tl_port **out_port) {
  struct tl_port *p = calloc(1, sizeof *p);
  if (!p) {
    close(fd);
    return TULLE_E_NO_MEMORY;
  }
  p->host = host;
  p->since = host->now;
  p->next_segment = 1;
  p->socket_watch = (struct tl_watch){socket_ready};
  p->pidfd_watch = (struct tl_watch){pidfd_ready};
  p->pidfd = -1;
  tl_list_init(&p->doom);
  tl_list_init(&p->link);
  tl_seqpacket_init(&p->socket, fd, QUEUE_MAX);
  tl_table_init(&p->segments, host->node->config.secret);
  int bytes = SEND_BUFFER_BYTES;
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  int r = read_credentials(fd, &p->credentials);
  if (r == 0) {
    p->pidfd = peer_pidfd(fd, p->credentials.pid);
    r = p->pidfd < 0 ? p->pidfd : port_watch(p);
  }
  if (r < 0) {
    p->is_over = true;
    tl_port_free(p);
    return r;
  }
  *out_port = p;
  return 0;
}

static void port_close(struct tl_port *p) {
  tl_seqpacket_deinit(&p->socket);
  if (p->pidfd >= 0) close(p->pidfd);
  p->pidfd = -1;
}

void tl_port_free(struct tl_port *p) {
  TL_ASSERT(p->is_over && !p->program);
  port_close(p);
  tl_list_remove(&p->link);
  tl_list_remove(&p->doom);
  tl_table_deinit(&p->segments);
  free(p);
}

static void port_log(struct tl_port *p) {
  struct tl_host *h = p->host;
  if (!p->doom_reason) return;
  if (h->now < h->log_at) {
    h->unlogged++;
    return;
  }
  const char *name = p->program ? p->program->party.program : "?";
  tl_log(TL_LOG_WARNING, "programs", "'%s' (pid %u, uid %u) is cut off: %s", name,
         p->credentials.pid, p->credentials.uid, p->doom_reason);
  if (h->unlogged)
    tl_log(TL_LOG_WARNING, "programs", "%llu more were cut off meanwhile",
           (unsigned long long)h->unlogged);
  h->unlogged = 0;
  h->log_at = h->now + LOG_EVERY_NS;
}

void tl_port_doom(struct tl_port *p, const char *reason) {
  if (p->is_over || !tl_list_is_empty(&p->doom)) return;
  p->doom_reason = reason;
  tl_list_push_back(&p->host->doomed, &p->doom);
}

/* The account follows the queue, which holds descriptors while the program does not read. */
static int port_charge_queue(struct tl_port *p) {
  if (!p->program) return 0;
  uint64_t held = p->socket.queued_fds;
  struct tl_charge more = {{[TL_RESOURCE_DESCRIPTORS] = held - p->charged_fds}};
  struct tl_charge less = {{[TL_RESOURCE_DESCRIPTORS] = p->charged_fds - held}};
  int r = 0;
  if (held > p->charged_fds)
    r = tl_account_charge(p->program->account, &more);
  else if (held < p->charged_fds)
    tl_account_release(p->program->account, &less);
  if (r == 0) p->charged_fds = held;
  return r;
}

void tl_port_end(struct tl_port *p) {
  struct tl_host *h = p->host;
  port_log(p);
  p->is_over = true;
  port_close(p);
  if (p->program) {
    (void)port_charge_queue(p);
    p->program = tl_node_detach(p->program, h->now);
  } else {
    h->stranger_count--;
  }
  tl_list_remove(&p->doom);
  tl_list_remove(&p->link);
  tl_list_push_back(&h->buried, &p->link);
}

/* ---- saying ---- */

static bool port_is_deaf(const struct tl_port *p) {
  return p->is_over || !tl_list_is_empty(&p->doom);
}

static void port_watch_room(struct tl_port *p) {
  uint32_t events = EPOLLIN | EPOLLRDHUP;
  if (tl_seqpacket_is_queued(&p->socket)) events |= EPOLLOUT;
  tl_poller_change(&p->host->poller, p->socket.fd, events, &p->socket_watch);
}

static void port_sent(struct tl_port *p, int r) {
  if (r == 0) r = port_charge_queue(p);
  if (r == TULLE_E_LIMIT)
    tl_port_doom(p, "it does not read what it asked for");
  else if (r < 0)
    tl_port_doom(p, r == TULLE_E_PEER_GONE ? NULL : "no memory for a message to it");
}

bool tl_port_is_behind(const struct tl_port *p) {
  return p->socket.queued >= QUEUE_BEHIND;
}

void tl_port_send(struct tl_port *p, const struct tl_control *m, const int *fds) {
  if (port_is_deaf(p)) return;
  if (p->program) p->socket.queue_max = QUEUE_MAX + QUEUE_MAX_OF_END * p->program->ends.used;
  uint8_t bytes[TL_CONTROL_BYTES_MAX];
  bool was_queued = tl_seqpacket_is_queued(&p->socket);
  size_t size = tl_control_encode(m, bytes);
  port_sent(p, tl_seqpacket_send(&p->socket, bytes, size, fds, tl_control_fds(m)));
  if (tl_seqpacket_is_queued(&p->socket) != was_queued) port_watch_room(p);
  if (p->events) tl_events_ring(p->events);
}

static void port_refuse(struct tl_port *p, int code, const char *text) {
  struct tl_control m = {.type = TL_CONTROL_REFUSED,
                         .code = code,
                         .version_min = TL_CONTROL_VERSION_MIN,
                         .version_max = TL_CONTROL_VERSION_MAX};
  snprintf(m.text, sizeof m.text, "%s", text);
  tl_port_send(p, &m, NULL);
  tl_port_doom(p, NULL);
}

static void port_welcome(struct tl_port *p, const struct tl_party *self) {
  struct tl_control m = {
      .type = TL_CONTROL_WELCOME, .version_max = TL_CONTROL_VERSION_MAX, .party = *self};
  snprintf(m.fabric, sizeof m.fabric, "%s", p->host->node->config.fabric);
  tl_port_send(p, &m, NULL);
  tl_seat_hand_out(p->control);
  p->control = NULL;
}

const struct tl_port_ops tl_host_port_ops = {
    .welcome = port_welcome,
    .cut = tl_port_doom,
    .introduce = tl_seat_introduce,
    .connect = tl_seat_connect,
    .close = tl_seat_close,
    .forget = tl_seat_forget,
    .piece_bytes_max = tl_seat_piece_bytes_max,
    .write = tl_seat_write,
    .resume = tl_seat_resume,
    .leave = tl_seat_leave,
    .begin = tl_seat_begin,
    .begun = tl_seat_begun,
};

/* ---- hearing ---- */

static void handle_hello(struct tl_port *p, const struct tl_control *m) {
  struct tl_host *h = p->host;
  if (m->version_min > TL_CONTROL_VERSION_MAX || m->version_max < TL_CONTROL_VERSION_MIN) {
    port_refuse(p, TULLE_E_VERSION, "no version of the control protocol in common");
    return;
  }
  int r =
      tl_node_attach(h->node, h->now, p, &tl_host_port_ops, &p->credentials, m->name, &p->program);
  if (r < 0) {
    port_refuse(p, r, r == TULLE_E_LIMIT ? "this user has as much as it may" : tulle_error_text(r));
    return;
  }
  h->stranger_count--;
  tl_list_remove(&p->link);
  tl_list_push_back(&h->ports, &p->link);
}

static void handle_takeover(struct tl_port *p) {
  struct tl_node *node = p->host->node;
  uint32_t uid = p->credentials.uid;
  char text[128];
  if (node->config.is_autostarted && (uid == 0 || uid == node->config.self.uid)) {
    node->wants_end = true; /* and the end hangs up: that is the answer */
    return;
  }
  snprintf(text, sizeof text, "node '%s' runs here (pid %u)", node->config.self.node_name,
           node->config.self.pid);
  port_refuse(p, TULLE_E_BUSY, text);
}

static int handle_stranger(struct tl_port *p, const struct tl_control *m) {
  if (m->type == TL_CONTROL_HELLO)
    handle_hello(p, m);
  else if (m->type == TL_CONTROL_TAKEOVER)
    handle_takeover(p);
  else
    return TULLE_E_PROTOCOL;
  return 0;
}

static int handle_message(struct tl_port *p, const struct tl_control *m) {
  if (!p->program) return handle_stranger(p, m);
  switch (m->type) {
  case TL_CONTROL_MAPPED:
    return tl_seat_mapped(p, m->segment);
  case TL_CONTROL_GROW:
    return tl_seat_grow(p, m->channel, m->bytes);
  case TL_CONTROL_ATTACHED:
    return tl_seat_attached(p, m->channel, m->segment);
  case TL_CONTROL_CLOSE:
    tl_node_close_said(p->program, p->host->now, m->channel);
    return 0;
  default:
    return TULLE_E_PROTOCOL;
  }
}

/* What a program sends is read whole or refused. No packet of one carries a descriptor, so any that
 * comes is closed and refused. TL_EMPTY, TL_END, BAD_MESSAGE. */
static int port_receive(struct tl_port *p, struct tl_control *out) {
  uint8_t bytes[TL_CONTROL_BYTES_MAX];
  int fds[TL_SEQPACKET_FDS_MAX];
  size_t size, fd_count;
  int r = tl_seqpacket_receive(&p->socket, bytes, sizeof bytes, &size, fds, &fd_count);
  if (r) return r < 0 ? TULLE_E_BAD_MESSAGE : r;
  tl_seqpacket_close_fds(fds, fd_count);
  return fd_count ? TULLE_E_BAD_MESSAGE : tl_control_decode(bytes, size, out);
}

static void port_read(struct tl_port *p) {
  for (int i = 0; i < TURN_MESSAGES_MAX && !port_is_deaf(p); i++) {
    struct tl_control m;
    int r = port_receive(p, &m);
    if (r == TL_EMPTY) return;
    if (r == TL_END) {
      tl_port_doom(p, NULL);
      return;
    }
    if (r == 0) r = handle_message(p, &m);
    if (r < 0)
      tl_port_doom(p, r == TULLE_E_BAD_MESSAGE ? "a control message that is none"
                                               : "a control message out of place");
  }
}

static void socket_ready(struct tl_watch *watch, uint32_t events) {
  struct tl_port *p = tl_container_of(watch, struct tl_port, socket_watch);
  if (port_is_deaf(p)) return;
  if (events & EPOLLOUT) {
    port_sent(p, tl_seqpacket_flush(&p->socket));
    if (!tl_seqpacket_is_queued(&p->socket)) port_watch_room(p);
  }
  if (events & EPOLLIN)
    port_read(p);
  else if (events & (EPOLLHUP | EPOLLRDHUP | EPOLLERR))
    tl_port_doom(p, NULL);
}
