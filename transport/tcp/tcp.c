/*
 * A listener and its connections.
 *
 * Every descriptor stands in the caller's epoll set: one read per wake-up into a buffer that all connections share, cut there in place; only a packet's torn tail is kept with its
 * connection until the rest comes. A write goes straight to the socket; what it does not take is
 * kept behind the connection and flushed when the socket is writable again.
 *
 * A connection passes through
 *
 *     DIALLING --connected--> OPEN --tl_tcp_hang_up()--> LEAVING --flushed, FIN seen--> gone
 *
 * LEAVING keeps the socket until what was sent has left and the other side has closed as well,
 * since a socket that is closed with unread input resets the connection and takes the last record
 * with it. It lasts a second at most; a connection on which nothing was ever sent is closed at
 * once.
 *
 * Timers: one tick of 200 ms while anything dials or leaves; a dial is given up after 5 s.
 *
 * A connection may end inside a call of the sink that its own event made, so its memory stays until
 * the next event.
 */
#include "transport/tcp/tcp.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/limits.h"
#include "core/list.h"
#include "core/table.h"

#define TICK_NS            (200 * TL_MS)
#define DIAL_TICKS         25u
#define LEAVE_TICKS        5u
#define LISTEN_BACKLOG     256
#define ACCEPTS_A_TURN_MAX 4 /* between two of them the owner lets go of whom it has no room for */
/* The largest packet is a header and 65,535 bytes; one read takes a torn one and a burst more. */
#define PACKET_BYTES_MAX (16u + 65535u)
#define READ_BYTES       (256u << 10)

enum connection_state { DIALLING, OPEN, LEAVING };

struct connection {
  struct tl_watch watch;
  struct tl_list link; /* in tl_tcp.connections, then in tl_tcp.gone */
  struct tl_tcp *tcp;
  struct tl_path path;
  int fd;
  enum connection_state state;
  bool has_sent;
  bool is_shut; /* the FIN of this side is out */
  unsigned ticks;

  uint8_t *unsent; /* bytes that the socket did not take */
  size_t unsent_size, unsent_at, unsent_room;
  uint8_t *torn; /* the beginning of a packet whose rest has not come */
  size_t torn_size;
};

struct tl_tcp {
  struct tl_poller *poller;
  struct tl_watch listener;
  int fd;       /* of the listener, or -1 */
  int spare_fd; /* given up for a moment to turn somebody away at the limit of descriptors */
  bool is_closed;
  bool is_inside;   /* an event is being worked on: it may not be freed yet */
  uint64_t tick_at; /* TL_NEVER: nothing dials or leaves */
  uint32_t last_number;
  struct tl_address local;
  struct tl_carrier_sink sink;
  struct tl_list connections;
  struct tl_list gone; /* closed; their memory is freed with the next event */
  struct tl_table by_number;
  struct tl_tcp_counters counters;
  uint8_t *read_bytes; /* PACKET_BYTES_MAX for what was torn, then READ_BYTES */
};

/* ---- Sockets ---- */

/* The default here may be BBR without pacing, which caps bulk; both of these are asked for and
 * either may be refused. */
static void socket_tune(int fd) {
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5) < 0)
    setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
}

static bool address_is_any(const struct tl_address *a) {
  static const uint8_t zero[16], v4_any[16] = {[10] = 0xff, [11] = 0xff};
  return !memcmp(a->ip, zero, 16) || !memcmp(a->ip, v4_any, 16);
}

