/*
 * The two ways to drive the loop: serving with threads, and dispatching from a loop of the
 * program's own.
 */
#include <signal.h>
#include <stdlib.h>

#include "client/attach.h"
#include "client/budget.h"
#include "client/loop.h"
#include "client/served.h"
#include "tulle/service.h"

#define THREADS_MAX 1024

struct server {
  struct tulle *t;
  bool is_shared; /* several threads: the lead is passed on before a handler runs */
};

static bool is_stopped(struct tulle *t) {
  return __atomic_load_n(&t->alert.is_stopped, __ATOMIC_ACQUIRE);
}

static void forget_stop(struct tulle *t) {
  __atomic_store_n(&t->alert.is_stopped, false, __ATOMIC_RELEASE);
}

static void run(const struct server *s, struct tulle_call_context *call) {
  if (!s->is_shared) {
    tl_served_run(call, false);
    return;
  }
  tl_served_share(call);
  tl_lead_give(&s->t->lead);
  tl_served_run(call, true);
  tl_lead_take(&s->t->lead);
}

static void *serve(void *argument) {
  const struct server *s = argument;
  struct tulle *t = s->t;
  tl_lead_take(&t->lead);
  while (!is_stopped(t)) {
    struct tulle_call_context *call;
    unsigned ran = 0;
    int r = tl_loop_step(t, &call, &ran);
    if (r == 0) {
      run(s, call);
    } else if (r == TL_EMPTY) {
      tl_loop_wait(t, TL_NEVER);
    }
    if (tl_unlikely(tl_lead_is_wanted(&t->lead))) {
      tl_lead_give(&t->lead);
      tl_lead_take(&t->lead);
    }
  }
  tl_lead_give(&t->lead);
  return NULL;
}

/* The program's signals are for the program's threads. */
static int start_thread(pthread_t *out, struct server *s) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int r = pthread_create(out, NULL, serve, s);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return r ? TULLE_E_NO_MEMORY : 0;
}

int tulle_serve(struct tulle *t, unsigned threads) {
  if (!threads || threads > THREADS_MAX) return TULLE_E_INVALID;
  int r = tl_attachment_of(t, &t);
  if (r) return r;
  if (t->loop.uses_fd || tl_lead_is_mine(&t->lead)) return TULLE_E_BUSY;
  struct server s = {t, threads > 1};
  pthread_t *others = calloc(threads, sizeof *others);
  unsigned started = 0;
  if (!others) return TULLE_E_NO_MEMORY;
  while (!r && started + 1 < threads) {
    r = start_thread(&others[started], &s);
    if (!r) started++;
  }
  if (r)
    tulle_stop(t);
  else
    (void)serve(&s);
  for (unsigned i = 0; i < started; i++) pthread_join(others[i], NULL);
  free(others);
  forget_stop(t);
  return r;
}

/* ---- dispatching ---- */

/* One bounded turn: how many ran. */
static unsigned take_turn(struct tulle *t) {
  unsigned ran = 0;
  size_t bytes = 0;
  while (ran < TL_TURN_RECORDS_MAX && bytes < TL_TURN_BYTES_MAX) {
    struct tulle_call_context *call;
    int r = tl_loop_step(t, &call, &ran);
    if (r == TL_EMPTY) break;
    if (r) continue;
    bytes += call->size;
    ran++;
    tl_served_run(call, false);
  }
  return ran;
}

static int begin(struct tulle **t) {
  int r = tl_attachment_of(*t, t);
  if (r) return r;
  return tl_lead_try(&(*t)->lead) ? 0 : TULLE_E_BUSY;
}

static void end(struct tulle *t) {
  tl_loop_rest(t);
  tl_lead_give(&t->lead);
}

int tulle_dispatch(struct tulle *t) {
  int r = begin(&t);
  if (r) return r;
  unsigned ran = take_turn(t);
  if (!ran) {
    tl_loop_look_around(t);
    ran = take_turn(t);
  }
  end(t);
  return (int)ran;
}

int tulle_dispatch_wait(struct tulle *t, uint64_t timeout_ns) {
  int r = begin(&t);
  if (r) return r;
  t->loop.has_room = false;
  unsigned ran = take_turn(t);
  uint64_t deadline = ran ? 0 : tl_time_add(tl_time_now(), tl_budget_cut(timeout_ns));
  while (!ran && !t->loop.has_room && !is_stopped(t) && tl_time_now() < deadline) {
    tl_loop_wait(t, deadline);
    ran = take_turn(t);
  }
  if (!ran && !t->loop.has_room) forget_stop(t);
  end(t);
  return (int)ran;
}

int tulle_fd(struct tulle *t) {
  int r = begin(&t);
  if (r) return r;
  r = tl_loop_use_fd(t);
  tl_lead_give(&t->lead);
  return r;
}
