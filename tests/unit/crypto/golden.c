/*
 * T-03: every byte that is stored or sent, for one run of two nodes from fixed seeds, against the files of
 * tests/vectors/golden. A difference means that old peers or old files would not be understood any more.
 *
 * TULLE_GOLDEN_WRITE=1 writes the files anew; tests/vectors/golden/check.py then says whether an independent
 * implementation of the design agrees with them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/text.h"
#include "core/time.h"
#include "crypto/gate.h"
#include "crypto/handshake.h"
#include "crypto/rekey.h"
#include "crypto/responder.h"
#include "crypto/token.h"
#include "tests/support/node_fixture.h"
#include "tests/unit/test.h"

#define NOW        (10 * TL_S)
#define GOLDEN_MAX 4096
#define LINE_BYTES 32

static unsigned checked;

static void golden_path(const char *name, char out[128]) {
  snprintf(out, 128, "tests/vectors/golden/%s.hex", name);
}

static void golden_write(const char *name, const uint8_t *data, size_t size) {
  char path[128], line[TL_HEX_SIZE(LINE_BYTES)];
  golden_path(name, path);
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  for (size_t at = 0; at < size; at += LINE_BYTES) {
    tl_hex_encode(data + at, size - at < LINE_BYTES ? size - at : LINE_BYTES, line);
    fprintf(f, "%s\n", line);
  }
  fclose(f);
}

static size_t golden_read(const char *name, uint8_t out[GOLDEN_MAX]) {
  char path[128], line[256];
  size_t size = 0;
  golden_path(name, path);
  FILE *f = fopen(path, "r");
  if (!f) fail_msg("%s is missing", path);
  while (fgets(line, sizeof line, f)) {
    int n = tl_hex_decode(line, strcspn(line, "\n"), out + size, GOLDEN_MAX - size);
    if (n < 0) fail_msg("%s is damaged", path);
    size += (size_t)n;
  }
  fclose(f);
  return size;
}

static void golden(const char *name, const void *data, size_t size) {
  uint8_t wanted[GOLDEN_MAX];
  checked++;
  if (getenv("TULLE_GOLDEN_WRITE")) golden_write(name, data, size);
  size_t wanted_size = golden_read(name, wanted);
  if (wanted_size != size || memcmp(wanted, data, size) != 0) fail_msg("%s has changed", name);
}

/* Remembers the last 32 bytes that were drawn at once: an ephemeral key, or a cookie's secret. */
struct recorder {
  struct tl_random inner;
  uint8_t last[32];
};

static void recorder_fill(void *context, void *out, size_t size) {
  struct recorder *r = context;
  tl_random_fill(&r->inner, out, size);
  if (size == 32) memcpy(r->last, out, 32);
}

static struct node_fixture anna, bert;
static struct recorder anna_drew, bert_drew;

static void record(struct node_fixture *node, struct recorder *recorder) {
  recorder->inner = (struct tl_random){node->random.fill, &node->seeded};
  node->random = (struct tl_random){recorder_fill, recorder};
}

static void golden_file(const char *name, struct node_fixture *node, const char *file) {
  size_t size;
  const uint8_t *bytes = disk_memory_file(&node->memory, file, &size);
  assert_non_null(bytes);
  golden(name, bytes, size);
}

static void golden_text(const char *name, const char *text) {
  golden(name, text, strlen(text));
}

/* ---- what is stored ---- */

static void files_of_one(void) {
  char id[TL_NODE_ID_TEXT_SIZE];
  const struct tl_trust_state *s = tl_trust_state_of(anna.trust);
  golden_file("anna-identity.key", &anna, TL_IDENTITY_FILE);
  golden_file("bert-identity.key", &bert, TL_IDENTITY_FILE);
  golden_file("anna-authority.key", &anna, TL_AUTHORITY_FILE);
  golden_file("anna-trust-of-one", &anna, TL_TRUST_FILE);
  golden("anna-certificate", s->certificate, sizeof s->certificate);
  golden("revocations-empty", s->revocations, s->revocations_bytes);
  tl_node_id_format(anna.identity->node_id, id);
  golden_text("anna-node-id", id);
  tl_node_id_format(bert.identity->node_id, id);
  golden_text("bert-node-id", id);
}

static void gates(void) {
  const struct tl_gate *gate = tl_trust_own_gate(anna.trust, NOW, false);
  golden("admission-secret", tl_trust_state_of(anna.trust)->admission_secret, 32);
  golden("gate-psk", gate->psk, 32);
  golden("gate-mac-root", gate->mac_root, 32);
  golden("gate-cookie-root", gate->cookie_root, 32);
  golden("gate-hello-to-self", gate->to_self.hello, 32);
  golden("gate-hello-to-anyone", gate->to_anyone.hello, 32);
  golden("gate-cookie-to-self", gate->to_self.cookie, 32);
}

