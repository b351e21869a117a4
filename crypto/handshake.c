#include "crypto/handshake.h"

#include <sodium.h>
#include <string.h>

#include "core/bytes.h"
#include "core/error.h"
#include "core/time.h"
#include "crypto/hash.h"
#include "crypto/noise.h"
#include "crypto/peer_internal.h"

enum state { IDLE, HELLO_SENT, FINISH_SENT };

struct cookie {
  uint8_t value[16];
  uint8_t responder_id[16];
  uint8_t psk_id[8];
  uint64_t until_ns; /* 0: none */
};

struct tl_handshake {
  const struct tl_self *self;
  enum state state;

  /* The target of this attempt. */
  uint8_t responder_id[16];
  uint8_t fabric_id[16];
  bool over_tcp;
  struct tl_gate gate;
  struct tl_gate_keys keys;

  struct tl_noise noise;
  uint32_t local_index;
  uint32_t remote_index;
  uint8_t packet[TL_HANDSHAKE_BYTES]; /* HELLO, then FINISH: what is repeated */
  uint8_t hello_mac1[16];
  uint8_t reply_mac1[16]; /* of the REPLY that was taken */
  struct cookie cookie;   /* outlives the attempt */

  uint64_t give_up_ns;
  uint64_t send_ns; /* when `packet` goes out next, or TL_NEVER */
  uint64_t interval_ns;
  bool hurry;   /* the next one has been brought forward by a COOKIE ... */
  bool hurried; /* ... which happens once between two that are due by time */

  bool has_result;
  struct tl_secrets secrets;
  struct tl_peer_info peer;

  struct tl_refusals refusals;
  int last_refusal;
};

struct tl_handshake *tl_handshake_new(const struct tl_self *self) {
  struct tl_handshake *h = sodium_malloc(sizeof *h);
  if (!h) return NULL;
  memset(h, 0, sizeof *h);
  h->self = self;
  h->send_ns = TL_NEVER;
  return h;
}

struct tl_handshake *tl_handshake_free(struct tl_handshake *handshake) {
  sodium_free(handshake);
  return NULL;
}

/* Forgets the attempt, keeps the cookie and the counters. */
static void become_idle(struct tl_handshake *h) {
  h->state = IDLE;
  h->send_ns = TL_NEVER;
  h->has_result = false;
  h->hurry = h->hurried = false;
  tl_secrets_wipe(&h->secrets);
  tl_noise_deinit(&h->noise);
  sodium_memzero(&h->gate, sizeof h->gate);
  sodium_memzero(&h->keys, sizeof h->keys);
}

static int refuse(struct tl_handshake *h, int reason) {
  h->last_refusal = reason;
  return tl_refuse(&h->refusals, reason);
}

/* ---- HELLO ---- */

static int target_set(struct tl_handshake *h, uint64_t now_ns,
                      const struct tl_handshake_target *target) {
  const struct tl_token *token = target->token;
  const uint8_t *responder_id = token ? token->inviter_id : target->responder_id;
  if (memcmp(responder_id, h->self->identity->node_id, 16) == 0) return TULLE_E_INVALID;
  if (token) {
    tl_gate_open(&h->gate, true, token->invitation_id, token->secret, h->self->identity->node_id);
    memcpy(h->fabric_id, token->fabric_id, 16);
  } else {
    const struct tl_gate *gate =
        tl_trust_own_gate(h->self->trust, now_ns, target->use_previous_admission);
    if (!gate) return TULLE_E_NOT_FOUND;
    h->gate = *gate;
    memcpy(h->fabric_id, tl_trust_state_of(h->self->trust)->fabric_id, 16);
  }
  memcpy(h->responder_id, responder_id, 16);
  h->over_tcp = target->over_tcp;
  tl_gate_keys_for(&h->gate, responder_id, &h->keys);
  return 0;
}

