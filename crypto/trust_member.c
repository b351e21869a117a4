/* What every member does with its trust store: join, take news from the authority, note and pin. */
#include <sodium.h>
#include <string.h>

#include "core/error.h"
#include "crypto/certificate.h"
#include "crypto/revocation.h"
#include "crypto/trust_internal.h"

static int members_take(struct tl_trust_state *s, const struct tl_grant *g) {
  struct tl_member m;
  int r = 0;
  for (uint16_t i = 0; r == 0 && i < g->member_count; i++) {
    r = tl_grant_member_at(g, i, &m);
    if (r == 0) r = tl_trust_state_put_member(s, &m);
  }
  return r;
}

/* This node's own record is what its certificate says, whatever the list of members says. */
static int member_take_self(struct tl_trust_state *s) {
  struct tl_member m = {.serial = s->self.serial, .roles = s->self.roles};
  memcpy(m.key, s->self.key, 32);
  memcpy(m.name, s->self.name, sizeof m.name);
  return tl_trust_state_put_member(s, &m);
}

static int grant_check(const struct tl_grant *g, const struct tl_identity *identity,
                       const struct tl_token *token, struct tl_certificate *out_self) {
  uint8_t fabric_id[16];
  struct tl_revocation_list list;
  tl_fabric_id_of(g->authority_key, fabric_id);
  if (sodium_memcmp(fabric_id, token->fabric_id, 16) != 0) return TULLE_E_UNTRUSTED;
  if (tl_certificate_verify(g->certificate, TL_CERTIFICATE_BYTES, g->authority_key, identity->key,
                            0, out_self) != 0)
    return TULLE_E_UNTRUSTED;
  int r = tl_revocations_verify(g->revocations, g->revocations_bytes, g->authority_key, &list);
  if (r < 0) return r;
  return tl_revocations_has(&list, identity->key, out_self->serial) ? TULLE_E_UNTRUSTED : 0;
}

static int state_of_grant(const struct tl_trust *t, const struct tl_grant *g,
                          const struct tl_certificate *self, struct tl_trust_state **out) {
  struct tl_trust_state *s = tl_trust_state_new();
  if (!s) return TULLE_E_NO_MEMORY;
  memcpy(s->fabric_id, self->fabric_id, 16);
  memcpy(s->authority_key, g->authority_key, 32);
  memcpy(s->fabric_name, g->fabric_name, sizeof s->fabric_name);
  s->admission_epoch = g->admission_epoch;
  memcpy(s->admission_secret, g->admission_secret, 32);
  memcpy(s->certificate, g->certificate, sizeof s->certificate);
  s->self = *self;
  memcpy(s->boot_id, t->config.boot_id, 16);
  s->pin_count = t->state->pin_count;
  memcpy(s->pins, t->state->pins, sizeof s->pins);
  int r = tl_trust_state_set_revocations(s, g->revocations, g->revocations_bytes);
  if (r == 0) r = members_take(s, g);
  if (r == 0) r = member_take_self(s);
  if (r < 0) return tl_trust_abandon(s, r);
  *out = s;
  return 0;
}

/* The key of a fabric that this node has left opens nothing: authority_find() passes it over. */
static void authority_forget(struct tl_trust *t) {
  const struct tl_disk *d = t->config.disk;
  t->authority = tl_authority_free(t->authority);
  d->remove(d->context, TL_AUTHORITY_FILE);
  d->remove(d->context, TL_AUTHORITY_FILE_NEW);
  d->sync_directory(d->context);
}

int tl_trust_join(struct tl_trust *trust, const struct tl_identity *identity,
                  const struct tl_token *token, const uint8_t *grant, size_t size, bool leave) {
  struct tl_grant g;
  struct tl_certificate self;
  struct tl_trust_state *next = NULL;
  if (!tl_trust_is_alone(trust) && !leave &&
      memcmp(trust->state->fabric_id, token->fabric_id, 16) != 0)
    return TULLE_E_BUSY;
  int r = tl_grant_decode(grant, size, &g);
  if (r == 0) r = grant_check(&g, identity, token, &self);
  if (r == 0) r = state_of_grant(trust, &g, &self, &next);
  if (r == 0) r = tl_trust_commit(trust, next);
  if (r < 0) return r;
  trust->is_recovered = false;
  if (trust->authority && !tl_trust_authority_fits(trust->authority, trust->state->fabric_id))
    authority_forget(trust);
  return 0;
}

int tl_trust_update_revocations(struct tl_trust *trust, const uint8_t *list, size_t size) {
  struct tl_revocation_list l;
  int r = tl_revocations_verify(list, size, trust->state->authority_key, &l);
  if (r < 0) return r;
  if (l.version < trust->state->list.version) return TL_EMPTY;
  if (l.version == trust->state->list.version) {
    trust->is_recovered = false;
    return TL_EMPTY;
  }
  struct tl_trust_state *next = tl_trust_state_clone(trust->state);
  if (!next) return TULLE_E_NO_MEMORY;
  r = tl_trust_state_set_revocations(next, list, size);
  if (r < 0) return tl_trust_abandon(next, r);
  tl_trust_state_drop_revoked(next);
  r = tl_trust_commit(trust, next);
  if (r == 0) trust->is_recovered = false;
  return r;
}

int tl_trust_update_admission(struct tl_trust *trust, uint64_t now_ns, uint64_t epoch,
                              const uint8_t secret[32]) {
  if (epoch <= trust->state->admission_epoch) return TL_EMPTY;
  struct tl_trust_state *next = tl_trust_state_clone(trust->state);
  if (!next) return TULLE_E_NO_MEMORY;
  tl_trust_admission_shift(next, trust->config.parameters, now_ns, epoch, secret);
  return tl_trust_commit(trust, next);
}

static bool is_same_member(const struct tl_member *m, const struct tl_certificate *c) {
  return m && m->serial == c->serial && m->roles == c->roles && strcmp(m->name, c->name) == 0;
}

int tl_trust_note_member(struct tl_trust *trust, const struct tl_certificate *certificate) {
  const struct tl_certificate *c = certificate;
  if (is_same_member(tl_trust_member_by_key(trust, c->key), c)) return 0;
  if (trust->is_recovered) return TULLE_E_REFUSED;
  struct tl_trust_state *next = tl_trust_state_clone(trust->state);
  if (!next) return TULLE_E_NO_MEMORY;
  struct tl_member m = {.serial = c->serial, .roles = c->roles};
  memcpy(m.key, c->key, 32);
  memcpy(m.name, c->name, sizeof m.name);
  int r = tl_trust_state_put_member(next, &m);
  return r < 0 ? tl_trust_abandon(next, r) : tl_trust_commit(trust, next);
}

int tl_trust_pin(struct tl_trust *trust, const uint8_t key[32], const char *name) {
  const struct tl_trust_state *s = trust->state;
  struct tl_pin pin = {0};
  if (!tl_trust_name_is_good(name)) return TULLE_E_INVALID;
  for (size_t i = 0; i < s->pin_count; i++)
    if (strcmp(s->pins[i].name, name) == 0)
      return memcmp(s->pins[i].key, key, 32) == 0 ? 0 : TULLE_E_UNTRUSTED;
  if (s->pin_count == TL_PINS_MAX) return TULLE_E_LIMIT;
  struct tl_trust_state *next = tl_trust_state_clone(s);
  if (!next) return TULLE_E_NO_MEMORY;
  memcpy(pin.key, key, 32);
  tl_node_id_of(key, pin.node_id);
  strcpy(pin.name, name);
  next->pins[next->pin_count++] = pin;
  return tl_trust_commit(trust, next);
}
