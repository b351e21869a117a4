/* What a hostile member can make a node hold: each bound, reached and not passed, and others unharmed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/mesh/peer.h"
#include "node/state/procedures.h"
#include "tests/unit/mesh/mate.h"
#include "tests/unit/test.h"

static struct tl_mesh_peer *first_peer(const struct mates *w) {
  assert_false(tl_list_is_empty(&w->mesh->peers));
  return tl_container_of(w->mesh->peers.next, struct tl_mesh_peer, in_mesh);
}

static void expect_unharmed(struct mates *w) {
  struct mate *other = mate_link(w, 1);
  mate_offer(other, "honest");
  assert_non_null(mates_offer(w, "honest"));
  assert_int_equal(memory_call(&w->programs[2], mates_now(w), "status", NULL, 0), 0);
}

/* ---- catalogues ---- */

static void offer_many(struct mates *w, struct mate *m, unsigned count, unsigned capabilities) {
  static struct tl_mesh_message message;
  static uint8_t bytes[TL_MESH_BYTES_MAX];
  message = (struct tl_mesh_message){.type = TL_MESH_SERVICE};
  message.service.capability_count = capabilities;
  for (unsigned i = 0; i < capabilities; i++)
    snprintf(message.service.capabilities[i].name, TL_CAPABILITY_BYTES_MAX, "c%u", i);
  for (unsigned i = 0; i < count; i++) {
    snprintf(message.service.name, sizeof message.service.name, "invented-%u", i);
    size_t size = tl_mesh_encode(&message, bytes, sizeof bytes);
    while (mate_write(m, mate_lane(m, 0), TL_MESH_NODE, 0, bytes, size) == TL_FULL)
      mates_run(w, 5 * TL_MS);
  }
  mates_run(w, 2 * TL_S);
}

static void a_catalogue_is_charged_to_its_node(void **state) {
  struct mates *w = *state;
  struct mate *m = mate_link(w, 0);
  const uint64_t limit = w->node->config.limit.amount[TL_RESOURCE_OBJECTS];
  offer_many(w, m, 2 + (unsigned)limit / (1 + TL_CAPABILITIES_MAX), TL_CAPABILITIES_MAX);
  const struct tl_mesh_peer *peer = first_peer(w);
  assert_non_null(m->link);
  assert_int_equal(w->node->registry.offer_count, limit / (1 + TL_CAPABILITIES_MAX));
  assert_true(peer->account->used.amount[TL_RESOURCE_OBJECTS] <= limit);
  assert_true(peer->is_over_full);
  expect_unharmed(w);
}

static void what_is_gone_makes_room(void **state) {
  struct mates *w = *state;
  struct mate *m = mate_link(w, 0);
  struct tl_mesh_peer *peer = first_peer(w);
  struct tl_charge rest = {{[TL_RESOURCE_OBJECTS] = 65535}};
  assert_int_equal(tl_account_charge(peer->account, &rest), 0);
  mate_offer(m, "one");
  mate_offer(m, "two");
  assert_non_null(mates_offer(w, "one"));
  assert_null(mates_offer(w, "two"));
  struct tl_mesh_message gone = {.type = TL_MESH_SERVICE_GONE, .name = "one"};
  mate_say(m, &gone);
  mate_offer(m, "two");
  assert_non_null(mates_offer(w, "two"));
  tl_account_release(peer->account, &rest);
}

static void a_change_that_does_not_fit_leaves_the_old_word(void **state) {
  struct mates *w = *state;
  static struct tl_mesh_message message;
  struct mate *m = mate_link(w, 0);
  struct tl_mesh_peer *peer = first_peer(w);
  struct tl_charge rest = {{[TL_RESOURCE_OBJECTS] = 65530}};
  mate_offer(m, "imu");
  assert_int_equal(tl_account_charge(peer->account, &rest), 0);
  message = (struct tl_mesh_message){.type = TL_MESH_SERVICE};
  strcpy(message.service.name, "imu");
  message.service.capability_count = TL_CAPABILITIES_MAX;
  for (unsigned i = 0; i < TL_CAPABILITIES_MAX; i++)
    snprintf(message.service.capabilities[i].name, TL_CAPABILITY_BYTES_MAX, "c%u", i);
  mate_say(m, &message);
  assert_int_equal(mates_offer(w, "imu")->capability_count, 0);
  assert_non_null(m->link);
  tl_account_release(peer->account, &rest);
}

/* ---- lanes ---- */

static void lanes_have_an_end(void **state) {
  struct mates *w = *state;
  struct mate *m = mate_link(w, 0);
  struct tl_lane *lane;
  size_t opened = 0;
  for (int idle = 0; idle < 3 && opened < 20000;) {
    int r = tl_link_open_lane(m->link, &lane);
    assert_true(r == 0 || r == TL_FULL);
    if (r == 0) {
      /* OPEN that never ends: what there is of it has to be kept */
      static const uint8_t part[64];
      mate_write(m, lane, TL_MESH_OPEN, TL_LANE_MORE, part, sizeof part);
      opened++;
    }
    if (r == TL_FULL || opened % 256 == 0) mates_run(w, 20 * TL_MS);
    idle = r == TL_FULL ? idle + 1 : 0;
  }
  mates_run(w, TL_S);
  assert_true(opened <= TL_FLOW_LANES_MAX);
  assert_true(mates_proxies(w) <= TL_FLOW_LANES_MAX);
  assert_non_null(m->link);
  expect_unharmed(w);
}

