/*
 * Memory runs out at each point in turn: the n-th allocation of the node fails, for every n until none does. Each
 * time it refuses, or ends an attachment, and everything is given back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/log.h"
#include "node/host/host.h"
#include "node/state/node.h"
#include "tests/unit/node/program.h"
#include "tests/unit/test.h"

/* ---- allocations that fail ---- */

static bool is_armed;
static unsigned long count, fail_at, failures;
static bool fails_for_good;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

static bool fails(void) {
  if (!is_armed) return false;
  count++;
  bool is_it = count == fail_at || (fails_for_good && count > fail_at);
  failures += is_it;
  return is_it;
}

void *__wrap_malloc(size_t size) {
  return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size) {
  return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size) {
  return fails() ? NULL : __real_realloc(p, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size) {
  return fails() ? NULL : __real_aligned_alloc(alignment, size);
}

/* ---- with real sockets and rings ---- */

static void turn(void *context) {
  struct tl_host *host = context;
  is_armed = true;
  for (int i = 0; i < 3; i++) tl_host_dispatch(host, tl_time_boot());
  is_armed = false;
}

static int listen_in(struct sockaddr_un *out) {
  struct sockaddr_un *a = out;
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  unlink(a->sun_path);
  assert_int_equal(bind(fd, (struct sockaddr *)a, sizeof *a), 0);
  assert_int_equal(listen(fd, 8), 0);
  return fd;
}

static bool start(struct program *p, struct tl_host *host, const char *socket) {
  memset(p, 0, sizeof *p);
  p->pump = turn;
  p->pump_context = host;
  return program_attach(p, socket, "p");
}

static void open_and_grow(struct program *server, struct program *client) {
  uint8_t args[64];
  struct tulle_pack w = tulle_pack_on(args, sizeof args);
  tulle_pack_map(&w, 1), tulle_pack_text(&w, "service"), tulle_pack_text(&w, "echo");
  (void)program_begin_call(client, "open", args, tulle_pack_size(&w));
  for (int i = 0; i < 8; i++) program_step(client), program_step(server);
  program_send(client,
               &(struct tl_control){.type = TL_CONTROL_GROW, .channel = 1, .bytes = 1 << 16});
  program_send(client,
               &(struct tl_control){.type = TL_CONTROL_GROW, .channel = 0, .bytes = 1 << 16});
  for (int i = 0; i < 8; i++) program_step(client), program_step(server);
}

static bool is_there(const struct program *p) {
  return p->fd >= 0 && !p->is_hung_up;
}

static void live(struct tl_host *host, const char *socket) {
  static struct program server, client;
  bool is_served = start(&server, host, socket) &&
                   program_call_text(&server, "register", "service", "echo") == 0;
  if (start(&client, host, socket)) (void)program_begin_call(&client, "wait", "\x80", 1);
  if (is_served && is_there(&client)) (void)program_call_text(&client, "wait", "service", "echo");
  if (is_served && is_there(&server) && is_there(&client)) open_and_grow(&server, &client);
  if (is_there(&client)) (void)program_call(&client, "list", NULL, 0);
  if (is_there(&client)) (void)program_call_text(&client, "open", "service", "ehco");
  program_detach(&server), program_detach(&client);
}

/* One life of a node; true when nothing failed in it. */
static bool node_survives(const char *folder) {
  struct tl_node_config config = {.limit = tl_node_limit(UINT64_C(1) << 28, 1024)};
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  struct tl_node *node;
  struct tl_host *host;
  snprintf(a.sun_path, sizeof a.sun_path, "%s/node.sock", folder);
  count = failures = 0;
  is_armed = true;
  int r = tl_node_new(&config, 0, &node);
  is_armed = false;
  if (r == TULLE_E_NO_MEMORY) return false;
  int fd = listen_in(&a);
  is_armed = true;
  r = tl_host_new(node, fd, &host);
  is_armed = false;
  if (r == TULLE_E_NO_MEMORY) {
    close(fd);
    tl_node_free(node);
    return false;
  }
  live(host, a.sun_path);
  turn(host);
  turn(host);
  for (int i = 0; i < TL_RESOURCES; i++) assert_int_equal(node->accounts.used.amount[i], 0);
  tl_host_free(host, tl_time_boot());
  tl_node_free(node);
  unlink(a.sun_path);
  return failures == 0;
}

static void run_all(bool for_good) {
  char folder[] = "/tmp/tulle-test-XXXXXX";
  unsigned long points = 0;
  assert_non_null(mkdtemp(folder));
  fails_for_good = for_good;
  for (fail_at = 1; !node_survives(folder); fail_at++) points++;
  rmdir(folder);
  print_message("%lu points\n", points);
  assert_true(points >= 20);
}

static void one_allocation_fails(void **state) {
  (void)state;
  run_all(false);
}

static void all_allocations_fail_from_one_on(void **state) {
  (void)state;
  run_all(true);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_allocation_fails),
      cmocka_unit_test(all_allocations_fail_from_one_on),
  };
  tl_log_set_level((enum tl_log_level)0);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
