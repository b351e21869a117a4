#include "client/alert.h"

#include <unistd.h>

#include "core/time.h"

int tl_alert_init(struct tl_alert *a) {
  *a = (struct tl_alert){.wake_fd = -1, .async_deadline = TL_NEVER};
  tl_list_init(&a->attention);
  return tl_cancel_init(&a->cancel);
}

void tl_alert_stop(struct tl_alert *a) {
  __atomic_fetch_add(&a->stopping, 1, __ATOMIC_RELAXED);
  __atomic_store_n(&a->is_stopped, true, __ATOMIC_SEQ_CST);
  tl_alert_raise(a);
  if (__atomic_fetch_sub(&a->stopping, 1, __ATOMIC_RELEASE) == 1) tl_futex_wake(&a->stopping);
}

void tl_alert_deinit(struct tl_alert *a) {
  for (uint32_t n; (n = __atomic_load_n(&a->stopping, __ATOMIC_ACQUIRE));)
    tl_futex_wait(&a->stopping, n, TL_NEVER);
  tl_cancel_deinit(&a->cancel);
  if (a->wake_fd >= 0) close(a->wake_fd);
  a->wake_fd = -1;
}

void tl_alert_wake_epoll(struct tl_alert *a) {
  uint64_t one = 1;
  int fd = __atomic_load_n(&a->wake_fd, __ATOMIC_SEQ_CST);
  if (fd < 0) return;
  ssize_t ignored = write(fd, &one, sizeof one);
  (void)ignored;
}

void tl_alert_raise(struct tl_alert *a) {
  tl_cancel_ring(&a->cancel);
  tl_alert_wake_epoll(a);
}

void tl_alert_attend(struct tl_alert *a, struct tl_list *link) {
  tl_lock_take(&a->lock);
  tl_list_push_back(&a->attention, link);
  __atomic_store_n(&a->has_attention, true, __ATOMIC_SEQ_CST);
  tl_lock_give(&a->lock);
}

bool tl_alert_unattend(struct tl_alert *a, struct tl_list *link) {
  tl_lock_take(&a->lock);
  bool is_there = !tl_list_is_empty(link);
  tl_list_remove(link);
  tl_lock_give(&a->lock);
  return is_there;
}

struct tl_list *tl_alert_next(struct tl_alert *a) {
  tl_lock_take(&a->lock);
  struct tl_list *link = tl_list_pop_front(&a->attention);
  if (!link) __atomic_store_n(&a->has_attention, false, __ATOMIC_RELAXED);
  tl_lock_give(&a->lock);
  return link;
}

bool tl_alert_is_late_for(struct tl_alert *a, uint64_t deadline) {
  uint64_t first = __atomic_load_n(&a->async_deadline, __ATOMIC_RELAXED);
  while (deadline < first)
    if (__atomic_compare_exchange_n(&a->async_deadline, &first, deadline, true, __ATOMIC_SEQ_CST,
                                    __ATOMIC_RELAXED))
      break;
  return deadline < __atomic_load_n(&a->planned, __ATOMIC_SEQ_CST);
}
