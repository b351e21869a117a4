/* The host with real sockets and rings, the node and its programs in one thread. */
#include "node/host/host.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/wire/rpc.h"
#include "node/host/directory.h"
#include "node/host/listen.h"
#include "node/host/port.h"
#include "tests/unit/node/program.h"
#include "tests/unit/test.h"
#include "transport/ring/park.h"

struct fixture {
  char folder[64];
  char socket[128];
  int folder_fd;
  struct tl_listener listener;
  struct tl_node *node;
  struct tl_host *host;
  int fds_before;
};

static int count_fds(void) {
  int count = 0;
  for (int fd = 0; fd < 1024; fd++) count += fcntl(fd, F_GETFD) >= 0;
  return count;
}

static void pump(void *context) {
  struct fixture *f = context;
  for (int i = 0; i < 3; i++) tl_host_dispatch(f->host, tl_time_boot());
  tl_node_timeout(f->node, tl_time_boot());
  tl_host_flush(f->host, tl_time_boot());
}

static struct tl_node_config config_of_test(void) {
  struct tl_node_config c = {.limit = tl_node_limit(UINT64_C(1) << 30, 4096)};
  c.self = (struct tl_party){.incarnation = 7, .uid = geteuid(), .pid = 1, .local = true};
  memset(c.self.node, 0x5a, sizeof c.self.node);
  snprintf(c.self.node_name, sizeof c.self.node_name, "osprey");
  snprintf(c.fabric, sizeof c.fabric, "lab");
  return c;
}

static int setup(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  struct tl_node_config config = config_of_test();
  f->fds_before = count_fds();
  snprintf(f->folder, sizeof f->folder, "/tmp/tulle-test-XXXXXX");
  assert_non_null(mkdtemp(f->folder));
  snprintf(f->socket, sizeof f->socket, "%s/node.sock", f->folder);
  assert_int_equal(tl_directory_open(f->folder, 0700, geteuid(), &f->folder_fd), 0);
  assert_int_equal(tl_listener_open(f->folder_fd, f->folder, 0600, &f->listener), 0);
  assert_int_equal(tl_node_new(&config, tl_time_boot(), &f->node), 0);
  assert_int_equal(tl_host_new(f->node, f->listener.fd, &f->host), 0);
  *state = f;
  return 0;
}

/* Whatever a test did: no descriptor, no charge, no file is left. */
static int teardown(void **state) {
  struct fixture *f = *state;
  pump(f);
  for (int i = 0; i < TL_RESOURCES; i++) assert_int_equal(f->node->accounts.used.amount[i], 0);
  assert_int_equal(f->node->program_count, 0);
  tl_listener_remove(&f->listener);
  tl_host_free(f->host, tl_time_boot());
  tl_node_free(f->node);
  close(f->folder_fd);
  assert_int_equal(rmdir(f->folder), 0);
  assert_int_equal(count_fds(), f->fds_before);
  free(f);
  return 0;
}

static void attach(struct fixture *f, struct program *p, const char *name) {
  memset(p, 0, sizeof *p);
  p->pump = pump;
  p->pump_context = f;
  assert_true(program_attach(p, f->socket, name));
}

static void a_program_attaches(void **state) {
  struct fixture *f = *state;
  static struct program p;
  attach(f, &p, "wc");
  assert_int_equal(p.self.client, 1);
  assert_int_equal(p.self.incarnation, 7);
  assert_int_equal(p.self.uid, geteuid());
  assert_int_equal(p.self.pid, getpid());
  assert_string_equal(p.self.program, "wc");
  assert_int_equal(program_call(&p, "status", NULL, 0), 0);
  assert_int_equal(program_call(&p, "statsu", NULL, 0), TULLE_E_NO_PROCEDURE);
  assert_non_null(strstr((char *)program_reply, "did you mean 'status'?"));
  program_detach(&p);
}

/* Opens `service` while both sides answer the node. */
static uint64_t begin_open(struct program *client, const char *service) {
  uint8_t args[128];
  struct tulle_pack w = tulle_pack_on(args, sizeof args);
  tulle_pack_map(&w, 1);
  tulle_pack_text(&w, "service"), tulle_pack_text(&w, service);
  return program_begin_call(client, "open", args, tulle_pack_size(&w));
}

static void steps(struct program *a, struct program *b) {
  for (int i = 0; i < 12; i++) {
    program_step(a);
    if (b) program_step(b);
  }
}

