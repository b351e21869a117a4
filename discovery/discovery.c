/*
 * The object of discovery.h: the table of peers behind it, the child's lines on one side, and
 * whether a child should run.
 *
 * What is written to the child is a state, not a queue: `next` walks through the lines that
 * describe this node, and a change of the description starts the walk again. So nothing grows while
 * a child is slow, and a child that was restarted is told everything by the same walk.
 *
 * A child that ends is started again after 1 s to 60 s, at once when it had run for a minute.
 */
#include "discovery/discovery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/limits.h"
#include "core/time.h"
#include "discovery/line.h"
#include "discovery/peers.h"
#include "discovery/round.h"

#define CHILD_STABLE_NS (60 * TL_S)

/* The lines of the walk; the labels follow SAY_LABELS, one number each. */
enum { SAY_HELLO, SAY_BROWSE, SAY_PUBLISH, SAY_LABELS };

struct tl_discovery {
  struct tl_peers peers;
  uint8_t id[TL_DISCOVERY_ID_SIZE];
  uint64_t boot;
  bool mdns;

  bool has_advert;
  struct tl_advert advert;
  uint16_t port;
  size_t label_count;
  char labels[TL_CAPABILITIES_MAX][TL_LABEL_SIZE];

  bool child_runs;
  bool child_greeted; /* its hello has come, and in our version */
  uint64_t child_started_at;
  struct tl_round child_round; /* the child is one address that is "dialled" by starting it */
  size_t next;                 /* line to say */
  struct tl_line_splitter splitter;

  enum tl_discovery_engine engine;
  char reason[TL_DISCOVERY_REASON_SIZE];
  uint64_t status_changes;
  uint64_t child_starts;
};

int tl_discovery_new(const struct tl_discovery_config *config,
                     struct tl_discovery **out_discovery) {
  struct tl_discovery *d = calloc(1, sizeof *d);
  if (!d) return TULLE_E_NO_MEMORY;
  tl_peers_init(&d->peers, config);
  memcpy(d->id, config->id, sizeof d->id);
  d->boot = config->boot;
  d->mdns = config->mdns;
  tl_round_init(&d->child_round, 0);
  snprintf(d->reason, sizeof d->reason, "%s", config->mdns ? "not started" : "switched off");
  *out_discovery = d;
  return 0;
}

struct tl_discovery *tl_discovery_free(struct tl_discovery *d) {
  if (!d) return NULL;
  tl_peers_deinit(&d->peers);
  free(d);
  return NULL;
}

/* What is said to the child */

static bool advert_is_equal(const struct tl_discovery *d, const struct tl_discovery_advert *a,
                            size_t label_count) {
  if (!d->has_advert || d->port != a->port || d->advert.generation != a->generation) return false;
  if (memcmp(d->advert.tag, a->fabric_tag, sizeof d->advert.tag) != 0) return false;
  if (d->label_count != label_count) return false;
  return !label_count || !memcmp(d->labels, a->labels, label_count * sizeof *d->labels);
}

void tl_discovery_publish(struct tl_discovery *d, const struct tl_discovery_advert *advert) {
  size_t count =
      advert->label_count < TL_CAPABILITIES_MAX ? advert->label_count : TL_CAPABILITIES_MAX;
  if (advert_is_equal(d, advert, count)) return;
  d->advert = (struct tl_advert){
      .version = TL_ADVERT_VERSION, .generation = advert->generation, .boot = d->boot};
  memcpy(d->advert.id, d->id, sizeof d->id);
  memcpy(d->advert.tag, advert->fabric_tag, sizeof d->advert.tag);
  d->port = advert->port;
  d->label_count = count;
  if (count) memcpy(d->labels, advert->labels, count * sizeof *d->labels);
  d->has_advert = true;
  if (d->next > SAY_PUBLISH) d->next = SAY_PUBLISH;
  tl_peers_set_tag(&d->peers, advert->fabric_tag);
}

