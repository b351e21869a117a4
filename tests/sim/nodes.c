/*
 * Whole nodes on virtual time: catalogues, channels, calls and joins over a network that treats them badly.
 *
 *   sim_nodes [SEEDS [FIRST_SEED]]
 *
 * Each seed draws a fabric of 2 to 8 nodes with a server and a client each, and faults: loss to 30 %, duplication, reordering,
 * corruption, partitions, crashes and restarts, pauses, changes of address. Checked all the time: every outcome of a call is true (actor.h),
 * and no key encrypts two things under one counter.
 * The second half of a run is quiet; at its end all nodes are linked, all services known, and calls are done. Every tenth
 * seed runs twice and must give the same trace. A failure prints its seed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "crypto/hash.h"
#include "node/mesh/mesh.h"
#include "tests/sim/actor.h"
#include "tests/support/ledger.h"
#include "tests/support/node_fixture.h"

#define NODES_MAX 8
#define STORM_NS  (20 * TL_S)
#define QUIET_NS  (40 * TL_S)

struct machine {
  struct world *world;
  unsigned number;
  bool is_up;
  struct node_fixture fixture;
  struct tl_sim_port *port;
  struct tl_address address;
  struct tl_node *node;
  struct tl_endpoint *endpoint;
  struct tl_discovery *discovery;
  struct tl_mesh *mesh;
  struct tl_port server, client;
  uint64_t restart_at; /* down until then */
};

struct world {
  struct tl_sim *sim;
  struct tl_sim_random random;
  struct ledger ledger;
  struct machine machines[NODES_MAX];
  unsigned count;
  uint64_t begin;
};

/* ---- a machine's turn ---- */

static void machine_act(struct machine *m, uint64_t now, const struct tl_mesh_action *action) {
  struct tl_path path = action->path;
  if (!action->is_connect)
    tl_sim_hang_up(m->port, path.connection);
  else if (tl_sim_dial(m->port, &path.remote, &path.connection) < 0)
    tl_endpoint_closed(m->endpoint, now, &action->path, TULLE_E_UNREACHABLE);
}

static void machine_send(struct machine *m, uint64_t now, const struct tl_burst *burst) {
  int r = tl_sim_send(m->port, burst);
  if (r == TL_FULL) tl_endpoint_blocked(m->endpoint, &burst->path);
  if (r < 0) tl_endpoint_closed(m->endpoint, now, &burst->path, r);
}

static void machine_turn(struct machine *m, uint64_t now) {
  struct tl_mesh_action action;
  struct tl_burst burst;
  bool moves = true;
  while (moves) {
    while (tl_mesh_turn(m->mesh, now, &action) == 0) machine_act(m, now, &action);
    moves = actor_settle(&m->server, now);
    moves |= actor_settle(&m->client, now);
    while (tl_endpoint_poll(m->endpoint, now, &burst) == 0) machine_send(m, now, &burst);
  }
}

static void on_packet(void *context, const struct tl_path *path, uint8_t *packet, size_t size) {
  struct machine *m = context;
  tl_endpoint_push(m->endpoint, tl_sim_port_now(m->port), path, packet, size);
}

static void on_batch_end(void *context) {
  struct machine *m = context;
  machine_turn(m, tl_sim_port_now(m->port));
}

static void on_opened(void *context, const struct tl_path *path, bool accepted) {
  struct machine *m = context;
  tl_endpoint_opened(m->endpoint, tl_sim_port_now(m->port), path, accepted);
}

static void on_closed(void *context, const struct tl_path *path, int error) {
  struct machine *m = context;
  tl_endpoint_closed(m->endpoint, tl_sim_port_now(m->port), path, error);
}

static void on_writable(void *context, const struct tl_path *path) {
  struct machine *m = context;
  tl_endpoint_writable(m->endpoint, path);
}

static uint64_t on_deadline(void *context) {
  struct machine *m = context;
  uint64_t due = tl_time_min(tl_mesh_deadline(m->mesh), tl_node_deadline(m->node));
  return tl_time_min(due, actor_deadline(&m->client));
}

