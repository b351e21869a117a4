#include "node/state/router.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/state/node.h"
#include "node/state/service.h"
#include "transport/ring/layout.h"

#define PARTY_BYTES (TL_RING_PAGE_BYTES + TL_RING_BYTES_MIN)

/* All areas that one writer was ever given for a channel: doubling from the smallest to the largest fits. Old
 * ones stay charged, because nobody can see whether the writer really has let go of them. */
#define GROWTH_BYTES_MAX (UINT64_C(2) * TL_RING_BYTES_MAX)

/* A program's segment, and two descriptors until they are handed over. */
static const struct tl_charge introduced_end = {
    {[TL_RESOURCE_MEMORY] = PARTY_BYTES, [TL_RESOURCE_OBJECTS] = 1}};
static const struct tl_charge introduction = {{[TL_RESOURCE_DESCRIPTORS] = 2}};

/* The node's segment as well, and two eventfds for as long as it lasts. */
static const struct tl_charge connected_end = {{[TL_RESOURCE_MEMORY] = 2 * PARTY_BYTES,
                                                [TL_RESOURCE_DESCRIPTORS] = 2,
                                                [TL_RESOURCE_OBJECTS] = 1}};

struct tl_end *tl_program_end(const struct tl_program *program, uint32_t number) {
  return tl_table_find(&program->ends, &number, sizeof number);
}

/* ---- making ---- */

static int end_new(struct tl_program *program, enum tl_channel_role role, const char *service,
                   const struct tl_party *other, struct tl_account *payer,
                   const struct tl_charge *charge, struct tl_end **out_end) {
  if (program->next_channel == UINT32_MAX) return TULLE_E_LIMIT;
  int r = tl_account_charge(payer, charge);
  if (r < 0) return r;
  struct tl_end *e = calloc(1, sizeof *e);
  r = TULLE_E_NO_MEMORY;
  if (!e) goto no_end;
  e->program = program;
  e->number = program->next_channel;
  e->role = role;
  e->other = *other;
  e->payer = payer;
  e->charge = *charge;
  snprintf(e->service, sizeof e->service, "%s", service);
  tl_list_init(&e->in_offer);
  r = tl_table_insert(&program->ends, &e->number, sizeof e->number, e);
  if (r < 0) goto no_place;
  program->next_channel++;
  program->node->end_count++;
  *out_end = e;
  return 0;

no_place:
  free(e);
no_end:
  tl_account_release(payer, charge);
  return r;
}

static void end_release(struct tl_end *e, const struct tl_charge *charge) {
  tl_account_release(e->payer, charge);
  for (int i = 0; i < TL_RESOURCES; i++) e->charge.amount[i] -= charge->amount[i];
}

/* What `e` held is held by its peer now: its program still has the memory. */
static void end_bequeath(struct tl_end *e, struct tl_end *heir) {
  struct tl_account *account = heir->program->account;
  tl_account_move(heir->payer, account, &heir->charge);
  heir->payer = account;
  tl_account_move(e->payer, account, &e->charge);
  tl_account_move(e->program->account, account, &e->growth);
  tl_charge_add(&heir->charge, &e->charge);
  tl_charge_add(&heir->charge, &e->growth);
}

/* The far side is gone, and what it paid for is its program's now. */
static void end_inherit(struct tl_end *e) {
  struct tl_account *account = e->program->account;
  if (e->payer == account) return;
  tl_account_move(e->payer, account, &e->charge);
  e->payer = account;
}

/* Nobody is told. */
static void end_free(struct tl_end *e) {
  if (e->peer) {
    end_bequeath(e, e->peer);
    e->peer->peer = NULL;
  } else {
    tl_account_release(e->payer, &e->charge);
    tl_account_release(e->program->account, &e->growth);
  }
  if (e->seat) e->program->ops->forget(e);
  tl_list_remove(&e->in_offer);
  tl_table_remove(&e->program->ends, &e->number, sizeof e->number);
  e->program->node->end_count--;
  free(e);
}

