/*
 * Where the UDP packets of a link go, and how that changes.
 *
 * A peer may turn up at another address (a new network, a NAT that forgot). Its packets are valid
 * wherever they come from, but answers follow only after the new address has proved itself: a
 * PATH_CHALLENGE of eight random bytes goes there, and only its PATH_RESPONSE moves the link.
 *
 * 1. Only a packet with the highest number so far proposes an address, so an old packet replayed
 *    from elsewhere proposes nothing.
 * 2. One address is under examination at a time, and it gets at most three times the bytes that
 *    came from it until it has answered.
 * 3. At most one move in `moves`; the old address stays in use until the answer.
 * 4. While another carrier is in use the present address is probed in the same way, every `retry`,
 *    to find out whether UDP passes again.
 *
 *   timers: repetition of a challenge (100 ms, doubling), `life` of a candidate, `retry` of probes
 */
#ifndef TL_LINK_ROUTE_H
#define TL_LINK_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/address.h"

#define TL_ROUTE_CHALLENGE_BYTES 8

struct tl_route_times {
  uint64_t moves, life, retry;
};

/* One address under examination. */
struct tl_route_trial {
  bool is_on;
  struct tl_address address;
  uint8_t challenge[TL_ROUTE_CHALLENGE_BYTES];
  uint64_t begun_at;
  uint64_t next_at; /* when the challenge goes out next */
  uint64_t wait;
  uint64_t bytes_in, bytes_out;
};

struct tl_route {
  struct tl_route_times times;
  bool is_known; /* there is an address at all */
  struct tl_address address;
  uint64_t moved_at;
  bool has_moved;
  struct tl_route_trial candidate;
  struct tl_route_trial probe; /* of `address` itself, while another carrier is in use */
};

/* `address` NULL: none is known yet. */
void tl_route_init(struct tl_route *r, const struct tl_route_times *times,
                   const struct tl_address *address);

/* A valid packet of `size` bytes came from `from`. `challenge` is eight fresh random bytes, used if
 * this begins an examination; true: it did. */
bool tl_route_received(struct tl_route *r, uint64_t now, const struct tl_address *from, size_t size,
                       bool is_highest, const uint8_t challenge[TL_ROUTE_CHALLENGE_BYTES]);

/* Probe the present address from now on, every `retry` (nothing where it is on already), or stop. */
void tl_route_probe(struct tl_route *r, uint64_t now,
                    const uint8_t challenge[TL_ROUTE_CHALLENGE_BYTES]);
void tl_route_probe_now(struct tl_route *r, uint64_t now);
void tl_route_probe_end(struct tl_route *r);

/* The challenge to send now in a packet of `size` bytes: true with its bytes and goal. */
bool tl_route_poll(struct tl_route *r, uint64_t now, size_t size,
                   uint8_t out_challenge[TL_ROUTE_CHALLENGE_BYTES], struct tl_address *out_to);

enum tl_route_answer {
  TL_ROUTE_NOTHING, /* an answer to no question */
  TL_ROUTE_MOVED,   /* `address` is another one now */
  TL_ROUTE_PASSES,  /* the probed address answers: UDP works */
};

enum tl_route_answer tl_route_response(struct tl_route *r, uint64_t now,
                                       const uint8_t response[TL_ROUTE_CHALLENGE_BYTES]);

/* When to poll again, or TL_NEVER. */
uint64_t tl_route_deadline(const struct tl_route *r);

#endif
