/*
 * The three objects of the specification, section 5, folded into one: CipherState is (k, n),
 * SymmetricState is (ck, h) over it, HandshakeState is the rest. Functions carry the
 * specification's names.
 */
#include "crypto/noise.h"

#include <sodium.h>
#include <string.h>

#include "core/bytes.h"
#include "core/error.h"
#include "crypto/aead.h"

#define BLOCK_BYTES_MAX 128

_Static_assert(crypto_scalarmult_BYTES == TL_NOISE_DH_BYTES, "X25519");

/* ---- the project's suite and patterns ---- */

static void blake2b(const struct tl_bytes *parts, size_t count, uint8_t *out) {
  tl_hash(TL_BYTES_NONE, parts, count, out, 64);
}

const struct tl_noise_suite tl_noise_suite = {
    .name = "25519_ChaChaPoly_BLAKE2b",
    .hash_bytes = 64,
    .block_bytes = 128,
    .hash = blake2b,
    .seal = tl_aead_seal,
    .open = tl_aead_open,
};

const struct tl_noise_pattern tl_noise_xxpsk3 = {
    .name = "XXpsk3",
    .has_psk = true,
    .message_count = 3,
    .messages = {{TL_NOISE_E},
                 {TL_NOISE_E, TL_NOISE_EE, TL_NOISE_S, TL_NOISE_ES},
                 {TL_NOISE_S, TL_NOISE_SE, TL_NOISE_PSK}},
};

const struct tl_noise_pattern tl_noise_kkpsk0 = {
    .name = "KKpsk0",
    .initiator_static_known = true,
    .responder_static_known = true,
    .has_psk = true,
    .message_count = 2,
    .messages = {{TL_NOISE_PSK, TL_NOISE_E, TL_NOISE_ES, TL_NOISE_SS},
                 {TL_NOISE_E, TL_NOISE_EE, TL_NOISE_SE}},
};

/* ---- HMAC and HKDF over the suite's hash ---- */

static void hmac(const struct tl_noise_suite *suite, const uint8_t *key, struct tl_bytes a,
                 struct tl_bytes b, uint8_t *out) {
  uint8_t inner_pad[BLOCK_BYTES_MAX], outer_pad[BLOCK_BYTES_MAX], inner[TL_NOISE_HASH_BYTES_MAX];
  memset(inner_pad, 0x36, sizeof inner_pad);
  memset(outer_pad, 0x5c, sizeof outer_pad);
  for (size_t i = 0; i < suite->hash_bytes; i++) inner_pad[i] ^= key[i], outer_pad[i] ^= key[i];
  suite->hash((struct tl_bytes[]){{inner_pad, suite->block_bytes}, a, b}, 3, inner);
  suite->hash((struct tl_bytes[]){{outer_pad, suite->block_bytes}, {inner, suite->hash_bytes}}, 2,
              out);
  sodium_memzero(inner_pad, sizeof inner_pad);
  sodium_memzero(outer_pad, sizeof outer_pad);
  sodium_memzero(inner, sizeof inner);
}

/* HKDF(chaining_key, input, count): `out` receives `count` hashes. */
static void hkdf(const struct tl_noise_suite *suite, const uint8_t *chaining_key,
                 struct tl_bytes input, uint8_t (*out)[TL_NOISE_HASH_BYTES_MAX], size_t count) {
  uint8_t temp[TL_NOISE_HASH_BYTES_MAX];
  struct tl_bytes last = {NULL, 0};
  hmac(suite, chaining_key, input, last, temp);
  for (uint8_t i = 0; i < count; i++) {
    uint8_t number = (uint8_t)(i + 1);
    hmac(suite, temp, last, (struct tl_bytes){&number, 1}, out[i]);
    last = (struct tl_bytes){out[i], suite->hash_bytes};
  }
  sodium_memzero(temp, sizeof temp);
}

/* ---- SymmetricState ---- */

static void mix_hash(struct tl_noise *x, const void *data, size_t size) {
  x->suite->hash((struct tl_bytes[]){{x->h, x->suite->hash_bytes}, {data, size}}, 2, x->h);
}

static void initialize_key(struct tl_noise *x, const uint8_t *k) {
  memcpy(x->k, k, sizeof x->k);
  x->n = 0;
  x->has_k = true;
}

static void mix_key(struct tl_noise *x, const uint8_t *input, size_t size) {
  uint8_t out[2][TL_NOISE_HASH_BYTES_MAX];
  hkdf(x->suite, x->ck, (struct tl_bytes){input, size}, out, 2);
  memcpy(x->ck, out[0], x->suite->hash_bytes);
  initialize_key(x, out[1]);
  sodium_memzero(out, sizeof out);
}

