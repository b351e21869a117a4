/*
 * T-02: the primitives under everything else, as the library of this machine computes them: Wycheproof's and
 * BLAKE2's cases of our sizes, and those of the RFCs. A library that fails here must not be used.
 */
#include <sodium.h>

#include "core/bytes.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "tests/unit/crypto/vectors.h"

static void x25519(void **state) {
  (void)state;
  struct vector_file f;
  struct vector_bytes secret, public, shared;
  uint8_t out[32];
  unsigned good = 0, low = 0;
  vectors_open(&f, "wycheproof-x25519.txt");
  while (vectors_next(&f)) {
    vectors_bytes(&f, 1, &secret);
    vectors_bytes(&f, 2, &public);
    vectors_bytes(&f, 3, &shared);
    int r = crypto_scalarmult(out, secret.data, public.data);
    if (!strcmp(f.words[0], "low")) {
      assert_int_equal(r, -1);
      low++;
      continue;
    }
    assert_int_equal(r, 0);
    assert_memory_equal(out, shared.data, 32);
    good++;
  }
  assert_int_equal(good, 487);
  assert_int_equal(low, 31);
}

static void low_order_keys_fail_a_handshake(void **state) {
  (void)state;
  uint8_t zero[32] = {0}, secret[32] = {1}, out[32];
  assert_int_equal(crypto_scalarmult(out, secret, zero), -1);
}

struct aead_case {
  struct vector_bytes key, nonce, ad, message, sealed, tag;
  bool is_valid;
};

static void aead_case_read(const struct vector_file *f, struct aead_case *c) {
  struct vector_bytes *fields[] = {&c->key, &c->nonce, &c->ad, &c->message, &c->sealed, &c->tag};
  for (size_t i = 0; i < 6; i++) vectors_bytes(f, 1 + i, fields[i]);
  c->is_valid = !strcmp(f->words[0], "valid");
}

typedef int aead_seal(uint8_t *, unsigned long long *, const uint8_t *, unsigned long long,
                      const uint8_t *, unsigned long long, const uint8_t *, const uint8_t *,
                      const uint8_t *);
typedef int aead_open(uint8_t *, unsigned long long *, uint8_t *, const uint8_t *,
                      unsigned long long, const uint8_t *, unsigned long long, const uint8_t *,
                      const uint8_t *);

static void aead_check(const char *name, size_t nonce_bytes, unsigned wanted, aead_seal *seal,
                       aead_open *open) {
  static struct aead_case c;
  struct vector_file f;
  uint8_t out[VECTOR_BYTES_MAX], joined[VECTOR_BYTES_MAX];
  unsigned count = 0;
  vectors_open(&f, name);
  while (vectors_next(&f)) {
    aead_case_read(&f, &c);
    assert_int_equal(c.nonce.size, nonce_bytes);
    memcpy(joined, c.sealed.data, c.sealed.size);
    memcpy(joined + c.sealed.size, c.tag.data, 16);
    int r = open(out, NULL, NULL, joined, c.sealed.size + 16, c.ad.data, c.ad.size, c.nonce.data,
                 c.key.data);
    assert_int_equal(r, c.is_valid ? 0 : -1);
    if (c.is_valid) {
      assert_memory_equal(out, c.message.data, c.message.size);
      seal(out, NULL, c.message.data, c.message.size, c.ad.data, c.ad.size, NULL, c.nonce.data,
           c.key.data);
      assert_memory_equal(out, joined, c.sealed.size + 16);
    }
    count++;
  }
  assert_int_equal(count, wanted);
}

static void chacha20_poly1305(void **state) {
  (void)state;
  aead_check("wycheproof-chacha20-poly1305.txt", 12, 316, crypto_aead_chacha20poly1305_ietf_encrypt,
             crypto_aead_chacha20poly1305_ietf_decrypt);
}

static void xchacha20_poly1305(void **state) {
  (void)state;
  aead_check("wycheproof-xchacha20-poly1305.txt", 24, 306,
             crypto_aead_xchacha20poly1305_ietf_encrypt,
             crypto_aead_xchacha20poly1305_ietf_decrypt);
}

/* tl_aead is that cipher with the nonce 0^4 || counter: cases with such a nonce go through it, in place. */
static void our_cipher_is_chacha20_poly1305(void **state) {
  (void)state;
  static struct aead_case c;
  struct vector_file f;
  uint8_t data[VECTOR_BYTES_MAX];
  unsigned sealed = 0;
  vectors_open(&f, "wycheproof-chacha20-poly1305.txt");
  while (vectors_next(&f)) {
    aead_case_read(&f, &c);
    if (!sodium_is_zero(c.nonce.data, 4) || !c.is_valid) continue;
    uint64_t counter = tl_load_le(c.nonce.data + 4, 8);
    memcpy(data, c.message.data, c.message.size);
    tl_aead_seal(c.key.data, counter, c.ad.data, c.ad.size, data, c.message.size);
    assert_memory_equal(data, c.sealed.data, c.sealed.size);
    assert_memory_equal(data + c.sealed.size, c.tag.data, 16);
    size_t size = c.sealed.size + 16;
    data[size - 1] ^= 1;
    assert_int_equal(tl_aead_open(c.key.data, counter, c.ad.data, c.ad.size, data, size), -1);
    memcpy(data, c.sealed.data, c.sealed.size);
    memcpy(data + c.sealed.size, c.tag.data, 16);
    assert_int_equal(tl_aead_open(c.key.data, counter + 1, c.ad.data, c.ad.size, data, size), -1);
    memcpy(data, c.sealed.data, c.sealed.size);
    assert_int_equal(tl_aead_open(c.key.data, counter, c.ad.data, c.ad.size, data, size), 0);
    assert_memory_equal(data, c.message.data, c.message.size);
    sealed++;
  }
  assert_true(sealed > 0);
  for (size_t size = 0; size < 16; size++)
    assert_int_equal(tl_aead_open(c.key.data, 0, NULL, 0, data, size), -1);
}