/* The next line of the walk, or TL_EMPTY at its end. */
static int line_to_say(const struct tl_discovery *d, struct tl_line *out) {
  if (!d->child_runs) return TL_EMPTY;
  if (d->next == SAY_HELLO) {
    *out = (struct tl_line){.kind = TL_LINE_HELLO, .version = TL_LINE_VERSION};
  } else if (d->next == SAY_BROWSE) {
    *out = (struct tl_line){.kind = TL_LINE_BROWSE};
  } else if (!d->has_advert) {
    return TL_EMPTY;
  } else if (d->next == SAY_PUBLISH) {
    *out = (struct tl_line){.kind = TL_LINE_PUBLISH, .port = d->port, .boot = d->boot};
    out->generation = d->advert.generation;
    memcpy(out->id, d->id, sizeof out->id);
    memcpy(out->tag, d->advert.tag, sizeof out->tag);
  } else if (d->next < SAY_LABELS + d->label_count) {
    *out = (struct tl_line){.kind = TL_LINE_LABEL};
    memcpy(out->label, d->labels[d->next - SAY_LABELS], sizeof out->label);
  } else if (d->next == SAY_LABELS + d->label_count) {
    *out = (struct tl_line){.kind = TL_LINE_COMMIT};
  } else {
    return TL_EMPTY;
  }
  return 0;
}

bool tl_discovery_has_bytes(const struct tl_discovery *d) {
  struct tl_line line;
  return d->child_runs && d->next <= SAY_LABELS + d->label_count && line_to_say(d, &line) == 0;
}

size_t tl_discovery_poll_bytes(struct tl_discovery *d, void *buffer, size_t size) {
  char text[TL_LINE_BYTES_MAX];
  struct tl_line line;
  size_t used = 0;
  while (line_to_say(d, &line) == 0) {
    size_t n = tl_line_encode(&line, text);
    if (n > size - used) break;
    memcpy((char *)buffer + used, text, n);
    used += n;
    d->next++;
  }
  return used;
}

/* What the child says */

static void status_set(struct tl_discovery *d, enum tl_discovery_engine engine,
                       const char *reason) {
  d->engine = engine;
  snprintf(d->reason, sizeof d->reason, "%s", reason);
  d->status_changes++;
}

static void greeted(struct tl_discovery *d, uint16_t version) {
  char reason[TL_DISCOVERY_REASON_SIZE];
  d->child_greeted = version == TL_LINE_VERSION;
  if (d->child_greeted) return;
  snprintf(reason, sizeof reason, "tulle-mdns speaks version %u of its lines, this node %u",
           version, TL_LINE_VERSION);
  status_set(d, TL_DISCOVERY_ENGINE_NONE, reason);
}

static void found(struct tl_discovery *d, uint64_t now, const struct tl_line *l) {
  struct tl_advert advert = {.version = l->version, .generation = l->generation, .boot = l->boot};
  memcpy(advert.id, l->id, sizeof advert.id);
  memcpy(advert.tag, l->tag, sizeof advert.tag);
  tl_peers_found(&d->peers, now, &advert, &l->address);
}

/* A line that is well formed but out of place counts as garbled. */
static void line_take(struct tl_discovery *d, uint64_t now, const struct tl_line *l) {
  if (l->kind == TL_LINE_HELLO) {
    greeted(d, l->version);
    return;
  }
  if (!d->child_greeted) {
    d->splitter.garbled++;
    return;
  }
  switch (l->kind) {
  case TL_LINE_FOUND:
    found(d, now, l);
    break;
  case TL_LINE_LOST:
    tl_peers_lost(&d->peers, now, l->id, &l->address);
    break;
  case TL_LINE_GONE:
    tl_peers_gone(&d->peers, now, l->id);
    break;
  case TL_LINE_CLONED:
    tl_peers_cloned(&d->peers, now, l->id);
    break;
  case TL_LINE_STATUS:
    status_set(d, l->engine, l->text);
    break;
  default:
    d->splitter.garbled++;
  }
}

