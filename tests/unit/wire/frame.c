/* Frames: golden bytes of each, every truncation, every field past its bound. */
#include "core/wire/frame.h"

#include "tests/unit/test.h"

#define V8_MAX 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff /* 2^62-1 as a varint */

struct golden {
  const char *name;
  uint8_t bytes[40];
  size_t size;
};

static const uint8_t path_bytes[8] = {1, 2, 3, 4, 5, 6, 7, 8};

static void write_pad(struct tl_writer *w) {
  tl_frame_write_pad(w, 3);
}
static void check_pad(const struct tl_frame *f) {
  assert_int_equal(f->type, TL_FRAME_PAD);
}

static void write_ping(struct tl_writer *w) {
  tl_frame_write_ping(w);
}
static void check_ping(const struct tl_frame *f) {
  assert_int_equal(f->type, TL_FRAME_PING);
}

static void write_ack(struct tl_writer *w) {
  struct tl_frame_ack ack = {.epoch = 1, .channel = 2, .delay_us = 500, .range_count = 3};
  ack.ranges[0] = (struct tl_frame_range){998, 1000};
  ack.ranges[1] = (struct tl_frame_range){10, 996};
  ack.ranges[2] = (struct tl_frame_range){0, 0};
  tl_frame_write_ack(w, &ack);
}
static void check_ack(const struct tl_frame *f) {
  assert_int_equal(f->type, TL_FRAME_ACK);
  assert_int_equal(f->ack.epoch, 1);
  assert_int_equal(f->ack.channel, 2);
  assert_int_equal(f->ack.delay_us, 500);
  assert_int_equal(f->ack.range_count, 3);
  static const uint64_t edges[] = {998, 1000, 10, 996, 0, 0};
  for (size_t i = 0; i < 3; i++) {
    assert_int_equal(f->ack.ranges[i].first, edges[2 * i]);
    assert_int_equal(f->ack.ranges[i].last, edges[2 * i + 1]);
  }
}

static void write_reset(struct tl_writer *w) {
  tl_frame_write_reset(w, &(struct tl_frame_reset){.lane = 5, .reason = 104, .charged = 70000});
}
static void check_reset(const struct tl_frame *f) {
  assert_int_equal(f->type, TL_FRAME_RESET);
  assert_int_equal(f->reset.lane, 5);
  assert_int_equal(f->reset.reason, 104);
  assert_int_equal(f->reset.charged, 70000);
}

static void write_credit(struct tl_writer *w) {
  tl_frame_write_credit(w, 64, 65792);
}
static void check_credit(const struct tl_frame *f) {
  assert_int_equal(f->type, TL_FRAME_CREDIT);
  assert_int_equal(f->credit.lane, 64);
  assert_int_equal(f->credit.max, 65792);
}

static void write_link_credit(struct tl_writer *w) {
  tl_frame_write_link_credit(w, UINT64_C(1) << 30);
}
static void check_link_credit(const struct tl_frame *f) {
  assert_int_equal(f->type, TL_FRAME_LINK_CREDIT);
  assert_int_equal(f->credit.max, 1 << 30);
}

static void write_lanes(struct tl_writer *w) {
  tl_frame_write_lanes(w, 16384);
}
static void check_lanes(const struct tl_frame *f) {
  assert_int_equal(f->type, TL_FRAME_LANES);
  assert_int_equal(f->credit.max, 16384);
}

static void write_challenge(struct tl_writer *w) {
  tl_frame_write_path(w, TL_FRAME_PATH_CHALLENGE, path_bytes);
}
static void check_challenge(const struct tl_frame *f) {
  assert_int_equal(f->type, TL_FRAME_PATH_CHALLENGE);
  assert_memory_equal(f->path, path_bytes, 8);
}

