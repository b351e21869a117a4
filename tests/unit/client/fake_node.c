#include "tests/unit/client/fake_node.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/list.h"
#include "core/wire/rpc.h"
#include "tulle/pack.h"

#define PROGRAMS_MAX 32
#define SERVICES_MAX 32
#define PENDING_MAX  64

struct program {
  bool is_used, is_ready;
  int fd;
  uint64_t client;
  uint32_t next_segment, next_channel;
  int segment_fd;
  struct tl_channel node; /* channel 0 */
  char name[64];
};

/* One end of a channel between two parties, or of channel 0. */
struct end {
  struct program *program; /* NULL: the test */
  uint32_t number, segment;
  int fd; /* of the segment that it writes */
  bool is_mapped, is_told, is_closed;
  int bell;               /* the eventfd that wakes it */
  struct tl_channel ring; /* of the test */
  int grow_fd;
  uint32_t grow_segment, grow_bytes;
};

struct conversation {
  struct tl_list link;
  char service[64];
  uint64_t open_id; /* of the call of the client's */
  uint32_t bytes;
  bool is_taken;
  struct end ends[2]; /* by role */
};

struct service {
  char name[64];
  struct program *program; /* NULL: the test */
};

struct waiting {
  struct program *program;
  uint64_t id;
  char service[64];
};

struct fake_node {
  char dir[64], path[96];
  uint32_t ring_bytes;
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  int listen_fd, wake_fd;
  bool is_ending;
  int refusal;
  char ignored[64];
  uint64_t last_client;
  unsigned registrations, hangups;
  struct program programs[PROGRAMS_MAX];
  struct service services[SERVICES_MAX];
  size_t service_count;
  struct waiting waiting[PENDING_MAX];
  size_t waiting_count;
  struct tl_list conversations;
};

#define MUST(x)                                                                                    \
  do {                                                                                             \
    if (!(x)) {                                                                                    \
      fprintf(stderr, "fake node: %s failed (%s:%d): %s\n", #x, __FILE__, __LINE__,                \
              strerror(errno));                                                                    \
      abort();                                                                                     \
    }                                                                                              \
  } while (0)

/* ---- saying ---- */

static void say_bytes(struct program *p, const void *bytes, size_t size, const int *fds,
                      size_t count) {
  struct iovec piece = {(void *)bytes, size};
  _Alignas(struct cmsghdr) char control[CMSG_SPACE(8 * sizeof(int))];
  struct msghdr h = {.msg_iov = &piece, .msg_iovlen = 1};
  if (count) {
    memset(control, 0, sizeof control);
    h.msg_control = control;
    h.msg_controllen = CMSG_SPACE(count * sizeof(int));
    struct cmsghdr *c = CMSG_FIRSTHDR(&h);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(c), fds, count * sizeof(int));
  }
  (void)sendmsg(p->fd, &h, MSG_NOSIGNAL);
  if (p->is_ready) tl_events_ring(&p->node.own.page->events);
}

static void say(struct program *p, const struct tl_control *m, const int *fds) {
  uint8_t bytes[TL_CONTROL_BYTES_MAX];
  say_bytes(p, bytes, tl_control_encode(m, bytes), fds, tl_control_fds(m));
}

static struct tl_party party_of(const struct program *p) {
  struct tl_party party = {.incarnation = 1,
                           .client = p ? p->client : 999,
                           .uid = getuid(),
                           .gid = getgid(),
                           .pid = (uint32_t)getpid(),
                           .local = true,
                           .node_name = "fake",
                           .program = "test"};
  if (p) memcpy(party.program, p->name, sizeof p->name);
  return party;
}

/* ---- channels ---- */

static void say_segment(struct end *e, uint32_t channel, int fd, uint32_t bytes, bool is_data,
                        uint32_t number) {
  struct tl_control m = {.type = TL_CONTROL_SEGMENT,
                         .segment = number,
                         .channel = channel,
                         .bytes = bytes,
                         .is_data = is_data};
  say(e->program, &m, &fd);
}

