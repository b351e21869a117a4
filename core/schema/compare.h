/*
 * What changed from one interface to another, and whether programs of both can work together: the table
 * "Evolution" of docs/interface-language.md, row by row.
 */
#ifndef TL_CORE_SCHEMA_COMPARE_H
#define TL_CORE_SCHEMA_COMPARE_H

#include "core/schema/schema.h"

#define TL_SCHEMA_PLACE_BYTES_MAX  160
#define TL_SCHEMA_CHANGE_BYTES_MAX 400

struct tl_schema_change {
  bool is_compatible;
  char place[TL_SCHEMA_PLACE_BYTES_MAX]; /* "struct entry", "procedure cursor.next" */
  char text[TL_SCHEMA_CHANGE_BYTES_MAX]; /* "field 'name' was string<64> and is string" */
  const char *reason;                    /* why it is compatible or not */
};

struct tl_schema_verdict {
  size_t change_count;
  size_t incompatible_count;
};

/*
 * Compares. Writes the first `out_count` changes to `out` (NULL if `out_count` is 0) and counts all of them. Of two that
 * differ in layout, documentation and order of items only there are none. Time is quadratic in the longest
 * list of a file, which TL_SCHEMA_MEMBERS_MAX bounds.
 */
struct tl_schema_verdict tl_schema_compare(const struct tl_schema *old_schema,
                                           const struct tl_schema *new_schema,
                                           struct tl_schema_change *out, size_t out_count);

#endif
