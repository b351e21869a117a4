/* The node's own service and its router, with programs in memory. */
#include "node/state/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/wire/msgpack.h"
#include "core/wire/rpc.h"
#include "core/wire/service.h"
#include "tests/unit/node/memory.h"
#include "tests/unit/test.h"

#define PORTS 4

struct fixture {
  struct tl_node *node;
  struct tl_port *ports;
};

static int setup(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  f->node = memory_node(NULL);
  f->ports = calloc(PORTS, sizeof *f->ports);
  for (int i = 0; i < PORTS; i++) assert_int_equal(memory_attach(f->node, &f->ports[i], 1000), 0);
  *state = f;
  return 0;
}

static int teardown(void **state) {
  struct fixture *f = *state;
  memory_node_free(f->node, f->ports, PORTS);
  free(f->ports);
  free(f);
  return 0;
}

static struct tulle_unpack last_body(const struct tl_port *p) {
  const struct memory_reply *r = &p->replies[p->reply_count - 1];
  return tulle_unpack_on(r->body, r->size);
}

static uint64_t reply_uint(const struct tl_port *p, const char *key) {
  struct tulle_unpack body = last_body(p), v = tulle_unpack_key(&body, key);
  uint64_t u = tulle_unpack_uint(&v);
  assert_true(tulle_unpack_is_ok(&v));
  return u;
}

static size_t service_args(uint8_t *out, size_t size, const struct tl_service_info *info) {
  struct tulle_pack w = tulle_pack_on(out, size);
  tulle_pack_map(&w, TL_SERVICE_KEYS);
  tl_service_encode(&w, info);
  return tulle_pack_size(&w);
}

/* ---- attaching ---- */

static void a_program_is_stamped(void **state) {
  struct fixture *f = *state;
  const struct tl_party *s = &f->ports[1].self;
  assert_int_equal(s->client, 2);
  assert_int_equal(s->uid, 1000), assert_int_equal(s->pid, 42), assert_int_equal(s->gid, 2);
  assert_int_equal(s->incarnation, 3);
  assert_string_equal(s->node_name, "osprey"), assert_string_equal(s->program, "prog");
  assert_true(s->local);
  memory_detach(&f->ports[1], 0);
  assert_int_equal(memory_attach(f->node, &f->ports[1], 1000), 0);
  assert_int_equal(f->ports[1].self.client, PORTS + 1); /* no number is used twice */
}

static void a_name_that_is_none_is_not_shown(void **state) {
  struct fixture *f = *state;
  struct tl_credentials c = {.uid = 1};
  static struct tl_port p;
  assert_int_equal(tl_node_attach(f->node, 0, &p, &memory_ops, &c, "\033[2J; rm", &p.program), 0);
  assert_string_equal(p.self.program, "?");
  memory_detach(&p, 0);
}

static void too_many_programs_are_refused(void **state) {
  (void)state;
  struct tl_charge limit = tl_node_limit(UINT64_C(1) << 30, 4096);
  limit.amount[TL_RESOURCE_PROGRAMS] = 2;
  struct tl_node *node = memory_node(&limit);
  struct tl_port *p = calloc(4, sizeof *p);
  assert_int_equal(memory_attach(node, &p[0], 1), 0);
  assert_int_equal(memory_attach(node, &p[1], 1), 0);
  assert_int_equal(memory_attach(node, &p[2], 1), TULLE_E_LIMIT);
  assert_int_equal(p[2].welcomes, 0);
  assert_int_equal(memory_attach(node, &p[3], 2), 0); /* another user */
  memory_detach(&p[3], 0), memory_detach(&p[0], 0);
  assert_int_equal(memory_attach(node, &p[2], 1), 0);
  memory_node_free(node, p, 4);
  free(p);
}

static void a_port_that_cannot_connect_leaves_nothing(void **state) {
  struct fixture *f = *state;
  static struct tl_port p = {.connect_result = TULLE_E_NO_MEMORY};
  struct tl_charge before = f->node->accounts.used;
  assert_int_equal(memory_attach(f->node, &p, 1000), TULLE_E_NO_MEMORY);
  assert_int_equal(p.welcomes, 0);
  assert_memory_equal(&before, &f->node->accounts.used, sizeof before);
}

/* ---- calls ---- */

