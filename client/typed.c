/*
 * What generated code needs of calls: include/tulle/typed.h.
 *
 * A request and an answer are made in memory of their own and handed over whole; generated code knows
 * only that packing goes between `begin` and the next function.
 */
#include "tulle/typed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/budget.h"
#include "client/detail.h"
#include "client/result.h"
#include "client/served.h"
#include "client/service.h"

/* ---- what went wrong ---- */

/* What is wrong with a value that was to be sent. */
static void explain_measure(const struct tulle_measure *m, const char *procedure, char *out,
                            size_t out_size) {
  (void)snprintf(out, out_size, "%s: '%s' %s", procedure, m->name, m->why);
}

/* Memory for `size` bytes: `bytes`, or *out_owned. */
static void *find_room(size_t size, void *bytes, size_t bytes_size, void **out_owned) {
  *out_owned = NULL;
  if (tl_likely(size <= bytes_size)) return bytes;
  return *out_owned = malloc(size);
}

/* ---- requests ---- */

struct tulle_pack *tulle_request_begin(struct tulle_request *q, void *channel,
                                       const char *procedure, const struct tulle_measure *m) {
  q->channel = channel;
  q->procedure = procedure;
  q->owned = NULL;
  q->status = channel && !m->why ? 0 : TULLE_E_INVALID;
  if (tl_unlikely(m->why)) explain_measure(m, procedure, tl_detail_room(), TL_DETAIL_BYTES);
  if (tl_unlikely(q->status)) return NULL;
  void *room = find_room(m->size, q->bytes, sizeof q->bytes, &q->owned);
  if (tl_unlikely(!room)) {
    q->status = TULLE_E_NO_MEMORY;
    return NULL;
  }
  q->pack = tulle_pack_on(room, m->size);
  return &q->pack;
}

/* 0: it is ready to be sent. */
static int finish_packing(struct tulle_request *q) {
  if (tl_likely(!q->status && !q->pack.failed)) return 0;
  if (!q->status) {
    (void)snprintf(tl_detail_room(), TL_DETAIL_BYTES,
                   "%s: an argument changed or is no value of its type", q->procedure);
    q->status = TULLE_E_INVALID;
  }
  free(q->owned);
  return q->status;
}

/* The name behind "interface.". */
static const char *name_of(const struct tulle_request *q) {
  return strchr(q->procedure, '.') + 1;
}

/* Without a time-out of its own a call may take as long as the call that is being served. */
static uint64_t timeout_of(uint64_t timeout_ns) {
  if (timeout_ns || tl_likely(!tl_budget_deadline)) return timeout_ns;
  return TULLE_FOREVER;
}

/* What tulle_call() came to, as generated functions return it. */
static int outcome(int status, const struct tulle_result *result) {
  tl_detail_set(result ? result->text : NULL);
  return status == TULLE_E_REMOTE && result ? result->code : status;
}

int tulle_request_call(struct tulle_request *q, uint64_t timeout_ns, struct tulle_memory *memory) {
  int r = finish_packing(q);
  if (tl_unlikely(r)) return r;
  tl_result_init(&q->result);
  r = tulle_call(q->channel, name_of(q), q->pack.start, tulle_pack_size(&q->pack),
                 timeout_of(timeout_ns), &q->result);
  if (tl_unlikely(q->owned)) free(q->owned);
  if (tl_unlikely(r)) {
    r = outcome(r, &q->result);
    tulle_result_clear(&q->result);
    return r;
  }
  if (memory) q->before = *memory;
  tulle_decode_begin(&q->results, q->result.data, q->result.size, memory);
  return 0;
}

int tulle_request_end(struct tulle_request *q) {
  int r = q->results.status;
  tulle_result_clear(&q->result);
  if (tl_likely(!r)) return 0;
  tulle_decode_explain(&q->results, q->procedure, "result", tl_detail_room(), TL_DETAIL_BYTES);
  if (q->results.memory) tulle_memory_back(q->results.memory, &q->before);
  return r;
}

int tulle_request_one_way(struct tulle_request *q) {
  int r = finish_packing(q);
  if (r) return r;
  r = tulle_call_one_way(q->channel, name_of(q), q->pack.start, tulle_pack_size(&q->pack));
  free(q->owned);
  if (r) tl_detail_set(NULL);
  return r;
}

/* ---- asynchronous ones ---- */

struct waiting {
  void (*done)(void);
  void *userdata;
};

