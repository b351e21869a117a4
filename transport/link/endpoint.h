/*
 * All links of one node: who is dialled, who may come in, which carrier a link uses, and when its
 * keys change.
 *
 * An endpoint is a state machine without sockets, clock, threads or callbacks. Time (`now`, ns of
 * CLOCK_BOOTTIME: keys age while a machine sleeps) and packets go in; bursts of sealed packets, a
 * deadline and events come out. Its owner turns the crank until nothing moves any more:
 *
 *     for each packet:  tl_endpoint_push()     what arrived
 *     until TL_EMPTY:   tl_endpoint_event()    what it meant; dials, sends and closes happen here
 *     until TL_EMPTY:   tl_endpoint_poll()     what shall leave
 *     wait for input, or tl_endpoint_timeout() at tl_endpoint_deadline()
 *
 * Rules that an owner can rely on:
 *
 * 1. One node pair has one link. A link has LINK_UP once, before anything else of it, and
 *    LINK_DOWN once, after which nothing of it comes. It is up when both sides have proved that
 *    they hold the new keys.
 * 2. A link outlives changes of its keys, of its peer's address and of its carrier: lanes notice
 *    nothing.
 * 3. It does not outlive its peer's loss of the session (crash, restart, hard stop of the keys):
 *    then LINK_DOWN comes, and LINK_UP of another link when the peer is back. Nothing of a lane is
 *    carried over from one link to the next.
 * 4. A stranger's packet costs a counter and no answer. The word of a peer is believed within its
 *    own link only.
 *
 * docs/protocol-link.md has the rules of sessions, paths, rekey, liveness and carriers by number.
 */
#ifndef TL_LINK_ENDPOINT_H
#define TL_LINK_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/address.h"
#include "core/error.h"
#include "core/wire/token.h"
#include "crypto/peer.h"
#include "crypto/refusal.h"
#include "crypto/self.h"
#include "transport/carrier.h"
#include "transport/link/flow.h"

struct tl_endpoint;
struct tl_link;

#define TL_DIAL_ADDRESSES_MAX      8
#define TL_ENDPOINT_SESSIONS_MAX   1024
#define TL_ENDPOINT_STRANGERS_MAX  60 /* TCP connections without a valid HELLO: 64 with a turn's */
#define TL_ENDPOINT_STRANGERS_EACH 4  /* of one source */

enum tl_carrier_choice {
  TL_CARRIER_AUTO, /* UDP, TCP while UDP does not pass */
  TL_CARRIER_ONLY_UDP,
  TL_CARRIER_ONLY_TCP,
};

/* ---- Making one ---- */

/* The timers of links, in nanoseconds; those of keys and handshakes stand in
 * crypto/parameters.h. */
struct tl_endpoint_times {
  uint64_t retry;      /* 1 s: pause after a dial that nobody answered, doubling, with jitter ... */
  uint64_t retry_max;  /* 60 s: ... up to this */
  uint64_t stagger;    /* 50 ms between the addresses of one dial */
  uint64_t tcp_after;  /* 1 s without an answer over UDP: TCP is tried as well */
  uint64_t silence;    /* 500 ms without a valid packet: PING, when lanes are open ... */
  uint64_t keep_alive; /* 750 ms: ... and when none is */
  uint64_t ping;       /* 100 ms between PINGs until something is heard */
  uint64_t unreachable; /* 1.5 s without a valid packet (50 ms .. 30 s) */
  uint64_t hold;        /* 1 s that a new handshake with the same boot waits for the old session */
  uint64_t path_retry;  /* 2 s: how often UDP is tried while TCP carries */
  uint64_t path_life;   /* 3 s: a challenged path that does not answer is forgotten */
  uint64_t path_moves;  /* 1 s: at most one change of address in this time */
  uint64_t mtu_retry;   /* 60 s until a failed packet size is tried again */
  uint64_t stranger;    /* 2 s for a TCP connection to bring a valid HELLO or ATTACH */
};

struct tl_endpoint_config {
  /* Copied; what it points to is borrowed. index_is_taken and clones are the endpoint's to set.
   * The keys of a simulation are made by self.random. */
  struct tl_self self;
  struct tl_endpoint_times times;
  enum tl_carrier_choice carrier; /* of links that others begin; a dial has its own */
  uint32_t sessions_max;          /* 1,024 */
  uint32_t mtu_max; /* 8,932: the largest UDP payload to try; 1,200 turns probing off */
};

