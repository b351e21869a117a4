/*
 * The envelope of the node's own service: taking calls apart, answering, keeping what is answered
 * later. The procedures themselves are in procedures.c.
 */
#include "node/state/service.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/wire/msgpack.h"
#include "node/state/node.h"
#include "node/state/procedures.h"

/* Clean-up of what nobody waits for any more may come late: the callers keep their own time. */
#define TIMEOUT_STEP_NS (100 * TL_MS)

static const struct tl_charge one_object = {{[TL_RESOURCE_OBJECTS] = 1}};

/* ---- replies ---- */

static void reply_send(struct tl_program *program, uint64_t id, int32_t status, const void *body,
                       size_t size) {
  static const uint8_t empty_map = 0x80;
  uint8_t *out = program->node->reply;
  struct tl_writer w = tl_writer_on(out, TL_SERVICE_REPLY_BYTES_MAX);
  if (status == 0 && size == 0) body = &empty_map, size = 1;
  tl_reply_encode(&w, &(struct tl_reply_head){.id = id, .status = status});
  if (body == w.at)
    (void)tl_write_room(&w, size); /* a result is written in its place */
  else
    tl_write_bytes(&w, body, size);
  TL_ASSERT(!w.failed);
  int r =
      tl_outbox_send(&program->replies, program->control, TL_KIND_REPLY, out, tl_writer_size(&w));
  if (r == TULLE_E_NO_MEMORY) tl_program_cut(program, "no memory for a reply to it");
}

static void reply_text(struct tl_program *program, uint64_t id, int32_t status, const char *text) {
  reply_send(program, id, status, text, strlen(text));
}

int tl_request_refuse(struct tl_request *q, int code, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(q->text, sizeof q->text, format, args);
  va_end(args);
  return code;
}

/* ---- arguments ---- */

static bool argument_find(const struct tl_request *q, const char *key, struct tulle_unpack *out) {
  *out = tulle_unpack_key(&q->args, key);
  struct tulle_unpack peek = *out;
  return !out->failed && tulle_unpack_any(&peek).type != TULLE_NIL;
}

int tl_request_text(struct tl_request *q, const char *key, bool is_required, char *out,
                    size_t out_size) {
  struct tulle_unpack r;
  if (!argument_find(q, key, &r))
    return is_required ? tl_request_refuse(q, TULLE_E_INVALID, "'%s' is missing", key) : 0;
  size_t size;
  const char *text = tulle_unpack_text(&r, &size);
  if (!text || size >= out_size || memchr(text, 0, size))
    return tl_request_refuse(q, TULLE_E_INVALID, "'%s' must be a text of at most %zu bytes", key,
                             out_size - 1);
  memcpy(out, text, size);
  out[size] = 0;
  return 0;
}

int tl_request_uint(struct tl_request *q, const char *key, uint64_t *out) {
  struct tulle_unpack r;
  if (!argument_find(q, key, &r)) return 0;
  uint64_t v = tulle_unpack_uint(&r);
  if (r.failed) return tl_request_refuse(q, TULLE_E_INVALID, "'%s' must be a number", key);
  *out = v;
  return 0;
}

int tl_request_bool(struct tl_request *q, const char *key, bool *out) {
  struct tulle_unpack r;
  if (!argument_find(q, key, &r)) return 0;
  bool v = tulle_unpack_bool(&r);
  if (r.failed) return tl_request_refuse(q, TULLE_E_INVALID, "'%s' must be true or false", key);
  *out = v;
  return 0;
}

/* ---- calls that are answered later ---- */

static void schedule(struct tl_node *node, uint64_t deadline) {
  if (deadline == TL_NEVER) return;
  uint64_t step = tl_time_add(deadline, TIMEOUT_STEP_NS);
  node->deadline = tl_time_min(node->deadline, step - step % TIMEOUT_STEP_NS);
}

int tl_pending_new(const struct tl_request *q, void (*ended)(struct tl_pending *p, uint64_t now),
                   struct tl_pending **out_pending) {
  struct tl_program *program = q->program;
  int r = tl_account_charge(program->account, &one_object);
  if (r < 0) return r;
  struct tl_pending *p = calloc(1, sizeof *p);
  if (!p) {
    tl_account_release(program->account, &one_object);
    return TULLE_E_NO_MEMORY;
  }
  p->program = program;
  p->id = q->id;
  p->deadline = q->deadline;
  p->is_one_way = q->is_one_way;
  p->ended = ended;
  tl_list_init(&p->in_name);
  tl_list_push_back(&program->pending, &p->in_program);
  tl_list_push_back(&program->node->pending, &p->in_node);
  schedule(program->node, p->deadline);
  *out_pending = p;
  return 0;
}

static void pending_free(struct tl_pending *p) {
  tl_account_release(p->program->account, &one_object);
  tl_list_remove(&p->in_name);
  tl_list_remove(&p->in_program);
  tl_list_remove(&p->in_node);
  free(p);
}

void tl_pending_answer(struct tl_pending *p, int32_t status, const void *result, size_t size) {
  struct tl_program *program = p->program;
  uint64_t id = p->id;
  bool is_one_way = p->is_one_way;
  pending_free(p);
  if (!is_one_way) reply_send(program, id, status, result, size);
}

static void pending_end(struct tl_pending *p, uint64_t now, int code) {
  const char *text = tulle_error_text(code);
  p->ended(p, now);
  tl_pending_answer(p, code, text, strlen(text));
}

