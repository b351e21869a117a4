#include "node/mesh/proxy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/wire/mesh.h"
#include "node/mesh/mesh.h"
#include "transport/ring/layout.h"

/* Flags of a record on a lane, below TL_LANE_MORE. */
#define LANE_ABORT 0x01u

static const struct tl_far_ops proxy_far;

static struct tl_proxy *proxy_new(struct tl_mesh_peer *peer, struct tl_lane *lane, bool is_client) {
  struct tl_proxy *p = calloc(1, sizeof *p);
  if (!p) return NULL;
  p->peer = peer;
  p->lane = lane;
  p->is_client = is_client;
  tl_list_push_back(&peer->proxies, &p->in_peer);
  tl_lane_set_owner(lane, p);
  return p;
}

/* Its lane and its end are gone or on their own. */
static void proxy_free(struct tl_proxy *p) {
  tl_list_remove(&p->in_peer);
  tl_gather_deinit(&p->gather);
  free(p);
}

static int send_message(struct tl_proxy *p, uint8_t kind, const struct tl_mesh_message *m) {
  return tl_mesh_send(p->peer->link, p->lane, kind, m);
}

/* Tells the peer that the channel is over, and lets the lane go. Where the lane has no room for the word, or nothing of it
 * was ever agreed, its reset says as much as the peer needs. */
static void lane_close(struct tl_proxy *p, int code, uint64_t begun, const char *text) {
  if (!p->lane) return;
  struct tl_mesh_message m = {.type = TL_MESH_CHANNEL_CLOSED, .code = code, .begun = begun};
  strncpy(m.text, text, sizeof m.text - 1);
  tl_lane_set_owner(p->lane, NULL);
  bool is_said =
      send_message(p, TL_MESH_CLOSED, &m) == 0 && tl_link_finish(p->peer->link, p->lane) == 0;
  tl_link_close_lane(p->peer->link, p->lane, is_said ? 0 : (uint32_t)-code);
  p->lane = NULL;
}

/* The open call that waits, if it still does, gets its answer. */
static void pending_fail(struct tl_proxy *p, int code, const char *text) {
  if (!p->pending) return;
  struct tl_pending *pending = p->pending;
  p->pending = NULL;
  tl_pending_answer(pending, code, text, strlen(text));
}

/* Ends everything on this side; the lane is gone or has been told. */
static void proxy_end(struct tl_proxy *p, uint64_t now, int code, uint64_t begun,
                      const char *text) {
  pending_fail(p, code, text);
  if (p->end) {
    struct tl_end *end = p->end;
    end->far_context = NULL;
    p->end = NULL;
    tl_end_close(end, now, code, begun);
  }
  proxy_free(p);
}

/* ---- opening, the client's side ---- */

static void open_abandoned(struct tl_pending *pending, uint64_t now) {
  struct tl_proxy *p = pending->context;
  p->pending = NULL;
  lane_close(p, TULLE_E_CANCELLED, 0, "the caller stopped waiting");
  proxy_end(p, now, TULLE_E_CANCELLED, 0, "");
}

/* The client's side, for a call that waits already. Below 0: nothing is left of it. */
static int proxy_begin(struct tl_pending *pending, struct tl_mesh_peer *peer, const char *service,
                       const uint8_t *fingerprint) {
  struct tl_lane *lane;
  struct tl_mesh_message m = {.type = TL_MESH_CHANNEL_OPEN, .party = pending->program->party};
  int r = tl_link_open_lane(peer->link, &lane);
  if (r != 0) return r == TL_FULL ? TULLE_E_LIMIT : r;
  struct tl_proxy *p = proxy_new(peer, lane, true);
  if (!p) return tl_link_close_lane(peer->link, lane, 0), TULLE_E_NO_MEMORY;
  strncpy(p->service, service, sizeof p->service - 1);
  strncpy(m.name, service, sizeof m.name - 1);
  m.has_fingerprint = fingerprint;
  if (fingerprint) memcpy(m.fingerprint, fingerprint, sizeof m.fingerprint);
  p->program = pending->program;
  r = send_message(p, TL_MESH_OPEN, &m);
  if (r == 0) {
    p->pending = pending;
    pending->context = p;
    pending->ended = open_abandoned;
    return 0;
  }
  /* A fresh lane has room for its first message, so TL_FULL here is a lack of memory. */
  tl_link_close_lane(peer->link, lane, 0);
  proxy_free(p);
  return r == TL_FULL ? TULLE_E_LIMIT : r;
}

