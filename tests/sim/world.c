#include "tests/sim/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/table.h"
#include "crypto/aead.h"

#define HEAD_BYTES   25
#define SIZE_MAX_OF  3000
#define DIAL_AGAIN   (500 * TL_MS)
#define LEDGER_FIRST (1u << 16)

static struct node_fixture members[WORLD_NODES_MAX];

void world_fail(const struct world *w, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fprintf(stderr, "seed %llu at %.6f s: ", (unsigned long long)w->seed,
          w->sim ? (double)tl_sim_now(w->sim) / 1e9 : 0);
  vfprintf(stderr, format, arguments);
  fprintf(stderr, "\n");
  va_end(arguments);
  abort();
}

/* ---- The nonce ledger ---- */

static struct {
  uint64_t *slots; /* fingerprints; 0: free */
  size_t room, count;
  const struct world *world;
} ledger;

static void ledger_insert(uint64_t print) {
  size_t i = print & (ledger.room - 1);
  while (ledger.slots[i]) {
    if (ledger.slots[i] == print) world_fail(ledger.world, "a key and a counter came twice");
    i = (i + 1) & (ledger.room - 1);
  }
  ledger.slots[i] = print;
}

static void ledger_grow(void) {
  uint64_t *old = ledger.slots;
  size_t old_room = ledger.room;
  ledger.room = old_room ? 2 * old_room : LEDGER_FIRST;
  ledger.slots = calloc(ledger.room, sizeof(uint64_t));
  for (size_t i = 0; i < old_room; i++)
    if (old[i]) ledger_insert(old[i]);
  free(old);
}

static void ledger_note(const uint8_t key[32], uint64_t counter) {
  static const uint8_t secret[16] = "ledger of nonces";
  uint8_t both[40];
  memcpy(both, key, 32);
  memcpy(both + 32, &counter, 8);
  if (2 * ledger.count >= ledger.room) ledger_grow();
  ledger_insert(tl_siphash(secret, both, sizeof(both)) | 1);
  ledger.count++;
}

static void ledger_begin(const struct world *w) {
  ledger.world = w;
  ledger.count = 0;
  if (ledger.slots) memset(ledger.slots, 0, ledger.room * sizeof(uint64_t));
  tl_aead_observer = ledger_note;
}

size_t world_ledger_size(void) {
  return ledger.count;
}

/* ---- The fabric ---- */

void world_fabric_make(void) {
  char name[8];
  for (unsigned i = 0; i < WORLD_NODES_MAX; i++) {
    snprintf(name, sizeof(name), "n%u", i);
    node_fixture_init(&members[i], 7000 + i, name);
    if (i > 0) node_fixture_join(&members[i], &members[0], TL_S);
  }
}

void world_fabric_free(void) {
  for (unsigned i = 0; i < WORLD_NODES_MAX; i++) node_fixture_deinit(&members[i]);
  free(ledger.slots);
  memset(&ledger, 0, sizeof(ledger));
  tl_aead_observer = NULL;
}

struct node_fixture *world_member(unsigned number) {
  return &members[number];
}

/* ---- Messages ---- */

static void message_write(uint8_t *out, size_t size, const struct world_node *n,
                          const struct world_link *l, unsigned class, uint64_t number) {
  struct tl_sim_random fill = {l->name * 1000003 + class * 77 + number};
  tl_sim_draw_bytes(&fill, out, size);
  tl_store_le(out, n->number, 4);
  tl_store_le(out + 4, l->peer, 4);
  tl_store_le(out + 8, l->name, 8);
  out[16] = (uint8_t) class;
  tl_store_le(out + 17, number, 8);
}

static int message_send(struct world_node *n, struct world_link *l, unsigned class, size_t size) {
  static uint8_t bytes[TL_LANE_RECORD_BYTES_MAX];
  if (size < HEAD_BYTES) size = HEAD_BYTES;
  message_write(bytes, size, n, l, class, l->sent[class]);
  struct iovec piece = {bytes, size};
  int r = tl_link_send(l->link, l->out, (enum tl_class) class, 1, 0, &piece, 1);
  if (r == 0) l->sent[class]++;
  return r;
}

