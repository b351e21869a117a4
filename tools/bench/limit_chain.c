/*
 * The limit of a call between machines: app, ring, process, sealed packet, process, ring, app.
 *
 * A relay stands between an app and the network: it gathers what the app has written, seals it as one packet,
 * and sends it; what comes in it opens and writes to the app's other ring. It sleeps in epoll, for the socket and for an
 * eventfd that the app writes only while the relay is parked (edge-triggered: nobody reads it). That is all there is: no
 * acknowledgement, no repetition, no window. Both relays have the same key and count in different halves of the
 * counter's range, which is good enough for echoes of zeros.
 *
 *   packet    8 counter   n ciphertext   16 tag       over TCP with 2 bytes of length in front
 *   plaintext { 2 length   n bytes } ...
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "core/bytes.h"
#include "crypto/aead.h"
#include "tools/bench/bare.h"
#include "tools/bench/helper.h"
#include "tools/bench/limit.h"

#define PACKET_BYTES  1440u
#define COUNTER_BYTES 8u
#define PLAIN_BYTES   (PACKET_BYTES - COUNTER_BYTES - TL_AEAD_TAG_BYTES)
#define BATCH         8
#define STREAM_BYTES  65536u
#define EPOLL_MS      100
#define FAR_COUNTER   (UINT64_C(1) << 63)
#define SLEEPS_MAX    10 /* of 100 ms each */

struct chain_shared {
  struct bare_ring out; /* app to relay */
  struct bare_ring in;  /* relay to app */
  struct sockaddr_storage remote;
  socklen_t remote_size;
  uint16_t udp_port;
  uint16_t tcp_port;
  uint32_t remote_version; /* counted up when it changes */
  uint8_t key[32];
};

struct relay {
  struct chain_shared *shared;
  struct bare_end from_app;
  struct bare_end to_app;
  int kick; /* eventfd */
  int epoll;
  int udp;
  int listener;
  int tcp;
  bool by_tcp; /* where to send: what was used last */
  struct sockaddr_storage peer;
  socklen_t peer_size;
  uint64_t counter;
  uint32_t remote_version;
  size_t stream_size;
  uint8_t stream[STREAM_BYTES];
};

/* ---- packets ---- */

/* Gathers records into a packet; returns its size, 0 if there are none. */
static size_t gather(struct relay *r, uint8_t packet[PACKET_BYTES]) {
  struct tl_writer w = tl_writer_on(packet + COUNTER_BYTES, PLAIN_BYTES);
  while (bare_has(&r->from_app)) {
    if (tl_writer_left(&w) < 2 + TL_BENCH_PAYLOAD_BYTES) break;
    uint8_t data[BARE_RECORD_BYTES_MAX];
    uint32_t size = bare_read(&r->from_app, data);
    tl_write_u16(&w, (uint16_t)size);
    tl_write_bytes(&w, data, size);
  }
  size_t size = tl_writer_size(&w);
  if (!size) return 0;
  tl_store_le(packet, r->counter, COUNTER_BYTES);
  tl_aead_seal(r->shared->key, r->counter++, NULL, 0, packet + COUNTER_BYTES, size);
  return COUNTER_BYTES + size + TL_AEAD_TAG_BYTES;
}

/* Opens a packet and writes what is in it to the app's ring. False: it is nobody's. */
static bool scatter(struct relay *r, uint8_t *packet, size_t size) {
  if (size < COUNTER_BYTES + TL_AEAD_TAG_BYTES) return false;
  if (tl_aead_open(r->shared->key, tl_load_le(packet, COUNTER_BYTES), NULL, 0,
                   packet + COUNTER_BYTES, size - COUNTER_BYTES))
    return false;
  struct tl_reader reader =
      tl_reader_on(packet + COUNTER_BYTES, size - COUNTER_BYTES - TL_AEAD_TAG_BYTES);
  while (tl_reader_left(&reader)) {
    uint16_t length = tl_read_u16(&reader);
    const uint8_t *data = tl_read_bytes(&reader, length);
    if (!data || !length || length > TL_BENCH_PAYLOAD_BYTES) return false;
    bare_write(&r->to_app, data, length);
  }
  return true;
}