static void end_begin(struct fake_node *n, struct end *e, uint32_t bytes) {
  (void)n;
  e->grow_fd = -1;
  MUST(tl_segment_create(TL_SEGMENT_PARTY, bytes, &e->fd) == 0);
  e->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  MUST(e->bell >= 0);
  if (!e->program) {
    MUST(tl_segment_map(e->fd, TL_SEGMENT_PARTY, TL_SEGMENT_WRITER, bytes, &e->ring.own) == 0);
    e->is_mapped = true;
    return;
  }
  e->number = e->program->next_channel++;
  e->segment = e->program->next_segment++;
  say_segment(e, e->number, e->fd, bytes, false, e->segment);
}

/* Both have mapped: each gets the other's. */
static void introduce(struct conversation *c) {
  for (int role = 0; role < 2; role++) {
    struct end *e = &c->ends[role], *peer = &c->ends[!role];
    MUST(tl_segment_seal(e->fd) == 0);
    (void)peer;
  }
  for (int role = 0; role < 2; role++) {
    struct end *e = &c->ends[role], *peer = &c->ends[!role];
    e->is_told = true;
    if (!e->program) {
      struct tl_segment own = e->ring.own, theirs;
      MUST(tl_segment_map(peer->fd, TL_SEGMENT_PARTY, TL_SEGMENT_READER, c->bytes, &theirs) == 0);
      tl_channel_init(&e->ring, &own, &theirs, dup(e->bell), dup(peer->bell), TL_MESSAGE_BYTES_MAX);
      continue;
    }
    struct tl_control m = {.type = TL_CONTROL_CHANNEL,
                           .channel = e->number,
                           .segment = e->segment,
                           .bytes = c->bytes,
                           .role = (enum tl_channel_role)role,
                           .party = party_of(peer->program)};
    memcpy(m.name, c->service, sizeof m.name);
    int fds[3] = {peer->fd, e->bell, peer->bell};
    say(e->program, &m, fds);
  }
}

static void reply(struct program *p, uint64_t id, int32_t status, const void *data, size_t size) {
  void *body;
  uint32_t length = (uint32_t)(TL_REPLY_HEAD_BYTES + size);
  MUST(tl_channel_reserve(&p->node, length, &body) == 0);
  struct tl_writer w = tl_writer_on(body, length);
  tl_reply_encode(&w, &(struct tl_reply_head){id, status});
  if (size) memcpy(w.at, data, size);
  tl_channel_commit(&p->node, TL_KIND_REPLY, length);
  tl_channel_publish(&p->node);
}

static void reply_number(struct program *p, uint64_t id, const char *key, uint64_t v) {
  uint8_t bytes[64];
  struct tulle_pack w = tulle_pack_on(bytes, sizeof bytes);
  tulle_pack_map(&w, 1);
  tulle_pack_text(&w, key), tulle_pack_uint(&w, v);
  reply(p, id, 0, bytes, tulle_pack_size(&w));
}

static void conversation_step(struct fake_node *n, struct conversation *c) {
  if (c->ends[0].is_told || !c->ends[0].is_mapped || !c->ends[1].is_mapped) return;
  introduce(c);
  struct program *opener = c->ends[0].program;
  bool is_silent = strcmp(n->ignored, "open-reply") == 0;
  if (opener && opener->is_used && !is_silent)
    reply_number(opener, c->open_id, "channel", c->ends[0].number);
  pthread_cond_broadcast(&n->changed);
}

static struct conversation *conversation_new(struct fake_node *n, const char *service,
                                             struct program *client, struct program *server,
                                             uint64_t open_id) {
  struct conversation *c = calloc(1, sizeof *c);
  MUST(c);
  snprintf(c->service, sizeof c->service, "%s", service);
  c->open_id = open_id;
  c->bytes = n->ring_bytes;
  c->ends[TL_ROLE_CLIENT].program = client;
  c->ends[TL_ROLE_SERVER].program = server;
  tl_list_push_back(&n->conversations, &c->link);
  end_begin(n, &c->ends[0], c->bytes);
  end_begin(n, &c->ends[1], c->bytes);
  conversation_step(n, c);
  return c;
}

static void conversation_free(struct fake_node *n, struct conversation *c) {
  tl_list_remove(&c->link);
  for (int role = 0; role < 2; role++) {
    struct end *e = &c->ends[role];
    close(e->fd);
    close(e->bell);
    if (e->grow_fd >= 0) close(e->grow_fd);
    if (!e->program && e->is_told) tl_channel_deinit(&e->ring);
    if (!e->program && !e->is_told) tl_segment_unmap(&e->ring.own);
  }
  free(c);
  pthread_cond_broadcast(&n->changed);
}

