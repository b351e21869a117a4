#include "tests/unit/mesh/mate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "crypto/hash.h"
#include "tests/unit/test.h"

/* ---- the node ---- */

static void node_act(struct mates *w, uint64_t now, const struct tl_mesh_action *action) {
  struct tl_path path = action->path;
  if (!action->is_connect)
    tl_sim_hang_up(w->port, path.connection);
  else if (tl_sim_dial(w->port, &path.remote, &path.connection) < 0)
    tl_endpoint_closed(w->endpoint, now, &action->path, TULLE_E_UNREACHABLE);
}

static void send_all(struct tl_endpoint *endpoint, struct tl_sim_port *port, uint64_t now) {
  struct tl_burst burst;
  while (tl_endpoint_poll(endpoint, now, &burst) == 0) {
    int r = tl_sim_send(port, &burst);
    if (r == TL_FULL) tl_endpoint_blocked(endpoint, &burst.path);
    if (r < 0) tl_endpoint_closed(endpoint, now, &burst.path, r);
  }
}

static void node_packet(void *context, const struct tl_path *path, uint8_t *packet, size_t size) {
  struct mates *w = context;
  tl_endpoint_push(w->endpoint, tl_sim_port_now(w->port), path, packet, size);
}

static void node_turn(void *context) {
  struct mates *w = context;
  uint64_t now = tl_sim_port_now(w->port);
  struct tl_mesh_action action;
  while (tl_mesh_turn(w->mesh, now, &action) == 0) node_act(w, now, &action);
  send_all(w->endpoint, w->port, now);
}

static void node_opened(void *context, const struct tl_path *path, bool accepted) {
  struct mates *w = context;
  tl_endpoint_opened(w->endpoint, tl_sim_port_now(w->port), path, accepted);
}

static void node_closed(void *context, const struct tl_path *path, int error) {
  struct mates *w = context;
  tl_endpoint_closed(w->endpoint, tl_sim_port_now(w->port), path, error);
}

static void node_writable(void *context, const struct tl_path *path) {
  struct mates *w = context;
  tl_endpoint_writable(w->endpoint, path);
}

static uint64_t node_deadline(void *context) {
  struct mates *w = context;
  return tl_time_min(tl_mesh_deadline(w->mesh), tl_node_deadline(w->node));
}

static void node_timeout(void *context, uint64_t now) {
  struct mates *w = context;
  tl_endpoint_timeout(w->endpoint, now);
  tl_node_timeout(w->node, now);
  node_turn(w);
}

static void hash8(const void *data, size_t size, uint8_t out[8]) {
  uint8_t full[32];
  struct tl_bytes bytes = {data, size};
  tl_hash(TL_BYTES_NONE, &bytes, 1, full, sizeof full);
  memcpy(out, full, 8);
}

static uint64_t draw(void *context) {
  return tl_sim_draw(context);
}

static size_t own_addresses(void *context, struct tl_address *out, size_t max) {
  struct mates *w = context;
  (void)max;
  *out = w->address;
  return 1;
}

static struct tl_endpoint *endpoint_of(struct node_fixture *f, uint64_t now) {
  struct tl_endpoint_config config;
  struct tl_endpoint *endpoint;
  tl_endpoint_config_init(&config);
  config.self = f->self;
  assert_int_equal(tl_endpoint_new(&config, now, &endpoint), 0);
  return endpoint;
}

