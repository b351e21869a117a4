/*
 * The handshake as both sides see it, and everything that somebody in between can do to it: T-04 (every bit
 * flipped), T-05 (cut and extended), T-07 (replayed), T-09 (downgraded).
 */
#include "crypto/handshake.h"

#include <string.h>

#include "core/bytes.h"
#include "core/error.h"
#include "core/time.h"
#include "crypto/hash.h"
#include "crypto/responder.h"
#include "tests/support/forge.h"
#include "tests/support/node_fixture.h"
#include "tests/unit/test.h"

/* anna made the fabric and is called; bert calls. */
struct rig {
  struct node_fixture anna, bert;
  struct tl_handshake *handshake;
  struct tl_responder *responder;
  struct tl_address from;
  uint64_t now;
  uint8_t packet[TL_HANDSHAKE_BYTES + 64]; /* the last that bert sent */
  size_t size;
  struct tl_response response; /* the last that anna gave */
};

static void rig_init(struct rig *rig) {
  memset(rig, 0, sizeof *rig);
  node_fixture_init(&rig->anna, 1, "anna");
  node_fixture_init(&rig->bert, 2, "bert");
  node_fixture_join(&rig->bert, &rig->anna, TL_S);
  rig->handshake = tl_handshake_new(&rig->bert.self);
  rig->responder = tl_responder_new(&rig->anna.self);
  rig->from = address_of(2);
  rig->now = 10 * TL_S;
}

static void rig_deinit(struct rig *rig) {
  tl_handshake_free(rig->handshake);
  tl_responder_free(rig->responder);
  node_fixture_deinit(&rig->anna);
  node_fixture_deinit(&rig->bert);
}

static void begin(struct rig *rig) {
  struct tl_handshake_target target = node_fixture_target(&rig->anna);
  assert_int_equal(
      tl_handshake_begin(rig->handshake, rig->now, &target, tl_self_draw_index(&rig->bert.self)),
      0);
}

static void bert_sends(struct rig *rig) {
  assert_int_equal(tl_handshake_poll(rig->handshake, rig->now, rig->packet, &rig->size), 0);
  assert_int_equal(rig->size, TL_HANDSHAKE_BYTES);
}

static int anna_takes(struct rig *rig) {
  return tl_responder_push(rig->responder, rig->now, &rig->from, false, rig->packet, rig->size,
                           &rig->response);
}

static int bert_takes(struct rig *rig) {
  return tl_handshake_push(rig->handshake, rig->now, rig->response.packet, rig->response.size);
}

/* Each brings the handshake up to the point where the named packet is about to be taken. */
static void until_cookie(struct rig *rig) {
  begin(rig);
  bert_sends(rig);
  assert_int_equal(anna_takes(rig), 0);
  assert_int_equal(rig->response.size, TL_COOKIE_BYTES);
}

static void until_hello(struct rig *rig) {
  until_cookie(rig);
  assert_int_equal(bert_takes(rig), 0);
  bert_sends(rig);
}

static void until_reply(struct rig *rig) {
  until_hello(rig);
  assert_int_equal(anna_takes(rig), 0);
  assert_int_equal(rig->response.kind, TL_RESPONSE_SEND);
  assert_int_equal(rig->response.size, TL_HANDSHAKE_BYTES);
}

static void until_finish(struct rig *rig) {
  until_reply(rig);
  assert_int_equal(bert_takes(rig), 0);
  assert_true(tl_handshake_is_established(rig->handshake));
  bert_sends(rig);
}

static void until_established(struct rig *rig) {
  until_finish(rig);
  assert_int_equal(anna_takes(rig), 0);
  assert_int_equal(rig->response.kind, TL_RESPONSE_ESTABLISHED);
}

/* Both have the same secrets, and each knows who the other is. */
static void check_result(struct rig *rig) {
  struct tl_secrets secrets;
  struct tl_peer_info peer;
  uint32_t local, remote;
  assert_int_equal(tl_handshake_take(rig->handshake, &secrets, &peer, &local, &remote), 0);
  assert_memory_equal(&secrets, &rig->response.secrets, sizeof secrets);
  assert_int_equal(local, rig->response.remote_index);
  assert_int_equal(remote, rig->response.local_index);
  assert_string_equal(peer.name, "anna");
  assert_string_equal(rig->response.peer.name, "bert");
  assert_memory_equal(peer.key, rig->anna.identity->key, 32);
  assert_memory_equal(rig->response.peer.key, rig->bert.identity->key, 32);
  assert_memory_equal(peer.boot_id, rig->anna.self.boot_id, 16);
  assert_true(peer.features == 5 && peer.udp_port == 8855 && peer.max_record == 16384);
  assert_false(peer.joining || rig->response.peer.joining);
  assert_int_equal(tl_handshake_take(rig->handshake, &secrets, &peer, &local, &remote), TL_EMPTY);
}

