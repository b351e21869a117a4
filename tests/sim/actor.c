#include "tests/sim/actor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/wire/rpc.h"
#include "transport/ring/layout.h"
#include "tulle/pack.h"

#define CALL_NS (2 * TL_S)
#define OPEN_NS (5 * TL_S)

/* ---- the node's contract ---- */

static struct actor_end *end_of(const struct tl_end *end) {
  return end->seat;
}

static struct actor_end *end_new(struct tl_port *a, struct tl_end *end) {
  for (size_t i = 0; i < ACTOR_ENDS_MAX; i++) {
    if (a->ends[i].end) continue;
    memset(&a->ends[i], 0, sizeof a->ends[i]);
    a->ends[i].end = end;
    end->seat = &a->ends[i];
    return &a->ends[i];
  }
  return NULL;
}

static void op_welcome(struct tl_port *a, const struct tl_party *self) {
  (void)a, (void)self;
}

static void op_cut(struct tl_port *a, const char *reason) {
  fprintf(stderr, "an honest actor was cut: %s\n", reason);
  a->ledger->violations++;
}

static int op_introduce(struct tl_end *client, struct tl_end *server) {
  struct actor_end *c = end_new(client->program->port, client),
                   *s = c ? end_new(server->program->port, server) : NULL;
  if (!s) {
    if (c) c->end = NULL;
    return TULLE_E_LIMIT;
  }
  c->peer = s, s->peer = c;
  c->is_new = true; /* the client's answers for both */
  return 0;
}

static int op_connect(struct tl_end *end) {
  struct actor_end *e = end_new(end->program->port, end);
  if (!e) return TULLE_E_LIMIT;
  e->is_new = true;
  return 0;
}

static void op_close(struct tl_end *end, int code, uint64_t begun) {
  struct actor_end *e = end_of(end);
  e->is_closed = true;
  e->is_new = false;
  e->closed_code = code;
  e->closed_begun = begun == UINT64_MAX && e->peer ? e->peer->begun : begun;
}

static void op_forget(struct tl_end *end) {
  struct actor_end *e = end_of(end);
  if (!e) return;
  if (e->peer) e->peer->peer = NULL;
  struct tl_port *a = end->program->port;
  if (a->channel == e) a->channel = NULL;
  e->end = NULL;
  end->seat = NULL;
}

static uint32_t op_piece_bytes_max(const struct tl_end *end) {
  (void)end;
  return ACTOR_RECORD_MAX;
}

static int op_write(struct tl_end *end, const struct tl_piece *piece) {
  struct actor_end *e = end_of(end);
  if (e->queued == ACTOR_QUEUE_MAX) {
    e->was_full = true;
    return TL_FULL;
  }
  struct actor_record *r = &e->queue[e->queued++];
  r->kind = piece->kind, r->flags = piece->flags, r->size = piece->size;
  memcpy(r->bytes, piece->data, piece->size);
  return 0;
}

static void op_resume(struct tl_end *end) {
  end_of(end)->is_blocked = false;
}
static void op_begin(struct tl_end *end, uint64_t id) {
  (void)end, (void)id;
}
static uint64_t op_begun(const struct tl_end *end) {
  return end_of(end)->begun;
}

static const struct tl_port_ops ops = {.welcome = op_welcome,
                                       .cut = op_cut,
                                       .introduce = op_introduce,
                                       .connect = op_connect,
                                       .close = op_close,
                                       .forget = op_forget,
                                       .piece_bytes_max = op_piece_bytes_max,
                                       .write = op_write,
                                       .resume = op_resume,
                                       .begin = op_begin,
                                       .begun = op_begun};

/* ---- writing ---- */

/* One record out of an actor's ring: to the other program, or to the node. False: it has to
 * wait. */
static bool record_out(struct actor_end *e, uint64_t now) {
  if (e->peer) {
    if (e->peer->queued == ACTOR_QUEUE_MAX) return false;
    e->peer->queue[e->peer->queued++] = e->out;
  } else {
    struct tl_piece piece = {
        .data = e->out.bytes, .size = e->out.size, .kind = e->out.kind, .flags = e->out.flags};
    if (e->is_blocked) return false;
    if (tl_node_piece(e->end, now, &piece) == TL_FULL) {
      e->is_blocked = true;
      return false;
    }
  }
  e->has_out = false;
  return true;
}

static void message_out(struct actor_end *e, uint64_t now, uint16_t kind, const uint8_t *bytes,
                        size_t size) {
  e->out = (struct actor_record){.kind = kind, .size = (uint32_t)size};
  memcpy(e->out.bytes, bytes, size);
  e->has_out = true;
  (void)record_out(e, now);
}

/* ---- a client's calls ---- */

