#include "tools/show.h"

#include <ctype.h>

#include "tools/json.h"

#define DUMP_WIDTH 16

/* Text from elsewhere must not move the cursor of a terminal, or worse. */
static void put_text(FILE *out, bool is_terminal, const unsigned char *text, size_t size) {
  if (!is_terminal) {
    fwrite(text, 1, size, out);
    return;
  }
  for (size_t i = 0; i < size; i++) {
    bool is_c1 = text[i] == 0xc2 && i + 1 < size && text[i + 1] >= 0x80 && text[i + 1] < 0xa0;
    if ((text[i] < 0x20 && text[i] != '\n' && text[i] != '\t') || text[i] == 0x7f || is_c1)
      fprintf(out, "\\x%02x", text[i]);
    else
      fputc(text[i], out);
  }
}

static void put_dump(FILE *out, const unsigned char *data, size_t size) {
  for (size_t at = 0; at < size; at += DUMP_WIDTH) {
    size_t n = size - at < DUMP_WIDTH ? size - at : DUMP_WIDTH;
    fprintf(out, "%08zx ", at);
    for (size_t i = 0; i < DUMP_WIDTH; i++) {
      if (i % 8 == 0) fputc(' ', out);
      if (i < n)
        fprintf(out, "%02x ", data[at + i]);
      else
        fputs("   ", out);
    }
    fputs(" |", out);
    for (size_t i = 0; i < n; i++)
      fputc(data[at + i] < 0x80 && isprint(data[at + i]) ? data[at + i] : '.', out);
    fputs("|\n", out);
  }
}

/* One value on the rest of a line. */
static void put_member(FILE *out, bool is_terminal, struct tulle_unpack *r) {
  struct tulle_unpack ahead = *r;
  struct tulle_value v = tulle_unpack_any(&ahead);
  if (v.type == TULLE_TEXT) {
    put_text(out, is_terminal, v.data, v.size);
    *r = ahead;
  } else {
    struct tl_json j = tl_json_on(out);
    tl_json_value(&j, r);
  }
  fputc('\n', out);
}

static void put_members(FILE *out, bool is_terminal, struct tulle_unpack *r, size_t count,
                        bool is_map) {
  for (size_t i = 0; i < count && tulle_unpack_is_ok(r); i++) {
    if (is_map) {
      struct tulle_unpack ahead = *r;
      struct tulle_value key = tulle_unpack_any(&ahead);
      struct tl_json j = tl_json_on(out);
      if (key.type == TULLE_TEXT) {
        put_text(out, is_terminal, key.data, key.size);
        *r = ahead;
      } else {
        tl_json_value(&j, r);
      }
      fputs(": ", out);
    }
    put_member(out, is_terminal, r);
  }
}

void tl_show_value(FILE *out, bool is_terminal, const void *data, size_t size) {
  if (!size) return;
  struct tulle_unpack r = tulle_unpack_on(data, size);
  struct tulle_unpack before = r;
  struct tulle_value v = tulle_unpack_any(&r);
  switch (v.type) {
  case TULLE_NIL:
    break;
  case TULLE_BYTES:
    if (is_terminal)
      put_dump(out, v.data, v.size);
    else
      fwrite(v.data, 1, v.size, out);
    break;
  case TULLE_MAP:
  case TULLE_ARRAY:
    put_members(out, is_terminal, &r, v.count, v.type == TULLE_MAP);
    break;
  default:
    put_member(out, is_terminal, &before);
  }
}
