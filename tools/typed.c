#include "tools/typed.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/schema/value.h"
#include "core/text.h"
#include "tulle/pack.h"

/* The longest head of a msgpack value. */
#define HEAD_BYTES 16

/* No more edits than these make a name near. */
#define NEAR_EDITS 2

struct typed {
  struct tl_buffer *out;
  char *why;
  tl_typed_raw *raw; /* of the outermost names alone */
  const void *context;
};

static int refuse(const struct typed *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static int refuse(const struct typed *t, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(t->why, TL_TYPED_TEXT_BYTES, format, args);
  va_end(args);
  return TULLE_E_INVALID;
}

/* ---- writing ---- */

typedef void pack_head(struct tulle_pack *w, size_t n);

static void pack_number(struct tulle_pack *w, size_t n) {
  tulle_pack_uint(w, n);
}

static int put_head(struct typed *t, pack_head *pack, size_t n) {
  uint8_t bytes[HEAD_BYTES];
  struct tulle_pack w = tulle_pack_on(bytes, sizeof bytes);
  pack(&w, n);
  return tl_buffer_append(t->out, bytes, tulle_pack_size(&w));
}

static int put_nil(struct typed *t) {
  return tl_buffer_append(t->out, "\xc0", 1);
}

static int put_text(struct typed *t, const void *text, size_t size, bool as_bytes) {
  int r = tl_buffer_reserve(t->out, size + HEAD_BYTES);
  if (r) return r;
  struct tulle_pack w = tulle_pack_on(t->out->data + t->out->size, size + HEAD_BYTES);
  if (as_bytes)
    tulle_pack_bytes(&w, text, size);
  else
    tulle_pack_text_of(&w, text, size);
  t->out->size += tulle_pack_size(&w);
  return 0;
}

/* The next value as it is. */
static int put_value(struct typed *t, struct tulle_unpack *r) {
  const unsigned char *begin = r->at;
  tulle_unpack_skip(r);
  if (r->failed) return refuse(t, "this is not msgpack");
  return tl_buffer_append(t->out, begin, (size_t)(r->at - begin));
}

static struct tulle_value peek(const struct tulle_unpack *r) {
  struct tulle_unpack ahead = *r;
  return tulle_unpack_any(&ahead);
}

/* ---- names ---- */

static const struct tl_schema_member *find(const struct tl_schema_members *members,
                                           unsigned directions, const char *name, size_t size) {
  for (const struct tl_schema_member *m = members->first; m; m = m->next)
    if ((!directions || m->direction & directions) && strlen(m->name) == size &&
        !memcmp(m->name, name, size))
      return m;
  return NULL;
}

/* Complains that `what` has no such name, with the nearest one. */
static int refuse_name(const struct typed *t, const char *what, const char *owner,
                       const struct tl_schema_members *members, unsigned directions,
                       const char *name, size_t size) {
  const char *near = NULL;
  unsigned best = NEAR_EDITS + 1;
  char text[TL_SCHEMA_NAME_BYTES_MAX + 1];
  snprintf(text, sizeof text, "%.*s", (int)(size < sizeof text ? size : sizeof text - 1), name);
  for (const struct tl_schema_member *m = members->first; m; m = m->next) {
    if (directions && !(m->direction & directions)) continue;
    unsigned edits = tl_text_distance(text, m->name);
    if (edits < best) best = edits, near = m->name;
  }
  if (near) return refuse(t, "'%s' has no %s '%s'; did you mean '%s'?", owner, what, text, near);
  return refuse(t, "'%s' has no %s '%s'", owner, what, text);
}

/* ---- named to wire ---- */

static int to_wire(struct typed *t, const struct tl_schema_type *type, struct tulle_unpack *r);

static int check_names(const struct typed *t, const char *what, const char *owner,
                       const struct tl_schema_members *members, unsigned directions,
                       struct tulle_unpack map) {
  for (size_t left = tulle_unpack_map(&map); left; left--) {
    size_t size;
    const char *name = tulle_unpack_text(&map, &size);
    if (!name || map.failed) return refuse(t, "'%s' is given by names, which are texts", owner);
    if (!find(members, directions, name, size))
      return refuse_name(t, what, owner, members, directions, name, size);
    tulle_unpack_skip(&map);
  }
  return 0;
}

static int refuse_missing(const struct typed *t, const char *owner, const char *what,
                          const struct tl_schema_member *m) {
  char type[128];
  tl_schema_write_type(m->type, type, sizeof type);
  return refuse(t, "'%s' wants the %s '%s', a %s", owner, what, m->name, type);
}

static int member_to_wire(struct typed *t, const char *owner, const char *what,
                          const struct tl_schema_member *m, const struct tulle_unpack *map,
                          tl_typed_raw *raw) {
  struct tulle_unpack value = tulle_unpack_key(map, m->name);
  if (value.failed) return m->is_optional ? put_nil(t) : refuse_missing(t, owner, what, m);
  const char *text = raw && m->type->kind == TL_SCHEMA_STRING ? raw(t->context, m->name) : NULL;
  if (text) return put_text(t, text, strlen(text), false);
  return to_wire(t, m->type, &value);
}

/* The map next in `r` as the array of `count` members. */
static int members_to_wire(struct typed *t, const char *owner, const char *what,
                           const struct tl_schema_members *members, unsigned directions,
                           size_t count, struct tulle_unpack *r, tl_typed_raw *raw) {
  int e = check_names(t, what, owner, members, directions, *r);
  if (!e) e = put_head(t, tulle_pack_array, count);
  for (const struct tl_schema_member *m = members->first; m && !e; m = m->next)
    if (!directions || m->direction & directions) e = member_to_wire(t, owner, what, m, r, raw);
  tulle_unpack_skip(r);
  return e;
}

/* Positions: each of those that came by its type; too few or too many is for the judge. */
static int positions_to_wire(struct typed *t, const struct tl_schema_members *members,
                             unsigned directions, struct tulle_unpack *r) {
  size_t count = tulle_unpack_array(r);
  int e = put_head(t, tulle_pack_array, count);
  const struct tl_schema_member *m = members->first;
  for (; !e && count; count--) {
    while (m && directions && !(m->direction & directions)) m = m->next;
    e = m ? to_wire(t, m->type, r) : put_value(t, r);
    if (m) m = m->next;
  }
  return e;
}

static int enum_to_wire(struct typed *t, const struct tl_schema_declaration *d,
                        struct tulle_unpack *r) {
  uint8_t bytes[HEAD_BYTES];
  struct tulle_pack w = tulle_pack_on(bytes, sizeof bytes);
  size_t size;
  const char *name = tulle_unpack_text(r, &size);
  const struct tl_schema_member *m = find(&d->members, 0, name, size);
  if (!m) return refuse_name(t, "value", d->name, &d->members, 0, name, size);
  tulle_pack_int(&w, m->number);
  return tl_buffer_append(t->out, bytes, tulle_pack_size(&w));
}

/* {"alternative": value}, or the name of one without a value. */
static int union_to_wire(struct typed *t, const struct tl_schema_declaration *d,
                         struct tulle_unpack *r) {
  bool is_map = peek(r).type == TULLE_MAP;
  size_t size;
  if (is_map && tulle_unpack_map(r) != 1)
    return refuse(t, "'%s' is exactly one of its alternatives", d->name);
  const char *name = tulle_unpack_text(r, &size);
  if (!name) return refuse(t, "'%s' is given by the name of an alternative", d->name);
  const struct tl_schema_member *m = find(&d->members, 0, name, size);
  if (!m) return refuse_name(t, "alternative", d->name, &d->members, 0, name, size);
  if (m->type && !is_map) return refuse_missing(t, d->name, "value of", m);
  int e = put_head(t, tulle_pack_array, m->type ? 2 : 1);
  if (!e) e = put_head(t, pack_number, (size_t)m->number);
  if (!e && m->type) return to_wire(t, m->type, r);
  if (is_map) tulle_unpack_skip(r);
  return e;
}

static int list_to_wire(struct typed *t, const struct tl_schema_type *type,
                        struct tulle_unpack *r) {
  size_t count = tulle_unpack_array(r);
  int e = put_head(t, tulle_pack_array, count);
  while (!e && count--) e = to_wire(t, type->element, r);
  return e;
}

/* JSON has texts as keys alone: one that is to be a number is read as one. */
static int key_to_wire(struct typed *t, const struct tl_schema_type *type, struct tulle_unpack *r) {
  struct tulle_value v = peek(r);
  char text[32], *end;
  bool is_number = type->kind >= TL_SCHEMA_U8 && type->kind <= TL_SCHEMA_I64;
  if (v.type != TULLE_TEXT || !is_number || v.size >= sizeof text) return to_wire(t, type, r);
  memcpy(text, v.data, v.size);
  text[v.size] = 0;
  uint8_t bytes[HEAD_BYTES];
  struct tulle_pack w = tulle_pack_on(bytes, sizeof bytes);
  if (text[0] == '-')
    tulle_pack_int(&w, strtoll(text, &end, 10));
  else
    tulle_pack_uint(&w, strtoull(text, &end, 10));
  if (!v.size || *end) return to_wire(t, type, r);
  tulle_unpack_skip(r);
  return tl_buffer_append(t->out, bytes, tulle_pack_size(&w));
}

static int map_to_wire(struct typed *t, const struct tl_schema_type *type, struct tulle_unpack *r) {
  size_t count = tulle_unpack_map(r);
  int e = put_head(t, tulle_pack_map, count);
  while (!e && count--) {
    e = key_to_wire(t, type->key, r);
    if (!e) e = to_wire(t, type->element, r);
  }
  return e;
}

static bool is_bytes(const struct tl_schema_type *type) {
  return type->kind == TL_SCHEMA_BYTES ||
         (type->kind == TL_SCHEMA_ARRAY && type->element->kind == TL_SCHEMA_U8);
}

static int to_wire(struct typed *t, const struct tl_schema_type *type, struct tulle_unpack *r) {
  const struct tl_schema_declaration *d = type->declaration;
  struct tulle_value v = peek(r);
  if (is_bytes(type) && v.type == TULLE_TEXT) {
    tulle_unpack_skip(r);
    return put_text(t, v.data, v.size, true);
  }
  if (type->kind == TL_SCHEMA_ENUM && v.type == TULLE_TEXT) return enum_to_wire(t, d, r);
  if (type->kind == TL_SCHEMA_UNION && (v.type == TULLE_TEXT || v.type == TULLE_MAP))
    return union_to_wire(t, d, r);
  if (type->kind == TL_SCHEMA_STRUCT && v.type == TULLE_MAP)
    return members_to_wire(t, d->name, "field", &d->members, 0, d->members.count, r, NULL);
  if (type->kind == TL_SCHEMA_STRUCT && v.type == TULLE_ARRAY)
    return positions_to_wire(t, &d->members, 0, r);
  if ((type->kind == TL_SCHEMA_LIST || type->kind == TL_SCHEMA_ARRAY) && v.type == TULLE_ARRAY)
    return list_to_wire(t, type, r);
  if (type->kind == TL_SCHEMA_MAP && v.type == TULLE_MAP) return map_to_wire(t, type, r);
  return put_value(t, r);
}

static int any_to_wire(struct typed *t, const struct tl_schema_procedure *p,
                       struct tulle_unpack *r) {
  const struct tl_schema_member *m = p->parameters.first;
  struct tulle_value v = peek(r);
  if (v.type == TULLE_MAP)
    return members_to_wire(t, p->name, "parameter", &p->parameters, TL_SCHEMA_IN, p->request_count,
                           r, t->raw);
  if (v.type == TULLE_ARRAY) return positions_to_wire(t, &p->parameters, TL_SCHEMA_IN, r);
  if (p->request_count != 1)
    return refuse(t, "'%s' has %zu parameters: give them by name", p->name, p->request_count);
  while (!(m->direction & TL_SCHEMA_IN)) m = m->next;
  int e = put_head(t, tulle_pack_array, 1);
  return e ? e : to_wire(t, m->type, r);
}

int tl_typed_arguments(const struct tl_schema_procedure *procedure, const void *data, size_t size,
                       tl_typed_raw *raw, const void *context, struct tl_buffer *out,
                       char why[TL_TYPED_TEXT_BYTES]) {
  struct typed t = {out, why, raw, context};
  struct tl_schema_fault fault;
  struct tulle_unpack r = size ? tulle_unpack_on(data, size) : tulle_unpack_on("\x80", 1);
  int e = any_to_wire(&t, procedure, &r);
  if (e) return e;
  if (!procedure->request_count && out->size == 1) out->size = 0; /* nothing at all */
  e = tl_schema_judge(procedure, TL_SCHEMA_IN, false, out->data, out->size, &fault);
  if (e == TULLE_E_UNSUPPORTED)
    refuse(&t, "'%s' takes references, which only a program can give", procedure->name);
  if (e != TULLE_E_BAD_MESSAGE) return e;
  return refuse(&t, "%s: %s", fault.place, fault.text);
}

/* ---- wire to named ---- */

static int to_named(struct typed *t, const struct tl_schema_type *type, struct tulle_unpack *r);

/* What is left out at the end is nil. */
static int members_to_named(struct typed *t, const struct tl_schema_members *members,
                            unsigned directions, size_t count, struct tulle_unpack *r) {
  size_t left = tulle_unpack_array(r);
  int e = put_head(t, tulle_pack_map, count);
  for (const struct tl_schema_member *m = members->first; m && !e; m = m->next) {
    if (directions && !(m->direction & directions)) continue;
    e = put_text(t, m->name, strlen(m->name), false);
    if (!e) e = left ? to_named(t, m->type, r) : put_nil(t);
    if (left) left--;
  }
  while (left--) tulle_unpack_skip(r);
  return e;
}

static const struct tl_schema_member *member_of_number(const struct tl_schema_members *members,
                                                       struct tulle_unpack r) {
  int64_t number = tulle_unpack_int(&r);
  for (const struct tl_schema_member *m = members->first; m && !r.failed; m = m->next)
    if (m->number == number) return m;
  return NULL;
}

static int union_to_named(struct typed *t, const struct tl_schema_declaration *d,
                          struct tulle_unpack *r) {
  struct tulle_unpack inside = *r;
  size_t count = tulle_unpack_array(&inside);
  const struct tl_schema_member *m = member_of_number(&d->members, inside);
  if (!m) return put_value(t, r); /* of a newer interface */
  tulle_unpack_skip(&inside);
  int e = put_head(t, tulle_pack_map, 1);
  if (!e) e = put_text(t, m->name, strlen(m->name), false);
  if (!e) e = m->type && count > 1 ? to_named(t, m->type, &inside) : put_nil(t);
  tulle_unpack_skip(r);
  return e;
}

static int list_to_named(struct typed *t, const struct tl_schema_type *type,
                         struct tulle_unpack *r) {
  bool is_map = type->kind == TL_SCHEMA_MAP;
  size_t count = is_map ? tulle_unpack_map(r) : tulle_unpack_array(r);
  int e = put_head(t, is_map ? tulle_pack_map : tulle_pack_array, count);
  while (!e && count--) {
    if (is_map) e = to_named(t, type->key, r);
    if (!e) e = to_named(t, type->element, r);
  }
  return e;
}

static int to_named(struct typed *t, const struct tl_schema_type *type, struct tulle_unpack *r) {
  const struct tl_schema_declaration *d = type->declaration;
  const struct tl_schema_member *m;
  if (peek(r).type == TULLE_NIL || is_bytes(type)) return put_value(t, r);
  switch (type->kind) {
  case TL_SCHEMA_ENUM:
    m = member_of_number(&d->members, *r);
    if (!m) return put_value(t, r);
    tulle_unpack_skip(r);
    return put_text(t, m->name, strlen(m->name), false);
  case TL_SCHEMA_STRUCT:
    return members_to_named(t, &d->members, 0, d->members.count, r);
  case TL_SCHEMA_UNION:
    return union_to_named(t, d, r);
  case TL_SCHEMA_LIST:
  case TL_SCHEMA_ARRAY:
  case TL_SCHEMA_MAP:
    return list_to_named(t, type, r);
  default:
    return put_value(t, r);
  }
}

int tl_typed_results(const struct tl_schema_procedure *procedure, const void *data, size_t size,
                     struct tl_buffer *out, char why[TL_TYPED_TEXT_BYTES]) {
  struct typed t = {.out = out, .why = why};
  struct tl_schema_fault fault;
  struct tulle_unpack r = size ? tulle_unpack_on(data, size) : tulle_unpack_on("\x90", 1);
  int e = tl_schema_judge(procedure, TL_SCHEMA_OUT, false, data, size, &fault);
  if (e == TULLE_E_BAD_MESSAGE) refuse(&t, "%s: %s", fault.place, fault.text);
  if (e == TULLE_E_UNSUPPORTED) refuse(&t, "there are references among the results");
  if (e) return e;
  return members_to_named(&t, &procedure->parameters, TL_SCHEMA_OUT, procedure->reply_count, &r);
}

const struct tl_schema_procedure *tl_typed_procedure(const struct tl_schema *schema,
                                                     const char *name, const char **out_near) {
  unsigned best = NEAR_EDITS + 1;
  *out_near = NULL;
  for (const struct tl_schema_procedure *p = schema->self.procedures.first; p; p = p->next) {
    unsigned edits = tl_text_distance(name, p->name);
    if (!edits) return p;
    if (edits < best) best = edits, *out_near = p->name;
  }
  return NULL;
}
