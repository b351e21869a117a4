#include "node/mesh/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "crypto/token.h"
#include "node/mesh/mesh.h"
#include "node/mesh/proxy.h"
#include "node/state/procedures.h"

static struct tl_mesh *mesh_of(const struct tl_request *q) {
  return q->program->node->remote.context;
}

/* ---- listings ---- */

/* Rows in one answer: well within what a checked message may hold. Whoever asks goes on with `from`. */
#define ROWS_MAX 100

static size_t rows_from(uint64_t from, size_t all) {
  if (from >= all) return 0;
  return all - from < ROWS_MAX ? all - (size_t)from : ROWS_MAX;
}

static void pack_pair(struct tulle_pack *w, const char *key, const char *value) {
  tulle_pack_text(w, key);
  tulle_pack_text(w, value);
}

static void pack_number(struct tulle_pack *w, const char *key, uint64_t value) {
  tulle_pack_text(w, key);
  tulle_pack_uint(w, value);
}

static const char *known_by(unsigned sources) {
  if (sources & TL_DISCOVERY_BY_STATIC) return "static";
  if (sources & TL_DISCOVERY_BY_MDNS) return "mdns";
  return sources & TL_DISCOVERY_BY_PEER ? "peer" : "link";
}

static struct tl_mesh_peer *peer_by_id(const struct tl_mesh *mesh, const uint8_t id[16]) {
  TL_LIST_FOR_EACH(l, &mesh->peers) {
    struct tl_mesh_peer *peer = tl_container_of(l, struct tl_mesh_peer, in_mesh);
    if (memcmp(peer->place.node_id, id, 16) == 0) return peer;
  }
  return NULL;
}

/* One row of `nodes`: a linked node, or one that was only heard of. */
static void pack_node(struct tulle_pack *w, const struct tl_mesh *mesh,
                      const struct tl_discovery_entry *entry, uint64_t now) {
  const struct tl_mesh_peer *peer = entry->has_id ? peer_by_id(mesh, entry->id) : NULL;
  const struct tl_member *member =
      entry->has_id ? tl_trust_member_by_id(mesh->config.trust, entry->id) : NULL;
  char id[TL_NODE_ID_TEXT_SIZE] = "";
  if (entry->has_id) tl_node_id_format(entry->id, id);
  tulle_pack_map(w, 7);
  pack_pair(w, "node", peer ? peer->place.node_name : member ? member->name : "");
  pack_pair(w, "node_id", id);
  pack_pair(w, "path", peer ? peer->place.path : "");
  pack_pair(w, "known_by", known_by(entry->sources));
  pack_number(w, "age_ns", now - entry->first_heard_at);
  pack_pair(w, "state",
            peer                ? (peer->place.is_reachable ? "linked" : "unreachable")
            : entry->is_cloned  ? "cloned"
            : entry->is_foreign ? "foreign"
                                : "heard of");
  pack_number(w, "failures", entry->failures);
}

static void pack_self(struct tulle_pack *w, const struct tl_node *node, uint64_t now) {
  tulle_pack_map(w, 7);
  pack_pair(w, "node", node->config.self.node_name);
  pack_pair(w, "node_id", node->config.node_id_text);
  pack_pair(w, "path", "ring");
  pack_pair(w, "known_by", "self");
  pack_number(w, "age_ns", now - node->started);
  pack_pair(w, "state", "here");
  pack_number(w, "failures", 0);
}

static int do_nodes(struct tl_request *q) {
  struct tl_mesh *mesh = mesh_of(q);
  struct tl_discovery_entry entry;
  size_t cursor = 0, all = 1;
  uint64_t from = 0;
  int r = tl_request_uint(q, "from", &from);
  if (r < 0) return r;
  while (tl_discovery_next(mesh->config.discovery, &cursor, &entry) == 0) all++;
  size_t count = rows_from(from, all);
  tulle_pack_array(&q->result, count);
  if (from == 0) pack_self(&q->result, q->program->node, q->now);
  cursor = 0;
  for (size_t i = 1; count && i < from + count; i++) { /* nobody changes the table meanwhile */
    (void)tl_discovery_next(mesh->config.discovery, &cursor, &entry);
    if (i >= from) pack_node(&q->result, mesh, &entry, q->now);
  }
  return 0;
}

