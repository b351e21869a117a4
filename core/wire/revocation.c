#include "core/wire/revocation.h"

#include <string.h>

#include "core/bytes.h"
#include "core/error.h"

#define VERSION 1

static const uint8_t magic[4] = {'T', 'U', 'L', 'R'};

size_t tl_revocation_list_encode(const struct tl_revocation_list *l, uint8_t *out) {
  struct tl_writer w = tl_writer_on(out, TL_REVOCATION_LIST_BYTES((size_t)l->count));
  tl_write_bytes(&w, magic, sizeof magic);
  tl_write_u8(&w, VERSION);
  tl_write_zeros(&w, 3);
  tl_write_bytes(&w, l->fabric_id, 16);
  tl_write_u32(&w, l->version);
  tl_write_u32(&w, l->authority_epoch);
  tl_write_u32(&w, l->count);
  tl_write_u32(&w, 0);
  tl_write_bytes(&w, l->entries, (size_t)l->count * TL_REVOCATION_BYTES);
  tl_write_zeros(&w, 64);
  TL_ASSERT(!w.failed && l->count <= TL_REVOCATIONS_MAX);
  return tl_writer_size(&w);
}

int tl_revocation_list_decode(const uint8_t *data, size_t size, struct tl_revocation_list *out) {
  struct tl_reader r = tl_reader_on(data, size);
  const uint8_t *m = tl_read_bytes(&r, sizeof magic);
  uint8_t version = tl_read_u8(&r);
  uint64_t zero = tl_read_le(&r, 3);
  struct tl_revocation_list l = {0};
  tl_read_copy(&r, l.fabric_id, 16);
  l.version = tl_read_u32(&r);
  l.authority_epoch = tl_read_u32(&r);
  l.count = tl_read_u32(&r);
  zero |= tl_read_u32(&r);
  if (r.failed || l.count > TL_REVOCATIONS_MAX) return TULLE_E_BAD_MESSAGE;
  l.entries = tl_read_bytes(&r, (size_t)l.count * TL_REVOCATION_BYTES);
  l.signature = tl_read_bytes(&r, 64);
  if (!tl_reader_done(&r) || memcmp(m, magic, sizeof magic) != 0 || version != VERSION || zero)
    return TULLE_E_BAD_MESSAGE;
  *out = l;
  return 0;
}

void tl_revocation_at(const struct tl_revocation_list *l, uint32_t i, const uint8_t **out_key,
                      uint64_t *out_serial) {
  TL_ASSERT(i < l->count);
  const uint8_t *entry = l->entries + (size_t)i * TL_REVOCATION_BYTES;
  *out_key = entry;
  *out_serial = tl_load_le(entry + 32, 8);
}
