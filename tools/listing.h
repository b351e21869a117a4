/*
 * What the node lists, page by page, and services as `ls` and `find` show them.
 */
#ifndef TL_TOOLS_LISTING_H
#define TL_TOOLS_LISTING_H

#include <stddef.h>

#include "tools/ask.h"

struct tl_listing_page;

struct tl_listing {
  struct tl_listing_page *pages; /* what the node said */
  struct tulle_unpack *rows;     /* each at one map, in the node's order */
  size_t count;
};

/* Asks a procedure that lists for all that it has; `what` is "list members". `capability` narrows services down, or is NULL.
 * 0, or the exit code after a complaint. */
int tl_listing_ask(struct tl_ask *a, const char *what, const char *procedure,
                   const char *capability, struct tl_listing *out);
void tl_listing_free(struct tl_listing *l);

/* The rows as the node gave them, as one array. */
void tl_listing_print_rows(const struct tl_listing *l);

/* Services as one array of objects: docs/json.md. */
void tl_listing_print_json(const struct tl_listing *l);

/* A table, and a line that counts. */
void tl_listing_print(const struct tl_listing *l);

#endif
