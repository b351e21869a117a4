/*
 * An Internet address and port, independent of any socket structure, comparable byte for byte.
 *
 * IPv4 stands in its IPv4-mapped IPv6 form, so that one code path serves both families. `scope` is
 * the interface index of a link-local address, else 0.
 */
#ifndef TL_CORE_ADDRESS_H
#define TL_CORE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct tl_address {
  uint8_t ip[16];
  uint32_t scope;
  uint16_t port;
  uint16_t zero; /* always 0: the structure has no padding, so memcmp compares it */
};

#define TL_ADDRESS_TEXT_SIZE 72 /* "[ffff:...:255.255.255.255%4294967295]:65535" and its zero */

bool tl_address_is_v4(const struct tl_address *a);
bool tl_address_is_equal(const struct tl_address *a, const struct tl_address *b);

/* "10.0.0.1:8855", "[fe80::1%2]:8855"; a missing port takes `port_default`. A host name is refused
 * with TULLE_E_INVALID: names are looked up by whoever took them from a person. */
int tl_address_parse(const char *text, uint16_t port_default, struct tl_address *out);
void tl_address_format(const struct tl_address *a, char out[TL_ADDRESS_TEXT_SIZE]);

/* To and from sockets. to_sockaddr writes AF_INET for IPv4 unless `dual`, where it writes the
 * mapped AF_INET6. */
socklen_t tl_address_to_sockaddr(const struct tl_address *a, bool dual,
                                 struct sockaddr_storage *out);
int tl_address_from_sockaddr(const struct sockaddr *s, struct tl_address *out);

#endif
