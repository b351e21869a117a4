/*
 * key(dir, chan)    = H(TS_dir, "tul1 key" || chan || h)
 * attach(dir, chan) = H(TS_dir, "tul1 attach" || chan || h), for one message ever
 * chan: 0 is UDP; 2n the n-th TCP channel that the session's initiator opened, 2n+1 the n-th of its
 * responder
 *
 * The opener's bit in chan keeps two channels opened at the same time apart, and the attach key
 * keeps ATTACH, which carries its number as counter, apart from the record of the same number.
 */
#include "crypto/session.h"

#include <sodium.h>
#include <string.h>

#include "core/bytes.h"
#include "core/error.h"
#include "core/time.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/replay.h"

#define SKIP_BLOCK  256 /* one number in each is never used */
#define RETIRED_MAX 4
#define CHANNELS    (1 + TL_CHANNELS_MAX)

enum { SEND, RECEIVE };

/* What one handshake or rekey gave. */
struct epoch {
  bool is_live;
  uint32_t number;
  uint32_t local_index;
  uint32_t remote_index;
  uint64_t begun_ns;
  uint64_t packets;
  uint64_t bytes;
  uint64_t forgeries;
  uint8_t ts[2][32]; /* by direction: channels that are attached later need them */
  uint8_t hash[64];
  uint8_t chain[32];
  uint8_t keys[2][CHANNELS][32];
};

/* Counters belong to the channel, not to the epoch: they run on when the keys change. */
struct channel {
  bool is_open;
  bool may_seal; /* TCP: the accepting side has answered */
  bool may_open; /* TCP: the opening side has seen the answer */
  bool is_opener;
  uint64_t number; /* n */
  uint64_t send_next;
  uint64_t receive_next; /* TCP */
};

struct tl_session {
  const struct tl_parameters *parameters;
  const struct tl_random *random;
  bool is_initiator;
  bool is_over;
  bool over_told;
  bool rekey_told;

  struct epoch current;
  struct epoch previous; /* receives until previous_until_ns */
  struct epoch next;     /* responder only: receives, and becomes current with its first packet */
  uint64_t previous_until_ns;
  uint64_t rekey_at_ns;
  uint8_t exporter_root[32];

  struct channel channels[CHANNELS];
  uint64_t attach_sent; /* the highest n that each side has used as an opener */
  uint64_t attach_received;
  uint64_t skip; /* the number of the present block that UDP leaves out */
  struct tl_replay replay;

  uint32_t retired[RETIRED_MAX];
  size_t retired_count;
  struct tl_session_stats stats;
};

/* ---- keys ---- */

static uint64_t channel_id(const struct tl_session *s, const struct channel *c) {
  return 2 * c->number + (c->is_opener != s->is_initiator);
}

static void derive(const struct epoch *e, int direction, struct tl_bytes label, uint64_t channel,
                   uint8_t out[32]) {
  uint8_t id[8];
  tl_store_le(id, channel, sizeof id);
  struct tl_bytes parts[] = {label, {id, sizeof id}, {e->hash, sizeof e->hash}};
  tl_hash((struct tl_bytes){e->ts[direction], 32}, parts, 3, out, 32);
}

static void derive_channel(const struct tl_session *s, struct epoch *e, unsigned channel) {
  const struct channel *c = &s->channels[channel];
  uint64_t id = channel == TL_CHANNEL_UDP ? 0 : channel_id(s, c);
  for (int direction = SEND; direction <= RECEIVE; direction++)
    derive(e, direction, TL_BYTES_TEXT("tul1 key"), id, e->keys[direction][channel]);
}