static void write_response(struct tl_writer *w) {
  tl_frame_write_path(w, TL_FRAME_PATH_RESPONSE, path_bytes);
}
static void check_response(const struct tl_frame *f) {
  assert_int_equal(f->type, TL_FRAME_PATH_RESPONSE);
  assert_memory_equal(f->path, path_bytes, 8);
}

static void write_rekey1(struct tl_writer *w) {
  tl_frame_write_rekey(w, TL_FRAME_REKEY1, "abc", 3);
}
static void check_rekey1(const struct tl_frame *f) {
  assert_int_equal(f->type, TL_FRAME_REKEY1);
  assert_int_equal(f->rekey.size, 3);
  assert_memory_equal(f->rekey.bytes, "abc", 3);
}

static void write_rekey2(struct tl_writer *w) {
  tl_frame_write_rekey(w, TL_FRAME_REKEY2, "d", 1);
}
static void check_rekey2(const struct tl_frame *f) {
  assert_int_equal(f->type, TL_FRAME_REKEY2);
  assert_int_equal(f->rekey.size, 1);
}

static void write_close(struct tl_writer *w) {
  tl_frame_write_close(w, 65535);
}
static void check_close(const struct tl_frame *f) {
  assert_int_equal(f->type, TL_FRAME_CLOSE);
  assert_int_equal(f->reason, 65535);
}

static void write_stream(struct tl_writer *w) {
  tl_frame_write_stream(w,
                        &(struct tl_frame_stream){
                            .lane = 0, .offset = 300, .bytes = (const uint8_t *)"wxyz", .size = 4});
}
static void check_stream(const struct tl_frame *f) {
  assert_int_equal(f->type, TL_FRAME_STREAM);
  assert_int_equal(f->stream.lane, 0);
  assert_int_equal(f->stream.offset, 300);
  assert_int_equal(f->stream.size, 4);
  assert_false(f->stream.is_fin);
  assert_memory_equal(f->stream.bytes, "wxyz", 4);
}

static void write_fin(struct tl_writer *w) {
  tl_frame_write_stream(
      w, &(struct tl_frame_stream){.lane = 2, .offset = 7, .messages = 9, .is_fin = true});
}
static void check_fin(const struct tl_frame *f) {
  assert_int_equal(f->type, TL_FRAME_STREAM);
  assert_true(f->stream.is_fin);
  assert_int_equal(f->stream.offset, 7);
  assert_int_equal(f->stream.messages, 9);
  assert_int_equal(f->stream.size, 0);
}

static const uint8_t msg_bytes[] = {7, 0, 'h', 'i'};

static void write_msg(struct tl_writer *w) {
  tl_frame_write_msg(w,
                     &(struct tl_frame_msg){.lane = 3, .total = 4, .bytes = msg_bytes, .size = 4});
}
static void check_msg(const struct tl_frame *f) {
  assert_int_equal(f->type, TL_FRAME_MSG);
  assert_int_equal(f->msg.lane, 3);
  assert_int_equal(f->msg.total, 4);
  assert_int_equal(f->msg.size, 4);
  assert_false(f->msg.is_reliable || f->msg.is_part);
  assert_memory_equal(f->msg.bytes, msg_bytes, 4);
}

static void write_reliable(struct tl_writer *w) {
  tl_frame_write_msg(
      w, &(struct tl_frame_msg){
             .lane = 3, .id = 77, .total = 4, .bytes = msg_bytes, .size = 4, .is_reliable = true});
}
static void check_reliable(const struct tl_frame *f) {
  assert_true(f->msg.is_reliable && !f->msg.is_part);
  assert_int_equal(f->msg.id, 77);
  assert_int_equal(f->msg.total, 4);
}

static void write_part(struct tl_writer *w) {
  tl_frame_write_msg(w, &(struct tl_frame_msg){.lane = 3,
                                               .id = 1,
                                               .total = 32770,
                                               .offset = 32766,
                                               .bytes = msg_bytes,
                                               .size = 4,
                                               .is_part = true});
}
static void check_part(const struct tl_frame *f) {
  assert_true(f->msg.is_part && !f->msg.is_reliable);
  assert_int_equal(f->msg.total, 32770);
  assert_int_equal(f->msg.offset, 32766);
  assert_int_equal(f->msg.size, 4);
}