/* A server and its client with channel 1 at both. */
static void meet(struct fixture *f, struct program *server, struct program *client) {
  attach(f, server, "server"), attach(f, client, "client");
  assert_int_equal(program_call_text(server, "register", "service", "echo"), 0);
  uint64_t id = begin_open(client, "echo");
  steps(client, server);
  assert_int_equal(program_end_call(client, id, NULL, 0, NULL), 0);
  assert_non_null(program_conversation(client, 1));
  assert_non_null(program_conversation(server, 1));
}

static void say(struct tl_channel *c, const char *text) {
  void *body;
  assert_int_equal(tl_channel_reserve(c, (uint32_t)strlen(text), &body), 0);
  memcpy(body, text, strlen(text));
  tl_channel_commit(c, 9, (uint32_t)strlen(text));
  tl_channel_publish(c);
}

static void hear(struct tl_channel *c, const char *text) {
  struct tl_message m;
  assert_int_equal(tl_channel_peek(c, &m), 0);
  assert_int_equal(m.length, strlen(text));
  assert_memory_equal(m.body, text, m.length);
  tl_channel_release(c);
}

static void two_programs_meet(void **state) {
  struct fixture *f = *state;
  static struct program server, client;
  meet(f, &server, &client);
  struct conversation *c = program_conversation(&client, 1);
  struct conversation *s = program_conversation(&server, 1);
  assert_string_equal(c->service, "echo");
  assert_int_equal(c->role, TL_ROLE_CLIENT), assert_int_equal(s->role, TL_ROLE_SERVER);
  assert_int_equal(c->peer.client, server.self.client);
  assert_int_equal(s->peer.client, client.self.client);
  say(&c->channel, "hello"), hear(&s->channel, "hello");
  say(&s->channel, "you"), hear(&c->channel, "you");
  program_detach(&server);
  steps(&client, NULL);
  assert_true(c->is_closed), assert_int_equal(c->code, TULLE_E_PEER_GONE);
  assert_int_equal(c->begun, UINT64_MAX);
  program_detach(&client);
}

/* A channel between programs costs the node no descriptor and no mapping. */
static void an_introduction_leaves_nothing_with_the_node(void **state) {
  struct fixture *f = *state;
  static struct program server, client;
  attach(f, &server, "server"), attach(f, &client, "client");
  assert_int_equal(program_call_text(&server, "register", "service", "echo"), 0);
  int before = count_fds();
  for (int i = 1; i <= 5; i++) {
    uint64_t id = begin_open(&client, "echo");
    steps(&client, &server);
    assert_int_equal(program_end_call(&client, id, NULL, 0, NULL), 0);
    assert_int_equal(count_fds(),
                     before + 4 * i); /* both programs' two eventfds, and they are ours */
  }
  program_detach(&server), program_detach(&client);
}

/* ---- growing ---- */

static struct own_segment *granted(struct program *p, uint32_t number) {
  for (size_t i = 0; i < PROGRAM_CHANNELS_MAX; i++)
    if (p->segments[i].number == number) return &p->segments[i];
  return NULL;
}

static void grow(struct program *p, uint32_t channel, uint64_t bytes) {
  program_send(p,
               &(struct tl_control){.type = TL_CONTROL_GROW, .channel = channel, .bytes = bytes});
}

static void a_writer_moves_to_a_larger_area(void **state) {
  struct fixture *f = *state;
  static struct program server, client;
  const uint32_t large = 50000;
  meet(f, &server, &client);
  struct conversation *c = program_conversation(&client, 1);
  struct conversation *s = program_conversation(&server, 1);
  grow(&client, 1, 1 << 18);
  steps(&client, &server);
  assert_int_equal(client.last.type, TL_CONTROL_GROWN);
  assert_false(client.last.is_peer);
  uint32_t number = client.last.segment;
  struct own_segment *area = granted(&client, number);
  assert_non_null(area);
  assert_int_equal(server.grown.number, number);
  assert_int_equal(tl_channel_switch(&c->channel, &area->map, number), 0);
  *area = (struct own_segment){0};
  void *body;
  struct tl_message m;
  tl_channel_publish(&c->channel);
  assert_int_equal(tl_channel_peek(&s->channel, &m), TL_RING_SWITCH);
  assert_int_equal(tl_channel_switch_asked(&s->channel).number, number);
  assert_int_equal(tl_channel_attach(&s->channel, &server.grown.map, number), 0);
  server.grown = (struct own_segment){0};
  assert_int_equal(tl_channel_reserve(&c->channel, large, &body), 0);
  memset(body, 7, large);
  tl_channel_commit(&c->channel, 1, large), tl_channel_publish(&c->channel);
  assert_int_equal(tl_channel_peek(&s->channel, &m), 0);
  assert_int_equal(m.length, large);
  tl_channel_release(&s->channel);
  program_detach(&server), program_detach(&client);
}

