/*
 * The decoding half of include/tulle/typed.h.
 *
 * The bytes may change while they are read, because they may lie in memory that the sender can
 * write to. So nothing is fetched twice: a length is used as it was read, and text is judged on its
 * copy. A failed decoder has nothing left to read, so whatever is asked next fails as well and costs
 * nothing.
 */
#include "tulle/typed.h"

#include <endian.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/error.h"
#include "core/text.h"

#define BUDGET_BYTES         ((size_t)64 << 10)
#define BUDGET_BYTES_PER_ONE 32

#define NONE SIZE_MAX

void tulle_decode_begin(struct tulle_decoder *d, const void *data, size_t size,
                        struct tulle_memory *memory) {
  d->in = tulle_unpack_on(data, size);
  d->memory = memory;
  d->budget = BUDGET_BYTES + size * BUDGET_BYTES_PER_ONE;
  d->is_newer = d->in_place = false;
  d->status = 0;
  d->path_count = 0;
  d->why[0] = 0;
}

/* ---- what is wrong ---- */

static void enter_path(struct tulle_decoder *d, const char *name) {
  if (name && d->path_count < TULLE_DECODE_PATH_MAX) d->path[d->path_count++] = name;
}

void tulle_decode_refuse(struct tulle_decoder *d, const char *name, int code, const char *why,
                         ...) {
  if (d->status) return;
  va_list arguments;
  va_start(arguments, why);
  (void)vsnprintf(d->why, sizeof d->why, why, arguments);
  va_end(arguments);
  d->status = code;
  d->in.failed = true;
  d->in.at = d->in.end;
  enter_path(d, name);
}

static void refuse(struct tulle_decoder *d, const char *name, const char *why) {
  tulle_decode_refuse(d, name, TULLE_E_BAD_MESSAGE, "%s", why);
}

/* The next value is not what it should be, or there is none. */
static void refuse_type(struct tulle_decoder *d, const char *name, const char *wanted) {
  struct tulle_unpack next = d->in;
  (void)tulle_unpack_any(&next);
  if (d->in.at == d->in.end)
    refuse(d, name, "is missing");
  else if (next.failed)
    refuse(d, name, "ends too early");
  else
    tulle_decode_refuse(d, name, TULLE_E_BAD_MESSAGE, "is not %s", wanted);
}

void tulle_decode_explain(const struct tulle_decoder *d, const char *procedure, const char *kind,
                          char *out, size_t out_size) {
  unsigned inner = d->path_count ? d->path_count - 1 : 0;
  int n = d->path_count ? snprintf(out, out_size, "%s: %s '%s'", procedure, kind, d->path[inner])
                        : snprintf(out, out_size, "%s: the %s list", procedure, kind);
  for (unsigned i = inner; i > 0 && n >= 0 && (size_t)n < out_size; i--)
    n += snprintf(out + n, out_size - (size_t)n, "%s%s%s", i == inner ? ": member '" : ".",
                  d->path[i - 1], i == 1 ? "'" : "");
  if (n >= 0 && (size_t)n < out_size) (void)snprintf(out + n, out_size - (size_t)n, " %s", d->why);
}

/* ---- lengths ---- */

/* Reads 1, 2, 4 or 8 big-endian bytes, each once; the caller has looked that they are there. */
static inline uint64_t read_number(const unsigned char *p, size_t size) {
  uint16_t two;
  uint32_t four;
  uint64_t eight;
  switch (size) {
  case 1:
    return *p;
  case 2:
    memcpy(&two, p, sizeof two);
    return be16toh(two);
  case 4:
    memcpy(&four, p, sizeof four);
    return be32toh(four);
  default:
    memcpy(&eight, p, sizeof eight);
    return be64toh(eight);
  }
}

/* What kinds of values with a length look like; core/wire/unpack.c has all of msgpack. */
struct counted {
  unsigned fix, fix_count; /* short forms */
  unsigned tag8, tag16;    /* with 8 bits (0x100: none), 16 and behind it 32 */
};

static const struct counted text_form = {0xa0, 32, 0xd9, 0xda};
static const struct counted bytes_form = {0, 0, 0xc4, 0xc5};
static const struct counted array_form = {0x90, 16, 0x100, 0xdc};
static const struct counted map_form = {0x80, 16, 0x100, 0xde};

/* The length of the next value, which is passed; NONE: it is of another kind, and still there. */
static inline size_t read_length(struct tulle_decoder *d, const struct counted *form) {
  const unsigned char *p = d->in.at;
  size_t left = (size_t)(d->in.end - p);
  if (!left) return NONE;
  unsigned tag = *p;
  if (tag - form->fix < form->fix_count) {
    d->in.at = p + 1;
    return tag - form->fix;
  }
  size_t size = tag == form->tag8 ? 1 : tag == form->tag16 ? 2 : tag == form->tag16 + 1 ? 4 : 0;
  if (!size || size > left - 1) return NONE;
  d->in.at = p + 1 + size;
  return (size_t)read_number(p + 1, size);
}

