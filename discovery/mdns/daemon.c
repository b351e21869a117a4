/*
 * avahi-daemon over D-Bus. Calls to it block this process, which is nobody's but the network's;
 * the node never waits for it.
 *
 * avahi's callbacks only note what happened and start the timer, at once; everything that frees or
 * makes a client happens in the timer, outside of all callbacks. The base records and the subtypes
 * are two groups, changed without touching each other (embedded.c says why).
 */
#include "discovery/mdns/daemon.h"

#include <avahi-client/client.h>
#include <avahi-client/lookup.h>
#include <avahi-client/publish.h>
#include <avahi-common/error.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/log.h"
#include "discovery/mdns/answer.h"
#include "discovery/mdns/sights.h"

#define COMPONENT       "mdns"
#define RETRY_LOST_MS   1000
#define RETRY_NO_BUS_MS 5000

struct engine {
  struct tl_engine engine;
  struct tl_daemon *daemon;
  AvahiServiceBrowser *browser;
  AvahiEntryGroup *base_group;
  AvahiEntryGroup *label_group;
  bool is_base_announced;
  struct tl_record base[TL_RECORDS_BASE]; /* as announced */
  struct tl_publication announced;
};

struct tl_daemon {
  const AvahiPoll *poll;
  char only[IF_NAMESIZE];
  void (*changed)(void *context);
  void *context;
  uv_timer_t timer; /* the next thing to do outside of avahi's callbacks */
  AvahiClient *client;
  bool is_running;
  bool is_distrusted;
  bool is_lost; /* the client is dead and to be replaced */
  char text[TL_DISCOVERY_REASON_SIZE];
  struct engine *engine;
};

struct resolver {
  struct engine *engine;
  AvahiServiceResolver *handle;
  void *cookie;
  int family;
};

struct watch {
  struct engine *engine;
  AvahiRecordBrowser *handle;
  void *cookie;
};

static struct engine *engine_of(struct tl_engine *e) {
  return (struct engine *)e;
}

static int failure(struct engine *e, const char *what) {
  tl_log(TL_LOG_WARNING, COMPONENT, "%s: %s", what,
         avahi_strerror(avahi_client_errno(e->daemon->client)));
  return TULLE_E_IO;
}

static AvahiIfIndex interface_index(const struct tl_daemon *d) {
  unsigned index = d->only[0] ? if_nametoindex(d->only) : 0;
  return index ? (AvahiIfIndex)index : AVAHI_IF_UNSPEC;
}

/* Hearing */

static void on_browse(AvahiServiceBrowser *browser, AvahiIfIndex interface, AvahiProtocol protocol,
                      AvahiBrowserEvent event, const char *name, const char *type,
                      const char *domain, AvahiLookupResultFlags flags, void *userdata) {
  struct engine *e = userdata;
  (void)browser, (void)type, (void)domain, (void)flags;
  if (event == AVAHI_BROWSER_FAILURE)
    e->engine.sink.failed(e->engine.sink.context,
                          avahi_strerror(avahi_client_errno(e->daemon->client)));
  else if (event == AVAHI_BROWSER_NEW || event == AVAHI_BROWSER_REMOVE)
    e->engine.sink.browsed(e->engine.sink.context, event == AVAHI_BROWSER_NEW, (uint32_t)interface,
                           protocol == AVAHI_PROTO_INET6, name);
}

static int engine_browse(struct tl_engine *engine) {
  struct engine *e = engine_of(engine);
  if (e->browser) avahi_service_browser_free(e->browser);
  e->browser =
      avahi_service_browser_new(e->daemon->client, interface_index(e->daemon), AVAHI_PROTO_UNSPEC,
                                TL_RECORDS_SERVICE, TL_RECORDS_DOMAIN, 0, on_browse, e);
  return e->browser ? 0 : failure(e, "browse");
}

