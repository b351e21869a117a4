/* The clock is read once for a call, after it was sent, when there is nothing better to do than to
 * wait. */
#include "client/drive.h"

#include <string.h>

#include "client/result.h"
#include "client/stay.h"

/* Replies taken in one go before the driver looks at anything else. */
#define TURN_MAX 64

/* So many sends of completions go out in one publication at most. */
#define BATCH_MAX 16

/* How often a driver who never has to wait looks at the clock all the same. */
#define LOOKS_PER_CLOCK 64

/* ---- driving ---- */

/* (lock) Somebody else shall drive: a thread that waits here, else the loop. */
static struct tulle_pending *hand_over(struct tulle_channel *c) {
  c->driver = NULL;
  if (tl_unlikely(!tl_list_is_empty(&c->waiters))) {
    struct tulle_pending *p =
        tl_container_of(tl_list_pop_front(&c->waiters), struct tulle_pending, link);
    c->driver = p; /* until it is there itself */
    __atomic_store_n(&p->word, TL_PENDING_DRIVES, __ATOMIC_RELEASE);
    return p;
  }
  bool has_work = c->async_count || c->out_count;
  if (tl_unlikely(has_work && !c->is_watched)) tl_channel_attend(c);
  return NULL;
}

/* The words of other threads' calls are woken after the lock is given back. */
static void wake(struct tulle_pending *p) {
  if (tl_unlikely(p != NULL)) tl_futex_wake(&p->word);
}

/* Runs the completion of an asynchronous call that is out of the table, and gives it back. */
static void complete(struct tulle_channel *c, struct tulle_pending *p, int status,
                     const struct tulle_result *result) {
  p->completion(p->userdata, status, result);
  tl_lock_take(&c->lock);
  c->async_count--;
  c->completed++;
  tl_pendings_give(&c->pendings, p);
  tl_lock_give(&c->lock);
}

static void publish_batch(struct tulle_channel *c) {
  tl_lock_take(&c->lock);
  c->is_batching = false;
  tl_channel_publish(&c->ring);
  tl_lock_give(&c->lock);
}

/* The reply to a call that is not the driver's own. PROTOCOL: to one that was never made. */
static int complete_by_reply(struct tulle_channel *c, const struct tl_reply_head *head,
                             const struct tl_reader *rest) {
  struct tulle_result result;
  tl_lock_take(&c->lock);
  struct tulle_pending *p = tl_pendings_find(&c->pendings, head->id);
  bool is_made = head->id && head->id < c->next_id;
  if (p) tl_pendings_remove(&c->pendings, p);
  if (p && p->out) { /* answered before it was sent */
    tl_channel_unqueue(c, p->out);
    is_made = false;
  }
  if (p && p->completion) c->is_batching = true;
  tl_lock_give(&c->lock);
  if (!p) { /* one that nobody waits for any more */
    tl_channel_release(&c->ring);
    return is_made ? 0 : TULLE_E_PROTOCOL;
  }
  bool is_async = p->completion;
  struct tulle_result *r = is_async ? &result : p->result;
  if (is_async) tl_result_init(r);
  int status = is_made ? tl_result_read(head, rest, r) : TULLE_E_PROTOCOL;
  tl_channel_release(&c->ring);
  if (is_async) {
    complete(c, p, status, r);
    tulle_result_clear(r);
  } else {
    tl_lock_take(&c->lock);
    tl_pending_finish(p, status);
    tl_lock_give(&c->lock);
  }
  return is_made ? 0 : TULLE_E_PROTOCOL;
}

/* (driver) Takes replies until `own` has its reply (0), none is left (TL_EMPTY), or it was many
 * (TL_MORE). An error has ended the channel. */
static int take_replies(struct tulle_channel *c, struct tulle_pending *own, unsigned max) {
  struct tl_message m;
  for (unsigned n = 0; n < max; n++) {
    struct tl_reply_head head;
    int r = tl_channel_next(c, &m);
    if (r) return r;
    struct tl_reader rest = tl_reader_on(m.body, m.length);
    bool is_reply = (m.kind & ~TL_KIND_LOOSE) == TL_KIND_REPLY;
    if (tl_unlikely(!is_reply || tl_reply_decode(&rest, &head) < 0)) {
      r = TULLE_E_PROTOCOL;
    } else if (own && head.id == own->id && !own->out) {
      own->status = tl_result_read(&head, &rest, own->result);
      tl_channel_release(&c->ring);
      own->word = TL_PENDING_DONE;
      return 0;
    } else {
      r = complete_by_reply(c, &head, &rest);
      if (n % BATCH_MAX == BATCH_MAX - 1 && c->is_batching) publish_batch(c);
    }
    if (r < 0) {
      tl_lock_take(&c->lock);
      tl_channel_fail(c, TULLE_E_PROTOCOL);
      tl_lock_give(&c->lock);
      return r;
    }
  }
  return TL_MORE;
}

