/*
 * Decoding: what comes in.
 */
#include <string.h>

#include "tools/gen/c/code.h"

static void decode_value(struct tl_gen *g, int indent, int depth, const struct tl_slot *slot,
                         struct tl_place place);

/* ---- numbers ---- */

static void decode_number(struct tl_gen *g, int indent, const struct tl_slot *slot,
                          struct tl_place place) {
  static const char *const formats[] = {
      "%s = tulle_decode_bool(d, \"%s\");",
      "%s = (uint8_t)tulle_decode_uint(d, \"%s\", UINT8_MAX);",
      "%s = (uint16_t)tulle_decode_uint(d, \"%s\", UINT16_MAX);",
      "%s = (uint32_t)tulle_decode_uint(d, \"%s\", UINT32_MAX);",
      "%s = tulle_decode_uint(d, \"%s\", UINT64_MAX);",
      "%s = (int8_t)tulle_decode_int(d, \"%s\", INT8_MIN, INT8_MAX);",
      "%s = (int16_t)tulle_decode_int(d, \"%s\", INT16_MIN, INT16_MAX);",
      "%s = (int32_t)tulle_decode_int(d, \"%s\", INT32_MIN, INT32_MAX);",
      "%s = tulle_decode_int(d, \"%s\", INT64_MIN, INT64_MAX);",
      "%s = (float)tulle_decode_double(d, \"%s\");",
      "%s = tulle_decode_double(d, \"%s\");"};
  const char *format = formats[slot->type->kind];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  tl_out_line(g->out, indent, format, place.value, slot->said_name);
#pragma GCC diagnostic pop
}

/* An enum's numbers, if they follow each other without a gap. */
static bool is_range(const struct tl_schema_declaration *d, int32_t *out_min, int32_t *out_max) {
  const struct tl_schema_member *m = d->members.first;
  *out_min = *out_max = m->number;
  for (; m; m = m->next) {
    if (m->number < *out_min) *out_min = m->number;
    if (m->number > *out_max) *out_max = m->number;
  }
  return (int64_t)*out_max - *out_min + 1 == (int64_t)d->members.count;
}

static void decode_enum(struct tl_gen *g, int indent, const struct tl_slot *slot,
                        struct tl_place place) {
  const struct tl_schema_declaration *d = slot->type->declaration;
  const char *type = tl_gen_text(g, "%s_%s", g->name, d->name);
  int32_t min, max;
  if (d->is_open)
    tl_out_line(g->out, indent, "%s = (enum %s)tulle_decode_int(d, \"%s\", INT32_MIN, INT32_MAX);",
                place.value, type, slot->said_name);
  else if (is_range(d, &min, &max))
    tl_out_line(g->out, indent, "%s = (enum %s)tulle_decode_int(d, \"%s\", %d, %d);", place.value,
                type, slot->said_name, min, max);
  else
    tl_out_line(g->out, indent, "%s = decode_%s(d, \"%s\");", place.value, d->name,
                slot->said_name);
}

/* ---- lists, maps, arrays ---- */

static void each_element(struct tl_gen *g, int indent, int depth, const struct tl_slot *slot,
                         struct tl_place at) {
  const struct tl_schema_type *element = slot->type->element;
  struct tl_slot inner = tl_slot_in(slot, tl_path_element(g, slot->path), element);
  if (slot->type->kind == TL_SCHEMA_ARRAY)
    inner.path = slot->path;
  else if (tl_type_is_wrapped(element))
    at = tl_place_inside(g, at, "value", element);
  decode_value(g, indent, depth, &inner, at);
}

static void each_of_pair(struct tl_gen *g, int indent, int depth, const struct tl_slot *slot,
                         struct tl_place at) {
  const char *path = tl_path_entry(g, slot->path);
  struct tl_slot key = tl_slot_in(slot, path, slot->type->key);
  struct tl_slot value = tl_slot_in(slot, path, slot->type->element);
  decode_value(g, indent, depth, &key, tl_place_inside(g, at, "key", key.type));
  decode_value(g, indent, depth, &value, tl_place_inside(g, at, "value", value.type));
}