static void on_timeout(void *context, uint64_t now) {
  struct machine *m = context;
  tl_endpoint_timeout(m->endpoint, now);
  tl_node_timeout(m->node, now);
  machine_turn(m, now);
}

/* ---- life of a machine ---- */

static uint64_t draw_u64(void *context) {
  return tl_sim_draw(context);
}

static void hash8(const void *data, size_t size, uint8_t out[8]) {
  uint8_t full[32];
  struct tl_bytes bytes = {data, size};
  tl_hash(TL_BYTES_NONE, &bytes, 1, full, sizeof full);
  memcpy(out, full, 8);
}

static size_t own_addresses(void *context, struct tl_address *out, size_t max) {
  (void)context, (void)out, (void)max;
  return 0;
}

#define MUST(expression)                                                                           \
  do {                                                                                             \
    if ((expression) != 0) {                                                                       \
      fprintf(stderr, "%s failed\n", #expression);                                                 \
      abort();                                                                                     \
    }                                                                                              \
  } while (0)

static void machine_start_node(struct machine *m, uint64_t now) {
  const struct tl_trust_state *trust = tl_trust_state_of(m->fixture.trust);
  struct tl_node_config config = {.limit = tl_node_limit(UINT64_C(1) << 30, 4096)};
  config.self = (struct tl_party){.incarnation = now, .uid = 100, .pid = 1, .local = true};
  memcpy(config.self.node, m->fixture.identity->node_id, 16);
  memcpy(config.self.node_name, trust->self.name, sizeof config.self.node_name);
  tl_node_id_format(config.self.node, config.node_id_text);
  MUST(tl_node_new(&config, now, &m->node));
}

static void machine_start_mesh(struct machine *m, uint64_t now) {
  struct tl_endpoint_config endpoint;
  tl_endpoint_config_init(&endpoint);
  endpoint.self = m->fixture.self;
  endpoint.self.udp_port = endpoint.self.tcp_port = m->address.port;
  MUST(tl_endpoint_new(&endpoint, now, &m->endpoint));
  struct tl_discovery_config discovery = {
      .boot = now, .random = draw_u64, .random_context = &m->world->random};
  memcpy(discovery.id, m->fixture.identity->node_id, 16);
  MUST(tl_discovery_new(&discovery, &m->discovery));
  for (unsigned i = 0; i < m->number; i++)
    MUST(tl_discovery_add_static(m->discovery, now, NULL, &m->world->machines[i].address));
  struct tl_mesh_config mesh = {.node = m->node,
                                .identity = m->fixture.identity,
                                .trust = m->fixture.trust,
                                .endpoint = m->endpoint,
                                .discovery = m->discovery,
                                .port = m->address.port,
                                .label_hash = hash8,
                                .own_addresses = own_addresses};
  MUST(tl_mesh_new(&mesh, &m->mesh));
}

static void machine_start(struct machine *m) {
  struct tl_sim_user user = {
      {m, on_packet, on_batch_end, on_opened, on_closed, on_writable}, on_deadline, on_timeout};
  m->port = NULL;
  uint64_t now = tl_sim_now(m->world->sim);
  machine_start_node(m, now);
  machine_start_mesh(m, now);
  MUST(tl_sim_open(m->world->sim, &m->address, &user, &m->port));
  snprintf(m->server.service, sizeof m->server.service, "echo-%u", m->number);
  m->server.is_server = true;
  m->client.services = m->world->count;
  actor_start(&m->server, m->node, &m->world->ledger, &m->world->random, now);
  actor_start(&m->client, m->node, &m->world->ledger, &m->world->random, now);
  m->is_up = true;
  tl_sim_kick(m->port);
}

static void machine_stop(struct machine *m) {
  uint64_t now = tl_sim_port_now(m->port);
  actor_end(&m->client, now, true);
  actor_end(&m->server, now, true);
  m->mesh = tl_mesh_free(m->mesh, now);
  m->endpoint = tl_endpoint_free(m->endpoint);
  m->discovery = tl_discovery_free(m->discovery);
  m->node = tl_node_free(m->node);
  m->port = tl_sim_close(m->port);
  m->is_up = false;
}

/* ---- a run ---- */

static void draw_faults(struct world *w) {
  struct tl_sim_faults f = {.delay = 1 * TL_MS + tl_sim_draw_below(&w->random, 30 * TL_MS)};
  f.loss = (double)tl_sim_draw_below(&w->random, 31) / 100;
  f.loss_burst = 1 + (uint32_t)tl_sim_draw_below(&w->random, 3);
  f.duplicate = (double)tl_sim_draw_below(&w->random, 51) / 100;
  f.reorder = (double)tl_sim_draw_below(&w->random, 31) / 100;
  f.jitter = tl_sim_draw_below(&w->random, 200 * TL_MS);
  f.corrupt =
      tl_sim_draw_chance(&w->random, 0.3) ? (double)tl_sim_draw_below(&w->random, 31) / 100 : 0;
  tl_sim_set_faults(w->sim, &f);
}

/* Another address; the others hear of it as from an advert. */
static void rebind(struct world *w, struct machine *m) {
  struct tl_address a = m->address;
  a.ip[14] = (uint8_t)(1 + tl_sim_draw_below(&w->random, 250));
  if (tl_sim_rebind(m->port, &a) < 0) return;
  m->address = a;
  for (unsigned i = 0; i < w->count; i++) {
    struct machine *other = &w->machines[i];
    if (other == m || !other->is_up) continue;
    (void)tl_discovery_heard(other->discovery, tl_sim_port_now(other->port),
                             m->fixture.identity->node_id, &a);
    tl_sim_kick(other->port);
  }
}

static void misfortune(struct world *w) {
  struct machine *m = &w->machines[tl_sim_draw_below(&w->random, w->count)];
  struct machine *other = &w->machines[tl_sim_draw_below(&w->random, w->count)];
  uint64_t now = tl_sim_now(w->sim);
  switch (tl_sim_draw_below(&w->random, 7)) {
  case 0:
    if (!m->is_up) break;
    machine_stop(m);
    m->restart_at = now + tl_sim_draw_below(&w->random, 5 * TL_S);
    break;
  case 1:
    if (m->is_up && other->is_up && m != other)
      tl_sim_partition(w->sim, m->port, other->port, tl_sim_draw_chance(&w->random, 0.5));
    break;
  case 2:
    tl_sim_heal(w->sim);
    break;
  case 3:
    if (m->is_up) tl_sim_pause(m->port, tl_sim_draw_below(&w->random, 10 * TL_S));
    break;
  case 4:
    draw_faults(w);
    break;
  case 5:
    if (m->is_up) rebind(w, m);
    break;
  default:
    break;
  }
}

static void restart_due(struct world *w, bool all) {
  for (unsigned i = 0; i < w->count; i++) {
    struct machine *m = &w->machines[i];
    if (m->is_up || (!all && tl_sim_now(w->sim) < m->restart_at)) continue;
    node_fixture_restart(&m->fixture, tl_sim_now(w->sim));
    machine_start(m);
  }
}

static void storm(struct world *w) {
  draw_faults(w);
  for (uint64_t end = w->begin + STORM_NS; tl_sim_now(w->sim) < end;) {
    tl_sim_run(w->sim, tl_sim_draw_exponential(&w->random, 500 * TL_MS));
    misfortune(w);
    restart_due(w, false);
  }
}

static void quiet(struct world *w) {
  struct tl_sim_faults none = {.delay = TL_MS};
  tl_sim_heal(w->sim);
  tl_sim_set_faults(w->sim, &none);
  restart_due(w, true);
  tl_sim_run(w->sim, QUIET_NS);
}

static bool all_is_well(struct world *w, uint64_t done_before) {
  bool is_well = w->ledger.violations == 0;
  if (!is_well) fprintf(stderr, "%llu violations\n", (unsigned long long)w->ledger.violations);
  for (unsigned i = 0; i < w->count; i++) {
    struct machine *m = &w->machines[i];
    size_t cursor = 0;
    unsigned links = 0, services = 0;
    while (tl_endpoint_next_link(m->endpoint, &cursor)) links++;
    for (struct tl_offer *o = tl_registry_next(&m->node->registry, NULL); o;
         o = tl_registry_next(&m->node->registry, o))
      services++;
    if (links == w->count - 1 && services == w->count) continue;
    fprintf(stderr, "node %u: %u links, %u services, wanted %u and %u\n", i, links, services,
            w->count - 1, w->count);
    is_well = false;
  }
  if (w->ledger.done <= done_before) {
    fprintf(stderr, "no call was done in the quiet half\n");
    is_well = false;
  }
  return is_well;
}

static void world_open(struct world *w, uint64_t seed) {
  memset(w, 0, sizeof *w);
  MUST(tl_sim_new(seed, &w->sim));
  w->random.state = seed * 0x9e3779b97f4a7c15u + 1;
  w->begin = tl_sim_now(w->sim);
  w->count = 2 + (unsigned)tl_sim_draw_below(&w->random, NODES_MAX - 1);
  for (unsigned i = 0; i < w->count; i++) {
    struct machine *m = &w->machines[i];
    char name[16], address[32];
    m->world = w;
    m->number = i;
    snprintf(name, sizeof name, "node-%u", i);
    snprintf(address, sizeof address, "10.0.0.%u:8855", i + 1);
    MUST(tl_address_parse(address, 0, &m->address));
    node_fixture_init(&m->fixture, seed * NODES_MAX + i, name);
    if (i) node_fixture_join(&m->fixture, &w->machines[0].fixture, w->begin);
  }
  for (unsigned i = 0; i < w->count; i++) machine_start(&w->machines[i]);
}

static void world_close(struct world *w) {
  for (unsigned i = 0; i < w->count; i++) {
    machine_stop(&w->machines[i]);
    node_fixture_deinit(&w->machines[i].fixture);
  }
  tl_sim_free(w->sim);
}

static uint64_t encryptions;

static bool run_seed(uint64_t seed, uint64_t *out_trace, struct ledger *sum) {
  static struct world w;
  ledger_start();
  world_open(&w, seed);
  storm(&w);
  uint64_t done_before = w.ledger.done;
  quiet(&w);
  bool is_well = all_is_well(&w, done_before);
  *out_trace = tl_sim_trace(w.sim);
  sum->done += w.ledger.done, sum->gone += w.ledger.gone, sum->unknown += w.ledger.unknown,
      sum->other += w.ledger.other;
  world_close(&w);
  encryptions += ledger_count();
  size_t doubled = ledger_stop();
  if (doubled) fprintf(stderr, "%zu keys and counters came twice\n", doubled);
  is_well &= doubled == 0;
  if (!is_well)
    fprintf(stderr, "seed %llu failed: sim_nodes 1 %llu\n", (unsigned long long)seed,
            (unsigned long long)seed);
  return is_well;
}

int main(int argc, char **argv) {
  uint64_t seeds = argc > 1 ? strtoull(argv[1], NULL, 10) : 20,
           first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
  static struct ledger sum;
  unsigned failed = 0;
  MUST(tl_crypto_start());
  tl_log_set_level(TL_LOG_ERROR);
  for (uint64_t seed = first; seed < first + seeds; seed++) {
    uint64_t trace, again;
    failed += !run_seed(seed, &trace, &sum);
    if (seed % 10) continue;
    failed += !run_seed(seed, &again, &sum);
    if (trace == again) continue;
    fprintf(stderr, "seed %llu: two runs, two traces\n", (unsigned long long)seed);
    failed++;
  }
  printf("%llu seeds: %llu calls done, %llu gone, %llu unknown, %llu other, %llu encryptions; %u "
         "failures\n",
         (unsigned long long)seeds, (unsigned long long)sum.done, (unsigned long long)sum.gone,
         (unsigned long long)sum.unknown, (unsigned long long)sum.other,
         (unsigned long long)encryptions, failed);
  return failed ? 1 : 0;
}
