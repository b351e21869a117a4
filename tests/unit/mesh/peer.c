/* Lane 0 between members: hello, catalogues and what a hostile member says there. */
#include "node/mesh/peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/mesh/mate.h"
#include "tests/unit/test.h"

static struct tl_mesh_message of_type(enum tl_mesh_type type) {
  return (struct tl_mesh_message){.type = type};
}

static size_t peers(const struct mates *w) {
  size_t count = 0;
  TL_LIST_FOR_EACH(l, &w->mesh->peers) count++;
  return count;
}

/* ---- what is right ---- */

static void both_say_hello_and_tell_their_catalogue(void **state) {
  struct mates *w = *state;
  static struct tl_mesh_message got;
  program_serve(w, 0, "echo");
  struct mate *m = mate_link(w, 0);
  assert_true(mate_hear(m, mate_lane(m, 0), TL_MESH_HELLO, &got));
  assert_int_equal(got.incarnation, 3);
  assert_true(mate_hear(m, mate_lane(m, 0), TL_MESH_SERVICE, &got));
  assert_string_equal(got.service.name, "echo");
  assert_true(mate_hear(m, mate_lane(m, 0), TL_MESH_CATALOGUE_END, &got));
  assert_int_equal(got.generation, w->node->registry.generation);
  mate_offer(m, "imu");
  assert_non_null(mates_offer(w, "imu"));
  assert_string_equal(mates_offer(w, "imu")->place->node_name, "mate-0");
}

static void changes_are_told_as_they_come(void **state) {
  struct mates *w = *state;
  static struct tl_mesh_message got;
  struct mate *m = mate_link(w, 0);
  program_serve(w, 0, "late");
  assert_true(mate_hear(m, mate_lane(m, 0), TL_MESH_SERVICE, &got));
  assert_string_equal(got.service.name, "late");
  assert_int_equal(memory_call_text(&w->programs[0], mates_now(w), "unregister", "service", "late"),
                   0);
  mates_run(w, 20 * TL_MS);
  assert_true(mate_hear(m, mate_lane(m, 0), TL_MESH_SERVICE_GONE, &got));
  assert_string_equal(got.name, "late");
}

static void unknown_keys_are_passed_over(void **state) {
  struct mates *w = *state;
  struct mate *m = mate_link(w, 0);
  uint8_t bytes[128];
  struct tulle_pack p = tulle_pack_on(bytes, sizeof bytes);
  tulle_pack_map(&p, 3);
  tulle_pack_text(&p, "t"), tulle_pack_text(&p, "service");
  tulle_pack_text(&p, "service"), tulle_pack_text(&p, "imu");
  tulle_pack_text(&p, "colour"), tulle_pack_text(&p, "green");
  mate_write(m, mate_lane(m, 0), TL_MESH_NODE, 0, bytes, tulle_pack_size(&p));
  mates_run(w, 20 * TL_MS);
  assert_non_null(mates_offer(w, "imu"));
}

static void a_message_in_pieces_is_one(void **state) {
  struct mates *w = *state;
  static uint8_t bytes[TL_MESH_BYTES_MAX];
  static struct tl_mesh_message message;
  struct mate *m = mate_link(w, 0);
  message = of_type(TL_MESH_SERVICE);
  strcpy(message.service.name, "imu");
  size_t size = tl_mesh_encode(&message, bytes, sizeof bytes);
  for (size_t i = 0; i < size; i++)
    mate_write(m, mate_lane(m, 0), TL_MESH_NODE, i + 1 < size ? TL_LANE_MORE : 0, bytes + i, 1);
  mates_run(w, 50 * TL_MS);
  assert_non_null(mates_offer(w, "imu"));
}

static void a_new_hello_begins_the_catalogue_anew(void **state) {
  struct mates *w = *state;
  struct mate *m = mate_link(w, 0);
  mate_offer(m, "old");
  mate_hello(m);
  assert_null(mates_offer(w, "old"));
  mate_offer(m, "new");
  assert_non_null(mates_offer(w, "new"));
}

static void a_service_said_again_is_replaced(void **state) {
  struct mates *w = *state;
  static struct tl_mesh_message message;
  struct mate *m = mate_link(w, 0);
  mate_offer(m, "imu");
  message = of_type(TL_MESH_SERVICE);
  strcpy(message.service.name, "imu");
  strcpy(message.service.capabilities[0].name, "sense/motion");
  message.service.capability_count = 1;
  mate_say(m, &message);
  assert_int_equal(w->node->registry.offer_count, 1);
  assert_true(tl_offer_has_capability(mates_offer(w, "imu"), "sense/motion"));
}

