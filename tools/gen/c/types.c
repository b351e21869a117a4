/*
 * The types of an interface, for its header.
 */
#include <string.h>

#include "tools/gen/c/code.h"

void tl_gen_member(struct tl_gen *g, int indent, const struct tl_slot *slot) {
  const char *text = tl_slot_declare(g, slot, TL_FORM_MEMBER, "; ");
  const char *second = strstr(text, "; ");
  const char *note = slot->is_optional ? " /* or NULL */" : "";
  if (!second) {
    tl_out_line(g->out, indent, "%s;%s", text, note);
    return;
  }
  tl_out_line(g->out, indent, "%.*s;%s", (int)(second - text), text, note);
  tl_out_line(g->out, indent, "%s;", second + 2);
}

static void write_wrapper(struct tl_gen *g, const struct tl_slot *inner) {
  tl_out_line(g->out, 0, "struct %s {", inner->path);
  tl_gen_member(g, 2, inner);
  tl_out_line(g->out, 0, "};");
  tl_out_gap(g->out);
}

static void write_entry(struct tl_gen *g, const struct tl_slot *slot) {
  const char *path = tl_path_entry(g, slot->path);
  struct tl_slot key = tl_slot_in(slot, path, slot->type->key);
  struct tl_slot value = tl_slot_in(slot, path, slot->type->element);
  key.name = "key";
  tl_gen_wrappers(g, &value);
  tl_out_line(g->out, 0, "struct %s {", path);
  tl_gen_member(g, 2, &key);
  tl_gen_member(g, 2, &value);
  tl_out_line(g->out, 0, "};");
  tl_out_gap(g->out);
}

void tl_gen_wrappers(struct tl_gen *g, const struct tl_slot *slot) {
  struct tl_slot inner = *slot;
  if (slot->is_optional && slot->type->kind == TL_SCHEMA_ARRAY) {
    inner = tl_slot_in(slot, tl_path_value(g, slot->path), slot->type);
    tl_gen_wrappers(g, &inner);
    write_wrapper(g, &inner);
    return;
  }
  while (inner.type->kind == TL_SCHEMA_ARRAY) inner.type = inner.type->element;
  if (inner.type->kind == TL_SCHEMA_MAP) write_entry(g, &inner);
  if (inner.type->kind != TL_SCHEMA_LIST || !tl_type_is_wrapped(inner.type->element)) return;
  inner = tl_slot_in(&inner, tl_path_element(g, inner.path), inner.type->element);
  tl_gen_wrappers(g, &inner);
  write_wrapper(g, &inner);
}

static void write_members_wrappers(struct tl_gen *g, const struct tl_schema_members *members,
                                   const char *owner) {
  for (const struct tl_schema_member *m = members->first; m; m = m->next) {
    struct tl_slot slot = tl_slot_of(g, m, owner);
    if (m->type) tl_gen_wrappers(g, &slot);
  }
}

static void write_enum(struct tl_gen *g, const char *type, const struct tl_schema_declaration *d) {
  tl_out_comment(g->out, 0, d->documentation);
  tl_out_line(g->out, 0, d->is_open ? "enum %s { /* others may come */" : "enum %s {", type);
  for (const struct tl_schema_member *m = d->members.first; m; m = m->next) {
    tl_out_comment(g->out, 2, m->documentation);
    tl_out_line(g->out, 2, "%s_%s = %d,", tl_gen_capitals(g, type), tl_gen_capitals(g, m->name),
                m->number);
  }
  tl_out_line(g->out, 0, "};");
  tl_out_gap(g->out);
}

static void write_struct(struct tl_gen *g, const char *type,
                         const struct tl_schema_declaration *d) {
  tl_out_comment(g->out, 0, d->documentation);
  tl_out_line(g->out, 0, "struct %s {", type);
  for (const struct tl_schema_member *m = d->members.first; m; m = m->next) {
    struct tl_slot slot = tl_slot_of(g, m, type);
    tl_out_comment(g->out, 2, m->documentation);
    tl_gen_member(g, 2, &slot);
  }
  tl_out_line(g->out, 0, "};");
  tl_out_gap(g->out);
}

static void write_alternatives(struct tl_gen *g, const char *type,
                               const struct tl_schema_declaration *d) {
  tl_out_line(g->out, 2, "union {");
  for (const struct tl_schema_member *m = d->members.first; m; m = m->next) {
    if (!m->type) continue;
    struct tl_slot slot = tl_slot_of(g, m, type);
    tl_out_comment(g->out, 4, m->documentation);
    bool is_two = *tl_slot_size_suffix(&slot);
    if (is_two) tl_out_line(g->out, 4, "struct {");
    tl_gen_member(g, is_two ? 6 : 4, &slot);
    if (is_two) tl_out_line(g->out, 4, "};");
  }
  tl_out_line(g->out, 2, "};");
}

static void write_union(struct tl_gen *g, const char *type, const struct tl_schema_declaration *d) {
  bool has_values = false;
  tl_out_line(g->out, 0, "enum %s_is {", type);
  for (const struct tl_schema_member *m = d->members.first; m; m = m->next) {
    has_values |= m->type != NULL;
    tl_out_line(g->out, 2, "%s_%s = %d,", tl_gen_capitals(g, type), tl_gen_capitals(g, m->name),
                m->number);
  }
  if (d->is_open)
    tl_out_line(g->out, 2, "%s_ANOTHER_ = -1, /* one that came later */", tl_gen_capitals(g, type));
  tl_out_line(g->out, 0, "};");
  tl_out_gap(g->out);
  tl_out_comment(g->out, 0, d->documentation);
  tl_out_line(g->out, 0, "struct %s {", type);
  tl_out_line(g->out, 2, "enum %s_is is;", type);
  if (has_values) write_alternatives(g, type, d);
  tl_out_line(g->out, 0, "};");
  tl_out_gap(g->out);
}

static void write_errors(struct tl_gen *g) {
  const struct tl_schema_member *m = g->schema->errors.first;
  if (!m) return;
  tl_out_line(g->out, 0, "enum %s_error {", g->name);
  for (; m; m = m->next) {
    tl_out_comment(g->out, 2, m->documentation);
    tl_out_line(g->out, 2, "%s_%s = %d,", tl_gen_capitals(g, g->name), tl_gen_capitals(g, m->name),
                m->number);
  }
  tl_out_line(g->out, 0, "};");
  tl_out_gap(g->out);
}

void tl_gen_types(struct tl_gen *g) {
  write_errors(g);
  tl_out_line(g->out, 0,
              "/** A text for what these functions return: an error of this interface, or of "
              "tulle's. */");
  tl_out_line(g->out, 0, "const char *%s_error_text(int code);", g->name);
  tl_out_gap(g->out);
  for (const struct tl_schema_declaration *d = g->schema->first_by_need; d; d = d->next_by_need) {
    const char *type = tl_gen_text(g, "%s_%s", g->name, d->name);
    if (d->kind == TL_SCHEMA_ENUM) {
      write_enum(g, type, d);
      continue;
    }
    write_members_wrappers(g, &d->members, type);
    if (d->kind == TL_SCHEMA_UNION)
      write_union(g, type, d);
    else
      write_struct(g, type, d);
  }
  for (const struct tl_schema_procedure *p = g->schema->self.procedures.first; p; p = p->next)
    write_members_wrappers(g, &p->parameters, tl_gen_owner(g, p));
}
