#include "core/schema/parser.h"

#include <string.h>

#include "core/schema/words.h"

/* ---- words ---- */

bool tl_parser_is_sign(const struct tl_parser *p, char sign) {
  return p->token.kind == TL_TOKEN_SIGN && p->reading->text[p->token.at.offset] == sign;
}

bool tl_parser_is_word(const struct tl_parser *p, const char *word) {
  return p->token.kind == TL_TOKEN_WORD && p->token.at.size == strlen(word) &&
         !memcmp(p->reading->text + p->token.at.offset, word, p->token.at.size);
}

bool tl_parser_is_end(const struct tl_parser *p) {
  return p->token.kind == TL_TOKEN_END;
}

void tl_parser_advance(struct tl_parser *p) {
  if (p->token.documentation)
    tl_schema_report(p->reading, p->token.documentation_at,
                     tl_parser_is_end(p)
                         ? "nothing follows that this documentation could belong to"
                         : "documentation stands before items, fields, alternatives and values, "
                           "not here");
  p->last = p->token.at;
  p->token = p->ahead;
  p->ahead = tl_lexer_next(&p->lexer);
}

const char *tl_parser_take_documentation(struct tl_parser *p) {
  const char *text = p->token.documentation;
  p->token.documentation = NULL;
  return text;
}

bool tl_parser_accept_sign(struct tl_parser *p, char sign) {
  bool found = tl_parser_is_sign(p, sign);
  if (found) tl_parser_advance(p);
  return found;
}

bool tl_parser_accept_word(struct tl_parser *p, const char *word) {
  bool found = tl_parser_is_word(p, word);
  if (found) tl_parser_advance(p);
  return found;
}

bool tl_parser_expected(struct tl_parser *p, const char *what) {
  if (tl_parser_is_end(p) && p->reading->stopped) return false;
  if (tl_parser_is_end(p))
    tl_schema_report(p->reading, p->last, "expected %s, found the end of the file", what);
  else
    tl_schema_report(p->reading, p->token.at, "expected %s, found '%.*s'", what,
                     TL_SPAN(p->reading, p->token.at));
  return false;
}

bool tl_parser_expect_sign(struct tl_parser *p, char sign, const char *what) {
  return tl_parser_accept_sign(p, sign) || tl_parser_expected(p, what);
}

static bool is_new_line(const struct tl_parser *p) {
  uint32_t from = p->last.offset;
  return tl_parser_is_end(p) || memchr(p->reading->text + from, '\n', p->token.at.offset - from);
}

bool tl_parser_end_statement(struct tl_parser *p) {
  if (tl_parser_accept_sign(p, ';')) return true;
  if (!is_new_line(p) && !tl_parser_is_sign(p, '}')) return tl_parser_expected(p, "';'");
  tl_schema_report(p->reading, (struct tl_span){p->last.offset + p->last.size - 1, 1},
                   "expected ';' behind '%.*s'", TL_SPAN(p->reading, p->last));
  return true;
}

void tl_parser_recover(struct tl_parser *p, char end) {
  for (unsigned level = 0; !tl_parser_is_end(p); tl_parser_advance(p)) {
    tl_parser_take_documentation(p);
    if (tl_parser_is_sign(p, '}') && !level) return;
    if (tl_parser_is_sign(p, '{')) level++;
    if (!level && tl_parser_is_sign(p, end)) break;
    if (tl_parser_is_sign(p, '}') && !--level) break;
  }
  if (!tl_parser_is_end(p)) tl_parser_advance(p);
}

void tl_parser_close_brace(struct tl_parser *p, struct tl_span open, struct tl_span name) {
  if (tl_parser_accept_sign(p, '}')) {
    tl_parser_accept_sign(p, ';');
    return;
  }
  if (p->reading->stopped) return;
  tl_schema_report(p->reading, p->last, "expected '}' to end '%.*s', which begins on line %u",
                   TL_SPAN(p->reading, name), tl_schema_line(p->reading, open.offset));
}

/* ---- names and numbers ---- */

static void check_name(struct tl_parser *p, struct tl_span at) {
  char lower[TL_SCHEMA_NAME_BYTES_MAX + 1];
  if (at.size > TL_SCHEMA_NAME_BYTES_MAX) {
    tl_schema_report(p->reading, at, "a name has at most %d bytes, this one has %u",
                     TL_SCHEMA_NAME_BYTES_MAX, at.size);
    return;
  }
  if (tl_schema_name_is_valid(p->reading->text + at.offset, at.size)) return;
  if (tl_schema_name_repair(p->reading->text + at.offset, at.size, lower, sizeof lower))
    tl_schema_report(p->reading, at, "'%.*s' cannot be a name; write '%s'", TL_SPAN(p->reading, at),
                     lower);
  else
    tl_schema_report(
        p->reading, at,
        "'%.*s' cannot be a name; names are of a-z, 0-9 and single '_', and begin with a "
        "letter",
        TL_SPAN(p->reading, at));
}

const char *tl_parser_read_name(struct tl_parser *p, const char *what, struct tl_span *out_at) {
  if (p->token.kind != TL_TOKEN_WORD) {
    tl_parser_expected(p, what);
    return NULL;
  }
  *out_at = p->token.at;
  check_name(p, *out_at);
  if (++p->reading->name_count > TL_SCHEMA_NAMES_MAX) {
    tl_schema_report(p->reading, *out_at, "a file has at most %d names", TL_SCHEMA_NAMES_MAX);
    p->reading->stopped = true;
    return NULL;
  }
  tl_parser_advance(p);
  return tl_schema_copy(p->reading, *out_at);
}

bool tl_parser_read_number(struct tl_parser *p, const char *what, int64_t least, int64_t most,
                           int64_t *out) {
  struct tl_token t = p->token;
  if (t.kind != TL_TOKEN_NUMBER) return tl_parser_expected(p, what);
  tl_parser_advance(p);
  *out = t.number;
  if (t.number >= least && t.number <= most) return true;
  tl_schema_report(p->reading, t.at, "%s is %lld to %lld", what, (long long)least, (long long)most);
  *out = least;
  return true;
}
