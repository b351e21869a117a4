#include "client/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "client/drive.h"
#include "client/stay.h"

/* Up to so many members wait on futexes; below the second number those in epoll come back. */
#define FUTEX_MEMBERS_MAX  32
#define FUTEX_MEMBERS_BACK 16

/* Steps after which all members are looked at again, so that busy ones do not hide the others. */
#define STEPS_MAX 64

#define COMPLETIONS_MAX 64

#define EPOLL_BATCH 64

#define TICK_NS TL_S

/* What epoll says of descriptors that are no channel's. */
enum { TOLD_WAKE = 0, TOLD_SOCKET = 1, TOLD_TIMER = 2, TOLD_CHANNEL };

/* ---- life ---- */

void tl_loop_init(struct tl_loop *l) {
  *l = (struct tl_loop){.epoll_fd = -1, .timer_fd = -1, .timer_at = TL_NEVER};
  tl_list_init(&l->members);
  tl_list_init(&l->ready);
  tl_list_init(&l->spares);
}

static void close_all(int *fds[], size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (*fds[i] >= 0) close(*fds[i]);
    *fds[i] = -1;
  }
}

void tl_loop_deinit(struct tl_loop *l) {
  close_all((int *[]){&l->epoll_fd, &l->timer_fd}, 2);
  tl_served_free_spares(l);
}

/* ---- members ---- */

static struct tulle_channel *next_attention(struct tl_alert *a) {
  struct tl_list *link = tl_alert_next(a);
  return link ? tl_container_of(link, struct tulle_channel, attention_link) : NULL;
}

static void make_ready(struct tl_loop *l, struct tulle_channel *c) {
  if (tl_list_is_empty(&c->ready_link)) tl_list_push_back(&l->ready, &c->ready_link);
}

static void epoll_add(struct tl_loop *l, int fd, uint64_t told) {
  struct epoll_event e = {.events = EPOLLIN, .data.u64 = told};
  (void)epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &e);
}

static void join_epoll(struct tl_loop *l, struct tulle_channel *c) {
  if (c->is_in_epoll) return;
  c->is_in_epoll = true;
  epoll_add(l, tl_channel_fd(&c->ring), (uintptr_t)c);
}

/* Takes over the holder of the list of attention, or gives it back where the loop has one. */
static void absorb_all(struct tulle *t) {
  struct tl_loop *l = &t->loop;
  struct tulle_channel *c;
  while ((c = next_attention(&t->alert))) {
    bool is_new = !c->is_member;
    if (is_new) {
      tl_list_push_back(&l->members, &c->member_link);
      l->member_count++;
      if (l->is_in_epoll) join_epoll(l, c);
    }
    c->is_armed = false; /* somebody else may have waited there */
    make_ready(l, c);
    tl_lock_take(&c->lock);
    c->is_attending = false;
    c->is_member = true;
    if (!is_new) c->holders--;
    tl_lock_give(&c->lock);
  }
}

static inline void absorb(struct tulle *t) {
  if (tl_unlikely(__atomic_load_n(&t->alert.has_attention, __ATOMIC_ACQUIRE))) absorb_all(t);
}

static void forget_member(struct tulle *t, struct tulle_channel *c) {
  struct tl_loop *l = &t->loop;
  tl_served_forget_intake(c);
  tl_list_remove(&c->ready_link);
  tl_list_remove(&c->member_link);
  l->member_count--;
  if (c->is_in_epoll) (void)epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, tl_channel_fd(&c->ring), NULL);
  c->is_in_epoll = c->is_armed = false;
  tl_stay_forget(t, c);
  tl_lock_take(&c->lock);
  c->is_member = c->is_watched = false;
  c->holders--;
  tl_channel_give(c);
}

void tl_loop_leave_all(struct tulle *t) {
  absorb(t);
  TL_LIST_FOR_EACH(l, &t->loop.members)
  forget_member(t, tl_container_of(l, struct tulle_channel, member_link));
}

