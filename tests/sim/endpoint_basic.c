/* Two endpoints on a good network. */
#include "tests/sim/world.h"
#include "tests/unit/test.h"

static struct world w;

static bool connected(struct world *world) {
  return world_all_connected(world);
}

static void test_connects(void **state) {
  (void)state;
  world_init(&w, 1, 2);
  tl_sim_set_faults(w.sim, &(struct tl_sim_faults){.delay = 2 * TL_MS});
  world_start(&w);
  world_dial(&w, 0, 1);
  assert_true(world_run_until(&w, TL_S, connected));
  print_message("connected after %llu us\n",
                (unsigned long long)((world_now(&w) - 3600 * TL_S) / TL_US));
  w.traffic_each = TL_MS;
  tl_sim_kick(w.nodes[0].port);
  tl_sim_kick(w.nodes[1].port);
  tl_sim_run(w.sim, 10 * TL_S);
  print_message("delivered %llu\n", (unsigned long long)w.nodes[1].delivered);
  w.traffic_each = 0;
  assert_true(world_run_until(&w, TL_S, world_all_delivered));
  world_deinit(&w);
}

static int setup(void **state) {
  (void)state;
  world_fabric_make();
  return 0;
}
static int teardown(void **state) {
  (void)state;
  world_fabric_free();
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_connects)};
  return cmocka_run_group_tests(tests, setup, teardown);
}