static void the_same_name_on_two_nodes_is_two_services(void **state) {
  struct mates *w = *state;
  program_serve(w, 0, "echo");
  struct mate *a = mate_link(w, 0), *b = mate_link(w, 1);
  mate_offer(a, "echo");
  mate_offer(b, "echo");
  assert_int_equal(w->node->registry.offer_count, 3);
  struct tl_mesh_message gone = of_type(TL_MESH_SERVICE_GONE);
  strcpy(gone.name, "echo");
  mate_say(a, &gone); /* its own one only */
  assert_int_equal(w->node->registry.offer_count, 2);
  assert_true(mates_offer(w, "echo")->place->is_here);
}

static void what_a_mate_offers_goes_with_its_link(void **state) {
  struct mates *w = *state;
  struct mate *m = mate_link(w, 0);
  mate_offer(m, "imu");
  tl_link_close(m->link, mates_now(w), 0);
  m->link = NULL;
  mate_turn(m);
  mates_run(w, 50 * TL_MS);
  assert_int_equal(peers(w), 0);
  assert_null(mates_offer(w, "imu"));
  assert_string_equal(tl_registry_last(&w->node->registry, "imu")->node_name, "mate-0");
}

static void any_member_may_ask_for_the_echo_program(void **state) {
  struct mates *w = *state;
  struct mate *m = mate_link(w, 0);
  struct tl_mesh_message message = of_type(TL_MESH_BENCH);
  mate_say(m, &message);
  assert_true(w->mesh->wants_echo);
}

/* ---- what ends a link ---- */

/* The link of mate 0 has ended for a breach, and a mate that behaves notices nothing. */
static void expect_breach(struct mates *w, struct mate *m, const char *what) {
  mates_run(w, 50 * TL_MS);
  if (m->link || w->mesh->protocol_faults != 1) fail_msg("%s: not taken for a breach", what);
  struct mate *other = mate_link(w, 1);
  mate_offer(other, "honest");
  assert_non_null(mates_offer(w, "honest"));
}

static void expect_breach_by_bytes(const char *what, uint8_t kind, uint8_t flags, const void *bytes,
                                   size_t size) {
  struct mates *w = malloc(sizeof *w);
  mates_init(w);
  struct mate *m = mate_link(w, 0);
  mate_write(m, mate_lane(m, 0), kind, flags, bytes, size);
  expect_breach(w, m, what);
  mates_deinit(w);
  free(w);
}

static void malformed_messages_end_the_link(void **state) {
  (void)state;
#define BREACH(what, text) expect_breach_by_bytes(what, TL_MESH_NODE, 0, text, sizeof text - 1)
  BREACH("nothing", "");
  BREACH("nil", "\xc0");
  BREACH("an array", "\x91\xa5hello");
  BREACH("a bomb of an array", "\xdd\x0f\xff\xff\xff");
  BREACH("a bomb of a map", "\xdf\x0f\xff\xff\xff");
  BREACH("an empty map", "\x80");
  BREACH("an unknown type", "\x81\xa1t\xa5greet");
  BREACH("a type that is no text", "\x81\xa1t\x07");
  BREACH("a hello without versions", "\x81\xa1t\xa5hello");
  BREACH("a service without a name", "\x81\xa1t\xa7service");
  BREACH("a service with a bad name", "\x82\xa1t\xa7service\xa7service\xa3"
                                      "a b");
  BREACH("gone without a name", "\x81\xa1t\xacservice_gone");
  BREACH("bytes behind the map", "\x81\xa1t\xa5"
                                 "bench\xc0");
  BREACH("a map cut short", "\x82\xa1t\xa5"
                            "bench");
  BREACH("open on lane 0", "\x82\xa1t\xa4open\xa4name\xa1x");
  BREACH("a request to join", "\x82\xa1t\xacjoin_request\xa4name\xa1x");
  BREACH("join_done", "\x81\xa1t\xa9join_done");
  BREACH("a grant", "\x82\xa1t\xaajoin_grant\xa4"
                    "blob\xc4\x01x");
#undef BREACH
}

static void other_kinds_on_lane_0_end_the_link(void **state) {
  (void)state;
  static const char bench[] = "\x81\xa1t\xa5"
                              "bench";
  static const uint8_t kinds[] = {0, 1, 0x7f, TL_MESH_OPEN, TL_MESH_OPENED, TL_MESH_CLOSED, 0xff};
  for (size_t i = 0; i < sizeof kinds; i++)
    expect_breach_by_bytes("another kind", kinds[i], 0, bench, sizeof bench - 1);
}

