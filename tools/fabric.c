/*
 * `tulle fabric create NAME`, `tulle members`, `tulle members remove NODE`: who belongs together.
 */
#include <string.h>

#include "core/limits.h"
#include "core/text.h"
#include "tools/ask.h"
#include "tools/columns.h"
#include "tools/json.h"
#include "tools/listing.h"
#include "tools/verbs.h"

/* Asks about one name; 0 and the result, or the exit code. */
static int ask_about(struct tl_ask *a, const char *what, const char *procedure, const char *key,
                     const char *value, struct tulle_result *out) {
  unsigned char bytes[256];
  struct tulle_pack args = tulle_pack_on(bytes, sizeof bytes);
  tulle_pack_map(&args, 2);
  tulle_pack_text(&args, key);
  tulle_pack_text(&args, value);
  tulle_pack_text(&args, "leave");
  tulle_pack_bool(&args, tl_command_has(a->command, "leave"));
  return tl_ask(a, what, procedure, &args, a->command->timeout_ns, out);
}

static int bad_name(const struct tl_command *c, const char *name) {
  return tl_command_fail(c, TULLE_E_INVALID,
                         "1 to 63 letters, digits and . _ -, beginning with a letter or digit",
                         NULL, "'%s' cannot be a name", name);
}

int tl_verb_fabric_create(struct tl_command *c) {
  const char *name = c->operands[0];
  struct tl_ask a;
  struct tulle_result result;
  char id[128];
  if (!tl_name_is_valid(name, strlen(name), TL_NODE_NAME_BYTES_MAX)) return bad_name(c, name);
  int r = tl_ask_open(c, &a);
  if (!r) r = ask_about(&a, "make a fabric", "fabric_create", "name", name, &result);
  if (!r) {
    struct tulle_unpack u = tulle_unpack_on(result.data, result.size);
    tl_ask_id(&u, "fabric_id", id, sizeof id);
    if (c->json) {
      struct tl_json j = tl_json_on(stdout);
      tl_json_object(&j);
      tl_json_put_text(&j, "fabric", name);
      tl_json_put_text(&j, "fabric_id", id);
      tl_json_end(&j);
      tl_json_finish(&j);
    } else {
      printf("%s\n", id);
      tl_command_say(
          c, "this node is the first member of fabric '%s'; let others in with 'tulle invite'",
          name);
    }
    tulle_result_clear(&result);
  }
  tl_ask_close(&a);
  return r;
}

int tl_verb_fabric_accept(struct tl_command *c) {
  struct tl_ask a;
  struct tulle_result result;
  int r = tl_ask_open(c, &a);
  if (!r)
    r = tl_ask(&a, "go on with the trust file", "fabric_accept", NULL, c->timeout_ns, &result);
  if (!r) {
    struct tulle_unpack u = tulle_unpack_on(result.data, result.size);
    if (c->json) {
      struct tl_json j = tl_json_on(stdout);
      tl_json_value(&j, &u);
      tl_json_finish(&j);
    } else {
      tl_command_say(c, tl_ask_bool(&u, "recovered") ? "accepted: members come and go again"
                                                     : "nothing was wrong");
    }
    tulle_result_clear(&result);
  }
  tl_ask_close(&a);
  return r;
}

static void print_members(const struct tl_listing *members) {
  struct tl_columns t = tl_columns_new("NODE STATE >SERIAL ID");
  char text[128];
  for (size_t i = 0; i < members->count; i++) {
    const struct tulle_unpack *row = &members->rows[i];
    bool is_self = tl_ask_bool(row, "self");
    tl_columns_add(&t, tl_ask_text(row, "node", text, sizeof text));
    tl_columns_add(&t, is_self ? "this node" : tl_ask_text(row, "state", text, sizeof text));
    tl_columns_add_count(&t, tl_ask_uint(row, "serial", 0));
    tl_columns_add(&t, tl_ask_id(row, "node_id", text, sizeof text));
  }
  tl_columns_print(&t, stdout);
  tl_columns_free(&t);
}

int tl_verb_members(struct tl_command *c) {
  struct tl_ask a;
  struct tl_listing members;
  int r = tl_ask_open(c, &a);
  if (!r) r = tl_listing_ask(&a, "list members", "members", NULL, &members);
  if (!r) {
    if (c->json)
      tl_listing_print_rows(&members);
    else
      print_members(&members);
    tl_listing_free(&members);
  }
  tl_ask_close(&a);
  return r;
}

int tl_verb_members_remove(struct tl_command *c) {
  const char *name = c->operands[0];
  struct tl_ask a;
  struct tulle_result result;
  if (!tl_name_is_valid(name, strlen(name), TL_NODE_NAME_BYTES_MAX)) return bad_name(c, name);
  int r = tl_ask_open(c, &a);
  if (!r) r = ask_about(&a, "remove the member", "members_remove", "node", name, &result);
  if (!r) {
    if (c->json) puts("{}");
    tl_command_say(c, "'%s' is no member any more", name);
    tulle_result_clear(&result);
  }
  tl_ask_close(&a);
  return r;
}
