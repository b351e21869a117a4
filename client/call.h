/*
 * Making calls: what every call begins with, and those that nobody waits for.
 *
 * Whether a thread waits (drive.h) or a completion runs later, a call is prepared, sent under the
 * channel's lock, and stands among the channel's pending ones until it ends.
 */
#ifndef TL_CLIENT_CALL_H
#define TL_CLIENT_CALL_H

#include "client/channel.h"

/* The head of a call, but for its id. `timeout_ns` may not be longer than what the call that this
 * thread is handling has left. INVALID, TOO_BIG, FORKED, DEADLINE. */
int tl_call_prepare(const struct tulle_channel *c, const char *procedure, const void *args,
                    size_t args_size, uint64_t timeout_ns, struct tl_call_head *out);

static inline uint64_t tl_call_deadline(const struct tl_call_head *head) {
  return head->budget_ns == TL_NEVER ? TL_NEVER : tl_time_add(tl_time_now(), head->budget_ns);
}

/* (lock) Sends at once, or TL_FULL. What is sent as best effort does not wait: AGAIN. */
static inline int tl_call_send(struct tulle_channel *c, struct tl_call_head *head, const void *args,
                               size_t args_size) {
  void *body;
  uint32_t length = (uint32_t)(TL_CALL_HEAD_BYTES + head->name_size + args_size);
  int r = tl_channel_room(c, length, &body);
  if (r) return r == TL_FULL && c->delivery == TL_KIND_BEST_EFFORT ? TULLE_E_AGAIN : r;
  struct tl_writer w = tl_writer_on(body, length);
  head->id = c->next_id++;
  tl_call_encode(&w, head);
  if (args_size) memcpy(w.at, args, args_size);
  (void)tl_channel_commit(&c->ring, TL_KIND_CALL | c->delivery, length);
  tl_channel_show(c);
  return 0;
}

/* The head alone, for a call that is queued. Returns its size. */
size_t tl_call_encode_head(uint8_t out[TL_CALL_HEAD_BYTES_MAX], const struct tl_call_head *head);

/* (lock) The caller of `p`, which has been taken out of the table, gives it up: the server is told. */
void tl_call_give_up(struct tulle_channel *c, struct tulle_pending *p);

/* (lock) The completion of an asynchronous call has to run, on whichever thread drives next. */
void tl_call_push_ended(struct tulle_channel *c, struct tulle_pending *p, int status);

#endif