static void channel_0_grows_as_well(void **state) {
  struct fixture *f = *state;
  static struct program p;
  attach(f, &p, "p");
  struct tl_channel *c = &program_conversation(&p, 0)->channel;
  grow(&p, 0, 1 << 16);
  steps(&p, NULL);
  assert_int_equal(p.last.type, TL_CONTROL_GROWN);
  struct own_segment *area = granted(&p, p.last.segment);
  assert_int_equal(tl_channel_switch(c, &area->map, p.last.segment), 0);
  *area = (struct own_segment){0};
  assert_int_equal(program_call(&p, "status", NULL, 0), 0);
  assert_int_equal(tl_channel_switch(c, NULL, 0), 0); /* and back */
  assert_int_equal(program_call(&p, "status", NULL, 0), 0);
  program_detach(&p);
}

/* Replies that do not fit a small ring make the node ask for a larger one. */
static void the_node_grows_towards_a_program(void **state) {
  struct fixture *f = *state;
  static struct program p;
  char name[64];
  attach(f, &p, "p");
  for (int i = 0; i < 150; i++) {
    snprintf(name, sizeof name, "a-service-with-a-name-of-some-length-%d", i);
    assert_int_equal(program_call_text(&p, "register", "service", name), 0);
  }
  for (int i = 0; i < 20; i++) assert_int_equal(program_call(&p, "list", NULL, 0), 0);
  assert_true(p.switches >= 1);
  uint64_t charged = p.pump ? f->node->accounts.used.amount[TL_RESOURCE_MEMORY] : 0;
  assert_true(charged > 16384);
  program_send(&p, &(struct tl_control){.type = TL_CONTROL_ATTACHED, .segment = 1}); /* twice */
  for (int i = 0; i < 5; i++) program_step(&p);
  assert_true(p.is_hung_up);
  program_detach(&p);
}

/* ---- an end whose other side is the node ---- */

struct far {
  size_t pieces, bytes, closes;
  uint16_t flags;
  bool is_full; /* takes nothing */
};

static int far_piece(struct tl_end *end, uint64_t now, const struct tl_piece *piece) {
  struct far *far = end->far_context;
  (void)now;
  if (far->is_full) return TL_FULL;
  far->pieces++;
  far->bytes += piece->size;
  far->flags |= piece->flags;
  return 0;
}

static void far_word(struct tl_end *end, uint64_t now) {
  (void)end, (void)now;
}

static void far_closed(struct tl_end *end, uint64_t now, uint64_t begun) {
  struct far *far = end->far_context;
  (void)now, (void)begun;
  far->closes++;
}

/* A program with a service, and its channel 1 to a caller that the node stands for. */
static struct tl_channel *admit(struct fixture *f, struct program *p, struct far *far,
                                struct tl_end **out_end) {
  static const struct tl_far_ops ops = {far_piece, far_word, far_word, far_closed};
  static const struct tl_party caller = {.client = 5};
  attach(f, p, "server");
  assert_int_equal(program_call_text(p, "register", "service", "echo"), 0);
  struct tl_offer *offer = tl_registry_find(&f->node->registry, "echo", NULL, NULL);
  assert_int_equal(tl_end_admit(offer, &caller, offer->program->account, &ops, far, out_end), 0);
  steps(p, NULL);
  assert_int_equal((*out_end)->state, TL_END_OPEN);
  return &program_conversation(p, 1)->channel;
}

/* The program goes on in the area that it was granted last. */
static void move(struct program *p, struct tl_channel *c) {
  assert_int_equal(p->last.type, TL_CONTROL_GROWN);
  struct own_segment *area = granted(p, p->last.segment);
  assert_non_null(area);
  assert_int_equal(tl_channel_switch(c, &area->map, p->last.segment), 0);
  *area = (struct own_segment){0};
  p->last = (struct tl_control){0};
}

