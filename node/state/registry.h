/*
 * Who serves what: the live table of all services that this node knows, its own and those of other
 * nodes.
 *
 * A place is a node: this one (`here`) or a peer. Places stand in order of nearness; each has its
 * offers. A name leads to all offers of that name and to the calls that wait for one. What is in
 * the table exists: an offer goes in the moment its program or its node goes. What went is
 * remembered for a while, so that an error can say who served a name last, until when, and why it
 * ended.
 *
 * `generation` rises with every change of this node's own offers: what other nodes compare to see
 * whether their copy is fresh.
 */
#ifndef TL_NODE_STATE_REGISTRY_H
#define TL_NODE_STATE_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/limits.h"
#include "core/list.h"
#include "core/table.h"
#include "core/wire/service.h"

#define TL_REGISTRY_RECENT_MAX 256 /* names that ended and are remembered */

struct tl_program;

/* A node that serves something. Its owner keeps the memory and fills it in. */
struct tl_place {
  uint8_t node_id[16];
  char node_id_text[48]; /* as people write it */
  char node_name[TL_NODE_NAME_BYTES_MAX + 1];
  bool is_here;
  bool is_reachable;     /* calls can be made now */
  char path[8];          /* "ring", "udp", "tcp" */
  uint64_t rtt_ns;       /* nearness; 0 here */
  struct tl_list link;   /* registry->places, nearest first */
  struct tl_list offers; /* tl_offer.in_place, oldest first */
};

struct tl_name {
  char text[TL_SERVICE_NAME_BYTES_MAX + 1];
  struct tl_list offers;  /* tl_offer.in_name */
  struct tl_list waiting; /* whoever waits for an offer (service.h) */
};

struct tl_offer {
  struct tl_name *name;
  struct tl_place *place;
  struct tl_program *program; /* here: who serves it; else NULL */
  struct tl_capability_info *capabilities;
  size_t capability_count;
  uint64_t generation; /* the change that it came with, or was changed by last */
  uint64_t since;      /* when it came, ns */
  bool has_interface;
  uint8_t fingerprint[TL_FINGERPRINT_BYTES];
  char *interface; /* here: its text (interface.h); of others only the fingerprint is known */
  size_t interface_size;
  bool is_hidden; /* found only by name */
  struct tl_list in_name;
  struct tl_list in_place;
  struct tl_list in_program;
  struct tl_list ends; /* here: tl_end.in_offer, the server's ends of open channels */
};

/* An offer that ended. */
struct tl_ended {
  uint64_t generation; /* an offer of this node: the change that its end was; else 0 */
  char name[TL_SERVICE_NAME_BYTES_MAX + 1];
  char node_name[TL_NODE_NAME_BYTES_MAX + 1];
  char reason[48];
  uint64_t at; /* ns */
};

struct tl_registry {
  struct tl_table names;
  struct tl_list places;
  struct tl_place here;
  uint64_t generation;
  uint64_t forgotten; /* the last change among `recent` that is not remembered any more */
  size_t offer_count;
  struct tl_ended recent[TL_REGISTRY_RECENT_MAX]; /* a ring */
  size_t recent_count;                            /* ever */
};

void tl_registry_init(struct tl_registry *r, const uint8_t secret[16]);
/* No offers and no waits are left. */
void tl_registry_deinit(struct tl_registry *r);

/* Puts a place where its rtt_ns says; also after that has changed. */
void tl_registry_sort_place(struct tl_registry *r, struct tl_place *place);

/* Takes a place in (its owner has filled in who it is), or out, when its offers are gone. */
void tl_registry_add_place(struct tl_registry *r, struct tl_place *place);
void tl_registry_remove_place(struct tl_registry *r, struct tl_place *place);

/* One change of this node's own offers. */
struct tl_change {
  uint64_t generation;
  const struct tl_offer *offer; /* new or changed; NULL: `name` is offered no more */
  char name[TL_SERVICE_NAME_BYTES_MAX + 1];
  bool is_forgotten; /* what ended is not remembered any more: begin with everything */
};

/* The oldest change after generation `told`; of ends, only those after `told_from` as well. TL_EMPTY: none. Cost: linear
 * in this node's own offers. */
int tl_registry_next_change(const struct tl_registry *r, uint64_t told, uint64_t told_from,
                            struct tl_change *out);

/* What an offer says, as formats know it. */
void tl_offer_describe(const struct tl_offer *offer, struct tl_service_info *out);

/* Adds an offer of `place`; `program` is NULL for a peer's. TULLE_E_NO_MEMORY. The names are valid. */
int tl_registry_add(struct tl_registry *r, struct tl_place *place, struct tl_program *program,
                    const struct tl_service_info *info, uint64_t now, struct tl_offer **out_offer);

/* Replaces capabilities, `hidden` and the interface. TULLE_E_NO_MEMORY: nothing has changed. */
int tl_registry_update(struct tl_registry *r, struct tl_offer *offer,
                       const struct tl_service_info *info);

/* Its ends are closed already. Returns NULL. */
struct tl_offer *tl_registry_remove(struct tl_registry *r, struct tl_offer *offer,
                                    const char *reason, uint64_t now);

/* The name, made when it is new, so that somebody can wait for it; unused ones go with
 * tl_registry_drop_name(). NULL: no memory. */
struct tl_name *tl_registry_name(struct tl_registry *r, const char *name);
void tl_registry_drop_name(struct tl_registry *r, struct tl_name *name);

/* The offer of that name at that place, or NULL. */
struct tl_offer *tl_registry_find_at(const struct tl_registry *r, const char *name,
                                     const struct tl_place *place);

/* The nearest offer of the name at a reachable place; `node` (name or id text of a place) and `capability` narrow it, or are NULL. NULL: none. */
struct tl_offer *tl_registry_find(const struct tl_registry *r, const char *name, const char *node,
                                  const char *capability);

bool tl_offer_has_capability(const struct tl_offer *offer, const char *capability);

/* All offers, nearest first: start with NULL; NULL at the end. */
struct tl_offer *tl_registry_next(const struct tl_registry *r, const struct tl_offer *offer);

/* The place called so, by name or by id; NULL: none, or (by name) several. */
struct tl_place *tl_registry_place(const struct tl_registry *r, const char *node);

/* Who served the name last; NULL: nobody lately. */
const struct tl_ended *tl_registry_last(const struct tl_registry *r, const char *name);

/* A name that is offered and looks like this one; NULL: none. Looks at a bounded number of names. */
const char *tl_registry_similar(const struct tl_registry *r, const char *name);

#endif
