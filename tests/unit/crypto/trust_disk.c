/*
 * T-50 and T-11: the trust store on a disk that fails, fills up, loses power between any two of its steps, or
 * damages any byte. What is loaded afterwards is the old state or the new one, never a third; and however
 * often the power fails, an invitation admits one key.
 */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/time.h"
#include "crypto/trust_internal.h"
#include "tests/support/node_fixture.h"
#include "tests/unit/test.h"

#define NOW (10 * TL_S)

/* ---- one operation, in every future ---- */

/* The moment before an operation: a disk, and the random numbers that the operation will draw. */
struct moment {
  struct disk_memory memory;
  struct tl_disk disk;
  struct seeded_random seeded;
  struct tl_trust_config config; /* borrows from the node that it was taken from */
  struct tl_random random;
  struct tl_identity *identity;
  struct tl_trust *trust;
};

static void moment_copy(const struct moment *from, struct moment *to) {
  *to = *from;
  disk_memory_copy(&from->memory, &to->memory, &to->disk);
  to->random = (struct tl_random){from->random.fill, &to->seeded};
  to->config.disk = &to->disk;
  to->config.random = &to->random;
  to->identity = NULL;
  to->trust = NULL;
}

static void moment_of(struct node_fixture *node, struct moment *out) {
  struct moment m = {.memory = node->memory,
                     .seeded = node->seeded,
                     .config = node->config,
                     .random = node->random};
  moment_copy(&m, out);
}

static int moment_start(struct moment *m) {
  return tl_trust_start(&m->config, NOW, "fresh", "fresh", &m->identity, &m->trust);
}

static void moment_stop(struct moment *m) {
  m->trust = tl_trust_free(m->trust);
  m->identity = tl_identity_free(m->identity);
}

static void moment_deinit(struct moment *m) {
  moment_stop(m);
  disk_memory_deinit(&m->memory);
}

/* The nodes and tokens that the operations below play with. */
static struct node_fixture anna, bert, carl;
static struct tl_token token;
static uint8_t *grant, *list;
static size_t grant_size, list_size;

typedef int operation(struct moment *m);

static int invite(struct moment *m) {
  struct tl_token out;
  return tl_trust_invite(m->trust, NOW, 0, 1, &out);
}

static int uninvite(struct moment *m) {
  return tl_trust_uninvite(m->trust, token.invitation_id);
}

static int admit(struct moment *m) {
  uint8_t *bytes = NULL;
  size_t size;
  int r =
      tl_trust_admit(m->trust, NOW, token.invitation_id, carl.identity->key, "carl", &bytes, &size);
  free(bytes);
  return r;
}

static int revoke(struct moment *m) {
  return tl_trust_revoke(m->trust, NOW, bert.identity->key);
}

static int name_fabric(struct moment *m) {
  return tl_trust_create_fabric(m->trust, m->identity, "again", true);
}

static int pin(struct moment *m) {
  return tl_trust_pin(m->trust, carl.identity->key, "carl");
}

static int join(struct moment *m) {
  return tl_trust_join(m->trust, m->identity, &token, grant, grant_size, true);
}

static int update_list(struct moment *m) {
  return tl_trust_update_revocations(m->trust, list, list_size);
}

static int update_admission(struct moment *m) {
  return tl_trust_update_admission(m->trust, NOW, 9, token.secret);
}

static int note(struct moment *m) {
  return tl_trust_note_member(m->trust, &tl_trust_state_of(carl.trust)->self);
}

static int nothing(struct moment *m) {
  (void)m;
  return 0;
}

/* A file as it is on disk, or nothing. */
struct file {
  uint8_t *bytes;
  size_t size;
};

static struct file file_of(struct moment *m, const char *name) {
  struct file f = {0};
  const uint8_t *bytes = disk_memory_file(&m->memory, name, &f.size);
  if (!bytes) return f;
  f.bytes = malloc(f.size + 1);
  assert_non_null(f.bytes);
  memcpy(f.bytes, bytes, f.size);
  return f;
}

