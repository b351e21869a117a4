/* The node's socket file: the one name that a node leaves in the file system. */
#ifndef TL_NODE_HOST_LISTEN_H
#define TL_NODE_HOST_LISTEN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"

#define TL_LISTEN_NAME "node.sock"

struct tl_listener {
  int fd; /* listening, SEQPACKET, non-blocking */
  int directory_fd;
  uint64_t inode; /* of the socket file */
};

/* Binds node.sock in the folder, replacing what is there: for who holds the folder's lock. Whoever can connect finds it
 * listening and with `mode`. TOO_BIG: the path does not fit a socket address; -errno. */
int tl_listener_open(int directory_fd, const char *path, unsigned mode, struct tl_listener *out);

/* Removes the socket file if it is still this one's. `fd` is not closed: its owner does that. */
void tl_listener_remove(const struct tl_listener *l);

/* Whether a node can be reached through the socket file. */
bool tl_listener_answers(const char *path);

/* What became of asking the node behind a socket for its place. */
enum tl_takeover {
  TL_TAKEOVER_NOBODY,  /* nobody listens there */
  TL_TAKEOVER_GIVEN,   /* it gave way and has hung up */
  TL_TAKEOVER_REFUSED, /* a node runs here, and stays */
};

/* Asks, waiting at most `timeout_ms` for the answer. `out_pid`: of the node that is there, or 0. */
enum tl_takeover tl_listener_take_over(const char *path, int timeout_ms, uint32_t *out_pid);

#endif
