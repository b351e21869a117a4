/*
 * What was seen on the network, and what the node has been told of it.
 *
 * A sight is one node as one interface sees it: the same node may be seen over several. It has a
 * slot for each address family, because a resolver of avahi gives one address of one family. A
 * slot holds what is true now and what the node was told last; tl_sights_poll() walks the
 * differences and turns them into lines. So nothing is queued, nothing can overflow, and a slow
 * node is told the newest state only.
 *
 * When one engine follows another, all sights are orphaned: they stay as they are for ten seconds,
 * in which the new engine will see again what is still there, and the node notices nothing.
 *
 * Two machines with one key show as two boot numbers under one id: both there at once for longer
 * than the second for which an old record outlives its successor, or one that comes back after
 * another had followed it. A restart changes the number once and never goes back.
 *
 *   timers: TL_SIGHTS_ORPHAN_NS, TL_SIGHTS_OVERLAP_NS, TL_SIGHTS_ALARM_NS; repeating everything is
 *           the caller's timer
 */
#ifndef TL_DISCOVERY_MDNS_SIGHTS_H
#define TL_DISCOVERY_MDNS_SIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/list.h"
#include "core/table.h"
#include "core/time.h"
#include "discovery/advert.h"
#include "discovery/line.h"

#define TL_SIGHTS_MAX        1024 /* as many as the node keeps */
#define TL_SIGHTS_ORPHAN_NS  (10 * TL_S)
#define TL_SIGHTS_OVERLAP_NS (3 * TL_S)
#define TL_SIGHTS_ALARM_NS   (60 * TL_S) /* between two alarms about one node */
#define TL_SIGHTS_BOOTS      4           /* remembered of one node */

enum { TL_SIGHT_V4, TL_SIGHT_V6, TL_SIGHT_FAMILIES };

struct tl_sight_fact {
  bool is_there;
  struct tl_advert advert;
  struct tl_address address;
};

struct tl_sight_slot {
  struct tl_sight_fact now;
  struct tl_sight_fact told;
  bool must_tell;  /* even if nothing changed */
  bool has_old;    /* `old` was told and is to be taken back */
  bool has_failed; /* its resolver has given up for now */
  struct tl_address old;
};

struct tl_sight {
  struct tl_list link;
  struct tl_sight_key {
    uint8_t id[TL_DISCOVERY_ID_SIZE];
    uint32_t interface;
  } key;
  unsigned protocols;    /* a bit for each protocol that reports it now */
  uint64_t orphan_until; /* 0: it has an engine */
  struct tl_sight_boot {
    uint64_t number;
    unsigned protocols;     /* a bit for each that reports it now */
  } boots[TL_SIGHTS_BOOTS]; /* in the order of their first appearance */
  size_t boot_count;
  uint64_t overlap_since; /* 0: at most one boot is there */
  bool is_cloned;         /* to be told */
  uint64_t cloned_boots[2];
  uint64_t clone_told_at;
  struct tl_sight_slot slots[TL_SIGHT_FAMILIES];
  bool is_resolving; /* the watcher's */
  void *resolvers[TL_SIGHT_FAMILIES];
  void *watch;
};

struct tl_sights {
  struct tl_table by_key;
  struct tl_list all;
  bool is_dirty;
  bool has_dropped; /* there was more to see than fits */
};

void tl_sights_init(struct tl_sights *s);
void tl_sights_deinit(struct tl_sights *s);

/* The node `id` is there, says `protocol` (0 or 1) on `interface`. NULL: no room, which is
 * remembered. */
struct tl_sight *tl_sights_seen(struct tl_sights *s, const uint8_t id[TL_DISCOVERY_ID_SIZE],
                                uint32_t interface, unsigned protocol);

/* It says so no more. The sight, if that was the last one to say so: its resolvers are to be
 * closed, then tl_sights_clear() is to be called. NULL otherwise. */
struct tl_sight *tl_sights_unseen(struct tl_sights *s, const uint8_t id[TL_DISCOVERY_ID_SIZE],
                                  uint32_t interface, unsigned protocol);
void tl_sights_clear(struct tl_sights *s, struct tl_sight *sight);

/* A resolver's word. An advert of another id than the sight's is taken as a failure. */
void tl_sights_resolved(struct tl_sights *s, struct tl_sight *sight, int family,
                        const struct tl_advert *advert, const struct tl_address *address);
void tl_sights_failed(struct tl_sights *s, struct tl_sight *sight, int family);

/* A record with that boot number appeared or vanished. */
void tl_sights_boot(struct tl_sights *s, struct tl_sight *sight, uint64_t now, bool is_there,
                    unsigned protocol, uint64_t number);

/* The engine is gone; its resolvers must be closed already. */
void tl_sights_orphan(struct tl_sights *s, uint64_t now);

/* Clears orphans and raises alarms whose time has come. The time of the next one, or TL_NEVER. */
uint64_t tl_sights_expire(struct tl_sights *s, uint64_t now);

/* Everything is to be told once more. */
void tl_sights_repeat(struct tl_sights *s);

/* 0 and the next line, or TL_EMPTY. */
int tl_sights_poll(struct tl_sights *s, uint64_t now, struct tl_line *out_line);

#endif
