/* Certificates, revocation lists and grants: whatever decodes encodes to the same bytes. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/wire/certificate.h"
#include "core/wire/grant.h"
#include "core/wire/revocation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void certificate(const uint8_t *data, size_t size) {
  struct tl_certificate c;
  uint8_t out[TL_CERTIFICATE_BYTES];
  if (tl_certificate_decode(data, size, &c) < 0) return;
  tl_certificate_encode(&c, out);
  TL_ASSERT(size == sizeof out && memcmp(out, data, size) == 0);
}

static void list(const uint8_t *data, size_t size) {
  struct tl_revocation_list l;
  if (tl_revocation_list_decode(data, size, &l) < 0) return;
  TL_ASSERT(size == TL_REVOCATION_LIST_BYTES((size_t)l.count));
  uint8_t *out = malloc(size);
  TL_ASSERT(out && tl_revocation_list_encode(&l, out) == size);
  TL_ASSERT(memcmp(out, data, size - 64) == 0);
  for (uint32_t i = 0; i < l.count; i++) {
    const uint8_t *key;
    uint64_t serial;
    tl_revocation_at(&l, i, &key, &serial);
    TL_ASSERT(key >= data && key + 40 <= data + size);
  }
  free(out);
}

static void grant(const uint8_t *data, size_t size) {
  struct tl_grant g;
  if (tl_grant_decode(data, size, &g) < 0) return;
  TL_ASSERT(tl_grant_size(&g) == size);
  uint8_t *out = malloc(size);
  TL_ASSERT(out && tl_grant_encode(&g, out) == size && memcmp(out, data, size) == 0);
  for (uint16_t i = 0; i < g.member_count; i++) {
    struct tl_member m;
    uint8_t again[TL_GRANT_MEMBER_BYTES];
    if (tl_grant_member_at(&g, i, &m) < 0) continue;
    tl_grant_member_encode(&m, again);
    TL_ASSERT(memcmp(again, g.members + (size_t)i * sizeof again, sizeof again) == 0);
  }
  free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  certificate(data, size);
  list(data, size);
  grant(data, size);
  return 0;
}
