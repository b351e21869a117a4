/* One program as its host keeps it. */
#ifndef TL_NODE_HOST_PORT_H
#define TL_NODE_HOST_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/list.h"
#include "core/poll.h"
#include "core/seqpacket.h"
#include "core/table.h"
#include "node/host/host.h"
#include "node/state/node.h"

struct tl_seat;

struct tl_host {
  struct tl_node *node;
  struct tl_poller poller;
  int listen_fd;
  struct tl_watch listen_watch;
  struct tl_list strangers; /* tl_port.link: no hello yet, oldest first */
  struct tl_list ports;     /* tl_port.link: welcomed */
  struct tl_list doomed;    /* tl_port.doom: end at the end of the turn */
  struct tl_list buried;    /* tl_port.link: freed at the end of the turn */
  struct tl_list touched;   /* tl_seat.link: to be settled at the end of the turn */
  struct tl_list busy;      /* tl_seat.link: have more than fitted in a turn */
  struct tl_list gone;      /* tl_seat.link: freed at the end of the turn */
  size_t stranger_count;
  uint64_t accept_at; /* accepting rests until then: out of descriptors; else 0 */
  uint64_t now;       /* of this turn */
  uint64_t log_at;    /* no line about a program before */
  uint64_t unlogged;  /* attachments that ended badly since the last line */
};

struct tl_port {
  struct tl_host *host;
  struct tl_program *program; /* NULL: a stranger, or ended */
  struct tl_seqpacket socket;
  int pidfd; /* -1: none */
  struct tl_credentials credentials;
  struct tl_table segments; /* tl_segment_offer by number: handed out and not mapped yet */
  uint32_t next_segment;
  struct tl_seat *control; /* of channel 0, until the welcome; then NULL */
  uint32_t *events;        /* in the node's page of channel 0; NULL until then */
  const char *doom_reason; /* a literal; NULL: an orderly end */
  uint64_t since;
  uint64_t charged_fds; /* of packets in the queue */
  bool is_over;
  struct tl_list doom;
  struct tl_watch socket_watch;
  struct tl_watch pidfd_watch;
  struct tl_list link;
};

/* Takes a connection. It is a stranger until it says hello. */
int tl_port_new(struct tl_host *host, int fd, struct tl_port **out_port);

/* Its attachment ends with this turn: nothing is said to it or heard from it any more. `reason`: a literal for the log, or NULL. */
void tl_port_doom(struct tl_port *port, const char *reason);

/* Everything of it ends and is given back. The memory stays until the end of the turn. */
void tl_port_end(struct tl_port *port);
void tl_port_free(struct tl_port *port);

/* It is slow, or stopped, and has much to take already: no new channel for it now. */
bool tl_port_is_behind(const struct tl_port *port);

/* Sends a control message and rings the program's events word. What cannot be sent ends the attachment: that is more than
 * its channels can cause, so that nobody ends it by what he does to them. */
void tl_port_send(struct tl_port *port, const struct tl_control *m, const int *fds);

extern const struct tl_port_ops tl_host_port_ops;

#endif
