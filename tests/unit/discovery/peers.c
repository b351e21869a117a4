/* The table of peers on virtual time: who is dialled when, what is forgotten, what a flood
 * cannot do. */
#include "discovery/peers.h"

#include "tests/unit/discovery/test.h"

struct world {
  struct tl_peers peers;
  uint64_t seed;
  uint64_t now;
};

#define SELF 1000 /* ids below dial us first, ids above are dialled by us at once */

static struct world *world_new(void) {
  struct world *w = calloc(1, sizeof *w);
  assert_non_null(w);
  struct tl_discovery_config config = {
      .mdns = true, .random = test_random, .random_context = &w->seed};
  memcpy(config.id, test_id(SELF).bytes, sizeof config.id);
  w->now = 1000 * TL_S;
  tl_peers_init(&w->peers, &config);
  return w;
}

static void world_free(struct world *w) {
  tl_peers_deinit(&w->peers);
  free(w);
}

static void found_at(struct world *w, uint32_t id, const struct tl_address *address) {
  struct tl_advert advert = test_advert(id, 1);
  tl_peers_found(&w->peers, w->now, &advert, address);
}

static void found(struct world *w, uint32_t id) {
  struct tl_address a = test_address_number(id);
  found_at(w, id, &a);
}

/* Goes to the next dial, by deadlines alone, but not past `until`: 0 or TL_EMPTY. A deadline
 * that never moves fails the test: a loop would spin. */
static int next_dial(struct world *w, uint64_t until, struct tl_discovery_dial *out) {
  for (int turns = 0; turns < 100; turns++) {
    if (tl_peers_poll_dial(&w->peers, w->now, out) == 0) return 0;
    uint64_t at = tl_peers_deadline(&w->peers);
    if (at > until) {
      w->now = until > w->now ? until : w->now;
      return TL_EMPTY;
    }
    assert_true(at > w->now);
    w->now = at;
  }
  fail_msg("the deadline does not lead anywhere");
  return TL_EMPTY;
}

static struct tl_discovery_dial must_dial(struct world *w, uint64_t within) {
  struct tl_discovery_dial d;
  assert_int_equal(next_dial(w, w->now + within, &d), 0);
  return d;
}

static void must_not_dial(struct world *w, uint64_t within) {
  struct tl_discovery_dial d;
  assert_int_equal(next_dial(w, w->now + within, &d), TL_EMPTY);
}

static void fails(struct world *w, const struct tl_discovery_dial *d) {
  tl_peers_dialled(&w->peers, w->now, d, TULLE_E_UNREACHABLE, NULL);
}

static bool entry_of(struct world *w, uint32_t id, struct tl_discovery_entry *out) {
  size_t cursor = 0;
  while (tl_peers_next(&w->peers, &cursor, out) == 0)
    if (out->has_id && !memcmp(out->id, test_id(id).bytes, sizeof out->id)) return true;
  return false;
}

static size_t entry_count(struct world *w) {
  struct tl_discovery_entry e;
  size_t cursor = 0, n = 0;
  while (tl_peers_next(&w->peers, &cursor, &e) == 0) n++;
  return n;
}

static void connect_to(struct world *w, uint32_t id) {
  struct tl_address a = test_address_number(id);
  tl_peers_connected(&w->peers, w->now, test_id(id).bytes, &a);
}

/* One peer */

static void the_smaller_id_dials_at_once(void **state) {
  (void)state;
  struct world *w = world_new();
  uint64_t start = w->now;
  found(w, SELF + 1);
  struct tl_discovery_dial d = must_dial(w, TL_S);
  assert_true(w->now == start);
  assert_memory_equal(d.id, test_id(SELF + 1).bytes, sizeof d.id);
  assert_true(d.has_id);
  assert_true(d.give_up_at == w->now + TL_PEERS_DIAL_STRANGER_NS);
  found(w, SELF - 1);
  d = must_dial(w, TL_S);
  assert_memory_equal(d.id, test_id(SELF - 1).bytes, sizeof d.id);
  assert_true(w->now == start + TL_PEERS_YIELD_NS);
  world_free(w);
}

