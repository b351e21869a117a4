#include "node/state/procedures.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "core/wire/service.h"
#include "node/state/node.h"

/* How long two programs may take to map what they were given, whatever the caller says. */
#define OPEN_NS_MAX (30 * TL_S)

/* ---- offering ---- */

struct tl_charge tl_offer_charge(size_t capability_count, size_t interface_bytes) {
  return (struct tl_charge){
      {[TL_RESOURCE_OBJECTS] = 1 + capability_count, [TL_RESOURCE_MEMORY] = interface_bytes}};
}

void tl_service_served(struct tl_node *node, struct tl_name *name) {
  if (!tl_registry_find(&node->registry, name->text, NULL, NULL)) return;
  while (!tl_list_is_empty(&name->waiting)) {
    struct tl_pending *p = tl_container_of(name->waiting.next, struct tl_pending, in_name);
    tl_pending_answer(p, 0, NULL, 0);
  }
}

void tl_service_withdraw(struct tl_offer *offer, const char *reason, uint64_t now) {
  struct tl_program *program = offer->program;
  struct tl_charge charge = tl_offer_charge(offer->capability_count, offer->interface_size);
  while (!tl_list_is_empty(&offer->ends)) {
    struct tl_end *end = tl_container_of(offer->ends.next, struct tl_end, in_offer);
    if (end->far) end->far->closed(end, now, program->ops->begun(end));
    tl_end_close(end, now, TULLE_E_PEER_GONE, UINT64_MAX);
  }
  tl_registry_remove(&program->node->registry, offer, reason, now);
  tl_account_release(program->account, &charge);
}

static int offer_add(struct tl_request *q, const struct tl_service_info *info) {
  struct tl_program *program = q->program;
  struct tl_registry *registry = &program->node->registry;
  struct tl_charge charge = tl_offer_charge(info->capability_count, info->interface_size);
  struct tl_offer *offer;
  int r = tl_account_charge(program->account, &charge);
  if (r < 0) return r;
  r = tl_registry_add(registry, &registry->here, program, info, q->now, &offer);
  if (r < 0) {
    tl_account_release(program->account, &charge);
    return r;
  }
  tl_list_push_back(&program->offers, &offer->in_program);
  tl_service_served(program->node, offer->name);
  return 0;
}

static int offer_update(struct tl_request *q, struct tl_offer *offer,
                        const struct tl_service_info *info) {
  struct tl_account *account = q->program->account;
  struct tl_charge before = tl_offer_charge(offer->capability_count, offer->interface_size);
  struct tl_charge after = tl_offer_charge(info->capability_count, info->interface_size);
  int r = tl_account_charge(account, &after);
  if (r < 0) return r;
  r = tl_registry_update(&q->program->node->registry, offer, info);
  tl_account_release(account, r < 0 ? &after : &before);
  return r;
}

/* What a program says about the interface that it has, or wants. The text is the request's. */
static int read_claim(struct tl_request *q, struct tl_claim *out) {
  struct tulle_unpack r = tulle_unpack_key(&q->args, "interface"), peek = r;
  *out = (struct tl_claim){0};
  if (tl_fingerprint_decode(&q->args, &out->has_fingerprint, out->fingerprint) < 0)
    return tl_request_refuse(q, TULLE_E_INVALID, "'fingerprint' must be %d bytes",
                             TL_FINGERPRINT_BYTES);
  if (!r.failed && tulle_unpack_any(&peek).type != TULLE_NIL)
    out->text = tulle_unpack_text(&r, &out->size);
  else
    return 0;
  if (!out->text || out->size > TL_INTERFACE_BYTES_MAX)
    return tl_request_refuse(q, TULLE_E_TOO_BIG, "'interface' must be a text of at most %u bytes",
                             TL_INTERFACE_BYTES_MAX);
  if (!out->has_fingerprint)
    return tl_request_refuse(q, TULLE_E_INVALID, "'interface' has no 'fingerprint' beside it");
  return 0;
}

