#include "node/mesh/join.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/refusal.h"
#include "node/mesh/mesh.h"

/* For all of it. */
#define JOIN_NS_MAX (35 * TL_S)

/* For the first link: enough for a handshake over a line that loses every third packet, and less than `tulle join` waits, so
 * that a person hears why. An inviter is silent to a token that it does not take. */
#define DIAL_NS_MAX (13 * TL_S)

/* Names in the answer to `join`; `members` has them all. */
#define MEMBERS_SHOWN 256

/* How long the inviter has to hang up after `join_done`, before the joiner does it. */
#define LEAVE_NS (1 * TL_S)

static const char *refusal_text(int reason) {
  switch (reason) {
  case TL_REASON_SILENT:
    return "nobody answered at the token's addresses: the token has expired, or the inviter's node "
           "does not run or cannot be reached from here (--at ADDR:PORT)";
  case TL_REASON_IGNORED:
    return "the inviter does not take this token: it has been used; ask for a new one";
  case TL_REFUSED_OTHER_NODE:
    return "somebody else answered at the token's address";
  default:
    return tl_link_reason_text(reason);
  }
}

/* The join is over: its caller, if there still is one, hears how. */
static void join_finish(struct tl_mesh *mesh, int code, const void *result, size_t size) {
  struct tl_pending *pending = mesh->join.pending;
  tl_gather_deinit(&mesh->join.gather);
  explicit_bzero(&mesh->join, sizeof mesh->join);
  if (pending) tl_pending_answer(pending, code, result, size);
}

static void join_fail(struct tl_mesh *mesh, uint64_t now, int code, const char *text) {
  if (mesh->join.dial) tl_endpoint_dial_cancel(mesh->config.endpoint, now, mesh->join.dial);
  if (mesh->join.link) tl_link_close(mesh->join.link, now, 0);
  join_finish(mesh, code, text, strlen(text));
}

/* Who asked does not wait any more. What has begun goes on: half a join helps nobody. */
static void join_abandoned(struct tl_pending *pending, uint64_t now) {
  struct tl_mesh *mesh = pending->context;
  mesh->join.pending = NULL;
  if (mesh->join.phase == TL_JOIN_DIALLING) join_fail(mesh, now, TULLE_E_CANCELLED, "");
}

static int join_dial(struct tl_mesh *mesh, uint64_t now, const struct tl_token *token) {
  struct tl_join *j = &mesh->join;
  struct tl_dial dial = {
      .address_count = j->address_count, .token = token, .carrier = mesh->config.carrier};
  memcpy(dial.node_id, j->token.inviter_id, sizeof dial.node_id);
  memcpy(dial.addresses, j->addresses, sizeof dial.addresses);
  return tl_endpoint_dial(mesh->config.endpoint, now, &dial, &j->dial);
}

int tl_join_begin(struct tl_mesh *mesh, struct tl_request *q, const struct tl_token *token,
                  const struct tl_address *addresses, size_t address_count, bool leave) {
  struct tl_join *j = &mesh->join;
  if (j->phase != TL_JOIN_NONE)
    return tl_request_refuse(q, TULLE_E_BUSY, "another join is under way");
  if (!leave && !tl_trust_is_alone(mesh->config.trust))
    return tl_request_refuse(
        q, TULLE_E_BUSY,
        "this node is in a fabric with other members; to leave it: tulle join --leave");
  *j = (struct tl_join){
      .token = *token, .address_count = address_count, .began = q->now, .leave = leave};
  memcpy(j->addresses, addresses, address_count * sizeof *addresses);
  j->deadline = tl_time_add(q->now, DIAL_NS_MAX);
  int r = join_dial(mesh, q->now, token);
  if (r == 0) r = tl_pending_new(q, join_abandoned, &j->pending);
  if (r < 0) {
    if (j->dial) tl_endpoint_dial_cancel(mesh->config.endpoint, q->now, j->dial);
    explicit_bzero(j, sizeof *j);
    return r == TULLE_E_REFUSED
               ? tl_request_refuse(q, TULLE_E_INVALID, "this token was made by this node itself")
               : r;
  }
  j->pending->context = mesh;
  j->phase = TL_JOIN_DIALLING;
  return TL_LATER;
}

/* ---- links of invitations ---- */

