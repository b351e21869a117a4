/*
 * An invitation's life: made, perhaps taken back, used once, expired or burnt.
 *
 * It admits one key. "Used by" is on disk before the grant leaves, so whatever crashes, no second
 * key gets one; the same key may fetch its grant again while the invitation lives.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/time.h"
#include "crypto/certificate.h"
#include "crypto/revocation.h"
#include "crypto/trust_internal.h"

static void drop_expired(struct tl_trust_state *s, uint64_t now_ns) {
  for (size_t i = s->invitation_count; i-- > 0;)
    if (!tl_trust_invitation_is_alive(&s->invitations[i], now_ns))
      tl_trust_state_drop_invitation(s, &s->invitations[i]);
  if (tl_trust_has_previous(s, now_ns)) return;
  s->has_previous = false;
  sodium_memzero(s->previous_secret, sizeof s->previous_secret);
}

int tl_trust_expire(struct tl_trust *trust, uint64_t now_ns) {
  const struct tl_trust_state *s = trust->state;
  bool expired = s->has_previous && !tl_trust_has_previous(s, now_ns);
  for (size_t i = 0; i < s->invitation_count; i++)
    expired |= !tl_trust_invitation_is_alive(&s->invitations[i], now_ns);
  if (!expired) return 0;
  struct tl_trust_state *next = tl_trust_state_clone(s);
  if (!next) return TULLE_E_NO_MEMORY;
  drop_expired(next, now_ns);
  return tl_trust_commit(trust, next);
}

uint64_t tl_trust_deadline(const struct tl_trust *trust) {
  const struct tl_trust_state *s = trust->state;
  uint64_t due = s->has_previous ? s->previous_until_ns : TL_NEVER;
  for (size_t i = 0; i < s->invitation_count; i++)
    due = tl_time_min(due, s->invitations[i].expires_ns);
  return due;
}

/* Room for one more: what has expired goes first, then what has been used for longest. */
static int invitation_room(struct tl_trust_state *s, uint64_t now_ns) {
  drop_expired(s, now_ns);
  for (size_t i = 0; s->invitation_count == TL_INVITATIONS_MAX; i++) {
    if (i == s->invitation_count) return TULLE_E_LIMIT;
    if (s->invitations[i].is_used) tl_trust_state_drop_invitation(s, &s->invitations[i]);
  }
  return 0;
}

int tl_trust_invite(struct tl_trust *trust, uint64_t now_ns, uint64_t life_ns, uint32_t roles,
                    struct tl_token *out) {
  struct tl_trust_state *next;
  struct tl_invitation invitation = {.roles = roles};
  int r = tl_trust_membership_begin(trust, &next);
  if (r < 0) return r;
  r = invitation_room(next, now_ns);
  if (r < 0) return tl_trust_abandon(next, r);
  if (!life_ns) life_ns = trust->config.parameters->invitation_ns;
  invitation.expires_ns = tl_time_add(now_ns, life_ns);
  do tl_random_fill(trust->config.random, invitation.id, sizeof invitation.id);
  while (tl_trust_state_invitation(next, invitation.id));
  tl_random_fill(trust->config.random, invitation.secret, sizeof invitation.secret);
  next->invitations[next->invitation_count++] = invitation;
  r = tl_trust_commit(trust, next);
  if (r == 0) {
    memset(out, 0, sizeof *out);
    memcpy(out->invitation_id, invitation.id, sizeof invitation.id);
    memcpy(out->secret, invitation.secret, sizeof invitation.secret);
    memcpy(out->fabric_id, trust->state->fabric_id, 16);
    memcpy(out->inviter_id, trust->own_id, 16);
  }
  sodium_memzero(&invitation, sizeof invitation);
  return r;
}

int tl_trust_uninvite(struct tl_trust *trust, const uint8_t invitation_id[8]) {
  if (!tl_trust_state_invitation(trust->state, invitation_id)) return TULLE_E_NOT_FOUND;
  struct tl_trust_state *next = tl_trust_state_clone(trust->state);
  if (!next) return TULLE_E_NO_MEMORY;
  tl_trust_state_drop_invitation(next, tl_trust_state_invitation(next, invitation_id));
  return tl_trust_commit(trust, next);
}

static void certificate_of(const struct tl_trust *t, const struct tl_member *m,
                           uint8_t out[TL_CERTIFICATE_BYTES]) {
  struct tl_certificate c = {.flags = m->roles & TL_ROLES_INVITE ? TL_CERTIFICATE_MAY_INVITE : 0,
                             .serial = m->serial,
                             .authority_epoch = t->state->list.authority_epoch,
                             .roles = m->roles};
  memcpy(c.key, m->key, 32);
  memcpy(c.name, m->name, sizeof c.name);
  tl_certificate_issue(t->authority, &c, out);
}