static void node_open(struct mates *w) {
  uint64_t now = tl_sim_now(w->sim);
  struct tl_sim_user user = {{w, node_packet, node_turn, node_opened, node_closed, node_writable},
                             node_deadline,
                             node_timeout};
  node_fixture_init(&w->fixture, 1, "osprey");
  assert_int_equal(tl_address_parse("10.0.0.1:8855", 0, &w->address), 0);
  w->node = memory_node(NULL);
  w->endpoint = endpoint_of(&w->fixture, now);
  struct tl_discovery_config discovery = {
      .boot = 1, .random = draw, .random_context = tl_sim_random(w->sim)};
  memcpy(discovery.id, w->fixture.identity->node_id, sizeof discovery.id);
  assert_int_equal(tl_discovery_new(&discovery, &w->discovery), 0);
  struct tl_mesh_config mesh = {.node = w->node,
                                .identity = w->fixture.identity,
                                .trust = w->fixture.trust,
                                .endpoint = w->endpoint,
                                .discovery = w->discovery,
                                .port = 8855,
                                .label_hash = hash8,
                                .own_addresses = own_addresses,
                                .own_context = w};
  assert_int_equal(tl_mesh_new(&mesh, &w->mesh), 0);
  assert_int_equal(tl_sim_open(w->sim, &w->address, &user, &w->port), 0);
}

/* ---- a mate ---- */

static void mate_event(struct mate *m, uint64_t now, const struct tl_endpoint_event *e) {
  struct tl_path path = e->path;
  switch (e->type) {
  case TL_EVENT_LINK_UP:
    m->link = e->link;
    m->ups++;
    break;
  case TL_EVENT_LINK_DOWN:
    m->downs++;
    m->down_reason = e->reason;
    if (m->link == e->link) m->link = NULL, m->opened = NULL;
    break;
  case TL_EVENT_REFUSED:
    m->refusals++;
    break;
  case TL_EVENT_LANE_OPENED:
    m->opened = e->lane;
    m->opens++;
    break;
  case TL_EVENT_LANE_RESET:
    m->resets++;
    m->reset_code = e->code;
    if (m->opened == e->lane) m->opened = NULL;
    tl_link_close_lane(e->link, e->lane, 0);
    break;
  case TL_EVENT_CONNECT:
    if (tl_sim_dial(m->port, &path.remote, &path.connection) < 0)
      tl_endpoint_closed(m->endpoint, now, &e->path, TULLE_E_UNREACHABLE);
    break;
  case TL_EVENT_DISCONNECT:
    tl_sim_hang_up(m->port, path.connection);
    break;
  default:
    break;
  }
}

static void turn(struct mate *m) {
  uint64_t now = tl_sim_port_now(m->port);
  struct tl_endpoint_event event;
  while (tl_endpoint_event(m->endpoint, &event) == 0) mate_event(m, now, &event);
  send_all(m->endpoint, m->port, now);
}

void mate_turn(struct mate *m) {
  tl_sim_kick(m->port);
}

static void on_packet(void *context, const struct tl_path *path, uint8_t *packet, size_t size) {
  struct mate *m = context;
  tl_endpoint_push(m->endpoint, tl_sim_port_now(m->port), path, packet, size);
}

static void on_batch_end(void *context) {
  turn(context);
}

static void on_opened(void *context, const struct tl_path *path, bool accepted) {
  struct mate *m = context;
  tl_endpoint_opened(m->endpoint, tl_sim_port_now(m->port), path, accepted);
}

static void on_closed(void *context, const struct tl_path *path, int error) {
  struct mate *m = context;
  tl_endpoint_closed(m->endpoint, tl_sim_port_now(m->port), path, error);
}

static void on_writable(void *context, const struct tl_path *path) {
  struct mate *m = context;
  tl_endpoint_writable(m->endpoint, path);
}

static uint64_t on_deadline(void *context) {
  struct mate *m = context;
  return tl_endpoint_deadline(m->endpoint);
}

static void on_timeout(void *context, uint64_t now) {
  struct mate *m = context;
  tl_endpoint_timeout(m->endpoint, now);
  turn(m);
}

