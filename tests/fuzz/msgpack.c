/* What the check lets through, our cursor passes over exactly and msgpack-c decodes without
 * reserving much memory. */
#include <msgpack.h>

#include "core/wire/msgpack.h"
#include "tulle/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct tulle_unpack r = tulle_unpack_on(data, size);
  tulle_unpack_skip(&r); /* never past the end, whatever it is */
  r = tulle_unpack_on(data, size);
  (void)tulle_unpack_key(&r, "name");
  if (tl_msgpack_check(data, size) != 0) return 0;
  r = tulle_unpack_on(data, size);
  tulle_unpack_skip(&r);
  TL_ASSERT(tulle_unpack_is_ok(&r) && r.at == r.end);
  msgpack_unpacked u;
  msgpack_unpacked_init(&u);
  TL_ASSERT(msgpack_unpack_next(&u, (const char *)data, size, NULL) == MSGPACK_UNPACK_SUCCESS);
  msgpack_unpacked_destroy(&u);
  return 0;
}
