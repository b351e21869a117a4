#include "transport/ring/ring.h"

#include <string.h>

#include "tests/unit/ring/ring_test.h"

/* Both sides of one ring, over the segments of two parties: `a` writes, `b` reads. */
struct rig {
  struct tl_segment a, a_seen, b, b_seen;
  struct tl_ring_writer w;
  struct tl_ring_reader r;
};

#define BYTES TL_RING_BYTES_MIN

static void rig_init(struct rig *g, uint32_t bytes) {
  party_make(bytes, &g->a, &g->a_seen);
  party_make(bytes, &g->b, &g->b_seen);
  tl_ring_writer_init(&g->w, &g->a, g->b_seen.page);
  tl_ring_reader_init(&g->r, g->b.page, &g->a_seen);
}

static void rig_deinit(struct rig *g) {
  tl_segment_unmap(&g->a);
  tl_segment_unmap(&g->a_seen);
  tl_segment_unmap(&g->b);
  tl_segment_unmap(&g->b_seen);
}

/* As if `position` bytes had passed through an empty ring. */
static void rig_move_to(struct rig *g, uint64_t position) {
  g->w.head = g->w.tail = g->w.published = position;
  g->w.limit = position + g->w.capacity;
  g->r.head = g->r.next = g->r.tail = position;
  g->a.page->write_position = g->b.page->read_position = position;
}

static struct rig rig;

static int setup(void **state) {
  (void)remember_descriptors(state);
  rig_init(&rig, BYTES);
  return 0;
}

static int teardown(void **state) {
  rig_deinit(&rig);
  return check_descriptors(state);
}

static uint8_t pattern(uint64_t sequence, uint32_t i) {
  return (uint8_t)(sequence * 131 + i * 7 + (i >> 8));
}

/* 0 or the condition. */
static int put(struct rig *g, uint32_t length) {
  void *body;
  int r = tl_ring_reserve(&g->w, length, &body);
  if (r) return r;
  for (uint32_t i = 0; i < length; i++) ((uint8_t *)body)[i] = pattern(g->w.sequence, i);
  tl_ring_commit(&g->w, 5, 0, length);
  return 0;
}

static void expect_next(struct rig *g, uint64_t sequence, uint32_t length) {
  struct tl_record record;
  assert_int_equal(tl_ring_peek(&g->r, &record), 0);
  assert_int_equal(record.sequence, sequence);
  assert_int_equal(record.length, length);
  assert_int_equal(record.kind, 5);
  assert_int_equal(record.flags, 0);
  for (uint32_t i = 0; i < length; i++)
    assert_int_equal(((const uint8_t *)record.body)[i], pattern(sequence, i));
  tl_ring_pass(&g->r);
}

static void expect_empty(struct rig *g) {
  struct tl_record record;
  assert_int_equal(tl_ring_peek(&g->r, &record), TL_EMPTY);
}

/* ---- honest parties ---- */

static void records_are_seen_when_published(void **state) {
  (void)state;
  expect_empty(&rig);
  assert_int_equal(put(&rig, 10), 0);
  assert_int_equal(put(&rig, 0), 0);
  expect_empty(&rig);
  tl_ring_publish(&rig.w);
  assert_int_equal(put(&rig, 30), 0);
  expect_next(&rig, 0, 10);
  expect_next(&rig, 1, 0);
  expect_empty(&rig);
  tl_ring_publish(&rig.w);
  expect_next(&rig, 2, 30);
}

static void peeking_twice_shows_the_same(void **state) {
  (void)state;
  struct tl_record first, second;
  assert_int_equal(put(&rig, 10), 0);
  assert_int_equal(put(&rig, 20), 0);
  tl_ring_publish(&rig.w);
  assert_int_equal(tl_ring_peek(&rig.r, &first), 0);
  assert_int_equal(tl_ring_peek(&rig.r, &second), 0);
  assert_ptr_equal(first.body, second.body);
  assert_int_equal(second.sequence, 0);
}

static void an_aborted_reservation_leaves_nothing(void **state) {
  (void)state;
  void *body = NULL;
  assert_int_equal(tl_ring_reserve(&rig.w, 100, &body), 0);
  memset(body, 0xff, 100);
  tl_ring_abort(&rig.w);
  tl_ring_publish(&rig.w);
  expect_empty(&rig);
  assert_int_equal(put(&rig, 8), 0);
  tl_ring_publish(&rig.w);
  expect_next(&rig, 0, 8);
}

