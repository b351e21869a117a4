/*
 * Frames that leave on a lane.
 *
 * What is owed goes first: RESET, CREDIT, and what was lost. New bytes follow as far as credit
 * reaches, reliable messages and ordered bytes taking turns, best effort last (it needs no credit).
 * A message that would fit into a packet of its own is not cut: it waits for one.
 */
#include "transport/link/lane.h"

/* Cutting a few bytes off a long row is not worth a frame. */
#define CHUNK_MIN 16u

/* ---- The packet ---- */

bool tl_builder_has_item(struct tl_builder *b) {
  return tl_sentmap_item_room(b->map) > 0 || tl_sentmap_reserve(b->map, 1) == 0;
}

void tl_builder_add(struct tl_builder *b, const struct tl_sent_item *item) {
  tl_sentmap_add(b->map, item);
  if (item->kind != TL_SENT_ACK) b->is_eliciting = true;
}

static void add_lane_item(struct tl_lane *lane, struct tl_builder *b, enum tl_sent_kind kind,
                          uint64_t at, size_t size, bool is_fin) {
  struct tl_sent_item item = {
      .lane = lane, .at = at, .size = (uint16_t)size, .kind = (uint8_t)kind, .is_fin = is_fin};
  tl_builder_add(b, &item);
  lane->items++;
}

/* ---- What there is to send ---- */

