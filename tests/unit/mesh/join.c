/* Joining, from both sides: bad tokens, inviters that lie, newcomers that lie, and time. */
#include "node/mesh/join.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/token.h"
#include "tests/unit/mesh/mate.h"
#include "tests/unit/test.h"

#define ADMIN 1 /* a program of the node's own user */

/* ---- the node as newcomer ---- */

static struct tl_token token_of(struct mates *w, unsigned number) {
  struct tl_token token;
  struct mate *m = &w->mates[number];
  assert_int_equal(tl_trust_invite(m->fixture.trust, mates_now(w), 0, TL_ROLES_DEFAULT, &token), 0);
  token.address_count = 1;
  token.addresses[0] = m->address;
  return token;
}

static uint64_t ask_to_join(struct mates *w, const char *text, bool leave) {
  uint8_t args[1024];
  struct tulle_pack p = tulle_pack_on(args, sizeof args);
  tulle_pack_map(&p, 2);
  tulle_pack_text(&p, "token"), tulle_pack_text(&p, text);
  tulle_pack_text(&p, "leave"), tulle_pack_bool(&p, leave);
  uint64_t id = memory_send(&w->programs[ADMIN], mates_now(w), "join", args, tulle_pack_size(&p));
  mates_run(w, 300 * TL_MS);
  return id;
}

static uint64_t join_with(struct mates *w, const struct tl_token *token) {
  char text[TL_TOKEN_TEXT_SIZE];
  tl_token_format(token, text);
  return ask_to_join(w, text, false);
}

/* 1: not answered yet. */
static int status_of(const struct mates *w, uint64_t id) {
  const struct memory_reply *r = memory_reply_to(&w->programs[ADMIN], id);
  return r ? r->status : 1;
}

static const char *text_of(const struct mates *w, uint64_t id) {
  return (const char *)memory_reply_to(&w->programs[ADMIN], id)->body;
}

/* The node stands before mate 0 and has asked to be let in. */
static struct mate *asked(struct mates *w, uint64_t *out_id) {
  struct tl_mesh_message request;
  struct tl_token token = token_of(w, 0);
  *out_id = join_with(w, &token);
  struct mate *m = &w->mates[0];
  assert_non_null(m->link);
  assert_true(mate_hear(m, mate_lane(m, 0), TL_MESH_JOIN_REQUEST, &request));
  assert_string_equal(request.name, "osprey");
  return m;
}

/* As an honest inviter: a grant for the node under `name`. */
static uint8_t *grant_for(struct mates *w, struct mate *m, const char *name, size_t *out_size) {
  uint8_t *grant;
  assert_int_equal(tl_trust_admit(m->fixture.trust, mates_now(w),
                                  tl_link_peer(m->link)->invitation_id, w->fixture.identity->key,
                                  name, &grant, out_size),
                   0);
  return grant;
}

static void expect_alone(struct mates *w) {
  assert_int_equal(w->mesh->join.phase, TL_JOIN_NONE);
  assert_true(tl_trust_is_alone(w->fixture.trust));
  assert_string_equal(tl_trust_state_of(w->fixture.trust)->fabric_name, "osprey");
}

static void a_join_ends_when_the_first_link_is_up(void **state) {
  struct mates *w = *state;
  uint64_t id;
  struct mate *m = asked(w, &id);
  struct tl_mesh_message done, grant = {.type = TL_MESH_JOIN_GRANT};
  uint8_t *blob = grant_for(w, m, "osprey", &grant.blob_size);
  grant.blob = blob;
  mate_say(m, &grant);
  assert_true(mate_hear(m, mate_lane(m, 0), TL_MESH_JOIN_DONE, &done));
  assert_int_equal(status_of(w, id), 1); /* a member, but not linked as one */
  tl_link_close(m->link, mates_now(w), 0);
  m->link = NULL;
  mate_turn(m);
  mates_run(w, TL_S);
  assert_int_equal(status_of(w, id), 0);
  assert_non_null(m->link);
  assert_false(tl_link_peer(m->link)->joining);
  free(blob);
}

