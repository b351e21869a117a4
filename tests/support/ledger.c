/* A set of 16-byte hashes of (key, counter), open addressing, that doubles when it is half full. */
#include "tests/support/ledger.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/error.h"
#include "crypto/aead.h"
#include "crypto/hash.h"

struct entry {
  uint64_t a, b; /* both 0: free */
};

static struct entry *entries;
static size_t room, used, doubled;

/* True when it was new. */
static bool put(struct entry e) {
  size_t i = e.a & (room - 1);
  for (; entries[i].a || entries[i].b; i = (i + 1) & (room - 1))
    if (entries[i].a == e.a && entries[i].b == e.b) return false;
  entries[i] = e;
  return true;
}

static void grow(void) {
  struct entry *old = entries;
  size_t old_room = room;
  room = room ? room * 2 : 4096;
  entries = calloc(room, sizeof *entries);
  TL_ASSERT(entries);
  for (size_t i = 0; i < old_room; i++)
    if (old[i].a || old[i].b) put(old[i]);
  free(old);
}

static void observe(const uint8_t key[32], uint64_t counter) {
  uint8_t number[8];
  struct entry e;
  tl_store_le(number, counter, sizeof number);
  tl_hash(TL_BYTES_NONE, (struct tl_bytes[]){{key, 32}, {number, sizeof number}}, 2, (uint8_t *)&e,
          sizeof e);
  if (used * 2 >= room) grow();
  if (put(e))
    used++;
  else
    doubled++;
}

void ledger_start(void) {
  (void)ledger_stop();
  tl_aead_observer = observe;
}

size_t ledger_stop(void) {
  size_t result = doubled;
  tl_aead_observer = NULL;
  free(entries);
  entries = NULL;
  room = used = doubled = 0;
  return result;
}

size_t ledger_count(void) {
  return used + doubled;
}
