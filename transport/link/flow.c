/*
 * The flow's life, its lanes' numbers, its events, and the way of a frame to its lane.
 *
 * Lanes of each side are opened in rising order. The first frame of one proves that all before it
 * were opened too, so they are made at once; hence a number that was opened and has no lane is a
 * lane that is over, and a number beyond what was granted is a breach of the protocol. LANES grants
 * more when lanes are over.
 */
#include <stdlib.h>
#include <string.h>

#include "transport/link/lane.h"

#define LANES_GRANT_STEP (TL_FLOW_LANES_MAX / 4)
/* Acknowledgements in one packet: one for each space that a peer may be using. */
#define ACKS_IN_PACKET_MAX TL_ACKS_SPACES_MAX

/* ---- Lanes' numbers ---- */

static unsigned own_side(const struct tl_flow *f) {
  return f->is_initiator ? 0 : 1;
}

struct tl_lane *tl_flow_lane(const struct tl_flow *f, uint64_t number) {
  struct tl_lane *lane = tl_table_find(&f->table, &number, sizeof number);
  return lane && !lane->is_closed ? lane : NULL;
}

static struct tl_lane *find_any(struct tl_flow *f, uint64_t number) {
  if (f->last && f->last->number == number) return f->last;
  struct tl_lane *lane = tl_table_find(&f->table, &number, sizeof number);
  if (lane) f->last = lane;
  return lane;
}

static struct tl_lane *add_lane(struct tl_flow *f, uint64_t now, uint64_t number) {
  struct tl_lane *lane = malloc(sizeof *lane);
  if (!lane) return NULL;
  tl_lane_init(lane, f, number, now);
  if (tl_table_insert(&f->table, &lane->number, sizeof lane->number, lane) < 0) {
    free(lane);
    return NULL;
  }
  f->account.bytes += sizeof *lane;
  f->lane_count++;
  tl_list_push_back(&f->lanes, &lane->all);
  return lane;
}

static void free_lane(struct tl_lane *lane) {
  struct tl_flow *f = lane->flow;
  tl_table_remove(&f->table, &lane->number, sizeof lane->number);
  if (f->last == lane) f->last = NULL;
  tl_lane_deinit(lane);
  f->account.bytes -= sizeof *lane;
  f->lane_count--;
  free(lane);
}

/* The peer may open as many more as of its lanes are over. */
static void count_forgotten(struct tl_flow *f, uint64_t number) {
  if ((number & 1) == own_side(f)) return;
  f->peer_forgotten++;
  if (f->peer_forgotten + TL_FLOW_LANES_MAX - f->peer_max >= LANES_GRANT_STEP)
    f->is_lanes_due = true;
}

bool tl_lane_forget(struct tl_lane *lane) {
  bool is_over = lane->is_closed && lane->items == 0 && lane->in != TL_IN_OPEN &&
                 (lane->out == TL_OUT_FINISHED || lane->out == TL_OUT_RESET);
  if (!is_over) return false;
  count_forgotten(lane->flow, lane->number);
  free_lane(lane);
  return true;
}

/* 0 and the lane, NULL for one that is over; TULLE_E_PROTOCOL, TL_FULL. */
static int lane_of(struct tl_flow *f, uint64_t now, uint64_t number, struct tl_lane **out) {
  uint64_t index = number >> 1;
  if ((number & 1) == own_side(f)) {
    if (index >= f->own_opened) return TULLE_E_PROTOCOL;
  } else {
    if (index >= f->peer_max) return TULLE_E_PROTOCOL;
    for (; f->peer_opened <= index; f->peer_opened++)
      if (!add_lane(f, now, 2 * f->peer_opened + (number & 1))) return TL_FULL;
  }
  *out = find_any(f, number);
  return 0;
}

int tl_flow_open(struct tl_flow *f, struct tl_lane **out_lane) {
  if (f->own_opened >= f->own_max) return TL_FULL;
  struct tl_lane *lane = add_lane(f, 0, 2 * f->own_opened + own_side(f));
  if (!lane) return TULLE_E_NO_MEMORY;
  lane->is_announced = true;
  f->own_opened++;
  *out_lane = lane;
  return 0;
}

struct tl_lane *tl_flow_next_lane(const struct tl_flow *f, const struct tl_lane *lane) {
  const struct tl_list *l = lane ? lane->all.next : f->lanes.next;
  return l == &f->lanes ? NULL : tl_container_of(l, struct tl_lane, all);
}

/* ---- Life ---- */

static int add_control_lanes(struct tl_flow *f, uint64_t now) {
  for (uint64_t number = 0; number < 2; number++) {
    struct tl_lane *lane = add_lane(f, now, number);
    if (!lane) return TULLE_E_NO_MEMORY;
    lane->is_announced = true;
  }
  f->own_opened = f->peer_opened = 1;
  return 0;
}