static struct tl_lane *lane_of(struct tl_link *link) {
  return tl_flow_lane(tl_link_flow(link), 0);
}

static int send_on(struct tl_link *link, const struct tl_mesh_message *m) {
  return tl_mesh_send(link, lane_of(link), TL_MESH_NODE, m);
}

/* ---- newcomers, at the inviter ---- */

static void newcomer_forget(struct tl_mesh *mesh, const struct tl_link *link) {
  for (size_t i = 0; i < TL_INVITATIONS_MAX; i++)
    if (mesh->newcomers[i].link == link) mesh->newcomers[i].link = NULL;
}

static void newcomer_close(struct tl_mesh *mesh, struct tl_newcomer *newcomer, uint64_t now) {
  struct tl_link *link = newcomer->link;
  newcomer_forget(mesh, link);
  tl_link_close(link, now, 0);
}

/* The place of the link before it under the same invitation, else a free one, else the oldest: that one's invitation is gone,
 * for there are as many places as invitations. */
static struct tl_newcomer *newcomer_place(struct tl_mesh *mesh, const uint8_t invitation_id[8]) {
  struct tl_newcomer *place = &mesh->newcomers[0];
  for (size_t i = 0; i < TL_INVITATIONS_MAX; i++) {
    struct tl_newcomer *n = &mesh->newcomers[i];
    if (n->link && memcmp(tl_link_peer(n->link)->invitation_id, invitation_id, 8) == 0) return n;
    if (place->link && (!n->link || n->until < place->until)) place = n;
  }
  return place;
}

static void newcomer_note(struct tl_mesh *mesh, struct tl_link *link, uint64_t now) {
  struct tl_newcomer *place = newcomer_place(mesh, tl_link_peer(link)->invitation_id);
  if (place->link) newcomer_close(mesh, place, now);
  *place = (struct tl_newcomer){link, tl_time_add(now, TL_NEWCOMER_NS)};
}

static uint64_t newcomers_deadline(const struct tl_mesh *mesh) {
  uint64_t due = TL_NEVER;
  for (size_t i = 0; i < TL_INVITATIONS_MAX; i++)
    if (mesh->newcomers[i].link) due = tl_time_min(due, mesh->newcomers[i].until);
  return due;
}

static void newcomers_timeout(struct tl_mesh *mesh, uint64_t now) {
  for (size_t i = 0; i < TL_INVITATIONS_MAX; i++) {
    struct tl_newcomer *n = &mesh->newcomers[i];
    if (n->link && now >= n->until) newcomer_close(mesh, n, now);
  }
}

void tl_join_link_up(struct tl_mesh *mesh, struct tl_link *link, uint64_t now) {
  struct tl_join *j = &mesh->join;
  if (!tl_link_peer(link)->is_inviter) {
    newcomer_note(mesh, link, now); /* it speaks first */
    return;
  }
  if (j->phase != TL_JOIN_DIALLING) {
    tl_link_close(link, now, 0);
    return;
  }
  struct tl_mesh_message m = {.type = TL_MESH_JOIN_REQUEST};
  snprintf(m.name, sizeof m.name, "%s", mesh->config.node->config.self.node_name);
  j->phase = TL_JOIN_ASKING;
  j->deadline = tl_time_add(j->began, JOIN_NS_MAX);
  j->dial = 0;
  j->link = link;
  if (send_on(link, &m) != 0) join_fail(mesh, now, TULLE_E_IO, "the request could not be sent");
}

/* The link of the invitation has no further use: back as a member. */
static void dial_as_member(struct tl_mesh *mesh, uint64_t now) {
  mesh->join.link = NULL;
  int r = join_dial(mesh, now, NULL);
  if (r < 0 && r != TULLE_E_EXISTS)
    join_fail(mesh, now, r, "joined and stored, but the inviter cannot be dialled again");
}

void tl_join_link_down(struct tl_mesh *mesh, struct tl_link *link, uint64_t now) {
  struct tl_join *j = &mesh->join;
  newcomer_forget(mesh, link);
  if (j->link != link) return;
  j->link = NULL;
  if (j->phase == TL_JOIN_ASKING)
    join_fail(mesh, now, TULLE_E_UNREACHABLE, "the inviter went away before it let us in");
  if (j->phase == TL_JOIN_LINKING) dial_as_member(mesh, now);
}

