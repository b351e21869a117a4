#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/time.h"
#include "crypto/revocation.h"
#include "crypto/trust_internal.h"

struct tl_trust_state *tl_trust_state_new(void) {
  struct tl_trust_state *state = sodium_malloc(sizeof *state);
  if (state) memset(state, 0, sizeof *state);
  return state;
}

struct tl_trust_state *tl_trust_state_free(struct tl_trust_state *state) {
  if (!state) return NULL;
  free(state->members);
  free(state->revocations);
  sodium_free(state);
  return NULL;
}

struct tl_trust_state *tl_trust_state_clone(const struct tl_trust_state *state) {
  struct tl_trust_state *copy = tl_trust_state_new();
  if (!copy) return NULL;
  *copy = *state;
  copy->members = NULL;
  copy->revocations = NULL;
  copy->members = calloc(state->member_count + 1, sizeof *copy->members);
  if (!copy->members) return tl_trust_state_free(copy);
  if (state->member_count)
    memcpy(copy->members, state->members, state->member_count * sizeof *copy->members);
  if (tl_trust_state_set_revocations(copy, state->revocations, state->revocations_bytes) < 0)
    return tl_trust_state_free(copy);
  return copy;
}

int tl_trust_state_set_revocations(struct tl_trust_state *state, const uint8_t *list, size_t size) {
  uint8_t *copy = malloc(size);
  if (!copy) return TULLE_E_NO_MEMORY;
  memcpy(copy, list, size);
  free(state->revocations);
  state->revocations = copy;
  state->revocations_bytes = size;
  int r = tl_revocation_list_decode(copy, size, &state->list);
  TL_ASSERT(r == 0);
  return 0;
}

static struct tl_member *member_of(const struct tl_trust_state *state, const uint8_t key[32]) {
  for (size_t i = 0; i < state->member_count; i++)
    if (memcmp(state->members[i].key, key, 32) == 0) return &state->members[i];
  return NULL;
}

int tl_trust_state_put_member(struct tl_trust_state *state, const struct tl_member *member) {
  struct tl_member *known = member_of(state, member->key);
  if (!known) {
    if (state->member_count == TL_MEMBERS_MAX) return TULLE_E_LIMIT;
    size_t count = state->member_count + 1;
    struct tl_member *more = reallocarray(state->members, count, sizeof *more);
    if (!more) return TULLE_E_NO_MEMORY;
    state->members = more;
    known = &more[state->member_count++];
  }
  *known = *member;
  tl_node_id_of(known->key, known->node_id);
  return 0;
}

void tl_trust_admission_shift(struct tl_trust_state *s, const struct tl_parameters *parameters,
                              uint64_t now_ns, uint64_t epoch, const uint8_t secret[32]) {
  s->has_previous = true;
  s->previous_epoch = s->admission_epoch;
  memcpy(s->previous_secret, s->admission_secret, 32);
  s->previous_until_ns = tl_time_add(now_ns, parameters->previous_admission_ns);
  s->admission_epoch = epoch;
  memcpy(s->admission_secret, secret, 32);
}

void tl_trust_state_drop_revoked(struct tl_trust_state *state) {
  size_t kept = 0;
  for (size_t i = 0; i < state->member_count; i++) {
    const struct tl_member *m = &state->members[i];
    bool is_self = memcmp(m->key, state->self.key, 32) == 0;
    if (is_self || !tl_revocations_has(&state->list, m->key, m->serial))
      state->members[kept++] = *m;
  }
  state->member_count = kept;
}

struct tl_invitation *tl_trust_state_invitation(const struct tl_trust_state *state,
                                                const uint8_t id[8]) {
  for (size_t i = 0; i < state->invitation_count; i++)
    if (memcmp(state->invitations[i].id, id, 8) == 0)
      return (struct tl_invitation *)&state->invitations[i];
  return NULL;
}

void tl_trust_state_drop_invitation(struct tl_trust_state *state,
                                    struct tl_invitation *invitation) {
  struct tl_invitation *last = &state->invitations[--state->invitation_count];
  memmove(invitation, invitation + 1, (size_t)(last - invitation) * sizeof *last);
  sodium_memzero(last, sizeof *last);
}
