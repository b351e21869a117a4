#include "core/seqpacket.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/test.h"

#define QUEUE_MAX 4

static struct tl_seqpacket a, b;

/* The lowest number that no descriptor has: it rises when one is left open. */
static int next_fd(void) {
  int fd = dup(0);
  close(fd);
  return fd;
}

static int fd_before;

static int setup(void **state) {
  (void)state;
  int ends[2];
  fd_before = next_fd();
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) return -1;
  tl_seqpacket_init(&a, ends[0], QUEUE_MAX);
  tl_seqpacket_init(&b, ends[1], QUEUE_MAX);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tl_seqpacket_deinit(&a);
  tl_seqpacket_deinit(&a);
  tl_seqpacket_deinit(&b);
  return next_fd() == fd_before ? 0 : -1;
}

static uint8_t bytes[4096];
static size_t size, fd_count;
static int fds[TL_SEQPACKET_FDS_MAX];

static int receive(size_t room) {
  return tl_seqpacket_receive(&b, bytes, room, &size, fds, &fd_count);
}

static void expect(const char *text, size_t count) {
  assert_int_equal(receive(sizeof bytes), 0);
  assert_int_equal(size, strlen(text));
  assert_memory_equal(bytes, text, size);
  assert_int_equal(fd_count, count);
  tl_seqpacket_close_fds(fds, fd_count);
}

static void packets_arrive_whole(void **state) {
  (void)state;
  int four[4] = {0, 1, 2, 0};
  assert_int_equal(tl_seqpacket_send(&a, "one", 3, NULL, 0), 0);
  assert_int_equal(tl_seqpacket_send(&a, "two", 3, four, 4), 0);
  expect("one", 0);
  assert_int_equal(receive(sizeof bytes), 0);
  assert_int_equal(fd_count, 4);
  for (size_t i = 0; i < 4; i++) assert_true(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
  tl_seqpacket_close_fds(fds, fd_count);
}

static void nothing_is_not_the_end(void **state) {
  (void)state;
  assert_int_equal(receive(sizeof bytes), TL_EMPTY);
  assert_int_equal(tl_seqpacket_send(&a, "last", 4, NULL, 0), 0);
  tl_seqpacket_deinit(&a);
  expect("last", 0);
  assert_int_equal(receive(sizeof bytes), TL_END);
  assert_int_equal(tl_seqpacket_send(&b, "x", 1, NULL, 0), TULLE_E_PEER_GONE);
}

/* Sends until one is queued. Returns how many there are. */
static unsigned fill(void) {
  unsigned n = 0;
  for (; !tl_seqpacket_is_queued(&a); n++)
    assert_int_equal(tl_seqpacket_send(&a, &n, sizeof n, NULL, 0), 0);
  return n;
}

static void what_does_not_fit_waits_in_order(void **state) {
  (void)state;
  unsigned n = fill(), got, stdin_too = n;
  assert_int_equal(tl_seqpacket_send(&a, &stdin_too, sizeof stdin_too, (int[]){0}, 1), 0);
  assert_int_equal(a.queued_fds, 1);
  assert_int_equal(tl_seqpacket_flush(&a), 0);
  assert_int_equal(a.queued, 2);
  for (unsigned i = 0; i <= n; i++) {
    assert_int_equal(receive(sizeof bytes), 0);
    memcpy(&got, bytes, sizeof got);
    assert_int_equal(got, i);
    assert_int_equal(fd_count, i == n);
    tl_seqpacket_close_fds(fds, fd_count);
    assert_int_equal(tl_seqpacket_flush(&a), 0);
  }
  assert_false(tl_seqpacket_is_queued(&a));
  assert_int_equal(a.queued_fds, 0);
}

static void the_queue_has_an_end(void **state) {
  (void)state;
  fill();
  for (int i = 1; i < QUEUE_MAX; i++)
    assert_int_equal(tl_seqpacket_send(&a, "x", 1, (int[]){0}, 1), 0);
  assert_int_equal(tl_seqpacket_send(&a, "x", 1, NULL, 0), TULLE_E_LIMIT);
  assert_int_equal(a.queued, QUEUE_MAX);
}

static void a_queue_to_nobody_is_told(void **state) {
  (void)state;
  fill();
  tl_seqpacket_deinit(&b);
  assert_int_equal(tl_seqpacket_flush(&a), TULLE_E_PEER_GONE);
}

static void too_long_a_packet_is_refused_with_its_descriptors(void **state) {
  (void)state;
  assert_int_equal(tl_seqpacket_send(&a, "12345", 5, (int[]){0, 1}, 2), 0);
  assert_int_equal(tl_seqpacket_send(&a, "1234", 4, NULL, 0), 0);
  assert_int_equal(receive(4), TULLE_E_BAD_MESSAGE);
  expect("1234", 0);
}

static void send_many_fds(size_t count) {
  int many[16] = {0};
  union {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof many)];
  } control = {0};
  struct iovec piece = {(void *)(uintptr_t) "many", 4};
  struct msghdr m = {.msg_iov = &piece,
                     .msg_iovlen = 1,
                     .msg_control = &control,
                     .msg_controllen = CMSG_SPACE(count * sizeof(int))};
  *CMSG_FIRSTHDR(&m) = (struct cmsghdr){
      .cmsg_len = CMSG_LEN(count * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
  memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), many, count * sizeof(int));
  assert_int_equal(sendmsg(a.fd, &m, 0), 4);
}

static void too_many_descriptors_are_closed(void **state) {
  (void)state;
  for (size_t count = TL_SEQPACKET_FDS_MAX + 1; count < 16; count++) {
    send_many_fds(count);
    assert_int_equal(receive(sizeof bytes), TULLE_E_BAD_MESSAGE);
  }
}

/* In a table with room for `more` descriptors. */
static int receive_with_room(unsigned more) {
  struct rlimit before, few;
  getrlimit(RLIMIT_NOFILE, &before);
  few = (struct rlimit){(rlim_t)next_fd() + more, before.rlim_max};
  setrlimit(RLIMIT_NOFILE, &few);
  int r = receive(sizeof bytes);
  setrlimit(RLIMIT_NOFILE, &before);
  return r;
}

static void a_full_table_is_this_sides_limit(void **state) {
  (void)state;
  for (unsigned room = 0; room < 3; room++) {
    assert_int_equal(tl_seqpacket_send(&a, "three", 5, (int[]){0, 1, 2}, 3), 0);
    assert_int_equal(receive_with_room(room), TULLE_E_LIMIT);
    assert_int_equal(size, 5); /* the packet itself is there */
    assert_int_equal(fd_count, 0);
  }
  assert_int_equal(tl_seqpacket_send(&a, "three", 5, (int[]){0, 1, 2}, 3), 0);
  assert_int_equal(receive_with_room(3), 0);
  tl_seqpacket_close_fds(fds, fd_count);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      CASE(packets_arrive_whole),
      CASE(nothing_is_not_the_end),
      CASE(what_does_not_fit_waits_in_order),
      CASE(the_queue_has_an_end),
      CASE(a_queue_to_nobody_is_told),
      CASE(too_long_a_packet_is_refused_with_its_descriptors),
      CASE(too_many_descriptors_are_closed),
      CASE(a_full_table_is_this_sides_limit),
  };
  return cmocka_run_group_tests_name("seqpacket", tests, NULL, NULL);
}
