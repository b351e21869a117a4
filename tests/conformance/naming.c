/* Names and capabilities: who is found, and that it does not matter where. */
#include <signal.h>

#include "tests/conformance/suite.h"

/* What tulle_find() says of this service: true if it is there. */
static bool find(const char *capability, const char *service, struct tulle_found *out) {
  static struct tulle_found found[256];
  int n = tulle_find(NULL, capability, found, 256);
  assert_in_range(n, 0, 256);
  for (int i = 0; i < n; i++) {
    if (strcmp(found[i].service, service) != 0) continue;
    if (out) *out = found[i];
    return true;
  }
  return false;
}

static void found_by_capability(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  struct tulle_found found;
  assert_true(find("test/subject", s.name, &found));
  assert_string_equal(found.path, suite_path);
  assert_string_equal(found.node, tulle_channel_peer(s.channel)->node_name);
  assert_non_null(strstr(found.capabilities, "test/subject/3"));
  assert_false(find("test/nothing", s.name, NULL));
  struct tulle_target target = {.capability = "test/subject"}, wrong = {.capability = "test/no"};
  struct tulle_channel *c;
  assert_ok(tulle_channel_open(NULL, s.name, &target, &c));
  tulle_channel_close(c);
  assert_code(tulle_channel_open(NULL, s.name, &wrong, &c), TULLE_E_NO_SERVICE);
  subject_stop(&s);
}

/* The node's list has the version and the attributes, to be compared by whoever asks. */
static void a_capability_has_version_and_attributes(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  struct tulle_channel *node;
  struct tulle_result result;
  unsigned char args[64];
  unsigned seen = 0;
  struct tulle_pack w = tulle_pack_on(args, sizeof args);
  tulle_pack_map(&w, 1);
  tulle_pack_text(&w, "capability"), tulle_pack_text(&w, "test/subject");
  assert_ok(tulle_channel_open(NULL, "node", NULL, &node));
  assert_ok(tulle_call(node, "list", args, tulle_pack_size(&w), 0, &result));
  struct tulle_unpack r = tulle_unpack_on(result.data, result.size);
  for (size_t left = tulle_unpack_array(&r); left; left--) {
    char text[64];
    struct tulle_unpack service = tulle_unpack_key(&r, "service");
    struct tulle_unpack list = tulle_unpack_key(&r, "capabilities");
    tulle_unpack_skip(&r);
    tulle_unpack_string(&service, text, sizeof text);
    if (strcmp(text, s.name) != 0) continue;
    seen++;
    assert_int_equal(tulle_unpack_array(&list), 1);
    struct tulle_unpack value = tulle_unpack_key(&list, "version");
    assert_true(tulle_unpack_uint(&value) == 3);
    value = tulle_unpack_key(&list, "attributes");
    tulle_unpack_string(&value, text, sizeof text);
    assert_string_equal(text, "colour=green size=2");
  }
  assert_int_equal(seen, 1);
  tulle_result_clear(&result);
  tulle_channel_close(node);
  subject_stop(&s);
}

static void two_instances_are_two(void **state) {
  (void)state;
  struct subject a = subject_start(1), b = subject_start(1);
  assert_true(ask(a.channel, "pid") == a.pid);
  assert_true(ask(b.channel, "pid") == b.pid);
  assert_true(tulle_channel_peer(a.channel)->client != tulle_channel_peer(b.channel)->client);
  subject_stop(&a);
  subject_stop(&b);
}

/* The same name on two nodes: the node says which is meant; without it the near one is. */
static void the_same_name_on_two_nodes(void **state) {
  (void)state;
  if (suite_is_local()) skip(); /* one node serves a name once: a_name_that_is_served_is_taken */
  struct subject far = subject_start(1);
  struct subject near = {.agent = suite_near};
  memcpy(near.name, far.name, sizeof near.name);
  near.pid = agent_start(suite_near, near.name, 1);
  struct tulle_target there = {.node = tulle_channel_peer(suite_far)->node_name};
  struct tulle_target here = {.node = tulle_channel_peer(suite_near)->node_name};
  for (uint64_t end = 0; !near.channel;) { /* the near one offers it a moment later */
    if (tulle_channel_open(NULL, near.name, &here, &near.channel) != 0) patience(&end, 10 * TL_S);
  }
  assert_true(ask(near.channel, "pid") == near.pid);
  tulle_channel_close(near.channel);
  assert_ok(tulle_channel_open(NULL, near.name, NULL, &near.channel));
  assert_string_equal(tulle_channel_path(near.channel), "ring");
  assert_true(ask(near.channel, "pid") == near.pid);
  tulle_channel_close(far.channel);
  assert_ok(tulle_channel_open(NULL, far.name, &there, &far.channel));
  assert_true(ask(far.channel, "pid") == far.pid);
  subject_stop(&near);
  subject_stop(&far);
}

