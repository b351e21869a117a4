/*
 * What the parts of an endpoint share. One owner each:
 *
 *   endpoint.c  the endpoint, its tables, ready lists and notes
 *   dial.c      struct dial with its attempts, a handshake each
 *   answer.c    the responder's answers, and the sessions that come of them
 *   link.c      struct tl_link: its making, proof, end
 *   packet.c    a link's packets, out and in
 *   steer.c     a link's timers: liveness, choice of carrier, paths, packet size
 *   rekey.c     a link's change of keys
 *   connect.c   struct connection: TCP connections, strangers, channels, and calls for new ones
 *
 * Three mechanisms bind them. A *note* is an event to be told: it is part of its object, so telling
 * never needs memory and is never lost. A *due* is an object's place in the heap of deadlines. An
 * object on a *ready* list may have something to send; whoever changes it puts it there, and only
 * polling takes it off and computes its next deadline.
 */
#ifndef TL_LINK_ENDPOINT_INTERNAL_H
#define TL_LINK_ENDPOINT_INTERNAL_H

#include "core/list.h"
#include "core/table.h"
#include "core/time.h"
#include "core/wire/packet.h"
#include "crypto/handshake.h"
#include "crypto/rekey.h"
#include "crypto/responder.h"
#include "crypto/session.h"
#include "transport/link/alive.h"
#include "transport/link/due.h"
#include "transport/link/endpoint.h"
#include "transport/link/mtu.h"
#include "transport/link/route.h"

/* ---- Notes, dues, indices ---- */

enum note_kind {
  NOTE_LINK_UP,
  NOTE_LINK_REACH, /* or not */
  NOTE_LINK_PATH,
  NOTE_LINK_LANES,
  NOTE_LINK_DOWN,
  NOTE_LINK_COUNT,
  NOTE_DIAL,
  NOTE_CALL,
  NOTE_DISCONNECT,
  NOTE_CLONED,
};

struct note {
  struct tl_list list; /* in tl_endpoint.notes; alone: nothing to tell */
  enum note_kind kind;
};

enum due_kind { DUE_LINK, DUE_DIAL, DUE_ATTEMPT, DUE_CONNECTION };

/* A receiver_index that this node has given out. */
struct local_index {
  uint32_t value; /* 0: none; the key in tl_endpoint.by_index */
  struct attempt *attempt;
  struct tl_link *link; /* either is NULL */
};

/* ---- TCP ---- */

/* A wish for a TCP connection: told by CONNECT, answered by `opened` or `closed`. */
struct call {
  struct tl_list list; /* in tl_endpoint.calls while it waits for the answer */
  struct note note;
  struct tl_address to;
  struct attempt *attempt;
  struct tl_link *link; /* either is NULL */
  uint64_t at;          /* not to be made before */
  uint64_t wait;        /* after a failure, doubling */
};

enum connection_role {
  CONNECTION_STRANGER, /* accepted: nothing valid has come yet */
  CONNECTION_GUEST,    /* accepted: a valid HELLO has come */
  CONNECTION_CALLER,   /* dialled for an attempt */
  CONNECTION_CHANNEL,  /* belongs to a link */
  CONNECTION_OVER,     /* to be disconnected */
};

struct connection {
  struct tl_list list; /* in tl_endpoint.connections, the oldest first */
  struct tl_list of_link;
  struct tl_due due;
  struct note note; /* DISCONNECT */
  struct tl_endpoint *ep;
  struct tl_path path; /* its number is the key in by_connection */
  enum connection_role role;
  bool is_accepted;
  bool is_blocked;
  struct attempt *attempt; /* CALLER */
  struct tl_link *link;    /* CHANNEL */
  unsigned slot;           /* CHANNEL: the session's name of it */
  uint32_t name;           /* CHANNEL: the flow's, the same at both ends */
  bool must_attach;        /* CHANNEL: our ATTACH has to go out */
  bool must_answer;        /* CHANNEL: our answer to the peer's ATTACH has to go out */
  bool has_attached;       /* CHANNEL: records pass in both directions */
  bool is_waiting;         /* CHANNEL: for the acknowledgement of ... */
  uint64_t oldest;         /* ... this record of ours, ... */
  uint64_t oldest_since;   /* ... for as long */
};

/* ---- Dials ---- */

enum attempt_state {
  ATTEMPT_WAITING,    /* until due */
  ATTEMPT_CONNECTING, /* for a TCP connection */
  ATTEMPT_RUNNING,    /* its handshake is under way */
  ATTEMPT_HELD,       /* answered, but the old session may still be alive: FINISH waits */
  ATTEMPT_OVER,
};

