#include "node/mesh/describe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/mesh/mesh.h"
#include "node/mesh/proxy.h"

/* One text on its way here, for one call that waits. */
struct tl_fetch {
  struct tl_list in_mesh;
  struct tl_mesh *mesh;
  struct tl_mesh_peer *peer;
  struct tl_pending *pending;
  struct tl_account *payer;
  struct tl_charge charge;
  uint64_t number;
  char service[TL_SERVICE_NAME_BYTES_MAX + 1];
  uint8_t fingerprint[TL_FINGERPRINT_BYTES]; /* of the offer, as it was when it began */
  bool is_open;                              /* for `open`, else for `describe` */
  struct tl_claim claim;                     /* of the opener; its text is owned */
  uint64_t from;                             /* what `describe` asks for */
  char *text;
  size_t size; /* of the whole; 0: not said yet */
  size_t got;
};

void tl_describe_init(struct tl_describe *d) {
  tl_list_init(&d->fetches);
}

void tl_describe_deinit(struct tl_describe *d) {
  TL_ASSERT(tl_list_is_empty(&d->fetches));
  for (size_t i = 0; i < TL_DESCRIBE_KEPT_MAX; i++) free(d->kept[i].text);
}

/* ---- what is kept ---- */

static const struct tl_kept_interface *kept_find(struct tl_describe *d,
                                                 const uint8_t fingerprint[TL_FINGERPRINT_BYTES]) {
  for (size_t i = 0; i < TL_DESCRIBE_KEPT_MAX; i++) {
    struct tl_kept_interface *k = &d->kept[i];
    if (!k->text || memcmp(k->fingerprint, fingerprint, sizeof k->fingerprint) != 0) continue;
    k->used = ++d->uses;
    return k;
  }
  return NULL;
}

/* The one longest unused; a free one counts as never used. */
static struct tl_kept_interface *kept_oldest(struct tl_describe *d, bool is_taken) {
  struct tl_kept_interface *oldest = NULL;
  for (size_t i = 0; i < TL_DESCRIBE_KEPT_MAX; i++) {
    struct tl_kept_interface *k = &d->kept[i];
    if (is_taken && !k->text) continue;
    if (!oldest || k->used < oldest->used) oldest = k;
  }
  return oldest;
}

static void kept_drop(struct tl_kept_interface *k) {
  free(k->text);
  *k = (struct tl_kept_interface){.text = NULL};
}

static size_t kept_bytes(const struct tl_describe *d) {
  size_t bytes = 0;
  for (size_t i = 0; i < TL_DESCRIBE_KEPT_MAX; i++) bytes += d->kept[i].size;
  return bytes;
}

/* Takes the text. */
static const struct tl_kept_interface *kept_add(struct tl_describe *d,
                                                const uint8_t fingerprint[TL_FINGERPRINT_BYTES],
                                                char *text, size_t size) {
  while (kept_bytes(d) + size > TL_DESCRIBE_KEPT_BYTES_MAX) kept_drop(kept_oldest(d, true));
  struct tl_kept_interface *k = kept_oldest(d, false);
  kept_drop(k);
  *k = (struct tl_kept_interface){.text = text, .size = size, .used = ++d->uses};
  memcpy(k->fingerprint, fingerprint, sizeof k->fingerprint);
  return k;
}

/* ---- a fetch ---- */

static struct tl_fetch *fetch_free(struct tl_fetch *f) {
  tl_list_remove(&f->in_mesh);
  tl_account_release(f->payer, &f->charge);
  free((char *)(uintptr_t)f->claim.text);
  free(f->text);
  free(f);
  return NULL;
}

static void fetch_fail(struct tl_fetch *f, int code, const char *text) {
  struct tl_pending *pending = f->pending;
  char copy[192]; /* the text may be the fetch's own */
  snprintf(copy, sizeof copy, "%s", text);
  fetch_free(f);
  tl_pending_answer(pending, code, copy, strlen(copy));
}

/* The caller does not wait any more. */
static void fetch_ended(struct tl_pending *pending, uint64_t now) {
  (void)now;
  fetch_free(pending->context);
}

static int fetch_ask(const struct tl_fetch *f) {
  struct tl_mesh_message m = {.type = TL_MESH_DESCRIBE, .generation = f->number, .from = f->got};
  memcpy(m.name, f->service, sizeof m.name);
  int r = tl_mesh_send(f->peer->link, f->peer->lane, TL_MESH_NODE, &m);
  return r == TL_FULL ? TULLE_E_AGAIN : r;
}

static size_t fetches_of(const struct tl_describe *d, const struct tl_mesh_peer *peer) {
  size_t count = 0;
  TL_LIST_FOR_EACH(l, &d->fetches)
  count += tl_container_of(l, struct tl_fetch, in_mesh)->peer == peer;
  return count;
}

