/*
 * The trust store on disk: reading, writing, and how it begins.
 *
 * Every change is made on a copy of the state, written to disk, and becomes the state only when it
 * is there: an operation that fails has changed nothing in memory. (The disk may then hold the new
 * file all the same, when only the last sync failed. That is safe: nobody was told.)
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/error.h"
#include "core/text.h"
#include "core/time.h"
#include "crypto/certificate.h"
#include "crypto/revocation.h"
#include "crypto/trust_internal.h"

#define TRUST_FILE_TMP         "trust.tmp"
#define TRUST_FILE_BYTES_USUAL (32u << 10)

/* ---- the file ---- */

static int absent_is_fine(int r) {
  return r == TULLE_E_NOT_FOUND ? 0 : r;
}

/* `keep_prev`: the present file is damaged or gone, and trust.prev is all there is. */
static int file_write(const struct tl_disk *d, const uint8_t *data, size_t size, bool keep_prev) {
  int r = d->write(d->context, TRUST_FILE_TMP, data, size);
  if (r == 0 && !keep_prev) {
    r = absent_is_fine(d->remove(d->context, TL_TRUST_FILE_PREV));
    if (r == 0) r = absent_is_fine(d->link(d->context, TL_TRUST_FILE, TL_TRUST_FILE_PREV));
  }
  if (r == 0) r = d->rename(d->context, TRUST_FILE_TMP, TL_TRUST_FILE);
  if (r == 0) r = d->sync_directory(d->context);
  return r;
}

static int file_read_within(const struct tl_trust_config *config, const char *name, size_t max,
                            struct tl_trust_state **out) {
  const struct tl_disk *d = config->disk;
  size_t size;
  uint8_t *data = malloc(max);
  if (!data) return TULLE_E_NO_MEMORY;
  int r = d->read(d->context, name, data, max, &size);
  if (r == 0) {
    r = tl_trust_file_parse(data, size, config->boot_id, out);
    sodium_memzero(data, size);
  }
  free(data);
  return r;
}

/* Most fabrics are small. */
static int file_read(const struct tl_trust_config *config, const char *name,
                     struct tl_trust_state **out) {
  int r = file_read_within(config, name, TRUST_FILE_BYTES_USUAL, out);
  if (r == TULLE_E_TOO_BIG) r = file_read_within(config, name, TL_TRUST_BYTES_MAX, out);
  return r == TULLE_E_TOO_BIG ? TULLE_E_BAD_MESSAGE : r;
}

/* ---- changes ---- */

static void gates_open(struct tl_trust *t) {
  const struct tl_trust_state *s = t->state;
  uint8_t epoch[8];
  sodium_memzero(t->gates, sizeof t->gates);
  tl_store_le(epoch, s->admission_epoch, 8);
  tl_gate_open(&t->gates[GATE_CURRENT], false, epoch, s->admission_secret, t->own_id);
  if (s->has_previous) {
    tl_store_le(epoch, s->previous_epoch, 8);
    tl_gate_open(&t->gates[GATE_PREVIOUS], false, epoch, s->previous_secret, t->own_id);
  }
  for (size_t i = 0; i < s->invitation_count; i++)
    tl_gate_open(&t->gates[GATE_INVITATIONS + i], true, s->invitations[i].id,
                 s->invitations[i].secret, t->own_id);
}

/* Takes `state`. */
static void state_install(struct tl_trust *t, struct tl_trust_state *state) {
  tl_trust_state_free(t->state);
  t->state = state;
  gates_open(t);
}

/* Takes `next`, whatever happens: it becomes the state when it is on disk. */
int tl_trust_commit(struct tl_trust *t, struct tl_trust_state *next) {
  uint8_t *text;
  size_t size;
  next->generation = ++t->last_generation;
  int r = tl_trust_file_render(next, &text, &size);
  if (r == 0) {
    r = file_write(t->config.disk, text, size, t->file_is_bad);
    sodium_memzero(text, size);
    free(text);
  }
  if (r == 0) {
    t->file_is_bad = false;
    state_install(t, next);
  } else {
    tl_trust_state_free(next);
  }
  return r;
}