static void epoch_begin(const struct tl_session *s, struct epoch *e, uint64_t now_ns,
                        const struct tl_secrets *secrets, uint32_t local_index,
                        uint32_t remote_index, uint32_t number) {
  struct tl_bytes hash = {secrets->hash, sizeof secrets->hash};
  *e = (struct epoch){.is_live = true,
                      .number = number,
                      .local_index = local_index,
                      .remote_index = remote_index,
                      .begun_ns = now_ns};
  memcpy(e->ts[SEND], s->is_initiator ? secrets->initiator : secrets->responder, 32);
  memcpy(e->ts[RECEIVE], s->is_initiator ? secrets->responder : secrets->initiator, 32);
  memcpy(e->hash, secrets->hash, sizeof e->hash);
  struct tl_bytes chain[] = {TL_BYTES_TEXT("tul1 chain"), {secrets->responder, 32}, hash};
  tl_hash((struct tl_bytes){secrets->initiator, 32}, chain, 3, e->chain, 32);
  for (unsigned i = 0; i < CHANNELS; i++)
    if (s->channels[i].is_open) derive_channel(s, e, i);
}

static void exporter_begin(struct tl_session *s, const struct tl_secrets *secrets) {
  struct tl_bytes parts[] = {
      TL_BYTES_TEXT("tul1 exp"), {secrets->initiator, 32}, {secrets->hash, sizeof secrets->hash}};
  tl_hash((struct tl_bytes){secrets->responder, 32}, parts, 3, s->exporter_root, 32);
}

void tl_session_exporter(const struct tl_session *session, const char *label, uint8_t out[32]) {
  tl_hash_pair(session->exporter_root, (struct tl_bytes){label, strlen(label)}, TL_BYTES_NONE, out);
}

/* ---- numbers ---- */

/* The next block's skipped number; the first block keeps number 0, which confirms the handshake. */
static void skip_draw(struct tl_session *s, uint64_t block) {
  uint64_t place = block ? tl_random_below(s->random, SKIP_BLOCK)
                         : 1 + tl_random_below(s->random, SKIP_BLOCK - 1);
  s->skip = block * SKIP_BLOCK + place;
}

static void number_advance(struct tl_session *s, unsigned channel) {
  struct channel *c = &s->channels[channel];
  c->send_next++;
  if (channel != TL_CHANNEL_UDP) return;
  if (c->send_next % SKIP_BLOCK == 0) skip_draw(s, c->send_next / SKIP_BLOCK);
  if (c->send_next != s->skip) return;
  c->send_next++;
  if (c->send_next % SKIP_BLOCK == 0) skip_draw(s, c->send_next / SKIP_BLOCK);
  if (c->send_next == s->skip) c->send_next++;
}

/* ---- life ---- */

static void timers_begin(struct tl_session *s) {
  const struct tl_parameters *p = s->parameters;
  uint64_t most = tl_time_min(p->rekey_jitter_ns, p->rekey_after_ns);
  uint64_t jitter = most ? tl_random_below(s->random, most) : 0;
  s->rekey_at_ns = tl_time_add(s->current.begun_ns, p->rekey_after_ns - jitter);
  s->rekey_told = false;
}

struct tl_session *tl_session_new(const struct tl_session_config *config, uint64_t now_ns,
                                  const struct tl_secrets *secrets, uint32_t local_index,
                                  uint32_t remote_index) {
  struct tl_session *s = sodium_malloc(sizeof *s);
  if (!s) return NULL;
  memset(s, 0, sizeof *s);
  s->parameters = config->parameters;
  s->random = config->random;
  s->is_initiator = config->is_initiator;
  s->channels[TL_CHANNEL_UDP] =
      (struct channel){.is_open = true, .may_seal = true, .may_open = true};
  tl_replay_init(&s->replay);
  skip_draw(s, 0);
  exporter_begin(s, secrets);
  epoch_begin(s, &s->current, now_ns, secrets, local_index, remote_index, 0);
  timers_begin(s);
  return s;
}

/* libsodium puts a page in front, and 16 bytes behind that see whether the data was overrun. */
size_t tl_session_memory_bytes(void) {
  const size_t page = 4096;
  return page + (sizeof(struct tl_session) + 16 + page - 1) / page * page;
}

struct tl_session *tl_session_free(struct tl_session *session) {
  sodium_free(session);
  return NULL;
}

/* ---- epochs ---- */

