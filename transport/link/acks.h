/*
 * What arrived and when to say so.
 *
 * A space is a row of packet numbers: one channel in one epoch. For each, the highest ranges of
 * numbers that came are kept, and whether the peer waits to hear of them.
 *
 * An acknowledgement rides with the next packet that goes out anyhow. It goes alone only when
 * nothing came to ride with: 2 ms after a packet that asked for it, or at once after four packets
 * that are full on the average, or when a packet came out of order, so that the sender learns early
 * of a loss. A lonely acknowledgement wakes the peer for nothing, and a reply nearly always comes
 * within the delay. On TCP the sender only wants its buffers back: after 25 ms, 64 packets or 128
 * KiB.
 *
 * An acknowledgement of UDP packets may go on any channel; if it is lost, the sender's probe asks
 * again. On TCP nobody probes, so its acknowledgements go on the channel itself, where nothing is
 * lost.
 */
#ifndef TL_LINK_ACKS_H
#define TL_LINK_ACKS_H

#include "core/wire/frame.h"
#include "transport/link/flow.h"
#include "transport/link/ranges.h"
#include "transport/link/sentmap.h"

/* UDP and 8 TCP channels, each in the present and the last epoch, and a few of channels just
 * closed. */
#define TL_ACKS_SPACES_MAX 24u

#define TL_ACKS_PACKETS_MAX     4u
#define TL_ACKS_BYTES_MAX       4800u
#define TL_ACKS_PACKETS_MAX_TCP 64u
#define TL_ACKS_BYTES_MAX_TCP   (128u << 10)

struct tl_ack_space {
  struct tl_space_name name;
  struct tl_ranges came;
  uint64_t newest_at; /* when the highest number came */
  uint64_t used_at;   /* counts up with each packet of any space: the least is replaced */
  uint64_t due_at;    /* TL_NEVER: nobody waits */
  uint32_t packets;   /* unacknowledged ones that asked for it */
  uint32_t bytes;
};

struct tl_acks {
  struct tl_ack_space *spaces[TL_ACKS_SPACES_MAX];
  uint32_t count;
  uint64_t uses;
  struct tl_account *account;
};

void tl_acks_init(struct tl_acks *a, struct tl_account *account);
void tl_acks_deinit(struct tl_acks *a);

/* A packet came, whose frames were all taken. 0, or TL_FULL: no memory. */
int tl_acks_received(struct tl_acks *a, uint64_t now, const struct tl_flow_packet *packet,
                     bool is_eliciting);

/* When the first acknowledgement must leave, alone if need be; TL_NEVER. */
uint64_t tl_acks_deadline(const struct tl_acks *a);

/* The same of what may go on `channel`. */
uint64_t tl_acks_deadline_on(const struct tl_acks *a, uint32_t channel);

/* The space at `index` if its peer waits for an acknowledgement that may go on `channel`; NULL. */
struct tl_ack_space *tl_acks_waiting(const struct tl_acks *a, uint32_t index, uint32_t channel);
void tl_acks_frame(const struct tl_ack_space *s, uint64_t now, struct tl_frame_ack *out_ack);

/* The acknowledgement was put in a packet. */
void tl_acks_told(struct tl_ack_space *s);

/* The peer knows what came up to `largest`: no need to repeat it. */
void tl_acks_confirmed(struct tl_acks *a, struct tl_space_name name, uint64_t largest);

/* The channel is gone: nobody waits for acknowledgements of it. */
void tl_acks_channel_lost(struct tl_acks *a, uint32_t channel);

#endif
