/* Packets between nodes: golden heads, every length, every byte that must be what it is. */
#include "core/wire/packet.h"

#include <string.h>

#include "core/bytes.h"
#include "core/error.h"
#include "tests/unit/test.h"

static uint8_t ramp[TL_HANDSHAKE_BYTES];

static void ramp_init(void) {
  for (size_t i = 0; i < sizeof ramp; i++) ramp[i] = (uint8_t)(i + 1);
}

static void hello_make(uint8_t out[TL_HANDSHAKE_BYTES]) {
  struct tl_packet_hello h = {.flags = TL_HELLO_JOIN,
                              .sender_index = 0x04030201,
                              .fabric_tag = ramp + 16,
                              .psk_id = ramp + 32,
                              .responder_id = ramp + 48,
                              .noise = ramp + 64};
  ramp_init();
  tl_packet_hello_encode(&h, out);
}

static void hello_golden(void **state) {
  (void)state;
  uint8_t packet[TL_HANDSHAKE_BYTES];
  struct tl_packet_hello h;
  static const uint8_t head[] = {0x01, 0x01, 0x01, 0x00, 0x01, 0x02, 0x03, 0x04, 0x11, 0x12};
  hello_make(packet);
  assert_memory_equal(packet, head, sizeof head);
  assert_memory_equal(packet + 8, ramp + 16, 8);
  assert_memory_equal(packet + 16, ramp + 32, 8);
  assert_memory_equal(packet + 24, ramp + 48, 16);
  assert_memory_equal(packet + 40, ramp + 64, 48);
  for (size_t i = 88; i < sizeof packet; i++) assert_int_equal(packet[i], 0);
  memset(packet + 88, 0xaa, 32);
  assert_int_equal(tl_packet_hello_decode(packet, sizeof packet, &h), 0);
  assert_int_equal(h.flags, TL_HELLO_JOIN);
  assert_int_equal(h.sender_index, 0x04030201);
  assert_ptr_equal(h.fabric_tag, packet + 8);
  assert_ptr_equal(h.psk_id, packet + 16);
  assert_ptr_equal(h.responder_id, packet + 24);
  assert_ptr_equal(h.noise, packet + 40);
  assert_ptr_equal(h.mac1, packet + TL_HELLO_MAC1_AT);
  assert_ptr_equal(h.mac2, packet + TL_HELLO_MAC2_AT);
}

static void hello_faults(void **state) {
  (void)state;
  uint8_t packet[TL_HANDSHAKE_BYTES + 64] = {0};
  struct tl_packet_hello h;
  hello_make(packet);
  for (size_t size = 0; size <= sizeof packet; size++)
    assert_int_equal(tl_packet_hello_decode(packet, size, &h),
                     size == TL_HANDSHAKE_BYTES ? 0 : TL_PACKET_FAULT_SIZE);
  for (size_t at = 0; at < TL_HANDSHAKE_BYTES; at++) {
    int fault = at == 0    ? TL_PACKET_FAULT_TYPE
                : at == 1  ? TL_PACKET_FAULT_VERSION
                : at <= 3  ? TL_PACKET_FAULT_FLAGS
                : at < 120 ? 0
                           : TL_PACKET_FAULT_PADDING;
    packet[at] ^= 0x80;
    assert_int_equal(tl_packet_hello_decode(packet, TL_HANDSHAKE_BYTES, &h), fault);
    packet[at] ^= 0x80;
  }
}

static void cookie_golden_and_faults(void **state) {
  (void)state;
  uint8_t packet[TL_COOKIE_BYTES + 64] = {0};
  ramp_init();
  struct tl_packet_cookie c = {.receiver_index = 0x0a0b0c0d, .nonce = ramp, .sealed = ramp + 24};
  static const uint8_t head[] = {0x02, 0x01, 0, 0, 0x0d, 0x0c, 0x0b, 0x0a};
  tl_packet_cookie_encode(&c, packet);
  assert_memory_equal(packet, head, sizeof head);
  assert_memory_equal(packet + 8, ramp, 56);
  for (size_t size = 0; size <= sizeof packet; size++)
    assert_int_equal(tl_packet_cookie_decode(packet, size, &c),
                     size == TL_COOKIE_BYTES ? 0 : TL_PACKET_FAULT_SIZE);
  assert_int_equal(tl_packet_cookie_decode(packet, TL_COOKIE_BYTES, &c), 0);
  assert_int_equal(c.receiver_index, 0x0a0b0c0d);
  static const int faults[] = {TL_PACKET_FAULT_TYPE, TL_PACKET_FAULT_VERSION, TL_PACKET_FAULT_FLAGS,
                               TL_PACKET_FAULT_FLAGS};
  for (size_t at = 0; at < 4; at++) {
    packet[at] ^= 4;
    assert_int_equal(tl_packet_cookie_decode(packet, TL_COOKIE_BYTES, &c), faults[at]);
    packet[at] ^= 4;
  }
}

