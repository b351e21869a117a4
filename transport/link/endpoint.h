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
#include "transport/carrier.h"

struct tl_endpoint;
struct tl_link;
struct tl_identity;   /* crypto/identity.h */
struct tl_trust;      /* crypto/trust.h */
struct tl_invitation; /* the contents of a token, crypto/invitation.h */

#define TL_NODE_ID_BYTES           16
#define TL_BOOT_ID_BYTES           16
#define TL_DIAL_ADDRESSES_MAX      8
#define TL_LINK_TCP_CHANNELS_MAX   8 /* of one remote node, SECURITY 4.2.8 */
#define TL_ENDPOINT_SESSIONS_MAX   1024
#define TL_ENDPOINT_STRANGERS_MAX  64 /* TCP connections without a session */
#define TL_ENDPOINT_STRANGERS_EACH 4  /* of one source */

enum tl_carrier_choice {
  TL_CARRIER_AUTO, /* UDP, TCP while UDP does not pass */
  TL_CARRIER_ONLY_UDP,
  TL_CARRIER_ONLY_TCP,
};

/* ---- Making one ---- */

/* Every limit of time, so that a test can set 50 ms where a node has 120 s. Nanoseconds. */
struct tl_endpoint_times {
  uint64_t resend;       /* 100 ms: first repetition of a handshake packet, doubling ... */
  uint64_t resend_max;   /* 250 ms: ... up to this */
  uint64_t attempt;      /* 30 s: a handshake without an answer is given up */
  uint64_t retry;        /* 1 s: wait before the next one, doubling, with jitter ... */
  uint64_t retry_max;    /* 60 s: ... up to this */
  uint64_t stagger;      /* 50 ms between the addresses of one dial */
  uint64_t tcp_after;    /* 1 s without a REPLY over UDP: TCP is tried as well */
  uint64_t half_open;    /* 10 s: a session that did not prove itself is dropped */
  uint64_t silence;      /* 500 ms without a valid packet: PING ... */
  uint64_t ping;         /* 100 ms: ... each, while a link is busy */
  uint64_t keep_alive;   /* 500 ms: and this is how often an idle link says that it lives */
  uint64_t unreachable;  /* 1.5 s without a valid packet (50 ms .. 30 s) */
  uint64_t path_retry;   /* 2 s: how often UDP is tried again while TCP carries */
  uint64_t rekey;        /* 120 s */
  uint64_t rekey_jitter; /* 10 s: at most this much earlier */
  uint64_t hard_stop;    /* 180 s: age at which keys are destroyed whatever happens */
  uint64_t old_keys;     /* 10 s: how long the last epoch's receive keys stay */
  uint64_t stranger;     /* 2 s for a TCP connection to bring a valid HELLO */
};

struct tl_endpoint_config {
  const struct tl_identity *identity; /* both are borrowed and outlive the endpoint */
  struct tl_trust *trust;
  /* Keys are made of it: the system's random source, but in a simulation. */
  void (*random)(void *context, void *out, size_t size);
  void *random_context;
  /* The same for one run of the kernel, different on any two machines. */
  uint8_t boot_id[TL_BOOT_ID_BYTES];
  uint16_t udp_port; /* where this node listens, told to peers; 0: it does not */
  uint16_t tcp_port;
  uint64_t features;
  enum tl_carrier_choice carrier; /* of links that others begin; a dial has its own */
  struct tl_endpoint_times times;
  uint64_t rekey_packets; /* 2^32 */
  uint64_t rekey_bytes;   /* 2^40 */
  uint64_t stop_packets;  /* 2^40: hard stop */
  uint64_t forgeries_max; /* 2^36 failed opens end an epoch */
  uint32_t sessions_max;
  uint32_t mtu_max; /* 8,932: the largest UDP payload to try; 1,200 turns probing off */
};

/* Fills in every default; identity, trust, random, boot_id and ports are the caller's to set. */
void tl_endpoint_config_init(struct tl_endpoint_config *config);

/* `config` is copied. 0, TULLE_E_INVALID, TULLE_E_NO_MEMORY. */
int tl_endpoint_new(const struct tl_endpoint_config *config, uint64_t now,
                    struct tl_endpoint **out_endpoint);

/* Ends everything without a word to the peers (close links and poll first, for an orderly end).
 * Returns NULL. */
