#include "node/mesh/peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "node/mesh/mesh.h"
#include "node/mesh/proxy.h"
#include "node/state/procedures.h"

#define MESH_VERSION_MIN 1
#define MESH_VERSION_MAX 1

/* ---- life ---- */

static struct tl_registry *registry_of(const struct tl_mesh_peer *peer) {
  return &peer->mesh->config.node->registry;
}

int tl_mesh_peer_new(struct tl_mesh *mesh, struct tl_link *link, uint64_t now,
                     struct tl_mesh_peer **out_peer) {
  const struct tl_peer_info *info = tl_link_peer(link);
  struct tl_mesh_peer *peer = calloc(1, sizeof *peer);
  if (!peer) return TULLE_E_NO_MEMORY;
  int r = tl_account_open(&mesh->accounts, ++mesh->last_peer, &peer->account);
  if (r < 0) {
    free(peer);
    return r;
  }
  peer->mesh = mesh;
  peer->link = link;
  peer->lane = tl_flow_lane(tl_link_flow(link), 0);
  peer->up_since = now;
  peer->owes_trust = peer->owes_admission = peer->owes_members = true;
  tl_list_init(&peer->proxies);
  tl_list_push_back(&mesh->peers, &peer->in_mesh);
  tl_link_set_owner(link, peer);
  memcpy(peer->place.node_id, info->node_id, sizeof peer->place.node_id);
  tl_node_id_format(info->node_id, peer->place.node_id_text);
  memcpy(peer->place.node_name, info->name, sizeof peer->place.node_name);
  peer->place.is_reachable = true;
  tl_registry_add_place(registry_of(peer), &peer->place);
  tl_mesh_peer_refresh(peer, now);
  *out_peer = peer;
  return 0;
}

static void forget_offer(struct tl_mesh_peer *peer, struct tl_offer *offer, uint64_t now,
                         const char *reason) {
  struct tl_charge charge = tl_offer_charge(offer->capability_count, 0);
  tl_registry_remove(registry_of(peer), offer, reason, now);
  tl_account_release(peer->account, &charge);
}

static void forget_offers(struct tl_mesh_peer *peer, uint64_t now, const char *reason) {
  TL_LIST_FOR_EACH(l, &peer->place.offers)
  forget_offer(peer, tl_container_of(l, struct tl_offer, in_place), now, reason);
  peer->is_over_full = false;
}

static void end_proxies(struct tl_mesh_peer *peer, uint64_t now, int code) {
  while (!tl_list_is_empty(&peer->proxies))
    tl_proxy_lost(tl_container_of(peer->proxies.next, struct tl_proxy, in_peer), now, code);
}

struct tl_mesh_peer *tl_mesh_peer_free(struct tl_mesh_peer *peer, uint64_t now, int code,
                                       const char *reason) {
  if (!peer) return NULL;
  tl_invite_link_gone(&peer->mesh->invite, peer->link);
  tl_describe_peer_gone(peer);
  end_proxies(peer, now, code);
  forget_offers(peer, now, reason);
  tl_registry_remove_place(registry_of(peer), &peer->place);
  tl_account_close(peer->account);
  tl_gather_deinit(&peer->gather);
  tl_list_remove(&peer->in_mesh);
  free(peer);
  return NULL;
}

void tl_mesh_peer_set_reachable(struct tl_mesh_peer *peer, uint64_t now, bool is_reachable) {
  peer->place.is_reachable = is_reachable;
  if (!is_reachable) end_proxies(peer, now, TULLE_E_UNREACHABLE);
  if (!is_reachable) return;
  TL_LIST_FOR_EACH(l, &peer->place.offers)
  tl_service_served(peer->mesh->config.node, tl_container_of(l, struct tl_offer, in_place)->name);
}

