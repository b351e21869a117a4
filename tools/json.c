#include "tools/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/text.h"

struct tl_json tl_json_on(FILE *out) {
  return (struct tl_json){.out = out};
}

/* What must stand before a value here: nothing after a key, a comma between array members. */
static void value_begin(struct tl_json *j) {
  if (!j->depth) return;
  if (j->is_object[j->depth - 1]) {
    TL_ASSERT(j->has_key);
    j->has_key = false;
  } else if (j->has_value[j->depth - 1]) {
    fputc(',', j->out);
  }
  j->has_value[j->depth - 1] = true;
}

static void nest(struct tl_json *j, bool is_object) {
  value_begin(j);
  TL_ASSERT(j->depth < TL_JSON_DEPTH_MAX);
  j->is_object[j->depth] = is_object;
  j->has_value[j->depth++] = false;
  fputc(is_object ? '{' : '[', j->out);
}

void tl_json_object(struct tl_json *j) {
  nest(j, true);
}

void tl_json_array(struct tl_json *j) {
  nest(j, false);
}

void tl_json_end(struct tl_json *j) {
  TL_ASSERT(j->depth && !j->has_key);
  fputc(j->is_object[--j->depth] ? '}' : ']', j->out);
}

void tl_json_finish(struct tl_json *j) {
  TL_ASSERT(!j->depth && !j->has_key);
  fputc('\n', j->out);
  fflush(j->out);
}

static void escaped(FILE *out, unsigned char c) {
  static const char *const short_forms[] = {
      ['\b'] = "\\b", ['\f'] = "\\f", ['\n'] = "\\n", ['\r'] = "\\r",
      ['\t'] = "\\t", ['"'] = "\\\"", ['\\'] = "\\\\"};
  if (c < sizeof short_forms / sizeof *short_forms && short_forms[c])
    fputs(short_forms[c], out);
  else if (c < 0x20 || c == 0x7f)
    fprintf(out, "\\u%04x", c);
  else
    fputc(c, out);
}

static void quoted(FILE *out, const char *text, size_t size) {
  fputc('"', out);
  for (size_t i = 0; i < size; i++) escaped(out, (unsigned char)text[i]);
  fputc('"', out);
}

static void key_of(struct tl_json *j, const char *key, size_t size) {
  TL_ASSERT(j->depth && j->is_object[j->depth - 1] && !j->has_key);
  if (j->has_value[j->depth - 1]) fputc(',', j->out);
  j->has_key = true;
  quoted(j->out, key, size);
  fputc(':', j->out);
}

void tl_json_key(struct tl_json *j, const char *key) {
  key_of(j, key, strlen(key));
}

void tl_json_null(struct tl_json *j) {
  value_begin(j);
  fputs("null", j->out);
}

void tl_json_bool(struct tl_json *j, bool v) {
  value_begin(j);
  fputs(v ? "true" : "false", j->out);
}

void tl_json_uint(struct tl_json *j, uint64_t v) {
  value_begin(j);
  fprintf(j->out, "%" PRIu64, v);
}

void tl_json_int(struct tl_json *j, int64_t v) {
  value_begin(j);
  fprintf(j->out, "%" PRId64, v);
}

/* The shortest form that reads back as the same number. */
static void number_exact(FILE *out, double v) {
  char text[40];
  for (int precision = 15; precision <= 17; precision++) {
    snprintf(text, sizeof text, "%.*g", precision, v);
    if (strtod(text, NULL) == v) break;
  }
  fputs(text, out);
  if (!strpbrk(text, ".eE")) fputs(".0", out);
}

void tl_json_number(struct tl_json *j, double v, int digits) {
  if (!isfinite(v)) {
    tl_json_null(j);
    return;
  }
  value_begin(j);
  if (digits >= 17)
    number_exact(j->out, v);
  else
    fprintf(j->out, "%.*f", digits, v);
}

void tl_json_text_of(struct tl_json *j, const char *text, size_t size) {
  if (!tl_utf8_is_valid(text, size)) {
    tl_json_bytes(j, text, size);
    return;
  }
  value_begin(j);
  quoted(j->out, text, size);
}

