/* See span.h. `memory` holds [origin, origin + capacity), of which [base, end) is alive. */
#include "transport/link/span.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_MIN 256u
#define LARGE_BYTES  (128u << 10)

/* An empty span of at most KEEP_BYTES keeps its memory; a larger one does while the whole flow
 * holds less than KEEP_ALL_BYTES: many large lanes that are used in turn must not hold their peaks
 * together. */
#define KEEP_BYTES     4096u
#define KEEP_ALL_BYTES (4u << 20)

void tl_span_init(struct tl_span *s, uint64_t base) {
  *s = (struct tl_span){.origin = base, .base = base, .end = base};
}

static void release(struct tl_span *s, struct tl_account *account) {
  free(s->memory);
  account->bytes -= s->capacity;
  s->memory = NULL;
  s->capacity = 0;
}

void tl_span_deinit(struct tl_span *s, struct tl_account *account) {
  release(s, account);
}

static int grow(struct tl_span *s, struct tl_account *account, size_t needed) {
  size_t capacity = s->capacity ? s->capacity : CAPACITY_MIN;
  while (capacity < needed) capacity *= 2;
  uint8_t *memory = malloc(capacity);
  if (!memory) return TULLE_E_NO_MEMORY;
  if (s->end > s->base) memcpy(memory, tl_span_at(s, s->base), s->end - s->base);
  release(s, account);
  s->memory = memory;
  s->capacity = capacity;
  account->bytes += capacity;
  return 0;
}

/* Moving what is alive must be paid for by the bytes that have gone: small spans move when half of
 * them has gone, large ones (whose size counts more than their speed) at a quarter. */
static bool is_worth_moving(const struct tl_span *s, size_t alive) {
  size_t gone_min = s->capacity < LARGE_BYTES ? s->capacity / 2 : s->capacity / 4;
  return s->capacity - alive >= gone_min;
}

int tl_span_reserve_slow(struct tl_span *s, struct tl_account *account, uint64_t end) {
  size_t alive = s->end - s->base;
  size_t needed = end - s->base;
  if (needed > s->capacity || !is_worth_moving(s, alive)) {
    int r = grow(s, account, needed > s->capacity ? needed : s->capacity + 1);
    if (r < 0) return r;
  } else if (alive) {
    memmove(s->memory, tl_span_at(s, s->base), alive);
  }
  s->origin = s->base;
  if (end > s->end) s->end = end;
  return 0;
}

void tl_span_drop_empty(struct tl_span *s, struct tl_account *account) {
  s->origin = s->base;
  if (s->capacity > KEEP_BYTES && account->bytes > KEEP_ALL_BYTES) release(s, account);
}

void tl_span_trim(struct tl_span *s, struct tl_account *account) {
  if (s->base == s->end) release(s, account);
}
