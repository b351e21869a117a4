/*
 * The reading half of include/tulle/pack.h: one function knows msgpack's type bytes, all others are
 * built on it.
 *
 * Depth needs no recursion: passing over a value is a count of values still owed.
 */
#include "tulle/pack.h"

#include "core/wire/msgpack.h"

static const unsigned char *take(struct tulle_unpack *r, size_t size) {
  if (r->failed || size > (size_t)(r->end - r->at)) {
    r->failed = true;
    return NULL;
  }
  const unsigned char *p = r->at;
  r->at += size;
  return p;
}

static uint64_t take_number(struct tulle_unpack *r, size_t size) {
  const unsigned char *p = take(r, size);
  uint64_t v = 0;
  for (size_t i = 0; p && i < size; i++) v = v << 8 | p[i];
  return v;
}

static int64_t sign_extend(uint64_t v, size_t size) {
  unsigned shift = (unsigned)(64 - 8 * size);
  return (int64_t)(v << shift) >> shift;
}

static void set_int(struct tulle_value *v, int64_t i) {
  v->type = i < 0 ? TULLE_INT : TULLE_UINT;
  v->i = i;
}

static void set_count(struct tulle_value *v, enum tulle_type type, size_t count) {
  v->type = type;
  v->count = count;
}

static void take_data(struct tulle_unpack *r, struct tulle_value *v, enum tulle_type type,
                      size_t size) {
  v->type = type;
  if (type == TULLE_EXTENSION) v->extension = (int8_t)take_number(r, 1);
  v->data = take(r, size);
  v->size = size;
}

static void take_float(struct tulle_unpack *r, struct tulle_value *v, size_t size) {
  uint64_t bits = take_number(r, size);
  v->type = TULLE_DOUBLE;
  if (size == 4) {
    float f;
    uint32_t bits32 = (uint32_t)bits;
    memcpy(&f, &bits32, sizeof f);
    v->d = (double)f;
  } else {
    memcpy(&v->d, &bits, sizeof v->d);
  }
}

/* Type bytes 0xc0 to 0xdf, which are followed by more. */
static void take_tagged(struct tulle_unpack *r, struct tulle_value *v, unsigned tag) {
  size_t size = (size_t)1 << (tag & 3);
  switch (tag) {
  case 0xc0:
    return;
  case 0xc2:
  case 0xc3:
    v->type = TULLE_BOOL, v->boolean = tag == 0xc3;
    return;
  case 0xc4:
  case 0xc5:
  case 0xc6:
    take_data(r, v, TULLE_BYTES, (size_t)take_number(r, size));
    return;
  case 0xc7:
  case 0xc8:
  case 0xc9:
    take_data(r, v, TULLE_EXTENSION, (size_t)take_number(r, (size_t)1 << (tag - 0xc7)));
    return;
  case 0xca:
    take_float(r, v, 4);
    return;
  case 0xcb:
    take_float(r, v, 8);
    return;
  case 0xcc:
  case 0xcd:
  case 0xce:
  case 0xcf:
    v->type = TULLE_UINT, v->u = take_number(r, size);
    return;
  case 0xd0:
  case 0xd1:
  case 0xd2:
  case 0xd3:
    set_int(v, sign_extend(take_number(r, size), size));
    return;
  case 0xd4:
  case 0xd5:
  case 0xd6:
  case 0xd7:
  case 0xd8:
    take_data(r, v, TULLE_EXTENSION, (size_t)1 << (tag - 0xd4));
    return;
  case 0xd9:
  case 0xda:
  case 0xdb:
    take_data(r, v, TULLE_TEXT, (size_t)take_number(r, (size_t)1 << (tag - 0xd9)));
    return;
  case 0xdc:
  case 0xdd:
    set_count(v, TULLE_ARRAY, (size_t)take_number(r, (size_t)2 << (tag - 0xdc)));
    return;
  case 0xde:
  case 0xdf:
    set_count(v, TULLE_MAP, (size_t)take_number(r, (size_t)2 << (tag - 0xde)));
    return;
  default:
    r->failed = true; /* 0xc1 is never used */
  }
}

/* Fills in `v` and never copies it: a copy made of the words just written waits for them to reach the
 * cache, which made this four times as long. */
