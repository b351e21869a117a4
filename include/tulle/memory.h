/*
 * Memory that is given back in one go: where results live, and what a handler makes its answer in.
 *
 *   unsigned char buffer[1024];
 *   struct tulle_memory memory = TULLE_MEMORY_ON(buffer);
 *   r = store_get(store, "key", &memory, &value);    what `value` points to lives in `memory`
 *   tulle_memory_clear(&memory);                     and ends here
 *
 * What is taken is used from the front of the buffer; only what does not fit there is allocated.
 *
 * Thread rule: an arena belongs to one thread at a time. Cost: a few nanoseconds where it fits.
 */
#ifndef TULLE_MEMORY_H
#define TULLE_MEMORY_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tulle/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct tulle_memory_block;

/* All members are private. */
struct tulle_memory {
  unsigned char *at;
  unsigned char *end;
  unsigned char *buffer;
  unsigned char *buffer_end;
  struct tulle_memory_block *blocks;
};

/* Begins with nothing. */
#define TULLE_MEMORY                                                                               \
  { NULL, NULL, NULL, NULL, NULL }

/* Begins with `buffer`, an array, which is borrowed as long as the arena is used. */
#define TULLE_MEMORY_ON(buffer)                                                                    \
  {                                                                                                \
    (unsigned char *)(buffer), (unsigned char *)(buffer) + sizeof(buffer),                         \
        (unsigned char *)(buffer), (unsigned char *)(buffer) + sizeof(buffer), NULL                \
  }

/* Ends the life of all that was taken and frees what was allocated. The arena is as new. */
TULLE_PUBLIC void tulle_memory_clear(struct tulle_memory *m);

/* Gives back only what was taken since `before` was copied from *m. */
TULLE_PUBLIC void tulle_memory_back(struct tulle_memory *m, const struct tulle_memory *before);

TULLE_PUBLIC void *tulle_memory_take_more_(struct tulle_memory *m, size_t size, size_t align);

/* `size` bytes, not zeroed, at an address that is a multiple of `align` (a power of two, at most
 * 4,096). Never NULL for size 0; NULL when there is no memory. */
static inline void *tulle_memory_take(struct tulle_memory *m, size_t size, size_t align) {
  size_t room = (size_t)(m->end - m->at);
  size_t pad = (size_t)(0 - (uintptr_t)m->at) & (align - 1);
  if (!size) size = 1;
  if (pad > room || size > room - pad) return tulle_memory_take_more_(m, size, align);
  unsigned char *p = m->at + pad;
  m->at = p + size;
  return p;
}

/* A copy of `size` bytes (`data` may be NULL if it is 0). NULL: no memory. */
TULLE_PUBLIC void *tulle_memory_copy(struct tulle_memory *m, const void *data, size_t size);

/* Text as printf makes it, zero-terminated. NULL: no memory, or a wrong format. */
TULLE_PUBLIC char *tulle_printf(struct tulle_memory *m, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
TULLE_PUBLIC char *tulle_vprintf(struct tulle_memory *m, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

#ifdef __cplusplus
}
#endif
#endif
