/* The host with real sockets and rings, the node and its programs in one thread. */
#include "node/host/host.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static void two_programs_meet(void **state) {
  struct fixture *f = *state;
  static struct program server, client;
  struct conversation *c, *s;
  struct tl_message m;
  void *body;
  attach(f, &server, "server"), attach(f, &client, "client");
  client.pump_context = server.pump_context = f;
  assert_int_equal(program_call_text(&server, "register", "service", "echo"), 0);
  uint64_t id;
  uint8_t args[64];
  struct tulle_pack w = tulle_pack_on(args, sizeof args);
  tulle_pack_map(&w, 1), tulle_pack_text(&w, "service"), tulle_pack_text(&w, "echo");
  id = program_begin_call(&client, "open", args, tulle_pack_size(&w));
  for (int i = 0; i < 10; i++) program_step(&client), program_step(&server);
  assert_int_equal(program_end_call(&client, id, NULL, 0, NULL), 0);
  c = program_conversation(&client, 1), s = program_conversation(&server, 1);
  assert_non_null(c), assert_non_null(s);
  assert_string_equal(c->service, "echo");
  assert_int_equal(c->role, TL_ROLE_CLIENT), assert_int_equal(s->role, TL_ROLE_SERVER);
  assert_int_equal(c->peer.client, server.self.client);
  assert_int_equal(s->peer.client, client.self.client);
  assert_int_equal(tl_channel_reserve(&c->channel, 5, &body), 0);
  memcpy(body, "hello", 5);
  tl_channel_commit(&c->channel, 9, 5), tl_channel_publish(&c->channel);
  assert_int_equal(tl_channel_peek(&s->channel, &m), 0);
  assert_int_equal(m.length, 5), assert_memory_equal(m.body, "hello", 5);
  tl_channel_release(&s->channel);
  program_detach(&server);
  for (int i = 0; i < 4; i++) program_step(&client);
  assert_true(c->is_closed), assert_int_equal(c->code, TULLE_E_PEER_GONE);
  assert_int_equal(c->begun, UINT64_MAX);
  program_detach(&client);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(a_program_attaches, setup, teardown),
      cmocka_unit_test_setup_teardown(two_programs_meet, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
