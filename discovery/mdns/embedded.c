/*
 * Three groups of records: the base (service, instance, TXT), the subtypes, and our own addresses,
 * each changed without touching the others, because a record that is taken away is said goodbye
 * to.
 *
 * Nothing is probed (records.h says why), and avahi publishes nothing of its own: no host name, no
 * workstation, no wide-area look-ups.
 */
#include "discovery/mdns/embedded.h"

#include <avahi-common/error.h>
#include <avahi-common/malloc.h>
#include <avahi-core/core.h>
#include <avahi-core/lookup.h>
#include <avahi-core/publish.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/log.h"
#include "discovery/mdns/answer.h"
#include "discovery/mdns/sights.h"

#define COMPONENT         "mdns"
#define CACHE_ENTRIES_MAX 4096 /* per interface; a service takes three */

struct embedded {
  struct tl_engine engine;
  AvahiServer *server;
  AvahiSServiceBrowser *browser;
  AvahiSEntryGroup *base_group;
  AvahiSEntryGroup *label_group;
  AvahiSEntryGroup *address_group;
  struct tl_record base[TL_RECORDS_BASE]; /* as announced */
  struct tl_publication announced;
  struct tl_interfaces interfaces; /* whose addresses are announced */
};

struct resolver {
  struct embedded *engine;
  AvahiSServiceResolver *handle;
  void *cookie;
  int family;
};

struct watch {
  struct embedded *engine;
  AvahiSRecordBrowser *handle;
  void *cookie;
};

static struct embedded *embedded_of(struct tl_engine *e) {
  return (struct embedded *)e;
}

static int failure(AvahiServer *server, const char *what) {
  tl_log(TL_LOG_WARNING, COMPONENT, "%s: %s", what, avahi_strerror(avahi_server_errno(server)));
  return TULLE_E_IO;
}

/* Hearing */

static void on_browse(AvahiSServiceBrowser *browser, AvahiIfIndex interface, AvahiProtocol protocol,
                      AvahiBrowserEvent event, const char *name, const char *type,
                      const char *domain, AvahiLookupResultFlags flags, void *userdata) {
  struct embedded *e = userdata;
  (void)browser, (void)type, (void)domain, (void)flags;
  if (event == AVAHI_BROWSER_FAILURE)
    e->engine.sink.failed(e->engine.sink.context, avahi_strerror(avahi_server_errno(e->server)));
  else if (event == AVAHI_BROWSER_NEW || event == AVAHI_BROWSER_REMOVE)
    e->engine.sink.browsed(e->engine.sink.context, event == AVAHI_BROWSER_NEW, (uint32_t)interface,
                           protocol == AVAHI_PROTO_INET6, name);
}

static int embedded_browse(struct tl_engine *engine) {
  struct embedded *e = embedded_of(engine);
  if (e->browser) avahi_s_service_browser_free(e->browser);
  e->browser = avahi_s_service_browser_new(e->server, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC,
                                           TL_RECORDS_SERVICE, TL_RECORDS_DOMAIN, 0, on_browse, e);
  return e->browser ? 0 : failure(e->server, "browse");
}

static void on_resolve(AvahiSServiceResolver *handle, AvahiIfIndex interface,
                       AvahiProtocol protocol, AvahiResolverEvent event, const char *name,
                       const char *type, const char *domain, const char *host,
                       const AvahiAddress *address, uint16_t port, AvahiStringList *txt,
                       AvahiLookupResultFlags flags, void *userdata) {
  struct resolver *r = userdata;
  (void)handle, (void)protocol, (void)name, (void)type, (void)domain, (void)host, (void)flags;
  tl_answer_give(&r->engine->engine.sink, r->cookie, r->family, event, interface, address, port,
                 txt);
}

static void *embedded_resolve(struct tl_engine *engine, uint32_t interface, const char *name,
                              int family, void *cookie) {
  struct embedded *e = embedded_of(engine);
  struct resolver *r = calloc(1, sizeof *r);
  AvahiProtocol protocol = tl_answer_protocol(family);
  if (!r) return NULL;
  *r = (struct resolver){.engine = e, .cookie = cookie, .family = family};
  r->handle = avahi_s_service_resolver_new(e->server, (AvahiIfIndex)interface, protocol, name,
                                           TL_RECORDS_SERVICE, TL_RECORDS_DOMAIN, protocol, 0,
                                           on_resolve, r);
  if (r->handle) return r;
  free(r);
  return NULL;
}

static void embedded_resolve_end(struct tl_engine *engine, void *handle) {
  struct resolver *r = handle;
  (void)engine;
  avahi_s_service_resolver_free(r->handle);
  free(r);
}