static void write_reliable_part(struct tl_writer *w) {
  tl_frame_write_msg(w, &(struct tl_frame_msg){.lane = 3,
                                               .id = 1,
                                               .total = 5,
                                               .offset = 1,
                                               .bytes = msg_bytes,
                                               .size = 4,
                                               .is_part = true,
                                               .is_reliable = true});
}
static void check_reliable_part(const struct tl_frame *f) {
  assert_true(f->msg.is_part && f->msg.is_reliable);
  assert_int_equal(f->msg.total, 5);
  assert_int_equal(f->msg.offset, 1);
}

static const struct {
  void (*write)(struct tl_writer *w);
  void (*check)(const struct tl_frame *f);
  uint8_t bytes[24];
  size_t size;
} goldens[] = {
    {write_pad, check_pad, {0, 0, 0}, 3},
    {write_ping, check_ping, {1}, 1},
    {write_ack, check_ack, {2, 1, 2, 0x43, 0xe8, 0x41, 0xf4, 2, 2, 0, 0x43, 0xda, 8, 0}, 14},
    {write_reset, check_reset, {3, 5, 0x40, 104, 0x80, 0x01, 0x11, 0x70}, 8},
    {write_credit, check_credit, {4, 0x40, 64, 0x80, 0x01, 0x01, 0x00}, 7},
    {write_link_credit, check_link_credit, {5, 0xc0, 0, 0, 0, 0x40, 0, 0, 0}, 9},
    {write_lanes, check_lanes, {6, 0x80, 0, 0x40, 0}, 5},
    {write_challenge, check_challenge, {7, 1, 2, 3, 4, 5, 6, 7, 8}, 9},
    {write_response, check_response, {8, 1, 2, 3, 4, 5, 6, 7, 8}, 9},
    {write_rekey1, check_rekey1, {9, 3, 'a', 'b', 'c'}, 5},
    {write_rekey2, check_rekey2, {10, 1, 'd'}, 3},
    {write_close, check_close, {11, 0x80, 0, 0xff, 0xff}, 5},
    {write_stream, check_stream, {0x10, 0, 0x41, 0x2c, 4, 'w', 'x', 'y', 'z'}, 9},
    {write_fin, check_fin, {0x11, 2, 7, 9, 0}, 5},
    {write_msg, check_msg, {0x20, 3, 4, 7, 0, 'h', 'i'}, 7},
    {write_reliable, check_reliable, {0x21, 3, 0x40, 77, 4, 7, 0, 'h', 'i'}, 9},
    {write_part,
     check_part,
     {0x22, 3, 1, 0x80, 0, 0x80, 0x02, 0x80, 0, 0x7f, 0xfe, 4, 7, 0, 'h', 'i'},
     16},
    {write_reliable_part, check_reliable_part, {0x23, 3, 1, 5, 1, 4, 7, 0, 'h', 'i'}, 10},
};

#define GOLDENS (sizeof goldens / sizeof *goldens)

static void golden_bytes_both_ways(void **state) {
  (void)state;
  for (size_t i = 0; i < GOLDENS; i++) {
    uint8_t out[64];
    struct tl_writer w = tl_writer_on(out, sizeof out);
    goldens[i].write(&w);
    assert_false(w.failed);
    assert_int_equal(tl_writer_size(&w), goldens[i].size);
    assert_memory_equal(out, goldens[i].bytes, goldens[i].size);
    struct tl_reader r = tl_reader_on(goldens[i].bytes, goldens[i].size);
    struct tl_frame frame;
    assert_int_equal(tl_frame_next(&r, &frame), 0);
    goldens[i].check(&frame);
    assert_true(tl_reader_done(&r));
    assert_int_equal(tl_frame_next(&r, &frame), TL_END);
  }
}