/* One end is over: the other one is told. */
static void conversation_close(struct fake_node *n, struct conversation *c, struct end *e, int code,
                               uint64_t begun) {
  struct end *peer = e == &c->ends[0] ? &c->ends[1] : &c->ends[0];
  if (e->is_closed) return;
  e->is_closed = true;
  if (!peer->is_closed && peer->program && peer->program->is_used) {
    struct tl_control m = {
        .type = TL_CONTROL_CLOSED, .channel = peer->number, .code = code, .begun = begun};
    say(peer->program, &m, NULL);
  }
  if (peer->is_closed) conversation_free(n, c);
}

static struct end *find_end(struct fake_node *n, const struct program *p, uint32_t number,
                            struct conversation **out) {
  TL_LIST_FOR_EACH(l, &n->conversations) {
    struct conversation *c = tl_container_of(l, struct conversation, link);
    for (int role = 0; role < 2; role++)
      if (c->ends[role].program == p && c->ends[role].number == number && !c->ends[role].is_closed)
        return *out = c, &c->ends[role];
  }
  return NULL;
}

/* ---- the node's service ---- */

static struct service *find_service(struct fake_node *n, const char *name) {
  for (size_t i = 0; i < n->service_count; i++)
    if (strcmp(n->services[i].name, name) == 0) return &n->services[i];
  return NULL;
}

static void add_service(struct fake_node *n, const char *name, struct program *p) {
  struct service *s = &n->services[n->service_count++];
  MUST(n->service_count <= SERVICES_MAX);
  snprintf(s->name, sizeof s->name, "%s", name);
  s->program = p;
  for (size_t i = 0; i < n->waiting_count; i++) {
    struct waiting *w = &n->waiting[i];
    if (strcmp(w->service, name) != 0) continue;
    if (w->program->is_used) reply(w->program, w->id, 0, "\x80", 1);
    *w-- = n->waiting[--n->waiting_count];
    i--;
  }
}

static void remove_service(struct fake_node *n, struct service *s) {
  *s = n->services[--n->service_count];
}

static void get_text(const struct tulle_unpack *map, const char *key, char *out, size_t size) {
  struct tulle_unpack r = tulle_unpack_key(map, key);
  tulle_unpack_string(&r, out, size);
}

static void serve_list(struct fake_node *n, struct program *p, uint64_t id,
                       const struct tulle_unpack *args) {
  uint8_t bytes[2048];
  struct tulle_pack w = tulle_pack_on(bytes, sizeof bytes);
  struct tulle_unpack from = tulle_unpack_key(args, "from");
  size_t first = (size_t)tulle_unpack_uint(&from), page = 3;
  size_t count = first >= n->service_count ? 0 : n->service_count - first;
  if (count > page) count = page;
  tulle_pack_array(&w, count);
  for (size_t i = first; i < first + count; i++) {
    tulle_pack_map(&w, 5);
    tulle_pack_text(&w, "service"), tulle_pack_text(&w, n->services[i].name);
    tulle_pack_text(&w, "node"), tulle_pack_text(&w, "fake");
    tulle_pack_text(&w, "path"), tulle_pack_text(&w, "ring");
    tulle_pack_text(&w, "capabilities"), tulle_pack_array(&w, 2);
    for (unsigned v = 1; v <= 2; v++) {
      tulle_pack_map(&w, 2);
      tulle_pack_text(&w, "name"), tulle_pack_text(&w, "test/thing");
      tulle_pack_text(&w, "version"), tulle_pack_uint(&w, v * 10);
    }
    tulle_pack_text(&w, "age_ns"), tulle_pack_uint(&w, 1);
  }
  reply(p, id, 0, bytes, tulle_pack_size(&w));
}

