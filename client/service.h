/*
 * What a program offers: a name, its procedures, and whether the node knows.
 *
 * A procedure is found by the length and bytes of its name: first the one called last on the
 * channel, then the few there are, and with many by a hash.
 */
#ifndef TL_CLIENT_SERVICE_H
#define TL_CLIENT_SERVICE_H

#include "client/call.h"
#include "core/table.h"
#include "core/wire/service.h"
#include "tulle/service.h"

struct tl_procedure {
  const char *name;
  size_t name_size;
  tulle_handler *handler;
  void *userdata;
};

enum tl_registration {
  TL_REGISTER_OFFERED, /* tulle_offer() is at it */
  TL_REGISTER_WANTED,  /* the node that knew it has died */
  TL_REGISTER_ASKED,
  TL_REGISTER_DONE,
};

struct tulle_service {
  struct tulle *t;
  uint64_t process;
  struct tl_list link; /* attachment's lock */
  struct tl_service_info info;
  void *object;    /* the program's */
  char *interface; /* info.interface */
  struct tl_procedure *procedures;
  size_t procedure_count;
  char *names;
  struct tl_table by_name;           /* of procedures, when there are many */
  enum tl_registration registration; /* attachment's lock */
  uint32_t running; /* atomic, a futex: its calls on threads that do not lead the loop, and
                       TL_SERVICE_WITHDRAWN */
};

#define TL_SERVICE_WITHDRAWN UINT32_C(0x80000000)

/* A call on a thread that does not lead begins; and ends, after which the service may be gone. */
void tl_service_runs(struct tulle_service *s);
void tl_service_ran(struct tulle_service *s);

/* Waits until no call of it runs on such a thread. None may begin any more. */
void tl_service_wait_for_handlers(struct tulle_service *s);

/* NULL: no such procedure. */
const struct tl_procedure *tl_service_find(const struct tulle_service *s, const char *name,
                                           size_t name_size);

/* The procedure whose name is nearest, or NULL if none is near. */
const struct tl_procedure *tl_service_nearest(const struct tulle_service *s, const char *name,
                                              size_t name_size);

/* (attachment's lock) The service of that name, or NULL. */
struct tulle_service *tl_service_of_name(struct tulle *t, const char *name);

/* (attachment's lock) Tells the node of all services that it has not been told of. Does not wait. */
void tl_services_register(struct tulle *t);

/* (attachment's lock) The node has died: all want to be registered. */
void tl_services_forget_node(struct tulle *t);

/* A service that nobody knows of yet. INVALID, LIMIT, NO_MEMORY. */
int tl_service_new(struct tulle *t, const struct tulle_offer *offer, struct tulle_service **out);

/* tulle_offer() with what tulle_call_object() yields. */
int tl_offer(struct tulle *t, const struct tulle_offer *offer, void *object,
             struct tulle_service **out);

/* What `register` is told of it, to be freed; NULL: no memory. */
uint8_t *tl_service_encode_registration(const struct tulle_service *s, size_t *out_size);

/* Frees the memory alone. */
struct tulle_service *tl_service_free(struct tulle_service *s);

#endif