static void malformed_calls_end_the_attachment(void **state) {
  struct fixture *f = *state;
  static uint8_t large[TL_SERVICE_CALL_BYTES_MAX + 1];
  static const uint8_t zeros[64];
  const struct {
    uint16_t kind;
    const void *data;
    uint32_t size;
  } bad[] = {{TL_KIND_CALL, zeros, 0},
             {TL_KIND_CALL, zeros, 23},
             {TL_KIND_CALL, zeros, 64},
             {TL_KIND_CANCEL, zeros, 7},
             {TL_KIND_CANCEL, zeros, 9},
             {TL_KIND_REPLY, zeros, 16},
             {0, zeros, 8},
             {77, zeros, 8},
             {TL_KIND_CALL, large, sizeof large}};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    static struct tl_port p;
    memset(&p, 0, sizeof p);
    assert_int_equal(memory_attach(f->node, &p, 1000), 0);
    struct tl_piece piece = {.data = bad[i].data, .size = bad[i].size, .kind = bad[i].kind};
    assert_int_equal(tl_node_piece(p.program->control, 0, &piece), 0);
    assert_non_null(p.cut);
    assert_int_equal(p.reply_count, 0);
    memory_detach(&p, 0);
  }
  assert_int_equal(f->node->counters.cut, sizeof bad / sizeof bad[0]);
  assert_null(f->ports[0].cut);
}

static void malformed_arguments_are_answered(void **state) {
  struct fixture *f = *state;
  struct tl_port *p = &f->ports[0];
  assert_int_equal(memory_call(p, 0, "list", "\xdd\x0f\xff\xff\xff", 5), TULLE_E_BAD_MESSAGE);
  assert_int_equal(memory_call(p, 0, "list", "\xc0\xc0", 2), TULLE_E_BAD_MESSAGE);
  assert_int_equal(memory_call(p, 0, "list", "\x90", 1), TULLE_E_INVALID);
  assert_int_equal(memory_call(p, 0, "open", "\x80", 1), TULLE_E_INVALID);
  assert_int_equal(memory_call(p, 0, "open", "\x81\xa7service\x07", 10), TULLE_E_INVALID);
  assert_int_equal(memory_call(p, 0, "open",
                               "\x81\xa7service\xa3"
                               "a\0b",
                               13),
                   TULLE_E_INVALID);
  assert_int_equal(memory_call(p, 0, "list",
                               "\x81\xa4"
                               "from\xff",
                               7),
                   TULLE_E_INVALID);
  assert_int_equal(memory_call(p, 0, "register", NULL, 0), TULLE_E_INVALID);
  assert_int_equal(memory_call_text(p, 0, "register", "service", "no spaces"), TULLE_E_INVALID);
  assert_int_equal(memory_call_text(p, 0, "register", "service", ""), TULLE_E_INVALID);
  assert_int_equal(memory_call_text(p, 0, "wait", "service", "a/b"), TULLE_E_INVALID);
  assert_int_equal(memory_call(p, 0, "regster", NULL, 0), TULLE_E_NO_PROCEDURE);
  assert_non_null(strstr(memory_text(p), "did you mean 'register'?"));
  assert_int_equal(memory_call(p, 0, "nothing-like-it", NULL, 0), TULLE_E_NO_PROCEDURE);
  assert_null(p->cut);
  assert_int_equal(p->begun_by_node, p->next_id); /* all of them have been begun */
}

static void administration_is_for_the_own_user_and_root(void **state) {
  struct fixture *f = *state;
  static struct tl_port own, root;
  assert_int_equal(memory_call(&f->ports[0], 0, "shutdown", NULL, 0), TULLE_E_REFUSED);
  assert_false(tl_node_wants_end(f->node));
  assert_int_equal(memory_attach(f->node, &root, 0), 0);
  assert_int_equal(memory_call(&root, 0, "shutdown", NULL, 0), 0);
  assert_true(tl_node_wants_end(f->node));
  f->node->wants_end = false;
  assert_int_equal(memory_attach(f->node, &own, 100), 0);
  assert_int_equal(memory_call(&own, 0, "shutdown", NULL, 0), 0);
  assert_true(tl_node_wants_end(f->node));
  memory_detach(&own, 0), memory_detach(&root, 0);
}

static void a_one_way_call_is_not_answered(void **state) {
  struct fixture *f = *state;
  uint8_t call[64];
  struct tl_writer w = tl_writer_on(call, sizeof call);
  struct tl_call_head head = {.id = 1, .flags = TL_CALL_ONE_WAY, .name_size = 6, .name = "status"};
  tl_call_encode(&w, &head);
  struct tl_piece piece = {
      .data = call, .size = (uint32_t)tl_writer_size(&w), .kind = TL_KIND_CALL};
  assert_int_equal(tl_node_piece(f->ports[0].program->control, 0, &piece), 0);
  assert_int_equal(f->ports[0].reply_count, 0);
}