static void pack_link(struct tulle_pack *w, struct tl_mesh_peer *peer, uint64_t now) {
  struct tl_link_info i;
  struct tl_flow_stats flow;
  char remote[TL_ADDRESS_TEXT_SIZE];
  tl_mesh_peer_refresh(peer, now);
  tl_link_info(peer->link, now, &i);
  tl_flow_stats(tl_link_flow(peer->link), &flow);
  tl_address_format(&i.path.remote, remote);
  tulle_pack_map(w, 19);
  pack_pair(w, "node", peer->place.node_name);
  pack_pair(w, "node_id", peer->place.node_id_text);
  pack_pair(w, "path", peer->place.path);
  pack_pair(w, "remote", remote);
  pack_pair(w, "state", i.is_reachable ? "up" : "unreachable");
  pack_number(w, "rtt_ns", i.rtt);
  pack_number(w, "loss_ppm", i.packets_sent ? i.packets_lost * 1000000 / i.packets_sent : 0);
  pack_number(w, "mtu_bytes", i.mtu);
  pack_number(w, "lanes", i.lanes);
  pack_number(w, "sent_bytes", i.bytes_sent);
  pack_number(w, "received_bytes", i.bytes_received);
  pack_number(w, "sent_packets", i.packets_sent);
  pack_number(w, "received_packets", i.packets_received);
  pack_number(w, "key_age_ns", i.key_age);
  pack_number(w, "age_ns", now - peer->up_since);
  pack_number(w, "rekeys", i.rekeys);
  pack_number(w, "memory_bytes", i.memory_bytes);
  pack_number(w, "best_effort_lost", flow.best_effort_lost);
  pack_number(w, "best_effort_dropped", flow.best_effort_dropped + peer->loose_dropped);
}

static int do_links(struct tl_request *q) {
  struct tl_mesh *mesh = mesh_of(q);
  uint64_t from = 0, number = 0;
  size_t all = 0;
  int r = tl_request_uint(q, "from", &from);
  if (r < 0) return r;
  TL_LIST_FOR_EACH(l, &mesh->peers) all++;
  size_t count = rows_from(from, all);
  tulle_pack_array(&q->result, count);
  TL_LIST_FOR_EACH(l, &mesh->peers) { /* refreshing sorts places, not peers */
    if (number >= from && number - from < count)
      pack_link(&q->result, tl_container_of(l, struct tl_mesh_peer, in_mesh), q->now);
    number++;
  }
  return 0;
}

static int do_members(struct tl_request *q) {
  struct tl_mesh *mesh = mesh_of(q);
  const struct tl_trust_state *state = tl_trust_state_of(mesh->config.trust);
  uint64_t from = 0;
  int r = tl_request_uint(q, "from", &from);
  if (r < 0) return r;
  size_t count = rows_from(from, state->member_count);
  tulle_pack_array(&q->result, count);
  for (size_t i = (size_t)from; count && i < from + count; i++) {
    const struct tl_member *m = &state->members[i];
    bool is_self = memcmp(m->node_id, mesh->config.identity->node_id, 16) == 0;
    const struct tl_mesh_peer *peer = peer_by_id(mesh, m->node_id);
    char id[TL_NODE_ID_TEXT_SIZE];
    tl_node_id_format(m->node_id, id);
    tulle_pack_map(&q->result, 6);
    pack_pair(&q->result, "node", m->name);
    pack_pair(&q->result, "node_id", id);
    pack_number(&q->result, "roles", m->roles);
    pack_number(&q->result, "serial", m->serial);
    tulle_pack_text(&q->result, "self"), tulle_pack_bool(&q->result, is_self);
    pack_pair(&q->result, "state",
              is_self                    ? "here"
              : !peer                    ? "not linked"
              : peer->place.is_reachable ? "linked"
                                         : "unreachable");
  }
  return 0;
}

/* ---- membership ---- */

#define SIMILAR_EDITS_MAX 2

