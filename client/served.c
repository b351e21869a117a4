#include "client/served.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/budget.h"
#include "client/service.h"
#include "client/stay.h"
#include "core/wire/msgpack.h"

/* Calls that may be taken ahead of their turn when a handler asks whether it still has to run. */
#define INTAKE_MAX 64

/* Messages looked at for one call: cancels and refused calls on the way to it. */
#define LOOKS_MAX 64

/* Budgets from here on are counted from the last tick of the clock. */
#define EXACT_NS TL_S

/* Memory that calls taken ahead may hold. */
#define INTAKE_BYTES_MAX (64u << 10)

/* A handler that asks whether it is abandoned hears of the node's death within this time. */
#define POLL_NS (50 * TL_MS)

#define SPARES_MAX 64

/* ---- the memory of a call ---- */

static struct tulle_call_context *context_new(struct tl_loop *l) {
  struct tl_list *spare = tl_list_pop_front(&l->spares);
  if (tl_unlikely(!spare)) return malloc(sizeof(struct tulle_call_context));
  l->spare_count--;
  return tl_container_of(spare, struct tulle_call_context, link);
}

/* `l`: of which the calling thread is the leader, or NULL. */
static void context_free(struct tl_loop *l, struct tulle_call_context *call) {
  if (call->bytes != call->inline_bytes) free(call->bytes);
  if (tl_unlikely(call->memory.blocks)) tulle_memory_clear(&call->memory);
  if (tl_likely(l && l->spare_count < SPARES_MAX)) {
    l->spare_count++;
    tl_list_push_front(&l->spares, &call->link);
  } else {
    free(call);
  }
}

void tl_served_free_spares(struct tl_loop *l) {
  for (struct tl_list *s; (s = tl_list_pop_front(&l->spares));)
    free(tl_container_of(s, struct tulle_call_context, link));
  l->spare_count = 0;
}

/* ---- answering ---- */

/* (lock) AGAIN: it was best effort, and is dropped. */
static int send_reply(const struct tulle_call_context *call, int32_t status, const void *data,
                      size_t size) {
  struct tulle_channel *c = call->channel;
  void *body;
  uint32_t length = (uint32_t)(TL_REPLY_HEAD_BYTES + size);
  struct tl_reply_head head = {call->id, status};
  uint16_t kind = TL_KIND_REPLY | call->delivery;
  int r = tl_channel_room(c, length, &body);
  if (tl_likely(!r)) {
    struct tl_writer w = tl_writer_on(body, length);
    tl_reply_encode(&w, &head);
    if (size) memcpy(w.at, data, size);
    (void)tl_channel_commit(&c->ring, kind, length);
    tl_channel_show(c);
    return 0;
  }
  if (r < 0) return 0; /* the channel is over, and with it the caller */
  if (call->delivery == TL_KIND_BEST_EFFORT) return TULLE_E_AGAIN;
  uint8_t bytes[TL_REPLY_HEAD_BYTES];
  struct tl_writer w = tl_writer_on(bytes, sizeof bytes);
  tl_reply_encode(&w, &head);
  return tl_channel_queue_copy(c, kind, bytes, sizeof bytes, data, size, NULL);
}

/* (lock) One more call of the channel is over. */
static void count_answered(struct tulle_channel *c) {
  __atomic_store_n(&c->answered, c->answered + 1, __ATOMIC_RELAXED);
}

/* (lock) The call is over: takes it out of what holds it. */
static void finish(struct tulle_channel *c, struct tulle_call_context *call) {
  if (call->is_listed) tl_list_remove(&call->link);
  call->is_listed = false;
  count_answered(c);
}