static size_t bytes_left(const struct tulle_decoder *d) {
  return (size_t)(d->in.end - d->in.at);
}

/* ---- memory ---- */

static void *take(struct tulle_decoder *d, const char *name, size_t size, size_t align) {
  if (size > d->budget) {
    tulle_decode_refuse(d, name, TULLE_E_LIMIT, "takes more memory than its message allows");
    return NULL;
  }
  void *p = d->memory ? tulle_memory_take(d->memory, size, align) : NULL;
  if (!p) tulle_decode_refuse(d, name, TULLE_E_NO_MEMORY, "finds no memory");
  d->budget -= size;
  return p;
}

void *tulle_decode_take(struct tulle_decoder *d, const char *name, size_t size) {
  if (d->status) return NULL;
  void *p = take(d, name, size, alignof(max_align_t));
  if (p) memset(p, 0, size);
  return p;
}

/* ---- arrays of fields ---- */

static size_t read_fields(struct tulle_decoder *d, size_t needed, size_t known) {
  size_t count = read_length(d, &array_form);
  if (count == NONE)
    refuse_type(d, NULL, "an array");
  else if (count < needed)
    tulle_decode_refuse(d, NULL, TULLE_E_BAD_MESSAGE, "has %zu values of at least %zu", count,
                        needed);
  else if (count > known && !d->is_newer)
    tulle_decode_refuse(d, NULL, TULLE_E_BAD_MESSAGE, "has %zu values, of which %zu are known",
                        count, known);
  return d->status ? 0 : count;
}

size_t tulle_decode_struct(struct tulle_decoder *d, size_t needed, size_t known) {
  return d->status ? TULLE_DECODE_DEAD : read_fields(d, needed, known);
}

static void skip_unknown(struct tulle_decoder *d, const char *name, size_t count) {
  for (; count && !d->in.failed; count--) tulle_unpack_skip(&d->in);
  if (d->in.failed) refuse(d, name, "ends too early");
}

void tulle_decode_struct_end_(struct tulle_decoder *d, const char *name, size_t count,
                              size_t known) {
  if (count == TULLE_DECODE_DEAD) return; /* it failed before the struct began */
  if (d->status)
    enter_path(d, name);
  else
    skip_unknown(d, name, count - known);
}

void tulle_decode_union_end(struct tulle_decoder *d, const char *name, size_t count,
                            size_t wanted) {
  if (!d->status && count < wanted) refuse(d, NULL, "has no value");
  if (!d->status && count > wanted && !d->is_newer) refuse(d, NULL, "has a value too many");
  tulle_decode_struct_end(d, name, count, wanted);
}

size_t tulle_decode_values(struct tulle_decoder *d, size_t needed, size_t known) {
  if (d->in.at == d->in.end && !needed) return 0;
  return read_fields(d, needed, known);
}

int tulle_decode_values_end(struct tulle_decoder *d, size_t count, size_t known) {
  if (!d->status && count > known) skip_unknown(d, NULL, count - known);
  if (!d->status && d->in.at != d->in.end) refuse(d, NULL, "is followed by something else");
  return d->status;
}

int tulle_decode_nothing(struct tulle_decoder *d) {
  return tulle_decode_values_end(d, tulle_decode_values(d, 0, 0), 0);
}

void tulle_decode_skip(struct tulle_decoder *d) {
  skip_unknown(d, NULL, 1);
}

/* ---- numbers ---- */

/* An integer of any form: as much of it as 64 bits hold, and whether it is below zero. */
static bool read_integer(struct tulle_decoder *d, uint64_t *out, bool *out_is_negative) {
  const unsigned char *p = d->in.at;
  size_t left = bytes_left(d);
  if (!left) return false;
  unsigned tag = *p;
  bool is_signed = (tag & 0xfc) == 0xd0;
  size_t size = is_signed || (tag & 0xfc) == 0xcc ? (size_t)1 << (tag & 3) : 0;
  if (size > left - 1 || (!size && tag >= 0x80 && tag < 0xe0)) return false;
  unsigned shift = (unsigned)(64 - 8 * size);
  int64_t v = (int8_t)tag;
  if (size) v = (int64_t)(read_number(p + 1, size) << shift);
  if (is_signed)
    v >>= shift;
  else if (size)
    v = (int64_t)((uint64_t)v >> shift);
  d->in.at = p + 1 + size;
  *out = (uint64_t)v;
  *out_is_negative = v < 0 && (is_signed || !size);
  return true;
}

