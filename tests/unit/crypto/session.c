/*
 * Live sessions: what is sealed is opened once, by the peer, in its place; keys change under traffic; and
 * nothing that is changed, cut, replayed or moved to another channel is opened. A ledger watches every
 * encryption (T-06).
 */
#include "crypto/session.h"

#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/error.h"
#include "core/time.h"
#include "crypto/aead.h"
#include "crypto/rekey.h"
#include "tests/support/ledger.h"
#include "tests/support/node_fixture.h"
#include "tests/unit/test.h"

#define NOW (10 * TL_S)

struct rig {
  struct node_fixture anna, bert; /* bert is the initiator */
  struct session_pair pair;
};

static void rig_init(struct rig *rig) {
  node_fixture_init(&rig->anna, 1, "anna");
  node_fixture_init(&rig->bert, 2, "bert");
  node_fixture_join(&rig->bert, &rig->anna, TL_S);
  ledger_start();
}

static void rig_connect(struct rig *rig) {
  session_pair_init(&rig->pair, &rig->bert, &rig->anna, NOW);
}

static int setup(void **state) {
  struct rig *rig = calloc(1, sizeof *rig);
  rig_init(rig);
  rig_connect(rig);
  *state = rig;
  return 0;
}

/* With limits of the test's own: rig_connect() comes later. */
static int setup_unconnected(void **state) {
  struct rig *rig = calloc(1, sizeof *rig);
  rig_init(rig);
  *state = rig;
  return 0;
}

static int teardown(void **state) {
  struct rig *rig = *state;
  assert_true(ledger_count() > 0);
  assert_int_equal(ledger_stop(), 0);
  session_pair_deinit(&rig->pair);
  node_fixture_deinit(&rig->anna);
  node_fixture_deinit(&rig->bert);
  free(rig);
  return 0;
}

struct packet {
  uint8_t bytes[256];
  size_t size;
  uint64_t counter;
};

static void seal_at(struct tl_session *from, uint64_t now, unsigned channel, const char *text,
                    struct packet *out) {
  memcpy(out->bytes + TL_PACKET_HEAD_BYTES, text, strlen(text));
  assert_int_equal(
      tl_session_seal(from, now, channel, out->bytes, strlen(text), &out->size, &out->counter), 0);
  assert_int_equal(out->size, strlen(text) + TL_PACKET_OVERHEAD);
}

static void seal(struct tl_session *from, unsigned channel, const char *text, struct packet *out) {
  seal_at(from, NOW, channel, text, out);
}

/* On a copy: a packet can be opened again. */
static int open_at(struct tl_session *to, uint64_t now, unsigned channel, const struct packet *p,
                   const char *text) {
  struct tl_opened opened;
  struct packet copy = *p;
  int r = tl_session_open(to, now, channel, copy.bytes, copy.size, &opened);
  if (r != 0) return r;
  assert_int_equal(opened.plain_bytes, strlen(text));
  assert_memory_equal(opened.plain, text, strlen(text));
  assert_int_equal(opened.counter, p->counter);
  return 0;
}

static int open(struct tl_session *to, unsigned channel, const struct packet *p, const char *text) {
  return open_at(to, NOW, channel, p, text);
}

static uint64_t refused(const struct tl_session *s, int reason) {
  return tl_session_stats(s)->refusals.count[reason - TL_REFUSED_SIZE];
}

/* ---- UDP ---- */

static void both_directions(void **state) {
  struct rig *rig = *state;
  struct packet p;
  for (int i = 0; i < 1000; i++) {
    seal(rig->pair.initiator, 0, "there", &p);
    assert_int_equal(open(rig->pair.responder, 0, &p, "there"), 0);
    seal(rig->pair.responder, 0, "back", &p);
    assert_int_equal(open(rig->pair.initiator, 0, &p, "back"), 0);
  }
  assert_int_equal(tl_session_stats(rig->pair.responder)->opened_packets, 1000);
  assert_int_equal(tl_session_stats(rig->pair.initiator)->sealed_bytes, 1000 * (5 + 32));
}

static void empty_and_large(void **state) {
  struct rig *rig = *state;
  static uint8_t bytes[65535 + 16 + 1];
  size_t size;
  uint64_t counter;
  struct tl_opened opened;
  static const size_t sizes[] = {0, 1, 15, 16, 17, 1168, 8900, 65000};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    memset(bytes + 16, (int)i, sizes[i]);
    assert_int_equal(tl_session_seal(rig->pair.initiator, NOW, 0, bytes, sizes[i], &size, &counter),
                     0);
    assert_int_equal(tl_session_open(rig->pair.responder, NOW, 0, bytes, size, &opened), 0);
    assert_int_equal(opened.plain_bytes, sizes[i]);
    assert_ptr_equal(opened.plain, bytes + 16);
    for (size_t j = 0; j < sizes[i]; j++) assert_int_equal(opened.plain[j], (int)i);
  }
}

