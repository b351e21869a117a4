/*
 * T-08: who is refused, and that each reason has its own counter: mirrors, relays, strangers' fabrics, stolen
 * and forged certificates, clones; and the newcomer's handshake, which shows no certificate (T-11).
 */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/time.h"
#include "crypto/certificate.h"
#include "crypto/handshake.h"
#include "crypto/responder.h"
#include "crypto/revocation.h"
#include "tests/support/forge.h"
#include "tests/support/node_fixture.h"
#include "tests/unit/test.h"

#define NOW (10 * TL_S)

struct call {
  struct tl_handshake *handshake;
  struct tl_responder *responder;
  uint8_t packet[TL_HANDSHAKE_BYTES];
  size_t size;
  struct tl_response response;
};

static void call_init(struct call *c, struct node_fixture *from, struct node_fixture *to) {
  c->handshake = tl_handshake_new(&from->self);
  c->responder = tl_responder_new(&to->self);
}

static void call_deinit(struct call *c) {
  tl_handshake_free(c->handshake);
  tl_responder_free(c->responder);
}

/* Runs a handshake as far as it goes: 0, or the first refusal of either side (`*out_by_responder`). */
static int call_run(struct call *c, const struct tl_handshake_target *target, uint64_t now,
                    bool *out_by_responder) {
  struct tl_address from = address_of(4);
  int r = tl_handshake_begin(c->handshake, now, target, 77);
  for (int leg = 0; r == 0 && leg < 3; leg++) {
    r = tl_handshake_poll(c->handshake, now, c->packet, &c->size);
    assert_int_equal(r, 0);
    *out_by_responder = true;
    r = tl_responder_push(c->responder, now, &from, target->over_tcp, c->packet, c->size,
                          &c->response);
    if (r != 0 || c->response.kind == TL_RESPONSE_ESTABLISHED) return r;
    *out_by_responder = false;
    r = tl_handshake_push(c->handshake, now, c->response.packet, c->response.size);
  }
  return r;
}

static void expect(struct node_fixture *from, struct node_fixture *to,
                   const struct tl_handshake_target *target, int refusal, bool by_responder) {
  struct call c;
  bool by = false;
  call_init(&c, from, to);
  assert_int_equal(call_run(&c, target, NOW, &by), refusal);
  if (refusal) {
    assert_int_equal(by, by_responder);
    const struct tl_refusals *refusals =
        by ? &tl_responder_stats(c.responder)->refusals : tl_handshake_refusals(c.handshake);
    assert_int_equal(refusals->count[refusal - TL_REFUSED_SIZE], 1);
    assert_int_equal(tl_responder_stats(c.responder)->established, 0);
    if (!by) assert_false(tl_handshake_is_established(c.handshake));
  }
  call_deinit(&c);
}

/* Two nodes of one fabric, and one of another. */
struct world {
  struct node_fixture anna, bert, eve;
};

static int world_init(void **state) {
  struct world *w = calloc(1, sizeof *w);
  node_fixture_init(&w->anna, 1, "anna");
  node_fixture_init(&w->bert, 2, "bert");
  node_fixture_init(&w->eve, 3, "eve");
  node_fixture_join(&w->bert, &w->anna, TL_S);
  *state = w;
  return 0;
}

static int world_deinit(void **state) {
  struct world *w = *state;
  node_fixture_deinit(&w->anna);
  node_fixture_deinit(&w->bert);
  node_fixture_deinit(&w->eve);
  free(w);
  return 0;
}

/* The node shows this certificate from now on. */
static void wear(struct node_fixture *node, const uint8_t certificate[TL_CERTIFICATE_BYTES]) {
  struct tl_trust_state *s = (struct tl_trust_state *)tl_trust_state_of(node->trust);
  memcpy(s->certificate, certificate, TL_CERTIFICATE_BYTES);
}

