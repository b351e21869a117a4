#include "node/state/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"

#define SIMILAR_NAMES_MAX 2048 /* looked at for one error text: well below a millisecond */
#define SIMILAR_EDITS_MAX 2

void tl_registry_init(struct tl_registry *r, const uint8_t secret[16]) {
  *r = (struct tl_registry){0};
  tl_table_init(&r->names, secret);
  tl_list_init(&r->places);
  tl_list_init(&r->here.offers);
  tl_list_push_back(&r->places, &r->here.link);
  r->here.is_here = r->here.is_reachable = true;
  snprintf(r->here.path, sizeof r->here.path, "ring");
}

void tl_registry_deinit(struct tl_registry *r) {
  TL_ASSERT(r->offer_count == 0 && r->names.used == 0);
  tl_table_deinit(&r->names);
}

void tl_registry_sort_place(struct tl_registry *r, struct tl_place *place) {
  if (place->is_here) return;
  if (place->link.next) tl_list_remove(&place->link);
  TL_LIST_FOR_EACH(l, &r->places) {
    const struct tl_place *other = tl_container_of(l, struct tl_place, link);
    if (other->is_here || other->rtt_ns <= place->rtt_ns) continue;
    tl_list_insert_before(l, &place->link);
    return;
  }
  tl_list_push_back(&r->places, &place->link);
}

void tl_registry_add_place(struct tl_registry *r, struct tl_place *place) {
  tl_list_init(&place->link);
  tl_list_init(&place->offers);
  tl_registry_sort_place(r, place);
}

void tl_registry_remove_place(struct tl_registry *r, struct tl_place *place) {
  (void)r;
  TL_ASSERT(tl_list_is_empty(&place->offers));
  tl_list_remove(&place->link);
}

/* ---- names ---- */

struct tl_name *tl_registry_name(struct tl_registry *r, const char *name) {
  struct tl_name *n = tl_table_find(&r->names, name, strlen(name));
  if (n) return n;
  n = calloc(1, sizeof *n);
  if (!n) return NULL;
  snprintf(n->text, sizeof n->text, "%s", name);
  tl_list_init(&n->offers);
  tl_list_init(&n->waiting);
  if (tl_table_insert(&r->names, n->text, strlen(n->text), n) == 0) return n;
  free(n);
  return NULL;
}

void tl_registry_drop_name(struct tl_registry *r, struct tl_name *name) {
  if (!tl_list_is_empty(&name->offers) || !tl_list_is_empty(&name->waiting)) return;
  tl_table_remove(&r->names, name->text, strlen(name->text));
  free(name);
}

/* ---- capabilities ---- */

static int capabilities_copy(const struct tl_service_info *info, struct tl_capability_info **out) {
  *out = NULL;
  if (info->capability_count == 0) return 0;
  *out = calloc(info->capability_count, sizeof **out);
  if (!*out) return TULLE_E_NO_MEMORY;
  memcpy(*out, info->capabilities, info->capability_count * sizeof **out);
  return 0;
}

/* ---- interfaces ---- */

static int interface_copy(const struct tl_service_info *info, char **out) {
  *out = NULL;
  if (!info->interface) return 0;
  *out = malloc(info->interface_size);
  if (!*out) return TULLE_E_NO_MEMORY;
  memcpy(*out, info->interface, info->interface_size);
  return 0;
}

static void offer_set_interface(struct tl_offer *o, const struct tl_service_info *info,
                                char *text) {
  free(o->interface);
  o->interface = text;
  o->interface_size = text ? info->interface_size : 0;
  o->has_interface = info->has_interface;
  memcpy(o->fingerprint, info->fingerprint, sizeof o->fingerprint);
}

bool tl_offer_has_capability(const struct tl_offer *offer, const char *capability) {
  for (size_t i = 0; i < offer->capability_count; i++)
    if (strcmp(offer->capabilities[i].name, capability) == 0) return true;
  return false;
}

/* ---- offers ---- */

/* The number of the change that this is: 0 where it is not this node's own. */
static uint64_t registry_changed(struct tl_registry *r, const struct tl_place *place) {
  return place->is_here ? ++r->generation : 0;
}