/* One number in each block of 256 is left out, and not always the same. */
static void numbers_are_skipped(void **state) {
  struct rig *rig = *state;
  struct packet p;
  uint64_t expected = 0, places[20] = {0};
  unsigned skipped = 0;
  while (expected < 20 * 256) {
    assert_int_equal(tl_session_next_counter(rig->pair.initiator, 0) >= expected, 1);
    seal(rig->pair.initiator, 0, "x", &p);
    for (; expected < p.counter; expected++, skipped++) places[expected / 256] = expected % 256 + 1;
    assert_int_equal(p.counter, expected++);
  }
  assert_int_equal(skipped, 20);
  unsigned different = 0;
  for (int i = 0; i < 20; i++) {
    assert_true(places[i] > 0);
    different += places[i] != places[0];
  }
  assert_true(different > 10);
}

static void any_order_but_once(void **state) {
  struct rig *rig = *state;
  enum { COUNT = 3000 };
  static struct packet packets[COUNT];
  for (size_t i = 0; i < COUNT; i++) seal(rig->pair.initiator, 0, "once", &packets[i]);
  for (size_t i = 0; i < COUNT; i++) { /* 7 and COUNT have no common factor */
    const struct packet *p = &packets[i * 7 % COUNT];
    assert_int_equal(open(rig->pair.responder, 0, p, "once"), 0);
    assert_int_equal(open(rig->pair.responder, 0, p, "once"), TL_REFUSED_REPLAY);
  }
  for (size_t i = 0; i < COUNT; i++)
    assert_int_equal(open(rig->pair.responder, 0, &packets[i], "once"), TL_REFUSED_REPLAY);
}

static void only_the_highest_moves_a_path(void **state) {
  struct rig *rig = *state;
  struct packet first, second;
  struct tl_opened opened;
  seal(rig->pair.initiator, 0, "1", &first);
  seal(rig->pair.initiator, 0, "2", &second);
  assert_int_equal(tl_session_open(rig->pair.responder, NOW, 0, second.bytes, second.size, &opened),
                   0);
  assert_true(opened.is_highest);
  assert_int_equal(tl_session_open(rig->pair.responder, NOW, 0, first.bytes, first.size, &opened),
                   0);
  assert_false(opened.is_highest);
}

static void flipped_cut_and_extended(void **state) {
  struct rig *rig = *state;
  struct packet p;
  seal(rig->pair.initiator, 0, "every bit of this counts", &p);
  for (size_t bit = 0; bit < p.size * 8; bit++) {
    struct packet bad = p;
    bad.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    assert_true(open(rig->pair.responder, 0, &bad, "") > 0);
  }
  for (size_t size = 0; size <= p.size + 64; size++) {
    struct packet bad = p;
    bad.size = size;
    if (size != p.size) assert_true(open(rig->pair.responder, 0, &bad, "") > 0);
  }
  assert_true(refused(rig->pair.responder, TL_REFUSED_TAG) > 0);
  assert_int_equal(open(rig->pair.responder, 0, &p, "every bit of this counts"), 0);
}

/* A forged number far ahead does not move the window. */
static void a_forged_number_moves_nothing(void **state) {
  struct rig *rig = *state;
  struct packet p, forged;
  seal(rig->pair.initiator, 0, "good", &p);
  forged = p;
  tl_store_le(forged.bytes + 8, UINT64_C(1) << 40, 8);
  assert_int_equal(open(rig->pair.responder, 0, &forged, ""), TL_REFUSED_TAG);
  tl_store_le(forged.bytes + 8, UINT64_MAX, 8);
  assert_int_equal(open(rig->pair.responder, 0, &forged, ""), TL_REFUSED_REPLAY);
  assert_int_equal(open(rig->pair.responder, 0, &p, "good"), 0);
}

static void a_mirror_shows_nothing(void **state) {
  struct rig *rig = *state;
  struct packet p;
  seal(rig->pair.initiator, 0, "mine", &p);
  assert_int_equal(open(rig->pair.initiator, 0, &p, ""), TL_REFUSED_INDEX);
  struct tl_packet_data head;
  struct packet other;
  seal(rig->pair.responder, 0, "theirs", &other);
  assert_int_equal(tl_packet_data_decode(other.bytes, other.size, &head), 0);
  tl_store_le(p.bytes + 4, head.receiver_index, 4); /* to itself, with the right index */
  assert_int_equal(open(rig->pair.initiator, 0, &p, ""), TL_REFUSED_TAG);
}

/* ---- limits ---- */

