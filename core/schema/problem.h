/*
 * What is wrong with an interface file: where, and what was expected, each in one sentence.
 */
#ifndef TL_CORE_SCHEMA_PROBLEM_H
#define TL_CORE_SCHEMA_PROBLEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TL_SCHEMA_PROBLEMS_MAX       20 /* nobody reads more at once */
#define TL_SCHEMA_PROBLEM_BYTES_MAX  256
#define TL_SCHEMA_PROBLEM_SHOWN_SIZE 1024

struct tl_schema_problem {
  uint32_t offset; /* in bytes */
  uint32_t size;   /* of what is wrong; 0: the file as a whole */
  uint32_t line;   /* from 1 */
  uint32_t column; /* from 1, in characters */
  char text[TL_SCHEMA_PROBLEM_BYTES_MAX];
};

/* In the order of the file. */
struct tl_schema_problems {
  struct tl_schema_problem items[TL_SCHEMA_PROBLEMS_MAX];
  size_t count;
  bool more; /* there were more than fit */
};

/*
 * Shows a problem as compilers do, in three lines (one where no place is to be shown) each with its
 * newline, cut to `out_size`:
 *
 *   textstat.tulle:3:9: error: there is no type 'strng'; did you mean 'string'?
 *     count(strng text);
 *           ^~~~~
 *
 * `text` of `size` bytes is what was read.
 */
void tl_schema_problem_show(const struct tl_schema_problem *problem, const char *file,
                            const char *text, size_t size, char *out, size_t out_size);

#endif
