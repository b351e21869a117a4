#include "crypto/rekey.h"

#include <sodium.h>
#include <string.h>

#include "core/bytes.h"
#include "core/error.h"
#include "crypto/noise.h"
#include "crypto/peer_internal.h"

#define INDEX_BYTES 4
#define LABEL       "tul1 rekey" /* with its zero */

struct tl_rekey {
  struct tl_noise noise;
  uint32_t local_index;
};

/* pre: -> s, <- s */
static void noise_begin(struct tl_noise *noise, const struct tl_self *self,
                        const struct tl_session *session, const uint8_t peer_key[32],
                        bool is_initiator) {
  uint8_t psk[1][32], prologue[sizeof LABEL + 4];
  uint32_t epoch;
  tl_session_chain(session, psk[0], &epoch);
  memcpy(prologue, LABEL, sizeof LABEL);
  tl_store_le(prologue + sizeof LABEL, epoch, 4);
  struct tl_noise_config config = {.suite = &tl_noise_suite,
                                   .pattern = &tl_noise_kkpsk0,
                                   .is_initiator = is_initiator,
                                   .prologue = {prologue, sizeof prologue},
                                   .s_secret = self->identity->secret,
                                   .s = self->identity->key,
                                   .rs = peer_key,
                                   .psks = (const uint8_t(*)[32])psk,
                                   .psk_count = 1};
  tl_noise_init(noise, &config);
  sodium_memzero(psk, sizeof psk);
}

static int message_write(struct tl_noise *noise, const struct tl_self *self, uint32_t index,
                         uint8_t out[TL_REKEY_BYTES]) {
  uint8_t e_secret[32], payload[INDEX_BYTES];
  size_t size;
  tl_store_le(payload, index, sizeof payload);
  tl_random_fill(self->random, e_secret, sizeof e_secret);
  int r = tl_noise_write(noise, e_secret, payload, sizeof payload, out, &size);
  sodium_memzero(e_secret, sizeof e_secret);
  TL_ASSERT(r != 0 || size == TL_REKEY_BYTES);
  return r == 0 ? 0 : TULLE_E_PROTOCOL;
}

static int message_read(struct tl_noise *noise, const uint8_t *data, size_t size,
                        uint32_t *out_index) {
  uint8_t payload[TL_REKEY_BYTES];
  size_t payload_size;
  if (size != TL_REKEY_BYTES) return TULLE_E_PROTOCOL;
  if (tl_noise_read(noise, data, size, payload, &payload_size) != 0) return TULLE_E_PROTOCOL;
  uint32_t index = (uint32_t)tl_load_le(payload, INDEX_BYTES);
  /* Our own ephemeral key coming back: a mirror. */
  if (!index || sodium_memcmp(noise->re, noise->e, 32) == 0) return TULLE_E_PROTOCOL;
  *out_index = index;
  return 0;
}

int tl_rekey_begin(const struct tl_self *self, const struct tl_session *session,
                   const uint8_t peer_key[32], uint32_t local_index, uint8_t out[TL_REKEY_BYTES],
                   struct tl_rekey **out_rekey) {
  struct tl_rekey *rekey = sodium_malloc(sizeof *rekey);
  if (!rekey) return TULLE_E_NO_MEMORY;
  rekey->local_index = local_index;
  noise_begin(&rekey->noise, self, session, peer_key, true);
  int r = message_write(&rekey->noise, self, local_index, out);
  if (r < 0) {
    tl_rekey_free(rekey);
    return r;
  }
  *out_rekey = rekey;
  return 0;
}

struct tl_rekey *tl_rekey_free(struct tl_rekey *rekey) {
  sodium_free(rekey);
  return NULL;
}

int tl_rekey_finish(struct tl_rekey *rekey, const uint8_t *data, size_t size,
                    struct tl_secrets *out_secrets, uint32_t *out_local_index,
                    uint32_t *out_remote_index) {
  if (tl_noise_is_done(&rekey->noise)) return TULLE_E_PROTOCOL;
  int r = message_read(&rekey->noise, data, size, out_remote_index);
  if (r < 0) return r;
  tl_peer_secrets(&rekey->noise, out_secrets);
  *out_local_index = rekey->local_index;
  return 0;
}

int tl_rekey_answer(const struct tl_self *self, const struct tl_session *session,
                    const uint8_t peer_key[32], uint32_t local_index, const uint8_t *data,
                    size_t size, uint8_t out[TL_REKEY_BYTES], struct tl_secrets *out_secrets,
                    uint32_t *out_remote_index) {
  struct tl_noise noise;
  uint32_t remote_index;
  noise_begin(&noise, self, session, peer_key, false);
  int r = message_read(&noise, data, size, &remote_index);
  if (r == 0) r = message_write(&noise, self, local_index, out);
  if (r == 0) {
    tl_peer_secrets(&noise, out_secrets);
    *out_remote_index = remote_index;
  }
  tl_noise_deinit(&noise);
  return r;
}
