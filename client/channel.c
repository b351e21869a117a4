#include "client/channel.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- life ---- */

void tl_identity_of(const struct tl_party *party, struct tulle_identity *out) {
  *out = (struct tulle_identity){.incarnation = party->incarnation,
                                 .client = party->client,
                                 .uid = party->uid,
                                 .gid = party->gid,
                                 .pid = party->pid,
                                 .roles = party->roles,
                                 .is_local = party->local};
  memcpy(out->node, party->node, sizeof out->node);
  memcpy(out->node_name, party->node_name, sizeof party->node_name);
  memcpy(out->program, party->program, sizeof party->program);
}

static void init_lists(struct tulle_channel *c) {
  tl_list_init(&c->out);
  tl_list_init(&c->areas);
  tl_list_init(&c->waiters);
  tl_list_init(&c->ended);
  tl_list_init(&c->intake);
  tl_list_init(&c->open);
  tl_list_init(&c->member_link);
  tl_list_init(&c->ready_link);
  tl_list_init(&c->attention_link);
  tl_list_init(&c->all_link);
}

int tl_channel_new(struct tulle *t, const struct tl_control *m, const struct tl_segment *own,
                   const struct tl_segment *peer, int fd_in, int fd_out,
                   struct tulle_channel **out) {
  size_t align = _Alignof(struct tulle_channel);
  struct tulle_channel *c = aligned_alloc(align, (sizeof *c + align - 1) / align * align);
  if (!c) {
    struct tl_segment segments[2] = {*own, *peer};
    tl_segment_unmap(&segments[0]);
    tl_segment_unmap(&segments[1]);
    close(fd_in);
    close(fd_out);
    return TULLE_E_NO_MEMORY;
  }
  memset(c, 0, sizeof *c);
  tl_channel_init(&c->ring, own, peer, fd_in, fd_out, TL_MESSAGE_BYTES_MAX);
  tl_channel_set_parking(&c->ring, &t->parking);
  c->process = t->process;
  c->t = t;
  c->number = m->channel;
  c->role = m->role;
  c->line = t->line.number;
  c->holders = 1;
  c->next_id = 1;
  c->async_deadline = TL_NEVER;
  tl_identity_of(&m->party, &c->peer);
  init_lists(c);
  tl_pendings_init(&c->pendings);
  c->node = t->stay.node;
  if (c->node) tl_channel_hold(c->node);
  c->events = &(c->node ? c->node : c)->ring.peer.page->events;
  tl_lock_take(&t->list_lock);
  tl_list_push_back(&t->channels, &c->all_link);
  tl_lock_give(&t->list_lock);
  *out = c;
  return 0;
}

static void say_close(struct tulle_channel *c) {
  if (c->is_close_said || !c->t || !c->number) return;
  c->is_close_said = true;
  struct tl_control m = {.type = TL_CONTROL_CLOSE, .channel = c->number};
  tl_line_say(&c->t->line, c->line, &m);
}

static void free_out(struct tl_out *o) {
  if (o->is_owned) free(o);
}

void tl_channel_destroy(struct tulle_channel *c) {
  if (c->t) {
    tl_lock_take(&c->t->list_lock);
    tl_list_remove(&c->all_link);
    tl_lock_give(&c->t->list_lock);
  }
  for (struct tl_list *l; (l = tl_list_pop_front(&c->out));)
    free_out(tl_container_of(l, struct tl_out, link));
  for (struct tl_list *l; (l = tl_list_pop_front(&c->areas));) {
    struct tl_area *a = tl_container_of(l, struct tl_area, link);
    tl_segment_unmap(&a->segment);
    free(a);
  }
  tl_segment_unmap(&c->next_area);
  tl_channel_deinit(&c->ring);
  say_close(c); /* only now the memory is the node's again */
  tl_pendings_deinit(&c->pendings);
  if (c->node) tl_channel_drop(c->node);
  free(c);
}

void tl_channel_hold(struct tulle_channel *c) {
  tl_lock_take(&c->lock);
  c->holders++;
  tl_lock_give(&c->lock);
}

void tl_channel_drop(struct tulle_channel *c) {
  tl_lock_take(&c->lock);
  c->holders--;
  tl_channel_give(c);
}

/* ---- ending ---- */