void tl_mesh_peer_refresh(struct tl_mesh_peer *peer, uint64_t now) {
  struct tl_link_info info;
  tl_link_info(peer->link, now, &info);
  peer->place.rtt_ns = info.rtt;
  snprintf(peer->place.path, sizeof peer->place.path, "%s",
           info.path.carrier == TL_CARRIER_TCP ? "tcp" : "udp");
  tl_registry_sort_place(registry_of(peer), &peer->place);
}

/* ---- telling ---- */

static int send_node(struct tl_mesh_peer *peer, const struct tl_mesh_message *m) {
  return tl_mesh_send(peer->link, peer->lane, TL_MESH_NODE, m);
}

static int tell_hello(struct tl_mesh_peer *peer) {
  struct tl_mesh_message m = {.type = TL_MESH_HELLO,
                              .version_min = MESH_VERSION_MIN,
                              .version_max = MESH_VERSION_MAX,
                              .incarnation = peer->mesh->config.node->config.self.incarnation};
  int r = send_node(peer, &m);
  if (r != 0) return r;
  peer->has_said_hello = true;
  peer->told = 0;
  peer->told_from = registry_of(peer)->generation;
  peer->owes_end = true;
  return 0;
}

static int tell_service(struct tl_mesh_peer *peer, const struct tl_offer *offer) {
  static struct tl_mesh_message m;
  m = (struct tl_mesh_message){.type = TL_MESH_SERVICE};
  tl_offer_describe(offer, &m.service);
  return send_node(peer, &m);
}

/* The oldest change that the peer does not know: a service, or the end of one. */
static int tell_next(struct tl_mesh_peer *peer) {
  struct tl_registry *registry = registry_of(peer);
  struct tl_change change;
  if (tl_registry_next_change(registry, peer->told, peer->told_from, &change) == TL_EMPTY)
    return TL_EMPTY;
  if (change.is_forgotten) { /* too far behind to be told what ended: the whole again */
    peer->has_said_hello = false;
    return 0;
  }
  struct tl_mesh_message gone = {.type = TL_MESH_SERVICE_GONE};
  memcpy(gone.name, change.name, sizeof gone.name);
  int r = change.offer ? tell_service(peer, change.offer) : send_node(peer, &gone);
  if (r != 0) return r;
  peer->told = change.generation;
  peer->owes_end = true;
  return 0;
}

static int tell_end(struct tl_mesh_peer *peer) {
  struct tl_mesh_message m = {.type = TL_MESH_CATALOGUE_END,
                              .generation = registry_of(peer)->generation};
  int r = send_node(peer, &m);
  if (r == 0) peer->owes_end = false;
  return r;
}

/* The signed list of who is out, to whoever has an older one. */
static int tell_trust(struct tl_mesh_peer *peer) {
  const struct tl_trust_state *state = tl_trust_state_of(peer->mesh->config.trust);
  struct tl_mesh_message m = {
      .type = TL_MESH_TRUST, .blob = state->revocations, .blob_size = state->revocations_bytes};
  int r =
      state->list.version > tl_link_peer(peer->link)->revocation_version ? send_node(peer, &m) : 0;
  if (r == 0) peer->owes_trust = false;
  return r;
}

static int tell_admission(struct tl_mesh_peer *peer) {
  const struct tl_trust_state *state = tl_trust_state_of(peer->mesh->config.trust);
  struct tl_mesh_message m = {.type = TL_MESH_TRUST,
                              .generation = state->admission_epoch,
                              .blob = state->admission_secret,
                              .blob_size = sizeof state->admission_secret};
  int r = tl_trust_is_authority(peer->mesh->config.trust) ? send_node(peer, &m) : 0;
  if (r == 0) peer->owes_admission = false;
  return r;
}

