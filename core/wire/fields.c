#include "core/wire/fields.h"

#include <string.h>

static uint64_t load_uint(const void *p, size_t size) {
  uint64_t u64 = 0;
  uint32_t u32;
  uint16_t u16;
  switch (size) {
  case sizeof u16:
    memcpy(&u16, p, sizeof u16);
    return u16;
  case sizeof u32:
    memcpy(&u32, p, sizeof u32);
    return u32;
  default:
    memcpy(&u64, p, sizeof u64);
    return u64;
  }
}

static void store_uint(void *p, size_t size, uint64_t v) {
  uint32_t u32 = (uint32_t)v;
  uint16_t u16 = (uint16_t)v;
  switch (size) {
  case sizeof u16:
    memcpy(p, &u16, sizeof u16);
    break;
  case sizeof u32:
    memcpy(p, &u32, sizeof u32);
    break;
  default:
    memcpy(p, &v, sizeof v);
  }
}

static void encode_field(struct tulle_pack *w, const struct tl_field *f, const void *p) {
  int32_t i32;
  bool boolean;
  switch (f->kind) {
  case TL_FIELD_U16:
  case TL_FIELD_U32:
  case TL_FIELD_U64:
    tulle_pack_uint(w, load_uint(p, f->size));
    break;
  case TL_FIELD_I32:
    memcpy(&i32, p, sizeof i32), tulle_pack_int(w, i32);
    break;
  case TL_FIELD_BOOL:
    memcpy(&boolean, p, sizeof boolean), tulle_pack_bool(w, boolean);
    break;
  case TL_FIELD_STRING:
    tulle_pack_text_of(w, p, strnlen(p, f->size - 1));
    break;
  case TL_FIELD_BYTES:
    tulle_pack_bytes(w, p, f->size);
    break;
  }
}

void tl_fields_encode(struct tulle_pack *w, const struct tl_field *fields, uint32_t set,
                      const void *structure) {
  for (; set; set &= set - 1) {
    const struct tl_field *f = &fields[__builtin_ctz(set)];
    tulle_pack_text(w, f->key);
    encode_field(w, f, (const char *)structure + f->offset);
  }
}

static void decode_uint(struct tulle_unpack *r, const struct tl_field *f, void *p) {
  uint64_t v = tulle_unpack_uint(r);
  if (f->size < sizeof v && v >> (8 * f->size)) r->failed = true;
  if (!r->failed) store_uint(p, f->size, v);
}

static void decode_int(struct tulle_unpack *r, void *p) {
  int64_t v = tulle_unpack_int(r);
  if (v < INT32_MIN || v > INT32_MAX) r->failed = true;
  if (!r->failed) store_uint(p, sizeof(int32_t), (uint64_t)v);
}

static void decode_bytes(struct tulle_unpack *r, const struct tl_field *f, void *p) {
  size_t size;
  const void *data = tulle_unpack_bytes(r, &size);
  if (size != f->size) r->failed = true;
  if (!r->failed) memcpy(p, data, size);
}

static void decode_field(struct tulle_unpack *r, const struct tl_field *f, void *p) {
  bool boolean;
  switch (f->kind) {
  case TL_FIELD_U16:
  case TL_FIELD_U32:
  case TL_FIELD_U64:
    decode_uint(r, f, p);
    break;
  case TL_FIELD_I32:
    decode_int(r, p);
    break;
  case TL_FIELD_BOOL:
    boolean = tulle_unpack_bool(r), memcpy(p, &boolean, sizeof boolean);
    break;
  case TL_FIELD_STRING:
    tulle_unpack_string(r, p, f->size);
    break;
  case TL_FIELD_BYTES:
    decode_bytes(r, f, p);
    break;
  }
}

void tl_fields_decode(struct tulle_unpack *map, const struct tl_field *fields, uint32_t set,
                      void *structure) {
  for (; set && !map->failed; set &= set - 1) {
    const struct tl_field *f = &fields[__builtin_ctz(set)];
    struct tulle_unpack value = tulle_unpack_key(map, f->key);
    decode_field(&value, f, (char *)structure + f->offset);
    map->failed = value.failed;
  }
}