static void tokens(struct tl_token *token) {
  char text[TL_TOKEN_TEXT_SIZE];
  tl_token_format(token, text);
  golden_text("token-without-address", text);
  tl_address_parse("10.1.2.3:8855", 0, &token->addresses[0]);
  tl_address_parse("[2001:db8::7]:8856", 0, &token->addresses[1]);
  tl_address_parse("192.0.2.1:1", 0, &token->addresses[2]);
  token->address_count = 3;
  tl_token_format(token, text);
  golden_text("token-with-three", text);
}

/* ---- handshakes ---- */

static struct tl_handshake *call;
static struct tl_responder *called;
static struct tl_response response;
static uint8_t packet[TL_HANDSHAKE_BYTES];

static void bert_sends(const char *name) {
  size_t size;
  assert_int_equal(tl_handshake_poll(call, NOW, packet, &size), 0);
  golden(name, packet, size);
}

static void anna_answers(const char *name) {
  struct tl_address from = address_of(2);
  assert_int_equal(tl_responder_push(called, NOW, &from, false, packet, sizeof packet, &response),
                   0);
  if (response.kind != TL_RESPONSE_SEND) return;
  golden(name, response.packet, response.size);
  assert_int_equal(tl_handshake_push(call, NOW, response.packet, response.size), 0);
}

static void payloads(void) {
  uint8_t payload[TL_FINISH_PAYLOAD_BYTES];
  tl_self_payload(&anna.self, false, payload, TL_REPLY_PAYLOAD_BYTES);
  golden("payload-reply", payload, 272);
  tl_self_payload(&bert.self, false, payload, sizeof payload);
  golden("payload-finish", payload, 272);
  tl_self_payload(&bert.self, true, payload, sizeof payload);
  golden("payload-finish-join", payload, 272);
}

static void secrets(const char *epoch, const struct tl_secrets *s) {
  char name[64];
  snprintf(name, sizeof name, "secret-initiator-%s", epoch);
  golden(name, s->initiator, 32);
  snprintf(name, sizeof name, "secret-responder-%s", epoch);
  golden(name, s->responder, 32);
  snprintf(name, sizeof name, "handshake-hash-%s", epoch);
  golden(name, s->hash, 64);
}

static void newcomers_handshake(const struct tl_token *token) {
  struct tl_handshake_target target = {.token = token};
  assert_int_equal(tl_handshake_begin(call, NOW, &target, 0x11223344), 0);
  golden("join-e-initiator", bert_drew.last, 32);
  bert_sends("join-hello");
  anna_answers("join-cookie");
  bert_sends("join-hello-stamped");
  anna_answers("join-reply");
  golden("join-e-responder", anna_drew.last, 32);
  bert_sends("join-finish");
  anna_answers("");
  assert_int_equal(response.kind, TL_RESPONSE_ESTABLISHED);
}

static void members_handshake(void) {
  struct tl_handshake_target target = node_fixture_target(&anna);
  assert_int_equal(tl_handshake_begin(call, NOW, &target, 0x55667788), 0);
  golden("e-initiator", bert_drew.last, 32);
  bert_sends("hello");
  anna_answers("cookie");
  bert_sends("hello-stamped");
  anna_answers("reply");
  golden("e-responder", anna_drew.last, 32);
  bert_sends("finish");
  anna_answers("");
  assert_int_equal(response.kind, TL_RESPONSE_ESTABLISHED);
  secrets("0", &response.secrets);
}

static void hello_to_anyone(void) {
  struct tl_handshake *other = tl_handshake_new(&bert.self);
  struct tl_handshake_target anyone = {0};
  size_t size;
  assert_int_equal(tl_handshake_begin(other, NOW, &anyone, 0x99aabbcc), 0);
  assert_int_equal(tl_handshake_poll(other, NOW, packet, &size), 0);
  golden("e-initiator-to-anyone", bert_drew.last, 32);
  golden("hello-to-anyone", packet, size);
  tl_handshake_free(other);
}

/* ---- sessions ---- */

static struct session_pair pair;

static void sealed(const char *name, struct tl_session *from, unsigned channel) {
  uint8_t bytes[64] = {0};
  size_t size;
  uint64_t counter;
  memcpy(bytes + 16, "tulle", 5);
  assert_int_equal(tl_session_seal(from, NOW, channel, bytes, 5, &size, &counter), 0);
  golden(name, bytes, size);
}

static void channel(const char *attach, const char *answer, const char *there, const char *back,
                    struct tl_session *opener, struct tl_session *accepter) {
  uint8_t bytes[64] = {0};
  size_t size;
  unsigned a, b;
  struct tl_opened opened;
  memcpy(bytes + 16, "tulle", 5);
  assert_int_equal(tl_session_attach(opener, NOW, bytes, 5, &size, &a), 0);
  golden(attach, bytes, size);
  assert_int_equal(tl_session_attach_accept(accepter, NOW, bytes, size, &opened, &b), 0);
  assert_int_equal(tl_session_attach_answer(accepter, NOW, b, bytes, 5, &size), 0);
  golden(answer, bytes, size);
  assert_int_equal(tl_session_attach_confirm(opener, NOW, a, bytes, size, &opened), 0);
  sealed(there, opener, a);
  sealed(back, accepter, b);
}

