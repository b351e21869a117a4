#include "tools/listing.h"

#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "core/time.h"
#include "tools/columns.h"
#include "tools/human.h"
#include "tools/json.h"

/* One answer; it must not move, because a small result lies in the structure itself. */
struct tl_listing_page {
  struct tl_listing_page *next;
  struct tulle_result result;
};

/* One answer of the node: as many rows, from number `from` on, as fit into a message. All answers share one deadline: a
 * node that knows nothing of pages would go on for ever. */
static int ask_page(struct tl_ask *a, const char *what, const char *procedure,
                    const char *capability, uint64_t from, uint64_t deadline,
                    struct tulle_result *out) {
  unsigned char bytes[512];
  uint64_t now = tl_time_now();
  struct tulle_pack args = tulle_pack_on(bytes, sizeof bytes);
  tulle_pack_map(&args, capability ? 2 : 1);
  if (capability) {
    tulle_pack_text(&args, "capability");
    tulle_pack_text(&args, capability);
  }
  tulle_pack_text(&args, "from");
  tulle_pack_uint(&args, from);
  return tl_ask(a, what, procedure, &args, deadline > now ? deadline - now : 1, out);
}

/* Appends the rows of one answer; returns how many. */
static size_t take_page(struct tl_listing *l, const struct tulle_result *page) {
  struct tulle_unpack u = tulle_unpack_on(page->data, page->size);
  size_t count = tulle_unpack_array(&u), before = l->count;
  struct tulle_unpack *rows = realloc(l->rows, (before + count + 1) * sizeof *rows);
  TL_ASSERT(rows);
  l->rows = rows;
  for (size_t i = 0; i < count && tulle_unpack_is_ok(&u); i++) {
    l->rows[l->count++] = u;
    tulle_unpack_skip(&u);
  }
  return l->count - before;
}

int tl_listing_ask(struct tl_ask *a, const char *what, const char *procedure,
                   const char *capability, struct tl_listing *out) {
  struct tl_listing l = {0};
  uint64_t deadline = tl_time_add(tl_time_now(), a->command->timeout_ns);
  size_t taken;
  do {
    struct tl_listing_page *page = calloc(1, sizeof *page);
    TL_ASSERT(page);
    page->next = l.pages;
    l.pages = page;
    int r = ask_page(a, what, procedure, capability, l.count, deadline, &page->result);
    if (r) {
      tl_listing_free(&l);
      return r;
    }
    taken = take_page(&l, &page->result);
  } while (taken);
  *out = l;
  return 0;
}

void tl_listing_free(struct tl_listing *l) {
  for (struct tl_listing_page *page = l->pages, *next; page; page = next) {
    next = page->next;
    tulle_result_clear(&page->result);
    free(page);
  }
  free(l->rows);
  *l = (struct tl_listing){0};
}

/* Goes through the capabilities of a row: each value at `at` is one's map. */
static size_t capabilities_of(const struct tulle_unpack *row, struct tulle_unpack *at) {
  *at = tulle_unpack_key(row, "capabilities");
  return tulle_unpack_array(at);
}

/* The whole of one service; the names of its capabilities stand alone, so that a script can look for one. */
static void row_json(struct tl_json *j, const struct tulle_unpack *row) {
  char text[256];
  struct tulle_unpack at;
  tl_json_object(j);
  tl_json_put_text(j, "service", tl_ask_text(row, "service", text, sizeof text));
  tl_json_put_text(j, "node", tl_ask_text(row, "node", text, sizeof text));
  tl_json_put_text(j, "node_id", tl_ask_id(row, "node_id", text, sizeof text));
  size_t count = capabilities_of(row, &at);
  tl_json_key(j, "capabilities");
  tl_json_array(j);
  for (size_t i = 0; i < count; i++) {
    tl_json_text(j, tl_ask_text(&at, "name", text, sizeof text));
    tulle_unpack_skip(&at);
  }
  tl_json_end(j);
  tl_json_key(j, "offers");
  struct tulle_unpack offers = tulle_unpack_key(row, "capabilities");
  tl_json_value(j, &offers);
  tl_json_put_text(j, "path", tl_ask_text(row, "path", text, sizeof text));
  tl_json_put_uint(j, "age_ns", tl_ask_uint(row, "age_ns", 0));
  tl_json_end(j);
}

void tl_listing_print_rows(const struct tl_listing *l) {
  struct tl_json j = tl_json_on(stdout);
  tl_json_array(&j);
  for (size_t i = 0; i < l->count; i++) {
    struct tulle_unpack row = l->rows[i];
    tl_json_value(&j, &row);
  }
  tl_json_end(&j);
  tl_json_finish(&j);
}

void tl_listing_print_json(const struct tl_listing *l) {
  struct tl_json j = tl_json_on(stdout);
  tl_json_array(&j);
  for (size_t i = 0; i < l->count; i++) row_json(&j, &l->rows[i]);
  tl_json_end(&j);
  tl_json_finish(&j);
}

/* "text/count text/split/2" */
static void describe_capabilities(const struct tulle_unpack *row, char *out, size_t size) {
  struct tulle_unpack at;
  char name[TL_CAPABILITY_BYTES_MAX + 1];
  size_t count = capabilities_of(row, &at), used = 0;
  out[0] = 0;
  for (size_t i = 0; i < count && used < size; i++) {
    uint64_t version = tl_ask_uint(&at, "version", 0);
    tl_ask_text(&at, "name", name, sizeof name);
    int n = version > 1 ? snprintf(out + used, size - used, "%s%s/%llu", i ? " " : "", name,
                                   (unsigned long long)version)
                        : snprintf(out + used, size - used, "%s%s", i ? " " : "", name);
    used += (size_t)n;
    tulle_unpack_skip(&at);
  }
}

static size_t count_nodes(const struct tl_listing *l) {
  size_t nodes = 0;
  for (size_t i = 0; i < l->count; i++) {
    char name[64], other[64];
    tl_ask_id(&l->rows[i], "node_id", name, sizeof name);
    bool is_new = true;
    for (size_t k = 0; k < i && is_new; k++)
      is_new = strcmp(name, tl_ask_id(&l->rows[k], "node_id", other, sizeof other)) != 0;
    nodes += is_new;
  }
  return nodes;
}

void tl_listing_print(const struct tl_listing *l) {
  struct tl_columns t = tl_columns_new("SERVICE NODE PATH >AGE CAPABILITIES");
  char text[512];
  size_t local = 0;
  for (size_t i = 0; i < l->count; i++) {
    const struct tulle_unpack *row = &l->rows[i];
    tl_columns_add(&t, tl_ask_text(row, "service", text, sizeof text));
    tl_columns_add(&t, tl_ask_text(row, "node", text, sizeof text));
    tl_columns_add(&t, tl_ask_text(row, "path", text, sizeof text));
    local += !strcmp(text, "ring");
    tl_columns_add_duration(&t, tl_ask_uint(row, "age_ns", 0));
    describe_capabilities(row, text, sizeof text);
    tl_columns_add(&t, text);
  }
  if (l->count) tl_columns_print(&t, stdout);
  size_t nodes = count_nodes(l);
  printf("%zu service%s on %zu node%s (%zu here)\n", l->count, l->count == 1 ? "" : "s", nodes,
         nodes == 1 ? "" : "s", local);
  tl_columns_free(&t);
}
