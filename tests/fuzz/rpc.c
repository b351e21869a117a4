/* Heads of calls, replies and cancels: whatever decodes encodes to the same bytes. */
#include <string.h>

#include "core/wire/rpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same_bytes(const struct tl_writer *w, const uint8_t *data) {
  TL_ASSERT(!w->failed && memcmp(w->start, data, tl_writer_size(w)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  uint8_t out[TL_CALL_HEAD_BYTES_MAX];
  struct tl_reader r = tl_reader_on(data, size);
  struct tl_writer w = tl_writer_on(out, sizeof out);
  struct tl_call_head call;
  if (tl_call_decode(&r, &call) == 0) tl_call_encode(&w, &call), same_bytes(&w, data);
  struct tl_reply_head reply;
  r = tl_reader_on(data, size);
  w = tl_writer_on(out, sizeof out);
  if (tl_reply_decode(&r, &reply) == 0) tl_reply_encode(&w, &reply), same_bytes(&w, data);
  uint64_t id;
  r = tl_reader_on(data, size);
  w = tl_writer_on(out, sizeof out);
  if (tl_cancel_decode(&r, &id) == 0) tl_cancel_encode(&w, id), same_bytes(&w, data);
  return 0;
}
