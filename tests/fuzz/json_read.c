/* Any text: refused, or made into msgpack that passes the check every receiver makes. */
#include "tools/json_read.h"

#include "core/wire/msgpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct tl_buffer out = {.size_max = 1 << 20};
  struct tl_json_error error;
  if (!tl_json_read((const char *)data, size, &out, &error))
    TL_ASSERT(!tl_msgpack_check(out.data, out.size));
  tl_buffer_deinit(&out);
  return 0;
}
