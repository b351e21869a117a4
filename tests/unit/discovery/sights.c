/* What the child makes of what avahi tells it: which lines go to the node, and which do not. */
#include "discovery/mdns/sights.h"

#include <stdio.h>

#include "tests/unit/discovery/test.h"

struct world {
  struct tl_sights sights;
  uint64_t now;
  char said[4096]; /* short forms of the lines: "found 1 10.0.0.1:1;" */
};

static struct world *world_new(void) {
  struct world *w = calloc(1, sizeof *w);
  assert_non_null(w);
  w->now = 100 * TL_S;
  tl_sights_init(&w->sights);
  return w;
}

static void world_free(struct world *w) {
  tl_sights_deinit(&w->sights);
  free(w);
}

static const char *said(struct world *w) {
  struct tl_line l;
  size_t used = 0;
  w->said[0] = 0;
  while (tl_sights_poll(&w->sights, w->now, &l) == 0) {
    char address[TL_ADDRESS_TEXT_SIZE];
    uint32_t number = (uint32_t)l.id[2] << 8 | l.id[3];
    tl_address_format(&l.address, address);
    const char *verb = l.kind == TL_LINE_FOUND  ? "found"
                       : l.kind == TL_LINE_LOST ? "lost"
                       : l.kind == TL_LINE_GONE ? "gone"
                                                : "cloned";
    bool has_address = l.kind == TL_LINE_FOUND || l.kind == TL_LINE_LOST;
    used += (size_t)snprintf(w->said + used, sizeof w->said - used, "%s %u%s%s;", verb, number,
                             has_address ? " " : "", has_address ? address : "");
    assert_true(used < sizeof w->said);
  }
  return w->said;
}

static struct tl_sight *see(struct world *w, uint32_t id, uint32_t interface) {
  return tl_sights_seen(&w->sights, test_id(id).bytes, interface, 0);
}

static void resolve(struct world *w, struct tl_sight *sight, int family, uint32_t id,
                    const char *address) {
  struct tl_advert advert = test_advert(id, 1);
  struct tl_address a = test_address(address);
  tl_sights_resolved(&w->sights, sight, family, &advert, &a);
}

static void unsee(struct world *w, uint32_t id, uint32_t interface) {
  struct tl_sight *sight = tl_sights_unseen(&w->sights, test_id(id).bytes, interface, 0);
  assert_non_null(sight);
  tl_sights_clear(&w->sights, sight);
}

static void a_node_is_told_once_it_is_resolved(void **state) {
  (void)state;
  struct world *w = world_new();
  struct tl_sight *s = see(w, 1, 2);
  assert_string_equal(said(w), "");
  resolve(w, s, TL_SIGHT_V4, 1, "10.0.0.1:1");
  resolve(w, s, TL_SIGHT_V6, 1, "[fd00::1]:1");
  assert_string_equal(said(w), "found 1 10.0.0.1:1;found 1 [fd00::1]:1;");
  resolve(w, s, TL_SIGHT_V4, 1, "10.0.0.1:1");
  assert_string_equal(said(w), "");
  unsee(w, 1, 2);
  assert_string_equal(said(w), "lost 1 10.0.0.1:1;gone 1;");
  assert_int_equal(w->sights.by_key.used, 0);
  world_free(w);
}

static void news_of_the_advert_are_told(void **state) {
  (void)state;
  struct world *w = world_new();
  struct tl_sight *s = see(w, 1, 2);
  struct tl_advert advert = test_advert(1, 1);
  struct tl_address a = test_address("10.0.0.1:1");
  resolve(w, s, TL_SIGHT_V4, 1, "10.0.0.1:1");
  (void)said(w);
  advert.generation++;
  tl_sights_resolved(&w->sights, s, TL_SIGHT_V4, &advert, &a);
  assert_string_equal(said(w), "found 1 10.0.0.1:1;");
  advert.tag[0]++;
  tl_sights_resolved(&w->sights, s, TL_SIGHT_V4, &advert, &a);
  assert_string_equal(said(w), "found 1 10.0.0.1:1;");
  world_free(w);
}

