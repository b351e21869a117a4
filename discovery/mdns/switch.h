/*
 * Chooses the engine and changes it while the program runs: avahi-daemon where one runs and can be
 * trusted, else avahi-core in this process. What is to be announced is kept here and handed to
 * every new engine; what was seen is kept by the watcher across the change.
 *
 * Also follows the network interfaces: new addresses are announced, and when the last real
 * interface goes (or the first one comes) the embedded engine starts again on lo (or without it).
 *
 * The old engine is closed before the new one speaks: the goodbye of the old would cancel the word
 * of the new.
 */
#ifndef TL_DISCOVERY_MDNS_SWITCH_H
#define TL_DISCOVERY_MDNS_SWITCH_H

#include <uv.h>

#include "discovery/mdns/daemon.h"
#include "discovery/mdns/engine.h"
#include "discovery/mdns/step.h"
#include "discovery/mdns/watcher.h"

enum tl_switch_mode { TL_SWITCH_AUTO, TL_SWITCH_EMBEDDED, TL_SWITCH_DAEMON };

struct tl_switch {
  uv_loop_t *loop;
  AvahiPoll poll;
  enum tl_switch_mode mode;
  const char *only; /* the one interface to use, or NULL */
  struct tl_watcher *watcher;
  void (*news)(void *context); /* the watcher or the status has something to say */
  void *context;

  struct tl_daemon *daemon;
  struct tl_engine *engine;
  bool is_broken;       /* the engine said that it failed */
  bool is_engine_on_lo; /* the embedded engine was opened for lo only */
  struct tl_interfaces interfaces;
  struct tl_interfaces_watch interfaces_watch;
  struct tl_step_watch step_watch;
  bool has_step_watch;
  uv_timer_t timer; /* to choose again: soon, or after a failure */
  struct tl_publication publication;

  bool has_status; /* since it was taken last */
  enum tl_discovery_engine status;
  char text[TL_DISCOVERY_REASON_SIZE];
};

/* Everything is borrowed. TULLE_E_NO_MEMORY, or a negative errno where the interfaces cannot be
 * followed. Half-open objects are to be closed, too. */
int tl_switch_open(struct tl_switch *s, uv_loop_t *loop, struct tl_watcher *watcher,
                   enum tl_switch_mode mode, const char *only, void (*news)(void *context),
                   void *context);

/* Announce this instead of what was announced before. */
void tl_switch_publish(struct tl_switch *s, const struct tl_publication *p);

/* 0 and a status line if there is a new one, or TL_EMPTY. */
int tl_switch_poll(struct tl_switch *s, struct tl_line *out_line);

/* Says goodbye. The structure must live until the loop has ended. */
void tl_switch_close(struct tl_switch *s);

#endif