/* -> e */
static void hello_write(struct tl_handshake *h) {
  uint8_t e_secret[32], prologue[TL_PROLOGUE_BYTES], message[TL_HELLO_NOISE_BYTES];
  size_t size;
  struct tl_packet_hello hello = {.flags = h->gate.is_invitation ? TL_HELLO_JOIN : 0,
                                  .sender_index = h->local_index,
                                  .fabric_tag = h->fabric_id,
                                  .psk_id = h->gate.psk_id,
                                  .responder_id = h->responder_id,
                                  .noise = message};
  memset(message, 0, sizeof message);
  tl_packet_hello_encode(&hello, h->packet); /* without e: the prologue is what stands before it */
  tl_peer_prologue(h->fabric_id, h->packet, h->responder_id, prologue);
  struct tl_noise_config config = {.suite = &tl_noise_suite,
                                   .pattern = &tl_noise_xxpsk3,
                                   .is_initiator = true,
                                   .prologue = {prologue, sizeof prologue},
                                   .s_secret = h->self->identity->secret,
                                   .s = h->self->identity->key,
                                   .psks = (const uint8_t(*)[32]) & h->gate.psk,
                                   .psk_count = 1};
  tl_noise_init(&h->noise, &config);
  tl_random_fill(h->self->random, e_secret, sizeof e_secret);
  int r = tl_noise_write(&h->noise, e_secret, NULL, 0, message, &size);
  TL_ASSERT(r == 0 && size == sizeof message);
  tl_packet_hello_encode(&hello, h->packet);
  tl_mac((struct tl_bytes){h->keys.hello, 32}, h->packet, TL_HELLO_MAC1_AT,
         h->packet + TL_HELLO_MAC1_AT);
  memcpy(h->hello_mac1, h->packet + TL_HELLO_MAC1_AT, 16);
  sodium_memzero(e_secret, sizeof e_secret);
}

/* Fills in mac2, where there is a cookie that may still be good. */
static void hello_stamp(struct tl_handshake *h, uint64_t now_ns) {
  const struct cookie *c = &h->cookie;
  bool fits = !h->over_tcp && now_ns < c->until_ns &&
              memcmp(c->responder_id, h->responder_id, 16) == 0 &&
              memcmp(c->psk_id, h->gate.psk_id, 8) == 0;
  if (fits)
    tl_mac((struct tl_bytes){c->value, 16}, h->packet, TL_HELLO_MAC2_AT,
           h->packet + TL_HELLO_MAC2_AT);
}

static void schedule_first(struct tl_handshake *h, uint64_t now_ns) {
  h->send_ns = now_ns;
  h->interval_ns = h->self->parameters->retransmit_first_ns;
}

int tl_handshake_begin(struct tl_handshake *handshake, uint64_t now_ns,
                       const struct tl_handshake_target *target, uint32_t local_index) {
  struct tl_handshake *h = handshake;
  become_idle(h);
  int r = target_set(h, now_ns, target);
  if (r < 0) return r;
  h->local_index = local_index;
  h->last_refusal = 0;
  hello_write(h);
  hello_stamp(h, now_ns);
  h->give_up_ns = tl_time_add(now_ns, h->self->parameters->give_up_ns);
  schedule_first(h, now_ns);
  h->state = HELLO_SENT;
  return 0;
}

/* ---- COOKIE ---- */

static int cookie_push(struct tl_handshake *h, uint64_t now_ns, const uint8_t *packet,
                       size_t size) {
  struct tl_packet_cookie p;
  uint8_t value[16];
  int fault = tl_packet_cookie_decode(packet, size, &p);
  if (fault) return refuse(h, tl_refusal_of_fault(fault));
  if (h->state != HELLO_SENT || h->over_tcp) return refuse(h, TL_REFUSED_STATE);
  if (p.receiver_index != h->local_index) return refuse(h, TL_REFUSED_INDEX);
  if (crypto_aead_xchacha20poly1305_ietf_decrypt(value, NULL, NULL, p.sealed, 32, h->hello_mac1, 16,
                                                 p.nonce, h->keys.cookie) != 0)
    return refuse(h, TL_REFUSED_COOKIE);
  memcpy(h->cookie.value, value, sizeof value);
  memcpy(h->cookie.responder_id, h->responder_id, 16);
  memcpy(h->cookie.psk_id, h->gate.psk_id, 8);
  h->cookie.until_ns = tl_time_add(now_ns, h->self->parameters->cookie_keep_ns);
  hello_stamp(h, now_ns);
  /* Only once: two sides that disagree about the address must not play ping-pong. */
  if (!h->hurried) schedule_first(h, now_ns);
  h->hurry = !h->hurried;
  h->hurried = true;
  return 0;
}

