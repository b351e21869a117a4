/* Keys and their files, ids as text, tokens as text, rate limits: the small objects. */
#include "crypto/identity.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/time.h"
#include "crypto/authority.h"
#include "crypto/bucket.h"
#include "crypto/gate.h"
#include "crypto/keyfile.h"
#include "crypto/token.h"
#include "tests/support/disk_memory.h"
#include "tests/support/node_fixture.h"
#include "tests/unit/test.h"

/* ---- files ---- */

static void an_identity_is_made_once(void **state) {
  (void)state;
  struct disk_memory memory;
  struct tl_disk disk;
  struct seeded_random seeded;
  struct tl_random random = seeded_random_init(&seeded, 1);
  struct tl_identity *made, *loaded, *again;
  disk_memory_init(&memory, &disk);
  assert_int_equal(tl_identity_load(&disk, &loaded), TULLE_E_NOT_FOUND);
  assert_int_equal(tl_identity_create(&disk, &random, &made), 0);
  assert_int_equal(tl_identity_create(&disk, &random, &again), TULLE_E_EXISTS);
  assert_int_equal(tl_identity_load(&disk, &loaded), 0);
  assert_memory_equal(made, loaded, sizeof *made);
  tl_identity_free(made);
  tl_identity_free(loaded);
  assert_null(tl_identity_free(NULL));
  disk_memory_deinit(&memory);
}

static void key_files(void **state) {
  (void)state;
  uint8_t secret[32], file[TL_KEYFILE_BYTES + 8] = {0}, back[32];
  for (size_t i = 0; i < 32; i++) secret[i] = (uint8_t)i;
  tl_keyfile_encode(TL_KEYFILE_NODE, secret, file);
  assert_memory_equal(file, "TULK\1\0\0\0", 8);
  assert_memory_equal(file + 8, secret, 32);
  for (size_t size = 0; size <= sizeof file; size++)
    assert_int_equal(tl_keyfile_decode(file, size, TL_KEYFILE_NODE, back),
                     size == TL_KEYFILE_BYTES ? 0 : TULLE_E_BAD_MESSAGE);
  assert_memory_equal(back, secret, 32);
  for (size_t bit = 0; bit < TL_KEYFILE_BYTES * 8; bit++) {
    file[bit / 8] ^= (uint8_t)(1 << bit % 8);
    assert_int_equal(tl_keyfile_decode(file, TL_KEYFILE_BYTES, TL_KEYFILE_NODE, back),
                     TULLE_E_BAD_MESSAGE);
    file[bit / 8] ^= (uint8_t)(1 << bit % 8);
  }
  /* An authority's key is not a node's. */
  assert_int_equal(tl_keyfile_decode(file, TL_KEYFILE_BYTES, TL_KEYFILE_AUTHORITY, back),
                   TULLE_E_BAD_MESSAGE);
}

static void signatures(void **state) {
  (void)state;
  uint8_t seed[32] = {1}, other_seed[32] = {2}, data[200] = {3}, signature[64];
  struct tl_authority *a = tl_authority_new(seed), *b = tl_authority_new(other_seed);
  tl_authority_sign(a, "one", data, sizeof data, signature);
  assert_int_equal(tl_authority_verify(a->key, "one", data, sizeof data, signature), 0);
  assert_int_equal(tl_authority_verify(b->key, "one", data, sizeof data, signature),
                   TULLE_E_UNTRUSTED);
  assert_int_equal(tl_authority_verify(a->key, "two", data, sizeof data, signature),
                   TULLE_E_UNTRUSTED);
  assert_int_equal(tl_authority_verify(a->key, "one", data, sizeof data - 1, signature),
                   TULLE_E_UNTRUSTED);
  signature[5] ^= 1;
  assert_int_equal(tl_authority_verify(a->key, "one", data, sizeof data, signature),
                   TULLE_E_UNTRUSTED);
  assert_memory_not_equal(a->fabric_id, b->fabric_id, 16);
  tl_authority_free(a);
  tl_authority_free(b);
}

/* ---- ids ---- */

