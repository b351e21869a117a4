/*
 * One side of a handshake made by hand: a member that lies. It knows the shared secret and has an
 * identity, and says whatever the test wants inside an honest encryption.
 */
#ifndef TL_TESTS_SUPPORT_FORGE_H
#define TL_TESTS_SUPPORT_FORGE_H

#include "core/wire/packet.h"
#include "crypto/noise.h"
#include "crypto/peer.h"
#include "tests/support/node_fixture.h"

struct forge {
  const struct tl_identity *identity;
  struct tl_random *random;
  struct tl_gate gate;
  uint8_t fabric_id[16];
  struct tl_noise noise;
  uint8_t hello_mac1[16];
  uint32_t local_index;
  uint32_t remote_index;
};

/* As `node`, through its present admission secret. */
void forge_init(struct forge *forge, struct node_fixture *node);

/* As caller: a HELLO, and mac2 for it from the COOKIE that came back. */
void forge_hello(struct forge *forge, const uint8_t responder_id[16], uint16_t flags,
                 uint8_t out[TL_HANDSHAKE_BYTES]);
void forge_stamp(struct forge *forge, const uint8_t responder_id[16],
                 const uint8_t cookie_packet[TL_COOKIE_BYTES], uint8_t hello[TL_HANDSHAKE_BYTES]);
/* Takes the REPLY and makes a FINISH around `payload` (TL_FINISH_PAYLOAD_BYTES). */
void forge_finish(struct forge *forge, const uint8_t *reply, const uint8_t *payload,
                  uint8_t out[TL_HANDSHAKE_BYTES]);

/* As responder: answers `hello` with a REPLY around `payload` (TL_REPLY_PAYLOAD_BYTES). */
void forge_reply(struct forge *forge, const uint8_t *hello, const uint8_t *payload,
                 uint8_t out[TL_HANDSHAKE_BYTES]);

/* HELLO, COOKIE and HELLO again over UDP from 10.0.0.9; the REPLY goes to `out`. 0 or the refusal. */
int forge_call(struct forge *forge, struct tl_responder *responder, uint64_t now_ns,
               const uint8_t responder_id[16], uint8_t out[TL_HANDSHAKE_BYTES]);

/* mac1 of a HELLO that was changed, made right again. */
void forge_mac1(const struct forge *forge, const uint8_t responder_id[16],
                uint8_t hello[TL_HANDSHAKE_BYTES]);

#endif
