/*
 * The user's side of a lane: send, receive, finish, close.
 *
 * How much a lane buffers. It takes what it has credit for and 64 KiB more, so that a sender need
 * not run in step with credit; 1 MiB in all, whatever the peer grants; and where the flow as a
 * whole holds much, at most half of what is left of the flow's bound. So the first to need much
 * gets much, later ones less, and nobody can take everything. A lane that holds nothing can nearly
 * always send one record, and a small one always, so lanes that are stalled stop no other.
 */
#include "transport/link/lane.h"

#include <stdlib.h>
#include <string.h>

#define NO_END UINT64_MAX

void tl_lane_init(struct tl_lane *lane, struct tl_flow *f, uint64_t number, uint64_t now) {
  memset(lane, 0, sizeof *lane);
  lane->flow = f;
  lane->number = number;
  tl_list_init(&lane->all);
  tl_list_init(&lane->ready);
  tl_list_init(&lane->eventful);
  tl_list_init(&lane->waiting);
  tl_list_init(&lane->warm);
  lane->is_hungry = true;
  lane->credit_out.max = TL_CREDIT_LANE_BYTES;
  tl_sendbuf_init(&lane->ordered);
  tl_credit_in_init(&lane->credit_in, TL_CREDIT_LANE_BYTES, TL_CREDIT_LANE_BYTES_MAX, now);
  tl_reassembly_init(&lane->reassembly);
  tl_inbox_init(&lane->inbox);
  lane->messages_final = NO_END;
}

void tl_lane_deinit(struct tl_lane *lane) {
  tl_lane_drop_unsent(lane);
  tl_lane_drop_arrived(lane);
  lane->reliable_in = tl_reliable_in_free(lane->reliable_in, &lane->flow->account);
  tl_list_remove(&lane->all);
  tl_list_remove(&lane->ready);
  tl_list_remove(&lane->eventful);
  tl_list_remove(&lane->waiting);
  tl_list_remove(&lane->warm);
}

uint64_t tl_lane_number(const struct tl_lane *lane) {
  return lane->number;
}

struct tl_flow *tl_lane_flow(const struct tl_lane *lane) {
  return lane->flow;
}

void tl_lane_set_owner(struct tl_lane *lane, void *owner) {
  lane->owner = owner;
}

void *tl_lane_owner(const struct tl_lane *lane) {
  return lane->owner;
}

/* ---- Room ---- */

static uint64_t outbox_size(const struct tl_outbox *o) {
  return o ? tl_sendbuf_size(&o->bytes) : 0;
}

static uint64_t outbox_unsent(const struct tl_outbox *o) {
  return o ? tl_sendbuf_unsent(&o->bytes) : 0;
}

uint64_t tl_lane_held(const struct tl_lane *lane) {
  return tl_sendbuf_size(&lane->ordered) + outbox_size(lane->reliable) +
         outbox_size(lane->best_effort);
}

static bool outbox_is_full(const struct tl_outbox *o) {
  return o && o->last - o->first >= TL_OUTBOX_MESSAGES_MAX;
}

/* What the lane itself allows. */
static bool lane_has_room(const struct tl_lane *lane, enum tl_class class, size_t size) {
  if (tl_lane_held(lane) + size > TL_LANE_HELD_BYTES_MAX) return false;
  if (class == TL_CLASS_BEST_EFFORT)
    return !outbox_is_full(lane->best_effort) &&
           outbox_unsent(lane->best_effort) + size <= TL_LANE_UNSENT_BYTES_MAX;
  if (class == TL_CLASS_RELIABLE && outbox_is_full(lane->reliable)) return false;
  uint64_t unsent = tl_sendbuf_unsent(&lane->ordered) + outbox_unsent(lane->reliable);
  return unsent + size <= tl_credit_left(&lane->credit_out) + TL_LANE_UNSENT_BYTES_MAX;
}

