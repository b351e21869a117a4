/* What only the authority's node may do with the fabric as a whole: name it, revoke, recover. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/error.h"
#include "crypto/certificate.h"
#include "crypto/revocation.h"
#include "crypto/trust_internal.h"

/* May this node change the membership now, and has it the memory for it? */
int tl_trust_membership_begin(const struct tl_trust *t, struct tl_trust_state **out_next) {
  if (!t->authority || t->is_recovered) return TULLE_E_REFUSED;
  *out_next = tl_trust_state_clone(t->state);
  return *out_next ? 0 : TULLE_E_NO_MEMORY;
}

static int fabric_rename(struct tl_trust *t, const char *fabric_name) {
  if (!tl_trust_name_is_good(fabric_name)) return TULLE_E_INVALID;
  struct tl_trust_state *next = tl_trust_state_clone(t->state);
  if (!next) return TULLE_E_NO_MEMORY;
  strcpy(next->fabric_name, fabric_name);
  return tl_trust_commit(t, next);
}

int tl_trust_create_fabric(struct tl_trust *trust, const struct tl_identity *identity,
                           const char *fabric_name, bool leave) {
  char node_name[TL_NODE_NAME_BYTES_MAX + 1];
  bool is_own = tl_trust_is_alone(trust) && trust->authority && !trust->is_recovered;
  if (is_own) return fabric_rename(trust, fabric_name);
  if (!leave) return TULLE_E_BUSY;
  strcpy(node_name, trust->state->self.name);
  return tl_trust_fabric_begin(trust, identity, node_name, fabric_name);
}

int tl_trust_rename_node(struct tl_trust *trust, const char *node_name) {
  struct tl_trust_state *next;
  if (!tl_trust_name_is_good(node_name)) return TULLE_E_INVALID;
  if (strcmp(trust->state->self.name, node_name) == 0) return 0;
  if (tl_trust_member_by_name(trust, node_name)) return TULLE_E_EXISTS;
  int r = tl_trust_membership_begin(trust, &next);
  if (r < 0) return r;
  struct tl_certificate c = next->self;
  memset(c.name, 0, sizeof c.name);
  strcpy(c.name, node_name);
  c.serial = ++next->last_serial;
  tl_certificate_issue(trust->authority, &c, next->certificate);
  r = tl_certificate_decode(next->certificate, sizeof next->certificate, &next->self);
  struct tl_member self = {.serial = c.serial, .roles = c.roles};
  memcpy(self.key, c.key, sizeof self.key);
  strcpy(self.name, node_name);
  if (r == 0) r = tl_trust_state_put_member(next, &self);
  return r < 0 ? tl_trust_abandon(next, r) : tl_trust_commit(trust, next);
}

/* A new list: the old entries and, unless it is NULL, one more. */
static int revocations_extend(const struct tl_trust *t, struct tl_trust_state *next,
                              uint32_t version, const struct tl_member *m) {
  const struct tl_revocation_list *old = &next->list;
  size_t old_bytes = (size_t)old->count * TL_REVOCATION_BYTES;
  uint32_t count = old->count + (m ? 1 : 0);
  if (count > TL_REVOCATIONS_MAX) return TULLE_E_LIMIT;
  uint8_t *entries = malloc(old_bytes + TL_REVOCATION_BYTES);
  uint8_t *list = malloc(TL_REVOCATION_LIST_BYTES((size_t)count));
  int r = entries && list ? 0 : TULLE_E_NO_MEMORY;
  if (r == 0) {
    memcpy(entries, old->entries, old_bytes);
    if (m) {
      memcpy(entries + old_bytes, m->key, 32);
      tl_store_le(entries + old_bytes + 32, m->serial, 8);
    }
    size_t size =
        tl_revocations_sign(t->authority, version, old->authority_epoch, entries, count, list);
    r = tl_trust_state_set_revocations(next, list, size);
  }
  free(entries);
  free(list);
  return r;
}

/* Members know the present admission secret as the previous one from then on. */
static void admission_renew(const struct tl_trust *t, struct tl_trust_state *next, uint64_t now_ns,
                            uint64_t epoch) {
  uint8_t secret[32];
  tl_random_fill(t->config.random, secret, sizeof secret);
  tl_trust_admission_shift(next, t->config.parameters, now_ns, epoch, secret);
  sodium_memzero(secret, sizeof secret);
}

int tl_trust_revoke(struct tl_trust *trust, uint64_t now_ns, const uint8_t key[32]) {
  struct tl_trust_state *next;
  if (memcmp(key, trust->own_key, 32) == 0) return TULLE_E_INVALID;
  const struct tl_member *m = tl_trust_member_by_key(trust, key);
  if (!m) return TULLE_E_NO_PEER;
  int r = tl_trust_membership_begin(trust, &next);
  if (r < 0) return r;
  r = revocations_extend(trust, next, next->list.version + 1, m);
  if (r < 0) return tl_trust_abandon(next, r);
  tl_trust_state_drop_revoked(next);
  admission_renew(trust, next, now_ns, next->admission_epoch + 1);
  return tl_trust_commit(trust, next);
}

/* The authority may have signed one list and begun one epoch that it has lost: those numbers are
 * left out. */
int tl_trust_accept(struct tl_trust *trust, uint64_t now_ns) {
  if (!trust->is_recovered) return 0;
  struct tl_trust_state *next = tl_trust_state_clone(trust->state);
  if (!next) return TULLE_E_NO_MEMORY;
  if (trust->authority) {
    int r = revocations_extend(trust, next, next->list.version + 2, NULL);
    if (r < 0) return tl_trust_abandon(next, r);
    admission_renew(trust, next, now_ns, next->admission_epoch + 2);
  }
  int r = tl_trust_commit(trust, next);
  if (r == 0) trust->is_recovered = false;
  return r;
}