int tl_trust_abandon(struct tl_trust_state *next, int result) {
  tl_trust_state_free(next);
  return result;
}

/* ---- life ---- */

/* A file that is whole but does not belong to this node, or to itself, is as bad as a damaged one.
 */
static bool state_is_consistent(const struct tl_trust_state *s,
                                const struct tl_identity *identity) {
  uint8_t fabric_id[16];
  struct tl_certificate self;
  struct tl_revocation_list list;
  tl_fabric_id_of(s->authority_key, fabric_id);
  if (memcmp(fabric_id, s->fabric_id, sizeof fabric_id) != 0) return false;
  if (tl_certificate_verify(s->certificate, sizeof s->certificate, s->authority_key, identity->key,
                            0, &self) != 0)
    return false;
  return tl_revocations_verify(s->revocations, s->revocations_bytes, s->authority_key, &list) == 0;
}

static int file_read_consistent(const struct tl_trust_config *config, const char *name,
                                const struct tl_identity *identity, struct tl_trust_state **out) {
  struct tl_trust_state *state;
  int r = file_read(config, name, &state);
  if (r < 0) return r;
  if (!state_is_consistent(state, identity)) return tl_trust_abandon(state, TULLE_E_BAD_MESSAGE);
  *out = state;
  return 0;
}

/* The newest state that is whole. What is missing beside a file that is there counts as damaged. */
static int state_read(const struct tl_trust_config *config, const struct tl_identity *identity,
                      struct tl_trust_state **out, bool *out_recovered) {
  int r = file_read_consistent(config, TL_TRUST_FILE, identity, out);
  *out_recovered = false;
  if (r != TULLE_E_BAD_MESSAGE && r != TULLE_E_NOT_FOUND) return r;
  int r_prev = file_read_consistent(config, TL_TRUST_FILE_PREV, identity, out);
  *out_recovered = r_prev == 0;
  if (r_prev == TULLE_E_NOT_FOUND) return r;
  return r_prev;
}

bool tl_trust_authority_fits(const struct tl_authority *authority, const uint8_t fabric_id[16]) {
  return memcmp(authority->fabric_id, fabric_id, 16) == 0;
}

/* The authority of this fabric from one file: *out stays NULL when it is another's, or absent. */
static int authority_read(const struct tl_disk *disk, const char *name, const uint8_t fabric_id[16],
                          struct tl_authority **out) {
  struct tl_authority *authority;
  int r = tl_authority_load(disk, name, &authority);
  if (r < 0) return absent_is_fine(r);
  if (tl_trust_authority_fits(authority, fabric_id))
    *out = authority;
  else
    tl_authority_free(authority);
  return 0;
}

/* A new fabric's key waits in a file of its own until the trust file that names it is in place; a
 * crash between the two is made good here. A damaged waiting key was never named by anything. */
static int authority_find(const struct tl_disk *disk, const uint8_t fabric_id[16],
                          struct tl_authority **out) {
  struct tl_authority *waiting = NULL;
  int r = authority_read(disk, TL_AUTHORITY_FILE_NEW, fabric_id, &waiting);
  if (r < 0 && r != TULLE_E_BAD_MESSAGE) return r;
  if (!waiting) return authority_read(disk, TL_AUTHORITY_FILE, fabric_id, out);
  r = disk->rename(disk->context, TL_AUTHORITY_FILE_NEW, TL_AUTHORITY_FILE);
  if (r == 0) r = disk->sync_directory(disk->context);
  if (r < 0) {
    tl_authority_free(waiting);
    return r;
  }
  *out = waiting;
  return 0;
}

