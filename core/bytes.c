/* Variable-length integers as in RFC 9000, section 16: big-endian, two length bits on top. */
#include "core/bytes.h"

#define VARINT_MAX ((UINT64_C(1) << 62) - 1)

uint64_t tl_read_varint_long(struct tl_reader *r) {
  const uint8_t *first = tl_read_bytes(r, 1);
  if (!first) return 0;
  size_t rest = ((size_t)1 << (*first >> 6)) - 1;
  uint64_t v = *first & 0x3f;
  const uint8_t *p = tl_read_bytes(r, rest);
  if (!p) return 0;
  for (size_t i = 0; i < rest; i++) v = v << 8 | p[i];
  return v;
}

size_t tl_varint_size(uint64_t v) {
  if (v < 64) return 1;
  if (v < 16384) return 2;
  if (v < UINT64_C(1) << 30) return 4;
  return 8;
}

void tl_write_varint_long(struct tl_writer *w, uint64_t v) {
  if (v > VARINT_MAX) {
    w->failed = true;
    return;
  }
  size_t size = tl_varint_size(v);
  uint8_t *p = tl_write_room(w, size);
  if (!p) return;
  static const uint8_t length_bits[9] = {[1] = 0x00, [2] = 0x40, [4] = 0x80, [8] = 0xc0};
  for (size_t i = size; i-- > 0; v >>= 8) p[i] = (uint8_t)v;
  p[0] |= length_bits[size];
}