/* Opens until the program with that number serves the name; the one before it may still be on its way out. */
static void open_anew(struct subject *s) {
  for (uint64_t end = 0;;) {
    s->channel = tulle_channel_close(s->channel);
    int r = tulle_channel_open(NULL, s->name, NULL, &s->channel);
    if (r == 0) r = tulle_call(s->channel, "ping", NULL, 0, 0, NULL);
    if (r == 0 && tulle_channel_peer(s->channel)->pid == s->pid) return;
    patience(&end, 10 * TL_S);
  }
}

/* There and back again, by the same lines: only the path tells. */
static void a_service_moves_to_another_node(void **state) {
  (void)state;
  struct tulle_channel *const ways[] = {suite_near, suite_far, suite_near};
  struct subject s = subject_start(1);
  assert_string_equal(tulle_channel_path(s.channel), suite_path);
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
    assert_ok(agent_kill(s.agent, s.pid, SIGKILL));
    s.agent = ways[i];
    s.pid = agent_start(s.agent, s.name, 1);
    open_anew(&s);
    assert_string_equal(tulle_channel_path(s.channel), s.agent == suite_near ? "ring" : suite_path);
    assert_true(ask_uint(s.channel, "echo", i) == i);
  }
  subject_stop(&s);
}

static void a_renamed_program_is_the_same_service(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  assert_ok(agent_kill(s.agent, s.pid, SIGKILL));
  s.pid = agent_start_as(s.agent, s.name, "renamed");
  open_anew(&s);
  assert_true(find("test/subject", s.name, NULL));
  assert_true(ask_uint(s.channel, "echo", 5) == 5);
  subject_stop(&s);
}

/* What is found is what is there, on all nodes, after each coming and going. */
static void what_is_found_is_what_is_there(void **state) {
  (void)state;
  enum { SUBJECTS = 8 };
  struct subject s[SUBJECTS];
  bool is_up[SUBJECTS];
  for (unsigned i = 0; i < SUBJECTS; i++) {
    s[i] = subject_start_at(i % 2 ? suite_near : suite_far, 1);
    is_up[i] = true;
  }
  for (unsigned round = 0; round < SUBJECTS; round++) {
    unsigned wrong = 1;
    for (uint64_t end = 0; wrong;) {
      wrong = 0;
      for (unsigned i = 0; i < SUBJECTS; i++) {
        struct tulle_found found;
        bool is_found = find("test/subject", s[i].name, &found);
        if (is_found != is_up[i]) wrong++;
        if (is_found) assert_string_equal(found.path, i % 2 ? "ring" : suite_path);
      }
      if (wrong) patience(&end, 10 * TL_S);
    }
    subject_stop(&s[round]);
    is_up[round] = false;
  }
}

static void waiting_for_a_service(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  assert_ok(tulle_wait(NULL, s.name, 0));
  assert_ok(tulle_wait(NULL, s.name, TULLE_FOREVER));
  assert_ok(agent_kill(s.agent, s.pid, SIGKILL));
  for (uint64_t end = 0; find(NULL, s.name, NULL);) patience(&end, 10 * TL_S);
  assert_code(tulle_wait(NULL, s.name, 50 * TL_MS), TULLE_E_DEADLINE);
  tulle_channel_close(s.channel);
}

SUITE_TOPIC(naming, cmocka_unit_test(found_by_capability),
            cmocka_unit_test(a_capability_has_version_and_attributes),
            cmocka_unit_test(two_instances_are_two), cmocka_unit_test(the_same_name_on_two_nodes),
            cmocka_unit_test(a_service_moves_to_another_node),
            cmocka_unit_test(a_renamed_program_is_the_same_service),
            cmocka_unit_test(what_is_found_is_what_is_there),
            cmocka_unit_test(waiting_for_a_service));
