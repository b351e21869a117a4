/* What a channel does besides passing bytes: messages of several records, room, and changing areas.
 */
#include "transport/ring/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Reassembly starts with one allocation of this size and doubles; what is larger is given back when
 * idle. */
#define REASSEMBLY_BYTES_MIN (16u << 10)

/* Growth stops where two messages of 1 MiB lie in place; larger rings were slower, not faster. */
#define GROWTH_BYTES_MAX  (4u << 20)
#define GROWTH_FULL_COUNT 16 /* so many times without room ask for four times as much */

/* ---- life ---- */

void tl_channel_init(struct tl_channel *c, const struct tl_segment *own,
                     const struct tl_segment *peer, int fd_in, int fd_out,
                     size_t message_bytes_max) {
  TL_ASSERT(own->page && peer->page);
  *c = (struct tl_channel){.own = *own, .peer = *peer, .fd_in = fd_in, .fd_out = fd_out};
  struct tl_ring_page *mine = own->page;
  const struct tl_ring_page *theirs = peer->page;
  tl_ring_writer_init(&c->tx, own, theirs);
  tl_ring_reader_init(&c->rx, mine, peer);
  c->tx_waker =
      (struct tl_waker){.parked = &theirs->reader_parked, .bell = &mine->bell, .fd = fd_out};
  c->rx_waker =
      (struct tl_waker){.parked = &theirs->writer_parked, .bell = &mine->bell, .fd = fd_out};
  tl_parker_init(&c->tx_parker, &theirs->read_position, &mine->writer_parked, mine, theirs, fd_in,
                 &c->rx_parker);
  tl_parker_init(&c->rx_parker, &theirs->write_position, &mine->reader_parked, mine, theirs, fd_in,
                 &c->tx_parker);
  c->message.bytes_max = message_bytes_max;
}

void tl_channel_deinit(struct tl_channel *c) {
  if (!c->own.page) return;
  free(c->message.bytes);
  tl_segment_unmap(&c->own);
  tl_segment_unmap(&c->peer);
  tl_segment_unmap(&c->own_data);
  tl_segment_unmap(&c->own_data_left);
  tl_segment_unmap(&c->peer_data);
  close(c->fd_in);
  close(c->fd_out);
  *c = (struct tl_channel){.fd_in = -1, .fd_out = -1};
}

/* ---- send ---- */

/* The ABORT record that an abandoned message still owes. */
static int send_due_abort(struct tl_channel *c) {
  void *body;
  int r = tl_ring_reserve(&c->tx, 0, &body);
  if (r) return r;
  (void)tl_ring_commit(&c->tx, 0, TL_RECORD_ABORT, 0);
  c->is_abort_due = false;
  return 0;
}

int tl_channel_reserve_slow(struct tl_channel *c, uint32_t length, void **out_body) {
  if (c->open_send) return TULLE_E_BUSY;
  if (length > tl_channel_body_bytes_max(c)) return TULLE_E_TOO_BIG;
  int r = c->is_abort_due ? send_due_abort(c) : 0;
  return r ? r : tl_channel_reserve(c, length, out_body);
}

struct tl_send tl_send_init(uint16_t kind, const struct iovec *pieces, size_t count) {
  struct tl_send s = {.pieces = pieces, .piece_count = count, .kind = kind};
  for (size_t i = 0; i < count; i++) s.bytes_left += pieces[i].iov_len;
  return s;
}

uint32_t tl_channel_send_room(const struct tl_channel *c, const struct tl_send *s) {
  uint32_t most = tl_channel_body_bytes_max(c);
  return s->bytes_left < most ? (uint32_t)s->bytes_left : most;
}

static void send_gather(struct tl_send *s, uint8_t *to, size_t bytes) {
  s->bytes_left -= bytes;
  while (bytes) {
    size_t here = s->pieces->iov_len - s->piece_offset;
    size_t n = here < bytes ? here : bytes;
    if (n) memcpy(to, (const uint8_t *)s->pieces->iov_base + s->piece_offset, n);
    to += n, bytes -= n, s->piece_offset += n;
    if (s->piece_offset == s->pieces->iov_len) s->pieces++, s->piece_count--, s->piece_offset = 0;
  }
}

static int send_begin(struct tl_channel *c, struct tl_send *s) {
  if (s->bytes_left > TL_MESSAGE_BYTES_MAX) return TULLE_E_TOO_BIG;
  if (c->open_send) return TULLE_E_BUSY;
  if (c->largest_bytes < s->bytes_left) c->largest_bytes = s->bytes_left;
  return c->is_abort_due ? send_due_abort(c) : 0;
}