static void ends_by_age(void **state) {
  struct rig *rig = *state;
  struct tl_session *s = rig->pair.initiator;
  struct tl_session_event event;
  struct packet p, late;
  uint64_t rekey_at = tl_session_deadline(s);
  assert_in_range(rekey_at, NOW + 110 * TL_S, NOW + 120 * TL_S);
  assert_int_equal(tl_session_poll(s, rekey_at - 1, &event), TL_EMPTY);
  assert_int_equal(tl_session_poll(s, rekey_at, &event), 0);
  assert_int_equal(event.kind, TL_SESSION_REKEY);
  assert_int_equal(tl_session_poll(s, rekey_at, &event), TL_EMPTY);
  assert_int_equal(tl_session_deadline(s), NOW + 180 * TL_S);
  seal_at(s, NOW + 180 * TL_S - 1, 0, "still", &p);
  seal_at(rig->pair.responder, NOW + 180 * TL_S - 1, 0, "late", &late);
  uint64_t counter;
  assert_int_equal(tl_session_seal(s, NOW + 180 * TL_S, 0, p.bytes, 1, &p.size, &counter),
                   TULLE_E_CLOSED);
  assert_int_equal(open_at(s, NOW + 180 * TL_S, 0, &late, ""), TL_REFUSED_INDEX);
  assert_int_equal(tl_session_poll(s, NOW + 180 * TL_S, &event), 0);
  assert_int_equal(event.kind, TL_SESSION_OVER);
  assert_int_equal(tl_session_poll(s, NOW + 180 * TL_S, &event), TL_EMPTY);
  assert_int_equal(tl_session_deadline(s), TL_NEVER);
  /* For good, even if the clock were turned back. */
  assert_int_equal(tl_session_seal(s, NOW, 0, p.bytes, 1, &p.size, &counter), TULLE_E_CLOSED);
}

static void ends_by_number(void **state) {
  struct rig *rig = *state;
  struct tl_session_event event;
  struct packet p;
  rig->bert.parameters.rekey_after_packets = 10;
  rig->bert.parameters.end_after_packets = 20;
  rig_connect(rig);
  struct tl_session *s = rig->pair.initiator;
  for (int i = 0; i < 5; i++) { /* both directions count */
    assert_int_equal(tl_session_poll(s, NOW, &event), TL_EMPTY);
    seal(s, 0, "x", &p);
    seal(rig->pair.responder, 0, "y", &p);
    assert_int_equal(open(s, 0, &p, "y"), 0);
  }
  assert_int_equal(tl_session_poll(s, NOW, &event), 0);
  assert_int_equal(event.kind, TL_SESSION_REKEY);
  for (int i = 0; i < 10; i++) seal(s, 0, "x", &p);
  assert_int_equal(tl_session_seal(s, NOW, 0, p.bytes, 1, &p.size, &p.counter), TULLE_E_CLOSED);
  assert_int_equal(tl_session_poll(s, NOW, &event), 0);
  assert_int_equal(event.kind, TL_SESSION_OVER);
}

static void rekeys_by_bytes(void **state) {
  struct rig *rig = *state;
  struct tl_session_event event;
  struct packet p;
  rig->bert.parameters.rekey_after_bytes = 100;
  rig_connect(rig);
  seal(rig->pair.initiator, 0, "0123456789", &p);
  assert_int_equal(tl_session_poll(rig->pair.initiator, NOW, &event), TL_EMPTY);
  seal(rig->pair.initiator, 0, "0123456789012345678901234567", &p);
  assert_int_equal(tl_session_poll(rig->pair.initiator, NOW, &event), 0);
  assert_int_equal(event.kind, TL_SESSION_REKEY);
}

static void ends_by_forgeries(void **state) {
  struct rig *rig = *state;
  struct tl_session_event event;
  struct packet p;
  rig->anna.parameters.end_after_forgeries = 5;
  rig_connect(rig);
  seal(rig->pair.initiator, 0, "good", &p);
  for (int i = 0; i < 5; i++) {
    struct packet bad = p;
    bad.bytes[20] ^= 1;
    assert_int_equal(tl_session_poll(rig->pair.responder, NOW, &event), TL_EMPTY);
    assert_int_equal(open(rig->pair.responder, 0, &bad, ""), TL_REFUSED_TAG);
  }
  assert_int_equal(open(rig->pair.responder, 0, &p, ""), TL_REFUSED_INDEX);
  assert_int_equal(tl_session_poll(rig->pair.responder, NOW, &event), 0);
  assert_int_equal(event.kind, TL_SESSION_OVER);
}

/* ---- TCP channels ---- */

struct channels {
  unsigned opener, accepter;
};

static struct channels attach(struct tl_session *opener, struct tl_session *accepter) {
  struct channels c;
  struct packet p;
  struct tl_opened opened;
  memcpy(p.bytes + 16, "hi", 2);
  assert_int_equal(tl_session_attach(opener, NOW, p.bytes, 2, &p.size, &c.opener), 0);
  assert_int_equal(tl_session_attach_accept(accepter, NOW, p.bytes, p.size, &opened, &c.accepter),
                   0);
  assert_int_equal(opened.plain_bytes, 2);
  assert_int_equal(tl_session_attach_answer(accepter, NOW, c.accepter, p.bytes, 0, &p.size), 0);
  assert_int_equal(tl_session_attach_confirm(opener, NOW, c.opener, p.bytes, p.size, &opened), 0);
  return c;
}