/* ---- registering ---- */

static void a_name_is_served_once(void **state) {
  struct fixture *f = *state;
  struct tl_port *a = &f->ports[0], *b = &f->ports[1];
  assert_int_equal(memory_call_text(a, 0, "register", "service", "echo"), 0);
  assert_int_equal(memory_call_text(b, 0, "register", "service", "echo"), TULLE_E_EXISTS);
  assert_non_null(strstr(memory_text(b), "pid 42"));
  assert_int_equal(memory_call_text(b, 0, "unregister", "service", "echo"), TULLE_E_NO_SERVICE);
  assert_int_equal(memory_call_text(a, 0, "register", "service", "echo"), 0); /* again: an update */
  assert_int_equal(f->node->registry.offer_count, 1);
  assert_int_equal(memory_call_text(a, 0, "unregister", "service", "echo"), 0);
  assert_int_equal(memory_call_text(b, 0, "register", "service", "echo"), 0);
  memory_detach(b, 5);
  assert_int_equal(f->node->registry.offer_count, 0);
}

static void capabilities_are_found_and_changed(void **state) {
  struct fixture *f = *state;
  struct tl_port *a = &f->ports[0], *b = &f->ports[1];
  struct tl_service_info info = {.name = "printer", .capability_count = 2};
  static uint8_t args[TL_SERVICE_BYTES_MAX];
  snprintf(info.capabilities[0].name, 64, "print");
  snprintf(info.capabilities[1].name, 64, "scan/colour");
  info.capabilities[1].version = 3;
  snprintf(info.capabilities[1].attributes, 256, "dpi=600");
  uint64_t before = a->program->account->used.amount[TL_RESOURCE_OBJECTS];
  assert_int_equal(memory_call(a, 0, "register", args, service_args(args, sizeof args, &info)), 0);
  assert_int_equal(a->program->account->used.amount[TL_RESOURCE_OBJECTS], before + 3);
  assert_int_equal(memory_call_text(b, 9, "list", "capability", "scan/colour"), 0);
  struct tulle_unpack r = last_body(b);
  assert_int_equal(tulle_unpack_array(&r), 1);
  struct tulle_unpack path = tulle_unpack_key(&r, "path");
  char text[16];
  tulle_unpack_string(&path, text, sizeof text);
  assert_string_equal(text, "ring");
  info.capability_count = 1;
  assert_int_equal(memory_call(a, 0, "register", args, service_args(args, sizeof args, &info)), 0);
  assert_int_equal(a->program->account->used.amount[TL_RESOURCE_OBJECTS], before + 2);
  assert_int_equal(memory_call_text(b, 9, "list", "capability", "scan/colour"), 0);
  r = last_body(b);
  assert_int_equal(tulle_unpack_array(&r), 0);
  assert_int_equal(memory_call_text(b, 9, "list", "capability", "print"), 0);
  r = last_body(b);
  assert_int_equal(tulle_unpack_array(&r), 1);
}

static void long_lists_come_in_parts(void **state) {
  struct fixture *f = *state;
  struct tl_port *a = &f->ports[0], *b = &f->ports[1];
  char name[64];
  size_t seen = 0, got;
  for (int i = 0; i < 500; i++) {
    snprintf(name, sizeof name, "service-with-a-long-name-%d", i);
    assert_int_equal(memory_call_text(a, 0, "register", "service", name), 0);
  }
  do {
    uint8_t args[64];
    struct tulle_pack w = tulle_pack_on(args, sizeof args);
    tulle_pack_map(&w, 1), tulle_pack_text(&w, "from"), tulle_pack_uint(&w, seen);
    assert_int_equal(memory_call(b, 0, "list", args, tulle_pack_size(&w)), 0);
    const struct memory_reply *r = &b->replies[b->reply_count - 1];
    assert_int_equal(tl_msgpack_check(r->body, r->size), 0);
    struct tulle_unpack body = last_body(b);
    got = tulle_unpack_array(&body);
    seen += got;
  } while (got > 0);
  assert_int_equal(seen, 500);
}