struct tl_endpoint *tl_endpoint_free(struct tl_endpoint *ep);

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
  uint8_t node_id[TL_NODE_ID_BYTES];
  struct tl_address addresses[TL_DIAL_ADDRESSES_MAX]; /* UDP and TCP use the same port */
  size_t address_count;                               /* at least 1 */
  /* Copied. NULL: as a member, by the newest admission secret. */
  const struct tl_invitation *invitation;
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
  /* link, dial (0: the peer began). */
  TL_EVENT_LINK_UP,
  /* link, reason. The handle dies with the next call to tl_endpoint_event(). */
  TL_EVENT_LINK_DOWN,
  /* link: silent for times.unreachable. Its keys and lanes stay. */
  TL_EVENT_LINK_UNREACHABLE,
  /* link: heard again. */
  TL_EVENT_LINK_REACHABLE,
  /* link, path: the carrier or the peer's address has changed. */
  TL_EVENT_LINK_PATH,
  /* dial, link: a dial found a link that was up already. The dial is gone. */
  TL_EVENT_DIALLED,
  /* dial, reason: the peer or this node said no. The dial is gone. */
  TL_EVENT_REFUSED,
  /* dial: nobody answered for times.attempt. The dial goes on after a pause. */
  TL_EVENT_SILENT,
  /* path.remote: dial this by TCP and answer with `opened` or `closed`. */
  TL_EVENT_CONNECT,
  /* path: close this TCP connection after what was sent. Its number is forgotten here. */
  TL_EVENT_DISCONNECT,
  /* node_id: two boot ids take turns under one key, both are refused. An alarm for a person. */
  TL_EVENT_CLONED,
  /* link, lane, delivery: the peer opened it. */
  TL_EVENT_LANE_OPENED,
  /* link, lane: data or the end came where tl_link_receive() had said TL_EMPTY. */
  TL_EVENT_LANE_READABLE,
  /* link, lane: tl_link_send() had said TL_FULL and would now take more. */
  TL_EVENT_LANE_WRITABLE,
  /* link, lane, code: the peer gave it up. The lane is gone. */
  TL_EVENT_LANE_RESET,
};

/* Why a link ended or a dial was refused. */
enum tl_link_reason {
  TL_REASON_NONE,
  TL_REASON_CLOSED,     /* the peer closed in order */
  TL_REASON_LOST,       /* no word until the keys' hard stop */
  TL_REASON_RESTARTED,  /* the peer is back with another boot id or without this session */
  TL_REASON_PROTOCOL,   /* the peer broke the protocol */
  TL_REASON_UNTRUSTED,  /* not a member: bad or foreign certificate */
  TL_REASON_REVOKED,    /* on the revocation list, or of an old authority epoch */
  TL_REASON_CLONED,     /* two boot ids under one key */
  TL_REASON_SELF,       /* that is this node itself */
  TL_REASON_WRONG_NODE, /* an honest member, but not the one dialled, or not the inviter */
  TL_REASON_VERSION,    /* no common version */
  TL_REASON_FORGERIES,  /* the forgery limit of a key was reached */
  TL_REASON_LIMIT,      /* sessions_max or memory */
  TL_REASON_REPLACED,   /* the peer began a new session in the same boot */
};

/* A short English text, static, never NULL. */
const char *tl_link_reason_text(enum tl_link_reason reason);

/* How a lane delivers. */
enum tl_delivery {
  TL_DELIVERY_BEST_EFFORT,
  TL_DELIVERY_UNORDERED, /* reliable, in any order */
  TL_DELIVERY_ORDERED,   /* reliable, in order */
};

struct tl_endpoint_event {
  enum tl_endpoint_event_type type;
  struct tl_link *link;
  uint64_t dial;
  enum tl_link_reason reason;
  struct tl_path path;
  uint8_t node_id[TL_NODE_ID_BYTES];
  uint64_t lane;
  enum tl_delivery delivery;
  uint64_t code;
};

/* The next event, or TL_EMPTY. None is ever lost. */
int tl_endpoint_event(struct tl_endpoint *ep, struct tl_endpoint_event *out_event);

/* ---- Links ---- */

/* Who is at the other end. Fixed for a link's life, but for its certificate's contents after a
 * renewal. */
struct tl_peer {
  uint8_t node_id[TL_NODE_ID_BYTES];
  uint8_t key[32]; /* what every decision is made on */
  uint8_t boot_id[TL_BOOT_ID_BYTES];
  char name[64]; /* empty while joining */
  uint64_t serial;
  uint32_t roles;
  bool is_joining;   /* made by an invitation: one end is no member yet and may only join */
  bool is_initiator; /* this node began the handshake */
  uint8_t invitation_id[8];
  uint64_t features;
  uint32_t revocations_version; /* of the peer's list, when the handshake was made */
  uint16_t udp_port;
  uint16_t tcp_port;
};

/* Borrowed until LINK_DOWN. */
const struct tl_peer *tl_link_peer(const struct tl_link *link);

/* A word of the owner's, NULL at first. */
void tl_link_set_owner(struct tl_link *link, void *owner);
void *tl_link_owner(const struct tl_link *link);