/* A certificate for `node`, signed by the key in `signer`'s authority file, with the fields of the test. */
static void forge_certificate(struct node_fixture *node, struct node_fixture *signer,
                              struct tl_certificate fields, uint8_t out[TL_CERTIFICATE_BYTES]) {
  struct tl_authority *authority;
  assert_int_equal(tl_authority_load(&signer->disk, TL_AUTHORITY_FILE, &authority), 0);
  memcpy(fields.key, node->identity->key, 32);
  strcpy(fields.name, "bert");
  tl_certificate_issue(authority, &fields, out);
  tl_authority_free(authority);
}

static void members_agree(void **state) {
  struct world *w = *state;
  struct tl_handshake_target target = node_fixture_target(&w->anna);
  expect(&w->bert, &w->anna, &target, 0, false);
  target = node_fixture_target(&w->bert);
  expect(&w->anna, &w->bert, &target, 0, false);
}

/* ---- mirrors and relays ---- */

static void nobody_calls_itself(void **state) {
  struct world *w = *state;
  struct tl_handshake_target target = node_fixture_target(&w->bert);
  struct tl_handshake *handshake = tl_handshake_new(&w->bert.self);
  assert_int_equal(tl_handshake_begin(handshake, NOW, &target, 1), TULLE_E_INVALID);
  tl_handshake_free(handshake);
  struct tl_handshake_target anyone = {0};
  expect(&w->bert, &w->bert, &anyone, TL_REFUSED_SELF, false);
}

/* A responder that is called with its own key (its HELLO was led back to it through a copy). */
static void a_caller_with_our_key(void **state) {
  struct world *w = *state;
  struct node_fixture copy;
  struct call c;
  bool by;
  node_fixture_init(&copy, 4, "copy");
  struct tl_self *self = &copy.self;
  *self = w->anna.self; /* the same key and trust, another machine */
  self->random = &copy.random;
  self->boot_id[0] ^= 1;
  struct tl_handshake_target anyone = {0};
  call_init(&c, &copy, &w->anna);
  assert_int_equal(call_run(&c, &anyone, NOW, &by), TL_REFUSED_SELF);
  assert_false(by);
  /* The copy is told so by the REPLY; if it lied and went on, FINISH would be refused too. */
  struct forge forge;
  uint8_t reply[TL_HANDSHAKE_BYTES], payload[TL_FINISH_PAYLOAD_BYTES];
  struct tl_address from = address_of(9);
  forge_init(&forge, &w->anna);
  assert_int_equal(forge_call(&forge, c.responder, NOW, w->anna.identity->node_id, reply), 0);
  tl_self_payload(&w->anna.self, false, payload, sizeof payload);
  forge_finish(&forge, reply, payload, c.packet);
  assert_int_equal(
      tl_responder_push(c.responder, NOW, &from, false, c.packet, sizeof c.packet, &c.response),
      TL_REFUSED_SELF);
  call_deinit(&c);
  node_fixture_deinit(&copy);
}

static void packets_do_not_change_roles(void **state) {
  struct world *w = *state;
  struct call c;
  struct tl_address from = address_of(4);
  struct tl_handshake_target target = node_fixture_target(&w->anna);
  call_init(&c, &w->bert, &w->anna);
  tl_handshake_begin(c.handshake, NOW, &target, 5);
  tl_handshake_poll(c.handshake, NOW, c.packet, &c.size);
  assert_int_equal(tl_handshake_push(c.handshake, NOW, c.packet, c.size), TL_REFUSED_TYPE);
  tl_responder_push(c.responder, NOW, &from, false, c.packet, c.size, &c.response);
  assert_int_equal(tl_responder_push(c.responder, NOW, &from, false, c.response.packet,
                                     c.response.size, &c.response),
                   TL_REFUSED_TYPE);
  /* HELLO dressed up as REPLY: the mac is for another purpose. */
  c.packet[0] = TL_PACKET_REPLY;
  memset(c.packet + 12, 0, 4);
  memcpy(c.packet + 8, c.packet + 4, 4);
  assert_int_equal(tl_handshake_push(c.handshake, NOW, c.packet, c.size), TL_REFUSED_MAC1);
  call_deinit(&c);
}