/* (driver) Runs what ended without a reply. */
static void run_ended(struct tulle_channel *c) {
  struct tulle_result none;
  tl_result_init(&none);
  for (;;) {
    tl_lock_take(&c->lock);
    struct tl_list *l = tl_list_pop_front(&c->ended);
    if (l) __atomic_store_n(&c->ended_count, c->ended_count - 1, __ATOMIC_RELAXED);
    tl_lock_give(&c->lock);
    if (!l) return;
    struct tulle_pending *p = tl_container_of(l, struct tulle_pending, link);
    complete(c, p, p->status, &none);
  }
}

/* (driver) The channel is over and its ring is empty: all calls end. */
static void end_all(struct tulle_channel *c) {
  tl_lock_take(&c->lock);
  struct tulle_pending *next;
  for (struct tulle_pending *p = tl_pendings_remove_all(&c->pendings); p; p = next) {
    int status = tl_channel_outcome(c, p);
    next = p->next;
    if (p->out) tl_channel_unqueue(c, p->out);
    if (p->completion)
      tl_call_push_ended(c, p, status);
    else
      tl_pending_finish(p, status);
  }
  tl_lock_give(&c->lock);
}

/* (driver) Ends the asynchronous calls whose time is up. */
static void end_late(struct tulle_channel *c, uint64_t now) {
  uint64_t deadline;
  tl_lock_take(&c->lock);
  struct tulle_pending *next, *late = tl_pendings_remove_late(&c->pendings, now, &deadline);
  __atomic_store_n(&c->async_deadline, deadline, __ATOMIC_RELAXED);
  for (struct tulle_pending *p = late; p; p = next) {
    next = p->next;
    tl_call_give_up(c, p);
    tl_call_push_ended(c, p, TULLE_E_DEADLINE);
  }
  tl_lock_give(&c->lock);
}

/* (driver) All that can be done without waiting. */
static int turn(struct tulle_channel *c, struct tulle_pending *own, unsigned max) {
  int end = tl_channel_end_code(c); /* before the ring: what was sent before the end is taken */
  int r = take_replies(c, own, max);
  if (tl_unlikely(c->is_batching)) publish_batch(c);
  if (tl_unlikely(r < 0 || (end && r == TL_EMPTY))) end_all(c);
  if (tl_unlikely(__atomic_load_n(&c->ended_count, __ATOMIC_RELAXED))) run_ended(c);
  return r;
}

enum room { ROOM_NOT_NEEDED, ROOM_AWAITED, ROOM_IS_THERE };

/* Sends what is queued, and prepares a wait for room if something is left. */
static enum room look_for_room(struct tulle_channel *c) {
  enum room room = ROOM_NOT_NEEDED;
  if (tl_likely(!__atomic_load_n(&c->out_count, __ATOMIC_RELAXED))) return room;
  tl_lock_take(&c->lock);
  tl_channel_pump(c);
  if (c->out_count && !c->end.code) {
    int r = tl_channel_await_room(&c->ring, tl_channel_room_wanted(c));
    room = r == TL_FULL ? ROOM_AWAITED : ROOM_IS_THERE;
  }
  tl_lock_give(&c->lock);
  return room;
}

/* ---- one synchronous call ---- */

static bool is_done(const struct tulle_pending *p) {
  return __atomic_load_n(&p->word, __ATOMIC_ACQUIRE) == TL_PENDING_DONE;
}

/* The end of a call: takes it out of everything, and gives the lock back. */
static void leave(struct tulle_channel *c, struct tulle_pending *p, bool is_driver) {
  struct tulle_pending *next = NULL;
  tl_lock_take(&c->lock);
  if (p->is_listed) {
    tl_pendings_remove(&c->pendings, p);
    if (tl_unlikely(!is_done(p))) tl_call_give_up(c, p);
  }
  c->users--;
  if (is_driver) next = hand_over(c);
  tl_channel_give(c);
  wake(next);
}

