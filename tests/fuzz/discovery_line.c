/* The lines between node and child: bytes from the child go through the whole object; whatever
 * decodes must say the same when it is written again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/time.h"
#include "discovery/discovery.h"
#include "discovery/line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t count_up(void *context) {
  return ++*(uint64_t *)context;
}

static void decode_and_encode(const char *text, size_t size) {
  struct tl_line line;
  char again[TL_LINE_BYTES_MAX];
  if (tl_line_decode(text, size, &line) < 0) return;
  TL_ASSERT(tl_line_encode(&line, again) == size + 1);
  TL_ASSERT(!memcmp(again, text, size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  uint64_t counter = 0;
  struct tl_discovery_config config = {
      .mdns = true, .random = count_up, .random_context = &counter};
  struct tl_discovery *d;
  struct tl_discovery_dial dial;
  if (tl_discovery_new(&config, &d) < 0) return 0;
  for (size_t i = 0, start = 0; i < size; i++) {
    if (data[i] != '\n') continue;
    decode_and_encode((const char *)data + start, i - start);
    start = i + 1;
  }
  tl_discovery_child_started(d, 0);
  tl_discovery_push_bytes(d, 0, data, size / 2);
  tl_discovery_push_bytes(d, TL_S, data + size / 2, size - size / 2);
  for (int i = 0; i < 32 && tl_discovery_poll_dial(d, 2 * TL_S, &dial) == 0; i++)
    tl_discovery_dialled(d, 2 * TL_S, &dial, i % 2 ? TULLE_E_UNREACHABLE : 0, dial.id);
  tl_discovery_free(d);
  return 0;
}
