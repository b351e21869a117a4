/*
 * From a parsed model to a checked one: names are looked up, and every rule of the language's page that is
 * not grammar is applied. In passes, because later ones may only look at what earlier ones found
 * right: names and numbers; what each name stands for and what may stand where; sizes, over all
 * types in the order in which they contain each other.
 *
 * Lists are sorted rather than compared each with each: whoever writes the file does not decide how
 * long it takes.
 */
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "core/schema/reading.h"
#include "core/schema/words.h"
#include "core/text.h"

/* One name of a list, and what it stands for: `what` in words; one of the two others, or neither. */
struct entry {
  const char *name;
  struct tl_span at;
  int32_t number;
  const char *what;
  const struct tl_schema_declaration *declaration;
  const struct tl_schema_member *error;
};

struct scope {
  struct entry *entries;
  size_t count;
};

struct checker {
  struct tl_schema_reading *reading;
  struct tl_schema *schema;
  struct scope names; /* of the interface, sorted */
  const struct tl_schema_declaration **needs_end;
};

static struct tl_span type_at(const struct tl_schema_type *t) {
  return ((const struct tl_schema_type_node *)t)->at;
}
static struct tl_span member_at(const struct tl_schema_member *m) {
  return ((const struct tl_schema_member_node *)m)->at;
}

/* The model is still being made: nobody else has seen it. */
static struct tl_schema_declaration_node *node_of(const struct tl_schema_declaration *d) {
  return (struct tl_schema_declaration_node *)(uintptr_t)d;
}

/* ---- names and numbers are there once ---- */

static bool scope_begin(struct checker *c, struct scope *s, size_t count) {
  *s = (struct scope){tl_schema_allocate(c->reading, count * sizeof *s->entries + 1), 0};
  return s->entries;
}

static int by_name(const void *a, const void *b) {
  const struct entry *p = a, *q = b;
  int order = strcmp(p->name, q->name);
  return order ? order : p->at.offset < q->at.offset ? -1 : 1;
}

static int by_number(const void *a, const void *b) {
  const struct entry *p = a, *q = b;
  if (p->number != q->number) return p->number < q->number ? -1 : 1;
  return p->at.offset < q->at.offset ? -1 : 1;
}

/* The line of the first one, for a problem with the second one. */
static uint32_t line_for(const struct checker *c, const struct entry *first,
                         const struct entry *second) {
  bool is_wanted = tl_schema_is_wanted(c->reading, second->at);
  return is_wanted ? tl_schema_line(c->reading, first->at.offset) : 0;
}

static void check_names(struct checker *c, struct scope *s) {
  qsort(s->entries, s->count, sizeof *s->entries, by_name);
  for (size_t i = 1; i < s->count; i++) {
    struct entry *first = &s->entries[i - 1], *second = &s->entries[i];
    if (!strcmp(first->name, second->name))
      tl_schema_report(c->reading, second->at, "there is '%s' already, on line %u", second->name,
                       line_for(c, first, second));
  }
}

static void check_numbers(struct checker *c, struct scope *s) {
  qsort(s->entries, s->count, sizeof *s->entries, by_number);
  for (size_t i = 1; i < s->count; i++) {
    struct entry *first = &s->entries[i - 1], *second = &s->entries[i];
    if (first->number == second->number)
      tl_schema_report(c->reading, second->at, "'%s' has the number %d, as '%s' on line %u has",
                       second->name, second->number, first->name, line_for(c, first, second));
  }
}

static void scope_add_members(struct scope *s, const struct tl_schema_members *list,
                              const char *what, bool are_errors) {
  for (const struct tl_schema_member *m = list->first; m; m = m->next)
    s->entries[s->count++] = (struct entry){.name = m->name,
                                            .at = member_at(m),
                                            .number = m->number,
                                            .what = what,
                                            .error = are_errors ? m : NULL};
}

static void scope_add_procedures(struct scope *s, const struct tl_schema_procedures *list) {
  for (const struct tl_schema_procedure *p = list->first; p; p = p->next)
    s->entries[s->count++] = (struct entry){.name = p->name,
                                            .at = ((const struct tl_schema_procedure_node *)p)->at,
                                            .what = "a procedure"};
}

