/* Certificates, revocation lists, tokens and grants as bytes: golden, cut at every length, wrong in every field. */
#include <string.h>

#include "core/bytes.h"
#include "core/error.h"
#include "core/wire/certificate.h"
#include "core/wire/grant.h"
#include "core/wire/revocation.h"
#include "core/wire/token.h"
#include "tests/unit/test.h"

static uint8_t ramp[1024];

static int setup(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof ramp; i++) ramp[i] = (uint8_t)(i + 1);
  return 0;
}

/* ---- certificate ---- */

static struct tl_certificate certificate_make(void) {
  struct tl_certificate c = {.flags = TL_CERTIFICATE_MAY_INVITE,
                             .serial = 0x0102030405060708,
                             .authority_epoch = 0x11121314,
                             .roles = 0x21222324,
                             .not_before_s = 3,
                             .not_after_s = 4,
                             .name = "cam-2"};
  memcpy(c.fabric_id, ramp, 16);
  memcpy(c.key, ramp + 16, 32);
  memcpy(c.node_id, ramp + 48, 16);
  memcpy(c.signature, ramp + 64, 64);
  return c;
}

static void certificate_golden(void **state) {
  (void)state;
  static const uint8_t head[] = {'T', 'U', 'L', 'C', 1, 1, 5, 0};
  static const uint8_t middle[] = {
      8, 7, 6, 5, 4, 3, 2, 1, 0x14, 0x13, 0x12, 0x11, 0x24, 0x23, 0x22, 0x21, 3,   0,   0,
      0, 0, 0, 0, 0, 4, 0, 0, 0,    0,    0,    0,    0,    'c',  'a',  'm',  '-', '2', 0};
  struct tl_certificate c = certificate_make(), back;
  uint8_t bytes[TL_CERTIFICATE_BYTES];
  tl_certificate_encode(&c, bytes);
  assert_memory_equal(bytes, head, sizeof head);
  assert_memory_equal(bytes + 8, ramp, 48);
  assert_memory_equal(bytes + 56, middle, sizeof middle);
  assert_memory_equal(bytes + 152, ramp + 48, 80);
  assert_int_equal(tl_certificate_decode(bytes, sizeof bytes, &back), 0);
  uint8_t again[TL_CERTIFICATE_BYTES];
  tl_certificate_encode(&back, again);
  assert_memory_equal(bytes, again, sizeof bytes);
  assert_string_equal(back.name, "cam-2");
  assert_true(back.serial == c.serial && back.roles == c.roles && back.not_after_s == 4);
}

static void certificate_faults(void **state) {
  (void)state;
  struct tl_certificate c = certificate_make(), back;
  uint8_t bytes[TL_CERTIFICATE_BYTES + 16] = {0};
  tl_certificate_encode(&c, bytes);
  for (size_t size = 0; size <= sizeof bytes; size++)
    assert_int_equal(tl_certificate_decode(bytes, size, &back),
                     size == TL_CERTIFICATE_BYTES ? 0 : TULLE_E_BAD_MESSAGE);
  static const struct {
    size_t at;
    uint8_t value;
  } bad[] = {{0, 't'},  {3, 0},  {4, 0},    {4, 2},   {5, 2},    {5, 0x81}, {6, 0},
             {6, 4},    {6, 6},  {6, 64},   {6, 255}, {7, 1},    {88, '-'}, {88, 0},
             {90, '/'}, {90, 0}, {93, 'x'}, {151, 1}, {92, 0xc3}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    tl_certificate_encode(&c, bytes);
    bytes[bad[i].at] = bad[i].value;
    assert_int_equal(tl_certificate_decode(bytes, TL_CERTIFICATE_BYTES, &back),
                     TULLE_E_BAD_MESSAGE);
  }
}

/* ---- revocation list ---- */

