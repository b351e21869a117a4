#include "crypto/bucket.h"

#include <string.h>

#include "core/table.h"
#include "core/time.h"

#define V6_PREFIX_BYTES 8

void tl_buckets_init(struct tl_buckets *buckets, const uint8_t secret[16]) {
  memset(buckets, 0, sizeof *buckets);
  memcpy(buckets->secret, secret, sizeof buckets->secret);
}

void tl_bucket_source(const struct tl_address *address, uint8_t out[16]) {
  memcpy(out, address->ip, 16);
  if (!tl_address_is_v4(address)) memset(out + V6_PREFIX_BYTES, 0, 16 - V6_PREFIX_BYTES);
}

struct tl_bucket *tl_buckets_of(struct tl_buckets *buckets, const struct tl_address *address) {
  uint8_t source[16];
  tl_bucket_source(address, source);
  uint64_t hash = tl_siphash(buckets->secret, source, sizeof source);
  struct tl_bucket *set = buckets->sets[hash % TL_BUCKET_SETS], *idlest = set;
  for (size_t i = 0; i < TL_BUCKET_WAYS; i++) {
    if (memcmp(set[i].source, source, sizeof source) == 0) return &set[i];
    if (set[i].paid_until_ns < idlest->paid_until_ns) idlest = &set[i];
  }
  memcpy(idlest->source, source, sizeof source);
  idlest->paid_until_ns = 0;
  return idlest;
}

bool tl_bucket_take(struct tl_bucket *bucket, uint64_t now_ns, uint32_t rate, uint32_t burst) {
  uint64_t each = TL_S / rate;
  uint64_t start = bucket->paid_until_ns > now_ns ? bucket->paid_until_ns : now_ns;
  if (start - now_ns > each * (burst - 1)) return false;
  bucket->paid_until_ns = start + each;
  return true;
}
