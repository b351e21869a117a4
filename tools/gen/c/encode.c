/*
 * Measuring and encoding: what goes out.
 */
#include <string.h>

#include "tools/gen/c/code.h"

static void measure_value(struct tl_gen *g, int indent, int depth, const struct tl_slot *slot,
                          struct tl_place place);
static void encode_value(struct tl_gen *g, int indent, int depth, const struct tl_slot *slot,
                         struct tl_place place);

/* What is done with each value that others are made of. */
typedef void each_value(struct tl_gen *g, int indent, int depth, const struct tl_slot *slot,
                        struct tl_place place);

static void each_element(struct tl_gen *g, int indent, int depth, const struct tl_slot *slot,
                         struct tl_place at, each_value *each) {
  const struct tl_schema_type *element = slot->type->element;
  struct tl_slot inner = tl_slot_in(slot, tl_path_element(g, slot->path), element);
  if (slot->type->kind == TL_SCHEMA_ARRAY)
    inner.path = slot->path;
  else if (tl_type_is_wrapped(element))
    at = tl_place_inside(g, at, "value", element);
  each(g, indent, depth, &inner, at);
}

static void each_of_pair(struct tl_gen *g, int indent, int depth, const struct tl_slot *slot,
                         struct tl_place at, each_value *each) {
  const char *path = tl_path_entry(g, slot->path);
  struct tl_slot key = tl_slot_in(slot, path, slot->type->key);
  struct tl_slot value = tl_slot_in(slot, path, slot->type->element);
  each(g, indent, depth, &key, tl_place_inside(g, at, "key", key.type));
  each(g, indent, depth, &value, tl_place_inside(g, at, "value", value.type));
}

/* A loop over what a list, a map or an array holds. A count that is found by a call is found once. */
static void loop(struct tl_gen *g, int indent, int depth, const struct tl_slot *slot,
                 struct tl_place place, const char *count, each_value *each) {
  struct tl_out *out = g->out, body = {0};
  const char *i = tl_gen_index(g, depth), *found = "";
  struct tl_place at = tl_place_index(g, place, i);
  g->out = &body;
  if (slot->type->kind == TL_SCHEMA_MAP)
    each_of_pair(g, indent + 2, depth + 1, slot, at, each);
  else
    each_element(g, indent + 2, depth + 1, slot, at, each);
  g->out = out;
  if (strchr(count, '(')) {
    found = tl_gen_text(g, ", %s_count = %s", i, count);
    count = tl_gen_text(g, "%s_count", i);
  }
  tl_out_block(out, indent,
               tl_gen_text(g, "for (size_t %s = 0%s; %s < %s; %s++)", i, found, i, count, i),
               &body);
}

static const char *bound_of(struct tl_gen *g, const struct tl_schema_type *type) {
  return tl_gen_text(g, "%u", type->bound);
}

/* ---- measuring ---- */

static void measure_list(struct tl_gen *g, int indent, int depth, const struct tl_slot *slot,
                         struct tl_place place) {
  const struct tl_schema_type *type = slot->type;
  bool is_map = type->kind == TL_SCHEMA_MAP;
  bool is_variable =
      tl_type_is_variable(type->element) || (is_map && tl_type_is_variable(type->key));
  size_t each = tl_type_fixed_size(type->element) + (is_map ? tl_type_fixed_size(type->key) : 0);
  const char *call = tl_gen_text(g, "tulle_measure_list(%s, \"%s\", %s, %s, %s, %zu)", g->measure,
                                 slot->said_name, place.value, place.size, bound_of(g, type), each);
  if (!is_variable) {
    tl_out_line(g->out, indent, "%s;", call);
    return;
  }
  loop(g, indent, depth, slot, place, call, measure_value);
}