/* One handshake with one address over one carrier. */
struct attempt {
  struct tl_list list; /* in dial.attempts */
  struct tl_list ready;
  struct tl_due due;
  struct dial *dial;
  enum attempt_state state;
  unsigned address; /* index in the dial's */
  struct tl_address to;
  bool over_tcp;
  bool use_previous; /* admission epoch */
  bool has_answer;   /* a REPLY was good */
  int refusal;       /* of the last REPLY that was not */
  struct call call;
  struct connection *connection;
  struct tl_handshake *handshake;
  struct local_index index;
  struct tl_link *link; /* made by it and not yet proved */
  uint64_t sent_at;
  uint64_t finish_at; /* since when FINISH is under way */
};

struct dial {
  struct tl_list list; /* in tl_endpoint.dials */
  struct tl_due due;   /* the end of the round, or of the pause */
  struct note note;
  struct tl_endpoint *ep;
  uint64_t number; /* 0: for a link that is unreachable */
  struct tl_link *redials;
  struct tl_dial wish; /* its token points to `token` */
  struct tl_token token;
  struct tl_list attempts;
  uint32_t refused; /* bit per address */
  int refusal;
  uint64_t pause;
  bool is_pausing;
  bool is_stale; /* the addresses have changed since the round began */
  bool is_over;  /* told by its last note, then freed */
  enum tl_endpoint_event_type outcome;
  int reason;
  struct tl_link *found;
};

/* ---- Links ---- */

enum link_state {
  LINK_FRESH, /* keys are there; the peer has not proved that it has them */
  LINK_UP,
  LINK_OVER, /* lingers to repeat CLOSE, or for its owner to see what became of the lanes */
};

#define LINK_INDICES_MAX 4 /* previous, current and next epoch, and one being made */

/* REKEY1 and REKEY2 carry the epoch that they make, then crypto/rekey.h's message. */
#define REKEY_FRAME_BYTES (4 + TL_REKEY_BYTES)

struct link_rekey {
  struct tl_rekey *begun; /* initiator: waits for REKEY2 */
  struct local_index *index;
  uint32_t epoch;                     /* being made, or the last one answered */
  uint8_t message[REKEY_FRAME_BYTES]; /* what to send: REKEY1 or REKEY2 */
  bool is_due;
  uint64_t again_at; /* initiator: repetition */
  uint64_t wait;
  uint64_t answered_at;
};

struct tl_link {
  struct tl_list list; /* in tl_endpoint.links */
  struct tl_list ready;
  struct tl_due due;
  struct note notes[NOTE_LINK_COUNT];
  struct tl_endpoint *ep;
  enum link_state state;
  bool is_handle_dead; /* the owner knows that it is over */
  bool is_initiator;
  int reason; /* OVER */
  uint32_t code;
  void *owner;
  struct tl_peer_info peer;
  struct attempt *attempt; /* FRESH and initiator */
  uint64_t dial;           /* that it fulfils */
  struct tl_session *session;
  struct tl_flow *flow;
  struct local_index indices[LINK_INDICES_MAX];
  struct link_rekey rekey;
  uint64_t made_at, up_at, key_since, rekeys;
  uint64_t fresh_until; /* FRESH */

  /* Carriers (steer.c). */
  enum tl_carrier_choice choice;
  bool on_tcp;
  struct connection *main; /* on_tcp: the channel in use, or NULL while there is none */
  uint64_t main_since;
  uint64_t udp_heard_at;
  uint64_t call_from; /* 0: no channel is wanted */
  bool is_busy;       /* lanes were open at the last timeout */
  uint64_t used_at;   /* when a lane last carried something; 0: what that left is given back */
  struct tl_list channels;
  struct call call;
  struct tl_address tcp_address;
  struct tl_route route;
  struct tl_mtu mtu;
  uint32_t mtu_mark; /* the flow's name for the packet that tries a size */
  uint64_t udp_oldest,
      udp_oldest_since; /* the oldest packet in flight, and since when it is that */
  uint64_t lost_seen;   /* the flow's count of lost packets when the MTU was last doubted */
  struct tl_alive alive;
  struct dial *redial;
  uint64_t moves;

  /* Frames of our own that are due. */
  bool must_ping;
  bool must_respond;
  struct tl_address respond_to;
  uint8_t response[TL_FRAME_PATH_BYTES];

