#include "tests/unit/node/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/time.h"
#include "core/wire/rpc.h"
#include "tests/unit/test.h"

#define PATIENCE_NS (20 * TL_S)

uint8_t program_reply[65536];
size_t program_reply_size;

/* ---- the socket ---- */

void program_connect(struct program *p, const char *socket_path) {
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  snprintf(a.sun_path, sizeof a.sun_path, "%s", socket_path);
  p->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  p->next_id = 1;
  assert_true(p->fd >= 0);
  if (connect(p->fd, (struct sockaddr *)&a, sizeof a)) {
    close(p->fd);
    p->fd = -1;
  }
}

void program_send(struct program *p, const struct tl_control *m) {
  uint8_t bytes[TL_CONTROL_BYTES_MAX];
  size_t size = tl_control_encode(m, bytes);
  if (send(p->fd, bytes, size, MSG_NOSIGNAL) < 0) p->is_hung_up = true;
}

static bool receive(struct program *p, struct tl_control *m, int fds[TL_CONTROL_FDS_MAX],
                    size_t *out_count) {
  uint8_t bytes[TL_CONTROL_BYTES_MAX];
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(TL_CONTROL_FDS_MAX * sizeof(int))];
  } control;
  struct iovec iov = {bytes, sizeof bytes};
  struct msghdr h = {
      .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  ssize_t n = recvmsg(p->fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  *out_count = 0;
  if (n <= 0) {
    if (n == 0 || errno != EAGAIN) p->is_hung_up = true;
    return false;
  }
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c)) {
    *out_count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(fds, CMSG_DATA(c), *out_count * sizeof(int));
  }
  assert_int_equal(tl_control_decode(bytes, (size_t)n, m), 0);
  assert_int_equal(tl_control_fds(m), *out_count);
  return true;
}

/* ---- what the node says ---- */

static struct own_segment *segment_slot(struct program *p, uint32_t number) {
  for (size_t i = 0; i < PROGRAM_CHANNELS_MAX; i++)
    if (p->segments[i].number == number) return &p->segments[i];
  fail_msg("no segment %u", number);
  return NULL;
}

struct conversation *program_conversation(struct program *p, uint32_t number) {
  for (size_t i = 0; i < PROGRAM_CHANNELS_MAX; i++) {
    struct conversation *c = &p->conversations[i];
    if (c->is_used && c->number == number) return c;
  }
  return NULL;
}

static void on_segment(struct program *p, const struct tl_control *m, const int *fds) {
  if (!p->keeps_silent) {
    struct own_segment *s = segment_slot(p, 0);
    s->number = m->segment;
    s->channel = m->channel;
    assert_int_equal(tl_segment_map(fds[0], m->is_data ? TL_SEGMENT_DATA : TL_SEGMENT_PARTY,
                                    TL_SEGMENT_WRITER, (uint32_t)m->bytes, &s->map),
                     0);
    if (p->seals) assert_int_equal(fcntl(fds[0], F_ADD_SEALS, p->seals), 0);
    program_send(p, &(struct tl_control){.type = TL_CONTROL_MAPPED, .segment = m->segment});
  }
  close(fds[0]);
}

static void on_channel(struct program *p, const struct tl_control *m, const int *fds) {
  struct own_segment *s = segment_slot(p, m->segment);
  struct conversation *c = NULL;
  struct tl_segment peer;
  for (size_t i = 0; !c && i < PROGRAM_CHANNELS_MAX; i++)
    if (!p->conversations[i].is_used) c = &p->conversations[i];
  assert_non_null(c);
  assert_int_equal(
      tl_segment_map(fds[0], TL_SEGMENT_PARTY, TL_SEGMENT_READER, (uint32_t)m->bytes, &peer), 0);
  close(fds[0]);
  memset(c, 0, sizeof *c);
  c->is_used = true;
  c->number = m->channel;
  c->role = m->role;
  c->peer = m->party;
  snprintf(c->service, sizeof c->service, "%s", m->name);
  tl_channel_init(&c->channel, &s->map, &peer, fds[1], fds[2], 1 << 20);
  *s = (struct own_segment){0};
}

