/*
 * The child's end of the socket to its node: lines in, lines out.
 *
 * Lines out are fetched from their maker when the socket has room, so a node that does not read
 * makes nothing grow here.
 */
#ifndef TL_DISCOVERY_MDNS_PIPE_H
#define TL_DISCOVERY_MDNS_PIPE_H

#include <uv.h>

#include "discovery/line.h"

#define TL_PIPE_OUT_BYTES 4096

struct tl_pipe_sink {
  void *context;
  void (*line)(void *context, const struct tl_line *line);
  int (*next)(void *context, struct tl_line *out_line); /* 0 or TL_EMPTY */
  void (*closed)(void *context);                        /* once; the node is gone */
};

struct tl_pipe {
  uv_poll_t handle;
  int fd;
  bool is_closed;
  struct tl_pipe_sink sink;
  struct tl_line_splitter in;
  char out[TL_PIPE_OUT_BYTES];
  size_t out_used;
};

/* Takes `fd`, a connected stream socket. A negative errno. */
int tl_pipe_open(struct tl_pipe *p, uv_loop_t *loop, int fd, const struct tl_pipe_sink *sink);

/* There may be lines to fetch now. */
void tl_pipe_kick(struct tl_pipe *p);

/* The structure must live until the loop has turned. */
void tl_pipe_close(struct tl_pipe *p);

#endif