static void serve_call(struct fake_node *n, struct program *p, const struct tl_call_head *head,
                       struct tl_reader *rest) {
  char procedure[64] = "", name[64] = "";
  memcpy(procedure, head->name, head->name_size);
  struct tulle_unpack args = tulle_unpack_on(rest->at, tl_reader_left(rest));
  get_text(&args, "service", name, sizeof name);
  if (strcmp(procedure, n->ignored) == 0) return;
  struct service *s = find_service(n, name);
  if (strcmp(procedure, "register") == 0) {
    if (s) {
      reply(p, head->id, TULLE_E_EXISTS, NULL, 0);
    } else {
      n->registrations++;
      reply(p, head->id, 0, "\x80", 1);
      add_service(n, name, p);
    }
  } else if (strcmp(procedure, "unregister") == 0) {
    if (s && s->program == p) remove_service(n, s);
    reply(p, head->id, 0, "\x80", 1);
  } else if (strcmp(procedure, "open") == 0) {
    if (s)
      conversation_new(n, name, p, s->program, head->id);
    else
      reply(p, head->id, TULLE_E_NO_SERVICE, "nobody", 6);
  } else if (strcmp(procedure, "wait") == 0) {
    if (s) {
      reply(p, head->id, 0, "\x80", 1);
    } else {
      struct waiting *w = &n->waiting[n->waiting_count++];
      MUST(n->waiting_count < PENDING_MAX);
      *w = (struct waiting){.program = p, .id = head->id};
      memcpy(w->service, name, sizeof name);
    }
  } else if (strcmp(procedure, "list") == 0) {
    serve_list(n, p, head->id, &args);
  } else {
    reply(p, head->id, TULLE_E_NO_PROCEDURE, NULL, 0);
  }
}

static void serve_ring(struct fake_node *n, struct program *p) {
  struct tl_message m;
  if (!p->is_ready) return;
  tl_channel_disarm(&p->node);
  do {
    while (tl_channel_peek(&p->node, &m) == 0) {
      static uint8_t copy[65536];
      struct tl_call_head head;
      size_t size = m.length;
      uint16_t kind = m.kind;
      MUST(size <= sizeof copy);
      memcpy(copy, m.body, size);
      tl_channel_release(&p->node);
      struct tl_reader r = tl_reader_on(copy, size);
      if (kind != TL_KIND_CALL || tl_call_decode(&r, &head) != 0) continue;
      tl_channel_begin(&p->node, head.id);
      serve_call(n, p, &head, &r);
    }
  } while (tl_channel_arm(&p->node));
}

/* ---- the control socket ---- */

static void program_end(struct fake_node *n, struct program *p) {
  if (!p->is_used) return;
  p->is_used = false;
  close(p->fd);
  for (bool found = true; found;) {
    found = false;
    TL_LIST_FOR_EACH(l, &n->conversations) {
      struct conversation *c = tl_container_of(l, struct conversation, link);
      for (int role = 0; role < 2 && !found; role++) {
        if (c->ends[role].program != p || c->ends[role].is_closed) continue;
        conversation_close(n, c, &c->ends[role], TULLE_E_PEER_GONE, UINT64_MAX);
        found = true;
      }
      if (found) break;
    }
  }
  for (size_t i = n->service_count; i-- > 0;)
    if (n->services[i].program == p) remove_service(n, &n->services[i]);
  for (size_t i = 0; i < n->waiting_count; i++)
    if (n->waiting[i].program == p) n->waiting[i--] = n->waiting[--n->waiting_count];
  if (p->is_ready) tl_channel_deinit(&p->node);
  p->is_ready = false;
  n->hangups++;
  pthread_cond_broadcast(&n->changed);
}

static void on_hello(struct fake_node *n, struct program *p, const struct tl_control *m) {
  if (n->refusal) {
    struct tl_control no = {
        .type = TL_CONTROL_REFUSED, .code = n->refusal, .version_min = 7, .version_max = 9};
    say(p, &no, NULL);
    program_end(n, p);
    return;
  }
  if (strcmp(n->ignored, "hello") == 0) return;
  memcpy(p->name, m->name, sizeof p->name);
  struct tl_control welcome = {.type = TL_CONTROL_WELCOME, .version_max = 1, .party = party_of(p)};
  snprintf(welcome.fabric, sizeof welcome.fabric, "fake");
  say(p, &welcome, NULL);
  MUST(tl_segment_create(TL_SEGMENT_PARTY, 65536, &p->segment_fd) == 0);
  struct tl_control segment = {
      .type = TL_CONTROL_SEGMENT, .segment = p->next_segment++, .bytes = 65536};
  say(p, &segment, &p->segment_fd);
}

