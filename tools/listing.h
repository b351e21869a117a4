/*
 * The services of the fabric, as `ls` and `find` show them.
 */
#ifndef TL_TOOLS_LISTING_H
#define TL_TOOLS_LISTING_H

#include <stddef.h>

#include "tools/ask.h"

struct tl_listing_page;

struct tl_listing {
  struct tl_listing_page *pages; /* what the node said */
  struct tulle_unpack *rows;     /* each at one service's map, in the node's order: nearest first */
  size_t count;
};

/* Asks for the services that offer `capability` (NULL: all). 0, or the exit code after a complaint. */
int tl_listing_ask(struct tl_ask *a, const char *capability, struct tl_listing *out);
void tl_listing_free(struct tl_listing *l);

/* One array of objects on standard output: docs/json.md. */
void tl_listing_print_json(const struct tl_listing *l);

/* A table, and a line that counts. */
void tl_listing_print(const struct tl_listing *l);

#endif