void tl_json_text(struct tl_json *j, const char *text) {
  tl_json_text_of(j, text, strlen(text));
}

/* base64 in pieces of a multiple of three bytes, so that no piece but the last is padded. */
static void base64(FILE *out, const uint8_t *data, size_t size) {
  enum { PIECE = 3 * 256 };
  char text[TL_BASE64_SIZE(PIECE)];
  fputc('"', out);
  for (size_t at = 0; at < size; at += PIECE) {
    tl_base64_encode(data + at, size - at < PIECE ? size - at : PIECE, text);
    fputs(text, out);
  }
  fputc('"', out);
}

void tl_json_bytes(struct tl_json *j, const void *data, size_t size) {
  value_begin(j);
  fputs("{\"$b64\":", j->out);
  base64(j->out, data, size);
  fputc('}', j->out);
}

void tl_json_put_text(struct tl_json *j, const char *key, const char *text) {
  tl_json_key(j, key);
  if (text)
    tl_json_text(j, text);
  else
    tl_json_null(j);
}

void tl_json_put_uint(struct tl_json *j, const char *key, uint64_t v) {
  tl_json_key(j, key);
  tl_json_uint(j, v);
}

static void extension(struct tl_json *j, const struct tulle_value *v) {
  value_begin(j);
  fprintf(j->out, "{\"$ext\":%d,\"$b64\":", v->extension);
  base64(j->out, v->data, v->size);
  fputc('}', j->out);
}

/* A key of a msgpack map may be anything; whatever is no UTF-8 text stands as its JSON in quotes. */
static void value_key(struct tl_json *j, struct tulle_unpack *r) {
  struct tulle_unpack ahead = *r;
  struct tulle_value v = tulle_unpack_any(&ahead);
  if (v.type == TULLE_TEXT && tl_utf8_is_valid(v.data, v.size)) {
    *r = ahead;
    key_of(j, (const char *)v.data, v.size);
    return;
  }
  char *text = NULL;
  size_t size = 0;
  struct tl_json inner = tl_json_on(open_memstream(&text, &size));
  TL_ASSERT(inner.out);
  inner.depth = j->depth;
  memset(inner.is_object, 0, sizeof inner.is_object);
  memset(inner.has_value, 0, sizeof inner.has_value);
  tl_json_value(&inner, r);
  fclose(inner.out);
  key_of(j, text, size);
  free(text);
}

static void container(struct tl_json *j, struct tulle_unpack *r, size_t count, bool is_map) {
  nest(j, is_map);
  for (size_t i = 0; i < count && !r->failed; i++) {
    if (is_map) value_key(j, r);
    tl_json_value(j, r);
  }
  tl_json_end(j);
}

void tl_json_value(struct tl_json *j, struct tulle_unpack *r) {
  struct tulle_unpack before = *r;
  struct tulle_value v = tulle_unpack_any(r);
  bool is_container = v.type == TULLE_ARRAY || v.type == TULLE_MAP;
  if (is_container && j->depth + 1 >= TL_JSON_DEPTH_MAX) {
    *r = before;
    tulle_unpack_skip(r);
    tl_json_null(j);
    return;
  }
  switch (v.type) {
  case TULLE_NIL:
    tl_json_null(j);
    break;
  case TULLE_BOOL:
    tl_json_bool(j, v.boolean);
    break;
  case TULLE_UINT:
    tl_json_uint(j, v.u);
    break;
  case TULLE_INT:
    tl_json_int(j, v.i);
    break;
  case TULLE_DOUBLE:
    tl_json_number(j, v.d, 17);
    break;
  case TULLE_TEXT:
    tl_json_text_of(j, (const char *)v.data, v.size);
    break;
  case TULLE_BYTES:
    tl_json_bytes(j, v.data, v.size);
    break;
  case TULLE_ARRAY:
    container(j, r, v.count, false);
    break;
  case TULLE_MAP:
    container(j, r, v.count, true);
    break;
  case TULLE_EXTENSION:
    extension(j, &v);
    break;
  }
}
