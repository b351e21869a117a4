/* Who is let in, who is thrown out, and who is told: revocation, invitations, clones, limits. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/world.h"
#include "tests/unit/test.h"

static struct world w;

static bool all_connected(struct world *world) {
  return world_all_connected(world);
}

static void start(uint64_t seed, unsigned count) {
  world_init(&w, seed, count);
  tl_sim_set_faults(w.sim, &(struct tl_sim_faults){.delay = 2 * TL_MS});
  w.config.carrier = TL_CARRIER_ONLY_UDP;
  world_start(&w);
  for (unsigned i = 0; i < count; i++) w.nodes[i].keep_events = true;
}

/* The first event of that type at a node, within `limit`. */
static struct tl_endpoint_event wait_event(unsigned node, enum tl_endpoint_event_type type,
                                           uint64_t limit) {
  struct tl_endpoint_event e;
  uint64_t end = world_now(&w) + limit;
  for (;;) {
    while (world_take_event(&w.nodes[node], &e) == 0)
      if (e.type == type) return e;
    if (tl_sim_step(w.sim, end) == TL_EMPTY) fail_msg("event %d did not come", type);
  }
}

static void test_close_with_a_code(void **state) {
  (void)state;
  start(1, 2);
  world_dial(&w, 0, 1);
  assert_true(world_run_until(&w, TL_S, all_connected));
  w.nodes[0].dials[1] = false;
  struct world_link *l = world_link_between(&w, 0, 1);
  tl_link_close(l->link, world_now(&w), 4711);
  *l = (struct world_link){0};
  tl_sim_kick(w.nodes[0].port);
  struct tl_endpoint_event e = wait_event(1, TL_EVENT_LINK_DOWN, TL_S);
  assert_int_equal(e.reason, TL_REASON_CLOSED);
  assert_int_equal(e.code, 4711);
  tl_sim_run(w.sim, 5 * TL_S);
  assert_int_equal(w.nodes[0].downs, 0); /* he who closes is not told */
  assert_null(tl_endpoint_find(w.nodes[0].endpoint, world_member(1)->identity->node_id));
  world_deinit(&w);
}

/* CLOSE is repeated: three losses in a row are needed to leave the peer waiting. */
static bool drop_first(void *context, const struct tl_address *from, const struct tl_address *to,
                       const uint8_t *packet, size_t size) {
  (void)from, (void)to, (void)packet, (void)size;
  int *left = context;
  return (*left)-- > 0;
}

static void test_close_is_repeated(void **state) {
  (void)state;
  int left = 2;
  start(2, 2);
  world_dial(&w, 0, 1);
  assert_true(world_run_until(&w, TL_S, all_connected));
  tl_sim_run(w.sim, 2 * TL_S + 300 * TL_MS);
  w.nodes[0].dials[1] = false;
  tl_sim_set_tap(w.sim, &(struct tl_sim_tap){&left, drop_first, NULL});
  world_close(&w.nodes[0], world_link_between(&w, 0, 1));
  tl_sim_kick(w.nodes[0].port);
  struct tl_endpoint_event e = wait_event(1, TL_EVENT_LINK_DOWN, 500 * TL_MS);
  assert_int_equal(e.reason, TL_REASON_CLOSED);
  world_deinit(&w);
}

static void test_sessions_max(void **state) {
  (void)state;
  world_init(&w, 3, 4);
  tl_sim_set_faults(w.sim, &(struct tl_sim_faults){.delay = 2 * TL_MS});
  w.config.sessions_max = 2;
  world_start(&w);
  world_dial(&w, 1, 0);
  world_dial(&w, 2, 0);
  assert_true(world_run_until(&w, TL_S, all_connected));
  world_dial(&w, 3, 0);
  tl_sim_run(w.sim, 10 * TL_S);
  assert_false(world_is_connected(&w, 3, 0));
  assert_true(world_is_connected(&w, 1, 0) && world_is_connected(&w, 2, 0));
  w.nodes[1].dials[0] = false;
  world_node_crash(&w.nodes[1]);
  tl_sim_run(w.sim, 300 * TL_S); /* its keys reach their hard stop, and make room */
  assert_true(world_is_connected(&w, 3, 0));
  world_deinit(&w);
}

/* The same machine again, in the same boot and after a restart: the old link goes, for a reason. */
static void test_peer_restarts(void **state) {
  (void)state;
  start(4, 2);
  world_dial(&w, 1, 0);
  assert_true(world_run_until(&w, TL_S, all_connected));
  world_node_crash(&w.nodes[1]);
  world_node_start(&w.nodes[1]); /* the process only */
  struct tl_endpoint_event e = wait_event(0, TL_EVENT_LINK_DOWN, 5 * TL_S);
  assert_int_equal(e.reason, TL_REASON_REPLACED);
  assert_true(world_run_until(&w, TL_S, all_connected));
  world_node_crash(&w.nodes[1]);
  w.nodes[1].boot_id[0] ^= 1; /* the whole machine */
  world_node_start(&w.nodes[1]);
  e = wait_event(0, TL_EVENT_LINK_DOWN, 5 * TL_S);
  assert_int_equal(e.reason, TL_REASON_RESTARTED);
  assert_true(world_run_until(&w, TL_S, all_connected));
  assert_int_equal(w.nodes[0].ups, 3);
  world_deinit(&w);
}

