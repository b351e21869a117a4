/*
 * Numbers as people write and read them: durations, sizes, counts with thousands separators.
 *
 * A unit is chosen so that one to four digits stand before the point; digits after it appear only
 * below 10. All functions write into the caller's buffer and return it, so that they can stand
 * among the arguments of a printf.
 */
#ifndef TL_TOOLS_HUMAN_H
#define TL_TOOLS_HUMAN_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

#define TL_HUMAN_SIZE 32

/* "1,234,567" */
const char *tl_human_count(uint64_t n, char out[TL_HUMAN_SIZE]);

/* "840 ns", "1.92 us", "86 us", "1.1 ms", "41 s", "3 m", "2 h", "5 d" */
const char *tl_human_duration(uint64_t ns, char out[TL_HUMAN_SIZE]);

/* "512 B", "16 KiB", "1.5 MiB" */
const char *tl_human_bytes(uint64_t n, char out[TL_HUMAN_SIZE]);

/* "5s", "250ms", "1.5s", "2m", "1h", "1d", "40us", "90ns"; a bare number is seconds. 0, or
 * TULLE_E_INVALID for anything else, a negative number, and more than 64 bits of nanoseconds. */
int tl_human_duration_parse(const char *text, uint64_t *out_ns);

/* Decimal, nothing else. 0 or TULLE_E_INVALID. */
int tl_human_count_parse(const char *text, uint64_t *out);

/* Replaces what could steer a terminal (control characters, also those of UTF-8) by '?', in place: for texts
 * that others have written. Returns `text`. */
char *tl_human_clean(char *text);

#endif
