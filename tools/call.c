/*
 * `tulle call SERVICE.PROCEDURE[@NODE] [ARGUMENTS]`.
 *
 * A service's name may have dots in it, a procedure's may not: the last dot separates them.
 */
#include <string.h>
#include <unistd.h>

#include "core/limits.h"
#include "core/text.h"
#include "core/time.h"
#include "tools/arguments.h"
#include "tools/ask.h"
#include "tools/human.h"
#include "tools/json.h"
#include "tools/show.h"
#include "tools/verbs.h"

/* A node that started a moment ago has not heard of the others yet: a call waits until it is this old. */
#define DISCOVERY_NS (500 * TL_MS)

struct target {
  char service[TL_SERVICE_NAME_BYTES_MAX + 1];
  char procedure[TL_PROCEDURE_NAME_BYTES_MAX + 1];
  char node[TL_NODE_NAME_BYTES_MAX + 1]; /* "": any */
};

static int bad_target(const struct tl_command *c, const char *why) {
  return tl_command_fail(c, TULLE_E_INVALID, why,
                         "tulle call SERVICE.PROCEDURE, or SERVICE.PROCEDURE@NODE",
                         "cannot call '%s'", c->operands[0]);
}

static bool copy_name(const char *text, size_t size, char *out, size_t out_size) {
  if (!tl_name_is_valid(text, size, out_size - 1)) return false;
  memcpy(out, text, size);
  out[size] = 0;
  return true;
}

static int parse_target(const struct tl_command *c, struct target *out) {
  const char *text = c->operands[0], *option = tl_command_text(c, "node");
  size_t size = strcspn(text, "@");
  const char *dot = memrchr(text, '.', size);
  *out = (struct target){0};
  if (!dot) return bad_target(c, "the name of a procedure is missing");
  if (!copy_name(text, (size_t)(dot - text), out->service, sizeof out->service))
    return bad_target(c, "a service's name has 1 to 63 letters, digits and . _ -");
  if (!copy_name(dot + 1, size - (size_t)(dot - text) - 1, out->procedure, sizeof out->procedure))
    return bad_target(c, "a procedure's name has 1 to 63 letters, digits and _ -");
  const char *node = text[size] ? text + size + 1 : NULL;
  if (node && option && strcmp(node, option))
    return bad_target(c, "@NODE and --node name different nodes");
  if (!node) node = option;
  if (node && !copy_name(node, strlen(node), out->node, sizeof out->node))
    return bad_target(c, "a node's name has 1 to 63 letters, digits and . _ -");
  return 0;
}

/* ---- complaints ---- */

/* What the node knows about a service that nobody serves: who did last and until when, and whose name is
 * near. Opening a channel does not tell; the node's own procedure does. */
static void ask_why(struct tl_ask *a, const struct target *t, char *out, size_t size) {
  unsigned char bytes[256];
  struct tulle_pack args = tulle_pack_on(bytes, sizeof bytes);
  struct tulle_result result = {0};
  tulle_pack_map(&args, t->node[0] ? 2 : 1);
  tulle_pack_text(&args, "service");
  tulle_pack_text(&args, t->service);
  if (t->node[0]) {
    tulle_pack_text(&args, "node");
    tulle_pack_text(&args, t->node);
  }
  int r =
      tulle_call(a->node, "open", bytes, tulle_pack_size(&args), a->command->timeout_ns, &result);
  const char *more = r == TULLE_E_NO_SERVICE && result.text ? strchr(result.text, '\n') : NULL;
  snprintf(out, size, "%s", more ? more + 1 : "");
  tulle_result_clear(&result);
}

static int no_service(struct tl_ask *a, const struct target *t) {
  char why[512], hint[128];
  ask_why(a, t, why, sizeof why);
  snprintf(hint, sizeof hint, "see what there is: tulle ls; or wait for it: tulle wait %s",
           t->service);
  return tl_command_fail(a->command, TULLE_E_NO_SERVICE, why, hint, "nobody serves '%s'%s%s",
                         t->service, t->node[0] ? " on " : "", t->node);
}

static int open_failed(struct tl_ask *a, const struct target *t, int r) {
  char why[128] = "", limit[TL_HUMAN_SIZE];
  if (r == TULLE_E_NO_SERVICE) return no_service(a, t);
  if (r == TULLE_E_NO_PEER)
    return tl_command_fail(a->command, r, NULL, "see who is there: tulle ls nodes",
                           "no node is called '%s'", t->node);
  if (r == TULLE_E_DEADLINE)
    snprintf(why, sizeof why, "no channel within %s",
             tl_human_duration(a->command->timeout_ns, limit));
  return tl_command_fail(a->command, r, why, NULL, "cannot reach '%s': %s", t->service,
                         tulle_error_text(r));
}

