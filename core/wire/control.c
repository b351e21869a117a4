/*
 * One table says which fields a message has, and encoding and decoding are loops over it: a field
 * cannot be written and forgotten to be read.
 */
#include "core/wire/control.h"

#include <string.h>

#include "core/wire/fields.h"
#include "core/wire/msgpack.h"
#include "tulle/pack.h"

/* The fields of all messages. */
enum field_index {
  F_MIN,
  F_MAX,
  F_CODE,
  F_CHANNEL,
  F_SEGMENT,
  F_BYTES,
  F_DATA,
  F_PEER,
  F_ROLE,
  F_BEGUN,
  F_NAME,
  F_FABRIC,
  F_TEXT,
  FIELDS
};

#define AT(key, kind, member) TL_FIELD_AT(key, TL_FIELD_##kind, struct tl_control, member)

_Static_assert(sizeof(enum tl_channel_role) == sizeof(uint32_t), "role is read as a number");

static const struct tl_field fields[FIELDS] = {
    [F_MIN] = AT("min", U16, version_min),     [F_MAX] = AT("max", U16, version_max),
    [F_CODE] = AT("code", I32, code),          [F_CHANNEL] = AT("channel", U32, channel),
    [F_SEGMENT] = AT("segment", U32, segment), [F_BYTES] = AT("bytes", U64, bytes),
    [F_DATA] = AT("data", BOOL, is_data),      [F_PEER] = AT("peer", BOOL, is_peer),
    [F_ROLE] = AT("role", U32, role),          [F_BEGUN] = AT("begun", U64, begun),
    [F_NAME] = AT("name", STRING, name),       [F_FABRIC] = AT("fabric", STRING, fabric),
    [F_TEXT] = AT("text", STRING, text),
};

#define BIT(f) TL_FIELD_BIT(f)
static const struct {
  const char *name;
  uint32_t fields;
  bool has_party; /* its fields follow in the same map */
  size_t fds;
} types[TL_CONTROL_TYPES] = {
    [TL_CONTROL_HELLO] = {"hello", BIT(F_MIN) | BIT(F_MAX) | BIT(F_NAME), false, 0},
    [TL_CONTROL_WELCOME] = {"welcome", BIT(F_MAX) | BIT(F_FABRIC), true, 0},
    [TL_CONTROL_REFUSED] = {"refused", BIT(F_CODE) | BIT(F_MIN) | BIT(F_MAX) | BIT(F_TEXT), false,
                            0},
    [TL_CONTROL_SEGMENT] = {"segment", BIT(F_SEGMENT) | BIT(F_CHANNEL) | BIT(F_BYTES) | BIT(F_DATA),
                            false, 1},
    [TL_CONTROL_MAPPED] = {"mapped", BIT(F_SEGMENT), false, 0},
    [TL_CONTROL_CHANNEL] = {"channel",
                            BIT(F_CHANNEL) | BIT(F_SEGMENT) | BIT(F_BYTES) | BIT(F_ROLE) |
                                BIT(F_NAME),
                            true, 3},
    [TL_CONTROL_GROW] = {"grow", BIT(F_CHANNEL) | BIT(F_BYTES), false, 0},
    [TL_CONTROL_GROWN] = {"grown", BIT(F_CHANNEL) | BIT(F_SEGMENT) | BIT(F_BYTES) | BIT(F_PEER),
                          false, 0},
    [TL_CONTROL_ATTACHED] = {"attached", BIT(F_CHANNEL) | BIT(F_SEGMENT), false, 0},
    [TL_CONTROL_CLOSED] = {"closed", BIT(F_CHANNEL) | BIT(F_CODE) | BIT(F_BEGUN), false, 0},
    [TL_CONTROL_CLOSE] = {"close", BIT(F_CHANNEL), false, 0},
    [TL_CONTROL_TAKEOVER] = {"takeover", BIT(F_MIN) | BIT(F_MAX), false, 0},
};

size_t tl_control_fds(const struct tl_control *m) {
  if (m->type == TL_CONTROL_GROWN) return m->is_peer ? 1 : 0;
  return types[m->type].fds;
}

size_t tl_control_encode(const struct tl_control *m, uint8_t out[TL_CONTROL_BYTES_MAX]) {
  struct tulle_pack w = tulle_pack_on(out, TL_CONTROL_BYTES_MAX);
  uint32_t set = types[m->type].fields;
  bool has_party = types[m->type].has_party;
  tulle_pack_map(&w, 1 + (size_t)__builtin_popcount(set) + (has_party ? TL_PARTY_FIELDS : 0));
  tulle_pack_text(&w, "t");
  tulle_pack_text(&w, types[m->type].name);
  tl_fields_encode(&w, fields, set, m);
  if (has_party) tl_party_encode(&w, &m->party);
  TL_ASSERT(!w.failed);
  return tulle_pack_size(&w);
}

static int decode_type(const struct tulle_unpack *map, enum tl_control_type *out) {
  char name[16];
  struct tulle_unpack r = tulle_unpack_key(map, "t");
  tulle_unpack_string(&r, name, sizeof name);
  for (int i = 0; i < TL_CONTROL_TYPES; i++) {
    if (r.failed || strcmp(name, types[i].name) != 0) continue;
    *out = (enum tl_control_type)i;
    return 0;
  }
  return TULLE_E_BAD_MESSAGE;
}

int tl_control_decode(const void *data, size_t size, struct tl_control *out) {
  if (size > TL_CONTROL_BYTES_MAX || tl_msgpack_check(data, size) != 0) return TULLE_E_BAD_MESSAGE;
  struct tulle_unpack map = tulle_unpack_on(data, size);
  struct tl_control m = {0};
  int r = decode_type(&map, &m.type);
  if (r < 0) return r;
  tl_fields_decode(&map, fields, types[m.type].fields, &m);
  if (types[m.type].has_party) tl_party_decode(&map, &m.party);
  if (map.failed || m.role > TL_ROLE_SERVER) return TULLE_E_BAD_MESSAGE;
  *out = m;
  return 0;
}
