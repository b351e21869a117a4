/*
 * Why a packet, a peer or a record was refused: one code and one counter per reason.
 *
 * Codes are positive conditions (core/error.h): whoever pushed the bytes drops them and goes on.
 * The object has counted the reason and changed nothing else.
 */
#ifndef TL_CRYPTO_REFUSAL_H
#define TL_CRYPTO_REFUSAL_H

#include <stdint.h>

enum tl_refusal {
  /* form */
  TL_REFUSED_SIZE = 16,
  TL_REFUSED_TYPE,
  TL_REFUSED_VERSION,
  TL_REFUSED_FLAGS,
  TL_REFUSED_PADDING,
  /* what a stranger cannot know */
  TL_REFUSED_FABRIC_TAG,
  TL_REFUSED_PSK_ID,
  TL_REFUSED_MAC1,
  TL_REFUSED_MAC2,  /* no valid cookie: over UDP a COOKIE goes out, over TCP nothing */
  TL_REFUSED_INDEX, /* receiver_index is nobody's */
  TL_REFUSED_STATE, /* not expected now, or seen before */
  /* limits */
  TL_REFUSED_SOURCE_RATE,
  TL_REFUSED_NODE_RATE,
  TL_REFUSED_SOURCE_HALF_OPEN,
  /* the handshake proper */
  TL_REFUSED_NOISE,              /* a tag is wrong, or a public key of low order */
  TL_REFUSED_COOKIE,             /* a COOKIE that does not open */
  TL_REFUSED_PAYLOAD,            /* malformed inside the encryption */
  TL_REFUSED_SELF,               /* our own static or ephemeral key */
  TL_REFUSED_OTHER_NODE,         /* a member, but not the one that was dialled */
  TL_REFUSED_PROTOCOL,           /* no common protocol version */
  TL_REFUSED_CERTIFICATE,        /* malformed, or missing */
  TL_REFUSED_CERTIFICATE_FABRIC, /* of another fabric */
  TL_REFUSED_CERTIFICATE_KEY,    /* for another static key, or a wrong node id */
  TL_REFUSED_CERTIFICATE_EPOCH,  /* older than our authority epoch */
  TL_REFUSED_CERTIFICATE_TIME,   /* not yet, or no longer, valid */
  TL_REFUSED_CERTIFICATE_SIGNATURE,
  TL_REFUSED_REVOKED,
  TL_REFUSED_CLONE,           /* two boot ids alternate under one key */
  TL_REFUSED_INVITATION,      /* unknown, expired or burnt meanwhile */
  TL_REFUSED_INVITATION_USED, /* by another key */
  /* session */
  TL_REFUSED_REPLAY,
  TL_REFUSED_TAG,     /* DATA, RECORD or ATTACH that does not open */
  TL_REFUSED_COUNTER, /* TCP: not exactly the next one: close the connection; ATTACH: a used number
                       */
  TL_REFUSED_CHANNEL, /* the wrong packet type for this channel */
  TL_REFUSAL_END,
};

#define TL_REFUSAL_COUNT (TL_REFUSAL_END - TL_REFUSED_SIZE)

struct tl_refusals {
  uint64_t count[TL_REFUSAL_COUNT];
};

/* Counts and returns the reason, so that a check reads `return tl_refuse(&x->refusals,
 * TL_REFUSED_MAC1)`. */
static inline int tl_refuse(struct tl_refusals *r, int reason) {
  r->count[reason - TL_REFUSED_SIZE]++;
  return reason;
}

/* The refusal that says what a decoder of core/wire/packet.h found (enum tl_packet_fault). */
int tl_refusal_of_fault(int fault);

/* "certificate-signature": stable names for counters and logs; NULL for what is no refusal. */
const char *tl_refusal_name(int reason);

#endif
