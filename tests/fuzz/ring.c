/*
 * A channel whose peer is the input: a sequence of writes into all that the peer owns (its position page, its
 * data areas), between and after the operations of the victim.
 *
 * Byte by byte: an operation, then its arguments. Values are given relative to what would be right, so that the
 * fuzzer comes near it soon. Whatever the peer does, the victim reads only what is mapped, its results are
 * those that channel.h names, and once it has said PROTOCOL it says so for ever.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "transport/ring/channel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BYTES             TL_RING_BYTES_MIN
#define AREA_BYTES        (2 * BYTES)
#define AREA_NUMBER       1
#define MESSAGE_BYTES_MAX 20000u

struct input {
  const uint8_t *at;
  size_t left;
};

struct siege {
  struct input in;
  struct tl_channel victim;
  struct tl_segment own; /* the peer's, writable */
  struct tl_segment area, area_seen;
  uint64_t position, sequence; /* where an honest peer would write next */
  struct tl_send send;
  struct iovec piece;
  bool is_quarantined;
};

static volatile uint8_t sink;

/* ---- input ---- */

static uint64_t take(struct input *in, size_t bytes) {
  uint64_t v = 0;
  for (size_t i = 0; i < bytes && in->left; i++, in->left--) v |= (uint64_t)*in->at++ << 8 * i;
  return v;
}

/* A value near what is right, or anything. */
static uint64_t take_value(struct siege *s) {
  const struct tl_channel *c = &s->victim;
  const uint64_t bases[] = {0,          s->position, c->rx.next,      c->rx.head,
                            c->rx.tail, c->tx.head,  c->tx.published, c->tx.tail};
  uint8_t how = (uint8_t)take(&s->in, 1);
  int16_t offset = (int16_t)take(&s->in, 2);
  uint64_t v = bases[how % 8] + (uint64_t)(int64_t)offset;
  return how & 0x80 ? v ^ take(&s->in, 8) : v;
}

/* ---- the peer ---- */

static uint8_t *peer_data(struct siege *s) {
  return s->victim.rx.size == AREA_BYTES ? s->area.data : s->own.data;
}

static void peer_word(struct siege *s) {
  size_t at = take(&s->in, 1) % (TL_RING_PAGE_BYTES / TL_RING_LINE_BYTES) * TL_RING_LINE_BYTES;
  uint64_t v = take_value(s);
  memcpy((uint8_t *)s->own.page + at, &v, sizeof v);
}

static void peer_bytes(struct siege *s) {
  size_t at = take(&s->in, 2) % BYTES;
  uint64_t v = take(&s->in, 8);
  memcpy(peer_data(s) + at, &v, sizeof v);
}

/* A record that may be right, and its publication. */
static void peer_record(struct siege *s) {
  uint64_t mask = s->victim.rx.mask;
  struct tl_record_header h = {(uint32_t)take(&s->in, 2), (uint16_t)take(&s->in, 1), 0,
                               s->sequence++};
  h.flags = (uint16_t)(take(&s->in, 1) % 5);
  if (h.kind == 0xff) {
    struct tl_switch_body body = {take(&s->in, 1) % 2 ? AREA_BYTES : BYTES,
                                  (uint32_t)take(&s->in, 1) % 3};
    h.kind = TL_RECORD_KIND_SWITCH, h.length = sizeof body;
    memcpy(peer_data(s) + (s->position & mask) + sizeof h, &body, sizeof body);
  }
  memcpy(peer_data(s) + (s->position & mask), &h, sizeof h);
  s->position += tl_record_bytes(h.length);
  __atomic_store_n(&s->own.page->write_position, s->position, __ATOMIC_RELEASE);
}

static void peer_reads_all(struct siege *s) {
  s->own.page->read_position = s->victim.tx.published;
}

/* ---- the victim ---- */

static void check(struct siege *s, int r) {
  TL_ASSERT(r == 0 || r == TL_EMPTY || r == TL_FULL || r == TL_MORE || r == TL_RING_SWITCH ||
            r == TULLE_E_DEADLINE || r == TULLE_E_PROTOCOL || r == TULLE_E_BUSY ||
            r == TULLE_E_TOO_BIG || r == TULLE_E_INVALID);
  if (r == TULLE_E_PROTOCOL) s->is_quarantined = true;
}

static void read_all(const void *body, size_t length) {
  for (size_t i = 0; i < length; i++) sink = (uint8_t)(sink ^ ((const volatile uint8_t *)body)[i]);
}