static void mix_key_and_hash(struct tl_noise *x, const uint8_t psk[32]) {
  uint8_t out[3][TL_NOISE_HASH_BYTES_MAX];
  hkdf(x->suite, x->ck, (struct tl_bytes){psk, 32}, out, 3);
  memcpy(x->ck, out[0], x->suite->hash_bytes);
  mix_hash(x, out[1], x->suite->hash_bytes);
  initialize_key(x, out[2]);
  sodium_memzero(out, sizeof out);
}

static size_t tag_bytes(const struct tl_noise *x) {
  return x->has_k ? TL_NOISE_TAG_BYTES : 0;
}

/* In place; `data` has room for the tag. */
static void encrypt_and_hash(struct tl_noise *x, uint8_t *data, size_t size) {
  size_t sealed = size + tag_bytes(x);
  if (x->has_k) x->suite->seal(x->k, x->n++, x->h, x->suite->hash_bytes, data, size);
  mix_hash(x, data, sealed);
}

/* `out` has room for the sealed bytes. */
static int decrypt_and_hash(struct tl_noise *x, const uint8_t *sealed, size_t size, uint8_t *out) {
  if (size) memcpy(out, sealed, size);
  if (x->has_k && x->suite->open(x->k, x->n++, x->h, x->suite->hash_bytes, out, size) != 0)
    return -1;
  mix_hash(x, sealed, size);
  return 0;
}

/* ---- HandshakeState ---- */

static void initialize_symmetric(struct tl_noise *x) {
  const char *parts[] = {"Noise_", x->pattern->name, "_", x->suite->name};
  char name[64];
  size_t size = 0;
  for (size_t i = 0; i < 4; i++) {
    size_t part = strlen(parts[i]);
    TL_ASSERT(size + part <= sizeof name);
    memcpy(name + size, parts[i], part);
    size += part;
  }
  if (size <= x->suite->hash_bytes)
    memcpy(x->h, name, size);
  else
    x->suite->hash(&(struct tl_bytes){name, size}, 1, x->h);
  memcpy(x->ck, x->h, x->suite->hash_bytes);
}

static void set_key(uint8_t out[32], bool *out_has, const uint8_t *key) {
  if (key) memcpy(out, key, 32);
  *out_has = key != NULL;
}

void tl_noise_init(struct tl_noise *noise, const struct tl_noise_config *config) {
  TL_ASSERT(config->psk_count <= TL_NOISE_PSKS_MAX);
  TL_ASSERT(config->suite->block_bytes <= BLOCK_BYTES_MAX);
  memset(noise, 0, sizeof *noise);
  noise->suite = config->suite;
  noise->pattern = config->pattern;
  noise->is_initiator = config->is_initiator;
  set_key(noise->s_secret, &noise->has_s, config->s_secret);
  set_key(noise->s, &noise->has_s, config->s);
  set_key(noise->rs, &noise->has_rs, config->rs);
  for (size_t i = 0; i < config->psk_count; i++) memcpy(noise->psks[i], config->psks[i], 32);
  initialize_symmetric(noise);
  mix_hash(noise, config->prologue.data, config->prologue.size);
  if (config->pattern->initiator_static_known)
    mix_hash(noise, noise->is_initiator ? noise->s : noise->rs, 32);
  if (config->pattern->responder_static_known)
    mix_hash(noise, noise->is_initiator ? noise->rs : noise->s, 32);
}

void tl_noise_deinit(struct tl_noise *noise) {
  sodium_memzero(noise, sizeof *noise);
}

static int mix_dh(struct tl_noise *x, const uint8_t secret[32], bool has, const uint8_t public[32],
                  bool has_public) {
  uint8_t shared[TL_NOISE_DH_BYTES];
  TL_ASSERT(has && has_public);
  int r = crypto_scalarmult(shared, secret, public);
  if (r == 0) mix_key(x, shared, sizeof shared);
  sodium_memzero(shared, sizeof shared);
  return r;
}

/* The tokens that read and write have in common. The first letter is the initiator's key. */
static int mix_token(struct tl_noise *x, uint8_t token) {
  bool mine_first = x->is_initiator;
  switch (token) {
  case TL_NOISE_EE:
    return mix_dh(x, x->e_secret, x->has_e, x->re, x->has_re);
  case TL_NOISE_SS:
    return mix_dh(x, x->s_secret, x->has_s, x->rs, x->has_rs);
  case TL_NOISE_ES:
    return mine_first ? mix_dh(x, x->e_secret, x->has_e, x->rs, x->has_rs)
                      : mix_dh(x, x->s_secret, x->has_s, x->re, x->has_re);
  case TL_NOISE_SE:
    return mine_first ? mix_dh(x, x->s_secret, x->has_s, x->re, x->has_re)
                      : mix_dh(x, x->e_secret, x->has_e, x->rs, x->has_rs);
  default:
    TL_ASSERT(token == TL_NOISE_PSK && x->psk_next < TL_NOISE_PSKS_MAX);
    mix_key_and_hash(x, x->psks[x->psk_next++]);
    return 0;
  }
}

