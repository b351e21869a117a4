/*
 * `tulle find CAPABILITY`: who can do this, nearest first.
 *
 * The node knows who offers a capability; conditions on attributes are judged here, on what it says.
 */
#include <string.h>

#include "core/limits.h"
#include "core/text.h"
#include "tools/ask.h"
#include "tools/constraint.h"
#include "tools/listing.h"
#include "tools/verbs.h"

#define CONSTRAINTS_MAX 15

struct wish {
  const char *capability;
  struct tl_constraint constraints[CONSTRAINTS_MAX];
  size_t count;
};

static int parse_wish(const struct tl_command *c, struct wish *out) {
  *out = (struct wish){.capability = c->operands[0]};
  if (!tl_capability_is_valid(out->capability, strlen(out->capability)))
    return tl_command_fail(c, TULLE_E_INVALID,
                           "letters, digits and . _ - / are allowed, 63 at most", NULL,
                           "'%s' cannot be a capability", out->capability);
  for (size_t i = 1; i < c->operand_count; i++)
    if (tl_constraint_parse(c->operands[i], &out->constraints[out->count++]))
      return tl_command_fail(c, TULLE_E_INVALID,
                             "a condition is NAME, one of = != >= <= > <, and a value", NULL,
                             "'%s' is no condition", c->operands[i]);
  return 0;
}

/* Whether one of the row's offers of the capability fulfils all conditions. */
static bool fulfils(const struct tulle_unpack *row, const struct wish *w) {
  char name[TL_CAPABILITY_BYTES_MAX + 1], attributes[TL_ATTRIBUTE_BYTES_MAX + 1];
  struct tulle_unpack at = tulle_unpack_key(row, "capabilities");
  size_t count = tulle_unpack_array(&at);
  for (size_t i = 0; i < count; i++) {
    bool holds = !strcmp(tl_ask_text(&at, "name", name, sizeof name), w->capability);
    uint64_t version = tl_ask_uint(&at, "version", 0);
    tl_ask_text(&at, "attributes", attributes, sizeof attributes);
    for (size_t k = 0; holds && k < w->count; k++)
      holds = tl_constraint_holds(&w->constraints[k], version, attributes);
    if (holds) return true;
    tulle_unpack_skip(&at);
  }
  return false;
}

static int nobody(struct tl_command *c, const struct wish *w) {
  return tl_command_fail(c, TULLE_E_NO_SERVICE,
                         w->count ? "or not under all of these conditions" : NULL,
                         "see what there is: 'tulle ls'", "nobody offers '%s'", w->capability);
}

int tl_verb_find(struct tl_command *c) {
  struct wish wish;
  struct tl_ask a;
  struct tl_listing listing;
  int r = parse_wish(c, &wish);
  if (r) return r;
  r = tl_ask_open(c, &a);
  if (!r) r = tl_listing_ask(&a, "list services", "list", wish.capability, &listing);
  if (!r) {
    size_t kept = 0;
    for (size_t i = 0; i < listing.count; i++)
      if (fulfils(&listing.rows[i], &wish)) listing.rows[kept++] = listing.rows[i];
    listing.count = kept;
    if (c->json)
      tl_listing_print_json(&listing);
    else if (kept)
      tl_listing_print(&listing);
    else
      r = nobody(c, &wish);
    tl_listing_free(&listing);
  }
  tl_ask_close(&a);
  return r;
}
