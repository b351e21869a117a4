/*
 * Conditions on a capability's attributes, as `tulle find` takes them: `mem>=8G`, `arch=arm64`, `version>=2`.
 *
 * Both sides that read as numbers are compared as numbers; anything else as text, byte by byte. An attribute that is not
 * there fulfils no condition but `!=`.
 */
#ifndef TL_TOOLS_CONSTRAINT_H
#define TL_TOOLS_CONSTRAINT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"

enum tl_relation { TL_EQUAL, TL_NOT_EQUAL, TL_AT_LEAST, TL_AT_MOST, TL_ABOVE, TL_BELOW };

struct tl_constraint {
  char name[64];
  enum tl_relation relation;
  const char *value; /* into the text parsed */
};

/* 0 or TULLE_E_INVALID. */
int tl_constraint_parse(const char *text, struct tl_constraint *out);

/* Whether a capability of that version, with "key=value key=value", fulfils it. */
bool tl_constraint_holds(const struct tl_constraint *c, uint64_t version, const char *attributes);

/* "8", "1.5", "8G" (10^9), "8Gi" (2^30): k M G T with or without i. 0 or TULLE_E_INVALID. */
int tl_quantity_parse(const char *text, double *out);

#endif
