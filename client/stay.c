#include "client/stay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/place.h"
#include "client/service.h"

#define PAUSE_FIRST_NS (10 * TL_MS)
#define PAUSE_MAX_NS   TL_S

/* Segments that wait for the rest of their story. The node makes one step at a time for each
 * channel, so more of them than this are nonsense. */
#define SEGMENTS_MAX 4096

/* How soon what a slow node has not taken is sent again. */
#define FLUSH_NS (10 * TL_MS)

/* A segment of ours, mapped, of which the node has not said yet what it is for. */
struct loose {
  struct tl_list link;
  struct tl_segment segment;
  uint32_t number;
  bool is_data;
};

void tl_stay_init(struct tl_stay *s) {
  *s = (struct tl_stay){.pause_ns = PAUSE_FIRST_NS};
  tl_table_init(&s->channels, NULL);
  tl_list_init(&s->segments);
}

static void set_state(struct tl_stay *s, enum tl_stay_state state) {
  __atomic_store_n(&s->state, state, __ATOMIC_RELEASE);
}

/* ---- the end ---- */

static void loose_free(struct tl_stay *s, struct loose *l) {
  tl_list_remove(&l->link);
  s->segment_count--;
  tl_segment_unmap(&l->segment);
  free(l);
}

/* What the node's death means: a peer on this machine may be alive and still begin what it has got.
 */
static void end_channel(struct tulle_channel *c) {
  struct tl_ending end = {
      .code = TULLE_E_PEER_GONE, .begun = UINT64_MAX, .is_final = c->number == 0};
  tl_lock_take(&c->lock);
  c->is_close_said = true; /* there is nobody to tell */
  tl_channel_end(c, &end);
  c->holders--;
  tl_channel_give(c);
}

void tl_stay_close(struct tulle *t, int code) {
  struct tl_stay *s = &t->stay;
  struct tulle_channel *c, *node = s->node;
  size_t cursor = 0;
  set_state(s, TL_STAY_NONE);
  tl_line_close(&t->line);
  s->code = code;
  s->node = NULL;
  s->unclaimed = 0;
  s->retry_at = tl_time_add(tl_time_now(), s->pause_ns);
  s->pause_ns = tl_time_min(2 * s->pause_ns, PAUSE_MAX_NS);
  while ((c = tl_table_next(&s->channels, &cursor))) end_channel(c);
  tl_table_deinit(&s->channels);
  tl_table_init(&s->channels, NULL);
  if (node) end_channel(node);
  TL_LIST_FOR_EACH(l, &s->segments) loose_free(s, tl_container_of(l, struct loose, link));
  tl_services_forget_node(t);
  __atomic_store_n(&t->register_at, TL_NEVER, __ATOMIC_RELAXED);
  tl_alert_raise(&t->alert);
}

/* ---- the beginning ---- */

static void greet(struct tulle *t) {
  struct tl_control m = {.type = TL_CONTROL_HELLO,
                         .version_min = TL_CONTROL_VERSION_MIN,
                         .version_max = TL_CONTROL_VERSION_MAX};
  memcpy(m.name, t->program, sizeof m.name);
  set_state(&t->stay, TL_STAY_GREETED);
  tl_line_say(&t->line, t->line.number, &m);
}

static void connect_to_node(struct tulle *t) {
  struct tl_places places;
  int r = tl_places_find(t->runtime_dir, &places), code = TULLE_E_NO_NODE;
  for (size_t i = 0; !r && i < places.count; i++) {
    int e = tl_line_connect(&t->line, &places.sockets[i]);
    if (e == 0) {
      greet(t);
      return;
    }
    if (e != TULLE_E_NO_NODE) code = e;
  }
  tl_stay_close(t, r ? r : code);
}

/* ---- what the node says ---- */

static int on_welcome(struct tulle *t, const struct tl_control *m) {
  struct tl_stay *s = &t->stay;
  if (s->state != TL_STAY_GREETED) return TULLE_E_PROTOCOL;
  if (m->version_max < TL_CONTROL_VERSION_MIN || m->version_max > TL_CONTROL_VERSION_MAX)
    return TULLE_E_VERSION;
  tl_identity_of(&m->party, &s->self);
  s->self.is_local = true;
  return 0;
}

static int on_refused(struct tulle *t, const struct tl_control *m) {
  (void)t;
  return m->code < 0 ? m->code : TULLE_E_REFUSED;
}

