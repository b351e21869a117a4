/*
 * A lane and the flow it belongs to, as the files of the flow see them.
 *
 *   flow.c        life, lane numbers, events, what arrives
 *   flow_out.c    packets: whose turn it is, what was acknowledged, what was lost, time
 *   lane.c        the user's side of a lane
 *   lane_in.c     frames that arrive on a lane
 *   lane_out.c    frames that leave on it
 *
 * How a lane ends. Each side ends its direction with FIN; or one side ends both with RESET, which
 * the other answers by RESET unless all that it sent is acknowledged, FIN included. A RESET says
 * how much credit its sender has used, so that both ends go on counting alike though bytes of the
 * lane were never seen. The lane is forgotten when its user has closed it, both directions have
 * ended, and no packet in flight carries anything of it; a frame for a forgotten lane is old and is
 * passed over.
 */
#ifndef TL_LINK_LANE_H
#define TL_LINK_LANE_H

#include "core/list.h"
#include "core/table.h"
#include "transport/link/acks.h"
#include "transport/link/credit.h"
#include "transport/link/flow.h"
#include "transport/link/inbox.h"
#include "transport/link/outbox.h"
#include "transport/link/reassembly.h"
#include "transport/link/recovery.h"

/* A lane buffers this much that it has no credit to send, and this much in all. */
#define TL_LANE_UNSENT_BYTES_MAX 65536u
#define TL_LANE_HELD_BYTES_MAX   (TL_CREDIT_LANE_BYTES_MAX + 2 * TL_LANE_UNSENT_BYTES_MAX)
/* All lanes together; TL_LANE_SEND_SURE_BYTES are every lane's, and while all hold less than twice
 * the bound, so is one record. */
#define TL_FLOW_SEND_BYTES_MAX        (8u << 20)
#define TL_LANE_SEND_SURE_BYTES       4096u
#define TL_FLOW_BEST_EFFORT_BYTES_MAX (4u << 20) /* arrived and not yet taken, all lanes */

enum tl_out_state {
  TL_OUT_OPEN,
  TL_OUT_FINISHING, /* FIN is to be sent or acknowledged, or something before it */
  TL_OUT_FINISHED,
  TL_OUT_RESETTING, /* RESET is to be sent or acknowledged */
  TL_OUT_RESET,
};

enum tl_in_state {
  TL_IN_OPEN,
  TL_IN_FINISHED, /* everything up to FIN is here, perhaps unread */
  TL_IN_RESET,
};

enum tl_fin { TL_FIN_NONE, TL_FIN_PENDING, TL_FIN_IN_FLIGHT, TL_FIN_ACKED };

enum tl_borrowed { TL_BORROWED_NONE, TL_BORROWED_ORDERED, TL_BORROWED_MESSAGE };

struct tl_lane {
  struct tl_flow *flow;
  uint64_t number;
  void *owner;
  struct tl_list all;      /* flow->lanes, or flow->closed when the user is done */
  struct tl_list ready;    /* flow->ready or flow->starved: it has something to send */
  struct tl_list eventful; /* flow->eventful */
  struct tl_list waiting;  /* flow->waiting: refused because the flow holds too much */
  struct tl_list warm;     /* flow->warm: it may hold memory */
  uint32_t items;          /* in sent maps */
  uint8_t events;          /* bit 1 << enum tl_flow_event_type */
  bool is_announced;
  bool is_closed;     /* by the user */
  bool is_starved;    /* on flow->starved */
  bool is_hungry;     /* the user was told TL_EMPTY */
  bool is_credit_due; /* CREDIT is to be sent */
  bool is_reset_due;
  bool is_message_next;   /* classes take turns, here on reception, */
  bool is_reliable_first; /* and here in packets */
  uint8_t out;            /* enum tl_out_state */
  uint8_t in;             /* enum tl_in_state */
  uint8_t fin;            /* enum tl_fin */
  uint8_t borrowed;       /* enum tl_borrowed */
  uint32_t reason;        /* of our RESET */
  uint32_t peer_reason;   /* of the peer's */
  uint8_t refused_class;
  uint32_t refused; /* bytes that tl_lane_send() had no room for; 0: none */
  uint32_t borrowed_bytes;
  /* Sending */
  struct tl_credit_out credit_out;
  struct tl_sendbuf ordered;
  struct tl_record_walk acked;           /* records that the peer has whole */
  uint64_t accepted;                     /* records */
  struct tl_lane_progress last_progress; /* when a RESET ended the lane */
  struct tl_outbox *reliable;            /* NULL before the first */
  struct tl_outbox *best_effort;         /* the same */
  /* Receiving */
  struct tl_credit_in credit_in;
  struct tl_reassembly reassembly;
  struct tl_inbox inbox;
  struct tl_reliable_in *reliable_in; /* NULL before the first */
  uint64_t messages_high;             /* one past the highest number of a reliable message seen */
  uint64_t messages_final;            /* with FIN; UINT64_MAX before */
};

#define TL_FLOW_TCP_MAPS_MAX 16u /* 8 channels, and as many that are just being replaced */
#define TL_FLOW_MARK_EVENTS  (2 * TL_FLOW_MARKS_MAX)

struct tl_channel {
  uint32_t number;
  struct tl_sentmap map;
};

struct tl_mark_event {
  uint32_t mark;
  bool is_acked;
};

