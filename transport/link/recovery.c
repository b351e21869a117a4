#include "transport/link/recovery.h"

void tl_recovery_init(struct tl_recovery *r, struct tl_account *account, size_t packet_bytes,
                      uint64_t rtt, uint64_t ack_delay_max) {
  *r = (struct tl_recovery){
      .ack_delay_max = ack_delay_max, .loss_at = TL_NEVER, .run_start = TL_NEVER};
  tl_sentmap_init(&r->map, account);
  tl_rtt_init(&r->rtt, rtt);
  tl_congestion_init(&r->congestion, packet_bytes);
  tl_pacer_init(&r->pacer);
}

void tl_recovery_deinit(struct tl_recovery *r) {
  tl_sentmap_deinit(&r->map);
}

/* ---- Sending ---- */

static struct tl_pacer_path pacer_path(const struct tl_recovery *r) {
  const struct tl_congestion *c = &r->congestion;
  return (struct tl_pacer_path){.window = c->window,
                                .packet_bytes = c->packet_bytes,
                                .rtt = r->rtt.smoothed,
                                .is_slow_start = c->window < c->threshold};
}

bool tl_recovery_may_send(struct tl_recovery *r, uint64_t now, size_t bytes) {
  r->pace_until = 0;
  if (r->probes_due) return true;
  if (!tl_congestion_has_room(&r->congestion, bytes)) return false;
  /* With nothing in flight there is nothing to spread, and after a long silence of the peer the
   * rate may be next to nothing: one packet goes, and its acknowledgement tells the truth. */
  if (r->congestion.flight == 0) return true;
  struct tl_pacer_path path = pacer_path(r);
  uint64_t next = tl_pacer_next(&r->pacer, now, &path);
  if (next > now) r->pace_until = next;
  return next <= now;
}

void tl_recovery_sent(struct tl_recovery *r, uint64_t now, const struct tl_sent_packet *packet,
                      size_t bytes) {
  struct tl_sent_packet p = *packet;
  tl_congestion_sent(&r->congestion, bytes);
  tl_pacer_sent(&r->pacer, bytes);
  p.bytes = (uint32_t)bytes;
  p.sent_at = r->last_sent = now;
  p.was_idle = tl_congestion_is_idle(&r->congestion);
  tl_sentmap_commit(&r->map, &p);
  if (r->probes_due) r->probes_due--;
}

/* ---- Acknowledgement ---- */

void tl_recovery_acked(struct tl_recovery *r, uint64_t index) {
  struct tl_sent_packet *p = tl_sentmap_packet(&r->map, index);
  if (p->state == TL_SENT_IN_FLIGHT)
    tl_congestion_acked(&r->congestion, p->bytes, p->sent_at, p->was_idle);
  tl_sentmap_set_state(&r->map, p, TL_SENT_SETTLED);
  if (index + 1 > r->newest_acked) {
    r->newest_acked = index + 1;
    r->newest_acked_sent_at = p->sent_at;
  }
}

void tl_recovery_ack_done(struct tl_recovery *r, uint64_t now, uint64_t ack_delay) {
  if (r->newest_acked == 0) return;
  if (r->newest_acked > r->acked_end) {
    r->acked_end = r->newest_acked;
    uint64_t delay = ack_delay < r->ack_delay_max ? ack_delay : r->ack_delay_max;
    tl_rtt_sample(&r->rtt, now - r->newest_acked_sent_at, delay);
  }
  r->newest_acked = 0;
  r->probe_count = r->probes_due = 0;
}

/* Begins with the oldest packet in flight and ends before the newest acknowledged one. */
static void begin_search(struct tl_recovery *r) {
  if (r->cursor) return;
  r->loss_at = TL_NEVER;
  r->cursor = r->map.in_flight_count ? tl_sentmap_oldest(&r->map) + 1 : r->acked_end + 1;
}

static bool is_lost(const struct tl_recovery *r, uint64_t now, uint64_t index,
                    const struct tl_sent_packet *p) {
  if (index + 1 + TL_RECOVERY_PACKET_THRESHOLD <= r->acked_end) return true;
  return tl_time_add(p->sent_at, tl_rtt_loss_delay(&r->rtt)) <= now;
}