static void completes(void **state) {
  (void)state;
  struct rig rig;
  rig_init(&rig);
  until_established(&rig);
  assert_true(tl_address_is_equal(&rig.response.validated, &rig.from));
  check_result(&rig);
  const struct tl_responder_stats *stats = tl_responder_stats(rig.responder);
  assert_int_equal(stats->cookies, 1);
  assert_int_equal(stats->replies, 1);
  assert_int_equal(stats->established, 1);
  assert_int_equal(stats->half_open, 0);
  rig_deinit(&rig);
}

static void completes_with_whoever_is_there(void **state) {
  (void)state;
  struct rig rig;
  struct tl_handshake_target anyone = {0};
  rig_init(&rig);
  assert_int_equal(tl_handshake_begin(rig.handshake, rig.now, &anyone, 7), 0);
  bert_sends(&rig);
  assert_int_equal(anna_takes(&rig), 0);
  assert_int_equal(bert_takes(&rig), 0);
  bert_sends(&rig);
  assert_int_equal(anna_takes(&rig), 0);
  assert_int_equal(bert_takes(&rig), 0);
  bert_sends(&rig);
  assert_int_equal(anna_takes(&rig), 0);
  check_result(&rig);
  rig_deinit(&rig);
}

static void completes_over_tcp_without_cookie(void **state) {
  (void)state;
  struct rig rig;
  rig_init(&rig);
  struct tl_handshake_target target = node_fixture_target(&rig.anna);
  target.over_tcp = true;
  assert_int_equal(tl_handshake_begin(rig.handshake, rig.now, &target, 7), 0);
  bert_sends(&rig);
  /* Nothing is repeated over TCP: the only deadline left is the last one. */
  assert_int_equal(tl_handshake_deadline(rig.handshake), rig.now + 30 * TL_S);
  rig.packet[TL_HELLO_MAC2_AT] = 1;
  assert_int_equal(tl_responder_push(rig.responder, rig.now, &rig.from, true, rig.packet, rig.size,
                                     &rig.response),
                   TL_REFUSED_MAC2);
  rig.packet[TL_HELLO_MAC2_AT] = 0;
  assert_int_equal(tl_responder_push(rig.responder, rig.now, &rig.from, true, rig.packet, rig.size,
                                     &rig.response),
                   0);
  assert_int_equal(bert_takes(&rig), 0);
  bert_sends(&rig);
  /* FINISH on another connection, or over UDP, is not this caller's. */
  struct tl_address other = rig.from;
  other.port++;
  assert_int_equal(
      tl_responder_push(rig.responder, rig.now, &other, true, rig.packet, rig.size, &rig.response),
      TL_REFUSED_STATE);
  assert_int_equal(anna_takes(&rig), TL_REFUSED_STATE);
  assert_int_equal(tl_responder_push(rig.responder, rig.now, &rig.from, true, rig.packet, rig.size,
                                     &rig.response),
                   0);
  check_result(&rig);
  assert_int_equal(tl_responder_stats(rig.responder)->cookies, 0);
  rig_deinit(&rig);
}

/* ---- T-04: every bit ---- */

static void flip(uint8_t *data, size_t bit) {
  data[bit / 8] ^= (uint8_t)(1 << (bit % 8));
}

/* Pushes a packet to anna with each bit flipped; returns how many flips got an answer that is not a COOKIE. */
static unsigned flips_at_anna(struct rig *rig) {
  unsigned accepted = 0;
  for (size_t bit = 0; bit < TL_HANDSHAKE_BYTES * 8; bit++) {
    flip(rig->packet, bit);
    int r = anna_takes(rig);
    accepted += r == 0 && rig->response.size != TL_COOKIE_BYTES;
    flip(rig->packet, bit);
  }
  return accepted;
}

static unsigned flips_at_bert(struct rig *rig) {
  unsigned accepted = 0;
  for (size_t bit = 0; bit < rig->response.size * 8; bit++) {
    flip(rig->response.packet, bit);
    accepted += bert_takes(rig) == 0;
    flip(rig->response.packet, bit);
  }
  return accepted;
}

