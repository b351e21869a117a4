/*
 * The node's state machine, driven by a byte program: three programs in memory call, cancel, close, die and stop
 * reading in any order, and two far sides come and go. At the end everything is given back.
 *
 *   op (low 5 bits) and program (high 3 bits), then the op's own bytes
 */
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/wire/rpc.h"
#include "node/state/node.h"

#define PROGRAMS 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct tl_port {
  struct tl_program *program;
  struct tl_end *last; /* of the last introduce or connect; NULL when it is gone */
  uint32_t room;
  bool is_cut;
};

static void welcome(struct tl_port *p, const struct tl_party *self) {
  (void)p, (void)self;
}

static void cut(struct tl_port *p, const char *reason) {
  (void)reason;
  p->is_cut = true;
}

static int introduce(struct tl_end *client, struct tl_end *server) {
  client->seat = client, server->seat = server;
  client->program->port->last = client;
  return 0;
}

static int connect(struct tl_end *end) {
  end->seat = end;
  end->program->port->last = end;
  return 0;
}

static void close_end(struct tl_end *end, int code, uint64_t begun) {
  (void)code, (void)begun;
  TL_ASSERT(end->seat == end);
}

static void forget(struct tl_end *end) {
  struct tl_port *p = end->program->port;
  if (p->last == end) p->last = NULL;
  end->seat = NULL;
}

static uint32_t piece_bytes_max(const struct tl_end *end) {
  (void)end;
  return 200;
}

static int write_piece(struct tl_end *end, const struct tl_piece *piece) {
  struct tl_port *p = end->program->port;
  TL_ASSERT(piece->size <= 200);
  if (p->room == 0) return TL_FULL;
  p->room--;
  return 0;
}

static void resume(struct tl_end *end) {
  TL_ASSERT(!end->is_paused);
}

static void begin(struct tl_end *end, uint64_t id) {
  (void)end, (void)id;
}

static uint64_t begun(const struct tl_end *end) {
  (void)end;
  return 3;
}

static const struct tl_port_ops ops = {welcome,   cut,    introduce,       connect,
                                       close_end, forget, piece_bytes_max, write_piece,
                                       resume,    NULL,   begin,           begun};

/* A far side that takes every other piece. */
static int far_piece(struct tl_end *end, uint64_t now, const struct tl_piece *piece) {
  (void)end, (void)now;
  return piece->size % 2 ? TL_FULL : 0;
}

static void far_word(struct tl_end *end, uint64_t now) {
  (void)end, (void)now;
}

static void far_closed(struct tl_end *end, uint64_t now, uint64_t count) {
  (void)end, (void)now, (void)count;
}

static const struct tl_far_ops far_ops = {far_piece, far_word, far_word, far_closed};

static void attach(struct tl_node *node, struct tl_port *p, uint32_t uid, uint64_t now) {
  struct tl_credentials c = {.uid = uid, .pid = 1};
  *p = (struct tl_port){.room = 1000};
  if (tl_node_attach(node, now, p, &ops, &c, "p", &p->program) == 0)
    tl_node_introduced(p->program->control, now);
}

static void detach(struct tl_port *p, uint64_t now) {
  if (p->program) p->program = tl_node_detach(p->program, now);
}

static void send_message(struct tl_port *p, uint64_t now, uint16_t kind, const void *data,
                         size_t size) {
  /* A copy of exactly this size lets the address sanitizer see a read of one byte too many. */
  uint8_t *copy = malloc(size ? size : 1);
  if (!copy) abort();
  memcpy(copy, data, size);
  struct tl_piece piece = {.data = copy, .size = (uint32_t)size, .kind = kind};
  (void)tl_node_piece(p->program->control, now, &piece);
  free(copy);
}

/* A well-formed head before the input's arguments. */
static void send_call(struct tl_port *p, uint64_t now, unsigned which, const uint8_t *args,
                      size_t size) {
  static const char *const names[] = {"register", "unregister", "open",   "list",
                                      "wait",     "status",     "nobody", "shutdown"};
  uint8_t call[TL_CALL_HEAD_BYTES_MAX + 256];
  struct tl_writer w = tl_writer_on(call, sizeof call);
  const char *name = names[which % 8];
  struct tl_call_head head = {.id = which,
                              .budget_ns = which * TL_S,
                              .flags = which & 64 ? TL_CALL_ONE_WAY : 0,
                              .name_size = (uint8_t)strlen(name),
                              .name = name};
  tl_call_encode(&w, &head);
  tl_write_bytes(&w, args, size);
  send_message(p, now, TL_KIND_CALL, call, tl_writer_size(&w));
}

static void admit(struct tl_node *node, const char *service) {
  struct tl_offer *offer = tl_registry_find(&node->registry, service, NULL, NULL);
  struct tl_party caller = {.client = 9};
  struct tl_end *end;
  if (offer) (void)tl_end_admit(offer, &caller, offer->program->account, &far_ops, NULL, &end);
}

static void step(struct tl_node *node, struct tl_port *ports, struct tl_reader *r, uint64_t *now) {
  uint8_t op = tl_read_u8(r), argument = tl_read_u8(r);
  struct tl_port *p = &ports[(op >> 5) % PROGRAMS];
  if (!p->program) {
    attach(node, p, argument % 4, *now);
    return;
  }
  const uint8_t *bytes;
  size_t size;
  switch (op & 31) {
  case 0:
    detach(p, *now);
    return;
  case 1:
    *now += argument * 50 * TL_MS;
    tl_node_timeout(node, *now);
    return;
  case 2:
    if (p->last) tl_node_introduced(p->last, *now);
    return;
  case 3:
    tl_node_close_said(p->program, *now, argument);
    return;
  case 4:
    p->room = argument;
    tl_node_writable(p->program->control, *now);
    return;
  case 5:
    if (p->last && p->last->state == TL_END_OPEN && p->last->far) tl_node_broken(p->last, *now);
    return;
  case 6:
    admit(node, argument % 2 ? "a" : "echo");
    return;
  case 7:
    if (p->last) (void)tl_end_charge_growth(p->last, (uint64_t)argument << 20);
    return;
  case 8:
    if (p->last && p->last->number) tl_end_close(p->last, *now, TULLE_E_UNREACHABLE, argument);
    return;
  case 9:
    if (p->last) tl_end_resume(p->last);
    return;
  default:
    size = tl_reader_left(r) < argument ? tl_reader_left(r) : argument;
    bytes = tl_read_bytes(r, size);
    if ((op & 31) < 14)
      send_message(p, *now, (uint16_t)(op & 3), bytes, size);
    else
      send_call(p, *now, op, bytes, size);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct tl_node_config config = {.limit = tl_node_limit(UINT64_C(1) << 28, 256)};
  struct tl_port ports[PROGRAMS] = {{0}};
  struct tl_reader r = tl_reader_on(data, size);
  struct tl_node *node;
  uint64_t now = TL_S;
  config.limit.amount[TL_RESOURCE_OBJECTS] = 40;
  if (tl_node_new(&config, now, &node) < 0) return 0;
  while (tl_reader_left(&r) >= 2) {
    step(node, ports, &r, &now);
    for (int i = 0; i < PROGRAMS; i++)
      if (ports[i].is_cut) detach(&ports[i], now);
  }
  for (int i = 0; i < PROGRAMS; i++) detach(&ports[i], now);
  for (int i = 0; i < TL_RESOURCES; i++) TL_ASSERT(node->accounts.used.amount[i] == 0);
  tl_node_free(node);
  return 0;
}
