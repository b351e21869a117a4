#include "crypto/self.h"

#include "core/wire/packet.h"

uint32_t tl_self_draw_index(const struct tl_self *self) {
  uint32_t index;
  do tl_random_fill(self->random, &index, sizeof index);
  while (!index || (self->index_is_taken && self->index_is_taken(self->index_context, index)));
  return index;
}

void tl_self_payload(const struct tl_self *self, bool is_newcomer, uint8_t *out, size_t size) {
  const struct tl_trust_state *trust = tl_trust_state_of(self->trust);
  struct tl_packet_payload p = {.min_version = TL_PROTOCOL_VERSION_MIN,
                                .max_version = TL_PROTOCOL_VERSION_MAX,
                                .certificate = is_newcomer ? NULL : trust->certificate,
                                .boot_id = self->boot_id,
                                .features = self->features,
                                .revocation_version = is_newcomer ? 0 : trust->list.version,
                                .udp_port = self->udp_port,
                                .tcp_port = self->tcp_port,
                                .max_record = self->max_record};
  tl_packet_payload_encode(&p, out, size);
}