struct tl_flow *tl_flow_new(const struct tl_flow_config *config, uint64_t now) {
  struct tl_flow *f = calloc(1, sizeof *f);
  if (!f) return NULL;
  f->is_initiator = config->is_initiator;
  f->account.bytes = sizeof *f;
  f->own_max = f->peer_max = TL_FLOW_LANES_MAX;
  uint32_t credit = config->credit_bytes ? config->credit_bytes : TL_FLOW_CREDIT_BYTES;
  f->credit_out.max = credit;
  tl_credit_in_init(&f->credit_in, credit, credit, now);
  tl_recovery_init(&f->udp, &f->account, config->packet_bytes, config->rtt_ns,
                   TL_FLOW_ACK_DELAY_NS);
  tl_acks_init(&f->acks, &f->account);
  tl_table_init(&f->table, config->secret);
  struct tl_list *lists[] = {&f->lanes,    &f->closed,  &f->ready, &f->starved,
                             &f->eventful, &f->waiting, &f->warm,  &f->assemblies};
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) tl_list_init(lists[i]);
  return add_control_lanes(f, now) < 0 ? tl_flow_free(f) : f;
}

struct tl_flow *tl_flow_free(struct tl_flow *f) {
  if (!f) return NULL;
  TL_LIST_FOR_EACH(l, &f->lanes) free_lane(tl_container_of(l, struct tl_lane, all));
  TL_LIST_FOR_EACH(m, &f->closed) free_lane(tl_container_of(m, struct tl_lane, all));
  tl_flow_drop_channels(f);
  tl_recovery_deinit(&f->udp);
  tl_acks_deinit(&f->acks);
  tl_table_deinit(&f->table);
  free(f);
  return NULL;
}

/* ---- Events ---- */

void tl_lane_raise(struct tl_lane *lane, enum tl_flow_event_type type) {
  if (lane->is_closed) return;
  lane->events |= (uint8_t)(1u << type);
  if (tl_list_is_empty(&lane->eventful)) tl_list_push_back(&lane->flow->eventful, &lane->eventful);
}

void tl_flow_note_mark(struct tl_flow *f, uint32_t mark, bool is_acked) {
  if (!mark) return;
  TL_ASSERT(f->mark_last - f->mark_first < TL_FLOW_MARK_EVENTS);
  f->marks[f->mark_last++ % TL_FLOW_MARK_EVENTS] = (struct tl_mark_event){mark, is_acked};
}

static void take_mark(struct tl_flow *f, struct tl_flow_event *out) {
  const struct tl_mark_event *e = f->marks + f->mark_first++ % TL_FLOW_MARK_EVENTS;
  *out = (struct tl_flow_event){.type = e->is_acked ? TL_FLOW_MARK_ACKED : TL_FLOW_MARK_LOST,
                                .mark = e->mark};
}

/* Kinds come in the order of their numbers: opened first, reset last. */
int tl_flow_event(struct tl_flow *f, struct tl_flow_event *out_event) {
  if (f->mark_first != f->mark_last) {
    take_mark(f, out_event);
    return 0;
  }
  if (tl_list_is_empty(&f->eventful)) return TL_EMPTY;
  struct tl_lane *lane = tl_container_of(f->eventful.next, struct tl_lane, eventful);
  unsigned type = (unsigned)__builtin_ctz(lane->events);
  lane->events &= (uint8_t) ~(1u << type);
  if (!lane->events) tl_list_remove(&lane->eventful);
  *out_event = (struct tl_flow_event){
      .type = (enum tl_flow_event_type)type, .lane = lane, .reason = lane->peer_reason};
  return 0;
}

/* ---- Lanes and their flow ---- */

/* A lane that waits for the link's credit may have other things to send, which need none. */
void tl_lane_wake(struct tl_lane *lane) {
  if (lane->is_starved) tl_list_remove(&lane->ready);
  lane->is_starved = false;
  if (tl_list_is_empty(&lane->ready)) tl_list_push_back(&lane->flow->ready, &lane->ready);
}

void tl_lane_give_back(struct tl_lane *lane, uint64_t bytes) {
  struct tl_flow *f = lane->flow;
  tl_credit_release(&f->credit_in, bytes);
  if (tl_credit_is_due(&f->credit_in)) f->is_link_credit_due = true;
  tl_credit_release(&lane->credit_in, bytes);
  bool is_over =
      lane->in != TL_IN_OPEN || lane->out == TL_OUT_RESETTING || lane->out == TL_OUT_RESET;
  if (is_over || !tl_credit_is_due(&lane->credit_in)) return;
  lane->is_credit_due = true;
  tl_lane_wake(lane);
}

/* ---- What arrives ---- */

static void announce(struct tl_lane *lane) {
  if (lane->is_announced) return;
  lane->is_announced = true;
  tl_lane_raise(lane, TL_FLOW_LANE_OPENED);
}

