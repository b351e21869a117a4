/* Two interfaces with a line --- between them: compared, and counted alike however many changes are kept. */
#include <string.h>

#include "core/schema/compare.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHANGES_MAX 16

static void compare(const struct tl_schema *before, const struct tl_schema *after) {
  static struct tl_schema_change changes[CHANGES_MAX];
  struct tl_schema_verdict v = tl_schema_compare(before, after, changes, CHANGES_MAX);
  struct tl_schema_verdict counted = tl_schema_compare(before, after, NULL, 0);
  TL_ASSERT(v.change_count == counted.change_count);
  TL_ASSERT(v.incompatible_count == counted.incompatible_count);
  TL_ASSERT(v.incompatible_count <= v.change_count);
  size_t incompatible = 0;
  for (size_t i = 0; i < v.change_count && i < CHANGES_MAX; i++) {
    TL_ASSERT(changes[i].reason && *changes[i].text && *changes[i].place);
    incompatible += !changes[i].is_compatible;
  }
  TL_ASSERT(incompatible <= v.incompatible_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char separator[] = "\n---\n";
  struct tl_schema *before, *after;
  const char *text = (const char *)data;
  const char *line = memmem(text, size, separator, sizeof separator - 1);
  if (!line) return 0;
  const char *rest = line + sizeof separator - 1;
  if (tl_schema_read(text, (size_t)(line - text), NULL, &before)) return 0;
  if (!tl_schema_read(rest, size - (size_t)(rest - text), NULL, &after)) {
    compare(before, after);
    compare(after, before);
    tl_schema_free(after);
  }
  tl_schema_free(before);
  return 0;
}
