/* Where a node lives: folders, locks, the socket file, and the rights that it gives up. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/host/directory.h"
#include "node/host/listen.h"
#include "node/host/privilege.h"
#include "node/host/store.h"
#include "tests/unit/test.h"

#define NOBODY 65534

static char folder[64];

static int setup(void **state) {
  (void)state;
  snprintf(folder, sizeof folder, "/tmp/tulle-test-XXXXXX");
  assert_non_null(mkdtemp(folder));
  return 0;
}

static int teardown(void **state) {
  (void)state;
  char command[128];
  snprintf(command, sizeof command, "rm -r '%s'", folder);
  assert_int_equal(system(command), 0);
  return 0;
}

static const char *inside(const char *name) {
  static char path[256];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

/* ---- folders ---- */

static void places_come_from_the_environment(void **state) {
  (void)state;
  struct tl_directories d;
  const char *missing = NULL;
  setenv("TULLE_RUNTIME_DIR", "/a/b", 1), setenv("TULLE_STATE_DIR", "/c", 1);
  assert_int_equal(tl_directories_find(&d, &missing), 0);
  assert_string_equal(d.runtime, "/a/b"), assert_string_equal(d.state, "/c");
  setenv("TULLE_RUNTIME_DIR", "", 1), unsetenv("TULLE_STATE_DIR");
  setenv("XDG_RUNTIME_DIR", "/run/user/7", 1), setenv("XDG_STATE_HOME", "/u/state", 1);
  assert_int_equal(tl_directories_find(&d, &missing), 0);
  if (geteuid() == 0) {
    assert_string_equal(d.runtime, "/run/tulle"), assert_string_equal(d.state, "/var/lib/tulle");
    return;
  }
  assert_string_equal(d.runtime, "/run/user/7/tulle");
  assert_string_equal(d.state, "/u/state/tulle");
  unsetenv("XDG_RUNTIME_DIR");
  assert_int_equal(tl_directories_find(&d, &missing), TULLE_E_NOT_FOUND);
  assert_non_null(missing);
}

static void a_place_too_long_names_its_variables(void **state) {
  (void)state;
  struct tl_directories d;
  const char *variables = NULL;
  char path[TL_DIRECTORY_PATH_SIZE + 1];
  memset(path, 'x', sizeof path);
  path[sizeof path - 1] = 0;
  setenv("TULLE_RUNTIME_DIR", "/a/b", 1), setenv("TULLE_STATE_DIR", path, 1);
  assert_int_equal(tl_directories_find(&d, &variables), TULLE_E_TOO_BIG);
  assert_non_null(strstr(variables, "TULLE_STATE_DIR"));
  variables = NULL;
  setenv("TULLE_RUNTIME_DIR", path, 1);
  assert_int_equal(tl_directories_find(&d, &variables), TULLE_E_TOO_BIG);
  assert_non_null(strstr(variables, "TULLE_RUNTIME_DIR"));
}

static void folders_are_made_and_judged(void **state) {
  (void)state;
  struct stat s;
  int fd;
  assert_int_equal(tl_directory_open(inside("x/y/z"), 0700, geteuid(), &fd), 0);
  assert_int_equal(fstat(fd, &s), 0);
  assert_int_equal(s.st_mode & 0777, 0700);
  close(fd);
  assert_int_equal(chmod(inside("x/y/z"), 0770), 0);
  assert_int_equal(tl_directory_open(inside("x/y/z"), 0700, geteuid(), &fd), TULLE_E_REFUSED);
  int file = open(inside("file"), O_CREAT | O_WRONLY, 0600);
  close(file);
  assert_int_equal(tl_directory_open(inside("file"), 0700, geteuid(), &fd), -ENOTDIR);
  assert_int_equal(tl_directory_open(inside("file/x"), 0700, geteuid(), &fd), -ENOTDIR);
  if (geteuid() != 0) return;
  assert_int_equal(mkdir(inside("theirs"), 0700), 0);
  assert_int_equal(chown(inside("theirs"), NOBODY, NOBODY), 0);
  assert_int_equal(tl_directory_open(inside("theirs"), 0700, 0, &fd), TULLE_E_REFUSED);
  assert_int_equal(tl_directory_open(inside("theirs"), 0700, NOBODY, &fd), 0);
  close(fd);
}

