/*
 * The network interfaces that can be used, with their addresses, and the news that they changed.
 *
 * Usable is what is up, has an address and can multicast. `lo` counts only where nothing else is
 * usable, or when it was asked for by name.
 */
#ifndef TL_DISCOVERY_MDNS_INTERFACES_H
#define TL_DISCOVERY_MDNS_INTERFACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "core/address.h"

#define TL_INTERFACES_ADDRESSES_MAX 128

struct tl_interfaces {
  struct tl_interface_address {
    uint32_t interface;
    bool is_loopback;
    struct tl_address address; /* without port and scope */
  } addresses[TL_INTERFACES_ADDRESSES_MAX];
  size_t count;
  bool is_lo_only; /* what there is, is lo */
};

/* Reads what is usable now; `only` is the name of the one interface to use, or NULL. Sorted, so
 * that two readings can be compared. */
void tl_interfaces_read(const char *only, struct tl_interfaces *out);
bool tl_interfaces_is_equal(const struct tl_interfaces *a, const struct tl_interfaces *b);

/* Calls back, on the loop, when something about interfaces or addresses may have changed. */
struct tl_interfaces_watch {
  uv_poll_t handle;
  int fd;
  void (*changed)(void *context);
  void *context;
};

/* A negative errno. */
int tl_interfaces_watch_open(struct tl_interfaces_watch *w, uv_loop_t *loop,
                             void (*changed)(void *context), void *context);
/* The structure must live until the loop has turned. */
void tl_interfaces_watch_close(struct tl_interfaces_watch *w);

#endif