static void objects_are_limited(void **state) {
  (void)state;
  struct tl_charge limit = tl_node_limit(UINT64_C(1) << 30, 4096);
  limit.amount[TL_RESOURCE_OBJECTS] = 4; /* program, channel 0: two are left */
  struct tl_node *node = memory_node(&limit);
  struct tl_port *p = calloc(2, sizeof *p);
  assert_int_equal(memory_attach(node, &p[0], 1), 0);
  assert_int_equal(memory_call_text(&p[0], 0, "register", "service", "a"), 0);
  assert_int_equal(memory_call_text(&p[0], 0, "register", "service", "b"), 0);
  assert_int_equal(memory_call_text(&p[0], 0, "register", "service", "c"), TULLE_E_LIMIT);
  assert_int_equal(memory_call_text(&p[0], 0, "wait", "service", "d"), TULLE_E_LIMIT);
  assert_int_equal(memory_call_text(&p[0], 0, "open", "service", "a"), TULLE_E_LIMIT);
  assert_int_equal(node->counters.limits, 3);
  assert_int_equal(memory_call_text(&p[0], 0, "unregister", "service", "a"), 0);
  assert_int_equal(memory_call_text(&p[0], 0, "register", "service", "c"), 0);
  memory_node_free(node, p, 2);
  free(p);
}

/* ---- opening ---- */

static void an_open_is_answered_when_both_have_it(void **state) {
  struct fixture *f = *state;
  struct tl_port *s = &f->ports[0], *c = &f->ports[1];
  assert_int_equal(memory_call_text(s, 0, "register", "service", "echo"), 0);
  uint64_t id = memory_send_text(c, 0, "open", "service", "echo");
  assert_null(memory_reply_to(c, id));
  assert_int_equal(c->introductions, 1);
  assert_int_equal(c->client->other.client, s->self.client);
  assert_int_equal(c->server->other.client, c->self.client);
  assert_int_equal(c->server->role, TL_ROLE_SERVER);
  tl_node_introduced(c->client, 1);
  assert_int_equal(memory_reply_to(c, id)->status, 0);
  assert_int_equal(reply_uint(c, "channel"), 1);
  /* The opener pays for both. */
  assert_int_equal(s->program->account->used.amount[TL_RESOURCE_MEMORY], PORTS * 16384 + 2 * 8192);
}

static void nobody_serves_and_the_error_says_more(void **state) {
  struct fixture *f = *state;
  struct tl_port *s = &f->ports[0], *c = &f->ports[1];
  f->node->wall_offset = (int64_t)(14 * 3600 * TL_S);
  assert_int_equal(memory_call_text(s, 0, "register", "service", "camera"), 0);
  assert_int_equal(memory_call_text(c, 0, "open", "service", "camrea"), TULLE_E_NO_SERVICE);
  assert_string_equal(memory_text(c), "nobody serves 'camrea'\ndid you mean 'camera'?");
  memory_detach(s, 131 * TL_S);
  assert_int_equal(memory_call_text(c, 311 * TL_S, "open", "service", "camera"),
                   TULLE_E_NO_SERVICE);
  assert_string_equal(memory_text(c), "nobody serves 'camera'\nlast served by osprey until "
                                      "14:02:11 (its program ended, 3 m ago)");
}

static void open_can_be_narrowed(void **state) {
  struct fixture *f = *state;
  struct tl_port *s = &f->ports[0], *c = &f->ports[1];
  static const char *const nodes[] = {"osprey", "abab"};
  uint8_t args[128];
  assert_int_equal(memory_call_text(s, 0, "register", "service", "echo"), 0);
  for (size_t i = 0; i < 2; i++) {
    struct tulle_pack w = tulle_pack_on(args, sizeof args);
    tulle_pack_map(&w, 3), tulle_pack_text(&w, "service"), tulle_pack_text(&w, "echo");
    tulle_pack_text(&w, "node"), tulle_pack_text(&w, nodes[i]);
    tulle_pack_text(&w, "capability"), tulle_pack_nil(&w);
    (void)memory_send(c, 0, "open", args, tulle_pack_size(&w));
    assert_int_equal(c->introductions, i + 1);
    tl_node_introduced(c->client, 0);
  }
  struct tulle_pack w = tulle_pack_on(args, sizeof args);
  tulle_pack_map(&w, 2), tulle_pack_text(&w, "service"), tulle_pack_text(&w, "echo");
  tulle_pack_text(&w, "node"), tulle_pack_text(&w, "heron");
  assert_int_equal(memory_call(c, 0, "open", args, tulle_pack_size(&w)), TULLE_E_NO_PEER);
  w = tulle_pack_on(args, sizeof args);
  tulle_pack_map(&w, 2), tulle_pack_text(&w, "service"), tulle_pack_text(&w, "echo");
  tulle_pack_text(&w, "capability"), tulle_pack_text(&w, "gpu");
  assert_int_equal(memory_call(c, 0, "open", args, tulle_pack_size(&w)), TULLE_E_NO_SERVICE);
}