static void epoch_retire(struct tl_session *s, struct epoch *e) {
  if (!e->is_live) return;
  TL_ASSERT(s->retired_count < RETIRED_MAX);
  s->retired[s->retired_count++] = e->local_index;
  sodium_memzero(e, sizeof *e);
}

static void epoch_promote(struct tl_session *s, uint64_t now_ns, const struct epoch *e) {
  epoch_retire(s, &s->previous);
  s->previous = s->current;
  s->previous_until_ns = tl_time_add(now_ns, s->parameters->keep_old_ns);
  s->current = *e;
  s->stats.epoch = e->number;
  timers_begin(s);
}

void tl_session_chain(const struct tl_session *session, uint8_t out[32], uint32_t *out_epoch) {
  memcpy(out, session->current.chain, 32);
  *out_epoch = session->current.number + 1;
}

int tl_session_install(struct tl_session *session, uint64_t now_ns,
                       const struct tl_secrets *secrets, uint32_t local_index,
                       uint32_t remote_index) {
  struct tl_session *s = session;
  struct epoch e;
  if (s->next.is_live || s->retired_count > 1) return TL_FULL;
  epoch_begin(s, &e, now_ns, secrets, local_index, remote_index, s->current.number + 1);
  if (s->is_initiator)
    epoch_promote(s, now_ns, &e);
  else
    s->next = e;
  sodium_memzero(&e, sizeof e);
  return 0;
}

static struct epoch *epoch_of(struct tl_session *s, uint64_t now_ns, uint32_t index) {
  if (s->current.is_live && s->current.local_index == index) return &s->current;
  if (s->next.is_live && s->next.local_index == index) return &s->next;
  bool kept = s->previous.is_live && now_ns < s->previous_until_ns;
  return kept && s->previous.local_index == index ? &s->previous : NULL;
}

bool tl_session_has_index(const struct tl_session *session, uint32_t index) {
  const struct tl_session *s = session;
  return (s->current.is_live && s->current.local_index == index) ||
         (s->next.is_live && s->next.local_index == index) ||
         (s->previous.is_live && s->previous.local_index == index);
}

/* ---- sealing ---- */

static bool must_end(const struct tl_session *s, uint64_t now_ns) {
  const struct tl_parameters *p = s->parameters;
  const struct epoch *e = &s->current;
  return s->is_over || now_ns >= tl_time_add(e->begun_ns, p->end_after_ns) ||
         e->packets >= p->end_after_packets || e->forgeries >= p->end_after_forgeries;
}

static void count_sealed(struct tl_session *s, size_t size) {
  s->current.packets++;
  s->current.bytes += size;
  s->stats.sealed_packets++;
  s->stats.sealed_bytes += size;
}

static size_t seal(struct tl_session *s, const uint8_t key[32], uint8_t type, uint64_t counter,
                   uint64_t nonce, uint8_t *packet, size_t plain_bytes) {
  bool over_tcp = type != TL_PACKET_DATA;
  struct tl_packet_data head = {.type = type,
                                .length =
                                    over_tcp ? (uint16_t)(plain_bytes + TL_PACKET_TAG_BYTES) : 0,
                                .receiver_index = s->current.remote_index,
                                .counter = counter};
  tl_packet_data_encode(&head, packet);
  tl_aead_seal(key, nonce, packet, TL_PACKET_HEAD_BYTES, packet + TL_PACKET_HEAD_BYTES,
               plain_bytes);
  count_sealed(s, plain_bytes + TL_PACKET_OVERHEAD);
  return plain_bytes + TL_PACKET_OVERHEAD;
}

int tl_session_seal(struct tl_session *session, uint64_t now_ns, unsigned channel, uint8_t *packet,
                    size_t plain_bytes, size_t *out_size, uint64_t *out_counter) {
  struct tl_session *s = session;
  TL_ASSERT(channel < CHANNELS && s->channels[channel].may_seal);
  if (must_end(s, now_ns)) return TULLE_E_CLOSED;
  bool over_tcp = channel != TL_CHANNEL_UDP;
  if (over_tcp && plain_bytes > TL_RECORD_PLAIN_BYTES_MAX) return TULLE_E_TOO_BIG;
  uint64_t counter = s->channels[channel].send_next;
  number_advance(s, channel);
  *out_size = seal(s, s->current.keys[SEND][channel], over_tcp ? TL_PACKET_RECORD : TL_PACKET_DATA,
                   counter, counter, packet, plain_bytes);
  *out_counter = counter;
  return 0;
}

