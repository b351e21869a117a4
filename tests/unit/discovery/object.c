/* The object that a node has: what it says to the child, what it makes of the child's lines, and
 * when a child runs. */
#include "discovery/line.h"

#include "core/limits.h"
#include "tests/unit/discovery/test.h"

#define ID "aaab4aaaaaaaaaaaaaaaaaaaaa"

static uint64_t seed;

static struct tl_discovery *discovery_new(bool mdns) {
  struct tl_discovery *d;
  struct tl_discovery_config config = {
      .boot = 0xb007, .mdns = mdns, .random = test_random, .random_context = &seed};
  assert_int_equal(tl_discovery_new(&config, &d), 0);
  return d;
}

static const char *said(struct tl_discovery *d, size_t room) {
  static char text[8192];
  size_t n = tl_discovery_poll_bytes(d, text, room);
  assert_true(n <= room);
  text[n] = 0;
  return text;
}

static void push(struct tl_discovery *d, uint64_t now, const char *text) {
  tl_discovery_push_bytes(d, now, text, strlen(text));
}

static struct tl_discovery_status status_of(const struct tl_discovery *d) {
  struct tl_discovery_status s;
  tl_discovery_status(d, &s);
  return s;
}

static void publish(struct tl_discovery *d, uint64_t generation,
                    const char (*labels)[TL_LABEL_SIZE], size_t count) {
  struct tl_discovery_advert a = {.fabric_tag = {0xfa}, .port = 8855, .generation = generation};
  a.labels = labels, a.label_count = count;
  tl_discovery_publish(d, &a);
}

#define PUBLISH(g)                                                                                 \
  "publish aaaaaaaaaaaaaaaaaaaaaaaaaa fa00000000000000 8855 000000000000b007 " #g "\n"

static void the_child_is_told_everything_once(void **state) {
  (void)state;
  struct tl_discovery *d = discovery_new(true);
  static const char labels[][TL_LABEL_SIZE] = {"print", "image--decode"};
  assert_string_equal(said(d, 4096), "");
  tl_discovery_child_started(d, 0);
  assert_string_equal(said(d, 4096), "hello 1\nbrowse\n");
  publish(d, 1, labels, 2);
  assert_string_equal(said(d, 4096), PUBLISH(1) "label print\nlabel image--decode\ncommit\n");
  assert_string_equal(said(d, 4096), "");
  publish(d, 1, labels, 2);
  assert_string_equal(said(d, 4096), "");
  publish(d, 2, labels, 1);
  assert_string_equal(said(d, 4096), PUBLISH(2) "label print\ncommit\n");
  tl_discovery_free(d);
}

static void a_new_child_is_told_everything_again(void **state) {
  (void)state;
  struct tl_discovery *d = discovery_new(true);
  publish(d, 1, NULL, 0);
  tl_discovery_child_started(d, 0);
  assert_string_equal(said(d, 4096), "hello 1\nbrowse\n" PUBLISH(1) "commit\n");
  tl_discovery_child_stopped(d, TL_S, "killed");
  assert_string_equal(said(d, 4096), "");
  tl_discovery_child_started(d, 5 * TL_S);
  assert_string_equal(said(d, 4096), "hello 1\nbrowse\n" PUBLISH(1) "commit\n");
  tl_discovery_free(d);
}

static void a_change_in_mid_sentence_starts_the_sentence_anew(void **state) {
  (void)state;
  struct tl_discovery *d = discovery_new(true);
  char labels[TL_CAPABILITIES_MAX][TL_LABEL_SIZE], text[TL_LINE_BYTES_MAX + 1];
  for (size_t i = 0; i < TL_CAPABILITIES_MAX; i++)
    memset(labels[i], 'a' + (int)i, TL_LABEL_SIZE - 1), labels[i][TL_LABEL_SIZE - 1] = 0;
  publish(d, 1, labels, TL_CAPABILITIES_MAX);
  tl_discovery_child_started(d, 0);
  size_t n = tl_discovery_poll_bytes(d, text, TL_LINE_BYTES_MAX);
  assert_int_equal(text[n - 1], '\n'); /* whole lines only */
  publish(d, 2, NULL, 0);
  assert_string_equal(said(d, 4096), PUBLISH(2) "commit\n");
  tl_discovery_free(d);
}

