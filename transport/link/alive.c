/* Three times since the last sign of life: the first question, the next ones, the verdict. */
#include "transport/link/alive.h"

#include "core/time.h"

void tl_alive_init(struct tl_alive *a, const struct tl_alive_times *times, bool is_patient,
                   uint64_t now) {
  *a = (struct tl_alive){.times = *times, .heard_at = now, .is_patient = is_patient};
}

bool tl_alive_heard(struct tl_alive *a, uint64_t now) {
  bool was_unreachable = a->is_unreachable;
  a->heard_at = now;
  a->asked_at = 0;
  a->is_unreachable = false;
  return was_unreachable;
}

static uint64_t next_question(const struct tl_alive *a, bool is_busy) {
  if (a->asked_at) return tl_time_add(a->asked_at, a->times.ping);
  uint64_t wait = is_busy ? a->times.silence : a->times.keep_alive;
  return tl_time_add(a->heard_at, wait + (a->is_patient ? a->times.ping : 0));
}

enum tl_alive_verdict tl_alive_timeout(struct tl_alive *a, uint64_t now, bool is_busy) {
  bool is_late = !a->is_unreachable && now >= tl_time_add(a->heard_at, a->times.unreachable);
  if (!is_late && now < next_question(a, is_busy)) return TL_ALIVE_QUIET;
  a->asked_at = now;
  a->is_unreachable |= is_late;
  return is_late ? TL_ALIVE_UNREACHABLE : TL_ALIVE_ASK;
}

uint64_t tl_alive_deadline(const struct tl_alive *a, bool is_busy) {
  uint64_t question = next_question(a, is_busy);
  if (a->is_unreachable) return question;
  return tl_time_min(question, tl_time_add(a->heard_at, a->times.unreachable));
}
