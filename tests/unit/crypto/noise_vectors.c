/*
 * T-01: the Noise engine against every published vector that libsodium can build, 342 of them, in
 * both roles, byte for byte. The patterns and suites that the project does not use live here.
 */
#include <sodium.h>

#include "core/bytes.h"
#include "crypto/aead.h"
#include "crypto/identity.h"
#include "crypto/noise.h"
#include "tests/unit/crypto/vectors.h"

/* ---- suites ---- */

static void sha256(const struct tl_bytes *parts, size_t count, uint8_t *out) {
  crypto_hash_sha256_state state;
  crypto_hash_sha256_init(&state);
  for (size_t i = 0; i < count; i++)
    crypto_hash_sha256_update(&state, parts[i].data, parts[i].size);
  crypto_hash_sha256_final(&state, out);
}

static void sha512(const struct tl_bytes *parts, size_t count, uint8_t *out) {
  crypto_hash_sha512_state state;
  crypto_hash_sha512_init(&state);
  for (size_t i = 0; i < count; i++)
    crypto_hash_sha512_update(&state, parts[i].data, parts[i].size);
  crypto_hash_sha512_final(&state, out);
}

/* AESGCM's nonce is big-endian, unlike ChaChaPoly's. */
static void aes_nonce(uint64_t n, uint8_t out[12]) {
  memset(out, 0, 4);
  for (int i = 0; i < 8; i++) out[4 + i] = (uint8_t)(n >> (56 - 8 * i));
}

static void aes_seal(const uint8_t key[32], uint64_t n, const uint8_t *ad, size_t ad_size,
                     uint8_t *data, size_t size) {
  uint8_t nonce[12];
  aes_nonce(n, nonce);
  crypto_aead_aes256gcm_encrypt(data, NULL, data, size, ad, ad_size, NULL, nonce, key);
}

static int aes_open(const uint8_t key[32], uint64_t n, const uint8_t *ad, size_t ad_size,
                    uint8_t *data, size_t size) {
  uint8_t nonce[12];
  aes_nonce(n, nonce);
  return crypto_aead_aes256gcm_decrypt(data, NULL, NULL, data, size, ad, ad_size, nonce, key);
}

static const struct {
  const char *name;
  size_t hash_bytes, block_bytes;
  void (*hash)(const struct tl_bytes *parts, size_t count, uint8_t *out);
} hashes[] = {{"BLAKE2b", 64, 128, NULL}, {"SHA256", 32, 64, sha256}, {"SHA512", 64, 128, sha512}};

static bool suite_of(const char *name, struct tl_noise_suite *out) {
  bool aes = strstr(name, "_AESGCM_") != NULL;
  *out = tl_noise_suite;
  out->name = name;
  if (aes) out->seal = aes_seal, out->open = aes_open;
  for (size_t i = 0; i < sizeof hashes / sizeof *hashes; i++) {
    if (strcmp(strrchr(name, '_') + 1, hashes[i].name) != 0) continue;
    out->hash_bytes = hashes[i].hash_bytes;
    out->block_bytes = hashes[i].block_bytes;
    if (hashes[i].hash) out->hash = hashes[i].hash;
    return !aes || crypto_aead_aes256gcm_is_available();
  }
  fail_msg("unknown suite %s", name);
  return false;
}

/* ---- patterns: the specification's tables, then the psk modifiers ---- */

#define E  TL_NOISE_E
#define S  TL_NOISE_S
#define EE TL_NOISE_EE
#define ES TL_NOISE_ES
#define SE TL_NOISE_SE
#define SS TL_NOISE_SS

