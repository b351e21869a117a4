/*
 * The canonical form (docs/interface-language.md): for every model exactly one text, which is read as
 * that model again.
 */
#include <stdio.h>
#include <string.h>

#include "core/schema/schema.h"
#include "core/schema/words.h"

/* As snprintf over several pieces: `size` counts on where `out` has no more room. */
struct writer {
  char *out;
  size_t out_size;
  size_t size;
  enum tl_schema_form form;
};

static void put_of(struct writer *w, const char *text, size_t length) {
  if (w->size < w->out_size) {
    size_t room = w->out_size - w->size - 1;
    memcpy(w->out + w->size, text, length < room ? length : room);
    w->out[w->size + (length < room ? length : room)] = 0;
  }
  w->size += length;
}

static void put(struct writer *w, const char *text) {
  put_of(w, text, strlen(text));
}

static void put_number(struct writer *w, long long number) {
  char text[32];
  put_of(w, text, (size_t)snprintf(text, sizeof text, "%lld", number));
}

static void put_documentation(struct writer *w, unsigned level, const char *text) {
  if (!text || w->form != TL_SCHEMA_DOCUMENTED) return;
  for (const char *end; text; text = *end ? end + 1 : NULL) {
    end = strchrnul(text, '\n');
    put_of(w, "    ", level * 2);
    put(w, end > text ? "/// " : "///");
    put_of(w, text, (size_t)(end - text));
    put(w, "\n");
  }
}

static void put_indent(struct writer *w, unsigned level) {
  put_of(w, "    ", level * 2);
}

/* ---- types ---- */

static void put_bound(struct writer *w, const char *before, uint32_t bound, const char *after) {
  if (!bound) return;
  put(w, before);
  put_number(w, bound);
  put(w, after);
}

static void put_arrays(struct writer *w, const struct tl_schema_type *t) {
  for (; t->kind == TL_SCHEMA_ARRAY; t = t->element) put_bound(w, "[", t->bound, "]");
}

/* Without the arrays around it, which stand behind the name. */
static void put_type(struct writer *w, const struct tl_schema_type *t) {
  while (t->kind == TL_SCHEMA_ARRAY) t = t->element;
  put(w, t->declaration ? t->declaration->name : tl_schema_kind_word(t->kind));
  if (t->kind == TL_SCHEMA_STRING || t->kind == TL_SCHEMA_BYTES) put_bound(w, "<", t->bound, ">");
  if (t->kind != TL_SCHEMA_LIST && t->kind != TL_SCHEMA_MAP) return;
  put(w, "<");
  if (t->key) {
    put_type(w, t->key);
    put(w, ", ");
  }
  put_type(w, t->element);
  put_arrays(w, t->element);
  put_bound(w, ", ", t->bound, "");
  put(w, ">");
}

static void put_declarator(struct writer *w, const struct tl_schema_member *m) {
  if (m->is_optional) put(w, "optional ");
  if (m->type)
    put_type(w, m->type);
  else
    put(w, "void");
  put(w, " ");
  put(w, m->name);
  if (m->type) put_arrays(w, m->type);
}

/* ---- declarations ---- */

static void put_assigned(struct writer *w, const struct tl_schema_member *m) {
  put(w, " = ");
  put_number(w, m->number);
}

static void put_enum_values(struct writer *w, const struct tl_schema_declaration *d) {
  for (const struct tl_schema_member *m = d->members.first; m; m = m->next) {
    put_documentation(w, 2, m->documentation);
    put_indent(w, 2);
    put(w, m->name);
    put_assigned(w, m);
    put(w, ",\n");
  }
  if (d->is_open) put(w, "    ...,\n");
}

static void put_fields(struct writer *w, const struct tl_schema_declaration *d) {
  for (const struct tl_schema_member *m = d->members.first; m; m = m->next) {
    put_documentation(w, 2, m->documentation);
    put_indent(w, 2);
    put_declarator(w, m);
    put(w, ";\n");
  }
  if (d->is_open) put(w, "    ...;\n");
}

static void put_parameter(struct writer *w, const struct tl_schema_member *m, bool is_first,
                          bool is_result) {
  if (!is_first) put(w, ", ");
  if (m->direction == TL_SCHEMA_OUT && !is_result) put(w, "out ");
  if (m->direction == TL_SCHEMA_INOUT) put(w, "inout ");
  put_declarator(w, m);
}

