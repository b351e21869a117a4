/*
 * The node's sockets towards other nodes: joins the mesh with its carriers, which stand in the node's epoll set, and
 * its child tulle-mdns, for which it needs a libuv loop.
 *
 * It owns no rule: what a packet means is the endpoint's, whom to dial is discovery's, what a message does is the
 * mesh's. Here packets move, and the crank is turned: whatever came in, from the network or from programs, once a turn
 * of the loop tl_network_turn() lets it act and sends what is due.
 */
#ifndef TL_NODE_NETWORK_NETWORK_H
#define TL_NODE_NETWORK_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "node/mesh/mesh.h"

struct tl_network;

struct tl_network_config {
  struct tl_node *node; /* all are borrowed and outlive the network */
  struct tl_identity *identity;
  struct tl_trust *trust;
  struct tl_address listen;       /* all zero: every address, TL_PORT_DEFAULT */
  const struct tl_address *peers; /* static ones */
  size_t peer_count;
  enum tl_carrier_choice carrier;
  bool no_mdns;
  uint8_t boot_id[16];
  struct tl_poller *poller;
  uv_loop_t *loop;
};

/* Opens the sockets and begins. -errno, with the address in the log, when it cannot be had; TULLE_E_NO_MEMORY. */
int tl_network_open(const struct tl_network_config *config, struct tl_network **out_network);

/* Ends links in order, says goodbye over mDNS, closes; freed once the loop has let the handles go. NULL does nothing. */
void tl_network_close(struct tl_network *network);

/* The time of the turn that begins, CLOCK_BOOTTIME: what packets come in before tl_network_turn() came then. */
void tl_network_begin(struct tl_network *network, uint64_t now);

/* Does what is due, lets everything act that can, and sends what there is. True: the libuv loop has something new to
 * do, without a descriptor that would say so. */
bool tl_network_turn(struct tl_network *network, uint64_t now);

/* When a turn is due though nothing happens. */
uint64_t tl_network_deadline(struct tl_network *network);

/* Where it listens; the port is 0 where it does not. */
const struct tl_address *tl_network_local(const struct tl_network *network);

#endif