static void a_message_without_end_ends_the_link(void **state) {
  struct mates *w = *state;
  static const uint8_t piece[4096];
  struct mate *m = mate_link(w, 0);
  for (int i = 0; i < 64 && m->link; i++) {
    mate_write(m, mate_lane(m, 0), TL_MESH_NODE, TL_LANE_MORE, piece, sizeof piece);
    mates_run(w, 10 * TL_MS);
  }
  expect_breach(w, m, "a message without end");
}

static void out_of_order_classes_on_lane_0_end_the_link(void **state) {
  struct mates *w = *state;
  struct mate *m = mate_link(w, 0);
  static const char bench[] = "\x81\xa1t\xa5"
                              "bench";
  struct iovec body = {(void *)(uintptr_t)bench, sizeof bench - 1};
  assert_int_equal(
      tl_link_send(m->link, mate_lane(m, 0), TL_CLASS_BEST_EFFORT, TL_MESH_NODE, 0, &body, 1), 0);
  mate_turn(m);
  expect_breach(w, m, "a message of no order");
  assert_false(w->mesh->wants_echo);
}

static void a_word_before_hello_ends_the_link(void **state) {
  struct mates *w = *state;
  struct mate *m = mate_link_silent(w, 0);
  mate_offer(m, "early");
  assert_null(mates_offer(w, "early"));
  expect_breach(w, m, "a service before hello");
}

static void a_mate_of_another_age_is_refused(void **state) {
  struct mates *w = *state;
  static const uint16_t ranges[][2] = {{0, 0}, {2, 2}, {2, UINT16_MAX}, {2, 1}};
  for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
    struct mate *m = mate_link_silent(w, 0);
    struct tl_mesh_message hello = of_type(TL_MESH_HELLO);
    hello.version_min = ranges[i][0], hello.version_max = ranges[i][1];
    mate_say(m, &hello);
    mates_run(w, 100 * TL_MS);
    assert_null(m->link);
    assert_int_equal(peers(w), 0);
  }
}

static void a_range_of_versions_is_agreed_on(void **state) {
  struct mates *w = *state;
  struct mate *m = mate_link_silent(w, 0);
  struct tl_mesh_message hello = of_type(TL_MESH_HELLO);
  hello.version_max = UINT16_MAX;
  mate_say(m, &hello);
  mate_offer(m, "imu");
  assert_non_null(mates_offer(w, "imu"));
}

static void finishing_lane_0_ends_the_link(void **state) {
  struct mates *w = *state;
  struct mate *m = mate_link(w, 0);
  assert_int_equal(tl_link_finish(m->link, mate_lane(m, 0)), 0);
  mate_turn(m);
  expect_breach(w, m, "lane 0 finished");
}

static void resetting_lane_0_ends_the_link(void **state) {
  struct mates *w = *state;
  struct mate *m = mate_link(w, 0);
  tl_link_close_lane(m->link, mate_lane(m, 0), 7);
  mate_turn(m);
  expect_breach(w, m, "lane 0 reset");
}

static void lane_1_is_left_alone(void **state) {
  struct mates *w = *state;
  struct mate *m = mate_link(w, 0);
  mate_write(m, mate_lane(m, 1), 1, 0, "x", 1);
  mates_run(w, 50 * TL_MS);
  assert_non_null(m->link);
  assert_int_equal(mates_proxies(w), 0);
}

/* ---- what costs nothing ---- */

static void the_end_of_what_never_was_is_nothing(void **state) {
  struct mates *w = *state;
  struct mate *m = mate_link(w, 0);
  struct tl_mesh_message gone = of_type(TL_MESH_SERVICE_GONE);
  strcpy(gone.name, "nothing");
  mate_say(m, &gone);
  mate_offer(m, "imu");
  strcpy(gone.name, "imu");
  mate_say(m, &gone);
  mate_say(m, &gone);
  assert_non_null(m->link);
  assert_int_equal(w->node->registry.offer_count, 0);
  struct tl_mesh_message end = of_type(TL_MESH_CATALOGUE_END);
  end.generation = UINT64_MAX;
  mate_say(m, &end);
  assert_non_null(m->link);
}

static size_t entries(const struct mates *w, struct tl_discovery_entry *out, const uint8_t id[16]) {
  struct tl_discovery_entry entry;
  size_t cursor = 0, count = 0;
  while (tl_discovery_next(w->discovery, &cursor, &entry) == 0) {
    if (out && entry.has_id && memcmp(entry.id, id, 16) == 0) *out = entry;
    count++;
  }
  return count;
}

