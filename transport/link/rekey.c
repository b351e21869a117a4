/*
 * New keys inside a live link (crypto/rekey.h has the cryptography).
 *
 * REKEY1 and REKEY2 are frames with a repetition of their own, since they belong to no lane:
 *
 *     0  4 epoch that is made, little-endian      4 52 message
 *
 * 1. The session's initiator begins, when the session asks for it, and repeats REKEY1, at first
 *    after two round trips, doubling to a second, until REKEY2 comes. It installs, and a PING under
 *    the new keys goes out at once, since the responder sends under them only after it has opened
 *    a packet of theirs.
 * 2. The responder answers a REKEY1 for the next epoch once and keeps the answer; the same epoch
 *    again gets the same bytes and installs nothing (the KRACK mistake). Any other epoch is a late
 *    packet and is dropped. It answers at most one every 10 ms.
 * 3. Either side checks the peer's certificate again before it takes part.
 * 4. When no REKEY2 ever comes, the session's hard stop ends the link.
 */
#include "transport/link/endpoint_internal.h"

#define REPEAT_MIN  (50 * TL_MS)
#define REPEAT_MAX  TL_S
#define ANSWER_EACH (10 * TL_MS)

void tl_link_rekey_end(struct tl_link *link) {
  struct link_rekey *k = &link->rekey;
  k->begun = tl_rekey_free(k->begun);
  if (k->index) tl_index_remove(link->ep, k->index);
  k->index = NULL;
  k->is_due = false;
  k->again_at = TL_NEVER;
}

/* The peer may have been revoked since the handshake. */
static bool is_still_trusted(struct tl_link *link, uint64_t now) {
  struct tl_certificate certificate;
  if (!link->peer.has_certificate || link->peer.is_inviter) return true;
  int r = tl_trust_check(link->ep->self.trust, link->peer.certificate_bytes,
                         sizeof(link->peer.certificate_bytes), link->peer.key,
                         link->ep->self.wall_s, &certificate);
  if (r != 0) tl_link_end(link, now, r, TL_REASON_NONE, true);
  return r == 0;
}

static uint64_t repeat_after(const struct tl_link *link) {
  struct tl_flow_stats flow;
  tl_flow_stats(link->flow, &flow);
  uint64_t wait = 2 * flow.rtt_ns;
  return wait < REPEAT_MIN ? REPEAT_MIN : tl_time_min(wait, REPEAT_MAX);
}

static void message_set(struct link_rekey *k, uint32_t epoch,
                        const uint8_t message[TL_REKEY_BYTES]) {
  k->epoch = epoch;
  tl_store_le(k->message, epoch, 4);
  memcpy(k->message + 4, message, TL_REKEY_BYTES);
  k->is_due = true;
}

void tl_link_rekey_event(struct tl_link *link, uint64_t now) {
  struct link_rekey *k = &link->rekey;
  uint8_t chain[32], message[TL_REKEY_BYTES];
  uint32_t epoch;
  if (!link->is_initiator || k->begun || link->state == LINK_OVER) return;
  if (link->state == LINK_FRESH) { /* the session asks once, but the peer may not have it yet */
    k->again_at = tl_time_add(now, REPEAT_MIN);
    return;
  }
  if (!is_still_trusted(link, now)) return;
  tl_session_chain(link->session, chain, &epoch);
  k->index = tl_link_index_add(link, tl_self_draw_index(&link->ep->self));
  if (!k->index || tl_rekey_begin(&link->ep->self, link->session, link->peer.key, k->index->value,
                                  message, &k->begun) < 0) {
    tl_link_rekey_end(link);
    k->again_at = tl_time_add(now, REPEAT_MAX);
    return;
  }
  message_set(k, epoch, message);
  k->wait = repeat_after(link);
  k->again_at = tl_time_add(now, k->wait);
  tl_link_touch(link);
}

void tl_link_rekey_timeout(struct tl_link *link, uint64_t now) {
  struct link_rekey *k = &link->rekey;
  if (now < k->again_at) return;
  k->again_at = TL_NEVER;
  if (!k->begun) { /* it could not be begun before */
    tl_link_rekey_event(link, now);
    return;
  }
  k->is_due = true;
  k->wait = tl_time_min(2 * k->wait, REPEAT_MAX);
  k->again_at = tl_time_add(now, k->wait);
}

static void keys_are_new(struct tl_link *link, uint64_t now) {
  link->key_since = now;
  link->rekeys++;
  link->ep->counters.rekeys++;
}

/* REKEY2 at the initiator. */
static void take_answer(struct tl_link *link, uint64_t now, uint32_t epoch,
                        const uint8_t message[TL_REKEY_BYTES]) {
  struct link_rekey *k = &link->rekey;
  struct tl_secrets secrets;
  uint32_t local = 0, remote = 0;
  if (!k->begun || epoch != k->epoch) return;
  int r = tl_rekey_finish(k->begun, message, TL_REKEY_BYTES, &secrets, &local, &remote);
  if (r == 0) r = tl_session_install(link->session, now, &secrets, local, remote);
  tl_secrets_wipe(&secrets);
  if (r != 0) {
    tl_link_end(link, now, TL_REASON_PROTOCOL, TL_REASON_PROTOCOL, true);
    return;
  }
  k->index = NULL; /* the session's now */
  tl_link_rekey_end(link);
  keys_are_new(link, now);
  link->must_ping = true;
}

/* REKEY1 at the responder. */
static void answer(struct tl_link *link, uint64_t now, uint32_t epoch,
                   const uint8_t message[TL_REKEY_BYTES]) {
  struct link_rekey *k = &link->rekey;
  uint8_t chain[32], reply[TL_REKEY_BYTES];
  struct tl_secrets secrets;
  uint32_t next, remote = 0;
  if (k->answered_at && epoch == k->epoch) {
    k->is_due = true;
    return;
  }
  tl_session_chain(link->session, chain, &next);
  if (epoch != next || (k->answered_at && now < k->answered_at + ANSWER_EACH)) return;
  if (!is_still_trusted(link, now)) return;
  struct local_index *index = tl_link_index_add(link, tl_self_draw_index(&link->ep->self));
  if (!index) return;
  int r = tl_rekey_answer(&link->ep->self, link->session, link->peer.key, index->value, message,
                          TL_REKEY_BYTES, reply, &secrets, &remote);
  int installed =
      r == 0 ? tl_session_install(link->session, now, &secrets, index->value, remote) : r;
  tl_secrets_wipe(&secrets);
  if (installed != 0) tl_index_remove(link->ep, index);
  if (r < 0) tl_link_end(link, now, TL_REASON_PROTOCOL, TL_REASON_PROTOCOL, true);
  if (installed != 0) return;
  k->answered_at = now;
  message_set(k, epoch, reply);
  keys_are_new(link, now);
}

void tl_link_rekey_frame(struct tl_link *link, uint64_t now, const struct tl_frame *frame) {
  bool is_first = frame->type == TL_FRAME_REKEY1;
  if (is_first == link->is_initiator || frame->rekey.size != REKEY_FRAME_BYTES) {
    tl_link_end(link, now, TL_REASON_PROTOCOL, TL_REASON_PROTOCOL, true);
    return;
  }
  uint32_t epoch = (uint32_t)tl_load_le(frame->rekey.bytes, 4);
  if (is_first)
    answer(link, now, epoch, frame->rekey.bytes + 4);
  else
    take_answer(link, now, epoch, frame->rekey.bytes + 4);
  tl_link_touch(link);
}
