/* The TXT record of a node's service: what decodes is encoded and must decode to the same. */
#include <stdint.h>
#include <string.h>

#include "core/error.h"
#include "discovery/advert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct tl_advert first, again;
  uint8_t record[TL_ADVERT_TXT_BYTES_MAX];
  memset(&first, 0, sizeof first);
  memset(&again, 0, sizeof again);
  if (tl_advert_decode(data, size, &first) < 0) return 0;
  TL_ASSERT(tl_advert_decode(record, tl_advert_encode(&first, record), &again) == 0);
  TL_ASSERT(first.version == again.version && first.generation == again.generation);
  TL_ASSERT(first.boot == again.boot && !memcmp(first.id, again.id, sizeof first.id));
  TL_ASSERT(!memcmp(first.tag, again.tag, sizeof first.tag));
  return 0;
}