/* ---- REPLY and FINISH ---- */

/* -> s, se, psk */
static int finish_write(const struct tl_handshake *h, struct tl_noise *noise, uint32_t remote_index,
                        uint8_t out[TL_HANDSHAKE_BYTES]) {
  uint8_t payload[TL_FINISH_PAYLOAD_BYTES], key[32];
  size_t size;
  tl_packet_reply_encode_head(TL_PACKET_FINISH, h->local_index, remote_index, out);
  tl_self_payload(h->self, h->gate.is_invitation, payload, sizeof payload);
  if (tl_noise_write(noise, NULL, payload, sizeof payload, out + TL_REPLY_NOISE_AT, &size) != 0)
    return TL_REFUSED_NOISE;
  TL_ASSERT(size == TL_REPLY_NOISE_BYTES);
  tl_gate_finish_key(&h->gate, h->hello_mac1, key);
  tl_mac((struct tl_bytes){key, 32}, out, TL_FINISH_MAC1_COVERS, out + TL_REPLY_MAC1_AT);
  sodium_memzero(key, sizeof key);
  return 0;
}

static bool reply_mac1_is_valid(const struct tl_handshake *h, const uint8_t *packet,
                                const struct tl_packet_reply *p) {
  uint8_t key[32];
  tl_gate_reply_key(&h->gate, h->hello_mac1, key);
  return tl_mac_is_valid((struct tl_bytes){key, 32}, packet, TL_REPLY_MAC1_COVERS, p->mac1);
}

/* <- e, ee, s, es: on a copy of the Noise state, which the caller commits. */
static int reply_take(struct tl_handshake *h, uint64_t now_ns, const struct tl_packet_reply *p,
                      struct tl_noise *noise) {
  static const uint8_t anyone[16];
  uint8_t payload[TL_REPLY_NOISE_BYTES], finish[TL_HANDSHAKE_BYTES];
  size_t size;
  struct tl_peer_info peer;
  bool named = sodium_memcmp(h->responder_id, anyone, 16) != 0;
  struct tl_peer_expectation expected = {.kind = h->gate.is_invitation ? TL_PEER_INVITER
                                                                       : TL_PEER_MEMBER,
                                         .node_id = named ? h->responder_id : NULL,
                                         .fabric_id = h->fabric_id};
  if (tl_noise_read(noise, p->noise, TL_REPLY_NOISE_BYTES, payload, &size) != 0)
    return TL_REFUSED_NOISE;
  int r = tl_peer_examine(h->self, now_ns, noise, &expected, payload, size, &peer);
  if (r == 0) r = finish_write(h, noise, p->sender_index, finish);
  if (r != 0) return r;
  memcpy(h->packet, finish, sizeof finish);
  tl_peer_secrets(noise, &h->secrets);
  h->peer = peer;
  h->remote_index = p->sender_index;
  memcpy(h->reply_mac1, p->mac1, sizeof h->reply_mac1);
  return 0;
}