/* Looks at the clock: true when the own call is late. Ends what else is. */
static bool is_late(struct tulle_channel *c, const struct tulle_pending *own) {
  uint64_t now = tl_time_now();
  if (now >= __atomic_load_n(&c->async_deadline, __ATOMIC_RELAXED)) {
    end_late(c, now);
    run_ended(c);
  }
  /* Waits that are all shorter than a second would never hear of the node's death. */
  tl_stay_poll_after(c->t, now, TL_S);
  return now >= own->deadline;
}

static int wait_for(struct tulle_channel *c, enum room room, const struct tl_wait *wait) {
  if (tl_likely(room == ROOM_NOT_NEEDED)) return tl_channel_wait(&c->ring, wait);
  return tl_channel_wait_any(&(struct tl_channel_wish){&c->ring, true, true}, 1, wait);
}

static void drive(struct tulle_channel *c, struct tulle_pending *own) {
  for (unsigned looks = 1;; looks++) {
    struct tl_wait wait = tl_channel_wait_of(c);
    int r = turn(c, own, TURN_MAX);
    if (r == 0 || is_done(own)) break;
    if (r == TL_EMPTY) {
      enum room room = look_for_room(c);
      if (is_done(own)) break;
      wait.deadline =
          tl_time_min(own->deadline, __atomic_load_n(&c->async_deadline, __ATOMIC_RELAXED));
      if (room != ROOM_IS_THERE) r = wait_for(c, room, &wait);
      if (r > 0) tl_stay_hear(c->t, r);
    }
    if ((r == TULLE_E_DEADLINE || looks % LOOKS_PER_CLOCK == 0) && is_late(c, own)) {
      own->status = TULLE_E_DEADLINE;
      break;
    }
  }
  leave(c, own, true);
}

/* Waits for whoever drives. */
static void follow(struct tulle_channel *c, struct tulle_pending *own) {
  uint64_t deadline = own->deadline;
  for (;;) {
    uint32_t word = __atomic_load_n(&own->word, __ATOMIC_ACQUIRE);
    if (word == TL_PENDING_DRIVES) {
      tl_lock_take(&c->lock);
      c->driver = tl_thread_self();
      tl_lock_give(&c->lock);
      drive(c, own);
      return;
    }
    if (word == TL_PENDING_DONE) break;
    if (tl_time_now() >= deadline) {
      tl_lock_take(&c->lock);
      bool is_mine = own->is_listed && own->word == TL_PENDING_WAITS;
      if (is_mine) {
        tl_list_remove(&own->link);
        own->status = TULLE_E_DEADLINE;
      }
      tl_lock_give(&c->lock);
      if (is_mine) break;
      deadline = TL_NEVER; /* its reply is being read, or the role is on its way */
    }
    tl_futex_wait(&own->word, TL_PENDING_WAITS, deadline);
  }
  leave(c, own, false);
}

/* (lock) Enters a call that was sent or queued. True: the calling thread drives. */
static bool enter(struct tulle_channel *c, struct tulle_pending *p, const void *self) {
  c->users++;
  tl_pendings_insert(&c->pendings, p);
  if (tl_unlikely(c->driver != NULL)) {
    tl_list_push_back(&c->waiters, &p->link);
    return false;
  }
  c->driver = self;
  c->is_watched = false; /* the wait takes the place of the loop's */
  return true;
}

/* (lock) Whether the calling thread may call. */
static int admit(const struct tulle_channel *c, const void *self) {
  if (tl_unlikely(c->end.code)) return tl_channel_lost_code(c);
  return tl_unlikely(c->driver == self) ? TULLE_E_DEADLOCK : 0;
}

