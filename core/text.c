#include "core/text.h"

#include <string.h>

#include "core/error.h"
#include "core/limits.h"

#define DISTANCE_BYTES_MAX 64

static const char alphabet_hex[] = "0123456789abcdef";
static const char alphabet_base32[] = "abcdefghijklmnopqrstuvwxyz234567";
static const char alphabet_base64[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* All three forms are the same walk: take `bits` at a time from the top. */
static char *encode(const uint8_t *data, size_t size, unsigned bits, const char *alphabet,
                    char *out) {
  uint32_t pool = 0;
  unsigned held = 0;
  for (size_t i = 0; i < size; i++) {
    pool = pool << 8 | data[i];
    for (held += 8; held >= bits; held -= bits)
      *out++ = alphabet[pool >> (held - bits) & ((1u << bits) - 1)];
  }
  if (held) *out++ = alphabet[pool << (bits - held) & ((1u << bits) - 1)];
  *out = 0;
  return out;
}

void tl_hex_encode(const void *data, size_t size, char *out) {
  encode(data, size, 4, alphabet_hex, out);
}

void tl_base32_encode(const void *data, size_t size, char *out) {
  encode(data, size, 5, alphabet_base32, out);
}

void tl_base64_encode(const void *data, size_t size, char *out) {
  char *end = encode(data, size, 6, alphabet_base64, out);
  while ((end - out) % 4) *end++ = '=';
  *end = 0;
}

static int digit_of(const char *alphabet, char c) {
  const char *p = c ? strchr(alphabet, c) : NULL;
  return p ? (int)(p - alphabet) : -1;
}

static int decode(const char *text, size_t length, unsigned bits, const char *alphabet,
                  uint8_t *out, size_t out_size) {
  uint32_t pool = 0;
  unsigned held = 0;
  size_t size = 0;
  for (size_t i = 0; i < length; i++) {
    int digit = digit_of(alphabet, text[i]);
    if (digit < 0) return TULLE_E_BAD_MESSAGE;
    pool = pool << bits | (uint32_t)digit;
    held += bits;
    if (held < 8) continue;
    held -= 8;
    if (size == out_size) return TULLE_E_TOO_BIG;
    out[size++] = (uint8_t)(pool >> held);
  }
  /* One text per value: no whole spare digit, and the spare bits are zero. */
  if (held >= bits || (pool & ((1u << held) - 1))) return TULLE_E_BAD_MESSAGE;
  return (int)size;
}

int tl_hex_decode(const char *text, size_t length, void *out, size_t out_size) {
  return decode(text, length, 4, alphabet_hex, out, out_size);
}

int tl_base32_decode(const char *text, size_t length, void *out, size_t out_size) {
  char lower[1024];
  if (length > sizeof lower) return TULLE_E_TOO_BIG;
  for (size_t i = 0; i < length; i++)
    lower[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] - 'A' + 'a' : text[i]);
  return decode(lower, length, 5, alphabet_base32, out, out_size);
}

int tl_base64_decode(const char *text, size_t length, void *out, size_t out_size) {
  if (length % 4) return TULLE_E_BAD_MESSAGE;
  for (int pads = 0; pads < 2 && length && text[length - 1] == '='; pads++) length--;
  return decode(text, length, 6, alphabet_base64, out, out_size);
}

static bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_name_with(const char *name, size_t length, size_t max, const char *extra) {
  if (!length || length > max || !is_alphanumeric(name[0])) return false;
  for (size_t i = 1; i < length; i++)
    if (!is_alphanumeric(name[i]) && digit_of(extra, name[i]) < 0) return false;
  return true;
}

bool tl_name_is_valid(const char *name, size_t length, size_t max) {
  return is_name_with(name, length, max, "._-");
}

bool tl_capability_is_valid(const char *name, size_t length) {
  return is_name_with(name, length, TL_CAPABILITY_BYTES_MAX, "._-/");
}

static unsigned min3(unsigned a, unsigned b, unsigned c) {
  unsigned m = a < b ? a : b;
  return m < c ? m : c;
}

unsigned tl_text_distance(const char *a, const char *b) {
  size_t na = strlen(a), nb = strlen(b);
  if (na > DISTANCE_BYTES_MAX || nb > DISTANCE_BYTES_MAX) return DISTANCE_BYTES_MAX;
  unsigned rows[3][DISTANCE_BYTES_MAX + 1];
  for (size_t j = 0; j <= nb; j++) rows[0][j] = (unsigned)j;
  for (size_t i = 1; i <= na; i++) {
    unsigned *now = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
    now[0] = (unsigned)i;
    for (size_t j = 1; j <= nb; j++) {
      now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
      bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped && before[j - 2] + 1 < now[j]) now[j] = before[j - 2] + 1;
    }
  }
  return rows[na % 3][nb];
}

/* How many bytes follow the first one of a character, and the least number that needs so many. */
static int utf8_follows(unsigned char c, uint32_t *out_bits, uint32_t *out_least) {
  if (c < 0x80) {
    *out_bits = c;
    *out_least = 0;
    return 0;
  }
  static const struct {
    unsigned char mask, value;
    uint32_t least;
  } forms[] = {{0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
  for (int i = 0; i < 3; i++)
    if ((c & forms[i].mask) == forms[i].value) {
      *out_bits = c & (unsigned char)~forms[i].mask;
      *out_least = forms[i].least;
      return i + 1;
    }
  return -1;
}

bool tl_utf8_is_valid(const void *text, size_t size) {
  const unsigned char *p = text;
  if (!size) return true; /* of nothing the address may be NULL */
  const unsigned char *end = p + size;
  while (p < end) {
    uint32_t bits, least;
    int follows = utf8_follows(*p++, &bits, &least);
    if (follows < 0 || end - p < follows) return false;
    for (; follows > 0; follows--, p++) {
      if ((*p & 0xc0) != 0x80) return false;
      bits = bits << 6 | (*p & 0x3f);
    }
    if (bits < least || bits > 0x10ffff || (bits >= 0xd800 && bits < 0xe000)) return false;
  }
  return true;
}
