/*
 * Flow: from the payload of authenticated packets to messages on lanes, and back.
 *
 * One flow serves one session between two nodes, whatever paths and keys it uses meanwhile. It is a
 * state machine without sockets, keys, clock or randomness: time comes in as `now` (ns), packets
 * come in as decoded frames and go out as frames written into the caller's buffer. Above the
 * packets it gives numbered lanes with three classes of delivery; below, it finds out what was lost
 * (RFC 9002), sends it again, and keeps within what the path and the peer can take.
 *
 * How its owner (transport/link/endpoint) drives it:
 *
 *   in      for each frame of an opened packet that is not the endpoint's own (PAD, PING, PATH_*,
 *           REKEY*, CLOSE): tl_flow_frame(); after the last one tl_flow_received(), once a packet.
 *   events  until TL_EMPTY: tl_flow_event().
 *   out     while the carrier takes packets: tl_flow_poll() with the next packet's number, after
 *           which that packet counts as sent; seal it, burst it. 0 bytes: nothing for this path
 * now. time    at tl_flow_deadline(): tl_flow_timeout(), then poll again. TL_NEVER when idle.
 *
 * Packet numbers. A packet is named by (epoch, channel, counter): channel 0 is UDP, n a TCP
 * channel; counters rise within an epoch of a channel, may skip numbers, and begin again with the
 * next epoch. Both ends must name alike, because acknowledgements carry these names. Loss is judged
 * by the order of sending, so neither a skipped number nor a new epoch looks like a loss.
 *
 * Paths. On UDP (channel 0) all of RFC 9002 holds. On TCP the kernel does that work: packets are
 * only acknowledged now and then, to free buffers, and tl_flow_channel_lost() tells that what was
 * not acknowledged on a channel has to be sent again, on whichever channel is polled next. While a
 * channel is open it has to be polled, for acknowledgements and probes; those that the link does
 * not prefer with `is_spare`. One that is not polled any more is given up by
 * tl_flow_channel_lost().
 *
 * Lanes. The session's initiator opens even numbers, the responder odd ones, each in rising order
 * and never twice; a lane exists at the peer from its first frame on. Lanes 0 and 1 exist from the
 * start and are the nodes' own. Lanes share the link fairly (a packet's worth each in turn), and
 * each has its own credit, so one whose reader sleeps stops no other. Any lane carries all three
 * classes:
 *
 *   TL_CLASS_ORDERED      exactly once, in order
 *   TL_CLASS_RELIABLE     exactly once, in any order; nobody waits for another's lost packet
 *   TL_CLASS_BEST_EFFORT  at most once, perhaps never, in any order; drops are counted
 *
 * A record has at most TL_LANE_RECORD_BYTES_MAX of body. A larger message is several ordered
 * records, all but the last with TL_LANE_MORE in `flags`; the other seven bits and `kind` are the
 * user's.
 *
 * Memory. A flow holds at most about TL_FLOW_MEMORY_BYTES_MAX whatever its peer does (SECURITY
 * 4.2.8), nothing is allocated per packet or message once buffers have grown, and tl_flow_trim()
 * gives grown buffers back when the link is idle.
 */
#ifndef TL_LINK_FLOW_H
#define TL_LINK_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/error.h"
#include "core/time.h"
#include "core/wire/frame.h"

struct tl_flow;
struct tl_lane;

#define TL_FLOW_CHANNEL_UDP 0u

#define TL_LANE_RECORD_BYTES_MAX TL_FRAME_BODY_BYTES_MAX
#define TL_LANE_MORE             0x80u /* in `flags`: the next record continues this message */

/* Lanes that one side may have open at a time; each side counts its own openings (SECURITY
 * 4.2.8). */
#define TL_FLOW_LANES_MAX 16384u

/* The account of one remote node. Half of it is for what arrives (credit for a quarter, in buffers
 * that are at most twice as large), a quarter for what leaves, the rest for lanes and
 * bookkeeping. */