static void loop(struct tl_gen *g, int indent, int depth, const struct tl_slot *slot,
                 struct tl_place place, const char *count) {
  struct tl_out *out = g->out, body = {0};
  const char *i = tl_gen_index(g, depth);
  struct tl_place at = tl_place_index(g, place, i);
  g->out = &body;
  if (slot->type->kind == TL_SCHEMA_MAP)
    each_of_pair(g, indent + 2, depth + 1, slot, at);
  else
    each_element(g, indent + 2, depth + 1, slot, at);
  g->out = out;
  tl_out_block(out, indent, tl_gen_text(g, "for (size_t %s = 0; %s < %s; %s++)", i, i, count, i),
               &body);
}

/* A list or map is filled through a pointer that may write. */
static void decode_list(struct tl_gen *g, int indent, int depth, const struct tl_slot *slot,
                        struct tl_place place) {
  const struct tl_schema_type *type = slot->type;
  bool is_map = type->kind == TL_SCHEMA_MAP;
  const char *name = depth ? tl_gen_text(g, "items%d", depth) : slot->name;
  const char *element = is_map ? tl_gen_text(g, "struct %s", tl_path_entry(g, slot->path))
                               : tl_type_name(g, type->element, slot->path);
  const char *star = element[strlen(element) - 1] == '*' ? "*" : " *";
  tl_out_line(g->out, indent, "%s%s%s = (%s%s)tulle_decode_%s(d, \"%s\", %u, sizeof *%s, &%s);",
              element, star, name, element, star, is_map ? "map" : "list", slot->said_name,
              type->bound, name, place.size);
  loop(g, indent, depth, slot, (struct tl_place){name, ""}, place.size);
  if (is_map) {
    bool is_text = type->key->kind == TL_SCHEMA_STRING;
    tl_out_line(g->out, indent, "tulle_decode_unique(d, \"%s\", %s, %s, sizeof *%s, %s);",
                slot->said_name, name, place.size, name,
                is_text ? "0" : tl_gen_text(g, "sizeof %s->key", name));
  }
  tl_out_line(g->out, indent, "%s = %s;", place.value, name);
}

static void decode_array(struct tl_gen *g, int indent, int depth, const struct tl_slot *slot,
                         struct tl_place place) {
  tl_out_line(g->out, indent, "tulle_decode_array(d, \"%s\", %u);", slot->said_name,
              slot->type->bound);
  loop(g, indent, depth, slot, place, tl_gen_text(g, "%u", slot->type->bound));
}

static void decode_value(struct tl_gen *g, int indent, int depth, const struct tl_slot *slot,
                         struct tl_place place) {
  const struct tl_schema_type *type = slot->type;
  if (type->kind <= TL_SCHEMA_F64)
    decode_number(g, indent, slot, place);
  else if (type->kind == TL_SCHEMA_ENUM)
    decode_enum(g, indent, slot, place);
  else if (type->kind == TL_SCHEMA_STRING)
    tl_out_line(g->out, indent, "%s = tulle_decode_text(d, \"%s\", %u);", place.value,
                slot->said_name, type->bound);
  else if (type->kind == TL_SCHEMA_BYTES)
    tl_out_line(g->out, indent, "%s = tulle_decode_bytes(d, \"%s\", %u, &%s);", place.value,
                slot->said_name, type->bound, place.size);
  else if (tl_type_is_raw(type))
    tl_out_line(g->out, indent, "tulle_decode_bytes_into(d, \"%s\", %s, %u);", slot->said_name,
                place.value, type->bound);
  else if (type->kind == TL_SCHEMA_ARRAY)
    decode_array(g, indent, depth, slot, place);
  else if (type->kind == TL_SCHEMA_LIST || type->kind == TL_SCHEMA_MAP)
    decode_list(g, indent, depth, slot, place);
  else
    tl_out_line(g->out, indent, "decode_%s(d, \"%s\", %s);", type->declaration->name,
                slot->said_name, tl_place_address(g, place));
}

