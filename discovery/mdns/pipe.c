#include "discovery/mdns/pipe.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/error.h"

#define READS_PER_TURN 16

static void on_poll(uv_poll_t *handle, int status, int events);

static void pipe_end(struct tl_pipe *p) {
  if (p->is_closed) return;
  p->is_closed = true;
  uv_poll_stop(&p->handle);
  p->sink.closed(p->sink.context);
}

static void fill(struct tl_pipe *p) {
  struct tl_line line;
  while (sizeof p->out - p->out_used >= TL_LINE_BYTES_MAX &&
         p->sink.next(p->sink.context, &line) == 0)
    p->out_used += tl_line_encode(&line, p->out + p->out_used);
}

/* Sends what fits. False when the socket has no room. */
static bool flush(struct tl_pipe *p) {
  ssize_t n = send(p->fd, p->out, p->out_used, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (n < 0) {
    if (errno != EAGAIN && errno != EINTR) pipe_end(p);
    return false;
  }
  p->out_used -= (size_t)n;
  memmove(p->out, p->out + n, p->out_used);
  return true;
}

void tl_pipe_kick(struct tl_pipe *p) {
  bool has_room = true;
  while (has_room && !p->is_closed) {
    fill(p);
    if (!p->out_used) break;
    has_room = flush(p);
  }
  if (!p->is_closed)
    uv_poll_start(&p->handle, has_room ? UV_READABLE : UV_READABLE | UV_WRITABLE, on_poll);
}

static void take(struct tl_pipe *p) {
  char bytes[4096];
  for (int i = 0; i < READS_PER_TURN && !p->is_closed; i++) {
    ssize_t n = recv(p->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
      pipe_end(p);
      return;
    }
    const char *at = bytes, *end = bytes + n;
    struct tl_line line;
    while (tl_line_split(&p->in, &at, end, &line) == 0) p->sink.line(p->sink.context, &line);
  }
}

static void on_poll(uv_poll_t *handle, int status, int events) {
  struct tl_pipe *p = handle->data;
  (void)events;
  if (status < 0)
    pipe_end(p);
  else
    take(p);
  tl_pipe_kick(p);
}

int tl_pipe_open(struct tl_pipe *p, uv_loop_t *loop, int fd, const struct tl_pipe_sink *sink) {
  *p = (struct tl_pipe){.fd = fd, .sink = *sink};
  int r = uv_poll_init(loop, &p->handle, fd);
  if (r < 0) return r;
  p->handle.data = p;
  return uv_poll_start(&p->handle, UV_READABLE, on_poll);
}

static void on_closed(uv_handle_t *handle) {
  struct tl_pipe *p = handle->data;
  close(p->fd);
}

void tl_pipe_close(struct tl_pipe *p) {
  p->is_closed = true;
  uv_poll_stop(&p->handle);
  uv_close((uv_handle_t *)&p->handle, on_closed);
}
