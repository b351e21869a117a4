#include "transport/ring/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/error.h"
#include "tests/unit/ring/ring_test.h"

#define BYTES 8192u

static int make(enum tl_segment_kind kind) {
  int fd;
  assert_int_equal(tl_segment_create(kind, BYTES, &fd), 0);
  return fd;
}

/* ---- sizes ---- */

static void only_powers_of_two_within_the_limits(void **state) {
  (void)state;
  int fd;
  const uint32_t bad[] = {0,          1,         2048, 4095, 4097, 12288, (64u << 20) + 4096,
                          128u << 20, UINT32_MAX};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    for (enum tl_segment_kind kind = TL_SEGMENT_PARTY; kind <= TL_SEGMENT_DATA; kind++)
      assert_int_equal(tl_segment_create(kind, bad[i], &fd), TULLE_E_INVALID);
  for (uint32_t bytes = TL_RING_BYTES_MIN; bytes <= TL_RING_BYTES_MAX; bytes *= 2)
    assert_true(tl_segment_is_size(bytes));
}

static void a_new_segment_is_allocated_zero_and_sealed(void **state) {
  (void)state;
  int fd = make(TL_SEGMENT_PARTY);
  struct stat s;
  assert_int_equal(fstat(fd, &s), 0);
  assert_int_equal(s.st_size, BYTES + TL_RING_PAGE_BYTES);
  assert_true((uint64_t)s.st_blocks * 512 >= BYTES + TL_RING_PAGE_BYTES);
  assert_int_equal(fcntl(fd, F_GET_SEALS) & (F_SEAL_SHRINK | F_SEAL_GROW),
                   F_SEAL_SHRINK | F_SEAL_GROW);
  assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
  assert_int_equal(tl_segment_version(fd), TL_RING_LAYOUT_VERSION);
  struct tl_segment w;
  assert_int_equal(tl_segment_map(fd, TL_SEGMENT_PARTY, TL_SEGMENT_WRITER, BYTES, &w), 0);
  assert_int_equal(w.page->write_position, 0);
  for (size_t i = 0; i < BYTES; i++) assert_int_equal(w.data[i], 0);
  tl_segment_unmap(&w);
  tl_segment_unmap(&w);
  close(fd);
}

static void the_data_area_appears_twice(void **state) {
  (void)state;
  for (enum tl_segment_kind kind = TL_SEGMENT_PARTY; kind <= TL_SEGMENT_DATA; kind++) {
    struct tl_segment w, r;
    int fd = make(kind);
    assert_int_equal(tl_segment_map(fd, kind, TL_SEGMENT_WRITER, BYTES, &w), 0);
    assert_int_equal(tl_segment_seal(fd), 0);
    assert_int_equal(tl_segment_map(fd, kind, TL_SEGMENT_READER, BYTES, &r), 0);
    assert_true((w.page != NULL) == (kind == TL_SEGMENT_PARTY));
    memset(w.data + BYTES - 4, 0x5a, 8);
    for (uint32_t i = 0; i < 4; i++) {
      assert_int_equal(r.data[i], 0x5a);
      assert_int_equal(r.data[BYTES + i], 0x5a);
      assert_int_equal(r.data[2 * BYTES - 4 + i], 0x5a);
    }
    assert_int_equal(r.data[4], 0);
    tl_segment_unmap(&w);
    tl_segment_unmap(&r);
    close(fd);
  }
}

/* ---- what a receiver refuses ---- */

static void expect_refused(int fd) {
  struct tl_segment s = {0};
  for (enum tl_segment_role role = TL_SEGMENT_WRITER; role <= TL_SEGMENT_READER; role++) {
    assert_int_equal(tl_segment_check(fd, TL_SEGMENT_PARTY, role, BYTES), TULLE_E_REFUSED);
    assert_int_equal(tl_segment_map(fd, TL_SEGMENT_PARTY, role, BYTES, &s), TULLE_E_REFUSED);
  }
  assert_null(s.data);
  if (fd >= 0) close(fd);
}

