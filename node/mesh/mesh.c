#include "node/mesh/mesh.h"

#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/text.h"
#include "crypto/refusal.h"
#include "node/mesh/proxy.h"
#include "node/mesh/service.h"

/* Where the peer of a link can be dialled: the address that it was seen at, with the port where it listens. */
static bool dial_address(const struct tl_link *link, uint64_t now, struct tl_address *out) {
  struct tl_link_info info;
  uint16_t port = tl_link_peer(link)->udp_port;
  tl_link_info(link, now, &info);
  *out = info.path.remote;
  out->port = port;
  return port != 0;
}

/* ---- what has had its time ---- */

/* After the disk has refused to drop it. It is not valid any more in any case. */
#define EXPIRE_RETRY_NS (60 * TL_S)

static uint64_t expire_deadline(const struct tl_mesh *mesh) {
  uint64_t due = tl_trust_deadline(mesh->config.trust);
  return due > mesh->expire_at ? due : mesh->expire_at; /* TL_NEVER stays so */
}

static void expire(struct tl_mesh *mesh, uint64_t now) {
  if (now < expire_deadline(mesh)) return;
  int r = tl_trust_expire(mesh->config.trust, now);
  if (r == 0) return;
  tl_log(TL_LOG_WARNING, "mesh", "expired invitations stay in the trust file: %s",
         tulle_error_text(r));
  mesh->expire_at = tl_time_add(now, EXPIRE_RETRY_NS);
}

/* ---- dials ---- */

/*
 * Discovery dials addresses, the endpoint dials nodes: all addresses under way for one id are one dial of the endpoint, which
 * tries them beside each other. Each keeps its slot, and its own time to give up.
 */

static struct tl_mesh_dial *dial_find(struct tl_mesh *mesh, uint64_t number) {
  if (!number || !mesh->dial_count) return NULL;
  for (size_t i = 0; i < TL_MESH_DIALS_MAX; i++)
    if (mesh->dials[i].number == number) return &mesh->dials[i];
  return NULL;
}

static void dial_settle(struct tl_mesh *mesh, uint64_t now, struct tl_mesh_dial *dial, int result,
                        const uint8_t *id) {
  tl_discovery_dialled(mesh->config.discovery, now, &dial->wish, result, id);
  dial->number = 0;
  mesh->dial_count--;
}

/* The endpoint's dial is over, and with it every address of it. */
static void dials_settle(struct tl_mesh *mesh, uint64_t now, uint64_t number, int result,
                         const uint8_t *id) {
  struct tl_mesh_dial *dial;
  while ((dial = dial_find(mesh, number))) dial_settle(mesh, now, dial, result, id);
}

/* It led to a link. Only the address that the link uses is proved to lead there. */
static void dials_succeed(struct tl_mesh *mesh, uint64_t now, uint64_t number,
                          const struct tl_link *link) {
  struct tl_mesh_dial *dial;
  struct tl_link_info info;
  tl_link_info(link, now, &info);
  while ((dial = dial_find(mesh, number))) {
    bool is_alone = !dial->wish.has_id;
    if (is_alone || tl_address_is_equal(&dial->wish.address, &info.path.remote))
      dial_settle(mesh, now, dial, 0, tl_link_peer(link)->node_id);
    else
      dial_settle(mesh, now, dial, TULLE_E_CANCELLED, NULL);
  }
}

static struct tl_mesh_dial *dial_of_id(struct tl_mesh *mesh, const uint8_t id[16]) {
  for (size_t i = 0; i < TL_MESH_DIALS_MAX; i++) {
    struct tl_mesh_dial *dial = &mesh->dials[i];
    if (dial->number && dial->wish.has_id && !memcmp(dial->wish.id, id, sizeof dial->wish.id))
      return dial;
  }
  return NULL;
}

/* One address more for the dial to that node which stands. 0 or an error. */
static int dial_extend(struct tl_mesh *mesh, uint64_t now, uint64_t number,
                       const struct tl_address *more) {
  struct tl_address addresses[TL_DIAL_ADDRESSES_MAX];
  size_t count = 0;
  for (size_t i = 0; i < TL_MESH_DIALS_MAX && count < TL_DIAL_ADDRESSES_MAX - 1; i++)
    if (mesh->dials[i].number == number) addresses[count++] = mesh->dials[i].wish.address;
  addresses[count++] = *more;
  return tl_endpoint_dial_update(mesh->config.endpoint, now, number, addresses, count);
}