static int do_fabric_create(struct tl_request *q) {
  struct tl_mesh *mesh = mesh_of(q);
  char name[TL_NODE_NAME_BYTES_MAX + 1], id[48];
  bool leave = false;
  int r = tl_request_text(q, "name", true, name, sizeof name);
  if (r == 0) r = tl_request_bool(q, "leave", &leave);
  if (r < 0) return r;
  if (!tl_name_is_valid(name, strlen(name), TL_NODE_NAME_BYTES_MAX))
    return tl_request_refuse(
        q, TULLE_E_INVALID,
        "'%s' cannot be the name of a fabric: letters, digits, '.', '_' and '-'", name);
  r = tl_trust_create_fabric(mesh->config.trust, mesh->config.identity, name, leave);
  if (r == TULLE_E_BUSY)
    return tl_request_refuse(
        q, r,
        "this node is in a fabric with other members; to leave it: tulle fabric create --leave %s",
        name);
  if (r < 0) return r;
  tl_mesh_renamed(mesh, q->now);
  tl_base32_encode(tl_trust_state_of(mesh->config.trust)->fabric_id, 16, id);
  tulle_pack_map(&q->result, 2);
  pack_pair(&q->result, "fabric", name);
  pack_pair(&q->result, "fabric_id", id);
  return 0;
}

/* A person has looked at what the file before says, and goes on with it. */
static int do_fabric_accept(struct tl_request *q) {
  struct tl_mesh *mesh = mesh_of(q);
  bool was_recovered = tl_trust_is_recovered(mesh->config.trust);
  int r = tl_trust_accept(mesh->config.trust, q->now);
  if (r < 0) return r;
  if (was_recovered) tl_mesh_trust_changed(mesh, q->now);
  tulle_pack_map(&q->result, 1);
  tulle_pack_text(&q->result, "recovered"), tulle_pack_bool(&q->result, was_recovered);
  return 0;
}

/* Nobody comes in or goes while the store may be older than what was true once. */
static int refuse_recovered(struct tl_request *q) {
  return tl_request_refuse(q, TULLE_E_REFUSED,
                           "the trust file was damaged, and the one before it may lack the newest "
                           "changes: look at 'tulle members', then 'tulle fabric accept'");
}

/* The node that holds the fabric's authority, where it can be asked. */
static struct tl_link *authority_link(const struct tl_mesh *mesh) {
  TL_LIST_FOR_EACH(l, &mesh->peers) {
    struct tl_mesh_peer *peer = tl_container_of(l, struct tl_mesh_peer, in_mesh);
    if (tl_link_peer(peer->link)->roles & TL_ROLES_ADMIN && peer->place.is_reachable)
      return peer->link;
  }
  return NULL;
}

static int do_invite(struct tl_request *q) {
  struct tl_mesh *mesh = mesh_of(q);
  if (!mesh->config.port)
    return tl_request_refuse(
        q, TULLE_E_REFUSED,
        "this node is local only: start one with 'tulle node' and invite there");
  if (tl_trust_is_recovered(mesh->config.trust)) return refuse_recovered(q);
  return tl_invite_procedure(&mesh->invite, q, authority_link(mesh));
}

/* The addresses to dial: those that a person gave, else the token's. */
static int read_addresses(struct tl_request *q, const struct tl_token *token,
                          struct tl_address *out, size_t *out_count) {
  struct tulle_unpack at = tulle_unpack_key(&q->args, "at");
  struct tulle_unpack peek = at;
  size_t count = 0;
  if (!at.failed && tulle_unpack_any(&peek).type == TULLE_ARRAY) count = tulle_unpack_array(&at);
  if (count > TL_DIAL_ADDRESSES_MAX)
    return tl_request_refuse(q, TULLE_E_LIMIT, "more than %d addresses", TL_DIAL_ADDRESSES_MAX);
  for (size_t i = 0; i < count; i++) {
    char text[TL_ADDRESS_TEXT_SIZE];
    tulle_unpack_string(&at, text, sizeof text);
    if (at.failed || tl_address_parse(text, TL_PORT_DEFAULT, &out[i]) < 0)
      return tl_request_refuse(q, TULLE_E_INVALID, "'%s' is not an address with a port", text);
  }
  if (!count) memcpy(out, token->addresses, (count = token->address_count) * sizeof *out);
  if (!count)
    return tl_request_refuse(q, TULLE_E_INVALID,
                             "the token names no address: tulle join --at ADDR:PORT");
  *out_count = count;
  return 0;
}