static bool file_is(const struct file *a, const struct file *b) {
  return a->bytes && b->bytes && a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

/* What each future is compared with. */
struct outcome {
  const struct moment *before;
  operation *run;
  struct file old, new;
  unsigned steps;
};

static void outcome_init(struct outcome *o, const struct moment *before, operation *run) {
  struct moment m;
  *o = (struct outcome){.before = before, .run = run};
  moment_copy(before, &m);
  o->old = file_of(&m, TL_TRUST_FILE);
  assert_int_equal(moment_start(&m), 0);
  assert_int_equal(run(&m), 0);
  o->new = file_of(&m, TL_TRUST_FILE);
  o->steps = m.memory.steps;
  moment_deinit(&m);
}

static void outcome_deinit(struct outcome *o) {
  free(o->old.bytes);
  free(o->new.bytes);
}

/* Starts from what is there; it is the old state or the new one, and authority and fabric fit. */
static void check_start(const struct outcome *o, struct moment *m) {
  struct file trust = file_of(m, TL_TRUST_FILE);
  assert_int_equal(moment_start(m), 0);
  assert_false(tl_trust_is_recovered(m->trust));
  if (trust.bytes) assert_true(file_is(&trust, &o->old) || file_is(&trust, &o->new));
  bool is_own = tl_trust_state_of(m->trust)->last_serial > 0;
  assert_int_equal(tl_trust_is_authority(m->trust), is_own);
  free(trust.bytes);
}

static void power_fails_at(const struct outcome *o, unsigned step) {
  struct moment m;
  moment_copy(o->before, &m);
  m.memory.cut_at = step;
  if (moment_start(&m) == 0) (void)o->run(&m);
  assert_true(m.memory.is_dead);
  moment_stop(&m);
  for (size_t kept = 0; kept <= disk_memory_unsynced(&m.memory); kept++) {
    struct moment future;
    moment_copy(&m, &future);
    disk_memory_restart(&future.memory, kept);
    check_start(o, &future);
    moment_deinit(&future);
  }
  moment_deinit(&m);
}

static void step_fails_at(const struct outcome *o, unsigned step, int error) {
  struct moment m;
  moment_copy(o->before, &m);
  m.memory.fail_at = step;
  m.memory.fail_error = error;
  if (moment_start(&m) == 0) {
    uint64_t generation = tl_trust_state_of(m.trust)->generation;
    if (o->run(&m) < 0) {
      assert_int_equal(tl_trust_state_of(m.trust)->generation, generation);
      assert_int_equal(o->run(&m), 0); /* the running node goes on, and the next try succeeds */
      assert_true(tl_trust_state_of(m.trust)->generation > generation);
    }
  }
  moment_stop(&m);
  disk_memory_restart(&m.memory, 0);
  assert_int_equal(moment_start(&m), 0);
  assert_false(tl_trust_is_recovered(m.trust));
  bool is_own = tl_trust_state_of(m.trust)->last_serial > 0;
  assert_int_equal(tl_trust_is_authority(m.trust), is_own);
  moment_deinit(&m);
}

/* A step of one attempt fails, and the power goes in the next: no fabric is left without its key. */
static void fails_and_then_power_fails(struct node_fixture *node) {
  struct moment before, m, future;
  moment_of(node, &before);
  before.memory.steps = 0;
  for (unsigned step = 1; step < 20; step++)
    for (unsigned cut = step + 1; cut < step + 30; cut++) {
      moment_copy(&before, &m);
      m.memory.fail_at = step;
      m.memory.fail_error = TULLE_E_IO;
      m.memory.cut_at = cut;
      if (moment_start(&m) == 0)
        for (int i = 0; i < 3; i++) (void)name_fabric(&m);
      moment_stop(&m);
      for (size_t kept = 0; kept <= disk_memory_unsynced(&m.memory); kept++) {
        moment_copy(&m, &future);
        disk_memory_restart(&future.memory, kept);
        assert_int_equal(moment_start(&future), 0);
        assert_false(tl_trust_is_recovered(future.trust));
        bool is_own = tl_trust_state_of(future.trust)->last_serial > 0;
        assert_int_equal(tl_trust_is_authority(future.trust), is_own);
        moment_deinit(&future);
      }
      moment_deinit(&m);
    }
  moment_deinit(&before);
}

static void no_fabric_without_its_key(void **state) {
  (void)state;
  fails_and_then_power_fails(&bert);
}

static void in_every_future(struct node_fixture *node, operation *run) {
  struct moment before;
  struct outcome o;
  moment_of(node, &before);
  before.memory.steps = 0;
  outcome_init(&o, &before, run);
  assert_true(o.steps >= 6);
  for (unsigned step = 1; step <= o.steps; step++) {
    power_fails_at(&o, step);
    step_fails_at(&o, step, TULLE_E_IO);
    step_fails_at(&o, step, -28); /* ENOSPC */
    step_fails_at(&o, step, -30); /* EROFS */
  }
  outcome_deinit(&o);
  moment_deinit(&before);
}

static void every_operation(void **state) {
  (void)state;
  in_every_future(&anna, invite);
  in_every_future(&anna, uninvite);
  in_every_future(&anna, admit);
  in_every_future(&anna, revoke);
  in_every_future(&anna, name_fabric);
  in_every_future(&anna, pin);
  in_every_future(&bert, update_list);
  in_every_future(&bert, update_admission);
  in_every_future(&bert, note);
  in_every_future(&bert, name_fabric);
  in_every_future(&carl, join);
}

/* The first start of all: key, authority, state. */
static void the_first_start(void **state) {
  (void)state;
  struct node_fixture fresh;
  struct moment before;
  node_fixture_init(&fresh, 77, "fresh");
  disk_memory_deinit(&fresh.memory);
  disk_memory_init(&fresh.memory, &fresh.disk);
  moment_of(&fresh, &before);
  struct outcome o;
  outcome_init(&o, &before, nothing);
  for (unsigned step = 1; step <= o.steps; step++) {
    struct moment m;
    moment_copy(&before, &m);
    m.memory.cut_at = step;
    (void)moment_start(&m); /* behind the last sync it has begun, and only its key's name waits */
    assert_true(m.memory.is_dead);
    for (size_t kept = 0; kept <= disk_memory_unsynced(&m.memory); kept++) {
      struct moment future;
      moment_copy(&m, &future);
      disk_memory_restart(&future.memory, kept);
      assert_int_equal(moment_start(&future), 0); /* finishes what was begun */
      assert_true(tl_trust_is_authority(future.trust));
      uint8_t key[32];
      memcpy(key, future.identity->key, 32);
      moment_stop(&future);
      assert_int_equal(moment_start(&future), 0);
      assert_memory_equal(key, future.identity->key, 32);
      moment_deinit(&future);
    }
    moment_deinit(&m);
  }
  outcome_deinit(&o);
  moment_deinit(&before);
  node_fixture_deinit(&fresh);
}

/* ---- damage ---- */

/* anna's disk with one file changed: what starting says. */
static int start_with(const char *name, const uint8_t *bytes, size_t size, bool *out_recovered) {
  struct moment m;
  moment_of(&anna, &m);
  disk_memory_put(&m.memory, name, bytes, size);
  int r = moment_start(&m);
  *out_recovered = r == 0 && tl_trust_is_recovered(m.trust);
  moment_deinit(&m);
  return r;
}

static void every_byte(const char *name, int result, bool recovered) {
  size_t size;
  bool got;
  const uint8_t *file = disk_memory_file(&anna.memory, name, &size);
  uint8_t *bytes = malloc(size + 1);
  assert_non_null(file);
  memcpy(bytes, file, size);
  for (size_t at = 0; at < size; at++) {
    bytes[at] ^= (uint8_t)(1 << at % 8);
    assert_int_equal(start_with(name, bytes, size, &got), result);
    assert_int_equal(got, recovered);
    bytes[at] ^= (uint8_t)(1 << at % 8);
  }
  for (size_t cut = 0; cut < size; cut++) {
    assert_int_equal(start_with(name, bytes, cut, &got), result);
    assert_int_equal(got, recovered);
  }
  assert_int_equal(start_with(name, bytes, size + 1, &got), result);
  free(bytes);
}

static void a_changed_byte_is_noticed(void **state) {
  (void)state;
  every_byte(TL_TRUST_FILE, 0, true);
  every_byte(TL_TRUST_FILE_PREV, 0, false); /* not needed */
  every_byte(TL_IDENTITY_FILE, TULLE_E_BAD_MESSAGE, false);
  every_byte(TL_AUTHORITY_FILE, TULLE_E_BAD_MESSAGE, false);
}

static void missing_files(void **state) {
  (void)state;
  bool recovered;
  assert_int_equal(start_with(TL_TRUST_FILE, NULL, 0, &recovered), 0);
  assert_true(recovered);
  assert_int_equal(start_with(TL_TRUST_FILE_PREV, NULL, 0, &recovered), 0);
  assert_false(recovered);
  /* A trust store whose key is gone is not an invitation to make a new one. */
  struct moment m;
  size_t size;
  moment_of(&anna, &m);
  disk_memory_put(&m.memory, TL_IDENTITY_FILE, NULL, 0);
  assert_int_equal(moment_start(&m), TULLE_E_BAD_MESSAGE);
  assert_null(disk_memory_file(&m.memory, TL_IDENTITY_FILE, &size));
  moment_deinit(&m);
  moment_of(&anna, &m);
  disk_memory_put(&m.memory, TL_AUTHORITY_FILE, NULL, 0);
  assert_int_equal(moment_start(&m), 0);
  assert_false(tl_trust_is_authority(m.trust));
  moment_deinit(&m);
}

static void both_damaged(void **state) {
  (void)state;
  struct moment m;
  moment_of(&anna, &m);
  disk_memory_put(&m.memory, TL_TRUST_FILE, (const uint8_t *)"x", 1);
  disk_memory_put(&m.memory, TL_TRUST_FILE_PREV, (const uint8_t *)"x", 1);
  assert_int_equal(moment_start(&m), TULLE_E_BAD_MESSAGE);
  moment_deinit(&m);
}

/* Another node's files, whole as they are, are not this node's. */
static void foreign_files(void **state) {
  (void)state;
  bool recovered;
  size_t size;
  const uint8_t *file = disk_memory_file(&bert.memory, TL_TRUST_FILE, &size);
  assert_int_equal(start_with(TL_TRUST_FILE, file, size, &recovered), 0);
  assert_true(recovered);
  file = disk_memory_file(&bert.memory, TL_IDENTITY_FILE, &size);
  assert_int_equal(start_with(TL_IDENTITY_FILE, file, size, &recovered), TULLE_E_BAD_MESSAGE);
  file = disk_memory_file(&carl.memory, TL_AUTHORITY_FILE, &size);
  assert_int_equal(start_with(TL_AUTHORITY_FILE, file, size, &recovered), 0);
  file = disk_memory_file(&anna.memory, TL_AUTHORITY_FILE, &size);
  assert_int_equal(start_with(TL_IDENTITY_FILE, file, size, &recovered), TULLE_E_BAD_MESSAGE);
}

/* Text that is well formed and well hashed, and contradicts itself. */
static void a_text_that_contradicts_itself(void **state) {
  (void)state;
  bool recovered;
  size_t size;
  const uint8_t *file = disk_memory_file(&anna.memory, TL_TRUST_FILE, &size);
  char *text = malloc(size + 1);
  memcpy(text, file, size);
  text[size] = 0;
  size_t body = size - TL_TRUST_END_BYTES;
  static const char *const places[] = {"fabric ", " authority=", "self ", "member ", " key="};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    char *at = strstr(text, places[i]) + strlen(places[i]);
    char good = *at;
    *at = good == 'b' ? 'c' : 'b';
    tl_trust_file_end((const uint8_t *)text, body, (uint8_t *)text + body);
    assert_int_equal(start_with(TL_TRUST_FILE, (const uint8_t *)text, size, &recovered), 0);
    assert_true(recovered);
    *at = good;
  }
  tl_trust_file_end((const uint8_t *)text, body, (uint8_t *)text + body);
  assert_int_equal(start_with(TL_TRUST_FILE, (const uint8_t *)text, size, &recovered), 0);
  assert_false(recovered);
  free(text);
}

