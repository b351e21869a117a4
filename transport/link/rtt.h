/*
 * Round-trip time of the UDP path (RFC 9002, section 5) and the times that follow from it.
 *
 * Until the first sample the handshake's measurement stands in for it.
 */
#ifndef TL_LINK_RTT_H
#define TL_LINK_RTT_H

#include <stdint.h>

#include "core/time.h"

#define TL_RTT_UNKNOWN_NS     (333 * TL_MS) /* RFC 9002, 6.2.2 */
#define TL_RTT_GRANULARITY_NS TL_MS         /* kGranularity */
/* A packet that waited longer met a peer that was stopped: that says nothing about the path. */
#define TL_RTT_SAMPLE_MAX_NS (2 * TL_S)

struct tl_rtt {
  uint64_t latest;
  uint64_t smoothed;
  uint64_t variation;
  uint64_t min; /* TL_NEVER before the first sample */
};

/* `initial` 0: unknown. */
void tl_rtt_init(struct tl_rtt *r, uint64_t initial);

/* A packet was acknowledged `sample` after it was sent, of which the peer says it waited
 * `ack_delay` (already limited to what peers may wait). */
void tl_rtt_sample(struct tl_rtt *r, uint64_t sample, uint64_t ack_delay);

/* How long a packet may be overtaken before it counts as lost (9/8 of the round-trip time). */
uint64_t tl_rtt_loss_delay(const struct tl_rtt *r);

/* The probe timeout without backoff, the peer's longest delay included. */
uint64_t tl_rtt_probe_timeout(const struct tl_rtt *r, uint64_t ack_delay_max);

#endif