#define TL_FLOW_MEMORY_BYTES_MAX (64u << 20)
#define TL_FLOW_CREDIT_BYTES     (16u << 20)

/* A delayed acknowledgement waits this long for something to ride with. Each side waits the
 * same. */
#define TL_FLOW_ACK_DELAY_NS     (2 * TL_MS)
#define TL_FLOW_ACK_DELAY_TCP_NS (25 * TL_MS)

/* Marked packets in flight and events of marks not yet taken, together. */
#define TL_FLOW_MARKS_MAX 32u

/* Smallest and largest packet payload that tl_flow_poll() can fill. */
#define TL_FLOW_ROOM_BYTES_MIN 512u
#define TL_FLOW_ROOM_BYTES_MAX 65535u

enum tl_class { TL_CLASS_ORDERED, TL_CLASS_RELIABLE, TL_CLASS_BEST_EFFORT };

/* ---- Making one ---- */

struct tl_flow_config {
  bool is_initiator;   /* of the session's handshake: opens even lanes */
  uint64_t rtt_ns;     /* measured by the handshake; 0: unknown, RFC 9002's 333 ms */
  size_t packet_bytes; /* size of a full UDP packet, header and tag included: 1,200 at first */
  uint8_t secret[16];  /* random; hashes lane numbers */
  /* For tests, alike on both sides; 0: TL_FLOW_CREDIT_BYTES. At least two lanes' credit. */
  uint32_t credit_bytes;
};

/* NULL: no memory. */
struct tl_flow *tl_flow_new(const struct tl_flow_config *config, uint64_t now);

/* Frees all lanes as well. Accepts NULL, returns NULL. */
struct tl_flow *tl_flow_free(struct tl_flow *f);

/* ---- In ---- */

/* Name and measure of a packet. */
struct tl_flow_packet {
  uint32_t epoch;
  uint32_t channel;
  uint64_t counter;
  /* In: size of the whole packet. Out: bytes of it that the flow does not write: header, tag and
   * the endpoint's own frames. */
  size_t bytes;
  /* The endpoint has frames of its own in it that must be acknowledged (PING, PATH_*, REKEY*). */
  bool is_eliciting;
  /* Out only: the link prefers another channel for what is new; only acknowledgements and probes go
   * on this one. */
  bool is_spare;
  /* Out only: a size probe, whose loss says nothing about congestion. */
  bool is_probe;
  /* Out only: not 0: TL_FLOW_MARK_ACKED or TL_FLOW_MARK_LOST will tell what became of it (first
   * lost and then acknowledged after all: both). At most TL_FLOW_MARKS_MAX at a time. */
  uint32_t mark;
};

/*
 * One frame of an authentic packet that is no replay. Its bytes are borrowed for the call.
 * 0;
 * TULLE_E_PROTOCOL: no honest peer sends this, the link must end;
 * TL_FULL: no memory or room for it now. The packet must then count as never received: leave the
 * rest of it and do not call tl_flow_received(); on TCP, close that channel. What was taken stays
 * taken.
 */
int tl_flow_frame(struct tl_flow *f, uint64_t now, const struct tl_frame *frame);

/*
 * All frames of the packet were taken: acknowledges it, at once or later. 0, TULLE_E_PROTOCOL (more
 * ACK frames than a packet may have), or TL_FULL as above.
 */
int tl_flow_received(struct tl_flow *f, uint64_t now, const struct tl_flow_packet *packet);

/* ---- Out ---- */

/*
 * Fills the payload of the packet `packet` with at most `room` bytes of frames
 * (TL_FLOW_ROOM_BYTES_*) and records the packet as sent now. Returns how many bytes it wrote.
 *
 * 0: nothing is due on this channel. Then nothing is recorded and the number may be used again,
 * unless the packet has frames of the endpoint's own (is_eliciting or `mark` set): those are sent
 * anyhow.
 *
 * On UDP it writes nothing but acknowledgements and probes while the congestion window is full or
 * the pacer waits. On TCP it always gives what there is.
 */