static int on_segment(struct tulle *t, const struct tl_control *m, const int *fds) {
  struct tl_stay *s = &t->stay;
  if (s->segment_count >= SEGMENTS_MAX || m->bytes > UINT32_MAX) return TULLE_E_PROTOCOL;
  struct loose *l = calloc(1, sizeof *l);
  if (!l) return TULLE_E_NO_MEMORY;
  l->number = m->segment;
  l->is_data = m->is_data;
  int r = tl_segment_map(fds[0], m->is_data ? TL_SEGMENT_DATA : TL_SEGMENT_PARTY, TL_SEGMENT_WRITER,
                         (uint32_t)m->bytes, &l->segment);
  if (r) {
    free(l);
    return r;
  }
  tl_list_push_back(&s->segments, &l->link);
  s->segment_count++;
  struct tl_control answer = {.type = TL_CONTROL_MAPPED, .segment = m->segment};
  tl_line_say(&t->line, t->line.number, &answer);
  return 0;
}

/* Takes the segment of that number out of the loose ones. */
static int take_loose(struct tl_stay *s, uint32_t number, bool is_data, struct tl_segment *out) {
  TL_LIST_FOR_EACH(link, &s->segments) {
    struct loose *l = tl_container_of(link, struct loose, link);
    if (l->number != number || l->is_data != is_data) continue;
    *out = l->segment;
    l->segment = (struct tl_segment){0};
    loose_free(s, l);
    return 0;
  }
  return TULLE_E_PROTOCOL;
}

static void say_close(struct tulle *t, uint32_t channel) {
  struct tl_control m = {.type = TL_CONTROL_CLOSE, .channel = channel};
  tl_line_say(&t->line, t->line.number, &m);
}

/* The first channel of the stay: now it can be used. */
static void become_ready(struct tulle *t, struct tulle_channel *node) {
  struct tl_stay *s = &t->stay;
  s->node = node;
  s->code = 0;
  s->pause_ns = PAUSE_FIRST_NS;
  set_state(s, TL_STAY_READY);
  tl_services_register(t);
  tl_alert_raise(&t->alert);
}

/* Opened by a thread that has not taken it yet. */
static bool is_unclaimed(const struct tulle_channel *c) {
  return c->role == TL_ROLE_CLIENT && !c->claims;
}

static int admit_channel(struct tulle *t, struct tulle_channel *c, const char *service) {
  if (c->number == 0) {
    become_ready(t, c);
    return 0;
  }
  if (c->role == TL_ROLE_SERVER) {
    c->service = tl_service_of_name(t, service);
    if (!c->service) { /* withdrawn meanwhile */
      tl_channel_drop(c);
      return 0;
    }
    tl_lock_take(&c->lock);
    tl_channel_attend(c);
    tl_lock_give(&c->lock);
  }
  int r = tl_table_insert(&t->stay.channels, &c->number, sizeof c->number, c);
  bool is_for_nobody = is_unclaimed(c) && !t->stay.opening;
  if (!r && is_for_nobody) (void)tl_table_remove(&t->stay.channels, &c->number, sizeof c->number);
  if (!r && !is_for_nobody) {
    t->stay.unclaimed += is_unclaimed(c);
    return 0;
  }
  tl_channel_drop(c);
  if (!r) return 0;
  return r == TULLE_E_EXISTS ? TULLE_E_PROTOCOL : r;
}

/* Descriptors 1 and 2 are taken, 0 stays the caller's. */
static int on_channel(struct tulle *t, const struct tl_control *m, int *fds) {
  struct tl_stay *s = &t->stay;
  struct tl_segment own, peer;
  struct tulle_channel *c;
  bool is_first = s->state == TL_STAY_GREETED;
  if (is_first != (m->channel == 0) || s->state == TL_STAY_NONE || m->bytes > UINT32_MAX)
    return TULLE_E_PROTOCOL;
  int r = take_loose(s, m->segment, false, &own);
  if (r) return r;
  r = tl_segment_map(fds[0], TL_SEGMENT_PARTY, TL_SEGMENT_READER, (uint32_t)m->bytes, &peer);
  if (r) {
    tl_segment_unmap(&own);
    return r;
  }
  r = tl_channel_new(t, m, &own, &peer, fds[1], fds[2], &c);
  fds[1] = fds[2] = -1;
  if (r) {
    say_close(t, m->channel);
    return is_first ? r : 0;
  }
  return admit_channel(t, c, m->name);
}

static struct tulle_channel *find(struct tl_stay *s, uint32_t number) {
  if (number == 0) return s->node;
  return tl_table_find(&s->channels, &number, sizeof number);
}