void tl_loop_end_service(struct tulle *t, const struct tulle_service *s) {
  absorb(t);
  TL_LIST_FOR_EACH(l, &t->loop.members) {
    struct tulle_channel *c = tl_container_of(l, struct tulle_channel, member_link);
    if (c->service != s) continue;
    tl_lock_take(&c->lock);
    tl_channel_close_own(c);
    tl_lock_give(&c->lock);
    forget_member(t, c);
  }
  /* Closing has put them on the list of attention. */
  absorb(t);
  TL_LIST_FOR_EACH(l, &t->loop.members) {
    struct tulle_channel *c = tl_container_of(l, struct tulle_channel, member_link);
    if (c->service == s) forget_member(t, c);
  }
}

/* ---- arming (epoll) ---- */

/* (lock) There is room again: whoever was told AGAIN may try. */
static void grant_room(struct tulle_channel *c) {
  if (c->room_wanted) c->t->loop.has_room = true;
  c->room_wanted = 0;
}

/* (lock) Arms for room where that is needed. True: there is room already. */
static bool arm_room(struct tulle_channel *c) {
  uint32_t length = tl_channel_room_wanted(c);
  if (tl_likely(!length) || !tl_channel_arm_room(&c->ring, length)) return false;
  grant_room(c);
  return true;
}

/* True: there is something to do at once. */
static bool arm(struct tulle_channel *c) {
  bool is_ready;
  tl_lock_take(&c->lock);
  if (c->role == TL_ROLE_SERVER) {
    is_ready = arm_room(c) || (!tl_channel_is_blocked(c) && tl_channel_arm(&c->ring));
    c->is_armed = !is_ready;
  } else {
    bool is_wanted = c->async_count || c->out_count || c->room_wanted;
    /* Under the lock and without a driver, the receiving side is ours. */
    c->is_watched = is_wanted && !c->driver;
    is_ready = c->is_watched && (arm_room(c) || tl_channel_arm(&c->ring) || c->end.code);
    c->is_armed = c->is_watched && !is_ready;
  }
  tl_lock_give(&c->lock);
  return is_ready;
}

/* Its descriptor has told, or shall tell no more. */
static void disarm(struct tulle_channel *c) {
  c->is_armed = false;
  tl_lock_take(&c->lock);
  if (!c->driver) {
    tl_channel_disarm_room(&c->ring);
    tl_channel_disarm(&c->ring);
  } else {
    tl_parker_drain(&c->ring.rx_parker); /* a thread waits there now, and not for the descriptor */
  }
  tl_lock_give(&c->lock);
}

static void set_aside(struct tl_loop *l, struct tulle_channel *c) {
  tl_list_remove(&c->ready_link);
  if (l->is_in_epoll && !c->is_armed && arm(c)) make_ready(l, c);
}

static int make_descriptors(struct tulle *t) {
  struct tl_loop *l = &t->loop;
  if (l->epoll_fd >= 0) return 0;
  int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  if (wake < 0 || timer < 0 || epoll < 0) {
    int r = -errno;
    close_all((int *[]){&wake, &timer, &epoll}, 3);
    return r;
  }
  l->timer_fd = timer;
  tl_lock_take(&t->lock); /* a session may be made at the same time */
  l->epoll_fd = epoll;
  epoll_add(l, wake, TOLD_WAKE);
  epoll_add(l, timer, TOLD_TIMER);
  tl_line_watch(&t->line, epoll, TOLD_SOCKET);
  tl_lock_give(&t->lock);
  __atomic_store_n(&t->alert.wake_fd, wake, __ATOMIC_SEQ_CST);
  return 0;
}

static int enter_epoll(struct tulle *t) {
  struct tl_loop *l = &t->loop;
  int r = make_descriptors(t);
  if (r || l->is_in_epoll) return r;
  l->is_in_epoll = true;
  TL_LIST_FOR_EACH(link, &l->members) {
    struct tulle_channel *c = tl_container_of(link, struct tulle_channel, member_link);
    join_epoll(l, c);
    if (tl_list_is_empty(&c->ready_link)) set_aside(l, c);
  }
  return 0;
}

static void leave_epoll(struct tl_loop *l) {
  l->is_in_epoll = false;
  TL_LIST_FOR_EACH(link, &l->members) {
    struct tulle_channel *c = tl_container_of(link, struct tulle_channel, member_link);
    if (c->is_armed) disarm(c);
  }
}