/* Fills in every default; `self` is the caller's to set. */
void tl_endpoint_config_init(struct tl_endpoint_config *config);

/* 0, TULLE_E_INVALID (no identity, trust, random source or parameters), TULLE_E_NO_MEMORY. */
int tl_endpoint_new(const struct tl_endpoint_config *config, uint64_t now,
                    struct tl_endpoint **out_endpoint);

/* Ends everything without a word to the peers (close links and poll first, for an orderly end).
 * Returns NULL. */
struct tl_endpoint *tl_endpoint_free(struct tl_endpoint *ep);

/* Its copy: ports, features and the wall clock may be changed between calls. */
struct tl_self *tl_endpoint_self(struct tl_endpoint *ep);

/* ---- Dialling ---- */

/*
 * A wish for a link. It stands, trying again and again with growing pauses, until a link is up
 * (LINK_UP or DIALLED), the peer is refused (REFUSED) or it is cancelled.
 *
 * `node_id` all zero dials whoever answers at the addresses (`tulle node --peer`, `tulle join
 * --at`). What that means: with an id, nobody but that node can even begin to answer, since the id
 * is under the HELLO's mac and in the handshake's transcript. Without one, somebody on the path can
 * lead the HELLO to any other member of the fabric, or to the same member at another address; the
 * caller then gets an honest link to that member, shown with its true id and name, and has to judge
 * by those. Strangers gain nothing: they hold no admission secret. An invitation names the
 * inviter's key, so a join reaches the inviter or nobody.
 */
struct tl_dial {
  uint8_t node_id[16];
  struct tl_address addresses[TL_DIAL_ADDRESSES_MAX]; /* the same port for UDP and TCP */
  size_t address_count;                               /* at least 1 */
  /* Copied. NULL: as a member. Else as the newcomer whom the token invites; node_id is the
   * token's. */
  const struct tl_token *token;
  enum tl_carrier_choice carrier;
};

/* 0 and the dial's number (from 1, never reused); TULLE_E_INVALID; TULLE_E_EXISTS: a link to
 * `node_id` is up and reachable, or a dial to it stands already; TULLE_E_REFUSED: it is the own id;
 * TULLE_E_LIMIT; TULLE_E_NO_MEMORY. */
int tl_endpoint_dial(struct tl_endpoint *ep, uint64_t now, const struct tl_dial *dial,
                     uint64_t *out_dial);

/* Replaces the addresses of a standing dial and tries them at once (an advert came in).
 * TULLE_E_NOT_FOUND, TULLE_E_INVALID. */
int tl_endpoint_dial_update(struct tl_endpoint *ep, uint64_t now, uint64_t dial,
                            const struct tl_address *addresses, size_t address_count);

/* Forgets a dial; an unknown number is nothing. No event follows. */
void tl_endpoint_dial_cancel(struct tl_endpoint *ep, uint64_t now, uint64_t dial);

/* What the dial has met so far in its present round: TL_REASON_SILENT, TL_REASON_IGNORED or what was wrong with an
 * answer; TL_REASON_NONE for an unknown number. For an owner who gives up before the round does. */
int tl_endpoint_dial_reason(const struct tl_endpoint *ep, uint64_t dial);

/* ---- What comes in ---- */

/* One whole packet, decrypted in place; borrowed for the call. Any bytes are allowed: what is wrong
 * is counted. */
void tl_endpoint_push(struct tl_endpoint *ep, uint64_t now, const struct tl_path *path,
                      uint8_t *packet, size_t size);

/* A TCP connection stands, accepted or dialled after CONNECT; `path` has its number. */
void tl_endpoint_opened(struct tl_endpoint *ep, uint64_t now, const struct tl_path *path,
                        bool accepted);

/* A TCP connection ended from outside, or CONNECT failed (then path->connection may be 0). `error`
 * 0: a FIN. */
void tl_endpoint_closed(struct tl_endpoint *ep, uint64_t now, const struct tl_path *path,
                        int error);

/* The carrier has taken the last burst and takes no other for this path (UDP: for any) until
 * `writable`. */
void tl_endpoint_blocked(struct tl_endpoint *ep, const struct tl_path *path);
void tl_endpoint_writable(struct tl_endpoint *ep, const struct tl_path *path);