static void a_record_may_be_shorter_than_reserved(void **state) {
  (void)state;
  void *body = NULL;
  assert_int_equal(tl_ring_reserve(&rig.w, 1000, &body), 0);
  ((uint8_t *)body)[0] = pattern(0, 0);
  tl_ring_commit(&rig.w, 5, 0, 1);
  assert_int_equal(put(&rig, 9), 0);
  tl_ring_publish(&rig.w);
  expect_next(&rig, 0, 1);
  expect_next(&rig, 1, 9);
}

static void one_record_may_fill_the_ring(void **state) {
  (void)state;
  uint32_t most = tl_ring_body_bytes_max(&rig.w);
  void *body;
  assert_int_equal(tl_ring_reserve(&rig.w, most + 1, &body), TULLE_E_TOO_BIG);
  assert_int_equal(tl_ring_reserve(&rig.w, UINT32_MAX, &body), TULLE_E_TOO_BIG);
  for (int i = 0; i < 5; i++) {
    assert_int_equal(put(&rig, most), 0);
    assert_int_equal(put(&rig, 0), TL_FULL);
    tl_ring_publish(&rig.w);
    expect_next(&rig, (uint64_t)i, most);
    assert_int_equal(put(&rig, 0), TL_FULL);
    tl_ring_release(&rig.r);
  }
}

static void a_full_ring_says_when_there_may_be_room(void **state) {
  (void)state;
  uint64_t sequence = 0;
  while (put(&rig, 100) == 0) sequence++;
  assert_int_equal(sequence, BYTES / tl_record_bytes(100));
  tl_ring_publish(&rig.w);
  uint64_t target = tl_ring_room_target(&rig.w, 100);
  bool is_drained = true;
  assert_int_equal(tl_ring_is_drained(&rig.w, &is_drained), 0);
  assert_false(is_drained);
  for (uint64_t i = 0; rig.r.tail < target; i++) {
    assert_int_equal(put(&rig, 100), TL_FULL);
    expect_next(&rig, i, 100);
    tl_ring_release(&rig.r);
  }
  assert_int_equal(put(&rig, 100), 0);
}

static void records_wrap_at_every_offset(void **state) {
  (void)state;
  const uint32_t lengths[] = {0, 1, 8, 100, 2000, BYTES - TL_RECORD_HEADER_BYTES};
  for (uint32_t offset = 0; offset < BYTES; offset += TL_RECORD_ALIGN) {
    rig_move_to(&rig, 16 * (uint64_t)BYTES + offset);
    uint32_t length = lengths[offset / TL_RECORD_ALIGN % (sizeof lengths / sizeof *lengths)];
    uint64_t sequence = rig.w.sequence;
    assert_int_equal(put(&rig, length), 0);
    tl_ring_publish(&rig.w);
    expect_next(&rig, sequence, length);
    tl_ring_release(&rig.r);
  }
}

static void positions_pass_32_bits(void **state) {
  (void)state;
  const uint64_t starts[] = {(UINT64_C(1) << 31) - 64, (UINT64_C(1) << 32) - 64,
                             (UINT64_C(1) << 63) - 64};
  for (size_t s = 0; s < sizeof starts / sizeof *starts; s++) {
    rig_move_to(&rig, starts[s]);
    for (int i = 0; i < 100; i++) {
      uint64_t sequence = rig.w.sequence;
      assert_int_equal(put(&rig, 50), 0);
      tl_ring_publish(&rig.w);
      expect_next(&rig, sequence, 50);
      tl_ring_release(&rig.r);
    }
  }
}

/* ---- a random sequence of operations against a plain queue ---- */

#define QUEUE_MAX 1024

struct queue {
  uint32_t lengths[QUEUE_MAX];
  uint64_t first, published, end;
};

static void random_step(struct rig *g, struct queue *q, struct random *random) {
  static const uint32_t sizes[] = {1, 40, 300, BYTES / 2, BYTES - TL_RECORD_HEADER_BYTES + 1};
  uint32_t length = random_below(random, sizes[random_below(random, 5)]);
  switch (random_below(random, 6)) {
  case 0:
  case 1:
    if (put(g, length) == 0) q->lengths[q->end++ % QUEUE_MAX] = length;
    break;
  case 2:
    tl_ring_publish(&g->w);
    q->published = q->end;
    break;
  case 3:
  case 4:
    if (q->first == q->published) {
      expect_empty(g);
    } else {
      expect_next(g, q->first, q->lengths[q->first % QUEUE_MAX]);
      q->first++;
    }
    break;
  default:
    tl_ring_release(&g->r);
  }
}