/* ---- after a fall-back ---- */

static void a_recovered_store_waits(void **state) {
  (void)state;
  struct moment m;
  struct tl_token out;
  moment_of(&anna, &m);
  disk_memory_put(&m.memory, TL_TRUST_FILE, (const uint8_t *)"x", 1);
  assert_int_equal(moment_start(&m), 0);
  assert_true(tl_trust_is_recovered(m.trust));
  const struct tl_trust_state *s = tl_trust_state_of(m.trust);
  uint64_t generation = s->generation, serial = s->last_serial, epoch = s->admission_epoch;
  uint32_t version = s->list.version;
  assert_int_equal(tl_trust_invite(m.trust, NOW, 0, 1, &out), TULLE_E_REFUSED);
  assert_true(admit(&m) < 0);
  assert_int_equal(revoke(&m), TULLE_E_REFUSED);
  struct tl_certificate changed = tl_trust_state_of(carl.trust)->self;
  assert_int_equal(tl_trust_note_member(m.trust, &changed), TULLE_E_REFUSED);

  /* A person says go on: no number that the lost file may have used is used again. */
  assert_int_equal(tl_trust_accept(m.trust, NOW), 0);
  assert_false(tl_trust_is_recovered(m.trust));
  s = tl_trust_state_of(m.trust);
  assert_int_equal(s->generation, generation + 2);
  assert_int_equal(s->list.version, version + 2);
  assert_int_equal(s->admission_epoch, epoch + 2);
  assert_int_equal(s->previous_epoch, epoch);
  assert_int_equal(tl_trust_invite(m.trust, NOW, 0, 1, &out), 0);
  uint8_t *bytes;
  size_t size;
  assert_int_equal(
      tl_trust_admit(m.trust, NOW, out.invitation_id, carl.identity->key, "carl", &bytes, &size),
      0);
  free(bytes);
  assert_int_equal(tl_trust_member_by_name(m.trust, "carl")->serial, serial + 1);
  moment_deinit(&m);
}