static int listener_bind(struct tl_tcp *tcp, const struct tl_address *listen_at, bool dual) {
  struct sockaddr_storage s;
  struct tl_address a = *listen_at;
  int on = 1, off = 0;
  if (!dual && address_is_any(&a)) memcpy(a.ip, (uint8_t[16]){[10] = 0xff, [11] = 0xff}, 16);
  socklen_t size = tl_address_to_sockaddr(&a, dual, &s);
  tcp->fd = socket(dual ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (tcp->fd < 0) return -errno;
  setsockopt(tcp->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  socket_tune(tcp->fd);
  if ((!dual || setsockopt(tcp->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == 0) &&
      bind(tcp->fd, (struct sockaddr *)&s, size) == 0 && listen(tcp->fd, LISTEN_BACKLOG) == 0)
    return 0;
  int r = -errno;
  close(tcp->fd);
  tcp->fd = -1;
  return r;
}

static int listener_open(struct tl_tcp *tcp, const struct tl_address *listen_at) {
  int r = listener_bind(tcp, listen_at, true);
  if (r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL || r == -EPROTONOSUPPORT)
    r = listener_bind(tcp, listen_at, false);
  if (r < 0) return r;
  struct sockaddr_storage s;
  socklen_t size = sizeof(s);
  if (getsockname(tcp->fd, (struct sockaddr *)&s, &size) < 0) return -errno;
  return tl_address_from_sockaddr((struct sockaddr *)&s, &tcp->local);
}

/* ---- Connections: made, found, freed ---- */

static void bury(struct tl_tcp *tcp) {
  TL_LIST_FOR_EACH(l, &tcp->gone) {
    struct connection *c = tl_container_of(l, struct connection, link);
    free(c->unsent);
    free(c->torn);
    free(c);
  }
  tl_list_init(&tcp->gone);
}

static void tcp_release(struct tl_tcp *tcp) {
  bury(tcp);
  tl_table_deinit(&tcp->by_number);
  free(tcp->read_bytes);
  free(tcp);
}

/* Around each event: what was closed meanwhile is freed. */
static void event_begin(struct tl_tcp *tcp) {
  bury(tcp);
  tcp->is_inside = true;
}

static void event_end(struct tl_tcp *tcp) {
  tcp->is_inside = false;
  if (tcp->is_closed) tcp_release(tcp);
}

/* Forgets the connection at once. */
static void connection_close(struct connection *c) {
  if (c->fd < 0) return;
  tl_poller_remove(c->tcp->poller, c->fd, &c->watch);
  close(c->fd);
  c->fd = -1;
  tl_list_remove(&c->link);
  tl_list_push_back(&c->tcp->gone, &c->link);
  tl_table_remove(&c->tcp->by_number, &c->path.connection, sizeof(c->path.connection));
  c->tcp->counters.connections--;
}

/* It ended from outside: says so, unless it was on its way out anyhow. */
static void connection_lost(struct connection *c, int error) {
  struct tl_tcp *tcp = c->tcp;
  struct tl_path path = c->path;
  bool is_told = c->state != LEAVING;
  if (c->state == DIALLING) tcp->counters.dials_failed++;
  connection_close(c);
  if (is_told) tcp->sink.closed(tcp->sink.context, &path, error);
}

static uint32_t events_wanted(const struct connection *c) {
  bool is_full = c->unsent_size > c->unsent_at;
  return c->state == DIALLING ? EPOLLOUT : EPOLLIN | (is_full ? EPOLLOUT : 0u);
}

static void connection_want(struct connection *c) {
  tl_poller_change(c->tcp->poller, c->fd, events_wanted(c), &c->watch);
}

static void connection_ready(struct tl_watch *watch, uint32_t events);

/* Takes `fd`, also when it fails. */
static int connection_new(struct tl_tcp *tcp, int fd, const struct tl_address *remote,
                          enum connection_state state, struct connection **out_connection) {
  int r = TULLE_E_NO_MEMORY;
  struct connection *c = calloc(1, sizeof(*c));
  if (!c) goto close_fd;
  *c = (struct connection){.watch = {connection_ready}, .tcp = tcp, .fd = fd, .state = state};
  c->path = (struct tl_path){*remote, TL_CARRIER_TCP, ++tcp->last_number};
  tl_list_init(&c->link);
  r = tl_table_insert(&tcp->by_number, &c->path.connection, sizeof(c->path.connection), c);
  if (r < 0) goto free_connection;
  r = tl_poller_add(tcp->poller, fd, events_wanted(c), &c->watch);
  if (r < 0) goto remove;
  tcp->counters.connections++;
  tl_list_push_back(&tcp->connections, &c->link);
  *out_connection = c;
  return 0;

remove:
  tl_table_remove(&tcp->by_number, &c->path.connection, sizeof(c->path.connection));
free_connection:
  free(c);
close_fd:
  close(fd);
  return r;
}

/* ---- The tick ---- */

/* True while something still dials or leaves. */
static bool tick(struct tl_tcp *tcp) {
  bool is_needed = false;
  TL_LIST_FOR_EACH(l, &tcp->connections) {
    struct connection *c = tl_container_of(l, struct connection, link);
    if (c->state == OPEN) continue;
    if (++c->ticks < (c->state == DIALLING ? DIAL_TICKS : LEAVE_TICKS))
      is_needed = true;
    else
      connection_lost(c, -ETIMEDOUT);
    if (tcp->is_closed) break;
  }
  return is_needed;
}

static void tick_need(struct tl_tcp *tcp) {
  if (tcp->tick_at == TL_NEVER) tcp->tick_at = tl_time_boot() + TICK_NS;
}

uint64_t tl_tcp_deadline(const struct tl_tcp *tcp) {
  return tcp->tick_at;
}

void tl_tcp_timeout(struct tl_tcp *tcp, uint64_t now) {
  if (now < tcp->tick_at) return;
  event_begin(tcp);
  tcp->tick_at = tick(tcp) ? now + TICK_NS : TL_NEVER;
  event_end(tcp);
}

/* ---- Writing ---- */

/* How much of it the socket took; a hard error is left for the read that will find it. */
static size_t socket_write(struct connection *c, const uint8_t *bytes, size_t size) {
  c->tcp->counters.sends++;
  ssize_t n = send(c->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n < 0) return errno == EAGAIN || errno == EINTR ? 0 : size;
  c->tcp->counters.bytes_sent += (uint64_t)n;
  c->has_sent = true;
  return (size_t)n;
}

static int unsent_append(struct connection *c, const uint8_t *bytes, size_t size) {
  if (c->unsent_at == c->unsent_size) c->unsent_at = c->unsent_size = 0;
  size_t need = c->unsent_size + size;
  if (need > c->unsent_room) {
    uint8_t *p = realloc(c->unsent, need);
    if (!p) return TULLE_E_NO_MEMORY;
    c->unsent = p;
    c->unsent_room = need;
  }
  memcpy(c->unsent + c->unsent_size, bytes, size);
  c->unsent_size = need;
  return 0;
}

static void shut_when_flushed(struct connection *c) {
  if (c->state != LEAVING || c->is_shut || c->unsent_size > c->unsent_at) return;
  c->is_shut = true;
  shutdown(c->fd, SHUT_WR);
}

static void connection_flush(struct connection *c) {
  if (c->unsent_size > c->unsent_at)
    c->unsent_at += socket_write(c, c->unsent + c->unsent_at, c->unsent_size - c->unsent_at);
  if (c->unsent_at < c->unsent_size) return;
  free(c->unsent); /* a socket is full once in a while: an idle connection holds nothing */
  c->unsent = NULL;
  c->unsent_size = c->unsent_at = c->unsent_room = 0;
  connection_want(c);
  shut_when_flushed(c);
  if (c->state == OPEN) c->tcp->sink.writable(c->tcp->sink.context, &c->path);
}

int tl_tcp_send(struct tl_tcp *tcp, const struct tl_burst *burst) {
  struct connection *c =
      tl_table_find(&tcp->by_number, &burst->path.connection, sizeof(burst->path.connection));
  if (!c || c->state != OPEN) return TULLE_E_CLOSED;
  size_t done = 0;
  if (c->unsent_at == c->unsent_size) done = socket_write(c, burst->bytes, burst->size);
  if (done == burst->size) return 0;
  int r = unsent_append(c, burst->bytes + done, burst->size - done);
  if (r < 0) { /* the stream has a hole now: the next read finds it shut */
    shutdown(c->fd, SHUT_RDWR);
    return TULLE_E_CLOSED;
  }
  connection_want(c);
  return TL_FULL;
}

/* ---- Reading ---- */

/* Hands up every whole packet of `bytes`; 0 and what is left over, or TULLE_E_PROTOCOL. */
static int stream_cut(struct connection *c, uint8_t *bytes, size_t size, size_t *out_left) {
  struct tl_tcp *tcp = c->tcp;
  size_t at = 0, n = 0;
  while (at < size && c->fd >= 0 && c->state == OPEN) {
    int r = tl_carrier_packet_size(bytes + at, size - at, &n);
    if (r < 0) return r;
    if (r == TL_MORE || n > size - at) break;
    tcp->counters.packets_received++;
    tcp->sink.packet(tcp->sink.context, &c->path, bytes + at, n);
    at += n;
  }
  *out_left = size - at;
  return 0;
}

static int torn_keep(struct connection *c, const uint8_t *bytes, size_t size) {
  uint8_t *p = NULL;
  if (size && !(p = malloc(size))) return TULLE_E_NO_MEMORY;
  if (size) memcpy(p, bytes, size);
  free(c->torn);
  c->torn = p;
  c->torn_size = size;
  return 0;
}

static void connection_took(struct connection *c, uint8_t *bytes, size_t size) {
  size_t left = 0;
  int r = stream_cut(c, bytes, size, &left);
  if (c->fd < 0 || c->state != OPEN) return;
  if (r == 0) r = torn_keep(c, bytes + size - left, left);
  if (r < 0) {
    c->tcp->counters.bad_streams += r == TULLE_E_PROTOCOL;
    connection_lost(c, r);
  }
}

static void connection_read(struct connection *c) {
  struct tl_tcp *tcp = c->tcp;
  uint8_t *fresh = tcp->read_bytes + PACKET_BYTES_MAX;
  tcp->counters.receives++;
  ssize_t n = recv(c->fd, fresh, READ_BYTES, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) {
    connection_lost(c, n < 0 ? -errno : 0);
    return;
  }
  tcp->counters.bytes_received += (uint64_t)n;
  if (c->state != OPEN) return;
  uint8_t *start = fresh - c->torn_size;
  if (c->torn_size) memcpy(start, c->torn, c->torn_size);
  connection_took(c, start, (size_t)n + c->torn_size);
}

/* ---- Opening ---- */

static void connection_opened(struct connection *c, bool accepted) {
  c->state = OPEN;
  c->ticks = 0;
  connection_want(c);
  c->tcp->sink.opened(c->tcp->sink.context, &c->path, accepted);
}

static void dial_result(struct connection *c) {
  int error = 0;
  socklen_t size = sizeof(error);
  if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0) error = errno;
  if (error) {
    connection_lost(c, -error);
    return;
  }
  c->tcp->counters.dialled++;
  connection_opened(c, false);
}

/* A read also finds out what an error or a hang-up was. */
static void connection_ready(struct tl_watch *watch, uint32_t events) {
  struct connection *c = tl_container_of(watch, struct connection, watch);
  struct tl_tcp *tcp = c->tcp;
  event_begin(tcp);
  if (c->state == DIALLING) {
    dial_result(c);
  } else {
    if (events & EPOLLOUT) connection_flush(c);
    if (c->fd >= 0 && events & ~(uint32_t)EPOLLOUT) connection_read(c);
  }
  if (!tcp->is_closed) tcp->sink.batch_end(tcp->sink.context);
  event_end(tcp);
}

/* Out of descriptors: without this the listener would stay readable and the loop spin. */
static void turn_away(struct tl_tcp *tcp) {
  if (tcp->spare_fd < 0) return;
  close(tcp->spare_fd);
  int fd = accept4(tcp->fd, NULL, NULL, SOCK_CLOEXEC);
  if (fd >= 0) close(fd);
  tcp->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  tcp->counters.no_descriptors++;
}

static void listener_turn(struct tl_tcp *tcp) {
  for (int i = 0; i < ACCEPTS_A_TURN_MAX && !tcp->is_closed; i++) {
    struct sockaddr_storage s;
    socklen_t size = sizeof(s);
    struct tl_address remote;
    struct connection *c;
    int fd = accept4(tcp->fd, (struct sockaddr *)&s, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EMFILE || errno == ENFILE) turn_away(tcp);
      break;
    }
    socket_tune(fd);
    if (tl_address_from_sockaddr((struct sockaddr *)&s, &remote) < 0) {
      close(fd);
      continue;
    }
    if (connection_new(tcp, fd, &remote, OPEN, &c) < 0) continue;
    tcp->counters.accepted++;
    connection_opened(c, true);
  }
  if (!tcp->is_closed) tcp->sink.batch_end(tcp->sink.context);
}

static void listener_ready(struct tl_watch *watch, uint32_t events) {
  struct tl_tcp *tcp = tl_container_of(watch, struct tl_tcp, listener);
  (void)events;
  event_begin(tcp);
  listener_turn(tcp);
  event_end(tcp);
}

int tl_tcp_dial(struct tl_tcp *tcp, const struct tl_address *remote, uint32_t *out_connection) {
  struct sockaddr_storage s;
  struct connection *c;
  socklen_t size = tl_address_to_sockaddr(remote, false, &s);
  int fd = socket(s.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  socket_tune(fd);
  if (connect(fd, (struct sockaddr *)&s, size) < 0 && errno != EINPROGRESS) {
    int r = -errno;
    close(fd);
    tcp->counters.dials_failed++;
    return r;
  }
  int r = connection_new(tcp, fd, remote, DIALLING, &c);
  if (r < 0) return r;
  tick_need(tcp);
  *out_connection = c->path.connection;
  return 0;
}

void tl_tcp_hang_up(struct tl_tcp *tcp, uint32_t connection) {
  struct connection *c = tl_table_find(&tcp->by_number, &connection, sizeof(connection));
  if (!c || c->state == LEAVING) return;
  if (!c->has_sent && c->unsent_at == c->unsent_size) {
    connection_close(c);
    return;
  }
  c->state = LEAVING;
  shut_when_flushed(c);
  tick_need(tcp);
}

/* ---- Life ---- */

int tl_tcp_open(struct tl_poller *poller, const struct tl_tcp_config *config,
                const struct tl_carrier_sink *sink, struct tl_tcp **out_tcp) {
  struct tl_tcp *tcp = calloc(1, sizeof(*tcp));
  if (!tcp) return TULLE_E_NO_MEMORY;
  *tcp = (struct tl_tcp){.poller = poller,
                         .listener = {listener_ready},
                         .tick_at = TL_NEVER,
                         .sink = *sink,
                         .fd = -1,
                         .spare_fd = -1};
  tl_list_init(&tcp->connections);
  tl_list_init(&tcp->gone);
  tl_table_init(&tcp->by_number, NULL);
  tcp->read_bytes = malloc(PACKET_BYTES_MAX + READ_BYTES);
  int r = tcp->read_bytes ? 0 : TULLE_E_NO_MEMORY;
  if (r == 0 && !config->no_listen) {
    tcp->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    r = listener_open(tcp, &config->listen);
  }
  if (r == 0 && tcp->fd >= 0) r = tl_poller_add(poller, tcp->fd, EPOLLIN, &tcp->listener);
  if (r < 0) {
    tl_tcp_close(tcp);
    return r;
  }
  *out_tcp = tcp;
  return 0;
}

void tl_tcp_close(struct tl_tcp *tcp) {
  if (!tcp || tcp->is_closed) return;
  tcp->is_closed = true;
  TL_LIST_FOR_EACH(l, &tcp->connections) {
    connection_close(tl_container_of(l, struct connection, link));
  }
  if (tcp->fd >= 0) {
    tl_poller_remove(tcp->poller, tcp->fd, &tcp->listener);
    close(tcp->fd);
  }
  if (tcp->spare_fd >= 0) close(tcp->spare_fd);
  if (!tcp->is_inside) tcp_release(tcp);
}

const struct tl_address *tl_tcp_local(const struct tl_tcp *tcp) {
  return &tcp->local;
}

void tl_tcp_counters(const struct tl_tcp *tcp, struct tl_tcp_counters *out_counters) {
  *out_counters = tcp->counters;
}
