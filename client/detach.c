/* Detaching: everything ends, in the order in which one thing may still use another. */
#include "client/attach.h"
#include "client/drive.h"
#include "client/loop.h"
#include "client/service.h"
#include "client/stay.h"

static void close_stay(struct tulle *t) {
  tl_lock_take(&t->lock);
  tl_stay_close(t, TULLE_E_CLOSED);
  tl_lock_give(&t->lock);
}

static struct tulle_channel *next_to_end(struct tulle *t) {
  TL_LIST_FOR_EACH(l, &t->channels) {
    struct tulle_channel *c = tl_container_of(l, struct tulle_channel, all_link);
    if (c->role == TL_ROLE_CLIENT && !c->is_left) return c;
  }
  return NULL;
}

/* Completions run here, and may close other channels: so from the start after each. */
static void end_channels(struct tulle *t) {
  for (struct tulle_channel *c; (c = next_to_end(t));) {
    c->is_left = true;
    tl_drive_close(c);
  }
  tl_loop_leave_all(t);
  close_stay(t);
  tl_loop_leave_all(t);
}

/* Programs' handles go; what is left belongs to calls that will be answered later. */
static void let_go_of_channels(struct tulle *t) {
  for (struct tl_list *l; (l = tl_list_pop_front(&t->channels));) {
    struct tulle_channel *c = tl_container_of(l, struct tulle_channel, all_link);
    tl_lock_take(&c->lock);
    c->t = NULL;
    c->holders -= c->claims;
    tl_channel_give(c);
  }
}

struct tulle *tulle_detach(struct tulle *t) {
  if (!t || tl_process_is_other(t->process)) return NULL;
  end_channels(t);
  let_go_of_channels(t);
  TL_LIST_FOR_EACH(l, &t->services) tl_service_free(tl_container_of(l, struct tulle_service, link));
  tl_attachment_free(t);
  return NULL;
}
