/*
 * Two whole endpoints, and everything that can happen between them.
 *
 * An input is a row of steps: the next packet on its way arrives, is lost, comes twice, arrives flipped or cut; time passes;
 * somebody dials, sends, closes; a stranger's bytes arrive, or a HELLO with a right mac; and a member that owns its keys sends
 * frames of its own making. The cipher is the real one: what has to get through is sealed with the session's own keys.
 *
 * Whatever comes, nobody crashes, a link is up with nobody but the other node, and each packet counts at most once as refused.
 */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/time.h"
#include "tests/support/forge.h"
#include "transport/link/endpoint_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FLYING_MAX 64
#define PACKET_MAX 4096

struct flying {
  unsigned to;
  struct tl_path path; /* as the receiver sees it */
  size_t size;
  uint8_t bytes[PACKET_MAX];
};

struct side {
  struct tl_endpoint *endpoint;
  struct tl_address address;
};

struct run {
  struct tl_reader in;
  struct side sides[2];
  struct flying flying[FLYING_MAX]; /* a ring */
  size_t first, count;
  uint32_t connections;
  uint64_t now;
};

static struct node_fixture nodes[2];
static struct run run;

/* Guarded memory is not searched for pointers, so what it points to must be freed in order. */
static void stop(void) {
  node_fixture_deinit(&nodes[0]);
  node_fixture_deinit(&nodes[1]);
}

static void start(void) {
  static bool has_started;
  if (has_started) return;
  has_started = true;
  node_fixture_init(&nodes[0], 1, "anna");
  node_fixture_init(&nodes[1], 2, "bert");
  node_fixture_join(&nodes[1], &nodes[0], TL_S);
  atexit(stop);
}

/* ---- what is on its way ---- */

static void put(unsigned to, const struct tl_path *path, const uint8_t *bytes, size_t size) {
  if (run.count == FLYING_MAX || size > PACKET_MAX) return;
  struct flying *f = &run.flying[(run.first + run.count++) % FLYING_MAX];
  f->to = to;
  f->path = *path;
  f->size = size;
  memcpy(f->bytes, bytes, size);
}

static struct flying *take(void) {
  if (!run.count) return NULL;
  struct flying *f = &run.flying[run.first];
  run.first = (run.first + 1) % FLYING_MAX;
  run.count--;
  return f;
}

/* A copy of its own size, so that a read of one byte too many is seen. */
static void arrive(const struct flying *f, size_t size) {
  uint8_t *copy = malloc(size ? size : 1);
  TL_ASSERT(copy);
  if (size) memcpy(copy, f->bytes, size);
  tl_endpoint_push(run.sides[f->to].endpoint, run.now, &f->path, copy, size);
  free(copy);
}

static struct tl_path path_from(unsigned from, uint32_t carrier, uint32_t connection) {
  return (struct tl_path){run.sides[from].address, carrier, connection};
}

static void send_burst(unsigned from, const struct tl_burst *burst) {
  struct tl_path path = path_from(from, burst->path.carrier, burst->path.connection);
  for (size_t at = 0; at < burst->size;) {
    size_t size = burst->packet_bytes < burst->size - at ? burst->packet_bytes : burst->size - at;
    if (path.carrier == TL_CARRIER_TCP)
      TL_ASSERT(tl_carrier_packet_size(burst->bytes + at, burst->size - at, &size) == 0);
    put(1 - from, &path, burst->bytes + at, size);
    at += size;
  }
}

/* ---- a turn of both ---- */

static void tcp_connect(unsigned from) {
  struct tl_path there = path_from(1 - from, TL_CARRIER_TCP, ++run.connections);
  struct tl_path here = path_from(from, TL_CARRIER_TCP, run.connections);
  tl_endpoint_opened(run.sides[from].endpoint, run.now, &there, false);
  tl_endpoint_opened(run.sides[1 - from].endpoint, run.now, &here, true);
}

