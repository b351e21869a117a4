/* Channels to programs of other nodes: what a hostile member does with a lane, and what becomes of calls. */
#include "node/mesh/proxy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/wire/rpc.h"
#include "tests/unit/mesh/mate.h"
#include "tests/unit/test.h"
#include "transport/ring/layout.h"

#define CLIENT 1

static struct tl_mesh_message closed(int code, uint64_t begun, const char *text) {
  struct tl_mesh_message m = {.type = TL_MESH_CHANNEL_CLOSED, .code = code, .begun = begun};
  strncpy(m.text, text, sizeof m.text - 1);
  return m;
}

/* The mate opens `service`, and the program behind it gets its channel. */
static struct tl_lane *mate_channel(struct mates *w, struct mate *m, const char *service) {
  struct tl_mesh_message got;
  struct tl_lane *lane = mate_open(m, service);
  assert_non_null(w->programs[0].connected);
  tl_node_introduced(w->programs[0].connected, mates_now(w));
  mates_run(w, 20 * TL_MS);
  assert_true(mate_hear(m, lane, TL_MESH_CHANNEL_OPENED, &got));
  return lane;
}

/* A program here opens `service` of the mate; the id of its call. The lane is m->opened, OPEN is read. */
static uint64_t program_open(struct mates *w, struct mate *m, const char *service,
                             struct tl_mesh_message *out_open) {
  uint64_t id = memory_send_text(&w->programs[CLIENT], mates_now(w), "open", "service", service);
  mates_run(w, 20 * TL_MS);
  assert_non_null(m->opened);
  assert_true(mate_hear(m, m->opened, TL_MESH_CHANNEL_OPEN, out_open));
  return id;
}

static void mate_says_opened(struct mates *w, struct mate *m) {
  struct tl_mesh_message opened = {.type = TL_MESH_CHANNEL_OPENED};
  snprintf(opened.party.program, sizeof opened.party.program, "server");
  assert_int_equal(mate_write_message(m, m->opened, TL_MESH_OPENED, &opened), 0);
  mates_run(w, 20 * TL_MS);
}

/* The same as far as the program's having its channel. */
static struct tl_end *program_channel(struct mates *w, struct mate *m, const char *service) {
  struct tl_mesh_message open;
  struct tl_port *p = &w->programs[CLIENT];
  uint64_t id = program_open(w, m, service, &open);
  mate_says_opened(w, m);
  struct tl_end *end = p->connected;
  assert_string_equal(end->service, service);
  tl_node_introduced(end, mates_now(w));
  assert_non_null(memory_reply_to(p, id));
  assert_int_equal(memory_reply_to(p, id)->status, 0);
  mates_run(w, 20 * TL_MS);
  return end;
}

static int status_of(const struct mates *w, uint64_t id) {
  const struct memory_reply *r = memory_reply_to(&w->programs[CLIENT], id);
  return r ? r->status : 1;
}

static struct mate *linked_with(struct mates *w, const char *service) {
  struct mate *m = mate_link(w, 0);
  mate_offer(m, service);
  return m;
}

static void mate_leaves(struct mates *w, struct mate *m) {
  tl_link_close(m->link, mates_now(w), 0);
  m->link = NULL, m->opened = NULL;
  mate_turn(m);
  mates_run(w, 50 * TL_MS);
}

/* ---- a mate calls programs here ---- */

static void records_pass_both_ways(void **state) {
  struct mates *w = *state;
  uint8_t bytes[TL_LANE_RECORD_BYTES_MAX];
  size_t size;
  program_serve(w, 0, "echo");
  struct mate *m = mate_link(w, 0);
  struct tl_lane *lane = mate_channel(w, m, "echo");
  mate_write(m, lane, TL_KIND_CALL, 0, "ask", 3);
  mates_run(w, 20 * TL_MS);
  assert_int_equal(w->programs[0].last.kind, TL_KIND_CALL);
  assert_memory_equal(w->programs[0].last_bytes, "ask", 3);
  struct tl_piece piece = {.data = "answer", .size = 6, .kind = TL_KIND_REPLY};
  assert_int_equal(tl_node_piece(w->programs[0].connected, mates_now(w), &piece), 0);
  mates_run(w, 20 * TL_MS);
  assert_int_equal(mate_read(m, lane, bytes, &size), TL_KIND_REPLY);
  assert_memory_equal(bytes, "answer", 6);
}

