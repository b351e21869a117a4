#include "discovery/mdns/answer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "discovery/mdns/sights.h"

AvahiProtocol tl_answer_protocol(int family) {
  return family == TL_SIGHT_V6 ? AVAHI_PROTO_INET6 : AVAHI_PROTO_INET;
}

AvahiAddress tl_answer_to_avahi(const struct tl_address *address) {
  AvahiAddress a = {.proto = tl_address_is_v4(address) ? AVAHI_PROTO_INET : AVAHI_PROTO_INET6};
  if (a.proto == AVAHI_PROTO_INET)
    memcpy(&a.data.ipv4, address->ip + 12, sizeof a.data.ipv4);
  else
    memcpy(&a.data.ipv6, address->ip, sizeof a.data.ipv6);
  return a;
}

/* A link-local address means something on the interface that it was heard on only. */
static void address_from_avahi(const AvahiAddress *a, AvahiIfIndex interface, uint16_t port,
                               struct tl_address *out) {
  struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
  if (a->proto == AVAHI_PROTO_INET) {
    v4.sin_addr.s_addr = a->data.ipv4.address;
    (void)tl_address_from_sockaddr((const struct sockaddr *)&v4, out);
    return;
  }
  memcpy(&v6.sin6_addr, a->data.ipv6.address, sizeof v6.sin6_addr);
  if (IN6_IS_ADDR_LINKLOCAL(&v6.sin6_addr)) v6.sin6_scope_id = (uint32_t)interface;
  (void)tl_address_from_sockaddr((const struct sockaddr *)&v6, out);
}

void tl_answer_give(const struct tl_engine_sink *sink, void *cookie, int family,
                    AvahiResolverEvent event, AvahiIfIndex interface, const AvahiAddress *address,
                    uint16_t port, AvahiStringList *txt) {
  uint8_t data[TL_ADVERT_TXT_BYTES_MAX];
  struct tl_engine_answer answer = {.interface = (uint32_t)interface, .txt = data};
  size_t size = event == AVAHI_RESOLVER_FOUND ? avahi_string_list_serialize(txt, NULL, 0) : 0;
  if (event != AVAHI_RESOLVER_FOUND || !address || size > sizeof data) {
    sink->resolved(sink->context, cookie, family, NULL);
    return;
  }
  answer.txt_size = avahi_string_list_serialize(txt, data, sizeof data);
  address_from_avahi(address, interface, port, &answer.address);
  sink->resolved(sink->context, cookie, family, &answer);
}

void tl_answer_give_txt(const struct tl_engine_sink *sink, void *cookie, AvahiBrowserEvent event,
                        AvahiProtocol protocol, const void *data, size_t size) {
  if (event != AVAHI_BROWSER_NEW && event != AVAHI_BROWSER_REMOVE) return;
  sink->txt(sink->context, cookie, event == AVAHI_BROWSER_NEW, protocol == AVAHI_PROTO_INET6, data,
            size);
}
