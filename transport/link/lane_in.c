/*
 * Frames that arrive on a lane.
 *
 * Credit is judged before anything is stored and taken only when it was stored, so a frame that is
 * refused for lack of memory leaves no trace and can come again. What comes after the user has
 * closed is counted like all else and thrown away at once, so that both ends agree on what the lane
 * has used.
 */
#include <stdlib.h>

#include "transport/link/lane.h"

#define NO_END         UINT64_MAX
#define ASSEMBLIES_MAX 32u /* best-effort messages in parts, of all lanes */

/* ---- Credit ---- */

static int judge_credit(const struct tl_lane *lane, uint64_t bytes) {
  const struct tl_credit_in *own = &lane->credit_in;
  const struct tl_credit_in *all = &lane->flow->credit_in;
  return bytes > own->granted - own->used || bytes > all->granted - all->used ? TULLE_E_PROTOCOL
                                                                              : 0;
}

static void take_credit(struct tl_lane *lane, uint64_t bytes) {
  lane->credit_in.used += bytes;
  lane->flow->credit_in.used += bytes;
}

void tl_lane_take_credit(struct tl_lane *lane, uint64_t bytes_max) {
  if (!tl_credit_raise(&lane->credit_out, bytes_max)) return;
  tl_lane_check_writable(lane);
  tl_lane_wake(lane);
}

/* ---- What the user sees ---- */

void tl_lane_check_readable(struct tl_lane *lane) {
  if (lane->is_closed) tl_lane_drain(lane);
  if (!lane->is_hungry) return;
  if (tl_inbox_is_empty(&lane->inbox) &&
      !tl_reassembly_is_readable(&lane->reassembly, lane->flow->is_pressed))
    return;
  lane->is_hungry = false;
  tl_lane_raise(lane, TL_FLOW_READABLE);
}

static bool has_all_messages(const struct tl_lane *lane) {
  uint64_t came = lane->reliable_in ? lane->reliable_in->first : 0;
  return came == lane->messages_final;
}

static void check_finished(struct tl_lane *lane) {
  if (lane->in != TL_IN_OPEN || !tl_reassembly_is_complete(&lane->reassembly) ||
      !has_all_messages(lane))
    return;
  lane->in = TL_IN_FINISHED;
  tl_lane_raise(lane, TL_FLOW_FINISHED);
}

/* ---- Ordered ---- */

static int take_end(struct tl_lane *lane, uint64_t final, uint64_t messages) {
  if (lane->messages_final != NO_END && lane->messages_final != messages) return TULLE_E_PROTOCOL;
  if (messages < lane->messages_high) return TULLE_E_PROTOCOL;
  int r = tl_reassembly_end(&lane->reassembly, final);
  if (r == 0) lane->messages_final = messages;
  return r;
}

int tl_lane_take_stream(struct tl_lane *lane, const struct tl_frame_stream *stream) {
  uint64_t end = stream->offset + stream->size;
  uint64_t high = tl_reassembly_high(&lane->reassembly);
  uint64_t more = stream->size && end > high ? end - high : 0; /* a bare FIN brings nothing */
  if (lane->in == TL_IN_RESET) return 0;
  if (judge_credit(lane, more)) return TULLE_E_PROTOCOL;
  int r = tl_reassembly_push(&lane->reassembly, &lane->flow->account, stream->offset, stream->bytes,
                             stream->size);
  if (r) return r;
  take_credit(lane, more);
  if (stream->is_fin && (r = take_end(lane, end, stream->messages))) return r;
  tl_lane_check_readable(lane);
  check_finished(lane);
  return 0;
}

/* ---- Best effort ---- */

static void drop_assembly(struct tl_flow *f, struct tl_assembly *a) {
  f->assembly_count--;
  tl_assembly_free(a, &f->account);
}

void tl_flow_drop_assemblies(struct tl_flow *f, const struct tl_lane *lane) {
  TL_LIST_FOR_EACH(l, &f->assemblies) {
    struct tl_assembly *a = tl_container_of(l, struct tl_assembly, link);
    if (lane && a->lane != lane) continue;
    f->stats.best_effort_dropped++;
    drop_assembly(f, a);
  }
}

static struct tl_assembly *find_assembly(struct tl_lane *lane, const struct tl_frame_msg *msg) {
  struct tl_flow *f = lane->flow;
  TL_LIST_FOR_EACH(l, &f->assemblies) {
    struct tl_assembly *a = tl_container_of(l, struct tl_assembly, link);
    if (a->lane == lane && a->id == msg->id) return a;
  }
  return NULL;
}

/* The oldest message in parts gives way: most likely its missing parts were lost. */
static struct tl_assembly *begin_assembly(struct tl_lane *lane, const struct tl_frame_msg *msg) {
  struct tl_flow *f = lane->flow;
  if (f->assembly_count >= ASSEMBLIES_MAX) {
    f->stats.best_effort_dropped++;
    drop_assembly(f, tl_container_of(f->assemblies.next, struct tl_assembly, link));
  }
  struct tl_assembly *a = tl_assembly_new(&f->account, lane, msg->id, msg->total);
  if (!a) return NULL;
  tl_list_push_back(&f->assemblies, &a->link);
  f->assembly_count++;
  return a;
}

static void take_best_effort(struct tl_lane *lane, const uint8_t *bytes, size_t size) {
  struct tl_flow *f = lane->flow;
  uint32_t before = lane->inbox.best_effort_bytes;
  if (f->best_effort_bytes + size > TL_FLOW_BEST_EFFORT_BYTES_MAX ||
      tl_inbox_push(&lane->inbox, &f->account, false, bytes, size))
    f->stats.best_effort_dropped++;
  f->best_effort_bytes += lane->inbox.best_effort_bytes - before;
}

