#include "core/wire/packet.h"

#include "core/bytes.h"
#include "core/error.h"

uint8_t tl_packet_type_of(const uint8_t *packet, size_t size) {
  return size ? packet[0] : 0;
}

int tl_packet_receiver_index(const uint8_t *packet, size_t size, uint32_t *out_index) {
  size_t at;
  switch (tl_packet_type_of(packet, size)) {
  case TL_PACKET_COOKIE:
  case TL_PACKET_DATA:
  case TL_PACKET_RECORD:
  case TL_PACKET_ATTACH:
    at = 4;
    break;
  case TL_PACKET_REPLY:
  case TL_PACKET_FINISH:
    at = 8;
    break;
  default:
    return TULLE_E_BAD_MESSAGE;
  }
  if (size < at + 4) return TULLE_E_BAD_MESSAGE;
  *out_index = (uint32_t)tl_load_le(packet + at, 4);
  return 0;
}

int tl_packet_cut(const uint8_t *data, size_t size, size_t *out_packet_bytes) {
  if (size < 4) return TL_MORE;
  size_t length = (size_t)tl_load_le(data + 2, 2);
  switch (data[0]) {
  case TL_PACKET_HELLO:
  case TL_PACKET_REPLY:
  case TL_PACKET_FINISH:
    *out_packet_bytes = TL_HANDSHAKE_BYTES;
    return 0;
  case TL_PACKET_RECORD:
  case TL_PACKET_ATTACH:
    if (length < TL_PACKET_TAG_BYTES) return TULLE_E_PROTOCOL;
    *out_packet_bytes = TL_PACKET_HEAD_BYTES + length;
    return 0;
  default:
    return TULLE_E_PROTOCOL;
  }
}

/* What every handshake packet begins with. */
static int head_fault(const uint8_t *packet, size_t size, size_t size_wanted, uint8_t type) {
  if (size != size_wanted) return TL_PACKET_FAULT_SIZE;
  if (packet[0] != type) return TL_PACKET_FAULT_TYPE;
  if (packet[1] != TL_PACKET_VERSION) return TL_PACKET_FAULT_VERSION;
  return 0;
}

static bool is_zero(const uint8_t *data, size_t size) {
  uint8_t all = 0;
  for (size_t i = 0; i < size; i++) all |= data[i];
  return !all;
}

void tl_packet_hello_encode(const struct tl_packet_hello *h, uint8_t out[TL_HANDSHAKE_BYTES]) {
  struct tl_writer w = tl_writer_on(out, TL_HANDSHAKE_BYTES);
  tl_write_u8(&w, TL_PACKET_HELLO);
  tl_write_u8(&w, TL_PACKET_VERSION);
  tl_write_u16(&w, h->flags);
  tl_write_u32(&w, h->sender_index);
  tl_write_bytes(&w, h->fabric_tag, 8);
  tl_write_bytes(&w, h->psk_id, 8);
  tl_write_bytes(&w, h->responder_id, 16);
  tl_write_bytes(&w, h->noise, TL_HELLO_NOISE_BYTES);
  tl_write_zeros(&w, tl_writer_left(&w));
  TL_ASSERT(!w.failed);
}

int tl_packet_hello_decode(const uint8_t *packet, size_t size, struct tl_packet_hello *out) {
  int fault = head_fault(packet, size, TL_HANDSHAKE_BYTES, TL_PACKET_HELLO);
  if (fault) return fault;
  struct tl_reader r = tl_reader_on(packet + 2, size - 2);
  struct tl_packet_hello h = {.flags = tl_read_u16(&r)};
  h.sender_index = tl_read_u32(&r);
  h.fabric_tag = tl_read_bytes(&r, 8);
  h.psk_id = tl_read_bytes(&r, 8);
  h.responder_id = tl_read_bytes(&r, 16);
  h.noise = tl_read_bytes(&r, TL_HELLO_NOISE_BYTES);
  h.mac1 = tl_read_bytes(&r, 16);
  h.mac2 = tl_read_bytes(&r, 16);
  if (h.flags & ~TL_HELLO_JOIN) return TL_PACKET_FAULT_FLAGS;
  if (!is_zero(r.at, tl_reader_left(&r))) return TL_PACKET_FAULT_PADDING;
  *out = h;
  return 0;
}

void tl_packet_cookie_encode(const struct tl_packet_cookie *c, uint8_t out[TL_COOKIE_BYTES]) {
  struct tl_writer w = tl_writer_on(out, TL_COOKIE_BYTES);
  tl_write_u8(&w, TL_PACKET_COOKIE);
  tl_write_u8(&w, TL_PACKET_VERSION);
  tl_write_u16(&w, 0);
  tl_write_u32(&w, c->receiver_index);
  tl_write_bytes(&w, c->nonce, 24);
  tl_write_bytes(&w, c->sealed, 32);
  TL_ASSERT(!w.failed && !tl_writer_left(&w));
}

int tl_packet_cookie_decode(const uint8_t *packet, size_t size, struct tl_packet_cookie *out) {
  int fault = head_fault(packet, size, TL_COOKIE_BYTES, TL_PACKET_COOKIE);
  if (fault) return fault;
  struct tl_reader r = tl_reader_on(packet + 2, size - 2);
  if (tl_read_u16(&r)) return TL_PACKET_FAULT_FLAGS;
  out->receiver_index = tl_read_u32(&r);
  out->nonce = tl_read_bytes(&r, 24);
  out->sealed = tl_read_bytes(&r, 32);
  return 0;
}