/* `out_text` is to be freed, also on failure. */
static int read_interface(struct tl_request *q, struct tl_service_info *info, char **out_text) {
  struct tl_claim claim;
  int r = read_claim(q, &claim);
  if (r < 0 || !claim.has_fingerprint) return r;
  if (!claim.text)
    return tl_request_refuse(q, TULLE_E_INVALID, "'fingerprint' has no 'interface' beside it");
  r = tl_interface_read(&claim, out_text, &info->interface_size, q->text, sizeof q->text);
  info->interface = *out_text;
  return r;
}

/* The service as it was read, with its interface if it has one. */
static int offer_put(struct tl_request *q, const struct tl_service_info *info) {
  struct tl_registry *registry = &q->program->node->registry;
  struct tl_offer *offer = tl_registry_find_at(registry, info->name, &registry->here);
  if (!offer) return offer_add(q, info);
  if (offer->program == q->program) return offer_update(q, offer, info);
  return tl_request_refuse(q, TULLE_E_EXISTS, "'%s' is served by '%s' (pid %u) on this node",
                           info->name, offer->program->party.program, offer->program->party.pid);
}

static int do_register(struct tl_request *q) {
  struct tl_service_info info;
  char *text = NULL;
  int r = tl_service_decode(&q->args, &info);
  if (r == TULLE_E_LIMIT)
    return tl_request_refuse(q, r, "more than %d capabilities", TL_CAPABILITIES_MAX);
  if (r < 0)
    return tl_request_refuse(q, TULLE_E_INVALID,
                             "not a service: letters, digits, '.', '_' and '-' make a name, "
                             "capabilities may have '/' as well");
  r = read_interface(q, &info, &text);
  if (r == 0) r = offer_put(q, &info);
  free(text);
  return r;
}

static int do_unregister(struct tl_request *q) {
  struct tl_registry *registry = &q->program->node->registry;
  char name[TL_SERVICE_NAME_BYTES_MAX + 1];
  int r = tl_request_text(q, "service", true, name, sizeof name);
  if (r < 0) return r;
  struct tl_offer *offer = tl_registry_find_at(registry, name, &registry->here);
  if (!offer || offer->program != q->program)
    return tl_request_refuse(q, TULLE_E_NO_SERVICE, "this program does not serve '%s'", name);
  tl_service_withdraw(offer, "withdrawn", q->now);
  return 0;
}

/* ---- texts of errors ---- */

struct text {
  char *at;
  size_t left;
};

static void text_add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void text_add(struct text *t, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int n = vsnprintf(t->at, t->left, format, args);
  va_end(args);
  size_t written = n < 0 ? 0 : (size_t)n;
  if (written >= t->left) written = t->left ? t->left - 1 : 0;
  t->at += written;
  t->left -= written;
}

static void text_add_age(struct text *t, uint64_t ns) {
  uint64_t s = ns / TL_S;
  if (s < 60)
    text_add(t, "%u s ago", (unsigned)s);
  else if (s < 3600)
    text_add(t, "%u m ago", (unsigned)(s / 60));
  else
    text_add(t, "%u h ago", (unsigned)(s / 3600));
}

static void text_add_last(struct text *t, const struct tl_node *node, const struct tl_ended *last,
                          uint64_t now) {
  uint64_t day_s = (last->at + (uint64_t)node->wall_offset) / TL_S % 86400;
  text_add(t, "\nlast served by %s until %02u:%02u:%02u (%s, ", last->node_name,
           (unsigned)(day_s / 3600), (unsigned)(day_s / 60 % 60), (unsigned)(day_s % 60),
           last->reason);
  text_add_age(t, now - last->at);
  text_add(t, ")");
}

static int refuse_no_service(struct tl_request *q, const char *service, const char *where,
                             const char *capability) {
  const struct tl_node *node = q->program->node;
  struct text t = {q->text, sizeof q->text};
  const struct tl_ended *last = tl_registry_last(&node->registry, service);
  const char *similar = tl_registry_similar(&node->registry, service);
  text_add(&t, "nobody serves '%s'", service);
  if (where) text_add(&t, " on node '%s'", where);
  if (capability) text_add(&t, " with the capability '%s'", capability);
  if (last) text_add_last(&t, node, last, q->now);
  if (similar && strcmp(similar, service) != 0) text_add(&t, "\ndid you mean '%s'?", similar);
  return TULLE_E_NO_SERVICE;
}