uint64_t tl_session_next_counter(const struct tl_session *session, unsigned channel) {
  TL_ASSERT(channel < CHANNELS);
  return session->channels[channel].send_next;
}

/* ---- opening ---- */

static int refuse(struct tl_session *s, int reason) {
  return tl_refuse(&s->stats.refusals, reason);
}

/* Finds the keys and checks the form; nothing is decrypted yet. */
static int head_check(struct tl_session *s, uint64_t now_ns, uint8_t type, const uint8_t *packet,
                      size_t size, struct tl_packet_data *out_head, struct epoch **out_epoch) {
  int fault = tl_packet_data_decode(packet, size, out_head);
  if (fault) return tl_refusal_of_fault(fault);
  if (out_head->type != type) return TL_REFUSED_CHANNEL;
  *out_epoch = must_end(s, now_ns) ? NULL : epoch_of(s, now_ns, out_head->receiver_index);
  return *out_epoch ? 0 : TL_REFUSED_INDEX;
}

static int open_body(struct tl_session *s, struct epoch *e, const uint8_t key[32], uint64_t nonce,
                     uint8_t *packet, size_t size) {
  if (tl_aead_open(key, nonce, packet, TL_PACKET_HEAD_BYTES, packet + TL_PACKET_HEAD_BYTES,
                   size - TL_PACKET_HEAD_BYTES) != 0) {
    if (++e->forgeries >= s->parameters->end_after_forgeries) s->is_over = true;
    return TL_REFUSED_TAG;
  }
  e->packets++;
  e->bytes += size;
  s->stats.opened_packets++;
  s->stats.opened_bytes += size;
  return 0;
}

/* The initiator sends under the next keys, so it has got REPLY2: they become ours for sending too.
 */
static void confirm_next(struct tl_session *s, uint64_t now_ns, const struct epoch *e) {
  if (e != &s->next) return;
  epoch_promote(s, now_ns, e);
  sodium_memzero(&s->next, sizeof s->next);
}

static struct tl_opened opened(uint8_t *packet, size_t size, uint64_t counter, bool is_highest) {
  return (struct tl_opened){.plain = packet + TL_PACKET_HEAD_BYTES,
                            .plain_bytes = size - TL_PACKET_OVERHEAD,
                            .counter = counter,
                            .is_highest = is_highest};
}

static int open_data(struct tl_session *s, uint64_t now_ns, uint8_t *packet, size_t size,
                     struct tl_opened *out) {
  struct tl_packet_data head;
  struct epoch *e;
  int r = head_check(s, now_ns, TL_PACKET_DATA, packet, size, &head, &e);
  if (r == 0 && !tl_replay_is_new(&s->replay, head.counter)) r = TL_REFUSED_REPLAY;
  if (r == 0) r = open_body(s, e, e->keys[RECEIVE][TL_CHANNEL_UDP], head.counter, packet, size);
  if (r != 0) return refuse(s, r);
  tl_replay_mark(&s->replay, head.counter);
  confirm_next(s, now_ns, e);
  *out = opened(packet, size, head.counter, head.counter + 1 == s->replay.next);
  return 0;
}

static int open_record(struct tl_session *s, uint64_t now_ns, unsigned channel, uint8_t *packet,
                       size_t size, struct tl_opened *out) {
  struct channel *c = &s->channels[channel];
  struct tl_packet_data head;
  struct epoch *e;
  if (!c->may_open) return refuse(s, TL_REFUSED_CHANNEL);
  int r = head_check(s, now_ns, TL_PACKET_RECORD, packet, size, &head, &e);
  if (r == 0 && head.counter != c->receive_next) r = TL_REFUSED_COUNTER;
  if (r == 0) r = open_body(s, e, e->keys[RECEIVE][channel], head.counter, packet, size);
  if (r != 0) return refuse(s, r);
  c->receive_next++;
  confirm_next(s, now_ns, e);
  *out = opened(packet, size, head.counter, true);
  return 0;
}

