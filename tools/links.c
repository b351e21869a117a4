/*
 * `tulle links`: every link, what it travels over and how well.
 */
#include "tools/ask.h"
#include "tools/columns.h"
#include "tools/listing.h"
#include "tools/verbs.h"

static void print_links(const struct tl_listing *links) {
  struct tl_columns t =
      tl_columns_new("NODE STATE PATH REMOTE >RTT >LOSS >MTU >LANES >SENT >RECEIVED >KEY_AGE");
  char text[128];
  for (size_t i = 0; i < links->count; i++) {
    static const char *const texts[] = {"node", "state", "path", "remote"};
    const struct tulle_unpack *row = &links->rows[i];
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
      tl_columns_add(&t, tl_ask_text(row, texts[k], text, sizeof text));
    tl_columns_add_duration(&t, tl_ask_uint(row, "rtt_ns", 0));
    snprintf(text, sizeof text, "%.2f %%", (double)tl_ask_uint(row, "loss_ppm", 0) / 1e4);
    tl_columns_add(&t, text);
    tl_columns_add_count(&t, tl_ask_uint(row, "mtu_bytes", 0));
    tl_columns_add_count(&t, tl_ask_uint(row, "lanes", 0));
    tl_columns_add_bytes(&t, tl_ask_uint(row, "sent_bytes", 0));
    tl_columns_add_bytes(&t, tl_ask_uint(row, "received_bytes", 0));
    tl_columns_add_duration(&t, tl_ask_uint(row, "key_age_ns", 0));
  }
  if (links->count) tl_columns_print(&t, stdout);
  printf("%zu link%s\n", links->count, links->count == 1 ? "" : "s");
  tl_columns_free(&t);
}

int tl_verb_links(struct tl_command *c) {
  struct tl_ask a;
  struct tl_listing links;
  int r = tl_ask_open(c, &a);
  if (!r) r = tl_listing_ask(&a, "list links", "links", NULL, &links);
  if (!r) {
    if (c->json)
      tl_listing_print_rows(&links);
    else
      print_links(&links);
    tl_listing_free(&links);
  }
  tl_ask_close(&a);
  return r;
}
