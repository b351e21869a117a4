/*
 * Counts lines, words and bytes of what it is given, as `wc` does: a word is a run of printable characters that
 * white space ends; what is neither printable nor white space changes nothing.
 */
#include <ctype.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>
#include <wctype.h>

#include "tulle/tulle.h"

struct counts {
  uint64_t lines, words;
  bool in_word;
};

static void count_character(struct counts *c, wint_t character, bool is_printable, bool is_space) {
  bool is_gap = character == L'\n' || character == L'\r' || character == L'\f' ||
                character == L'\t' || character == L' ' || character == L'\v' ||
                (is_printable && is_space);
  c->lines += character == L'\n';
  if (is_gap) {
    c->words += c->in_word;
    c->in_word = false;
  } else if (is_printable) {
    c->in_word = true;
  }
}

static void count_bytes(struct counts *c, const unsigned char *data, size_t size) {
  for (size_t i = 0; i < size; i++)
    count_character(c, data[i], isprint(data[i]) != 0, isspace(data[i]) != 0);
}

/* Spaces that do not break lines separate words nevertheless. */
static bool is_space(wint_t c) {
  return iswspace(c) || c == 0xa0 || c == 0x2007 || c == 0x202f || c == 0x2060;
}

static void count_characters(struct counts *c, const char *data, size_t size) {
  mbstate_t state = {0};
  while (size) {
    wchar_t character = 0;
    size_t n = mbrtowc(&character, data, size, &state);
    if (n == (size_t)-2) return; /* the last character is not complete */
    if (n == (size_t)-1) {       /* a byte that is no character belongs to nothing */
      state = (mbstate_t){0};
      n = 1;
    } else {
      wint_t w = (wint_t)character;
      n += n == 0; /* the character zero */
      count_character(c, w, iswprint(w) != 0, is_space(w));
    }
    data += n;
    size -= n;
  }
}

static int count(struct tulle_call_context *call, void *userdata) {
  (void)userdata;
  struct tulle_unpack arguments = tulle_call_arguments(call);
  struct tulle_value v = tulle_unpack_any(&arguments);
  if (!tulle_unpack_is_ok(&arguments) || (v.type != TULLE_BYTES && v.type != TULLE_TEXT))
    return tulle_reply_error(call, TULLE_E_INVALID,
                             "bytes or text are wanted: tulle call textstat.count @FILE");
  struct counts c = {0};
  if (MB_CUR_MAX > 1)
    count_characters(&c, (const char *)v.data, v.size);
  else
    count_bytes(&c, v.data, v.size);
  unsigned char buffer[64];
  struct tulle_pack reply = tulle_pack_on(buffer, sizeof buffer);
  tulle_pack_map(&reply, 3);
  tulle_pack_text(&reply, "lines");
  tulle_pack_uint(&reply, c.lines);
  tulle_pack_text(&reply, "words");
  tulle_pack_uint(&reply, c.words + c.in_word);
  tulle_pack_text(&reply, "bytes");
  tulle_pack_uint(&reply, v.size);
  return tulle_reply(call, buffer, tulle_pack_size(&reply));
}

static void stop(int signal_number) {
  (void)signal_number;
  tulle_stop(NULL);
}

int main(void) {
  static const struct tulle_procedure procedures[] = {{"count", count, NULL}};
  static const struct tulle_capability capabilities[] = {{"text/count", 1, NULL}};
  static const struct tulle_offer offer = {.name = "textstat",
                                           .procedures = procedures,
                                           .procedure_count = 1,
                                           .capabilities = capabilities,
                                           .capability_count = 1};
  setlocale(LC_CTYPE, "");
  signal(SIGTERM, stop);
  signal(SIGINT, stop);
  int r = tulle_offer(NULL, &offer, NULL);
  if (!r) r = tulle_serve(NULL, 1);
  if (r) fprintf(stderr, "textstat: %s\n", tulle_error_text(r));
  return tulle_error_exit(r);
}