/* ---- sending ---- */

static void send_udp(struct relay *r) {
  static uint8_t packets[BATCH][PACKET_BYTES];
  struct iovec pieces[BATCH];
  struct mmsghdr headers[BATCH];
  unsigned count = 0;
  for (; count < BATCH; count++) {
    size_t size = gather(r, packets[count]);
    if (!size) break;
    pieces[count] = (struct iovec){packets[count], size};
    headers[count] = (struct mmsghdr){.msg_hdr = {.msg_name = &r->peer,
                                                  .msg_namelen = r->peer_size,
                                                  .msg_iov = &pieces[count],
                                                  .msg_iovlen = 1}};
  }
  if (count == 1)
    sendto(r->udp, packets[0], pieces[0].iov_len, 0, (struct sockaddr *)&r->peer, r->peer_size);
  else if (count)
    sendmmsg(r->udp, headers, count, 0);
}

static void send_tcp(struct relay *r) {
  static uint8_t stream[BATCH * (2 + PACKET_BYTES)];
  size_t used = 0;
  for (int i = 0; i < BATCH; i++) {
    size_t size = gather(r, stream + used + 2);
    if (!size) break;
    tl_store_le(stream + used, size, 2);
    used += 2 + size;
  }
  if (used) send(r->tcp, stream, used, MSG_NOSIGNAL);
}

/* ---- receiving ---- */

static void receive_udp(struct relay *r) {
  static uint8_t packets[BATCH][PACKET_BYTES];
  static struct sockaddr_storage sources[BATCH];
  struct iovec pieces[BATCH];
  struct mmsghdr headers[BATCH];
  for (int i = 0; i < BATCH; i++) {
    pieces[i] = (struct iovec){packets[i], PACKET_BYTES};
    headers[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &sources[i],
                                              .msg_namelen = sizeof sources[i],
                                              .msg_iov = &pieces[i],
                                              .msg_iovlen = 1}};
  }
  int n = recvmmsg(r->udp, headers, BATCH, MSG_DONTWAIT, NULL);
  for (int i = 0; i < n; i++) {
    if (!scatter(r, packets[i], headers[i].msg_len)) continue;
    r->by_tcp = false;
    r->peer = sources[i];
    r->peer_size = headers[i].msg_hdr.msg_namelen;
  }
  if (n > 0) bare_publish_and_wake(&r->to_app);
}

static void drop_tcp(struct relay *r) {
  if (r->tcp >= 0) close(r->tcp);
  r->tcp = -1;
  r->stream_size = 0;
}

static void receive_tcp(struct relay *r) {
  ssize_t n =
      recv(r->tcp, r->stream + r->stream_size, sizeof r->stream - r->stream_size, MSG_DONTWAIT);
  if (n == 0 || (n < 0 && errno != EAGAIN)) drop_tcp(r);
  if (n <= 0) return;
  r->stream_size += (size_t)n;
  size_t at = 0;
  while (r->stream_size - at >= 2) {
    size_t size = (size_t)tl_load_le(r->stream + at, 2);
    if (size > PACKET_BYTES) {
      drop_tcp(r);
      return;
    }
    if (r->stream_size - at < 2 + size) break;
    if (scatter(r, r->stream + at + 2, size)) r->by_tcp = true;
    at += 2 + size;
  }
  memmove(r->stream, r->stream + at, r->stream_size - at);
  r->stream_size -= at;
  bare_publish_and_wake(&r->to_app);
}

/* ---- the relay ---- */

static void watch(struct relay *r, int fd, uint32_t events) {
  struct epoll_event e = {.events = events, .data.fd = fd};
  epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &e);
}

