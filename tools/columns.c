#include "tools/columns.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "tools/human.h"

#define GAP 2

struct tl_columns tl_columns_new(const char *headings) {
  struct tl_columns t = {.headings = headings, .count = 1};
  for (const char *p = headings; *p; p++) t.count += *p == ' ';
  TL_ASSERT(t.count <= TL_COLUMNS_MAX);
  return t;
}

void tl_columns_free(struct tl_columns *t) {
  for (size_t i = 0; i < t->cell_count; i++) free(t->cells[i]);
  free(t->cells);
  *t = (struct tl_columns){0};
}

void tl_columns_add_of(struct tl_columns *t, const char *text, size_t size) {
  if (t->cell_count == t->cell_capacity) {
    t->cell_capacity = t->cell_capacity ? 2 * t->cell_capacity : 64;
    t->cells = realloc(t->cells, t->cell_capacity * sizeof *t->cells);
    TL_ASSERT(t->cells);
  }
  char *cell = size ? strndup(text, size) : strdup("-");
  TL_ASSERT(cell);
  t->cells[t->cell_count++] = tl_human_clean(cell);
}

void tl_columns_add(struct tl_columns *t, const char *text) {
  tl_columns_add_of(t, text, text ? strlen(text) : 0);
}

void tl_columns_add_duration(struct tl_columns *t, uint64_t ns) {
  char text[TL_HUMAN_SIZE];
  tl_columns_add(t, tl_human_duration(ns, text));
}

void tl_columns_add_count(struct tl_columns *t, uint64_t n) {
  char text[TL_HUMAN_SIZE];
  tl_columns_add(t, tl_human_count(n, text));
}

void tl_columns_add_bytes(struct tl_columns *t, uint64_t n) {
  char text[TL_HUMAN_SIZE];
  tl_columns_add(t, tl_human_bytes(n, text));
}

/* Characters, not bytes, of UTF-8. */
static size_t width_of(const char *text, size_t size) {
  size_t width = 0;
  for (size_t i = 0; i < size; i++) width += ((unsigned char)text[i] & 0xc0) != 0x80;
  return width;
}

static void put_cell(FILE *out, const char *text, size_t size, size_t width, bool is_right,
                     bool is_last) {
  size_t pad = width - width_of(text, size);
  if (is_right) fprintf(out, "%*s", (int)pad, "");
  fwrite(text, 1, size, out);
  if (!is_last) fprintf(out, "%*s", (int)(GAP + (is_right ? 0 : pad)), "");
}

void tl_columns_print(const struct tl_columns *t, FILE *out) {
  const char *heads[TL_COLUMNS_MAX];
  size_t sizes[TL_COLUMNS_MAX], widths[TL_COLUMNS_MAX];
  bool is_right[TL_COLUMNS_MAX];
  TL_ASSERT(t->cell_count % t->count == 0);
  const char *at = t->headings;
  for (size_t i = 0; i < t->count; i++) {
    is_right[i] = *at == '>';
    heads[i] = at + is_right[i];
    widths[i] = sizes[i] = strcspn(heads[i], " ");
    at = heads[i] + sizes[i] + 1;
  }
  for (size_t i = 0; i < t->cell_count; i++) {
    size_t width = width_of(t->cells[i], strlen(t->cells[i]));
    if (width > widths[i % t->count]) widths[i % t->count] = width;
  }
  for (size_t i = 0; i < t->count; i++)
    put_cell(out, heads[i], sizes[i], widths[i], is_right[i], i + 1 == t->count);
  fputc('\n', out);
  for (size_t i = 0; i < t->cell_count; i++) {
    size_t column = i % t->count;
    bool is_last = column + 1 == t->count;
    put_cell(out, t->cells[i], strlen(t->cells[i]), widths[column], is_right[column], is_last);
    if (is_last) fputc('\n', out);
  }
}
