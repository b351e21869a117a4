/*
 * A hash table from byte strings to pointers, safe against chosen keys.
 *
 * The hash is SipHash-2-4 under a random key of the table's owner, so a peer that picks names
 * cannot pick collisions. Keys are borrowed: they must live, unchanged, inside the value they lead
 * to.
 */
#ifndef TL_CORE_TABLE_H
#define TL_CORE_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct tl_table_slot {
  uint64_t hash;
  const void *key;
  size_t key_size;
  void *value; /* NULL: free */
};

struct tl_table {
  struct tl_table_slot *slots;
  size_t slot_count; /* a power of two, or 0 before the first insertion */
  size_t used;
  uint8_t secret[16];
};

/* `secret`: 16 random bytes; NULL draws them from the system (not in simulations). */
void tl_table_init(struct tl_table *t, const uint8_t *secret);
void tl_table_deinit(struct tl_table *t);

/* 0, TULLE_E_EXISTS or TULLE_E_NO_MEMORY. `value` is never NULL. */
int tl_table_insert(struct tl_table *t, const void *key, size_t key_size, void *value);

/* The value, or NULL. */
void *tl_table_find(const struct tl_table *t, const void *key, size_t key_size);

/* Takes the key out and returns its value, or NULL. */
void *tl_table_remove(struct tl_table *t, const void *key, size_t key_size);

/* Iterates in no particular order: start with *cursor = 0; NULL at the end. No insertion or removal
 * meanwhile. */
void *tl_table_next(const struct tl_table *t, size_t *cursor);

/* SipHash-2-4 (Aumasson and Bernstein, 2012). */
uint64_t tl_siphash(const uint8_t key[16], const void *data, size_t size);

#endif
