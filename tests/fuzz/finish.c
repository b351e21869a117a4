/*
 * FINISH at a responder, with certificate and payload: the input is the payload inside a FINISH whose
 * encryption and macs are honest. Bit 0 of the first byte: under an invitation.
 */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/time.h"
#include "tests/support/forge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct node_fixture anna, bert;
static struct tl_responder *responder;
static struct tl_token token;
static uint64_t now = 10 * TL_S;

/* Guarded memory is not searched for pointers, so what it points to must be freed in order. */
static void stop(void) {
  tl_responder_free(responder);
  node_fixture_deinit(&anna);
  node_fixture_deinit(&bert);
}

static void start(void) {
  if (responder) return;
  atexit(stop);
  node_fixture_init(&anna, 1, "anna");
  node_fixture_init(&bert, 2, "bert");
  node_fixture_join(&bert, &anna, now);
  anna.parameters.invitation_bad_max = UINT32_MAX;
  TL_ASSERT(tl_trust_invite(anna.trust, now, TL_NEVER, 1, &token) == 0);
  responder = tl_responder_new(&anna.self);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct tl_response response;
  struct tl_address from = address_of(9);
  uint8_t reply[TL_HANDSHAKE_BYTES], finish[TL_HANDSHAKE_BYTES];
  uint8_t payload[TL_FINISH_PAYLOAD_BYTES] = {0};
  struct forge forge;
  start();
  if (!size) return 0;
  now += 2 * TL_S; /* the last half-open entry but four is over */
  tl_clone_watch_init(&anna.clones);
  forge_init(&forge, &bert);
  const uint8_t *id = anna.identity->node_id;
  if (*data & 1) tl_gate_open(&forge.gate, true, token.invitation_id, token.secret, id);
  TL_ASSERT(forge_call(&forge, responder, now, id, reply) == 0);
  if (--size > sizeof payload) size = sizeof payload;
  memcpy(payload, data + 1, size);
  forge_finish(&forge, reply, payload, finish);
  int r = tl_responder_push(responder, now, &from, false, finish, sizeof finish, &response);
  TL_ASSERT(r != 0 || response.kind == TL_RESPONSE_ESTABLISHED);
  if (r == 0) TL_ASSERT(memcmp(response.peer.key, bert.identity->key, 32) == 0);
  return 0;
}