void tl_proxy_go_on(struct tl_pending *pending, struct tl_mesh_peer *peer, const char *service,
                    const uint8_t *fingerprint) {
  char text[128] = "";
  int r = proxy_begin(pending, peer, service, fingerprint);
  if (r == 0) return;
  if (r == TULLE_E_LIMIT)
    snprintf(text, sizeof text, "too many channels to '%s'", peer->place.node_name);
  tl_pending_answer(pending, r, text, strlen(text));
}

int tl_proxy_open(struct tl_request *q, struct tl_mesh_peer *peer, const char *service,
                  const uint8_t *fingerprint) {
  struct tl_pending *pending;
  int r = tl_pending_new(q, open_abandoned, &pending);
  if (r < 0) return r;
  tl_proxy_go_on(pending, peer, service, fingerprint);
  return TL_LATER;
}

/* The peer's word about who serves, with what the link itself knows put in its place. */
static struct tl_party party_of(const struct tl_proxy *p, const struct tl_mesh_message *m) {
  struct tl_party party = m->party;
  const struct tl_peer_info *info = tl_link_peer(p->peer->link);
  memcpy(party.node, info->node_id, sizeof party.node);
  memcpy(party.node_name, p->peer->place.node_name, sizeof party.node_name);
  party.roles = info->roles;
  party.incarnation = p->peer->incarnation;
  party.local = false;
  return party;
}

static int take_opened(struct tl_proxy *p, const struct tl_mesh_message *m) {
  if (!p->is_client || p->end || m->type != TL_MESH_CHANNEL_OPENED) return TULLE_E_PROTOCOL;
  struct tl_party party = party_of(p, m);
  int r = tl_end_connect(p->program, TL_ROLE_CLIENT, p->service, &party, p->program->account,
                         &proxy_far, p, &p->end);
  if (r == 0) return 0;
  pending_fail(p, r, tulle_error_text(r));
  return r;
}

/* ---- opening, the server's side ---- */

int tl_proxy_accept(struct tl_mesh_peer *peer, struct tl_lane *lane) {
  struct tl_proxy *p = proxy_new(peer, lane, false);
  return p ? 0 : TULLE_E_NO_MEMORY;
}

static int take_open(struct tl_proxy *p, const struct tl_mesh_message *m) {
  if (p->is_client || p->end || m->type != TL_MESH_CHANNEL_OPEN) return TULLE_E_PROTOCOL;
  struct tl_registry *registry = &p->peer->mesh->config.node->registry;
  struct tl_offer *offer = tl_registry_find_at(registry, m->name, &registry->here);
  if (!offer) return TULLE_E_NO_SERVICE;
  struct tl_claim claim = {.has_fingerprint = m->has_fingerprint};
  memcpy(claim.fingerprint, m->fingerprint, sizeof claim.fingerprint);
  if (!tl_interface_is_same(offer, &claim)) return TULLE_E_INTERFACE;
  struct tl_party party = party_of(p, m);
  return tl_end_admit(offer, &party, p->peer->account, &proxy_far, p, &p->end);
}

/* ---- the program's side says ---- */

static void far_introduced(struct tl_end *end, uint64_t now) {
  struct tl_proxy *p = end->far_context;
  if (!p) return;
  p->is_open = true;
  if (p->is_client) {
    struct tl_pending *pending = p->pending;
    unsigned char result[32];
    struct tulle_pack w = tulle_pack_on(result, sizeof result);
    tulle_pack_map(&w, 1), tulle_pack_text(&w, "channel"), tulle_pack_uint(&w, end->number);
    p->pending = NULL;
    if (pending) tl_pending_answer(pending, 0, result, tulle_pack_size(&w));
  } else {
    struct tl_mesh_message m = {.type = TL_MESH_CHANNEL_OPENED, .party = end->program->party};
    (void)send_message(p, TL_MESH_OPENED, &m); /* the first message of this side: there is room */
  }
  tl_proxy_readable(p, now);
}

/* Notes the highest call that leaves for the link: from here on it may run. */
static void note_call(struct tl_proxy *p, const struct tl_piece *piece) {
  bool is_call = (piece->kind & ~TL_KIND_LOOSE) == TL_KIND_CALL;
  if (!p->is_inside && is_call && piece->size >= 8) {
    uint64_t id = tl_load_le(piece->data, 8);
    if (id < p->handed || id == UINT64_MAX) id = p->handed; /* it counts wrongly: its own harm */
    p->handed = id + 1;
    p->end->program->ops->begin(p->end, id);
  }
  p->is_inside = piece->flags & TL_RECORD_MORE;
}