static void an_inviter_that_never_hangs_up_is_left(void **state) {
  struct mates *w = *state;
  uint64_t id;
  struct mate *m = asked(w, &id);
  struct tl_mesh_message grant = {.type = TL_MESH_JOIN_GRANT};
  uint8_t *blob = grant_for(w, m, "osprey", &grant.blob_size);
  grant.blob = blob;
  mate_say(m, &grant);
  mates_run(w, 3 * TL_S);
  assert_int_equal(status_of(w, id), 0);
  free(blob);
}

static void texts_that_are_no_tokens_are_refused(void **state) {
  struct mates *w = *state;
  char good[TL_TOKEN_TEXT_SIZE], text[TL_TOKEN_TEXT_SIZE];
  struct tl_token token = token_of(w, 0);
  tl_token_format(&token, good);
  size_t size = strlen(good);
  static const char *const bad[] = {"", "tl1-", "tl1", "hello", "\xff\xfe"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_int_equal(status_of(w, ask_to_join(w, bad[i], false)), TULLE_E_INVALID);
  for (size_t cut = 5; cut < size; cut += 7) { /* cut short */
    snprintf(text, sizeof text, "%.*s", (int)cut, good);
    assert_int_equal(status_of(w, ask_to_join(w, text, false)), TULLE_E_INVALID);
  }
  for (size_t at = 5; at < size; at += 3) { /* a slip of the hand */
    if (good[at] == '-') continue;
    strcpy(text, good);
    text[at] = text[at] == 'a' ? 'b' : 'a';
    uint64_t id = ask_to_join(w, text, false);
    assert_true(status_of(w, id) == TULLE_E_INVALID || status_of(w, id) == TULLE_E_VERSION);
    memory_port_clear(&w->programs[ADMIN]);
  }
  assert_null(w->mates[0].link);
  expect_alone(w);
}

static void a_node_cannot_invite_itself(void **state) {
  struct mates *w = *state;
  struct tl_token token;
  assert_int_equal(tl_trust_invite(w->fixture.trust, mates_now(w), 0, TL_ROLES_DEFAULT, &token), 0);
  token.address_count = 1;
  token.addresses[0] = w->address;
  uint64_t id = join_with(w, &token);
  assert_int_equal(status_of(w, id), TULLE_E_INVALID);
  expect_alone(w);
}

static void one_join_at_a_time(void **state) {
  struct mates *w = *state;
  struct tl_token a = token_of(w, 0), b = token_of(w, 1);
  uint64_t first = join_with(w, &a), second = join_with(w, &b);
  assert_int_equal(status_of(w, first), 1);
  assert_int_equal(status_of(w, second), TULLE_E_BUSY);
  assert_null(w->mates[1].link);
}

static void who_has_members_does_not_join_by_mistake(void **state) {
  struct mates *w = *state;
  mate_link(w, 1); /* of our fabric now */
  struct tl_token token = token_of(w, 0);
  uint64_t id = join_with(w, &token);
  assert_int_equal(status_of(w, id), TULLE_E_BUSY);
  assert_non_null(strstr(text_of(w, id), "--leave"));
  assert_null(w->mates[0].link);
}

static void a_token_without_addresses_needs_one(void **state) {
  struct mates *w = *state;
  struct tl_token token = token_of(w, 0);
  token.address_count = 0;
  uint64_t id = join_with(w, &token);
  assert_int_equal(status_of(w, id), TULLE_E_INVALID);
  assert_non_null(strstr(text_of(w, id), "--at"));
}

static void a_token_that_was_used_is_refused(void **state) {
  struct mates *w = *state;
  struct tl_token token = token_of(w, 0);
  uint8_t *grant;
  size_t size;
  uint8_t other[32] = {[0] = 9};
  assert_int_equal(tl_trust_admit(w->mates[0].fixture.trust, mates_now(w), token.invitation_id,
                                  other, "somebody", &grant, &size),
                   0);
  free(grant);
  uint64_t id = join_with(w, &token);
  mates_run(w, 14 * TL_S);
  assert_int_equal(status_of(w, id), TULLE_E_UNTRUSTED);
  assert_non_null(strstr(text_of(w, id), "used"));
  expect_alone(w);
}

static void a_token_that_expired_is_refused(void **state) {
  struct mates *w = *state;
  struct tl_token token;
  struct mate *m = &w->mates[0];
  assert_int_equal(tl_trust_invite(m->fixture.trust, mates_now(w), TL_S, TL_ROLES_DEFAULT, &token),
                   0);
  token.address_count = 1;
  token.addresses[0] = m->address;
  mates_run(w, 2 * TL_S);
  uint64_t id = join_with(w, &token);
  mates_run(w, 14 * TL_S);
  assert_int_equal(status_of(w, id), TULLE_E_UNREACHABLE);
  assert_non_null(strstr(text_of(w, id), "expired"));
  assert_null(m->link);
  expect_alone(w);
}

static void nobody_at_the_tokens_address_costs_a_deadline(void **state) {
  struct mates *w = *state;
  struct tl_token token = token_of(w, 0);
  assert_int_equal(tl_address_parse("10.0.0.99:8855", 0, &token.addresses[0]), 0);
  uint64_t id = join_with(w, &token);
  mates_run(w, 14 * TL_S);
  assert_int_equal(status_of(w, id), TULLE_E_UNREACHABLE);
  expect_alone(w);
}

static void somebody_else_at_the_tokens_address_is_not_joined(void **state) {
  struct mates *w = *state;
  struct tl_token token = token_of(w, 0);
  token.addresses[0] = w->mates[1].address;
  uint64_t id = join_with(w, &token);
  mates_run(w, 40 * TL_S);
  assert_true(status_of(w, id) < 0);
  assert_null(w->mates[1].link);
  expect_alone(w);
}

static void a_refusal_is_the_answer(void **state) {
  struct mates *w = *state;
  uint64_t id;
  struct mate *m = asked(w, &id);
  struct tl_mesh_message no = {
      .type = TL_MESH_JOIN_REFUSED, .code = TULLE_E_EXISTS, .text = "another has this name"};
  mate_say(m, &no);
  assert_int_equal(status_of(w, id), TULLE_E_EXISTS);
  assert_string_equal(text_of(w, id), "another has this name");
  mates_run(w, 100 * TL_MS);
  assert_null(m->link);
  expect_alone(w);
}

static void an_inviter_that_leaves_is_reported(void **state) {
  struct mates *w = *state;
  uint64_t id;
  struct mate *m = asked(w, &id);
  tl_link_close(m->link, mates_now(w), 0);
  m->link = NULL;
  mate_turn(m);
  mates_run(w, 100 * TL_MS);
  assert_int_equal(status_of(w, id), TULLE_E_UNREACHABLE);
  expect_alone(w);
}

static void an_inviter_that_says_nothing_costs_a_deadline(void **state) {
  struct mates *w = *state;
  uint64_t id;
  asked(w, &id);
  mates_run(w, 40 * TL_S);
  assert_true(status_of(w, id) < 0);
  expect_alone(w);
}

static void a_grant_that_never_ends_costs_a_deadline(void **state) {
  struct mates *w = *state;
  uint64_t id;
  struct mate *m = asked(w, &id);
  static const uint8_t part[1000];
  mate_write(m, mate_lane(m, 0), TL_MESH_NODE, TL_LANE_MORE, part, sizeof part);
  mates_run(w, 40 * TL_S);
  assert_true(status_of(w, id) < 0);
  expect_alone(w);
}

static void a_grant_too_large_ends_the_join(void **state) {
  struct mates *w = *state;
  uint64_t id;
  struct mate *m = asked(w, &id);
  static const uint8_t part[8000];
  for (int i = 0; i < 5 && m->link; i++) {
    mate_write(m, mate_lane(m, 0), TL_MESH_NODE, TL_LANE_MORE, part, sizeof part);
    mates_run(w, 20 * TL_MS);
  }
  mates_run(w, 100 * TL_MS);
  assert_null(m->link);
  mates_run(w, 40 * TL_S);
  assert_true(status_of(w, id) < 0);
  expect_alone(w);
}

/* Each byte of an honest grant altered: none is taken. */
static void forged_grants_change_nothing(void **state) {
  struct mates *w = *state;
  uint64_t id;
  struct mate *m = asked(w, &id);
  struct tl_mesh_message grant = {.type = TL_MESH_JOIN_GRANT};
  uint8_t *honest = grant_for(w, m, "osprey", &grant.blob_size);
  uint8_t *blob = malloc(grant.blob_size);
  static const size_t places[] = {0, 4, 100, 231, 236, 372, 376, 400};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    memcpy(blob, honest, grant.blob_size);
    blob[places[i]] ^= 1;
    grant.blob = blob;
    mate_say(m, &grant);
    assert_true(status_of(w, id) < 0);
    expect_alone(w);
    mates_run(w, TL_S);
    struct tl_token token = token_of(w, 0); /* and once more */
    id = join_with(w, &token);
    assert_non_null(m->link);
  }
  free(blob);
  free(honest);
}