/* The peer writes between the look and the use. */
static void victim_receives(struct siege *s, bool is_by_record) {
  struct tl_message m = {0};
  struct tl_record record;
  bool was_broken = s->victim.rx.is_broken;
  int r =
      is_by_record ? tl_channel_peek_record(&s->victim, &record) : tl_channel_peek(&s->victim, &m);
  check(s, r);
  if (was_broken) TL_ASSERT(r == TULLE_E_PROTOCOL || s->victim.message.is_complete);
  if (r) return;
  if (take(&s->in, 1) % 2) peer_bytes(s);
  if (is_by_record)
    read_all(record.body, record.length);
  else
    read_all(m.body, m.length);
  tl_channel_begin(&s->victim, m.sequence);
  tl_channel_release(&s->victim);
}

static void victim_attaches(struct siege *s) {
  struct tl_switch_body asked = tl_channel_switch_asked(&s->victim);
  struct tl_segment area = {NULL, s->area_seen.data, AREA_BYTES};
  int r = tl_channel_attach(&s->victim, &area, asked.number);
  check(s, r);
  /* The area stays the test's: a channel would unmap it when it leaves. */
  s->victim.peer_data = (struct tl_segment){0};
}

static void victim_sends(struct siege *s) {
  static uint8_t bytes[MESSAGE_BYTES_MAX];
  void *body;
  uint32_t length = (uint32_t)take(&s->in, 2);
  if (s->victim.open_send) {
    check(s, tl_channel_push(&s->victim, &s->send));
  } else if (length > tl_channel_body_bytes_max(&s->victim)) {
    s->piece = (struct iovec){bytes, length % MESSAGE_BYTES_MAX};
    s->send = tl_send_init(2, &s->piece, 1);
    check(s, tl_channel_push(&s->victim, &s->send));
  } else {
    int r = tl_channel_reserve(&s->victim, length, &body);
    check(s, r);
    if (!r) {
      memset(body, 1, length);
      tl_channel_commit(&s->victim, 1, length);
    }
  }
  tl_channel_publish(&s->victim);
}

static void victim_waits(struct siege *s) {
  struct tl_wait past = tl_wait_until(0);
  uint32_t length = (uint32_t)take(&s->in, 2) % BYTES;
  check(s, tl_channel_wait(&s->victim, &past));
  check(s, tl_channel_wait_room(&s->victim, length, &past));
}

static void victim_arms(struct siege *s) {
  (void)tl_channel_arm(&s->victim);
  (void)tl_channel_arm_room(&s->victim, (uint32_t)take(&s->in, 2) % BYTES);
  tl_channel_flush(&s->victim);
  tl_channel_disarm_room(&s->victim);
  tl_channel_disarm(&s->victim);
}

/* ---- one input ---- */

static void map_two(enum tl_segment_kind kind, uint32_t bytes, struct tl_segment *out_writer,
                    struct tl_segment *out_reader) {
  int fd;
  TL_ASSERT(!tl_segment_create(kind, bytes, &fd));
  TL_ASSERT(!tl_segment_map(fd, kind, TL_SEGMENT_WRITER, bytes, out_writer));
  TL_ASSERT(!tl_segment_seal(fd));
  TL_ASSERT(!tl_segment_map(fd, kind, TL_SEGMENT_READER, bytes, out_reader));
  close(fd);
}

static void siege_begin(struct siege *s) {
  struct tl_segment own, own_seen, peer;
  map_two(TL_SEGMENT_PARTY, BYTES, &own, &own_seen);
  tl_segment_unmap(&own_seen);
  map_two(TL_SEGMENT_PARTY, BYTES, &s->own, &peer);
  map_two(TL_SEGMENT_DATA, AREA_BYTES, &s->area, &s->area_seen);
  int in = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), out = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  TL_ASSERT(in >= 0 && out >= 0);
  tl_channel_init(&s->victim, &own, &peer, in, out, MESSAGE_BYTES_MAX);
}

static void siege_end(struct siege *s) {
  tl_channel_deinit(&s->victim);
  tl_segment_unmap(&s->own);
  tl_segment_unmap(&s->area);
  tl_segment_unmap(&s->area_seen);
}

static void step(struct siege *s) {
  switch (take(&s->in, 1) % 12) {
  case 0:
    return peer_word(s);
  case 1:
    return peer_bytes(s);
  case 2:
  case 3:
    return peer_record(s);
  case 4:
    return peer_reads_all(s);
  case 5:
    return victim_receives(s, true);
  case 6:
    return victim_attaches(s);
  case 7:
    return victim_sends(s);
  case 8:
    return victim_waits(s);
  case 9:
    return victim_arms(s);
  case 10:
    return tl_channel_abort(&s->victim, &s->send);
  default:
    return victim_receives(s, false);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct siege s = {.in = {data, size}};
  siege_begin(&s);
  while (s.in.left) step(&s);
  if (s.is_quarantined) TL_ASSERT(s.victim.rx.is_broken || s.victim.tx.is_broken);
  siege_end(&s);
  return 0;
}
