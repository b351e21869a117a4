/*
 * A recursive-descent reader, as deep as msgpack may be and no deeper.
 *
 * A msgpack container says beforehand how many values it has, JSON only afterwards. So a container is begun
 * with the longest header (five bytes) and, once its count is known, moved up to the shortest: each byte moves at
 * most once a level.
 */
#include "tools/json_read.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/limits.h"
#include "core/text.h"
#include "tools/json.h"
#include "tulle/pack.h"

#define NUMBER_BYTES_MAX     64
#define CONTAINER_HEAD_BYTES 5

struct reader {
  const char *start;
  const char *at;
  const char *end;
  struct tl_buffer *out;
  unsigned depth;
  unsigned values;
  struct tl_json_error *error;
};

static int fail_at(struct reader *r, const char *at, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static int fail_at(struct reader *r, const char *at, int code, const char *format, ...) {
  if (!r->error) return code;
  *r->error = (struct tl_json_error){.line = 1, .column = 1};
  for (const char *p = r->start; p < at; p++) {
    r->error->line += *p == '\n';
    r->error->column = *p == '\n' ? 1 : r->error->column + 1;
  }
  va_list args;
  va_start(args, format);
  vsnprintf(r->error->text, sizeof r->error->text, format, args);
  va_end(args);
  return code;
}

static int unexpected(struct reader *r, const char *wanted) {
  if (r->at == r->end)
    return fail_at(r, r->at, TULLE_E_BAD_MESSAGE, "%s expected, but the text ends here", wanted);
  unsigned char c = (unsigned char)*r->at;
  if (c < 0x20 || c > 0x7e)
    return fail_at(r, r->at, TULLE_E_BAD_MESSAGE, "%s expected, not byte 0x%02x", wanted, c);
  return fail_at(r, r->at, TULLE_E_BAD_MESSAGE, "%s expected, not '%c'", wanted, c);
}

static void skip_space(struct reader *r) {
  while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'))
    r->at++;
}

static bool take(struct reader *r, char c) {
  if (r->at == r->end || *r->at != c) return false;
  r->at++;
  return true;
}

/* Room in the output for a value of up to `size` bytes. */
static int put(struct reader *r, size_t size, struct tulle_pack *out_pack) {
  int e = tl_buffer_reserve(r->out, size);
  if (e == TULLE_E_TOO_BIG)
    return fail_at(r, r->at, e, "the message would be larger than %zu bytes", r->out->size_max);
  if (e) return fail_at(r, r->at, e, "out of memory");
  *out_pack = tulle_pack_on(r->out->data + r->out->size, r->out->capacity - r->out->size);
  return 0;
}

static void put_done(struct reader *r, const struct tulle_pack *w) {
  r->out->size += tulle_pack_size(w);
}

/* ---- numbers ---- */

static const char *digits_end(const char *p, const char *end) {
  while (p < end && *p >= '0' && *p <= '9') p++;
  return p;
}

/* The end of the number at `p` by the grammar of JSON, or NULL if it breaks it. */
static const char *number_end(const char *p, const char *end, bool *out_is_integer) {
  if (p < end && *p == '-') p++;
  const char *from = p;
  p = digits_end(p, end);
  if (p == from || (*from == '0' && p - from > 1)) return NULL;
  *out_is_integer = true;
  if (p < end && *p == '.') {
    from = p + 1;
    if ((p = digits_end(from, end)) == from) return NULL;
    *out_is_integer = false;
  }
  if (p < end && (*p == 'e' || *p == 'E')) {
    p++;
    if (p < end && (*p == '+' || *p == '-')) p++;
    from = p;
    if ((p = digits_end(from, end)) == from) return NULL;
    *out_is_integer = false;
  }
  return p;
}

static int put_integer(struct reader *r, const char *from, const char *text) {
  struct tulle_pack w;
  int e = put(r, 9, &w);
  if (e) return e;
  errno = 0;
  if (*text == '-')
    tulle_pack_int(&w, strtoll(text, NULL, 10));
  else
    tulle_pack_uint(&w, strtoull(text, NULL, 10));
  if (errno) return fail_at(r, from, TULLE_E_BAD_MESSAGE, "this integer does not fit 64 bits");
  put_done(r, &w);
  return 0;
}

static int put_double(struct reader *r, const char *from, const char *text) {
  struct tulle_pack w;
  int e = put(r, 9, &w);
  if (e) return e;
  double v = strtod(text, NULL);
  if (!isfinite(v)) return fail_at(r, from, TULLE_E_BAD_MESSAGE, "this number is out of range");
  tulle_pack_double(&w, v);
  put_done(r, &w);
  return 0;
}

static int read_number(struct reader *r) {
  const char *from = r->at;
  bool is_integer = false;
  const char *end = number_end(from, r->end, &is_integer);
  char text[NUMBER_BYTES_MAX + 1];
  if (!end) return fail_at(r, from, TULLE_E_BAD_MESSAGE, "malformed number");
  if (end - from > NUMBER_BYTES_MAX)
    return fail_at(r, from, TULLE_E_BAD_MESSAGE, "a number of more than %d characters",
                   NUMBER_BYTES_MAX);
  memcpy(text, from, (size_t)(end - from));
  text[end - from] = 0;
  r->at = end;
  return is_integer ? put_integer(r, from, text) : put_double(r, from, text);
}

/* ---- strings ---- */

static int read_hex4(struct reader *r, uint32_t *out) {
  uint8_t bytes[2];
  if (r->end - r->at < 4 || tl_hex_decode(r->at, 4, bytes, 2) != 2)
    return fail_at(r, r->at, TULLE_E_BAD_MESSAGE, "four hexadecimal digits expected after \\u");
  *out = (uint32_t)bytes[0] << 8 | bytes[1];
  r->at += 4;
  return 0;
}

/* The character after \u, of which the characters beyond 16 bits take two. */
static int read_unicode(struct reader *r, uint32_t *out) {
  const char *from = r->at - 2;
  int e = read_hex4(r, out);
  if (e || *out < 0xd800 || *out > 0xdfff) return e;
  uint32_t low = 0;
  if (*out > 0xdbff || !take(r, '\\') || !take(r, 'u'))
    return fail_at(r, from, TULLE_E_BAD_MESSAGE, "half of a surrogate pair");
  if ((e = read_hex4(r, &low))) return e;
  if (low < 0xdc00 || low > 0xdfff)
    return fail_at(r, from, TULLE_E_BAD_MESSAGE, "half of a surrogate pair");
  *out = 0x10000 + ((*out - 0xd800) << 10) + (low - 0xdc00);
  return 0;
}

static size_t utf8_encode(uint32_t c, char out[4]) {
  if (c < 0x80) {
    out[0] = (char)c;
    return 1;
  }
  size_t size = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  for (size_t i = size - 1; i > 0; i--, c >>= 6) out[i] = (char)(0x80 | (c & 0x3f));
  out[0] = (char)((0xf00u >> size & 0xff) | c);
  return size;
}

static int read_escape(struct reader *r, struct tl_buffer *text) {
  static const char escapes[] = "\"\\/bfnrt";
  static const char meanings[] = "\"\\/\b\f\n\r\t";
  if (r->at == r->end) return unexpected(r, "a character after \\");
  char c = *r->at;
  const char *known = c ? strchr(escapes, c) : NULL;
  if (c != 'u' && !known) return fail_at(r, r->at - 1, TULLE_E_BAD_MESSAGE, "no such escape");
  r->at++;
  if (known) return tl_buffer_append(text, &meanings[known - escapes], 1);
  uint32_t code = 0;
  char utf8[4];
  int e = read_unicode(r, &code);
  return e ? e : tl_buffer_append(text, utf8, utf8_encode(code, utf8));
}

/* The string at `r`, decoded, into `text`. */
static int read_string(struct reader *r, struct tl_buffer *text) {
  const char *from = r->at;
  if (!take(r, '"')) return unexpected(r, "a string");
  while (!take(r, '"')) {
    const char *run = r->at;
    while (r->at < r->end && *r->at != '"' && *r->at != '\\' && (unsigned char)*r->at >= 0x20)
      r->at++;
    int e = tl_buffer_append(text, run, (size_t)(r->at - run));
    if (e) return fail_at(r, from, e, "out of memory");
    if (r->at == r->end) return fail_at(r, from, TULLE_E_BAD_MESSAGE, "this string has no end");
    if (*r->at == '"') continue;
    if (!take(r, '\\'))
      return fail_at(r, r->at, TULLE_E_BAD_MESSAGE,
                     "control characters must be written as escapes");
    if ((e = read_escape(r, text))) return e;
  }
  if (!tl_utf8_is_valid(text->data, text->size))
    return fail_at(r, from, TULLE_E_BAD_MESSAGE, "this string is not UTF-8");
  return 0;
}

static int put_string(struct reader *r, const struct tl_buffer *text) {
  struct tulle_pack w;
  int e = put(r, text->size + 5, &w);
  if (e) return e;
  tulle_pack_text_of(&w, (const char *)text->data, text->size);
  put_done(r, &w);
  return 0;
}

static int copy_string(struct reader *r) {
  struct tl_buffer text = {0};
  int e = read_string(r, &text);
  if (!e) e = put_string(r, &text);
  tl_buffer_deinit(&text);
  return e;
}

/* ---- containers ---- */

static int read_value(struct reader *r);

/* Puts the header of a container of `count` at `head` and moves its contents up to it. */
static void finish_container(struct reader *r, size_t head, size_t count, bool is_map) {
  uint8_t bytes[CONTAINER_HEAD_BYTES];
  struct tulle_pack w = tulle_pack_on(bytes, sizeof bytes);
  if (is_map)
    tulle_pack_map(&w, count);
  else
    tulle_pack_array(&w, count);
  size_t size = tulle_pack_size(&w);
  uint8_t *at = r->out->data + head;
  memcpy(at, bytes, size);
  memmove(at + size, at + CONTAINER_HEAD_BYTES, r->out->size - head - CONTAINER_HEAD_BYTES);
  r->out->size -= CONTAINER_HEAD_BYTES - size;
}

/* Whether the key at `key` stands already among the `count` pairs from `pairs` on. */
static bool has_key(const struct reader *r, size_t pairs, size_t count, size_t key) {
  struct tulle_unpack earlier = tulle_unpack_on(r->out->data + pairs, key - pairs);
  size_t key_size = r->out->size - key;
  for (size_t i = 0; i < count; i++) {
    const unsigned char *at = earlier.at;
    tulle_unpack_skip(&earlier);
    if ((size_t)(earlier.at - at) == key_size && !memcmp(at, r->out->data + key, key_size))
      return true;
    tulle_unpack_skip(&earlier);
  }
  return false;
}

static int read_pair(struct reader *r, size_t pairs, size_t count) {
  skip_space(r);
  const char *from = r->at;
  size_t key = r->out->size;
  if (r->at == r->end || *r->at != '"') return unexpected(r, "a key in quotes");
  r->values++;
  int e = copy_string(r);
  if (e) return e;
  if (has_key(r, pairs, count, key))
    return fail_at(r, from, TULLE_E_BAD_MESSAGE, "this key stands twice");
  skip_space(r);
  if (!take(r, ':')) return unexpected(r, "':'");
  return read_value(r);
}

static int decode_base64(const struct tulle_value *text, struct tl_buffer *out) {
  int e = tl_buffer_reserve(out, text->size + 1);
  if (e) return e;
  int n = tl_base64_decode((const char *)text->data, text->size, out->data, text->size);
  if (n < 0) return n;
  out->size = (size_t)n;
  return 0;
}

static int replace_with_bytes(struct reader *r, size_t head, const struct tl_buffer *bytes,
                              bool is_extension, int64_t type) {
  r->out->size = head;
  struct tulle_pack w;
  int e = put(r, bytes->size + 6, &w);
  if (e) return e;
  if (!is_extension) {
    tulle_pack_bytes(&w, bytes->data, bytes->size);
  } else {
    tulle_pack_tagged_(&w, 0xc9, bytes->size, 4);
    tulle_pack_tagged_(&w, (unsigned)type & 0xff, 0, 0);
    tulle_pack_raw_(&w, bytes->data, bytes->size);
  }
  put_done(r, &w);
  return 0;
}

/* {"$b64": text} means bytes, {"$ext": number, "$b64": text} an extension: what stands from `head` on is replaced. */
static int replace_marked(struct reader *r, const char *from, size_t head, size_t count) {
  size_t pairs = head + CONTAINER_HEAD_BYTES;
  struct tulle_unpack u = tulle_unpack_on(r->out->data + pairs, r->out->size - pairs);
  struct tulle_value text = {0}, type = {0};
  for (size_t i = 0; i < count; i++) {
    size_t size;
    const char *key = tulle_unpack_text(&u, &size);
    struct tulle_value v = tulle_unpack_any(&u);
    if (size == 4 && !memcmp(key, "$b64", 4) && v.type == TULLE_TEXT)
      text = v;
    else if (size == 4 && !memcmp(key, "$ext", 4) && (v.type == TULLE_UINT || v.type == TULLE_INT))
      type = v;
    else
      return TL_EMPTY;
  }
  bool is_extension = count == 2;
  if (text.type != TULLE_TEXT) return TL_EMPTY;
  if (is_extension && (type.i < INT8_MIN || type.i > INT8_MAX))
    return fail_at(r, from, TULLE_E_BAD_MESSAGE, "$ext must be between -128 and 127");
  struct tl_buffer bytes = {0};
  int e = decode_base64(&text, &bytes);
  if (e == TULLE_E_NO_MEMORY)
    fail_at(r, from, e, "out of memory");
  else if (e)
    e = fail_at(r, from, TULLE_E_BAD_MESSAGE, "$b64 is not base64");
  else
    e = replace_with_bytes(r, head, &bytes, is_extension, type.i);
  tl_buffer_deinit(&bytes);
  return e;
}

static int read_members(struct reader *r, char close, size_t *out_count) {
  size_t pairs = r->out->size, count = 0;
  skip_space(r);
  if (!take(r, close)) {
    do {
      int e = close == '}' ? read_pair(r, pairs, count) : read_value(r);
      if (e) return e;
      count++;
      skip_space(r);
    } while (take(r, ','));
    if (!take(r, close)) return unexpected(r, close == '}' ? "',' or '}'" : "',' or ']'");
  }
  *out_count = count;
  return 0;
}

static int read_container(struct reader *r, char close) {
  static const uint8_t head_room[CONTAINER_HEAD_BYTES];
  const char *from = r->at++;
  size_t head = r->out->size, count = 0;
  if (++r->depth > TL_MSGPACK_DEPTH_MAX)
    return fail_at(r, from, TULLE_E_LIMIT, "nested deeper than %d levels", TL_MSGPACK_DEPTH_MAX);
  int e = tl_buffer_append(r->out, head_room, sizeof head_room);
  if (e) return fail_at(r, from, e, "no room for a larger message");
  if ((e = read_members(r, close, &count))) return e;
  r->depth--;
  e = close == '}' && (count == 1 || count == 2) ? replace_marked(r, from, head, count) : TL_EMPTY;
  if (e == TL_EMPTY) {
    finish_container(r, head, count, close == '}');
    e = 0;
  }
  return e;
}

/* ---- values ---- */

static int read_word(struct reader *r) {
  static const struct {
    const char *word;
    uint8_t msgpack;
  } words[] = {{"null", 0xc0}, {"false", 0xc2}, {"true", 0xc3}};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    size_t size = strlen(words[i].word);
    if ((size_t)(r->end - r->at) < size || memcmp(r->at, words[i].word, size)) continue;
    r->at += size;
    return tl_buffer_append(r->out, &words[i].msgpack, 1);
  }
  return unexpected(r, "a value");
}

static int read_value(struct reader *r) {
  skip_space(r);
  if (++r->values > TL_MSGPACK_OBJECTS_MAX)
    return fail_at(r, r->at, TULLE_E_LIMIT, "more than %d values", TL_MSGPACK_OBJECTS_MAX);
  char c = r->at < r->end ? *r->at : 0;
  if (c == '{') return read_container(r, '}');
  if (c == '[') return read_container(r, ']');
  if (c == '"') return copy_string(r);
  if (c == '-' || (c >= '0' && c <= '9')) return read_number(r);
  return read_word(r);
}

int tl_json_read(const char *text, size_t size, struct tl_buffer *out,
                 struct tl_json_error *out_error) {
  struct reader r = {.start = text, .at = text, .end = text + size, .out = out, .error = out_error};
  int e = read_value(&r);
  if (e) return e;
  skip_space(&r);
  if (r.at != r.end) return unexpected(&r, "the end");
  return 0;
}