/* Channel 0 comes into being when its segment is mapped. */
static void open_node_channel(struct fake_node *n, struct program *p) {
  struct tl_segment own, peer;
  int node_fd;
  int in = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), out = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  MUST(tl_segment_seal(p->segment_fd) == 0);
  MUST(tl_segment_create(TL_SEGMENT_PARTY, 65536, &node_fd) == 0);
  MUST(tl_segment_map(node_fd, TL_SEGMENT_PARTY, TL_SEGMENT_WRITER, 65536, &own) == 0);
  MUST(tl_segment_seal(node_fd) == 0);
  MUST(tl_segment_map(p->segment_fd, TL_SEGMENT_PARTY, TL_SEGMENT_READER, 65536, &peer) == 0);
  tl_channel_init(&p->node, &own, &peer, in, out, TL_MESSAGE_BYTES_MAX);
  struct tl_control m = {.type = TL_CONTROL_CHANNEL,
                         .segment = 1,
                         .bytes = 65536,
                         .role = TL_ROLE_CLIENT,
                         .party = party_of(NULL)};
  snprintf(m.name, sizeof m.name, "node");
  int fds[3] = {node_fd, out, in};
  say(p, &m, fds);
  close(node_fd);
  close(p->segment_fd);
  p->is_ready = true;
  p->next_channel = 1;
  serve_ring(n, p);
}

static void on_mapped(struct fake_node *n, struct program *p, uint32_t segment) {
  if (segment == 1) {
    open_node_channel(n, p);
    return;
  }
  TL_LIST_FOR_EACH(l, &n->conversations) {
    struct conversation *c = tl_container_of(l, struct conversation, link);
    for (int role = 0; role < 2; role++) {
      struct end *e = &c->ends[role], *peer = &c->ends[!role];
      if (e->program != p) continue;
      if (e->segment == segment) {
        e->is_mapped = true;
        conversation_step(n, c);
        return;
      }
      if (e->grow_fd >= 0 && e->grow_segment == segment) {
        MUST(tl_segment_seal(e->grow_fd) == 0);
        struct tl_control m = {.type = TL_CONTROL_GROWN,
                               .channel = peer->number,
                               .segment = segment,
                               .bytes = e->grow_bytes,
                               .is_peer = true};
        if (peer->program) say(peer->program, &m, &e->grow_fd);
        return;
      }
    }
  }
}

static void on_grow(struct end *e, uint32_t bytes) {
  if (e->grow_fd >= 0) close(e->grow_fd);
  e->grow_bytes = bytes;
  e->grow_segment = e->program->next_segment++;
  MUST(tl_segment_create(TL_SEGMENT_DATA, bytes, &e->grow_fd) == 0);
  say_segment(e, e->number, e->grow_fd, bytes, true, e->grow_segment);
}

static void on_attached(struct conversation *c, struct end *e, uint32_t segment) {
  struct end *writer = e == &c->ends[0] ? &c->ends[1] : &c->ends[0];
  struct tl_control m = {.type = TL_CONTROL_GROWN,
                         .channel = writer->number,
                         .segment = segment,
                         .bytes = writer->grow_bytes};
  close(writer->grow_fd);
  writer->grow_fd = -1;
  if (writer->program) say(writer->program, &m, NULL);
}

static void on_message(struct fake_node *n, struct program *p, const struct tl_control *m) {
  struct conversation *c;
  struct end *e;
  switch (m->type) {
  case TL_CONTROL_HELLO:
    on_hello(n, p, m);
    break;
  case TL_CONTROL_MAPPED:
    on_mapped(n, p, m->segment);
    break;
  case TL_CONTROL_GROW:
    e = find_end(n, p, m->channel, &c);
    if (e && !e->is_closed) on_grow(e, (uint32_t)m->bytes);
    break;
  case TL_CONTROL_ATTACHED:
    e = find_end(n, p, m->channel, &c);
    if (e && !e->is_closed) on_attached(c, e, m->segment);
    break;
  case TL_CONTROL_CLOSE:
    e = find_end(n, p, m->channel, &c);
    if (e) conversation_close(n, c, e, TULLE_E_CLOSED, UINT64_MAX);
    break;
  default:
    program_end(n, p);
  }
}

static void serve_socket(struct fake_node *n, struct program *p) {
  while (p->is_used) {
    uint8_t bytes[TL_CONTROL_BYTES_MAX];
    struct tl_control m;
    ssize_t size = recv(p->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0 || tl_control_decode(bytes, (size_t)size, &m) != 0)
      program_end(n, p);
    else
      on_message(n, p, &m);
  }
}

