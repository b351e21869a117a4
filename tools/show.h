/*
 * Showing a result to people: bytes, text, and everything else, each sensibly.
 *
 *   nothing          nothing
 *   map              a line per key: "lines: 12"; what is nested stands as JSON
 *   array            a line per value
 *   bytes            on a terminal a dump, else the bytes themselves
 *   text, numbers    themselves; on a terminal without control characters
 */
#ifndef TL_TOOLS_SHOW_H
#define TL_TOOLS_SHOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

void tl_show_value(FILE *out, bool is_terminal, const void *data, size_t size);

#endif
