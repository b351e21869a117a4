/*
 * A channel as programs know it: calls one way, replies the other way, over the two rings of a
 * struct tl_channel.
 *
 * Who may do what. Sending is under the channel's lock. Receiving belongs to its driver: on a
 * client's channel the thread that waits there for its own call (it completes the calls of others
 * on the way, and hands the role over when its own has ended) or the loop while it has it; on a
 * server's channel always the thread that leads the loop (lead.h). So a call that nobody disputes
 * takes the lock twice, and no ring is read by two threads.
 *
 * How it ends. Somebody sets `end` (the node said so, the peer broke the rules, the program closed
 * it); the driver then takes what still arrived and ends the rest of the calls with what is known
 * about each of them. The memory goes when the last one who holds the channel lets go of it.
 */
#ifndef TL_CLIENT_CHANNEL_H
#define TL_CLIENT_CHANNEL_H

#include <sys/uio.h>

#include "client/attachment.h"
#include "client/pending.h"
#include "client/process.h"
#include "core/wire/control.h"
#include "core/wire/rpc.h"
#include "transport/ring/channel.h"

/* Open calls that a server holds for one client: SECURITY 4.2.8, objects per account. */
#define TL_CALLS_OPEN_MAX 65536u

/* One message that does not fit now and waits its turn. */
struct tl_out {
  struct tl_list link;
  struct tl_send send;
  struct iovec pieces[2];
  struct tulle_pending *pending; /* the call that it carries, or NULL */
  bool is_owned;                 /* free() it when done: it holds a copy of the second piece */
  uint8_t head[TL_CALL_HEAD_BYTES_MAX];
};

/* Why a channel is over. */
struct tl_ending {
  int code;       /* atomic; 0: it is not */
  uint64_t begun; /* calls with ids below it had been begun; UINT64_MAX: the peer's page knows */
  bool is_final;  /* the peer begins nothing more */
  bool is_own;    /* this program closed it */
};

/* A data area of the peer that is mapped and not yet switched to. */
struct tl_area {
  struct tl_list link;
  struct tl_segment segment;
  uint32_t number;
};

struct tulle_channel {
  struct tl_channel ring;
  uint64_t process;
  struct tulle *t; /* NULL once the attachment is gone */
  uint32_t number;
  enum tl_channel_role role;
  uint64_t line;              /* number of the connection in which it was made */
  struct tulle_channel *node; /* channel 0 of its stay, held; itself is channel 0: NULL */
  const uint32_t *events;     /* in that one's page */
  struct tulle_identity peer;
  struct tulle_service *service; /* of a server's channel */
  bool is_left;                  /* by an attachment that ends */
  struct tl_list all_link;       /* under the attachment's lock of lists */
  unsigned claims;               /* under the attachment's lock: handles that programs have */

  struct tl_lock lock; /* guards all to the end, but for what says otherwise */
  unsigned holders;    /* who has a pointer to it for longer than a function */
  struct tl_ending end;
  /* Threads inside a call of it. Beside the holders, both would be read together, before this one has
   * reached the cache. */
  unsigned users;
  bool is_close_said;
  const void *driver; /* the thread that has the receiving side (clients) */
  bool is_batching;   /* what the driver sends is published when its turn ends */

  /* sending */
  uint16_t delivery; /* of a client's channel, unchanging: bits of TL_KIND_LOOSE */
  uint64_t next_id;
  struct tl_list out;
  unsigned out_count;          /* atomic */
  uint32_t room_wanted;        /* somebody was told AGAIN and wants this much */
  bool is_growing;             /* asked for, not yet here */
  struct tl_segment next_area; /* to switch to */
  uint32_t next_number;
  struct tl_list areas; /* of the peer */

  /* calls made */
  struct tl_pendings pendings;
  unsigned async_count;    /* asynchronous ones that have not completed */
  uint64_t async_deadline; /* atomic: not after the first of theirs */
  struct tl_list waiters;  /* threads that wait for the driver to complete their call */
  struct tl_list ended;    /* asynchronous calls whose completion has to run */
  unsigned ended_count;    /* atomic */
  uint64_t completed;      /* completions that ran */

  /* calls served: the loop's leader, but for what says otherwise */
  struct tl_list intake; /* taken from the ring ahead of their turn */
  unsigned intake_count;
  size_t intake_bytes;
  uint64_t last_id;    /* of the last ordered call taken: the next one's is higher */
  uint64_t begun_id;   /* the highest of a call that was begun */
  uint64_t taken;      /* calls taken from the ring: atomic */
  uint64_t answered;   /* of those, how many are over: atomic, written under the lock */
  struct tl_list open; /* under the lock: running elsewhere, or to be answered later */
  struct tulle_call_context *running; /* by the leader itself */
  const struct tl_procedure *last_procedure;

  /* the loop's leader */
  struct tl_list member_link;
  struct tl_list ready_link;
  bool is_member;
  bool is_in_epoll;
  bool is_armed;                 /* its descriptor will tell */
  bool is_attending;             /* under the lock: in the loop's list of attention */
  bool is_watched;               /* under the lock: the loop looks at it without being told */
  struct tl_list attention_link; /* the alert's lock */
};

/* ---- life ---- */

void tl_identity_of(const struct tl_party *party, struct tulle_identity *out);

/* A channel with one holder, the caller. Takes segments and descriptors, also when it fails. (The
 * attachment's lock.) NO_MEMORY. */