/* Where the other members were seen, so that it can find them where multicast does not reach. */
static int tell_members(struct tl_mesh_peer *peer, uint64_t now) {
  TL_LIST_FOR_EACH(l, &peer->mesh->peers) {
    struct tl_mesh_peer *other = tl_container_of(l, struct tl_mesh_peer, in_mesh);
    struct tl_mesh_message m = {.type = TL_MESH_MEMBER};
    struct tl_link_info info;
    if (other == peer || !tl_link_peer(other->link)->udp_port) continue;
    tl_link_info(other->link, now, &info);
    info.path.remote.port = tl_link_peer(other->link)->udp_port;
    memcpy(m.node, other->place.node_id, sizeof m.node);
    tl_address_format(&info.path.remote, m.addresses);
    int r = send_node(peer, &m);
    if (r != 0) return r; /* all of them again: hearing of one twice does no harm */
  }
  peer->owes_members = false;
  return 0;
}

static int tell_one(struct tl_mesh_peer *peer, uint64_t now) {
  if (!peer->has_said_hello) return tell_hello(peer);
  if (peer->owes_trust) return tell_trust(peer);
  if (peer->owes_admission) return tell_admission(peer);
  if (peer->told < registry_of(peer)->generation) {
    int r = tell_next(peer);
    if (r != TL_EMPTY) return r;
    peer->told = registry_of(peer)->generation;
  }
  if (peer->owes_end) return tell_end(peer);
  if (peer->owes_members) return tell_members(peer, now);
  return TL_EMPTY;
}

int tl_mesh_peer_tell(struct tl_mesh_peer *peer, uint64_t now) {
  int r;
  do r = tell_one(peer, now);
  while (r == 0);
  return r;
}

/* ---- hearing ---- */

static int take_hello(struct tl_mesh_peer *peer, const struct tl_mesh_message *m, uint64_t now) {
  if (m->version_min > MESH_VERSION_MAX || m->version_max < MESH_VERSION_MIN)
    return TULLE_E_VERSION;
  forget_offers(peer, now, "its node has a new catalogue");
  bool is_first = !peer->has_hello;
  peer->has_hello = true;
  peer->incarnation = m->incarnation;
  if (!is_first) return 0;
  TL_LIST_FOR_EACH(l, &peer->proxies) /* that were faster than lane 0 */
  tl_proxy_readable(tl_container_of(l, struct tl_proxy, in_peer), now);
  return 0;
}

/* Its account is full: what it tells beyond is not seen here, and an old word of it stays. */
static int offer_refused(struct tl_mesh_peer *peer, const char *name) {
  if (!peer->is_over_full)
    tl_log(TL_LOG_WARNING, "mesh", "%s offers more than one node may: '%s' and others are not seen",
           peer->place.node_name, name);
  peer->is_over_full = true;
  return 0;
}

static int take_service(struct tl_mesh_peer *peer, const struct tl_service_info *info,
                        uint64_t now) {
  struct tl_registry *registry = registry_of(peer);
  struct tl_offer *offer = tl_registry_find_at(registry, info->name, &peer->place);
  struct tl_charge charge = tl_offer_charge(info->capability_count, 0);
  if (tl_account_charge(peer->account, &charge) < 0) return offer_refused(peer, info->name);
  bool has_offer = offer;
  struct tl_charge before = tl_offer_charge(has_offer ? offer->capability_count : 0, 0);
  int r = has_offer ? tl_registry_update(registry, offer, info)
                    : tl_registry_add(registry, &peer->place, NULL, info, now, &offer);
  if (r < 0) {
    tl_account_release(peer->account, &charge);
    return r;
  }
  if (has_offer)
    tl_account_release(peer->account, &before);
  else
    tl_service_served(peer->mesh->config.node, offer->name);
  return 0;
}

static int take_gone(struct tl_mesh_peer *peer, const char *name, uint64_t now) {
  struct tl_offer *offer = tl_registry_find_at(registry_of(peer), name, &peer->place);
  if (!offer) return 0;
  forget_offer(peer, offer, now, "its program ended");
  return 0;
}

