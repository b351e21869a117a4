/*
 * One UDP socket in batches.
 *
 * Receiving: recvmmsg into buffers of 64 KiB each, because a coalesced message (UDP_GRO) is a run
 * of packets of one size and one source that has to be cut again. A short answer of recvmmsg means
 * that the socket is empty, which saves the call that would say EAGAIN; the poll is
 * level-triggered, so what comes in between is not lost.
 *
 * Sending: a burst of several packets is one sendmsg with UDP_SEGMENT. Where the kernel refuses
 * that (EIO: the device cannot checksum; EINVAL or EMSGSIZE: a packet is larger than the device's
 * MTU) the burst goes as single packets with sendmmsg, so that one large probe does not take others
 * with it. What the socket does not take is kept, one burst at most, and the sender is told to
 * wait.
 *
 * The kernel's path MTU discovery is set to "probe": packets carry DF and the kernel's own guess at
 * the path's MTU does not cut them short, since the link probes for itself.
 */
#include "transport/udp/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/limits.h"
#include "core/list.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define RECEIVE_MESSAGES      16
#define RECEIVE_MESSAGE_BYTES 65536u
#define BUFFER_BYTES_DEFAULT  (4u << 20)

/* Aligned room for one control message that holds an int. */
union control {
  struct cmsghdr align;
  uint8_t bytes[CMSG_SPACE(sizeof(int))];
};

struct tl_udp {
  struct tl_poller *poller;
  struct tl_watch watch;
  int fd;
  bool is_closed;
  bool is_inside; /* the event of a wake-up is being worked on: it may not be freed yet */
  bool is_dual_stack;
  bool has_segmentation;
  bool has_coalescing;
  struct tl_address local;
  struct tl_carrier_sink sink;
  struct tl_udp_counters counters;

  struct tl_burst pending; /* its bytes are in pending_bytes; size 0: nothing waits */
  uint8_t *pending_bytes;

  uint8_t *receive_bytes; /* RECEIVE_MESSAGES times RECEIVE_MESSAGE_BYTES */
  size_t used;            /* messages that the last call has filled: to be prepared again */
  struct mmsghdr messages[RECEIVE_MESSAGES];
  struct iovec vectors[RECEIVE_MESSAGES];
  struct sockaddr_storage sources[RECEIVE_MESSAGES];
  union control controls[RECEIVE_MESSAGES];
};

/* ---- The socket ---- */

static void socket_raise(int fd, int option, int force_option, size_t bytes) {
  int v = (int)bytes;
  if (setsockopt(fd, SOL_SOCKET, force_option, &v, sizeof(v)) < 0)
    setsockopt(fd, SOL_SOCKET, option, &v, sizeof(v));
}

/* Every option here is a wish: a kernel without it is slower or probes worse, nothing else. */
static void socket_tune(struct tl_udp *udp, size_t buffer_bytes, bool no_offload) {
  int on = 1, probe = IP_PMTUDISC_PROBE, segment = 0;
  socklen_t size = sizeof(segment);
  socket_raise(udp->fd, SO_RCVBUF, SO_RCVBUFFORCE, buffer_bytes);
  socket_raise(udp->fd, SO_SNDBUF, SO_SNDBUFFORCE, buffer_bytes);
  setsockopt(udp->fd, IPPROTO_IP, IP_MTU_DISCOVER, &probe, sizeof(probe));
  if (udp->is_dual_stack)
    setsockopt(udp->fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &probe, sizeof(probe));
  if (no_offload) return;
  udp->has_segmentation = getsockopt(udp->fd, IPPROTO_UDP, UDP_SEGMENT, &segment, &size) == 0;
  udp->has_coalescing = setsockopt(udp->fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)) == 0;
}

static bool address_is_any(const struct tl_address *a) {
  static const uint8_t zero[16], v4_any[16] = {[10] = 0xff, [11] = 0xff};
  return !memcmp(a->ip, zero, 16) || !memcmp(a->ip, v4_any, 16);
}