static struct tl_trust *trust_new(const struct tl_trust_config *config,
                                  const struct tl_identity *identity) {
  struct tl_trust *t = sodium_malloc(sizeof *t);
  if (!t) return NULL;
  memset(t, 0, sizeof *t);
  t->config = *config;
  memcpy(t->own_key, identity->key, sizeof t->own_key);
  memcpy(t->own_id, identity->node_id, sizeof t->own_id);
  return t;
}

struct tl_trust *tl_trust_free(struct tl_trust *trust) {
  if (!trust) return NULL;
  tl_trust_state_free(trust->state);
  tl_authority_free(trust->authority);
  sodium_free(trust);
  return NULL;
}

/* The lost file was one generation ahead, and may have used one more serial. */
static void recover(struct tl_trust *t) {
  t->is_recovered = true;
  t->file_is_bad = true;
  t->last_generation++;
  if (t->authority) t->state->last_serial++;
}

int tl_trust_load(const struct tl_trust_config *config, uint64_t now_ns,
                  const struct tl_identity *identity, struct tl_trust **out) {
  struct tl_trust_state *state;
  bool recovered;
  int r = state_read(config, identity, &state, &recovered);
  if (r < 0) return r;
  struct tl_trust *t = trust_new(config, identity);
  if (!t) return tl_trust_abandon(state, TULLE_E_NO_MEMORY);
  if (state->previous_until_ns == TL_NEVER)
    state->previous_until_ns = tl_time_add(now_ns, config->parameters->previous_admission_ns);
  state_install(t, state);
  t->last_generation = state->generation;
  r = authority_find(config->disk, state->fabric_id, &t->authority);
  if (r < 0) {
    tl_trust_free(t);
    return r;
  }
  if (recovered) recover(t);
  *out = t;
  return 0;
}

/* A fabric of one as a value: certificate, empty list, admission secret, this node as its member.
 */
static int state_of_one(const struct tl_trust_config *config, const struct tl_identity *identity,
                        const struct tl_authority *authority, const char *node_name,
                        const char *fabric_name, struct tl_trust_state **out) {
  struct tl_certificate c = {.flags = TL_CERTIFICATE_MAY_INVITE,
                             .serial = 1,
                             .authority_epoch = 1,
                             .roles = TL_ROLES_DEFAULT | TL_ROLES_ADMIN};
  uint8_t list[TL_REVOCATION_LIST_BYTES(0)];
  struct tl_trust_state *s = tl_trust_state_new();
  if (!s) return TULLE_E_NO_MEMORY;
  memcpy(s->fabric_id, authority->fabric_id, 16);
  memcpy(s->authority_key, authority->key, 32);
  strcpy(s->fabric_name, fabric_name);
  memcpy(s->boot_id, config->boot_id, 16);
  s->admission_epoch = 1;
  tl_random_fill(config->random, s->admission_secret, 32);
  memcpy(c.key, identity->key, 32);
  strcpy(c.name, node_name);
  tl_certificate_issue(authority, &c, s->certificate);
  int r = tl_certificate_decode(s->certificate, sizeof s->certificate, &s->self);
  s->last_serial = 1;
  tl_revocations_sign(authority, 1, c.authority_epoch, NULL, 0, list);
  struct tl_member self = {.serial = c.serial, .roles = c.roles};
  memcpy(self.key, c.key, 32);
  strcpy(self.name, node_name);
  if (r == 0) r = tl_trust_state_set_revocations(s, list, sizeof list);
  if (r == 0) r = tl_trust_state_put_member(s, &self);
  if (r < 0) return tl_trust_abandon(s, r);
  *out = s;
  return 0;
}

bool tl_trust_name_is_good(const char *name) {
  return tl_name_is_valid(name, strlen(name), TL_NODE_NAME_BYTES_MAX);
}

/* `authority.key.new` is about to be written over. So no trust file on disk may still name what is in it: neither one of
 * a write that failed at its last sync, nor the present one, whose key could not be renamed. */