static int copy_claim(const struct tl_claim *claim, struct tl_claim *out) {
  *out = *claim;
  out->text = NULL;
  if (!claim->text) return 0;
  char *text = malloc(claim->size + 1);
  if (!text) return TULLE_E_NO_MEMORY;
  memcpy(text, claim->text, claim->size);
  out->text = text;
  return 0;
}

/* Keeps the call and asks the peer; `claim`: of `open`, NULL: `describe`. As tl_procedure. */
static int fetch_begin(struct tl_mesh *mesh, struct tl_request *q, struct tl_offer *offer,
                       const struct tl_claim *claim, uint64_t from) {
  struct tl_mesh_peer *peer = tl_container_of(offer->place, struct tl_mesh_peer, place);
  struct tl_charge charge = {
      {[TL_RESOURCE_MEMORY] = TL_INTERFACE_BYTES_MAX + (claim ? claim->size : 0)}};
  if (fetches_of(&mesh->describe, peer) >= TL_DESCRIBE_FETCHES_MAX)
    return tl_request_refuse(q, TULLE_E_AGAIN, "'%s' is being asked for other interfaces",
                             peer->place.node_name);
  int r = tl_account_charge(q->program->account, &charge);
  if (r < 0) return r;
  struct tl_fetch *f = calloc(1, sizeof *f);
  if (!f) {
    tl_account_release(q->program->account, &charge);
    return TULLE_E_NO_MEMORY;
  }
  f->mesh = mesh, f->peer = peer, f->payer = q->program->account, f->charge = charge;
  f->number = ++mesh->describe.number;
  f->is_open = claim, f->from = from;
  memcpy(f->service, offer->name->text, sizeof f->service);
  memcpy(f->fingerprint, offer->fingerprint, sizeof f->fingerprint);
  tl_list_push_back(&mesh->describe.fetches, &f->in_mesh);
  if (claim) r = copy_claim(claim, &f->claim);
  if (r == 0) r = tl_pending_new(q, fetch_ended, &f->pending);
  if (r < 0) {
    fetch_free(f);
    return r;
  }
  f->pending->context = f;
  r = fetch_ask(f);
  if (r < 0) fetch_fail(f, r, tulle_error_text(r));
  return TL_LATER;
}

/* ---- having it ---- */

static void answer_describe(struct tl_pending *pending, const struct tl_offer *offer,
                            const struct tl_kept_interface *k, uint64_t from) {
  static uint8_t bytes[TL_SERVICE_REPLY_BYTES_MAX - TL_REPLY_HEAD_BYTES];
  struct tulle_pack w = tulle_pack_on(bytes, sizeof bytes);
  tl_interface_pack(&w, offer, k->text, k->size, from);
  tl_pending_answer(pending, 0, bytes, tulle_pack_size(&w));
}

static struct tl_offer *offer_of(const struct tl_fetch *f) {
  struct tl_offer *offer =
      tl_registry_find_at(&f->mesh->config.node->registry, f->service, &f->peer->place);
  bool is_it = offer && offer->has_interface &&
               memcmp(offer->fingerprint, f->fingerprint, sizeof f->fingerprint) == 0;
  return is_it ? offer : NULL;
}

static void finish_open(struct tl_fetch *f, struct tl_offer *offer,
                        const struct tl_kept_interface *k) {
  struct tl_pending *pending = f->pending;
  struct tl_mesh_peer *peer = f->peer;
  char why[TL_SERVICE_TEXT_BYTES] = "";
  int r = tl_interface_judge(offer, &f->claim, k->text, k->size, why, sizeof why);
  fetch_free(f);
  if (r < 0)
    tl_pending_answer(pending, r, why, strlen(why));
  else
    tl_proxy_go_on(pending, peer, offer->name->text, offer->fingerprint);
}

/* It is whole. */
static void fetch_finish(struct tl_fetch *f) {
  struct tl_claim said = {.has_fingerprint = true, .text = f->text, .size = f->size};
  struct tl_offer *offer = offer_of(f);
  char why[TL_SERVICE_TEXT_BYTES] = "", *text;
  size_t size;
  memcpy(said.fingerprint, f->fingerprint, sizeof said.fingerprint);
  if (!offer) {
    fetch_fail(f, TULLE_E_AGAIN, "the service has changed meanwhile");
    return;
  }
  int r = tl_interface_read(&said, &text, &size, why, sizeof why);
  if (r < 0) {
    fetch_fail(f, r == TULLE_E_INVALID ? TULLE_E_BAD_MESSAGE : r,
               "its node tells an interface that has not its fingerprint");
    return;
  }
  const struct tl_kept_interface *k = kept_add(&f->mesh->describe, f->fingerprint, text, size);
  struct tl_pending *pending = f->pending;
  uint64_t from = f->from;
  if (f->is_open) {
    finish_open(f, offer, k);
    return;
  }
  fetch_free(f);
  answer_describe(pending, offer, k, from);
}

