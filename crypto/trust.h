/*
 * The trust store: what this node believes about its fabric, and the only place where that changes.
 *
 * It is one text file, `trust`, a record a line, that a person can read (docs/trust-store.md),
 * always whole: a change is written to a new file, synced, and renamed over the old one, which
 * stays as `trust.prev`. Every operation below that changes something has reached the disk when it
 * returns 0, and has changed nothing when it returns less: so a revocation, a new admission secret
 * or a used invitation is durable before anyone is told of it.
 *
 * `generation` and the version of the revocation list never go down. A damaged file is replaced by
 * `trust.prev` and the store is then `is_recovered`: its lists may be older than what this node
 * once knew, so it admits and revokes nobody until the authority's newest list has been heard. When
 * both are bad, loading fails.
 *
 * Times named _ns are CLOCK_BOOTTIME, so that an invitation ages while the machine sleeps.
 */
#ifndef TL_CRYPTO_TRUST_H
#define TL_CRYPTO_TRUST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/limits.h"
#include "core/wire/certificate.h"
#include "core/wire/grant.h"
#include "core/wire/revocation.h"
#include "core/wire/token.h"
#include "crypto/authority.h"
#include "crypto/disk.h"
#include "crypto/gate.h"
#include "crypto/identity.h"
#include "crypto/parameters.h"
#include "crypto/random.h"

#define TL_TRUST_FILE      "trust"
#define TL_TRUST_FILE_PREV "trust.prev"
#define TL_PINS_MAX        64

#define TL_ROLES_DEFAULT 0x1u /* a member: may offer and use services */
#define TL_ROLES_ADMIN   0x2u /* may administer the fabric */
#define TL_ROLES_INVITE  0x4u /* may have the authority invite; the certificate's flag says so too */

struct tl_invitation {
  uint8_t id[8];
  uint8_t secret[32];
  uint64_t expires_ns;
  uint32_t roles;
  bool is_used;
  uint8_t used_by[32];
  uint32_t failures; /* FINISHes that failed since the node started; not in the file */
};

struct tl_pin {
  uint8_t node_id[16];
  uint8_t key[32];
  char name[TL_NODE_NAME_BYTES_MAX + 1];
};

/* What the store holds, to be read by anyone and changed by the operations below only. */
struct tl_trust_state {
  uint64_t generation;
  uint8_t fabric_id[16];
  uint8_t authority_key[32];
  char fabric_name[TL_NODE_NAME_BYTES_MAX + 1];

  uint64_t admission_epoch;
  uint8_t admission_secret[32];
  bool has_previous; /* the epoch before, until previous_until_ns */
  uint64_t previous_epoch;
  uint8_t previous_secret[32];
  uint64_t previous_until_ns;

  uint8_t certificate[TL_CERTIFICATE_BYTES]; /* this node's */
  struct tl_certificate self;                /* the same, decoded */
  uint64_t last_serial;                      /* the authority's; 0 elsewhere */

  uint8_t boot_id[16]; /* the invitations are of this boot */
  size_t invitation_count;
  struct tl_invitation invitations[TL_INVITATIONS_MAX];

  size_t member_count; /* this node among them */
  struct tl_member *members;
  size_t pin_count;
  struct tl_pin pins[TL_PINS_MAX];

  uint8_t *revocations; /* the signed list; never absent */
  size_t revocations_bytes;
  struct tl_revocation_list list; /* points into it */
};

struct tl_trust;

struct tl_trust_config {
  const struct tl_disk *disk;
  const struct tl_random *random;
  const struct tl_parameters *parameters;
  uint8_t boot_id[16];
};

/* ---- life ---- */

/* Everything a node starts from, whatever it finds: loads identity and trust, or, where there is
 * neither, makes a node key, an authority, an admission secret and a fabric of one, written before
 * this returns. Needs no network. `node_name` and `fabric_name` matter only when they are made.
 * Borrows what `config` points to. TULLE_E_BAD_MESSAGE: a file is damaged (trust: both of them);
 * TULLE_E_REFUSED: others may read a key. */