/* Each golden frame is copied to a block of its own so that a read past the cut is seen. */
static void every_truncation_is_refused(void **state) {
  (void)state;
  for (size_t i = 1; i < GOLDENS; i++) { /* not PAD: any part of it is a shorter one */
    for (size_t cut = 1; cut < goldens[i].size; cut++) {
      uint8_t *copy = test_malloc(cut);
      memcpy(copy, goldens[i].bytes, cut);
      struct tl_reader r = tl_reader_on(copy, cut);
      struct tl_frame frame;
      assert_int_equal(tl_frame_next(&r, &frame), TULLE_E_PROTOCOL);
      test_free(copy);
    }
  }
}

static void every_lack_of_room_fails_the_writer(void **state) {
  (void)state;
  for (size_t i = 0; i < GOLDENS; i++) {
    for (size_t room = 0; room < goldens[i].size; room++) {
      uint8_t out[64];
      memset(out, 0xee, sizeof out);
      struct tl_writer w = tl_writer_on(out, room);
      goldens[i].write(&w);
      assert_true(w.failed);
      assert_int_equal(out[room], 0xee);
    }
  }
}

static void unknown_types_are_refused(void **state) {
  (void)state;
  for (unsigned type = 0; type < 256; type++) {
    if (type <= TL_FRAME_CLOSE || (type & ~1u) == TL_FRAME_STREAM || (type & ~3u) == TL_FRAME_MSG)
      continue;
    uint8_t bytes[16] = {(uint8_t)type};
    struct tl_reader r = tl_reader_on(bytes, sizeof bytes);
    struct tl_frame frame;
    assert_int_equal(tl_frame_next(&r, &frame), TULLE_E_PROTOCOL);
  }
}

static void fields_past_their_bounds(void **state) {
  (void)state;
  static const struct golden bad[] = {
      {"ack: epoch of 33 bits", {2, 0xc0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0}, 14},
      {"ack: channel of 33 bits", {2, 0, 0xc0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0}, 14},
      {"ack: first range below zero", {2, 0, 0, 5, 0, 0, 6}, 7},
      {"ack: 33 ranges", {2, 0, 0, 63, 0, 32, 0, 0, 0}, 9},
      {"ack: gap below zero", {2, 0, 0, 5, 0, 1, 0, 4, 0}, 9},
      {"ack: huge gap", {2, 0, 0, 5, 0, 1, 0, V8_MAX, 0}, 16},
      {"ack: length below zero", {2, 0, 0, 5, 0, 1, 0, 0, 4}, 9},
      {"ack: huge length", {2, 0, 0, 5, 0, 1, 0, 0, V8_MAX}, 16},
      {"reset: reason 65,536", {3, 0, 0x80, 1, 0, 0, 0}, 7},
      {"close: reason 65,536", {11, 0x80, 1, 0, 0}, 5},
      {"rekey of nothing", {9, 0}, 2},
      {"rekey of 513 bytes", {9, 0x42, 0x01}, 3},
      {"stream of nothing", {0x10, 0, 0, 0}, 4},
      {"stream longer than its packet", {0x10, 0, 0, 2, 1}, 5},
      {"stream past 2^62-1", {0x10, 0, V8_MAX, 1, 1}, 12},
      {"stream of 2^62-1 bytes", {0x10, 0, 0, V8_MAX}, 11},
      {"message of no head", {0x20, 0, 1, 7}, 4},
      {"message of nothing", {0x20, 0, 0}, 3},
      {"message longer than its packet", {0x20, 0, 3, 7, 0}, 5},
      {"message of 32,771 bytes", {0x20, 0, 0x80, 0, 0x80, 3}, 6},
      {"part of nothing", {0x22, 0, 0, 4, 0, 0}, 6},
      {"part past its total", {0x22, 0, 0, 4, 3, 2, 7, 0}, 8},
      {"part at a wild offset", {0x22, 0, 0, 4, 0x80, 0, 0x80, 2, 2, 7, 0}, 11},
      {"part of a total of 1", {0x22, 0, 0, 1, 0, 1, 7}, 7},
      {"part of a total of 32,771", {0x23, 0, 0, 0x80, 0, 0x80, 3, 0, 1, 7}, 10},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct tl_reader r = tl_reader_on(bad[i].bytes, bad[i].size);
    struct tl_frame frame;
    if (tl_frame_next(&r, &frame) != TULLE_E_PROTOCOL) fail_msg("accepted: %s", bad[i].name);
  }
}

