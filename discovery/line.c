/*
 * One table of words and two switches over the kinds of lines, one that writes and one that reads,
 * so that a kind cannot be added to one of them alone. Readers and writers of words remember a
 * failure, like the byte cursors of core/bytes.h, and are asked once.
 */
#include "discovery/line.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/text.h"

#define WORD_BYTES_MAX 80
#define BOOT_DIGITS    16

static const char *const kind_words[] = {
    [TL_LINE_HELLO] = "hello",   [TL_LINE_PUBLISH] = "publish", [TL_LINE_LABEL] = "label",
    [TL_LINE_COMMIT] = "commit", [TL_LINE_BROWSE] = "browse",   [TL_LINE_FOUND] = "found",
    [TL_LINE_LOST] = "lost",     [TL_LINE_GONE] = "gone",       [TL_LINE_CLONED] = "cloned",
    [TL_LINE_STATUS] = "status",
};

static const char *const engine_words[] = {
    [TL_DISCOVERY_ENGINE_NONE] = "none",
    [TL_DISCOVERY_ENGINE_DAEMON] = "avahi-daemon",
    [TL_DISCOVERY_ENGINE_EMBEDDED] = "embedded",
};

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* Encoding. The longest line is a status: 7 + 13 + 200 bytes, so nothing here can overflow 512. */

struct text_writer {
  char *at;
  char *end;
};

static void put(struct text_writer *w, const char *text) {
  size_t n = strlen(text);
  TL_ASSERT(n < (size_t)(w->end - w->at));
  memcpy(w->at, text, n);
  w->at += n;
}

static void put_word(struct text_writer *w, const char *text) {
  put(w, " ");
  put(w, text);
}

static void put_number(struct text_writer *w, uint64_t v) {
  char text[24];
  snprintf(text, sizeof text, "%" PRIu64, v);
  put_word(w, text);
}

static void put_boot(struct text_writer *w, uint64_t v) {
  char text[BOOT_DIGITS + 1];
  snprintf(text, sizeof text, "%016" PRIx64, v);
  put_word(w, text);
}

static void put_id(struct text_writer *w, const uint8_t id[TL_DISCOVERY_ID_SIZE]) {
  char text[TL_BASE32_SIZE(TL_DISCOVERY_ID_SIZE)];
  tl_base32_encode(id, TL_DISCOVERY_ID_SIZE, text);
  put_word(w, text);
}

static void put_tag(struct text_writer *w, const uint8_t tag[TL_DISCOVERY_TAG_SIZE]) {
  char text[TL_HEX_SIZE(TL_DISCOVERY_TAG_SIZE)];
  tl_hex_encode(tag, TL_DISCOVERY_TAG_SIZE, text);
  put_word(w, text);
}

static void put_address(struct text_writer *w, const struct tl_address *address) {
  char text[TL_ADDRESS_TEXT_SIZE];
  tl_address_format(address, text);
  put_word(w, text);
}

static bool is_printable(char c) {
  return c >= ' ' && c <= '~';
}

static void put_text(struct text_writer *w, const char *text) {
  put(w, " ");
  for (size_t i = 0; i < TL_DISCOVERY_REASON_SIZE - 1 && text[i]; i++)
    *w->at++ = is_printable(text[i]) ? text[i] : '?';
}

static void put_publish(struct text_writer *w, const struct tl_line *l) {
  put_id(w, l->id);
  put_tag(w, l->tag);
  put_number(w, l->port);
  put_boot(w, l->boot);
  put_number(w, l->generation);
}

static void put_found(struct text_writer *w, const struct tl_line *l) {
  put_id(w, l->id);
  put_tag(w, l->tag);
  put_number(w, l->version);
  put_number(w, l->generation);
  put_boot(w, l->boot);
  put_address(w, &l->address);
}

