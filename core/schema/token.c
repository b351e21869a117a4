#include "core/schema/token.h"

#include <string.h>

#include "core/text.h"

static bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The character `ahead` of the present one; zero behind the end and where a zero byte stands. */
static char peek(const struct tl_lexer *l, uint32_t ahead) {
  const struct tl_schema_reading *r = l->reading;
  return l->offset + ahead < r->size ? r->text[l->offset + ahead] : 0;
}

static bool is_at(const struct tl_lexer *l, const char *text) {
  size_t length = strlen(text);
  return l->reading->size - l->offset >= length &&
         !memcmp(l->reading->text + l->offset, text, length);
}

static bool is_end(const struct tl_lexer *l) {
  return l->reading->stopped || l->offset >= l->reading->size;
}

static struct tl_span span_to(const struct tl_lexer *l, uint32_t from) {
  return (struct tl_span){from, l->offset - from};
}

/* ---- comments and documentation ---- */

/* What was gathered before one token, at the beginning of the room that is left. */
struct notes {
  size_t size;
  bool is_there;
  struct tl_span at;
};

static bool notes_begin(struct tl_lexer *l, struct notes *n, uint32_t from) {
  /* A line of documentation is shorter than the comment that it was. */
  if (!l->notes) l->notes = tl_schema_allocate(l->reading, l->reading->size + 1);
  if (!n->is_there) n->at.offset = from;
  n->is_there = true;
  return l->notes;
}

/* Adds what stands between two offsets as a line, without the space at its end. */
static void notes_add(struct tl_lexer *l, struct notes *n, uint32_t from, uint32_t to) {
  const char *text = l->reading->text;
  while (to > from && is_space(text[to - 1])) to--;
  if (!n->size && from == to) return;
  if (n->size) l->notes[n->size++] = '\n';
  if (to > from) memcpy(l->notes + n->size, text + from, to - from);
  n->size += to - from;
}

static void check_notes(struct tl_lexer *l, const struct notes *n) {
  const char *what = NULL;
  for (size_t i = 0; i < n->size && !what; i++) {
    unsigned char c = (unsigned char)l->notes[i];
    if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f) what = "control characters";
    if (i && c == '/' && l->notes[i - 1] == '*') what = "'*/'";
  }
  if (!tl_utf8_is_valid(l->notes, n->size)) what = "what is not UTF-8";
  if (what) tl_schema_report(l->reading, n->at, "documentation cannot contain %s", what);
}

static const char *notes_end(struct tl_lexer *l, struct notes *n) {
  if (!n->is_there || l->reading->stopped) return NULL;
  while (n->size && l->notes[n->size - 1] == '\n') n->size--;
  check_notes(l, n);
  char *text = l->notes;
  text[n->size] = 0;
  l->notes += n->size + 1;
  return n->size ? text : NULL;
}

static uint32_t line_end(const struct tl_lexer *l, uint32_t from, uint32_t end) {
  const char *p = memchr(l->reading->text + from, '\n', end - from);
  return p ? (uint32_t)(p - l->reading->text) : end;
}

static void check_place(struct tl_lexer *l, uint32_t from) {
  if (peek(l, 3) == '<')
    tl_schema_report(l->reading, (struct tl_span){from, 4},
                     "documentation stands before what it describes, never behind it");
}

static void line_comment(struct tl_lexer *l, struct notes *n) {
  uint32_t from = l->offset, end = line_end(l, from, (uint32_t)l->reading->size);
  bool is_note = is_at(l, "///") && peek(l, 3) != '/';
  if (is_note) check_place(l, from);
  l->offset = end;
  if (!is_note || !notes_begin(l, n, from)) return;
  n->at.size = end - n->at.offset;
  from += 3;
  notes_add(l, n, from < end && l->reading->text[from] == ' ' ? from + 1 : from, end);
}

/* A line inside a block: the space before it, a star and one space behind that are layout. */
static uint32_t block_line_begin(const char *text, uint32_t from, uint32_t end) {
  while (from < end && is_space(text[from])) from++;
  if (from < end && text[from] == '*') from++;
  return from < end && text[from] == ' ' ? from + 1 : from;
}

static void block_notes(struct tl_lexer *l, struct notes *n, uint32_t from, uint32_t end) {
  const char *text = l->reading->text;
  uint32_t at = from + 3;
  while (at < end && (text[at] == ' ' || text[at] == '\t')) at++;
  for (;;) {
    uint32_t stop = line_end(l, at, end);
    notes_add(l, n, at, stop);
    if (stop == end) break;
    at = block_line_begin(text, stop + 1, end);
  }
}

