/*
 * Who is out there, and whom to dial next.
 *
 * One sans-IO object knows peers from four sources: mDNS (told by the child program tulle-mdns in
 * lines over a socket), static configuration, other peers, and links that stand. It has no socket,
 * clock or random source. Everything that it knows is a hint: an entry makes a node worth dialling,
 * keys decide who it is, and the catalogue exchanged over the link decides what it can do.
 *
 * Bounds, whatever is heard (SECURITY.md 2.9): 1,024 entries, 8 addresses each, 10 dials in any
 * second, 16 dials at once, backoff per peer from 1 s to 60 s with jitter. When entries run out,
 * one that was never connected and did not answer makes room, else the newcomer is dropped and
 * counted. Static peers have room of their own and, with peers that were connected before, go
 * first, so a flood of invented names delays nobody who is known.
 *
 * How the node drives it.
 *
 * Start: tl_discovery_new(), tl_discovery_add_static() for each --peer, tl_discovery_publish().
 *
 * Child: when tl_discovery_wants_child(), start the program (discovery/child.h says how) with one
 * end of a stream socketpair, then tl_discovery_child_started(). What is read from the socket goes
 * to tl_discovery_push_bytes(); after each turn of the loop tl_discovery_poll_bytes() gives what to
 * write. When the socket closes or the child dies: tl_discovery_child_stopped(); wants_child() says
 * yes again after a backoff.
 *
 * Dials: while tl_discovery_poll_dial() returns 0, begin a handshake to dial.address. Each dial is
 * answered once by tl_discovery_dialled(), except that tl_discovery_connected() settles all dials
 * of that id. A dial that is not answered by its give_up_at counts as failed.
 *
 * Links: tl_discovery_connected() when a link to a peer stands (dialled or accepted), and
 * tl_discovery_disconnected() when it ends. Connected peers are not dialled.
 *
 * Timers: call poll_dial() and wants_child() again when tl_discovery_deadline() is reached; after
 * any other call ask for the deadline anew.
 *
 * Not thread safe. Pointers are borrowed for the call unless a function says otherwise. `now` is
 * nanoseconds of a clock that never goes back.
 */
#ifndef TL_DISCOVERY_DISCOVERY_H
#define TL_DISCOVERY_DISCOVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/address.h"
#include "discovery/label.h"

#define TL_DISCOVERY_ID_SIZE  16 /* node id: the first 16 bytes of a hash of its key */
#define TL_DISCOVERY_TAG_SIZE 8  /* the first 8 bytes of the fabric id */

#define TL_DISCOVERY_ENTRIES_MAX       1024
#define TL_DISCOVERY_STATIC_MAX        256
#define TL_DISCOVERY_ADDRESSES_MAX     8
#define TL_DISCOVERY_DIALS_PER_S_MAX   10
#define TL_DISCOVERY_DIALS_AT_ONCE_MAX 16
#define TL_DISCOVERY_REASON_SIZE       200

struct tl_discovery;

struct tl_discovery_config {
  uint8_t id[TL_DISCOVERY_ID_SIZE];
  uint64_t boot; /* random, new at each start; two of them under one id mean a cloned key */
  bool mdns;     /* false: the child is never wanted */
  uint64_t (*random)(void *context); /* uniform 64 bits; jitter and the table's hash key */
  void *random_context;
};

/* One dial to make. Copy it: it names the dial in tl_discovery_dialled(). */
struct tl_discovery_dial {
  struct tl_address address;
  uint8_t id[TL_DISCOVERY_ID_SIZE]; /* who is expected there; all zero with !has_id */
  bool has_id;                      /* false: a static peer of which only the address is known */
  uint64_t give_up_at; /* by then the table gives the place to another dial: end the handshake */
};

/* What this node says of itself. */
struct tl_discovery_advert {
  uint8_t fabric_tag[TL_DISCOVERY_TAG_SIZE];
  uint16_t port;
  uint64_t generation; /* of the catalogue */
  size_t label_count;  /* more than TL_CAPABILITIES_MAX: the rest is not announced */
  const char (*labels)[TL_LABEL_SIZE];
};

enum tl_discovery_source {
  TL_DISCOVERY_BY_MDNS = 1,
  TL_DISCOVERY_BY_STATIC = 2,
  TL_DISCOVERY_BY_PEER = 4, /* another peer spoke of it */
  TL_DISCOVERY_BY_LINK = 8, /* a link stands, or stood within the last 15 minutes */
};

/* One row of a listing. */
struct tl_discovery_entry {
  uint8_t id[TL_DISCOVERY_ID_SIZE];
  bool has_id;
  bool is_connected;
  bool is_cloned;                            /* two boot numbers alternate under this id */
  bool is_foreign;                           /* advertises another fabric: listed, never dialled */
  unsigned sources;                          /* enum tl_discovery_source, or-ed */
  uint8_t fabric_tag[TL_DISCOVERY_TAG_SIZE]; /* the next four are from mDNS only, else 0 */
  unsigned version;
  uint64_t generation;
  uint64_t boot;
  uint64_t first_heard_at; /* ns on the caller's clock */
  uint64_t last_heard_at;
  uint64_t next_dial_at; /* TL_NEVER: not to be dialled, or being dialled */
  unsigned failures;     /* dials since the last success */
  size_t address_count;
  struct tl_address addresses[TL_DISCOVERY_ADDRESSES_MAX]; /* first the one that worked last */
};