/* name, initiator's key known, responder's key known, no psk, messages */
static const struct tl_noise_pattern base_patterns[] = {
    {"N", false, true, false, 1, {{E, ES}}},
    {"K", true, true, false, 1, {{E, ES, SS}}},
    {"X", false, true, false, 1, {{E, ES, S, SS}}},
    {"NN", false, false, false, 2, {{E}, {E, EE}}},
    {"NK", false, true, false, 2, {{E, ES}, {E, EE}}},
    {"NX", false, false, false, 2, {{E}, {E, EE, S, ES}}},
    {"KN", true, false, false, 2, {{E}, {E, EE, SE}}},
    {"KK", true, true, false, 2, {{E, ES, SS}, {E, EE, SE}}},
    {"KX", true, false, false, 2, {{E}, {E, EE, SE, S, ES}}},
    {"XN", false, false, false, 3, {{E}, {E, EE}, {S, SE}}},
    {"XK", false, true, false, 3, {{E, ES}, {E, EE}, {S, SE}}},
    {"XX", false, false, false, 3, {{E}, {E, EE, S, ES}, {S, SE}}},
    {"IN", false, false, false, 2, {{E, S}, {E, EE, SE}}},
    {"IK", false, true, false, 2, {{E, ES, S, SS}, {E, EE, SE}}},
    {"IX", false, false, false, 2, {{E, S}, {E, EE, SE, S, ES}}},
};

#undef E
#undef S

static void add_psk(struct tl_noise_pattern *p, unsigned place) {
  uint8_t *tokens = p->messages[place ? place - 1 : 0];
  size_t count = strlen((const char *)tokens);
  assert_true(count + 1 < TL_NOISE_TOKENS_MAX);
  if (place == 0) {
    memmove(tokens + 1, tokens, count);
    tokens[0] = TL_NOISE_PSK;
  } else {
    tokens[count] = TL_NOISE_PSK;
  }
  p->has_psk = true;
}

/* "XXpsk0+psk3": the base ends where the first 'p' stands. */
static void pattern_of(const char *name, struct tl_noise_pattern *out) {
  size_t base = strcspn(name, "p");
  for (size_t i = 0; i < sizeof base_patterns / sizeof *base_patterns; i++) {
    const struct tl_noise_pattern *p = &base_patterns[i];
    if (strlen(p->name) != base || strncmp(p->name, name, base) != 0) continue;
    *out = *p;
    out->name = name;
    for (const char *at = strstr(name, "psk"); at; at = strstr(at + 1, "psk"))
      add_psk(out, (unsigned)(at[3] - '0'));
    return;
  }
  fail_msg("unknown pattern %s", name);
}

/* ---- one vector ---- */

#define MESSAGES_MAX 16

struct vector {
  char pattern_name[64], suite_name[64];
  struct tl_noise_pattern pattern;
  struct tl_noise_suite suite;
  struct vector_bytes prologue[2], secret[2], ephemeral[2], remote[2], hash;
  uint8_t psks[TL_NOISE_PSKS_MAX][32];
  size_t psk_count;
  struct vector_bytes payload[MESSAGES_MAX], ciphertext[MESSAGES_MAX];
  size_t message_count;
};

static void pair_of(const struct vector_file *f, struct vector_bytes out[2]) {
  vectors_bytes(f, 1, &out[0]);
  vectors_bytes(f, 2, &out[1]);
}

static void psks_of(const struct vector_file *f, struct vector *v) {
  struct vector_bytes psk;
  v->psk_count = (size_t)atoi(f->words[1]);
  assert_true(v->psk_count <= TL_NOISE_PSKS_MAX);
  for (size_t i = 0; i < v->psk_count; i++) {
    vectors_bytes(f, 2 + i, &psk);
    assert_int_equal(psk.size, 32);
    memcpy(v->psks[i], psk.data, 32);
  }
}

/* "Noise_XXpsk3_25519_ChaChaPoly_BLAKE2b" */
static bool names_of(const char *name, struct vector *v) {
  assert_int_equal(sscanf(name, "Noise_%63[^_]_%63s", v->pattern_name, v->suite_name), 2);
  pattern_of(v->pattern_name, &v->pattern);
  return suite_of(v->suite_name, &v->suite);
}