/* ---- looking ---- */

/* Whether a member that nobody told of has something, as far as a glance tells. */
static bool has_something(struct tulle_channel *c) {
  struct tl_message m;
  if (c->role == TL_ROLE_SERVER) {
    if (tl_unlikely(tl_channel_end_code(c) || c->intake_count)) return true;
    return !tl_channel_is_blocked(c) && tl_channel_peek(&c->ring, &m) != TL_EMPTY;
  }
  tl_lock_take(&c->lock);
  bool is_ours = !c->driver && (c->async_count || c->out_count || c->end.code);
  bool has =
      is_ours && (c->ended_count || c->end.code || tl_channel_peek(&c->ring, &m) != TL_EMPTY);
  tl_lock_give(&c->lock);
  return has;
}

/* Asynchronous calls may be late: their channels look, and say when the next one is. */
static void look_for_late(struct tulle *t, uint64_t now) {
  struct tl_loop *l = &t->loop;
  if (now < __atomic_load_n(&t->alert.async_deadline, __ATOMIC_RELAXED)) return;
  __atomic_store_n(&t->alert.async_deadline, TL_NEVER, __ATOMIC_SEQ_CST);
  TL_LIST_FOR_EACH(link, &l->members) {
    struct tulle_channel *c = tl_container_of(link, struct tulle_channel, member_link);
    if (c->role == TL_ROLE_CLIENT) make_ready(l, c);
  }
}

static void drain(int fd) {
  uint64_t count;
  ssize_t ignored = read(fd, &count, sizeof count);
  (void)ignored;
}

/* Takes what epoll tells. */
static void take_told(struct tulle *t, const struct epoll_event *events, int count) {
  struct tl_loop *l = &t->loop;
  for (int i = 0; i < count; i++) {
    uint64_t told = events[i].data.u64;
    if (told == TOLD_WAKE) {
      drain(t->alert.wake_fd);
    } else if (told == TOLD_SOCKET) {
      tl_stay_poll(t, tl_time_now());
    } else if (told == TOLD_TIMER) {
      drain(l->timer_fd);
      l->timer_at = TL_NEVER;
      tl_stay_poll(t, tl_time_now());
    } else {
      struct tulle_channel *c = (struct tulle_channel *)(uintptr_t)told;
      disarm(c);
      make_ready(l, c);
    }
  }
}

static void ask_epoll(struct tulle *t, int timeout_ms) {
  struct epoll_event events[EPOLL_BATCH];
  int n = epoll_wait(t->loop.epoll_fd, events, EPOLL_BATCH, timeout_ms);
  if (n > 0) take_told(t, events, n);
}

static struct tulle_channel *first_member(struct tl_loop *l) {
  return tl_container_of(l->members.next, struct tulle_channel, member_link);
}

static void look_at_all(struct tulle *t) {
  struct tl_loop *l = &t->loop;
  if (l->is_in_epoll) {
    ask_epoll(t, 0);
  } else {
    /* With no member, only the socket tells. */
    bool is_rung = !l->member_count || tl_channel_is_rung(first_member(l));
    TL_LIST_FOR_EACH(link, &l->members) {
      struct tulle_channel *c = tl_container_of(link, struct tulle_channel, member_link);
      if (has_something(c)) make_ready(l, c);
    }
    if (tl_unlikely(is_rung)) tl_stay_poll(t, tl_time_now());
  }
  absorb(t);
}

/* ---- one step ---- */

static void rotate(struct tl_loop *l, struct tulle_channel *c) {
  if (l->ready.next == l->ready.prev) return; /* there is nobody else */
  tl_list_remove(&c->ready_link);
  make_ready(l, c);
}

static void step_client(struct tulle *t, struct tulle_channel *c, unsigned *ran) {
  bool is_more;
  *ran += tl_drive_turn(c, COMPLETIONS_MAX, &is_more);
  uint64_t deadline = __atomic_load_n(&c->async_deadline, __ATOMIC_RELAXED);
  if (deadline != TL_NEVER) (void)tl_alert_is_late_for(&t->alert, deadline);
  tl_lock_take(&c->lock);
  bool is_over = c->end.code && !c->async_count;
  tl_lock_give(&c->lock);
  if (is_over)
    forget_member(t, c);
  else if (is_more)
    rotate(&t->loop, c);
  else
    set_aside(&t->loop, c);
}