/* ---- What goes out ---- */

/* The next burst of sealed packets for one path, valid until the next call with this endpoint; or
 * TL_EMPTY. */
int tl_endpoint_poll(struct tl_endpoint *ep, uint64_t now, struct tl_burst *out_burst);

/* When tl_endpoint_timeout() is due next, or TL_NEVER. Calling it too early or too often does no
 * harm. */
uint64_t tl_endpoint_deadline(const struct tl_endpoint *ep);
void tl_endpoint_timeout(struct tl_endpoint *ep, uint64_t now);

enum tl_endpoint_event_type {
  /* link, dial: the dial that this fulfils, or 0. */
  TL_EVENT_LINK_UP,
  /* link, reason, code: what a peer that closed has to say. The handle dies with the next call to
   * tl_endpoint_event(); until then its lanes can be asked for their progress. */
  TL_EVENT_LINK_DOWN,
  /* link: silent for times.unreachable. Its keys and lanes stay. */
  TL_EVENT_LINK_UNREACHABLE,
  /* link: heard again. */
  TL_EVENT_LINK_REACHABLE,
  /* link, path: the carrier or the peer's address has changed. */
  TL_EVENT_LINK_PATH,
  /* dial, link: the dial found a link that was up already. The dial is gone. */
  TL_EVENT_DIALLED,
  /* dial, reason: every address answered, and none was acceptable. The dial is gone. */
  TL_EVENT_REFUSED,
  /* dial, reason: given up for now, another try follows after a pause. The reason is
   * TL_REASON_SILENT, or TL_REASON_IGNORED where the peer answered but never let us in, or what
   * was wrong with its answer. */
  TL_EVENT_SILENT,
  /* path.remote: dial this by TCP and answer with `opened` or `closed`. */
  TL_EVENT_CONNECT,
  /* path: close this TCP connection after what was sent. Its number is forgotten here. */
  TL_EVENT_DISCONNECT,
  /* node_id: two boot ids take turns under one key, both are refused. An alarm for a person. */
  TL_EVENT_CLONED,
  /* link, lane: as the events of transport/link/flow.h. RESET has `code`, the peer's reason. */
  TL_EVENT_LANE_OPENED,
  TL_EVENT_LANE_READABLE,
  TL_EVENT_LANE_WRITABLE,
  TL_EVENT_LANE_FINISHED,
  TL_EVENT_LANE_RESET,
};

/* Why a link ended or a dial failed: one of these, or what crypto/refusal.h has (16 and above). */
enum tl_link_reason {
  TL_REASON_NONE,
  TL_REASON_CLOSED,    /* the peer closed in order */
  TL_REASON_LOST,      /* no word until the keys' hard stop */
  TL_REASON_EXPIRED,   /* a hard limit of the keys, though the peer was heard */
  TL_REASON_RESTARTED, /* the peer is back with another boot id */
  TL_REASON_REPLACED,  /* the peer, in the same boot, has begun a new session */
  TL_REASON_PROTOCOL,  /* the peer broke the protocol */
  TL_REASON_SILENT,    /* nobody answered */
  TL_REASON_IGNORED,   /* somebody answered, but never completed the handshake: it refuses us */
  TL_REASON_LIMIT,     /* too many sessions, or no memory */
};

/* A short English text, static, never NULL. */
const char *tl_link_reason_text(int reason);

struct tl_endpoint_event {
  enum tl_endpoint_event_type type;
  int reason;
  uint32_t code;
  struct tl_link *link;
  struct tl_lane *lane;
  uint64_t dial;
  struct tl_path path;
  uint8_t node_id[16];
};

/* The next event, or TL_EMPTY. None is ever lost. */
int tl_endpoint_event(struct tl_endpoint *ep, struct tl_endpoint_event *out_event);

/* ---- Links ---- */

/* Who is at the other end; borrowed until LINK_DOWN. Fixed for a link's life. */
const struct tl_peer_info *tl_link_peer(const struct tl_link *link);

/* True when this node began the handshake: then its lanes are the even ones. */
bool tl_link_is_initiator(const struct tl_link *link);

/* A word of the owner's, NULL at first. */
void tl_link_set_owner(struct tl_link *link, void *owner);
void *tl_link_owner(const struct tl_link *link);

