#include "tests/support/forge.h"

#include <sodium.h>
#include <string.h>

#include "core/error.h"
#include "crypto/hash.h"
#include "crypto/peer_internal.h"

void forge_init(struct forge *forge, struct node_fixture *node) {
  *forge = (struct forge){.identity = node->identity, .random = &node->random};
  forge->gate = *tl_trust_own_gate(node->trust, 0, false);
  memcpy(forge->fabric_id, tl_trust_state_of(node->trust)->fabric_id, 16);
}

static void noise_begin(struct forge *f, bool is_initiator, const uint8_t *hello,
                        const uint8_t responder_id[16]) {
  uint8_t prologue[TL_PROLOGUE_BYTES];
  tl_peer_prologue(f->fabric_id, hello, responder_id, prologue);
  struct tl_noise_config config = {.suite = &tl_noise_suite,
                                   .pattern = &tl_noise_xxpsk3,
                                   .is_initiator = is_initiator,
                                   .prologue = {prologue, sizeof prologue},
                                   .s_secret = f->identity->secret,
                                   .s = f->identity->key,
                                   .psks = (const uint8_t(*)[32]) & f->gate.psk,
                                   .psk_count = 1};
  tl_noise_init(&f->noise, &config);
}

void forge_mac1(const struct forge *forge, const uint8_t responder_id[16],
                uint8_t hello[TL_HANDSHAKE_BYTES]) {
  struct tl_gate_keys keys;
  tl_gate_keys_for(&forge->gate, responder_id, &keys);
  tl_mac((struct tl_bytes){keys.hello, 32}, hello, TL_HELLO_MAC1_AT, hello + TL_HELLO_MAC1_AT);
}

void forge_hello(struct forge *forge, const uint8_t responder_id[16], uint16_t flags,
                 uint8_t out[TL_HANDSHAKE_BYTES]) {
  uint8_t message[TL_HELLO_NOISE_BYTES] = {0}, e[32];
  size_t size;
  tl_random_fill(forge->random, e, sizeof e);
  tl_random_fill(forge->random, &forge->local_index, sizeof forge->local_index);
  struct tl_packet_hello hello = {.flags = flags,
                                  .sender_index = forge->local_index,
                                  .fabric_tag = forge->fabric_id,
                                  .psk_id = forge->gate.psk_id,
                                  .responder_id = responder_id,
                                  .noise = message};
  tl_packet_hello_encode(&hello, out);
  noise_begin(forge, true, out, responder_id);
  int r = tl_noise_write(&forge->noise, e, NULL, 0, message, &size);
  TL_ASSERT(r == 0);
  tl_packet_hello_encode(&hello, out);
  forge_mac1(forge, responder_id, out);
  memcpy(forge->hello_mac1, out + TL_HELLO_MAC1_AT, 16);
}

void forge_stamp(struct forge *forge, const uint8_t responder_id[16],
                 const uint8_t cookie_packet[TL_COOKIE_BYTES], uint8_t hello[TL_HANDSHAKE_BYTES]) {
  struct tl_gate_keys keys;
  struct tl_packet_cookie p;
  uint8_t cookie[16];
  tl_gate_keys_for(&forge->gate, responder_id, &keys);
  int r = tl_packet_cookie_decode(cookie_packet, TL_COOKIE_BYTES, &p);
  TL_ASSERT(r == 0);
  r = crypto_aead_xchacha20poly1305_ietf_decrypt(cookie, NULL, NULL, p.sealed, 32,
                                                 forge->hello_mac1, 16, p.nonce, keys.cookie);
  TL_ASSERT(r == 0);
  tl_mac((struct tl_bytes){cookie, 16}, hello, TL_HELLO_MAC2_AT, hello + TL_HELLO_MAC2_AT);
}

void forge_finish(struct forge *forge, const uint8_t *reply, const uint8_t *payload,
                  uint8_t out[TL_HANDSHAKE_BYTES]) {
  struct tl_packet_reply p;
  uint8_t opened[TL_REPLY_NOISE_BYTES], key[32];
  size_t size;
  int r = tl_packet_reply_decode(reply, TL_HANDSHAKE_BYTES, TL_PACKET_REPLY, &p);
  if (r == 0) r = tl_noise_read(&forge->noise, p.noise, TL_REPLY_NOISE_BYTES, opened, &size);
  TL_ASSERT(r == 0);
  forge->remote_index = p.sender_index;
  tl_packet_reply_encode_head(TL_PACKET_FINISH, forge->local_index, forge->remote_index, out);
  r = tl_noise_write(&forge->noise, NULL, payload, TL_FINISH_PAYLOAD_BYTES, out + TL_REPLY_NOISE_AT,
                     &size);
  TL_ASSERT(r == 0);
  tl_gate_finish_key(&forge->gate, forge->hello_mac1, key);
  tl_mac((struct tl_bytes){key, 32}, out, TL_FINISH_MAC1_COVERS, out + TL_REPLY_MAC1_AT);
}

void forge_reply(struct forge *forge, const uint8_t *hello, const uint8_t *payload,
                 uint8_t out[TL_HANDSHAKE_BYTES]) {
  struct tl_packet_hello p;
  uint8_t empty[TL_HELLO_NOISE_BYTES], e[32], key[32];
  size_t size;
  int r = tl_packet_hello_decode(hello, TL_HANDSHAKE_BYTES, &p);
  TL_ASSERT(r == 0);
  noise_begin(forge, false, hello, p.responder_id);
  r = tl_noise_read(&forge->noise, p.noise, TL_HELLO_NOISE_BYTES, empty, &size);
  TL_ASSERT(r == 0);
  tl_random_fill(forge->random, e, sizeof e);
  tl_random_fill(forge->random, &forge->local_index, sizeof forge->local_index);
  tl_packet_reply_encode_head(TL_PACKET_REPLY, forge->local_index, p.sender_index, out);
  r = tl_noise_write(&forge->noise, e, payload, TL_REPLY_PAYLOAD_BYTES, out + TL_REPLY_NOISE_AT,
                     &size);
  TL_ASSERT(r == 0);
  tl_gate_reply_key(&forge->gate, p.mac1, key);
  tl_mac((struct tl_bytes){key, 32}, out, TL_REPLY_MAC1_COVERS, out + TL_REPLY_MAC1_AT);
}

int forge_call(struct forge *forge, struct tl_responder *responder, uint64_t now_ns,
               const uint8_t responder_id[16], uint8_t out[TL_HANDSHAKE_BYTES]) {
  uint8_t hello[TL_HANDSHAKE_BYTES];
  struct tl_address from = address_of(9);
  static struct tl_response response;
  uint16_t flags = forge->gate.is_invitation ? TL_HELLO_JOIN : 0;
  forge_hello(forge, responder_id, flags, hello);
  int r = tl_responder_push(responder, now_ns, &from, false, hello, sizeof hello, &response);
  if (r != 0) return r;
  forge_stamp(forge, responder_id, response.packet, hello);
  r = tl_responder_push(responder, now_ns, &from, false, hello, sizeof hello, &response);
  if (r == 0) memcpy(out, response.packet, TL_HANDSHAKE_BYTES);
  return r;
}
