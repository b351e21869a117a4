/*
 * Listens through whichever engine runs: turns instance names into sights and keeps resolvers open
 * for them.
 *
 * At most 300 sights are resolved at a time, two resolvers and a watch on the TXT records each,
 * because avahi-daemon allows a client 1,024 objects. The others wait; a sight that cannot be
 * resolved gives its place to one that waits.
 */
#ifndef TL_DISCOVERY_MDNS_WATCHER_H
#define TL_DISCOVERY_MDNS_WATCHER_H

#include "discovery/mdns/engine.h"
#include "discovery/mdns/sights.h"

#define TL_WATCHER_RESOLVING_MAX 300

struct tl_watcher {
  struct tl_sights sights;
  struct tl_engine *engine; /* NULL between two */
  uint8_t own_id[TL_DISCOVERY_ID_SIZE];
  bool has_own_id;
  bool is_browsing;
  uint32_t loopback; /* interface of lo */
  size_t resolving;
  uint64_t strangers; /* instances that are no nodes' */
};

void tl_watcher_init(struct tl_watcher *w);
void tl_watcher_deinit(struct tl_watcher *w);

/* What belongs in the sink of an engine that this watcher is to hear. */
void tl_watcher_browsed(struct tl_watcher *w, bool is_there, uint32_t interface, unsigned protocol,
                        const char *name);
void tl_watcher_resolved(struct tl_watcher *w, struct tl_sight *sight, int family,
                         const struct tl_engine_answer *answer);

void tl_watcher_txt(struct tl_watcher *w, struct tl_sight *sight, bool is_there, unsigned protocol,
                    const uint8_t *data, size_t size);

/* Never report that id. */
void tl_watcher_ignore(struct tl_watcher *w, const uint8_t id[TL_DISCOVERY_ID_SIZE]);

/* From now on browse, with this engine and those that follow. */
int tl_watcher_browse(struct tl_watcher *w);

/* Takes up an engine (browsing with it at once if it should). Leaves it: all resolvers are ended,
 * what was seen is kept for a while. */
int tl_watcher_attach(struct tl_watcher *w, struct tl_engine *engine);
void tl_watcher_detach(struct tl_watcher *w);

/* Tells everything anew, and looks again for what had no room. */
void tl_watcher_repeat(struct tl_watcher *w);

#endif
