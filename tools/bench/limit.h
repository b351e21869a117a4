/*
 * The limits: the least time that this machine needs for what a call does, measured in turns with the calls.
 *
 *   lines    two cache lines, spinning              what two cores need to tell each other something
 *   spin     a bare pair of rings, spinning         64 bytes there and back, nobody sleeps
 *   sleep    a bare pair of rings, sleeping         the same, both sleep on a futex
 *   futex    futex ping-pong                        a wake and a wait each way, no data
 *   udp      app, ring, process, sealed UDP, process, ring, app
 *   tcp      the same over TCP
 *
 * Each has a far side in a process of its own, forked at open.
 */
#ifndef TL_TOOLS_BENCH_LIMIT_H
#define TL_TOOLS_BENCH_LIMIT_H

#include <stdbool.h>

#include "core/address.h"
#include "tools/bench/turn.h"

enum tl_limit_kind {
  TL_LIMIT_NONE,
  TL_LIMIT_LINES,
  TL_LIMIT_SPIN,
  TL_LIMIT_SLEEP,
  TL_LIMIT_FUTEX,
  TL_LIMIT_UDP,
  TL_LIMIT_TCP,
};

/* What a limit is, in words. */
const char *tl_limit_name(enum tl_limit_kind kind);

/* ---- on one machine ---- */

struct tl_limit_local;

int tl_limit_local_open(struct tl_limit_local **out); /* 0 or -errno */
struct tl_limit_local *tl_limit_local_close(struct tl_limit_local *l);

/* 0, or TULLE_E_IO: the far side is dead. */
int tl_limit_local_turn(struct tl_limit_local *l, enum tl_limit_kind kind, struct tl_turn *t);

/* ---- through two processes that seal ---- */

/* The far half: a process that opens and seals, and one behind it that echoes. */
struct tl_chain_far;

struct tl_chain_place {
  uint16_t udp_port;
  uint16_t tcp_port;
  uint8_t key[32];
};

/* Listens on all addresses with a fresh key. 0 or -errno. */
int tl_chain_far_open(struct tl_chain_far **out, struct tl_chain_place *out_place);
struct tl_chain_far *tl_chain_far_close(struct tl_chain_far *f);
void tl_chain_far_pin(struct tl_chain_far *f, int cpu);

/* The near half: a process that seals and opens; this process is the app before it. */
struct tl_chain;

int tl_chain_open(struct tl_chain **out); /* 0 or -errno */
struct tl_chain *tl_chain_close(struct tl_chain *c);

/* Where the far half is. `address` has any port. */
void tl_chain_connect(struct tl_chain *c, const struct tl_address *address,
                      const struct tl_chain_place *place);

/* 0; TULLE_E_IO: a process is dead; TULLE_E_UNREACHABLE: nothing comes back. */
int tl_chain_turn(struct tl_chain *c, enum tl_limit_kind kind, struct tl_turn *t);

#endif