static void ourselves_and_undialable_addresses_are_ignored(void **state) {
  (void)state;
  struct world *w = world_new();
  static const char *const bad[] = {"0.0.0.0:1", "224.0.0.251:5353", "255.255.255.255:1",
                                    "0.1.2.3:1", "[::]:1",           "[ff02::1]:1"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct tl_address a = test_address(bad[i]);
    found_at(w, SELF + 1, &a);
    assert_int_equal(tl_peers_add_static(&w->peers, w->now, NULL, &a), TULLE_E_INVALID);
  }
  struct tl_address no_port = test_address("10.0.0.1");
  found_at(w, SELF + 1, &no_port);
  found(w, SELF);
  assert_int_equal(entry_count(w), 0);
  must_not_dial(w, 100 * TL_S);
  world_free(w);
}

static void a_failing_peer_is_dialled_ever_more_rarely(void **state) {
  (void)state;
  struct world *w = world_new();
  uint64_t last = 0;
  found(w, SELF + 1);
  for (unsigned i = 0; i < 20; i++) {
    struct tl_discovery_dial d = must_dial(w, TL_PEERS_HOLD_NS);
    if (last) assert_in_range(w->now - last, TL_S, 60 * TL_S);
    if (i > 6) assert_in_range(w->now - last, 40 * TL_S, 60 * TL_S);
    last = w->now;
    fails(w, &d);
    must_not_dial(w, TL_S - 1);
    found(w, SELF + 1); /* being heard again is no reason to hurry, but keeps it in the table */
  }
  world_free(w);
}

static void an_unanswered_dial_counts_as_failed(void **state) {
  (void)state;
  struct world *w = world_new();
  found(w, SELF + 1);
  struct tl_discovery_dial d = must_dial(w, 0);
  must_not_dial(w, TL_PEERS_DIAL_STRANGER_NS + TL_S - 1);
  struct tl_discovery_entry e;
  assert_true(entry_of(w, SELF + 1, &e));
  assert_int_equal(e.failures, 1);
  assert_int_equal(w->peers.dials.under_way, 0);
  fails(w, &d); /* too late to count twice */
  assert_true(entry_of(w, SELF + 1, &e));
  assert_int_equal(e.failures, 1);
  world_free(w);
}

static void all_addresses_of_a_peer_are_tried(void **state) {
  (void)state;
  struct world *w = world_new();
  uint64_t start = w->now;
  struct tl_address a = test_address("10.0.0.1:1"), b = test_address("10.0.0.2:1"),
                    c = test_address("[fd00::1]:1");
  found_at(w, SELF + 1, &a);
  found_at(w, SELF + 1, &b);
  found_at(w, SELF + 1, &c);
  struct tl_discovery_dial d1 = must_dial(w, 0), d2 = must_dial(w, TL_S);
  assert_true(tl_address_is_equal(&d1.address, &a));
  assert_true(tl_address_is_equal(&d2.address, &b));
  assert_true(w->now == start + TL_ROUND_STAGGER_NS);
  must_not_dial(w, TL_S);
  fails(w, &d1);
  struct tl_discovery_dial d3 = must_dial(w, 0);
  assert_true(tl_address_is_equal(&d3.address, &c));
  fails(w, &d3);
  must_not_dial(w, TL_S);
  fails(w, &d2);
  must_not_dial(w, TL_S - 1);
  (void)must_dial(w, TL_S);
  world_free(w);
}

static void a_ninth_address_replaces_the_oldest_hint(void **state) {
  (void)state;
  struct world *w = world_new();
  struct tl_address worked = test_address_number(0);
  tl_peers_connected(&w->peers, w->now, test_id(SELF + 1).bytes, &worked);
  for (uint32_t i = 1; i < 100; i++) {
    struct tl_address a = test_address_number(i);
    w->now += TL_MS;
    found_at(w, SELF + 1, &a);
  }
  struct tl_discovery_entry e;
  assert_true(entry_of(w, SELF + 1, &e));
  assert_int_equal(e.address_count, TL_DISCOVERY_ADDRESSES_MAX);
  assert_true(tl_address_is_equal(&e.addresses[0], &worked));
  struct tl_address newest = test_address_number(99);
  bool has_newest = false;
  for (size_t i = 0; i < e.address_count; i++)
    has_newest |= tl_address_is_equal(&e.addresses[i], &newest);
  assert_true(has_newest);
  world_free(w);
}