/* One record of the message, or TL_FULL. */
static int send_step(struct tl_channel *c, struct tl_send *s) {
  void *body;
  uint32_t length = tl_channel_send_room(c, s);
  int r = tl_ring_reserve(&c->tx, length, &body);
  if (r) return r;
  send_gather(s, body, length);
  s->sequence = tl_ring_commit(&c->tx, s->kind, s->bytes_left ? TL_RECORD_MORE : 0, length);
  s->is_begun = true;
  c->open_send = s->bytes_left ? s : NULL;
  return 0;
}

int tl_channel_push(struct tl_channel *c, struct tl_send *s) {
  int r = c->open_send == s ? 0 : send_begin(c, s);
  while (!r) {
    r = send_step(c, s);
    if (!r && !c->open_send) return 0;
  }
  if (r != TL_FULL) return r;
  c->full_count++;
  tl_channel_publish(c);
  return TL_FULL;
}

int tl_channel_send(struct tl_channel *c, struct tl_send *s, const struct tl_wait *wait) {
  for (;;) {
    int r = tl_channel_push(c, s);
    if (r == TL_FULL)
      r = tl_channel_wait_room(c, tl_channel_send_room(c, s), wait);
    else if (!r)
      return tl_channel_publish(c), 0;
    if (r) return r;
  }
}

void tl_channel_abort(struct tl_channel *c, struct tl_send *s) {
  if (c->open_send != s) return;
  c->open_send = NULL;
  c->is_abort_due = true;
  if (!send_due_abort(c)) tl_channel_publish(c);
}

/* 0 when there is room; TL_FULL with the place to wait at prepared. */
static int prepare_room(struct tl_channel *c, uint32_t length) {
  uint64_t bytes = tl_record_bytes(length);
  if (length > tl_channel_body_bytes_max(c)) return TULLE_E_TOO_BIG;
  tl_channel_publish(c);
  int r = tl_ring_find_room(&c->tx, bytes);
  if (r != TL_FULL) return r;
  __atomic_store_n(&c->tx_parker.target, tl_ring_room_target(&c->tx, length), __ATOMIC_RELAXED);
  __atomic_store_n(&c->own.page->room_wanted, bytes, __ATOMIC_RELAXED);
  return TL_FULL;
}

int tl_channel_wait_room(struct tl_channel *c, uint32_t length, const struct tl_wait *wait) {
  struct tl_parker *place = &c->tx_parker;
  for (;;) {
    int r = prepare_room(c, length);
    if (r == TL_FULL)
      r = tl_park(&place, 1, &c->parking, wait);
    else
      return r;
    if (r) return r;
  }
}

int tl_channel_await_room(struct tl_channel *c, uint32_t length) {
  return prepare_room(c, length);
}

bool tl_channel_arm_room(struct tl_channel *c, uint32_t length) {
  return prepare_room(c, length) != TL_FULL || tl_parker_arm(&c->tx_parker);
}

void tl_channel_disarm_room(struct tl_channel *c) {
  tl_parker_disarm(&c->tx_parker);
}

/* ---- receive ---- */

static int receive_refuse(struct tl_channel *c) {
  return tl_ring_refuse(&c->rx);
}

static int reassembly_grow(struct tl_reassembly *m, size_t bytes) {
  size_t capacity = m->capacity ? m->capacity : REASSEMBLY_BYTES_MIN;
  while (capacity < bytes) capacity *= 2;
  uint8_t *p = capacity == m->capacity ? m->bytes : realloc(m->bytes, capacity);
  if (!p) return TULLE_E_NO_MEMORY;
  m->bytes = p;
  m->capacity = capacity;
  return 0;
}

static void reassembly_reset(struct tl_reassembly *m) {
  m->length = 0;
  m->is_open = m->is_complete = false;
}

/* Takes the peeked record into the message. */
static int receive_part(struct tl_channel *c, const struct tl_record *record) {
  struct tl_reassembly *m = &c->message;
  if (record->flags & TL_RECORD_ABORT) {
    if (!m->is_open || record->length || record->flags & TL_RECORD_MORE) return receive_refuse(c);
    reassembly_reset(m);
  } else {
    if (m->is_open && record->kind != m->kind) return receive_refuse(c);
    if (record->length > m->bytes_max - m->length) return receive_refuse(c);
    int r = reassembly_grow(m, m->length + record->length);
    if (r) return r;
    memcpy(m->bytes + m->length, record->body, record->length);
    m->length += record->length;
    m->kind = record->kind;
    m->sequence = record->sequence;
    m->is_open = record->flags & TL_RECORD_MORE;
    m->is_complete = !m->is_open;
  }
  tl_ring_pass(&c->rx);
  tl_ring_release(&c->rx);
  if (c->rx.tail - c->rx.looked >= c->rx.size / 4) tl_channel_look_for_writer(c);
  return 0;
}