static void measure_value(struct tl_gen *g, int indent, int depth, const struct tl_slot *slot,
                          struct tl_place place) {
  const struct tl_schema_type *type = slot->type;
  if (!tl_type_is_variable(type)) return;
  switch (type->kind) {
  case TL_SCHEMA_STRING:
    tl_out_line(g->out, indent, "tulle_measure_text(%s, \"%s\", %s, %s);", g->measure,
                slot->said_name, place.value, bound_of(g, type));
    return;
  case TL_SCHEMA_BYTES:
    tl_out_line(g->out, indent, "tulle_measure_bytes(%s, \"%s\", %s, %s, %s);", g->measure,
                slot->said_name, place.value, place.size, bound_of(g, type));
    return;
  case TL_SCHEMA_LIST:
  case TL_SCHEMA_MAP:
    measure_list(g, indent, depth, slot, place);
    return;
  case TL_SCHEMA_ARRAY:
    loop(g, indent, depth, slot, place, bound_of(g, type), measure_value);
    return;
  default:
    tl_out_line(g->out, indent, "measure_%s(%s, %s);", type->declaration->name, g->measure,
                tl_place_address(g, place));
  }
}

/* Where an optional value is: its pointer, in a condition, and then the value itself. */
static struct tl_place there(struct tl_gen *g, const struct tl_slot *slot, struct tl_place place) {
  enum tl_schema_kind kind = slot->type->kind;
  if (kind == TL_SCHEMA_ARRAY)
    return tl_place_inside(g, tl_place_pointed(g, place), "value", slot->type);
  bool is_pointer = kind >= TL_SCHEMA_STRING && kind <= TL_SCHEMA_MAP;
  return is_pointer ? place : tl_place_pointed(g, place);
}

/* What is inside an optional array is named after its wrapper. */
static struct tl_slot inside(struct tl_gen *g, const struct tl_slot *slot) {
  struct tl_slot inner = *slot;
  if (slot->type->kind == TL_SCHEMA_ARRAY) inner.path = tl_path_value(g, slot->path);
  return inner;
}

void tl_gen_measure(struct tl_gen *g, int indent, const struct tl_slot *slot,
                    struct tl_place place) {
  if (!slot->is_optional) {
    measure_value(g, indent, 0, slot, place);
    return;
  }
  struct tl_out *out = g->out, body = {0};
  struct tl_slot inner = inside(g, slot);
  g->out = &body;
  measure_value(g, indent + 2, 0, &inner, there(g, slot, place));
  g->out = out;
  if (body.size) tl_out_block(out, indent, tl_gen_text(g, "if (%s)", place.value), &body);
}

/* ---- encoding ---- */

static void encode_value(struct tl_gen *g, int indent, int depth, const struct tl_slot *slot,
                         struct tl_place place) {
  const struct tl_schema_type *type = slot->type;
  static const char *const scalars[] = {"bool", "uint", "uint", "uint",  "uint",   "int",
                                        "int",  "int",  "int",  "float", "double", "text"};
  if (type->kind <= TL_SCHEMA_STRING) {
    tl_out_line(g->out, indent, "tulle_pack_%s(pack, %s);", scalars[type->kind], place.value);
  } else if (type->kind == TL_SCHEMA_ENUM) {
    tl_out_line(g->out, indent, "tulle_pack_int(pack, %s);", place.value);
  } else if (type->kind == TL_SCHEMA_BYTES) {
    tl_out_line(g->out, indent, "tulle_pack_bytes(pack, %s, %s);", place.value, place.size);
  } else if (tl_type_is_raw(type)) {
    tl_out_line(g->out, indent, "tulle_pack_bytes(pack, %s, %u);", place.value, type->bound);
  } else if (tl_type_is_wrapped(type)) {
    const char *count = type->kind == TL_SCHEMA_ARRAY ? bound_of(g, type) : place.size;
    tl_out_line(g->out, indent, "tulle_pack_%s(pack, %s);",
                type->kind == TL_SCHEMA_MAP ? "map" : "array", count);
    loop(g, indent, depth, slot, place, count, encode_value);
  } else {
    tl_out_line(g->out, indent, "encode_%s(pack, %s);", type->declaration->name,
                tl_place_address(g, place));
  }
}

void tl_gen_encode(struct tl_gen *g, int indent, const struct tl_slot *slot,
                   struct tl_place place) {
  if (!slot->is_optional) {
    encode_value(g, indent, 0, slot, place);
    return;
  }
  struct tl_out *out = g->out, body = {0};
  struct tl_slot inner = inside(g, slot);
  g->out = &body;
  encode_value(g, indent + 2, 0, &inner, there(g, slot, place));
  g->out = out;
  tl_out_either(out, indent, tl_gen_text(g, "if (%s)", place.value), &body,
                "tulle_pack_nil(pack);");
}

/* ---- functions for declared types ---- */