/* T-53: one key on two machines. They take turns at a third node, which throws both out. */
static void test_cloned_identity(void **state) {
  (void)state;
  start(53, 2);
  uint64_t begin = world_now(&w);
  for (int turn = 0; turn < 6 && w.nodes[0].clones == 0; turn++) {
    world_dial(&w, 1, 0);
    tl_sim_run(w.sim, 5 * TL_S);
    world_node_crash(&w.nodes[1]);
    w.nodes[1].boot_id[0] ^= 1;
    world_node_start(&w.nodes[1]);
  }
  assert_int_equal(w.nodes[0].clones, 1);
  assert_true(world_now(&w) - begin <= 60 * TL_S);
  struct tl_endpoint_event e = wait_event(0, TL_EVENT_CLONED, 1);
  assert_memory_equal(e.node_id, world_member(1)->identity->node_id, 16);
  tl_sim_run(w.sim, 30 * TL_S);
  assert_null(world_link_between(&w, 0, 1));
  assert_int_equal(world_counters(&w, 0).clone_alarms, 1);
  world_deinit(&w);
}

/* ---- Invitations ---- */

static void test_join(void **state) {
  (void)state;
  static struct node_fixture newcomer;
  struct tl_token token;
  struct tl_dial wish = {.address_count = 1, .token = &token};
  uint64_t number;
  node_fixture_init(&newcomer, 4242, "newcomer");
  start(5, 2);
  assert_int_equal(
      tl_trust_invite(world_member(0)->trust, world_now(&w), 0, TL_ROLES_DEFAULT, &token), 0);
  /* Node 1 plays the newcomer: its identity and its trust are another's. */
  world_node_crash(&w.nodes[1]);
  w.nodes[1].plays = &newcomer;
  world_node_start(&w.nodes[1]);
  wish.addresses[0] = w.nodes[0].address;
  assert_int_equal(tl_endpoint_dial(w.nodes[1].endpoint, world_now(&w), &wish, &number), 0);
  tl_sim_kick(w.nodes[1].port);
  struct tl_endpoint_event e = wait_event(1, TL_EVENT_LINK_UP, TL_S);
  assert_int_equal(e.dial, number);
  assert_true(tl_link_peer(e.link)->is_inviter);
  assert_memory_equal(tl_link_peer(e.link)->node_id, world_member(0)->identity->node_id, 16);
  e = wait_event(0, TL_EVENT_LINK_UP, TL_S);
  assert_true(tl_link_peer(e.link)->joining);
  assert_memory_equal(tl_link_peer(e.link)->key, newcomer.identity->key, 32);
  assert_memory_equal(tl_link_peer(e.link)->invitation_id, token.invitation_id, 8);
  /* A wrong secret is a stranger. */
  token.secret[0] ^= 1;
  assert_int_equal(tl_endpoint_dial(w.nodes[1].endpoint, world_now(&w), &wish, &number), 0);
  tl_sim_kick(w.nodes[1].port);
  e = wait_event(1, TL_EVENT_SILENT, 60 * TL_S);
  assert_int_equal(e.reason, TL_REASON_SILENT);
  world_deinit(&w);
  node_fixture_deinit(&newcomer);
}

/* ---- T-10, the link's part: revoked means gone at once. Last, for it changes the fabric. ---- */

static void test_revocation(void **state) {
  (void)state;
  start(10, 4);
  world_dial_all(&w);
  assert_true(world_run_until(&w, 5 * TL_S, all_connected));
  for (unsigned i = 0; i < 4; i++) w.nodes[i].event_count = 0;
  struct tl_trust *authority = world_member(0)->trust;
  assert_int_equal(tl_trust_revoke(authority, world_now(&w), world_member(3)->identity->key), 0);
  const struct tl_trust_state *news = tl_trust_state_of(authority);
  for (unsigned i = 0; i < 3; i++) { /* as the mesh would spread it */
    if (i > 0) {
      assert_int_equal(tl_trust_update_revocations(world_member(i)->trust, news->revocations,
                                                   news->revocations_bytes),
                       0);
      assert_int_equal(tl_trust_update_admission(world_member(i)->trust, world_now(&w),
                                                 news->admission_epoch, news->admission_secret),
                       0);
    }
    tl_endpoint_refresh_trust(w.nodes[i].endpoint, world_now(&w));
    tl_sim_kick(w.nodes[i].port);
    struct tl_endpoint_event e = wait_event(i, TL_EVENT_LINK_DOWN, TL_S);
    assert_int_equal(e.reason, TL_REFUSED_REVOKED);
  }
  tl_sim_run(w.sim, 60 * TL_S);
  for (unsigned i = 0; i < 3; i++) {
    assert_null(world_link_between(&w, i, 3));
    assert_null(world_link_between(&w, 3, i));
    for (unsigned k = 0; k < 3; k++)
      if (k != i) assert_true(world_is_connected(&w, i, k));
  }
  /* The one thrown out dials on: it is answered under the old epoch, and never let in. */
  assert_true(w.nodes[3].silents > 0);
  assert_int_equal(w.nodes[3].last_reason, TL_REASON_IGNORED);
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
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_close_with_a_code), cmocka_unit_test(test_close_is_repeated),
      cmocka_unit_test(test_sessions_max),      cmocka_unit_test(test_peer_restarts),
      cmocka_unit_test(test_cloned_identity),   cmocka_unit_test(test_join),
      cmocka_unit_test(test_revocation),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