int tl_trust_start(const struct tl_trust_config *config, uint64_t now_ns, const char *node_name,
                   const char *fabric_name, struct tl_identity **out_identity,
                   struct tl_trust **out_trust);

/* The trust file alone. TULLE_E_NOT_FOUND when there is none. */
int tl_trust_load(const struct tl_trust_config *config, uint64_t now_ns,
                  const struct tl_identity *identity, struct tl_trust **out);

/* Wipes and frees. Accepts NULL; returns NULL. */
struct tl_trust *tl_trust_free(struct tl_trust *trust);

/* Drops, durably, invitations and the previous admission secret whose time is over. They are
 * refused without this too; call it when tl_trust_deadline() says so. */
int tl_trust_expire(struct tl_trust *trust, uint64_t now_ns);

/* When there is something to drop next, or TL_NEVER. */
uint64_t tl_trust_deadline(const struct tl_trust *trust);

/* ---- asking ---- */

/* Valid until the next operation that changes the store. */
const struct tl_trust_state *tl_trust_state_of(const struct tl_trust *trust);

/* True on the one node that holds the authority's private key. */
bool tl_trust_is_authority(const struct tl_trust *trust);

/* True after a fall-back to trust.prev: an alarm. Until accept() or a list of the authority,
 * whatever would admit, note or revoke somebody returns TULLE_E_REFUSED. */
bool tl_trust_is_recovered(const struct tl_trust *trust);

/* A person has looked and goes on with what there is. The authority then signs a list and begins an
 * admission epoch of numbers that the lost file cannot have used. 0 also when nothing was wrong. */
int tl_trust_accept(struct tl_trust *trust, uint64_t now_ns);

/* True for a fabric of one: this node is the only member. */
bool tl_trust_is_alone(const struct tl_trust *trust);

/* A member by key, node id or name, or NULL. */
const struct tl_member *tl_trust_member_by_key(const struct tl_trust *trust, const uint8_t key[32]);
const struct tl_member *tl_trust_member_by_id(const struct tl_trust *trust,
                                              const uint8_t node_id[16]);
const struct tl_member *tl_trust_member_by_name(const struct tl_trust *trust, const char *name);

/* The keys behind a psk_id: an admission epoch, or an invitation when `join`. NULL when unknown,
 * expired, burnt or used up. Valid until the next change of the store. */
const struct tl_gate *tl_trust_gate(const struct tl_trust *trust, uint64_t now_ns, bool join,
                                    const uint8_t psk_id[8]);

/* The gate through which this node calls: the current admission epoch, or the one before (NULL when
 * there is none). */
const struct tl_gate *tl_trust_own_gate(const struct tl_trust *trust, uint64_t now_ns,
                                        bool previous);

/* May the owner of `key`, who shows this certificate, be talked to? Form, fabric, key, signature,
 * authority epoch, revocation. 0 or a refusal. Also for live sessions after a new revocation list.
 */
int tl_trust_check(const struct tl_trust *trust, const uint8_t *certificate, size_t size,
                   const uint8_t key[32], uint64_t wall_s, struct tl_certificate *out);

/* ---- the authority's operations (TULLE_E_REFUSED elsewhere) ---- */

/* Gives the fabric of one a name, or, with `leave`, makes a new fabric of one (new authority, new
 * admission secret) out of a node that was in another. TULLE_E_BUSY: it has other members and
 * `leave` is false. The one operation that does not ask for the authority. */
int tl_trust_create_fabric(struct tl_trust *trust, const struct tl_identity *identity,
                           const char *fabric_name, bool leave);

/* Gives this node, which holds the authority, another name: a new certificate for itself. TULLE_E_REFUSED on
 * other nodes; TULLE_E_EXISTS: a member has that name; TULLE_E_INVALID. */
