/* Open addressing with linear probing and backward-shift deletion: no tombstones, load at most
 * three quarters. */
#include "core/table.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/bytes.h"
#include "core/error.h"

#define SLOTS_MIN 8

static uint64_t rotate_left(uint64_t v, unsigned bits) {
  return v << bits | v >> (64 - bits);
}

static void sip_round(uint64_t v[4]) {
  v[0] += v[1], v[1] = rotate_left(v[1], 13) ^ v[0], v[0] = rotate_left(v[0], 32);
  v[2] += v[3], v[3] = rotate_left(v[3], 16) ^ v[2];
  v[0] += v[3], v[3] = rotate_left(v[3], 21) ^ v[0];
  v[2] += v[1], v[1] = rotate_left(v[1], 17) ^ v[2], v[2] = rotate_left(v[2], 32);
}

static void sip_absorb(uint64_t v[4], uint64_t word) {
  v[3] ^= word;
  sip_round(v), sip_round(v);
  v[0] ^= word;
}

uint64_t tl_siphash(const uint8_t key[16], const void *data, size_t size) {
  const uint8_t *p = data;
  uint64_t k0 = tl_load_le(key, 8), k1 = tl_load_le(key + 8, 8);
  uint64_t v[4] = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
                   k1 ^ 0x7465646279746573};
  for (size_t left = size; left >= 8; left -= 8, p += 8) sip_absorb(v, tl_load_le(p, 8));
  sip_absorb(v, tl_load_le(p, size & 7) | (uint64_t)size << 56);
  v[2] ^= 0xff;
  for (int i = 0; i < 4; i++) sip_round(v);
  return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void tl_table_init(struct tl_table *t, const uint8_t *secret) {
  *t = (struct tl_table){0};
  if (secret)
    memcpy(t->secret, secret, sizeof t->secret);
  else
    TL_ASSERT(getrandom(t->secret, sizeof t->secret, 0) == (ssize_t)sizeof t->secret);
}

void tl_table_deinit(struct tl_table *t) {
  free(t->slots);
  t->slots = NULL;
  t->slot_count = t->used = 0;
}

static bool slot_matches(const struct tl_table_slot *s, uint64_t hash, const void *key,
                         size_t key_size) {
  return s->hash == hash && s->key_size == key_size && memcmp(s->key, key, key_size) == 0;
}

/* The slot that holds the key, or the free one where it belongs. The table has slots, one of them
 * free. */
static struct tl_table_slot *slot_for(const struct tl_table *t, uint64_t hash, const void *key,
                                      size_t key_size) {
  size_t mask = t->slot_count - 1;
  for (size_t i = hash & mask;; i = (i + 1) & mask) {
    struct tl_table_slot *s = &t->slots[i];
    if (!s->value || slot_matches(s, hash, key, key_size)) return s;
  }
}

static int table_grow(struct tl_table *t) {
  struct tl_table old = *t;
  t->slot_count = old.slot_count ? old.slot_count * 2 : SLOTS_MIN;
  t->slots = calloc(t->slot_count, sizeof *t->slots);
  if (!t->slots) {
    *t = old;
    return TULLE_E_NO_MEMORY;
  }
  for (size_t i = 0; i < old.slot_count; i++) {
    struct tl_table_slot *s = &old.slots[i];
    if (s->value) *slot_for(t, s->hash, s->key, s->key_size) = *s;
  }
  free(old.slots);
  return 0;
}

int tl_table_insert(struct tl_table *t, const void *key, size_t key_size, void *value) {
  TL_ASSERT(value);
  if (t->used >= t->slot_count - t->slot_count / 4) {
    int r = table_grow(t);
    if (r < 0) return r;
  }
  uint64_t hash = tl_siphash(t->secret, key, key_size);
  struct tl_table_slot *s = slot_for(t, hash, key, key_size);
  if (s->value) return TULLE_E_EXISTS;
  *s = (struct tl_table_slot){hash, key, key_size, value};
  t->used++;
  return 0;
}

void *tl_table_find(const struct tl_table *t, const void *key, size_t key_size) {
  if (!t->used) return NULL;
  return slot_for(t, tl_siphash(t->secret, key, key_size), key, key_size)->value;
}

/* Moves later members of the probe run back over the hole, so that no run is ever cut. */
static void slot_vacate(struct tl_table *t, size_t hole) {
  size_t mask = t->slot_count - 1;
  for (size_t i = (hole + 1) & mask; t->slots[i].value; i = (i + 1) & mask) {
    size_t home = t->slots[i].hash & mask;
    if (((i - home) & mask) >= ((i - hole) & mask)) {
      t->slots[hole] = t->slots[i];
      hole = i;
    }
  }
  t->slots[hole] = (struct tl_table_slot){0};
}

void *tl_table_remove(struct tl_table *t, const void *key, size_t key_size) {
  if (!t->used) return NULL;
  struct tl_table_slot *s = slot_for(t, tl_siphash(t->secret, key, key_size), key, key_size);
  void *value = s->value;
  if (!value) return NULL;
  slot_vacate(t, (size_t)(s - t->slots));
  t->used--;
  return value;
}

void *tl_table_next(const struct tl_table *t, size_t *cursor) {
  while (*cursor < t->slot_count) {
    void *value = t->slots[(*cursor)++].value;
    if (value) return value;
  }
  return NULL;
}
