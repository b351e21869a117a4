/*
 * Rate limits: so many a second from one source, so many altogether.
 *
 * A bucket is one number, the time at which it would be full of debt-free room again (the generic
 * cell rate algorithm). Sources are kept in a table of fixed size; a busy set forgets whoever has
 * been quiet longest. The table's hash is keyed, so nobody can choose to share a bucket with
 * somebody else.
 */
#ifndef TL_CRYPTO_BUCKET_H
#define TL_CRYPTO_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "core/address.h"

#define TL_BUCKET_SETS 256
#define TL_BUCKET_WAYS 4

struct tl_bucket {
  uint8_t source[16]; /* an IPv4 address, mapped, or an IPv6 /64 */
  uint64_t paid_until_ns;
};

struct tl_buckets {
  uint8_t secret[16];
  struct tl_bucket sets[TL_BUCKET_SETS][TL_BUCKET_WAYS];
};

/* `secret`: 16 random bytes. */
void tl_buckets_init(struct tl_buckets *buckets, const uint8_t secret[16]);

/* The bucket of the source of `address`. */
struct tl_bucket *tl_buckets_of(struct tl_buckets *buckets, const struct tl_address *address);

/* Takes one of `rate` a second, `burst` at once; false when there is none. rate and burst are not
 * 0. */
bool tl_bucket_take(struct tl_bucket *bucket, uint64_t now_ns, uint32_t rate, uint32_t burst);

/* The source that an address counts as: itself, or its /64. */
void tl_bucket_source(const struct tl_address *address, uint8_t out[16]);

#endif