void tl_channel_end(struct tulle_channel *c, const struct tl_ending *end) {
  if (c->end.code) return;
  c->end.begun = end->begun;
  c->end.is_final = end->is_final;
  c->end.is_own = end->is_own;
  __atomic_store_n(&c->end.code, end->code, __ATOMIC_RELEASE);
  /* A thread that waits for its call sees it; all else is the loop's. */
  if (c->role == TL_ROLE_SERVER || c->is_member || c->async_count)
    tl_channel_attend(c);
  else if (c->t)
    tl_alert_raise(&c->t->alert);
}

void tl_channel_fail(struct tulle_channel *c, int code) {
  tl_channel_end(c, &(struct tl_ending){.code = code, .begun = UINT64_MAX});
  say_close(c);
}

void tl_channel_close_own(struct tulle_channel *c) {
  tl_channel_end(c,
                 &(struct tl_ending){.code = TULLE_E_CLOSED, .begun = UINT64_MAX, .is_own = true});
  say_close(c);
}

int tl_channel_lost_code(const struct tulle_channel *c) {
  int code = tl_channel_end_code(c);
  if (c->end.is_own) return TULLE_E_CLOSED;
  return code >= 0 || code == TULLE_E_CLOSED || code == TULLE_E_OUTCOME_UNKNOWN ? TULLE_E_PEER_GONE
                                                                                : code;
}

int tl_channel_outcome(const struct tulle_channel *c, const struct tulle_pending *p) {
  if (c->end.is_own) return TULLE_E_CANCELLED;
  if (c->end.code == TULLE_E_PROTOCOL) return TULLE_E_PROTOCOL;
  if (p->out) return tl_channel_lost_code(c); /* the peer has not got all of it */
  if (!c->end.is_final) return TULLE_E_OUTCOME_UNKNOWN;
  bool has_begun =
      c->end.begun == UINT64_MAX ? tl_channel_has_begun(&c->ring, p->id) : p->id < c->end.begun;
  return has_begun ? TULLE_E_OUTCOME_UNKNOWN : tl_channel_lost_code(c);
}

/* ---- sending ---- */

static void ask_to_grow(struct tulle_channel *c) {
  uint32_t bytes = tl_channel_wanted_bytes(&c->ring);
  if (!bytes || c->is_growing || !c->t) return;
  c->is_growing = true;
  struct tl_control m = {.type = TL_CONTROL_GROW, .channel = c->number, .bytes = bytes};
  tl_line_say(&c->t->line, c->line, &m);
}

static void move_to_next_area(struct tulle_channel *c) {
  int r = tl_channel_switch(&c->ring, &c->next_area, c->next_number);
  if (r < 0 && r != TULLE_E_BUSY) tl_channel_fail(c, TULLE_E_PROTOCOL);
  if (r) return;
  c->next_area = (struct tl_segment){0};
  c->is_growing = false;
}

int tl_channel_find_room(struct tulle_channel *c, uint32_t length, void **out_body) {
  if (c->out_count || c->next_area.data) tl_channel_pump(c);
  if (c->out_count) return TL_FULL;
  int r = tl_channel_reserve(&c->ring, length, out_body);
  if (r == TULLE_E_PROTOCOL) tl_channel_fail(c, TULLE_E_PROTOCOL);
  if (r == TL_FULL) ask_to_grow(c);
  return r == TULLE_E_TOO_BIG || r == TULLE_E_BUSY ? TL_FULL : r;
}

/* All of it is in the ring, or never will be. */
static void out_is_over(struct tulle_channel *c, struct tl_out *o) {
  tl_list_remove(&o->link);
  __atomic_store_n(&c->out_count, c->out_count - 1, __ATOMIC_RELEASE);
  free_out(o);
  /* It gives calls again, which the loop may not know if this is another thread. */
  if (c->role == TL_ROLE_SERVER && !c->out_count) tl_channel_attend(c);
}

static void out_is_sent(struct tulle_channel *c, struct tl_out *o) {
  struct tulle_pending *p = o->pending;
  out_is_over(c, o);
  if (!p) return;
  p->out = NULL;
  if (p->is_one_way) {
    tl_pendings_remove(&c->pendings, p);
    tl_pending_finish(p, 0);
  }
}

void tl_channel_pump(struct tulle_channel *c) {
  if (c->next_area.data) move_to_next_area(c);
  while (c->out_count && !c->end.code) {
    struct tl_out *o = tl_container_of(c->out.next, struct tl_out, link);
    int r = tl_channel_push(&c->ring, &o->send);
    if (r == TL_FULL) {
      ask_to_grow(c);
      return;
    }
    if (r < 0) {
      tl_channel_fail(c, TULLE_E_PROTOCOL);
      return;
    }
    tl_channel_publish(&c->ring);
    out_is_sent(c, o);
  }
}