static const char *type_of(struct tl_gen *g, const struct tl_schema_declaration *declaration) {
  return tl_gen_text(g, "%s_%s", g->name, declaration->name);
}

static void measure_alternative(struct tl_gen *g, const char *type, const char *kind,
                                const struct tl_schema_member *m) {
  struct tl_slot slot = tl_slot_of(g, m, type);
  if (!tl_type_is_variable(m->type)) return;
  tl_out_line(g->out, 2, "case %s_%s:", tl_gen_capitals(g, kind), tl_gen_capitals(g, m->name));
  tl_gen_measure(g, 4, &slot, tl_place_of_member(g, "v->", &slot));
  tl_out_line(g->out, 4, "break;");
}

static bool is_variable(const struct tl_schema_declaration *declaration) {
  for (const struct tl_schema_member *m = declaration->members.first; m; m = m->next)
    if (m->type && tl_type_is_variable(m->type)) return true;
  return false;
}

static void write_measure(struct tl_gen *g, const struct tl_schema_declaration *declaration) {
  const char *type = type_of(g, declaration);
  bool is_union = declaration->kind == TL_SCHEMA_UNION;
  if (!is_variable(declaration)) return;
  tl_out_line(g->out, 0, "static void measure_%s(struct tulle_measure *m, const struct %s *v) {",
              declaration->name, type);
  if (is_union) tl_out_line(g->out, 2, "switch (v->is) {");
  for (const struct tl_schema_member *m = declaration->members.first; m; m = m->next) {
    struct tl_slot slot = tl_slot_of(g, m, type);
    if (is_union && m->type) measure_alternative(g, type, type, m);
    if (!is_union) tl_gen_measure(g, 2, &slot, tl_place_of_member(g, "v->", &slot));
  }
  if (is_union) {
    tl_out_line(g->out, 2, "default:");
    tl_out_line(g->out, 4, "break;");
    tl_out_line(g->out, 2, "}");
  }
  tl_out_line(g->out, 0, "}");
  tl_out_gap(g->out);
}

static void write_struct_encoder(struct tl_gen *g,
                                 const struct tl_schema_declaration *declaration) {
  const char *type = type_of(g, declaration);
  tl_out_line(g->out, 2, "tulle_pack_array(pack, %zu);", declaration->members.count);
  for (const struct tl_schema_member *m = declaration->members.first; m; m = m->next) {
    struct tl_slot slot = tl_slot_of(g, m, type);
    tl_gen_encode(g, 2, &slot, tl_place_of_member(g, "v->", &slot));
  }
}

static void write_union_encoder(struct tl_gen *g, const struct tl_schema_declaration *declaration) {
  const char *type = type_of(g, declaration);
  tl_out_line(g->out, 2, "switch (v->is) {");
  for (const struct tl_schema_member *m = declaration->members.first; m; m = m->next) {
    tl_out_line(g->out, 2, "case %s_%s:", tl_gen_capitals(g, type), tl_gen_capitals(g, m->name));
    tl_out_line(g->out, 4, "tulle_pack_array(pack, %d);", m->type ? 2 : 1);
    tl_out_line(g->out, 4, "tulle_pack_uint(pack, %d);", (int)m->number);
    if (m->type) {
      struct tl_slot slot = tl_slot_of(g, m, type);
      tl_gen_encode(g, 4, &slot, tl_place_of_member(g, "v->", &slot));
    }
    tl_out_line(g->out, 4, "break;");
  }
  tl_out_line(g->out, 2, "default:");
  tl_out_line(g->out, 4, "pack->failed = true;");
  tl_out_line(g->out, 2, "}");
}

void tl_gen_encoders(struct tl_gen *g) {
  const struct tl_schema_declaration *d = g->schema->first_by_need;
  g->measure = "m";
  for (; d; d = d->next_by_need) {
    if (d->kind == TL_SCHEMA_ENUM || !tl_gen_is_used(g, d)) continue;
    write_measure(g, d);
    tl_out_line(g->out, 0, "static void encode_%s(struct tulle_pack *pack, const struct %s *v) {",
                d->name, type_of(g, d));
    if (d->kind == TL_SCHEMA_UNION)
      write_union_encoder(g, d);
    else
      write_struct_encoder(g, d);
    tl_out_line(g->out, 0, "}");
    tl_out_gap(g->out);
  }
}
