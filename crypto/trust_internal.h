/* What the files of the trust store share: its state as a value, and that value as text. */
#ifndef TL_CRYPTO_TRUST_INTERNAL_H
#define TL_CRYPTO_TRUST_INTERNAL_H

#include "crypto/trust.h"

/* Of the file: 1,024 members and a full revocation list take 290 KiB. */
#define TL_TRUST_BYTES_MAX (512u << 10)

#define GATE_CURRENT     0
#define GATE_PREVIOUS    1
#define GATE_INVITATIONS 2

struct tl_trust {
  struct tl_trust_config config;
  uint8_t own_key[32];
  uint8_t own_id[16];
  struct tl_trust_state *state;
  struct tl_authority *authority; /* NULL elsewhere */
  uint64_t last_generation;       /* of the last attempt to write, whatever became of it */
  bool is_recovered;
  bool file_is_bad; /* until the first write after a recovery */
  struct tl_gate gates[GATE_INVITATIONS + TL_INVITATIONS_MAX]; /* follow from the state */
};

/* ---- trust_store.c ---- */

/* Takes `next`, whatever happens: it becomes the state when it is on disk. */
int tl_trust_commit(struct tl_trust *t, struct tl_trust_state *next);

/* Frees `next` and returns `result`. */
int tl_trust_abandon(struct tl_trust_state *next, int result);

/* Makes a new authority, and a fabric of one under it the state of `t`. */
int tl_trust_fabric_begin(struct tl_trust *t, const struct tl_identity *identity,
                          const char *node_name, const char *fabric_name);

bool tl_trust_name_is_good(const char *name);
bool tl_trust_authority_fits(const struct tl_authority *authority, const uint8_t fabric_id[16]);

/* ---- trust.c ---- */

bool tl_trust_has_previous(const struct tl_trust_state *s, uint64_t now_ns);
bool tl_trust_invitation_is_alive(const struct tl_invitation *i, uint64_t now_ns);

/* ---- trust_authority.c ---- */

/* A copy to work on, where this node may change the membership now. TULLE_E_REFUSED. */
int tl_trust_membership_begin(const struct tl_trust *t, struct tl_trust_state **out_next);

/* ---- trust_state.c: a value that can be copied, changed and thrown away ---- */

/* In guarded memory, zero. NULL: out of memory, as for all that follow. */
struct tl_trust_state *tl_trust_state_new(void);
struct tl_trust_state *tl_trust_state_clone(const struct tl_trust_state *state);
struct tl_trust_state *tl_trust_state_free(struct tl_trust_state *state);

/* Replaces the revocation list; `list` must decode. 0 or TULLE_E_NO_MEMORY. */
int tl_trust_state_set_revocations(struct tl_trust_state *state, const uint8_t *list, size_t size);

/* Adds a member, or replaces the one with the same key. 0, TULLE_E_LIMIT, TULLE_E_NO_MEMORY. */
int tl_trust_state_put_member(struct tl_trust_state *state, const struct tl_member *member);

/* Begins an admission epoch; the present one becomes the previous. */
void tl_trust_admission_shift(struct tl_trust_state *s, const struct tl_parameters *parameters,
                              uint64_t now_ns, uint64_t epoch, const uint8_t secret[32]);

/* Drops the members that the list names, but never this node itself. */
void tl_trust_state_drop_revoked(struct tl_trust_state *state);

struct tl_invitation *tl_trust_state_invitation(const struct tl_trust_state *state,
                                                const uint8_t id[8]);
void tl_trust_state_drop_invitation(struct tl_trust_state *state, struct tl_invitation *invitation);

/* ---- trust_file.c: the text ---- */

/* The text in memory of its own, to be wiped and freed by the caller. 0 or TULLE_E_NO_MEMORY. */
int tl_trust_file_render(const struct tl_trust_state *state, uint8_t **out, size_t *out_size);

/* 0; TULLE_E_BAD_MESSAGE: not exactly what render writes; TULLE_E_NO_MEMORY. Checks the form and
 * the hash at the end; keys and signatures are the caller's to check. Invitations of another boot
 * are read and left out. */
int tl_trust_file_parse(const uint8_t *data, size_t size, const uint8_t boot_id[16],
                        struct tl_trust_state **out);

/* Writes the hash line for `size` bytes of text to `out`: "end ..." (TL_TRUST_END_BYTES). */
#define TL_TRUST_END_BYTES 49
void tl_trust_file_end(const uint8_t *text, size_t size, uint8_t out[TL_TRUST_END_BYTES]);

#endif
