/*
 * The n-th allocation fails, for every n until none does: no crash, no leak, no broken promise.
 *
 * What a flow cannot keep it does not acknowledge, so the peer sends it again: a shortage that
 * passes costs time and nothing else.
 */
#include <stdlib.h>

#include "tests/unit/link/flow_pair.h"
#include "tests/unit/test.h"

/* The linker leads the flow's allocations here (see CMakeLists.txt). */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static uint64_t calls, fail_first, fail_count;
static bool is_armed;

static bool fails(void) {
  if (!is_armed) return false;
  calls++;
  return calls >= fail_first && calls < fail_first + fail_count;
}

void *__wrap_malloc(size_t size) {
  return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
  return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size) {
  return fails() ? NULL : __real_realloc(old, size);
}

/* ---- One story ---- */

#define RECORDS 60u

struct reader {
  uint32_t ordered, reliable, best_effort;
};

static void read_side(struct tl_flow *f, struct reader *r) {
  struct tl_lane_record record;
  for (struct tl_lane *l = NULL; (l = tl_flow_next_lane(f, l));)
    while (tl_lane_receive(l, &record) == 0) {
      if (record.class == TL_CLASS_ORDERED) assert_int_equal(record.kind, (uint8_t)r->ordered++);
      if (record.class == TL_CLASS_RELIABLE) r->reliable++;
      if (record.class == TL_CLASS_BEST_EFFORT) r->best_effort++;
      tl_lane_release(l);
    }
}

static void arm(bool on) {
  is_armed = on;
}

static void run_a_while(struct pair *p, struct reader *r) {
  pair_run(p, p->now + 5 * TL_MS);
  read_side(p->side[0].flow, r);
  read_side(p->side[1].flow, r + 1);
}

static bool send_one(struct tl_lane *lane, enum tl_class class, uint8_t kind, size_t size) {
  static uint8_t body[20000];
  if (size > sizeof body) size = sizeof body;
  struct iovec piece = {body, size};
  is_armed = true;
  int r = tl_lane_send(lane, class, kind, 0, &piece, 1);
  is_armed = false;
  assert_true(r == 0 || r == TL_FULL || r == TULLE_E_NO_MEMORY);
  return r == 0;
}

static void tell_story(void) {
  struct pair p;
  struct reader readers[2] = {{0}, {0}};
  struct tl_lane *lane = NULL;
  uint32_t ordered = 0, reliable = 0, best_effort = 0;
  pair_init(&p, 3, 0);
  p.arm = arm;
  p.weather.loss = 0.1;
  while (!lane) {
    is_armed = true;
    (void)tl_flow_open(p.side[0].flow, &lane);
    is_armed = false;
  }
  for (unsigned tries = 0; ordered < RECORDS || reliable < RECORDS || best_effort < RECORDS;
       tries++) {
    assert_true(tries < 4000);
    size_t size = tries % 9 == 0 ? 9000 + 100 * tries : 200;
    if (ordered < RECORDS) ordered += send_one(lane, TL_CLASS_ORDERED, (uint8_t)ordered, size);
    if (reliable < RECORDS) reliable += send_one(lane, TL_CLASS_RELIABLE, 0, size);
    if (best_effort < RECORDS) best_effort += send_one(lane, TL_CLASS_BEST_EFFORT, 0, size);
    run_a_while(&p, readers);
  }
  for (int i = 0; readers[1].ordered < RECORDS || readers[1].reliable < RECORDS; i++) {
    assert_true(i < 2000);
    run_a_while(&p, readers);
  }
  assert_int_equal(readers[1].ordered, RECORDS);
  assert_int_equal(readers[1].reliable, RECORDS);
  assert_true(readers[1].best_effort <= RECORDS);
  assert_int_equal(p.side[0].error, 0);
  assert_int_equal(p.side[1].error, 0);
  pair_deinit(&p);
}

static void fail_everywhere(uint64_t count) {
  uint64_t first = 1;
  fail_count = count;
  do {
    calls = 0;
    fail_first = first;
    tell_story();
    first++;
  } while (calls >= fail_first);
  assert_true(first > 20);
}

static void a_single_failure_anywhere(void **state) {
  (void)state;
  fail_everywhere(1);
}

static void a_row_of_failures_anywhere(void **state) {
  (void)state;
  fail_everywhere(20);
}

static void a_flow_that_cannot_be_made(void **state) {
  (void)state;
  struct tl_flow_config config = {.packet_bytes = 1200};
  struct tl_flow *f = NULL;
  fail_count = 1;
  for (fail_first = 1; !f; fail_first++) {
    calls = 0;
    is_armed = true;
    f = tl_flow_new(&config, TL_S);
    is_armed = false;
    assert_true(fail_first < 20);
  }
  assert_true(fail_first > 3);
  tl_flow_free(f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_single_failure_anywhere),
      cmocka_unit_test(a_row_of_failures_anywhere),
      cmocka_unit_test(a_flow_that_cannot_be_made),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