/* What the other lanes leave. */
static bool flow_has_room(const struct tl_lane *lane, size_t size) {
  uint64_t held = tl_lane_held(lane) + size;
  uint64_t all = lane->flow->send_bytes;
  if (held <= TL_LANE_SEND_SURE_BYTES) return true;
  if (held == size && all < 2 * TL_FLOW_SEND_BYTES_MAX) return true;
  return all < TL_FLOW_SEND_BYTES_MAX && held <= (TL_FLOW_SEND_BYTES_MAX - all) / 2;
}

static int judge_room(struct tl_lane *lane, enum tl_class class, size_t size) {
  bool is_crowded = !flow_has_room(lane, size);
  if (!is_crowded && lane_has_room(lane, class, size)) return 0;
  lane->refused = (uint32_t)size;
  lane->refused_class = (uint8_t)(class);
  if (is_crowded && tl_list_is_empty(&lane->waiting))
    tl_list_push_back(&lane->flow->waiting, &lane->waiting);
  return TL_FULL;
}

void tl_lane_check_writable(struct tl_lane *lane) {
  if (!lane->refused || lane->out != TL_OUT_OPEN) return;
  if (!lane_has_room(lane, (enum tl_class)lane->refused_class, lane->refused)) return;
  if (!flow_has_room(lane, lane->refused)) {
    if (tl_list_is_empty(&lane->waiting)) tl_list_push_back(&lane->flow->waiting, &lane->waiting);
    return;
  }
  lane->refused = 0;
  tl_list_remove(&lane->waiting);
  tl_lane_raise(lane, TL_FLOW_WRITABLE);
}

/* In the order of refusal. A lane that its own bound stops leaves the queue: it is asked again when
 * something of its own leaves. */
void tl_flow_check_waiting(struct tl_flow *f) {
  while (!tl_list_is_empty(&f->waiting)) {
    struct tl_lane *lane = tl_container_of(f->waiting.next, struct tl_lane, waiting);
    if (lane->refused && !flow_has_room(lane, lane->refused)) return;
    tl_list_remove(&lane->waiting);
    tl_lane_check_writable(lane);
  }
}

size_t tl_lane_room(const struct tl_lane *lane) {
  if (lane->out != TL_OUT_OPEN) return 0;
  size_t size = TL_LANE_RECORD_BYTES_MAX;
  while (size && !(lane_has_room(lane, TL_CLASS_ORDERED, size + TL_RECORD_HEAD_BYTES_MAX) &&
                   flow_has_room(lane, size + TL_RECORD_HEAD_BYTES_MAX)))
    size /= 2;
  return size;
}

/* ---- Send ---- */

static void gather(uint8_t *at, const struct iovec *pieces, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (pieces[i].iov_len) memcpy(at, pieces[i].iov_base, pieces[i].iov_len);
    at += pieces[i].iov_len;
  }
}

static int send_ordered(struct tl_lane *lane, uint8_t kind, uint8_t flags, size_t body_size,
                        const struct iovec *pieces, size_t count) {
  size_t size = tl_record_head_size(body_size) + body_size;
  int r = judge_room(lane, TL_CLASS_ORDERED, size);
  if (r) return r;
  uint8_t *at = tl_sendbuf_append(&lane->ordered, &lane->flow->account, size);
  if (!at) return TULLE_E_NO_MEMORY;
  gather(tl_record_write_head(at, body_size, kind, flags), pieces, count);
  lane->accepted++;
  lane->flow->send_bytes += size;
  return 0;
}

static int send_message(struct tl_lane *lane, enum tl_class class, uint8_t kind, uint8_t flags,
                        size_t body_size, const struct iovec *pieces, size_t count) {
  struct tl_account *account = &lane->flow->account;
  struct tl_outbox **box = class == TL_CLASS_RELIABLE ? &lane->reliable : &lane->best_effort;
  size_t size = TL_FRAME_RECORD_HEAD_BYTES + body_size;
  int r = judge_room(lane, class, size);
  if (r) return r;
  if (!*box && !(*box = tl_outbox_new(account))) return TULLE_E_NO_MEMORY;
  uint8_t *at = tl_outbox_append(*box, account, size);
  if (!at) return TULLE_E_NO_MEMORY;
  at[0] = kind;
  at[1] = flags;
  gather(at + TL_FRAME_RECORD_HEAD_BYTES, pieces, count);
  lane->flow->send_bytes += size;
  return 0;
}