static void accept_program(struct fake_node *n) {
  int fd = accept4(n->listen_fd, NULL, NULL, SOCK_CLOEXEC);
  if (fd < 0) return;
  for (size_t i = 0; i < PROGRAMS_MAX; i++) {
    struct program *p = &n->programs[i];
    if (p->is_used) continue;
    *p = (struct program){.is_used = true, .fd = fd, .client = ++n->last_client, .next_segment = 1};
    return;
  }
  close(fd);
}

static void *run(void *argument) {
  struct fake_node *n = argument;
  pthread_mutex_lock(&n->lock);
  while (!n->is_ending) {
    struct pollfd fds[2 + 2 * PROGRAMS_MAX];
    struct program *of[2 + 2 * PROGRAMS_MAX];
    nfds_t count = 0;
    fds[count++] = (struct pollfd){.fd = n->wake_fd, .events = POLLIN};
    fds[count++] = (struct pollfd){.fd = n->listen_fd, .events = POLLIN};
    for (size_t i = 0; i < PROGRAMS_MAX; i++) {
      struct program *p = &n->programs[i];
      if (!p->is_used) continue;
      of[count] = p;
      fds[count++] = (struct pollfd){.fd = p->fd, .events = POLLIN};
      of[count] = p;
      fds[count++] =
          (struct pollfd){.fd = p->is_ready ? tl_channel_fd(&p->node) : -1, .events = POLLIN};
    }
    pthread_mutex_unlock(&n->lock);
    poll(fds, count, -1);
    pthread_mutex_lock(&n->lock);
    if (n->is_ending) break;
    uint64_t ignored;
    if (fds[0].revents) MUST(read(n->wake_fd, &ignored, sizeof ignored) == sizeof ignored);
    if (fds[1].revents) accept_program(n);
    for (nfds_t i = 2; i < count; i++) {
      if (!fds[i].revents || !of[i]->is_used) continue;
      if (i % 2)
        serve_ring(n, of[i]);
      else
        serve_socket(n, of[i]);
    }
  }
  pthread_mutex_unlock(&n->lock);
  return NULL;
}

/* ---- life ---- */

static void wake(struct fake_node *n) {
  uint64_t one = 1;
  MUST(write(n->wake_fd, &one, sizeof one) == sizeof one);
}

void fake_node_return(struct fake_node *n) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", n->path);
  unlink(n->path);
  n->is_ending = false;
  n->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  MUST(n->listen_fd >= 0);
  MUST(bind(n->listen_fd, (struct sockaddr *)(void *)&address, sizeof address) == 0);
  MUST(listen(n->listen_fd, 16) == 0);
  MUST(pthread_create(&n->thread, NULL, run, n) == 0);
}

struct fake_node *fake_node_start(uint32_t ring_bytes) {
  struct fake_node *n = calloc(1, sizeof *n);
  MUST(n);
  n->ring_bytes = ring_bytes;
  snprintf(n->dir, sizeof n->dir, "/tmp/tulle-client-XXXXXX");
  MUST(mkdtemp(n->dir));
  snprintf(n->path, sizeof n->path, "%s/node.sock", n->dir);
  pthread_mutex_init(&n->lock, NULL);
  pthread_cond_init(&n->changed, NULL);
  tl_list_init(&n->conversations);
  n->wake_fd = eventfd(0, EFD_CLOEXEC);
  fake_node_return(n);
  return n;
}

const char *fake_node_dir(const struct fake_node *n) {
  return n->dir;
}

/* As when a process is killed: every descriptor goes at once, and nobody is told anything. */
void fake_node_die(struct fake_node *n) {
  pthread_mutex_lock(&n->lock);
  n->is_ending = true;
  wake(n);
  pthread_mutex_unlock(&n->lock);
  pthread_join(n->thread, NULL);
  uint64_t ignored;
  MUST(read(n->wake_fd, &ignored, sizeof ignored) == sizeof ignored);
  close(n->listen_fd);
  for (struct tl_list *l; (l = tl_list_pop_front(&n->conversations));)
    conversation_free(n, tl_container_of(l, struct conversation, link));
  for (size_t i = 0; i < PROGRAMS_MAX; i++) program_end(n, &n->programs[i]);
  n->service_count = n->waiting_count = 0;
}

