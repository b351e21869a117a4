/*
 * The loop: one thread at a time, the leader (lead.h), looks after all channels of an attachment that have
 * something for it: calls to serve, replies to asynchronous calls, queued messages, ends.
 *
 * tulle_serve() leads until it is stopped, and passes the lead on before it runs a handler when it
 * has several threads; tulle_dispatch() leads for one turn.
 *
 * Members are the channels the loop looks after. The ready ones may have something now; each gives
 * one call and goes to the end of the list, so that calls of many clients are served in the order
 * in which they came, nearly. The others wait in one of two ways:
 *
 *   on futexes   few members: the leader parks on their rings, spinning first where that pays
 *   in epoll     many members, none, or a program that asked for a descriptor: each ring is armed
 *                to write its eventfd
 *
 * Other threads put a channel on the list of attention (alert.h).
 */
#ifndef TL_CLIENT_LOOP_H
#define TL_CLIENT_LOOP_H

#include "client/served.h"

void tl_loop_init(struct tl_loop *l);

/* (leader) Lets go of all members; nothing may be used afterwards but deinit. */
void tl_loop_leave_all(struct tulle *t);
void tl_loop_deinit(struct tl_loop *l);

/*
 * One step, without waiting. 0: a call to run, with tl_served_run(); TL_MORE: something was done,
 * or may be; TL_EMPTY: nothing is to be done now. Counts the completions that ran.
 */
int tl_loop_step(struct tulle *t, struct tulle_call_context **out_call, unsigned *ran);

/* Waits until something may be to be done, at most until `deadline`. */
void tl_loop_wait(struct tulle *t, uint64_t deadline);

/* Looks at the clock: late calls, and a node that may have died. For those who never wait. */
void tl_loop_look_around(struct tulle *t);

/* Prepares the descriptor for tulle_fd(), and sees that it tells what is to be told. */
int tl_loop_use_fd(struct tulle *t);
void tl_loop_rest(struct tulle *t);

/* All channels of a service end. */
void tl_loop_end_service(struct tulle *t, const struct tulle_service *s);

#endif