/* The program is in its second area, and asks for a third, before the node has left the first. */
static void a_far_end_that_is_behind_follows_through_every_area(void **state) {
  struct fixture *f = *state;
  static struct program p;
  struct far far = {.is_full = true};
  struct tl_end *end;
  struct tl_channel *c = admit(f, &p, &far, &end);
  say(c, "first");
  grow(&p, 1, 1 << 16), steps(&p, NULL);
  move(&p, c);
  say(c, "second");
  grow(&p, 1, 1 << 17), steps(&p, NULL);
  assert_int_not_equal(p.last.type, TL_CONTROL_GROWN); /* not yet */
  assert_int_equal(far.pieces, 0);
  far.is_full = false;
  tl_end_resume(end), steps(&p, NULL);
  assert_int_equal(far.pieces, 2);
  move(&p, c);
  say(c, "third"), steps(&p, NULL);
  assert_int_equal(far.pieces, 3);
  assert_int_equal(far.bytes, 5 + 6 + 5);
  assert_int_equal(end->state, TL_END_OPEN);
  program_detach(&p), pump(f);
  assert_int_equal(far.closes, 1);
}

static void a_far_end_follows_its_program_both_ways(void **state) {
  struct fixture *f = *state;
  static struct program p;
  struct far far = {0};
  struct tl_end *end;
  struct tl_channel *c = admit(f, &p, &far, &end);
  say(c, "small");
  grow(&p, 1, 1 << 16);
  steps(&p, NULL);
  struct own_segment *area = granted(&p, p.last.segment);
  assert_int_equal(tl_channel_switch(c, &area->map, p.last.segment), 0);
  *area = (struct own_segment){0};
  steps(&p, NULL);
  say(c, "large");
  steps(&p, NULL);
  assert_int_equal(tl_channel_switch(c, NULL, 0), 0);
  say(c, "small again");
  steps(&p, NULL);
  assert_int_equal(far.pieces, 3);
  assert_int_equal(far.bytes, 5 + 5 + 11);
  assert_int_equal(end->state, TL_END_OPEN);
  program_detach(&p);
  pump(f);
  assert_int_equal(far.closes, 1);
}

static void a_far_end_takes_what_is_written_in_turns(void **state) {
  struct fixture *f = *state;
  static struct program p;
  static uint8_t bytes[100000];
  struct far far = {0};
  struct tl_end *end;
  struct tl_channel *c = admit(f, &p, &far, &end);
  struct iovec piece = {bytes, sizeof bytes};
  struct tl_send s = tl_send_init(9, &piece, 1);
  for (int i = 0; i < 1000 && tl_channel_push(c, &s) == TL_FULL; i++) program_step(&p);
  tl_channel_publish(c);
  steps(&p, NULL);
  assert_int_equal(far.bytes, sizeof bytes);
  assert_true(far.pieces > 10);
  assert_int_equal(far.flags, TL_RECORD_MORE);
  program_detach(&p);
  pump(f);
}

/* It hears of the end of its channel, and the node of its room. */
static void a_far_side_writes_as_there_is_room(void **state) {
  struct fixture *f = *state;
  static struct program p;
  struct far far = {0};
  struct tl_end *end;
  struct tl_channel *c = admit(f, &p, &far, &end);
  struct tl_piece piece = {.data = "0123456789", .size = 10, .kind = 9};
  struct tl_message m;
  int written = 0, heard = 0;
  while (tl_host_port_ops.write(end, &piece) == 0) written++;
  assert_true(written > 50);
  pump(f);
  while (tl_channel_peek(c, &m) == 0) {
    tl_channel_release(c);
    heard++;
  }
  assert_int_equal(heard, written);
  tl_channel_flush(c);
  pump(f);
  assert_int_equal(tl_host_port_ops.write(end, &piece), 0);
  tl_end_close(end, tl_time_boot(), TULLE_E_UNREACHABLE, 7);
  steps(&p, NULL);
  assert_true(program_conversation(&p, 1)->is_closed);
  assert_int_equal(program_conversation(&p, 1)->begun, 7);
  pump(f);
  assert_int_equal(f->node->end_count, 1); /* it has said close */
  program_detach(&p);
}

