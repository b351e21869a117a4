/*
 * The UDP carrier: one socket in the caller's epoll set, read and written in batches.
 *
 * It calls recvmmsg and sendmmsg, with the kernel's segmentation offload (UDP_SEGMENT) and receive
 * coalescing (UDP_GRO) where it has them. Both are probed, and the first refusal at run
 * time turns them off. The socket is dual-stack where the kernel has IPv6, else IPv4.
 *
 * UDP may lose packets, so no error of a send ends anything: it is counted, and the link above
 * finds out by silence. One turn of the loop reads a bounded number of packets.
 */
#ifndef TL_TRANSPORT_UDP_H
#define TL_TRANSPORT_UDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/address.h"
#include "core/error.h"
#include "core/poll.h"
#include "transport/carrier.h"

struct tl_udp;

struct tl_udp_config {
  struct tl_address listen; /* all zero: any address, any port */
  bool no_offload;          /* as on a kernel without UDP_SEGMENT and UDP_GRO */
  size_t buffer_bytes;      /* wished SO_RCVBUF and SO_SNDBUF; 0: 4 MiB. The kernel may give less */
};

/* `sink` is copied; its calls come from tl_poller_dispatch() only. 0, TULLE_E_INVALID, TULLE_E_NO_MEMORY, or an
 * errno's code (TULLE_E of EADDRINUSE and so on) when the socket cannot be had. */
int tl_udp_open(struct tl_poller *poller, const struct tl_udp_config *config,
                const struct tl_carrier_sink *sink, struct tl_udp **out_udp);

/* No call to the sink comes after this, which may stand in one. NULL is allowed. */
void tl_udp_close(struct tl_udp *udp);

/* Where it listens, with the port that the kernel chose. */
const struct tl_address *tl_udp_local(const struct tl_udp *udp);

/* Sends or drops; the burst's buffer is free again. TL_FULL: it was taken, but the socket is full:
 * give no more before sink.writable (its path has carrier UDP and no address). Never an error. */
int tl_udp_send(struct tl_udp *udp, const struct tl_burst *burst);

struct tl_udp_counters {
  uint64_t packets_sent, bytes_sent;
  uint64_t packets_received, bytes_received;
  uint64_t sends, receives;  /* system calls */
  uint64_t send_too_big;     /* EMSGSIZE: larger than the path's MTU, as probes may be */
  uint64_t send_refused;     /* EPERM, EACCES: a packet filter here */
  uint64_t send_unreachable; /* ENETUNREACH, EHOSTUNREACH, ECONNREFUSED and the like */
  uint64_t send_no_buffer;   /* ENOBUFS, ENOMEM */
  uint64_t send_other;       /* anything else */
  uint64_t receive_errors;   /* soft errors of the socket */
  bool has_segmentation;     /* UDP_SEGMENT in use */
  bool has_coalescing;       /* UDP_GRO in use */
  bool is_dual_stack;
};

void tl_udp_counters(const struct tl_udp *udp, struct tl_udp_counters *out_counters);

#endif
