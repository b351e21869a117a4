/*
 * REPLY at a caller. With the first bit of the first byte clear, the rest is the payload inside a REPLY whose
 * encryption and macs are honest; with it set, the rest is the packet itself.
 */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/time.h"
#include "tests/support/forge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct node_fixture anna, bert;
static struct tl_handshake *call;

#define NOW (10 * TL_S)

/* Guarded memory is not searched for pointers, so what it points to must be freed in order. */
static void stop(void) {
  tl_handshake_free(call);
  node_fixture_deinit(&anna);
  node_fixture_deinit(&bert);
}

static void start(void) {
  if (call) return;
  atexit(stop);
  node_fixture_init(&anna, 1, "anna");
  node_fixture_init(&bert, 2, "bert");
  node_fixture_join(&bert, &anna, NOW);
  call = tl_handshake_new(&bert.self);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  uint8_t hello[TL_HANDSHAKE_BYTES], reply[TL_HANDSHAKE_BYTES];
  uint8_t payload[TL_REPLY_PAYLOAD_BYTES] = {0};
  size_t hello_size;
  struct forge forge;
  start();
  if (!size) return 0;
  struct tl_handshake_target target = node_fixture_target(&anna);
  tl_clone_watch_init(&bert.clones);
  TL_ASSERT(tl_handshake_begin(call, NOW, &target, 7) == 0);
  if (*data & 1) {
    TL_ASSERT(tl_handshake_push(call, NOW, data + 1, size - 1) != 0);
    return 0;
  }
  TL_ASSERT(tl_handshake_poll(call, NOW, hello, &hello_size) == 0);
  if (--size > sizeof payload) size = sizeof payload;
  memcpy(payload, data + 1, size);
  forge_init(&forge, &anna);
  forge_reply(&forge, hello, payload, reply);
  int r = tl_handshake_push(call, NOW, reply, sizeof reply);
  TL_ASSERT((r == 0) == tl_handshake_is_established(call));
  return 0;
}
