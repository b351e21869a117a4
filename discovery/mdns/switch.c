/*
 * All news that may change the choice (the daemon, the interfaces, a failure, the clock) end in
 * choose(), which looks at the state of things and makes it so. It is never reached from inside an
 * engine's callback, because it may free the engine.
 */
#include "discovery/mdns/switch.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/log.h"
#include "discovery/mdns/embedded.h"
#include "discovery/mdns/poll.h"

#define COMPONENT "mdns"
#define SETTLE_MS 100 /* changes of interfaces come in bursts */
#define RETRY_MS  5000

static void soon(struct tl_switch *s, uint64_t ms);

/* Status */

static void status_set(struct tl_switch *s, enum tl_discovery_engine engine, const char *text) {
  if (s->status == engine && !strcmp(s->text, text)) return;
  s->status = engine;
  snprintf(s->text, sizeof s->text, "%s", text);
  s->has_status = true;
  s->news(s->context);
}

static const char *interfaces_text(const struct tl_switch *s) {
  if (!s->interfaces.count)
    return s->only ? "; the interface to use is not up" : "; no interface is up";
  return s->interfaces.is_lo_only && !s->only ? "; only lo is up" : "";
}

static void status_tell(struct tl_switch *s) {
  char text[TL_DISCOVERY_REASON_SIZE];
  const char *why = s->daemon ? tl_daemon_text(s->daemon) : "as asked for";
  if (!s->engine) {
    status_set(s, TL_DISCOVERY_ENGINE_NONE,
               s->mode == TL_SWITCH_DAEMON ? why : "the embedded engine does not start");
  } else if (s->engine->ops->kind == TL_DISCOVERY_ENGINE_DAEMON) {
    status_set(s, TL_DISCOVERY_ENGINE_DAEMON, why);
  } else {
    snprintf(text, sizeof text, "%.100s%s", why, interfaces_text(s));
    status_set(s, TL_DISCOVERY_ENGINE_EMBEDDED, text);
  }
}

int tl_switch_poll(struct tl_switch *s, struct tl_line *out_line) {
  if (!s->has_status) return TL_EMPTY;
  s->has_status = false;
  *out_line = (struct tl_line){.kind = TL_LINE_STATUS, .engine = s->status};
  memcpy(out_line->text, s->text, sizeof out_line->text);
  return 0;
}

/* The engine's words */

static void on_browsed(void *context, bool is_there, uint32_t interface, unsigned protocol,
                       const char *name) {
  struct tl_switch *s = context;
  tl_watcher_browsed(s->watcher, is_there, interface, protocol, name);
  s->news(s->context);
}

static void on_resolved(void *context, void *cookie, int family,
                        const struct tl_engine_answer *answer) {
  struct tl_switch *s = context;
  tl_watcher_resolved(s->watcher, cookie, family, answer);
  s->news(s->context);
}

static void on_txt(void *context, void *cookie, bool is_there, unsigned protocol,
                   const uint8_t *data, size_t size) {
  struct tl_switch *s = context;
  tl_watcher_txt(s->watcher, cookie, is_there, protocol, data, size);
  s->news(s->context);
}

/* Inside a call of the engine's: it is closed later. */
static void on_failed(void *context, const char *reason) {
  struct tl_switch *s = context;
  tl_log(TL_LOG_WARNING, COMPONENT, "the engine failed: %s", reason);
  s->is_broken = true;
  soon(s, 0);
}

/* Choosing */

static enum tl_discovery_engine wanted(const struct tl_switch *s) {
  if (s->daemon && tl_daemon_is_usable(s->daemon)) return TL_DISCOVERY_ENGINE_DAEMON;
  return s->mode == TL_SWITCH_DAEMON ? TL_DISCOVERY_ENGINE_NONE : TL_DISCOVERY_ENGINE_EMBEDDED;
}

static bool is_right(const struct tl_switch *s) {
  if (!s->engine && wanted(s) == TL_DISCOVERY_ENGINE_NONE) return true;
  if (!s->engine || s->is_broken || s->engine->ops->kind != wanted(s)) return false;
  if (s->engine->ops->kind == TL_DISCOVERY_ENGINE_DAEMON || s->only) return true;
  return s->is_engine_on_lo == s->interfaces.is_lo_only;
}

static void engine_leave(struct tl_switch *s) {
  s->is_broken = false;
  if (!s->engine) return;
  tl_watcher_detach(s->watcher);
  s->engine->ops->close(s->engine);
  s->engine = NULL;
}