static void connected_peers_are_not_dialled(void **state) {
  (void)state;
  struct world *w = world_new();
  struct tl_address second = test_address("10.9.9.9:1");
  found(w, SELF + 1);
  found_at(w, SELF + 1, &second);
  (void)must_dial(w, 0);
  (void)must_dial(w, TL_S);
  assert_int_equal(w->peers.dials.under_way, 2);
  connect_to(w, SELF + 1);
  assert_int_equal(w->peers.dials.under_way, 0);
  must_not_dial(w, 10000 * TL_S);
  tl_peers_disconnected(&w->peers, w->now, test_id(SELF + 1).bytes);
  struct tl_discovery_dial d = must_dial(w, 500 * TL_MS);
  struct tl_address first = test_address_number(SELF + 1);
  assert_true(tl_address_is_equal(&d.address, &first)); /* where it was */
  assert_true(d.give_up_at == w->now + TL_PEERS_DIAL_KNOWN_NS);
  world_free(w);
}

static void a_peer_that_hangs_up_is_not_dialled_in_a_circle(void **state) {
  (void)state;
  struct world *w = world_new();
  found(w, SELF + 1);
  uint64_t start = w->now;
  int dials = 0;
  while (w->now < start + 300 * TL_S) {
    struct tl_discovery_dial d;
    if (next_dial(w, start + 300 * TL_S, &d) != 0) break;
    dials++;
    tl_peers_dialled(&w->peers, w->now, &d, 0, d.id);
    connect_to(w, SELF + 1);
    w->now += TL_MS;
    tl_peers_disconnected(&w->peers, w->now, d.id);
  }
  assert_in_range(dials, 5, 14);
  world_free(w);
}

static void goodbye_forgets_unless_somebody_else_remembers(void **state) {
  (void)state;
  struct world *w = world_new();
  found(w, SELF + 1);
  tl_peers_gone(&w->peers, w->now, test_id(SELF + 1).bytes);
  assert_int_equal(entry_count(w), 0);
  found(w, SELF + 2);
  struct tl_address a = test_address_number(SELF + 2);
  tl_peers_lost(&w->peers, w->now, test_id(SELF + 2).bytes, &a);
  assert_int_equal(entry_count(w), 0);
  found(w, SELF + 3);
  connect_to(w, SELF + 3);
  tl_peers_gone(&w->peers, w->now, test_id(SELF + 3).bytes);
  assert_int_equal(entry_count(w), 1);
  tl_peers_gone(&w->peers, w->now, test_id(SELF + 77).bytes);
  tl_peers_lost(&w->peers, w->now, test_id(SELF + 77).bytes, &a);
  tl_peers_disconnected(&w->peers, w->now, test_id(SELF + 77).bytes);
  must_not_dial(w, 0);
  world_free(w);
}

static void what_is_not_said_again_expires(void **state) {
  (void)state;
  struct world *w = world_new();
  struct tl_discovery_dial d;
  struct tl_address a = test_address_number(5);
  found(w, SELF + 1);
  assert_int_equal(tl_peers_heard(&w->peers, w->now, test_id(SELF + 2).bytes, &a), 0);
  connect_to(w, SELF + 3);
  tl_peers_disconnected(&w->peers, w->now, test_id(SELF + 3).bytes);
  connect_to(w, SELF + 4);
  assert_int_equal(entry_count(w), 4);
  uint64_t end = w->now + TL_PEERS_HOLD_NS;
  while (next_dial(w, end - 1, &d) == 0) fails(w, &d);
  assert_int_equal(entry_count(w), 4);
  while (next_dial(w, end, &d) == 0) fails(w, &d);
  assert_int_equal(entry_count(w), 1); /* the one that is connected */
  world_free(w);
}

static void a_new_child_must_say_it_again(void **state) {
  (void)state;
  struct world *w = world_new();
  found(w, SELF + 1);
  found(w, SELF + 2);
  tl_peers_confirm_mdns(&w->peers, w->now);
  w->now += TL_PEERS_CONFIRM_NS - 1;
  found(w, SELF + 2);
  w->now += 1;
  struct tl_discovery_dial d;
  while (tl_peers_poll_dial(&w->peers, w->now, &d) == 0) continue;
  struct tl_discovery_entry e;
  assert_false(entry_of(w, SELF + 1, &e));
  assert_true(entry_of(w, SELF + 2, &e));
  world_free(w);
}