/* bert's HELLO for anna, led to carl of the same fabric. */
static void a_hello_is_for_one_node(void **state) {
  struct world *w = *state;
  struct node_fixture carl;
  node_fixture_init(&carl, 5, "carl");
  node_fixture_join(&carl, &w->anna, 2 * TL_S);
  struct tl_handshake_target target = node_fixture_target(&w->anna);
  expect(&w->bert, &carl, &target, TL_REFUSED_MAC1, true);

  /* carl, a member, answers it all the same: another than the one who was called. */
  struct forge forge;
  struct call c;
  uint8_t payload[TL_REPLY_PAYLOAD_BYTES], reply[TL_HANDSHAKE_BYTES];
  call_init(&c, &w->bert, &carl);
  tl_handshake_begin(c.handshake, NOW, &target, 5);
  tl_handshake_poll(c.handshake, NOW, c.packet, &c.size);
  forge_init(&forge, &carl);
  tl_self_payload(&carl.self, false, payload, sizeof payload);
  forge_reply(&forge, c.packet, payload, reply);
  assert_int_equal(tl_handshake_push(c.handshake, NOW, reply, sizeof reply), TL_REFUSED_OTHER_NODE);
  assert_int_equal(tl_handshake_last_refusal(c.handshake), TL_REFUSED_OTHER_NODE);

  /* And the honest answer is still taken. */
  forge_init(&forge, &w->anna);
  tl_self_payload(&w->anna.self, false, payload, sizeof payload);
  forge_reply(&forge, c.packet, payload, reply);
  assert_int_equal(tl_handshake_push(c.handshake, NOW, reply, sizeof reply), 0);
  call_deinit(&c);
  node_fixture_deinit(&carl);
}

static void fabrics_do_not_mix(void **state) {
  struct world *w = *state;
  struct tl_handshake_target target = node_fixture_target(&w->anna);
  expect(&w->eve, &w->anna, &target, TL_REFUSED_FABRIC_TAG, true);

  /* eve knows the fabric's tag and an epoch's number, which are public, but not the secret. */
  struct forge forge;
  struct tl_response response;
  struct tl_address from = address_of(9);
  uint8_t hello[TL_HANDSHAKE_BYTES];
  struct tl_responder *responder = tl_responder_new(&w->anna.self);
  forge_init(&forge, &w->eve);
  memcpy(forge.fabric_id, tl_trust_state_of(w->anna.trust)->fabric_id, 16);
  forge_hello(&forge, w->anna.identity->node_id, 0, hello);
  assert_int_equal(tl_responder_push(responder, NOW, &from, false, hello, sizeof hello, &response),
                   TL_REFUSED_MAC1);
  forge.gate.psk_id[0] ^= 0x55;
  forge_hello(&forge, w->anna.identity->node_id, 0, hello);
  assert_int_equal(tl_responder_push(responder, NOW, &from, false, hello, sizeof hello, &response),
                   TL_REFUSED_PSK_ID);
  tl_responder_free(responder);
}

/* ---- certificates ---- */

static const struct tl_certificate good_fields = {.serial = 50, .authority_epoch = 1, .roles = 1};

static void a_certificate_of_somebody_else(void **state) {
  struct world *w = *state;
  struct tl_handshake_target target = node_fixture_target(&w->anna);
  wear(&w->bert, tl_trust_state_of(w->anna.trust)->certificate);
  expect(&w->bert, &w->anna, &target, TL_REFUSED_CERTIFICATE_KEY, true);
  /* As responder likewise. */
  target = node_fixture_target(&w->bert);
  expect(&w->anna, &w->bert, &target, TL_REFUSED_CERTIFICATE_KEY, false);
}

