/*
 * An invitation as text: "tl1-" and base32 in groups of four, 160 characters and more.
 *
 * Whoever holds it can join once, so it goes through standard input or a file, never through argv.
 */
#ifndef TL_CRYPTO_TOKEN_H
#define TL_CRYPTO_TOKEN_H

#include <stddef.h>

#include "core/wire/token.h"

#define TL_TOKEN_TEXT_SIZE 280

void tl_token_format(const struct tl_token *token, char out[TL_TOKEN_TEXT_SIZE]);

/* Any case; white space and dashes anywhere. TULLE_E_INVALID: not a token, or mistyped;
 * TULLE_E_VERSION: "tl2-...". */
int tl_token_parse(const char *text, size_t length, struct tl_token *out);

#endif