static const char *not_admitted_text(int error) {
  if (error == TULLE_E_EXISTS)
    return "another member has this name: start the node with another --name";
  if (error == TULLE_E_UNTRUSTED)
    return "this node was removed from that fabric: to come back it needs a new key, from an empty "
           "TULLE_STATE_DIR";
  return tulle_error_text(error);
}

/* The inviter's side: admits, durably, and only then grants. */
static void admit(struct tl_mesh *mesh, struct tl_link *link, uint64_t now,
                  const struct tl_mesh_message *request) {
  const struct tl_peer_info *peer = tl_link_peer(link);
  struct tl_mesh_message m = {.type = TL_MESH_JOIN_GRANT};
  uint8_t *grant = NULL;
  int r = tl_trust_admit(mesh->config.trust, now, peer->invitation_id, peer->key, request->name,
                         &grant, &m.blob_size);
  m.blob = grant;
  if (r < 0) {
    m = (struct tl_mesh_message){.type = TL_MESH_JOIN_REFUSED, .code = r};
    strncpy(m.text, not_admitted_text(r), sizeof m.text - 1);
  }
  (void)send_on(link, &m); /* lost: the newcomer asks again under the same invitation */
  if (grant) explicit_bzero(grant, m.blob_size);
  free(grant);
}

/* The joiner's side: stores, says so, and comes back as a member. */
static void take_grant(struct tl_mesh *mesh, uint64_t now, const struct tl_mesh_message *m) {
  struct tl_join *j = &mesh->join;
  int r = tl_trust_join(mesh->config.trust, mesh->config.identity, &j->token, m->blob, m->blob_size,
                        j->leave);
  if (r < 0) {
    join_fail(mesh, now, r, "the grant could not be stored, or is not what the token promised");
    return;
  }
  (void)send_on(j->link, &(struct tl_mesh_message){.type = TL_MESH_JOIN_DONE});
  j->phase = TL_JOIN_LINKING;
  j->leave_at = now + LEAVE_NS;
  tl_mesh_renamed(mesh, now);
}

static int take_message(struct tl_mesh *mesh, struct tl_link *link, uint64_t now,
                        const struct tl_mesh_message *m) {
  struct tl_join *j = &mesh->join;
  bool am_joining = link == j->link && j->phase == TL_JOIN_ASKING;
  switch (m->type) {
  case TL_MESH_JOIN_REQUEST:
    if (!tl_link_peer(link)->joining) return TULLE_E_PROTOCOL;
    admit(mesh, link, now, m);
    return 0;
  case TL_MESH_JOIN_GRANT:
    if (!am_joining) return TULLE_E_PROTOCOL;
    take_grant(mesh, now, m);
    return 0;
  case TL_MESH_JOIN_REFUSED:
    if (!am_joining || m->code >= 0) return TULLE_E_PROTOCOL;
    join_fail(mesh, now, m->code, m->text);
    return 0;
  case TL_MESH_JOIN_DONE:
    return tl_link_peer(link)->joining ? TL_END : TULLE_E_PROTOCOL;
  default:
    return TULLE_E_PROTOCOL;
  }
}

/* A grant may come in pieces; what a newcomer says is small and comes whole, or is not taken. */
static int decode(struct tl_mesh *mesh, bool is_ours, const struct tl_lane_record *record,
                  struct tl_mesh_message *m) {
  if (is_ours) return tl_gather_push(&mesh->join.gather, TL_MESH_BYTES_MAX, record, m);
  return record->flags & TL_LANE_MORE ? TULLE_E_PROTOCOL
                                      : tl_mesh_decode(record->bytes, record->size, m);
}

void tl_join_readable(struct tl_mesh *mesh, struct tl_link *link, uint64_t now) {
  struct tl_lane_record record;
  struct tl_mesh_message m;
  struct tl_lane *lane = lane_of(link);
  while (tl_lane_receive(lane, &record) == 0) {
    bool is_ours = link == mesh->join.link;
    bool is_fit = record.kind == TL_MESH_NODE && record.class == TL_CLASS_ORDERED;
    int r = is_fit ? decode(mesh, is_ours, &record, &m) : TULLE_E_PROTOCOL;
    if (r == 0) r = take_message(mesh, link, now, &m);
    if (is_ours && mesh->join.link != link) return; /* the join has failed, and closed it */
    tl_link_release(link, lane);
    if (r == 0 || r == TL_MORE) continue;
    if (r < 0) mesh->protocol_faults++;
    newcomer_forget(mesh, link);
    tl_link_close(link, now, 0);
    if (is_ours) mesh->join.link = NULL;
    return;
  }
}