void tl_packet_reply_encode_head(uint8_t type, uint32_t sender_index, uint32_t receiver_index,
                                 uint8_t out[TL_REPLY_NOISE_AT]) {
  struct tl_writer w = tl_writer_on(out, TL_REPLY_NOISE_AT);
  tl_write_u8(&w, type);
  tl_write_u8(&w, TL_PACKET_VERSION);
  tl_write_u16(&w, 0);
  tl_write_u32(&w, sender_index);
  tl_write_u32(&w, receiver_index);
  tl_write_u32(&w, 0);
}

int tl_packet_reply_decode(const uint8_t *packet, size_t size, uint8_t type,
                           struct tl_packet_reply *out) {
  int fault = head_fault(packet, size, TL_HANDSHAKE_BYTES, type);
  if (fault) return fault;
  struct tl_reader r = tl_reader_on(packet + 2, size - 2);
  uint16_t flags = tl_read_u16(&r);
  struct tl_packet_reply p = {.sender_index = tl_read_u32(&r)};
  p.receiver_index = tl_read_u32(&r);
  uint32_t zero = tl_read_u32(&r);
  p.noise = tl_read_bytes(&r, TL_REPLY_NOISE_BYTES);
  p.mac1 = tl_read_bytes(&r, 16);
  if (flags) return TL_PACKET_FAULT_FLAGS;
  if (zero) return TL_PACKET_FAULT_PADDING;
  *out = p;
  return 0;
}

void tl_packet_data_encode(const struct tl_packet_data *h, uint8_t out[TL_PACKET_HEAD_BYTES]) {
  out[0] = h->type;
  out[1] = 0;
  tl_store_le(out + 2, h->length, 2);
  tl_store_le(out + 4, h->receiver_index, 4);
  tl_store_le(out + 8, h->counter, 8);
}

int tl_packet_data_decode(const uint8_t *packet, size_t size, struct tl_packet_data *out) {
  if (size < TL_PACKET_OVERHEAD) return TL_PACKET_FAULT_SIZE;
  struct tl_packet_data h = {.type = packet[0],
                             .length = (uint16_t)tl_load_le(packet + 2, 2),
                             .receiver_index = (uint32_t)tl_load_le(packet + 4, 4),
                             .counter = tl_load_le(packet + 8, 8)};
  bool over_tcp = h.type == TL_PACKET_RECORD || h.type == TL_PACKET_ATTACH;
  if (!over_tcp && h.type != TL_PACKET_DATA) return TL_PACKET_FAULT_TYPE;
  if (packet[1]) return TL_PACKET_FAULT_FLAGS;
  if (h.length != (over_tcp ? size - TL_PACKET_HEAD_BYTES : 0)) return TL_PACKET_FAULT_SIZE;
  *out = h;
  return 0;
}

void tl_packet_payload_encode(const struct tl_packet_payload *p, uint8_t *out, size_t size) {
  struct tl_writer w = tl_writer_on(out, size);
  tl_write_u8(&w, p->min_version);
  tl_write_u8(&w, p->max_version);
  tl_write_u16(&w, p->certificate ? TL_CERTIFICATE_BYTES : 0);
  if (p->certificate)
    tl_write_bytes(&w, p->certificate, TL_CERTIFICATE_BYTES);
  else
    tl_write_zeros(&w, TL_CERTIFICATE_BYTES);
  tl_write_bytes(&w, p->boot_id, 16);
  tl_write_u64(&w, p->features);
  tl_write_u32(&w, p->revocation_version);
  tl_write_u16(&w, p->udp_port);
  tl_write_u16(&w, p->tcp_port);
  tl_write_u32(&w, p->max_record);
  tl_write_zeros(&w, tl_writer_left(&w));
  TL_ASSERT(!w.failed);
}

int tl_packet_payload_decode(const uint8_t *data, size_t size, struct tl_packet_payload *out) {
  struct tl_reader r = tl_reader_on(data, size);
  struct tl_packet_payload p = {.min_version = tl_read_u8(&r)};
  p.max_version = tl_read_u8(&r);
  uint16_t certificate_bytes = tl_read_u16(&r);
  p.certificate = tl_read_bytes(&r, TL_CERTIFICATE_BYTES);
  p.boot_id = tl_read_bytes(&r, 16);
  p.features = tl_read_u64(&r);
  p.revocation_version = tl_read_u32(&r);
  p.udp_port = tl_read_u16(&r);
  p.tcp_port = tl_read_u16(&r);
  p.max_record = tl_read_u32(&r);
  if (r.failed || !is_zero(r.at, tl_reader_left(&r))) return TULLE_E_BAD_MESSAGE;
  if (p.min_version > p.max_version || !p.min_version) return TULLE_E_BAD_MESSAGE;
  if (certificate_bytes == 0) {
    if (!is_zero(p.certificate, TL_CERTIFICATE_BYTES)) return TULLE_E_BAD_MESSAGE;
    p.certificate = NULL;
  } else if (certificate_bytes != TL_CERTIFICATE_BYTES) {
    return TULLE_E_BAD_MESSAGE;
  }
  *out = p;
  return 0;
}
