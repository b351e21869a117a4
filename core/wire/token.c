#include "core/wire/token.h"

#include <string.h>

#include "core/bytes.h"
#include "core/error.h"

#define VERSION   1
#define FAMILY_V4 4
#define FAMILY_V6 6

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static void address_encode(struct tl_writer *w, const struct tl_address *a) {
  bool v4 = tl_address_is_v4(a);
  tl_write_u8(w, v4 ? FAMILY_V4 : FAMILY_V6);
  tl_write_bytes(w, v4 ? a->ip + 12 : a->ip, v4 ? 4 : 16);
  tl_write_u16(w, a->port);
}

size_t tl_token_encode(const struct tl_token *t, uint8_t out[TL_TOKEN_BYTES_MAX]) {
  struct tl_writer w = tl_writer_on(out, TL_TOKEN_BYTES_MAX);
  TL_ASSERT(t->address_count <= TL_TOKEN_ADDRESSES_MAX);
  tl_write_u8(&w, VERSION);
  tl_write_bytes(&w, t->invitation_id, 8);
  tl_write_bytes(&w, t->secret, 32);
  tl_write_bytes(&w, t->fabric_id, 16);
  tl_write_bytes(&w, t->inviter_id, 16);
  tl_write_u8(&w, t->address_count);
  for (size_t i = 0; i < t->address_count; i++) address_encode(&w, &t->addresses[i]);
  tl_write_zeros(&w, TL_TOKEN_CHECKSUM_BYTES);
  TL_ASSERT(!w.failed);
  return tl_writer_size(&w);
}

/* One text per token: an IPv4 address is never written in its mapped form. */
static int address_decode(struct tl_reader *r, struct tl_address *out) {
  struct tl_address a = {0};
  switch (tl_read_u8(r)) {
  case FAMILY_V4:
    memcpy(a.ip, mapped_prefix, sizeof mapped_prefix);
    tl_read_copy(r, a.ip + 12, 4);
    break;
  case FAMILY_V6:
    tl_read_copy(r, a.ip, 16);
    if (tl_address_is_v4(&a)) return TULLE_E_BAD_MESSAGE;
    break;
  default:
    return TULLE_E_BAD_MESSAGE;
  }
  a.port = tl_read_u16(r);
  if (r->failed) return TULLE_E_BAD_MESSAGE;
  *out = a;
  return 0;
}

int tl_token_decode(const uint8_t *data, size_t size, struct tl_token *out) {
  struct tl_reader r = tl_reader_on(data, size);
  struct tl_token t = {0};
  uint8_t version = tl_read_u8(&r);
  if (r.failed) return TULLE_E_BAD_MESSAGE;
  if (version != VERSION) return TULLE_E_VERSION;
  tl_read_copy(&r, t.invitation_id, 8);
  tl_read_copy(&r, t.secret, 32);
  tl_read_copy(&r, t.fabric_id, 16);
  tl_read_copy(&r, t.inviter_id, 16);
  t.address_count = tl_read_u8(&r);
  if (t.address_count > TL_TOKEN_ADDRESSES_MAX) return TULLE_E_BAD_MESSAGE;
  for (size_t i = 0; i < t.address_count; i++)
    if (address_decode(&r, &t.addresses[i]) < 0) return TULLE_E_BAD_MESSAGE;
  tl_read_bytes(&r, TL_TOKEN_CHECKSUM_BYTES);
  if (!tl_reader_done(&r)) return TULLE_E_BAD_MESSAGE;
  *out = t;
  return 0;
}