static void reply_golden_and_faults(void **state) {
  (void)state;
  uint8_t packet[TL_HANDSHAKE_BYTES + 64] = {0};
  struct tl_packet_reply p;
  static const uint8_t head[] = {0x03, 1, 0, 0, 4, 3, 2, 1, 8, 7, 6, 5, 0, 0, 0, 0};
  tl_packet_reply_encode_head(TL_PACKET_REPLY, 0x01020304, 0x05060708, packet);
  assert_memory_equal(packet, head, sizeof head);
  for (size_t size = 0; size <= sizeof packet; size++)
    assert_int_equal(tl_packet_reply_decode(packet, size, TL_PACKET_REPLY, &p),
                     size == TL_HANDSHAKE_BYTES ? 0 : TL_PACKET_FAULT_SIZE);
  assert_int_equal(tl_packet_reply_decode(packet, TL_HANDSHAKE_BYTES, TL_PACKET_REPLY, &p), 0);
  assert_true(p.sender_index == 0x01020304 && p.receiver_index == 0x05060708);
  assert_ptr_equal(p.noise, packet + 16);
  assert_ptr_equal(p.mac1, packet + 1184);
  assert_int_equal(tl_packet_reply_decode(packet, TL_HANDSHAKE_BYTES, TL_PACKET_FINISH, &p),
                   TL_PACKET_FAULT_TYPE);
  for (size_t at = 0; at < 16; at++) {
    int fault = at == 0    ? TL_PACKET_FAULT_TYPE
                : at == 1  ? TL_PACKET_FAULT_VERSION
                : at <= 3  ? TL_PACKET_FAULT_FLAGS
                : at <= 11 ? 0
                           : TL_PACKET_FAULT_PADDING;
    packet[at] ^= 0x10;
    assert_int_equal(tl_packet_reply_decode(packet, TL_HANDSHAKE_BYTES, TL_PACKET_REPLY, &p),
                     fault);
    packet[at] ^= 0x10;
  }
}

static void data_golden_and_faults(void **state) {
  (void)state;
  static const uint8_t golden[] = {0x11, 0,    0x14, 0,    4,    3,    2,    1,
                                   0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11};
  uint8_t packet[64] = {0};
  struct tl_packet_data h = {.type = TL_PACKET_RECORD,
                             .length = 20,
                             .receiver_index = 0x01020304,
                             .counter = 0x1112131415161718};
  tl_packet_data_encode(&h, packet);
  assert_memory_equal(packet, golden, sizeof golden);
  for (size_t size = 0; size <= sizeof packet; size++)
    assert_int_equal(tl_packet_data_decode(packet, size, &h),
                     size == 36 ? 0 : TL_PACKET_FAULT_SIZE);
  assert_true(h.length == 20 && h.counter == 0x1112131415161718);
  packet[1] = 1;
  assert_int_equal(tl_packet_data_decode(packet, 36, &h), TL_PACKET_FAULT_FLAGS);
  packet[1] = 0;
  for (unsigned type = 0; type < 256; type++) {
    packet[0] = (uint8_t)type;
    int fault = type == TL_PACKET_RECORD || type == TL_PACKET_ATTACH ? 0
                : type == TL_PACKET_DATA ? TL_PACKET_FAULT_SIZE /* its length is zero */
                                         : TL_PACKET_FAULT_TYPE;
    assert_int_equal(tl_packet_data_decode(packet, 36, &h), fault);
  }
  packet[0] = TL_PACKET_DATA;
  packet[2] = 0;
  assert_int_equal(tl_packet_data_decode(packet, 31, &h), TL_PACKET_FAULT_SIZE);
  assert_int_equal(tl_packet_data_decode(packet, 32, &h), 0);
}

