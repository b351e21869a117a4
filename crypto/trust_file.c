/*
 * The trust store as text, and back. docs/trust-store.md describes every line.
 *
 * Writer and reader follow the same order of lines and fields, and there is exactly one text for a
 * state: no spare blanks, no leading zeros, no other order. So a file that parses is one that this
 * code wrote.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/error.h"
#include "core/text.h"
#include "core/time.h"
#include "crypto/hash.h"
#include "crypto/trust_internal.h"

#define END_PREFIX     "end "
#define LINE_BYTES_MAX 400 /* `self` has 361 */

_Static_assert(sizeof END_PREFIX + TL_BASE64_SIZE(32) - 1 == TL_TRUST_END_BYTES, "end line");

/* ---- writing ---- */

static void put(struct tl_writer *w, const char *text) {
  tl_write_bytes(w, text, strlen(text));
}

static void put_number(struct tl_writer *w, uint64_t v) {
  char text[24];
  snprintf(text, sizeof text, "%llu", (unsigned long long)v);
  put(w, text);
}

static void put_roles(struct tl_writer *w, uint32_t roles) {
  char text[16];
  snprintf(text, sizeof text, "0x%x", roles);
  put(w, text);
}

/* Three bytes at a time make four characters, so a long list needs no buffer of its own. */
static void put_base64(struct tl_writer *w, const uint8_t *data, size_t size) {
  char text[TL_BASE64_SIZE(48)];
  for (size_t at = 0; at < size; at += 48) {
    size_t part = size - at < 48 ? size - at : 48;
    tl_base64_encode(data + at, part, text);
    put(w, text);
  }
  sodium_memzero(text, sizeof text);
}

static void put_hex(struct tl_writer *w, const uint8_t *data, size_t size) {
  char text[TL_HEX_SIZE(16)];
  TL_ASSERT(size <= 16);
  tl_hex_encode(data, size, text);
  put(w, text);
}

static void put_node_id(struct tl_writer *w, const uint8_t id[16]) {
  char text[TL_NODE_ID_TEXT_SIZE];
  tl_node_id_format(id, text);
  put(w, text);
}

static void put_fabric(struct tl_writer *w, const struct tl_trust_state *s) {
  char id[TL_BASE32_SIZE(16)];
  tl_base32_encode(s->fabric_id, 16, id);
  put(w, "fabric "), put(w, id);
  put(w, " authority="), put_base64(w, s->authority_key, 32);
  put(w, " name="), put(w, s->fabric_name), put(w, "\n");
}

static void put_admissions(struct tl_writer *w, const struct tl_trust_state *s) {
  put(w, "admission "), put_number(w, s->admission_epoch);
  put(w, " "), put_base64(w, s->admission_secret, 32), put(w, "\n");
  if (!s->has_previous) return;
  put(w, "admission "), put_number(w, s->previous_epoch);
  put(w, " "), put_base64(w, s->previous_secret, 32);
  put(w, " previous until="), put_number(w, s->previous_until_ns);
  put(w, " boot="), put_hex(w, s->boot_id, 16), put(w, "\n");
}

static void put_invitation(struct tl_writer *w, const struct tl_trust_state *s,
                           const struct tl_invitation *i) {
  put(w, "invitation "), put_hex(w, i->id, 8);
  put(w, " secret="), put_base64(w, i->secret, 32);
  put(w, " roles="), put_roles(w, i->roles);
  put(w, " expires="), put_number(w, i->expires_ns);
  put(w, " boot="), put_hex(w, s->boot_id, 16);
  put(w, " used_by=");
  if (i->is_used)
    put_base64(w, i->used_by, 32);
  else
    put(w, "-");
  put(w, "\n");
}

static void put_member(struct tl_writer *w, const struct tl_member *m) {
  put(w, "member "), put_node_id(w, m->node_id);
  put(w, " key="), put_base64(w, m->key, 32);
  put(w, " serial="), put_number(w, m->serial);
  put(w, " name="), put(w, m->name);
  put(w, " roles="), put_roles(w, m->roles), put(w, "\n");
}

static void put_pin(struct tl_writer *w, const struct tl_pin *p) {
  put(w, "pin "), put_node_id(w, p->node_id);
  put(w, " key="), put_base64(w, p->key, 32);
  put(w, " name="), put(w, p->name), put(w, " by=tofu\n");
}