static void mate_start(struct mates *w, unsigned number) {
  struct mate *m = &w->mates[number];
  struct tl_sim_user user = {
      {m, on_packet, on_batch_end, on_opened, on_closed, on_writable}, on_deadline, on_timeout};
  char name[16], address[32];
  snprintf(name, sizeof name, "mate-%u", number);
  snprintf(address, sizeof address, "10.0.0.%u:8855", number + 2);
  assert_int_equal(tl_address_parse(address, 0, &m->address), 0);
  m->world = w;
  node_fixture_init(&m->fixture, 100 + number, name);
  m->endpoint = endpoint_of(&m->fixture, tl_sim_now(w->sim));
  assert_int_equal(tl_sim_open(w->sim, &m->address, &user, &m->port), 0);
}

static void mate_dial(struct mate *m, const struct tl_token *token) {
  struct tl_dial dial = {.address_count = 1, .addresses = {m->world->address}, .token = token};
  uint64_t number;
  memcpy(dial.node_id, m->world->fixture.identity->node_id, sizeof dial.node_id);
  assert_int_equal(tl_endpoint_dial(m->endpoint, mates_now(m->world), &dial, &number), 0);
  mate_turn(m);
  mates_run(m->world, 300 * TL_MS);
}

struct mate *mate_link_silent(struct mates *w, unsigned number) {
  struct mate *m = &w->mates[number];
  if (tl_trust_is_alone(m->fixture.trust))
    node_fixture_join(&m->fixture, &w->fixture, mates_now(w));
  tl_endpoint_refresh_trust(m->endpoint, mates_now(w));
  mate_dial(m, NULL);
  assert_non_null(m->link);
  return m;
}

struct mate *mate_link(struct mates *w, unsigned number) {
  struct mate *m = mate_link_silent(w, number);
  mate_hello(m);
  return m;
}

struct mate *mate_knock(struct mates *w, unsigned number, const struct tl_token *token) {
  struct mate *m = &w->mates[number];
  mate_dial(m, token);
  return m;
}

/* ---- speaking ---- */

struct tl_lane *mate_lane(struct mate *m, uint64_t number) {
  return tl_flow_lane(tl_link_flow(m->link), number);
}

int mate_write(struct mate *m, struct tl_lane *lane, uint8_t kind, uint8_t flags, const void *bytes,
               size_t size) {
  struct iovec body = {(void *)(uintptr_t)bytes, size};
  int r = tl_link_send(m->link, lane, TL_CLASS_ORDERED, kind, flags, &body, 1);
  assert_true(r >= 0);
  mate_turn(m);
  return r;
}

int mate_write_message(struct mate *m, struct tl_lane *lane, uint8_t kind,
                       const struct tl_mesh_message *message) {
  static uint8_t bytes[TL_MESH_BYTES_MAX];
  size_t size = tl_mesh_encode(message, bytes, sizeof bytes);
  assert_true(size > 0);
  return mate_write(m, lane, kind, 0, bytes, size);
}

void mate_say(struct mate *m, const struct tl_mesh_message *message) {
  assert_int_equal(mate_write_message(m, mate_lane(m, 0), TL_MESH_NODE, message), 0);
  mates_run(m->world, 20 * TL_MS);
}

void mate_hello(struct mate *m) {
  mate_say(m, &(struct tl_mesh_message){
                  .type = TL_MESH_HELLO, .version_min = 1, .version_max = 1, .incarnation = 9});
}

void mate_offer(struct mate *m, const char *service) {
  static struct tl_mesh_message message;
  message = (struct tl_mesh_message){.type = TL_MESH_SERVICE};
  snprintf(message.service.name, sizeof message.service.name, "%s", service);
  mate_say(m, &message);
}

struct tl_lane *mate_open(struct mate *m, const char *service) {
  struct tl_lane *lane;
  assert_int_equal(tl_link_open_lane(m->link, &lane), 0);
  if (!service) return lane;
  struct tl_mesh_message message = {.type = TL_MESH_CHANNEL_OPEN};
  snprintf(message.name, sizeof message.name, "%s", service);
  snprintf(message.party.node_name, sizeof message.party.node_name, "liar");
  snprintf(message.party.program, sizeof message.party.program, "caller");
  message.party.local = true;
  message.party.roles = UINT32_MAX;
  assert_int_equal(mate_write_message(m, lane, TL_MESH_OPEN, &message), 0);
  mates_run(m->world, 20 * TL_MS);
  return lane;
}

