/*
 * How large a UDP packet passes: found by trying (RFC 8899), never told by the network.
 *
 * It begins at 1,200, which the handshake has proved, and tries 1,372, 1,452 and 8,932 in turn with
 * a packet of that size that holds nothing but PING and PAD. A size that passes is used at once;
 * one that is lost three times is left alone for `retry`. When packets get lost while a larger size
 * is in use, that size itself is tried again: three losses in a row mean that the path has changed,
 * and put it back to 1,200. When nothing is acknowledged any more the next packets have 1,200 at
 * once, while that is found out.
 *
 * One probe at a time; the flow tells by its mark what became of it.
 */
#ifndef TL_LINK_MTU_H
#define TL_LINK_MTU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TL_MTU_BASE  1200u
#define TL_MTU_SIZES 4

struct tl_mtu {
  uint32_t size_max; /* nothing larger is tried */
  uint64_t retry;
  unsigned level; /* index of the size in use */
  unsigned tried; /* index of the size in the probe under way */
  unsigned losses;
  bool is_flying;
  bool is_doubted;   /* packets of the size in use may be vanishing ... */
  bool is_suspended; /* ... so that it is not used meanwhile */
  uint64_t next_at;
};

void tl_mtu_init(struct tl_mtu *m, uint32_t size_max, uint64_t retry, uint64_t now);

/* The path has changed: back to the beginning. */
void tl_mtu_reset(struct tl_mtu *m, uint64_t now);

uint32_t tl_mtu_size(const struct tl_mtu *m);

/* The size of a probe to send now, or 0. After it, one of the two below is due. */
uint32_t tl_mtu_poll(struct tl_mtu *m, uint64_t now);

/* What became of the probe. True: tl_mtu_size() has changed. */
bool tl_mtu_passed(struct tl_mtu *m, uint64_t now);
bool tl_mtu_lost(struct tl_mtu *m, uint64_t now);

/* Other packets were lost; with `suspend`, none arrives any more. */
void tl_mtu_doubt(struct tl_mtu *m, uint64_t now, bool suspend);

uint64_t tl_mtu_deadline(const struct tl_mtu *m);

#endif
