/*
 * One peer: which sources speak of it until when, and the addresses that they gave, each with the
 * sources that gave it. An address is there as long as one of its sources is; the peer likewise.
 */
#ifndef TL_DISCOVERY_PEER_H
#define TL_DISCOVERY_PEER_H

#include "core/list.h"
#include "discovery/advert.h"
#include "discovery/discovery.h"
#include "discovery/round.h"

/* Places of `until`; bit 1 << place is the source's bit in enum tl_discovery_source. */
enum tl_peer_source { TL_PEER_MDNS, TL_PEER_STATIC, TL_PEER_PEER, TL_PEER_LINK, TL_PEER_SOURCES };

struct tl_peer_address {
  struct tl_address address;
  unsigned sources; /* enum tl_discovery_source, or-ed; never 0 */
  uint64_t heard_at;
};

struct tl_peer {
  struct tl_list link;
  struct tl_advert advert; /* of mDNS; only its id counts for the others */
  struct tl_peer_address addresses[TL_DISCOVERY_ADDRESSES_MAX];
  size_t address_count;
  uint64_t
      until[TL_PEER_SOURCES]; /* 0: the source says nothing; TL_NEVER: until it says otherwise */
  struct tl_round round;
  bool is_connected;
  uint64_t connected_at;
  uint64_t cloned_until;
  uint64_t first_heard_at;
  uint64_t last_heard_at;
};

/* enum tl_discovery_source, or-ed; 0: nobody speaks of it. */
unsigned tl_peer_sources(const struct tl_peer *p);

/* Static or lately connected: not a stranger's word. */
bool tl_peer_is_known(const struct tl_peer *p);

/* `source` speaks of the peer until `until`, at `address` unless NULL. True when the address is
 * new. Without room the address that was heard longest ago from mDNS or a peer only makes room,
 * else the new one is dropped. */
bool tl_peer_learn(struct tl_peer *p, uint64_t now, enum tl_peer_source source, uint64_t until,
                   const struct tl_address *address);

/* `source` takes back one address, or everything. `random` as in round.h. */
void tl_peer_unlearn_address(struct tl_peer *p, uint64_t now, enum tl_peer_source source,
                             const struct tl_address *address, uint64_t random);
void tl_peer_unlearn(struct tl_peer *p, uint64_t now, enum tl_peer_source source, uint64_t random);

/* Drops an address whoever spoke of it, except the configuration. */
void tl_peer_drop_address(struct tl_peer *p, uint64_t now, const struct tl_address *address,
                          uint64_t random);

/* Puts the address that worked first. */
void tl_peer_prefer(struct tl_peer *p, const struct tl_address *address);

/* Forgets sources whose time has passed; the time when the next one passes. */
void tl_peer_expire(struct tl_peer *p, uint64_t now, uint64_t random);
uint64_t tl_peer_expires_at(const struct tl_peer *p);

#endif