static void who_calls_is_what_the_link_says(void **state) {
  struct mates *w = *state;
  program_serve(w, 0, "echo");
  struct mate *m = mate_link(w, 0);
  mate_open(m, "echo"); /* under the name "liar", with all roles, as a local program */
  const struct tl_party *other = &w->programs[0].connected->other;
  assert_string_equal(other->node_name, "mate-0");
  assert_memory_equal(other->node, m->fixture.identity->node_id, 16);
  assert_int_equal(other->roles, TL_ROLES_DEFAULT);
  assert_int_equal(other->incarnation, 9);
  assert_false(other->local);
  assert_string_equal(other->program, "caller");
}

/* The lane is over with `code`; nothing is left of it here. */
static void expect_closed(struct mates *w, struct mate *m, struct tl_lane *lane, int code) {
  struct tl_mesh_message got;
  mates_run(w, 50 * TL_MS);
  assert_non_null(m->link);
  bool is_said = !m->resets && mate_hear(m, lane, TL_MESH_CHANNEL_CLOSED, &got);
  if (is_said)
    assert_int_equal(got.code, code);
  else
    assert_int_equal(m->reset_code, (uint32_t)-code);
  assert_int_equal(mates_proxies(w), 0);
}

static void unknown_services_are_refused(void **state) {
  struct mates *w = *state;
  struct mate *m = mate_link(w, 0);
  program_serve(w, 0, "echo");
  mate_offer(m, "mine"); /* its own is not here */
  static const char *const names[] = {"nothing", "mine", "ech", "echo.", ""};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    expect_closed(w, m, mate_open(m, names[i]), TULLE_E_NO_SERVICE);
  assert_int_equal(w->mesh->protocol_faults, 0);
}

static void breaches_on_a_lane_end_the_lane_alone(void **state) {
  struct mates *w = *state;
  static const char party[] = "\x81\xa1t\xa4open";
  program_serve(w, 0, "echo");
  struct mate *m = mate_link(w, 0);
  const struct {
    uint8_t kind;
    uint8_t flags;
    const char *bytes;
    size_t size;
  } bad[] = {
      {TL_KIND_CALL, 0, "early", 5}, /* before OPEN */
      {TL_MESH_NODE, 0,
       "\x81\xa1t\xa5"
       "bench",
       9},
      {TL_MESH_OPEN, 0, "", 0},
      {TL_MESH_OPEN, 0, "\x80", 1},
      {TL_MESH_OPEN, 0, party, sizeof party - 1},
      {TL_MESH_OPEN, 0,
       "\x81\xa1t\xa5"
       "bench",
       9},
      {TL_MESH_OPENED, 0, "\x81\xa1t\xa6opened", 10},
      {TL_MESH_CLOSED, 0,
       "\x81\xa1t\xa6"
       "closed",
       10},
      {TL_MESH_CLOSED, 0,
       "\x84\xa1t\xa6"
       "closed\xa4"
       "code\x01\xa5"
       "begun\x00\xa4text\xa0",
       28},
      {0x84, 0, "\x80", 1},
      {0xff, 0, "\x80", 1},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct tl_lane *lane = mate_open(m, NULL);
    m->resets = 0;
    mate_write(m, lane, bad[i].kind, bad[i].flags, bad[i].bytes, bad[i].size);
    expect_closed(w, m, lane, TULLE_E_PROTOCOL);
    assert_int_equal(w->mesh->protocol_faults, i + 1);
  }
  m->resets = 0;
  mate_channel(w, m, "echo");
}

