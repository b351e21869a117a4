#include "discovery/label.h"

#include <string.h>

#include "core/error.h"
#include "core/limits.h"
#include "core/text.h"

#define HASH_BYTES 8

static bool is_label_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

bool tl_label_is_valid(const char *label, size_t length) {
  if (!length || length > TL_LABEL_BYTES_MAX) return false;
  for (size_t i = 0; i < length; i++)
    if (!is_label_character(label[i])) return false;
  return label[0] != '-' && label[length - 1] != '-';
}

static void lower_case(const char *text, size_t length, char *out) {
  for (size_t i = 0; i < length; i++)
    out[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] - 'A' + 'a' : text[i]);
}

/* How long the plain form is; it may be longer than a label can be. */
static size_t plain_form(const char *lower, size_t length, char out[2 * TL_CAPABILITY_BYTES_MAX]) {
  size_t n = 0;
  for (size_t i = 0; i < length; i++) {
    out[n++] = lower[i] == '/' ? '-' : lower[i];
    if (lower[i] == '/') out[n++] = '-';
  }
  return n;
}

void tl_label_make(const char *capability, size_t length, tl_label_hash *hash,
                   char out[TL_LABEL_SIZE]) {
  char lower[TL_CAPABILITY_BYTES_MAX], plain[2 * TL_CAPABILITY_BYTES_MAX];
  uint8_t digest[HASH_BYTES];
  TL_ASSERT(length <= sizeof lower);
  lower_case(capability, length, lower);
  size_t n = plain_form(lower, length, plain);
  if (tl_label_is_valid(plain, n)) {
    memcpy(out, plain, n);
    out[n] = 0;
    return;
  }
  hash(lower, length, digest);
  memcpy(out, "h-", 2);
  tl_hex_encode(digest, sizeof digest, out + 2);
}
