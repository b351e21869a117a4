/* What members tell each other about membership: lists, secrets, removal; and who is believed. */
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/wire/msgpack.h"
#include "crypto/revocation.h"
#include "node/mesh/peer.h"
#include "tests/unit/mesh/mate.h"
#include "tests/unit/test.h"

#define ADMIN 1

static struct tl_mesh_message trust_message(uint64_t generation, const void *blob, size_t size) {
  return (struct tl_mesh_message){
      .type = TL_MESH_TRUST, .generation = generation, .blob = blob, .blob_size = size};
}

static int remove_member(struct mates *w, const char *name) {
  int r = memory_call_text(&w->programs[ADMIN], mates_now(w), "members_remove", "node", name);
  mates_run(w, 200 * TL_MS);
  return r;
}

static void a_removed_member_is_dropped_at_once(void **state) {
  struct mates *w = *state;
  struct mate *m = mate_link(w, 0);
  mate_offer(m, "imu");
  assert_int_equal(remove_member(w, "mate-0"), 0);
  assert_null(m->link);
  assert_null(mates_offer(w, "imu"));
  tl_endpoint_refresh_trust(m->endpoint, mates_now(w));
  mates_run(w, 5 * TL_S);
  assert_null(m->link);
}

static void the_others_get_the_list_and_the_secret(void **state) {
  struct mates *w = *state;
  static struct tl_mesh_message got;
  mate_link(w, 0);
  struct mate *other = mate_link(w, 1);
  assert_int_equal(remove_member(w, "mate-0"), 0);
  const struct tl_trust_state *s = tl_trust_state_of(w->fixture.trust);
  bool has_list = false, has_secret = false;
  while (mate_hear(other, mate_lane(other, 0), TL_MESH_TRUST, &got)) {
    if (got.generation == 0 && got.blob_size == s->revocations_bytes) has_list = true;
    if (got.generation == s->admission_epoch) has_secret = true;
  }
  assert_true(has_list && has_secret);
  assert_int_equal(s->list.version, 2);
}

static void the_removed_one_never_gets_the_new_secret(void **state) {
  struct mates *w = *state;
  static struct tl_mesh_message got;
  struct mate *m = mate_link(w, 0);
  uint64_t epoch = tl_trust_state_of(w->fixture.trust)->admission_epoch;
  tl_sim_partition(w->sim, m->port, w->port, false); /* it hears, and does not answer */
  assert_int_equal(remove_member(w, "mate-0"), 0);
  mates_run(w, 2 * TL_S);
  if (m->link)
    while (mate_hear(m, mate_lane(m, 0), TL_MESH_TRUST, &got)) assert_true(got.generation <= epoch);
}

static void the_longest_list_is_told_and_services_after_it(void **state) {
  struct mates *w = *state;
  static struct tl_mesh_message got;
  struct tl_authority *authority;
  program_serve(w, 0, "echo");
  struct mate *m = mate_link(w, 0);
  assert_int_equal(tl_authority_load(&w->fixture.disk, TL_AUTHORITY_FILE, &authority), 0);
  uint8_t *entries = calloc(TL_REVOCATIONS_MAX, TL_REVOCATION_BYTES);
  uint8_t *list = malloc(TL_REVOCATION_LIST_BYTES_MAX);
  for (size_t i = 0; i < TL_REVOCATIONS_MAX; i++)
    tl_store_le(entries + i * TL_REVOCATION_BYTES, i + 1, 8);
  size_t size = tl_revocations_sign(authority, 9, 1, entries, TL_REVOCATIONS_MAX, list);
  assert_int_equal(tl_trust_update_revocations(w->fixture.trust, list, size), 0);
  tl_mesh_trust_changed(w->mesh, mates_now(w));
  mates_run(w, TL_S);
  bool has_list = false;
  while (!has_list && mate_hear(m, mate_lane(m, 0), TL_MESH_TRUST, &got))
    has_list = got.blob_size == size;
  assert_true(has_list);
  program_serve(w, 1, "later");
  assert_true(mate_hear(m, mate_lane(m, 0), TL_MESH_SERVICE, &got));
  free(entries);
  free(list);
  tl_authority_free(authority);
}