static void outcome(struct tl_port *a, struct actor_call *call, int code) {
  struct ledger *l = a->ledger;
  unsigned runs = l->runs[call->number];
  bool is_true = runs <= 1;
  if (code == 0)
    l->done++, is_true = runs == 1;
  else if (code == TULLE_E_PEER_GONE)
    l->gone++, is_true = runs == 0;
  else if (code == TULLE_E_OUTCOME_UNKNOWN)
    l->unknown++;
  else
    l->other++;
  if (!is_true) {
    fprintf(stderr, "call %u: outcome %s, but it ran %u times\n", call->number,
            tulle_error_text(code), runs);
    l->violations++;
  }
  call->is_used = false;
}

static void calls_end(struct tl_port *a, uint64_t begun) {
  for (size_t i = 0; i < ACTOR_CALLS_MAX; i++) {
    struct actor_call *call = &a->calls[i];
    if (call->is_used)
      outcome(a, call, call->id < begun ? TULLE_E_OUTCOME_UNKNOWN : TULLE_E_PEER_GONE);
  }
}

static void call_begin(struct tl_port *a, uint64_t now) {
  struct actor_call *call = NULL;
  for (size_t i = 0; i < ACTOR_CALLS_MAX && !call; i++)
    if (!a->calls[i].is_used) call = &a->calls[i];
  if (!call || a->channel->has_out || a->ledger->calls == LEDGER_MAX) return;
  uint8_t bytes[ACTOR_RECORD_MAX];
  *call = (struct actor_call){true, a->ledger->calls++, a->next_call_id++, now + CALL_NS};
  struct tl_writer w = tl_writer_on(bytes, sizeof bytes);
  tl_call_encode(&w, &(struct tl_call_head){
                         .id = call->id, .budget_ns = CALL_NS, .name_size = 4, .name = "echo"});
  tl_write_u8(&w, 0xce);
  tl_write_u32(&w, call->number);
  message_out(a->channel, now, TL_KIND_CALL, bytes, tl_writer_size(&w));
  a->calls_left--;
}

/* A call on channel 0 with one text argument. */
static void control_call(struct tl_port *a, uint64_t now, const char *procedure,
                         const char *service) {
  struct actor_end *control = end_of(a->program->control);
  uint8_t bytes[ACTOR_RECORD_MAX];
  struct tl_writer w = tl_writer_on(bytes, sizeof bytes);
  tl_call_encode(&w, &(struct tl_call_head){.id = a->next_control_id++,
                                            .budget_ns = OPEN_NS,
                                            .name_size = (uint8_t)strlen(procedure),
                                            .name = procedure});
  struct tulle_pack p = tulle_pack_on(w.at, tl_writer_left(&w));
  tulle_pack_map(&p, 1), tulle_pack_text(&p, "service"), tulle_pack_text(&p, service);
  message_out(control, now, TL_KIND_CALL, bytes, tl_writer_size(&w) + tulle_pack_size(&p));
}

static void client_act(struct tl_port *a, uint64_t now) {
  for (size_t i = 0; i < ACTOR_CALLS_MAX; i++)
    if (a->calls[i].is_used && now >= a->calls[i].deadline)
      outcome(a, &a->calls[i], TULLE_E_DEADLINE);
  if (a->is_opening && now >= a->open_deadline) a->is_opening = false;
  if (now < a->next_at) return;
  a->next_at = now + 1 * TL_MS + tl_sim_draw_exponential(a->random, 30 * TL_MS);
  if (a->channel && a->channel->is_introduced && a->calls_left) {
    call_begin(a, now);
  } else if (a->channel && !a->calls_left && !actor_pending(a)) {
    struct actor_end *e = a->channel;
    a->channel = NULL;
    tl_node_close_said(a->program, now, e->end->number);
  } else if (!a->channel && !a->is_opening && !a->is_stopped) {
    char service[32];
    snprintf(service, sizeof service, "echo-%u",
             (unsigned)tl_sim_draw_below(a->random, a->services));
    a->is_opening = true;
    a->open_deadline = now + OPEN_NS;
    control_call(a, now, "open", service);
  }
}

/* ---- reading ---- */

static void take_control_reply(struct tl_port *a, const struct tl_reply_head *head,
                               struct tl_reader *r) {
  if (!a->is_opening) return;
  struct tulle_unpack map = tulle_unpack_on(r->at, tl_reader_left(r)),
                      number = tulle_unpack_key(&map, "channel");
  a->is_opening = false;
  if (head->status != 0) return;
  struct tl_end *end = tl_program_end(a->program, (uint32_t)tulle_unpack_uint(&number));
  if (!end || end->state != TL_END_OPEN) return;
  a->channel = end_of(end);
  a->channel->is_introduced = true;
  a->next_call_id = 1;
  a->calls_left = 1 + (unsigned)tl_sim_draw_below(a->random, 40);
}