int tl_session_open(struct tl_session *session, uint64_t now_ns, unsigned channel, uint8_t *packet,
                    size_t size, struct tl_opened *out) {
  TL_ASSERT(channel < CHANNELS);
  return channel == TL_CHANNEL_UDP ? open_data(session, now_ns, packet, size, out)
                                   : open_record(session, now_ns, channel, packet, size, out);
}

/* ---- TCP channels ---- */

static unsigned channel_free(const struct tl_session *s) {
  for (unsigned i = 1; i < CHANNELS; i++)
    if (!s->channels[i].is_open) return i;
  return 0;
}

static void channel_begin(struct tl_session *s, unsigned channel, uint64_t number, bool is_opener) {
  s->channels[channel] = (struct channel){.is_open = true,
                                          .may_seal = is_opener,
                                          .may_open = !is_opener,
                                          .is_opener = is_opener,
                                          .number = number};
  struct epoch *epochs[] = {&s->current, &s->previous, &s->next};
  for (size_t i = 0; i < 3; i++)
    if (epochs[i]->is_live) derive_channel(s, epochs[i], channel);
}

/* ATTACH has its own key and uses it once, so its nonce is 0; its counter is n. */
static size_t seal_attach(struct tl_session *s, const struct channel *c, uint8_t *packet,
                          size_t plain_bytes) {
  uint8_t key[32];
  derive(&s->current, SEND, TL_BYTES_TEXT("tul1 attach"), channel_id(s, c), key);
  size_t size = seal(s, key, TL_PACKET_ATTACH, c->number, 0, packet, plain_bytes);
  sodium_memzero(key, sizeof key);
  return size;
}

static int open_attach(struct tl_session *s, struct epoch *e, const struct channel *c,
                       uint8_t *packet, size_t size) {
  uint8_t key[32];
  derive(e, RECEIVE, TL_BYTES_TEXT("tul1 attach"), channel_id(s, c), key);
  int r = open_body(s, e, key, 0, packet, size);
  sodium_memzero(key, sizeof key);
  return r;
}

int tl_session_attach(struct tl_session *session, uint64_t now_ns, uint8_t *packet,
                      size_t plain_bytes, size_t *out_size, unsigned *out_channel) {
  struct tl_session *s = session;
  unsigned channel = channel_free(s);
  TL_ASSERT(plain_bytes <= TL_RECORD_PLAIN_BYTES_MAX);
  if (must_end(s, now_ns)) return TULLE_E_CLOSED;
  if (!channel) return TL_FULL;
  channel_begin(s, channel, ++s->attach_sent, true);
  *out_size = seal_attach(s, &s->channels[channel], packet, plain_bytes);
  *out_channel = channel;
  return 0;
}

int tl_session_attach_accept(struct tl_session *session, uint64_t now_ns, uint8_t *packet,
                             size_t size, struct tl_opened *out, unsigned *out_channel) {
  struct tl_session *s = session;
  struct tl_packet_data head;
  struct epoch *e;
  unsigned channel = channel_free(s);
  int r = head_check(s, now_ns, TL_PACKET_ATTACH, packet, size, &head, &e);
  if (r != 0) return refuse(s, r);
  if (head.counter <= s->attach_received || head.counter > UINT64_MAX / 4)
    return refuse(s, TL_REFUSED_COUNTER);
  if (!channel) return TL_FULL;
  struct channel c = {.number = head.counter};
  r = open_attach(s, e, &c, packet, size);
  if (r != 0) return refuse(s, r);
  s->attach_received = head.counter;
  confirm_next(s, now_ns, e);
  channel_begin(s, channel, head.counter, false);
  *out = opened(packet, size, head.counter, true);
  *out_channel = channel;
  return 0;
}