static void put_state(struct tl_writer *w, const struct tl_trust_state *s) {
  put(w, "tulle-trust 1\ngeneration "), put_number(w, s->generation), put(w, "\n");
  put_fabric(w, s);
  put_admissions(w, s);
  put(w, "self "), put_node_id(w, s->self.node_id);
  put(w, " cert="), put_base64(w, s->certificate, sizeof s->certificate), put(w, "\n");
  if (s->last_serial) put(w, "issued "), put_number(w, s->last_serial), put(w, "\n");
  for (size_t i = 0; i < s->invitation_count; i++) put_invitation(w, s, &s->invitations[i]);
  for (size_t i = 0; i < s->member_count; i++) put_member(w, &s->members[i]);
  put(w, "revocations "), put_number(w, s->list.version);
  put(w, " "), put_base64(w, s->revocations, s->revocations_bytes), put(w, "\n");
  for (size_t i = 0; i < s->pin_count; i++) put_pin(w, &s->pins[i]);
}

void tl_trust_file_end(const uint8_t *text, size_t size, uint8_t out[TL_TRUST_END_BYTES]) {
  uint8_t hash[32];
  struct tl_writer w = tl_writer_on(out, TL_TRUST_END_BYTES);
  tl_hash(TL_BYTES_NONE, &(struct tl_bytes){text, size}, 1, hash, sizeof hash);
  put(&w, END_PREFIX), put_base64(&w, hash, sizeof hash), put(&w, "\n");
  TL_ASSERT(!w.failed && !tl_writer_left(&w));
}

/* No line but that of the list is longer than LINE_BYTES_MAX; seven are always there. */
static size_t size_bound(const struct tl_trust_state *s) {
  size_t lines = 7 + s->invitation_count + s->member_count + s->pin_count;
  return lines * LINE_BYTES_MAX + TL_BASE64_SIZE(s->revocations_bytes);
}

int tl_trust_file_render(const struct tl_trust_state *state, uint8_t **out, size_t *out_size) {
  size_t room = size_bound(state);
  uint8_t *text = malloc(room);
  if (!text) return TULLE_E_NO_MEMORY;
  struct tl_writer w = tl_writer_on(text, room);
  put_state(&w, state);
  size_t size = tl_writer_size(&w);
  uint8_t *end = tl_write_room(&w, TL_TRUST_END_BYTES);
  TL_ASSERT(end);
  tl_trust_file_end(text, size, end);
  *out = text;
  *out_size = tl_writer_size(&w);
  return 0;
}

/* ---- reading: a cursor that remembers its first fault ---- */

static void expect(struct tl_reader *r, const char *text) {
  size_t size = strlen(text);
  const uint8_t *at = tl_read_bytes(r, size);
  if (at && memcmp(at, text, size) != 0) r->failed = true;
}

static bool is_next(const struct tl_reader *r, const char *text) {
  size_t size = strlen(text);
  return !r->failed && tl_reader_left(r) >= size && memcmp(r->at, text, size) == 0;
}

/* Up to the next blank or end of line; NULL and failed when that is too long or empty. */
static const char *word(struct tl_reader *r, size_t max, size_t *out_size) {
  size_t left = tl_reader_left(r), size = 0;
  while (size < left && r->at[size] != ' ' && r->at[size] != '\n') size++;
  if (!size || size > max) r->failed = true;
  *out_size = size;
  return (const char *)tl_read_bytes(r, size);
}

static uint64_t number(struct tl_reader *r) {
  size_t size;
  uint64_t v = 0;
  const char *text = word(r, 20, &size);
  if (!text) return 0;
  if (text[0] == '0' && size > 1) r->failed = true;
  for (size_t i = 0; i < size; i++) {
    uint64_t digit = (uint64_t)(text[i] - '0');
    if (text[i] < '0' || text[i] > '9' || v > (UINT64_MAX - digit) / 10) r->failed = true;
    if (r->failed) return 0;
    v = v * 10 + digit;
  }
  return v;
}

static uint32_t roles(struct tl_reader *r) {
  size_t size;
  uint32_t v = 0;
  expect(r, "0x");
  const char *text = word(r, 8, &size);
  if (!text) return 0;
  if (text[0] == '0' && size > 1) r->failed = true;
  for (size_t i = 0; i < size; i++) {
    const char *digit = text[i] ? strchr("0123456789abcdef", text[i]) : NULL;
    if (!digit) r->failed = true;
    if (r->failed) return 0;
    v = v << 4 | (uint32_t)(digit - strchr("0123456789abcdef", '0'));
  }
  return v;
}