static void too_many_labels_are_cut(void **state) {
  (void)state;
  struct tl_discovery *d = discovery_new(true);
  static char labels[TL_CAPABILITIES_MAX + 5][TL_LABEL_SIZE];
  for (size_t i = 0; i < TL_CAPABILITIES_MAX + 5; i++) labels[i][0] = (char)('a' + i % 26);
  publish(d, 1, labels, TL_CAPABILITIES_MAX + 5);
  tl_discovery_child_started(d, 0);
  size_t count = 0;
  for (const char *p = said(d, 8000); (p = strstr(p, "label ")); p++) count++;
  assert_int_equal(count, TL_CAPABILITIES_MAX);
  tl_discovery_free(d);
}

static void facts_reach_the_table(void **state) {
  (void)state;
  struct tl_discovery *d = discovery_new(true);
  struct tl_discovery_dial dial;
  struct tl_discovery_entry e;
  size_t cursor = 0;
  tl_discovery_child_started(d, 0);
  push(d, 0, "hello 1\nfound " ID " fa00000000000000 1 5 00000000000000aa 10.0.0.1:8855\n");
  push(d, 0,
       "found " ID " fa00000000000000 1 6 00000000000000aa 10.0.0.2:8855\ncloned " ID
       " 0000000000000001 0000000000000002\n");
  assert_int_equal(tl_discovery_poll_dial(d, 0, &dial), 0);
  assert_int_equal(tl_discovery_next(d, &cursor, &e), 0);
  assert_int_equal(e.sources, TL_DISCOVERY_BY_MDNS);
  assert_int_equal(e.generation, 6);
  assert_int_equal(e.boot, 0xaa);
  assert_int_equal(e.address_count, 2);
  assert_true(e.is_cloned);
  assert_int_equal(tl_discovery_next(d, &cursor, &e), TL_END);
  push(d, 0, "lost " ID " 10.0.0.1:8855\n");
  cursor = 0;
  assert_int_equal(tl_discovery_next(d, &cursor, &e), 0);
  assert_int_equal(e.address_count, 1);
  push(d, 0, "gone " ID "\n");
  assert_int_equal(status_of(d).entries, 0);
  assert_int_equal(status_of(d).lines, 6);
  assert_int_equal(status_of(d).lines_garbled, 0);
  tl_discovery_free(d);
}

static void garbage_is_counted_and_changes_nothing(void **state) {
  (void)state;
  struct tl_discovery *d = discovery_new(true);
  char noise[2048];
  tl_discovery_child_started(d, 0);
  push(d, 0, "hello 1\n");
  for (size_t i = 0; i < sizeof noise; i++) noise[i] = (char)test_random(&seed);
  for (int i = 0; i < 500; i++) {
    for (int k = 0; k < 8; k++) noise[test_random(&seed) % sizeof noise] = (char)test_random(&seed);
    tl_discovery_push_bytes(d, 0, noise, sizeof noise);
  }
  push(d, 0, "\n");
  uint64_t garbled = status_of(d).lines_garbled;
  assert_true(garbled > 500);
  push(d, 0, "publish " ID " fa00000000000000 1 0000000000000001 1\nlabel x\ncommit\nbrowse\n");
  assert_int_equal(status_of(d).lines_garbled,
                   garbled + 4); /* well formed, but not the child's to say */
  assert_int_equal(status_of(d).entries, 0);
  assert_int_equal(status_of(d).lines, 5);
  tl_discovery_free(d);
}

