#include "client/service.h"

#include <stdlib.h>
#include <string.h>

#include "core/text.h"

/* Up to so many procedures are found by comparing. */
#define FEW_PROCEDURES 8

/* No more edits than these make a name near. */
#define NEAR_EDITS 2

#define RETRY_NS (100 * TL_MS)

/* ---- procedures ---- */

const struct tl_procedure *tl_service_find(const struct tulle_service *s, const char *name,
                                           size_t name_size) {
  if (s->procedure_count > FEW_PROCEDURES) return tl_table_find(&s->by_name, name, name_size);
  for (size_t i = 0; i < s->procedure_count; i++) {
    const struct tl_procedure *p = &s->procedures[i];
    if (p->name_size == name_size && memcmp(p->name, name, name_size) == 0) return p;
  }
  return NULL;
}

const struct tl_procedure *tl_service_nearest(const struct tulle_service *s, const char *name,
                                              size_t name_size) {
  char text[TL_PROCEDURE_NAME_BYTES_MAX + 1];
  const struct tl_procedure *nearest = NULL;
  unsigned best = NEAR_EDITS + 1;
  if (name_size >= sizeof text) return NULL;
  memcpy(text, name, name_size);
  text[name_size] = 0;
  for (size_t i = 0; i < s->procedure_count; i++) {
    unsigned edits = tl_text_distance(text, s->procedures[i].name);
    if (edits < best) best = edits, nearest = &s->procedures[i];
  }
  return nearest;
}

/* ---- life ---- */

struct tulle_service *tl_service_free(struct tulle_service *s) {
  if (!s) return NULL;
  tl_table_deinit(&s->by_name);
  free(s->interface);
  free(s->procedures);
  free(s->names);
  free(s);
  return NULL;
}

static int copy_text(char *out, size_t out_size, const char *text) {
  size_t size = text ? strlen(text) : 0;
  if (size >= out_size) return TULLE_E_INVALID;
  if (size) memcpy(out, text, size);
  out[size] = 0;
  return 0;
}

static int copy_capability(const struct tulle_capability *c, struct tl_capability_info *out) {
  int r = copy_text(out->name, sizeof out->name, c->name);
  if (!r && !tl_capability_is_valid(out->name, strlen(out->name))) r = TULLE_E_INVALID;
  out->version = c->version;
  return r ? r : copy_text(out->attributes, sizeof out->attributes, c->attributes);
}

static int copy_info(const struct tulle_offer *offer, struct tl_service_info *out) {
  int r = copy_text(out->name, sizeof out->name, offer->name);
  if (!r && !tl_name_is_valid(out->name, strlen(out->name), TL_SERVICE_NAME_BYTES_MAX))
    r = TULLE_E_INVALID;
  if (!r && offer->capability_count > TL_CAPABILITIES_MAX) r = TULLE_E_LIMIT;
  for (size_t i = 0; !r && i < offer->capability_count; i++)
    r = copy_capability(&offer->capabilities[i], &out->capabilities[i]);
  out->capability_count = offer->capability_count;
  out->is_hidden = offer->hidden;
  return r;
}

static int copy_interface(const struct tulle_interface *interface, struct tulle_service *s) {
  if (!interface) return 0;
  if (!interface->text || interface->text_size > TL_INTERFACE_BYTES_MAX) return TULLE_E_INVALID;
  s->interface = malloc(interface->text_size + 1);
  if (!s->interface) return TULLE_E_NO_MEMORY;
  memcpy(s->interface, interface->text, interface->text_size);
  memcpy(s->info.fingerprint, interface->fingerprint, sizeof s->info.fingerprint);
  s->info.has_interface = true;
  s->info.interface = s->interface;
  s->info.interface_size = interface->text_size;
  return 0;
}

static int check_procedure(const struct tulle_procedure *p) {
  if (!p->name || !p->handler) return TULLE_E_INVALID;
  return tl_name_is_valid(p->name, strlen(p->name), TL_PROCEDURE_NAME_BYTES_MAX) ? 0
                                                                                 : TULLE_E_INVALID;
}

static int copy_procedures(const struct tulle_offer *offer, struct tulle_service *s) {
  size_t count = offer->procedure_count, bytes = 0;
  for (size_t i = 0; i < count; i++) {
    int r = check_procedure(&offer->procedures[i]);
    if (r) return r;
    bytes += strlen(offer->procedures[i].name) + 1;
  }
  s->names = malloc(bytes + 1);
  s->procedures = calloc(count + 1, sizeof *s->procedures);
  if (!s->names || !s->procedures) return TULLE_E_NO_MEMORY;
  char *name = s->names;
  for (size_t i = 0; i < count; i++) {
    const struct tulle_procedure *p = &offer->procedures[i];
    size_t size = strlen(p->name);
    memcpy(name, p->name, size + 1);
    s->procedures[i] = (struct tl_procedure){name, size, p->handler, p->userdata};
    /* Also of a few: it finds a name that is there twice. */
    int r = tl_table_insert(&s->by_name, name, size, &s->procedures[i]);
    if (r) return r == TULLE_E_EXISTS ? TULLE_E_INVALID : r;
    name += size + 1;
  }
  s->procedure_count = count;
  return 0;
}

