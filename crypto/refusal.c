#include "crypto/refusal.h"

#include <stddef.h>

#include "core/wire/packet.h"

static const char *const names[TL_REFUSAL_COUNT] = {
#define NAME(code, text) [code - TL_REFUSED_SIZE] = text
    NAME(TL_REFUSED_SIZE, "size"),
    NAME(TL_REFUSED_TYPE, "type"),
    NAME(TL_REFUSED_VERSION, "version"),
    NAME(TL_REFUSED_FLAGS, "flags"),
    NAME(TL_REFUSED_PADDING, "padding"),
    NAME(TL_REFUSED_FABRIC_TAG, "fabric-tag"),
    NAME(TL_REFUSED_PSK_ID, "psk-id"),
    NAME(TL_REFUSED_MAC1, "mac1"),
    NAME(TL_REFUSED_MAC2, "mac2"),
    NAME(TL_REFUSED_INDEX, "index"),
    NAME(TL_REFUSED_STATE, "state"),
    NAME(TL_REFUSED_SOURCE_RATE, "source-rate"),
    NAME(TL_REFUSED_NODE_RATE, "node-rate"),
    NAME(TL_REFUSED_SOURCE_HALF_OPEN, "source-half-open"),
    NAME(TL_REFUSED_NOISE, "noise"),
    NAME(TL_REFUSED_COOKIE, "cookie"),
    NAME(TL_REFUSED_PAYLOAD, "payload"),
    NAME(TL_REFUSED_SELF, "self"),
    NAME(TL_REFUSED_OTHER_NODE, "other-node"),
    NAME(TL_REFUSED_PROTOCOL, "protocol-version"),
    NAME(TL_REFUSED_CERTIFICATE, "certificate"),
    NAME(TL_REFUSED_CERTIFICATE_FABRIC, "certificate-fabric"),
    NAME(TL_REFUSED_CERTIFICATE_KEY, "certificate-key"),
    NAME(TL_REFUSED_CERTIFICATE_EPOCH, "certificate-epoch"),
    NAME(TL_REFUSED_CERTIFICATE_TIME, "certificate-time"),
    NAME(TL_REFUSED_CERTIFICATE_SIGNATURE, "certificate-signature"),
    NAME(TL_REFUSED_REVOKED, "revoked"),
    NAME(TL_REFUSED_CLONE, "clone"),
    NAME(TL_REFUSED_INVITATION, "invitation"),
    NAME(TL_REFUSED_INVITATION_USED, "invitation-used"),
    NAME(TL_REFUSED_REPLAY, "replay"),
    NAME(TL_REFUSED_TAG, "tag"),
    NAME(TL_REFUSED_COUNTER, "counter"),
    NAME(TL_REFUSED_CHANNEL, "channel"),
#undef NAME
};

_Static_assert(TL_REFUSED_SIZE + TL_PACKET_FAULT_PADDING - TL_PACKET_FAULT_SIZE ==
                   TL_REFUSED_PADDING,
               "faults and refusals of form stand in the same order");

int tl_refusal_of_fault(int fault) {
  return TL_REFUSED_SIZE + fault - TL_PACKET_FAULT_SIZE;
}

const char *tl_refusal_name(int reason) {
  if (reason < TL_REFUSED_SIZE || reason >= TL_REFUSAL_END) return NULL;
  return names[reason - TL_REFUSED_SIZE];
}