int tulle_request_async(struct tulle_request *q, uint64_t timeout_ns, tulle_completion *completion,
                        void (*done)(void), void *userdata, struct tulle_pending **out) {
  int r = finish_packing(q);
  if (r) return r;
  struct waiting *waiting = done ? malloc(sizeof *waiting) : NULL;
  r = !done ? TULLE_E_INVALID : waiting ? 0 : TULLE_E_NO_MEMORY;
  if (!r) {
    *waiting = (struct waiting){done, userdata};
    r = tulle_call_async(q->channel, name_of(q), q->pack.start, tulle_pack_size(&q->pack),
                         timeout_of(timeout_ns), completion, waiting, out);
  }
  free(q->owned);
  if (r) {
    tl_detail_set(NULL);
    free(waiting);
  }
  return r;
}

void tulle_completed_begin(struct tulle_completed *c, void *userdata, int status,
                           const struct tulle_result *result) {
  struct waiting *waiting = userdata;
  c->done = waiting->done;
  c->userdata = waiting->userdata;
  free(waiting);
  c->memory = (struct tulle_memory)TULLE_MEMORY_ON(c->bytes);
  c->status = status ? outcome(status, result) : 0;
  tulle_decode_begin(&c->results, result ? result->data : NULL, result ? result->size : 0,
                     &c->memory);
  c->results.in_place = true; /* the result lives as long as the completion runs */
}

void tulle_completed_check(struct tulle_completed *c, const char *procedure) {
  if (c->status || !c->results.status) return;
  c->status = c->results.status;
  tulle_decode_explain(&c->results, procedure, "result", tl_detail_room(), TL_DETAIL_BYTES);
}

void tulle_completed_end(struct tulle_completed *c) {
  tulle_memory_clear(&c->memory);
}

/* ---- serving ---- */

struct tulle_memory *tulle_call_memory(struct tulle_call_context *call) {
  return &call->memory;
}

void *tulle_call_object(const struct tulle_call_context *call) {
  return call->channel->service->object;
}

void tulle_decode_call(struct tulle_decoder *d, struct tulle_call_context *call) {
  tulle_decode_begin(d, call->args, call->args_size, &call->memory);
  d->in_place = true;
}

int tulle_refuse_call(struct tulle_call_context *call, const struct tulle_decoder *d,
                      const char *procedure) {
  char text[TL_DETAIL_BYTES];
  tulle_decode_explain(d, procedure, "argument", text, sizeof text);
  (void)tulle_reply_error(call, d->status, text);
  return d->status;
}

struct tulle_pack *tulle_answer_begin(struct tulle_answer *a, struct tulle_call_context *call,
                                      const char *procedure, const struct tulle_measure *m) {
  char text[TL_DETAIL_BYTES] = "";
  a->call = call;
  void *room = find_room(m->size, a->bytes, sizeof a->bytes, &a->owned);
  a->status = m->why ? TULLE_E_INVALID : room ? 0 : TULLE_E_NO_MEMORY;
  if (tl_unlikely(a->status)) {
    if (m->why) explain_measure(m, procedure, text, sizeof text);
    tl_detail_set(text);
    free(a->owned);
    (void)tulle_reply_error(call, a->status, text);
    return NULL;
  }
  a->pack = tulle_pack_on(room, m->size);
  return &a->pack;
}

int tulle_answer_end(struct tulle_answer *a) {
  if (tl_unlikely(a->status)) return a->status;
  int r = a->pack.failed ? TULLE_E_INVALID
                         : tulle_reply(a->call, a->pack.start, tulle_pack_size(&a->pack));
  if (a->pack.failed || r == TULLE_E_TOO_BIG) (void)tulle_reply_error(a->call, r, NULL);
  free(a->owned);
  return r;
}

int tulle_offer_procedures(struct tulle *t, const char *name,
                           const struct tulle_procedure *procedures, size_t count, void *object,
                           const struct tulle_offer *offer, struct tulle_service **out) {
  struct tulle_offer whole = offer ? *offer : (struct tulle_offer){0};
  struct tulle_procedure *some = calloc(count + 1, sizeof *some);
  if (!some) return TULLE_E_NO_MEMORY;
  if (!whole.name) whole.name = name;
  whole.procedures = some;
  whole.procedure_count = 0;
  for (size_t i = 0; i < count; i++)
    if (procedures[i].handler) some[whole.procedure_count++] = procedures[i];
  int r = tl_offer(t, &whole, object, out);
  free(some);
  return r;
}