static void the_authoritys_word_ends_the_wait(void **state) {
  (void)state;
  struct moment m;
  moment_of(&bert, &m);
  disk_memory_put(&m.memory, TL_TRUST_FILE, (const uint8_t *)"x", 1);
  assert_int_equal(moment_start(&m), 0);
  assert_true(tl_trust_is_recovered(m.trust));
  assert_int_equal(update_list(&m), 0);
  assert_false(tl_trust_is_recovered(m.trust));
  moment_deinit(&m);

  moment_of(&bert, &m); /* and so does a list that says nothing new */
  disk_memory_put(&m.memory, TL_TRUST_FILE, (const uint8_t *)"x", 1);
  assert_int_equal(moment_start(&m), 0);
  const struct tl_trust_state *s = tl_trust_state_of(m.trust);
  assert_int_equal(tl_trust_update_revocations(m.trust, s->revocations, s->revocations_bytes),
                   TL_EMPTY);
  assert_false(tl_trust_is_recovered(m.trust));
  moment_deinit(&m);
}

/* While trust.prev is all there is, the first write must not lose it. */
static void the_last_good_file_is_kept(void **state) {
  (void)state;
  struct moment before;
  moment_of(&anna, &before);
  disk_memory_put(&before.memory, TL_TRUST_FILE, (const uint8_t *)"x", 1);
  before.memory.steps = 0;
  for (unsigned step = 1; step < 12; step++) {
    struct moment m;
    moment_copy(&before, &m);
    m.memory.cut_at = step;
    if (moment_start(&m) == 0) (void)tl_trust_accept(m.trust, NOW);
    moment_stop(&m);
    size_t unsynced = disk_memory_unsynced(&m.memory);
    for (size_t kept = 0; kept <= unsynced; kept++) {
      struct moment future;
      moment_copy(&m, &future);
      disk_memory_restart(&future.memory, kept);
      assert_int_equal(moment_start(&future), 0);
      moment_deinit(&future);
    }
    moment_deinit(&m);
  }
  moment_deinit(&before);
}

