#include "tools/gen/c/check.h"

#include <stdio.h>
#include <string.h>

#include "core/table.h"
#include "tools/gen/c/code.h"

/* A table of names in C: which of them are taken, and by what. */
struct names {
  struct tl_gen *g;
  struct tl_table taken; /* to the description of what has it */
  char *problem;
  int code;
};

static void take_name(struct names *n, const char *name, const char *what) {
  size_t size = strlen(name);
  if (n->code) return;
  const char *other = tl_table_find(&n->taken, name, size);
  if (other) {
    (void)snprintf(n->problem, TL_GEN_PROBLEM_SIZE, "%s and %s would both be '%s' in C", other,
                   what, name);
    n->code = TULLE_E_EXISTS;
    return;
  }
  char *copy = tulle_memory_copy(&n->g->memory, what, strlen(what) + 1);
  n->code = copy ? tl_table_insert(&n->taken, name, size, copy) : TULLE_E_NO_MEMORY;
}

/* ---- what the whole program sees ---- */

static void take_wrappers(struct names *n, const struct tl_slot *slot, const char *what) {
  struct tl_gen *g = n->g;
  struct tl_slot inner = *slot;
  const char *path = slot->path;
  if (slot->is_optional && slot->type->kind == TL_SCHEMA_ARRAY) {
    path = tl_path_value(g, path);
    take_name(n, path, what);
  }
  while (inner.type->kind == TL_SCHEMA_ARRAY) inner.type = inner.type->element;
  bool is_map = inner.type->kind == TL_SCHEMA_MAP;
  if (!is_map && inner.type->kind != TL_SCHEMA_LIST) return;
  if (!is_map && !tl_type_is_wrapped(inner.type->element)) return;
  path = is_map ? tl_path_entry(g, path) : tl_path_element(g, path);
  take_name(n, path, what);
  inner = tl_slot_in(&inner, path, inner.type->element);
  take_wrappers(n, &inner, what);
}

static void take_members(struct names *n, const struct tl_schema_members *members,
                         const char *owner, const char *what) {
  for (const struct tl_schema_member *m = members->first; m; m = m->next) {
    struct tl_slot slot = tl_slot_of(n->g, m, owner);
    if (m->type)
      take_wrappers(n, &slot, tl_gen_text(n->g, "the type of '%s' of %s", m->name, what));
  }
}

static void take_values(struct names *n, const struct tl_schema_members *values, const char *type,
                        const char *what) {
  struct tl_gen *g = n->g;
  for (const struct tl_schema_member *m = values->first; m; m = m->next)
    take_name(n, tl_gen_text(g, "%s_%s", tl_gen_capitals(g, type), tl_gen_capitals(g, m->name)),
              tl_gen_text(g, "'%s' of %s", m->name, what));
}

static void take_declaration(struct names *n, const struct tl_schema_declaration *d) {
  struct tl_gen *g = n->g;
  const char *type = tl_gen_text(g, "%s_%s", g->name, d->name);
  const char *what = tl_gen_text(g, "type '%s'", d->name);
  take_name(n, type, what);
  if (d->kind == TL_SCHEMA_UNION) take_name(n, tl_gen_text(g, "%s_is", type), what);
  if (d->kind != TL_SCHEMA_STRUCT) take_values(n, &d->members, type, what);
  if (d->kind != TL_SCHEMA_ENUM) take_members(n, &d->members, type, what);
}

static void take_procedure(struct names *n, const struct tl_schema_procedure *p) {
  static const char *const suffixes[] = {"", "_within", "_async", "_done", "_reply", "_values"};
  const char *owner = tl_gen_owner(n->g, p);
  const char *what = tl_gen_text(n->g, "procedure '%s'", p->name);
  for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
    take_name(n, tl_gen_text(n->g, "%s%s", owner, suffixes[i]), what);
  take_members(n, &p->parameters, owner, what);
}