static int take_trust(struct tl_mesh_peer *peer, const struct tl_mesh_message *m, uint64_t now) {
  struct tl_mesh *mesh = peer->mesh;
  int r;
  if (m->generation == 0) {
    r = tl_trust_update_revocations(mesh->config.trust, m->blob, m->blob_size);
  } else {
    bool is_admin = tl_link_peer(peer->link)->roles & TL_ROLES_ADMIN;
    if (!is_admin) return 0; /* not its to say */
    if (m->blob_size != 32) return TULLE_E_PROTOCOL;
    r = tl_trust_update_admission(mesh->config.trust, now, m->generation, m->blob);
  }
  if (r == 0) tl_mesh_trust_changed(mesh, now);
  return r == TULLE_E_BAD_MESSAGE || r == TULLE_E_UNTRUSTED ? TULLE_E_PROTOCOL : 0;
}

/* "10.0.0.1:8855 [fe80::1]:8855": all of it is right, or none of it is believed. */
static int read_addresses(const char *text, struct tl_address *out, size_t max, size_t *out_count) {
  char one[TL_ADDRESS_TEXT_SIZE];
  size_t count = 0;
  do {
    size_t size = strcspn(text, " ");
    if (!size || size >= sizeof one) return TULLE_E_PROTOCOL;
    memcpy(one, text, size);
    one[size] = 0;
    struct tl_address address;
    if (tl_address_parse(one, 0, &address) < 0 || !address.port) return TULLE_E_PROTOCOL;
    if (count < max) out[count++] = address; /* the best come first */
    text += size;
  } while (*text++ == ' ');
  *out_count = count;
  return 0;
}

static int take_member(struct tl_mesh_peer *peer, const struct tl_mesh_message *m, uint64_t now) {
  struct tl_address addresses[TL_DISCOVERY_ADDRESSES_MAX];
  size_t count;
  int r = read_addresses(m->addresses, addresses, TL_DISCOVERY_ADDRESSES_MAX, &count);
  for (size_t i = 0; r == 0 && i < count; i++)
    (void)tl_discovery_heard(peer->mesh->config.discovery, now, m->node, &addresses[i]);
  return r;
}

static int take_message(struct tl_mesh_peer *peer, const struct tl_mesh_message *m, uint64_t now) {
  if (!peer->has_hello && m->type != TL_MESH_HELLO) return TULLE_E_PROTOCOL;
  switch (m->type) {
  case TL_MESH_HELLO:
    return take_hello(peer, m, now);
  case TL_MESH_SERVICE:
    return take_service(peer, &m->service, now);
  case TL_MESH_SERVICE_GONE:
    return take_gone(peer, m->name, now);
  case TL_MESH_CATALOGUE_END:
    return 0;
  case TL_MESH_TRUST:
    return take_trust(peer, m, now);
  case TL_MESH_BENCH:
    peer->mesh->wants_echo = true;
    return 0;
  case TL_MESH_MEMBER:
    return take_member(peer, m, now);
  case TL_MESH_INVITE_REQUEST:
    tl_invite_take_request(&peer->mesh->invite, peer->link, m, now);
    return 0;
  case TL_MESH_INVITATION:
    tl_invite_take_answer(&peer->mesh->invite, peer->link, m);
    return 0;
  case TL_MESH_DESCRIBE:
    tl_describe_take_request(peer, m);
    return 0;
  case TL_MESH_DESCRIPTION:
    tl_describe_take_answer(peer, m);
    return 0;
  default:
    return TULLE_E_PROTOCOL;
  }
}

int tl_mesh_peer_readable(struct tl_mesh_peer *peer, uint64_t now) {
  static struct tl_mesh_message m;
  struct tl_lane_record record;
  int r;
  while ((r = tl_lane_receive(peer->lane, &record)) == 0) {
    bool is_fit = record.kind == TL_MESH_NODE && record.class == TL_CLASS_ORDERED;
    r = is_fit ? tl_gather_push(&peer->gather, TL_MESH_BYTES_MAX, &record, &m) : TULLE_E_PROTOCOL;
    if (r == 0) r = take_message(peer, &m, now);
    if (r < 0) return r;
    tl_link_release(peer->link, peer->lane);
  }
  return r == TL_END ? TULLE_E_PROTOCOL : 0;
}