static int dial_make(struct tl_mesh *mesh, uint64_t now, const struct tl_discovery_dial *wish,
                     uint64_t *out_number) {
  struct tl_mesh_dial *beside = wish->has_id ? dial_of_id(mesh, wish->id) : NULL;
  struct tl_dial dial = {
      .address_count = 1, .addresses = {wish->address}, .carrier = mesh->config.carrier};
  if (wish->has_id) memcpy(dial.node_id, wish->id, sizeof dial.node_id);
  if (beside && dial_extend(mesh, now, beside->number, &wish->address) == 0) {
    *out_number = beside->number;
    return 0;
  }
  return tl_endpoint_dial(mesh->config.endpoint, now, &dial, out_number);
}

static void dial_begin(struct tl_mesh *mesh, uint64_t now, const struct tl_discovery_dial *wish) {
  struct tl_mesh_dial *slot = NULL;
  for (size_t i = 0; i < TL_MESH_DIALS_MAX && !slot; i++)
    if (!mesh->dials[i].number) slot = &mesh->dials[i];
  uint64_t number = 0;
  int r = slot ? dial_make(mesh, now, wish, &number) : TULLE_E_LIMIT;
  if (r == 0) {
    *slot = (struct tl_mesh_dial){*wish, number};
    mesh->dial_count++;
    return;
  }
  /* EXISTS of the endpoint is a link that stands; to discovery that is success. REFUSED is ourselves. */
  int result = r == TULLE_E_EXISTS && wish->has_id ? 0 : r == TULLE_E_REFUSED ? TULLE_E_EXISTS : r;
  tl_discovery_dialled(mesh->config.discovery, now, wish, result, result == 0 ? wish->id : NULL);
}

static void dials_timeout(struct tl_mesh *mesh, uint64_t now) {
  for (size_t i = 0; mesh->dial_count && i < TL_MESH_DIALS_MAX; i++) {
    struct tl_mesh_dial *dial = &mesh->dials[i];
    uint64_t number = dial->number;
    if (!number || now < dial->wish.give_up_at) continue;
    dial_settle(mesh, now, dial, TULLE_E_UNREACHABLE, NULL);
    if (!dial_find(mesh, number)) tl_endpoint_dial_cancel(mesh->config.endpoint, now, number);
  }
}

static void dials_begin(struct tl_mesh *mesh, uint64_t now) {
  struct tl_discovery_dial wish;
  while (tl_discovery_poll_dial(mesh->config.discovery, now, &wish) == 0)
    dial_begin(mesh, now, &wish);
}

/* ---- links ---- */

static bool is_invitation(const struct tl_link *link) {
  const struct tl_peer_info *info = tl_link_peer(link);
  return info->joining || info->is_inviter;
}

static void link_up(struct tl_mesh *mesh, uint64_t now, const struct tl_endpoint_event *event) {
  const struct tl_peer_info *info = tl_link_peer(event->link);
  if (is_invitation(event->link)) {
    dials_settle(mesh, now, event->dial, TULLE_E_CANCELLED, NULL);
    tl_join_link_up(mesh, event->link, now);
    return;
  }
  struct tl_mesh_peer *peer;
  if (tl_mesh_peer_new(mesh, event->link, now, &peer) < 0) {
    dials_settle(mesh, now, event->dial, TULLE_E_NO_MEMORY, NULL);
    tl_link_close(event->link, now, 0);
    return;
  }
  struct tl_address address;
  bool is_dialable = dial_address(event->link, now, &address);
  dials_succeed(mesh, now, event->dial, event->link);
  tl_discovery_connected(mesh->config.discovery, now, info->node_id, is_dialable ? &address : NULL);
  if (info->has_certificate) (void)tl_trust_note_member(mesh->config.trust, &info->certificate);
  tl_log(TL_LOG_NOTICE, "mesh", "link to %s is up over %s", peer->place.node_name,
         peer->place.path);
  tl_join_member_up(mesh, event->link, now);
  TL_LIST_FOR_EACH(l, &mesh->peers)
  tl_container_of(l, struct tl_mesh_peer, in_mesh)->owes_members = true;
  mesh->has_to_tell = true;
}