/* One handshake takes all 29,312 damaged packets on its way, and completes. */
static void every_bit_counts(void **state) {
  (void)state;
  struct rig rig;
  rig_init(&rig);
  rig.anna.parameters.bad_finish_max = UINT32_MAX;
  const struct tl_responder_stats *stats = tl_responder_stats(rig.responder);

  until_cookie(&rig);
  assert_int_equal(flips_at_bert(&rig), 0);
  assert_int_equal(bert_takes(&rig), 0);
  bert_sends(&rig);

  assert_int_equal(flips_at_anna(&rig), 0);
  assert_int_equal(stats->cookies, 1 + 128); /* flips of mac2 */
  assert_int_equal(stats->replies, 0);
  assert_int_equal(stats->half_open, 0);
  assert_int_equal(anna_takes(&rig), 0);

  assert_int_equal(flips_at_bert(&rig), 0);
  assert_false(tl_handshake_is_established(rig.handshake));
  assert_int_equal(bert_takes(&rig), 0);
  bert_sends(&rig);

  assert_int_equal(flips_at_anna(&rig), 0);
  assert_int_equal(stats->established, 0);
  assert_int_equal(stats->half_open, 1);
  assert_int_equal(anna_takes(&rig), 0);
  check_result(&rig);
  rig_deinit(&rig);
}

/* ---- T-05: every length ---- */

static void cut_and_extended(struct rig *rig, uint8_t *packet, size_t size, bool to_anna) {
  uint8_t longer[TL_HANDSHAKE_BYTES + 64] = {0};
  memcpy(longer, packet, size);
  for (size_t other = 0; other <= size + 64; other++) {
    if (other == size) continue;
    int r = to_anna ? tl_responder_push(rig->responder, rig->now, &rig->from, false, longer, other,
                                        &(struct tl_response){0})
                    : tl_handshake_push(rig->handshake, rig->now, longer, other);
    assert_int_equal(r, other ? TL_REFUSED_SIZE : TL_REFUSED_TYPE);
  }
}

static void every_length_counts(void **state) {
  (void)state;
  struct rig rig;
  rig_init(&rig);
  until_cookie(&rig);
  cut_and_extended(&rig, rig.response.packet, rig.response.size, false);
  assert_int_equal(bert_takes(&rig), 0);
  bert_sends(&rig);
  cut_and_extended(&rig, rig.packet, rig.size, true);
  assert_int_equal(anna_takes(&rig), 0);
  cut_and_extended(&rig, rig.response.packet, rig.response.size, false);
  assert_int_equal(bert_takes(&rig), 0);
  bert_sends(&rig);
  cut_and_extended(&rig, rig.packet, rig.size, true);
  assert_int_equal(anna_takes(&rig), 0);
  check_result(&rig);
  rig_deinit(&rig);
}

/* ---- T-07: everything again ---- */

static void replays_change_nothing(void **state) {
  (void)state;
  struct rig rig;
  uint8_t hello[TL_HANDSHAKE_BYTES], cookie[TL_COOKIE_BYTES];
  uint8_t reply[TL_HANDSHAKE_BYTES], finish[TL_HANDSHAKE_BYTES];
  rig_init(&rig);
  const struct tl_responder_stats *stats = tl_responder_stats(rig.responder);

  until_hello(&rig);
  memcpy(cookie, rig.response.packet, sizeof cookie);
  memcpy(hello, rig.packet, sizeof hello);
  assert_int_equal(anna_takes(&rig), 0);
  memcpy(reply, rig.response.packet, sizeof reply);
  for (int i = 0; i < 10; i++) { /* HELLO while half open: the same bytes */
    assert_int_equal(anna_takes(&rig), 0);
    assert_memory_equal(rig.response.packet, reply, sizeof reply);
  }
  assert_int_equal(stats->replies, 1);
  assert_int_equal(stats->resent, 10);
  assert_int_equal(stats->half_open, 1);

  assert_int_equal(bert_takes(&rig), 0);
  bert_sends(&rig);
  memcpy(finish, rig.packet, sizeof finish);
  assert_int_equal(anna_takes(&rig), 0);
  struct tl_response established = rig.response;
  for (int i = 0; i < 10; i++) { /* FINISH: a confirmation, no second session */
    assert_int_equal(anna_takes(&rig), 0);
    assert_int_equal(rig.response.kind, TL_RESPONSE_CONFIRM);
    assert_int_equal(rig.response.local_index, established.local_index);
  }
  memcpy(rig.packet, hello, sizeof hello);
  for (int i = 0; i < 10; i++) assert_int_equal(anna_takes(&rig), TL_REFUSED_STATE);
  assert_int_equal(stats->established, 1);
  assert_int_equal(stats->replies, 1);
  assert_int_equal(stats->repeated, 10);

  for (int i = 0; i < 10; i++) { /* REPLY: FINISH again, the same bytes */
    assert_int_equal(tl_handshake_push(rig.handshake, rig.now, reply, sizeof reply), 0);
    bert_sends(&rig);
    assert_memory_equal(rig.packet, finish, sizeof finish);
    assert_int_equal(tl_handshake_push(rig.handshake, rig.now, cookie, sizeof cookie),
                     TL_REFUSED_STATE);
  }
  rig.response = established;
  check_result(&rig);
  tl_handshake_confirm(rig.handshake);
  assert_int_equal(tl_handshake_push(rig.handshake, rig.now, reply, sizeof reply),
                   TL_REFUSED_STATE);
  assert_int_equal(tl_handshake_poll(rig.handshake, rig.now + TL_S, rig.packet, &rig.size),
                   TL_EMPTY);
  rig_deinit(&rig);
}

