#include "tests/unit/node/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/wire/rpc.h"
#include "tests/unit/test.h"
#include "transport/ring/layout.h"

static void welcome(struct tl_port *p, const struct tl_party *self) {
  p->self = *self;
  p->welcomes++;
}

static void cut(struct tl_port *p, const char *reason) {
  p->cut = reason;
}

static int introduce(struct tl_end *client, struct tl_end *server) {
  struct tl_port *p = client->program->port;
  if (p->introduce_result < 0) return p->introduce_result;
  client->seat = client, server->seat = server;
  p->client = client, p->server = server;
  p->introductions++;
  return 0;
}

static int connect(struct tl_end *end) {
  struct tl_port *p = end->program->port;
  if (p->connect_result < 0) return p->connect_result;
  end->seat = end;
  p->connected = end;
  p->connections++;
  return 0;
}

static void close_end(struct tl_end *end, int code, uint64_t begun) {
  struct tl_port *p = end->program->port;
  p->closed_channel = end->number;
  p->closed_code = code;
  p->closed_begun = begun;
  p->closes++;
}

static void forget(struct tl_end *end) {
  struct tl_port *p = end->program->port;
  end->seat = NULL;
  p->forgets++;
}

static uint32_t piece_bytes_max(const struct tl_end *end) {
  const struct tl_port *p = end->program->port;
  return p->piece_max ? p->piece_max : 1 << 16;
}

static void reply_take(struct tl_port *p) {
  struct tl_reader r = tl_reader_on(p->parts, p->parts_size);
  struct tl_reply_head head = {0};
  struct memory_reply *reply = &p->replies[p->reply_count++];
  assert_true(p->reply_count <= MEMORY_REPLIES_MAX);
  assert_int_equal(tl_reply_decode(&r, &head), 0);
  reply->id = head.id;
  reply->status = head.status;
  reply->size = tl_reader_left(&r);
  reply->body = calloc(1, reply->size + 1);
  memcpy(reply->body, r.at, reply->size);
  p->parts_size = 0;
}

static int write_piece(struct tl_end *end, const struct tl_piece *piece) {
  struct tl_port *p = end->program->port;
  assert_true(piece->size <= piece_bytes_max(end));
  if (p->is_broken) return TULLE_E_PROTOCOL;
  if (p->room == 0) return TL_FULL;
  p->room--;
  p->records++;
  p->last = *piece;
  memcpy(p->last_bytes, piece->data,
         piece->size < sizeof p->last_bytes ? piece->size : sizeof p->last_bytes);
  assert_true(p->parts_size + piece->size <= sizeof p->parts);
  memcpy(p->parts + p->parts_size, piece->data, piece->size);
  p->parts_size += piece->size;
  if (piece->flags & TL_RECORD_MORE) return 0;
  if (piece->kind == TL_KIND_REPLY)
    reply_take(p);
  else
    p->parts_size = 0;
  return 0;
}

static void resume(struct tl_end *end) {
  struct tl_port *p = end->program->port;
  p->resumes++;
}

static void begin(struct tl_end *end, uint64_t id) {
  struct tl_port *p = end->program->port;
  p->begun_by_node = id + 1;
}

static uint64_t begun(const struct tl_end *end) {
  const struct tl_port *p = end->program->port;
  return p->begun;
}

const struct tl_port_ops memory_ops = {
    .welcome = welcome,
    .cut = cut,
    .introduce = introduce,
    .connect = connect,
    .close = close_end,
    .forget = forget,
    .piece_bytes_max = piece_bytes_max,
    .write = write_piece,
    .resume = resume,
    .begin = begin,
    .begun = begun,
};