static void growth_without_room_is_refused(void **state) {
  struct fixture *f = *state;
  static struct program p;
  attach(f, &p, "p");
  f->node->accounts.limit.amount[TL_RESOURCE_MEMORY] = 1 << 20;
  grow(&p, 0, 1 << 21);
  steps(&p, NULL);
  assert_int_equal(p.last.type, TL_CONTROL_GROWN), assert_int_equal(p.last.segment, 0);
  grow(&p, 0, 1 << 19);
  steps(&p, NULL);
  assert_int_equal(p.last.type, TL_CONTROL_GROWN), assert_int_not_equal(p.last.segment, 0);
  program_detach(&p);
}

/* ---- hostile programs ---- */

/* Whatever `p` did ended its attachment, and only that. */
static void expect_cut(struct fixture *f, struct program *p) {
  static struct program other;
  for (int i = 0; i < 20 && !p->is_hung_up; i++) program_step(p);
  assert_true(p->is_hung_up);
  program_detach(p);
  attach(f, &other, "other");
  assert_int_equal(program_call(&other, "status", NULL, 0), 0);
  program_detach(&other);
  pump(f);
}

static void send_raw(struct program *p, const void *bytes, size_t size, const int *fds,
                     size_t fd_count) {
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(256 * sizeof(int))];
  } control = {0};
  struct iovec iov = {(void *)(uintptr_t)bytes, size};
  struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
  if (fd_count) {
    m.msg_control = &control;
    m.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
    memcpy(CMSG_DATA(c), fds, fd_count * sizeof(int));
  }
  if (sendmsg(p->fd, &m, MSG_NOSIGNAL) < 0) p->is_hung_up = true;
}

static void garbage_on_the_socket(void **state) {
  struct fixture *f = *state;
  static struct program p;
  static uint8_t bytes[8192];
  unsigned seed = 1;
  for (int i = 0; i < 300; i++) {
    memset(&p, 0, sizeof p);
    p.pump = pump, p.pump_context = f;
    if (i % 2)
      assert_true(program_attach(&p, f->socket, "p"));
    else
      program_connect(&p, f->socket);
    size_t size = 1 + (size_t)rand_r(&seed) % (i % 3 ? 64 : sizeof bytes - 1);
    for (size_t k = 0; k < size; k++) bytes[k] = (uint8_t)rand_r(&seed);
    send_raw(&p, bytes, size, NULL, 0);
    for (int k = 0; k < 20 && !p.is_hung_up; k++) program_step(&p);
    assert_true(p.is_hung_up);
    program_detach(&p);
  }
  pump(f);
  assert_int_equal(f->node->program_count, 0);
}

static void messages_out_of_place(void **state) {
  struct fixture *f = *state;
  static struct program p;
  static const struct tl_control bad[] = {
      {.type = TL_CONTROL_HELLO, .version_min = 1, .version_max = 1},
      {.type = TL_CONTROL_WELCOME},
      {.type = TL_CONTROL_SEGMENT},
      {.type = TL_CONTROL_CLOSED},
      {.type = TL_CONTROL_TAKEOVER},
      {.type = TL_CONTROL_MAPPED, .segment = 0},
      {.type = TL_CONTROL_MAPPED, .segment = 99},
      {.type = TL_CONTROL_GROW, .channel = 0, .bytes = 5000},
      {.type = TL_CONTROL_GROW, .channel = 0, .bytes = UINT64_C(1) << 32},
      {.type = TL_CONTROL_GROW, .channel = 0, .bytes = UINT64_MAX},
      {.type = TL_CONTROL_ATTACHED, .channel = 0, .segment = 1},
      {.type = TL_CONTROL_CLOSE, .channel = 0},
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    attach(f, &p, "p");
    program_send(&p, &bad[i]);
    expect_cut(f, &p);
  }
  for (size_t i = 1; i < sizeof bad / sizeof bad[0]; i++) { /* instead of hello */
    if (bad[i].type == TL_CONTROL_TAKEOVER) continue;
    memset(&p, 0, sizeof p);
    p.pump = pump, p.pump_context = f;
    program_connect(&p, f->socket);
    program_send(&p, &bad[i]);
    expect_cut(f, &p);
  }
}

