#include "client/attach.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "client/autostart.h"
#include "client/loop.h"
#include "client/place.h"
#include "client/stay.h"

/* After a node's death the next one is waited for that long before the caller is told. */
#define REATTACH_NS (2 * TL_S)

/* ---- making sure of a node ---- */

static bool is_ready(struct tulle *t) {
  return __atomic_load_n(&t->stay.state, __ATOMIC_ACQUIRE) == TL_STAY_READY;
}

/* Whether trying again may help. */
static bool is_passing(int code) {
  return code == TULLE_E_NO_NODE || code == TULLE_E_AGAIN || code == TULLE_E_BUSY;
}

/* What an attempt has come to. */
struct attempt {
  enum tl_stay_state state;
  int code;
  int fd;
  uint64_t retry_at;
  bool was_attached;
};

static struct attempt look_at(struct tulle *t) {
  struct tl_stay *s = &t->stay;
  tl_lock_take(&t->lock);
  struct attempt a = {s->state, s->code, t->line.fd, s->retry_at, s->self.client != 0};
  tl_lock_give(&t->lock);
  return a;
}

static void wait_for(const struct attempt *a, uint64_t now, uint64_t deadline) {
  uint64_t until = a->state == TL_STAY_NONE ? tl_time_min(a->retry_at, deadline) : deadline;
  uint64_t ns = until > now ? tl_time_min(until - now, TL_S) : 0;
  struct pollfd p = {.fd = a->state == TL_STAY_NONE ? -1 : a->fd, .events = POLLIN};
  (void)poll(&p, 1, (int)((ns + TL_MS - 1) / TL_MS));
}

static int start_node(struct tulle *t, uint64_t deadline) {
  int r = tl_autostart(t->runtime_dir, deadline);
  tl_lock_take(&t->lock);
  if (!r) t->stay.retry_at = tl_time_now();
  tl_lock_give(&t->lock);
  return r;
}

int tl_attachment_ready(struct tulle *t, uint64_t deadline) {
  bool may_start = t->may_autostart;
  uint64_t give_up = 0;
  if (tl_likely(is_ready(t))) return 0;
  for (;;) {
    uint64_t now = tl_time_now();
    tl_stay_poll(t, now);
    if (is_ready(t)) return 0;
    struct attempt a = look_at(t);
    if (a.state == TL_STAY_NONE && !is_passing(a.code)) return a.code;
    if (!give_up) give_up = a.was_attached ? tl_time_add(now, REATTACH_NS) : now;
    if (a.state == TL_STAY_NONE && a.code == TULLE_E_NO_NODE && may_start) {
      int r = start_node(t, deadline);
      if (r) return r == TULLE_E_NO_MEMORY ? r : TULLE_E_NO_NODE;
      may_start = false;
      give_up = TL_NEVER;
      continue;
    }
    if (a.state == TL_STAY_NONE && a.code == TULLE_E_NO_NODE && now >= give_up) return a.code;
    if (now >= deadline) return a.state == TL_STAY_NONE ? a.code : TULLE_E_DEADLINE;
    wait_for(&a, now, deadline);
  }
}

/* ---- life ---- */

static void free_memory(struct tulle *t) {
  free(t->runtime_dir);
  free(t);
}

static int init(struct tulle *t, const struct tulle_options *o) {
  const char *program = o->program ? o->program : program_invocation_short_name;
  *t = (struct tulle){.may_autostart = !o->no_autostart && tl_place_may_autostart(),
                      .parking.mode = tl_place_parking_mode(),
                      .register_at = TL_NEVER};
  size_t size = strnlen(program, sizeof t->program - 1);
  memcpy(t->program, program, size);
  tl_list_init(&t->services);
  tl_list_init(&t->channels);
  if (o->runtime_dir && !(t->runtime_dir = strdup(o->runtime_dir))) return TULLE_E_NO_MEMORY;
  int r = tl_process_enter(&t->process);
  if (!r) r = tl_alert_init(&t->alert);
  if (r) return r;
  r = tl_lead_init(&t->lead);
  if (r) {
    tl_alert_deinit(&t->alert);
    return r;
  }
  tl_line_init(&t->line);
  tl_stay_init(&t->stay);
  tl_loop_init(&t->loop);
  return 0;
}

void tl_attachment_free(struct tulle *t) {
  tl_table_deinit(&t->stay.channels);
  tl_loop_deinit(&t->loop);
  tl_lead_deinit(&t->lead);
  tl_alert_deinit(&t->alert);
  free_memory(t);
}

static void give_up(struct tulle *t) {
  tl_lock_take(&t->lock);
  tl_stay_close(t, TULLE_E_CLOSED);
  tl_lock_give(&t->lock);
  tl_attachment_free(t);
}

int tulle_attach(const struct tulle_options *options, struct tulle **out) {
  struct tulle_options none = {.runtime_dir = NULL};
  const struct tulle_options *o = options ? options : &none;
  struct tulle *t = malloc(sizeof *t);
  if (!out || !t) {
    free(t);
    return out ? TULLE_E_NO_MEMORY : TULLE_E_INVALID;
  }
  int r = init(t, o);
  if (r) {
    free_memory(t);
    return r;
  }
  uint64_t timeout_ns = o->timeout_ns ? o->timeout_ns : TULLE_TIMEOUT_DEFAULT;
  r = tl_attachment_ready(t, tl_time_add(tl_time_now(), timeout_ns));
  if (r) {
    give_up(t);
    return r;
  }
  *out = t;
  return 0;
}

/* ---- the attachment of the process ---- */

static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;
static struct tulle *shared;

/* A forked child makes its own; the parent's memory is left as it is. */
static int shared_get(struct tulle **out) {
  int r = 0;
  struct tulle *t = __atomic_load_n(&shared, __ATOMIC_ACQUIRE);
  if (t && !tl_process_is_other(t->process)) {
    *out = t;
    return 0;
  }
  pthread_mutex_lock(&shared_lock);
  t = shared;
  if (!t || tl_process_is_other(t->process)) r = tulle_attach(NULL, &t);
  if (!r) __atomic_store_n(&shared, t, __ATOMIC_RELEASE);
  pthread_mutex_unlock(&shared_lock);
  if (!r) *out = t;
  return r;
}

int tl_attachment_of(struct tulle *t, struct tulle **out) {
  if (!t) return shared_get(out);
  if (tl_process_is_other(t->process)) return TULLE_E_FORKED;
  *out = t;
  return 0;
}

/* ---- small questions ---- */

int tulle_self(struct tulle *t, struct tulle_identity *out) {
  int r = out ? tl_attachment_of(t, &t) : TULLE_E_INVALID;
  if (r) return r;
  tl_lock_take(&t->lock);
  *out = t->stay.self;
  tl_lock_give(&t->lock);
  return 0;
}

void tulle_stop(struct tulle *t) {
  int before = errno; /* it may be a signal's handler that interrupts what looks at it */
  if (!t) t = __atomic_load_n(&shared, __ATOMIC_ACQUIRE);
  if (t && !tl_process_is_other(t->process)) tl_alert_stop(&t->alert);
  errno = before;
}
