#include "core/schema/compare.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/schema/words.h"

static const char used[] = "somebody may use it";
static const char new_name[] = "nobody uses it yet";
static const char refused[] = "one side refuses what the other one may send";
static const char shifted[] = "it is known by its place: another one would be taken for it";
static const char at_end[] = "older programs leave it out and pass over it";
static const char not_sent[] = "older programs do not send it";
static const char number_is_meaning[] = "the number is what travels";
static const char readers_expect[] = "readers expect others: it is open";
static const char readers_refuse[] = "older readers refuse it: it is not open";
static const char any_failure[] = "callers expect failures of any kind";

/* The longest type: eight maps in each other, with enums of long names as keys, and bounds. */
#define TYPE_BYTES_MAX 1024

struct comparison {
  struct tl_schema_change *out;
  size_t out_count;
  struct tl_schema_verdict verdict;
  char place[TL_SCHEMA_PLACE_BYTES_MAX];
};

/* What the changes that follow are changes of. */
static void at_place(struct comparison *c, const char *kind, const char *outer, const char *name) {
  snprintf(c->place, sizeof c->place, "%s %s%s%s", kind, outer, *outer ? "." : "", name);
}

__attribute__((format(printf, 4, 5))) static void
change(struct comparison *c, bool is_compatible, const char *reason, const char *format, ...) {
  size_t i = c->verdict.change_count++;
  c->verdict.incompatible_count += !is_compatible;
  if (i >= c->out_count) return;
  struct tl_schema_change *out = &c->out[i];
  *out = (struct tl_schema_change){.is_compatible = is_compatible, .reason = reason};
  memcpy(out->place, c->place, sizeof out->place);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(out->text, sizeof out->text, format, arguments);
  va_end(arguments);
}

/* ---- types ---- */

/* Two types are the same if they are written alike: names are part of the contract. */
static void compare_types(struct comparison *c, const char *what,
                          const struct tl_schema_member *before,
                          const struct tl_schema_member *after) {
  char was[TYPE_BYTES_MAX] = "void", is[TYPE_BYTES_MAX] = "void";
  if (before->type) tl_schema_write_type(before->type, was, sizeof was);
  if (after->type) tl_schema_write_type(after->type, is, sizeof is);
  if (strcmp(was, is))
    change(c, false, refused, "%s '%s' was %.128s and is %.128s", what, before->name, was, is);
  if (before->is_optional != after->is_optional)
    change(c, false, refused, "%s '%s' was %soptional and is %soptional", what, before->name,
           before->is_optional ? "" : "not ", after->is_optional ? "" : "not ");
}

/* ---- members ---- */

static const struct tl_schema_member *find(const struct tl_schema_members *list, const char *name) {
  const struct tl_schema_member *m = list->first;
  while (m && strcmp(m->name, name)) m = m->next;
  return m;
}

/* A list whose order is its encoding: the members of `list` that travel on `side`. */
struct sequence {
  const struct tl_schema_members *list;
  enum tl_schema_direction side; /* 0: all do */
  const char *what;              /* "field" */
};

static bool travels(const struct sequence *s, const struct tl_schema_member *m) {
  return !s->side || (m->direction & s->side);
}

/* What goes both ways is spoken of once, with what goes in. */
static bool is_spoken_of(const struct sequence *s, const struct tl_schema_member *m) {
  return s->side != TL_SCHEMA_OUT || m->direction == TL_SCHEMA_OUT;
}

static const char *direction_word(enum tl_schema_direction d) {
  return d == TL_SCHEMA_INOUT ? "inout" : d == TL_SCHEMA_OUT ? "out" : "in";
}

/* The first member behind `m` that was there before, or NULL. */
static const struct tl_schema_member *old_one_behind(const struct sequence *before,
                                                     const struct sequence *after,
                                                     const struct tl_schema_member *m) {
  for (m = m->next; m; m = m->next) {
    const struct tl_schema_member *old = travels(after, m) ? find(before->list, m->name) : NULL;
    if (old && travels(before, old)) return m;
  }
  return NULL;
}

static void compare_kept(struct comparison *c, const struct sequence *before,
                         const struct sequence *after, const struct tl_schema_member *m,
                         const struct tl_schema_member **last) {
  const struct tl_schema_member *now = find(after->list, m->name);
  if (!now) {
    if (is_spoken_of(before, m))
      change(c, false, shifted, "%s '%s' is gone", before->what, m->name);
    return;
  }
  if (is_spoken_of(before, m)) compare_types(c, before->what, m, now);
  if (before->side && m->direction != now->direction) {
    if (is_spoken_of(before, m))
      change(c, false, refused, "%s '%s' was %s and is %s", before->what, m->name,
             direction_word(m->direction), direction_word(now->direction));
    return;
  }
  if (*last && (*last)->number > now->number)
    change(c, false, shifted, "%s '%s' stands before '%s' now", before->what, m->name,
           (*last)->name);
  else
    *last = now;
}

