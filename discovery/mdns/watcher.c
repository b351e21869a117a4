#include "discovery/mdns/watcher.h"

#include <net/if.h>
#include <string.h>

#include "core/error.h"
#include "core/time.h"

void tl_watcher_init(struct tl_watcher *w) {
  *w = (struct tl_watcher){.loopback = if_nametoindex("lo")};
  tl_sights_init(&w->sights);
}

void tl_watcher_deinit(struct tl_watcher *w) {
  TL_ASSERT(!w->engine);
  tl_sights_deinit(&w->sights);
}

static struct tl_sight *sight_of(struct tl_list *l) {
  return tl_container_of(l, struct tl_sight, link);
}

/* Resolvers */

static void resolve_begin(struct tl_watcher *w, struct tl_sight *sight) {
  char name[TL_ADVERT_NAME_SIZE];
  tl_advert_name(sight->key.id, name);
  sight->is_resolving = true;
  w->resolving++;
  for (int f = 0; f < TL_SIGHT_FAMILIES; f++) {
    sight->slots[f].has_failed = false;
    sight->resolvers[f] = w->engine->ops->resolve(w->engine, sight->key.interface, name, f, sight);
    if (!sight->resolvers[f]) tl_sights_failed(&w->sights, sight, f);
  }
  sight->watch = w->engine->ops->watch(w->engine, sight->key.interface, name, sight);
}

static void resolve_end(struct tl_watcher *w, struct tl_sight *sight) {
  if (!sight->is_resolving) return;
  for (int f = 0; f < TL_SIGHT_FAMILIES; f++) {
    if (sight->resolvers[f]) w->engine->ops->resolve_end(w->engine, sight->resolvers[f]);
    sight->resolvers[f] = NULL;
  }
  if (sight->watch) w->engine->ops->watch_end(w->engine, sight->watch);
  sight->watch = NULL;
  sight->is_resolving = false;
  w->resolving--;
}

/* The sight that has waited longest, or NULL. The list is in the order of waiting. */
static struct tl_sight *waiting(struct tl_watcher *w) {
  TL_LIST_FOR_EACH(l, &w->sights.all) {
    if (sight_of(l)->protocols && !sight_of(l)->is_resolving) return sight_of(l);
  }
  return NULL;
}

static void resolve_more(struct tl_watcher *w) {
  struct tl_sight *sight;
  while (w->resolving < TL_WATCHER_RESOLVING_MAX && (sight = waiting(w))) resolve_begin(w, sight);
}

static bool has_failed(const struct tl_sight *sight) {
  for (int f = 0; f < TL_SIGHT_FAMILIES; f++)
    if (!sight->slots[f].has_failed) return false;
  return true;
}

/* A sight without an answer goes to the end of the line, if there is a line. */
static void make_way(struct tl_watcher *w, struct tl_sight *sight) {
  if (w->resolving < TL_WATCHER_RESOLVING_MAX || !has_failed(sight) || !waiting(w)) return;
  resolve_end(w, sight);
  tl_list_remove(&sight->link);
  tl_list_push_back(&w->sights.all, &sight->link);
  resolve_more(w);
}

/* What the engine says */

void tl_watcher_browsed(struct tl_watcher *w, bool is_there, uint32_t interface, unsigned protocol,
                        const char *name) {
  uint8_t id[TL_DISCOVERY_ID_SIZE];
  struct tl_sight *sight;
  if (tl_advert_name_decode(name, id) < 0) {
    w->strangers += is_there;
    return;
  }
  if (w->has_own_id && !memcmp(id, w->own_id, sizeof id)) return;
  if (is_there) {
    sight = tl_sights_seen(&w->sights, id, interface, protocol);
    if (sight && !sight->is_resolving && w->resolving < TL_WATCHER_RESOLVING_MAX)
      resolve_begin(w, sight);
  } else if ((sight = tl_sights_unseen(&w->sights, id, interface, protocol))) {
    resolve_end(w, sight);
    tl_sights_clear(&w->sights, sight);
    resolve_more(w);
  }
}

static bool is_loopback(const struct tl_address *a) {
  static const uint8_t v6[16] = {[15] = 1};
  return tl_address_is_v4(a) ? a->ip[12] == 127 : !memcmp(a->ip, v6, sizeof v6);
}

/* The address of somebody on another machine is no loopback address, whatever he says. */
static bool is_believable(const struct tl_watcher *w, const struct tl_engine_answer *answer) {
  return answer->address.port &&
         (!is_loopback(&answer->address) || answer->interface == w->loopback);
}

void tl_watcher_resolved(struct tl_watcher *w, struct tl_sight *sight, int family,
                         const struct tl_engine_answer *answer) {
  struct tl_advert advert;
  if (answer && is_believable(w, answer) &&
      tl_advert_decode(answer->txt, answer->txt_size, &advert) == 0)
    tl_sights_resolved(&w->sights, sight, family, &advert, &answer->address);
  else
    tl_sights_failed(&w->sights, sight, family);
  make_way(w, sight);
}

void tl_watcher_txt(struct tl_watcher *w, struct tl_sight *sight, bool is_there, unsigned protocol,
                    const uint8_t *data, size_t size) {
  struct tl_advert advert;
  if (tl_advert_decode(data, size, &advert) == 0)
    tl_sights_boot(&w->sights, sight, tl_time_now(), is_there, protocol, advert.boot);
}

/* Life */

void tl_watcher_ignore(struct tl_watcher *w, const uint8_t id[TL_DISCOVERY_ID_SIZE]) {
  memcpy(w->own_id, id, sizeof w->own_id);
  w->has_own_id = true;
  TL_LIST_FOR_EACH(l, &w->sights.all) {
    struct tl_sight *sight = sight_of(l);
    if (memcmp(sight->key.id, id, sizeof sight->key.id) != 0) continue;
    resolve_end(w, sight);
    tl_sights_clear(&w->sights, sight);
  }
}

int tl_watcher_browse(struct tl_watcher *w) {
  if (w->is_browsing) return 0;
  w->is_browsing = true;
  return w->engine ? w->engine->ops->browse(w->engine) : 0;
}

int tl_watcher_attach(struct tl_watcher *w, struct tl_engine *engine) {
  w->engine = engine;
  return w->is_browsing ? engine->ops->browse(engine) : 0;
}

void tl_watcher_detach(struct tl_watcher *w) {
  TL_LIST_FOR_EACH(l, &w->sights.all) resolve_end(w, sight_of(l));
  tl_sights_orphan(&w->sights, tl_time_now());
  w->engine = NULL;
}

void tl_watcher_repeat(struct tl_watcher *w) {
  tl_sights_repeat(&w->sights);
  if (!w->engine || !w->is_browsing || !w->sights.has_dropped) return;
  w->sights.has_dropped = false;
  (void)w->engine->ops->browse(w->engine); /* a failure comes to the sink, too */
}
