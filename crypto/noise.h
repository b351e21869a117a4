/*
 * The Noise Protocol Framework, revision 34: any pattern that a table describes, over any suite
 * that a table of functions gives. The project itself uses XXpsk3 and KKpsk0 over 25519, ChaChaPoly
 * and BLAKE2b (tl_noise_suite); the other patterns and suites exist in the tests only, which drive
 * this engine with all published vectors.
 *
 * Both write and read work on a copy of the handshake and commit it when everything succeeded, so a
 * wrong message leaves no trace. The specification's names are kept: e, s, rs, ck, h, MixKey,
 * Split.
 */
#ifndef TL_CRYPTO_NOISE_H
#define TL_CRYPTO_NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/hash.h"

#define TL_NOISE_DH_BYTES       32
#define TL_NOISE_TAG_BYTES      16
#define TL_NOISE_HASH_BYTES_MAX 64
#define TL_NOISE_MESSAGES_MAX   4
#define TL_NOISE_PSKS_MAX       4

struct tl_noise_suite {
  const char *name; /* "25519_ChaChaPoly_BLAKE2b" */
  size_t hash_bytes;
  size_t block_bytes;
  /* The hash of the parts, one after the other. */
  void (*hash)(const struct tl_bytes *parts, size_t count, uint8_t *out);
  /* In place; seal has room for the tag behind `size` bytes, open's `size` counts it. open: 0 or
   * -1. */
  void (*seal)(const uint8_t key[32], uint64_t n, const uint8_t *ad, size_t ad_size, uint8_t *data,
               size_t size);
  int (*open)(const uint8_t key[32], uint64_t n, const uint8_t *ad, size_t ad_size, uint8_t *data,
              size_t size);
};

enum tl_noise_token {
  TL_NOISE_END,
  TL_NOISE_E,
  TL_NOISE_S,
  TL_NOISE_EE,
  TL_NOISE_ES,
  TL_NOISE_SE,
  TL_NOISE_SS,
  TL_NOISE_PSK,
};

#define TL_NOISE_TOKENS_MAX 8

struct tl_noise_pattern {
  const char *name;            /* "XXpsk3" */
  bool initiator_static_known; /* pre-message "-> s" */
  bool responder_static_known; /* pre-message "<- s" */
  bool has_psk;                /* e is mixed into the key too */
  uint8_t message_count;       /* the initiator writes the first, then they take turns */
  uint8_t messages[TL_NOISE_MESSAGES_MAX]
                  [TL_NOISE_TOKENS_MAX]; /* enum tl_noise_token, ended by TL_NOISE_END */
};

extern const struct tl_noise_suite tl_noise_suite; /* 25519_ChaChaPoly_BLAKE2b */
extern const struct tl_noise_pattern tl_noise_xxpsk3;
extern const struct tl_noise_pattern tl_noise_kkpsk0;

/* Holds secrets: keep it in guarded memory, or wipe it with tl_noise_deinit(). */
struct tl_noise {
  const struct tl_noise_suite *suite;
  const struct tl_noise_pattern *pattern;
  bool is_initiator;
  uint8_t message; /* the next one */
  uint8_t psk_next;
  bool has_e, has_s, has_re, has_rs, has_k;
  uint64_t n;
  uint8_t e_secret[32], e[32], s_secret[32], s[32];
  uint8_t re[32], rs[32];
  uint8_t psks[TL_NOISE_PSKS_MAX][32];
  uint8_t k[32];
  uint8_t ck[TL_NOISE_HASH_BYTES_MAX];
  uint8_t h[TL_NOISE_HASH_BYTES_MAX];
};

struct tl_noise_config {
  const struct tl_noise_suite *suite;
  const struct tl_noise_pattern *pattern;
  bool is_initiator;
  struct tl_bytes prologue;
  const uint8_t *s_secret; /* NULL where the pattern has no own static key; s is its public key */
  const uint8_t *s;
  const uint8_t *rs; /* the remote static key where it is known beforehand */
  const uint8_t (*psks)[32];
  size_t psk_count;
};

void tl_noise_init(struct tl_noise *noise, const struct tl_noise_config *config);
void tl_noise_deinit(struct tl_noise *noise);

/* The next message:  `out` has room for tl_noise_message_bytes(). `e_secret`: a fresh ephemeral
 * key, used if the message has the token e; may be NULL otherwise. 0, or -1 when a DH gives zero (a
 * peer's key of low order). */
int tl_noise_write(struct tl_noise *noise, const uint8_t *e_secret, const uint8_t *payload,
                   size_t size, uint8_t *out, size_t *out_size);

/* The peer's message. Its payload is written to `out`, which has room for the whole message. 0, or
 * -1: a wrong size or tag, or a DH that gives zero. */
int tl_noise_read(struct tl_noise *noise, const uint8_t *message, size_t size, uint8_t *out,
                  size_t *out_size);

/* The size of the next message with a payload of `size` bytes. */
size_t tl_noise_message_bytes(const struct tl_noise *noise, size_t size);

bool tl_noise_is_done(const struct tl_noise *noise);

/* When done: the two transport keys, the initiator's sending key first. Wipes nothing. */
void tl_noise_split(const struct tl_noise *noise, uint8_t out_initiator[32],
                    uint8_t out_responder[32]);

#endif
