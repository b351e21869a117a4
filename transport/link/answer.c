/*
 * The called side: what crypto's responder makes of HELLO and FINISH, and the sessions that follow.
 *
 * Nothing is sent but what the responder hands out, so a stranger hears nothing (SECURITY 2.8).
 * Answers wait in a ring of fixed size; when it is full they are dropped, and the caller asks again.
 */
#include "transport/link/endpoint_internal.h"

static void answer_queue(struct tl_endpoint *ep, const struct tl_path *path, const uint8_t *bytes,
                         size_t size) {
  if (ep->answer_count == ANSWERS_MAX) {
    ep->counters.drop_queue++;
    return;
  }
  struct answer *a = &ep->answers[(ep->answer_first + ep->answer_count++) % ANSWERS_MAX];
  a->path = *path;
  a->size = size;
  memcpy(a->bytes, bytes, size);
}

int tl_answer_poll(struct tl_endpoint *ep, struct tl_burst *out_burst) {
  if (ep->answer_count == 0) return TL_EMPTY;
  const struct answer *a = &ep->answers[ep->answer_first];
  if (a->path.carrier == TL_CARRIER_UDP && ep->is_udp_blocked) return TL_EMPTY;
  memcpy(ep->out, a->bytes, a->size);
  *out_burst = (struct tl_burst){a->path, ep->out, a->size, a->size};
  ep->answer_first = (ep->answer_first + 1) % ANSWERS_MAX;
  ep->answer_count--;
  return 0;
}

/* Half-open sessions that the same peer began before: the newest is the one it means. */
static void forget_earlier(struct tl_endpoint *ep, uint64_t now, const struct tl_peer_info *peer) {
  TL_LIST_FOR_EACH(l, &ep->links) {
    struct tl_link *link = tl_container_of(l, struct tl_link, list);
    if (link->state == LINK_FRESH && !link->is_initiator &&
        !memcmp(link->peer.key, peer->key, sizeof(peer->key)))
      tl_link_end(link, now, TL_REASON_REPLACED, 0, false);
  }
}

/* Simultaneous open: the handshake begun by the smaller id wins, and ours has come as far. */
static bool ours_wins(const struct tl_endpoint *ep, const struct tl_peer_info *peer) {
  return memcmp(ep->self.identity->node_id, peer->node_id, 16) < 0 &&
         tl_dials_have_finish(ep, peer->key);
}

static void session_begin(struct tl_endpoint *ep, uint64_t now, const struct tl_path *path,
                          struct connection *c, const struct tl_response *response) {
  struct tl_link *link;
  struct link_make make = {.secrets = &response->secrets,
                           .peer = &response->peer,
                           .local_index = response->local_index,
                           .remote_index = response->remote_index,
                           .path = *path,
                           .choice = ep->carrier};
  ep->counters.handshakes_done++;
  if (ours_wins(ep, &response->peer)) {
    ep->counters.drop_late++;
    return;
  }
  forget_earlier(ep, now, &response->peer);
  if (!c) make.path.remote = response->validated;
  if (tl_link_new(ep, now, &make, &link) < 0) {
    tl_refuse(&ep->counters.dropped, TL_REFUSED_NODE_RATE);
    return;
  }
  link->must_ping = c == NULL;
  tl_link_touch(link);
}

static void session_confirm(struct tl_endpoint *ep, uint32_t local_index) {
  struct local_index *index = tl_table_find(&ep->by_index, &local_index, sizeof(local_index));
  ep->counters.handshakes_repeated++;
  if (!index || !index->link || index->link->state == LINK_OVER) return;
  index->link->must_ping = true;
  tl_link_touch(index->link);
}

void tl_answer_push(struct tl_endpoint *ep, uint64_t now, const struct tl_path *path,
                    struct connection *c, const uint8_t *packet, size_t size) {
  struct tl_response response;
  int r = tl_responder_push(ep->responder, now, &path->remote, c != NULL, packet, size, &response);
  tl_endpoint_check_clones(ep, now);
  if (r != 0) {
    if (c) tl_connection_drop(c);
    return;
  }
  switch (response.kind) {
  case TL_RESPONSE_SEND:
    if (c && c->role == CONNECTION_STRANGER) tl_connection_admit(c, now);
    answer_queue(ep, path, response.packet, response.size);
    break;
  case TL_RESPONSE_ESTABLISHED:
    session_begin(ep, now, path, c, &response);
    tl_secrets_wipe(&response.secrets);
    break;
  case TL_RESPONSE_CONFIRM:
    session_confirm(ep, response.local_index);
    break;
  }
}
