#include "tools/constraint.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"

int tl_constraint_parse(const char *text, struct tl_constraint *out) {
  static const struct {
    const char *sign;
    enum tl_relation relation;
  } signs[] = {{"!=", TL_NOT_EQUAL}, {">=", TL_AT_LEAST}, {"<=", TL_AT_MOST},
               {"=", TL_EQUAL},      {">", TL_ABOVE},     {"<", TL_BELOW}};
  struct tl_constraint c = {0};
  size_t size = strcspn(text, "!=<>");
  if (!size || size >= sizeof c.name) return TULLE_E_INVALID;
  memcpy(c.name, text, size);
  for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
    size_t sign_size = strlen(signs[i].sign);
    if (strncmp(text + size, signs[i].sign, sign_size)) continue;
    c.relation = signs[i].relation;
    c.value = text + size + sign_size;
    if (!*c.value || strpbrk(c.value, "!=<>")) return TULLE_E_INVALID;
    *out = c;
    return 0;
  }
  return TULLE_E_INVALID;
}

int tl_quantity_parse(const char *text, double *out) {
  static const char letters[] = "kMGT";
  if (!*text || !strchr("0123456789-.", *text) || strspn(text, "-.0123456789") == 0)
    return TULLE_E_INVALID;
  char *end;
  double v = strtod(text, &end);
  if (end != text + strspn(text, "-.0123456789") || end == text || !isfinite(v))
    return TULLE_E_INVALID;
  const char *letter = *end ? strchr(letters, *end == 'K' ? 'k' : *end) : NULL;
  if (*end && !letter) return TULLE_E_INVALID;
  if (letter) {
    bool is_binary = end[1] == 'i';
    if (end[1 + is_binary]) return TULLE_E_INVALID;
    v *= pow(is_binary ? 1024.0 : 1000.0, (double)(letter - letters + 1));
  }
  *out = v;
  return 0;
}

/* The value of `name` among "key=value key=value". */
static bool find_attribute(const char *attributes, const char *name, char *out, size_t size) {
  size_t name_size = strlen(name);
  for (const char *at = attributes; *at;) {
    size_t word = strcspn(at, " ");
    if (word > name_size && at[name_size] == '=' && !memcmp(at, name, name_size)) {
      snprintf(out, size, "%.*s", (int)(word - name_size - 1), at + name_size + 1);
      return true;
    }
    at += word + (at[word] == ' ');
  }
  return false;
}

/* Below 0, 0 or above 0, as strcmp(). */
static int compare(const char *a, const char *b) {
  double x, y;
  if (!tl_quantity_parse(a, &x) && !tl_quantity_parse(b, &y)) return x < y ? -1 : x > y;
  return strcmp(a, b);
}

bool tl_constraint_holds(const struct tl_constraint *c, uint64_t version, const char *attributes) {
  char value[TL_ATTRIBUTE_BYTES_MAX + 1];
  if (!strcmp(c->name, "version"))
    snprintf(value, sizeof value, "%" PRIu64, version);
  else if (!find_attribute(attributes, c->name, value, sizeof value))
    return c->relation == TL_NOT_EQUAL;
  int order = compare(value, c->value);
  switch (c->relation) {
  case TL_EQUAL:
    return order == 0;
  case TL_NOT_EQUAL:
    return order != 0;
  case TL_AT_LEAST:
    return order >= 0;
  case TL_AT_MOST:
    return order <= 0;
  case TL_ABOVE:
    return order > 0;
  case TL_BELOW:
    return order < 0;
  }
  return false;
}
