/*
 * Clients made of interfaces that are not quite those of their services: `opens newer` calls
 * `described`, `opens other` opens the greeter of examples/hello. Exits as the command does.
 */
#include <stdio.h>
#include <string.h>

#include "greeter.tulle.h"
#include "sums.tulle.h"

static int open_newer(void) {
  const struct tulle_target target = {.node = "alpha"};
  struct sums *sums;
  uint64_t sum = 0;
  int r = sums_open(NULL, &target, &sums);
  if (r) return r;
  r = sums_add(sums, 2, 3, &sum);
  if (!r && sum != 5) r = TULLE_E_BAD_MESSAGE;
  if (!r && sums_reset(sums) != TULLE_E_NO_PROCEDURE) r = TULLE_E_INVALID;
  sums_close(sums);
  return r;
}

/* The caller's target is left alone, and says nothing about interfaces. */
static int open_other(void) {
  const struct tulle_target target = {.interface = NULL};
  struct greeter *greeter = NULL;
  int r = greeter_open(NULL, NULL, &greeter), again = greeter_open(NULL, &target, &greeter);
  if (greeter || r != again) return TULLE_E_INVALID;
  fprintf(stderr, "%s: %s\n", greeter_error_text(r), tulle_error_detail());
  return r;
}

int main(int argc, char **argv) {
  bool is_newer = argc > 1 && strcmp(argv[1], "newer") == 0;
  int r = is_newer ? open_newer() : open_other();
  return tulle_error_exit(r);
}
