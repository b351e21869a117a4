/*
 * tulle-mdns: the helper that speaks mDNS for one node.
 *
 * It holds no key and decides nothing: it announces what its node tells it and tells its node what
 * it hears, in lines over one socket (docs/discovery.md). It is a program of its own because
 * whatever parses packets of the whole neighbourhood must have nothing worth stealing, and because
 * avahi gets a clock of its own here (clock.c).
 *
 * This file only wires: arguments, the loop, the socket to the node, and one timer.
 *
 *   timers: REPEAT_NS, after which everything known is told once more, and those of the sights
 */
#include <avahi-core/log.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <uv.h>

#include "core/error.h"
#include "core/log.h"
#include "core/time.h"
#include "discovery/child.h"
#include "discovery/mdns/harden.h"
#include "discovery/mdns/pipe.h"
#include "discovery/mdns/switch.h"

#define COMPONENT "mdns"
#define REPEAT_NS (300 * TL_S) /* a third of the time for which the node believes it */

struct program {
  uv_loop_t loop;
  uv_timer_t timer;
  uv_signal_t terminate;
  struct tl_pipe pipe;
  struct tl_watcher watcher;
  struct tl_switch engines;
  struct tl_publication draft; /* until its commit */
  uint64_t repeat_at;
  bool is_greeted;  /* the node's hello has come, and in our version */
  bool has_greeted; /* our hello is said */
};

struct arguments {
  int fd;
  const char *interface;
  enum tl_switch_mode mode;
};

static const char help[] =
    "usage: tulle-mdns --fd N [--interface NAME]\n"
    "\n"
    "Speaks mDNS for a tulle node, which starts it and talks to it over the socket N.\n"
    "It is not meant to be started by hand; `tulle node` does it.\n"
    "\n"
    "  --fd N             the connected stream socket to the node\n"
    "  --interface NAME   use this network interface only (default: all that can multicast,\n"
    "                     lo only where there is no other)\n"
    "  --help             this text\n"
    "\n"
    "TULLE_MDNS_ENGINE=auto|embedded|daemon chooses the engine (default auto: avahi-daemon\n"
    "where one runs, else the one inside).\n";

/* Lines */

static void publish_begin(struct program *p, const struct tl_line *l) {
  p->draft = (struct tl_publication){.is_set = true, .port = l->port};
  p->draft.advert = (struct tl_advert){
      .version = TL_ADVERT_VERSION, .generation = l->generation, .boot = l->boot};
  memcpy(p->draft.advert.id, l->id, sizeof l->id);
  memcpy(p->draft.advert.tag, l->tag, sizeof l->tag);
}

static void publish_label(struct program *p, const struct tl_line *l) {
  if (p->draft.label_count == TL_CAPABILITIES_MAX) return;
  memcpy(p->draft.labels[p->draft.label_count++], l->label, sizeof l->label);
}

static void on_line(void *context, const struct tl_line *l) {
  struct program *p = context;
  if (l->kind == TL_LINE_HELLO) p->is_greeted = l->version == TL_LINE_VERSION;
  if (!p->is_greeted) return;
  switch (l->kind) {
  case TL_LINE_PUBLISH:
    publish_begin(p, l);
    break;
  case TL_LINE_LABEL:
    publish_label(p, l);
    break;
  case TL_LINE_COMMIT:
    if (p->draft.is_set) tl_switch_publish(&p->engines, &p->draft);
    break;
  case TL_LINE_BROWSE:
    (void)tl_watcher_browse(&p->watcher);
    break;
  default:
    break; /* the node's own words, or nothing that concerns us */
  }
}

static int next_line(void *context, struct tl_line *out_line) {
  struct program *p = context;
  if (!p->has_greeted) {
    p->has_greeted = true;
    *out_line = (struct tl_line){.kind = TL_LINE_HELLO, .version = TL_LINE_VERSION};
    return 0;
  }
  if (tl_switch_poll(&p->engines, out_line) == 0) return 0;
  return tl_sights_poll(&p->watcher.sights, tl_time_now(), out_line);
}

/* Time */

static void on_timer(uv_timer_t *timer);

static void timer_arm(struct program *p) {
  uint64_t now = tl_time_now();
  uint64_t at = tl_time_min(tl_sights_expire(&p->watcher.sights, now), p->repeat_at);
  uv_timer_start(&p->timer, on_timer, at > now ? (at - now) / TL_MS + 1 : 0, 0);
}

static void on_news(void *context) {
  struct program *p = context;
  timer_arm(p);
  tl_pipe_kick(&p->pipe);
}

static void on_timer(uv_timer_t *timer) {
  struct program *p = timer->data;
  if (p->repeat_at <= tl_time_now()) {
    tl_watcher_repeat(&p->watcher);
    p->repeat_at = tl_time_add(tl_time_now(), REPEAT_NS);
  }
  on_news(p);
}

/* Life */