static int step_server(struct tulle *t, struct tulle_channel *c,
                       struct tulle_call_context **out_call) {
  struct tl_loop *l = &t->loop;
  int r = tl_served_take(c, out_call);
  switch (r) {
  case 0:
  case TL_MORE:
    rotate(l, c);
    return r;
  case TL_END:
    forget_member(t, c);
    return TL_MORE;
  default:
    tl_channel_flush(&c->ring); /* no wait may follow that would do it */
    set_aside(l, c);
    /* Where there is but one, there is nobody else to look at. */
    return l->member_count == 1 && tl_list_is_empty(&l->ready) ? TL_EMPTY : TL_MORE;
  }
}

int tl_loop_step(struct tulle *t, struct tulle_call_context **out_call, unsigned *ran) {
  struct tl_loop *l = &t->loop;
  absorb(t);
  bool is_due = ++l->steps >= STEPS_MAX;
  if (is_due || tl_list_is_empty(&l->ready)) {
    if (is_due) tl_loop_look_around(t);
    l->steps = 0;
    look_at_all(t);
  }
  if (tl_list_is_empty(&l->ready)) return TL_EMPTY;
  struct tulle_channel *c = tl_container_of(l->ready.next, struct tulle_channel, ready_link);
  if (c->role == TL_ROLE_SERVER) return step_server(t, c, out_call);
  step_client(t, c, ran);
  return TL_MORE;
}

/* ---- waiting ---- */

static uint64_t due(struct tulle *t) {
  return tl_time_min(__atomic_load_n(&t->alert.async_deadline, __ATOMIC_SEQ_CST), tl_stay_due(t));
}

/* Something has happened since the last look that no descriptor or futex will tell again. */
static bool is_told(struct tulle *t) {
  return __atomic_load_n(&t->alert.has_attention, __ATOMIC_SEQ_CST) ||
         __atomic_load_n(&t->alert.is_stopped, __ATOMIC_SEQ_CST) || tl_lead_is_wanted(&t->lead) ||
         !tl_list_is_empty(&t->loop.ready);
}

static void wait_in_epoll(struct tulle *t, uint64_t deadline) {
  uint64_t now = tl_time_now();
  uint64_t ns = deadline > now ? tl_time_min(deadline - now, TICK_NS) : 0;
  ask_epoll(t, is_told(t) ? 0 : (int)((ns + TL_MS - 1) / TL_MS));
}

/* What to wait for at a member. False: there is something already. */
static bool wish_of(struct tulle_channel *c, struct tl_channel_wish *out) {
  *out = (struct tl_channel_wish){.channel = &c->ring, .records = !tl_channel_is_blocked(c)};
  if (tl_likely(!__atomic_load_n(&c->out_count, __ATOMIC_RELAXED) && !c->room_wanted)) return true;
  tl_lock_take(&c->lock);
  uint32_t length = tl_channel_room_wanted(c);
  out->room = length && tl_channel_await_room(&c->ring, length) == TL_FULL;
  if (length && !out->room) grant_room(c);
  tl_lock_give(&c->lock);
  return !length || out->room;
}

struct wait_set {
  struct tl_channel_wish wishes[FUTEX_MEMBERS_MAX];
  struct tulle_channel *driven[FUTEX_MEMBERS_MAX]; /* clients' channels, ours for the wait */
  size_t wish_count, driven_count;
};

/* False: somebody has something already. */
static bool gather(struct tl_loop *l, struct wait_set *set) {
  set->wish_count = set->driven_count = 0;
  TL_LIST_FOR_EACH(link, &l->members) {
    struct tulle_channel *c = tl_container_of(link, struct tulle_channel, member_link);
    if (c->role == TL_ROLE_CLIENT) {
      if (!tl_drive_wait_begin(c)) continue;
      set->driven[set->driven_count++] = c;
    }
    struct tl_channel_wish *w = &set->wishes[set->wish_count];
    if (!wish_of(c, w)) {
      make_ready(l, c);
      return false;
    }
    if (w->records || w->room) set->wish_count++;
  }
  return true;
}

