#include "core/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

_Static_assert(sizeof(struct tl_address) == 24, "memcmp must see no padding");

bool tl_address_is_v4(const struct tl_address *a) {
  return memcmp(a->ip, mapped_prefix, sizeof mapped_prefix) == 0;
}

bool tl_address_is_equal(const struct tl_address *a, const struct tl_address *b) {
  return memcmp(a, b, sizeof *a) == 0;
}

static int parse_number(const char *text, unsigned long max, unsigned long *out) {
  char *end;
  if (*text < '0' || *text > '9') return TULLE_E_INVALID;
  unsigned long v = strtoul(text, &end, 10);
  if (*end || v > max) return TULLE_E_INVALID;
  *out = v;
  return 0;
}

static int parse_host(char *host, struct tl_address *out) {
  char *percent = strchr(host, '%');
  unsigned long scope = 0;
  if (percent) {
    *percent = 0;
    if (parse_number(percent + 1, UINT32_MAX, &scope) < 0) return TULLE_E_INVALID;
  }
  out->scope = (uint32_t)scope;
  if (inet_pton(AF_INET6, host, out->ip) == 1) return 0;
  memcpy(out->ip, mapped_prefix, sizeof mapped_prefix);
  return inet_pton(AF_INET, host, out->ip + 12) == 1 ? 0 : TULLE_E_INVALID;
}

int tl_address_parse(const char *text, uint16_t port_default, struct tl_address *out) {
  char copy[TL_ADDRESS_TEXT_SIZE];
  struct tl_address a = {.port = port_default};
  if (strlen(text) >= sizeof copy) return TULLE_E_INVALID;
  strcpy(copy, text);
  char *host = copy, *port = NULL;
  if (*host == '[') {
    char *close = strchr(++host, ']');
    if (!close || (close[1] && close[1] != ':')) return TULLE_E_INVALID;
    port = close[1] ? close + 2 : NULL;
    *close = 0;
  } else {
    char *colon = strchr(host, ':');
    if (colon && !strchr(colon + 1, ':')) *colon = 0, port = colon + 1;
  }
  unsigned long v;
  if (port) {
    if (parse_number(port, UINT16_MAX, &v) < 0) return TULLE_E_INVALID;
    a.port = (uint16_t)v;
  }
  if (parse_host(host, &a) < 0) return TULLE_E_INVALID;
  *out = a;
  return 0;
}

void tl_address_format(const struct tl_address *a, char out[TL_ADDRESS_TEXT_SIZE]) {
  char host[INET6_ADDRSTRLEN];
  if (tl_address_is_v4(a)) {
    inet_ntop(AF_INET, a->ip + 12, host, sizeof host);
    snprintf(out, TL_ADDRESS_TEXT_SIZE, "%s:%u", host, a->port);
    return;
  }
  inet_ntop(AF_INET6, a->ip, host, sizeof host);
  if (a->scope)
    snprintf(out, TL_ADDRESS_TEXT_SIZE, "[%s%%%u]:%u", host, a->scope, a->port);
  else
    snprintf(out, TL_ADDRESS_TEXT_SIZE, "[%s]:%u", host, a->port);
}

socklen_t tl_address_to_sockaddr(const struct tl_address *a, bool dual,
                                 struct sockaddr_storage *out) {
  memset(out, 0, sizeof *out);
  if (tl_address_is_v4(a) && !dual) {
    struct sockaddr_in *s4 = (struct sockaddr_in *)out;
    s4->sin_family = AF_INET;
    s4->sin_port = htons(a->port);
    memcpy(&s4->sin_addr, a->ip + 12, 4);
    return sizeof *s4;
  }
  struct sockaddr_in6 *s6 = (struct sockaddr_in6 *)out;
  s6->sin6_family = AF_INET6;
  s6->sin6_port = htons(a->port);
  s6->sin6_scope_id = a->scope;
  memcpy(&s6->sin6_addr, a->ip, 16);
  return sizeof *s6;
}

int tl_address_from_sockaddr(const struct sockaddr *s, struct tl_address *out) {
  struct tl_address a = {0};
  if (s->sa_family == AF_INET) {
    const struct sockaddr_in *s4 = (const struct sockaddr_in *)(const void *)s;
    memcpy(a.ip, mapped_prefix, sizeof mapped_prefix);
    memcpy(a.ip + 12, &s4->sin_addr, 4);
    a.port = ntohs(s4->sin_port);
  } else if (s->sa_family == AF_INET6) {
    const struct sockaddr_in6 *s6 = (const struct sockaddr_in6 *)(const void *)s;
    memcpy(a.ip, &s6->sin6_addr, 16);
    a.port = ntohs(s6->sin6_port);
    a.scope = s6->sin6_scope_id;
  } else {
    return TULLE_E_UNSUPPORTED;
  }
  *out = a;
  return 0;
}