static int call_failed(const struct tl_command *c, const struct target *t, int r,
                       const struct tulle_result *result) {
  char why[512] = "", limit[TL_HUMAN_SIZE];
  if (result->text && *result->text)
    snprintf(why, sizeof why, "%s", result->text);
  else if (r == TULLE_E_DEADLINE)
    snprintf(why, sizeof why, "no answer within %s", tl_human_duration(c->timeout_ns, limit));
  if (r == TULLE_E_NO_PROCEDURE && *why) return tl_command_fail(c, r, NULL, NULL, "%s", why);
  if (r == TULLE_E_NO_PROCEDURE)
    return tl_command_fail(c, r, why, NULL, "%s has no procedure '%s'", t->service, t->procedure);
  if (r == TULLE_E_REMOTE)
    return tl_command_fail(c, r, why, NULL, "%s.%s returned error %d", t->service, t->procedure,
                           result->code);
  return tl_command_fail(c, r, why, NULL, "%s.%s: %s", t->service, t->procedure,
                         tulle_error_text(r));
}

/* ---- the call ---- */

static void print_result(const struct tl_command *c, const struct tulle_result *result) {
  if (c->json) {
    struct tl_json j = tl_json_on(stdout);
    struct tulle_unpack u = tulle_unpack_on(result->data, result->size);
    tl_json_value(&j, &u);
    tl_json_finish(&j);
  } else {
    tl_show_value(stdout, isatty(STDOUT_FILENO), result->data, result->size);
    fflush(stdout);
  }
}

/* Gives discovery the rest of its first half second if the node has just started. */
static int open_patiently(struct tl_ask *a, const struct target *t,
                          const struct tulle_target *target, struct tulle_channel **out) {
  int r = tulle_channel_open(a->tulle, t->service, target, out);
  if (r != TULLE_E_NO_SERVICE && r != TULLE_E_NO_PEER) return r;
  struct tulle_result status = {0};
  if (tulle_call(a->node, "status", NULL, 0, a->command->timeout_ns, &status)) return r;
  struct tulle_unpack u = tulle_unpack_on(status.data, status.size);
  uint64_t age = tl_ask_uint(&u, "uptime_ns", DISCOVERY_NS);
  tulle_result_clear(&status);
  if (age >= DISCOVERY_NS || tulle_wait(a->tulle, t->service, DISCOVERY_NS - age)) return r;
  return tulle_channel_open(a->tulle, t->service, target, out);
}

static int call_all(struct tl_ask *a, const struct target *t, const struct tl_buffer *args) {
  const struct tl_command *c = a->command;
  struct tulle_target target = {.node = t->node[0] ? t->node : NULL, .timeout_ns = c->timeout_ns};
  struct tulle_channel *channel = NULL;
  int r = open_patiently(a, t, &target, &channel);
  if (r) return open_failed(a, t, r);
  uint64_t count = tl_command_count(c, "repeat", 1);
  for (uint64_t i = 0; i < count && !r && !ferror(stdout); i++) {
    struct tulle_result result = {0};
    uint64_t start = tl_time_now();
    r = tulle_call(channel, t->procedure, args->data, args->size, c->timeout_ns, &result);
    uint64_t took = tl_time_now() - start;
    char text[TL_HUMAN_SIZE];
    if (r)
      r = call_failed(c, t, r, &result);
    else
      print_result(c, &result);
    if (!r && c->verbose)
      tl_command_say(c, "%s via %s in %s", tulle_channel_peer(channel)->node_name,
                     tulle_channel_path(channel), tl_human_duration(took, text));
    tulle_result_clear(&result);
  }
  tulle_channel_close(channel);
  return r;
}

int tl_verb_call(struct tl_command *c) {
  struct target target;
  struct tl_buffer args = {0};
  struct tl_ask a = {0};
  int r = parse_target(c, &target);
  if (!r) r = tl_arguments_read(c, 1, &args);
  if (!r) {
    r = tl_ask_open(c, &a);
    if (!r) r = call_all(&a, &target, &args);
    tl_ask_close(&a);
  }
  tl_buffer_deinit(&args);
  return r;
}