static void use_tcp(struct relay *r, int fd) {
  int on = 1;
  drop_tcp(r);
  r->tcp = fd;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  watch(r, fd, EPOLLIN);
}

static void set_port(struct sockaddr_storage *s, uint16_t port) {
  if (s->ss_family == AF_INET6)
    ((struct sockaddr_in6 *)s)->sin6_port = htons(port);
  else
    ((struct sockaddr_in *)s)->sin_port = htons(port);
}

/* The near relay opens its sockets anew whenever the far side is somewhere else. */
static void connect_near(struct relay *r) {
  struct chain_shared *s = r->shared;
  if (r->remote_version == s->remote_version) return;
  r->remote_version = s->remote_version;
  if (r->udp >= 0) close(r->udp);
  r->peer = s->remote;
  r->peer_size = s->remote_size;
  r->udp = socket(s->remote.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (r->udp >= 0) watch(r, r->udp, EPOLLIN);
  struct sockaddr_storage address = s->remote;
  set_port(&address, s->tcp_port);
  set_port(&r->peer, s->udp_port);
  int fd = socket(s->remote.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct timeval patience = {.tv_sec = 1};
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience); /* of connect as well */
  if (fd >= 0 && !connect(fd, (struct sockaddr *)&address, r->peer_size))
    use_tcp(r, fd);
  else if (fd >= 0)
    close(fd);
}

/* Shows that it sleeps, looks again, and sleeps. Returns how many events there are. */
static int relay_sleep(struct relay *r, struct epoll_event events[BATCH]) {
  uint32_t *parked = &r->from_app.ring->parked;
  __atomic_store_n(parked, 1, __ATOMIC_SEQ_CST);
  bool has_record = __atomic_load_n(&r->from_app.ring->head, __ATOMIC_SEQ_CST) != r->from_app.at;
  int n = has_record ? 0 : epoll_wait(r->epoll, events, BATCH, EPOLL_MS);
  __atomic_store_n(parked, 0, __ATOMIC_RELAXED);
  return n;
}

static void relay_run(struct relay *r, const uint32_t *stop) {
  struct epoll_event events[BATCH];
  while (!__atomic_load_n(stop, __ATOMIC_RELAXED)) {
    if (bare_has(&r->from_app)) {
      if (r->by_tcp)
        send_tcp(r);
      else
        send_udp(r);
    }
    int n = relay_sleep(r, events);
    for (int i = 0; i < n; i++) {
      int fd = events[i].data.fd;
      if (fd == r->udp)
        receive_udp(r);
      else if (fd == r->tcp)
        receive_tcp(r);
      else if (fd == r->listener)
        use_tcp(r, accept4(fd, NULL, NULL, SOCK_CLOEXEC));
    }
  }
}

static void relay_work(void *context, int job, const uint32_t *stop) {
  struct relay *r = context;
  if (r->epoll < 0) {
    r->epoll = epoll_create1(EPOLL_CLOEXEC);
    watch(r, r->kick, EPOLLIN | EPOLLET);
    if (r->udp >= 0) watch(r, r->udp, EPOLLIN);
    if (r->listener >= 0) watch(r, r->listener, EPOLLIN);
  }
  if (r->listener < 0) {
    connect_near(r);
    r->by_tcp = job == TL_LIMIT_TCP;
  }
  relay_run(r, stop);
}

/* Writes what it has to the relay, which may sleep in epoll. */
static void kick_relay(struct bare_end *to, int kick) {
  static const uint64_t one = 1;
  __atomic_store_n(&to->ring->head, to->at, __ATOMIC_SEQ_CST);
  if (!__atomic_load_n(&to->ring->parked, __ATOMIC_SEQ_CST)) return;
  __atomic_store_n(&to->ring->parked, 0, __ATOMIC_RELAXED);
  (void)!write(kick, &one, sizeof one);
}

static struct relay *relay_new(void) {
  struct relay *r = calloc(1, sizeof *r);
  TL_ASSERT(r);
  r->shared = tl_helper_memory(sizeof *r->shared);
  r->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  r->epoll = r->udp = r->listener = r->tcp = -1;
  r->from_app.ring = &r->shared->out;
  r->to_app.ring = &r->shared->in;
  return r;
}

static struct relay *relay_free(struct relay *r) {
  if (!r) return NULL;
  int fds[] = {r->kick, r->epoll, r->udp, r->listener, r->tcp};
  for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
    if (fds[i] >= 0) close(fds[i]);
  munmap(r->shared, sizeof *r->shared);
  free(r);
  return NULL;
}

/* ---- far half ---- */

struct tl_chain_far {
  struct relay *relay;
  struct tl_helper relay_helper;
  struct tl_helper app_helper;
};

static void far_app_work(void *context, int job, const uint32_t *stop) {
  struct relay *r = context;
  struct bare_end from = {.ring = &r->shared->in}, to = {.ring = &r->shared->out};
  (void)job;
  while (!__atomic_load_n(stop, __ATOMIC_RELAXED)) {
    if (!bare_has(&from)) {
      bare_wait(&from);
      continue;
    }
    while (bare_has(&from)) {
      uint8_t data[BARE_RECORD_BYTES_MAX];
      uint32_t size = bare_read(&from, data);
      bare_write(&to, data, size);
    }
    kick_relay(&to, r->kick);
  }
}

/* A socket on any port, of IPv6 that takes IPv4 as well, or of IPv4 where there is no other. */
static int bind_any(int type, uint16_t *out_port) {
  struct sockaddr_in6 six = {.sin6_family = AF_INET6};
  struct sockaddr_in four = {.sin_family = AF_INET};
  struct sockaddr_storage bound;
  socklen_t size = sizeof bound;
  int off = 0;
  int fd = socket(AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd >= 0) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (fd < 0 || bind(fd, (struct sockaddr *)&six, sizeof six)) {
    if (fd >= 0) close(fd);
    fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&four, sizeof four)) goto failed;
  }
  if (type == SOCK_STREAM && listen(fd, 4)) goto failed;
  if (getsockname(fd, (struct sockaddr *)&bound, &size)) goto failed;
  *out_port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                                : ((struct sockaddr_in *)&bound)->sin_port);
  return fd;
