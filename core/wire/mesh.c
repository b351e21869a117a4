#include "core/wire/mesh.h"

#include <string.h>

#include "core/wire/fields.h"
#include "core/wire/msgpack.h"

enum field_index {
  F_MIN,
  F_MAX,
  F_INCARNATION,
  F_GENERATION,
  F_LIFE,
  F_FROM,
  F_SIZE,
  F_CODE,
  F_BEGUN,
  F_NAME,
  F_TEXT,
  F_NODE_ID,
  F_ADDRESSES,
  FIELDS
};

#define AT(key, kind, member) TL_FIELD_AT(key, TL_FIELD_##kind, struct tl_mesh_message, member)

static const struct tl_field fields[FIELDS] = {
    [F_MIN] = AT("min", U16, version_min),
    [F_MAX] = AT("max", U16, version_max),
    [F_INCARNATION] = AT("started", U64, incarnation),
    [F_GENERATION] = AT("generation", U64, generation),
    [F_LIFE] = AT("life", U64, life),
    [F_FROM] = AT("from", U64, from),
    [F_SIZE] = AT("size", U64, size),
    [F_CODE] = AT("code", I32, code),
    [F_BEGUN] = AT("begun", U64, begun),
    [F_NAME] = AT("name", STRING, name),
    [F_TEXT] = AT("text", STRING, text),
    [F_NODE_ID] = AT("id", BYTES, node),
    [F_ADDRESSES] = AT("addresses", STRING, addresses),
};

/* What a message has beside its fields, in the same map. */
enum extra { EXTRA_NONE, EXTRA_PARTY, EXTRA_OPENER, EXTRA_SERVICE, EXTRA_BLOB };

static const size_t extra_keys[] = {[EXTRA_NONE] = 0,
                                    [EXTRA_PARTY] = TL_PARTY_FIELDS,
                                    [EXTRA_OPENER] = TL_PARTY_FIELDS + 1,
                                    [EXTRA_SERVICE] = TL_SERVICE_KEYS,
                                    [EXTRA_BLOB] = 1};

#define BIT(f) TL_FIELD_BIT(f)

static const struct {
  const char *name;
  uint32_t fields;
  enum extra extra;
} types[TL_MESH_TYPES] = {
    [TL_MESH_HELLO] = {"hello", BIT(F_MIN) | BIT(F_MAX) | BIT(F_INCARNATION), EXTRA_NONE},
    [TL_MESH_SERVICE] = {"service", 0, EXTRA_SERVICE},
    [TL_MESH_SERVICE_GONE] = {"service_gone", BIT(F_NAME), EXTRA_NONE},
    [TL_MESH_CATALOGUE_END] = {"catalogue_end", BIT(F_GENERATION), EXTRA_NONE},
    [TL_MESH_JOIN_REQUEST] = {"join_request", BIT(F_NAME), EXTRA_NONE},
    [TL_MESH_JOIN_GRANT] = {"join_grant", 0, EXTRA_BLOB},
    [TL_MESH_JOIN_REFUSED] = {"join_refused", BIT(F_CODE) | BIT(F_TEXT), EXTRA_NONE},
    [TL_MESH_JOIN_DONE] = {"join_done", 0, EXTRA_NONE},
    [TL_MESH_TRUST] = {"trust", BIT(F_GENERATION), EXTRA_BLOB},
    [TL_MESH_BENCH] = {"bench", 0, EXTRA_NONE},
    [TL_MESH_MEMBER] = {"member", BIT(F_NODE_ID) | BIT(F_ADDRESSES), EXTRA_NONE},
    [TL_MESH_INVITE_REQUEST] = {"invite_request", BIT(F_GENERATION) | BIT(F_LIFE), EXTRA_NONE},
    [TL_MESH_INVITATION] = {"invitation", BIT(F_GENERATION) | BIT(F_CODE) | BIT(F_TEXT),
                            EXTRA_BLOB},
    [TL_MESH_DESCRIBE] = {"describe", BIT(F_GENERATION) | BIT(F_NAME) | BIT(F_FROM), EXTRA_NONE},
    [TL_MESH_DESCRIPTION] = {"description",
                             BIT(F_GENERATION) | BIT(F_CODE) | BIT(F_TEXT) | BIT(F_FROM) |
                                 BIT(F_SIZE),
                             EXTRA_BLOB},
    [TL_MESH_CHANNEL_OPEN] = {"open", BIT(F_NAME), EXTRA_OPENER},
    [TL_MESH_CHANNEL_OPENED] = {"opened", 0, EXTRA_PARTY},
    [TL_MESH_CHANNEL_CLOSED] = {"closed", BIT(F_CODE) | BIT(F_BEGUN) | BIT(F_TEXT), EXTRA_NONE},
};