static void take_globals(struct names *n) {
  static const char *const always[] = {"open",  "open_as", "close",      "channel",
                                       "offer", "error",   "error_text", "functions"};
  const struct tl_schema *schema = n->g->schema;
  for (size_t i = 0; i < sizeof always / sizeof *always; i++)
    take_name(n, tl_gen_text(n->g, "%s_%s", n->g->name, always[i]),
              "what every interface has by itself");
  take_values(n, &schema->errors, n->g->name, "the errors");
  for (const struct tl_schema_declaration *d = schema->first_by_need; d; d = d->next_by_need)
    take_declaration(n, d);
  for (const struct tl_schema_procedure *p = schema->self.procedures.first; p; p = p->next)
    take_procedure(n, p);
}

/* ---- what one struct or one function has ---- */

static int take_slots(struct tl_gen *g, const struct tl_schema_members *members, const char *what,
                      char problem[TL_GEN_PROBLEM_SIZE]) {
  struct names n = {.g = g, .problem = problem};
  tl_table_init(&n.taken, NULL);
  for (const struct tl_schema_member *m = members->first; m; m = m->next) {
    struct tl_slot slot = tl_slot_of(g, m, "");
    const char *suffix = m->type ? tl_slot_size_suffix(&slot) : "";
    const char *said = tl_gen_text(g, "'%s' of %s", m->name, what);
    take_name(&n, slot.name, said);
    if (*suffix)
      take_name(&n, tl_gen_text(g, "%s%s", slot.name, suffix),
                tl_gen_text(g, "the %s of %s", suffix + 1, said));
  }
  tl_table_deinit(&n.taken);
  return n.code;
}

static int check_slots(struct tl_gen *g, char problem[TL_GEN_PROBLEM_SIZE]) {
  const struct tl_schema *schema = g->schema;
  int r = 0;
  for (const struct tl_schema_declaration *d = schema->first_by_need; d && !r; d = d->next_by_need)
    if (d->kind != TL_SCHEMA_ENUM)
      r = take_slots(g, &d->members, tl_gen_text(g, "type '%s'", d->name), problem);
  for (const struct tl_schema_procedure *p = schema->self.procedures.first; p && !r; p = p->next)
    r = take_slots(g, &p->parameters, tl_gen_text(g, "procedure '%s'", p->name), problem);
  return r;
}

/* ---- what is not there yet ---- */

static int refuse(char problem[TL_GEN_PROBLEM_SIZE], const char *what, const char *name,
                  const char *why) {
  (void)snprintf(problem, TL_GEN_PROBLEM_SIZE, "%s '%s': %s", what, name, why);
  return TULLE_E_UNSUPPORTED;
}

static int check_kinds(const struct tl_schema *schema, char problem[TL_GEN_PROBLEM_SIZE]) {
  const char *stream = "no C is generated for streams and signals";
  const char *object = "no C is generated for references to objects and callbacks";
  if (schema->streams.first) return refuse(problem, "stream", schema->streams.first->name, stream);
  if (schema->signals.first) return refuse(problem, "signal", schema->signals.first->name, stream);
  for (const struct tl_schema_declaration *d = schema->first; d; d = d->next) {
    if (d->kind == TL_SCHEMA_OBJECT) return refuse(problem, "interface", d->name, object);
    if (d->kind == TL_SCHEMA_CALLBACK) return refuse(problem, "callback", d->name, object);
  }
  for (const struct tl_schema_procedure *p = schema->self.procedures.first; p; p = p->next)
    for (const struct tl_schema_member *m = p->parameters.first; m; m = m->next)
      if (m->type->kind >= TL_SCHEMA_OBJECT) return refuse(problem, "parameter", m->name, object);
  return 0;
}

int tl_gen_check(struct tl_gen *g, char problem[TL_GEN_PROBLEM_SIZE]) {
  struct names n = {.g = g, .problem = problem};
  int r = check_kinds(g->schema, problem);
  if (!r && strcmp(g->name, "tulle") == 0)
    r = refuse(problem, "interface", g->name, "its names in C would be those of the library");
  if (!r) r = check_slots(g, problem);
  if (r) return r;
  tl_table_init(&n.taken, NULL);
  take_globals(&n);
  tl_table_deinit(&n.taken);
  return n.code;
}
