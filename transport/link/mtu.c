/* A ladder of four sizes: one step up at a time, and down to the ground when a step gives way. */
#include "transport/link/mtu.h"

#include "core/time.h"

static const uint32_t SIZES[TL_MTU_SIZES] = {TL_MTU_BASE, 1372, 1452, 8932};

#define LOSSES_MAX 3

void tl_mtu_init(struct tl_mtu *m, uint32_t size_max, uint64_t retry, uint64_t now) {
  *m = (struct tl_mtu){.size_max = size_max, .retry = retry};
  tl_mtu_reset(m, now);
}

static bool can_rise(const struct tl_mtu *m) {
  return m->level + 1 < TL_MTU_SIZES && SIZES[m->level + 1] <= m->size_max;
}

void tl_mtu_reset(struct tl_mtu *m, uint64_t now) {
  m->level = m->tried = 0;
  m->losses = 0;
  m->is_flying = m->is_doubted = m->is_suspended = false;
  m->next_at = can_rise(m) ? now : TL_NEVER;
}

uint32_t tl_mtu_size(const struct tl_mtu *m) {
  return m->is_suspended ? TL_MTU_BASE : SIZES[m->level];
}

uint32_t tl_mtu_poll(struct tl_mtu *m, uint64_t now) {
  if (m->is_flying || now < m->next_at) return 0;
  m->tried = m->is_doubted ? m->level : m->level + 1;
  m->is_flying = true;
  return SIZES[m->tried];
}

static void continue_after(struct tl_mtu *m, uint64_t now, uint64_t pause) {
  m->is_doubted = m->is_suspended = false;
  m->losses = 0;
  m->next_at = can_rise(m) ? tl_time_add(now, pause) : TL_NEVER;
}

bool tl_mtu_passed(struct tl_mtu *m, uint64_t now) {
  if (!m->is_flying) return false;
  m->is_flying = false;
  bool has_changed = m->tried != m->level || m->is_suspended;
  bool was_doubt = m->tried == m->level; /* and it was unfounded */
  m->level = m->tried;
  continue_after(m, now, was_doubt ? m->retry : 0);
  return has_changed;
}

bool tl_mtu_lost(struct tl_mtu *m, uint64_t now) {
  if (!m->is_flying) return false;
  m->is_flying = false;
  if (++m->losses < LOSSES_MAX) {
    m->next_at = now;
    return false;
  }
  bool is_fall = m->tried == m->level && m->level > 0;
  if (is_fall) m->level = 0;
  continue_after(m, now, m->retry);
  return is_fall;
}

void tl_mtu_doubt(struct tl_mtu *m, uint64_t now, bool suspend) {
  if (m->level == 0) return;
  m->is_suspended |= suspend;
  if (m->is_doubted || m->is_flying) return;
  m->is_doubted = true;
  m->losses = 0;
  m->next_at = now;
}

uint64_t tl_mtu_deadline(const struct tl_mtu *m) {
  return m->is_flying ? TL_NEVER : m->next_at;
}