static void channels_carry_records(void **state) {
  struct rig *rig = *state;
  struct packet p;
  struct tl_session *i = rig->pair.initiator, *r = rig->pair.responder;
  struct channels there = attach(i, r), back = attach(r, i);
  for (uint64_t n = 0; n < 600; n++) { /* every number, none skipped */
    seal(i, there.opener, "a", &p);
    assert_int_equal(p.counter, n);
    assert_int_equal(open(r, there.accepter, &p, "a"), 0);
    seal(r, there.accepter, "b", &p);
    assert_int_equal(open(i, there.opener, &p, "b"), 0);
    seal(i, back.accepter, "c", &p);
    assert_int_equal(open(r, back.opener, &p, "c"), 0);
    seal(r, back.opener, "d", &p);
    assert_int_equal(open(i, back.accepter, &p, "d"), 0);
  }
}

static void channels_do_not_mix(void **state) {
  struct rig *rig = *state;
  struct packet p;
  struct tl_session *i = rig->pair.initiator, *r = rig->pair.responder;
  struct channels one = attach(i, r), two = attach(i, r), three = attach(r, i);
  seal(i, one.opener, "one", &p);
  assert_int_equal(open(r, two.accepter, &p, ""), TL_REFUSED_TAG);
  assert_int_equal(open(r, three.opener, &p, ""), TL_REFUSED_TAG);
  assert_int_equal(open(r, 0, &p, ""), TL_REFUSED_CHANNEL);
  assert_int_equal(open(r, one.accepter, &p, "one"), 0);
  struct packet data;
  seal(i, 0, "data", &data);
  assert_int_equal(open(r, one.accepter, &data, ""), TL_REFUSED_CHANNEL);
}

/* T-12: a record that is left out, doubled or moved ends the channel; nothing is skipped. */
static void records_have_an_order(void **state) {
  struct rig *rig = *state;
  struct packet p[4];
  struct tl_session *i = rig->pair.initiator, *r = rig->pair.responder;
  struct channels c = attach(i, r);
  for (int n = 0; n < 4; n++) seal(i, c.opener, "n", &p[n]);
  assert_int_equal(open(r, c.accepter, &p[1], ""), TL_REFUSED_COUNTER);
  assert_int_equal(open(r, c.accepter, &p[0], "n"), 0);
  assert_int_equal(open(r, c.accepter, &p[0], ""), TL_REFUSED_COUNTER);
  assert_int_equal(open(r, c.accepter, &p[2], ""), TL_REFUSED_COUNTER);
  assert_int_equal(open(r, c.accepter, &p[1], "n"), 0);
}

static void attach_is_taken_once(void **state) {
  struct rig *rig = *state;
  struct packet first, second, answer;
  struct tl_opened opened;
  unsigned a, b, channel;
  struct tl_session *i = rig->pair.initiator, *r = rig->pair.responder;
  assert_int_equal(tl_session_attach(i, NOW, first.bytes, 0, &first.size, &a), 0);
  assert_int_equal(tl_session_attach(i, NOW, second.bytes, 0, &second.size, &b), 0);
  struct packet copy = second;
  assert_int_equal(tl_session_attach_accept(r, NOW, copy.bytes, copy.size, &opened, &channel), 0);
  copy = second; /* the same number again, and a smaller one */
  assert_int_equal(tl_session_attach_accept(r, NOW, copy.bytes, copy.size, &opened, &channel),
                   TL_REFUSED_COUNTER);
  assert_int_equal(tl_session_attach_accept(r, NOW, first.bytes, first.size, &opened, &channel),
                   TL_REFUSED_COUNTER);
  tl_session_detach(r, channel); /* gone, but its number stays used */
  copy = second;
  assert_int_equal(tl_session_attach_accept(r, NOW, copy.bytes, copy.size, &opened, &channel),
                   TL_REFUSED_COUNTER);
  /* The opener's own ATTACH is no answer. */
  copy = second;
  assert_int_equal(tl_session_attach_confirm(i, NOW, b, copy.bytes, copy.size, &opened),
                   TL_REFUSED_INDEX);
  /* An answer belongs to one channel, and is taken once. */
  assert_int_equal(tl_session_attach(i, NOW, first.bytes, 0, &first.size, &channel), 0);
  unsigned accepted;
  assert_int_equal(tl_session_attach_accept(r, NOW, first.bytes, first.size, &opened, &accepted),
                   0);
  assert_int_equal(tl_session_attach_answer(r, NOW, accepted, answer.bytes, 0, &answer.size), 0);
  copy = answer;
  assert_int_equal(tl_session_attach_confirm(i, NOW, b, copy.bytes, copy.size, &opened),
                   TL_REFUSED_COUNTER);
  copy = answer;
  assert_int_equal(tl_session_attach_confirm(i, NOW, channel, copy.bytes, copy.size, &opened), 0);
  copy = answer;
  assert_int_equal(tl_session_attach_confirm(i, NOW, channel, copy.bytes, copy.size, &opened),
                   TL_REFUSED_CHANNEL);
}