static uint64_t min_of(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

static uint64_t link_credit(const struct tl_lane *lane) {
  return tl_credit_left(&lane->flow->credit_out);
}

static uint64_t cost_of(const struct tl_outbox_message *m) {
  return m->end - m->start + TL_CREDIT_MSG_BYTES;
}

/* How far the next reliable message may go by credit and window. */
static enum tl_wish reliable_wish(const struct tl_lane *lane) {
  const struct tl_outbox *o = lane->reliable;
  if (!o || tl_sendbuf_unsent(&o->bytes) == 0) return TL_WISH_NONE;
  struct tl_outbox_message m = tl_outbox_find(o, o->bytes.sent);
  if (m.id < o->charged) return TL_WISH_SEND;
  if (m.id - o->first >= TL_INBOX_WINDOW || cost_of(&m) > tl_credit_left(&lane->credit_out))
    return TL_WISH_NONE;
  return cost_of(&m) > link_credit(lane) ? TL_WISH_LINK_CREDIT : TL_WISH_SEND;
}

static enum tl_wish ordered_wish(const struct tl_lane *lane) {
  if (tl_sendbuf_unsent(&lane->ordered) == 0)
    return lane->fin == TL_FIN_PENDING ? TL_WISH_SEND : TL_WISH_NONE;
  if (tl_credit_left(&lane->credit_out) == 0) return TL_WISH_NONE;
  return link_credit(lane) ? TL_WISH_SEND : TL_WISH_LINK_CREDIT;
}

enum tl_wish tl_lane_wish(const struct tl_lane *lane) {
  if (lane->is_reset_due || lane->is_credit_due) return TL_WISH_SEND;
  if (lane->out == TL_OUT_RESETTING || lane->out == TL_OUT_RESET) return TL_WISH_NONE;
  if (lane->ordered.lost.count || (lane->reliable && lane->reliable->bytes.lost.count))
    return TL_WISH_SEND;
  if (lane->best_effort && tl_sendbuf_unsent(&lane->best_effort->bytes)) return TL_WISH_SEND;
  enum tl_wish ordered = ordered_wish(lane);
  if (ordered == TL_WISH_SEND) return ordered;
  enum tl_wish reliable = reliable_wish(lane);
  return reliable != TL_WISH_NONE ? reliable : ordered;
}

/* ---- Ordered ---- */

/* One STREAM frame of at most `size` bytes from `start`. Returns how many went in, 0 with is_fin
 * unset for none: no room. */
static size_t write_stream(struct tl_lane *lane, struct tl_builder *b, uint64_t start,
                           uint64_t size, bool may_end, bool *out_is_fin) {
  *out_is_fin = false;
  size_t head = tl_frame_stream_head_size(lane->number, start, may_end);
  size_t left = tl_writer_left(&b->w);
  if (left < head + min_of(size, CHUNK_MIN) || !tl_builder_has_item(b)) return 0;
  size_t n = (size_t)min_of(size, left - head);
  struct tl_frame_stream frame = {.lane = lane->number,
                                  .offset = start,
                                  .messages = lane->reliable ? lane->reliable->last : 0,
                                  .bytes = n ? tl_span_at(&lane->ordered.span, start) : NULL,
                                  .size = n,
                                  .is_fin = may_end && n == size};
  tl_frame_write_stream(&b->w, &frame);
  add_lane_item(lane, b, TL_SENT_ORDERED, start, n, frame.is_fin);
  *out_is_fin = frame.is_fin;
  return n;
}

static bool resend_ordered(struct tl_lane *lane, struct tl_builder *b) {
  struct tl_range lost;
  while (tl_sendbuf_next_lost(&lane->ordered, &lost)) {
    bool is_fin;
    size_t n = write_stream(lane, b, lost.start, lost.end - lost.start, false, &is_fin);
    if (n == 0) return false;
    tl_sendbuf_sent(&lane->ordered, lost.start, n);
  }
  return true;
}

static bool send_ordered(struct tl_lane *lane, struct tl_builder *b) {
  struct tl_sendbuf *o = &lane->ordered;
  uint64_t unsent = tl_sendbuf_unsent(o);
  uint64_t size = min_of(unsent, min_of(tl_credit_left(&lane->credit_out), link_credit(lane)));
  bool may_end = size == unsent && lane->fin == TL_FIN_PENDING;
  if (size == 0 && !may_end) return true;
  bool is_fin;
  size_t n = write_stream(lane, b, o->sent, size, may_end, &is_fin);
  tl_sendbuf_sent(o, o->sent, n);
  lane->credit_out.used += n;
  lane->flow->credit_out.used += n;
  if (is_fin) lane->fin = TL_FIN_IN_FLIGHT;
  return n == size && is_fin == may_end;
}

/* ---- Messages ---- */

/* Bytes of a packet that hold any frame's head; more left than that in an empty packet is sure. */
#define HEAD_BYTES_MAX 40u

/* One MSG frame of the message `m` from the byte `at` of the row. Returns how many bytes went in;
 * 0: no room here. */
static size_t write_msg(struct tl_lane *lane, struct tl_builder *b, const struct tl_outbox *o,
                        const struct tl_outbox_message *m, uint64_t at, uint64_t end) {
  struct tl_frame_msg frame = {.lane = lane->number,
                               .id = m->id,
                               .total = (uint32_t)(m->end - m->start),
                               .offset = (uint32_t)(at - m->start),
                               .bytes = tl_span_at(&o->bytes.span, at),
                               .size = (size_t)(end - at),
                               .is_reliable = o == lane->reliable,
                               .is_part = true};
  if (frame.size == frame.total) {
    frame.is_part = false;
    size_t packet = (size_t)(b->w.end - b->w.start);
    bool fits = tl_frame_msg_head_size(&frame) + frame.size <= tl_writer_left(&b->w);
    if (!fits && frame.size + HEAD_BYTES_MAX <= packet) return 0;
    frame.is_part = !fits;
  }
  size_t head = tl_frame_msg_head_size(&frame);
  size_t left = tl_writer_left(&b->w);
  if (left < head + min_of(frame.size, CHUNK_MIN)) return 0;
  frame.size = (size_t)min_of(frame.size, left - head);
  tl_frame_write_msg(&b->w, &frame);
  return frame.size;
}

static bool resend_reliable(struct tl_lane *lane, struct tl_builder *b) {
  struct tl_outbox *o = lane->reliable;
  struct tl_range lost;
  while (tl_sendbuf_next_lost(&o->bytes, &lost)) {
    if (!tl_builder_has_item(b)) return false;
    struct tl_outbox_message m = tl_outbox_find(o, lost.start);
    size_t n = write_msg(lane, b, o, &m, lost.start, min_of(lost.end, m.end));
    if (n == 0) return false;
    add_lane_item(lane, b, TL_SENT_RELIABLE, lost.start, n, false);
    tl_sendbuf_sent(&o->bytes, lost.start, n);
  }
  return true;
}

static void charge(struct tl_lane *lane, const struct tl_outbox_message *m) {
  if (m->id < lane->reliable->charged) return;
  lane->reliable->charged = m->id + 1;
  lane->credit_out.used += cost_of(m);
  lane->flow->credit_out.used += cost_of(m);
}

static bool send_reliable(struct tl_lane *lane, struct tl_builder *b) {
  struct tl_outbox *o = lane->reliable;
  while (reliable_wish(lane) == TL_WISH_SEND) {
    if (!tl_builder_has_item(b)) return false;
    uint64_t at = o->bytes.sent;
    struct tl_outbox_message m = tl_outbox_find(o, at);
    size_t n = write_msg(lane, b, o, &m, at, m.end);
    if (n == 0) return false;
    charge(lane, &m);
    add_lane_item(lane, b, TL_SENT_RELIABLE, at, n, false);
    tl_sendbuf_sent(&o->bytes, at, n);
  }
  return true;
}

/* Sent is done with; the packet only remembers how many messages it held the end of. */
static void send_best_effort(struct tl_lane *lane, struct tl_builder *b) {
  struct tl_outbox *o = lane->best_effort;
  while (o && tl_sendbuf_unsent(&o->bytes)) {
    uint64_t at = o->bytes.sent;
    struct tl_outbox_message m = tl_outbox_find(o, at);
    size_t n = write_msg(lane, b, o, &m, at, m.end);
    if (n == 0) return;
    if (at + n == m.end) b->best_effort_count++;
    b->is_eliciting = true;
    tl_sendbuf_sent(&o->bytes, at, n);
    (void)tl_sendbuf_acked(&o->bytes, at, n);
    uint64_t before = tl_sendbuf_size(&o->bytes);
    tl_outbox_settle(o, &lane->flow->account);
    lane->flow->send_bytes -= before - tl_sendbuf_size(&o->bytes);
  }
}

/* ---- Control ---- */

#define CONTROL_BYTES_MAX 32u

static void send_control(struct tl_lane *lane, struct tl_builder *b) {
  if (tl_writer_left(&b->w) < CONTROL_BYTES_MAX || !tl_builder_has_item(b)) return;
  if (lane->is_reset_due) {
    lane->is_reset_due = false;
    struct tl_frame_reset reset = {
        .lane = lane->number, .reason = lane->reason, .charged = lane->credit_out.used};
    tl_frame_write_reset(&b->w, &reset);
    add_lane_item(lane, b, TL_SENT_RESET, 0, 0, false);
  } else if (lane->is_credit_due) {
    lane->is_credit_due = false;
    uint64_t max = tl_credit_grant(&lane->credit_in, b->now, lane->flow->udp.rtt.smoothed);
    tl_frame_write_credit(&b->w, lane->number, max);
    add_lane_item(lane, b, TL_SENT_CREDIT, 0, 0, false);
  }
}

static bool send_new(struct tl_lane *lane, struct tl_builder *b) {
  if (!lane->reliable) return send_ordered(lane, b);
  bool reliable_first = lane->is_reliable_first;
  lane->is_reliable_first = !reliable_first;
  if (reliable_first) return send_reliable(lane, b) && send_ordered(lane, b);
  return send_ordered(lane, b) && send_reliable(lane, b);
}

void tl_lane_fill(struct tl_lane *lane, struct tl_builder *b) {
  send_control(lane, b);
  if (lane->out == TL_OUT_RESETTING || lane->out == TL_OUT_RESET) return;
  if (!resend_ordered(lane, b)) return;
  if (lane->reliable && !resend_reliable(lane, b)) return;
  if (send_new(lane, b)) send_best_effort(lane, b);
  tl_lane_check_writable(lane);
}

/* ---- What became of it ---- */

static bool is_all_acked(const struct tl_lane *lane) {
  return lane->fin == TL_FIN_ACKED && tl_sendbuf_is_settled(&lane->ordered) &&
         (!lane->reliable || tl_sendbuf_is_settled(&lane->reliable->bytes));
}

static void check_all_acked(struct tl_lane *lane) {
  if (lane->out == TL_OUT_FINISHING && is_all_acked(lane)) lane->out = TL_OUT_FINISHED;
}

static void ordered_acked(struct tl_lane *lane, const struct tl_sent_item *item) {
  struct tl_sendbuf *o = &lane->ordered;
  if (item->is_fin) lane->fin = TL_FIN_ACKED;
  if (!tl_sendbuf_acked(o, item->at, item->size)) return;
  (void)tl_record_walk(&lane->acked, &o->span, o->acked); /* our own records are whole */
  uint64_t before = tl_sendbuf_size(o);
  tl_sendbuf_keep(o, &lane->flow->account, lane->acked.at);
  lane->flow->send_bytes -= before - tl_sendbuf_size(o);
}

static void reliable_acked(struct tl_lane *lane, const struct tl_sent_item *item) {
  struct tl_outbox *o = lane->reliable;
  if (!tl_sendbuf_acked(&o->bytes, item->at, item->size)) return;
  uint64_t before = tl_sendbuf_size(&o->bytes);
  tl_outbox_settle(o, &lane->flow->account);
  lane->flow->send_bytes -= before - tl_sendbuf_size(&o->bytes);
  if (tl_sendbuf_unsent(&o->bytes)) tl_lane_wake(lane); /* the window may have held it */
}

static bool is_sending_over(const struct tl_lane *lane) {
  return lane->out == TL_OUT_RESETTING || lane->out == TL_OUT_RESET;
}

void tl_lane_acked(struct tl_lane *lane, const struct tl_sent_item *item) {
  if (item->kind == TL_SENT_RESET) lane->out = TL_OUT_RESET;
  if (is_sending_over(lane)) return;
  if (item->kind == TL_SENT_ORDERED) ordered_acked(lane, item);
  if (item->kind == TL_SENT_RELIABLE) reliable_acked(lane, item);
  check_all_acked(lane);
  tl_lane_check_writable(lane);
}

void tl_lane_lost(struct tl_lane *lane, const struct tl_sent_item *item) {
  struct tl_flow_stats *stats = &lane->flow->stats;
  if (item->kind == TL_SENT_RESET && lane->out == TL_OUT_RESETTING) lane->is_reset_due = true;
  if (item->kind == TL_SENT_CREDIT && lane->in == TL_IN_OPEN && !is_sending_over(lane))
    lane->is_credit_due = true;
  if (item->kind == TL_SENT_ORDERED && !is_sending_over(lane)) {
    stats->bytes_resent += tl_sendbuf_lost(&lane->ordered, item->at, item->size);
    if (item->is_fin && lane->fin == TL_FIN_IN_FLIGHT) lane->fin = TL_FIN_PENDING;
  }
  if (item->kind == TL_SENT_RELIABLE && !is_sending_over(lane))
    stats->bytes_resent += tl_sendbuf_lost(&lane->reliable->bytes, item->at, item->size);
  tl_lane_wake(lane);
}

void tl_lane_drop_unsent(struct tl_lane *lane) {
  struct tl_account *account = &lane->flow->account;
  lane->flow->send_bytes -= tl_lane_held(lane);
  tl_sendbuf_deinit(&lane->ordered, account);
  tl_sendbuf_init(&lane->ordered);
  lane->reliable = tl_outbox_free(lane->reliable, account);
  lane->best_effort = tl_outbox_free(lane->best_effort, account);
}