void tl_discovery_push_bytes(struct tl_discovery *d, uint64_t now, const void *bytes, size_t size) {
  const char *at = bytes, *end = at + size;
  struct tl_line line;
  while (tl_line_split(&d->splitter, &at, end, &line) == 0) line_take(d, now, &line);
}

/* The child's life */

bool tl_discovery_wants_child(const struct tl_discovery *d, uint64_t now) {
  return d->mdns && tl_round_due(&d->child_round, 1) <= now;
}

void tl_discovery_child_started(struct tl_discovery *d, uint64_t now) {
  d->child_runs = true;
  d->child_greeted = false;
  d->child_started_at = now;
  d->child_starts++;
  d->next = SAY_HELLO;
  d->splitter.used = 0;
  d->splitter.is_skipping = false;
  (void)tl_round_begin(&d->child_round, now);
  tl_peers_confirm_mdns(&d->peers, now);
}

void tl_discovery_child_stopped(struct tl_discovery *d, uint64_t now, const char *reason) {
  bool was_stable = d->child_runs && now - d->child_started_at >= CHILD_STABLE_NS;
  uint64_t random = d->peers.random(d->peers.random_context);
  if (!d->child_runs) (void)tl_round_begin(&d->child_round, now);
  d->child_runs = false;
  if (was_stable)
    tl_round_succeed(&d->child_round, now, 0);
  else
    tl_round_fail(&d->child_round, 1, now, random);
  status_set(d, TL_DISCOVERY_ENGINE_NONE, reason);
}

/* The table's functions, with the public name */

int tl_discovery_add_static(struct tl_discovery *d, uint64_t now, const uint8_t *id,
                            const struct tl_address *address) {
  return tl_peers_add_static(&d->peers, now, id, address);
}

int tl_discovery_heard(struct tl_discovery *d, uint64_t now, const uint8_t id[TL_DISCOVERY_ID_SIZE],
                       const struct tl_address *address) {
  return tl_peers_heard(&d->peers, now, id, address);
}

int tl_discovery_poll_dial(struct tl_discovery *d, uint64_t now,
                           struct tl_discovery_dial *out_dial) {
  return tl_peers_poll_dial(&d->peers, now, out_dial);
}

void tl_discovery_dialled(struct tl_discovery *d, uint64_t now,
                          const struct tl_discovery_dial *dial, int result, const uint8_t *id) {
  tl_peers_dialled(&d->peers, now, dial, result, id);
}

void tl_discovery_connected(struct tl_discovery *d, uint64_t now,
                            const uint8_t id[TL_DISCOVERY_ID_SIZE],
                            const struct tl_address *address) {
  tl_peers_connected(&d->peers, now, id, address);
}

void tl_discovery_disconnected(struct tl_discovery *d, uint64_t now,
                               const uint8_t id[TL_DISCOVERY_ID_SIZE]) {
  tl_peers_disconnected(&d->peers, now, id);
}

uint64_t tl_discovery_deadline(struct tl_discovery *d) {
  uint64_t child_at = d->mdns ? tl_round_due(&d->child_round, 1) : TL_NEVER;
  return tl_time_min(child_at, tl_peers_deadline(&d->peers));
}

int tl_discovery_next(const struct tl_discovery *d, size_t *cursor,
                      struct tl_discovery_entry *out_entry) {
  return tl_peers_next(&d->peers, cursor, out_entry);
}

void tl_discovery_status(const struct tl_discovery *d, struct tl_discovery_status *out_status) {
  *out_status = (struct tl_discovery_status){
      .engine = d->engine,
      .child_runs = d->child_runs,
      .entries = d->peers.by_id.used - d->peers.with_static,
      .dials_under_way = d->peers.dials.under_way,
      .status_changes = d->status_changes,
      .lines = d->splitter.lines,
      .lines_garbled = d->splitter.garbled,
      .dropped_full = d->peers.dropped_full,
      .evicted = d->peers.evicted,
      .dials = d->peers.dials.total,
      .clone_alarms = d->peers.clone_alarms,
      .child_starts = d->child_starts,
  };
  memcpy(out_status->reason, d->reason, sizeof out_status->reason);
}