static void attach_flipped(void **state) {
  struct rig *rig = *state;
  struct packet p;
  struct tl_opened opened;
  unsigned a, b;
  assert_int_equal(tl_session_attach(rig->pair.initiator, NOW, p.bytes, 3, &p.size, &a), 0);
  for (size_t bit = 0; bit < p.size * 8; bit++) {
    struct packet bad = p;
    bad.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    assert_true(tl_session_attach_accept(rig->pair.responder, NOW, bad.bytes, bad.size, &opened,
                                         &b) >= TL_REFUSED_SIZE);
  }
  assert_int_equal(tl_session_attach_accept(rig->pair.responder, NOW, p.bytes, p.size, &opened, &b),
                   0);
}

static void records_wait_for_the_answer(void **state) {
  struct rig *rig = *state;
  struct packet p, early, answer;
  struct tl_opened opened;
  unsigned a, b;
  struct tl_session *i = rig->pair.initiator, *r = rig->pair.responder;
  assert_int_equal(tl_session_attach(i, NOW, p.bytes, 0, &p.size, &a), 0);
  seal(i, a, "early", &early); /* the opener need not wait */
  assert_int_equal(tl_session_attach_accept(r, NOW, p.bytes, p.size, &opened, &b), 0);
  assert_int_equal(open(r, b, &early, "early"), 0);
  assert_int_equal(tl_session_attach_answer(r, NOW, b, answer.bytes, 0, &answer.size), 0);
  seal(r, b, "reply", &p);
  assert_int_equal(open(i, a, &p, ""), TL_REFUSED_CHANNEL); /* the answer was held back */
  assert_int_equal(tl_session_attach_confirm(i, NOW, a, answer.bytes, answer.size, &opened), 0);
  assert_int_equal(open(i, a, &p, "reply"), 0);
}

static void eight_channels_are_enough(void **state) {
  struct rig *rig = *state;
  struct packet p;
  struct tl_opened opened;
  unsigned channel;
  struct tl_session *i = rig->pair.initiator, *r = rig->pair.responder;
  for (unsigned n = 0; n < TL_CHANNELS_MAX; n++) attach(i, r);
  assert_int_equal(tl_session_attach(i, NOW, p.bytes, 0, &p.size, &channel), TL_FULL);
  tl_session_detach(i, 3);
  assert_int_equal(tl_session_attach(i, NOW, p.bytes, 0, &p.size, &channel), 0);
  assert_int_equal(channel, 3);
  assert_int_equal(tl_session_attach_accept(r, NOW, p.bytes, p.size, &opened, &channel), TL_FULL);
  assert_int_equal(
      tl_session_seal(i, NOW, 1, p.bytes, TL_RECORD_PLAIN_BYTES_MAX + 1, &p.size, &p.counter),
      TULLE_E_TOO_BIG);
}

/* ---- rekey ---- */

/* Both halves of a rekey; each side installs at its own time. */
struct rekey {
  struct tl_secrets at_initiator, at_responder;
  uint32_t index_i, index_r; /* new ones */
};

static void rekey_exchange(struct rig *rig, struct rekey *out) {
  uint8_t one[TL_REKEY_BYTES], two[TL_REKEY_BYTES];
  struct tl_rekey *rekey;
  uint32_t local, remote;
  out->index_i = tl_self_draw_index(&rig->bert.self);
  out->index_r = tl_self_draw_index(&rig->anna.self);
  assert_int_equal(tl_rekey_begin(&rig->bert.self, rig->pair.initiator, rig->anna.identity->key,
                                  out->index_i, one, &rekey),
                   0);
  assert_int_equal(tl_rekey_answer(&rig->anna.self, rig->pair.responder, rig->bert.identity->key,
                                   out->index_r, one, sizeof one, two, &out->at_responder, &remote),
                   0);
  assert_int_equal(remote, out->index_i);
  assert_int_equal(tl_rekey_finish(rekey, two, sizeof two, &out->at_initiator, &local, &remote), 0);
  assert_int_equal(local, out->index_i);
  assert_int_equal(remote, out->index_r);
  assert_memory_equal(&out->at_initiator, &out->at_responder, sizeof out->at_initiator);
  assert_int_equal(tl_rekey_finish(rekey, two, sizeof two, &out->at_initiator, &local, &remote),
                   TULLE_E_PROTOCOL);
  tl_rekey_free(rekey);
}

static void install_responder(struct rig *rig, const struct rekey *k, uint64_t now, int result) {
  assert_int_equal(
      tl_session_install(rig->pair.responder, now, &k->at_responder, k->index_r, k->index_i),
      result);
}

static void install_initiator(struct rig *rig, const struct rekey *k, uint64_t now) {
  assert_int_equal(
      tl_session_install(rig->pair.initiator, now, &k->at_initiator, k->index_i, k->index_r), 0);
}

