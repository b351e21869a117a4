/*
 * How many bytes may be on their way over UDP: NewReno as in RFC 9002, section 7.
 *
 * Slow start doubles the window each round trip, congestion avoidance adds a packet, a loss halves
 * it once per round trip, and losses for three probe timeouts on end put it back to its least. The
 * window grows only while it is really used.
 */
#ifndef TL_LINK_CONGESTION_H
#define TL_LINK_CONGESTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TL_CONGESTION_PACKETS_FIRST 10u /* RFC 9002, 7.2 */
#define TL_CONGESTION_PACKETS_MIN   2u
#define TL_CONGESTION_BYTES_MAX     (16u << 20) /* more than any LAN holds: 10 Gbit/s times 13 ms */

struct tl_congestion {
  size_t packet_bytes;
  size_t window;
  size_t flight;
  size_t threshold; /* of slow start */
  size_t credit;    /* bytes acknowledged towards the next packet of growth */
  /* Packets sent until then belong to the last event of congestion; 0: there was none. */
  uint64_t recovery_start;
};

void tl_congestion_init(struct tl_congestion *c, size_t packet_bytes);

/* The path has changed: as new, but what is in flight still is. */
void tl_congestion_restart(struct tl_congestion *c);

void tl_congestion_set_packet_bytes(struct tl_congestion *c, size_t packet_bytes);

/* One more packet of that size may go. */
static inline bool tl_congestion_has_room(const struct tl_congestion *c, size_t bytes) {
  return c->flight + bytes <= c->window;
}

/* True while the sender, not the path, is what limits the rate. Asked when a packet leaves. */
static inline bool tl_congestion_is_idle(const struct tl_congestion *c) {
  return c->flight < c->window / 2;
}

static inline void tl_congestion_sent(struct tl_congestion *c, size_t bytes) {
  c->flight += bytes;
}

/* The packet is no longer in flight and says nothing about congestion. */
static inline void tl_congestion_forget(struct tl_congestion *c, size_t bytes) {
  c->flight -= bytes;
}

/* `was_idle`: what tl_congestion_is_idle() said when the packet left. */
void tl_congestion_acked(struct tl_congestion *c, size_t bytes, uint64_t sent_at, bool was_idle);

/* Packets were lost, the newest of which left at `sent_at`. The caller has forgotten their
 * bytes. */
void tl_congestion_lost(struct tl_congestion *c, uint64_t now, uint64_t sent_at);

/* Persistent congestion (RFC 9002, 7.6). */
void tl_congestion_collapse(struct tl_congestion *c);

#endif
