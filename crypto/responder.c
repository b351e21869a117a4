#include "crypto/responder.h"

#include <sodium.h>
#include <string.h>

#include "core/bytes.h"
#include "core/error.h"
#include "core/time.h"
#include "crypto/bucket.h"
#include "crypto/hash.h"
#include "crypto/noise.h"
#include "crypto/peer_internal.h"

enum slot_state {
  FREE,
  OPEN, /* REPLY sent */
  DONE, /* FINISH accepted: kept to know it again */
};

/* One caller between HELLO and the end of its half-open time. */
struct slot {
  enum slot_state state;
  uint32_t local_index;
  uint32_t remote_index;
  uint64_t until_ns;
  struct tl_address from; /* proved by the cookie, or by the TCP connection */
  bool over_tcp;
  uint8_t hello_mac1[16]; /* names the HELLO */
  uint8_t finish_id[16];  /* names the FINISH that was accepted */
  uint32_t bad_finishes;
  struct tl_gate gate;
  struct tl_noise noise;
  uint8_t reply[TL_HANDSHAKE_BYTES];
};

struct cookie_secret {
  uint8_t value[32];
  uint64_t until_ns;
};

struct tl_responder {
  const struct tl_self *self;
  struct cookie_secret cookies[2]; /* the present one, the one before */
  struct tl_bucket node_bucket;
  struct tl_buckets source_buckets;
  struct tl_responder_stats stats;
  struct slot slots[TL_HALF_OPEN_MAX];
};

/* What a HELLO is after the cheap checks. */
struct hello {
  const uint8_t *packet;
  struct tl_packet_hello p;
  const struct tl_gate *gate;
  const struct tl_gate_keys *keys;
  const uint8_t *responder_id; /* ours, or zero */
};

struct tl_responder *tl_responder_new(const struct tl_self *self) {
  uint8_t secret[16];
  struct tl_responder *r = sodium_malloc(sizeof *r);
  if (!r) return NULL;
  memset(r, 0, sizeof *r);
  r->self = self;
  tl_random_fill(self->random, secret, sizeof secret);
  tl_buckets_init(&r->source_buckets, secret);
  return r;
}

struct tl_responder *tl_responder_free(struct tl_responder *responder) {
  sodium_free(responder);
  return NULL;
}

static int refuse(struct tl_responder *r, int reason) {
  return tl_refuse(&r->stats.refusals, reason);
}

/* ---- cookies ---- */

static void cookie_secrets_turn(struct tl_responder *r, uint64_t now_ns) {
  struct cookie_secret *present = &r->cookies[0], *before = &r->cookies[1];
  if (now_ns < present->until_ns) return;
  uint64_t life = r->self->parameters->cookie_secret_ns;
  if (present->until_ns) { /* else there has been none yet */
    *before = *present;
    before->until_ns = tl_time_add(present->until_ns, life);
  }
  tl_random_fill(r->self->random, present->value, sizeof present->value);
  present->until_ns = tl_time_add(now_ns, life);
}

/* cookie = BLAKE2b-128(secret, source address || source port) */
static void cookie_of(const struct cookie_secret *secret, const struct tl_address *from,
                      uint8_t out[16]) {
  uint8_t source[18];
  memcpy(source, from->ip, 16);
  tl_store_le(source + 16, from->port, 2);
  tl_mac((struct tl_bytes){secret->value, 32}, source, sizeof source, out);
}

static bool mac2_is_valid(struct tl_responder *r, uint64_t now_ns, const struct tl_address *from,
                          const struct hello *h) {
  uint8_t cookie[16];
  cookie_secrets_turn(r, now_ns);
  for (size_t i = 0; i < 2; i++) {
    if (now_ns >= r->cookies[i].until_ns) continue;
    cookie_of(&r->cookies[i], from, cookie);
    if (tl_mac_is_valid((struct tl_bytes){cookie, 16}, h->packet, TL_HELLO_MAC2_AT, h->p.mac2))
      return true;
  }
  return false;
}

static int cookie_send(struct tl_responder *r, const struct tl_address *from, const struct hello *h,
                       struct tl_response *out) {
  uint8_t cookie[16], nonce[24], sealed[32];
  cookie_of(&r->cookies[0], from, cookie);
  tl_random_fill(r->self->random, nonce, sizeof nonce);
  crypto_aead_xchacha20poly1305_ietf_encrypt(sealed, NULL, cookie, sizeof cookie, h->p.mac1, 16,
                                             NULL, nonce, h->keys->cookie);
  struct tl_packet_cookie p = {
      .receiver_index = h->p.sender_index, .nonce = nonce, .sealed = sealed};
  tl_packet_cookie_encode(&p, out->packet);
  out->kind = TL_RESPONSE_SEND;
  out->size = TL_COOKIE_BYTES;
  r->stats.cookies++;
  refuse(r, TL_REFUSED_MAC2);
  return 0;
}