failed:
  off = -errno;
  if (fd >= 0) close(fd);
  return off;
}

int tl_chain_far_open(struct tl_chain_far **out, struct tl_chain_place *out_place) {
  struct tl_chain_far *f = calloc(1, sizeof *f);
  struct tl_chain_place place;
  TL_ASSERT(f);
  f->relay = relay_new();
  f->relay->counter = FAR_COUNTER;
  int r = getentropy(place.key, sizeof place.key) ? -errno : 0;
  memcpy(f->relay->shared->key, place.key, sizeof place.key);
  if (!r) r = f->relay->udp = bind_any(SOCK_DGRAM, &place.udp_port);
  if (r >= 0) r = f->relay->listener = bind_any(SOCK_STREAM, &place.tcp_port);
  if (r >= 0) r = tl_helper_fork(relay_work, f->relay, &f->relay_helper);
  if (r >= 0) r = tl_helper_fork(far_app_work, f->relay, &f->app_helper);
  if (r >= 0) r = tl_helper_start(&f->relay_helper, 0, -1);
  if (r >= 0) r = tl_helper_start(&f->app_helper, 0, -1);
  if (r < 0) {
    tl_chain_far_close(f);
    return r;
  }
  *out = f;
  *out_place = place;
  return 0;
}

struct tl_chain_far *tl_chain_far_close(struct tl_chain_far *f) {
  if (!f) return NULL;
  tl_helper_end(&f->app_helper);
  tl_helper_end(&f->relay_helper);
  relay_free(f->relay);
  free(f);
  return NULL;
}

void tl_chain_far_pin(struct tl_chain_far *f, int cpu) {
  tl_placement_pin(f->relay_helper.pid, cpu);
  tl_placement_pin(f->app_helper.pid, cpu);
}