static void link_down(struct tl_mesh *mesh, uint64_t now, const struct tl_endpoint_event *event) {
  struct tl_mesh_peer *peer = tl_link_owner(event->link);
  tl_join_link_down(mesh, event->link, now);
  if (!peer) return;
  tl_log(TL_LOG_NOTICE, "mesh", "link to %s is down: %s", peer->place.node_name,
         tl_link_reason_text(event->reason));
  tl_discovery_disconnected(mesh->config.discovery, now, peer->place.node_id);
  tl_mesh_peer_free(peer, now, TULLE_E_PEER_GONE, "link lost");
}

/* The link's own attempts know only where the peer was. While it is silent, discovery may dial wherever the peer is said to
 * be by now: it may have moved, or be the one that cannot dial. */
static void link_reach(struct tl_mesh *mesh, uint64_t now, const struct tl_endpoint_event *event) {
  struct tl_mesh_peer *peer = tl_link_owner(event->link);
  bool is_reachable = event->type == TL_EVENT_LINK_REACHABLE;
  struct tl_address address;
  if (!peer) return;
  tl_mesh_peer_set_reachable(peer, now, is_reachable);
  if (!is_reachable)
    tl_discovery_disconnected(mesh->config.discovery, now, peer->place.node_id);
  else
    tl_discovery_connected(mesh->config.discovery, now, peer->place.node_id,
                           dial_address(event->link, now, &address) ? &address : NULL);
}

/* The peer broke the protocol of lane 0. */
static void link_fault(struct tl_mesh *mesh, uint64_t now, struct tl_mesh_peer *peer, int code) {
  struct tl_link *link = peer->link;
  mesh->protocol_faults++;
  tl_log(TL_LOG_WARNING, "mesh", "link to %s is closed: %s", peer->place.node_name,
         tulle_error_text(code));
  tl_discovery_disconnected(mesh->config.discovery, now, peer->place.node_id);
  tl_mesh_peer_free(peer, now, TULLE_E_PEER_GONE, "its node broke the protocol");
  tl_link_close(link, now, 0);
}

/* ---- lanes ---- */

static void lane_opened(struct tl_mesh *mesh, const struct tl_endpoint_event *event) {
  struct tl_mesh_peer *peer = tl_link_owner(event->link);
  (void)mesh;
  if (tl_lane_number(event->lane) < 2) return; /* lanes 0 and 1 are the nodes' own */
  bool is_welcome = peer && tl_proxy_accept(peer, event->lane) == 0;
  if (!is_welcome) tl_link_close_lane(event->link, event->lane, 0);
}

static void lane_zero(struct tl_mesh *mesh, uint64_t now, const struct tl_endpoint_event *event) {
  struct tl_mesh_peer *peer = tl_link_owner(event->link);
  bool has_input = event->type == TL_EVENT_LANE_READABLE || event->type == TL_EVENT_LANE_FINISHED;
  if (!peer) {
    if (has_input) tl_join_readable(mesh, event->link, now);
    return;
  }
  int r = has_input                            ? tl_mesh_peer_readable(peer, now)
          : event->type == TL_EVENT_LANE_RESET ? TULLE_E_PROTOCOL
                                               : 0;
  mesh->has_to_tell = true; /* there may be room for what found none */
  if (r < 0) link_fault(mesh, now, peer, r);
}

static void lane_event(struct tl_mesh *mesh, uint64_t now, const struct tl_endpoint_event *event) {
  if (event->type == TL_EVENT_LANE_OPENED) {
    lane_opened(mesh, event);
    return;
  }
  if (tl_lane_number(event->lane) == 0) {
    lane_zero(mesh, now, event);
    return;
  }
  struct tl_proxy *proxy = tl_lane_owner(event->lane);
  if (!proxy) return;
  switch (event->type) {
  case TL_EVENT_LANE_READABLE:
  case TL_EVENT_LANE_FINISHED:
    tl_proxy_readable(proxy, now);
    break;
  case TL_EVENT_LANE_WRITABLE:
    tl_proxy_writable(proxy, now);
    break;
  case TL_EVENT_LANE_RESET:
    tl_proxy_reset(proxy, now);
    break;
  default:
    break;
  }
}