/* ---- the table ---- */

static void slot_free(struct tl_responder *r, struct slot *s) {
  if (s->state == OPEN) r->stats.half_open--;
  sodium_memzero(s, sizeof *s);
}

static struct slot *slot_by_index(struct tl_responder *r, uint64_t now_ns, uint32_t index) {
  for (size_t i = 0; i < TL_HALF_OPEN_MAX; i++) {
    struct slot *s = &r->slots[i];
    if (s->state != FREE && s->local_index == index && now_ns < s->until_ns) return s;
  }
  return NULL;
}

static struct slot *slot_by_hello(struct tl_responder *r, uint64_t now_ns, const struct hello *h) {
  for (size_t i = 0; i < TL_HALF_OPEN_MAX; i++) {
    struct slot *s = &r->slots[i];
    bool is_live = s->state != FREE && now_ns < s->until_ns;
    if (is_live && sodium_memcmp(s->hello_mac1, h->p.mac1, 16) == 0) return s;
  }
  return NULL;
}

/* A free slot: what is over, else what is done, else any. */
static struct slot *slot_take(struct tl_responder *r, uint64_t now_ns) {
  struct slot *found = NULL;
  for (size_t i = 0; i < TL_HALF_OPEN_MAX; i++) {
    struct slot *s = &r->slots[i];
    if (s->state != FREE && now_ns >= s->until_ns) slot_free(r, s);
    if (s->state == FREE || (s->state == DONE && (!found || found->state == DONE))) found = s;
    if (s->state == FREE) break;
  }
  if (!found) {
    found = &r->slots[tl_random_below(r->self->random, TL_HALF_OPEN_MAX)];
    r->stats.evicted++;
  }
  slot_free(r, found);
  return found;
}

static uint32_t half_open_of(const struct tl_responder *r, uint64_t now_ns,
                             const struct tl_address *from) {
  uint8_t source[16], other[16];
  uint32_t count = 0;
  tl_bucket_source(from, source);
  for (size_t i = 0; i < TL_HALF_OPEN_MAX; i++) {
    const struct slot *s = &r->slots[i];
    if (s->state != OPEN || now_ns >= s->until_ns) continue;
    tl_bucket_source(&s->from, other);
    count += memcmp(source, other, sizeof source) == 0;
  }
  return count;
}

bool tl_responder_has_index(const struct tl_responder *responder, uint32_t index) {
  for (size_t i = 0; i < TL_HALF_OPEN_MAX; i++)
    if (responder->slots[i].state != FREE && responder->slots[i].local_index == index) return true;
  return false;
}

/* ---- HELLO ---- */

/* Everything that a stranger cannot know, at the price of one hash. */
static int hello_check(struct tl_responder *r, uint64_t now_ns, const uint8_t *packet, size_t size,
                       struct hello *out) {
  static const uint8_t anyone[16];
  struct hello h = {.packet = packet};
  int fault = tl_packet_hello_decode(packet, size, &h.p);
  if (fault) return tl_refusal_of_fault(fault);
  if (memcmp(h.p.fabric_tag, tl_trust_state_of(r->self->trust)->fabric_id, 8) != 0)
    return TL_REFUSED_FABRIC_TAG;
  h.gate = tl_trust_gate(r->self->trust, now_ns, h.p.flags & TL_HELLO_JOIN, h.p.psk_id);
  if (!h.gate) return TL_REFUSED_PSK_ID;
  h.responder_id = r->self->identity->node_id;
  h.keys = &h.gate->to_self;
  if (memcmp(h.p.responder_id, anyone, 16) == 0) {
    h.responder_id = anyone;
    h.keys = &h.gate->to_anyone;
  }
  if (memcmp(h.p.responder_id, h.responder_id, 16) != 0) return TL_REFUSED_MAC1; /* another's key */
  if (!tl_mac_is_valid((struct tl_bytes){h.keys->hello, 32}, packet, TL_HELLO_MAC1_AT, h.p.mac1))
    return TL_REFUSED_MAC1;
  *out = h;
  return 0;
}

static int limits_check(struct tl_responder *r, uint64_t now_ns, const struct tl_address *from) {
  const struct tl_parameters *p = r->self->parameters;
  struct tl_bucket *source = tl_buckets_of(&r->source_buckets, from);
  if (half_open_of(r, now_ns, from) >= p->half_open_per_source) return TL_REFUSED_SOURCE_HALF_OPEN;
  if (!tl_bucket_take(source, now_ns, p->source_rate, p->source_burst))
    return TL_REFUSED_SOURCE_RATE;
  if (!tl_bucket_take(&r->node_bucket, now_ns, p->node_rate, p->node_burst))
    return TL_REFUSED_NODE_RATE;
  return 0;
}

