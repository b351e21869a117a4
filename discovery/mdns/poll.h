/*
 * avahi's idea of an event loop (AvahiPoll), on libuv.
 *
 * avahi may watch one descriptor twice, libuv may not; so each watch polls a duplicate of its own.
 * avahi's timeouts are absolute times of the clock in clock.c.
 */
#ifndef TL_DISCOVERY_MDNS_POLL_H
#define TL_DISCOVERY_MDNS_POLL_H

#include <avahi-common/watch.h>
#include <uv.h>

/* The result borrows the loop. All callbacks run on its thread. Watches and timeouts that avahi
 * frees leave the loop one turn later. */
AvahiPoll tl_mdns_poll_on(uv_loop_t *loop);

#endif