static void check_members(struct checker *c, const struct tl_schema_members *list,
                          bool have_numbers) {
  struct scope s;
  if (!scope_begin(c, &s, list->count)) return;
  scope_add_members(&s, list, NULL, false);
  check_names(c, &s);
  if (have_numbers) check_numbers(c, &s);
}

static void check_procedure_names(struct checker *c, const struct tl_schema_procedures *list) {
  for (const struct tl_schema_procedure *p = list->first; p; p = p->next)
    check_members(c, &p->parameters, false);
}

static void check_declaration_names(struct checker *c, const struct tl_schema_declaration *d) {
  struct scope s;
  check_members(c, &d->members, d->kind == TL_SCHEMA_ENUM);
  check_procedure_names(c, &d->procedures);
  if (d->kind != TL_SCHEMA_OBJECT || !scope_begin(c, &s, d->procedures.count)) return;
  scope_add_procedures(&s, &d->procedures);
  check_names(c, &s);
}

/* The space of names that types, procedures, errors, streams and signals share, with the interface itself. */
static bool check_interface_names(struct checker *c) {
  struct tl_schema *s = c->schema;
  size_t count = s->declaration_count + s->self.procedures.count + s->errors.count +
                 s->streams.count + s->signals.count + 1;
  if (!scope_begin(c, &c->names, count)) return false;
  c->names.entries[c->names.count++] =
      (struct entry){.name = s->self.name, .at = c->reading->node->at, .declaration = &s->self};
  for (const struct tl_schema_declaration *d = s->first; d; d = d->next)
    c->names.entries[c->names.count++] =
        (struct entry){.name = d->name, .at = node_of(d)->at, .declaration = d};
  scope_add_procedures(&c->names, &s->self.procedures);
  scope_add_members(&c->names, &s->errors, "an error", true);
  scope_add_members(&c->names, &s->streams, "a stream", false);
  scope_add_members(&c->names, &s->signals, "a signal", false);
  check_names(c, &c->names);
  return true;
}

static void check_all_names(struct checker *c) {
  check_procedure_names(c, &c->schema->self.procedures);
  for (const struct tl_schema_declaration *d = c->schema->first; d; d = d->next)
    check_declaration_names(c, d);
  struct scope s;
  if (scope_begin(c, &s, c->schema->errors.count)) {
    scope_add_members(&s, &c->schema->errors, NULL, false);
    check_numbers(c, &s);
  }
  if (scope_begin(c, &s, c->schema->signals.count)) {
    scope_add_members(&s, &c->schema->signals, NULL, false);
    check_numbers(c, &s);
  }
}

/* ---- what a name stands for ---- */