static void a_grant_of_a_large_fabric_fits_a_message(void **state) {
  struct mates *w = *state;
  static struct tl_mesh_message got;
  struct tl_certificate c = tl_trust_state_of(w->fixture.trust)->self;
  for (unsigned i = 0; i < TL_MEMBERS_MAX - 2; i++) {
    memcpy(c.key, &i, sizeof i);
    c.serial = 1000 + i;
    c.name[0] = (char)('a' + i % 26);
    assert_int_equal(tl_trust_note_member(w->fixture.trust, &c), 0);
  }
  struct tl_token token;
  assert_int_equal(tl_trust_invite(w->fixture.trust, mates_now(w), 0, TL_ROLES_DEFAULT, &token), 0);
  struct mate *m = mate_knock(w, 0, &token);
  struct tl_mesh_message request = {.type = TL_MESH_JOIN_REQUEST, .name = "mate-0"};
  mate_say(m, &request);
  mates_run(w, TL_S);
  assert_true(mate_hear(m, mate_lane(m, 0), TL_MESH_JOIN_GRANT, &got));
  assert_true(got.blob_size <= TL_GRANT_BYTES_MAX);
  assert_int_equal(
      tl_trust_join(m->fixture.trust, m->fixture.identity, &token, got.blob, got.blob_size, false),
      0);
}

static void every_member_is_listed_page_by_page(void **state) {
  struct mates *w = *state;
  struct tl_certificate c = tl_trust_state_of(w->fixture.trust)->self;
  for (unsigned i = 0; i < TL_MEMBERS_MAX - 1; i++) {
    memcpy(c.key, &i, sizeof i);
    c.serial = 1000 + i;
    memset(c.name, 'a' + (int)(i % 26), TL_NODE_NAME_BYTES_MAX); /* as long as they can be */
    assert_int_equal(tl_trust_note_member(w->fixture.trust, &c), 0);
  }
  uint64_t listed = 0;
  for (size_t rows = 1; rows;) {
    uint8_t args[32];
    struct tulle_pack p = tulle_pack_on(args, sizeof args);
    tulle_pack_map(&p, 1), tulle_pack_text(&p, "from"), tulle_pack_uint(&p, listed);
    uint64_t id =
        memory_send(&w->programs[ADMIN], mates_now(w), "members", args, tulle_pack_size(&p));
    const struct memory_reply *reply = memory_reply_to(&w->programs[ADMIN], id);
    assert_int_equal(reply->status, 0);
    assert_int_equal(tl_msgpack_check(reply->body, reply->size), 0);
    struct tulle_unpack u = tulle_unpack_on(reply->body, reply->size);
    rows = tulle_unpack_array(&u);
    listed += rows;
  }
  assert_int_equal(listed, TL_MEMBERS_MAX);
}

static void pages_beyond_the_end_are_empty(void **state) {
  struct mates *w = *state;
  static const char *const procedures[] = {"members", "nodes", "links"};
  static const uint64_t froms[] = {2, 1000, UINT64_MAX};
  mate_link(w, 0);
  for (size_t i = 0; i < 9; i++) {
    uint8_t args[32];
    struct tulle_pack p = tulle_pack_on(args, sizeof args);
    tulle_pack_map(&p, 1), tulle_pack_text(&p, "from"), tulle_pack_uint(&p, froms[i % 3]);
    assert_int_equal(memory_call(&w->programs[ADMIN], mates_now(w), procedures[i / 3], args,
                                 tulle_pack_size(&p)),
                     0);
    assert_memory_equal(memory_text(&w->programs[ADMIN]), "\x90", 1);
  }
}

/* ---- who is believed ---- */