static int refuse_no_offer(struct tl_request *q, const char *service, const char *where,
                           const char *capability) {
  if (where && !tl_registry_place(&q->program->node->registry, where))
    return tl_request_refuse(q, TULLE_E_NO_PEER, "no node '%s' is known here", where);
  return refuse_no_service(q, service, where, capability);
}

/* ---- opening ---- */

/* Nobody waits for the channel any more. */
static void open_ended(struct tl_pending *p, uint64_t now) {
  struct tl_end *end = p->end;
  end->open = NULL;
  tl_end_close(end, now, TULLE_E_PEER_GONE, 0);
}

void tl_service_opened(struct tl_end *end, uint64_t now, int code) {
  struct tl_pending *p = end->open;
  uint8_t result[16];
  struct tulle_pack w = tulle_pack_on(result, sizeof result);
  (void)now;
  end->open = NULL;
  if (code < 0) {
    bool is_gone = code == TULLE_E_PEER_GONE;
    const char *text =
        is_gone ? "the program that serves it went away meanwhile" : tulle_error_text(code);
    tl_pending_answer(p, is_gone ? TULLE_E_NO_SERVICE : code, text, strlen(text));
    return;
  }
  tulle_pack_map(&w, 1);
  tulle_pack_text(&w, "channel"), tulle_pack_uint(&w, end->number);
  tl_pending_answer(p, 0, result, tulle_pack_size(&w));
}

static int open_here(struct tl_request *q, struct tl_offer *offer) {
  struct tl_pending *p;
  struct tl_end *end;
  q->deadline = tl_time_min(q->deadline, q->now + OPEN_NS_MAX);
  int r = tl_end_introduce(q->program, offer, &end);
  if (r < 0) return r;
  r = tl_pending_new(q, open_ended, &p);
  if (r < 0) {
    tl_end_close(end, q->now, r, 0);
    return r;
  }
  p->end = end;
  end->open = p;
  q->program->node->counters.opens++;
  return TL_LATER;
}

static int do_open(struct tl_request *q) {
  const struct tl_registry *registry = &q->program->node->registry;
  char service[TL_SERVICE_NAME_BYTES_MAX + 1], node[TL_NODE_NAME_BYTES_MAX + 1] = "";
  char capability[TL_CAPABILITY_BYTES_MAX + 1] = "";
  struct tl_claim claim;
  int r = tl_request_text(q, "service", true, service, sizeof service);
  if (r == 0) r = tl_request_text(q, "node", false, node, sizeof node);
  if (r == 0) r = tl_request_text(q, "capability", false, capability, sizeof capability);
  if (r == 0) r = read_claim(q, &claim);
  if (r < 0) return r;
  const char *where = node[0] ? node : NULL, *what = capability[0] ? capability : NULL;
  struct tl_offer *offer = tl_registry_find(registry, service, where, what);
  struct tl_remote *remote = &q->program->node->remote;
  if (!offer) return refuse_no_offer(q, service, where, what);
  if (!offer->place->is_here) return remote->open(remote->context, q, offer, &claim);
  r = tl_interface_judge(offer, &claim, offer->interface, offer->interface_size, q->text,
                         sizeof q->text);
  return r < 0 ? r : open_here(q, offer);
}

/* ---- interfaces ---- */

static int do_describe(struct tl_request *q) {
  const struct tl_registry *registry = &q->program->node->registry;
  char service[TL_SERVICE_NAME_BYTES_MAX + 1], node[TL_NODE_NAME_BYTES_MAX + 1] = "";
  uint64_t from = 0;
  int r = tl_request_text(q, "service", true, service, sizeof service);
  if (r == 0) r = tl_request_text(q, "node", false, node, sizeof node);
  if (r == 0) r = tl_request_uint(q, "from", &from);
  if (r < 0) return r;
  const char *where = node[0] ? node : NULL;
  struct tl_offer *offer = tl_registry_find(registry, service, where, NULL);
  struct tl_remote *remote = &q->program->node->remote;
  if (!offer) return refuse_no_offer(q, service, where, NULL);
  if (!offer->place->is_here && offer->has_interface)
    return remote->describe(remote->context, q, offer, from);
  tl_interface_pack(&q->result, offer, offer->interface, offer->interface_size, from);
  return 0;
}