static void breaches_on_an_open_channel_end_it(void **state) {
  struct mates *w = *state;
  program_serve(w, 0, "echo");
  struct mate *m = mate_link(w, 0);
  for (int i = 0; i < 4; i++) {
    struct tl_lane *lane = mate_channel(w, m, "echo");
    struct tl_end *end = w->programs[0].connected;
    struct tl_mesh_message again = {.type = i == 0 ? TL_MESH_CHANNEL_OPEN : TL_MESH_CHANNEL_OPENED};
    struct iovec body = {(void *)(uintptr_t) "x", 1};
    if (i < 2) mate_write_message(m, lane, i == 0 ? TL_MESH_OPEN : TL_MESH_OPENED, &again);
    if (i == 2) mate_write(m, lane, 0x99, 0, "x", 1);
    if (i == 3) {
      assert_int_equal(tl_link_send(m->link, lane, TL_CLASS_RELIABLE, TL_KIND_CALL, 0, &body, 1),
                       0);
      mate_turn(m);
    }
    expect_closed(w, m, lane, TULLE_E_PROTOCOL);
    assert_int_equal(w->programs[0].closed_code, TULLE_E_PROTOCOL);
    tl_node_close_said(w->programs[0].program, mates_now(w), end->number);
    m->resets = 0;
  }
}

static void a_lane_that_only_finishes_is_over(void **state) {
  struct mates *w = *state;
  struct mate *m = mate_link(w, 0);
  struct tl_lane *lane = mate_open(m, NULL);
  assert_int_equal(tl_link_finish(m->link, lane), 0);
  mate_turn(m);
  expect_closed(w, m, lane, TULLE_E_PEER_GONE);
}

static void a_lane_that_is_reset_is_over(void **state) {
  struct mates *w = *state;
  program_serve(w, 0, "echo");
  struct mate *m = mate_link(w, 0);
  struct tl_lane *lane = mate_channel(w, m, "echo");
  tl_link_close_lane(m->link, lane, 77);
  mate_turn(m);
  mates_run(w, 50 * TL_MS);
  assert_int_equal(mates_proxies(w), 0);
  assert_int_equal(w->programs[0].closed_code, TULLE_E_PEER_GONE);
}

static void an_open_may_overtake_hello(void **state) {
  struct mates *w = *state;
  struct tl_mesh_message got;
  program_serve(w, 0, "echo");
  struct mate *m = mate_link_silent(w, 0);
  struct tl_lane *lane = mate_open(m, "echo");
  assert_string_equal(w->programs[0].connected->service, ""); /* channel 0 */
  mate_hello(m);
  assert_string_equal(w->programs[0].connected->service, "echo");
  assert_int_equal(w->programs[0].connected->other.incarnation, 9);
  tl_node_introduced(w->programs[0].connected, mates_now(w));
  mates_run(w, 20 * TL_MS);
  assert_true(mate_hear(m, lane, TL_MESH_CHANNEL_OPENED, &got));
}

static void a_service_withdrawn_during_an_open_closes_it(void **state) {
  struct mates *w = *state;
  program_serve(w, 0, "echo");
  struct mate *m = mate_link(w, 0);
  struct tl_lane *lane = mate_open(m, "echo"); /* its program has not mapped the channel yet */
  assert_int_equal(memory_call_text(&w->programs[0], mates_now(w), "unregister", "service", "echo"),
                   0);
  expect_closed(w, m, lane, TULLE_E_PEER_GONE);
}

static void a_server_that_dies_during_an_open_closes_it(void **state) {
  struct mates *w = *state;
  program_serve(w, 0, "echo");
  struct mate *m = mate_link(w, 0);
  struct tl_lane *lane = mate_open(m, "echo");
  memory_detach(&w->programs[0], mates_now(w));
  expect_closed(w, m, lane, TULLE_E_PEER_GONE);
}

static void a_server_that_cannot_have_a_channel_refuses(void **state) {
  struct mates *w = *state;
  program_serve(w, 0, "echo");
  w->programs[0].connect_result = TULLE_E_LIMIT;
  struct mate *m = mate_link(w, 0);
  expect_closed(w, m, mate_open(m, "echo"), TULLE_E_LIMIT);
}