uint64_t tulle_decode_uint_(struct tulle_decoder *d, const char *name, uint64_t max) {
  uint64_t v;
  bool is_negative;
  if (!read_integer(d, &v, &is_negative)) {
    refuse_type(d, name, "an integer");
    return 0;
  }
  if (!is_negative && v <= max) return v;
  tulle_decode_refuse(d, name, TULLE_E_BAD_MESSAGE, "is not within 0 to %llu",
                      (unsigned long long)max);
  return 0;
}

int64_t tulle_decode_int(struct tulle_decoder *d, const char *name, int64_t min, int64_t max) {
  uint64_t v;
  bool is_negative;
  if (!read_integer(d, &v, &is_negative)) {
    refuse_type(d, name, "an integer");
    return 0;
  }
  bool is_within = is_negative ? (int64_t)v >= min && (int64_t)v <= max
                               : max >= 0 && v <= (uint64_t)max && (min < 0 || v >= (uint64_t)min);
  if (is_within) return (int64_t)v;
  tulle_decode_refuse(d, name, TULLE_E_BAD_MESSAGE, "is not within %lld to %lld", (long long)min,
                      (long long)max);
  return 0;
}

bool tulle_decode_bool(struct tulle_decoder *d, const char *name) {
  unsigned tag = d->in.at == d->in.end ? 0 : *d->in.at;
  if ((tag & 0xfe) == 0xc2) {
    d->in.at++;
    return tag & 1;
  }
  refuse_type(d, name, "a bool");
  return false;
}

static double read_float(struct tulle_decoder *d, const char *name, bool is_wide) {
  const unsigned char *p = d->in.at + 1;
  size_t size = is_wide ? 8 : 4;
  if (size > bytes_left(d) - 1) {
    refuse(d, name, "ends too early");
    return 0;
  }
  uint64_t bits = read_number(p, size);
  uint32_t narrow_bits = (uint32_t)bits;
  double wide;
  float narrow;
  memcpy(&wide, &bits, sizeof wide);
  memcpy(&narrow, &narrow_bits, sizeof narrow);
  d->in.at = p + size;
  return is_wide ? wide : (double)narrow;
}

double tulle_decode_double(struct tulle_decoder *d, const char *name) {
  uint64_t v;
  bool is_negative;
  unsigned tag = d->in.at == d->in.end ? 0 : *d->in.at;
  if (tag == 0xca || tag == 0xcb) return read_float(d, name, tag == 0xcb);
  if (read_integer(d, &v, &is_negative)) return is_negative ? (double)(int64_t)v : (double)v;
  refuse_type(d, name, "a number");
  return 0;
}

/* ---- text and bytes ---- */

/* The length of text or bytes that are all there; NONE after a refusal. */
static inline size_t read_data_length(struct tulle_decoder *d, const char *name,
                                      const struct counted *form, size_t bound,
                                      const char *wanted) {
  size_t size = read_length(d, form);
  if (tl_unlikely(size == NONE))
    refuse_type(d, name, wanted);
  else if (tl_unlikely(size > bytes_left(d)))
    refuse(d, name, "ends too early");
  else if (tl_unlikely(bound && size > bound))
    tulle_decode_refuse(d, name, TULLE_E_BAD_MESSAGE, "is longer than %zu bytes", bound);
  else
    return size;
  return NONE;
}

/* Most text is ASCII, and eight of its bytes are looked at at once. */
static bool is_plain_text(const char *text, size_t size) {
  const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
  size_t i = 0;
  uint64_t eight;
  for (; i + 8 <= size; i += 8) {
    memcpy(&eight, text + i, sizeof eight);
    if ((eight | (eight - ones)) & tops) return false; /* a zero byte borrows */
  }
  for (; i < size; i++)
    if ((unsigned char)(text[i] - 1) >= 0x7f) return false;
  return true;
}

static bool is_text(const char *text, size_t size) {
  if (tl_likely(is_plain_text(text, size))) return true;
  return !memchr(text, 0, size) && tl_utf8_is_valid(text, size);
}

const char *tulle_decode_text(struct tulle_decoder *d, const char *name, size_t bound) {
  size_t size = read_data_length(d, name, &text_form, bound, "text");
  if (tl_unlikely(size == NONE)) return NULL;
  char *text = take(d, name, size + 1, 1);
  if (!text) return NULL;
  memcpy(text, d->in.at, size);
  text[size] = 0;
  d->in.at += size;
  if (tl_likely(is_text(text, size))) return text;
  refuse(d, name, "is not UTF-8 without zero bytes");
  return NULL;
}