static void a_newer_list_of_the_authority_is_believed_from_anybody(void **state) {
  struct mates *w = *state;
  /* Here the node is not the authority: mate 0 is, and mate 1 passes its list on. */
  node_fixture_join(&w->fixture, &w->mates[0].fixture, mates_now(w));
  node_fixture_join(&w->mates[1].fixture, &w->mates[0].fixture, mates_now(w));
  node_fixture_join(&w->mates[2].fixture, &w->mates[0].fixture, mates_now(w));
  tl_mesh_renamed(w->mesh, mates_now(w));
  struct mate *honest = mate_link(w, 1), *gone = mate_link(w, 2);
  assert_int_equal(
      tl_trust_revoke(w->mates[0].fixture.trust, mates_now(w), gone->fixture.identity->key), 0);
  const struct tl_trust_state *s = tl_trust_state_of(w->mates[0].fixture.trust);
  struct tl_mesh_message list = trust_message(0, s->revocations, s->revocations_bytes);
  mate_say(honest, &list);
  mates_run(w, 100 * TL_MS);
  assert_null(gone->link);
  assert_non_null(honest->link);
  assert_int_equal(tl_trust_state_of(w->fixture.trust)->list.version, s->list.version);
}

static void an_old_list_changes_nothing(void **state) {
  struct mates *w = *state;
  const struct tl_trust_state *s = tl_trust_state_of(w->fixture.trust);
  uint8_t old[TL_REVOCATION_LIST_BYTES(0)];
  assert_int_equal(s->revocations_bytes, sizeof old);
  memcpy(old, s->revocations, sizeof old);
  mate_link(w, 0);
  struct mate *m = mate_link(w, 1);
  assert_int_equal(remove_member(w, "mate-0"), 0);
  struct tl_mesh_message list = trust_message(0, old, sizeof old);
  mate_say(m, &list);
  assert_non_null(m->link);
  assert_int_equal(tl_trust_state_of(w->fixture.trust)->list.version, 2);
}

static void forged_lists_end_the_link(void **state) {
  (void)state;
  static const size_t places[] = {0, 5, 12, 24, 32, 40, 60, 103};
  for (size_t i = 0; i <= sizeof places / sizeof *places; i++) {
    struct mates *w = malloc(sizeof *w);
    mates_init(w);
    struct mate *m = mate_link(w, 0);
    const struct tl_trust_state *s = tl_trust_state_of(w->fixture.trust);
    uint8_t forged[TL_REVOCATION_LIST_BYTES(0)];
    memcpy(forged, s->revocations, sizeof forged);
    bool is_cut = i == sizeof places / sizeof *places;
    if (!is_cut) forged[places[i]] ^= 0x40;
    struct tl_mesh_message list = trust_message(0, forged, sizeof forged - is_cut);
    mate_say(m, &list);
    mates_run(w, 100 * TL_MS);
    assert_null(m->link);
    assert_int_equal(tl_trust_state_of(w->fixture.trust)->list.version, 1);
    mates_deinit(w);
    free(w);
  }
}

static void a_list_of_another_authority_ends_the_link(void **state) {
  struct mates *w = *state;
  const struct tl_trust_state *other = tl_trust_state_of(w->mates[2].fixture.trust);
  struct mate *m = mate_link(w, 0);
  struct tl_mesh_message list = trust_message(0, other->revocations, other->revocations_bytes);
  mate_say(m, &list);
  mates_run(w, 100 * TL_MS);
  assert_null(m->link);
}

static void a_secret_from_a_mere_member_is_not_taken(void **state) {
  struct mates *w = *state;
  uint8_t secret[32] = {1};
  const struct tl_trust_state *s = tl_trust_state_of(w->fixture.trust);
  uint64_t epoch = s->admission_epoch;
  struct mate *m = mate_link(w, 0);
  struct tl_mesh_message new = trust_message(epoch + 1, secret, sizeof secret);
  mate_say(m, &new);
  new.generation = UINT64_MAX;
  mate_say(m, &new);
  assert_int_equal(tl_trust_state_of(w->fixture.trust)->admission_epoch, epoch);
  assert_non_null(m->link);
}

