/*
 * json_shape [--rows] FIELD:TYPE...: fails unless standard input is JSON of that shape.
 *
 * Each line is one value: an object, or an array whose members are objects and which is not empty. Every object must have
 * each field, of one of the types named: null bool int number text array object any, joined by '|'. --rows prints how
 * many objects there were.
 */
#include <stdio.h>
#include <string.h>

#include "core/limits.h"
#include "tools/json_read.h"
#include "tulle/pack.h"

static const char *const type_names[] = {
    [TULLE_NIL] = "null",        [TULLE_BOOL] = "bool",     [TULLE_UINT] = "int",
    [TULLE_INT] = "int",         [TULLE_DOUBLE] = "number", [TULLE_TEXT] = "text",
    [TULLE_BYTES] = "object",    [TULLE_ARRAY] = "array",   [TULLE_MAP] = "object",
    [TULLE_EXTENSION] = "object"};

static bool is_of(const char *types, enum tulle_type type) {
  const char *name = type_names[type];
  size_t size = strlen(name);
  if (strstr(types, "any") || (!strcmp(name, "int") && strstr(types, "number"))) return true;
  const char *at = strstr(types, name);
  return at && (!at[size] || at[size] == '|');
}

static bool check_object(struct tulle_unpack *r, char **fields, int count) {
  for (int i = 0; i < count; i++) {
    char key[64];
    const char *types = strrchr(fields[i], ':');
    snprintf(key, sizeof key, "%.*s", (int)(types - fields[i]), fields[i]);
    struct tulle_unpack at = tulle_unpack_key(r, key);
    struct tulle_value v = tulle_unpack_any(&at);
    if (!tulle_unpack_is_ok(&at) || !is_of(types + 1, v.type)) {
      fprintf(stderr, "field %s: %s, and not %s\n", key,
              tulle_unpack_is_ok(&at) ? type_names[v.type] : "missing", types + 1);
      return false;
    }
  }
  tulle_unpack_skip(r);
  return true;
}

static int check_line(const char *line, size_t size, char **fields, int count) {
  struct tl_buffer value = {0};
  struct tl_json_error error;
  if (tl_json_read(line, size, &value, &error)) {
    fprintf(stderr, "column %zu: %s\n%s", error.column, error.text, line);
    return -1;
  }
  struct tulle_unpack r = tulle_unpack_on(value.data, value.size), ahead = r;
  struct tulle_value v = tulle_unpack_any(&ahead);
  int rows = v.type == TULLE_ARRAY ? (int)v.count : 1;
  if (v.type == TULLE_ARRAY) r = ahead;
  bool is_good = rows > 0 || !count;
  for (int i = 0; i < rows && is_good; i++) is_good = check_object(&r, fields, count);
  tl_buffer_deinit(&value);
  return is_good ? rows : -1;
}

int main(int argc, char **argv) {
  char *line = NULL;
  size_t capacity = 0;
  ssize_t size;
  int rows = 0, is_counting = argc > 1 && !strcmp(argv[1], "--rows");
  while ((size = getline(&line, &capacity, stdin)) > 0) {
    int n = check_line(line, (size_t)size, argv + 1 + is_counting, argc - 1 - is_counting);
    if (n < 0) return 1;
    rows += n;
  }
  free(line);
  if (is_counting) printf("%d\n", rows);
  return rows || argc < 2 ? 0 : 1;
}