static void take_reply(struct tl_port *a, struct actor_end *e) {
  struct tl_reader r = tl_reader_on(e->message, e->message_size);
  struct tl_reply_head head;
  if (tl_reply_decode(&r, &head) < 0) {
    a->ledger->violations++;
    return;
  }
  if (e->end == a->program->control) {
    take_control_reply(a, &head, &r);
    return;
  }
  for (size_t i = 0; i < ACTOR_CALLS_MAX; i++) {
    struct actor_call *call = &a->calls[i];
    if (!call->is_used || call->id != head.id || e != a->channel) continue;
    uint32_t number = tl_reader_left(&r) == 5 ? (uint32_t)tl_load_le(r.at + 1, 4) : UINT32_MAX;
    if (head.status == 0 && number != call->number) a->ledger->violations++;
    outcome(a, call, head.status);
  }
}

static void serve_call(struct tl_port *a, struct actor_end *e, uint64_t now) {
  struct tl_reader r = tl_reader_on(e->message, e->message_size);
  struct tl_call_head head;
  if (tl_call_decode(&r, &head) < 0 || tl_reader_left(&r) != 5) {
    a->ledger->violations++;
    return;
  }
  uint32_t number = (uint32_t)tl_load_le(r.at + 1, 4);
  if (number >= a->ledger->calls || ++a->ledger->runs[number] > 1 || head.id < e->begun)
    a->ledger->violations++;
  e->begun = head.id + 1;
  uint8_t bytes[ACTOR_RECORD_MAX];
  struct tl_writer w = tl_writer_on(bytes, sizeof bytes);
  tl_reply_encode(&w, &(struct tl_reply_head){.id = head.id});
  tl_write_bytes(&w, r.at, 5);
  message_out(e, now, TL_KIND_REPLY, bytes, tl_writer_size(&w));
}

static bool take_record(struct tl_port *a, struct actor_end *e, uint64_t now) {
  if (!e->queued || e->has_out || e->is_closed) return false;
  struct actor_record r = e->queue[0];
  memmove(e->queue, e->queue + 1, --e->queued * sizeof r);
  if (e->message_size + r.size <= sizeof e->message)
    memcpy(e->message + e->message_size, r.bytes, r.size);
  e->message_size += r.size;
  if (!(r.flags & TL_RECORD_MORE)) {
    if (r.kind == TL_KIND_REPLY) take_reply(a, e);
    if (r.kind == TL_KIND_CALL && a->is_server) serve_call(a, e, now);
    e->message_size = 0;
  }
  if (e->end && e->was_full) {
    e->was_full = false;
    tl_node_writable(e->end, now);
  }
  return true;
}

/* ---- turns ---- */

static bool end_settle(struct tl_port *a, struct actor_end *e, uint64_t now) {
  if (!e->end) return false;
  if (e->is_closed) {
    if (e == a->channel) {
      while (take_record(a, e, now)) continue;
      calls_end(a, e->closed_begun);
      a->channel = NULL;
    }
    tl_node_close_said(a->program, now, e->end->number);
    return true;
  }
  if (e->is_new) {
    e->is_new = false;
    e->is_introduced = true;
    if (e->peer) e->peer->is_introduced = true;
    tl_node_introduced(e->end, now);
    return true;
  }
  if (e->has_out) return record_out(e, now);
  return take_record(a, e, now);
}

bool actor_settle(struct tl_port *a, uint64_t now) {
  bool has_moved = false, moves = true;
  if (!a->program) return false;
  while (moves) {
    moves = false;
    for (size_t i = 0; i < ACTOR_ENDS_MAX; i++) moves |= end_settle(a, &a->ends[i], now);
    has_moved |= moves;
  }
  if (!a->is_server && a->program->control->state == TL_END_OPEN) client_act(a, now);
  return has_moved;
}

uint64_t actor_deadline(const struct tl_port *a) {
  return a->is_server || !a->program ? TL_NEVER : a->next_at;
}

unsigned actor_pending(const struct tl_port *a) {
  unsigned n = 0;
  for (size_t i = 0; i < ACTOR_CALLS_MAX; i++) n += a->calls[i].is_used;
  return n;
}

void actor_start(struct tl_port *a, struct tl_node *node, struct ledger *ledger,
                 struct tl_sim_random *random, uint64_t now) {
  struct tl_credentials credentials = {.uid = 1000, .gid = 1000, .pid = 42};
  memset(a->ends, 0, sizeof a->ends);
  a->ledger = ledger, a->node = node, a->random = random;
  a->next_control_id = 1;
  a->is_opening = false;
  a->channel = NULL;
  a->next_at = now;
  if (tl_node_attach(node, now, a, &ops, &credentials, a->is_server ? "server" : "client",
                     &a->program) < 0)
    abort();
  (void)actor_settle(a, now);
  if (a->is_server) control_call(a, now, "register", a->service);
}

void actor_end(struct tl_port *a, uint64_t now, bool with_node) {
  /* A program whose node dies knows only what left its ring; that it knows by `begin`, which
   * counts all it handed over. */
  (void)with_node;
  calls_end(a, UINT64_MAX);
  if (a->program) a->program = tl_node_detach(a->program, now);
}