static void list_golden_and_faults(void **state) {
  (void)state;
  static const uint8_t head[] = {'T', 'U', 'L', 'R', 1, 0, 0, 0};
  static const uint8_t middle[] = {7, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0};
  struct tl_revocation_list l = {.version = 7, .authority_epoch = 2, .count = 2, .entries = ramp};
  uint8_t bytes[TL_REVOCATION_LIST_BYTES(2) + 8] = {0};
  const uint8_t *key;
  uint64_t serial;
  memcpy(l.fabric_id, ramp + 100, 16);
  size_t size = tl_revocation_list_encode(&l, bytes);
  assert_int_equal(size, TL_REVOCATION_LIST_BYTES(2));
  assert_memory_equal(bytes, head, sizeof head);
  assert_memory_equal(bytes + 8, ramp + 100, 16);
  assert_memory_equal(bytes + 24, middle, sizeof middle);
  assert_memory_equal(bytes + 40, ramp, 80);
  for (size_t cut = 0; cut <= sizeof bytes; cut++)
    assert_int_equal(tl_revocation_list_decode(bytes, cut, &l),
                     cut == size ? 0 : TULLE_E_BAD_MESSAGE);
  assert_ptr_equal(l.signature, bytes + 120);
  tl_revocation_at(&l, 1, &key, &serial);
  assert_ptr_equal(key, bytes + 80);
  assert_int_equal(serial, tl_load_le(ramp + 72, 8));
  static const size_t fixed[] = {0, 1, 2, 3, 4, 5, 6, 7, 32, 33, 35, 36, 39};
  for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
    bytes[fixed[i]] ^= 1;
    assert_int_equal(tl_revocation_list_decode(bytes, size, &l), TULLE_E_BAD_MESSAGE);
    bytes[fixed[i]] ^= 1;
  }
  /* A count whose size would not fit any number of bytes. */
  tl_store_le(bytes + 32, 0xffffffff, 4);
  assert_int_equal(tl_revocation_list_decode(bytes, size, &l), TULLE_E_BAD_MESSAGE);
  tl_store_le(bytes + 32, TL_REVOCATIONS_MAX + 1, 4);
  assert_int_equal(tl_revocation_list_decode(bytes, size, &l), TULLE_E_BAD_MESSAGE);
}

/* ---- token ---- */

static struct tl_token token_make(void) {
  struct tl_token t = {.address_count = 2};
  memcpy(t.invitation_id, ramp, 8);
  memcpy(t.secret, ramp + 8, 32);
  memcpy(t.fabric_id, ramp + 40, 16);
  memcpy(t.inviter_id, ramp + 56, 16);
  assert_int_equal(tl_address_parse("10.1.2.3:8855", 0, &t.addresses[0]), 0);
  assert_int_equal(tl_address_parse("[2001:db8::7]:1", 0, &t.addresses[1]), 0);
  return t;
}

static void token_golden(void **state) {
  (void)state;
  static const uint8_t tail[] = {2, 4, 10, 1, 2, 3, 0x97, 0x22, 6, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0,
                                 0, 0, 0,  0, 0, 0, 0,    0,    7, 1,    0,    0,    0,    0, 0};
  struct tl_token t = token_make(), back;
  uint8_t bytes[TL_TOKEN_BYTES_MAX];
  size_t size = tl_token_encode(&t, bytes);
  assert_int_equal(size, 73 + sizeof tail);
  assert_int_equal(bytes[0], 1);
  assert_memory_equal(bytes + 1, ramp, 72);
  assert_memory_equal(bytes + 73, tail, sizeof tail);
  assert_int_equal(tl_token_decode(bytes, size, &back), 0);
  uint8_t again[TL_TOKEN_BYTES_MAX];
  assert_int_equal(tl_token_encode(&back, again), size);
  assert_memory_equal(bytes, again, size);
  assert_true(tl_address_is_equal(&t.addresses[1], &back.addresses[1]));
}

static void token_faults(void **state) {
  (void)state;
  struct tl_token t = token_make(), back;
  uint8_t bytes[TL_TOKEN_BYTES_MAX + 8] = {0};
  size_t size = tl_token_encode(&t, bytes);
  for (size_t cut = 0; cut <= sizeof bytes; cut++)
    assert_int_equal(tl_token_decode(bytes, cut, &back), cut == size ? 0 : TULLE_E_BAD_MESSAGE);
  bytes[0] = 2;
  assert_int_equal(tl_token_decode(bytes, size, &back), TULLE_E_VERSION);
  bytes[0] = 1;
  static const struct {
    size_t at;
    uint8_t value;
  } bad[] = {{73, 0}, {73, 1}, {73, 3}, {73, 4}, {73, 255}, {74, 0}, {74, 6}, {81, 4}, {81, 5}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    uint8_t good = bytes[bad[i].at];
    bytes[bad[i].at] = bad[i].value;
    assert_int_equal(tl_token_decode(bytes, size, &back), TULLE_E_BAD_MESSAGE);
    bytes[bad[i].at] = good;
  }
  /* An IPv4 address in IPv6 clothes has another text already. */
  memset(bytes + 82, 0, 10);
  memset(bytes + 92, 0xff, 2);
  assert_int_equal(tl_token_decode(bytes, size, &back), TULLE_E_BAD_MESSAGE);
}

