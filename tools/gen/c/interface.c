#include "tools/gen/c/interface.h"

#include <string.h>

#include "tools/gen/c/check.h"
#include "tools/gen/c/code.h"

/* ---- which types travel ---- */

static void mark_type(struct tl_gen *g, const struct tl_schema_type *type);

static void mark_members(struct tl_gen *g, const struct tl_schema_members *members) {
  for (const struct tl_schema_member *m = members->first; m; m = m->next)
    if (m->type) mark_type(g, m->type);
}

static void mark_type(struct tl_gen *g, const struct tl_schema_type *type) {
  if (type->key) mark_type(g, type->key);
  if (type->element) mark_type(g, type->element);
  const struct tl_schema_declaration *d = type->declaration;
  if (!d || g->failed || tl_gen_is_used(g, d)) return;
  struct tl_used *used = tulle_memory_take(&g->memory, sizeof *used, sizeof(void *));
  if (!used) {
    g->failed = true;
    return;
  }
  *used = (struct tl_used){g->used, d};
  g->used = used;
  mark_members(g, &d->members);
}

bool tl_gen_is_used(const struct tl_gen *g, const struct tl_schema_declaration *declaration) {
  for (const struct tl_used *u = g->used; u; u = u->next)
    if (u->declaration == declaration) return true;
  return false;
}

/* ---- the two files ---- */

static void write_header(struct tl_gen *g, const char *file) {
  const char *guard = tl_gen_text(g, "%s_TULLE_H", tl_gen_capitals(g, g->name));
  tl_out_line(g->out, 0, "/* Made by `tulle gen` from %s: changes go there. */", file);
  tl_out_line(g->out, 0, "#ifndef %s", guard);
  tl_out_line(g->out, 0, "#define %s", guard);
  tl_out_gap(g->out);
  tl_out_line(g->out, 0, "#include <tulle/tulle.h>");
  tl_out_gap(g->out);
  tl_out_line(g->out, 0, "#ifdef __cplusplus");
  tl_out_line(g->out, 0, "extern \"C\" {");
  tl_out_line(g->out, 0, "#endif");
  tl_out_gap(g->out);
  tl_gen_types(g);
  tl_gen_client_header(g);
  tl_gen_server_header(g);
  tl_out_line(g->out, 0, "#ifdef __cplusplus");
  tl_out_line(g->out, 0, "}");
  tl_out_line(g->out, 0, "#endif");
  tl_out_line(g->out, 0, "#endif");
}

/* What an error is called for people: its documentation if that is one line, else its name. */
static const char *error_text(struct tl_gen *g, const struct tl_schema_member *m) {
  const char *doc = m->documentation;
  if (doc && !strpbrk(doc, "\n\"\\")) return doc;
  char *text = tulle_memory_copy(&g->memory, m->name, strlen(m->name) + 1);
  if (!text) g->failed = true;
  for (char *p = text; p && *p; p++)
    if (*p == '_') *p = ' ';
  return text ? text : "";
}

static void write_error_text(struct tl_gen *g) {
  const char *type = tl_gen_capitals(g, g->name);
  tl_out_line(g->out, 0, "const char *%s_error_text(int code) {", g->name);
  if (g->schema->errors.first) {
    tl_out_line(g->out, 2, "switch (code) {");
    for (const struct tl_schema_member *m = g->schema->errors.first; m; m = m->next) {
      tl_out_line(g->out, 2, "case %s_%s:", type, tl_gen_capitals(g, m->name));
      tl_out_line(g->out, 4, "return \"%s\";", error_text(g, m));
    }
    tl_out_line(g->out, 2, "default:");
    tl_out_line(g->out, 4, "return tulle_error_text(code);");
    tl_out_line(g->out, 2, "}");
  } else {
    tl_out_line(g->out, 2, "return tulle_error_text(code);");
  }
  tl_out_line(g->out, 0, "}");
  tl_out_gap(g->out);
}

static void write_source(struct tl_gen *g, const char *file) {
  tl_out_line(g->out, 0, "/* Made by `tulle gen` from %s: changes go there. */", file);
  tl_out_line(g->out, 0, "#include \"%s.tulle.h\"", g->name);
  tl_out_gap(g->out);
  tl_out_line(g->out, 0, "#include <string.h>");
  tl_out_line(g->out, 0, "#include <tulle/typed.h>");
  tl_out_gap(g->out);
  tl_gen_self(g);
  write_error_text(g);
  tl_out_line(g->out, 0, "/* ---- values on their way ---- */");
  tl_out_gap(g->out);
  tl_gen_encoders(g);
  tl_gen_decoders(g);
  tl_gen_procedures(g);
  tl_gen_client(g);
  tl_gen_server(g);
}

int tl_gen_c(const struct tl_schema *schema, const char *file, struct tl_out *out_header,
             struct tl_out *out_source, char problem[TL_GEN_PROBLEM_SIZE]) {
  struct tl_gen g = {
      .schema = schema, .name = schema->self.name, .handle = "", .memory = TULLE_MEMORY};
  *out_header = *out_source = (struct tl_out){0};
  problem[0] = 0;
  if (tl_gen_word(&g, g.name) != g.name)
    g.handle = tl_gen_text(&g, "%s_client_", g.name);
  else
    g.handle = g.name;
  int r = tl_gen_check(&g, problem);
  if (!r) {
    for (const struct tl_schema_procedure *p = schema->self.procedures.first; p; p = p->next)
      mark_members(&g, &p->parameters);
    g.out = out_header;
    write_header(&g, file);
    g.out = out_source;
    write_source(&g, file);
    if (g.failed || out_header->failed || out_source->failed) r = TULLE_E_NO_MEMORY;
  }
  if (r) {
    tl_out_free(out_header);
    tl_out_free(out_source);
  }
  tulle_memory_clear(&g.memory);
  return r;
}
