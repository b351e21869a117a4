#include "core/wire/party.h"

#include "core/wire/fields.h"

#define AT(key, kind, member) TL_FIELD_AT(key, TL_FIELD_##kind, struct tl_party, member)

static const struct tl_field fields[TL_PARTY_FIELDS] = {
    AT("node", BYTES, node),
    AT("incarnation", U64, incarnation),
    AT("client", U64, client),
    AT("uid", U32, uid),
    AT("gid", U32, gid),
    AT("pid", U32, pid),
    AT("roles", U32, roles),
    AT("local", BOOL, local),
    AT("node_name", STRING, node_name),
    AT("program", STRING, program),
};

#define ALL (TL_FIELD_BIT(TL_PARTY_FIELDS) - 1)

void tl_party_encode(struct tulle_pack *w, const struct tl_party *party) {
  tl_fields_encode(w, fields, ALL, party);
}

void tl_party_decode(struct tulle_unpack *map, struct tl_party *out) {
  tl_fields_decode(map, fields, ALL, out);
}