static void read_lane(const struct tl_endpoint_event *e) {
  struct tl_lane_record record;
  uint8_t sum = 0;
  while (tl_lane_receive(e->lane, &record) == 0) {
    for (size_t i = 0; i < record.size; i++) sum ^= record.bytes[i];
    tl_link_release(e->link, e->lane);
  }
  (void)sum;
}

static void take_event(unsigned at, const struct tl_endpoint_event *e) {
  struct tl_path path;
  switch (e->type) {
  case TL_EVENT_LINK_UP:
    TL_ASSERT(memcmp(tl_link_peer(e->link)->key, nodes[1 - at].identity->key, 32) == 0);
    break;
  case TL_EVENT_CONNECT:
    tcp_connect(at);
    break;
  case TL_EVENT_DISCONNECT:
    path = path_from(at, TL_CARRIER_TCP, e->path.connection);
    tl_endpoint_closed(run.sides[1 - at].endpoint, run.now, &path, 0);
    break;
  case TL_EVENT_LANE_READABLE:
    read_lane(e);
    break;
  case TL_EVENT_LANE_RESET:
    tl_link_close_lane(e->link, e->lane, 0);
    break;
  default:
    break;
  }
}

static bool turn_one(unsigned at) {
  struct tl_endpoint_event e;
  struct tl_burst burst;
  bool moved = false;
  while (tl_endpoint_event(run.sides[at].endpoint, &e) == 0) {
    take_event(at, &e);
    moved = true;
  }
  for (int i = 0; i < 16 && tl_endpoint_poll(run.sides[at].endpoint, run.now, &burst) == 0; i++)
    send_burst(at, &burst);
  return moved;
}

static void turn(void) {
  for (int i = 0; i < 16 && (turn_one(0) | turn_one(1)); i++) continue;
}

/* ---- steps ---- */

static void dial(unsigned from, bool over_tcp) {
  struct tl_dial wish = {.address_count = 1,
                         .addresses = {run.sides[1 - from].address},
                         .carrier = over_tcp ? TL_CARRIER_ONLY_TCP : TL_CARRIER_AUTO};
  uint64_t number;
  memcpy(wish.node_id, nodes[1 - from].identity->node_id, sizeof wish.node_id);
  (void)tl_endpoint_dial(run.sides[from].endpoint, run.now, &wish, &number);
}

static struct tl_link *link_of(unsigned at) {
  size_t cursor = 0;
  return tl_endpoint_next_link(run.sides[at].endpoint, &cursor);
}

static void use_link(unsigned at, unsigned what) {
  static uint8_t body[5000];
  struct tl_link *link = link_of(at);
  struct tl_lane *lane;
  if (!link) return;
  struct iovec piece = {body, tl_read_u16(&run.in) % sizeof body};
  switch (what % 4) {
  case 0:
    if (tl_link_open_lane(link, &lane) == 0)
      (void)tl_link_send(link, lane, (enum tl_class)(what / 4 % 3), 1, 0, &piece, 1);
    break;
  case 1:
    tl_link_set_carrier(link, run.now, (enum tl_carrier_choice)(what / 4 % 3));
    break;
  case 2:
    if ((lane = tl_flow_next_lane(tl_link_flow(link), NULL)))
      tl_link_close_lane(link, lane, (uint32_t)piece.iov_len);
    break;
  default:
    tl_link_close(link, run.now, (uint32_t)piece.iov_len);
  }
}

/* Some bytes of the input as a packet for `to`. */
static void raw(unsigned to, unsigned what) {
  struct flying f = {.to = to, .path = path_from(1 - to, what & 1, what & 1 ? run.connections : 0)};
  f.size = tl_read_u16(&run.in) % (TL_HANDSHAKE_BYTES + 1);
  if (f.size > tl_reader_left(&run.in)) f.size = tl_reader_left(&run.in);
  const uint8_t *bytes = tl_read_bytes(&run.in, f.size);
  if (bytes && f.size) memcpy(f.bytes, bytes, f.size);
  if (what & 2) { /* a HELLO that somebody with the admission secret made */
    struct forge forge;
    forge_init(&forge, &nodes[1 - to]);
    f.size = TL_HANDSHAKE_BYTES;
    forge_mac1(&forge, nodes[to].identity->node_id, f.bytes);
  }
  arrive(&f, f.size);
}