static int do_join(struct tl_request *q) {
  struct tl_mesh *mesh = mesh_of(q);
  struct tl_address addresses[TL_DIAL_ADDRESSES_MAX];
  struct tl_token token;
  char text[TL_TOKEN_TEXT_SIZE];
  size_t count = 0;
  bool leave = false;
  int r = tl_request_text(q, "token", true, text, sizeof text);
  if (r == 0) r = tl_request_bool(q, "leave", &leave);
  if (r < 0) return r;
  if (!mesh->config.port)
    return tl_request_refuse(q, TULLE_E_REFUSED,
                             "this node is local only: start one with 'tulle node' and join there");
  r = tl_token_parse(text, strlen(text), &token);
  explicit_bzero(text, sizeof text);
  if (r == TULLE_E_VERSION)
    return tl_request_refuse(q, r, "this token is of another version of tulle");
  if (r < 0)
    return tl_request_refuse(q, TULLE_E_INVALID,
                             "this is no token, or it was cut or mistyped on its way");
  r = read_addresses(q, &token, addresses, &count);
  if (r == 0) r = tl_join_begin(mesh, q, &token, addresses, count, leave);
  explicit_bzero(&token, sizeof token);
  return r;
}

static const char *similar_member(const struct tl_mesh *mesh, const char *name) {
  const struct tl_trust_state *state = tl_trust_state_of(mesh->config.trust);
  const char *best = NULL;
  unsigned best_edits = SIMILAR_EDITS_MAX + 1;
  for (size_t i = 0; i < state->member_count; i++) {
    unsigned edits = tl_text_distance(name, state->members[i].name);
    if (edits >= best_edits || edits >= strlen(name)) continue;
    best = state->members[i].name;
    best_edits = edits;
  }
  return best;
}

static int refuse_no_member(struct tl_request *q, const struct tl_mesh *mesh, const char *name) {
  const char *similar = similar_member(mesh, name);
  if (!similar) return tl_request_refuse(q, TULLE_E_NO_PEER, "no member '%s'", name);
  return tl_request_refuse(q, TULLE_E_NO_PEER, "no member '%s'\ndid you mean '%s'?", name, similar);
}

static int do_members_remove(struct tl_request *q) {
  struct tl_mesh *mesh = mesh_of(q);
  char name[TL_NODE_NAME_BYTES_MAX + 1];
  int r = tl_request_text(q, "node", true, name, sizeof name);
  if (r < 0) return r;
  const struct tl_member *member = tl_trust_member_by_name(mesh->config.trust, name);
  uint8_t id[16];
  if (!member && tl_node_id_parse(name, strlen(name), id) == 0)
    member = tl_trust_member_by_id(mesh->config.trust, id);
  if (!member) return refuse_no_member(q, mesh, name);
  uint8_t key[32];
  memcpy(key, member->key, sizeof key);
  if (tl_trust_is_recovered(mesh->config.trust)) return refuse_recovered(q);
  r = tl_trust_revoke(mesh->config.trust, q->now, key);
  if (r == TULLE_E_REFUSED)
    return tl_request_refuse(q, r,
                             "only the node that holds the fabric's authority can remove a member");
  if (r == TULLE_E_INVALID) return tl_request_refuse(q, r, "a node cannot remove itself");
  if (r == 0) tl_mesh_trust_changed(mesh, q->now);
  return r;
}

/* ---- measuring ---- */

static struct tl_mesh_peer *peer_by_name(const struct tl_mesh *mesh, const char *name) {
  uint8_t id[16];
  if (tl_node_id_parse(name, strlen(name), id) == 0) return peer_by_id(mesh, id);
  TL_LIST_FOR_EACH(l, &mesh->peers) {
    struct tl_mesh_peer *peer = tl_container_of(l, struct tl_mesh_peer, in_mesh);
    if (strcmp(peer->place.node_name, name) == 0) return peer;
  }
  return NULL;
}

static int do_link_carrier(struct tl_request *q) {
  static const char *const names[] = {
      [TL_CARRIER_AUTO] = "auto", [TL_CARRIER_ONLY_UDP] = "udp", [TL_CARRIER_ONLY_TCP] = "tcp"};
  char name[TL_NODE_NAME_BYTES_MAX + 1], carrier[8];
  int r = tl_request_text(q, "node", true, name, sizeof name);
  if (r == 0) r = tl_request_text(q, "carrier", true, carrier, sizeof carrier);
  if (r < 0) return r;
  struct tl_mesh_peer *peer = peer_by_name(mesh_of(q), name);
  if (!peer) return tl_request_refuse(q, TULLE_E_NO_PEER, "no link to a node '%s'", name);
  for (int i = 0; i < (int)(sizeof names / sizeof *names); i++) {
    if (strcmp(names[i], carrier) != 0) continue;
    tl_link_set_carrier(peer->link, q->now, (enum tl_carrier_choice)i);
    return 0;
  }
  return tl_request_refuse(q, TULLE_E_INVALID, "a carrier is 'auto', 'udp' or 'tcp', not '%s'",
                           carrier);
}