static void base64(struct tl_reader *r, void *out, size_t size) {
  size_t length;
  const char *text = word(r, TL_BASE64_SIZE(size) - 1, &length);
  if (!text || tl_base64_decode(text, length, out, size) != (int)size) r->failed = true;
}

static void hex(struct tl_reader *r, uint8_t *out, size_t size) {
  size_t length;
  const char *text = word(r, size * 2, &length);
  if (!text || tl_hex_decode(text, length, out, size) != (int)size) r->failed = true;
}

static void name(struct tl_reader *r, char out[TL_NODE_NAME_BYTES_MAX + 1]) {
  size_t size;
  const char *text = word(r, TL_NODE_NAME_BYTES_MAX, &size);
  if (!text || !tl_name_is_valid(text, size, TL_NODE_NAME_BYTES_MAX)) {
    r->failed = true;
    return;
  }
  memset(out, 0, TL_NODE_NAME_BYTES_MAX + 1);
  memcpy(out, text, size);
}

#define NODE_ID_DIGITS (TL_NODE_ID_TEXT_SIZE - 1)

/* A node id stands before the key that it must belong to: its text is kept and checked then. */
static void check_node_id(struct tl_reader *r, const uint8_t *text, const uint8_t id[16]) {
  char right[TL_NODE_ID_TEXT_SIZE];
  tl_node_id_format(id, right);
  if (!text || memcmp(text, right, NODE_ID_DIGITS) != 0) r->failed = true;
}

static void read_fabric(struct tl_reader *r, struct tl_trust_state *s) {
  char id[TL_BASE32_SIZE(16)];
  size_t size;
  expect(r, "fabric ");
  const char *text = word(r, sizeof id - 1, &size);
  if (!text || tl_base32_decode(text, size, s->fabric_id, 16) != 16) r->failed = true;
  tl_base32_encode(s->fabric_id, 16, id);
  if (text && strncmp(text, id, size) != 0) r->failed = true; /* lower case only */
  expect(r, " authority="), base64(r, s->authority_key, 32);
  expect(r, " name="), name(r, s->fabric_name), expect(r, "\n");
}

/* `until` counts the uptime of one boot; after another it begins anew, which TL_NEVER says. */
static void read_admissions(struct tl_reader *r, struct tl_trust_state *s,
                            const uint8_t boot_id[16]) {
  uint8_t boot[16];
  expect(r, "admission "), s->admission_epoch = number(r);
  expect(r, " "), base64(r, s->admission_secret, 32), expect(r, "\n");
  s->has_previous = is_next(r, "admission ");
  if (!s->has_previous) return;
  expect(r, "admission "), s->previous_epoch = number(r);
  expect(r, " "), base64(r, s->previous_secret, 32);
  expect(r, " previous until="), s->previous_until_ns = number(r);
  expect(r, " boot="), hex(r, boot, 16), expect(r, "\n");
  if (r->failed || memcmp(boot, boot_id, 16) != 0) s->previous_until_ns = TL_NEVER;
  if (s->previous_epoch >= s->admission_epoch) r->failed = true;
}

static void read_self(struct tl_reader *r, struct tl_trust_state *s) {
  expect(r, "self ");
  const uint8_t *id = tl_read_bytes(r, NODE_ID_DIGITS);
  expect(r, " cert="), base64(r, s->certificate, sizeof s->certificate), expect(r, "\n");
  if (r->failed || tl_certificate_decode(s->certificate, sizeof s->certificate, &s->self) < 0) {
    r->failed = true;
    return;
  }
  check_node_id(r, id, s->self.node_id);
}

static void read_invitation(struct tl_reader *r, struct tl_trust_state *s,
                            const uint8_t boot_id[16]) {
  struct tl_invitation i = {0};
  uint8_t boot[16];
  expect(r, "invitation "), hex(r, i.id, 8);
  expect(r, " secret="), base64(r, i.secret, 32);
  expect(r, " roles="), i.roles = roles(r);
  expect(r, " expires="), i.expires_ns = number(r);
  expect(r, " boot="), hex(r, boot, 16);
  expect(r, " used_by="), i.is_used = !is_next(r, "-");
  if (i.is_used)
    base64(r, i.used_by, 32);
  else
    expect(r, "-");
  expect(r, "\n");
  if (r->failed || memcmp(boot, boot_id, 16) != 0) return; /* it died at the reboot */
  if (s->invitation_count == TL_INVITATIONS_MAX || tl_trust_state_invitation(s, i.id))
    r->failed = true;
  else
    s->invitations[s->invitation_count++] = i;
  sodium_memzero(&i, sizeof i);
}