static void keys_change_under_traffic(void **state) {
  struct rig *rig = *state;
  struct tl_session *i = rig->pair.initiator, *r = rig->pair.responder;
  struct packet before, during, after, back;
  struct rekey k;
  seal(i, 0, "before", &before);
  uint64_t last = before.counter;
  rekey_exchange(rig, &k);
  install_responder(rig, &k, NOW, 0);
  seal(i, 0, "during", &during); /* REPLY2 has not arrived yet */
  seal(r, 0, "old", &back);      /* and the responder does not send under the new keys first */
  assert_int_equal(open(i, 0, &back, "old"), 0);
  install_initiator(rig, &k, NOW);
  seal(i, 0, "after", &after);
  assert_true(after.counter > during.counter && during.counter > last); /* numbers run on */
  seal(r, 0, "old again", &back);
  assert_int_equal(open(i, 0, &back, "old again"), 0);
  assert_int_equal(tl_session_stats(r)->epoch, 0);
  assert_int_equal(open(r, 0, &after, "after"), 0); /* confirms */
  assert_int_equal(tl_session_stats(r)->epoch, 1);
  assert_int_equal(open(r, 0, &during, "during"), 0); /* old keys, late */
  assert_int_equal(open(r, 0, &during, ""), TL_REFUSED_REPLAY);
  seal(r, 0, "new", &back);
  assert_int_equal(open(i, 0, &back, "new"), 0);
  assert_int_equal(open(r, 0, &before, "before"), 0);
}

static void old_keys_go_after_ten_seconds(void **state) {
  struct rig *rig = *state;
  struct tl_session *i = rig->pair.initiator, *r = rig->pair.responder;
  struct packet before, too_late, after;
  struct tl_session_event event;
  struct tl_packet_data head;
  struct rekey k;
  seal(i, 0, "before", &before);
  seal(i, 0, "too late", &too_late);
  assert_int_equal(tl_packet_data_decode(before.bytes, before.size, &head), 0);
  rekey_exchange(rig, &k);
  install_responder(rig, &k, NOW, 0);
  install_initiator(rig, &k, NOW);
  seal(i, 0, "after", &after);
  assert_int_equal(open(r, 0, &after, "after"), 0);
  assert_true(tl_session_has_index(r, head.receiver_index) && tl_session_has_index(r, k.index_r));
  assert_int_equal(tl_session_deadline(r), NOW + 10 * TL_S);
  assert_int_equal(open_at(r, NOW + 10 * TL_S - 1, 0, &before, "before"), 0);
  assert_int_equal(open_at(r, NOW + 10 * TL_S, 0, &too_late, ""), TL_REFUSED_INDEX);
  assert_int_equal(tl_session_poll(r, NOW + 10 * TL_S, &event), 0);
  assert_int_equal(event.kind, TL_SESSION_RETIRED);
  assert_int_equal(event.index, head.receiver_index);
  assert_false(tl_session_has_index(r, head.receiver_index));
  assert_int_equal(tl_session_poll(r, NOW + 10 * TL_S, &event), TL_EMPTY);
}

/* A rekey starts the clock anew: a session lives as long as it is rekeyed. */
static void lives_from_rekey_to_rekey(void **state) {
  struct rig *rig = *state;
  struct packet p;
  struct tl_session_event event;
  uint64_t now = NOW;
  for (int round = 0; round < 20; round++) {
    struct rekey k;
    now = tl_session_deadline(rig->pair.initiator);
    while (tl_session_poll(rig->pair.initiator, now, &event) == 0)
      if (event.kind == TL_SESSION_REKEY) {
        rekey_exchange(rig, &k);
        install_responder(rig, &k, now, 0);
        install_initiator(rig, &k, now);
      }
    seal_at(rig->pair.initiator, now, 0, "on", &p);
    assert_int_equal(open_at(rig->pair.responder, now, 0, &p, "on"), 0);
    while (tl_session_poll(rig->pair.responder, now, &event) == 0) {
    }
  }
  assert_true(now > NOW + 1000 * TL_S);
  assert_int_equal(tl_session_stats(rig->pair.initiator)->epoch,
                   tl_session_stats(rig->pair.responder)->epoch);
}

static void a_second_rekey_waits(void **state) {
  struct rig *rig = *state;
  struct rekey k;
  rekey_exchange(rig, &k);
  install_responder(rig, &k, NOW, 0);
  install_responder(rig, &k, NOW, TL_FULL);
}