static void check_once(struct world *w, struct world_link *l, unsigned class, uint64_t number) {
  unsigned i = class == TL_CLASS_RELIABLE ? 0 : 1;
  if (number >= l->seen_room[i]) {
    size_t room = 2 * (size_t)number + 1024;
    l->seen[i] = realloc(l->seen[i], room);
    memset(l->seen[i] + l->seen_room[i], 0, room - l->seen_room[i]);
    l->seen_room[i] = room;
  }
  if (l->seen[i][number]) world_fail(w, "message %llu came twice", (unsigned long long)number);
  l->seen[i][number] = 1;
}

static void message_check(struct world_node *n, struct world_link *l,
                          const struct tl_lane_record *record) {
  struct world *w = n->world;
  static uint8_t wanted[TL_LANE_RECORD_BYTES_MAX];
  WORLD_CHECK(w, record->size >= HEAD_BYTES && record->size <= sizeof(wanted));
  uint64_t name = tl_load_le(record->bytes + 8, 8), number = tl_load_le(record->bytes + 17, 8);
  unsigned class = record->bytes[16];
  if (!l->peer_name) l->peer_name = name;
  WORLD_CHECK(w, tl_load_le(record->bytes, 4) == l->peer);
  WORLD_CHECK(w, tl_load_le(record->bytes + 4, 4) == n->number);
  WORLD_CHECK(w, name == l->peer_name);
  WORLD_CHECK(w, class <= TL_CLASS_BEST_EFFORT && (unsigned)record->class == class);
  const struct world_node *from = &w->nodes[l->peer];
  struct world_link as_sender = {.peer = n->number, .name = name};
  message_write(wanted, record->size, from, &as_sender, class, number);
  WORLD_CHECK(w, !memcmp(wanted, record->bytes, record->size));
  if (class == TL_CLASS_ORDERED)
    WORLD_CHECK(w, number == l->got[class]);
  else
    check_once(w, l, class, number);
  l->got[class]++;
  n->delivered++;
  n->delivered_bytes += record->size;
}

static void lane_read(struct world_node *n, struct world_link *l, struct tl_lane *lane) {
  struct tl_lane_record record;
  while (tl_lane_receive(lane, &record) == 0) {
    message_check(n, l, &record);
    tl_link_release(l->link, lane);
  }
}

/* ---- Links ---- */

static const struct tl_identity *identity_of(const struct world_node *n) {
  return n->plays ? n->plays->identity : members[n->number].identity;
}

static struct world_link *link_of(struct world_node *n, const struct tl_link *link) {
  struct world_link *l = tl_link_owner(link);
  WORLD_CHECK(n->world, l && l->link == link);
  return l;
}

static void link_up(struct world_node *n, struct tl_link *link) {
  struct world *w = n->world;
  struct world_link *l = NULL;
  const struct tl_peer_info *peer = tl_link_peer(link);
  for (unsigned i = 0; i < WORLD_LINKS_MAX && !l; i++)
    if (!n->links[i].link) l = &n->links[i];
  WORLD_CHECK(w, l && !tl_link_owner(link));
  *l = (struct world_link){.link = link, .name = ++w->last_name, .peer = WORLD_NODES_MAX};
  for (unsigned i = 0; i < w->count; i++)
    if (!memcmp(peer->key, identity_of(&w->nodes[i])->key, 32)) l->peer = i;
  WORLD_CHECK(w, l->peer < w->count && l->peer != n->number);
  for (unsigned i = 0; i < WORLD_LINKS_MAX; i++) /* one node pair, one link */
    WORLD_CHECK(w, &n->links[i] == l || !n->links[i].link || n->links[i].peer != l->peer);
  tl_link_set_owner(link, l);
  int r = tl_link_open_lane(link, &l->out);
  WORLD_CHECK(w, r == 0 || r == TULLE_E_CLOSED); /* it may be over already */
  n->ups++;
  n->dial_numbers[l->peer] = 0;
}