enum tl_discovery_engine {
  TL_DISCOVERY_ENGINE_NONE,     /* no child, or it can use neither */
  TL_DISCOVERY_ENGINE_DAEMON,   /* avahi-daemon */
  TL_DISCOVERY_ENGINE_EMBEDDED, /* avahi-core inside the child */
};

/* For `doctor` and listings. Counters only grow. */
struct tl_discovery_status {
  enum tl_discovery_engine engine;
  char reason[TL_DISCOVERY_REASON_SIZE]; /* a sentence for people */
  bool child_runs;
  size_t entries; /* without static peers */
  size_t dials_under_way;
  uint64_t status_changes;
  uint64_t lines;         /* understood */
  uint64_t lines_garbled; /* dropped whole */
  uint64_t dropped_full;  /* facts about new peers without room */
  uint64_t evicted;
  uint64_t dials;
  uint64_t clone_alarms;
  uint64_t child_starts;
};

/* TULLE_E_NO_MEMORY. The config is copied. */
int tl_discovery_new(const struct tl_discovery_config *config, struct tl_discovery **out_discovery);
struct tl_discovery *tl_discovery_free(struct tl_discovery *d);

/* What to announce; replaces what was announced before and costs little when nothing changed. The
 * fabric tag also decides which adverts are foreign. Until the first call nothing is announced and
 * every fabric is dialled. */
void tl_discovery_publish(struct tl_discovery *d, const struct tl_discovery_advert *advert);

/* A peer from the configuration, dialled for ever. `id` may be NULL. TULLE_E_LIMIT,
 * TULLE_E_NO_MEMORY, TULLE_E_EXISTS (that address is there already), TULLE_E_INVALID (no port, or
 * no address to dial). */
int tl_discovery_add_static(struct tl_discovery *d, uint64_t now, const uint8_t *id,
                            const struct tl_address *address);

/* Another peer (or the trust store) says that `id` is to be found at `address`. Forgotten after 15
 * minutes unless said again. Bounds apply silently: 0, or TL_FULL when it was dropped. */
int tl_discovery_heard(struct tl_discovery *d, uint64_t now, const uint8_t id[TL_DISCOVERY_ID_SIZE],
                       const struct tl_address *address);

/* 0 and the next dial to make now, or TL_EMPTY. */
int tl_discovery_poll_dial(struct tl_discovery *d, uint64_t now,
                           struct tl_discovery_dial *out_dial);

/* The end of a dial: `result` 0 (a link stands to `id`, which then is not NULL and may differ from
 * the one expected) or the error. TULLE_E_EXISTS means "it is ourselves who answer there": that
 * address is not dialled again until it is heard anew; a static peer is then left alone for good.
 * TULLE_E_CANCELLED frees the place without a backoff. A dial that is not under way (any more) is
 * ignored. */
void tl_discovery_dialled(struct tl_discovery *d, uint64_t now,
                          const struct tl_discovery_dial *dial, int result, const uint8_t *id);

/* A link to `id` stands, over `address` (NULL: not one to dial again, such as a TCP peer's own
 * port). Its dials under way are settled. A link that lasts less than 10 s counts as a failed dial,
 * so a peer that accepts and hangs up is not dialled in a tight circle. Ids that are not in the
 * table are added; without room nothing is lost but a reminder to dial it again. */
void tl_discovery_connected(struct tl_discovery *d, uint64_t now,
                            const uint8_t id[TL_DISCOVERY_ID_SIZE],
                            const struct tl_address *address);
void tl_discovery_disconnected(struct tl_discovery *d, uint64_t now,
                               const uint8_t id[TL_DISCOVERY_ID_SIZE]);

/* The child. wants_child: true when none runs and the backoff (1 s to 60 s, none at first) has
 * passed. */
bool tl_discovery_wants_child(const struct tl_discovery *d, uint64_t now);
void tl_discovery_child_started(struct tl_discovery *d, uint64_t now);
void tl_discovery_child_stopped(struct tl_discovery *d, uint64_t now, const char *reason);

/* Bytes read from the child, cut anywhere. Garbage is counted and skipped up to the next end of
 * line. */
void tl_discovery_push_bytes(struct tl_discovery *d, uint64_t now, const void *bytes, size_t size);

/* True when tl_discovery_poll_bytes() would give some: asked each turn. */
bool tl_discovery_has_bytes(const struct tl_discovery *d);

/* Fills `buffer` with whole lines for the child and returns how many bytes there are; 0: nothing
 * to say. `size` is at least 512. What was returned counts as said: keep it until the socket took
 * it. */
size_t tl_discovery_poll_bytes(struct tl_discovery *d, void *buffer, size_t size);

/* When to call poll_dial() and wants_child() again, or TL_NEVER. A time in the past means now. */
uint64_t tl_discovery_deadline(struct tl_discovery *d);

/* Listing: start with *cursor = 0; returns 0 and a row, or TL_END. No other call meanwhile. */
int tl_discovery_next(const struct tl_discovery *d, size_t *cursor,
                      struct tl_discovery_entry *out_entry);

void tl_discovery_status(const struct tl_discovery *d, struct tl_discovery_status *out_status);

#endif
