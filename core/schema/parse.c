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

#include "core/schema/parser.h"
#include "core/schema/words.h"
#include "core/text.h"

/* ---- types ---- */

static struct tl_schema_type_node *new_type(struct tl_parser *p, enum tl_schema_kind kind,
                                            struct tl_span at) {
  struct tl_schema_type_node *t = tl_schema_allocate(p->reading, sizeof *t);
  if (t) *t = (struct tl_schema_type_node){.type.kind = kind, .at = at};
  return t;
}

static bool read_bound(struct tl_parser *p, uint32_t *out) {
  int64_t bound;
  if (!tl_parser_read_number(p, "a bound", 1, INT32_MAX, &bound)) return false;
  *out = (uint32_t)bound;
  return true;
}

/* The "[2][3]" behind a name: 2 of 3, so the last one is the innermost. */
static bool read_arrays(struct tl_parser *p, const struct tl_schema_type **type, unsigned level) {
  if (!tl_parser_is_sign(p, '[')) return true;
  int64_t count;
  tl_parser_advance(p);
  if (level >= TL_SCHEMA_NESTING_MAX) {
    tl_schema_report(p->reading, p->last, "types nest at most %d deep", TL_SCHEMA_NESTING_MAX);
    return false;
  }
  if (tl_parser_is_sign(p, ']')) {
    tl_schema_report(p->reading, p->token.at,
                     "an array has a size; a list<T> is as long as it happens to be");
    return false;
  }
  if (!tl_parser_read_number(p, "the size of an array", 1, TL_SCHEMA_PLACES_MAX, &count))
    return false;
  if (!tl_parser_expect_sign(p, ']', "']'") || !read_arrays(p, type, level + 1)) return false;
  struct tl_schema_type_node *t =
      new_type(p, TL_SCHEMA_ARRAY, ((const struct tl_schema_type_node *)*type)->at);
  if (!t) return false;
  t->type.bound = (uint32_t)count;
  t->type.element = *type;
  *type = &t->type;
  return true;
}

static const struct tl_schema_type *read_type(struct tl_parser *p, unsigned level);

/* What stands between the "<>" of a string or bytes (nothing but a bound), a list or a map. */
static bool read_type_arguments(struct tl_parser *p, struct tl_schema_type *t, unsigned level) {
  if (t->kind == TL_SCHEMA_MAP) {
    t->key = read_type(p, level + 1);
    if (!t->key || !tl_parser_expect_sign(p, ',', "',' and the type of the map's values"))
      return false;
  }
  if (t->kind == TL_SCHEMA_MAP || t->kind == TL_SCHEMA_LIST) {
    t->element = read_type(p, level + 1);
    if (!t->element || !read_arrays(p, &t->element, level + 1)) return false;
    if (!tl_parser_accept_sign(p, ',')) return true;
  }
  return read_bound(p, &t->bound);
}

static const struct tl_schema_type *read_known_type(struct tl_parser *p, enum tl_schema_kind kind,
                                                    unsigned level) {
  bool has_types = kind == TL_SCHEMA_MAP || kind == TL_SCHEMA_LIST;
  struct tl_schema_type_node *t = new_type(p, kind, p->token.at);
  tl_parser_advance(p);
  if (!t) return NULL;
  if (!has_types && !(kind == TL_SCHEMA_STRING || kind == TL_SCHEMA_BYTES)) return &t->type;
  if (!tl_parser_is_sign(p, '<') && !has_types) return &t->type;
  if (!tl_parser_expect_sign(p, '<',
                             kind == TL_SCHEMA_MAP ? "'<' and two types" : "'<' and a type"))
    return NULL;
  if (!read_type_arguments(p, &t->type, level)) return NULL;
  return tl_parser_expect_sign(p, '>', "'>'") ? &t->type : NULL;
}