static void what_is_no_memfd_is_refused(void **state) {
  (void)state;
  int pair[2], pipes[2];
  char disk[] = "/var/tmp/tulle-test-XXXXXX", memory[] = "/dev/shm/tulle-test-XXXXXX";
  assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
  assert_int_equal(pipe(pipes), 0);
  int disk_fd = mkstemp(disk), memory_fd = mkstemp(memory);
  assert_true(disk_fd >= 0 && memory_fd >= 0);
  unlink(disk);
  unlink(memory);
  assert_int_equal(ftruncate(disk_fd, BYTES + TL_RING_PAGE_BYTES), 0);
  assert_int_equal(ftruncate(memory_fd, BYTES + TL_RING_PAGE_BYTES), 0);
  expect_refused(disk_fd);
  expect_refused(memory_fd);
  expect_refused(pair[0]);
  expect_refused(pair[1]);
  expect_refused(pipes[0]);
  expect_refused(pipes[1]);
  expect_refused(eventfd(0, 0));
  expect_refused(open("/", O_RDONLY | O_DIRECTORY));
  expect_refused(open("/", O_PATH));
  expect_refused(open("/dev/null", O_RDWR));
  expect_refused(open("/dev/zero", O_RDWR));
  expect_refused(open("/proc/self/status", O_RDONLY));
  expect_refused(-1);
}

static int raw_memfd(off_t bytes, int seals) {
  int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  assert_int_equal(ftruncate(fd, bytes), 0);
  assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
  return fd;
}

static void a_memfd_without_the_seals_or_the_size_is_refused(void **state) {
  (void)state;
  const off_t right = BYTES + TL_RING_PAGE_BYTES;
  const int all = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;
  expect_refused(raw_memfd(right, 0));
  expect_refused(raw_memfd(right, F_SEAL_SHRINK));
  expect_refused(raw_memfd(right, F_SEAL_GROW | F_SEAL_FUTURE_WRITE));
  expect_refused(raw_memfd(right, F_SEAL_WRITE));
  expect_refused(raw_memfd(right - 1, all));
  expect_refused(raw_memfd(right + 1, all));
  expect_refused(raw_memfd(right * 2, all));
  expect_refused(raw_memfd(BYTES, all));
  expect_refused(raw_memfd(0, all));
}

static void a_reader_wants_no_further_writers(void **state) {
  (void)state;
  struct tl_segment s;
  int fd = make(TL_SEGMENT_PARTY);
  assert_int_equal(tl_segment_map(fd, TL_SEGMENT_PARTY, TL_SEGMENT_READER, BYTES, &s),
                   TULLE_E_REFUSED);
  assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
  /* Without F_SEAL_SEAL more seals could come, and with them a writer's failure at a time of the peer's choice. */
  assert_int_equal(tl_segment_map(fd, TL_SEGMENT_PARTY, TL_SEGMENT_READER, BYTES, &s),
                   TULLE_E_REFUSED);
  assert_int_equal(tl_segment_seal(fd), 0);
  assert_int_equal(tl_segment_map(fd, TL_SEGMENT_PARTY, TL_SEGMENT_READER, BYTES, &s), 0);
  tl_segment_unmap(&s);
  assert_int_equal(tl_segment_seal(fd), -EPERM);
  close(fd);
}

static void a_segment_of_the_other_kind_is_refused(void **state) {
  (void)state;
  int party = make(TL_SEGMENT_PARTY), data = make(TL_SEGMENT_DATA);
  assert_int_equal(tl_segment_check(party, TL_SEGMENT_DATA, TL_SEGMENT_WRITER, BYTES),
                   TULLE_E_REFUSED);
  assert_int_equal(tl_segment_check(data, TL_SEGMENT_PARTY, TL_SEGMENT_WRITER, BYTES),
                   TULLE_E_REFUSED);
  assert_int_equal(tl_segment_version(data), 0);
  close(party);
  close(data);
}

