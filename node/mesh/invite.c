#include "node/mesh/invite.h"

#include <string.h>

#include "crypto/token.h"
#include "node/mesh/gather.h"

/* What an invitation lives where nobody says how long. */
#define INVITATION_NS (15 * 60 * TL_S)

static int send_on(struct tl_link *link, const struct tl_mesh_message *m) {
  return tl_mesh_send(link, tl_flow_lane(tl_link_flow(link), 0), TL_MESH_NODE, m);
}

/* ---- making one ---- */

/* 0 and the token's text; else the code. */
static int make(const struct tl_invite *i, uint64_t now, uint64_t life_ns, uint32_t roles,
                char out[TL_TOKEN_TEXT_SIZE]) {
  struct tl_token token;
  int r = tl_trust_invite(i->trust, now, life_ns, roles, &token);
  if (r < 0) return r;
  token.address_count =
      (uint8_t)i->own_addresses(i->own_context, token.addresses, TL_TOKEN_ADDRESSES_MAX);
  tl_token_format(&token, out);
  explicit_bzero(&token, sizeof token);
  return 0;
}

static const char *why_not(int code) {
  switch (code) {
  case TULLE_E_LIMIT:
    return "too many invitations are open: wait until they expire";
  case TULLE_E_REFUSED:
    return "only the node that holds the fabric's authority can invite, and members that it let in "
           "with 'tulle invite --may-invite'";
  default:
    return tulle_error_text(code);
  }
}

static size_t pack_result(struct tulle_pack *w, const char *token, size_t size, uint64_t life_ns) {
  tulle_pack_map(w, 2);
  tulle_pack_text(w, "token"), tulle_pack_text_of(w, token, size);
  tulle_pack_text(w, "expires_ns"), tulle_pack_uint(w, life_ns);
  return tulle_pack_size(w);
}

/* ---- asking the authority ---- */

/* Nobody is asked any more; the call that waited. */
static struct tl_pending *take_pending(struct tl_invite *i) {
  struct tl_pending *pending = i->pending;
  i->pending = NULL;
  i->asked = NULL;
  return pending;
}

static void asker_gone(struct tl_pending *pending, uint64_t now) {
  (void)now;
  (void)take_pending(pending->context);
}

static int ask(struct tl_invite *i, struct tl_request *q, struct tl_link *authority,
               uint64_t life_ns) {
  if (i->pending) return tl_request_refuse(q, TULLE_E_BUSY, "another invitation is being made");
  if (!authority)
    return tl_request_refuse(q, TULLE_E_UNREACHABLE,
                             "the node that holds the fabric's authority is not linked now");
  struct tl_mesh_message m = {
      .type = TL_MESH_INVITE_REQUEST, .generation = ++i->number, .life = life_ns};
  int r = tl_pending_new(q, asker_gone, &i->pending);
  if (r < 0) return r;
  i->pending->context = i;
  i->asked = authority;
  i->life_ns = life_ns;
  r = send_on(authority, &m);
  if (r != 0) tl_pending_answer(take_pending(i), r == TL_FULL ? TULLE_E_AGAIN : r, NULL, 0);
  return TL_LATER;
}

int tl_invite_procedure(struct tl_invite *i, struct tl_request *q, struct tl_link *authority) {
  uint64_t life_ns = 0;
  bool may_invite = false;
  char token[TL_TOKEN_TEXT_SIZE];
  int r = tl_request_uint(q, "life_ns", &life_ns);
  if (r == 0) r = tl_request_bool(q, "may_invite", &may_invite);
  if (r < 0) return r;
  if (!life_ns) life_ns = INVITATION_NS;
  bool may_ask = tl_trust_state_of(i->trust)->self.flags & TL_CERTIFICATE_MAY_INVITE;
  if (may_ask && !tl_trust_is_authority(i->trust)) {
    if (!may_invite) return ask(i, q, authority, life_ns);
    return tl_request_refuse(q, TULLE_E_REFUSED,
                             "only the authority's node lets in members that may invite");
  }
  r = make(i, q->now, life_ns, TL_ROLES_DEFAULT | (may_invite ? TL_ROLES_INVITE : 0), token);
  if (r < 0) return tl_request_refuse(q, r, "%s", why_not(r));
  pack_result(&q->result, token, strlen(token), life_ns);
  explicit_bzero(token, sizeof token);
  return 0;
}

/* ---- being asked ---- */

void tl_invite_take_request(struct tl_invite *i, struct tl_link *link,
                            const struct tl_mesh_message *m, uint64_t now) {
  const struct tl_peer_info *info = tl_link_peer(link);
  struct tl_mesh_message answer = {
      .type = TL_MESH_INVITATION, .generation = m->generation, .blob = (const uint8_t *)""};
  char token[TL_TOKEN_TEXT_SIZE] = "";
  bool may = info->has_certificate && info->certificate.flags & TL_CERTIFICATE_MAY_INVITE;
  answer.code = may ? make(i, now, m->life, TL_ROLES_DEFAULT, token) : TULLE_E_REFUSED;
  if (answer.code < 0)
    strncpy(answer.text, why_not(answer.code), sizeof answer.text - 1);
  else
    answer.blob = (const uint8_t *)token, answer.blob_size = strlen(token);
  (void)send_on(link, &answer); /* lost: asked again */
  explicit_bzero(token, sizeof token);
}

/* Who asks does not look at the token: whoever joins with it does. */
void tl_invite_take_answer(struct tl_invite *i, const struct tl_link *link,
                           const struct tl_mesh_message *m) {
  unsigned char result[512];
  struct tulle_pack w = tulle_pack_on(result, sizeof result);
  if (!i->pending || i->asked != link || m->generation != i->number) return; /* too late */
  bool is_good = m->code == 0 && m->blob_size && m->blob_size < TL_TOKEN_TEXT_SIZE;
  if (is_good)
    tl_pending_answer(take_pending(i), 0, result,
                      pack_result(&w, (const char *)m->blob, m->blob_size, i->life_ns));
  else
    tl_pending_answer(take_pending(i), m->code < 0 ? m->code : TULLE_E_PROTOCOL, m->text,
                      strlen(m->text));
  explicit_bzero(result, sizeof result);
}

void tl_invite_link_gone(struct tl_invite *i, const struct tl_link *link) {
  if (i->pending && i->asked == link)
    tl_pending_answer(take_pending(i), TULLE_E_OUTCOME_UNKNOWN, NULL, 0);
}
