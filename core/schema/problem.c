#include "core/schema/problem.h"

#include <stdio.h>
#include <string.h>

#include "core/text.h"

#define SHOWN_BYTES_MAX 200 /* of a line: who writes longer ones sees what stands around the mark */

struct line {
  const char *text;
  size_t size;
  size_t mark; /* where the problem begins */
};

static struct line line_of(const struct tl_schema_problem *p, const char *text, size_t size) {
  size_t from = p->offset < size ? p->offset : size, to = from;
  while (from > 0 && text[from - 1] != '\n') from--;
  while (to < size && text[to] != '\n') to++;
  if (p->offset - from > SHOWN_BYTES_MAX / 2) from = p->offset - SHOWN_BYTES_MAX / 2;
  while (from < to && (text[from] & 0xc0) == 0x80) from++;
  if (to - from > SHOWN_BYTES_MAX) {
    to = from + SHOWN_BYTES_MAX;
    while (to > from && (text[to] & 0xc0) == 0x80) to--; /* no half of a character */
  }
  return (struct line){text + from, to - from, p->offset - from};
}

/* Nothing that a terminal would obey. */
static void copy_line(const struct line *l, char *out) {
  bool is_text = tl_utf8_is_valid(l->text, l->size);
  for (size_t i = 0; i < l->size; i++) {
    unsigned char c = (unsigned char)l->text[i];
    bool is_shown = c == '\t' || (c >= 0x20 && c < 0x7f) || (c >= 0x80 && is_text);
    out[i] = is_shown ? l->text[i] : '?';
  }
  out[l->size] = 0;
}

/* Tabs stay tabs, so that the mark stands below what it marks. */
static void mark_line(const struct tl_schema_problem *p, const struct line *l, char *out) {
  size_t n = 0, end = l->mark + p->size < l->size ? l->mark + p->size : l->size;
  for (size_t i = 0; i < l->mark && i < l->size; i++)
    if ((l->text[i] & 0xc0) != 0x80) out[n++] = l->text[i] == '\t' ? '\t' : ' ';
  out[n++] = '^';
  for (size_t i = l->mark + 1; i < end; i++)
    if ((l->text[i] & 0xc0) != 0x80) out[n++] = '~';
  out[n] = 0;
}

void tl_schema_problem_show(const struct tl_schema_problem *problem, const char *file,
                            const char *text, size_t size, char *out, size_t out_size) {
  char shown[SHOWN_BYTES_MAX + 1], mark[SHOWN_BYTES_MAX + 2];
  struct line l = line_of(problem, text, size);
  copy_line(&l, shown);
  mark_line(problem, &l, mark);
  int n = snprintf(out, out_size, "%s:%u:%u: error: %s\n", file, problem->line, problem->column,
                   problem->text);
  if (problem->size && n > 0 && (size_t)n < out_size)
    snprintf(out + n, out_size - (size_t)n, "%s\n%s\n", shown, mark);
}