static void on_txt(AvahiSRecordBrowser *handle, AvahiIfIndex interface, AvahiProtocol protocol,
                   AvahiBrowserEvent event, AvahiRecord *record, AvahiLookupResultFlags flags,
                   void *userdata) {
  struct watch *w = userdata;
  uint8_t data[TL_ADVERT_TXT_BYTES_MAX];
  (void)handle, (void)interface, (void)flags;
  if (!record) return;
  size_t size = avahi_rdata_serialize(record, data, sizeof data);
  if (size <= sizeof data)
    tl_answer_give_txt(&w->engine->engine.sink, w->cookie, event, protocol, data, size);
}

static void *embedded_watch(struct tl_engine *engine, uint32_t interface, const char *name,
                            void *cookie) {
  struct embedded *e = embedded_of(engine);
  char full[TL_RECORD_NAME_SIZE];
  struct watch *w = calloc(1, sizeof *w);
  if (!w) return NULL;
  *w = (struct watch){.engine = e, .cookie = cookie};
  snprintf(full, sizeof full, "%s." TL_RECORDS_SERVICE "." TL_RECORDS_DOMAIN, name);
  AvahiKey *key = avahi_key_new(full, AVAHI_DNS_CLASS_IN, AVAHI_DNS_TYPE_TXT);
  if (key)
    w->handle = avahi_s_record_browser_new(e->server, (AvahiIfIndex)interface, AVAHI_PROTO_UNSPEC,
                                           key, AVAHI_LOOKUP_USE_MULTICAST, on_txt, w);
  if (key) avahi_key_unref(key);
  if (w->handle) return w;
  free(w);
  return NULL;
}

static void embedded_watch_end(struct tl_engine *engine, void *handle) {
  struct watch *w = handle;
  (void)engine;
  avahi_s_record_browser_free(w->handle);
  free(w);
}

/* Announcing */

static int record_add(struct embedded *e, AvahiSEntryGroup *group, const struct tl_record *record,
                      AvahiPublishFlags more) {
  AvahiPublishFlags flags = record->is_unique ? AVAHI_PUBLISH_UNIQUE | AVAHI_PUBLISH_NO_PROBE
                                              : AVAHI_PUBLISH_ALLOW_MULTIPLE;
  AvahiRecord *r =
      avahi_record_new_full(record->name, AVAHI_DNS_CLASS_IN, record->type, record->ttl_s);
  if (!r) return TULLE_E_NO_MEMORY;
  int result = avahi_rdata_parse(r, record->data, record->size);
  if (result >= 0)
    result =
        avahi_server_add(e->server, group, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, flags | more, r);
  avahi_record_unref(r);
  return result < 0 ? failure(e->server, record->name) : 0;
}

/* The state of a group needs no attention: without probing nothing can collide. */
static void on_group(AvahiServer *server, AvahiSEntryGroup *group, AvahiEntryGroupState state,
                     void *userdata) {
  (void)server, (void)group, (void)state, (void)userdata;
}

static int group_commit(struct embedded *e, AvahiSEntryGroup *group) {
  return avahi_s_entry_group_commit(group) < 0 ? failure(e->server, "announce") : 0;
}

static int base_announce(struct embedded *e, const struct tl_record base[TL_RECORDS_BASE]) {
  bool is_first = avahi_s_entry_group_is_empty(e->base_group);
  for (size_t i = 0; i < TL_RECORDS_BASE; i++) {
    if (!is_first && !memcmp(&base[i], &e->base[i], sizeof *base)) continue;
    int r = record_add(e, e->base_group, &base[i], is_first ? 0 : AVAHI_PUBLISH_UPDATE);
    if (r < 0) return r;
  }
  memcpy(e->base, base, sizeof e->base);
  return is_first ? group_commit(e, e->base_group) : 0;
}

static int labels_announce(struct embedded *e, const struct tl_publication *p) {
  struct tl_record record;
  if (tl_publication_has_labels_of(p, &e->announced)) return 0;
  avahi_s_entry_group_reset(e->label_group);
  for (size_t i = 0; i < p->label_count; i++) {
    tl_records_label(p, i, &record);
    int r = record_add(e, e->label_group, &record, 0);
    if (r < 0) return r;
  }
  return p->label_count ? group_commit(e, e->label_group) : 0;
}

