/*
 * The called side of Noise_XXpsk3, one object for all callers: HELLO in, COOKIE or REPLY out,
 * FINISH in, session.
 *
 * Strangers cost nothing: a HELLO is judged in the order size, type, version, flags, zeros, fabric
 * and psk_id, mac1, cookie, half-open table, rate limits, Noise, and is dropped in silence at the
 * first fault. Nothing is stored before the cookie has proved the source address; over TCP the
 * connection itself has. The reply to a HELLO is stored and sent again when the HELLO is; a FINISH
 * that comes again is answered by a fresh packet of the session and never makes a second one.
 *
 *   timers: cookie_secret_ns, half_open_ns; both are looked at when packets come, so there is no
 * deadline limits: TL_HALF_OPEN_MAX entries (a random one makes room), half_open_per_source,
 * source_rate, node_rate, bad_finish_max
 */
#ifndef TL_CRYPTO_RESPONDER_H
#define TL_CRYPTO_RESPONDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/address.h"
#include "core/wire/packet.h"
#include "crypto/peer.h"
#include "crypto/refusal.h"
#include "crypto/self.h"

struct tl_responder;

enum tl_response_kind {
  TL_RESPONSE_SEND,        /* `packet` (a COOKIE or REPLY) goes to where the input came from */
  TL_RESPONSE_ESTABLISHED, /* make the session and send its first packet at once: it confirms FINISH
                            */
  TL_RESPONSE_CONFIRM, /* a FINISH came again: send any packet of the session `local_index`, if it
                          still lives */
};

struct tl_response {
  enum tl_response_kind kind;
  size_t size; /* SEND */
  uint8_t packet[TL_HANDSHAKE_BYTES];

  uint32_t local_index; /* ESTABLISHED, CONFIRM */
  uint32_t remote_index;
  struct tl_secrets secrets; /* ESTABLISHED: wipe after use */
  struct tl_peer_info peer;
  struct tl_address validated; /* the address that the cookie proved: where to answer, even when
                                  FINISH came from elsewhere */
};

struct tl_responder *tl_responder_new(const struct tl_self *self);
struct tl_responder *tl_responder_free(struct tl_responder *responder);

/* A HELLO or FINISH that came from `from`. 0: see `out`; otherwise a refusal, and nothing is to be
 * sent (one exception: a HELLO without a valid cookie over UDP is answered by a COOKIE, counted as
 * TL_REFUSED_MAC2, and returns 0). */
int tl_responder_push(struct tl_responder *responder, uint64_t now_ns,
                      const struct tl_address *from, bool over_tcp, const uint8_t *packet,
                      size_t size, struct tl_response *out);

/* True when a local index stands in the half-open table: part of the caller's index_is_taken. */
bool tl_responder_has_index(const struct tl_responder *responder, uint32_t index);

struct tl_responder_stats {
  struct tl_refusals refusals;
  uint64_t cookies; /* COOKIEs sent */
  uint64_t replies; /* HELLOs that reached a DH */
  uint64_t resent;  /* REPLYs sent again */
  uint64_t established;
  uint64_t repeated;  /* FINISHes that came again */
  uint64_t evicted;   /* half-open entries that made room */
  uint32_t half_open; /* now */
};

const struct tl_responder_stats *tl_responder_stats(const struct tl_responder *responder);

#endif