int tl_registry_add(struct tl_registry *r, struct tl_place *place, struct tl_program *program,
                    const struct tl_service_info *info, uint64_t now, struct tl_offer **out_offer) {
  struct tl_offer *o = calloc(1, sizeof *o);
  char *interface;
  if (!o) return TULLE_E_NO_MEMORY;
  if (interface_copy(info, &interface) < 0) goto no_interface;
  if (capabilities_copy(info, &o->capabilities) < 0) goto no_capabilities;
  o->name = tl_registry_name(r, info->name);
  if (!o->name) goto no_name;
  o->place = place;
  o->program = program;
  o->capability_count = info->capability_count;
  o->is_hidden = info->is_hidden;
  offer_set_interface(o, info, interface);
  o->since = now;
  tl_list_push_back(&o->name->offers, &o->in_name);
  tl_list_push_back(&place->offers, &o->in_place);
  tl_list_init(&o->in_program);
  tl_list_init(&o->ends);
  r->offer_count++;
  o->generation = registry_changed(r, place);
  *out_offer = o;
  return 0;

no_name:
  free(o->capabilities);
no_capabilities:
  free(interface);
no_interface:
  free(o);
  return TULLE_E_NO_MEMORY;
}

int tl_registry_update(struct tl_registry *r, struct tl_offer *offer,
                       const struct tl_service_info *info) {
  struct tl_capability_info *copy;
  char *interface;
  int e = capabilities_copy(info, &copy);
  if (e < 0) return e;
  e = interface_copy(info, &interface);
  if (e < 0) {
    free(copy);
    return e;
  }
  offer_set_interface(offer, info, interface);
  free(offer->capabilities);
  offer->capabilities = copy;
  offer->capability_count = info->capability_count;
  offer->is_hidden = info->is_hidden;
  offer->generation = registry_changed(r, offer->place);
  return 0;
}

static void registry_remember(struct tl_registry *r, const struct tl_offer *offer,
                              const char *reason, uint64_t now) {
  struct tl_ended *e = &r->recent[r->recent_count++ % TL_REGISTRY_RECENT_MAX];
  if (e->generation) r->forgotten = e->generation;
  e->generation = registry_changed(r, offer->place);
  snprintf(e->name, sizeof e->name, "%s", offer->name->text);
  snprintf(e->node_name, sizeof e->node_name, "%s", offer->place->node_name);
  snprintf(e->reason, sizeof e->reason, "%s", reason);
  e->at = now;
}

struct tl_offer *tl_registry_remove(struct tl_registry *r, struct tl_offer *offer,
                                    const char *reason, uint64_t now) {
  TL_ASSERT(tl_list_is_empty(&offer->ends));
  registry_remember(r, offer, reason, now);
  tl_list_remove(&offer->in_name);
  tl_list_remove(&offer->in_place);
  tl_list_remove(&offer->in_program);
  r->offer_count--;
  tl_registry_drop_name(r, offer->name);
  free(offer->interface);
  free(offer->capabilities);
  free(offer);
  return NULL;
}

/* ---- changes ---- */

static void change_of_ended(const struct tl_registry *r, uint64_t told, struct tl_change *out) {
  size_t count =
      r->recent_count < TL_REGISTRY_RECENT_MAX ? r->recent_count : TL_REGISTRY_RECENT_MAX;
  for (size_t i = 0; i < count; i++) {
    const struct tl_ended *e = &r->recent[i];
    if (e->generation <= told || e->generation >= out->generation) continue;
    out->generation = e->generation;
    memcpy(out->name, e->name, sizeof out->name);
  }
}

static void change_of_offer(const struct tl_registry *r, uint64_t told, struct tl_change *out) {
  TL_LIST_FOR_EACH(l, &r->here.offers) {
    const struct tl_offer *o = tl_container_of(l, struct tl_offer, in_place);
    if (o->generation <= told || o->generation >= out->generation) continue;
    out->generation = o->generation;
    out->offer = o;
  }
}

int tl_registry_next_change(const struct tl_registry *r, uint64_t told, uint64_t told_from,
                            struct tl_change *out) {
  uint64_t ends_told = told > told_from ? told : told_from;
  *out = (struct tl_change){.generation = UINT64_MAX, .is_forgotten = r->forgotten > ends_told};
  if (out->is_forgotten) return 0;
  change_of_ended(r, ends_told, out);
  change_of_offer(r, told, out);
  return out->generation == UINT64_MAX ? TL_EMPTY : 0;
}