static void link_forget(struct world_link *l) {
  free(l->seen[0]);
  free(l->seen[1]);
  *l = (struct world_link){0};
}

static void link_down(struct world_node *n, const struct tl_endpoint_event *e) {
  link_forget(link_of(n, e->link));
  n->downs++;
  n->downs_by[e->reason & 63]++;
  n->last_reason = e->reason;
}

struct world_link *world_link_between(struct world *w, unsigned from, unsigned to) {
  for (unsigned i = 0; i < WORLD_LINKS_MAX; i++) {
    struct world_link *l = &w->nodes[from].links[i];
    if (l->link && l->peer == to) return l;
  }
  return NULL;
}

bool world_is_connected(struct world *w, unsigned a, unsigned b) {
  struct world_link *ab = world_link_between(w, a, b), *ba = world_link_between(w, b, a);
  struct tl_link_info info;
  if (!ab || !ba) return false;
  tl_link_info(ab->link, world_now(w), &info);
  if (!info.is_reachable) return false;
  tl_link_info(ba->link, world_now(w), &info);
  return info.is_reachable;
}

bool world_all_connected(struct world *w) {
  for (unsigned a = 0; a < w->count; a++)
    for (unsigned b = 0; b < w->count; b++)
      if (w->nodes[a].dials[b] && !world_is_connected(w, a, b)) return false;
  return true;
}

bool world_all_delivered(struct world *w) {
  for (unsigned a = 0; a < w->count; a++) {
    for (unsigned i = 0; i < WORLD_LINKS_MAX; i++) {
      struct world_link *l = &w->nodes[a].links[i];
      if (!l->link || l->sent[TL_CLASS_ORDERED] + l->sent[TL_CLASS_RELIABLE] == 0) continue;
      struct world_link *other = world_link_between(w, l->peer, a);
      if (!other || other->peer_name != l->name ||
          other->got[TL_CLASS_ORDERED] != l->sent[TL_CLASS_ORDERED] ||
          other->got[TL_CLASS_RELIABLE] != l->sent[TL_CLASS_RELIABLE])
        return false;
    }
  }
  return true;
}

bool world_all_settled(struct world *w) {
  return world_all_connected(w) && world_all_delivered(w);
}

void world_close(struct world_node *n, struct world_link *l) {
  tl_link_close(l->link, tl_sim_port_now(n->port), 7);
  link_forget(l);
  n->next_dial = 0;
}

void world_print(struct world *w) {
  struct tl_link_info info;
  for (unsigned i = 0; i < w->count; i++) {
    struct world_node *n = &w->nodes[i];
    fprintf(stderr, "node %u: up %llu down %llu silent %llu refused %llu last reason %s\n", i,
            (unsigned long long)n->ups, (unsigned long long)n->downs,
            (unsigned long long)n->silents, (unsigned long long)n->refusals,
            tl_link_reason_text(n->last_reason));
    for (unsigned k = 0; k < WORLD_LINKS_MAX; k++) {
      struct world_link *l = &n->links[k];
      if (!l->link) continue;
      tl_link_info(l->link, tl_sim_port_now(n->port), &info);
      fprintf(stderr,
              "  to %u name %llu/%llu %s%s mtu %u rtt %llu us heard %lld ms ago, sent %llu %llu "
              "%llu got %llu %llu %llu, flight %llu window %llu channels %u\n",
              l->peer, (unsigned long long)l->name, (unsigned long long)l->peer_name,
              info.path.carrier == TL_CARRIER_TCP ? "tcp" : "udp",
              info.is_reachable ? "" : " unreachable", info.mtu,
              (unsigned long long)(info.rtt / TL_US),
              (long long)((tl_sim_port_now(n->port) - info.heard_at) / TL_MS),
              (unsigned long long)l->sent[0], (unsigned long long)l->sent[1],
              (unsigned long long)l->sent[2], (unsigned long long)l->got[0],
              (unsigned long long)l->got[1], (unsigned long long)l->got[2],
              (unsigned long long)info.flight_bytes, (unsigned long long)info.window_bytes,
              info.tcp_channels);
    }
  }
}