size_t tl_flow_poll(struct tl_flow *f, uint64_t now, const struct tl_flow_packet *packet,
                    uint8_t *out, size_t room);

/* Records a packet that the endpoint filled alone (a size probe, a CLOSE): the flow must know every
 * number that was sent. */
void tl_flow_sent(struct tl_flow *f, uint64_t now, const struct tl_flow_packet *packet);

/* True when tl_flow_poll() would write something on that channel now. */
bool tl_flow_has_output(const struct tl_flow *f, uint64_t now, uint32_t channel);

/* When tl_flow_timeout() is due, or TL_NEVER. Timers: loss (9/8 RTT), PTO, pacer,
 * acknowledgement. */
uint64_t tl_flow_deadline(const struct tl_flow *f);

/* Does what is due; too early or too often does no harm. Poll afterwards. */
void tl_flow_timeout(struct tl_flow *f, uint64_t now);

/* ---- Paths ---- */

/* Everything in flight on the channel is lost and will be sent again. For UDP this does not count
 * as congestion. A TCP channel's number is not used again afterwards. */
void tl_flow_channel_lost(struct tl_flow *f, uint64_t now, uint32_t channel);

/* True while something on the channel waits for its acknowledgement; the number of the oldest such
 * packet. One that stays for long tells of a TCP connection that is dead without a word. */
bool tl_flow_oldest(struct tl_flow *f, uint32_t channel, uint64_t *out_counter);

/* The UDP path leads elsewhere now: round-trip time and congestion window begin anew. */
void tl_flow_path_changed(struct tl_flow *f, uint64_t now, uint64_t rtt_ns);

/* The size of a full UDP packet has changed (path MTU). */
void tl_flow_set_packet_bytes(struct tl_flow *f, size_t packet_bytes);

/* Gives back all buffers that are empty now. For an idle link: call it with the keep-alive. */
void tl_flow_trim(struct tl_flow *f);

/* ---- Events ---- */

enum tl_flow_event_type {
  TL_FLOW_LANE_OPENED, /* lane: the peer's first frame on it came */
  TL_FLOW_READABLE,    /* lane: something to receive, where TL_EMPTY was said before (or nothing) */
  TL_FLOW_WRITABLE,    /* lane: room again, where TL_FULL was said before */
  TL_FLOW_FINISHED,    /* lane: all that the peer sent is here; once read, receive says TL_END */
  TL_FLOW_RESET,       /* lane, reason: the peer ended it; nothing more can be read or sent */
  TL_FLOW_MARK_ACKED,  /* mark */
  TL_FLOW_MARK_LOST,   /* mark */
};

struct tl_flow_event {
  enum tl_flow_event_type type;
  struct tl_lane *lane; /* NULL for MARK_* */
  uint32_t mark;
  uint32_t reason;
};

/* 0 or TL_EMPTY. None is lost, and a lane has each kind at most once in the queue. */
int tl_flow_event(struct tl_flow *f, struct tl_flow_event *out_event);

/* ---- Lanes ---- */

/* Opens the next lane of this side. TL_FULL: the peer allows no more now; TULLE_E_NO_MEMORY. */
int tl_flow_open(struct tl_flow *f, struct tl_lane **out_lane);

/* The lane of that number, or NULL. Lanes 0 and 1 are always there until closed. */
struct tl_lane *tl_flow_lane(const struct tl_flow *f, uint64_t number);

/* All lanes that the user has not closed: start with NULL; NULL at the end. */
struct tl_lane *tl_flow_next_lane(const struct tl_flow *f, const struct tl_lane *lane);

uint64_t tl_lane_number(const struct tl_lane *lane);
struct tl_flow *tl_lane_flow(const struct tl_lane *lane);