int tl_lane_send(struct tl_lane *lane, enum tl_class class, uint8_t kind, uint8_t flags,
                 const struct iovec *pieces, size_t count) {
  size_t size = 0;
  for (size_t i = 0; i < count; i++) {
    if (pieces[i].iov_len > TL_LANE_RECORD_BYTES_MAX - size) return TULLE_E_TOO_BIG;
    size += pieces[i].iov_len;
  }
  if (lane->out != TL_OUT_OPEN) return TULLE_E_CLOSED;
  if (class != TL_CLASS_ORDERED && (flags & TL_LANE_MORE)) return TULLE_E_INVALID;
  int r = class == TL_CLASS_ORDERED ? send_ordered(lane, kind, flags, size, pieces, count)
                                    : send_message(lane, class, kind, flags, size, pieces, count);
  if (r) return r;
  tl_lane_warm(lane);
  tl_lane_wake(lane);
  return 0;
}

/* ---- Receive ---- */

static int receive_message(struct tl_lane *lane, struct tl_lane_record *out) {
  struct tl_inbox_message message;
  if (tl_inbox_next(&lane->inbox, &message)) return TL_EMPTY;
  *out = (struct tl_lane_record){.class =
                                     message.is_reliable ? TL_CLASS_RELIABLE : TL_CLASS_BEST_EFFORT,
                                 .kind = message.kind,
                                 .flags = message.flags,
                                 .bytes = message.bytes,
                                 .size = message.size};
  lane->borrowed = TL_BORROWED_MESSAGE;
  return 0;
}

static int receive_ordered(struct tl_lane *lane, struct tl_lane_record *out) {
  struct tl_reassembly_record record;
  bool in_pieces = lane->flow->is_pressed || lane->is_closed;
  if (tl_reassembly_next(&lane->reassembly, in_pieces, &record)) return TL_EMPTY;
  *out = (struct tl_lane_record){.class = TL_CLASS_ORDERED,
                                 .kind = record.kind,
                                 .flags = record.flags | (record.has_more ? TL_LANE_MORE : 0),
                                 .bytes = record.bytes,
                                 .size = record.size};
  lane->borrowed = TL_BORROWED_ORDERED;
  lane->borrowed_bytes = (uint32_t)record.size;
  return 0;
}

/* What is borrowed comes again. Otherwise the classes take turns, so that neither starves. */
static int receive_any(struct tl_lane *lane, struct tl_lane_record *out) {
  bool message_first = lane->borrowed == TL_BORROWED_NONE ? lane->is_message_next
                                                          : lane->borrowed == TL_BORROWED_MESSAGE;
  if (message_first && receive_message(lane, out) == 0) return 0;
  if (receive_ordered(lane, out) == 0) return 0;
  return message_first ? TL_EMPTY : receive_message(lane, out);
}

static bool is_at_end(const struct tl_lane *lane) {
  return lane->in == TL_IN_FINISHED && tl_reassembly_is_read(&lane->reassembly);
}

int tl_lane_receive(struct tl_lane *lane, struct tl_lane_record *out_record) {
  if (lane->in == TL_IN_RESET) return TULLE_E_CLOSED;
  if (receive_any(lane, out_record) == 0) return 0;
  lane->is_hungry = true;
  return is_at_end(lane) ? TL_END : TL_EMPTY;
}

static void release_message(struct tl_lane *lane) {
  struct tl_inbox_message message;
  if (tl_inbox_next(&lane->inbox, &message)) return;
  size_t size = message.size + TL_FRAME_RECORD_HEAD_BYTES;
  if (message.is_reliable) tl_lane_give_back(lane, size + TL_CREDIT_MSG_BYTES);
  uint32_t before = lane->inbox.best_effort_bytes;
  tl_inbox_pop(&lane->inbox, &lane->flow->account);
  lane->flow->best_effort_bytes -= before - lane->inbox.best_effort_bytes;
}