/* Another REPLY to the same HELLO, by somebody who can make one: too late. */
static void one_reply_is_taken(void **state) {
  (void)state;
  struct rig rig;
  struct forge forge;
  uint8_t hello[TL_HANDSHAKE_BYTES], reply[TL_HANDSHAKE_BYTES], payload[TL_REPLY_PAYLOAD_BYTES];
  rig_init(&rig);
  until_hello(&rig);
  memcpy(hello, rig.packet, sizeof hello);
  assert_int_equal(anna_takes(&rig), 0);
  assert_int_equal(bert_takes(&rig), 0);
  bert_sends(&rig);
  forge_init(&forge, &rig.anna);
  tl_self_payload(&rig.anna.self, false, payload, sizeof payload);
  forge_reply(&forge, hello, payload, reply);
  assert_int_equal(tl_handshake_push(rig.handshake, rig.now, reply, sizeof reply),
                   TL_REFUSED_STATE);
  assert_int_equal(anna_takes(&rig), 0);
  check_result(&rig);
  rig_deinit(&rig);
}

/* A FINISH whose tag is wrong but whose mac1 is right is not the one that was accepted. */
static void only_the_same_finish_is_confirmed(void **state) {
  (void)state;
  struct rig rig;
  rig_init(&rig);
  until_established(&rig);
  rig.packet[600] ^= 1;
  assert_int_equal(anna_takes(&rig), TL_REFUSED_STATE);
  rig_deinit(&rig);
}

/* ---- T-09: a member in between changes what the prologue binds, and makes mac1 right again ---- */

static void the_prologue_binds(void **state) {
  (void)state;
  struct rig rig;
  struct forge forge;
  rig_init(&rig);
  forge_init(&forge, &rig.bert);
  const uint8_t *id = rig.anna.identity->node_id;
  until_hello(&rig);
  for (size_t at = 0; at < TL_HELLO_PROLOGUE_BYTES; at++) {
    uint8_t honest[TL_HANDSHAKE_BYTES];
    memcpy(honest, rig.packet, sizeof honest);
    rig.packet[at] ^= 1;
    forge_mac1(&forge, id, rig.packet);
    memcpy(forge.hello_mac1, rig.packet + TL_HELLO_MAC1_AT, 16);
    int r = anna_takes(&rig);
    if (r == 0) { /* mac1 changed, so mac2 is asked for once more */
      assert_int_equal(rig.response.size, TL_COOKIE_BYTES);
      forge_stamp(&forge, id, rig.response.packet, rig.packet);
      rig.now += TL_S;
      r = anna_takes(&rig);
    }
    assert_true(r > 0);
    memcpy(rig.packet, honest, sizeof honest);
  }
  assert_int_equal(tl_responder_stats(rig.responder)->replies, 0);
  assert_int_equal(tl_responder_stats(rig.responder)->half_open, 0);
  assert_true(
      tl_responder_stats(rig.responder)->refusals.count[TL_REFUSED_NOISE - TL_REFUSED_SIZE] > 0);
  rig_deinit(&rig);
}

/* bert's own payload, with the versions of the test. */
static void payload_of(struct node_fixture *node, uint8_t min, uint8_t max, uint8_t *out,
                       size_t size) {
  tl_self_payload(&node->self, false, out, size);
  out[0] = min;
  out[1] = max;
}

