#include "core/schema/value.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/schema/words.h"
#include "core/text.h"
#include "tulle/pack.h"

struct judge {
  struct tulle_unpack reader;
  bool is_newer;
  struct tl_schema_fault *fault;
  char place[TL_SCHEMA_FAULT_BYTES_MAX];
  size_t place_size;
};

/* ---- saying what is wrong ---- */

__attribute__((format(printf, 2, 3))) static int fail(struct judge *j, const char *format, ...) {
  va_list arguments;
  memcpy(j->fault->place, j->place, j->place_size);
  j->fault->place[j->place_size] = 0;
  va_start(arguments, format);
  vsnprintf(j->fault->text, sizeof j->fault->text, format, arguments);
  va_end(arguments);
  return TULLE_E_BAD_MESSAGE;
}

/* Goes into a part; returns what leave() takes back. A place that is too long keeps its beginning. */
__attribute__((format(printf, 2, 3))) static size_t enter(struct judge *j, const char *format,
                                                          ...) {
  size_t before = j->place_size, room = sizeof j->place - before;
  va_list arguments;
  va_start(arguments, format);
  int n = vsnprintf(j->place + before, room, format, arguments);
  va_end(arguments);
  j->place_size = n < 0 ? before : (size_t)n < room ? before + (size_t)n : sizeof j->place - 1;
  return before;
}

static void leave(struct judge *j, size_t before) {
  j->place_size = before;
}

static const char *text_of(enum tulle_type type) {
  static const char *const texts[] = {
      [TULLE_NIL] = "nil",         [TULLE_BOOL] = "a bool",
      [TULLE_UINT] = "an integer", [TULLE_INT] = "a negative integer",
      [TULLE_DOUBLE] = "a float",  [TULLE_TEXT] = "text",
      [TULLE_BYTES] = "bytes",     [TULLE_ARRAY] = "an array",
      [TULLE_MAP] = "a map",       [TULLE_EXTENSION] = "an extension"};
  return texts[type];
}

static int wants(struct judge *j, const char *what, const struct tulle_value *v) {
  if (j->reader.failed) return fail(j, "it ends where %s is wanted", what);
  return fail(j, "%s is wanted, here is %s", what, text_of(v->type));
}

/* ---- scalars ---- */

static const struct {
  int64_t least;
  uint64_t most;
} ranges[] = {
    [TL_SCHEMA_U8] = {0, UINT8_MAX},          [TL_SCHEMA_U16] = {0, UINT16_MAX},
    [TL_SCHEMA_U32] = {0, UINT32_MAX},        [TL_SCHEMA_U64] = {0, UINT64_MAX},
    [TL_SCHEMA_I8] = {INT8_MIN, INT8_MAX},    [TL_SCHEMA_I16] = {INT16_MIN, INT16_MAX},
    [TL_SCHEMA_I32] = {INT32_MIN, INT32_MAX}, [TL_SCHEMA_I64] = {INT64_MIN, INT64_MAX},
};

static int judge_integer(struct judge *j, enum tl_schema_kind kind, const struct tulle_value *v) {
  if (v->type == TULLE_UINT && v->u > ranges[kind].most)
    return fail(j, "%" PRIu64 " is beyond %s, which ends at %" PRIu64, v->u,
                tl_schema_kind_text(kind), ranges[kind].most);
  if (v->type == TULLE_INT && v->i < ranges[kind].least)
    return fail(j, "%" PRId64 " is below %s, which begins at %" PRId64, v->i,
                tl_schema_kind_text(kind), ranges[kind].least);
  bool is_right = v->type == TULLE_UINT || v->type == TULLE_INT;
  return is_right ? 0 : wants(j, tl_schema_kind_text(kind), v);
}

static int judge_enum(struct judge *j, const struct tl_schema_declaration *d,
                      const struct tulle_value *v) {
  int r = judge_integer(j, TL_SCHEMA_I32, v);
  if (r || d->is_open) return r;
  for (const struct tl_schema_member *m = d->members.first; m; m = m->next)
    if (m->number == v->i) return 0;
  return fail(j, "%" PRId64 " is no value of %s", v->i, d->name);
}

static int judge_size(struct judge *j, const struct tl_schema_type *t, size_t size,
                      const char *unit) {
  if (t->kind == TL_SCHEMA_ARRAY && size != t->bound)
    return fail(j, "%zu %s, exactly %u are wanted", size, unit, t->bound);
  if (t->bound && size > t->bound)
    return fail(j, "%zu %s, at most %u are allowed", size, unit, t->bound);
  return 0;
}

