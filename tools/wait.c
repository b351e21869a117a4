/*
 * `tulle wait SERVICE`: for scripts, which start a node and a service and go on when both are there.
 */
#include <string.h>
#include <time.h>

#include "core/limits.h"
#include "core/text.h"
#include "core/time.h"
#include "tools/ask.h"
#include "tools/human.h"
#include "tools/json.h"
#include "tools/verbs.h"

/* A node that does not run yet has nothing to be waited on with: it is looked for this often. */
#define LOOK_NS (20 * TL_MS)

/* The node may be about to start; then it is waited for as well. */
static int attach_until(uint64_t deadline, struct tulle **out) {
  for (;;) {
    uint64_t now = tl_time_now();
    struct tulle_options options = {.program = "tulle",
                                    .no_autostart = true,
                                    .timeout_ns = deadline > now ? deadline - now : 1};
    int r = tulle_attach(&options, out);
    if (r != TULLE_E_NO_NODE || tl_time_now() + LOOK_NS >= deadline) return r;
    nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
  }
}

int tl_verb_wait(struct tl_command *c) {
  const char *name = c->operands[0];
  struct tulle *t = NULL;
  char limit[TL_HUMAN_SIZE], why[128] = "";
  if (!tl_name_is_valid(name, strlen(name), TL_SERVICE_NAME_BYTES_MAX))
    return tl_command_fail(c, TULLE_E_INVALID,
                           "a service's name has 1 to 63 letters, digits and . _ -", NULL,
                           "cannot wait for '%s'", name);
  uint64_t deadline = tl_time_add(tl_time_now(), c->timeout_ns);
  int r = attach_until(deadline, &t);
  if (!r) {
    uint64_t now = tl_time_now();
    r = tulle_wait(t, name, deadline > now ? deadline - now : 0);
  }
  tulle_detach(t);
  snprintf(why, sizeof why, "waited for %s", tl_human_duration(c->timeout_ns, limit));
  if (r == TULLE_E_DEADLINE)
    return tl_command_fail(c, r, why, "wait longer with --timeout", "nobody serves '%s'", name);
  if (r == TULLE_E_NO_NODE) return tl_command_fail(c, r, why, NULL, "no node runs here");
  if (r)
    return tl_command_fail(c, r, NULL, NULL, "cannot wait for '%s': %s", name, tulle_error_text(r));
  if (c->json) printf("{\"service\":\"%s\"}\n", name);
  return 0;
}