const void *tulle_decode_bytes(struct tulle_decoder *d, const char *name, size_t bound,
                               size_t *out_size) {
  *out_size = 0;
  size_t size = read_data_length(d, name, &bytes_form, bound, "bytes");
  if (tl_unlikely(size == NONE)) return NULL;
  const void *data = d->in.at;
  if (!d->in_place) {
    void *copy = take(d, name, size, 1);
    if (!copy) return NULL;
    memcpy(copy, data, size);
    data = copy;
  }
  d->in.at += size;
  *out_size = size;
  return data;
}

void tulle_decode_bytes_into(struct tulle_decoder *d, const char *name, void *out, size_t size) {
  size_t length = read_data_length(d, name, &bytes_form, 0, "bytes");
  if (length != NONE && length != size)
    tulle_decode_refuse(d, name, TULLE_E_BAD_MESSAGE, "has %zu bytes, not %zu", length, size);
  if (d->status) {
    memset(out, 0, size);
    return;
  }
  memcpy(out, d->in.at, size);
  d->in.at += size;
}

/* ---- lists, maps, arrays ---- */

/* Each of the `count` things takes at least `least` bytes. Nothing is taken before that is known. */
static void *take_elements(struct tulle_decoder *d, const char *name, size_t count, size_t least,
                           size_t bound, size_t size) {
  if (count > bytes_left(d) / least)
    refuse(d, name, "ends too early");
  else if (bound && count > bound)
    tulle_decode_refuse(d, name, TULLE_E_BAD_MESSAGE, "has more than %zu elements", bound);
  else if (count > d->budget / size)
    tulle_decode_refuse(d, name, TULLE_E_LIMIT, "takes more memory than its message allows");
  else
    return take(d, name, count * size, alignof(max_align_t));
  return NULL;
}

static void *decode_counted(struct tulle_decoder *d, const char *name, const struct counted *form,
                            size_t bound, size_t size, size_t *out_count) {
  bool is_map = form == &map_form;
  *out_count = 0;
  size_t count = read_length(d, form);
  if (count == NONE) {
    refuse_type(d, name, is_map ? "a map" : "an array");
    return NULL;
  }
  void *elements = take_elements(d, name, count, is_map ? 2 : 1, bound, size);
  if (elements) *out_count = count;
  return elements;
}

void *tulle_decode_list(struct tulle_decoder *d, const char *name, size_t bound, size_t size,
                        size_t *out_count) {
  return decode_counted(d, name, &array_form, bound, size, out_count);
}

void *tulle_decode_map(struct tulle_decoder *d, const char *name, size_t bound, size_t size,
                       size_t *out_count) {
  return decode_counted(d, name, &map_form, bound, size, out_count);
}

void tulle_decode_array(struct tulle_decoder *d, const char *name, size_t count) {
  size_t length = read_length(d, &array_form);
  if (length == NONE)
    refuse_type(d, name, "an array");
  else if (length != count)
    tulle_decode_refuse(d, name, TULLE_E_BAD_MESSAGE, "has %zu elements, not %zu", length, count);
}

/* ---- keys ---- */

/* Orders pairs by their keys; `key_size` points to the size, which is 0 for text. */
static int order_keys(const void *a, const void *b, void *key_size) {
  size_t size = *(const size_t *)key_size;
  if (size) return memcmp(a, b, size);
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int order_places(const void *a, const void *b, void *key_size) {
  return order_keys(*(const void *const *)a, *(const void *const *)b, key_size);
}

/* Where the sender's order says nothing, the keys are put in order: comparing each with each would
 * let a small message cost much. */
static bool are_unique_in_order(const unsigned char *pairs, size_t count, size_t size,
                                size_t *key_size, bool *out_is_unique) {
  const void **places = malloc(count * sizeof *places);
  if (!places) return false;
  for (size_t i = 0; i < count; i++) places[i] = pairs + i * size;
  qsort_r(places, count, sizeof *places, order_places, key_size);
  *out_is_unique = true;
  for (size_t i = 1; i < count; i++)
    if (order_keys(places[i - 1], places[i], key_size) == 0) *out_is_unique = false;
  free(places);
  return true;
}

void tulle_decode_unique(struct tulle_decoder *d, const char *name, const void *pairs, size_t count,
                         size_t size, size_t key_size) {
  if (d->status) return;
  const unsigned char *p = pairs;
  size_t sorted = 1;
  while (sorted < count && order_keys(p + (sorted - 1) * size, p + sorted * size, &key_size) < 0)
    sorted++;
  if (sorted >= count) return;
  bool is_unique;
  if (!are_unique_in_order(p, count, size, &key_size, &is_unique))
    tulle_decode_refuse(d, name, TULLE_E_NO_MEMORY, "finds no memory");
  else if (!is_unique)
    refuse(d, name, "has a key twice");
}