/* ---- asking ---- */

static void wait_ended(struct tl_pending *p, uint64_t now) {
  (void)now;
  tl_list_remove(&p->in_name);
  tl_registry_drop_name(&p->program->node->registry, p->name);
}

static int do_wait(struct tl_request *q) {
  struct tl_registry *registry = &q->program->node->registry;
  char service[TL_SERVICE_NAME_BYTES_MAX + 1];
  struct tl_pending *p;
  int r = tl_request_text(q, "service", true, service, sizeof service);
  if (r < 0) return r;
  if (!tl_name_is_valid(service, strlen(service), TL_SERVICE_NAME_BYTES_MAX))
    return tl_request_refuse(q, TULLE_E_INVALID, "'%s' cannot be the name of a service", service);
  if (tl_registry_find(registry, service, NULL, NULL)) return 0;
  struct tl_name *name = tl_registry_name(registry, service);
  if (!name) return TULLE_E_NO_MEMORY;
  r = tl_pending_new(q, wait_ended, &p);
  if (r < 0) {
    tl_registry_drop_name(registry, name);
    return r;
  }
  p->name = name;
  tl_list_push_back(&name->waiting, &p->in_name);
  return TL_LATER;
}

static void pack_offer(struct tulle_pack *w, const struct tl_offer *offer, uint64_t now) {
  const struct tl_place *place = offer->place;
  tulle_pack_map(w, 6);
  tulle_pack_text(w, "service"), tulle_pack_text(w, offer->name->text);
  tulle_pack_text(w, "node"), tulle_pack_text(w, place->node_name);
  tulle_pack_text(w, "node_id"), tulle_pack_text(w, place->node_id_text);
  tulle_pack_text(w, "capabilities"), tulle_pack_array(w, offer->capability_count);
  for (size_t i = 0; i < offer->capability_count; i++)
    tl_capability_encode(w, &offer->capabilities[i]);
  tulle_pack_text(w, "path"), tulle_pack_text(w, place->path);
  tulle_pack_text(w, "age_ns"), tulle_pack_uint(w, now - offer->since);
}

static size_t offer_values(const struct tl_offer *offer) {
  return 13 + 7 * offer->capability_count;
}

/* Puts the header of an array of `count` before what is written already. */
static void pack_array_before(struct tulle_pack *w, size_t count) {
  uint8_t head[8];
  struct tulle_pack h = tulle_pack_on(head, sizeof head);
  tulle_pack_array(&h, count);
  size_t head_size = tulle_pack_size(&h), size = (size_t)(w->at - w->start);
  if (head_size > (size_t)(w->end - w->at)) {
    w->failed = true;
    return;
  }
  memmove(w->start + head_size, w->start, size);
  memcpy(w->start, head, head_size);
  w->at += head_size;
}

static bool is_listed(const struct tl_offer *offer, const char *capability) {
  return offer->place->is_reachable &&
         (!capability[0] || tl_offer_has_capability(offer, capability));
}

static int do_list(struct tl_request *q) {
  const struct tl_registry *registry = &q->program->node->registry;
  struct tulle_pack *w = &q->result;
  char capability[TL_CAPABILITY_BYTES_MAX + 1] = "";
  uint64_t from = 0, count = 0;
  size_t values = 1;
  int r = tl_request_text(q, "capability", false, capability, sizeof capability);
  if (r == 0) r = tl_request_uint(q, "from", &from);
  if (r < 0) return r;
  w->end -= 8; /* for the array's header */
  for (struct tl_offer *o = tl_registry_next(registry, NULL); o;
       o = tl_registry_next(registry, o)) {
    if (!is_listed(o, capability)) continue;
    if (from > 0) {
      from--;
      continue;
    }
    struct tulle_pack before = *w;
    values += offer_values(o);
    if (values <= TL_MSGPACK_OBJECTS_MAX) pack_offer(w, o, q->now);
    if (values > TL_MSGPACK_OBJECTS_MAX || w->failed) {
      *w = before;
      break;
    }
    count++;
  }
  w->end += 8;
  pack_array_before(w, count);
  return 0;
}