static void conversation_end(struct conversation *c) {
  tl_channel_deinit(&c->channel);
  c->is_used = false;
}

static void on_closed(struct program *p, const struct tl_control *m) {
  struct conversation *c = program_conversation(p, m->channel);
  for (size_t i = 0; i < PROGRAM_CHANNELS_MAX; i++) {
    struct own_segment *s = &p->segments[i];
    if (!s->number || s->channel != m->channel) continue;
    tl_segment_unmap(&s->map);
    *s = (struct own_segment){0};
  }
  if (c) {
    c->is_closed = true;
    c->code = m->code;
    c->begun = m->begun;
  }
  program_send(p, &(struct tl_control){.type = TL_CONTROL_CLOSE, .channel = m->channel});
}

static void on_grown(struct program *p, const struct tl_control *m, const int *fds) {
  if (!m->is_peer) return;
  p->grown.number = m->segment;
  p->grown.channel = m->channel;
  assert_int_equal(
      tl_segment_map(fds[0], TL_SEGMENT_DATA, TL_SEGMENT_READER, (uint32_t)m->bytes, &p->grown.map),
      0);
  close(fds[0]);
  program_send(p, &(struct tl_control){
                      .type = TL_CONTROL_ATTACHED, .channel = m->channel, .segment = m->segment});
}

bool program_step(struct program *p) {
  int fds[TL_CONTROL_FDS_MAX];
  size_t count;
  if (p->pump) p->pump(p->pump_context);
  if (!receive(p, &p->last, fds, &count)) return false;
  switch (p->last.type) {
  case TL_CONTROL_WELCOME:
    p->self = p->last.party;
    break;
  case TL_CONTROL_SEGMENT:
    on_segment(p, &p->last, fds);
    break;
  case TL_CONTROL_CHANNEL:
    on_channel(p, &p->last, fds);
    break;
  case TL_CONTROL_CLOSED:
    on_closed(p, &p->last);
    break;
  case TL_CONTROL_GROWN:
    on_grown(p, &p->last, fds);
    break;
  default:
    for (size_t i = 0; i < count; i++) close(fds[i]);
    break;
  }
  return true;
}

/* One step, waiting a little for something to happen when the node runs elsewhere. */
static void step_or_wait(struct program *p, uint64_t until) {
  if (program_step(p)) return;
  assert_true(tl_time_now() < until);
  struct pollfd f[2] = {{.fd = p->fd, .events = POLLIN}, {.fd = -1, .events = POLLIN}};
  struct conversation *c = program_conversation(p, 0);
  if (p->pump) return;
  if (c && tl_channel_arm(&c->channel)) return;
  if (c) f[1].fd = tl_channel_fd(&c->channel);
  poll(f, 2, 1000);
  if (c) tl_channel_disarm(&c->channel);
}

bool program_attach(struct program *p, const char *socket_path, const char *name) {
  struct tl_control m = {.type = TL_CONTROL_HELLO,
                         .version_min = TL_CONTROL_VERSION_MIN,
                         .version_max = TL_CONTROL_VERSION_MAX};
  uint64_t until = tl_time_now() + PATIENCE_NS;
  snprintf(m.name, sizeof m.name, "%s", name);
  program_connect(p, socket_path);
  if (p->fd < 0) return false;
  program_send(p, &m);
  while (!program_conversation(p, 0) && !p->is_hung_up) step_or_wait(p, until);
  return !p->is_hung_up;
}

void program_detach(struct program *p) {
  for (size_t i = 0; i < PROGRAM_CHANNELS_MAX; i++) {
    if (p->conversations[i].is_used) conversation_end(&p->conversations[i]);
    if (p->segments[i].number) tl_segment_unmap(&p->segments[i].map);
  }
  tl_segment_unmap(&p->grown.map);
  if (p->fd >= 0) close(p->fd);
  memset(p, 0, sizeof *p);
  p->fd = -1;
}

