/*
 * One table says which fields a message has, and encoding and decoding are loops over it: a field
 * cannot be written and forgotten to be read.
 */
#include "core/wire/control.h"

#include <string.h>

#include "core/wire/msgpack.h"
#include "tulle/pack.h"

enum field_kind {
  FIELD_U16,
  FIELD_U32,
  FIELD_U64,
  FIELD_I32,
  FIELD_BOOL,
  FIELD_ROLE,
  FIELD_NODE,
  FIELD_STRING
};

struct field {
  const char *key;
  enum field_kind kind;
  size_t offset;
  size_t size; /* of strings, with the terminating zero */
};

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
  F_NODE,
  F_INCARNATION,
  F_CLIENT,
  F_UID,
  F_GID,
  F_PID,
  F_ROLES,
  F_LOCAL,
  F_NODE_NAME,
  F_PROGRAM,
  FIELDS
};

#define AT(member) offsetof(struct tl_control, member), 0
#define STRING(member)                                                                             \
  FIELD_STRING, offsetof(struct tl_control, member), sizeof((struct tl_control *)0)->member

static const struct field fields[FIELDS] = {
    [F_MIN] = {"min", FIELD_U16, AT(version_min)},
    [F_MAX] = {"max", FIELD_U16, AT(version_max)},
    [F_CODE] = {"code", FIELD_I32, AT(code)},
    [F_CHANNEL] = {"channel", FIELD_U32, AT(channel)},
    [F_SEGMENT] = {"segment", FIELD_U32, AT(segment)},
    [F_BYTES] = {"bytes", FIELD_U64, AT(bytes)},
    [F_DATA] = {"data", FIELD_BOOL, AT(is_data)},
    [F_PEER] = {"peer", FIELD_BOOL, AT(is_peer)},
    [F_ROLE] = {"role", FIELD_ROLE, AT(role)},
    [F_BEGUN] = {"begun", FIELD_U64, AT(begun)},
    [F_NAME] = {"name", STRING(name)},
    [F_FABRIC] = {"fabric", STRING(fabric)},
    [F_TEXT] = {"text", STRING(text)},
    [F_NODE] = {"node", FIELD_NODE, AT(party.node)},
    [F_INCARNATION] = {"incarnation", FIELD_U64, AT(party.incarnation)},
    [F_CLIENT] = {"client", FIELD_U64, AT(party.client)},
    [F_UID] = {"uid", FIELD_U32, AT(party.uid)},
    [F_GID] = {"gid", FIELD_U32, AT(party.gid)},
    [F_PID] = {"pid", FIELD_U32, AT(party.pid)},
    [F_ROLES] = {"roles", FIELD_U32, AT(party.roles)},
    [F_LOCAL] = {"local", FIELD_BOOL, AT(party.local)},
    [F_NODE_NAME] = {"node_name", STRING(party.node_name)},
    [F_PROGRAM] = {"program", STRING(party.program)},
};

#define BIT(f) (UINT32_C(1) << (f))
#define IDENTITY                                                                                   \
  (BIT(F_NODE) | BIT(F_INCARNATION) | BIT(F_CLIENT) | BIT(F_UID) | BIT(F_GID) | BIT(F_PID) |       \
   BIT(F_ROLES) | BIT(F_LOCAL) | BIT(F_NODE_NAME) | BIT(F_PROGRAM))

static const struct {
  const char *name;
  uint32_t fields;
  size_t fds;
} types[TL_CONTROL_TYPES] = {
    [TL_CONTROL_HELLO] = {"hello", BIT(F_MIN) | BIT(F_MAX) | BIT(F_NAME), 0},
    [TL_CONTROL_WELCOME] = {"welcome", BIT(F_MAX) | BIT(F_FABRIC) | IDENTITY, 0},
    [TL_CONTROL_REFUSED] = {"refused", BIT(F_CODE) | BIT(F_MIN) | BIT(F_MAX) | BIT(F_TEXT), 0},
    [TL_CONTROL_SEGMENT] = {"segment", BIT(F_SEGMENT) | BIT(F_CHANNEL) | BIT(F_BYTES) | BIT(F_DATA),
                            1},
    [TL_CONTROL_MAPPED] = {"mapped", BIT(F_SEGMENT), 0},
    [TL_CONTROL_CHANNEL] = {"channel",
                            BIT(F_CHANNEL) | BIT(F_SEGMENT) | BIT(F_BYTES) | BIT(F_ROLE) |
                                BIT(F_NAME) | IDENTITY,
                            3},
    [TL_CONTROL_GROW] = {"grow", BIT(F_CHANNEL) | BIT(F_BYTES), 0},
    [TL_CONTROL_GROWN] = {"grown", BIT(F_CHANNEL) | BIT(F_SEGMENT) | BIT(F_BYTES) | BIT(F_PEER), 0},
    [TL_CONTROL_ATTACHED] = {"attached", BIT(F_CHANNEL) | BIT(F_SEGMENT), 0},
    [TL_CONTROL_CLOSED] = {"closed", BIT(F_CHANNEL) | BIT(F_CODE) | BIT(F_BEGUN), 0},
    [TL_CONTROL_CLOSE] = {"close", BIT(F_CHANNEL), 0},
    [TL_CONTROL_TAKEOVER] = {"takeover", BIT(F_MIN) | BIT(F_MAX), 0},
};