static const struct tl_schema_type *read_type(struct tl_parser *p, unsigned level) {
  if (level >= TL_SCHEMA_NESTING_MAX) {
    tl_schema_report(p->reading, p->token.at, "types nest at most %d deep", TL_SCHEMA_NESTING_MAX);
    return NULL;
  }
  if (p->token.kind != TL_TOKEN_WORD) {
    tl_parser_expected(p, "a type");
    return NULL;
  }
  int kind = tl_schema_kind_of(p->reading->text + p->token.at.offset, p->token.at.size);
  if (kind >= 0) return read_known_type(p, (enum tl_schema_kind)kind, level);
  if (tl_parser_is_word(p, "optional") || tl_parser_is_word(p, "void") ||
      tl_parser_is_word(p, "in") || tl_parser_is_word(p, "out") || tl_parser_is_word(p, "inout")) {
    tl_schema_report(p->reading, p->token.at, "'%.*s' cannot stand here: a type is expected",
                     TL_SPAN(p->reading, p->token.at));
    return NULL;
  }
  /* Declared somewhere: check.c finds out as what. */
  struct tl_schema_type_node *t = new_type(p, TL_SCHEMA_STRUCT, p->token.at);
  tl_parser_advance(p);
  return t ? &t->type : NULL;
}

/* ---- members ---- */