/* ---- calls ---- */

uint64_t program_begin_call(struct program *p, const char *procedure, const void *args,
                            size_t size) {
  struct tl_channel *c = &program_conversation(p, 0)->channel;
  uint8_t head[TL_CALL_HEAD_BYTES_MAX];
  struct tl_writer w = tl_writer_on(head, sizeof head);
  uint64_t until = tl_time_now() + PATIENCE_NS;
  struct tl_call_head call = {.id = p->next_id,
                              .budget_ns = PATIENCE_NS,
                              .name_size = (uint8_t)strlen(procedure),
                              .name = procedure};
  tl_call_encode(&w, &call);
  struct iovec pieces[2] = {{head, tl_writer_size(&w)}, {(void *)(uintptr_t)args, size}};
  struct tl_send s = tl_send_init(TL_KIND_CALL, pieces, size ? 2 : 1);
  int r;
  while ((r = tl_channel_push(c, &s)) == TL_FULL && !p->is_hung_up) step_or_wait(p, until);
  if (!p->is_hung_up) assert_int_equal(r, 0);
  tl_channel_publish(c);
  return p->next_id++;
}

/* The status of the reply when it is that of `id`, else 1. */
static int take_reply(struct tl_channel *c, uint64_t id, const struct tl_message *m) {
  struct tl_reader r = tl_reader_on(m->body, m->length);
  struct tl_reply_head head = {0};
  int status = 1;
  assert_int_equal(m->kind, TL_KIND_REPLY);
  assert_int_equal(tl_reply_decode(&r, &head), 0);
  if (head.id == id) {
    status = head.status;
    program_reply_size = tl_reader_left(&r);
    memcpy(program_reply, r.at, program_reply_size);
    program_reply[program_reply_size < sizeof program_reply ? program_reply_size : 65535] = 0;
  }
  tl_channel_release(c);
  return status;
}

int program_end_call(struct program *p, uint64_t id, void *out, size_t out_max, size_t *out_size) {
  struct tl_channel *c = &program_conversation(p, 0)->channel;
  uint64_t until = tl_time_now() + PATIENCE_NS;
  struct tl_message m;
  for (;;) {
    int r = tl_channel_peek(c, &m);
    if (r == TL_RING_SWITCH) {
      assert_int_equal(tl_channel_attach(c, &p->grown.map, p->grown.number), 0);
      p->grown = (struct own_segment){0};
      p->switches++;
      continue;
    }
    int status = r == 0 ? take_reply(c, id, &m) : 1;
    if (status <= 0) {
      if (out)
        memcpy(out, program_reply, program_reply_size < out_max ? program_reply_size : out_max);
      if (out_size) *out_size = program_reply_size;
      tl_channel_flush(c);
      while (program_step(p)) continue;
      return status;
    }
    if (r == 0) continue;
    if (p->is_hung_up) return TULLE_E_NO_NODE;
    step_or_wait(p, until);
  }
}

int program_call(struct program *p, const char *procedure, const void *args, size_t size) {
  uint64_t id = program_begin_call(p, procedure, args, size);
  return program_end_call(p, id, NULL, 0, NULL);
}

int program_call_text(struct program *p, const char *procedure, const char *key,
                      const char *value) {
  uint8_t args[512];
  struct tulle_pack w = tulle_pack_on(args, sizeof args);
  tulle_pack_map(&w, 1);
  tulle_pack_text(&w, key), tulle_pack_text(&w, value);
  return program_call(p, procedure, args, tulle_pack_size(&w));
}

int program_open(struct program *p, const char *service, struct conversation **out) {
  int status = program_call_text(p, "open", "service", service);
  if (status < 0) return status;
  struct tulle_unpack r = tulle_unpack_on(program_reply, program_reply_size);
  struct tulle_unpack channel = tulle_unpack_key(&r, "channel");
  *out = program_conversation(p, (uint32_t)tulle_unpack_uint(&channel));
  assert_non_null(*out);
  return 0;
}