static void put_fields(struct text_writer *w, const struct tl_line *l) {
  switch (l->kind) {
  case TL_LINE_HELLO:
    put_number(w, l->version);
    break;
  case TL_LINE_PUBLISH:
    put_publish(w, l);
    break;
  case TL_LINE_LABEL:
    put_word(w, l->label);
    break;
  case TL_LINE_COMMIT:
    break;
  case TL_LINE_BROWSE:
    break;
  case TL_LINE_FOUND:
    put_found(w, l);
    break;
  case TL_LINE_LOST:
    put_id(w, l->id), put_address(w, &l->address);
    break;
  case TL_LINE_GONE:
    put_id(w, l->id);
    break;
  case TL_LINE_CLONED:
    put_id(w, l->id), put_boot(w, l->boot), put_boot(w, l->boot_other);
    break;
  case TL_LINE_STATUS:
    put_word(w, engine_words[l->engine]), put_text(w, l->text);
    break;
  }
}

size_t tl_line_encode(const struct tl_line *line, char out[TL_LINE_BYTES_MAX]) {
  struct text_writer w = {out, out + TL_LINE_BYTES_MAX};
  put(&w, kind_words[line->kind]);
  put_fields(&w, line);
  *w.at++ = '\n';
  return (size_t)(w.at - out);
}

/* Decoding: as with the byte cursors, a failure is remembered and asked for once. */

struct text_reader {
  const char *at;
  const char *end;
  bool failed;
};

/* The next word with its zero; empty and failed where there is none or it is too long. The first
 * word has no space before it, every other one exactly one. */
static void take_word(struct text_reader *r, bool first, char out[WORD_BYTES_MAX]) {
  out[0] = 0;
  if (!first && (r->at == r->end || *r->at++ != ' ')) {
    r->failed = true;
    return;
  }
  size_t n = 0;
  while (r->at + n < r->end && r->at[n] != ' ') n++;
  if (!n || n >= WORD_BYTES_MAX) {
    r->failed = true;
    return;
  }
  memcpy(out, r->at, n);
  out[n] = 0;
  r->at += n;
}

/* Returns the word's place in `words`, or 0 and fails. */
static size_t take_choice(struct text_reader *r, bool first, const char *const *words,
                          size_t count) {
  char word[WORD_BYTES_MAX];
  take_word(r, first, word);
  for (size_t i = 0; i < count; i++)
    if (!strcmp(word, words[i])) return i;
  r->failed = true;
  return 0;
}

static uint64_t take_number(struct text_reader *r, uint64_t min, uint64_t max) {
  char word[WORD_BYTES_MAX];
  uint64_t v = 0;
  take_word(r, false, word);
  if (word[0] == '0' && word[1]) r->failed = true;
  for (const char *p = word; *p && !r->failed; p++) {
    uint64_t digit = (uint64_t)(*p - '0');
    if (*p < '0' || *p > '9' || v > (max - digit) / 10) r->failed = true;
    v = v * 10 + digit;
  }
  if (v < min) r->failed = true;
  return r->failed ? 0 : v;
}

static void take_hex(struct text_reader *r, uint8_t *out, size_t size) {
  char word[WORD_BYTES_MAX];
  take_word(r, false, word);
  if (tl_hex_decode(word, strlen(word), out, size) != (int)size) r->failed = true;
}

static uint64_t take_boot(struct text_reader *r) {
  uint8_t bytes[8] = {0};
  uint64_t v = 0;
  take_hex(r, bytes, sizeof bytes);
  for (size_t i = 0; i < sizeof bytes; i++) v = v << 8 | bytes[i];
  return v;
}

static void take_id(struct text_reader *r, uint8_t out[TL_DISCOVERY_ID_SIZE]) {
  char word[WORD_BYTES_MAX];
  take_word(r, false, word);
  for (const char *p = word; *p; p++)
    if (*p >= 'A' && *p <= 'Z') r->failed = true;
  int size = tl_base32_decode(word, strlen(word), out, TL_DISCOVERY_ID_SIZE);
  if (size != TL_DISCOVERY_ID_SIZE) r->failed = true;
}

/* There are many spellings of one address; only the one that is written is taken. */
static void take_address(struct text_reader *r, struct tl_address *out) {
  char word[WORD_BYTES_MAX], again[TL_ADDRESS_TEXT_SIZE];
  take_word(r, false, word);
  if (r->failed || tl_address_parse(word, 0, out) < 0 || !out->port) {
    r->failed = true;
    return;
  }
  tl_address_format(out, again);
  if (strcmp(word, again) != 0) r->failed = true;
}

