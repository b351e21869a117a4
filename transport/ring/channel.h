/*
 * A channel: the own ring that the peer reads, the peer's ring that we read, and the means to wake
 * each other.
 *
 * Both ends use the same code, whether they are two programs, or a program and its node. The ends
 * distrust each other: whatever breaks the rules of a ring ends the channel with TULLE_E_PROTOCOL,
 * at every later operation as well, and nothing else.
 *
 * A message is what the users of a channel exchange: a kind and bytes. One that is larger than half
 * the ring travels in several records, all but the last flagged MORE, and is put together in the
 * reader's heap; every other one can be written and read in place. Messages do not interleave.
 *
 * Threads: sending and receiving are independent of each other and may run at the same time; each
 * is one thread's at a time, which is the caller's lock to keep. Functions say which side they
 * belong to: (send) or (receive).
 *
 * How to send                                       How to receive
 *   tl_channel_reserve(c, n, &body)                   while (!(r = tl_channel_peek(c, &m))) {
 *   ... write up to n bytes ...                         tl_channel_begin(c, id); // calls only
 *   tl_channel_commit(c, kind, length)                  ... use m.body ...
 *   ... more of them ...                                tl_channel_release(c);
 *   tl_channel_publish(c) // one wake for all         }
 *                                                     if (r == TL_EMPTY) tl_channel_wait(c, &wait);
 */
#ifndef TL_TRANSPORT_RING_CHANNEL_H
#define TL_TRANSPORT_RING_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/error.h"
#include "transport/ring/park.h"
#include "transport/ring/ring.h"
#include "transport/ring/segment.h"

/* What is peeked: whole and in order. */
struct tl_message {
  const void *body;
  size_t length;
  uint64_t sequence; /* of its last record */
  uint16_t kind;
  bool is_in_place; /* in memory that the sender may still change, else in private memory */
};

/* A message on its way out, in as many records as it takes. */
struct tl_send {
  const struct iovec *pieces; /* borrowed until done or aborted */
  size_t piece_count;
  size_t piece_offset; /* into pieces[0] */
  size_t bytes_left;
  uint64_t sequence; /* when done: of the last record */
  uint16_t kind;
  bool is_begun; /* at least one record is in the ring */
};

struct tl_reassembly {
  uint8_t *bytes;
  size_t length;
  size_t capacity;
  size_t bytes_max;
  uint64_t sequence;
  uint16_t kind;
  bool is_open;     /* more records are to come */
  bool is_complete; /* a whole message waits to be released */
};

struct tl_channel {
  /* send */
  struct tl_ring_writer tx __attribute__((aligned(64)));
  struct tl_waker tx_waker;   /* looks whether the peer waits for records */
  struct tl_parker tx_parker; /* waits for room */
  struct tl_send *open_send;  /* begun and not done */
  bool is_abort_due;          /* an ABORT record goes out first */
  uint32_t full_count;        /* how often there was no room since the last switch */
  uint64_t largest_bytes;     /* the largest message since then */

  /* receive */
  struct tl_ring_reader rx __attribute__((aligned(64)));
  struct tl_waker rx_waker;   /* looks whether the peer waits for room */
  struct tl_parker rx_parker; /* waits for records */
  struct tl_reassembly message;

  /* both, unchanging */
  struct tl_parking parking __attribute__((aligned(64)));
  struct tl_segment own;
  struct tl_segment peer;
  struct tl_segment own_data;      /* the present larger data area, or zero */
  struct tl_segment own_data_left; /* the one before it, until the peer has left it */
  struct tl_segment peer_data;
  int fd_in;  /* eventfd: the peer wakes us */
  int fd_out; /* eventfd: we wake the peer */
};

/* ---- life ---- */

/*
 * Takes the two mapped segments (own as TL_SEGMENT_WRITER, the peer's as TL_SEGMENT_READER) and the
 * two eventfds (non-blocking), which tl_channel_deinit() unmaps and closes. `message_bytes_max`
 * bounds what reassembly may hold. A channel must not move in memory afterwards.
 */
void tl_channel_init(struct tl_channel *c, const struct tl_segment *own,
                     const struct tl_segment *peer, int fd_in, int fd_out,
                     size_t message_bytes_max);

/* Neither side may be in use. Harmless on a zeroed channel. */
void tl_channel_deinit(struct tl_channel *c);

/* Two ends in one process, `data_bytes` each: for tests, and for programs that live inside the
 * node. Errors as tl_segment_create(), tl_segment_map(). */
int tl_channel_pair(uint32_t data_bytes, size_t message_bytes_max, struct tl_channel *a,
                    struct tl_channel *b);

/* How its waits behave; may be called at any time that nobody waits. */
static inline void tl_channel_set_parking(struct tl_channel *c, const struct tl_parking *p) {
  c->parking = *p;
}

/* ---- send ---- */

/* The largest body that reserves in place: half the ring, so that two fit. */
static inline uint32_t tl_channel_body_bytes_max(const struct tl_channel *c) {
  return c->tx.size / 2 - TL_RECORD_HEADER_BYTES;
}

