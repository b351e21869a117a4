/*
 * From words to a model in which names are not looked up yet: recursive descent, one function for each
 * line of the grammar.
 *
 * A function returns false after a mistake that it reported and could not pass over; whoever has
 * several of the same kind in a row (the items of an interface, the fields of a struct) skips to the
 * next one and goes on, so that one reading finds the mistakes of a whole file. Only types nest,
 * and only so far.
 */
#include <string.h>

#include "core/schema/token.h"
#include "core/schema/words.h"
#include "core/text.h"

struct parser {
  struct tl_schema_reading *reading;
  struct tl_lexer lexer;
  struct tl_token token; /* the next one */
  struct tl_token ahead; /* the one behind it */
  struct tl_span last;   /* the one before it */
  struct tl_schema *schema;
  const struct tl_schema_declaration **declarations_end;
  const struct tl_schema_member **errors_end, **streams_end, **signals_end;
  const struct tl_schema_procedure **procedures_end;
  int64_t next_error, next_signal;
};

/* ---- words ---- */

static bool is_sign(const struct parser *p, char sign) {
  return p->token.kind == TL_TOKEN_SIGN && p->reading->text[p->token.at.offset] == sign;
}

static bool is_span(const struct parser *p, struct tl_span at, const char *word) {
  return at.size == strlen(word) && !memcmp(p->reading->text + at.offset, word, at.size);
}

static bool is_word(const struct parser *p, const char *word) {
  return p->token.kind == TL_TOKEN_WORD && is_span(p, p->token.at, word);
}

static bool is_end(const struct parser *p) {
  return p->token.kind == TL_TOKEN_END;
}

/* Documentation that nobody has taken belongs to nothing that can have any. */
static void advance(struct parser *p) {
  if (p->token.documentation)
    tl_schema_report(p->reading, p->token.documentation_at,
                     is_end(p)
                         ? "nothing follows that this documentation could belong to"
                         : "documentation stands before items, fields, alternatives and values, "
                           "not here");
  p->last = p->token.at;
  p->token = p->ahead;
  p->ahead = tl_lexer_next(&p->lexer);
}

static const char *take_documentation(struct parser *p) {
  const char *text = p->token.documentation;
  p->token.documentation = NULL;
  return text;
}

static bool accept_sign(struct parser *p, char sign) {
  bool found = is_sign(p, sign);
  if (found) advance(p);
  return found;
}

static bool accept_word(struct parser *p, const char *word) {
  bool found = is_word(p, word);
  if (found) advance(p);
  return found;
}

/* Always false, so that it can be returned. At the end of the file the last word is shown. */
static bool expected(struct parser *p, const char *what) {
  if (is_end(p) && p->reading->stopped) return false;
  if (is_end(p))
    tl_schema_report(p->reading, p->last, "expected %s, found the end of the file", what);
  else
    tl_schema_report(p->reading, p->token.at, "expected %s, found '%.*s'", what,
                     TL_SPAN(p->reading, p->token.at));
  return false;
}

static bool expect_sign(struct parser *p, char sign, const char *what) {
  return accept_sign(p, sign) || expected(p, what);
}

static bool is_new_line(const struct parser *p) {
  uint32_t from = p->last.offset;
  return is_end(p) || memchr(p->reading->text + from, '\n', p->token.at.offset - from);
}

/* One that is missing at the end of a line is reported there, and what follows is read as if it stood. */
static bool end_statement(struct parser *p) {
  if (accept_sign(p, ';')) return true;
  if (!is_new_line(p) && !is_sign(p, '}')) return expected(p, "';'");
  tl_schema_report(p->reading, (struct tl_span){p->last.offset + p->last.size - 1, 1},
                   "expected ';' behind '%.*s'", TL_SPAN(p->reading, p->last));
  return true;
}