  /* The end. */
  unsigned closes_left;
  uint64_t close_at;
  uint64_t linger_until;

  uint64_t packets_in, bytes_in, packets_out, bytes_out;
};

/* ---- The endpoint ---- */

#define ANSWERS_MAX 64

/* A handshake packet on its way to somebody who has no session yet. */
struct answer {
  struct tl_path path;
  size_t size;
  uint8_t bytes[TL_HANDSHAKE_BYTES];
};

struct tl_endpoint {
  struct tl_self self;
  struct tl_endpoint_times times;
  enum tl_carrier_choice carrier;
  uint32_t sessions_max;
  uint32_t mtu_max;
  struct tl_clone_watch clones;
  struct note cloned;
  uint8_t cloned_id[16];
  struct tl_responder *responder;

  struct tl_table by_index;      /* struct local_index */
  struct tl_table by_node;       /* node id -> the link that is up */
  struct tl_table by_connection; /* number -> struct connection */
  struct tl_list links, dials, connections, calls;
  struct tl_list ready_attempts, ready_links;
  struct tl_list notes;
  uint64_t now; /* of the last call that had one */
  struct tl_due_heap due;
  size_t due_owners;
  struct tl_link *told_down; /* its handle dies with the next event */
  uint64_t last_dial;
  size_t link_count;
  bool is_udp_blocked;

  struct answer *answers; /* a ring of ANSWERS_MAX */
  size_t answer_first, answer_count;
  uint8_t *out; /* TL_BURST_BYTES_MAX: the burst that was polled last */

  struct tl_endpoint_counters counters; /* without those that crypto keeps */
  struct tl_refusals ended;             /* of handshakes and sessions that are over */
};

/* endpoint.c */
void tl_note_init(struct note *note, enum note_kind kind);
void tl_note_raise(struct tl_endpoint *ep, struct note *note);
/* Counts and reserves a place in the heap; 0 or TULLE_E_NO_MEMORY. tl_due_leave() gives it back. */
int tl_due_join(struct tl_endpoint *ep, struct tl_due *due, enum due_kind kind);
void tl_due_leave(struct tl_endpoint *ep, struct tl_due *due);
int tl_index_add(struct tl_endpoint *ep, struct local_index *index, uint32_t value);
void tl_index_remove(struct tl_endpoint *ep, struct local_index *index);
void tl_endpoint_draw(struct tl_endpoint *ep, void *out, size_t size);
void tl_refusals_add(struct tl_refusals *sum, const struct tl_refusals *more);
/* After crypto judged a handshake: raises the alarm where it found a clone, and ends its session. */
void tl_endpoint_check_clones(struct tl_endpoint *ep, uint64_t now);

/* dial.c */
void tl_dial_timeout(struct dial *d, uint64_t now);
void tl_attempt_timeout(struct attempt *a, uint64_t now);
int tl_attempt_poll(struct attempt *a, uint64_t now, struct tl_burst *out_burst);
void tl_attempt_push(struct attempt *a, uint64_t now, const struct tl_path *path,
                     const uint8_t *packet, size_t size);
void tl_attempt_connected(struct attempt *a, uint64_t now, struct connection *c);
void tl_attempt_disconnected(struct attempt *a, uint64_t now);
void tl_attempt_end(struct attempt *a);
void tl_dial_free(struct dial *d);
/* The link is up: every dial that it fulfils is over. Returns the number of the one to be named, or 0. */
uint64_t tl_dials_fulfilled(struct tl_endpoint *ep, struct tl_link *link);
/* An attempt of ours to that node that has sent FINISH already. */
bool tl_dials_have_finish(const struct tl_endpoint *ep, const uint8_t key[32]);
void tl_dial_begin_redial(struct tl_link *link, uint64_t now);
void tl_dial_end_redial(struct tl_link *link);
/* Heard again: dials for it end, unless the peer may already have taken their session for the link. */
void tl_dial_link_is_back(struct tl_link *link);

/* answer.c */
void tl_answer_push(struct tl_endpoint *ep, uint64_t now, const struct tl_path *path,
                    struct connection *c, const uint8_t *packet, size_t size);
int tl_answer_poll(struct tl_endpoint *ep, struct tl_burst *out_burst);

/* link.c */
struct link_make {
  const struct tl_secrets *secrets;
  const struct tl_peer_info *peer;
  uint32_t local_index, remote_index;
  bool is_initiator;
  struct tl_path path; /* where the peer is */
  enum tl_carrier_choice choice;
  uint64_t rtt;
};
int tl_link_new(struct tl_endpoint *ep, uint64_t now, const struct link_make *make,
                struct tl_link **out_link);