static enum tl_class class_of(uint16_t kind) {
  return kind & TL_KIND_BEST_EFFORT ? TL_CLASS_BEST_EFFORT
         : kind & TL_KIND_UNORDERED ? TL_CLASS_RELIABLE
                                    : TL_CLASS_ORDERED;
}

static bool is_loose(uint16_t kind, size_t size, unsigned flags) {
  return (kind & TL_KIND_LOOSE) != TL_KIND_LOOSE && size <= TL_LOOSE_BYTES_MAX && !flags;
}

/* A message that need not be in order is one record. */
static int send_loose(struct tl_proxy *p, const struct tl_piece *piece) {
  if (p->is_inside || !is_loose(piece->kind, piece->size, piece->flags)) return TULLE_E_PROTOCOL;
  enum tl_class class = class_of(piece->kind);
  struct iovec body = {(char *)(uintptr_t)piece->data, piece->size};
  int r = tl_link_send(p->peer->link, p->lane, class, (uint8_t)piece->kind, 0, &body, 1);
  if (r == TL_FULL && class == TL_CLASS_RELIABLE) return TL_FULL;
  if (r == TL_FULL) p->peer->loose_dropped++;
  if (r == 0) note_call(p, piece);
  return 0;
}

static int far_piece(struct tl_end *end, uint64_t now, const struct tl_piece *piece) {
  struct tl_proxy *p = end->far_context;
  (void)now;
  if (!p || !p->lane) return 0; /* on its way out: nobody is there to have it */
  if (piece->kind >= TL_MESH_NODE) return TULLE_E_PROTOCOL;
  if (piece->kind & TL_KIND_LOOSE) return send_loose(p, piece);
  do {
    uint32_t left = piece->size - p->out_offset;
    uint32_t size = left < TL_LANE_RECORD_BYTES_MAX ? left : TL_LANE_RECORD_BYTES_MAX;
    bool is_last = size == left;
    uint8_t flags = piece->flags & TL_RECORD_ABORT ? LANE_ABORT : 0;
    if (!is_last || piece->flags & TL_RECORD_MORE) flags |= TL_LANE_MORE;
    struct iovec body = {(char *)(uintptr_t)piece->data + p->out_offset, size};
    int r = tl_link_send(p->peer->link, p->lane, TL_CLASS_ORDERED, (uint8_t)piece->kind, flags,
                         &body, 1);
    if (r == TL_FULL) return TL_FULL;
    if (r < 0) return 0; /* the lane is ending: its event is on the way */
    p->out_offset += size;
  } while (p->out_offset < piece->size);
  p->out_offset = 0;
  note_call(p, piece);
  return 0;
}

static void far_writable(struct tl_end *end, uint64_t now) {
  if (end->far_context) tl_proxy_readable(end->far_context, now);
}

static void far_closed(struct tl_end *end, uint64_t now, uint64_t begun) {
  struct tl_proxy *p = end->far_context;
  if (!p) return;
  end->far_context = NULL;
  p->end = NULL;
  lane_close(p, TULLE_E_PEER_GONE, begun, "");
  proxy_end(p, now, TULLE_E_PEER_GONE, 0, "the other side is gone");
}

static const struct tl_far_ops proxy_far = {.piece = far_piece,
                                            .writable = far_writable,
                                            .introduced = far_introduced,
                                            .closed = far_closed};

/* ---- the lane says ---- */

/* One record of the lane into the program's ring, in as many pieces as it takes. 0, TL_FULL or an error. */
static int write_record(struct tl_proxy *p, const struct tl_lane_record *record) {
  const struct tl_port_ops *ops = p->end->program->ops;
  uint32_t piece_max = ops->piece_bytes_max(p->end);
  do {
    uint32_t left = (uint32_t)record->size - p->in_offset;
    uint32_t size = left < piece_max ? left : piece_max;
    bool is_last = size == left;
    struct tl_piece piece = {
        .data = record->bytes + p->in_offset, .size = size, .kind = record->kind};
    if (!is_last || record->flags & TL_LANE_MORE) piece.flags |= TL_RECORD_MORE;
    if (record->flags & LANE_ABORT) piece.flags |= TL_RECORD_ABORT;
    int r = ops->write(p->end, &piece);
    if (r != 0) return r;
    p->in_offset += size;
  } while (p->in_offset < record->size);
  p->in_offset = 0;
  return 0;
}

