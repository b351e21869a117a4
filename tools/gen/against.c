#include <stdio.h>

#include "core/schema/compare.h"
#include "tools/gen/source.h"
#include "tools/json.h"

static void print_json(const struct tl_gen_source *old, const struct tl_gen_source *s,
                       const struct tl_schema_change *changes, struct tl_schema_verdict v) {
  struct tl_json j = tl_json_on(stdout);
  tl_json_object(&j);
  tl_json_put_text(&j, "interface", s->schema->self.name);
  tl_json_put_uint(&j, "old_version", old->schema->version);
  tl_json_put_uint(&j, "version", s->schema->version);
  tl_json_key(&j, "compatible");
  tl_json_bool(&j, !v.incompatible_count);
  tl_json_key(&j, "changes");
  tl_json_array(&j);
  for (size_t i = 0; i < v.change_count; i++) {
    tl_json_object(&j);
    tl_json_key(&j, "compatible");
    tl_json_bool(&j, changes[i].is_compatible);
    tl_json_put_text(&j, "place", changes[i].place);
    tl_json_put_text(&j, "text", changes[i].text);
    tl_json_put_text(&j, "reason", changes[i].reason);
    tl_json_end(&j);
  }
  tl_json_end(&j);
  tl_json_end(&j);
  tl_json_finish(&j);
}

/* What breaks programs stands last, next to the verdict. */
static void print(const struct tl_schema_change *changes, struct tl_schema_verdict v) {
  for (int is_compatible = 1; is_compatible >= 0; is_compatible--)
    for (size_t i = 0; i < v.change_count; i++)
      if (changes[i].is_compatible == is_compatible)
        printf("%s  %s: %s\n            %s\n", is_compatible ? "compatible" : "breaks    ",
               changes[i].place, changes[i].text, changes[i].reason);
}

static int judge(const struct tl_command *c, const struct tl_gen_source *old,
                 const struct tl_gen_source *s, struct tl_schema_verdict v) {
  bool is_raised = s->schema->version > old->schema->version &&
                   !strcmp(s->schema->self.name, old->schema->self.name);
  if (!v.incompatible_count) {
    tl_command_say(c, "compatible: %zu change%s", v.change_count, v.change_count == 1 ? "" : "s");
    return 0;
  }
  if (is_raised) {
    tl_command_say(c,
                   "not compatible, as version %u says: programs made for version %u are refused",
                   s->schema->version, old->schema->version);
    return 0;
  }
  return tl_command_fail(c, TULLE_E_VERSION, "programs of both would misunderstand each other",
                         "undo what breaks, or raise the version, so that they refuse each other",
                         "%s is not compatible with %s: %zu change%s", s->path, old->path,
                         v.incompatible_count, v.incompatible_count == 1 ? "" : "s");
}

int tl_gen_against(const struct tl_command *c, const struct tl_gen_source *s, const char *path) {
  struct tl_gen_source old;
  int r = tl_gen_source_read(c, path, &old);
  if (r) return r;
  struct tl_schema_verdict v = tl_schema_compare(old.schema, s->schema, NULL, 0);
  struct tl_schema_change *changes = calloc(v.change_count + 1, sizeof *changes);
  if (changes) {
    tl_schema_compare(old.schema, s->schema, changes, v.change_count);
    if (c->json)
      print_json(&old, s, changes, v);
    else
      print(changes, v);
    r = judge(c, &old, s, v);
  } else {
    r = tl_command_fail(c, TULLE_E_NO_MEMORY, NULL, NULL, "cannot compare %zu changes",
                        v.change_count);
  }
  free(changes);
  tl_gen_source_deinit(&old);
  return r;
}
