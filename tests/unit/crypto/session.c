#include "crypto/session.h"

#include <string.h>

#include "core/time.h"
#include "tests/support/node_fixture.h"
#include "tests/unit/test.h"

static void smoke(void **state) {
  (void)state;
  struct node_fixture a, b;
  struct session_pair pair;
  node_fixture_init(&a, 1, "anna");
  node_fixture_init(&b, 2, "bert");
  node_fixture_join(&b, &a, TL_S);
  session_pair_init(&pair, &b, &a, 2 * TL_S);
  assert_string_equal(pair.initiator_info.name, "bert");
  uint8_t packet[64] = {0};
  size_t size;
  uint64_t counter;
  struct tl_opened opened;
  memcpy(packet + 16, "hello", 5);
  assert_int_equal(tl_session_seal(pair.responder, 2 * TL_S, 0, packet, 5, &size, &counter), 0);
  assert_int_equal(counter, 0);
  assert_int_equal(tl_session_open(pair.initiator, 2 * TL_S, 0, packet, size, &opened), 0);
  assert_memory_equal(opened.plain, "hello", 5);
  session_pair_deinit(&pair);
  node_fixture_deinit(&a);
  node_fixture_deinit(&b);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(smoke)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
