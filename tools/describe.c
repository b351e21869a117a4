/*
 * `tulle describe SERVICE`: the interface of a running service, here or on another node.
 */
#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "tools/described.h"
#include "tools/json.h"
#include "tools/verbs.h"

static char *canonical_of(const struct tl_schema *schema) {
  size_t size = tl_schema_write(schema, TL_SCHEMA_CANONICAL, NULL, 0);
  char *text = malloc(size + 1);
  if (text) tl_schema_write(schema, TL_SCHEMA_CANONICAL, text, size + 1);
  return text;
}

static void print_json(const struct tl_described *d, const char *service, const char *canonical) {
  char fingerprint[TL_BASE32_SIZE(TL_SCHEMA_FINGERPRINT_BYTES)];
  struct tl_json j = tl_json_on(stdout);
  tl_base32_encode(d->fingerprint, sizeof d->fingerprint, fingerprint);
  tl_json_object(&j);
  tl_json_put_text(&j, "service", service);
  tl_json_put_text(&j, "node", d->node);
  tl_json_put_text(&j, "interface", d->schema->self.name);
  tl_json_put_uint(&j, "version", d->schema->version);
  tl_json_put_text(&j, "fingerprint", fingerprint);
  tl_json_put_text(&j, "canonical", canonical);
  tl_json_put_text(&j, "documented", d->text);
  tl_json_end(&j);
  tl_json_finish(&j);
}

static int print(const struct tl_command *c, const struct tl_described *d) {
  char *canonical = canonical_of(d->schema);
  if (!canonical) return tl_command_fail(c, TULLE_E_NO_MEMORY, NULL, NULL, "cannot print it");
  if (c->json)
    print_json(d, c->operands[0], canonical);
  else
    fputs(tl_command_has(c, "canonical") ? canonical : d->text, stdout);
  fflush(stdout);
  free(canonical);
  return 0;
}

static int describe(struct tl_ask *a, const char *service, const char *node) {
  const struct tl_command *c = a->command;
  struct tl_described d;
  char why[512];
  int r = tl_described_get(a, service, node, &d, why, sizeof why);
  if (r == TULLE_E_NO_SERVICE) {
    const char *more = strchr(why, '\n'); /* the first line says what the complaint says */
    return tl_command_fail(c, r, more ? more + 1 : NULL, "see what there is: tulle ls",
                           "nobody serves '%s'%s%s", service, node[0] ? " on " : "", node);
  }
  if (r) return tl_command_fail(c, r, why, NULL, "cannot describe '%s'", service);
  if (!d.schema)
    return tl_command_fail(c, TULLE_E_NOT_FOUND,
                           "its calls are untyped: what they take, it alone knows", "",
                           "'%s' has no interface", service);
  r = print(c, &d);
  tl_described_deinit(&d);
  return r;
}

int tl_verb_describe(struct tl_command *c) {
  const char *service = c->operands[0], *node = tl_command_text(c, "node");
  struct tl_ask a;
  if (!tl_name_is_valid(service, strlen(service), TL_SERVICE_NAME_BYTES_MAX))
    return tl_command_fail(c, TULLE_E_INVALID,
                           "a service's name has 1 to 63 letters, digits and . _ -", NULL,
                           "cannot describe '%s'", service);
  if (node && !tl_name_is_valid(node, strlen(node), TL_NODE_NAME_BYTES_MAX))
    return tl_command_fail(c, TULLE_E_INVALID,
                           "a node's name has 1 to 63 letters, digits and . _ -", NULL,
                           "cannot ask '%s'", node);
  int r = tl_ask_open(c, &a);
  if (!r) r = describe(&a, service, node ? node : "");
  tl_ask_close(&a);
  return r;
}
