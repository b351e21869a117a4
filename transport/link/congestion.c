#include "transport/link/congestion.h"

void tl_congestion_init(struct tl_congestion *c, size_t packet_bytes) {
  *c = (struct tl_congestion){.packet_bytes = packet_bytes};
  tl_congestion_restart(c);
}

void tl_congestion_restart(struct tl_congestion *c) {
  c->window = TL_CONGESTION_PACKETS_FIRST * c->packet_bytes;
  c->threshold = SIZE_MAX;
  c->credit = 0;
  c->recovery_start = 0;
}

static size_t window_min(const struct tl_congestion *c) {
  return TL_CONGESTION_PACKETS_MIN * c->packet_bytes;
}

void tl_congestion_set_packet_bytes(struct tl_congestion *c, size_t packet_bytes) {
  c->packet_bytes = packet_bytes;
  if (c->window < window_min(c)) c->window = window_min(c);
}

static void grow(struct tl_congestion *c, size_t bytes) {
  if (c->window < c->threshold) {
    c->window += bytes;
  } else {
    c->credit += bytes;
    if (c->credit < c->window) return;
    c->credit -= c->window;
    c->window += c->packet_bytes;
  }
  if (c->window > TL_CONGESTION_BYTES_MAX) c->window = TL_CONGESTION_BYTES_MAX;
}

static bool is_recovering(const struct tl_congestion *c, uint64_t sent_at) {
  return c->recovery_start && sent_at <= c->recovery_start;
}

void tl_congestion_acked(struct tl_congestion *c, size_t bytes, uint64_t sent_at, bool was_idle) {
  c->flight -= bytes;
  if (was_idle || is_recovering(c, sent_at)) return;
  grow(c, bytes);
}

void tl_congestion_lost(struct tl_congestion *c, uint64_t now, uint64_t sent_at) {
  if (is_recovering(c, sent_at)) return;
  c->recovery_start = now;
  c->window /= 2;
  if (c->window < window_min(c)) c->window = window_min(c);
  c->threshold = c->window;
  c->credit = 0;
}

void tl_congestion_collapse(struct tl_congestion *c) {
  c->window = window_min(c);
  c->recovery_start = 0;
  c->credit = 0;
}