static int answer(struct tulle_call_context *call, int32_t status, const void *data, size_t size) {
  struct tulle_channel *c = call->channel;
  size_t most = call->delivery ? TULLE_LOOSE_BYTES_MAX : TL_MESSAGE_BYTES_MAX - TL_REPLY_HEAD_BYTES;
  if (size > most) return TULLE_E_TOO_BIG;
  tl_lock_take(&c->lock);
  int r = call->is_replied ? TULLE_E_INVALID : 0;
  int verdict = __atomic_load_n(&call->verdict, __ATOMIC_RELAXED);
  if (tl_unlikely(verdict)) status = verdict, size = 0;
  if (!r && !call->is_one_way && !c->end.code) r = send_reply(call, status, data, size);
  bool is_dealt_with = !r || r == TULLE_E_AGAIN;
  bool is_over = is_dealt_with && call->is_later;
  if (is_dealt_with) {
    call->is_replied = true;
    if (is_over || !call->is_listed) finish(c, call);
    if (tl_unlikely(tl_channel_calls_open(c) == TL_CALLS_OPEN_MAX / 2)) tl_channel_attend(c);
  }
  tl_channel_give(c);
  if (is_over) context_free(NULL, call);
  return r;
}

/* A program cannot be told that its answer found no memory, so at least its caller is. */
static void answer_surely(struct tulle_call_context *call, int32_t status, const char *text) {
  struct tulle_channel *c = call->channel;
  int r = answer(call, status, text, text ? strlen(text) : 0);
  if (r != TULLE_E_NO_MEMORY) return;
  tl_lock_take(&c->lock);
  tl_channel_fail(c, TULLE_E_NO_MEMORY);
  tl_lock_give(&c->lock);
  (void)answer(call, status, NULL, 0);
}

/* ---- taking ---- */

/* Private memory for a message of `size` bytes. */
static struct tulle_call_context *context_for(struct tulle_channel *c, size_t size) {
  struct tulle_call_context *call = context_new(&c->t->loop);
  if (!call) return NULL;
  call->channel = c;
  call->size = size;
  call->memory = (struct tulle_memory)TULLE_MEMORY_ON(call->memory_bytes);
  call->bytes = tl_likely(size <= sizeof call->inline_bytes) ? call->inline_bytes : malloc(size);
  call->refusal = call->verdict = 0;
  call->is_cancelled = call->is_replied = call->is_later = call->is_listed = false;
  if (call->bytes) return call;
  call->bytes = call->inline_bytes;
  context_free(&c->t->loop, call);
  return NULL;
}

static const struct tl_procedure *find_procedure(struct tulle_channel *c, const char *name,
                                                 size_t name_size) {
  const struct tl_procedure *p = c->last_procedure;
  if (tl_likely(p && p->name_size == name_size && memcmp(p->name, name, name_size) == 0)) return p;
  p = tl_service_find(c->service, name, name_size);
  if (p) c->last_procedure = p;
  return p;
}

/* A long budget need not be exact: it counts from the last tick of the clock, which is early, and
 * the caller is given up so much later. */
static void set_deadline(struct tulle_call_context *call, uint64_t budget_ns) {
  bool is_exact = budget_ns < EXACT_NS;
  call->deadline = tl_time_add(is_exact ? tl_time_now() : call->taken_at, budget_ns);
  call->late_at = is_exact ? call->deadline : tl_time_add(call->deadline, TL_TIME_COARSE_NS);
}

/* Reads the private copy. PROTOCOL: not a call that may follow the one before. */
static int context_read(struct tulle_call_context *call) {
  struct tulle_channel *c = call->channel;
  struct tl_reader r = tl_reader_on(call->bytes, call->size);
  struct tl_call_head head;
  if (tl_call_decode(&r, &head) < 0) return TULLE_E_PROTOCOL;
  if (tl_likely(!call->delivery)) {
    if (head.id <= c->last_id) return TULLE_E_PROTOCOL;
    c->last_id = head.id;
  }
  call->id = head.id;
  call->is_one_way = head.flags & TL_CALL_ONE_WAY;
  call->taken_at = tl_time_coarse();
  set_deadline(call, head.budget_ns);
  call->args = r.at;
  call->args_size = tl_reader_left(&r);
  call->procedure = find_procedure(c, head.name, head.name_size);
  if (tl_unlikely(!call->procedure))
    call->refusal = TULLE_E_NO_PROCEDURE;
  else if (call->args_size)
    call->refusal = tl_msgpack_check(call->args, call->args_size);
  return 0;
}