struct tl_flow {
  bool is_initiator;
  bool is_link_credit_due;
  bool is_lanes_due;
  bool is_pressed;   /* the peer has used most of the link's credit: records go up in pieces */
  bool is_eliciting; /* of the packet whose frames come in now */
  uint32_t acks_in_packet;
  struct tl_account account;
  uint64_t send_bytes; /* in all lanes' send buffers */
  struct tl_recovery udp;
  struct tl_channel *tcp[TL_FLOW_TCP_MAPS_MAX];
  uint32_t tcp_count;
  uint32_t channel_high; /* the highest ever sent on */
  struct tl_acks acks;
  struct tl_credit_out credit_out; /* of the link */
  struct tl_credit_in credit_in;
  /* Lanes by their place in one side's numbers: lane = 2 * index + side. */
  uint64_t own_opened, own_max;
  uint64_t peer_opened, peer_max, peer_forgotten;
  uint64_t lane_count;
  struct tl_table table; /* number to lane */
  struct tl_lane *last;  /* looked up last */
  struct tl_list lanes, closed;
  struct tl_list ready, starved;
  struct tl_list eventful, waiting, warm;
  /* Best-effort messages of which parts are missing, oldest first. */
  struct tl_list assemblies;
  uint32_t assembly_count;
  uint64_t best_effort_bytes; /* in inboxes */
  struct tl_mark_event marks[TL_FLOW_MARK_EVENTS];
  uint32_t mark_first, mark_last;
  struct tl_flow_stats stats;
};

/* A packet that is being filled. */
struct tl_builder {
  uint64_t now;
  struct tl_writer w;
  struct tl_sentmap *map;
  bool is_kept; /* there is room to remember it */
  bool is_eliciting;
  uint16_t best_effort_count;
};

/* Room for one more item, so that a frame may be written; false: leave it for another packet. */
bool tl_builder_has_item(struct tl_builder *b);
void tl_builder_add(struct tl_builder *b, const struct tl_sent_item *item);

/* ---- flow.c ---- */

/* Raises an event, unless the user has closed the lane. */
void tl_lane_raise(struct tl_lane *lane, enum tl_flow_event_type type);

/* The lane has something to send. */
void tl_lane_wake(struct tl_lane *lane);

/* The lane may hold memory from now on. */
static inline void tl_lane_warm(struct tl_lane *lane) {
  if (tl_list_is_empty(&lane->warm)) tl_list_push_back(&lane->flow->warm, &lane->warm);
}

/* Frees the lane if it is over in every respect. Returns true if it is gone. */
bool tl_lane_forget(struct tl_lane *lane);

/* Credit of the link and of the lane goes back. */
void tl_lane_give_back(struct tl_lane *lane, uint64_t bytes);

/* Drops best-effort assemblies: of one lane, or all for NULL. */
void tl_flow_drop_assemblies(struct tl_flow *f, const struct tl_lane *lane);

void tl_flow_note_mark(struct tl_flow *f, uint32_t mark, bool is_acked);

/* ---- flow_out.c ---- */

int tl_flow_take_ack(struct tl_flow *f, uint64_t now, const struct tl_frame_ack *ack);
void tl_flow_drop_channels(struct tl_flow *f);
void tl_flow_trim_maps(struct tl_flow *f);

/* ---- lane.c ---- */

void tl_lane_init(struct tl_lane *lane, struct tl_flow *f, uint64_t number, uint64_t now);
/* Frees what it holds, not the lane. */
void tl_lane_deinit(struct tl_lane *lane);

/* Bytes in send buffers. */
uint64_t tl_lane_held(const struct tl_lane *lane);

/* Raises WRITABLE if what was refused would be taken now. */
void tl_lane_check_writable(struct tl_lane *lane);
/* The same for those refused because of the flow's bound. */
void tl_flow_check_waiting(struct tl_flow *f);

/* Both directions end now; the peer is told. */
void tl_lane_begin_reset(struct tl_lane *lane, uint32_t reason);

/* Throws away what can be read. */
void tl_lane_drain(struct tl_lane *lane);

void tl_lane_trim(struct tl_lane *lane);

/* ---- lane_in.c ---- */

int tl_lane_take_stream(struct tl_lane *lane, const struct tl_frame_stream *stream);
int tl_lane_take_msg(struct tl_lane *lane, const struct tl_frame_msg *msg);
int tl_lane_take_reset(struct tl_lane *lane, const struct tl_frame_reset *reset);
void tl_lane_take_credit(struct tl_lane *lane, uint64_t bytes_max);

/* Raises READABLE if there is something to read and the user waits for it. */
void tl_lane_check_readable(struct tl_lane *lane);

/* Forgets all that arrived; the link's credit goes back. */
void tl_lane_drop_arrived(struct tl_lane *lane);

/* ---- lane_out.c ---- */

enum tl_wish { TL_WISH_NONE, TL_WISH_SEND, TL_WISH_LINK_CREDIT };

/* What the lane could do with a packet now. */
enum tl_wish tl_lane_wish(const struct tl_lane *lane);

/* Writes what fits. */
void tl_lane_fill(struct tl_lane *lane, struct tl_builder *b);

/* What became of an item of this lane. `lost` may be wrong: a probe sends again what may have
 * come. */
void tl_lane_acked(struct tl_lane *lane, const struct tl_sent_item *item);
void tl_lane_lost(struct tl_lane *lane, const struct tl_sent_item *item);

/* Nothing is sent any more: frees the send buffers. */
void tl_lane_drop_unsent(struct tl_lane *lane);

#endif