/* Behind the next `end` at this level of braces, or before the brace that ends the level. */
static void recover(struct parser *p, char end) {
  for (unsigned level = 0; !is_end(p); advance(p)) {
    take_documentation(p);
    if (is_sign(p, '}') && !level) return;
    if (is_sign(p, '{')) level++;
    if (!level && is_sign(p, end)) break;
    if (is_sign(p, '}') && !--level) break;
  }
  if (!is_end(p)) advance(p);
}

/* `text` of a brace that is missing names the one that it belongs to. */
static void close_brace(struct parser *p, struct tl_span open, struct tl_span name) {
  if (accept_sign(p, '}')) {
    accept_sign(p, ';');
    return;
  }
  if (p->reading->stopped) return;
  tl_schema_report(p->reading, p->last, "expected '}' to end '%.*s', which begins on line %u",
                   TL_SPAN(p->reading, name), tl_schema_line(p->reading, open.offset));
}

/* ---- names and numbers ---- */

static void check_name(struct parser *p, struct tl_span at) {
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

/* A name that is declared here. NULL: it is missing, which has been reported, or there is no memory. */
static const char *read_name(struct parser *p, const char *what, struct tl_span *out_at) {
  if (p->token.kind != TL_TOKEN_WORD) {
    expected(p, what);
    return NULL;
  }
  *out_at = p->token.at;
  check_name(p, *out_at);
  if (++p->reading->name_count > TL_SCHEMA_NAMES_MAX) {
    tl_schema_report(p->reading, *out_at, "a file has at most %d names", TL_SCHEMA_NAMES_MAX);
    p->reading->stopped = true;
    return NULL;
  }
  advance(p);
  return tl_schema_copy(p->reading, *out_at);
}

static bool read_number(struct parser *p, const char *what, int64_t least, int64_t most,
                        int64_t *out) {
  struct tl_token t = p->token;
  if (t.kind != TL_TOKEN_NUMBER) return expected(p, what);
  advance(p);
  *out = t.number;
  if (t.number >= least && t.number <= most) return true;
  tl_schema_report(p->reading, t.at, "%s is %lld to %lld", what, (long long)least, (long long)most);
  *out = least;
  return true;
}

/* ---- types ---- */

static struct tl_schema_type_node *new_type(struct parser *p, enum tl_schema_kind kind,
                                            struct tl_span at) {
  struct tl_schema_type_node *t = tl_schema_allocate(p->reading, sizeof *t);
  if (t) *t = (struct tl_schema_type_node){.type.kind = kind, .at = at};
  return t;
}

static bool read_bound(struct parser *p, uint32_t *out) {
  int64_t bound;
  if (!read_number(p, "a bound", 1, INT32_MAX, &bound)) return false;
  *out = (uint32_t)bound;
  return true;
}

/* The "[2][3]" behind a name: 2 of 3, so the last one is the innermost. */
static bool read_arrays(struct parser *p, const struct tl_schema_type **type, unsigned level) {
  if (!is_sign(p, '[')) return true;
  int64_t count;
  advance(p);
  if (level >= TL_SCHEMA_NESTING_MAX) {
    tl_schema_report(p->reading, p->last, "types nest at most %d deep", TL_SCHEMA_NESTING_MAX);
    return false;
  }
  if (is_sign(p, ']')) {
    tl_schema_report(p->reading, p->token.at,
                     "an array has a size; a list<T> is as long as it happens to be");
    return false;
  }
  if (!read_number(p, "the size of an array", 1, TL_SCHEMA_PLACES_MAX, &count)) return false;
  if (!expect_sign(p, ']', "']'") || !read_arrays(p, type, level + 1)) return false;
  struct tl_schema_type_node *t =
      new_type(p, TL_SCHEMA_ARRAY, ((const struct tl_schema_type_node *)*type)->at);
  if (!t) return false;
  t->type.bound = (uint32_t)count;
  t->type.element = *type;
  *type = &t->type;
  return true;
}

static const struct tl_schema_type *read_type(struct parser *p, unsigned level);

/* What stands between the "<>" of a string or bytes (nothing but a bound), a list or a map. */
static bool read_type_arguments(struct parser *p, struct tl_schema_type *t, unsigned level) {
  if (t->kind == TL_SCHEMA_MAP) {
    t->key = read_type(p, level + 1);
    if (!t->key || !expect_sign(p, ',', "',' and the type of the map's values")) return false;
  }
  if (t->kind == TL_SCHEMA_MAP || t->kind == TL_SCHEMA_LIST) {
    t->element = read_type(p, level + 1);
    if (!t->element || !read_arrays(p, &t->element, level + 1)) return false;
    if (!accept_sign(p, ',')) return true;
  }
  return read_bound(p, &t->bound);
}

static const struct tl_schema_type *read_known_type(struct parser *p, enum tl_schema_kind kind,
                                                    unsigned level) {
  bool has_types = kind == TL_SCHEMA_MAP || kind == TL_SCHEMA_LIST;
  struct tl_schema_type_node *t = new_type(p, kind, p->token.at);
  advance(p);
  if (!t) return NULL;
  if (!has_types && !(kind == TL_SCHEMA_STRING || kind == TL_SCHEMA_BYTES)) return &t->type;
  if (!is_sign(p, '<') && !has_types) return &t->type;
  if (!expect_sign(p, '<', kind == TL_SCHEMA_MAP ? "'<' and two types" : "'<' and a type"))
    return NULL;
  if (!read_type_arguments(p, &t->type, level)) return NULL;
  return expect_sign(p, '>', "'>'") ? &t->type : NULL;
}

static const struct tl_schema_type *read_type(struct parser *p, unsigned level) {
  if (level >= TL_SCHEMA_NESTING_MAX) {
    tl_schema_report(p->reading, p->token.at, "types nest at most %d deep", TL_SCHEMA_NESTING_MAX);
    return NULL;
  }
  if (p->token.kind != TL_TOKEN_WORD) {
    expected(p, "a type");
    return NULL;
  }
  int kind = tl_schema_kind_of(p->reading->text + p->token.at.offset, p->token.at.size);
  if (kind >= 0) return read_known_type(p, (enum tl_schema_kind)kind, level);
  if (is_word(p, "optional") || is_word(p, "void") || is_word(p, "in") || is_word(p, "out") ||
      is_word(p, "inout")) {
    tl_schema_report(p->reading, p->token.at, "'%.*s' cannot stand here: a type is expected",
                     TL_SPAN(p->reading, p->token.at));
    return NULL;
  }
  /* Declared somewhere: check.c finds out as what. */
  struct tl_schema_type_node *t = new_type(p, TL_SCHEMA_STRUCT, p->token.at);
  advance(p);
  return t ? &t->type : NULL;
}

/* ---- members ---- */

/* `end` is where the next one is linked to; NULL is returned without memory. */
static struct tl_schema_member_node *new_member(struct parser *p, struct tl_schema_members *list,
                                                const struct tl_schema_member ***end,
                                                const char *name, struct tl_span at) {
  struct tl_schema_member_node *m = tl_schema_allocate(p->reading, sizeof *m);
  if (!m) return NULL;
  if (list->count == TL_SCHEMA_MEMBERS_MAX)
    tl_schema_report(p->reading, at, "there are at most %d in one place", TL_SCHEMA_MEMBERS_MAX);
  m->member.name = name;
  m->member.number = (int32_t)list->count++;
  m->at = at;
  **end = &m->member;
  *end = &m->member.next;
  return m;
}

/* "= NUMBER", or one more than the number before. */
static bool read_assignment(struct parser *p, int64_t least, int64_t *next, int32_t *out) {
  struct tl_span at = p->last;
  if (accept_sign(p, '=')) {
    if (!read_number(p, "a number", least, INT32_MAX, next)) return false;
  } else if (*next > INT32_MAX) {
    tl_schema_report(p->reading, at, "there is no number behind %d", INT32_MAX);
    *next = least;
  }
  *out = (int32_t)*next;
  ++*next;
  return true;
}

static bool read_declarators(struct parser *p, struct tl_schema_members *list,
                             const struct tl_schema_member ***end,
                             const struct tl_schema_type *type, bool is_optional,
                             const char *documentation, const char *what) {
  do {
    struct tl_span at;
    const struct tl_schema_type *own = type;
    const char *name = read_name(p, what, &at);
    struct tl_schema_member_node *m = name ? new_member(p, list, end, name, at) : NULL;
    if (!m || (type && !read_arrays(p, &own, 0))) return false;
    m->member.type = own;
    m->member.is_optional = is_optional;
    m->member.documentation = documentation;
    documentation = NULL;
  } while (accept_sign(p, ','));
  return true;
}

static bool read_field(struct parser *p, struct tl_schema_declaration *d,
                       const struct tl_schema_member ***end) {
  const char *documentation = take_documentation(p);
  bool is_optional = accept_word(p, "optional");
  const struct tl_schema_type *type = read_type(p, 0);
  return type &&
         read_declarators(p, &d->members, end, type, is_optional, documentation,
                          "the name of a field") &&
         end_statement(p);
}

static bool read_alternative(struct parser *p, struct tl_schema_declaration *d,
                             const struct tl_schema_member ***end) {
  const char *documentation = take_documentation(p);
  const struct tl_schema_type *type = NULL;
  if (is_word(p, "optional")) {
    tl_schema_report(p->reading, p->token.at,
                     "an alternative cannot be optional; add 'void none;'");
    return false;
  }
  if (!accept_word(p, "void") && !(type = read_type(p, 0))) return false;
  return read_declarators(p, &d->members, end, type, false, documentation,
                          "the name of an alternative") &&
         end_statement(p);
}

static bool read_value(struct parser *p, struct tl_schema_declaration *d,
                       const struct tl_schema_member ***end, int64_t *next) {
  const char *documentation = take_documentation(p);
  struct tl_span at;
  const char *name = read_name(p, "the name of a value", &at);
  struct tl_schema_member_node *m = name ? new_member(p, &d->members, end, name, at) : NULL;
  if (!m) return false;
  m->member.documentation = documentation;
  return read_assignment(p, INT32_MIN, next, &m->member.number);
}

/* ---- declared types ---- */

static struct tl_schema_declaration *new_declaration(struct parser *p, enum tl_schema_kind kind,
                                                     const char *documentation, const char *what) {
  struct tl_span at;
  const char *name = read_name(p, what, &at);
  struct tl_schema_declaration_node *d = name ? tl_schema_allocate(p->reading, sizeof *d) : NULL;
  if (!d) return NULL;
  if (p->schema->declaration_count++ == TL_SCHEMA_MEMBERS_MAX)
    tl_schema_report(p->reading, at, "there are at most %d types", TL_SCHEMA_MEMBERS_MAX);
  d->declaration.kind = kind;
  d->declaration.name = name;
  d->declaration.documentation = documentation;
  d->at = at;
  if (tl_schema_word_is_reserved(name))
    tl_schema_report(p->reading, at, "'%s' is a word of the language and cannot name a type", name);
  *p->declarations_end = &d->declaration;
  p->declarations_end = &d->declaration.next;
  return &d->declaration;
}

static struct tl_span span_of(const struct tl_schema_declaration *d) {
  return ((const struct tl_schema_declaration_node *)d)->at;
}

static bool open_brace(struct parser *p) {
  return expect_sign(p, '{', "'{'");
}

static void check_not_empty(struct parser *p, const struct tl_schema_declaration *d,
                            const char *what) {
  if (!d->members.count && !d->procedures.count)
    tl_schema_report(p->reading, span_of(d), "'%s' has no %s; it needs one at least", d->name,
                     what);
}

static bool read_struct(struct parser *p, const char *documentation) {
  struct tl_schema_declaration *d =
      new_declaration(p, TL_SCHEMA_STRUCT, documentation, "the name of a struct");
  if (!d || !open_brace(p)) return false;
  const struct tl_schema_member **end = &d->members.first;
  struct tl_span open = p->last;
  size_t before = p->reading->problem_count;
  while (!is_end(p) && !is_sign(p, '}'))
    if (!read_field(p, d, &end)) recover(p, ';');
  if (before == p->reading->problem_count) check_not_empty(p, d, "field");
  close_brace(p, open, span_of(d));
  return true;
}

static bool read_union(struct parser *p, const char *documentation) {
  struct tl_schema_declaration *d =
      new_declaration(p, TL_SCHEMA_UNION, documentation, "the name of a union");
  if (!d || !open_brace(p)) return false;
  const struct tl_schema_member **end = &d->members.first;
  struct tl_span open = p->last;
  size_t before = p->reading->problem_count;
  while (!is_end(p) && !is_sign(p, '}') && p->token.kind != TL_TOKEN_ELLIPSIS)
    if (!read_alternative(p, d, &end)) recover(p, ';');
  if (p->token.kind == TL_TOKEN_ELLIPSIS) {
    d->is_open = true;
    advance(p);
    accept_sign(p, ';');
    if (!is_sign(p, '}')) expected(p, "'}' behind '...'");
    while (!is_end(p) && !is_sign(p, '}')) recover(p, ';');
  }
  if (before == p->reading->problem_count) check_not_empty(p, d, "alternative");
  close_brace(p, open, span_of(d));
  return true;
}

/* One value and what separates it from the next. */
static bool read_value_and_comma(struct parser *p, struct tl_schema_declaration *d,
                                 const struct tl_schema_member ***end, int64_t *next) {
  if (d->is_open) return expected(p, "'}' behind '...'");
  if (p->token.kind == TL_TOKEN_ELLIPSIS) {
    d->is_open = true;
    advance(p);
  } else if (!read_value(p, d, end, next)) {
    return false;
  }
  return accept_sign(p, ',') || is_sign(p, '}') || expected(p, "',' or '}'");
}

static bool read_enum(struct parser *p, const char *documentation) {
  struct tl_schema_declaration *d =
      new_declaration(p, TL_SCHEMA_ENUM, documentation, "the name of an enum");
  if (!d || !open_brace(p)) return false;
  const struct tl_schema_member **end = &d->members.first;
  struct tl_span open = p->last;
  int64_t next = 0;
  size_t before = p->reading->problem_count;
  while (!is_end(p) && !is_sign(p, '}'))
    if (!read_value_and_comma(p, d, &end, &next)) recover(p, ',');
  if (before == p->reading->problem_count) check_not_empty(p, d, "value");
  close_brace(p, open, span_of(d));
  return true;
}

/* ---- procedures ---- */

static bool read_parameter(struct parser *p, struct tl_schema_procedure *c,
                           const struct tl_schema_member ***end, bool is_result) {
  enum tl_schema_direction direction = is_result ? TL_SCHEMA_OUT : TL_SCHEMA_IN;
  struct tl_span at;
  bool has_direction = is_word(p, "in") || is_word(p, "out") || is_word(p, "inout");
  if (has_direction && is_result)
    tl_schema_report(p->reading, p->token.at, "what stands behind '->' is 'out' already");
  if (accept_word(p, "out"))
    direction = TL_SCHEMA_OUT;
  else if (accept_word(p, "inout"))
    direction = TL_SCHEMA_INOUT;
  else
    accept_word(p, "in");
  bool is_optional = accept_word(p, "optional");
  const struct tl_schema_type *type = read_type(p, 0);
  const char *name = type ? read_name(p, "the name of a parameter", &at) : NULL;
  struct tl_schema_member_node *m = name ? new_member(p, &c->parameters, end, name, at) : NULL;
  if (!m || !read_arrays(p, &type, 0)) return false;
  if (c->parameters.count == TL_SCHEMA_PARAMETERS_MAX + 1)
    tl_schema_report(p->reading, at,
                     "a procedure has at most %d parameters and results; pass a struct",
                     TL_SCHEMA_PARAMETERS_MAX);
  m->member.type = type;
  m->member.direction = direction;
  m->member.is_optional = is_optional;
  c->request_count += (direction & TL_SCHEMA_IN) != 0;
  c->reply_count += (direction & TL_SCHEMA_OUT) != 0;
  return true;
}

static bool read_parameters(struct parser *p, struct tl_schema_procedure *c,
                            const struct tl_schema_member ***end, bool is_result) {
  do {
    if (!read_parameter(p, c, end, is_result)) return false;
  } while (accept_sign(p, ','));
  return expect_sign(p, ')', "',' or ')'");
}

static bool read_failures(struct parser *p, struct tl_schema_procedure *c) {
  const struct tl_schema_failure **end = &c->failures;
  do {
    struct tl_schema_failure_node *f = NULL;
    if (p->token.kind != TL_TOKEN_WORD) return expected(p, "the name of an error");
    f = tl_schema_allocate(p->reading, sizeof *f);
    if (!f) return false;
    if (c->failure_count++ == TL_SCHEMA_MEMBERS_MAX)
      tl_schema_report(p->reading, p->token.at, "there are at most %d in one place",
                       TL_SCHEMA_MEMBERS_MAX);
    f->at = p->token.at;
    *end = &f->failure;
    end = &f->failure.next;
    advance(p);
  } while (accept_sign(p, ','));
  return true;
}

/* What a one-way procedure has no way to give back. */
static void check_one_way(struct parser *p, const struct tl_schema_procedure *c,
                          struct tl_span at) {
  if (!c->is_oneway) return;
  if (c->reply_count)
    tl_schema_report(p->reading, at, "'%s' is one-way: nothing comes back, so it has no results",
                     c->name);
  else if (c->failures)
    tl_schema_report(p->reading, at, "'%s' is one-way: nothing comes back, so it fails unheard",
                     c->name);
}

/* From behind the name on; `end` as in new_member(). */
static bool read_call(struct parser *p, struct tl_schema_procedures *list,
                      const struct tl_schema_procedure ***end, struct tl_schema_procedure call,
                      struct tl_span at) {
  struct tl_schema_procedure_node *c = tl_schema_allocate(p->reading, sizeof *c);
  if (!c) return false;
  if (list->count++ == TL_SCHEMA_MEMBERS_MAX)
    tl_schema_report(p->reading, at, "there are at most %d in one place", TL_SCHEMA_MEMBERS_MAX);
  *c = (struct tl_schema_procedure_node){.procedure = call, .at = at};
  **end = &c->procedure;
  *end = &c->procedure.next;
  const struct tl_schema_member **parameters_end = &c->procedure.parameters.first;
  if (!expect_sign(p, '(', "'('")) return false;
  if (!accept_sign(p, ')') && !read_parameters(p, &c->procedure, &parameters_end, false))
    return false;
  if (p->token.kind == TL_TOKEN_ARROW) {
    advance(p);
    if (!expect_sign(p, '(', "'(' and the results") ||
        !read_parameters(p, &c->procedure, &parameters_end, true))
      return false;
  }
  if (accept_word(p, "fails") && !read_failures(p, &c->procedure)) return false;
  check_one_way(p, &c->procedure, at);
  return end_statement(p);
}

static bool read_procedure(struct parser *p, struct tl_schema_procedures *list,
                           const struct tl_schema_procedure ***end) {
  struct tl_schema_procedure call = {.documentation = take_documentation(p)};
  struct tl_span at;
  if (p->ahead.kind == TL_TOKEN_WORD) call.is_oneway = accept_word(p, "oneway");
  call.name = read_name(p, "the name of a procedure", &at);
  return call.name && read_call(p, list, end, call, at);
}

static bool read_object(struct parser *p, const char *documentation) {
  struct tl_schema_declaration *d =
      new_declaration(p, TL_SCHEMA_OBJECT, documentation, "the name of an interface");
  if (d && p->token.kind == TL_TOKEN_NUMBER) {
    tl_schema_report(p->reading, p->token.at,
                     "an interface inside another one has the version of that one, not its own");
    advance(p);
  }
  if (!d || !open_brace(p)) return false;
  const struct tl_schema_procedure **end = &d->procedures.first;
  struct tl_span open = p->last;
  size_t before = p->reading->problem_count;
  while (!is_end(p) && !is_sign(p, '}'))
    if (!read_procedure(p, &d->procedures, &end)) recover(p, ';');
  if (before == p->reading->problem_count) check_not_empty(p, d, "procedure");
  close_brace(p, open, span_of(d));
  return true;
}

/* A callback is the interface of one procedure, which has the same name. */
static bool read_callback(struct parser *p, const char *documentation) {
  struct tl_schema_declaration *d =
      new_declaration(p, TL_SCHEMA_CALLBACK, documentation, "the name of a callback");
  if (!d) return false;
  const struct tl_schema_procedure **end = &d->procedures.first;
  return read_call(p, &d->procedures, &end, (struct tl_schema_procedure){.name = d->name},
                   span_of(d));
}

/* ---- items ---- */

static bool read_errors(struct parser *p, const char *documentation) {
  do {
    struct tl_span at;
    const char *name = read_name(p, "the name of an error", &at);
    struct tl_schema_member_node *m =
        name ? new_member(p, &p->schema->errors, &p->errors_end, name, at) : NULL;
    if (!m || !read_assignment(p, 1, &p->next_error, &m->member.number)) return false;
    m->member.documentation = documentation;
    documentation = NULL;
  } while (accept_sign(p, ','));
  return end_statement(p);
}

static bool read_stream(struct parser *p, const char *documentation) {
  bool is_in = accept_word(p, "in");
  struct tl_span at;
  const struct tl_schema_type *type = read_type(p, 0);
  const char *name = type ? read_name(p, "the name of a stream", &at) : NULL;
  struct tl_schema_member_node *m =
      name ? new_member(p, &p->schema->streams, &p->streams_end, name, at) : NULL;
  if (!m || !read_arrays(p, &type, 0)) return false;
  m->member.type = type;
  m->member.direction = is_in ? TL_SCHEMA_IN : TL_SCHEMA_OUT;
  m->member.documentation = documentation;
  return end_statement(p);
}

static bool read_signal(struct parser *p, const char *documentation) {
  struct tl_span at;
  bool is_void = accept_word(p, "void");
  const struct tl_schema_type *type = is_void ? NULL : read_type(p, 0);
  const char *name = is_void || type ? read_name(p, "the name of a signal", &at) : NULL;
  struct tl_schema_member_node *m =
      name ? new_member(p, &p->schema->signals, &p->signals_end, name, at) : NULL;
  if (!m) return false;
  m->member.type = type;
  m->member.documentation = documentation;
  return read_assignment(p, 0, &p->next_signal, &m->member.number) && end_statement(p);
}

static const struct {
  const char *word;
  bool (*read)(struct parser *p, const char *documentation);
} items[] = {
    {"error", read_errors},  {"enum", read_enum},        {"struct", read_struct},
    {"union", read_union},   {"interface", read_object}, {"callback", read_callback},
    {"stream", read_stream}, {"signal", read_signal},
};

static const char item_words[] =
    "an error, enum, struct, union, interface, callback, stream, signal "
    "or procedure";

static bool is_call_ahead(const struct parser *p) {
  return p->ahead.kind == TL_TOKEN_SIGN && p->reading->text[p->ahead.at.offset] == '(';
}

static const char *nearest_item(const struct parser *p, struct tl_span at) {
  const char *near = NULL;
  unsigned best = 3;
  char word[16] = "";
  if (at.size < sizeof word) memcpy(word, p->reading->text + at.offset, at.size);
  for (size_t i = 0; i < sizeof items / sizeof *items; i++) {
    unsigned distance = tl_text_distance(word, items[i].word);
    if (distance >= best) continue;
    best = distance;
    near = items[i].word;
  }
  return near;
}

/* The word behind a mistaken one may have been declared by it: that it is unknown is not reported again
 * wherever it is used. */
static bool unknown_item(struct parser *p) {
  struct tl_span at = p->token.at;
  advance(p);
  if (p->reading->ghost_count < TL_SCHEMA_PROBLEMS_MAX)
    p->reading->ghosts[p->reading->ghost_count++] = p->token.at;
  if (!tl_schema_is_wanted(p->reading, at)) {
    p->reading->problem_count++;
  } else if (p->token.kind == TL_TOKEN_WORD && is_call_ahead(p)) {
    tl_schema_report(p->reading, at,
                     "a procedure has no type before its name; results stand behind: '%.*s(...) -> "
                     "(TYPE NAME)'",
                     TL_SPAN(p->reading, p->token.at));
  } else {
    const char *near = nearest_item(p, at);
    tl_schema_report(p->reading, at, "expected %s, found '%.*s'%s%s%s", item_words,
                     TL_SPAN(p->reading, at), near ? "; did you mean '" : "", near ? near : "",
                     near ? "'?" : "");
  }
  return false;
}

static bool read_item(struct parser *p) {
  if (p->token.kind != TL_TOKEN_WORD) return expected(p, item_words);
  if (is_call_ahead(p) || is_word(p, "oneway"))
    return read_procedure(p, &p->schema->self.procedures, &p->procedures_end);
  for (size_t i = 0; i < sizeof items / sizeof *items; i++) {
    if (!is_word(p, items[i].word)) continue;
    const char *documentation = take_documentation(p);
    advance(p);
    return items[i].read(p, documentation);
  }
  return unknown_item(p);
}

static bool read_version(struct parser *p) {
  int64_t version = 1;
  if (p->token.kind != TL_TOKEN_NUMBER)
    return expected(p, "the version of the interface, a number");
  if (!read_number(p, "a version", 1, INT32_MAX, &version)) return false;
  p->schema->version = (uint32_t)version;
  return true;
}

/* The line before the items. */
static bool read_head(struct parser *p) {
  struct tl_schema_declaration *self = &p->schema->self;
  self->kind = TL_SCHEMA_OBJECT;
  self->documentation = take_documentation(p);
  if (!accept_word(p, "interface")) return expected(p, "'interface NAME VERSION {'");
  self->name = read_name(p, "the name of the interface", &p->reading->node->at);
  return self->name && read_version(p) && open_brace(p);
}

void tl_schema_parse(struct tl_schema_reading *r) {
  struct tl_schema *s = &r->node->schema;
  struct parser p = {.reading = r, .lexer.reading = r, .schema = s, .next_error = 1};
  p.declarations_end = &s->first;
  p.errors_end = &s->errors.first;
  p.streams_end = &s->streams.first;
  p.signals_end = &s->signals.first;
  p.procedures_end = &s->self.procedures.first;
  p.token = tl_lexer_next(&p.lexer);
  p.ahead = tl_lexer_next(&p.lexer);
  if (!read_head(&p)) return;
  struct tl_span open = p.last;
  while (!is_end(&p) && !is_sign(&p, '}'))
    if (!read_item(&p)) recover(&p, ';');
  close_brace(&p, open, r->node->at);
  if (!is_end(&p))
    tl_schema_report(r, p.token.at, "nothing may stand behind the interface: a file has one");
  else
    advance(&p);
}
