#include <sodium.h>
#include <string.h>

#include "core/bytes.h"
#include "core/error.h"
#include "core/wire/packet.h"
#include "crypto/peer_internal.h"
#include "crypto/refusal.h"

void tl_secrets_wipe(struct tl_secrets *secrets) {
  sodium_memzero(secrets, sizeof *secrets);
}

void tl_peer_prologue(const uint8_t fabric_id[16], const uint8_t *hello,
                      const uint8_t responder_id[16], uint8_t out[TL_PROLOGUE_BYTES]) {
  static const char label[14] = "tul1 prologue"; /* with its zero */
  struct tl_writer w = tl_writer_on(out, TL_PROLOGUE_BYTES);
  tl_write_bytes(&w, label, sizeof label);
  tl_write_bytes(&w, fabric_id, 16);
  tl_write_bytes(&w, hello, TL_HELLO_PROLOGUE_BYTES - 16);
  tl_write_bytes(&w, responder_id, 16);
  TL_ASSERT(!w.failed && !tl_writer_left(&w));
}

void tl_peer_secrets(const struct tl_noise *noise, struct tl_secrets *out) {
  tl_noise_split(noise, out->initiator, out->responder);
  memcpy(out->hash, noise->h, sizeof out->hash);
}

/* Our own key, or our own ephemeral, coming back: somebody holds up a mirror. */
static bool is_self(const struct tl_self *self, const struct tl_noise *noise) {
  return sodium_memcmp(noise->rs, self->identity->key, 32) == 0 ||
         sodium_memcmp(noise->re, noise->e, 32) == 0;
}

static bool has_version(const struct tl_packet_payload *p, uint8_t *out_version) {
  uint8_t version =
      p->max_version < TL_PROTOCOL_VERSION_MAX ? p->max_version : TL_PROTOCOL_VERSION_MAX;
  *out_version = version;
  return version >= p->min_version && version >= TL_PROTOCOL_VERSION_MIN;
}

static int certificate_of_member(const struct tl_self *self, const struct tl_packet_payload *p,
                                 struct tl_peer_info *peer) {
  if (!p->certificate) return TL_REFUSED_CERTIFICATE;
  return tl_trust_check(self->trust, p->certificate, TL_CERTIFICATE_BYTES, peer->key, self->wall_s,
                        &peer->certificate);
}

/* The key was checked against the token already; the signature waits for the grant. */
static int certificate_of_inviter(const struct tl_packet_payload *p, const uint8_t fabric_id[16],
                                  struct tl_peer_info *peer) {
  struct tl_certificate *c = &peer->certificate;
  if (!p->certificate || tl_certificate_decode(p->certificate, TL_CERTIFICATE_BYTES, c) < 0)
    return TL_REFUSED_CERTIFICATE;
  if (sodium_memcmp(c->fabric_id, fabric_id, 16) != 0) return TL_REFUSED_CERTIFICATE_FABRIC;
  if (sodium_memcmp(c->key, peer->key, 32) != 0) return TL_REFUSED_CERTIFICATE_KEY;
  peer->is_inviter = true;
  return 0;
}

static int certificate_of_newcomer(const struct tl_self *self, uint64_t now_ns,
                                   const struct tl_packet_payload *p, const uint8_t id[8],
                                   struct tl_peer_info *peer) {
  if (p->certificate) return TL_REFUSED_PAYLOAD;
  peer->joining = true;
  memcpy(peer->invitation_id, id, 8);
  return tl_trust_check_invitation(self->trust, now_ns, id, peer->key);
}

static int examine_certificate(const struct tl_self *self, uint64_t now_ns,
                               const struct tl_peer_expectation *expected,
                               const struct tl_packet_payload *p, struct tl_peer_info *peer) {
  int r;
  if (expected->kind == TL_PEER_NEWCOMER)
    return certificate_of_newcomer(self, now_ns, p, expected->invitation_id, peer);
  if (expected->kind == TL_PEER_INVITER)
    r = certificate_of_inviter(p, expected->fabric_id, peer);
  else
    r = certificate_of_member(self, p, peer);
  if (r != 0) return r;
  peer->has_certificate = true;
  peer->roles = peer->certificate.roles;
  memcpy(peer->certificate_bytes, p->certificate, TL_CERTIFICATE_BYTES);
  memcpy(peer->name, peer->certificate.name, sizeof peer->name);
  return 0;
}

int tl_peer_examine(const struct tl_self *self, uint64_t now_ns, const struct tl_noise *noise,
                    const struct tl_peer_expectation *expected, const uint8_t *payload,
                    size_t payload_bytes, struct tl_peer_info *out) {
  struct tl_packet_payload p;
  struct tl_peer_info peer = {0};
  if (is_self(self, noise)) return TL_REFUSED_SELF;
  memcpy(peer.key, noise->rs, 32);
  tl_node_id_of(peer.key, peer.node_id);
  if (expected->node_id && sodium_memcmp(expected->node_id, peer.node_id, 16) != 0)
    return TL_REFUSED_OTHER_NODE;
  if (tl_packet_payload_decode(payload, payload_bytes, &p) < 0) return TL_REFUSED_PAYLOAD;
  if (!has_version(&p, &peer.version)) return TL_REFUSED_PROTOCOL;
  int r = examine_certificate(self, now_ns, expected, &p, &peer);
  if (r != 0) return r;
  r = tl_clone_watch_note(self->clones, self->parameters, now_ns, peer.key, p.boot_id);
  if (r != 0) return r;
  memcpy(peer.boot_id, p.boot_id, 16);
  peer.features = p.features;
  peer.revocation_version = p.revocation_version;
  peer.udp_port = p.udp_port;
  peer.tcp_port = p.tcp_port;
  peer.max_record = p.max_record;
  *out = peer;
  return 0;
}