static void a_restart_of_the_peer_is_news(void **state) {
  (void)state;
  struct world *w = world_new();
  found(w, SELF + 1);
  for (int i = 0; i < 10; i++) {
    struct tl_discovery_dial d = must_dial(w, 100 * TL_S);
    fails(w, &d);
  }
  must_not_dial(w, 30 * TL_S);
  struct tl_advert again = test_advert(SELF + 1, 2);
  struct tl_address a = test_address_number(SELF + 1);
  tl_peers_found(&w->peers, w->now, &again, &a);
  (void)must_dial(w, 0);
  world_free(w);
}

static void boots_in_a_circle_do_not_speed_up_dials(void **state) {
  (void)state;
  struct world *w = world_new();
  uint64_t start = w->now;
  int dials = 0;
  struct tl_address a = test_address_number(7);
  for (uint64_t boot = 0; w->now < start + 10 * TL_S; boot++) {
    struct tl_advert advert = test_advert(SELF + 1, boot);
    struct tl_discovery_dial d;
    tl_peers_found(&w->peers, w->now, &advert, &a);
    if (next_dial(w, w->now + 10 * TL_MS, &d) != 0) continue;
    dials++;
    fails(w, &d);
  }
  assert_in_range(dials, 8, 11);
  world_free(w);
}

static void other_fabrics_are_listed_and_left_alone(void **state) {
  (void)state;
  struct world *w = world_new();
  static const uint8_t tag[TL_DISCOVERY_TAG_SIZE] = {9};
  struct tl_discovery_entry e;
  found(w, SELF + 1);
  tl_peers_set_tag(&w->peers, tag);
  must_not_dial(w, 100 * TL_S);
  assert_true(entry_of(w, SELF + 1, &e));
  assert_true(e.is_foreign);
  assert_int_equal(e.fabric_tag[0], 1);
  struct tl_advert advert = test_advert(SELF + 1, 1);
  tl_peers_set_tag(&w->peers, advert.tag);
  (void)must_dial(w, 0);
  world_free(w);
}

static void cloned_ids_are_marked_for_a_while(void **state) {
  (void)state;
  struct world *w = world_new();
  struct tl_discovery_entry e;
  struct tl_discovery_dial d;
  connect_to(w, SELF + 1);
  tl_peers_cloned(&w->peers, w->now, test_id(SELF + 1).bytes);
  tl_peers_cloned(&w->peers, w->now, test_id(SELF + 2).bytes);
  assert_int_equal(w->peers.clone_alarms, 2);
  assert_true(entry_of(w, SELF + 1, &e));
  assert_true(e.is_cloned);
  assert_int_equal(next_dial(w, w->now + TL_PEERS_HOLD_NS, &d), TL_EMPTY);
  assert_true(entry_of(w, SELF + 1, &e));
  assert_false(e.is_cloned);
  world_free(w);
}

/* Static peers */

static void a_static_address_gets_the_id_that_answers(void **state) {
  (void)state;
  struct world *w = world_new();
  struct tl_discovery_entry e;
  struct tl_address a = test_address_number(1);
  assert_int_equal(tl_peers_add_static(&w->peers, w->now, NULL, &a), 0);
  assert_int_equal(tl_peers_add_static(&w->peers, w->now, NULL, &a), TULLE_E_EXISTS);
  struct tl_discovery_dial d = must_dial(w, 0);
  assert_false(d.has_id);
  assert_true(d.give_up_at == w->now + TL_PEERS_DIAL_KNOWN_NS);
  tl_peers_dialled(&w->peers, w->now, &d, 0, test_id(5).bytes);
  tl_peers_connected(&w->peers, w->now, test_id(5).bytes, NULL);
  must_not_dial(w, 1000 * TL_S);
  assert_int_equal(entry_count(w), 1);
  assert_true(entry_of(w, 5, &e));
  assert_int_equal(e.sources, TL_DISCOVERY_BY_STATIC | TL_DISCOVERY_BY_LINK);
  tl_peers_disconnected(&w->peers, w->now, test_id(5).bytes);
  d = must_dial(w, TL_S);
  assert_true(d.has_id);
  assert_memory_equal(d.id, test_id(5).bytes, sizeof d.id);
  for (int i = 0; i < 100; i++) { /* and for ever, once a minute at least */
    fails(w, &d);
    d = must_dial(w, 60 * TL_S);
  }
  world_free(w);
}

