/*
 * What both sides know of a procedure: its parameters in their forms, the struct of their values,
 * and how arguments and results are packed and unpacked.
 */
#include "tools/gen/c/code.h"

const char *tl_gen_owner(struct tl_gen *g, const struct tl_schema_procedure *p) {
  return tl_gen_text(g, "%s_%s", g->name, p->name);
}

bool tl_gen_takes_memory(const struct tl_schema_procedure *p) {
  for (const struct tl_schema_member *m = p->parameters.first; m; m = m->next)
    if ((m->direction & TL_SCHEMA_OUT) && tl_slot_has_pointers(m)) return true;
  return false;
}

/* ---- declarations ---- */

const char *tl_gen_declare_all(struct tl_gen *g, const struct tl_schema_procedure *p,
                               bool has_memory) {
  const char *text = "";
  bool is_owed = has_memory && tl_gen_takes_memory(p);
  for (const struct tl_schema_member *m = p->parameters.first; m; m = m->next) {
    struct tl_slot slot = tl_slot_of(g, m, tl_gen_owner(g, p));
    bool is_out = m->direction & TL_SCHEMA_OUT;
    if (is_owed && is_out) {
      text = tl_gen_text(g, "%s, struct tulle_memory *memory", text);
      is_owed = false;
    }
    text = tl_gen_text(g, "%s, %s", text,
                       tl_slot_declare(g, &slot, is_out ? TL_FORM_OUT : TL_FORM_IN, ", "));
  }
  return text;
}

const char *tl_gen_declare_some(struct tl_gen *g, const struct tl_schema_procedure *p,
                                enum tl_schema_direction direction) {
  const char *text = "";
  for (const struct tl_schema_member *m = p->parameters.first; m; m = m->next) {
    struct tl_slot slot = tl_slot_of(g, m, tl_gen_owner(g, p));
    if (m->direction & direction)
      text = tl_gen_text(g, "%s, %s", text, tl_slot_declare(g, &slot, TL_FORM_IN, ", "));
  }
  return text;
}

/* ---- handing on ---- */

const char *tl_gen_hand(struct tl_gen *g, const struct tl_schema_member *m,
                        enum tl_handing handing) {
  struct tl_slot slot = tl_slot_of(g, m, "");
  enum tl_schema_kind kind = m->type->kind;
  bool is_array = kind == TL_SCHEMA_ARRAY && !m->is_optional;
  bool is_struct = (kind == TL_SCHEMA_STRUCT || kind == TL_SCHEMA_UNION) && !m->is_optional;
  const char *before = "", *suffix = tl_slot_size_suffix(&slot);
  if (handing == TL_HAND_ON_CONTENT && !is_array && !is_struct) before = "*";
  if (handing == TL_HAND_VALUE) before = is_struct ? "&v." : "v.";
  if (handing == TL_HAND_ROOM) before = is_array ? "v." : "&v.";
  const char *text = tl_gen_text(g, ", %s%s", before, slot.name);
  return *suffix ? tl_gen_text(g, "%s, %s%s%s", text, before, slot.name, suffix) : text;
}

const char *tl_gen_hand_some(struct tl_gen *g, const struct tl_schema_procedure *p,
                             enum tl_schema_direction direction, enum tl_handing handing) {
  const char *text = "";
  for (const struct tl_schema_member *m = p->parameters.first; m; m = m->next)
    if (m->direction & direction) text = tl_gen_text(g, "%s%s", text, tl_gen_hand(g, m, handing));
  return text;
}

/* ---- packing ---- */

static size_t count_some(const struct tl_schema_procedure *p, enum tl_schema_direction direction) {
  return direction == TL_SCHEMA_IN ? p->request_count : p->reply_count;
}

static size_t fixed_size(const struct tl_schema_procedure *p, enum tl_schema_direction direction) {
  size_t size = tl_head_size(count_some(p, direction));
  for (const struct tl_schema_member *m = p->parameters.first; m; m = m->next)
    if (m->direction & direction) size += tl_type_fixed_size(m->type);
  return size;
}

void tl_gen_pack_some(struct tl_gen *g, const struct tl_schema_procedure *p,
                      enum tl_schema_direction direction, const char *begin) {
  size_t count = count_some(p, direction);
  const char *owner = tl_gen_owner(g, p);
  g->measure = "&measure";
  tl_out_line(g->out, 2, "struct tulle_measure measure = tulle_measure_from(%zu);",
              count ? fixed_size(p, direction) : 0);
  for (const struct tl_schema_member *m = p->parameters.first; m; m = m->next) {
    struct tl_slot slot = tl_slot_of(g, m, owner);
    if (m->direction & direction)
      tl_gen_measure(g, 2, &slot, tl_place_of_parameter(g, &slot, TL_FORM_IN));
  }
  if (!count) {
    tl_out_line(g->out, 2, "(void)%s;", begin);
    return;
  }
  tl_out_line(g->out, 2, "struct tulle_pack *pack = %s;", begin);
  tl_out_line(g->out, 2, "if (pack) {");
  tl_out_line(g->out, 4, "tulle_pack_array(pack, %zu);", count);
  for (const struct tl_schema_member *m = p->parameters.first; m; m = m->next) {
    struct tl_slot slot = tl_slot_of(g, m, owner);
    if (m->direction & direction)
      tl_gen_encode(g, 4, &slot, tl_place_of_parameter(g, &slot, TL_FORM_IN));
  }
  tl_out_line(g->out, 2, "}");
}

/* ---- unpacking ---- */

static void write_values(struct tl_gen *g, const struct tl_schema_procedure *p) {
  const char *owner = tl_gen_owner(g, p);
  tl_out_line(g->out, 0, "struct %s_values {", owner);
  for (const struct tl_schema_member *m = p->parameters.first; m; m = m->next) {
    struct tl_slot slot = tl_slot_of(g, m, owner);
    tl_gen_member(g, 2, &slot);
  }
  tl_out_line(g->out, 0, "};");
  tl_out_gap(g->out);
}

static size_t count_needed(const struct tl_schema_procedure *p,
                           enum tl_schema_direction direction) {
  size_t position = 0, needed = 0;
  for (const struct tl_schema_member *m = p->parameters.first; m; m = m->next) {
    if (!(m->direction & direction)) continue;
    position++;
    if (!m->is_optional) needed = position;
  }
  return needed;
}

static void write_decoder(struct tl_gen *g, const struct tl_schema_procedure *p,
                          enum tl_schema_direction direction, const char *what) {
  size_t count = count_some(p, direction), needed = count_needed(p, direction), position = 0;
  const char *owner = tl_gen_owner(g, p);
  if (!count) return;
  tl_out_line(g->out, 0,
              "static int decode_%s_of_%s(struct tulle_decoder *d, struct %s_values *v) {", what,
              p->name, owner);
  tl_out_line(g->out, 2, "size_t fields = tulle_decode_values(d, %zu, %zu);", needed, count);
  for (const struct tl_schema_member *m = p->parameters.first; m; m = m->next)
    if (m->direction & direction) tl_gen_decode_field(g, m, owner, position++, needed);
  tl_out_line(g->out, 2, "return tulle_decode_values_end(d, fields, %zu);", count);
  tl_out_line(g->out, 0, "}");
  tl_out_gap(g->out);
}

void tl_gen_procedures(struct tl_gen *g) {
  for (const struct tl_schema_procedure *p = g->schema->self.procedures.first; p; p = p->next) {
    if (p->parameters.count) write_values(g, p);
    write_decoder(g, p, TL_SCHEMA_IN, "arguments");
    write_decoder(g, p, TL_SCHEMA_OUT, "results");
  }
}
