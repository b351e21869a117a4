/*
 * Text forms of bytes: hexadecimal, base32 (lower case, RFC 4648 alphabet) and base64; names and
 * their checks; the nearest name for "did you mean".
 */
#ifndef TL_CORE_TEXT_H
#define TL_CORE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Encoders write a terminating zero; `out` holds the size their TL_*_SIZE says for `size` bytes. */
#define TL_HEX_SIZE(size)    ((size)*2 + 1)
#define TL_BASE32_SIZE(size) (((size)*8 + 4) / 5 + 1)
#define TL_BASE64_SIZE(size) (((size) + 2) / 3 * 4 + 1)

void tl_hex_encode(const void *data, size_t size, char *out);
void tl_base32_encode(const void *data, size_t size, char *out);
void tl_base64_encode(const void *data, size_t size, char *out);

/* Decoders return the number of bytes, or TULLE_E_BAD_MESSAGE (a wrong character, a wrong length,
 * stray bits set) or TULLE_E_TOO_BIG (more than `out_size`). base32 is decoded without regard to
 * case. */
int tl_hex_decode(const char *text, size_t length, void *out, size_t out_size);
int tl_base32_decode(const char *text, size_t length, void *out, size_t out_size);
int tl_base64_decode(const char *text, size_t length, void *out, size_t out_size);

/* A service, node or procedure name: 1 to `max` of a-z A-Z 0-9 . _ -, beginning with a letter or
 * digit. */
bool tl_name_is_valid(const char *name, size_t length, size_t max);

/* A capability: as a name, with '/' between parts. */
bool tl_capability_is_valid(const char *name, size_t length);

/* Whether it is UTF-8 (RFC 3629: no surrogates, nothing overlong). */
bool tl_utf8_is_valid(const void *text, size_t size);

/* How many single-character edits (with transpositions) lead from a to b; inputs over 64 bytes
 * count as 64 apart. */
unsigned tl_text_distance(const char *a, const char *b);

#endif
