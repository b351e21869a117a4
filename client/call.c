#include "client/call.h"

#include <string.h>

#include "client/budget.h"

/* Deadlines of asynchronous calls are exact below this budget. */
#define EXACT_NS TL_S

int tl_call_prepare(const struct tulle_channel *c, const char *procedure, const void *args,
                    size_t args_size, uint64_t timeout_ns, struct tl_call_head *out) {
  if (tl_process_is_other(c->process)) return TULLE_E_FORKED;
  size_t name_size = procedure ? strnlen(procedure, TL_PROCEDURE_NAME_BYTES_MAX + 1) : 0;
  if (!name_size || name_size > TL_PROCEDURE_NAME_BYTES_MAX) return TULLE_E_INVALID;
  if (args_size && !args) return TULLE_E_INVALID;
  if (args_size > TL_MESSAGE_BYTES_MAX - TL_CALL_HEAD_BYTES_MAX) return TULLE_E_TOO_BIG;
  if (tl_unlikely(c->delivery)) {
    if (args_size > TULLE_LOOSE_BYTES_MAX) return TULLE_E_TOO_BIG;
    if (c->delivery == TL_KIND_BEST_EFFORT && timeout_ns == TULLE_FOREVER) return TULLE_E_INVALID;
  }
  out->budget_ns = tl_budget_cut(timeout_ns ? timeout_ns : TULLE_TIMEOUT_DEFAULT);
  out->flags = 0;
  out->name = procedure;
  out->name_size = (uint8_t)name_size;
  return out->budget_ns ? 0 : TULLE_E_DEADLINE;
}

size_t tl_call_encode_head(uint8_t out[TL_CALL_HEAD_BYTES_MAX], const struct tl_call_head *head) {
  struct tl_writer w = tl_writer_on(out, TL_CALL_HEAD_BYTES_MAX);
  tl_call_encode(&w, head);
  return tl_writer_size(&w);
}

/* (lock) Tells the server that nobody waits any more. */
static void send_cancel(struct tulle_channel *c, uint64_t id) {
  uint8_t bytes[TL_CANCEL_BYTES];
  struct tl_writer w = tl_writer_on(bytes, sizeof bytes);
  void *body;
  tl_cancel_encode(&w, id);
  int r = tl_channel_room(c, sizeof bytes, &body);
  if (r == 0) {
    memcpy(body, bytes, sizeof bytes);
    (void)tl_channel_commit(&c->ring, TL_KIND_CANCEL, sizeof bytes);
    tl_channel_show(c);
  } else if (r == TL_FULL) {
    (void)tl_channel_queue_copy(c, TL_KIND_CANCEL, bytes, sizeof bytes, NULL, 0, NULL);
  }
}

void tl_call_give_up(struct tulle_channel *c, struct tulle_pending *p) {
  if (p->out)
    tl_channel_unqueue(c, p->out);
  else if (!c->end.code)
    send_cancel(c, p->id);
}

void tl_call_push_ended(struct tulle_channel *c, struct tulle_pending *p, int status) {
  p->status = status;
  tl_list_push_back(&c->ended, &p->link);
  __atomic_store_n(&c->ended_count, c->ended_count + 1, __ATOMIC_RELAXED);
}

/* ---- asynchronous calls ---- */

/* (lock) Sends or queues; AGAIN when neither is possible now. */
static int send_or_queue(struct tulle_channel *c, struct tulle_pending *p,
                         struct tl_call_head *head, const void *args, size_t args_size) {
  uint8_t bytes[TL_CALL_HEAD_BYTES_MAX];
  int r = tl_call_send(c, head, args, args_size);
  if (tl_likely(r != TL_FULL)) return r;
  size_t length = TL_CALL_HEAD_BYTES + head->name_size + args_size;
  if (length <= tl_channel_body_bytes_max(&c->ring) || c->out_count) {
    c->room_wanted = (uint32_t)(length < tl_channel_body_bytes_max(&c->ring) ? length : 1);
    return TULLE_E_AGAIN;
  }
  head->id = c->next_id++;
  return tl_channel_queue_copy(c, TL_KIND_CALL | c->delivery, bytes,
                               tl_call_encode_head(bytes, head), args, args_size, p);
}

/* (lock) The loop has to know of the channel, and of its first deadline. */
static void tell_loop(struct tulle_channel *c, uint64_t deadline) {
  bool is_news = !c->is_watched && c->driver == NULL;
  if (deadline < c->async_deadline) {
    __atomic_store_n(&c->async_deadline, deadline, __ATOMIC_RELAXED);
    is_news |= tl_alert_is_late_for(&c->t->alert, deadline);
  }
  if (tl_unlikely(is_news && !c->is_attending)) tl_channel_attend(c);
}

/* A deadline that is far away need not be exact: it counts from the end of the present tick of the
 * clock, which is read for a quarter of the price. Here no wait hides that, as it does in drive.c. */
static uint64_t deadline_of(const struct tl_call_head *head) {
  if (head->budget_ns < EXACT_NS || head->budget_ns == TL_NEVER) return tl_call_deadline(head);
  return tl_time_add(tl_time_coarse() + TL_TIME_COARSE_NS, head->budget_ns);
}

int tulle_call_async(struct tulle_channel *c, const char *procedure, const void *args,
                     size_t args_size, uint64_t timeout_ns, tulle_completion *completion,
                     void *userdata, struct tulle_pending **out_pending) {
  struct tl_call_head head;
  int r = completion ? tl_call_prepare(c, procedure, args, args_size, timeout_ns, &head)
                     : TULLE_E_INVALID;
  if (r) return r;
  uint64_t deadline = deadline_of(&head);
  tl_lock_take(&c->lock);
  struct tulle_pending *p = tl_pendings_take(&c->pendings);
  r = c->end.code ? tl_channel_lost_code(c) : p ? 0 : TULLE_E_NO_MEMORY;
  if (p) {
    *p = (struct tulle_pending){
        .channel = c, .deadline = deadline, .completion = completion, .userdata = userdata};
    tl_list_init(&p->link);
  }
  if (!r) r = send_or_queue(c, p, &head, args, args_size);
  if (!r) {
    p->id = head.id;
    tl_pendings_insert(&c->pendings, p);
    c->async_count++;
    if (out_pending) *out_pending = p;
  } else if (p) {
    tl_pendings_give(&c->pendings, p);
  }
  if (!r) tell_loop(c, deadline);
  if (r == TULLE_E_AGAIN) tl_channel_attend(c); /* it has to wait for room */
  tl_channel_give(c);
  return r;
}

void tulle_cancel(struct tulle_pending *p) {
  struct tulle_channel *c = p->channel;
  if (tl_process_is_other(c->process)) return;
  tl_lock_take(&c->lock);
  if (p->is_listed) {
    tl_pendings_remove(&c->pendings, p);
    tl_call_give_up(c, p);
    tl_call_push_ended(c, p, TULLE_E_CANCELLED);
    tl_channel_attend(c);
  }
  tl_channel_give(c);
}
