/*
 * The keys of a live session: seals and opens DATA (UDP), RECORD and ATTACH (TCP) packets, in
 * place.
 *
 * The session owns every send counter. No caller can choose a number, so no number is used twice
 * under a key; and counters run on when a rekey changes the keys, so a number is never used twice
 * at all. There is one sequence for UDP and one for each TCP channel, in each direction.
 *
 * UDP numbers may arrive in any order and are accepted once (crypto/replay.h); one number in each
 * 256, at random, is never used, so a peer that acknowledges it has not received it. On TCP a
 * number must be exactly the next one.
 *
 * A packet to be sealed lies in a buffer as  [16 header][plaintext][16 tag]: the caller leaves room
 * for header and tag. Opening happens in place too. Neither allocates nor derives a key.
 *
 *   epochs:  current - sends and receives; previous - receives for keep_old_ns more; next - the
 * responder's, from REKEY2 on, until the first packet under it arrives and makes it current timers:
 * rekey_after_ns less jitter, end_after_ns (both since the current epoch began), keep_old_ns
 */
#ifndef TL_CRYPTO_SESSION_H
#define TL_CRYPTO_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/wire/packet.h"
#include "crypto/parameters.h"
#include "crypto/peer.h"
#include "crypto/random.h"
#include "crypto/refusal.h"

#define TL_CHANNEL_UDP 0u /* channels 1 to TL_CHANNELS_MAX are TCP connections */

struct tl_session;

struct tl_session_config {
  const struct tl_parameters *parameters;
  const struct tl_random *random;
  bool is_initiator; /* of the handshake, and so of every rekey */
};

/* What one holds: whole pages, locked in memory. */
size_t tl_session_memory_bytes(void);

/* In guarded memory; borrows what `config` points to, copies `secrets`. NULL: out of memory. */
struct tl_session *tl_session_new(const struct tl_session_config *config, uint64_t now_ns,
                                  const struct tl_secrets *secrets, uint32_t local_index,
                                  uint32_t remote_index);
struct tl_session *tl_session_free(struct tl_session *session);

/* ---- packets ---- */

/* Seals `plain_bytes` at packet + 16 as DATA (channel 0) or RECORD. 0 (*out_size = plain_bytes +
 * 32; *out_counter: the number used); TULLE_E_CLOSED: the session has reached a limit and ends;
 * TULLE_E_TOO_BIG (RECORD). */
int tl_session_seal(struct tl_session *session, uint64_t now_ns, unsigned channel, uint8_t *packet,
                    size_t plain_bytes, size_t *out_size, uint64_t *out_counter);

/* The number that the next seal on this channel will use. */
uint64_t tl_session_next_counter(const struct tl_session *session, unsigned channel);

struct tl_opened {
  uint8_t *plain; /* inside the packet */
  size_t plain_bytes;
  uint64_t counter;
  bool is_highest; /* no higher number has been opened on this channel: only such a packet may
                      propose a new path */
};

/* Opens a DATA packet (channel 0) or the next RECORD of a TCP channel. 0 or a refusal. Over UDP a
 * refused packet is dropped; on a TCP channel anything but 0 closes the connection. After a refusal
 * the packet's bytes are undefined. */
int tl_session_open(struct tl_session *session, uint64_t now_ns, unsigned channel, uint8_t *packet,
                    size_t size, struct tl_opened *out);

/* True when a packet with this receiver_index belongs to this session. */
bool tl_session_has_index(const struct tl_session *session, uint32_t index);

/* ---- TCP channels ---- */

/* The opener's ATTACH, first packet on a new connection (or, after a handshake over TCP, right
 * behind FINISH). The body is laid out as for seal. 0; TL_FULL: all channels are in use;
 * TULLE_E_CLOSED. The channel can seal at once and open after confirm. */
int tl_session_attach(struct tl_session *session, uint64_t now_ns, uint8_t *packet,
                      size_t plain_bytes, size_t *out_size, unsigned *out_channel);

/* The other side: opens the peer's ATTACH, then seals the answer, once. 0 or a refusal; TL_FULL
 * (accept). */
int tl_session_attach_accept(struct tl_session *session, uint64_t now_ns, uint8_t *packet,
                             size_t size, struct tl_opened *out, unsigned *out_channel);
int tl_session_attach_answer(struct tl_session *session, uint64_t now_ns, unsigned channel,
                             uint8_t *packet, size_t plain_bytes, size_t *out_size);

/* The opener again: opens that answer. RECORDs can be opened from now on. */
int tl_session_attach_confirm(struct tl_session *session, uint64_t now_ns, unsigned channel,
                              uint8_t *packet, size_t size, struct tl_opened *out);

/* The connection is gone: wipes the channel's keys. Its number is never used again. */
void tl_session_detach(struct tl_session *session, unsigned channel);

/* ---- epochs ---- */

/* The psk of the next rekey, and its epoch's number (crypto/rekey.h). */
void tl_session_chain(const struct tl_session *session, uint8_t out[32], uint32_t *out_epoch);

/* Installs what a rekey gave. The initiator sends under the new keys from now on, the responder
 * from the first packet that it opens under them. 0; TL_FULL: the responder's last epoch is not in
 * use yet, so a second REKEY1 is out of order. */
int tl_session_install(struct tl_session *session, uint64_t now_ns,
                       const struct tl_secrets *secrets, uint32_t local_index,
                       uint32_t remote_index);

/* 32 bytes for the use that `label` names, the same on both sides, until the next rekey. */
void tl_session_exporter(const struct tl_session *session, const char *label, uint8_t out[32]);

/* ---- time ---- */

enum tl_session_event_kind {
  TL_SESSION_REKEY,   /* time, packets or bytes: the initiator sends REKEY1, the responder may ask;
                         told once an epoch */
  TL_SESSION_RETIRED, /* `index` no longer leads here */
  TL_SESSION_OVER, /* a hard limit: nothing can be sealed or opened any more; begin a new handshake
                    */
};

struct tl_session_event {
  enum tl_session_event_kind kind;
  uint32_t index;
};

/* 0 or TL_EMPTY; ask again until it is empty: at deadline(), and after bursts of packets (limits
 * are counted there). */
int tl_session_poll(struct tl_session *session, uint64_t now_ns, struct tl_session_event *out);
uint64_t tl_session_deadline(const struct tl_session *session);

struct tl_session_stats {
  struct tl_refusals refusals;
  uint64_t sealed_packets;
  uint64_t sealed_bytes;
  uint64_t opened_packets;
  uint64_t opened_bytes;
  uint32_t epoch; /* of sending; from 0 */
};

const struct tl_session_stats *tl_session_stats(const struct tl_session *session);

#endif