static void who_moves_is_never_gone(void **state) {
  (void)state;
  struct world *w = world_new();
  struct tl_sight *s = see(w, 1, 2);
  resolve(w, s, TL_SIGHT_V4, 1, "10.0.0.1:1");
  (void)said(w);
  resolve(w, s, TL_SIGHT_V4, 1, "10.0.0.2:1");
  assert_string_equal(said(w), "found 1 10.0.0.2:1;lost 1 10.0.0.1:1;");
  resolve(w, s, TL_SIGHT_V4, 1, "10.0.0.3:1");
  resolve(w, s, TL_SIGHT_V4, 1, "10.0.0.2:1"); /* back before anybody was told */
  assert_string_equal(said(w), "");
  world_free(w);
}

static void two_interfaces_that_say_the_same(void **state) {
  (void)state;
  struct world *w = world_new();
  resolve(w, see(w, 1, 2), TL_SIGHT_V4, 1, "10.0.0.1:1");
  resolve(w, see(w, 1, 3), TL_SIGHT_V4, 1, "10.0.0.1:1");
  resolve(w, see(w, 1, 4), TL_SIGHT_V4, 1, "10.1.0.1:1");
  assert_string_equal(said(w), "found 1 10.0.0.1:1;found 1 10.0.0.1:1;found 1 10.1.0.1:1;");
  unsee(w, 1, 2);
  assert_string_equal(said(w), "");
  unsee(w, 1, 3);
  assert_string_equal(said(w), "lost 1 10.0.0.1:1;");
  unsee(w, 1, 4);
  assert_string_equal(said(w), "gone 1;");
  world_free(w);
}

static void both_protocols_must_say_that_it_is_gone(void **state) {
  (void)state;
  struct world *w = world_new();
  (void)tl_sights_seen(&w->sights, test_id(1).bytes, 2, 0);
  (void)tl_sights_seen(&w->sights, test_id(1).bytes, 2, 1);
  assert_null(tl_sights_unseen(&w->sights, test_id(1).bytes, 2, 0));
  assert_null(tl_sights_unseen(&w->sights, test_id(1).bytes, 2, 0)); /* said twice */
  assert_null(tl_sights_unseen(&w->sights, test_id(9).bytes, 2, 0));
  assert_non_null(tl_sights_unseen(&w->sights, test_id(1).bytes, 2, 1));
  world_free(w);
}

static void a_failure_takes_back_and_a_foreign_advert_is_one(void **state) {
  (void)state;
  struct world *w = world_new();
  struct tl_sight *s = see(w, 1, 2);
  resolve(w, s, TL_SIGHT_V4, 1, "10.0.0.1:1");
  (void)said(w);
  resolve(w, s, TL_SIGHT_V4, 2, "10.0.0.1:1"); /* the TXT of another node under this name */
  assert_string_equal(said(w), "gone 1;");
  resolve(w, s, TL_SIGHT_V4, 1, "10.0.0.1:1");
  assert_string_equal(said(w), "found 1 10.0.0.1:1;");
  tl_sights_failed(&w->sights, s, TL_SIGHT_V4);
  assert_string_equal(said(w), "gone 1;");
  assert_int_equal(w->sights.by_key.used, 1); /* still seen, so it is kept and may resolve later */
  world_free(w);
}

static void another_engine_finds_the_same_and_nothing_is_told(void **state) {
  (void)state;
  struct world *w = world_new();
  resolve(w, see(w, 1, 2), TL_SIGHT_V4, 1, "10.0.0.1:1");
  resolve(w, see(w, 2, 2), TL_SIGHT_V4, 2, "10.0.0.2:1");
  (void)said(w);
  tl_sights_orphan(&w->sights, w->now);
  assert_true(tl_sights_expire(&w->sights, w->now) == w->now + TL_SIGHTS_ORPHAN_NS);
  resolve(w, see(w, 1, 2), TL_SIGHT_V4, 1, "10.0.0.1:1");
  assert_string_equal(said(w), "");
  w->now += TL_SIGHTS_ORPHAN_NS;
  assert_true(tl_sights_expire(&w->sights, w->now) == TL_NEVER);
  assert_string_equal(said(w), "gone 2;");
  assert_int_equal(w->sights.by_key.used, 1);
  world_free(w);
}