/* Always the same bytes for the same member and state: a grant can be fetched again. */
static int grant_make(const struct tl_trust *t, const struct tl_member *m, uint8_t **out,
                      size_t *out_size) {
  const struct tl_trust_state *s = t->state;
  uint8_t certificate[TL_CERTIFICATE_BYTES];
  size_t room = tl_grant_members_max(s->revocations_bytes);
  size_t count = s->member_count < room ? s->member_count : room;
  struct tl_grant g = {.certificate = certificate,
                       .authority_key = s->authority_key,
                       .admission_epoch = s->admission_epoch,
                       .admission_secret = s->admission_secret,
                       .revocations = s->revocations,
                       .revocations_bytes = s->revocations_bytes,
                       .member_count = (uint16_t)count};
  certificate_of(t, m, certificate);
  memcpy(g.fabric_name, s->fabric_name, sizeof g.fabric_name);
  uint8_t *members = malloc(count * TL_GRANT_MEMBER_BYTES);
  uint8_t *bytes = malloc(tl_grant_size(&g));
  if (members && bytes) {
    for (size_t i = 0; i < count; i++)
      tl_grant_member_encode(&s->members[i], members + i * TL_GRANT_MEMBER_BYTES);
    g.members = members;
    *out_size = tl_grant_encode(&g, bytes);
    *out = bytes;
    bytes = NULL;
  }
  free(members);
  free(bytes);
  return g.members ? 0 : TULLE_E_NO_MEMORY;
}

int tl_trust_check_invitation(const struct tl_trust *trust, uint64_t now_ns,
                              const uint8_t invitation_id[8], const uint8_t key[32]) {
  const struct tl_invitation *i = tl_trust_state_invitation(trust->state, invitation_id);
  if (!tl_trust_invitation_is_alive(i, now_ns)) return TL_REFUSED_INVITATION;
  if (i->is_used && sodium_memcmp(i->used_by, key, 32) != 0) return TL_REFUSED_INVITATION_USED;
  return 0;
}

/* Uses the invitation up and adds the member, both in one write. */
static int admit(struct tl_trust *t, const uint8_t invitation_id[8], const uint8_t key[32],
                 const char *name) {
  struct tl_trust_state *next;
  int r = tl_trust_membership_begin(t, &next);
  if (r < 0) return r;
  struct tl_invitation *invitation = tl_trust_state_invitation(next, invitation_id);
  struct tl_member m = {.serial = ++next->last_serial, .roles = invitation->roles};
  memcpy(m.key, key, 32);
  strcpy(m.name, name);
  invitation->is_used = true;
  memcpy(invitation->used_by, key, 32);
  r = tl_trust_state_put_member(next, &m);
  return r < 0 ? tl_trust_abandon(next, r) : tl_trust_commit(t, next);
}

int tl_trust_admit(struct tl_trust *trust, uint64_t now_ns, const uint8_t invitation_id[8],
                   const uint8_t key[32], const char *name, uint8_t **out_grant, size_t *out_size) {
  int r = tl_trust_check_invitation(trust, now_ns, invitation_id, key);
  if (r == TL_REFUSED_INVITATION) return TULLE_E_NOT_FOUND;
  if (r != 0) return TULLE_E_UNTRUSTED;
  if (!trust->authority || trust->is_recovered) return TULLE_E_REFUSED;
  if (tl_revocations_has(&trust->state->list, key, 0)) return TULLE_E_UNTRUSTED;
  if (!tl_trust_state_invitation(trust->state, invitation_id)->is_used) {
    if (!tl_trust_name_is_good(name)) return TULLE_E_INVALID;
    const struct tl_member *same = tl_trust_member_by_name(trust, name);
    if (same && memcmp(same->key, key, 32) != 0) return TULLE_E_EXISTS;
    r = admit(trust, invitation_id, key, name);
    if (r < 0) return r;
  }
  const struct tl_member *m = tl_trust_member_by_key(trust, key);
  return m ? grant_make(trust, m, out_grant, out_size) : TULLE_E_UNTRUSTED;
}

void tl_trust_invitation_failed(struct tl_trust *trust, const uint8_t invitation_id[8]) {
  struct tl_invitation *i = tl_trust_state_invitation(trust->state, invitation_id);
  if (!i || ++i->failures < trust->config.parameters->invitation_bad_max) return;
  /* Where the disk refuses, it is burnt at least for as long as this node runs. */
  if (tl_trust_uninvite(trust, invitation_id) < 0) i->expires_ns = 0;
}
