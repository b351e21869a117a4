/* Where the child program is looked for, and with which arguments it is started. */
#include "discovery/child.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/discovery/test.h"

static char folder[64];

static void program_make(const char *path) {
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  fclose(f);
  assert_int_equal(chmod(path, 0755), 0);
}

static int setup(void **state) {
  (void)state;
  strcpy(folder, "/tmp/tulle-child-XXXXXX");
  return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state) {
  char path[128];
  (void)state;
  snprintf(path, sizeof path, "%s/tulle-mdns", folder);
  unlink(path);
  return rmdir(folder);
}

static void the_environment_decides(void **state) {
  (void)state;
  char path[128], out[128];
  snprintf(path, sizeof path, "%s/tulle-mdns", folder);
  setenv("TULLE_MDNS", path, 1);
  assert_int_equal(tl_discovery_child_path(out, sizeof out), TULLE_E_NOT_FOUND);
  program_make(path);
  assert_int_equal(tl_discovery_child_path(out, sizeof out), 0);
  assert_string_equal(out, path);
  assert_int_equal(tl_discovery_child_path(out, strlen(path)), TULLE_E_TOO_BIG);
}

/* Beside the test program there is none. */
static void the_search_path_comes_last(void **state) {
  (void)state;
  char path[128], search[256], out[128];
  unsetenv("TULLE_MDNS");
  setenv("PATH", "/nowhere", 1);
  assert_int_equal(tl_discovery_child_path(out, sizeof out), TULLE_E_NOT_FOUND);
  snprintf(path, sizeof path, "%s/tulle-mdns", folder);
  program_make(path);
  snprintf(search, sizeof search, "/nowhere::%s", folder);
  setenv("PATH", search, 1);
  assert_int_equal(tl_discovery_child_path(out, sizeof out), 0);
  assert_string_equal(out, path);
  unsetenv("PATH");
  assert_int_equal(tl_discovery_child_path(out, sizeof out), TULLE_E_NOT_FOUND);
}

static void arguments(void **state) {
  (void)state;
  const char *argv[TL_DISCOVERY_CHILD_ARGS_MAX];
  tl_discovery_child_argv("/x/tulle-mdns", NULL, argv);
  assert_string_equal(argv[0], "/x/tulle-mdns");
  assert_string_equal(argv[1], "--fd");
  assert_string_equal(argv[2], "3");
  assert_null(argv[3]);
  tl_discovery_child_argv("/x/tulle-mdns", "lo", argv);
  assert_string_equal(argv[3], "--interface");
  assert_string_equal(argv[4], "lo");
  assert_null(argv[5]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(the_environment_decides, setup, teardown),
      cmocka_unit_test_setup_teardown(the_search_path_comes_last, setup, teardown),
      cmocka_unit_test(arguments),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
