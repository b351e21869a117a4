/*
 * Two flows and a bad channel between them, on virtual time.
 *
 * Stands for two endpoints without their cryptography: numbers packets, drops replays as an
 * endpoint does, and loses, copies, delays and reorders packets by a seed. TCP packets only wait.
 */
#ifndef TL_TESTS_UNIT_LINK_FLOW_PAIR_H
#define TL_TESTS_UNIT_LINK_FLOW_PAIR_H

#include "transport/link/flow.h"

#define PAIR_CHANNELS 8u

struct pair_weather {
  double loss;
  double duplication;
  double reorder;     /* share of packets that take longer */
  uint64_t delay;     /* one way */
  uint64_t extra_max; /* for those that take longer */
};

struct pair_packet {
  uint64_t at;
  uint64_t order;
  unsigned to;
  struct tl_flow_packet name;
  size_t size;
  uint8_t *bytes;
};

struct pair_side {
  struct tl_flow *flow;
  uint32_t epoch;
  uint32_t channel;             /* what it sends on */
  uint64_t next[PAIR_CHANNELS]; /* counters by channel */
  uint8_t *seen; /* replay window: one byte per number of UDP, in the present epoch */
  uint64_t packets, bytes;
  uint64_t last_alone_at;
  int error; /* what a push returned, if not 0 */
};

struct pair {
  uint64_t now;
  uint64_t random;
  struct pair_weather weather;
  size_t packet_bytes;
  struct pair_side side[2];
  struct pair_packet **queue; /* a heap by (at, order) */
  size_t queue_count, queue_capacity;
  uint64_t order;
  uint64_t trace; /* hash of everything that was sent, and when */
  uint64_t lost;
  void (*arm)(bool on);        /* around each call of a flow; may be NULL */
  bool skips;                  /* leaves out one number in 256 */
  bool is_open[PAIR_CHANNELS]; /* TCP connections */
  bool cut;                    /* everything is lost */
};

uint64_t pair_random(struct pair *p);
/* below `n` */
uint64_t pair_below(struct pair *p, uint64_t n);
bool pair_chance(struct pair *p, double share);

/* `credit_bytes`: of the link, 0 for the default. */
void pair_init(struct pair *p, uint64_t seed, uint32_t credit_bytes);
void pair_deinit(struct pair *p);

/* Both sides send what they have. */
void pair_poll(struct pair *p);

/* Goes to the next moment at which something happens, at most to `until`: delivers, fires timers,
 * polls. False: nothing before `until`, and time is `until`. */
bool pair_step(struct pair *p, uint64_t until);

/* Steps until nothing more happens or the time has come. */
void pair_run(struct pair *p, uint64_t until);

/* Everything under way is lost. */
void pair_lose_all(struct pair *p);

/* A new epoch on UDP and TCP of that side's sending. */
void pair_rekey(struct pair *p, unsigned side);

/* That side sends over TCP channel `channel` (1 to 7), or UDP again for 0. */
void pair_use_channel(struct pair *p, unsigned side, uint32_t channel);

/* The TCP connection breaks: what is under way on it is gone, and both sides know. */
void pair_break_channel(struct pair *p, uint32_t channel);

#endif
