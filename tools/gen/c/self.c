/*
 * What generated code says that its interface is: the same for both sides, told to the node with an
 * offer and compared when a channel opens.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/fingerprint.h"
#include "tools/gen/c/code.h"

/* What C promises of a literal; -Wpedantic complains about more, unless it is told not to. */
#define LITERAL_BYTES_MAX 4095

/* A piece of text between two quotes takes one line, at most. */
#define PIECE_COLUMNS 90

/* One byte as a literal has it; returns its columns. Two question marks would begin a trigraph. */
static size_t escape(unsigned char byte, char out[5]) {
  bool is_plain = byte >= ' ' && byte < 0x7f && !strchr("\"\\?", byte);
  if (is_plain)
    snprintf(out, 5, "%c", byte);
  else if (byte == '\n')
    snprintf(out, 5, "\\n");
  else if (byte >= ' ' && byte < 0x7f)
    snprintf(out, 5, "\\%c", byte);
  else
    snprintf(out, 5, "\\%03o", byte);
  return strlen(out);
}

/* A line for each line, more where it is long. */
static void write_text(struct tl_gen *g, const char *text) {
  char piece[PIECE_COLUMNS + 5] = "";
  size_t column = 0;
  for (const char *p = text; *p; p++) {
    column += escape((unsigned char)*p, piece + column);
    if (p[1] && *p != '\n' && column < PIECE_COLUMNS) continue;
    tl_out_line(g->out, 4, "\"%s\"%s", piece, p[1] ? "" : ",");
    column = 0;
  }
}

static const char *hexadecimal(struct tl_gen *g, const uint8_t *bytes, size_t size) {
  const char *text = "";
  for (size_t i = 0; i < size; i++)
    text = tl_gen_text(g, "%s%s0x%02x", text, i ? ", " : "", bytes[i]);
  return text;
}

void tl_gen_self(struct tl_gen *g) {
  uint8_t fingerprint[TL_SCHEMA_FINGERPRINT_BYTES];
  size_t size = tl_schema_write(g->schema, TL_SCHEMA_DOCUMENTED, NULL, 0);
  char *text = malloc(size + 1);
  if (!text || tl_fingerprint(g->schema, fingerprint)) {
    g->failed = true;
  } else {
    tl_schema_write(g->schema, TL_SCHEMA_DOCUMENTED, text, size + 1);
    tl_out_line(g->out, 0, "static const struct tulle_interface %s_interface = {", g->name);
    tl_out_line(g->out, 4, "\"%s\",", g->name);
    tl_out_line(g->out, 4, "%u,", g->schema->version);
    tl_out_line(g->out, 4, "{%s},", hexadecimal(g, fingerprint, sizeof fingerprint));
    if (size > LITERAL_BYTES_MAX) tl_out_line(g->out, 4, "__extension__");
    write_text(g, text);
    tl_out_line(g->out, 4, "%zu,", size);
    tl_out_line(g->out, 0, "};");
    tl_out_gap(g->out);
  }
  free(text);
}
