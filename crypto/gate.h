/*
 * The keys that open the way to a handshake, all derived from one shared secret: the admission
 * secret of an epoch, or the secret of an invitation. The secret itself is used for nothing else.
 *
 *   psk         = KDF(secret, 1, "tul1 psk")
 *   mac_root    = KDF(secret, 2, "tul1 mac")
 *   cookie_root = KDF(secret, 3, "tul1 cok")
 *
 * KDF is crypto_kdf_derive_from_key; H(k, x) below is keyed BLAKE2b-256. A gate is not
 * authentication: it gives silence towards strangers, and it is mixed into every key.
 */
#ifndef TL_CRYPTO_GATE_H
#define TL_CRYPTO_GATE_H

#include <stdbool.h>
#include <stdint.h>

/* The keys of a HELLO that is addressed to one responder. */
struct tl_gate_keys {
  uint8_t hello[32];  /* H(mac_root, "hello" || responder_id): of mac1 */
  uint8_t cookie[32]; /* H(cookie_root, responder_id): seals the COOKIE */
};

struct tl_gate {
  uint8_t psk_id[8]; /* little-endian epoch, or invitation id */
  bool is_invitation;
  uint8_t psk[32];
  uint8_t mac_root[32];
  uint8_t cookie_root[32];
  struct tl_gate_keys to_self;   /* HELLOs to this node, kept because strangers may send many */
  struct tl_gate_keys to_anyone; /* HELLOs to "whoever is at this address": responder_id is zero */
};

void tl_gate_open(struct tl_gate *gate, bool is_invitation, const uint8_t psk_id[8],
                  const uint8_t secret[32], const uint8_t own_id[16]);

void tl_gate_keys_for(const struct tl_gate *gate, const uint8_t responder_id[16],
                      struct tl_gate_keys *out);

/* H(mac_root, "reply" || HELLO.mac1) and H(mac_root, "finish" || HELLO.mac1): keys of mac1. */
void tl_gate_reply_key(const struct tl_gate *gate, const uint8_t hello_mac1[16], uint8_t out[32]);
void tl_gate_finish_key(const struct tl_gate *gate, const uint8_t hello_mac1[16], uint8_t out[32]);

#endif