int tl_trust_rename_node(struct tl_trust *trust, const char *node_name);

/* A new invitation for one newcomer with these roles, for `life_ns` (0: the default). `out` has no
 * addresses yet. TULLE_E_LIMIT: eight are outstanding. */
int tl_trust_invite(struct tl_trust *trust, uint64_t now_ns, uint64_t life_ns, uint32_t roles,
                    struct tl_token *out);

/* Takes an invitation back. TULLE_E_NOT_FOUND. */
int tl_trust_uninvite(struct tl_trust *trust, const uint8_t invitation_id[8]);

/* Admits the owner of `key` (proved by a JOIN handshake, peer_info.joining) under `name`: marks the
 * invitation used, adds the member, syncs, and only then gives JOIN_GRANT in *out_grant (free() it;
 * it is secret: wipe it after sending). The same key gets the same grant again while the invitation
 * lives; another key: TULLE_E_UNTRUSTED. TULLE_E_EXISTS: the name is another member's.
 * TULLE_E_INVALID: not a node name. TULLE_E_NOT_FOUND: no such invitation (any more). */
int tl_trust_admit(struct tl_trust *trust, uint64_t now_ns, const uint8_t invitation_id[8],
                   const uint8_t key[32], const char *name, uint8_t **out_grant, size_t *out_size);

/* Puts a member (and its serial) on a new revocation list and begins a new admission epoch.
 * TULLE_E_NO_PEER; TULLE_E_INVALID: this node itself. Then send the list, and the admission secret,
 * to the remaining members. */
int tl_trust_revoke(struct tl_trust *trust, uint64_t now_ns, const uint8_t key[32]);

/* ---- every member's operations ---- */

/* Takes JOIN_GRANT, which came through a JOIN handshake made with `token`: checks that the
 * authority's key hashes to the token's fabric, the certificate (it must be ours) and the list, and
 * stores all of it. TULLE_E_BUSY: this node has other members and `leave` is false.
 * TULLE_E_BAD_MESSAGE; TULLE_E_UNTRUSTED. */
int tl_trust_join(struct tl_trust *trust, const struct tl_identity *identity,
                  const struct tl_token *token, const uint8_t *grant, size_t size, bool leave);

/* Takes a newer signed list, drops those it names from the members. 0; TL_EMPTY: we have this
 * version or a newer one; TULLE_E_BAD_MESSAGE; TULLE_E_UNTRUSTED. */
int tl_trust_update_revocations(struct tl_trust *trust, const uint8_t *list, size_t size);

/* Takes a newer admission secret, which came in a session from `from_key`; believed only from the
 * authority's own node or where `from_key` is an administrator: that check is the caller's. The
 * present one becomes the previous. 0; TL_EMPTY: not newer. */
int tl_trust_update_admission(struct tl_trust *trust, uint64_t now_ns, uint64_t epoch,
                              const uint8_t secret[32]);

/* Notes a member seen with a valid certificate. 0, also when it was known (nothing is written
 * then); TULLE_E_LIMIT. */
int tl_trust_note_member(struct tl_trust *trust, const struct tl_certificate *certificate);

/* Trust on first use, by explicit command: a changed key is refused (TULLE_E_UNTRUSTED), never
 * learned again. */
int tl_trust_pin(struct tl_trust *trust, const uint8_t key[32], const char *name);

/* ---- used by the responder ---- */

/* 0 when `key` may use this invitation; TL_REFUSED_INVITATION or TL_REFUSED_INVITATION_USED. */
int tl_trust_check_invitation(const struct tl_trust *trust, uint64_t now_ns,
                              const uint8_t invitation_id[8], const uint8_t key[32]);

/* Counts a failed FINISH under an invitation; the third burns it, durably. */
void tl_trust_invitation_failed(struct tl_trust *trust, const uint8_t invitation_id[8]);

#endif
