/*
 * A table for people: cells are collected first, so that each column is as wide as its widest cell.
 *
 * What comes from other programs and machines is shown with control characters replaced, so that nobody can
 * write escape sequences to a terminal through a name.
 */
#ifndef TL_TOOLS_COLUMNS_H
#define TL_TOOLS_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TL_COLUMNS_MAX 16

struct tl_columns {
  size_t count;
  const char *headings; /* separated by spaces; one that begins with '>' stands right */
  char **cells;
  size_t cell_count;
  size_t cell_capacity;
};

/* `headings` is borrowed: "NODE PATH >AGE". */
struct tl_columns tl_columns_new(const char *headings);
void tl_columns_free(struct tl_columns *t);

/* Appends one cell; cells fill rows from left to right. Copied. NULL or "": "-". */
void tl_columns_add(struct tl_columns *t, const char *text);
void tl_columns_add_of(struct tl_columns *t, const char *text, size_t size);
void tl_columns_add_duration(struct tl_columns *t, uint64_t ns);
void tl_columns_add_count(struct tl_columns *t, uint64_t n);
void tl_columns_add_bytes(struct tl_columns *t, uint64_t n);

/* Headings, then rows; every row must be complete. */
void tl_columns_print(const struct tl_columns *t, FILE *out);

#endif