/* Losses in a row, without an acknowledged packet between, that lasted three probe timeouts. */
static void note_run(struct tl_recovery *r, const struct tl_sent_packet *p) {
  if (r->run_start == TL_NEVER) r->run_start = p->sent_at;
  uint64_t duration =
      TL_RECOVERY_PERSISTENT_TIMES * tl_rtt_probe_timeout(&r->rtt, r->ack_delay_max);
  if (p->sent_at - r->run_start >= duration && r->rtt.min != TL_NEVER) r->is_persistent = true;
}

struct tl_sent_packet *tl_recovery_next_lost(struct tl_recovery *r, uint64_t now) {
  for (begin_search(r); r->cursor <= r->acked_end; r->cursor++) {
    struct tl_sent_packet *p = tl_sentmap_packet(&r->map, r->cursor - 1);
    if (p->state == TL_SENT_SETTLED) r->run_start = TL_NEVER;
    if (p->state != TL_SENT_IN_FLIGHT) continue;
    if (!is_lost(r, now, r->cursor - 1, p)) {
      uint64_t at = tl_time_add(p->sent_at, tl_rtt_loss_delay(&r->rtt));
      r->loss_at = tl_time_min(r->loss_at, at);
      continue;
    }
    tl_sentmap_set_state(&r->map, p, TL_SENT_LOST);
    tl_congestion_forget(&r->congestion, p->bytes);
    if (!p->is_probe) {
      note_run(r, p);
      r->newest_lost_at = p->sent_at + 1;
    }
    r->cursor++;
    return p;
  }
  return NULL;
}

void tl_recovery_losses_done(struct tl_recovery *r, uint64_t now) {
  if (r->newest_lost_at) tl_congestion_lost(&r->congestion, now, r->newest_lost_at - 1);
  if (r->is_persistent) tl_congestion_collapse(&r->congestion);
  r->newest_lost_at = 0;
  r->is_persistent = false;
  r->run_start = TL_NEVER;
  r->cursor = 0;
}

/* ---- Time ---- */

static uint64_t backed_off(const struct tl_recovery *r) {
  uint64_t timeout = tl_rtt_probe_timeout(&r->rtt, r->ack_delay_max);
  for (uint32_t i = 0; i < r->probe_count && timeout < TL_RECOVERY_PROBE_MAX_NS; i++) timeout *= 2;
  return timeout < TL_RECOVERY_PROBE_MAX_NS ? timeout : TL_RECOVERY_PROBE_MAX_NS;
}

static uint64_t probe_at(const struct tl_recovery *r) {
  if (r->map.in_flight_count == 0) return TL_NEVER;
  return tl_time_add(r->last_sent, backed_off(r));
}

uint64_t tl_recovery_deadline(const struct tl_recovery *r) {
  uint64_t at = r->loss_at != TL_NEVER ? r->loss_at : probe_at(r);
  return r->pace_until ? tl_time_min(at, r->pace_until) : at;
}

bool tl_recovery_timeout(struct tl_recovery *r, uint64_t now) {
  if (r->pace_until && r->pace_until <= now) r->pace_until = 0;
  if (r->loss_at != TL_NEVER || probe_at(r) > now) return false;
  r->probe_count++;
  r->probes_due = TL_RECOVERY_PROBES;
  return true;
}

uint64_t tl_recovery_forget_before(const struct tl_recovery *r, uint64_t now) {
  uint64_t age = TL_RECOVERY_PERSISTENT_TIMES * tl_rtt_probe_timeout(&r->rtt, r->ack_delay_max);
  return now > age ? now - age : 0;
}

/* ---- Path ---- */

void tl_recovery_restart(struct tl_recovery *r, uint64_t rtt) {
  tl_rtt_init(&r->rtt, rtt);
  tl_congestion_restart(&r->congestion);
  tl_pacer_init(&r->pacer);
  r->probe_count = 0;
}

struct tl_sent_packet *tl_recovery_give_up(struct tl_recovery *r) {
  if (r->map.in_flight_count == 0) {
    r->loss_at = TL_NEVER;
    return NULL;
  }
  struct tl_sent_packet *p = tl_sentmap_packet(&r->map, tl_sentmap_oldest(&r->map));
  tl_sentmap_set_state(&r->map, p, TL_SENT_LOST);
  tl_congestion_forget(&r->congestion, p->bytes);
  return p;
}