static void read_value(struct tulle_unpack *r, struct tulle_value *v) {
  const unsigned char *p = take(r, 1);
  *v = (struct tulle_value){.type = TULLE_NIL};
  if (!p) return;
  if (*p < 0x80)
    set_int(v, *p);
  else if (*p < 0x90)
    set_count(v, TULLE_MAP, *p & 0x0f);
  else if (*p < 0xa0)
    set_count(v, TULLE_ARRAY, *p & 0x0f);
  else if (*p < 0xc0)
    take_data(r, v, TULLE_TEXT, *p & 0x1f);
  else if (*p < 0xe0)
    take_tagged(r, v, *p);
  else
    set_int(v, (int8_t)*p);
  if (r->failed) *v = (struct tulle_value){.type = TULLE_NIL};
}

struct tulle_value tulle_unpack_any(struct tulle_unpack *r) {
  struct tulle_value v;
  read_value(r, &v);
  return v;
}

/* How many further values `v` announces. */
static uint64_t values_owed(const struct tulle_value *v) {
  if (v->type == TULLE_ARRAY) return v->count;
  return v->type == TULLE_MAP ? 2 * (uint64_t)v->count : 0;
}

void tulle_unpack_skip(struct tulle_unpack *r) {
  for (uint64_t owed = 1; owed && !r->failed; owed--) {
    struct tulle_value v = tulle_unpack_any(r);
    owed += values_owed(&v);
  }
}

/* The next value if it is of `type`; else the cursor fails, and the value is zero. */
static const struct tulle_value *expect(struct tulle_unpack *r, enum tulle_type type,
                                        struct tulle_value *v) {
  read_value(r, v);
  if (v->type != type) r->failed = true;
  if (r->failed) *v = (struct tulle_value){.type = type};
  return v;
}

bool tulle_unpack_bool(struct tulle_unpack *r) {
  struct tulle_value v;
  return expect(r, TULLE_BOOL, &v)->boolean;
}
uint64_t tulle_unpack_uint(struct tulle_unpack *r) {
  struct tulle_value v;
  return expect(r, TULLE_UINT, &v)->u;
}
size_t tulle_unpack_array(struct tulle_unpack *r) {
  struct tulle_value v;
  return expect(r, TULLE_ARRAY, &v)->count;
}
size_t tulle_unpack_map(struct tulle_unpack *r) {
  struct tulle_value v;
  return expect(r, TULLE_MAP, &v)->count;
}

int64_t tulle_unpack_int(struct tulle_unpack *r) {
  struct tulle_value v = tulle_unpack_any(r);
  bool fits = v.type == TULLE_INT || (v.type == TULLE_UINT && v.u <= INT64_MAX);
  if (!fits) r->failed = true;
  return r->failed ? 0 : v.i;
}

double tulle_unpack_double(struct tulle_unpack *r) {
  struct tulle_value v = tulle_unpack_any(r);
  if (v.type == TULLE_UINT) return (double)v.u;
  if (v.type == TULLE_INT) return (double)v.i;
  if (v.type != TULLE_DOUBLE) r->failed = true;
  return r->failed ? 0 : v.d;
}

const char *tulle_unpack_text(struct tulle_unpack *r, size_t *out_size) {
  struct tulle_value v;
  *out_size = expect(r, TULLE_TEXT, &v)->size;
  return (const char *)v.data;
}

const void *tulle_unpack_bytes(struct tulle_unpack *r, size_t *out_size) {
  struct tulle_value v;
  *out_size = expect(r, TULLE_BYTES, &v)->size;
  return v.data;
}

void tulle_unpack_string(struct tulle_unpack *r, char *out, size_t out_size) {
  size_t size;
  const char *text = tulle_unpack_text(r, &size);
  out[0] = 0;
  if (!text) return;
  if (size >= out_size || memchr(text, 0, size)) {
    r->failed = true;
    return;
  }
  memcpy(out, text, size);
  out[size] = 0;
}

struct tulle_unpack tulle_unpack_key(const struct tulle_unpack *r, const char *key) {
  struct tulle_unpack c = *r;
  size_t wanted = strlen(key);
  for (size_t pairs = tulle_unpack_map(&c); pairs && !c.failed; pairs--) {
    struct tulle_unpack at = c;
    struct tulle_value v = tulle_unpack_any(&c);
    if (v.type == TULLE_TEXT && v.size == wanted && memcmp(v.data, key, wanted) == 0) return c;
    c = at;
    tulle_unpack_skip(&c);
    tulle_unpack_skip(&c);
  }
  c.failed = true;
  return c;
}

/*
 * The check knows the type bytes a second time, as a table: it runs for every call, twice, and needs
 * no values. tests/unit/wire/msgpack.c holds the two against each other.
 */
enum shape_kind { SHAPE_DATA, SHAPE_ARRAY, SHAPE_MAP, SHAPE_NEVER };

