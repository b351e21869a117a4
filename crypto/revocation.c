#include "crypto/revocation.h"

#include <sodium.h>
#include <string.h>

#include "core/error.h"
#include "crypto/hash.h"

static const char context[] = "tul1 revocations";

#define SIGNATURE_BYTES 64

/* The list may be long, so its hash is what is signed. */
static void digest_of(const uint8_t *list, size_t size, uint8_t out[64]) {
  tl_hash(TL_BYTES_NONE, &(struct tl_bytes){list, size - SIGNATURE_BYTES}, 1, out, 64);
}

size_t tl_revocations_sign(const struct tl_authority *authority, uint32_t version,
                           uint32_t authority_epoch, const uint8_t *entries, uint32_t count,
                           uint8_t *out) {
  uint8_t digest[64];
  struct tl_revocation_list l = {
      .version = version, .authority_epoch = authority_epoch, .count = count, .entries = entries};
  memcpy(l.fabric_id, authority->fabric_id, sizeof l.fabric_id);
  size_t size = tl_revocation_list_encode(&l, out);
  digest_of(out, size, digest);
  tl_authority_sign(authority, context, digest, sizeof digest, out + size - SIGNATURE_BYTES);
  return size;
}

int tl_revocations_verify(const uint8_t *data, size_t size, const uint8_t authority_key[32],
                          struct tl_revocation_list *out) {
  struct tl_revocation_list l;
  uint8_t fabric_id[16], digest[64];
  int r = tl_revocation_list_decode(data, size, &l);
  if (r < 0) return r;
  tl_fabric_id_of(authority_key, fabric_id);
  if (sodium_memcmp(l.fabric_id, fabric_id, 16) != 0) return TULLE_E_UNTRUSTED;
  digest_of(data, size, digest);
  r = tl_authority_verify(authority_key, context, digest, sizeof digest, l.signature);
  if (r < 0) return r;
  *out = l;
  return 0;
}

bool tl_revocations_has(const struct tl_revocation_list *list, const uint8_t key[32],
                        uint64_t serial) {
  for (uint32_t i = 0; i < list->count; i++) {
    const uint8_t *revoked_key;
    uint64_t revoked_serial;
    tl_revocation_at(list, i, &revoked_key, &revoked_serial);
    if (revoked_serial == serial || sodium_memcmp(revoked_key, key, 32) == 0) return true;
  }
  return false;
}