static int read_member(struct tl_reader *r, struct tl_trust_state *s) {
  struct tl_member m = {0};
  expect(r, "member ");
  const uint8_t *id = tl_read_bytes(r, NODE_ID_DIGITS);
  expect(r, " key="), base64(r, m.key, 32);
  expect(r, " serial="), m.serial = number(r);
  expect(r, " name="), name(r, m.name);
  expect(r, " roles="), m.roles = roles(r), expect(r, "\n");
  if (r->failed) return 0;
  tl_node_id_of(m.key, m.node_id);
  check_node_id(r, id, m.node_id);
  size_t before = s->member_count;
  int result = tl_trust_state_put_member(s, &m);
  r->failed |= result == TULLE_E_LIMIT || s->member_count == before;
  return result == TULLE_E_NO_MEMORY ? result : 0;
}

static int read_revocations(struct tl_reader *r, struct tl_trust_state *s) {
  struct tl_revocation_list list;
  size_t length;
  expect(r, "revocations ");
  uint64_t version = number(r);
  expect(r, " ");
  const char *text = word(r, TL_BASE64_SIZE(TL_REVOCATION_LIST_BYTES_MAX), &length);
  expect(r, "\n");
  if (r->failed) return 0;
  uint8_t *bytes = malloc(TL_REVOCATION_LIST_BYTES_MAX);
  if (!bytes) return TULLE_E_NO_MEMORY;
  int size = tl_base64_decode(text, length, bytes, TL_REVOCATION_LIST_BYTES_MAX), result = 0;
  if (size < 0 || tl_revocation_list_decode(bytes, (size_t)size, &list) < 0 ||
      list.version != version)
    r->failed = true;
  else
    result = tl_trust_state_set_revocations(s, bytes, (size_t)size);
  free(bytes);
  return result;
}

static void read_pin(struct tl_reader *r, struct tl_trust_state *s) {
  struct tl_pin p = {0};
  expect(r, "pin ");
  const uint8_t *id = tl_read_bytes(r, NODE_ID_DIGITS);
  expect(r, " key="), base64(r, p.key, 32);
  expect(r, " name="), name(r, p.name), expect(r, " by=tofu\n");
  if (r->failed || s->pin_count == TL_PINS_MAX) {
    r->failed = true;
    return;
  }
  tl_node_id_of(p.key, p.node_id);
  check_node_id(r, id, p.node_id);
  s->pins[s->pin_count++] = p;
}

static int read_state(struct tl_reader *r, const uint8_t boot_id[16], struct tl_trust_state *s) {
  int result = 0;
  expect(r, "tulle-trust 1\ngeneration "), s->generation = number(r), expect(r, "\n");
  read_fabric(r, s);
  read_admissions(r, s, boot_id);
  read_self(r, s);
  if (is_next(r, "issued ")) {
    expect(r, "issued "), s->last_serial = number(r), expect(r, "\n");
    if (!s->last_serial) r->failed = true;
  }
  memcpy(s->boot_id, boot_id, 16);
  while (is_next(r, "invitation ")) read_invitation(r, s, boot_id);
  while (result == 0 && is_next(r, "member ")) result = read_member(r, s);
  if (result == 0) result = read_revocations(r, s);
  while (is_next(r, "pin ")) read_pin(r, s);
  if (result == 0 && !tl_reader_done(r)) result = TULLE_E_BAD_MESSAGE;
  return result;
}

int tl_trust_file_parse(const uint8_t *data, size_t size, const uint8_t boot_id[16],
                        struct tl_trust_state **out) {
  uint8_t end[TL_TRUST_END_BYTES];
  if (size < sizeof end) return TULLE_E_BAD_MESSAGE;
  size -= sizeof end;
  tl_trust_file_end(data, size, end);
  if (sodium_memcmp(end, data + size, sizeof end) != 0) return TULLE_E_BAD_MESSAGE;
  struct tl_trust_state *state = tl_trust_state_new();
  if (!state) return TULLE_E_NO_MEMORY;
  struct tl_reader r = tl_reader_on(data, size);
  int result = read_state(&r, boot_id, state);
  if (result < 0) {
    tl_trust_state_free(state);
    return result;
  }
  *out = state;
  return 0;
}