static void the_authoritys_secret_is_taken_once(void **state) {
  struct mates *w = *state;
  node_fixture_join(&w->fixture, &w->mates[0].fixture, mates_now(w));
  tl_mesh_renamed(w->mesh, mates_now(w));
  struct mate *m = mate_link(w, 0);
  uint8_t secret[32] = {7};
  uint64_t epoch = tl_trust_state_of(w->fixture.trust)->admission_epoch;
  struct tl_mesh_message new = trust_message(epoch + 1, secret, sizeof secret);
  mate_say(m, &new);
  const struct tl_trust_state *s = tl_trust_state_of(w->fixture.trust);
  assert_int_equal(s->admission_epoch, epoch + 1);
  assert_memory_equal(s->admission_secret, secret, sizeof secret);
  assert_int_equal(s->previous_epoch, epoch);
  uint64_t generation = s->generation;
  mate_say(m, &new);
  new.generation = epoch;
  mate_say(m, &new);
  assert_int_equal(tl_trust_state_of(w->fixture.trust)->generation, generation);
  assert_non_null(m->link);
}

static void a_secret_of_another_size_ends_the_link(void **state) {
  struct mates *w = *state;
  node_fixture_join(&w->fixture, &w->mates[0].fixture, mates_now(w));
  tl_mesh_renamed(w->mesh, mates_now(w));
  struct mate *m = mate_link(w, 0);
  uint8_t secret[33] = {7};
  struct tl_mesh_message new = trust_message(99, secret, sizeof secret);
  mate_say(m, &new);
  mates_run(w, 100 * TL_MS);
  assert_null(m->link);
}

static void the_previous_secret_goes_after_its_time(void **state) {
  struct mates *w = *state;
  const uint64_t life = 600 * TL_S; /* of a day, so that the test need not live through one */
  assert_int_equal(w->fixture.parameters.previous_admission_ns, 24 * 3600 * TL_S);
  w->fixture.parameters.previous_admission_ns = life;
  mate_link(w, 0);
  assert_int_equal(remove_member(w, "mate-0"), 0);
  mates_run(w, life - TL_S);
  assert_true(tl_trust_state_of(w->fixture.trust)->has_previous);
  mates_run(w, 2 * TL_S);
  assert_false(tl_trust_state_of(w->fixture.trust)->has_previous);
}

/* ---- members that invite ---- */

/* The node becomes a member of mate 0's fabric, with these roles, and is linked with it. */
static struct mate *member_with(struct mates *w, uint32_t roles) {
  struct mate *m = &w->mates[0];
  struct tl_token token;
  uint8_t *grant;
  size_t size;
  assert_int_equal(tl_trust_invite(m->fixture.trust, mates_now(w), 0, roles, &token), 0);
  assert_int_equal(tl_trust_admit(m->fixture.trust, mates_now(w), token.invitation_id,
                                  w->fixture.identity->key, "osprey", &grant, &size),
                   0);
  assert_int_equal(tl_trust_join(w->fixture.trust, w->fixture.identity, &token, grant, size, true),
                   0);
  free(grant);
  node_fixture_join(&w->mates[1].fixture, &m->fixture, mates_now(w));
  tl_mesh_renamed(w->mesh, mates_now(w));
  return mate_link(w, 0);
}

static uint64_t ask_to_invite(struct mates *w) {
  uint64_t id = memory_send(&w->programs[ADMIN], mates_now(w), "invite", NULL, 0);
  mates_run(w, 20 * TL_MS);
  return id;
}

static int status_of(const struct mates *w, uint64_t id) {
  const struct memory_reply *r = memory_reply_to(&w->programs[ADMIN], id);
  return r ? r->status : 1;
}

static void a_member_that_may_has_invitations_made(void **state) {
  struct mates *w = *state;
  struct tl_mesh_message request, answer = {.type = TL_MESH_INVITATION};
  struct mate *m = member_with(w, TL_ROLES_DEFAULT | TL_ROLES_INVITE);
  uint64_t id = ask_to_invite(w);
  assert_true(mate_hear(m, mate_lane(m, 0), TL_MESH_INVITE_REQUEST, &request));
  assert_true(request.life > 0);
  assert_int_equal(status_of(w, ask_to_invite(w)), TULLE_E_BUSY);
  answer.generation = request.generation + 1; /* of another request */
  answer.blob = (const uint8_t *)"tl1-wrong", answer.blob_size = 9;
  mate_say(m, &answer);
  assert_int_equal(status_of(w, id), 1);
  answer.generation = request.generation;
  answer.blob = (const uint8_t *)"tl1-right";
  mate_say(m, &answer);
  assert_int_equal(status_of(w, id), 0);
  struct tulle_unpack body = tulle_unpack_on(memory_reply_to(&w->programs[ADMIN], id)->body,
                                             memory_reply_to(&w->programs[ADMIN], id)->size);
  struct tulle_unpack token = tulle_unpack_key(&body, "token");
  char text[32];
  tulle_unpack_string(&token, text, sizeof text);
  assert_string_equal(text, "tl1-right");
  mate_say(m, &answer); /* once more: nobody waits */
  assert_non_null(m->link);
}

