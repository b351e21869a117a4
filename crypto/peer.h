/* What a finished handshake gives: secrets for the session, and who the peer is. */
#ifndef TL_CRYPTO_PEER_H
#define TL_CRYPTO_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/wire/certificate.h"

/* Keep short on the stack, then tl_secrets_wipe(). */
struct tl_secrets {
  uint8_t initiator[32]; /* TS_i and TS_r of the key schedule: never themselves keys of a cipher */
  uint8_t responder[32];
  uint8_t hash[64]; /* the handshake hash: public, it only binds */
};

void tl_secrets_wipe(struct tl_secrets *secrets);

struct tl_peer_info {
  uint8_t key[32];     /* the identity: proved by the handshake */
  uint8_t node_id[16]; /* computed from the key */
  bool joining; /* the newcomer of an invitation: no certificate yet, may only ask to be admitted */
  uint8_t invitation_id[8];
  bool has_certificate; /* false for a newcomer; unchecked where is_inviter */
  bool is_inviter;      /* we are the newcomer: the key is the token's, the certificate could not be
                           checked */
  struct tl_certificate certificate;
  uint8_t certificate_bytes[TL_CERTIFICATE_BYTES]; /* as shown, for tl_trust_check() on a live
                                                      session */
  uint32_t roles;                                  /* from the certificate; 0 for a newcomer */
  char name[TL_NODE_NAME_BYTES_MAX + 1];           /* from the certificate; empty for a newcomer */
  uint8_t boot_id[16];
  uint8_t version;             /* the protocol version of this session */
  uint64_t features;           /* the peer's; use what both have */
  uint32_t revocation_version; /* of the list that the peer has */
  uint16_t udp_port;           /* where the peer listens; 0: nowhere */
  uint16_t tcp_port;
  uint32_t max_record;
};

#endif
