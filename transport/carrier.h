/*
 * What a carrier (UDP, TCP, the simulator) and the link above it agree on.
 *
 * The link names a path and gives bursts of ready packets; the carrier moves them and hands up what
 * arrives. A carrier knows no key and looks at no byte, except that TCP cuts its stream into packets by
 * the lengths that stand in the packets' headers (docs/protocol-link.md).
 */
#ifndef TL_TRANSPORT_CARRIER_H
#define TL_TRANSPORT_CARRIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/address.h"

enum tl_carrier { TL_CARRIER_UDP, TL_CARRIER_TCP };

/* One way to a peer. `connection` is the TCP carrier's number for an open connection (from 1, never reused);
 * over UDP it is 0 and `remote` alone says where. No padding: memcmp compares it. */
struct tl_path {
  struct tl_address remote;
  uint32_t carrier; /* enum tl_carrier */
  uint32_t connection;
};

/* Packets for one path, back to back in one buffer: all are `packet_bytes` long, the last may be shorter (what UDP
 * segmentation offload takes as it is). The buffer is borrowed until the next call of who gave it. */
struct tl_burst {
  struct tl_path path;
  const uint8_t *bytes;
  size_t size;
  size_t packet_bytes;
};

#define TL_BURST_BYTES_MAX   65000u /* one UDP GSO send takes less than 64 KiB */
#define TL_BURST_PACKETS_MAX 64u    /* UDP_MAX_SEGMENTS of the kernel */

/* The composition root's side: a carrier calls these from its loop's thread, never from inside a call made to it.
 * `packet` may be changed in place (it is decrypted there) and is borrowed for the call. */
struct tl_carrier_sink {
  void *context;
  void (*packet)(void *context, const struct tl_path *path, uint8_t *packet, size_t size);
  /* All packets of this wake-up have been handed up: the moment to poll for answers. */
  void (*batch_end)(void *context);
  /* TCP only. `opened` for both accepted and dialled connections; a failed dial only gets `closed`. */
  void (*opened)(void *context, const struct tl_path *path, bool accepted);
  void (*closed)(void *context, const struct tl_path *path, int error);
  /* A burst that got TL_FULL can be given again. */
  void (*writable)(void *context, const struct tl_path *path);
};

#endif