/* ---- T-11: races for an invitation, with the power failing ---- */

/* Each run has eight invitations, three newcomers after each of them, and 20 tries. */
enum { RUNS = 1250, RACES = TL_INVITATIONS_MAX, NEWCOMERS = 3, TRIES = 20 };

struct race {
  struct tl_token token;
  int granted; /* which of its newcomers has been given a grant; -1: none */
};

static void newcomer_key(size_t race, size_t newcomer, uint8_t out[32]) {
  memset(out, 0, 32);
  out[0] = (uint8_t)race;
  out[1] = (uint8_t)(1 + newcomer);
}

static void race_try(struct moment *m, struct race *races, size_t race, size_t newcomer) {
  uint8_t key[32], *bytes;
  char name[] = "newcomer-0-0";
  size_t size;
  newcomer_key(race, newcomer, key);
  name[9] = (char)('0' + race);
  name[11] = (char)('0' + newcomer);
  const uint8_t *id = races[race].token.invitation_id;
  if (tl_trust_admit(m->trust, NOW, id, key, name, &bytes, &size) < 0) return;
  if (races[race].granted >= 0) assert_int_equal(races[race].granted, newcomer);
  races[race].granted = (int)newcomer;
  free(bytes);
}

/* At most one of them is a member, and if one has its grant, it is that one. */
static void race_check(const struct moment *m, const struct race *races, size_t race) {
  unsigned members = 0;
  for (size_t n = 0; n < NEWCOMERS; n++) {
    uint8_t key[32];
    newcomer_key(race, n, key);
    bool is_member = tl_trust_member_by_key(m->trust, key) != NULL;
    if (races[race].granted == (int)n) assert_true(is_member);
    members += is_member;
  }
  assert_true(members <= 1);
}

