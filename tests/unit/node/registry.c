/* The registry: places by nearness, names with several offers, what is remembered, what looks alike. */
#include "node/state/registry.h"

#include <stdio.h>
#include <string.h>

#include "core/time.h"
#include "tests/unit/test.h"

static const uint8_t secret[16];

static struct tl_service_info info_of(const char *name, const char *capability) {
  struct tl_service_info i = {0};
  snprintf(i.name, sizeof i.name, "%s", name);
  if (!capability) return i;
  i.capability_count = 1;
  snprintf(i.capabilities[0].name, sizeof i.capabilities[0].name, "%s", capability);
  return i;
}

static void place_add(struct tl_registry *r, struct tl_place *p, const char *name,
                      uint64_t rtt_ns) {
  *p = (struct tl_place){.is_reachable = true, .rtt_ns = rtt_ns};
  snprintf(p->node_name, sizeof p->node_name, "%s", name);
  snprintf(p->node_id_text, sizeof p->node_id_text, "id-%s-%u", name, (unsigned)rtt_ns);
  tl_list_init(&p->offers);
  tl_registry_sort_place(r, p);
}

static struct tl_offer *add(struct tl_registry *r, struct tl_place *p, const char *name,
                            const char *capability) {
  struct tl_service_info i = info_of(name, capability);
  struct tl_offer *o;
  assert_int_equal(tl_registry_add(r, p, NULL, &i, 100, &o), 0);
  return o;
}

static void start(struct tl_registry *r) {
  tl_registry_init(r, secret);
  snprintf(r->here.node_name, sizeof r->here.node_name, "osprey");
}

static void the_nearest_comes_first(void **state) {
  (void)state;
  static struct tl_registry r;
  start(&r);
  struct tl_place far, near;
  place_add(&r, &far, "heron", 900), place_add(&r, &near, "swift", 100);
  struct tl_offer *f = add(&r, &far, "imu", "a"), *n = add(&r, &near, "imu", "b");
  assert_ptr_equal(tl_registry_find(&r, "imu", NULL, NULL), n);
  struct tl_offer *h = add(&r, &r.here, "imu", NULL);
  assert_ptr_equal(tl_registry_find(&r, "imu", NULL, NULL), h);
  assert_ptr_equal(tl_registry_find(&r, "imu", NULL, "a"), f);
  assert_ptr_equal(tl_registry_find(&r, "imu", "heron", NULL), f);
  assert_ptr_equal(tl_registry_find(&r, "imu", far.node_id_text, NULL), f);
  assert_null(tl_registry_find(&r, "imu", "heron", "b"));
  assert_null(tl_registry_find(&r, "imu", "nobody", NULL));
  assert_null(tl_registry_find(&r, "im", NULL, NULL));
  assert_ptr_equal(tl_registry_next(&r, NULL), h);
  assert_ptr_equal(tl_registry_next(&r, h), n);
  assert_ptr_equal(tl_registry_next(&r, n), f);
  assert_null(tl_registry_next(&r, f));
  far.rtt_ns = 10;
  tl_registry_sort_place(&r, &far);
  assert_ptr_equal(tl_registry_next(&r, h), f);
  near.is_reachable = far.is_reachable = false;
  tl_registry_remove(&r, h, "x", 1);
  assert_null(tl_registry_find(&r, "imu", NULL, NULL));
  tl_registry_remove(&r, n, "x", 1), tl_registry_remove(&r, f, "x", 1);
  tl_registry_deinit(&r);
}

static void two_nodes_of_one_name_are_told_apart_by_id(void **state) {
  (void)state;
  static struct tl_registry r;
  start(&r);
  struct tl_place a, b;
  place_add(&r, &a, "twin", 1), place_add(&r, &b, "twin", 2);
  assert_null(tl_registry_place(&r, "twin"));
  assert_ptr_equal(tl_registry_place(&r, "id-twin-2"), &b);
  assert_ptr_equal(tl_registry_place(&r, "osprey"), &r.here);
  tl_list_remove(&a.link), tl_list_remove(&b.link);
  tl_registry_deinit(&r);
}

static void only_own_changes_count(void **state) {
  (void)state;
  static struct tl_registry r;
  start(&r);
  struct tl_place p;
  place_add(&r, &p, "heron", 1);
  struct tl_offer *theirs = add(&r, &p, "a", NULL);
  assert_int_equal(r.generation, 0);
  struct tl_offer *ours = add(&r, &r.here, "a", NULL);
  assert_int_equal(r.generation, 1);
  struct tl_service_info i = info_of("a", "gpu");
  assert_int_equal(tl_registry_update(&r, ours, &i), 0);
  assert_true(tl_offer_has_capability(ours, "gpu"));
  assert_false(tl_offer_has_capability(ours, "gp"));
  assert_int_equal(r.generation, 2);
  tl_registry_remove(&r, theirs, "x", 1);
  assert_int_equal(r.generation, 2);
  tl_registry_remove(&r, ours, "x", 1);
  assert_int_equal(r.generation, 3);
  assert_int_equal(r.offer_count, 0);
  tl_registry_deinit(&r);
}

static void what_went_is_remembered_for_a_while(void **state) {
  (void)state;
  static struct tl_registry r;
  start(&r);
  assert_null(tl_registry_last(&r, "camera"));
  tl_registry_remove(&r, add(&r, &r.here, "camera", NULL), "withdrawn", 5 * TL_S);
  assert_string_equal(tl_registry_last(&r, "camera")->reason, "withdrawn");
  tl_registry_remove(&r, add(&r, &r.here, "camera", NULL), "its program ended", 9 * TL_S);
  assert_string_equal(tl_registry_last(&r, "camera")->node_name, "osprey");
  assert_int_equal(tl_registry_last(&r, "camera")->at, 9 * TL_S);
  for (int i = 0; i < TL_REGISTRY_RECENT_MAX; i++)
    tl_registry_remove(&r, add(&r, &r.here, "other", NULL), "x", 10 * TL_S);
  assert_null(tl_registry_last(&r, "camera"));
  tl_registry_deinit(&r);
}

static void a_slip_of_the_finger_is_recognised(void **state) {
  (void)state;
  static struct tl_registry r;
  start(&r);
  struct tl_offer *o = add(&r, &r.here, "textstat", NULL), *x = add(&r, &r.here, "x", NULL);
  struct tl_name *waited = tl_registry_name(&r, "textstit");
  assert_string_equal(tl_registry_similar(&r, "textsat"), "textstat");
  assert_string_equal(tl_registry_similar(&r, "txetstat"), "textstat");
  assert_null(tl_registry_similar(&r, "statistics"));
  assert_null(tl_registry_similar(&r, "y")); /* one edit away, but nothing of it is left */
  tl_registry_drop_name(&r, waited);
  tl_registry_remove(&r, o, "x", 1), tl_registry_remove(&r, x, "x", 1);
  tl_registry_deinit(&r);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_nearest_comes_first),
      cmocka_unit_test(two_nodes_of_one_name_are_told_apart_by_id),
      cmocka_unit_test(only_own_changes_count),
      cmocka_unit_test(what_went_is_remembered_for_a_while),
      cmocka_unit_test(a_slip_of_the_finger_is_recognised),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
