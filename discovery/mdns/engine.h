/*
 * What an mDNS engine does, so that the rest of the program need not know which one runs:
 * avahi-core in this process (embedded.c) or avahi-daemon over D-Bus (daemon.c).
 *
 * An engine browses for `_tulle._udp` from its opening on and calls the sink with what it hears;
 * the sink may be called before the opening function returns. It opens resolvers on demand and
 * announces one publication. When it fails it says so once and is then closed by its owner, not
 * from inside the call.
 */
#ifndef TL_DISCOVERY_MDNS_ENGINE_H
#define TL_DISCOVERY_MDNS_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "discovery/discovery.h"
#include "discovery/mdns/interfaces.h"
#include "discovery/mdns/records.h"

/* A resolver's answer, valid during the call. */
struct tl_engine_answer {
  uint32_t interface;
  struct tl_address address; /* with port and scope */
  const uint8_t *txt;        /* record data */
  size_t txt_size;
};

struct tl_engine_sink {
  void *context;
  /* The instance `name` appeared or vanished on an interface, as protocol 0 (IPv4) or 1 (IPv6)
   * says. */
  void (*browsed)(void *context, bool is_there, uint32_t interface, unsigned protocol,
                  const char *name);
  /* For the resolver opened with `cookie`: an answer, every time it changes, or NULL: nothing to
   * be had now. */
  void (*resolved)(void *context, void *cookie, int family, const struct tl_engine_answer *answer);
  /* For the TXT watch opened with `cookie`: a record appeared or vanished. Several at once mean
   * several owners. */
  void (*txt)(void *context, void *cookie, bool is_there, unsigned protocol, const uint8_t *data,
              size_t size);
  /* The engine is of no use any more. */
  void (*failed)(void *context, const char *reason);
};

struct tl_engine;

struct tl_engine_ops {
  enum tl_discovery_engine kind;

  /* Starts browsing anew: everything that is there is reported once more. 0 or TULLE_E_IO. */
  int (*browse)(struct tl_engine *e);

  /* Looks for one address of `family` (TL_SIGHT_V4 or _V6) of the instance `name`. The handle, or
   * NULL. */
  void *(*resolve)(struct tl_engine *e, uint32_t interface, const char *name, int family,
                   void *cookie);
  void (*resolve_end)(struct tl_engine *e, void *handle);

  /* Reports every TXT record of the instance `name`. The handle, or NULL. */
  void *(*watch)(struct tl_engine *e, uint32_t interface, const char *name, void *cookie);
  void (*watch_end)(struct tl_engine *e, void *handle);

  /* Announces exactly this from now on; what did not change is left alone. 0 or an error, which is
   * logged by the caller and leaves the engine running. */
  int (*publish)(struct tl_engine *e, const struct tl_publication *p,
                 const struct tl_interfaces *interfaces);

  /* Says goodbye on the network and frees everything; open resolvers and watches must be ended
   * before. */
  void (*close)(struct tl_engine *e);
};

struct tl_engine {
  const struct tl_engine_ops *ops;
  struct tl_engine_sink sink;
};

#endif
