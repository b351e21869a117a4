/*
 * The TXT record. Values are text in a byte format, so each is copied with a zero before it is
 * parsed; a zero inside is refused, or the rest of the string would be overlooked.
 */
#include "discovery/advert.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "core/error.h"

#define VALUE_BYTES_MAX 32

/* The keys, each a bit in what has been seen. */
enum { KEY_VERSION = 1, KEY_TAG = 2, KEY_ID = 4, KEY_GENERATION = 8, KEY_BOOT = 16, KEYS_ALL = 31 };

static void put_string(struct tl_writer *w, char key, const char *value) {
  size_t n = strlen(value);
  tl_write_u8(w, (uint8_t)(n + 2));
  tl_write_u8(w, (uint8_t)key);
  tl_write_u8(w, '=');
  tl_write_bytes(w, value, n);
}

size_t tl_advert_encode(const struct tl_advert *advert, uint8_t out[TL_ADVERT_TXT_BYTES_MAX]) {
  struct tl_writer w = tl_writer_on(out, TL_ADVERT_TXT_BYTES_MAX);
  char text[VALUE_BYTES_MAX];
  snprintf(text, sizeof text, "%u", advert->version);
  put_string(&w, 'v', text);
  tl_hex_encode(advert->tag, sizeof advert->tag, text);
  put_string(&w, 'f', text);
  tl_advert_name(advert->id, text);
  put_string(&w, 'n', text);
  snprintf(text, sizeof text, "%" PRIu64, advert->generation);
  put_string(&w, 'g', text);
  snprintf(text, sizeof text, "%016" PRIx64, advert->boot);
  put_string(&w, 'b', text);
  TL_ASSERT(!w.failed);
  return tl_writer_size(&w);
}

void tl_advert_name(const uint8_t id[TL_DISCOVERY_ID_SIZE], char out[TL_ADVERT_NAME_SIZE]) {
  tl_base32_encode(id, TL_DISCOVERY_ID_SIZE, out);
}

int tl_advert_name_decode(const char *name, uint8_t out_id[TL_DISCOVERY_ID_SIZE]) {
  uint8_t id[TL_DISCOVERY_ID_SIZE];
  size_t length = strlen(name);
  for (size_t i = 0; i < length; i++)
    if (name[i] >= 'A' && name[i] <= 'Z') return TULLE_E_BAD_MESSAGE;
  if (tl_base32_decode(name, length, id, sizeof id) != (int)sizeof id) return TULLE_E_BAD_MESSAGE;
  memcpy(out_id, id, sizeof id);
  return 0;
}

static bool number_of(const char *text, uint64_t max, uint64_t *out) {
  uint64_t v = 0;
  if (!*text) return false;
  for (; *text; text++) {
    if (*text < '0' || *text > '9') return false;
    uint64_t digit = (uint64_t)(*text - '0');
    if (v > (max - digit) / 10) return false;
    v = v * 10 + digit;
  }
  *out = v;
  return true;
}

static bool boot_of(const char *text, uint64_t *out) {
  uint8_t bytes[8];
  if (tl_hex_decode(text, strlen(text), bytes, sizeof bytes) != (int)sizeof bytes) return false;
  *out = 0;
  for (size_t i = 0; i < sizeof bytes; i++) *out = *out << 8 | bytes[i];
  return true;
}

static bool tag_of(const char *text, uint8_t out[TL_DISCOVERY_TAG_SIZE]) {
  return tl_hex_decode(text, strlen(text), out, TL_DISCOVERY_TAG_SIZE) == TL_DISCOVERY_TAG_SIZE;
}

static bool version_of(const char *text, uint16_t *out) {
  uint64_t v;
  if (!number_of(text, UINT16_MAX, &v) || !v) return false;
  *out = (uint16_t)v;
  return true;
}

static unsigned key_bit(uint8_t key) {
  switch (key) {
  case 'v':
    return KEY_VERSION;
  case 'f':
    return KEY_TAG;
  case 'n':
    return KEY_ID;
  case 'g':
    return KEY_GENERATION;
  case 'b':
    return KEY_BOOT;
  }
  return 0;
}

static bool take_value(struct tl_advert *a, unsigned key, const char *value) {
  switch (key) {
  case KEY_VERSION:
    return version_of(value, &a->version);
  case KEY_TAG:
    return tag_of(value, a->tag);
  case KEY_ID:
    return tl_advert_name_decode(value, a->id) == 0;
  case KEY_GENERATION:
    return number_of(value, UINT64_MAX, &a->generation);
  case KEY_BOOT:
    return boot_of(value, &a->boot);
  }
  return false;
}

/* One string of the record; unknown and repeated keys are skipped. */
static bool take_string(struct tl_advert *a, unsigned *seen, const uint8_t *string, size_t size) {
  char value[VALUE_BYTES_MAX];
  unsigned key = size >= 2 && string[1] == '=' ? key_bit(string[0]) : 0;
  if (!key || (*seen & key)) return true;
  if (size - 2 >= sizeof value || memchr(string, 0, size)) return false;
  memcpy(value, string + 2, size - 2);
  value[size - 2] = 0;
  *seen |= key;
  return take_value(a, key, value);
}

int tl_advert_decode(const uint8_t *data, size_t size, struct tl_advert *out_advert) {
  struct tl_reader r = tl_reader_on(data, size);
  struct tl_advert a = {0};
  unsigned seen = 0;
  if (size > TL_ADVERT_TXT_BYTES_MAX) return TULLE_E_TOO_BIG;
  while (!r.failed && tl_reader_left(&r)) {
    size_t length = tl_read_u8(&r);
    const uint8_t *string = tl_read_bytes(&r, length);
    if (string && !take_string(&a, &seen, string, length)) return TULLE_E_BAD_MESSAGE;
  }
  if (!tl_reader_done(&r) || seen != KEYS_ALL) return TULLE_E_BAD_MESSAGE;
  *out_advert = a;
  return 0;
}