static void mix_ephemeral(struct tl_noise *x, const uint8_t e[32]) {
  mix_hash(x, e, 32);
  if (x->pattern->has_psk) mix_key(x, e, 32);
}

static const uint8_t *tokens_of(const struct tl_noise *x) {
  TL_ASSERT(x->message < x->pattern->message_count);
  return x->pattern->messages[x->message];
}

static bool is_my_turn(const struct tl_noise *x) {
  return (x->message % 2 == 0) == x->is_initiator;
}

size_t tl_noise_message_bytes(const struct tl_noise *noise, size_t size) {
  bool has_k = noise->has_k;
  for (const uint8_t *token = tokens_of(noise); *token; token++) {
    if (*token == TL_NOISE_E) {
      size += 32;
      has_k |= noise->pattern->has_psk;
    } else if (*token == TL_NOISE_S) {
      size += has_k ? 32 + TL_NOISE_TAG_BYTES : 32;
    } else {
      has_k = true;
    }
  }
  return has_k ? size + TL_NOISE_TAG_BYTES : size;
}

static int write_message(struct tl_noise *x, const uint8_t *e_secret, const uint8_t *payload,
                         size_t size, struct tl_writer *w) {
  for (const uint8_t *token = tokens_of(x); *token; token++) {
    if (*token == TL_NOISE_E) {
      TL_ASSERT(e_secret);
      memcpy(x->e_secret, e_secret, 32);
      crypto_scalarmult_base(x->e, e_secret);
      x->has_e = true;
      tl_write_bytes(w, x->e, 32);
      mix_ephemeral(x, x->e);
    } else if (*token == TL_NOISE_S) {
      TL_ASSERT(x->has_s);
      uint8_t *sealed = tl_write_room(w, 32 + tag_bytes(x));
      memcpy(sealed, x->s, 32);
      encrypt_and_hash(x, sealed, 32);
    } else if (mix_token(x, *token) != 0) {
      return -1;
    }
  }
  uint8_t *sealed = tl_write_room(w, size + tag_bytes(x));
  if (size) memcpy(sealed, payload, size);
  encrypt_and_hash(x, sealed, size);
  return 0;
}

int tl_noise_write(struct tl_noise *noise, const uint8_t *e_secret, const uint8_t *payload,
                   size_t size, uint8_t *out, size_t *out_size) {
  struct tl_noise next = *noise;
  struct tl_writer w = tl_writer_on(out, tl_noise_message_bytes(noise, size));
  TL_ASSERT(is_my_turn(noise));
  int r = write_message(&next, e_secret, payload, size, &w);
  if (r == 0) {
    next.message++;
    *noise = next;
    *out_size = tl_writer_size(&w);
  }
  tl_noise_deinit(&next);
  return r;
}

static int read_message(struct tl_noise *x, struct tl_reader *r, uint8_t *out, size_t *out_size) {
  uint8_t opened[32 + TL_NOISE_TAG_BYTES];
  for (const uint8_t *token = tokens_of(x); *token; token++) {
    if (*token == TL_NOISE_E) {
      tl_read_copy(r, x->re, 32);
      if (r->failed) return -1;
      x->has_re = true;
      mix_ephemeral(x, x->re);
    } else if (*token == TL_NOISE_S) {
      size_t sealed_size = 32 + tag_bytes(x);
      const uint8_t *sealed = tl_read_bytes(r, sealed_size);
      if (!sealed || decrypt_and_hash(x, sealed, sealed_size, opened) != 0) return -1;
      memcpy(x->rs, opened, 32);
      x->has_rs = true;
    } else if (mix_token(x, *token) != 0) {
      return -1;
    }
  }
  size_t sealed_size = tl_reader_left(r);
  if (sealed_size < tag_bytes(x) || decrypt_and_hash(x, r->at, sealed_size, out) != 0) return -1;
  *out_size = sealed_size - tag_bytes(x);
  return 0;
}

int tl_noise_read(struct tl_noise *noise, const uint8_t *message, size_t size, uint8_t *out,
                  size_t *out_size) {
  struct tl_noise next = *noise;
  struct tl_reader reader = tl_reader_on(message, size);
  TL_ASSERT(!is_my_turn(noise));
  int r = read_message(&next, &reader, out, out_size);
  if (r == 0) {
    next.message++;
    *noise = next;
  }
  tl_noise_deinit(&next);
  return r;
}

bool tl_noise_is_done(const struct tl_noise *noise) {
  return noise->message == noise->pattern->message_count;
}

void tl_noise_split(const struct tl_noise *noise, uint8_t out_initiator[32],
                    uint8_t out_responder[32]) {
  uint8_t out[2][TL_NOISE_HASH_BYTES_MAX];
  TL_ASSERT(tl_noise_is_done(noise));
  hkdf(noise->suite, noise->ck, (struct tl_bytes){NULL, 0}, out, 2);
  memcpy(out_initiator, out[0], 32);
  memcpy(out_responder, out[1], 32);
  sodium_memzero(out, sizeof out);
}