/* Takes a CALL off the ring. Below 0: the channel has failed. */
static int read_call(struct tulle_channel *c, const struct tl_message *m,
                     struct tulle_call_context **out) {
  struct tulle_call_context *call = context_for(c, m->length);
  int r = TULLE_E_NO_MEMORY;
  if (call) {
    memcpy(call->bytes, m->body, m->length);
    call->delivery = m->kind & TL_KIND_LOOSE;
    r = context_read(call);
  }
  if (tl_unlikely(r)) {
    if (call) context_free(&c->t->loop, call);
    tl_lock_take(&c->lock);
    tl_channel_fail(c, r);
    tl_lock_give(&c->lock);
    return r;
  }
  tl_channel_release(&c->ring);
  __atomic_store_n(&c->taken, c->taken + 1, __ATOMIC_RELAXED);
  *out = call;
  return 0;
}

static bool cancel_among(struct tl_list *calls, uint64_t id) {
  TL_LIST_FOR_EACH(l, calls) {
    struct tulle_call_context *call = tl_container_of(l, struct tulle_call_context, link);
    if (call->id != id) continue;
    __atomic_store_n(&call->is_cancelled, true, __ATOMIC_RELAXED);
    return true;
  }
  return false;
}

static void cancel(struct tulle_channel *c, uint64_t id) {
  if (c->running && c->running->id == id) {
    __atomic_store_n(&c->running->is_cancelled, true, __ATOMIC_RELAXED);
    return;
  }
  tl_lock_take(&c->lock);
  bool is_found = cancel_among(&c->open, id);
  tl_lock_give(&c->lock);
  if (!is_found) (void)cancel_among(&c->intake, id);
}

/* One message off the ring: 0 and a call, 0 and NULL, or why there is none. */
static int read_message(struct tulle_channel *c, struct tulle_call_context **out) {
  struct tl_message m;
  uint64_t id;
  *out = NULL;
  int r = tl_channel_next(c, &m);
  if (r) return r < 0 ? TL_END : r;
  if (tl_likely((m.kind & ~TL_KIND_LOOSE) == TL_KIND_CALL))
    return read_call(c, &m, out) < 0 ? TL_END : 0;
  struct tl_reader reader = tl_reader_on(m.body, m.length);
  if (m.kind == TL_KIND_CANCEL && tl_cancel_decode(&reader, &id) == 0) {
    tl_channel_release(&c->ring);
    cancel(c, id);
    return 0;
  }
  tl_lock_take(&c->lock);
  tl_channel_fail(c, TULLE_E_PROTOCOL);
  tl_lock_give(&c->lock);
  return TL_END;
}

/* Takes calls off the ring before their turn, because a cancel may stand behind them. */
static void take_ahead(struct tulle_channel *c) {
  int r = 0;
  while (r == 0 && c->intake_count < INTAKE_MAX && c->intake_bytes < INTAKE_BYTES_MAX) {
    struct tulle_call_context *call;
    r = read_message(c, &call);
    if (r || !call) continue;
    tl_list_push_back(&c->intake, &call->link);
    c->intake_count++;
    c->intake_bytes += call->size;
  }
}

static struct tulle_call_context *intake_pop(struct tulle_channel *c) {
  struct tl_list *l = tl_list_pop_front(&c->intake);
  if (!l) return NULL;
  struct tulle_call_context *call = tl_container_of(l, struct tulle_call_context, link);
  c->intake_count--;
  c->intake_bytes -= call->size;
  return call;
}

static void intake_push_front(struct tulle_channel *c, struct tulle_call_context *call) {
  tl_list_push_front(&c->intake, &call->link);
  c->intake_count++;
  c->intake_bytes += call->size;
}

