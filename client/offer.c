/* Offering services and withdrawing them. */
#include <stdlib.h>
#include <string.h>

#include "client/attach.h"
#include "client/loop.h"
#include "client/node.h"
#include "client/service.h"

static int register_now(struct tulle *t, const struct tulle_service *s) {
  size_t size;
  uint8_t *bytes = tl_service_encode_registration(s, &size);
  if (!bytes) return TULLE_E_NO_MEMORY;
  uint64_t deadline = tl_time_add(tl_time_now(), TULLE_TIMEOUT_DEFAULT);
  int r = tl_node_call(t, "register", bytes, size, deadline, NULL);
  free(bytes);
  return r;
}

/* So that channels find it from the moment that the node knows it. */
static int service_enter(struct tulle *t, struct tulle_service *s) {
  bool is_nodes = strcmp(s->info.name, "node") == 0; /* that name leads to the node itself */
  tl_lock_take(&t->lock);
  int r = is_nodes || tl_service_of_name(t, s->info.name) ? TULLE_E_EXISTS : 0;
  if (!r) tl_list_push_back(&t->services, &s->link);
  tl_lock_give(&t->lock);
  return r;
}

static void service_leave(struct tulle *t, struct tulle_service *s) {
  tl_lock_take(&t->lock);
  tl_list_remove(&s->link);
  tl_lock_give(&t->lock);
}

/* No call of it runs when this returns, and none will. */
static void end_calls(struct tulle *t, struct tulle_service *s) {
  bool is_leader = tl_lead_is_mine(&t->lead);
  if (!is_leader) tl_lead_take_soon(&t->lead, &t->alert);
  tl_loop_end_service(t, s);
  if (!is_leader) tl_lead_give(&t->lead);
  tl_service_wait_for_handlers(s);
}

int tl_offer(struct tulle *t, const struct tulle_offer *offer, void *object,
             struct tulle_service **out) {
  struct tulle_service *s;
  if (!offer || !offer->name) return TULLE_E_INVALID;
  int r = tl_attachment_of(t, &t);
  if (!r) r = tl_service_new(t, offer, &s);
  if (r) return r;
  s->object = object;
  r = service_enter(t, s);
  if (!r) {
    r = register_now(t, s);
    if (r) {
      service_leave(t, s);
      end_calls(t, s);
    }
  }
  if (r) {
    tl_service_free(s);
    return r;
  }
  tl_lock_take(&t->lock);
  s->registration = TL_REGISTER_DONE;
  tl_lock_give(&t->lock);
  if (out) *out = s;
  return 0;
}

int tulle_offer(struct tulle *t, const struct tulle_offer *offer, struct tulle_service **out) {
  return tl_offer(t, offer, NULL, out);
}

struct tulle_service *tulle_withdraw(struct tulle_service *s) {
  if (!s || tl_process_is_other(s->process)) return NULL;
  struct tulle *t = s->t;
  uint8_t bytes[TL_SERVICE_NAME_BYTES_MAX + 16];
  struct tulle_pack w = tulle_pack_on(bytes, sizeof bytes);
  tulle_pack_map(&w, 1);
  tulle_pack_text(&w, "service");
  tulle_pack_text(&w, s->info.name);
  service_leave(t, s);
  (void)tl_node_call_now(t, "unregister", bytes, tulle_pack_size(&w));
  end_calls(t, s);
  return tl_service_free(s);
}
