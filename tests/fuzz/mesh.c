/* Messages between nodes: whatever decodes encodes, and that decodes to the same message. */
#include <string.h>

#include "core/wire/mesh.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static uint8_t first[2 * TL_MESH_BYTES_MAX], second[2 * TL_MESH_BYTES_MAX];
  struct tl_mesh_message a, b;
  if (tl_mesh_decode(data, size, &a) != 0) return 0;
  size_t encoded = tl_mesh_encode(&a, first, sizeof first);
  TL_ASSERT(encoded > 0);
  if (encoded > TL_MESH_BYTES_MAX) return 0; /* shortest forms can be shorter, defaults longer */
  TL_ASSERT(tl_mesh_decode(first, encoded, &b) == 0);
  TL_ASSERT(tl_mesh_encode(&b, second, sizeof second) == encoded &&
            memcmp(first, second, encoded) == 0);
  return 0;
}