static void chain(const char *name) {
  uint8_t key[32], other[32];
  uint32_t epoch;
  tl_session_chain(pair.initiator, key, &epoch);
  tl_session_chain(pair.responder, other, &epoch);
  assert_memory_equal(key, other, 32);
  golden(name, key, 32);
}

static void first_epoch(void) {
  struct tl_session_config config = {&bert.parameters, &bert.random, true};
  uint8_t key[32];
  uint32_t local = response.remote_index, remote = response.local_index;
  pair.initiator = tl_session_new(&config, NOW, &response.secrets, local, remote);
  config.is_initiator = false;
  pair.responder = tl_session_new(&config, NOW, &response.secrets, remote, local);
  sealed("data-initiator-0", pair.initiator, TL_CHANNEL_UDP);
  sealed("data-responder-0", pair.responder, TL_CHANNEL_UDP);
  channel("attach-2", "attach-2-answer", "record-2-there", "record-2-back", pair.initiator,
          pair.responder);
  channel("attach-3", "attach-3-answer", "record-3-there", "record-3-back", pair.responder,
          pair.initiator);
  chain("chain-0");
  tl_session_exporter(pair.initiator, "test", key);
  golden("exporter-test", key, 32);
}

static void second_epoch(void) {
  uint8_t one[TL_REKEY_BYTES], two[TL_REKEY_BYTES], data[64] = {0};
  struct tl_rekey *rekey;
  struct tl_secrets at_responder, at_initiator;
  uint32_t local, remote;
  size_t size;
  uint64_t counter;
  struct tl_opened opened;
  assert_int_equal(
      tl_rekey_begin(&bert.self, pair.initiator, anna.identity->key, 0x0a0b0c0d, one, &rekey), 0);
  golden("rekey-e-initiator", bert_drew.last, 32);
  golden("rekey1", one, sizeof one);
  assert_int_equal(tl_rekey_answer(&anna.self, pair.responder, bert.identity->key, 0x01020304, one,
                                   sizeof one, two, &at_responder, &remote),
                   0);
  golden("rekey-e-responder", anna_drew.last, 32);
  golden("rekey2", two, sizeof two);
  assert_int_equal(tl_rekey_finish(rekey, two, sizeof two, &at_initiator, &local, &remote), 0);
  secrets("1", &at_initiator);
  tl_session_install(pair.responder, NOW, &at_responder, 0x01020304, 0x0a0b0c0d);
  tl_session_install(pair.initiator, NOW, &at_initiator, 0x0a0b0c0d, 0x01020304);
  memcpy(data + 16, "tulle", 5);
  assert_int_equal(tl_session_seal(pair.initiator, NOW, 0, data, 5, &size, &counter), 0);
  golden("data-initiator-1", data, size);
  assert_int_equal(tl_session_open(pair.responder, NOW, 0, data, size, &opened), 0);
  chain("chain-1");
  tl_rekey_free(rekey);
}

static void every_byte(void **state) {
  (void)state;
  struct tl_token token;
  uint8_t *grant;
  size_t size;
  node_fixture_init(&anna, 1001, "anna");
  node_fixture_init(&bert, 1002, "bert");
  record(&anna, &anna_drew);
  record(&bert, &bert_drew);
  call = tl_handshake_new(&bert.self);
  called = tl_responder_new(&anna.self);
  files_of_one();
  gates();

  assert_int_equal(tl_trust_invite(anna.trust, NOW, 0, TL_ROLES_DEFAULT, &token), 0);
  tokens(&token);
  newcomers_handshake(&token);
  assert_int_equal(tl_trust_admit(anna.trust, NOW, token.invitation_id, bert.identity->key, "bert",
                                  &grant, &size),
                   0);
  golden("grant", grant, size);
  assert_int_equal(tl_trust_join(bert.trust, bert.identity, &token, grant, size, false), 0);
  free(grant);
  golden_file("anna-trust", &anna, TL_TRUST_FILE);
  golden_file("bert-trust", &bert, TL_TRUST_FILE);

  payloads();
  members_handshake();
  hello_to_anyone();
  first_epoch();
  second_epoch();

  assert_int_equal(tl_trust_revoke(anna.trust, NOW, bert.identity->key), 0);
  const struct tl_trust_state *s = tl_trust_state_of(anna.trust);
  golden("revocations-one", s->revocations, s->revocations_bytes);
  golden_file("anna-trust-revoked", &anna, TL_TRUST_FILE);
  print_message("%u golden files\n", checked);
  assert_true(checked >= 40);

  session_pair_deinit(&pair);
  tl_handshake_free(call);
  tl_responder_free(called);
  node_fixture_deinit(&anna);
  node_fixture_deinit(&bert);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_byte)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