static void ids_as_text(void **state) {
  (void)state;
  uint8_t id[16], back[16];
  char text[TL_NODE_ID_TEXT_SIZE];
  for (size_t i = 0; i < 16; i++) id[i] = (uint8_t)(i * 17);
  tl_node_id_format(id, text);
  assert_int_equal(strlen(text), 34);
  assert_int_equal(tl_node_id_parse(text, 34, back), 0);
  assert_memory_equal(id, back, 16);
  char loud[64] = "", bare[64] = "";
  for (size_t i = 0, j = 0; text[i]; i++) {
    loud[i] = (char)(text[i] >= 'a' ? text[i] - 32 : text[i]);
    if (text[i] != '-') bare[j++] = text[i];
  }
  assert_int_equal(tl_node_id_parse(loud, 34, back), 0);
  assert_int_equal(tl_node_id_parse(bare, 28, back), 0);
  for (size_t cut = 0; cut < 34; cut++)
    assert_int_equal(tl_node_id_parse(text, cut, back), TULLE_E_INVALID);
  assert_int_equal(tl_node_id_parse("", 0, back), TULLE_E_INVALID);
  /* A slip of one character is noticed, but for one in 1,024. */
  unsigned missed = 0, tried = 0;
  for (size_t at = 0; at < 34; at++)
    for (char c = 'a'; c <= 'z'; c++) {
      char wrong[TL_NODE_ID_TEXT_SIZE];
      strcpy(wrong, text);
      if (text[at] == '-' || text[at] == c) continue;
      wrong[at] = c;
      missed += tl_node_id_parse(wrong, 34, back) == 0;
      tried++;
    }
  assert_true(tried > 600 && missed <= 4);
}

/* ---- tokens ---- */

static struct tl_token token_make(void) {
  struct tl_token t = {.address_count = 3};
  for (size_t i = 0; i < 32; i++) t.secret[i] = (uint8_t)(200 + i);
  memset(t.fabric_id, 7, 16);
  memset(t.inviter_id, 9, 16);
  tl_address_parse("10.1.2.3:8855", 0, &t.addresses[0]);
  tl_address_parse("[2001:db8::7]:8855", 0, &t.addresses[1]);
  tl_address_parse("[2001:db8:1:2:3:4:5:6]:65535", 0, &t.addresses[2]);
  return t;
}

static void tokens_as_text(void **state) {
  (void)state;
  struct tl_token t = token_make(), back;
  char text[TL_TOKEN_TEXT_SIZE], other[2 * TL_TOKEN_TEXT_SIZE];
  for (uint8_t count = 0; count <= TL_TOKEN_ADDRESSES_MAX; count++) {
    t.address_count = count;
    tl_token_format(&t, text);
    assert_in_range(strlen(text), 150, TL_TOKEN_TEXT_SIZE - 1);
    assert_memory_equal(text, "tl1-", 4);
    assert_int_equal(tl_token_parse(text, strlen(text), &back), 0);
    assert_int_equal(back.address_count, count);
    assert_memory_equal(back.secret, t.secret, 32);
  }
  /* Pasted with line breaks, in capitals, without dashes. */
  size_t n = 0;
  for (size_t i = 0; text[i]; i++) {
    if (i % 40 == 0) other[n++] = '\n';
    if (text[i] != '-') other[n++] = (char)(text[i] >= 'a' ? text[i] - 32 : text[i]);
  }
  assert_int_equal(tl_token_parse(other, n, &back), 0);
}

