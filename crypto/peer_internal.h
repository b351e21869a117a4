/* Judging who is at the other end: the same for both sides of a handshake. */
#ifndef TL_CRYPTO_PEER_INTERNAL_H
#define TL_CRYPTO_PEER_INTERNAL_H

#include <stddef.h>

#include "crypto/noise.h"
#include "crypto/peer.h"
#include "crypto/self.h"

enum tl_peer_kind {
  TL_PEER_MEMBER,   /* shows a certificate, which is checked in full */
  TL_PEER_INVITER,  /* we are joining: its certificate cannot be checked yet, its key is the token's
                     */
  TL_PEER_NEWCOMER, /* it is joining: shows none */
};

/* What was known of the peer before it showed itself. */
struct tl_peer_expectation {
  enum tl_peer_kind kind;
  const uint8_t *node_id;       /* 16 bytes that its key must hash to, or NULL: any */
  const uint8_t *fabric_id;     /* INVITER: the token's */
  const uint8_t *invitation_id; /* NEWCOMER */
};

/* `noise` has just taken the message that ended with `payload`. 0, or a refusal. */
int tl_peer_examine(const struct tl_self *self, uint64_t now_ns, const struct tl_noise *noise,
                    const struct tl_peer_expectation *expected, const uint8_t *payload,
                    size_t payload_bytes, struct tl_peer_info *out);

/* "tul1 prologue\0" || fabric_id || HELLO bytes 0 to 39 with this responder_id. */
#define TL_PROLOGUE_BYTES (14 + 16 + 40)
void tl_peer_prologue(const uint8_t fabric_id[16], const uint8_t *hello,
                      const uint8_t responder_id[16], uint8_t out[TL_PROLOGUE_BYTES]);

/* The secrets of a handshake that is done. */
void tl_peer_secrets(const struct tl_noise *noise, struct tl_secrets *out);

#endif