static void a_lock_says_who_holds_it(void **state) {
  (void)state;
  uint32_t pid = 0;
  int a, b, c;
  assert_int_equal(tl_directory_open(inside("a"), 0700, geteuid(), &a), 0);
  assert_int_equal(tl_directory_open(inside("a"), 0700, geteuid(), &b), 0);
  assert_int_equal(tl_directory_open(inside("c"), 0700, geteuid(), &c), 0);
  assert_true(tl_directory_is_same(a, b));
  assert_false(tl_directory_is_same(a, c));
  assert_int_equal(tl_directory_lock(a, &pid), 0);
  assert_int_equal(tl_directory_lock(c, &pid), 0);
  assert_int_equal(tl_directory_lock(b, &pid), TL_FULL);
  assert_true(pid == 0 || pid == (uint32_t)getpid()); /* 0 where the kernel's list is hidden */
  close(a);
  assert_int_equal(tl_directory_lock(b, &pid), 0);
  close(b), close(c);
}

/* ---- the socket ---- */

static void the_socket_replaces_what_was_left(void **state) {
  (void)state;
  struct tl_listener first, second;
  struct stat s;
  uint32_t pid;
  int fd;
  assert_int_equal(tl_directory_open(inside("r"), 0700, geteuid(), &fd), 0);
  char path[300];
  snprintf(path, sizeof path, "%s", inside("r"));
  assert_int_equal(tl_listener_take_over(path, 10, &pid), TL_TAKEOVER_NOBODY);
  assert_int_equal(tl_listener_open(fd, path, 0600, &first), 0);
  assert_int_equal(stat(inside("r/node.sock"), &s), 0);
  assert_true(S_ISSOCK(s.st_mode));
  assert_int_equal(s.st_mode & 0777, 0600);
  close(first.fd); /* as a killed node leaves it */
  assert_int_equal(tl_listener_take_over(path, 10, &pid), TL_TAKEOVER_NOBODY);
  assert_int_equal(tl_listener_open(fd, path, 0666, &second), 0);
  assert_int_equal(stat(inside("r/node.sock"), &s), 0);
  assert_int_equal(s.st_mode & 0777, 0666);
  tl_listener_remove(&first); /* not its file any more */
  assert_int_equal(stat(inside("r/node.sock"), &s), 0);
  /* It is there and says nothing: that is a node that stays. */
  assert_int_equal(tl_listener_take_over(path, 10, &pid), TL_TAKEOVER_REFUSED);
  assert_int_equal(pid, getpid());
  tl_listener_remove(&second);
  assert_int_not_equal(stat(inside("r/node.sock"), &s), 0);
  close(second.fd);
  memset(path, 'x', sizeof path - 1), path[0] = '/', path[sizeof path - 1] = 0;
  assert_int_equal(tl_listener_open(fd, path, 0600, &first), TULLE_E_TOO_BIG);
  close(fd);
}

/* ---- what is on disk ---- */

static void starts_are_counted(void **state) {
  (void)state;
  uint8_t id[16];
  for (uint64_t i = 1; i <= 3; i++) {
    struct tl_store s;
    const char *what;
    assert_int_equal(tl_store_open(inside("s"), &s), 0);
    assert_int_equal(tl_store_load(&s, "osprey", 1, &what), 0);
    assert_int_equal(s.incarnation, i);
    assert_string_equal(tl_trust_state_of(s.trust)->self.name, "osprey");
    assert_true(tl_trust_is_alone(s.trust));
    if (i == 1) memcpy(id, s.identity->node_id, sizeof id);
    assert_memory_equal(id, s.identity->node_id, sizeof id);
    tl_store_close(&s);
    tl_store_close(&s);
  }
}