static void compare_added(struct comparison *c, const struct sequence *before,
                          const struct sequence *after, const struct tl_schema_member *m,
                          bool may_grow) {
  const struct tl_schema_member *behind = old_one_behind(before, after, m);
  if (behind)
    change(c, false, shifted, "%s '%s' was added before '%s'", after->what, m->name, behind->name);
  else if (strcmp(after->what, "alternative"))
    change(c, m->is_optional, m->is_optional ? at_end : not_sent, "%s '%s' was added%s",
           after->what, m->name, m->is_optional ? "" : ", not optional");
  else
    change(c, may_grow, may_grow ? readers_expect : readers_refuse, "%s '%s' was added",
           after->what, m->name);
}

static void compare_sequences(struct comparison *c, struct sequence before, struct sequence after,
                              bool may_grow) {
  const struct tl_schema_member *last = NULL;
  for (const struct tl_schema_member *m = before.list->first; m; m = m->next)
    if (travels(&before, m)) compare_kept(c, &before, &after, m, &last);
  for (const struct tl_schema_member *m = after.list->first; m; m = m->next)
    if (travels(&after, m) && is_spoken_of(&after, m) && !find(before.list, m->name))
      compare_added(c, &before, &after, m, may_grow);
}

/* A list whose numbers are its encoding; `may_grow`: whether what is new in it can be met unprepared. */
static void compare_numbered(struct comparison *c, const char *what,
                             const struct tl_schema_members *before,
                             const struct tl_schema_members *after, bool may_grow,
                             const char *why_grow) {
  for (const struct tl_schema_member *m = before->first; m; m = m->next) {
    const struct tl_schema_member *now = find(after, m->name);
    if (!now)
      change(c, false, used, "%s '%s' is gone", what, m->name);
    else if (now->number != m->number)
      change(c, false, number_is_meaning, "%s '%s' was number %d and is %d", what, m->name,
             m->number, now->number);
    if (now) compare_types(c, what, m, now);
  }
  for (const struct tl_schema_member *m = after->first; m; m = m->next)
    if (!find(before, m->name)) change(c, may_grow, why_grow, "%s '%s' was added", what, m->name);
}

static void compare_streams(struct comparison *c, const struct tl_schema_members *before,
                            const struct tl_schema_members *after) {
  for (const struct tl_schema_member *m = before->first; m; m = m->next) {
    const struct tl_schema_member *now = find(after, m->name);
    if (!now) {
      change(c, false, used, "stream '%s' is gone", m->name);
      continue;
    }
    compare_types(c, "stream", m, now);
    if (m->direction != now->direction)
      change(c, false, used, "stream '%s' was %s and is %s", m->name,
             m->direction == TL_SCHEMA_IN ? "written by others" : "written by the service",
             now->direction == TL_SCHEMA_IN ? "written by others" : "written by the service");
  }
  for (const struct tl_schema_member *m = after->first; m; m = m->next)
    if (!find(before, m->name)) change(c, true, new_name, "stream '%s' was added", m->name);
}

/* ---- procedures ---- */

static bool fails_with(const struct tl_schema_procedure *p, const char *error) {
  const struct tl_schema_failure *f = p->failures;
  while (f && strcmp(f->error->name, error)) f = f->next;
  return f;
}

static void compare_procedure(struct comparison *c, const struct tl_schema_procedure *before,
                              const struct tl_schema_procedure *after) {
  if (before->is_oneway != after->is_oneway)
    change(c, false, refused, "it was %s and is %s", before->is_oneway ? "one-way" : "answered",
           after->is_oneway ? "one-way" : "answered");
  compare_sequences(c, (struct sequence){&before->parameters, TL_SCHEMA_IN, "parameter"},
                    (struct sequence){&after->parameters, TL_SCHEMA_IN, "parameter"}, false);
  compare_sequences(c, (struct sequence){&before->parameters, TL_SCHEMA_OUT, "result"},
                    (struct sequence){&after->parameters, TL_SCHEMA_OUT, "result"}, false);
  for (const struct tl_schema_failure *f = before->failures; f; f = f->next)
    if (!fails_with(after, f->error->name))
      change(c, true, any_failure, "it fails with '%s' no longer", f->error->name);
  for (const struct tl_schema_failure *f = after->failures; f; f = f->next)
    if (!fails_with(before, f->error->name))
      change(c, true, any_failure, "it fails with '%s' as well", f->error->name);
}