void tl_lane_release(struct tl_lane *lane) {
  if (lane->in == TL_IN_RESET) return;
  TL_ASSERT(lane->borrowed != TL_BORROWED_NONE);
  lane->is_message_next = lane->borrowed == TL_BORROWED_ORDERED;
  if (lane->borrowed == TL_BORROWED_MESSAGE)
    release_message(lane);
  else
    tl_lane_give_back(
        lane, tl_reassembly_release(&lane->reassembly, &lane->flow->account, lane->borrowed_bytes));
  lane->borrowed = TL_BORROWED_NONE;
}

/* ---- End ---- */

int tl_lane_finish(struct tl_lane *lane) {
  if (lane->out != TL_OUT_OPEN) return TULLE_E_CLOSED;
  lane->out = TL_OUT_FINISHING;
  lane->fin = TL_FIN_PENDING;
  tl_lane_wake(lane);
  return 0;
}

/* The credit used so far stands in the RESET; from here on nothing new is sent, so it stays
 * true. */
void tl_lane_begin_reset(struct tl_lane *lane, uint32_t reason) {
  tl_lane_progress(lane, &lane->last_progress);
  lane->out = TL_OUT_RESETTING;
  lane->fin = TL_FIN_NONE;
  lane->reason = reason;
  lane->is_reset_due = true;
  lane->is_credit_due = false;
  tl_lane_drop_unsent(lane);
  tl_lane_wake(lane);
}

/* A lane without a user reads and throws away, so that what the peer still sends is counted and its
 * FIN is found. */
void tl_lane_drain(struct tl_lane *lane) {
  struct tl_lane_record record;
  while (lane->in != TL_IN_RESET && receive_any(lane, &record) == 0) tl_lane_release(lane);
}

static bool shall_reset(const struct tl_lane *lane, uint32_t reason) {
  if (lane->out == TL_OUT_OPEN) return true;
  bool is_over = lane->out == TL_OUT_FINISHED && lane->in != TL_IN_OPEN;
  return reason && !is_over && (lane->out == TL_OUT_FINISHING || lane->out == TL_OUT_FINISHED);
}

void tl_lane_close(struct tl_lane *lane, uint32_t reason) {
  if (!lane) return;
  lane->is_closed = true;
  lane->owner = NULL;
  lane->events = 0;
  lane->refused = 0;
  tl_list_remove(&lane->eventful);
  tl_list_remove(&lane->waiting);
  tl_list_remove(&lane->all);
  tl_list_push_back(&lane->flow->closed, &lane->all);
  if (shall_reset(lane, reason)) tl_lane_begin_reset(lane, reason);
  tl_lane_drain(lane);
  tl_lane_forget(lane);
}

/* ---- What is known ---- */

static struct tl_lane_progress progress_now(const struct tl_lane *lane) {
  struct tl_record_walk whole = lane->acked;
  (void)tl_record_walk(&whole, &lane->ordered.span, lane->ordered.sent);
  return (struct tl_lane_progress){
      .accepted = lane->accepted,
      .acknowledged = lane->acked.count,
      /* The record that the first unsent byte cuts has begun, if any byte of it was sent. */
      .begun = whole.count + (whole.at < lane->ordered.sent),
  };
}

void tl_lane_progress(const struct tl_lane *lane, struct tl_lane_progress *out_progress) {
  bool is_over = lane->out == TL_OUT_RESETTING || lane->out == TL_OUT_RESET;
  *out_progress = is_over ? lane->last_progress : progress_now(lane);
}

void tl_lane_trim(struct tl_lane *lane) {
  struct tl_account *account = &lane->flow->account;
  tl_sendbuf_trim(&lane->ordered, account);
  tl_reassembly_trim(&lane->reassembly, account);
  tl_span_trim(&lane->inbox.span, account);
  if (lane->reliable) tl_sendbuf_trim(&lane->reliable->bytes, account);
  if (lane->best_effort) tl_sendbuf_trim(&lane->best_effort->bytes, account);
}