static void expect_page(const struct tl_ring_page *start, int expected) {
  struct tl_segment s;
  int fd = make(TL_SEGMENT_PARTY);
  assert_int_equal(pwrite(fd, start, sizeof *start, 0), sizeof *start);
  assert_int_equal(tl_segment_map(fd, TL_SEGMENT_PARTY, TL_SEGMENT_WRITER, BYTES, &s), expected);
  if (!expected) tl_segment_unmap(&s);
  close(fd);
}

static void a_page_of_another_layout_is_told_apart(void **state) {
  (void)state;
  struct tl_ring_page good = {
      .magic = TL_RING_MAGIC, .version = TL_RING_LAYOUT_VERSION, .data_bytes = BYTES};
  struct tl_ring_page p = good;
  expect_page(&p, 0);
  p.version++;
  expect_page(&p, TULLE_E_VERSION);
  p = good, p.magic ^= 1;
  expect_page(&p, TULLE_E_VERSION);
  p = good, p.data_bytes *= 2;
  expect_page(&p, TULLE_E_REFUSED);
}

/* ---- what the kernel refuses to a holder of a sealed descriptor ---- */

static void a_sealed_segment_cannot_be_changed(void **state) {
  (void)state;
  struct tl_segment w, r;
  char path[64];
  int fd = make(TL_SEGMENT_DATA);
  assert_int_equal(tl_segment_map(fd, TL_SEGMENT_DATA, TL_SEGMENT_WRITER, BYTES, &w), 0);
  assert_int_equal(tl_segment_seal(fd), 0);
  assert_int_equal(tl_segment_map(fd, TL_SEGMENT_DATA, TL_SEGMENT_READER, BYTES, &r), 0);
  assert_int_equal(ftruncate(fd, 0), -1);
  assert_int_equal(ftruncate(fd, 2 * BYTES), -1);
  assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), -1);
  assert_int_equal(fallocate(fd, 0, 0, 2 * BYTES), -1);
  assert_int_equal(pwrite(fd, "x", 1, 0), -1);
  assert_ptr_equal(mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
  assert_int_equal(mprotect(r.data, BYTES, PROT_READ | PROT_WRITE), -1);
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  int again = open(path, O_RDWR);
  if (again >= 0) {
    assert_int_equal(pwrite(again, "x", 1, 0), -1);
    assert_ptr_equal(mmap(NULL, BYTES, PROT_WRITE, MAP_SHARED, again, 0), MAP_FAILED);
    close(again);
  }
  close(fd);
  /* The writer's own mapping goes on working, without the descriptor. */
  w.data[17] = 42;
  assert_int_equal(r.data[17], 42);
  tl_segment_unmap(&w);
  tl_segment_unmap(&r);
}

static void a_forked_child_has_no_mapping(void **state) {
  (void)state;
  struct tl_segment w;
  int fd = make(TL_SEGMENT_PARTY);
  assert_int_equal(tl_segment_map(fd, TL_SEGMENT_PARTY, TL_SEGMENT_WRITER, BYTES, &w), 0);
  const uint8_t *places[] = {(uint8_t *)w.page, w.data, w.data + BYTES};
  for (size_t i = 0; i < 3; i++) {
    pid_t pid = fork();
    if (!pid) {
      signal(SIGSEGV, SIG_DFL);
      _exit(*(volatile const uint8_t *)places[i]);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
  }
  tl_segment_unmap(&w);
  close(fd);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      leak_checked(only_powers_of_two_within_the_limits),
      leak_checked(a_new_segment_is_allocated_zero_and_sealed),
      leak_checked(the_data_area_appears_twice),
      leak_checked(what_is_no_memfd_is_refused),
      leak_checked(a_memfd_without_the_seals_or_the_size_is_refused),
      leak_checked(a_reader_wants_no_further_writers),
      leak_checked(a_segment_of_the_other_kind_is_refused),
      leak_checked(a_page_of_another_layout_is_told_apart),
      leak_checked(a_sealed_segment_cannot_be_changed),
      leak_checked(a_forked_child_has_no_mapping),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
