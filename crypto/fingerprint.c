#include "crypto/fingerprint.h"

#include "crypto/hash.h"

int tl_fingerprint(const struct tl_schema *schema, uint8_t out[TL_SCHEMA_FINGERPRINT_BYTES]) {
  size_t size = tl_schema_write(schema, TL_SCHEMA_CANONICAL, NULL, 0);
  char *text = malloc(size + 1);
  if (!text) return TULLE_E_NO_MEMORY;
  tl_schema_write(schema, TL_SCHEMA_CANONICAL, text, size + 1);
  struct tl_bytes parts[] = {TL_BYTES_TEXT(TL_SCHEMA_FINGERPRINT_PREFIX), {text, size}};
  tl_hash(TL_BYTES_NONE, parts, 2, out, TL_SCHEMA_FINGERPRINT_BYTES);
  free(text);
  return 0;
}