/* ---- One node's turn ---- */

static void dial(struct world_node *n, unsigned to) {
  struct world *w = n->world;
  struct tl_dial wish = {.address_count = 1, .carrier = w->config.carrier};
  memcpy(wish.node_id, members[to].identity->node_id, sizeof(wish.node_id));
  wish.addresses[0] = w->nodes[to].address;
  int r = tl_endpoint_dial(n->endpoint, tl_sim_port_now(n->port), &wish, &n->dial_numbers[to]);
  WORLD_CHECK(w, r == 0 || r == TULLE_E_EXISTS);
}

static void dial_missing(struct world_node *n, uint64_t now) {
  if (now < n->next_dial) return;
  n->next_dial = TL_NEVER;
  for (unsigned i = 0; i < n->world->count; i++) {
    if (!n->dials[i] || tl_endpoint_find(n->endpoint, members[i].identity->node_id)) continue;
    if (!n->dial_numbers[i]) dial(n, i);
    n->next_dial = now + DIAL_AGAIN;
  }
}

static void make_traffic(struct world_node *n, uint64_t now) {
  struct world *w = n->world;
  if (!w->traffic_each || now < n->next_send) return;
  n->next_send = now + 1 + tl_sim_draw_below(&n->random, 2 * w->traffic_each);
  struct world_link *l = &n->links[tl_sim_draw_below(&n->random, WORLD_LINKS_MAX)];
  for (unsigned i = 0; i < WORLD_LINKS_MAX && !l->link; i++) l = &n->links[i];
  if (!l->link || !l->out) return;
  unsigned class = (unsigned)tl_sim_draw_below(&n->random, 3);
  size_t size =
      (size_t)tl_sim_draw_below(&n->random, tl_sim_draw_below(&n->random, 8) ? 200 : SIZE_MAX_OF);
  int r = message_send(n, l, class, size);
  WORLD_CHECK(w, r == 0 || r == TL_FULL || r == TULLE_E_CLOSED); /* its end may not be told yet */
}

static void take_event(struct world_node *n, const struct tl_endpoint_event *e) {
  uint32_t number;
  if (n->keep_events && n->event_count < 64) n->events[n->event_count++] = *e;
  switch (e->type) {
  case TL_EVENT_LINK_UP:
    link_up(n, e->link);
    break;
  case TL_EVENT_LINK_DOWN:
    link_down(n, e);
    n->next_dial = 0;
    break;
  case TL_EVENT_LINK_UNREACHABLE:
    n->unreachables++;
    if (n->dials[link_of(n, e->link)->peer]) dial(n, link_of(n, e->link)->peer);
    break;
  case TL_EVENT_LINK_REACHABLE:
    n->reachables++;
    break;
  case TL_EVENT_LINK_PATH:
    n->paths++;
    break;
  case TL_EVENT_DIALLED:
  case TL_EVENT_REFUSED:
    for (unsigned i = 0; i < WORLD_NODES_MAX; i++)
      if (n->dial_numbers[i] == e->dial) n->dial_numbers[i] = 0;
    n->refusals += e->type == TL_EVENT_REFUSED;
    if (e->type == TL_EVENT_REFUSED) n->last_reason = e->reason;
    break;
  case TL_EVENT_SILENT:
    n->silents++;
    n->last_reason = e->reason;
    break;
  case TL_EVENT_CONNECT:
    tl_sim_dial(n->port, &e->path.remote, &number);
    break;
  case TL_EVENT_DISCONNECT:
    tl_sim_hang_up(n->port, e->path.connection);
    break;
  case TL_EVENT_CLONED:
    n->clones++;
    break;
  case TL_EVENT_LANE_READABLE:
    if (e->lane != link_of(n, e->link)->out) lane_read(n, link_of(n, e->link), e->lane);
    break;
  case TL_EVENT_LANE_RESET:
    tl_link_close_lane(e->link, e->lane, 0);
    break;
  default:
    break;
  }
}

