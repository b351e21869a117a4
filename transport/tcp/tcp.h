/*
 * The TCP carrier: a listener and its connections in the caller's epoll set.
 *
 * It cuts each stream into packets by their headers (tl_carrier_packet_size()) and knows nothing
 * else of them: who may stay connected is the endpoint's word, given by tl_tcp_hang_up(). Bytes
 * that cannot be a packet end the connection. A connection has a number, from 1, never used again.
 *
 * A burst is always taken whole, since a sealed record cannot be sealed again; what the socket does
 * not take stays here until it does, and the one who polls is told to wait.
 */
#ifndef TL_TRANSPORT_TCP_H
#define TL_TRANSPORT_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/address.h"
#include "core/error.h"
#include "core/poll.h"
#include "transport/carrier.h"

struct tl_tcp;

struct tl_tcp_config {
  struct tl_address listen; /* all zero: any address, any port */
  bool no_listen;           /* dials only */
};

/* `sink` is copied; its calls come from tl_poller_dispatch() and tl_tcp_timeout() only. 0, TULLE_E_NO_MEMORY, or an errno's code. */
int tl_tcp_open(struct tl_poller *poller, const struct tl_tcp_config *config,
                const struct tl_carrier_sink *sink, struct tl_tcp **out_tcp);

/* Ends every connection; no call to the sink comes after this, which may stand in one. NULL is
 * allowed. */
void tl_tcp_close(struct tl_tcp *tcp);

/* When something is to be given up (CLOCK_BOOTTIME), and doing so. TL_NEVER while nothing dials or
 * leaves. */
uint64_t tl_tcp_deadline(const struct tl_tcp *tcp);
void tl_tcp_timeout(struct tl_tcp *tcp, uint64_t now);

/* Where it listens, with the port that the kernel chose. */
const struct tl_address *tl_tcp_local(const struct tl_tcp *tcp);

/* Begins a connection: sink.opened or sink.closed follows, with this number. An error means that
 * nothing follows: TULLE_E_NO_MEMORY or an errno's code. */
int tl_tcp_dial(struct tl_tcp *tcp, const struct tl_address *remote, uint32_t *out_connection);

/* Takes the burst. TL_FULL: taken as well, but give no more before sink.writable. TULLE_E_CLOSED:
 * no such connection any more; nothing was taken, and sink.closed has been or is about to be
 * called. */
int tl_tcp_send(struct tl_tcp *tcp, const struct tl_burst *burst);

/* Closes a connection once what was sent has left, or after a second. No call to the sink comes for
 * it any more. An unknown number is nothing. */
void tl_tcp_hang_up(struct tl_tcp *tcp, uint32_t connection);

struct tl_tcp_counters {
  uint64_t packets_received, bytes_received, bytes_sent;
  uint64_t sends, receives; /* system calls */
  uint64_t accepted, dialled, dials_failed;
  uint64_t bad_streams;    /* ended because the bytes were no packet */
  uint64_t no_descriptors; /* connections turned away at the limit of descriptors */
  uint32_t connections;    /* now */
};

void tl_tcp_counters(const struct tl_tcp *tcp, struct tl_tcp_counters *out_counters);

#endif