/* ---- hearing ---- */

int mate_read(struct mate *m, struct tl_lane *lane, uint8_t *out, size_t *out_size) {
  struct tl_lane_record record;
  int r = tl_lane_receive(lane, &record);
  if (r == TL_END) return -2;
  if (r != 0) return -1;
  int kind = record.kind;
  assert_true(record.size <= TL_LANE_RECORD_BYTES_MAX);
  memcpy(out, record.bytes, record.size);
  *out_size = record.size;
  tl_link_release(m->link, lane);
  return kind;
}

bool mate_hear(struct mate *m, struct tl_lane *lane, enum tl_mesh_type type,
               struct tl_mesh_message *out) {
  static uint8_t bytes[TL_LANE_RECORD_BYTES_MAX];
  size_t size;
  for (int kind; m->link && (kind = mate_read(m, lane, bytes, &size)) >= 0;) {
    if (kind < TL_MESH_NODE) continue;
    assert_int_equal(tl_mesh_decode(bytes, size, out), 0);
    if (out->type == type) return true;
  }
  return false;
}

/* ---- the world ---- */

uint64_t mates_now(const struct mates *w) {
  return tl_sim_now(w->sim);
}

void mates_run(struct mates *w, uint64_t duration) {
  tl_sim_kick(w->port);
  tl_sim_run(w->sim, duration);
}

void mates_init(struct mates *w) {
  memset(w, 0, sizeof *w);
  tl_log_set_level(TL_LOG_ERROR);
  assert_int_equal(tl_sim_new(7, &w->sim), 0);
  struct tl_sim_faults faults = {.delay = TL_MS};
  tl_sim_set_faults(w->sim, &faults);
  node_open(w);
  w->programs = calloc(PROGRAMS, sizeof *w->programs);
  for (int i = 0; i < PROGRAMS; i++) {
    w->programs[i].budget_ns = MATES_BUDGET_NS;
    assert_int_equal(memory_attach(w->node, &w->programs[i], 100), 0);
  }
  for (unsigned i = 0; i < MATES; i++) mate_start(w, i);
}

void mates_deinit(struct mates *w) {
  uint64_t now = mates_now(w);
  w->mesh = tl_mesh_free(w->mesh, now);
  memory_node_free(w->node, w->programs, PROGRAMS);
  free(w->programs);
  tl_endpoint_free(w->endpoint);
  tl_discovery_free(w->discovery);
  for (int i = 0; i < MATES; i++) {
    tl_endpoint_free(w->mates[i].endpoint);
    node_fixture_deinit(&w->mates[i].fixture);
  }
  node_fixture_deinit(&w->fixture);
  tl_sim_free(w->sim);
}

int mates_setup(void **state) {
  struct mates *w = malloc(sizeof *w);
  mates_init(w);
  *state = w;
  return 0;
}

int mates_teardown(void **state) {
  mates_deinit(*state);
  free(*state);
  return 0;
}

void program_serve(struct mates *w, unsigned program, const char *service) {
  assert_int_equal(
      memory_call_text(&w->programs[program], mates_now(w), "register", "service", service), 0);
  mates_run(w, 20 * TL_MS);
}

struct tl_offer *mates_offer(const struct mates *w, const char *service) {
  return tl_registry_find(&w->node->registry, service, NULL, NULL);
}

size_t mates_proxies(const struct mates *w) {
  size_t count = 0;
  TL_LIST_FOR_EACH(l, &w->mesh->peers) {
    const struct tl_mesh_peer *peer = tl_container_of(l, struct tl_mesh_peer, in_mesh);
    TL_LIST_FOR_EACH(p, &peer->proxies) count++;
  }
  return count;
}