static void a_certificate_of_another_fabric(void **state) {
  struct world *w = *state;
  uint8_t certificate[TL_CERTIFICATE_BYTES];
  struct tl_handshake_target target = node_fixture_target(&w->anna);
  forge_certificate(&w->bert, &w->eve, good_fields, certificate);
  wear(&w->bert, certificate);
  expect(&w->bert, &w->anna, &target, TL_REFUSED_CERTIFICATE_FABRIC, true);
  /* The right fabric written over it: then the signature is wrong. */
  memcpy(certificate + 8, tl_trust_state_of(w->anna.trust)->fabric_id, 16);
  wear(&w->bert, certificate);
  expect(&w->bert, &w->anna, &target, TL_REFUSED_CERTIFICATE_SIGNATURE, true);
}

/* T-10: the other form of an Ed25519 signature (S + L) and more roles than were signed. */
static void a_certificate_that_was_changed(void **state) {
  struct world *w = *state;
  static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,       0xd6,
                                    0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10};
  uint8_t certificate[TL_CERTIFICATE_BYTES], changed[TL_CERTIFICATE_BYTES];
  struct tl_handshake_target target = node_fixture_target(&w->anna);
  forge_certificate(&w->bert, &w->anna, good_fields, certificate);
  memcpy(changed, certificate, sizeof changed);
  unsigned carry = 0;
  for (size_t i = 0; i < 32; i++) {
    carry += changed[200 + i] + order[i];
    changed[200 + i] = (uint8_t)carry;
    carry >>= 8;
  }
  wear(&w->bert, changed);
  expect(&w->bert, &w->anna, &target, TL_REFUSED_CERTIFICATE_SIGNATURE, true);
  memcpy(changed, certificate, sizeof changed);
  changed[68] |= 0x80;
  wear(&w->bert, changed);
  expect(&w->bert, &w->anna, &target, TL_REFUSED_CERTIFICATE_SIGNATURE, true);
  wear(&w->bert, certificate);
  expect(&w->bert, &w->anna, &target, 0, false);
}

static void a_certificate_that_is_malformed(void **state) {
  struct world *w = *state;
  uint8_t certificate[TL_CERTIFICATE_BYTES];
  struct tl_handshake_target target = node_fixture_target(&w->anna);
  static const size_t places[] = {0, 4, 5, 6, 7, 150};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    forge_certificate(&w->bert, &w->anna, good_fields, certificate);
    certificate[places[i]] ^= 0x40;
    wear(&w->bert, certificate);
    expect(&w->bert, &w->anna, &target, TL_REFUSED_CERTIFICATE, true);
  }
}

static void a_certificate_and_the_clock(void **state) {
  struct world *w = *state;
  uint8_t certificate[TL_CERTIFICATE_BYTES];
  struct tl_certificate fields = good_fields;
  struct tl_handshake_target target = node_fixture_target(&w->anna);
  fields.not_before_s = 1000;
  fields.not_after_s = 2000;
  forge_certificate(&w->bert, &w->anna, fields, certificate);
  wear(&w->bert, certificate);
  static const struct {
    uint64_t wall_s;
    int result;
  } cases[] = {{0, 0},
               {999, TL_REFUSED_CERTIFICATE_TIME},
               {1000, 0},
               {2000, 0},
               {2001, TL_REFUSED_CERTIFICATE_TIME}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    w->anna.self.wall_s = cases[i].wall_s;
    expect(&w->bert, &w->anna, &target, cases[i].result, true);
  }
}

/* No certificate: only a newcomer may do that, and only under an invitation. */
static void no_certificate(void **state) {
  struct world *w = *state;
  struct forge forge;
  struct tl_response response;
  struct tl_address from = address_of(9);
  struct tl_responder *responder = tl_responder_new(&w->anna.self);
  uint8_t reply[TL_HANDSHAKE_BYTES], finish[TL_HANDSHAKE_BYTES];
  uint8_t payload[TL_FINISH_PAYLOAD_BYTES];
  forge_init(&forge, &w->bert);
  assert_int_equal(forge_call(&forge, responder, NOW, w->anna.identity->node_id, reply), 0);
  tl_self_payload(&w->bert.self, true, payload, sizeof payload);
  forge_finish(&forge, reply, payload, finish);
  assert_int_equal(
      tl_responder_push(responder, NOW, &from, false, finish, sizeof finish, &response),
      TL_REFUSED_CERTIFICATE);
  tl_responder_free(responder);
}