static void an_open_ends_at_its_deadline(void **state) {
  struct fixture *f = *state;
  struct tl_port *s = &f->ports[0], *c = &f->ports[1];
  assert_int_equal(memory_call_text(s, 0, "register", "service", "echo"), 0);
  uint64_t id = memory_send_text(c, 0, "open", "service", "echo");
  uint64_t at = tl_node_deadline(f->node);
  assert_true(at >= 5 * TL_S && at <= 5 * TL_S + 200 * TL_MS);
  tl_node_timeout(f->node, 5 * TL_S - 1);
  assert_null(memory_reply_to(c, id));
  tl_node_timeout(f->node, at);
  assert_int_equal(memory_reply_to(c, id)->status, TULLE_E_DEADLINE);
  assert_int_equal(c->closes, 1), assert_int_equal(s->closes, 1);
  tl_node_introduced(c->client, at); /* too late */
  assert_int_equal(c->client->state, TL_END_CLOSED);
  tl_node_close_said(c->program, at, 1), tl_node_close_said(s->program, at, 1);
  assert_int_equal(f->node->end_count, PORTS);
  assert_int_equal(tl_node_deadline(f->node), TL_NEVER);
}

static void an_open_can_be_cancelled(void **state) {
  struct fixture *f = *state;
  struct tl_port *s = &f->ports[0], *c = &f->ports[1];
  uint8_t cancel[8];
  struct tl_writer w = tl_writer_on(cancel, sizeof cancel);
  assert_int_equal(memory_call_text(s, 0, "register", "service", "echo"), 0);
  uint64_t id = memory_send_text(c, 0, "open", "service", "echo");
  tl_cancel_encode(&w, id);
  struct tl_piece piece = {.data = cancel, .size = sizeof cancel, .kind = TL_KIND_CANCEL};
  assert_int_equal(tl_node_piece(c->program->control, 0, &piece), 0);
  assert_int_equal(memory_reply_to(c, id)->status, TULLE_E_CANCELLED);
  assert_int_equal(c->closes, 1), assert_int_equal(s->closes, 1);
  assert_int_equal(tl_node_piece(c->program->control, 0, &piece), 0); /* of nothing any more */
  assert_null(c->cut);
}

static void a_death_in_the_middle_of_an_open(void **state) {
  struct fixture *f = *state;
  struct tl_port *s = &f->ports[0], *c = &f->ports[1], *d = &f->ports[2];
  assert_int_equal(memory_call_text(s, 0, "register", "service", "echo"), 0);
  (void)memory_send_text(d, 0, "open", "service", "echo");
  memory_detach(d, 1); /* the client */
  assert_int_equal(s->closes, 1);
  assert_int_equal(s->closed_code, TULLE_E_PEER_GONE);
  uint64_t id = memory_send_text(c, 0, "open", "service", "echo");
  memory_detach(s, 2); /* the server */
  assert_int_equal(memory_reply_to(c, id)->status, TULLE_E_NO_SERVICE);
  assert_int_equal(c->closes, 1);
  assert_int_equal(c->program->account->used.amount[TL_RESOURCE_DESCRIPTORS], 2 * 4);
}

static void a_port_that_cannot_introduce_leaves_nothing(void **state) {
  struct fixture *f = *state;
  struct tl_port *s = &f->ports[0], *c = &f->ports[1];
  assert_int_equal(memory_call_text(s, 0, "register", "service", "echo"), 0);
  struct tl_charge before = f->node->accounts.used;
  c->introduce_result = TULLE_E_LIMIT;
  assert_int_equal(memory_call_text(c, 0, "open", "service", "echo"), TULLE_E_LIMIT);
  assert_memory_equal(&before, &f->node->accounts.used, sizeof before);
  assert_int_equal(f->node->end_count, PORTS);
}

static void a_program_may_open_its_own_service(void **state) {
  struct fixture *f = *state;
  struct tl_port *p = &f->ports[0];
  assert_int_equal(memory_call_text(p, 0, "register", "service", "echo"), 0);
  (void)memory_send_text(p, 0, "open", "service", "echo");
  tl_node_introduced(p->client, 0);
  assert_int_equal(reply_uint(p, "channel"), 1);
  assert_int_equal(p->server->number, 2);
  tl_node_close_said(p->program, 0, 1);
  assert_int_equal(p->closed_channel, 2);
  memory_detach(p, 0);
}