/* ---- asked by programs ---- */

int tl_describe_procedure(struct tl_mesh *mesh, struct tl_request *q, struct tl_offer *offer,
                          uint64_t from) {
  const struct tl_kept_interface *k = kept_find(&mesh->describe, offer->fingerprint);
  if (!k) return fetch_begin(mesh, q, offer, NULL, from);
  tl_interface_pack(&q->result, offer, k->text, k->size, from);
  return 0;
}

int tl_describe_open(struct tl_mesh *mesh, struct tl_request *q, struct tl_offer *offer,
                     const struct tl_claim *claim) {
  const struct tl_kept_interface *k = kept_find(&mesh->describe, offer->fingerprint);
  if (claim->text && !k) return fetch_begin(mesh, q, offer, claim, 0);
  int r = tl_interface_judge(offer, claim, k ? k->text : NULL, k ? k->size : 0, q->text,
                             sizeof q->text);
  if (r < 0) return r;
  return tl_proxy_open(q, tl_container_of(offer->place, struct tl_mesh_peer, place),
                       offer->name->text, offer->fingerprint);
}

/* ---- between nodes ---- */

void tl_describe_take_request(struct tl_mesh_peer *peer, const struct tl_mesh_message *m) {
  struct tl_registry *registry = &peer->mesh->config.node->registry;
  const struct tl_offer *offer = tl_registry_find_at(registry, m->name, &registry->here);
  struct tl_mesh_message answer = {.type = TL_MESH_DESCRIPTION,
                                   .generation = m->generation,
                                   .from = m->from,
                                   .blob = (const uint8_t *)""};
  if (!offer || !offer->interface || m->from >= offer->interface_size) {
    answer.code = offer ? TULLE_E_NOT_FOUND : TULLE_E_NO_SERVICE;
  } else {
    size_t left = offer->interface_size - (size_t)m->from;
    answer.size = offer->interface_size;
    answer.blob = (const uint8_t *)offer->interface + m->from;
    answer.blob_size = left < TL_MESH_PIECE_BYTES_MAX ? left : TL_MESH_PIECE_BYTES_MAX;
  }
  (void)tl_mesh_send(peer->link, peer->lane, TL_MESH_NODE,
                     &answer); /* lost: its caller's deadline */
}

/* A piece that goes on where the last one ended. */
static int take_piece(struct tl_fetch *f, const struct tl_mesh_message *m) {
  if (!f->text) {
    if (!m->size || m->size > TL_INTERFACE_BYTES_MAX) return TULLE_E_BAD_MESSAGE;
    f->text = malloc((size_t)m->size);
    if (!f->text) return TULLE_E_NO_MEMORY;
    f->size = (size_t)m->size;
  }
  if (m->size != f->size || m->from != f->got || !m->blob_size || m->blob_size > f->size - f->got)
    return TULLE_E_BAD_MESSAGE;
  memcpy(f->text + f->got, m->blob, m->blob_size);
  f->got += m->blob_size;
  return 0;
}

static struct tl_fetch *fetch_find(const struct tl_mesh_peer *peer, uint64_t number) {
  TL_LIST_FOR_EACH(l, &peer->mesh->describe.fetches) {
    struct tl_fetch *f = tl_container_of(l, struct tl_fetch, in_mesh);
    if (f->peer == peer && f->number == number) return f;
  }
  return NULL;
}

void tl_describe_take_answer(struct tl_mesh_peer *peer, const struct tl_mesh_message *m) {
  struct tl_fetch *f = fetch_find(peer, m->generation);
  if (!f) return; /* too late */
  int r = m->code < 0 ? m->code : take_piece(f, m);
  if (r == 0 && f->got == f->size) {
    fetch_finish(f);
    return;
  }
  if (r == 0) r = fetch_ask(f);
  if (r < 0) fetch_fail(f, r, m->code < 0 && m->text[0] ? m->text : tulle_error_text(r));
}

void tl_describe_peer_gone(struct tl_mesh_peer *peer) {
  TL_LIST_FOR_EACH(l, &peer->mesh->describe.fetches) {
    struct tl_fetch *f = tl_container_of(l, struct tl_fetch, in_mesh);
    if (f->peer == peer) fetch_fail(f, TULLE_E_PEER_GONE, "its node is gone");
  }
}