static void a_static_address_may_change_its_id(void **state) {
  (void)state;
  struct world *w = world_new();
  struct tl_discovery_entry e;
  struct tl_address a = test_address_number(1);
  assert_int_equal(tl_peers_add_static(&w->peers, w->now, test_id(5).bytes, &a), 0);
  struct tl_discovery_dial d = must_dial(w, TL_S);
  assert_true(d.has_id);
  tl_peers_dialled(&w->peers, w->now, &d, 0, test_id(6).bytes); /* reinstalled: a new key */
  tl_peers_connected(&w->peers, w->now, test_id(6).bytes, &a);
  assert_false(entry_of(w, 5, &e));
  assert_true(entry_of(w, 6, &e));
  assert_int_equal(e.sources, TL_DISCOVERY_BY_STATIC | TL_DISCOVERY_BY_LINK);
  assert_int_equal(w->peers.with_static, 1);
  must_not_dial(w, 1000 * TL_S);
  world_free(w);
}

static void an_accepted_link_settles_the_static_address(void **state) {
  (void)state;
  struct world *w = world_new();
  struct tl_address a = test_address_number(1);
  assert_int_equal(tl_peers_add_static(&w->peers, w->now, NULL, &a), 0);
  tl_peers_connected(&w->peers, w->now, test_id(5).bytes, &a);
  must_not_dial(w, 1000 * TL_S);
  assert_int_equal(entry_count(w), 1);
  world_free(w);
}

static void our_own_address_is_not_dialled_again(void **state) {
  (void)state;
  struct world *w = world_new();
  struct tl_address a = test_address_number(1), b = test_address_number(2);
  assert_int_equal(tl_peers_add_static(&w->peers, w->now, NULL, &a), 0);
  struct tl_discovery_dial d = must_dial(w, 0);
  tl_peers_dialled(&w->peers, w->now, &d, TULLE_E_EXISTS, NULL);
  assert_int_equal(tl_peers_add_static(&w->peers, w->now, test_id(5).bytes, &b), 0);
  d = must_dial(w, TL_S);
  tl_peers_dialled(&w->peers, w->now, &d, TULLE_E_EXISTS, NULL);
  found_at(w, SELF + 7, &a); /* a lie that leads back to us */
  d = must_dial(w, TL_S);
  tl_peers_dialled(&w->peers, w->now, &d, TULLE_E_EXISTS, NULL);
  must_not_dial(w, TL_PEERS_HOLD_NS);
  world_free(w);
}

static void one_address_is_dialled_once_at_a_time(void **state) {
  (void)state;
  struct world *w = world_new();
  struct tl_address a = test_address_number(1);
  assert_int_equal(tl_peers_add_static(&w->peers, w->now, NULL, &a), 0);
  found_at(w, SELF + 1, &a);
  found_at(w, SELF + 2, &a);
  struct tl_discovery_dial d = must_dial(w, 0);
  assert_false(d.has_id);
  must_not_dial(w, TL_S);
  fails(w, &d);
  d = must_dial(w, 0);
  assert_true(d.has_id);
  must_not_dial(w, TL_S - 1);
  world_free(w);
}

static void static_peers_have_a_limit(void **state) {
  (void)state;
  struct world *w = world_new();
  for (uint32_t i = 0; i < TL_DISCOVERY_STATIC_MAX; i++) {
    struct tl_address a = test_address_number(i);
    assert_int_equal(tl_peers_add_static(&w->peers, w->now, i & 1 ? test_id(i).bytes : NULL, &a),
                     0);
  }
  struct tl_address more = test_address_number(9999);
  assert_int_equal(tl_peers_add_static(&w->peers, w->now, NULL, &more), TULLE_E_LIMIT);
  assert_int_equal(entry_count(w), TL_DISCOVERY_STATIC_MAX);
  world_free(w);
}