/* A word of the user's, NULL at first. */
void tl_lane_set_owner(struct tl_lane *lane, void *owner);
void *tl_lane_owner(const struct tl_lane *lane);

/*
 * One record, copied whole or not at all, from `count` pieces.
 * TL_FULL: no room; TL_FLOW_WRITABLE will follow. A best-effort message may be dropped instead of
 * waiting; that is the caller's choice.
 * TULLE_E_TOO_BIG; TULLE_E_INVALID: TL_LANE_MORE on another class than ordered; TULLE_E_CLOSED:
 * finished or reset; TULLE_E_NO_MEMORY.
 */
int tl_lane_send(struct tl_lane *lane, enum tl_class class, uint8_t kind, uint8_t flags,
                 const struct iovec *pieces, size_t count);

/* A hint: bytes of body that tl_lane_send() would take now as one ordered record. */
size_t tl_lane_room(const struct tl_lane *lane);

struct tl_lane_record {
  enum tl_class class;
  uint8_t kind;
  uint8_t flags;
  const uint8_t *bytes; /* borrowed until tl_lane_release() or the next tl_flow_frame() */
  size_t size;
};

/*
 * The next record, in place; the same one again until it is released. 0, TL_EMPTY, or TL_END: the
 * peer has finished and all was read. After a record was left unread no further READABLE comes
 * until TL_EMPTY was said. When the link's credit runs short, an ordered record may come in several
 * pieces, all but the last with TL_LANE_MORE.
 */
int tl_lane_receive(struct tl_lane *lane, struct tl_lane_record *out_record);

/* The record is dealt with: its memory and credit go back. */
void tl_lane_release(struct tl_lane *lane);

/* No more will be sent; everything sent before still arrives. 0 or TULLE_E_CLOSED. */
int tl_lane_finish(struct tl_lane *lane);

/*
 * The user is done with the lane: the pointer dies here, with the lane's queued events. NULL does
 * nothing.
 *
 * After tl_lane_finish() and with `reason` 0, what was sent still arrives, and what the peer still
 * sends is thrown away until it finishes too. Else, unless both directions have ended, they end
 * now: the peer gets TL_FLOW_RESET with `reason` (at most 65,535), and what it has not yet
 * acknowledged may or may not have arrived.
 */
void tl_lane_close(struct tl_lane *lane, uint32_t reason);

/*
 * What is known of the ordered records sent on this lane, for saying what became of calls when the
 * session is gone. All three count records from the lane's beginning:
 * those up to `acknowledged` have reached the peer; those after `begun` never left this machine;
 * between them nobody knows. accepted >= begun >= acknowledged.
 */
struct tl_lane_progress {
  uint64_t accepted;
  uint64_t begun;
  uint64_t acknowledged;
};

void tl_lane_progress(const struct tl_lane *lane, struct tl_lane_progress *out_progress);

/* ---- For `tulle links` and tests ---- */

struct tl_flow_stats {
  uint64_t packets_sent, packets_acked;
  uint64_t packets_lost;     /* size probes do not count */
  uint64_t packets_spurious; /* declared lost, acknowledged later */
  uint64_t probes;           /* probe timeouts */
  uint64_t bytes_resent;
  uint64_t acks_sent, acks_alone; /* packets that held nothing but acknowledgements */
  uint64_t best_effort_dropped;   /* here, after arrival: no room, or never completed */
  uint64_t best_effort_lost;      /* sent by us in packets that were lost */
  uint64_t rtt_ns, rtt_min_ns;    /* smoothed; the least ever */
  uint64_t window_bytes;          /* congestion window */
  uint64_t flight_bytes;          /* on UDP */
  uint64_t lanes;                 /* open now, both sides' */
  uint64_t memory_bytes;          /* held by buffers now */
};

void tl_flow_stats(const struct tl_flow *f, struct tl_flow_stats *out_stats);

#endif
