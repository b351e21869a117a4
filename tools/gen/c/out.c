#include "tools/gen/c/out.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS     100
#define NESTING_MAX 16

void tl_out_free(struct tl_out *o) {
  free(o->text);
  *o = (struct tl_out){0};
}

static void append(struct tl_out *o, const char *text, size_t size) {
  if (o->failed) return;
  if (size >= o->capacity - o->size) {
    size_t capacity = (o->capacity + size + 1) * 2;
    char *more = realloc(o->text, capacity);
    if (!more) {
      o->failed = true;
      return;
    }
    o->text = more;
    o->capacity = capacity;
  }
  memcpy(o->text + o->size, text, size);
  o->size += size;
  o->text[o->size] = 0;
}

static void append_spaces(struct tl_out *o, int count) {
  for (; count > 0; count--) append(o, " ", 1);
}

/* The brackets that are open: the columns where what they hold begins. */
struct brackets {
  int columns[NESTING_MAX];
  int depth;
};

/* Where a line may be broken: behind a comma, to go on below what its bracket holds; or behind a
 * binary operator or `=`. */
struct crack {
  const char *at; /* NULL: nowhere */
  struct brackets open;
};

/* The last good place before column 100 to break `text`, which begins at `column`: in as few brackets as
 * possible. */
static struct crack find_crack(const char *text, int column, struct brackets open) {
  struct crack comma = {NULL, open}, operation = {NULL, open};
  bool is_quoted = false;
  for (const char *p = text; *p && column < COLUMNS; p++, column++) {
    if (*p == '"') is_quoted = !is_quoted;
    if (is_quoted) continue;
    if (strchr("({", *p) && open.depth + 1 < NESTING_MAX) open.columns[++open.depth] = column + 1;
    if (strchr(")}", *p) && open.depth) open.depth--;
    if (*p != ' ' || p == text) continue;
    if (strchr(",;", p[-1]) && (!comma.at || open.depth <= comma.open.depth))
      comma = (struct crack){p, open};
    if (strchr("?:&|=", p[-1])) operation = (struct crack){p, open};
  }
  bool is_far = comma.open.columns[comma.open.depth] > COLUMNS * 3 / 5;
  return comma.at && !(is_far && operation.at) ? comma : operation;
}

static void append_broken(struct tl_out *o, const char *text, int indent) {
  struct brackets open = {.columns = {indent + 4}};
  int column = indent;
  append_spaces(o, indent);
  while (column + (int)strlen(text) > COLUMNS) {
    struct crack c = find_crack(text, column, open);
    if (!c.at) break;
    append(o, text, (size_t)(c.at - text));
    append(o, "\n", 1);
    open = c.open;
    column = open.columns[open.depth];
    append_spaces(o, column);
    text = c.at + 1;
  }
  append(o, text, strlen(text));
  append(o, "\n", 1);
}

void tl_out_line(struct tl_out *o, int indent, const char *format, ...) {
  va_list arguments;
  char *text = NULL;
  va_start(arguments, format);
  if (vasprintf(&text, format, arguments) < 0) text = NULL;
  va_end(arguments);
  if (text)
    append_broken(o, text, indent);
  else
    o->failed = true;
  free(text);
}

void tl_out_gap(struct tl_out *o) {
  append(o, "\n", 1);
}

static void append_body(struct tl_out *o, const struct tl_out *body) {
  if (body->failed) o->failed = true;
  if (body->text) append(o, body->text, body->size);
}

/* Whether it is one line; its text and length without indent and newline. */
static bool is_one_line(const struct tl_out *body, const char **out_line, int *out_length) {
  const char *text = body->text ? body->text : "";
  const char *end = strchr(text, '\n');
  *out_line = text + strspn(text, " ");
  *out_length = end ? (int)(end - *out_line) : 0;
  return end && !end[1];
}

void tl_out_block(struct tl_out *o, int indent, const char *head, struct tl_out *body) {
  const char *line;
  int length;
  bool is_line = is_one_line(body, &line, &length);
  if (is_line && indent + (int)strlen(head) + 1 + length <= COLUMNS) {
    tl_out_line(o, indent, "%s %.*s", head, length, line);
  } else {
    tl_out_line(o, indent, is_line ? "%s" : "%s {", head);
    append_body(o, body);
    if (!is_line) tl_out_line(o, indent, "}");
  }
  tl_out_free(body);
}

void tl_out_either(struct tl_out *o, int indent, const char *head, struct tl_out *body,
                   const char *otherwise) {
  const char *line;
  int length;
  bool is_line = is_one_line(body, &line, &length);
  tl_out_line(o, indent, is_line ? "%s" : "%s {", head);
  append_body(o, body);
  tl_out_line(o, indent, is_line ? "else" : "} else {");
  tl_out_line(o, indent + 2, "%s", otherwise);
  if (!is_line) tl_out_line(o, indent, "}");
  tl_out_free(body);
}

void tl_out_comment(struct tl_out *o, int indent, const char *text) {
  if (!text) return;
  append_spaces(o, indent);
  append(o, "/** ", 4);
  for (const char *end; (end = strchr(text, '\n')); text = end + 1) {
    append(o, text, (size_t)(end - text));
    append(o, "\n", 1);
    append_spaces(o, indent);
    append(o, end[1] == '\n' ? " *" : " * ", end[1] == '\n' ? 2 : 3);
  }
  append(o, text, strlen(text));
  append(o, " */\n", 4);
}