int tl_end_connect(struct tl_program *program, enum tl_channel_role role, const char *service,
                   const struct tl_party *other, struct tl_account *payer,
                   const struct tl_far_ops *far, void *far_context, struct tl_end **out_end) {
  struct tl_end *e;
  int r = end_new(program, role, service, other, payer, &connected_end, &e);
  if (r < 0) return r;
  e->far = far;
  e->far_context = far_context;
  r = program->ops->connect(e);
  if (r < 0) {
    end_free(e);
    return r;
  }
  *out_end = e;
  return 0;
}

int tl_end_admit(struct tl_offer *offer, const struct tl_party *caller, struct tl_account *payer,
                 const struct tl_far_ops *far, void *far_context, struct tl_end **out_end) {
  struct tl_end *e;
  int r = tl_end_connect(offer->program, TL_ROLE_SERVER, offer->name->text, caller, payer, far,
                         far_context, &e);
  if (r < 0) return r;
  tl_list_push_back(&offer->ends, &e->in_offer);
  *out_end = e;
  return 0;
}

int tl_end_introduce(struct tl_program *client, struct tl_offer *offer, struct tl_end **out_end) {
  struct tl_end *a, *b;
  struct tl_charge charge = introduced_end;
  const char *name = offer->name->text;
  tl_charge_add(&charge, &introduction);
  int r =
      end_new(client, TL_ROLE_CLIENT, name, &offer->program->party, client->account, &charge, &a);
  if (r < 0) return r;
  r = end_new(offer->program, TL_ROLE_SERVER, name, &client->party, client->account, &charge, &b);
  if (r < 0) goto no_server;
  r = client->ops->introduce(a, b);
  if (r < 0) goto no_introduction;
  a->peer = b;
  b->peer = a;
  tl_list_push_back(&offer->ends, &b->in_offer);
  *out_end = a;
  return 0;

no_introduction:
  end_free(b);
no_server:
  end_free(a);
  return r;
}

/* ---- what becomes of it ---- */

static void end_open(struct tl_end *e, uint64_t now) {
  e->state = TL_END_OPEN;
  if (e->far)
    e->far->introduced(e, now);
  else
    end_release(e, &introduction);
}

void tl_node_introduced(struct tl_end *end, uint64_t now) {
  struct tl_end *peer = end->peer;
  if (end->state != TL_END_OPENING) return;
  end_open(end, now);
  if (peer) end_open(peer, now);
  if (end->open) tl_service_opened(end, now, 0);
}

/* Tells the program. */
static void end_shut(struct tl_end *e, uint64_t now, int code, uint64_t begun) {
  if (e->state == TL_END_CLOSED) return;
  if (e->state == TL_END_OPENING && !e->far) end_release(e, &introduction);
  e->state = TL_END_CLOSED;
  if (e->far) end_inherit(e);
  e->far = NULL;
  tl_list_remove(&e->in_offer);
  if (e->open) tl_service_opened(e, now, code);
  e->program->ops->close(e, code, begun);
}

void tl_end_close(struct tl_end *end, uint64_t now, int code, uint64_t begun) {
  struct tl_end *peer = end->peer;
  end_shut(end, now, code, begun);
  if (peer) end_shut(peer, now, code, begun);
}

void tl_end_gone(struct tl_end *end, uint64_t now) {
  const struct tl_far_ops *far = end->far;
  struct tl_end *peer = end->peer;
  if (end->open) tl_service_opened(end, now, TULLE_E_CANCELLED);
  if (far && end->state != TL_END_CLOSED) far->closed(end, now, end->program->ops->begun(end));
  if (peer) end_shut(peer, now, TULLE_E_PEER_GONE, UINT64_MAX);
  end_free(end);
}

void tl_end_resume(struct tl_end *end) {
  if (!end->is_paused) return;
  end->is_paused = false;
  if (end->state == TL_END_OPEN) end->program->ops->resume(end);
}

int tl_end_charge_growth(struct tl_end *end, uint64_t bytes) {
  struct tl_charge charge = {{[TL_RESOURCE_MEMORY] = bytes}};
  if (bytes > GROWTH_BYTES_MAX || end->growth.amount[TL_RESOURCE_MEMORY] > GROWTH_BYTES_MAX - bytes)
    return TULLE_E_LIMIT;
  int r = tl_account_charge(end->program->account, &charge);
  if (r == 0) tl_charge_add(&end->growth, &charge);
  return r;
}
