/*
 * The calling side of Noise_XXpsk3: HELLO out, COOKIE in (UDP), HELLO again, REPLY in, FINISH out.
 *
 * A state machine without sockets or clock. It repeats its packet byte for byte after 100 ms,
 * doubling to 250 ms, for 30 s (over TCP it says everything once). A packet is judged on a copy of
 * the state, which replaces the state only when every check has passed: a forged or wrong REPLY
 * changes a counter and nothing else.
 *
 *   IDLE --begin--> HELLO --COOKIE--> HELLO --REPLY--> FINISH --confirm--> IDLE
 *
 *   timers: retransmit_first_ns .. retransmit_cap_ns, give_up_ns, cookie_keep_ns
 * (crypto/parameters.h)
 */
#ifndef TL_CRYPTO_HANDSHAKE_H
#define TL_CRYPTO_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/wire/packet.h"
#include "core/wire/token.h"
#include "crypto/peer.h"
#include "crypto/refusal.h"
#include "crypto/self.h"

struct tl_handshake;

struct tl_handshake_target {
  uint8_t responder_id[16]; /* whom we call; all zero: whichever member is at that address (a peer
                               given without id) */
  bool over_tcp;
  bool use_previous_admission; /* the peer may have been off while the epoch changed: try this every
                                  other time */
  const struct tl_token *token; /* to join: the invitation; responder_id is then taken from it.
                                   Borrowed for the call */
};

/* In guarded memory. NULL: out of memory. Borrows `self`. */
struct tl_handshake *tl_handshake_new(const struct tl_self *self);
struct tl_handshake *tl_handshake_free(struct tl_handshake *handshake);

/* Starts anew, whatever went on before (a cookie for the same responder is kept). `local_index` is
 * the caller's, unused, and becomes the session's. 0; TULLE_E_INVALID (ourselves);
 * TULLE_E_NOT_FOUND (no previous admission epoch). */
int tl_handshake_begin(struct tl_handshake *handshake, uint64_t now_ns,
                       const struct tl_handshake_target *target, uint32_t local_index);

/* A COOKIE or REPLY. 0, or a refusal. After 0 ask is_established(), and poll. */
int tl_handshake_push(struct tl_handshake *handshake, uint64_t now_ns, const uint8_t *packet,
                      size_t size);

/* The packet to send now: 0 (size in *out_size), TL_EMPTY (nothing before deadline()), or
 * TULLE_E_DEADLINE: given up, idle again; a session made from it, if any, was never confirmed and
 * must be dropped. */
int tl_handshake_poll(struct tl_handshake *handshake, uint64_t now_ns,
                      uint8_t out[TL_HANDSHAKE_BYTES], size_t *out_size);

/* When to poll, or TL_NEVER. */
uint64_t tl_handshake_deadline(const struct tl_handshake *handshake);

/* True from the REPLY on: the session can be made, and data may follow the first FINISH at once. */
bool tl_handshake_is_established(const struct tl_handshake *handshake);

/* The result, once: the secrets are wiped here. 0, or TL_EMPTY (not established, or taken). */
int tl_handshake_take(struct tl_handshake *handshake, struct tl_secrets *out_secrets,
                      struct tl_peer_info *out_peer, uint32_t *out_local_index,
                      uint32_t *out_remote_index);

/* The first packet of the session has been opened: FINISH has arrived, stop repeating it. */
void tl_handshake_confirm(struct tl_handshake *handshake);

/* Why packets were refused; `last_refusal` of this attempt tells a person why a peer cannot be
 * reached (0: silence). */
const struct tl_refusals *tl_handshake_refusals(const struct tl_handshake *handshake);
int tl_handshake_last_refusal(const struct tl_handshake *handshake);

#endif
