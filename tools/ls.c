/*
 * `tulle ls`: services, or nodes, from the node's live table.
 */
#include "tools/listing.h"

#include <string.h>

#include "tools/ask.h"
#include "tools/columns.h"
#include "tools/verbs.h"

static void print_node_rows(const struct tl_listing *nodes) {
  struct tl_columns t = tl_columns_new("NODE STATE PATH KNOWN_BY >AGE ID");
  char text[128];
  for (size_t i = 0; i < nodes->count; i++) {
    static const char *const texts[] = {"node", "state", "path", "known_by"};
    const struct tulle_unpack *row = &nodes->rows[i];
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
      tl_columns_add(&t, tl_ask_text(row, texts[k], text, sizeof text));
    tl_columns_add_duration(&t, tl_ask_uint(row, "age_ns", 0));
    tl_columns_add(&t, tl_ask_id(row, "node_id", text, sizeof text));
  }
  tl_columns_print(&t, stdout);
  tl_columns_free(&t);
}

static int print_nodes(struct tl_ask *a) {
  struct tl_listing nodes;
  int r = tl_listing_ask(a, "list nodes", "nodes", NULL, &nodes);
  if (r) return r;
  if (a->command->json)
    tl_listing_print_rows(&nodes);
  else
    print_node_rows(&nodes);
  tl_listing_free(&nodes);
  return 0;
}

static int print_services(struct tl_ask *a) {
  struct tl_listing listing;
  int r = tl_listing_ask(a, "list services", "list", NULL, &listing);
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