static void encode_extra(struct tulle_pack *w, const struct tl_mesh_message *m) {
  switch (types[m->type].extra) {
  case EXTRA_NONE:
    break;
  case EXTRA_PARTY:
    tl_party_encode(w, &m->party);
    break;
  case EXTRA_OPENER:
    tl_party_encode(w, &m->party);
    tl_fingerprint_encode(w, m->has_fingerprint, m->fingerprint);
    break;
  case EXTRA_SERVICE:
    tl_service_encode(w, &m->service);
    break;
  case EXTRA_BLOB:
    tulle_pack_text(w, "blob"), tulle_pack_bytes(w, m->blob, m->blob_size);
    break;
  }
}

size_t tl_mesh_encode(const struct tl_mesh_message *m, uint8_t *out, size_t out_size) {
  struct tulle_pack w = tulle_pack_on(out, out_size);
  uint32_t set = types[m->type].fields;
  tulle_pack_map(&w, 1 + (size_t)__builtin_popcount(set) + extra_keys[types[m->type].extra]);
  tulle_pack_text(&w, "t");
  tulle_pack_text(&w, types[m->type].name);
  tl_fields_encode(&w, fields, set, m);
  encode_extra(&w, m);
  return tulle_pack_size(&w);
}

static int decode_extra(struct tulle_unpack *map, struct tl_mesh_message *m) {
  struct tulle_unpack r;
  switch (types[m->type].extra) {
  case EXTRA_NONE:
    return 0;
  case EXTRA_SERVICE:
    return tl_service_decode(map, &m->service);
  case EXTRA_PARTY:
    tl_party_decode(map, &m->party);
    return map->failed ? TULLE_E_BAD_MESSAGE : 0;
  case EXTRA_OPENER:
    tl_party_decode(map, &m->party);
    if (map->failed) return TULLE_E_BAD_MESSAGE;
    return tl_fingerprint_decode(map, &m->has_fingerprint, m->fingerprint);
  case EXTRA_BLOB:
    r = tulle_unpack_key(map, "blob");
    m->blob = tulle_unpack_bytes(&r, &m->blob_size);
    return r.failed ? TULLE_E_BAD_MESSAGE : 0;
  }
  return TULLE_E_BAD_MESSAGE;
}

static int decode_type(const struct tulle_unpack *map, enum tl_mesh_type *out) {
  char name[16];
  struct tulle_unpack r = tulle_unpack_key(map, "t");
  tulle_unpack_string(&r, name, sizeof name);
  for (int i = 0; i < TL_MESH_TYPES && !r.failed; i++) {
    if (strcmp(name, types[i].name) != 0) continue;
    *out = (enum tl_mesh_type)i;
    return 0;
  }
  return TULLE_E_BAD_MESSAGE;
}

int tl_mesh_decode(const void *data, size_t size, struct tl_mesh_message *out) {
  if (size > TL_MESH_BYTES_MAX || tl_msgpack_check(data, size) != 0) return TULLE_E_BAD_MESSAGE;
  struct tulle_unpack map = tulle_unpack_on(data, size);
  struct tl_mesh_message m = {0};
  if (decode_type(&map, &m.type) < 0) return TULLE_E_BAD_MESSAGE;
  tl_fields_decode(&map, fields, types[m.type].fields, &m);
  if (map.failed || decode_extra(&map, &m) < 0) return TULLE_E_BAD_MESSAGE;
  *out = m;
  return 0;
}
