#include "crypto/gate.h"

#include <sodium.h>
#include <string.h>

#include "crypto/hash.h"

_Static_assert(crypto_kdf_KEYBYTES == 32, "a shared secret is a key of the KDF");

void tl_gate_open(struct tl_gate *gate, bool is_invitation, const uint8_t psk_id[8],
                  const uint8_t secret[32], const uint8_t own_id[16]) {
  static const uint8_t anyone[16];
  gate->is_invitation = is_invitation;
  memcpy(gate->psk_id, psk_id, 8);
  crypto_kdf_derive_from_key(gate->psk, 32, 1, "tul1 psk", secret);
  crypto_kdf_derive_from_key(gate->mac_root, 32, 2, "tul1 mac", secret);
  crypto_kdf_derive_from_key(gate->cookie_root, 32, 3, "tul1 cok", secret);
  tl_gate_keys_for(gate, own_id, &gate->to_self);
  tl_gate_keys_for(gate, anyone, &gate->to_anyone);
}

void tl_gate_keys_for(const struct tl_gate *gate, const uint8_t responder_id[16],
                      struct tl_gate_keys *out) {
  struct tl_bytes id = {responder_id, 16};
  tl_hash_pair(gate->mac_root, TL_BYTES_TEXT("hello"), id, out->hello);
  tl_hash_pair(gate->cookie_root, id, TL_BYTES_NONE, out->cookie);
}

void tl_gate_reply_key(const struct tl_gate *gate, const uint8_t hello_mac1[16], uint8_t out[32]) {
  tl_hash_pair(gate->mac_root, TL_BYTES_TEXT("reply"), (struct tl_bytes){hello_mac1, 16}, out);
}

void tl_gate_finish_key(const struct tl_gate *gate, const uint8_t hello_mac1[16], uint8_t out[32]) {
  tl_hash_pair(gate->mac_root, TL_BYTES_TEXT("finish"), (struct tl_bytes){hello_mac1, 16}, out);
}