static void behaves_like_a_queue(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 8; seed++) {
    struct random random = {seed};
    struct queue q = {0};
    struct rig g;
    rig_init(&g, BYTES << seed % 3);
    for (int i = 0; i < 20000; i++) random_step(&g, &q, &random);
    assert_true(q.first > 1000);
    rig_deinit(&g);
  }
}

/* ---- a hostile writer ---- */

/* Whatever the ring says now, it has said for good. */
static void expect_reader_quarantine(struct rig *g) {
  struct tl_record record;
  assert_int_equal(tl_ring_peek(&g->r, &record), TULLE_E_PROTOCOL);
  g->a.page->write_position = g->r.next;
  assert_int_equal(tl_ring_peek(&g->r, &record), TULLE_E_PROTOCOL);
  g->a.page->write_position = g->r.next + 16;
  assert_int_equal(tl_ring_peek(&g->r, &record), TULLE_E_PROTOCOL);
}

static void impossible_write_positions_end_the_ring(void **state) {
  (void)state;
  const uint64_t start = 10 * BYTES;
  const uint64_t bad[] = {start - 8,
                          start - BYTES,
                          0,
                          8,
                          start + 1,
                          start + 23,
                          start + BYTES + 8,
                          UINT64_MAX,
                          start | UINT64_C(1) << 63,
                          start + (UINT64_C(1) << 32),
                          start + BYTES + 4096};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct rig g;
    rig_init(&g, BYTES);
    rig_move_to(&g, start);
    g.a.page->write_position = bad[i];
    expect_reader_quarantine(&g);
    rig_deinit(&g);
  }
}

static void impossible_records_end_the_ring(void **state) {
  (void)state;
  const struct tl_switch_body small = {2048, 1}, odd = {12288, 1}, right = {8192, 1};
  const struct {
    struct tl_record_header header;
    struct tl_switch_body body;
    uint64_t published;
  } bad[] = {
      {{9, 1, 0, 0}, right, 24},          /* ends past what is published */
      {{UINT32_MAX, 1, 0, 0}, right, 24}, /* overflows 32 bits with its header */
      {{BYTES, 1, 0, 0}, right, BYTES},   /* longer than the ring */
      {{0, 1, 0, 0}, right, 8},           /* half a header */
      {{8, 1, 0, 1}, right, 24},          /* not the next one */
      {{8, 1, 0, UINT64_MAX}, right, 24},
      {{8, 1, 4, 0}, right, 24}, /* unknown flags */
      {{8, 1, 0x8000, 0}, right, 24},
      {{8, 0xff00, 0, 0}, right, 24}, /* reserved kinds */
      {{8, 0xfffe, 0, 0}, right, 24},
      {{0, 0xffff, 0, 0}, right, 16}, /* SWITCH: without a body, flagged, to no size */
      {{8, 0xffff, 1, 0}, right, 24},
      {{8, 0xffff, 0, 0}, small, 24},
      {{8, 0xffff, 0, 0}, odd, 24},
      {{16, 0xffff, 0, 0}, right, 32},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct rig g;
    rig_init(&g, BYTES);
    memcpy(g.a.data, &bad[i].header, sizeof bad[i].header);
    memcpy(g.a.data + TL_RECORD_HEADER_BYTES, &bad[i].body, sizeof bad[i].body);
    g.a.page->write_position = bad[i].published;
    expect_reader_quarantine(&g);
    rig_deinit(&g);
  }
}

/* The header changes between the look and the use: what was checked is what counts. */
static void a_record_that_changes_after_the_peek_changes_nothing(void **state) {
  (void)state;
  struct tl_record record;
  assert_int_equal(put(&rig, 100), 0);
  assert_int_equal(put(&rig, 8), 0);
  tl_ring_publish(&rig.w);
  assert_int_equal(tl_ring_peek(&rig.r, &record), 0);
  memset(rig.a.data, 0xff, TL_RECORD_HEADER_BYTES);
  rig.a.page->write_position = 0;
  assert_int_equal(record.length, 100);
  tl_ring_pass(&rig.r);
  expect_next(&rig, 1, 8);
  expect_reader_quarantine(&rig);
}

/* ---- a hostile reader ---- */

