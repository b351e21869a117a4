#include "tests/support/node_fixture.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/error.h"

static void seeded_fill(void *context, void *out, size_t size) {
  struct seeded_random *random = context;
  uint8_t nonce[8];
  tl_store_le(nonce, random->block++, sizeof nonce);
  crypto_stream_chacha20(out, size, nonce, random->key);
}

struct tl_random seeded_random_init(struct seeded_random *random, uint64_t seed) {
  *random = (struct seeded_random){0};
  tl_store_le(random->key, seed, sizeof seed);
  return (struct tl_random){seeded_fill, random};
}

void node_fixture_init(struct node_fixture *node, uint64_t seed, const char *name) {
  memset(node, 0, sizeof *node);
  TL_ASSERT(tl_crypto_start() == 0);
  node->random = seeded_random_init(&node->seeded, seed);
  node->parameters = tl_parameters_default;
  disk_memory_init(&node->memory, &node->disk);
  node->config = (struct tl_trust_config){
      .disk = &node->disk, .random = &node->random, .parameters = &node->parameters};
  tl_random_fill(&node->random, node->config.boot_id, sizeof node->config.boot_id);
  tl_clone_watch_init(&node->clones);
  int r = tl_trust_start(&node->config, 0, name, name, &node->identity, &node->trust);
  TL_ASSERT(r == 0);
  node->self = (struct tl_self){.identity = node->identity,
                                .trust = node->trust,
                                .random = &node->random,
                                .parameters = &node->parameters,
                                .clones = &node->clones,
                                .features = 0x5,
                                .max_record = 16384,
                                .udp_port = 8855,
                                .tcp_port = 8855};
  memcpy(node->self.boot_id, node->config.boot_id, sizeof node->self.boot_id);
}

void node_fixture_deinit(struct node_fixture *node) {
  tl_trust_free(node->trust);
  tl_identity_free(node->identity);
  disk_memory_deinit(&node->memory);
}

void node_fixture_restart(struct node_fixture *node, uint64_t now_ns) {
  tl_trust_free(node->trust);
  tl_identity_free(node->identity);
  int r = tl_trust_start(&node->config, now_ns, "again", "again", &node->identity, &node->trust);
  TL_ASSERT(r == 0);
  node->self.identity = node->identity;
  node->self.trust = node->trust;
}

void node_fixture_join(struct node_fixture *newcomer, struct node_fixture *authority,
                       uint64_t now_ns) {
  struct tl_token token;
  uint8_t *grant;
  size_t size;
  char name[TL_NODE_NAME_BYTES_MAX + 1];
  strcpy(name, tl_trust_state_of(newcomer->trust)->self.name);
  int r = tl_trust_invite(authority->trust, now_ns, 0, TL_ROLES_DEFAULT, &token);
  if (r == 0)
    r = tl_trust_admit(authority->trust, now_ns, token.invitation_id, newcomer->identity->key, name,
                       &grant, &size);
  TL_ASSERT(r == 0);
  r = tl_trust_join(newcomer->trust, newcomer->identity, &token, grant, size, true);
  TL_ASSERT(r == 0);
  free(grant);
}

struct tl_handshake_target node_fixture_target(const struct node_fixture *responder) {
  struct tl_handshake_target target = {0};
  memcpy(target.responder_id, responder->identity->node_id, sizeof target.responder_id);
  return target;
}

struct tl_address address_of(uint8_t host) {
  return (struct tl_address){.ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, host},
                             .port = 8855};
}

static void pair_establish(struct session_pair *pair, struct node_fixture *initiator,
                           struct node_fixture *responder, const struct tl_handshake *handshake,
                           const struct tl_response *response, uint64_t now_ns) {
  struct tl_secrets secrets;
  uint32_t local, remote;
  struct tl_session_config config = {&initiator->parameters, &initiator->random, true};
  int r = tl_handshake_take((struct tl_handshake *)handshake, &secrets, &pair->responder_info,
                            &local, &remote);
  TL_ASSERT(r == 0 && response->kind == TL_RESPONSE_ESTABLISHED);
  TL_ASSERT(memcmp(&secrets, &response->secrets, sizeof secrets) == 0);
  TL_ASSERT(local == response->remote_index && remote == response->local_index);
  pair->initiator = tl_session_new(&config, now_ns, &secrets, local, remote);
  config = (struct tl_session_config){&responder->parameters, &responder->random, false};
  pair->responder = tl_session_new(&config, now_ns, &response->secrets, remote, local);
  pair->initiator_info = response->peer;
  TL_ASSERT(pair->initiator && pair->responder);
}

void session_pair_init(struct session_pair *pair, struct node_fixture *initiator,
                       struct node_fixture *responder, uint64_t now_ns) {
  struct tl_handshake *handshake = tl_handshake_new(&initiator->self);
  struct tl_responder *called = tl_responder_new(&responder->self);
  struct tl_handshake_target target = node_fixture_target(responder);
  struct tl_address from = address_of(1);
  struct tl_response response;
  uint8_t packet[TL_HANDSHAKE_BYTES];
  size_t size;
  TL_ASSERT(handshake && called);
  int r = tl_handshake_begin(handshake, now_ns, &target, tl_self_draw_index(&initiator->self));
  for (int leg = 0; r == 0 && leg < 3; leg++) { /* HELLO, HELLO with cookie, FINISH */
    r = tl_handshake_poll(handshake, now_ns, packet, &size);
    if (r == 0) r = tl_responder_push(called, now_ns, &from, false, packet, size, &response);
    if (r == 0 && response.kind == TL_RESPONSE_SEND)
      r = tl_handshake_push(handshake, now_ns, response.packet, response.size);
  }
  TL_ASSERT(r == 0);
  pair_establish(pair, initiator, responder, handshake, &response, now_ns);
  tl_secrets_wipe(&response.secrets);
  tl_handshake_free(handshake);
  tl_responder_free(called);
}

void session_pair_deinit(struct session_pair *pair) {
  tl_session_free(pair->initiator);
  tl_session_free(pair->responder);
}