static void a_grant_for_another_key_is_refused(void **state) {
  struct mates *w = *state;
  uint64_t id;
  struct mate *m = asked(w, &id);
  struct tl_mesh_message grant = {.type = TL_MESH_JOIN_GRANT};
  struct tl_token other = token_of(w, 0);
  uint8_t *blob;
  assert_int_equal(tl_trust_admit(m->fixture.trust, mates_now(w), other.invitation_id,
                                  w->mates[1].fixture.identity->key, "osprey", &blob,
                                  &grant.blob_size),
                   0);
  grant.blob = blob;
  mate_say(m, &grant);
  assert_int_equal(status_of(w, id), TULLE_E_UNTRUSTED);
  expect_alone(w);
  free(blob);
}

static void a_grant_of_another_fabric_is_refused(void **state) {
  struct mates *w = *state;
  uint64_t id;
  struct mate *m = asked(w, &id);
  struct tl_mesh_message grant = {.type = TL_MESH_JOIN_GRANT};
  struct tl_token other = token_of(w, 1);
  uint8_t *blob;
  assert_int_equal(tl_trust_admit(w->mates[1].fixture.trust, mates_now(w), other.invitation_id,
                                  w->fixture.identity->key, "osprey", &blob, &grant.blob_size),
                   0);
  grant.blob = blob;
  mate_say(m, &grant);
  assert_int_equal(status_of(w, id), TULLE_E_UNTRUSTED);
  expect_alone(w);
  free(blob);
}