int tl_channel_new(struct tulle *t, const struct tl_control *m, const struct tl_segment *own,
                   const struct tl_segment *peer, int fd_in, int fd_out,
                   struct tulle_channel **out);

/* One more who has a pointer to it; and one less, which may destroy it. No lock of it is held. */
void tl_channel_hold(struct tulle_channel *c);
void tl_channel_drop(struct tulle_channel *c);

/* Calls taken and not over. Any thread. */
static inline uint64_t tl_channel_calls_open(const struct tulle_channel *c) {
  return __atomic_load_n(&c->taken, __ATOMIC_RELAXED) -
         __atomic_load_n(&c->answered, __ATOMIC_RELAXED);
}

/* For tl_channel_give(). */
void tl_channel_destroy(struct tulle_channel *c);

/* (lock) Gives the lock back, and destroys the channel when nobody has anything to do with it any
 * more. */
static inline void tl_channel_give(struct tulle_channel *c) {
  bool is_needed = c->holders || c->users || tl_channel_calls_open(c);
  tl_lock_give(&c->lock);
  if (tl_unlikely(!is_needed)) tl_channel_destroy(c);
}

/* Whether a server's channel may give a call now: the answers before it have left. Any thread. */
static inline bool tl_channel_is_blocked(const struct tulle_channel *c) {
  return __atomic_load_n(&c->out_count, __ATOMIC_ACQUIRE) ||
         tl_channel_calls_open(c) >= TL_CALLS_OPEN_MAX;
}

/* ---- ending ---- */

static inline int tl_channel_end_code(const struct tulle_channel *c) {
  return __atomic_load_n(&c->end.code, __ATOMIC_ACQUIRE);
}

/* (lock) Says that it is over; only the first reason counts. The driver or the loop does the rest.
 */
void tl_channel_end(struct tulle_channel *c, const struct tl_ending *end);

/* (lock) This program is done with it: the peer is told at once. */
void tl_channel_close_own(struct tulle_channel *c);

/* (lock) Ends it for a reason on this side (PROTOCOL: the peer broke the rules) and tells the node.
 */
void tl_channel_fail(struct tulle_channel *c, int code);

/* What a call that has not been answered ends with. (lock) */
int tl_channel_outcome(const struct tulle_channel *c, const struct tulle_pending *p);

/* What a new call ends with on a channel that is over. */
int tl_channel_lost_code(const struct tulle_channel *c);

/* ---- sending (lock) ---- */

/* Slow part of tl_channel_room(). */
int tl_channel_find_room(struct tulle_channel *c, uint32_t length, void **out_body);

/* Room for a message of `length` bytes that goes out at once: 0; TL_FULL: not now, or it has to be
 * queued as tl_out. Never waits. PROTOCOL has ended the channel. */
static inline int tl_channel_room(struct tulle_channel *c, uint32_t length, void **out_body) {
  if (tl_likely(!c->out_count && !c->next_area.data &&
                tl_channel_reserve(&c->ring, length, out_body) == 0))
    return 0;
  return tl_channel_find_room(c, length, out_body);
}

/* Shows what was committed, unless the driver sends a batch. */
static inline void tl_channel_show(struct tulle_channel *c) {
  if (tl_likely(!c->is_batching)) tl_channel_publish(&c->ring);
}

/* Queues a message of two pieces and sends what fits of it. `out` lives until it is sent or removed.
 */
void tl_channel_queue(struct tulle_channel *c, struct tl_out *out, uint16_t kind, size_t head_size,
                      const void *data, size_t size);

/* The same with a copy of `data`. NO_MEMORY. */
int tl_channel_queue_copy(struct tulle_channel *c, uint16_t kind, const void *head,
                          size_t head_size, const void *data, size_t size,
                          struct tulle_pending *pending);

/* Takes a message back that is not sent in full. */
void tl_channel_unqueue(struct tulle_channel *c, struct tl_out *out);

/* Sends what fits of what is queued, and moves to a larger area when there is one. */
void tl_channel_pump(struct tulle_channel *c);

/* What to wait for before the next step: the length of a body, 0: nothing. */
uint32_t tl_channel_room_wanted(struct tulle_channel *c);

/* ---- receiving (driver or leader) ---- */

/* Slow part of tl_channel_next(). */
int tl_channel_next_slow(struct tulle_channel *c, struct tl_message *out);

/* As tl_channel_peek(), and goes on in another area by itself. TL_EMPTY, TL_MORE; an error has
 * ended the channel. */
static inline int tl_channel_next(struct tulle_channel *c, struct tl_message *out) {
  int r = tl_channel_peek(&c->ring, out);
  return tl_likely(r == 0 || r == TL_EMPTY) ? r : tl_channel_next_slow(c, out);
}

/* ---- waiting ---- */

/* True when the node has rung since somebody last heard it out. */
static inline bool tl_channel_is_rung(const struct tulle_channel *c) {
  return __atomic_load_n(c->events, __ATOMIC_ACQUIRE) !=
         __atomic_load_n(&c->t->stay.events_seen, __ATOMIC_ACQUIRE);
}

/* A wait on this channel that ends with whatever happens to it or to the attachment. To be made
 * before the look that decides to wait. */
struct tl_wait tl_channel_wait_of(struct tulle_channel *c);

/* (lock) Has the loop look at it, and wakes whoever waits in the library. */
void tl_channel_attend(struct tulle_channel *c);

/* (lock) It has nothing for the loop any more. */
void tl_channel_unattend(struct tulle_channel *c);

#endif