int tl_service_new(struct tulle *t, const struct tulle_offer *offer, struct tulle_service **out) {
  struct tulle_service *s = calloc(1, sizeof *s);
  if (!s) return TULLE_E_NO_MEMORY;
  s->t = t;
  s->process = t->process;
  tl_list_init(&s->link);
  tl_table_init(&s->by_name, NULL);
  int r = copy_info(offer, &s->info);
  if (!r) r = copy_interface(offer->interface, s);
  if (!r) r = copy_procedures(offer, s);
  if (r) {
    tl_service_free(s);
    return r;
  }
  *out = s;
  return 0;
}

struct tulle_service *tl_service_of_name(struct tulle *t, const char *name) {
  TL_LIST_FOR_EACH(l, &t->services) {
    struct tulle_service *s = tl_container_of(l, struct tulle_service, link);
    if (strcmp(s->info.name, name) == 0) return s;
  }
  return NULL;
}

/* ---- running elsewhere ---- */

void tl_service_runs(struct tulle_service *s) {
  __atomic_fetch_add(&s->running, 1, __ATOMIC_RELAXED);
}

void tl_service_ran(struct tulle_service *s) {
  if (__atomic_fetch_sub(&s->running, 1, __ATOMIC_RELEASE) == (TL_SERVICE_WITHDRAWN | 1))
    tl_futex_wake(&s->running);
}

void tl_service_wait_for_handlers(struct tulle_service *s) {
  uint32_t n = __atomic_or_fetch(&s->running, TL_SERVICE_WITHDRAWN, __ATOMIC_ACQUIRE);
  for (; n != TL_SERVICE_WITHDRAWN; n = __atomic_load_n(&s->running, __ATOMIC_ACQUIRE))
    tl_futex_wait(&s->running, n, TL_NEVER);
}

/* ---- the node ---- */

uint8_t *tl_service_encode_registration(const struct tulle_service *s, size_t *out_size) {
  size_t size = TL_SERVICE_BYTES_MAX + s->info.interface_size;
  uint8_t *bytes = malloc(size);
  if (!bytes) return NULL;
  struct tulle_pack w = tulle_pack_on(bytes, size);
  tulle_pack_map(&w, TL_SERVICE_KEYS + s->info.has_interface);
  tl_service_encode(&w, &s->info);
  if (s->info.has_interface) {
    tulle_pack_text(&w, "interface");
    tulle_pack_text_of(&w, s->info.interface, s->info.interface_size);
  }
  *out_size = tulle_pack_size(&w);
  return bytes;
}

void tl_services_forget_node(struct tulle *t) {
  TL_LIST_FOR_EACH(l, &t->services) {
    struct tulle_service *s = tl_container_of(l, struct tulle_service, link);
    if (s->registration != TL_REGISTER_OFFERED) s->registration = TL_REGISTER_WANTED;
  }
}

struct registration {
  struct tulle *t;
  uint64_t line;
  char name[TL_SERVICE_NAME_BYTES_MAX + 1];
};

static void retry_at(struct tulle *t, uint64_t at) {
  __atomic_store_n(&t->register_at, at, __ATOMIC_RELAXED);
}

/* The node may still know the service of our own last stay, so even EXISTS passes. */
static void on_registered(void *userdata, int status, const struct tulle_result *result) {
  struct registration *r = userdata;
  struct tulle *t = r->t;
  (void)result;
  tl_lock_take(&t->lock);
  struct tulle_service *s = tl_service_of_name(t, r->name);
  bool is_current = t->line.number == r->line;
  if (is_current && s && s->registration == TL_REGISTER_ASKED) {
    s->registration = status ? TL_REGISTER_WANTED : TL_REGISTER_DONE;
    if (status) retry_at(t, tl_time_add(tl_time_now(), RETRY_NS));
  }
  tl_lock_give(&t->lock);
  free(r);
}

static int register_later(struct tulle *t, struct tulle_service *s) {
  size_t size;
  struct registration *r = calloc(1, sizeof *r);
  uint8_t *bytes = tl_service_encode_registration(s, &size);
  int code = r && bytes ? 0 : TULLE_E_NO_MEMORY;
  if (!code) {
    *r = (struct registration){.t = t, .line = t->line.number};
    memcpy(r->name, s->info.name, sizeof r->name);
    code = tulle_call_async(t->stay.node, "register", bytes, size, 0, on_registered, r, NULL);
  }
  if (code) free(r);
  free(bytes);
  return code;
}

void tl_services_register(struct tulle *t) {
  retry_at(t, TL_NEVER);
  if (!t->stay.node) return;
  TL_LIST_FOR_EACH(l, &t->services) {
    struct tulle_service *s = tl_container_of(l, struct tulle_service, link);
    if (s->registration != TL_REGISTER_WANTED) continue;
    if (register_later(t, s) == 0)
      s->registration = TL_REGISTER_ASKED;
    else
      retry_at(t, tl_time_add(tl_time_now(), RETRY_NS));
  }
}
