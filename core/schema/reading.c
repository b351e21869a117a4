#include "core/schema/reading.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES 8192

struct chunk {
  struct chunk *next;
  size_t used;
  size_t size;
  _Alignas(max_align_t) unsigned char bytes[];
};

static struct chunk *chunk_new(struct chunk *next, size_t size) {
  struct chunk *c = malloc(sizeof *c + size);
  if (c) *c = (struct chunk){next, 0, size};
  return c;
}

void *tl_schema_allocate(struct tl_schema_reading *r, size_t size) {
  struct chunk *c = r->node ? r->node->schema.memory : NULL;
  size = (size + sizeof(max_align_t) - 1) & ~(sizeof(max_align_t) - 1);
  if (r->stopped) return NULL;
  if (!c || size > c->size - c->used) {
    c = chunk_new(c, size > CHUNK_BYTES ? size : CHUNK_BYTES);
    if (!c) {
      r->stopped = r->out_of_memory = true;
      return NULL;
    }
    if (r->node) r->node->schema.memory = c;
  }
  void *p = c->bytes + c->used;
  c->used += size;
  return memset(p, 0, size);
}

const char *tl_schema_copy(struct tl_schema_reading *r, struct tl_span span) {
  char *p = tl_schema_allocate(r, (size_t)span.size + 1);
  return p ? memcpy(p, r->text + span.offset, span.size) : NULL;
}

struct tl_schema *tl_schema_free(struct tl_schema *schema) {
  /* The schema itself lies in the last chunk of the list, which was the first. */
  for (struct chunk *c = schema ? schema->memory : NULL, *next; c; c = next) {
    next = c->next;
    free(c);
  }
  return NULL;
}

/* ---- problems ---- */

bool tl_schema_is_wanted(const struct tl_schema_reading *r, struct tl_span at) {
  if (!r->problems || r->out_of_memory) return false;
  for (size_t i = 0; i < r->problems->count; i++)
    if (at.offset - r->lines[i].offset < r->lines[i].size) return false;
  return r->problems->count < TL_SCHEMA_PROBLEMS_MAX;
}

/* The line that an offset is on, with its end. */
static struct tl_span line_around(const struct tl_schema_reading *r, uint32_t offset) {
  uint32_t from = offset, to = offset;
  while (from > 0 && r->text[from - 1] != '\n') from--;
  while (to < r->size && r->text[to] != '\n') to++;
  return (struct tl_span){from, to - from + 1};
}

void tl_schema_report(struct tl_schema_reading *r, struct tl_span at, const char *format, ...) {
  struct tl_schema_problems *all = r->problems;
  r->problem_count++;
  if (!tl_schema_is_wanted(r, at)) {
    if (all && all->count == TL_SCHEMA_PROBLEMS_MAX) all->more = true;
    return;
  }
  r->lines[all->count] = line_around(r, at.offset);
  struct tl_schema_problem *p = &all->items[all->count++];
  *p = (struct tl_schema_problem){.offset = at.offset, .size = at.size};
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(p->text, sizeof p->text, format, arguments);
  va_end(arguments);
}

uint32_t tl_schema_line(const struct tl_schema_reading *r, uint32_t offset) {
  uint32_t line = 1;
  for (uint32_t i = 0; i < offset; i++) line += r->text[i] == '\n';
  return line;
}

/* From 1, in characters: the bytes that continue one are not counted. */
static uint32_t column_of(const struct tl_schema_reading *r, uint32_t offset) {
  uint32_t column = 1;
  for (uint32_t i = offset; i > 0 && r->text[i - 1] != '\n'; i--)
    column += (r->text[i - 1] & 0xc0) != 0x80;
  return column;
}

static int by_offset(const void *a, const void *b) {
  const struct tl_schema_problem *p = a, *q = b;
  return p->offset < q->offset ? -1 : p->offset > q->offset;
}

void tl_schema_problems_finish(struct tl_schema_reading *r) {
  if (!r->problems) return;
  qsort(r->problems->items, r->problems->count, sizeof *r->problems->items, by_offset);
  for (size_t i = 0; i < r->problems->count; i++) {
    struct tl_schema_problem *p = &r->problems->items[i];
    p->line = tl_schema_line(r, p->offset);
    p->column = column_of(r, p->offset);
  }
}

/* ---- the whole ---- */

/* The node lies in its own memory, so that freeing that is freeing all. */
static int begin(struct tl_schema_reading *r) {
  struct chunk *c = chunk_new(NULL, CHUNK_BYTES);
  if (!c) return TULLE_E_NO_MEMORY;
  struct tl_schema_node *node = (void *)c->bytes;
  c->used = (sizeof *node + sizeof(max_align_t) - 1) & ~(sizeof(max_align_t) - 1);
  *node = (struct tl_schema_node){.schema.memory = c};
  r->node = node;
  return 0;
}

int tl_schema_read(const char *text, size_t size, struct tl_schema_problems *problems,
                   struct tl_schema **out) {
  struct tl_schema_reading r = {.text = text, .size = size, .problems = problems};
  if (problems) *problems = (struct tl_schema_problems){.count = 0};
  int e = begin(&r);
  if (e) return e;
  if (size > TL_SCHEMA_TEXT_BYTES_MAX) {
    r.size = 0;
    tl_schema_report(&r, (struct tl_span){0, 0}, "the file has more than %u bytes",
                     TL_SCHEMA_TEXT_BYTES_MAX);
  } else {
    tl_schema_parse(&r);
    tl_schema_check(&r);
  }
  tl_schema_problems_finish(&r);
  if (!r.problem_count && !r.out_of_memory) {
    *out = &r.node->schema;
    return 0;
  }
  tl_schema_free(&r.node->schema);
  return r.out_of_memory ? TULLE_E_NO_MEMORY : TULLE_E_INVALID;
}