/* Slow part of tl_channel_reserve(). */
int tl_channel_reserve_slow(struct tl_channel *c, uint32_t length, void **out_body);

/*
 * (send) Room for a message of up to `length` bytes, in place. One reservation at a time; it ends
 * with commit or cancel. TL_FULL; TULLE_E_TOO_BIG (use struct tl_send); TULLE_E_BUSY (a message of
 * several records is on its way); TULLE_E_PROTOCOL.
 */
static inline int tl_channel_reserve(struct tl_channel *c, uint32_t length, void **out_body) {
  if (tl_unlikely(c->open_send || c->is_abort_due || length > tl_channel_body_bytes_max(c)))
    return tl_channel_reserve_slow(c, length, out_body);
  int r = tl_ring_reserve(&c->tx, length, out_body);
  if (tl_unlikely(r == TL_FULL)) c->full_count++;
  return r;
}

/* (send) Ends the reservation: the message has `length` bytes. Returns its sequence. Nobody sees it
 * before tl_channel_publish(). `kind` is below TL_RECORD_KIND_RESERVED. */
static inline uint64_t tl_channel_commit(struct tl_channel *c, uint16_t kind, uint32_t length) {
  return tl_ring_commit(&c->tx, kind, 0, length);
}

/* (send) Ends the reservation without a message. */
static inline void tl_channel_cancel(struct tl_channel *c) {
  tl_ring_abort(&c->tx);
}

/* (send) Shows the peer all that was committed and wakes it if it sleeps: one wake for a batch.
 * Cheap when nothing is new. */
static inline void tl_channel_publish(struct tl_channel *c) {
  if (c->tx.published == c->tx.head) return;
  tl_ring_publish(&c->tx);
  tl_waker_look(&c->tx_waker);
  tl_ring_fetch_room(&c->tx);
}

/* A message of any size whose bytes lie in `count` pieces. Borrows them. */
struct tl_send tl_send_init(uint16_t kind, const struct iovec *pieces, size_t count);

/*
 * (send) Commits as much of the message as fits, without waiting: 0, all of it
 * (tl_channel_publish() shows it); TL_FULL, what fitted is published, call again when there is room
 * for tl_channel_send_room(). Once begun it must be completed or aborted before any other message.
 * TULLE_E_BUSY (another one is begun); TULLE_E_TOO_BIG (over TL_MESSAGE_BYTES_MAX);
 * TULLE_E_PROTOCOL.
 */
int tl_channel_push(struct tl_channel *c, struct tl_send *s);

/* (send) The same, waiting for room: 0 when all is committed and published; TL_WAIT_*,
 * TULLE_E_DEADLINE: it may be called again to go on, or the message aborted. */
int tl_channel_send(struct tl_channel *c, struct tl_send *s, const struct tl_wait *wait);

/* (send) Drops the message. The reader drops what it has of it. Never fails and never waits. */
void tl_channel_abort(struct tl_channel *c, struct tl_send *s);

/* The room, as a body, that the next step of the message needs. */
uint32_t tl_channel_send_room(const struct tl_channel *c, const struct tl_send *s);

/* (send) Waits until a body of `length` bytes fits, as far as a look can tell. Publishes first.
 * 0; TL_WAIT_*; TULLE_E_DEADLINE; TULLE_E_TOO_BIG. */
int tl_channel_wait_room(struct tl_channel *c, uint32_t length, const struct tl_wait *wait);

/* ---- receive ---- */

/*
 * (receive) The next message, whole; peeking twice gives the same one. Bounds its own turn.
 * TL_EMPTY; TL_MORE (a turn's worth of records was put together and the message is not whole yet:
 * others first, then again); TL_RING_SWITCH (tl_channel_switch_asked() says which area to attach);
 * TULLE_E_PROTOCOL; TULLE_E_NO_MEMORY (try again, or give the channel up).
 */
int tl_channel_peek_slow(struct tl_channel *c, struct tl_message *out_message);
static inline int tl_channel_peek(struct tl_channel *c, struct tl_message *out_message) {
  struct tl_record record;
  int r = tl_unlikely(c->message.is_open || c->message.is_complete) ? TL_MORE
                                                                    : tl_ring_peek(&c->rx, &record);
  if (tl_unlikely(r || record.flags))
    return r == TL_EMPTY ? r : tl_channel_peek_slow(c, out_message);
  *out_message =
      (struct tl_message){record.body, record.length, record.sequence, record.kind, true};
  return 0;
}

/* (receive) Slow parts of tl_channel_release() and tl_channel_flush(). */
void tl_channel_release_slow(struct tl_channel *c);
void tl_channel_look_for_writer(struct tl_channel *c);

/* (receive) Done with the peeked message: its room goes back. A peer that sleeps for room is woken
 * here once a quarter of the ring has been given back, and by tl_channel_flush(). */
static inline void tl_channel_release(struct tl_channel *c) {
  if (tl_unlikely(c->message.is_complete)) {
    tl_channel_release_slow(c);
    return;
  }
  tl_ring_pass(&c->rx);
  tl_ring_release(&c->rx);
  if (tl_unlikely(c->rx.tail - c->rx.looked >= c->rx.size / 4)) tl_channel_look_for_writer(c);
}