/* ---- closing ---- */

static struct tl_end *open_echo(struct tl_port *s, struct tl_port *c) {
  assert_int_equal(memory_call_text(s, 0, "register", "service", "echo"), 0);
  (void)memory_send_text(c, 0, "open", "service", "echo");
  tl_node_introduced(c->client, 0);
  return c->client;
}

static void what_one_leaves_the_other_pays_until_it_says_close(void **state) {
  (void)state;
  struct tl_node *node = memory_node(NULL);
  struct tl_port *p = calloc(2, sizeof *p);
  assert_int_equal(memory_attach(node, &p[0], 1), 0);
  assert_int_equal(memory_attach(node, &p[1], 2), 0);
  struct tl_account *server = p[0].program->account;
  (void)open_echo(&p[0], &p[1]);
  assert_int_equal(server->used.amount[TL_RESOURCE_MEMORY], 16384);
  assert_int_equal(tl_end_charge_growth(p[1].client, 65536), 0);
  memory_detach(&p[1], 0);
  assert_int_equal(server->used.amount[TL_RESOURCE_MEMORY], 16384 + 16384 + 65536);
  assert_int_equal(p[0].closes, 1);
  assert_int_equal(p[0].closed_begun, UINT64_MAX);
  tl_node_close_said(p[0].program, 0, 1);
  assert_int_equal(server->used.amount[TL_RESOURCE_MEMORY], 16384);
  tl_node_close_said(p[0].program, 0, 1); /* passed over */
  tl_node_close_said(p[0].program, 0, 999);
  assert_null(p[0].cut);
  memory_node_free(node, p, 2);
  free(p);
}

static void closing_channel_0_ends_the_attachment(void **state) {
  struct fixture *f = *state;
  tl_node_close_said(f->ports[0].program, 0, 0);
  assert_non_null(f->ports[0].cut);
}

static void a_withdrawn_service_closes_its_channels(void **state) {
  struct fixture *f = *state;
  struct tl_port *s = &f->ports[0], *c = &f->ports[1];
  struct tl_end *end = open_echo(s, c);
  assert_int_equal(memory_call_text(s, 0, "unregister", "service", "echo"), 0);
  assert_int_equal(c->closes, 1), assert_int_equal(c->closed_code, TULLE_E_PEER_GONE);
  assert_int_equal(s->closes, 1);
  tl_node_close_said(c->program, 0, end->number);
  assert_int_equal(s->closes, 1); /* it has been told */
}

static void growth_is_charged_and_bounded(void **state) {
  (void)state;
  struct tl_charge limit = tl_node_limit(UINT64_C(4) << 30, 4096);
  struct tl_node *node = memory_node(&limit);
  struct tl_port *p = calloc(2, sizeof *p);
  assert_int_equal(memory_attach(node, &p[0], 1), 0);
  assert_int_equal(memory_attach(node, &p[1], 2), 0);
  struct tl_end *end = open_echo(&p[0], &p[1]);
  for (uint64_t bytes = 8192; bytes <= TL_RING_BYTES_MAX; bytes *= 2)
    assert_int_equal(tl_end_charge_growth(end, bytes), 0);
  assert_int_equal(tl_end_charge_growth(end, TL_RING_BYTES_MAX), TULLE_E_LIMIT);
  assert_int_equal(tl_end_charge_growth(end, UINT64_MAX), TULLE_E_LIMIT);
  memory_node_free(node, p, 2);
  free(p);
}

/* ---- waiting ---- */

static void a_wait_ends_when_somebody_serves(void **state) {
  struct fixture *f = *state;
  struct tl_port *s = &f->ports[0], *a = &f->ports[1], *b = &f->ports[2];
  uint64_t first = memory_send_text(a, 0, "wait", "service", "echo");
  uint64_t second = memory_send_text(b, 0, "wait", "service", "echo");
  uint64_t other = memory_send_text(b, 0, "wait", "service", "ehco");
  assert_int_equal(memory_call_text(s, 0, "register", "service", "echo"), 0);
  assert_int_equal(memory_reply_to(a, first)->status, 0);
  assert_int_equal(memory_reply_to(b, second)->status, 0);
  assert_null(memory_reply_to(b, other));
  assert_int_equal(memory_call_text(a, 0, "wait", "service", "echo"), 0);
  tl_node_timeout(f->node, 6 * TL_S);
  assert_int_equal(memory_reply_to(b, other)->status, TULLE_E_DEADLINE);
  (void)memory_send_text(b, 0, "wait", "service", "never");
  memory_detach(b, 0);
}