static void nothing_counts_before_the_right_hello(void **state) {
  (void)state;
  struct tl_discovery *d = discovery_new(true);
  static const char fact[] = "found " ID " fa00000000000000 1 5 00000000000000aa 10.0.0.1:8855\n";
  tl_discovery_child_started(d, 0);
  push(d, 0, fact);
  push(d, 0, "hello 2\n");
  push(d, 0, fact);
  assert_int_equal(status_of(d).entries, 0);
  assert_non_null(strstr(status_of(d).reason, "version 2"));
  tl_discovery_child_stopped(d, 0, "killed");
  tl_discovery_child_started(d, TL_S);
  push(d, TL_S, "hello 1\n");
  push(d, TL_S, fact);
  assert_int_equal(status_of(d).entries, 1);
  tl_discovery_free(d);
}

static void a_half_line_dies_with_its_child(void **state) {
  (void)state;
  struct tl_discovery *d = discovery_new(true);
  tl_discovery_child_started(d, 0);
  push(d, 0, "hello 1\nstatus embed");
  tl_discovery_child_stopped(d, 0, "killed");
  tl_discovery_child_started(d, TL_S);
  push(d, TL_S, "hello 1\nstatus embedded well\n");
  assert_int_equal(status_of(d).lines_garbled, 0);
  assert_int_equal(status_of(d).engine, TL_DISCOVERY_ENGINE_EMBEDDED);
  assert_string_equal(status_of(d).reason, "well");
  tl_discovery_free(d);
}

static void a_dying_child_is_started_ever_more_rarely(void **state) {
  (void)state;
  struct tl_discovery *d = discovery_new(true);
  uint64_t now = 0;
  for (int i = 0; i < 12; i++) {
    assert_true(tl_discovery_wants_child(d, now));
    tl_discovery_child_started(d, now);
    assert_false(tl_discovery_wants_child(d, TL_NEVER - 1));
    tl_discovery_child_stopped(d, now, "crashed");
    assert_false(tl_discovery_wants_child(d, now + TL_S - 1));
    uint64_t at = tl_discovery_deadline(d);
    assert_in_range(at - now, i < 6 ? TL_S : 40 * TL_S, 60 * TL_S);
    now = at;
  }
  assert_true(tl_discovery_wants_child(d, now));
  tl_discovery_child_started(d, now);
  now += 61 * TL_S;
  tl_discovery_child_stopped(d, now, "killed"); /* it had run well */
  assert_true(tl_discovery_wants_child(d, now));
  tl_discovery_child_stopped(d, now, "no such program"); /* could not be started at all */
  assert_false(tl_discovery_wants_child(d, now + TL_S - 1));
  assert_true(tl_discovery_wants_child(d, now + 60 * TL_S));
  assert_int_equal(status_of(d).child_starts, 13);
  tl_discovery_free(d);
}

static void without_mdns_no_child_is_wanted(void **state) {
  (void)state;
  struct tl_discovery *d = discovery_new(false);
  struct tl_address a = test_address_number(1);
  struct tl_discovery_dial dial;
  assert_false(tl_discovery_wants_child(d, TL_NEVER - 1));
  assert_true(tl_discovery_deadline(d) == TL_NEVER);
  assert_int_equal(tl_discovery_add_static(d, 0, NULL, &a), 0);
  assert_int_equal(tl_discovery_poll_dial(d, 0, &dial), 0); /* static peers work all the same */
  assert_null(tl_discovery_free(d));
  assert_null(tl_discovery_free(NULL));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_child_is_told_everything_once),
      cmocka_unit_test(a_new_child_is_told_everything_again),
      cmocka_unit_test(a_change_in_mid_sentence_starts_the_sentence_anew),
      cmocka_unit_test(too_many_labels_are_cut),
      cmocka_unit_test(facts_reach_the_table),
      cmocka_unit_test(garbage_is_counted_and_changes_nothing),
      cmocka_unit_test(nothing_counts_before_the_right_hello),
      cmocka_unit_test(a_half_line_dies_with_its_child),
      cmocka_unit_test(a_dying_child_is_started_ever_more_rarely),
      cmocka_unit_test(without_mdns_no_child_is_wanted),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
