#include "client/lead.h"

#include "core/error.h"

int tl_lead_init(struct tl_lead *l) {
  *l = (struct tl_lead){.leader = NULL};
  if (pthread_mutex_init(&l->mutex, NULL) != 0) return TULLE_E_NO_MEMORY;
  pthread_cond_init(&l->is_free, NULL);
  pthread_cond_init(&l->is_urgent, NULL);
  return 0;
}

void tl_lead_deinit(struct tl_lead *l) {
  pthread_cond_destroy(&l->is_free);
  pthread_cond_destroy(&l->is_urgent);
  pthread_mutex_destroy(&l->mutex);
}

void tl_lead_take(struct tl_lead *l) {
  pthread_mutex_lock(&l->mutex);
  while (l->leader || l->urgent) pthread_cond_wait(&l->is_free, &l->mutex);
  l->leader = tl_thread_self();
  pthread_mutex_unlock(&l->mutex);
}

void tl_lead_take_soon(struct tl_lead *l, struct tl_alert *alert) {
  pthread_mutex_lock(&l->mutex);
  __atomic_fetch_add(&l->urgent, 1, __ATOMIC_RELAXED);
  if (l->leader) tl_alert_raise(alert);
  while (l->leader) pthread_cond_wait(&l->is_urgent, &l->mutex);
  __atomic_fetch_sub(&l->urgent, 1, __ATOMIC_RELAXED);
  l->leader = tl_thread_self();
  pthread_mutex_unlock(&l->mutex);
}

bool tl_lead_try(struct tl_lead *l) {
  pthread_mutex_lock(&l->mutex);
  bool is_ours = !l->leader && !l->urgent;
  if (is_ours) l->leader = tl_thread_self();
  pthread_mutex_unlock(&l->mutex);
  return is_ours;
}

void tl_lead_give(struct tl_lead *l) {
  pthread_mutex_lock(&l->mutex);
  l->leader = NULL;
  pthread_cond_signal(l->urgent ? &l->is_urgent : &l->is_free);
  pthread_mutex_unlock(&l->mutex);
}

bool tl_lead_is_mine(struct tl_lead *l) {
  pthread_mutex_lock(&l->mutex);
  bool is_ours = l->leader == tl_thread_self();
  pthread_mutex_unlock(&l->mutex);
  return is_ours;
}