/* Of type bytes 0xc0 to 0xdf: how many bytes of count follow, how many bytes beside what is counted,
 * and what is counted. */
static const struct {
  uint8_t count_bytes, fixed_bytes, kind;
} shapes[32] = {
    {0, 0, SHAPE_DATA},  {0, 0, SHAPE_NEVER}, {0, 0, SHAPE_DATA}, {0, 0, SHAPE_DATA},
    {1, 0, SHAPE_DATA},  {2, 0, SHAPE_DATA},  {4, 0, SHAPE_DATA}, {1, 1, SHAPE_DATA},
    {2, 1, SHAPE_DATA},  {4, 1, SHAPE_DATA},  {0, 4, SHAPE_DATA}, {0, 8, SHAPE_DATA},
    {0, 1, SHAPE_DATA},  {0, 2, SHAPE_DATA},  {0, 4, SHAPE_DATA}, {0, 8, SHAPE_DATA},
    {0, 1, SHAPE_DATA},  {0, 2, SHAPE_DATA},  {0, 4, SHAPE_DATA}, {0, 8, SHAPE_DATA},
    {0, 2, SHAPE_DATA},  {0, 3, SHAPE_DATA},  {0, 5, SHAPE_DATA}, {0, 9, SHAPE_DATA},
    {0, 17, SHAPE_DATA}, {1, 0, SHAPE_DATA},  {2, 0, SHAPE_DATA}, {4, 0, SHAPE_DATA},
    {2, 0, SHAPE_ARRAY}, {4, 0, SHAPE_ARRAY}, {2, 0, SHAPE_MAP},  {4, 0, SHAPE_MAP},
};

/* Passes over one value, or the header of an array or map, at *at, and says how many values that
 * announces. False: it does not fit before `end`, or is none. */
static inline bool pass_value(const uint8_t **at, const uint8_t *end, uint64_t *out_inside) {
  const uint8_t *p = *at;
  if (p == end) return false;
  unsigned tag = *p++;
  uint64_t count = 0, skip = 0;
  unsigned kind = SHAPE_DATA;
  if (tag < 0x80 || tag >= 0xe0) {
    /* all in the type byte */
  } else if (tag < 0xa0) {
    kind = tag < 0x90 ? SHAPE_MAP : SHAPE_ARRAY;
    count = tag & 0x0f;
  } else if (tag < 0xc0) {
    skip = tag & 0x1f;
  } else {
    unsigned i = tag - 0xc0, n = shapes[i].count_bytes;
    kind = shapes[i].kind;
    if (n > (size_t)(end - p) || kind == SHAPE_NEVER) return false;
    while (n--) count = count << 8 | *p++;
    skip = shapes[i].fixed_bytes;
    if (kind == SHAPE_DATA) skip += count;
  }
  if (skip > (size_t)(end - p)) return false;
  *at = p + skip;
  *out_inside = kind == SHAPE_DATA ? 0 : kind == SHAPE_ARRAY ? count : 2 * count;
  return true;
}

/* What is inside the first value, and its own insides. Apart from what needs no memory, which most
 * arguments and results come to. */
__attribute__((noinline)) static int check_inside(const uint8_t *at, const uint8_t *end,
                                                  uint64_t inside) {
  uint64_t owed[TL_MSGPACK_DEPTH_MAX + 1]; /* values still to come, per level */
  size_t depth = 1;
  owed[0] = 1;
  owed[1] = inside;
  for (unsigned objects = 1; owed[0];) {
    /* Every value takes a byte. */
    if (!pass_value(&at, end, &inside) || inside > (size_t)(end - at)) return TULLE_E_BAD_MESSAGE;
    if (++objects > TL_MSGPACK_OBJECTS_MAX) return TULLE_E_LIMIT;
    if (inside && depth == TL_MSGPACK_DEPTH_MAX) return TULLE_E_LIMIT;
    if (inside) {
      owed[++depth] = inside;
      continue;
    }
    while (--owed[depth] == 0 && depth) depth--;
  }
  return at == end ? 0 : TULLE_E_BAD_MESSAGE;
}

int tl_msgpack_check(const void *data, size_t size) {
  const uint8_t *at = data, *end = at + size;
  uint64_t inside;
  if (!pass_value(&at, end, &inside) || inside > (size_t)(end - at)) return TULLE_E_BAD_MESSAGE;
  if (inside) return check_inside(at, end, inside);
  return at == end ? 0 : TULLE_E_BAD_MESSAGE;
}
