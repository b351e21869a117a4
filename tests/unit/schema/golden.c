#include "tests/unit/schema/golden.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "tests/unit/test.h"

struct text text_read(const char *path) {
  struct text t = {NULL, 0};
  FILE *f = fopen(path, "rb");
  if (!f) fail_msg("cannot open %s", path);
  FILE *memory = open_memstream(&t.data, &t.size);
  TL_ASSERT(f && memory);
  for (int c; (c = getc(f)) != EOF;) putc(c, memory);
  fclose(f);
  fclose(memory);
  return t;
}

void text_free(struct text *t) {
  free(t->data);
  *t = (struct text){NULL, 0};
}

static void text_write(const char *path, const struct text *t) {
  FILE *f = fopen(path, "wb");
  TL_ASSERT(f);
  fwrite(t->data, 1, t->size, f);
  fclose(f);
}

/* Returns whether it is as it was. */
static int compare(const char *path, const struct text *got) {
  if (getenv("GOLDEN_WRITE")) {
    text_write(path, got);
    return 1;
  }
  struct text wanted = text_read(path);
  int same = wanted.size == got->size && !memcmp(wanted.data, got->data, got->size);
  if (!same) print_error("%s: wanted\n%s\ngot\n%s\n", path, wanted.data, got->data);
  text_free(&wanted);
  return same;
}

void golden_run(const char *folder, const char *ending, golden_maker *make) {
  struct dirent **entries;
  int count = scandir(folder, &entries, NULL, alphasort), inputs = 0, wrong = 0;
  assert_true(count > 0);
  for (int i = 0; i < count; i++) {
    char path[512];
    char *dot = strrchr(entries[i]->d_name, '.');
    if (dot && !strcmp(dot, ".tulle")) {
      snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
      struct text input = text_read(path), output = make(entries[i]->d_name, &input);
      snprintf(path, sizeof path, "%s/%.*s.%s", folder, (int)(dot - entries[i]->d_name),
               entries[i]->d_name, ending);
      wrong += !compare(path, &output);
      inputs++;
      text_free(&input);
      text_free(&output);
    }
    free(entries[i]);
  }
  free(entries);
  assert_true(inputs > 0);
  assert_int_equal(wrong, 0);
}