/* The link to that node, or NULL. */
struct tl_link *tl_endpoint_find(const struct tl_endpoint *ep, const uint8_t node_id[16]);

/* Every link that is up: start with *cursor = 0; NULL at the end. */
struct tl_link *tl_endpoint_next_link(const struct tl_endpoint *ep, size_t *cursor);

/* Forces a carrier, or gives the choice back. */
void tl_link_set_carrier(struct tl_link *link, uint64_t now, enum tl_carrier_choice choice);

/* Ends the link in order: tells the peer, with a code of the caller's (at most 65,535), and
 * gives up the lanes. The handle dies here; no LINK_DOWN follows. What was sent and has not left
 * yet is lost: finish lanes first. */
void tl_link_close(struct tl_link *link, uint64_t now, uint32_t code);

/* For `tulle links`. */
struct tl_link_info {
  struct tl_path path;
  bool is_reachable;
  uint64_t rtt; /* smoothed, ns */
  uint64_t rtt_min;
  uint64_t up_since;
  uint64_t heard_at;
  uint64_t key_age; /* ns */
  uint64_t rekeys;
  uint64_t moves; /* changes of address or carrier */
  uint64_t packets_sent, packets_received;
  uint64_t bytes_sent, bytes_received; /* sealed bytes */
  uint64_t packets_lost, bytes_resent;
  uint64_t replays, forgeries; /* dropped */
  uint64_t flight_bytes, window_bytes;
  uint64_t memory_bytes; /* held for the peer: session, lanes, buffers */
  uint32_t mtu;          /* bytes of a packet on the present path */
  uint32_t lanes;
  uint32_t tcp_channels;
};

void tl_link_info(const struct tl_link *link, uint64_t now, struct tl_link_info *out_info);

/* ---- Lanes ---- */

/*
 * Lanes are transport/link/flow.h's, with its contract. Everything that gives a flow something to
 * send goes through these, so that the endpoint knows which links to poll; what only asks
 * (tl_lane_number, tl_lane_receive, tl_lane_room, tl_lane_progress, owners) is called directly.
 */
struct tl_flow *tl_link_flow(struct tl_link *link);

int tl_link_open_lane(struct tl_link *link, struct tl_lane **out_lane);
int tl_link_send(struct tl_link *link, struct tl_lane *lane, enum tl_class class, uint8_t kind,
                 uint8_t flags, const struct iovec *pieces, size_t count);
void tl_link_release(struct tl_link *link, struct tl_lane *lane);
int tl_link_finish(struct tl_link *link, struct tl_lane *lane);
void tl_link_close_lane(struct tl_link *link, struct tl_lane *lane, uint32_t reason);

/* ---- Trust and counters ---- */

/* The trust store has changed: checks the certificate of every live session again and drops
 * those that no longer hold at once (LINK_DOWN with the refusal as reason). */
void tl_endpoint_refresh_trust(struct tl_endpoint *ep, uint64_t now);

/* Each packet that came in is counted in `packets_received` and, where it was dropped, once in
 * `dropped` (by its refusal) or in one of the drop_ fields. */
struct tl_endpoint_counters {
  uint64_t packets_received, bytes_received;
  uint64_t packets_sent, bytes_sent;
  struct tl_refusals dropped;
  uint64_t drop_carrier; /* a packet type that does not travel over this carrier */
  uint64_t drop_late;    /* for a handshake, session or connection that is over */
  uint64_t drop_room;    /* a flow had no memory for its frames; the peer sends them again */
  uint64_t drop_frames;  /* held what no peer may send: the link ended */
  uint64_t drop_queue;   /* an answer to a handshake for which there was no room */
  uint64_t cookies_sent, replies_sent, replies_resent;
  uint64_t dh_operations; /* of this node as responder: what strangers must never cause */
  uint64_t dials, handshakes_done, handshakes_repeated;
  uint64_t links; /* that came up */
  uint64_t rekeys;
  uint64_t path_challenges, path_moves, carrier_moves;
  uint64_t mtu_probes, mtu_raised, mtu_fallbacks;
  uint64_t strangers, strangers_closed; /* TCP connections accepted; closed without a valid HELLO */
  uint64_t truncations;                 /* a FIN on a channel without an authentic CLOSE */
  uint64_t clone_alarms;
};

void tl_endpoint_counters(const struct tl_endpoint *ep, struct tl_endpoint_counters *out_counters);

#endif
