#include "core/wire/certificate.h"

#include <string.h>

#include "core/bytes.h"
#include "core/error.h"
#include "core/text.h"

#define VERSION 1

static const uint8_t magic[4] = {'T', 'U', 'L', 'C'};

void tl_certificate_encode(const struct tl_certificate *c, uint8_t out[TL_CERTIFICATE_BYTES]) {
  struct tl_writer w = tl_writer_on(out, TL_CERTIFICATE_BYTES);
  size_t name_size = strlen(c->name);
  tl_write_bytes(&w, magic, sizeof magic);
  tl_write_u8(&w, VERSION);
  tl_write_u8(&w, c->flags);
  tl_write_u8(&w, (uint8_t)name_size);
  tl_write_u8(&w, 0);
  tl_write_bytes(&w, c->fabric_id, 16);
  tl_write_bytes(&w, c->key, 32);
  tl_write_u64(&w, c->serial);
  tl_write_u32(&w, c->authority_epoch);
  tl_write_u32(&w, c->roles);
  tl_write_u64(&w, c->not_before_s);
  tl_write_u64(&w, c->not_after_s);
  tl_write_bytes(&w, c->name, name_size);
  tl_write_zeros(&w, sizeof c->name - name_size);
  tl_write_bytes(&w, c->node_id, 16);
  tl_write_bytes(&w, c->signature, 64);
  TL_ASSERT(!w.failed && !tl_writer_left(&w));
}

int tl_certificate_decode(const uint8_t *data, size_t size, struct tl_certificate *out) {
  struct tl_reader r = tl_reader_on(data, size);
  const uint8_t *m = tl_read_bytes(&r, sizeof magic);
  uint8_t version = tl_read_u8(&r);
  struct tl_certificate c = {.flags = tl_read_u8(&r)};
  uint8_t name_size = tl_read_u8(&r);
  uint8_t zero = tl_read_u8(&r);
  tl_read_copy(&r, c.fabric_id, 16);
  tl_read_copy(&r, c.key, 32);
  c.serial = tl_read_u64(&r);
  c.authority_epoch = tl_read_u32(&r);
  c.roles = tl_read_u32(&r);
  c.not_before_s = tl_read_u64(&r);
  c.not_after_s = tl_read_u64(&r);
  tl_read_copy(&r, c.name, sizeof c.name);
  tl_read_copy(&r, c.node_id, 16);
  tl_read_copy(&r, c.signature, 64);
  if (!tl_reader_done(&r) || memcmp(m, magic, sizeof magic) != 0 || version != VERSION || zero)
    return TULLE_E_BAD_MESSAGE;
  if (c.flags & ~TL_CERTIFICATE_MAY_INVITE) return TULLE_E_BAD_MESSAGE;
  if (!tl_name_is_valid(c.name, name_size, TL_NODE_NAME_BYTES_MAX)) return TULLE_E_BAD_MESSAGE;
  for (size_t i = name_size; i < sizeof c.name; i++)
    if (c.name[i]) return TULLE_E_BAD_MESSAGE;
  *out = c;
  return 0;
}
