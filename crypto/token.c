#include "crypto/token.h"

#include <sodium.h>
#include <string.h>

#include "core/error.h"
#include "core/text.h"
#include "crypto/hash.h"

#define PREFIX     "tl1-"
#define GROUP      4
#define DIGITS_MAX (TL_BASE32_SIZE(TL_TOKEN_BYTES_MAX) - 1)

_Static_assert(sizeof PREFIX + DIGITS_MAX + (DIGITS_MAX - 1) / GROUP <= TL_TOKEN_TEXT_SIZE,
               "the longest token fits");

static void checksum_of(const uint8_t *token, size_t size, uint8_t out[TL_TOKEN_CHECKSUM_BYTES]) {
  uint8_t hash[32];
  struct tl_bytes body = {token, size - TL_TOKEN_CHECKSUM_BYTES};
  tl_hash(TL_BYTES_NONE, (struct tl_bytes[]){TL_BYTES_TEXT("tul1 token"), body}, 2, hash,
          sizeof hash);
  memcpy(out, hash, TL_TOKEN_CHECKSUM_BYTES);
}

void tl_token_format(const struct tl_token *token, char out[TL_TOKEN_TEXT_SIZE]) {
  uint8_t bytes[TL_TOKEN_BYTES_MAX];
  char digits[DIGITS_MAX + 1];
  size_t size = tl_token_encode(token, bytes);
  checksum_of(bytes, size, bytes + size - TL_TOKEN_CHECKSUM_BYTES);
  tl_base32_encode(bytes, size, digits);
  memcpy(out, PREFIX, sizeof PREFIX - 1);
  out += sizeof PREFIX - 1;
  for (size_t i = 0; digits[i]; i++) {
    if (i && i % GROUP == 0) *out++ = '-';
    *out++ = digits[i];
  }
  *out = 0;
  sodium_memzero(bytes, sizeof bytes);
  sodium_memzero(digits, sizeof digits);
}

static bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The digits without dashes and white space, lower case; TULLE_E_INVALID when there are too many.
 */
static int digits_of(const char *text, size_t length, char out[DIGITS_MAX + 4], size_t *out_count) {
  size_t count = 0;
  for (size_t i = 0; i < length; i++) {
    if (text[i] == '-' || is_space(text[i])) continue;
    if (count == DIGITS_MAX + 3) return TULLE_E_INVALID;
    out[count++] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] - 'A' + 'a' : text[i]);
  }
  *out_count = count;
  return 0;
}

static int bytes_parse(const uint8_t *bytes, size_t size, struct tl_token *out) {
  uint8_t checksum[TL_TOKEN_CHECKSUM_BYTES];
  if (size < TL_TOKEN_BYTES_MIN) return TULLE_E_INVALID;
  checksum_of(bytes, size, checksum);
  if (sodium_memcmp(checksum, bytes + size - sizeof checksum, sizeof checksum) != 0)
    return TULLE_E_INVALID;
  int r = tl_token_decode(bytes, size, out);
  return r == TULLE_E_BAD_MESSAGE ? TULLE_E_INVALID : r;
}

int tl_token_parse(const char *text, size_t length, struct tl_token *out) {
  uint8_t bytes[TL_TOKEN_BYTES_MAX];
  char digits[DIGITS_MAX + 4];
  size_t count;
  int r = digits_of(text, length, digits, &count);
  if (r < 0) return r;
  if (count < 3 || digits[0] != 't' || digits[1] != 'l')
    r = TULLE_E_INVALID;
  else if (digits[2] != '1')
    r = digits[2] >= '2' && digits[2] <= '9' ? TULLE_E_VERSION : TULLE_E_INVALID;
  if (r == 0) r = tl_base32_decode(digits + 3, count - 3, bytes, sizeof bytes);
  r = r >= 0 ? bytes_parse(bytes, (size_t)r, out) : r == TULLE_E_VERSION ? r : TULLE_E_INVALID;
  sodium_memzero(bytes, sizeof bytes);
  sodium_memzero(digits, sizeof digits);
  return r;
}
