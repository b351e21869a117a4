/* Control messages: whatever decodes encodes, and that decodes to the same message. */
#include <string.h>

#include "core/wire/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct tl_control a, b;
  uint8_t first[TL_CONTROL_BYTES_MAX], second[TL_CONTROL_BYTES_MAX];
  if (tl_control_decode(data, size, &a) != 0) return 0;
  size_t encoded = tl_control_encode(&a, first);
  TL_ASSERT(tl_control_decode(first, encoded, &b) == 0);
  TL_ASSERT(tl_control_encode(&b, second) == encoded && memcmp(first, second, encoded) == 0);
  return 0;
}
