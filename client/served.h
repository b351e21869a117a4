/*
 * A call that is being served, from the ring to its answer.
 *
 * It is copied to private memory and checked before anything looks at it. Every call that is not
 * one-way gets exactly one answer. Answers never wait: what does not fit into the ring is queued,
 * and a channel with a queued answer gives no further call, so a client that takes no replies keeps
 * one of ours waiting and nobody else.
 *
 * A handler that has been told that nobody waits any more may undo its work. So from then on its
 * caller can only be told the same, never success.
 */
#ifndef TL_CLIENT_SERVED_H
#define TL_CLIENT_SERVED_H

#include "client/channel.h"
#include "tulle/memory.h"
#include "tulle/service.h"

#define TL_SERVED_INLINE_BYTES 384
#define TL_SERVED_MEMORY_BYTES 512

struct tulle_call_context {
  struct tulle_channel *channel;
  const struct tl_procedure *procedure;
  struct tl_list link; /* the loop's spare ones, the channel's intake, or its open calls */
  uint64_t id;
  uint16_t delivery; /* bits of TL_KIND_LOOSE: the answer travels as the call did */
  uint64_t taken_at; /* off the ring, by the coarse clock */
  uint64_t deadline; /* not after the caller's */
  uint64_t late_at;  /* not before the caller's */
  const uint8_t *args;
  size_t args_size;
  uint8_t *bytes; /* the message: inline, or memory of its own */
  size_t size;
  int refusal; /* what it is answered with instead of being run, or 0 */
  int verdict; /* atomic: DEADLINE or CANCELLED once the handler knows that nobody waits, else 0 */
  bool is_one_way;
  bool is_cancelled;          /* atomic */
  bool is_replied;            /* under the channel's lock */
  bool is_later;              /* so is this: the handler has returned, the answer comes later */
  bool is_listed;             /* and this: among the channel's open calls */
  struct tulle_memory memory; /* the handler's, cleared when the call is over */
  uint8_t inline_bytes[TL_SERVED_INLINE_BYTES];
  uint8_t memory_bytes[TL_SERVED_MEMORY_BYTES];
};

/*
 * (leader) The next call to run, published as begun. TL_EMPTY; TL_MORE (others first); TL_FULL: none
 * before its answers have left; TL_END: the channel is over and gives no more.
 */
int tl_served_take(struct tulle_channel *c, struct tulle_call_context **out);

/* (leader) It will run while another thread leads. */
void tl_served_share(struct tulle_call_context *call);

/* Runs the handler and sees to the answer. */
void tl_served_run(struct tulle_call_context *call, bool is_shared);

/* (leader) Forgets calls that were taken ahead. */
void tl_served_forget_intake(struct tulle_channel *c);

/* (leader) Frees the spare ones. */
void tl_served_free_spares(struct tl_loop *l);

#endif