static int do_status(struct tl_request *q) {
  const struct tl_node *node = q->program->node;
  const struct tl_node_config *c = &node->config;
  struct tulle_pack *w = &q->result;
  const struct tl_remote *remote = &node->remote;
  tulle_pack_map(w, 13 + (remote->status ? TL_REMOTE_STATUS_KEYS : 0));
  tulle_pack_text(w, "node"), tulle_pack_text(w, c->self.node_name);
  tulle_pack_text(w, "node_id"), tulle_pack_text(w, c->node_id_text);
  tulle_pack_text(w, "fabric"), tulle_pack_text(w, c->fabric);
  tulle_pack_text(w, "fabric_id"), tulle_pack_text(w, c->fabric_id_text);
  tulle_pack_text(w, "version"), tulle_pack_text(w, c->version);
  tulle_pack_text(w, "incarnation"), tulle_pack_uint(w, c->self.incarnation);
  tulle_pack_text(w, "uptime_ns"), tulle_pack_uint(w, q->now - node->started);
  tulle_pack_text(w, "pid"), tulle_pack_uint(w, c->self.pid);
  tulle_pack_text(w, "programs"), tulle_pack_uint(w, node->program_count);
  tulle_pack_text(w, "services"), tulle_pack_uint(w, node->registry.offer_count);
  tulle_pack_text(w, "channels"), tulle_pack_uint(w, node->end_count - node->program_count);
  tulle_pack_text(w, "local_only"), tulle_pack_bool(w, c->is_local_only);
  tulle_pack_text(w, "autostarted"), tulle_pack_bool(w, c->is_autostarted);
  if (remote->status) remote->status(remote->context, w);
  return 0;
}

static int do_shutdown(struct tl_request *q) {
  q->program->node->wants_end = true;
  return 0;
}

/* ---- by name ---- */

static const struct tl_procedure_entry own_procedures[] = {
    {"register", do_register, false}, {"unregister", do_unregister, false},
    {"open", do_open, false},         {"list", do_list, false},
    {"describe", do_describe, false}, {"wait", do_wait, false},
    {"status", do_status, false},     {"shutdown", do_shutdown, true},
};
#define OWN_PROCEDURES (sizeof own_procedures / sizeof own_procedures[0])

/* The node's own procedures and those of the mesh, as one list. NULL: its end. */
static const struct tl_procedure_entry *procedure_at(const struct tl_node *node, size_t i) {
  if (i < OWN_PROCEDURES) return &own_procedures[i];
  i -= OWN_PROCEDURES;
  return i < node->remote.procedure_count ? &node->remote.procedures[i] : NULL;
}

/* What is about other nodes is not there on a node that a program started for this machine alone. */
static int refuse_local_only(struct tl_request *q, const char *name) {
  return tl_request_refuse(
      q, TULLE_E_REFUSED,
      "this node is for this machine only (a program started it), so it cannot "
      "'%s'\nstart a real one, it takes over: tulle node",
      name);
}

static int refuse_no_procedure(struct tl_request *q, const char *name) {
  const struct tl_procedure_entry *p;
  const char *similar = NULL;
  unsigned best = 3;
  for (size_t i = 0; (p = procedure_at(q->program->node, i)); i++) {
    unsigned edits = tl_text_distance(name, p->name);
    if (edits < best) best = edits, similar = p->name;
  }
  if (similar)
    return tl_request_refuse(q, TULLE_E_NO_PROCEDURE,
                             "the node has no procedure '%s'\ndid you mean '%s'?", name, similar);
  return tl_request_refuse(q, TULLE_E_NO_PROCEDURE, "the node has no procedure '%s'", name);
}

int tl_procedure_run(struct tl_request *q, const char *name) {
  const struct tl_node *node = q->program->node;
  const struct tl_procedure_entry *p;
  uint32_t uid = q->program->party.uid;
  for (size_t i = 0; (p = procedure_at(node, i)); i++) {
    if (strcmp(p->name, name) != 0) continue;
    if (p->is_admin && uid != 0 && uid != node->config.self.uid)
      return tl_request_refuse(q, TULLE_E_REFUSED, "'%s' is for the node's own user and for root",
                               name);
    return p->run(q);
  }
  return node->config.is_local_only ? refuse_local_only(q, name) : refuse_no_procedure(q, name);
}
