/* The records that announce a node, byte by byte, and names as DNS writes them. */
#include "discovery/mdns/records.h"

#include <stdio.h>

#include "tests/unit/discovery/test.h"

#define ID "aaa6aaaaaaaaaaaaaaaaaaaaaa" /* number 0x1e000 */

static struct tl_publication publication(void) {
  struct tl_publication p = {
      .is_set = true, .advert = test_advert(0x1e000, 0xb007), .port = 0x2297, .label_count = 2};
  strcpy(p.labels[0], "print");
  memset(p.labels[1], 'a', TL_LABEL_BYTES_MAX);
  return p;
}

static void the_four_records_of_a_node(void **state) {
  (void)state;
  struct tl_publication p = publication();
  struct tl_record r[TL_RECORDS_BASE];
  struct tl_advert advert;
  assert_int_equal(tl_records_base(&p, "host.local", r), 0);
  static const uint8_t srv[] = "\0\0\0\0\x22\x97\4host\5local";
  assert_string_equal(r[0].name, ID "._tulle._udp.local");
  assert_int_equal(r[0].type, TL_RECORD_SRV);
  assert_int_equal(r[0].ttl_s, 120);
  assert_true(r[0].is_unique);
  assert_int_equal(r[0].size, sizeof srv);
  assert_memory_equal(r[0].data, srv, sizeof srv);
  assert_string_equal(r[1].name, ID "._tulle._udp.local");
  assert_int_equal(r[1].type, TL_RECORD_TXT);
  assert_true(r[1].is_unique);
  assert_int_equal(tl_advert_decode(r[1].data, r[1].size, &advert), 0);
  assert_memory_equal(advert.id, p.advert.id, sizeof advert.id);
  static const uint8_t instance[] = "\x1a" ID "\6_tulle\4_udp\5local";
  assert_string_equal(r[2].name, "_tulle._udp.local");
  assert_int_equal(r[2].type, TL_RECORD_PTR);
  assert_false(r[2].is_unique);
  assert_int_equal(r[2].size, sizeof instance);
  assert_memory_equal(r[2].data, instance, sizeof instance);
  static const uint8_t type[] = "\6_tulle\4_udp\5local";
  assert_string_equal(r[3].name, "_services._dns-sd._udp.local");
  assert_int_equal(r[3].size, sizeof type);
  assert_memory_equal(r[3].data, type, sizeof type);
}

static void a_subtype_per_label(void **state) {
  (void)state;
  struct tl_publication p = publication();
  struct tl_record r;
  uint8_t encoded[TL_RECORD_NAME_SIZE];
  tl_records_label(&p, 0, &r);
  assert_string_equal(r.name, "_print._sub._tulle._udp.local");
  assert_int_equal(r.type, TL_RECORD_PTR);
  tl_records_label(&p, 1, &r); /* the longest label still is a DNS label */
  assert_true(tl_records_name(r.name, encoded) > 0);
}

static void names_with_escapes(void **state) {
  (void)state;
  uint8_t out[TL_RECORD_NAME_SIZE];
  assert_int_equal(tl_records_name("my\\.host\\032x.local", out), 17);
  assert_memory_equal(out, "\11my.host x\5local", 16);
  assert_int_equal(out[16], 0);
  assert_int_equal(tl_records_name("a.", out), 3);
  assert_memory_equal(out, "\1a", 3);
  assert_int_equal(tl_records_name("\\\\.b", out), 5);
  assert_memory_equal(out, "\1\\\1b", 5);
}

static void bad_names_are_refused(void **state) {
  (void)state;
  uint8_t out[TL_RECORD_NAME_SIZE];
  char label[66], name[512] = "";
  static const char *const bad[] = {"",     ".",     "..",     "a..b",   ".a",    "a\\",
                                    "a\\2", "a\\25", "a\\256", "a\\2x6", "a\\999"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (tl_records_name(bad[i], out) != TULLE_E_INVALID) fail_msg("accepted '%s'", bad[i]);
  memset(label, 'x', sizeof label);
  label[63] = 0;
  assert_int_equal(tl_records_name(label, out), 65);
  label[63] = 'x', label[64] = 0;
  assert_int_equal(tl_records_name(label, out), TULLE_E_INVALID);
  for (int i = 0; i < 127; i++) strcat(name, "a.");
  assert_int_equal(tl_records_name(name, out), 255);
  strcat(name, "a");
  assert_int_equal(tl_records_name(name, out), TULLE_E_INVALID);
  struct tl_publication p = publication();
  struct tl_record r[TL_RECORDS_BASE];
  assert_int_equal(tl_records_base(&p, "a..b", r), TULLE_E_INVALID);
}

static void the_same_labels(void **state) {
  (void)state;
  struct tl_publication a = publication(), b = publication();
  assert_true(tl_publication_has_labels_of(&a, &b));
  b.labels[0][0] = 'q';
  assert_false(tl_publication_has_labels_of(&a, &b));
  b = a;
  b.label_count = 1;
  assert_false(tl_publication_has_labels_of(&a, &b));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_four_records_of_a_node),
      cmocka_unit_test(a_subtype_per_label),
      cmocka_unit_test(names_with_escapes),
      cmocka_unit_test(bad_names_are_refused),
      cmocka_unit_test(the_same_labels),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