/* ---- near half ---- */

struct tl_chain {
  struct relay *relay;
  struct tl_helper helper;
  struct bare_end to;
  struct bare_end from;
};

int tl_chain_open(struct tl_chain **out) {
  struct tl_chain *c = calloc(1, sizeof *c);
  TL_ASSERT(c);
  c->relay = relay_new();
  int r = tl_helper_fork(relay_work, c->relay, &c->helper);
  if (r) {
    tl_chain_close(c);
    return r;
  }
  c->to.ring = &c->relay->shared->out;
  c->from.ring = &c->relay->shared->in;
  *out = c;
  return 0;
}

struct tl_chain *tl_chain_close(struct tl_chain *c) {
  if (!c) return NULL;
  tl_helper_end(&c->helper);
  relay_free(c->relay);
  free(c);
  return NULL;
}

void tl_chain_connect(struct tl_chain *c, const struct tl_address *address,
                      const struct tl_chain_place *place) {
  struct chain_shared *s = c->relay->shared;
  tl_address_to_sockaddr(address, false, &s->remote);
  s->remote_size =
      s->remote.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
  s->udp_port = place->udp_port;
  s->tcp_port = place->tcp_port;
  memcpy(s->key, place->key, sizeof s->key);
  s->remote_version++;
}

static bool wait_for_record(struct tl_chain *c) {
  for (int n = 0; n < SLEEPS_MAX; n++) {
    if (bare_has(&c->from)) return true;
    bare_wait(&c->from);
  }
  return bare_has(&c->from);
}

/* Sends as many as there is room for, takes what is back; false if nothing comes. */
static bool trip(struct tl_chain *c, struct tl_flight *f, struct tl_turn *t, uint64_t now,
                 bool may_send) {
  static const uint8_t payload[TL_BENCH_PAYLOAD_BYTES] = {1};
  for (unsigned room = tl_flight_room(f, t); room && may_send; room--) {
    bare_write(&c->to, payload, sizeof payload);
    tl_flight_send(f, now);
  }
  kick_relay(&c->to, c->relay->kick);
  if (!wait_for_record(c)) return false;
  now = tl_time_now();
  while (bare_has(&c->from)) {
    uint8_t data[BARE_RECORD_BYTES_MAX];
    bare_read(&c->from, data);
    if (f->back < f->sent) tl_flight_back(f, t, now);
  }
  return true;
}

static int measure(struct tl_chain *c, struct tl_turn *t) {
  struct tl_flight f = {0};
  uint64_t start = tl_time_now(), now = start, warm_trips = 0;
  bool is_warm = false, is_over = false;
  while (!is_over || f.back < f.sent) {
    now = tl_time_now();
    if (!is_warm && now - start >= TL_BENCH_WARM_UP_NS) {
      is_warm = true;
      start = now;
      warm_trips = f.back;
      tl_histogram_clear(t->histogram);
    }
    is_over = is_warm && (now - start >= t->duration_ns || tl_bench_interrupted);
    if (is_over && f.back == f.sent) break;
    if (!trip(c, &f, t, now, !is_over)) return TULLE_E_UNREACHABLE;
  }
  t->trips += f.back - warm_trips;
  t->elapsed_ns += now - start;
  return 0;
}

int tl_chain_turn(struct tl_chain *c, enum tl_limit_kind kind, struct tl_turn *t) {
  static const uint64_t one = 1;
  c->from.at = c->from.ring->head;
  int r = tl_helper_start(&c->helper, (int)kind, tl_placement_cpu(t->placement, 0));
  if (r) return r;
  tl_placement_pin(0, tl_placement_cpu(t->placement, 0));
  r = measure(c, t);
  tl_helper_stop(&c->helper);
  (void)!write(c->relay->kick, &one, sizeof one);
  int joined = tl_helper_join(&c->helper);
  return r ? r : joined;
}
