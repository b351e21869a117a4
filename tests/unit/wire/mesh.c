/* Messages between nodes and descriptions of services: every type comes back; truncated and
 * altered ones do no harm. */
#include "core/wire/mesh.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/test.h"

static struct tl_service_info sample_service(void) {
  struct tl_service_info s = {.name = "camera", .is_hidden = true, .capability_count = 2};
  s.capabilities[0] = (struct tl_capability_info){"image/grab", 2, "width=640 colour=yes"};
  s.capabilities[1] = (struct tl_capability_info){"image/decode", 0, ""};
  return s;
}

static struct tl_mesh_message full_message(enum tl_mesh_type type) {
  struct tl_mesh_message m = {.type = type,
                              .version_min = 1,
                              .version_max = 2,
                              .incarnation = 7,
                              .generation = 1u << 20,
                              .code = -104,
                              .begun = UINT64_MAX,
                              .name = "textstat",
                              .text = "why",
                              .addresses = "10.0.0.1:8855"};
  memset(m.node, 0xcd, sizeof m.node);
  m.blob = (const uint8_t *)"\0grant";
  m.blob_size = 6;
  m.service = sample_service();
  memset(m.party.node, 0xab, sizeof m.party.node);
  m.party.client = 9, m.party.uid = 1000;
  snprintf(m.party.node_name, sizeof m.party.node_name, "%s", "osprey");
  return m;
}

static void every_type_comes_back(void **state) {
  (void)state;
  static uint8_t a[TL_MESH_BYTES_MAX], b[TL_MESH_BYTES_MAX];
  for (int t = 0; t < TL_MESH_TYPES; t++) {
    struct tl_mesh_message m = full_message((enum tl_mesh_type)t), back;
    size_t size = tl_mesh_encode(&m, a, sizeof a);
    assert_true(size > 0);
    assert_int_equal(tl_mesh_decode(a, size, &back), 0);
    assert_int_equal(back.type, t);
    assert_int_equal(tl_mesh_encode(&back, b, sizeof b), size);
    assert_memory_equal(a, b, size);
    for (size_t cut = 0; cut < size; cut++) {
      assert_int_equal(tl_mesh_decode(a, cut, &back), TULLE_E_BAD_MESSAGE);
      assert_int_equal(tl_mesh_encode(&m, b, cut), 0);
    }
  }
}

static void altered_bytes_do_no_harm(void **state) {
  (void)state;
  static uint8_t a[TL_MESH_BYTES_MAX], b[TL_MESH_BYTES_MAX];
  for (int t = 0; t < TL_MESH_TYPES; t++) {
    struct tl_mesh_message m = full_message((enum tl_mesh_type)t), back;
    size_t size = tl_mesh_encode(&m, a, sizeof a);
    for (size_t bit = 0; bit < 8 * size; bit++) {
      a[bit / 8] ^= (uint8_t)(1u << bit % 8);
      if (tl_mesh_decode(a, size, &back) == 0) assert_true(tl_mesh_encode(&back, b, sizeof b) > 0);
      a[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
  }
}

static int decode_service(const struct tl_service_info *in, struct tl_service_info *out) {
  static uint8_t bytes[TL_SERVICE_BYTES_MAX];
  struct tulle_pack w = tulle_pack_on(bytes, sizeof bytes);
  tulle_pack_map(&w, TL_SERVICE_KEYS);
  tl_service_encode(&w, in);
  assert_true(tulle_pack_size(&w) > 0);
  struct tulle_unpack r = tulle_unpack_on(bytes, tulle_pack_size(&w));
  return tl_service_decode(&r, out);
}

static void the_largest_service_fits(void **state) {
  (void)state;
  struct tl_service_info s = sample_service(), back;
  s.capability_count = TL_CAPABILITIES_MAX;
  memset(s.name, 'n', TL_SERVICE_NAME_BYTES_MAX);
  for (size_t i = 0; i < TL_CAPABILITIES_MAX; i++) {
    memset(s.capabilities[i].name, 'c', TL_CAPABILITY_BYTES_MAX);
    memset(s.capabilities[i].attributes, 'a', TL_ATTRIBUTE_BYTES_MAX);
    s.capabilities[i].version = UINT32_MAX;
  }
  assert_int_equal(decode_service(&s, &back), 0);
  assert_memory_equal(&s, &back, sizeof s);
}

static void bad_names_are_refused(void **state) {
  (void)state;
  struct tl_service_info s = sample_service(), back;
  strcpy(s.name, "../etc");
  assert_int_equal(decode_service(&s, &back), TULLE_E_INVALID);
  s = sample_service();
  strcpy(s.capabilities[1].name, "a b");
  assert_int_equal(decode_service(&s, &back), TULLE_E_INVALID);
  s.capabilities[1].name[0] = 0;
  assert_int_equal(decode_service(&s, &back), TULLE_E_INVALID);
}

static int decode_text(const char *bytes, size_t size) {
  struct tl_service_info back;
  struct tulle_unpack r = tulle_unpack_on(bytes, size);
  return tl_service_decode(&r, &back);
}

#define DECODE(text) decode_text(text, sizeof(text) - 1)

static void optional_keys(void **state) {
  (void)state;
  assert_int_equal(DECODE("\x81\xa7service\xa1x"), 0);
  assert_int_equal(DECODE("\x82\xa7service\xa1x\xa6hidden\xc0"), 0);
  assert_int_equal(DECODE("\x82\xa7service\xa1x\xa6hidden\x01"), TULLE_E_BAD_MESSAGE);
  assert_int_equal(DECODE("\x82\xa7service\xa1x\xac"
                          "capabilities\x91\x81\xa4name\xa1y"),
                   0);
  assert_int_equal(DECODE("\x82\xa7service\xa1x\xac"
                          "capabilities\x91\xa1y"),
                   TULLE_E_BAD_MESSAGE);
  assert_int_equal(DECODE("\x82\xa7service\xa1x\xac"
                          "capabilities\xa1y"),
                   TULLE_E_BAD_MESSAGE);
  assert_int_equal(DECODE("\x82\xa7service\xa1x\xac"
                          "capabilities\xdc\x00\x19"),
                   TULLE_E_LIMIT);
  assert_int_equal(DECODE("\x80"), TULLE_E_BAD_MESSAGE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_type_comes_back),
      cmocka_unit_test(altered_bytes_do_no_harm),
      cmocka_unit_test(the_largest_service_fits),
      cmocka_unit_test(bad_names_are_refused),
      cmocka_unit_test(optional_keys),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
