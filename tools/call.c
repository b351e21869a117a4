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
#include "tools/described.h"
#include "tools/human.h"
#include "tools/json.h"
#include "tools/show.h"
#include "tools/typed.h"
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

/* The name that the interface gives to an error of the procedure's own, or NULL. */
static const char *error_name(const struct tl_schema *schema, int code) {
  for (const struct tl_schema_member *m = schema ? schema->errors.first : NULL; m; m = m->next)
    if (m->number == code) return m->name;
  return NULL;
}

static int call_failed(const struct tl_command *c, const struct target *t, int r,
                       const struct tl_schema *schema, const struct tulle_result *result) {
  char why[512] = "", limit[TL_HUMAN_SIZE];
  if (result->text && *result->text)
    snprintf(why, sizeof why, "%s", result->text);
  else if (r == TULLE_E_DEADLINE)
    snprintf(why, sizeof why, "no answer within %s", tl_human_duration(c->timeout_ns, limit));
  if (r == TULLE_E_NO_PROCEDURE && *why) return tl_command_fail(c, r, NULL, NULL, "%s", why);
  if (r == TULLE_E_NO_PROCEDURE)
    return tl_command_fail(c, r, why, NULL, "%s has no procedure '%s'", t->service, t->procedure);
  const char *name = r == TULLE_E_REMOTE ? error_name(schema, result->code) : NULL;
  if (r == TULLE_E_REMOTE)
    return tl_command_fail(c, r, why, NULL, "%s.%s returned error %d%s%s", t->service, t->procedure,
                           result->code, name ? ": " : "", name ? name : "");
  return tl_command_fail(c, r, why, NULL, "%s.%s: %s", t->service, t->procedure,
                         tulle_error_text(r));
}

/* ---- the call ---- */

/* What is known of the procedure: nothing of one without an interface. */
struct known {
  struct tl_described described;
  const struct tl_schema_procedure *procedure; /* NULL: untyped */
  struct tl_buffer args;
};

static void print_value(const struct tl_command *c, const void *data, size_t size) {
  if (c->json) {
    struct tl_json j = tl_json_on(stdout);
    struct tulle_unpack u = tulle_unpack_on(data, size);
    tl_json_value(&j, &u);
    tl_json_finish(&j);
  } else {
    tl_show_value(stdout, isatty(STDOUT_FILENO), data, size);
    fflush(stdout);
  }
}

static int print_result(const struct tl_command *c, const struct target *t, const struct known *k,
                        const struct tulle_result *result) {
  struct tl_buffer named = {0};
  char why[TL_TYPED_TEXT_BYTES] = "";
  if (!k->procedure) {
    print_value(c, result->data, result->size);
    return 0;
  }
  int r = tl_typed_results(k->procedure, result->data, result->size, &named, why);
  if (r)
    r = tl_command_fail(c, r, why, "", "%s.%s answered what its interface does not say", t->service,
                        t->procedure);
  else
    print_value(c, named.data, named.size);
  tl_buffer_deinit(&named);
  return r;
}

/* ---- by the interface ---- */

/* The operand NAME=VALUE of that name: its value as it was written. */
static const char *raw_operand(const void *context, const char *name) {
  const struct tl_command *c = context;
  size_t size = strlen(name);
  for (size_t i = 1; i < c->operand_count; i++)
    if (!strncmp(c->operands[i], name, size) && c->operands[i][size] == '=')
      return c->operands[i] + size + 1;
  return NULL;
}

static int no_procedure(const struct tl_command *c, const struct target *t, const char *near) {
  char why[128] = "", hint[128];
  if (near) snprintf(why, sizeof why, "did you mean '%s'?", near);
  snprintf(hint, sizeof hint, "see what it offers: tulle describe %s", t->service);
  return tl_command_fail(c, TULLE_E_NO_PROCEDURE, why, hint, "%s has no procedure '%s'", t->service,
                         t->procedure);
}

/* Gets the interface of whoever serves the channel, and makes of `args` what it wants. 0 or an exit code. */
static int know(struct tl_ask *a, const struct target *t, struct tulle_channel *channel,
                const struct tl_buffer *args, struct known *out) {
  const struct tl_command *c = a->command;
  char why[512], hint[192];
  const char *near;
  *out = (struct known){0};
  if (!strcmp(t->service, TL_NODE_SERVICE)) return 0;
  int r = tl_described_get(a, t->service, tulle_channel_peer(channel)->node_name, &out->described,
                           why, sizeof why);
  if (r) return tl_command_fail(c, r, why, NULL, "cannot learn the interface of '%s'", t->service);
  if (!out->described.schema) return 0;
  out->procedure = tl_typed_procedure(out->described.schema, t->procedure, &near);
  if (!out->procedure) return no_procedure(c, t, near);
  bool is_words = c->operand_count > 1 && strchr(c->operands[1], '=') && args->size &&
                  c->operands[1][0] != '{' && c->operands[1][0] != '@';
  r = tl_typed_arguments(out->procedure, args->data, args->size, is_words ? raw_operand : NULL, c,
                         &out->args, why);
  if (!r) return 0;
  size_t used = (size_t)snprintf(hint, sizeof hint, "it is called: ");
  tl_schema_write_procedure(out->procedure, hint + used, sizeof hint - used);
  return tl_command_fail(c, r, why, hint, "cannot call %s.%s", t->service, t->procedure);
}

static void forget(struct known *k) {
  tl_buffer_deinit(&k->args);
  tl_described_deinit(&k->described);
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
  struct known known;
  int r = open_patiently(a, t, &target, &channel);
  if (r) return open_failed(a, t, r);
  r = know(a, t, channel, args, &known);
  if (known.procedure) args = &known.args;
  uint64_t count = tl_command_count(c, "repeat", 1);
  for (uint64_t i = 0; i < count && !r && !ferror(stdout); i++) {
    struct tulle_result result = {0};
    uint64_t start = tl_time_now();
    r = tulle_call(channel, t->procedure, args->data, args->size, c->timeout_ns, &result);
    uint64_t took = tl_time_now() - start;
    char text[TL_HUMAN_SIZE];
    if (r)
      r = call_failed(c, t, r, known.described.schema, &result);
    else
      r = print_result(c, t, &known, &result);
    if (!r && c->verbose)
      tl_command_say(c, "%s via %s in %s", tulle_channel_peer(channel)->node_name,
                     tulle_channel_path(channel), tl_human_duration(took, text));
    tulle_result_clear(&result);
  }
  forget(&known);
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
