/*
 * Sources are kept twice on purpose: for the peer as a time until which the source vouches for it,
 * for each address as a bit. Taking a source away clears its bits, and an address without bits is
 * gone.
 */
#include "discovery/peer.h"

#include <string.h>

#include "core/time.h"

#define SOURCE_BIT(source) (1u << (source))

/* What a stranger can make a peer have: such addresses give way to others. */
#define SOURCES_HINT (TL_DISCOVERY_BY_MDNS | TL_DISCOVERY_BY_PEER)

_Static_assert(SOURCE_BIT(TL_PEER_MDNS) == TL_DISCOVERY_BY_MDNS, "places and bits agree");
_Static_assert(SOURCE_BIT(TL_PEER_STATIC) == TL_DISCOVERY_BY_STATIC, "places and bits agree");
_Static_assert(SOURCE_BIT(TL_PEER_PEER) == TL_DISCOVERY_BY_PEER, "places and bits agree");
_Static_assert(SOURCE_BIT(TL_PEER_LINK) == TL_DISCOVERY_BY_LINK, "places and bits agree");

unsigned tl_peer_sources(const struct tl_peer *p) {
  unsigned sources = 0;
  for (unsigned s = 0; s < TL_PEER_SOURCES; s++)
    if (p->until[s]) sources |= SOURCE_BIT(s);
  return sources;
}

bool tl_peer_is_known(const struct tl_peer *p) {
  return p->until[TL_PEER_STATIC] || p->until[TL_PEER_LINK];
}

static size_t address_index(const struct tl_peer *p, const struct tl_address *address) {
  size_t i = 0;
  while (i < p->address_count && !tl_address_is_equal(&p->addresses[i].address, address)) i++;
  return i;
}

static void address_remove(struct tl_peer *p, size_t index, uint64_t now, uint64_t random) {
  p->address_count--;
  memmove(&p->addresses[index], &p->addresses[index + 1],
          (p->address_count - index) * sizeof *p->addresses);
  tl_round_drop(&p->round, index, p->address_count, now, random);
}

/* The address that may be overwritten by a new one, or the count. */
static size_t address_oldest_hint(const struct tl_peer *p) {
  size_t oldest = p->address_count;
  for (size_t i = 0; i < p->address_count; i++) {
    if (p->addresses[i].sources & ~(unsigned)SOURCES_HINT) continue;
    if (oldest == p->address_count || p->addresses[i].heard_at < p->addresses[oldest].heard_at)
      oldest = i;
  }
  return oldest;
}

static bool address_add(struct tl_peer *p, uint64_t now, unsigned bit,
                        const struct tl_address *address) {
  size_t i = address_index(p, address);
  bool is_new = i == p->address_count;
  if (is_new && i == TL_DISCOVERY_ADDRESSES_MAX) {
    i = address_oldest_hint(p);
    if (i == p->address_count) return false;
    p->addresses[i].sources = 0;
  }
  if (i == p->address_count) p->addresses[p->address_count++].sources = 0;
  p->addresses[i].address = *address;
  p->addresses[i].sources |= bit;
  p->addresses[i].heard_at = now;
  return is_new;
}

/* Somebody whom we know and who is heard of at a new address has probably moved there: of the addresses that this round has
 * not tried yet it is the next, after the one that worked last. */
static void address_hurry(struct tl_peer *p, const struct tl_address *address) {
  size_t to = p->round.next ? p->round.next : 1, from = address_index(p, address);
  if (from <= to) return;
  struct tl_peer_address moved = p->addresses[from];
  memmove(&p->addresses[to + 1], &p->addresses[to], (from - to) * sizeof moved);
  p->addresses[to] = moved;
}

bool tl_peer_learn(struct tl_peer *p, uint64_t now, enum tl_peer_source source, uint64_t until,
                   const struct tl_address *address) {
  p->until[source] = until;
  p->last_heard_at = now;
  if (!address || !address_add(p, now, SOURCE_BIT(source), address)) return false;
  if (tl_peer_is_known(p)) address_hurry(p, address);
  return true;
}

static void address_unlearn(struct tl_peer *p, size_t index, uint64_t now, unsigned bits,
                            uint64_t random) {
  p->addresses[index].sources &= ~bits;
  if (!p->addresses[index].sources) address_remove(p, index, now, random);
}

static bool has_address_of(const struct tl_peer *p, enum tl_peer_source source) {
  for (size_t i = 0; i < p->address_count; i++)
    if (p->addresses[i].sources & SOURCE_BIT(source)) return true;
  return false;
}

void tl_peer_unlearn_address(struct tl_peer *p, uint64_t now, enum tl_peer_source source,
                             const struct tl_address *address, uint64_t random) {
  size_t i = address_index(p, address);
  if (i == p->address_count || !(p->addresses[i].sources & SOURCE_BIT(source))) return;
  address_unlearn(p, i, now, SOURCE_BIT(source), random);
  if (!has_address_of(p, source)) p->until[source] = 0;
}

void tl_peer_unlearn(struct tl_peer *p, uint64_t now, enum tl_peer_source source, uint64_t random) {
  p->until[source] = 0;
  for (size_t i = p->address_count; i-- > 0;)
    address_unlearn(p, i, now, SOURCE_BIT(source), random);
}

void tl_peer_drop_address(struct tl_peer *p, uint64_t now, const struct tl_address *address,
                          uint64_t random) {
  size_t i = address_index(p, address);
  if (i < p->address_count) address_unlearn(p, i, now, ~(unsigned)TL_DISCOVERY_BY_STATIC, random);
}

void tl_peer_prefer(struct tl_peer *p, const struct tl_address *address) {
  size_t i = address_index(p, address);
  if (i == p->address_count) return;
  struct tl_peer_address first = p->addresses[i];
  memmove(&p->addresses[1], &p->addresses[0], i * sizeof *p->addresses);
  p->addresses[0] = first;
}

void tl_peer_expire(struct tl_peer *p, uint64_t now, uint64_t random) {
  for (unsigned s = 0; s < TL_PEER_SOURCES; s++)
    if (p->until[s] && p->until[s] <= now) tl_peer_unlearn(p, now, (enum tl_peer_source)s, random);
  if (p->cloned_until <= now) p->cloned_until = 0;
}

uint64_t tl_peer_expires_at(const struct tl_peer *p) {
  uint64_t at = p->cloned_until ? p->cloned_until : TL_NEVER;
  for (unsigned s = 0; s < TL_PEER_SOURCES; s++)
    if (p->until[s]) at = tl_time_min(at, p->until[s]);
  return at;
}