/* The first area is always at hand; others come from the node. */
static int receive_switch(struct tl_channel *c) {
  if (c->rx.asked.number) return TL_RING_SWITCH;
  int r = tl_ring_attach(&c->rx, &c->peer, 0);
  if (r) return receive_refuse(c);
  tl_segment_unmap(&c->peer_data);
  return 0;
}

int tl_channel_peek_slow(struct tl_channel *c, struct tl_message *out_message) {
  struct tl_reassembly *m = &c->message;
  struct tl_record record;
  size_t bytes = 0;
  for (int records = 0; !m->is_complete; records++) {
    if (records == TL_TURN_RECORDS_MAX || bytes >= TL_TURN_BYTES_MAX) return TL_MORE;
    int r = tl_ring_peek(&c->rx, &record);
    if (!r && !record.flags && !m->is_open) {
      *out_message =
          (struct tl_message){record.body, record.length, record.sequence, record.kind, true};
      return 0;
    }
    if (!r) bytes += record.length;
    r = r == TL_RING_SWITCH ? receive_switch(c) : r ? r : receive_part(c, &record);
    if (r) return r;
  }
  *out_message = (struct tl_message){m->bytes, m->length, m->sequence, m->kind, false};
  return 0;
}

int tl_channel_peek_record(struct tl_channel *c, struct tl_record *out_record) {
  for (;;) {
    int r = tl_ring_peek(&c->rx, out_record);
    if (r != TL_RING_SWITCH) return r;
    r = receive_switch(c);
    if (r) return r;
  }
}

void tl_channel_release_slow(struct tl_channel *c) {
  reassembly_reset(&c->message);
}

void tl_channel_trim(struct tl_channel *c) {
  struct tl_reassembly *m = &c->message;
  if (m->is_open || m->is_complete) return;
  free(m->bytes);
  m->bytes = NULL;
  m->capacity = 0;
}

/* A writer that sleeps is woken when its record fits and a quarter is free, so that it does not
 * come back for each record; and in any case when the ring is empty. */
static bool is_worth_waking(const struct tl_channel *c) {
  uint64_t size = c->rx.size;
  uint64_t used = __atomic_load_n(&c->peer.page->write_position, __ATOMIC_ACQUIRE) - c->rx.tail;
  uint64_t wanted = __atomic_load_n(&c->peer.page->room_wanted, __ATOMIC_RELAXED);
  uint64_t enough = wanted > size ? size : wanted > size / 4 ? wanted : size / 4;
  return used <= size && size - used >= enough;
}

void tl_channel_look_for_writer(struct tl_channel *c) {
  c->rx.looked = c->rx.tail;
  /* The position was stored before; storing it again is the barrier between that and the look. */
  __atomic_store_n(&c->own.page->read_position, c->rx.tail, __ATOMIC_SEQ_CST);
  uint64_t parked = __atomic_load_n(c->rx_waker.parked, __ATOMIC_SEQ_CST);
  if (parked && parked != c->rx_waker.rung && is_worth_waking(c))
    tl_waker_ring(&c->rx_waker, parked);
}

/* 0 when there is something to peek at; TL_EMPTY with the place to wait at prepared. */
static int prepare_receive(struct tl_channel *c) {
  tl_channel_flush(c);
  if (c->rx.is_broken) return TULLE_E_PROTOCOL;
  if (c->message.is_complete || c->rx.next != c->rx.head) return 0;
  __atomic_store_n(&c->rx_parker.target, c->rx.head + 1, __ATOMIC_RELAXED);
  return TL_EMPTY;
}

int tl_channel_wait(struct tl_channel *c, const struct tl_wait *wait) {
  struct tl_parker *place = &c->rx_parker;
  int r = prepare_receive(c);
  if (r != TL_EMPTY) return r;
  r = tl_park(&place, 1, &c->parking, wait);
  if (r == TL_WAIT_TICK) tl_channel_trim(c);
  return r;
}