static void on_closed(void *context) {
  uv_stop(&((struct program *)context)->loop);
}

static void on_terminate(uv_signal_t *handle, int number) {
  (void)number;
  uv_stop(handle->loop);
}

static void on_avahi_log(AvahiLogLevel level, const char *text) {
  if (strstr(text, "mDNS stack")) return; /* another responder on this machine is no misfortune */
  tl_log(level <= AVAHI_LOG_ERROR ? TL_LOG_WARNING : TL_LOG_DEBUG, COMPONENT, "avahi: %s", text);
}

/* avahi draws its jitter from rand() and never seeds it: two nodes would answer in step. */
static void seed_random(void) {
  unsigned seed = (unsigned)tl_time_now();
  (void)!getrandom(&seed, sizeof seed, GRND_NONBLOCK);
  srand(seed);
}

static int parts_open(struct program *p, const struct arguments *a) {
  struct tl_pipe_sink sink = {p, on_line, next_line, on_closed};
  uv_timer_init(&p->loop, &p->timer);
  p->timer.data = p;
  uv_signal_init(&p->loop, &p->terminate);
  uv_signal_start(&p->terminate, on_terminate, SIGTERM);
  tl_watcher_init(&p->watcher);
  int r = tl_pipe_open(&p->pipe, &p->loop, a->fd, &sink);
  if (r == 0)
    r = tl_switch_open(&p->engines, &p->loop, &p->watcher, a->mode, a->interface, on_news, p);
  return r;
}

static void parts_close(struct program *p) {
  tl_switch_close(&p->engines);
  tl_watcher_deinit(&p->watcher);
  tl_pipe_close(&p->pipe);
  uv_close((uv_handle_t *)&p->timer, NULL);
  uv_close((uv_handle_t *)&p->terminate, NULL);
  (void)uv_run(&p->loop, UV_RUN_DEFAULT);
  TL_ASSERT(uv_loop_close(&p->loop) == 0);
}

static int run(const struct arguments *a) {
  static struct program p;
  p.repeat_at = tl_time_add(tl_time_now(), REPEAT_NS);
  if (uv_loop_init(&p.loop) < 0) return EXIT_FAILURE;
  int r = parts_open(&p, a);
  if (r < 0) {
    tl_log(TL_LOG_ERROR, COMPONENT, "cannot start: %s", tulle_error_text(r));
    return EXIT_FAILURE;
  }
  on_news(&p);
  (void)uv_run(&p.loop, UV_RUN_DEFAULT);
  parts_close(&p);
  return EXIT_SUCCESS;
}

/* Arguments */

static int mode_parse(enum tl_switch_mode *out) {
  static const char *const names[] = {
      [TL_SWITCH_AUTO] = "auto", [TL_SWITCH_EMBEDDED] = "embedded", [TL_SWITCH_DAEMON] = "daemon"};
  const char *asked = getenv("TULLE_MDNS_ENGINE");
  *out = TL_SWITCH_AUTO;
  for (size_t i = 0; asked && i < sizeof names / sizeof *names; i++) {
    if (strcmp(asked, names[i]) != 0) continue;
    *out = (enum tl_switch_mode)i;
    return 0;
  }
  return asked ? TULLE_E_INVALID : 0;
}

static int fd_parse(const char *text, int *out) {
  struct stat s;
  char *end;
  long v = strtol(text, &end, 10);
  if (*end || end == text || v <= 2 || v > 1000000) return TULLE_E_INVALID;
  if (fstat((int)v, &s) < 0 || !S_ISSOCK(s.st_mode)) return TULLE_E_INVALID;
  *out = (int)v;
  return 0;
}

static int arguments_parse(int argc, char **argv, struct arguments *out) {
  *out = (struct arguments){.fd = -1};
  for (int i = 1; i + 1 < argc; i += 2) {
    if (!strcmp(argv[i], "--fd") && fd_parse(argv[i + 1], &out->fd) == 0) continue;
    if (!strcmp(argv[i], "--interface")) {
      out->interface = argv[i + 1];
      continue;
    }
    return TULLE_E_INVALID;
  }
  return argc % 2 && out->fd >= 0 ? mode_parse(&out->mode) : TULLE_E_INVALID;
}

int main(int argc, char **argv) {
  struct arguments a;
  if (argc == 2 && !strcmp(argv[1], "--help")) return fputs(help, stdout), EXIT_SUCCESS;
  if (arguments_parse(argc, argv, &a) < 0) return fputs(help, stderr), 2;
  signal(SIGINT, SIG_IGN); /* the terminal's: the node decides when we end, by closing the socket */
  signal(SIGHUP, SIG_IGN);
  int r = tl_harden(a.fd);
  if (r < 0) {
    tl_log(TL_LOG_ERROR, COMPONENT, "cannot give up root: %s", tulle_error_text(r));
    return EXIT_FAILURE;
  }
  seed_random();
  avahi_set_log_function(on_avahi_log);
  return run(&a);
}