static int do_bench_echo(struct tl_request *q) {
  struct tl_mesh *mesh = mesh_of(q);
  const char *self = q->program->node->config.self.node_name;
  char name[TL_NODE_NAME_BYTES_MAX + 1] = "";
  int r = tl_request_text(q, "node", false, name, sizeof name);
  if (r < 0) return r;
  struct tl_mesh_peer *peer = name[0] ? peer_by_name(mesh, name) : NULL;
  if (peer)
    r = tl_mesh_send(peer->link, peer->lane, TL_MESH_NODE,
                     &(struct tl_mesh_message){.type = TL_MESH_BENCH});
  else if (!name[0] || strcmp(name, self) == 0)
    mesh->wants_echo = true;
  else
    return tl_request_refuse(q, TULLE_E_NO_PEER, "no link to a node '%s'", name);
  if (r == TL_FULL) return tl_request_refuse(q, TULLE_E_AGAIN, "the link to '%s' is busy", name);
  if (r < 0) return r;
  tulle_pack_map(&q->result, 2);
  pack_pair(&q->result, "service", "tulle.bench");
  pack_pair(&q->result, "node", peer ? peer->place.node_name : self);
  return 0;
}

/* ---- the node's hooks ---- */

static struct tl_mesh_peer *peer_of(const struct tl_offer *offer) {
  return tl_container_of(offer->place, struct tl_mesh_peer, place);
}

/* Its node has the last word: what is known here of the service may be old. */
static int open_remote(void *context, struct tl_request *q, struct tl_offer *offer,
                       const struct tl_claim *claim) {
  if (!tl_interface_is_same(offer, claim)) return tl_describe_open(context, q, offer, claim);
  return tl_proxy_open(q, peer_of(offer), offer->name->text,
                       claim->has_fingerprint ? claim->fingerprint : NULL);
}

static int describe_remote(void *context, struct tl_request *q, struct tl_offer *offer,
                           uint64_t from) {
  return tl_describe_procedure(context, q, offer, from);
}

static uint64_t dropped(const struct tl_endpoint_counters *c) {
  uint64_t sum = c->drop_carrier + c->drop_late + c->drop_room + c->drop_frames + c->drop_queue;
  for (size_t i = 0; i < TL_REFUSAL_COUNT; i++) sum += c->dropped.count[i];
  return sum;
}

static void status(void *context, struct tulle_pack *w) {
  static const char *const engines[] = {[TL_DISCOVERY_ENGINE_NONE] = "none",
                                        [TL_DISCOVERY_ENGINE_DAEMON] = "avahi-daemon",
                                        [TL_DISCOVERY_ENGINE_EMBEDDED] = "embedded"};
  const struct tl_mesh *mesh = context;
  struct tl_discovery_status s;
  struct tl_endpoint_counters c;
  tl_discovery_status(mesh->config.discovery, &s);
  tl_endpoint_counters(mesh->config.endpoint, &c);
  pack_pair(w, "discovery", engines[s.engine]);
  pack_pair(w, "discovery_reason", s.reason);
  pack_number(w, "udp_port", mesh->config.port);
  pack_number(w, "tcp_port", mesh->config.port);
  tulle_pack_text(w, "recovered"), tulle_pack_bool(w, tl_trust_is_recovered(mesh->config.trust));
  pack_number(w, "received_packets", c.packets_received);
  pack_number(w, "dropped_packets", dropped(&c));
  pack_number(w, "dh_operations", c.dh_operations);
  pack_number(w, "handshakes", c.handshakes_done);
}

static const struct tl_procedure_entry procedures[] = {
    {"nodes", do_nodes, false},
    {"links", do_links, false},
    {"members", do_members, false},
    {"fabric_create", do_fabric_create, true},
    {"fabric_accept", do_fabric_accept, true},
    {"invite", do_invite, true},
    {"join", do_join, true},
    {"members_remove", do_members_remove, true},
    {"link_carrier", do_link_carrier, true},
    {"bench_echo", do_bench_echo, false},
};

void tl_mesh_service_install(struct tl_mesh *mesh) {
  mesh->config.node->remote =
      (struct tl_remote){.context = mesh,
                         .open = open_remote,
                         .describe = describe_remote,
                         .status = status,
                         .procedures = procedures,
                         .procedure_count = sizeof procedures / sizeof *procedures};
}
