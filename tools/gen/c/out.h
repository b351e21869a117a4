/*
 * Text that is being made: lines with an indent, broken at column 100 where clang-format would
 * break them.
 */
#ifndef TL_TOOLS_GEN_C_OUT_H
#define TL_TOOLS_GEN_C_OUT_H

#include <stdbool.h>
#include <stddef.h>

struct tl_out {
  char *text; /* zero-terminated; NULL when empty */
  size_t size;
  size_t capacity;
  bool failed; /* no memory */
};

void tl_out_free(struct tl_out *o);

/* A line, without its newline, that begins `indent` columns from the left. */
void tl_out_line(struct tl_out *o, int indent, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* An empty line. */
void tl_out_gap(struct tl_out *o);

/* `head` with a body of lines that were made with `indent` + 2, which is freed: in braces, unless it
 * is one line. */
void tl_out_block(struct tl_out *o, int indent, const char *head, struct tl_out *body);

/* The same with an `else` of one line. */
void tl_out_either(struct tl_out *o, int indent, const char *head, struct tl_out *body,
                   const char *otherwise);

/* Documentation (NULL: nothing) as a comment. */
void tl_out_comment(struct tl_out *o, int indent, const char *text);

#endif