static int judge_string(struct judge *j, const struct tl_schema_type *t,
                        const struct tulle_value *v) {
  if (v->type != TULLE_TEXT) return wants(j, "a string", v);
  if (v->size && memchr(v->data, 0, v->size)) return fail(j, "a string cannot hold a zero byte");
  if (!tl_utf8_is_valid(v->data, v->size)) return fail(j, "a string is UTF-8, this is not");
  return judge_size(j, t, v->size, "bytes");
}

static int judge_bytes(struct judge *j, const struct tl_schema_type *t,
                       const struct tulle_value *v) {
  if (v->type != TULLE_BYTES) return wants(j, "bytes", v);
  return judge_size(j, t, v->size, "bytes");
}

static bool is_float(const struct tulle_value *v) {
  return v->type == TULLE_DOUBLE || v->type == TULLE_UINT || v->type == TULLE_INT;
}

/* ---- what holds others ---- */

static int judge_value(struct judge *j, const struct tl_schema_type *t, struct tulle_value v);

static int judge_next(struct judge *j, const struct tl_schema_type *t) {
  struct tulle_value v = tulle_unpack_any(&j->reader);
  return judge_value(j, t, v);
}

static int judge_elements(struct judge *j, const struct tl_schema_type *t,
                          const struct tulle_value *v) {
  if (v->type != TULLE_ARRAY) return wants(j, tl_schema_kind_text(t->kind), v);
  int r = judge_size(j, t, v->count, "elements");
  for (size_t i = 0; i < v->count && !r; i++) {
    size_t before = enter(j, "[%zu]", i);
    r = judge_next(j, t->element);
    leave(j, before);
  }
  return r;
}

/* Keys are compared as what they mean, whatever form of msgpack they have. */
static int by_key(const void *a, const void *b) {
  const struct tulle_value *p = a, *q = b;
  if (p->type != q->type) return p->type < q->type ? -1 : 1;
  if (p->type != TULLE_TEXT) {
    uint64_t x = p->type == TULLE_BOOL ? p->boolean : p->u,
             y = q->type == TULLE_BOOL ? q->boolean : q->u;
    return x < y ? -1 : x > y;
  }
  size_t shorter = p->size < q->size ? p->size : q->size;
  int order = shorter ? memcmp(p->data, q->data, shorter) : 0;
  return order ? order : p->size < q->size ? -1 : p->size > q->size;
}

static int judge_keys(struct judge *j, struct tulle_value *keys, size_t count) {
  qsort(keys, count, sizeof *keys, by_key);
  for (size_t i = 1; i < count; i++)
    if (!by_key(&keys[i - 1], &keys[i])) return fail(j, "a key comes twice");
  return 0;
}

static int judge_pairs(struct judge *j, const struct tl_schema_type *t, struct tulle_value *keys,
                       size_t count) {
  int r = 0;
  for (size_t i = 0; i < count && !r; i++) {
    size_t before = enter(j, "{%zu}", i);
    keys[i] = tulle_unpack_any(&j->reader);
    r = judge_value(j, t->key, keys[i]);
    if (!r) r = judge_next(j, t->element);
    leave(j, before);
  }
  return r ? r : judge_keys(j, keys, count);
}

static int judge_map(struct judge *j, const struct tl_schema_type *t, const struct tulle_value *v) {
  if (v->type != TULLE_MAP) return wants(j, "a map", v);
  int r = judge_size(j, t, v->count, "pairs");
  if (r) return r;
  /* A pair has two bytes at least: what is claimed beyond that is not there. */
  if (v->count > (size_t)(j->reader.end - j->reader.at) / 2)
    return fail(j, "it ends before its %zu pairs do", v->count);
  struct tulle_value *keys = malloc(v->count * sizeof *keys + 1);
  if (!keys) return TULLE_E_NO_MEMORY;
  r = judge_pairs(j, t, keys, v->count);
  free(keys);
  return r;
}