int tl_session_attach_answer(struct tl_session *session, uint64_t now_ns, unsigned channel,
                             uint8_t *packet, size_t plain_bytes, size_t *out_size) {
  struct tl_session *s = session;
  struct channel *c = &s->channels[channel];
  TL_ASSERT(channel && channel < CHANNELS && c->is_open && !c->is_opener && !c->may_seal);
  TL_ASSERT(plain_bytes <= TL_RECORD_PLAIN_BYTES_MAX);
  if (must_end(s, now_ns)) return TULLE_E_CLOSED;
  c->may_seal = true; /* before sealing: an answer is made once */
  *out_size = seal_attach(s, c, packet, plain_bytes);
  return 0;
}

int tl_session_attach_confirm(struct tl_session *session, uint64_t now_ns, unsigned channel,
                              uint8_t *packet, size_t size, struct tl_opened *out) {
  struct tl_session *s = session;
  struct tl_packet_data head;
  struct epoch *e;
  TL_ASSERT(channel && channel < CHANNELS && s->channels[channel].is_opener);
  struct channel *c = &s->channels[channel];
  if (c->may_open) return refuse(s, TL_REFUSED_CHANNEL);
  int r = head_check(s, now_ns, TL_PACKET_ATTACH, packet, size, &head, &e);
  if (r == 0 && head.counter != c->number) r = TL_REFUSED_COUNTER;
  if (r == 0) r = open_attach(s, e, c, packet, size);
  if (r != 0) return refuse(s, r);
  c->may_open = true;
  confirm_next(s, now_ns, e);
  *out = opened(packet, size, head.counter, true);
  return 0;
}

void tl_session_detach(struct tl_session *session, unsigned channel) {
  struct tl_session *s = session;
  TL_ASSERT(channel && channel < CHANNELS);
  struct epoch *epochs[] = {&s->current, &s->previous, &s->next};
  for (size_t i = 0; i < 3; i++)
    for (int direction = SEND; direction <= RECEIVE; direction++)
      sodium_memzero(epochs[i]->keys[direction][channel], 32);
  s->channels[channel] = (struct channel){0};
}

/* ---- time ---- */

static bool is_rekey_due(const struct tl_session *s, uint64_t now_ns) {
  const struct tl_parameters *p = s->parameters;
  const struct epoch *e = &s->current;
  return !s->rekey_told && !s->next.is_live &&
         (now_ns >= s->rekey_at_ns || e->packets >= p->rekey_after_packets ||
          e->bytes >= p->rekey_after_bytes);
}

int tl_session_poll(struct tl_session *session, uint64_t now_ns, struct tl_session_event *out) {
  struct tl_session *s = session;
  if (s->previous.is_live && now_ns >= s->previous_until_ns) epoch_retire(s, &s->previous);
  if (s->retired_count) {
    uint32_t index = s->retired[--s->retired_count];
    *out = (struct tl_session_event){.kind = TL_SESSION_RETIRED, .index = index};
    return 0;
  }
  if (s->over_told) return TL_EMPTY;
  if (must_end(s, now_ns)) {
    s->is_over = s->over_told = true;
    *out = (struct tl_session_event){.kind = TL_SESSION_OVER};
    return 0;
  }
  if (!is_rekey_due(s, now_ns)) return TL_EMPTY;
  s->rekey_told = true;
  *out = (struct tl_session_event){.kind = TL_SESSION_REKEY};
  return 0;
}

uint64_t tl_session_deadline(const struct tl_session *session) {
  const struct tl_session *s = session;
  if (s->retired_count) return 0;
  uint64_t deadline = s->previous.is_live ? s->previous_until_ns : TL_NEVER;
  if (s->over_told) return deadline;
  if (s->is_over) return 0;
  deadline = tl_time_min(deadline, tl_time_add(s->current.begun_ns, s->parameters->end_after_ns));
  return s->rekey_told || s->next.is_live ? deadline : tl_time_min(deadline, s->rekey_at_ns);
}

const struct tl_session_stats *tl_session_stats(const struct tl_session *session) {
  return &session->stats;
}