/* ---- the turn ---- */

static void dial_failed(struct tl_mesh *mesh, uint64_t now, const struct tl_endpoint_event *event) {
  if (tl_join_refused(mesh, event->dial, event->reason, now)) return;
  if (!dial_find(mesh, event->dial)) return;
  if (event->type == TL_EVENT_SILENT)
    tl_endpoint_dial_cancel(mesh->config.endpoint, now, event->dial);
  int result = event->type == TL_EVENT_SILENT     ? TULLE_E_UNREACHABLE
               : event->reason == TL_REFUSED_SELF ? TULLE_E_EXISTS
                                                  : TULLE_E_UNTRUSTED;
  dials_settle(mesh, now, event->dial, result, NULL);
}

static void dialled(struct tl_mesh *mesh, uint64_t now, const struct tl_endpoint_event *event) {
  dials_succeed(mesh, now, event->dial, event->link);
  if (!is_invitation(event->link)) tl_join_member_up(mesh, event->link, now);
}

static void take_event(struct tl_mesh *mesh, uint64_t now, const struct tl_endpoint_event *event) {
  struct tl_mesh_peer *peer = event->link ? tl_link_owner(event->link) : NULL;
  switch (event->type) {
  case TL_EVENT_LINK_UP:
    link_up(mesh, now, event);
    break;
  case TL_EVENT_LINK_DOWN:
    link_down(mesh, now, event);
    break;
  case TL_EVENT_LINK_UNREACHABLE:
  case TL_EVENT_LINK_REACHABLE:
    link_reach(mesh, now, event);
    break;
  case TL_EVENT_LINK_PATH:
    if (peer) tl_mesh_peer_refresh(peer, now);
    break;
  case TL_EVENT_DIALLED:
    dialled(mesh, now, event);
    break;
  case TL_EVENT_REFUSED:
  case TL_EVENT_SILENT:
    dial_failed(mesh, now, event);
    break;
  case TL_EVENT_CLONED:
    tl_log(TL_LOG_ERROR, "mesh",
           "two machines use one node key: both are refused; make a new state folder on the copy");
    break;
  case TL_EVENT_CONNECT:
  case TL_EVENT_DISCONNECT:
    break; /* the host's */
  case TL_EVENT_LANE_OPENED:
  case TL_EVENT_LANE_READABLE:
  case TL_EVENT_LANE_WRITABLE:
  case TL_EVENT_LANE_FINISHED:
  case TL_EVENT_LANE_RESET:
    lane_event(mesh, now, event);
    break;
  }
}

/* Most turns carry calls and nothing else: then no peer is looked at. */
static void tell_peers(struct tl_mesh *mesh, uint64_t now) {
  uint64_t generation = mesh->config.node->registry.generation;
  if (!mesh->has_to_tell && mesh->told_upto == generation) return;
  mesh->has_to_tell = false;
  mesh->told_upto = generation;
  TL_LIST_FOR_EACH(l, &mesh->peers) {
    struct tl_mesh_peer *peer = tl_container_of(l, struct tl_mesh_peer, in_mesh);
    if (tl_mesh_peer_tell(peer, now) < 0) mesh->has_to_tell = true;
  }
}

static void do_what_is_due(struct tl_mesh *mesh, uint64_t now) {
  if (now < mesh->slow_at) return;
  dials_timeout(mesh, now);
  tl_join_timeout(mesh, now);
  expire(mesh, now);
  dials_begin(mesh, now);
}

int tl_mesh_turn(struct tl_mesh *mesh, uint64_t now, struct tl_mesh_action *out_action) {
  struct tl_endpoint_event event;
  do_what_is_due(mesh, now);
  while (tl_endpoint_event(mesh->config.endpoint, &event) == 0) {
    if (event.type == TL_EVENT_CONNECT || event.type == TL_EVENT_DISCONNECT) {
      *out_action = (struct tl_mesh_action){event.type == TL_EVENT_CONNECT, event.path};
      return 0;
    }
    take_event(mesh, now, &event);
  }
  tell_peers(mesh, now);
  if (mesh->published != mesh->config.node->registry.generation + 1) tl_mesh_publish(mesh);
  return TL_EMPTY;
}