static void versions(void **state) {
  (void)state;
  static const struct {
    uint8_t min, max;
    int result;
  } cases[] = {{1, 1, 0},
               {1, 9, 0},
               {2, 9, TL_REFUSED_PROTOCOL},
               {0, 1, TL_REFUSED_PAYLOAD},
               {2, 1, TL_REFUSED_PAYLOAD},
               {255, 255, TL_REFUSED_PROTOCOL}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct rig rig;
    struct forge forge;
    uint8_t reply[TL_HANDSHAKE_BYTES], payload[TL_FINISH_PAYLOAD_BYTES];
    rig_init(&rig);
    forge_init(&forge, &rig.bert);
    rig.from = address_of(9);
    rig.size = TL_HANDSHAKE_BYTES;
    assert_int_equal(forge_call(&forge, rig.responder, rig.now, rig.anna.identity->node_id, reply),
                     0);
    payload_of(&rig.bert, cases[i].min, cases[i].max, payload, sizeof payload);
    forge_finish(&forge, reply, payload, rig.packet);
    assert_int_equal(anna_takes(&rig), cases[i].result);
    if (cases[i].result == 0) assert_int_equal(rig.response.peer.version, 1);

    /* And the same in a REPLY. */
    begin(&rig);
    bert_sends(&rig);
    forge_init(&forge, &rig.anna);
    payload_of(&rig.anna, cases[i].min, cases[i].max, payload, TL_REPLY_PAYLOAD_BYTES);
    forge_reply(&forge, rig.packet, payload, rig.response.packet);
    rig.response.size = TL_HANDSHAKE_BYTES;
    assert_int_equal(bert_takes(&rig), cases[i].result);
    if (cases[i].result)
      assert_int_equal(tl_handshake_last_refusal(rig.handshake), cases[i].result);
    rig_deinit(&rig);
  }
}

/* ---- time ---- */

static void repeats_and_gives_up(void **state) {
  (void)state;
  struct rig rig;
  uint8_t first[TL_HANDSHAKE_BYTES];
  rig_init(&rig);
  begin(&rig);
  bert_sends(&rig);
  memcpy(first, rig.packet, sizeof first);
  uint64_t start = rig.now, wait = 100 * TL_MS;
  unsigned sent = 1;
  for (;;) {
    uint64_t next = tl_handshake_deadline(rig.handshake);
    assert_int_equal(tl_handshake_poll(rig.handshake, next - 1, rig.packet, &rig.size), TL_EMPTY);
    if (next == start + 30 * TL_S) break;
    assert_int_equal(next, rig.now + wait);
    rig.now = next;
    bert_sends(&rig);
    assert_memory_equal(rig.packet, first, sizeof first);
    wait = wait * 2 > 250 * TL_MS ? 250 * TL_MS : wait * 2;
    sent++;
  }
  assert_int_equal(sent, 121); /* at 0, 100, 300, 550, ... 29,800 ms */
  rig.now = start + 30 * TL_S;
  assert_int_equal(tl_handshake_poll(rig.handshake, rig.now, rig.packet, &rig.size),
                   TULLE_E_DEADLINE);
  assert_int_equal(tl_handshake_deadline(rig.handshake), TL_NEVER);
  assert_int_equal(tl_handshake_poll(rig.handshake, rig.now, rig.packet, &rig.size), TL_EMPTY);
  rig_deinit(&rig);
}

static void a_cookie_hurries_once(void **state) {
  (void)state;
  struct rig rig;
  rig_init(&rig);
  until_cookie(&rig);
  struct tl_response cookie = rig.response;
  assert_int_equal(bert_takes(&rig), 0);
  assert_int_equal(tl_handshake_deadline(rig.handshake), rig.now);
  bert_sends(&rig);
  for (int i = 0; i < 5; i++) {
    rig.response = cookie;
    assert_int_equal(bert_takes(&rig), 0);
    assert_int_equal(tl_handshake_deadline(rig.handshake), rig.now + 100 * TL_MS);
  }
  rig.now += 100 * TL_MS;
  bert_sends(&rig); /* by time; after it a COOKIE may hurry again */
  assert_int_equal(bert_takes(&rig), 0);
  assert_int_equal(tl_handshake_deadline(rig.handshake), rig.now);
  rig_deinit(&rig);
}

static void a_cookie_is_kept_for_the_next_attempt(void **state) {
  (void)state;
  struct rig rig;
  rig_init(&rig);
  until_hello(&rig);
  rig.now += 100 * TL_S;
  begin(&rig);
  bert_sends(&rig);
  assert_int_equal(anna_takes(&rig), 0);
  assert_int_equal(rig.response.size, TL_HANDSHAKE_BYTES); /* a REPLY at once */
  rig.now += 25 * TL_S;
  begin(&rig);
  bert_sends(&rig);
  assert_int_equal(anna_takes(&rig), 0);
  assert_int_equal(rig.response.size, TL_COOKIE_BYTES); /* 125 s old: forgotten */
  rig_deinit(&rig);
}