/* The peer will go on in new memory. */
static int add_area(struct tulle *t, struct tulle_channel *c, const struct tl_control *m, int fd) {
  struct tl_area *a = calloc(1, sizeof *a);
  if (!a) return TULLE_E_NO_MEMORY;
  int r = m->bytes > UINT32_MAX ? TULLE_E_PROTOCOL
                                : tl_segment_map(fd, TL_SEGMENT_DATA, TL_SEGMENT_READER,
                                                 (uint32_t)m->bytes, &a->segment);
  if (r) {
    free(a);
    return r;
  }
  a->number = m->segment;
  tl_lock_take(&c->lock);
  tl_list_push_back(&c->areas, &a->link);
  tl_lock_give(&c->lock);
  struct tl_control answer = {
      .type = TL_CONTROL_ATTACHED, .channel = m->channel, .segment = m->segment};
  tl_line_say(&t->line, t->line.number, &answer);
  return 0;
}

static int on_grown(struct tulle *t, const struct tl_control *m, const int *fds) {
  struct tulle_channel *c = find(&t->stay, m->channel);
  struct tl_segment area = {0};
  if (m->is_peer) return c ? add_area(t, c, m, fds[0]) : 0;
  if (m->segment && take_loose(&t->stay, m->segment, true, &area) != 0) return TULLE_E_PROTOCOL;
  if (!c) {
    tl_segment_unmap(&area);
    return 0;
  }
  tl_lock_take(&c->lock);
  bool is_asked = c->is_growing && !c->next_area.data;
  if (!is_asked) {
    tl_segment_unmap(&area);
  } else if (m->segment) {
    c->next_area = area;
    c->next_number = m->segment;
    tl_channel_pump(c);
  } /* else it stays as it is, and is_growing keeps it from asking again */
  tl_lock_give(&c->lock);
  return is_asked ? 0 : TULLE_E_PROTOCOL;
}

static int on_closed(struct tulle *t, const struct tl_control *m) {
  struct tulle_channel *c = find(&t->stay, m->channel);
  struct tl_ending end = {
      .code = m->code < 0 ? m->code : TULLE_E_PEER_GONE, .begun = m->begun, .is_final = true};
  if (!m->channel) return TULLE_E_PROTOCOL;
  if (!c) { /* never seen, or closed from here at the same time */
    say_close(t, m->channel);
    return 0;
  }
  (void)tl_table_remove(&t->stay.channels, &m->channel, sizeof m->channel);
  t->stay.unclaimed -= is_unclaimed(c);
  tl_lock_take(&c->lock);
  tl_channel_end(c, &end);
  c->holders--;
  tl_channel_give(c);
  return 0;
}

static int on_message(struct tulle *t, const struct tl_control *m, int *fds) {
  switch (m->type) {
  case TL_CONTROL_WELCOME:
    return on_welcome(t, m);
  case TL_CONTROL_REFUSED:
    return on_refused(t, m);
  case TL_CONTROL_SEGMENT:
    return on_segment(t, m, fds);
  case TL_CONTROL_CHANNEL:
    return on_channel(t, m, fds);
  case TL_CONTROL_GROWN:
    return on_grown(t, m, fds);
  case TL_CONTROL_CLOSED:
    return on_closed(t, m);
  default:
    return TULLE_E_PROTOCOL; /* programs' words */
  }
}

/* A message whose descriptors found no room in this process: its channel is given up, all others go
 * on. An area of our own that is not mapped leaves the channel as large as it is. */
static int on_lost_descriptors(struct tulle *t, const struct tl_control *m) {
  struct tl_stay *s = &t->stay;
  struct tulle_channel *c = find(s, m->channel);
  struct tl_segment own = {0};
  if (!m->channel) return -EMFILE;
  if (m->type == TL_CONTROL_SEGMENT && m->is_data) return 0;
  __atomic_fetch_add(&s->given_up, 1, __ATOMIC_RELEASE);
  if (c) {
    tl_lock_take(&c->lock);
    tl_channel_fail(c, -EMFILE);
    tl_lock_give(&c->lock);
    return 0;
  }
  if (m->type == TL_CONTROL_CHANNEL && take_loose(s, m->segment, false, &own) == 0)
    tl_segment_unmap(&own);
  say_close(t, m->channel);
  return 0;
}

static void read_socket(struct tulle *t) {
  struct tl_stay *s = &t->stay;
  struct tl_control m;
  while (s->state != TL_STAY_NONE) {
    int fds[TL_CONTROL_FDS_MAX] = {-1, -1, -1, -1};
    int r = tl_line_hear(&t->line, &m, fds);
    if (r == TL_EMPTY) return;
    if (r == 0) {
      r = on_message(t, &m, fds);
      for (size_t i = 0; i < tl_control_fds(&m); i++)
        if (fds[i] >= 0) close(fds[i]);
    } else if (r == TULLE_E_LIMIT) {
      r = on_lost_descriptors(t, &m);
    }
    if (r) tl_stay_close(t, r == TL_END ? TULLE_E_NO_NODE : r);
  }
}

