#include "node/state/account.h"

#include <stdlib.h>

void tl_accounts_init(struct tl_accounts *a, const struct tl_charge *limit,
                      const uint8_t secret[16]) {
  *a = (struct tl_accounts){.limit = *limit};
  tl_table_init(&a->by_uid, secret);
}

void tl_accounts_deinit(struct tl_accounts *a) {
  TL_ASSERT(a->by_uid.used == 0);
  tl_table_deinit(&a->by_uid);
}

int tl_account_open(struct tl_accounts *a, uint32_t uid, struct tl_account **out_account) {
  struct tl_account *account = tl_table_find(&a->by_uid, &uid, sizeof uid);
  if (!account) {
    account = calloc(1, sizeof *account);
    if (!account) return TULLE_E_NO_MEMORY;
    account->accounts = a;
    account->uid = uid;
    int r = tl_table_insert(&a->by_uid, &account->uid, sizeof account->uid, account);
    if (r < 0) {
      free(account);
      return r;
    }
  }
  account->holders++;
  *out_account = account;
  return 0;
}

void tl_account_close(struct tl_account *account) {
  TL_ASSERT(account->holders > 0);
  if (--account->holders > 0) return;
  for (int i = 0; i < TL_RESOURCES; i++) TL_ASSERT(account->used.amount[i] == 0);
  tl_table_remove(&account->accounts->by_uid, &account->uid, sizeof account->uid);
  free(account);
}

/* Half of what the others have left: own <= (all - others) / 2, which is own <= free. */
static bool account_has_room(const struct tl_account *account, int resource, uint64_t amount) {
  const struct tl_accounts *a = account->accounts;
  uint64_t limit = a->limit.amount[resource], own = account->used.amount[resource];
  if (amount > limit || own > limit - amount) return false;
  uint64_t others = a->used.amount[resource] - own, all = 2 * limit;
  return others < all && own + amount <= (all - others) / 2;
}

enum tl_resource tl_account_short_of(const struct tl_account *account,
                                     const struct tl_charge *charge) {
  for (int i = 0; i < TL_RESOURCES; i++)
    if (charge->amount[i] && !account_has_room(account, i, charge->amount[i]))
      return (enum tl_resource)i;
  return TL_RESOURCES;
}

void tl_charge_add(struct tl_charge *sum, const struct tl_charge *charge) {
  for (int i = 0; i < TL_RESOURCES; i++) sum->amount[i] += charge->amount[i];
}

static void charge_subtract(struct tl_charge *sum, const struct tl_charge *charge) {
  for (int i = 0; i < TL_RESOURCES; i++) {
    TL_ASSERT(sum->amount[i] >= charge->amount[i]);
    sum->amount[i] -= charge->amount[i];
  }
}

int tl_account_charge(struct tl_account *account, const struct tl_charge *charge) {
  if (tl_account_short_of(account, charge) != TL_RESOURCES) return TULLE_E_LIMIT;
  tl_charge_add(&account->used, charge);
  tl_charge_add(&account->accounts->used, charge);
  return 0;
}

void tl_account_release(struct tl_account *account, const struct tl_charge *charge) {
  charge_subtract(&account->used, charge);
  charge_subtract(&account->accounts->used, charge);
}

void tl_account_move(struct tl_account *from, struct tl_account *to,
                     const struct tl_charge *charge) {
  charge_subtract(&from->used, charge);
  charge_subtract(&from->accounts->used, charge);
  tl_charge_add(&to->used, charge);
  tl_charge_add(&to->accounts->used, charge);
}

const char *tl_resource_name(enum tl_resource resource) {
  static const char *const names[TL_RESOURCES + 1] = {
      [TL_RESOURCE_PROGRAMS] = "programs",
      [TL_RESOURCE_MEMORY] = "shared memory",
      [TL_RESOURCE_DESCRIPTORS] = "descriptors",
      [TL_RESOURCE_OBJECTS] = "objects",
      [TL_RESOURCES] = "nothing",
  };
  return names[resource];
}