static void on_resolve(AvahiServiceResolver *handle, AvahiIfIndex interface, AvahiProtocol protocol,
                       AvahiResolverEvent event, const char *name, const char *type,
                       const char *domain, const char *host, const AvahiAddress *address,
                       uint16_t port, AvahiStringList *txt, AvahiLookupResultFlags flags,
                       void *userdata) {
  struct resolver *r = userdata;
  (void)handle, (void)protocol, (void)name, (void)type, (void)domain, (void)host, (void)flags;
  tl_answer_give(&r->engine->engine.sink, r->cookie, r->family, event, interface, address, port,
                 txt);
}

static void *engine_resolve(struct tl_engine *engine, uint32_t interface, const char *name,
                            int family, void *cookie) {
  struct engine *e = engine_of(engine);
  struct resolver *r = calloc(1, sizeof *r);
  AvahiProtocol protocol = tl_answer_protocol(family);
  if (!r) return NULL;
  *r = (struct resolver){.engine = e, .cookie = cookie, .family = family};
  r->handle =
      avahi_service_resolver_new(e->daemon->client, (AvahiIfIndex)interface, protocol, name,
                                 TL_RECORDS_SERVICE, TL_RECORDS_DOMAIN, protocol, 0, on_resolve, r);
  if (r->handle) return r;
  free(r);
  return NULL;
}

static void engine_resolve_end(struct tl_engine *engine, void *handle) {
  struct resolver *r = handle;
  (void)engine;
  avahi_service_resolver_free(r->handle);
  free(r);
}

static void on_txt(AvahiRecordBrowser *handle, AvahiIfIndex interface, AvahiProtocol protocol,
                   AvahiBrowserEvent event, const char *name, uint16_t class, uint16_t type,
                   const void *data, size_t size, AvahiLookupResultFlags flags, void *userdata) {
  struct watch *w = userdata;
  (void)handle, (void)interface, (void)name, (void)class, (void)type, (void)flags;
  tl_answer_give_txt(&w->engine->engine.sink, w->cookie, event, protocol, data, size);
}

static void *engine_watch(struct tl_engine *engine, uint32_t interface, const char *name,
                          void *cookie) {
  struct engine *e = engine_of(engine);
  char full[TL_RECORD_NAME_SIZE];
  struct watch *w = calloc(1, sizeof *w);
  if (!w) return NULL;
  *w = (struct watch){.engine = e, .cookie = cookie};
  snprintf(full, sizeof full, "%s." TL_RECORDS_SERVICE "." TL_RECORDS_DOMAIN, name);
  w->handle = avahi_record_browser_new(e->daemon->client, (AvahiIfIndex)interface,
                                       AVAHI_PROTO_UNSPEC, full, AVAHI_DNS_CLASS_IN,
                                       AVAHI_DNS_TYPE_TXT, AVAHI_LOOKUP_USE_MULTICAST, on_txt, w);
  if (w->handle) return w;
  free(w);
  return NULL;
}

static void engine_watch_end(struct tl_engine *engine, void *handle) {
  struct watch *w = handle;
  (void)engine;
  avahi_record_browser_free(w->handle);
  free(w);
}

/* Announcing */

static int record_add(struct engine *e, AvahiEntryGroup *group, const struct tl_record *record,
                      AvahiPublishFlags more) {
  AvahiPublishFlags flags = record->is_unique ? AVAHI_PUBLISH_UNIQUE | AVAHI_PUBLISH_NO_PROBE
                                              : AVAHI_PUBLISH_ALLOW_MULTIPLE;
  int r = avahi_entry_group_add_record(group, interface_index(e->daemon), AVAHI_PROTO_UNSPEC,
                                       flags | more, record->name, AVAHI_DNS_CLASS_IN, record->type,
                                       record->ttl_s, record->data, record->size);
  return r < 0 ? failure(e, record->name) : 0;
}

static void on_group(AvahiEntryGroup *group, AvahiEntryGroupState state, void *userdata) {
  (void)group, (void)state, (void)userdata;
}