static void what_crossed_is_passed_over(void **state) {
  struct fixture *f = *state;
  static struct program p;
  attach(f, &p, "p");
  program_send(&p, &(struct tl_control){.type = TL_CONTROL_MAPPED, .segment = 1});
  program_send(&p, &(struct tl_control){.type = TL_CONTROL_CLOSE, .channel = 17});
  program_send(&p, &(struct tl_control){.type = TL_CONTROL_ATTACHED, .channel = 17});
  grow(&p, 17, 1 << 16);
  assert_int_equal(program_call(&p, "status", NULL, 0), 0);
  program_detach(&p);
}

static void two_growths_at_once(void **state) {
  struct fixture *f = *state;
  static struct program p;
  attach(f, &p, "p");
  p.keeps_silent = true;
  grow(&p, 0, 1 << 16), grow(&p, 0, 1 << 17);
  expect_cut(f, &p);
}

static void asking_to_grow_again_while_the_node_is_behind(void **state) {
  struct fixture *f = *state;
  static struct program p;
  struct far far = {.is_full = true};
  struct tl_end *end;
  struct tl_channel *c = admit(f, &p, &far, &end);
  say(c, "first");
  grow(&p, 1, 1 << 16), steps(&p, NULL);
  move(&p, c);
  say(c, "second");
  grow(&p, 1, 1 << 17), grow(&p, 1, 1 << 17);
  expect_cut(f, &p);
}

static void versions_without_overlap(void **state) {
  struct fixture *f = *state;
  static struct program p;
  struct tl_control m = {.type = TL_CONTROL_HELLO, .version_min = 2, .version_max = 9};
  memset(&p, 0, sizeof p);
  p.pump = pump, p.pump_context = f;
  program_connect(&p, f->socket);
  program_send(&p, &m);
  for (int i = 0; i < 5; i++) program_step(&p);
  assert_int_equal(p.last.type, TL_CONTROL_REFUSED);
  assert_int_equal(p.last.code, TULLE_E_VERSION);
  assert_int_equal(p.last.version_min, TL_CONTROL_VERSION_MIN);
  assert_int_equal(p.last.version_max, TL_CONTROL_VERSION_MAX);
  assert_true(p.is_hung_up);
  program_detach(&p);
}

/* Refused by its account, a program hears of nothing else. */
static void a_program_beyond_its_account(void **state) {
  struct fixture *f = *state;
  static struct program p;
  static const enum tl_resource short_of[] = {TL_RESOURCE_PROGRAMS, TL_RESOURCE_MEMORY,
                                              TL_RESOURCE_DESCRIPTORS, TL_RESOURCE_OBJECTS};
  for (size_t i = 0; i < 4; i++) {
    uint64_t before = f->node->accounts.limit.amount[short_of[i]];
    f->node->accounts.limit.amount[short_of[i]] = i == 0 ? 0 : 1;
    memset(&p, 0, sizeof p);
    p.pump = pump, p.pump_context = f;
    assert_false(program_attach(&p, f->socket, "p"));
    assert_int_equal(p.last.type, TL_CONTROL_REFUSED);
    assert_int_equal(p.last.code, TULLE_E_LIMIT);
    assert_int_equal(p.self.client, 0); /* no welcome */
    program_detach(&p);
    f->node->accounts.limit.amount[short_of[i]] = before;
  }
  assert_int_equal(f->node->counters.refused, 4);
}

static void takeover(struct fixture *f, struct program *p) {
  memset(p, 0, sizeof *p);
  p->pump = pump, p->pump_context = f;
  program_connect(p, f->socket);
  program_send(p, &(struct tl_control){.type = TL_CONTROL_TAKEOVER, .version_max = 1});
  for (int i = 0; i < 5; i++) program_step(p);
}

static void a_real_node_is_not_taken_over(void **state) {
  struct fixture *f = *state;
  static struct program p;
  takeover(f, &p);
  assert_int_equal(p.last.type, TL_CONTROL_REFUSED), assert_int_equal(p.last.code, TULLE_E_BUSY);
  assert_true(p.is_hung_up);
  assert_false(tl_node_wants_end(f->node));
  program_detach(&p);
  f->node->config.is_autostarted = true;
  takeover(f, &p);
  assert_false(p.is_hung_up); /* its end will hang up */
  assert_true(tl_node_wants_end(f->node));
  program_detach(&p);
}