static void release_driven(struct wait_set *set) {
  for (size_t i = 0; i < set->driven_count; i++) tl_drive_wait_end(set->driven[i]);
}

/* 0: a ring may have something; TL_EMPTY: there is no ring to wait on; else why the wait ended. */
static int wait_on_futexes(struct tulle *t, const struct tl_wait *wait) {
  struct tl_loop *l = &t->loop;
  struct wait_set set;
  int r = 0;
  if (gather(l, &set)) {
    r = set.wish_count ? tl_channel_wait_any(set.wishes, set.wish_count, wait) : TL_EMPTY;
    /* Where there is but one, nobody has to look which it is. */
    if (r == 0 && l->member_count == 1) make_ready(l, first_member(l));
  }
  release_driven(&set);
  return r;
}

static bool is_for_epoll(const struct tl_loop *l) {
  size_t most = l->is_in_epoll ? FUTEX_MEMBERS_BACK : FUTEX_MEMBERS_MAX;
  return l->uses_fd || l->member_count == 0 || l->member_count > most;
}

/* Says until when the loop sleeps, and looks once more whether that is not too long. */
static uint64_t plan(struct tulle *t, uint64_t deadline) {
  deadline = tl_time_min(deadline, due(t));
  __atomic_store_n(&t->alert.planned, deadline, __ATOMIC_SEQ_CST);
  return tl_time_min(deadline, due(t));
}

/* As wait_on_futexes(); TL_EMPTY: it has to be epoll. */
static int try_futexes(struct tulle *t, uint64_t deadline) {
  struct tl_loop *l = &t->loop;
  if (is_for_epoll(l)) return TL_EMPTY;
  if (l->is_in_epoll) leave_epoll(l);
  struct tl_wait wait = tl_channel_wait_of(first_member(l));
  wait.deadline = plan(t, deadline);
  return is_told(t) ? 0 : wait_on_futexes(t, &wait);
}

void tl_loop_wait(struct tulle *t, uint64_t deadline) {
  int r = try_futexes(t, deadline);
  if (r == TL_EMPTY && enter_epoll(t) == 0) wait_in_epoll(t, plan(t, deadline));
  __atomic_store_n(&t->alert.planned, 0, __ATOMIC_RELAXED);
  if (tl_likely(r == 0)) return;
  tl_stay_hear(t, r);
  tl_loop_look_around(t); /* waits that are shorter than a tick of their own add up to one */
}

/* ---- for programs with a loop of their own ---- */

void tl_loop_look_around(struct tulle *t) {
  struct tl_loop *l = &t->loop;
  uint64_t now = tl_time_now();
  look_for_late(t, now);
  bool is_due = now >= tl_stay_due(t);
  if (is_due || !l->uses_fd) tl_stay_poll_after(t, now, is_due ? 0 : TICK_NS);
}

static void set_timer(struct tl_loop *l, uint64_t at) {
  struct itimerspec s = {.it_value = {.tv_sec = (time_t)(at / TL_S), .tv_nsec = (long)(at % TL_S)}};
  if (at == 0) s.it_value.tv_nsec = 1;
  (void)timerfd_settime(l->timer_fd, TFD_TIMER_ABSTIME, &s, NULL);
}

void tl_loop_rest(struct tulle *t) {
  struct tl_loop *l = &t->loop;
  if (!l->uses_fd) return;
  uint64_t at = due(t);
  if (at < l->timer_at) {
    l->timer_at = at;
    set_timer(l, at);
  }
  __atomic_store_n(&t->alert.planned, l->timer_at, __ATOMIC_SEQ_CST);
  if (is_told(t) || due(t) < l->timer_at) tl_alert_wake_epoll(&t->alert);
}

int tl_loop_use_fd(struct tulle *t) {
  struct tl_loop *l = &t->loop;
  l->uses_fd = true;
  absorb(t);
  int r = enter_epoll(t);
  if (r) return r;
  tl_loop_rest(t);
  return l->epoll_fd;
}
