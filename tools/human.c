#include "tools/human.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/time.h"

struct unit {
  const char *name;
  double worth;
};

const char *tl_human_count(uint64_t n, char out[TL_HUMAN_SIZE]) {
  char plain[24];
  int length = snprintf(plain, sizeof plain, "%" PRIu64, n);
  char *to = out;
  for (int i = 0; i < length; i++) {
    if (i && (length - i) % 3 == 0) *to++ = ',';
    *to++ = plain[i];
  }
  *to = 0;
  return out;
}

/* The largest unit of `units` (rising, ended by NULL) that `value` reaches. */
static const char *in_units(double value, const struct unit *units, char out[TL_HUMAN_SIZE]) {
  const struct unit *u = units;
  while (u[1].name && value >= u[1].worth) u++;
  double v = value / u->worth;
  bool is_whole = u == units || v >= 99.95 || v - floor(v) < 1e-9;
  snprintf(out, TL_HUMAN_SIZE, "%.*f %s", is_whole ? 0 : v >= 9.995 ? 1 : 2, v, u->name);
  return out;
}

const char *tl_human_duration(uint64_t ns, char out[TL_HUMAN_SIZE]) {
  static const struct unit units[] = {{"ns", 1},   {"us", 1e3},   {"ms", 1e6},    {"s", 1e9},
                                      {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}, {NULL, 0}};
  if (ns >= 60 * TL_S)
    ns -= ns % (ns >= 86400 * TL_S ? 86400 * TL_S : ns >= 3600 * TL_S ? 3600 * TL_S : 60 * TL_S);
  return in_units((double)ns, units, out);
}

const char *tl_human_bytes(uint64_t n, char out[TL_HUMAN_SIZE]) {
  static const struct unit units[] = {{"B", 1},
                                      {"KiB", 1024.0},
                                      {"MiB", 1048576.0},
                                      {"GiB", 1073741824.0},
                                      {"TiB", 1099511627776.0},
                                      {NULL, 0}};
  return in_units((double)n, units, out);
}

int tl_human_count_parse(const char *text, uint64_t *out) {
  uint64_t n = 0;
  if (!*text) return TULLE_E_INVALID;
  for (; *text; text++) {
    if (*text < '0' || *text > '9') return TULLE_E_INVALID;
    if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, (uint64_t)(*text - '0'), &n))
      return TULLE_E_INVALID;
  }
  *out = n;
  return 0;
}

/* Nanoseconds of the unit `name`; 0 for none known. */
static uint64_t unit_of(const char *name) {
  static const struct {
    const char *name;
    uint64_t ns;
  } units[] = {{"", TL_S},         {"s", TL_S},        {"ms", TL_MS},
               {"us", TL_US},      {"ns", 1},          {"m", 60 * TL_S},
               {"min", 60 * TL_S}, {"h", 3600 * TL_S}, {"d", 86400 * TL_S}};
  for (size_t i = 0; i < sizeof units / sizeof *units; i++)
    if (!strcmp(name, units[i].name)) return units[i].ns;
  return 0;
}

int tl_human_duration_parse(const char *text, uint64_t *out_ns) {
  uint64_t whole = 0, part = 0, scale = 1;
  const char *p = text;
  if (!isdigit((unsigned char)*p)) return TULLE_E_INVALID;
  for (; isdigit((unsigned char)*p); p++)
    if (__builtin_mul_overflow(whole, 10, &whole) ||
        __builtin_add_overflow(whole, (uint64_t)(*p - '0'), &whole))
      return TULLE_E_INVALID;
  if (*p == '.') {
    if (!isdigit((unsigned char)*++p)) return TULLE_E_INVALID;
    for (; isdigit((unsigned char)*p); p++)
      if (scale < TL_S) {
        part = part * 10 + (uint64_t)(*p - '0');
        scale *= 10;
      }
  }
  uint64_t unit = unit_of(p), ns;
  if (!unit || __builtin_mul_overflow(whole, unit, &ns)) return TULLE_E_INVALID;
  uint64_t fraction = (uint64_t)((long double)part * (long double)unit / (long double)scale);
  if (__builtin_add_overflow(ns, fraction, &ns)) return TULLE_E_INVALID;
  *out_ns = ns;
  return 0;
}

char *tl_human_clean(char *text) {
  for (unsigned char *p = (unsigned char *)text; *p; p++) {
    if (*p < 0x20 || *p == 0x7f) *p = '?';
    if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) p[0] = p[1] = '?';
  }
  return text;
}