static void a_count_that_is_none_is_damage(void **state) {
  (void)state;
  static const char *const bad[] = {"",
                                    "\n",
                                    "x\n",
                                    "12",
                                    "12x\n",
                                    "12\n\n",
                                    "-5\n",
                                    "+5\n",
                                    " 5\n",
                                    "-",
                                    "18446744073709551615\n"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    struct tl_store s;
    const char *what;
    assert_int_equal(tl_store_open(inside("s"), &s), 0);
    int fd = open(inside("s/incarnation"), O_CREAT | O_TRUNC | O_WRONLY, 0600);
    assert_int_equal(write(fd, bad[i], strlen(bad[i])), strlen(bad[i]));
    close(fd);
    assert_int_equal(tl_store_load(&s, "osprey", 1, &what), TULLE_E_BAD_MESSAGE);
    assert_string_equal(what, "incarnation");
    tl_store_close(&s);
  }
}

static void keys_that_others_may_read_are_refused(void **state) {
  (void)state;
  struct tl_store s;
  const char *what;
  assert_int_equal(tl_store_open(inside("s"), &s), 0);
  assert_int_equal(tl_store_load(&s, "osprey", 1, &what), 0);
  tl_store_close(&s);
  assert_int_equal(chmod(inside("s/identity.key"), 0640), 0);
  assert_int_equal(tl_store_open(inside("s"), &s), 0);
  assert_int_equal(tl_store_load(&s, "osprey", 1, &what), TULLE_E_REFUSED);
  tl_store_close(&s);
  assert_int_equal(chmod(inside("s"), 0750), 0);
  assert_int_equal(tl_store_open(inside("s"), &s), TULLE_E_REFUSED);
}

/* ---- rights ---- */

/* In a child, because it cannot be taken back. */
static void in_child(int (*run)(void)) {
  int status;
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) _exit(run());
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 0);
}

static int has_no_rights(void) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct sets[2];
  if (syscall(SYS_capget, &header, sets)) return 1;
  for (int i = 0; i < 2; i++)
    if (sets[i].effective | sets[i].permitted | sets[i].inheritable) return 2;
  return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 3;
}

static int drop_and_look(void) {
  return tl_privilege_drop() == 0 ? has_no_rights() : 4;
}

static int become_and_look(void) {
  int fd = open(inside("g"), O_RDONLY | O_DIRECTORY);
  if (tl_privilege_give(fd, NOBODY, NOBODY) || tl_privilege_become(NOBODY, NOBODY)) return 5;
  if (tl_privilege_drop()) return 6;
  if (geteuid() != NOBODY || getegid() != NOBODY || setuid(0) == 0) return 7;
  if (openat(fd, "key", O_RDWR) < 0) return 8; /* given with its folder */
  return has_no_rights();
}

static void rights_are_gone_for_good(void **state) {
  (void)state;
  in_child(drop_and_look);
  if (geteuid() != 0) return;
  assert_int_equal(chmod(folder, 0755), 0);
  assert_int_equal(mkdir(inside("g"), 0700), 0);
  close(open(inside("g/key"), O_CREAT | O_WRONLY, 0600));
  in_child(become_and_look);
}

static int raise_and_look(void) {
  struct rlimit few = {256, 4096}, now;
  if (setrlimit(RLIMIT_NOFILE, &few)) return 1;
  if (geteuid() == 0 && tl_privilege_become(NOBODY, NOBODY)) return 2;
  uint64_t got = tl_privilege_raise_descriptors();
  if (getrlimit(RLIMIT_NOFILE, &now)) return 3;
  return got == 4096 && now.rlim_cur == 4096 ? 0 : 4; /* as far as the limit allows */
}

static void descriptors_are_raised_to_the_limit(void **state) {
  (void)state;
  in_child(raise_and_look);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(places_come_from_the_environment),  TEST(a_place_too_long_names_its_variables),
      TEST(folders_are_made_and_judged),       TEST(a_lock_says_who_holds_it),
      TEST(the_socket_replaces_what_was_left), TEST(starts_are_counted),
      TEST(a_count_that_is_none_is_damage),    TEST(keys_that_others_may_read_are_refused),
      TEST(rights_are_gone_for_good),          TEST(descriptors_are_raised_to_the_limit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