static void turn(void *context) {
  struct world_node *n = context;
  struct tl_endpoint_event e;
  struct tl_burst burst;
  uint64_t now = tl_sim_port_now(n->port);
  bool is_moving = true;
  while (is_moving) {
    is_moving = false;
    while (tl_endpoint_event(n->endpoint, &e) == 0) take_event(n, &e);
    dial_missing(n, now);
    while (tl_endpoint_poll(n->endpoint, now, &burst) == 0) {
      is_moving = true;
      if (tl_sim_send(n->port, &burst) == TL_FULL) tl_endpoint_blocked(n->endpoint, &burst.path);
    }
  }
}

static void on_packet(void *context, const struct tl_path *path, uint8_t *packet, size_t size) {
  struct world_node *n = context;
  tl_endpoint_push(n->endpoint, tl_sim_port_now(n->port), path, packet, size);
}

static void on_opened(void *context, const struct tl_path *path, bool accepted) {
  struct world_node *n = context;
  tl_endpoint_opened(n->endpoint, tl_sim_port_now(n->port), path, accepted);
}

static void on_closed(void *context, const struct tl_path *path, int error) {
  struct world_node *n = context;
  tl_endpoint_closed(n->endpoint, tl_sim_port_now(n->port), path, error);
}

static void on_writable(void *context, const struct tl_path *path) {
  struct world_node *n = context;
  tl_endpoint_writable(n->endpoint, path);
}

static uint64_t on_deadline(void *context) {
  struct world_node *n = context;
  uint64_t at = tl_time_min(tl_endpoint_deadline(n->endpoint), n->next_dial);
  return n->world->traffic_each ? tl_time_min(at, n->next_send) : at;
}

static void on_timeout(void *context, uint64_t now) {
  struct world_node *n = context;
  tl_endpoint_timeout(n->endpoint, now);
  make_traffic(n, now);
}

/* ---- Life ---- */

static void node_address(unsigned number, struct tl_address *out) {
  char text[32];
  snprintf(text, sizeof(text), "10.0.0.%u:8855", number + 1);
  (void)tl_address_parse(text, 8855, out);
}

void world_node_start(struct world_node *n) {
  struct world *w = n->world;
  static struct tl_random sources[WORLD_NODES_MAX];
  struct tl_sim_user user = {
      {n, on_packet, turn, on_opened, on_closed, on_writable}, on_deadline, on_timeout};
  struct tl_endpoint_config config = w->config;
  WORLD_CHECK(w, !n->endpoint);
  sources[n->number] = (struct tl_random){tl_sim_draw_bytes, &n->random};
  config.self = n->plays ? n->plays->self : members[n->number].self;
  config.self.random = &sources[n->number];
  config.self.parameters = &w->parameters;
  config.self.udp_port = config.self.tcp_port = n->address.port;
  memcpy(config.self.boot_id, n->boot_id, sizeof(n->boot_id));
  memset(n->dial_numbers, 0, sizeof(n->dial_numbers));
  n->next_dial = 0;
  WORLD_CHECK(w, tl_sim_open(w->sim, &n->address, &user, &n->port) == 0);
  WORLD_CHECK(w, tl_endpoint_new(&config, tl_sim_port_now(n->port), &n->endpoint) == 0);
  n->next_send = tl_sim_port_now(n->port);
  tl_sim_kick(n->port);
}