/* Sends a call and waits for its end: the reply, or for a one-way call that it is sent. */
static int call_and_wait(struct tulle_channel *c, struct tl_call_head *head, const void *args,
                         size_t args_size, struct tulle_result *result) {
  struct tulle_pending p = {.result = result, .channel = c};
  struct tl_out out;
  const void *self = tl_thread_self();
  bool is_one_way = head->flags & TL_CALL_ONE_WAY;
  tl_list_init(&p.link);
  tl_lock_take(&c->lock);
  int r = admit(c, self);
  if (tl_likely(!r)) r = tl_call_send(c, head, args, args_size);
  if (r < 0 || (!r && is_one_way)) {
    tl_channel_give(c);
    return r;
  }
  if (tl_unlikely(r == TL_FULL)) {
    head->id = c->next_id++;
    p.is_one_way = is_one_way;
    out = (struct tl_out){.pending = &p};
  }
  p.id = head->id;
  bool is_driver = enter(c, &p, self);
  if (tl_unlikely(r == TL_FULL))
    tl_channel_queue(c, &out, TL_KIND_CALL | c->delivery, tl_call_encode_head(out.head, head), args,
                     args_size);
  tl_lock_give(&c->lock);
  p.deadline = tl_call_deadline(head);
  if (tl_likely(is_driver))
    drive(c, &p);
  else
    follow(c, &p);
  return p.status;
}

int tulle_call(struct tulle_channel *c, const char *procedure, const void *args, size_t args_size,
               uint64_t timeout_ns, struct tulle_result *out) {
  struct tl_call_head head;
  if (out) tl_result_init(out);
  int r = tl_call_prepare(c, procedure, args, args_size, timeout_ns, &head);
  return r ? r : call_and_wait(c, &head, args, args_size, out);
}

int tl_drive_call_until(struct tulle_channel *c, const char *procedure, const void *args,
                        size_t args_size, uint64_t deadline, struct tulle_result *out) {
  uint64_t now = tl_time_now();
  if (now >= deadline) {
    if (out) tl_result_init(out);
    return TULLE_E_DEADLINE;
  }
  return tulle_call(c, procedure, args, args_size,
                    deadline == TL_NEVER ? TULLE_FOREVER : deadline - now, out);
}

int tulle_call_one_way(struct tulle_channel *c, const char *procedure, const void *args,
                       size_t args_size) {
  struct tl_call_head head;
  int r = tl_call_prepare(c, procedure, args, args_size, 0, &head);
  head.flags = TL_CALL_ONE_WAY;
  return r ? r : call_and_wait(c, &head, args, args_size, NULL);
}

/* ---- for the loop ---- */

/* (lock) */
static bool is_idle(const struct tulle_channel *c) {
  return !c->async_count && !c->out_count && !c->room_wanted && !c->end.code;
}

unsigned tl_drive_turn(struct tulle_channel *c, unsigned max, bool *out_is_more) {
  const void *self = tl_thread_self();
  *out_is_more = false;
  tl_lock_take(&c->lock);
  bool is_ours = !c->driver;
  c->is_watched = is_ours;
  if (is_ours) c->driver = self;
  uint64_t before = c->completed;
  tl_lock_give(&c->lock);
  if (!is_ours) return 0;
  int r = turn(c, NULL, max);
  tl_channel_flush(&c->ring); /* no wait may follow that would do it */
  uint64_t now = tl_time_now();
  if (now >= __atomic_load_n(&c->async_deadline, __ATOMIC_RELAXED)) {
    end_late(c, now);
    run_ended(c);
  }
  enum room room = look_for_room(c);
  *out_is_more = r == TL_MORE || room == ROOM_IS_THERE;
  tl_lock_take(&c->lock);
  unsigned ran = (unsigned)(c->completed - before);
  struct tulle_pending *next = hand_over(c);
  tl_lock_give(&c->lock);
  wake(next);
  return ran;
}

bool tl_drive_wait_begin(struct tulle_channel *c) {
  tl_lock_take(&c->lock);
  bool is_ours = !c->driver && !is_idle(c);
  c->is_watched = is_ours;
  if (is_ours) c->driver = tl_thread_self();
  tl_lock_give(&c->lock);
  return is_ours;
}

void tl_drive_wait_end(struct tulle_channel *c) {
  tl_lock_take(&c->lock);
  struct tulle_pending *next = hand_over(c);
  tl_lock_give(&c->lock);
  wake(next);
}

void tl_drive_close(struct tulle_channel *c) {
  tl_lock_take(&c->lock);
  tl_channel_close_own(c);
  bool is_ours = !c->driver;
  if (is_ours) c->driver = tl_thread_self();
  c->users++;
  tl_lock_give(&c->lock);
  if (is_ours) {
    end_all(c);
    run_ended(c);
  }
  tl_lock_take(&c->lock);
  if (is_ours) c->driver = NULL;
  tl_channel_unattend(c);
  c->users--;
  tl_channel_give(c);
}
