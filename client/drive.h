/*
 * Driving a channel: taking its replies, and waiting for them.
 *
 * A thread that calls sends under the channel's lock and then drives the channel: it takes replies
 * until its own has come, and completes the calls of others on the way. If somebody drives already
 * it sleeps on a word of its own until that one has completed its call or hands the role on. So
 * exactly one thread sleeps on the ring, and a reply wakes exactly the thread that waits for it.
 */
#ifndef TL_CLIENT_DRIVE_H
#define TL_CLIENT_DRIVE_H

#include "client/call.h"

/* A synchronous call that must end by a time, not within one. */
int tl_drive_call_until(struct tulle_channel *c, const char *procedure, const void *args,
                        size_t args_size, uint64_t deadline, struct tulle_result *out);

/*
 * One turn of the loop on a client's channel: takes what arrived, ends what is late, runs
 * completions, at most `max` of them. Returns how many ran; out_is_more: there is more to do at
 * once. Nothing happens while another thread drives the channel: it does the same.
 */
unsigned tl_drive_turn(struct tulle_channel *c, unsigned max, bool *out_is_more);

/* For the length of a wait of the loop: true when the calling thread has become the driver of a
 * channel with something to wait for, to be given back. */
bool tl_drive_wait_begin(struct tulle_channel *c);
void tl_drive_wait_end(struct tulle_channel *c);

/* This program is done with the channel: calls end with CANCELLED, completions run here unless
 * another thread drives. */
void tl_drive_close(struct tulle_channel *c);

#endif