void tl_offer_describe(const struct tl_offer *offer, struct tl_service_info *out) {
  memset(out, 0, sizeof *out);
  memcpy(out->name, offer->name->text, sizeof out->name);
  out->is_hidden = offer->is_hidden;
  out->capability_count = offer->capability_count;
  if (offer->capability_count)
    memcpy(out->capabilities, offer->capabilities,
           offer->capability_count * sizeof *offer->capabilities);
  out->has_interface = offer->has_interface;
  memcpy(out->fingerprint, offer->fingerprint, sizeof out->fingerprint);
  out->interface = offer->interface;
  out->interface_size = offer->interface_size;
}

/* ---- asking ---- */

struct tl_offer *tl_registry_find_at(const struct tl_registry *r, const char *name,
                                     const struct tl_place *place) {
  struct tl_name *n = tl_table_find(&r->names, name, strlen(name));
  if (!n) return NULL;
  TL_LIST_FOR_EACH(l, &n->offers) {
    struct tl_offer *o = tl_container_of(l, struct tl_offer, in_name);
    if (o->place == place) return o;
  }
  return NULL;
}

static bool place_is_called(const struct tl_place *place, const char *node) {
  return strcmp(place->node_name, node) == 0 || strcmp(place->node_id_text, node) == 0;
}

struct tl_place *tl_registry_place(const struct tl_registry *r, const char *node) {
  struct tl_place *found = NULL;
  TL_LIST_FOR_EACH(l, &r->places) {
    struct tl_place *p = tl_container_of(l, struct tl_place, link);
    if (!place_is_called(p, node)) continue;
    if (found) return NULL;
    found = p;
  }
  return found;
}

struct tl_offer *tl_registry_find(const struct tl_registry *r, const char *name, const char *node,
                                  const char *capability) {
  struct tl_name *n = tl_table_find(&r->names, name, strlen(name));
  struct tl_offer *nearest = NULL;
  if (!n) return NULL;
  TL_LIST_FOR_EACH(l, &n->offers) {
    struct tl_offer *o = tl_container_of(l, struct tl_offer, in_name);
    if (!o->place->is_reachable || (node && !place_is_called(o->place, node)) ||
        (capability && !tl_offer_has_capability(o, capability)))
      continue;
    if (!nearest || o->place->is_here || o->place->rtt_ns < nearest->place->rtt_ns) nearest = o;
    if (o->place->is_here) break;
  }
  return nearest;
}

static struct tl_offer *first_offer_from(const struct tl_registry *r, const struct tl_list *place) {
  for (; place != &r->places; place = place->next) {
    const struct tl_place *p = tl_container_of(place, const struct tl_place, link);
    if (!tl_list_is_empty(&p->offers))
      return tl_container_of(p->offers.next, struct tl_offer, in_place);
  }
  return NULL;
}

struct tl_offer *tl_registry_next(const struct tl_registry *r, const struct tl_offer *offer) {
  if (!offer) return first_offer_from(r, r->places.next);
  if (offer->in_place.next != &offer->place->offers)
    return tl_container_of(offer->in_place.next, struct tl_offer, in_place);
  return first_offer_from(r, offer->place->link.next);
}

const struct tl_ended *tl_registry_last(const struct tl_registry *r, const char *name) {
  size_t kept = r->recent_count < TL_REGISTRY_RECENT_MAX ? r->recent_count : TL_REGISTRY_RECENT_MAX;
  for (size_t i = 1; i <= kept; i++) {
    const struct tl_ended *e = &r->recent[(r->recent_count - i) % TL_REGISTRY_RECENT_MAX];
    if (strcmp(e->name, name) == 0) return e;
  }
  return NULL;
}

const char *tl_registry_similar(const struct tl_registry *r, const char *name) {
  size_t length = strlen(name), cursor = 0;
  unsigned best = SIMILAR_EDITS_MAX + 1;
  const char *similar = NULL;
  const struct tl_name *n;
  for (size_t i = 0; i < SIMILAR_NAMES_MAX && (n = tl_table_next(&r->names, &cursor)); i++) {
    size_t other = strlen(n->text);
    if (tl_list_is_empty(&n->offers) || other > length + SIMILAR_EDITS_MAX ||
        length > other + SIMILAR_EDITS_MAX)
      continue;
    unsigned edits = tl_text_distance(name, n->text);
    if (edits >= best || edits >= length) continue;
    best = edits;
    similar = n->text;
  }
  return similar;
}