static void tokens_that_are_refused(void **state) {
  (void)state;
  struct tl_token t = token_make(), back;
  char text[TL_TOKEN_TEXT_SIZE + 64];
  tl_token_format(&t, text);
  size_t length = strlen(text);
  for (size_t cut = 0; cut < length; cut++)
    assert_int_equal(tl_token_parse(text, cut, &back), TULLE_E_INVALID);
  for (size_t at = 4; at < length; at++) { /* a slip anywhere */
    char good = text[at];
    if (good == '-') continue;
    text[at] = good == 'a' ? 'b' : 'a';
    assert_int_equal(tl_token_parse(text, length, &back), TULLE_E_INVALID);
    text[at] = good;
  }
  static const char *const bad[] = {"",         "tl1",      "tl1-",        "xl1-aaaa",
                                    "tl0-aaaa", "tl1-0189", "hello world", "tl"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_int_equal(tl_token_parse(bad[i], strlen(bad[i]), &back), TULLE_E_INVALID);
  assert_int_equal(tl_token_parse("tl2-aaaa", 8, &back), TULLE_E_VERSION);
  memset(text + length, 'a', 60);
  assert_int_equal(tl_token_parse(text, length + 60, &back), TULLE_E_INVALID);
  char endless[5000];
  memset(endless, 'a', sizeof endless);
  memcpy(endless, "tl1", 3);
  assert_int_equal(tl_token_parse(endless, sizeof endless, &back), TULLE_E_INVALID);
}

/* ---- gates ---- */

static void gates_differ_in_every_key(void **state) {
  (void)state;
  uint8_t secret[32] = {1}, id[8] = {2}, own[16] = {3}, other[16] = {4}, mac[16] = {5};
  uint8_t keys[9][32];
  struct tl_gate gate;
  struct tl_gate_keys to_other;
  tl_gate_open(&gate, false, id, secret, own);
  tl_gate_keys_for(&gate, other, &to_other);
  memcpy(keys[0], gate.psk, 32);
  memcpy(keys[1], gate.mac_root, 32);
  memcpy(keys[2], gate.cookie_root, 32);
  memcpy(keys[3], gate.to_self.hello, 32);
  memcpy(keys[4], gate.to_anyone.hello, 32);
  memcpy(keys[5], to_other.hello, 32);
  memcpy(keys[6], to_other.cookie, 32);
  tl_gate_reply_key(&gate, mac, keys[7]);
  tl_gate_finish_key(&gate, mac, keys[8]);
  for (size_t a = 0; a < 9; a++)
    for (size_t b = 0; b < a; b++) assert_memory_not_equal(keys[a], keys[b], 32);
}

/* ---- buckets ---- */

static void a_bucket_fills_again(void **state) {
  (void)state;
  struct tl_bucket b = {0};
  uint64_t now = 100 * TL_S;
  for (int i = 0; i < 5; i++) assert_true(tl_bucket_take(&b, now, 20, 5));
  assert_false(tl_bucket_take(&b, now, 20, 5));
  assert_false(tl_bucket_take(&b, now + 50 * TL_MS - 1, 20, 5));
  assert_true(tl_bucket_take(&b, now + 50 * TL_MS, 20, 5));
  assert_false(tl_bucket_take(&b, now + 50 * TL_MS, 20, 5));
  now += 3600 * TL_S; /* full, not fuller */
  for (int i = 0; i < 5; i++) assert_true(tl_bucket_take(&b, now, 20, 5));
  assert_false(tl_bucket_take(&b, now, 20, 5));
}

static void a_busy_source_is_not_forgotten_for_a_quiet_one(void **state) {
  (void)state;
  static struct tl_buckets buckets;
  uint8_t secret[16] = {1};
  uint64_t now = 100 * TL_S;
  struct tl_address busy = address_of(1);
  tl_buckets_init(&buckets, secret);
  for (int i = 0; i < 5; i++)
    assert_true(tl_bucket_take(tl_buckets_of(&buckets, &busy), now, 20, 5));
  for (uint32_t i = 2; i < 1000; i++) { /* each of them once: fewer debts than the busy one */
    struct tl_address other = address_of((uint8_t)i);
    other.ip[14] = (uint8_t)(i >> 8);
    assert_true(tl_bucket_take(tl_buckets_of(&buckets, &other), now, 20, 5));
  }
  assert_false(tl_bucket_take(tl_buckets_of(&buckets, &busy), now, 20, 5));
}

static void random_below_a_bound(void **state) {
  (void)state;
  struct seeded_random seeded;
  struct tl_random random = seeded_random_init(&seeded, 5);
  unsigned counts[7] = {0};
  for (int i = 0; i < 7000; i++) counts[tl_random_below(&random, 7)]++;
  for (int i = 0; i < 7; i++) assert_in_range(counts[i], 850, 1150);
  assert_int_equal(tl_random_below(&random, 1), 0);
  uint8_t a[32], b[32];
  tl_random_fill(&tl_random_system, a, 32);
  tl_random_fill(&tl_random_system, b, 32);
  assert_memory_not_equal(a, b, 32);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_identity_is_made_once),
      cmocka_unit_test(key_files),
      cmocka_unit_test(signatures),
      cmocka_unit_test(ids_as_text),
      cmocka_unit_test(tokens_as_text),
      cmocka_unit_test(tokens_that_are_refused),
      cmocka_unit_test(gates_differ_in_every_key),
      cmocka_unit_test(a_bucket_fills_again),
      cmocka_unit_test(a_busy_source_is_not_forgotten_for_a_quiet_one),
      cmocka_unit_test(random_below_a_bound),
  };
  if (tl_crypto_start() < 0) return 1;
  return cmocka_run_group_tests(tests, NULL, NULL);
}