static void impossible_read_positions_end_the_ring(void **state) {
  (void)state;
  const uint64_t start = 10 * BYTES;
  const uint64_t bad[] = {start - 8, 0, start + BYTES + 8, UINT64_MAX, start | UINT64_C(1) << 63};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct rig g;
    void *body;
    bool is_drained;
    rig_init(&g, BYTES);
    rig_move_to(&g, start);
    assert_int_equal(put(&g, BYTES - TL_RECORD_HEADER_BYTES), 0);
    tl_ring_publish(&g.w);
    g.b.page->read_position = bad[i];
    assert_int_equal(put(&g, 8), TULLE_E_PROTOCOL);
    g.b.page->read_position = start + BYTES;
    assert_int_equal(put(&g, 8), TULLE_E_PROTOCOL);
    assert_int_equal(tl_ring_reserve(&g.w, 0, &body), TULLE_E_PROTOCOL);
    assert_int_equal(tl_ring_is_drained(&g.w, &is_drained), TULLE_E_PROTOCOL);
    assert_int_equal(tl_ring_switch(&g.w, &g.a, 0), TULLE_E_PROTOCOL);
    rig_deinit(&g);
  }
}

/* What was committed but not published cannot have been read. */
static void reading_ahead_of_the_publication_ends_the_ring(void **state) {
  (void)state;
  assert_int_equal(put(&rig, BYTES - TL_RECORD_HEADER_BYTES), 0);
  rig.b.page->read_position = BYTES;
  assert_int_equal(put(&rig, 8), TULLE_E_PROTOCOL);
}

/* ---- changing the data area ---- */

struct area {
  struct tl_segment writer, reader;
};

static void area_init(struct area *a, uint32_t bytes) {
  int fd;
  assert_int_equal(tl_segment_create(TL_SEGMENT_DATA, bytes, &fd), 0);
  assert_int_equal(tl_segment_map(fd, TL_SEGMENT_DATA, TL_SEGMENT_WRITER, bytes, &a->writer), 0);
  assert_int_equal(tl_segment_seal(fd), 0);
  assert_int_equal(tl_segment_map(fd, TL_SEGMENT_DATA, TL_SEGMENT_READER, bytes, &a->reader), 0);
  close(fd);
}

static void area_deinit(struct area *a) {
  tl_segment_unmap(&a->writer);
  tl_segment_unmap(&a->reader);
}

static void expect_switch(struct rig *g, const struct area *a, uint32_t number) {
  struct tl_record record;
  assert_int_equal(tl_ring_peek(&g->r, &record), TL_RING_SWITCH);
  assert_int_equal(g->r.asked.number, number);
  assert_int_equal(g->r.asked.data_bytes, a->reader.data_bytes);
  assert_int_equal(tl_ring_attach(&g->r, &a->reader, number), 0);
}

static void a_ring_grows_under_traffic(void **state) {
  (void)state;
  struct area large;
  area_init(&large, 4 * BYTES);
  uint64_t written = 0, read = 0;
  while (put(&rig, 200) == 0) written++;
  tl_ring_publish(&rig.w);
  /* Full: not even the SWITCH record fits. */
  while (put(&rig, 0) == 0) written++;
  expect_next(&rig, read++, 200);
  tl_ring_release(&rig.r);
  assert_int_equal(tl_ring_switch(&rig.w, &large.writer, 7), 0);
  written++;
  /* Until the reader is across, the writer may not be further ahead than the old area was large. */
  uint64_t more = 0;
  while (put(&rig, 200) == 0) more++;
  assert_true(more < 2);
  tl_ring_publish(&rig.w);
  assert_false(tl_ring_has_left(&rig.w));
  assert_int_equal(tl_ring_switch(&rig.w, &rig.a, 0), TL_FULL);
  struct tl_record record;
  int r;
  while (!(r = tl_ring_peek(&rig.r, &record))) {
    tl_ring_pass(&rig.r);
    tl_ring_release(&rig.r);
    read++;
  }
  assert_int_equal(r, TL_RING_SWITCH);
  assert_int_equal(tl_ring_attach(&rig.r, &large.reader, 6), TULLE_E_INVALID);
  assert_int_equal(tl_ring_attach(&rig.r, &rig.a_seen, 7), TULLE_E_INVALID);
  expect_switch(&rig, &large, 7);
  read++;
  assert_int_equal(read, written);
  /* Now the whole of the new area counts. */
  while (put(&rig, 200) == 0) more++;
  assert_true(tl_ring_has_left(&rig.w));
  assert_int_equal(more, 4 * BYTES / tl_record_bytes(200));
  tl_ring_publish(&rig.w);
  while (more--) expect_next(&rig, read++, 200);
  expect_empty(&rig);
  area_deinit(&large);
}

