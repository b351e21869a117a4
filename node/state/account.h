/*
 * Accounts: what each user of this machine has taken of the node, charged before it is given.
 *
 * A user may hold at most its limit, and at most half of what the other users have left of the
 * node's whole: so the first one cannot take all, and there is always something for the next one.
 * The whole is twice the limit. Nothing is given without a charge, and every charge is given back
 * when its holder goes, in the same turn of the loop: an account without programs is zero, or the
 * node has a bug and says so.
 */
#ifndef TL_NODE_STATE_ACCOUNT_H
#define TL_NODE_STATE_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/table.h"

enum tl_resource {
  TL_RESOURCE_PROGRAMS,
  TL_RESOURCE_MEMORY,      /* bytes of segments */
  TL_RESOURCE_DESCRIPTORS, /* that the node holds, or has on their way to a program */
  TL_RESOURCE_OBJECTS,     /* services, capabilities, channel ends, calls that wait */
  TL_RESOURCES,
};

/* An amount of everything. */
struct tl_charge {
  uint64_t amount[TL_RESOURCES];
};

struct tl_accounts {
  struct tl_charge limit; /* of one user */
  struct tl_charge used;  /* by all */
  struct tl_table by_uid;
};

struct tl_account {
  struct tl_accounts *accounts;
  struct tl_charge used;
  uint32_t uid;
  uint32_t holders;
};

/* `secret`: for the table, 16 random bytes. */
void tl_accounts_init(struct tl_accounts *a, const struct tl_charge *limit,
                      const uint8_t secret[16]);
/* All accounts are closed. */
void tl_accounts_deinit(struct tl_accounts *a);

/* The account of a user, made when it is the first; held until closed as often as opened. TULLE_E_NO_MEMORY. */
int tl_account_open(struct tl_accounts *a, uint32_t uid, struct tl_account **out_account);
void tl_account_close(struct tl_account *account);

/* All of the charge or, with TULLE_E_LIMIT, nothing of it. */
int tl_account_charge(struct tl_account *account, const struct tl_charge *charge);
void tl_account_release(struct tl_account *account, const struct tl_charge *charge);

/* Somebody else holds it now, whether its limit allows it or not. */
void tl_account_move(struct tl_account *from, struct tl_account *to,
                     const struct tl_charge *charge);

void tl_charge_add(struct tl_charge *sum, const struct tl_charge *charge);

/* "memory": for error texts. */
const char *tl_resource_name(enum tl_resource resource);

/* The resource that a charge would exceed; TL_RESOURCES: none. */
enum tl_resource tl_account_short_of(const struct tl_account *account,
                                     const struct tl_charge *charge);

#endif
