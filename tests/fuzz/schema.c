/* Any text: refused with problems inside it, or read, written, and then what was written read as the same. */
#include <stdlib.h>
#include <string.h>

#include "core/schema/compare.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void refused(const char *text, size_t size, const struct tl_schema_problems *problems) {
  static char shown[TL_SCHEMA_PROBLEM_SHOWN_SIZE];
  TL_ASSERT(problems->count > 0);
  for (size_t i = 0; i < problems->count; i++) {
    TL_ASSERT(problems->items[i].offset <= size || size > TL_SCHEMA_TEXT_BYTES_MAX);
    tl_schema_problem_show(&problems->items[i], "f", text, size, shown, sizeof shown);
  }
}

static void accepted(const struct tl_schema *schema, enum tl_schema_form form) {
  static char once[TL_SCHEMA_TEXT_BYTES_MAX + 1], again[TL_SCHEMA_TEXT_BYTES_MAX + 1];
  struct tl_schema *second;
  size_t size = tl_schema_write(schema, form, once, sizeof once);
  TL_ASSERT(size < sizeof once);
  TL_ASSERT(!tl_schema_read(once, size, NULL, &second));
  TL_ASSERT(tl_schema_write(second, form, again, sizeof again) == size);
  TL_ASSERT(!memcmp(once, again, size));
  TL_ASSERT(!tl_schema_compare(schema, second, NULL, 0).change_count);
  tl_schema_free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct tl_schema_problems problems;
  struct tl_schema *schema;
  const char *text = (const char *)data;
  int r = tl_schema_read(text, size, &problems, &schema);
  if (r) {
    refused(text, size, &problems);
    return 0;
  }
  accepted(schema, TL_SCHEMA_CANONICAL);
  accepted(schema, TL_SCHEMA_DOCUMENTED);
  tl_schema_free(schema);
  return 0;
}
