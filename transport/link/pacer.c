#include "transport/link/pacer.h"

void tl_pacer_init(struct tl_pacer *p) {
  *p = (struct tl_pacer){.filled_at = 0};
}

/* Bytes that flow in `ns`, computed in 128 bits: a window of 16 MiB times an hour passes 64. */
static size_t flow_in(const struct tl_pacer_path *path, uint64_t ns) {
  unsigned gain = path->is_slow_start ? 8 : 5; /* quarters */
  uint64_t rtt = path->rtt ? path->rtt : 1;
  unsigned __int128 bytes =
      (unsigned __int128)path->window * gain * ns / (4 * (unsigned __int128)rtt);
  return bytes > SIZE_MAX / 4 ? SIZE_MAX / 4 : (size_t)bytes;
}

static size_t bucket_size(const struct tl_pacer_path *path) {
  size_t size = flow_in(path, TL_PACER_BURST_NS);
  size_t least = TL_PACER_BURST_PACKETS * path->packet_bytes;
  return size > least ? size : least;
}

static void fill(struct tl_pacer *p, uint64_t now, const struct tl_pacer_path *path) {
  size_t size = bucket_size(path);
  size_t in = flow_in(path, now - p->filled_at);
  size_t debt = p->overdraft < in ? p->overdraft : in;
  p->overdraft -= debt;
  p->bytes += in - debt;
  if (p->bytes > size) p->bytes = size;
  p->filled_at = now;
}

/* The bucket is filled when it is empty: one division for many packets. */
uint64_t tl_pacer_next(struct tl_pacer *p, uint64_t now, const struct tl_pacer_path *path) {
  if (p->bytes == 0 && now > p->filled_at) fill(p, now, path);
  if (p->bytes > 0) return now;
  /* Long enough for a few packets at once, so that a timer fires once for them all. */
  size_t wanted = p->overdraft + bucket_size(path) / 2;
  uint64_t per_ms = flow_in(path, TL_MS);
  return now + (per_ms ? wanted * TL_MS / per_ms : TL_MS);
}

void tl_pacer_sent(struct tl_pacer *p, size_t bytes) {
  size_t taken = p->bytes < bytes ? p->bytes : bytes;
  p->bytes -= taken;
  p->overdraft += bytes - taken;
}
