#include "crypto/certificate.h"

#include <sodium.h>
#include <stdbool.h>
#include <string.h>

#include "crypto/identity.h"

static const char context[] = "tul1 member cert";

void tl_certificate_issue(const struct tl_authority *authority, const struct tl_certificate *fields,
                          uint8_t out[TL_CERTIFICATE_BYTES]) {
  struct tl_certificate c = *fields;
  memcpy(c.fabric_id, authority->fabric_id, sizeof c.fabric_id);
  tl_node_id_of(c.key, c.node_id);
  tl_certificate_encode(&c, out);
  tl_authority_sign(authority, context, out, TL_CERTIFICATE_SIGNED_BYTES,
                    out + TL_CERTIFICATE_SIGNED_BYTES);
}

static bool is_in_time(const struct tl_certificate *c, uint64_t wall_s) {
  if (!wall_s) return true;
  return wall_s >= c->not_before_s && (!c->not_after_s || wall_s <= c->not_after_s);
}

int tl_certificate_verify(const uint8_t *data, size_t size, const uint8_t authority_key[32],
                          const uint8_t key[32], uint64_t wall_s, struct tl_certificate *out) {
  struct tl_certificate c;
  uint8_t fabric_id[16], node_id[16];
  if (tl_certificate_decode(data, size, &c) < 0) return TL_REFUSED_CERTIFICATE;
  tl_fabric_id_of(authority_key, fabric_id);
  if (sodium_memcmp(c.fabric_id, fabric_id, 16) != 0) return TL_REFUSED_CERTIFICATE_FABRIC;
  tl_node_id_of(key, node_id);
  if (sodium_memcmp(c.key, key, 32) != 0 || sodium_memcmp(c.node_id, node_id, 16) != 0)
    return TL_REFUSED_CERTIFICATE_KEY;
  if (!is_in_time(&c, wall_s)) return TL_REFUSED_CERTIFICATE_TIME;
  if (tl_authority_verify(authority_key, context, data, TL_CERTIFICATE_SIGNED_BYTES, c.signature) !=
      0)
    return TL_REFUSED_CERTIFICATE_SIGNATURE;
  *out = c;
  return 0;
}