static const struct entry *find(const struct checker *c, const char *name) {
  size_t low = 0, high = c->names.count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int order = strcmp(c->names.entries[middle].name, name);
    if (!order) return &c->names.entries[middle];
    if (order < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return NULL;
}

static bool is_ghost(const struct checker *c, struct tl_span at) {
  const char *text = c->reading->text;
  for (size_t i = 0; i < c->reading->ghost_count; i++) {
    struct tl_span ghost = c->reading->ghosts[i];
    if (ghost.size == at.size && !memcmp(text + ghost.offset, text + at.offset, at.size))
      return true;
  }
  return false;
}

static bool span_text(const struct checker *c, struct tl_span at, char out[]) {
  if (at.size > TL_SCHEMA_NAME_BYTES_MAX) return false;
  memcpy(out, c->reading->text + at.offset, at.size);
  out[at.size] = 0;
  return true;
}

struct nearest {
  const char *name;
  unsigned distance;
};

static void nearest_try(struct nearest *n, const char *wanted, const char *name) {
  unsigned distance = tl_text_distance(wanted, name);
  if (distance >= n->distance || distance * 2 > strlen(wanted)) return;
  *n = (struct nearest){name, distance};
}

/* Only where somebody will read it: it takes time. */
static const char *nearest_name(const struct checker *c, struct tl_span at, const char *wanted,
                                bool is_type) {
  struct nearest n = {NULL, 4};
  if (!tl_schema_is_wanted(c->reading, at)) return NULL;
  for (int kind = 0; is_type && kind <= TL_SCHEMA_MAP; kind++)
    nearest_try(&n, wanted, tl_schema_kind_word((enum tl_schema_kind)kind));
  for (size_t i = 0; i < c->names.count; i++)
    if (is_type ? !!c->names.entries[i].declaration : !!c->names.entries[i].error)
      nearest_try(&n, wanted, c->names.entries[i].name);
  return n.name;
}

static void unknown_type(struct checker *c, struct tl_span at, const char *name) {
  const char *near = tl_schema_foreign_type(name);
  if (is_ghost(c, at)) {
    c->reading->problem_count++;
    return;
  }
  if (!near) near = nearest_name(c, at, name, true);
  tl_schema_report(c->reading, at, "there is no type '%s'%s%s%s", name,
                   near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static void resolve(struct checker *c, struct tl_schema_type_node *t) {
  char name[TL_SCHEMA_NAME_BYTES_MAX + 1];
  const struct entry *e = span_text(c, t->at, name) ? find(c, name) : NULL;
  if (e && e->declaration) {
    t->type.declaration = e->declaration;
    t->type.kind = e->declaration->kind;
  } else if (e) {
    tl_schema_report(c->reading, t->at, "'%s' is %s, not a type", name, e->what);
  } else if (t->at.size > TL_SCHEMA_NAME_BYTES_MAX) {
    tl_schema_report(c->reading, t->at, "there is no type '%.*s...'", TL_SPAN(c->reading, t->at));
  } else {
    unknown_type(c, t->at, name);
  }
}

/* ---- what may stand where ---- */

enum use { USE_VALUE, USE_PARAMETER, USE_KEY, USE_SIGNAL };

static bool is_reference(const struct tl_schema_type *t) {
  return t->kind == TL_SCHEMA_OBJECT || t->kind == TL_SCHEMA_CALLBACK;
}

static bool is_key(const struct tl_schema_type *t) {
  return t->kind <= TL_SCHEMA_I64 || t->kind == TL_SCHEMA_STRING || t->kind == TL_SCHEMA_ENUM;
}

static void check_use(struct checker *c, const struct tl_schema_type *t, enum use use) {
  const char *what = tl_schema_kind_text(t->kind);
  if (is_reference(t) && use != USE_PARAMETER)
    tl_schema_report(c->reading, type_at(t),
                     "'%s' is %s; references stand in parameters only, by themselves",
                     t->declaration->name, what);
  else if (use == USE_KEY && !is_key(t))
    tl_schema_report(c->reading, type_at(t),
                     "%s cannot be a key; integers, bools, enums and strings can", what);
  else if (use == USE_SIGNAL && t->kind > TL_SCHEMA_F64 && t->kind != TL_SCHEMA_ENUM)
    tl_schema_report(c->reading, type_at(t),
                     "%s does not fit into a signal; bools, numbers and enums do", what);
  else if (t->kind == TL_SCHEMA_LIST && t->element->kind == TL_SCHEMA_U8)
    tl_schema_report(c->reading, type_at(t), "a list of u8 is 'bytes'");
}

/* Types nest TL_SCHEMA_NESTING_MAX deep at most. */
static void check_type(struct checker *c, const struct tl_schema_type *t, enum use use) {
  if (t->kind == TL_SCHEMA_STRUCT && !t->declaration)
    resolve(c, (struct tl_schema_type_node *)(uintptr_t)t);
  if (t->kind == TL_SCHEMA_STRUCT && !t->declaration) return;
  if (t->key) check_type(c, t->key, USE_KEY);
  if (t->element) check_type(c, t->element, USE_VALUE);
  check_use(c, t, use);
}

static void check_types(struct checker *c, const struct tl_schema_members *list, enum use use) {
  for (const struct tl_schema_member *m = list->first; m; m = m->next) {
    if (m->type) check_type(c, m->type, use);
    if (m->type && is_reference(m->type) && m->direction == TL_SCHEMA_INOUT)
      tl_schema_report(c->reading, type_at(m->type),
                       "a reference goes one way: 'in' or 'out', not 'inout'");
  }
}

static void check_failures(struct checker *c, const struct tl_schema_procedure *p) {
  for (const struct tl_schema_failure *f = p->failures; f; f = f->next) {
    struct tl_schema_failure_node *node = (struct tl_schema_failure_node *)(uintptr_t)f;
    char name[TL_SCHEMA_NAME_BYTES_MAX + 1] = "";
    const struct entry *e = span_text(c, node->at, name) ? find(c, name) : NULL;
    const char *near = e ? NULL : nearest_name(c, node->at, name, false);
    if (e && e->error)
      node->failure.error = e->error;
    else
      tl_schema_report(c->reading, node->at, "there is no error '%.*s'%s%s%s",
                       TL_SPAN(c->reading, node->at), near ? "; did you mean '" : "",
                       near ? near : "", near ? "'?" : "");
  }
}

static int by_error(const void *a, const void *b) {
  const struct tl_schema_failure_node *p = *(struct tl_schema_failure_node *const *)a,
                                      *q = *(struct tl_schema_failure_node *const *)b;
  int order = strcmp(p->failure.error->name, q->failure.error->name);
  return order ? order : p->at.offset < q->at.offset ? -1 : 1;
}

/* After check_failures() has found them all. */
static void check_failures_once(struct checker *c, const struct tl_schema_procedure *p) {
  size_t n = 0;
  const struct tl_schema_failure_node **all =
      tl_schema_allocate(c->reading, p->failure_count * sizeof *all + 1);
  if (!all) return;
  for (const struct tl_schema_failure *f = p->failures; f; f = f->next)
    all[n++] = (const struct tl_schema_failure_node *)f;
  qsort(all, n, sizeof(*all), by_error);
  for (size_t i = 1; i < n; i++)
    if (all[i]->failure.error == all[i - 1]->failure.error)
      tl_schema_report(c->reading, all[i]->at, "'%s' stands here twice",
                       all[i]->failure.error->name);
}

static void check_procedures(struct checker *c, const struct tl_schema_procedures *list) {
  for (const struct tl_schema_procedure *p = list->first; p; p = p->next) {
    size_t before = c->reading->problem_count;
    check_types(c, &p->parameters, USE_PARAMETER);
    check_failures(c, p);
    if (before == c->reading->problem_count) check_failures_once(c, p);
  }
}

static void check_uses(struct checker *c) {
  for (const struct tl_schema_declaration *d = c->schema->first; d; d = d->next) {
    check_types(c, &d->members, USE_VALUE);
    check_procedures(c, &d->procedures);
  }
  check_procedures(c, &c->schema->self.procedures);
  check_types(c, &c->schema->streams, USE_VALUE);
  check_types(c, &c->schema->signals, USE_SIGNAL);
}

/* ---- sizes ---- */

/* What a type amounts to: how deep the arrays of its msgpack nest, and how many values it holds in
 * place, in C. */
struct extent {
  unsigned depth;
  uint64_t places;
};

static struct extent visit(struct checker *c, const struct tl_schema_declaration *d,
                           struct tl_span at, unsigned level);

static struct extent extent_of(struct checker *c, const struct tl_schema_type *t, unsigned level) {
  struct extent e = {0, 1};
  if (t->element) {
    e = extent_of(c, t->element, level);
    bool is_bytes = t->kind == TL_SCHEMA_ARRAY && t->element->kind == TL_SCHEMA_U8;
    e.depth += !is_bytes;
    e.places *= t->kind == TL_SCHEMA_ARRAY ? t->bound : 0;
  } else if (t->declaration && !is_reference(t)) {
    e = visit(c, t->declaration, type_at(t), level);
  }
  if (t->key) (void)extent_of(c, t->key, level);
  if (!e.places) e.places = 1;
  if (e.places > TL_SCHEMA_PLACES_MAX) e.places = TL_SCHEMA_PLACES_MAX + 1;
  return e;
}

static void check_extent(struct checker *c, const char *name, struct tl_span at, struct extent e,
                         unsigned depth_max) {
  if (e.depth > depth_max)
    tl_schema_report(c->reading, at,
                     "'%s' nests deeper than a message may, %d arrays in each other", name,
                     TL_MSGPACK_DEPTH_MAX);
  else if (e.places > TL_SCHEMA_PLACES_MAX)
    tl_schema_report(c->reading, at, "'%s' holds more than %d values in place; a list<T> does not",
                     name, TL_SCHEMA_PLACES_MAX);
}

/* A struct is as large as its fields together, a union as its largest alternative. */
static struct extent extent_of_members(struct checker *c, const struct tl_schema_declaration *d,
                                       unsigned level) {
  struct extent all = {0, 1};
  for (const struct tl_schema_member *m = d->members.first; m; m = m->next) {
    struct extent e = m->type ? extent_of(c, m->type, level) : (struct extent){0, 1};
    if (e.depth > all.depth) all.depth = e.depth;
    if (d->kind == TL_SCHEMA_STRUCT)
      all.places += e.places;
    else if (e.places > all.places)
      all.places = e.places;
  }
  all.depth += d->kind != TL_SCHEMA_ENUM;
  return all;
}

/* Depth first; `at` is where it was met. A chain of types longer than messages may nest is not followed
 * to its end. */
static struct extent visit(struct checker *c, const struct tl_schema_declaration *d,
                           struct tl_span at, unsigned level) {
  struct tl_schema_declaration_node *node = node_of(d);
  if (node->seen == TL_SCHEMA_SEEN) return (struct extent){node->depth, node->places};
  if (node->seen == TL_SCHEMA_BEING_SEEN || level > TL_MSGPACK_DEPTH_MAX) {
    struct extent deep = {TL_MSGPACK_DEPTH_MAX + 1, 1};
    if (level > TL_MSGPACK_DEPTH_MAX)
      check_extent(c, d->name, at, deep, TL_MSGPACK_DEPTH_MAX);
    else
      tl_schema_report(
          c->reading, at,
          "'%s' would contain itself; a tree is a list of nodes that know each other by "
          "index",
          d->name);
    return (struct extent){0, 1};
  }
  node->seen = TL_SCHEMA_BEING_SEEN;
  size_t before = c->reading->problem_count;
  struct extent e = extent_of_members(c, d, level + 1);
  node->seen = TL_SCHEMA_SEEN;
  node->depth = e.depth;
  node->places = e.places;
  if (before == c->reading->problem_count)
    check_extent(c, d->name, node->at, e, TL_MSGPACK_DEPTH_MAX);
  *c->needs_end = d;
  c->needs_end = &node->declaration.next_by_need;
  return e;
}

/* `outside` is how many arrays stand around the value in its message. */
static void check_extents(struct checker *c, const struct tl_schema_members *list,
                          unsigned outside) {
  for (const struct tl_schema_member *m = list->first; m; m = m->next)
    if (m->type)
      check_extent(c, m->name, member_at(m), extent_of(c, m->type, 0),
                   TL_MSGPACK_DEPTH_MAX - outside);
}

static void check_sizes(struct checker *c) {
  for (const struct tl_schema_declaration *d = c->schema->first; d; d = d->next) {
    if (d->members.first) (void)visit(c, d, node_of(d)->at, 0);
    for (const struct tl_schema_procedure *p = d->procedures.first; p; p = p->next)
      check_extents(c, &p->parameters, 1);
  }
  for (const struct tl_schema_procedure *p = c->schema->self.procedures.first; p; p = p->next)
    check_extents(c, &p->parameters, 1);
  check_extents(c, &c->schema->streams, 0);
}

static void check_text_size(struct checker *c) {
  size_t size = tl_schema_write(c->schema, TL_SCHEMA_DOCUMENTED, NULL, 0);
  if (size > TL_SCHEMA_TEXT_BYTES_MAX)
    tl_schema_report(c->reading, c->reading->node->at,
                     "the canonical form of '%s' has %zu bytes; at most %u are allowed",
                     c->schema->self.name, size, TL_SCHEMA_TEXT_BYTES_MAX);
}

void tl_schema_check(struct tl_schema_reading *r) {
  struct checker c = {.reading = r, .schema = &r->node->schema};
  c.needs_end = &c.schema->first_by_need;
  if (r->stopped || !c.schema->self.name) return;
  check_all_names(&c);
  if (!check_interface_names(&c)) return;
  check_uses(&c);
  if (!r->problem_count && !r->stopped) check_sizes(&c);
  if (!r->problem_count && !r->stopped) check_text_size(&c);
}
