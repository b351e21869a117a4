/*
 * The engine that is avahi-daemon, over D-Bus, and the hope for one: the object lives whether or
 * not a bus and a daemon are there, and says when that changes.
 *
 * A bus without the daemon is waited on; a bus that is not there is tried every 5 s. When the
 * daemon dies or restarts, the connection and all that hangs on it are dead; a new one is made a
 * second later.
 *
 * A daemon that was asked and refused (publishing switched off), or whose clock was set back (it
 * answers nothing until the clock catches up), is distrusted until it restarts.
 */
#ifndef TL_DISCOVERY_MDNS_DAEMON_H
#define TL_DISCOVERY_MDNS_DAEMON_H

#include <avahi-common/watch.h>
#include <uv.h>

#include "discovery/mdns/engine.h"

struct tl_daemon;

/* `changed` is called from the loop, never from inside a call made here. When it is called and the
 * daemon is no longer usable, the engine must be closed before `changed` returns.
 * TULLE_E_NO_MEMORY. */
int tl_daemon_new(const AvahiPoll *poll, uv_loop_t *loop, const char *only,
                  void (*changed)(void *context), void *context, struct tl_daemon **out_daemon);

/* The engine must be closed. The memory lives until the loop has turned. */
struct tl_daemon *tl_daemon_free(struct tl_daemon *d);

bool tl_daemon_is_usable(const struct tl_daemon *d);

/* What it is, or why there is none; a sentence for people. */
const char *tl_daemon_text(const struct tl_daemon *d);

/* Not usable any more, for that reason, until it restarts. `changed` follows. */
void tl_daemon_distrust(struct tl_daemon *d, const char *reason);

/* The engine of a usable daemon; one at a time. TULLE_E_NO_MEMORY. */
int tl_daemon_engine_open(struct tl_daemon *d, const struct tl_engine_sink *sink,
                          struct tl_engine **out_engine);

#endif