int tl_channel_wait_any(const struct tl_channel_wish *wishes, size_t count,
                        const struct tl_wait *wait) {
  struct tl_parker *places[TL_PARK_MANY_MAX];
  size_t n = 0;
  for (size_t i = 0; i < count; i++) {
    struct tl_channel *c = wishes[i].channel;
    TL_ASSERT(n + wishes[i].records + wishes[i].room <= TL_PARK_MANY_MAX);
    /* An error of one is for its own peek to tell. */
    if (wishes[i].records && prepare_receive(c) != TL_EMPTY) return 0;
    if (wishes[i].records) places[n++] = &c->rx_parker;
    if (wishes[i].room) places[n++] = &c->tx_parker;
  }
  return tl_park(places, n, &wishes[0].channel->parking, wait);
}

bool tl_channel_arm(struct tl_channel *c) {
  return prepare_receive(c) != TL_EMPTY || tl_parker_arm(&c->rx_parker);
}

void tl_channel_disarm_edge(struct tl_channel *c) {
  tl_parker_disarm(&c->rx_parker);
}

void tl_channel_disarm(struct tl_channel *c) {
  tl_channel_disarm_edge(c);
  tl_parker_drain(&c->rx_parker);
}

/* ---- growing and shrinking ---- */

uint32_t tl_channel_wanted_bytes(const struct tl_channel *c) {
  uint64_t wanted = c->tx.size;
  if (c->full_count >= GROWTH_FULL_COUNT) wanted *= 4;
  /* Two of the largest, in place. */
  while (wanted < GROWTH_BYTES_MAX && c->largest_bytes > wanted / 2 - TL_RECORD_HEADER_BYTES)
    wanted *= 2;
  if (wanted > GROWTH_BYTES_MAX) wanted = GROWTH_BYTES_MAX;
  return wanted > c->tx.size ? (uint32_t)wanted : 0;
}

int tl_channel_switch(struct tl_channel *c, const struct tl_segment *data, uint32_t number) {
  if (c->tx.reserved) return TULLE_E_BUSY;
  int r = tl_ring_switch(&c->tx, data ? data : &c->own, data ? number : 0);
  if (r) return r;
  /* tl_ring_switch() goes on only when the area before the last one has been left. */
  tl_segment_unmap(&c->own_data_left);
  c->own_data_left = c->own_data;
  c->own_data = data ? *data : (struct tl_segment){0};
  c->full_count = 0;
  c->largest_bytes = 0;
  tl_channel_publish(c);
  return 0;
}

struct tl_switch_body tl_channel_switch_asked(const struct tl_channel *c) {
  return c->rx.asked;
}

int tl_channel_attach(struct tl_channel *c, const struct tl_segment *data, uint32_t number) {
  int r = tl_ring_attach(&c->rx, data, number);
  if (r) return r;
  tl_segment_unmap(&c->peer_data);
  c->peer_data = *data;
  return 0;
}

/* ---- both ends in one process ---- */

static int party_open(uint32_t data_bytes, struct tl_segment *out_writer,
                      struct tl_segment *out_reader) {
  int fd, r = tl_segment_create(TL_SEGMENT_PARTY, data_bytes, &fd);
  if (r) return r;
  r = tl_segment_map(fd, TL_SEGMENT_PARTY, TL_SEGMENT_WRITER, data_bytes, out_writer);
  if (!r) r = tl_segment_seal(fd);
  if (!r) r = tl_segment_map(fd, TL_SEGMENT_PARTY, TL_SEGMENT_READER, data_bytes, out_reader);
  close(fd);
  return r;
}

int tl_channel_pair(uint32_t data_bytes, size_t message_bytes_max, struct tl_channel *a,
                    struct tl_channel *b) {
  struct tl_segment segments[4] = {{0}}; /* a's as writer and reader, b's as writer and reader */
  int fds[4] = {-1, -1, -1, -1};         /* towards a twice, towards b twice */
  int r = party_open(data_bytes, &segments[0], &segments[1]);
  if (!r) r = party_open(data_bytes, &segments[2], &segments[3]);
  for (int i = 0; !r && i < 4; i++) {
    fds[i] = i % 2 ? fcntl(fds[i - 1], F_DUPFD_CLOEXEC, 0) : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fds[i] < 0) r = -errno;
  }
  if (r) {
    for (int i = 0; i < 4; i++) {
      tl_segment_unmap(&segments[i]);
      if (fds[i] >= 0) close(fds[i]);
    }
    return r;
  }
  tl_channel_init(a, &segments[0], &segments[3], fds[0], fds[2], message_bytes_max);
  tl_channel_init(b, &segments[2], &segments[1], fds[3], fds[1], message_bytes_max);
  return 0;
}