/* The link to that node, or NULL. */
struct tl_link *tl_endpoint_find(const struct tl_endpoint *ep,
                                 const uint8_t node_id[TL_NODE_ID_BYTES]);

/* Every link that is up: start with *cursor = 0; NULL at the end. */
struct tl_link *tl_endpoint_next_link(const struct tl_endpoint *ep, size_t *cursor);

/* Forces a carrier, or gives the choice back. */
void tl_link_set_carrier(struct tl_link *link, uint64_t now, enum tl_carrier_choice choice);

/* Ends the link in order: tells the peer, gives up the lanes. The handle dies here; no LINK_DOWN
 * follows. */
void tl_link_close(struct tl_link *link, uint64_t now);

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
  uint64_t packets_lost, packets_resent;
  uint64_t replays, forgeries; /* dropped */
  uint32_t mtu;                /* bytes of a packet on the present path */
  uint32_t lanes;
  uint32_t tcp_channels;
};

void tl_link_info(const struct tl_link *link, uint64_t now, struct tl_link_info *out_info);

/* ---- Lanes: handed through to transport/link/flow.h, whose contract they have ---- */

/* Opens a lane; its number is unique in this link. TL_FULL (the peer allows no more now),
 * TULLE_E_CLOSED, TULLE_E_NO_MEMORY. */
int tl_link_open_lane(struct tl_link *link, uint64_t now, enum tl_delivery delivery,
                      uint64_t *out_lane);

/* One message, copied; taken whole or not at all. TL_FULL: no credit or no room, LANE_WRITABLE
 * follows. TULLE_E_TOO_BIG, TULLE_E_CLOSED, TULLE_E_NOT_FOUND. */
int tl_link_send(struct tl_link *link, uint64_t now, uint64_t lane, const void *message,
                 size_t size);

/* The next message in place, until tl_link_release(); TL_EMPTY, or TL_END after the peer's finish.
 */
int tl_link_receive(struct tl_link *link, uint64_t lane, const uint8_t **out_message,
                    size_t *out_size);

/* The message taken last has been dealt with: its memory and its credit go back. */
void tl_link_release(struct tl_link *link, uint64_t now, uint64_t lane);

/* No more will be sent; what was sent is still delivered. The lane goes when both sides have
 * finished and all was read. */
int tl_link_finish(struct tl_link *link, uint64_t now, uint64_t lane);

/* Gives the lane up in both directions at once; the peer gets LANE_RESET with `code`. */
void tl_link_reset(struct tl_link *link, uint64_t now, uint64_t lane, uint64_t code);

/* ---- Trust and counters ---- */

/* The trust store has changed: checks every live session, pending handshake and dial against it,
 * and ends those that no longer hold (LINK_DOWN or REFUSED with TL_REASON_REVOKED or
 * TL_REASON_UNTRUSTED). */
void tl_endpoint_refresh_trust(struct tl_endpoint *ep, uint64_t now);

/* Each packet that came in is counted in `packets_received` and, where it was dropped, in exactly
 * one of the others. */
struct tl_endpoint_counters {
  uint64_t packets_received, bytes_received;
  uint64_t packets_sent, bytes_sent;
  uint64_t drop_size;     /* no packet has this size */
  uint64_t drop_type;     /* unknown type or version, flags or padding not zero */
  uint64_t drop_stranger; /* unknown psk_id, or a wrong mac1 */
  uint64_t drop_cookie;   /* a HELLO without a valid mac2 (answered by a COOKIE) */
  uint64_t drop_rate;     /* beyond the rate of its source or of the node */
  uint64_t drop_full;     /* no room for another half-open handshake or session */
  uint64_t drop_noise;    /* a handshake message that does not open */
  uint64_t drop_refused;  /* a handshake that opened and was refused */
  uint64_t drop_index;    /* receiver_index of nobody */
  uint64_t drop_replay;   /* counter seen before or too old */
  uint64_t drop_forged;   /* did not open */
  uint64_t drop_frames;   /* opened, and held what no peer may send: the link ended */
  uint64_t drop_attach;   /* ATTACH with an old number or over the limit */
  uint64_t drop_late;     /* for a handshake, session or connection that is over */
  uint64_t hellos, cookies, replies, finishes; /* received and good */
  uint64_t dh_operations;                      /* what strangers must never cause */
  uint64_t handshakes_begun, handshakes_done;  /* as initiator; in both roles */
  uint64_t handshakes_resent;                  /* stored bytes sent again for a repeated packet */
  uint64_t rekeys;
  uint64_t path_challenges, path_moves;
  uint64_t strangers_closed; /* TCP connections that brought no valid HELLO */
  uint64_t truncations;      /* a FIN without CLOSE */
  uint64_t clone_alarms;
};

void tl_endpoint_counters(const struct tl_endpoint *ep, struct tl_endpoint_counters *out_counters);

#endif