void world_node_crash(struct world_node *n) {
  for (unsigned i = 0; i < WORLD_LINKS_MAX; i++)
    if (n->links[i].link) link_forget(&n->links[i]);
  n->port = tl_sim_close(n->port);
  n->endpoint = tl_endpoint_free(n->endpoint);
}

void world_init(struct world *w, uint64_t seed, unsigned count) {
  *w = (struct world){.seed = seed, .count = count, .parameters = tl_parameters_default};
  WORLD_CHECK(w, tl_sim_new(seed, &w->sim) == 0);
  w->random.state = seed * 31 + 7;
  ledger_begin(w);
  tl_endpoint_config_init(&w->config);
  for (unsigned i = 0; i < count; i++) {
    struct world_node *n = &w->nodes[i];
    n->world = w;
    n->number = i;
    n->random.state = seed * 1000 + i;
    node_address(i, &n->address);
    tl_sim_draw_bytes(&n->random, n->boot_id, sizeof(n->boot_id));
  }
}

void world_start(struct world *w) {
  for (unsigned i = 0; i < w->count; i++) world_node_start(&w->nodes[i]);
}

void world_deinit(struct world *w) {
  for (unsigned i = 0; i < w->count; i++)
    if (w->nodes[i].endpoint) world_node_crash(&w->nodes[i]);
  w->sim = tl_sim_free(w->sim);
}

void world_dial(struct world *w, unsigned from, unsigned to) {
  struct world_node *n = &w->nodes[from];
  n->dials[to] = true;
  n->next_dial = 0;
  if (n->endpoint) tl_sim_kick(n->port);
}

void world_dial_all(struct world *w) {
  for (unsigned a = 0; a < w->count; a++)
    for (unsigned b = 0; b < w->count; b++)
      if (a != b) world_dial(w, a, b);
}

void world_rebind(struct world *w, unsigned node, const struct tl_address *address) {
  struct world_node *moved = &w->nodes[node];
  if (tl_sim_rebind(moved->port, address) < 0) return;
  moved->address = *address;
  for (unsigned i = 0; i < w->count; i++) { /* as an advert would tell */
    struct world_node *n = &w->nodes[i];
    if (!n->endpoint || !n->dial_numbers[node]) continue;
    tl_endpoint_dial_update(n->endpoint, tl_sim_port_now(n->port), n->dial_numbers[node], address,
                            1);
    tl_sim_kick(n->port);
  }
}

bool world_run_until(struct world *w, uint64_t limit, bool (*done)(struct world *w)) {
  uint64_t until = tl_sim_now(w->sim) + limit;
  while (!done(w))
    if (tl_sim_step(w->sim, until) == TL_EMPTY) return done(w);
  return true;
}

int world_send(struct world *w, unsigned from, unsigned to, size_t size) {
  struct world_link *l = world_link_between(w, from, to);
  WORLD_CHECK(w, l);
  int r = message_send(&w->nodes[from], l, TL_CLASS_ORDERED, size);
  tl_sim_kick(w->nodes[from].port);
  return r;
}

struct tl_endpoint_counters world_counters(struct world *w, unsigned node) {
  struct tl_endpoint_counters c;
  tl_endpoint_counters(w->nodes[node].endpoint, &c);
  return c;
}

bool world_paused(const struct world *w) {
  for (unsigned i = 0; i < w->count; i++)
    if (w->nodes[i].port && tl_sim_is_paused(w->nodes[i].port)) return true;
  return false;
}

int world_take_event(struct world_node *n, struct tl_endpoint_event *out_event) {
  if (n->event_count == 0) return TL_EMPTY;
  *out_event = n->events[0];
  memmove(n->events, n->events + 1, --n->event_count * sizeof(n->events[0]));
  return 0;
}

uint64_t world_now(const struct world *w) {
  return tl_sim_now(w->sim);
}