/* ---- revocation (T-10) ---- */

static void a_revoked_member(void **state) {
  struct world *w = *state;
  struct node_fixture carl;
  node_fixture_init(&carl, 5, "carl");
  node_fixture_join(&carl, &w->anna, 2 * TL_S);
  struct tl_handshake_target to_anna = node_fixture_target(&w->anna);
  struct tl_handshake_target to_carl = node_fixture_target(&carl);
  assert_int_equal(tl_trust_revoke(w->anna.trust, NOW, w->bert.identity->key), 0);
  expect(&w->bert, &w->anna, &to_anna, TL_REFUSED_REVOKED, true);
  expect(&w->bert, &carl, &to_carl, 0, false); /* carl has not heard of it */
  const struct tl_trust_state *s = tl_trust_state_of(w->anna.trust);
  assert_int_equal(tl_trust_update_revocations(carl.trust, s->revocations, s->revocations_bytes),
                   0);
  expect(&w->bert, &carl, &to_carl, TL_REFUSED_REVOKED, true);

  /* A fresh certificate with another serial for the same key, and the old serial under another key. */
  uint8_t certificate[TL_CERTIFICATE_BYTES];
  struct tl_certificate fields = good_fields;
  forge_certificate(&w->bert, &w->anna, fields, certificate);
  wear(&w->bert, certificate);
  expect(&w->bert, &w->anna, &to_anna, TL_REFUSED_REVOKED, true);
  fields.serial = 2; /* bert's */
  forge_certificate(&carl, &w->anna, fields, certificate);
  wear(&carl, certificate);
  expect(&carl, &w->anna, &to_anna, TL_REFUSED_REVOKED, true);

  /* A day later its admission secret opens nothing any more. */
  struct call c;
  bool by;
  call_init(&c, &w->bert, &w->anna);
  assert_int_equal(call_run(&c, &to_anna, NOW + 24 * 3600 * TL_S, &by), TL_REFUSED_PSK_ID);
  call_deinit(&c);
  node_fixture_deinit(&carl);
}

static void an_old_authority_epoch(void **state) {
  struct world *w = *state;
  struct tl_authority *authority;
  uint8_t list[TL_REVOCATION_LIST_BYTES(0)];
  struct tl_handshake_target target = node_fixture_target(&w->anna);
  assert_int_equal(tl_authority_load(&w->anna.disk, TL_AUTHORITY_FILE, &authority), 0);
  size_t size = tl_revocations_sign(authority, 9, 2, NULL, 0, list);
  assert_int_equal(tl_trust_update_revocations(w->anna.trust, list, size), 0);
  expect(&w->bert, &w->anna, &target, TL_REFUSED_CERTIFICATE_EPOCH, true);
  tl_authority_free(authority);
}

/* ---- clones ---- */

static void two_machines_with_one_key(void **state) {
  struct world *w = *state;
  struct tl_handshake_target target = node_fixture_target(&w->anna);
  uint8_t *boot = w->bert.self.boot_id;
  expect(&w->bert, &w->anna, &target, 0, false);
  boot[0] ^= 1; /* a restart of the machine looks like this */
  expect(&w->bert, &w->anna, &target, 0, false);
  boot[0] ^= 1;
  expect(&w->bert, &w->anna, &target, 0, false);
  boot[0] ^= 1;
  expect(&w->bert, &w->anna, &target, TL_REFUSED_CLONE, true);
  assert_int_equal(w->anna.clones.alarms, 1);
  boot[0] ^= 1; /* both are refused, the other one is not told apart */
  expect(&w->bert, &w->anna, &target, TL_REFUSED_CLONE, true);
  expect(&w->bert, &w->anna, &target, TL_REFUSED_CLONE, true);
  assert_int_equal(w->anna.clones.alarms, 1);
}