static void what_had_begun_is_said_at_the_end(void **state) {
  struct mates *w = *state;
  struct tl_mesh_message got;
  program_serve(w, 0, "echo");
  struct mate *m = mate_link(w, 0);
  struct tl_lane *lane = mate_channel(w, m, "echo");
  w->programs[0].begun = 7;
  memory_detach(&w->programs[0], mates_now(w));
  mates_run(w, 20 * TL_MS);
  assert_true(mate_hear(m, lane, TL_MESH_CHANNEL_CLOSED, &got));
  assert_int_equal(got.begun, 7);
  assert_int_equal(got.code, TULLE_E_PEER_GONE);
}

static void a_full_ring_leaves_records_in_the_lane(void **state) {
  struct mates *w = *state;
  uint8_t bytes[1000] = {0};
  program_serve(w, 0, "echo");
  struct mate *m = mate_link(w, 0);
  struct tl_lane *lane = mate_channel(w, m, "echo");
  w->programs[0].records = 0;
  w->programs[0].room = 2;
  for (int i = 0; i < 5; i++) mate_write(m, lane, TL_KIND_CALL, 0, bytes, sizeof bytes);
  mates_run(w, 50 * TL_MS);
  assert_int_equal(w->programs[0].records, 2);
  w->programs[0].room = SIZE_MAX;
  tl_node_writable(w->programs[0].connected, mates_now(w));
  mates_run(w, 50 * TL_MS);
  assert_int_equal(w->programs[0].records, 5);
}

static void a_record_larger_than_a_ring_comes_in_pieces(void **state) {
  struct mates *w = *state;
  uint8_t bytes[1000] = {0};
  program_serve(w, 0, "echo");
  struct mate *m = mate_link(w, 0);
  struct tl_lane *lane = mate_channel(w, m, "echo");
  w->programs[0].piece_max = 300;
  w->programs[0].records = 0;
  mate_write(m, lane, TL_KIND_CALL, 0, bytes, sizeof bytes);
  mates_run(w, 50 * TL_MS);
  assert_int_equal(w->programs[0].records, 4);
  assert_int_equal(w->programs[0].last.size, 100);
  assert_false(w->programs[0].last.flags & TL_RECORD_MORE);
}

static void a_program_that_broke_its_ring_loses_the_channel(void **state) {
  struct mates *w = *state;
  program_serve(w, 0, "echo");
  struct mate *m = mate_link(w, 0);
  struct tl_lane *lane = mate_channel(w, m, "echo");
  w->programs[0].is_broken = true;
  mate_write(m, lane, TL_KIND_CALL, 0, "x", 1);
  mates_run(w, 50 * TL_MS);
  assert_int_equal(mates_proxies(w), 0);
  assert_non_null(m->link);
}

/* ---- programs here call a mate's ---- */

static void an_open_says_who_asks(void **state) {
  struct mates *w = *state;
  struct tl_mesh_message open;
  struct mate *m = linked_with(w, "imu");
  uint64_t id = program_open(w, m, "imu", &open);
  assert_string_equal(open.name, "imu");
  assert_string_equal(open.party.program, "prog");
  assert_int_equal(open.party.uid, 100);
  assert_int_equal(status_of(w, id), 1); /* still waits */
  mate_says_opened(w, m);
  assert_string_equal(w->programs[CLIENT].connected->other.node_name, "mate-0");
}

static void a_refusal_is_the_calls_answer(void **state) {
  struct mates *w = *state;
  struct tl_mesh_message open, no = closed(TULLE_E_NO_SERVICE, 0, "it went a moment ago");
  struct mate *m = linked_with(w, "imu");
  uint64_t id = program_open(w, m, "imu", &open);
  mate_write_message(m, m->opened, TL_MESH_CLOSED, &no);
  mates_run(w, 20 * TL_MS);
  assert_int_equal(status_of(w, id), TULLE_E_NO_SERVICE);
  assert_string_equal(memory_text(&w->programs[CLIENT]), "it went a moment ago");
  assert_int_equal(mates_proxies(w), 0);
}