void tl_link_free(struct tl_link *link);
/* Made by an invitation: it serves admission and nothing else. */
bool tl_link_is_joining(const struct tl_link *link);
void tl_link_touch(struct tl_link *link);               /* it may have something to send */
void tl_link_prove(struct tl_link *link, uint64_t now); /* a packet of its session was opened */
void tl_link_end(struct tl_link *link, uint64_t now, int reason, uint32_t code, bool tell_peer);
void tl_link_release_handle(struct tl_link *link);
void tl_link_raise(struct tl_link *link, enum note_kind kind);
struct local_index *tl_link_index_add(struct tl_link *link, uint32_t value); /* NULL: no room */
void tl_link_index_remove(struct tl_link *link, uint32_t value);

/* packet.c */
int tl_link_poll(struct tl_link *link, uint64_t now, struct tl_burst *out_burst);
/* Asked after a burst: true if the next poll would surely give none, which most that end a turn need not be asked for. */
bool tl_link_is_drained(const struct tl_link *link, uint64_t now);
void tl_link_push_data(struct tl_link *link, uint64_t now, const struct tl_path *path,
                       uint8_t *packet, size_t size);
/* False: the channel is of no more use. */
bool tl_link_push_record(struct tl_link *link, uint64_t now, struct connection *c, uint8_t *packet,
                         size_t size);
/* The frames of an opened ATTACH: nothing but PAD may be there. */
void tl_link_take_attach(struct tl_link *link, uint64_t now, const struct tl_opened *opened);

/* steer.c */
void tl_link_steer_init(struct tl_link *link, uint64_t now, const struct tl_path *path);
void tl_link_timeout(struct tl_link *link, uint64_t now);
/* Nothing is left to send: what the session has to say, and the next deadline. */
void tl_link_settle(struct tl_link *link, uint64_t now);
struct tl_path tl_link_path(const struct tl_link *link);
void tl_link_heard(struct tl_link *link, uint64_t now);
void tl_link_heard_from(struct tl_link *link, uint64_t now, const struct tl_address *from,
                        size_t size, bool is_highest);
void tl_link_path_response(struct tl_link *link, uint64_t now, const uint8_t *response);
void tl_link_use_channel(struct tl_link *link, uint64_t now, struct connection *c);
/* More than acknowledgements came on that channel of the flow: the peer uses it. */
void tl_link_peer_sends_on(struct tl_link *link, uint64_t now, uint32_t channel);
void tl_link_channel_gone(struct tl_link *link, uint64_t now, struct connection *c);
void tl_link_mtu_mark(struct tl_link *link, uint64_t now, uint32_t mark, bool is_acked);
bool tl_link_is_silent(const struct tl_link *link, uint64_t now);

/* rekey.c */
void tl_link_rekey_event(struct tl_link *link, uint64_t now);
void tl_link_rekey_frame(struct tl_link *link, uint64_t now, const struct tl_frame *frame);
void tl_link_rekey_timeout(struct tl_link *link, uint64_t now);
void tl_link_rekey_end(struct tl_link *link);

/* connect.c */
void tl_call_init(struct call *call, struct attempt *attempt, struct tl_link *link);
void tl_call_make(struct tl_endpoint *ep, struct call *call, const struct tl_address *to);
void tl_call_end(struct call *call);
/* It, or the connection that it brought, came to nothing: the next one has to wait. */
void tl_call_failed(struct call *call, uint64_t now);
bool tl_call_is_waiting(const struct call *call);
void tl_connection_timeout(struct connection *c, uint64_t now);
/* A valid HELLO came on it. */
void tl_connection_admit(struct connection *c, uint64_t now);
void tl_connection_push(struct connection *c, uint64_t now, uint8_t *packet, size_t size);
/* Tells DISCONNECT and forgets what it was for. The link or attempt that it served is not told. */
void tl_connection_drop(struct connection *c);
/* Makes it a channel of the link: ours to open, where `attach`. */
void tl_connection_join(struct connection *c, struct tl_link *link, bool attach);
int tl_connection_poll_attach(struct connection *c, uint64_t now, struct tl_burst *out_burst);
struct connection *tl_connection_find(const struct tl_endpoint *ep, uint32_t number);
void tl_connection_free(struct connection *c);

#endif