static int socket_bind(struct tl_udp *udp, const struct tl_address *listen, bool dual) {
  struct sockaddr_storage s;
  struct tl_address a = *listen;
  int off = 0;
  if (!dual && address_is_any(&a)) memcpy(a.ip, (uint8_t[16]){[10] = 0xff, [11] = 0xff}, 16);
  socklen_t size = tl_address_to_sockaddr(&a, dual, &s);
  udp->fd = socket(dual ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (udp->fd < 0) return -errno;
  udp->is_dual_stack = dual;
  if ((!dual || setsockopt(udp->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == 0) &&
      bind(udp->fd, (struct sockaddr *)&s, size) == 0)
    return 0;
  int r = -errno;
  close(udp->fd);
  udp->fd = -1;
  return r;
}

static int socket_open(struct tl_udp *udp, const struct tl_udp_config *config) {
  int r = socket_bind(udp, &config->listen, true);
  if (r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL || r == -EPROTONOSUPPORT)
    r = socket_bind(udp, &config->listen, false);
  if (r < 0) return r;
  struct sockaddr_storage s;
  socklen_t size = sizeof(s);
  if (getsockname(udp->fd, (struct sockaddr *)&s, &size) < 0) return -errno;
  socket_tune(udp, config->buffer_bytes ? config->buffer_bytes : BUFFER_BYTES_DEFAULT,
              config->no_offload);
  return tl_address_from_sockaddr((struct sockaddr *)&s, &udp->local);
}

/* ---- Receiving ---- */

/* What recvmmsg() has not touched is as it was. */
static void receive_prepare(struct tl_udp *udp) {
  for (size_t i = 0; i < udp->used; i++) {
    udp->vectors[i] =
        (struct iovec){udp->receive_bytes + i * RECEIVE_MESSAGE_BYTES, RECEIVE_MESSAGE_BYTES};
    udp->messages[i].msg_hdr = (struct msghdr){.msg_name = &udp->sources[i],
                                               .msg_namelen = sizeof(udp->sources[i]),
                                               .msg_iov = &udp->vectors[i],
                                               .msg_iovlen = 1,
                                               .msg_control = &udp->controls[i],
                                               .msg_controllen = sizeof(udp->controls[i])};
  }
  udp->used = 0;
}

/* The size of the packets that were put together into one message, or the message's own. */
static size_t message_packet_bytes(struct msghdr *m, size_t size) {
  for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
    int v;
    if (c->cmsg_level != IPPROTO_UDP || c->cmsg_type != UDP_GRO) continue;
    memcpy(&v, CMSG_DATA(c), sizeof(v));
    if (v > 0) return (size_t)v;
  }
  return size;
}

/* Returns how many packets it handed up. */
static size_t message_deliver(struct tl_udp *udp, size_t i) {
  struct msghdr *m = &udp->messages[i].msg_hdr;
  size_t size = udp->messages[i].msg_len, count = 0;
  size_t packet_bytes = message_packet_bytes(m, size);
  struct tl_path path = {.carrier = TL_CARRIER_UDP};
  if ((m->msg_flags & MSG_TRUNC) ||
      tl_address_from_sockaddr((struct sockaddr *)&udp->sources[i], &path.remote) < 0) {
    udp->counters.receive_errors++;
    return 0;
  }
  for (size_t at = 0; at < size && !udp->is_closed; at += packet_bytes, count++) {
    size_t n = size - at < packet_bytes ? size - at : packet_bytes;
    udp->sink.packet(udp->sink.context, &path, (uint8_t *)udp->vectors[i].iov_base + at, n);
  }
  udp->counters.packets_received += count;
  udp->counters.bytes_received += size;
  return count;
}

/* One turn: what is there, but no more than the turn of one channel may be. */
static void receive_turn(struct tl_udp *udp) {
  size_t packets = 0, bytes = 0;
  while (!udp->is_closed && packets < TL_TURN_RECORDS_MAX && bytes < TL_TURN_BYTES_MAX) {
    receive_prepare(udp);
    int n = recvmmsg(udp->fd, udp->messages, RECEIVE_MESSAGES, MSG_DONTWAIT, NULL);
    udp->counters.receives++;
    udp->used = n > 0 ? (size_t)n : 0;
    if (n <= 0) {
      if (n < 0 && errno != EAGAIN && errno != EINTR) udp->counters.receive_errors++;
      break;
    }
    for (int i = 0; i < n && !udp->is_closed; i++) {
      bytes += udp->messages[i].msg_len;
      packets += message_deliver(udp, (size_t)i);
    }
    if (n < RECEIVE_MESSAGES) break;
  }
  if (!udp->is_closed) udp->sink.batch_end(udp->sink.context);
}

/* ---- Sending ---- */

static void send_count_error(struct tl_udp_counters *c, int error, size_t packets) {
  switch (error) {
  case EMSGSIZE:
    c->send_too_big += packets;
    break;
  case EPERM:
  case EACCES:
    c->send_refused += packets;
    break;
  case ENETUNREACH:
  case EHOSTUNREACH:
  case ENETDOWN:
  case EHOSTDOWN:
  case EADDRNOTAVAIL:
  case ECONNREFUSED:
    c->send_unreachable += packets;
    break;
  case ENOBUFS:
  case ENOMEM:
    c->send_no_buffer += packets;
    break;
  default:
    c->send_other += packets;
    break;
  }
}

static size_t burst_packets(const struct tl_burst *b) {
  return (b->size + b->packet_bytes - 1) / b->packet_bytes;
}

/* 0 or the errno. */
static int send_one(struct tl_udp *udp, const struct tl_burst *b, const struct sockaddr_storage *to,
                    socklen_t to_size) {
  udp->counters.sends++;
  ssize_t n =
      sendto(udp->fd, b->bytes, b->size, MSG_DONTWAIT, (const struct sockaddr *)to, to_size);
  return n < 0 ? errno : 0;
}

/* 0 or the errno of one sendmsg() for the whole burst. */
static int send_segmented(struct tl_udp *udp, const struct tl_burst *b, struct sockaddr_storage *to,
                          socklen_t to_size) {
  union {
    struct cmsghdr align;
    uint8_t bytes[CMSG_SPACE(sizeof(uint16_t))];
  } control;
  struct iovec v = {(void *)(uintptr_t)b->bytes, b->size};
  struct msghdr m = {.msg_name = to, .msg_namelen = to_size, .msg_iov = &v, .msg_iovlen = 1};
  uint16_t segment = (uint16_t)b->packet_bytes;
  memset(&control, 0, sizeof(control));
  m.msg_control = control.bytes;
  m.msg_controllen = sizeof(control.bytes);
  struct cmsghdr *c = CMSG_FIRSTHDR(&m);
  c->cmsg_level = IPPROTO_UDP;
  c->cmsg_type = UDP_SEGMENT;
  c->cmsg_len = CMSG_LEN(sizeof(segment));
  memcpy(CMSG_DATA(c), &segment, sizeof(segment));
  udp->counters.sends++;
  return sendmsg(udp->fd, &m, MSG_DONTWAIT) < 0 ? errno : 0;
}

/* Packet by packet from *at on; a packet that is refused is counted and skipped. EAGAIN or 0. */
static int send_single(struct tl_udp *udp, const struct tl_burst *b, struct sockaddr_storage *to,
                       socklen_t to_size, size_t *at) {
  struct mmsghdr messages[TL_BURST_PACKETS_MAX];
  struct iovec vectors[TL_BURST_PACKETS_MAX];
  while (*at < b->size) {
    unsigned count = 0;
    for (size_t i = *at; i < b->size && count < TL_BURST_PACKETS_MAX; i += b->packet_bytes) {
      size_t n = b->size - i < b->packet_bytes ? b->size - i : b->packet_bytes;
      vectors[count] = (struct iovec){(void *)(uintptr_t)(b->bytes + i), n};
      messages[count].msg_hdr = (struct msghdr){
          .msg_name = to, .msg_namelen = to_size, .msg_iov = &vectors[count], .msg_iovlen = 1};
      count++;
    }
    udp->counters.sends++;
    int n = sendmmsg(udp->fd, messages, count, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return EAGAIN;
    if (n < 0) send_count_error(&udp->counters, errno, 1);
    size_t done = n < 0 ? 1 : (size_t)n;
    if (n > 0) udp->counters.packets_sent += (size_t)n;
    for (size_t i = 0; i < done; i++) {
      if (n > 0) udp->counters.bytes_sent += vectors[i].iov_len;
      *at += vectors[i].iov_len;
    }
  }
  return 0;
}

/* Tries to send from *at on; EAGAIN leaves *at at the first packet that is still to go, else 0. */
static int send_try(struct tl_udp *udp, const struct tl_burst *b, size_t *at) {
  struct sockaddr_storage to;
  socklen_t to_size = tl_address_to_sockaddr(&b->path.remote, udp->is_dual_stack, &to);
  bool is_one = b->size <= b->packet_bytes;
  if (!is_one && (!udp->has_segmentation || *at > 0)) return send_single(udp, b, &to, to_size, at);
  int error = is_one ? send_one(udp, b, &to, to_size) : send_segmented(udp, b, &to, to_size);
  if (error == EAGAIN) return EAGAIN;
  if (error && !is_one && (error == EIO || error == EINVAL || error == EMSGSIZE)) {
    if (error == EIO) udp->has_segmentation = false;
    return send_single(udp, b, &to, to_size, at);
  }
  if (error) {
    send_count_error(&udp->counters, error, burst_packets(b));
  } else {
    udp->counters.packets_sent += burst_packets(b);
    udp->counters.bytes_sent += b->size;
  }
  *at = b->size;
  return 0;
}

static void poll_want(struct tl_udp *udp, bool writable) {
  tl_poller_change(udp->poller, udp->fd, EPOLLIN | (writable ? EPOLLOUT : 0u), &udp->watch);
}

static void pending_flush(struct tl_udp *udp) {
  size_t at = 0;
  if (udp->pending.size && send_try(udp, &udp->pending, &at) == EAGAIN) {
    memmove(udp->pending_bytes, udp->pending_bytes + at, udp->pending.size - at);
    udp->pending.size -= at;
    return;
  }
  udp->pending.size = 0;
  poll_want(udp, false);
  udp->sink.writable(udp->sink.context, &(struct tl_path){.carrier = TL_CARRIER_UDP});
}

int tl_udp_send(struct tl_udp *udp, const struct tl_burst *burst) {
  size_t at = 0;
  TL_ASSERT(burst->size > 0 && burst->packet_bytes > 0 && burst->size <= RECEIVE_MESSAGE_BYTES);
  if (udp->pending.size) {
    udp->counters.send_no_buffer += burst_packets(burst);
    return TL_FULL;
  }
  if (send_try(udp, burst, &at) != EAGAIN) return 0;
  udp->pending = *burst;
  udp->pending.size = burst->size - at;
  udp->pending.bytes = udp->pending_bytes;
  memcpy(udp->pending_bytes, burst->bytes + at, udp->pending.size);
  poll_want(udp, true);
  return TL_FULL;
}

/* ---- Life ---- */

static void udp_release(struct tl_udp *udp) {
  if (udp->fd >= 0) close(udp->fd);
  free(udp->pending_bytes);
  free(udp->receive_bytes);
  free(udp);
}

/* What it sends and receives in here it may be closed by. */
static void socket_ready(struct tl_watch *watch, uint32_t events) {
  struct tl_udp *udp = tl_container_of(watch, struct tl_udp, watch);
  udp->is_inside = true;
  if (events & EPOLLOUT) pending_flush(udp);
  if (!udp->is_closed) receive_turn(udp);
  udp->is_inside = false;
  if (udp->is_closed) udp_release(udp);
}

int tl_udp_open(struct tl_poller *poller, const struct tl_udp_config *config,
                const struct tl_carrier_sink *sink, struct tl_udp **out_udp) {
  int r = TULLE_E_NO_MEMORY;
  struct tl_udp *udp = calloc(1, sizeof(*udp));
  if (!udp) return r;
  udp->fd = -1;
  udp->poller = poller;
  udp->watch = (struct tl_watch){socket_ready};
  udp->used = RECEIVE_MESSAGES;
  udp->sink = *sink;
  udp->pending_bytes = malloc(RECEIVE_MESSAGE_BYTES);
  udp->receive_bytes = malloc((size_t)RECEIVE_MESSAGES * RECEIVE_MESSAGE_BYTES);
  if (!udp->pending_bytes || !udp->receive_bytes) goto release;
  r = socket_open(udp, config);
  if (r < 0) goto release;
  r = tl_poller_add(poller, udp->fd, EPOLLIN, &udp->watch);
  if (r < 0) goto release;
  *out_udp = udp;
  return 0;

release:
  udp_release(udp);
  return r;
}

void tl_udp_close(struct tl_udp *udp) {
  if (!udp || udp->is_closed) return;
  udp->is_closed = true;
  tl_poller_remove(udp->poller, udp->fd, &udp->watch);
  if (!udp->is_inside) udp_release(udp);
}

const struct tl_address *tl_udp_local(const struct tl_udp *udp) {
  return &udp->local;
}

void tl_udp_counters(const struct tl_udp *udp, struct tl_udp_counters *out_counters) {
  *out_counters = udp->counters;
  out_counters->has_segmentation = udp->has_segmentation;
  out_counters->has_coalescing = udp->has_coalescing;
  out_counters->is_dual_stack = udp->is_dual_stack;
}