static void a_service_gone_during_an_open_is_the_other_nodes_to_refuse(void **state) {
  struct mates *w = *state;
  struct tl_mesh_message open, gone = {.type = TL_MESH_SERVICE_GONE, .name = "imu"};
  struct mate *m = linked_with(w, "imu");
  uint64_t id = program_open(w, m, "imu", &open);
  mate_say(m, &gone);
  assert_int_equal(status_of(w, id), 1);
  struct tl_mesh_message no = closed(TULLE_E_NO_SERVICE, 0, "");
  mate_write_message(m, m->opened, TL_MESH_CLOSED, &no);
  mates_run(w, 20 * TL_MS);
  assert_int_equal(status_of(w, id), TULLE_E_NO_SERVICE);
}

static void a_mate_that_never_answers_costs_a_deadline(void **state) {
  struct mates *w = *state;
  struct tl_mesh_message open;
  struct mate *m = linked_with(w, "imu");
  uint64_t id = program_open(w, m, "imu", &open);
  mates_run(w, MATES_BUDGET_NS + TL_S);
  assert_int_equal(status_of(w, id), TULLE_E_DEADLINE);
  assert_int_equal(mates_proxies(w), 0);
  assert_non_null(m->link);
}

static void an_answer_after_the_deadline_is_nothing(void **state) {
  struct mates *w = *state;
  struct tl_mesh_message open, got;
  struct mate *m = linked_with(w, "imu");
  program_open(w, m, "imu", &open);
  struct tl_lane *lane = m->opened;
  size_t before = w->programs[CLIENT].connections;
  mates_run(w, MATES_BUDGET_NS + TL_S);
  if (m->opened) { /* it was said, not reset: then our words go nowhere */
    assert_true(mate_hear(m, lane, TL_MESH_CHANNEL_CLOSED, &got));
    assert_int_equal(got.code, TULLE_E_CANCELLED);
    mate_says_opened(w, m);
  }
  assert_non_null(m->link);
  assert_int_equal(w->programs[CLIENT].connections, before);
  assert_int_equal(w->mesh->protocol_faults, 0);
}

static void a_caller_that_cancels_lets_go(void **state) {
  struct mates *w = *state;
  struct tl_mesh_message open;
  uint8_t body[8] = {0};
  struct mate *m = linked_with(w, "imu");
  uint64_t id = program_open(w, m, "imu", &open);
  body[0] = (uint8_t)id;
  struct tl_piece cancel = {.data = body, .size = 8, .kind = TL_KIND_CANCEL};
  assert_int_equal(tl_node_piece(w->programs[CLIENT].program->control, mates_now(w), &cancel), 0);
  mates_run(w, 50 * TL_MS);
  assert_int_equal(mates_proxies(w), 0);
  assert_non_null(m->link);
}

static void a_caller_that_dies_lets_go(void **state) {
  struct mates *w = *state;
  struct tl_mesh_message open;
  struct mate *m = linked_with(w, "imu");
  program_open(w, m, "imu", &open);
  memory_detach(&w->programs[CLIENT], mates_now(w));
  mates_run(w, 50 * TL_MS);
  assert_int_equal(mates_proxies(w), 0);
  assert_non_null(m->link);
}

static void a_mate_that_leaves_during_an_open_is_gone(void **state) {
  struct mates *w = *state;
  struct tl_mesh_message open;
  struct mate *m = linked_with(w, "imu");
  uint64_t id = program_open(w, m, "imu", &open);
  mate_leaves(w, m);
  assert_int_equal(status_of(w, id), TULLE_E_PEER_GONE);
  assert_int_equal(mates_proxies(w), 0);
}

