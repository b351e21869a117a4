/* The engine that is avahi-core in this process. */
#ifndef TL_DISCOVERY_MDNS_EMBEDDED_H
#define TL_DISCOVERY_MDNS_EMBEDDED_H

#include <avahi-common/watch.h>

#include "discovery/mdns/engine.h"

/* Answers and listens on the interface `only`, or on all but lo, or on lo where it is the only
 * one. Borrows `poll` until it is closed. TULLE_E_IO with the reason in the log: no socket, no
 * netlink. TULLE_E_NO_MEMORY. */
int tl_embedded_open(const AvahiPoll *poll, const struct tl_engine_sink *sink, const char *only,
                     const struct tl_interfaces *interfaces, struct tl_engine **out_engine);

#endif
