/*
 * This node, as its handshakes see it: made once by the composition root and shared by all of them.
 *
 * Everything is borrowed and must outlive the handshakes. The plain fields may be changed between
 * calls (ports that became known, a wall clock that became right).
 */
#ifndef TL_CRYPTO_SELF_H
#define TL_CRYPTO_SELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/clone.h"
#include "crypto/identity.h"
#include "crypto/parameters.h"
#include "crypto/random.h"
#include "crypto/trust.h"

/* Of what follows the handshake. */
#define TL_PROTOCOL_VERSION_MIN 1
#define TL_PROTOCOL_VERSION_MAX 1

struct tl_self {
  const struct tl_identity *identity;
  struct tl_trust *trust;
  const struct tl_random *random;
  const struct tl_parameters *parameters;
  struct tl_clone_watch *clones; /* one for the node */

  uint8_t boot_id[16];
  uint64_t features;
  uint32_t max_record; /* the largest RECORD plaintext that we take */
  uint16_t udp_port;
  uint16_t tcp_port; /* 0: not listening */
  uint64_t wall_s;   /* wall clock in seconds; 0: not to be trusted */

  /* True when a local index is in use. NULL: nobody else hands out indices. */
  bool (*index_is_taken)(void *context, uint32_t index);
  void *index_context;
};

/* A random index that is not 0 and not taken. */
uint32_t tl_self_draw_index(const struct tl_self *self);

/* The payload of REPLY or FINISH, padded to `size`; a newcomer has no certificate to show. */
void tl_self_payload(const struct tl_self *self, bool is_newcomer, uint8_t *out, size_t size);

#endif