static int waiting_settle(struct tl_trust *t) {
  struct tl_authority *authority = NULL;
  int r = 0;
  if (!t->state) return 0;
  if (t->last_generation != t->state->generation) {
    struct tl_trust_state *again = tl_trust_state_clone(t->state);
    r = again ? tl_trust_commit(t, again) : TULLE_E_NO_MEMORY;
  }
  if (r == 0) r = authority_find(t->config.disk, t->state->fabric_id, &authority);
  tl_authority_free(authority);
  return r;
}

/* Makes a new authority and a fabric of one under it the state of `t`. */
int tl_trust_fabric_begin(struct tl_trust *t, const struct tl_identity *identity,
                          const char *node_name, const char *fabric_name) {
  const struct tl_disk *d = t->config.disk;
  uint8_t seed[32];
  struct tl_trust_state *next;
  if (!tl_trust_name_is_good(node_name) || !tl_trust_name_is_good(fabric_name))
    return TULLE_E_INVALID;
  int r = waiting_settle(t);
  if (r < 0) return r;
  tl_random_fill(t->config.random, seed, sizeof seed);
  struct tl_authority *authority = tl_authority_new(seed);
  sodium_memzero(seed, sizeof seed);
  if (!authority) return TULLE_E_NO_MEMORY;
  r = tl_authority_save(authority, d, TL_AUTHORITY_FILE_NEW);
  if (r == 0) r = state_of_one(&t->config, identity, authority, node_name, fabric_name, &next);
  if (r == 0) r = tl_trust_commit(t, next);
  if (r < 0) {
    tl_authority_free(authority);
    return r;
  }
  tl_authority_free(t->authority);
  t->authority = authority;
  t->is_recovered = false;
  /* It is done. A failure from here on leaves a file that the next start finds and renames. */
  if (d->rename(d->context, TL_AUTHORITY_FILE_NEW, TL_AUTHORITY_FILE) == 0)
    d->sync_directory(d->context);
  return 0;
}

static int trust_create(const struct tl_trust_config *config, const struct tl_identity *identity,
                        const char *node_name, const char *fabric_name, struct tl_trust **out) {
  struct tl_trust *t = trust_new(config, identity);
  if (!t) return TULLE_E_NO_MEMORY;
  int r = tl_trust_fabric_begin(t, identity, node_name, fabric_name);
  if (r < 0) {
    tl_trust_free(t);
    return r;
  }
  *out = t;
  return 0;
}

static bool file_is_absent(const struct tl_disk *d, const char *name) {
  uint8_t byte;
  size_t size;
  return d->read(d->context, name, &byte, 0, &size) == TULLE_E_NOT_FOUND;
}

/* A trust file without the key that it was made for means that the key was lost: that is for a
 * person to see. */
static int identity_start(const struct tl_trust_config *config, struct tl_identity **out) {
  int r = tl_identity_load(config->disk, out);
  if (r != TULLE_E_NOT_FOUND) return r;
  if (!file_is_absent(config->disk, TL_TRUST_FILE) ||
      !file_is_absent(config->disk, TL_TRUST_FILE_PREV))
    return TULLE_E_BAD_MESSAGE;
  return tl_identity_create(config->disk, config->random, out);
}

int tl_trust_start(const struct tl_trust_config *config, uint64_t now_ns, const char *node_name,
                   const char *fabric_name, struct tl_identity **out_identity,
                   struct tl_trust **out_trust) {
  struct tl_identity *identity;
  int r = identity_start(config, &identity);
  if (r < 0) return r;
  r = tl_trust_load(config, now_ns, identity, out_trust);
  if (r == TULLE_E_NOT_FOUND) r = trust_create(config, identity, node_name, fabric_name, out_trust);
  if (r < 0) {
    tl_identity_free(identity);
    return r;
  }
  *out_identity = identity;
  return 0;
}