static void answers_that_break_the_protocol_fail_the_open(void **state) {
  struct mates *w = *state;
  struct tl_mesh_message open;
  struct mate *m = linked_with(w, "imu");
  for (int i = 0; i < 5; i++) {
    uint64_t id = program_open(w, m, "imu", &open);
    struct tl_mesh_message back = {.type = TL_MESH_CHANNEL_OPEN, .name = "imu"};
    if (i == 0) mate_write(m, m->opened, TL_KIND_REPLY, 0, "early", 5);
    if (i == 1) mate_write(m, m->opened, TL_MESH_OPENED, 0, "\xc0", 1);
    if (i == 2) mate_write_message(m, m->opened, TL_MESH_OPEN, &back);
    if (i == 3) mate_write_message(m, m->opened, TL_MESH_OPENED, &back);
    if (i == 4) mate_write(m, m->opened, 0x90, 0, "x", 1);
    mates_run(w, 50 * TL_MS);
    assert_int_equal(status_of(w, id), TULLE_E_PROTOCOL);
    assert_int_equal(mates_proxies(w), 0);
    assert_non_null(m->link);
  }
}

static void opened_twice_ends_the_channel(void **state) {
  struct mates *w = *state;
  struct mate *m = linked_with(w, "imu");
  program_channel(w, m, "imu");
  mate_says_opened(w, m);
  assert_int_equal(w->programs[CLIENT].closed_code, TULLE_E_PROTOCOL);
  assert_non_null(m->link);
}

/* A call of that id leaves the program. */
static void program_calls(struct mates *w, struct tl_end *end, uint64_t id) {
  uint8_t call[64];
  struct tl_writer writer = tl_writer_on(call, sizeof call);
  tl_call_encode(&writer, &(struct tl_call_head){.id = id, .name_size = 1, .name = "x"});
  struct tl_piece piece = {
      .data = call, .size = (uint32_t)tl_writer_size(&writer), .kind = TL_KIND_CALL};
  assert_int_equal(tl_node_piece(end, mates_now(w), &piece), 0);
}

static void a_lost_link_takes_what_was_handed_over_for_begun(void **state) {
  struct mates *w = *state;
  struct mate *m = linked_with(w, "imu");
  struct tl_end *end = program_channel(w, m, "imu");
  for (uint64_t id = 1; id <= 3; id++) program_calls(w, end, id);
  assert_int_equal(w->programs[CLIENT].begun_by_node, 4);
  mate_leaves(w, m);
  assert_int_equal(w->programs[CLIENT].closed_code, TULLE_E_PEER_GONE);
  assert_int_equal(w->programs[CLIENT].closed_begun, 4);
}

static void a_link_lost_before_any_call_began_none(void **state) {
  struct mates *w = *state;
  struct mate *m = linked_with(w, "imu");
  program_channel(w, m, "imu");
  mate_leaves(w, m);
  assert_int_equal(w->programs[CLIENT].closed_code, TULLE_E_PEER_GONE);
  assert_int_equal(w->programs[CLIENT].closed_begun, 0);
}

static void the_other_node_says_what_had_begun(void **state) {
  struct mates *w = *state;
  struct tl_mesh_message end_of = closed(TULLE_E_PEER_GONE, 2, "its program ended");
  struct mate *m = linked_with(w, "imu");
  struct tl_end *end = program_channel(w, m, "imu");
  for (uint64_t id = 1; id <= 3; id++) program_calls(w, end, id);
  mates_run(w, 20 * TL_MS);
  mate_write_message(m, m->opened, TL_MESH_CLOSED, &end_of);
  assert_int_equal(tl_link_finish(m->link, m->opened), 0);
  mates_run(w, 20 * TL_MS);
  assert_int_equal(w->programs[CLIENT].closed_begun, 2);
}

static void codes_at_the_edge_of_their_type_do_no_harm(void **state) {
  struct mates *w = *state;
  static const int32_t codes[] = {INT32_MIN, -1, -65536, -1000000};
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
    struct tl_mesh_message open, no = closed(codes[i], UINT64_MAX, "\xff\xfe\x1b[2J");
    struct mate *m = i ? &w->mates[0] : linked_with(w, "imu");
    uint64_t id = program_open(w, m, "imu", &open);
    mate_write_message(m, m->opened, TL_MESH_CLOSED, &no);
    mates_run(w, 20 * TL_MS);
    int status = status_of(w, id);
    assert_true(status == codes[i] || status == TULLE_E_PROTOCOL);
  }
}

