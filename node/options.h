/* The options of `tulle node`. */
#ifndef TL_NODE_OPTIONS_H
#define TL_NODE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/address.h"
#include "core/error.h"
#include "core/limits.h"
#include "transport/link/endpoint.h"

#define TL_NODE_PEERS_MAX 64 /* --peer on one command line */

struct tl_node_options {
  char name[TL_NODE_NAME_BYTES_MAX + 1]; /* empty: the host's */
  bool has_listen;
  struct tl_address listen;
  size_t peer_count;
  struct tl_address peers[TL_NODE_PEERS_MAX];
  enum tl_carrier_choice carrier;
  bool no_mdns;
  bool is_autostarted;
  int ready_fd; /* gets a newline when programs can attach; -1: none */
};

/* 0; TL_END: help was asked for and printed on standard output; INVALID: the fault stands on standard error. */
int tl_node_options_read(int argc, char **argv, struct tl_node_options *out);

#endif