void tl_channel_queue(struct tulle_channel *c, struct tl_out *o, uint16_t kind, size_t head_size,
                      const void *data, size_t size) {
  o->pieces[0] = (struct iovec){o->head, head_size};
  o->pieces[1] = (struct iovec){(void *)data, size};
  o->send = tl_send_init(kind, o->pieces, size ? 2 : 1);
  if (o->pending) o->pending->out = o;
  tl_list_push_back(&c->out, &o->link);
  __atomic_store_n(&c->out_count, c->out_count + 1, __ATOMIC_RELAXED);
  tl_channel_pump(c);
  /* Whoever waits on this channel has to wait for room as well. */
  if (c->out_count && c->driver != tl_thread_self()) tl_channel_attend(c);
}

int tl_channel_queue_copy(struct tulle_channel *c, uint16_t kind, const void *head,
                          size_t head_size, const void *data, size_t size,
                          struct tulle_pending *pending) {
  struct tl_out *o = malloc(sizeof *o + size);
  if (!o) return TULLE_E_NO_MEMORY;
  *o = (struct tl_out){.pending = pending, .is_owned = true};
  memcpy(o->head, head, head_size);
  if (size) memcpy(o + 1, data, size);
  tl_channel_queue(c, o, kind, head_size, o + 1, size);
  return 0;
}

void tl_channel_unqueue(struct tulle_channel *c, struct tl_out *o) {
  tl_channel_abort(&c->ring, &o->send);
  if (o->pending) o->pending->out = NULL;
  out_is_over(c, o);
  tl_channel_pump(c);
}

uint32_t tl_channel_room_wanted(struct tulle_channel *c) {
  if (!c->out_count) return c->room_wanted;
  struct tl_out *first = tl_container_of(c->out.next, struct tl_out, link);
  return tl_channel_send_room(&c->ring, &first->send);
}

/* ---- receiving ---- */

static struct tl_area *find_area(struct tulle_channel *c, uint32_t number) {
  TL_LIST_FOR_EACH(l, &c->areas) {
    struct tl_area *a = tl_container_of(l, struct tl_area, link);
    if (a->number == number) return a;
  }
  return NULL;
}

static int go_on_in_area(struct tulle_channel *c) {
  uint32_t number = tl_channel_switch_asked(&c->ring).number;
  tl_lock_take(&c->lock);
  struct tl_area *a = find_area(c, number);
  int r = a ? tl_channel_attach(&c->ring, &a->segment, number) : TULLE_E_PROTOCOL;
  if (!r) {
    tl_list_remove(&a->link);
    free(a);
  }
  tl_lock_give(&c->lock);
  return r;
}

int tl_channel_next_slow(struct tulle_channel *c, struct tl_message *out) {
  for (;;) {
    int r = tl_channel_peek(&c->ring, out);
    if (r == TL_RING_SWITCH)
      r = go_on_in_area(c);
    else if (r >= 0)
      return r;
    if (!r) continue;
    tl_lock_take(&c->lock);
    tl_channel_fail(c, r == TULLE_E_NO_MEMORY ? r : TULLE_E_PROTOCOL);
    tl_lock_give(&c->lock);
    return r;
  }
}

/* ---- waiting ---- */

struct tl_wait tl_channel_wait_of(struct tulle_channel *c) {
  struct tulle *t = c->t;
  return (struct tl_wait){
      .deadline = TL_NEVER,
      .events = c->events,
      .events_seen = __atomic_load_n(&t->stay.events_seen, __ATOMIC_ACQUIRE),
      .events_fd = __atomic_load_n(&t->line.fd, __ATOMIC_RELAXED),
      .cancel = &t->alert.cancel,
      .cancel_seen = tl_cancel_seen(&t->alert.cancel),
  };
}

void tl_channel_unattend(struct tulle_channel *c) {
  if (!c->t || !c->is_attending || !tl_alert_unattend(&c->t->alert, &c->attention_link)) return;
  c->is_attending = false;
  c->holders--;
}

void tl_channel_attend(struct tulle_channel *c) {
  if (!c->t) return;
  if (!c->is_attending) {
    c->is_attending = true;
    c->holders++;
    tl_alert_attend(&c->t->alert, &c->attention_link);
  }
  tl_alert_raise(&c->t->alert);
}
