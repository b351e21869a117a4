/*
 * HELLO at a responder. The first byte says how much of the honest caller's work is done for the fuzzer:
 * bit 0 makes mac1 right, bit 1 fetches and uses a cookie, bit 2 pushes over TCP. The rest is the packet.
 */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/time.h"
#include "tests/support/forge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct node_fixture node;
static struct tl_responder *responder;
static struct tl_response response;
static uint64_t now = 10 * TL_S;

/* Guarded memory is not searched for pointers, so what it points to must be freed in order. */
static void stop(void) {
  tl_responder_free(responder);
  node_fixture_deinit(&node);
}

static void start(void) {
  if (responder) return;
  atexit(stop);
  node_fixture_init(&node, 1, "anna");
  responder = tl_responder_new(&node.self);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct forge forge;
  struct tl_address from = address_of(9);
  uint8_t packet[TL_HANDSHAKE_BYTES];
  start();
  if (!size) return 0;
  uint8_t help = *data++;
  if (--size != sizeof packet) {
    TL_ASSERT(tl_responder_push(responder, now, &from, help & 4, data, size, &response) > 0);
    return 0;
  }
  memcpy(packet, data, sizeof packet);
  forge_init(&forge, &node);
  const uint8_t *id = node.identity->node_id;
  if (help & 1) forge_mac1(&forge, id, packet);
  memcpy(forge.hello_mac1, packet + TL_HELLO_MAC1_AT, 16);
  now += TL_S;
  int r = tl_responder_push(responder, now, &from, help & 4, packet, sizeof packet, &response);
  if (r == 0 && response.size == TL_COOKIE_BYTES && help & 2) {
    forge_stamp(&forge, id, response.packet, packet);
    r = tl_responder_push(responder, now, &from, help & 4, packet, sizeof packet, &response);
  }
  if (r == 0) TL_ASSERT(response.kind == TL_RESPONSE_SEND && response.size <= sizeof packet);
  return 0;
}
