#include "discovery/mdns/records.h"

#include <stdio.h>
#include <string.h>

#include "core/error.h"

#define TTL_SHARED_S                                                                               \
  4500 /* RFC 6762, section 10: 75 minutes, and 120 s where a host name is involved */
#define TTL_HOST_S      120
#define NAME_BYTES_MAX  255
#define LABEL_BYTES_MAX 63

bool tl_publication_has_labels_of(const struct tl_publication *p,
                                  const struct tl_publication *other) {
  return p->label_count == other->label_count &&
         !memcmp(p->labels, other->labels, p->label_count * sizeof *p->labels);
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/* One character of a label, with its escape: how much text it took, or 0 when the escape is bad. */
static size_t take_character(const char *text, uint8_t *out) {
  *out = (uint8_t)text[0];
  if (text[0] != '\\') return 1;
  *out = (uint8_t)text[1];
  if (!is_digit(text[1])) return text[1] ? 2 : 0;
  if (!is_digit(text[2]) || !is_digit(text[3])) return 0;
  int v = (text[1] - '0') * 100 + (text[2] - '0') * 10 + (text[3] - '0');
  *out = (uint8_t)v;
  return v <= UINT8_MAX ? 4 : 0;
}

int tl_records_name(const char *name, uint8_t out[TL_RECORD_NAME_SIZE]) {
  size_t used = 0;
  while (*name) {
    size_t length_at = used++, took;
    for (; *name && *name != '.'; name += took) {
      if (used >= NAME_BYTES_MAX - 1) return TULLE_E_INVALID;
      took = take_character(name, &out[used++]);
      if (!took) return TULLE_E_INVALID;
    }
    size_t length = used - length_at - 1;
    if (!length || length > LABEL_BYTES_MAX) return TULLE_E_INVALID;
    out[length_at] = (uint8_t)length;
    name += *name == '.';
  }
  if (!used) return TULLE_E_INVALID;
  out[used++] = 0;
  return (int)used;
}

static void instance_name(const struct tl_publication *p, char out[TL_RECORD_NAME_SIZE]) {
  char id[TL_ADVERT_NAME_SIZE];
  tl_advert_name(p->advert.id, id);
  snprintf(out, TL_RECORD_NAME_SIZE, "%s." TL_RECORDS_SERVICE "." TL_RECORDS_DOMAIN, id);
}

static void record_ptr(struct tl_record *r, const char *name, const char *target) {
  *r = (struct tl_record){.type = TL_RECORD_PTR, .ttl_s = TTL_SHARED_S};
  snprintf(r->name, sizeof r->name, "%s", name);
  int size = tl_records_name(target, r->data);
  TL_ASSERT(size > 0); /* our own names are names */
  r->size = (size_t)size;
}

static int record_srv(struct tl_record *r, const char *name, uint16_t port, const char *host) {
  *r = (struct tl_record){.type = TL_RECORD_SRV, .ttl_s = TTL_HOST_S, .is_unique = true};
  snprintf(r->name, sizeof r->name, "%s", name);
  r->data[4] = (uint8_t)(port >> 8); /* priority and weight before it are 0; DNS is big-endian */
  r->data[5] = (uint8_t)port;
  int size = tl_records_name(host, r->data + 6);
  if (size < 0) return size;
  r->size = 6 + (size_t)size;
  return 0;
}

static void record_txt(struct tl_record *r, const char *name, const struct tl_advert *advert) {
  uint8_t data[TL_ADVERT_TXT_BYTES_MAX];
  *r = (struct tl_record){.type = TL_RECORD_TXT, .ttl_s = TTL_SHARED_S, .is_unique = true};
  snprintf(r->name, sizeof r->name, "%s", name);
  r->size = tl_advert_encode(advert, data);
  TL_ASSERT(r->size <= sizeof r->data);
  memcpy(r->data, data, r->size);
}

int tl_records_base(const struct tl_publication *p, const char *host,
                    struct tl_record out_records[TL_RECORDS_BASE]) {
  static const char type[] = TL_RECORDS_SERVICE "." TL_RECORDS_DOMAIN;
  struct tl_record srv;
  char instance[TL_RECORD_NAME_SIZE];
  instance_name(p, instance);
  int r = record_srv(&srv, instance, p->port, host);
  if (r < 0) return r;
  out_records[0] = srv;
  record_txt(&out_records[1], instance, &p->advert);
  record_ptr(&out_records[2], type, instance);
  record_ptr(&out_records[3], "_services._dns-sd._udp." TL_RECORDS_DOMAIN, type);
  return 0;
}

void tl_records_label(const struct tl_publication *p, size_t index, struct tl_record *out_record) {
  char name[TL_RECORD_NAME_SIZE], instance[TL_RECORD_NAME_SIZE];
  TL_ASSERT(index < p->label_count);
  instance_name(p, instance);
  snprintf(name, sizeof name, "_%s._sub." TL_RECORDS_SERVICE "." TL_RECORDS_DOMAIN,
           p->labels[index]);
  record_ptr(out_record, name, instance);
}
