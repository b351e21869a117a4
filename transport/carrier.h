/*
 * What a carrier (UDP, TCP, the simulator) and the link above it agree on.
 *
 * The link names a path and gives bursts of ready packets; the carrier moves them and hands up what
 * arrives. A carrier knows no key and looks at no byte, except that TCP cuts its stream into
 * packets by the lengths that stand in the packets' headers (docs/protocol-link.md).
 */
#ifndef TL_TRANSPORT_CARRIER_H
#define TL_TRANSPORT_CARRIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/address.h"
#include "core/bytes.h"
#include "core/error.h"

enum tl_carrier { TL_CARRIER_UDP, TL_CARRIER_TCP };

/* One way to a peer. `connection` is the TCP carrier's number for an open connection (from 1, never
 * reused); over UDP it is 0 and `remote` alone says where. No padding: memcmp compares it. */
struct tl_path {
  struct tl_address remote;
  uint32_t carrier; /* enum tl_carrier */
  uint32_t connection;
};

/* Packets for one path, back to back in one buffer: all are `packet_bytes` long, the last may be
 * shorter (what UDP segmentation offload takes as it is). The buffer is borrowed until the next
 * call of who gave it. */
struct tl_burst {
  struct tl_path path;
  const uint8_t *bytes;
  size_t size;
  size_t packet_bytes;
};

#define TL_BURST_BYTES_MAX   65000u /* one UDP GSO send takes less than 64 KiB */
#define TL_BURST_PACKETS_MAX 64u    /* UDP_MAX_SEGMENTS of the kernel */

/* The composition root's side: a carrier calls these from its loop's thread, never from inside a
 * call made to it. `packet` may be changed in place (it is decrypted there) and is borrowed for the
 * call. */
struct tl_carrier_sink {
  void *context;
  void (*packet)(void *context, const struct tl_path *path, uint8_t *packet, size_t size);
  /* All packets of this wake-up have been handed up: the moment to poll for answers. */
  void (*batch_end)(void *context);
  /* TCP only. `opened` for both accepted and dialled connections; a failed dial only gets `closed`.
   */
  void (*opened)(void *context, const struct tl_path *path, bool accepted);
  void (*closed)(void *context, const struct tl_path *path, int error);
  /* A send said TL_FULL (it was taken all the same): now there is room for the next. Over UDP the
   * path has no address and stands for the whole carrier. */
  void (*writable)(void *context, const struct tl_path *path);
};

/*
 * Where the packet ends that begins at `bytes` of a TCP stream, `size` of which are there
 * (docs/protocol-link.md). HELLO (1), REPLY (3) and FINISH (4) have 1,200 bytes; RECORD (0x11) and
 * ATTACH (0x12) have a header of 16 with the length of the rest at offset 2. 0 and the packet's
 * size, which may be larger than `size`; TL_MORE: the length has not arrived yet; TULLE_E_PROTOCOL:
 * no packet begins like this.
 */
static inline int tl_carrier_packet_size(const uint8_t *bytes, size_t size, size_t *out_size) {
  if (size < 1) return TL_MORE;
  if (bytes[0] == 0x01 || bytes[0] == 0x03 || bytes[0] == 0x04) {
    *out_size = 1200;
    return 0;
  }
  if (bytes[0] != 0x11 && bytes[0] != 0x12) return TULLE_E_PROTOCOL;
  if (size < 4) return TL_MORE;
  *out_size = 16 + (size_t)tl_load_le(bytes + 2, 2);
  return 0;
}

#endif
