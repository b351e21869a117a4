/* Reads the line files of tests/vectors/noise: words separated by blanks, bytes as hexadecimal. */
#ifndef TL_TESTS_UNIT_CRYPTO_VECTORS_H
#define TL_TESTS_UNIT_CRYPTO_VECTORS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "tests/unit/test.h"

#define VECTOR_WORDS_MAX 8
#define VECTOR_BYTES_MAX 2048

struct vector_file {
  FILE *file;
  char *line;
  size_t room;
  char *words[VECTOR_WORDS_MAX];
  size_t count;
};

struct vector_bytes {
  uint8_t data[VECTOR_BYTES_MAX];
  size_t size;
};

static inline void vectors_open(struct vector_file *v, const char *name) {
  char path[256];
  snprintf(path, sizeof path, "tests/vectors/noise/%s", name);
  *v = (struct vector_file){.file = fopen(path, "r")};
  if (!v->file) fail_msg("%s: cannot be opened from the source folder", path);
}

/* The next line's words; false at the end of the file, which closes it. */
static inline bool vectors_next(struct vector_file *v) {
  ssize_t size = getline(&v->line, &v->room, v->file);
  if (size < 0) {
    fclose(v->file);
    free(v->line);
    return false;
  }
  v->count = 0;
  for (char *word = strtok(v->line, " \n"); word; word = strtok(NULL, " \n")) {
    assert_true(v->count < VECTOR_WORDS_MAX);
    v->words[v->count++] = word;
  }
  return true;
}

static inline void vectors_bytes(const struct vector_file *v, size_t word,
                                 struct vector_bytes *out) {
  assert_true(word < v->count);
  const char *text = v->words[word];
  int size = strcmp(text, "-") ? tl_hex_decode(text, strlen(text), out->data, sizeof out->data) : 0;
  assert_true(size >= 0);
  out->size = (size_t)size;
}

#endif