static void restarts_are_not_clones(void **state) {
  (void)state;
  struct tl_clone_watch watch;
  struct tl_parameters p = tl_parameters_default;
  uint8_t key[32] = {1}, boot[16] = {0};
  tl_clone_watch_init(&watch);
  for (uint64_t i = 0; i < 100; i++) { /* two changes in any minute */
    boot[0] = (uint8_t)i;
    uint64_t now = i / 2 * 61 * TL_S + i % 2 * 20 * TL_S;
    assert_int_equal(tl_clone_watch_note(&watch, &p, now, key, boot), 0);
  }
  boot[0]++;
  uint64_t now = 60 * 61 * TL_S;
  for (int i = 0; i < 3; i++) {
    boot[0]++;
    assert_int_equal(tl_clone_watch_note(&watch, &p, now, key, boot),
                     i == 2 ? TL_REFUSED_CLONE : 0);
  }
  assert_int_equal(tl_clone_watch_note(&watch, &p, now + 599 * TL_S, key, boot), TL_REFUSED_CLONE);
  assert_int_equal(tl_clone_watch_note(&watch, &p, now + 600 * TL_S, key, boot), 0);
}

static void the_watch_forgets_who_was_not_seen(void **state) {
  (void)state;
  struct tl_clone_watch watch;
  struct tl_parameters p = tl_parameters_default;
  uint8_t key[32] = {0}, boot[16] = {0};
  tl_clone_watch_init(&watch);
  for (uint64_t i = 0; i < 1000; i++) {
    key[0] = (uint8_t)i, key[1] = (uint8_t)(i >> 8);
    assert_int_equal(tl_clone_watch_note(&watch, &p, i, key, boot), 0);
  }
  assert_int_equal(watch.alarms, 0);
}

/* ---- newcomers ---- */

static void invite(struct node_fixture *anna, struct tl_token *out) {
  assert_int_equal(tl_trust_invite(anna->trust, NOW, 0, TL_ROLES_DEFAULT, out), 0);
}

static void a_newcomer(void **state) {
  struct world *w = *state;
  struct tl_token token;
  struct call c;
  struct tl_secrets secrets;
  struct tl_peer_info inviter;
  uint32_t local, remote;
  bool by;
  invite(&w->anna, &token);
  struct tl_handshake_target target = {.token = &token};
  call_init(&c, &w->eve, &w->anna);
  assert_int_equal(call_run(&c, &target, NOW, &by), 0);
  assert_true(c.response.peer.joining && !c.response.peer.has_certificate);
  assert_int_equal(c.response.peer.roles, 0);
  assert_memory_equal(c.response.peer.invitation_id, token.invitation_id, 8);
  assert_memory_equal(c.response.peer.key, w->eve.identity->key, 32);
  assert_int_equal(tl_handshake_take(c.handshake, &secrets, &inviter, &local, &remote), 0);
  assert_true(inviter.is_inviter && inviter.has_certificate && !inviter.joining);
  assert_memory_equal(inviter.node_id, token.inviter_id, 16);
  call_deinit(&c);
}

static void an_invitation_is_for_one_key(void **state) {
  struct world *w = *state;
  struct tl_token token;
  uint8_t *grant;
  size_t size;
  invite(&w->anna, &token);
  struct tl_handshake_target target = {.token = &token};
  assert_int_equal(tl_trust_admit(w->anna.trust, NOW, token.invitation_id, w->eve.identity->key,
                                  "eve", &grant, &size),
                   0);
  free(grant);
  expect(&w->eve, &w->anna, &target, 0, false); /* it may come again for a lost grant */
  expect(&w->bert, &w->anna, &target, TL_REFUSED_INVITATION_USED, true);
}