/* (receive) The end of a batch: wakes a peer that sleeps for room which there is now. Every wait
 * does it; only a reader that turns to something long instead has to. */
static inline void tl_channel_flush(struct tl_channel *c) {
  if (c->rx.tail != c->rx.looked) tl_channel_look_for_writer(c);
}

/* (receive) Record by record, not put together, for those who pass them on: as tl_ring_peek(), but it
 * returns to area 0 by itself. Ends with tl_channel_release(). Do not mix with tl_channel_peek()
 * inside one message. */
int tl_channel_peek_record(struct tl_channel *c, struct tl_record *out_record);

/* (receive) Waits for the next record. 0 (peek again); TL_WAIT_*; TULLE_E_DEADLINE;
 * TULLE_E_PROTOCOL. */
int tl_channel_wait(struct tl_channel *c, const struct tl_wait *wait);

/*
 * (send) Prepares a wait for room, with tl_channel_wait_any(), so that it can be done under the
 * lock of the sending side and the wait without. Publishes first. 0: a body of `length` bytes fits
 * already; TL_FULL: prepared; TULLE_E_TOO_BIG; TULLE_E_PROTOCOL.
 */
int tl_channel_await_room(struct tl_channel *c, uint32_t length);

/* What to wait for at one channel. */
struct tl_channel_wish {
  struct tl_channel *channel;
  bool records;
  bool room; /* after tl_channel_await_room() has prepared it */
};

/*
 * (receive, of those that wish for records) Waits until one wish may have come true: look at each.
 * No more than TL_PARK_MANY_MAX records and rooms together; for more, arm each and use epoll. The
 * first one's parking policy counts for all. 0; TL_WAIT_*; TULLE_E_DEADLINE.
 */
int tl_channel_wait_any(const struct tl_channel_wish *wishes, size_t count,
                        const struct tl_wait *wait);

/*
 * (receive) To be told by a descriptor: the peer will write tl_channel_fd() at the next record.
 * True when there is a record already; then nothing is armed. When the descriptor is readable:
 * tl_channel_disarm(), take what there is (and look for room, if that was armed too), arm again.
 */
bool tl_channel_arm(struct tl_channel *c);

/* (receive) Stops that, and reads the descriptor empty. */
void tl_channel_disarm(struct tl_channel *c);

/* (receive) Stops that, and leaves the descriptor as it is: for who watches it edge-triggered. */
void tl_channel_disarm_edge(struct tl_channel *c);

/* (send) The same for room: the descriptor is written when a body of `length` bytes fits. Publishes
 * first. */
bool tl_channel_arm_room(struct tl_channel *c, uint32_t length);

/* (send) Stops that; the descriptor is left to tl_channel_disarm(). */
void tl_channel_disarm_room(struct tl_channel *c);

/* For poll, epoll, libuv: readable when the peer woke us. Belongs to the channel. */
static inline int tl_channel_fd(const struct tl_channel *c) {
  return c->fd_in;
}

/* (receive) Gives memory of past large messages back; a wait does it when it has lasted a second.
 */
void tl_channel_trim(struct tl_channel *c);

/* ---- what did run ---- */

/* (receive) To be called before a call is run: after our death the peer knows that it may have run.
 * `number` rises from call to call; which one it is, the users of the channel agree (calls: the id). */
static inline void tl_channel_begin(struct tl_channel *c, uint64_t number) {
  __atomic_store_n(&c->own.page->begun, number + 1, __ATOMIC_RELEASE);
}

/* Whether the peer has begun the call of that number. It is the peer's word: it may lie. Any thread. */
static inline bool tl_channel_has_begun(const struct tl_channel *c, uint64_t number) {
  return __atomic_load_n(&c->peer.page->begun, __ATOMIC_ACQUIRE) > number;
}

/* ---- growing and shrinking ---- */

/*
 * (send) The size of data area that the traffic since the last switch asks for, or 0 when the
 * present one will do. The caller gets the area from the node and hands it to tl_channel_switch().
 */
uint32_t tl_channel_wanted_bytes(const struct tl_channel *c);

/*
 * (send) Goes on in `data` (TL_SEGMENT_DATA, mapped as TL_SEGMENT_WRITER), or for `data` NULL in
 * the first area, number 0. Takes the segment when it returns 0. TL_FULL: no room for the SWITCH
 * record yet, the area before this one has not been left yet, or (for a smaller area) the ring is
 * not drained: try again later. TULLE_E_BUSY (a reservation is open); TULLE_E_PROTOCOL.
 */
int tl_channel_switch(struct tl_channel *c, const struct tl_segment *data, uint32_t number);

/* (receive) After TL_RING_SWITCH: which area it is. Area 0 never has to be asked for. */
struct tl_switch_body tl_channel_switch_asked(const struct tl_channel *c);

/* (receive) Goes on in `data` (TL_SEGMENT_DATA, mapped as TL_SEGMENT_READER), of the size and
 * number asked for. Takes the segment when it returns 0. TULLE_E_INVALID: not what was asked for.
 */
int tl_channel_attach(struct tl_channel *c, const struct tl_segment *data, uint32_t number);

#endif