void fake_node_stop(struct fake_node *n) {
  fake_node_die(n);
  unlink(n->path);
  rmdir(n->dir);
  close(n->wake_fd);
  pthread_mutex_destroy(&n->lock);
  pthread_cond_destroy(&n->changed);
  free(n);
}

/* ---- what tests do with it ---- */

void fake_node_refuse(struct fake_node *n, int code) {
  pthread_mutex_lock(&n->lock);
  n->refusal = code;
  pthread_mutex_unlock(&n->lock);
}

void fake_node_ignore(struct fake_node *n, const char *procedure) {
  pthread_mutex_lock(&n->lock);
  snprintf(n->ignored, sizeof n->ignored, "%s", procedure ? procedure : "");
  pthread_mutex_unlock(&n->lock);
}

unsigned fake_node_registrations(struct fake_node *n) {
  pthread_mutex_lock(&n->lock);
  unsigned count = n->registrations;
  pthread_mutex_unlock(&n->lock);
  return count;
}

unsigned fake_node_channels(struct fake_node *n) {
  unsigned count = 0;
  pthread_mutex_lock(&n->lock);
  TL_LIST_FOR_EACH(l, &n->conversations) count++;
  pthread_mutex_unlock(&n->lock);
  return count;
}

void fake_node_offer(struct fake_node *n, const char *service) {
  pthread_mutex_lock(&n->lock);
  add_service(n, service, NULL);
  pthread_mutex_unlock(&n->lock);
}

struct tl_channel *fake_node_take(struct fake_node *n) {
  struct tl_channel *found = NULL;
  pthread_mutex_lock(&n->lock);
  while (!found) {
    TL_LIST_FOR_EACH(l, &n->conversations) {
      struct conversation *c = tl_container_of(l, struct conversation, link);
      if (c->ends[1].program || !c->ends[1].is_told || c->is_taken) continue;
      c->is_taken = true;
      found = &c->ends[1].ring;
      break;
    }
    if (!found) pthread_cond_wait(&n->changed, &n->lock);
  }
  pthread_mutex_unlock(&n->lock);
  return found;
}

struct tl_channel *fake_node_open(struct fake_node *n, const char *service) {
  pthread_mutex_lock(&n->lock);
  struct service *s = find_service(n, service);
  MUST(s && s->program);
  struct conversation *c = conversation_new(n, service, NULL, s->program, 0);
  while (!c->ends[0].is_told) pthread_cond_wait(&n->changed, &n->lock);
  pthread_mutex_unlock(&n->lock);
  return &c->ends[0].ring;
}

void fake_node_close(struct fake_node *n, struct tl_channel *end, int code, uint64_t begun) {
  pthread_mutex_lock(&n->lock);
  TL_LIST_FOR_EACH(l, &n->conversations) {
    struct conversation *c = tl_container_of(l, struct conversation, link);
    for (int role = 0; role < 2; role++) {
      if (&c->ends[role].ring != end) continue;
      conversation_close(n, c, &c->ends[role], code, begun);
      goto found;
    }
  }
found:
  pthread_mutex_unlock(&n->lock);
}

void fake_node_say_bytes(struct fake_node *n, const void *bytes, size_t size, unsigned fd_count) {
  int fds[8];
  for (unsigned i = 0; i < fd_count; i++) fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
  pthread_mutex_lock(&n->lock);
  for (size_t i = 0; i < PROGRAMS_MAX; i++)
    if (n->programs[i].is_used) say_bytes(&n->programs[i], bytes, size, fds, fd_count);
  pthread_mutex_unlock(&n->lock);
  for (unsigned i = 0; i < fd_count; i++) close(fds[i]);
}

void fake_node_say(struct fake_node *n, const struct tl_control *m, unsigned fd_count) {
  uint8_t bytes[TL_CONTROL_BYTES_MAX];
  fake_node_say_bytes(n, bytes, tl_control_encode(m, bytes), fd_count);
}

void fake_node_wait_hangup(struct fake_node *n) {
  pthread_mutex_lock(&n->lock);
  unsigned before = n->hangups;
  while (n->hangups == before) pthread_cond_wait(&n->changed, &n->lock);
  pthread_mutex_unlock(&n->lock);
}
