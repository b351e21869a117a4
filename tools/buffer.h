/*
 * Bytes that grow, up to a bound: what a command reads from a file or makes of its arguments.
 */
#ifndef TL_TOOLS_BUFFER_H
#define TL_TOOLS_BUFFER_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"

struct tl_buffer {
  uint8_t *data;
  size_t size;
  size_t capacity;
  size_t size_max; /* 0 means no bound */
};

static inline void tl_buffer_deinit(struct tl_buffer *b) {
  free(b->data);
  *b = (struct tl_buffer){0};
}

/* Makes room for `more` bytes after the present ones. 0, TULLE_E_TOO_BIG, TULLE_E_NO_MEMORY. */
static inline int tl_buffer_reserve(struct tl_buffer *b, size_t more) {
  if (more <= b->capacity - b->size) return 0;
  if (b->size_max && more > b->size_max - b->size) return TULLE_E_TOO_BIG;
  size_t capacity = b->capacity ? b->capacity : 256;
  while (capacity - b->size < more) capacity *= 2;
  uint8_t *data = realloc(b->data, capacity);
  if (!data) return TULLE_E_NO_MEMORY;
  b->data = data;
  b->capacity = capacity;
  return 0;
}

static inline int tl_buffer_append(struct tl_buffer *b, const void *data, size_t size) {
  int r = tl_buffer_reserve(b, size);
  if (r) return r;
  if (size) memcpy(b->data + b->size, data, size);
  b->size += size;
  return 0;
}

#endif
