#include "tools/gen/source.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "tools/json.h"

static const char *shown_name(const char *path) {
  return strcmp(path, "-") ? path : "standard input";
}

/* One byte more than an interface may have is enough to see that it has too many. */
static int read_all(FILE *f, struct tl_buffer *out) {
  out->size_max = TL_SCHEMA_TEXT_BYTES_MAX + 4096;
  for (;;) {
    int r = tl_buffer_reserve(out, 4096);
    if (r == TULLE_E_TOO_BIG) return 0;
    if (r) return r;
    size_t n = fread(out->data + out->size, 1, 4096, f);
    out->size += n;
    if (n < 4096) return ferror(f) ? TULLE_E_IO : 0;
  }
}

static int read_file(const struct tl_command *c, const char *path, struct tl_buffer *out) {
  bool is_input = !strcmp(path, "-");
  FILE *f = is_input ? stdin : fopen(path, "r");
  int r = f ? read_all(f, out) : TULLE_E_IO;
  int failure = errno;
  if (f && !is_input) fclose(f);
  if (!r) return 0;
  return tl_command_fail(c, r, r == TULLE_E_IO ? strerror(failure) : NULL, NULL, "cannot read %s",
                         shown_name(path));
}

static void problems_json(const struct tl_gen_source *s,
                          const struct tl_schema_problems *problems) {
  struct tl_json j = tl_json_on(stderr);
  char what[512];
  snprintf(what, sizeof what, "%s is not an interface", shown_name(s->path));
  tl_json_object(&j);
  tl_json_key(&j, "error");
  tl_json_object(&j);
  tl_json_key(&j, "code");
  tl_json_int(&j, TULLE_E_INVALID);
  tl_json_put_text(&j, "name", tulle_error_name(TULLE_E_INVALID));
  tl_json_put_text(&j, "what", what);
  tl_json_put_text(&j, "why", problems->items[0].text);
  tl_json_put_text(&j, "hint", NULL);
  tl_json_put_uint(&j, "exit", (uint64_t)tulle_error_exit(TULLE_E_INVALID));
  tl_json_key(&j, "problems");
  tl_json_array(&j);
  for (size_t i = 0; i < problems->count; i++) {
    tl_json_object(&j);
    tl_json_put_text(&j, "file", s->path);
    tl_json_put_uint(&j, "line", problems->items[i].line);
    tl_json_put_uint(&j, "column", problems->items[i].column);
    tl_json_put_text(&j, "text", problems->items[i].text);
    tl_json_end(&j);
  }
  tl_json_end(&j);
  tl_json_end(&j);
  tl_json_end(&j);
  tl_json_finish(&j);
}

static int tell(const struct tl_command *c, const struct tl_gen_source *s,
                const struct tl_schema_problems *problems) {
  char shown[TL_SCHEMA_PROBLEM_SHOWN_SIZE];
  if (c->json) {
    problems_json(s, problems);
    return tulle_error_exit(TULLE_E_INVALID);
  }
  for (size_t i = 0; i < problems->count; i++) {
    tl_schema_problem_show(&problems->items[i], shown_name(s->path), (char *)s->text.data,
                           s->text.size, shown, sizeof shown);
    fputs(shown, stderr);
  }
  if (problems->more) fprintf(stderr, "there are more; these are the first %zu\n", problems->count);
  return tulle_error_exit(TULLE_E_INVALID);
}

int tl_gen_source_read(const struct tl_command *c, const char *path, struct tl_gen_source *out) {
  static struct tl_schema_problems problems;
  *out = (struct tl_gen_source){.path = path};
  int r = read_file(c, path, &out->text);
  if (!r) {
    int e = tl_schema_read((char *)out->text.data, out->text.size, &problems, &out->schema);
    if (e == TULLE_E_INVALID)
      r = tell(c, out, &problems);
    else if (e)
      r = tl_command_fail(c, e, NULL, NULL, "cannot read %s", shown_name(path));
  }
  if (r) tl_gen_source_deinit(out);
  return r;
}

void tl_gen_source_deinit(struct tl_gen_source *s) {
  tl_buffer_deinit(&s->text);
  s->schema = tl_schema_free(s->schema);
}