static void every_bit_of_a_rekey_counts(void **state) {
  struct rig *rig = *state;
  uint8_t one[TL_REKEY_BYTES], two[TL_REKEY_BYTES], out[TL_REKEY_BYTES];
  struct tl_rekey *rekey;
  struct tl_secrets secrets;
  uint32_t local, remote;
  const uint8_t *anna = rig->anna.identity->key, *bert = rig->bert.identity->key;
  assert_int_equal(tl_rekey_begin(&rig->bert.self, rig->pair.initiator, anna, 5, one, &rekey), 0);
  for (size_t bit = 0; bit < sizeof one * 8; bit++) {
    one[bit / 8] ^= (uint8_t)(1 << bit % 8);
    assert_int_equal(tl_rekey_answer(&rig->anna.self, rig->pair.responder, bert, 6, one, sizeof one,
                                     out, &secrets, &remote),
                     TULLE_E_PROTOCOL);
    one[bit / 8] ^= (uint8_t)(1 << bit % 8);
  }
  for (size_t size = 0; size < sizeof one; size++)
    assert_int_equal(tl_rekey_answer(&rig->anna.self, rig->pair.responder, bert, 6, one, size, out,
                                     &secrets, &remote),
                     TULLE_E_PROTOCOL);
  assert_int_equal(tl_rekey_answer(&rig->anna.self, rig->pair.responder, bert, 6, one, sizeof one,
                                   two, &secrets, &remote),
                   0);
  for (size_t bit = 0; bit < sizeof two * 8; bit++) {
    two[bit / 8] ^= (uint8_t)(1 << bit % 8);
    assert_int_equal(tl_rekey_finish(rekey, two, sizeof two, &secrets, &local, &remote),
                     TULLE_E_PROTOCOL);
    two[bit / 8] ^= (uint8_t)(1 << bit % 8);
  }
  /* Not under another peer's key, not mirrored, not by the other role. */
  assert_int_equal(tl_rekey_answer(&rig->anna.self, rig->pair.responder, anna, 6, one, sizeof one,
                                   out, &secrets, &remote),
                   TULLE_E_PROTOCOL);
  assert_int_equal(tl_rekey_finish(rekey, one, sizeof one, &secrets, &local, &remote),
                   TULLE_E_PROTOCOL);
  assert_int_equal(tl_rekey_finish(rekey, two, sizeof two, &secrets, &local, &remote), 0);
  tl_rekey_free(rekey);
}

/* An index of 0 is nobody's, so no honest side draws it. */
static void a_rekey_needs_an_index(void **state) {
  struct rig *rig = *state;
  uint8_t one[TL_REKEY_BYTES], two[TL_REKEY_BYTES];
  struct tl_rekey *rekey;
  struct tl_secrets secrets;
  uint32_t local, remote;
  const uint8_t *anna = rig->anna.identity->key, *bert = rig->bert.identity->key;
  assert_int_equal(tl_rekey_begin(&rig->bert.self, rig->pair.initiator, anna, 0, one, &rekey), 0);
  assert_int_equal(tl_rekey_answer(&rig->anna.self, rig->pair.responder, bert, 6, one, sizeof one,
                                   two, &secrets, &remote),
                   TULLE_E_PROTOCOL);
  tl_rekey_free(rekey);
  assert_int_equal(tl_rekey_begin(&rig->bert.self, rig->pair.initiator, anna, 5, one, &rekey), 0);
  assert_int_equal(tl_rekey_answer(&rig->anna.self, rig->pair.responder, bert, 0, one, sizeof one,
                                   two, &secrets, &remote),
                   0);
  assert_int_equal(tl_rekey_finish(rekey, two, sizeof two, &secrets, &local, &remote),
                   TULLE_E_PROTOCOL);
  tl_rekey_free(rekey);
}

/* T-07: a recorded REKEY1 means nothing in the next epoch, whose chain is another. */
static void a_rekey_is_not_replayed(void **state) {
  struct rig *rig = *state;
  uint8_t one[TL_REKEY_BYTES], out[TL_REKEY_BYTES];
  struct tl_rekey *rekey;
  struct tl_secrets secrets;
  struct packet p;
  struct rekey k;
  uint32_t remote;
  assert_int_equal(
      tl_rekey_begin(&rig->bert.self, rig->pair.initiator, rig->anna.identity->key, 5, one, &rekey),
      0);
  tl_rekey_free(rekey);
  rekey_exchange(rig, &k);
  install_responder(rig, &k, NOW, 0);
  install_initiator(rig, &k, NOW);
  seal(rig->pair.initiator, 0, "new", &p);
  assert_int_equal(open(rig->pair.responder, 0, &p, "new"), 0);
  assert_int_equal(tl_rekey_answer(&rig->anna.self, rig->pair.responder, rig->bert.identity->key, 6,
                                   one, sizeof one, out, &secrets, &remote),
                   TULLE_E_PROTOCOL);
}

