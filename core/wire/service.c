#include "core/wire/service.h"

#include <string.h>

#include "core/text.h"

void tl_capability_encode(struct tulle_pack *w, const struct tl_capability_info *capability) {
  tulle_pack_map(w, 3);
  tulle_pack_text(w, "name"), tulle_pack_text(w, capability->name);
  tulle_pack_text(w, "version"), tulle_pack_uint(w, capability->version);
  tulle_pack_text(w, "attributes"), tulle_pack_text(w, capability->attributes);
}

void tl_fingerprint_encode(struct tulle_pack *w, bool has,
                           const uint8_t value[TL_FINGERPRINT_BYTES]) {
  tulle_pack_text(w, "fingerprint");
  if (has)
    tulle_pack_bytes(w, value, TL_FINGERPRINT_BYTES);
  else
    tulle_pack_nil(w);
}

void tl_service_encode(struct tulle_pack *w, const struct tl_service_info *info) {
  tulle_pack_text(w, "service"), tulle_pack_text(w, info->name);
  tulle_pack_text(w, "hidden"), tulle_pack_bool(w, info->is_hidden);
  tulle_pack_text(w, "capabilities"), tulle_pack_array(w, info->capability_count);
  for (size_t i = 0; i < info->capability_count; i++)
    tl_capability_encode(w, &info->capabilities[i]);
  tl_fingerprint_encode(w, info->has_interface, info->fingerprint);
}

/* An optional key: true, and the cursor at its value, if it is there and not nil. */
static bool find_optional(const struct tulle_unpack *map, const char *key,
                          struct tulle_unpack *out) {
  *out = tulle_unpack_key(map, key);
  struct tulle_unpack peek = *out;
  return !out->failed && tulle_unpack_any(&peek).type != TULLE_NIL;
}

int tl_fingerprint_decode(const struct tulle_unpack *map, bool *out_has,
                          uint8_t out[TL_FINGERPRINT_BYTES]) {
  struct tulle_unpack r;
  size_t size;
  *out_has = false;
  if (!find_optional(map, "fingerprint", &r)) return 0;
  const void *bytes = tulle_unpack_bytes(&r, &size);
  if (r.failed || size != TL_FINGERPRINT_BYTES) return TULLE_E_BAD_MESSAGE;
  memcpy(out, bytes, TL_FINGERPRINT_BYTES);
  *out_has = true;
  return 0;
}

static int capability_decode(struct tulle_unpack *map, struct tl_capability_info *out) {
  struct tulle_unpack r = tulle_unpack_key(map, "name");
  tulle_unpack_string(&r, out->name, sizeof out->name);
  if (r.failed) return TULLE_E_BAD_MESSAGE;
  if (find_optional(map, "version", &r)) {
    uint64_t version = tulle_unpack_uint(&r);
    if (r.failed || version > UINT32_MAX) return TULLE_E_BAD_MESSAGE;
    out->version = (uint32_t)version;
  }
  if (find_optional(map, "attributes", &r)) {
    tulle_unpack_string(&r, out->attributes, sizeof out->attributes);
    if (r.failed) return TULLE_E_BAD_MESSAGE;
  }
  tulle_unpack_skip(map);
  return tl_capability_is_valid(out->name, strlen(out->name)) ? 0 : TULLE_E_INVALID;
}

static int capabilities_decode(struct tulle_unpack *array, struct tl_service_info *out) {
  size_t count = tulle_unpack_array(array);
  if (array->failed) return TULLE_E_BAD_MESSAGE;
  if (count > TL_CAPABILITIES_MAX) return TULLE_E_LIMIT;
  for (size_t i = 0; i < count; i++) {
    int r = capability_decode(array, &out->capabilities[i]);
    if (r < 0) return r;
  }
  out->capability_count = count;
  return 0;
}

int tl_service_decode(const struct tulle_unpack *map, struct tl_service_info *out) {
  struct tl_service_info info = {0};
  struct tulle_unpack r = tulle_unpack_key(map, "service");
  tulle_unpack_string(&r, info.name, sizeof info.name);
  if (r.failed) return TULLE_E_BAD_MESSAGE;
  if (!tl_name_is_valid(info.name, strlen(info.name), TL_SERVICE_NAME_BYTES_MAX))
    return TULLE_E_INVALID;
  if (find_optional(map, "hidden", &r)) {
    info.is_hidden = tulle_unpack_bool(&r);
    if (r.failed) return TULLE_E_BAD_MESSAGE;
  }
  if (find_optional(map, "capabilities", &r)) {
    int result = capabilities_decode(&r, &info);
    if (result < 0) return result;
  }
  if (tl_fingerprint_decode(map, &info.has_interface, info.fingerprint) < 0)
    return TULLE_E_BAD_MESSAGE;
  *out = info;
  return 0;
}