static void take_label(struct text_reader *r, char out[TL_LABEL_SIZE]) {
  char word[WORD_BYTES_MAX];
  take_word(r, false, word);
  if (!tl_label_is_valid(word, strlen(word))) {
    r->failed = true;
    return;
  }
  memcpy(out, word, strlen(word) + 1);
}

/* Everything to the end of the line, which may be nothing. */
static void take_text(struct text_reader *r, char out[TL_DISCOVERY_REASON_SIZE]) {
  size_t n = (size_t)(r->end - r->at);
  if (!n || *r->at != ' ' || n - 1 >= TL_DISCOVERY_REASON_SIZE) {
    r->failed = true;
    return;
  }
  memcpy(out, r->at + 1, n - 1);
  out[n - 1] = 0;
  r->at = r->end;
}

static void take_publish(struct text_reader *r, struct tl_line *l) {
  take_id(r, l->id);
  take_hex(r, l->tag, sizeof l->tag);
  l->port = (uint16_t)take_number(r, 1, UINT16_MAX);
  l->boot = take_boot(r);
  l->generation = take_number(r, 0, UINT64_MAX);
}

static void take_found(struct text_reader *r, struct tl_line *l) {
  take_id(r, l->id);
  take_hex(r, l->tag, sizeof l->tag);
  l->version = (uint16_t)take_number(r, 1, UINT16_MAX);
  l->generation = take_number(r, 0, UINT64_MAX);
  l->boot = take_boot(r);
  take_address(r, &l->address);
}

static void take_fields(struct text_reader *r, struct tl_line *l) {
  switch (l->kind) {
  case TL_LINE_HELLO:
    l->version = (uint16_t)take_number(r, 1, UINT16_MAX);
    break;
  case TL_LINE_PUBLISH:
    take_publish(r, l);
    break;
  case TL_LINE_LABEL:
    take_label(r, l->label);
    break;
  case TL_LINE_COMMIT:
    break;
  case TL_LINE_BROWSE:
    break;
  case TL_LINE_FOUND:
    take_found(r, l);
    break;
  case TL_LINE_LOST:
    take_id(r, l->id), take_address(r, &l->address);
    break;
  case TL_LINE_GONE:
    take_id(r, l->id);
    break;
  case TL_LINE_CLONED:
    take_id(r, l->id);
    l->boot = take_boot(r);
    l->boot_other = take_boot(r);
    break;
  case TL_LINE_STATUS:
    l->engine =
        (enum tl_discovery_engine)take_choice(r, false, engine_words, COUNT_OF(engine_words));
    take_text(r, l->text);
    break;
  }
}

int tl_line_decode(const char *text, size_t length, struct tl_line *out_line) {
  struct text_reader r = {text, text + length, length >= TL_LINE_BYTES_MAX};
  struct tl_line l = {0};
  for (size_t i = 0; i < length && !r.failed; i++) r.failed = !is_printable(text[i]);
  if (r.failed) return TULLE_E_BAD_MESSAGE;
  l.kind = (enum tl_line_kind)take_choice(&r, true, kind_words, COUNT_OF(kind_words));
  if (!r.failed) take_fields(&r, &l);
  if (r.failed || r.at != r.end) return TULLE_E_BAD_MESSAGE;
  *out_line = l;
  return 0;
}

/* Ends the line in the splitter: 0, or TL_MORE when it was dropped. */
static int split_end(struct tl_line_splitter *s, struct tl_line *out_line) {
  int r = s->is_skipping ? TULLE_E_TOO_BIG : tl_line_decode(s->bytes, s->used, out_line);
  s->used = 0;
  s->is_skipping = false;
  if (r < 0) {
    s->garbled++;
    return TL_MORE;
  }
  s->lines++;
  return 0;
}

int tl_line_split(struct tl_line_splitter *s, const char **at, const char *end,
                  struct tl_line *out_line) {
  while (*at < end) {
    char c = *(*at)++;
    if (c == '\n') {
      if (split_end(s, out_line) == 0) return 0;
    } else if (s->used == sizeof s->bytes - 1) {
      s->is_skipping = true;
    } else {
      s->bytes[s->used++] = c;
    }
  }
  return TL_MORE;
}