static const struct tl_schema_procedure *find_procedure(const struct tl_schema_procedures *list,
                                                        const char *name) {
  const struct tl_schema_procedure *p = list->first;
  while (p && strcmp(p->name, name)) p = p->next;
  return p;
}

/* `outer` is the interface inside this one that they belong to, or "". */
static void compare_procedures(struct comparison *c, const char *outer,
                               const struct tl_schema_procedures *before,
                               const struct tl_schema_procedures *after) {
  for (const struct tl_schema_procedure *p = before->first; p; p = p->next) {
    const struct tl_schema_procedure *now = find_procedure(after, p->name);
    at_place(c, "procedure", outer, p->name);
    if (now)
      compare_procedure(c, p, now);
    else
      change(c, false, used, "it is gone");
  }
  for (const struct tl_schema_procedure *p = after->first; p; p = p->next) {
    if (find_procedure(before, p->name)) continue;
    at_place(c, "procedure", outer, p->name);
    change(c, true, new_name, "it was added");
  }
}

/* ---- types that are declared ---- */

static const char *word_of(enum tl_schema_kind kind) {
  return strchr(tl_schema_kind_text(kind), ' ') + 1;
}

static void compare_openness(struct comparison *c, const struct tl_schema_declaration *before,
                             const struct tl_schema_declaration *after) {
  if (!before->is_open && after->is_open)
    change(c, true, "nothing new is sent yet", "it is open now");
  if (before->is_open && !after->is_open)
    change(c, false, "older programs may send others", "it is not open any more");
}

static void compare_declaration(struct comparison *c, const struct tl_schema_declaration *before,
                                const struct tl_schema_declaration *after) {
  bool is_union = before->kind == TL_SCHEMA_UNION;
  const char *what = is_union ? "alternative" : "field";
  at_place(c, word_of(before->kind), "", before->name);
  if (before->kind != after->kind) {
    change(c, false, refused, "it was %s and is %s", tl_schema_kind_text(before->kind),
           tl_schema_kind_text(after->kind));
    return;
  }
  compare_openness(c, before, after);
  if (before->kind == TL_SCHEMA_ENUM)
    compare_numbered(c, "value", &before->members, &after->members, before->is_open,
                     before->is_open ? readers_expect : readers_refuse);
  else
    compare_sequences(c, (struct sequence){&before->members, 0, what},
                      (struct sequence){&after->members, 0, what}, before->is_open);
  if (before->kind == TL_SCHEMA_CALLBACK)
    compare_procedure(c, before->procedures.first, after->procedures.first);
  else
    compare_procedures(c, before->name, &before->procedures, &after->procedures);
}

static const struct tl_schema_declaration *find_declaration(const struct tl_schema *s,
                                                            const char *name) {
  const struct tl_schema_declaration *d = s->first;
  while (d && strcmp(d->name, name)) d = d->next;
  return d;
}

static void compare_declarations(struct comparison *c, const struct tl_schema *before,
                                 const struct tl_schema *after) {
  for (const struct tl_schema_declaration *d = before->first; d; d = d->next) {
    const struct tl_schema_declaration *now = find_declaration(after, d->name);
    at_place(c, word_of(d->kind), "", d->name);
    if (now)
      compare_declaration(c, d, now);
    else
      change(c, false, used, "it is gone");
  }
  for (const struct tl_schema_declaration *d = after->first; d; d = d->next) {
    if (find_declaration(before, d->name)) continue;
    at_place(c, word_of(d->kind), "", d->name);
    change(c, true, new_name, "it was added");
  }
}

struct tl_schema_verdict tl_schema_compare(const struct tl_schema *old_schema,
                                           const struct tl_schema *new_schema,
                                           struct tl_schema_change *out, size_t out_count) {
  struct comparison c = {.out = out, .out_count = out_count};
  at_place(&c, "interface", "", old_schema->self.name);
  if (strcmp(old_schema->self.name, new_schema->self.name))
    change(&c, false, "it is another interface", "its name is '%s' now", new_schema->self.name);
  if (old_schema->version != new_schema->version)
    change(&c, false, "two versions are two interfaces", "it was version %u and is %u",
           old_schema->version, new_schema->version);
  compare_numbered(&c, "error", &old_schema->errors, &new_schema->errors, true, new_name);
  compare_declarations(&c, old_schema, new_schema);
  compare_procedures(&c, "", &old_schema->self.procedures, &new_schema->self.procedures);
  at_place(&c, "interface", "", old_schema->self.name);
  compare_streams(&c, &old_schema->streams, &new_schema->streams);
  compare_numbered(&c, "signal", &old_schema->signals, &new_schema->signals, true, new_name);
  return c.verdict;
}