static void a_cookie_is_for_one_responder(void **state) {
  (void)state;
  struct rig rig;
  rig_init(&rig);
  until_hello(&rig);
  struct tl_handshake_target other = {.responder_id = {1}};
  assert_int_equal(tl_handshake_begin(rig.handshake, rig.now, &other, 5), 0);
  bert_sends(&rig);
  for (size_t i = TL_HELLO_MAC2_AT; i < TL_HELLO_END; i++) assert_int_equal(rig.packet[i], 0);
  begin(&rig);
  bert_sends(&rig);
  assert_int_equal(anna_takes(&rig), 0);
  assert_int_equal(rig.response.size, TL_HANDSHAKE_BYTES);
  rig_deinit(&rig);
}

static void a_cookie_is_for_one_address(void **state) {
  (void)state;
  struct rig rig;
  rig_init(&rig);
  until_hello(&rig);
  struct tl_address honest = rig.from;
  rig.from.port++;
  assert_int_equal(anna_takes(&rig), 0);
  assert_int_equal(rig.response.size, TL_COOKIE_BYTES);
  rig.from = address_of(3);
  assert_int_equal(anna_takes(&rig), 0);
  assert_int_equal(rig.response.size, TL_COOKIE_BYTES);
  rig.from = honest;
  assert_int_equal(anna_takes(&rig), 0);
  assert_int_equal(rig.response.size, TL_HANDSHAKE_BYTES);
  rig_deinit(&rig);
}

/* Before the first secret there is none: zeros must not count as the one before, not even early after the boot. */
static void no_cookie_before_the_first_secret(void **state) {
  (void)state;
  struct rig rig;
  uint8_t zeros[32] = {0}, source[18], cookie[16];
  rig_init(&rig);
  begin(&rig);
  bert_sends(&rig);
  memcpy(source, rig.from.ip, 16);
  tl_store_le(source + 16, rig.from.port, 2);
  tl_mac((struct tl_bytes){zeros, 32}, source, sizeof source, cookie);
  tl_mac((struct tl_bytes){cookie, 16}, rig.packet, TL_HELLO_MAC2_AT,
         rig.packet + TL_HELLO_MAC2_AT);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(anna_takes(&rig), 0);
    assert_int_equal(rig.response.size, TL_COOKIE_BYTES);
  }
  rig_deinit(&rig);
}

/* A secret makes cookies for 120 s and takes them for 120 s more. */
static void a_cookie_ages(void **state) {
  (void)state;
  struct rig rig;
  rig_init(&rig);
  until_hello(&rig);
  rig.now += 239 * TL_S;
  assert_int_equal(anna_takes(&rig), 0);
  assert_int_equal(rig.response.size, TL_HANDSHAKE_BYTES);
  rig.now += 11 * TL_S; /* the half-open entry is gone as well */
  assert_int_equal(anna_takes(&rig), 0);
  assert_int_equal(rig.response.size, TL_COOKIE_BYTES);
  rig_deinit(&rig);
}

static void half_open_ends(void **state) {
  (void)state;
  struct rig rig;
  rig_init(&rig);
  until_finish(&rig);
  rig.now += 10 * TL_S;
  assert_int_equal(anna_takes(&rig), TL_REFUSED_INDEX);
  rig_deinit(&rig);
}

static void finish_may_come_from_elsewhere(void **state) {
  (void)state;
  struct rig rig;
  rig_init(&rig);
  until_finish(&rig);
  struct tl_address proved = rig.from;
  rig.from = address_of(77); /* the address changed between REPLY and FINISH */
  assert_int_equal(anna_takes(&rig), 0);
  assert_int_equal(rig.response.kind, TL_RESPONSE_ESTABLISHED);
  assert_true(tl_address_is_equal(&rig.response.validated, &proved));
  check_result(&rig);
  rig_deinit(&rig);
}

/* ---- limits ---- */

/* A caller's HELLO with cookie from an address; true when it got a REPLY. */
static bool call_from(struct rig *rig, struct forge *forge, const struct tl_address *from) {
  uint8_t hello[TL_HANDSHAKE_BYTES];
  const uint8_t *id = rig->anna.identity->node_id;
  forge_hello(forge, id, 0, hello);
  assert_int_equal(
      tl_responder_push(rig->responder, rig->now, from, false, hello, sizeof hello, &rig->response),
      0);
  forge_stamp(forge, id, rig->response.packet, hello);
  return tl_responder_push(rig->responder, rig->now, from, false, hello, sizeof hello,
                           &rig->response) == 0;
}

static uint64_t refused(const struct rig *rig, int reason) {
  return tl_responder_stats(rig->responder)->refusals.count[reason - TL_REFUSED_SIZE];
}