static void an_open_without_end_ends_its_lane(void **state) {
  struct mates *w = *state;
  static const uint8_t part[TL_MESH_CHANNEL_BYTES_MAX / 2];
  struct mate *m = mate_link(w, 0);
  struct tl_lane *lane = mate_open(m, NULL);
  for (int i = 0; i < 2; i++) mate_write(m, lane, TL_MESH_OPEN, TL_LANE_MORE, part, sizeof part);
  mates_run(w, 20 * TL_MS);
  assert_int_equal(mates_proxies(w), 1);
  mate_write(m, lane, TL_MESH_OPEN, TL_LANE_MORE, part, 1);
  mates_run(w, 20 * TL_MS);
  assert_int_equal(mates_proxies(w), 0);
  assert_non_null(m->link);
}

static void a_large_open_is_refused_whole(void **state) {
  struct mates *w = *state;
  static uint8_t large[TL_MESH_CHANNEL_BYTES_MAX + 1];
  struct mate *m = mate_link(w, 0);
  struct tulle_pack p = tulle_pack_on(large, sizeof large);
  tulle_pack_map(&p, 1), tulle_pack_text(&p, "x");
  tulle_pack_bytes(&p, (const uint8_t[TL_MESH_CHANNEL_BYTES_MAX - 6]){0},
                   TL_MESH_CHANNEL_BYTES_MAX - 6);
  struct tl_lane *lane = mate_open(m, NULL);
  mate_write(m, lane, TL_MESH_OPEN, 0, large, sizeof large);
  mates_run(w, 20 * TL_MS);
  assert_int_equal(mates_proxies(w), 0);
}

static void channels_are_charged_to_the_node_that_opens_them(void **state) {
  struct mates *w = *state;
  struct tl_mesh_message got;
  program_serve(w, 0, "echo");
  struct mate *m = mate_link(w, 0);
  struct tl_mesh_peer *peer = first_peer(w);
  struct tl_charge before = w->node->accounts.used;
  mate_open(m, "echo");
  struct tl_charge one = peer->account->used;
  assert_true(one.amount[TL_RESOURCE_MEMORY] > 0 && one.amount[TL_RESOURCE_OBJECTS] > 0);
  assert_memory_equal(&before, &w->node->accounts.used, sizeof before); /* nobody here pays */
  struct tl_charge rest = {
      {[TL_RESOURCE_MEMORY] =
           w->node->config.limit.amount[TL_RESOURCE_MEMORY] - one.amount[TL_RESOURCE_MEMORY]}};
  assert_int_equal(tl_account_charge(peer->account, &rest), 0);
  struct tl_lane *lane = mate_open(m, "echo");
  assert_true(mate_hear(m, lane, TL_MESH_CHANNEL_CLOSED, &got));
  assert_int_equal(got.code, TULLE_E_LIMIT);
  assert_non_null(m->link);
  tl_account_release(peer->account, &rest);
}

static void everything_comes_back_when_the_link_goes(void **state) {
  struct mates *w = *state;
  program_serve(w, 0, "echo");
  struct tl_charge before = w->node->accounts.used;
  struct mate *m = mate_link(w, 0);
  mate_offer(m, "imu");
  for (int i = 0; i < 10; i++) mate_open(m, "echo");
  for (int i = 0; i < 10; i++) mate_open(m, NULL);
  tl_link_close(m->link, mates_now(w), 0);
  m->link = NULL;
  mate_turn(m);
  mates_run(w, 100 * TL_MS);
  assert_int_equal(w->mesh->accounts.by_uid.used, 0);
  assert_int_equal(w->node->registry.offer_count, 1);
  /* The ends that the server had are its own until it says close. */
  for (uint32_t number = 1; number <= 10; number++)
    tl_node_close_said(w->programs[0].program, mates_now(w), number);
  assert_memory_equal(&before, &w->node->accounts.used, sizeof before);
}

/* ---- hints ---- */

static void invented_members_fill_a_bounded_table(void **state) {
  struct mates *w = *state;
  struct mate *m = mate_link(w, 0);
  struct tl_mesh_message member = {.type = TL_MESH_MEMBER};
  static uint8_t bytes[TL_MESH_BYTES_MAX];
  struct tl_discovery_status status;
  for (unsigned i = 0; i < 3000; i++) {
    memcpy(member.node, &i, sizeof i);
    snprintf(member.addresses, sizeof member.addresses, "10.9.%u.%u:8855", i / 250, i % 250 + 1);
    size_t size = tl_mesh_encode(&member, bytes, sizeof bytes);
    while (mate_write(m, mate_lane(m, 0), TL_MESH_NODE, 0, bytes, size) == TL_FULL)
      mates_run(w, 5 * TL_MS);
  }
  mates_run(w, 2 * TL_S);
  tl_discovery_status(w->discovery, &status);
  assert_true(status.entries <= 1024);
  assert_true(status.dials_under_way <= 16);
  assert_non_null(m->link);
  expect_unharmed(w);
}