/* True when a handler may have run for long since the last call was taken, so that this one may
 * have been cancelled meanwhile. */
static bool is_after_a_while(struct tl_loop *l, const struct tulle_call_context *call) {
  uint64_t before = l->taken_at;
  l->taken_at = call->taken_at;
  return call->taken_at - before > TL_TIME_COARSE_NS;
}

/* The next call in order. */
static int next_context(struct tulle_channel *c, struct tulle_call_context **out) {
  if (tl_likely(!c->intake_count)) {
    int r = read_message(c, out);
    if (r || !*out || tl_likely(!is_after_a_while(&c->t->loop, *out))) return r;
    intake_push_front(c, *out);
  }
  take_ahead(c);
  *out = intake_pop(c);
  return 0;
}

/* A call that is over without having run. */
static void drop_context(struct tulle_channel *c, struct tulle_call_context *call) {
  tl_lock_take(&c->lock);
  count_answered(c);
  tl_lock_give(&c->lock); /* the loop holds the channel */
  context_free(&c->t->loop, call);
}

static void refuse(struct tulle_call_context *call, int code) {
  struct tulle_channel *c = call->channel;
  struct tl_reader r = tl_reader_on(call->bytes, call->size);
  struct tl_call_head head = {.name = ""};
  char text[256] = "";
  if (code == TULLE_E_NO_PROCEDURE && tl_call_decode(&r, &head) == 0) {
    const struct tl_procedure *near = tl_service_nearest(c->service, head.name, head.name_size);
    snprintf(text, sizeof text, "%s has no procedure '%.*s'%s%s%s", c->service->info.name,
             (int)head.name_size, head.name, near ? "; did you mean '" : "", near ? near->name : "",
             near ? "'?" : "");
  }
  answer_surely(call, code, *text ? text : NULL);
  context_free(&c->t->loop, call);
}

/* The same, after an attempt to send what is queued. */
static bool is_blocked(struct tulle_channel *c) {
  if (tl_likely(!tl_channel_is_blocked(c))) return false;
  tl_lock_take(&c->lock);
  tl_channel_pump(c);
  tl_lock_give(&c->lock);
  return tl_channel_is_blocked(c);
}

/* True when the call shall not run; it is dealt with then. */
static bool is_refused(struct tulle_call_context *call, int end) {
  if (tl_unlikely(end && !call->is_one_way)) {
    drop_context(call->channel, call); /* its caller has gone, and knows that it did not run */
    return true;
  }
  int code = call->refusal;
  if (__atomic_load_n(&call->is_cancelled, __ATOMIC_RELAXED)) code = TULLE_E_CANCELLED;
  if (tl_likely(!code)) return false;
  refuse(call, code);
  return true;
}

int tl_served_take(struct tulle_channel *c, struct tulle_call_context **out) {
  int end = tl_channel_end_code(c); /* before the ring: what was sent before the end is taken */
  if (tl_unlikely(end && (c->end.is_own || c->ring.rx.is_broken))) return TL_END;
  if (!end && is_blocked(c)) return TL_FULL;
  for (int looks = 0; looks < LOOKS_MAX; looks++) {
    struct tulle_call_context *call;
    int r = next_context(c, &call);
    if (tl_unlikely(r)) return end && r == TL_EMPTY ? TL_END : r;
    if (!call || is_refused(call, end)) continue;
    if (call->id >= c->begun_id) tl_channel_begin(&c->ring, c->begun_id = call->id);
    *out = call;
    return 0;
  }
  return TL_MORE;
}

void tl_served_forget_intake(struct tulle_channel *c) {
  for (struct tulle_call_context *call; (call = intake_pop(c));) drop_context(c, call);
}

/* ---- running ---- */