/* `end` is where the next one is linked to; NULL is returned without memory. */
static struct tl_schema_member_node *new_member(struct tl_parser *p, struct tl_schema_members *list,
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
static bool read_assignment(struct tl_parser *p, int64_t least, int64_t *next, int32_t *out) {
  struct tl_span at = p->last;
  if (tl_parser_accept_sign(p, '=')) {
    if (!tl_parser_read_number(p, "a number", least, INT32_MAX, next)) return false;
  } else if (*next > INT32_MAX) {
    tl_schema_report(p->reading, at, "there is no number behind %d", INT32_MAX);
    *next = least;
  }
  *out = (int32_t)*next;
  ++*next;
  return true;
}

static bool read_declarators(struct tl_parser *p, struct tl_schema_members *list,
                             const struct tl_schema_member ***end,
                             const struct tl_schema_type *type, bool is_optional,
                             const char *documentation, const char *what) {
  do {
    struct tl_span at;
    const struct tl_schema_type *own = type;
    const char *name = tl_parser_read_name(p, what, &at);
    struct tl_schema_member_node *m = name ? new_member(p, list, end, name, at) : NULL;
    if (!m || (type && !read_arrays(p, &own, 0))) return false;
    m->member.type = own;
    m->member.is_optional = is_optional;
    m->member.documentation = documentation;
    documentation = NULL;
  } while (tl_parser_accept_sign(p, ','));
  return true;
}

static bool read_field(struct tl_parser *p, struct tl_schema_declaration *d,
                       const struct tl_schema_member ***end) {
  const char *documentation = tl_parser_take_documentation(p);
  bool is_optional = tl_parser_accept_word(p, "optional");
  const struct tl_schema_type *type = read_type(p, 0);
  return type &&
         read_declarators(p, &d->members, end, type, is_optional, documentation,
                          "the name of a field") &&
         tl_parser_end_statement(p);
}

static bool read_alternative(struct tl_parser *p, struct tl_schema_declaration *d,
                             const struct tl_schema_member ***end) {
  const char *documentation = tl_parser_take_documentation(p);
  const struct tl_schema_type *type = NULL;
  if (tl_parser_is_word(p, "optional")) {
    tl_schema_report(p->reading, p->token.at,
                     "an alternative cannot be optional; add 'void none;'");
    return false;
  }
  if (!tl_parser_accept_word(p, "void") && !(type = read_type(p, 0))) return false;
  return read_declarators(p, &d->members, end, type, false, documentation,
                          "the name of an alternative") &&
         tl_parser_end_statement(p);
}

static bool read_value(struct tl_parser *p, struct tl_schema_declaration *d,
                       const struct tl_schema_member ***end, int64_t *next) {
  const char *documentation = tl_parser_take_documentation(p);
  struct tl_span at;
  const char *name = tl_parser_read_name(p, "the name of a value", &at);
  struct tl_schema_member_node *m = name ? new_member(p, &d->members, end, name, at) : NULL;
  if (!m) return false;
  m->member.documentation = documentation;
  return read_assignment(p, INT32_MIN, next, &m->member.number);
}

/* ---- declared types ---- */

static struct tl_schema_declaration *new_declaration(struct tl_parser *p, enum tl_schema_kind kind,
                                                     const char *documentation, const char *what) {
  struct tl_span at;
  const char *name = tl_parser_read_name(p, what, &at);
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

static bool open_brace(struct tl_parser *p) {
  return tl_parser_expect_sign(p, '{', "'{'");
}

static void check_not_empty(struct tl_parser *p, const struct tl_schema_declaration *d,
                            const char *what) {
  if (!d->members.count && !d->procedures.count)
    tl_schema_report(p->reading, span_of(d), "'%s' has no %s; it needs one at least", d->name,
                     what);
}

static bool read_struct(struct tl_parser *p, const char *documentation) {
  struct tl_schema_declaration *d =
      new_declaration(p, TL_SCHEMA_STRUCT, documentation, "the name of a struct");
  if (!d || !open_brace(p)) return false;
  const struct tl_schema_member **end = &d->members.first;
  struct tl_span open = p->last;
  size_t before = p->reading->problem_count;
  while (!tl_parser_is_end(p) && !tl_parser_is_sign(p, '}'))
    if (!read_field(p, d, &end)) tl_parser_recover(p, ';');
  if (before == p->reading->problem_count) check_not_empty(p, d, "field");
  tl_parser_close_brace(p, open, span_of(d));
  return true;
}

static bool read_union(struct tl_parser *p, const char *documentation) {
  struct tl_schema_declaration *d =
      new_declaration(p, TL_SCHEMA_UNION, documentation, "the name of a union");
  if (!d || !open_brace(p)) return false;
  const struct tl_schema_member **end = &d->members.first;
  struct tl_span open = p->last;
  size_t before = p->reading->problem_count;
  while (!tl_parser_is_end(p) && !tl_parser_is_sign(p, '}') && p->token.kind != TL_TOKEN_ELLIPSIS)
    if (!read_alternative(p, d, &end)) tl_parser_recover(p, ';');
  if (p->token.kind == TL_TOKEN_ELLIPSIS) {
    d->is_open = true;
    tl_parser_advance(p);
    tl_parser_accept_sign(p, ';');
    if (!tl_parser_is_sign(p, '}')) tl_parser_expected(p, "'}' behind '...'");
    while (!tl_parser_is_end(p) && !tl_parser_is_sign(p, '}')) tl_parser_recover(p, ';');
  }
  if (before == p->reading->problem_count) check_not_empty(p, d, "alternative");
  tl_parser_close_brace(p, open, span_of(d));
  return true;
}

/* One value and what separates it from the next. */
static bool read_value_and_comma(struct tl_parser *p, struct tl_schema_declaration *d,
                                 const struct tl_schema_member ***end, int64_t *next) {
  if (d->is_open) return tl_parser_expected(p, "'}' behind '...'");
  if (p->token.kind == TL_TOKEN_ELLIPSIS) {
    d->is_open = true;
    tl_parser_advance(p);
  } else if (!read_value(p, d, end, next)) {
    return false;
  }
  return tl_parser_accept_sign(p, ',') || tl_parser_is_sign(p, '}') ||
         tl_parser_expected(p, "',' or '}'");
}

static bool read_enum(struct tl_parser *p, const char *documentation) {
  struct tl_schema_declaration *d =
      new_declaration(p, TL_SCHEMA_ENUM, documentation, "the name of an enum");
  if (!d || !open_brace(p)) return false;
  const struct tl_schema_member **end = &d->members.first;
  struct tl_span open = p->last;
  int64_t next = 0;
  size_t before = p->reading->problem_count;
  while (!tl_parser_is_end(p) && !tl_parser_is_sign(p, '}'))
    if (!read_value_and_comma(p, d, &end, &next)) tl_parser_recover(p, ',');
  if (before == p->reading->problem_count) check_not_empty(p, d, "value");
  tl_parser_close_brace(p, open, span_of(d));
  return true;
}

/* ---- procedures ---- */

static bool read_parameter(struct tl_parser *p, struct tl_schema_procedure *c,
                           const struct tl_schema_member ***end, bool is_result) {
  enum tl_schema_direction direction = is_result ? TL_SCHEMA_OUT : TL_SCHEMA_IN;
  struct tl_span at;
  bool has_direction =
      tl_parser_is_word(p, "in") || tl_parser_is_word(p, "out") || tl_parser_is_word(p, "inout");
  if (has_direction && is_result)
    tl_schema_report(p->reading, p->token.at, "what stands behind '->' is 'out' already");
  if (tl_parser_accept_word(p, "out"))
    direction = TL_SCHEMA_OUT;
  else if (tl_parser_accept_word(p, "inout"))
    direction = TL_SCHEMA_INOUT;
  else
    tl_parser_accept_word(p, "in");
  bool is_optional = tl_parser_accept_word(p, "optional");
  const struct tl_schema_type *type = read_type(p, 0);
  const char *name = type ? tl_parser_read_name(p, "the name of a parameter", &at) : NULL;
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

static bool read_parameters(struct tl_parser *p, struct tl_schema_procedure *c,
                            const struct tl_schema_member ***end, bool is_result) {
  do {
    if (!read_parameter(p, c, end, is_result)) return false;
  } while (tl_parser_accept_sign(p, ','));
  return tl_parser_expect_sign(p, ')', "',' or ')'");
}

static bool read_failures(struct tl_parser *p, struct tl_schema_procedure *c) {
  const struct tl_schema_failure **end = &c->failures;
  do {
    struct tl_schema_failure_node *f = NULL;
    if (p->token.kind != TL_TOKEN_WORD) return tl_parser_expected(p, "the name of an error");
    f = tl_schema_allocate(p->reading, sizeof *f);
    if (!f) return false;
    if (c->failure_count++ == TL_SCHEMA_MEMBERS_MAX)
      tl_schema_report(p->reading, p->token.at, "there are at most %d in one place",
                       TL_SCHEMA_MEMBERS_MAX);
    f->at = p->token.at;
    *end = &f->failure;
    end = &f->failure.next;
    tl_parser_advance(p);
  } while (tl_parser_accept_sign(p, ','));
  return true;
}

/* What a one-way procedure has no way to give back. */
static void check_one_way(struct tl_parser *p, const struct tl_schema_procedure *c,
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
static bool read_call(struct tl_parser *p, struct tl_schema_procedures *list,
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
  if (!tl_parser_expect_sign(p, '(', "'('")) return false;
  if (!tl_parser_accept_sign(p, ')') && !read_parameters(p, &c->procedure, &parameters_end, false))
    return false;
  if (p->token.kind == TL_TOKEN_ARROW) {
    tl_parser_advance(p);
    if (!tl_parser_expect_sign(p, '(', "'(' and the results") ||
        !read_parameters(p, &c->procedure, &parameters_end, true))
      return false;
  }
  if (tl_parser_accept_word(p, "fails") && !read_failures(p, &c->procedure)) return false;
  check_one_way(p, &c->procedure, at);
  return tl_parser_end_statement(p);
}

static bool read_procedure(struct tl_parser *p, struct tl_schema_procedures *list,
                           const struct tl_schema_procedure ***end) {
  struct tl_schema_procedure call = {.documentation = tl_parser_take_documentation(p)};
  struct tl_span at;
  if (p->ahead.kind == TL_TOKEN_WORD) call.is_oneway = tl_parser_accept_word(p, "oneway");
  call.name = tl_parser_read_name(p, "the name of a procedure", &at);
  return call.name && read_call(p, list, end, call, at);
}

static bool read_object(struct tl_parser *p, const char *documentation) {
  struct tl_schema_declaration *d =
      new_declaration(p, TL_SCHEMA_OBJECT, documentation, "the name of an interface");
  if (d && p->token.kind == TL_TOKEN_NUMBER) {
    tl_schema_report(p->reading, p->token.at,
                     "an interface inside another one has the version of that one, not its own");
    tl_parser_advance(p);
  }
  if (!d || !open_brace(p)) return false;
  const struct tl_schema_procedure **end = &d->procedures.first;
  struct tl_span open = p->last;
  size_t before = p->reading->problem_count;
  while (!tl_parser_is_end(p) && !tl_parser_is_sign(p, '}'))
    if (!read_procedure(p, &d->procedures, &end)) tl_parser_recover(p, ';');
  if (before == p->reading->problem_count) check_not_empty(p, d, "procedure");
  tl_parser_close_brace(p, open, span_of(d));
  return true;
}

/* A callback is the interface of one procedure, which has the same name. */
static bool read_callback(struct tl_parser *p, const char *documentation) {
  struct tl_schema_declaration *d =
      new_declaration(p, TL_SCHEMA_CALLBACK, documentation, "the name of a callback");
  if (!d) return false;
  const struct tl_schema_procedure **end = &d->procedures.first;
  return read_call(p, &d->procedures, &end, (struct tl_schema_procedure){.name = d->name},
                   span_of(d));
}

/* ---- items ---- */

static bool read_errors(struct tl_parser *p, const char *documentation) {
  do {
    struct tl_span at;
    const char *name = tl_parser_read_name(p, "the name of an error", &at);
    struct tl_schema_member_node *m =
        name ? new_member(p, &p->schema->errors, &p->errors_end, name, at) : NULL;
    if (!m || !read_assignment(p, 1, &p->next_error, &m->member.number)) return false;
    m->member.documentation = documentation;
    documentation = NULL;
  } while (tl_parser_accept_sign(p, ','));
  return tl_parser_end_statement(p);
}

static bool read_stream(struct tl_parser *p, const char *documentation) {
  bool is_in = tl_parser_accept_word(p, "in");
  struct tl_span at;
  const struct tl_schema_type *type = read_type(p, 0);
  const char *name = type ? tl_parser_read_name(p, "the name of a stream", &at) : NULL;
  struct tl_schema_member_node *m =
      name ? new_member(p, &p->schema->streams, &p->streams_end, name, at) : NULL;
  if (!m || !read_arrays(p, &type, 0)) return false;
  m->member.type = type;
  m->member.direction = is_in ? TL_SCHEMA_IN : TL_SCHEMA_OUT;
  m->member.documentation = documentation;
  return tl_parser_end_statement(p);
}

static bool read_signal(struct tl_parser *p, const char *documentation) {
  struct tl_span at;
  bool is_void = tl_parser_accept_word(p, "void");
  const struct tl_schema_type *type = is_void ? NULL : read_type(p, 0);
  const char *name = is_void || type ? tl_parser_read_name(p, "the name of a signal", &at) : NULL;
  struct tl_schema_member_node *m =
      name ? new_member(p, &p->schema->signals, &p->signals_end, name, at) : NULL;
  if (!m) return false;
  m->member.type = type;
  m->member.documentation = documentation;
  return read_assignment(p, 0, &p->next_signal, &m->member.number) && tl_parser_end_statement(p);
}

static const struct {
  const char *word;
  bool (*read)(struct tl_parser *p, const char *documentation);
} items[] = {
    {"error", read_errors},  {"enum", read_enum},        {"struct", read_struct},
    {"union", read_union},   {"interface", read_object}, {"callback", read_callback},
    {"stream", read_stream}, {"signal", read_signal},
};

static const char item_words[] =
    "an error, enum, struct, union, interface, callback, stream, signal "
    "or procedure";

static bool is_call_ahead(const struct tl_parser *p) {
  return p->ahead.kind == TL_TOKEN_SIGN && p->reading->text[p->ahead.at.offset] == '(';
}

static const char *nearest_item(const struct tl_parser *p, struct tl_span at) {
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
static bool unknown_item(struct tl_parser *p) {
  struct tl_span at = p->token.at;
  tl_parser_advance(p);
  if (p->reading->ghost_count < TL_SCHEMA_PROBLEMS_MAX)
    p->reading->ghosts[p->reading->ghost_count++] = p->token.at;
  if (p->token.kind == TL_TOKEN_WORD && is_call_ahead(p)) {
    tl_schema_report(p->reading, at,
                     "a procedure has no type before its name; results stand behind: '%.*s(...) -> "
                     "(TYPE NAME)'",
                     TL_SPAN(p->reading, p->token.at));
  } else {
    const char *near = tl_schema_is_wanted(p->reading, at) ? nearest_item(p, at) : NULL;
    tl_schema_report(p->reading, at, "expected %s, found '%.*s'%s%s%s", item_words,
                     TL_SPAN(p->reading, at), near ? "; did you mean '" : "", near ? near : "",
                     near ? "'?" : "");
  }
  return false;
}

static bool read_item(struct tl_parser *p) {
  if (p->token.kind != TL_TOKEN_WORD) return tl_parser_expected(p, item_words);
  if (is_call_ahead(p) || tl_parser_is_word(p, "oneway"))
    return read_procedure(p, &p->schema->self.procedures, &p->procedures_end);
  for (size_t i = 0; i < sizeof items / sizeof *items; i++) {
    if (!tl_parser_is_word(p, items[i].word)) continue;
    const char *documentation = tl_parser_take_documentation(p);
    tl_parser_advance(p);
    return items[i].read(p, documentation);
  }
  return unknown_item(p);
}

static bool read_version(struct tl_parser *p) {
  int64_t version = 1;
  if (p->token.kind != TL_TOKEN_NUMBER)
    return tl_parser_expected(p, "the version of the interface, a number");
  if (!tl_parser_read_number(p, "a version", 1, INT32_MAX, &version)) return false;
  p->schema->version = (uint32_t)version;
  return true;
}

/* The line before the items. */
static bool read_head(struct tl_parser *p) {
  struct tl_schema_declaration *self = &p->schema->self;
  self->kind = TL_SCHEMA_OBJECT;
  self->documentation = tl_parser_take_documentation(p);
  if (!tl_parser_accept_word(p, "interface"))
    return tl_parser_expected(p, "'interface NAME VERSION {'");
  self->name = tl_parser_read_name(p, "the name of the interface", &p->reading->node->at);
  return self->name && read_version(p) && open_brace(p);
}

void tl_schema_parse(struct tl_schema_reading *r) {
  struct tl_schema *s = &r->node->schema;
  struct tl_parser p = {.reading = r, .lexer.reading = r, .schema = s, .next_error = 1};
  p.declarations_end = &s->first;
  p.errors_end = &s->errors.first;
  p.streams_end = &s->streams.first;
  p.signals_end = &s->signals.first;
  p.procedures_end = &s->self.procedures.first;
  p.token = tl_lexer_next(&p.lexer);
  p.ahead = tl_lexer_next(&p.lexer);
  if (!read_head(&p)) return;
  struct tl_span open = p.last;
  while (!tl_parser_is_end(&p) && !tl_parser_is_sign(&p, '}'))
    if (!read_item(&p)) tl_parser_recover(&p, ';');
  tl_parser_close_brace(&p, open, r->node->at);
  if (!tl_parser_is_end(&p))
    tl_schema_report(r, p.token.at, "nothing may stand behind the interface: a file has one");
  else
    tl_parser_advance(&p);
}
