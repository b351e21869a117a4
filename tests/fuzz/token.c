/* An invitation as text: whatever parses is written again as one that parses to the same. */
#include <string.h>

#include "core/error.h"
#include "crypto/hash.h"
#include "crypto/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void again(const struct tl_token *token) {
  char text[TL_TOKEN_TEXT_SIZE];
  struct tl_token other;
  uint8_t a[TL_TOKEN_BYTES_MAX], b[TL_TOKEN_BYTES_MAX];
  tl_token_format(token, text);
  TL_ASSERT(tl_token_parse(text, strlen(text), &other) == 0);
  size_t size = tl_token_encode(token, a);
  TL_ASSERT(tl_token_encode(&other, b) == size && memcmp(a, b, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct tl_token token;
  if (tl_token_parse((const char *)data, size, &token) == 0) again(&token);
  /* Behind the checksum, which the fuzzer cannot guess. */
  if (tl_token_decode(data, size, &token) == 0) again(&token);
  return 0;
}
