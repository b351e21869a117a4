/* The trust store's operations: who may do what, what the others then believe, and that nothing goes back. */
#include "crypto/trust.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/error.h"
#include "core/time.h"
#include "crypto/certificate.h"
#include "crypto/revocation.h"
#include "tests/support/node_fixture.h"
#include "tests/unit/test.h"

#define NOW  (10 * TL_S)
#define LIFE (15 * 60 * TL_S)

struct world {
  struct node_fixture anna, bert, carl;
};

static int setup(void **state) {
  struct world *w = calloc(1, sizeof *w);
  node_fixture_init(&w->anna, 1, "anna");
  node_fixture_init(&w->bert, 2, "bert");
  node_fixture_init(&w->carl, 3, "carl");
  *state = w;
  return 0;
}

static int teardown(void **state) {
  struct world *w = *state;
  node_fixture_deinit(&w->anna);
  node_fixture_deinit(&w->bert);
  node_fixture_deinit(&w->carl);
  free(w);
  return 0;
}

static const struct tl_trust_state *state_of(const struct node_fixture *node) {
  return tl_trust_state_of(node->trust);
}

static void check_self(const struct node_fixture *node, const struct node_fixture *authority) {
  struct tl_certificate c;
  const struct tl_trust_state *s = state_of(node);
  assert_int_equal(tl_trust_check(authority->trust, s->certificate, sizeof s->certificate,
                                  node->identity->key, 0, &c),
                   0);
  assert_int_equal(c.serial, s->self.serial);
}

/* ---- beginning ---- */

static void a_fabric_of_one(void **state) {
  struct world *w = *state;
  const struct tl_trust_state *s = state_of(&w->anna);
  assert_true(tl_trust_is_authority(w->anna.trust) && tl_trust_is_alone(w->anna.trust));
  assert_false(tl_trust_is_recovered(w->anna.trust));
  assert_string_equal(s->fabric_name, "anna");
  assert_string_equal(s->self.name, "anna");
  assert_int_equal(s->self.roles, TL_ROLES_DEFAULT | TL_ROLES_ADMIN);
  assert_int_equal(s->self.flags, TL_CERTIFICATE_MAY_INVITE);
  assert_true(s->generation == 1 && s->list.version == 1 && s->list.count == 0);
  assert_true(s->admission_epoch == 1 && !s->has_previous);
  check_self(&w->anna, &w->anna);
}

static void the_same_after_a_restart(void **state) {
  struct world *w = *state;
  uint8_t key[32], certificate[TL_CERTIFICATE_BYTES], secret[32];
  const struct tl_trust_state *s = state_of(&w->anna);
  memcpy(key, w->anna.identity->key, 32);
  memcpy(certificate, s->certificate, sizeof certificate);
  memcpy(secret, s->admission_secret, 32);
  node_fixture_restart(&w->anna, NOW);
  s = state_of(&w->anna);
  assert_memory_equal(key, w->anna.identity->key, 32);
  assert_memory_equal(certificate, s->certificate, sizeof certificate);
  assert_memory_equal(secret, s->admission_secret, 32);
  assert_true(tl_trust_is_authority(w->anna.trust));
}