static int group_commit(struct engine *e, AvahiEntryGroup *group) {
  return avahi_entry_group_commit(group) < 0 ? failure(e, "announce") : 0;
}

static int groups_ensure(struct engine *e) {
  AvahiClient *client = e->daemon->client;
  if (!e->base_group) e->base_group = avahi_entry_group_new(client, on_group, e);
  if (!e->label_group) e->label_group = avahi_entry_group_new(client, on_group, e);
  return e->base_group && e->label_group ? 0 : failure(e, "new group");
}

static int base_announce(struct engine *e, const struct tl_record base[TL_RECORDS_BASE]) {
  bool is_first = !e->is_base_announced;
  for (size_t i = 0; i < TL_RECORDS_BASE; i++) {
    if (!is_first && !memcmp(&base[i], &e->base[i], sizeof *base)) continue;
    int r = record_add(e, e->base_group, &base[i], is_first ? 0 : AVAHI_PUBLISH_UPDATE);
    if (r < 0) return r;
  }
  memcpy(e->base, base, sizeof e->base);
  e->is_base_announced = true;
  return is_first ? group_commit(e, e->base_group) : 0;
}

static int labels_announce(struct engine *e, const struct tl_publication *p) {
  struct tl_record record;
  if (tl_publication_has_labels_of(p, &e->announced)) return 0;
  if (avahi_entry_group_reset(e->label_group) < 0) return failure(e, "reset");
  for (size_t i = 0; i < p->label_count; i++) {
    tl_records_label(p, i, &record);
    int r = record_add(e, e->label_group, &record, 0);
    if (r < 0) return r;
  }
  return p->label_count ? group_commit(e, e->label_group) : 0;
}

/* The daemon announces the host's addresses itself: the service points to the host's name. */
static int engine_publish(struct tl_engine *engine, const struct tl_publication *p,
                          const struct tl_interfaces *interfaces) {
  struct engine *e = engine_of(engine);
  struct tl_record base[TL_RECORDS_BASE];
  (void)interfaces;
  int r = groups_ensure(e);
  if (r < 0) return r;
  const char *host = avahi_client_get_host_name_fqdn(e->daemon->client);
  if (!host) return failure(e, "host name");
  r = tl_records_base(p, host, base);
  if (r == 0) r = base_announce(e, base);
  if (r == 0) r = labels_announce(e, p);
  if (r == 0) e->announced = *p;
  return r;
}

static void engine_close(struct tl_engine *engine) {
  struct engine *e = engine_of(engine);
  if (e->browser) avahi_service_browser_free(e->browser);
  if (e->base_group) avahi_entry_group_free(e->base_group);
  if (e->label_group) avahi_entry_group_free(e->label_group);
  e->daemon->engine = NULL;
  free(e);
}

static const struct tl_engine_ops engine_ops = {
    .kind = TL_DISCOVERY_ENGINE_DAEMON,
    .browse = engine_browse,
    .resolve = engine_resolve,
    .resolve_end = engine_resolve_end,
    .watch = engine_watch,
    .watch_end = engine_watch_end,
    .publish = engine_publish,
    .close = engine_close,
};

int tl_daemon_engine_open(struct tl_daemon *d, const struct tl_engine_sink *sink,
                          struct tl_engine **out_engine) {
  TL_ASSERT(tl_daemon_is_usable(d) && !d->engine);
  struct engine *e = calloc(1, sizeof *e);
  if (!e) return TULLE_E_NO_MEMORY;
  *e = (struct engine){.engine = {&engine_ops, *sink}, .daemon = d};
  d->engine = e;
  *out_engine = &e->engine;
  return 0;
}

/* The connection */

static void text_set(struct tl_daemon *d, const char *text) {
  snprintf(d->text, sizeof d->text, "%s", text);
}

static void on_timer(uv_timer_t *timer);