static void an_invitation_ends(void **state) {
  struct world *w = *state;
  struct tl_token token;
  struct call c;
  bool by;
  invite(&w->anna, &token);
  struct tl_handshake_target target = {.token = &token};
  call_init(&c, &w->eve, &w->anna);
  assert_int_equal(call_run(&c, &target, NOW + 15 * 60 * TL_S - 1, &by), 0);
  assert_int_equal(call_run(&c, &target, NOW + 15 * 60 * TL_S, &by), TL_REFUSED_PSK_ID);
  call_deinit(&c);
  node_fixture_restart(&w->anna, NOW); /* the process: it stays */
  expect(&w->eve, &w->anna, &target, 0, false);
  w->anna.config.boot_id[0] ^= 1; /* the machine: it dies */
  node_fixture_restart(&w->anna, NOW);
  expect(&w->eve, &w->anna, &target, TL_REFUSED_PSK_ID, true);
}

static void an_invitation_names_the_inviter(void **state) {
  struct world *w = *state;
  struct tl_token token;
  struct node_fixture carl;
  node_fixture_init(&carl, 5, "carl");
  node_fixture_join(&carl, &w->anna, 2 * TL_S);
  invite(&w->anna, &token);
  struct tl_handshake_target target = {.token = &token};
  expect(&w->eve, &carl, &target, TL_REFUSED_PSK_ID, true);

  /* carl got hold of the token and answers in anna's place. */
  struct forge forge;
  struct call c;
  uint8_t payload[TL_REPLY_PAYLOAD_BYTES], reply[TL_HANDSHAKE_BYTES];
  call_init(&c, &w->eve, &carl);
  tl_handshake_begin(c.handshake, NOW, &target, 5);
  tl_handshake_poll(c.handshake, NOW, c.packet, &c.size);
  forge_init(&forge, &carl);
  tl_gate_open(&forge.gate, true, token.invitation_id, token.secret, carl.identity->node_id);
  tl_self_payload(&carl.self, false, payload, sizeof payload);
  forge_reply(&forge, c.packet, payload, reply);
  assert_int_equal(tl_handshake_push(c.handshake, NOW, reply, sizeof reply), TL_REFUSED_OTHER_NODE);
  call_deinit(&c);
  node_fixture_deinit(&carl);
}

/* The newcomer cannot check a signature yet, but it can see that a certificate is not the inviter's. */
static void an_inviter_shows_its_own_certificate(void **state) {
  struct world *w = *state;
  struct tl_token token;
  invite(&w->anna, &token);
  struct tl_handshake_target target = {.token = &token};
  uint8_t own[TL_CERTIFICATE_BYTES];
  memcpy(own, tl_trust_state_of(w->anna.trust)->certificate, sizeof own);
  wear(&w->anna, tl_trust_state_of(w->bert.trust)->certificate);
  expect(&w->eve, &w->anna, &target, TL_REFUSED_CERTIFICATE_KEY, false);
  own[8] ^= 1;
  wear(&w->anna, own);
  expect(&w->eve, &w->anna, &target, TL_REFUSED_CERTIFICATE_FABRIC, false);
  own[0] ^= 1;
  wear(&w->anna, own);
  expect(&w->eve, &w->anna, &target, TL_REFUSED_CERTIFICATE, false);
}

static void three_failed_finishes_burn_an_invitation(void **state) {
  struct world *w = *state;
  struct tl_token token;
  struct forge forge;
  struct tl_response response;
  struct tl_address from = address_of(9);
  uint8_t reply[TL_HANDSHAKE_BYTES], finish[TL_HANDSHAKE_BYTES];
  uint8_t payload[TL_FINISH_PAYLOAD_BYTES];
  struct tl_responder *responder = tl_responder_new(&w->anna.self);
  invite(&w->anna, &token);
  struct tl_handshake_target target = {.token = &token};
  forge_init(&forge, &w->eve);
  memcpy(forge.fabric_id, token.fabric_id, 16);
  tl_gate_open(&forge.gate, true, token.invitation_id, token.secret, w->anna.identity->node_id);
  for (int i = 0; i < 3; i++) {
    expect(&w->eve, &w->anna, &target, 0, false);
    assert_int_equal(forge_call(&forge, responder, NOW, token.inviter_id, reply), 0);
    tl_self_payload(&w->eve.self, true, payload, sizeof payload);
    payload[TL_FINISH_PAYLOAD_BYTES - 1] = (uint8_t)(i == 1); /* malformed inside ... */
    forge_finish(&forge, reply, payload, finish);
    if (i != 1) finish[900] ^= 1; /* ... or damaged outside */
    assert_int_equal(
        tl_responder_push(responder, NOW, &from, false, finish, sizeof finish, &response),
        i == 1 ? TL_REFUSED_PAYLOAD : TL_REFUSED_NOISE);
  }
  expect(&w->eve, &w->anna, &target, TL_REFUSED_PSK_ID, true);
  node_fixture_restart(&w->anna, NOW); /* burnt on disk too */
  expect(&w->eve, &w->anna, &target, TL_REFUSED_PSK_ID, true);
  tl_responder_free(responder);
}