static void other_words_of_an_inviter_end_the_join(void **state) {
  static const enum tl_mesh_type bad[] = {TL_MESH_HELLO,        TL_MESH_SERVICE_GONE,
                                          TL_MESH_JOIN_REQUEST, TL_MESH_JOIN_DONE,
                                          TL_MESH_BENCH,        TL_MESH_CATALOGUE_END};
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct mates *w = malloc(sizeof *w);
    uint64_t id;
    mates_init(w);
    struct mate *m = asked(w, &id);
    struct tl_mesh_message message = {.type = bad[i], .name = "x"};
    mate_say(m, &message);
    mates_run(w, 40 * TL_S);
    assert_true(status_of(w, id) < 0);
    expect_alone(w);
    assert_false(w->mesh->wants_echo);
    mates_deinit(w);
    free(w);
  }
}

static void a_disk_that_is_full_keeps_the_old_fabric(void **state) {
  struct mates *w = *state;
  uint64_t id;
  struct mate *m = asked(w, &id);
  struct tl_mesh_message grant = {.type = TL_MESH_JOIN_GRANT};
  uint8_t *blob = grant_for(w, m, "osprey", &grant.blob_size);
  grant.blob = blob;
  w->fixture.memory.fail_at = w->fixture.memory.steps + 1;
  w->fixture.memory.fail_error = -ENOSPC;
  mate_say(m, &grant);
  assert_true(status_of(w, id) < 0);
  expect_alone(w);
  node_fixture_restart(&w->fixture, mates_now(w));
  assert_true(tl_trust_is_alone(w->fixture.trust));
  free(blob);
}