static void ed25519(void **state) {
  (void)state;
  struct vector_file f;
  struct vector_bytes key, message, signature;
  unsigned count = 0;
  vectors_open(&f, "wycheproof-ed25519.txt");
  while (vectors_next(&f)) {
    vectors_bytes(&f, 1, &key);
    vectors_bytes(&f, 2, &message);
    vectors_bytes(&f, 3, &signature);
    bool is_valid =
        signature.size == 64 &&
        crypto_sign_verify_detached(signature.data, message.data, message.size, key.data) == 0;
    assert_int_equal(is_valid, !strcmp(f.words[0], "valid"));
    count++;
  }
  assert_int_equal(count, 151);
}

static void blake2b(void **state) {
  (void)state;
  struct vector_file f;
  struct vector_bytes key, input, wanted;
  uint8_t out[64];
  unsigned count = 0;
  vectors_open(&f, "blake2b-kat.txt");
  while (vectors_next(&f)) {
    vectors_bytes(&f, 0, &key);
    vectors_bytes(&f, 1, &input);
    vectors_bytes(&f, 2, &wanted);
    /* In two pieces, as the project hashes. */
    size_t half = input.size / 2;
    struct tl_bytes parts[] = {{input.data, half}, {input.data + half, input.size - half}};
    tl_hash((struct tl_bytes){key.data, key.size}, parts, 2, out, sizeof out);
    assert_memory_equal(out, wanted.data, 64);
    count++;
  }
  assert_int_equal(count, 512);
}

static void rfc_iterated(const struct vector_file *f) {
  struct vector_bytes start, wanted;
  uint8_t k[32], u[32], next[32];
  vectors_bytes(f, 2, &start);
  vectors_bytes(f, 3, &wanted);
  memcpy(k, start.data, 32);
  memcpy(u, start.data, 32);
  for (int i = atoi(f->words[1]); i > 0; i--) {
    assert_int_equal(crypto_scalarmult(next, k, u), 0);
    memcpy(u, k, 32);
    memcpy(k, next, 32);
  }
  assert_memory_equal(k, wanted.data, 32);
}

static void rfc_dh(const struct vector_file *f) {
  struct vector_bytes v[5];
  uint8_t out[32];
  for (size_t i = 0; i < 5; i++) vectors_bytes(f, 1 + i, &v[i]);
  for (size_t i = 0; i < 4; i += 2) {
    crypto_scalarmult_base(out, v[i].data);
    assert_memory_equal(out, v[i + 1].data, 32);
    assert_int_equal(crypto_scalarmult(out, v[i].data, v[3 - i].data), 0);
    assert_memory_equal(out, v[4].data, 32);
  }
}

static void rfc_aead(const struct vector_file *f) {
  static struct aead_case c;
  uint8_t out[VECTOR_BYTES_MAX];
  aead_case_read(f, &c);
  crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, c.message.data, c.message.size, c.ad.data,
                                            c.ad.size, NULL, c.nonce.data, c.key.data);
  assert_memory_equal(out, c.sealed.data, c.sealed.size);
  assert_memory_equal(out + c.sealed.size, c.tag.data, 16);
}

static void rfcs(void **state) {
  (void)state;
  struct vector_file f;
  struct vector_bytes scalar, u, wanted;
  uint8_t out[32];
  unsigned count = 0;
  vectors_open(&f, "rfc7748-rfc8439.txt");
  for (; vectors_next(&f); count++) {
    if (!strcmp(f.words[0], "iterated")) rfc_iterated(&f);
    if (!strcmp(f.words[0], "dh")) rfc_dh(&f);
    if (!strcmp(f.words[0], "aead")) rfc_aead(&f);
    if (strcmp(f.words[0], "x25519") != 0) continue;
    vectors_bytes(&f, 1, &scalar);
    vectors_bytes(&f, 2, &u);
    vectors_bytes(&f, 3, &wanted);
    assert_int_equal(crypto_scalarmult(out, scalar.data, u.data), 0);
    assert_memory_equal(out, wanted.data, 32);
  }
  assert_int_equal(count, 6);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(x25519),
      cmocka_unit_test(low_order_keys_fail_a_handshake),
      cmocka_unit_test(chacha20_poly1305),
      cmocka_unit_test(xchacha20_poly1305),
      cmocka_unit_test(our_cipher_is_chacha20_poly1305),
      cmocka_unit_test(ed25519),
      cmocka_unit_test(blake2b),
      cmocka_unit_test(rfcs),
  };
  if (sodium_init() < 0) return 1;
  return cmocka_run_group_tests(tests, NULL, NULL);
}
