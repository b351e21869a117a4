/*
 * T-13: the replay window. The known hard cases of such a window (around its edges, its words and the end of
 * the numbers), sweeps, and random steps against a reference that remembers everything.
 *
 * usage: test_unit_crypto_replay [STEPS]
 */
#include "crypto/replay.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/test.h"

#define W   TL_REPLAY_WINDOW
#define LIM (W + 1)
#define END TL_REPLAY_COUNTER_END

static unsigned long random_steps = 1000000;

static bool take(struct tl_replay *replay, uint64_t counter) {
  bool is_new = tl_replay_is_new(replay, counter);
  if (is_new) tl_replay_mark(replay, counter);
  return is_new;
}

static void edges(void **state) {
  (void)state;
  static const struct {
    uint64_t counter;
    bool is_new;
  } cases[] = {
      {0, true},
      {1, true},
      {1, false},
      {9, true},
      {8, true},
      {7, true},
      {7, false},
      {LIM, true},
      {LIM - 1, true},
      {LIM - 1, false},
      {LIM - 2, true},
      {2, true},
      {2, false},
      {LIM + 16, true},
      {3, false},
      {LIM + 16, false},
      {LIM * 4, true},
      {LIM * 4 - (LIM - 1), true},
      {10, false},
      {LIM * 4 - LIM, false},
      {LIM * 4 - (LIM + 1), false},
      {LIM * 4 - (LIM - 2), true},
      {LIM * 4 + 1 - LIM, false},
      {0, false},
      {END, false},
      {END - 1, true},
      {END, false},
      {END - 1, false},
      {END - 2, true},
      {END + 1, false},
      {END + 2, false},
      {END - 2, false},
      {END - 3, true},
      {0, false},
  };
  struct tl_replay replay;
  tl_replay_init(&replay);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    if (take(&replay, cases[i].counter) != cases[i].is_new)
      fail_msg("case %zu: %lu", i + 1, (unsigned long)cases[i].counter);
}

/* Every number once, then never again, upwards and downwards, and past one that fell out. */
static void sweeps(void **state) {
  (void)state;
  struct tl_replay r;
  tl_replay_init(&r);
  for (uint64_t i = 1; i <= W; i++) assert_true(take(&r, i));
  assert_true(take(&r, 0));
  assert_false(take(&r, 0));
  tl_replay_init(&r);
  for (uint64_t i = 2; i <= W + 1; i++) assert_true(take(&r, i));
  assert_true(take(&r, 1));
  assert_false(take(&r, 0));
  tl_replay_init(&r);
  for (uint64_t i = W + 1; i-- > 0;) assert_true(take(&r, i));
  for (uint64_t i = W + 1; i-- > 0;) assert_false(take(&r, i));
  tl_replay_init(&r);
  for (uint64_t i = W + 2; i-- > 1;) assert_true(take(&r, i));
  assert_false(take(&r, 0));
  tl_replay_init(&r);
  for (uint64_t i = W + 1; i-- > 1;) assert_true(take(&r, i));
  assert_true(take(&r, 0));
  assert_true(take(&r, W + 1));
  tl_replay_init(&r);
  for (uint64_t i = W + 1; i-- > 1;) assert_true(take(&r, i));
  assert_true(take(&r, W + 1));
  assert_false(take(&r, 0));
}

static void looking_changes_nothing(void **state) {
  (void)state;
  struct tl_replay r, before;
  tl_replay_init(&r);
  for (uint64_t i = 0; i < 20000; i += 3) take(&r, i);
  before = r;
  for (uint64_t i = 0; i < 40000; i++) (void)tl_replay_is_new(&r, i);
  (void)tl_replay_is_new(&r, UINT64_MAX);
  assert_memory_equal(&r, &before, sizeof r);
}

/* The reference: one byte for each number of a space that is walked through once. */
#define SPACE (UINT64_C(1) << 24)

static uint64_t xorshift(uint64_t *x) {
  *x ^= *x << 13;
  *x ^= *x >> 7;
  *x ^= *x << 17;
  return *x;
}

/* Mostly near the front, sometimes far behind, rarely a leap ahead. */
static uint64_t next_counter(uint64_t *seed, uint64_t front) {
  uint64_t r = xorshift(seed), kind = r % 100;
  r >>= 8;
  if (kind < 60) return front + r % 3;
  if (kind < 85) return front - r % (front < 200 ? front + 1 : 200);
  if (kind < 97) return front - r % (front < 2 * W ? front + 1 : 2 * W);
  if (kind < 99) return front + r % 200;
  return front + r % (2 * W);
}

static void random_walk(void **state) {
  (void)state;
  uint8_t *seen = calloc(SPACE + 4 * W, 1);
  uint64_t seed = 0x9e3779b97f4a7c15, front = 0;
  struct tl_replay r;
  assert_non_null(seen);
  tl_replay_init(&r);
  for (unsigned long step = 0; step < random_steps; step++) {
    uint64_t counter = next_counter(&seed, front);
    bool right = !seen[counter] && counter + W >= front;
    if (take(&r, counter) != right) fail_msg("step %lu: %lu", step, (unsigned long)counter);
    seen[counter] = 1;
    if (counter > front) front = counter;
    if (front < SPACE) continue;
    memset(seen, 0, SPACE + 4 * W);
    front = 0;
    tl_replay_init(&r);
  }
  free(seen);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(edges),
      cmocka_unit_test(sweeps),
      cmocka_unit_test(looking_changes_nothing),
      cmocka_unit_test(random_walk),
  };
  if (argc > 1) random_steps = strtoul(argv[1], NULL, 10);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
