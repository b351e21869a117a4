#include "transport/link/rtt.h"

static uint64_t max_of(uint64_t a, uint64_t b) {
  return a > b ? a : b;
}

void tl_rtt_init(struct tl_rtt *r, uint64_t initial) {
  if (initial == 0) initial = TL_RTT_UNKNOWN_NS;
  *r = (struct tl_rtt){
      .latest = initial, .smoothed = initial, .variation = initial / 2, .min = TL_NEVER};
}

void tl_rtt_sample(struct tl_rtt *r, uint64_t sample, uint64_t ack_delay) {
  if (sample > TL_RTT_SAMPLE_MAX_NS) sample = TL_RTT_SAMPLE_MAX_NS;
  r->latest = sample;
  if (r->min == TL_NEVER) {
    r->min = r->smoothed = sample;
    r->variation = sample / 2;
    return;
  }
  if (sample < r->min) r->min = sample;
  uint64_t adjusted = sample >= r->min + ack_delay ? sample - ack_delay : sample;
  uint64_t difference = r->smoothed > adjusted ? r->smoothed - adjusted : adjusted - r->smoothed;
  r->variation = (3 * r->variation + difference) / 4;
  r->smoothed = (7 * r->smoothed + adjusted) / 8;
}

uint64_t tl_rtt_loss_delay(const struct tl_rtt *r) {
  uint64_t delay = max_of(r->latest, r->smoothed);
  return max_of(delay + delay / 8, TL_RTT_GRANULARITY_NS);
}

uint64_t tl_rtt_probe_timeout(const struct tl_rtt *r, uint64_t ack_delay_max) {
  return r->smoothed + max_of(4 * r->variation, TL_RTT_GRANULARITY_NS) + ack_delay_max;
}
