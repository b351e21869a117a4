/* The trust file: the input gets a right hash at its end, and whatever parses renders to the same text. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "crypto/trust_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const uint8_t boot_id[16] = {0};
  struct tl_trust_state *state;
  uint8_t *text = malloc(size + TL_TRUST_END_BYTES), *again;
  size_t again_size;
  TL_ASSERT(text && tl_crypto_start() == 0);
  if (size) memcpy(text, data, size);
  tl_trust_file_end(text, size, text + size);
  if (tl_trust_file_parse(text, size + TL_TRUST_END_BYTES, boot_id, &state) == 0) {
    TL_ASSERT(tl_trust_file_render(state, &again, &again_size) == 0);
    /* What is tied to another boot is left out, or counts anew. */
    if (!memmem(text, size, "boot=", 5))
      TL_ASSERT(again_size == size + TL_TRUST_END_BYTES && !memcmp(text, again, again_size));
    free(again);
    tl_trust_state_free(state);
  }
  free(text);
  return 0;
}