/* -> e   <- e, ee, s, es */
static int reply_write(struct tl_responder *r, const struct hello *h, struct slot *s) {
  uint8_t prologue[TL_PROLOGUE_BYTES], payload[TL_REPLY_PAYLOAD_BYTES], secret[32];
  uint8_t empty[TL_HELLO_NOISE_BYTES];
  size_t size;
  const struct tl_identity *identity = r->self->identity;
  tl_peer_prologue(tl_trust_state_of(r->self->trust)->fabric_id, h->packet, h->responder_id,
                   prologue);
  struct tl_noise_config config = {.suite = &tl_noise_suite,
                                   .pattern = &tl_noise_xxpsk3,
                                   .prologue = {prologue, sizeof prologue},
                                   .s_secret = identity->secret,
                                   .s = identity->key,
                                   .psks = (const uint8_t(*)[32]) & h->gate->psk,
                                   .psk_count = 1};
  tl_noise_init(&s->noise, &config);
  if (tl_noise_read(&s->noise, h->p.noise, TL_HELLO_NOISE_BYTES, empty, &size) != 0)
    return TL_REFUSED_NOISE;
  r->stats.replies++;
  tl_packet_reply_encode_head(TL_PACKET_REPLY, s->local_index, h->p.sender_index, s->reply);
  tl_self_payload(r->self, false, payload, sizeof payload);
  tl_random_fill(r->self->random, secret, sizeof secret);
  int failed = tl_noise_write(&s->noise, secret, payload, sizeof payload,
                              s->reply + TL_REPLY_NOISE_AT, &size);
  if (!failed) {
    TL_ASSERT(size == TL_REPLY_NOISE_BYTES);
    tl_gate_reply_key(h->gate, h->p.mac1, secret);
    tl_mac((struct tl_bytes){secret, 32}, s->reply, TL_REPLY_MAC1_COVERS,
           s->reply + TL_REPLY_MAC1_AT);
  }
  sodium_memzero(secret, sizeof secret);
  return failed ? TL_REFUSED_NOISE : 0;
}

static uint32_t index_draw(const struct tl_responder *r) {
  uint32_t index;
  do index = tl_self_draw_index(r->self);
  while (tl_responder_has_index(r, index));
  return index;
}

static int reply_send(const struct slot *s, struct tl_response *out) {
  out->kind = TL_RESPONSE_SEND;
  out->size = TL_HANDSHAKE_BYTES;
  memcpy(out->packet, s->reply, TL_HANDSHAKE_BYTES);
  return 0;
}

static int hello_accept(struct tl_responder *r, uint64_t now_ns, const struct tl_address *from,
                        bool over_tcp, const struct hello *h, struct tl_response *out) {
  struct slot *s = slot_take(r, now_ns);
  s->local_index = index_draw(r);
  int refusal = reply_write(r, h, s);
  if (refusal) {
    slot_free(r, s);
    return refuse(r, refusal);
  }
  s->state = OPEN;
  r->stats.half_open++;
  s->remote_index = h->p.sender_index;
  s->until_ns = tl_time_add(now_ns, r->self->parameters->half_open_ns);
  s->from = *from;
  s->over_tcp = over_tcp;
  s->gate = *h->gate;
  memcpy(s->hello_mac1, h->p.mac1, sizeof s->hello_mac1);
  return reply_send(s, out);
}

static int hello_push(struct tl_responder *r, uint64_t now_ns, const struct tl_address *from,
                      bool over_tcp, const uint8_t *packet, size_t size, struct tl_response *out) {
  struct hello h;
  int refusal = hello_check(r, now_ns, packet, size, &h);
  if (refusal) return refuse(r, refusal);
  if (over_tcp) {
    if (!sodium_is_zero(h.p.mac2, 16)) return refuse(r, TL_REFUSED_MAC2);
  } else if (!mac2_is_valid(r, now_ns, from, &h)) {
    return cookie_send(r, from, &h, out);
  }
  struct slot *again = slot_by_hello(r, now_ns, &h);
  if (again) {
    if (again->state == DONE || again->over_tcp != over_tcp) return refuse(r, TL_REFUSED_STATE);
    again->from = *from; /* its cookie is as good as the first one's */
    r->stats.resent++;
    return reply_send(again, out);
  }
  refusal = limits_check(r, now_ns, from);
  if (refusal) return refuse(r, refusal);
  return hello_accept(r, now_ns, from, over_tcp, &h, out);
}

/* ---- FINISH ---- */

static bool finish_mac1_is_valid(const struct slot *s, const uint8_t *packet,
                                 const struct tl_packet_reply *p) {
  uint8_t key[32];
  tl_gate_finish_key(&s->gate, s->hello_mac1, key);
  return tl_mac_is_valid((struct tl_bytes){key, 32}, packet, TL_FINISH_MAC1_COVERS, p->mac1);
}