static void a_ring_shrinks_when_it_is_drained(void **state) {
  (void)state;
  struct area large;
  area_init(&large, 8 * BYTES);
  for (int round = 0; round < 20; round++) {
    uint64_t sequence = rig.w.sequence;
    assert_int_equal(tl_ring_switch(&rig.w, &large.writer, 3), 0);
    tl_ring_publish(&rig.w);
    expect_switch(&rig, &large, 3);
    assert_int_equal(put(&rig, 5 * BYTES), 0);
    assert_int_equal(tl_ring_switch(&rig.w, &rig.a, 0), TL_FULL);
    tl_ring_publish(&rig.w);
    expect_next(&rig, sequence + 1, 5 * BYTES);
    assert_int_equal(tl_ring_switch(&rig.w, &rig.a, 0), TL_FULL);
    tl_ring_release(&rig.r);
    assert_int_equal(tl_ring_switch(&rig.w, &rig.a, 0), 0);
    tl_ring_publish(&rig.w);
    struct tl_record record;
    assert_int_equal(tl_ring_peek(&rig.r, &record), TL_RING_SWITCH);
    assert_int_equal(tl_ring_attach(&rig.r, &rig.a_seen, 0), 0);
    assert_int_equal(put(&rig, BYTES / 2), 0);
    tl_ring_publish(&rig.w);
    expect_next(&rig, sequence + 3, BYTES / 2);
    tl_ring_release(&rig.r);
  }
  area_deinit(&large);
}

/* A wait for more room than the old area has must end when the reader leaves it. */
static void the_target_after_growth_can_be_reached(void **state) {
  (void)state;
  struct area large;
  area_init(&large, 4 * BYTES);
  assert_int_equal(tl_ring_switch(&rig.w, &large.writer, 1), 0);
  tl_ring_publish(&rig.w);
  assert_int_equal(put(&rig, 3 * BYTES), TL_FULL);
  uint64_t target = tl_ring_room_target(&rig.w, 3 * BYTES);
  expect_switch(&rig, &large, 1);
  assert_true(rig.r.tail >= target);
  assert_int_equal(put(&rig, 3 * BYTES), 0);
  area_deinit(&large);
}

/* A writer that filled a large area and then names a small one would make the reader run past its end. */
static void switching_down_with_records_ahead_ends_the_ring(void **state) {
  (void)state;
  struct rig g;
  struct area small;
  area_init(&small, BYTES);
  rig_init(&g, 16 * BYTES);
  struct tl_switch_body body = {BYTES, 1};
  struct tl_record_header h = {sizeof body, TL_RECORD_KIND_SWITCH, 0, 0};
  memcpy(g.a.data, &h, sizeof h);
  memcpy(g.a.data + sizeof h, &body, sizeof body);
  g.a.page->write_position = 16 * BYTES;
  struct tl_record record;
  assert_int_equal(tl_ring_peek(&g.r, &record), TL_RING_SWITCH);
  assert_int_equal(tl_ring_attach(&g.r, &small.reader, 1), TULLE_E_PROTOCOL);
  expect_reader_quarantine(&g);
  rig_deinit(&g);
  area_deinit(&small);
}

#define rig_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      rig_test(records_are_seen_when_published),
      rig_test(peeking_twice_shows_the_same),
      rig_test(an_aborted_reservation_leaves_nothing),
      rig_test(a_record_may_be_shorter_than_reserved),
      rig_test(one_record_may_fill_the_ring),
      rig_test(a_full_ring_says_when_there_may_be_room),
      rig_test(records_wrap_at_every_offset),
      rig_test(positions_pass_32_bits),
      leak_checked(behaves_like_a_queue),
      leak_checked(impossible_write_positions_end_the_ring),
      leak_checked(impossible_records_end_the_ring),
      rig_test(a_record_that_changes_after_the_peek_changes_nothing),
      leak_checked(impossible_read_positions_end_the_ring),
      rig_test(reading_ahead_of_the_publication_ends_the_ring),
      rig_test(a_ring_grows_under_traffic),
      rig_test(a_ring_shrinks_when_it_is_drained),
      rig_test(the_target_after_growth_can_be_reached),
      rig_test(switching_down_with_records_ahead_ends_the_ring),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