/* ---- grant ---- */

static size_t grant_make(uint8_t *out) {
  uint8_t members[2 * TL_GRANT_MEMBER_BYTES];
  struct tl_member one = {.serial = 1, .roles = 3, .name = "anna"};
  struct tl_member two = {.serial = 2, .roles = 1, .name = "bert"};
  memcpy(one.key, ramp, 32);
  memcpy(two.key, ramp + 32, 32);
  tl_grant_member_encode(&one, members);
  tl_grant_member_encode(&two, members + TL_GRANT_MEMBER_BYTES);
  struct tl_grant g = {.certificate = ramp,
                       .authority_key = ramp + 300,
                       .admission_epoch = 9,
                       .admission_secret = ramp + 400,
                       .fabric_name = "lab",
                       .revocations = ramp + 500,
                       .revocations_bytes = 104,
                       .members = members,
                       .member_count = 2};
  assert_int_equal(tl_grant_size(&g), 378 + 104 + 2 * 108);
  return tl_grant_encode(&g, out);
}

static void grant_golden(void **state) {
  (void)state;
  uint8_t bytes[1024];
  struct tl_grant g;
  struct tl_member m;
  static const uint8_t second[] = {2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 4, 'b', 'e', 'r', 't', 0};
  size_t size = grant_make(bytes);
  assert_int_equal(size, 378 + 104 + 216);
  assert_int_equal(tl_load_le(bytes, 4), 1);
  assert_memory_equal(bytes + 4, ramp, 232);
  assert_memory_equal(bytes + 236, ramp + 300, 32);
  assert_int_equal(tl_load_le(bytes + 268, 8), 9);
  assert_memory_equal(bytes + 276, ramp + 400, 32);
  assert_memory_equal(bytes + 308, "\3lab\0", 5);
  assert_int_equal(tl_load_le(bytes + 372, 4), 104);
  assert_memory_equal(bytes + 376, ramp + 500, 104);
  assert_int_equal(tl_load_le(bytes + 480, 2), 2);
  assert_memory_equal(bytes + 482 + 108 + 32, second, sizeof second);
  assert_int_equal(tl_grant_decode(bytes, size, &g), 0);
  assert_string_equal(g.fabric_name, "lab");
  assert_int_equal(tl_grant_member_at(&g, 1, &m), 0);
  assert_string_equal(m.name, "bert");
  assert_true(m.serial == 2 && m.roles == 1);
  assert_memory_equal(m.key, ramp + 32, 32);
}

static void grant_faults(void **state) {
  (void)state;
  uint8_t bytes[1024] = {0};
  struct tl_grant g;
  struct tl_member m;
  size_t size = grant_make(bytes);
  for (size_t cut = 0; cut <= size + 8; cut++)
    assert_int_equal(tl_grant_decode(bytes, cut, &g), cut == size ? 0 : TULLE_E_BAD_MESSAGE);
  bytes[0] = 2;
  assert_int_equal(tl_grant_decode(bytes, size, &g), TULLE_E_VERSION);
  bytes[0] = 1;
  static const size_t fixed[] = {1, 3, 308, 312, 371, 372, 375, 480, 481};
  for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
    bytes[fixed[i]] ^= 0x40;
    assert_int_equal(tl_grant_decode(bytes, size, &g), TULLE_E_BAD_MESSAGE);
    bytes[fixed[i]] ^= 0x40;
  }
  bytes[482 + 44] = 0; /* a member without a name */
  assert_int_equal(tl_grant_decode(bytes, size, &g), 0);
  assert_int_equal(tl_grant_member_at(&g, 0, &m), TULLE_E_BAD_MESSAGE);
  assert_int_equal(tl_grant_member_at(&g, 1, &m), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(certificate_golden),     cmocka_unit_test(certificate_faults),
      cmocka_unit_test(list_golden_and_faults), cmocka_unit_test(token_golden),
      cmocka_unit_test(token_faults),           cmocka_unit_test(grant_golden),
      cmocka_unit_test(grant_faults),
  };
  return cmocka_run_group_tests(tests, setup, NULL);
}