/* TCP: the numbers of a channel run on, so that no record at the end of an epoch can be taken away. */
static void records_have_an_order_across_epochs(void **state) {
  struct rig *rig = *state;
  struct tl_session *i = rig->pair.initiator, *r = rig->pair.responder;
  struct packet first, last, next;
  struct rekey k;
  struct channels c = attach(i, r);
  seal(i, c.opener, "first", &first);
  assert_int_equal(open(r, c.accepter, &first, "first"), 0);
  seal(i, c.opener, "last of the old keys", &last);
  rekey_exchange(rig, &k);
  install_responder(rig, &k, NOW, 0);
  install_initiator(rig, &k, NOW);
  seal(i, c.opener, "first of the new keys", &next);
  assert_int_equal(next.counter, 2);
  assert_int_equal(open(r, c.accepter, &next, ""), TL_REFUSED_COUNTER);
  assert_int_equal(open(r, c.accepter, &last, "last of the old keys"), 0);
  assert_int_equal(open(r, c.accepter, &next, "first of the new keys"), 0); /* confirms too */
  assert_int_equal(tl_session_stats(r)->epoch, 1);
  seal(r, c.accepter, "back", &next);
  assert_int_equal(open(i, c.opener, &next, "back"), 0);
  struct channels later = attach(r, i); /* numbers of channels go on as well */
  seal(r, later.opener, "later", &next);
  assert_int_equal(open(i, later.accepter, &next, "later"), 0);
}

static void exporters_agree(void **state) {
  struct rig *rig = *state;
  uint8_t a[32], b[32], c[32];
  tl_session_exporter(rig->pair.initiator, "one", a);
  tl_session_exporter(rig->pair.responder, "one", b);
  tl_session_exporter(rig->pair.responder, "two", c);
  assert_memory_equal(a, b, 32);
  assert_memory_not_equal(a, c, 32);
}

/* ---- many steps: random traffic, rekeys, loss, reorder, replay, against what was really sent ---- */

enum { HISTORY = 4096 };

struct history {
  struct packet packets[HISTORY];
  bool delivered[HISTORY];
  size_t count;
};

static void random_traffic(void **state) {
  struct rig *rig = *state;
  static struct history history[2];
  struct tl_session *ends[2] = {rig->pair.initiator, rig->pair.responder};
  struct tl_session_event event;
  uint64_t now = NOW;
  unsigned rekeys = 0;
  memset(history, 0, sizeof history);
  for (unsigned step = 0; step < 20000; step++) {
    uint32_t dice = (uint32_t)tl_random_below(&rig->anna.random, 1000);
    size_t side = dice % 2;
    struct history *h = &history[side];
    now += TL_MS;
    if (dice < 400 && h->count < HISTORY) {
      seal_at(ends[side], now, 0, "payload", &h->packets[h->count++]);
    } else if (dice < 990 && h->count) {
      size_t pick = tl_random_below(&rig->anna.random, h->count);
      int r = open_at(ends[1 - side], now, 0, &h->packets[pick], "payload");
      if (h->delivered[pick]) assert_true(r == TL_REFUSED_REPLAY || r == TL_REFUSED_INDEX);
      if (r == 0) h->delivered[pick] = true;
    } else if (dice >= 990) {
      struct rekey k;
      struct packet p;
      rekey_exchange(rig, &k);
      install_responder(rig, &k, now, 0);
      install_initiator(rig, &k, now);
      seal_at(ends[0], now, 0, "confirm", &p);
      assert_int_equal(open_at(ends[1], now, 0, &p, "confirm"), 0);
      rekeys++;
    }
    for (size_t i = 0; i < 2; i++)
      while (tl_session_poll(ends[i], now, &event) == 0)
        assert_int_not_equal(event.kind, TL_SESSION_OVER);
  }
  assert_true(rekeys > 100);
}

#define RIG_TEST(f)     cmocka_unit_test_setup_teardown(f, setup, teardown)
#define LIMITED_TEST(f) cmocka_unit_test_setup_teardown(f, setup_unconnected, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      RIG_TEST(both_directions),
      RIG_TEST(empty_and_large),
      RIG_TEST(numbers_are_skipped),
      RIG_TEST(any_order_but_once),
      RIG_TEST(only_the_highest_moves_a_path),
      RIG_TEST(flipped_cut_and_extended),
      RIG_TEST(a_forged_number_moves_nothing),
      RIG_TEST(a_mirror_shows_nothing),
      RIG_TEST(ends_by_age),
      LIMITED_TEST(ends_by_number),
      LIMITED_TEST(rekeys_by_bytes),
      LIMITED_TEST(ends_by_forgeries),
      RIG_TEST(channels_carry_records),
      RIG_TEST(channels_do_not_mix),
      RIG_TEST(records_have_an_order),
      RIG_TEST(attach_is_taken_once),
      RIG_TEST(attach_flipped),
      RIG_TEST(records_wait_for_the_answer),
      RIG_TEST(eight_channels_are_enough),
      RIG_TEST(keys_change_under_traffic),
      RIG_TEST(old_keys_go_after_ten_seconds),
      RIG_TEST(lives_from_rekey_to_rekey),
      RIG_TEST(a_second_rekey_waits),
      RIG_TEST(every_bit_of_a_rekey_counts),
      RIG_TEST(a_rekey_needs_an_index),
      RIG_TEST(a_rekey_is_not_replayed),
      RIG_TEST(records_have_an_order_across_epochs),
      RIG_TEST(exporters_agree),
      RIG_TEST(random_traffic),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