static void races_run(const struct moment *start, const struct tl_token *tokens,
                      const struct tl_random *dice) {
  struct moment m;
  struct race races[RACES];
  for (size_t i = 0; i < RACES; i++) races[i] = (struct race){tokens[i], -1};
  moment_copy(start, &m);
  assert_int_equal(moment_start(&m), 0);
  for (int i = 0; i < TRIES; i++) {
    m.memory.cut_at = m.memory.steps + 1 + (unsigned)tl_random_below(dice, 16);
    race_try(&m, races, tl_random_below(dice, RACES), tl_random_below(dice, NEWCOMERS));
    if (!m.memory.is_dead && tl_random_below(dice, 8)) continue;
    moment_stop(&m);
    disk_memory_restart(&m.memory, tl_random_below(dice, disk_memory_unsynced(&m.memory) + 1));
    assert_int_equal(moment_start(&m), 0);
  }
  for (size_t i = 0; i < RACES; i++) race_check(&m, races, i);
  moment_deinit(&m);
}

static void one_key_whatever_happens(void **state) {
  (void)state;
  struct node_fixture node;
  struct moment start;
  struct seeded_random seeded;
  struct tl_random dice = seeded_random_init(&seeded, 11);
  struct tl_token tokens[RACES];
  node_fixture_init(&node, 42, "inviter");
  for (size_t i = 0; i < RACES; i++)
    assert_int_equal(tl_trust_invite(node.trust, NOW, 0, 1, &tokens[i]), 0);
  moment_of(&node, &start);
  for (int i = 0; i < RUNS; i++) races_run(&start, tokens, &dice);
  moment_deinit(&start);
  node_fixture_deinit(&node);
}

static int setup(void **state) {
  (void)state;
  struct node_fixture dora;
  node_fixture_init(&anna, 1, "anna");
  node_fixture_init(&bert, 2, "bert");
  node_fixture_init(&carl, 3, "carl");
  node_fixture_init(&dora, 4, "dora");
  node_fixture_join(&bert, &anna, NOW);
  assert_int_equal(tl_trust_pin(bert.trust, dora.identity->key, "dora"), 0);
  /* A list that bert has not seen: anna revokes dora and is then set back to before. */
  struct moment later;
  moment_of(&anna, &later);
  assert_int_equal(moment_start(&later), 0);
  struct tl_token for_dora;
  uint8_t *bytes;
  size_t size;
  assert_int_equal(tl_trust_invite(later.trust, NOW, 0, 1, &for_dora), 0);
  assert_int_equal(tl_trust_admit(later.trust, NOW, for_dora.invitation_id, dora.identity->key,
                                  "dora", &bytes, &size),
                   0);
  free(bytes);
  assert_int_equal(tl_trust_revoke(later.trust, NOW, dora.identity->key), 0);
  const struct tl_trust_state *s = tl_trust_state_of(later.trust);
  list_size = s->revocations_bytes;
  list = malloc(list_size);
  memcpy(list, s->revocations, list_size);
  moment_deinit(&later);
  node_fixture_deinit(&dora);
  /* An invitation for carl, and the grant that it would give. */
  assert_int_equal(tl_trust_invite(anna.trust, NOW, 0, 1, &token), 0);
  moment_of(&anna, &later);
  assert_int_equal(moment_start(&later), 0);
  assert_int_equal(tl_trust_admit(later.trust, NOW, token.invitation_id, carl.identity->key, "carl",
                                  &grant, &grant_size),
                   0);
  moment_deinit(&later);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  node_fixture_deinit(&anna);
  node_fixture_deinit(&bert);
  node_fixture_deinit(&carl);
  free(grant);
  free(list);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_operation),
      cmocka_unit_test(no_fabric_without_its_key),
      cmocka_unit_test(the_first_start),
      cmocka_unit_test(a_changed_byte_is_noticed),
      cmocka_unit_test(missing_files),
      cmocka_unit_test(both_damaged),
      cmocka_unit_test(foreign_files),
      cmocka_unit_test(a_text_that_contradicts_itself),
      cmocka_unit_test(a_recovered_store_waits),
      cmocka_unit_test(the_authoritys_word_ends_the_wait),
      cmocka_unit_test(the_last_good_file_is_kept),
      cmocka_unit_test(one_key_whatever_happens),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
