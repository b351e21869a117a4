/*
 * Generated decoders: whatever arrives is decoded, or refused with a name; what was decoded encodes into
 * the room that is measured for it, and comes back the same; memory stays within its bound.
 *
 * The first byte says what follows: bit 0 a `deep` instead of an `entry`, bit 1 from a newer peer, bit
 * 2 the arguments of `everything`.
 */
#include "store.tulle.c"

#include <stdlib.h>

#include "core/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ROOM_BYTES ((size_t)4 << 20)

static void check_refusal(const struct tulle_decoder *d) {
  char text[256];
  TL_ASSERT(d->status == TULLE_E_BAD_MESSAGE || d->status == TULLE_E_LIMIT);
  TL_ASSERT(d->in.at == d->in.end && d->why[0]);
  tulle_decode_explain(d, "store.fuzz", "argument", text, sizeof text);
  TL_ASSERT(!strncmp(text, "store.fuzz: ", 12));
}

/* Exactly as much room as was measured, to be freed. */
static unsigned char *room_for(const struct tulle_measure *m, struct tulle_pack *out) {
  TL_ASSERT(!m->why && m->size <= ROOM_BYTES);
  unsigned char *room = malloc(m->size);
  TL_ASSERT(room);
  *out = tulle_pack_on(room, m->size);
  return room;
}

static size_t encode_whole_entry(const struct store_entry *v, unsigned char **out) {
  struct tulle_measure m = tulle_measure_from(1000); /* more than all that is fixed */
  struct tulle_pack w;
  measure_entry(&m, v);
  *out = room_for(&m, &w);
  encode_entry(&w, v);
  return tulle_pack_size(&w);
}

/* An alternative that came later cannot be sent on. */
static bool can_be_sent(const struct store_entry *v) {
  for (size_t i = 0; i < v->figures_count; i++)
    if (v->figures[i].is == STORE_FIGURE_ANOTHER_) return false;
  return true;
}

static void entry_comes_back(const struct store_entry *v, struct tulle_memory *memory) {
  unsigned char *first, *second;
  struct tulle_decoder d;
  struct store_entry again;
  size_t size = encode_whole_entry(v, &first);
  TL_ASSERT(size);
  tulle_decode_begin(&d, first, size, memory);
  d.budget = ROOM_BYTES; /* what came may have had longer forms */
  decode_entry(&d, "v", &again);
  TL_ASSERT(!d.status && d.in.at == d.in.end);
  TL_ASSERT(encode_whole_entry(&again, &second) == size && !memcmp(first, second, size));
  free(first);
  free(second);
}

static void try_entry(struct tulle_decoder *d) {
  struct store_entry v;
  decode_entry(d, "v", &v);
  if (d->status)
    check_refusal(d);
  else if (can_be_sent(&v))
    entry_comes_back(&v, d->memory);
}

static void try_deep(struct tulle_decoder *d) {
  struct store_deep v;
  decode_deep(d, "v", &v);
  if (d->status) {
    check_refusal(d);
    return;
  }
  struct tulle_measure m = tulle_measure_from(1000);
  struct tulle_pack w;
  measure_deep(&m, &v);
  unsigned char *room = room_for(&m, &w);
  encode_deep(&w, &v);
  TL_ASSERT(tulle_pack_size(&w));
  free(room);
}

static void try_everything(struct tulle_decoder *d) {
  struct store_everything_values v;
  memset(&v, 0, sizeof v);
  if (decode_arguments_of_everything(d, &v)) check_refusal(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (!size) return 0;
  struct tulle_memory memory = TULLE_MEMORY;
  struct tulle_decoder d;
  tulle_decode_begin(&d, data + 1, size - 1, &memory);
  size_t budget = d.budget;
  d.is_newer = data[0] & 2;
  if (data[0] & 4)
    try_everything(&d);
  else if (data[0] & 1)
    try_deep(&d);
  else
    try_entry(&d);
  TL_ASSERT(d.budget <= budget);
  tulle_memory_clear(&memory);
  return 0;
}