void tl_service_forget(struct tl_program *program, uint64_t now) {
  struct tl_list *l;
  while ((l = program->pending.next) != &program->pending) {
    struct tl_pending *p = tl_container_of(l, struct tl_pending, in_program);
    p->ended(p, now);
    pending_free(p);
  }
}

void tl_service_timeout(struct tl_node *node, uint64_t now) {
  node->deadline = TL_NEVER;
  TL_LIST_FOR_EACH(l, &node->pending) {
    struct tl_pending *p = tl_container_of(l, struct tl_pending, in_node);
    if (p->deadline <= now)
      pending_end(p, now, TULLE_E_DEADLINE);
    else
      schedule(node, p->deadline);
  }
}

/* ---- calls ---- */

static int request_arguments(struct tl_request *q, const uint8_t *data, size_t size) {
  static const uint8_t empty_map = 0x80;
  q->args = size ? tulle_unpack_on(data, size) : tulle_unpack_on(&empty_map, 1);
  int r = size ? tl_msgpack_check(data, size) : 0;
  if (r < 0)
    return tl_request_refuse(q, r, "the arguments are no msgpack value that is taken here");
  struct tulle_unpack peek = q->args;
  if (tulle_unpack_any(&peek).type == TULLE_MAP) return 0;
  return tl_request_refuse(q, TULLE_E_INVALID, "the arguments must be a map");
}

static void request_answer(struct tl_request *q, int status) {
  if (status == TL_LATER || q->is_one_way) return;
  if (status == TULLE_E_LIMIT) q->program->node->counters.limits++;
  if (status == 0 && q->result.failed) {
    tl_request_refuse(q, TULLE_E_TOO_BIG, "the result does not fit");
    status = TULLE_E_TOO_BIG;
  }
  if (status == 0)
    reply_send(q->program, q->id, 0, q->result.start, tulle_pack_size(&q->result));
  else
    reply_text(q->program, q->id, status, q->text[0] ? q->text : tulle_error_text(status));
}

static int handle_call(struct tl_program *program, uint64_t now, struct tl_reader *r) {
  struct tl_node *node = program->node;
  struct tl_call_head head;
  char name[TL_PROCEDURE_NAME_BYTES_MAX + 1];
  if (tl_call_decode(r, &head) < 0) return TULLE_E_BAD_MESSAGE;
  memcpy(name, head.name, head.name_size);
  name[head.name_size] = 0;
  node->counters.calls++;
  program->ops->begin(program->control, head.id);
  struct tl_request q = {.program = program,
                         .now = now,
                         .id = head.id,
                         .deadline = tl_time_add(now, head.budget_ns),
                         .is_one_way = head.flags & TL_CALL_ONE_WAY};
  q.result = tulle_pack_on(node->reply + TL_REPLY_HEAD_BYTES,
                           TL_SERVICE_REPLY_BYTES_MAX - TL_REPLY_HEAD_BYTES);
  int status = request_arguments(&q, r->at, tl_reader_left(r));
  if (status == 0) status = tl_procedure_run(&q, name);
  request_answer(&q, status);
  return 0;
}

/* The caller has stopped waiting. A call that is answered already is none any more. */
static int handle_cancel(struct tl_program *program, uint64_t now, struct tl_reader *r) {
  uint64_t id;
  if (tl_cancel_decode(r, &id) < 0 || !tl_reader_done(r)) return TULLE_E_BAD_MESSAGE;
  TL_LIST_FOR_EACH(l, &program->pending) {
    struct tl_pending *p = tl_container_of(l, struct tl_pending, in_program);
    if (p->id != id) continue;
    pending_end(p, now, TULLE_E_CANCELLED);
    break;
  }
  return 0;
}

static int service_piece(struct tl_end *end, uint64_t now, const struct tl_piece *piece) {
  struct tl_program *program = end->program;
  struct tl_node *node = program->node;
  if (program->replies.bytes > TL_REPLIES_BYTES_MAX) return TL_FULL;
  int r = TULLE_E_BAD_MESSAGE;
  if (piece->size <= sizeof node->call) {
    /* The program may change its bytes while they are looked at, so it is done on a copy. */
    memcpy(node->call, piece->data, piece->size);
    struct tl_reader reader = tl_reader_on(node->call, piece->size);
    if (piece->kind == TL_KIND_CALL)
      r = handle_call(program, now, &reader);
    else if (piece->kind == TL_KIND_CANCEL)
      r = handle_cancel(program, now, &reader);
  }
  if (r < 0) tl_program_cut(program, "a message to the node that is none");
  return 0;
}

static void service_writable(struct tl_end *end, uint64_t now) {
  struct tl_program *program = end->program;
  (void)now;
  if (tl_outbox_flush(&program->replies, end) < 0)
    return; /* the ring is broken: its death follows */
  if (program->replies.bytes <= TL_REPLIES_BYTES_MAX / 2) tl_end_resume(end);
}

static void service_introduced(struct tl_end *end, uint64_t now) {
  (void)end, (void)now;
}

static void service_closed(struct tl_end *end, uint64_t now, uint64_t begun) {
  (void)end, (void)now, (void)begun; /* detaching does the rest */
}

const struct tl_far_ops tl_service_far = {service_piece, service_writable, service_introduced,
                                          service_closed};