static void a_fabric_gets_a_name(void **state) {
  struct world *w = *state;
  uint8_t id[16];
  memcpy(id, state_of(&w->anna)->fabric_id, 16);
  assert_int_equal(tl_trust_create_fabric(w->anna.trust, w->anna.identity, "lab", false), 0);
  assert_string_equal(state_of(&w->anna)->fabric_name, "lab");
  assert_memory_equal(state_of(&w->anna)->fabric_id, id, 16);
  static const char *const bad[] = {"", "two words", "-lab", "a/b", "line\nbreak"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_int_equal(tl_trust_create_fabric(w->anna.trust, w->anna.identity, bad[i], false),
                     TULLE_E_INVALID);
  node_fixture_restart(&w->anna, NOW);
  assert_string_equal(state_of(&w->anna)->fabric_name, "lab");
}

static void a_node_gets_a_name(void **state) {
  struct world *w = *state;
  node_fixture_join(&w->bert, &w->anna, NOW);
  assert_int_equal(tl_trust_rename_node(w->anna.trust, "bert"), TULLE_E_EXISTS);
  assert_int_equal(tl_trust_rename_node(w->anna.trust, "no good"), TULLE_E_INVALID);
  assert_int_equal(tl_trust_rename_node(w->bert.trust, "carl"), TULLE_E_REFUSED);
  assert_int_equal(tl_trust_rename_node(w->anna.trust, "osprey"), 0);
  assert_string_equal(state_of(&w->anna)->self.name, "osprey");
  assert_int_equal(state_of(&w->anna)->self.serial, 3);
  assert_int_equal(state_of(&w->anna)->member_count, 2);
  check_self(&w->anna, &w->bert);
  node_fixture_restart(&w->anna, NOW);
  assert_string_equal(state_of(&w->anna)->self.name, "osprey");
}

/* ---- joining ---- */

static void a_newcomer_is_admitted(void **state) {
  struct world *w = *state;
  node_fixture_join(&w->bert, &w->anna, NOW);
  const struct tl_trust_state *a = state_of(&w->anna), *b = state_of(&w->bert);
  assert_memory_equal(a->fabric_id, b->fabric_id, 16);
  assert_memory_equal(a->admission_secret, b->admission_secret, 32);
  assert_string_equal(b->fabric_name, "anna");
  assert_true(a->member_count == 2 && b->member_count == 2);
  assert_false(tl_trust_is_authority(w->bert.trust) || tl_trust_is_alone(w->bert.trust));
  check_self(&w->bert, &w->anna);
  check_self(&w->anna, &w->bert);
  assert_int_equal(b->self.serial, 2);
  assert_non_null(tl_trust_member_by_name(w->bert.trust, "anna"));
  assert_non_null(tl_trust_member_by_id(w->anna.trust, w->bert.identity->node_id));
  assert_null(tl_trust_member_by_name(w->anna.trust, "carl"));
  node_fixture_restart(&w->bert, NOW);
  assert_int_equal(state_of(&w->bert)->member_count, 2);
  assert_false(tl_trust_is_authority(w->bert.trust));
  size_t size;
  assert_null(disk_memory_file(&w->bert.memory, TL_AUTHORITY_FILE, &size));
}

/* What comes back for one admission; the grant is freed. */
static int admit(struct node_fixture *anna, uint64_t now, const struct tl_token *token,
                 const struct node_fixture *who, const char *name) {
  uint8_t *grant = NULL;
  size_t size;
  int r = tl_trust_admit(anna->trust, now, token->invitation_id, who->identity->key, name, &grant,
                         &size);
  free(grant);
  return r;
}

static void invite(struct node_fixture *anna, struct tl_token *out) {
  assert_int_equal(tl_trust_invite(anna->trust, NOW, 0, TL_ROLES_DEFAULT, out), 0);
}

static void one_key_for_an_invitation(void **state) {
  struct world *w = *state;
  struct tl_token token;
  invite(&w->anna, &token);
  assert_int_equal(admit(&w->anna, NOW, &token, &w->bert, "bert"), 0);
  assert_int_equal(admit(&w->anna, NOW, &token, &w->carl, "carl"), TULLE_E_UNTRUSTED);
  assert_int_equal(admit(&w->anna, NOW, &token, &w->bert, "other"), 0); /* its grant again */
  assert_string_equal(tl_trust_member_by_key(w->anna.trust, w->bert.identity->key)->name, "bert");
  node_fixture_restart(&w->anna, NOW);
  assert_int_equal(admit(&w->anna, NOW, &token, &w->carl, "carl"), TULLE_E_UNTRUSTED);
  assert_int_equal(admit(&w->anna, NOW, &token, &w->bert, "bert"), 0);
  assert_int_equal(admit(&w->anna, NOW + LIFE, &token, &w->bert, "bert"), TULLE_E_NOT_FOUND);
  assert_int_equal(state_of(&w->anna)->member_count, 2);
}

static void a_grant_is_the_same_each_time(void **state) {
  struct world *w = *state;
  struct tl_token token;
  uint8_t *one, *two;
  size_t size_one, size_two;
  invite(&w->anna, &token);
  for (int i = 0; i < 2; i++)
    assert_int_equal(tl_trust_admit(w->anna.trust, NOW, token.invitation_id, w->bert.identity->key,
                                    "bert", i ? &two : &one, i ? &size_two : &size_one),
                     0);
  assert_int_equal(size_one, size_two);
  assert_memory_equal(one, two, size_one);
  free(one);
  free(two);
}

static void admissions_that_are_refused(void **state) {
  struct world *w = *state;
  struct tl_token token, unknown = {.invitation_id = {1}};
  invite(&w->anna, &token);
  assert_int_equal(admit(&w->anna, NOW, &unknown, &w->bert, "bert"), TULLE_E_NOT_FOUND);
  assert_int_equal(admit(&w->anna, NOW + LIFE, &token, &w->bert, "bert"), TULLE_E_NOT_FOUND);
  assert_int_equal(admit(&w->anna, NOW, &token, &w->bert, "anna"), TULLE_E_EXISTS);
  assert_int_equal(admit(&w->anna, NOW, &token, &w->bert, ""), TULLE_E_INVALID);
  assert_int_equal(admit(&w->anna, NOW, &token, &w->bert, "no blanks"), TULLE_E_INVALID);
  assert_int_equal(admit(&w->anna, NOW, &token, &w->bert,
                         "a-name-that-is-longer-than-the-sixty-three-bytes-which-are-allowed"),
                   TULLE_E_INVALID);
  assert_int_equal(state_of(&w->anna)->member_count, 1);
  assert_int_equal(admit(&w->anna, NOW, &token, &w->bert, "bert"), 0);
}

static void only_the_authority_invites(void **state) {
  struct world *w = *state;
  struct tl_token token;
  node_fixture_join(&w->bert, &w->anna, NOW);
  assert_int_equal(tl_trust_invite(w->bert.trust, NOW, 0, 1, &token), TULLE_E_REFUSED);
  assert_int_equal(tl_trust_revoke(w->bert.trust, NOW, w->anna.identity->key), TULLE_E_REFUSED);
}

static void eight_invitations(void **state) {
  struct world *w = *state;
  struct tl_token tokens[TL_INVITATIONS_MAX], more;
  for (size_t i = 0; i < TL_INVITATIONS_MAX; i++) invite(&w->anna, &tokens[i]);
  assert_int_equal(tl_trust_invite(w->anna.trust, NOW, 0, 1, &more), TULLE_E_LIMIT);
  assert_int_equal(tl_trust_uninvite(w->anna.trust, tokens[3].invitation_id), 0);
  assert_int_equal(tl_trust_uninvite(w->anna.trust, tokens[3].invitation_id), TULLE_E_NOT_FOUND);
  assert_null(tl_trust_gate(w->anna.trust, NOW, true, tokens[3].invitation_id));
  assert_int_equal(tl_trust_invite(w->anna.trust, NOW, 0, 1, &more), 0);
  assert_int_equal(tl_trust_invite(w->anna.trust, NOW, 0, 1, &more), TULLE_E_LIMIT);
  /* A used one makes room, its key may not come again then. */
  assert_int_equal(admit(&w->anna, NOW, &tokens[5], &w->bert, "bert"), 0);
  assert_int_equal(tl_trust_invite(w->anna.trust, NOW, 0, 1, &more), 0);
  assert_int_equal(admit(&w->anna, NOW, &tokens[5], &w->bert, "bert"), TULLE_E_NOT_FOUND);
  /* So do those that are over. */
  assert_int_equal(tl_trust_invite(w->anna.trust, NOW + LIFE, 0, 1, &more), 0);
  assert_int_equal(state_of(&w->anna)->invitation_count, 1);
  /* The others' gates are still theirs. */
  assert_memory_equal(tl_trust_gate(w->anna.trust, NOW + LIFE, true, more.invitation_id)->psk_id,
                      more.invitation_id, 8);
}

static void invitations_expire(void **state) {
  struct world *w = *state;
  struct tl_token token;
  assert_int_equal(tl_trust_invite(w->anna.trust, NOW, 5 * TL_S, 1, &token), 0);
  assert_non_null(tl_trust_gate(w->anna.trust, NOW + 5 * TL_S - 1, true, token.invitation_id));
  assert_null(tl_trust_gate(w->anna.trust, NOW + 5 * TL_S, true, token.invitation_id));
  uint64_t generation = state_of(&w->anna)->generation;
  assert_int_equal(tl_trust_expire(w->anna.trust, NOW + 5 * TL_S - 1), 0);
  assert_int_equal(state_of(&w->anna)->generation, generation); /* nothing to write */
  assert_int_equal(tl_trust_expire(w->anna.trust, NOW + 5 * TL_S), 0);
  assert_int_equal(state_of(&w->anna)->invitation_count, 0);
}

static void joining_again_needs_leave(void **state) {
  struct world *w = *state;
  struct tl_token token;
  uint8_t *grant;
  size_t size;
  node_fixture_join(&w->bert, &w->anna, NOW);
  invite(&w->carl, &token);
  assert_int_equal(tl_trust_admit(w->carl.trust, NOW, token.invitation_id, w->bert.identity->key,
                                  "bert", &grant, &size),
                   0);
  struct tl_trust *t = w->bert.trust;
  assert_int_equal(tl_trust_join(t, w->bert.identity, &token, grant, size, false), TULLE_E_BUSY);
  assert_string_equal(state_of(&w->bert)->fabric_name, "anna");
  assert_int_equal(tl_trust_create_fabric(t, w->bert.identity, "mine", false), TULLE_E_BUSY);
  assert_int_equal(tl_trust_join(t, w->bert.identity, &token, grant, size, true), 0);
  assert_string_equal(state_of(&w->bert)->fabric_name, "carl");
  assert_int_equal(tl_trust_create_fabric(t, w->bert.identity, "mine", true), 0);
  assert_true(tl_trust_is_authority(t) && tl_trust_is_alone(t));
  node_fixture_restart(&w->bert, NOW);
  assert_true(tl_trust_is_authority(w->bert.trust));
  assert_string_equal(state_of(&w->bert)->fabric_name, "mine");
  check_self(&w->bert, &w->bert);
  free(grant);
}

static void grants_that_are_refused(void **state) {
  struct world *w = *state;
  struct tl_token token, other;
  uint8_t *grant;
  size_t size;
  struct tl_trust *t = w->bert.trust;
  invite(&w->anna, &token);
  assert_int_equal(tl_trust_admit(w->anna.trust, NOW, token.invitation_id, w->bert.identity->key,
                                  "bert", &grant, &size),
                   0);
  other = token;
  other.fabric_id[0] ^= 1;
  assert_int_equal(tl_trust_join(t, w->bert.identity, &other, grant, size, false),
                   TULLE_E_UNTRUSTED);
  assert_int_equal(tl_trust_join(w->carl.trust, w->carl.identity, &token, grant, size, false),
                   TULLE_E_UNTRUSTED); /* bert's certificate */
  for (size_t cut = 0; cut < size; cut++)
    assert_int_equal(tl_trust_join(t, w->bert.identity, &token, grant, cut, false),
                     TULLE_E_BAD_MESSAGE);
  /* Certificate, authority and list are signed; a changed byte there is never believed. */
  for (size_t at = 4; at < 268; at++) {
    grant[at] ^= 1;
    assert_true(tl_trust_join(t, w->bert.identity, &token, grant, size, false) < 0);
    grant[at] ^= 1;
  }
  for (size_t at = 376; at < 376 + TL_REVOCATION_LIST_BYTES(0); at++) {
    grant[at] ^= 1;
    assert_true(tl_trust_join(t, w->bert.identity, &token, grant, size, false) < 0);
    grant[at] ^= 1;
  }
  assert_true(tl_trust_is_authority(t));
  assert_string_equal(state_of(&w->bert)->fabric_name, "bert");
  assert_int_equal(tl_trust_join(t, w->bert.identity, &token, grant, size, false), 0);
  free(grant);
}

/* ---- revocation (T-10) ---- */

static void revoking(void **state) {
  struct world *w = *state;
  struct tl_certificate c;
  node_fixture_join(&w->bert, &w->anna, NOW);
  node_fixture_join(&w->carl, &w->anna, NOW);
  uint8_t bert[TL_CERTIFICATE_BYTES], before[32];
  memcpy(bert, state_of(&w->bert)->certificate, sizeof bert);
  memcpy(before, state_of(&w->anna)->admission_secret, 32);
  assert_int_equal(tl_trust_revoke(w->anna.trust, NOW, w->anna.identity->key), TULLE_E_INVALID);
  assert_int_equal(tl_trust_revoke(w->anna.trust, NOW, before), TULLE_E_NO_PEER);
  assert_int_equal(tl_trust_revoke(w->anna.trust, NOW, w->bert.identity->key), 0);

  const struct tl_trust_state *a = state_of(&w->anna);
  assert_true(a->list.version == 2 && a->list.count == 1 && a->member_count == 2);
  assert_true(a->admission_epoch == 2 && a->has_previous && a->previous_epoch == 1);
  assert_memory_equal(a->previous_secret, before, 32);
  assert_memory_not_equal(a->admission_secret, before, 32);
  assert_int_equal(tl_trust_check(w->anna.trust, bert, sizeof bert, w->bert.identity->key, 0, &c),
                   TL_REFUSED_REVOKED);

  /* carl takes the news; bert's own list cannot be turned against anna. */
  assert_int_equal(tl_trust_update_revocations(w->carl.trust, a->revocations, a->revocations_bytes),
                   0);
  assert_int_equal(
      tl_trust_update_admission(w->carl.trust, NOW, a->admission_epoch, a->admission_secret), 0);
  assert_int_equal(tl_trust_check(w->carl.trust, bert, sizeof bert, w->bert.identity->key, 0, &c),
                   TL_REFUSED_REVOKED);
  assert_null(tl_trust_member_by_name(w->carl.trust, "bert"));
  /* bert hears of it too: it keeps itself among its members. */
  assert_int_equal(tl_trust_update_revocations(w->bert.trust, a->revocations, a->revocations_bytes),
                   0);
  assert_non_null(tl_trust_member_by_name(w->bert.trust, "bert"));
  node_fixture_restart(&w->anna, NOW);
  assert_int_equal(state_of(&w->anna)->list.version, 2);
}

static void a_revoked_key_does_not_come_back(void **state) {
  struct world *w = *state;
  struct tl_token token;
  node_fixture_join(&w->bert, &w->anna, NOW);
  assert_int_equal(tl_trust_revoke(w->anna.trust, NOW, w->bert.identity->key), 0);
  invite(&w->anna, &token);
  assert_int_equal(admit(&w->anna, NOW, &token, &w->bert, "bert"), TULLE_E_UNTRUSTED);
}

static void lists_never_go_back(void **state) {
  struct world *w = *state;
  uint8_t old[TL_REVOCATION_LIST_BYTES(0)];
  node_fixture_join(&w->bert, &w->anna, NOW);
  node_fixture_join(&w->carl, &w->anna, NOW);
  memcpy(old, state_of(&w->anna)->revocations, sizeof old);
  assert_int_equal(tl_trust_revoke(w->anna.trust, NOW, w->carl.identity->key), 0);
  const struct tl_trust_state *a = state_of(&w->anna);
  assert_int_equal(tl_trust_update_revocations(w->bert.trust, a->revocations, a->revocations_bytes),
                   0);
  assert_int_equal(tl_trust_update_revocations(w->bert.trust, a->revocations, a->revocations_bytes),
                   TL_EMPTY);
  assert_int_equal(tl_trust_update_revocations(w->bert.trust, old, sizeof old), TL_EMPTY);
  assert_int_equal(state_of(&w->bert)->list.version, 2);
  node_fixture_restart(&w->bert, NOW);
  assert_int_equal(tl_trust_update_revocations(w->bert.trust, old, sizeof old), TL_EMPTY);
  assert_int_equal(state_of(&w->bert)->list.version, 2);
}

static void lists_that_are_refused(void **state) {
  struct world *w = *state;
  struct tl_authority *carl;
  uint8_t list[TL_REVOCATION_LIST_BYTES(2)];
  uint8_t entries[2 * TL_REVOCATION_BYTES] = {7};
  node_fixture_join(&w->bert, &w->anna, NOW);
  struct tl_trust *t = w->bert.trust;
  /* Another authority's, also with our fabric's id written over it. */
  assert_int_equal(tl_authority_load(&w->carl.disk, TL_AUTHORITY_FILE, &carl), 0);
  size_t size = tl_revocations_sign(carl, 99, 1, entries, 2, list);
  assert_int_equal(tl_trust_update_revocations(t, list, size), TULLE_E_UNTRUSTED);
  memcpy(list + 8, state_of(&w->bert)->fabric_id, 16);
  assert_int_equal(tl_trust_update_revocations(t, list, size), TULLE_E_UNTRUSTED);
  tl_authority_free(carl);

  /* Ours, for another fabric: no honest authority makes such a list. */
  struct tl_authority *anna;
  assert_int_equal(tl_authority_load(&w->anna.disk, TL_AUTHORITY_FILE, &anna), 0);
  anna->fabric_id[0] ^= 1;
  size = tl_revocations_sign(anna, 99, 1, entries, 2, list);
  assert_int_equal(tl_trust_update_revocations(t, list, size), TULLE_E_UNTRUSTED);
  anna->fabric_id[0] ^= 1;
  size = tl_revocations_sign(anna, 99, 1, entries, 2, list);
  for (size_t bit = 0; bit < size * 8; bit++) {
    list[bit / 8] ^= (uint8_t)(1 << bit % 8);
    assert_true(tl_trust_update_revocations(t, list, size) < 0);
    list[bit / 8] ^= (uint8_t)(1 << bit % 8);
  }
  for (size_t cut = 0; cut < size; cut++)
    assert_int_equal(tl_trust_update_revocations(t, list, cut), TULLE_E_BAD_MESSAGE);
  assert_int_equal(tl_trust_update_revocations(t, list, size), 0);
  assert_int_equal(state_of(&w->bert)->list.version, 99);
  tl_authority_free(anna);
}

static void a_list_has_an_end(void **state) {
  struct world *w = *state;
  node_fixture_join(&w->bert, &w->anna, NOW);
  struct tl_authority *anna;
  assert_int_equal(tl_authority_load(&w->anna.disk, TL_AUTHORITY_FILE, &anna), 0);
  uint8_t *entries = calloc(TL_REVOCATIONS_MAX, TL_REVOCATION_BYTES);
  uint8_t *list = malloc(TL_REVOCATION_LIST_BYTES_MAX);
  for (size_t i = 0; i < TL_REVOCATIONS_MAX; i++)
    tl_store_le(entries + i * TL_REVOCATION_BYTES, i + 1000, 8);
  for (size_t i = 0; i < TL_REVOCATIONS_MAX; i++)
    tl_store_le(entries + i * TL_REVOCATION_BYTES + 32, i + 1000, 8);
  size_t size = tl_revocations_sign(anna, 50, 1, entries, TL_REVOCATIONS_MAX, list);
  assert_int_equal(tl_trust_update_revocations(w->anna.trust, list, size), 0);
  assert_int_equal(tl_trust_revoke(w->anna.trust, NOW, w->bert.identity->key), TULLE_E_LIMIT);
  node_fixture_restart(&w->anna, NOW); /* the longest list that there is fits the file */
  assert_int_equal(state_of(&w->anna)->list.count, TL_REVOCATIONS_MAX);
  free(entries);
  free(list);
  tl_authority_free(anna);
}

/* ---- admission ---- */

static void admission_epochs(void **state) {
  struct world *w = *state;
  uint8_t secret[32] = {1}, epoch[8] = {0};
  struct tl_trust *t = w->bert.trust;
  assert_int_equal(tl_trust_update_admission(t, NOW, 1, secret), TL_EMPTY);
  assert_int_equal(tl_trust_update_admission(t, NOW, 5, secret), 0);
  assert_int_equal(tl_trust_update_admission(t, NOW, 4, secret), TL_EMPTY);
  epoch[0] = 1;
  uint64_t day = 24 * 3600 * TL_S;
  assert_non_null(tl_trust_gate(t, NOW + day - 1, false, epoch));
  assert_null(tl_trust_gate(t, NOW + day, false, epoch));
  epoch[0] = 5;
  assert_non_null(tl_trust_gate(t, NOW + day, false, epoch));
  assert_null(tl_trust_gate(t, NOW, true, epoch));
  epoch[0] = 4;
  assert_null(tl_trust_gate(t, NOW, false, epoch));

  /* The day goes on after a restart of the process, begins anew after one of the machine, and its end is for good. */
  node_fixture_restart(&w->bert, NOW + day - TL_S);
  assert_non_null(tl_trust_own_gate(w->bert.trust, NOW + day - TL_S, true));
  assert_null(tl_trust_own_gate(w->bert.trust, NOW + day, true));
  w->bert.config.boot_id[3] ^= 1;
  node_fixture_restart(&w->bert, 5);
  assert_non_null(tl_trust_own_gate(w->bert.trust, 4 + day, true));
  assert_int_equal(tl_trust_expire(w->bert.trust, 5 + day), 0);
  w->bert.config.boot_id[3] ^= 1;
  node_fixture_restart(&w->bert, 5);
  assert_null(tl_trust_own_gate(w->bert.trust, 5, true));
}

/* ---- members and pins ---- */

static void members_are_noted(void **state) {
  struct world *w = *state;
  node_fixture_join(&w->bert, &w->anna, NOW);
  node_fixture_join(&w->carl, &w->anna, NOW);
  assert_null(tl_trust_member_by_name(w->bert.trust, "carl"));
  assert_int_equal(tl_trust_note_member(w->bert.trust, &state_of(&w->carl)->self), 0);
  assert_non_null(tl_trust_member_by_name(w->bert.trust, "carl"));
  uint64_t generation = state_of(&w->bert)->generation;
  assert_int_equal(tl_trust_note_member(w->bert.trust, &state_of(&w->carl)->self), 0);
  assert_int_equal(state_of(&w->bert)->generation, generation);
  node_fixture_restart(&w->bert, NOW);
  assert_non_null(tl_trust_member_by_name(w->bert.trust, "carl"));
}

static void pins_are_not_learned_again(void **state) {
  struct world *w = *state;
  struct tl_trust *t = w->anna.trust;
  uint8_t key[32] = {1}, other[32] = {2};
  assert_int_equal(tl_trust_pin(t, key, "nas"), 0);
  assert_int_equal(tl_trust_pin(t, key, "nas"), 0);
  assert_int_equal(tl_trust_pin(t, other, "nas"), TULLE_E_UNTRUSTED);
  assert_int_equal(tl_trust_pin(t, other, "no good"), TULLE_E_INVALID);
  node_fixture_restart(&w->anna, NOW);
  t = w->anna.trust;
  assert_int_equal(tl_trust_pin(t, other, "nas"), TULLE_E_UNTRUSTED);
  for (int i = 1; i < TL_PINS_MAX; i++) {
    char name[16];
    snprintf(name, sizeof name, "pin-%d", i);
    assert_int_equal(tl_trust_pin(t, other, name), 0);
  }
  assert_int_equal(tl_trust_pin(t, other, "one-more"), TULLE_E_LIMIT);
}

static void a_full_fabric_fits_its_file(void **state) {
  struct world *w = *state;
  struct tl_certificate c = state_of(&w->anna)->self;
  for (uint64_t i = 1; i < TL_MEMBERS_MAX; i++) {
    memset(c.key, 0, sizeof c.key);
    tl_store_le(c.key, i, 8);
    c.serial = UINT64_MAX - i;
    c.roles = UINT32_MAX;
    snprintf(c.name, sizeof c.name, "%063d", (int)i);
    if (i % 100 && i != TL_MEMBERS_MAX - 1) { /* writing each time would take long */
      struct tl_trust_state *s = (struct tl_trust_state *)state_of(&w->anna);
      struct tl_member m = {.serial = c.serial, .roles = c.roles};
      memcpy(m.key, c.key, 32);
      memcpy(m.name, c.name, sizeof m.name);
      tl_node_id_of(m.key, m.node_id);
      s->members = reallocarray(s->members, s->member_count + 1, sizeof m);
      s->members[s->member_count++] = m;
      continue;
    }
    assert_int_equal(tl_trust_note_member(w->anna.trust, &c), 0);
  }
  assert_int_equal(state_of(&w->anna)->member_count, TL_MEMBERS_MAX);
  c.key[0] ^= 0x80, c.key[5] = 1;
  assert_int_equal(tl_trust_note_member(w->anna.trust, &c), TULLE_E_LIMIT);
  node_fixture_restart(&w->anna, NOW);
  assert_int_equal(state_of(&w->anna)->member_count, TL_MEMBERS_MAX);
}

/* ---- the real disk ---- */

static void on_a_real_disk(void **state) {
  (void)state;
  char path[] = "/tmp/tulle-trust-XXXXXX", inner[64];
  struct tl_disk disk;
  struct tl_parameters parameters = tl_parameters_default;
  struct tl_trust_config config = {
      .disk = &disk, .random = &tl_random_system, .parameters = &parameters};
  struct tl_identity *identity;
  struct tl_trust *trust;
  uint8_t key[32];
  assert_non_null(mkdtemp(path));
  snprintf(inner, sizeof inner, "%s/a/b", path);
  assert_int_equal(tl_disk_open(inner, &disk), 0);
  assert_int_equal(tl_trust_start(&config, NOW, "anna", "lab", &identity, &trust), 0);
  memcpy(key, identity->key, 32);
  struct tl_token token;
  assert_int_equal(tl_trust_invite(trust, NOW, 0, 1, &token), 0);
  tl_trust_free(trust);
  tl_identity_free(identity);
  assert_int_equal(tl_trust_start(&config, NOW, "x", "x", &identity, &trust), 0);
  assert_memory_equal(key, identity->key, 32);
  assert_int_equal(tl_trust_state_of(trust)->invitation_count, 1);
  tl_trust_free(trust);
  tl_identity_free(identity);

  static const char *const files[] = {"identity.key", "authority.key", "trust", "trust.prev"};
  int fd = tl_disk_fd(&disk);
  for (size_t i = 0; i < 4; i++) { /* others may read it: the node does not start */
    struct stat s;
    assert_int_equal(fstatat(fd, files[i], &s, 0), 0);
    assert_int_equal(s.st_mode & 0777, 0600);
    if (i == 3) break;
    assert_int_equal(fchmodat(fd, files[i], 0640, 0), 0);
    assert_int_equal(tl_trust_start(&config, NOW, "x", "x", &identity, &trust), TULLE_E_REFUSED);
    assert_int_equal(fchmodat(fd, files[i], 0600, 0), 0);
  }
  assert_int_equal(symlinkat("trust.prev", fd, "link"), 0);
  uint8_t byte;
  size_t size;
  assert_true(disk.read(disk.context, "link", &byte, 1, &size) < 0);
  assert_int_equal(fchmod(fd, 0750), 0);
  struct tl_disk open_to_others;
  assert_int_equal(tl_disk_open(inner, &open_to_others), TULLE_E_REFUSED);
  for (size_t i = 0; i < 4; i++) unlinkat(fd, files[i], 0);
  unlinkat(fd, "link", 0);
  tl_disk_close(&disk);
  rmdir(inner);
  snprintf(inner, sizeof inner, "%s/a", path);
  rmdir(inner);
  assert_int_equal(rmdir(path), 0); /* nothing is left behind */
}

/* A file that fills the disk, or cannot be read, is an error and not a crash. */
static void real_disk_errors(void **state) {
  (void)state;
  char path[] = "/tmp/tulle-trust-XXXXXX";
  struct tl_disk disk;
  uint8_t bytes[4] = {1, 2, 3, 4}, back[4];
  size_t size;
  assert_non_null(mkdtemp(path));
  assert_int_equal(tl_disk_open(path, &disk), 0);
  assert_int_equal(disk.read(disk.context, "none", back, 4, &size), TULLE_E_NOT_FOUND);
  assert_int_equal(tl_disk_create(&disk, "file", bytes, 4), 0);
  assert_int_equal(tl_disk_create(&disk, "file", bytes, 2), TULLE_E_EXISTS);
  assert_int_equal(disk.read(disk.context, "file", back, 3, &size), TULLE_E_TOO_BIG);
  assert_int_equal(disk.read(disk.context, "file", back, 4, &size), 0);
  assert_true(size == 4 && memcmp(back, bytes, 4) == 0);
  assert_int_equal(tl_disk_replace(&disk, "file", bytes, 2), 0);
  assert_int_equal(disk.read(disk.context, "file", back, 4, &size), 0);
  assert_int_equal(size, 2);
  /* A second name of a file keeps its bytes when the first is written anew. */
  assert_int_equal(disk.link(disk.context, "file", "second"), 0);
  assert_int_equal(disk.write(disk.context, "file", bytes, 4), 0);
  assert_int_equal(disk.read(disk.context, "second", back, 4, &size), 0);
  assert_int_equal(size, 2);
  assert_int_equal(disk.link(disk.context, "file", "second"), TULLE_E_EXISTS);
  assert_int_equal(disk.remove(disk.context, "none"), TULLE_E_NOT_FOUND);
  assert_int_equal(disk.rename(disk.context, "second", "file"), 0);
  assert_int_equal(disk.remove(disk.context, "file"), 0);
  disk.remove(disk.context, "file.tmp");
  tl_disk_close(&disk);
  assert_int_equal(rmdir(path), 0);
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      WORLD_TEST(a_fabric_of_one),
      WORLD_TEST(the_same_after_a_restart),
      WORLD_TEST(a_fabric_gets_a_name),
      WORLD_TEST(a_node_gets_a_name),
      WORLD_TEST(a_newcomer_is_admitted),
      WORLD_TEST(one_key_for_an_invitation),
      WORLD_TEST(a_grant_is_the_same_each_time),
      WORLD_TEST(admissions_that_are_refused),
      WORLD_TEST(only_the_authority_invites),
      WORLD_TEST(eight_invitations),
      WORLD_TEST(invitations_expire),
      WORLD_TEST(joining_again_needs_leave),
      WORLD_TEST(grants_that_are_refused),
      WORLD_TEST(revoking),
      WORLD_TEST(a_revoked_key_does_not_come_back),
      WORLD_TEST(lists_never_go_back),
      WORLD_TEST(lists_that_are_refused),
      WORLD_TEST(a_list_has_an_end),
      WORLD_TEST(admission_epochs),
      WORLD_TEST(members_are_noted),
      WORLD_TEST(pins_are_not_learned_again),
      WORLD_TEST(a_full_fabric_fits_its_file),
      cmocka_unit_test(on_a_real_disk),
      cmocka_unit_test(real_disk_errors),
  };
  if (tl_crypto_start() < 0) return 1;
  return cmocka_run_group_tests(tests, NULL, NULL);
}