static void a_caller_that_stops_waiting_ends_a_dial(void **state) {
  struct mates *w = *state;
  struct tl_token token = token_of(w, 0);
  assert_int_equal(tl_address_parse("10.0.0.99:8855", 0, &token.addresses[0]), 0);
  join_with(w, &token);
  assert_int_equal(w->mesh->join.phase, TL_JOIN_DIALLING);
  memory_detach(&w->programs[ADMIN], mates_now(w));
  assert_int_equal(w->mesh->join.phase, TL_JOIN_NONE);
}

static void a_node_that_ends_during_a_join_says_so(void **state) {
  struct mates *w = *state;
  uint64_t id;
  asked(w, &id);
  w->mesh = tl_mesh_free(w->mesh, mates_now(w));
  assert_int_equal(status_of(w, id), TULLE_E_CANCELLED);
}

/* ---- the node as inviter ---- */

static struct tl_token invitation(struct mates *w, uint64_t life) {
  struct tl_token token;
  assert_int_equal(tl_trust_invite(w->fixture.trust, mates_now(w), life, TL_ROLES_DEFAULT, &token),
                   0);
  return token;
}

static bool hears_refusal(struct mate *m, int code) {
  struct tl_mesh_message got;
  return mate_hear(m, mate_lane(m, 0), TL_MESH_JOIN_REFUSED, &got) && got.code == code;
}

static void names_that_are_none_are_refused(void **state) {
  struct mates *w = *state;
  struct tl_token token = invitation(w, 0);
  struct mate *m = mate_knock(w, 0, &token);
  static const char *const bad[] = {"", "a b", "../x", "\x1b[2J", "\xff\xfe"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad && m->link; i++) {
    struct tl_mesh_message request = {.type = TL_MESH_JOIN_REQUEST};
    strcpy(request.name, bad[i]);
    mate_say(m, &request);
    if (m->link) assert_true(hears_refusal(m, TULLE_E_INVALID));
  }
  assert_true(tl_trust_is_alone(w->fixture.trust));
}

static void the_name_of_another_member_is_refused(void **state) {
  struct mates *w = *state;
  struct tl_token token = invitation(w, 0);
  struct mate *m = mate_knock(w, 0, &token);
  struct tl_mesh_message got, request = {.type = TL_MESH_JOIN_REQUEST, .name = "osprey"};
  mate_say(m, &request);
  assert_true(hears_refusal(m, TULLE_E_EXISTS));
  strcpy(request.name, "mate-0"); /* another one will do, under the same token */
  mate_say(m, &request);
  assert_true(mate_hear(m, mate_lane(m, 0), TL_MESH_JOIN_GRANT, &got));
}

static void words_of_members_are_not_for_newcomers(void **state) {
  static const enum tl_mesh_type bad[] = {
      TL_MESH_HELLO, TL_MESH_SERVICE_GONE, TL_MESH_JOIN_GRANT,   TL_MESH_JOIN_REFUSED,
      TL_MESH_TRUST, TL_MESH_BENCH,        TL_MESH_CATALOGUE_END};
  struct mates *w = *state;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct tl_token token = invitation(w, 0);
    struct mate *m = mate_knock(w, 0, &token);
    assert_non_null(m->link);
    struct tl_mesh_message message = {
        .type = bad[i], .name = "x", .code = -1, .blob = (const uint8_t *)"x", .blob_size = 1};
    mate_say(m, &message);
    mates_run(w, 100 * TL_MS);
    assert_null(m->link);
    assert_int_equal(w->mesh->protocol_faults, i + 1);
    tl_trust_uninvite(w->fixture.trust, token.invitation_id);
  }
  assert_false(w->mesh->wants_echo);
  assert_true(tl_trust_is_alone(w->fixture.trust));
}

static void an_invitation_that_expires_while_the_link_stands_admits_nobody(void **state) {
  struct mates *w = *state;
  struct tl_token token = invitation(w, 2 * TL_S);
  struct mate *m = mate_knock(w, 0, &token);
  mates_run(w, 3 * TL_S);
  assert_non_null(m->link);
  struct tl_mesh_message request = {.type = TL_MESH_JOIN_REQUEST, .name = "mate-0"};
  mate_say(m, &request);
  assert_true(hears_refusal(m, TULLE_E_NOT_FOUND));
  assert_true(tl_trust_is_alone(w->fixture.trust));
}

