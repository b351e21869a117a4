#include "discovery/mdns/interfaces.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGES_PER_TURN 64

static bool is_usable(const struct ifaddrs *a, const char *only) {
  if (!a->ifa_addr || (a->ifa_addr->sa_family != AF_INET && a->ifa_addr->sa_family != AF_INET6))
    return false;
  if ((a->ifa_flags & (IFF_UP | IFF_RUNNING)) != (IFF_UP | IFF_RUNNING)) return false;
  if (only) return !strcmp(a->ifa_name, only);
  return (a->ifa_flags & IFF_LOOPBACK) ||
         ((a->ifa_flags & IFF_MULTICAST) && !(a->ifa_flags & IFF_POINTOPOINT));
}

static int address_compare(const void *a, const void *b) {
  return memcmp(a, b, sizeof(struct tl_interface_address));
}

static void address_add(struct tl_interfaces *out, const struct ifaddrs *a) {
  struct tl_interface_address *new = &out->addresses[out->count];
  if (out->count == TL_INTERFACES_ADDRESSES_MAX) return;
  memset(new, 0, sizeof *new); /* with its padding: entries are compared byte by byte */
  if (tl_address_from_sockaddr(a->ifa_addr, &new->address) < 0) return;
  new->address.scope = 0;
  new->interface = if_nametoindex(a->ifa_name);
  new->is_loopback = a->ifa_flags &IFF_LOOPBACK;
  out->count += new->interface != 0;
}

/* Drops lo where there is something else. */
static void loopback_demote(struct tl_interfaces *out) {
  size_t kept = 0;
  for (size_t i = 0; i < out->count; i++) kept += !out->addresses[i].is_loopback;
  out->is_lo_only = out->count && !kept;
  if (!kept) return;
  kept = 0;
  for (size_t i = 0; i < out->count; i++)
    if (!out->addresses[i].is_loopback) out->addresses[kept++] = out->addresses[i];
  out->count = kept;
}

void tl_interfaces_read(const char *only, struct tl_interfaces *out) {
  struct ifaddrs *all = NULL;
  memset(out, 0, sizeof *out);
  if (getifaddrs(&all) < 0) return;
  for (const struct ifaddrs *a = all; a; a = a->ifa_next)
    if (is_usable(a, only)) address_add(out, a);
  freeifaddrs(all);
  loopback_demote(out);
  qsort(out->addresses, out->count, sizeof *out->addresses, address_compare);
}

bool tl_interfaces_is_equal(const struct tl_interfaces *a, const struct tl_interfaces *b) {
  return a->count == b->count &&
         !memcmp(a->addresses, b->addresses, a->count * sizeof *a->addresses);
}

/* What the messages say does not matter: whoever is called reads everything anew. */
static void on_netlink(uv_poll_t *handle, int status, int events) {
  struct tl_interfaces_watch *w = handle->data;
  char message[8192];
  (void)status, (void)events;
  for (int i = 0; i < MESSAGES_PER_TURN; i++)
    if (recv(w->fd, message, sizeof message, MSG_DONTWAIT) < 0 && errno != ENOBUFS) break;
  w->changed(w->context);
}

int tl_interfaces_watch_open(struct tl_interfaces_watch *w, uv_loop_t *loop,
                             void (*changed)(void *context), void *context) {
  struct sockaddr_nl groups = {.nl_family = AF_NETLINK,
                               .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR};
  *w = (struct tl_interfaces_watch){.changed = changed, .context = context};
  w->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  if (w->fd < 0) return -errno;
  int r = bind(w->fd, (const struct sockaddr *)&groups, sizeof groups) < 0 ? -errno : 0;
  if (r == 0) r = uv_poll_init(loop, &w->handle, w->fd);
  if (r < 0) {
    close(w->fd);
    return r;
  }
  w->handle.data = w;
  return uv_poll_start(&w->handle, UV_READABLE, on_netlink);
}

static void on_watch_closed(uv_handle_t *handle) {
  struct tl_interfaces_watch *w = handle->data;
  close(w->fd);
}

void tl_interfaces_watch_close(struct tl_interfaces_watch *w) {
  uv_poll_stop(&w->handle);
  uv_close((uv_handle_t *)&w->handle, on_watch_closed);
}
