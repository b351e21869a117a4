/* Control messages: every type comes back whole; truncated, altered and oversized ones are refused.
 */
#include "core/wire/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/test.h"

static struct tl_control full_message(enum tl_control_type type) {
  struct tl_control m = {.type = type,
                         .version_min = 1,
                         .version_max = 0xffff,
                         .code = -1002,
                         .channel = 7,
                         .segment = 0xffffffff,
                         .bytes = 4096,
                         .is_data = true,
                         .is_peer = true,
                         .role = TL_ROLE_SERVER,
                         .begun = UINT64_MAX};
  snprintf(m.name, sizeof m.name, "%s", "textstat");
  snprintf(m.fabric, sizeof m.fabric, "%s", "lab");
  snprintf(m.text, sizeof m.text, "%s", "why");
  memset(m.party.node, 0xab, sizeof m.party.node);
  m.party.incarnation = 3, m.party.client = 4, m.party.uid = 1000, m.party.gid = 1001,
  m.party.pid = 42;
  m.party.roles = 5, m.party.local = true;
  snprintf(m.party.node_name, sizeof m.party.node_name, "%s", "osprey");
  snprintf(m.party.program, sizeof m.party.program, "%s", "wc");
  return m;
}

static void every_type_comes_back(void **state) {
  (void)state;
  for (int t = 0; t < TL_CONTROL_TYPES; t++) {
    uint8_t a[TL_CONTROL_BYTES_MAX], b[TL_CONTROL_BYTES_MAX];
    struct tl_control m = full_message((enum tl_control_type)t), back;
    size_t size = tl_control_encode(&m, a);
    assert_int_equal(tl_control_decode(a, size, &back), 0);
    assert_int_equal(back.type, t);
    assert_int_equal(tl_control_encode(&back, b), size);
    assert_memory_equal(a, b, size);
    for (size_t cut = 0; cut < size; cut++)
      assert_int_equal(tl_control_decode(a, cut, &back), TULLE_E_BAD_MESSAGE);
  }
}

static void golden_mapped(void **state) {
  (void)state;
  static const uint8_t golden[] = "\x82\xa1t\xa6mapped\xa7segment\x07";
  uint8_t out[TL_CONTROL_BYTES_MAX];
  struct tl_control m = {.type = TL_CONTROL_MAPPED, .segment = 7};
  assert_int_equal(tl_control_encode(&m, out), sizeof golden - 1);
  assert_memory_equal(out, golden, sizeof golden - 1);
}

static int decode_text(const char *bytes, size_t size) {
  struct tl_control m;
  return tl_control_decode(bytes, size, &m);
}

#define DECODE(text) decode_text(text, sizeof(text) - 1)

static void nonsense_is_refused(void **state) {
  (void)state;
  assert_int_equal(DECODE("\x82\xa1t\xa6mapped\xa7segment\x07"), 0);
  assert_int_equal(DECODE("\x83\xa1t\xa6mapped\xa1x\xc0\xa7segment\x07"),
                   0); /* unknown keys pass */
  assert_int_equal(DECODE("\x82\xa1t\xa6napped\xa7segment\x07"),
                   TULLE_E_BAD_MESSAGE);                                /* unknown type */
  assert_int_equal(DECODE("\x81\xa1t\xa6mapped"), TULLE_E_BAD_MESSAGE); /* a field missing */
  assert_int_equal(DECODE("\x82\xa1t\xa6mapped\xa7segment\xff"),
                   TULLE_E_BAD_MESSAGE); /* negative */
  assert_int_equal(DECODE("\x82\xa1t\xa6mapped\xa7segment\xcf\1\0\0\0\0\0\0\0"),
                   TULLE_E_BAD_MESSAGE);
  assert_int_equal(DECODE("\x82\xa1t\xa6mapped\xa7segment\xa1\x37"), TULLE_E_BAD_MESSAGE);
  assert_int_equal(DECODE("\xdd\x0f\xff\xff\xff"), TULLE_E_BAD_MESSAGE);
  static char oversized[TL_CONTROL_BYTES_MAX + 1];
  assert_int_equal(decode_text(oversized, sizeof oversized), TULLE_E_BAD_MESSAGE);
}

/* Every single-byte change either is refused or decodes to a message that encodes within bounds. */
static void altered_bytes_do_no_harm(void **state) {
  (void)state;
  for (int t = 0; t < TL_CONTROL_TYPES; t++) {
    uint8_t a[TL_CONTROL_BYTES_MAX], b[TL_CONTROL_BYTES_MAX];
    struct tl_control m = full_message((enum tl_control_type)t), back;
    size_t size = tl_control_encode(&m, a);
    for (size_t i = 0; i < size; i++) {
      for (unsigned bit = 0; bit < 8; bit++) {
        a[i] ^= (uint8_t)(1u << bit);
        if (tl_control_decode(a, size, &back) == 0)
          assert_true(tl_control_encode(&back, b) <= TL_CONTROL_BYTES_MAX);
        a[i] ^= (uint8_t)(1u << bit);
      }
    }
  }
}

static void descriptors_go_with_three_types(void **state) {
  (void)state;
  for (int t = 0; t < TL_CONTROL_TYPES; t++) {
    struct tl_control m = {.type = (enum tl_control_type)t, .is_peer = true};
    size_t wanted = t == TL_CONTROL_SEGMENT || t == TL_CONTROL_GROWN ? 1
                    : t == TL_CONTROL_CHANNEL                        ? 3
                                                                     : 0;
    assert_int_equal(tl_control_fds(&m), wanted);
  }
  assert_int_equal(tl_control_fds(&(struct tl_control){.type = TL_CONTROL_GROWN}), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_type_comes_back),
      cmocka_unit_test(golden_mapped),
      cmocka_unit_test(nonsense_is_refused),
      cmocka_unit_test(altered_bytes_do_no_harm),
      cmocka_unit_test(descriptors_go_with_three_types),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