static void rate_of_a_source(void **state) {
  (void)state;
  struct rig rig;
  struct forge forge;
  rig_init(&rig);
  rig.anna.parameters.half_open_per_source = UINT32_MAX;
  forge_init(&forge, &rig.bert);
  unsigned replies = 0;
  for (unsigned i = 0; i < 1000; i++, rig.now += TL_MS)
    replies += call_from(&rig, &forge, &rig.from);
  assert_in_range(replies, 24, 25); /* 5 at once, 20 in the second */
  for (unsigned i = 0; i < 1000; i++, rig.now += TL_MS)
    replies += call_from(&rig, &forge, &rig.from);
  assert_in_range(replies, 44, 45);
  /* Another source is not the worse for it; another port is the same source. */
  struct tl_address other = rig.from;
  other.port = 1;
  while (call_from(&rig, &forge, &rig.from)) {
  }
  assert_false(call_from(&rig, &forge, &other));
  other = address_of(200);
  assert_true(call_from(&rig, &forge, &other));
  rig_deinit(&rig);
}

static void rate_of_a_prefix(void **state) {
  (void)state;
  struct rig rig;
  struct forge forge;
  rig_init(&rig);
  forge_init(&forge, &rig.bert);
  struct tl_address from = {.ip = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 1}, .port = 8855};
  unsigned replies = 0;
  for (uint8_t i = 0; i < 20; i++) {
    from.ip[15] = i; /* one /64 */
    replies += call_from(&rig, &forge, &from);
  }
  assert_int_equal(replies, 5);
  from.ip[7] = 2;
  assert_true(call_from(&rig, &forge, &from));
  rig_deinit(&rig);
}

static void rate_of_the_node(void **state) {
  (void)state;
  struct rig rig;
  struct forge forge;
  rig_init(&rig);
  rig.anna.parameters.node_rate = 10;
  rig.anna.parameters.node_burst = 20;
  forge_init(&forge, &rig.bert);
  unsigned replies = 0;
  for (uint8_t i = 0; i < 100; i++) {
    struct tl_address from = address_of(i);
    replies += call_from(&rig, &forge, &from);
  }
  assert_int_equal(replies, 20);
  assert_int_equal(refused(&rig, TL_REFUSED_NODE_RATE), 80);
  rig_deinit(&rig);
}

static void half_open_of_a_source(void **state) {
  (void)state;
  struct rig rig;
  struct forge forge;
  rig_init(&rig);
  forge_init(&forge, &rig.bert);
  unsigned replies = 0;
  for (unsigned i = 0; i < 20; i++, rig.now += 100 * TL_MS)
    replies += call_from(&rig, &forge, &rig.from);
  assert_int_equal(replies, 8);
  assert_int_equal(refused(&rig, TL_REFUSED_SOURCE_HALF_OPEN), 12);
  rig.now += 10 * TL_S;
  assert_true(call_from(&rig, &forge, &rig.from));
  rig_deinit(&rig);
}

static void the_table_makes_room(void **state) {
  (void)state;
  struct rig rig;
  struct forge forge;
  rig_init(&rig);
  forge_init(&forge, &rig.bert);
  for (unsigned i = 0; i < 400; i++, rig.now += 4 * TL_MS) {
    struct tl_address from = address_of((uint8_t)i);
    from.ip[14] = (uint8_t)(i >> 8);
    assert_true(call_from(&rig, &forge, &from));
  }
  const struct tl_responder_stats *stats = tl_responder_stats(rig.responder);
  assert_int_equal(stats->half_open, TL_HALF_OPEN_MAX);
  assert_int_equal(stats->evicted, 400 - TL_HALF_OPEN_MAX);
  until_established(&rig); /* a full table does not lock anybody out */
  check_result(&rig);
  rig_deinit(&rig);
}

/* T-21: without a cookie nobody gets more than a COOKIE, whatever is replayed from wherever. */
static void strangers_cause_no_dh(void **state) {
  (void)state;
  struct rig rig;
  rig_init(&rig);
  until_hello(&rig);
  uint64_t in = 0, out = 0;
  for (unsigned i = 0; i < 5000; i++, rig.now += 100 * TL_US) {
    rig.from = address_of((uint8_t)(i % 250));
    rig.from.port = (uint16_t)(1000 + i);
    int r = anna_takes(&rig);
    in += rig.size;
    out += r == 0 ? rig.response.size : 0;
  }
  assert_int_equal(tl_responder_stats(rig.responder)->replies, 0);
  assert_true(out * 100 <= in * 6);
  rig_deinit(&rig);
}