static void thirty_two_ranges_fit(void **state) {
  (void)state;
  struct tl_frame_ack ack = {.range_count = TL_FRAME_ACK_RANGES_MAX};
  for (uint32_t i = 0; i < ack.range_count; i++)
    ack.ranges[i] = (struct tl_frame_range){3 * (31 - i), 3 * (31 - i) + (i == 31)};
  uint8_t out[256];
  struct tl_writer w = tl_writer_on(out, sizeof out);
  tl_frame_write_ack(&w, &ack);
  assert_false(w.failed);
  struct tl_reader r = tl_reader_on(out, tl_writer_size(&w));
  struct tl_frame frame;
  assert_int_equal(tl_frame_next(&r, &frame), 0);
  assert_int_equal(frame.ack.range_count, ack.range_count);
  assert_memory_equal(frame.ack.ranges, ack.ranges, sizeof ack.ranges);
}

static void heads_are_never_longer_than_said(void **state) {
  (void)state;
  static const uint64_t values[] = {0, 63, 64, 16383, 16384, 1 << 30, (UINT64_C(1) << 62) - 70000};
  uint8_t out[64];
  for (size_t i = 0; i < 7; i++)
    for (size_t j = 0; j < 7; j++)
      for (int fin = 0; fin < 2; fin++) {
        struct tl_frame_stream s = {
            .lane = values[i], .offset = values[j], .messages = values[i], .is_fin = fin};
        struct tl_writer w = tl_writer_on(out, sizeof out);
        tl_frame_write_stream(&w, &s);
        assert_true(tl_writer_size(&w) <= tl_frame_stream_head_size(s.lane, s.offset, fin));
        struct tl_frame_msg m = {.lane = values[i],
                                 .id = values[j],
                                 .total = 32770,
                                 .offset = 16000,
                                 .bytes = msg_bytes,
                                 .size = 1,
                                 .is_reliable = true,
                                 .is_part = fin};
        w = tl_writer_on(out, sizeof out);
        tl_frame_write_msg(&w, &m);
        assert_true(tl_writer_size(&w) <= tl_frame_msg_head_size(&m) + 1);
      }
}

static void what_asks_for_an_acknowledgement(void **state) {
  (void)state;
  assert_false(tl_frame_is_eliciting(TL_FRAME_PAD));
  assert_false(tl_frame_is_eliciting(TL_FRAME_ACK));
  assert_false(tl_frame_is_eliciting(TL_FRAME_CLOSE));
  assert_true(tl_frame_is_eliciting(TL_FRAME_PING));
  assert_true(tl_frame_is_eliciting(TL_FRAME_STREAM));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(golden_bytes_both_ways),
      cmocka_unit_test(every_truncation_is_refused),
      cmocka_unit_test(every_lack_of_room_fails_the_writer),
      cmocka_unit_test(unknown_types_are_refused),
      cmocka_unit_test(fields_past_their_bounds),
      cmocka_unit_test(thirty_two_ranges_fit),
      cmocka_unit_test(heads_are_never_longer_than_said),
      cmocka_unit_test(what_asks_for_an_acknowledgement),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
