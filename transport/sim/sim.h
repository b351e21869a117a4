/*
 * A network on virtual time that treats packets badly on purpose.
 *
 * Ports stand for sockets: each has an address and belongs to somebody (an endpoint, a whole node)
 * who is given what arrives through a carrier's sink and is asked for his next deadline. The
 * simulator moves bursts between ports, runs the clock from event to event, and draws every fault
 * from one seed: the same seed and the same calls give the same run, byte for byte, and the trace
 * hash proves it.
 *
 * UDP is lost, doubled, delayed, reordered, flipped, cut, spliced, black-holed above an MTU and
 * stopped by partitions. TCP is a stream of bytes in order that partitions stall and that can be
 * cut at any byte. A crash is the owner's business: close the port, open a new one. Nothing here
 * knows what a packet means.
 */
#ifndef TL_TRANSPORT_SIM_H
#define TL_TRANSPORT_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/address.h"
#include "core/error.h"
#include "transport/carrier.h"

/* ---- A seeded generator, for the simulator and its users ---- */

struct tl_sim_random {
  uint64_t state;
};

/* SplitMix64 (Steele, Lea and Flood, 2014): not for keys outside a simulation. */
uint64_t tl_sim_draw(struct tl_sim_random *r);
uint64_t tl_sim_draw_below(struct tl_sim_random *r, uint64_t limit); /* 0 .. limit - 1 */
bool tl_sim_draw_chance(struct tl_sim_random *r, double probability);
uint64_t tl_sim_draw_exponential(struct tl_sim_random *r, uint64_t mean);

/* Has the form of tl_endpoint_config.random; `context` is a struct tl_sim_random. */
void tl_sim_draw_bytes(void *context, void *out, size_t size);

/* ---- The network ---- */

struct tl_sim;
struct tl_sim_port;

/* What happens on the way. Probabilities are 0 to 1 and fall on UDP packets; on a TCP stream loss
 * costs time only. */
struct tl_sim_faults {
  uint64_t delay;  /* one way, for everything; ns */
  uint64_t jitter; /* mean of an exponential delay on top ... */
  double reorder;  /* ... of this share of the packets */
  double loss;
  uint32_t loss_burst; /* this many packets of one port in a row are lost; 0 and 1: one */
  double duplicate;
  double corrupt;       /* a bit flip, a truncation or a splice of two packets */
  uint64_t bandwidth;   /* bytes/s out of each port; 0: no limit */
  uint64_t queue_bytes; /* before that bottleneck; beyond it packets are lost; 0: 256 KiB */
  uint32_t mtu;         /* larger UDP packets vanish; 0: no limit */
  bool no_udp;          /* UDP is blocked */
  bool no_tcp;          /* TCP is blocked: dials fail, streams stall */
};

/* `seed` decides everything. 0 or TULLE_E_NO_MEMORY. */
int tl_sim_new(uint64_t seed, struct tl_sim **out_sim);
struct tl_sim *tl_sim_free(struct tl_sim *sim); /* with its ports; returns NULL */

uint64_t
tl_sim_now(const struct tl_sim *sim); /* begins at one hour: nothing may take time for small */
struct tl_sim_random *tl_sim_random(struct tl_sim *sim);
void tl_sim_set_faults(struct tl_sim *sim, const struct tl_sim_faults *faults);

/* Who stands behind a port. All calls get the port's own time, which may run fast or slow. */
struct tl_sim_user {
  struct tl_carrier_sink sink;
  /* When the user wants `timeout`, or TL_NEVER. */
  uint64_t (*deadline)(void *context);
  void (*timeout)(void *context, uint64_t now);
};

/* `user` is copied. TULLE_E_EXISTS: the address is taken. */
int tl_sim_open(struct tl_sim *sim, const struct tl_address *address,
                const struct tl_sim_user *user, struct tl_sim_port **out_port);

/* Takes it off the net: packets to it vanish, its TCP connections are reset for the others. Returns
 * NULL. */
struct tl_sim_port *tl_sim_close(struct tl_sim_port *port);

/* The port's own clock. */
uint64_t tl_sim_port_now(const struct tl_sim_port *port);
const struct tl_address *tl_sim_port_address(const struct tl_sim_port *port);

/* As the carriers' functions of the same names. */
int tl_sim_send(struct tl_sim_port *port, const struct tl_burst *burst);
int tl_sim_dial(struct tl_sim_port *port, const struct tl_address *remote,
                uint32_t *out_connection);
void tl_sim_hang_up(struct tl_sim_port *port, uint32_t connection);

/* ---- Misfortunes ---- */

/* From now on this port's packets leave from another address, as after a change of network or of a
 * NAT's mapping; what is sent to the old one vanishes. TCP connections die without a word.
 * TULLE_E_EXISTS. */
int tl_sim_rebind(struct tl_sim_port *port, const struct tl_address *address);

/* Nothing passes from `from` to `to` (and back, if `both`) until tl_sim_heal(). NULL means any
 * port. */
void tl_sim_partition(struct tl_sim *sim, struct tl_sim_port *from, struct tl_sim_port *to,
                      bool both);
void tl_sim_heal(struct tl_sim *sim);

/* The process stops for `duration`: no timer runs, what arrives waits in a socket buffer of bounded
 * size. */
void tl_sim_pause(struct tl_sim_port *port, uint64_t duration);
bool tl_sim_is_paused(const struct tl_sim_port *port);

/* The port's clock runs at `rate` (1.0: true). */
void tl_sim_set_clock_rate(struct tl_sim_port *port, double rate);

/* Cuts a TCP connection at a random byte of what is still under way; with `reset`, both ends hear
 * an error, else a FIN. */
void tl_sim_cut(struct tl_sim_port *port, uint32_t connection, bool reset);

/* An attacker on the path. `packet` sees every UDP packet that is sent, before any fault; `stream`
 * every piece of a TCP stream, and may change it in place. Returning true takes it off the net.
 * Either may be NULL. */
struct tl_sim_tap {
  void *context;
  bool (*packet)(void *context, const struct tl_address *from, const struct tl_address *to,
                 const uint8_t *packet, size_t size);
  bool (*stream)(void *context, const struct tl_address *from, const struct tl_address *to,
                 uint8_t *bytes, size_t size);
};
void tl_sim_set_tap(struct tl_sim *sim, const struct tl_sim_tap *tap);

/* Puts a packet on the net as if `from` had sent it. */
void tl_sim_inject(struct tl_sim *sim, const struct tl_address *from, const struct tl_address *to,
                   const void *packet, size_t size);

/* ---- Running ---- */

/* Runs the next event; TL_EMPTY when nothing will ever happen again or the next event is after
 * `until`; then it is `until`. */
int tl_sim_step(struct tl_sim *sim, uint64_t until);
void tl_sim_run(struct tl_sim *sim, uint64_t duration);

/* Lets `port`'s user have a turn now (sink.batch_end), after it was changed from outside. */
void tl_sim_kick(struct tl_sim_port *port);

struct tl_sim_counters {
  uint64_t sent, delivered, lost, duplicated, reordered, corrupted, too_big, partitioned,
      overflowed, unrouted;
  uint64_t bytes_sent, bytes_delivered;
  uint64_t tcp_opened, tcp_refused, tcp_cut, rebinds, pauses;
};

void tl_sim_counters(const struct tl_sim *sim, struct tl_sim_counters *out_counters);

/* A hash over all that was delivered: when, where, what. */
uint64_t tl_sim_trace(const struct tl_sim *sim);

#endif