uint64_t tl_mesh_deadline(struct tl_mesh *mesh) {
  uint64_t due = tl_time_min(tl_discovery_deadline(mesh->config.discovery), tl_join_deadline(mesh));
  due = tl_time_min(due, expire_deadline(mesh));
  for (size_t i = 0; mesh->dial_count && i < TL_MESH_DIALS_MAX; i++)
    if (mesh->dials[i].number) due = tl_time_min(due, mesh->dials[i].wish.give_up_at);
  mesh->slow_at = due;
  return tl_time_min(due, tl_endpoint_deadline(mesh->config.endpoint));
}

/* ---- what others see ---- */

static size_t collect_labels(struct tl_mesh *mesh, char (*labels)[TL_LABEL_SIZE]) {
  size_t count = 0;
  TL_LIST_FOR_EACH(l, &mesh->config.node->registry.here.offers) {
    const struct tl_offer *offer = tl_container_of(l, struct tl_offer, in_place);
    for (size_t i = 0;
         !offer->is_hidden && i < offer->capability_count && count < TL_CAPABILITIES_MAX; i++) {
      const char *name = offer->capabilities[i].name;
      tl_label_make(name, strlen(name), mesh->config.label_hash, labels[count++]);
    }
  }
  return count;
}

void tl_mesh_publish(struct tl_mesh *mesh) {
  static char labels[TL_CAPABILITIES_MAX][TL_LABEL_SIZE];
  struct tl_discovery_advert advert = {.port = mesh->config.port,
                                       .generation = mesh->config.node->registry.generation,
                                       .labels = (const char(*)[TL_LABEL_SIZE])labels};
  advert.label_count = collect_labels(mesh, labels);
  memcpy(advert.fabric_tag, tl_trust_state_of(mesh->config.trust)->fabric_id,
         sizeof advert.fabric_tag);
  mesh->published = advert.generation + 1;
  if (advert.port) tl_discovery_publish(mesh->config.discovery, &advert);
}

void tl_mesh_trust_changed(struct tl_mesh *mesh, uint64_t now) {
  tl_endpoint_refresh_trust(mesh->config.endpoint, now);
  TL_LIST_FOR_EACH(l, &mesh->peers) {
    struct tl_mesh_peer *peer = tl_container_of(l, struct tl_mesh_peer, in_mesh);
    peer->owes_trust = peer->owes_admission = true;
  }
  mesh->has_to_tell = true;
}

void tl_mesh_renamed(struct tl_mesh *mesh, uint64_t now) {
  const struct tl_trust_state *state = tl_trust_state_of(mesh->config.trust);
  struct tl_node_config *config = &mesh->config.node->config;
  memcpy(config->fabric, state->fabric_name, sizeof config->fabric);
  tl_base32_encode(state->fabric_id, sizeof state->fabric_id, config->fabric_id_text);
  tl_endpoint_refresh_trust(mesh->config.endpoint, now);
  tl_mesh_publish(mesh);
}

/* ---- life ---- */

int tl_mesh_new(const struct tl_mesh_config *config, struct tl_mesh **out_mesh) {
  struct tl_mesh *mesh = calloc(1, sizeof *mesh);
  if (!mesh) return TULLE_E_NO_MEMORY;
  mesh->config = *config;
  tl_list_init(&mesh->peers);
  tl_describe_init(&mesh->describe);
  tl_accounts_init(&mesh->accounts, &config->node->config.limit, config->node->config.secret);
  mesh->invite = (struct tl_invite){.trust = config->trust,
                                    .own_addresses = config->own_addresses,
                                    .own_context = config->own_context};
  tl_mesh_service_install(mesh);
  *out_mesh = mesh;
  return 0;
}

struct tl_mesh *tl_mesh_free(struct tl_mesh *mesh, uint64_t now) {
  if (!mesh) return NULL;
  tl_join_end(mesh, now);
  mesh->config.node->remote = (struct tl_remote){0};
  while (!tl_list_is_empty(&mesh->peers))
    tl_mesh_peer_free(tl_container_of(mesh->peers.next, struct tl_mesh_peer, in_mesh), now,
                      TULLE_E_PEER_GONE, "this node ends");
  tl_describe_deinit(&mesh->describe);
  tl_accounts_deinit(&mesh->accounts);
  free(mesh);
  return NULL;
}