/* A member's certificate under an invitation is a payload that makes no sense. */
static void a_newcomer_shows_no_certificate(void **state) {
  struct world *w = *state;
  struct tl_token token;
  struct forge forge;
  struct tl_response response;
  struct tl_address from = address_of(9);
  uint8_t reply[TL_HANDSHAKE_BYTES], finish[TL_HANDSHAKE_BYTES];
  uint8_t payload[TL_FINISH_PAYLOAD_BYTES];
  struct tl_responder *responder = tl_responder_new(&w->anna.self);
  invite(&w->anna, &token);
  forge_init(&forge, &w->bert);
  tl_gate_open(&forge.gate, true, token.invitation_id, token.secret, w->anna.identity->node_id);
  assert_int_equal(forge_call(&forge, responder, NOW, token.inviter_id, reply), 0);
  tl_self_payload(&w->bert.self, false, payload, sizeof payload);
  forge_finish(&forge, reply, payload, finish);
  assert_int_equal(
      tl_responder_push(responder, NOW, &from, false, finish, sizeof finish, &response),
      TL_REFUSED_PAYLOAD);
  tl_responder_free(responder);
}

static void every_refusal_has_a_name(void **state) {
  (void)state;
  for (int a = TL_REFUSED_SIZE; a < TL_REFUSAL_END; a++) {
    assert_non_null(tl_refusal_name(a));
    for (int b = TL_REFUSED_SIZE; b < a; b++)
      assert_string_not_equal(tl_refusal_name(a), tl_refusal_name(b));
  }
  assert_null(tl_refusal_name(TL_REFUSED_SIZE - 1));
  assert_null(tl_refusal_name(TL_REFUSAL_END));
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, world_init, world_deinit)

int main(void) {
  const struct CMUnitTest tests[] = {
      WORLD_TEST(members_agree),
      WORLD_TEST(nobody_calls_itself),
      WORLD_TEST(a_caller_with_our_key),
      WORLD_TEST(packets_do_not_change_roles),
      WORLD_TEST(a_hello_is_for_one_node),
      WORLD_TEST(fabrics_do_not_mix),
      WORLD_TEST(a_certificate_of_somebody_else),
      WORLD_TEST(a_certificate_of_another_fabric),
      WORLD_TEST(a_certificate_that_was_changed),
      WORLD_TEST(a_certificate_that_is_malformed),
      WORLD_TEST(a_certificate_and_the_clock),
      WORLD_TEST(no_certificate),
      WORLD_TEST(a_revoked_member),
      WORLD_TEST(an_old_authority_epoch),
      WORLD_TEST(two_machines_with_one_key),
      cmocka_unit_test(restarts_are_not_clones),
      cmocka_unit_test(the_watch_forgets_who_was_not_seen),
      WORLD_TEST(a_newcomer),
      WORLD_TEST(an_invitation_is_for_one_key),
      WORLD_TEST(an_invitation_ends),
      WORLD_TEST(an_invitation_names_the_inviter),
      WORLD_TEST(an_inviter_shows_its_own_certificate),
      WORLD_TEST(three_failed_finishes_burn_an_invitation),
      WORLD_TEST(a_newcomer_shows_no_certificate),
      cmocka_unit_test(every_refusal_has_a_name),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
