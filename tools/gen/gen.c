/*
 * `tulle gen FILE`: makes C of an interface, or checks it and prints what was asked for.
 */
#include <stdio.h>

#include "core/text.h"
#include "crypto/fingerprint.h"
#include "tools/gen/source.h"
#include "tools/json.h"
#include "tools/verbs.h"

static const char *const wishes[] = {"check",       "canonical", "documented",
                                     "fingerprint", "against",   "output"};

/* The one of them that was given, "output" if none was, or NULL after a complaint. */
static const char *wish_of(const struct tl_command *c) {
  const char *wish = NULL;
  bool is_one = true;
  for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++) {
    if (!tl_command_has(c, wishes[i])) continue;
    if (wish) is_one = false;
    wish = wishes[i];
  }
  if (is_one) return wish ? wish : "output";
  tl_command_fail(
      c, TULLE_E_INVALID,
      "one of --output DIR, --check, --canonical, --documented, --fingerprint, --against OLD",
      "tulle gen --help", "only one thing can be made of an interface at a time");
  return NULL;
}

/* A file is called as its interface is, since what is made of it is named after the file. */
static int check_name(const struct tl_command *c, const struct tl_gen_source *s) {
  const char *slash = strrchr(s->path, '/'), *name = slash ? slash + 1 : s->path;
  const char *own = s->schema->self.name;
  size_t length = strlen(own);
  const char *dot = strrchr(name, '.');
  if (!dot || strcmp(dot, ".tulle")) return 0;
  if ((size_t)(dot - name) == length && !memcmp(name, own, length)) return 0;
  char hint[TL_SCHEMA_NAME_BYTES_MAX + 64];
  snprintf(hint, sizeof hint, "call the file %s.tulle", own);
  return tl_command_fail(c, TULLE_E_INVALID, "what is made of an interface is named after its file",
                         hint, "%s has the interface '%s'", s->path, own);
}

static char *form_of(const struct tl_schema *schema, enum tl_schema_form form) {
  size_t size = tl_schema_write(schema, form, NULL, 0);
  char *text = malloc(size + 1);
  if (text) tl_schema_write(schema, form, text, size + 1);
  return text;
}

struct made {
  char *canonical;
  char *documented;
  char fingerprint[TL_BASE32_SIZE(TL_SCHEMA_FINGERPRINT_BYTES)];
};

static void print_json(const struct tl_schema *s, const struct made *m) {
  struct tl_json j = tl_json_on(stdout);
  tl_json_object(&j);
  tl_json_put_text(&j, "interface", s->self.name);
  tl_json_put_uint(&j, "version", s->version);
  tl_json_put_uint(&j, "procedures", s->self.procedures.count);
  tl_json_put_text(&j, "fingerprint", m->fingerprint);
  tl_json_put_text(&j, "canonical", m->canonical);
  tl_json_put_text(&j, "documented", m->documented);
  tl_json_end(&j);
  tl_json_finish(&j);
}

static int print(const struct tl_command *c, const struct tl_schema *s, const char *wish) {
  uint8_t fingerprint[TL_SCHEMA_FINGERPRINT_BYTES];
  struct made m = {form_of(s, TL_SCHEMA_CANONICAL), form_of(s, TL_SCHEMA_DOCUMENTED), ""};
  int r = m.canonical && m.documented ? tl_fingerprint(s, fingerprint) : TULLE_E_NO_MEMORY;
  if (r) {
    r = tl_command_fail(c, r, NULL, NULL, "cannot make the canonical form");
  } else {
    tl_base32_encode(fingerprint, sizeof fingerprint, m.fingerprint);
    if (c->json)
      print_json(s, &m);
    else if (!strcmp(wish, "canonical"))
      fputs(m.canonical, stdout);
    else if (!strcmp(wish, "documented"))
      fputs(m.documented, stdout);
    else if (!strcmp(wish, "fingerprint"))
      puts(m.fingerprint);
  }
  free(m.canonical);
  free(m.documented);
  return r;
}

int tl_verb_gen(struct tl_command *c) {
  struct tl_gen_source source;
  const char *wish = wish_of(c), *folder = tl_command_text(c, "output");
  if (!wish) return TL_EXIT_USAGE;
  int r = tl_gen_source_read(c, c->operands[0], &source);
  if (r) return r;
  r = check_name(c, &source);
  if (!r && !strcmp(wish, "against"))
    r = tl_gen_against(c, &source, tl_command_text(c, "against"));
  else if (!r && !strcmp(wish, "output"))
    r = tl_gen_files(c, &source, folder ? folder : ".");
  else if (!r)
    r = print(c, source.schema, wish);
  tl_gen_source_deinit(&source);
  return r;
}