void tl_served_share(struct tulle_call_context *call) {
  struct tulle_channel *c = call->channel;
  tl_service_runs(c->service);
  tl_lock_take(&c->lock);
  call->is_listed = true;
  tl_list_push_back(&c->open, &call->link);
  tl_lock_give(&c->lock);
}

/* The handler has returned. True: the call is over, and its memory free. */
static bool settle(struct tulle_call_context *call, bool is_later, bool is_shared) {
  struct tulle_channel *c = call->channel;
  if (tl_likely(!is_later && !is_shared)) return true; /* the answer has counted it */
  tl_lock_take(&c->lock);
  bool is_over = !is_later || call->is_replied;
  if (is_over && is_shared) finish(c, call);
  if (!is_over) {
    call->is_later = true;
    if (!call->is_listed) tl_list_push_back(&c->open, &call->link);
    call->is_listed = true;
  }
  tl_channel_give(c);
  return is_over;
}

void tl_served_run(struct tulle_call_context *call, bool is_shared) {
  struct tulle_channel *c = call->channel;
  struct tulle_service *service = c->service;
  struct tl_loop *loop = is_shared ? NULL : &c->t->loop;
  if (!is_shared) c->running = call;
  tl_budget_deadline = call->deadline;
  int r = call->procedure->handler(call, call->procedure->userdata);
  tl_budget_deadline = 0;
  if (!is_shared) c->running = NULL;
  if (r != TULLE_LATER && !call->is_replied) answer_surely(call, r, NULL);
  if (settle(call, r == TULLE_LATER, is_shared)) context_free(loop, call);
  if (is_shared) tl_service_ran(service);
}

/* ---- what handlers call ---- */

struct tulle_unpack tulle_call_arguments(const struct tulle_call_context *call) {
  return tulle_unpack_on(call->args, call->args_size);
}

const struct tulle_identity *tulle_call_caller(const struct tulle_call_context *call) {
  return &call->channel->peer;
}

uint64_t tulle_call_deadline(const struct tulle_call_context *call) {
  return call->deadline;
}

/* Nobody reads the ring while all threads are in handlers, so this one does. */
static void look_ahead(struct tulle_channel *c) {
  struct tulle *t = c->t;
  bool is_leader = tl_lead_is_mine(&t->lead);
  if (!is_leader && !tl_lead_try(&t->lead)) return; /* the leader will see it */
  if (c->is_member) take_ahead(c);
  if (is_leader) return;
  tl_lead_give(&t->lead);
  tl_lock_take(&c->lock);
  if (c->is_member) tl_channel_attend(c); /* nobody else knows of what was taken */
  tl_lock_give(&c->lock);
}

/* Why nobody waits for the answer, or 0. */
static int verdict_on(const struct tulle_call_context *call, uint64_t now) {
  if (__atomic_load_n(&call->is_cancelled, __ATOMIC_RELAXED)) return TULLE_E_CANCELLED;
  if (tl_channel_end_code(call->channel)) return TULLE_E_CANCELLED;
  return now >= call->late_at ? TULLE_E_DEADLINE : 0;
}

bool tulle_call_is_abandoned(const struct tulle_call_context *call) {
  struct tulle_channel *c = call->channel;
  uint64_t now = tl_time_now();
  int verdict = verdict_on(call, now);
  if (!verdict) {
    tl_stay_poll_after(c->t, now, tl_channel_is_rung(c) ? 0 : POLL_NS);
    look_ahead(c);
    verdict = verdict_on(call, now);
  }
  if (verdict)
    __atomic_store_n(&((struct tulle_call_context *)call)->verdict, verdict, __ATOMIC_RELAXED);
  return verdict;
}

int tulle_reply(struct tulle_call_context *call, const void *result, size_t size) {
  return answer(call, 0, result, size);
}

int tulle_reply_error(struct tulle_call_context *call, int32_t code, const char *text) {
  if (code == 0 || code == TULLE_LATER) return TULLE_E_INVALID;
  return answer(call, code, text, text ? strlen(text) : 0);
}
