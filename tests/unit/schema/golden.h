/*
 * Kept files and what must come of them: FOLDER/NAME.tulle beside FOLDER/NAME.ENDING.
 *
 * With GOLDEN_WRITE=1 in the environment the outputs are written instead of compared; read the difference
 * before you keep it.
 */
#ifndef TL_TESTS_UNIT_SCHEMA_GOLDEN_H
#define TL_TESTS_UNIT_SCHEMA_GOLDEN_H

#include <stddef.h>

struct text {
  char *data; /* with a zero behind it */
  size_t size;
};

struct text text_read(const char *path);
void text_free(struct text *t);

/* Makes an output of an input; `name` is the input's file name without its folder. */
typedef struct text golden_maker(const char *name, const struct text *input);

/* Every input of `folder`; fails the running test with each output that differs. */
void golden_run(const char *folder, const char *ending, golden_maker *make);

#endif