static void engine_publish(struct tl_switch *s) {
  if (!s->engine || !s->publication.is_set) return;
  if (s->engine->ops->publish(s->engine, &s->publication, &s->interfaces) == 0) return;
  if (s->engine->ops->kind == TL_DISCOVERY_ENGINE_DAEMON)
    tl_daemon_distrust(s->daemon, "avahi-daemon does not let this node publish");
}

static void engine_enter(struct tl_switch *s) {
  struct tl_engine_sink sink = {s, on_browsed, on_resolved, on_txt, on_failed};
  struct tl_engine *engine = NULL;
  int r;
  s->is_engine_on_lo = s->interfaces.is_lo_only;
  if (wanted(s) == TL_DISCOVERY_ENGINE_NONE) return;
  if (wanted(s) == TL_DISCOVERY_ENGINE_DAEMON)
    r = tl_daemon_engine_open(s->daemon, &sink, &engine);
  else
    r = tl_embedded_open(&s->poll, &sink, s->only, &s->interfaces, &engine);
  if (r < 0) {
    soon(s, RETRY_MS);
    return;
  }
  s->engine = engine;
  engine_publish(s);
  if (tl_watcher_attach(s->watcher, engine) < 0) s->is_broken = true;
  if (s->is_broken) soon(s, RETRY_MS);
}

/* Everything that may have changed comes here, outside of any engine's callback. */
static void choose(struct tl_switch *s) {
  struct tl_interfaces before = s->interfaces;
  tl_interfaces_read(s->only, &s->interfaces);
  if (!is_right(s)) {
    engine_leave(s);
    engine_enter(s);
  } else if (!tl_interfaces_is_equal(&before, &s->interfaces)) {
    engine_publish(s);
  }
  status_tell(s);
}

static void on_timer(uv_timer_t *timer) {
  choose(timer->data);
}

static void soon(struct tl_switch *s, uint64_t ms) {
  uv_timer_start(&s->timer, on_timer, ms, 0);
}

static void on_daemon_changed(void *context) {
  struct tl_switch *s = context;
  if (s->engine && s->engine->ops->kind == TL_DISCOVERY_ENGINE_DAEMON &&
      !tl_daemon_is_usable(s->daemon))
    s->is_broken = true;
  choose(s);
}

static void on_interfaces_changed(void *context) {
  soon(context, SETTLE_MS);
}

static void on_set_back(void *context, int64_t seconds) {
  struct tl_switch *s = context;
  char text[TL_DISCOVERY_REASON_SIZE];
  snprintf(text, sizeof text,
           "the clock was set back by %" PRId64
           " s, avahi-daemon answers nothing until it restarts",
           seconds);
  if (s->daemon) tl_daemon_distrust(s->daemon, text);
}

void tl_switch_publish(struct tl_switch *s, const struct tl_publication *p) {
  s->publication = *p;
  tl_watcher_ignore(s->watcher, p->advert.id);
  engine_publish(s);
}

/* Life */

int tl_switch_open(struct tl_switch *s, uv_loop_t *loop, struct tl_watcher *watcher,
                   enum tl_switch_mode mode, const char *only, void (*news)(void *context),
                   void *context) {
  *s = (struct tl_switch){.loop = loop,
                          .mode = mode,
                          .only = only,
                          .watcher = watcher,
                          .news = news,
                          .context = context};
  s->poll = tl_mdns_poll_on(loop);
  uv_timer_init(loop, &s->timer);
  s->timer.data = s;
  int r = tl_interfaces_watch_open(&s->interfaces_watch, loop, on_interfaces_changed, s);
  if (r < 0) return r;
  if (mode != TL_SWITCH_EMBEDDED) {
    r = tl_daemon_new(&s->poll, loop, only, on_daemon_changed, s, &s->daemon);
    if (r < 0) return r;
    s->has_step_watch = tl_step_watch_open(&s->step_watch, loop, on_set_back, s) == 0;
  }
  choose(s);
  return 0;
}

void tl_switch_close(struct tl_switch *s) {
  engine_leave(s);
  s->daemon = tl_daemon_free(s->daemon);
  if (s->has_step_watch) tl_step_watch_close(&s->step_watch);
  if (s->interfaces_watch.handle.data) tl_interfaces_watch_close(&s->interfaces_watch);
  uv_timer_stop(&s->timer);
  uv_close((uv_handle_t *)&s->timer, NULL);
}
