/*
 * `tulle ls`: services, or nodes, from the node's live table.
 */
#include "tools/listing.h"

#include <string.h>

#include "tools/ask.h"
#include "tools/columns.h"
#include "tools/verbs.h"

static int print_nodes(struct tl_ask *a) {
  struct tulle_result result;
  if (a->command->json) return tl_ask_print_json(a, "list nodes", "nodes");
  int r = tl_ask(a, "list nodes", "nodes", NULL, a->command->timeout_ns, &result);
  if (r) return r;
  struct tl_columns t = tl_columns_new("NODE STATE PATH KNOWN_BY >AGE ID");
  struct tulle_unpack u = tulle_unpack_on(result.data, result.size);
  size_t count = tulle_unpack_array(&u);
  char text[128];
  for (size_t i = 0; i < count; i++) {
    tl_columns_add(&t, tl_ask_text(&u, "node", text, sizeof text));
    tl_columns_add(&t, tl_ask_text(&u, "state", text, sizeof text));
    tl_columns_add(&t, tl_ask_text(&u, "path", text, sizeof text));
    tl_columns_add(&t, tl_ask_text(&u, "known_by", text, sizeof text));
    tl_columns_add_duration(&t, tl_ask_uint(&u, "age_ns", 0));
    tl_columns_add(&t, tl_ask_id(&u, "node_id", text, sizeof text));
    tulle_unpack_skip(&u);
  }
  tl_columns_print(&t, stdout);
  tl_columns_free(&t);
  tulle_result_clear(&result);
  return 0;
}

static int print_services(struct tl_ask *a) {
  struct tl_listing listing;
  int r = tl_listing_ask(a, NULL, &listing);
  if (r) return r;
  if (a->command->json)
    tl_listing_print_json(&listing);
  else
    tl_listing_print(&listing);
  tl_listing_free(&listing);
  return 0;
}

int tl_verb_ls(struct tl_command *c) {
  const char *what = c->operand_count ? c->operands[0] : "services";
  static const char *const kinds[] = {"services", "nodes", NULL};
  struct tl_ask a;
  bool is_nodes = !strcmp(what, "nodes");
  if (!is_nodes && strcmp(what, "services")) {
    char why[96] = "there are services and nodes";
    const char *near = tl_command_nearest(what, kinds);
    if (near) snprintf(why, sizeof why, "did you mean '%s'?", near);
    return tl_command_fail(c, TULLE_E_INVALID, why, NULL, "cannot list '%s'", what);
  }
  int r = tl_ask_open(c, &a);
  if (!r) r = is_nodes ? print_nodes(&a) : print_services(&a);
  tl_ask_close(&a);
  return r;
}
