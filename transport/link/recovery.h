/*
 * What became of packets sent over UDP (RFC 9002): when one counts as lost, when to probe, how much
 * may be in flight and how fast it may leave.
 *
 * The object decides; what the packets carried is its user's matter. After an acknowledgement:
 *
 *     for each acknowledged packet that was not settled:  tl_recovery_acked()
 *     tl_recovery_ack_done()
 *     while ((p = tl_recovery_next_lost())):  send again what p carried
 *     tl_recovery_losses_done()
 *
 * Timers, all in tl_recovery_deadline():
 *   loss   a packet that was overtaken, at 9/8 of the round-trip time after it left
 *   probe  nothing acknowledged for a probe timeout (smoothed RTT + 4 variations, at least 1 ms,
 *          + the peer's delay of acknowledgements) after the last packet, doubling each time, up
 *          to 3 s
 */
#ifndef TL_LINK_RECOVERY_H
#define TL_LINK_RECOVERY_H

#include "transport/link/congestion.h"
#include "transport/link/pacer.h"
#include "transport/link/rtt.h"
#include "transport/link/sentmap.h"

#define TL_RECOVERY_PACKET_THRESHOLD 3u         /* kPacketThreshold */
#define TL_RECOVERY_PERSISTENT_TIMES 3u         /* kPersistentCongestionThreshold */
#define TL_RECOVERY_PROBE_MAX_NS     (3 * TL_S) /* of the backed-off probe timeout */
#define TL_RECOVERY_PROBES           2u         /* packets per probe timeout */

struct tl_recovery {
  struct tl_sentmap map;
  struct tl_rtt rtt;
  struct tl_congestion congestion;
  struct tl_pacer pacer;
  uint64_t ack_delay_max;
  uint64_t acked_end;  /* one past the index of the newest packet ever acknowledged */
  uint64_t loss_at;    /* TL_NEVER: no packet has been overtaken */
  uint64_t last_sent;  /* when the newest packet left */
  uint64_t pace_until; /* the pacer waits until then */
  uint32_t probe_count;
  uint32_t probes_due;
  /* While one acknowledgement is worked on: */
  uint64_t newest_acked; /* index + 1 of the newest packet that it newly acknowledged; 0: none */
  uint64_t newest_acked_sent_at;
  uint64_t cursor;         /* where the search for losses stands */
  uint64_t newest_lost_at; /* when the newest of the losses left; 0: none */
  uint64_t run_start;      /* when the first of the losses in a row left; TL_NEVER: no row */
  bool is_persistent;
};

void tl_recovery_init(struct tl_recovery *r, struct tl_account *account, size_t packet_bytes,
                      uint64_t rtt, uint64_t ack_delay_max);
void tl_recovery_deinit(struct tl_recovery *r);

/* ---- Sending ---- */

/* A packet of `bytes` may leave now. False: window full, or the pacer waits (then there is a
 * deadline for it). */
bool tl_recovery_may_send(struct tl_recovery *r, uint64_t now, size_t bytes);

/* The packet being built in `map` has left. The caller fills what it knows; bytes, sent_at and
 * was_idle are filled in here. */
void tl_recovery_sent(struct tl_recovery *r, uint64_t now, const struct tl_sent_packet *packet,
                      size_t bytes);

/* ---- Acknowledgement ---- */

/* Settles the packet at that index. */
void tl_recovery_acked(struct tl_recovery *r, uint64_t index);

/* `ack_delay` as the peer says. */
void tl_recovery_ack_done(struct tl_recovery *r, uint64_t now, uint64_t ack_delay);

/* The next packet that counts as lost now; it is marked so. NULL: no more. */
struct tl_sent_packet *tl_recovery_next_lost(struct tl_recovery *r, uint64_t now);
void tl_recovery_losses_done(struct tl_recovery *r, uint64_t now);

/* ---- Time ---- */

uint64_t tl_recovery_deadline(const struct tl_recovery *r);

/* True if a probe is due: the user sends again what the oldest packets carried, or a PING; the
 * window does not hold them back. Losses by time are found by tl_recovery_next_lost(). */
bool tl_recovery_timeout(struct tl_recovery *r, uint64_t now);

/* Lost packets that left before this are not heard of again. */
uint64_t tl_recovery_forget_before(const struct tl_recovery *r, uint64_t now);

/* ---- Path ---- */

/* The path leads elsewhere. */
void tl_recovery_restart(struct tl_recovery *r, uint64_t rtt);

/* Gives up the oldest packet in flight without a word about congestion. NULL: none is in flight. */
struct tl_sent_packet *tl_recovery_give_up(struct tl_recovery *r);

#endif