static void block_comment(struct tl_lexer *l, struct notes *n) {
  uint32_t from = l->offset;
  const char *text = l->reading->text;
  const char *close = memmem(text + from + 2, l->reading->size - from - 2, "*/", 2);
  bool is_note = is_at(l, "/**") && peek(l, 3) != '*' && peek(l, 3) != '/';
  if (!close) {
    tl_schema_report(l->reading, (struct tl_span){from, 2},
                     "this comment has no end: '*/' is missing");
    l->reading->stopped = true; /* whatever is missing behind it may stand in it */
    return;
  }
  if (is_note) check_place(l, from);
  l->offset = (uint32_t)(close - text) + 2;
  if (!is_note || !notes_begin(l, n, from)) return;
  n->at.size = l->offset - n->at.offset;
  block_notes(l, n, from, l->offset - 2);
}

static void skip(struct tl_lexer *l, struct notes *n) {
  while (!is_end(l)) {
    if (is_space(peek(l, 0)))
      l->offset++;
    else if (is_at(l, "//"))
      line_comment(l, n);
    else if (is_at(l, "/*"))
      block_comment(l, n);
    else
      return;
  }
}

/* ---- tokens ---- */

static void word(struct tl_lexer *l, struct tl_token *t) {
  uint32_t from = l->offset;
  while (is_letter(peek(l, 0)) || is_digit(peek(l, 0))) l->offset++;
  t->kind = TL_TOKEN_WORD;
  t->at = span_to(l, from);
}

static int digit_of(char c, int base) {
  int digit = is_digit(c) ? c - '0' : is_letter(c) && c != '_' ? (c | 0x20) - 'a' + 10 : 99;
  return digit < base ? digit : -1;
}

/* As much as fits: what is too large for 64 bits is too large for every use. */
static void number(struct tl_lexer *l, struct tl_token *t) {
  uint32_t from = l->offset;
  bool is_negative = peek(l, 0) == '-';
  if (is_negative) l->offset++;
  int base = is_at(l, "0x") ? 16 : 10;
  bool is_right =
      base == 16 ? digit_of(peek(l, 2), 16) >= 0 : peek(l, 0) != '0' || !is_digit(peek(l, 1));
  if (base == 16) l->offset += 2;
  for (; is_letter(peek(l, 0)) || is_digit(peek(l, 0)); l->offset++) {
    int digit = digit_of(peek(l, 0), base);
    if (digit < 0) is_right = false;
    if (!is_right || t->number > (INT64_MAX - digit) / base)
      t->number = INT64_MAX;
    else
      t->number = t->number * base + digit;
  }
  if (is_negative) t->number = -t->number;
  t->kind = TL_TOKEN_NUMBER;
  t->at = span_to(l, from);
  if (!is_right)
    tl_schema_report(l->reading, t->at,
                     "'%.*s' is not a number; numbers are decimal, or hexadecimal behind 0x",
                     TL_SPAN(l->reading, t->at));
}

static void unexpected(struct tl_lexer *l) {
  unsigned char c = (unsigned char)peek(l, 0);
  struct tl_span at = {l->offset++, 1};
  if (c == '*' || c == '&')
    tl_schema_report(l->reading, at,
                     "there are no pointers: write string for text, bytes for memory, list<T> for "
                     "several, optional for what may be NULL");
  else if (c == '?')
    tl_schema_report(l->reading, at, "'?' means nothing; write 'optional' before the type");
  else if (c == ':')
    tl_schema_report(l->reading, at, "'%c' means nothing; the type stands before the name, as in C",
                     c);
  else if (c > 0x20 && c < 0x7f)
    tl_schema_report(l->reading, at, "'%c' means nothing here", c);
  else
    tl_schema_report(l->reading, at, "the byte 0x%02x may stand in comments only", c);
}

static bool is_token(struct tl_lexer *l, struct tl_token *t) {
  char c = peek(l, 0);
  if (is_letter(c)) {
    word(l, t);
  } else if (is_digit(c) || (c == '-' && is_digit(peek(l, 1)))) {
    number(l, t);
  } else if (is_at(l, "->") || is_at(l, "...")) {
    t->kind = c == '-' ? TL_TOKEN_ARROW : TL_TOKEN_ELLIPSIS;
    t->at = (struct tl_span){l->offset, c == '-' ? 2 : 3};
    l->offset += t->at.size;
  } else if (c && strchr("{}()<>[],;=", c)) {
    t->kind = TL_TOKEN_SIGN;
    t->at = (struct tl_span){l->offset++, 1};
  } else {
    unexpected(l);
    return false;
  }
  return true;
}

struct tl_token tl_lexer_next(struct tl_lexer *l) {
  struct tl_token t = {.kind = TL_TOKEN_END};
  struct notes notes = {0};
  do skip(l, &notes);
  while (!is_end(l) && !is_token(l, &t));
  if (t.kind == TL_TOKEN_END) t.at = (struct tl_span){(uint32_t)l->reading->size, 0};
  t.documentation = notes_end(l, &notes);
  t.documentation_at = notes.at;
  return t;
}
