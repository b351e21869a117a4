/* Two trials: of a new address, and of the present one while another carrier is in use. */
#include "transport/link/route.h"

#include <string.h>

#include "core/time.h"

#define REPEAT_FIRST (100 * TL_MS)
#define REPEAT_MAX   (400 * TL_MS)

/* How much more than it sent an address may get before it has answered. */
#define AMPLIFICATION_MAX 3

void tl_route_init(struct tl_route *r, const struct tl_route_times *times,
                   const struct tl_address *address) {
  *r = (struct tl_route){.times = *times};
  if (!address) return;
  r->is_known = true;
  r->address = *address;
}

static void trial_begin(struct tl_route_trial *t, uint64_t now, const struct tl_address *address,
                        const uint8_t challenge[TL_ROUTE_CHALLENGE_BYTES]) {
  *t = (struct tl_route_trial){
      .is_on = true, .address = *address, .begun_at = now, .next_at = now, .wait = REPEAT_FIRST};
  memcpy(t->challenge, challenge, sizeof(t->challenge));
}

static bool may_propose(const struct tl_route *r, uint64_t now) {
  return !r->candidate.is_on && (!r->has_moved || now >= tl_time_add(r->moved_at, r->times.moves));
}

bool tl_route_received(struct tl_route *r, uint64_t now, const struct tl_address *from, size_t size,
                       bool is_highest, const uint8_t challenge[TL_ROUTE_CHALLENGE_BYTES]) {
  struct tl_route_trial *c = &r->candidate;
  if (r->is_known && tl_address_is_equal(from, &r->address)) return false;
  if (c->is_on && now >= tl_time_add(c->begun_at, r->times.life)) c->is_on = false;
  if (c->is_on && tl_address_is_equal(from, &c->address)) {
    c->bytes_in += size;
    return false;
  }
  if (!is_highest || !may_propose(r, now)) return false;
  trial_begin(c, now, from, challenge);
  c->bytes_in = size;
  return true;
}

void tl_route_probe(struct tl_route *r, uint64_t now,
                    const uint8_t challenge[TL_ROUTE_CHALLENGE_BYTES]) {
  if (!r->is_known || r->probe.is_on) return;
  trial_begin(&r->probe, now, &r->address, challenge);
}

void tl_route_probe_now(struct tl_route *r, uint64_t now) {
  if (r->probe.is_on && r->probe.next_at > now) r->probe.next_at = now;
}

void tl_route_probe_end(struct tl_route *r) {
  r->probe.is_on = false;
}

static bool candidate_poll(struct tl_route *r, uint64_t now, size_t size) {
  struct tl_route_trial *c = &r->candidate;
  if (!c->is_on || now < c->next_at) return false;
  if (now >= tl_time_add(c->begun_at, r->times.life)) {
    c->is_on = false;
    return false;
  }
  c->next_at = tl_time_add(now, c->wait);
  c->wait = tl_time_min(2 * c->wait, REPEAT_MAX);
  if (c->bytes_out + size > AMPLIFICATION_MAX * c->bytes_in) return false;
  c->bytes_out += size;
  return true;
}

static bool probe_poll(struct tl_route *r, uint64_t now) {
  struct tl_route_trial *p = &r->probe;
  if (!p->is_on || now < p->next_at) return false;
  p->next_at = tl_time_add(now, r->times.retry);
  return true;
}

bool tl_route_poll(struct tl_route *r, uint64_t now, size_t size,
                   uint8_t out_challenge[TL_ROUTE_CHALLENGE_BYTES], struct tl_address *out_to) {
  const struct tl_route_trial *t = NULL;
  if (candidate_poll(r, now, size))
    t = &r->candidate;
  else if (probe_poll(r, now))
    t = &r->probe;
  if (!t) return false;
  memcpy(out_challenge, t->challenge, sizeof(t->challenge));
  *out_to = t->address;
  return true;
}

static bool is_answer(const struct tl_route_trial *t,
                      const uint8_t response[TL_ROUTE_CHALLENGE_BYTES]) {
  return t->is_on && !memcmp(t->challenge, response, sizeof(t->challenge));
}

enum tl_route_answer tl_route_response(struct tl_route *r, uint64_t now,
                                       const uint8_t response[TL_ROUTE_CHALLENGE_BYTES]) {
  if (is_answer(&r->candidate, response)) {
    r->candidate.is_on = false;
    r->is_known = true;
    r->address = r->candidate.address;
    r->moved_at = now;
    r->has_moved = true;
    if (r->probe.is_on) r->probe.address = r->address;
    return TL_ROUTE_MOVED;
  }
  if (!is_answer(&r->probe, response)) return TL_ROUTE_NOTHING;
  r->probe.is_on = false;
  return TL_ROUTE_PASSES;
}

uint64_t tl_route_deadline(const struct tl_route *r) {
  uint64_t candidate = r->candidate.is_on ? r->candidate.next_at : TL_NEVER;
  uint64_t probe = r->probe.is_on ? r->probe.next_at : TL_NEVER;
  return tl_time_min(candidate, probe);
}
