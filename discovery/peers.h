/*
 * The table of peers: who is known from where, which addresses they have, and whom to dial next.
 *
 * A peer is an id. What one source says about it (mDNS, the configuration, another peer, a link
 * that stood) ends by itself after a while, and a peer of which no source speaks any more is
 * forgotten. A static peer whose id is not known yet is only an address; when somebody answers
 * there, the address goes over to that id for good.
 *
 * Who may dial first: peers that are static or were connected, then strangers, each by how long
 * they have been due. Adverts of another fabric are kept for listings and never dialled.
 *
 *   timers: what mDNS and peers say holds 15 min (the child says it again every 5), after a restart
 *           of the child 60 s; a peer is remembered 15 min after its link ended; a dial has 4 s for
 *           a stranger, 30 s for a known peer; a link counts as a success after 10 s
 */
#ifndef TL_DISCOVERY_PEERS_H
#define TL_DISCOVERY_PEERS_H

#include "core/list.h"
#include "core/table.h"
#include "core/time.h"
#include "discovery/advert.h"
#include "discovery/dials.h"
#include "discovery/discovery.h"
#include "discovery/round.h"

#define TL_PEERS_HOLD_NS          (900 * TL_S)
#define TL_PEERS_CONFIRM_NS       (60 * TL_S)
#define TL_PEERS_LINK_MIN_NS      (10 * TL_S)
#define TL_PEERS_DIAL_STRANGER_NS (4 * TL_S)    /* enough for a handshake at 30 % loss */
#define TL_PEERS_DIAL_KNOWN_NS    (30 * TL_S)   /* as long as a handshake repeats its messages */
#define TL_PEERS_YIELD_NS         (150 * TL_MS) /* how long the larger id waits for the smaller */

struct tl_static {
  struct tl_address address;
  bool has_id;
  bool is_self; /* we are what answers there */
  uint8_t id[TL_DISCOVERY_ID_SIZE];
  struct tl_round round; /* unused while has_id: the peer's own is used */
  uint64_t added_at;
};

struct tl_peers {
  uint8_t own_id[TL_DISCOVERY_ID_SIZE];
  uint8_t own_tag[TL_DISCOVERY_TAG_SIZE];
  bool has_tag;
  uint64_t (*random)(void *context);
  void *random_context;
  struct tl_table by_id;
  struct tl_list all; /* in the order of their first mention */
  size_t with_static;
  struct tl_static statics[TL_DISCOVERY_STATIC_MAX];
  size_t static_count;
  struct tl_dials dials;
  uint64_t deadline; /* valid while !is_stale */
  bool is_stale;
  uint64_t dropped_full;
  uint64_t evicted;
  uint64_t clone_alarms;
};

void tl_peers_init(struct tl_peers *ps, const struct tl_discovery_config *config);
void tl_peers_deinit(struct tl_peers *ps);

/* From then on adverts with another tag are foreign. */
void tl_peers_set_tag(struct tl_peers *ps, const uint8_t tag[TL_DISCOVERY_TAG_SIZE]);

/* From the child. Facts about ourselves, and addresses that nobody has, are ignored. */
void tl_peers_found(struct tl_peers *ps, uint64_t now, const struct tl_advert *advert,
                    const struct tl_address *address);
void tl_peers_lost(struct tl_peers *ps, uint64_t now, const uint8_t *id,
                   const struct tl_address *address);
void tl_peers_gone(struct tl_peers *ps, uint64_t now, const uint8_t *id);
void tl_peers_cloned(struct tl_peers *ps, uint64_t now, const uint8_t *id);

/* A new child knows nothing yet: what the last one said must be said again within a minute. */
void tl_peers_confirm_mdns(struct tl_peers *ps, uint64_t now);

/* The rest is as discovery.h says. */
int tl_peers_add_static(struct tl_peers *ps, uint64_t now, const uint8_t *id,
                        const struct tl_address *address);
int tl_peers_heard(struct tl_peers *ps, uint64_t now, const uint8_t *id,
                   const struct tl_address *address);
int tl_peers_poll_dial(struct tl_peers *ps, uint64_t now, struct tl_discovery_dial *out_dial);
void tl_peers_dialled(struct tl_peers *ps, uint64_t now, const struct tl_discovery_dial *dial,
                      int result, const uint8_t *id);
void tl_peers_connected(struct tl_peers *ps, uint64_t now, const uint8_t *id,
                        const struct tl_address *address);
void tl_peers_disconnected(struct tl_peers *ps, uint64_t now, const uint8_t *id);
uint64_t tl_peers_deadline(struct tl_peers *ps);
int tl_peers_next(const struct tl_peers *ps, size_t *cursor, struct tl_discovery_entry *out_entry);

#endif