/* The members of `list` that travel on `side` (0: all), in an array of `count`. */
static int judge_sequence(struct judge *j, const struct tl_schema_members *list,
                          enum tl_schema_direction side, size_t count) {
  size_t outer = j->place_size;
  int r = 0;
  for (const struct tl_schema_member *m = list->first; m && !r; m = m->next) {
    if (side && !(m->direction & side)) continue;
    size_t before = enter(j, "%s%s", outer ? "." : "", m->name);
    if (count) {
      struct tulle_value v = tulle_unpack_any(&j->reader);
      bool is_absent = m->is_optional && v.type == TULLE_NIL && !j->reader.failed;
      r = is_absent ? 0 : judge_value(j, m->type, v);
      count--;
    } else if (!m->is_optional) {
      r = fail(j, "it is missing");
    }
    leave(j, before);
  }
  if (!r && count && !j->is_newer) return fail(j, "%zu more than declared", count);
  for (; !r && count && !j->reader.failed; count--) tulle_unpack_skip(&j->reader);
  return !r && j->reader.failed ? fail(j, "it ends too early") : r;
}

static int judge_struct(struct judge *j, const struct tl_schema_declaration *d,
                        const struct tulle_value *v) {
  if (v->type != TULLE_ARRAY) return wants(j, "the array of a struct", v);
  return judge_sequence(j, &d->members, 0, v->count);
}

static int judge_union(struct judge *j, const struct tl_schema_declaration *d,
                       const struct tulle_value *v) {
  if (v->type != TULLE_ARRAY || v->count < 1 || v->count > 2)
    return fail(j, "an array of a number and a value is wanted");
  uint64_t number = tulle_unpack_uint(&j->reader);
  if (j->reader.failed) return fail(j, "the number of an alternative is wanted");
  const struct tl_schema_member *m = d->members.first;
  while (m && (uint64_t)m->number != number) m = m->next;
  if (!m && d->is_open && j->is_newer) {
    if (v->count == 2) tulle_unpack_skip(&j->reader);
    return j->reader.failed ? fail(j, "it ends too early") : 0;
  }
  if (!m) return fail(j, "%" PRIu64 " is no alternative of %s", number, d->name);
  if (v->count != (m->type ? 2 : 1))
    return fail(j, "'%s' has %s value", m->name, m->type ? "a" : "no");
  if (!m->type) return 0;
  size_t before = enter(j, "%s%s", j->place_size ? "." : "", m->name);
  int r = judge_next(j, m->type);
  leave(j, before);
  return r;
}

static int judge_value(struct judge *j, const struct tl_schema_type *t, struct tulle_value v) {
  if (j->reader.failed) return wants(j, tl_schema_kind_text(t->kind), &v);
  switch (t->kind) {
  case TL_SCHEMA_BOOL:
    return v.type == TULLE_BOOL ? 0 : wants(j, "a bool", &v);
  case TL_SCHEMA_F32:
  case TL_SCHEMA_F64:
    return is_float(&v) ? 0 : wants(j, tl_schema_kind_text(t->kind), &v);
  case TL_SCHEMA_STRING:
    return judge_string(j, t, &v);
  case TL_SCHEMA_BYTES:
    return judge_bytes(j, t, &v);
  case TL_SCHEMA_ARRAY:
    return t->element->kind == TL_SCHEMA_U8 ? judge_bytes(j, t, &v) : judge_elements(j, t, &v);
  case TL_SCHEMA_LIST:
    return judge_elements(j, t, &v);
  case TL_SCHEMA_MAP:
    return judge_map(j, t, &v);
  case TL_SCHEMA_ENUM:
    return judge_enum(j, t->declaration, &v);
  case TL_SCHEMA_STRUCT:
    return judge_struct(j, t->declaration, &v);
  case TL_SCHEMA_UNION:
    return judge_union(j, t->declaration, &v);
  case TL_SCHEMA_OBJECT:
  case TL_SCHEMA_CALLBACK:
    return TULLE_E_UNSUPPORTED;
  default:
    return judge_integer(j, t->kind, &v);
  }
}

int tl_schema_judge(const struct tl_schema_procedure *procedure, enum tl_schema_direction side,
                    bool is_newer, const void *data, size_t size, struct tl_schema_fault *out) {
  struct judge j = {.reader = tulle_unpack_on(data, size), .is_newer = is_newer, .fault = out};
  if (!size) return judge_sequence(&j, &procedure->parameters, side, 0);
  struct tulle_value v = tulle_unpack_any(&j.reader);
  if (v.type != TULLE_ARRAY) return wants(&j, "an array", &v);
  int r = judge_sequence(&j, &procedure->parameters, side, v.count);
  if (!r && j.reader.at != j.reader.end) return fail(&j, "there is more behind it");
  return r;
}