/* Reads up to "end"; false at the end of the file. */
static bool vector_read(struct vector_file *f, struct vector *v, bool *out_available) {
  v->message_count = 0;
  while (vectors_next(f)) {
    const char *key = f->words[0];
    if (!strcmp(key, "vector")) *out_available = names_of(f->words[1], v);
    if (!strcmp(key, "prologue")) pair_of(f, v->prologue);
    if (!strcmp(key, "static")) pair_of(f, v->secret);
    if (!strcmp(key, "ephemeral")) pair_of(f, v->ephemeral);
    if (!strcmp(key, "remote_static")) pair_of(f, v->remote);
    if (!strcmp(key, "psks")) psks_of(f, v);
    if (!strcmp(key, "hash")) vectors_bytes(f, 1, &v->hash);
    if (!strcmp(key, "message")) {
      assert_true(v->message_count < MESSAGES_MAX);
      vectors_bytes(f, 1, &v->payload[v->message_count]);
      vectors_bytes(f, 2, &v->ciphertext[v->message_count++]);
    }
    if (!strcmp(key, "end")) return true;
  }
  return false;
}

static void party_init(const struct vector *v, int side, struct tl_noise *out) {
  uint8_t s[32];
  const struct vector_bytes *secret = &v->secret[side];
  if (secret->size) crypto_scalarmult_base(s, secret->data);
  struct tl_noise_config config = {
      .suite = &v->suite,
      .pattern = &v->pattern,
      .is_initiator = side == 0,
      .prologue = {v->prologue[side].data, v->prologue[side].size},
      .s_secret = secret->size ? secret->data : NULL,
      .s = secret->size ? s : NULL,
      .rs = v->remote[side].size ? v->remote[side].data : NULL,
      .psks = v->psks,
      .psk_count = v->psk_count,
  };
  tl_noise_init(out, &config);
}

static void handshake_message(const struct vector *v, size_t i, struct tl_noise party[2]) {
  struct tl_noise *from = &party[i % 2], *to = &party[(i + 1) % 2];
  const struct vector_bytes *payload = &v->payload[i], *wanted = &v->ciphertext[i];
  uint8_t message[VECTOR_BYTES_MAX], opened[VECTOR_BYTES_MAX];
  size_t size = 0, opened_size = 0;
  assert_int_equal(tl_noise_message_bytes(from, payload->size), wanted->size);
  assert_int_equal(
      tl_noise_write(from, v->ephemeral[i % 2].data, payload->data, payload->size, message, &size),
      0);
  assert_int_equal(size, wanted->size);
  assert_memory_equal(message, wanted->data, size);

  /* A damaged message leaves no trace, wherever its last byte is authenticated. */
  struct tl_noise before = *to;
  message[size - 1] ^= 1;
  if (from->has_k) assert_int_equal(tl_noise_read(to, message, size, opened, &opened_size), -1);
  assert_memory_equal(&before, to, sizeof before);
  message[size - 1] ^= 1;

  assert_int_equal(tl_noise_read(to, message, size, opened, &opened_size), 0);
  assert_int_equal(opened_size, payload->size);
  assert_memory_equal(opened, payload->data, opened_size);
}

static void transport_message(const struct vector *v, size_t i, int side, uint64_t n,
                              uint8_t keys[2][32]) {
  uint8_t data[VECTOR_BYTES_MAX];
  size_t size = v->payload[i].size;
  memcpy(data, v->payload[i].data, size);
  v->suite.seal(keys[side], n, NULL, 0, data, size);
  assert_int_equal(v->ciphertext[i].size, size + TL_NOISE_TAG_BYTES);
  assert_memory_equal(data, v->ciphertext[i].data, size + TL_NOISE_TAG_BYTES);
  assert_int_equal(v->suite.open(keys[side], n, NULL, 0, data, size + TL_NOISE_TAG_BYTES), 0);
  assert_memory_equal(data, v->payload[i].data, size);
}