/* ---- a program that does not read ---- */

static void replies_wait_for_room_and_calls_for_replies(void **state) {
  struct fixture *f = *state;
  struct tl_port *p = &f->ports[0];
  p->piece_max = 32;
  p->room = 3;
  uint64_t id = memory_send(p, 0, "status", NULL, 0);
  assert_null(memory_reply_to(p, id));
  assert_int_equal(p->records, 3);
  uint8_t call[64];
  struct tl_writer w = tl_writer_on(call, sizeof call);
  tl_call_encode(
      &w, &(struct tl_call_head){.id = 99, .budget_ns = TL_S, .name_size = 6, .name = "status"});
  struct tl_piece piece = {
      .data = call, .size = (uint32_t)tl_writer_size(&w), .kind = TL_KIND_CALL};
  int r, taken = 0;
  while ((r = tl_node_piece(p->program->control, 0, &piece)) == 0) taken++;
  assert_int_equal(r, TL_FULL);
  assert_true(p->program->control->is_paused);
  assert_true(p->program->replies.bytes <= TL_REPLIES_BYTES_MAX + 1024);
  p->room = 20;
  tl_node_writable(p->program->control, 0);
  assert_int_equal(p->resumes, 0);
  assert_int_equal(memory_reply_to(p, id)->status, 0);
  p->room = SIZE_MAX;
  tl_node_writable(p->program->control, 0);
  assert_int_equal(p->resumes, 1);
  assert_false(p->program->control->is_paused);
  assert_int_equal(p->reply_count, 1 + taken);
  assert_int_equal(memory_call(&f->ports[1], 0, "status", NULL, 0), 0); /* nobody else noticed */
}

static void a_broken_ring_does_no_harm(void **state) {
  struct fixture *f = *state;
  struct tl_port *p = &f->ports[0];
  p->is_broken = true;
  (void)memory_send(p, 0, "status", NULL, 0);
  tl_node_broken(p->program->control, 0);
  assert_non_null(p->cut);
}

/* ---- ends whose other side is the node ---- */

struct far_log {
  size_t pieces, writables, introductions, closes;
  uint64_t begun;
  int answer;
};

static int far_piece(struct tl_end *end, uint64_t now, const struct tl_piece *piece) {
  struct far_log *l = end->far_context;
  (void)now, (void)piece;
  l->pieces++;
  return l->answer;
}

static void far_writable(struct tl_end *end, uint64_t now) {
  struct far_log *l = end->far_context;
  (void)now;
  l->writables++;
}

static void far_introduced(struct tl_end *end, uint64_t now) {
  struct far_log *l = end->far_context;
  (void)now;
  l->introductions++;
}

static void far_closed(struct tl_end *end, uint64_t now, uint64_t begun) {
  struct far_log *l = end->far_context;
  (void)now;
  l->closes++;
  l->begun = begun;
}

static const struct tl_far_ops far_ops = {far_piece, far_writable, far_introduced, far_closed};

static struct tl_end *admit(struct fixture *f, struct tl_port *s, struct far_log *log) {
  struct tl_party caller = {.client = 77};
  struct tl_end *end;
  assert_int_equal(memory_call_text(s, 0, "register", "service", "echo"), 0);
  struct tl_offer *offer = tl_registry_find(&f->node->registry, "echo", NULL, NULL);
  assert_int_equal(tl_end_admit(offer, &caller, s->program->account, &far_ops, log, &end), 0);
  assert_int_equal(end->other.client, 77);
  return end;
}

static void a_far_caller_is_a_channel_like_any_other(void **state) {
  struct fixture *f = *state;
  struct far_log log = {0};
  struct tl_port *s = &f->ports[0];
  struct tl_end *end = admit(f, s, &log);
  struct tl_piece piece = {.data = "x", .size = 1, .kind = TL_KIND_REPLY};
  assert_int_equal(tl_node_piece(end, 0, &piece), 0);
  assert_int_equal(log.pieces, 0); /* not open yet */
  tl_node_introduced(end, 0);
  assert_int_equal(log.introductions, 1);
  assert_int_equal(tl_node_piece(end, 0, &piece), 0);
  log.answer = TL_FULL;
  assert_int_equal(tl_node_piece(end, 0, &piece), TL_FULL);
  assert_true(end->is_paused);
  tl_end_resume(end), tl_end_resume(end);
  assert_int_equal(s->resumes, 1);
  tl_node_writable(end, 0);
  assert_int_equal(log.writables, 1);
  s->begun = 12;
  memory_detach(s, 0);
  assert_int_equal(log.closes, 1);
  assert_int_equal(log.begun, 12);
}