static void soon(struct tl_daemon *d, uint64_t ms) {
  uv_timer_start(&d->timer, on_timer, ms, 0);
}

static void client_running(struct tl_daemon *d, AvahiClient *client) {
  const char *version = avahi_client_get_version_string(client);
  const char *host = avahi_client_get_host_name_fqdn(client);
  d->is_running = true;
  snprintf(d->text, sizeof d->text, "%s on %s", version ? version : "avahi",
           host ? host : "an unnamed host");
}

/* While the daemon looks for another host name its old one must not be pointed to: the engine is
 * closed meanwhile. */
static void on_client(AvahiClient *client, AvahiClientState state, void *userdata) {
  struct tl_daemon *d = userdata;
  d->client = client; /* it may call back before avahi_client_new() returns */
  d->is_running = false;
  switch (state) {
  case AVAHI_CLIENT_S_RUNNING:
    client_running(d, client);
    break;
  case AVAHI_CLIENT_S_REGISTERING:
    text_set(d, "avahi-daemon is starting");
    break;
  case AVAHI_CLIENT_S_COLLISION:
    text_set(d, "avahi-daemon looks for a free host name");
    break;
  case AVAHI_CLIENT_CONNECTING:
    text_set(d, "no avahi-daemon runs");
    d->is_distrusted = false;
    break;
  case AVAHI_CLIENT_FAILURE:
    snprintf(d->text, sizeof d->text, "avahi-daemon is gone: %s",
             avahi_strerror(avahi_client_errno(client)));
    d->is_lost = true;
    d->is_distrusted = false;
    break;
  }
  soon(d, 0);
}

static void client_open(struct tl_daemon *d) {
  int error = 0;
  AvahiClient *client = avahi_client_new(d->poll, AVAHI_CLIENT_NO_FAIL, on_client, d, &error);
  if (!client) {
    d->client = NULL;
    d->is_lost = false;
    text_set(d, "no D-Bus, so no avahi-daemon");
    soon(d, RETRY_NO_BUS_MS);
  }
}

/* Either the state changed and the owner must hear of it, or it is time to try again. */
static void on_timer(uv_timer_t *timer) {
  struct tl_daemon *d = timer->data;
  if (!d->client) {
    client_open(d);
    return;
  }
  d->changed(d->context);
  if (!d->is_lost) return;
  TL_ASSERT(!d->engine);
  avahi_client_free(d->client);
  d->client = NULL;
  d->is_lost = false;
  soon(d, RETRY_LOST_MS);
}

int tl_daemon_new(const AvahiPoll *poll, uv_loop_t *loop, const char *only,
                  void (*changed)(void *context), void *context, struct tl_daemon **out_daemon) {
  struct tl_daemon *d = calloc(1, sizeof *d);
  if (!d) return TULLE_E_NO_MEMORY;
  d->poll = poll;
  d->changed = changed;
  d->context = context;
  snprintf(d->only, sizeof d->only, "%s", only ? only : "");
  uv_timer_init(loop, &d->timer);
  d->timer.data = d;
  client_open(d);
  *out_daemon = d;
  return 0;
}

static void on_closed(uv_handle_t *handle) {
  free(handle->data);
}

struct tl_daemon *tl_daemon_free(struct tl_daemon *d) {
  if (!d) return NULL;
  TL_ASSERT(!d->engine);
  if (d->client) avahi_client_free(d->client);
  uv_timer_stop(&d->timer);
  uv_close((uv_handle_t *)&d->timer, on_closed);
  return NULL;
}

bool tl_daemon_is_usable(const struct tl_daemon *d) {
  return d->is_running && !d->is_distrusted;
}

const char *tl_daemon_text(const struct tl_daemon *d) {
  return d->text;
}

void tl_daemon_distrust(struct tl_daemon *d, const char *reason) {
  if (d->is_distrusted || !d->is_running) return;
  d->is_distrusted = true;
  text_set(d, reason);
  soon(d, 0);
}