static void everything_can_be_told_again(void **state) {
  (void)state;
  struct world *w = world_new();
  resolve(w, see(w, 1, 2), TL_SIGHT_V4, 1, "10.0.0.1:1");
  (void)see(w, 2, 2);
  (void)said(w);
  tl_sights_repeat(&w->sights);
  assert_string_equal(said(w), "found 1 10.0.0.1:1;");
  assert_string_equal(said(w), "");
  world_free(w);
}

static void boot(struct world *w, struct tl_sight *s, bool is_there, uint64_t number) {
  tl_sights_boot(&w->sights, s, w->now, is_there, 0, number);
}

static void a_restart_is_no_clone(void **state) {
  (void)state;
  struct world *w = world_new();
  struct tl_sight *s = see(w, 1, 2);
  for (uint64_t number = 1; number < 20; number++) {
    boot(w, s, true, number);
    boot(w, s, true, number);
    w->now += TL_S;
    if (number > 1) boot(w, s, false, number - 1); /* a second later, as caches do */
    assert_true(tl_sights_expire(&w->sights, w->now) == TL_NEVER);
    w->now += TL_MS;
  }
  boot(w, s, false, 19);
  boot(w, s, true, 19); /* a cable out and in */
  assert_string_equal(said(w), "");
  world_free(w);
}

static void two_boots_at_once_are_a_clone(void **state) {
  (void)state;
  struct world *w = world_new();
  struct tl_sight *s = see(w, 1, 2);
  boot(w, s, true, 1);
  boot(w, s, true, 2);
  assert_true(tl_sights_expire(&w->sights, w->now) == w->now + TL_SIGHTS_OVERLAP_NS);
  w->now += TL_SIGHTS_OVERLAP_NS - 1;
  (void)tl_sights_expire(&w->sights, w->now);
  assert_string_equal(said(w), "");
  w->now += 1;
  assert_true(tl_sights_expire(&w->sights, w->now) > w->now);
  assert_string_equal(said(w), "cloned 1;");
  for (int i = 0; i < 100; i++) { /* an alarm a minute, not more */
    w->now += 300 * TL_MS;
    (void)tl_sights_expire(&w->sights, w->now);
    assert_string_equal(said(w), "");
  }
  world_free(w);
}

static void a_boot_that_comes_back_is_a_clone(void **state) {
  (void)state;
  struct world *w = world_new();
  struct tl_sight *s = see(w, 1, 2);
  boot(w, s, true, 1);
  boot(w, s, true, 2);
  boot(w, s, false, 1);
  assert_string_equal(said(w), "");
  boot(w, s, true, 1);
  assert_string_equal(said(w), "cloned 1;");
  world_free(w);
}

static void there_is_an_end_to_what_is_kept(void **state) {
  (void)state;
  struct world *w = world_new();
  for (uint32_t i = 0; i < 100000; i++) (void)see(w, i, 2);
  assert_int_equal(w->sights.by_key.used, TL_SIGHTS_MAX);
  assert_true(w->sights.has_dropped);
  tl_sights_orphan(&w->sights, w->now);
  assert_false(w->sights.has_dropped);
  w->now += TL_SIGHTS_ORPHAN_NS;
  (void)tl_sights_expire(&w->sights, w->now);
  assert_string_equal(said(w), ""); /* what was never told need not be taken back */
  assert_int_equal(w->sights.by_key.used, 0);
  world_free(w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_node_is_told_once_it_is_resolved),
      cmocka_unit_test(news_of_the_advert_are_told),
      cmocka_unit_test(who_moves_is_never_gone),
      cmocka_unit_test(two_interfaces_that_say_the_same),
      cmocka_unit_test(both_protocols_must_say_that_it_is_gone),
      cmocka_unit_test(a_failure_takes_back_and_a_foreign_advert_is_one),
      cmocka_unit_test(another_engine_finds_the_same_and_nothing_is_told),
      cmocka_unit_test(everything_can_be_told_again),
      cmocka_unit_test(a_restart_is_no_clone),
      cmocka_unit_test(two_boots_at_once_are_a_clone),
      cmocka_unit_test(a_boot_that_comes_back_is_a_clone),
      cmocka_unit_test(there_is_an_end_to_what_is_kept),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