static void answers_to_a_request_that_are_none_fail_it(void **state) {
  struct mates *w = *state;
  static uint8_t large[2000];
  struct mate *m = member_with(w, TL_ROLES_DEFAULT | TL_ROLES_INVITE);
  const struct {
    int code;
    size_t size;
    int expected;
  } answers[] = {{TULLE_E_LIMIT, 0, TULLE_E_LIMIT},
                 {0, 0, TULLE_E_PROTOCOL},
                 {0, sizeof large, TULLE_E_PROTOCOL},
                 {7, 9, TULLE_E_PROTOCOL},
                 {INT32_MIN, 0, INT32_MIN}};
  for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
    struct tl_mesh_message request;
    uint64_t id = ask_to_invite(w);
    assert_true(mate_hear(m, mate_lane(m, 0), TL_MESH_INVITE_REQUEST, &request));
    struct tl_mesh_message answer = {.type = TL_MESH_INVITATION,
                                     .generation = request.generation,
                                     .code = answers[i].code,
                                     .blob = large,
                                     .blob_size = answers[i].size};
    mate_say(m, &answer);
    assert_int_equal(status_of(w, id), answers[i].expected);
  }
}

static void an_authority_that_is_silent_or_gone_is_reported(void **state) {
  struct mates *w = *state;
  struct mate *m = member_with(w, TL_ROLES_DEFAULT | TL_ROLES_INVITE);
  uint64_t silent = ask_to_invite(w);
  mates_run(w, MATES_BUDGET_NS + TL_S);
  assert_int_equal(status_of(w, silent), TULLE_E_DEADLINE);
  uint64_t lost = ask_to_invite(w);
  tl_link_close(m->link, mates_now(w), 0);
  m->link = NULL;
  mate_turn(m);
  mates_run(w, 20 * TL_MS);
  assert_int_equal(status_of(w, lost), TULLE_E_OUTCOME_UNKNOWN);
}

static void without_the_authority_nobody_is_asked(void **state) {
  struct mates *w = *state;
  struct mate *m = member_with(w, TL_ROLES_DEFAULT | TL_ROLES_INVITE);
  struct mate *other = mate_link(w, 1);
  tl_sim_partition(w->sim, m->port, NULL, true);
  mates_run(w, 4 * TL_S);
  assert_int_equal(status_of(w, ask_to_invite(w)), TULLE_E_UNREACHABLE);
  assert_non_null(other->link);
}

static void who_may_not_invite_is_refused(void **state) {
  struct mates *w = *state;
  struct tl_mesh_message got, request = {.type = TL_MESH_INVITE_REQUEST, .generation = 5};
  struct mate *m = mate_link(w, 0); /* a plain member, and the node is the authority */
  mate_say(m, &request);
  assert_true(mate_hear(m, mate_lane(m, 0), TL_MESH_INVITATION, &got));
  assert_int_equal(got.code, TULLE_E_REFUSED);
  assert_int_equal(got.generation, 5);
  assert_int_equal(got.blob_size, 0);
  assert_int_equal(tl_trust_state_of(w->fixture.trust)->invitation_count, 1); /* its own, used */
}