static void the_receiver_is_found(void **state) {
  (void)state;
  uint8_t packet[16] = {[4] = 1, [8] = 2};
  static const struct {
    uint8_t type;
    uint32_t index;
    size_t size_min;
  } cases[] = {{TL_PACKET_COOKIE, 1, 8},
               {TL_PACKET_REPLY, 2, 12},
               {TL_PACKET_FINISH, 2, 12},
               {TL_PACKET_DATA, 1, 8},
               {TL_PACKET_RECORD, 1, 8},
               {TL_PACKET_ATTACH, 1, 8},
               {TL_PACKET_HELLO, 0, 999},
               {0, 0, 999},
               {0xff, 0, 999}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (size_t size = 0; size <= sizeof packet; size++) {
      uint32_t index = 77;
      packet[0] = cases[i].type;
      bool has = size >= cases[i].size_min;
      assert_int_equal(tl_packet_receiver_index(packet, size, &index),
                       has ? 0 : TULLE_E_BAD_MESSAGE);
      assert_int_equal(index, has ? cases[i].index : 77);
    }
  assert_int_equal(tl_packet_type_of(packet, 0), 0);
  assert_int_equal(tl_packet_type_of(packet, 1), 0xff);
}

static void a_stream_is_cut(void **state) {
  (void)state;
  size_t size = 99;
  for (unsigned type = 0; type < 256; type++) {
    uint8_t head[4] = {(uint8_t)type, 0, 0x34, 0x12};
    for (size_t have = 0; have < 4; have++)
      assert_int_equal(tl_packet_cut(head, have, &size), TL_MORE);
    int r = tl_packet_cut(head, 4, &size);
    if (type == TL_PACKET_HELLO || type == TL_PACKET_REPLY || type == TL_PACKET_FINISH)
      assert_true(r == 0 && size == TL_HANDSHAKE_BYTES);
    else if (type == TL_PACKET_RECORD || type == TL_PACKET_ATTACH)
      assert_true(r == 0 && size == 16 + 0x1234);
    else
      assert_int_equal(r, TULLE_E_PROTOCOL);
  }
  uint8_t head[4] = {TL_PACKET_RECORD, 0, 15, 0};
  assert_int_equal(tl_packet_cut(head, 4, &size), TULLE_E_PROTOCOL); /* no room for a tag */
  head[2] = 16;
  assert_int_equal(tl_packet_cut(head, 4, &size), 0);
}

static void payload_golden_and_faults(void **state) {
  (void)state;
  uint8_t bytes[300];
  ramp_init();
  struct tl_packet_payload p = {.min_version = 1,
                                .max_version = 3,
                                .certificate = ramp,
                                .boot_id = ramp + 500,
                                .features = 0x1122334455667788,
                                .revocation_version = 0x01020304,
                                .udp_port = 0x2297,
                                .tcp_port = 0x2298,
                                .max_record = 0x4000};
  static const uint8_t head[] = {1, 3, 232, 0, 1, 2, 3};
  static const uint8_t tail[] = {0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 4, 3,
                                 2,    1,    0x97, 0x22, 0x98, 0x22, 0,    0x40, 0, 0};
  tl_packet_payload_encode(&p, bytes, sizeof bytes);
  assert_memory_equal(bytes, head, sizeof head);
  assert_memory_equal(bytes + 236, ramp + 500, 16);
  assert_memory_equal(bytes + 252, tail, sizeof tail);
  for (size_t size = 0; size <= sizeof bytes; size++)
    assert_int_equal(tl_packet_payload_decode(bytes, size, &p),
                     size >= 272 ? 0 : TULLE_E_BAD_MESSAGE);
  assert_true(p.udp_port == 0x2297 && p.max_record == 0x4000 && p.certificate == bytes + 4);
  for (size_t at = 272; at < sizeof bytes; at++) {
    bytes[at] = 1;
    assert_int_equal(tl_packet_payload_decode(bytes, sizeof bytes, &p), TULLE_E_BAD_MESSAGE);
    bytes[at] = 0;
  }
  static const struct {
    uint8_t min, max;
    uint16_t length;
  } bad[] = {{0, 1, 232}, {2, 1, 232},    {0, 0, 232}, {1, 1, 231},
             {1, 1, 233}, {1, 1, 0xffff}, {1, 1, 0}}; /* no certificate, but bytes in its place */
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    bytes[0] = bad[i].min, bytes[1] = bad[i].max;
    tl_store_le(bytes + 2, bad[i].length, 2);
    assert_int_equal(tl_packet_payload_decode(bytes, sizeof bytes, &p), TULLE_E_BAD_MESSAGE);
  }
  p = (struct tl_packet_payload){.min_version = 1, .max_version = 1, .boot_id = ramp};
  tl_packet_payload_encode(&p, bytes, sizeof bytes);
  assert_int_equal(tl_packet_payload_decode(bytes, sizeof bytes, &p), 0);
  assert_null(p.certificate);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(hello_golden),
      cmocka_unit_test(hello_faults),
      cmocka_unit_test(cookie_golden_and_faults),
      cmocka_unit_test(reply_golden_and_faults),
      cmocka_unit_test(data_golden_and_faults),
      cmocka_unit_test(the_receiver_is_found),
      cmocka_unit_test(a_stream_is_cut),
      cmocka_unit_test(payload_golden_and_faults),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