static void finish_id(const uint8_t *packet, uint8_t out[16]) {
  tl_mac(TL_BYTES_NONE, packet, TL_HANDSHAKE_BYTES, out);
}

/* It may have been damaged on its way, so the slot stays for a better one; but not for ever. */
static int finish_damaged(struct tl_responder *r, struct slot *s) {
  if (s->gate.is_invitation) tl_trust_invitation_failed(r->self->trust, s->gate.psk_id);
  if (++s->bad_finishes >= r->self->parameters->bad_finish_max) slot_free(r, s);
  return refuse(r, TL_REFUSED_NOISE);
}

/* It is the caller's true FINISH, and no other will be better. */
static int finish_refused(struct tl_responder *r, struct slot *s, int reason) {
  if (s->gate.is_invitation && reason == TL_REFUSED_PAYLOAD)
    tl_trust_invitation_failed(r->self->trust, s->gate.psk_id);
  slot_free(r, s);
  return refuse(r, reason);
}

static int finish_repeated(struct tl_responder *r, const struct slot *s, const uint8_t *packet,
                           struct tl_response *out) {
  uint8_t id[16];
  finish_id(packet, id);
  if (sodium_memcmp(id, s->finish_id, sizeof id) != 0) return refuse(r, TL_REFUSED_STATE);
  r->stats.repeated++;
  out->kind = TL_RESPONSE_CONFIRM;
  out->local_index = s->local_index;
  out->remote_index = s->remote_index;
  return 0;
}

static void finish_accept(struct tl_responder *r, struct slot *s, const uint8_t *packet,
                          const struct tl_peer_info *peer, struct tl_response *out) {
  out->kind = TL_RESPONSE_ESTABLISHED;
  out->local_index = s->local_index;
  out->remote_index = s->remote_index;
  out->peer = *peer;
  out->validated = s->from;
  tl_peer_secrets(&s->noise, &out->secrets);
  s->state = DONE;
  finish_id(packet, s->finish_id);
  tl_noise_deinit(&s->noise);
  r->stats.half_open--;
  r->stats.established++;
}

/* -> s, se, psk */
static int finish_take(struct tl_responder *r, uint64_t now_ns, struct slot *s,
                       const uint8_t *packet, const struct tl_packet_reply *p,
                       struct tl_response *out) {
  uint8_t payload[TL_REPLY_NOISE_BYTES];
  size_t size;
  struct tl_peer_info peer;
  struct tl_peer_expectation expected = {.kind = s->gate.is_invitation ? TL_PEER_NEWCOMER
                                                                       : TL_PEER_MEMBER,
                                         .invitation_id = s->gate.psk_id};
  if (tl_noise_read(&s->noise, p->noise, TL_REPLY_NOISE_BYTES, payload, &size) != 0)
    return finish_damaged(r, s); /* the read has left no trace */
  int refusal = tl_peer_examine(r->self, now_ns, &s->noise, &expected, payload, size, &peer);
  if (refusal) return finish_refused(r, s, refusal);
  finish_accept(r, s, packet, &peer, out);
  return 0;
}

static int finish_push(struct tl_responder *r, uint64_t now_ns, const struct tl_address *from,
                       bool over_tcp, const uint8_t *packet, size_t size, struct tl_response *out) {
  struct tl_packet_reply p;
  int fault = tl_packet_reply_decode(packet, size, TL_PACKET_FINISH, &p);
  if (fault) return refuse(r, tl_refusal_of_fault(fault));
  struct slot *s = slot_by_index(r, now_ns, p.receiver_index);
  if (!s || s->remote_index != p.sender_index) return refuse(r, TL_REFUSED_INDEX);
  bool elsewhere = over_tcp && !tl_address_is_equal(from, &s->from);
  if (s->over_tcp != over_tcp || elsewhere) return refuse(r, TL_REFUSED_STATE);
  if (!finish_mac1_is_valid(s, packet, &p)) return refuse(r, TL_REFUSED_MAC1);
  if (s->state == DONE) return finish_repeated(r, s, packet, out);
  return finish_take(r, now_ns, s, packet, &p, out);
}

int tl_responder_push(struct tl_responder *responder, uint64_t now_ns,
                      const struct tl_address *from, bool over_tcp, const uint8_t *packet,
                      size_t size, struct tl_response *out) {
  switch (tl_packet_type_of(packet, size)) {
  case TL_PACKET_HELLO:
    return hello_push(responder, now_ns, from, over_tcp, packet, size, out);
  case TL_PACKET_FINISH:
    return finish_push(responder, now_ns, from, over_tcp, packet, size, out);
  default:
    return refuse(responder, TL_REFUSED_TYPE);
  }
}

const struct tl_responder_stats *tl_responder_stats(const struct tl_responder *responder) {
  return &responder->stats;
}