/* Frames of a member that breaks the protocol, in a packet that is genuine. */
static void sealed(unsigned from) {
  struct tl_link *link = link_of(from);
  struct flying f = {.to = 1 - from, .path = path_from(from, TL_CARRIER_UDP, 0)};
  size_t size = tl_read_u16(&run.in) % 1200;
  uint64_t counter;
  if (size > tl_reader_left(&run.in)) size = tl_reader_left(&run.in);
  const uint8_t *bytes = tl_read_bytes(&run.in, size);
  if (!link || !bytes) return;
  if (size) memcpy(f.bytes + TL_PACKET_HEAD_BYTES, bytes, size);
  if (tl_session_seal(link->session, run.now, 0, f.bytes, size, &f.size, &counter) == 0)
    arrive(&f, f.size);
}

static void pass_time(void) {
  run.now += (uint64_t)tl_read_u8(&run.in) * 25 * TL_MS;
  for (int i = 0; i < 2; i++) tl_endpoint_timeout(run.sides[i].endpoint, run.now);
}

static void step(void) {
  unsigned kind = tl_read_u8(&run.in), what = kind >> 4;
  struct flying *f = kind % 16 < 6 ? take() : NULL;
  size_t at;
  switch (kind % 16) {
  case 0:
  case 1:
    if (f) arrive(f, f->size);
    break;
  case 2:
    break; /* lost */
  case 3:
    if (f) arrive(f, f->size), arrive(f, f->size);
    break;
  case 4:
    at = tl_read_u16(&run.in);
    if (f && f->size) f->bytes[at % f->size] ^= (uint8_t)tl_read_u8(&run.in);
    if (f) arrive(f, f->size);
    break;
  case 5:
    at = tl_read_u16(&run.in);
    if (f) arrive(f, at % (f->size + 1));
    break;
  case 6:
    for (int i = 0; i < 16 && (f = take()); i++) arrive(f, f->size), turn();
    break;
  case 7:
    dial(what & 1, what & 2);
    break;
  case 8:
    raw(what & 1, what >> 1);
    break;
  case 9:
  case 10:
    sealed(what & 1);
    break;
  case 11:
    use_link(what & 1, tl_read_u8(&run.in));
    break;
  default:
    pass_time();
  }
  turn();
}

static void check(unsigned at) {
  struct tl_endpoint_counters c;
  tl_endpoint_counters(run.sides[at].endpoint, &c);
  uint64_t refused = c.drop_carrier + c.drop_late + c.drop_room + c.drop_frames;
  for (size_t i = 0; i < TL_REFUSAL_COUNT; i++) refused += c.dropped.count[i];
  TL_ASSERT(refused <= c.packets_received);
  TL_ASSERT(c.strangers_closed <= c.strangers);
}

static void begin(const uint8_t *data, size_t size) {
  static struct tl_endpoint_config config;
  memset(&run, 0, sizeof run);
  run.in = tl_reader_on(data, size);
  run.now = 3600 * TL_S;
  for (unsigned i = 0; i < 2; i++) {
    nodes[i].random = seeded_random_init(&nodes[i].seeded, 11 + i); /* the same run each time */
    tl_clone_watch_init(&nodes[i].clones);
    tl_endpoint_config_init(&config);
    config.self = nodes[i].self;
    run.sides[i].address = address_of((uint8_t)(1 + i));
    TL_ASSERT(tl_endpoint_new(&config, run.now, &run.sides[i].endpoint) == 0);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  start();
  begin(data, size);
  while (!run.in.failed && tl_reader_left(&run.in)) step();
  for (unsigned i = 0; i < 2; i++) check(i);
  for (unsigned i = 0; i < 2; i++) run.sides[i].endpoint = tl_endpoint_free(run.sides[i].endpoint);
  return 0;
}