/* ---- fields ---- */

/* Something optional that is no pointer by itself gets memory of its own. */
static void decode_pointed(struct tl_gen *g, int indent, const struct tl_slot *slot,
                           struct tl_place place) {
  bool is_array = slot->type->kind == TL_SCHEMA_ARRAY;
  const char *type = is_array ? tl_gen_text(g, "struct %s", tl_path_value(g, slot->path))
                              : tl_type_name(g, slot->type, slot->path);
  struct tl_out *out = g->out, body = {0};
  struct tl_place pointed = {tl_gen_text(g, "*%s", slot->name), ""};
  struct tl_slot inner = *slot;
  if (is_array) {
    inner = tl_slot_in(slot, tl_path_value(g, slot->path), slot->type);
    pointed = tl_place_inside(g, pointed, "value", slot->type);
  }
  tl_out_line(out, indent, "%s *%s = (%s *)tulle_decode_take(d, \"%s\", sizeof *%s);", type,
              slot->name, type, slot->said_name, slot->name);
  g->out = &body;
  decode_value(g, indent + 2, 0, &inner, pointed);
  g->out = out;
  tl_out_block(out, indent, tl_gen_text(g, "if (%s)", slot->name), &body);
  tl_out_line(out, indent, "%s = %s;", place.value, slot->name);
}

static void decode_slot(struct tl_gen *g, int indent, const struct tl_slot *slot,
                        struct tl_place place, const char *if_there) {
  if (!slot->is_optional) {
    decode_value(g, indent, 0, slot, place);
    return;
  }
  enum tl_schema_kind kind = slot->type->kind;
  bool is_pointer = kind >= TL_SCHEMA_STRING && kind <= TL_SCHEMA_MAP;
  struct tl_out *out = g->out, body = {0};
  g->out = &body;
  if (is_pointer)
    decode_value(g, indent + 2, 0, slot, place);
  else
    decode_pointed(g, indent + 2, slot, place);
  g->out = out;
  tl_out_block(out, indent, if_there, &body);
}

void tl_gen_decode_field(struct tl_gen *g, const struct tl_schema_member *m, const char *owner,
                         size_t position, size_t needed) {
  struct tl_slot slot = tl_slot_of(g, m, owner);
  const char *if_there = "if (tulle_decode_is_there(d))";
  if (position >= needed)
    if_there = tl_gen_text(g, "if (fields > %zu && tulle_decode_is_there(d))", position);
  decode_slot(g, 2, &slot, tl_place_of_member(g, "v->", &slot), if_there);
}

/* ---- functions for declared types ---- */

static void write_enum_decoder(struct tl_gen *g, const struct tl_schema_declaration *d) {
  const char *type = tl_gen_text(g, "%s_%s", g->name, d->name);
  int32_t min, max;
  if (d->is_open || is_range(d, &min, &max)) return;
  tl_out_line(g->out, 0, "static enum %s decode_%s(struct tulle_decoder *d, const char *name) {",
              type, d->name);
  tl_out_line(g->out, 2, "int64_t v = tulle_decode_int(d, name, INT32_MIN, INT32_MAX);");
  tl_out_line(g->out, 2, "switch (v) {");
  for (const struct tl_schema_member *m = d->members.first; m; m = m->next)
    tl_out_line(g->out, 2, "case %s_%s:", tl_gen_capitals(g, type), tl_gen_capitals(g, m->name));
  tl_out_line(g->out, 4, "break;");
  tl_out_line(g->out, 2, "default:");
  tl_out_line(g->out, 4,
              "tulle_decode_refuse(d, name, TULLE_E_BAD_MESSAGE, \"is no '%s': %%lld\", (long "
              "long)v);",
              d->name);
  tl_out_line(g->out, 2, "}");
  tl_out_line(g->out, 2, "return (enum %s)v;", type);
  tl_out_line(g->out, 0, "}");
  tl_out_gap(g->out);
}

