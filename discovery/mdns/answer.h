/* What both engines do alike: avahi's addresses and answers, translated. */
#ifndef TL_DISCOVERY_MDNS_ANSWER_H
#define TL_DISCOVERY_MDNS_ANSWER_H

#include <avahi-common/address.h>
#include <avahi-common/defs.h>
#include <avahi-common/strlst.h>

#include "discovery/mdns/engine.h"

/* Addresses of a family are asked for over that family: avahi-daemon tells no IPv4 address over
 * IPv6, and a resolver that may use both stays with the one that answered first. */
AvahiProtocol tl_answer_protocol(int family);
AvahiAddress tl_answer_to_avahi(const struct tl_address *address);

/* Hands what a resolver's callback got to the sink. */
void tl_answer_give(const struct tl_engine_sink *sink, void *cookie, int family,
                    AvahiResolverEvent event, AvahiIfIndex interface, const AvahiAddress *address,
                    uint16_t port, AvahiStringList *txt);

/* The same for the callback of a watch on TXT records. */
void tl_answer_give_txt(const struct tl_engine_sink *sink, void *cookie, AvahiBrowserEvent event,
                        AvahiProtocol protocol, const void *data, size_t size);

#endif