static void names_that_ended_are_forgotten_in_time(void **state) {
  struct mates *w = *state;
  struct mate *m = mate_link(w, 0);
  static uint8_t bytes[TL_MESH_BYTES_MAX];
  char name[32];
  for (unsigned i = 0; i < 2000; i++) {
    snprintf(name, sizeof name, "brief-%u", i);
    for (int gone = 0; gone < 2; gone++) {
      static struct tl_mesh_message message;
      message = (struct tl_mesh_message){.type = gone ? TL_MESH_SERVICE_GONE : TL_MESH_SERVICE};
      strcpy(message.service.name, name), strcpy(message.name, name);
      size_t size = tl_mesh_encode(&message, bytes, sizeof bytes);
      while (mate_write(m, mate_lane(m, 0), TL_MESH_NODE, 0, bytes, size) == TL_FULL)
        mates_run(w, 5 * TL_MS);
    }
  }
  mates_run(w, TL_S);
  assert_int_equal(w->node->registry.names.used, 0);
  assert_int_equal(first_peer(w)->account->used.amount[TL_RESOURCE_OBJECTS], 0);
}

/* ---- newcomers ---- */

static struct tl_token invite(struct mates *w) {
  struct tl_token token;
  assert_int_equal(tl_trust_invite(w->fixture.trust, mates_now(w), 0, TL_ROLES_DEFAULT, &token), 0);
  return token;
}

static void one_link_for_each_invitation(void **state) {
  struct mates *w = *state;
  struct tl_token token = invite(w);
  for (unsigned i = 0; i < MATES; i++) {
    assert_non_null(mate_knock(w, i, &token)->link);
    for (unsigned older = 0; older < i; older++) assert_null(w->mates[older].link);
  }
  assert_true(tl_list_is_empty(&w->mesh->peers));
}

static void invitations_do_not_push_each_other_out(void **state) {
  struct mates *w = *state;
  struct tl_token a = invite(w), b = invite(w);
  mate_knock(w, 0, &a), mate_knock(w, 1, &b);
  assert_non_null(w->mates[0].link);
  assert_non_null(w->mates[1].link);
}

static void a_newcomer_that_says_nothing_is_shown_out(void **state) {
  struct mates *w = *state;
  struct tl_token token = invite(w);
  struct mate *m = mate_knock(w, 0, &token);
  mates_run(w, TL_NEWCOMER_NS - TL_S);
  assert_non_null(m->link);
  mates_run(w, 2 * TL_S);
  assert_null(m->link);
  assert_non_null(mate_knock(w, 0, &token)->link); /* it may come again */
}

static void a_newcomer_that_asks_again_and_again_is_one_member(void **state) {
  struct mates *w = *state;
  struct tl_token token = invite(w);
  struct mate *m = mate_knock(w, 0, &token);
  struct tl_mesh_message request = {.type = TL_MESH_JOIN_REQUEST, .name = "mate-0"};
  for (int i = 0; i < 50; i++) mate_say(m, &request);
  const struct tl_trust_state *s = tl_trust_state_of(w->fixture.trust);
  assert_int_equal(s->member_count, 2);
  assert_int_equal(s->last_serial, 2);
  assert_non_null(m->link);
}

static void a_newcomers_lanes_are_turned_away(void **state) {
  struct mates *w = *state;
  struct tl_token token = invite(w);
  program_serve(w, 0, "echo");
  struct mate *m = mate_knock(w, 0, &token);
  mate_open(m, "echo");
  mates_run(w, 50 * TL_MS);
  assert_int_equal(m->resets, 1);
  assert_string_equal(w->programs[0].connected->service, "");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, mates_setup, mates_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_catalogue_is_charged_to_its_node),
      TEST(what_is_gone_makes_room),
      TEST(a_change_that_does_not_fit_leaves_the_old_word),
      TEST(lanes_have_an_end),
      TEST(an_open_without_end_ends_its_lane),
      TEST(a_large_open_is_refused_whole),
      TEST(channels_are_charged_to_the_node_that_opens_them),
      TEST(everything_comes_back_when_the_link_goes),
      TEST(invented_members_fill_a_bounded_table),
      TEST(names_that_ended_are_forgotten_in_time),
      TEST(one_link_for_each_invitation),
      TEST(invitations_do_not_push_each_other_out),
      TEST(a_newcomer_that_says_nothing_is_shown_out),
      TEST(a_newcomer_that_asks_again_and_again_is_one_member),
      TEST(a_newcomers_lanes_are_turned_away),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
