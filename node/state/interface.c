#include "node/state/interface.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/schema/compare.h"
#include "crypto/fingerprint.h"
#include "node/state/registry.h"

_Static_assert(TL_FINGERPRINT_BYTES == TL_SCHEMA_FINGERPRINT_BYTES, "one size");
_Static_assert(TL_INTERFACE_BYTES_MAX == TL_SCHEMA_TEXT_BYTES_MAX, "one bound");

/* So many changes are named to a person; the rest is counted. */
#define CHANGES_SHOWN 5

static int refuse(char *why, size_t why_size, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static int refuse(char *why, size_t why_size, int code, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(why, why_size, format, args);
  va_end(args);
  return code;
}

/* ---- reading ---- */

static int schema_of(const struct tl_claim *claim, struct tl_schema **out, char *why,
                     size_t why_size) {
  uint8_t fingerprint[TL_FINGERPRINT_BYTES];
  struct tl_schema_problems problems = {.count = 0};
  struct tl_schema *schema = NULL;
  int r = tl_schema_read(claim->text, claim->size, &problems, &schema);
  if (r == TULLE_E_INVALID && problems.count)
    return refuse(why, why_size, r, "the interface is wrong in line %u: %s", problems.items[0].line,
                  problems.items[0].text);
  if (r < 0) return r;
  r = tl_fingerprint(schema, fingerprint);
  if (r == 0 && memcmp(fingerprint, claim->fingerprint, sizeof fingerprint) != 0)
    r = refuse(why, why_size, TULLE_E_INVALID, "the interface has not the fingerprint beside it");
  if (r < 0) {
    tl_schema_free(schema);
    return r;
  }
  *out = schema;
  return 0;
}

int tl_interface_read(const struct tl_claim *claim, char **out_text, size_t *out_size, char *why,
                      size_t why_size) {
  struct tl_schema *schema;
  int r = schema_of(claim, &schema, why, why_size);
  if (r < 0) return r;
  size_t size = tl_schema_write(schema, TL_SCHEMA_DOCUMENTED, NULL, 0);
  char *text = malloc(size + 1);
  if (text) tl_schema_write(schema, TL_SCHEMA_DOCUMENTED, text, size + 1);
  tl_schema_free(schema);
  if (!text) return TULLE_E_NO_MEMORY;
  *out_text = text;
  *out_size = size;
  return 0;
}

/* ---- comparing ---- */

/* What keeps the two apart, a line each. */
static int refuse_difference(const struct tl_offer *offer, const struct tl_schema *theirs,
                             const struct tl_schema *ours, char *why, size_t why_size) {
  struct tl_schema_change changes[16];
  size_t room = sizeof changes / sizeof *changes, shown = 0;
  struct tl_schema_verdict v = tl_schema_compare(theirs, ours, changes, room);
  size_t count = v.change_count < room ? v.change_count : room;
  refuse(why, why_size, 0,
         "from %s %u of the caller to %s %u of '%s' on %s, %zu changes break calls:",
         theirs->self.name, theirs->version, ours->self.name, ours->version, offer->name->text,
         offer->place->node_name, v.incompatible_count);
  for (size_t i = 0; i < count && shown < CHANGES_SHOWN; i++) {
    size_t used = strlen(why);
    if (changes[i].is_compatible) continue;
    shown++;
    refuse(why + used, why_size - used, 0, "\n%s: %s", changes[i].place, changes[i].text);
  }
  return TULLE_E_INTERFACE;
}

static int compare(const struct tl_offer *offer, const struct tl_schema *theirs,
                   const struct tl_schema *ours, char *why, size_t why_size) {
  if (tl_schema_compare(theirs, ours, NULL, 0).incompatible_count == 0) return 0;
  if (tl_schema_compare(ours, theirs, NULL, 0).incompatible_count == 0) return 0;
  return refuse_difference(offer, theirs, ours, why, why_size);
}

bool tl_interface_is_same(const struct tl_offer *offer, const struct tl_claim *claim) {
  return !claim->has_fingerprint || !offer->has_interface ||
         memcmp(claim->fingerprint, offer->fingerprint, sizeof offer->fingerprint) == 0;
}

int tl_interface_judge(const struct tl_offer *offer, const struct tl_claim *claim, const char *text,
                       size_t size, char *why, size_t why_size) {
  struct tl_schema *theirs, *ours = NULL;
  if (tl_interface_is_same(offer, claim)) return 0;
  if (!claim->text || !text)
    return refuse(why, why_size, TULLE_E_INTERFACE, "'%s' on %s has another interface",
                  offer->name->text, offer->place->node_name);
  int r = schema_of(claim, &theirs, why, why_size);
  if (r < 0) return r;
  r = tl_schema_read(text, size, NULL, &ours);
  if (r == 0) r = compare(offer, theirs, ours, why, why_size);
  tl_schema_free(theirs);
  tl_schema_free(ours);
  return r;
}

/* ---- telling ---- */

void tl_interface_pack(struct tulle_pack *w, const struct tl_offer *offer, const char *text,
                       size_t size, uint64_t from) {
  size_t begin = from < size ? (size_t)from : size, left = size - begin;
  size_t piece = left < TL_INTERFACE_PIECE_BYTES_MAX ? left : TL_INTERFACE_PIECE_BYTES_MAX;
  tulle_pack_map(w, 5);
  tulle_pack_text(w, "service"), tulle_pack_text(w, offer->name->text);
  tulle_pack_text(w, "node"), tulle_pack_text(w, offer->place->node_name);
  tl_fingerprint_encode(w, offer->has_interface, offer->fingerprint);
  tulle_pack_text(w, "size"), tulle_pack_uint(w, size);
  tulle_pack_text(w, "text"), tulle_pack_text_of(w, piece ? text + begin : "", piece);
}