static uint64_t lane_number(const struct tl_frame *frame) {
  switch (frame->type) {
  case TL_FRAME_STREAM:
    return frame->stream.lane;
  case TL_FRAME_MSG:
    return frame->msg.lane;
  case TL_FRAME_RESET:
    return frame->reset.lane;
  default:
    return frame->credit.lane;
  }
}

static int take_lane_frame(struct tl_flow *f, uint64_t now, const struct tl_frame *frame) {
  struct tl_lane *lane;
  int r = lane_of(f, now, lane_number(frame), &lane);
  if (r || !lane) return r;
  announce(lane);
  switch (frame->type) {
  case TL_FRAME_STREAM:
    tl_lane_warm(lane);
    r = tl_lane_take_stream(lane, &frame->stream);
    break;
  case TL_FRAME_MSG:
    tl_lane_warm(lane);
    r = tl_lane_take_msg(lane, &frame->msg);
    break;
  case TL_FRAME_RESET:
    r = tl_lane_take_reset(lane, &frame->reset);
    break;
  default:
    tl_lane_take_credit(lane, frame->credit.max);
    break;
  }
  if (lane->is_closed) tl_lane_forget(lane);
  return r;
}

static int take_link_credit(struct tl_flow *f, uint64_t max) {
  if (!tl_credit_raise(&f->credit_out, max)) return 0;
  TL_LIST_FOR_EACH(l, &f->starved) tl_lane_wake(tl_container_of(l, struct tl_lane, ready));
  return 0;
}

/* An honest peer grants at most so many beyond those that were opened. */
static int take_lanes(struct tl_flow *f, uint64_t max) {
  if (max > f->own_opened + TL_FLOW_LANES_MAX) return TULLE_E_PROTOCOL;
  if (max > f->own_max) f->own_max = max;
  return 0;
}

static int take_frame(struct tl_flow *f, uint64_t now, const struct tl_frame *frame) {
  switch (frame->type) {
  case TL_FRAME_ACK:
    if (++f->acks_in_packet > ACKS_IN_PACKET_MAX) return TULLE_E_PROTOCOL;
    return tl_flow_take_ack(f, now, &frame->ack);
  case TL_FRAME_RESET:
  case TL_FRAME_CREDIT:
  case TL_FRAME_STREAM:
  case TL_FRAME_MSG:
    return take_lane_frame(f, now, frame);
  case TL_FRAME_LINK_CREDIT:
    return take_link_credit(f, frame->credit.max);
  case TL_FRAME_LANES:
    return take_lanes(f, frame->credit.max);
  default:
    return 0; /* the endpoint's */
  }
}

static void begin_packet(struct tl_flow *f) {
  f->is_eliciting = false;
  f->acks_in_packet = 0;
}

int tl_flow_frame(struct tl_flow *f, uint64_t now, const struct tl_frame *frame) {
  if (tl_frame_is_eliciting(frame->type)) f->is_eliciting = true;
  int r = take_frame(f, now, frame);
  if (r) begin_packet(f);
  return r;
}

/* While the peer has used three quarters of the link's credit, records go up in pieces, because a
 * part of a record on each of many lanes could otherwise hold all credit for ever. */
static void check_pressure(struct tl_flow *f) {
  uint64_t held = f->credit_in.used - f->credit_in.released;
  bool was_pressed = f->is_pressed;
  f->is_pressed = held > (was_pressed ? f->credit_in.window / 2 : f->credit_in.window / 4 * 3);
  if (!f->is_pressed || was_pressed) return;
  TL_LIST_FOR_EACH(l, &f->lanes) tl_lane_check_readable(tl_container_of(l, struct tl_lane, all));
}

int tl_flow_received(struct tl_flow *f, uint64_t now, const struct tl_flow_packet *packet) {
  bool is_eliciting = f->is_eliciting || packet->is_eliciting;
  begin_packet(f);
  check_pressure(f);
  tl_flow_check_waiting(f);
  return tl_acks_received(&f->acks, now, packet, is_eliciting);
}

/* ---- Idle, and to be looked at ---- */

void tl_flow_trim(struct tl_flow *f) {
  tl_flow_drop_assemblies(f, NULL);
  tl_flow_trim_maps(f);
  TL_LIST_FOR_EACH(l, &f->warm) {
    struct tl_lane *lane = tl_container_of(l, struct tl_lane, warm);
    tl_lane_trim(lane);
    tl_list_remove(l);
  }
}

void tl_flow_stats(const struct tl_flow *f, struct tl_flow_stats *out_stats) {
  *out_stats = f->stats;
  out_stats->rtt_ns = f->udp.rtt.smoothed;
  out_stats->rtt_min_ns = f->udp.rtt.min;
  out_stats->window_bytes = f->udp.congestion.window;
  out_stats->flight_bytes = f->udp.congestion.flight;
  out_stats->lanes = f->lane_count;
  out_stats->memory_bytes = f->account.bytes;
}