static void addresses_of_other_members_are_hints(void **state) {
  struct mates *w = *state;
  struct mate *m = mate_link(w, 0);
  struct tl_mesh_message member = of_type(TL_MESH_MEMBER);
  struct tl_discovery_entry entry = {0};
  memset(member.node, 0x33, sizeof member.node);
  strcpy(member.addresses, "10.0.0.77:1 [fd00::1]:8855 10.0.0.78:8855");
  mate_say(m, &member);
  assert_non_null(m->link);
  entries(w, &entry, member.node);
  assert_int_equal(entry.address_count, 3);
  assert_int_equal(entry.sources, TL_DISCOVERY_BY_PEER);
}

static void bad_addresses_end_the_link(void **state) {
  static const char *const bad[] = {
      "10.0.0.77", "10.0.0.77:0", "heron:8855", "10.0.0.1:8855,10.0.0.2:8855", "", "10.0.0.77:1 x"};
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct mates *w = malloc(sizeof *w);
    mates_init(w);
    struct mate *m = mate_link(w, 0);
    struct tl_mesh_message member = of_type(TL_MESH_MEMBER);
    memset(member.node, 0x33, sizeof member.node);
    strcpy(member.addresses, bad[i]);
    mate_say(m, &member);
    expect_breach(w, m, bad[i]);
    mates_deinit(w);
    free(w);
  }
}

static void a_member_cannot_send_us_to_ourselves(void **state) {
  struct mates *w = *state;
  struct mate *m = mate_link(w, 0);
  struct tl_mesh_message member = of_type(TL_MESH_MEMBER);
  memcpy(member.node, w->fixture.identity->node_id, sizeof member.node);
  strcpy(member.addresses, "10.0.0.1:8855");
  mate_say(m, &member);
  mates_run(w, 2 * TL_S);
  assert_non_null(m->link);
  assert_int_equal(peers(w), 1);
}

static void the_others_are_told_where_members_are(void **state) {
  struct mates *w = *state;
  static struct tl_mesh_message got;
  struct mate *a = mate_link(w, 0);
  struct mate *b = mate_link(w, 1);
  assert_true(mate_hear(a, mate_lane(a, 0), TL_MESH_MEMBER, &got));
  assert_memory_equal(got.node, b->fixture.identity->node_id, 16);
  assert_string_equal(got.addresses, "10.0.0.3:8855");
  assert_true(mate_hear(b, mate_lane(b, 0), TL_MESH_MEMBER, &got));
  assert_memory_equal(got.node, a->fixture.identity->node_id, 16);
}

static void a_mate_that_never_reads_is_told_later(void **state) {
  struct mates *w = *state;
  static struct tl_mesh_message got;
  struct mate *m = mate_link(w, 0);
  char name[48];
  for (int i = 0; i < 2000; i++) {
    snprintf(name, sizeof name, "a-long-name-of-a-service-%d", i);
    assert_int_equal(memory_call_text(&w->programs[0], mates_now(w), "register", "service", name),
                     0);
    memory_port_clear(&w->programs[0]);
    if (i % 100 == 0) mates_run(w, TL_MS);
  }
  mates_run(w, 5 * TL_S);
  assert_non_null(m->link);
  size_t told = 0;
  for (int i = 0; i < 200 && told < 2000; i++) {
    while (mate_hear(m, mate_lane(m, 0), TL_MESH_SERVICE, &got)) told++;
    mate_turn(m);
    mates_run(w, 50 * TL_MS);
  }
  assert_int_equal(told, 2000);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, mates_setup, mates_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(both_say_hello_and_tell_their_catalogue),
      TEST(changes_are_told_as_they_come),
      TEST(unknown_keys_are_passed_over),
      TEST(a_message_in_pieces_is_one),
      TEST(a_new_hello_begins_the_catalogue_anew),
      TEST(a_service_said_again_is_replaced),
      TEST(the_same_name_on_two_nodes_is_two_services),
      TEST(what_a_mate_offers_goes_with_its_link),
      TEST(any_member_may_ask_for_the_echo_program),
      cmocka_unit_test(malformed_messages_end_the_link),
      cmocka_unit_test(other_kinds_on_lane_0_end_the_link),
      TEST(a_message_without_end_ends_the_link),
      TEST(out_of_order_classes_on_lane_0_end_the_link),
      TEST(a_word_before_hello_ends_the_link),
      TEST(a_mate_of_another_age_is_refused),
      TEST(a_range_of_versions_is_agreed_on),
      TEST(finishing_lane_0_ends_the_link),
      TEST(resetting_lane_0_ends_the_link),
      TEST(lane_1_is_left_alone),
      TEST(the_end_of_what_never_was_is_nothing),
      TEST(addresses_of_other_members_are_hints),
      cmocka_unit_test(bad_addresses_end_the_link),
      TEST(a_member_cannot_send_us_to_ourselves),
      TEST(the_others_are_told_where_members_are),
      TEST(a_mate_that_never_reads_is_told_later),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