static int take_best_effort_msg(struct tl_lane *lane, const struct tl_frame_msg *msg) {
  if (msg->size == msg->total) {
    take_best_effort(lane, msg->bytes, msg->size);
    return 0;
  }
  struct tl_assembly *a = find_assembly(lane, msg);
  if (!a) a = begin_assembly(lane, msg);
  if (!a) {
    lane->flow->stats.best_effort_dropped++;
    return 0;
  }
  int r = tl_assembly_push(a, msg);
  if (r < 0) return r;
  if (r == TL_END) {
    take_best_effort(lane, a->bytes, a->total);
    drop_assembly(lane->flow, a);
  }
  return 0;
}

/* ---- Reliable ---- */

static int deliver(struct tl_lane *lane, uint64_t id, const uint8_t *bytes, size_t size) {
  if (tl_inbox_push(&lane->inbox, &lane->flow->account, true, bytes, size)) return TL_FULL;
  tl_reliable_in_mark(lane->reliable_in, id);
  return 0;
}

/* The first sight of a message takes credit for all of it. */
static int take_new(struct tl_lane *lane, const struct tl_frame_msg *msg) {
  uint64_t cost = msg->total + TL_CREDIT_MSG_BYTES;
  if (judge_credit(lane, cost)) return TULLE_E_PROTOCOL;
  int r = 0;
  if (msg->size == msg->total) {
    r = deliver(lane, msg->id, msg->bytes, msg->size);
  } else {
    struct tl_assembly *a = tl_assembly_new(&lane->flow->account, lane, msg->id, msg->total);
    if (!a) return TL_FULL;
    (void)tl_assembly_push(a, msg); /* one part of several: it fits, and is not all */
    tl_reliable_in_add(lane->reliable_in, a);
  }
  if (r == 0) take_credit(lane, cost);
  return r;
}

static int take_part(struct tl_lane *lane, struct tl_assembly *a, const struct tl_frame_msg *msg) {
  int r = tl_assembly_push(a, msg);
  if (r != TL_END) return r;
  r = deliver(lane, msg->id, a->bytes, a->total);
  if (r == 0) tl_reliable_in_remove(lane->reliable_in, &lane->flow->account, a);
  return r;
}

static int take_reliable_msg(struct tl_lane *lane, const struct tl_frame_msg *msg) {
  if (msg->id >= lane->messages_final) return TULLE_E_PROTOCOL;
  if (!lane->reliable_in && !(lane->reliable_in = tl_reliable_in_new(&lane->flow->account)))
    return TL_FULL;
  int r = tl_reliable_in_judge(lane->reliable_in, msg->id);
  if (r) return r == TL_END ? 0 : r;
  struct tl_assembly *a = tl_reliable_in_find(lane->reliable_in, msg->id);
  r = a ? take_part(lane, a, msg) : take_new(lane, msg);
  if (r) return r;
  if (msg->id >= lane->messages_high) lane->messages_high = msg->id + 1;
  check_finished(lane);
  return 0;
}

int tl_lane_take_msg(struct tl_lane *lane, const struct tl_frame_msg *msg) {
  if (lane->in == TL_IN_RESET) return 0;
  int r = msg->is_reliable ? take_reliable_msg(lane, msg) : take_best_effort_msg(lane, msg);
  if (r == 0) tl_lane_check_readable(lane);
  return r;
}

/* ---- The end ---- */

void tl_lane_drop_arrived(struct tl_lane *lane) {
  struct tl_flow *f = lane->flow;
  tl_credit_release(&f->credit_in, lane->credit_in.used - lane->credit_in.released);
  lane->credit_in.released = lane->credit_in.used;
  if (tl_credit_is_due(&f->credit_in)) f->is_link_credit_due = true;
  f->best_effort_bytes -= lane->inbox.best_effort_bytes;
  tl_flow_drop_assemblies(f, lane);
  tl_reassembly_clear(&lane->reassembly, &f->account);
  tl_inbox_clear(&lane->inbox, &f->account);
  if (lane->reliable_in) tl_reliable_in_clear(lane->reliable_in, &f->account);
  lane->borrowed = TL_BORROWED_NONE;
}

/* Bytes that were sent on the lane and will never be seen count as arrived and done with. */
static int settle_credit(struct tl_lane *lane, uint64_t charged) {
  if (charged < lane->credit_in.used) return TULLE_E_PROTOCOL;
  uint64_t unseen = charged - lane->credit_in.used;
  if (lane->in != TL_IN_OPEN && unseen) return TULLE_E_PROTOCOL;
  if (judge_credit(lane, unseen)) return TULLE_E_PROTOCOL;
  take_credit(lane, unseen);
  return 0;
}

int tl_lane_take_reset(struct tl_lane *lane, const struct tl_frame_reset *reset) {
  int r = settle_credit(lane, reset->charged);
  if (r || lane->in == TL_IN_RESET) return r;
  lane->in = TL_IN_RESET;
  tl_lane_drop_arrived(lane);
  lane->events &= 1u << TL_FLOW_LANE_OPENED;
  tl_lane_raise(lane, TL_FLOW_RESET);
  lane->peer_reason = reset->reason;
  if (lane->out == TL_OUT_OPEN || lane->out == TL_OUT_FINISHING)
    tl_lane_begin_reset(lane, reset->reason);
  return 0;
}