static void descriptors_are_refused(void **state) {
  struct fixture *f = *state;
  static struct program p;
  uint8_t bytes[TL_CONTROL_BYTES_MAX];
  struct tl_control m = {.type = TL_CONTROL_MAPPED, .segment = 1};
  size_t size = tl_control_encode(&m, bytes);
  static const size_t counts[] = {1, 2, 4, 5, 253};
  for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
    int fds[253], before = count_fds();
    for (size_t k = 0; k < counts[i]; k++) fds[k] = f->folder_fd;
    attach(f, &p, "p");
    fds[0] = p.fd; /* its own socket among them */
    send_raw(&p, bytes, size, fds, counts[i]);
    expect_cut(f, &p);
    assert_int_equal(count_fds(), before);
  }
  attach(f, &p, "p");
  send_raw(&p, bytes, 0, &f->folder_fd, 1); /* a packet of nothing but a descriptor */
  expect_cut(f, &p);
}

static void a_segment_whose_seals_are_sealed(void **state) {
  struct fixture *f = *state;
  static struct program p;
  struct tl_control m = {.type = TL_CONTROL_HELLO, .version_min = 1, .version_max = 1};
  memset(&p, 0, sizeof p);
  p.pump = pump, p.pump_context = f;
  p.seals = F_SEAL_SEAL;
  program_connect(&p, f->socket);
  program_send(&p, &m);
  expect_cut(f, &p);
}

static void a_write_position_that_cannot_be_true(void **state) {
  struct fixture *f = *state;
  static const uint64_t lies[] = {UINT64_MAX, 1 << 20, 4096 + 8, 3};
  static struct program p;
  for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
    uint64_t one = 1;
    attach(f, &p, "p");
    struct tl_channel *c = &program_conversation(&p, 0)->channel;
    __atomic_store_n(&c->own.page->write_position, lies[i], __ATOMIC_SEQ_CST);
    assert_int_equal(write(c->fd_out, &one, sizeof one), sizeof one);
    expect_cut(f, &p);
  }
}

/* The node looks at it when its replies need room. */
static void a_read_position_that_cannot_be_true(void **state) {
  struct fixture *f = *state;
  static struct program p;
  attach(f, &p, "p");
  struct tl_channel *c = &program_conversation(&p, 0)->channel;
  __atomic_store_n(&c->own.page->read_position, UINT64_MAX, __ATOMIC_SEQ_CST);
  for (int i = 0; i < 60 && !p.is_hung_up; i++) {
    (void)program_begin_call(&p, "status", NULL, 0);
    program_step(&p);
  }
  expect_cut(f, &p);
}

static void a_message_larger_than_any_call(void **state) {
  struct fixture *f = *state;
  static struct program p;
  static uint8_t bytes[TL_SERVICE_CALL_BYTES_MAX + 100];
  attach(f, &p, "p");
  struct tl_channel *c = &program_conversation(&p, 0)->channel;
  struct iovec piece = {bytes, sizeof bytes};
  struct tl_send s = tl_send_init(TL_KIND_CALL, &piece, 1);
  for (int i = 0; i < 200 && !p.is_hung_up && tl_channel_push(c, &s) == TL_FULL; i++)
    program_step(&p);
  tl_channel_publish(c);
  expect_cut(f, &p);
}

static void strangers_are_few_and_short(void **state) {
  struct fixture *f = *state;
  static struct program p[40];
  for (int i = 0; i < 40; i++) {
    program_connect(&p[i], f->socket);
    pump(f);
  }
  assert_int_equal(f->host->stranger_count, 32);
  assert_true(tl_host_deadline(f->host) <= tl_time_boot() + 5 * TL_S);
  tl_host_dispatch(f->host, tl_time_boot() + 6 * TL_S);
  assert_int_equal(f->host->stranger_count, 0);
  for (int i = 0; i < 40; i++) {
    program_step(&p[i]);
    assert_true(p[i].is_hung_up);
    program_detach(&p[i]);
  }
}

/* A server that takes nothing from its socket, because it is stopped or at work: opens to it are refused before they cost much, it
 * keeps what it has, nobody else waits. */