static void write_struct_decoder(struct tl_gen *g, const struct tl_schema_declaration *d) {
  const char *type = tl_gen_text(g, "%s_%s", g->name, d->name);
  size_t count = d->members.count, needed = 0, i = 0;
  bool has_optional = false;
  for (const struct tl_schema_member *m = d->members.first; m; m = m->next) {
    i++;
    has_optional |= m->is_optional;
    if (!m->is_optional) needed = i;
  }
  if (has_optional) tl_out_line(g->out, 2, "memset(v, 0, sizeof *v);");
  tl_out_line(g->out, 2, "size_t fields = tulle_decode_struct(d, %zu, %zu);", needed, count);
  i = 0;
  for (const struct tl_schema_member *m = d->members.first; m; m = m->next, i++)
    tl_gen_decode_field(g, m, type, i, needed);
  tl_out_line(g->out, 2, "tulle_decode_struct_end(d, name, fields, %zu);", count);
}

static void write_alternative(struct tl_gen *g, const char *type,
                              const struct tl_schema_member *m) {
  bool has_block = m->type && (m->type->kind == TL_SCHEMA_LIST || m->type->kind == TL_SCHEMA_MAP);
  tl_out_line(g->out, 2, "case %s_%s:%s", tl_gen_capitals(g, type), tl_gen_capitals(g, m->name),
              has_block ? " {" : "");
  if (m->type) {
    struct tl_slot slot = tl_slot_of(g, m, type);
    tl_out_line(g->out, 4, "wanted = 2;");
    decode_slot(g, 4, &slot, tl_place_of_member(g, "v->", &slot), NULL);
  }
  tl_out_line(g->out, 4, "break;");
  if (has_block) tl_out_line(g->out, 2, "}");
}

static void write_union_decoder(struct tl_gen *g, const struct tl_schema_declaration *d) {
  const char *type = tl_gen_text(g, "%s_%s", g->name, d->name);
  tl_out_line(g->out, 2, "size_t values = tulle_decode_struct(d, 1, 2), wanted = 1;");
  tl_out_line(g->out, 2, "v->is = (enum %s_is)tulle_decode_uint(d, NULL, %s);", type,
              d->is_open ? "INT32_MAX" : tl_gen_text(g, "%zu", d->members.count - 1));
  tl_out_line(g->out, 2, "switch (v->is) {");
  for (const struct tl_schema_member *m = d->members.first; m; m = m->next)
    write_alternative(g, type, m);
  tl_out_line(g->out, 2, "default:");
  if (d->is_open) {
    tl_out_line(g->out, 4, "v->is = %s_ANOTHER_;", tl_gen_capitals(g, type));
    tl_out_line(g->out, 4, "wanted = values;");
    tl_out_line(g->out, 4, "if (values == 2) tulle_decode_skip(d);");
  }
  tl_out_line(g->out, 4, "break;");
  tl_out_line(g->out, 2, "}");
  tl_out_line(g->out, 2, "tulle_decode_union_end(d, name, values, wanted);");
}

void tl_gen_decoders(struct tl_gen *g) {
  for (const struct tl_schema_declaration *d = g->schema->first_by_need; d; d = d->next_by_need) {
    if (!tl_gen_is_used(g, d)) continue;
    if (d->kind == TL_SCHEMA_ENUM) {
      write_enum_decoder(g, d);
      continue;
    }
    tl_out_line(g->out, 0,
                "static void decode_%s(struct tulle_decoder *d, const char *name, struct %s_%s *v) "
                "{",
                d->name, g->name, d->name);
    if (d->kind == TL_SCHEMA_UNION)
      write_union_decoder(g, d);
    else
      write_struct_decoder(g, d);
    tl_out_line(g->out, 0, "}");
    tl_out_gap(g->out);
  }
}