static void a_cancelled_dial_comes_again_after_a_second(void **state) {
  (void)state;
  struct world *w = world_new();
  found(w, SELF + 1);
  struct tl_discovery_dial d = must_dial(w, 0);
  tl_peers_dialled(&w->peers, w->now, &d, TULLE_E_CANCELLED, NULL);
  must_not_dial(w, TL_S - 1);
  (void)must_dial(w, 1);
  world_free(w);
}

/* Floods */

static void dials_never_exceed_their_rate(void **state) {
  (void)state;
  struct world *w = world_new();
  static uint64_t at[4096];
  size_t n = 0;
  struct tl_discovery_dial d;
  for (uint32_t i = 1; i <= 500; i++) found(w, SELF + i);
  uint64_t end = w->now + 120 * TL_S;
  while (n < 4096 && next_dial(w, end, &d) == 0) {
    at[n++] = w->now;
    assert_true(w->peers.dials.under_way <= TL_DISCOVERY_DIALS_AT_ONCE_MAX);
    if (test_random(&w->seed) % 4) fails(w, &d); /* the rest is never answered */
  }
  assert_true(n > 300);
  for (size_t i = 10; i < n; i++) assert_true(at[i] - at[i - 10] >= TL_S);
  world_free(w);
}

static void a_hundred_thousand_invented_services(void **state) {
  (void)state;
  struct world *w = world_new();
  struct tl_address friend = test_address_number(1);
  assert_int_equal(tl_peers_add_static(&w->peers, w->now, NULL, &friend), 0);
  connect_to(w, SELF + 1);
  connect_to(w, SELF + 2);
  tl_peers_disconnected(&w->peers, w->now, test_id(SELF + 2).bytes);
  uint64_t friend_dials = 0, last_friend_dial = w->now;
  for (uint32_t i = 0; i < 100000; i++) {
    struct tl_discovery_dial d;
    found(w, 100000 + i);
    w->now += TL_MS; /* a thousand a second */
    if (tl_peers_poll_dial(&w->peers, w->now, &d) != 0) continue;
    if (!d.has_id) {
      friend_dials++;
      assert_in_range(w->now - last_friend_dial, 0, 60 * TL_S + 200 * TL_MS);
      last_friend_dial = w->now;
    }
    if (!d.has_id || i % 2) fails(w, &d);
  }
  struct tl_discovery_entry e;
  assert_true(w->peers.by_id.used <= TL_DISCOVERY_ENTRIES_MAX);
  assert_true(w->peers.dropped_full > 90000);
  assert_true(friend_dials >= 6);
  assert_true(entry_of(w, SELF + 1, &e));
  assert_true(entry_of(w, SELF + 2, &e));
  world_free(w);
}

static void a_full_table_gives_up_those_that_failed(void **state) {
  (void)state;
  struct world *w = world_new();
  struct tl_discovery_entry e;
  for (uint32_t i = 1; i <= TL_DISCOVERY_ENTRIES_MAX; i++) found(w, SELF + i);
  found(w, 99999);
  assert_int_equal(w->peers.dropped_full, 1);
  assert_false(entry_of(w, 99999, &e));
  struct tl_discovery_dial d = must_dial(w, 0);
  fails(w, &d);
  found(w, 99999);
  assert_true(entry_of(w, 99999, &e));
  assert_int_equal(w->peers.evicted, 1);
  assert_int_equal(w->peers.by_id.used, TL_DISCOVERY_ENTRIES_MAX);
  struct tl_address a = test_address_number(7);
  assert_int_equal(tl_peers_heard(&w->peers, w->now, test_id(88888).bytes, &a), TL_FULL);
  assert_int_equal(tl_peers_add_static(&w->peers, w->now, test_id(88888).bytes, &a),
                   0); /* room of its own */
  assert_true(entry_of(w, 88888, &e));
  world_free(w);
}

static void the_same_seed_gives_the_same_dials(void **state) {
  (void)state;
  uint64_t sums[2] = {0};
  for (int run = 0; run < 2; run++) {
    struct world *w = world_new();
    struct tl_discovery_dial d;
    for (uint32_t i = 1; i <= 50; i++) found(w, SELF - 25 + i);
    uint64_t end = w->now + 100 * TL_S;
    while (next_dial(w, end, &d) == 0) {
      sums[run] = sums[run] * 31 + w->now + d.id[3];
      fails(w, &d);
    }
    world_free(w);
  }
  assert_true(sums[0] == sums[1]);
}

