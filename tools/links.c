/*
 * `tulle links`: every link, what it travels over and how well.
 */
#include "tools/ask.h"
#include "tools/columns.h"
#include "tools/verbs.h"

static void print_links(const struct tulle_result *result) {
  struct tl_columns t =
      tl_columns_new("NODE STATE PATH REMOTE >RTT >LOSS >MTU >LANES >SENT >RECEIVED >KEY_AGE");
  struct tulle_unpack u = tulle_unpack_on(result->data, result->size);
  size_t count = tulle_unpack_array(&u);
  char text[128];
  for (size_t i = 0; i < count; i++) {
    static const char *const texts[] = {"node", "state", "path", "remote"};
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
      tl_columns_add(&t, tl_ask_text(&u, texts[k], text, sizeof text));
    tl_columns_add_duration(&t, tl_ask_uint(&u, "rtt_ns", 0));
    snprintf(text, sizeof text, "%.2f %%", (double)tl_ask_uint(&u, "loss_ppm", 0) / 1e4);
    tl_columns_add(&t, text);
    tl_columns_add_count(&t, tl_ask_uint(&u, "mtu_bytes", 0));
    tl_columns_add_count(&t, tl_ask_uint(&u, "lanes", 0));
    tl_columns_add_bytes(&t, tl_ask_uint(&u, "sent_bytes", 0));
    tl_columns_add_bytes(&t, tl_ask_uint(&u, "received_bytes", 0));
    tl_columns_add_duration(&t, tl_ask_uint(&u, "key_age_ns", 0));
    tulle_unpack_skip(&u);
  }
  if (count) tl_columns_print(&t, stdout);
  printf("%zu link%s\n", count, count == 1 ? "" : "s");
  tl_columns_free(&t);
}

int tl_verb_links(struct tl_command *c) {
  struct tl_ask a;
  struct tulle_result result;
  int r = tl_ask_open(c, &a);
  if (!r && c->json) {
    r = tl_ask_print_json(&a, "list links", "links");
  } else if (!r) {
    r = tl_ask(&a, "list links", "links", NULL, c->timeout_ns, &result);
    if (!r) {
      print_links(&result);
      tulle_result_clear(&result);
    }
  }
  tl_ask_close(&a);
  return r;
}