static void vector_check(const struct vector *v) {
  struct tl_noise party[2];
  uint8_t keys[2][2][32];
  for (int side = 0; side < 2; side++) party_init(v, side, &party[side]);
  size_t count = v->pattern.message_count, i = 0;
  for (; i < count; i++) handshake_message(v, i, party);
  for (int side = 0; side < 2; side++) {
    assert_true(tl_noise_is_done(&party[side]));
    tl_noise_split(&party[side], keys[side][0], keys[side][1]);
    if (v->hash.size) assert_memory_equal(party[side].h, v->hash.data, v->hash.size);
  }
  assert_memory_equal(keys[0], keys[1], sizeof keys[0]);
  assert_true(v->message_count > count);
  /* Whoever did not speak last speaks next; in a one-way pattern only the initiator does. */
  uint64_t n[2] = {0, 0};
  for (; i < v->message_count; i++) {
    int side = count == 1 ? 0 : (int)(i % 2);
    transport_message(v, i, side, n[side]++, keys[0]);
  }
}

static void vectors_check(const char *name, unsigned wanted) {
  static struct vector v;
  struct vector_file f;
  unsigned passed = 0, skipped = 0;
  bool available = false;
  vectors_open(&f, name);
  while (vector_read(&f, &v, &available)) {
    if (available)
      vector_check(&v), passed++;
    else
      skipped++;
  }
  print_message("%s: %u passed, %u skipped (no AES-NI)\n", name, passed, skipped);
  assert_int_equal(passed + skipped, wanted);
}

static void cacophony(void **state) {
  (void)state;
  vectors_check("cacophony.txt", 216);
}

static void snow(void **state) {
  (void)state;
  vectors_check("snow-multipsk.txt", 84);
}

static void noise_c(void **state) {
  (void)state;
  vectors_check("noise-c-basic.txt", 42);
}

static void the_projects_patterns_are_those_of_the_table(void **state) {
  (void)state;
  const struct tl_noise_pattern *ours[] = {&tl_noise_xxpsk3, &tl_noise_kkpsk0};
  for (size_t i = 0; i < 2; i++) {
    struct tl_noise_pattern p;
    pattern_of(ours[i]->name, &p);
    assert_int_equal(p.message_count, ours[i]->message_count);
    assert_true(p.initiator_static_known == ours[i]->initiator_static_known);
    assert_true(p.responder_static_known == ours[i]->responder_static_known);
    assert_true(ours[i]->has_psk);
    assert_memory_equal(p.messages, ours[i]->messages, sizeof p.messages);
  }
}

/* A peer that sends a key of low order gets no answer, and neither does one that answers with it. */
static void a_key_of_low_order_fails(void **state) {
  (void)state;
  struct tl_noise_pattern pattern;
  struct tl_noise party[2], before;
  uint8_t secret[32] = {1}, message[64], out[64];
  size_t size, out_size;
  pattern_of("NN", &pattern);
  for (int side = 0; side < 2; side++) {
    struct tl_noise_config config = {
        .suite = &tl_noise_suite, .pattern = &pattern, .is_initiator = side == 0};
    tl_noise_init(&party[side], &config);
  }
  assert_int_equal(tl_noise_write(&party[0], secret, NULL, 0, message, &size), 0);
  before = party[1];
  memset(message, 0, 32);
  assert_int_equal(tl_noise_read(&party[1], message, size, out, &out_size), 0);
  assert_int_equal(tl_noise_write(&party[1], secret, NULL, 0, out, &out_size), -1);
  assert_int_equal(party[1].message, 1);
  party[1] = before;

  memset(message, 0, sizeof message);
  before = party[0];
  assert_int_equal(tl_noise_read(&party[0], message, 48, out, &out_size), -1);
  assert_memory_equal(&party[0], &before, sizeof before);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(cacophony),
      cmocka_unit_test(snow),
      cmocka_unit_test(noise_c),
      cmocka_unit_test(a_key_of_low_order_fails),
      cmocka_unit_test(the_projects_patterns_are_those_of_the_table),
  };
  if (sodium_init() < 0) return 1;
  return cmocka_run_group_tests(tests, NULL, NULL);
}