static int addresses_announce(struct embedded *e, const char *host,
                              const struct tl_interfaces *interfaces) {
  bool is_first = avahi_s_entry_group_is_empty(e->address_group);
  if (!is_first && tl_interfaces_is_equal(interfaces, &e->interfaces)) return 0;
  avahi_s_entry_group_reset(e->address_group);
  e->interfaces = *interfaces;
  for (size_t i = 0; i < interfaces->count; i++) {
    const struct tl_interface_address *own = &interfaces->addresses[i];
    AvahiAddress a = tl_answer_to_avahi(&own->address);
    if (avahi_server_add_address(e->server, e->address_group, (AvahiIfIndex)own->interface,
                                 AVAHI_PROTO_UNSPEC,
                                 AVAHI_PUBLISH_NO_REVERSE | AVAHI_PUBLISH_NO_PROBE, host, &a) < 0)
      return failure(e->server, host);
  }
  return interfaces->count ? group_commit(e, e->address_group) : 0;
}

static int embedded_publish(struct tl_engine *engine, const struct tl_publication *p,
                            const struct tl_interfaces *interfaces) {
  struct embedded *e = embedded_of(engine);
  struct tl_record base[TL_RECORDS_BASE];
  char id[TL_ADVERT_NAME_SIZE], host[TL_RECORD_NAME_SIZE];
  tl_advert_name(p->advert.id, id);
  snprintf(host, sizeof host, "%s." TL_RECORDS_DOMAIN, id);
  int r = tl_records_base(p, host, base);
  if (r == 0)
    r = addresses_announce(e, host, interfaces); /* first: whoever hears SRV asks for the address */
  if (r == 0) r = base_announce(e, base);
  if (r == 0) r = labels_announce(e, p);
  if (r == 0) e->announced = *p;
  return r;
}

/* Life */

static void on_server(AvahiServer *server, AvahiServerState state, void *userdata) {
  struct embedded *e = userdata;
  if (state == AVAHI_SERVER_FAILURE)
    e->engine.sink.failed(e->engine.sink.context, avahi_strerror(avahi_server_errno(server)));
}

static void config_fill(AvahiServerConfig *c, const char *only,
                        const struct tl_interfaces *interfaces) {
  avahi_server_config_init(c);
  c->publish_hinfo = c->publish_workstation = c->publish_domain = c->publish_addresses = 0;
  c->enable_wide_area = 0;
  c->disallow_other_stacks = 0; /* with 1 it would not start beside avahi-daemon */
  c->n_cache_entries_max = CACHE_ENTRIES_MAX;
  if (only)
    c->allow_interfaces = avahi_string_list_new(only, NULL);
  else if (!interfaces->is_lo_only)
    c->deny_interfaces = avahi_string_list_new("lo", NULL);
}

static int server_start(struct embedded *e, const AvahiPoll *poll, const char *only,
                        const struct tl_interfaces *interfaces) {
  AvahiServerConfig config;
  int error = 0;
  config_fill(&config, only, interfaces);
  e->server = avahi_server_new(poll, &config, on_server, e, &error);
  avahi_server_config_free(&config);
  if (!e->server) {
    tl_log(TL_LOG_WARNING, COMPONENT, "avahi-core does not start: %s", avahi_strerror(error));
    return TULLE_E_IO;
  }
  e->base_group = avahi_s_entry_group_new(e->server, on_group, e);
  e->label_group = avahi_s_entry_group_new(e->server, on_group, e);
  e->address_group = avahi_s_entry_group_new(e->server, on_group, e);
  return e->base_group && e->label_group && e->address_group ? 0 : TULLE_E_NO_MEMORY;
}

/* Freeing the server says goodbye for all groups and frees them with the browser. */
static void embedded_close(struct tl_engine *engine) {
  struct embedded *e = embedded_of(engine);
  if (e->server) avahi_server_free(e->server);
  free(e);
}

static const struct tl_engine_ops embedded_ops = {
    .kind = TL_DISCOVERY_ENGINE_EMBEDDED,
    .browse = embedded_browse,
    .resolve = embedded_resolve,
    .resolve_end = embedded_resolve_end,
    .watch = embedded_watch,
    .watch_end = embedded_watch_end,
    .publish = embedded_publish,
    .close = embedded_close,
};

int tl_embedded_open(const AvahiPoll *poll, const struct tl_engine_sink *sink, const char *only,
                     const struct tl_interfaces *interfaces, struct tl_engine **out_engine) {
  struct embedded *e = calloc(1, sizeof *e);
  if (!e) return TULLE_E_NO_MEMORY;
  e->engine = (struct tl_engine){&embedded_ops, *sink};
  int r = server_start(e, poll, only, interfaces);
  if (r < 0) {
    embedded_close(&e->engine);
    return r;
  }
  *out_engine = &e->engine;
  return 0;
}