static void a_full_disk_admits_nobody(void **state) {
  struct mates *w = *state;
  struct tl_token token = invitation(w, 0);
  struct mate *m = mate_knock(w, 0, &token);
  struct tl_mesh_message got, request = {.type = TL_MESH_JOIN_REQUEST, .name = "mate-0"};
  w->fixture.memory.fail_at = w->fixture.memory.steps + 1;
  w->fixture.memory.fail_error = -ENOSPC;
  mate_say(m, &request);
  assert_true(mate_hear(m, mate_lane(m, 0), TL_MESH_JOIN_REFUSED, &got));
  assert_true(tl_trust_is_alone(w->fixture.trust));
  mate_say(m, &request); /* there is room again */
  assert_true(mate_hear(m, mate_lane(m, 0), TL_MESH_JOIN_GRANT, &got));
}

static void expired_invitations_leave_the_store_by_boottime(void **state) {
  struct mates *w = *state;
  const struct tl_trust *trust = w->fixture.trust;
  invitation(w, 10 * TL_S);
  invitation(w, 20 * TL_S);
  mates_run(w, 9 * TL_S);
  assert_int_equal(tl_trust_state_of(trust)->invitation_count, 2);
  mates_run(w, 2 * TL_S);
  assert_int_equal(tl_trust_state_of(trust)->invitation_count, 1);
  mates_run(w, 10 * TL_S);
  assert_int_equal(tl_trust_state_of(trust)->invitation_count, 0);
  assert_int_equal(tl_trust_deadline(trust), TL_NEVER);
}

static void a_disk_that_refuses_to_forget_is_asked_again(void **state) {
  struct mates *w = *state;
  invitation(w, 10 * TL_S);
  w->fixture.memory.fail_at = w->fixture.memory.steps + 1;
  w->fixture.memory.fail_error = -ENOSPC;
  mates_run(w, 30 * TL_S);
  assert_int_equal(tl_trust_state_of(w->fixture.trust)->invitation_count, 1);
  mates_run(w, 60 * TL_S);
  assert_int_equal(tl_trust_state_of(w->fixture.trust)->invitation_count, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, mates_setup, mates_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_join_ends_when_the_first_link_is_up),
      TEST(an_inviter_that_never_hangs_up_is_left),
      TEST(texts_that_are_no_tokens_are_refused),
      TEST(a_node_cannot_invite_itself),
      TEST(one_join_at_a_time),
      TEST(who_has_members_does_not_join_by_mistake),
      TEST(a_token_without_addresses_needs_one),
      TEST(a_token_that_was_used_is_refused),
      TEST(a_token_that_expired_is_refused),
      TEST(nobody_at_the_tokens_address_costs_a_deadline),
      TEST(somebody_else_at_the_tokens_address_is_not_joined),
      TEST(a_refusal_is_the_answer),
      TEST(an_inviter_that_leaves_is_reported),
      TEST(an_inviter_that_says_nothing_costs_a_deadline),
      TEST(a_grant_that_never_ends_costs_a_deadline),
      TEST(a_grant_too_large_ends_the_join),
      TEST(forged_grants_change_nothing),
      TEST(a_grant_for_another_key_is_refused),
      TEST(a_grant_of_another_fabric_is_refused),
      cmocka_unit_test(other_words_of_an_inviter_end_the_join),
      TEST(a_disk_that_is_full_keeps_the_old_fabric),
      TEST(a_caller_that_stops_waiting_ends_a_dial),
      TEST(a_node_that_ends_during_a_join_says_so),
      TEST(names_that_are_none_are_refused),
      TEST(the_name_of_another_member_is_refused),
      TEST(words_of_members_are_not_for_newcomers),
      TEST(an_invitation_that_expires_while_the_link_stands_admits_nobody),
      TEST(a_full_disk_admits_nobody),
      TEST(expired_invitations_leave_the_store_by_boottime),
      TEST(a_disk_that_refuses_to_forget_is_asked_again),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
