/*
 * New keys inside a live session: Noise_KKpsk0, its psk chained from the running keys.
 *
 * REKEY1 and REKEY2 are 52 bytes each and travel as frames of the session (docs/protocol-link.md);
 * only the session's initiator begins. KK because both static keys are known; the psk because then
 * an attacker needs the running keys too. Each call for a message makes a fresh one: who has to
 * repeat a message keeps its bytes.
 *
 *   REKEY1:  0 32 e   32 4 sealed: initiator's new index   36 16 tag
 *   REKEY2:  the same with the responder's
 *   prologue = "tul1 rekey\0" || epoch (4, little-endian) of the keys to be made
 *
 * Usage: initiator  begin -> REKEY1 out; REKEY2 in -> finish -> tl_session_install()
 *        responder  REKEY1 in -> answer -> tl_session_install(), REKEY2 out
 */
#ifndef TL_CRYPTO_REKEY_H
#define TL_CRYPTO_REKEY_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/peer.h"
#include "crypto/self.h"
#include "crypto/session.h"

#define TL_REKEY_BYTES 52

struct tl_rekey;

/* The initiator's rekey under way, in guarded memory. `local_index` is unused so far. 0;
 * TULLE_E_NO_MEMORY. */
int tl_rekey_begin(const struct tl_self *self, const struct tl_session *session,
                   const uint8_t peer_key[32], uint32_t local_index, uint8_t out[TL_REKEY_BYTES],
                   struct tl_rekey **out_rekey);
struct tl_rekey *tl_rekey_free(struct tl_rekey *rekey);

/* REKEY2. 0, or TULLE_E_PROTOCOL: end the session (its frames are authenticated: this is no
 * accident). */
int tl_rekey_finish(struct tl_rekey *rekey, const uint8_t *data, size_t size,
                    struct tl_secrets *out_secrets, uint32_t *out_local_index,
                    uint32_t *out_remote_index);

/* REKEY1 at the responder; REKEY2 in `out`. 0, or TULLE_E_PROTOCOL. */
int tl_rekey_answer(const struct tl_self *self, const struct tl_session *session,
                    const uint8_t peer_key[32], uint32_t local_index, const uint8_t *data,
                    size_t size, uint8_t out[TL_REKEY_BYTES], struct tl_secrets *out_secrets,
                    uint32_t *out_remote_index);

#endif
