#include "core/wire/grant.h"

#include <string.h>

#include "core/bytes.h"
#include "core/error.h"
#include "core/text.h"

#define VERSION 1

static void name_encode(struct tl_writer *w, const char *name) {
  size_t size = strlen(name);
  tl_write_u8(w, (uint8_t)size);
  tl_write_bytes(w, name, size);
  tl_write_zeros(w, TL_NODE_NAME_BYTES_MAX - size);
}

static int name_decode(struct tl_reader *r, char out[TL_NODE_NAME_BYTES_MAX + 1]) {
  size_t size = tl_read_u8(r);
  char name[TL_NODE_NAME_BYTES_MAX + 1] = {0};
  tl_read_copy(r, name, TL_NODE_NAME_BYTES_MAX);
  if (!tl_name_is_valid(name, size, TL_NODE_NAME_BYTES_MAX)) return TULLE_E_BAD_MESSAGE;
  for (size_t i = size; i < sizeof name; i++)
    if (name[i]) return TULLE_E_BAD_MESSAGE;
  memcpy(out, name, sizeof name);
  return 0;
}

size_t tl_grant_members_max(size_t revocations_bytes) {
  return (TL_GRANT_BYTES_MAX - TL_GRANT_FIXED_BYTES - revocations_bytes) / TL_GRANT_MEMBER_BYTES;
}

size_t tl_grant_size(const struct tl_grant *g) {
  return TL_GRANT_FIXED_BYTES + g->revocations_bytes +
         (size_t)g->member_count * TL_GRANT_MEMBER_BYTES;
}

size_t tl_grant_encode(const struct tl_grant *g, uint8_t *out) {
  struct tl_writer w = tl_writer_on(out, tl_grant_size(g));
  tl_write_u8(&w, VERSION);
  tl_write_zeros(&w, 3);
  tl_write_bytes(&w, g->certificate, TL_CERTIFICATE_BYTES);
  tl_write_bytes(&w, g->authority_key, 32);
  tl_write_u64(&w, g->admission_epoch);
  tl_write_bytes(&w, g->admission_secret, 32);
  name_encode(&w, g->fabric_name);
  tl_write_u32(&w, (uint32_t)g->revocations_bytes);
  tl_write_bytes(&w, g->revocations, g->revocations_bytes);
  tl_write_u16(&w, g->member_count);
  tl_write_bytes(&w, g->members, (size_t)g->member_count * TL_GRANT_MEMBER_BYTES);
  TL_ASSERT(!w.failed && !tl_writer_left(&w));
  return tl_writer_size(&w);
}

void tl_grant_member_encode(const struct tl_member *m, uint8_t out[TL_GRANT_MEMBER_BYTES]) {
  struct tl_writer w = tl_writer_on(out, TL_GRANT_MEMBER_BYTES);
  tl_write_bytes(&w, m->key, 32);
  tl_write_u64(&w, m->serial);
  tl_write_u32(&w, m->roles);
  name_encode(&w, m->name);
  TL_ASSERT(!w.failed && !tl_writer_left(&w));
}

int tl_grant_decode(const uint8_t *data, size_t size, struct tl_grant *out) {
  struct tl_reader r = tl_reader_on(data, size);
  struct tl_grant g = {0};
  uint8_t version = tl_read_u8(&r);
  if (r.failed) return TULLE_E_BAD_MESSAGE;
  if (version != VERSION) return TULLE_E_VERSION;
  uint64_t zero = tl_read_le(&r, 3);
  g.certificate = tl_read_bytes(&r, TL_CERTIFICATE_BYTES);
  g.authority_key = tl_read_bytes(&r, 32);
  g.admission_epoch = tl_read_u64(&r);
  g.admission_secret = tl_read_bytes(&r, 32);
  if (name_decode(&r, g.fabric_name) < 0) return TULLE_E_BAD_MESSAGE;
  g.revocations_bytes = tl_read_u32(&r);
  if (g.revocations_bytes > TL_REVOCATION_LIST_BYTES_MAX) return TULLE_E_BAD_MESSAGE;
  g.revocations = tl_read_bytes(&r, g.revocations_bytes);
  g.member_count = tl_read_u16(&r);
  if (g.member_count > TL_MEMBERS_MAX) return TULLE_E_BAD_MESSAGE;
  g.members = tl_read_bytes(&r, (size_t)g.member_count * TL_GRANT_MEMBER_BYTES);
  if (!tl_reader_done(&r) || zero) return TULLE_E_BAD_MESSAGE;
  *out = g;
  return 0;
}

int tl_grant_member_at(const struct tl_grant *g, uint16_t i, struct tl_member *out) {
  TL_ASSERT(i < g->member_count);
  struct tl_reader r =
      tl_reader_on(g->members + (size_t)i * TL_GRANT_MEMBER_BYTES, TL_GRANT_MEMBER_BYTES);
  struct tl_member m = {0};
  tl_read_copy(&r, m.key, 32);
  m.serial = tl_read_u64(&r);
  m.roles = tl_read_u32(&r);
  if (name_decode(&r, m.name) < 0) return TULLE_E_BAD_MESSAGE;
  *out = m;
  return 0;
}