static int reply_push(struct tl_handshake *h, uint64_t now_ns, const uint8_t *packet, size_t size) {
  struct tl_packet_reply p;
  int fault = tl_packet_reply_decode(packet, size, TL_PACKET_REPLY, &p);
  if (fault) return refuse(h, tl_refusal_of_fault(fault));
  if (h->state == IDLE) return refuse(h, TL_REFUSED_STATE);
  if (p.receiver_index != h->local_index) return refuse(h, TL_REFUSED_INDEX);
  if (!reply_mac1_is_valid(h, packet, &p)) return refuse(h, TL_REFUSED_MAC1);
  if (h->state == FINISH_SENT) {
    /* The REPLY again: our FINISH was lost, so the stored one goes out once more. */
    if (sodium_memcmp(h->reply_mac1, p.mac1, 16) != 0) return refuse(h, TL_REFUSED_STATE);
    if (!h->over_tcp && h->send_ns != TL_NEVER) h->send_ns = now_ns;
    return 0;
  }
  struct tl_noise noise = h->noise;
  int r = reply_take(h, now_ns, &p, &noise);
  tl_noise_deinit(&noise);
  if (r != 0) return refuse(h, r);
  tl_noise_deinit(&h->noise); /* its last use: the secrets are out */
  h->state = FINISH_SENT;
  h->has_result = true;
  schedule_first(h, now_ns);
  return 0;
}

int tl_handshake_push(struct tl_handshake *handshake, uint64_t now_ns, const uint8_t *packet,
                      size_t size) {
  switch (tl_packet_type_of(packet, size)) {
  case TL_PACKET_COOKIE:
    return cookie_push(handshake, now_ns, packet, size);
  case TL_PACKET_REPLY:
    return reply_push(handshake, now_ns, packet, size);
  default:
    return refuse(handshake, TL_REFUSED_TYPE);
  }
}

/* ---- sending ---- */

static void schedule_next(struct tl_handshake *h, uint64_t now_ns) {
  const struct tl_parameters *p = h->self->parameters;
  h->send_ns = h->over_tcp ? TL_NEVER : tl_time_add(now_ns, h->interval_ns);
  h->interval_ns = tl_time_min(h->interval_ns * 2, p->retransmit_cap_ns);
}

int tl_handshake_poll(struct tl_handshake *handshake, uint64_t now_ns,
                      uint8_t out[TL_HANDSHAKE_BYTES], size_t *out_size) {
  struct tl_handshake *h = handshake;
  if (h->state == IDLE) return TL_EMPTY;
  if (now_ns >= h->give_up_ns) {
    become_idle(h);
    return TULLE_E_DEADLINE;
  }
  if (now_ns < h->send_ns) return TL_EMPTY;
  memcpy(out, h->packet, TL_HANDSHAKE_BYTES);
  *out_size = TL_HANDSHAKE_BYTES;
  schedule_next(h, now_ns);
  if (!h->hurry) h->hurried = false;
  h->hurry = false;
  return 0;
}

uint64_t tl_handshake_deadline(const struct tl_handshake *handshake) {
  if (handshake->state == IDLE) return TL_NEVER;
  return tl_time_min(handshake->send_ns, handshake->give_up_ns);
}

/* ---- the result ---- */

bool tl_handshake_is_established(const struct tl_handshake *handshake) {
  return handshake->state == FINISH_SENT;
}

int tl_handshake_take(struct tl_handshake *handshake, struct tl_secrets *out_secrets,
                      struct tl_peer_info *out_peer, uint32_t *out_local_index,
                      uint32_t *out_remote_index) {
  struct tl_handshake *h = handshake;
  if (!h->has_result) return TL_EMPTY;
  *out_secrets = h->secrets;
  *out_peer = h->peer;
  *out_local_index = h->local_index;
  *out_remote_index = h->remote_index;
  tl_secrets_wipe(&h->secrets);
  h->has_result = false;
  return 0;
}

void tl_handshake_confirm(struct tl_handshake *handshake) {
  if (handshake->state == FINISH_SENT) become_idle(handshake);
}

const struct tl_refusals *tl_handshake_refusals(const struct tl_handshake *handshake) {
  return &handshake->refusals;
}

int tl_handshake_last_refusal(const struct tl_handshake *handshake) {
  return handshake->last_refusal;
}