struct tl_node *memory_node(const struct tl_charge *limit) {
  struct tl_node_config c = {.limit = limit ? *limit : tl_node_limit(UINT64_C(1) << 30, 4096)};
  struct tl_node *node;
  c.self = (struct tl_party){.incarnation = 3, .uid = 100, .pid = 1, .local = true};
  memset(c.self.node, 0xab, sizeof c.self.node);
  snprintf(c.self.node_name, sizeof c.self.node_name, "osprey");
  snprintf(c.node_id_text, sizeof c.node_id_text, "abab");
  snprintf(c.fabric, sizeof c.fabric, "lab");
  assert_int_equal(tl_node_new(&c, 0, &node), 0);
  return node;
}

int memory_attach(struct tl_node *node, struct tl_port *port, uint32_t uid) {
  struct tl_credentials c = {.uid = uid, .gid = 2, .pid = 42};
  if (!port->room) port->room = SIZE_MAX;
  port->next_id = 1;
  int r = tl_node_attach(node, 0, port, &memory_ops, &c, "prog", &port->program);
  if (r == 0) tl_node_introduced(port->program->control, 0);
  return r;
}

void memory_port_clear(struct tl_port *p) {
  for (size_t i = 0; i < p->reply_count; i++) free(p->replies[i].body);
  p->reply_count = 0;
}

void memory_detach(struct tl_port *p, uint64_t now) {
  if (p->program) p->program = tl_node_detach(p->program, now);
  memory_port_clear(p);
}

void memory_node_free(struct tl_node *node, struct tl_port *ports, size_t count) {
  for (size_t i = 0; i < count; i++) memory_detach(&ports[i], 1000 * TL_S);
  for (int i = 0; i < TL_RESOURCES; i++) assert_int_equal(node->accounts.used.amount[i], 0);
  assert_int_equal(node->end_count, 0);
  assert_int_equal(node->registry.names.used, 0);
  tl_node_free(node);
}

uint64_t memory_send(struct tl_port *p, uint64_t now, const char *procedure, const void *args,
                     size_t size) {
  static uint8_t call[1 << 19];
  struct tl_writer w = tl_writer_on(call, sizeof call);
  struct tl_call_head head = {.id = p->next_id,
                              .budget_ns = p->budget_ns ? p->budget_ns : 5 * TL_S,
                              .name_size = (uint8_t)strlen(procedure),
                              .name = procedure};
  tl_call_encode(&w, &head);
  tl_write_bytes(&w, args, size);
  struct tl_piece piece = {
      .data = call, .size = (uint32_t)tl_writer_size(&w), .kind = TL_KIND_CALL};
  assert_int_equal(tl_node_piece(p->program->control, now, &piece), 0);
  return p->next_id++;
}

const struct memory_reply *memory_reply_to(const struct tl_port *p, uint64_t id) {
  for (size_t i = 0; i < p->reply_count; i++)
    if (p->replies[i].id == id) return &p->replies[i];
  return NULL;
}

int memory_call(struct tl_port *p, uint64_t now, const char *procedure, const void *args,
                size_t size) {
  uint64_t id = memory_send(p, now, procedure, args, size);
  const struct memory_reply *r = memory_reply_to(p, id);
  assert_non_null(r);
  return r->status;
}

static size_t one_text(uint8_t out[512], const char *key, const char *value) {
  struct tulle_pack w = tulle_pack_on(out, 512);
  tulle_pack_map(&w, 1);
  tulle_pack_text(&w, key), tulle_pack_text(&w, value);
  return tulle_pack_size(&w);
}

uint64_t memory_send_text(struct tl_port *p, uint64_t now, const char *procedure, const char *key,
                          const char *value) {
  uint8_t args[512];
  return memory_send(p, now, procedure, args, one_text(args, key, value));
}

int memory_call_text(struct tl_port *p, uint64_t now, const char *procedure, const char *key,
                     const char *value) {
  uint8_t args[512];
  return memory_call(p, now, procedure, args, one_text(args, key, value));
}

const char *memory_text(const struct tl_port *p) {
  assert_true(p->reply_count > 0);
  return (const char *)p->replies[p->reply_count - 1].body;
}
