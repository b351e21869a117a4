/* Who calls: stamped by nodes, never by programs. And what somebody may do. */
#include <signal.h>

#include "tests/conformance/suite.h"

struct stamp {
  uint8_t node[16];
  uint64_t client, uid, pid;
  bool is_local;
};

static struct stamp stamp_of(struct tulle_channel *c) {
  struct tulle_result result;
  struct stamp s;
  size_t size;
  assert_ok(tulle_call(c, "whoami", NULL, 0, 0, &result));
  struct tulle_unpack r = tulle_unpack_on(result.data, result.size);
  assert_int_equal(tulle_unpack_array(&r), 6);
  const void *node = tulle_unpack_bytes(&r, &size);
  assert_int_equal(size, sizeof s.node);
  memcpy(s.node, node, sizeof s.node);
  s.client = tulle_unpack_uint(&r);
  s.uid = tulle_unpack_uint(&r);
  s.pid = tulle_unpack_uint(&r);
  s.is_local = tulle_unpack_bool(&r);
  assert_true(tulle_unpack_is_ok(&r));
  tulle_result_clear(&result);
  return s;
}

static void the_caller_is_stamped(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  struct tulle_identity me;
  assert_ok(tulle_self(NULL, &me));
  struct stamp stamp = stamp_of(s.channel);
  assert_memory_equal(stamp.node, me.node, 16);
  assert_true(stamp.client == me.client);
  assert_true(stamp.uid == getuid());
  assert_true(stamp.pid == (uint64_t)getpid());
  assert_int_equal(stamp.is_local, suite_is_local());
  const struct tulle_identity *peer = tulle_channel_peer(s.channel);
  assert_int_equal(peer->is_local, suite_is_local());
  assert_true(peer->pid == s.pid);
  assert_true(suite_is_local() == (memcmp(peer->node, me.node, 16) == 0));
  subject_stop(&s);
}

/* The same process in two attachments, one after the other, is two: nobody takes a later one for the earlier. */
static void a_clients_number_is_never_used_again(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  uint64_t last = 0;
  for (int i = 0; i < 20; i++) {
    struct tulle *t;
    struct tulle_channel *c;
    assert_ok(tulle_attach(NULL, &t));
    assert_ok(tulle_channel_open(t, s.name, NULL, &c));
    struct stamp stamp = stamp_of(c);
    assert_true(stamp.client > last && stamp.pid == (uint64_t)getpid());
    last = stamp.client;
    tulle_channel_close(c);
    tulle_detach(t);
  }
  subject_stop(&s);
}

/* A program chooses what it calls itself, and nothing else. */
static void a_name_is_information_only(void **state) {
  (void)state;
  struct subject s = subject_start(1);
  struct tulle_options options = {.program = "node"};
  struct tulle_identity self;
  struct tulle *t;
  struct tulle_channel *c;
  assert_ok(tulle_attach(&options, &t));
  assert_ok(tulle_self(t, &self));
  assert_string_equal(self.program, "node");
  assert_true(self.pid == (uint32_t)getpid() && self.uid == getuid());
  assert_ok(tulle_channel_open(t, s.name, NULL, &c));
  struct stamp stamp = stamp_of(c);
  assert_true(stamp.client == self.client && stamp.pid == (uint64_t)getpid());
  tulle_channel_close(c);
  tulle_detach(t);
  subject_stop(&s);
}

/* ---- rights ---- */

/* Another user may ask and call, but not administer, nor take what others serve. */
static void another_user_does_not_administer(void **state) {
  (void)state;
  static const char *const users[] = {"65534", "4711"};
  struct tulle_channel *const agents[] = {suite_near, suite_far};
  for (size_t i = 0; i < 4; i++) {
    struct subject s = subject_start_at(agents[i / 2], 1);
    const char *words[] = {"subject", "rights", users[i % 2], s.name, NULL};
    int code = agent_run(s.agent, words);
    subject_stop(&s);
    if (code == 77) skip(); /* nobody but root can show this */
    assert_int_equal(code, 0);
  }
}

/* Nobody administers another node, not even root: that service is not to be had from outside. */
static void no_node_is_administered_from_another(void **state) {
  (void)state;
  struct tulle_channel *c = NULL;
  struct tulle_target target = {.node = tulle_channel_peer(suite_far)->node_name};
  int r = tulle_channel_open(NULL, "node", &target, &c);
  assert_code(r, TULLE_E_NO_SERVICE);
  assert_null(c);
}

static void a_name_that_is_served_is_taken(void **state) {
  (void)state;
  struct subject s = subject_start_at(suite_near, 1);
  struct tulle_procedure procedure = {"none", NULL, NULL};
  struct tulle_offer offer = {.name = s.name, .procedures = &procedure};
  assert_code(tulle_offer(NULL, &offer, NULL), TULLE_E_EXISTS);
  offer.name = "node";
  assert_true(tulle_offer(NULL, &offer, NULL) < 0);
  assert_ok(tulle_call(s.channel, "ping", NULL, 0, 0, NULL));
  subject_stop(&s);
}

SUITE_TOPIC(identity, cmocka_unit_test(the_caller_is_stamped),
            cmocka_unit_test(a_clients_number_is_never_used_again),
            cmocka_unit_test(a_name_is_information_only),
            cmocka_unit_test(another_user_does_not_administer),
            cmocka_unit_test(no_node_is_administered_from_another),
            cmocka_unit_test(a_name_that_is_served_is_taken));