static void a_server_that_does_not_read(void **state) {
  struct fixture *f = *state;
  static struct program slow, client;
  uint64_t refused = 0;
  attach(f, &slow, "slow"), attach(f, &client, "client");
  assert_int_equal(program_call_text(&slow, "register", "service", "well"), 0);
  for (int i = 0; i < 600; i++) {
    uint64_t id = begin_open(&client, "well");
    while (program_step(&client)) continue;
    for (size_t k = 0; k < PROGRAM_CHANNELS_MAX; k++) { /* it gives up on all of them */
      struct own_segment *s = &client.segments[k];
      if (!s->number) continue;
      program_send(&client, &(struct tl_control){.type = TL_CONTROL_CLOSE, .channel = s->channel});
      tl_segment_unmap(&s->map);
      *s = (struct own_segment){0};
    }
    if (program_end_call(&client, id, NULL, 0, NULL) == TULLE_E_BUSY) refused++;
  }
  assert_int_equal(f->node->program_count, 2); /* slowness is never death */
  assert_in_range(refused, 300, 599);
  assert_true(f->node->end_count < 300);
  assert_int_equal(program_call(&client, "status", NULL, 0), 0);
  for (int i = 0; i < 10000 && program_step(&slow); i++) continue; /* it goes on */
  uint64_t id = begin_open(&client, "well");
  steps(&client, &slow);
  assert_int_equal(program_end_call(&client, id, NULL, 0, NULL), 0);
  program_detach(&slow), program_detach(&client);
}

/* A program that fills its ring with calls does not keep others waiting for more than turns. */
static void a_flood_is_served_in_turns(void **state) {
  struct fixture *f = *state;
  static struct program flood, other;
  attach(f, &flood, "flood"), attach(f, &other, "other");
  for (int i = 0; i < 40; i++) (void)program_begin_call(&flood, "status", NULL, 0);
  other.pump = NULL;
  uint64_t id = program_begin_call(&other, "status", NULL, 0);
  struct tl_channel *c = &program_conversation(&other, 0)->channel;
  struct tl_message m;
  int turns = 0;
  for (; turns < 4 && tl_channel_peek(c, &m) == TL_EMPTY; turns++)
    tl_host_dispatch(f->host, tl_time_boot());
  assert_true(turns < 4);
  other.pump = pump;
  assert_int_equal(program_end_call(&other, id, NULL, 0, NULL), 0);
  program_detach(&flood), program_detach(&other);
}

/* Without descriptors accepting rests, and goes on when there are some again. */
static void out_of_descriptors(void **state) {
  struct fixture *f = *state;
  static struct program p, q;
  struct rlimit before, few;
  attach(f, &p, "p");
  memset(&q, 0, sizeof q);
  q.pump = pump, q.pump_context = f;
  program_connect(&q, f->socket);
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
  few = (struct rlimit){(rlim_t)q.fd + 1, before.rlim_max};
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
  pump(f);
  assert_true(f->host->accept_at != 0);
  assert_true(tl_host_deadline(f->host) > tl_time_boot());
  assert_int_equal(program_call(&p, "status", NULL, 0), 0);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
  tl_host_dispatch(f->host, tl_time_boot() + TL_S);
  assert_int_equal(f->host->accept_at, 0);
  tl_host_dispatch(f->host, tl_time_boot());
  assert_int_equal(f->host->stranger_count, 1);
  program_detach(&q), program_detach(&p);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_program_attaches),
      TEST(two_programs_meet),
      TEST(an_introduction_leaves_nothing_with_the_node),
      TEST(a_writer_moves_to_a_larger_area),
      TEST(channel_0_grows_as_well),
      TEST(the_node_grows_towards_a_program),
      TEST(a_far_end_follows_its_program_both_ways),
      TEST(a_far_end_that_is_behind_follows_through_every_area),
      TEST(a_far_end_takes_what_is_written_in_turns),
      TEST(a_far_side_writes_as_there_is_room),
      TEST(growth_without_room_is_refused),
      TEST(garbage_on_the_socket),
      TEST(messages_out_of_place),
      TEST(what_crossed_is_passed_over),
      TEST(two_growths_at_once),
      TEST(asking_to_grow_again_while_the_node_is_behind),
      TEST(versions_without_overlap),
      TEST(a_program_beyond_its_account),
      TEST(a_real_node_is_not_taken_over),
      TEST(descriptors_are_refused),
      TEST(a_segment_whose_seals_are_sealed),
      TEST(a_write_position_that_cannot_be_true),
      TEST(a_read_position_that_cannot_be_true),
      TEST(a_message_larger_than_any_call),
      TEST(strangers_are_few_and_short),
      TEST(a_server_that_does_not_read),
      TEST(a_flood_is_served_in_turns),
      TEST(out_of_descriptors),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
