/* What the tests of discovery share: ids and addresses made from numbers, random numbers that
 * are the same in every run. */
#ifndef TESTS_UNIT_DISCOVERY_TEST_H
#define TESTS_UNIT_DISCOVERY_TEST_H

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/time.h"
#include "discovery/advert.h"
#include "discovery/discovery.h"
#include "tests/unit/test.h"

/* splitmix64 */
static inline uint64_t test_random(void *context) {
  uint64_t *state = context;
  uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

struct test_id {
  uint8_t bytes[TL_DISCOVERY_ID_SIZE];
};

/* Ids sort as their numbers do. */
static inline struct test_id test_id(uint32_t number) {
  struct test_id id = {
      {(uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number}};
  return id;
}

static inline struct tl_address test_address(const char *text) {
  struct tl_address a;
  assert_int_equal(tl_address_parse(text, 0, &a), 0);
  return a;
}

/* 10.x.y.z:8855 */
static inline struct tl_address test_address_number(uint32_t number) {
  struct tl_address a = test_address("10.0.0.0:8855");
  for (int i = 0; i < 3; i++) a.ip[13 + i] = (uint8_t)(number >> (16 - 8 * i));
  return a;
}

static inline struct tl_advert test_advert(uint32_t number, uint64_t boot) {
  struct tl_advert a = {
      .version = 1, .tag = {1, 2, 3, 4, 5, 6, 7, 8}, .generation = 7, .boot = boot};
  memcpy(a.id, test_id(number).bytes, sizeof a.id);
  return a;
}

#endif