static void random_bytes_get_no_answer(void **state) {
  (void)state;
  struct rig rig;
  uint64_t stats_before, answered = 0;
  rig_init(&rig);
  until_hello(&rig);
  stats_before = tl_responder_stats(rig.responder)->cookies;
  for (unsigned i = 0; i < 20000; i++) {
    uint8_t packet[TL_HANDSHAKE_BYTES];
    memcpy(packet, rig.packet, sizeof packet); /* nearly valid: all but mac1's cover is right */
    tl_random_fill(&rig.bert.random, packet + (i % 2 ? 40 : 4), i % 2 ? 64 : 100);
    answered += tl_responder_push(rig.responder, rig.now, &rig.from, false, packet, sizeof packet,
                                  &rig.response) == 0;
  }
  assert_int_equal(answered, 0);
  assert_int_equal(tl_responder_stats(rig.responder)->cookies, stats_before);
  rig_deinit(&rig);
}

static void bad_finishes_end_a_half_open_entry(void **state) {
  (void)state;
  struct rig rig;
  rig_init(&rig);
  until_finish(&rig);
  rig.packet[700] ^= 1;
  for (int i = 0; i < 32; i++) assert_int_equal(anna_takes(&rig), TL_REFUSED_NOISE);
  assert_int_equal(anna_takes(&rig), TL_REFUSED_INDEX);
  assert_int_equal(tl_responder_stats(rig.responder)->half_open, 0);
  rig_deinit(&rig);
}

/* ---- admission epochs ---- */

static void the_epoch_before_still_opens(void **state) {
  (void)state;
  struct rig rig;
  uint8_t secret[32] = {9};
  rig_init(&rig);
  assert_int_equal(tl_trust_update_admission(rig.anna.trust, rig.now, 2, secret), 0);
  until_established(&rig); /* bert has not heard of it: anna's previous epoch lets him in */
  check_result(&rig);

  /* The other way round anna has to call with the previous epoch. */
  struct tl_handshake_target target = node_fixture_target(&rig.bert);
  struct tl_handshake *call = tl_handshake_new(&rig.anna.self);
  struct tl_responder *bert = tl_responder_new(&rig.bert.self);
  for (int previous = 0; previous < 2; previous++) {
    target.use_previous_admission = previous;
    assert_int_equal(tl_handshake_begin(call, rig.now, &target, 5), 0);
    assert_int_equal(tl_handshake_poll(call, rig.now, rig.packet, &rig.size), 0);
    assert_int_equal(
        tl_responder_push(bert, rig.now, &rig.from, false, rig.packet, rig.size, &rig.response),
        previous ? 0 : TL_REFUSED_PSK_ID);
  }
  rig.now += 24 * 3600 * TL_S; /* and after a day it is over */
  assert_int_equal(tl_handshake_begin(call, rig.now, &target, 5), TULLE_E_NOT_FOUND);
  begin(&rig);
  bert_sends(&rig);
  assert_int_equal(anna_takes(&rig), TL_REFUSED_PSK_ID);
  tl_handshake_free(call);
  tl_responder_free(bert);
  rig_deinit(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(completes),
      cmocka_unit_test(completes_with_whoever_is_there),
      cmocka_unit_test(completes_over_tcp_without_cookie),
      cmocka_unit_test(every_bit_counts),
      cmocka_unit_test(every_length_counts),
      cmocka_unit_test(replays_change_nothing),
      cmocka_unit_test(one_reply_is_taken),
      cmocka_unit_test(only_the_same_finish_is_confirmed),
      cmocka_unit_test(the_prologue_binds),
      cmocka_unit_test(versions),
      cmocka_unit_test(repeats_and_gives_up),
      cmocka_unit_test(a_cookie_hurries_once),
      cmocka_unit_test(a_cookie_is_kept_for_the_next_attempt),
      cmocka_unit_test(a_cookie_is_for_one_responder),
      cmocka_unit_test(a_cookie_is_for_one_address),
      cmocka_unit_test(no_cookie_before_the_first_secret),
      cmocka_unit_test(a_cookie_ages),
      cmocka_unit_test(half_open_ends),
      cmocka_unit_test(finish_may_come_from_elsewhere),
      cmocka_unit_test(rate_of_a_source),
      cmocka_unit_test(rate_of_a_prefix),
      cmocka_unit_test(rate_of_the_node),
      cmocka_unit_test(half_open_of_a_source),
      cmocka_unit_test(the_table_makes_room),
      cmocka_unit_test(strangers_cause_no_dh),
      cmocka_unit_test(random_bytes_get_no_answer),
      cmocka_unit_test(bad_finishes_end_a_half_open_entry),
      cmocka_unit_test(the_epoch_before_still_opens),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
