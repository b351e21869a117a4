/* Questions to the trust store: nothing here changes it. */
#include <string.h>

#include "core/bytes.h"
#include "crypto/certificate.h"
#include "crypto/revocation.h"
#include "crypto/trust_internal.h"

const struct tl_trust_state *tl_trust_state_of(const struct tl_trust *trust) {
  return trust->state;
}

bool tl_trust_is_authority(const struct tl_trust *trust) {
  return trust->authority != NULL;
}

bool tl_trust_is_recovered(const struct tl_trust *trust) {
  return trust->is_recovered;
}

bool tl_trust_is_alone(const struct tl_trust *trust) {
  return trust->state->member_count == 1;
}

const struct tl_member *tl_trust_member_by_key(const struct tl_trust *trust,
                                               const uint8_t key[32]) {
  const struct tl_trust_state *s = trust->state;
  for (size_t i = 0; i < s->member_count; i++)
    if (memcmp(s->members[i].key, key, 32) == 0) return &s->members[i];
  return NULL;
}

const struct tl_member *tl_trust_member_by_id(const struct tl_trust *trust,
                                              const uint8_t node_id[16]) {
  const struct tl_trust_state *s = trust->state;
  for (size_t i = 0; i < s->member_count; i++)
    if (memcmp(s->members[i].node_id, node_id, 16) == 0) return &s->members[i];
  return NULL;
}

const struct tl_member *tl_trust_member_by_name(const struct tl_trust *trust, const char *name) {
  const struct tl_trust_state *s = trust->state;
  for (size_t i = 0; i < s->member_count; i++)
    if (strcmp(s->members[i].name, name) == 0) return &s->members[i];
  return NULL;
}

bool tl_trust_has_previous(const struct tl_trust_state *s, uint64_t now_ns) {
  return s->has_previous && now_ns < s->previous_until_ns;
}

bool tl_trust_invitation_is_alive(const struct tl_invitation *i, uint64_t now_ns) {
  return i && now_ns < i->expires_ns;
}

const struct tl_gate *tl_trust_gate(const struct tl_trust *trust, uint64_t now_ns, bool join,
                                    const uint8_t psk_id[8]) {
  const struct tl_trust_state *s = trust->state;
  if (join) {
    const struct tl_invitation *i = tl_trust_state_invitation(s, psk_id);
    return tl_trust_invitation_is_alive(i, now_ns)
               ? &trust->gates[GATE_INVITATIONS + (i - s->invitations)]
               : NULL;
  }
  uint64_t epoch = tl_load_le(psk_id, 8);
  if (epoch == s->admission_epoch) return &trust->gates[GATE_CURRENT];
  return tl_trust_has_previous(s, now_ns) && epoch == s->previous_epoch
             ? &trust->gates[GATE_PREVIOUS]
             : NULL;
}

const struct tl_gate *tl_trust_own_gate(const struct tl_trust *trust, uint64_t now_ns,
                                        bool previous) {
  if (!previous) return &trust->gates[GATE_CURRENT];
  return tl_trust_has_previous(trust->state, now_ns) ? &trust->gates[GATE_PREVIOUS] : NULL;
}

int tl_trust_check(const struct tl_trust *trust, const uint8_t *certificate, size_t size,
                   const uint8_t key[32], uint64_t wall_s, struct tl_certificate *out) {
  const struct tl_trust_state *s = trust->state;
  struct tl_certificate c;
  int r = tl_certificate_verify(certificate, size, s->authority_key, key, wall_s, &c);
  if (r != 0) return r;
  if (c.authority_epoch < s->list.authority_epoch) return TL_REFUSED_CERTIFICATE_EPOCH;
  if (tl_revocations_has(&s->list, key, c.serial)) return TL_REFUSED_REVOKED;
  *out = c;
  return 0;
}