size_t tl_control_fds(const struct tl_control *m) {
  if (m->type == TL_CONTROL_GROWN) return m->is_peer ? 1 : 0;
  return types[m->type].fds;
}

static void encode_field(struct tulle_pack *w, const struct field *f, const struct tl_control *m) {
  const char *p = (const char *)m + f->offset;
  uint16_t u16;
  uint32_t u32;
  uint64_t u64;
  tulle_pack_text(w, f->key);
  switch (f->kind) {
  case FIELD_U16:
    memcpy(&u16, p, sizeof u16), tulle_pack_uint(w, u16);
    break;
  case FIELD_U32:
    memcpy(&u32, p, sizeof u32), tulle_pack_uint(w, u32);
    break;
  case FIELD_U64:
    memcpy(&u64, p, sizeof u64), tulle_pack_uint(w, u64);
    break;
  case FIELD_I32:
    tulle_pack_int(w, *(const int32_t *)(const void *)p);
    break;
  case FIELD_BOOL:
    tulle_pack_bool(w, *(const bool *)p);
    break;
  case FIELD_ROLE:
    tulle_pack_uint(w, m->role);
    break;
  case FIELD_NODE:
    tulle_pack_bytes(w, p, sizeof m->party.node);
    break;
  case FIELD_STRING:
    tulle_pack_text_of(w, p, strnlen(p, f->size - 1));
    break;
  }
}

size_t tl_control_encode(const struct tl_control *m, uint8_t out[TL_CONTROL_BYTES_MAX]) {
  struct tulle_pack w = tulle_pack_on(out, TL_CONTROL_BYTES_MAX);
  uint32_t wanted = types[m->type].fields;
  tulle_pack_map(&w, 1 + (size_t)__builtin_popcount(wanted));
  tulle_pack_text(&w, "t");
  tulle_pack_text(&w, types[m->type].name);
  for (size_t i = 0; i < FIELDS; i++)
    if (wanted & BIT(i)) encode_field(&w, &fields[i], m);
  TL_ASSERT(!w.failed);
  return tulle_pack_size(&w);
}

static uint64_t decode_uint(struct tulle_unpack *r, uint64_t max) {
  uint64_t v = tulle_unpack_uint(r);
  if (v > max) r->failed = true;
  return r->failed ? 0 : v;
}

static void decode_node(struct tulle_unpack *r, uint8_t out[16]) {
  size_t size;
  const void *data = tulle_unpack_bytes(r, &size);
  if (size == 16)
    memcpy(out, data, 16);
  else
    r->failed = true;
}

static void decode_field(struct tulle_unpack *r, const struct field *f, struct tl_control *m) {
  char *p = (char *)m + f->offset;
  uint16_t u16;
  uint32_t u32;
  uint64_t u64;
  int64_t i;
  switch (f->kind) {
  case FIELD_U16:
    u16 = (uint16_t)decode_uint(r, UINT16_MAX), memcpy(p, &u16, sizeof u16);
    break;
  case FIELD_U32:
    u32 = (uint32_t)decode_uint(r, UINT32_MAX), memcpy(p, &u32, sizeof u32);
    break;
  case FIELD_U64:
    u64 = decode_uint(r, UINT64_MAX), memcpy(p, &u64, sizeof u64);
    break;
  case FIELD_I32:
    i = tulle_unpack_int(r);
    if (i < INT32_MIN || i > INT32_MAX) r->failed = true;
    m->code = (int32_t)i;
    break;
  case FIELD_BOOL:
    *(bool *)p = tulle_unpack_bool(r);
    break;
  case FIELD_ROLE:
    m->role = decode_uint(r, TL_ROLE_SERVER) ? TL_ROLE_SERVER : TL_ROLE_CLIENT;
    break;
  case FIELD_NODE:
    decode_node(r, (uint8_t *)p);
    break;
  case FIELD_STRING:
    tulle_unpack_string(r, p, f->size);
    break;
  }
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
  for (size_t i = 0; i < FIELDS; i++) {
    if (!(types[m.type].fields & BIT(i))) continue;
    struct tulle_unpack value = tulle_unpack_key(&map, fields[i].key);
    decode_field(&value, &fields[i], &m);
    if (value.failed) return TULLE_E_BAD_MESSAGE;
  }
  *out = m;
  return 0;
}