/* Random calls in any order: no assertion, no leak, no entry without end, and deadlines that
 * lead on. */
static void any_order_of_calls(void **state) {
  (void)state;
  struct world *w = world_new();
  struct tl_discovery_dial dials[32] = {0};
  for (int i = 0; i < 60000; i++) {
    uint64_t r = test_random(&w->seed);
    uint32_t id = SELF + (uint32_t)(r >> 8 & 15);
    struct test_id who = test_id(id);
    struct tl_address a = test_address_number((uint32_t)(r >> 16 & 31));
    struct tl_discovery_dial *d = &dials[r >> 24 & 31];
    int results[] = {0, TULLE_E_UNREACHABLE, TULLE_E_CANCELLED, TULLE_E_EXISTS};
    switch (r % 12) {
    case 0:
    case 1:
      found_at(w, id, &a);
      break;
    case 2:
      tl_peers_lost(&w->peers, w->now, who.bytes, &a);
      break;
    case 3:
      tl_peers_gone(&w->peers, w->now, who.bytes);
      break;
    case 4:
      tl_peers_connected(&w->peers, w->now, who.bytes, r & 0x100000000 ? &a : NULL);
      break;
    case 5:
      tl_peers_disconnected(&w->peers, w->now, who.bytes);
      break;
    case 6:
      (void)tl_peers_heard(&w->peers, w->now, who.bytes, &a);
      break;
    case 7:
      (void)tl_peers_add_static(&w->peers, w->now, r & 0x100000000 ? who.bytes : NULL, &a);
      break;
    case 8:
    case 9:
      (void)next_dial(w, w->now + r % (3 * TL_S), d);
      break;
    case 10:
      if (d->address.port) tl_peers_dialled(&w->peers, w->now, d, results[r >> 40 & 3], who.bytes);
      break;
    case 11:
      w->now += r % (r & 0x200000000 ? TL_S : 200 * TL_S);
      break;
    }
    assert_true(w->peers.by_id.used <= 16);
    assert_true(w->peers.with_static <= w->peers.by_id.used);
  }
  world_free(w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_smaller_id_dials_at_once),
      cmocka_unit_test(ourselves_and_undialable_addresses_are_ignored),
      cmocka_unit_test(a_failing_peer_is_dialled_ever_more_rarely),
      cmocka_unit_test(an_unanswered_dial_counts_as_failed),
      cmocka_unit_test(all_addresses_of_a_peer_are_tried),
      cmocka_unit_test(a_ninth_address_replaces_the_oldest_hint),
      cmocka_unit_test(connected_peers_are_not_dialled),
      cmocka_unit_test(a_peer_that_hangs_up_is_not_dialled_in_a_circle),
      cmocka_unit_test(goodbye_forgets_unless_somebody_else_remembers),
      cmocka_unit_test(what_is_not_said_again_expires),
      cmocka_unit_test(a_new_child_must_say_it_again),
      cmocka_unit_test(a_restart_of_the_peer_is_news),
      cmocka_unit_test(boots_in_a_circle_do_not_speed_up_dials),
      cmocka_unit_test(other_fabrics_are_listed_and_left_alone),
      cmocka_unit_test(cloned_ids_are_marked_for_a_while),
      cmocka_unit_test(a_static_address_gets_the_id_that_answers),
      cmocka_unit_test(a_static_address_may_change_its_id),
      cmocka_unit_test(an_accepted_link_settles_the_static_address),
      cmocka_unit_test(our_own_address_is_not_dialled_again),
      cmocka_unit_test(one_address_is_dialled_once_at_a_time),
      cmocka_unit_test(static_peers_have_a_limit),
      cmocka_unit_test(a_cancelled_dial_comes_again_after_a_second),
      cmocka_unit_test(dials_never_exceed_their_rate),
      cmocka_unit_test(a_hundred_thousand_invented_services),
      cmocka_unit_test(a_full_table_gives_up_those_that_failed),
      cmocka_unit_test(the_same_seed_gives_the_same_dials),
      cmocka_unit_test(any_order_of_calls),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