static void ids_of_calls_that_run_backwards_harm_nobody(void **state) {
  struct mates *w = *state;
  struct mate *m = linked_with(w, "imu");
  struct tl_end *end = program_channel(w, m, "imu");
  static const uint64_t ids[] = {5, 1, UINT64_MAX, 0, 6};
  for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) program_calls(w, end, ids[i]);
  mates_run(w, 20 * TL_MS);
  mate_leaves(w, m);
  assert_true(w->programs[CLIENT].closed_begun >= 7);
}

static void a_program_cannot_speak_for_its_node(void **state) {
  struct mates *w = *state;
  struct mate *m = linked_with(w, "imu");
  struct tl_end *end = program_channel(w, m, "imu");
  uint8_t bytes[TL_LANE_RECORD_BYTES_MAX];
  size_t size;
  struct tl_piece piece = {.data = "\x80", .size = 1, .kind = TL_MESH_OPENED};
  (void)tl_node_piece(end, mates_now(w), &piece);
  mates_run(w, 20 * TL_MS);
  for (int read; m->opened && (read = mate_read(m, m->opened, bytes, &size)) >= 0;)
    assert_int_equal(read, TL_MESH_CLOSED);
}

static void an_unreachable_mate_ends_channels_and_is_not_called(void **state) {
  struct mates *w = *state;
  struct mate *m = linked_with(w, "imu");
  struct tl_end *end = program_channel(w, m, "imu");
  program_calls(w, end, 1);
  tl_sim_partition(w->sim, m->port, NULL, true);
  mates_run(w, 4 * TL_S);
  assert_int_equal(w->programs[CLIENT].closed_code, TULLE_E_UNREACHABLE);
  assert_int_equal(w->programs[CLIENT].closed_begun, 2);
  assert_null(mates_offer(w, "imu"));
  int r = memory_call_text(&w->programs[CLIENT], mates_now(w), "open", "service", "imu");
  assert_true(r == TULLE_E_NO_SERVICE || r == TULLE_E_UNREACHABLE);
  tl_sim_heal(w->sim);
  mates_run(w, 4 * TL_S);
  assert_non_null(mates_offer(w, "imu"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, mates_setup, mates_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(records_pass_both_ways),
      TEST(who_calls_is_what_the_link_says),
      TEST(unknown_services_are_refused),
      TEST(breaches_on_a_lane_end_the_lane_alone),
      TEST(breaches_on_an_open_channel_end_it),
      TEST(a_lane_that_only_finishes_is_over),
      TEST(a_lane_that_is_reset_is_over),
      TEST(an_open_may_overtake_hello),
      TEST(a_service_withdrawn_during_an_open_closes_it),
      TEST(a_server_that_dies_during_an_open_closes_it),
      TEST(a_server_that_cannot_have_a_channel_refuses),
      TEST(what_had_begun_is_said_at_the_end),
      TEST(a_full_ring_leaves_records_in_the_lane),
      TEST(a_record_larger_than_a_ring_comes_in_pieces),
      TEST(a_program_that_broke_its_ring_loses_the_channel),
      TEST(an_open_says_who_asks),
      TEST(a_refusal_is_the_calls_answer),
      TEST(a_service_gone_during_an_open_is_the_other_nodes_to_refuse),
      TEST(a_mate_that_never_answers_costs_a_deadline),
      TEST(an_answer_after_the_deadline_is_nothing),
      TEST(a_caller_that_cancels_lets_go),
      TEST(a_caller_that_dies_lets_go),
      TEST(a_mate_that_leaves_during_an_open_is_gone),
      TEST(answers_that_break_the_protocol_fail_the_open),
      TEST(opened_twice_ends_the_channel),
      TEST(a_lost_link_takes_what_was_handed_over_for_begun),
      TEST(a_link_lost_before_any_call_began_none),
      TEST(the_other_node_says_what_had_begun),
      TEST(codes_at_the_edge_of_their_type_do_no_harm),
      TEST(ids_of_calls_that_run_backwards_harm_nobody),
      TEST(a_program_cannot_speak_for_its_node),
      TEST(an_unreachable_mate_ends_channels_and_is_not_called),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