/* ---- its end ---- */

#define TEXT_NOT_BACK "joined and stored, but the inviter cannot be reached as a member yet"

static void fail_dial(struct tl_mesh *mesh, int reason, uint64_t now) {
  if (mesh->join.phase == TL_JOIN_LINKING) {
    join_fail(mesh, now, TULLE_E_UNREACHABLE, TEXT_NOT_BACK);
    return;
  }
  join_fail(mesh, now, reason == TL_REASON_SILENT ? TULLE_E_UNREACHABLE : TULLE_E_UNTRUSTED,
            refusal_text(reason));
}

bool tl_join_refused(struct tl_mesh *mesh, uint64_t dial, int reason, uint64_t now) {
  if (!dial || mesh->join.dial != dial) return false;
  fail_dial(mesh, reason, now);
  return true;
}

void tl_join_member_up(struct tl_mesh *mesh, struct tl_link *link, uint64_t now) {
  struct tl_join *j = &mesh->join;
  if (j->phase != TL_JOIN_LINKING ||
      memcmp(tl_link_peer(link)->node_id, j->token.inviter_id, 16) != 0)
    return;
  const struct tl_trust_state *state = tl_trust_state_of(mesh->config.trust);
  size_t count = state->member_count < MEMBERS_SHOWN ? state->member_count : MEMBERS_SHOWN;
  static unsigned char result[TL_SERVICE_REPLY_BYTES_MAX];
  struct tulle_pack w = tulle_pack_on(result, sizeof result);
  tulle_pack_map(&w, 4);
  tulle_pack_text(&w, "fabric"), tulle_pack_text(&w, state->fabric_name);
  tulle_pack_text(&w, "node"), tulle_pack_text(&w, tl_link_peer(link)->name);
  tulle_pack_text(&w, "members"), tulle_pack_array(&w, count);
  for (size_t i = 0; i < count; i++) tulle_pack_text(&w, state->members[i].name);
  tulle_pack_text(&w, "took_ns"), tulle_pack_uint(&w, now - j->began);
  if (j->dial) tl_endpoint_dial_cancel(mesh->config.endpoint, now, j->dial);
  join_finish(mesh, 0, result, tulle_pack_size(&w));
}

void tl_join_end(struct tl_mesh *mesh, uint64_t now) {
  for (size_t i = 0; i < TL_INVITATIONS_MAX; i++)
    if (mesh->newcomers[i].link) newcomer_close(mesh, &mesh->newcomers[i], now);
  if (mesh->join.phase != TL_JOIN_NONE) join_fail(mesh, now, TULLE_E_CANCELLED, "this node ends");
}

/* Of the join of this node itself. */
static uint64_t own_deadline(const struct tl_mesh *mesh) {
  const struct tl_join *j = &mesh->join;
  if (j->phase == TL_JOIN_NONE) return TL_NEVER;
  return j->phase == TL_JOIN_LINKING && j->link ? tl_time_min(j->leave_at, j->deadline)
                                                : j->deadline;
}

uint64_t tl_join_deadline(const struct tl_mesh *mesh) {
  return tl_time_min(own_deadline(mesh), newcomers_deadline(mesh));
}

void tl_join_timeout(struct tl_mesh *mesh, uint64_t now) {
  struct tl_join *j = &mesh->join;
  newcomers_timeout(mesh, now);
  if (now < own_deadline(mesh)) return;
  if (now < j->deadline) {
    tl_link_close(j->link, now, 0);
    dial_as_member(mesh, now);
    return;
  }
  if (j->phase == TL_JOIN_DIALLING) {
    fail_dial(mesh, tl_endpoint_dial_reason(mesh->config.endpoint, j->dial), now);
    return;
  }
  bool is_member = j->phase == TL_JOIN_LINKING;
  join_fail(mesh, now, is_member ? TULLE_E_UNREACHABLE : TULLE_E_DEADLINE,
            is_member ? TEXT_NOT_BACK : "the inviter did not let us in in time");
}