/* ---- polling ---- */

static bool is_due(const struct tl_stay *s, uint64_t now) {
  return s->state == TL_STAY_NONE && now >= s->retry_at;
}

void tl_stay_poll(struct tulle *t, uint64_t now) {
  struct tl_stay *s = &t->stay;
  tl_lock_take(&t->lock);
  if (is_due(s, now)) connect_to_node(t);
  /* The word before the socket: what is said in between is read twice, not missed. */
  struct tulle_channel *node = s->node;
  uint32_t seen = node ? __atomic_load_n(node->events, __ATOMIC_ACQUIRE) : 0;
  tl_line_flush(&t->line);
  read_socket(t);
  if (s->node && s->node == node) __atomic_store_n(&s->events_seen, seen, __ATOMIC_RELEASE);
  if (now >= t->register_at) tl_services_register(t);
  __atomic_store_n(&s->polled_at, now, __ATOMIC_RELAXED);
  tl_lock_give(&t->lock);
}

void tl_stay_poll_after(struct tulle *t, uint64_t now, uint64_t pause_ns) {
  uint64_t last = __atomic_load_n(&t->stay.polled_at, __ATOMIC_RELAXED);
  if (now > last && now - last > pause_ns) tl_stay_poll(t, now);
}

void tl_stay_hear(struct tulle *t, int wait_end) {
  if (wait_end == TL_WAIT_EVENT || wait_end == TL_WAIT_TICK) tl_stay_poll(t, tl_time_now());
}

uint64_t tl_stay_due(struct tulle *t) {
  struct tl_stay *s = &t->stay;
  uint64_t due = __atomic_load_n(&t->register_at, __ATOMIC_RELAXED);
  if (__atomic_load_n(&s->state, __ATOMIC_ACQUIRE) == TL_STAY_NONE) {
    tl_lock_take(&t->lock);
    if (s->state == TL_STAY_NONE) due = tl_time_min(due, s->retry_at);
    tl_lock_give(&t->lock);
  } else if (tl_line_is_behind(&t->line)) {
    due = tl_time_min(due, tl_time_add(tl_time_now(), FLUSH_NS));
  }
  return due;
}

/* ---- what others ask of it ---- */

struct tulle_channel *tl_stay_node(struct tulle *t) {
  tl_lock_take(&t->lock);
  struct tulle_channel *node = t->stay.node;
  if (node) tl_channel_hold(node);
  tl_lock_give(&t->lock);
  return node;
}

struct tulle_channel *tl_stay_claim_node(struct tulle *t) {
  tl_lock_take(&t->lock);
  struct tulle_channel *node = t->stay.node;
  if (node) {
    node->claims++;
    tl_channel_hold(node);
  }
  tl_lock_give(&t->lock);
  return node;
}

void tl_stay_unclaim(struct tulle *t, struct tulle_channel *c) {
  tl_lock_take(&t->lock);
  c->claims--;
  tl_lock_give(&t->lock);
  tl_channel_drop(c);
}

void tl_stay_open_begin(struct tulle *t) {
  tl_lock_take(&t->lock);
  t->stay.opening++;
  tl_lock_give(&t->lock);
}

struct tulle_channel *tl_stay_claim(struct tulle *t, uint32_t number) {
  tl_lock_take(&t->lock);
  struct tulle_channel *c = number ? find(&t->stay, number) : NULL;
  if (c && !is_unclaimed(c)) c = NULL;
  if (c) {
    c->claims = 1;
    t->stay.unclaimed--;
    tl_channel_hold(c);
  }
  tl_lock_give(&t->lock);
  return c;
}

static void close_unclaimed(struct tl_stay *s) {
  while (s->unclaimed) {
    struct tulle_channel *c;
    size_t cursor = 0;
    do c = tl_table_next(&s->channels, &cursor);
    while (c && !is_unclaimed(c));
    TL_ASSERT(c);
    (void)tl_table_remove(&s->channels, &c->number, sizeof c->number);
    s->unclaimed--;
    tl_channel_drop(c);
  }
}

void tl_stay_open_end(struct tulle *t) {
  tl_lock_take(&t->lock);
  if (--t->stay.opening == 0) close_unclaimed(&t->stay);
  tl_lock_give(&t->lock);
}

void tl_stay_forget(struct tulle *t, struct tulle_channel *c) {
  struct tl_stay *s = &t->stay;
  tl_lock_take(&t->lock);
  bool is_known = c->number && find(s, c->number) == c;
  if (is_known) (void)tl_table_remove(&s->channels, &c->number, sizeof c->number);
  tl_lock_give(&t->lock);
  if (is_known) tl_channel_drop(c);
}
