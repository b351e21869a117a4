/*
 * include/tulle/memory.h: an arena is a chain of blocks, of which only the newest is taken from.
 */
#include "tulle/memory.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"

/* Blocks double from the first size to the last one, so that few are allocated and little is wasted. */
#define BLOCK_BYTES_MIN ((size_t)4096)
#define BLOCK_BYTES_MAX ((size_t)256 << 10)

struct tulle_memory_block {
  struct tulle_memory_block *next; /* the one before it */
  size_t size;                     /* with this head */
};

static void free_blocks(struct tulle_memory_block *block, const struct tulle_memory_block *end) {
  while (block != end) {
    struct tulle_memory_block *next = block->next;
    free(block);
    block = next;
  }
}

void tulle_memory_clear(struct tulle_memory *m) {
  if (m->blocks) free_blocks(m->blocks, NULL);
  m->blocks = NULL;
  m->at = m->buffer;
  m->end = m->buffer_end;
}

void tulle_memory_back(struct tulle_memory *m, const struct tulle_memory *before) {
  free_blocks(m->blocks, before->blocks);
  *m = *before;
}

static size_t next_block_size(const struct tulle_memory *m, size_t wanted) {
  size_t size = m->blocks ? m->blocks->size * 2 : BLOCK_BYTES_MIN;
  if (size > BLOCK_BYTES_MAX) size = BLOCK_BYTES_MAX;
  return size < wanted ? wanted : size;
}

void *tulle_memory_take_more_(struct tulle_memory *m, size_t size, size_t align) {
  size_t head = sizeof(struct tulle_memory_block) + align;
  if (size > SIZE_MAX / 2 - head) return NULL;
  size_t block_size = next_block_size(m, head + size);
  struct tulle_memory_block *block = malloc(block_size);
  if (!block) return NULL;
  *block = (struct tulle_memory_block){m->blocks, block_size};
  m->blocks = block;
  m->at = (unsigned char *)(block + 1);
  m->end = (unsigned char *)block + block_size;
  return tulle_memory_take(m, size, align);
}

void *tulle_memory_copy(struct tulle_memory *m, const void *data, size_t size) {
  void *copy = tulle_memory_take(m, size, alignof(max_align_t));
  if (copy && size) memcpy(copy, data, size);
  return copy;
}

char *tulle_vprintf(struct tulle_memory *m, const char *format, va_list arguments) {
  va_list again;
  va_copy(again, arguments);
  size_t room = (size_t)(m->end - m->at);
  int length = vsnprintf((char *)m->at, room, format, arguments);
  char *text = length < 0 ? NULL : tulle_memory_take(m, (size_t)length + 1, 1);
  if (text && (size_t)length >= room) (void)vsnprintf(text, (size_t)length + 1, format, again);
  va_end(again);
  return text;
}

char *tulle_printf(struct tulle_memory *m, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  char *text = tulle_vprintf(m, format, arguments);
  va_end(arguments);
  return text;
}