/* The first of the results that stand behind all that is no result. */
static const struct tl_schema_member *first_result(const struct tl_schema_procedure *p) {
  const struct tl_schema_member *first = NULL;
  for (const struct tl_schema_member *m = p->parameters.first; m; m = m->next) {
    if (m->direction != TL_SCHEMA_OUT)
      first = NULL;
    else if (!first)
      first = m;
  }
  return first;
}

static void put_call(struct writer *w, const struct tl_schema_procedure *p) {
  const struct tl_schema_member *m = p->parameters.first, *result = first_result(p);
  put(w, p->name);
  put(w, "(");
  for (; m != result; m = m->next) put_parameter(w, m, m == p->parameters.first, false);
  put(w, ")");
  if (result) put(w, " -> (");
  for (; m; m = m->next) put_parameter(w, m, m == result, true);
  if (result) put(w, ")");
  for (const struct tl_schema_failure *f = p->failures; f; f = f->next) {
    put(w, f == p->failures ? " fails " : ", ");
    put(w, f->error->name);
  }
}

static void put_procedures(struct writer *w, const struct tl_schema_procedures *list,
                           unsigned level) {
  for (const struct tl_schema_procedure *p = list->first; p; p = p->next) {
    put_documentation(w, level, p->documentation);
    put_indent(w, level);
    if (p->is_oneway) put(w, "oneway ");
    put_call(w, p);
    put(w, ";\n");
  }
}

static const char *word_of(enum tl_schema_kind kind) {
  switch (kind) {
  case TL_SCHEMA_ENUM:
    return "  enum ";
  case TL_SCHEMA_STRUCT:
    return "  struct ";
  case TL_SCHEMA_UNION:
    return "  union ";
  default:
    return "  interface ";
  }
}

static void put_declaration(struct writer *w, const struct tl_schema_declaration *d) {
  put_documentation(w, 1, d->documentation);
  if (d->kind == TL_SCHEMA_CALLBACK) {
    put(w, "  callback ");
    put_call(w, d->procedures.first);
    put(w, ";\n");
    return;
  }
  put(w, word_of(d->kind));
  put(w, d->name);
  put(w, " {\n");
  if (d->kind == TL_SCHEMA_ENUM)
    put_enum_values(w, d);
  else
    put_fields(w, d);
  put_procedures(w, &d->procedures, 2);
  put(w, "  }\n");
}

static void put_errors(struct writer *w, const struct tl_schema_members *list) {
  for (const struct tl_schema_member *m = list->first; m; m = m->next) {
    put_documentation(w, 1, m->documentation);
    put(w, "  error ");
    put(w, m->name);
    put_assigned(w, m);
    put(w, ";\n");
  }
}

static void put_streams(struct writer *w, const struct tl_schema_members *list) {
  for (const struct tl_schema_member *m = list->first; m; m = m->next) {
    put_documentation(w, 1, m->documentation);
    put(w, m->direction == TL_SCHEMA_IN ? "  stream in " : "  stream ");
    put_declarator(w, m);
    put(w, ";\n");
  }
}

static void put_signals(struct writer *w, const struct tl_schema_members *list) {
  for (const struct tl_schema_member *m = list->first; m; m = m->next) {
    put_documentation(w, 1, m->documentation);
    put(w, "  signal ");
    put_declarator(w, m);
    put_assigned(w, m);
    put(w, ";\n");
  }
}

size_t tl_schema_write(const struct tl_schema *s, enum tl_schema_form form, char *out,
                       size_t out_size) {
  struct writer w = {out, out_size, 0, form};
  put_documentation(&w, 0, s->self.documentation);
  put(&w, "interface ");
  put(&w, s->self.name);
  put(&w, " ");
  put_number(&w, s->version);
  put(&w, " {\n");
  put_errors(&w, &s->errors);
  for (const struct tl_schema_declaration *d = s->first; d; d = d->next) put_declaration(&w, d);
  put_procedures(&w, &s->self.procedures, 1);
  put_streams(&w, &s->streams);
  put_signals(&w, &s->signals);
  put(&w, "}\n");
  return w.size;
}

size_t tl_schema_write_procedure(const struct tl_schema_procedure *procedure, char *out,
                                 size_t out_size) {
  struct writer w = {out, out_size, 0, TL_SCHEMA_CANONICAL};
  put_call(&w, procedure);
  return w.size;
}

size_t tl_schema_write_type(const struct tl_schema_type *type, char *out, size_t out_size) {
  struct writer w = {out, out_size, 0, TL_SCHEMA_CANONICAL};
  put_type(&w, type);
  put_arrays(&w, type);
  return w.size;
}
