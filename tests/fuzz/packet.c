/* The demultiplexer and every packet decoder: whatever decodes encodes to the same bytes. */
#include <string.h>

#include "core/error.h"
#include "core/wire/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hello(const uint8_t *data, size_t size) {
  struct tl_packet_hello h;
  uint8_t out[TL_HANDSHAKE_BYTES];
  if (tl_packet_hello_decode(data, size, &h)) return;
  tl_packet_hello_encode(&h, out);
  memcpy(out + TL_HELLO_MAC1_AT, h.mac1, 16);
  memcpy(out + TL_HELLO_MAC2_AT, h.mac2, 16);
  TL_ASSERT(size == sizeof out && memcmp(out, data, size) == 0);
}

static void cookie(const uint8_t *data, size_t size) {
  struct tl_packet_cookie c;
  uint8_t out[TL_COOKIE_BYTES];
  if (tl_packet_cookie_decode(data, size, &c)) return;
  tl_packet_cookie_encode(&c, out);
  TL_ASSERT(size == sizeof out && memcmp(out, data, size) == 0);
}

static void reply(const uint8_t *data, size_t size, uint8_t type) {
  struct tl_packet_reply p;
  uint8_t out[TL_REPLY_NOISE_AT];
  if (tl_packet_reply_decode(data, size, type, &p)) return;
  tl_packet_reply_encode_head(type, p.sender_index, p.receiver_index, out);
  TL_ASSERT(memcmp(out, data, sizeof out) == 0);
}

static void sealed(const uint8_t *data, size_t size) {
  struct tl_packet_data h;
  uint8_t out[TL_PACKET_HEAD_BYTES];
  if (tl_packet_data_decode(data, size, &h)) return;
  tl_packet_data_encode(&h, out);
  TL_ASSERT(memcmp(out, data, sizeof out) == 0);
}

static void payload(const uint8_t *data, size_t size) {
  struct tl_packet_payload p;
  uint8_t out[2048];
  if (size > sizeof out || tl_packet_payload_decode(data, size, &p)) return;
  tl_packet_payload_encode(&p, out, size);
  TL_ASSERT(memcmp(out, data, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  uint32_t index;
  size_t packet_bytes;
  hello(data, size);
  cookie(data, size);
  reply(data, size, TL_PACKET_REPLY);
  reply(data, size, TL_PACKET_FINISH);
  sealed(data, size);
  payload(data, size);
  (void)tl_packet_receiver_index(data, size, &index);
  if (tl_packet_cut(data, size, &packet_bytes) == 0)
    TL_ASSERT(packet_bytes >= 32 && packet_bytes <= 16 + 65535);
  return 0;
}