/* Into the program's ring. Best effort does not wait for room. */
static int take_piece(struct tl_proxy *p, const struct tl_lane_record *record) {
  if (record->class != class_of(record->kind)) return TULLE_E_PROTOCOL;
  if (record->class != TL_CLASS_ORDERED && !is_loose(record->kind, record->size, record->flags))
    return TULLE_E_PROTOCOL;
  int r = write_record(p, record);
  if (r != TL_FULL || record->class != TL_CLASS_BEST_EFFORT) return r;
  p->peer->loose_dropped++;
  return 0;
}

static int take_message(struct tl_proxy *p, const struct tl_lane_record *record) {
  struct tl_mesh_message m;
  if (record->class != TL_CLASS_ORDERED || p->closing.code) return TULLE_E_PROTOCOL;
  int r = tl_gather_push(&p->gather, TL_MESH_CHANNEL_BYTES_MAX, record, &m);
  if (r == TL_MORE) return 0;
  if (r < 0) return TULLE_E_PROTOCOL;
  if (record->kind == TL_MESH_OPEN) return take_open(p, &m);
  if (record->kind == TL_MESH_OPENED) return take_opened(p, &m);
  if (record->kind != TL_MESH_CLOSED || m.type != TL_MESH_CHANNEL_CLOSED || m.code >= 0)
    return TULLE_E_PROTOCOL;
  p->closing = (struct tl_proxy_closing){.code = m.code, .begun = m.begun};
  memcpy(p->closing.text, m.text, sizeof p->closing.text);
  return 0;
}

/* As the peer has said, if it has. */
static void end_as_said(struct tl_proxy *p, uint64_t now, int code, const char *text) {
  const struct tl_proxy_closing said = p->closing;
  if (said.code)
    proxy_end(p, now, said.code, said.begun, said.text);
  else
    proxy_end(p, now, code, p->handed, text);
}

/* All that the peer sent is here, also what it had sent before it closed. */
static int take_end(struct tl_proxy *p, uint64_t now, bool *out_is_over) {
  if (!p->closing.code) return TULLE_E_PEER_GONE; /* finished without a word */
  tl_link_close_lane(p->peer->link, p->lane, 0);
  p->lane = NULL;
  end_as_said(p, now, 0, NULL);
  *out_is_over = true;
  return 0;
}

/* The next record: 0 and dealt with, TL_FULL, TL_EMPTY, or an error. */
static int take_record(struct tl_proxy *p, uint64_t now, bool *out_is_over) {
  struct tl_lane_record record;
  int r = tl_lane_receive(p->lane, &record);
  if (r == TL_END) return take_end(p, now, out_is_over);
  if (r != 0) return r;
  if (!p->peer->has_hello) return TL_EMPTY; /* it overtook lane 0 */
  if (record.kind < TL_MESH_NODE) {
    if (!p->end) return TULLE_E_PROTOCOL; /* before OPEN or OPENED */
    if (!p->is_open) return TL_EMPTY;     /* it waits for the program to have its channel */
    r = take_piece(p, &record);
  } else {
    r = take_message(p, &record);
    /* An open that is refused: nothing was ever sent before. */
    if (r == 0 && p->closing.code && !p->end) return take_end(p, now, out_is_over);
  }
  if (r == 0 && p->lane) tl_link_release(p->peer->link, p->lane);
  return r;
}

void tl_proxy_readable(struct tl_proxy *p, uint64_t now) {
  bool is_over = false;
  int r = 0;
  while (!is_over && p->lane && (r = take_record(p, now, &is_over)) == 0) continue;
  if (is_over || !p->lane || r >= 0) return;
  if (r == TULLE_E_PROTOCOL) p->peer->mesh->protocol_faults++;
  lane_close(p, r, 0, tulle_error_text(r));
  proxy_end(p, now, r, p->handed, tulle_error_text(r));
}

void tl_proxy_writable(struct tl_proxy *p, uint64_t now) {
  (void)now;
  if (p->end && p->is_open) tl_end_resume(p->end);
}

void tl_proxy_reset(struct tl_proxy *p, uint64_t now) {
  tl_lane_set_owner(p->lane, NULL);
  tl_link_close_lane(p->peer->link, p->lane, 0);
  p->lane = NULL;
  end_as_said(p, now, TULLE_E_PEER_GONE, "the other side is gone");
}

void tl_proxy_lost(struct tl_proxy *p, uint64_t now, int code) {
  if (p->lane) {
    tl_lane_set_owner(p->lane, NULL);
    tl_link_close_lane(p->peer->link, p->lane, (uint32_t)-code);
    p->lane = NULL;
  }
  end_as_said(p, now, code, tulle_error_text(code));
}
