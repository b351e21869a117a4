/*
 * Programs that come to a node, do something and go.
 *
 *   subject rights UID SERVICE     as that user, tries what is not for it: 0, all was refused as it has to be; 77, this process
 *                                  cannot become that user; else the number of what went wrong
 *   subject die STEP SERVICE       does a little of everything with SERVICE, and kills itself at STEP: 0, it has no such step
 */
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/conformance/subject.h"

/* ---- rights ---- */

static int try_node(struct tulle_channel *node, const char *procedure, int wanted) {
  unsigned char args[64];
  struct tulle_pack w = tulle_pack_on(args, sizeof args);
  tulle_pack_map(&w, 4);
  tulle_pack_text(&w, "name"), tulle_pack_text(&w, "mine");
  tulle_pack_text(&w, "node"), tulle_pack_text(&w, "node-a");
  tulle_pack_text(&w, "token"), tulle_pack_text(&w, "tl1-x");
  tulle_pack_text(&w, "carrier"), tulle_pack_text(&w, "tcp");
  int r = tulle_call(node, procedure, args, tulle_pack_size(&w), 0, NULL);
  if (r != wanted) fprintf(stderr, "%s: %s\n", procedure, tulle_error_text(r));
  return r == wanted ? 0 : 1;
}

static int try_offer(const char *name, int wanted) {
  struct tulle_procedure none = {"none", NULL, NULL};
  struct tulle_offer offer = {.name = name, .procedures = &none, .procedure_count = 0};
  int r = tulle_offer(NULL, &offer, NULL);
  if (r != wanted) fprintf(stderr, "offering '%s': %s\n", name, tulle_error_text(r));
  return r == wanted ? 0 : 1;
}

static int try_withdraw(struct tulle_channel *node, const char *service) {
  unsigned char args[128];
  struct tulle_pack w = tulle_pack_on(args, sizeof args);
  tulle_pack_map(&w, 1);
  tulle_pack_text(&w, "service"), tulle_pack_text(&w, service);
  return tulle_call(node, "unregister", args, tulle_pack_size(&w), 0, NULL) == TULLE_E_NO_SERVICE
             ? 0
             : 1;
}

static int visit_rights(uid_t uid, const char *service) {
  static const char *const admin[] = {"shutdown", "fabric_create",  "invite",
                                      "join",     "members_remove", "link_carrier"};
  static const char *const open[] = {"status", "list", "nodes", "links", "members"};
  struct tulle_channel *node;
  if (setgroups(0, NULL) || setgid(uid) || setuid(uid)) return 77;
  if (tulle_channel_open(NULL, "node", NULL, &node) < 0) return 100;
  for (size_t i = 0; i < sizeof admin / sizeof *admin; i++)
    if (try_node(node, admin[i], TULLE_E_REFUSED)) return 1 + (int)i;
  for (size_t i = 0; i < sizeof open / sizeof *open; i++)
    if (try_node(node, open[i], 0)) return 20 + (int)i;
  if (try_offer(service, TULLE_E_EXISTS)) return 40; /* somebody else's */
  if (try_withdraw(node, service)) return 41;
  return 0;
}

/* ---- dying ---- */

static void at_step(int step, int wanted) {
  if (step == wanted) raise(SIGKILL);
}

static void landed(void *userdata, int status, const struct tulle_result *result) {
  (void)userdata, (void)status, (void)result;
}

static int serve_nothing(struct tulle_call_context *call, void *userdata) {
  (void)userdata;
  return tulle_reply(call, NULL, 0);
}

static int visit_and_die(int wanted, const char *service) {
  static const struct tulle_procedure procedures[] = {{"nothing", serve_nothing, NULL}};
  static unsigned char large[1 << 20];
  static const unsigned char zeros[sizeof large - 16];
  struct tulle_offer offer = {.name = "dying", .procedures = procedures, .procedure_count = 1};
  struct tulle_channel *c, *own;
  struct tulle_service *s;
  int step = 0;
  struct tulle_identity self;
  if (tulle_self(NULL, &self) < 0) return 100;
  at_step(step++, wanted); /* attached */
  if (tulle_offer(NULL, &offer, &s) < 0) return 101;
  at_step(step++, wanted); /* offers */
  if (tulle_channel_open(NULL, service, NULL, &c) < 0) return 102;
  at_step(step++, wanted); /* has a channel */
  if (tulle_call(c, "count", NULL, 0, 0, NULL) < 0) return 103;
  at_step(step++, wanted); /* has called */
  for (int i = 0; i < 10; i++)
    if (tulle_call_async(c, "keep", NULL, 0, 0, landed, NULL, NULL) < 0) return 104;
  if (tulle_call(c, "count", NULL, 0, 0, NULL) < 0) return 104; /* behind them */
  at_step(step++, wanted); /* waits for answers that do not come */
  if (tulle_call_one_way(c, "count", NULL, 0) < 0) return 105;
  at_step(step++, wanted);
  struct tulle_pack w = tulle_pack_on(large, sizeof large);
  tulle_pack_bytes(&w, zeros, sizeof zeros);
  if (tulle_call_async(c, "echo", large, tulle_pack_size(&w), 0, landed, NULL, NULL) < 0)
    return 106;
  at_step(step++, wanted); /* in the middle of a large message */
  if (tulle_channel_open(NULL, "dying", NULL, &own) < 0) return 107;
  at_step(step++, wanted); /* talks to itself */
  if (tulle_call_async(own, "nothing", NULL, 0, 0, landed, NULL, NULL) < 0) return 108;
  at_step(step++, wanted);
  if (tulle_dispatch(NULL) < 0) return 109;
  at_step(step++, wanted); /* has served */
  tulle_channel_close(c);
  at_step(step++, wanted);
  tulle_withdraw(s);
  at_step(step++, wanted);
  return 0;
}

int run_visitor(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[0], "rights") == 0)
    return visit_rights((uid_t)atoi(argv[1]), argv[2]);
  if (argc == 3 && strcmp(argv[0], "die") == 0) return visit_and_die(atoi(argv[1]), argv[2]);
  fprintf(
      stderr,
      "usage: subject serve|agent NAME | subject rights UID SERVICE | subject die STEP SERVICE\n");
  return 2;
}