static void a_flood_of_requests_makes_eight(void **state) {
  struct mates *w = *state;
  struct mate *m = &w->mates[0];
  struct tl_mesh_message got, request = {.type = TL_MESH_INVITE_REQUEST, .life = TL_S * 60};
  struct tl_token token;
  uint8_t *grant;
  size_t size;
  assert_int_equal(tl_trust_invite(w->fixture.trust, mates_now(w), 0,
                                   TL_ROLES_DEFAULT | TL_ROLES_INVITE, &token),
                   0);
  assert_int_equal(tl_trust_admit(w->fixture.trust, mates_now(w), token.invitation_id,
                                  m->fixture.identity->key, "mate-0", &grant, &size),
                   0);
  assert_int_equal(tl_trust_join(m->fixture.trust, m->fixture.identity, &token, grant, size, true),
                   0);
  free(grant);
  mate_link(w, 0);
  unsigned made = 0, refused = 0;
  for (uint64_t i = 1; i <= 20; i++) {
    request.generation = i;
    mate_say(m, &request);
    assert_true(mate_hear(m, mate_lane(m, 0), TL_MESH_INVITATION, &got));
    assert_int_equal(got.generation, i);
    made += got.code == 0 && got.blob_size > 100;
    refused += got.code == TULLE_E_LIMIT;
  }
  assert_int_equal(made, TL_INVITATIONS_MAX);
  assert_int_equal(refused, 20 - TL_INVITATIONS_MAX);
}

/* ---- removing ---- */

static void what_cannot_be_removed_is_refused(void **state) {
  struct mates *w = *state;
  mate_link(w, 0);
  assert_int_equal(remove_member(w, "nobody"), TULLE_E_NO_PEER);
  assert_int_equal(remove_member(w, "osprey"), TULLE_E_INVALID);
  assert_int_equal(remove_member(w, "mate-0"), 0);
  assert_int_equal(remove_member(w, "mate-0"), TULLE_E_NO_PEER);
}

static void only_the_authority_removes_and_invites(void **state) {
  struct mates *w = *state;
  node_fixture_join(&w->fixture, &w->mates[0].fixture, mates_now(w));
  assert_int_equal(remove_member(w, "mate-0"), TULLE_E_REFUSED);
  assert_int_equal(memory_call(&w->programs[ADMIN], mates_now(w), "invite", NULL, 0),
                   TULLE_E_REFUSED);
}

static void a_full_disk_removes_nobody(void **state) {
  struct mates *w = *state;
  struct mate *m = mate_link(w, 0);
  w->fixture.memory.fail_at = w->fixture.memory.steps + 1;
  w->fixture.memory.fail_error = TULLE_E_IO;
  assert_int_equal(remove_member(w, "mate-0"), TULLE_E_IO);
  assert_non_null(m->link); /* not on disk: not in effect */
  assert_int_equal(remove_member(w, "mate-0"), 0);
  assert_null(m->link);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, mates_setup, mates_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_removed_member_is_dropped_at_once),
      TEST(the_others_get_the_list_and_the_secret),
      TEST(the_removed_one_never_gets_the_new_secret),
      TEST(the_longest_list_is_told_and_services_after_it),
      TEST(a_grant_of_a_large_fabric_fits_a_message),
      TEST(every_member_is_listed_page_by_page),
      TEST(pages_beyond_the_end_are_empty),
      TEST(a_newer_list_of_the_authority_is_believed_from_anybody),
      TEST(an_old_list_changes_nothing),
      cmocka_unit_test(forged_lists_end_the_link),
      TEST(a_list_of_another_authority_ends_the_link),
      TEST(a_secret_from_a_mere_member_is_not_taken),
      TEST(the_authoritys_secret_is_taken_once),
      TEST(a_secret_of_another_size_ends_the_link),
      TEST(the_previous_secret_goes_after_its_time),
      TEST(a_member_that_may_has_invitations_made),
      TEST(answers_to_a_request_that_are_none_fail_it),
      TEST(an_authority_that_is_silent_or_gone_is_reported),
      TEST(without_the_authority_nobody_is_asked),
      TEST(who_may_not_invite_is_refused),
      TEST(a_flood_of_requests_makes_eight),
      TEST(what_cannot_be_removed_is_refused),
      TEST(only_the_authority_removes_and_invites),
      TEST(a_full_disk_removes_nobody),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