static void a_far_side_can_end_it(void **state) {
  struct fixture *f = *state;
  struct far_log log = {0};
  struct tl_port *s = &f->ports[0];
  struct tl_end *end = admit(f, s, &log);
  tl_node_introduced(end, 0);
  tl_end_close(end, 0, TULLE_E_UNREACHABLE, 5);
  tl_end_close(end, 0, TULLE_E_UNREACHABLE, 5);
  assert_int_equal(s->closes, 1), assert_int_equal(s->closed_code, TULLE_E_UNREACHABLE);
  assert_int_equal(s->closed_begun, 5);
  assert_int_equal(log.closes, 0);
  tl_node_close_said(s->program, 0, end->number);
  assert_int_equal(f->node->end_count, PORTS);
}

static void a_program_can_break_or_close_a_far_channel(void **state) {
  struct fixture *f = *state;
  struct far_log log = {0}, other = {0};
  struct tl_port *s = &f->ports[0];
  struct tl_end *end = admit(f, s, &log);
  tl_node_introduced(end, 0);
  tl_node_broken(end, 0);
  assert_int_equal(log.closes, 1), assert_int_equal(s->closed_code, TULLE_E_PROTOCOL);
  assert_null(s->cut);
  end = admit(f, s, &other);
  tl_node_close_said(s->program, 0, end->number); /* before it was open */
  assert_int_equal(other.closes, 1);
  end = admit(f, s, &other);
  assert_int_equal(memory_call_text(s, 0, "unregister", "service", "echo"), 0);
  assert_int_equal(other.closes, 2);
}

/* ---- a node that nobody configured ---- */

static void an_autostarted_node_goes_when_idle(void **state) {
  (void)state;
  struct tl_node_config c = {.limit = tl_node_limit(1 << 30, 4096), .is_autostarted = true};
  struct tl_node *node;
  static struct tl_port p;
  assert_int_equal(tl_node_new(&c, 0, &node), 0);
  assert_int_equal(tl_node_deadline(node), TL_NODE_IDLE_NS);
  assert_int_equal(memory_attach(node, &p, 1), 0);
  assert_int_equal(tl_node_deadline(node), TL_NEVER);
  tl_node_timeout(node, 10 * TL_NODE_IDLE_NS);
  assert_false(tl_node_wants_end(node));
  memory_detach(&p, 5 * TL_S);
  tl_node_timeout(node, 5 * TL_S + TL_NODE_IDLE_NS - 1);
  assert_false(tl_node_wants_end(node));
  tl_node_timeout(node, 5 * TL_S + TL_NODE_IDLE_NS);
  assert_true(tl_node_wants_end(node));
  memory_node_free(node, &p, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_program_is_stamped),
      TEST(a_name_that_is_none_is_not_shown),
      cmocka_unit_test(too_many_programs_are_refused),
      TEST(a_port_that_cannot_connect_leaves_nothing),
      TEST(malformed_calls_end_the_attachment),
      TEST(malformed_arguments_are_answered),
      TEST(administration_is_for_the_own_user_and_root),
      TEST(a_one_way_call_is_not_answered),
      TEST(a_name_is_served_once),
      TEST(capabilities_are_found_and_changed),
      TEST(long_lists_come_in_parts),
      cmocka_unit_test(objects_are_limited),
      TEST(an_open_is_answered_when_both_have_it),
      TEST(nobody_serves_and_the_error_says_more),
      TEST(open_can_be_narrowed),
      TEST(an_open_ends_at_its_deadline),
      TEST(an_open_can_be_cancelled),
      TEST(a_death_in_the_middle_of_an_open),
      TEST(a_port_that_cannot_introduce_leaves_nothing),
      TEST(a_program_may_open_its_own_service),
      cmocka_unit_test(what_one_leaves_the_other_pays_until_it_says_close),
      TEST(closing_channel_0_ends_the_attachment),
      TEST(a_withdrawn_service_closes_its_channels),
      cmocka_unit_test(growth_is_charged_and_bounded),
      TEST(a_wait_ends_when_somebody_serves),
      TEST(replies_wait_for_room_and_calls_for_replies),
      TEST(a_broken_ring_does_no_harm),
      TEST(a_far_caller_is_a_channel_like_any_other),
      TEST(a_far_side_can_end_it),
      TEST(a_program_can_break_or_close_a_far_channel),
      cmocka_unit_test(an_autostarted_node_goes_when_idle),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
